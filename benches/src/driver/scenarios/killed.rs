//! S7: killed, and resumed by the next cycle.

use super::{Loaded, Scale};
use crate::driver::report::Line;
use crate::driver::stage::{Deployment, Directory, Tenant};
use crate::driver::{Measured, bare};
use std::time::Duration;

impl Scale<'_> {
    /// S7: killed in the import, in the synchronisation, in the export; each time the next cycle goes on.
    pub(super) fn killed(&mut self, loaded: Loaded) -> Measured<()> {
        let Loaded { directory, tenant, deployment, recorded, twin, seconds } = loaded;
        // The directory has changed since the load: what must come out is that of a new one, which begins where the first did.
        drop((tenant, deployment, directory));
        let directory = Directory::start(self.programs, self.users, self.plan.groups)?;
        for part in [0.15, 0.45, 0.8] {
            self.say(&format!("S7, killed after {:.0} % of the load's time", part * 100.0));
            let tenant = Tenant::start(self.programs, None)?;
            let deployment = Deployment::init(self.programs, "killed", &directory, &tenant)?;
            let cut = deployment.run(&["cycle", "initial"], Some(Duration::from_secs_f64(seconds * part)))?;
            let resumed = deployment.run(&["cycle", "initial"], None)?.expect(&[0, 3, 4])?;
            let contents = bare::contents(&tenant, &recorded, &self.people())?.contents;
            let (writes, _) = tenant.writes()?;
            self.report.lines.push(Line {
                limit_seconds: Some(seconds),
                goal: Some(1.1),
                writes: Some(writes),
                note: format!("{:.2} s until it was killed", cut.cost.seconds),
                ..self.line(
                    "S7",
                    &format!("killed after {:.0} %, and resumed", part * 100.0),
                    &resumed,
                    vec![cut.cost.seconds + resumed.cost.seconds],
                )
            });
            let users = self.users;
            self.report.check(
                format!("S7 {users}, killed after {:.0} %: the tenant holds what the uninterrupted load gave, nothing lost or doubled", part * 100.0),
                contents == twin,
            );
            // A batch window may be sent again: 4 connections with 20 requests each, twice over.
            self.report.check(
                format!("S7 {users}, killed after {:.0} %: at most one window of writes sent again ({writes}, uninterrupted {})", part * 100.0, recorded.writes),
                writes <= recorded.writes + 2_000,
            );
        }
        Ok(())
    }
}
