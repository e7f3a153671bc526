//! S3, S3a, S5, S6: what a change costs, which must not depend on how much has not changed.

use super::{IDLE_ROWS, Loaded, ROWS_OF_A_CHANGE, Scale};
use crate::driver::bare::{self, TenantDelta};
use crate::driver::report::{Line, median};
use crate::driver::{Measured, process};

impl Scale<'_> {
    /// S3a: a hundred changes; the engine's own time.
    pub(super) fn hundred_changes(&mut self, loaded: &Loaded) -> Measured<()> {
        let (mut seconds, mut last) = (Vec::new(), None);
        let (before, _) = loaded.tenant.writes()?;
        let rounds = self.plan.rounds.max(3);
        for round in 0..rounds {
            self.say(&format!("S3a, 100 changes, round {}", round + 1));
            loaded.directory.churn("users:100")?;
            let commands = [["ad", "delta-import"], ["ad", "delta-synchronization"], ["cloud", "export"]];
            let engine = self.several(&loaded.deployment, &commands)?;
            seconds.push(engine.step_seconds());
            last = Some(engine);
        }
        self.confirm(loaded)?;
        let Some(engine) = last else { return Ok(()) };
        let writes = loaded.tenant.writes()?.0 - before;
        self.report.lines.push(Line {
            writes: Some(writes / rounds as u64),
            note: engine.told_by_step(),
            ..self.line("S3a", "100 changes: import, synchronise, export; time of the steps alone", &engine, seconds)
        });
        let users = self.users;
        self.report.check(
            format!("S3a {users}: at most one write for each change ({} writes in {rounds} rounds)", writes),
            writes <= 100 * rounds as u64 && writes > 0,
        );
        self.report.check(
            format!(
                "S3a {users}: no more than the changed objects evaluated, and at most {ROWS_OF_A_CHANGE} rows each ({} rows)",
                engine.rows_written()
            ),
            engine.evaluated() <= 100 && engine.rows_written() <= 100 * ROWS_OF_A_CHANGE,
        );
        Ok(())
    }

    /// The import that confirms what was sent, so that the next scenario starts from rest.
    pub(super) fn confirm(&self, loaded: &Loaded) -> Measured<()> {
        self.several(&loaded.deployment, &[["cloud", "delta-import"], ["cloud", "delta-synchronization"]])?;
        Ok(())
    }

    /// S3: one object in a hundred has changed.
    pub(super) fn churn(&mut self, loaded: &Loaded) -> Measured<()> {
        let (mut seconds, mut limits, mut last, mut applied) = (Vec::new(), Vec::new(), None, serde_json::Value::Null);
        let mut cookie = bare::drain(&loaded.directory.address, b"")?.cookie;
        let mut tenant = TenantDelta::begin(&loaded.tenant, &loaded.recorded)?;
        tenant.drain(&loaded.tenant, |_| {})?;
        let mut writes = 0;
        for round in 0..self.plan.rounds.max(1) {
            self.say(&format!("S3, one percent of churn, round {}", round + 1));
            applied = loaded.directory.churn("delta1")?;
            let drained = bare::drain(&loaded.directory.address, &cookie)?;
            cookie = drained.cookie;
            let (before, _) = loaded.tenant.writes()?;
            let engine = loaded.deployment.run(&["cycle", "delta"], None)?.expect(&[0, 3, 4])?;
            writes = loaded.tenant.writes()?.0 - before;
            let read = tenant.drain(&loaded.tenant, |_| {})?;
            // Writing, sending and deciding at what one object of the initial load cost bare.
            let limits_of_one = &self.limits;
            let row = limits_of_one.insert_seconds / limits_of_one.insert_rows.max(1) as f64;
            let write = limits_of_one.post_seconds / limits_of_one.posted.max(1) as f64;
            let decision = limits_of_one.unchanged_seconds / limits_of_one.drain.entries.max(1) as f64;
            limits.push(
                drained.seconds
                    + read.seconds
                    + row * 3.0 * drained.entries as f64
                    + write * writes as f64
                    + decision * drained.entries as f64 / self.plan.cores as f64,
            );
            seconds.push(engine.cost.seconds);
            last = Some(engine);
        }
        let Some(engine) = last else { return Ok(()) };
        let users = self.users;
        let number = |name: &str| applied.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
        let changed = number("modifiedUsers") + number("modifiedGroups");
        let unselected = number("unselectedUsers");
        self.report.lines.push(Line {
            limit_seconds: Some(median(&limits)),
            goal: Some(2.5),
            writes: Some(writes),
            tenant_rss_bytes: process::peak_rss_bytes(loaded.tenant.server.pid()),
            note: format!("{changed} changes, {unselected} of nothing selected"),
            ..self.line("S3", "delta cycle after 1 % of churn, with the confirming import", &engine, seconds)
        });
        // A group's change is an added and a removed member.
        let most = number("modifiedUsers") + 2 * number("modifiedGroups");
        self.report.check(
            format!("S3 {users}: no write without a change ({writes} writes of at most {most})"),
            writes > 0 && writes <= most,
        );
        Ok(())
    }

    /// S5: one member more in the largest group.
    pub(super) fn one_member(&mut self, loaded: &Loaded) -> Measured<()> {
        for (way, import) in [("value-level delta", "delta-import"), ("re-read", "full-import")] {
            self.say(&format!("S5, one member changed, {way}"));
            if import == "full-import" {
                // The first full import after deltas keeps the prints of what they changed, a row each; the next one is at rest.
                self.several(&loaded.deployment, &[["ad", import]])?;
            }
            loaded.directory.churn("members:0:1:0")?;
            let (before, _) = loaded.tenant.writes()?;
            let commands = [["ad", import], ["ad", "delta-synchronization"], ["cloud", "export"]];
            let engine = self.several(&loaded.deployment, &commands)?;
            let writes = loaded.tenant.writes()?.0 - before;
            self.confirm(loaded)?;
            self.report.lines.push(Line {
                writes: Some(writes),
                note: engine.told_by_step(),
                ..self.line(
                    "S5",
                    &format!("one member changed in the largest group, {way}"),
                    &engine,
                    vec![engine.step_seconds()],
                )
            });
            let users = self.users;
            self.report.check(format!("S5 {users}, {way}: exactly one member write (it was {writes})"), writes == 1);
            self.report.check(
                format!("S5 {users}, {way}: rows of one change ({} rows, at most {IDLE_ROWS})", engine.rows_written()),
                engine.rows_written() <= IDLE_ROWS,
            );
        }
        Ok(())
    }

    /// S6: a unit with a tenth of the users below it gets another name.
    pub(super) fn renamed_unit(&mut self, loaded: &Loaded) -> Measured<()> {
        self.say("S6, a unit renamed");
        loaded.directory.churn("rename-area:3")?;
        let (before, _) = loaded.tenant.writes()?;
        let commands = [["ad", "delta-import"], ["ad", "delta-synchronization"], ["cloud", "export"]];
        let engine = self.several(&loaded.deployment, &commands)?;
        let writes = loaded.tenant.writes()?.0 - before;
        self.confirm(loaded)?;
        let drained = bare::drain(&loaded.directory.address, b"")?;
        let full = self.several(&loaded.deployment, &[["ad", "full-import"], ["ad", "delta-synchronization"]])?;
        let (users, below) = (self.users, self.users / 10);
        self.report.lines.push(Line {
            writes: Some(writes),
            note: format!("{below} users below it"),
            ..self.line(
                "S6",
                "a unit renamed: delta import, synchronisation, export",
                &engine,
                vec![engine.step_seconds()],
            )
        });
        self.report.lines.push(Line {
            limit_seconds: Some(drained.seconds),
            goal: Some(2.0),
            ..self.line("S6", "the full import after it, and its synchronisation", &full, vec![full.cost.seconds])
        });
        self.report.check(format!("S6 {users}: no write, as no DN flows (it was {writes})"), writes == 0);
        // The shipped rules read the DN, so who stands below it is queued, and taken out of the queue: two rows each, and none
        // of a reference.
        self.report.check(
            format!(
                "S6 {users}: no reference row rewritten ({} and {} rows in all for {below} users that moved)",
                engine.rows_written(),
                full.rows_written()
            ),
            engine.rows_written() <= 2 * engine.evaluated() + IDLE_ROWS && full.rows_written() <= IDLE_ROWS,
        );
        Ok(())
    }
}
