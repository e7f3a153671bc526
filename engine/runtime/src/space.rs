//! Figures about one connector space that steps and reports share. Reads; decides nothing.

use sync_store::{Store, StoreError};

/// The reason that a change of rules leaves with every connector.
pub(crate) const RULES_CHANGED: &str = "the synchronisation rules changed";

/// How many objects the connected system returned as far as is known: what a full import is measured against (SF15).
pub(crate) fn imported_count(store: &Store, connector: &str) -> Result<u64, StoreError> {
    let counts = store.counts(connector)?;
    let known = store.space_size(connector)? + counts.containers;
    Ok(known.saturating_sub(counts.import_delete))
}
