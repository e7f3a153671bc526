//! `metasync assess`: the readiness report from two inventories, as an operator exports them. Needs no deployment, connects to
//! nothing, and writes only the files that were asked for.

use crate::assess::{self, Inventories, Options, ReadProblem, Side, Weight};
use crate::cli::AssessArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;
use std::io::Write;
use std::path::Path;

/// A larger file is no list of users.
const MOST_BYTES: u64 = 1 << 30;

pub(crate) fn run(args: &AssessArgs) -> Result<Report, Failure> {
    let directory = assess::read(&bytes(&args.ad)?).map_err(|problem| failure(&args.ad, Side::Directory, problem))?;
    let tenant = assess::read(&bytes(&args.cloud)?).map_err(|problem| failure(&args.cloud, Side::Tenant, problem))?;
    let options = Options { verified_domains: args.verified_domain.clone(), suffix: args.suffix.clone() };
    let assessment = assess::judge(&Inventories { directory, tenant }, &options);
    let table = || {
        assess::csv(&assessment).map_err(|error| Failure::new("csv", format!("the table cannot be made: {error}"), ""))
    };
    let mut written = Vec::new();
    for (path, content) in [
        (&args.html, args.html.as_ref().map(|_| assess::page(&assessment))),
        (&args.fix_powershell, args.fix_powershell.as_ref().map(|_| assess::powershell(&assessment))),
        (&args.fix_ldif, args.fix_ldif.as_ref().map(|_| assess::ldif(&assessment))),
    ] {
        if let (Some(path), Some(content)) = (path, content) {
            write(path, &content)?;
            written.push(path.display().to_string());
        }
    }
    let exit = if assessment.weight() == Weight::Mend { Exit::Waiting } else { Exit::Success };
    let mut text = if args.csv { table()? } else { assess::text(&assessment) };
    if !written.is_empty() && !args.csv {
        text.push_str(&format!("\nwritten: {}\n", written.join(", ")));
    }
    let mut json = assess::json(&assessment);
    json["written"] = written.into();
    Ok(Report::new(exit, text, json))
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| Failure::file("cannot read", path, &error);
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MOST_BYTES {
        let message = format!("{} has {size} bytes, and is no list of users", path.display());
        return Err(Failure::new("file-too-large", message, "name the CSV file of the export"));
    }
    std::fs::read(path).map_err(unreadable)
}

fn failure(path: &Path, side: Side, problem: ReadProblem) -> Failure {
    let side = match side {
        Side::Directory => "the directory",
        Side::Tenant => "the tenant",
    };
    Failure::new(
        problem.code,
        format!("{} (the inventory of {side}): {}", path.display(), problem.message),
        problem.remedy,
    )
}

/// Whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| Failure::file("cannot write", path, &error))
}
