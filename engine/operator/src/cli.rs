//! The command tree. Says what can be typed and what it means; carries nothing out.

mod deciding;
mod licenses;
mod looking;
mod matching;
mod running;
mod scope;
mod setting_up;
mod tenant;

pub(crate) use deciding::{ApproveArgs, DisconnectArgs, JoinArgs, UndoTakeoverArgs};
pub(crate) use licenses::{LicensesAction, LicensesArgs, LicensesAssignArgs, LicensesListArgs, LicensesSelection};
pub(crate) use looking::{
    DumpArgs, EvalArgs, ExplainArgs, HistoryArgs, PendingArgs, PreviewArgs, SearchArgs, TestArgs,
};
pub(crate) use matching::{
    MatchAction, MatchApproveArgs, MatchArgs, MatchCloseArgs, MatchKind, MatchListArgs, MatchRejectArgs,
    MatchSheetArgs, MatchState,
};
pub(crate) use running::{
    CycleArgs, CycleKindArg, PasswordsArgs, PasswordsCommand, PasswordsStatusArgs, PasswordsSyncArgs,
    PasswordsWatchArgs, RunArgs, RunOptionsArgs,
};
pub(crate) use scope::{ScopeAction, ScopeArgs, ScopeContainer, ScopeSave};
pub(crate) use setting_up::{
    AssessArgs, CheckArgs, DemoArgs, EncryptionMode, Goal, InitArgs, MatchingMode, PackageChoice, Source,
    SourceAnchorChoice,
};
#[cfg(test)]
pub(crate) use tenant::ModeChoice;
pub(crate) use tenant::{SwitchModeArgs, TenantArgs, TenantSyncArgs, TenantSyncCommand};

use clap::{Args, Parser, Subcommand};
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
    /// Show and edit who is synchronised: containers, pilot groups, names; shows who would come and go before it saves
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
    /// Show the tenant's subscriptions and who of the synchronised users has which licence; give licences to some
    Licenses(LicensesArgs),
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
            Command::Licenses(_) => "licenses",
            Command::History(_) => "history",
            Command::Eval(_) => "eval",
            Command::Tenant(_) => "tenant",
            Command::TenantSync(_) => "tenant-sync",
            Command::SwitchMode(_) => "switch-mode",
        }
    }
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
              scope          Show and edit who is synchronised: containers, pilot groups, names; shows who would
                             come and go before it saves
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
              licenses       Show the tenant's subscriptions and who of the synchronised users has which
                             licence; give licences to some
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
            ("licenses", vec!["list"]),
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
