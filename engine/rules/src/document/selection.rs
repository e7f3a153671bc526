//! Reads `[scope.CONNECTOR]`: pilot groups and people that are in scope or not by name, each by its anchor. Writes it into the
//! canonical text without the names, which serve the reader alone.

use super::canonical::quoted;
use super::configuration::find_connector;
use super::reader::{Report, Table, as_table};
use crate::model::ConnectorName;
use crate::selection::{Listed, Selection, Selections};
use metaverse_schema::Guid;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

const LISTS: [&str; 3] = ["groups", "users", "without"];

/// `known`: the connectors of the deployment; None for a canonical text, which names what it knew.
pub(crate) fn read(report: &mut Report<'_>, table: &Table<'_>, known: Option<&[ConnectorName]>) -> Selections {
    let mut selections = Selections::new();
    for (name, span, value) in table.entries() {
        let connector: Option<ConnectorName> = match known {
            None => Some(Arc::from(name)),
            Some(known) => find_connector(report, name, span, known),
        };
        let what = format!("[scope.{name}]");
        let Some(table) = as_table(report, name, value, &what) else { continue };
        let selection = read_one(report, table, &what);
        selections.extend(connector.zip(selection));
    }
    selections
}

fn read_one(report: &mut Report<'_>, mut table: Table<'_>, what: &str) -> Option<Selection> {
    let span = table.span.clone();
    let everybody = table.boolean(report, "everybody");
    if everybody.is_none() && !table.whole().contains_key("everybody") {
        let help =
            "everybody = false synchronises the members of `groups` and those in `users` alone; true all but `without`";
        let message = format!("{what} needs `everybody`");
        report.error("key-missing", span.clone(), message, "`everybody` is missing", help);
    }
    let nested = table.boolean(report, "nested").unwrap_or(false);
    let [groups, users, without] = LISTS.map(|key| read_list(report, &mut table, key));
    table.finish(report);
    let everybody = everybody?;
    let limits = groups.iter().chain(&users).next();
    if let Some((_, _, place)) = limits.filter(|_| everybody) {
        let message = format!("everybody is in scope by {what}, so what is listed here limits nobody");
        let help = "write everybody = false to synchronise nobody else, or take the list out";
        report.error("scope-limits-nobody", place.clone(), message, "without effect", help);
    }
    if !everybody && limits.is_none() {
        let message = format!("{what} leaves nobody in scope: it names neither a group nor a user");
        let help = "add one with `metasync scope add-group` or `add-user`, or write everybody = true";
        report.error("scope-of-nobody", span, message, "nobody is in scope", help);
    }
    for (anchor, name, place) in &without {
        if users.iter().any(|(other, _, _)| other == anchor) {
            let message = format!("`{name}` is listed in `users` and in `without`");
            report.error("scope-both-ways", place.clone(), message, "also in `users`", "take it out of one of the two");
        }
    }
    let listed = |entries: Vec<Entry>| -> Listed { entries.into_iter().map(|(id, name, _)| (id, name)).collect() };
    Some(Selection { everybody, groups: listed(groups), nested, users: listed(users), without: listed(without) })
}

/// Anchor, name and place of one entry.
type Entry = (String, String, Range<usize>);

fn read_list(report: &mut Report<'_>, table: &mut Table<'_>, key: &'static str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for mut entry in table.tables(report, key, &format!("this entry of `{key}`")) {
        let help = "the object's anchor, in Active Directory its objectGUID; `metasync scope` writes it";
        let id = entry.required_text(report, "id", help);
        let name = entry.text(report, "name").map(|name| name.value).unwrap_or_default();
        let place = entry.span.clone();
        entry.finish(report);
        let Some(id) = id else { continue };
        if id.value.trim().is_empty() {
            report.error("scope-id-empty", id.span, format!("an entry of `{key}` names nobody"), "empty", help);
            continue;
        }
        // One spelling of a GUID, as anchors are written.
        let id = id.value.parse::<Guid>().map_or(id.value, |guid| guid.to_string());
        let name = if name.is_empty() { id.clone() } else { name };
        entries.push((id, name, place));
    }
    entries
}

/// What decides, and nothing else.
pub(crate) fn write(text: &mut String, selections: &Selections) {
    for (connector, selection) in selections.iter().filter(|(_, selection)| !selection.is_open()) {
        let _ = writeln!(text, "\n[scope.{}]\neverybody = {}", quoted(connector), selection.everybody);
        if selection.nested && !selection.groups.is_empty() {
            text.push_str("nested = true\n");
        }
        for (key, listed) in LISTS.iter().zip([&selection.groups, &selection.users, &selection.without]) {
            if !listed.is_empty() {
                let ids: Vec<String> = listed.keys().map(|id| format!("{{ id = {} }}", quoted(id))).collect();
                let _ = writeln!(text, "{key} = [{}]", ids.join(", "));
            }
        }
    }
}
