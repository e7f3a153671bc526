//! `metasync assess`: the readiness report, from the connected systems of a deployment or from two inventories as an operator
//! exports them. Writes only the files that were asked for.

mod live;
#[cfg(test)]
mod live_tests;
mod people;
mod verdict;

use crate::assess::{self, Assessment, Inventories, Options, ReadProblem, Side, Weight};
use crate::cli::AssessArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::output::Report;
use std::path::Path;

/// A larger file is no list of users.
const MOST_BYTES: u64 = 1 << 30;
/// Without it Windows PowerShell reads a script in the code page of its machine, and names become others.
const BYTE_ORDER_MARK: char = '\u{feff}';

pub(crate) async fn run(context: &Context, args: &AssessArgs) -> Result<Report, Failure> {
    let assessment = match (&args.ad, &args.cloud) {
        (Some(ad), Some(cloud)) => of_files(args, ad, cloud)?,
        _ => live::run(context, args).await?,
    };
    shown(args, &assessment)
}

/// Needs no deployment and connects to nothing.
fn of_files(args: &AssessArgs, ad: &Path, cloud: &Path) -> Result<Assessment, Failure> {
    let directory = assess::read(&bytes(ad)?).map_err(|problem| failure(ad, Side::Directory, problem))?;
    let tenant = assess::read(&bytes(cloud)?).map_err(|problem| failure(cloud, Side::Tenant, problem))?;
    let options =
        Options { verified_domains: args.verified_domain.clone(), suffix: args.suffix.clone(), ..Options::default() };
    Ok(assess::judge(&Inventories { directory, tenant, ..Inventories::default() }, &options))
}

/// The files that were asked for, and the report.
fn shown(args: &AssessArgs, assessment: &Assessment) -> Result<Report, Failure> {
    let table = || {
        assess::csv(assessment).map_err(|error| Failure::new("csv", format!("the table cannot be made: {error}"), ""))
    };
    let mut written = Vec::new();
    for (path, content) in [
        (&args.html, args.html.as_ref().map(|_| assess::page(assessment))),
        (
            &args.fix_powershell,
            args.fix_powershell.as_ref().map(|_| format!("{BYTE_ORDER_MARK}{}", assess::powershell(assessment))),
        ),
        (&args.fix_ldif, args.fix_ldif.as_ref().map(|_| assess::ldif(assessment))),
    ] {
        if let (Some(path), Some(content)) = (path, content) {
            files::write(path, &content)?;
            written.push(path.display().to_string());
        }
    }
    let exit = if assessment.weight() == Weight::Mend { Exit::Waiting } else { Exit::Success };
    let mut text = if args.csv { table()? } else { assess::text(assessment) };
    if !written.is_empty() && !args.csv {
        text.push_str(&format!("\nwritten: {}\n", written.join(", ")));
    }
    let mut json = assess::json(assessment);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    /// Runs `metasync assess` on two files, with more flags.
    fn assess(folder: &Path, ad: &str, cloud: &str, more: &[&str]) -> Result<Report, Failure> {
        for (name, text) in [("ad.csv", ad), ("cloud.csv", cloud)] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let path = |name: &str| folder.join(name).display().to_string();
        let line = ["metasync", "assess", "--ad", &path("ad.csv"), "--cloud", &path("cloud.csv")].map(str::to_owned);
        let line = line.into_iter().chain(more.iter().map(|flag| flag.replace("@", &path(""))));
        let Ok(Cli { command: Command::Assess(args), .. }) = Cli::try_parse_from(line) else {
            panic!("the flags are not understood: {more:?}");
        };
        let (Some(ad), Some(cloud)) = (&args.ad, &args.cloud) else { panic!("two files") };
        shown(&args, &of_files(&args, ad, cloud)?)
    }

    const AD: &str = "Name,SamAccountName,EmailAddress\nAnn,ann,ann@contoso.com\n";
    const CLOUD: &str = "userprincipalname,displayname,islicensed\nann@contoso.com,Ann,True\n";

    /// The exit code tells a script whether somebody has to mend something first.
    #[test]
    fn scripts_are_told_by_the_exit_code() {
        let folder = tempfile::tempdir().unwrap();
        let report = assess(folder.path(), AD, CLOUD, &[]).unwrap();
        assert_eq!(report.exit, Exit::Success, "{}", report.text);
        assert_eq!(report.json["classes"]["soft-match"], 1);
        let twice = format!("{AD}Ann Two,ann2,ANN@contoso.com\n");
        assert_eq!(assess(folder.path(), &twice, CLOUD, &[]).unwrap().exit, Exit::Waiting);
        let table = assess(folder.path(), AD, CLOUD, &["--csv"]).unwrap().text;
        assert!(table.starts_with("Name,SamAccountName,EmailAddress,Class,"), "{table}");
    }

    /// Only the files that were asked for are written, whole; a file without what is needed is named, and nothing is written.
    #[test]
    fn only_what_was_asked_for_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let flags = ["--html", "@report.html", "--fix-powershell", "@fix.ps1", "--fix-ldif", "@fix.ldif"];
        let failure = assess(folder.path(), "Name,EmailAddress\nAnn,a@x.com\n", "displayname\nAnn\n", &flags)
            .map(drop)
            .unwrap_err();
        assert_eq!(failure.code, "column-missing");
        assert!(
            failure.message.contains("cloud.csv") && failure.message.contains("userPrincipalName"),
            "{}",
            failure.message
        );
        let names = || {
            let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(names(), "ad.csv cloud.csv");
        let report = assess(folder.path(), AD, CLOUD, &flags).unwrap();
        assert_eq!(report.json["written"].as_array().map(Vec::len), Some(3));
        assert_eq!(names(), "ad.csv cloud.csv fix.ldif fix.ps1 report.html");
        let script = std::fs::read(folder.path().join("fix.ps1")).unwrap();
        assert!(script.starts_with(b"\xef\xbb\xbf# Changes"), "Windows PowerShell needs the mark");
        let missing = assess(folder.path(), AD, CLOUD, &["--html", "@no/such/folder.html"]).map(drop).unwrap_err();
        assert_eq!(missing.code, "file");
    }
}
