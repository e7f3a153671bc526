//! What is known of rules beforehand is what an evaluation says, for the shipped rules and for everything that the language has.

use crate::evaluate::{ConnectorInputs, MetaverseInputs, flow_outcome, prepared_outcome};
use crate::index::Index;
use crate::inputs::{Run, RunInputs};
use crate::prepared::{Prepared, Reads};
use crate::view::{ConnectorState, CsId, CsObject, ExportMemory, MemoryState, MvValue, Remembered};
use crate::world::{World, flow};
use crate::{MetaverseChange, ObjectPlan};
use metaverse_schema::{Anchor, AttributeName, Attributes, ByName, ObjectType, Value, Values};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::LazyLock;
use sync_rules::shipped::{CloudSchema, Package, ShippedOptions, shipped_rules};
use sync_rules::{Direction, FileText, Files, FlowSource, Inputs, Matching, Outcome, RuleSet, load};

/// The shipped rules with all of Exchange, and flows of every kind that must not be taken for known.
static RUN: LazyLock<RunInputs> = LazyLock::new(|| {
    let options = ShippedOptions {
        packages: [Package::ExchangeHybrid].into(),
        cloud: CloudSchema::Provisioning,
        ..ShippedOptions::default()
    };
    let files = shipped_rules(&[("ad", "cloud")], &options);
    let configuration = "[deployment]\nname = \"x\"\n[matching]\nmode = \"automatic\"\n\
        [connector.ad]\nkind = \"active-directory\"\n[connector.cloud]\nkind = \"azure-ad\"\n";
    let files = Files {
        configuration: FileText::text("metasync.toml", configuration),
        rules: files.into_iter().map(|(name, text)| FileText::text(name, text)).collect(),
    };
    let mut rules = load(&files, PathBuf::from(".")).rules.unwrap();
    for rule in rules.rules.iter_mut() {
        let own = [
            "[title]",
            "Trim([title])",
            r#"ImportedValue("title")"#,
            r#"IIF(ValueCount("member") > 0, "many", NULL)"#,
            r#"IIF(IsPresent([title]), [title], %Connector.ID%)"#,
            r#"IIF(IsPresent([title]), AuthoritativeNull, IgnoreThisFlow)"#,
            r#"IIF(IsNull([title]), AuthoritativeNull, [title])"#,
            r#"IIF(IsNull([title]), Error("no title"), [title])"#,
            r#"IIF(IsNull([title]), Guid(), [title])"#,
            r#"IIF(IsNull([title]), FormatDateTime(Now(), "yyyy"), [title])"#,
            "CStr([dn])",
            r#"[title] & [rdn] & "" "#,
        ];
        rule.flows.extend(own.iter().enumerate().map(|(number, text)| flow(&format!("own{number:02}"), text)));
    }
    let now = 1_780_000_000_000_000;
    RunInputs {
        rules: rules.into(),
        schemas: BTreeMap::new(),
        now,
        rules_changed: false,
        trace: false,
        own_accounts: Vec::new(),
    }
});

/// Every attribute that some flow reads.
static NAMES: LazyLock<Vec<AttributeName>> = LazyLock::new(|| {
    let sources = RUN.rules.rules.iter().flat_map(|rule| &rule.flows).map(|flow| &flow.source);
    let read = sources.flat_map(|source| match source {
        FlowSource::Direct(attribute) => vec![attribute.clone()],
        FlowSource::Expression(expression) => expression.attributes(),
        FlowSource::Constant(_) => Vec::new(),
    });
    read.collect::<BTreeSet<_>>().into_iter().collect()
});

fn values() -> impl Strategy<Value = Values> {
    let value = prop_oneof![
        "[A-Za-z@. ]{0,6}".prop_map(Value::text),
        any::<bool>().prop_map(Value::Boolean),
        (-3_i64..70_000).prop_map(Value::Integer),
        proptest::collection::vec(any::<u8>(), 0..3).prop_map(Value::Binary),
    ];
    proptest::collection::vec(value, 1..3).prop_map(|values| values.into_iter().collect())
}

/// Few of the many attributes, so that most flows find nothing.
fn attributes() -> impl Strategy<Value = Vec<(AttributeName, Values)>> {
    proptest::collection::vec((0..NAMES.len(), values()), 0..40)
        .prop_map(|pairs| pairs.into_iter().map(|(position, values)| (NAMES[position].clone(), values)).collect())
}

fn object(remembered: Vec<(AttributeName, Values)>) -> CsObject {
    let state = MemoryState::Unconfirmed;
    let remembered = remembered.into_iter().map(|(name, wanted)| (name, Remembered { wanted, state: state.clone() }));
    CsObject {
        id: CsId(1),
        connector: "ad".into(),
        object_type: "user".into(),
        anchor: Some(Anchor::Text("one".into())),
        dn: "CN=Ann,DC=x".parse().ok(),
        state: ConnectorState::Connected,
        link: None,
        synchronised: None,
        staged: None,
        pending: None,
        memory: ExportMemory { attributes: remembered.collect() },
        owned: Default::default(),
        contributed: BTreeMap::new(),
        reference_counts: [("member".into(), 3)].into(),
        privilege: None,
        approvals: Vec::new(),
        match_decisions: Vec::new(),
        in_never_sync_group: false,
        member_of: BTreeSet::new(),
        selected_by: BTreeSet::new(),
        generation: 0,
    }
}

/// Compares with an evaluation of all flows of a direction. Returns how many were known beforehand.
fn compare(direction: Direction, index: &Index<'_>, plain: &dyn Inputs) -> usize {
    let connector = if direction == Direction::Inbound { "ad" } else { "cloud" };
    let mut known_flows = 0;
    for object_type in ["user", "person", "group"] {
        let Some(group) = RUN.rules.prepared().group(direction, connector, &ObjectType::new(object_type)) else {
            continue;
        };
        for prepared in &group.flows {
            let (rule, flow) = prepared.of(&RUN.rules);
            let known = index.known_outcome(prepared);
            known_flows += usize::from(known.is_some());
            let evaluated = || flow_outcome(&flow.source, plain, &rule.id, flow.target.as_str());
            if index.gives_nothing(prepared) {
                assert_eq!(evaluated().unwrap(), Outcome::Null, "{flow:?}");
            }
            if let Some(known) = known {
                assert_eq!(evaluated().unwrap(), known, "{flow:?}");
            }
            assert_eq!(prepared_outcome(prepared, (rule, flow), index, plain), evaluated(), "{flow:?}");
        }
    }
    for name in NAMES.iter() {
        if let Some(known) = index.get(name.as_str()) {
            assert_eq!(plain.attribute(name.as_str()).as_deref(), known, "{name}");
        }
    }
    known_flows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_known_of_a_flow_beforehand_is_what_its_evaluation_gives(
        present in attributes(),
        remembered in attributes(),
        emptied in 0..NAMES.len(),
    ) {
        let run = Run::new(&RUN);
        let mut remembered: Vec<_> = remembered.into_iter().take(5).collect();
        remembered.push((NAMES[emptied].clone(), Values::default()));
        let object = object(remembered);
        let image: Attributes = present.iter().cloned().collect();
        let index = Index::of_image(&image, &object.memory, &run.prepared.slots);
        let mut known = compare(Direction::Inbound, &index, &ConnectorInputs::of(&object, &image, &run));

        let value = |values: Values| MvValue { values, contributor: CsId(1), rule: "in".into() };
        let mut attributes: ByName<MvValue> =
            present.into_iter().map(|(name, values)| (name, value(values))).collect();
        attributes.insert(NAMES[emptied].clone(), value(Values::default()));
        let index = Index::of_metaverse(&attributes, &run.prepared.slots);
        known += compare(Direction::Outbound, &index, &MetaverseInputs::of(&attributes, "cloud", &run));
        prop_assert!(known > 100, "{known}");
    }
}

/// The clock, drawn values, what is only imported, counts, errors, and names that no image holds are left to an evaluation.
#[test]
fn only_what_reads_nothing_but_values_is_known_beforehand() {
    let group = RUN.rules.prepared().group(Direction::Inbound, "ad", &ObjectType::new("user")).unwrap();
    let told = group.flows.iter().filter(|flow| flow.of(&RUN.rules).1.target.as_str().starts_with("own"));
    let told: BTreeMap<&str, String> = told
        .map(|flow| {
            let reads = match &flow.reads {
                Reads::Attribute(_) => "as it is".to_owned(),
                Reads::Attributes { otherwise, .. } => format!("otherwise {otherwise:?}"),
                Reads::Anything => "evaluated".to_owned(),
            };
            (flow.of(&RUN.rules).1.target.as_str(), reads)
        })
        .collect();
    let told: String = told.iter().map(|(target, reads)| format!("{target} {reads}\n")).collect();
    expect_test::expect![[r#"
        own00 as it is
        own01 otherwise Null
        own02 evaluated
        own03 evaluated
        own04 otherwise Values("ad")
        own05 otherwise IgnoreThisFlow
        own06 otherwise AuthoritativeNull
        own07 evaluated
        own08 evaluated
        own09 evaluated
        own10 evaluated
        own11 evaluated
    "#]]
    .assert_eq(&told);
}

/// By target, then precedence, then as the rules and flows stand, for every type; a type that no rule names has the rules for any.
#[test]
fn flows_stand_in_order_of_target_and_precedence() {
    let mut rules: RuleSet = (*World::new(Matching::Automatic).run.rules).clone();
    let mut second = rules.rules[0].clone();
    (second.source_type, second.precedence) = (None, 50);
    rules.rules.push(second);
    let mut third = rules.rules[0].clone();
    third.flows.reverse();
    rules.rules.push(third);
    let run = RunInputs { rules: rules.into(), ..World::new(Matching::Automatic).run };
    let prepared: &Prepared = run.rules.prepared();
    for (object_type, wanted) in [("user", vec![0, 2, 3]), ("computer", vec![2])] {
        let group = prepared.group(Direction::Inbound, "ad", &ObjectType::new(object_type)).unwrap();
        assert_eq!(group.members, wanted);
        let stood: Vec<_> = group.flows.iter().map(|flow| flow.of(&run.rules)).collect();
        let mut sorted: Vec<_> = wanted
            .iter()
            .map(|position| &run.rules.rules[*position])
            .flat_map(|rule| rule.flows.iter().map(move |flow| (rule, flow)))
            .collect();
        sorted.sort_by(|(rule, flow), (other_rule, other)| {
            flow.target.cmp(&other.target).then(rule.precedence.cmp(&other_rule.precedence))
        });
        assert!(stood.iter().zip(&sorted).all(|(one, other)| std::ptr::eq(one.1, other.1)), "{object_type}");
        assert_eq!(stood.len(), sorted.len());
        // The same name has the same rank, and no other name has it.
        for (one, next) in group.flows.iter().zip(group.flows.iter().skip(1)) {
            let same = one.of(&run.rules).1.target == next.of(&run.rules).1.target;
            assert_eq!(one.rank == next.rank, same);
        }
    }
    assert!(prepared.group(Direction::Inbound, "hr", &ObjectType::new("user")).is_none());
    assert!(prepared.group(Direction::Outbound, "ad", &ObjectType::new("person")).is_none());
}

/// Rules that were changed after a decision are followed by the next one.
#[test]
fn changed_rules_are_prepared_anew() {
    let mut world = World::new(Matching::Automatic);
    let id = world.import("ad", "one", "objectGUID=one displayName=Ann title=Chief");
    let department = |plan: &ObjectPlan| match &plan.metaverse[0].change {
        MetaverseChange::Set { attributes, .. } => {
            attributes.get("department").map(|value| value.values.first().unwrap().to_string())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(department(&world.plan(crate::Subject::Connector(id))), None);
    world.run.rules.rules[0].flows.retain(|flow| flow.target != "department");
    world.run.rules.rules[0].flows.insert(0, flow("department", "[title]"));
    assert_eq!(department(&world.plan(crate::Subject::Connector(id))).as_deref(), Some("Chief"));
}
