//! Serves a computed directory over LDAP on loopback: `crate load_server` as a program. Prints one line of JSON when it is ready.
//!
//!     ldap_load_server [--port N] [--control-port N] [--latency MS] [--unlimited-values] [the world, as `generate` takes it]
//!
//! Any name and any password that is not empty may sign in. `curl -X POST CONTROL/churn/delta1` changes the directory,
//! `curl -X POST CONTROL/stop` ends the program.

use metasync_benches::arguments::Arguments;
use metasync_benches::load_server::{LoadServerOptions, RunningLoadServer};
use std::process::ExitCode;
use std::time::Duration;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let options = match options(&given) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("ldap_load_server: {error}");
            return ExitCode::from(2);
        }
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

fn options(given: &[String]) -> Result<LoadServerOptions, String> {
    let mut arguments = Arguments::new(given);
    let port = |name: &str, arguments: &mut Arguments| {
        let number = arguments.number(name, 0)?;
        u16::try_from(number).map_err(|_| format!("{name} {number}: no port"))
    };
    let (ldap, control) = (port("--port", &mut arguments)?, port("--control-port", &mut arguments)?);
    let latency = Duration::from_millis(arguments.number("--latency", 0)?);
    let unlimited = arguments.flag("--unlimited-values");
    let standard = LoadServerOptions::new(arguments.world()?);
    arguments.finish()?;
    let max_values = if unlimited { None } else { standard.max_values };
    Ok(LoadServerOptions { port: ldap, control_port: control, latency, max_values, ..standard })
}
