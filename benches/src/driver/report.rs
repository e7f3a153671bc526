//! What was measured, as a table for people and as JSON. Judges nothing but counts that were given with what they must be.

use super::Measured;
use super::process::Cost;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

/// One measured piece of work of the engine, beside its limit.
#[derive(Debug, Clone, Default)]
pub struct Line {
    pub scenario: String,
    pub users: u64,
    pub what: String,
    /// Of each round.
    pub seconds: Vec<f64>,
    /// What the same work cost with nothing around it, in the same run.
    pub limit_seconds: Option<f64>,
    /// The most that seconds / limit should be.
    pub goal: Option<f64>,
    pub cost: Cost,
    pub tenant_rss_bytes: u64,
    pub rows: Option<u64>,
    /// Write requests that the tenant received.
    pub writes: Option<u64>,
    pub evaluated: Option<u64>,
    /// Of the database's virtual machine.
    pub store_steps: Option<u64>,
    /// Of the processor, counted by callgrind.
    pub instructions: Option<u64>,
    pub note: String,
}

impl Line {
    pub fn median(&self) -> f64 {
        median(&self.seconds)
    }

    pub fn ratio(&self) -> Option<f64> {
        self.limit_seconds.filter(|limit| *limit > 0.0).map(|limit| self.median() / limit)
    }
}

pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// A count that must be so on any machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub what: String,
    pub holds: bool,
}

/// A part of the limit, told by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub users: u64,
    pub what: String,
    pub objects: u64,
    pub seconds: f64,
}

#[derive(Debug, Clone, Default)]
pub struct Report {
    pub machine: String,
    pub commit: String,
    pub lines: Vec<Line>,
    pub parts: Vec<Part>,
    pub checks: Vec<Check>,
}

const MIB: f64 = 1024.0 * 1024.0;

impl Report {
    pub fn check(&mut self, what: impl Into<String>, holds: bool) {
        self.checks.push(Check { what: what.into(), holds });
    }

    pub fn part(&mut self, users: u64, what: &str, objects: u64, seconds: f64) {
        self.parts.push(Part { users, what: what.to_owned(), objects, seconds });
    }

    /// Prints the report of a program, writes it to `json` where that is wanted, and tells how the program ends: 1 when it
    /// could not go on, or a check does not hold.
    #[expect(clippy::print_stdout, clippy::print_stderr, reason = "the result of a program of its own")]
    pub fn end(&self, program: &str, json: Option<&Path>, outcome: Measured<()>) -> ExitCode {
        println!("{}", self.text());
        if let Some(file) = json
            && let Err(error) = std::fs::write(file, format!("{:#}\n", self.json()))
        {
            eprintln!("{program}: {}: {error}", file.display());
        }
        if let Err(error) = outcome {
            eprintln!("{program}: {error}");
            return ExitCode::FAILURE;
        }
        if self.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    pub fn failed(&self) -> bool {
        self.checks.iter().any(|check| !check.holds)
    }

    /// Markdown, so that it can stand in the documentation as it is.
    pub fn text(&self) -> String {
        let mut text = format!("{}; commit {}\n\n", self.machine, self.commit);
        text.push_str(
            "| scenario | users | what | median s (min-max) | limit s | ratio | goal | CPU s | peak RSS MiB | tenant RSS MiB | rows written | MiB written | HTTP writes | evaluated | |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for line in &self.lines {
            let optional = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
            let least = line.seconds.iter().copied().fold(f64::INFINITY, f64::min);
            let most = line.seconds.iter().copied().fold(0.0, f64::max);
            let spread = if line.seconds.len() > 1 { format!(" ({least:.3}-{most:.3})") } else { String::new() };
            // Writing into a text cannot fail.
            let _written = writeln!(
                text,
                "| {} | {} | {} | {:.3}{spread} | {} | {} | {} | {:.2} | {:.0} | {:.0} | {} | {:.1} | {} | {} | {} |",
                line.scenario,
                line.users,
                line.what,
                line.median(),
                line.limit_seconds.map_or_else(|| "-".to_owned(), |limit| format!("{limit:.3}")),
                line.ratio().map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
                line.goal.map_or_else(|| "-".to_owned(), |goal| format!("{goal:.1}")),
                line.cost.cpu_seconds,
                line.cost.peak_rss_bytes as f64 / MIB,
                line.tenant_rss_bytes as f64 / MIB,
                optional(line.rows),
                line.cost.written_bytes as f64 / MIB,
                optional(line.writes),
                optional(line.evaluated),
                line.note,
            );
        }
        text.push_str("\n| part of a limit | users | objects | s | us per object |\n|---|---|---|---|---|\n");
        for part in &self.parts {
            let each = if part.objects == 0 { 0.0 } else { part.seconds * 1e6 / part.objects as f64 };
            let _written = writeln!(
                text,
                "| {} | {} | {} | {:.3} | {each:.2} |",
                part.what, part.users, part.objects, part.seconds
            );
        }
        text.push_str("\n| count | |\n|---|---|\n");
        for check in &self.checks {
            let _written =
                writeln!(text, "| {} | {} |", check.what, if check.holds { "holds" } else { "DOES NOT HOLD" });
        }
        text
    }

    pub fn json(&self) -> Value {
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|line| {
                json!({
                    "scenario": line.scenario, "users": line.users, "what": line.what, "seconds": line.seconds,
                    "median_seconds": line.median(), "limit_seconds": line.limit_seconds, "ratio": line.ratio(),
                    "goal": line.goal, "cpu_seconds": line.cost.cpu_seconds, "peak_rss_bytes": line.cost.peak_rss_bytes,
                    "tenant_rss_bytes": line.tenant_rss_bytes, "rows_written": line.rows,
                    "bytes_written": line.cost.written_bytes, "http_writes": line.writes, "evaluated": line.evaluated,
                    "instructions": line.instructions, "store_steps": line.store_steps, "note": line.note,
                })
            })
            .collect();
        let parts: Vec<Value> = self
            .parts
            .iter()
            .map(|part| json!({ "what": part.what, "users": part.users, "objects": part.objects, "seconds": part.seconds }))
            .collect();
        let checks: Vec<Value> =
            self.checks.iter().map(|check| json!({ "what": check.what, "holds": check.holds })).collect();
        json!({ "machine": self.machine, "commit": self.commit, "lines": lines, "parts": parts, "checks": checks })
    }
}

/// Processor, cores and memory, as a report begins.
pub fn machine(cores: usize) -> String {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0);
    format!("{}, {cores} cores, {} GiB", model.trim_start_matches([' ', '\t', ':']), kib / 1024 / 1024)
}

/// The commit that is measured.
pub fn commit() -> String {
    let output = Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR"), "rev-parse", "--short", "HEAD"]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if text.is_empty() { "unknown".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_median_over_the_limit_and_a_count_that_does_not_hold_fails_the_run() {
        let line = Line { seconds: vec![3.0, 1.0, 2.0], limit_seconds: Some(0.5), ..Line::default() };
        assert_eq!(line.ratio(), Some(4.0));
        assert_eq!(median(&[1.0, 2.0]), 1.5);
        let mut report = Report { lines: vec![line], ..Report::default() };
        report.check("nothing was sent twice", true);
        assert!(!report.failed() && report.text().contains("| 2.000 (1.000-3.000) | 0.500 | 4.00 |"));
        report.check("nothing was lost", false);
        assert!(report.failed() && report.text().contains("DOES NOT HOLD"));
        assert_eq!(report.json()["lines"][0]["ratio"], 4.0);
    }
}
