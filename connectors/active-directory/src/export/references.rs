//! Writes values of linked attributes: value by value, at most 1,000 in a request, and what is already so is success. One
//! refused value keeps no other from being written.

use super::refusals::{Failure, failure, is_final, problem};
use super::rights::Deed;
use super::{Writer, denied};
use crate::controls;
use crate::decode;
use crate::directory::{
    DirectoryError, Modification, ModificationKind, RC_ACCESS, RC_CONSTRAINT, RC_NO_SUCH_OBJECT, SearchRequest,
    read_object,
};
use connector_contract::{ExportProblem, ReferenceChange};
use metaverse_schema::{Anchor, AttributeName, Reference, Value};

/// Values of one request. A domain controller takes more, but holds its database while it works on them.
const VALUES_PER_REQUEST: usize = 1_000;

/// A reference change that was refused, and why.
type Refused = (ReferenceChange, ExportProblem);

pub(super) async fn write(
    writer: &Writer<'_>,
    name: &str,
    changes: &[ReferenceChange],
) -> Result<Vec<Refused>, Failure> {
    let mut failed = Vec::new();
    let is_single = |attribute: &AttributeName| writer.session.attributes.is_single(attribute.as_str());
    let changes = without_replaced(changes, is_single);
    for some in changes.chunks(VALUES_PER_REQUEST) {
        write_some(writer, name, some, &mut failed).await?;
    }
    Ok(failed)
}

/// All at once; where the server refuses, each half by itself, down to the value that it refuses.
async fn write_some(
    writer: &Writer<'_>,
    name: &str,
    changes: &[ReferenceChange],
    failed: &mut Vec<Refused>,
) -> Result<(), Failure> {
    let error = match send(writer, name, changes).await {
        Ok(()) => return Ok(()),
        Err(error) if is_final(&error) => return Err(failure(error)),
        Err(error) => error,
    };
    let one_attribute = changes.iter().all(|change| change.attribute == changes[0].attribute);
    if error.code() == Some(RC_ACCESS) && one_attribute {
        // The right is about the attribute: no single value would have another answer.
        let attributes = [changes[0].attribute.to_string()];
        let problem = denied(writer, error, Deed::Write { name, attributes: &attributes }).await?;
        failed.extend(changes.iter().map(|change| (change.clone(), problem.clone())));
        return Ok(());
    }
    if let [change] = changes {
        if !is_already_so(writer, name, change).await? {
            failed.push((change.clone(), refused(change, error)));
        }
        return Ok(());
    }
    let (first, second) = changes.split_at(changes.len() / 2);
    Box::pin(write_some(writer, name, first, failed)).await?;
    Box::pin(write_some(writer, name, second, failed)).await
}

async fn send(writer: &Writer<'_>, name: &str, changes: &[ReferenceChange]) -> Result<(), DirectoryError> {
    let is_single = |attribute: &str| writer.session.attributes.is_single(attribute);
    writer.writes().modify(name, &modifications(changes, is_single), vec![controls::permissive_modify()]).await
}

/// Without the removals from single-valued attributes that get another value: that one replaces whatever is there, also a
/// value that nobody told the engine of.
fn without_replaced(changes: &[ReferenceChange], is_single: impl Fn(&AttributeName) -> bool) -> Vec<ReferenceChange> {
    let gets = |attribute: &AttributeName| changes.iter().any(|other| other.add && other.attribute == *attribute);
    let is_replaced =
        |change: &&ReferenceChange| !change.add && is_single(&change.attribute) && gets(&change.attribute);
    changes.iter().filter(|change| !is_replaced(change)).cloned().collect()
}

/// One modification for each run of changes of one attribute in one direction, in the order given.
fn modifications(changes: &[ReferenceChange], is_single: impl Fn(&str) -> bool) -> Vec<Modification> {
    let mut modifications: Vec<Modification> = Vec::new();
    for change in changes {
        let kind = match change.add {
            true if is_single(change.attribute.as_str()) => ModificationKind::Replace,
            true => ModificationKind::Add,
            false => ModificationKind::Delete,
        };
        match modifications.last_mut() {
            Some(last) if last.kind == kind && last.attribute == change.attribute.as_str() => {
                last.values.push(value(change));
            }
            _ => modifications.push(Modification {
                kind,
                attribute: change.attribute.as_str().to_owned(),
                values: vec![value(change)],
            }),
        }
    }
    modifications
}

/// By identity, so that a target that was renamed since its import is still the one that is meant.
fn value(change: &ReferenceChange) -> Vec<u8> {
    decode::to_wire(&match (&change.target, &change.target_dn) {
        (Anchor::Guid(_), _) | (_, None) => Value::Reference(Reference::Anchor(change.target.clone())),
        (Anchor::Text(_), Some(dn)) => Value::Reference(Reference::Dn(dn.clone())),
    })
}

fn refused(change: &ReferenceChange, error: DirectoryError) -> ExportProblem {
    let code = error.code().unwrap_or_default();
    let text = match &error {
        DirectoryError::Refused { text, .. } => text.as_str(),
        _ => "",
    };
    let mut problem = problem(code, text);
    if code == RC_NO_SUCH_OBJECT || code == RC_CONSTRAINT {
        // The target may come with a later item of this very export (O56).
        problem.code = "dn-attributes-failure".to_owned();
        problem.remedy = "the object that is referenced is not there: it is sent again with every export".to_owned();
        problem.retry = true;
    }
    problem.attribute = Some(change.attribute.clone());
    problem
}

/// Whether the reference is as wanted: a value that is there already, or already gone, was refused for no other reason.
/// Asked of the directory, because servers say it with different codes (20, 68; 16, 53) despite the permissive control.
async fn is_already_so(writer: &Writer<'_>, name: &str, change: &ReferenceChange) -> Result<bool, Failure> {
    let value = String::from_utf8_lossy(&value(change)).into_owned();
    let filter = format!("({}={})", change.attribute, ldap3::ldap_escape(value));
    let request = SearchRequest { filter, ..SearchRequest::object(name, &["objectGUID"]) };
    let found = read_object(writer.directory(), &request).await.map_err(failure)?;
    Ok(found.is_some() == change.add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(attribute: &str, target: u8, add: bool) -> ReferenceChange {
        ReferenceChange {
            attribute: attribute.into(),
            target: Anchor::Guid(crate::domain_controller::tests::guid(target)),
            target_dn: None,
            target_type: "user".into(),
            add,
        }
    }

    #[test]
    fn values_of_one_attribute_and_direction_go_together() {
        let changes = [
            change("assistant", 1, false),
            change("manager", 1, false),
            change("member", 2, false),
            change("member", 3, false),
            change("member", 4, true),
            change("manager", 5, true),
        ];
        let single = |name: &str| name != "member";
        let changes = without_replaced(&changes, |name| single(name.as_str()));
        let seen: Vec<String> = modifications(&changes, single)
            .iter()
            .map(|change| format!("{:?} {} {}", change.kind, change.attribute, change.values.len()))
            .collect();
        assert_eq!(
            seen,
            ["Delete assistant 1", "Delete member 2", "Add member 1", "Replace manager 1"],
            "another manager replaces whoever is there; a manager who goes is removed by name"
        );
    }
}
