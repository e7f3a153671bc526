//! Where rules stand among each other, as lists of numbers and ids (S58-S60), and what a shipped rule's tag tells (S65).

use super::tests::{CONFIGURATION, METAVERSE, check_rules, loaded, outbound, rule, shown};
use crate::RuleSet;
use expect_test::{Expect, expect};

fn at(id: &str, place: &str) -> String {
    rule(id, 0, "").replace("precedence = 0", place)
}

fn rules(files: &[(&str, &str)]) -> RuleSet {
    let files: Vec<(&str, &str)> = [("rules/m.toml", METAVERSE)].iter().chain(files).copied().collect();
    let loaded = loaded(CONFIGURATION, &files);
    assert_eq!(shown(&loaded.diagnostics, &loaded.sources), "");
    loaded.rules.unwrap()
}

fn order(rules: &RuleSet) -> String {
    rules.rules.iter().map(|rule| format!("{} {}\n", rule.precedence, rule.id)).collect()
}

fn check(text: &[String], expect: Expect) {
    expect.assert_eq(&order(&rules(&[("rules/r.toml", &text.concat())])));
}

/// S59: a rule takes the place of the one that it stands before, and the later ones move on as far as they must.
#[test]
fn s59_a_rule_before_another_takes_its_place() {
    check(
        &[
            at("a", "precedence = 100"),
            at("b", "precedence = 101"),
            at("far", "precedence = 200"),
            at("mine", "before = \"b\""),
            at("late", "after = \"b\""),
        ],
        expect![[r#"
            100 a
            101 mine
            102 b
            103 late
            200 far
        "#]],
    );
}

/// Several rules beside one, and rules beside those: by id, whatever file they stand in.
#[test]
fn s59_several_rules_beside_one_stand_by_their_ids() {
    let texts = [
        at("z", "before = \"x\""),
        at("y", "before = \"x\""),
        at("first", "before = \"y\""),
        at("n", "after = \"x\""),
        at("m", "after = \"x\""),
        at("x", "precedence = 7"),
        outbound("next", 8, ""),
    ];
    check(
        &texts,
        expect![[r#"
            7 first
            8 y
            9 z
            10 x
            11 m
            12 n
            13 next
        "#]],
    );
    let mut turned = texts.clone();
    turned.reverse();
    let one = rules(&[("rules/r.toml", &texts.concat())]);
    let other = rules(&[("rules/a.toml", &turned[..3].concat()), ("rules/z.toml", &turned[3..].concat())]);
    assert_eq!(one.hash, other.hash, "files and their order do not matter");
    // The canonical text holds the numbers, so that what was applied is read back alike.
    assert_eq!(order(&crate::read_canonical(&one.text).unwrap()), order(&one));
}

/// A rule that replaces a disabled one stands where that one stood, and nobody else moves.
#[test]
fn s66_a_rule_before_a_disabled_one_takes_its_number() {
    check(
        &[
            at("a", "precedence = 100"),
            at("shipped", "precedence = 101\ndisabled = true"),
            at("mine", "before = \"shipped\""),
            at("c", "precedence = 102"),
        ],
        expect![[r#"
            100 a
            101 mine
            102 c
        "#]],
    );
}

#[test]
fn places_that_cannot_be_are_mistakes() {
    let rules = [
        at("a", "before = \"bb\""),
        at("b-b", "after = \"c\""),
        at("c", "before = \"d\""),
        at("d", "after = \"b-b\""),
        at("lost", "after = \"c\""),
        at("self", "before = \"self\""),
        at("two", "precedence = 5\nafter = \"a\""),
        at("none", ""),
        at("text", "after = 5"),
    ];
    check_rules(
        &rules.concat(),
        expect![[r#"
        rules/r.toml:8:11 error precedence-rule-unknown <bb> there is no rule `bb` to stand beside (did you mean `b-b`?)
        rules/r.toml:17:9 error precedence-cycle <"c"> these rules stand beside each other in a circle: b-b, c, d (give one of them a `precedence` number)
        rules/r.toml:53:10 error precedence-cycle <"self"> these rules stand beside each other in a circle: self (give one of them a `precedence` number)
        rules/r.toml:63:9 error precedence-several <"a"> a rule has one place: `precedence`, `before` or `after` (keep one of them)
        rules/r.toml:65:1 error key-missing <[[rule]]> this rule needs `precedence` (0 to 99 are for your own rules, the shipped ones start at 100; the lowest number wins. Or name the rule that this one stands `before` or `after`)
        rules/r.toml:81:9 error wrong-kind <5> `after` must be a text in quotes (write a text in quotes)
    "#]],
    );
}

/// S65: a change of a shipped rule is told, whatever it is; its place, its switch and its comments are no change.
#[test]
fn s65_a_changed_shipped_rule_is_told() {
    let files = crate::shipped_rules(&[("ad", "cloud")], &crate::ShippedOptions::default());
    let warnings = |change: &dyn Fn(&str) -> String| {
        let files: Vec<(String, String)> = files.iter().map(|(name, text)| (name.clone(), change(text))).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let loaded = loaded(CONFIGURATION, &files);
        assert!(loaded.rules.is_some(), "a changed rule is a rule");
        shown(&loaded.diagnostics, &loaded.sources)
    };
    assert_eq!(warnings(&|text| text.to_owned()), "");
    assert_eq!(warnings(&|text| text.replace('\n', "\r\n")), "", "the ends of lines are no change");
    let harmless = |text: &str| {
        let text = text.replace("id = \"in-from-ad-user-common\"", "# mine\nid = \"in-from-ad-user-common\"");
        text.replace("precedence = 106\n", "precedence = 99\ndescription = \"moved\"\n")
    };
    assert_eq!(warnings(&harmless), "");
    let changed = |text: &str| text.replace("2) = 0, IgnoreThisFlow)", "2) = 0, NULL)");
    // The tags themselves follow from the rules' texts and say nothing here.
    let places = |text: String| {
        let place = |line: &str| line.split('<').next().map(str::trim_end).unwrap_or_default().to_owned();
        text.lines().map(place).collect::<Vec<_>>().join("\n")
    };
    expect![[r#"
        rules/20-ad-users.toml:184:7 warning shipped-rule-changed
        rules/21-ad-inetorgpersons.toml:184:7 warning shipped-rule-changed"#]]
    .assert_eq(&places(warnings(&changed)));
    let disabled = |text: &str| {
        let text = changed(text);
        text.replace("link = \"join\"\nprecedence = 106", "disabled = true\nlink = \"join\"\nprecedence = 106")
    };
    assert_eq!(warnings(&disabled).lines().count(), 1, "a disabled rule decides nothing; the other one does");
    let untagged =
        |text: &str| changed(text).split_inclusive('\n').filter(|line| !line.starts_with("tag = ")).collect::<String>();
    assert_eq!(warnings(&untagged), "", "without its tag the rule is the operator's");
}
