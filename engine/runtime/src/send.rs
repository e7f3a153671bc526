//! Sends export batches, several at a time, and gathers their outcomes. Knows nothing of the store: what is not answered
//! is reported as such, and never taken for sent or unsent.

use crate::export::lost_batch;
use crate::export_order::Together;
use connector_contract::{
    Connector, ConnectorError, CreateRequest, ExportItem, ExportOperation, ExportOutcome, ExportProblem,
    ReferenceChange, UpdateRequest,
};
use metaverse_schema::{Anchor, Attributes, AttributesDelta};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use sync_kernel::planted::{Fault, is_planted};
use sync_kernel::{CsId, PendingOperation};
use sync_store::{ExportEntry, ExportReference, Refusal, SettledOutcome, Settlement};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What came of one entry.
pub(crate) struct Outcome {
    pub(crate) settlement: Settlement,
    /// Why it was not settled; empty otherwise.
    pub(crate) reason: String,
}

impl Outcome {
    pub(crate) fn quiet(settlement: Settlement) -> Self {
        Outcome { settlement, reason: String::new() }
    }
}

type Answer = Result<Vec<(i64, ExportOutcome)>, ConnectorError>;

/// What a batch's task ends with: none, it had not left when sending was stopped.
type Ended = (Vec<i64>, Option<Answer>);

/// The entries of a page on their way, and what is left of the page before it.
pub(crate) struct Sending {
    connector: Arc<dyn Connector>,
    /// Those without an outcome.
    entries: HashMap<i64, ExportEntry>,
    /// What else names them in the system.
    named_by: BTreeMap<CsId, Attributes>,
    /// Numbers of the page that came last, by position.
    order: Vec<i64>,
    queue: VecDeque<Vec<ExportItem>>,
    /// One for each batch that is known to be next: they leave in their order, as soon as one before has its answer, also while
    /// outcomes are being committed.
    tasks: JoinSet<Ended>,
    /// So many batches are on their way at a time.
    ways: Arc<Semaphore>,
    /// Numbers of each running task, in case it ends without an answer.
    running: HashMap<tokio::task::Id, Vec<i64>>,
    outcomes: Vec<Outcome>,
    last_taken: Instant,
    failure: Option<ConnectorError>,
    /// No further batch leaves: set by whoever learns it first.
    stopped: Arc<AtomicBool>,
}

impl Sending {
    /// `in_flight`: so many batches are on their way at a time.
    pub(crate) fn new(connector: Arc<dyn Connector>, in_flight: usize) -> Self {
        Sending {
            connector,
            entries: HashMap::new(),
            named_by: BTreeMap::new(),
            order: Vec::new(),
            queue: VecDeque::new(),
            tasks: JoinSet::new(),
            ways: Arc::new(Semaphore::new(in_flight.max(1))),
            running: HashMap::new(),
            outcomes: Vec::new(),
            last_taken: Instant::now(),
            failure: None,
            stopped: Arc::default(),
        }
    }

    /// Takes a page over: everything of the one before has been put into batches.
    pub(crate) fn add(&mut self, page: Vec<ExportEntry>, named_by: BTreeMap<CsId, Attributes>) {
        self.order = page.iter().map(|entry| entry.id.0).collect();
        self.entries.extend(page.into_iter().map(|entry| (entry.id.0, entry)));
        self.named_by.extend(named_by);
    }

    /// Puts the entries at these positions of the last page into batches; what goes together stands in one, if it fits. An entry that cannot
    /// be sent as it is stored is refused here.
    pub(crate) fn enqueue(&mut self, layer: &[Together], batch_size: usize) {
        let mut items = Vec::new();
        for together in layer {
            if !items.is_empty() && items.len() + together.len() > batch_size {
                self.queue.push_back(std::mem::take(&mut items));
            }
            self.collect(together, &mut items);
            while items.len() > batch_size {
                let rest = items.split_off(batch_size);
                self.queue.push_back(std::mem::replace(&mut items, rest));
            }
        }
        if !items.is_empty() {
            self.queue.push_back(items);
        }
    }

    fn collect(&mut self, positions: &[usize], items: &mut Vec<ExportItem>) {
        for number in positions.iter().filter_map(|position| self.order.get(*position)) {
            let Some(entry) = self.entries.get(number) else { continue };
            let named_by = self.named_by.remove(&entry.id).unwrap_or_default();
            match export_item(entry, named_by) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => {}
                Err(refusal) => {
                    if let Some(entry) = self.entries.remove(number) {
                        self.outcomes
                            .push(Outcome::quiet(Settlement { entry, outcome: SettledOutcome::Refused(refusal) }));
                    }
                }
            }
        }
    }

    /// No further batch leaves; those on their way are waited for.
    pub(crate) fn stop_sending(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.queue.clear();
    }

    /// Starts what was enqueued and waits for an outcome, at most `wait`. False: nothing is on its way any more.
    pub(crate) async fn advance(&mut self, wait: Duration) -> bool {
        for batch in std::mem::take(&mut self.queue) {
            self.start(batch);
        }
        if self.tasks.is_empty() {
            return false;
        }
        if let Ok(Some(ended)) = tokio::time::timeout(wait, self.tasks.join_next_with_id()).await {
            match ended {
                Ok((task, (numbers, answer))) => {
                    self.running.remove(&task);
                    if let Some(answer) = answer {
                        self.take_answer(&numbers, answer);
                    }
                }
                Err(error) => {
                    let numbers = self.running.remove(&error.id()).unwrap_or_default();
                    let message = format!("the connector ended unexpectedly: {error}");
                    self.failure.get_or_insert_with(|| lost_batch(&[], &message));
                    self.stop_sending();
                    self.unsettled(&numbers, true, &message);
                }
            }
        }
        true
    }

    fn start(&mut self, batch: Vec<ExportItem>) {
        let (connector, ways, stopped) =
            (Arc::clone(&self.connector), Arc::clone(&self.ways), Arc::clone(&self.stopped));
        let numbers: Vec<i64> = batch.iter().map(|item| item.id).collect();
        let known = numbers.clone();
        let task = self.tasks.spawn(async move {
            // In their order. Nobody closes it.
            let Ok(_way) = ways.acquire().await else { return (numbers, None) };
            if stopped.load(Ordering::Relaxed) {
                return (numbers, None);
            }
            let answer = match connector.exporter() {
                Some(exporter) => exporter.export(&batch).await,
                None => Err(lost_batch(&batch, "the connector can no longer be written to")),
            };
            if answer.is_err() {
                // Nothing of this batch was sent, and nothing of the next one would be.
                stopped.store(true, Ordering::Relaxed);
            }
            (numbers, Some(answer))
        });
        self.running.insert(task.id(), known);
    }

    fn take_answer(&mut self, numbers: &[i64], answer: Answer) {
        match answer {
            Ok(outcomes) => {
                let mut by_number: BTreeMap<i64, ExportOutcome> = outcomes.into_iter().collect();
                for number in numbers {
                    match by_number.remove(number) {
                        Some(outcome) => self.take_outcome(*number, outcome),
                        None => self.unsettled(&[*number], true, "the connector gave no outcome for it"),
                    }
                }
            }
            // An error is only returned when nothing of the call was sent.
            Err(error) => {
                self.unsettled(numbers, false, &error.to_string());
                self.failure.get_or_insert(error);
                self.stop_sending();
            }
        }
    }

    fn take_outcome(&mut self, number: i64, outcome: ExportOutcome) {
        let Some(entry) = self.entries.remove(&number) else {
            return;
        };
        let mut reason = String::new();
        let outcome = match outcome {
            ExportOutcome::Accepted { anchor, failed_references } => SettledOutcome::Accepted {
                anchor,
                failed_references: failed_references
                    .into_iter()
                    .filter_map(|(change, problem)| Some((reference_of(&entry, &change)?, refusal(problem))))
                    .collect(),
            },
            ExportOutcome::Refused(problem) => SettledOutcome::Refused(refusal(problem)),
            ExportOutcome::NotSettled { may_have_arrived, message } => {
                reason = message;
                SettledOutcome::NotSettled { may_have_arrived }
            }
        };
        self.outcomes.push(Outcome { settlement: Settlement { entry, outcome }, reason });
    }

    fn unsettled(&mut self, numbers: &[i64], may_have_arrived: bool, reason: &str) {
        for number in numbers {
            if let Some(entry) = self.entries.remove(number) {
                self.outcomes.push(Outcome {
                    settlement: Settlement { entry, outcome: SettledOutcome::NotSettled { may_have_arrived } },
                    reason: reason.to_owned(),
                });
            }
        }
    }

    pub(crate) fn take_failure(&mut self) -> Option<ConnectorError> {
        self.failure.take()
    }

    /// Entries without an outcome.
    pub(crate) fn unanswered(&self) -> usize {
        self.entries.len()
    }

    /// A batch is on its way, or next, or its outcome waits to be committed.
    pub(crate) fn is_under_way(&self) -> bool {
        !self.tasks.is_empty() || !self.queue.is_empty() || !self.outcomes.is_empty()
    }

    /// Outcomes that wait to be committed.
    pub(crate) fn waiting(&self) -> usize {
        self.outcomes.len()
    }

    pub(crate) fn is_overdue(&self, wait: Duration) -> bool {
        !self.outcomes.is_empty() && self.last_taken.elapsed() >= wait
    }

    pub(crate) fn take_outcomes(&mut self) -> Vec<Outcome> {
        self.last_taken = Instant::now();
        std::mem::take(&mut self.outcomes)
    }

    /// What never left the process.
    pub(crate) fn take_unsent(&mut self, reason: &str) -> Vec<Outcome> {
        let mut numbers: Vec<i64> = self.entries.keys().copied().collect();
        numbers.sort_unstable();
        self.unsettled(&numbers, false, reason);
        self.take_outcomes()
    }
}

fn refusal(problem: ExportProblem) -> Refusal {
    Refusal {
        code: problem.code,
        attribute: problem.attribute,
        message: problem.message,
        remedy: problem.remedy,
        retry: problem.retry,
    }
}

fn reference_of(entry: &ExportEntry, change: &ReferenceChange) -> Option<ExportReference> {
    entry
        .references
        .iter()
        .find(|reference| {
            reference.attribute == change.attribute && reference.target == change.target && reference.add == change.add
        })
        .cloned()
}

fn reference_changes(entry: &ExportEntry) -> Vec<ReferenceChange> {
    let mut changes: Vec<ReferenceChange> = entry
        .references
        .iter()
        .map(|reference| ReferenceChange {
            attribute: reference.attribute.clone(),
            target: reference.target.clone(),
            target_dn: reference.target_dn.clone(),
            target_type: reference.target_type.clone(),
            add: reference.add,
        })
        .collect();
    // A single-valued attribute loses its old target before it gets its new one.
    changes.sort_by(|a, b| (a.add, a).cmp(&(b.add, b)));
    changes
}

/// The request of an entry that creates an object.
fn create_request(entry: &ExportEntry) -> Option<CreateRequest> {
    match entry.pending.as_ref().map(|pending| &pending.operation) {
        Some(PendingOperation::Add { attributes }) => Some(CreateRequest {
            dn: entry.dn.clone(),
            attributes: attributes.clone(),
            references: reference_changes(entry).into_iter().filter(|reference| reference.add).collect(),
        }),
        _ => None,
    }
}

/// By what an object is looked up whose create was sent and never answered; none: there is nothing to look up.
pub(crate) fn unanswered_create(entry: &ExportEntry) -> Option<CreateRequest> {
    if entry.anchor.is_some() {
        return None;
    }
    match entry.pending.as_ref().map(|pending| &pending.operation) {
        Some(PendingOperation::Delete { .. } | PendingOperation::Detach { .. }) => {
            Some(CreateRequest { dn: entry.dn.clone(), attributes: entry.unanswered.clone(), references: Vec::new() })
        }
        _ if entry.was_in_flight && !is_planted(Fault::ResendCreate) => create_request(entry),
        _ => None,
    }
}

/// What is sent for an entry; none when there is nothing to send.
fn export_item(entry: &ExportEntry, named_by: Attributes) -> Result<Option<ExportItem>, Refusal> {
    let operation = match entry.pending.as_ref().map(|pending| &pending.operation) {
        Some(PendingOperation::Add { .. }) => match create_request(entry) {
            Some(create) => ExportOperation::Create(create),
            None => return Ok(None),
        },
        Some(PendingOperation::Update { rename, changes, afterwards, .. }) => ExportOperation::Update(UpdateRequest {
            anchor: anchor(entry)?,
            dn: rename.clone(),
            changes: changes.clone(),
            references: reference_changes(entry),
            afterwards: afterwards.clone(),
            reclaims: entry.reclaims,
        }),
        Some(PendingOperation::Restore { changes, afterwards }) => ExportOperation::Restore(UpdateRequest {
            anchor: anchor(entry)?,
            dn: None,
            changes: changes.clone(),
            references: reference_changes(entry),
            afterwards: afterwards.clone(),
            reclaims: false,
        }),
        Some(PendingOperation::Delete { .. }) => ExportOperation::Delete { anchor: anchor(entry)? },
        Some(PendingOperation::Detach { .. }) => ExportOperation::Detach { anchor: anchor(entry)? },
        None if entry.references.is_empty() => return Ok(None),
        None => ExportOperation::Update(UpdateRequest {
            anchor: anchor(entry)?,
            dn: None,
            changes: AttributesDelta::default(),
            references: reference_changes(entry),
            afterwards: AttributesDelta::default(),
            reclaims: false,
        }),
    };
    Ok(Some(ExportItem { id: entry.id.0, object_type: entry.object_type.clone(), operation, named_by }))
}

/// R74: an object without an anchor can only be created.
fn anchor(entry: &ExportEntry) -> Result<Anchor, Refusal> {
    entry.anchor.clone().ok_or_else(|| Refusal {
        code: "missing-anchor-component".into(),
        attribute: None,
        message: "the object has no anchor, so it cannot be changed in the connected system".into(),
        remedy: "import the connector in full".into(),
        retry: false,
    })
}
