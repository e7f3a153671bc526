//! The kernel alone: decides the very objects of a deployment's store with everything that they ask for in memory, and times
//! nothing but deciding. Also the plain pass over all images. Reads the store; writes nothing.

use super::{DriverError, Measured};
use std::hint::black_box;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use sync_kernel::{Neighbourhood, Question, RunInputs, Subject, decide};
use sync_store::{ScannedImage, Store};

/// Objects that are decided at most; more of them are sampled evenly.
const SAMPLE: u64 = 20_000;
const PAGE: usize = 500;
/// Rounds of questions that an engine allows one object.
const ROUNDS: usize = 12;

/// What deciding costs on one core.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Deciding {
    /// Objects of the space.
    pub objects: u64,
    pub decided: u64,
    pub seconds_of_all: f64,
}

/// A deployment's store with its own rules, for reading.
pub struct Opened {
    store: Store,
    run: RunInputs,
}

/// # Errors
/// When the deployment cannot be read.
pub fn open(folder: &Path) -> Measured<Opened> {
    let loaded = sync_rules::load_folder(folder);
    let (Some(deployment), Some(rules)) = (loaded.deployment, loaded.rules) else {
        return Err(DriverError::Failed(format!("{}: {:?}", folder.display(), loaded.diagnostics)));
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let mut store = Store::open_read_only(&deployment.store)?;
    store.register_rules(&rules, now)?;
    let own_accounts = store.own_accounts()?.into_iter().map(Into::into).collect();
    let run = RunInputs {
        rules: rules.into(),
        schemas: store.schemas()?,
        now,
        rules_changed: false,
        trace: false,
        own_accounts,
    };
    Ok(Opened { store, run })
}

/// Objects of a connector that a full synchronisation looks at.
///
/// # Errors
/// When the store cannot be read.
pub fn objects(opened: &Opened, connector: &str) -> Measured<u64> {
    Ok(opened.store.staging_count(connector)?)
}

/// Decides the objects of a connector, each once, with everything it asks about answered before the clock starts.
///
/// # Errors
/// When the store cannot be read.
pub fn decide_all(opened: &Opened, connector: &str) -> Measured<Deciding> {
    let Opened { store, run } = opened;
    let objects = store.staging_count(connector)?;
    let every = objects.div_ceil(SAMPLE).max(1);
    let (mut decided, mut seconds, mut after, mut page_number) = (0u64, 0.0, None, 0u64);
    loop {
        let page = store.staging_page(connector, after, PAGE)?;
        let Some(last) = page.last().copied() else { break };
        after = Some(last);
        page_number += 1;
        if !page_number.is_multiple_of(every) && every > 1 {
            continue;
        }
        let subjects: Vec<Subject> = page.into_iter().map(Subject::Connector).collect();
        let answers = neighbourhood(store, run, &subjects)?;
        let began = Instant::now();
        for subject in &subjects {
            drop(black_box(decide(*subject, &answers, run)));
        }
        seconds += began.elapsed().as_secs_f64();
        decided += subjects.len() as u64;
    }
    let seconds_of_all = if decided == 0 { 0.0 } else { seconds * objects as f64 / decided as f64 };
    Ok(Deciding { objects, decided, seconds_of_all })
}

fn neighbourhood(store: &Store, run: &RunInputs, subjects: &[Subject]) -> Measured<Neighbourhood> {
    let mut answers = Neighbourhood::default();
    let mut open: Vec<Question> = subjects
        .iter()
        .map(|subject| match subject {
            Subject::Connector(id) => Question::Connector(*id),
            Subject::Metaverse(id) => Question::Metaverse(*id),
        })
        .collect();
    for _ in 0..ROUNDS {
        store.answer(&open, &mut answers)?;
        let mut asked = std::collections::BTreeSet::new();
        for subject in subjects {
            if let Err(undecided) = decide(*subject, &answers, run) {
                asked.extend(undecided.0);
            }
        }
        if asked.is_empty() {
            return Ok(answers);
        }
        open = asked.into_iter().collect();
    }
    Err(DriverError::Failed(format!("some objects were still asking after {ROUNDS} rounds")))
}

/// Every image of the store, read and taken apart.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Scanned {
    pub images: u64,
    pub bytes: u64,
    pub seconds: f64,
}

/// # Errors
/// When the store cannot be read.
pub fn scan(opened: &Opened) -> Measured<Scanned> {
    let began = Instant::now();
    let mut bytes = 0;
    let images = opened.store.scan_images(|kept, image| {
        bytes += kept.len() as u64;
        drop(black_box(image));
    })?;
    Ok(Scanned { images, bytes, seconds: began.elapsed().as_secs_f64() })
}

/// The bytes of every image, for writing them elsewhere.
///
/// # Errors
/// When the store cannot be read.
pub fn images(opened: &Opened, mut each: impl FnMut(&[u8])) -> Measured<u64> {
    Ok(opened.store.scan_images(|bytes, _image: ScannedImage| each(bytes))?)
}
