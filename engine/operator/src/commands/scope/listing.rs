//! The part of `scope list` about people: pilot groups, names, and the filters of the rules. Reads configuration and store.

use crate::context::Opened;
use crate::failure::Failure;
use crate::text::{counted, paragraph};
use serde_json::{Value, json};
use sync_rules::{Direction, Rule, Selection};
use sync_store::Store;

pub(crate) struct Listing {
    pub(crate) text: String,
    pub(crate) json: Value,
    pub(crate) filters: Vec<Value>,
}

pub(crate) fn of(opened: &Opened, store: Option<&Store>, connector: &str) -> Result<Listing, Failure> {
    let mut text = String::new();
    let mut document = json!(null);
    if let Some(selection) = opened.rules.selections.get(connector).filter(|selection| !selection.is_open()) {
        document = selected(&mut text, selection, store, connector)?;
    }
    let rules =
        opened.rules.rules.iter().filter(|rule| {
            rule.direction == Direction::Inbound && &*rule.connector == connector && !rule.scope.is_empty()
        });
    let mut filters = Vec::new();
    let mut told = String::new();
    for rule in rules {
        let place = opened.rules.places.rule(&rule.id).map(ToString::to_string).unwrap_or_default();
        told.push_str(&paragraph(&format!("{} ({place})", rule.name), 2));
        told.push_str(&paragraph(&clauses(rule).join(", or "), 4));
        filters.push(json!({ "rule": &*rule.id, "name": rule.name, "place": place, "scope": clauses(rule) }));
    }
    if !told.is_empty() {
        text.push_str(&format!("\nFiltered by attributes, in the rules\n{told}"));
    }
    Ok(Listing { text, json: document, filters })
}

fn clauses(rule: &Rule) -> Vec<String> {
    let group =
        |group: &Vec<sync_rules::Clause>| group.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    rule.scope.iter().map(group).collect()
}

fn selected(
    text: &mut String,
    selection: &Selection,
    store: Option<&Store>,
    connector: &str,
) -> Result<Value, Failure> {
    let problems = store.map(Store::selection_problems).transpose()?.unwrap_or_default();
    let mut lists = serde_json::Map::new();
    let nested = if selection.nested { ", and members of members" } else { "" };
    let who =
        if selection.everybody { "Everybody who is read is in scope" } else { "Of those who are read, in scope are" };
    text.push_str(&format!("\n{who}\n"));
    for (key, listed) in [("groups", &selection.groups), ("users", &selection.users), ("without", &selection.without)] {
        let mut entries = Vec::new();
        for (anchor, name) in listed {
            let now = store.map(|store| known_as(store, connector, anchor)).transpose()?.flatten();
            let problem = problems.iter().find(|problem| key == "groups" && problem.group == *anchor);
            let members = match store.filter(|_| key == "groups") {
                Some(store) => Some(store.selected_members(connector, anchor)?),
                None => None,
            };
            let note = match (&now, problem) {
                (_, Some(problem)) if problem.is_empty => {
                    "has no member any longer: nothing is synchronised".to_owned()
                }
                (_, Some(_)) => "cannot be read: nothing is synchronised".to_owned(),
                (None, None) => "not imported".to_owned(),
                // SF13: followed, and said.
                (Some(known), None) if !known.contains(name) => format!("listed as {name}"),
                _ => String::new(),
            };
            let called = now.as_ref().and_then(|known| known.first()).unwrap_or(name).clone();
            let known =
                members.map_or(String::new(), |members| format!(" ({})", counted(members, "member", "members")));
            let about = if note.is_empty() { String::new() } else { format!("; {note}") };
            let line = match key {
                "groups" => format!("members of {called}{nested}{known}{about}"),
                "users" => format!("{called}{about}"),
                _ => format!("not: {called}{about}"),
            };
            text.push_str(&paragraph(&line, 2));
            entries.push(json!({ "id": anchor, "name": called, "listed_as": name, "members": members, "note": note }));
        }
        lists.insert(key.to_owned(), json!(entries));
    }
    lists.insert("everybody".to_owned(), json!(selection.everybody));
    lists.insert("nested".to_owned(), json!(selection.nested));
    Ok(Value::Object(lists))
}

/// DN and name of an object now, the DN first where it has one; either may stand in the list.
fn known_as(store: &Store, connector: &str, anchor: &str) -> Result<Option<Vec<String>>, Failure> {
    let Some(id) = store.find_object(connector, anchor)?.first().copied() else { return Ok(None) };
    let Some(object) = store.summary(id)? else { return Ok(None) };
    Ok(Some(object.dn.into_iter().chain([object.name]).collect()))
}
