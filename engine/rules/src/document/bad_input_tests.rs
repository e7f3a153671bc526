//! Bad input: one wrong file for each kind of mistake, with everything that `check` says about it.

use super::tests::{CONFIGURATION, METAVERSE, loaded, outbound, rule, shown};
use crate::check_against;
use expect_test::expect;
use metaverse_schema::{ConnectorSchema, Plurality, ValueKind};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// A connected system with a bit of everything.
fn schema() -> ConnectorSchema {
    let (text, single) = (ValueKind::Text, Plurality::Single);
    let mut schema = ConnectorSchema::default().class("user", true).class("group", true);
    for name in ["displayName", "mail", "cn", "stamp"] {
        schema = schema.attribute(name, text, single, true);
    }
    schema
        .attribute("objectSid", ValueKind::Binary, single, true)
        .attribute("accountExpires", ValueKind::Integer, single, true)
        .attribute("proxyAddresses", text, Plurality::Multi, true)
        .attribute("manager", ValueKind::Reference, single, true)
        .attribute("member", ValueKind::Reference, Plurality::Multi, true)
}

const GROUPS: &str = "[metaverse.group]\nmember = \"multi reference\"\nsummary = \"text\"\n";

/// What the files alone give, and then what the schemas add.
fn found(rules: &str) -> String {
    let loaded = loaded(CONFIGURATION, &[("rules/m.toml", &format!("{METAVERSE}{GROUPS}")), ("rules/r.toml", rules)]);
    let mut text = shown(&loaded.diagnostics, &loaded.sources);
    if let Some(rules) = &loaded.rules {
        let schemas: BTreeMap<Arc<str>, ConnectorSchema> =
            ["ad", "cloud"].map(|name| (Arc::from(name), schema())).into();
        text.push_str(&shown(&check_against(rules, &schemas), &loaded.sources));
    }
    text
}

fn flow(text: &str) -> String {
    rule("r", 1, &format!("[rule.flow]\n{text}"))
}

fn join(text: &str) -> String {
    rule("r", 1, &format!("[[rule.join]]\n{text}"))
}

fn join_out(text: &str) -> String {
    outbound("r", 1, &format!("[[rule.join]]\n{text}"))
}

#[test]
fn every_mistake_is_told_with_its_place_and_its_remedy() {
    let group = |text: &str| flow(text).replace("\"person\"", "\"group\"").replace("\"user\"", "\"group\"");
    let table = [
        ("unknown function", flow("mail = 'Trimm([mail])'")),
        ("function in the wrong case", flow("mail = 'trim([mail])'")),
        ("unknown attribute of the metaverse, as a target", flow("mial = '[mail]'")),
        (
            "unknown attribute of the metaverse, in an expression",
            outbound("r", 1, "[rule.flow]\nmail = 'Trim([mial])'"),
        ),
        ("unknown attribute of the metaverse, in a scope", outbound("r", 1, "scope = [['mial ISNOTNULL']]")),
        ("unknown attribute of the source, direct", flow("mail = '[mial]'")),
        ("unknown attribute of the source, in an expression", flow("mail = 'Trim([mial])'")),
        ("unknown attribute of the source, in a scope", rule("r", 1, "scope = [['mial ISNOTNULL']]")),
        ("unknown attribute of the target", outbound("r", 1, "[rule.flow]\nmial = '[mail]'")),
        ("attribute in the wrong case", flow("mail = '[Mail]'")),
        ("unknown object type of the metaverse", rule("r", 1, "").replace("\"person\"", "\"persn\"")),
        ("unknown object type of the source", rule("r", 1, "").replace("\"user\"", "\"usr\"")),
        ("unknown object type of the target", outbound("r", 1, "").replace("\"user\"", "\"usr\"")),
        ("unknown connector", rule("r", 1, "").replace("\"ad\"", "\"da\"")),
        ("unknown operator", rule("r", 1, "scope = [['mail EQUALS x']]")),
        ("unknown parameter", flow("mail = '%Sites%'")),
        ("unknown rule", rule("r", 1, "") + &rule("s", 2, "").replace("precedence = 2", "before = \"R\"")),
        ("too few arguments", flow("mail = 'Left([mail])'")),
        ("too many arguments", flow("mail = 'Trim([mail], 5)'")),
        ("argument of the wrong kind", flow("mail = 'Left([mail], \"two\")'")),
        ("argument of the wrong kind, by the schema", flow("mail = 'Trim([objectSid])'")),
        ("a result of the wrong kind", flow("mail = 'Len([mail])'")),
        ("text that is not closed", flow("mail = 'Trim(\"a)'")),
        ("parenthesis that is not closed", flow("mail = 'Trim([mail]'")),
        ("parenthesis too many", flow("mail = 'Trim([mail]))'")),
        ("bracket that is not closed", flow("mail = 'Trim([mail)'")),
        ("operator without a side", flow("mail = '[mail] &'")),
        ("two rules with one number", rule("r", 1, "") + &outbound("s", 1, "")),
        (
            "two merge types, of two connectors",
            flow("proxyAddresses = { direct = 'proxyAddresses', merge = 'merge' }")
                + &rule("s", 2, "[rule.flow]\nproxyAddresses = '[proxyAddresses]'").replace("\"ad\"", "\"cloud\""),
        ),
        (
            "two merge types, one of any type",
            outbound("r", 1, "[rule.flow]\nproxyAddresses = { direct = 'proxyAddresses', merge = 'merge' }")
                + &outbound("s", 2, "[rule.flow]\nproxyAddresses = '[proxyAddresses]'").replace("\"user\"", "\"*\""),
        ),
        ("join by several values of the source", join("source = '[proxyAddresses]'\ntarget = '[mail]'")),
        ("join by several values of the metaverse", join("source = '[mail]'\ntarget = '[proxyAddresses]'")),
        ("outbound join by several values", join_out("source = '[proxyAddresses]'\ntarget = '[mail]'")),
        ("outbound join by several values of the target", join_out("source = '[mail]'\ntarget = '[proxyAddresses]'")),
        ("join by a reference of the source", join("source = '[manager]'\ntarget = '[mail]'")),
        ("join by a reference of the metaverse", join("source = '[mail]'\ntarget = 'CStr([manager])'")),
        ("join by the place of a target", join_out("source = '[mail]'\ntarget = 'DNComponent([dn], 1)'")),
        ("join of different kinds", join("source = '[objectSid]'\ntarget = '[mail]'")),
        ("expression over a membership, inbound", group("summary = 'Join([member], \",\")'")),
        (
            "expression over a membership, outbound",
            outbound("r", 1, "[rule.flow]\nmail = 'IIF(Contains([member], \"x\") > 0, \"a\", \"b\")'")
                .replace("\"person\"", "\"group\""),
        ),
        (
            "values that feed themselves",
            flow("mail = '[mail] & \"!\"'")
                + &outbound("s", 2, "[rule.flow]\nmail = '[mail]'").replace("\"cloud\"", "\"ad\""),
        ),
        (
            "places in a circle",
            rule("r", 1, "").replace("precedence = 1", "before = \"s\"")
                + &rule("s", 2, "").replace("precedence = 2", "before = \"r\""),
        ),
    ];
    let mut text = String::new();
    for (what, rules) in &table {
        let found = found(rules);
        assert!(!found.is_empty(), "{what}: nothing was found");
        let _ = write!(text, "{what}\n{found}");
    }
    expect![[r#"
        unknown function
        rules/r.toml:10:9 error expression-unknown-function <Trimm> there is no function `Trimm`; names are case-sensitive (did you mean `Trim`?)
        function in the wrong case
        rules/r.toml:10:9 error expression-unknown-function <trim> there is no function `trim`; names are case-sensitive (did you mean `Trim`?)
        unknown attribute of the metaverse, as a target
        rules/r.toml:10:1 error metaverse-attribute-unknown <mial> the metaverse has no attribute `mial` of type `person` (did you mean `mail`?; or declare it under [metaverse.person])
        unknown attribute of the metaverse, in an expression
        rules/r.toml:10:14 error expression-unknown-attribute <[mial]> there is no attribute `mial` here (did you mean `mail`?; or declare it under [metaverse.person])
        unknown attribute of the metaverse, in a scope
        rules/r.toml:9:12 error metaverse-attribute-unknown <mial> the metaverse has no attribute `mial` of type `person` (did you mean `mail`?; or declare it under [metaverse.person])
        unknown attribute of the source, direct
        rules/r.toml:10:9 error attribute-unknown <[mial]> the connected system has no attribute `mial` (did you mean `mail`?)
        unknown attribute of the source, in an expression
        rules/r.toml:10:14 error expression-unknown-attribute <[mial]> there is no attribute `mial` here (did you mean `mail`?)
        unknown attribute of the source, in a scope
        rules/r.toml:9:12 error attribute-unknown <mial ISNOTNULL> the connected system has no attribute `mial` (did you mean `mail`?)
        unknown attribute of the target
        rules/r.toml:10:9 error attribute-unknown <[mail]> the connected system has no attribute `mial` (did you mean `mail`?)
        attribute in the wrong case
        rules/r.toml:10:9 error attribute-unknown <[Mail]> the connected system has no attribute `Mail` (did you mean `mail`?)
        unknown object type of the metaverse
        rules/r.toml:7:15 error metaverse-type-unknown <"persn"> the metaverse has no type `persn` (did you mean `person`?; or declare it: [metaverse.persn])
        unknown object type of the source
        rules/r.toml:1:1 error class-unknown <[[rule]]> `ad` has no objects of type `usr` (did you mean `user`?)
        unknown object type of the target
        rules/r.toml:1:1 error class-unknown <[[rule]]> `cloud` has no objects of type `usr` (did you mean `user`?)
        unknown connector
        rules/r.toml:5:13 error connector-unknown <"da"> there is no connector `da` (did you mean `ad`?)
        unknown operator
        rules/r.toml:9:17 error scope-operator-unknown <EQUALS> there is no operator `EQUALS` (did you mean `EQUAL`?)
        unknown parameter
        rules/r.toml:10:9 error expression-unknown-parameter <%Sites%> there is no parameter `Sites` here (did you mean `Site`?; parameters are set under [parameters] in metasync.toml)
        unknown rule
        rules/r.toml:17:11 error precedence-rule-unknown <R> there is no rule `R` to stand beside (did you mean `r`?)
        too few arguments
        rules/r.toml:10:9 error expression-argument-count <Left([mail])> `Left` takes 2 arguments, and 1 are given (write Left(text, count))
        too many arguments
        rules/r.toml:10:9 error expression-argument-count <Trim([mail], 5)> `Trim` takes 1 arguments, and 2 are given (write Trim(text))
        argument of the wrong kind
        rules/r.toml:10:22 error expression-type-mismatch <"two"> `Left` takes as `count` a number, and this is a text (convert it: CNum(...))
        argument of the wrong kind, by the schema
        rules/r.toml:10:14 error expression-type-mismatch <[objectSid]> `Trim` takes as `text` a text, and this is a binary value (convert it: ConvertToBase64, StringFromGuid or StringFromSid)
        a result of the wrong kind
        rules/r.toml:10:9 error flow-type-mismatch <Len([mail])> `mail` holds a text, and this gives a number (convert it: CStr, CNum, CBool, ConvertToBase64, StringFromGuid, StringFromSid)
        text that is not closed
        rules/r.toml:10:14 error expression-syntax <"a)> this text is not closed (close it with a double quote)
        parenthesis that is not closed
        rules/r.toml:10:8 error expression-syntax <'Trim([mail]'> the expression ends here; `,` or `)` is expected (write `,` or `)`)
        parenthesis too many
        rules/r.toml:10:21 error expression-syntax <)> this does not fit here; an operator or the end is expected (write an operator or the end)
        bracket that is not closed
        rules/r.toml:10:14 error expression-syntax <[mail> the bracket of this attribute is not closed (write `[name]`)
        operator without a side
        rules/r.toml:10:8 error expression-syntax <'[mail] &'> the expression ends here; a value is expected (write a value)
        two rules with one number
        rules/r.toml:17:14 error precedence-duplicate <1> precedence 1 is taken by the rule `r` in rules/r.toml (one number space serves all rules, inbound and outbound: choose a free one, or name the rule that this one stands `before` or `after`)
        two merge types, of two connectors
        rules/r.toml:20:19 error merge-mixture <[proxyAddresses]> `proxyAddresses` is merged in another way by the rule `r`; all rules of one attribute merge alike (give all of them the same `merge`)
        two merge types, one of any type
        rules/r.toml:20:19 error merge-mixture <[proxyAddresses]> `proxyAddresses` is merged in another way by the rule `r`; all rules of one attribute merge alike (give all of them the same `merge`)
        join by several values of the source
        rules/r.toml:10:11 error join-multi-valued <[proxyAddresses]> this gives several values, and whichever of them hits would decide who it is (take one of them: Item([name],1), ItemOrNull or Where; or list hits only, with criterion = "review-only")
        join by several values of the metaverse
        rules/r.toml:11:11 error join-multi-valued <[proxyAddresses]> this gives several values, and whichever of them hits would decide who it is (take one of them: Item([name],1), ItemOrNull or Where; or list hits only, with criterion = "review-only")
        outbound join by several values
        rules/r.toml:10:11 error join-multi-valued <[proxyAddresses]> this gives several values, and whichever of them hits would decide who it is (take one of them: Item([name],1), ItemOrNull or Where; or list hits only, with criterion = "review-only")
        outbound join by several values of the target
        rules/r.toml:11:11 error join-multi-valued <[proxyAddresses]> this gives several values, and whichever of them hits would decide who it is (take one of them: Item([name],1), ItemOrNull or Where; or list hits only, with criterion = "review-only")
        join by a reference of the source
        rules/r.toml:10:11 error join-not-indexable <[manager]> references and places are kept apart from an object's values, so nothing can be found by `manager` (join by a text, a number or bytes, such as an anchor or an address)
        join by a reference of the metaverse
        rules/r.toml:11:11 error join-not-indexable <CStr([manager])> references and places are kept apart from an object's values, so nothing can be found by `manager` (join by a text, a number or bytes, such as an anchor or an address)
        join by the place of a target
        rules/r.toml:11:11 error join-not-indexable <DNComponent([dn], 1)> references and places are kept apart from an object's values, so nothing can be found by `dn` (join by a text, a number or bytes, such as an anchor or an address)
        join of different kinds
        rules/r.toml:10:11 error join-type-mismatch <[objectSid]> a binary value of the connected system never equals a text of the metaverse (convert one side)
        expression over a membership, inbound
        rules/r.toml:10:17 error expression-needs-all-members <[member]> `member` holds many references, which an expression cannot read (flow it directly: { direct = "member" }; count it with ValueCount("member"))
        rules/r.toml:10:17 error expression-type-mismatch <[member]> `Join` takes as `values` a text, and this is a reference (convert it: CStr(...))
        expression over a membership, outbound
        rules/r.toml:10:22 error expression-needs-all-members <[member]> `member` holds many references, which an expression cannot read (flow it directly: { direct = "member" }; count it with ValueCount("member"))
        values that feed themselves
        rules/r.toml:20:9 error rule-cycle <[mail]> these attributes are computed from each other: ad:user.mail, metaverse:person.mail (rules r, s) (remove one of the flows, or read the source side with ImportedValue("...") where the loop is meant)
        places in a circle
        rules/r.toml:8:10 error precedence-cycle <"s"> these rules stand beside each other in a circle: r, s (give one of them a `precedence` number)
    "#]].assert_eq(&text);
}

/// What looks like a mistake and is none: rules that never meet, and lists that never join.
#[test]
fn what_is_no_mistake() {
    let merged = "[rule.flow]\nproxyAddresses = { direct = 'proxyAddresses', merge = 'merge' }";
    let plain = "[rule.flow]\nproxyAddresses = '[proxyAddresses]'";
    for (one, other) in [
        ("accountEnabled EQUAL True", "accountEnabled EQUAL False"),
        ("mail EQUAL a", "mail NOTEQUAL A"),
        ("mail ISNULL", "mail ISNOTNULL"),
    ] {
        let scoped = |scope: &str, flow: &str| format!("scope = [['{scope}']]\n{flow}");
        assert_eq!(found(&(outbound("r", 1, &scoped(one, merged)) + &outbound("s", 2, &scoped(other, plain)))), "");
        let meeting = outbound("r", 1, &scoped(one, merged)) + &outbound("s", 2, &scoped(one, plain));
        assert!(found(&meeting).contains("merge-mixture"), "{one}");
        let half = format!("scope = [['{other}'], ['displayName ISNOTNULL']]\n{plain}");
        let meeting = outbound("r", 1, &scoped(one, merged)) + &outbound("s", 2, &half);
        assert!(found(&meeting).contains("merge-mixture"), "one group of a scope is enough to meet");
    }
    // Of several values, any may be the one that is equal.
    let several = |value: &str, flow: &str| format!("scope = [['proxyAddresses EQUAL {value}']]\n{flow}");
    let meeting = outbound("r", 1, &several("a", merged)) + &outbound("s", 2, &several("b", plain));
    assert!(found(&meeting).contains("merge-mixture"));
    assert_eq!(
        found(&join_out("criterion = 'review-only'\nsource = '[proxyAddresses]'\ntarget = '[proxyAddresses]'")),
        ""
    );
    assert_eq!(found(&join("source = 'DNComponent([dn], 1)'\ntarget = '[mail]'")), "");
}
