//! A tree of settings as an operator wrote them, each value with its place in the file. The rule crate fills it from
//! TOML, a connector reads its own part of it; neither needs to know the other.

use std::collections::BTreeMap;
use std::ops::Range;

/// One setting and where it stands: byte offsets into the file it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub value: SettingValue,
    pub span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum SettingValue {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Setting>),
    Table(SettingsTable),
}

/// A table of settings; `span` covers its heading.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SettingsTable {
    pub entries: BTreeMap<String, Setting>,
    pub span: Range<usize>,
}

/// A mistake in a setting: what is wrong, where, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// Stable code, such as `connector-setting-missing`.
    pub code: &'static str,
    pub message: String,
    pub span: Range<usize>,
    pub help: String,
}

/// Reads a table setting by setting, collecting every problem instead of stopping at the first.
/// `finish` reports the settings nobody asked for.
#[derive(Debug)]
pub struct SettingsReader<'a> {
    table: &'a SettingsTable,
    asked: Vec<&'static str>,
    problems: Vec<SettingProblem>,
}

impl<'a> SettingsReader<'a> {
    pub fn new(table: &'a SettingsTable) -> Self {
        SettingsReader { table, asked: Vec::new(), problems: Vec::new() }
    }

    /// The raw setting, for values of no simple kind.
    pub fn raw(&mut self, name: &'static str) -> Option<&'a Setting> {
        self.asked.push(name);
        self.table.entries.get(name)
    }

    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.typed(name, "a text in quotes", |value| match value {
            SettingValue::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    pub fn integer(&mut self, name: &'static str) -> Option<i64> {
        self.typed(name, "a whole number", |value| match value {
            SettingValue::Integer(number) => Some(*number),
            _ => None,
        })
    }

    pub fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.typed(name, "true or false", |value| match value {
            SettingValue::Boolean(truth) => Some(*truth),
            _ => None,
        })
    }

    pub fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        self.typed(name, "a list of texts", |value| match value {
            SettingValue::List(items) => items
                .iter()
                .map(|item| match &item.value {
                    SettingValue::Text(text) => Some(text.clone()),
                    _ => None,
                })
                .collect(),
            _ => None,
        })
    }

    pub fn table(&mut self, name: &'static str) -> Option<&'a SettingsTable> {
        self.asked.push(name);
        let setting = self.table.entries.get(name)?;
        match &setting.value {
            SettingValue::Table(table) => Some(table),
            _ => {
                self.wrong_kind(name, "a table", setting);
                None
            }
        }
    }

    /// A text that must be there; its absence is reported with `help`.
    pub fn required_text(&mut self, name: &'static str, help: &str) -> String {
        if !self.table.entries.contains_key(name) {
            self.problem("setting-missing", format!("the setting `{name}` is missing"), self.table.span.clone(), help);
        }
        self.text(name).unwrap_or_default()
    }

    /// Reports a problem with a setting that was read but does not hold.
    pub fn invalid(&mut self, name: &str, message: impl Into<String>, help: &str) {
        let span = self.table.entries.get(name).map_or(self.table.span.clone(), |setting| setting.span.clone());
        self.problem("setting-invalid", message.into(), span, help);
    }

    fn typed<T>(&mut self, name: &'static str, wanted: &str, read: impl Fn(&SettingValue) -> Option<T>) -> Option<T> {
        self.asked.push(name);
        let setting = self.table.entries.get(name)?;
        let value = read(&setting.value);
        if value.is_none() {
            self.wrong_kind(name, wanted, setting);
        }
        value
    }

    fn wrong_kind(&mut self, name: &str, wanted: &str, setting: &Setting) {
        let message = format!("`{name}` must be {wanted}");
        self.problem("setting-wrong-kind", message, setting.span.clone(), &format!("write {wanted}"));
    }

    fn problem(&mut self, code: &'static str, message: String, span: Range<usize>, help: &str) {
        self.problems.push(SettingProblem { code, message, span, help: help.to_owned() });
    }

    /// All problems, those of settings that no one knows included.
    pub fn finish(mut self) -> Vec<SettingProblem> {
        for (name, setting) in &self.table.entries {
            if !self.asked.contains(&name.as_str()) {
                let known = self.asked.join(", ");
                self.problems.push(SettingProblem {
                    code: "setting-unknown",
                    message: format!("there is no setting `{name}` here"),
                    span: setting.span.clone(),
                    help: format!("known settings: {known}"),
                });
            }
        }
        self.problems
    }
}
