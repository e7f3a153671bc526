//! Full imports and the check.

use super::*;
use connector_contract::{ErrorKind, ImportPage, Severity};
use connector_text_file::{Encoding, ReferenceBy};
use expect_test::{Expect, expect};
use metaverse_schema::Anchor;

fn check(format: Format, bytes: impl AsRef<[u8]>, expect: Expect) {
    let folder = Folder::with(bytes);
    expect.assert_eq(&show(&import(&folder.people(format)), folder.0.path()));
}

#[test]
fn an_active_directory_export_has_containers_guids_and_complete_ranges() {
    let folder = Folder::with(
        "version: 1\n\n\
         dn: OU=Staff,DC=x\nchangetype: add\nobjectClass: top\nobjectClass: organizationalUnit\nobjectGUID:: AAAAAAAAAAAAAAAAAAAAAQ==\n\n\
         dn: CN=Ann,OU=Staff,DC=x\nobjectClass: top\nobjectClass: person\nobjectClass: user\nOBJECTGUID:: AAAAAAAAAAAAAAAAAAAAAg==\n\
         USERACCOUNTCONTROL: 512\nuserCertificate;binary:: AQI=\nunicodePwd: hunter2\nmanager: CN=Bob,OU=Staff,DC=x\n\n\
         dn: CN=G,DC=x\nobjectClass: group\nobjectGUID:: AAAAAAAAAAAAAAAAAAAAAw==\nmember;range=0-0: CN=Ann,OU=Staff,DC=x\nmember;range=1-*: CN=Bob,DC=x\n\n\
         dn: CN=H,DC=x\nobjectClass: group\nobjectGUID:: AAAAAAAAAAAAAAAAAAAABA==\nmember;range=0-1499: CN=Ann,OU=Staff,DC=x\n\n\
         dn: CN=Z,DC=x\nobjectClass: dnsNode\nobjectGUID:: AAAAAAAAAAAAAAAAAAAABQ==\n\n",
    );
    let connector = TextFileConnector::new(Settings::active_directory_ldif(folder.path()));
    expect![[r#"
        organizationalUnit 00000000-0000-0000-0000-000000000001 OU=Staff,DC=x {objectClass: ["organizationalUnit", "top"], objectGUID: b64(AAAAAAAAAAAAAAAAAAAAAQ==)}
        user 00000000-0000-0000-0000-000000000002 CN=Ann,OU=Staff,DC=x {manager: CN=Bob,OU=Staff,DC=x, objectClass: ["person", "top", "user"], objectGUID: b64(AAAAAAAAAAAAAAAAAAAAAg==), userAccountControl: 512, userCertificate: b64(AQI=)}
        group 00000000-0000-0000-0000-000000000003 CN=G,DC=x {member: [CN=Ann,OU=Staff,DC=x, CN=Bob,DC=x], objectClass: "group", objectGUID: b64(AAAAAAAAAAAAAAAAAAAAAw==)}
        read-error Some(00000000-0000-0000-0000-000000000004): f line 25: `member` is incomplete: the file lacks its values from number 1500 on
        note other-classes: 1 records are of no class that this connector imports
    "#]]
    .assert_eq(&show(&import(&connector), folder.0.path()));
}

/// R69 and R71: each problem has its code, file and line; the first of two with one anchor stays.
#[test]
fn bad_objects_are_reported_and_the_import_goes_on() {
    check(
        Format::Ldif,
        b"dn: cn=a\nid: 1\nnumber: twelve\n\ndn: cn=b\nid: 2\nactive: maybe\n\ndn: cn=c\ntitle: no id\n\n\
          dn: cn=d\nid: 4\nid: 5\n\ndn: cn=e\nid: 6\ntitle: x\ntitle: y\n\ndn: nonsense\nid: 7\n\ndn: cn=f\nid: 8\nmanager: nobody\n\n\
          dn: cn=g\nid: 9\ntitle: \xff\n\ndn: cn=h\nid: 10\ntitle: kept\n\ndn: cn=i\nid: 10\n\ndn: cn=j\nchangetype: delete\n\n",
        expect![[r#"
            invalid-numeric-value Some(1): f line 1: `number`: `twelve` is not a whole number of 64 bits
            invalid-boolean-value Some(2): f line 5: `active`: `maybe` is not TRUE or FALSE
            missing-anchor-component None: f line 9: `id` has no value
            multi-valued-anchor-component None: f line 12: `id` has 2 values, an anchor has one
            multi-single-mismatch Some(6): f line 16: `title` is single-valued and has 2 values
            dn-not-ldap-conformant Some(7): f line 21: invalid-dn: `nonsense`: `=` is expected at character 9
            invalid-reference-value Some(8): f line 24: `manager`: invalid-dn: `nobody`: `=` is expected at character 7
            parse-error None: f line 30: `title` is not UTF-8; check the `encoding` setting, or write it as base64
            person 10 cn=h {id: "10", title: "kept"}
            duplicate-object Some(10): f line 36: the anchor 10 stands in an earlier record of this file, which was kept
            invalid-change-type None: f line 39: a change record in a file of whole objects; changes belong to the file that `delta_path` names
        "#]],
    );
    let long = format!("dn: cn=a\nid: {}\n\n", "x".repeat(399));
    check(
        Format::Ldif,
        long,
        expect![[r#"
            anchor-too-long None: f line 1: anchor-too-long: an anchor has at most 398 characters, this one has 399
        "#]],
    );
    let folder = Folder::with("dn: cn=a\nobjectGUID: 1\n\n");
    let connector = TextFileConnector::new(Settings::active_directory_ldif(folder.path()));
    expect![[r#"
        missing-object-class None: f line 1: `objectClass` has no value
    "#]]
    .assert_eq(&show(&import(&connector), folder.0.path()));
}

#[test]
fn csv_with_mark_type_line_quotes_and_bad_rows() {
    check(
        Format::Csv,
        b"\xef\xbb\xbf#TYPE Selected.User\r\n\"ID\",\"DistinguishedName\",\"mail\",\"active\",\"Shoe\",\"photo\"\r\n\
          1,\"CN=a, DC=x\",a@x;b@x;,true,44,AQI=\r\n\
          2,,\"with \"\"quotes\"\"\nand a line\",,,\r\n\
          3,too,few\r\n\r\n\r\n4,,,,,!!\r\n5,,\xe9,,,\r\n6,,,,,\r\n",
        expect![[r#"
            person 1 CN=a,DC=x {active: True, id: "1", mail: ["a@x", "b@x"], photo: b64(AQI=)}
            person 2 - {id: "2", mail: "with \"quotes\"\nand a line"}
            parse-error None: f line 6: 3 fields in this row, 6 columns in the header
            invalid-base64-value Some(4): f line 9: `photo`: Invalid symbol 33, offset 0.
            parse-error None: f line 10: `mail` is not UTF-8; check the `encoding` setting
            person 6 - {id: "6"}
        "#]],
    );
    check(
        Format::Csv,
        "id,title\n1,\"never closed\n2,b\n",
        expect![[r#"
            parse-error None: f line 2: a quotation that starts in this row is never closed
        "#]],
    );
    check(
        Format::Csv,
        "title,mail\nx,y\n",
        expect![[r#"
            no-start-file-format: reading f: the file has no column `id` in its header; the first row names the columns, in the encoding and with the delimiter of the settings
        "#]],
    );
    check(
        Format::Csv,
        "id,title,ID\n1,x,2\n",
        expect![[r#"
            no-start-file-format: reading f: the file has two columns, or none, by the name `ID` in its header; the first row names the columns, in the encoding and with the delimiter of the settings
        "#]],
    );
}

#[test]
fn references_by_anchor_and_guids_as_text() {
    let folder = Folder::with(
        "ObjectGUID\tobjectClass\tmanager\n00000000-0000-0000-0000-00000000000A\tuser\t{00000000-0000-0000-0000-00000000000b}\n",
    );
    let settings = Settings {
        format: Format::Csv,
        delimiter: b'\t',
        reference_by: ReferenceBy::Anchor,
        ..Settings::active_directory_ldif(folder.path())
    };
    expect![[r#"
        user 00000000-0000-0000-0000-00000000000a - {manager: 00000000-0000-0000-0000-00000000000b, objectClass: "user", objectGUID: b64(AAAAAAAAAAAAAAAAAAAACg==)}
    "#]]
    .assert_eq(&show(&import(&TextFileConnector::new(settings)), folder.0.path()));
}

/// SF15: neither an absent nor an empty file is the news that everything was deleted.
#[test]
fn a_file_that_says_nothing_cannot_start() {
    for format in [Format::Ldif, Format::Csv] {
        check(
            format,
            "",
            expect![[r#"
            no-start-file-empty: reading f: the file has no records; write the extract again, or set allow_empty = true if it may be empty
        "#]],
        );
    }
    check(
        Format::Csv,
        "id,title\n",
        expect![[r#"
        no-start-file-empty: reading f: the file has no records; write the extract again, or set allow_empty = true if it may be empty
    "#]],
    );
    check(
        Format::Ldif,
        "version: 1\n# nobody\n",
        expect![[r#"
        no-start-file-empty: reading f: the file has no records; write the extract again, or set allow_empty = true if it may be empty
    "#]],
    );
    check(
        Format::Ldif,
        "version: 2\n\ndn: cn=a\nid: 1\n\n",
        expect![[r#"
        no-start-file-format: reading f: the file says LDIF version 2; write version: 1 (RFC 2849)
    "#]],
    );
    let folder = Folder::with("dn: cn=a\nobjectClass: dnsNode\nobjectGUID: x\n\n");
    let only_others = import(&TextFileConnector::new(Settings::active_directory_ldif(folder.path())));
    assert_eq!(only_others.unwrap_err().step_status(), "no-start-file-empty");

    let folder = Folder::with("");
    let allowed = Settings { allow_empty: true, ..people(Format::Ldif, folder.path()) };
    assert!(objects(&import(&TextFileConnector::new(allowed))).is_empty());
    for (path, expect) in [
        (
            "absent",
            expect![[r#"
            no-start-file-not-found: reading absent: the file does not exist; put it there or correct `path`; a target that starts empty needs an empty file and allow_empty = true
        "#]],
        ),
        (
            "",
            expect![[r#"
            no-start-file-open: reading : the file is a directory; name the file itself in `path`
        "#]],
        ),
    ] {
        let connector = TextFileConnector::new(people(Format::Ldif, folder.0.path().join(path)));
        expect.assert_eq(&show(&import(&connector), folder.0.path()));
    }
}

fn utf16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_be_bytes).collect()
}

#[test]
fn utf_16_is_read_when_it_is_said_and_named_when_it_is_not() {
    let text = "dn: cn=a\nid: 1\ntitle: Žofie 🎓\n\n";
    check(
        Format::Ldif,
        utf16(text),
        expect![[r#"
        no-start-file-format: reading f: the file is not UTF-8; it begins like UTF-16; set encoding = "utf-16" for this connector, or save the file as UTF-8
    "#]],
    );
    let read = |bytes: Vec<u8>| {
        let folder = Folder::with(bytes);
        let settings = Settings { encoding: Encoding::Utf16, ..people(Format::Ldif, folder.path()) };
        show(&import(&TextFileConnector::new(settings)), folder.0.path())
    };
    expect![[r#"
        person 1 cn=a {id: "1", title: "Žofie 🎓"}
    "#]]
    .assert_eq(&read(utf16(text)));
    // The first half of the pair of 🎓 alone is no character.
    let mut broken = utf16(text);
    let half = broken.len() - 6;
    broken.drain(half..half + 2);
    expect![[r#"
        parse-error None: f line 3: `title` is not UTF-8; check the `encoding` setting, or write it as base64
    "#]]
    .assert_eq(&read(broken));
}

/// SF15: wherever a file is cut, the import fails, or reports a record, or the cut lies exactly between two records.
/// What is imported is always the object as the whole file has it.
#[test]
fn a_file_cut_at_any_byte_never_loses_anything_silently() {
    let ldif = "version: 1\n\ndn: cn=a\nid: 1\ntitle: long and\n  folded\n\n# comment\ndn:: Y249Yg==\r\nid: 2\r\nphoto:: AQIDBAUG\r\nmail: a\r\nmail: b\r\n\r\n\ndn: cn=c\nid: 3\n\n";
    let csv = "id,dn,title,mail\n1,cn=a,x,\"q \"\"q\"\"\nline\"\n2,\"cn=b\",,a;b\n3,,š,\"in\nquotes\"\n";
    for (format, text) in [(Format::Ldif, ldif), (Format::Csv, csv)] {
        for (encoding, bytes) in [(Encoding::Utf8, text.as_bytes().to_vec()), (Encoding::Utf16, utf16(text))] {
            let read = |bytes: &[u8]| {
                let folder = Folder::with(bytes);
                let settings = Settings { encoding, ..people(format, folder.path()) };
                import(&TextFileConnector::new(settings))
            };
            let whole = read(&bytes).unwrap().0;
            assert_eq!(whole.len(), 3);
            let mut silent = Vec::new();
            for cut in 0..bytes.len() {
                let Ok((items, _)) = read(&bytes[..cut]) else { continue };
                let good: Vec<&ImportItem> =
                    items.iter().filter(|item| !matches!(item, ImportItem::Unreadable(_))).collect();
                assert_eq!(good, whole.iter().take(good.len()).collect::<Vec<_>>(), "cut at {cut}");
                if good.len() == items.len() {
                    silent.push(good.len());
                }
            }
            // Only at the ends of records (in LDIF also before the comment and the spare empty line that follow one),
            // and inside the last line ending of the file.
            silent.dedup();
            assert!(silent == [1, 2] || silent == [1, 2, 3], "{format:?} {encoding:?} {silent:?}");
        }
    }
}

#[test]
fn pages_are_bounded_and_a_stopped_engine_stops_the_reader() {
    let text: String = (0..1201).map(|id| format!("dn: cn={id}\nid: {id}\n\n")).collect();
    let folder = Folder::with(text);
    let connector = folder.people(Format::Ldif);
    assert_eq!(objects(&import(&connector)).len(), 1201);
    let (sink, pages) = ImportSink::new(1);
    drop::<tokio::sync::mpsc::Receiver<ImportPage>>(pages);
    let stopped = block_on(connector.import_full(FullImport::default(), sink));
    assert_eq!(stopped.unwrap_err().kind, ErrorKind::Cancelled);
}

/// A sample is written once; what the operator made of it stays.
#[test]
fn a_sample_does_not_overwrite_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let settings = || people(Format::Ldif, folder.path().join("sample.ldif"));
    for text in ["dn: cn=a\nid: 1\n\n", "dn: cn=b\nid: 2\n\n"] {
        let connector = TextFileConnector::with_sample(settings(), text).unwrap();
        let ids: Vec<Attributes> = objects(&import(&connector));
        assert_eq!(ids.iter().map(|object| object.text("id")).collect::<Vec<_>>(), [Some("1")]);
    }
}

#[test]
fn single_objects_are_read_whole_by_anchor() {
    let folder = Folder::with("dn: cn=a\nid: 1\n\ndn: cn=b\nid: 2\ntitle: x\n\n");
    let connector = folder.people(Format::Ldif);
    let wanted = [Anchor::text("2").unwrap(), Anchor::text("9").unwrap()];
    let found = block_on(connector.object_reader().unwrap().read_objects(&wanted)).unwrap();
    match found.as_slice() {
        [ImportItem::Object(object)] => assert_eq!(object.attributes.text("title"), Some("x")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_check_names_what_is_wrong_and_leaves_nothing_behind() {
    let folder = Folder::with("dn: cn=a\nid: 1\n\ndn: cn=b\n\n");
    let findings = |connector: &TextFileConnector| -> Vec<(Severity, String)> {
        let check = block_on(connector.check());
        check.findings.into_iter().map(|finding| (finding.severity, finding.code)).collect()
    };
    let text = |code: &str| code.to_owned();
    assert_eq!(
        findings(&folder.people(Format::Ldif)),
        [
            (Severity::Ok, text("file-readable")),
            (Severity::Warning, text("missing-anchor-component")),
            (Severity::Ok, text("folder-writable")),
        ]
    );
    assert_eq!(std::fs::read_dir(folder.0.path()).unwrap().count(), 1);
    let absent = people(Format::Csv, folder.0.path().join("no/such"));
    assert_eq!(
        findings(&TextFileConnector::new(absent)),
        [(Severity::Error, text("no-start-file-not-found")), (Severity::Warning, text("folder-not-writable")),]
    );
}
