//! Compares the tenant before and after, as the tenant itself tells it: who was matched, who was created, and that nothing
//! was lost. Takes JSON of Graph, knows nothing of the engine.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What is asked about a user: everything that a takeover could change or lose.
pub(crate) const USER_QUERY: &str = "users?$top=999&$select=id,displayName,userPrincipalName,mail,accountEnabled,\
    userType,onPremisesImmutableId,assignedLicenses,givenName,surname,jobTitle,department,mobilePhone,officeLocation,\
    usageLocation,proxyAddresses,mailNickname,onPremisesSyncEnabled";
pub(crate) const GROUP_QUERY: &str =
    "groups?$top=999&$select=id,displayName,uniqueName,mailEnabled,onPremisesSyncEnabled&$expand=members($select=id)";
pub(crate) const CONTACT_QUERY: &str = "contacts?$top=999&$select=id,displayName,mail,onPremisesSyncEnabled";

/// A tenant at one moment, by object id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inventory {
    pub(crate) users: BTreeMap<String, Value>,
    pub(crate) groups: BTreeMap<String, Value>,
    pub(crate) contacts: BTreeMap<String, Value>,
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
    pub(crate) created_contacts: Vec<Named>,
    /// Users, groups and contacts that the tenant shows as synchronised with Active Directory.
    pub(crate) synchronised: usize,
    /// Existing users that did not change at all.
    pub(crate) untouched: usize,
    /// What must not have happened.
    pub(crate) broken: Vec<String>,
}

impl Inventory {
    pub(crate) fn new(users: Vec<Value>, groups: Vec<Value>, contacts: Vec<Value>) -> Self {
        let by_id = |objects: Vec<Value>| objects.into_iter().map(|object| (text(&object, "id"), object)).collect();
        Inventory { users: by_id(users), groups: by_id(groups), contacts: by_id(contacts) }
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
    let new_contacts = after.contacts.iter().filter(|(id, _)| !before.contacts.contains_key(*id));
    outcome.created_contacts = new_contacts.map(|(_, contact)| named(contact)).collect();
    let lists =
        [&mut outcome.matched, &mut outcome.created_users, &mut outcome.created_groups, &mut outcome.created_contacts];
    for list in lists {
        list.sort_by(|left, right| left.name.cmp(&right.name));
    }
    outcome
}

/// Whatever was matched or created is synchronised in Connect mode, and nothing else is; in Graph mode nothing is.
pub(crate) fn judge_source_of_authority(outcome: &mut Outcome, after: &Inventory, connect: bool) {
    let synced = |object: &Value| object.get("onPremisesSyncEnabled").and_then(Value::as_bool) == Some(true);
    let lists = [&outcome.matched, &outcome.created_users, &outcome.created_groups, &outcome.created_contacts];
    let ours: BTreeSet<String> = lists.into_iter().flatten().map(|named| named.id.clone()).collect();
    for (id, object) in after.users.iter().chain(&after.groups).chain(&after.contacts) {
        let name = text(object, "displayName");
        match (synced(object), connect && ours.contains(id)) {
            (true, true) => outcome.synchronised += 1,
            (false, false) => {}
            (true, false) => outcome.broken.push(format!("{name} is synchronised, and nobody asked for it")),
            (false, true) => outcome.broken.push(format!("{name} is still a cloud object")),
        }
    }
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
        let before = Inventory::new(vec![old], Vec::new(), Vec::new());
        compare(&before, &Inventory::new(vec![new], Vec::new(), Vec::new()), &["A".to_owned()])
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

    /// "Synced with Active Directory" is asked of the tenant: everything that was matched or created, and nothing else.
    #[test]
    fn who_masters_an_object_is_judged_by_the_tenant() {
        let synced = json!({ "onPremisesSyncEnabled": true });
        let judged = |more: Value, connect: bool| {
            let before = Inventory::new(vec![user("a", None, json!({}))], Vec::new(), Vec::new());
            let after = Inventory::new(vec![user("a", Some("A"), more)], Vec::new(), Vec::new());
            let mut outcome = compare(&before, &after, &["A".to_owned()]);
            judge_source_of_authority(&mut outcome, &after, connect);
            (outcome.synchronised, outcome.broken.join("; "))
        };
        assert_eq!(judged(synced.clone(), true), (1, String::new()));
        assert_eq!(judged(json!({}), false), (0, String::new()));
        assert_eq!(judged(json!({}), true).1, "A is still a cloud object");
        assert_eq!(judged(synced, false).1, "A is synchronised, and nobody asked for it");
    }
}
