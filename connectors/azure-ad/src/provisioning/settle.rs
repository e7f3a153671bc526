//! Which entry of a reply belongs to which object that was sent, and what it means for it. The service need not keep the
//! order; an object without an entry is not settled. Never sends anything.

use super::batches::Piece;
use super::credentials::{CredentialChange, CredentialOutcome};
use super::object::{CLOUD_ANCHOR, SyncObject, SyncOperation};
use super::outcome::SyncOutcome;
use super::refusals;
use super::replies::{CredentialResult, ObjectResult};

/// One outcome for each piece, in order. `doubtful`: an earlier sending of this request may have been applied.
pub(super) fn settle_objects(batch: &[Piece<'_>], mut results: Vec<ObjectResult>, doubtful: bool) -> Vec<SyncOutcome> {
    let mut settled = Vec::with_capacity(batch.len());
    for piece in batch {
        let object = &*piece.object;
        // A contact that becomes a user is one anchor twice: kind and operation tell them apart, where the reply has them.
        let position = best(&results, |result| {
            let same = |told: Option<bool>| told.unwrap_or(true);
            let anchors = anchors_match(object, result);
            let kind = same(result.kind.map(|kind| kind == object.kind));
            let operation = same(result.operation.map(|operation| operation == object.operation));
            if anchors { 1 + 2 * i32::from(kind) + i32::from(operation) } else { 0 }
        });
        settled.push(match position {
            Some(position) => outcome(object, &results.remove(position), doubtful),
            None => SyncOutcome::NotSettled {
                may_have_arrived: true,
                message: "the reply does not say what became of it".to_owned(),
            },
        });
    }
    settled
}

/// The first entry with the highest mark above zero. Entries mostly come in order, so the first is mostly the best.
fn best<T>(results: &[T], mark: impl Fn(&T) -> i32) -> Option<usize> {
    const PERFECT: i32 = 4;
    let mut found: Option<(usize, i32)> = None;
    for (position, result) in results.iter().enumerate() {
        let mark = mark(result);
        if mark > found.map_or(0, |(_, best)| best) {
            found = Some((position, mark));
        }
        if mark >= PERFECT {
            break;
        }
    }
    found.map(|(position, _)| position)
}

/// The same object by its source anchor, which is compared to the letter, or by the service's own name.
fn anchors_match(object: &SyncObject, result: &ObjectResult) -> bool {
    match (object.source_anchor(), &result.source_anchor) {
        (Some(sent), Some(told)) => sent == told,
        _ => match (object.text(CLOUD_ANCHOR), &result.cloud_anchor) {
            (Some(sent), Some(told)) => sent.eq_ignore_ascii_case(told),
            _ => false,
        },
    }
}

fn outcome(object: &SyncObject, result: &ObjectResult, doubtful: bool) -> SyncOutcome {
    let is_delete = object.operation == SyncOperation::Delete;
    if result.failed && !(doubtful && is_delete && result.says_nothing_to_delete()) {
        return SyncOutcome::Refused(refusals::object_problem(object, result));
    }
    let anchor = result.cloud_anchor.as_ref().and_then(|anchor| anchor.parse().ok());
    SyncOutcome::Accepted { cloud_anchor: anchor }
}

/// One outcome for each password hash, in order.
pub(super) fn settle_credentials(
    changes: &[CredentialChange],
    mut results: Vec<CredentialResult>,
) -> Vec<CredentialOutcome> {
    let mut settled = Vec::with_capacity(changes.len());
    for change in changes {
        let cloud = change.cloud_anchor.as_ref().map(ToString::to_string);
        let position = best(&results, |result| {
            let source = change.source_anchor.is_some() && change.source_anchor == result.source_anchor;
            let same = |told: &String| cloud.as_ref().is_some_and(|sent| sent.eq_ignore_ascii_case(told));
            4 * i32::from(source || result.cloud_anchor.as_ref().is_some_and(same))
        });
        settled.push(match position.map(|position| results.remove(position)) {
            Some(result) if result.result == "0" => CredentialOutcome::Accepted,
            Some(result) => {
                let message = refusals::credential_message(&result);
                CredentialOutcome::Refused { result: result.result, message }
            }
            None => CredentialOutcome::NotSettled {
                may_have_arrived: true,
                message: "the reply does not say what became of it".to_owned(),
            },
        });
    }
    settled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provisioning::object::{CloudAnchor, SyncKind};
    use connector_contract::Secret;
    use expect_test::{Expect, expect};
    use std::borrow::Cow;

    const CLOUD: &str = "33333333-3333-3333-3333-333333333333";

    fn told(source: &str, cloud: &str) -> ObjectResult {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        ObjectResult { source_anchor: some(source), cloud_anchor: some(cloud), ..ObjectResult::default() }
    }

    #[track_caller]
    fn check(objects: &[SyncObject], results: Vec<ObjectResult>, doubtful: bool, expected: Expect) {
        let pieces = objects.iter().enumerate();
        let batch: Vec<Piece<'_>> =
            pieces.map(|(index, object)| Piece { index, object: Cow::Borrowed(object) }).collect();
        let lines = settle_objects(&batch, results, doubtful).into_iter().map(|outcome| match outcome {
            SyncOutcome::Accepted { cloud_anchor } => {
                format!("accepted {}", cloud_anchor.map(|anchor| anchor.to_string()).unwrap_or_default())
            }
            SyncOutcome::Refused(problem) => format!("refused {}", problem.code),
            SyncOutcome::NotSettled { may_have_arrived, message } => {
                format!("not settled {may_have_arrived}: {message}")
            }
        });
        expected.assert_eq(&lines.collect::<Vec<_>>().join("\n"));
    }

    /// Entries in another order, one missing, one too many.
    #[test]
    fn entries_are_found_by_anchor() {
        let users = ["a", "b", "c"].map(|anchor| SyncObject::set(SyncKind::User, anchor));
        let refused = ObjectResult { failed: true, details: Some("InvalidSoftMatch".to_owned()), ..told("a", "") };
        let results = vec![told("c", &format!("User_{CLOUD}")), told("x", ""), refused];
        check(
            &users,
            results,
            false,
            expect![[r#"
            refused InvalidSoftMatch
            not settled true: the reply does not say what became of it
            accepted User_33333333-3333-3333-3333-333333333333"#]],
        );
    }

    /// T32: a contact that becomes a user has one anchor; each of the two gets its own entry.
    #[test]
    fn t32_one_anchor_twice_is_told_apart_by_kind_and_operation() {
        let objects = [SyncObject::delete(SyncKind::Contact, "a"), SyncObject::set(SyncKind::User, "a")];
        let user = ObjectResult {
            kind: Some(SyncKind::User),
            operation: Some(SyncOperation::Set),
            ..told("a", &format!("User_{CLOUD}"))
        };
        let contact = ObjectResult {
            kind: Some(SyncKind::Contact),
            operation: Some(SyncOperation::Delete),
            failed: true,
            details: Some("LargeObject".to_owned()),
            ..told("a", "")
        };
        check(
            &objects,
            vec![user, contact],
            false,
            expect![[r#"
            refused LargeObject
            accepted User_33333333-3333-3333-3333-333333333333"#]],
        );
        check(
            &objects,
            vec![told("a", ""), told("a", "")],
            false,
            expect![[r#"
            accepted 
            accepted "#]],
        );
    }

    /// An object that was sent by its cloud anchor alone is found by it; anchors of the directory differ by case.
    #[test]
    fn cloud_anchors_find_entries_too() {
        let mut by_cloud = SyncObject::delete(SyncKind::User, "");
        let anchor = CloudAnchor::new(SyncKind::User, CLOUD).to_string();
        by_cloud.properties = vec![("CloudAnchor".to_owned(), crate::provisioning::SyncValue::Text(anchor.clone()))];
        check(
            &[by_cloud],
            vec![told("z", &anchor.to_uppercase())],
            false,
            expect!["accepted User_33333333-3333-3333-3333-333333333333"],
        );
        let upper = SyncObject::set(SyncKind::User, "A");
        check(
            &[upper],
            vec![told("a", "")],
            false,
            expect!["not settled true: the reply does not say what became of it"],
        );
    }

    /// A delete that may have arrived before: nothing to delete is what it should lead to. Otherwise it is told.
    #[test]
    fn a_repeated_delete_is_done_when_nothing_is_left() {
        let gone = || ObjectResult { failed: true, code: Some("114".to_owned()), ..told("a", "") };
        let delete = [SyncObject::delete(SyncKind::User, "a")];
        check(&delete, vec![gone()], true, expect!["accepted "]);
        check(&delete, vec![gone()], false, expect!["refused cd-missing-object"]);
        check(&[SyncObject::set(SyncKind::User, "a")], vec![gone()], true, expect!["refused cd-missing-object"]);
        let other = ObjectResult { code: Some("9".to_owned()), ..gone() };
        check(&delete, vec![other], true, expect!["refused constraint-violation"]);
    }

    #[test]
    fn password_hashes_find_their_entries() {
        let change = |source: Option<&str>, cloud: Option<&str>| CredentialChange {
            source_anchor: source.map(str::to_owned),
            cloud_anchor: cloud.map(|id| CloudAnchor::new(SyncKind::User, id)),
            changed_at: jiff::Timestamp::UNIX_EPOCH,
            credential_data: Secret::new("x"),
            force_change_on_logon: false,
        };
        let entry = |source: Option<&str>, cloud: Option<String>, result: &str| CredentialResult {
            source_anchor: source.map(str::to_owned),
            cloud_anchor: cloud,
            result: result.to_owned(),
            message: None,
        };
        let changes = [change(Some("a"), None), change(None, Some(CLOUD)), change(Some("c"), None), change(None, None)];
        let results = vec![
            entry(Some("c"), None, "2"),
            entry(None, Some(format!("User_{CLOUD}")), "0"),
            entry(Some("a"), None, "0"),
        ];
        let told: Vec<String> =
            settle_credentials(&changes, results).iter().map(|outcome| format!("{outcome:?}")).collect();
        expect![[r#"
            Accepted
            Accepted
            Refused { result: "2", message: "result 2" }
            NotSettled { may_have_arrived: true, message: "the reply does not say what became of it" }"#]]
        .assert_eq(&told.join("\n"));
    }
}
