//! Containers that are renamed, moved within, out of and into the scope, deleted; and the selected ones themselves (SF13).

use super::world::{Imported, Row, Space, VIEWS, connector, delta, domain, full, list, oracle, sales, step, viewing};
use connector_active_directory::ActiveDirectory;
use connector_contract::{ErrorKind, ImportItem, Watermark};
use metasync_tests::lab::{DOMAIN, DomainController};
use metaverse_schema::Guid;
use std::collections::BTreeMap;

fn dn(rest: &str) -> String {
    format!("{rest},{DOMAIN}")
}

fn rename(from: &str, rdn: &str, superior: &str) -> String {
    format!("dn: {}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1\nnewsuperior: {}\n", dn(from), dn(superior))
}

struct Follower {
    view: &'static str,
    connector: ActiveDirectory,
    space: Space,
    watermark: Watermark,
}

impl Follower {
    async fn all(dc: &DomainController) -> Vec<Follower> {
        let mut followers = Vec::new();
        for view in VIEWS {
            let connector = connector(dc, &viewing(view));
            let (space, imported) = Space::of_full(&connector).await;
            followers.push(Follower { view, connector, space, watermark: imported.watermark().clone() });
        }
        followers
    }

    async fn step(&mut self, what: &str, database: &BTreeMap<Guid, Row>) -> Imported {
        let what = format!("{}: {what}", self.view);
        let imported = step(&what, database, &self.connector, &mut self.space, &self.watermark).await;
        self.watermark = imported.watermark().clone();
        imported
    }

    fn team(&self) -> usize {
        self.space
            .0
            .values()
            .filter(|held| held.object.attributes.text("sAMAccountName").is_some_and(|name| name.starts_with('t')))
            .count()
    }
}

fn kinds(items: &[ImportItem]) -> String {
    let mut kinds: Vec<String> = items
        .iter()
        .map(|item| match item {
            ImportItem::Object(object) => format!("{}", object.object_type),
            ImportItem::Change(change) if change.place.is_some() => format!("moved {}", change.object_type),
            ImportItem::Change(change) => format!("change of {}", change.object_type),
            ImportItem::Deleted { cause, .. } => format!("{cause:?}"),
            ImportItem::SubtreeLeft { .. } => "SubtreeLeft".to_owned(),
            ImportItem::Same { .. } => "Same".to_owned(),
            ImportItem::Unreadable(issue) => format!("{issue:?}"),
        })
        .collect();
    kinds.dedup();
    kinds.join(", ")
}

/// T22: an OU with 50 users renamed, moved within the scope, moved out, moved in, deleted.
#[tokio::test(flavor = "multi_thread")]
async fn an_ou_with_50_users_is_followed() {
    let dc = domain("an_ou_with_50_users_is_followed");
    let mut followers = Follower::all(&dc).await;
    let steps = [
        ("renamed", rename("OU=Team,OU=Sales", "OU=Crew", "OU=Sales"), 50, "moved organizationalUnit"),
        ("moved within", rename("OU=Crew,OU=Sales", "OU=Crew", "OU=Sub,OU=Sales"), 50, "moved organizationalUnit"),
        ("moved out", rename("OU=Crew,OU=Sub,OU=Sales", "OU=Crew", "OU=Other"), 0, "SubtreeLeft"),
        (
            "changed outside",
            format!("dn: {}\nchangetype: modify\nreplace: title\ntitle: changed\n", dn("CN=t01,OU=Crew,OU=Other")),
            0,
            "",
        ),
        ("moved in", rename("OU=Crew,OU=Other", "OU=Crew", "OU=Sales"), 50, "organizationalUnit, user"),
        (
            "moved in the parent",
            rename("OU=Crew,OU=Sales", "OU=Crew", "OU=Sub,OU=Sales"),
            50,
            "moved organizationalUnit",
        ),
        ("the parent moved out", rename("OU=Sub,OU=Sales", "OU=Sub", "OU=Other"), 0, "SubtreeLeft"),
        ("the parent moved in", rename("OU=Sub,OU=Other", "OU=Sub", "OU=Sales"), 50, "organizationalUnit, user"),
        ("deleted", format!("dn: {}\nchangetype: delete\n", dn("OU=Crew,OU=Sub,OU=Sales")), 0, "DeletedInSource"),
    ];
    for (what, ldif, users, items) in &steps {
        dc.seed(ldif);
        let database = oracle(&dc, &followers[0].connector, &sales()).await;
        for follower in &mut followers {
            let imported = follower.step(what, &database).await;
            assert_eq!(follower.team(), *users, "{}: {what}", follower.view);
            // An ordinary search shows everything whole, and what was changed outside as well.
            match (follower.view, *items) {
                ("usn", "") => {}
                ("usn", items) => assert_eq!(kinds(&imported.items), items.replace("moved ", ""), "usn: {what}"),
                (view, items) => assert_eq!(kinds(&imported.items), items, "{view}: {what}"),
            }
        }
    }
}

/// Things that happen between two imports to a container and to what is in it.
#[tokio::test(flavor = "multi_thread")]
async fn containers_and_their_objects_change_together() {
    let dc = domain("containers_and_their_objects_change_together");
    let mut followers = Follower::all(&dc).await;
    let add = |rest: &str, class: &str, more: &str| {
        format!("dn: {}\nchangetype: add\nobjectClass: {class}\n{more}\n", dn(rest))
    };
    let steps = [
        (
            "a new OU with new and moved people, and an old OU moved into it",
            [
                add("OU=New,OU=Sales", "organizationalUnit", ""),
                add("CN=fresh,OU=New,OU=Sales", "user", "sAMAccountName: fresh\n"),
                rename("CN=Out,OU=Other", "CN=Out", "OU=New,OU=Sales"),
                rename("OU=Team,OU=Sales", "OU=Team", "OU=New,OU=Sales"),
            ],
        ),
        (
            "one leaves an OU that then leaves, another enters it",
            [
                rename("CN=t01,OU=Team,OU=New,OU=Sales", "CN=t01", "OU=Sales"),
                rename("CN=Contact,OU=Sales", "CN=Contact", "OU=Team,OU=New,OU=Sales"),
                rename("OU=Team,OU=New,OU=Sales", "OU=Team", "OU=Other"),
                rename("CN=fresh,OU=New,OU=Sales", "CN=fresh 2", "OU=Sales"),
            ],
        ),
        (
            "an OU comes back after changes outside, with a new one inside",
            [
                add("OU=Inside,OU=Team,OU=Other", "organizationalUnit", ""),
                add("CN=inside,OU=Inside,OU=Team,OU=Other", "user", "sAMAccountName: inside\n"),
                format!("dn: {}\nchangetype: delete\n", dn("CN=t02,OU=Team,OU=Other")),
                rename("OU=Team,OU=Other", "OU=Team", "OU=Sub,OU=Sales"),
            ],
        ),
        (
            "an OU leaves, a part of it stays, the rest is deleted outside",
            [
                add("OU=Part,OU=Team,OU=Sub,OU=Sales", "organizationalUnit", ""),
                rename("OU=Inside,OU=Team,OU=Sub,OU=Sales", "OU=Inside", "OU=Sales"),
                rename("OU=Team,OU=Sub,OU=Sales", "OU=Team", "OU=Other"),
                format!("dn: {}\nchangetype: delete\n", dn("OU=Team,OU=Other")),
            ],
        ),
    ];
    for (what, ldif) in &steps {
        dc.seed(&ldif.join("\n"));
        let database = oracle(&dc, &followers[0].connector, &sales()).await;
        for follower in &mut followers {
            follower.step(what, &database).await;
        }
    }
    for follower in &followers {
        assert!(follower.space.find("inside").is_some() && follower.space.find("t01").is_some(), "{}", follower.view);
        assert!(follower.space.find("t03").is_none(), "{}", follower.view);
    }
}

/// SF13: a selected container is followed by its GUID when it is renamed or moved; an OU that takes its old name is not it.
#[tokio::test(flavor = "multi_thread")]
async fn sf13_a_selected_container_is_followed() {
    let dc = domain("sf13_a_selected_container_is_followed");
    let connector = connector(&dc, &[]);
    let (mut space, imported) = Space::of_full(&connector).await;
    let people = space.0.len();
    dc.seed(&rename("OU=Sales", "OU=Vertrieb", "OU=Other"));
    dc.seed(&format!("dn: {0}\nchangetype: add\nobjectClass: organizationalUnit\n\ndn: CN=wrong,{0}\nchangetype: add\nobjectClass: user\nsAMAccountName: wrong\n", sales()));
    let next = delta(&connector, imported.watermark()).await.expect("a delta import");
    assert_eq!(next.notes(), ["container-moved"]);
    space.apply(&connector, &next.items).await;
    // The people, and OU=Other above them for the name.
    assert_eq!(space.0.len(), people + 1);
    assert!(space.find("wrong").is_none() && space.find("out").is_none());
    let again = full(&connector, Some(next.watermark())).await.expect("a full import follows too");
    assert!(!again.notes().contains(&"container-moved"), "it was reported once");
    let mut fresh = Space::default();
    fresh.apply(&connector, &again.items).await;
    super::world::same("after the move", &space.rows(), &fresh.rows());
    assert!(fresh.find("zoe").is_some_and(|zoe| {
        zoe.place.as_ref().is_some_and(|place| place.dn.to_string().contains("OU=Vertrieb,OU=Other"))
    }));
}

/// SF13: a container that is not there ends the step before anything is read, and nothing is obsoleted.
#[tokio::test(flavor = "multi_thread")]
async fn sf13_a_missing_container_obsoletes_nothing() {
    let dc = domain("sf13_a_missing_container_obsoletes_nothing");
    let settings = [("include_containers", list(&[&dn("OU=Team,OU=Sales"), &dn("OU=Other")]))];
    let followed = connector(&dc, &settings);
    let (_, imported) = Space::of_full(&followed).await;
    dc.seed(&format!("dn: {}\nchangetype: delete\n", dn("OU=Team,OU=Sales")));
    dc.seed(&format!("dn: {}\nchangetype: add\nobjectClass: organizationalUnit\n", dn("OU=Team,OU=Sales")));
    for error in
        [delta(&followed, imported.watermark()).await.err(), full(&followed, Some(imported.watermark())).await.err()]
    {
        let error = error.expect("the container is gone, whatever bears its name");
        assert_eq!(error.step_status(), "no-start-partition-not-configured", "{error}");
        assert!(error.attempted.contains("OU=Team,OU=Sales"), "{error}");
    }
    let unknown = connector(&dc, &[("include_containers", list(&[&dn("OU=Nowhere")]))]);
    let error = full(&unknown, None).await.err().expect("there is no such container");
    assert_eq!(error.step_status(), "no-start-partition-not-configured");
    assert!(
        matches!(error.kind, ErrorKind::CannotStart { .. }) && error.remedy.contains("include_containers"),
        "{error}"
    );
}

/// SF15: containers that cannot be seen any more prove nothing; when they are seen again, nothing was lost.
#[tokio::test(flavor = "multi_thread")]
async fn sf15_a_hidden_container_removes_nothing() {
    let dc = domain("sf15_a_hidden_container_removes_nothing");
    let connector = connector(&dc, &viewing("object-security"));
    let (mut space, imported) = Space::of_full(&connector).await;
    let before = space.clone();
    dc.rights(&["hide", "svc-plain", &dn("OU=Team,OU=Sales")]);
    let hidden = delta(&connector, imported.watermark()).await.expect("a delta import");
    space.apply(&connector, &hidden.items).await;
    assert_eq!(space, before, "absence from a delta is not evidence");
    dc.rights(&["unhide", "svc-plain", &dn("OU=Team,OU=Sales")]);
    let shown = delta(&connector, hidden.watermark()).await.expect("a delta import");
    space.apply(&connector, &shown.items).await;
    assert_eq!(space, before);
}

/// Containers above the selected ones are handed over for their names, and followed when they are renamed.
#[tokio::test(flavor = "multi_thread")]
async fn containers_above_the_selected_ones_give_names() {
    let dc = domain("containers_above_the_selected_ones_give_names");
    for view in VIEWS {
        let mut settings = viewing(view);
        let team = format!("OU=Team,OU=Sales {view}").replace(" dirsync", "");
        let above = team.trim_start_matches("OU=Team,").to_owned();
        settings.push(("include_containers", list(&[&dn(&team)])));
        let connector = connector(&dc, &settings);
        let (mut space, imported) = Space::of_full(&connector).await;
        assert_eq!(space.counts().get("user"), Some(&50), "{view}");
        let next = match view {
            "dirsync" => "OU=Sales object-security",
            "object-security" => "OU=Sales usn",
            _ => "OU=Sales again",
        };
        dc.seed(&format!("dn: {}\nchangetype: modrdn\nnewrdn: {next}\ndeleteoldrdn: 1\n", dn(&above)));
        let renamed = delta(&connector, imported.watermark()).await.expect("a delta import");
        assert!(renamed.notes().contains(&"container-moved"), "{view}");
        space.apply(&connector, &renamed.items).await;
        let rows = space.rows();
        let names = rows.values().filter(|row| row.dn.ends_with(&format!(",OU=Team,{}", dn(next)))).count();
        assert_eq!(names, 50, "{view}: {rows:?}");
        let (fresh, _) = Space::of_full(&super::world::connector(
            &dc,
            &[("include_containers", list(&[&dn(&format!("OU=Team,{next}"))]))],
        ))
        .await;
        super::world::same(view, &rows, &fresh.rows());
    }
}
