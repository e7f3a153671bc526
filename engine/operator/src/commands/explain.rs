//! `metasync explain`: why an object is joined, held or not exported; who contributed a value, by which rule, and who
//! lost; why a member is not in a group. The run's own decision, told and not applied.

use crate::cli::ExplainArgs;
use crate::commands;
use crate::connectors::Connectors;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, to_json};
use crate::render;
use crate::render::explained;
use crate::render::objects::{candidate, holds, name, values};
use crate::text::{count, counted, paragraph};
use serde_json::json;
use sync_kernel::{CsId, Subject};
use sync_rules::Deployment;
use sync_runtime::{AttributeLine, Explanation, ExportState, PageOf, Reading, Space, TargetPreview};

pub(crate) fn run(context: &Context, args: &ExplainArgs) -> Result<Report, Failure> {
    let opened = context.open()?;
    let now = context.now();
    let (store, applied) = sync_runtime::open_as_applied(&opened.deployment, &opened.rules, now)?;
    let reading = Reading::new(&store, &applied.rules, now);
    let mut report = explain(&reading, &opened.connectors, &opened.deployment, args)?;
    if !applied.note.is_empty() {
        report.text.insert_str(0, &format!("{}\n", paragraph(&applied.note, 0)));
    }
    if let Some(fields) = report.json.as_object_mut() {
        let rules = json!({ "hash": applied.rules.hash, "files_differ": applied.files_differ, "note": applied.note });
        fields.insert("rules".to_owned(), rules);
    }
    Ok(report)
}

fn explain(
    reading: &Reading<'_>,
    connectors: &Connectors,
    deployment: &Deployment,
    args: &ExplainArgs,
) -> Result<Report, Failure> {
    let page = PageOf { skip: args.skip, limit: args.limit };
    let subject = find(reading, connectors, &args.object)?;
    let Some(what) = args.what.as_deref() else {
        let explanation = reading.explain_page(subject, None, page)?;
        let passwords = commands::passwords::of_subject(reading, deployment, subject)?;
        let (mut text, mut json) = (render(&explanation, None), to_json(&explanation));
        for user in &passwords {
            text.push_str(&format!(
                "\nPassword, {} to {}\n{}",
                user.source,
                user.target,
                render::passwords::facts(user)
            ));
        }
        if let Some(fields) = json.as_object_mut().filter(|_| !passwords.is_empty()) {
            fields.insert("passwords".to_owned(), to_json(&passwords));
        }
        return Ok(Report::new(Exit::Success, text, json));
    };
    if is_attribute(reading, what)? {
        let explanation = reading.explain_page(subject, Some(what), page)?;
        return Ok(Report::new(Exit::Success, render(&explanation, Some(what)), to_json(&explanation)));
    }
    match find(reading, connectors, what) {
        Ok(member) => explain_member(reading, subject, member),
        Err(failure) if failure.code == "not-found" => Err(Failure::new(
            "not-found",
            format!("`{what}` is neither an attribute of these systems nor an object"),
            "name an attribute, or for a group one of its members",
        )),
        Err(failure) => Err(failure),
    }
}

/// `NAME` anywhere, or `CONNECTOR:NAME` in one space.
fn find(reading: &Reading<'_>, connectors: &Connectors, text: &str) -> Result<Subject, Failure> {
    if let Some((space, rest)) = text.split_once(':') {
        if space == "metaverse" {
            return Ok(reading.find(&Space::Metaverse, rest)?);
        }
        if let Some((connector, _)) = connectors.get_key_value(space) {
            return Ok(reading.find(&Space::Connector(connector.clone()), rest)?);
        }
    }
    Ok(reading.find_anywhere(text)?)
}

/// Whether any schema or the metaverse knows an attribute of this name.
fn is_attribute(reading: &Reading<'_>, what: &str) -> Result<bool, Failure> {
    let in_metaverse = reading.rules.metaverse.types.values().any(|attributes| attributes.contains_key(what));
    if in_metaverse {
        return Ok(true);
    }
    Ok(reading.store.schemas()?.values().any(|schema| schema.attributes.contains_key(what)))
}

fn render(explanation: &Explanation, attribute: Option<&str>) -> String {
    let space = explanation.subject.connector.as_deref().unwrap_or("metaverse");
    let mut text = format!("{space}: {}\n", name(&explanation.subject));
    if let Some(join) = &explanation.join {
        text.push_str(&paragraph(&join.text, 2));
    }
    if !explanation.links.is_empty() {
        text.push_str("\nLinked\n");
        for link in &explanation.links {
            let ownership = match link.ownership {
                sync_kernel::Ownership::Provisioned => "created by metasync",
                sync_kernel::Ownership::Adopted => "existed, taken over",
                sync_kernel::Ownership::Joined => "joined",
            };
            let space = link.object.connector.as_deref().unwrap_or_default();
            text.push_str(&paragraph(
                &format!("{space}: {}; {ownership}, by {} ({})", name(&link.object), link.rule_name, link.rule),
                2,
            ));
        }
    }
    if let Some(error) = &explanation.error {
        text.push_str(&paragraph(&format!("In error, nothing of it is applied: {}: {}", error.code, error.message), 0));
    }
    for error in &explanation.standing_errors {
        let tried = count(error.retry_count + 1);
        text.push_str(&paragraph(&format!("In error: {}: {} (tried {tried} times)", error.code, error.message), 0));
    }
    match attribute {
        Some(attribute) => text.push_str(&one_attribute(explanation, attribute)),
        None => {
            text.push_str(&explained::selections(&explanation.selections));
            text.push_str(&explained::scopes(&explanation.scopes));
            if explanation.metaverse.is_none() {
                text.push_str(&explained::lookups(&explanation.lookups));
            }
            text.push_str(&all_attributes(&explanation.attributes));
        }
    }
    for target in &explanation.targets {
        text.push_str(&target_part(target, attribute));
    }
    if explanation.targets.is_empty() {
        text.push_str("\nNothing is to be exported for it.\n");
    }
    for export in &explanation.exports {
        text.push_str(&export_part(export));
    }
    for membership in &explanation.memberships {
        text.push_str(&explained::membership(membership));
    }
    for sheet in &explanation.taken_over {
        text.push_str(&explained::taken_over(sheet, attribute));
    }
    // What waits in a target that nothing feeds any more.
    if explanation.memberships.is_empty() && explanation.waiting_members_total > 0 {
        text.push_str(&format!("\nMembers that are not exported: {}\n", count(explanation.waiting_members_total)));
        for line in &explanation.waiting_members {
            text.push_str(&paragraph(&format!("{}: {} ({})", line.member.name, line.message, line.code), 2));
        }
        let shown = explanation.waiting_members.len() as u64;
        if explanation.waiting_members_total > shown {
            text.push_str(&format!("  and {} more\n", count(explanation.waiting_members_total - shown)));
        }
    }
    text
}

/// Value, contributor and rule; `explain OBJECT ATTRIBUTE` tells the rest.
fn all_attributes(lines: &[AttributeLine]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut table = crate::text::Table::new(&["attribute", "value", "from", "rule"]);
    for line in lines {
        let value = match line.references {
            Some(0) => continue,
            Some(number) => counted(number, "reference", "references"),
            None if line.new.is_empty() => continue,
            None => values(&line.new),
        };
        let from = line.winner.as_ref().and_then(|winner| winner.contributor.as_ref());
        let from = from.and_then(|object| object.connector.clone()).unwrap_or_default();
        let rule = line.winner.as_ref().map(|winner| winner.rule_name.clone()).unwrap_or_default();
        table.row([line.attribute.clone(), value, from, rule]);
    }
    format!("\nMetaverse attributes\n{}", table.render())
}

fn one_attribute(explanation: &Explanation, attribute: &str) -> String {
    let mut text = String::new();
    for line in &explanation.attributes {
        text.push_str(&attribute_part("metaverse", line));
    }
    let elsewhere =
        explanation.targets.iter().any(|target| !target.attributes.is_empty() || !target.references.is_empty());
    if explanation.attributes.is_empty() && !elsewhere {
        text.push_str(&format!("\nNo rule in scope sets `{attribute}` for this object.\n"));
    }
    text
}

fn attribute_part(space: &str, line: &AttributeLine) -> String {
    let value = match line.references {
        Some(number) => counted(number, "reference", "references"),
        None => values(&line.new),
    };
    let mut text = format!("\n{space} {} = {value}\n", line.attribute);
    match &line.winner {
        Some(winner) => text.push_str(&candidate(winner)),
        None => text.push_str("  nobody contributes a value\n"),
    }
    if !line.losers.is_empty() {
        text.push_str(" Not chosen\n");
        for loser in &line.losers {
            text.push_str(&candidate(loser));
        }
    }
    text
}

fn target_part(target: &TargetPreview, attribute: Option<&str>) -> String {
    let only_limited = target.holds.iter().all(|hold| hold.code.starts_with("limitation"));
    let state = match (target.operation, target.holds.is_empty()) {
        ("none", true) => "as wanted, nothing to send",
        ("none", false) if only_limited && target.object.is_some() => "nothing to send but what this mode cannot write",
        ("none", false) => "held, nothing is sent",
        ("add", _) => "to be created",
        ("takeover", _) => "to be taken over",
        ("delete", _) => "to be deleted",
        ("detach", _) => "to be detached",
        ("restore", _) => "to be brought back from the recycle bin",
        _ => "to be updated",
    };
    let cause = target.cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    let state = match &target.leaves_on {
        Some(day) => format!("left scope, leaves on {day}, and stays as it is until then"),
        None => state.to_owned(),
    };
    let who = match &target.object {
        Some(object) => format!("{}: {state}{cause}", name(object)),
        None if target.object_type.is_empty() => format!("no object; {state}"),
        None => format!("a {} {state}", target.object_type),
    };
    let mut text = paragraph(&format!("{}: {who}", target.connector), 0);
    text.insert(0, '\n');
    text.push_str(&holds(&target.holds));
    if attribute.is_some() {
        for line in &target.attributes {
            text.push_str(&attribute_part(&target.connector, line));
        }
        for reference in &target.references {
            text.push_str(&paragraph(
                &format!(
                    "{} flows from {} of {} ({} values), each decided by itself",
                    reference.attribute,
                    reference.source_attribute,
                    name(&reference.source),
                    count(reference.values)
                ),
                2,
            ));
        }
    }
    text
}

fn export_part(export: &ExportState) -> String {
    let what = export.attribute.as_deref().map_or(String::new(), |attribute| format!(" {attribute}"));
    let mut text = paragraph(&format!("{}{what} is {}: {}", export.object.text(), export.state, export.message), 0);
    if export.state == "held" {
        text.push_str(&paragraph(
            &format!("wanted {}, returned {}", values(&export.wanted), values(&export.returned)),
            2,
        ));
    }
    text
}

/// SF19: where a member of a group is, and where it is not, with the reason.
fn explain_member(reading: &Reading<'_>, group: Subject, member: Subject) -> Result<Report, Failure> {
    let (group_name, member_name) = (reading.name(group)?, reading.name(member)?);
    let member_objects = linked(reading, member)?;
    let mut lines = Vec::new();
    for group_object in linked(reading, group)? {
        for attribute in reference_attributes(reading, group_object)? {
            let found = search_members(reading, group_object, &attribute, &member_objects)?;
            if found {
                let space = reading.name(Subject::Connector(group_object))?.connector.unwrap_or_default();
                lines.push(MemberLine::present(space, attribute));
            }
        }
        for waiting in waiting_of(reading, group_object, &member_objects)? {
            lines.push(waiting);
        }
    }
    let mut text = format!("{} in {}\n", name(&member_name), name(&group_name));
    if lines.is_empty() {
        text.push_str("  it is not a member in any system, and no rule wants it there\n");
    }
    for line in &lines {
        text.push_str(&paragraph(&line.sentence(), 2));
    }
    let json = json!({
        "group": to_json(&group_name),
        "member": to_json(&member_name),
        "found": lines.iter().map(MemberLine::json).collect::<Vec<_>>(),
    });
    Ok(Report::new(Exit::Success, text, json))
}

struct MemberLine {
    space: String,
    attribute: String,
    /// Code and message; none: it is there.
    held: Option<(String, String)>,
}

impl MemberLine {
    fn present(space: String, attribute: String) -> Self {
        MemberLine { space, attribute, held: None }
    }

    fn sentence(&self) -> String {
        match &self.held {
            None => format!("{}: among the values of {}", self.space, self.attribute),
            Some((code, message)) => format!("{}: not exported to {}: {message} ({code})", self.space, self.attribute),
        }
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "connector": self.space,
            "attribute": self.attribute,
            "state": if self.held.is_some() { "held" } else { "present" },
            "code": self.held.as_ref().map(|(code, _)| code),
            "message": self.held.as_ref().map(|(_, message)| message),
        })
    }
}

/// Every connector-space object of the same person or group.
fn linked(reading: &Reading<'_>, subject: Subject) -> Result<Vec<CsId>, Failure> {
    let metaverse = match subject {
        Subject::Metaverse(id) => Some(id),
        Subject::Connector(id) => match reading.store.object(id)?.and_then(|object| object.link) {
            Some(link) => Some(link.mv),
            None => return Ok(vec![id]),
        },
    };
    let object = metaverse.map(|id| reading.store.metaverse(id)).transpose()?.flatten();
    Ok(object.map(|object| object.links).unwrap_or_default())
}

fn reference_attributes(reading: &Reading<'_>, object: CsId) -> Result<Vec<String>, Failure> {
    let object = reading.store.object(object)?;
    Ok(object.map(|object| object.reference_counts.keys().map(ToString::to_string).collect()).unwrap_or_default())
}

fn search_members(reading: &Reading<'_>, group: CsId, attribute: &str, members: &[CsId]) -> Result<bool, Failure> {
    let mut after = None;
    loop {
        let page = reading.store.members(group, attribute, after, 1_000)?;
        let Some(last) = page.last().map(|member| member.id) else {
            return Ok(false);
        };
        if page.iter().any(|member| members.contains(&member.id)) {
            return Ok(true);
        }
        after = Some(last);
    }
}

fn waiting_of(reading: &Reading<'_>, group: CsId, members: &[CsId]) -> Result<Vec<MemberLine>, Failure> {
    let space = reading.name(Subject::Connector(group))?.connector.unwrap_or_default();
    let mut lines = Vec::new();
    let mut after = None;
    loop {
        let page = reading.store.waiting_members(group, after, 1_000)?;
        let Some(last) = page.last().map(|waiting| waiting.member) else {
            return Ok(lines);
        };
        for waiting in page.iter().filter(|waiting| members.contains(&waiting.member)) {
            lines.push(MemberLine {
                space: space.clone(),
                attribute: waiting.attribute.to_string(),
                held: Some((waiting.code.clone(), waiting.message.clone())),
            });
        }
        after = Some(last);
    }
}
