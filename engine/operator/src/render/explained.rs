//! Parts of an explanation: scopes with the clauses that do not hold, join keys with what they found, memberships with
//! their numbers and what is missing.

use crate::render::objects::{name, values};
use crate::text::{count, paragraph, time, words};
use sync_runtime::{ChangedSince, LookupExplanation, Membership, ScopeExplanation, SelectionExplanation, TakenOver};

/// Whether `[scope]` selects the source objects, and why.
pub(crate) fn selections(selections: &[SelectionExplanation]) -> String {
    if selections.is_empty() {
        return String::new();
    }
    let mut text = "\nSelected by [scope]\n".to_owned();
    for line in selections {
        let space = line.object.connector.as_deref().unwrap_or_default();
        text.push_str(&paragraph(&format!("{space}: {}: {}", line.object.name, line.text), 2));
    }
    text
}

/// The rules that the object is not in scope of, each with the clauses that do not hold.
pub(crate) fn scopes(scopes: &[ScopeExplanation]) -> String {
    // Whom `[scope]` leaves out is out of every rule, whatever its clauses say.
    let outside: Vec<&ScopeExplanation> =
        scopes.iter().filter(|scope| !scope.in_scope && !scope.failing.is_empty()).collect();
    if outside.is_empty() {
        return String::new();
    }
    let mut text = "\nNot in scope of\n".to_owned();
    for scope in outside {
        let place = scope.place.as_ref().map(|place| format!(", {place}")).unwrap_or_default();
        text.push_str(&paragraph(&format!("{} ({}{place})", scope.name, scope.rule), 2));
        for clause in &scope.failing {
            text.push_str(&paragraph(&format!("{}: it has {}", clause.clause, values(&clause.values)), 4));
        }
    }
    text
}

/// What the join rules in scope looked for.
pub(crate) fn lookups(lookups: &[LookupExplanation]) -> String {
    if lookups.is_empty() {
        return String::new();
    }
    let mut text = "\nLooked for in the metaverse\n".to_owned();
    let mut rule = "";
    for lookup in lookups {
        if rule != lookup.rule {
            rule = &lookup.rule;
            let place = lookup.place.as_ref().map(|place| format!(", {place}")).unwrap_or_default();
            text.push_str(&paragraph(&format!("{} ({}{place})", lookup.name, lookup.rule), 2));
        }
        let found = match (lookup.values.is_empty(), lookup.hits.as_slice()) {
            (true, _) => "no value to look for".to_owned(),
            (false, []) => format!("{}: nobody has it", values(&lookup.values)),
            (false, hits) => {
                let names: Vec<String> = hits.iter().map(name).collect();
                format!("{}: {}", values(&lookup.values), names.join("; "))
            }
        };
        let target = lookup.target.trim().replace('\n', " ");
        text.push_str(&paragraph(&format!("{} ({target}): {found}", lookup.criterion), 4));
    }
    text
}

/// SF11: what an object held before it was taken over, as far as it is otherwise now.
pub(crate) fn taken_over(sheet: &TakenOver, attribute: Option<&str>) -> String {
    let asked = |line: &&ChangedSince| attribute.is_none_or(|asked| line.attribute == asked);
    let lines: Vec<&ChangedSince> = sheet.changed.iter().filter(asked).collect();
    if lines.is_empty() {
        return String::new();
    }
    let title = format!("{} was taken over on {}; otherwise since then:", sheet.object.name, time(sheet.at));
    let mut text = format!("\n{}", paragraph(&title, 0));
    let listed = |values: &metaverse_schema::Values| match values.is_empty() {
        true => "nothing".to_owned(),
        false => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    for line in lines {
        text.push_str(&paragraph(&format!("{}: {} -> {}", line.attribute, listed(&line.before), listed(&line.now)), 2));
    }
    text
}

/// SF19: the numbers of a group, and a page of what is missing.
pub(crate) fn membership(membership: &Membership) -> String {
    let space = |object: &sync_runtime::ObjectName| object.connector.clone().unwrap_or_default();
    let (source, target) = (space(&membership.source), space(&membership.group));
    let mut text =
        format!("\n{} of {target}, from {} of {source}\n", membership.attribute, membership.source_attribute);
    let missing = membership.total - membership.exported;
    text.push_str(&format!(
        "  {} in {source}, {} in {target}, {} missing\n",
        count(membership.total),
        count(membership.exported),
        count(missing)
    ));
    if missing > 0 {
        let reasons: Vec<String> = membership
            .missing_by_reason
            .iter()
            .map(|(code, number)| format!("{}: {}", words(code), count(*number)))
            .collect();
        text.push_str(&paragraph(&reasons.join(", "), 2));
    }
    for line in &membership.missing {
        text.push_str(&paragraph(&format!("{}: {} ({})", line.member.name, line.message, line.code), 4));
    }
    let shown = membership.missing.len() as u64;
    if missing > shown {
        text.push_str(&format!("    {} on other pages (--skip, --limit)\n", count(missing - shown)));
    }
    text
}
