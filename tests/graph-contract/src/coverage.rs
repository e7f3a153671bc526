//! What was called and what did not keep the contract, over many tests: each adds a file to a folder, and the report reads
//! them all.

use crate::contract::{Contract, Judgement};
use crate::reasons::Reasons;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The environment variable that names the folder; unset: nothing is kept.
pub const FOLDER: &str = "GRAPH_CONTRACT_COVERAGE";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The connector's calls by `get /users`.
    pub calls: BTreeMap<String, u64>,
    /// Calls of tests by plain HTTP.
    pub by_tests: BTreeMap<String, u64>,
    pub mismatches: BTreeSet<String>,
}

impl Coverage {
    pub(crate) fn add(&mut self, judgement: Judgement) {
        for (method, path) in judgement.operations {
            *self.calls.entry(format!("{method} {path}")).or_default() += 1;
        }
        self.mismatches.extend(judgement.mismatches);
    }

    pub(crate) fn add_replies(&mut self, judgement: Judgement) {
        for (method, path) in judgement.operations {
            *self.by_tests.entry(format!("{method} {path}")).or_default() += 1;
        }
        self.mismatches.extend(judgement.of_replies);
    }

    /// Writes a file of its own into the folder that the environment names.
    pub(crate) fn keep(&self, number: u16) -> std::io::Result<()> {
        let Some(folder) = std::env::var_os(FOLDER) else { return Ok(()) };
        // A port may be given out twice in the life of a process.
        static KEPT: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}-{}-{number}.json", std::process::id(), KEPT.fetch_add(1, Ordering::Relaxed));
        let body = json!({ "calls": self.calls, "by_tests": self.by_tests, "mismatches": self.mismatches });
        std::fs::write(PathBuf::from(folder).join(name), body.to_string())
    }

    /// All files of a folder together.
    pub fn read(folder: &Path) -> std::io::Result<Coverage> {
        let mut all = Coverage::default();
        for file in std::fs::read_dir(folder)? {
            let kept: Value = serde_json::from_slice(&std::fs::read(file?.path())?)?;
            for (kind, counts) in [("calls", &mut all.calls), ("by_tests", &mut all.by_tests)] {
                for (name, count) in kept[kind].as_object().into_iter().flatten() {
                    *counts.entry(name.clone()).or_default() += count.as_u64().unwrap_or(0);
                }
            }
            let mismatches = kept["mismatches"].as_array().into_iter().flatten().filter_map(Value::as_str);
            all.mismatches.extend(mismatches.map(str::to_owned));
        }
        Ok(all)
    }

    /// What is wrong with the table of what the connector never sends: an operation that is in neither, or in both.
    pub fn unexplained(&self, contract: &Contract, reasons: &Reasons) -> Vec<String> {
        let mut wrong = Vec::new();
        for name in operations(contract) {
            match (self.calls.contains_key(&name), reasons.of(&name)) {
                (false, None) => wrong.push(format!("{name}: never sent, and nobody says why")),
                (true, Some(_)) => wrong.push(format!("{name}: sent, and said to be never sent")),
                _ => {}
            }
        }
        let known = operations(contract);
        let strange = reasons.names().filter(|name| !known.contains(*name));
        wrong.extend(strange.map(|name| format!("{name}: the contract has no such operation")));
        wrong
    }

    /// For people: the connector's calls by operation, what it never sent and why, what did not keep the contract.
    pub fn report(&self, contract: &Contract, reasons: &Reasons) -> String {
        let all = operations(contract);
        let never: Vec<&String> = all.iter().filter(|name| !self.calls.contains_key(*name)).collect();
        let mut text = String::new();
        for (name, count) in &self.calls {
            let _ = writeln!(text, "{count:>8}  {name}");
        }
        let answered = all.iter().filter(|name| self.calls.contains_key(*name) || self.by_tests.contains_key(*name));
        let (sent, answered, of) = (all.len() - never.len(), answered.count(), all.len());
        let _ = writeln!(
            text,
            "{sent} of {of} operations were sent by the connector, {answered} answered by the tenant; never sent:"
        );
        for name in never {
            let asked = self
                .by_tests
                .get(name)
                .map_or("asked by no test".to_owned(), |count| format!("asked {count} times by tests"));
            let _ = writeln!(text, "          {name} ({asked}): {}", reasons.of(name).unwrap_or("NOBODY SAYS WHY"));
        }
        let _ = writeln!(text, "{} mismatches", self.mismatches.len());
        for mismatch in &self.mismatches {
            let _ = writeln!(text, "  {mismatch}");
        }
        text
    }
}

fn operations(contract: &Contract) -> BTreeSet<String> {
    contract.operations().into_iter().map(|(method, path)| format!("{method} {path}")).collect()
}
