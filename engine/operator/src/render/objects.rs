//! Objects, their values and decisions about them: preview and explain. Names before ids, old before new.

use crate::text::{Table, count, counted, paragraph};
use metaverse_schema::Values;
use sync_kernel::{Hold, ObjectError};
use sync_runtime::{AttributeLine, CandidateLine, MetaversePreview, ObjectName, Preview, TargetPreview};

/// Values longer than this are cut in tables; `--json` has them whole.
const LONGEST: usize = 60;
/// Values of one attribute that are shown.
const SHOWN: usize = 4;

/// Where the roles of match candidates in a preview come from (SF6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Facts {
    ReadNow,
    AsLastRead,
}

/// `Ann Archer (user, CN=Ann Archer,OU=Staff,...)`.
pub(crate) fn name(object: &ObjectName) -> String {
    let place = object.dn.as_ref().or(object.anchor.as_ref());
    match place {
        Some(place) if *place != object.name => format!("{} ({}, {place})", object.name, object.object_type),
        _ => format!("{} ({})", object.name, object.object_type),
    }
}

/// Values on one line; `-` for none.
pub(crate) fn values(values: &Values) -> String {
    if values.is_empty() {
        return "-".to_owned();
    }
    let mut shown: Vec<String> = values.iter().take(SHOWN).map(|value| cut(&value.to_string())).collect();
    if values.len() > SHOWN {
        shown.push(format!("and {} more", count((values.len() - SHOWN) as u64)));
    }
    shown.join("; ")
}

/// Text that fits a table. Control characters would break the page and are shown as a space.
pub(crate) fn cut(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if clean.chars().count() <= LONGEST {
        return clean;
    }
    let head: String = clean.chars().take(LONGEST - 1).collect();
    format!("{head}…")
}

/// `facts`: whether the roles of match candidates were read for it.
pub(crate) fn preview(preview: &Preview, facts: Facts, all: bool) -> String {
    let space = preview.subject.connector.as_deref().unwrap_or("metaverse");
    let mut text = format!("{space}: {}\n", name(&preview.subject));
    text.push_str(&format!("pending import: {}\n", preview.pending_import));
    if let Some(join) = &preview.join {
        text.push_str(&paragraph(&format!("join: {}", join.text), 0));
    }
    if let Some(error) = &preview.error {
        text.push_str(&format!("\nIn error; nothing of this would be applied\n{}", object_error(error)));
    }
    let (inside, outside): (Vec<_>, Vec<_>) = preview.scopes.iter().partition(|scope| scope.in_scope);
    if !preview.scopes.is_empty() {
        text.push_str("\nInbound rules\n");
        let mut table = Table::new(&["", "rule", ""]);
        for scope in inside {
            table.row(["in scope".to_owned(), scope.rule.clone(), scope.name.clone()]);
        }
        if all {
            for scope in outside {
                table.row(["not in scope".to_owned(), scope.rule.clone(), scope.name.clone()]);
            }
        }
        text.push_str(&table.render());
    }
    for metaverse in &preview.metaverse {
        text.push_str(&metaverse_part(metaverse, all));
    }
    for target in &preview.targets {
        text.push_str(&target_part(target, all));
    }
    if preview.targets.is_empty() {
        text.push_str("\nNo target: nothing would be exported for it\n");
    }
    let unread = preview.facts_wanted.iter().filter(|_| facts == Facts::AsLastRead);
    for candidate in unread {
        text.push_str(&paragraph(&format!("A run reads the roles of {} before it applies this.", name(candidate)), 0));
    }
    text.push_str(&format!("\nplan {}\nNothing was written.\n", preview.digest));
    text
}

/// Of an object that a delta synchronisation does not look at.
pub(crate) fn passed_over(preview: &Preview) -> String {
    let space = preview.subject.connector.as_deref().unwrap_or("metaverse");
    let mut text = format!("{space}: {}\n", name(&preview.subject));
    if let Some(join) = &preview.join {
        text.push_str(&paragraph(&join.text, 2));
    }
    text.push_str(&paragraph(
        "Not due: nothing of it waits to be synchronised, so a delta synchronisation passes it over. --full shows what a \
         full one would do.",
        0,
    ));
    text
}

fn metaverse_part(metaverse: &MetaversePreview, all: bool) -> String {
    let what = match metaverse.change {
        "create" => format!("a new {} would be created", metaverse.object_type),
        "update" => "would change".to_owned(),
        "delete" => match metaverse.cause {
            Some(cause) => format!("would be deleted: {cause}"),
            None => "would be deleted".to_owned(),
        },
        _ => "no change".to_owned(),
    };
    let who = metaverse.object.as_ref().map_or(String::new(), |object| format!(" {}", name(object)));
    format!("\nMetaverse{who}: {what}\n{}", attribute_table(&metaverse.attributes, all))
}

fn target_part(target: &TargetPreview, all: bool) -> String {
    let what = match target.operation {
        "none" if target.holds.is_empty() => "nothing to send".to_owned(),
        "none" => "nothing is sent: held".to_owned(),
        "add" => format!("a new {} would be created", target.object_type),
        "takeover" => "would be taken over".to_owned(),
        "update" => "would be updated".to_owned(),
        "rename" => "would be renamed".to_owned(),
        "restore" => "would be brought back from the recycle bin".to_owned(),
        "delete" => "would be deleted".to_owned(),
        "detach" => "would be detached: sign-in blocked, sessions ended, stamp cleared".to_owned(),
        other => other.to_owned(),
    };
    let what = match &target.leaves_on {
        Some(day) => format!("left scope, leaves on {day}"),
        None => what,
    };
    let cause = target.cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
    let who = target.object.as_ref().map_or(String::new(), |object| format!(" {}", name(object)));
    let mut text = format!("\n{}{who}: {what}{cause}\n", target.connector);
    if let Some(link) = &target.link {
        let by = target.matched_by.as_ref().map_or(String::new(), |criterion| format!(", matched by {criterion}"));
        text.push_str(&format!(
            "  link: {} by {}{by}\n",
            crate::render::runs::kind_name(&link.ownership),
            link.rule_name
        ));
    }
    text.push_str(&holds(&target.holds));
    text.push_str(&attribute_table(&target.attributes, all));
    for reference in target.references.iter().filter(|reference| reference.values > 0) {
        text.push_str(&format!(
            "  {}: flows from {} of {} ({}), each value decided by itself\n",
            reference.attribute,
            reference.source_attribute,
            reference.source.name,
            count(reference.values)
        ));
    }
    text
}

/// Attributes old → new with the rule that won, and why others lost.
pub(crate) fn attribute_table(lines: &[AttributeLine], all: bool) -> String {
    let mut table = Table::new(&["attribute", "old", "new", "by"]);
    let mut same = 0u64;
    for line in lines {
        if !line.changed && !all {
            same += 1;
            continue;
        }
        let (old, new) = match line.references {
            Some(number) => (String::new(), counted(number, "reference", "references")),
            None if line.changed => (values(&line.old), values(&line.new)),
            None => (values(&line.old), "(same)".to_owned()),
        };
        table.row([line.attribute.clone(), old, new, by(line)]);
    }
    let mut text = table.render();
    if same > 0 {
        text.push_str(&format!(
            "  {} unchanged (--all shows them)\n",
            crate::text::counted(same, "attribute", "attributes")
        ));
    }
    text
}

fn by(line: &AttributeLine) -> String {
    let winner = line.winner.as_ref().map_or("nobody".to_owned(), |winner| winner.rule_name.clone());
    match line.losers.len() {
        0 => winner,
        losers => format!("{winner}, over {losers}"),
    }
}

/// A flow in full: who, by which rule, from what, and what became of it.
pub(crate) fn candidate(line: &CandidateLine) -> String {
    let from = line.contributor.as_ref().map_or("the metaverse object".to_owned(), |object| {
        let space = object.connector.as_deref().unwrap_or("metaverse");
        format!("{space}: {}", name(object))
    });
    let inputs: Vec<String> =
        line.inputs.iter().map(|input| format!("{} = {}", input.attribute, values(&input.values))).collect();
    let mut text = paragraph(&format!("{}  ({})", values(&line.values), line.verdict), 2);
    let place = line.place.as_ref().map(|place| format!(", {place}")).unwrap_or_default();
    text.push_str(&paragraph(
        &format!("rule: {} ({}, precedence {}{place})", line.rule_name, line.rule, line.precedence),
        4,
    ));
    text.push_str(&paragraph(&format!("from: {from}"), 4));
    text.push_str(&paragraph(&format!("flow: {}", line.source), 4));
    if !inputs.is_empty() {
        text.push_str(&paragraph(&format!("read: {}", inputs.join(", ")), 4));
    }
    text
}

pub(crate) fn holds(holds: &[Hold]) -> String {
    let mut text = String::new();
    for hold in holds {
        let attribute = hold.attribute.as_ref().map_or(String::new(), |attribute| format!(" {attribute}"));
        text.push_str(&paragraph(&format!("held{attribute} ({}): {}", hold.code, hold.message), 2));
        if let (Some(wanted), Some(present)) = (&hold.wanted, &hold.present) {
            text.push_str(&paragraph(&format!("wanted {}, there is {}", cut(wanted), cut(present)), 4));
        }
        if !hold.remedy.is_empty() {
            text.push_str(&paragraph(&format!("what to do: {}", hold.remedy), 4));
        }
    }
    text
}

fn object_error(error: &ObjectError) -> String {
    let rule = error.rule.as_ref().map_or(String::new(), |rule| format!(", rule {rule}"));
    let attribute = error.attribute.as_ref().map_or(String::new(), |attribute| format!(", attribute {attribute}"));
    paragraph(&format!("{}: {}{rule}{attribute}", error.code, error.message), 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use metaverse_schema::Value;

    #[test]
    fn values_fit_a_line_and_say_what_is_left_out() {
        assert_eq!(values(&Values::default()), "-");
        let many: Values = (0..6).map(Value::Integer).collect();
        assert_eq!(values(&many), "0; 1; 2; 3; and 2 more");
        assert_eq!(cut("a\nb"), "a b");
        assert_eq!(cut(&"x".repeat(70)).chars().count(), 60);
    }
}
