//! The command tree. Says what can be typed and what it means; carries nothing out.

mod matching;

pub(crate) use matching::{
    MatchAction, MatchApproveArgs, MatchArgs, MatchCloseArgs, MatchKind, MatchListArgs, MatchRejectArgs,
    MatchSheetArgs, MatchState,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Parser)]
#[command(
    name = "metasync",
    version,
    about = "Identity synchronisation: Active Directory, files and Azure AD (Microsoft Entra ID), by rules",
    long_about = "Identity synchronisation: Active Directory, files and Azure AD (Microsoft Entra ID), by rules.\n\n\
        A deployment is a folder: metasync.toml, rules/, tests/ and metasync.db. Everything that would change a \
        directory can be seen first: `preview`, `pending`, staging mode. Data goes to stdout, talk to stderr.",
    after_help = AFTER_HELP.as_str(),
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

static AFTER_HELP: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
    format!(
        "Exit codes:\n{}\nA first look: `metasync demo`. A deployment of your own: assess, init, check, cycle initial, pending, match, cycle, \
         in this order.",
        crate::exit::table()
    )
});

#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The deployment's folder
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = ".",
        env = "METASYNC_DEPLOYMENT",
        hide_env_values = true
    )]
    pub(crate) deployment: PathBuf,
    /// Print one JSON document on stdout instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print no progress and no advice
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Log to stderr; twice for debugging
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell the whole story on a sample directory and a rehearsal tenant
    Demo(DemoArgs),
    /// Write a deployment folder; never synchronises or exports by itself
    Init(InitArgs),
    /// Tell who would be matched, created or held, and what to mend first: from the systems, or from two CSV inventories
    Assess(AssessArgs),
    /// Show every mistake in the configuration, and whether every system can be reached
    Check(CheckArgs),
    /// List, add or remove the containers that a source connector reads
    Scope(ScopeArgs),
    /// Run one run profile of one connector
    Run(RunArgs),
    /// Run a whole cycle: imports, synchronisations, exports
    Cycle(CycleArgs),
    /// Synchronise passwords by their hashes, once or every two minutes, and show how they stand
    Passwords(PasswordsArgs),
    /// Show what a synchronisation of one object would do, attribute by attribute; writes nothing
    Preview(PreviewArgs),
    /// Say why: who contributed a value, by which rule, who lost; why joined, held or not exported
    Explain(ExplainArgs),
    /// Carry out the rule tests of tests/: given objects, expected values, joins and exports
    Test(TestArgs),
    /// Search the metaverse (`mv`) or a connector space
    Search(SearchArgs),
    /// Print every object of the metaverse (`mv`) or of a connector space, a line of JSON each
    Dump(DumpArgs),
    /// Show what is to be exported, what is held and what waits for an approval
    Pending(PendingArgs),
    /// Let exactly the list with this digest through
    Approve(ApproveArgs),
    /// List, approve or reject matches with existing objects; show what a takeover makes of each
    Match(MatchArgs),
    /// Join an object of a connector space to a metaverse object, whatever the rules find
    Join(JoinArgs),
    /// Keep an object of a connector space apart from every metaverse object, whatever the rules find
    Disconnect(DisconnectArgs),
    /// Give existing objects that were taken over back, with the values they had before; shows what it would do first
    UndoTakeover(UndoTakeoverArgs),
    /// Show past runs: steps, counters, errors down to the object
    History(HistoryArgs),
    /// Compute one expression, with the attributes and parameters given; needs no deployment
    Eval(EvalArgs),
    /// Start a rehearsal tenant on a loopback address, until Ctrl-C
    Tenant(TenantArgs),
    /// Show whether the tenant takes synchronised objects, or have an administrator switch that
    TenantSync(TenantSyncArgs),
    /// Take the deployment from Graph mode to Connect mode; shows who is matched by what before it changes anything
    SwitchMode(SwitchModeArgs),
}

impl Command {
    /// Its name in the JSON envelope.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Command::Demo(_) => "demo",
            Command::Init(_) => "init",
            Command::Assess(_) => "assess",
            Command::Check(_) => "check",
            Command::Scope(_) => "scope",
            Command::Run(_) => "run",
            Command::Cycle(_) => "cycle",
            Command::Passwords(_) => "passwords",
            Command::Preview(_) => "preview",
            Command::Explain(_) => "explain",
            Command::Test(_) => "test",
            Command::Search(_) => "search",
            Command::Dump(_) => "dump",
            Command::Pending(_) => "pending",
            Command::Approve(_) => "approve",
            Command::Match(_) => "match",
            Command::Join(_) => "join",
            Command::Disconnect(_) => "disconnect",
            Command::UndoTakeover(_) => "undo-takeover",
            Command::History(_) => "history",
            Command::Eval(_) => "eval",
            Command::Tenant(_) => "tenant",
            Command::TenantSync(_) => "tenant-sync",
            Command::SwitchMode(_) => "switch-mode",
        }
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Where to write the demo's deployment; a numbered folder beside it if it exists [default: metasync-demo]
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// Tell it in Graph mode: cloud users stay managed in the cloud, contacts and distribution lists are left out
    #[arg(long)]
    pub(crate) graph: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Source {
    /// A domain controller, by LDAP
    ActiveDirectory,
    /// A file as ldifde and ldapsearch write it
    Ldif,
    /// A table with columns named as in Active Directory
    Csv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Goal {
    /// People sign in to the cloud with their Active Directory password, AD masters the cloud users
    OnePassword,
    /// Attributes, groups and new accounts only; cloud users stay managed in the cloud
    Attributes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MatchingMode {
    /// List match candidates and join only what an approved list names
    Review,
    /// Join every match candidate at once
    Automatic,
    /// A new candidate is an error on that object
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SourceAnchorChoice {
    /// objectGUID: never changes while the account stays in its forest, and is lost when it moves to another
    Objectguid,
    /// mS-DS-ConsistencyGuid where it is set, otherwise objectGUID; writes nothing to the directory
    ConsistencyGuid,
    /// The same, and accounts without it are given their objectGUID there before they are exported to the cloud
    ConsistencyGuidWriteback,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PackageChoice {
    /// The technical attributes of Exchange; only where both sides belong to one Exchange organisation
    ExchangeHybrid,
    /// An account whose accountExpires has passed counts as disabled
    AccountExpires,
    /// Accounts of another forest as members of groups of this one
    ForeignPrincipals,
    /// Computers that registered themselves for hybrid join
    Devices,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EncryptionMode {
    /// TLS from the first byte, port 636
    Ldaps,
    /// TLS by StartTLS, port 389
    Starttls,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct InitArgs {
    /// Ask nothing; what is not given takes its default, and what has none is an error
    #[arg(long)]
    pub(crate) yes: bool,
    /// Name of the deployment, for reports [default: the folder's name]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Add one more source of this name to the deployment that exists, behind those that are there
    #[arg(long, value_name = "NAME")]
    pub(crate) add_source: Option<String>,
    /// Where people, groups and contacts come from
    #[arg(long, value_enum)]
    pub(crate) source: Option<Source>,
    /// Domain controller, HOST or HOST:PORT; may be repeated, in order of preference
    #[arg(long, value_name = "HOST")]
    pub(crate) server: Vec<String>,
    /// How the connection to the domain controller is protected [default: ldaps]
    #[arg(long, value_enum)]
    pub(crate) encryption: Option<EncryptionMode>,
    /// PEM file of the authority that signed the domain controller's certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The domain's naming context [default: the one the domain controller names]
    #[arg(long, value_name = "DN")]
    pub(crate) base: Option<String>,
    /// Account to sign in with: `DOMAIN\user`, `user@domain` or its DN
    #[arg(long, value_name = "USER")]
    pub(crate) bind_user: Option<String>,
    /// Where its password is: env:NAME, file:PATH or credential:NAME; never the password itself
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) password: Option<String>,
    /// Container to import with everything below; may be repeated [default: the whole domain]
    #[arg(long, value_name = "DN")]
    pub(crate) container: Vec<String>,
    /// LDIF or CSV file to read
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// What the synchronisation is for
    #[arg(long, value_enum)]
    pub(crate) goal: Option<Goal>,
    /// The tenant: its id or one of its verified domains
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Application (client) id of the app registration
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Where its secret is: env:NAME, file:PATH or credential:NAME; never the secret itself
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) client_secret: Option<String>,
    /// Microsoft Graph of a national cloud or of a rehearsal tenant
    #[arg(long, value_name = "URL")]
    pub(crate) graph_url: Option<String>,
    /// Token service of a national cloud or of a rehearsal tenant
    #[arg(long, value_name = "URL")]
    pub(crate) authority_url: Option<String>,
    /// What identifies an account in the cloud for all its life [default: consistency-guid]
    #[arg(long, value_enum)]
    pub(crate) source_anchor: Option<SourceAnchorChoice>,
    /// The attribute that people sign in to the cloud with, such as `mail` [default: userPrincipalName]
    #[arg(long, value_name = "ATTRIBUTE")]
    pub(crate) login_attribute: Option<String>,
    /// Give accounts without a sign-in name sAMAccountName@DOMAIN; without it they are listed and left out
    #[arg(long)]
    pub(crate) sign_in_name_fallback: bool,
    /// Rules beyond those that every deployment has; may be repeated
    #[arg(long, value_enum, value_name = "PACKAGE")]
    pub(crate) package: Vec<PackageChoice>,
    /// Whether new matches with existing cloud users are made [default: review]
    #[arg(long, value_enum)]
    pub(crate) matching: Option<MatchingMode>,
    /// Write a deployment that may export; without it, it starts in staging mode
    #[arg(long)]
    pub(crate) active: bool,
}

#[derive(Debug, Clone, Default, Args)]
#[command(
    after_help = "In a deployment (--deployment DIR) without --ad and --cloud, the report comes from the systems: every connector is \
read in full and everything is decided by the deployment's rules, in a private copy that is thrown away. Nothing is exported, and the \
deployment stays as it is. Beside each class stands what the engine decides.

With two files no deployment is needed. The directory's file has at least the columns Name,SamAccountName,EmailAddress, the tenant's file \
    userprincipalname,displayname,islicensed:

  Get-ADUser -Filter * -Properties EmailAddress | Select-Object Name,SamAccountName,EmailAddress | Export-Csv ad.csv -NoTypeInformation
  Get-MgUser -All -Property UserPrincipalName,DisplayName,AssignedLicenses | Select-Object UserPrincipalName,DisplayName,\
    @{n='isLicensed';e={$_.AssignedLicenses.Count -gt 0}} | Export-Csv cloud.csv -NoTypeInformation

What the files cannot answer is listed with the command that adds it. UTF-8 or UTF-16; comma, semicolon or tab. Ends with 3 \
when something is to be mended or decided before the first export, otherwise with 0."
)]
pub(crate) struct AssessArgs {
    /// Inventory of the directory: CSV, as Export-Csv writes it
    #[arg(long, value_name = "FILE", requires = "cloud")]
    pub(crate) ad: Option<PathBuf>,
    /// Inventory of the tenant: CSV, as Export-Csv writes it
    #[arg(long, value_name = "FILE", requires = "ad")]
    pub(crate) cloud: Option<PathBuf>,
    /// Without files: the Azure AD connector to judge against, where the deployment has several
    #[arg(long, value_name = "NAME", conflicts_with = "ad")]
    pub(crate) connector: Option<String>,
    /// A verified domain of the tenant; may be repeated [default: what the tenant says; with files, the domains of sign-in names]
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) verified_domain: Vec<String>,
    /// The suffix that sign-in names with another one should get [default: the verified domain of most users]
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) suffix: Option<String>,
    /// The whole list as CSV on stdout
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// Write the report as one HTML page
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write what the directory should hold instead as PowerShell
    #[arg(long, value_name = "FILE")]
    pub(crate) fix_powershell: Option<PathBuf>,
    /// Write what the directory should hold instead as LDIF
    #[arg(long, value_name = "FILE")]
    pub(crate) fix_ldif: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CheckArgs {
    /// Check the files only, connect to nothing
    #[arg(long)]
    pub(crate) offline: bool,
}

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
pub(crate) struct ApproveArgs {
    /// The digest that `pending` or the run's summary shows; its first 8 characters are enough where they are unique
    pub(crate) digest: String,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Without --apply or --yes nothing is written: what each object held before its takeover, holds now and will hold is shown, with the
order of the writes and all that stays as it is. In Connect mode what only synchronisation can write (addresses) goes first, then the
source of authority (isCloudManaged), the anchor last; in Graph mode the values, then the anchor. From then on the pair is rejected,
until `metasync match approve`. What was broken off is run again, and ends the same. A password is not put back: set a new one.

  metasync undo-takeover ann@contoso.com                         show it
  metasync undo-takeover ann@contoso.com --apply 3f2a9c04        do exactly what was shown
  metasync undo-takeover cloud/7 --yes                           all takeovers of a run, as they are now")]
pub(crate) struct UndoTakeoverArgs {
    /// A person or existing object by name, address or anchor; or a run that `metasync history` lists, such as 7 or cloud/7
    #[arg(value_name = "OBJECT|RUN")]
    pub(crate) what: String,
    /// Do exactly what was shown with this digest; its first 8 characters are enough
    #[arg(long, value_name = "DIGEST", conflicts_with = "yes")]
    pub(crate) apply: Option<String>,
    /// Do it as it is now
    #[arg(long)]
    pub(crate) yes: bool,
    /// Why, for history
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}

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
pub(crate) struct JoinArgs {
    /// The connector whose object is joined
    pub(crate) connector: String,
    /// DN, anchor, sign-in name, mail, sAMAccountName or display name
    pub(crate) object: String,
    /// The metaverse object: sign-in name, mail, display name, source anchor, or its number (mv:7)
    #[arg(required_unless_present = "undo", conflicts_with = "undo")]
    pub(crate) metaverse: Option<String>,
    /// Take an earlier join back: the rules decide again
    #[arg(long)]
    pub(crate) undo: bool,
    /// Do it without asking
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DisconnectArgs {
    /// The connector whose object is kept apart
    pub(crate) connector: String,
    /// DN, anchor, sign-in name, mail, sAMAccountName or display name
    pub(crate) object: String,
    /// Take an earlier disconnection back: the rules decide again
    #[arg(long)]
    pub(crate) undo: bool,
    /// Do it without asking
    #[arg(long)]
    pub(crate) yes: bool,
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use expect_test::expect;

    #[test]
    fn the_tree_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_names_every_command_and_every_exit_code() {
        let help = Cli::command().term_width(100).render_help().to_string();
        expect![[r#"
            Identity synchronisation: Active Directory, files and Azure AD (Microsoft Entra ID), by rules

            Usage: metasync [OPTIONS] <COMMAND>

            Commands:
              demo           Tell the whole story on a sample directory and a rehearsal tenant
              init           Write a deployment folder; never synchronises or exports by itself
              assess         Tell who would be matched, created or held, and what to mend first: from the
                             systems, or from two CSV inventories
              check          Show every mistake in the configuration, and whether every system can be reached
              scope          List, add or remove the containers that a source connector reads
              run            Run one run profile of one connector
              cycle          Run a whole cycle: imports, synchronisations, exports
              passwords      Synchronise passwords by their hashes, once or every two minutes, and show how they
                             stand
              preview        Show what a synchronisation of one object would do, attribute by attribute; writes
                             nothing
              explain        Say why: who contributed a value, by which rule, who lost; why joined, held or not
                             exported
              test           Carry out the rule tests of tests/: given objects, expected values, joins and
                             exports
              search         Search the metaverse (`mv`) or a connector space
              dump           Print every object of the metaverse (`mv`) or of a connector space, a line of JSON
                             each
              pending        Show what is to be exported, what is held and what waits for an approval
              approve        Let exactly the list with this digest through
              match          List, approve or reject matches with existing objects; show what a takeover makes
                             of each
              join           Join an object of a connector space to a metaverse object, whatever the rules find
              disconnect     Keep an object of a connector space apart from every metaverse object, whatever the
                             rules find
              undo-takeover  Give existing objects that were taken over back, with the values they had before;
                             shows what it would do first
              history        Show past runs: steps, counters, errors down to the object
              eval           Compute one expression, with the attributes and parameters given; needs no
                             deployment
              tenant         Start a rehearsal tenant on a loopback address, until Ctrl-C
              tenant-sync    Show whether the tenant takes synchronised objects, or have an administrator switch
                             that
              switch-mode    Take the deployment from Graph mode to Connect mode; shows who is matched by what
                             before it changes anything

            Options:
                  --deployment <DIR>  The deployment's folder [env: METASYNC_DEPLOYMENT] [default: .]
                  --json              Print one JSON document on stdout instead of text
              -q, --quiet             Print no progress and no advice
              -v, --verbose...        Log to stderr; twice for debugging
              -h, --help              Print help (see more with '--help')
              -V, --version           Print version

            Exit codes:
                0  done; named limitations and held single values do not change that
                1  wrong usage, nothing found, or an error inside metasync or its store
                2  mistakes in metasync.toml or the rules; nothing was run
                3  a guard stopped the export, a list waits for `metasync approve`, or `assess` found what to
                mend
                4  completed, but single objects are in error
                5  a step could not start or finish: connection, credential, rights, error limit
                6  a rule test failed
              130  stopped by Ctrl-C at a clean place; the next run carries on

            A first look: `metasync demo`. A deployment of your own: assess, init, check, cycle initial,
            pending, match, cycle, in this order.
        "#]]
        .assert_eq(&help);
    }

    #[test]
    fn a_command_has_the_name_it_is_called_by() {
        let parsed = |line: &[&str]| Cli::try_parse_from(line).map(|cli| cli.command.name()).unwrap();
        for (name, rest) in [
            ("demo", vec![]),
            ("init", vec![]),
            ("assess", vec!["--ad", "ad.csv", "--cloud", "cloud.csv"]),
            ("check", vec![]),
            ("scope", vec!["list", "ad"]),
            ("run", vec!["ad", "full-import"]),
            ("cycle", vec![]),
            ("passwords", vec!["sync"]),
            ("preview", vec!["ad", "Ann"]),
            ("explain", vec!["Ann"]),
            ("test", vec![]),
            ("search", vec!["mv", "Ann"]),
            ("pending", vec!["cloud"]),
            ("approve", vec!["0123"]),
            ("join", vec!["cloud", "Ann", "mv:7"]),
            ("disconnect", vec!["cloud", "Ann"]),
            ("history", vec![]),
            ("tenant", vec![]),
            ("tenant-sync", vec!["status"]),
            ("switch-mode", vec!["connect"]),
        ] {
            let line: Vec<&str> = ["metasync", name].into_iter().chain(rest).collect();
            assert_eq!(parsed(&line), name);
        }
    }
}
