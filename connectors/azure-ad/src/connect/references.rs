//! References on their way to the provisioning service: members by the service's own anchors, a manager by the source anchor.
//! What cannot be named there is a failed reference, and the object goes without it.

use super::words::kind_of;
use crate::errors::problem;
use crate::provisioning::{CloudAnchor, ReferenceAnchor, ReferenceDelta, SyncObject, SyncOutcome, SyncValue};
use crate::schema::Class;
use connector_contract::{ConnectorError, ExportProblem, ReferenceChange};
use std::collections::BTreeMap;

/// Source anchors of users by object id. A user that carries none is not in it.
pub(super) type Managers = Result<BTreeMap<String, String>, ConnectorError>;

pub(super) type Failed = Vec<(ReferenceChange, ExportProblem)>;

/// The object with its reference changes: members by the service's own anchors, the manager by its source anchor.
pub(super) fn with_references(
    mut object: SyncObject,
    class: &Class,
    changes: &[ReferenceChange],
    managers: &Managers,
) -> (SyncObject, Failed) {
    let mut failed = Failed::new();
    let mut members = Vec::new();
    let mut manager = None;
    for change in changes {
        let attribute = change.attribute.as_str();
        match class.link.as_ref().map(|link| link.attribute) {
            Some("members") if attribute == "members" => match member(change) {
                Some(delta) => members.push(delta),
                None => failed.push((change.clone(), not_a_member(change))),
            },
            Some("manager") if attribute == "manager" && !change.add => {
                manager.get_or_insert(SyncValue::Nil);
            }
            Some("manager") if attribute == "manager" => match managers {
                Ok(anchors) => match anchors.get(&change.target.to_string()) {
                    Some(anchor) => manager = Some(SyncValue::Text(anchor.clone())),
                    None => failed.push((change.clone(), manager_without_anchor(change))),
                },
                Err(error) => failed.push((change.clone(), unread_manager(error))),
            },
            _ => {
                let message = format!("`{attribute}` is not a reference of a {} that can be exported", class.name);
                let problem =
                    problem("schema-violation", Some(attribute), message, "remove the flow to this attribute", false);
                failed.push((change.clone(), problem));
            }
        }
    }
    if !members.is_empty() {
        object = object.with("member", SyncValue::References(members));
    }
    // A manager that could not be named leaves the one who is there.
    let replaced = failed.iter().any(|(change, _)| change.attribute.as_str() == "manager");
    if let Some(manager) = manager.filter(|_| !replaced) {
        object = object.with("manager", manager);
    }
    (object, failed)
}

fn member(change: &ReferenceChange) -> Option<ReferenceDelta> {
    let kind = kind_of(Class::named(change.target_type.as_str())?)?;
    let target = ReferenceAnchor::Cloud(CloudAnchor::new(kind, &change.target.to_string()));
    Some(ReferenceDelta { target, add: change.add })
}

fn not_a_member(change: &ReferenceChange) -> ExportProblem {
    let message = format!("a {} cannot be a member", change.target_type);
    problem("dn-attributes-failure", Some("members"), message, "take it out of the group", false)
}

fn manager_without_anchor(change: &ReferenceChange) -> ExportProblem {
    let message = format!("the manager {} is not synchronised, or not yet", change.target);
    problem("dn-attributes-failure", Some("manager"), message, "it is tried again by itself", true)
}

fn unread_manager(error: &ConnectorError) -> ExportProblem {
    problem("not-settled", Some("manager"), error.to_string(), "it is sent again by itself", true)
}

/// The references of a takeover that went through.
pub(super) fn after_takeover(told: SyncOutcome, changes: &[ReferenceChange], failed: Failed) -> Failed {
    let refusal = match told {
        SyncOutcome::Accepted { .. } => return failed,
        SyncOutcome::Refused(refusal) => refusal,
        SyncOutcome::NotSettled { message, .. } => {
            problem("not-settled", None, message, "it is sent again by itself", true)
        }
    };
    changes.iter().map(|change| (change.clone(), refusal.clone())).collect()
}
