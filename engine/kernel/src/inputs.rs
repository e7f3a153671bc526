//! What a run brings to every decision beside the stored objects.

use crate::begun::Begun;
use crate::prepared::{Prepared, PreparedRules};
use metaverse_schema::ConnectorSchema;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;
use sync_rules::{ConnectorName, Matching};

/// Inputs of a run: the rules, the schemas, the clock reading, and the accounts that are never synchronised.
#[derive(Debug, Clone)]
pub struct RunInputs {
    pub rules: PreparedRules,
    /// Schemas of the connectors, as last read: which target attributes may be written.
    pub schemas: BTreeMap<ConnectorName, ConnectorSchema>,
    /// Microseconds since 1970-01-01 UTC; one reading for the whole run (SF28).
    pub now: i64,
    /// The rules differ from those applied last: an object that leaves for no change of its own leaves because of that.
    pub rules_changed: bool,
    /// Fill `decisions` of plans: for preview and `explain`, not for bulk runs.
    pub trace: bool,
    /// Attribute, value and name of the accounts the deployment signs in with (SF20), such as `objectSid` (binary) of the accounts the deployment signs in with, and their names (SF20).
    pub own_accounts: Vec<(String, metaverse_schema::Value, String)>,
}

impl RunInputs {
    pub(crate) fn matching(&self) -> Matching {
        self.rules.matching
    }

    pub(crate) fn writable(&self, connector: &str, attribute: &str) -> bool {
        // A schema that was not read yet forbids nothing: the connector refuses by name.
        self.schemas
            .get(connector)
            .and_then(|schema| schema.attributes.get(attribute))
            .is_none_or(|definition| definition.writable)
    }

    pub(crate) fn is_single_valued(&self, connector: &str, attribute: &str) -> bool {
        self.schemas
            .get(connector)
            .and_then(|schema| schema.attributes.get(attribute))
            .is_some_and(|definition| definition.plurality == metaverse_schema::Plurality::Single)
    }

    pub(crate) fn creatable(&self, connector: &str, object_type: &str) -> bool {
        self.schemas
            .get(connector)
            .and_then(|schema| schema.classes.get(object_type))
            .is_none_or(|class| class.creatable)
    }
}

/// The inputs of a run as one decision reads them, and the next instant at which something it evaluated would come out
/// differently (SF28).
pub(crate) struct Run<'a> {
    inputs: &'a RunInputs,
    pub(crate) prepared: &'a Prepared,
    pub(crate) next_change: NextChange,
    /// What an earlier attempt at this decision left, and this one leaves.
    pub(crate) begun: RefCell<Begun>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(inputs: &'a RunInputs) -> Self {
        Run::after(inputs, Begun::default())
    }

    pub(crate) fn after(inputs: &'a RunInputs, begun: Begun) -> Self {
        let begun = RefCell::new(begun);
        Run { inputs, prepared: inputs.rules.prepared(), next_change: NextChange::default(), begun }
    }
}

impl Deref for Run<'_> {
    type Target = RunInputs;

    fn deref(&self) -> &RunInputs {
        self.inputs
    }
}

/// The earliest instant that evaluations announced, in microseconds UTC.
#[derive(Debug, Default)]
pub(crate) struct NextChange(Cell<Option<i64>>);

impl NextChange {
    /// What lies in the past of `now` has changed already.
    pub(crate) fn note(&self, instant: i64, now: i64) {
        if instant > now {
            self.0.set(Some(self.0.get().map_or(instant, |known| known.min(instant))));
        }
    }

    pub(crate) fn so_far(&self) -> Option<i64> {
        self.0.get()
    }

    /// The earliest instant noted since it was last taken.
    pub(crate) fn take(&self) -> Option<i64> {
        self.0.take()
    }
}
