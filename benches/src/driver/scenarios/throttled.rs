//! S8: an export into a tenant that throttles: how much of the bucket of writes is used, how full the batches are, and whether
//! anything is sent that need not be.

use super::{Loaded, Scale};
use crate::driver::recorded::Recorded;
use crate::driver::report::Line;
use crate::driver::stage::{Bucket, Deployment, Tenant};
use crate::driver::{DriverError, Measured, process};

/// A quarter of the writes go at once, as far as the bucket is concerned; the rest takes at least this long, in seconds.
const SHORTEST: u64 = 9;
/// Writes each second that the unthrottled export surpasses on a slow machine.
const SLOWEST: u64 = 600;

impl Scale<'_> {
    /// S8: the export of the initial load once more, into a new tenant with a bucket of writes scaled to last a few seconds.
    pub(super) fn throttled(&mut self, loaded: &Loaded) -> Measured<()> {
        self.say("S8, the export of an initial load into a tenant that throttles");
        let necessary = loaded.recorded.writes;
        // Three windows after the first bucket, in whole seconds.
        let window_seconds = (necessary * 3 / 4 / SLOWEST).max(SHORTEST).div_ceil(3);
        let bucket = Bucket { writes: necessary / 4, window_seconds };
        let log = self.programs.folder.join("throttled.jsonl");
        // The tenant appends.
        let _absent = std::fs::remove_file(&log);
        let tenant = Tenant::start_with(self.programs, Some(&log), Some(bucket))?;
        let deployment = Deployment::init(self.programs, "throttled", &loaded.directory, &tenant)?;
        deployment.know(bucket)?;
        for step in [
            ["ad", "full-import"],
            ["cloud", "full-import"],
            ["ad", "full-synchronization"],
            ["cloud", "full-synchronization"],
        ] {
            deployment.run(&["run", step[0], step[1]], None)?.expect(&[0, 3, 4])?;
        }
        let engine = deployment.run(&["run", "cloud", "export"], None)?.expect(&[0, 3, 4])?;
        // What the log's last requests were is in its buffer until it is asked for.
        tenant.writes()?;
        let sent = Recorded::read(&log, &self.programs.folder.join("throttled.batches"))?;
        if sent.batches.is_empty() {
            return Err(DriverError::Failed("the throttled export sent nothing".to_owned()));
        }
        let seconds = engine.step_seconds();
        let offered = bucket.writes as f64 * (1.0 + seconds / bucket.window_seconds as f64);
        let used = sent.writes as f64 / offered;
        let full = sent.writes as f64 / sent.batches.len() as f64;
        let ratio = sent.writes as f64 / necessary.max(1) as f64;
        let goals = "goals 95 %, 19.5, 1.00";
        self.report.lines.push(Line {
            limit_seconds: Some((necessary - bucket.writes) as f64 * bucket.window_seconds as f64 / bucket.writes as f64),
            goal: Some(1.05),
            writes: Some(sent.writes),
            tenant_rss_bytes: process::peak_rss_bytes(tenant.server.pid()),
            note: format!(
                "{} writes in {} s: {:.1} % of the bucket used, {full:.2} writes in a batch, sent / necessary {ratio:.3} ({goals})",
                bucket.writes,
                bucket.window_seconds,
                used * 100.0
            ),
            ..self.line("S8", "throttled export of the initial load", &engine, vec![seconds])
        });
        let users = self.users;
        self.report.check(
            format!(
                "S8 {users}: no write is sent twice because of the bucket ({} writes, {necessary} are necessary)",
                sent.writes
            ),
            sent.writes <= necessary + necessary / 200,
        );
        Ok(())
    }
}
