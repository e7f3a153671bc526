//! `metasync init`: writes a deployment folder. Never overwrites a file (`--add-source` adds to metasync.toml), never
//! connects, never synchronises or exports.
//! A fresh deployment starts in staging mode (the operator guide says why): the first cycle
//! shows what it would do.

mod another;
mod answers;
mod template;

pub(crate) use answers::{Answers, CloudAnswers, CloudMode, SourceAnswers};
pub(crate) use template::{SOURCE, TARGET};

use crate::cli::InitArgs;
use crate::context::{Context, shown};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;
use crate::text::paragraph;
use answers::{Ask, AskNobody, AskOperator, gather};
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use sync_rules::{CONFIGURATION_FILE, Package, RULES_FOLDER, SourceAnchor, TESTS_FOLDER};

/// The rule test that shows the format, in the folder of the tests.
const EXAMPLE_TEST: &str = "00-example.toml";

pub(crate) fn run(context: &Context, args: InitArgs) -> Result<Report, Failure> {
    if args.add_source.is_none() {
        refuse_existing(&context.folder)?;
    }
    let mut nobody = AskNobody;
    let mut operator = AskOperator;
    let ask: &mut dyn Ask = if args.yes {
        &mut nobody
    } else if context.output.is_interactive() {
        &mut operator
    } else {
        return Err(Failure::new(
            "not-a-terminal",
            "init asks questions, and this is no terminal",
            "give --yes and the flags that `metasync init --help` lists",
        ));
    };
    if let Some(name) = args.add_source.clone() {
        return another::run(context, &args, &name, ask);
    }
    let answers = gather(args, &context.folder, ask)?;
    write_deployment(context, &answers)
}

/// Writes the folder from complete answers, and takes it away again if `check` would refuse it.
pub(crate) fn write_deployment(context: &Context, answers: &Answers) -> Result<Report, Failure> {
    refuse_existing(&context.folder)?;
    let folder = &context.folder;
    let mut written = Written::default();
    let result = write_files(folder, answers, &mut written).and_then(|()| {
        let examined = context.examine()?;
        match examined.opened {
            Some(_) => Ok(examined.drawn),
            None => Err(crate::context::mistakes(examined.drawn)),
        }
    });
    let drawn = match result {
        Ok(drawn) => drawn,
        Err(mut failure) => {
            written.undo();
            if failure.drawn.is_some() {
                failure.message = "these answers make a configuration with mistakes; nothing was written".to_owned();
                failure.remedy = "correct the answer that the place shows".to_owned();
            } else {
                failure.message = format!("nothing was written: {}", failure.message);
            }
            return Err(failure);
        }
    };
    let here = shown(folder);
    let files: Vec<String> = written.files.iter().map(|file| below(folder, file)).collect();
    let mut text = format!("wrote a deployment into {here}\n\n");
    for file in &files {
        text.push_str(&format!("  {file}\n"));
    }
    text.push_str(&drawn.text);
    let notes = notes(answers);
    for note in &notes {
        text.push_str(&format!("\n{}", paragraph(&format!("note: {note}"), 0)));
    }
    text.push_str(&next_steps(&context.option(), answers.staging));
    let json = json!({
        "folder": folder,
        "files": files,
        "staging": answers.staging,
        "notes": notes,
        "diagnostics": drawn.json,
    });
    Ok(Report::new(Exit::Success, text, json))
}

/// What the answers leave to the operator.
fn notes(answers: &Answers) -> Vec<String> {
    let mut notes = Vec::new();
    if let SourceAnswers::Csv(table) = &answers.source
        && table.anchor != "objectGUID"
    {
        notes.push(format!(
            "the shipped rules take a person's immutable id from objectGUID, which this table does not have; write in \
             rules/20-{SOURCE}-users.toml from which column sourceAnchor and sourceAnchorBinary come instead (it has `{}`)",
            table.anchor
        ));
    }
    if answers.rules.source_anchor == SourceAnchor::ConsistencyGuidWriteBack {
        notes.push(format!(
            "the account of `{SOURCE}` needs the right to write mS-DS-ConsistencyGuid; persons without a value there go \
             to the cloud in the cycle after it was written and read back"
        ));
    }
    for package in answers.rules.packages.iter().filter(|package| package.is_cut_by(answers.rules.cloud)) {
        let what = match package {
            Package::Devices => "devices come into the metaverse and are not written to the cloud",
            _ => "the attributes of Exchange come into the metaverse and are not written to the cloud",
        };
        let why = match answers.cloud.mode {
            CloudMode::Graph => "Microsoft Graph cannot hold them, and rules for it would do nothing",
            CloudMode::Connect { .. } => "this version's Connect mode does not write them",
        };
        notes.push(format!("{what}: {why}"));
    }
    if matches!(answers.cloud.mode, CloudMode::Connect { .. }) {
        notes.push(
            "password hashes are not synchronised until metasync.toml has [passwords]: people keep the password that \
             they have in the cloud; read the chapter on passwords in the operator guide first"
                .to_owned(),
        );
        notes.push(
            "the application needs the permission ADSynchronization.ReadWrite.All besides those for reading, and the \
             tenant's directory synchronisation switched on"
                .to_owned(),
        );
    }
    notes
}

fn next_steps(option: &str, staging: bool) -> String {
    let mode = if staging {
        "It is in staging mode: a cycle imports and synchronises, and exports nothing."
    } else {
        "It may export: the first cycle writes to the tenant what no guard and no approval holds back."
    };
    format!(
        "
{mode}
Nothing has been read or written outside this folder. Next:

  metasync{option} check
      every mistake, and whether both sides can be reached
  metasync{option} cycle initial
      read both sides and decide
  metasync{option} pending {TARGET}
      what would be written, what is held and why, what waits for approval
"
    )
}

fn refuse_existing(folder: &Path) -> Result<(), Failure> {
    for name in [CONFIGURATION_FILE, RULES_FOLDER, "metasync.db"] {
        let path = folder.join(name);
        if path.exists() {
            return Err(Failure::new(
                "deployment-exists",
                format!("{} exists; init never overwrites a deployment", path.display()),
                "name another folder with --deployment, or edit the files that are there",
            ));
        }
    }
    Ok(())
}

/// What was made, in order, so that it can be taken away again.
#[derive(Default)]
struct Written {
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Written {
    fn folder(&mut self, path: &Path) -> Result<(), Failure> {
        if path.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(path).map_err(|error| Failure::file("cannot make the folder", path, &error))?;
        self.folders.push(path.to_path_buf());
        Ok(())
    }

    /// A new file; one that exists is left as it is and is an error.
    fn file(&mut self, path: PathBuf, text: &str) -> Result<(), Failure> {
        let write = || {
            let mut file = fs::File::create_new(&path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|error| Failure::file("cannot write", &path, &error))?;
        self.files.push(path);
        Ok(())
    }

    fn undo(&self) {
        for file in self.files.iter().rev() {
            let _ = fs::remove_file(file);
        }
        for folder in self.folders.iter().rev() {
            // Only empty folders go.
            let _ = fs::remove_dir(folder);
        }
    }
}

fn write_files(folder: &Path, answers: &Answers, written: &mut Written) -> Result<(), Failure> {
    written.folder(folder)?;
    written.file(folder.join(CONFIGURATION_FILE), &template::configuration(answers))?;
    written.folder(&folder.join(RULES_FOLDER))?;
    for (name, text) in sync_rules::shipped_rules(&[(SOURCE, TARGET)], &answers.rules) {
        written.file(folder.join(name), &text)?;
    }
    written.folder(&folder.join(TESTS_FOLDER))?;
    for (name, text) in rule_tests(answers) {
        written.file(folder.join(name), &text)?;
    }
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        written.file(ignore, template::GITIGNORE)?;
    }
    Ok(())
}

/// The tests that hold for the rules that these answers choose.
fn rule_tests(answers: &Answers) -> Vec<(String, String)> {
    if matches!(&answers.source, SourceAnswers::Csv(table) if table.anchor != "objectGUID") {
        // The rules take the anchor from an attribute that this table does not have; `notes` says what is left to do.
        return Vec::new();
    }
    let mut tests = sync_rules::shipped_tests(&[(SOURCE, TARGET)], &answers.rules);
    let name = format!("{TESTS_FOLDER}/{EXAMPLE_TEST}");
    // The example signs in by userPrincipalName and is in the cloud after one step, as most of the others are.
    if tests.iter().any(|(name, _)| name.ends_with("-accounts.toml")) {
        tests.push((name, include_str!("example-test.toml").to_owned()));
    }
    tests
}

fn below(folder: &Path, file: &Path) -> String {
    file.strip_prefix(folder).unwrap_or(file).display().to_string()
}

#[cfg(test)]
mod shipped_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use crate::output::Output;
    use clap::Parser;
    use sync_runtime::StopSignal;

    fn init(folder: &Path, flags: &[&str]) -> Result<Report, Failure> {
        let line = ["metasync", "init", "--yes"].iter().chain(flags);
        let Ok(Cli { command: Command::Init(args), .. }) = Cli::try_parse_from(line) else {
            panic!("the flags are not understood: {flags:?}");
        };
        let context = Context {
            folder: folder.to_path_buf(),
            output: Output { json: true, quiet: true },
            stop: StopSignal::new(),
        };
        run(&context, args)
    }

    const DIRECTORY: [&str; 18] = [
        "--source",
        "active-directory",
        "--server",
        "dc1.corp.example",
        "--bind-user",
        r"CORP\svc",
        "--password",
        "env:PW",
        "--container",
        "OU=Staff,DC=corp,DC=example",
        "--goal",
        "attributes",
        "--tenant",
        "contoso.example",
        "--client-id",
        "c-1",
        "--client-secret",
        "file:client.secret",
    ];

    #[test]
    fn what_init_writes_passes_its_own_check_and_starts_in_staging_mode() {
        let below = tempfile::tempdir().unwrap();
        let folder = below.path().join("contoso");
        init(&folder, &DIRECTORY).unwrap();
        let loaded = sync_rules::load_folder(&folder);
        assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
        let deployment = loaded.deployment.unwrap();
        assert!(deployment.staging);
        assert_eq!(deployment.name, "contoso");
        let names: Vec<&str> = deployment.connectors.iter().map(|connector| &*connector.name).collect();
        assert_eq!(names, [SOURCE, TARGET]);
        assert!(folder.join(TESTS_FOLDER).join(EXAMPLE_TEST).is_file());
        assert!(!folder.join("metasync.db").exists(), "init reads and synchronises nothing");
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_bad_is_left_behind() {
        let below = tempfile::tempdir().unwrap();
        let folder = below.path().join("contoso");
        let mut bad = DIRECTORY;
        bad[9] = "OU=Staff,,";
        let failure = init(&folder, &bad).map(drop).unwrap_err();
        assert_eq!((failure.exit, failure.code), (Exit::Configuration, "configuration"));
        assert!(!folder.exists());
        init(&folder, &DIRECTORY).unwrap();
        let before = fs::read(folder.join(CONFIGURATION_FILE)).unwrap();
        assert_eq!(init(&folder, &DIRECTORY).map(drop).unwrap_err().code, "deployment-exists");
        assert_eq!(fs::read(folder.join(CONFIGURATION_FILE)).unwrap(), before);
    }

    #[test]
    fn a_secret_in_place_of_a_reference_is_refused_and_not_repeated() {
        let below = tempfile::tempdir().unwrap();
        let mut bad = DIRECTORY;
        bad[7] = "hunter2";
        let failure = init(&below.path().join("x"), &bad).map(drop).unwrap_err();
        assert_eq!(failure.code, "secret-not-a-reference");
        assert!(!failure.text().contains("hunter2") && !failure.json().to_string().contains("hunter2"));
    }

    fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
        DIRECTORY.iter().copied().chain(more.iter().copied()).collect()
    }

    /// D10, D11, D42: each choice among the shipped rules is one that `check` takes, and is in the files.
    #[test]
    fn choices_among_the_shipped_rules() {
        let below = tempfile::tempdir().unwrap();
        let folder = below.path().join("x");
        let flags = ["--source-anchor", "consistency-guid-writeback", "--login-attribute", "mail"];
        let report = init(&folder, &with(&[&flags[..], &["--sign-in-name-fallback"]].concat())).unwrap();
        assert!(report.text.contains("right to write mS-DS-ConsistencyGuid"), "{}", report.text);
        let loaded = sync_rules::load_folder(&folder);
        assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
        assert!(loaded.rules.unwrap().rules.iter().any(|rule| &*rule.id == "out-to-ad-source-anchor"));
        let users = fs::read_to_string(folder.join("rules/20-ad-users.toml")).unwrap();
        assert!(users.contains("IsPresent([mail]), Trim([mail]),"), "{users}");

        let plain = below.path().join("y");
        init(&plain, &with(&["--source-anchor", "objectguid"])).unwrap();
        let users = fs::read_to_string(plain.join("rules/20-ad-users.toml")).unwrap();
        assert!(!users.contains("ConsistencyGuid"), "{users}");
        assert!(!plain.join("rules/24-ad-source-anchor.toml").exists());
    }

    /// Answers as an operator would type them.
    struct Typed(Vec<(&'static str, &'static str)>);

    impl Ask for Typed {
        fn text(&mut self, question: &str, default: Option<&str>) -> Result<String, Failure> {
            let typed = self.0.iter().find(|(flag, _)| question.starts_with(flag)).map(|(_, answer)| *answer);
            Ok(typed.or(default).unwrap_or_else(|| panic!("nobody said: {question}")).to_owned())
        }

        fn choice(&mut self, question: &str, options: &[(&str, &str)], default: usize) -> Result<usize, Failure> {
            let typed = self.0.iter().find(|(start, _)| question.starts_with(start));
            Ok(typed.map_or(default, |(_, answer)| options.iter().position(|(name, _)| name == answer).unwrap()))
        }
    }

    /// What is asked on a terminal chooses the same as the flags do.
    #[test]
    fn the_rules_are_asked_for() {
        let asked = |answers: &[(&'static str, &'static str)]| {
            let line = ["metasync", "init"].iter().chain(&DIRECTORY);
            let Ok(Cli { command: Command::Init(args), .. }) = Cli::try_parse_from(line) else { panic!("flags") };
            gather(args, Path::new("/x"), &mut Typed(answers.to_vec())).map(|answers| answers.rules)
        };
        assert_eq!(asked(&[]).unwrap(), sync_rules::ShippedOptions::default());
        let chosen = asked(&[
            ("What identifies an account", "consistency-guid-writeback"),
            ("--login-attribute", "mail"),
            ("--package", "exchange-hybrid, account-expires"),
        ])
        .unwrap();
        assert_eq!(chosen.source_anchor, SourceAnchor::ConsistencyGuidWriteBack);
        assert_eq!(chosen.login_attribute.as_deref(), Some("mail"));
        assert_eq!(chosen.packages.into_iter().collect::<Vec<_>>(), [Package::ExchangeHybrid, Package::AccountExpires]);
        assert_eq!(asked(&[("--package", "exchange")]).unwrap_err().code, "package-unknown");
    }

    /// SF29: packages are off unless asked for; what the target cannot hold is said and not written.
    #[test]
    fn packages_are_written_when_they_are_asked_for() {
        let below = tempfile::tempdir().unwrap();
        let rules = |folder: &Path| {
            let names = fs::read_dir(folder.join("rules")).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
            names.retain(|name| name.starts_with('4'));
            names.sort();
            names.join(" ")
        };
        let plain = below.path().join("x");
        init(&plain, &DIRECTORY).unwrap();
        assert_eq!(rules(&plain), "");
        let folder = below.path().join("y");
        let packages = ["exchange-hybrid", "account-expires", "foreign-principals", "devices"];
        let flags: Vec<&str> = packages.iter().flat_map(|package| ["--package", package]).collect();
        let report = init(&folder, &with(&flags)).unwrap();
        assert_eq!(
            rules(&folder),
            "40-ad-exchange-hybrid-inetorgpersons.toml 40-ad-exchange-hybrid-others.toml \
             40-ad-exchange-hybrid-users.toml 40-exchange-hybrid.toml 41-ad-account-expires-inetorgpersons.toml \
             41-ad-account-expires-users.toml 42-ad-foreign-principals.toml 43-ad-devices.toml 43-devices.toml"
        );
        assert!(report.text.contains("Graph cannot hold them"), "{}", report.text);
        let loaded = sync_rules::load_folder(&folder);
        assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
        let configuration = fs::read_to_string(folder.join(CONFIGURATION_FILE)).unwrap();
        assert!(configuration.contains("\"contact\", \"foreignSecurityPrincipal\", \"computer\"]"), "{configuration}");
    }

    /// S60: a forest that comes later; what is there keeps its lines, and a mistake leaves nothing behind.
    #[test]
    fn s60_a_source_is_added_to_a_deployment() {
        let below = tempfile::tempdir().unwrap();
        let folder = below.path().join("x");
        init(&folder, &DIRECTORY).unwrap();
        let before = fs::read_to_string(folder.join(CONFIGURATION_FILE)).unwrap();
        let rules_before = fs::read_dir(folder.join("rules")).unwrap().count();
        let add = |name: &'static str, container: &'static str| {
            let mut flags = DIRECTORY[..10].to_vec();
            flags[3] = "dc1.west.example";
            flags[9] = container;
            init(&folder, &[&["--add-source", name], flags.as_slice()].concat())
        };
        let failure = add("west", "OU=Staff,,").map(drop).unwrap_err();
        assert!(failure.message.starts_with("nothing was changed"), "{}", failure.message);
        assert_eq!(fs::read_to_string(folder.join(CONFIGURATION_FILE)).unwrap(), before);
        assert_eq!(fs::read_dir(folder.join("rules")).unwrap().count(), rules_before);
        assert_eq!(add("ad", "DC=west").map(drop).unwrap_err().code, "connector-exists");
        assert_eq!(add("mv", "DC=west").map(drop).unwrap_err().code, "connector-name-invalid");

        add("west", "DC=west,DC=example").unwrap();
        assert!(fs::read_to_string(folder.join(CONFIGURATION_FILE)).unwrap().starts_with(&before));
        let loaded = sync_rules::load_folder(&folder);
        assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
        let rules = loaded.rules.unwrap().rules;
        let first: Vec<&str> = rules.iter().take(3).map(|rule| &*rule.id).collect();
        assert_eq!(first, ["in-from-ad-user-join", "in-from-west-user-join", "in-from-ad-inetorgperson-join"]);
        for file in ["10-west-accounts.toml", "20-two-forests.toml"] {
            assert!(folder.join("tests").join(file).exists(), "{file}");
        }
    }

    #[test]
    fn choices_that_cannot_be_are_refused() {
        let below = tempfile::tempdir().unwrap();
        let code = |flags: &[&str]| init(&below.path().join("x"), &with(flags)).map(drop).unwrap_err();
        let wrong_case = code(&["--login-attribute", "Mail"]);
        assert_eq!(wrong_case.code, "login-attribute-unknown");
        assert!(wrong_case.remedy.contains("`mail`"), "{}", wrong_case.remedy);
        assert_eq!(code(&["--login-attribute", "proxyAddresses"]).code, "login-attribute-unknown");
        let file = below.path().join("people.ldif");
        fs::write(&file, "dn: DC=x\n").unwrap();
        let mut flags = vec!["--source", "ldif", "--file", file.to_str().unwrap()];
        flags.extend(["--source-anchor", "consistency-guid-writeback"]);
        flags.extend(&DIRECTORY[10..]);
        let failure = init(&below.path().join("x"), &flags).map(drop).unwrap_err();
        assert_eq!(failure.code, "write-back-needs-a-directory");
        assert!(!below.path().join("x").exists());
    }

    /// One password for both sides, and users that Active Directory masters: Connect mode, with an id of its own; what this
    /// version does not do of it is said.
    #[test]
    fn the_goal_decides_the_mode() {
        let below = tempfile::tempdir().unwrap();
        let mut flags = DIRECTORY;
        flags[11] = "one-password";
        let machine = |folder: &Path| {
            let report = init(folder, &flags).unwrap();
            assert!(report.text.contains("password hashes are not synchronised"), "{}", report.text);
            let loaded = sync_rules::load_folder(folder);
            assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
            assert!(loaded.rules.unwrap().text.contains("sourceAnchor"));
            let configuration = fs::read_to_string(folder.join(CONFIGURATION_FILE)).unwrap();
            assert!(configuration.contains("mode = \"connect\""), "{configuration}");
            // Without the marks of a comment the tables about passwords are as they must be.
            let (before, tables) = configuration.split_once("# [passwords]\n").unwrap();
            let (tables, after) = tables.split_once("\n\n").unwrap();
            let switched_on = format!("{before}[passwords]\n{}\n\n{after}", tables.replace("# ", ""));
            fs::write(folder.join(CONFIGURATION_FILE), switched_on).unwrap();
            let loaded = sync_rules::load_folder(folder);
            assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
            assert_eq!(loaded.deployment.unwrap().passwords.from, [SOURCE.into()]);
            configuration.lines().find(|line| line.starts_with("machine_id")).map(str::to_owned).unwrap()
        };
        assert_ne!(machine(&below.path().join("x")), machine(&below.path().join("y")));
        assert!(DIRECTORY.contains(&"attributes"), "the other goal is what every other test takes");
    }

    #[test]
    fn a_table_without_object_guid_tells_what_is_left_to_do() {
        let below = tempfile::tempdir().unwrap();
        let table = below.path().join("people.csv");
        fs::write(&table, "employeeID,displayName\n1,Ann\n").unwrap();
        let flags = ["--source", "csv", "--file", table.to_str().unwrap()];
        let flags: Vec<&str> = flags.into_iter().chain(DIRECTORY[10..].iter().copied()).collect();
        let report = init(&below.path().join("x"), &flags).unwrap();
        assert!(report.text.contains("sourceAnchor"), "{}", report.text);
        fs::write(&table, "displayName\nAnn\n").unwrap();
        let failure = init(&below.path().join("y"), &flags).map(drop).unwrap_err();
        assert_eq!(failure.code, "csv-anchor-missing");
    }
}
