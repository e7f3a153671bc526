//! Makes the plans of the next page of a synchronisation while the present one is applied: threads with a view of the store
//! each, which take a part of the page each. A plan that the present page overtakes is stale, and is made again when its turn
//! comes; so the result is the same as without, and for any number of threads. Writes nothing.

use crate::decide_page::{Decided, decide_page};
use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use sync_kernel::{RunInputs, Subject};
use sync_store::{StoreError, StoreReader};
use tokio::sync::oneshot;

type Answer = Result<Vec<Decided>, StoreError>;

/// Most threads that look ahead: each has a view of the store, and a cache with it.
pub(crate) const MAX_THREADS: usize = 8;

/// The threads, and the page they are at.
pub(crate) struct LookAhead {
    threads: Vec<Ahead>,
    /// Fewer subjects are not worth another thread.
    smallest_part: usize,
    under_way: Vec<oneshot::Receiver<Answer>>,
}

/// One thread.
struct Ahead {
    work: Option<mpsc::Sender<(Vec<Subject>, oneshot::Sender<Answer>)>>,
    thread: Option<JoinHandle<()>>,
}

impl LookAhead {
    /// A thread for each view.
    pub(crate) fn new(views: Vec<StoreReader>, run: &Arc<RunInputs>, smallest_part: usize) -> Self {
        let threads = views.into_iter().map(|reader| Ahead::new(reader, Arc::clone(run))).collect();
        LookAhead { threads, smallest_part: smallest_part.max(1), under_way: Vec::new() }
    }

    /// Begins with the plans of a page: each thread with a part of neighbours.
    pub(crate) fn begin(&mut self, subjects: &[Subject]) {
        let part = subjects.len().div_ceil(self.threads.len().max(1)).max(self.smallest_part);
        let begun =
            self.threads.iter().zip(subjects.chunks(part)).filter_map(|(thread, part)| thread.begin(part.to_vec()));
        self.under_way = begun.collect();
    }

    /// The plans that were begun. Those of a thread that is gone are missing: they are made where they are needed.
    pub(crate) async fn plans(&mut self) -> Result<HashMap<Subject, Decided>, StoreError> {
        let mut made = HashMap::new();
        for answer in std::mem::take(&mut self.under_way) {
            let Ok(plans) = answer.await else { continue };
            made.extend(plans?.into_iter().map(|decided| (decided.plan.subject, decided)));
        }
        Ok(made)
    }
}

impl Ahead {
    fn new(reader: StoreReader, run: Arc<RunInputs>) -> Self {
        let (work, orders) = mpsc::channel::<(Vec<Subject>, oneshot::Sender<Answer>)>();
        let thread = std::thread::spawn(move || {
            while let Ok((subjects, reply)) = orders.recv() {
                let plans = reader
                    .view(|view| decide_page(&subjects, &run, 1, |questions, answers| view.answer(questions, answers)));
                // Nobody waits for it any longer when the step ended early.
                let _not_wanted = reply.send(plans);
            }
        });
        Ahead { work: Some(work), thread: Some(thread) }
    }

    fn begin(&self, subjects: Vec<Subject>) -> Option<oneshot::Receiver<Answer>> {
        let (reply, answer) = oneshot::channel();
        self.work.as_ref()?.send((subjects, reply)).is_ok().then_some(answer)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it was one of a decision, which shows itself when that decision is made here.
            let _ended = thread.join();
        }
    }
}
