//! Writes a computed directory of any size: LDIF for a real server, the schema OpenLDAP needs, a rehearsal tenant's seed.
//! Everything follows from the arguments; nothing is read but them.

use clap::{Parser, ValueEnum};
use metasync_benches::arguments::WorldArguments;
use metasync_benches::world::World;
use metasync_benches::world::ldif::{self, Flavour};
use metasync_benches::world::tenant_seed::{self, Tenant};
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

/// Writes a computed directory of any size to stdout: the same arguments give the same bytes
#[derive(Debug, Parser)]
struct Generate {
    /// What is written
    #[arg(value_enum)]
    kind: Kind,
    #[command(flatten)]
    world: WorldArguments,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// LDIF for a domain controller, before any churn
    DcLdif,
    /// What the steps of churn change in a domain controller that holds dc-ldif
    DcChurn,
    /// LDIF for OpenLDAP, after the churn
    OpenldapLdif,
    /// The schema that OpenLDAP needs for it
    OpenldapSchema,
    /// The seed of a rehearsal tenant that holds nobody
    TenantEmpty,
    /// The seed of a rehearsal tenant with people for soft match to find
    TenantJoin,
    /// How many objects of each kind there are
    Counts,
}

#[expect(clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    let Generate { kind, world } = Generate::parse();
    match write(kind, &world.world()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("generate: stdout: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(kind: Kind, world: &World) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    match kind {
        // Before any churn: the steps' changes are another file.
        Kind::DcLdif => ldif::write(&World::new(*world.options()), Flavour::DomainController, &mut out),
        Kind::DcChurn => ldif::write_changes(&World::new(*world.options()), world, &mut out),
        Kind::OpenldapLdif => ldif::write(world, Flavour::OpenLdap, &mut out),
        Kind::OpenldapSchema => ldif::write_schema(&mut out),
        Kind::TenantEmpty => tenant_seed::write(world, Tenant::Empty, None, &mut out),
        Kind::TenantJoin => tenant_seed::write(world, Tenant::Join, None, &mut out),
        Kind::Counts => writeln!(out, "{:#?}", world.counts()),
    }?;
    out.flush()
}
