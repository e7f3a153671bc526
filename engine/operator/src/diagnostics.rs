//! Draws configuration mistakes with the lines they stand on, and gives them to programs with line and column. The texts
//! it draws come with their secrets masked.

use crate::text::Table;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceSpan};
use serde_json::{Value, json};
use std::fmt;
use sync_rules::{Diagnostic, Severity, Sources};

/// Diagnostics for both kinds of reader.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    pub(crate) text: String,
    /// A list of `{code, severity, file, line, column, message, label, help}`.
    pub(crate) json: Value,
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
}

/// One diagnostic as miette wants it.
#[derive(Debug)]
struct Shown<'a> {
    diagnostic: &'a Diagnostic,
    source: Option<NamedSource<String>>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.diagnostic.help.is_empty()).then(|| Box::new(&self.diagnostic.help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.source.as_ref()?;
        let span = SourceSpan::new(self.diagnostic.span.start.into(), self.diagnostic.span.len());
        let label = (!self.diagnostic.label.is_empty()).then(|| self.diagnostic.label.clone());
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(label, span))))
    }
}

pub(crate) fn draw(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> Drawn {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(crate::text::WIDTH).with_context_lines(1);
    let mut text = String::new();
    let of = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    for diagnostic in diagnostics {
        // A span outside the text would make the drawing fail; the message is worth more than the place.
        let source = sources
            .text(&diagnostic.file)
            .filter(|text| text.get(diagnostic.span.clone()).is_some())
            .map(|text| NamedSource::new(&*diagnostic.file, text.to_owned()));
        let shown = Shown { diagnostic, source };
        if handler.render_report(&mut text, &shown).is_err() {
            text.push_str(&format!("{}: {}\n", diagnostic.file, diagnostic.message));
        }
        text.push('\n');
    }
    Drawn {
        text,
        json: Value::Array(diagnostics.iter().map(|diagnostic| as_json(diagnostic, sources)).collect()),
        errors: of(Severity::Error),
        warnings: of(Severity::Warning),
    }
}

/// Notes as a table: a line each, because none of them is a mistake to be mended where it stands.
pub(crate) fn list(notes: &[Diagnostic], sources: &Sources) -> Drawn {
    let mut table = Table::new(&["WHERE", "WHAT"]);
    for note in notes {
        let place = match sources.line_and_column(&note.file, note.span.start) {
            Some((line, _)) => format!("{}:{line}", note.file),
            None => note.file.to_string(),
        };
        table.row([place, format!("{}\nwhat to do: {}", note.message, note.help)]);
    }
    let json = Value::Array(notes.iter().map(|note| as_json(note, sources)).collect());
    Drawn { text: if notes.is_empty() { String::new() } else { table.render() }, json, errors: 0, warnings: 0 }
}

fn as_json(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let place = sources.line_and_column(&diagnostic.file, diagnostic.span.start);
    json!({
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "file": &*diagnostic.file,
        "line": place.map(|(line, _)| line),
        "column": place.map(|(_, column)| column),
        "message": diagnostic.message,
        "label": diagnostic.label,
        "help": diagnostic.help,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use std::sync::Arc;

    #[test]
    fn a_mistake_is_drawn_with_its_line_and_told_with_line_and_column() {
        let file: Arc<str> = "metasync.toml".into();
        let text = "[deployment]\nname = \"x\"\nworkers = 0\n";
        let mut sources = Sources::default();
        sources.add(file.clone(), text);
        let at = text.find('0').unwrap();
        let mistake = |span: std::ops::Range<usize>| Diagnostic {
            code: "out-of-range",
            severity: Severity::Error,
            file: file.clone(),
            span,
            message: "`workers` lies between 1 and 256".into(),
            label: "out of range".into(),
            help: "choose a number within the bounds".into(),
        };
        let drawn = draw(&[mistake(at..at + 1)], &sources, false);
        expect![[r#"
            out-of-range

              × `workers` lies between 1 and 256
               ╭─[metasync.toml:3:11]
             2 │ name = "x"
             3 │ workers = 0
               ·           ┬
               ·           ╰── out of range
               ╰────
              help: choose a number within the bounds

        "#]]
        .assert_eq(&drawn.text);
        assert_eq!((drawn.errors, drawn.warnings), (1, 0));
        assert_eq!(drawn.json[0]["line"], 3);
        assert_eq!(drawn.json[0]["column"], 11);
        // A place that the text does not have costs the drawing, not the message.
        assert!(draw(&[mistake(900..901)], &sources, false).text.contains("lies between"));
    }
}
