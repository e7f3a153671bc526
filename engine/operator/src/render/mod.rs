//! How results look to people. Pure: values in, text out.

pub(crate) mod counters;
pub(crate) mod explained;
pub(crate) mod holds;
pub(crate) mod objects;
pub(crate) mod passwords;
pub(crate) mod rule_change;
pub(crate) mod rule_tests;
pub(crate) mod runs;
pub(crate) mod undo;
