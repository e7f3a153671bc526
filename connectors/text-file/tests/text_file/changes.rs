//! Delta imports.

use super::*;
use expect_test::expect;

fn with_changes(folder: &Folder, format: Format, changes: &str) -> TextFileConnector {
    let path = folder.0.path().join("changes");
    std::fs::write(&path, changes).unwrap();
    TextFileConnector::new(Settings { delta_path: Some(path), ..people(format, folder.path()) })
}

#[test]
fn ldif_changes_find_their_anchors_by_dn_and_are_read_once() {
    let folder = Folder::with("dn: cn=a,ou=x\nid: 1\n\ndn: cn=b,ou=x\nid: 2\n\ndn: ou=x\nid: 3\n\n");
    let connector = with_changes(
        &folder,
        Format::Ldif,
        "dn: CN=A,ou=x\nchangetype: modify\nreplace: title\ntitle: one\n-\nadd: mail\nmail: m\nmail: n\n-\ndelete: mail\nmail: n\n-\ndelete: manager\n-\n\n\
         dn: ou=x\nchangetype: moddn\nnewrdn: ou=y\ndeleteoldrdn: 1\n\n\
         dn: cn=b,ou=y\nchangetype: delete\n\n\
         dn: cn=c\nchangetype: add\nid: 4\n\n\
         dn: cn=c\nchangetype: modify\nadd: number\nnumber: 7\n-\n\n",
    );
    let first = import_changes(&connector, &Watermark("changes:none".to_owned()));
    expect![[r#"
        change 1 - {mail: Update { add: "m", remove: "n" }, manager: Replace([]), title: Replace("one")}
        change 3 ou=y {}
        deleted 2
        person 4 cn=c {id: "4"}
        change 4 - {number: Update { add: 7, remove: [] }}
    "#]]
    .assert_eq(&show(&first, folder.0.path()));
    let again = import_changes(&connector, &first.unwrap().1.watermark.unwrap());
    expect![[r#"
        note changes-already-read: changes was read before
    "#]]
    .assert_eq(&show(&again, folder.0.path()));
}

/// R8: with a record that could not be read the watermark stays where it was.
#[test]
fn bad_changes_keep_the_watermark() {
    let folder = Folder::with("dn: cn=a\nid: 1\n\n");
    let connector = with_changes(
        &folder,
        Format::Ldif,
        "dn: cn=who\nchangetype: delete\n\ndn: cn=a\nid: 1\n\ndn: cn=a\nchangetype: modify\nreplace: id\nid: 2\n-\n\n\
         dn: cn=a\nchangetype: modify\nadd: title\ntitle: x\ntitle: y\n-\n\ndn: cn=a\nchangetype: delete\n",
    );
    let since = Watermark("changes:none".to_owned());
    let read = import_changes(&connector, &since);
    expect![[r#"
        missing-anchor-component None: changes line 1: no object of f has this DN, so the change has no anchor; run a full import
        missing-change-type Some(1): changes line 4: a record of changes has a changetype
        invalid-attribute-value None: changes line 7: `id` is the anchor, which never changes
        multi-single-mismatch None: changes line 13: `title` is single-valued and has 2 values
        read-error None: changes line 20: the file ends inside this record: it was cut, or lacks the empty line that ends a record
    "#]]
    .assert_eq(&show(&read, folder.0.path()));
    assert_eq!(read.unwrap().1.watermark, Some(since));
    let foreign = import_changes(&connector, &Watermark("cookie".to_owned()));
    assert_eq!(foreign.unwrap_err().step_status(), "no-start-full-import-required");
}

#[test]
fn csv_changes_carry_their_anchor_and_replace_their_columns() {
    let folder = Folder::with("id,title,mail\n1,x,\n");
    let connector = with_changes(
        &folder,
        Format::Csv,
        "changetype,id,title,mail\nmodify,1,,a;b\nadd,2,new,\nDelete,3,,\n,4,,\nmerge,5,,\n",
    );
    let read = import_changes(&connector, &Watermark("changes:none".to_owned()));
    expect![[r#"
        change 1 - {mail: Replace(["a", "b"]), title: Replace([])}
        person 2 - {id: "2", title: "new"}
        deleted 3
        missing-change-type None: changes line 5: the row has no change type
        invalid-change-type None: changes line 6: the change type `merge` is not add, modify or delete
    "#]]
    .assert_eq(&show(&read, folder.0.path()));
}

/// Changes written after the file are still to come, older ones are in it; no file of changes means no changes.
#[test]
fn a_full_import_says_where_the_changes_go_on() {
    let folder = Folder::with("dn: cn=a\nid: 1\n\n");
    let connector = with_changes(&folder, Format::Ldif, "dn: cn=a\nchangetype: delete\n\n");
    let changes = folder.0.path().join("changes");
    let set_age = |path: &Path, seconds: u64| {
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        std::fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
    };
    for (age, deletions) in [(2_000, 1), (500, 0)] {
        set_age(&folder.path(), 1_000);
        set_age(&changes, age);
        let watermark = import(&connector).unwrap().1.watermark.unwrap();
        assert_eq!(import_changes(&connector, &watermark).unwrap().0.len(), deletions);
    }
    std::fs::remove_file(&changes).unwrap();
    let watermark = import(&connector).unwrap().1.watermark.unwrap();
    let none = import_changes(&connector, &watermark).unwrap();
    assert_eq!((none.0.len(), none.1.watermark), (0, Some(watermark)));
    assert!(folder.people(Format::Ldif).delta_import().is_none());
}
