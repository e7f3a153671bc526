//! `metasync tenant`, `tenant-sync`, `switch-mode`: what can be typed about a tenant as a whole.

use clap::{Args, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeChoice {
    /// Users, groups and contacts become objects that Active Directory masters
    Connect,
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Without --yes it asks on a terminal, and otherwise only shows. The files are changed whole or not at all, \
    and kept in before-connect-mode/; the deployment is in staging mode afterwards."
)]
pub(crate) struct SwitchModeArgs {
    /// The mode to go to
    #[arg(value_enum)]
    pub(crate) mode: ModeChoice,
    /// The Azure AD connector, where the deployment has several
    #[arg(long)]
    pub(crate) connector: Option<String>,
    /// Change the folder without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Clear onPremisesImmutableId of the users that carry it and have an address, so that the tenant matches them by that
    #[arg(long, conflicts_with = "offline")]
    pub(crate) clear_stamps: bool,
    /// Exchange the rule files although rules in them are not as they were shipped
    #[arg(long)]
    pub(crate) replace_changed: bool,
    /// Do not ask the tenant what stands in the way
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "The administrator signs in on another screen with the code that is shown; the token is kept nowhere. Switching off takes up to \
    72 hours, cannot be taken back meanwhile, and makes cloud objects of all synchronised ones."
)]
pub(crate) struct TenantSyncArgs {
    #[command(subcommand)]
    pub(crate) command: TenantSyncCommand,
    /// The Azure AD connector, where the deployment has several
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) connector: Option<String>,
    /// Switch off without being asked
    #[arg(long, global = true)]
    pub(crate) yes: bool,
    /// The public client that the administrator signs in to
    #[arg(long, value_name = "ID", global = true, default_value = connector_azure_ad::PUBLIC_CLIENT)]
    pub(crate) sign_in_client: String,
    /// Watch the switch for so long
    #[arg(long, value_name = "MINUTES", global = true, default_value_t = 5)]
    pub(crate) wait_minutes: u64,
    /// Look so often
    #[arg(long, value_name = "SECONDS", global = true, default_value_t = 10)]
    pub(crate) every_seconds: u64,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum TenantSyncCommand {
    /// Show the tenant's state
    Status,
    /// Have an administrator switch synchronisation on
    On,
    /// Have an administrator switch synchronisation off
    Off,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TenantArgs {
    /// Content of a new tenant, as JSON [default: tenant/seed.json of the deployment, where it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) seed: Option<PathBuf>,
    /// Keep the tenant in this file [default: tenant/state.json of the deployment; without one in memory]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Where to listen; loopback only [default: the port that metasync.toml names, else any free one]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Application that may ask for tokens [default: the one of metasync.toml]
    #[arg(long, value_name = "ID", requires = "client_secret")]
    pub(crate) client_id: Option<String>,
    /// Where its secret is: env:NAME, file:PATH or credential:NAME
    #[arg(long, value_name = "REFERENCE", requires = "client_id")]
    pub(crate) client_secret: Option<String>,
    /// Append every request to this file, one JSON document a line
    #[arg(long, value_name = "FILE")]
    pub(crate) request_log: Option<PathBuf>,
    /// Turn a knob: NAME=JSON, such as replication_delay_ms=2000; may be repeated
    #[arg(long, value_name = "NAME=JSON")]
    pub(crate) knob: Vec<String>,
    /// Write the process id to this file while the tenant runs
    #[arg(long, value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,
}
