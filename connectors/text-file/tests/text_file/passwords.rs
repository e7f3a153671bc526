//! Password hashes of a file: what a read tells, what the next one tells again, and that no import does.

use super::{Folder, import, people};
use connector_contract::{Connector, ImportItem, PasswordChange, PasswordSink, PasswordSource, Watermark};
use connector_text_file::{Format, PasswordColumns, Settings, TextFileConnector};
use expect_test::{Expect, expect};
use metaverse_schema::{Anchor, Setting, SettingValue, SettingsTable};
use std::path::Path;

const PEOPLE: &str = "id,title,ntHash,changed,mustChange\n\
    ann,Ms,A4F49C406510BDCAB6824EE7C30FD852,2026-11-26T05:00:00Z,\n\
    bob,Mr,11223344556677889900AABBCCDDEEFF,2026-11-26T06:00:00Z,TRUE\n\
    cy,,,2026-11-26T06:30:00Z,\n";

fn source(folder: &Folder) -> TextFileConnector {
    let passwords = PasswordColumns {
        path: None,
        hash: "nthash".into(),
        changed: "changed".into(),
        must_change: Some("mustChange".into()),
    };
    TextFileConnector::new(Settings { passwords: Some(passwords), ..people(Format::Csv, folder.path()) })
}

async fn read(source: &TextFileConnector, since: Option<&Watermark>) -> (Vec<PasswordChange>, Watermark) {
    let (sink, mut pages) = PasswordSink::bounded(4);
    let reading = source.read_passwords(since, sink);
    let taking = async {
        let mut all = Vec::new();
        while let Some(page) = pages.recv().await {
            all.extend(page);
        }
        all
    };
    let (end, all) = tokio::join!(reading, taking);
    (all, end.unwrap().watermark)
}

fn check(changes: &[PasswordChange], expect: Expect) {
    let lines = changes.iter().map(|change| {
        let PasswordChange { anchor, object, version, changed, must_change, hash, .. } = change;
        format!(
            "{anchor} ({object}) version {version}, changed {changed:?}, must change {must_change:?}, hash {}\n",
            hash.is_some()
        )
    });
    expect.assert_eq(&lines.collect::<String>());
}

#[tokio::test]
async fn a_read_tells_every_password_and_the_next_one_what_changed() {
    let folder = Folder::with(PEOPLE);
    let source = source(&folder);
    let (all, watermark) = read(&source, None).await;
    check(
        &all,
        expect![[r#"
        ann (f line 2) version 134401428000000000, changed Some(1795669200), must change Some(false), hash true
        bob (f line 3) version 134401464000000000, changed Some(1795672800), must change Some(true), hash true
        cy (f line 4) version 134401482000000000, changed Some(1795674600), must change Some(false), hash false
    "#]],
    );
    assert_eq!(source.opened(), 0);
    assert!(!watermark.0.contains("A4F4"));
    // The same instant is told again: something else may have changed in it.
    let (again, _) = read(&source, Some(&watermark)).await;
    assert_eq!(again.iter().map(|change| change.anchor.to_string()).collect::<Vec<_>>(), ["cy"]);
    std::fs::write(
        folder.path(),
        PEOPLE.replace(
            "A4F49C406510BDCAB6824EE7C30FD852,2026-11-26T05",
            "00000000000000000000000000000001,2026-11-26T07",
        ),
    )
    .unwrap();
    let (changed, _) = read(&source, Some(&watermark)).await;
    assert_eq!(changed.iter().map(|change| change.anchor.to_string()).collect::<Vec<_>>(), ["ann", "cy"]);
    for change in changed.into_iter().take(1) {
        assert_eq!(change.hash.unwrap().open().unwrap().expose()[15], 1);
    }
    assert_eq!(source.opened(), 1);
    let (_, other) = read(&source, Some(&Watermark("something else".into()))).await;
    assert_ne!(other.0, watermark.0);
}

#[tokio::test]
async fn single_users_are_found_by_their_anchors() {
    let folder = Folder::with(PEOPLE);
    let anchors = [Anchor::Text("bob".into()), Anchor::Text("nobody".into())];
    let found = source(&folder).read_passwords_of(&anchors).await.unwrap();
    check(
        &found,
        expect![[r#"
        bob (f line 3) version 134401464000000000, changed Some(1795672800), must change Some(true), hash true
    "#]],
    );
}

/// The hash is in no import, whatever the file is named by.
#[test]
fn p8_no_import_returns_a_hash() {
    let folder = Folder::with(PEOPLE);
    let (items, _) = import(&source(&folder)).unwrap();
    assert_eq!(items.len(), 3);
    for item in &items {
        let ImportItem::Object(object) = item else { panic!("{item:?}") };
        assert!(object.attributes.get("ntHash").is_none() && object.attributes.get("nthash").is_none());
    }
    assert!(!format!("{items:?}").to_lowercase().contains("a4f49c"));
}

/// A column of hashes that is an attribute too would be kept by every import.
#[test]
fn the_column_of_hashes_is_refused_as_an_attribute() {
    let text = |text: &str| Setting { value: SettingValue::Text(text.into()), span: 0..1 };
    let table = |entries: Vec<(&'static str, Setting)>| SettingsTable {
        entries: entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        span: 0..1,
    };
    let inner =
        |entries: Vec<(&'static str, Setting)>| Setting { value: SettingValue::Table(table(entries)), span: 2..3 };
    let read = |passwords: Vec<(&'static str, Setting)>| {
        let settings = table(vec![
            ("format", text("csv")),
            ("path", text("f")),
            ("anchor", text("id")),
            ("object_type", text("person")),
            ("attributes", inner(vec![("ntHash", text("text")), ("title", text("text"))])),
            ("passwords", inner(passwords)),
        ]);
        let problems = Settings::read(&settings, Path::new("/d")).err().unwrap_or_default();
        problems.into_iter().map(|problem| format!("{}: {}\n", problem.code, problem.message)).collect::<String>()
    };
    expect![[r#"
        setting-invalid: `NTHASH` holds password hashes and is an attribute too: every import would keep it
    "#]]
    .assert_eq(&read(vec![("hash", text("NTHASH")), ("changed", text("at"))]));
    expect![[r#"
        setting-invalid: the hash and its time cannot be one column
        setting-unknown: there is no setting `every` here
    "#]]
    .assert_eq(&read(vec![("hash", text("x")), ("changed", text("X")), ("every", text("5"))]));
    assert_eq!(read(vec![("hash", text("x")), ("changed", text("at"))]), "");
}

#[tokio::test]
async fn check_counts_and_warns() {
    let folder = Folder::with(PEOPLE.replace("2026-11-26T06:00:00Z", "soon"));
    let said: String = source(&folder)
        .check()
        .await
        .findings
        .into_iter()
        .filter(|finding| finding.code.starts_with("passwords"))
        .map(|finding| format!("{:?} {}: {}\n", finding.severity, finding.code, finding.message))
        .collect();
    expect![[r#"
        Ok passwords-readable: f: 2 password hashes
        Warning passwords-in-file: f holds password hashes: it is for rehearsals, and as good as the passwords
        Warning passwords-without-time: 1 password hash has no readable time of change
    "#]]
    .assert_eq(&said);
}
