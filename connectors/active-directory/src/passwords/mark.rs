//! Where the next read of password hashes continues, and whether a domain controller can continue it (ad-protocols 4): the
//! same database goes on from its own numbers, another one by what it has in common with what was read, and one that was set
//! back is read whole. Decides; asks nothing.

use crate::domain_controller::DomainController;
use connector_contract::Watermark;
use directory_replication::drsuapi::{Changes, Cursor, UsnVector};
use metaverse_schema::Guid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const VERSION: u32 = 1;

/// A watermark, taken apart. It names domain controllers and counts their changes, and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PasswordMark {
    pub(super) naming_context: String,
    /// For people, and to know a domain controller again after its database was restored: its DNS name.
    pub(super) host: String,
    pub(super) invocation: Guid,
    pub(super) place: UsnVector,
    /// How far the changes of every domain controller were read.
    pub(super) cursors: BTreeMap<Guid, u64>,
}

/// What a read begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Beginning {
    /// Everything; why, where a watermark was given.
    Everything { because: Option<String> },
    /// What changed in the same database.
    Same(PasswordMark),
    /// What another domain controller has that was not read: its own numbers mean nothing, the cursors do.
    Other(PasswordMark),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MarkError {
    #[error("the place where the last read of passwords ended cannot be read ({0})")]
    Unreadable(String),
    #[error(
        "the place where the last read of passwords ended is of version {0}, this program writes version {VERSION}"
    )]
    Version(u32),
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    naming_context: String,
    host: String,
    invocation: String,
    /// USN_VECTOR: object, reserved, property.
    place: [u64; 3],
    cursors: BTreeMap<String, u64>,
}

impl PasswordMark {
    pub(super) fn encode(&self) -> Watermark {
        let stored = Stored {
            version: VERSION,
            naming_context: self.naming_context.clone(),
            host: self.host.clone(),
            invocation: self.invocation.to_string(),
            place: [self.place.object, self.place.reserved, self.place.property],
            cursors: self.cursors.iter().map(|(invocation, usn)| (invocation.to_string(), *usn)).collect(),
        };
        // Texts and numbers: serialising them cannot fail, and an empty mark would be refused.
        Watermark(serde_json::to_string(&stored).unwrap_or_default())
    }

    pub(super) fn decode(watermark: &Watermark) -> Result<PasswordMark, MarkError> {
        let unreadable = |error: &dyn std::fmt::Display| MarkError::Unreadable(error.to_string());
        let stored: Stored = serde_json::from_str(&watermark.0).map_err(|error| unreadable(&error))?;
        if stored.version != VERSION {
            return Err(MarkError::Version(stored.version));
        }
        let guid = |text: &str| text.parse::<Guid>().map_err(|error| unreadable(&error));
        let [object, reserved, property] = stored.place;
        Ok(PasswordMark {
            invocation: guid(&stored.invocation)?,
            cursors: stored.cursors.iter().map(|(id, usn)| Ok((guid(id)?, *usn))).collect::<Result<_, MarkError>>()?,
            place: UsnVector { object, reserved, property },
            naming_context: stored.naming_context,
            host: stored.host,
        })
    }

    /// The highest number of this database that was read.
    fn seen_of(&self, invocation: &Guid) -> Option<u64> {
        let own = (self.invocation == *invocation).then_some(self.place.object.max(self.place.property));
        self.cursors.get(invocation).copied().max(own)
    }

    /// As a request takes them.
    pub(super) fn cursors(&self) -> Vec<Cursor> {
        self.cursors.iter().map(|(invocation, usn)| Cursor { invocation: *invocation, usn: *usn }).collect()
    }

    /// After the last answer of a read that began with `before`: what the domain controller knows now was delivered.
    pub(super) fn after(before: Option<&PasswordMark>, controller: &DomainController, last: &Changes) -> PasswordMark {
        let mut cursors = before.map(|mark| mark.cursors.clone()).unwrap_or_default();
        for cursor in &last.cursors {
            // A domain controller that lags behind another one takes nothing back of what was read elsewhere.
            let known = cursors.entry(cursor.invocation).or_default();
            *known = cursor.usn.max(*known);
        }
        cursors.entry(last.invocation).or_insert(last.to.property);
        PasswordMark {
            naming_context: controller.naming_context.to_string(),
            host: controller.host.clone(),
            invocation: last.invocation,
            place: last.to,
            cursors,
        }
    }
}

/// How a read against this domain controller begins.
pub(super) fn beginning(since: Option<&Watermark>, controller: &DomainController) -> Beginning {
    let Some(since) = since else {
        return Beginning::Everything { because: None };
    };
    let everything = |because: String| Beginning::Everything { because: Some(because) };
    let mark = match PasswordMark::decode(since) {
        Ok(mark) => mark,
        Err(error) => return everything(error.to_string()),
    };
    let context = controller.naming_context.to_string();
    if !mark.naming_context.eq_ignore_ascii_case(&context) {
        return everything(format!("the last read was of {}, this one is of {context}", mark.naming_context));
    }
    if let Some(seen) = mark.seen_of(&controller.invocation).filter(|seen| controller.usn < *seen) {
        // Its answer to the old place would be empty, and what was changed since would never come.
        return everything(format!(
            "{} was put back to an older state: changes up to {seen} were read from it, and it has changes up to {}",
            controller.host, controller.usn
        ));
    }
    if mark.invocation == controller.invocation {
        return Beginning::Same(mark);
    }
    if mark.host.eq_ignore_ascii_case(&controller.host) {
        return everything(format!("the database of {} was restored (it has a new invocation id)", controller.host));
    }
    Beginning::Other(mark)
}

/// Why a read from another domain controller brought everything after all: it knows nothing of what was read before.
pub(super) fn without_common_past(before: &PasswordMark, host: &str, last: &Changes) -> Option<String> {
    let common = last.cursors.iter().any(|cursor| before.cursors.contains_key(&cursor.invocation));
    (!common).then(|| format!("{host} has no past in common with {}, from which was read before", before.host))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain_controller::tests::{controller, guid};

    pub(in crate::passwords) fn mark() -> PasswordMark {
        PasswordMark {
            naming_context: "DC=corp,DC=example,DC=com".to_owned(),
            host: "dc1.corp.example.com".to_owned(),
            invocation: guid(1),
            place: UsnVector { object: 100, reserved: 0, property: 90 },
            cursors: [(guid(1), 95), (guid(2), 50)].into(),
        }
    }

    pub(in crate::passwords) fn answer(invocation: u8, to: u64, cursors: &[(u8, u64)]) -> Changes {
        Changes {
            invocation: guid(invocation),
            to: UsnVector { object: to, reserved: 0, property: to },
            cursors: cursors.iter().map(|(id, usn)| Cursor { invocation: guid(*id), usn: *usn }).collect(),
            objects: Vec::new(),
            more: false,
            extended: 0,
        }
    }

    #[test]
    fn a_watermark_comes_back_as_it_was_and_a_damaged_one_reads_everything() {
        let whole = mark().encode();
        assert_eq!(PasswordMark::decode(&whole), Ok(mark()));
        for broken in [
            String::new(),
            whole.0[..whole.0.len() - 1].to_owned(),
            whole.0.replace("\"version\":1", "\"version\":2"),
            whole.0.replace("[100,0,90]", "[100,90]"),
            whole.0.replace(&guid(2).to_string(), "x"),
        ] {
            let dc = controller(1, 200, None);
            let begun = beginning(Some(&Watermark(broken.clone())), &dc);
            assert!(matches!(begun, Beginning::Everything { because: Some(_) }), "{broken}: {begun:?}");
        }
    }

    /// The rules of ad-protocols 4, and SF17: the same database, another one, one that was set back, one that was restored.
    #[test]
    fn sf17_what_a_domain_controller_can_continue() {
        let whole = mark().encode();
        let begun = |dc: DomainController| beginning(Some(&whole), &dc);
        let because = |dc: DomainController| match begun(dc) {
            Beginning::Everything { because } => because.unwrap_or_default(),
            other => format!("{other:?}"),
        };
        assert_eq!(beginning(None, &controller(1, 200, None)), Beginning::Everything { because: None });
        assert_eq!(begun(controller(1, 100, None)), Beginning::Same(mark()));
        assert!(because(controller(1, 99, None)).contains("put back to an older state"));
        let other = |invocation, usn| DomainController {
            host: "dc2.corp.example.com".to_owned(),
            ..controller(invocation, usn, None)
        };
        assert_eq!(begun(other(2, 50)), Beginning::Other(mark()));
        assert!(because(other(2, 49)).contains("put back to an older state"), "it was read from before");
        assert_eq!(begun(other(3, 7)), Beginning::Other(mark()));
        assert!(because(controller(3, 500, None)).contains("restored"));
        let elsewhere = DomainController { naming_context: "DC=x".parse().unwrap(), ..controller(1, 100, None) };
        assert!(because(elsewhere).contains("DC=x"));
    }

    /// What was read stays read: a domain controller that lags behind another one takes no cursor back.
    #[test]
    fn cursors_only_go_forward_while_a_reading_is_continued() {
        let dc = controller(2, 60, None);
        let last = answer(2, 60, &[(1, 80), (2, 60), (3, 5)]);
        let after = PasswordMark::after(Some(&mark()), &dc, &last);
        assert_eq!(after.cursors, [(guid(1), 95), (guid(2), 60), (guid(3), 5)].into());
        assert_eq!((after.invocation, after.place.object), (guid(2), 60));
        // A full read starts over.
        assert_eq!(PasswordMark::after(None, &dc, &last).cursors[&guid(1)], 80);
        // A server that leaves itself out of its own vector.
        assert_eq!(PasswordMark::after(None, &dc, &answer(2, 60, &[(1, 80)])).cursors[&guid(2)], 60);
    }

    #[test]
    fn another_domain_controller_without_a_common_past_is_told() {
        assert_eq!(without_common_past(&mark(), "dc9", &answer(9, 5, &[(9, 5), (2, 1)])), None);
        let told = without_common_past(&mark(), "dc9", &answer(9, 5, &[(9, 5)])).unwrap();
        assert!(told.contains("dc9") && told.contains("dc1.corp.example.com"), "{told}");
    }
}
