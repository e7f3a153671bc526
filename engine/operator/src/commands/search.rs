//! `metasync search`: objects of the metaverse or of one connector space by a part of a name, address, DN or anchor.

use crate::cli::SearchArgs;
use crate::commands::preview::space;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, to_json};
use crate::render::runs::kind_name;
use crate::text::{Table, counted};
use serde_json::json;
use sync_runtime::Space;
use sync_store::{MvSummary, ObjectSummary, Store};

pub(crate) fn run(context: &Context, args: &SearchArgs) -> Result<Report, Failure> {
    let opened = context.open()?;
    let store = context.read_store(&opened)?;
    // One more than is shown tells whether there are more.
    let limit = args.limit.saturating_add(1);
    match space(&args.space, &opened.connectors)? {
        Space::Metaverse => {
            let found = if args.query == "*" {
                store.list_metaverse(None, limit)?
            } else {
                store.search_metaverse(&args.query, limit)?
            };
            metaverse(&store, found, args.limit)
        }
        Space::Connector(connector) => {
            let found = if args.query == "*" {
                store.list_objects(&connector, None, limit)?
            } else {
                store.search_objects(&connector, &args.query, limit)?
            };
            Ok(connector_space(found, args.limit))
        }
    }
}

fn metaverse(store: &Store, mut found: Vec<MvSummary>, limit: usize) -> Result<Report, Failure> {
    let more = cut(&mut found, limit);
    let mut table = Table::new(&["name", "type", "linked to", "number"]).indent(0);
    let mut hits = Vec::new();
    for object in &found {
        let mut links = Vec::new();
        for id in &object.links {
            links.extend(store.summary(*id)?);
        }
        let linked: Vec<String> = links.iter().map(|link| link.connector.to_string()).collect();
        table.row([object.name.clone(), object.object_type.to_string(), linked.join(", "), object.id.to_string()]);
        hits.push(json!({
            "id": object.id,
            "object_type": object.object_type,
            "name": object.name,
            "links": to_json(&links),
        }));
    }
    Ok(Report::new(
        Exit::Success,
        closed(&table, found.len(), more, limit),
        json!({ "space": "mv", "more": more, "found": hits }),
    ))
}

fn connector_space(mut found: Vec<ObjectSummary>, limit: usize) -> Report {
    let more = cut(&mut found, limit);
    let mut table = Table::new(&["name", "type", "state", "waiting", "place"]).indent(0);
    for object in &found {
        let import = object.pending_import.as_ref().map(|import| format!("import {}", kind_name(import)));
        let export = object.pending_export.map(|export| format!("export {export}"));
        let waiting: Vec<String> = import.into_iter().chain(export).collect();
        let state = match &object.ownership {
            Some(ownership) => format!("{}, {}", kind_name(&object.state), kind_name(ownership)),
            None => kind_name(&object.state),
        };
        table.row([
            object.name.clone(),
            object.object_type.to_string(),
            state,
            waiting.join(", "),
            object.dn.clone().or_else(|| object.anchor.clone()).unwrap_or_else(|| object.id.to_string()),
        ]);
    }
    let text = closed(&table, found.len(), more, limit);
    let space = found.first().map(|object| object.connector.to_string());
    Report::new(Exit::Success, text, json!({ "space": space, "more": more, "found": to_json(&found) }))
}

fn cut<T>(found: &mut Vec<T>, limit: usize) -> bool {
    let more = found.len() > limit;
    found.truncate(limit);
    more
}

fn closed(table: &Table, shown: usize, more: bool, limit: usize) -> String {
    let mut text = table.render();
    text.push_str(&match (shown, more) {
        (0, _) => "nothing found\n".to_owned(),
        (_, true) => format!("the first {limit}; --limit shows more\n"),
        (shown, false) => format!("{} found\n", counted(shown as u64, "object", "objects")),
    });
    text
}
