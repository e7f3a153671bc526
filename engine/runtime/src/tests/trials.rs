//! A cycle that is only tried: it decides what a run would, and leaves systems and deployment as they were.

use super::setup::{Lab, Settings};
use crate::{CycleKind, EngineError, NoEvents, StopSignal, Trial, TrialRequest};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use sync_kernel::Digest;
use sync_store::HoldFilter;

async fn tried(lab: &Lab, stop: StopSignal) -> Result<Trial, EngineError> {
    let (deployment, rules) = lab.configuration();
    let request = TrialRequest {
        deployment: &deployment,
        rules: &rules,
        connectors: lab.connectors(),
        now: lab.now,
        events: Arc::new(NoEvents),
        stop,
    };
    Trial::make(&request).await
}

fn bytes(lab: &Lab) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(lab.folder.path()).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// What is held and pending for the target.
fn decided(trial: &Trial) -> (Vec<String>, u64) {
    let store = trial.store();
    let held = store.holds(&HoldFilter::default(), 100).unwrap();
    (held.into_iter().map(|line| format!("{} {}", line.name, line.hold.code)).collect(), trial.report.pending["dir"])
}

/// SF5: before the first run and after it, what a cycle would come to is seen, nothing is written, and the deployment's folder is
/// the same to the byte. What an operator let through in the deployment counts.
#[tokio::test]
async fn a_tried_cycle_decides_like_a_run_and_leaves_no_trace() {
    let lab = Lab::with(Settings { matching: "review", ..Settings::default() });
    (1..=2).for_each(|number| lab.hr.put_person(number));
    lab.dir.put("twin", "user", &[("mail", "person1@contoso.example"), ("displayName", "One"), ("enabled", "true")]);
    let trial = tried(&lab, StopSignal::new()).await.unwrap();
    assert_eq!(decided(&trial), (vec!["Person 1 match-candidate".to_owned()], 1));
    assert!(trial.not_read().is_empty(), "{:?}", trial.not_read());
    assert!(bytes(&lab).is_empty() && lab.written().is_empty());
    drop(trial);

    let report = lab.good_cycle(CycleKind::Initial).await;
    let list = report.waiting.iter().find(|list| list.kind == "match").unwrap();
    lab.engine().approve(&Digest::from_text(&list.digest)).unwrap();
    assert_eq!(lab.written().len(), 1);
    let before = bytes(&lab);
    lab.hr.put_person(3);
    assert_eq!(decided(&tried(&lab, StopSignal::new()).await.unwrap()), (Vec::new(), 2));
    assert!(bytes(&lab) == before && lab.written().is_empty());
}

/// A system that breaks off is named with its status; the operator's stop is told as such.
#[tokio::test]
async fn what_was_not_read_whole_is_named() {
    let lab = Lab::new();
    (1..=3).for_each(|number| lab.hr.put_person(number));
    lab.hr.behave(|behaviour| behaviour.breaks_after = Some(1));
    let trial = tried(&lab, StopSignal::new()).await.unwrap();
    let named: Vec<(String, bool)> =
        trial.not_read().into_iter().map(|system| (system.connector, system.message.is_empty())).collect();
    assert_eq!(named, [("hr".to_owned(), false)]);
    let stop = StopSignal::new();
    stop.stop();
    assert!(matches!(tried(&lab, stop).await.map(drop), Err(EngineError::Interrupted)));
}
