//! The migration guide, carried out: every console block of docs/migration-guide.md, in order, as an operator types it, on the sample
//! files of docs/migration and a rehearsal tenant. `UPDATE_EXPECT=1` writes the answers that were given into the guide.
//!
//! It is also the newcomer's path: from two CSV files to an approved list, with nothing but what the guide and `--help` say.

use metasync_tests::guide::{Kind, Names, blocks, carry_out};
use metasync_tests::operator::binary;
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The address at which the guide's rehearsal tenant listens.
const IN_THE_GUIDE: &str = "127.0.0.1:8443";
/// Where the guide's reader unpacked the samples.
const FOLDER_IN_THE_GUIDE: &str = "/srv/metasync";

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("docs")
}

fn guide() -> String {
    std::fs::read_to_string(docs().join("migration-guide.md")).expect("the guide")
}

fn sample(name: &str) -> String {
    std::fs::read_to_string(docs().join("migration").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// An address as long as the guide's, so that no line is broken elsewhere.
fn free_address() -> String {
    let free = (8443..9999).map(|port| format!("127.0.0.1:{port}")).find(|address| TcpListener::bind(address).is_ok());
    free.expect("one of fifteen hundred ports is free")
}

#[test]
fn every_block_of_the_migration_guide_runs_and_answers_as_it_shows() {
    let page = guide();
    let world = tempfile::Builder::new().prefix("metasync-guide-").tempdir().expect("a temporary folder");
    let samples = world.path().join("docs/migration");
    std::fs::create_dir_all(&samples).expect("a folder");
    for file in std::fs::read_dir(docs().join("migration")).expect("the samples").flatten() {
        std::fs::copy(file.path(), samples.join(file.file_name())).expect("a sample is copied");
    }
    let names = Names::default()
        .with(IN_THE_GUIDE, &free_address())
        .with(FOLDER_IN_THE_GUIDE, &world.path().display().to_string());
    let outcome = carry_out(&page, world.path(), names);
    if !outcome.differences.is_empty() && std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(docs().join("migration-guide.md"), &outcome.page).expect("the guide is writable");
        return;
    }
    let told: Vec<String> = outcome
        .differences
        .iter()
        .map(|(line, difference)| format!("docs/migration-guide.md:{line}\n{difference}"))
        .collect();
    assert!(told.is_empty(), "{} answers differ; UPDATE_EXPECT=1 writes them\n{}", told.len(), told.join("\n\n"));
    assert_eq!(outcome.page, page, "nothing is to be changed");
    assert!(outcome.commands > 30, "{} commands were carried out", outcome.commands);
}

/// Blocks that are shown and not run are few: what needs a domain controller or Windows.
#[test]
fn what_the_guide_does_not_run_is_little() {
    let blocks = blocks(&guide());
    let of =
        |kind: Kind| blocks.iter().filter(|block| block.kind == kind).map(|block| block.steps.len()).sum::<usize>();
    let (run, shown) = (of(Kind::Run) + of(Kind::SecondTerminal), of(Kind::NotRun));
    assert!(shown * 8 <= run, "{shown} commands are only shown, {run} run");
}

/// The answers that the guide shows are taken from a run: a word that differs is found.
#[test]
fn an_answer_that_is_not_given_is_found() {
    let page =
        "```console\n$ metasync eval 'UCase(\"ann\")'\nvalue ANN\ntype text\n$ metasync eval '1 +'\n[exit 1]\n```\n";
    let world = tempfile::tempdir().expect("a temporary folder");
    let told = carry_out(page, world.path(), Names::default());
    assert_eq!(told.commands, 2);
    let lines: Vec<usize> = told.differences.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [5], "the second one says more than that it failed: {:?}", told.differences);
    let mended = carry_out(&told.page, world.path(), Names::default());
    assert_eq!((mended.differences, mended.page), (Vec::new(), told.page));
}

fn assess(folder: &Path, arguments: &[&str]) -> std::process::Output {
    let run = Command::new(binary()).arg("assess").args(arguments).current_dir(folder).output();
    run.expect("the binary runs")
}

/// The sample files tell one story: the mended inventory is the first one with the fix file and the mend by hand applied, the
/// directory's file holds the same people, and the tenant's seed the users of the tenant's inventory.
#[test]
fn the_sample_files_tell_one_story() {
    let world = tempfile::tempdir().expect("a temporary folder");
    let samples = docs().join("migration");
    let fix = world.path().join("fix.ldif");
    assess(
        &samples,
        &["--ad", "ad-full.csv", "--cloud", "cloud-full.csv", "--fix-ldif", fix.to_str().expect("a path")],
    );
    let mut people = records(&sample("ad-full.csv"));
    let small = records(&sample("ad.csv"));
    for (account, person) in &people {
        for column in ["Name", "EmailAddress"] {
            assert_eq!(small[account][column], person[column], "{account} in ad.csv");
        }
    }
    let changes = std::fs::read_to_string(&fix).expect("the fix file") + "\n" + &sample("by-hand.ldif");
    apply(&changes, &mut people);
    let mended = records(&sample("ad-mended.csv"));
    assert_eq!(people, mended);

    let directory = sample("directory.ldif");
    let mut users = 0;
    for entry in directory.split("\n\n").filter(|entry| entry.contains("\nobjectClass: user\n")) {
        let value = |name: &str| -> Vec<&str> {
            entry.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
        };
        let person = &mended[value("sAMAccountName")[0]];
        users += 1;
        assert_eq!(value("dn"), [person["DistinguishedName"].as_str()]);
        assert_eq!(value("mail"), [person["EmailAddress"].as_str()]);
        assert_eq!(value("userPrincipalName"), [person["UserPrincipalName"].as_str()]);
        assert_eq!(value("proxyAddresses").join(";"), person["proxyAddresses"]);
    }
    assert_eq!(users, mended.len());

    let seed: serde_json::Value = serde_json::from_str(&sample("tenant.json")).expect("a seed");
    let names = |text: &str| -> BTreeSet<String> { records_by(text, "userprincipalname").into_keys().collect() };
    let seeded: BTreeSet<String> = seed["users"]
        .as_array()
        .expect("users")
        .iter()
        .map(|user| user["userPrincipalName"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(names(&sample("cloud.csv")), seeded);
    assert_eq!(names(&sample("cloud-full.csv")), seeded);
}

type Records = BTreeMap<String, BTreeMap<String, String>>;

fn records(text: &str) -> Records {
    records_by(text, "samaccountname")
}

/// The lines of a CSV file whose values are all quoted and hold no quote, by one of their columns.
fn records_by(text: &str, key: &str) -> Records {
    let mut lines = text.lines().map(|line| {
        line.get(1..line.len() - 1).unwrap_or_default().split("\",\"").map(str::to_owned).collect::<Vec<String>>()
    });
    let titles = lines.next().expect("a head");
    let of_line = |values: Vec<String>| {
        let record: BTreeMap<String, String> = titles.iter().cloned().zip(values).collect();
        let name = titles.iter().find(|title| title.eq_ignore_ascii_case(key)).expect("the key's column");
        (record[name].clone(), record)
    };
    lines.map(of_line).collect()
}

/// What ldapmodify would do to the people of an inventory.
fn apply(changes: &str, people: &mut Records) {
    const COLUMNS: [(&str, &str); 3] =
        [("mail", "EmailAddress"), ("userPrincipalName", "UserPrincipalName"), ("proxyAddresses", "proxyAddresses")];
    for entry in changes.split("\n\n").filter(|entry| entry.contains("changetype: modify")) {
        let lines: Vec<&str> = entry.lines().filter(|line| !line.starts_with('#') && *line != "-").collect();
        let dn = lines[0].strip_prefix("dn: ").expect("a dn");
        let person =
            people.values_mut().find(|person| person["DistinguishedName"] == dn).unwrap_or_else(|| panic!("{dn}"));
        for change in lines[2..].chunks(2) {
            let [how, value] = change else { panic!("{entry}") };
            let (how, attribute) = how.split_once(": ").expect("how: attribute");
            let (_, value) = value.split_once(": ").expect("attribute: value");
            let (_, column) = COLUMNS.iter().find(|(name, _)| *name == attribute).expect("a known attribute");
            let held = person.get_mut(*column).expect("the column");
            match how {
                "replace" => *held = value.to_owned(),
                "add" if held.is_empty() => *held = value.to_owned(),
                "add" => *held = format!("{held};{value}"),
                other => panic!("{other}"),
            }
        }
    }
}
