//! Links that an operator makes and breaks (O20): through whole cycles, full imports included, and back again.

use super::setup::{Lab, Settings, object};
use crate::{CycleKind, Engine, EngineError, Space};
use sync_kernel::{ConnectorState, MvId, OPERATOR_LINK, Ownership, Subject};
use sync_store::LinkOrder;

fn metaverse(engine: &Engine, text: &str) -> MvId {
    match engine.reading().find(&Space::Metaverse, text).unwrap() {
        Subject::Metaverse(id) => id,
        Subject::Connector(id) => panic!("{id} is no metaverse object"),
    }
}

/// Gives an order after looking at it: what was shown is what is decided then, and looking leaves nothing behind.
fn order(lab: &Lab, make: impl Fn(&Engine) -> LinkOrder) -> String {
    let mut engine = lab.engine();
    let order = make(&engine);
    let subject = Subject::Connector(order.object());
    let before = engine.store().object(order.object()).unwrap();
    let shown = engine.preview_link_order(&order).unwrap();
    assert_eq!(engine.store().object(order.object()).unwrap(), before);
    let told = engine.order_link(&order).unwrap().told;
    assert_eq!(engine.reading().preview(subject).unwrap().digest, shown.digest);
    assert_eq!(engine.store().events(None, 1).unwrap()[0].message, told);
    told
}

fn refused(lab: &Lab, make: impl Fn(&Engine) -> LinkOrder) -> &'static str {
    let mut engine = lab.engine();
    let order = make(&engine);
    let (Err(EngineError::LinkRefused { code, .. }), Err(EngineError::LinkRefused { code: again, .. })) =
        (engine.preview_link_order(&order), engine.order_link(&order))
    else {
        panic!("{order:?} was not refused")
    };
    assert_eq!(code, again);
    code
}

fn join(connector: &'static str, anchor: &'static str, person: &'static str) -> impl Fn(&Engine) -> LinkOrder {
    move |engine| LinkOrder::Join {
        object: object(&engine.reading(), connector, anchor),
        metaverse: metaverse(engine, person),
    }
}

fn undo_join(connector: &'static str, anchor: &'static str) -> impl Fn(&Engine) -> LinkOrder {
    move |engine| LinkOrder::UndoJoin { object: object(&engine.reading(), connector, anchor) }
}

fn disconnect(connector: &'static str, anchor: &'static str) -> impl Fn(&Engine) -> LinkOrder {
    move |engine| LinkOrder::Disconnect { object: object(&engine.reading(), connector, anchor) }
}

fn undo_disconnect(connector: &'static str, anchor: &'static str) -> impl Fn(&Engine) -> LinkOrder {
    move |engine| LinkOrder::UndoDisconnect { object: object(&engine.reading(), connector, anchor) }
}

/// Imported and synchronised, with nothing exported.
async fn synchronise(lab: &Lab) {
    for (connector, profile) in [
        ("hr", "full-import"),
        ("crm", "full-import"),
        ("dir", "full-import"),
        ("hr", "full-synchronization"),
        ("crm", "full-synchronization"),
        ("dir", "full-synchronization"),
    ] {
        lab.run(connector, profile).await;
    }
}

/// SF5: the operator's join of an existing target object is the approval, under review too: it is taken over instead of the create
/// that was pending, and stays through full imports and synchronisations.
#[tokio::test]
async fn a_joined_target_is_taken_over_and_stays_so() {
    let lab = Lab::with(Settings { matching: "review", ..Settings::default() });
    lab.hr.put_person(1);
    lab.dir.put("mine", "user", &[("mail", "other@contoso.example"), ("title", "Kept"), ("enabled", "true")]);
    synchronise(&lab).await;
    assert_eq!(lab.engine().store().counts("dir").unwrap().export_add, 1);

    let told = order(&lab, join("dir", "mine", "Person 1"));
    assert_eq!(told, "dir: user other@contoso.example was joined to metaverse: person Person 1 (mv:1)");
    assert_eq!(lab.engine().store().counts("dir").unwrap().export_add, 0, "what was to be created gave way");
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written(), ["update mine displayName mail stamp"]);
    let kept = |lab: &Lab| {
        let state = lab.dir.state().objects["mine"].attributes.clone();
        (state.text("stamp").map(str::to_owned), state.text("title").map(str::to_owned))
    };
    assert_eq!(kept(&lab), (Some("1".into()), Some("Kept".into())));
    lab.second_plan_is_empty().await;
    assert_eq!(lab.dir.state().objects.len(), 1);

    let engine = lab.engine();
    let id = object(&engine.reading(), "dir", "mine");
    let linked = engine.store().object(id).unwrap().unwrap();
    assert_eq!(linked.state, ConnectorState::ExplicitlyConnected);
    assert_eq!(linked.link.unwrap().ownership, Ownership::Adopted);
    assert_eq!(engine.store().counts("dir").unwrap().explicit_connectors, 1);
}

/// A join that was not exported yet is taken back whole: nothing was sent, the rules decide as if it had never been said.
#[tokio::test]
async fn an_undone_join_leaves_nothing_behind() {
    let lab = Lab::with(Settings { matching: "review", ..Settings::default() });
    lab.hr.put_person(1);
    lab.dir.put("mine", "user", &[("mail", "other@contoso.example"), ("enabled", "true")]);
    synchronise(&lab).await;
    order(&lab, join("dir", "mine", "Person 1"));
    for connector in ["hr", "dir"] {
        lab.run(connector, "delta-synchronization").await;
    }
    assert_eq!(lab.engine().store().counts("dir").unwrap().export_update, 1);
    order(&lab, undo_join("dir", "mine"));
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written(), ["create user 1"]);
    let engine = lab.engine();
    let mine = engine.store().object(object(&engine.reading(), "dir", "mine")).unwrap().unwrap();
    assert_eq!((mine.state, mine.link), (ConnectorState::Disconnected, None));
    drop(engine);
    lab.second_plan_is_empty().await;
}

/// O20: said and taken back between two synchronisations, a join is nothing, also when its metaverse object is decided before the
/// object itself: an automatic `matching` makes no takeover of what is left of it.
#[tokio::test]
async fn o20_a_join_undone_before_the_next_synchronisation_takes_nobody_over() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    lab.dir.put("mine", "user", &[("mail", "other@contoso.example"), ("enabled", "true")]);
    synchronise(&lab).await;
    order(&lab, join("dir", "mine", "Person 1"));
    order(&lab, undo_join("dir", "mine"));
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written(), ["create user 1"]);
    assert_eq!(lab.dir.state().objects["mine"].attributes.text("stamp"), None);
    lab.second_plan_is_empty().await;
}

/// A source that no rule would join contributes as an operator says, and goes its own way again when that is undone.
#[tokio::test]
async fn a_joined_source_contributes_until_that_is_undone() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    lab.crm.put("c", "user", &[("employeeId", "77"), ("displayName", "Somebody"), ("department", "Sales")]);
    lab.good_cycle(CycleKind::Initial).await;
    assert_eq!(lab.dir.state().objects.len(), 2);
    assert_eq!(refused(&lab, join("crm", "c", "Person 1")), "linked-to-another");

    order(&lab, disconnect("crm", "c"));
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.dir.texts("department"), Vec::<String>::new());
    assert_eq!(lab.dir.state().objects.len(), 1, "the person that only it made is gone");
    order(&lab, join("crm", "c", "Person 1"));
    for kind in [CycleKind::Delta, CycleKind::Initial] {
        lab.good_cycle(kind).await;
        assert_eq!(lab.dir.texts("department"), ["Sales"]);
        assert_eq!(lab.dir.state().objects.len(), 1);
    }
    let engine = lab.engine();
    let reading = engine.reading();
    let id = object(&reading, "crm", "c");
    assert_eq!(&*engine.store().object(id).unwrap().unwrap().link.unwrap().rule, OPERATOR_LINK);
    let explained = reading.explain(Subject::Connector(id), None).unwrap().text.join("\n");
    assert!(explained.contains("linked already, by `an operator`"), "{explained}");
    drop(engine);
    lab.second_plan_is_empty().await;

    order(&lab, undo_join("crm", "c"));
    lab.good_cycle(CycleKind::Delta).await;
    let mut stamps = lab.dir.texts("stamp");
    stamps.sort();
    assert_eq!(stamps, ["1", "77"]);
    lab.second_plan_is_empty().await;
}

/// O20: a disconnected target object gets nothing more, is neither matched nor created again, and is ours again when that is undone.
#[tokio::test]
async fn a_disconnected_target_is_left_alone_until_that_is_undone() {
    let lab = Lab::new();
    (1..=2).for_each(|number| lab.hr.put_person(number));
    lab.good_cycle(CycleKind::Initial).await;
    lab.written();
    let anchor = "new-1";
    lab.hr.set("p1", "title", &["Maker"]);
    for profile in ["delta-import", "delta-synchronization"] {
        lab.run("hr", profile).await;
    }
    order(&lab, disconnect("dir", anchor));
    assert_eq!(lab.engine().store().counts("dir").unwrap().export_update, 0, "what was pending is not sent");
    for kind in [CycleKind::Delta, CycleKind::Initial] {
        let report = lab.good_cycle(kind).await;
        assert_eq!(lab.written(), Vec::<String>::new());
        assert_eq!(report.held["dir"]["explicitly-disconnected"], 1);
    }
    lab.hr.set("p1", "title", &["Seller"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written(), Vec::<String>::new());
    let engine = lab.engine();
    let counts = engine.store().counts("dir").unwrap();
    assert_eq!((counts.connectors, counts.explicit_disconnectors), (1, 1));
    drop(engine);

    order(&lab, undo_disconnect("dir", anchor));
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written(), ["update 1 title"]);
    assert_eq!(lab.dir.texts("title"), ["Seller"]);
    lab.second_plan_is_empty().await;
}

/// What cannot be is refused by name, before anything is written.
#[tokio::test]
async fn orders_that_cannot_be_are_refused() {
    let lab = Lab::new();
    (1..=2).for_each(|number| lab.hr.put_person(number));
    lab.hr.put("g", "group", &[("employeeId", "g"), ("displayName", "All"), ("member", "p1")]);
    lab.crm.put("c", "user", &[("displayName", "Without a number")]);
    lab.dir.put("free", "user", &[("mail", "free@contoso.example")]);
    synchronise(&lab).await;
    assert_eq!(refused(&lab, join("hr", "p1", "Person 2")), "linked-to-another");
    assert_eq!(refused(&lab, join("crm", "c", "All")), "type-mismatch");
    assert_eq!(refused(&lab, undo_join("hr", "p1")), "not-joined-by-operator");
    assert_eq!(refused(&lab, undo_disconnect("hr", "p1")), "not-disconnected-by-operator");
    let unexported = |engine: &Engine| {
        let mv = engine.store().metaverse(metaverse(engine, "Person 1")).unwrap().unwrap();
        let created = mv.links.iter().find(|id| engine.store().object(**id).unwrap().unwrap().anchor.is_none());
        LinkOrder::Disconnect { object: *created.unwrap() }
    };
    assert_eq!(refused(&lab, unexported), "not-exported");
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(refused(&lab, join("dir", "free", "Person 1")), "space-occupied");
    order(&lab, disconnect("dir", "free"));
    assert_eq!(refused(&lab, disconnect("dir", "free")), "disconnected-already");
    order(&lab, join("crm", "c", "Person 1"));
    assert_eq!(refused(&lab, join("crm", "c", "Person 1")), "joined-already");
    lab.hr.remove("p2");
    lab.run("hr", "delta-import").await;
    assert_eq!(refused(&lab, disconnect("hr", "p2")), "deleted");
}

/// T19, S27: the place of a new object is taken by one that belongs to nobody: it is updated, and no Add is sent. One that is somebody
/// else's holds the newcomer, until a delta sees it move.
#[tokio::test]
async fn t19_an_occupied_place_is_taken_over_or_waited_for() {
    let rules = super::setup::RULES.replace(
        "[rule.flow]\nstamp = \"[employeeId]\"\ndisplayName = \"[displayName]\"\nmail",
        "[rule.flow]\ndn = 'EscapeDNComponent(\"CN=\" & [displayName]) & \",OU=People\"'\nstamp = \"[employeeId]\"\ndisplayName = \"[displayName]\"\nmail",
    );
    assert_ne!(rules, super::setup::RULES);
    let lab = Lab::with(Settings { rules, ..Settings::default() });
    lab.dir.put_at("people", "organizationalUnit", Some("OU=People"), &[]);
    let attributes = [("mail", "old@contoso.example"), ("enabled", "true")];
    lab.dir.put_at("there", "user", Some("CN=Person 1,OU=People"), &attributes);
    lab.hr.put_person(1);
    lab.good_cycle(CycleKind::Initial).await;
    assert_eq!(lab.written(), ["update there displayName mail stamp"]);
    lab.second_plan_is_empty().await;

    // Another person of the same name: the place is Person 1's.
    lab.hr.put("p2", "user", &[("employeeId", "2"), ("displayName", "Person 1"), ("mail", "two@contoso.example")]);
    let report = lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(report.held["dir"]["dn-occupied"], 1);
    assert_eq!(lab.written(), Vec::<String>::new());
    lab.hr.set("p1", "displayName", &["Person One"]);
    lab.good_cycle(CycleKind::Delta).await;
    lab.good_cycle(CycleKind::Delta).await;
    let report = lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(report.held["dir"].get("dn-occupied"), None, "{report:#?}");
    assert_eq!(lab.dir.state().objects.len(), 3, "the container and two people");
    lab.second_plan_is_empty().await;
}
