//! The outbound merge as small stories (S57, D34): what others put into a target's attribute stays theirs.

use crate::world::{World, flow};
use crate::*;
use expect_test::{Expect, expect};
use metaverse_schema::{AttributeChange, AttributesDelta, Plurality, Value, ValueKind, Values};
use std::fmt::Write as _;
use sync_rules::*;

const ANN: &str = "objectGUID=g1 displayName=Ann mail=ann@x userPrincipalName=ann@x enabled=yes";

/// One person in both systems, with these addresses in the target. The rule gives the target the `department` as an address.
struct Story {
    world: World,
    source: CsId,
    target: CsId,
}

fn joined(text: &[&str]) -> Values {
    text.iter().map(|value| Value::text(*value)).collect()
}

fn shown(values: &Values) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

impl Story {
    fn new(merge: MergeType, given: &str, present: &[&str]) -> Self {
        let mut world = World::new(Matching::Automatic);
        let cloud = world.run.schemas.remove("cloud").unwrap();
        let cloud = cloud.attribute("proxyAddresses", ValueKind::Text, Plurality::Multi, true);
        world.run.schemas.insert("cloud".into(), cloud);
        let outbound = &mut world.run.rules.rules[1];
        outbound.flows.retain(|flow| !["proxyAddresses", "department"].contains(&flow.target.as_str()));
        outbound.flows.push(Flow { merge, ..flow("proxyAddresses", "[department]") });
        let target = world.import(
            "cloud",
            "c1",
            "onPremisesImmutableId=g1 displayName=Ann mail=ann@x userPrincipalName=ann@x accountEnabled=yes",
        );
        world.sync(target);
        let source = world.import("ad", "a1", ANN);
        let mut story = Story { world, source, target };
        story.returns(present);
        story.gives(given);
        story
    }

    /// The source gives this address; nothing: it has none.
    fn gives(&mut self, address: &str) {
        let department = if address.is_empty() { String::new() } else { format!(" department={address}") };
        self.world.import("ad", "a1", &format!("{ANN}{department}"));
        self.world.sync(self.source);
    }

    /// An import of the target returns these addresses, and is synchronised. What the import contradicts is returned.
    fn returns(&mut self, addresses: &[&str]) -> usize {
        let object = self.world.objects.get_mut(&self.target).unwrap();
        let mut image = overlay(&object.imported().cloned().unwrap_or_default(), &object.memory);
        image.set("proxyAddresses", joined(addresses));
        let (memory, news) = confirm_import(&object.memory, &object.contributed, &image);
        object.memory = memory;
        object.staged = Some(Staged::Image(image));
        self.world.sync(self.target);
        news.len()
    }

    /// What is pending, what waits for confirmation, what this engine answers for, and what is held.
    fn state(&self) -> String {
        let object = &self.world.objects[&self.target];
        let mut text = String::new();
        match object.pending.as_ref().map(|pending| &pending.operation) {
            None => text.push_str("nothing pending\n"),
            Some(PendingOperation::Update { changes: AttributesDelta(changes), .. }) => {
                match changes.get("proxyAddresses") {
                    Some(AttributeChange::Update { add, remove }) => {
                        let _ = writeln!(text, "add [{}] remove [{}]", shown(add), shown(remove));
                    }
                    other => drop(writeln!(text, "{other:?}")),
                }
            }
            other => drop(writeln!(text, "{other:?}")),
        }
        if let Some(remembered) = object.memory.attributes.get("proxyAddresses") {
            let _ = writeln!(text, "expected [{}] {:?}", shown(&remembered.wanted), remembered.state);
        }
        if let Some(contributed) = object.contributed.get("proxyAddresses") {
            let _ = writeln!(text, "ours [{}]", shown(contributed));
        }
        let plan = self.world.plan(Subject::Connector(self.source));
        for hold in plan.targets.iter().flat_map(|target| &target.holds) {
            let _ = writeln!(text, "held {}", hold.code);
        }
        text
    }

    fn check(&self, expect: Expect) {
        expect.assert_eq(&self.state());
    }
}

/// S57, D34: write-back adds its address alone, and the second plan is empty; a new value replaces its own old one.
#[test]
fn s57_foreign_values_survive_and_only_the_own_one_moves() {
    let mut story = Story::new(MergeType::Merge, "x500:/o=a", &["SMTP:ann@x", "smtp:a@x"]);
    story.check(expect![[r#"
        add [x500:/o=a] remove []
        ours [x500:/o=a]
    "#]]);
    story.world.export();
    story.gives("x500:/o=a");
    story.check(expect![[r#"
        nothing pending
        expected [SMTP:ann@x smtp:a@x x500:/o=a] Unconfirmed
        ours [x500:/o=a]
    "#]]);
    assert_eq!(story.returns(&["SMTP:ann@x", "smtp:a@x", "x500:/o=a"]), 0);
    story.check(expect![[r#"
        nothing pending
        ours [x500:/o=a]
    "#]]);
    story.gives("x500:/o=b");
    story.check(expect![[r#"
        add [x500:/o=b] remove [x500:/o=a]
        ours [x500:/o=a x500:/o=b]
    "#]]);
    story.world.export();
    assert_eq!(story.returns(&["SMTP:ann@x", "smtp:a@x", "x500:/o=b"]), 0);
    story.check(expect![[r#"
        nothing pending
        ours [x500:/o=b]
    "#]]);
}

/// S57 with S44: NULL takes the own value back and no other, however often that is decided before it is sent, and also when
/// the addition is not confirmed yet.
#[test]
fn s57_a_withdrawn_value_goes_and_nothing_else_does() {
    for confirmed in [true, false] {
        let mut story = Story::new(MergeType::Merge, "x500:/o=a", &["SMTP:ann@x"]);
        story.world.export();
        if confirmed {
            story.returns(&["SMTP:ann@x", "x500:/o=a"]);
        }
        for _ in 0..2 {
            story.gives("");
            let state = story.state();
            assert!(state.starts_with("add [] remove [x500:/o=a]\n"), "confirmed {confirmed}: {state}");
        }
        story.world.export();
        story.gives("");
        assert!(story.state().starts_with("nothing pending\nexpected [SMTP:ann@x] Unconfirmed"), "{}", story.state());
        assert_eq!(story.returns(&["SMTP:ann@x"]), 0);
        story.check(expect![[r#"
            nothing pending
        "#]]);
    }
}

/// S57 with SF1: a value that stood there before is somebody else's, also when a rule gives the same one and then does not.
#[test]
fn s57_a_value_that_stood_there_before_is_never_taken_back() {
    let mut story = Story::new(MergeType::Merge, "smtp:a@x", &["SMTP:ann@x", "smtp:a@x"]);
    story.check(expect![[r#"
        nothing pending
    "#]]);
    story.gives("");
    story.check(expect![[r#"
        nothing pending
    "#]]);
    // Staged and never sent: who put it there meanwhile was somebody else.
    story.gives("x500:/o=a");
    story.returns(&["SMTP:ann@x", "x500:/o=a"]);
    story.gives("");
    story.check(expect![[r#"
        nothing pending
    "#]]);
}

/// S56, S57: `merge-case-insensitive` adds nothing that differs by case alone, and leaves the foreign spelling; its own it changes.
#[test]
fn s57_case_alone_adds_nothing_to_a_foreign_value() {
    let mut story = Story::new(MergeType::MergeCaseInsensitive, "smtp:ann@x", &["SMTP:ann@x"]);
    story.check(expect![[r#"
        nothing pending
    "#]]);
    story.gives("X500:/o=a");
    story.world.export();
    story.returns(&["SMTP:ann@x", "X500:/o=a"]);
    story.gives("x500:/o=a");
    story.check(expect![[r#"
        add [x500:/o=a] remove [X500:/o=a]
        ours [X500:/o=a x500:/o=a]
    "#]]);
    let exact = Story::new(MergeType::Merge, "smtp:ann@x", &["SMTP:ann@x"]);
    exact.check(expect![[r#"
        add [smtp:ann@x] remove []
        ours [smtp:ann@x]
    "#]]);
}

/// S57 with O44-O47: what others add and remove between the export and its import is no contradiction; a refused own value is one,
/// and is sent again when either side changes.
#[test]
fn s57_foreign_changes_meanwhile_contradict_nothing() {
    let mut story = Story::new(MergeType::Merge, "x500:/o=a", &["SMTP:ann@x", "smtp:a@x"]);
    story.world.export();
    assert_eq!(story.returns(&["SMTP:ann@x", "smtp:new@x", "x500:/o=a"]), 0);
    story.check(expect![[r#"
        nothing pending
        ours [x500:/o=a]
    "#]]);
    story.gives("x500:/o=b");
    story.world.export();
    let refused = ["SMTP:ann@x", "smtp:new@x"];
    for news in [1, 0] {
        assert_eq!(story.returns(&refused), news, "the target did not keep the value, which is told once");
        story.check(expect![[r#"
            nothing pending
            expected [SMTP:ann@x smtp:new@x x500:/o=b] Held { returned: ["SMTP:ann@x", "smtp:new@x"] }
            ours [x500:/o=b]
            held exported-change-not-reimported
        "#]]);
    }
    story.returns(&["SMTP:ann@x"]);
    story.check(expect![[r#"
        add [x500:/o=b] remove []
        ours [x500:/o=b]
    "#]]);
}

/// S48, T5: a flow that is in no rule of the object any longer says nothing: the value stays, and is still known as the own one when
/// the flow comes back.
#[test]
fn s57_without_any_flow_the_values_stay() {
    let mut story = Story::new(MergeType::Merge, "x500:/o=a", &["SMTP:ann@x"]);
    story.world.export();
    story.returns(&["SMTP:ann@x", "x500:/o=a"]);
    let flows = story.world.run.rules.rules[1].flows.clone();
    story.world.run.rules.rules[1].flows.retain(|flow| flow.target != *"proxyAddresses");
    story.gives("x500:/o=b");
    story.check(expect![[r#"
        nothing pending
        ours [x500:/o=a]
    "#]]);
    story.world.run.rules.rules[1].flows = flows;
    story.gives("x500:/o=b");
    story.check(expect![[r#"
        add [x500:/o=b] remove [x500:/o=a]
        ours [x500:/o=a x500:/o=b]
    "#]]);
}

/// S57: a created object has nothing but what was given, and all of it can be taken back.
#[test]
fn s57_what_a_create_gave_is_taken_back() {
    let mut story = Story::new(MergeType::Merge, "", &[]);
    let bob = ANN.replace("g1", "g2").replace("ann@x", "bob@x");
    let id = story.world.import("ad", "a2", &format!("{bob} department=x500:/o=b"));
    story.world.sync(id);
    story.world.export();
    story.target = *story.world.objects.keys().last().unwrap();
    story.source = id;
    assert_eq!(story.returns(&["smtp:foreign@x", "x500:/o=b"]), 0);
    story.check(expect![[r#"
        nothing pending
        ours [x500:/o=b]
    "#]]);
    story.world.import("ad", "a2", &bob);
    story.world.sync(id);
    story.check(expect![[r#"
        add [] remove [x500:/o=b]
        ours [x500:/o=b]
    "#]]);
}

/// S57 with SF1: a takeover loses no address where the flow merges, so nothing is held for it.
#[test]
fn s57_a_takeover_that_merges_loses_no_address() {
    for (merge, held) in [(MergeType::Merge, false), (MergeType::Update, true)] {
        let story = Story::new(merge, "smtp:a@x", &["smtp:only-there@x"]);
        assert_eq!(story.state().contains("addresses-lost"), held, "{merge:?}");
    }
}

/// S57: what cannot be written is held with the whole that would stand there, and is not answered for.
#[test]
fn s57_a_merge_that_cannot_be_written_is_held() {
    let mut story = Story::new(MergeType::Merge, "", &["SMTP:ann@x"]);
    let cloud = story.world.run.schemas.remove("cloud").unwrap();
    let cloud = cloud.attribute("proxyAddresses", ValueKind::Text, Plurality::Multi, false);
    story.world.run.schemas.insert("cloud".into(), cloud);
    story.gives("x500:/o=a");
    story.check(expect![[r#"
        nothing pending
        held limitation-read-only
    "#]]);
    story.gives("");
    story.check(expect![[r#"
        nothing pending
    "#]]);
}

/// S57 with O28: a create whose answer was lost may have given an earlier value: that one is taken back as well.
#[test]
fn s57_a_create_in_flight_answers_for_what_it_gave_before() {
    let mut story = Story::new(MergeType::Merge, "", &[]);
    let bob = ANN.replace("g1", "g2").replace("ann@x", "bob@x");
    let id = story.world.import("ad", "a2", &format!("{bob} department=x500:/o=b"));
    story.world.sync(id);
    story.target = *story.world.objects.keys().last().unwrap();
    story.source = id;
    story.world.objects.get_mut(&story.target).unwrap().pending.as_mut().unwrap().state = SentState::InFlight;
    story.world.import("ad", "a2", &format!("{bob} department=x500:/o=c"));
    story.world.sync(id);
    assert_eq!(shown(&story.world.objects[&story.target].contributed["proxyAddresses"]), "x500:/o=b x500:/o=c");
}
