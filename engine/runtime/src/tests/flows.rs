//! Attribute flow from end to end (S40-S57): precedence, the four outcomes, recall, merging, values given once.

use super::setup::{Lab, RULES, Settings, object};
use crate::{CycleKind, Reading, Severity};
use sync_kernel::Subject;

fn lab(rules: String) -> Lab {
    Lab::with(Settings { rules, ..Settings::default() })
}

/// `out-dir-user` with another flow of the title.
fn outbound_title(flow: &str) -> String {
    let (inbound, outbound) = RULES.split_at(RULES.find("id = \"out-dir-user\"").unwrap());
    format!("{inbound}{}", outbound.replacen("title = \"[title]\"\n", flow, 1))
}

fn titles(lab: &Lab) -> Vec<String> {
    lab.dir.texts("title")
}

/// One person in both sources.
fn both(lab: &Lab) {
    lab.hr.put_person(1);
    lab.crm.put_person(1);
    lab.hr.set("p1", "title", &["Chef"]);
    lab.crm.set("p1", "title", &["Cook"]);
}

/// T1 (S42): precedence is not last-writer: the lower-ranked source changes last, and the value does not move.
#[tokio::test]
async fn t01_the_lower_ranked_source_that_changes_last_moves_nothing() {
    let lab = lab(RULES.to_owned());
    both(&lab);
    lab.good_cycle(CycleKind::Initial).await;
    lab.written();
    lab.crm.set("p1", "title", &["Baker"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!((lab.written(), titles(&lab)), (Vec::new(), vec!["Chef".to_owned()]));
}

/// T2 (S43): the value that is gone gives way to the next rule's in the same synchronisation, without a look at its source.
#[tokio::test]
async fn t02_null_gives_way_to_the_next_rule_in_the_same_synchronisation() {
    let lab = lab(RULES.to_owned());
    both(&lab);
    lab.good_cycle(CycleKind::Initial).await;
    lab.hr.set("p1", "title", &[]);
    lab.run("hr", "delta-import").await;
    let report = lab.run("hr", "delta-synchronization").await;
    assert_eq!(report.steps[0].processed, 1);
    lab.run("dir", "export").await;
    assert_eq!(titles(&lab), ["Cook"]);
}

/// T3 (S45): an authoritative null over a populated lower rule removes the attribute, in the metaverse and in the target.
#[tokio::test]
async fn t03_an_authoritative_null_removes_what_a_lower_rule_has() {
    let rules =
        RULES.replacen("title = \"[title]\"", "title = 'IIF([title] = \"none\", AuthoritativeNull, [title])'", 1);
    let lab = lab(rules);
    both(&lab);
    lab.good_cycle(CycleKind::Initial).await;
    lab.written();
    lab.hr.set("p1", "title", &["none"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!((lab.written(), titles(&lab)), (vec!["update 1 title".to_owned()], Vec::new()));
    lab.second_plan_is_empty().await;
}

/// T4 (S44, S46): IgnoreThisFlow leaves the target's value alone, NULL clears it.
#[tokio::test]
async fn t04_ignore_this_flow_leaves_the_value_and_null_clears_it() {
    for (outcome, left) in [("IgnoreThisFlow", vec!["Chef".to_owned()]), ("NULL", Vec::new())] {
        let lab = lab(outbound_title(&format!("title = 'IIF([title] = \"none\", {outcome}, [title])'\n")));
        both(&lab);
        lab.good_cycle(CycleKind::Initial).await;
        lab.written();
        lab.hr.set("p1", "title", &["none"]);
        lab.good_cycle(CycleKind::Delta).await;
        assert_eq!((lab.written().is_empty(), titles(&lab)), (outcome == "IgnoreThisFlow", left), "{outcome}");
        lab.second_plan_is_empty().await;
    }
}

/// T5 (S48): removing a flow from the rules stops managing the attribute: its value stays, and what was pending of it goes.
#[tokio::test]
async fn t05_removing_a_flow_leaves_the_value_and_drops_what_was_pending() {
    for pending in [false, true] {
        let mut lab = lab(RULES.to_owned());
        both(&lab);
        lab.good_cycle(CycleKind::Initial).await;
        if pending {
            lab.hr.set("p1", "title", &["Baker"]);
            lab.run("hr", "delta-import").await;
            lab.run("hr", "delta-synchronization").await;
            assert_eq!(lab.engine().store().export_count("dir").unwrap(), 1);
        }
        lab.written();
        lab.settings.rules = outbound_title("");
        lab.good_cycle(CycleKind::Initial).await;
        assert_eq!((lab.written(), titles(&lab)), (Vec::new(), vec!["Chef".to_owned()]));
    }
}

/// With addresses from both sources, merged as the argument says.
fn addresses(merge: &str) -> String {
    let flow = format!("addresses = {{ direct = \"addresses\", merge = \"{merge}\" }}\ntitle = \"[title]\"");
    let rules = RULES.replace("kind = \"text\"\n", "kind = \"text\"\naddresses = \"multi text\"\n");
    let (inbound, outbound) = rules.split_at(rules.find("id = \"out-dir-user\"").unwrap());
    let inbound = inbound.replace("title = \"[title]\"", &flow);
    let outbound = outbound.replacen("title = \"[title]\"", "addresses = \"[addresses]\"\ntitle = \"[title]\"", 1);
    format!("{inbound}{outbound}")
}

/// T6 (S50): a source object that leaves scope takes all it contributed with it, single values, several values and references.
#[tokio::test]
async fn t06_leaving_scope_recalls_every_contribution() {
    let lab = lab(addresses("merge"));
    both(&lab);
    lab.hr.put_person(2);
    lab.hr.set("p1", "displayName", &["Ann"]);
    lab.hr.set("p1", "addresses", &["smtp:hr@x", "smtp:both@x"]);
    lab.hr.set("p1", "manager", &["p2"]);
    lab.crm.set("p1", "addresses", &["smtp:crm@x", "smtp:both@x"]);
    lab.crm.set("p1", "department", &["Sales"]);
    lab.good_cycle(CycleKind::Initial).await;
    let person = |lab: &Lab| lab.dir.picture().into_iter().find(|line| line.contains("stamp=1")).unwrap();
    let before = person(&lab);
    assert!(before.contains("manager=->2") && before.contains("smtp:hr@x") && before.contains("Ann"), "{before}");
    lab.hr.set("p1", "kind", &["filtered"]);
    lab.good_cycle(CycleKind::Delta).await;
    let after = person(&lab);
    assert_eq!(after, "user addresses=smtp:both@x|smtp:crm@x department=Sales displayName=Person 1 stamp=1 title=Cook");
    lab.second_plan_is_empty().await;
    // And back.
    lab.hr.set("p1", "kind", &[]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(person(&lab), before);
}

/// S50: without recall, values stay with their last contributor until another one gives a value; references go all the same.
#[tokio::test]
async fn s50_without_recall_values_stay_with_their_last_contributor() {
    let mut lab = lab(RULES.to_owned());
    lab.settings.without_recall = true;
    both(&lab);
    lab.hr.put_person(2);
    lab.hr.set("p1", "manager", &["p2"]);
    lab.good_cycle(CycleKind::Initial).await;
    lab.hr.set("p1", "kind", &["filtered"]);
    lab.good_cycle(CycleKind::Delta).await;
    let person = lab.dir.picture().into_iter().find(|line| line.contains("stamp=1")).unwrap();
    // The title comes from crm now; the address was only ever hr's, and stays.
    assert!(
        person.contains("title=Cook") && person.contains("mail=person1@") && !person.contains("manager"),
        "{person}"
    );
    lab.second_plan_is_empty().await;
    // Still in scope and empty is another thing: that clears.
    lab.hr.set("p1", "kind", &[]);
    lab.hr.set("p1", "mail", &[]);
    lab.good_cycle(CycleKind::Delta).await;
    let person = lab.dir.picture().into_iter().find(|line| line.contains("stamp=1")).unwrap();
    assert!(person.contains("title=Chef") && !person.contains("mail="), "{person}");
}

/// T35 (S56): over two forests, addresses that differ by case alone are one, in the spelling of the better precedence.
#[tokio::test]
async fn t35_merging_ignores_case_and_keeps_the_better_spelling() {
    let lab = lab(addresses("merge-case-insensitive"));
    both(&lab);
    lab.hr.set("p1", "addresses", &["SMTP:a@x"]);
    lab.crm.set("p1", "addresses", &["smtp:a@x", "smtp:b@x"]);
    lab.good_cycle(CycleKind::Initial).await;
    let merged = |lab: &Lab| lab.dir.picture().into_iter().find(|line| line.contains("stamp=1")).unwrap();
    assert!(merged(&lab).contains("addresses=SMTP:a@x|smtp:b@x"), "{}", merged(&lab));
    lab.hr.set("p1", "addresses", &[]);
    lab.good_cycle(CycleKind::Delta).await;
    assert!(merged(&lab).contains("addresses=smtp:a@x|smtp:b@x"), "{}", merged(&lab));
    lab.second_plan_is_empty().await;
}

/// SF27: change detection is exact: a primary address that changes places by case alone is a change, and is exported.
#[tokio::test]
async fn sf27_a_swap_of_the_primary_address_by_case_is_exported() {
    let lab = lab(addresses("update"));
    both(&lab);
    lab.hr.set("p1", "addresses", &["SMTP:a@x", "smtp:b@x"]);
    lab.good_cycle(CycleKind::Initial).await;
    lab.written();
    // The order in which a source tells them is none.
    lab.hr.set("p1", "addresses", &["smtp:b@x", "SMTP:a@x"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written(), Vec::<String>::new());
    lab.hr.set("p1", "addresses", &["smtp:a@x", "SMTP:b@x"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written(), vec!["update 1 addresses"]);
    lab.second_plan_is_empty().await;
}

/// S53: a value given once is given with the create, however often that is decided before it is sent, and never again.
#[tokio::test]
async fn s53_a_value_given_once_is_neither_lost_before_the_create_nor_cleared_after_it() {
    let lab = lab(outbound_title("title = { constant = \"initial\", once = true }\n"));
    lab.hr.put_person(1);
    lab.run("hr", "full-import").await;
    lab.run("hr", "full-synchronization").await;
    lab.run("dir", "full-import").await;
    lab.hr.set("p1", "displayName", &["Ann"]);
    for profile in ["delta-import", "delta-synchronization", "full-synchronization"] {
        lab.run("hr", profile).await;
    }
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(titles(&lab), ["initial"]);
    let anchor = lab.dir.anchor_of("stamp", "1").unwrap();
    lab.dir.set(&anchor, "title", &["theirs"]);
    lab.hr.set("p1", "displayName", &["Anna"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(titles(&lab), ["theirs"]);
    lab.second_plan_is_empty().await;
}

/// T33 (D29): an anchor that changes after the export puts the object in error: nothing of it is exported until it is restored.
#[tokio::test]
async fn t33_a_changed_source_anchor_stops_the_object_and_restoring_heals_it() {
    let back = r#"
[[rule]]
id = "in-dir-user"
name = "In from dir - User"
direction = "inbound"
connector = "dir"
source_type = "user"
target_type = "person"
link = "join"
precedence = 150

[[rule.join]]
source = "[stamp]"
target = "[employeeId]"

[rule.flow]
signInName = 'ImportedValue("stamp")'
"#;
    let guarded = r#"stamp = 'IIF(IsPresent([signInName]) && [signInName] <> [department], Error("SourceAnchor attribute has changed."), [department])'"#;
    let (inbound, outbound) = RULES.split_at(RULES.find("[[rule]]\nid = \"out-dir-user\"").unwrap());
    let outbound =
        outbound.replacen("stamp = \"[employeeId]\"", guarded, 1).replacen("signInName = \"[signInName]\"\n", "", 1);
    let inbound = inbound.replace("signInName = \"[signInName]\"\n", "department = \"[department]\"\n");
    let lab = lab(format!("{inbound}{back}{outbound}"));
    lab.hr.put_person(1);
    lab.hr.set("p1", "department", &["1"]);
    lab.good_cycle(CycleKind::Initial).await;
    lab.written();
    lab.hr.set("p1", "department", &["2"]);
    lab.hr.set("p1", "displayName", &["Ann"]);
    let report = lab.cycle(CycleKind::Delta).await;
    assert_eq!((report.severity, lab.written()), (Severity::Errors, Vec::new()), "{report:#?}");
    lab.hr.set("p1", "department", &["1"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written(), vec!["update 1 displayName"]);
    lab.second_plan_is_empty().await;
}

/// S57, D34: write-back of an address over real storage: others keep theirs and may add some at any time, the own one moves and
/// goes, single values are sent, and every second plan is empty.
#[tokio::test]
async fn s57_write_back_of_an_address_leaves_the_others_alone() {
    let flow = "title = \"[title]\"\naddresses = { expression = 'IIF(IsPresent([department]), \"x500:\" & [department], NULL)', merge = \"merge-case-insensitive\" }\n";
    let lab = lab(outbound_title(flow));
    both(&lab);
    lab.crm.set("p1", "department", &["a"]);
    lab.good_cycle(CycleKind::Initial).await;
    let anchor = lab.dir.anchor_of("stamp", "1").unwrap();
    let addresses = |lab: &Lab| {
        let person = lab.dir.picture().into_iter().find(|line| line.contains("stamp=1")).unwrap();
        person.split_whitespace().find_map(|part| part.strip_prefix("addresses=")).unwrap_or_default().to_owned()
    };
    assert_eq!(addresses(&lab), "x500:a");
    // Somebody else adds one, and the own value changes in the same cycle.
    lab.dir.set(&anchor, "addresses", &["SMTP:theirs@x", "x500:a"]);
    lab.crm.set("p1", "department", &["b"]);
    lab.written();
    lab.run("dir", "delta-import").await;
    lab.run("crm", "delta-import").await;
    lab.run("dir", "delta-synchronization").await;
    lab.run("crm", "delta-synchronization").await;
    let preview = |lab: &Lab| {
        let (deployment, rules) = lab.configuration();
        let store = crate::open_for_reading(&deployment, &rules, lab.now).unwrap();
        let reading = Reading::new(&store, &rules, lab.now);
        let id = object(&reading, "crm", "p1");
        let shown = reading.preview(Subject::Connector(id)).unwrap();
        let mut lines = shown.targets.iter().flat_map(|target| &target.attributes);
        let line = lines.find(|line| line.attribute == "addresses").unwrap();
        (line.old.len(), line.new.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(preview(&lab), (2, vec!["SMTP:theirs@x".to_owned(), "x500:b".to_owned()]));
    lab.run("dir", "export").await;
    assert_eq!(lab.written(), ["update 1 addresses department", "values addresses -x500:a +x500:b"]);
    // And another one before the export was confirmed: no contradiction, and nothing to send.
    lab.dir.set(&anchor, "addresses", &["SMTP:theirs@x", "smtp:more@x", "x500:b"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!((lab.written(), addresses(&lab)), (Vec::new(), "SMTP:theirs@x|smtp:more@x|x500:b".to_owned()));
    lab.second_plan_is_empty().await;
    // It differs from a foreign one by case alone: the foreign spelling stays, and the own one goes.
    lab.dir.set(&anchor, "addresses", &["SMTP:theirs@x", "X500:C", "x500:b"]);
    lab.crm.set("p1", "department", &["c"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(addresses(&lab), "SMTP:theirs@x|X500:C");
    lab.second_plan_is_empty().await;
    lab.crm.set("p1", "department", &["d"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(addresses(&lab), "SMTP:theirs@x|X500:C|x500:d");
    lab.crm.set("p1", "department", &[]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(addresses(&lab), "SMTP:theirs@x|X500:C");
    lab.second_plan_is_empty().await;
}
