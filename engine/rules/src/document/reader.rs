//! Reads TOML tables key by key with their places, collecting every mistake. Knows nothing of what the keys mean.

use crate::diagnostic::{Diagnostic, Severity};
use crate::model::SourcePlace;
use crate::suggest::{did_you_mean, nearest};
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One file being read, and what was found wrong with it.
pub(crate) struct Report<'t> {
    pub(crate) file: Arc<str>,
    pub(crate) text: &'t str,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl<'t> Report<'t> {
    /// Parses the text; syntax errors are reported and what can be read of the rest is returned.
    pub(crate) fn parse(file: Arc<str>, text: &'t str) -> (Self, DeTable<'t>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut report = Report { file, text, diagnostics: Vec::new() };
        for error in errors {
            let span = report.visible(error.span().unwrap_or(0..0));
            let message = error.message().to_owned();
            report.error(
                "toml-syntax",
                span,
                message,
                "this is not TOML",
                "see https://toml.io; texts stand in quotes",
            );
        }
        (report, table.into_inner())
    }

    /// A place that can be underlined: an empty one is widened to a neighbouring character of the same line.
    fn visible(&self, span: Range<usize>) -> Range<usize> {
        if !span.is_empty() {
            return span;
        }
        let before = self.text.get(..span.start).and_then(|before| before.chars().next_back());
        match before {
            Some(character) if character != '\n' => span.start - character.len_utf8()..span.start,
            _ => span,
        }
    }

    pub(crate) fn error(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.warning(code, span, message, label, help);
        if let Some(last) = self.diagnostics.last_mut() {
            last.severity = Severity::Error;
        }
    }

    pub(crate) fn warning(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.diagnostics.push(Diagnostic {
            code,
            severity: Severity::Warning,
            file: self.file.clone(),
            span,
            message: message.into(),
            label: label.into(),
            help: help.into(),
        });
    }

    pub(crate) fn place(&self, span: Range<usize>) -> SourcePlace {
        SourcePlace { file: self.file.clone(), span }
    }

    /// Once a file has syntax errors, its other diagnostics count only where they cannot stem from them: not on the
    /// same line, and nothing about what is missing.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        let line = |offset: usize| self.text.get(..offset).map_or(0, |before| before.matches('\n').count());
        let broken: Vec<usize> = self
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.code == "toml-syntax")
            .map(|diagnostic| line(diagnostic.span.start))
            .collect();
        if !broken.is_empty() {
            let stands = |diagnostic: &Diagnostic| {
                diagnostic.code == "toml-syntax"
                    || (diagnostic.code != "key-missing" && !broken.contains(&line(diagnostic.span.start)))
            };
            let keep: Vec<bool> = self.diagnostics.iter().map(stands).collect();
            let mut keep = keep.into_iter();
            self.diagnostics.retain(|_| keep.next().unwrap_or(true));
        }
        self.diagnostics
    }
}

/// A text of the file: its value, and how its bytes lie in the file.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) value: String,
    /// The whole value with its quotes.
    pub(crate) span: Range<usize>,
    /// File offset of each byte of the value, and of its end.
    offsets: Offsets,
}

#[derive(Debug, Clone)]
enum Offsets {
    /// Without escapes: the value stands in the file as it is.
    From(usize),
    Each(Vec<usize>),
}

impl Text {
    fn new(value: &str, span: Range<usize>, text: &str) -> Self {
        let raw = text.get(span.clone()).unwrap_or("");
        let quotes =
            ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| raw.starts_with(quotes)).map_or(0, str::len);
        let mut start = quotes;
        if quotes == 3 {
            let rest = &raw[start..];
            start += if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
        }
        let content = raw.get(start..).unwrap_or("");
        let offsets = if content.starts_with(value) && content.len() == value.len() + quotes {
            Offsets::From(span.start + start)
        } else {
            Offsets::Each(escaped_offsets(content, value, span.start + start))
        };
        Text { value: value.to_owned(), span, offsets }
    }

    /// The place in the file of a part of the value.
    pub(crate) fn part(&self, part: Range<usize>) -> Range<usize> {
        let at = |position: usize| match &self.offsets {
            Offsets::From(start) => start + position.min(self.value.len()),
            Offsets::Each(each) => each.get(position).or(each.last()).copied().unwrap_or(self.span.start),
        };
        at(part.start)..at(part.end)
    }

    /// The place of the whole value, without quotes where that can be told.
    pub(crate) fn inner(&self) -> Range<usize> {
        match self.offsets {
            Offsets::From(_) => self.part(0..self.value.len()),
            Offsets::Each(_) => self.span.clone(),
        }
    }
}

/// Walks a quoted text with escapes beside its value.
fn escaped_offsets(raw: &str, value: &str, base: usize) -> Vec<usize> {
    let mut offsets = Vec::with_capacity(value.len() + 1);
    let mut position = 0;
    for character in value.chars() {
        // A backslash at a line's end and the white space behind it stand for nothing.
        while let Some(rest) = raw.get(position..).and_then(|rest| rest.strip_prefix('\\')) {
            let trimmed = rest.trim_start();
            if !rest[..rest.len() - trimmed.len()].contains('\n') {
                break;
            }
            position = raw.len() - trimmed.len();
        }
        offsets.extend(std::iter::repeat_n(base + position, character.len_utf8()));
        let rest = raw.get(position..).unwrap_or("");
        position += match rest.as_bytes() {
            [b'\\', b'u', ..] => 6,
            [b'\\', b'U', ..] => 10,
            [b'\\', b'x', ..] => 4,
            [b'\\', ..] => 2,
            [b'\r', b'\n', ..] if character == '\n' => 2,
            _ => character.len_utf8(),
        };
        // Of a text that is broken off, the value and what stands there need not agree.
        position = position.min(raw.len());
        while !raw.is_char_boundary(position) {
            position += 1;
        }
    }
    offsets.push(base + position);
    offsets
}

/// A table whose keys are asked for one by one; `finish` names those that nobody asked for.
pub(crate) struct Table<'d> {
    entries: &'d DeTable<'d>,
    pub(crate) span: Range<usize>,
    /// What it is, for messages: `[matching]`, `this rule`.
    what: String,
    asked: Vec<&'static str>,
}

impl<'d> Table<'d> {
    pub(crate) fn new(entries: &'d DeTable<'d>, span: Range<usize>, what: impl Into<String>) -> Self {
        Table { entries, span, what: what.into(), asked: Vec::new() }
    }

    pub(crate) fn raw(&mut self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.asked.push(key);
        self.entries.get(key)
    }

    /// The table itself, for what looks at all of it.
    pub(crate) fn whole(&self) -> &'d DeTable<'d> {
        self.entries
    }

    /// All entries, with the place of each key: for tables whose keys are names.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'d str, Range<usize>, &'d Spanned<DeValue<'d>>)> + use<'d> {
        self.entries.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value))
    }

    pub(crate) fn text(&mut self, report: &mut Report<'_>, key: &'static str) -> Option<Text> {
        let value = self.raw(key)?;
        read_text(report, key, value)
    }

    pub(crate) fn required_text(&mut self, report: &mut Report<'_>, key: &'static str, help: &str) -> Option<Text> {
        if !self.entries.contains_key(key) {
            let message = format!("{} needs `{key}`", self.what);
            report.error("key-missing", self.span.clone(), message, format!("`{key}` is missing"), help);
        }
        self.text(report, key)
    }

    pub(crate) fn boolean(&mut self, report: &mut Report<'_>, key: &'static str) -> Option<bool> {
        let value = self.raw(key)?;
        match value.get_ref() {
            DeValue::Boolean(truth) => Some(*truth),
            _ => wrong_kind(report, key, value, "true or false"),
        }
    }

    /// A whole number within bounds.
    pub(crate) fn integer(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        bounds: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        let value = self.raw(key)?;
        let DeValue::Integer(digits) = value.get_ref() else {
            return wrong_kind(report, key, value, "a whole number");
        };
        let number = i64::from_str_radix(digits.as_str(), digits.radix()).ok().filter(|n| bounds.contains(n));
        if number.is_none() {
            let message = format!("`{key}` lies between {} and {}", bounds.start(), bounds.end());
            report.error("out-of-range", value.span(), message, "out of range", "choose a number within the bounds");
        }
        number
    }

    pub(crate) fn table(&mut self, report: &mut Report<'_>, key: &'static str, what: &str) -> Option<Table<'d>> {
        let value = self.raw(key)?;
        as_table(report, key, value, what)
    }

    /// An array of tables: `[[key]]`.
    pub(crate) fn tables(&mut self, report: &mut Report<'_>, key: &'static str, what: &str) -> Vec<Table<'d>> {
        let Some(value) = self.raw(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.get_ref() else {
            wrong_kind::<()>(report, key, value, &format!("a list of tables: [[{key}]]"));
            return Vec::new();
        };
        items.iter().filter_map(|item| as_table(report, key, item, what)).collect()
    }

    /// A choice of words.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let text = self.text(report, key)?;
        choose(report, key, &text, choices)
    }

    /// Names every key that nobody asked for. A key that looks like a misspelt missing one is one mistake, not two.
    pub(crate) fn finish(self, report: &mut Report<'_>) {
        // Behind a broken table heading, keys seem to stand at the top of the file.
        let is_root = self.span.is_empty();
        if is_root && report.diagnostics.iter().any(|diagnostic| diagnostic.code == "toml-syntax") {
            return;
        }
        for (key, value) in self.entries {
            let name = key.get_ref().as_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let message = format!("{} has no key `{name}`", self.what);
            let help = did_you_mean(name, self.asked.iter().copied());
            let span = if key.span().is_empty() { value.span() } else { key.span() };
            report.error("key-unknown", span, message, "unknown key", help);
            if let Some(meant) = nearest(name, self.asked.iter().copied()) {
                let missing = format!("{} needs `{meant}`", self.what);
                report.diagnostics.retain(|diagnostic| {
                    diagnostic.code != "key-missing" || diagnostic.span != self.span || diagnostic.message != missing
                });
            }
        }
    }
}

pub(crate) fn as_table<'d>(
    report: &mut Report<'_>,
    key: &str,
    value: &'d Spanned<DeValue<'d>>,
    what: &str,
) -> Option<Table<'d>> {
    match value.get_ref() {
        DeValue::Table(entries) => Some(Table::new(entries, value.span(), what)),
        _ => wrong_kind(report, key, value, "a table"),
    }
}

pub(crate) fn wrong_kind<T>(
    report: &mut Report<'_>,
    key: &str,
    value: &Spanned<DeValue<'_>>,
    wanted: &str,
) -> Option<T> {
    let found = value.get_ref().type_str();
    report.error(
        "wrong-kind",
        value.span(),
        format!("`{key}` must be {wanted}"),
        format!("this is a TOML {found}"),
        format!("write {wanted}"),
    );
    None
}

pub(crate) fn read_text(report: &mut Report<'_>, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Text> {
    match value.get_ref() {
        DeValue::String(text) => Some(Text::new(text, value.span(), report.text)),
        _ => wrong_kind(report, key, value, "a text in quotes"),
    }
}

pub(crate) fn read_texts(report: &mut Report<'_>, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Vec<Text>> {
    match value.get_ref() {
        DeValue::Array(items) => Some(items.iter().filter_map(|item| read_text(report, key, item)).collect()),
        _ => wrong_kind(report, key, value, "a list of texts"),
    }
}

pub(crate) fn choose<T: Copy>(report: &mut Report<'_>, key: &str, text: &Text, choices: &[(&str, T)]) -> Option<T> {
    let chosen = choices.iter().find(|(word, _)| *word == text.value);
    if chosen.is_none() {
        report.error(
            "unknown-value",
            text.span.clone(),
            format!("`{key}` cannot be `{}`", text.value),
            "not one of the choices",
            did_you_mean(&text.value, choices.iter().map(|(word, _)| *word)),
        );
    }
    chosen.map(|(_, value)| *value)
}
