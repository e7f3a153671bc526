//! A rule change as an operator reads it: the counts first, then what each target would be sent, then line by line.

use crate::render::objects::{cut, values};
use crate::text::{Table, count, counted, paragraph, words};
use sync_runtime::{ChangeKind, ChangeLine, RuleChange, TargetChange};

/// The lines of one page.
pub(crate) struct Page {
    /// Lines passed over before it.
    pub(crate) skipped: usize,
    pub(crate) lines: Vec<ChangeLine>,
    /// Lines that were asked for, on this page or not.
    pub(crate) matching: usize,
}

pub(crate) fn kind_name(kind: ChangeKind) -> String {
    words(&crate::render::runs::kind_name(&kind))
}

/// What is pending for a target, now and with the change, kind by kind.
pub(crate) fn pending_before_and_after(target: &TargetChange) -> String {
    let mut table = Table::new(&["", ">now", ">then"]);
    for (name, after) in &target.after {
        let before = target.before.get(name).copied().unwrap_or(0);
        if before > 0 || *after > 0 {
            table.row([words(name), count(before), count(*after)]);
        }
    }
    let rows = table.render();
    let nothing = if rows.is_empty() { " nothing, now and then" } else { "" };
    format!("\nPending for {}:{nothing}\n{rows}", target.connector)
}

pub(crate) fn text(report: &RuleChange, page: &Page) -> String {
    let mut text = String::new();
    if report.same_rules {
        text.push_str("These rules say the same as the deployment's.\n");
    }
    if report.pending_settled {
        text.push_str(&paragraph(
            "Something was pending, so the present rules were synchronised on a copy first: nothing of it is shown here.",
            0,
        ));
    }
    text.push_str(&counts(report));
    for target in &report.targets {
        text.push_str(&pending_before_and_after(target));
        match &target.guard {
            Some(guard) => {
                text.push_str("  the guard would stop the export:\n");
                for verdict in guard.verdicts.iter().filter(|verdict| verdict.stopped) {
                    let by = if verdict.counted_by.is_empty() {
                        String::new()
                    } else {
                        format!(" of {}", verdict.counted_by)
                    };
                    let kind = words(&crate::render::runs::kind_name(&verdict.kind));
                    text.push_str(&format!(
                        "    {kind}{by}: {} (limit {})\n",
                        count(verdict.count),
                        count(verdict.limit)
                    ));
                }
            }
            None => text.push_str("  the guard would let the export pass\n"),
        }
    }
    text.push_str(&lines(page));
    text.push_str("\nFull synchronisation under these rules\n");
    let mut table = Table::new(&["connector", ">objects", ">errors", "status", "plans"]);
    for step in &report.steps {
        table.row([
            step.connector.clone(),
            count(step.objects),
            count(step.errors),
            step.status.clone(),
            step.digest.clone(),
        ]);
    }
    text.push_str(&table.render());
    text.push_str("Nothing was written.\n");
    text
}

fn counts(report: &RuleChange) -> String {
    let mut text = format!("{} would change\n", counted(report.objects, "metaverse object", "metaverse objects"));
    let mut table = Table::new(&["", ">"]);
    for (attribute, number) in &report.attributes {
        table.row([attribute.clone(), counted(*number, "value", "values")]);
    }
    for (kind, number) in &report.lines {
        if !matches!(kind.as_str(), "value" | "export-value") {
            table.row([words(kind), count(*number)]);
        }
    }
    text.push_str(&table.render());
    text
}

fn lines(page: &Page) -> String {
    if page.lines.is_empty() {
        return match page.matching {
            0 => String::new(),
            matching => format!("\n{} in all; --skip passed them over\n", counted(matching as u64, "line", "lines")),
        };
    }
    let mut table = Table::new(&["what", "object", "attribute", "old", "new", "by"]);
    for line in &page.lines {
        let is_text = !line.from.is_empty() || !line.to.is_empty();
        let (old, new) = match line.kind {
            ChangeKind::Created | ChangeKind::Deleted => (String::new(), String::new()),
            _ if is_text => (cut(&line.from), cut(&line.to)),
            _ => (values(&line.old), values(&line.new)),
        };
        let connector = line.connector.as_ref().map_or(String::new(), |connector| format!(" ({connector})"));
        table.row([
            format!("{}{connector}", kind_name(line.kind)),
            line.object.name.clone(),
            line.attribute.clone().unwrap_or_default(),
            old,
            new,
            line.new_rule.clone().or_else(|| line.old_rule.clone()).unwrap_or_default(),
        ]);
    }
    let mut text = format!("\nWhat would change\n{}", table.render());
    let shown = page.skipped + page.lines.len();
    if page.matching > shown {
        text.push_str(&format!(
            "  {} more: --skip {shown} shows the next, --csv all of them\n",
            count((page.matching - shown) as u64)
        ));
    }
    text
}
