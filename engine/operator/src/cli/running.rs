//! `metasync run`, `cycle`, `passwords`: what can be typed to have systems read and written.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RunOptionsArgs {
    /// Export although the deployment is in staging mode
    #[arg(long)]
    pub(crate) force_export: bool,
    /// Take a full import that returned far fewer objects than before for true
    #[arg(long)]
    pub(crate) accept_shrunken_read: bool,
    /// Send again what a target refused, although neither side changed
    #[arg(long)]
    pub(crate) retry_refused: bool,
    /// Threads that decide [default: metasync.toml]; the result is the same for any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) workers: Option<u16>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// A connector of metasync.toml, such as `ad` or `cloud`
    pub(crate) connector: String,
    /// A run profile of metasync.toml, such as `full-import`
    pub(crate) profile: String,
    #[command(flatten)]
    pub(crate) options: RunOptionsArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum CycleKindArg {
    /// Full imports and full synchronisations
    Initial,
    #[default]
    /// What changed since the last one
    Delta,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CycleArgs {
    /// How much is read and decided
    #[arg(value_enum, default_value_t)]
    pub(crate) kind: CycleKindArg,
    /// Import and synchronise only, export nothing, whatever metasync.toml says
    #[arg(long, conflicts_with = "force_export")]
    pub(crate) staging: bool,
    #[command(flatten)]
    pub(crate) options: RunOptionsArgs,
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Off unless metasync.toml has [passwords] with `from` and `to`. Hashes are read, opened after the decision on their user, and kept \
    nowhere; what is kept is whose password was pushed when, and which version. See the operator guide before switching it on: the account \
    that may read hashes is as powerful as a domain administrator."
)]
pub(crate) struct PasswordsArgs {
    #[command(subcommand)]
    pub(crate) command: PasswordsCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum PasswordsCommand {
    /// Push what changed since the last pass, and what is owed
    Sync(PasswordsSyncArgs),
    /// Show how passwords stand: of all users, or of one
    Status(PasswordsStatusArgs),
    /// Make a pass every two minutes, until Ctrl-C; the object cycle goes on beside it
    Watch(PasswordsWatchArgs),
    /// Have the targets take password hashes: switches them on in the tenant, and changes nothing else there
    SwitchOn,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PasswordsSyncArgs {
    /// Read everything and push every password in scope again
    #[arg(long, conflicts_with = "object")]
    pub(crate) full: bool,
    /// Only this user, whatever the target has: DN, anchor, sign-in name, mail, sAMAccountName or display name
    #[arg(long, value_name = "OBJECT")]
    pub(crate) object: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PasswordsStatusArgs {
    /// DN, anchor, sign-in name, mail, sAMAccountName or display name
    pub(crate) object: Option<String>,
    /// Most users to list whose password did not arrive
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PasswordsWatchArgs {
    /// Seconds between passes
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) every_seconds: u64,
}
