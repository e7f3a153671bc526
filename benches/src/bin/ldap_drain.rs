//! Reads a directory over LDAP with nothing around it, and says how long that took: the limit of an import.

use clap::{Parser, ValueEnum};
use metasync_benches::bare_client::{BareClient, INCREMENTAL, Query, decode};
use metasync_benches::world::DOMAIN;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// What the connector asks for beyond the selected attributes, and the selected ones that the world has.
const ATTRIBUTES: &str = "objectClass,objectGUID,objectSid,parentGUID,name,whenCreated,sAMAccountType,cn,sAMAccountName,userPrincipalName,\
    displayName,givenName,sn,mail,proxyAddresses,title,department,company,telephoneNumber,l,c,co,postalCode,userAccountControl,\
    description,manager";

/// Reads a directory over LDAP with nothing around it, and prints how long that took: one line of JSON a round
#[derive(Debug, Parser)]
struct Drain {
    /// The server, as ADDRESS:PORT
    server: String,
    /// Who signs in
    #[arg(long, value_name = "DN", default_value_t = format!("cn=admin,{DOMAIN}"))]
    name: String,
    /// The password; the load server takes any
    #[arg(long, default_value = "unused", hide_default_value = true)]
    password: String,
    /// Where the search begins
    #[arg(long, value_name = "DN", default_value = DOMAIN)]
    base: String,
    /// Which entries are read
    #[arg(long, default_value = "(objectClass=user)")]
    filter: String,
    /// What is asked for, with commas between [default: what the connector asks for]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = ATTRIBUTES, hide_default_value = true)]
    attributes: Vec<String>,
    /// What is done with an entry
    #[arg(long, value_enum, default_value = "decode")]
    how: How,
    /// Read by the DirSync control
    #[arg(long)]
    dirsync: bool,
    /// The cookie that is continued; the new one is written there
    #[arg(long, value_name = "FILE", requires = "dirsync")]
    cookie_file: Option<PathBuf>,
    /// Entries a page
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(i64).range(1..))]
    page: i64,
    /// How often everything is read
    #[arg(long, value_name = "N", default_value_t = 1)]
    rounds: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum How {
    /// Every value is copied into memory of its own
    Decode,
    /// Only the ends of messages are found
    Skim,
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    match run(&Drain::parse()) {
        Ok(lines) => {
            lines.iter().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ldap_drain: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(given: &Drain) -> Result<Vec<String>, String> {
    let names: Vec<&str> = given.attributes.iter().map(|name| name.trim()).collect();
    let query = Query { base: &given.base, scope: 2, filter: &given.filter, attributes: &names, controls: Vec::new() };
    let mut lines = Vec::new();
    for _ in 0..given.rounds {
        let mut values = 0;
        let mut wrong = 0;
        let take = |frame: &[u8]| {
            if matches!(given.how, How::Decode) {
                match decode(frame) {
                    Ok(count) => values += count,
                    Err(_) => wrong += 1,
                }
            }
        };
        let (began, cpu) = (Instant::now(), cpu_seconds());
        let mut client =
            BareClient::connect(&given.server, &given.name, &given.password).map_err(|error| error.to_string())?;
        let end = if given.dirsync {
            let cookie = given.cookie_file.as_ref().and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
            client.dirsync(&query, INCREMENTAL, &cookie, take)
        } else {
            client.paged(&query, given.page, take)
        };
        let end = end.map_err(|error| error.to_string())?;
        let seconds = began.elapsed().as_secs_f64();
        let cpu = cpu_seconds() - cpu;
        if let Some(file) = &given.cookie_file {
            std::fs::write(file, &end.cookie).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        lines.push(format!(
            "{{\"entries\":{},\"values\":{values},\"malformed\":{wrong},\"bytes\":{},\"seconds\":{seconds:.3},\"cpu_seconds\":{cpu:.2},\
             \"entries_per_second\":{:.0}}}",
            end.entries,
            end.bytes,
            end.entries as f64 / seconds
        ));
    }
    Ok(lines)
}

/// User and system time of this process, by the kernel's account in hundredths of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
