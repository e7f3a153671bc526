//! Batches on their way: they leave by themselves, so many at a time, and none after one that could not be sent.

use super::directory::Weather;
use super::setup::Lab;
use crate::send::Sending;
use metaverse_schema::{Anchor, Attributes, AttributesDelta, Value, Values};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use sync_kernel::{CsId, PendingExport, PendingOperation, SentState};
use sync_store::ExportEntry;

const WAIT: Duration = Duration::from_millis(250);

/// Another title for five objects of the target, one a batch.
fn sending(lab: &Lab, in_flight: usize) -> Sending {
    lab.dir.behave(|behaviour| behaviour.batch = 1);
    let entries: Vec<ExportEntry> = (1..=5)
        .map(|number| {
            lab.dir.put(&format!("d{number}"), "user", &[("stamp", &number.to_string())]);
            let mut changes = AttributesDelta::default();
            changes.set("title", Values::single(Value::text("Chef")));
            let (rename, afterwards, takeover) = (None, AttributesDelta::default(), false);
            ExportEntry {
                id: CsId(number),
                object_type: "user".into(),
                anchor: Some(Anchor::Text(format!("d{number}"))),
                dn: None,
                mv: None,
                pending: Some(PendingExport {
                    operation: PendingOperation::Update { rename, changes, afterwards, takeover },
                    state: SentState::InFlight,
                    grace: None,
                }),
                references: Vec::new(),
                was_in_flight: false,
                unanswered: Attributes::new(),
                more_references: false,
                waits_for: None,
                holds_others: false,
                reclaims: false,
                unseen: false,
            }
        })
        .collect();
    let order: Vec<Vec<usize>> = (0..entries.len()).map(|position| vec![position]).collect();
    let mut sending = Sending::new(Arc::clone(&lab.dir) as _, in_flight);
    sending.add(entries, BTreeMap::new());
    sending.enqueue(&order, 1);
    sending
}

/// While outcomes are being committed, nobody asks for the next batch: it leaves all the same, so that the system is kept busy.
#[tokio::test]
async fn batches_leave_while_outcomes_are_committed() {
    let lab = Lab::new();
    let mut sending = sending(&lab, 2);
    assert!(sending.advance(WAIT).await);
    // What the store does now takes long enough for all of them.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let written: Vec<String> = (1..=5).map(|number| format!("update {number} title")).collect();
    assert_eq!(lab.written(), written, "in their order");
    assert_eq!(sending.waiting(), 1, "only the first answer was taken");
    while sending.advance(WAIT).await {}
    assert_eq!(sending.take_outcomes().len(), 5);
    assert!(sending.take_unsent("not sent").is_empty());
}

/// A batch that could not be sent is the last one, though those behind it were ready to leave.
#[tokio::test]
async fn nothing_leaves_after_a_batch_that_could_not_be_sent() {
    let lab = Lab::new();
    let mut sending = sending(&lab, 1);
    lab.dir.behave(|behaviour| behaviour.weather = Some(Weather { draws: 1, busy: 100, bad: 0 }));
    while sending.advance(WAIT).await {}
    assert!(sending.take_failure().is_some());
    let back_offs = lab.dir.state().met.get("back-offs").copied();
    assert_eq!((back_offs, lab.written().len()), (Some(1), 0));
    assert_eq!(sending.take_unsent("not sent").len(), 5, "all of them are as they were");
}
