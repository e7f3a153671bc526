//! What is wrong with a configuration, said so that it can be mended: code, place, message, label, help. Never stops at
//! the first mistake, and never shows a secret that was written where it does not belong.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, and probably not as meant.
    Warning,
    /// It is as meant, and good to know: what a connected system cannot hold, and the rules name.
    Note,
}

/// One mistake in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable, documented in the rule reference: `precedence-duplicate`.
    pub code: &'static str,
    pub severity: Severity,
    /// Name of the file, relative to the deployment folder.
    #[serde(serialize_with = "as_text")]
    pub file: Arc<str>,
    /// Bytes of that file.
    pub span: Range<usize>,
    /// The whole sentence.
    pub message: String,
    /// A few words for the underlined place.
    pub label: String,
    /// What to do.
    pub help: String,
}

fn as_text<S: serde::Serializer>(name: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name)
}

/// The texts of the files, for drawing the places. Secrets that stand in them are masked, byte for byte.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: BTreeMap<Arc<str>, String>,
    /// Files in the order in which diagnostics are shown.
    order: Vec<Arc<str>>,
}

impl Sources {
    pub fn add(&mut self, name: Arc<str>, text: &str) {
        self.insert(name, text.to_owned());
    }

    /// A file with settings, in which secrets may stand that do not belong there.
    pub fn add_masked(&mut self, name: Arc<str>, text: &str) {
        self.insert(name, masked(text));
    }

    /// A file without a text: it is missing or cannot be read.
    pub fn add_name(&mut self, name: Arc<str>) {
        if !self.order.contains(&name) {
            self.order.push(name);
        }
    }

    fn insert(&mut self, name: Arc<str>, text: String) {
        self.files.insert(name.clone(), text);
        self.add_name(name);
    }

    pub fn text(&self, file: &str) -> Option<&str> {
        self.files.get(file).map(String::as_str)
    }

    pub fn names(&self) -> &[Arc<str>] {
        &self.order
    }

    /// Line and column, both counted from 1, columns in characters.
    pub fn line_and_column(&self, file: &str, offset: usize) -> Option<(usize, usize)> {
        let text = self.text(file)?;
        let before = text.get(..offset.min(text.len()))?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        Some((line, before[line_start..].chars().count() + 1))
    }

    /// Masks a value that turned out to be a secret.
    pub(crate) fn mask(&mut self, file: &str, span: Range<usize>) {
        if let Some(text) = self.files.get_mut(file)
            && let Some(secret) = text.get(span.clone())
        {
            let mask = mask_of(secret);
            text.replace_range(span, &mask);
        }
    }

    /// By file, place and code, errors first; the same mistake once.
    pub fn sort(&self, diagnostics: &mut Vec<Diagnostic>) {
        let rank = |file: &Arc<str>| self.order.iter().position(|name| name == file).unwrap_or(usize::MAX);
        diagnostics.sort_by(|left, right| {
            (rank(&left.file), &left.file, left.span.start, left.span.end, left.severity, left.code, &left.message).cmp(
                &(
                    rank(&right.file),
                    &right.file,
                    right.span.start,
                    right.span.end,
                    right.severity,
                    right.code,
                    &right.message,
                ),
            )
        });
        diagnostics.dedup();
    }
}

/// Where a line has a key `..password..` or `..secret..` whose value is not a reference, everything behind its `=` is
/// masked, so that even a file that is no TOML shows nothing.
fn masked(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| {
            let secret = line.match_indices('=').find(|(offset, _)| {
                let key = line[..*offset].trim_end().trim_end_matches(['"', '\'']);
                let start =
                    key.rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).map_or(0, |at| at + 1);
                let value = line[offset + 1..].trim().trim_start_matches(['"', '\'']);
                key.get(start..).is_some_and(is_secret_key) && !is_reference(value)
            });
            match secret {
                Some((offset, _)) => format!("{}{}", &line[..=offset], mask_of(&line[offset + 1..])),
                None => line.to_owned(),
            }
        })
        .collect()
}

/// The same number of bytes, line ends and spaces kept.
fn mask_of(secret: &str) -> String {
    secret
        .chars()
        .flat_map(|character| {
            let (mask, count) = if character.is_whitespace() { (character, 1) } else { ('*', character.len_utf8()) };
            std::iter::repeat_n(mask, count)
        })
        .collect()
}

/// Whether a setting of this name holds a secret.
pub(crate) fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.contains("secret") || key.contains("password")
}

/// Whether a text names where a secret is, instead of being one.
pub(crate) fn is_reference(text: &str) -> bool {
    ["env:", "file:", "credential:"].iter().any(|prefix| text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty()))
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_byte_for_byte() {
        let text = "client_secret = \"hünter2\"\npassword = \"env:PW\"\nx = { bind_password = 'a b' }\nname = 'x'";
        let mut sources = Sources::default();
        sources.add_masked("f".into(), text);
        let shown = sources.text("f").unwrap();
        assert_eq!(shown.len(), text.len());
        assert!(!shown.contains("nter2") && !shown.contains("a b"), "{shown}");
        assert!(shown.contains("password = \"env:PW\"") && shown.contains("name = 'x'"));
        assert_eq!(sources.line_and_column("f", text.find("name").unwrap()), Some((4, 1)));
    }

    /// What is masked and what is not, line by line: even in a file that is no TOML.
    #[test]
    fn secrets_are_found_by_their_keys() {
        let shown = |text: &str| {
            let mut sources = Sources::default();
            sources.add_masked("f".into(), text);
            sources.text("f").unwrap().to_owned()
        };
        for (text, masked) in [
            ("password = \"abc\"\n", "password = *****\n"),
            ("\"my-password\" = 'abc'", "\"my-password\" = *****"),
            ("Client_Secret=abc def\r\nname = 1", "Client_Secret=*** ***\r\nname = 1"),
            ("a = 1, secret = x", "a = 1, secret = *"),
            ("secret = env:X", "secret = env:X"),
            ("secret = \"credential:X\"", "secret = \"credential:X\""),
            ("secret = \"environment\"", "secret = *************"),
            ("name = \"secret = x\"", "name = \"secret = **"),
            ("hostname = \"password\"", "hostname = \"password\""),
            ("secret", "secret"),
        ] {
            assert_eq!(shown(text), masked);
        }
        let mut sources = Sources::default();
        sources.add("f".into(), "token = \u{e4}bc\nx");
        sources.mask("f", 8..12);
        assert_eq!(sources.text("f"), Some("token = ****\nx"));
        sources.mask("f", 9..100);
        sources.mask("g", 0..1);
        assert_eq!(sources.text("f"), Some("token = ****\nx"), "what is not there cannot be masked");
    }

    #[test]
    fn places_are_counted_in_characters_from_one() {
        let mut sources = Sources::default();
        sources.add("f".into(), "\u{e4}b\n\ncd");
        let places: Vec<_> = [0, 2, 3, 4, 5, 6, 7, 99].map(|offset| sources.line_and_column("f", offset)).into();
        let expected = [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (3, 2), (3, 3), (3, 3)].map(Some);
        assert_eq!(places, expected);
        assert_eq!(sources.line_and_column("f", 1), None, "in the middle of a character");
        assert_eq!(sources.line_and_column("g", 0), None);
    }

    /// By the order in which the files were read, then by place, errors first, and nothing twice.
    #[test]
    fn diagnostics_stand_in_the_order_of_the_files() {
        let mut sources = Sources::default();
        sources.add("z".into(), "");
        sources.add_name("a".into());
        sources.add_name("z".into());
        assert_eq!(sources.names(), [Arc::from("z"), Arc::from("a")]);
        let found = |file: &str, span: Range<usize>, severity: Severity, code: &'static str| Diagnostic {
            code,
            severity,
            file: file.into(),
            span,
            message: String::new(),
            label: String::new(),
            help: String::new(),
        };
        let (error, warning) = (Severity::Error, Severity::Warning);
        let mut all = vec![
            found("unread", 0..0, error, "a"),
            found("a", 0..0, error, "a"),
            found("z", 5..6, error, "a"),
            found("z", 0..2, error, "a"),
            found("z", 0..1, warning, "a"),
            found("z", 0..1, error, "b"),
            found("z", 0..1, error, "a"),
            found("z", 0..1, error, "b"),
        ];
        sources.sort(&mut all);
        let shown: Vec<String> = all
            .iter()
            .map(|found| format!("{} {:?} {} {}", found.file, found.span, found.severity, found.code))
            .collect();
        assert_eq!(
            shown,
            [
                "z 0..1 error a",
                "z 0..1 error b",
                "z 0..1 warning a",
                "z 0..2 error a",
                "z 5..6 error a",
                "a 0..0 error a",
                "unread 0..0 error a"
            ]
        );
    }
}
