//! The report as one HTML page to hand to a colleague: charts of plain boxes, no script, and nothing that is loaded from
//! anywhere; the page forbids it to itself. Everything that comes from the inventories is escaped.

use super::columns::{NotInFile, Side};
use super::finding::{Class, Remark, Weight};
use super::judge::{Assessment, Line};
use super::surroundings::{Others, System};
use crate::text::{count, counted};
use std::fmt::Write as _;

/// People of one kind on the page; the CSV has all.
const MOST_ROWS: usize = 500;

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --fine: #2e7d5b; --look: #b7791f; --mend: #c0392b; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; } small { font-weight: normal; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; } table.narrow { width: auto; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
th { white-space: nowrap; position: sticky; top: 0; background: Canvas; } td.why { min-width: 15rem; max-width: 32rem; overflow-wrap: anywhere; }
.scroll { max-height: 28rem; overflow: auto; } .remedy { margin: .2rem 0 .6rem; } .remedy::first-letter { text-transform: uppercase; }
pre { font-size: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; background: var(--soft); padding: .5rem .7rem; border-radius: 4px; }
.fine { background: var(--fine); } .look { background: var(--look); } .mend { background: var(--mend); }
.dot { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em; }
.share { display: flex; height: 1.6rem; border-radius: 4px; overflow: hidden; gap: 2px; } .share i { min-width: 4px; }
.legend span { display: inline-block; margin-right: 1.4rem; }
.chart { display: grid; grid-template-columns: max-content 1fr; gap: .3rem .6rem; align-items: center; }
.chart span { text-align: right; } .chart div { display: flex; align-items: center; gap: .5rem; } .chart i { height: 1.1rem; min-width: 2px; border-radius: 2px; }
details { margin: .4rem 0; } summary { cursor: pointer; font-weight: 600; }
@media print { .scroll { max-height: none; } th { position: static; } }
";

pub(crate) fn page(assessment: &Assessment) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Readiness report</title>\n<style>{STYLE}</style></head><body>\n\
         <h1>Readiness report</h1>\n<p>{} people of the directory against the tenant. Verified domains: {}{}.</p>\n",
        count(assessment.lines.len() as u64),
        escaped(&assessment.verified_domains.join(", ")),
        if assessment.domains_inferred { " (taken from sign-in names)" } else { "" }
    );
    if assessment.addresses_assumed {
        page.push_str("<p>The tenant's file has no addresses: the sign-in name of a cloud user counts as its primary address.</p>\n");
    }
    shares(&mut page, assessment);
    let classes: Vec<Bar> = Class::ALL
        .into_iter()
        .map(|class| Bar { name: class.code(), weight: class.weight(), number: assessment.of_class(class).count() })
        .collect();
    let remarks: Vec<Bar> = Remark::ALL
        .into_iter()
        .map(|remark| Bar {
            name: remark.code(),
            weight: remark.weight(),
            number: assessment.with_remark(remark).count(),
        })
        .collect();
    chart(&mut page, "What would become of them", &classes);
    chart(&mut page, "What else is to be known", &remarks);
    page.push_str("<h2>Person by person</h2>\n");
    for class in Class::ALL {
        let lines: Vec<(&Line, String)> = assessment.of_class(class).map(|line| (line, line.because.clone())).collect();
        section(&mut page, class.code(), class.meaning(), class.remedy(), class.weight(), &lines);
    }
    for remark in Remark::ALL {
        let said = |line: &Line| line.remarks.get(&remark).cloned().unwrap_or_default();
        let lines: Vec<(&Line, String)> = assessment.with_remark(remark).map(|line| (line, said(line))).collect();
        section(&mut page, remark.code(), remark.meaning(), remark.remedy(), remark.weight(), &lines);
    }
    cloud_only(&mut page, assessment);
    others(&mut page, &assessment.others);
    systems(&mut page, &assessment.systems);
    if !assessment.live {
        not_in_files(&mut page, &assessment.not_in_file);
    }
    if !assessment.issues.is_empty() {
        page.push_str("<h2>Lines that were not understood</h2>\n<ul>\n");
        for issue in &assessment.issues {
            let _ = writeln!(page, "<li>{}</li>", escaped(issue));
        }
        page.push_str("</ul>\n");
    }
    page.push_str("</body></html>\n");
    page
}

fn not_in_files(page: &mut String, not_in_file: &[NotInFile]) {
    page.push_str("<h2>Not in the files</h2>\n");
    let mut commands: Vec<&str> = Vec::new();
    for missing in not_in_file {
        if commands.contains(&missing.command) {
            continue;
        }
        commands.push(missing.command);
        page.push_str("<ul>\n");
        for question in not_in_file.iter().filter(|other| other.command == missing.command) {
            let side = if question.side == Side::Directory { "directory" } else { "tenant" };
            let _ = writeln!(page, "<li>{side}: {}</li>", escaped(question.question));
        }
        let _ = writeln!(page, "</ul>\n<p>This adds it:</p>\n<pre>{}</pre>", escaped(missing.command));
    }
}

/// Groups and contacts: what would become of them, and which are held.
fn others(page: &mut String, others: &Others) {
    if others.counts.is_empty() {
        return;
    }
    page.push_str("<h2>Groups and contacts</h2>\n<table class=\"narrow\"><tr><th>Type</th><th>What becomes of it</th><th>Number</th></tr>\n");
    for (object_type, outcomes) in &others.counts {
        for (outcome, number) in outcomes {
            let _ = writeln!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(object_type),
                escaped(outcome),
                count(*number)
            );
        }
    }
    page.push_str("</table>\n");
    if others.held.is_empty() {
        return;
    }
    let _ = writeln!(
        page,
        "<details><summary>{} of them held</summary><div class=\"scroll\"><table><tr><th>Type</th><th>Name</th><th>Why</th><th>What to do</th></tr>",
        count(others.held.len() as u64)
    );
    for held in others.held.iter().take(MOST_ROWS) {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}: {}</td><td>{}</td></tr>",
            escaped(&held.object_type),
            escaped(&held.name),
            escaped(&held.code),
            escaped(&held.message),
            escaped(&held.remedy)
        );
    }
    page.push_str("</table></div>\n");
    if others.held.len() > MOST_ROWS {
        let _ = writeln!(page, "<p>{} more are in the JSON.</p>", count((others.held.len() - MOST_ROWS) as u64));
    }
    page.push_str("</details>\n");
}

/// What each system says of itself.
fn systems(page: &mut String, systems: &[System]) {
    for system in systems {
        let _ = writeln!(
            page,
            "<h2>{} <small>({}, {})</small></h2>\n<table><tr><th></th><th>Code</th><th>Finding</th><th>What to do</th></tr>",
            escaped(&system.name),
            escaped(&system.kind),
            counted(system.objects, "object", "objects")
        );
        for finding in &system.findings {
            let _ = writeln!(
                page,
                "<tr><td class=\"mark\">{}</td><td>{}</td><td class=\"why\">{}</td><td>{}</td></tr>",
                dot(finding.weight),
                escaped(&finding.code),
                escaped(&finding.message),
                escaped(&finding.remedy)
            );
        }
        page.push_str("</table>\n");
    }
}

fn dot(weight: Weight) -> String {
    format!("<i class=\"dot {}\"></i>", colour(weight))
}

struct Bar {
    name: &'static str,
    weight: Weight,
    number: usize,
}

/// How many have nothing to be done about, as one bar and in words.
fn shares(page: &mut String, assessment: &Assessment) {
    let of = |weight: Weight| assessment.lines.iter().filter(|line| line.weight() == weight).count();
    let shares = [
        (Weight::Fine, "as they should be"),
        (Weight::Look, "with something good to know"),
        (Weight::Mend, "with something to be mended or decided first"),
    ]
    .map(|(weight, words)| (weight, words, of(weight)));
    page.push_str("<div class=\"share\">");
    for (weight, _, number) in shares.iter().filter(|(.., number)| *number > 0) {
        let _ = write!(page, "<i class=\"{}\" style=\"flex-grow:{number}\"></i>", colour(*weight));
    }
    page.push_str("</div>\n<p class=\"legend\">");
    for (weight, words, number) in shares {
        let _ = write!(page, "<span>{}{} {words}</span> ", dot(weight), count(number as u64));
    }
    page.push_str("</p>\n");
}

/// Bars as long as their numbers, each with its name and number.
fn chart(page: &mut String, title: &str, bars: &[Bar]) {
    let bars: Vec<&Bar> = bars.iter().filter(|bar| bar.number > 0).collect();
    let most = bars.iter().map(|bar| bar.number).max().unwrap_or(0);
    if most == 0 {
        return;
    }
    let _ = writeln!(page, "<h2>{title}</h2>\n<div class=\"chart\" role=\"img\" aria-label=\"{title}\">");
    for bar in bars {
        // The number stands behind the bar: the longest one leaves it room.
        let width = bar.number * 86 / most;
        let _ = writeln!(
            page,
            "<span>{}</span><div><i class=\"{}\" style=\"width:{width}%\"></i>{}</div>",
            bar.name,
            colour(bar.weight),
            count(bar.number as u64)
        );
    }
    page.push_str("</div>\n");
}

fn colour(weight: Weight) -> &'static str {
    match weight {
        Weight::Fine => "fine",
        Weight::Look => "look",
        Weight::Mend => "mend",
    }
}

/// What may be told of a person; a column in which nobody has anything is left out.
type Cell = fn(&Line) -> &str;
const COLUMNS: [(&str, Cell); 6] = [
    ("Name", |line| &line.name),
    ("Account", |line| &line.account),
    ("Mail", |line| &line.mail),
    ("Cloud user", |line| line.cloud.as_deref().unwrap_or_default()),
    ("Signs in today as", |line| line.signs_in_today_as.as_deref().unwrap_or_default()),
    ("Will sign in as", |line| line.will_sign_in_as.as_deref().unwrap_or_default()),
];

fn section(page: &mut String, code: &str, meaning: &str, remedy: &str, weight: Weight, lines: &[(&Line, String)]) {
    if lines.is_empty() {
        return;
    }
    let shown = &lines[..lines.len().min(MOST_ROWS)];
    let columns: Vec<&(&str, Cell)> =
        COLUMNS.iter().filter(|(_, cell)| shown.iter().any(|(line, _)| !cell(line).is_empty())).collect();
    let says_why = shown.iter().any(|(_, because)| !because.is_empty());
    let _ = writeln!(
        page,
        "<details{}><summary>{}{code} ({})</summary>\n<p class=\"remedy\">{}. What to do: {}.</p>\n<div class=\"scroll\"><table>\n<tr>{}{}</tr>",
        if weight == Weight::Mend { " open" } else { "" },
        dot(weight),
        count(lines.len() as u64),
        escaped(meaning),
        escaped(remedy),
        columns.iter().map(|(title, _)| format!("<th>{title}</th>")).collect::<String>(),
        if says_why { "<th>Why</th>" } else { "" }
    );
    for (line, because) in shown {
        page.push_str("<tr>");
        for (_, cell) in &columns {
            let _ = write!(page, "<td>{}</td>", address(cell(line)));
        }
        if says_why {
            let _ = write!(page, "<td class=\"why\">{}</td>", escaped(because));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n");
    if lines.len() > MOST_ROWS {
        let _ = writeln!(page, "<p>{} more are in the CSV.</p>", count((lines.len() - MOST_ROWS) as u64));
    }
    page.push_str("</details>\n");
}

fn cloud_only(page: &mut String, assessment: &Assessment) {
    let all = &assessment.cloud_only;
    if all.is_empty() {
        return;
    }
    let _ = writeln!(
        page,
        "<h2>Only in the tenant</h2>\n<details><summary>{} that nobody in the directory is</summary><div class=\"scroll\"><table>\
         <tr><th>Name</th><th>Kind</th><th>Licensed</th><th></th></tr>",
        count(all.len() as u64)
    );
    for object in all.iter().take(MOST_ROWS) {
        let licensed = object.licensed.map(|truth| if truth { "yes" } else { "no" }).unwrap_or_default();
        let stale = if object.stale_anchor { "carries an anchor that nobody in the directory has" } else { "" };
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{licensed}</td><td>{stale}</td></tr>",
            escaped(&object.name),
            object.kind
        );
    }
    page.push_str("</table></div></details>\n");
}

/// An address may be broken before its `@`, and nowhere else.
fn address(text: &str) -> String {
    escaped(text).replace('@', "<wbr>@")
}

pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
