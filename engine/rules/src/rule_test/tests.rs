//! What a test file may say, and every mistake in it at once.

use super::{GivenValues, load_tests};
use crate::document::{FileText, Files, load};
use crate::model::RuleSet;
use expect_test::{Expect, expect};
use metaverse_schema::{ConnectorSchema, Plurality, ValueKind, active_directory};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

const RULES: &str = r#"
[metaverse.person]
title = "text"
manager = "reference"

[[rule]]
id = "in"
name = "In"
direction = "inbound"
connector = "ad"
source_type = "user"
target_type = "person"
link = "provision"
precedence = 100
[rule.flow]
title = "[title]"
"#;

fn rules() -> RuleSet {
    let configuration = "[connector.ad]\nkind = \"active-directory\"\n[connector.hr]\nkind = \"text-file\"\n";
    let files = Files {
        configuration: FileText::text("metasync.toml", format!("[deployment]\nname = \"test\"\n{configuration}")),
        rules: vec![FileText::text("rules/test.toml", RULES)],
    };
    let loaded = load(&files, PathBuf::from("/deployment"));
    assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
    loaded.rules.unwrap()
}

fn schemas() -> BTreeMap<Arc<str>, ConnectorSchema> {
    let hr =
        ConnectorSchema::default().class("user", true).attribute("boss", ValueKind::Reference, Plurality::Single, true);
    [("ad".into(), active_directory::schema()), ("hr".into(), hr)].into()
}

/// The diagnostics, one a line: place, code, what is underlined, message; help.
fn check(text: &str, expect: Expect) {
    let loaded = load_tests(&[FileText::text("tests/t.toml", text)], &rules(), &schemas());
    let mut shown = String::new();
    for found in &loaded.diagnostics {
        let (line, _) = loaded.sources.line_and_column(&found.file, found.span.start).unwrap();
        let marked = text.get(found.span.clone()).unwrap_or_default().lines().next().unwrap_or_default();
        let _ = writeln!(shown, "{line}: {} `{marked}`: {}; {}", found.code, found.message, found.help);
    }
    expect.assert_eq(&shown);
}

#[test]
fn values_are_typed_by_the_schema() {
    let text = r#"
[[test]]
name = "all kinds"
[test.given.ann]
connector = "ad"
type = "user"
[test.given.ann.attributes]
title = "Buyer"
userAccountControl = 512
isCriticalSystemObject = false
objectSid = "S-1-5-21-1-2-3-1001"
thumbnailPhoto = "AQI="
proxyAddresses = ["b", "a"]
manager = "bob"
assistant = "CN=Elsewhere,DC=test"
mail = []
[test.given.bob]
connector = "ad"
type = "user"
anchor = "00000000-0000-0000-0000-000000000001"
[test.expect.ann]
linked = true
"#;
    check(text, expect![""]);
    let loaded = load_tests(&[FileText::text("tests/t.toml", text)], &rules(), &schemas());
    let ann = &loaded.files[0].tests[0].steps[0].given[0];
    let mut shown = String::new();
    for (name, values) in &ann.attributes {
        let values = match values {
            GivenValues::Values(values) => format!("{values:?}"),
            GivenValues::References(references) => format!("{references:?}"),
        };
        let _ = writeln!(shown, "{name}: {values}");
    }
    let _ = writeln!(shown, "{}", ann.dn.as_ref().unwrap());
    expect![[r#"
        assistant: [Dn(CN=Elsewhere,DC=test)]
        isCriticalSystemObject: False
        mail: []
        manager: [Object("bob")]
        objectGUID: b64(HHqOO2v/P8agf7lP7WRu5A==)
        objectSid: b64(AQUAAAAAAAUVAAAAAQAAAAIAAAADAAAA6QMAAA==)
        proxyAddresses: ["a", "b"]
        thumbnailPhoto: b64(AQI=)
        title: "Buyer"
        userAccountControl: 512
        CN=ann,OU=Test,DC=test,DC=example
    "#]]
    .assert_eq(&shown);
}

#[test]
fn every_mistake_is_shown_at_once() {
    check(
        r#"
surplus = 1

[[test]]
name = "one"
now = "yesterday"
matching = "sometimes"
[test.given.ann]
connector = "add"
type = "user"
[test.given.bob]
connector = "ad"
type = "usr"
anchor = "7"
dn = "nonsense"
colour = "red"
[test.given.bob.attributes]
titel = "x"
title = 5
mail = ["a", "b"]
objectSid = "!"
unicodePwd = "x"
manager = "carla"
[test.given.dora]
connector = "hr"
type = "user"
[test.given.dora.attributes]
boss = "bob"
[test.expect.eve]
linked = true
[test.expect.dora]
[test.expect.bob]
type = "persona"
joined = ["anna"]
in_scope = ["inn"]
[test.expect.bob.metaverse]
titel = "x"
title = true
[test.expect.bob.export]
ad = "explode"
hr = {}
cloud = "add"

[[test]]
name = "one"

[[test]]
[[test.step]]
delete = ["nobody"]
[test.step.change.nobody]
"#,
        expect![[r#"
            2: key-unknown `surplus`: a test file has no key `surplus`; known: test
            6: test-time-invalid `yesterday`: `now` is no point in time: failed to parse four digit integer as year: invalid digit, expected 0-9 but got y; write it as ISO 8601 with its zone: now = "2026-01-01T00:00:00Z"
            7: unknown-value `"sometimes"`: `matching` cannot be `sometimes`; known: review, automatic, closed
            9: connector-unknown `add`: there is no connector `add`; did you mean `ad`?
            13: class-unknown `usr`: `ad` has no objects of type `usr`; did you mean `user`?
            14: test-value-invalid `7`: `7` is not a GUID of the form 00112233-4455-6677-8899-aabbccddeeff; write a GUID, or leave the line out: one is made up
            15: test-value-invalid `nonsense`: `dn` is not a DN: invalid-dn: `nonsense`: `=` is expected at character 9; such as CN=Ann,OU=Staff,DC=test
            16: key-unknown `colour`: this given object has no key `colour`; known: connector, type, anchor, dn, roles, attributes
            18: attribute-unknown `titel`: `ad` has no attribute `titel`; did you mean `title`?
            19: wrong-kind `5`: `title` is text by the schema; write a text in quotes
            20: test-several-values `["a", "b"]`: `mail` holds one value, and 2 stand here; give one value, or [] for none
            21: test-value-invalid `"!"`: `objectSid` is binary, and this is no GUID, no SID and no base64; write a GUID (3f2504e0-4f89-11d3-9a0c-0305e82c3301), a SID (S-1-5-21-...) or base64
            22: test-value-invalid `"x"`: `unicodePwd` is a secret: it is never imported and no rule sets it; remove this line
            23: test-object-unknown `"carla"`: this test has no object `carla`; known: ann, bob, dora
            28: test-object-unknown `"bob"`: `bob` is an object of `ad`, and this one is in `hr`; a reference points at an object of the same connector
            29: test-object-unknown `eve`: this test has no object `eve`; known: ann, bob, dora
            31: test-without-expectation `dora`: nothing is expected of `dora`; expect something: linked, joined, metaverse, export, in_scope, error
            33: metaverse-type-unknown `persona`: the metaverse has no type `persona`; did you mean `person`?
            34: test-object-unknown `anna`: this test has no object `anna`; did you mean `ann`?
            35: test-rule-unknown `inn`: there is no inbound rule `inn`; did you mean `in`?
            37: metaverse-attribute-unknown `titel`: the metaverse has no attribute `titel`; did you mean `title`?
            38: wrong-kind `true`: `title` is text by the schema; write a text in quotes
            40: unknown-value `"explode"`: `operation` cannot be `explode`; known: none, add, update, takeover, rename, restore, delete, detach, leaving
            41: test-without-expectation `hr`: nothing is expected of the export to `hr`; expect something: operation, attributes, dn, held, members_held
            42: connector-unknown `cloud`: there is no connector `cloud`; known: ad, hr
            45: test-name-duplicate `"one"`: two tests of this file are called `one`; give it its own name
            47: key-missing `[[test]]`: this test needs `name`; say in a sentence what must be so
            48: key-missing `[[test.step]]`: this step needs `name`; say in a sentence what happens
            49: test-object-unknown `nobody`: this test has no object `nobody`; there are none to choose from
            50: test-object-unknown `nobody`: this test has no object `nobody`; there are none to choose from
        "#]],
    );
}
