//! Explanations: scopes, joins, lineage by the rules that were applied, and memberships whose numbers add up.

use super::setup::{Lab, RULES, object};
use crate::{CycleKind, PageOf, Reading, Space, open_as_applied};
use connector_contract::PrivilegeFact;
use sync_kernel::Subject;

/// The failing clause with the value that it looked at, and its place in the rule file.
#[tokio::test]
async fn an_object_that_is_not_in_scope_tells_the_clause_and_the_value() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    lab.hr.set("p1", "kind", &["Filtered"]);
    lab.good_cycle(CycleKind::Initial).await;
    let engine = lab.engine();
    let reading = engine.reading();
    let explanation = reading.explain(Subject::Connector(object(&reading, "hr", "p1")), None).unwrap();
    let told: Vec<String> = explanation
        .scopes
        .iter()
        .map(|scope| {
            let failing: Vec<String> =
                scope.failing.iter().map(|clause| format!("{} has {:?}", clause.clause, clause.values)).collect();
            format!("{} {} {:?} {}\n", scope.rule, scope.in_scope, scope.place, failing.join("; "))
        })
        .collect();
    expect_test::expect![[r#"
        in-hr-user false Some("rules/test.toml:18") kind NOTEQUAL "filtered" has "Filtered"
    "#]]
    .assert_eq(&told.concat());
    assert!(explanation.lookups.is_empty(), "a rule that is not in scope looks for nobody");
}

/// Which values a join rule looked for, and what they hit: several persons with one key are not joined.
#[tokio::test]
async fn an_object_that_is_not_joined_tells_what_was_looked_for_and_found() {
    let lab = Lab::new();
    for (anchor, name) in [("p1", "One"), ("p2", "Two")] {
        lab.hr.put(anchor, "user", &[("employeeId", "7"), ("displayName", name)]);
    }
    // The second one finds the first and is in error; a third of another source finds it too.
    lab.crm.put("c", "user", &[("employeeId", "7"), ("displayName", "Crm")]);
    lab.crm.put("d", "user", &[("displayName", "Nobody")]);
    lab.cycle(CycleKind::Initial).await;
    let engine = lab.engine();
    let reading = engine.reading();
    let told = |connector: &str, anchor: &str| {
        let explanation = reading.explain(Subject::Connector(object(&reading, connector, anchor)), None).unwrap();
        let lookups: Vec<String> = explanation
            .lookups
            .iter()
            .map(|lookup| {
                let hits: Vec<&str> = lookup.hits.iter().map(|hit| hit.name.as_str()).collect();
                format!(
                    "{} {}: {} = {} {:?} -> {hits:?}\n",
                    lookup.rule, lookup.criterion, lookup.source, lookup.target, lookup.values
                )
            })
            .collect();
        format!("{anchor}: {}\n{}", explanation.join.map(|join| join.text).unwrap_or_default(), lookups.concat())
    };
    expect_test::expect![[r#"
        p2: 
        in-hr-user employee: [employeeId] = [employeeId] "7" -> ["One"]
        c: linked already, by `In from crm - User`
        in-crm-user employee: [employeeId] = [employeeId] "7" -> ["One"]
        d: not projected: it has no value of any join attribute of `In from crm - User`
        in-crm-user employee: [employeeId] = [employeeId] [] -> []
    "#]]
    .assert_eq(&[told("hr", "p2"), told("crm", "c"), told("crm", "d")].concat());
}

/// Invariant 8: file and line are those of the rule set that was applied, also when the files say something else now; and
/// that is said.
#[tokio::test]
async fn lineage_is_told_by_the_rules_that_were_applied() {
    let mut lab = Lab::new();
    lab.hr.put_person(1);
    lab.hr.set("p1", "title", &["clerk"]);
    lab.good_cycle(CycleKind::Initial).await;
    let told = |lab: &Lab| {
        let (deployment, present) = lab.configuration();
        let (store, applied) = open_as_applied(&deployment, &present, lab.now).unwrap();
        let reading = Reading::new(&store, &applied.rules, lab.now);
        let explanation = reading.explain_named(Some(&Space::Connector("hr".into())), "p1", Some("title")).unwrap();
        let winner = explanation.attributes[0].winner.clone().unwrap();
        let out = explanation.targets[0].attributes[0].winner.clone().unwrap();
        (applied.files_differ, winner.source, winner.place.unwrap(), out.place.unwrap())
    };
    let line = |text: &str, of: &str| text[..text.find(of).unwrap()].matches('\n').count() + 1;
    let inbound = "title = \"[title]\"\nsignInName";
    let at = |text: &str, of: &str| format!("rules/test.toml:{}", line(text, of));
    let outbound = "title = \"[title]\"\ndepartment = \"[department]\"\nsignInName";
    let present = (false, "title".to_owned(), at(RULES, inbound), at(RULES, outbound));
    assert_eq!(told(&lab), present);

    // The files change; nothing is synchronised yet.
    lab.settings.rules = format!("\n\n{}", RULES.replace(inbound, "title = \"UCase([title])\"\nsignInName"));
    assert_eq!(told(&lab), (true, "title".to_owned(), present.2.clone(), present.3.clone()));

    // The same rules at another place: the next run notes where they stand.
    lab.settings.rules = format!("# a comment\n{RULES}");
    assert!(!told(&lab).0);
    lab.run("hr", "delta-synchronization").await;
    lab.settings.rules = RULES.replace(inbound, "title = \"UCase([title])\"\nsignInName");
    let moved = format!("# a comment\n{RULES}");
    assert_eq!(told(&lab), (true, "title".to_owned(), at(&moved, inbound), at(&moved, outbound)));

    lab.run("hr", "full-synchronization").await;
    let after = told(&lab);
    assert_eq!((after.0, after.1.as_str()), (false, "UCase([title])"));
}

/// SF19: the members of the source, those of the target, and every missing one with its reason; the numbers add up, and
/// pages leave nobody out.
#[tokio::test]
async fn sf19_every_missing_member_has_its_reason_and_the_numbers_add_up() {
    let lab = Lab::new();
    (1..=4).for_each(|number| lab.hr.put_person(number));
    lab.hr.put_person(5);
    lab.hr.set("p5", "kind", &["filtered"]);
    let members: Vec<(&str, &str)> = ["p1", "p2", "p3", "p4", "p5"].map(|anchor| ("member", anchor)).into();
    lab.hr.put("g", "group", &[&[("employeeId", "g"), ("displayName", "All")][..], &members].concat());
    lab.dir.put("twin", "user", &[("mail", "person1@contoso.example"), ("displayName", "One"), ("enabled", "true")]);
    lab.dir.behave(|behaviour| {
        let roles = vec!["Global Administrator".to_owned()];
        behaviour.roles.insert("twin".into(), PrivilegeFact::Privileged { roles });
        behaviour.refuses.insert("Person 2".into(), ("constraint-violation".into(), false));
    });
    lab.cycle(CycleKind::Initial).await;
    // Imported after the export: to be sent with the next one.
    lab.hr.put_person(6);
    let members: Vec<(&str, &str)> = ["p1", "p2", "p3", "p4", "p5", "p6"].map(|anchor| ("member", anchor)).into();
    lab.hr.put("g", "group", &[&[("employeeId", "g"), ("displayName", "All")][..], &members].concat());
    lab.run("hr", "delta-import").await;
    lab.run("hr", "delta-synchronization").await;
    let engine = lab.engine();
    let reading = engine.reading();
    let group = Subject::Connector(object(&reading, "hr", "g"));
    let whole = reading.explain_page(group, Some("member"), PageOf { skip: 0, limit: 50 }).unwrap();
    let membership = &whole.memberships[0];
    let missing: Vec<String> = membership
        .missing
        .iter()
        .map(|line| format!("{} {}: {}\n", line.member.name, crate::step::counter_name(&line.state), line.code))
        .collect();
    expect_test::expect![[r#"
        2 of 6
        Person 1 held: privileged
        Person 2 held: constraint-violation
        Person 5 held: not-in-metaverse
        Person 6 after-create: after-create
    "#]]
    .assert_eq(&format!("{} of {}\n{}", membership.exported, membership.total, missing.concat()));
    let by_state: u64 = membership.missing_by_state.values().sum();
    let by_reason: u64 = membership.missing_by_reason.values().sum();
    assert_eq!(membership.exported + by_state, membership.total, "{membership:#?}");
    assert_eq!(by_state, by_reason);
    assert_eq!(by_state, membership.missing.len() as u64);

    let mut paged = Vec::new();
    for skip in 0..membership.missing.len() {
        let page = reading.explain_page(group, Some("member"), PageOf { skip, limit: 1 }).unwrap();
        assert_eq!((page.memberships[0].total, page.memberships[0].missing.len()), (membership.total, 1));
        paged.push(page.memberships[0].missing[0].member.clone());
    }
    let all: Vec<_> = membership.missing.iter().map(|line| line.member.clone()).collect();
    assert_eq!(paged, all);
}

/// Asked by an exported name, the metaverse attributes that it is made of are told too, and the other way round.
#[tokio::test]
async fn an_exported_name_leads_to_the_metaverse_and_back() {
    let mut lab = Lab::new();
    lab.settings.rules =
        RULES.replacen("department = \"[department]\"\nsignInName", "department = \"[title]\"\nsignInName", 1);
    lab.hr.put_person(1);
    lab.hr.set("p1", "title", &["clerk"]);
    lab.good_cycle(CycleKind::Initial).await;
    let engine = lab.engine();
    let reading = engine.reading();
    let told = |asked: &str| {
        let explanation = reading.explain_named(Some(&Space::Connector("hr".into())), "p1", Some(asked)).unwrap();
        let metaverse: Vec<&str> = explanation.attributes.iter().map(|line| line.attribute.as_str()).collect();
        let targets = explanation.targets.iter().flat_map(|target| &target.attributes);
        let exported: Vec<&str> = targets.map(|line| line.attribute.as_str()).collect();
        format!("{asked}: metaverse {metaverse:?}, exported {exported:?}\n")
    };
    expect_test::expect![[r#"
        department: metaverse ["title"], exported ["department"]
        title: metaverse ["title"], exported ["department", "title"]
    "#]]
    .assert_eq(&[told("department"), told("title")].concat());
}

/// Why an object is to go.
#[tokio::test]
async fn an_object_that_is_to_be_deleted_tells_the_cause() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    lab.good_cycle(CycleKind::Initial).await;
    lab.good_cycle(CycleKind::Delta).await;
    lab.hr.remove("p1");
    lab.run("hr", "delta-import").await;
    lab.run("hr", "delta-synchronization").await;
    let engine = lab.engine();
    let reading = engine.reading();
    let explanation = reading.explain_named(Some(&Space::Connector("dir".into())), "Person 1", None).unwrap();
    let told: Vec<&str> = explanation.exports.iter().map(|export| export.message.as_str()).collect();
    assert_eq!(told, ["delete (deleted in the source directory): to be sent with the next export"]);
}
