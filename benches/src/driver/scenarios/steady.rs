//! S2 and S2b: what nothing having changed costs, read again or decided again.

use super::{IDLE_ROWS, Loaded, Scale};
use crate::driver::report::{Line, median};
use crate::driver::stage::Engine;
use crate::driver::{Measured, bare, kernel, process};

impl Scale<'_> {
    /// S2: a full import of what has not changed, and what follows from it: nothing.
    pub(super) fn no_change(&mut self, loaded: &Loaded) -> Measured<()> {
        let (before, _) = loaded.tenant.writes()?;
        let (mut seconds, mut drains, mut rows, mut last) = (Vec::new(), Vec::new(), Vec::new(), None);
        for round in 0..self.plan.rounds.max(1) {
            self.say(&format!("S2, no change, round {}", round + 1));
            drains.push(bare::drain(&loaded.directory.address, b"")?.seconds);
            let commands = [["ad", "full-import"], ["ad", "delta-synchronization"], ["cloud", "export"]];
            let engine = self.several(&loaded.deployment, &commands)?;
            seconds.push(engine.cost.seconds);
            rows.push(engine.rows_written());
            last = Some(engine);
        }
        let Some(engine) = last else { return Ok(()) };
        let writes = loaded.tenant.writes()?.0 - before;
        let users = self.users;
        self.report.lines.push(Line {
            limit_seconds: Some(median(&drains)),
            goal: Some(1.8),
            writes: Some(writes),
            tenant_rss_bytes: process::peak_rss_bytes(loaded.tenant.server.pid()),
            ..self.line("S2", "full import without change, delta synchronisation, empty export", &engine, seconds)
        });
        self.report.check(format!("S2 {users}: no HTTP write"), writes == 0);
        let most = rows.iter().copied().max().unwrap_or(0);
        self.report.check(
            format!(
                "S2 {users}: no object row written (rows in all: {most}, watermarks and marks; at most {IDLE_ROWS})"
            ),
            most <= IDLE_ROWS,
        );
        self.report.check(format!("S2 {users}: nothing evaluated"), engine.evaluated() == 0);
        Ok(())
    }

    /// S2b: every object is decided again, and nothing follows. On one core and on two, in turn.
    pub(super) fn full_without_change(&mut self, loaded: &Loaded) -> Measured<()> {
        let opened = kernel::open(&loaded.deployment.folder)?;
        let scanned = kernel::scan(&opened)?.seconds.min(self.limits.scan_seconds);
        let objects = kernel::objects(&opened, "ad")?;
        drop(opened);
        let mut measured: Vec<(usize, Vec<Engine>)> = vec![(1, Vec::new())];
        if self.plan.cores > 1 {
            measured.push((self.plan.cores, Vec::new()));
        }
        for _ in 0..self.plan.rounds.max(1) {
            for (cores, engines) in &mut measured {
                self.say(&format!("S2b, full synchronisation without change on {cores} core(s)"));
                let mut deployment = loaded.deployment.clone();
                if *cores == 1 {
                    deployment.prefix = ["taskset", "-c", "0"].map(str::to_owned).to_vec();
                }
                let workers = cores.to_string();
                let arguments = ["run", "ad", "full-synchronization", "--workers", &workers];
                engines.push(deployment.run(&arguments, None)?.expect(&[0, 3, 4])?);
            }
        }
        for (cores, engines) in measured {
            let seconds: Vec<f64> = engines.iter().map(|engine| engine.cost.seconds).collect();
            let Some(engine) = engines.last() else { continue };
            let (users, evaluated, rows) = (self.users, engine.evaluated(), engine.rows_written());
            let rate = evaluated as f64 / median(&seconds).max(1e-9);
            self.report.lines.push(Line {
                limit_seconds: Some(scanned + self.limits.unchanged_seconds / cores as f64),
                goal: Some(1.5),
                note: format!("{rate:.0} objects/s"),
                ..self.line("S2b", &format!("full synchronisation without change, {cores} core(s)"), engine, seconds)
            });
            self.report.check(
                format!("S2b {users}, {cores} core(s): evaluated = objects ({evaluated} of {objects})"),
                evaluated == objects,
            );
            // Each page keeps how far it has come, and that is all.
            self.report.check(
                format!("S2b {users}, {cores} core(s): no object row written ({rows} rows for {evaluated} objects)"),
                rows <= IDLE_ROWS + evaluated / 100,
            );
        }
        Ok(())
    }
}
