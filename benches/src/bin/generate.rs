//! Writes a computed directory of any size: LDIF for a real server, the schema OpenLDAP needs, a rehearsal tenant's seed.
//! Everything follows from the arguments; nothing is read but them.
//!
//!     generate KIND [--users N] [--seed N] [--groups none|a|b] [--photos] [--no-exchange] [--strict] [--churn STEP]...
//!
//! KIND: `dc-ldif`, `dc-churn` (what the steps of churn change in a domain controller that holds `dc-ldif`), `openldap-ldif`,
//! `openldap-schema`, `tenant-empty`, `tenant-join`, `counts`. The result goes to stdout.
//! STEP: see `metasync_benches::arguments::step`.

use metasync_benches::arguments::Arguments;
use metasync_benches::world::World;
use metasync_benches::world::ldif::{self, Flavour};
use metasync_benches::world::tenant_seed::{self, Tenant};
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

#[expect(clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("generate: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    let mut arguments = Arguments::new(arguments);
    let kind = arguments.word(
        "what to write: dc-ldif, dc-churn, openldap-ldif, openldap-schema, tenant-empty, tenant-join or counts",
    )?;
    let world = arguments.world()?;
    arguments.finish()?;
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let written = match kind.as_str() {
        // Before any churn: the steps' changes are another file.
        "dc-ldif" => ldif::write(&World::new(*world.options()), Flavour::DomainController, &mut out),
        "dc-churn" => ldif::write_changes(&World::new(*world.options()), &world, &mut out),
        "openldap-ldif" => ldif::write(&world, Flavour::OpenLdap, &mut out),
        "openldap-schema" => ldif::write_schema(&mut out),
        "tenant-empty" => tenant_seed::write(&world, Tenant::Empty, None, &mut out),
        "tenant-join" => tenant_seed::write(&world, Tenant::Join, None, &mut out),
        "counts" => writeln!(out, "{:#?}", world.counts()),
        other => return Err(format!("`{other}` is nothing that can be written")),
    };
    written.and_then(|()| out.flush()).map_err(|error| format!("stdout: {error}"))
}
