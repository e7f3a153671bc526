//! Mistakes in expressions, as `check` shows them: in the rule file, with their place, before anything runs.

use super::tests::{check_rules, outbound, rule};
use expect_test::expect;

#[test]
fn every_mistake_of_an_expression_is_found_in_its_file() {
    let flows = r#"[rule.flow]
displayName = 'Trimm([cn])'
mail = 'Left([mail])'
sourceAnchor = 'BitAnd("x",1)'
"#;
    let more = r#"[rule.flow]
displayName = 'IIF(IsPresent([cn]),"x'
mail = 'IIF(IsPresent([mail]),[mail]'
sourceAnchor = 'Now()'
accountEnabled = 'True)'
"#;
    let out = r#"[rule.flow]
displayName = 'Trim([DisplayName])'
mail = 'IIF(Contains([proxyAddresses],"smtp:",ignorecase)>0,[mail],null)'
jobTitle = 'Trim([accountEnabled])'
proxyAddresses = '[displayName] / 2'
"#;
    let rules = [rule("flows", 1, flows), rule("more", 2, more), outbound("out", 3, out)].concat();
    check_rules(
        &rules,
        expect![[r#"
            rules/r.toml:10:16 error expression-unknown-function <Trimm> there is no function `Trimm`; names are case-sensitive (did you mean `Trim`?)
            rules/r.toml:11:9 error expression-argument-count <Left([mail])> `Left` takes 2 arguments, and 1 are given (write Left(text, count))
            rules/r.toml:12:24 error expression-type-mismatch <"x"> `BitAnd` takes as `value` a number, and this is a text (convert it: CNum(...))
            rules/r.toml:23:36 error expression-syntax <"x> this text is not closed (close it with a double quote)
            rules/r.toml:24:8 error expression-syntax <'IIF(IsPresent([mail]),[mail]'> the expression ends here; `,` or `)` is expected (write `,` or `)`)
            rules/r.toml:25:17 error expression-type-mismatch <Now()> a date cannot be stored (write FormatDateTime(..., "yyyyMMddHHmmss.0Z"))
            rules/r.toml:26:23 error expression-syntax <)> this does not fit here; an operator or the end is expected (write an operator or the end)
            rules/r.toml:37:21 error expression-unknown-attribute <[DisplayName]> there is no attribute `DisplayName` here (did you mean `displayName`?; or declare it under [metaverse.person])
            rules/r.toml:38:47 error expression-unknown-word <ignorecase> `ignorecase` is not one of the choices here (known: CaseInsensitive, CaseSensitive)
            rules/r.toml:38:68 error expression-unknown-word <null> `null` is not a value (did you mean `NULL`? Names are case-sensitive)
            rules/r.toml:39:18 error expression-type-mismatch <[accountEnabled]> `Trim` takes as `text` a text, and this is True or False (convert it: CStr(...))
            rules/r.toml:40:33 error expression-syntax </> there is no operator `/` (numbers are whole and are not divided; BitAnd and DateAdd serve most of what one divides for)
        "#]],
    );
}

/// X49: a drawn value that nothing keeps would be another one with each change of the rule set; only `once` keeps it.
#[test]
fn x49_a_value_is_drawn_only_where_it_is_kept() {
    let rules = [
        rule("kept", 1, "[rule.flow]\ndisplayName = { expression = 'Guid()', once = true }\n"),
        rule(
            "not-kept",
            2,
            "[rule.flow]\nmail = 'Guid() & \"@x\"'\nsourceAnchor = { expression = 'CStr(RandomNum(1,9))' }\n",
        ),
        rule("joins", 3, "[[rule.join]]\nsource = 'Guid()'\ntarget = '[mail]'\n"),
        outbound("limits", 4, "[[rule.limitation]]\ncode = \"c\"\nwhen = 'RandomNum(1,2) = 1'\nmessage = \"m\"\n"),
    ];
    check_rules(
        &rules.concat(),
        expect![[r#"
        rules/r.toml:21:9 error drawn-value-not-kept <Guid() & "@x"> Guid and RandomNum draw a value, and nothing keeps it here (draw it in a flow that is applied once: { expression = '...', once = true })
        rules/r.toml:22:32 error drawn-value-not-kept <CStr(RandomNum(1,9))> Guid and RandomNum draw a value, and nothing keeps it here (draw it in a flow that is applied once: { expression = '...', once = true })
        rules/r.toml:33:11 error drawn-value-not-kept <Guid()> Guid and RandomNum draw a value, and nothing keeps it here (draw it in a flow that is applied once: { expression = '...', once = true })
        rules/r.toml:46:9 error drawn-value-not-kept <RandomNum(1,2) = 1> Guid and RandomNum draw a value, and nothing keeps it here (draw it in a flow that is applied once: { expression = '...', once = true })
    "#]],
    );
}
