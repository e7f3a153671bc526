//! The scenarios S1-S9: which commands the engine is given, which bare work is its limit, and which counts must come out on any
//! machine. Here one scale after the other; every scale has its own directory, tenants and deployments.

mod initial;

mod steady;

mod changes;

mod killed;

mod throttled;

mod counted;

use super::bare::{Contents, Drained};
use super::recorded::Recorded;
use super::report::{Line, Report};
use super::stage::{Deployment, Directory, Engine, Programs, Tenant};
use super::{DriverError, Measured};
use crate::world::{GroupSet, Options, World};

/// Rows that a few steps without any change may write: watermarks and marks of a connector, whatever the number of objects.
const IDLE_ROWS: u64 = 40;
/// Rows that one changed attribute may write from the import until it is sent.
const ROWS_OF_A_CHANGE: u64 = 50;

/// What is measured.
#[derive(Debug, Clone)]
pub struct Plan {
    pub users: Vec<u64>,
    pub rounds: usize,
    /// S1 is always part of it, the others stand on what it leaves.
    pub scenarios: Vec<Scenario>,
    pub groups: GroupSet,
    pub cores: usize,
}

impl Plan {
    fn wants(&self, scenario: Scenario) -> bool {
        self.scenarios.contains(&scenario)
    }
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "verbatim")]
pub enum Scenario {
    /// Initial load: import, synchronise, export, confirm
    S1,
    /// Full import without change, delta synchronisation, empty export
    S2,
    /// Full synchronisation without change, on one core and on all
    S2b,
    /// Delta cycle after 1 % of churn
    S3,
    /// A hundred changes, the steps alone
    S3a,
    /// One member changed in the largest group
    S5,
    /// A unit renamed
    S6,
    /// The initial load killed at three moments, and continued
    S7,
    /// The export of the initial load into a tenant that throttles
    S8,
    /// Instructions of the initial load, counted by callgrind: fifty times slower
    S9,
}

impl Scenario {
    /// What is measured when nothing is named: all that takes about the time of the work itself.
    pub const STANDARD: [Scenario; 9] = {
        use Scenario::{S1, S2, S2b, S3, S3a, S5, S6, S7, S8};
        [S1, S2, S2b, S3, S3a, S5, S6, S7, S8]
    };
}

/// Says how far it is; the result comes at the end.
pub type Tell<'a> = &'a dyn Fn(&str);

/// # Errors
/// When a program fails where it must not; counts that do not hold are told in the report.
pub fn run(programs: &Programs, plan: &Plan, report: &mut Report, tell: Tell<'_>) -> Measured<()> {
    for users in plan.users.iter().copied() {
        Scale { programs, plan, users, report, tell, limits: Limits::default() }.run()?;
    }
    if plan.users.len() > 1 {
        compare(plan, report);
    }
    Ok(())
}

/// What the bare work cost, for one scale.
#[derive(Debug, Clone, Default)]
struct Limits {
    drain: Drained,
    insert_seconds: f64,
    insert_rows: u64,
    post_seconds: f64,
    posted: u64,
    tenant_seconds: f64,
    /// Of one object, on one core.
    create_seconds: f64,
    /// Of all objects that are as they were, on one core.
    unchanged_seconds: f64,
    scan_seconds: f64,
}

struct Scale<'a> {
    programs: &'a Programs,
    plan: &'a Plan,
    users: u64,
    report: &'a mut Report,
    tell: Tell<'a>,
    limits: Limits,
}

/// A deployment that has had its initial load, with what it stands between.
struct Loaded {
    directory: Directory,
    tenant: Tenant,
    deployment: Deployment,
    recorded: Recorded,
    twin: Contents,
    /// Of the uninterrupted load.
    seconds: f64,
}

impl Scale<'_> {
    fn run(mut self) -> Measured<()> {
        let loaded = self.initial_load()?;
        if self.plan.wants(Scenario::S2) {
            self.no_change(&loaded)?;
        }
        if self.plan.wants(Scenario::S2b) {
            self.full_without_change(&loaded)?;
        }
        if self.plan.wants(Scenario::S8) {
            self.throttled(&loaded)?;
        }
        if self.plan.wants(Scenario::S9) {
            self.counted(&loaded)?;
        }
        if self.plan.wants(Scenario::S3a) {
            self.hundred_changes(&loaded)?;
        }
        if self.plan.wants(Scenario::S3) {
            self.churn(&loaded)?;
        }
        if self.plan.wants(Scenario::S5) {
            self.one_member(&loaded)?;
        }
        if self.plan.wants(Scenario::S6) {
            self.renamed_unit(&loaded)?;
        }
        if self.plan.wants(Scenario::S7) {
            self.killed(loaded)?;
        }
        Ok(())
    }

    /// The people of the directory, as the load server begins: which groups there are makes no difference to them.
    fn people(&self) -> World {
        World::new(Options { users: self.users, groups: self.plan.groups, ..Options::default() })
    }

    fn say(&self, text: &str) {
        (self.tell)(&format!("{} users: {text}", self.users));
    }

    /// Runs commands one after the other and adds them up.
    fn several(&self, deployment: &Deployment, commands: &[[&str; 2]]) -> Measured<Engine> {
        let mut all: Option<Engine> = None;
        for command in commands {
            let engine = deployment.run(&["run", command[0], command[1]], None)?.expect(&[0, 3, 4])?;
            all = Some(match all {
                None => engine,
                Some(mut sum) => {
                    sum.cost = sum.cost.then(engine.cost);
                    sum.steps.extend(engine.steps);
                    sum
                }
            });
        }
        all.ok_or_else(|| DriverError::Failed("no command".to_owned()))
    }

    fn line(&self, scenario: &str, what: &str, engine: &Engine, seconds: Vec<f64>) -> Line {
        Line {
            scenario: scenario.to_owned(),
            users: self.users,
            what: what.to_owned(),
            seconds,
            cost: engine.cost,
            rows: Some(engine.rows_written()),
            evaluated: Some(engine.evaluated()),
            store_steps: Some(engine.store_steps()),
            ..Line::default()
        }
    }
}

/// S9, and S3a between scales: cost by object and by change does not grow with the number of objects.
fn compare(plan: &Plan, report: &mut Report) {
    let find = |report: &Report, scenario: &str, users: u64| {
        report.lines.iter().find(|line| line.scenario == scenario && line.users == users).cloned()
    };
    for pair in plan.users.windows(2) {
        let [small, large] = pair else { continue };
        if let (Some(less), Some(more)) = (find(report, "S1", *small), find(report, "S1", *large)) {
            let each = |line: &Line, number: f64| number / line.users as f64;
            let rows = |line: &Line| each(line, line.rows.unwrap_or(0) as f64);
            let growth = rows(&more) / rows(&less).max(1e-9);
            let cpu = each(&more, more.cost.cpu_seconds) / each(&less, less.cost.cpu_seconds).max(1e-12);
            report.check(
                format!("S9 {small} -> {large}: rows by object of the initial load grow by {growth:.3} (0.85-1.15); CPU by object by {cpu:.2}"),
                (0.85..=1.15).contains(&growth),
            );
        }
        if let (Some(less), Some(more)) = (find(report, "S9", *small), find(report, "S9", *large)) {
            let each = |line: &Line| line.instructions.unwrap_or(0) as f64 / line.users as f64;
            let growth = each(&more) / each(&less).max(1e-9);
            report.check(
                format!(
                    "S9 {small} -> {large}: instructions by user of the initial load grow by {growth:.3} (0.85-1.15)"
                ),
                (0.85..=1.15).contains(&growth),
            );
        }
        if let (Some(less), Some(more)) = (find(report, "S3a", *small), find(report, "S3a", *large)) {
            let (rows_small, rows_large) = (less.rows.unwrap_or(0), more.rows.unwrap_or(0));
            report.check(
                format!(
                    "S3a {small} -> {large}: a hundred changes write {rows_small} and {rows_large} rows; time grows by {:.2}",
                    more.median() / less.median().max(1e-9)
                ),
                rows_large <= rows_small + rows_small / 5 + IDLE_ROWS,
            );
        }
        for scenario in ["S3a", "S5"] {
            if let (Some(less), Some(more)) = (find(report, scenario, *small), find(report, scenario, *large)) {
                let (fewer, greater) = (less.store_steps.unwrap_or(0), more.store_steps.unwrap_or(0));
                report.check(
                    format!("{scenario} {small} -> {large}: import and synchronisation take {fewer} and {greater} steps of the database: they look through nothing"),
                    greater <= fewer + fewer / 4,
                );
            }
        }
    }
}
