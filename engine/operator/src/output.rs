//! Where text goes: data to stdout, talk to stderr, one JSON document when asked. The only place that writes to the
//! standard streams. A reader that goes away (`metasync pending cloud | head`) ends nothing with a panic.

use crate::exit::Exit;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};

/// Version of the JSON envelope; rises when a field changes its meaning or goes.
pub(crate) const JSON_VERSION: u32 = 1;

/// What a command came to.
pub(crate) struct Report {
    pub(crate) exit: Exit,
    /// For people, on stdout.
    pub(crate) text: String,
    /// For programs.
    pub(crate) json: Value,
    pub(crate) shape: Shape,
}

/// How a report's JSON is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As `result` of the envelope.
    Enveloped,
    /// As it is: the command has a shape of its own, documented in its help.
    Bare,
}

impl Report {
    pub(crate) fn new(exit: Exit, text: String, json: Value) -> Self {
        Report { exit, text, json, shape: Shape::Enveloped }
    }

    pub(crate) fn bare(exit: Exit, text: String, json: Value) -> Self {
        Report { exit, text, json, shape: Shape::Bare }
    }
}

/// How and where this process talks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

impl Output {
    /// Data. A closed pipe is the reader's choice and no error. False: nobody reads on.
    pub(crate) fn data(&self, text: &str) -> bool {
        let mut out = std::io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        if let Err(error) = &written
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            tracing::error!(%error, "stdout cannot be written");
        }
        written.is_ok()
    }

    /// Advice and progress.
    pub(crate) fn talk(&self, text: &str) {
        if !self.quiet {
            self.complain(text);
        }
    }

    /// Errors are shown even when quiet.
    pub(crate) fn complain(&self, text: &str) {
        let mut err = std::io::stderr().lock();
        // Where stderr is gone there is nobody left to tell.
        let _ = err
            .write_all(text.as_bytes())
            .and_then(|()| if text.ends_with('\n') { Ok(()) } else { err.write_all(b"\n") });
    }

    pub(crate) fn is_terminal(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// Whether questions can be asked and answered.
    pub(crate) fn is_interactive(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !self.json
    }

    pub(crate) fn report(&self, command: &str, report: &Report) {
        if self.json {
            self.document(&document_of(command, report));
        } else {
            self.data(&report.text);
        }
    }

    pub(crate) fn document(&self, document: &Value) {
        match serde_json::to_string_pretty(document) {
            Ok(text) => {
                self.data(&format!("{text}\n"));
            }
            Err(error) => self.complain(&format!("the result cannot be written as JSON: {error}")),
        }
    }
}

fn document_of(command: &str, report: &Report) -> Value {
    match report.shape {
        Shape::Enveloped => envelope(command, report.exit, "result", report.json.clone()),
        Shape::Bare => report.json.clone(),
    }
}

/// `{"version", "command", "exit", "result" | "error"}`.
pub(crate) fn envelope(command: &str, exit: Exit, part: &str, content: Value) -> Value {
    let mut document = json!({ "version": JSON_VERSION, "command": command, "exit": exit.code() });
    if let Some(fields) = document.as_object_mut() {
        fields.insert(part.to_owned(), content);
    }
    document
}

/// A report type of the engine as JSON. Only a type with keys that are no texts could fail, and none is reported.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_else(|error| json!({ "unserialisable": error.to_string() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_report_is_printed_without_the_envelope() {
        let json = json!({ "value": 2, "type": "integer" });
        let bare = Report::bare(Exit::Success, String::new(), json.clone());
        assert_eq!(document_of("eval", &bare), json);
        let enveloped = document_of("check", &Report::new(Exit::Waiting, String::new(), json.clone()));
        assert_eq!(enveloped, json!({ "version": JSON_VERSION, "command": "check", "exit": 3, "result": json }));
    }
}
