//! S9: instructions by object at two scales, counted by callgrind: what they grow by, beyond the objects themselves, is what some
//! step looks through. Fifty times slower than the work itself, so only on request.

use super::{Loaded, Scale};
use crate::driver::Measured;
use crate::driver::report::Line;
use crate::driver::stage::{Deployment, Tenant};

/// Written before the executable's name.
const COUNTING: [&str; 3] = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];

impl Scale<'_> {
    /// S9: the initial load once more, step by step, each step's instructions counted; without the start of the executable.
    pub(super) fn counted(&mut self, loaded: &Loaded) -> Measured<()> {
        let tenant = Tenant::start(self.programs, None)?;
        let mut deployment = Deployment::init(self.programs, "counted", &loaded.directory, &tenant)?;
        deployment.prefix = COUNTING.map(str::to_owned).to_vec();
        // A step on a space that holds nothing costs what every start costs.
        self.say("S9, instructions of a start");
        let start = deployment.run(&["run", "ad", "delta-synchronization"], None)?.expect(&[0])?;
        let start = start.instructions()?;
        let (mut all, mut notes, mut last) = (0, Vec::new(), None);
        for step in [
            ["ad", "full-import"],
            ["cloud", "full-import"],
            ["ad", "full-synchronization"],
            ["cloud", "full-synchronization"],
            ["cloud", "export"],
            ["cloud", "delta-import"],
            ["cloud", "delta-synchronization"],
        ] {
            self.say(&format!("S9, instructions of {} {}", step[0], step[1]));
            let engine = deployment.run(&["run", step[0], step[1]], None)?.expect(&[0, 3, 4])?;
            let instructions = engine.instructions()?.saturating_sub(start);
            all += instructions;
            notes.push(format!("{} {} {} k", step[0], step[1], instructions / self.users / 1_000));
            last = Some(engine);
        }
        let Some(engine) = last else { return Ok(()) };
        self.report.lines.push(Line {
            instructions: Some(all),
            rows: None,
            evaluated: None,
            note: format!("{} k instructions a user: {}", all / self.users / 1_000, notes.join(", ")),
            ..self.line("S9", "initial load, instructions counted", &engine, Vec::new())
        });
        Ok(())
    }
}
