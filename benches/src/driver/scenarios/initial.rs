//! S1: the initial load, and the bare work of the same objects that all limits are made of.

use super::{Loaded, Scale};
use crate::driver::bare::{self, Held, PlainTable, TenantDelta};
use crate::driver::process::{self, Cost};
use crate::driver::recorded::Recorded;
use crate::driver::report::{Line, median};
use crate::driver::stage::{Deployment, Directory, Engine, Tenant};
use crate::driver::{DriverError, Measured, kernel};

impl Scale<'_> {
    /// S1: everything is read, decided, sent and confirmed. The first load is made step by step, with the tenant writing down
    /// what it gets; it is not timed, and gives the limit its objects and its requests.
    pub(super) fn initial_load(&mut self) -> Measured<Loaded> {
        let directory = Directory::start(self.programs, self.users, self.plan.groups)?;
        let (recorded, twin) = self.recorded_load(&directory)?;
        let mut rounds: Vec<(Engine, u64, Held)> = Vec::new();
        let mut last: Option<(Tenant, Deployment, Engine, u64)> = None;
        for round in 0..self.plan.rounds.max(1) {
            self.say(&format!("S1, initial load, round {}", round + 1));
            // The one before goes first: two tenants of a million need memory.
            drop(last.take());
            let tenant = Tenant::start(self.programs, None)?;
            let deployment = Deployment::init(self.programs, "deployment", &directory, &tenant)?;
            let engine = deployment.run(&["cycle", "initial"], None)?.expect(&[0, 3, 4])?;
            let (writes, _) = tenant.writes()?;
            rounds.push((engine.clone(), writes, bare::contents(&tenant, &recorded, &self.people())?));
            last = Some((tenant, deployment, engine, writes));
            self.bare_post(&recorded)?;
        }
        let Some((tenant, deployment, engine, writes)) = last else {
            return Err(DriverError::Failed("no round".to_owned()));
        };
        let limits = &self.limits;
        let decided = limits.create_seconds / self.plan.cores as f64;
        let limit =
            limits.drain.seconds + limits.insert_seconds + limits.post_seconds + limits.tenant_seconds + decided;
        let seconds: Vec<f64> = rounds.iter().map(|(engine, ..)| engine.cost.seconds).collect();
        let engine_seconds = median(&seconds);
        let worst = rounds.iter().map(|(engine, ..)| engine.cost.peak_rss_bytes).max().unwrap_or(0);
        let steps: Vec<String> = engine
            .steps
            .iter()
            .filter(|step| step.seconds >= 0.05)
            .map(|step| format!("{} {} {:.2}", step.connector, step.name, step.seconds))
            .collect();
        self.report.lines.push(Line {
            scenario: "S1".to_owned(),
            users: self.users,
            what: "initial load: import, synchronise, export, confirm".to_owned(),
            seconds,
            limit_seconds: Some(limit),
            goal: Some(2.0),
            cost: Cost { peak_rss_bytes: worst, ..engine.cost },
            tenant_rss_bytes: process::peak_rss_bytes(tenant.server.pid()),
            rows: Some(engine.rows_written()),
            writes: Some(writes),
            evaluated: Some(engine.evaluated()),
            note: steps.join(", "),
            ..Line::default()
        });
        let users = self.users;
        self.report.check(
            format!(
                "S1 {users}: every round sends as many writes as the one written down ({}), where the same of two who claim one name came first",
                recorded.writes
            ),
            rounds.iter().all(|(_, writes, held)| writes.abs_diff(recorded.writes) <= held.writes_apart(&twin)),
        );
        let held: Vec<String> = rounds.iter().map(|(.., held)| held.contents.to_string()).collect();
        let twin = twin.contents;
        self.report.check(
            format!("S1 {users}: the tenant holds the same after each way of loading ({twin}; {})", held.join("; ")),
            rounds.iter().all(|(.., held)| held.contents == twin) && twin.users > 0,
        );
        // Of the directory's side: in the tenant's, the order in which four connections create objects decides their ids.
        let plans = |engine: &Engine| -> Vec<(u64, String)> {
            let steps = engine.steps.iter().filter(|step| step.connector == "ad");
            steps.map(|step| (step.rows_written, step.digest.clone())).collect()
        };
        let same = rounds.windows(2).all(|pair| match pair {
            [(one, ..), (next, ..)] => plans(one) == plans(next),
            _ => true,
        });
        let what = "every round reads and decides the same: rows and digest of the plans of each step";
        self.report.check(format!("S1 {users}: {what}"), same);
        Ok(Loaded { directory, tenant, deployment, recorded, twin, seconds: engine_seconds })
    }

    /// The load that is written down, and the bare work of the same objects.
    pub(super) fn recorded_load(&mut self, directory: &Directory) -> Measured<(Recorded, Held)> {
        self.say("S1, initial load step by step, with everything written down");
        let log = self.programs.folder.join("requests.jsonl");
        // The tenant appends.
        let _absent = std::fs::remove_file(&log);
        let tenant = Tenant::start(self.programs, Some(&log))?;
        let deployment = Deployment::init(self.programs, "written-down", directory, &tenant)?;
        for step in [["ad", "full-import"], ["cloud", "full-import"]] {
            deployment.run(&["run", step[0], step[1]], None)?.expect(&[0])?;
        }
        self.say("the kernel alone, objects that are new");
        let created = kernel::decide_all(&kernel::open(&deployment.folder)?, "ad")?;
        self.limits.create_seconds = created.seconds_of_all;
        self.report.part(self.users, "kernel alone, new objects, one core", created.objects, created.seconds_of_all);
        for step in [
            ["ad", "full-synchronization"],
            ["cloud", "full-synchronization"],
            ["cloud", "export"],
            ["cloud", "delta-import"],
            ["cloud", "delta-synchronization"],
        ] {
            deployment.run(&["run", step[0], step[1]], None)?.expect(&[0, 3, 4])?;
        }
        let recorded_with_token = |tenant: &Tenant| -> Measured<Recorded> {
            // What the log's last requests were is in its buffer until it is asked for.
            tenant.writes()?;
            Recorded::read(&log, &self.programs.folder.join("batches"))
        };
        let recorded = recorded_with_token(&tenant)?;
        let twin = bare::contents(&tenant, &recorded, &self.people())?;
        drop(tenant);
        let _gone = std::fs::remove_file(&log);

        self.say("bare: the directory, plain SQLite, the kernel, the images");
        let mut drains = Vec::new();
        for _ in 0..self.plan.rounds.max(1) {
            self.limits.drain = bare::drain(&directory.address, b"")?;
            drains.push(self.limits.drain.seconds);
        }
        self.limits.drain.seconds = median(&drains);
        let opened = kernel::open(&deployment.folder)?;
        let mut plain = PlainTable::create(&self.programs.folder.join("plain.db"))?;
        let mut failed = None;
        kernel::images(&opened, |bytes| {
            if failed.is_none() {
                failed = plain.put(bytes).err();
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        (self.limits.insert_rows, self.limits.insert_seconds) = plain.finish()?;
        let unchanged = kernel::decide_all(&opened, "ad")?;
        self.limits.unchanged_seconds = unchanged.seconds_of_all;
        // Once to warm the cache, as the engine's store is warm too.
        kernel::scan(&opened)?;
        let scanned = kernel::scan(&opened)?;
        self.limits.scan_seconds = scanned.seconds;
        let (users, limits) = (self.users, &self.limits);
        self.report.part(users, "directory drained and decoded", limits.drain.entries, limits.drain.seconds);
        self.report.part(users, "same bytes into plain SQLite", limits.insert_rows, limits.insert_seconds);
        self.report.part(
            users,
            "kernel alone, unchanged objects, one core",
            unchanged.objects,
            unchanged.seconds_of_all,
        );
        self.report.part(users, "all images read and decoded", scanned.images, scanned.seconds);
        Ok((recorded, twin))
    }

    /// The batches of the load sent to an empty tenant, and its changes read, with nothing around it.
    pub(super) fn bare_post(&mut self, recorded: &Recorded) -> Measured<()> {
        self.say("bare: the same batches, and the tenant's changes");
        let tenant = Tenant::start(self.programs, None)?;
        let mut delta = TenantDelta::begin(&tenant, recorded)?;
        delta.drain(&tenant, |_| {})?;
        let posted = bare::post(&tenant, recorded)?;
        let read = delta.drain(&tenant, |_| {})?;
        let first = self.limits.posted == 0;
        // The best of the rounds: a limit is what can be reached.
        if first || posted.seconds < self.limits.post_seconds {
            self.limits.post_seconds = posted.seconds;
        }
        if first || read.seconds < self.limits.tenant_seconds {
            self.limits.tenant_seconds = read.seconds;
        }
        self.limits.posted = posted.writes;
        if first {
            let users = self.users;
            self.report.check(
                format!(
                    "S1 {users}: the bare client is refused as often as the engine was ({} of {})",
                    recorded.refused, recorded.writes
                ),
                (posted.writes, posted.refused) == (recorded.writes, recorded.refused),
            );
            self.report.part(users, "same batches posted", posted.writes, posted.seconds);
            self.report.part(users, "tenant's delta drained (pages)", read.pages, read.seconds);
        }
        Ok(())
    }
}
