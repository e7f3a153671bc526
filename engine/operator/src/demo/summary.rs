//! What the demo tells at its end: who was matched, created and held, and what to try next.

use super::verify::{Named, Outcome};
use crate::init::TARGET;
use crate::text::{Table, counted, paragraph};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) fn outcome(outcome: &Outcome) -> String {
    let mut text = String::new();
    let people = |title: &str, list: &[Named]| {
        let mut table = Table::new(&["name", "sign-in name", "object id"]);
        for person in list {
            table.row([person.name.clone(), person.sign_in.clone(), person.id.clone()]);
        }
        format!("{title}\n{}\n", table.render())
    };
    let matched = counted(outcome.matched.len() as u64, "user was", "users were");
    let became = match outcome.synchronised {
        0 => "immutable id stamped",
        _ => "from \"In cloud\" to \"Synced with Active Directory\"",
    };
    text.push_str(&people(
        &format!("{matched} matched: same object id, same licences, same sign-in name, {became}"),
        &outcome.matched,
    ));
    let created = counted(outcome.created_users.len() as u64, "user was", "users were");
    text.push_str(&people(&format!("{created} created"), &outcome.created_users));
    let groups = counted(outcome.created_groups.len() as u64, "group was", "groups were");
    text.push_str(&people(&format!("{groups} created"), &outcome.created_groups));
    if !outcome.created_contacts.is_empty() {
        let contacts = counted(outcome.created_contacts.len() as u64, "contact was", "contacts were");
        text.push_str(&people(&format!("{contacts} created"), &outcome.created_contacts));
    }
    text.push_str(&format!(
        "{} not changed by a byte\n",
        counted(outcome.untouched as u64, "existing user was", "existing users were")
    ));
    for broken in &outcome.broken {
        text.push_str(&paragraph(&format!("BROKEN: {broken}"), 0));
    }
    text
}

/// Held decisions as `pending` tells them, one row each: name, code, reason.
fn held(pending: &Value) -> Vec<[String; 3]> {
    let limitations: Vec<&str> = list(pending, "limitation_codes").filter_map(Value::as_str).collect();
    list(pending, "held")
        .filter_map(|line| {
            let hold = line.get("hold")?;
            let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let code = text(hold, "code");
            (!limitations.contains(&code.as_str())).then(|| [text(line, "name"), code, text(hold, "message")])
        })
        .collect()
}

/// Exports that the tenant refused: name, code, reason.
fn refused(pending: &Value) -> Vec<[String; 3]> {
    list(pending, "pending")
        .filter_map(|object| {
            let refused = object.get("refused").filter(|refused| !refused.is_null())?;
            let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            Some([text(object, "name"), text(refused, "code"), text(refused, "message")])
        })
        .collect()
}

/// What Graph mode cannot write, by code.
fn limitations(pending: &Value) -> BTreeMap<String, u64> {
    let counts = pending.get("held_counts").and_then(Value::as_object);
    list(pending, "limitation_codes")
        .filter_map(Value::as_str)
        .filter_map(|code| Some((code.to_owned(), counts?.get(code)?.as_u64()?)))
        .collect()
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

pub(crate) fn closing(folder: &str, option: &str, outcome: &Outcome, pending: &Value) -> String {
    let (held, refused, limitations) = (held(pending), refused(pending), limitations(pending));
    let mut text = format!(
        "\n== The end\n\nmatched  {:>3}  existing cloud users: the same objects and licences, from now on as in the directory\n\
         created  {:>3}  users, {} and {} that were missing\n",
        outcome.matched.len(),
        outcome.created_users.len(),
        counted(outcome.created_groups.len() as u64, "group", "groups"),
        counted(outcome.created_contacts.len() as u64, "contact", "contacts"),
    );
    if outcome.synchronised > 0 {
        text.push_str(&format!(
            "synced   {:>3}  users, groups and contacts that the tenant shows as \"Synced with Active Directory\"\n",
            outcome.synchronised
        ));
    }
    text.push_str(&format!(
        "held     {:>3}  decisions that need somebody; nothing was written for them\n\
         refused  {:>3}  by the tenant\n",
        held.len(),
        refused.len(),
    ));
    if !limitations.is_empty() {
        text.push_str(&format!(
            "limited  {:>3}  objects and values that Microsoft Graph cannot write:\n{}\n",
            limitations.values().sum::<u64>(),
            paragraph(&limitations.keys().cloned().collect::<Vec<_>>().join(", "), 14),
        ));
    }
    text.push('\n');
    for (title, rows) in [("Held", held), ("Refused", refused)].into_iter().filter(|(_, rows)| !rows.is_empty()) {
        let mut table = Table::new(&["name", "code", "because"]);
        for row in rows {
            table.row(row);
        }
        text.push_str(&format!("{title}\n{}\n", table.render()));
    }
    text.push_str(&format!(
        "The deployment is in {folder}. Try it as it is:

  metasync{option} search mv ann
  metasync{option} explain 'Ann Archer'
  metasync{option} explain 'Carla Díaz' displayName
  metasync{option} explain 'Sales Team' 'Fay Twin'
  metasync{option} preview ad 'Jana Stale' --full --offline
  metasync{option} pending {TARGET}
  metasync{option} history

The tenant stopped with the demo and is kept in {folder}/tenant. In another terminal

  metasync{option} tenant

starts it again. Then change {folder}/directory.ldif, and see what follows:

  metasync{option} cycle
"
    ));
    text
}

pub(crate) fn json(outcome: &Outcome, pending: &Value) -> Value {
    let people = |list: &[Named]| -> Value {
        list.iter()
            .map(|person| json!({ "id": person.id, "name": person.name, "sign_in_name": person.sign_in }))
            .collect()
    };
    let rows = |rows: Vec<[String; 3]>| -> Value {
        rows.into_iter()
            .map(|[name, code, message]| json!({ "name": name, "code": code, "message": message }))
            .collect()
    };
    json!({
        "matched": people(&outcome.matched),
        "created_users": people(&outcome.created_users),
        "created_groups": people(&outcome.created_groups),
        "created_contacts": people(&outcome.created_contacts),
        "synchronised": outcome.synchronised,
        "untouched": outcome.untouched,
        "held": rows(held(pending)),
        "refused": rows(refused(pending)),
        "limitations": limitations(pending),
        "verified": outcome.broken.is_empty(),
    })
}
