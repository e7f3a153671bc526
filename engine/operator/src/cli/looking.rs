//! `metasync preview`, `explain`, `test`, `search`, `dump`, `pending`, `history`, `eval`: what can be typed to see how things stand and why.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "With --rules and no object: what these rules would change over the whole metaverse. Both rule \
    sets are synchronised in full on copies of the store in a temporary folder; the deployment's folder stays as it is."
)]
pub(crate) struct PreviewArgs {
    /// A connector, or `mv` for the metaverse
    #[arg(requires = "object", required_unless_present = "rules")]
    pub(crate) connector: Option<String>,
    /// DN, anchor, sign-in name, mail, sAMAccountName or display name
    pub(crate) object: Option<String>,
    /// Decide by the rules of this folder instead of the deployment's; without an object, over the whole metaverse
    #[arg(long, value_name = "DIR")]
    pub(crate) rules: Option<PathBuf>,
    /// What a full synchronisation would do
    #[arg(long, requires = "object")]
    pub(crate) full: bool,
    /// What a delta synchronisation would do: nothing, unless something is pending for the object [default]
    #[arg(long, requires = "object", conflicts_with = "full")]
    pub(crate) delta: bool,
    /// As if the connector had imported this value; several of one attribute are its values, ATTRIBUTE= is none
    #[arg(long, value_name = "ATTRIBUTE=VALUE", requires = "object")]
    pub(crate) set: Vec<String>,
    /// Of a rule change: only lines about this attribute
    #[arg(long, value_name = "NAME", conflicts_with = "object")]
    pub(crate) attribute: Option<String>,
    /// Of a rule change: most lines to show
    #[arg(long, default_value_t = 50, conflicts_with = "object")]
    pub(crate) limit: usize,
    /// Of a rule change: lines to pass over, for the next page
    #[arg(long, default_value_t = 0, value_name = "LINES", conflicts_with = "object")]
    pub(crate) skip: usize,
    /// Of a rule change: all lines as CSV on stdout
    #[arg(long, conflicts_with_all = ["json", "object"])]
    pub(crate) csv: bool,
    /// Do not ask the target for roles of match candidates
    #[arg(long)]
    pub(crate) offline: bool,
    /// Show attributes that do not change too
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ExplainArgs {
    /// DN, anchor, sign-in name, mail, sAMAccountName or display name; `CONNECTOR:NAME` looks in one connector space
    pub(crate) object: String,
    /// An attribute of the metaverse or of a target, or for a group the name of a member
    pub(crate) what: Option<String>,
    /// Most missing members of a group to show
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
    /// Missing members to pass over, for the next page
    #[arg(long, default_value_t = 0, value_name = "MEMBERS")]
    pub(crate) skip: usize,
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "The format of the files stands in docs/rules-reference.md. The tests run on systems in memory \
    and a temporary store: no connected system is asked, and nothing in the deployment changes."
)]
pub(crate) struct TestArgs {
    /// Test files [default: tests/*.toml of the deployment]
    pub(crate) files: Vec<PathBuf>,
    /// Test the rules of this folder instead of the deployment's; its own tests/, if it has any
    #[arg(long, value_name = "DIR")]
    pub(crate) rules: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SearchArgs {
    /// `mv` or a connector
    pub(crate) space: String,
    /// Part of a DN, name, address or anchor; `*` for all
    pub(crate) query: String,
    /// Most hits to show
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DumpArgs {
    /// `mv` or a connector
    pub(crate) space: String,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PendingArgs {
    /// The connector that would be written to, such as `cloud`
    pub(crate) connector: String,
    /// CSV on stdout, with object modification type (OMODT) and attribute modification type (AMODT) columns
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// Most lines of each list
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct HistoryArgs {
    /// `NUMBER`, or `CONNECTOR/NUMBER`
    pub(crate) run: Option<String>,
    /// Show the errors of the objects
    #[arg(long)]
    pub(crate) errors: bool,
    /// Show the numbered events of password synchronisation instead of runs
    #[arg(long, conflicts_with_all = ["run", "errors"])]
    pub(crate) events: bool,
    /// Most runs, or events, to show
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: usize,
}

#[derive(Debug, Clone, Default, Args)]
#[command(after_long_help = EVAL_HELP)]
pub(crate) struct EvalArgs {
    /// The expression, as it would stand in a rule
    #[arg(allow_hyphen_values = true)]
    pub(crate) expression: String,
    /// Value of an attribute, NAME=VALUE or NAME:KIND=VALUE; may be repeated, also for several values of one attribute
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) attr: Vec<String>,
    /// JSON file with one object: attribute names and their values
    #[arg(long, value_name = "FILE.json")]
    pub(crate) attrs: Option<PathBuf>,
    /// Value of a parameter `%NAME%`; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) param: Vec<String>,
    /// The time that `Now()` gives, in any form that CDate reads [default: the present]
    #[arg(long, value_name = "INSTANT")]
    pub(crate) now: Option<String>,
}

const EVAL_HELP: &str = "\
Values of --attr: an attribute of Active Directory has the kind that it has there (userAccountControl is a number, objectGUID is binary, \
manager is a reference, dn is one too); every other value is a text, `5` and `True` as well. KIND says otherwise: text, integer, boolean, \
binary (base64, or a GUID or SID as text), reference (a DN). NAME= is the empty text; an attribute that is not given is absent.

Values in --attrs: strings, numbers, True and False as JSON has them, null for absent, arrays for several values, \
{\"binary\": base64} and {\"reference\": DN}. A string of an attribute that is a reference in Active Directory is a reference. \
--attr replaces what the file says of an attribute.

Values of --param: True and False, whole numbers, and texts; NAME:KIND=VALUE says otherwise.

With --json the answer is {\"value\": ..., \"type\": ...}: NULL is null, a date an ISO 8601 string, a reference its DN, binary \
{\"binary\": base64}, several values an array. Types: text, integer, boolean, binary, reference, date, null, authoritative-null, \
ignore-this-flow; of several values `multi text` and so on, `multi mixed` when they differ. A mistake is \
{\"error\": {\"code\": ..., \"message\": ...}}, with exit code 1.

Guid and RandomNum draw anew each time here; in a rule they draw once for each object and attribute.";
