//! The executable `metasync`: parses the command line, runs one command, prints what came of it and exits with its code.
//! Decides nothing about objects; that is the engine's part.

mod assess;
mod cli;
mod commands;
mod connectors;
mod context;
mod demo;
mod diagnostics;
mod exit;
#[cfg(feature = "fail-points")]
mod fail_points;
mod failure;
mod files;
mod init;
mod intended;
mod output;
mod password_check;
mod progress;
mod render;
mod text;

use clap::Parser;
use cli::{Cli, Command};
use context::Context;
use exit::Exit;
use failure::Failure;
use output::{Output, Report, envelope};
use std::process::ExitCode;
use sync_runtime::StopSignal;
use tracing_subscriber::EnvFilter;

// Faults are planted in the engine by its own simulation alone.
const _: () = assert!(!sync_kernel::planted::POSSIBLE, "no executable is built with the feature `planted-faults`");

/// Names and values come and go by the million, which is what this allocator is good at. Secrets wipe themselves
/// before they are freed, so none of them depends on the allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap's own exit code for wrong usage is 2, which here means mistakes in the configuration.
            let exit = if error.use_stderr() { Exit::Failed } else { Exit::Success };
            let _ = error.print();
            return ExitCode::from(exit.code());
        }
    };
    let output = Output { json: cli.global.json, quiet: cli.global.quiet };
    log_to_stderr(cli.global.verbose);
    #[cfg(feature = "fail-points")]
    if let Some(exit) = fail_points::arm(output) {
        return ExitCode::from(exit.code());
    }
    // The one TLS provider of the process. It fails only when one is installed already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let exit = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(carry_out(cli, output));
            // Reads that a stop left behind are not waited for.
            runtime.shutdown_background();
            exit
        }
        Err(error) => {
            output.complain(&format!("error: the threads of this process cannot be started: {error}"));
            Exit::Failed
        }
    };
    ExitCode::from(exit.code())
}

async fn carry_out(cli: Cli, output: Output) -> Exit {
    let name = cli.command.name();
    let stop = StopSignal::new();
    let stops_cleanly = matches!(
        cli.command,
        Command::Demo(_)
            | Command::Run(_)
            | Command::Cycle(_)
            | Command::Passwords(_)
            | Command::Preview(_)
            | Command::Assess(_)
            | Command::Licenses(_)
            | Command::Tenant(_)
    );
    stop_on_ctrl_c(stop.clone(), output, stops_cleanly);
    let context = Context { folder: cli.global.deployment, output, stop };
    match dispatch(&context, cli.command).await {
        Ok(report) => {
            output.report(name, &report);
            report.exit
        }
        Err(failure) => {
            if output.json {
                output.document(&envelope(name, failure.exit, "error", failure.json()));
            }
            output.complain(&failure.text());
            failure.exit
        }
    }
}

async fn dispatch(context: &Context, command: Command) -> Result<Report, Failure> {
    match command {
        Command::Demo(args) => demo::run(context, &args).await,
        Command::Init(args) => init::run(context, args),
        Command::Check(args) => commands::check::run(context, &args).await,
        Command::Scope(args) => commands::scope::run(context, &args).await,
        Command::Run(args) => commands::run::run(context, &args).await,
        Command::Cycle(args) => commands::run::cycle(context, &args).await,
        Command::Passwords(args) => commands::passwords::run(context, &args).await,
        Command::Preview(args) => commands::preview::run(context, &args).await,
        Command::Explain(args) => commands::explain::run(context, &args),
        Command::Test(args) => commands::test::run(context, &args).await,
        Command::Search(args) => commands::search::run(context, &args),
        Command::Dump(args) => commands::dump::run(context, &args),
        Command::Pending(args) => commands::pending::run(context, &args),
        Command::Approve(args) => commands::approve::run(context, &args),
        Command::Match(args) => commands::matching::run(context, &args),
        Command::Join(args) => commands::join::run(context, &args),
        Command::UndoTakeover(args) => commands::undo_takeover::run(context, &args).await,
        Command::Disconnect(args) => commands::disconnect::run(context, &args),
        Command::Licenses(args) => commands::licenses::run(context, &args).await,
        Command::History(args) => commands::history::run(context, &args),
        Command::Eval(args) => commands::eval::run(context, &args),
        Command::Tenant(args) => commands::tenant::run(context, &args).await,
        Command::Assess(args) => commands::assess::run(context, &args).await,
        Command::SwitchMode(args) => commands::switch_mode::run(context, &args).await,
        Command::TenantSync(args) => commands::tenant_sync::run(context, &args).await,
    }
}

/// `-v` shows what the engine does, `-vv` more; `RUST_LOG` overrides both. Never on stdout.
fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "error",
        1 => "info,hyper=warn,reqwest=warn,ldap3=warn",
        _ => "debug,hyper=info,ldap3=info",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

/// The first Ctrl-C ends the step at a clean place, the second one the process (G17); a command without steps ends with
/// the first. SIGTERM, which a service manager sends, counts as Ctrl-C.
fn stop_on_ctrl_c(stop: StopSignal, output: Output, stops_cleanly: bool) {
    tokio::spawn(async move {
        asked_to_stop().await;
        if stops_cleanly {
            output.complain("\nstopping at the next clean place; press Ctrl-C again to end at once");
            stop.stop();
            asked_to_stop().await;
        }
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
}

async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
