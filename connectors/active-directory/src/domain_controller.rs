//! Which domain controller answers, how far it is, and whether a step may trust it: read-only, rolled back, replaced or
//! behind (SF17). Compares; never decides about an object.

use crate::controls;
use crate::directory::{Directory, DirectoryError, SearchRequest, read_object};
use crate::entry::Entry;
use crate::errors::{self, NOT_CONFIGURED};
use crate::time::unix_seconds;
use crate::watermark::Mark;
use connector_contract::{ConnectorError, ErrorKind, OwnAccount};
use metaverse_schema::{Dn, Guid, Value};
use std::collections::BTreeMap;

/// The well-known GUID of the Deleted Objects container (MS-ADTS 6.1.1.4).
const DELETED_OBJECTS: &str = "18e2ea80684f11d2b9aa00c04f79f805";

/// A domain controller as it described itself at the start of a step.
#[derive(Debug, Clone)]
pub(crate) struct DomainController {
    pub(crate) url: String,
    pub(crate) host: String,
    pub(crate) naming_context: Dn,
    pub(crate) schema_context: String,
    pub(crate) invocation: Guid,
    /// `highestCommittedUSN`, read before anything else: changes made while the step reads come again in the next delta.
    pub(crate) usn: u64,
    /// How far it knows every other domain controller: its `replUpToDateVector`. Absent where the account may not read
    /// it, or where there never was another one.
    pub(crate) vector: Option<BTreeMap<Guid, u64>>,
    pub(crate) read_only: bool,
    /// Seconds since 1970 by its clock.
    pub(crate) time: Option<i64>,
    /// Samba hides deleted objects from DirSync readers that may not list the Deleted Objects container.
    pub(crate) samba: bool,
}

/// What the last committed watermark says about the domain controller of this step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Continuity {
    Same,
    /// The same database, at an older state: a snapshot or a copy was put back.
    RolledBack {
        from: u64,
        to: u64,
    },
    /// Another domain controller, or this one after a proper restore.
    OtherInvocation,
    /// It has not replicated what was already read from another one.
    Behind {
        invocation: Guid,
        seen: u64,
        has: u64,
    },
}

impl DomainController {
    /// Reads who answers. `wanted` is the configured naming context.
    pub(crate) async fn read(
        directory: &dyn Directory,
        url: &str,
        wanted: Option<&Dn>,
    ) -> Result<DomainController, ConnectorError> {
        let attempted = format!("asking {url} who it is");
        let failed = |error: DirectoryError| errors::step_error(&attempted, &error);
        let not_ad = |missing: &str| {
            ConnectorError::new(
                ErrorKind::Protocol,
                attempted.clone(),
                format!("its root entry has no {missing}, so it is not an Active Directory domain controller"),
                "name a domain controller in `servers`",
            )
        };
        let request = SearchRequest { controls: Vec::new(), ..SearchRequest::object("", &ROOT_ATTRIBUTES) };
        let root = read_object(directory, &request).await.map_err(failed)?.ok_or_else(|| not_ad("content"))?;
        let service = root.first_text("dsServiceName").ok_or_else(|| not_ad("dsServiceName"))?;
        let usn = number(&root, "highestCommittedUSN").ok_or_else(|| not_ad("highestCommittedUSN"))?;
        let schema_context = root.first_text("schemaNamingContext").ok_or_else(|| not_ad("schemaNamingContext"))?;
        let naming_context = naming_context(&root, wanted, &attempted)?;
        let host = root.first_text("dnsHostName").unwrap_or(url).to_owned();
        let settings = SearchRequest::object(service, &["objectClass", "invocationId", "msDS-isRODC"]);
        let settings =
            read_object(directory, &settings).await.map_err(failed)?.ok_or_else(|| not_ad("readable NTDS settings"))?;
        let invocation = settings.first_guid("invocationId").ok_or_else(|| not_ad("readable invocationId"))?;
        let domain = SearchRequest::object(naming_context.to_string(), &["replUpToDateVector"]);
        let vector = read_object(directory, &domain)
            .await
            .map_err(failed)?
            .and_then(|domain| domain.first("replUpToDateVector").and_then(up_to_date_vector));
        // An object class of its own, and on newer ones an attribute that says so.
        let read_only = settings.texts("objectClass").iter().any(|class| class.eq_ignore_ascii_case("nTDSDSARO"))
            || settings.first("msDS-isRODC").is_some_and(|value| value.eq_ignore_ascii_case(b"TRUE"));
        Ok(DomainController {
            url: url.to_owned(),
            host,
            naming_context,
            schema_context: schema_context.to_owned(),
            invocation,
            usn,
            vector,
            read_only,
            time: root.first_text("currentTime").and_then(unix_seconds),
            samba: root.first_text("vendorName").is_some_and(|name| name.contains("Samba")),
        })
    }

    /// A read-only domain controller serves no step (SF17): it may lack attributes by policy.
    pub(crate) fn refuse_read_only(&self) -> Result<(), ConnectorError> {
        if !self.read_only {
            return Ok(());
        }
        Err(ConnectorError::new(
            ErrorKind::CannotStart { status: "no-start-read-only-domain-controller" },
            format!("reading from {}", self.url),
            format!("{} is a read-only domain controller, which may hold only part of each object", self.host),
            "name a writable domain controller in `servers`",
        ))
    }

    /// All that this domain controller has: what it replicated, and its own changes.
    pub(crate) fn cursors(&self) -> BTreeMap<Guid, u64> {
        let mut cursors = self.vector.clone().unwrap_or_default();
        cursors.insert(self.invocation, self.usn);
        cursors
    }

    /// Compares with the last committed watermark.
    pub(crate) fn continuity(&self, mark: &Mark) -> Continuity {
        if let Some(vector) = &self.vector {
            let foreign = mark.cursors.iter().filter(|(invocation, _)| **invocation != self.invocation);
            for (invocation, seen) in foreign {
                let has = vector.get(invocation).copied().unwrap_or(0);
                if has < *seen {
                    return Continuity::Behind { invocation: *invocation, seen: *seen, has };
                }
            }
        }
        let own = mark.cursors.get(&self.invocation).copied();
        match own {
            Some(seen) if self.usn < seen => Continuity::RolledBack { from: seen, to: self.usn },
            _ if mark.invocation != self.invocation => Continuity::OtherInvocation,
            _ => Continuity::Same,
        }
    }

    /// Refuses a domain controller that is behind what was already seen: neither import may run against it (SF17).
    pub(crate) fn refuse_behind(&self, continuity: &Continuity) -> Result<(), ConnectorError> {
        let Continuity::Behind { invocation, seen, has } = continuity else {
            return Ok(());
        };
        Err(ConnectorError::new(
            ErrorKind::CannotStart { status: "no-start-domain-controller-behind" },
            format!("reading from {}", self.url),
            format!(
                "{} has changes of {invocation} up to {has}, and changes up to {seen} were already imported: \
                 it would look as if the newer ones were undone",
                self.host
            ),
            "wait until it has replicated, or put a domain controller that has before it in `servers`",
        ))
    }

    /// Refuses another domain controller than the one that an import reads from: what it has not replicated yet it does not
    /// show, and an object that a change was read of would count as gone (SF17).
    pub(crate) fn refuse_other(&self, mark: &Mark) -> Result<(), ConnectorError> {
        if self.invocation == mark.invocation {
            return Ok(());
        }
        Err(ConnectorError::new(
            ErrorKind::Connection,
            format!("reading single objects from {} again", mark.host),
            format!("{} answers in its place, and may not have replicated what was read of them", self.host),
            format!("run the step again when {} answers", mark.host),
        ))
    }

    /// Whether the account sees that objects were deleted. Without that, a delta import would keep them for ever.
    pub(crate) async fn sees_deleted_objects(&self, directory: &dyn Directory) -> Result<bool, DirectoryError> {
        let name = format!("<WKGUID={DELETED_OBJECTS},{}>", self.naming_context);
        let request = SearchRequest::object(name, &["objectGUID"]).with(controls::show_deleted());
        // Its name alone is shown to everyone who may list the domain.
        let found = read_object(directory, &request).await?;
        Ok(found.is_some_and(|container| container.first("objectGUID").is_some()))
    }

    /// The account that signed in, by the SIDs of its own session: independent of how its name was written (SF20).
    pub(crate) async fn own_account(
        &self,
        directory: &dyn Directory,
        bind_user: &str,
    ) -> Result<OwnAccount, ConnectorError> {
        let attempted = format!("asking {} which account this is", self.url);
        let failed = |error: DirectoryError| errors::step_error(&attempted, &error);
        let request = SearchRequest { controls: Vec::new(), ..SearchRequest::object("", &["tokenGroups"]) };
        let root = read_object(directory, &request).await.map_err(failed)?;
        let sids: Vec<&[u8]> = root.as_ref().and_then(|root| root.values("tokenGroups")).unwrap_or_default().collect();
        // The session's SIDs are the account's own and those of its groups: only one of them is a user.
        for sid in sids.iter().filter_map(|bytes| crate::decode::sid(bytes)) {
            let name = format!("<SID={sid}>");
            let request = SearchRequest::object(name, &["objectClass", "objectSid", "sAMAccountName"]);
            let Some(object) = read_object(directory, &request).await.map_err(failed)? else {
                continue;
            };
            let is_account = object.texts("objectClass").iter().any(|class| class.eq_ignore_ascii_case("user"));
            if is_account {
                return Ok(OwnAccount {
                    attribute: "objectSid".to_owned(),
                    value: Value::Binary(sid.as_bytes().to_vec()),
                    name: format!("{bind_user} ({})", object.dn),
                });
            }
        }
        Err(ConnectorError::new(
            ErrorKind::Permission,
            attempted,
            "the domain controller does not show the account that signed in, so it cannot be kept from being synchronised",
            "let the account read its own object",
        ))
    }
}

const ROOT_ATTRIBUTES: [&str; 8] = [
    "dsServiceName",
    "dnsHostName",
    "defaultNamingContext",
    "namingContexts",
    "schemaNamingContext",
    "highestCommittedUSN",
    "currentTime",
    "vendorName",
];

fn number(entry: &Entry, name: &str) -> Option<u64> {
    entry.first_text(name)?.parse().ok()
}

/// The configured naming context if the server has it, else the server's own.
fn naming_context(root: &Entry, wanted: Option<&Dn>, attempted: &str) -> Result<Dn, ConnectorError> {
    let offered: Vec<Dn> = root.texts("namingContexts").iter().filter_map(|text| text.parse().ok()).collect();
    let own = root.first_text("defaultNamingContext").and_then(|text| text.parse::<Dn>().ok());
    let found = match wanted {
        Some(wanted) => offered.iter().find(|dn| dn.normalised() == wanted.normalised()).cloned(),
        None => own.clone(),
    };
    found.ok_or_else(|| {
        let wanted = wanted.map_or_else(|| "a default naming context".to_owned(), ToString::to_string);
        let offered: Vec<String> = offered.iter().map(ToString::to_string).collect();
        ConnectorError::new(
            NOT_CONFIGURED,
            attempted,
            format!("it has no naming context `{wanted}` (no such object)"),
            match own {
                Some(own) => format!("write base = \"{own}\"; it has: {}", offered.join(" ; ")),
                None => format!("it has: {}", offered.join(" ; ")),
            },
        )
    })
}

/// `replUpToDateVector` (MS-DRSR 5.166, UPTODATE_VECTOR): version, reserved, count, reserved, then per cursor the
/// invocation id, its USN and, from version 2 on, a time.
fn up_to_date_vector(bytes: &[u8]) -> Option<BTreeMap<Guid, u64>> {
    let word =
        |at: usize| bytes.get(at..at + 4).and_then(|word| <[u8; 4]>::try_from(word).ok()).map(u32::from_le_bytes);
    let size = match word(0)? {
        1 => 24,
        2 => 32,
        _ => return None,
    };
    let count = word(8)? as usize;
    let cursors = bytes.get(16..)?;
    if cursors.len() / size < count {
        return None;
    }
    cursors
        .chunks_exact(size)
        .take(count)
        .map(|cursor| {
            let guid = Guid::from_slice(cursor.get(..16)?).ok()?;
            let usn = <[u8; 8]>::try_from(cursor.get(16..24)?).ok()?;
            Some((guid, u64::from_le_bytes(usn)))
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn guid(number: u8) -> Guid {
        Guid::from_directory_bytes([number; 16])
    }

    pub(crate) fn controller(invocation: u8, usn: u64, vector: Option<&[(u8, u64)]>) -> DomainController {
        DomainController {
            url: "ldaps://dc1:636".to_owned(),
            host: "dc1.corp.example.com".to_owned(),
            naming_context: "DC=corp,DC=example,DC=com".parse().unwrap(),
            schema_context: "CN=Schema,CN=Configuration,DC=corp,DC=example,DC=com".to_owned(),
            invocation: guid(invocation),
            usn,
            vector: vector.map(|cursors| cursors.iter().map(|(id, usn)| (guid(*id), *usn)).collect()),
            read_only: false,
            time: None,
            samba: false,
        }
    }

    /// SF17: rolled back, other invocation, behind.
    #[test]
    fn continuity_with_what_was_seen() {
        let mark = Mark {
            cursors: [(guid(1), 100), (guid(2), 50)].into(),
            invocation: guid(1),
            ..crate::watermark::tests::mark()
        };
        let check = |dc: DomainController| dc.continuity(&mark);
        assert_eq!(check(controller(1, 100, None)), Continuity::Same);
        assert_eq!(check(controller(1, 150, Some(&[(2, 50)]))), Continuity::Same);
        assert_eq!(check(controller(1, 90, None)), Continuity::RolledBack { from: 100, to: 90 });
        assert_eq!(check(controller(2, 60, Some(&[(1, 100)]))), Continuity::OtherInvocation);
        assert_eq!(check(controller(3, 7, None)), Continuity::OtherInvocation);
        let behind = check(controller(2, 60, Some(&[(1, 99)])));
        assert_eq!(behind, Continuity::Behind { invocation: guid(1), seen: 100, has: 99 });
        let error = controller(2, 60, None).refuse_behind(&behind).unwrap_err();
        assert_eq!(error.step_status(), "no-start-domain-controller-behind");
        assert!(matches!(check(controller(1, 100, Some(&[]))), Continuity::Behind { has: 0, .. }));
    }

    /// SF17: single reads of an import that lost its connection.
    #[test]
    fn single_reads_go_on_with_the_same_domain_controller_alone() {
        let mark = Mark { invocation: guid(1), ..crate::watermark::tests::mark() };
        assert!(controller(1, 150, None).refuse_other(&mark).is_ok());
        let error = controller(2, 150, None).refuse_other(&mark).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Connection);
        assert!(error.message.contains("may not have replicated"), "{error}");
    }

    #[test]
    fn a_read_only_domain_controller_is_refused_by_name() {
        let dc = DomainController { read_only: true, ..controller(1, 1, None) };
        assert!(dc.refuse_read_only().unwrap_err().message.contains("dc1.corp.example.com"));
    }

    #[test]
    fn the_up_to_date_vector_of_both_versions() {
        let mut second = [2u32, 0, 2, 0].map(u32::to_le_bytes).concat();
        for (id, usn) in [(7u8, 4_711u64), (8, u64::MAX)] {
            second.extend([id; 16]);
            second.extend(usn.to_le_bytes());
            second.extend([0; 8]);
        }
        let read = up_to_date_vector(&second).unwrap();
        assert_eq!(read, [(guid(7), 4_711), (guid(8), u64::MAX)].into());
        for cut in 0..second.len() {
            assert_eq!(up_to_date_vector(&second[..cut]), None, "cut at {cut}");
        }
        let mut first = [1u32, 0, 1, 0].map(u32::to_le_bytes).concat();
        first.extend([9; 16]);
        first.extend(5u64.to_le_bytes());
        assert_eq!(up_to_date_vector(&first).unwrap(), [(guid(9), 5)].into());
        let mut lying = first.clone();
        lying[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(up_to_date_vector(&lying), None);
    }
}
