//! `metasync pending`: what the next export of a connector would send, what is held and why, and the lists that wait for
//! an approval, each with its digest. The same list as CSV for a spreadsheet.

mod changes;

use crate::cli::PendingArgs;
use crate::commands::preview::space;
use crate::commands::run::limitation_codes;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, to_json};
use crate::render::holds::{self, Detail};
use crate::render::objects::cut;
use crate::render::runs::kind_name;
use crate::text::{Table, count, counted, words};
use changes::{Change, PendingObject, csv_table, pending_objects};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use sync_kernel::GuardLine;
use sync_rules::RuleSet;
use sync_runtime::{Space, is_limitation};
use sync_store::{ApprovableList, ChangedState, HeldLine, HoldFilter, StoredList};

/// Held lines that are read; the counts are of all.
const MOST_HOLDS: usize = 100_000;
/// Changes of one object that are shown; `--json` and `--csv` have all.
const SHOWN_CHANGES: usize = 4;

/// Everything that is pending in one connector space.
struct Pending {
    connector: String,
    staging: bool,
    objects: Vec<PendingObject>,
    held: Vec<HeldLine>,
    counts: BTreeMap<String, u64>,
    approvable: Vec<ApprovableList>,
    guard: Option<StoredList>,
    /// The connected system is not as it was (SF25).
    system: Option<ChangedState>,
    rules: RuleSet,
}

pub(crate) fn run(context: &Context, args: &PendingArgs) -> Result<Report, Failure> {
    let opened = context.open()?;
    let Space::Connector(connector) = space(&args.connector, &opened.connectors)? else {
        return Err(Failure::new("connector-unknown", "the metaverse exports nothing", "name a connector"));
    };
    let store = context.read_store(&opened)?;
    let filter = HoldFilter { connector: Some(connector.clone()), ..HoldFilter::default() };
    let pending = Pending {
        connector: connector.to_string(),
        staging: opened.deployment.staging,
        objects: pending_objects(&store, &connector)?,
        held: store.holds(&filter, MOST_HOLDS)?,
        counts: store.held_counts(&connector)?,
        approvable: store.approvable(&connector)?,
        guard: store.waiting_guard_list(&connector)?,
        system: store.waiting_system_state(&connector)?,
        rules: opened.rules,
    };
    let text = if args.csv {
        csv_table(&pending.objects, &pending.held)?
    } else {
        render(&pending, args.limit, &context.option())
    };
    Ok(Report::new(Exit::Success, text, as_json(&pending)))
}

fn render(pending: &Pending, limit: usize, option: &str) -> String {
    let connector = &pending.connector;
    let (leaving, objects_to_send): (Vec<_>, Vec<_>) =
        pending.objects.iter().partition(|object| object.leaves_on.is_some());
    let (refused, waiting): (Vec<_>, Vec<_>) = objects_to_send.into_iter().partition(|object| object.refused.is_some());
    let mut text = format!("{connector}: {}", counted(waiting.len() as u64, "object to send", "objects to send"));
    if !refused.is_empty() {
        text.push_str(&format!(", {} refused", count(refused.len() as u64)));
    }
    if pending.staging {
        text.push_str("; staging mode, nothing is sent");
    }
    text.push_str("\n\n");
    text.push_str(&objects("To be sent", &waiting, limit));
    text.push_str(&refusals(&refused, limit));
    text.push_str(&approvals(pending, limit, option));
    text.push_str(&system(pending, option));
    text.push_str(&guard(pending, limit, option));
    text.push_str(&leaving_scope(&leaving, limit));
    text.push_str(&held(pending, limit));
    text.push_str(&holds::tables(connector, &pending.counts, &pending.rules, Detail::WithRemedies));
    text
}

fn more(all: usize, limit: usize) -> String {
    if all > limit { format!("  and {} more (--limit)\n", count((all - limit) as u64)) } else { String::new() }
}

fn objects(title: &str, list: &[&PendingObject], limit: usize) -> String {
    if list.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["operation", "type", "name", "what"]);
    for object in list.iter().take(limit) {
        table.row([object.operation.to_owned(), object.object_type.clone(), object.name.clone(), changes_text(object)]);
    }
    format!("{title}\n{}{}\n", table.render(), more(list.len(), limit))
}

fn changes_text(object: &PendingObject) -> String {
    let mut parts: Vec<String> = match object.operation {
        // Every value of a new object is new.
        "add" => vec![counted(object.changes.len() as u64, "attribute", "attributes")],
        _ => object.changes.iter().take(SHOWN_CHANGES).map(Change::text).collect(),
    };
    if object.operation != "add" && object.changes.len() > SHOWN_CHANGES {
        parts.push(format!("and {} more", count((object.changes.len() - SHOWN_CHANGES) as u64)));
    }
    if !object.cause.is_empty() {
        parts.push(object.cause.clone());
    }
    let references = [
        (object.references_added, "to add"),
        (object.references_removed, "to remove"),
        (object.references_after_create, "after their creation"),
    ];
    for (number, what) in references {
        if number > 0 {
            parts.push(format!("{} {what}", counted(number, "reference", "references")));
        }
    }
    parts.join("; ")
}

fn refusals(list: &[&PendingObject], limit: usize) -> String {
    if list.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["operation", "name", "code", ">times", "because"]);
    for object in list.iter().take(limit) {
        let Some(refusal) = &object.refused else { continue };
        table.row([
            object.operation.to_owned(),
            object.name.clone(),
            refusal.code.clone(),
            count(refusal.count),
            format!("{}\nwhat to do: {}", refusal.message, refusal.remedy),
        ]);
    }
    format!(
        "Refused, sent again when either side changes or with --retry-refused\n{}{}\n",
        table.render(),
        more(list.len(), limit)
    )
}

fn approvals(pending: &Pending, limit: usize, option: &str) -> String {
    let mut text = String::new();
    for list in &pending.approvable {
        let title = match kind_name(&list.kind).as_str() {
            "match" => "Matches with existing objects",
            "sign-in-name" => "Changes of sign-in names",
            "would-enable" => "Blocked accounts that would be enabled",
            _ => "Decisions",
        };
        text.push_str(&format!("{title}, waiting for your approval: {}\n", count(list.lines.len() as u64)));
        let mut table = Table::new(&["name", "existing object", "detail"]);
        for line in list.lines.iter().take(limit) {
            table.row([line.name.clone(), line.candidate.clone(), line.detail.clone()]);
        }
        text.push_str(&table.render());
        text.push_str(&more(list.lines.len(), limit));
        text.push_str(&format!("  metasync{option} approve {}\n\n", list.digest));
    }
    text
}

/// What changed of the connected system itself, with its approval.
fn system(pending: &Pending, option: &str) -> String {
    let Some(changed) = &pending.system else {
        return String::new();
    };
    let mut text = "The connected system itself is not as it was; exports wait\n".to_owned();
    let mut table = Table::new(&["what", "before", "now"]);
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
    for fact in &changed.changes {
        table.row([fact.name.clone(), shown(&fact.before), shown(&fact.now)]);
    }
    text.push_str(&table.render());
    text.push_str(&format!("  if it is meant: metasync{option} approve {}\n\n", changed.digest));
    text
}

fn guard(pending: &Pending, limit: usize, option: &str) -> String {
    let Some(list) = &pending.guard else {
        return String::new();
    };
    let mut text = "The guard stopped the last export before its first byte\n".to_owned();
    let mut limits = Table::new(&["kind", "of", ">count", ">limit"]);
    for verdict in &list.verdicts {
        limits.row([
            words(&kind_name(&verdict.kind)),
            verdict.counted_by.clone(),
            count(verdict.count),
            count(verdict.limit),
        ]);
    }
    text.push_str(&limits.render());
    let mut lines = Table::new(&["kind", "name", "detail"]).indent(4);
    for line in list.lines.iter().take(limit) {
        lines.row([words(&kind_name(&line.kind)), line.name.clone(), line_detail(line)]);
    }
    text.push_str(&lines.render());
    text.push_str(&more(list.lines.len(), limit));
    text.push_str(&match list.approved {
        Some(_) => "  approved; the next export sends exactly this list\n\n".to_owned(),
        None => format!("  metasync{option} approve {}\n\n", list.digest),
    });
    text
}

fn line_detail(line: &GuardLine) -> String {
    let detail = cut(&line.detail);
    if line.counted_by.is_empty() { detail } else { format!("{}: {detail}", line.counted_by) }
}

/// SF18: who left scope and is left alone until the grace period is over.
fn leaving_scope(list: &[&PendingObject], limit: usize) -> String {
    if list.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["leaves on", "operation", "type", "name", "because"]);
    for object in list.iter().take(limit) {
        let day = object.leaves_on.clone().unwrap_or_default();
        table.row([
            day,
            object.operation.to_owned(),
            object.object_type.clone(),
            object.name.clone(),
            object.cause.clone(),
        ]);
    }
    format!(
        "Held as leaving-scope: left as it is until its day, and kept if it returns before: {}\n{}{}\n",
        count(list.len() as u64),
        table.render(),
        more(list.len(), limit)
    )
}

/// Names with their reasons; limitations are counted in the table that follows, approvals were listed above.
fn held(pending: &Pending, limit: usize) -> String {
    let listed: Vec<&HeldLine> = pending
        .held
        .iter()
        .filter(|line| !is_limitation(&pending.rules, &line.hold.code) && line.hold.approvable.is_none())
        .collect();
    if listed.is_empty() {
        return String::new();
    }
    let mut text = format!("Held, by name: {}\n", count(listed.len() as u64));
    let mut table = Table::new(&["name", "code", "because"]);
    for line in listed.iter().take(limit) {
        let about = match &line.candidate {
            Some(candidate) if *candidate != line.name => format!("{} ({candidate})", line.hold.message),
            _ => line.hold.message.clone(),
        };
        table.row([line.name.clone(), line.hold.code.clone(), about]);
    }
    text.push_str(&table.render());
    text.push_str(&more(listed.len(), limit));
    text.push('\n');
    text
}

fn as_json(pending: &Pending) -> Value {
    let guard = pending.guard.as_ref().map(to_json);
    json!({
        "connector": pending.connector,
        "staging": pending.staging,
        "pending": pending.objects.iter().map(PendingObject::json).collect::<Vec<_>>(),
        "held": to_json(&pending.held),
        "held_counts": pending.counts,
        "limitation_codes": limitation_codes(&pending.rules, std::iter::once(&pending.counts)),
        "approvable": to_json(&pending.approvable),
        "guard": guard,
        "system": pending.system.as_ref().map(to_json),
    })
}
