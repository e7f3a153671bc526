//! A pending export as the attributes it would change, old and new: for the list, JSON and CSV (O30, O32).

use crate::failure::Failure;
use crate::output::to_json;
use crate::render::objects::values;
use metaverse_schema::{AttributeChange, Attributes, AttributesDelta, Values};
use serde_json::{Value, json};
use sync_kernel::{CsId, CsObject, Grace, PendingOperation, SentState};
use sync_store::{HeldLine, LEAVING_SCOPE, PendingFilter, PendingLine, Store};

const PAGE: usize = 1_000;

pub(crate) struct PendingObject {
    pub(crate) name: String,
    pub(crate) object_type: String,
    pub(crate) dn: String,
    pub(crate) anchor: String,
    /// `add`, `update`, `takeover`, `rename`, `restore`, `delete`, `detach`.
    pub(crate) operation: &'static str,
    pub(crate) cause: String,
    pub(crate) changes: Vec<Change>,
    pub(crate) members: Vec<MemberChange>,
    pub(crate) references_added: u64,
    pub(crate) references_removed: u64,
    pub(crate) references_after_create: u64,
    pub(crate) refused: Option<Refused>,
    /// The day (UTC) on which it leaves, when it only left scope (SF18): until then it is held.
    pub(crate) leaves_on: Option<String>,
}

pub(crate) struct Refused {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) remedy: String,
    pub(crate) count: u64,
}

pub(crate) struct Change {
    pub(crate) attribute: String,
    pub(crate) old: Values,
    pub(crate) new: Values,
}

/// One value of a reference attribute.
pub(crate) struct MemberChange {
    pub(crate) attribute: String,
    pub(crate) name: String,
    pub(crate) add: bool,
    pub(crate) state: &'static str,
}

impl Change {
    pub(crate) fn text(&self) -> String {
        format!("{}: {} → {}", self.attribute, values(&self.old), values(&self.new))
    }

    /// O30: attribute-level delta operations.
    fn modification(&self) -> &'static str {
        match (self.old.is_empty(), self.new.is_empty()) {
            (true, _) => "add",
            (false, true) => "delete",
            (false, false) => "update",
        }
    }
}

impl PendingObject {
    pub(crate) fn json(&self) -> Value {
        let changes: Vec<Value> = self
            .changes
            .iter()
            .map(|change| {
                json!({
                    "attribute": change.attribute,
                    "modification": change.modification(),
                    "old": to_json(&change.old),
                    "new": to_json(&change.new),
                })
            })
            .collect();
        let members: Vec<Value> = self
            .members
            .iter()
            .map(|member| {
                json!({
                    "attribute": member.attribute,
                    "modification": if member.add { "add" } else { "delete" },
                    "name": member.name,
                    "state": member.state,
                })
            })
            .collect();
        json!({
            "leaves_on": self.leaves_on,
            "name": self.name,
            "object_type": self.object_type,
            "dn": self.dn,
            "anchor": self.anchor,
            "operation": self.operation,
            "cause": self.cause,
            "changes": changes,
            "references": members,
            "refused": self.refused.as_ref().map(|refused| json!({
                "code": refused.code,
                "message": refused.message,
                "remedy": refused.remedy,
                "count": refused.count,
            })),
        })
    }
}

/// Every object of the space with something to send.
pub(crate) fn pending_objects(store: &Store, connector: &str) -> Result<Vec<PendingObject>, Failure> {
    let mut objects = Vec::new();
    let mut after = None;
    loop {
        let page = store.pending(connector, &PendingFilter::default(), after, PAGE)?;
        let Some(last) = page.last().map(|line| line.object) else {
            return Ok(objects);
        };
        after = Some(last);
        for line in page {
            objects.push(pending_object(store, line)?);
        }
    }
}

fn pending_object(store: &Store, line: PendingLine) -> Result<PendingObject, Failure> {
    let object = store.object(line.object)?;
    let image = object.as_ref().and_then(CsObject::imported).cloned().unwrap_or_default();
    let operation = line.pending.as_ref().map(|pending| &pending.operation);
    Ok(PendingObject {
        name: line.name,
        object_type: line.object_type.to_string(),
        dn: line.dn.unwrap_or_default(),
        anchor: line.anchor.unwrap_or_default(),
        operation: operation.map_or("update", operation_name),
        cause: match operation {
            Some(PendingOperation::Delete { cause, .. } | PendingOperation::Detach { cause, .. }) => cause.to_string(),
            _ => String::new(),
        },
        changes: operation.map(|operation| changes(operation, &image)).unwrap_or_default(),
        members: member_changes(store, line.object)?,
        references_added: line.references_added,
        references_removed: line.references_removed,
        references_after_create: line.references_after_create,
        leaves_on: line.pending.as_ref().and_then(|pending| pending.grace.as_ref()).map(Grace::date),
        refused: match line.pending.map(|pending| pending.state) {
            Some(SentState::Refused { code, message, remedy, count, .. }) => {
                Some(Refused { code, message, remedy, count })
            }
            _ => None,
        },
    })
}

fn operation_name(operation: &PendingOperation) -> &'static str {
    match operation {
        PendingOperation::Add { .. } => "add",
        PendingOperation::Update { takeover: true, .. } => "takeover",
        PendingOperation::Update { rename: Some(_), .. } => "rename",
        PendingOperation::Update { .. } => "update",
        PendingOperation::Restore { .. } => "restore",
        PendingOperation::Delete { .. } => "delete",
        PendingOperation::Detach { .. } => "detach",
    }
}

fn changes(operation: &PendingOperation, image: &Attributes) -> Vec<Change> {
    let mut delta = AttributesDelta::default();
    match operation {
        PendingOperation::Add { attributes } => {
            return attributes
                .iter()
                .map(|(name, new)| Change { attribute: name.to_string(), old: Values::default(), new: new.clone() })
                .collect();
        }
        PendingOperation::Update { changes, afterwards, .. } | PendingOperation::Restore { changes, afterwards } => {
            delta.0.extend(changes.0.clone());
            delta.0.extend(afterwards.0.clone());
        }
        PendingOperation::Delete { .. } | PendingOperation::Detach { .. } => {}
    }
    let mut changed = image.clone();
    delta.apply(&mut changed);
    delta
        .0
        .iter()
        .map(|(name, change)| Change {
            attribute: name.to_string(),
            old: image.get(name.as_str()).cloned().unwrap_or_default(),
            new: match change {
                AttributeChange::Replace(new) => new.clone(),
                AttributeChange::Update { .. } => changed.get(name.as_str()).cloned().unwrap_or_default(),
            },
        })
        .collect()
}

fn member_changes(store: &Store, target: CsId) -> Result<Vec<MemberChange>, Failure> {
    let mut members = Vec::new();
    let mut after = None;
    loop {
        let page = store.pending_members(target, after, PAGE)?;
        let Some(last) = page.last().map(|member| member.member) else {
            return Ok(members);
        };
        after = Some(last);
        members.extend(page.into_iter().filter(|member| member.state != "unconfirmed").map(|member| MemberChange {
            attribute: member.attribute.to_string(),
            name: member.name,
            add: member.add,
            state: member.state,
        }));
    }
}

const COLUMNS: [&str; 11] =
    ["object_type", "name", "dn", "anchor", "OMODT", "attribute", "AMODT", "old_value", "new_value", "state", "reason"];

/// O32: one line for each attribute that changes, and one for each held decision. `OMODT` is how the object changes,
/// `AMODT` how the attribute does.
pub(crate) fn csv_table(objects: &[PendingObject], held: &[HeldLine]) -> Result<String, Failure> {
    let write = || -> Result<Vec<u8>, csv::Error> {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(COLUMNS)?;
        for object in objects {
            let leaving =
                object.leaves_on.as_ref().map(|day| format!("{LEAVING_SCOPE}: leaves on {day} ({})", object.cause));
            let (state, reason) = match (&leaving, &object.refused) {
                (Some(leaving), _) => ("held", leaving.as_str()),
                (None, Some(refused)) => ("refused", refused.code.as_str()),
                (None, None) => ("pending", object.cause.as_str()),
            };
            let mut row = |attribute: &str, modification: &str, old: &str, new: &str, state: &str| {
                table.write_record([
                    &object.object_type,
                    &object.name,
                    &object.dn,
                    &object.anchor,
                    object.operation,
                    attribute,
                    modification,
                    old,
                    new,
                    state,
                    reason,
                ])
            };
            for change in &object.changes {
                row(&change.attribute, change.modification(), &joined(&change.old), &joined(&change.new), state)?;
            }
            for member in &object.members {
                let (modification, old, new) =
                    if member.add { ("add", "", member.name.as_str()) } else { ("delete", member.name.as_str(), "") };
                row(&member.attribute, modification, old, new, member.state)?;
            }
            if object.changes.is_empty() && object.members.is_empty() {
                row("", "", "", "", state)?;
            }
        }
        for line in held {
            let attribute = line.hold.attribute.as_deref().unwrap_or_default();
            let (wanted, present) = (line.hold.wanted.as_deref(), line.hold.present.as_deref());
            table.write_record([
                "",
                &line.name,
                "",
                "",
                "none",
                attribute,
                "none",
                present.unwrap_or_default(),
                wanted.unwrap_or_default(),
                "held",
                &line.hold.code,
            ])?;
        }
        table.into_inner().map_err(|error| csv::Error::from(error.into_error()))
    };
    let bytes = write().map_err(|error| Failure::new("csv", error.to_string(), ""))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn joined(values: &Values) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use metaverse_schema::Value as Single;

    fn change(attribute: &str, old: &[&str], new: &[&str]) -> Change {
        let of = |texts: &[&str]| texts.iter().map(|text| Single::text(*text)).collect();
        Change { attribute: attribute.into(), old: of(old), new: of(new) }
    }

    /// O32.
    #[test]
    fn a_row_for_each_attribute_with_both_modification_types() {
        let object = PendingObject {
            name: "Díaz, Carla".into(),
            object_type: "user".into(),
            dn: String::new(),
            anchor: "a1".into(),
            operation: "update",
            cause: String::new(),
            changes: vec![
                change("title", &[], &["Head"]),
                change("department", &["Vertrieb"], &["Sales"]),
                change("mobile", &["1", "2"], &[]),
            ],
            members: vec![MemberChange {
                attribute: "members".into(),
                name: "Bob".into(),
                add: false,
                state: "pending",
            }],
            references_added: 0,
            references_removed: 1,
            references_after_create: 0,
            refused: None,
            leaves_on: None,
        };
        expect![[r#"
            object_type,name,dn,anchor,OMODT,attribute,AMODT,old_value,new_value,state,reason
            user,"Díaz, Carla",,a1,update,title,add,,Head,pending,
            user,"Díaz, Carla",,a1,update,department,update,Vertrieb,Sales,pending,
            user,"Díaz, Carla",,a1,update,mobile,delete,1; 2,,pending,
            user,"Díaz, Carla",,a1,update,members,delete,Bob,,pending,
        "#]]
        .assert_eq(&csv_table(&[object], &[]).unwrap());
    }

    /// SF18: one that left scope is held, and says until when.
    #[test]
    fn sf18_what_leaves_scope_is_held_until_its_day() {
        let object = PendingObject {
            name: "Ann".into(),
            object_type: "user".into(),
            dn: String::new(),
            anchor: "a1".into(),
            operation: "delete",
            cause: "left the selected containers".into(),
            changes: Vec::new(),
            members: Vec::new(),
            references_added: 0,
            references_removed: 0,
            references_after_create: 0,
            refused: None,
            leaves_on: Some("2026-12-02".into()),
        };
        expect![[r#"
            object_type,name,dn,anchor,OMODT,attribute,AMODT,old_value,new_value,state,reason
            user,Ann,,a1,delete,,,,,held,leaving-scope: leaves on 2026-12-02 (left the selected containers)
        "#]]
        .assert_eq(&csv_table(&[object], &[]).unwrap());
    }
}
