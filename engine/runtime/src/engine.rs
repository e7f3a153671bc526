//! The engine: a deployment's rules, store and connectors put together. Opens and closes; what a step does stands in
//! the modules of the steps. Never names a kind of connector.

use crate::event::{Events, NoEvents};
use crate::reading::Reading;
use crate::stop::StopSignal;
use connector_contract::Connector;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use sync_kernel::{Digest, RunInputs};
use sync_rules::{ConnectorName, Deployment, Direction, RuleSet};
use sync_store::{Approved, Store, StoreError};

/// The time, as an input: a test replays a run with the same readings.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970-01-01 UTC.
    fn now(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}

/// A clock that stands still.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub i64);

impl Clock for FixedClock {
    fn now(&self) -> i64 {
        self.0
    }
}

/// Bounds of what can grow while a step runs.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Objects of one synchronisation page: one transaction.
    pub page: usize,
    /// Objects of the next page that are worth a thread of their own: neighbours share what is read about them.
    pub smallest_part: usize,
    /// Pages that a reader may be ahead of those that are gathered.
    pub import_pages: usize,
    /// Pages of a reader are gathered to one transaction until it holds so many items ...
    pub gather_items: usize,
    /// ... or no more come for so many milliseconds after the first.
    pub gather_ms: u64,
    /// A full import of a space that holds more than this many objects is looked at (SF15) ...
    pub shrunken_objects: u64,
    /// ... and refused when it returned less than this share of them, in percent.
    pub shrunken_percent: u64,
    /// Anchors of one request for whole objects (R70).
    pub full_objects: usize,
    /// Match candidates whose roles are asked for at once (SF6).
    pub facts: usize,
    /// Objects of one export page: marked in flight together.
    pub export_page: usize,
    /// Reference changes of one object in one request.
    pub references_per_object: usize,
    /// Export batches on their way at the same time.
    pub batches_in_flight: usize,
    /// Outcomes are committed when so many have come in, or after `settle_ms` milliseconds.
    pub settle_objects: usize,
    pub settle_ms: u64,
    /// Passes of the writing phase: references to objects that an earlier pass created (O56).
    pub export_passes: usize,
    /// Reference rows of one page at the end of a synchronisation.
    pub reference_page: usize,
}

impl Limits {
    /// Objects of the first page of a synchronisation of several: the threads that look ahead have nothing to do until it is
    /// decided.
    pub(crate) fn first_page(&self) -> usize {
        (self.page / 8).max(self.smallest_part).min(self.page)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            page: 700,
            smallest_part: 64,
            import_pages: 2,
            gather_items: 1_000,
            gather_ms: 250,
            shrunken_objects: 20,
            shrunken_percent: 50,
            full_objects: 100,
            facts: 200,
            export_page: 500,
            references_per_object: 1_000,
            batches_in_flight: 4,
            settle_objects: 250,
            settle_ms: 250,
            export_passes: 200,
            reference_page: 10_000,
        }
    }
}

/// What an engine is made of.
pub struct EngineParts {
    pub deployment: Deployment,
    pub rules: RuleSet,
    pub connectors: BTreeMap<ConnectorName, Arc<dyn Connector>>,
    pub clock: Arc<dyn Clock>,
    pub events: Arc<dyn Events>,
    pub stop: StopSignal,
    pub limits: Limits,
}

impl EngineParts {
    /// With the machine's clock, no listener and the default limits.
    pub fn new(
        deployment: Deployment,
        rules: RuleSet,
        connectors: BTreeMap<ConnectorName, Arc<dyn Connector>>,
    ) -> Self {
        EngineParts {
            deployment,
            rules,
            connectors,
            clock: Arc::new(SystemClock),
            events: Arc::new(NoEvents),
            stop: StopSignal::new(),
            limits: Limits::default(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("there is no connector `{name}`; this deployment has {known}")]
    UnknownConnector { name: String, known: String },

    #[error("connector `{connector}` has no run profile `{name}`; it has {known}")]
    UnknownProfile { connector: String, name: String, known: String },

    #[error("nothing found for `{what}`; search with `metasync search`")]
    NotFound { what: String },

    #[error("`{what}` fits several objects: {}; name one by its DN or anchor", found.join("; "))]
    Ambiguous { what: String, found: Vec<String> },

    #[error("no list with digest {digest} waits for an approval now; `metasync pending` shows those that do")]
    NoSuchList { digest: Digest },

    /// Values to try out that no import could tell.
    #[error("`{what}` cannot be tried out: {why}")]
    Hypothesis { what: String, why: String },

    /// The operator asked to stop; what was done on a copy is gone with it.
    #[error("stopped by the operator")]
    Interrupted,

    /// An operator's join, disconnect or undo that cannot be.
    #[error("{message}")]
    LinkRefused { code: &'static str, message: String, remedy: String },

    #[error("`{object}` could not be decided: what it depends on was not known after {rounds} rounds of questions")]
    Undecided { object: String, rounds: usize },

    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A deployment in operation. One process at a time: the store holds the run lock while it is open.
pub struct Engine {
    pub(crate) deployment: Deployment,
    pub(crate) rules: RuleSet,
    pub(crate) store: Store,
    pub(crate) connectors: BTreeMap<ConnectorName, Arc<dyn Connector>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) stop: StopSignal,
    pub(crate) limits: Limits,
    /// Connectors whose import failed in this cycle: they are not asked for roles, what was read last stands.
    pub(crate) silent: BTreeSet<ConnectorName>,
    /// Roles that were read once stand: what a rule change does is not mixed with what changed in the target since.
    pub(crate) roles_stand: bool,
}

impl Engine {
    /// Opens the deployment's store, or creates it.
    pub fn open(parts: EngineParts) -> Result<Self, EngineError> {
        let store = Store::open_or_create(&parts.deployment.store)?;
        Engine::with_store(parts, store)
    }

    /// On a store that is open already. Registers the rules and closes the books on runs that a crash left open.
    pub fn with_store(parts: EngineParts, store: Store) -> Result<Self, EngineError> {
        let EngineParts { deployment, rules, connectors, clock, events, stop, limits } = parts;
        let mut engine = Engine {
            deployment,
            rules,
            store,
            connectors,
            clock,
            events,
            stop,
            limits,
            silent: BTreeSet::new(),
            roles_stand: false,
        };
        let now = engine.clock.now();
        let registration = engine.store.register_rules(&engine.rules, now)?;
        if registration.changed {
            tracing::info!(hash = %engine.rules.hash, "the rules changed; every connector is synchronised in full next");
        }
        engine.store.close_interrupted_runs(now)?;
        Ok(engine)
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    pub fn connectors(&self) -> &BTreeMap<ConnectorName, Arc<dyn Connector>> {
        &self.connectors
    }

    /// Questions to the store as it is now: preview, explain, status.
    pub fn reading(&self) -> Reading<'_> {
        Reading::new(&self.store, &self.rules, self.clock.now())
    }

    /// Lets exactly the list with this digest through: a guarded list, match candidates, or held values.
    pub fn approve(&mut self, digest: &Digest) -> Result<Approved, EngineError> {
        let now = self.clock.now();
        self.store.approve(digest, now)?.ok_or_else(|| EngineError::NoSuchList { digest: digest.clone() })
    }

    /// Closes the store; dropping the engine does the same without telling what went wrong.
    pub fn close(self) -> Result<(), EngineError> {
        Ok(self.store.close()?)
    }

    pub(crate) fn known_connector(&self, name: &str) -> Result<(ConnectorName, Arc<dyn Connector>), EngineError> {
        self.connectors.get_key_value(name).map(|(name, connector)| (name.clone(), Arc::clone(connector))).ok_or_else(
            || EngineError::UnknownConnector {
                name: name.to_owned(),
                known: listed(self.connectors.keys().map(|name| &**name)),
            },
        )
    }

    /// Connectors in the order of the configuration.
    pub(crate) fn connector_order(&self) -> Vec<ConnectorName> {
        let configured = self.deployment.connectors.iter().map(|config| config.name.clone());
        let mut order: Vec<ConnectorName> = configured.filter(|name| self.connectors.contains_key(name)).collect();
        let rest: Vec<ConnectorName> = self.connectors.keys().filter(|name| !order.contains(name)).cloned().collect();
        order.extend(rest);
        order
    }

    /// Whether rules write to this connector.
    pub(crate) fn is_target(&self, connector: &str) -> bool {
        self.rules.rules.iter().any(|rule| rule.direction == Direction::Outbound && &*rule.connector == connector)
    }

    /// What every decision of a run reads beside the stored objects.
    pub(crate) fn run_inputs(&self, now: i64) -> Result<RunInputs, StoreError> {
        crate::decide_page::run_inputs(&self.store, &self.rules, now, false)
    }
}

/// Names for a message; `nothing` when there are none.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
