//! Decides subjects: asks the store what the kernel does not know yet, round by round, and lets several threads decide.
//! Writes nothing. The result is the same for any number of threads.

use crate::digest::plan_number;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use sync_kernel::{
    Begun, Neighbourhood, ObjectError, ObjectPlan, Question, ReadSet, RunInputs, Subject, Undecided, decide_further,
};
use sync_rules::RuleSet;
use sync_store::{Store, StoreError};

/// Rounds of questions for one object (S64).
pub(crate) const MAX_ROUNDS: usize = 10;
/// Subjects that one thread takes at a time; fewer in all are decided on the calling thread.
const CHUNK: usize = 32;
/// Subjects that one thread decides with one neighbourhood: few enough for everything that is known around them to stay in
/// the processor's cache until it is dropped again.
const PART: usize = 64;

/// What a run brings to its decisions. `trace` records how each attribute came to be, for preview and `explain`.
pub(crate) fn run_inputs(store: &Store, rules: &RuleSet, now: i64, trace: bool) -> Result<RunInputs, StoreError> {
    Ok(RunInputs {
        rules: rules.clone().into(),
        schemas: store.schemas()?,
        now,
        rules_changed: false,
        trace,
        own_accounts: store.own_accounts()?.into_iter().map(Into::into).collect(),
    })
}

/// A plan with the number that its digest shows; both are made by the threads that decide.
pub(crate) struct Decided {
    pub(crate) plan: ObjectPlan,
    pub(crate) number: u128,
    /// What it was made from is as it wants it already.
    pub(crate) changes_nothing: bool,
}

impl Decided {
    fn of(plan: ObjectPlan, answers: &Neighbourhood) -> Self {
        Decided { number: plan_number(&plan), changes_nothing: plan.changes_nothing_of(answers), plan }
    }
}

/// Decides all subjects, part by part. `answer` must tell one view of the store throughout; of each part it is asked once per
/// round for everything that is missing. An object that is still undecided after the last round is in error, and nothing
/// else is.
pub(crate) fn decide_page(
    subjects: &[Subject],
    run: &RunInputs,
    workers: usize,
    mut answer: impl FnMut(&[Question], &mut Neighbourhood) -> Result<(), StoreError>,
) -> Result<Vec<Decided>, StoreError> {
    let mut decided = Vec::with_capacity(subjects.len());
    for part in subjects.chunks(PART * workers.max(1)) {
        decided.extend(decide_part(part, run, workers, &mut answer)?);
    }
    Ok(decided)
}

/// The same against one neighbourhood.
fn decide_part(
    subjects: &[Subject],
    run: &RunInputs,
    workers: usize,
    answer: &mut impl FnMut(&[Question], &mut Neighbourhood) -> Result<(), StoreError>,
) -> Result<Vec<Decided>, StoreError> {
    let mut answers = Neighbourhood::default();
    let first: Vec<Question> = subjects.iter().map(|subject| about(*subject)).collect();
    answer(&first, &mut answers)?;
    // What a link leads to is read in any case: asked for before anything is decided half without it.
    let linked: Vec<Question> = subjects
        .iter()
        .filter_map(|subject| match subject {
            Subject::Connector(id) => answers.known_connector(*id)?.link.as_ref().map(|link| link.mv),
            Subject::Metaverse(_) => None,
        })
        .map(Question::Metaverse)
        .collect();
    answer(&linked, &mut answers)?;
    let others: Vec<Question> = linked
        .iter()
        .chain(&first)
        .filter_map(|question| match question {
            Question::Metaverse(mv) => answers.known_metaverse(*mv),
            _ => None,
        })
        .flat_map(|mv| mv.links.iter().copied().map(Question::Connector))
        .collect();
    answer(&others, &mut answers)?;
    let mut plans: Vec<Option<Decided>> = subjects.iter().map(|_| None).collect();
    let mut open: Vec<usize> = (0..subjects.len()).collect();
    let begun: Vec<Mutex<Begun>> = subjects.iter().map(|_| Mutex::default()).collect();
    for round in 0..=MAX_ROUNDS {
        let mut missing: BTreeSet<Question> = BTreeSet::new();
        let mut still_open = Vec::new();
        for (position, outcome) in decide_all(subjects, &open, &begun, &answers, run, workers) {
            match outcome {
                Ok(plan) => plans[position] = Some(plan),
                Err(Undecided(questions)) => {
                    missing.extend(questions);
                    still_open.push(position);
                }
            }
        }
        open = still_open;
        if open.is_empty() {
            break;
        }
        if round < MAX_ROUNDS {
            let missing: Vec<Question> = missing.into_iter().collect();
            answer(&missing, &mut answers)?;
        }
    }
    let made = |(plan, subject): (Option<Decided>, &Subject)| {
        plan.unwrap_or_else(|| Decided::of(undecided(*subject), &answers))
    };
    Ok(plans.into_iter().zip(subjects).map(made).collect())
}

/// One subject by itself.
pub(crate) fn decide_one(
    subject: Subject,
    run: &RunInputs,
    answer: impl FnMut(&[Question], &mut Neighbourhood) -> Result<(), StoreError>,
) -> Result<Decided, StoreError> {
    let plans = decide_page(&[subject], run, 1, answer)?;
    Ok(plans.into_iter().next().unwrap_or_else(|| Decided::of(undecided(subject), &Neighbourhood::default())))
}

fn about(subject: Subject) -> Question {
    match subject {
        Subject::Connector(id) => Question::Connector(id),
        Subject::Metaverse(id) => Question::Metaverse(id),
    }
}

/// Decides the open subjects, on several threads when there are many. In the order of their positions.
fn decide_all(
    subjects: &[Subject],
    open: &[usize],
    begun: &[Mutex<Begun>],
    answers: &Neighbourhood,
    run: &RunInputs,
    workers: usize,
) -> Vec<(usize, Result<Decided, Undecided>)> {
    let one = |position: usize| {
        // Each is held by the one thread that decides it; what a panic left is not taken up, as the panic goes on.
        let mut begun = begun[position].lock().unwrap_or_else(PoisonError::into_inner);
        let plan = decide_further(subjects[position], answers, run, &mut begun);
        (position, plan.map(|plan| Decided::of(plan, answers)))
    };
    if workers <= 1 || open.len() <= CHUNK {
        return open.iter().map(|position| one(*position)).collect();
    }
    let next = AtomicUsize::new(0);
    let chunks: Vec<&[usize]> = open.chunks(CHUNK).collect();
    let mut outcomes: Vec<(usize, Result<Decided, Undecided>)> = std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                done.extend(chunk.iter().map(|position| one(*position)));
            }
            done
        };
        let threads: Vec<_> = (0..workers.min(chunks.len())).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .flat_map(|thread| match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    });
    outcomes.sort_by_key(|(position, _)| *position);
    outcomes
}

/// The object keeps everything as it is, and says why.
fn undecided(subject: Subject) -> ObjectPlan {
    ObjectPlan {
        subject,
        counter: matches!(subject, Subject::Connector(_)).then_some(sync_kernel::InboundCounter::FlowFailure),
        promote: false,
        remove_subject: false,
        state: None,
        links: Vec::new(),
        metaverse: Vec::new(),
        targets: Vec::new(),
        error: Some(ObjectError {
            code: "extension-provisioning-call-limit-reached".into(),
            message: format!("what it depends on was still not known after {MAX_ROUNDS} rounds of questions"),
            rule: None,
            attribute: None,
        }),
        scopes: Vec::new(),
        join: None,
        revisit: BTreeSet::new(),
        rejoin: BTreeSet::new(),
        facts_wanted: BTreeSet::new(),
        reads: ReadSet::default(),
    }
}
