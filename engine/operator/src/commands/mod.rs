//! The commands, in the order in which an operator meets them. Each returns what it found; printing is the caller's.

pub(crate) mod assess;
pub(crate) mod check;
pub(crate) mod scope;

pub(crate) mod run;

pub(crate) mod passwords;

pub(crate) mod approve;
pub(crate) mod disconnect;
pub(crate) mod dump;
pub(crate) mod explain;
pub(crate) mod join;
pub(crate) mod matching;
pub(crate) mod pending;
pub(crate) mod preview;
pub(crate) mod search;
pub(crate) mod test;

pub(crate) mod licenses;

pub(crate) mod history;

pub(crate) mod eval;

pub(crate) mod switch_mode;
pub(crate) mod tenant;
pub(crate) mod tenant_sync;
pub(crate) mod undo_takeover;
