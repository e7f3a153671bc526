//! `metasync match ...`: what can be typed about pairs of source objects and existing objects.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "A PAIR is the name of the first column of `match list`, or the name, sign-in name, an address, the DN or the anchor of either \
    object. A pair is known by the anchors of both objects: what is said about it outlives every import and every change of the rules, \
    until something else is said. Nothing is written to a connected system here: the next cycle decides by it."
)]
pub(crate) struct MatchArgs {
    #[command(subcommand)]
    pub(crate) action: MatchAction,
    /// Only pairs of this target
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) connector: Option<String>,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum MatchAction {
    /// List who would be matched with whom, by which key, and how each pair stands; ends with 3 while pairs wait
    List(MatchListArgs),
    /// Let pairs be taken over by the next cycle, rejected ones too
    Approve(MatchApproveArgs),
    /// Never match these pairs, and create nothing beside them, until they are approved
    Reject(MatchRejectArgs),
    /// Close the window: from then on a new match is an error on its object; changes metasync.toml
    Close(MatchCloseArgs),
    /// Show for each takeover, attribute by attribute, what the existing object holds and will hold
    Sheet(MatchSheetArgs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MatchKind {
    /// By the anchor stamp
    Hard,
    /// By the primary address or the sign-in name
    Soft,
    /// By the primary address
    Smtp,
    /// By the sign-in name
    Upn,
    /// By a secondary address: listed, and never matched
    Review,
    /// By the place where the object was to stand
    Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MatchState {
    Waiting,
    Approved,
    Rejected,
    Undone,
    Closed,
    Held,
    TakenOver,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct MatchListArgs {
    /// Only pairs that were found in this way
    #[arg(long, value_enum)]
    pub(crate) kind: Option<MatchKind>,
    /// Only pairs that stand like this; may be repeated [default: all but those that were taken over]
    #[arg(long, value_enum)]
    pub(crate) state: Vec<MatchState>,
    /// The whole list as CSV on stdout; with `decision` filled in it is what `match approve --file` reads
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// Most pairs to show
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct MatchApproveArgs {
    #[arg(value_name = "PAIR", required_unless_present_any = ["all", "file"], conflicts_with_all = ["all", "file"])]
    pub(crate) pairs: Vec<String>,
    /// Every pair that waits; without --yes they are only shown
    #[arg(long, conflicts_with = "file")]
    pub(crate) all: bool,
    /// The pairs of a list of `match list --csv`, as its column `decision` says: `approve`, `reject`, or nothing; without --yes they are
    /// only shown
    #[arg(long, value_name = "CSV")]
    pub(crate) file: Option<PathBuf>,
    /// Do it without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) note: String,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct MatchRejectArgs {
    #[arg(value_name = "PAIR", required = true)]
    pub(crate) pairs: Vec<String>,
    /// Why, for the list and the history
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) note: String,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct MatchCloseArgs {
    /// Close although pairs wait
    #[arg(long)]
    pub(crate) anyway: bool,
    /// Save without asking
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct MatchSheetArgs {
    /// Only these [default: every pair that waits, was approved or was taken over]
    #[arg(value_name = "PAIR")]
    pub(crate) pairs: Vec<String>,
    /// Show what stays as it is too; CSV, JSON and HTML always have it
    #[arg(long)]
    pub(crate) all: bool,
    /// A line for each attribute as CSV on stdout
    #[arg(long, conflicts_with_all = ["json", "html"])]
    pub(crate) csv: bool,
    /// Write the sheets as one HTML page
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Most sheets to show
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
}
