//! The sheets as one HTML page to hand to the owner of the accounts: no script, nothing that is loaded from anywhere, every value
//! escaped.

use super::pairs::standing;
use super::sheet::{after_text, times, title, what};
use crate::assess::escaped;
use crate::text::counted;
use sync_runtime::{Sheet, SheetChange};

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --change: #b7791f; --clear: #c0392b; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.1rem; margin: 2rem 0 0; } p { margin: .2rem 0 .6rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem; border-bottom: 1px solid var(--line); white-space: pre-line; overflow-wrap: anywhere; }
tr.kept { opacity: .65; } tr.changed td:last-child { color: var(--change); } tr.cleared td:last-child { color: var(--clear); }
";

pub(super) fn page(sheets: &[Sheet]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Takeovers: before and after</title>\n<style>{STYLE}</style></head><body>\n\
         <h1>Takeovers: before and after</h1>\n<p>{}</p>\n",
        counted(sheets.len() as u64, "sheet", "sheets")
    );
    for sheet in sheets {
        let (before, after) = times(sheet);
        page.push_str(&format!(
            "<h2>{}</h2>\n<p>pair {}: {}</p>\n",
            escaped(&title(sheet)),
            escaped(&sheet.pair.id),
            escaped(&standing(&sheet.pair))
        ));
        if sheet.lines.is_empty() {
            page.push_str("<p>Nothing will be written.</p>\n");
            continue;
        }
        page.push_str(&format!("<table><tr><th>attribute</th><th>{before}</th><th>{after}</th><th>what</th></tr>\n"));
        for line in &sheet.lines {
            let class = match line.change {
                SheetChange::Kept => "kept",
                SheetChange::Cleared => "cleared",
                SheetChange::Given | SheetChange::AddedTo | SheetChange::Changed => "changed",
            };
            let old: Vec<String> = line.before.iter().map(ToString::to_string).collect();
            page.push_str(&format!(
                "<tr class=\"{class}\"><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                escaped(&line.attribute),
                escaped(&old.join("\n")),
                escaped(&after_text(line)),
                escaped(&what(line))
            ));
        }
        page.push_str("</table>\n");
    }
    page.push_str("</body></html>\n");
    page
}
