//! The one event stream of the engine: what happens in a run, as values. Renderers, the log and tests read it; the
//! history in the store is written from the same step record. Events carry no secret and no attribute value.

use crate::report::StepReport;
use serde::Serialize;
use sync_kernel::GuardVerdict;

/// Takes events. Called on the engine's thread: quick, and never blocking.
pub trait Events: Send + Sync {
    fn emit(&self, event: &Event);

    /// Whether [`Event::Decided`] is wanted: one event, with a digest, for every object that is synchronised.
    fn wants_plans(&self) -> bool {
        false
    }
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl Events for NoEvents {
    fn emit(&self, _event: &Event) {}
}

impl<F: Fn(&Event) + Send + Sync> Events for F {
    fn emit(&self, event: &Event) {
        self(event);
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    CycleStarted {
        kind: String,
    },
    RunStarted {
        connector: String,
        profile: String,
        run: u64,
    },
    StepStarted {
        connector: String,
        step: &'static str,
    },
    Progress {
        connector: String,
        step: &'static str,
        /// `reading`, `synchronising`, `metaverse`, `references`, `exporting`.
        phase: &'static str,
        done: u64,
        /// None where the end is not known before it is reached.
        total: Option<u64>,
        /// Objects per second since the phase began.
        rate: f64,
    },
    Note {
        connector: String,
        code: String,
        message: String,
    },
    ObjectError {
        connector: String,
        object: String,
        code: String,
        message: String,
    },
    GuardStopped {
        connector: String,
        digest: String,
        verdicts: Vec<GuardVerdict>,
    },
    /// What was decided about one object, as the digest that a preview of it shows.
    Decided {
        subject: String,
        digest: String,
    },
    StepEnded {
        connector: String,
        step: &'static str,
        status: String,
        report: Box<StepReport>,
    },
    RunEnded {
        connector: String,
        profile: String,
        status: String,
    },
    CycleEnded {
        status: String,
    },
}
