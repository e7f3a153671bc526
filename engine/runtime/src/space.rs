//! What steps say of a whole connector space. Decides nothing.

/// The reason that a change of rules leaves with every connector.
pub(crate) const RULES_CHANGED: &str = "the synchronisation rules changed";
