//! What was called and what did not keep the contract, over many tests: each adds a file to a folder, and the report reads
//! them all.

use crate::contract::{Contract, Judgement};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The environment variable that names the folder; unset: nothing is kept.
pub const FOLDER: &str = "GRAPH_CONTRACT_COVERAGE";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Calls by `get /users`.
    pub calls: BTreeMap<String, u64>,
    pub mismatches: BTreeSet<String>,
}

impl Coverage {
    pub(crate) fn add(&mut self, judgement: Judgement) {
        for (method, path) in judgement.operations {
            *self.calls.entry(format!("{method} {path}")).or_default() += 1;
        }
        self.mismatches.extend(judgement.mismatches);
    }

    /// Writes a file of its own into the folder that the environment names.
    pub(crate) fn keep(&self, number: u16) -> std::io::Result<()> {
        let Some(folder) = std::env::var_os(FOLDER) else { return Ok(()) };
        let name = format!("{}-{number}.json", std::process::id());
        let body = json!({ "calls": self.calls, "mismatches": self.mismatches });
        std::fs::write(PathBuf::from(folder).join(name), body.to_string())
    }

    /// All files of a folder together.
    pub fn read(folder: &Path) -> std::io::Result<Coverage> {
        let mut all = Coverage::default();
        for file in std::fs::read_dir(folder)? {
            let kept: Value = serde_json::from_slice(&std::fs::read(file?.path())?)?;
            for (name, count) in kept["calls"].as_object().into_iter().flatten() {
                *all.calls.entry(name.clone()).or_default() += count.as_u64().unwrap_or(0);
            }
            let mismatches = kept["mismatches"].as_array().into_iter().flatten().filter_map(Value::as_str);
            all.mismatches.extend(mismatches.map(str::to_owned));
        }
        Ok(all)
    }

    /// For people: calls by operation, what was never called, what did not keep the contract.
    pub fn report(&self, contract: &Contract) -> String {
        let all: BTreeSet<String> =
            contract.operations().into_iter().map(|(method, path)| format!("{method} {path}")).collect();
        let never: Vec<&String> = all.iter().filter(|name| !self.calls.contains_key(*name)).collect();
        let mut text = String::new();
        for (name, count) in &self.calls {
            let _ = writeln!(text, "{count:>8}  {name}");
        }
        let _ = writeln!(text, "{} of {} operations were called; never:", all.len() - never.len(), all.len());
        for name in never {
            let _ = writeln!(text, "          {name}");
        }
        let _ = writeln!(text, "{} mismatches", self.mismatches.len());
        for mismatch in &self.mismatches {
            let _ = writeln!(text, "  {mismatch}");
        }
        text
    }
}
