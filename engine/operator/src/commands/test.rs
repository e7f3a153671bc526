//! `metasync test`: the operator's rule tests, carried out by the real engine on systems in memory. Asks no connected
//! system, opens no store of the deployment, writes nothing into its folder.

use crate::cli::TestArgs;
use crate::connectors::known_schemas;
use crate::context::{Context, mistakes, shown};
use crate::diagnostics;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;
use crate::render::rule_tests::{FileOutcome, Places, json, text};

use std::path::Path;
use sync_rules::{FileText, TESTS_FOLDER, load_tests};

pub(crate) async fn run(context: &Context, args: &TestArgs) -> Result<Report, Failure> {
    let opened = context.open()?;
    let (rules, rule_sources) = match &args.rules {
        Some(folder) => context.other_rules(folder)?,
        None => (opened.rules, opened.sources),
    };
    let schemas = known_schemas(&opened.deployment.connectors, &opened.connectors).await?;
    let loaded = load_tests(&test_files(context, args)?, &rules, &schemas);
    if loaded.has_errors() {
        let mut failure = mistakes(diagnostics::draw(&loaded.diagnostics, &loaded.sources, context.colour()));
        failure.message = failure.message.replacen("the configuration has", "the tests have", 1);
        failure.remedy = "correct them; docs/rules-reference.md describes the format".to_owned();
        return Err(failure);
    }
    let mut files = Vec::new();
    for file in &loaded.files {
        let mut outcomes = Vec::new();
        for test in &file.tests {
            outcomes.push(sync_runtime::run_rule_test(&opened.deployment, &rules, &schemas, test).await?);
        }
        files.push(FileOutcome { name: file.name.to_string(), outcomes });
    }
    if files.iter().all(|file| file.outcomes.is_empty()) {
        return Err(no_tests("the test files hold no [[test]]".to_owned()));
    }
    let failed = files.iter().flat_map(|file| &file.outcomes).any(|outcome| !outcome.mismatches.is_empty());
    let exit = if failed { Exit::TestsFailed } else { Exit::Success };
    let places = Places { tests: &loaded.sources, rules: &rule_sources };
    Ok(Report::new(exit, text(&files, places), json(&files, places)))
}

/// The named files; else those of the rules' own folder; else the deployment's.
fn test_files(context: &Context, args: &TestArgs) -> Result<Vec<FileText>, Failure> {
    if !args.files.is_empty() {
        return Ok(args.files.iter().map(|path| sync_rules::read_file(&shown(path), path)).collect());
    }
    let beside = args.rules.as_deref().and_then(own_tests);
    let folder = beside.unwrap_or_else(|| context.folder.join(TESTS_FOLDER));
    let files = sync_rules::read_tests(&folder);
    if files.is_empty() {
        let message = match folder.is_dir() {
            true => format!("there is no test (*.toml) in {}", shown(&folder)),
            false => format!("there is no folder {}", shown(&folder)),
        };
        return Err(no_tests(message));
    }
    Ok(files)
}

/// The tests that come with a folder of rules.
fn own_tests(rules: &Path) -> Option<std::path::PathBuf> {
    let own = rules.join(TESTS_FOLDER);
    own.is_dir().then_some(own)
}

fn no_tests(message: String) -> Failure {
    Failure::new("no-tests", message, "write tests/NAME.toml as docs/rules-reference.md describes, or name test files")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use crate::output::Output;
    use clap::Parser;
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::PathBuf;
    use sync_runtime::StopSignal;

    fn command(folder: &Path, line: &[&str]) -> (Context, Command) {
        let line = ["metasync"].iter().chain(line);
        let cli = Cli::try_parse_from(line).unwrap();
        let output = Output { json: true, quiet: true };
        (Context { folder: folder.to_path_buf(), output, stop: StopSignal::new() }, cli.command)
    }

    async fn test(folder: &Path, line: &[&str]) -> Result<Report, Failure> {
        let (context, Command::Test(args)) = command(folder, &[&["test"], line].concat()) else { panic!("no test") };
        run(&context, &args).await
    }

    fn deployment(below: &Path) -> PathBuf {
        let folder = below.join("contoso");
        let line = [
            "init",
            "--yes",
            "--source",
            "active-directory",
            "--server",
            "dc1.corp.example",
            "--bind-user",
            "svc",
            "--password",
            "env:PW",
            "--goal",
            "attributes",
            "--tenant",
            "contoso.example",
            "--client-id",
            "c-1",
            "--client-secret",
            "file:client.secret",
        ];
        let (context, Command::Init(args)) = command(&folder, &line) else { panic!("no init") };
        crate::init::run(&context, args).unwrap();
        folder
    }

    fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(files(&path));
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
        found
    }

    /// A fresh deployment passes the test that comes with it, and a test changes nothing in the folder.
    #[tokio::test]
    async fn what_init_writes_passes_its_own_rule_test() {
        let below = tempfile::tempdir().unwrap();
        let folder = deployment(below.path());
        let before = files(&folder);
        let report = test(&folder, &[]).await.unwrap();
        assert_eq!(report.exit, Exit::Success, "{}", report.text);
        assert_eq!(files(&folder), before);
    }

    /// A rule that does something else makes the test fail: with the place of the expectation and of the flow.
    #[tokio::test]
    async fn a_changed_rule_fails_the_test_with_places() {
        let below = tempfile::tempdir().unwrap();
        let folder = deployment(below.path());
        let other = below.path().join("other");
        fs::create_dir(&other).unwrap();
        for entry in fs::read_dir(folder.join("rules")).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let text = text.replace("jobTitle = \"Left([title], 128)\"", "jobTitle = \"UCase([title])\"");
            fs::write(other.join(path.file_name().unwrap()), text).unwrap();
        }
        let report = test(&folder, &["--rules", other.to_str().unwrap()]).await.unwrap();
        assert_eq!(report.exit, Exit::TestsFailed, "{}", report.text);
        for part in ["FAILED", "jobTitle in cloud", "wanted  Buyer", "found   BUYER", "rules/31-cloud-users.toml:"] {
            assert!(report.text.contains(part), "no {part} in\n{}", report.text);
        }
        let mismatch = &report.json["files"][0]["tests"][0]["mismatches"][0];
        assert_eq!((&mismatch["wanted"], &mismatch["found"]), (&"Buyer".into(), &"BUYER".into()));
        assert!(mismatch["line"].is_number() && mismatch["because"][0]["line"].is_number(), "{mismatch}");
    }

    #[tokio::test]
    async fn what_is_missing_or_wrong_is_said() {
        let below = tempfile::tempdir().unwrap();
        let folder = deployment(below.path());
        let wrong = below.path().join("wrong.toml");
        fs::write(&wrong, "[[test]]\nname = 'x'\n[test.given.a]\nconnector = 'adx'\ntype = 'user'\n").unwrap();
        let failure = test(&folder, &[wrong.to_str().unwrap()]).await.map(drop).unwrap_err();
        assert_eq!(
            (failure.exit, failure.message.as_str()),
            (Exit::Configuration, "the tests have 1 mistake; nothing was run")
        );
        assert_eq!(failure.json()["diagnostics"][0]["line"], 4);
        fs::remove_dir_all(folder.join("tests")).unwrap();
        let failure = test(&folder, &[]).await.map(drop).unwrap_err();
        assert_eq!(failure.code, "no-tests");
        assert!(failure.message.contains("there is no folder"), "{}", failure.message);
    }
}
