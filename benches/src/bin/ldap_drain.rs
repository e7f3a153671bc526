//! Reads a directory over LDAP with nothing around it, and says how long that took: the limit of an import. One line of JSON.
//!
//!     ldap_drain ADDRESS:PORT [--name BIND-NAME] [--password PASSWORD] [--base DN] [--filter FILTER] [--attributes a,b,...]
//!                [--how skim|decode] [--dirsync [--cookie-file FILE]] [--page N] [--rounds N]
//!
//! `--how decode` copies every value into memory of its own; `skim` only finds where messages end. With a cookie file the
//! cookie in it is continued, and the new one is written there.

use metasync_benches::arguments::Arguments;
use metasync_benches::bare_client::{BareClient, INCREMENTAL, Query, decode};
use metasync_benches::world::DOMAIN;
use std::process::ExitCode;
use std::time::Instant;

/// What the connector asks for beyond the selected attributes, and the selected ones that the world has.
const ATTRIBUTES: &str = "objectClass,objectGUID,objectSid,parentGUID,name,whenCreated,sAMAccountType,cn,sAMAccountName,userPrincipalName,\
    displayName,givenName,sn,mail,proxyAddresses,title,department,company,telephoneNumber,l,c,co,postalCode,userAccountControl,\
    description,manager";

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    match run(&given) {
        Ok(lines) => {
            lines.iter().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ldap_drain: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(given: &[String]) -> Result<Vec<String>, String> {
    let mut arguments = Arguments::new(given);
    let address = arguments.word("the server's address and port")?;
    let name = arguments.text("--name")?.unwrap_or_else(|| format!("cn=admin,{DOMAIN}"));
    let password = arguments.text("--password")?.unwrap_or_else(|| "unused".to_owned());
    let base = arguments.text("--base")?.unwrap_or_else(|| DOMAIN.to_owned());
    let filter = arguments.text("--filter")?.unwrap_or_else(|| "(objectClass=user)".to_owned());
    let attributes = arguments.text("--attributes")?.unwrap_or_else(|| ATTRIBUTES.to_owned());
    let decodes = match arguments.text("--how")?.as_deref() {
        None | Some("decode") => true,
        Some("skim") => false,
        Some(other) => return Err(format!("--how {other}: write skim or decode")),
    };
    let dirsync = arguments.flag("--dirsync");
    let cookie_file = arguments.text("--cookie-file")?;
    let page = i64::try_from(arguments.number("--page", 1_000)?).map_err(|_| "--page is too large")?;
    let rounds = arguments.number("--rounds", 1)?;
    arguments.finish()?;
    let names: Vec<&str> = attributes.split(',').map(str::trim).collect();
    let query = Query { base: &base, scope: 2, filter: &filter, attributes: &names, controls: Vec::new() };
    let mut lines = Vec::new();
    for _ in 0..rounds {
        let mut values = 0;
        let mut wrong = 0;
        let take = |frame: &[u8]| {
            if decodes {
                match decode(frame) {
                    Ok(count) => values += count,
                    Err(_) => wrong += 1,
                }
            }
        };
        let (began, cpu) = (Instant::now(), cpu_seconds());
        let mut client = BareClient::connect(&address, &name, &password).map_err(|error| error.to_string())?;
        let end = if dirsync {
            let cookie = cookie_file.as_ref().and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
            client.dirsync(&query, INCREMENTAL, &cookie, take)
        } else {
            client.paged(&query, page, take)
        };
        let end = end.map_err(|error| error.to_string())?;
        let seconds = began.elapsed().as_secs_f64();
        let cpu = cpu_seconds() - cpu;
        if let Some(file) = cookie_file.as_ref().filter(|_| dirsync) {
            std::fs::write(file, &end.cookie).map_err(|error| format!("{file}: {error}"))?;
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
