//! Makes the plans of the next page of a synchronisation while the present one is applied: a thread with its own view of the
//! store. A plan that the present page overtakes is stale, and is made again when its turn comes; so the result is the same as
//! without. Writes nothing.

use crate::decide_page::{Decided, decide_page};
use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use sync_kernel::{RunInputs, Subject};
use sync_store::{StoreError, StoreReader};
use tokio::sync::oneshot;

type Answer = Result<Vec<Decided>, StoreError>;

/// The thread, and the page it is at.
pub(crate) struct LookAhead {
    work: Option<mpsc::Sender<(Vec<Subject>, oneshot::Sender<Answer>)>>,
    thread: Option<JoinHandle<()>>,
    under_way: Option<oneshot::Receiver<Answer>>,
}

impl LookAhead {
    pub(crate) fn new(reader: StoreReader, run: Arc<RunInputs>, workers: usize) -> Self {
        let (work, orders) = mpsc::channel::<(Vec<Subject>, oneshot::Sender<Answer>)>();
        let thread = std::thread::spawn(move || {
            while let Ok((subjects, reply)) = orders.recv() {
                let plans = reader.view(|view| {
                    decide_page(&subjects, &run, workers, |questions, answers| view.answer(questions, answers))
                });
                // Nobody waits for it any longer when the step ended early.
                let _not_wanted = reply.send(plans);
            }
        });
        LookAhead { work: Some(work), thread: Some(thread), under_way: None }
    }

    /// Begins with the plans of a page.
    pub(crate) fn begin(&mut self, subjects: Vec<Subject>) {
        let (reply, answer) = oneshot::channel();
        if let Some(work) = &self.work
            && work.send((subjects, reply)).is_ok()
        {
            self.under_way = Some(answer);
        }
    }

    /// The plans that were begun; none when none were, or the thread is gone: then they are made where they are needed.
    pub(crate) async fn plans(&mut self) -> Result<HashMap<Subject, Decided>, StoreError> {
        let Some(answer) = self.under_way.take() else { return Ok(HashMap::new()) };
        let Ok(plans) = answer.await else { return Ok(HashMap::new()) };
        Ok(plans?.into_iter().map(|decided| (decided.plan.subject, decided)).collect())
    }
}

impl Drop for LookAhead {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it was one of a decision, which shows itself when that decision is made here.
            let _ended = thread.join();
        }
    }
}
