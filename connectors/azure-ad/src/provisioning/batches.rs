//! Packs objects into requests that the service takes: so many objects, bytes and links at most. An object with more changed
//! links than that goes in several pieces, one after the other. Never drops or reorders what belongs to one object.

use super::object::{CLOUD_ANCHOR, SOURCE_ANCHOR, SyncObject, SyncValue};
use std::borrow::Cow;

/// Bytes of an object's and of a property's elements beside their values; more than the encoder needs.
const OBJECT_OVERHEAD: usize = 300;
const PROPERTY_OVERHEAD: usize = 250;
const ITEM_OVERHEAD: usize = 40;
const REFERENCE_OVERHEAD: usize = 160;

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) objects: usize,
    pub(super) bytes: usize,
    pub(super) links: usize,
}

/// One object of a request, or one piece of it, and its place among the objects given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) index: usize,
    pub(super) object: Cow<'a, SyncObject>,
}

/// Requests that may be sent at the same time.
pub(super) type Round<'a> = Vec<Vec<Piece<'a>>>;

/// Packs the objects. The first round has each object or its first piece; those with more pieces go on in the next rounds.
pub(super) fn rounds(objects: &[SyncObject], limits: Limits) -> Vec<Round<'_>> {
    let mut rounds: Vec<Vec<Piece<'_>>> = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        for (round, object) in pieces(object, limits.links).into_iter().enumerate() {
            if rounds.len() <= round {
                rounds.push(Vec::new());
            }
            rounds[round].push(Piece { index, object });
        }
    }
    rounds.into_iter().map(|pieces| pack(pieces, limits)).collect()
}

fn pack<'a>(pieces: Vec<Piece<'a>>, limits: Limits) -> Round<'a> {
    let mut batches: Round<'a> = Vec::new();
    let (mut bytes, mut links) = (0, 0);
    for piece in pieces {
        let (size, count) = (size(&piece.object), piece.object.links());
        match batches.last_mut() {
            Some(batch)
                if batch.len() < limits.objects && bytes + size <= limits.bytes && links + count <= limits.links =>
            {
                batch.push(piece);
                bytes += size;
                links += count;
            }
            _ => {
                batches.push(vec![piece]);
                (bytes, links) = (size, count);
            }
        }
    }
    batches
}

/// The object whole, or, when it changes more links than a request takes, in pieces: the first with all other properties.
fn pieces(object: &SyncObject, most: usize) -> Vec<Cow<'_, SyncObject>> {
    let changes = object.properties.iter().find_map(|(key, value)| match value {
        SyncValue::References(changes) => Some((key, changes)),
        _ => None,
    });
    let Some((key, changes)) = changes.filter(|_| object.links() > most) else { return vec![Cow::Borrowed(object)] };
    let is_anchor = |key: &str| key.eq_ignore_ascii_case(SOURCE_ANCHOR) || key.eq_ignore_ascii_case(CLOUD_ANCHOR);
    // Room for the object's other links, a manager.
    let most = most.saturating_sub(object.links() - changes.len()).max(1);
    let piece = |number: usize, changes: &[_]| {
        let kept = |(name, _): &&(String, SyncValue)| name != key && (number == 0 || is_anchor(name));
        let mut properties: Vec<_> = object.properties.iter().filter(kept).cloned().collect();
        properties.push((key.clone(), SyncValue::References(changes.to_vec())));
        Cow::Owned(SyncObject { properties, ..*object })
    };
    changes.chunks(most).enumerate().map(|(number, changes)| piece(number, changes)).collect()
}

/// No less than what the object takes in a request.
pub(super) fn size(object: &SyncObject) -> usize {
    let of = |(key, value): &(String, SyncValue)| {
        let base64 = |bytes: &Vec<u8>| bytes.len().div_ceil(3) * 4;
        let value = match value {
            SyncValue::Nil | SyncValue::Boolean(_) | SyncValue::Long(_) => 32,
            SyncValue::Text(text) => text.len(),
            SyncValue::Texts(texts) => texts.iter().map(|text| text.len() + ITEM_OVERHEAD).sum(),
            SyncValue::Binary(bytes) => base64(bytes),
            SyncValue::Binaries(all) => all.iter().map(|bytes| base64(bytes) + ITEM_OVERHEAD).sum(),
            SyncValue::References(changes) => {
                changes.iter().map(|change| change.target.length() + REFERENCE_OVERHEAD).sum()
            }
        };
        key.len() + value + PROPERTY_OVERHEAD
    };
    OBJECT_OVERHEAD + object.properties.iter().map(of).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provisioning::binary::encode;
    use crate::provisioning::object::{CloudAnchor, ReferenceAnchor, ReferenceDelta, SyncKind};
    use crate::provisioning::requests;
    use expect_test::{Expect, expect};

    fn changes(count: usize) -> SyncValue {
        let change =
            |number: usize| ReferenceDelta { target: ReferenceAnchor::Source(format!("m{number}")), add: true };
        SyncValue::References((0..count).map(change).collect())
    }

    fn group(anchor: &str, count: usize) -> SyncObject {
        let named = SyncObject::set(SyncKind::Group, anchor).with("displayName", SyncValue::Text("Staff".to_owned()));
        named.with("member", changes(count))
    }

    fn user(anchor: &str) -> SyncObject {
        SyncObject::set(SyncKind::User, anchor)
    }

    /// One line for each round; requests between bars; of each piece its object's number, properties and links.
    #[track_caller]
    fn check(objects: &[SyncObject], limits: Limits, expected: Expect) {
        let shown =
            |piece: &Piece<'_>| format!("{}:{}p{}l", piece.index, piece.object.properties.len(), piece.object.links());
        let request = |batch: &Vec<Piece<'_>>| batch.iter().map(shown).collect::<Vec<_>>().join(" ");
        let lines =
            rounds(objects, limits).into_iter().map(|round| round.iter().map(request).collect::<Vec<_>>().join(" | "));
        expected.assert_eq(&lines.collect::<Vec<_>>().join("\n"));
    }

    const LIMITS: Limits = Limits { objects: 3, bytes: 100_000, links: 10 };

    #[test]
    fn requests_hold_so_many_objects_and_links() {
        let users: Vec<SyncObject> = (0..7).map(|number| user(&number.to_string())).collect();
        check(&users, LIMITS, expect!["0:1p0l 1:1p0l 2:1p0l | 3:1p0l 4:1p0l 5:1p0l | 6:1p0l"]);
        check(&[group("a", 6), group("b", 4), group("c", 1)], LIMITS, expect!["0:3p6l 1:3p4l | 2:3p1l"]);
        check(&[], LIMITS, expect![""]);
    }

    /// Pieces of one object follow each other; all of its changes are in them, in order, and its properties once.
    #[test]
    fn an_object_with_too_many_links_goes_in_pieces() {
        let objects = [group("a", 25), user("b"), group("c", 11)];
        check(
            &objects,
            LIMITS,
            expect![[r#"
                0:3p10l 1:1p0l | 2:3p10l
                0:2p10l | 2:2p1l
                0:2p5l"#]],
        );
        let mut together = Vec::new();
        for piece in rounds(&objects, LIMITS).into_iter().flatten().flatten().filter(|piece| piece.index == 0) {
            let SyncValue::References(changes) = piece.object.value("member").unwrap() else { panic!("no changes") };
            together.extend(changes.clone());
        }
        assert_eq!(Some(&SyncValue::References(together)), objects[0].value("member"));
        let with_manager = group("a", 12).with("manager", SyncValue::Text("x".to_owned()));
        check(
            &[with_manager],
            LIMITS,
            expect![[r#"
            0:4p10l
            0:2p3l"#]],
        );
    }

    /// A list that replaces cannot be cut: it goes alone, and the service says what it thinks of it.
    #[test]
    fn what_cannot_be_cut_goes_alone() {
        let members = SyncValue::Texts((0..40).map(|number| number.to_string()).collect());
        let whole = user("b").with("member", members);
        check(&[user("a"), whole, user("c")], LIMITS, expect!["0:1p0l | 1:2p40l | 2:1p0l"]);
        let photo = user("b").with("ThumbnailPhoto", SyncValue::Binary(vec![0; 200_000]));
        check(&[user("a"), photo, user("c")], LIMITS, expect!["0:1p0l | 1:2p0l | 2:1p0l"]);
    }

    /// The bound on bytes holds because no object takes more than it is counted with.
    #[test]
    fn sizes_are_not_too_small() {
        let anchor = CloudAnchor::new(SyncKind::User, "33333333-3333-3333-3333-333333333333");
        let by_cloud = ReferenceDelta { target: ReferenceAnchor::Cloud(anchor), add: false };
        for object in [
            user("AAEC"),
            group("AAEC", 100),
            user("AAEC").with("x".repeat(300), SyncValue::Nil).with("b", SyncValue::Boolean(false)),
            user("AAEC").with("n", SyncValue::Long(i64::MIN)).with("t", SyncValue::Text("é".repeat(70_000))),
            user("AAEC").with("l", SyncValue::Texts(vec!["x".repeat(300); 50])),
            user("AAEC").with("b", SyncValue::Binary(vec![1; 70_001])),
            user("AAEC").with("c", SyncValue::Binaries(vec![vec![1; 1_000]; 15])),
            group("AAEC", 0).with("r", SyncValue::References(vec![by_cloud; 50])),
        ] {
            let empty = encode(&requests::provision("ProvisionAzureADSyncObjects2", [])).len();
            let taken = encode(&requests::provision("ProvisionAzureADSyncObjects2", [&object])).len() - empty;
            assert!(taken <= size(&object), "{taken} > {} for {:?}", size(&object), object.properties.last());
        }
    }
}
