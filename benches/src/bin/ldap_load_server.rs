//! Serves a computed directory over LDAP on loopback: `crate load_server` as a program.

use clap::Parser;
use metasync_benches::arguments::WorldArguments;
use metasync_benches::load_server::{LoadServerOptions, RunningLoadServer};
use std::process::ExitCode;
use std::time::Duration;

/// Serves a computed directory over LDAP on loopback, and prints one line of JSON with its addresses when it is ready
#[derive(Debug, Parser)]
#[command(
    after_help = "Any name and any password that is not empty may sign in. `curl -X POST CONTROL/churn/delta1` changes the directory, \
    `curl -X POST CONTROL/stop` ends the program."
)]
struct Serve {
    /// The port of LDAP; 0 is any free one
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// The port of HTTP, for changes and for the end; 0 is any free one
    #[arg(long, value_name = "N", default_value_t = 0)]
    control_port: u16,
    /// Milliseconds that each answer waits
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// All values of an attribute in one answer, without ranges
    #[arg(long)]
    unlimited_values: bool,
    #[command(flatten)]
    world: WorldArguments,
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let given = Serve::parse();
    let standard = LoadServerOptions::new(given.world.world());
    let options = LoadServerOptions {
        port: given.port,
        control_port: given.control_port,
        latency: Duration::from_millis(given.latency),
        max_values: if given.unlimited_values { None } else { standard.max_values },
        ..standard
    };
    let server = match RunningLoadServer::start(options).await {
        Ok(server) => server,
        Err(error) => {
            eprintln!("ldap_load_server: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{{\"ldap\":\"{}\",\"control\":\"{}\"}}", server.ldap(), server.control_url());
    tokio::select! {
        () = server.stopped() => {}
        _interrupted = tokio::signal::ctrl_c() => server.stop(),
    }
    ExitCode::SUCCESS
}
