//! Compares the tenant before and after, as the tenant itself tells it: who was matched, who was created, and that nothing
//! was lost. Takes JSON of Graph, knows nothing of the engine.

use serde_json::Value;
use std::collections::BTreeMap;

/// What is asked about a user: everything that a takeover could change or lose.
pub(crate) const USER_QUERY: &str = "users?$top=999&$select=id,displayName,userPrincipalName,mail,accountEnabled,\
    userType,onPremisesImmutableId,assignedLicenses,givenName,surname,jobTitle,department,mobilePhone,officeLocation,\
    usageLocation,proxyAddresses,mailNickname";
pub(crate) const GROUP_QUERY: &str = "groups?$top=999&$select=id,displayName,uniqueName&$expand=members($select=id)";

/// A tenant at one moment, by object id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inventory {
    pub(crate) users: BTreeMap<String, Value>,
    pub(crate) groups: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) sign_in: String,
}

/// What became of the tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Existing users that carry an immutable id now and did not before.
    pub(crate) matched: Vec<Named>,
    pub(crate) created_users: Vec<Named>,
    pub(crate) created_groups: Vec<Named>,
    /// Existing users that did not change at all.
    pub(crate) untouched: usize,
    /// What must not have happened.
    pub(crate) broken: Vec<String>,
}

impl Inventory {
    pub(crate) fn new(users: Vec<Value>, groups: Vec<Value>) -> Self {
        let by_id = |objects: Vec<Value>| objects.into_iter().map(|object| (text(&object, "id"), object)).collect();
        Inventory { users: by_id(users), groups: by_id(groups) }
    }
}

fn text(object: &Value, name: &str) -> String {
    object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn named(object: &Value) -> Named {
    Named { id: text(object, "id"), name: text(object, "displayName"), sign_in: text(object, "userPrincipalName") }
}

/// Licences are a set.
fn licences(user: &Value) -> Vec<String> {
    let list = user.get("assignedLicenses").and_then(Value::as_array);
    let mut skus: Vec<String> = list.into_iter().flatten().map(|licence| text(licence, "skuId")).collect();
    skus.sort();
    skus
}

/// `anchors`: immutable ids that the source directory has, as it computes them.
pub(crate) fn compare(before: &Inventory, after: &Inventory, anchors: &[String]) -> Outcome {
    let mut outcome = Outcome::default();
    for (id, old) in &before.users {
        match after.users.get(id) {
            None => outcome.broken.push(format!("{} is gone", text(old, "displayName"))),
            Some(new) => compare_user(&mut outcome, old, new),
        }
    }
    for (id, user) in &after.users {
        let stamp = text(user, "onPremisesImmutableId");
        let is_new = !before.users.contains_key(id);
        let was_matched = outcome.matched.iter().any(|matched| matched.id == *id);
        if (is_new || was_matched) && !anchors.contains(&stamp) {
            let name = text(user, "displayName");
            outcome
                .broken
                .push(format!("{name} carries the immutable id `{stamp}`, which nobody in the directory has"));
        }
        if is_new {
            outcome.created_users.push(named(user));
        }
    }
    for (id, group) in &before.groups {
        if after.groups.get(id) != Some(group) {
            outcome.broken.push(format!("the cloud's own group {} changed", text(group, "displayName")));
        }
    }
    let new_groups = after.groups.iter().filter(|(id, _)| !before.groups.contains_key(*id));
    outcome.created_groups = new_groups.map(|(_, group)| named(group)).collect();
    for list in [&mut outcome.matched, &mut outcome.created_users, &mut outcome.created_groups] {
        list.sort_by(|left, right| left.name.cmp(&right.name));
    }
    outcome
}

fn compare_user(outcome: &mut Outcome, old: &Value, new: &Value) {
    let name = text(old, "displayName");
    if old == new {
        outcome.untouched += 1;
        return;
    }
    let stamped = text(old, "onPremisesImmutableId").is_empty() && !text(new, "onPremisesImmutableId").is_empty();
    if stamped {
        outcome.matched.push(named(new));
    } else {
        outcome.broken.push(format!("{name} changed without being matched"));
    }
    if licences(old) != licences(new) {
        outcome.broken.push(format!("the licences of {name} changed"));
    }
    for attribute in ["userPrincipalName", "accountEnabled", "userType", "usageLocation"] {
        let same = match (old.get(attribute), new.get(attribute)) {
            (Some(Value::String(old)), Some(Value::String(new))) => old.eq_ignore_ascii_case(new),
            (old, new) => old == new,
        };
        if !same {
            outcome.broken.push(format!("{attribute} of {name} changed"));
        }
    }
    let cleared = old
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(attribute, value)| !is_empty(value) && new.get(attribute.as_str()).is_none_or(is_empty));
    outcome.broken.extend(cleared.map(|(attribute, _)| format!("{attribute} of {name} was cleared")));
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn user(id: &str, stamp: Option<&str>, more: Value) -> Value {
        let mut user = json!({ "id": id, "displayName": id.to_uppercase(), "userPrincipalName": format!("{id}@x"),
            "onPremisesImmutableId": stamp, "assignedLicenses": [{ "skuId": "s" }], "jobTitle": "Lead" });
        user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        user
    }

    fn outcome(old: Value, new: Value) -> Outcome {
        let before = Inventory::new(vec![old], Vec::new());
        compare(&before, &Inventory::new(vec![new], Vec::new()), &["A".to_owned()])
    }

    #[test]
    fn a_stamp_makes_a_match_and_everything_else_must_stay() {
        let good = outcome(user("a", None, json!({})), user("a", Some("A"), json!({ "jobTitle": "Head" })));
        assert_eq!((good.matched.len(), good.broken.len()), (1, 0));
        let untouched = outcome(user("a", None, json!({})), user("a", None, json!({})));
        assert_eq!((untouched.untouched, untouched.matched.len()), (1, 0));
    }

    #[test]
    fn what_is_lost_is_named() {
        let broken = |more: Value| outcome(user("a", None, json!({})), user("a", Some("A"), more)).broken;
        assert_eq!(broken(json!({ "assignedLicenses": [] })).len(), 2, "a lost licence is a change and a clearing");
        assert_eq!(broken(json!({ "userPrincipalName": "b@x" })), ["userPrincipalName of A changed"]);
        assert_eq!(broken(json!({ "userPrincipalName": "A@X" })), Vec::<String>::new());
        assert_eq!(broken(json!({ "jobTitle": null })), ["jobTitle of A was cleared"]);
        let foreign = outcome(user("a", None, json!({})), user("a", Some("B"), json!({})));
        assert!(foreign.broken[0].contains("nobody in the directory"));
        let unmatched = outcome(user("a", None, json!({})), user("a", None, json!({ "jobTitle": "x" })));
        assert_eq!(unmatched.broken, ["A changed without being matched"]);
    }
}
