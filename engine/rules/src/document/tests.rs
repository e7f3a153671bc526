//! Tests of loading, as tables of text: every mistake at once, each with its place.

use super::{FileContent, FileText, Files, load, read_canonical};
use crate::diagnostic::{Diagnostic, Sources};
use crate::{Loaded, StepType, check_against, load_folder};
use expect_test::{Expect, expect};
use metaverse_schema::{ConnectorSchema, Plurality, SettingValue, ValueKind};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) const CONFIGURATION: &str = r#"
[deployment]
name = "contoso"
[connector.ad]
kind = "active-directory"
[connector.cloud]
kind = "azure-ad"
[parameters]
"Site" = "east"
"#;

pub(super) const METAVERSE: &str = r#"
[metaverse.person]
displayName = "text"
mail = "text"
proxyAddresses = "multi text"
accountEnabled = "boolean"
manager = "reference"
sourceAnchor = "text"
"#;

pub(super) fn loaded(configuration: &str, rules: &[(&str, &str)]) -> Loaded {
    let files = Files {
        configuration: FileText::text("metasync.toml", configuration),
        rules: rules.iter().map(|(name, text)| FileText::text(*name, *text)).collect(),
    };
    load(&files, PathBuf::from("/deployment"))
}

/// One line for each diagnostic: place, code, what is underlined, message, help.
pub(super) fn shown(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let mut text = String::new();
    for found in diagnostics {
        assert!(crate::codes::meaning(found.code).is_some(), "{} is not documented", found.code);
        let (line, column) = sources.line_and_column(&found.file, found.span.start).unwrap_or((0, 0));
        let marked = sources.text(&found.file).and_then(|text| text.get(found.span.clone())).unwrap_or("");
        let _ = writeln!(
            text,
            "{}:{line}:{column} {} {} <{}> {} ({})",
            found.file,
            found.severity,
            found.code,
            marked.replace('\n', "\\n"),
            found.message,
            found.help
        );
    }
    text
}

pub(super) fn check(configuration: &str, rules: &[(&str, &str)], expect: Expect) {
    let loaded = loaded(configuration, rules);
    expect.assert_eq(&shown(&loaded.diagnostics, &loaded.sources));
}

/// A configuration with ten mistakes shows ten diagnostics.
#[test]
fn ten_mistakes_are_ten_diagnostics() {
    let configuration = r#"
[deployment]
nam = "contoso"

[connector.ad]
kind = "active-direktory"
[connector.ad.settings]
password = "hunter2"

[matching]
mode = "sometimes"
"#;
    let rules = r#"
[metaverse.person]
displayName = "text"

[[rule]]
id = "a"
name = "A"
direction = "inbound"
connector = "add"
source_type = "user"
target_type = "person"
precedence = 100
scope = [["mailNickname NOTNULL"]]
[rule.flow]
displayName = "Trim([displayName]) & trim([cn])"
displayname = "[cn]"

[[rule]]
id = "a"
name = "B"
direction = "outbound"
connector = "ad"
source_type = "person"
target_type = "user"
precedence = 100
"#;
    let loaded = loaded(configuration, &[("rules/a.toml", rules)]);
    expect![[r#"
        metasync.toml:3:1 error key-unknown <nam> [deployment] has no key `nam` (did you mean `name`?)
        metasync.toml:6:8 error unknown-value <"active-direktory"> `kind` cannot be `active-direktory` (did you mean `active-directory`?)
        metasync.toml:8:1 error secret-in-file <password> `password` holds a secret; secrets do not belong into this file (write "env:NAME", "file:PATH" or "credential:NAME"; and change this secret, it has been on disk)
        metasync.toml:11:8 error unknown-value <"sometimes"> `mode` cannot be `sometimes` (known: review, automatic, closed)
        rules/a.toml:9:13 error connector-unknown <"add"> there is no connector `add` (did you mean `ad`?)
        rules/a.toml:13:25 error scope-operator-unknown <NOTNULL> there is no operator `NOTNULL` (did you mean `ISNOTNULL`?)
        rules/a.toml:15:38 error expression-unknown-function <trim> there is no function `trim`; names are case-sensitive (did you mean `Trim`?)
        rules/a.toml:16:1 error metaverse-attribute-unknown <displayname> the metaverse has no attribute `displayname` of type `person` (did you mean `displayName`?; or declare it under [metaverse.person])
        rules/a.toml:19:6 error rule-id-duplicate <"a"> two rules are called `a`; the other one stands in rules/a.toml (links and history name a rule by its id: give each its own)
        rules/a.toml:25:14 error precedence-duplicate <100> precedence 100 is taken by the rule `A` in rules/a.toml (one number space serves all rules, inbound and outbound: choose a free one, or name the rule that this one stands `before` or `after`)
    "#]].assert_eq(&shown(&loaded.diagnostics, &loaded.sources));
    assert_eq!(loaded.diagnostics.len(), 10);
    assert!(loaded.deployment.is_none() && loaded.rules.is_none());
    for text in [format!("{:?}", loaded.diagnostics), format!("{:?}", loaded.sources)] {
        assert!(!text.contains("hunter2"), "a secret is never shown");
    }
}

#[test]
fn the_deployment_is_read() {
    let loaded = loaded(
        r#"
[deployment]
name = "contoso"
staging = true
store = "data/metasync.db"
error_limit = 0
[guards]
objects = 100
[never_sync]
groups = [{ connector = "ad", group = "CN=No,DC=x" }]
[connector.ad]
kind = "active-directory"
[connector.ad.settings]
host = "dc1"
bind_password = "env:AD_PASSWORD"
passwords = { privileged = false }
ports = [389, 636]
[connector.cloud]
kind = "azure-ad"
[[profile]]
name = "nightly"
connector = "ad"
steps = ["full-import", "delta-synchronization"]
"#,
        &[("rules/a.toml", METAVERSE)],
    );
    assert_eq!(shown(&loaded.diagnostics, &loaded.sources), "");
    let deployment = loaded.deployment.unwrap();
    assert_eq!(deployment.store, Path::new("/deployment/data/metasync.db"));
    assert_eq!(deployment.error_limit, 100_000, "R22: 0 means the highest limit");
    assert_eq!((deployment.guards.objects, deployment.guards.percent), (100, 10));
    assert!(deployment.staging);
    assert_eq!(&*deployment.never_sync_groups[0].0, "ad");
    let settings = &deployment.connectors[0].settings;
    assert_eq!(settings.entries["bind_password"].value, SettingValue::Text("env:AD_PASSWORD".into()));
    assert!(matches!(&settings.entries["ports"].value, SettingValue::List(ports) if ports.len() == 2));
    let profiles: Vec<String> = deployment
        .profiles
        .iter()
        .map(|profile| format!("{}/{}:{}", profile.connector, profile.name, profile.steps.len()))
        .collect();
    // R3: a connector without profiles of its own has the five single-purpose ones.
    assert_eq!(
        profiles.join(" "),
        "ad/nightly:2 cloud/full-import:1 cloud/full-synchronization:1 cloud/delta-import:1 cloud/delta-synchronization:1 cloud/export:1"
    );
    assert_eq!(deployment.profiles[0].steps[1], StepType::DeltaSynchronization);
}

/// `[scope]`: what is listed counts by its anchor, is part of the decisions, and survives the canonical text; names do not count.
#[test]
fn a_selection_is_read_and_counts_by_its_anchors() {
    let text = |name: &str| {
        format!(
            "[deployment]\nname = \"x\"\n[connector.ad]\nkind = \"text-file\"\n[scope.ad]\neverybody = false\nnested = true\n\
             groups = [{{ id = \"6F9619FF-8B86-D011-B42D-00CF4FC964FF\", name = \"{name}\" }}]\nwithout = [{{ id = \"p9\" }}]\n"
        )
    };
    let rules = |text: &str| {
        let loaded = loaded(text, &[("rules/a.toml", METAVERSE)]);
        assert_eq!(shown(&loaded.diagnostics, &loaded.sources), "");
        loaded.rules.unwrap()
    };
    let read = rules(&text("Pilot"));
    let selection = &read.selections["ad"];
    assert_eq!(selection.groups["6f9619ff-8b86-d011-b42d-00cf4fc964ff"], "Pilot");
    assert_eq!(selection.without["p9"], "p9");
    let watched: Vec<_> = read.watched_groups().into_iter().map(|group| (group.group, group.watch)).collect();
    assert_eq!(watched, [("6f9619ff-8b86-d011-b42d-00cf4fc964ff".to_owned(), crate::Watch::NestedSelection)]);
    let again = read_canonical(&read.text).unwrap();
    assert_eq!((&again.hash, &again.text), (&read.hash, &read.text));
    assert_eq!(rules(&text("Wave one")).hash, read.hash, "a name is for the reader");
    assert_ne!(rules(&text("Pilot").replace("p9", "p8")).hash, read.hash);
    assert_ne!(rules(&text("Pilot").replace("nested = true\n", "")).hash, read.hash);
    let open = "[deployment]\nname = \"x\"\n[connector.ad]\nkind = \"text-file\"\n";
    assert_eq!(rules(open).hash, rules(&format!("{open}[scope.ad]\neverybody = true\n")).hash, "nothing is limited");
}

#[test]
fn mistakes_in_a_selection() {
    check(
        r#"
[deployment]
name = "x"
[connector.ad]
kind = "text-file"
[connector.hr]
kind = "text-file"
[connector.crm]
kind = "text-file"
[connector.erp]
kind = "text-file"
[scope.ad]
groups = [{ name = "Pilot" }]
[scope.hr]
everybody = true
groups = [{ id = "g" }]
[scope.crm]
everybody = false
without = [{ id = "" }]
[scope.erp]
everybody = false
users = [{ id = "p1", name = "Ann" }]
without = [{ id = "p1", name = "Ann" }]
member = []
[scope.add]
everybody = true
"#,
        &[("rules/a.toml", METAVERSE)],
        expect![[r#"
            metasync.toml:12:1 error key-missing <[scope.ad]> [scope.ad] needs `everybody` (everybody = false synchronises the members of `groups` and those in `users` alone; true all but `without`)
            metasync.toml:13:11 error key-missing <{ name = "Pilot" }> this entry of `groups` needs `id` (the object's anchor, in Active Directory its objectGUID; `metasync scope` writes it)
            metasync.toml:16:11 error scope-limits-nobody <{ id = "g" }> everybody is in scope by [scope.hr], so what is listed here limits nobody (write everybody = false to synchronise nobody else, or take the list out)
            metasync.toml:17:1 error scope-of-nobody <[scope.crm]> [scope.crm] leaves nobody in scope: it names neither a group nor a user (add one with `metasync scope add-group` or `add-user`, or write everybody = true)
            metasync.toml:19:19 error scope-id-empty <""> an entry of `without` names nobody (the object's anchor, in Active Directory its objectGUID; `metasync scope` writes it)
            metasync.toml:23:12 error scope-both-ways <{ id = "p1", name = "Ann" }> `Ann` is listed in `users` and in `without` (take it out of one of the two)
            metasync.toml:24:1 error key-unknown <member> [scope.erp] has no key `member` (known: everybody, nested, groups, users, without)
            metasync.toml:25:8 error connector-unknown <add> there is no connector `add` (did you mean `ad`?)
        "#]],
    );
}

#[test]
fn mistakes_in_the_configuration() {
    check(
        r#"
[deployment]
name = "contoso"
history_days = 1.5
[deploiment]
[connector."a b"]
kind = "text-file"
[connector.c]
[connector.d]
kind = "text-file"
setings = {}
[connector.d.settings]
when = 2020-01-01
client_secret = 12345
token = { secret = """file:""" }
[[profile]]
name = "p"
connector = "x"
steps = ["full-imports"]
[[profile]]
name = "p"
connector = "d"
steps = []
[matching]
addresses = "keep"
[parameters]
"Connector.ID" = "x"
List = []
"#,
        &[("rules/a.toml", METAVERSE)],
        expect![[r#"
            metasync.toml:4:16 error wrong-kind <1.5> `history_days` must be a whole number (write a whole number)
            metasync.toml:5:2 error key-unknown <deploiment> metasync.toml has no key `deploiment` (did you mean `deployment`?)
            metasync.toml:6:12 error connector-name-invalid <"a b"> a connector cannot be called `a b` (use letters, digits, `-` and `_`; `mv` means the metaverse)
            metasync.toml:8:1 error key-missing <[connector.c]> [connector.c] needs `kind` (one of: active-directory, azure-ad, text-file)
            metasync.toml:11:1 error key-unknown <setings> [connector.d] has no key `setings` (did you mean `settings`?)
            metasync.toml:13:8 error wrong-kind <2020-01-01> `when` must be a text, a whole number, true or false, a list or a table (write a text, a whole number, true or false, a list or a table)
            metasync.toml:14:1 error secret-in-file <client_secret> `client_secret` holds a secret; secrets do not belong into this file (write "env:NAME", "file:PATH" or "credential:NAME"; and change this secret, it has been on disk)
            metasync.toml:15:11 error secret-in-file <secret> `secret` holds a secret; secrets do not belong into this file (write "env:NAME", "file:PATH" or "credential:NAME"; and change this secret, it has been on disk)
            metasync.toml:18:13 error connector-unknown <"x"> there is no connector `x` (known: a b, c, d)
            metasync.toml:19:10 error unknown-value <"full-imports"> `steps` cannot be `full-imports` (did you mean `full-import`?)
            metasync.toml:23:9 error wrong-kind <[]> `steps` must be a list of at least one step, such as ["full-import"] (write a list of at least one step, such as ["full-import"])
            metasync.toml:25:13 error unknown-value <"keep"> `addresses` cannot be `keep` (known: hold, keep-cloud, ad-wins)
            metasync.toml:27:1 error parameter-name-invalid <"Connector.ID"> a parameter cannot be called `Connector.ID` (Connector.ID and Matching.* are set by the engine; others have letters, digits, `.`, `_` and `-`)
            metasync.toml:28:8 error wrong-kind <[]> `List` must be a text, a whole number, or true or false (write a text, a whole number, or true or false)
        "#]],
    );
}

#[test]
fn broken_toml_is_reported_with_what_can_still_be_read() {
    check(
        "[deployment]\nname = contoso\nstagin = true\n[connector.ad]\nkind = \"azure-ad\"\npassword = hunter2 x\n",
        &[("rules/a.toml", "[metaverse.person\ndisplayName = \"txt\"\n")],
        expect![[r#"
            metasync.toml:2:8 error toml-syntax <contoso> string values must be quoted, expected literal string (see https://toml.io; texts stand in quotes)
            metasync.toml:3:1 error key-unknown <stagin> [deployment] has no key `stagin` (did you mean `staging`?)
            metasync.toml:6:12 error toml-syntax <******* *> string values must be quoted, expected literal string (see https://toml.io; texts stand in quotes)
            rules/a.toml:1:17 error toml-syntax <n> unclosed table, expected `]` (see https://toml.io; texts stand in quotes)
        "#]],
    );
}

#[test]
fn files_that_cannot_be_read_are_diagnostics_too() {
    let files = Files {
        configuration: FileText { name: "metasync.toml".into(), content: FileContent::Missing },
        rules: vec![
            FileText { name: "rules/b.toml".into(), content: FileContent::NotUtf8("[metaverse.person]\n# caf".into()) },
            FileText { name: "rules/c.toml".into(), content: FileContent::Unreadable("permission denied".into()) },
        ],
    };
    let loaded = load(&files, PathBuf::from("/d"));
    expect![[r#"
        metasync.toml:0:0 error file-missing <> metasync.toml does not exist (`metasync init` writes a deployment)
        rules/b.toml:2:6 error file-not-utf8 <> rules/b.toml is not UTF-8 text from byte 24 on (save it as UTF-8)
        rules/c.toml:0:0 error file-unreadable <> rules/c.toml cannot be read: permission denied (check its permissions)
    "#]]
    .assert_eq(&shown(&loaded.diagnostics, &loaded.sources));
    assert!(loaded.deployment.is_none() && loaded.rules.is_none());
    let none = load_folder(Path::new("/nonexistent/deployment"));
    assert_eq!(none.diagnostics[0].code, "file-missing");

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("metasync.toml"), CONFIGURATION).unwrap();
    let empty = load_folder(folder.path());
    assert_eq!(shown(&empty.diagnostics, &empty.sources).lines().count(), 1);
    assert_eq!(empty.diagnostics[0].code, "no-rules");
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("rules/a.toml"), METAVERSE).unwrap();
    std::fs::write(folder.path().join("rules/b.toml"), b"# caf\xe9").unwrap();
    std::fs::write(folder.path().join("rules/notes.txt"), "not read").unwrap();
    let loaded = load_folder(folder.path());
    assert_eq!(
        shown(&loaded.diagnostics, &loaded.sources),
        "rules/b.toml:1:6 error file-not-utf8 <> rules/b.toml is not UTF-8 text from byte 5 on (save it as UTF-8)\n"
    );
    assert!(loaded.deployment.is_some() && loaded.rules.is_none(), "the other half still holds");
}

pub(super) fn rule(id: &str, precedence: u32, body: &str) -> String {
    format!(
        "[[rule]]\nid = \"{id}\"\nname = \"{id}\"\ndirection = \"inbound\"\nconnector = \"ad\"\nsource_type = \"user\"\ntarget_type = \"person\"\nprecedence = {precedence}\n{body}\n"
    )
}

pub(super) fn outbound(id: &str, precedence: u32, body: &str) -> String {
    rule(id, precedence, body)
        .replace("inbound", "outbound")
        .replace("\"person\"", "\"@\"")
        .replace("\"user\"", "\"person\"")
        .replace("\"@\"", "\"user\"")
        .replace("\"ad\"", "\"cloud\"")
}

pub(super) fn check_rules(rules: &str, expect: Expect) {
    check(CONFIGURATION, &[("rules/m.toml", METAVERSE), ("rules/r.toml", rules)], expect);
}

#[test]
fn mistakes_in_rules() {
    let rules = [
        rule(
            "joins",
            1,
            "[[rule.join]]\nsource = \"[objectSid]\"\n[[rule.join]]\ncriterion = \"x\"\nsource = \"Len([a])\"\ntarget = \"[mail]\"\n[[rule.join]]\nwhen_parameter = \"Nothing\"\nsource = \"[a]\"\ntarget = \"[mial]\"\n",
        ),
        rule(
            "takes-over",
            2,
            "[rule.takeover]\nstamp = \"x\"\n[rule.deprovision]\nadopted = \"remove\"\n[[rule.limitation]]\ncode = \"c\"\nwhen = \"True\"\nmessage = \"m\"\n",
        ),
        rule(
            "flows",
            3,
            r#"
[rule.flow]
displayName = 5
mail = { constant = "a", direct = "b" }
proxyAddresses = { direct = "[x]" }
manager = "Trim([manager])"
accountEnabled = "IIF([a] = 1, \"yes\", \"no\")"
sourceAnchor = { expression = "Left(Split([a], \",\"), 3)", merge = "merge" }
nickName = {}
"#,
        ),
        outbound(
            "out",
            4,
            r#"
scope = [["mial ISNOTNULL", "displayName"], [], ["mail ISIN a; \"b;c\" d"]]
[rule.flow]
displayName = "[dispName]"
mail = "[mail] & %Sight%"
manager = "[manager] "
other = "IIF(IsPresent([mail]), [manager], NULL)"
"#,
        ),
        "[[rule]]\nname = \"nothing\"\nprecedence = -1\nlink = \"provision\"\ntarget_type = \"*\"\nsource_type = \"user\"\ndirection = \"sideways\"\n".to_owned(),
    ];
    check_rules(
        &rules.concat(),
        expect![[r#"
            rules/r.toml:9:1 error join-without-target <[[rule.join]]> a join compares two sides, and `target` is missing (write source = "[objectSid]" and target = "[objectSid]")
            rules/r.toml:14:11 error join-type-mismatch <[mail]> a number on one side never equals a text on the other (convert one side)
            rules/r.toml:16:18 error parameter-unknown <"Nothing"> there is no parameter `Nothing` (known: Matching.UserPrincipalName, Site, Connector.ID; parameters are set under [parameters] in metasync.toml)
            rules/r.toml:18:11 error expression-unknown-attribute <[mial]> there is no attribute `mial` here (did you mean `mail`?; or declare it under [metaverse.person])
            rules/r.toml:28:1 error takeover-on-inbound <[rule.takeover]> an inbound rule cannot have a takeover: nothing is written to its source (it belongs to the outbound rule of the target)
            rules/r.toml:30:1 error deprovision-on-inbound <[rule.deprovision]> an inbound rule cannot have a deprovision table: nothing is written to its source (it belongs to the outbound rule of the target)
            rules/r.toml:31:11 error unknown-value <"remove"> `adopted` cannot be `remove` (known: delete, detach, disconnect, explicit-disconnect)
            rules/r.toml:32:1 error limitation-on-inbound <[[rule.limitation]]> an inbound rule cannot have a limitation: nothing is written to its source (it belongs to the outbound rule of the target)
            rules/r.toml:47:15 error flow-type-mismatch <5> `displayName` holds a text, and this gives a number (convert it: CStr, CNum, CBool, ConvertToBase64, StringFromGuid, StringFromSid)
            rules/r.toml:48:8 error flow-several-sources <{ constant = "a", direct = "b" }> the flow to `mail` has more than one source (keep one of direct, constant and expression)
            rules/r.toml:49:29 error flow-source-invalid <"[x]"> `[x]` is not an attribute name (write the name without brackets: { direct = "title" })
            rules/r.toml:50:12 error reference-in-expression <Trim([manager])> `manager` is a reference and cannot be computed (references flow as they are: { direct = "manager" }; CStr([dn]) gives the text of a DN)
            rules/r.toml:51:18 error flow-type-mismatch <"IIF([a] = 1, \"yes\", \"no\")"> `accountEnabled` holds True or False, and this gives a text (convert it: CStr, CNum, CBool, ConvertToBase64, StringFromGuid, StringFromSid)
            rules/r.toml:52:1 error merge-on-single-value <sourceAnchor> `sourceAnchor` holds one value and cannot be merged (declare it as multi, or leave `merge` out)
            rules/r.toml:52:31 error flow-multi-values-to-single-value <"Left(Split([a], \",\"), 3)"> `sourceAnchor` holds one value, and this gives several (take one: Item([name],1), ItemOrNull, Join or Where)
            rules/r.toml:53:1 error metaverse-attribute-unknown <nickName> the metaverse has no attribute `nickName` of type `person` (known: accountEnabled, displayName, mail, manager, proxyAddresses, sourceAnchor; or declare it under [metaverse.person])
            rules/r.toml:53:12 error flow-without-source <{}> the flow to `nickName` has no source (write direct = "attribute", constant = ..., or expression = "...")
            rules/r.toml:64:12 error metaverse-attribute-unknown <mial> the metaverse has no attribute `mial` of type `person` (did you mean `mail`?; or declare it under [metaverse.person])
            rules/r.toml:64:29 error scope-syntax <"displayName"> this clause has no operator (known operators: EQUAL, NOTEQUAL, LESSTHAN, LESSTHAN_OR_EQUAL, GREATERTHAN, GREATERTHAN_OR_EQUAL, CONTAINS, NOTCONTAINS, STARTSWITH, NOTSTARTSWITH, ENDSWITH, NOTENDSWITH, ISNULL, ISNOTNULL, ISIN, ISNOTIN, ISBITSET, ISNOTBITSET, ISBITNOTSET, ISMEMBEROF, ISNOTMEMBEROF)
            rules/r.toml:64:45 error scope-syntax <[]> this scope group is empty (leave `scope` out for a rule that applies to all; inside a group all clauses must hold)
            rules/r.toml:64:72 error scope-syntax <d> this does not belong to the clause (one value stands behind the operator; put quotes around all of it)
            rules/r.toml:66:16 error metaverse-attribute-unknown <[dispName]> the metaverse has no attribute `dispName` of type `person` (did you mean `displayName`?; or declare it under [metaverse.person])
            rules/r.toml:67:18 error expression-unknown-parameter <%Sight%> there is no parameter `Sight` here (known: Matching.UserPrincipalName, Site, Connector.ID; parameters are set under [parameters] in metasync.toml)
            rules/r.toml:69:10 error reference-in-expression <IIF(IsPresent([mail]), [manager], NULL)> `other` is a reference and cannot be computed (references flow as they are: { direct = "manager" }; CStr([dn]) gives the text of a DN)
            rules/r.toml:71:1 error key-missing <[[rule]]> this rule needs `connector` (name a connector of metasync.toml)
            rules/r.toml:71:1 error key-missing <[[rule]]> this rule needs `id` (a stable identifier such as "in-from-ad-user-join")
            rules/r.toml:73:14 error out-of-range <-1> `precedence` lies between 0 and 4294967295 (choose a number within the bounds)
            rules/r.toml:75:15 error target-type-missing <"*"> a rule that provisions must say what it creates (name one type instead of `*`)
            rules/r.toml:77:13 error unknown-value <"sideways"> `direction` cannot be `sideways` (known: inbound, outbound)
        "#]],
    );
}

#[test]
fn scope_clauses_are_read_and_canonical() {
    let rules = rule(
        "s",
        1,
        r#"scope = [[
    "userAccountControl ISBITNOTSET 2",
    "a ISNOTBITSET &H10",
    "department STARTSWITH  Research and more ",
    'b EQUAL " spaced \" "',
    "c ISIN east; west ; \"a;b\"",
    "d EQUAL %Site%",
    "e NOTEQUAL %Connector.ID%",
    "f ISNULL",
    'g EQUAL ""',
]]"#,
    );
    let loaded = loaded(CONFIGURATION, &[("rules/m.toml", METAVERSE), ("rules/r.toml", &rules)]);
    assert_eq!(shown(&loaded.diagnostics, &loaded.sources), "");
    let text = loaded.rules.unwrap().text;
    let scope = text.lines().find(|line| line.starts_with("scope")).unwrap();
    expect![[r#"scope = [["userAccountControl ISNOTBITSET \"2\"", "a ISNOTBITSET \"16\"", "department STARTSWITH \"Research and more\"", "b EQUAL \" spaced \\\" \"", "c ISIN \"east\"; \"west\"; \"a;b\"", "d EQUAL \"east\"", "e NOTEQUAL \"ad\"", "f ISNULL", "g EQUAL \"\""]]"#]].assert_eq(scope);
    check_rules(
        &rule(
            "t",
            1,
            "scope = [[\"a IN b\", \"a ISMEMBEROF CN=x\", \"a ISBITSET two\", \"a ISBITSET 0\", \"a ISNULL b\", \"a EQUAL\", \"\"]]",
        ),
        expect![[r#"
            rules/r.toml:9:14 error scope-operator-unknown <IN> there is no operator `IN` (known: EQUAL, NOTEQUAL, LESSTHAN, LESSTHAN_OR_EQUAL, GREATERTHAN, GREATERTHAN_OR_EQUAL, CONTAINS, NOTCONTAINS, STARTSWITH, NOTSTARTSWITH, ENDSWITH, NOTENDSWITH, ISNULL, ISNOTNULL, ISIN, ISNOTIN, ISBITSET, ISNOTBITSET, ISBITNOTSET, ISMEMBEROF, ISNOTMEMBEROF)
            rules/r.toml:9:22 error scope-syntax <a> a membership is the object's own, not that of one of its attributes (write "dn ISMEMBEROF CN=Group,DC=contoso,DC=com")
            rules/r.toml:9:54 error scope-syntax <two> a bit test needs a mask (a mask is a number such as 2 or &H2; bit 2 of userAccountControl is "account disabled")
            rules/r.toml:9:72 error scope-syntax <0> a bit test needs a mask (a mask is a number such as 2 or &H2; bit 2 of userAccountControl is "account disabled")
            rules/r.toml:9:85 error scope-syntax < b> this operator takes no value (leave the value out)
            rules/r.toml:9:93 error scope-syntax <EQUAL> this operator needs a value (write it behind the operator; for the empty text write "")
            rules/r.toml:9:101 error scope-syntax <""> this clause is empty (write ATTRIBUTE OPERATOR VALUE, such as "mailNickname ISNOTNULL")
        "#]],
    );
}

/// S39: when metaverse objects are deleted stands in a rule file, is checked, and is part of the hash.
#[test]
fn deletion_rules_are_read_checked_and_canonical() {
    let with = |deletion: &str| loaded(CONFIGURATION, &[("rules/m.toml", METAVERSE), ("rules/r.toml", deletion)]);
    let hash = |deletion: &str| {
        let loaded = with(deletion);
        assert_eq!(shown(&loaded.diagnostics, &loaded.sources), "");
        let rules = loaded.rules.unwrap();
        assert_eq!(read_canonical(&rules.text).unwrap().hash, rules.hash, "{}", rules.text);
        (rules.hash, rules.text.split("[metaverse_deletion").nth(1).unwrap_or_default().replace('\n', " "))
    };
    let (default, text) = hash("");
    assert_eq!(text, "");
    assert_eq!(hash("[metaverse_deletion.person]\nrule = \"provisioning-link\"").0, default, "the default, said");
    let mut hashes = vec![default];
    for (deletion, canonical) in [
        ("rule = \"last-connector\"", ".\"person\"] rule = \"last-connector\" "),
        ("rule = \"any-of\"\nconnectors = [\"ad\"]", ".\"person\"] rule = \"any-of\" connectors = [\"ad\"] "),
        (
            "rule = \"last-of\"\nconnectors = [\"ad\", \"cloud\"]",
            ".\"person\"] rule = \"last-of\" connectors = [\"ad\", \"cloud\"] ",
        ),
        ("rule = \"scripted\"\nwhen = 'IsNull([mail])'", ".\"person\"] rule = \"scripted\" when = \"IsNull([mail])\" "),
    ] {
        let (hash, text) = hash(&format!("[metaverse_deletion.person]\n{deletion}"));
        assert_eq!(text, canonical);
        assert!(!hashes.contains(&hash));
        hashes.push(hash);
    }
    let check = |deletion: &str, expect: Expect| {
        let loaded = with(deletion);
        expect.assert_eq(&shown(&loaded.diagnostics, &loaded.sources));
    };
    check(
        "[metaverse_deletion.persons]\nrule = \"last-conector\"\n[metaverse_deletion.person]\nrule = \"any-of\"\nwhen = \"True\"\n",
        expect![[r#"
            rules/r.toml:1:21 error metaverse-type-unknown <persons> the metaverse has no type `persons` (did you mean `person`?; or declare it: [metaverse.persons])
            rules/r.toml:2:8 error unknown-value <"last-conector"> `rule` cannot be `last-conector` (did you mean `last-connector`?)
            rules/r.toml:3:1 error key-missing <[metaverse_deletion.person]> this rule needs `connectors` (name the connectors: connectors = ["hr"])
            rules/r.toml:5:8 error key-unknown <"True"> `when` says nothing with this rule (remove it, or choose another rule)
        "#]],
    );
    check(
        "[metaverse_deletion.person]\nrule = \"last-of\"\nconnectors = [\"hr\"]\nnames = 1\n",
        expect![[r#"
        rules/r.toml:3:15 error connector-unknown <"hr"> there is no connector `hr` (known: ad, cloud)
        rules/r.toml:4:1 error key-unknown <names> this deletion rule has no key `names` (known: rule, connectors, when)
    "#]],
    );
    check(
        "[metaverse_deletion.person]\nrule = \"scripted\"\nwhen = '[mial] & \"x\"'\n",
        expect![[r#"
        rules/r.toml:3:9 error expression-unknown-attribute <[mial]> there is no attribute `mial` here (did you mean `mail`?; or declare it under [metaverse.person])
    "#]],
    );
    check(
        "[metaverse_deletion.person]\nconnectors = []\n",
        expect![[r#"
        rules/r.toml:1:1 error key-missing <[metaverse_deletion.person]> this rule needs `rule` (one of provisioning-link, last-connector, any-of, last-of, scripted)
    "#]],
    );
    let twice = "[metaverse_deletion.person]\nrule = \"last-connector\"\n";
    let loaded =
        loaded(CONFIGURATION, &[("rules/m.toml", METAVERSE), ("rules/r.toml", twice), ("rules/s.toml", twice)]);
    expect![[r#"
        rules/s.toml:1:21 error metaverse-deletion-conflict <person> when objects of `person` are deleted is said in two files (keep one of them)
    "#]].assert_eq(&shown(&loaded.diagnostics, &loaded.sources));
}

/// S17: the source of a join gives one value; S15: case counts where a clause says so; nothing is found by a reference.
#[test]
fn joins_by_several_values_and_by_references() {
    let join = |source: &str, target: &str| format!("[[rule.join]]\nsource = '{source}'\ntarget = '{target}'\n");
    let several = outbound("out", 1, &join("[proxyAddresses]", "[mail]"));
    let listed = outbound(
        "listed",
        2,
        &join("[proxyAddresses]", "[mail]").replace("source", "criterion = \"review-only\"\nsource"),
    );
    let manager = rule("in", 3, &join("[manager]", "[manager]"));
    check_rules(
        &[several, listed, manager].concat(),
        expect![[r#"
            rules/r.toml:10:11 error join-multi-valued <[proxyAddresses]> this gives several values, and whichever of them hits would decide who it is (take one of them: Item([name],1), ItemOrNull or Where; or list hits only, with criterion = "review-only")
            rules/r.toml:36:11 error join-not-indexable <[manager]> references and places are kept apart from an object's values, so nothing can be found by `manager` (join by a text, a number or bytes, such as an anchor or an address)
        "#]],
    );

    let schema = ConnectorSchema::default()
        .class("user", true)
        .attribute("mail", ValueKind::Text, Plurality::Single, true)
        .attribute("phones", ValueKind::Text, Plurality::Multi, true)
        .attribute("boss", ValueKind::Reference, Plurality::Single, true);
    let schemas: BTreeMap<Arc<str>, ConnectorSchema> =
        [("ad", schema.clone()), ("cloud", schema)].map(|(name, schema)| (Arc::from(name), schema)).into();
    let rules = [
        rule(
            "in",
            1,
            &[join("[phones]", "[mail]"), join("ItemOrNull([phones],1)", "[mail]"), join("CStr([dn])", "[mail]")]
                .concat(),
        ),
        outbound(
            "out",
            2,
            &[join("[mail]", "CStr([dn])"), join("[mail]", "[boss]"), join("[mail]", "[phones]")].concat(),
        ),
    ];
    let loaded = loaded(CONFIGURATION, &[("rules/m.toml", METAVERSE), ("rules/r.toml", &rules.concat())]);
    assert_eq!(shown(&loaded.diagnostics, &loaded.sources), "");
    expect![[r#"
        rules/r.toml:10:11 error join-multi-valued <[phones]> this gives several values, and whichever of them hits would decide who it is (take one of them: Item([name],1), ItemOrNull or Where; or list hits only, with criterion = "review-only")
        rules/r.toml:29:11 error join-not-indexable <CStr([dn])> references and places are kept apart from an object's values, so nothing can be found by `dn` (join by a text, a number or bytes, such as an anchor or an address)
        rules/r.toml:32:11 error join-not-indexable <[boss]> references and places are kept apart from an object's values, so nothing can be found by `boss` (join by a text, a number or bytes, such as an anchor or an address)
        rules/r.toml:35:11 error join-multi-valued <[phones]> this gives several values, and whichever of them hits would decide who it is (take one of them: Item([name],1), ItemOrNull or Where; or list hits only, with criterion = "review-only")
    "#]].assert_eq(&shown(&check_against(&loaded.rules.unwrap(), &schemas), &loaded.sources));
}

/// S15.
#[test]
fn s15_a_clause_may_be_case_sensitive() {
    let join = |more: &str| {
        let clauses = format!(
            "[[rule.join]]\nclauses = [{{ source = '[a]', target = '[mail]'{more} }}, {{ source = '[b]', target = '[displayName]' }}]\n"
        );
        let loaded = loaded(CONFIGURATION, &[("rules/m.toml", METAVERSE), ("rules/r.toml", &rule("r", 1, &clauses))]);
        assert_eq!(shown(&loaded.diagnostics, &loaded.sources), "");
        loaded.rules.unwrap()
    };
    let (folded, exact) = (join(""), join(", case_sensitive = true"));
    assert_ne!(folded.hash, exact.hash);
    assert_eq!(read_canonical(&exact.text).unwrap().hash, exact.hash);
    let keys = |rules: &crate::RuleSet| {
        rules.keys.iter().filter(|key| key.exact).map(|key| key.identity.clone()).collect::<Vec<_>>()
    };
    assert_eq!(keys(&folded), Vec::<String>::new());
    assert_eq!(keys(&exact), ["cs:ad user [a] exact", "mv person [mail] exact"]);
}

/// S8: a membership is asked for where groups have members; S9-S12: a clause that could never mean what it says.
#[test]
fn scope_clauses_that_mean_nothing() {
    let inbound = rule("in", 1, "scope = [[\"dn ISMEMBEROF CN=Sales,OU=Groups,DC=x\", \"dn ISNOTMEMBEROF %Site%\"]]");
    let loaded = loaded(CONFIGURATION, &[("rules/m.toml", METAVERSE), ("rules/r.toml", &inbound)]);
    assert_eq!(shown(&loaded.diagnostics, &loaded.sources), "");
    let rules = loaded.rules.unwrap();
    let watched: Vec<String> = rules
        .watched_groups()
        .into_iter()
        .map(|group| format!("{} {} by {}", group.connector, group.group, group.attribute))
        .collect();
    assert_eq!(watched, ["ad CN=Sales,OU=Groups,DC=x by member", "ad east by member"]);
    expect![[r#"
        rules/r.toml:9:12 warning scope-group-not-found <dn ISMEMBEROF CN=Sales,OU=Groups,DC=x> `ad` has no group `CN=Sales,OU=Groups,DC=x`, so nobody is its member (write the group's DN or anchor as `metasync search` shows it, and import it)
    "#]]
    .assert_eq(&shown(&crate::check_groups(&rules, &rules.watched_groups()[..1]), &loaded.sources));
    check_rules(
        &outbound(
            "o",
            1,
            "scope = [[\"accountEnabled EQUAL yes\", \"accountEnabled LESSTHAN True\", \"manager ISNULL\", \"dn ISMEMBEROF CN=x\", \"accountEnabled NOTEQUAL tRUE\"]]",
        ),
        expect![[r#"
            rules/r.toml:9:12 error scope-operand-unfit <accountEnabled EQUAL yes> `accountEnabled` holds True or False, and `yes` is none: the clause would compare with nothing (compare it with True or False)
            rules/r.toml:9:40 error scope-operator-unfit <accountEnabled LESSTHAN True> `accountEnabled` holds True or False, and LESSTHAN says nothing about that (use EQUAL or NOTEQUAL)
            rules/r.toml:9:72 error scope-operator-unfit <manager ISNULL> `manager` holds references, which flow one by one, and ISNULL says nothing about that (for the members of a group use "dn ISMEMBEROF GROUP"; otherwise flow a mark with ValueCount and scope by it)
            rules/r.toml:9:93 error scope-membership-outbound <ISMEMBEROF> an outbound rule reads the metaverse, and groups have members in a connector space (ask for the group in an inbound rule, let that rule flow a mark, and scope by the mark)
        "#]],
    );
    let schema = ConnectorSchema::default()
        .class("user", true)
        .attribute("control", ValueKind::Integer, Plurality::Single, true)
        .attribute("guid", ValueKind::Binary, Plurality::Single, true)
        .attribute("member", ValueKind::Reference, Plurality::Multi, true);
    let schemas: BTreeMap<Arc<str>, ConnectorSchema> = [(Arc::from("ad"), schema)].into();
    let text = "scope = [[\"control LESSTHAN many\", \"control ISIN 1; two\", \"control ISBITSET 2\", \"control GREATERTHAN 9\", \"control ISNULL\", \"guid CONTAINS ab\", \"guid EQUAL q83v\", \"member EQUAL CN=x\", \"dn ENDSWITH DC=x\"]]";
    let rules = rule("in", 1, text);
    let loaded = self::loaded(CONFIGURATION, &[("rules/m.toml", METAVERSE), ("rules/r.toml", &rules)]);
    expect![[r#"
        rules/r.toml:9:12 error scope-operand-unfit <control LESSTHAN many> `control` holds a number, and `many` is none: the clause would compare with nothing (compare it with a number)
        rules/r.toml:9:37 error scope-operand-unfit <control ISIN 1; two> `control` holds a number, and `two` is none: the clause would compare with nothing (compare it with a number)
        rules/r.toml:9:125 error scope-operator-unfit <guid CONTAINS ab> `guid` holds bytes, and CONTAINS says nothing about that (use EQUAL or NOTEQUAL with their base64, or ISNULL or ISNOTNULL)
        rules/r.toml:9:164 error scope-operator-unfit <member EQUAL CN=x> `member` holds references, which flow one by one, and EQUAL says nothing about that (for the members of a group use "dn ISMEMBEROF GROUP"; otherwise flow a mark with ValueCount and scope by it)
    "#]].assert_eq(&shown(&check_against(&loaded.rules.unwrap(), &schemas), &loaded.sources));
}

#[test]
fn rules_are_checked_against_each_other() {
    let flow = |flow: &str| format!("[rule.flow]\n{flow}");
    let rules = [
        rule("first", 10, &flow("proxyAddresses = \"[proxyAddresses]\"")),
        rule("second", 10, &flow("proxyAddresses = { direct = \"x\", merge = \"merge\" }")),
        rule("first", 11, ""),
        rule("off", 10, "disabled = true"),
        rule("back", 12, &flow("mail = \"[mail]\"")).replace("\"ad\"", "\"cloud\""),
        outbound("forth", 13, &flow("mail = \"[mail]\"")),
        rule("grows-back", 14, &flow("displayName = \"[displayName]\"")).replace("\"ad\"", "\"cloud\""),
        outbound("grows-forth", 15, &flow("displayName = \"[displayName] & \\\"!\\\"\"")),
        rule("meant", 16, &flow("sourceAnchor = 'ImportedValue(\"sourceAnchor\")'")).replace("\"ad\"", "\"cloud\""),
        outbound("meant-forth", 17, &flow("sourceAnchor = \"[sourceAnchor]\"")),
    ];
    check_rules(
        &rules.concat(),
        expect![[r#"
            rules/r.toml:18:14 error precedence-duplicate <10> precedence 10 is taken by the rule `first` in rules/r.toml (one number space serves all rules, inbound and outbound: choose a free one, or name the rule that this one stands `before` or `after`)
            rules/r.toml:20:30 error merge-mixture <x> `proxyAddresses` is merged in another way by the rule `first`; all rules of one attribute merge alike (give all of them the same `merge`)
            rules/r.toml:22:6 error rule-id-duplicate <"first"> two rules are called `first`; the other one stands in rules/r.toml (links and history name a rule by its id: give each its own)
            rules/r.toml:58:9 warning rule-cycle <[mail]> these attributes are computed from each other: cloud:user.mail, metaverse:person.mail (rules back, forth) (remove one of the flows, or read the source side with ImportedValue("...") where the loop is meant)
            rules/r.toml:78:15 error rule-cycle <"[displayName] & \"!\""> these attributes are computed from each other: cloud:user.displayName, metaverse:person.displayName (rules grows-back, grows-forth) (remove one of the flows, or read the source side with ImportedValue("...") where the loop is meant)
        "#]],
    );
}

#[test]
fn places_hold_in_texts_with_escapes_and_many_lines() {
    let rules = rule(
        "places",
        1,
        "[rule.flow]\ndisplayName = \"\\u0022é\\u0022 & trim([cn])\"\nmail = \"\"\"\n  IIF(True, \\\n     lcase([mail]),\n    NULL)\"\"\"\nsourceAnchor = '''\nucase([x])'''",
    );
    check_rules(
        &rules,
        expect![[r#"
        rules/r.toml:10:32 error expression-unknown-function <trim> there is no function `trim`; names are case-sensitive (did you mean `Trim`?)
        rules/r.toml:13:6 error expression-unknown-function <lcase> there is no function `lcase`; names are case-sensitive (did you mean `LCase`?)
        rules/r.toml:16:1 error expression-unknown-function <ucase> there is no function `ucase`; names are case-sensitive (did you mean `UCase`?)
    "#]],
    );
}

#[test]
fn schemas_are_checked() {
    let schema = ConnectorSchema::default()
        .class("user", true)
        .attribute("displayName", ValueKind::Text, Plurality::Single, true)
        .attribute("mail", ValueKind::Text, Plurality::Single, false)
        .attribute("accountEnabled", ValueKind::Integer, Plurality::Single, true)
        .attribute("password", ValueKind::Secret, Plurality::Single, true)
        .attribute("phones", ValueKind::Text, Plurality::Multi, true)
        .attribute("members", ValueKind::Reference, Plurality::Multi, true);
    let rules = [
        rule(
            "in",
            1,
            "scope = [[\"dispName ISNOTNULL\"]]\n[[rule.join]]\nsource = \"[maill]\"\ntarget = \"[mail]\"\n[rule.flow]\ndisplayName = \"[phones]\"\nmail = 'IIF(Contains([members], \"x\") > 0, \"a\", \"b\")'\nproxyAddresses = \"[phones]\"\naccountEnabled = \"[accountEnabled]\"\nsourceAnchor = 'Trim([accountEnabled]) & CStr([dn])'",
        ),
        outbound(
            "out",
            2,
            "[[rule.join]]\ntarget_type = \"deletedUser\"\nsource = \"[mail]\"\ntarget = \"[mail]\"\n[rule.takeover]\nstamp = \"stamp\"\n[rule.flow]\nmail = \"[mail]\"\nnick = \"[mail]\"\npassword = \"x\"\ndisplayName = \"[proxyAddresses]\"\ndn = '\"CN=x\"'",
        )
        .replace("password = \"x\"", "password = { constant = \"x\" }"),
    ];
    let loaded = loaded(CONFIGURATION, &[("rules/m.toml", METAVERSE), ("rules/r.toml", &rules.concat())]);
    assert_eq!(shown(&loaded.diagnostics, &loaded.sources), "");
    let schemas: BTreeMap<Arc<str>, ConnectorSchema> =
        [("ad", schema.clone()), ("cloud", schema)].map(|(name, schema)| (Arc::from(name), schema)).into();
    let found = check_against(&loaded.rules.unwrap(), &schemas);
    expect![[r#"
        rules/r.toml:9:12 error attribute-unknown <dispName ISNOTNULL> the connected system has no attribute `dispName` (did you mean `displayName`?)
        rules/r.toml:11:11 error expression-unknown-attribute <[maill]> there is no attribute `maill` here (did you mean `mail`?)
        rules/r.toml:14:16 error flow-multi-values-to-single-value <[phones]> `displayName` holds one value, and this gives several (take one: Item([name],1), ItemOrNull, Join or Where)
        rules/r.toml:15:22 error expression-needs-all-members <[members]> `members` holds many references, which an expression cannot read (flow it directly: { direct = "members" }; count it with ValueCount("members"))
        rules/r.toml:17:19 error flow-type-mismatch <[accountEnabled]> `accountEnabled` holds True or False, and this gives a number (convert it: CStr, CNum, CBool, ConvertToBase64, StringFromGuid, StringFromSid)
        rules/r.toml:18:22 error expression-type-mismatch <[accountEnabled]> `Trim` takes as `text` a text, and this is a number (convert it: CStr(...))
        rules/r.toml:19:1 error attribute-unknown <[[rule]]> the connected system has no attribute `stamp` (known: accountEnabled, displayName, mail, members, password, phones)
        rules/r.toml:19:1 error class-unknown <[[rule]]> `cloud` has no objects of type `deletedUser` (known: user)
        rules/r.toml:34:9 warning flow-target-read-only <[mail]> `mail` cannot be written in this mode; where it differs it is listed as a limitation (keep the flow to have differences listed, or remove it)
        rules/r.toml:35:9 error attribute-unknown <[mail]> the connected system has no attribute `nick` (known: accountEnabled, displayName, mail, members, password, phones)
        rules/r.toml:36:25 error flow-to-secret <"x"> `password` is a secret: the connector sets it itself, no rule does (remove the flow)
        rules/r.toml:37:16 error flow-multi-values-to-single-value <[proxyAddresses]> `displayName` holds one value, and this gives several (take one: Item([name],1), ItemOrNull, Join or Where)
    "#]].assert_eq(&shown(&found, &loaded.sources));
}

/// What a directory never lets anyone write is an error with its reason; so is creating one of its own containers.
#[test]
fn what_is_never_written_is_refused_by_name() {
    let mut schema = ConnectorSchema::default()
        .class("user", true)
        .container("container")
        .creatable_container("organizationalUnit")
        .attribute("sAMAccountName", ValueKind::Text, Plurality::Single, true)
        .attribute("cn", ValueKind::Text, Plurality::Single, false);
    for (name, reason) in [("memberOf", "it is a back link"), ("cn", "it is part of the object's name")] {
        schema.never_written.insert(name.into(), reason.to_owned());
    }
    let provisioned = |class: &str, precedence: u32| {
        outbound(class, precedence, "[rule.flow]\ndn = '\"OU=x\"'")
            .replace("target_type = \"user\"", &format!("target_type = \"{class}\"\nlink = \"provision\""))
    };
    let rules = [
        outbound("out", 1, "[rule.flow]\ncn = \"[mail]\"\nmemberOf = \"[mail]\"\ninfo = \"[mail]\""),
        provisioned("organizationalUnit", 2),
        provisioned("container", 3),
    ];
    let loaded = loaded(CONFIGURATION, &[("rules/m.toml", METAVERSE), ("rules/r.toml", &rules.concat())]);
    assert_eq!(shown(&loaded.diagnostics, &loaded.sources), "");
    let schemas: BTreeMap<Arc<str>, ConnectorSchema> = [(Arc::from("cloud"), schema)].into();
    let found = check_against(&loaded.rules.unwrap(), &schemas);
    expect![[r#"
        rules/r.toml:10:7 error flow-target-never-written <[mail]> `cn` can never be written: it is part of the object's name (remove the flow)
        rules/r.toml:11:13 error flow-target-never-written <[mail]> `memberOf` can never be written: it is a back link (remove the flow)
        rules/r.toml:12:9 error attribute-unknown <[mail]> the connected system has no attribute `info` (known: cn, sAMAccountName)
        rules/r.toml:24:1 error class-not-creatable <[[rule]]> objects of type `container` are containers of `cloud` and are never created (what can be created: organizationalUnit, user)
    "#]].assert_eq(&shown(&found, &loaded.sources));
}

#[test]
fn the_hash_follows_the_meaning_and_not_the_files() {
    let one = rule(
        "one",
        1,
        "[[rule.join]]\nsource = \"[a]\"\ntarget = \"[mail]\"\n[rule.flow]\nmail = \"[mail]\"\ndisplayName = \"Trim([cn])\"",
    );
    let two = outbound("two", 2, "scope = [[\"mail ISNOTNULL\"]]\n[rule.flow]\nmail = \"[mail]\"");
    let hash = |configuration: &str, rules: &[(&str, &str)]| {
        let loaded = loaded(configuration, rules);
        assert_eq!(shown(&loaded.diagnostics, &loaded.sources), "");
        loaded.rules.unwrap().hash
    };
    let together = hash(CONFIGURATION, &[("rules/a.toml", &format!("{METAVERSE}{one}{two}"))]);
    let commented = format!("# why\n{two}\n# because\n{}", one.replace("id =", "description = \"long\"\nid ="));
    let apart = hash(CONFIGURATION, &[("rules/z.toml", METAVERSE), ("rules/a.toml", &commented)]);
    assert_eq!(together, apart, "files, order, comments and descriptions do not matter");
    assert_eq!(together.len(), 64);
    let direct = two.replace("mail = \"[mail]\"", "mail = { direct = \"mail\" }");
    assert_eq!(together, hash(CONFIGURATION, &[("rules/a.toml", &format!("{METAVERSE}{one}{direct}"))]));

    let other_scope = two.replace("ISNOTNULL", "ISNULL");
    assert_ne!(together, hash(CONFIGURATION, &[("rules/a.toml", &format!("{METAVERSE}{one}{other_scope}"))]));
    let open = format!("{CONFIGURATION}[matching]\nmode = \"automatic\"\n");
    assert_ne!(together, hash(&open, &[("rules/a.toml", &format!("{METAVERSE}{one}{two}"))]));
}

/// `explain` reads the rule set that was applied; the text must say everything.
#[test]
fn the_canonical_text_gives_the_rule_set_back() {
    let pairs = [("ad", "cloud")];
    let mut files: Vec<FileText> = crate::shipped_rules(&pairs, &crate::ShippedOptions::default())
        .into_iter()
        .map(|(name, text)| FileText::text(name, text))
        .collect();
    let own = outbound(
        "own",
        1,
        "scope = [[\"mail ISIN \\\"a\\\\\\\\b\\\"; c\", \"mail NOTEQUAL %Site%\"]]\n[[rule.join]]\ncriterion = \"by \\\"name\\\"\"\ntarget_type = \"*\"\nsource = \"[mail] & \\\"\\\\n\\\"\"\ntarget = \"[mail]\"\n[rule.deprovision]\nadopted = \"disconnect\"\n[rule.flow]\ndisplayName = { constant = \"tab\\there\", once = true }",
    );
    files.push(FileText::text("rules/own.toml", own));
    let configuration = FileText::text("metasync.toml", CONFIGURATION);
    let loaded = load(&Files { configuration, rules: files }, PathBuf::from("/d"));
    assert_eq!(shown(&loaded.diagnostics, &loaded.sources), "");
    let rules = loaded.rules.unwrap();
    let again = read_canonical(&rules.text).unwrap();
    assert_eq!(rules.text, again.text);
    assert_eq!(rules.hash, again.hash);
    assert_eq!(rules.rules.len(), again.rules.len());
    let identities = |rules: &crate::RuleSet| rules.keys.iter().map(|key| key.identity.clone()).collect::<Vec<_>>();
    assert_eq!(identities(&rules), identities(&again));
    let error = read_canonical("[[rule]]\nid = 5\n").unwrap_err().to_string();
    assert!(error.contains("cannot be read by this version"), "{error}");
}

/// SF18, S50: the grace period, what leaving does, and the recall switch decide, so they are part of the rule set and of its text.
#[test]
fn leaving_and_recall_are_part_of_the_rule_set() {
    let read = |configuration: &str, body: &str| {
        let configuration = FileText::text("metasync.toml", format!("{CONFIGURATION}{configuration}"));
        let rules = vec![FileText::text("rules/r.toml", format!("{METAVERSE}{}", outbound("out", 1, body)))];
        let loaded = load(&Files { configuration, rules }, PathBuf::from("/d"));
        (shown(&loaded.diagnostics, &loaded.sources), loaded.rules)
    };
    let said = |configuration: &str, body: &str| {
        let (mistakes, rules) = read(configuration, body);
        assert_eq!(mistakes, "");
        let rules = rules.unwrap();
        let again = read_canonical(&rules.text).unwrap();
        assert_eq!((&again.text, &again.hash), (&rules.text, &rules.hash));
        assert_eq!((again.grace_days, &again.without_recall), (rules.grace_days, &rules.without_recall));
        assert_eq!(again.rules[0].leave, rules.rules[0].leave);
        rules
    };
    let plain = said("", "");
    assert_eq!(
        (plain.grace_days, plain.without_recall.len(), plain.rules[0].leave),
        (7, 0, plain.rules[0].deprovision)
    );
    let gentle = said("", "[rule.leave]\nprovisioned = \"keep\"");
    let keep = crate::DeprovisionAction::Keep;
    assert_eq!(
        (gentle.rules[0].leave.provisioned, gentle.rules[0].deprovision.provisioned),
        (keep, crate::DeprovisionAction::Delete)
    );
    let at_once = said("[leaving]\ngrace_days = 0\n", "");
    assert_eq!(at_once.grace_days, 0);
    let kept = said("[connector.hr]\nkind = \"text-file\"\nrecall = false\n", "");
    assert!(kept.without_recall.contains("hr"));
    let hashes: std::collections::BTreeSet<String> = [plain, gentle, at_once, kept].map(|rules| rules.hash).into();
    assert_eq!(hashes.len(), 4);
    expect![[r#"
        metasync.toml:11:14 error out-of-range <-1> `grace_days` lies between 0 and 3650 (choose a number within the bounds)
        rules/r.toml:18:15 error unknown-value <"keep"> `provisioned` cannot be `keep` (known: delete, detach, disconnect, explicit-disconnect)
    "#]]
    .assert_eq(&read("[leaving]\ngrace_days = -1\n", "[rule.deprovision]\nprovisioned = \"keep\"").0);
}

#[test]
fn keys_are_collected_once_with_their_types() {
    let rules = [
        rule("in", 1, "[[rule.join]]\nsource = \"[objectGUID]\"\ntarget = \"[sourceAnchor]\""),
        outbound(
            "out",
            2,
            "[[rule.join]]\ncriterion = \"anchor\"\nsource = \"[sourceAnchor]\"\ntarget = \"[stamp]\"\n[[rule.join]]\ncriterion = \"deleted-anchor\"\ntarget_type = \"deletedUser\"\nsource = \" [sourceAnchor]\"\ntarget = \"[stamp]\"\n[[rule.join]]\ntarget_type = \"*\"\nclauses = [{ source = \"[mail]\", target = \"[mail]\" }, { source = \"[displayName]\", target = \"[displayName]\" }]",
        ),
    ];
    let loaded = loaded(CONFIGURATION, &[("rules/m.toml", METAVERSE), ("rules/r.toml", &rules.concat())]);
    assert_eq!(shown(&loaded.diagnostics, &loaded.sources), "");
    let rules = loaded.rules.unwrap();
    let keys: Vec<&str> = rules.keys.iter().map(|key| key.identity.as_str()).collect();
    expect![[r#"
        cs:ad user [objectGUID]
        cs:cloud * [displayName]
        cs:cloud * [mail]
        cs:cloud deletedUser [stamp] exact
        cs:cloud user [stamp] exact
        mv person [displayName]
        mv person [mail]
        mv person [sourceAnchor]
        mv person [sourceAnchor] exact"#]]
    .assert_eq(&keys.join("\n"));
    for clause in rules.rules.iter().flat_map(|rule| &rule.join).flat_map(|group| &group.clauses) {
        assert_eq!(rules.keys[clause.source_key.0].expression.text().trim(), clause.source.text().trim());
        assert_eq!(rules.keys[clause.target_key.0].expression.text().trim(), clause.target.text().trim());
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    /// Whatever stands in the files, loading ends, and every place lies in its file.
    #[test]
    fn loading_never_panics(
        at in 0usize..20_000,
        length in 0usize..40,
        put in "[\\[\\]\"'=.,#{}a-z0-9 \\\\\n$&é]{0,12}",
        configuration in ".{0,60}",
    ) {
        let mut files = crate::shipped_rules(&[("ad", "cloud")], &crate::ShippedOptions::default());
        for (_, text) in &mut files {
            let mut start = at % (text.len() + 1);
            while !text.is_char_boundary(start) {
                start -= 1;
            }
            let mut end = (start + length).min(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.replace_range(start..end.max(start), &put);
        }
        let rules: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        for configuration in [CONFIGURATION, configuration.as_str()] {
            let loaded = loaded(configuration, &rules);
            for found in &loaded.diagnostics {
                let text = loaded.sources.text(&found.file).unwrap();
                assert!(text.get(found.span.clone()).is_some(), "{found:?}");
                assert!(crate::codes::meaning(found.code).is_some(), "{} is not documented", found.code);
            }
            assert_eq!(loaded.rules.is_some() && loaded.deployment.is_some(), !loaded.has_errors());
        }
    }
}

/// P20: passwords are synchronised between the connectors that are named, and between none where none is.
#[test]
fn passwords_are_switched_on_connector_by_connector() {
    let read = |text: &str| loaded(&format!("{CONFIGURATION}{text}"), &[]).deployment.unwrap().passwords;
    assert!(!read("").is_on());
    let passwords = read("[passwords]\nfrom = [\"ad\", \"ad\"]\nto = [\"cloud\"]\n");
    assert!(passwords.is_on());
    assert_eq!((passwords.from, passwords.to), (vec!["ad".into()], vec!["cloud".into()]));
    assert!(!passwords.privileged);
    assert!(read("[passwords]\nfrom = [\"ad\"]\nto = [\"cloud\"]\nprivileged = true\n").privileged);
}

#[test]
fn mistakes_in_passwords_are_told_with_their_place() {
    let rules = [("rules/m.toml", METAVERSE)];
    let passwords = |text: &str| format!("{CONFIGURATION}[passwords]\n{text}");
    check(
        &passwords("to = [\"cloud\", \"clod\"]\nevery = 5\n"),
        &rules,
        expect![[r#"
        metasync.toml:10:1 error key-missing <[passwords]> [passwords] needs `from` (name the connectors whose passwords are read, such as from = ["ad"])
        metasync.toml:11:16 error connector-unknown <"clod"> there is no connector `clod` (did you mean `cloud`?)
        metasync.toml:12:1 error key-unknown <every> [passwords] has no key `every` (known: from, to, privileged)
    "#]],
    );
    check(
        &passwords("from = [\"ad\", \"cloud\"]\nto = [\"cloud\"]\nprivileged = \"no\"\n"),
        &rules,
        expect![[r#"
        metasync.toml:12:7 error passwords-both-ways <"cloud"> `cloud` cannot both give passwords and take them (name it in one of the two)
        metasync.toml:13:14 error wrong-kind <"no"> `privileged` must be true or false (write true or false)
    "#]],
    );
}

/// P12: the switch is part of what is decided, so that another one is another rule set, and a stored one keeps it.
#[test]
fn p12_a_rules_password_switch_is_kept_with_the_rule_set() {
    let with = |switch: &str| {
        let rules = rule("r", 1, "").replace("precedence", &format!("{switch}precedence"));
        loaded(CONFIGURATION, &[("rules/m.toml", METAVERSE), ("rules/r.toml", &rules)]).rules.unwrap()
    };
    let (off, on) = (with(""), with("password_sync = true\n"));
    assert!(!off.rules[0].password_sync && on.rules[0].password_sync);
    assert_ne!(off.hash, on.hash);
    assert_eq!(with("password_sync = false\n").hash, off.hash);
    assert!(read_canonical(&on.text).unwrap().rules[0].password_sync);
}
