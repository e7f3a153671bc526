//! Full and delta imports of people, groups and contacts.

use super::world::{
    Imported, Space, VIEWS, connector, delta, domain, domain_with, full, full_holding, list, oracle, sales, same, step,
    text, viewing,
};
use connector_contract::{
    Absence, Connector, DeletionCause, ErrorKind, Held, HeldPrints, ImportItem, ImportSink, Print,
};
use metasync_tests::lab::DOMAIN;
use metaverse_schema::{AttributeChange, SettingValue};

const BIG: &str = r#"
 {"repeat": 3000, "dn": "CN=m{n:04},OU=Sub,OU=Sales", "class": "user", "attributes": {"sAMAccountName": "m{n:04}"}},
 {"dn": "CN=Everybody,OU=Sales", "class": "group", "attributes": {"sAMAccountName": "everybody",
   "member": {"repeat": 3000, "value": "CN=m{n:04},OU=Sub,OU=Sales"}}}"#;

/// Values byte for byte, GUID, SID, non-ASCII and a 3,000-member group included, in every view.
#[tokio::test(flavor = "multi_thread")]
async fn full_import_equals_the_database() {
    let dc = domain_with("full_import_equals_the_database", BIG);
    for view in VIEWS {
        let connector = connector(&dc, &viewing(view));
        let (space, imported) = Space::of_full(&connector).await;
        same(view, &space.rows(), &oracle(&dc, &connector, &sales()).await);
        let counts = space.counts();
        assert_eq!(
            (counts["user"], counts["inetOrgPerson"], counts["group"], counts["contact"]),
            (3052, 1, 3, 1),
            "{view}"
        );
        let big = space.find("everybody").expect("the big group");
        assert_eq!(big.attributes.get("member").map_or(0, |members| members.len()), 3000);
        // Outside OU=Sales: the accounts, the built-in ones and CN=Out; at least those were seen and left out (R33).
        assert!(imported.end.filtered_objects >= 5, "{view}: {}", imported.end.filtered_objects);
        // SF20: users by inheritance only.
        for account in ["PC1$", "gmsa$", "out"] {
            assert!(space.find(account).is_none(), "{view}: {account}");
        }
        // Nothing happened: the next delta is empty.
        let next = delta(&connector, imported.watermark()).await.expect("a delta import");
        assert!(next.items.is_empty(), "{view}: {:?}", next.items);
    }
}

/// The whole domain when no container is named; a container named by its GUID; one left out.
#[tokio::test(flavor = "multi_thread")]
async fn the_selection_of_containers() {
    let dc = domain("the_selection_of_containers");
    let everything = connector(&dc, &[("include_containers", list(&[]))]);
    let (space, imported) = Space::of_full(&everything).await;
    same("the whole domain", &space.rows(), &oracle(&dc, &everything, DOMAIN).await);
    assert_eq!(imported.end.filtered_objects, 0);
    assert!(space.find("Administrator").is_some() && space.find("out").is_some());
    let infos = everything.containers().await.expect("the containers");
    let info = |dn: &str| infos.iter().find(|info| info.dn == dn).unwrap_or_else(|| panic!("{dn} is listed")).clone();
    let team = info(&format!("OU=Team,OU=Sales,{DOMAIN}"));
    let by_guid = connector(
        &dc,
        &[("include_containers", list(&[&info(&sales()).guid.to_string()])), ("exclude_containers", list(&[&team.dn]))],
    );
    let (space, _) = Space::of_full(&by_guid).await;
    assert!(space.find("zoe").is_some() && space.find("t01").is_none());
    assert!(!space.0.contains_key(&team.guid));
}

/// Add, modify, clear, rename, move, delete, member add and remove: in each view the delta equals a full import, and both
/// equal the database.
#[tokio::test(flavor = "multi_thread")]
async fn delta_after_every_kind_of_change() {
    let dc = domain("delta_after_every_kind_of_change");
    let mut spaces = Vec::new();
    for view in VIEWS {
        let connector = connector(&dc, &viewing(view));
        let (space, imported) = Space::of_full(&connector).await;
        spaces.push((view, connector, space, imported.watermark().clone()));
    }
    let dn = |rest: &str| format!("{rest},{DOMAIN}");
    let zoe = dn("CN=Zoë Łukasz,OU=Sales");
    let changes = [
        (
            "add",
            format!(
                "dn: {}\nchangetype: add\nobjectClass: user\nsAMAccountName: new\nmail: new@contoso.example\n",
                dn("CN=New,OU=Sub,OU=Sales")
            ),
        ),
        (
            "modify",
            format!(
                "dn: {zoe}\nchangetype: modify\nreplace: sn\nsn: Ławska\n-\nreplace: proxyAddresses\nproxyAddresses: smtp:zoe@contoso.example\nproxyAddresses: SMTP:Z@contoso.example\n"
            ),
        ),
        (
            "clear",
            format!(
                "dn: {zoe}\nchangetype: modify\ndelete: mail\n-\ndelete: thumbnailPhoto\n-\ndelete: userCertificate\n"
            ),
        ),
        (
            "rename",
            format!("dn: {zoe}\nchangetype: modrdn\nnewrdn: CN=Zoë, the Second\ndeleteoldrdn: 1\n")
                .replace("CN=Zoë, the", "CN=Zoë\\, the"),
        ),
        (
            "move",
            format!(
                "dn: {}\nchangetype: modrdn\nnewrdn: CN=Contact\ndeleteoldrdn: 1\nnewsuperior: {}\n",
                dn("CN=Contact,OU=Sales"),
                dn("OU=Sub,OU=Sales")
            ),
        ),
        (
            "leave",
            format!(
                "dn: {}\nchangetype: modrdn\nnewrdn: CN=t01\ndeleteoldrdn: 1\nnewsuperior: {}\n",
                dn("CN=t01,OU=Team,OU=Sales"),
                dn("OU=Other")
            ),
        ),
        (
            "enter",
            format!(
                "dn: {}\nchangetype: modrdn\nnewrdn: CN=Out\ndeleteoldrdn: 1\nnewsuperior: {}\n",
                dn("CN=Out,OU=Other"),
                dn("OU=Sub,OU=Sales")
            ),
        ),
        ("delete", format!("dn: {}\nchangetype: delete\n", dn("CN=t02,OU=Team,OU=Sales"))),
        (
            "member add",
            format!(
                "dn: {}\nchangetype: modify\nadd: member\nmember: {}\nmember: {}\n",
                dn("CN=Inner,OU=Sales"),
                dn("CN=t03,OU=Team,OU=Sales"),
                dn("CN=svc-plain,CN=Users")
            ),
        ),
        (
            "member remove",
            format!(
                "dn: {}\nchangetype: modify\ndelete: member\nmember: {}\n",
                dn("CN=Inner,OU=Sales"),
                dn("CN=t03,OU=Team,OU=Sales")
            ),
        ),
        (
            "manager set",
            format!(
                "dn: {}\nchangetype: modify\nreplace: manager\nmanager: {}\n",
                dn("CN=Smith\\, Ann \\+ Co,OU=Sales"),
                dn("CN=t04,OU=Team,OU=Sales")
            ),
        ),
        (
            "manager cleared",
            format!("dn: {}\nchangetype: modify\ndelete: manager\n", dn("CN=Smith\\, Ann \\+ Co,OU=Sales")),
        ),
        ("all members gone", format!("dn: {}\nchangetype: modify\ndelete: member\n", dn("CN=Outer,OU=Sales"))),
        (
            "changed and left",
            format!(
                "dn: {0}\nchangetype: modify\nreplace: title\ntitle: gone\n\ndn: {0}\nchangetype: modrdn\nnewrdn: CN=t05\ndeleteoldrdn: 1\nnewsuperior: {1}\n",
                dn("CN=t05,OU=Team,OU=Sales"),
                dn("OU=Other")
            ),
        ),
        ("outside", format!("dn: {}\nchangetype: modify\nreplace: title\ntitle: x\n", dn("CN=t01,OU=Other"))),
    ];
    for (what, ldif) in &changes {
        dc.seed(ldif);
        let database = oracle(&dc, &spaces[0].1, &sales()).await;
        for (view, connector, space, watermark) in &mut spaces {
            let imported = step(&format!("{view}: {what}"), &database, connector, space, watermark).await;
            *watermark = imported.watermark().clone();
            says_what_happened(what, view, &imported.items);
            if *what == "outside" {
                assert_eq!(imported.end.filtered_objects, 1, "{view}: R33");
            }
        }
    }
}

fn says_what_happened(what: &str, view: &str, items: &[ImportItem]) {
    let incremental = view != "usn";
    match (what, items) {
        ("delete", [ImportItem::Deleted { cause: DeletionCause::DeletedInSource, .. }]) => {}
        ("leave" | "changed and left", [ImportItem::Deleted { cause: DeletionCause::LeftScope, .. }]) => {}
        ("member add", [ImportItem::Change(change)]) if incremental => match change.changes.0.get("member") {
            Some(AttributeChange::Update { add, remove }) => assert_eq!((add.len(), remove.len()), (2, 0), "{view}"),
            other => panic!("{view}: {what}: {other:?}"),
        },
        ("member remove", [ImportItem::Change(change)]) if incremental => match change.changes.0.get("member") {
            Some(AttributeChange::Update { add, remove }) => assert_eq!((add.len(), remove.len()), (0, 1), "{view}"),
            other => panic!("{view}: {what}: {other:?}"),
        },
        ("clear", [ImportItem::Change(change)]) if incremental => {
            let cleared: Vec<&str> = change
                .changes
                .0
                .iter()
                .filter(|(_, change)| change.is_clear())
                .map(|(name, _)| name.as_str())
                .collect();
            assert_eq!(cleared, ["mail", "thumbnailPhoto", "userCertificate"], "{view}");
        }
        // Whoever knows it need not be told the whole of it, which a domain controller would look through everything for.
        ("rename" | "move" | "enter", [ImportItem::Change(change)]) if incremental => {
            assert!(change.place.is_some(), "{view}: {what}");
        }
        ("rename" | "move" | "enter", [ImportItem::Object(_)]) if !incremental => {}
        ("add", [ImportItem::Object(_)]) => {}
        ("outside", []) if incremental => {}
        // An ordinary search cannot tell a change outside from a move to the outside.
        ("outside", [ImportItem::Deleted { cause: DeletionCause::LeftScope, .. }]) => {}
        ("delete" | "leave" | "changed and left" | "rename" | "move" | "enter" | "add" | "outside", other) => {
            panic!("{view}: {what}: {other:#?}")
        }
        _ => {}
    }
}

/// The prints of all items of an import.
struct Prints(Vec<Print>);

impl Prints {
    fn of(imported: &Imported) -> Held {
        let print = |item: &ImportItem| match item {
            ImportItem::Object(object) => Some(object.print.expect("every object has a print")),
            _ => None,
        };
        Held::of(std::sync::Arc::new(Prints(imported.items.iter().filter_map(print).collect())))
    }
}

impl HeldPrints for Prints {
    fn holds(&self, print: &Print) -> bool {
        self.0.contains(print)
    }
}

/// R9: a domain controller answers to the letter as before, in each view, so that a second full import knows everything again
/// by its print; after a unit was renamed and one of its users changed, everything but that user. Containers come whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_full_import_knows_objects_by_their_prints() {
    let dc = domain("a_second_full_import_knows_objects_by_their_prints");
    let told = |imported: &Imported| {
        let (mut whole, mut same) = (Vec::new(), 0);
        for item in &imported.items {
            match item {
                ImportItem::Same { .. } => same += 1,
                ImportItem::Object(object)
                    if ["user", "inetOrgPerson", "group", "contact"].contains(&object.object_type.as_str()) =>
                {
                    whole.push(object.attributes.text("sAMAccountName").unwrap_or_default().to_owned());
                }
                _ => {}
            }
        }
        (whole, same)
    };
    let mut held = Vec::new();
    for view in VIEWS {
        let connector = connector(&dc, &viewing(view));
        let first = full(&connector, None).await.expect("a full import");
        let all = told(&first).0.len();
        let prints = Prints::of(&first);
        let again =
            full_holding(&connector, Some(first.watermark()), prints.clone()).await.expect("a second full import");
        assert_eq!(told(&again), (vec![], all), "{view}");
        held.push((view, connector, all, first, prints));
    }
    dc.seed(&format!("dn: OU=Team,OU=Sales,{DOMAIN}\nchangetype: modrdn\nnewrdn: OU=Crew\ndeleteoldrdn: 1\n"));
    dc.seed(&format!("dn: CN=t02,OU=Crew,OU=Sales,{DOMAIN}\nchangetype: modify\nreplace: title\ntitle: Changed\n"));
    for (view, connector, all, first, prints) in held {
        let later = full_holding(&connector, Some(first.watermark()), prints).await.expect("a third full import");
        assert_eq!(told(&later), (vec!["t02".to_owned()], all - 1), "{view}");
    }
}

/// SF18: what was deleted between two full imports is told as deleted, in each view, and not left to its absence, which may
/// have another reason. A first import has nobody to tell.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_import_tells_what_was_deleted_since_the_last() {
    let dc = domain("a_full_import_tells_what_was_deleted_since_the_last");
    let mut spaces = Vec::new();
    for view in VIEWS {
        let connector = connector(&dc, &viewing(view));
        let (space, imported) = Space::of_full(&connector).await;
        spaces.push((view, connector, space.find("t02").expect("it is there").anchor.clone(), imported));
    }
    dc.seed(&format!("dn: CN=t02,OU=Team,OU=Sales,{DOMAIN}\nchangetype: delete\n"));
    for (view, connector, gone, first) in &spaces {
        let told = |items: &[ImportItem]| {
            items.iter().any(|item| {
                matches!(item, ImportItem::Deleted { anchor, cause: DeletionCause::DeletedInSource } if anchor == gone)
            })
        };
        assert!(!told(&first.items), "{view}: nothing was deleted before");
        let again = full(connector, Some(first.watermark())).await.expect("a second full import");
        assert!(told(&again.items), "{view}: the deletion is told");
        assert_eq!(again.end.absence, Absence::OutOfSight, "{view}");
        let fresh = full(connector, None).await.expect("a first full import");
        assert!(!told(&fresh.items), "{view}: nobody held it");
    }
}

/// T20, T21: deleted and made again under the same name; two objects that swap names.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_change_hands() {
    let dc = domain("names_that_change_hands");
    let connector = connector(&dc, &viewing("dirsync"));
    let (mut space, imported) = Space::of_full(&connector).await;
    let old = space.find("t07").expect("t07").anchor.clone();
    let dn = |name: &str| format!("CN={name},OU=Team,OU=Sales,{DOMAIN}");
    dc.seed(&format!(
        "dn: {0}\nchangetype: delete\n\ndn: {0}\nchangetype: add\nobjectClass: user\nsAMAccountName: t07\n",
        dn("t07")
    ));
    let database = oracle(&dc, &connector, &sales()).await;
    let imported = step("made again", &database, &connector, &mut space, imported.watermark()).await;
    assert_ne!(space.find("t07").expect("the new t07").anchor, old);
    let rename =
        |from: &str, to: &str| format!("dn: {}\nchangetype: modrdn\nnewrdn: CN={to}\ndeleteoldrdn: 1\n", dn(from));
    dc.seed(&[rename("t08", "x"), rename("t09", "t08"), rename("x", "t09")].join("\n"));
    let database = oracle(&dc, &connector, &sales()).await;
    let swapped = step("swapped", &database, &connector, &mut space, imported.watermark()).await;
    assert_eq!(swapped.items.len(), 2);
    assert_eq!(space.find("t08").and_then(|object| object.attributes.text("cn")), Some("t09"));
}

/// SF14: a user hidden by an access control entry exists in full and delta, or in neither; a view is never mixed with another.
#[tokio::test(flavor = "multi_thread")]
async fn sf14_a_hidden_user_is_in_full_and_delta_or_in_neither() {
    let dc = domain("sf14_a_hidden_user_is_in_full_and_delta_or_in_neither");
    let hidden = format!("CN=Hidden,OU=Sales,{DOMAIN}");
    for account in ["svc-sync", "svc-plain"] {
        dc.rights(&["hide", account, &hidden]);
    }
    let mut watermarks = Vec::new();
    for view in VIEWS {
        let connector = connector(&dc, &viewing(view));
        let (space, imported) = Space::of_full(&connector).await;
        let shown = space.find("hidden").is_some();
        watermarks.push((view, connector, space, shown, imported.watermark().clone()));
    }
    // Its attributes, its name, and its membership in a group that is seen.
    dc.seed(&format!("dn: {hidden}\nchangetype: modify\nreplace: title\ntitle: secret\n"));
    dc.seed(&format!("dn: {hidden}\nchangetype: modrdn\nnewrdn: CN=Hidden 2\ndeleteoldrdn: 1\n"));
    for (view, connector, space, shown, watermark) in &mut watermarks {
        let imported = delta(connector, watermark).await.unwrap_or_else(|error| panic!("{view}: {error}"));
        space.apply(connector, &imported.items).await;
        assert_eq!(space.find("hidden").is_some(), *shown, "{view}: the delta import shows what the full import shows");
        let (fresh, _) = Space::of_full(connector).await;
        assert_eq!(fresh.find("hidden").is_some(), *shown, "{view}");
        same(view, &space.rows(), &fresh.rows());
    }
    assert!(
        watermarks.iter().any(|(view, _, _, shown, _)| *view == "usn" && !shown),
        "an ordinary search does not show it"
    );
}

/// SF14: another view asks for a full import and names the objects that only one of them shows.
#[tokio::test(flavor = "multi_thread")]
async fn sf14_a_change_of_view_stops_with_the_difference() {
    let dc = domain("sf14_a_change_of_view_stops_with_the_difference");
    let replica = connector(&dc, &[("view", text("dirsync"))]);
    let (_, imported) = Space::of_full(&replica).await;
    let plain = connector(&dc, &[("view", text("usn"))]);
    let error = delta(&plain, imported.watermark()).await.err().expect("a delta import in another view is refused");
    assert_eq!(error.kind, ErrorKind::FullImportRequired);
    assert!(
        error.message.contains("no object is shown by `dirsync` alone; no object is shown by `usn` alone"),
        "{error}"
    );
    // Automatic choice keeps the view of the last import while the right is there, and says so when it is gone.
    let automatic = connector(&dc, &[]);
    let (_, before) = Space::of_full(&automatic).await;
    delta(&automatic, before.watermark()).await.expect("the same view again");
    dc.rights(&["no-replication", "svc-sync"]);
    let error = delta(&automatic, before.watermark()).await.err().expect("the right is gone");
    assert_eq!(error.kind, ErrorKind::Permission, "{error}");
    assert!(error.message.contains("Replicating Directory Changes"), "{error}");
    let after = full(&automatic, Some(before.watermark())).await.expect("a full import in the next view");
    assert!(after.notes().contains(&"view-changed"), "{:?}", after.end.notes);
    delta(&automatic, after.watermark()).await.expect("a delta import in that view");
}

/// What the last import was made with must be what this one is made with: classes, attributes, containers.
#[tokio::test(flavor = "multi_thread")]
async fn other_settings_ask_for_a_full_import() {
    let dc = domain("other_settings_ask_for_a_full_import");
    let (_, imported) = Space::of_full(&connector(&dc, &[])).await;
    for (changed, word) in [
        (("object_classes", list(&["user"])), "types"),
        (("attributes", list(&["mail", "sn"])), "attributes"),
        (("include_containers", list(&[&format!("OU=Other,{DOMAIN}")])), "containers"),
        (("exclude_containers", list(&[&format!("OU=Team,{}", sales())])), "containers"),
    ] {
        let other = connector(&dc, &[changed]);
        let error = delta(&other, imported.watermark()).await.err().expect("refused");
        assert_eq!(error.kind, ErrorKind::FullImportRequired);
        assert!(error.message.contains(word), "{error}");
    }
}

/// SF15: a read that breaks off is an error and not an end: no watermark, nothing to obsolete with.
#[tokio::test(flavor = "multi_thread")]
async fn sf15_a_read_that_breaks_off_is_no_end() {
    let dc = domain_with("sf15_a_read_that_breaks_off_is_no_end", BIG);
    let mut settings = viewing("usn");
    settings.push(("page_size", SettingValue::Integer(50)));
    let connector = connector(&dc, &settings);
    let (sink, mut pages) = ImportSink::new(1);
    let consume = async {
        let first = pages.recv().await.expect("a first page");
        tokio::task::block_in_place(|| dc.stop());
        let mut count = first.items.len();
        while let Some(page) = pages.recv().await {
            count += page.items.len();
        }
        count
    };
    let (end, count) = tokio::join!(connector.import_full(Default::default(), sink), consume);
    let error = end.expect_err("the server went away");
    assert_eq!(error.kind, ErrorKind::Connection, "{error}");
    assert!(count > 0 && count < 3000, "{count} items came before it");
}

/// R70: an object that the engine does not hold is read whole, in the import's view and scope.
#[tokio::test(flavor = "multi_thread")]
async fn single_objects_are_read_whole() {
    let dc = domain("single_objects_are_read_whole");
    for view in VIEWS {
        let connector = connector(&dc, &viewing(view));
        let (space, _) = Space::of_full(&connector).await;
        let (outside, _) =
            Space::of_full(&super::world::connector(&dc, &[("include_containers", list(&[DOMAIN]))])).await;
        let zoe = space.find("zoe").expect("zoe");
        let anchors = [zoe.anchor.clone(), outside.find("out").expect("out").anchor.clone()];
        let reader = connector.object_reader().expect("single reads");
        let items = reader.read_objects(&anchors).await.expect("both are looked for");
        assert_eq!(items, [ImportItem::Object(zoe.clone())], "{view}: what is outside is not there");
        dc.stop();
        dc.launch();
        let items = reader.read_objects(&anchors[..1]).await.expect("a closed connection is opened again");
        assert_eq!(items.len(), 1, "{view}");
    }
}
