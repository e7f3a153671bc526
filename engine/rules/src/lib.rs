//! Rules and configuration: what an operator writes, checked. Reads texts (and, in `folder` alone, the files of a
//! deployment folder); never opens a connector, a store or a secret.

pub mod codes;
pub mod deployment;
pub mod diagnostic;
pub mod document;
pub mod expression;
pub mod folder;
pub mod model;
mod places;
pub mod rule_test;
mod selection;
pub mod shipped;
mod suggest;

pub use deployment::*;
pub use diagnostic::{Diagnostic, Severity, Sources};
pub use document::{
    CONFIGURATION_FILE, CONNECTOR_KINDS, CanonicalError, FileContent, FileText, Files, Loaded, RULES_FOLDER,
    check_against, check_groups, check_limits, load, read_canonical,
};
pub use expression::*;
pub use folder::{load_folder, read_file, read_rules, read_tests};
pub use model::*;
pub use places::{RulePlace, RulePlaces};
pub use rule_test::*;
pub use selection::{Listed, Selection, Selections, Watch};
pub use shipped::{
    CloudSchema, Package, ShippedOptions, SourceAnchor, shipped_rules, shipped_rules_for_another, shipped_tests,
};
