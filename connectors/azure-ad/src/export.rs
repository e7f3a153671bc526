//! The export desk: guards the tenant, sorts the items of one call by operation, and remembers what this process made a
//! moment ago. Every item gets an outcome; nothing is lost and nothing is sent twice that could double.

use crate::batch::{Answer, Settled};
use crate::client::GraphClient;
use crate::create;
use crate::deleted_items::DeletedItems;
use crate::errors::problem;
use crate::remove;
use crate::schema::{CONTACT, Class, DELETED_USER, GROUP, USER};
use crate::tenant::{self, Tenant};
use crate::update;
use connector_contract::{
    ConnectorError, CreateRequest, ErrorKind, ExportItem, ExportOperation, ExportOutcome, ExportProblem, StateOfSystem,
};
use jiff::Timestamp;
use metaverse_schema::{Anchor, Guid, ObjectType};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The tenant's state is read again after this long (SF24, SF25).
const GUARD_FOR: Duration = Duration::from_secs(300);
/// An object counts as fresh at least this long, and at least twice as long as it is waited for.
const FRESH_FOR: Duration = Duration::from_secs(60);

pub(crate) type Outcomes = Vec<(i64, ExportOutcome)>;

#[derive(Debug)]
pub(crate) struct ExportDesk {
    pub(crate) graph: GraphClient,
    pub(crate) bin: DeletedItems,
    /// When this process made or restored an object: it may still be 404 elsewhere (A.2).
    fresh: Mutex<FreshObjects>,
    /// Immutable ids of creates that may have arrived: a conflict with them may be a conflict with ourselves.
    doubtful: Mutex<HashSet<String>>,
    guarded_until: Mutex<Option<Instant>>,
    began: Instant,
    /// The tenant takes, or took, synchronised objects: one may have been moved to the cloud (SF30).
    has_synced_objects: AtomicBool,
}

/// What is done with an item; consecutive items of one kind share batches, so that the engine's order holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    CreateUser,
    CreateGroup,
    Update,
    Restore,
    Delete,
    Detach,
    Refused,
}

impl ExportDesk {
    pub(crate) fn new(graph: GraphClient) -> ExportDesk {
        ExportDesk {
            graph,
            bin: DeletedItems::default(),
            fresh: Mutex::default(),
            doubtful: Mutex::default(),
            guarded_until: Mutex::default(),
            began: Instant::now(),
            // Until the tenant was read.
            has_synced_objects: AtomicBool::new(true),
        }
    }

    pub(crate) async fn export(&self, items: &[ExportItem]) -> Result<Outcomes, ConnectorError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        self.graph.ready().await?;
        self.guard_tenant().await?;
        Ok(self.write(items).await)
    }

    /// The same behind the guard.
    pub(crate) async fn write(&self, items: &[ExportItem]) -> Outcomes {
        let mut outcomes = Vec::with_capacity(items.len());
        for run in items.chunk_by(|a, b| lane(a) == lane(b)) {
            let lane = run.first().map_or(Lane::Refused, lane);
            outcomes.extend(match lane {
                Lane::CreateUser => create::users(self, run).await,
                Lane::CreateGroup => create::groups(self, run).await,
                Lane::Update | Lane::Restore => update::write(self, run).await,
                Lane::Delete => remove::delete(self, run).await,
                Lane::Detach => remove::detach(self, run).await,
                Lane::Refused => run.iter().map(|item| (item.id, ExportOutcome::Refused(refusal(item)))).collect(),
            });
        }
        outcomes
    }

    /// SF24: another writer within a day stops an export. SF26: so does a clock that is far off.
    async fn guard_tenant(&self) -> Result<(), ConnectorError> {
        if locked(&self.guarded_until).is_some_and(|until| until > Instant::now()) {
            return Ok(());
        }
        let tenant = tenant::read(&self.graph).await?;
        tenant::clock(&self.graph)?;
        if let Some(message) = tenant.other_writer(Timestamp::now())
            && !self.graph.settings().allow_other_writer
        {
            return Err(ConnectorError::new(
                ErrorKind::CannotStart { status: "no-start-other-writer" },
                "exporting",
                message,
                tenant::OTHER_WRITER_REMEDY,
            ));
        }
        self.passed(&tenant);
        Ok(())
    }

    /// The tenant's state before an export. One that the guard would pass is not read again for it.
    pub(crate) async fn system_state(&self) -> Result<StateOfSystem, ConnectorError> {
        let tenant = tenant::read(&self.graph).await?;
        let state = tenant.state(Timestamp::now(), self.graph.settings().allow_other_writer);
        if state.closed.is_none() && tenant::clock(&self.graph).is_ok() {
            self.passed(&tenant);
        }
        Ok(state)
    }

    /// A tenant that may be written to was read just now.
    fn passed(&self, tenant: &Tenant) {
        self.has_synced_objects.store(tenant.sync_enabled.is_some(), Ordering::Relaxed);
        *locked(&self.guarded_until) = Instant::now().checked_add(GUARD_FOR);
    }

    pub(crate) async fn find_created(
        &self,
        object_type: &ObjectType,
        request: &CreateRequest,
    ) -> Result<Option<Anchor>, ConnectorError> {
        match Class::named(object_type.as_str()) {
            Some(class) if class.name == USER.name => {
                let Some(immutable_id) = request.attributes.text("onPremisesImmutableId") else {
                    return Ok(None);
                };
                // The engine asks only about creates that may have arrived. Should the answer lag behind (A.2), a second
                // create meets a conflict, which is then known to be a conflict with ourselves.
                self.doubt(immutable_id);
                create::find_user(self, immutable_id).await
            }
            Some(class) if class.name == GROUP.name => match request.attributes.text("uniqueName") {
                Some(unique_name) => create::find_group(self, unique_name).await,
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    pub(crate) fn has_synced_objects(&self) -> bool {
        self.has_synced_objects.load(Ordering::Relaxed)
    }

    /// This process made or restored the object.
    pub(crate) fn made(&self, id: &str) {
        locked(&self.fresh).insert(id, self.window());
    }

    pub(crate) fn is_fresh(&self, id: &str) -> bool {
        locked(&self.fresh).contains(id, self.window())
    }

    /// This process began a moment ago: what the one before it made may be fresh, and nobody here knows.
    pub(crate) fn is_young(&self) -> bool {
        self.began.elapsed() < self.window()
    }

    fn window(&self) -> Duration {
        FRESH_FOR.max(self.graph.settings().replication_wait * 2)
    }

    pub(crate) fn doubt(&self, immutable_id: &str) {
        locked(&self.doubtful).insert(immutable_id.to_owned());
    }

    pub(crate) fn is_doubtful(&self, immutable_id: &str) -> bool {
        locked(&self.doubtful).contains(immutable_id)
    }

    pub(crate) fn settle_doubt(&self, immutable_id: &str) {
        locked(&self.doubtful).remove(immutable_id);
    }
}

/// Objects that this process made, with the moment. Old ones go whenever the list has doubled, so that a create costs the same
/// however many there were.
#[derive(Debug, Default)]
struct FreshObjects {
    made: HashMap<Guid, Instant>,
    look_through_at: usize,
}

impl FreshObjects {
    fn insert(&mut self, id: &str, window: Duration) {
        if self.made.len() >= self.look_through_at {
            self.made.retain(|_, made| made.elapsed() < window);
            self.look_through_at = (2 * self.made.len()).max(1_024);
        }
        // The service's own objects have no other ids.
        self.made.extend(id.parse().ok().map(|id: Guid| (id, Instant::now())));
    }

    fn contains(&self, id: &str, window: Duration) -> bool {
        let made = id.parse().ok().and_then(|id: Guid| self.made.get(&id));
        made.is_some_and(|made| made.elapsed() < window)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lane(item: &ExportItem) -> Lane {
    let class = item.object_type.as_str();
    let (user, group, deleted) = (class == USER.name, class == GROUP.name, class == DELETED_USER.name);
    match &item.operation {
        ExportOperation::Create(_) if user => Lane::CreateUser,
        ExportOperation::Create(_) if group => Lane::CreateGroup,
        ExportOperation::Update(_) if user || group => Lane::Update,
        ExportOperation::Restore(_) if user || deleted => Lane::Restore,
        ExportOperation::Delete { .. } if user || group => Lane::Delete,
        ExportOperation::Detach { .. } if user => Lane::Detach,
        _ => Lane::Refused,
    }
}

/// Why an item fits no lane.
fn refusal(item: &ExportItem) -> ExportProblem {
    let class = item.object_type.as_str();
    let remedy = "exclude it by scope, or use the connect mode";
    match &item.operation {
        _ if class == CONTACT.name => {
            problem("limitation-contact", None, "Graph mode can only read contacts", remedy, false)
        }
        ExportOperation::Detach { .. } if class == GROUP.name => {
            let message = "a group has no anchor stamp that could be cleared: its uniqueName cannot be changed";
            problem(
                "limitation-group-detach",
                None,
                message,
                "delete the group by hand if it is no longer wanted",
                false,
            )
        }
        ExportOperation::Restore(_) if class == GROUP.name => problem(
            "limitation-group-restore",
            None,
            "security groups cannot be restored",
            "create the group anew",
            false,
        ),
        _ if class == DELETED_USER.name => {
            let message = "a deleted user can be restored and nothing else";
            problem("no-export-to-this-object-type", None, message, "", false)
        }
        _ => {
            let message = format!("Azure AD has no objects of type {class} that could be written");
            problem("no-export-to-this-object-type", None, message, "", false)
        }
    }
}

/// The answer of a write that went through, or the outcome that its failure is. `attempted` names the write.
pub(crate) fn accepted<'a>(settled: &'a Settled, attempted: &str) -> Result<&'a Answer, ExportOutcome> {
    match settled {
        Settled::Answered(answer) if answer.is_success() => Ok(answer),
        Settled::Answered(answer) => {
            Err(ExportOutcome::Refused(answer.error().refuses_object(answer.status, attempted)))
        }
        Settled::Unsettled { may_have_arrived, message } => Err(ExportOutcome::NotSettled {
            may_have_arrived: *may_have_arrived,
            message: format!("{attempted}: {message}"),
        }),
    }
}

/// Synchronised by another tool: never written in Graph mode.
pub(crate) fn synced(class: &Class, id: &str) -> ExportProblem {
    let message = format!(
        "the {} {id} is synchronised from Active Directory by another tool (onPremisesSyncEnabled)",
        class.name
    );
    let remedy = "exclude it by scope, or end the other tool's synchronisation first";
    problem("limitation-synced-object", None, message, remedy, false)
}

pub(crate) fn not_settled(error: &ConnectorError) -> ExportOutcome {
    ExportOutcome::NotSettled { may_have_arrived: false, message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A.2: an object is fresh for the window and no longer, and those that are not take no room for long.
    #[test]
    fn fresh_objects_are_known_for_the_window_and_then_forgotten() {
        let id = |number: u32| format!("00000000-0000-4000-8000-{number:012x}");
        let (minute, none) = (Duration::from_secs(60), Duration::ZERO);
        let mut fresh = FreshObjects::default();
        (0..5_000).for_each(|number| fresh.insert(&id(number), minute));
        assert!((0..5_000).all(|number| fresh.contains(&id(number), minute)));
        assert!(fresh.contains(&id(7).to_uppercase(), minute), "an id is the same in any case");
        assert!(!fresh.contains(&id(5_000), minute) && !fresh.contains(&id(7), none));
        (5_000..50_000).for_each(|number| fresh.insert(&id(number), none));
        assert!(fresh.made.len() < 20_000, "{} are remembered", fresh.made.len());
    }
}
