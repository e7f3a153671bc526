//! The readiness report: who of a directory would be matched with whom in a tenant, who would be created, and what should be
//! mended first. Reading inventories (`read`, `columns`), judging them (`judge`, pure: the same inventories give the same
//! report) and showing the report (`render`) are apart, so that inventories may come from elsewhere than from files. Connects
//! to nothing and writes only the files that were asked for.

mod columns;
mod inventory;
mod read;
// The judgement.
mod finding;
mod judge;
mod names;
mod tenant_index;
// Showing it.
mod fix;
mod html;
mod tables;

#[cfg(test)]
mod planted_tests;
#[cfg(test)]
mod tests;

pub(crate) use columns::Side;
pub(crate) use finding::Weight;
pub(crate) use fix::{ldif, powershell};
pub(crate) use html::page;
pub(crate) use inventory::Inventories;
pub(crate) use judge::{Options, judge};
pub(crate) use read::{ReadProblem, read};
pub(crate) use tables::{csv, json, text};
