//! Exports: what becomes of the file, and that nothing is lost on the way there and back.

use super::*;
use connector_contract::{CreateRequest, ReferenceChange, UpdateRequest};
use connector_text_file::ReferenceBy;
use expect_test::expect;
use metaverse_schema::{Anchor, AttributesDelta, Dn, Reference, Value, Values};
use proptest::prelude::*;

fn anchor(text: &str) -> Anchor {
    Anchor::text(text).unwrap()
}

fn attributes(pairs: &[(&str, Value)]) -> Attributes {
    let mut attributes = Attributes::new();
    for (name, value) in pairs {
        attributes.add(*name, value.clone());
    }
    attributes
}

fn create(dn: &str, attributes: Attributes) -> ExportOperation {
    ExportOperation::Create(CreateRequest {
        dn: Some(dn.parse().unwrap()).filter(|dn: &Dn| dn.rdn().is_some()),
        attributes,
        references: Vec::new(),
    })
}

fn update(id: &str) -> UpdateRequest {
    UpdateRequest {
        anchor: anchor(id),
        dn: None,
        changes: AttributesDelta::default(),
        references: Vec::new(),
        afterwards: AttributesDelta::default(),
        reclaims: false,
    }
}

fn set(name: &str, value: Value) -> AttributesDelta {
    let mut delta = AttributesDelta::default();
    delta.set(name, value);
    delta
}

fn member(target: &str, dn: Option<&str>, add: bool) -> ReferenceChange {
    ReferenceChange {
        attribute: "member".into(),
        target: anchor(target),
        target_dn: dn.map(|dn| dn.parse().unwrap()),
        target_type: ObjectType::new("person"),
        add,
    }
}

#[test]
fn ldif_is_rewritten_in_order_with_everything_it_had() {
    let folder = Folder::with(
        "dn: cn=b,ou=x\nid: 2\nshoe: 44\nmember: cn=a,ou=x\nmanager: CN=A,OU=x\n\ndn: ou=x\nid: 3\n\ndn: cn=a,ou=x\nid: 1\ntitle: old\nmail: m\n\ndn: cn=z\nid: 9\n\n",
    );
    let connector = folder.people(Format::Ldif);
    let mut rename = update("1");
    rename.dn = Some("cn=ä,ou=x".parse().unwrap());
    rename.changes = set("title", Value::text("new"));
    rename.afterwards = set("number", Value::Integer(7));
    let mut group = update("2");
    group.references = vec![
        member("3", None, true),
        member("9", None, true),
        member("77", Some("cn=elsewhere"), true),
        member("78", None, true),
    ];
    group.afterwards = set("title", Value::text("not written"));
    let operations = vec![
        ExportOperation::Update(rename),
        ExportOperation::Update(group),
        create("cn=c,ou=x", attributes(&[("id", Value::text("4")), ("photo", Value::Binary(vec![0, 255]))])),
        ExportOperation::Delete { anchor: anchor("9") },
        ExportOperation::Delete { anchor: anchor("9") },
    ];
    let outcomes = send(&connector, operations).unwrap();
    expect![[r#"
        ok  dn-attributes-failure
        ok 4
        ok
        ok
    "#]]
    .assert_eq(&verdicts(&outcomes[1..]));
    expect![[r#"
        version: 1

        dn: ou=x
        id: 3

        dn: cn=b,ou=x
        id: 2
        manager:: Y249w6Qsb3U9eA==
        member: cn=elsewhere
        member:: Y249w6Qsb3U9eA==
        member: ou=x
        shoe: 44

        dn: cn=c,ou=x
        id: 4
        photo:: AP8=

        dn:: Y249w6Qsb3U9eA==
        id: 1
        mail: m
        number: 7
        title: new

    "#]]
    .assert_eq(&folder.text());
}

#[test]
fn csv_keeps_its_columns_and_gains_new_ones() {
    let folder = Folder::with("id;shoe;DistinguishedName;manager\n1;44;cn=a;\n2;45;cn=b;\"cn=a\"\n");
    let connector = TextFileConnector::new(Settings {
        delimiter: b';',
        multi_value_separator: "|".to_owned(),
        ..people(Format::Csv, folder.path())
    });
    let mut rename = update("1");
    rename.dn = Some("cn=new, ou=x".parse().unwrap());
    rename.changes.set("mail", [Value::text("x;y"), Value::text("\"z\"")].into_iter().collect::<Values>());
    let operations = vec![
        ExportOperation::Update(rename),
        create("", attributes(&[("id", Value::text("3")), ("active", Value::Boolean(false))])),
        create("cn=d", attributes(&[("id", Value::text("4")), ("mail", Value::text("a|b"))])),
        create("cn=e", attributes(&[("id", Value::text("5")), ("title", Value::text(""))])),
    ];
    expect![[r#"
        ok
        ok 3
        invalid-provisioning-attribute-value `mail` was given an empty value, or one that contains the separator of values
        invalid-provisioning-attribute-value `title` was given an empty value, or one that contains the separator of values
    "#]]
    .assert_eq(&verdicts(&send(&connector, operations).unwrap()));
    expect![[r#"
        id;shoe;DistinguishedName;manager;active;mail
        1;44;cn=new,ou=x;;;"""z""|x;y"
        2;45;cn=b;cn=new,ou=x;;
        3;;;;FALSE;
    "#]]
    .assert_eq(&folder.text());
}

#[test]
fn what_cannot_be_done_is_refused_by_name_and_the_file_stays_as_it_is() {
    let text = "# kept, since nothing is written\ndn: cn=a\nid: 1\ntitle: x\n\ndn: cn=b\nid: 2\n\ndn: cn=c\nid: 2\n\n";
    let folder = Folder::with(text);
    let connector = folder.people(Format::Ldif);
    let with = |id: &str, changes| {
        let mut update = update(id);
        update.changes = changes;
        ExportOperation::Update(update)
    };
    let mut taken = update("1");
    taken.dn = Some("CN=B".parse().unwrap());
    let two: Values = [Value::text("a"), Value::text("b")].into_iter().collect();
    let mut several = AttributesDelta::default();
    several.set("title", two);
    let operations = vec![
        create("cn=A", attributes(&[("id", Value::text("8"))])),
        create("cn=n", attributes(&[("id", Value::text("1"))])),
        create("cn=n", attributes(&[("title", Value::text("x"))])),
        create("", attributes(&[("id", Value::text("8"))])),
        with("7", set("title", Value::text("x"))),
        with("2", set("title", Value::text("x"))),
        with("1", set("id", Value::text("9"))),
        with("1", set("number", Value::text("9"))),
        with("1", set("secret", Value::text("9"))),
        with("1", several),
        ExportOperation::Update(taken),
        ExportOperation::Restore(update("1")),
        ExportOperation::Detach { anchor: anchor("1") },
        // Already so: success, and no reason to write.
        with("1", set("title", Value::text("x"))),
        ExportOperation::Delete { anchor: anchor("7") },
    ];
    expect![[r#"
        cd-existing-object the file has an object with the DN cn=A
        cd-existing-object the file has an object with the anchor 1
        missing-anchor-component `id` `id` has no value
        invalid-dn an LDIF object needs a DN
        cd-missing-object the file has no object with the anchor 7
        ambiguous-update several records of the file have the anchor 2
        constraint-violation `id` is the anchor, which never changes
        syntax-violation `number` holds integer, and was given text
        schema-violation `secret` is not in this connector's schema, or is a secret, which a file never carries
        constraint-violation `title` is single-valued and was given several values
        cd-existing-object the file has another object with the DN CN=B
        unsupported-operation a file has no recycle bin to restore from
        unsupported-operation a file keeps no sign of being managed that could be taken off
        ok
        ok
    "#]]
    .assert_eq(&verdicts(&send(&connector, operations).unwrap()));
    assert_eq!(folder.text(), text);
}

#[test]
fn a_guid_is_drawn_for_a_new_object_and_found_again() {
    let folder = Folder::with("");
    let connector =
        TextFileConnector::new(Settings { allow_empty: true, ..Settings::active_directory_ldif(folder.path()) });
    let request = CreateRequest {
        dn: Some("CN=Ann,DC=x".parse().unwrap()),
        attributes: attributes(&[("sn", Value::text("A"))]),
        references: Vec::new(),
    };
    let user = ObjectType::new("user");
    assert_eq!(block_on(connector.find_created(&user, &request)).unwrap(), None);
    let item = ExportItem {
        id: 1,
        object_type: user.clone(),
        operation: ExportOperation::Create(request.clone()),
        named_by: Attributes::new(),
    };
    let outcomes = block_on(connector.export(std::slice::from_ref(&item))).unwrap();
    let [(1, ExportOutcome::Accepted { anchor: Some(drawn), .. })] = outcomes.as_slice() else {
        panic!("{outcomes:?}");
    };
    assert_eq!(block_on(connector.find_created(&user, &request)).unwrap().as_ref(), Some(drawn));
    assert_eq!(block_on(connector.find_created(&ObjectType::new("group"), &request)).unwrap(), None);
    let (items, _) = import(&connector).unwrap();
    match items.as_slice() {
        [ImportItem::Object(object)] => {
            assert_eq!((&object.anchor, &object.object_type), (drawn, &user));
            assert_eq!(object.attributes.text("cn"), Some("Ann"));
        }
        other => panic!("{other:?}"),
    }
    let text = drawn.to_string();
    assert_eq!(&text[14..15], "4", "version 4 of RFC 9562: {text}");
    let other = ExportItem { object_type: ObjectType::new("organizationalUnit"), ..item };
    let refused = block_on(connector.export(&[other])).unwrap();
    assert!(
        matches!(&refused[..], [(1, ExportOutcome::Refused(found))] if found.code == "no-export-to-this-object-type")
    );
}

/// A record that cannot be read would be lost by rewriting the file; so would one that another program just added.
#[test]
fn a_file_that_was_not_read_whole_is_not_rewritten() {
    let text = "dn: cn=a\nid: 1\n\ndn: cn=b\nno colon\n\n";
    let folder = Folder::with(text);
    let refused = send(&folder.people(Format::Ldif), vec![ExportOperation::Delete { anchor: anchor("1") }]);
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("line 5") && message.contains("correct the record first"), "{message}");
    assert_eq!(folder.text(), text);
}

#[test]
fn the_export_file_starts_as_a_copy_and_permissions_and_links_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::with("dn: cn=a\nid: 1\n\n");
    let (out, link) = (folder.0.path().join("out"), folder.0.path().join("link"));
    let connector =
        TextFileConnector::new(Settings { export_path: Some(link.clone()), ..people(Format::Ldif, folder.path()) });
    let add = |id: &str| create(&format!("cn=n{id}"), attributes(&[("id", Value::text(id))]));
    send(&connector, vec![add("2")]).unwrap();
    assert!(!folder.text().contains("n2"));
    std::fs::rename(&link, &out).unwrap();
    std::fs::set_permissions(&out, std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&out, &link).unwrap();
    send(&connector, vec![add("3")]).unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(
        std::fs::read_to_string(&out).unwrap(),
        "version: 1\n\ndn: cn=a\nid: 1\n\ndn: cn=n2\nid: 2\n\ndn: cn=n3\nid: 3\n\n"
    );
    assert_eq!(std::fs::read_dir(folder.0.path()).unwrap().count(), 3, "no temporary file stays");
}

#[test]
fn exports_at_the_same_time_lose_nothing() {
    let folder = Folder::with("dn: cn=a\nid: a\n\n");
    let connector = folder.people(Format::Ldif);
    let items: Vec<Vec<ExportItem>> = (0..8)
        .map(|id| {
            let operation = create(&format!("cn={id}"), attributes(&[("id", Value::text(id.to_string()))]));
            vec![ExportItem { id, object_type: ObjectType::new("person"), operation, named_by: Attributes::new() }]
        })
        .collect();
    block_on(async {
        let (a, b, c, d) = tokio::join!(
            connector.export(&items[0]),
            connector.export(&items[1]),
            connector.export(&items[2]),
            connector.export(&items[3])
        );
        assert!([a, b, c, d].iter().all(Result::is_ok));
    });
    assert_eq!(objects(&import(&connector)).len(), 5);
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{1,90}", any::<String>(), "[ :<a\u{e9}\u{1f393}\r\n\t\"'#,;]{1,12}",]
}

fn dn() -> impl Strategy<Value = Dn> {
    proptest::collection::vec("[a-zA-Z\u{e9} ,+\"=#;]{1,8}", 1..4).prop_filter_map(
        "names that print and parse",
        |names| {
            let rdns = names.into_iter().map(|name| metaverse_schema::Rdn::new("cn", name)).collect();
            let dn = Dn::from_rdns(rdns);
            (dn.to_string().parse().as_ref() == Ok(&dn)).then_some(dn)
        },
    )
}

fn image(csv: bool) -> impl Strategy<Value = Attributes> {
    let text = || {
        text().prop_filter("what CSV cannot carry is refused", move |text| {
            !csv || (!text.is_empty() && !text.contains("||"))
        })
    };
    let binary = proptest::collection::vec(any::<u8>(), usize::from(csv)..40);
    let reference = || dn().prop_map(|dn| Value::Reference(Reference::Dn(dn)));
    let multi = proptest::collection::vec(
        text().prop_filter("separator", |text| !text.starts_with('|') && !text.ends_with('|')),
        0..4,
    );
    (
        proptest::option::of(text()),
        proptest::option::of(any::<i64>()),
        proptest::option::of(any::<bool>()),
        proptest::option::of(binary),
        proptest::option::of(reference()),
        multi,
        proptest::collection::vec(reference(), 0..4),
    )
        .prop_map(|(title, number, active, photo, manager, mail, members)| {
            let mut image = Attributes::new();
            let single = [
                ("title", title.map(Value::Text)),
                ("number", number.map(Value::Integer)),
                ("active", active.map(Value::Boolean)),
                ("photo", photo.map(Value::Binary)),
                ("manager", manager),
            ];
            for (name, value) in single {
                image.set(name, value.into_iter().collect::<Values>());
            }
            image.set("mail", mail.into_iter().map(Value::Text).collect::<Values>());
            // In a file two spellings of one DN are one reference.
            let mut seen = std::collections::BTreeSet::new();
            let members = members.into_iter().filter(|value| seen.insert(metaverse_schema::match_key(value)));
            image.set("member", members.collect::<Values>());
            image
        })
}

fn survives(format: Format, images: Vec<Attributes>) {
    let folder = Folder::with("");
    let connector = TextFileConnector::new(Settings {
        allow_empty: true,
        multi_value_separator: "||".to_owned(),
        ..people(format, folder.path())
    });
    let images: Vec<Attributes> = (100..)
        .zip(images)
        .map(|(id, mut image)| {
            image.set("id", Value::text(format!("{id}")));
            image
        })
        .collect();
    let creates = images.iter().zip(100..).map(|(image, id)| create(&format!("cn={id}"), image.clone()));
    let outcomes = send(&connector, creates.collect()).unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, ExportOutcome::Accepted { .. })), "{outcomes:?}");
    assert_eq!(objects(&import(&connector)), images);
    // Writing what was read gives the same bytes: one change there and back.
    let written = std::fs::read(folder.path()).unwrap();
    let marked = create("cn=last", attributes(&[("id", Value::text("999"))]));
    send(&connector, vec![marked]).unwrap();
    send(&connector, vec![ExportOperation::Delete { anchor: anchor("999") }]).unwrap();
    assert_eq!(std::fs::read(folder.path()).unwrap(), written);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_object_survives_ldif(images in proptest::collection::vec(image(false), 1..4)) {
        survives(Format::Ldif, images);
    }

    #[test]
    fn any_object_survives_csv(images in proptest::collection::vec(image(true), 1..4)) {
        survives(Format::Csv, images);
    }
}

#[test]
fn references_by_anchor_are_written_as_anchors() {
    let folder = Folder::with("id,dn,member\n1,cn=a,\n2,cn=b,1\n");
    let connector =
        TextFileConnector::new(Settings { reference_by: ReferenceBy::Anchor, ..people(Format::Csv, folder.path()) });
    let mut group = update("2");
    group.references = vec![member("1", None, false), member("1", None, false), member("5", None, true)];
    group.changes = set("manager", Value::Reference(Reference::Dn("CN=a".parse().unwrap())));
    send(&connector, vec![ExportOperation::Update(group)]).unwrap();
    assert_eq!(folder.text(), "id,dn,member,manager\n1,cn=a,,\n2,cn=b,5,1\n");
    send(&connector, vec![ExportOperation::Delete { anchor: anchor("1") }]).unwrap();
    assert_eq!(folder.text(), "id,dn,member,manager\n2,cn=b,5,\n");
}
