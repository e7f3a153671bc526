//! The readiness report: who of a directory would be matched with whom in a tenant, who would be created, and what should be
//! mended first. Reading inventories (`read`, `columns`), judging them (`judge`, pure: the same inventories give the same
//! report) and showing it are apart, so that inventories come from files and from the systems themselves
//! (`commands/assess/`). Connects to nothing and writes nothing.

mod columns;
mod inventory;
mod read;
// The judgement.
mod finding;
mod judge;
mod names;
mod people_index;
mod surroundings;
mod tenant_index;
// Showing it.
mod fix;
mod html;
mod tables;

#[cfg(test)]
mod planted_tests;
#[cfg(test)]
mod tests;

pub(crate) use columns::{Column, Side};
pub(crate) use finding::{Class, Remark, Weight};
pub(crate) use fix::{ldif, powershell};
pub(crate) use html::{escaped, page};
pub(crate) use inventory::{CloudKind, CloudObject, Inventories, Inventory, OtherHolder, Person, all_addresses};
pub(crate) use judge::{Assessment, Line, Options, judge};
pub(crate) use read::{ReadProblem, decoded, read};
pub(crate) use surroundings::{HeldOther, Others, System, SystemFinding};
pub(crate) use tables::{csv, json, text};
