//! Figures about one connector space that steps and reports share. Reads; decides nothing.

use sync_kernel::{CsId, MemoryState};
use sync_store::{SpaceCounts, Store, StoreError};

/// Objects of one page of a scan.
const PAGE: usize = 1_000;

/// The reason that a change of rules leaves with every connector.
pub(crate) const RULES_CHANGED: &str = "the synchronisation rules changed";

/// How many objects the connected system returned as far as is known: what a full import is measured against (SF15).
pub(crate) fn imported_count(store: &Store, connector: &str) -> Result<u64, StoreError> {
    let counts = store.counts(connector)?;
    let known = store.space_size(connector)? + counts.containers;
    Ok(known.saturating_sub(counts.import_delete))
}

/// Objects with something to send.
pub(crate) fn pending_exports(counts: &SpaceCounts) -> u64 {
    counts.export_add + counts.export_update + counts.export_delete
}

/// Objects with sent values that no import has confirmed yet (O44).
pub(crate) fn unconfirmed(store: &Store, connector: &str) -> Result<u64, StoreError> {
    let mut count = 0;
    let mut after = None;
    loop {
        let page = store.list_objects(connector, after, PAGE)?;
        let Some(last) = page.last().map(|object| object.id) else {
            return Ok(count);
        };
        after = Some(last);
        for summary in page {
            let Some(object) = store.object(summary.id)? else { continue };
            let waits =
                object.memory.attributes.values().any(|remembered| remembered.state == MemoryState::Unconfirmed);
            count += u64::from(waits || has_unconfirmed_members(store, object.id)?);
        }
    }
}

fn has_unconfirmed_members(store: &Store, object: CsId) -> Result<bool, StoreError> {
    let mut after = None;
    loop {
        let page = store.pending_members(object, after, PAGE)?;
        let Some(last) = page.last().map(|pending| pending.member) else {
            return Ok(false);
        };
        if page.iter().any(|pending| matches!(pending.state, "unconfirmed" | "in-flight")) {
            return Ok(true);
        }
        after = Some(last);
    }
}
