//! `metasync scope ...`: what can be typed about who is read and who is synchronised.

use clap::{Args, Subcommand};

#[derive(Debug, Clone, Args)]
pub(crate) struct ScopeArgs {
    #[command(subcommand)]
    pub(crate) action: ScopeAction,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ScopeAction {
    /// Who is synchronised and why: containers, pilot groups, people by name, filters of the rules
    List {
        connector: String,
        /// Do not ask the directory
        #[arg(long)]
        offline: bool,
        /// Show the directory's own containers too
        #[arg(long)]
        all: bool,
    },
    /// Read one more container
    #[command(visible_alias = "add")]
    AddOu(ScopeContainer),
    /// Read one container less
    #[command(visible_alias = "remove")]
    RemoveOu(ScopeContainer),
    /// Synchronise people, contacts or groups by name, beside the members of the pilot groups
    AddUser {
        #[command(flatten)]
        change: ScopeNames,
        /// Begin a pilot: nobody else is synchronised
        #[arg(long)]
        only: bool,
    },
    /// Take people, contacts or groups out of scope by name, whatever else selects them
    RemoveUser {
        #[command(flatten)]
        change: ScopeNames,
    },
    /// Synchronise the members of a pilot group; with the first one nobody else is in scope
    AddGroup {
        #[command(flatten)]
        change: ScopeNames,
        /// Members of members count too, of all pilot groups of the connector
        #[arg(long)]
        nested: bool,
    },
    /// Take a pilot group off the list; its members leave scope
    RemoveGroup {
        #[command(flatten)]
        change: ScopeNames,
    },
    /// End a pilot: everybody who is read is in scope, but those taken out by name
    Everybody {
        connector: String,
        #[command(flatten)]
        save: ScopeSave,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ScopeContainer {
    pub(crate) connector: String,
    /// DN of the container
    pub(crate) container: String,
    #[command(flatten)]
    pub(crate) save: ScopeSave,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ScopeNames {
    pub(crate) connector: String,
    /// Account name, sign-in name, address, display name, DN or anchor
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) save: ScopeSave,
}

/// Who comes and goes is shown first, with what the guard says; saved is what the operator agrees to.
#[derive(Debug, Clone, Args)]
pub(crate) struct ScopeSave {
    /// Save without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Show only, never ask
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Read no roles of match candidates in the target
    #[arg(long)]
    pub(crate) offline: bool,
}
