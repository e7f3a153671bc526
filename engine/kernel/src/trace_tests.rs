//! What `explain` is told about scopes and joins is what the decision goes by.

use crate::world::{World, clause, flow, rule};
use crate::*;
use expect_test::expect;
use std::fmt::Write as _;
use sync_rules::*;

/// Every clause with what the object has and whether it holds, and only the rules of its connector and type.
#[test]
fn every_clause_is_told_with_its_values() {
    let mut world = World::with_hr(LinkType::Join);
    world.rule("in-hr").scope = vec![
        vec![clause("active", Operator::Equal, "yes"), clause("department", Operator::IsNotNull, "")],
        vec![clause("dn", Operator::IsMemberOf, "CN=Staff")],
    ];
    let mut everybody = rule("in-hr-all", Direction::Inbound, "hr", ("user", "person"), LinkType::Join, 55);
    everybody.source_type = None;
    world.add_rule(everybody);
    world.add_rule(rule("in-hr-groups", Direction::Inbound, "hr", ("group", "group"), LinkType::Join, 56));
    world.add_rule(rule("out-hr", Direction::Outbound, "hr", ("person", "user"), LinkType::Join, 57));
    let hr = world.import("hr", "h1", "mail=ann@x active=no department=Sales");
    let shown = |world: &World| {
        let object = &world.objects[&hr];
        let mut text = String::new();
        for scope in trace_scopes(object, object.imported().unwrap(), &world.run) {
            let _ = writeln!(text, "{} {}", scope.rule, if scope.in_scope { "in scope" } else { "out of scope" });
            for group in &scope.groups {
                for clause in group {
                    let ClauseTrace { clause, values, holds } = clause;
                    let _ = writeln!(text, "  {} {:?} has {values:?}: {holds}", clause.attribute, clause.operator);
                }
                text.push_str("  -\n");
            }
        }
        // The decision says the same.
        let traced: Vec<_> = trace_scopes(object, object.imported().unwrap(), &world.run)
            .into_iter()
            .map(|scope| RuleScope { rule: scope.rule, in_scope: scope.in_scope })
            .collect();
        assert_eq!(world.plan(Subject::Connector(hr)).scopes, traced);
        text
    };
    expect![[r#"
        in-hr out of scope
          active Equal has "no": false
          department IsNotNull has "Sales": true
          -
          dn IsMemberOf has []: false
          -
        in-hr-all in scope
    "#]]
    .assert_eq(&shown(&world));
    world.objects.get_mut(&hr).unwrap().member_of = ["CN=Staff".to_owned()].into();
    expect![[r#"
        in-hr in scope
          active Equal has "no": false
          department IsNotNull has "Sales": true
          -
          dn IsMemberOf has []: true
          -
        in-hr-all in scope
    "#]]
    .assert_eq(&shown(&world));
}

/// S14, S15: the lookups of the rules in scope, in their order, each by the key that the join itself asks for: to the letter where
/// the clause says so.
#[test]
fn s15_lookups_are_those_of_the_join() {
    let mut world = World::with_hr(LinkType::Join);
    let mut by_name = world.group("hr", "[displayName]", "[displayName]");
    by_name.clauses[0].exact = true;
    let by_number = world.group("hr", "[employeeID]", "[sourceAnchor]");
    by_name.clauses.extend(world.group("hr", "[mail]", "[mail]").clauses);
    world.rule("in-hr").join = vec![by_name, by_number];
    let mut outside = rule("in-hr-2", Direction::Inbound, "hr", ("user", "person"), LinkType::Join, 60);
    outside.scope = vec![vec![clause("active", Operator::Equal, "no")]];
    outside.join = vec![world.group("hr", "[mail]", "[mail]")];
    outside.flows = vec![flow("department", "[department]")];
    world.add_rule(outside);
    let hr = world.import("hr", "h1", "mail=Ann@X displayName=Ann");
    let object = &world.objects[&hr];
    let joins = trace_joins(object, object.imported().unwrap(), &world.run);
    let mut text = String::new();
    for join in &joins {
        let _ = writeln!(text, "{} {}", join.rule, join.criterion);
        for lookup in &join.lookups {
            let crate::Lookup { source, target, values, questions } = lookup;
            let _ = writeln!(text, "  {source} to {target}: {values:?}, {} asked", questions.len());
        }
    }
    expect![[r#"
        in-hr displayName
          [displayName] to [displayName]: "Ann", 1 asked
          [mail] to [mail]: "Ann@X", 1 asked
        in-hr employeeID
          [employeeID] to [sourceAnchor]: [], 0 asked
    "#]]
    .assert_eq(&text);
    let asked = world.plan(Subject::Connector(hr)).reads.0;
    for question in joins.iter().flat_map(|join| &join.lookups).flat_map(|lookup| &lookup.questions) {
        assert!(asked.contains(question), "{question:?} is not what the join asks for");
    }
}
