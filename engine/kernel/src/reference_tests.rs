//! Which reference attributes flow, and whose rows they are (S57, SF19, O54). The rows themselves are decided one by one elsewhere.

use crate::world::{World, flow};
use crate::*;
use expect_test::{Expect, expect};
use metaverse_schema::{ConnectorSchema, Plurality, ValueKind};
use std::fmt::Write as _;
use sync_rules::*;

/// Ann in both sources; `ad` calls her manager `managerDN` and `hr`, which stands first, `boss`; the cloud has one `manager` and
/// many `delegates`.
struct Story {
    world: World,
    ann: CsId,
    hr: CsId,
}

impl Story {
    fn new() -> Self {
        let (mut world, ann, hr) = World::ann_and_hr(LinkType::Join);
        let person = world.run.rules.metaverse.types.get_mut("person").unwrap();
        for (name, plurality) in [("manager", Plurality::Single), ("delegates", Plurality::Multi)] {
            person.insert(name.into(), MetaverseAttribute { kind: ValueKind::Reference, plurality });
        }
        let inbound = world.rule("in-user");
        // Another flow stands before it: the right one is found by its target.
        inbound.flows.push(flow("delegates", "[publicDelegates]"));
        inbound.flows.push(flow("manager", "[managerDN]"));
        world.rule("in-hr").flows.push(flow("manager", "[boss]"));
        let outbound = world.rule("out-user");
        outbound.flows.push(flow("delegates", "[delegates]"));
        outbound.flows.push(flow("manager", "[manager]"));
        let cloud: ConnectorSchema = world.run.schemas.remove("cloud").unwrap();
        let cloud = cloud.attribute("manager", ValueKind::Reference, Plurality::Single, true);
        let cloud = cloud.attribute("delegates", ValueKind::Reference, Plurality::Multi, true);
        world.run.schemas.insert("cloud".into(), cloud);
        Story { world, ann, hr }
    }

    fn rows(&mut self, object: CsId, attribute: &str, count: u64) {
        self.world.objects.get_mut(&object).unwrap().reference_counts.insert(attribute.into(), count);
    }

    fn check(&mut self, expect: Expect) {
        let plan = self.world.sync(self.ann);
        let mut text = String::new();
        for flow in plan.targets.iter().flat_map(|target| &target.references) {
            let whose = match flow.source {
                source if source == self.ann => "ann",
                source if source == self.hr => "hr",
                ReferenceFlow::NOBODY => "nobody",
                _ => "?",
            };
            let single = if flow.single { ", one value" } else { "" };
            let foreign = if flow.keep_foreign { ", others' rows stay" } else { "" };
            let (target, source, rule) = (&flow.target_attribute, &flow.source_attribute, &flow.rule);
            let _ = writeln!(text, "{target} <- {source} of {whose} by {rule}{single}{foreign}");
        }
        expect.assert_eq(&text);
    }
}

/// O54: all rows come from the first contributor that has any, by the name that he gives them; without one the attribute stays
/// managed, so that an emptied one is emptied in the target as well.
#[test]
fn o54_the_first_contributor_with_any_row_gives_all() {
    let mut story = Story::new();
    story.rows(story.ann, "publicDelegates", 3);
    story.rows(story.ann, "managerDN", 1);
    story.check(expect![[r#"
        delegates <- publicDelegates of ann by out-user
        manager <- managerDN of ann by out-user, one value
    "#]]);
    story.rows(story.hr, "boss", 1);
    story.check(expect![[r#"
        delegates <- publicDelegates of ann by out-user
        manager <- boss of hr by out-user, one value
    "#]]);
    story.rows(story.hr, "boss", 0);
    story.rows(story.ann, "managerDN", 0);
    story.check(expect![[r#"
        delegates <- publicDelegates of ann by out-user
        manager <- boss of hr by out-user, one value
    "#]]);
    // Nobody has a flow for it any longer: no rows are wanted, and it is managed all the same.
    story.world.rule("in-user").flows.retain(|flow| flow.target != *"delegates");
    story.check(expect![[r#"
        delegates <- delegates of nobody by out-user
        manager <- boss of hr by out-user, one value
    "#]]);
    story.world.rule("out-user").flows.retain(|flow| flow.target != *"delegates");
    story.check(expect![[r#"
        manager <- boss of hr by out-user, one value
    "#]]);
}

/// SF19: what others put there stays in an object that was taken over, unless the operator says otherwise; what this engine
/// created is its own.
#[test]
fn sf19_rows_of_others_stay_in_what_was_taken_over() {
    let mut story = Story::new();
    story.world.run.rules.rules.iter_mut().for_each(|rule| rule.flows.retain(|flow| flow.target != *"delegates"));
    story.rows(story.ann, "managerDN", 1);
    let cloud = story.world.import("cloud", "c1", "mail=ann@x userPrincipalName=ann@x");
    story.world.sync(cloud);
    story.check(expect![[r#"
        manager <- managerDN of ann by out-user, one value, others' rows stay
    "#]]);
    story.world.rule("out-user").takeover.as_mut().unwrap().keep_foreign_members = false;
    story.check(expect![[r#"
        manager <- managerDN of ann by out-user, one value
    "#]]);
    story.world.rule("out-user").takeover = None;
    story.check(expect![[r#"
        manager <- managerDN of ann by out-user, one value, others' rows stay
    "#]]);
    let mut created = Story::new();
    created.world.run.rules.rules.iter_mut().for_each(|rule| rule.flows.retain(|flow| flow.target != *"delegates"));
    created.rows(created.ann, "managerDN", 1);
    created.world.sync(created.ann);
    created.world.export();
    created.world.confirm();
    created.check(expect![[r#"
        manager <- managerDN of ann by out-user, one value
    "#]]);
}

/// What `explain` tells of a reference attribute: who won with how many rows, and who has how many in vain.
#[test]
fn the_contributors_of_a_reference_attribute_are_told() {
    let mut story = Story::new();
    story.rows(story.ann, "managerDN", 1);
    story.rows(story.hr, "boss", 2);
    story.world.run.trace = true;
    let plan = story.world.sync(story.ann);
    let decision = plan.metaverse[0].decisions.iter().find(|decision| decision.attribute == *"manager").unwrap();
    let told = |candidate: &Candidate| format!("{} {}: {}", candidate.precedence, candidate.rule, candidate.verdict);
    let all: Vec<String> = decision.winner.iter().chain(&decision.losers).map(told).collect();
    expect![[r#"
        50 in-hr: won with 2 references
        100 in-user: lower precedence, 1 references"#]]
    .assert_eq(&all.join("\n"));
}
