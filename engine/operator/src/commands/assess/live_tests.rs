//! The report of the sample directory and its rehearsal tenant, read live in both modes: every person's class against what the
//! engine decides, nothing written anywhere, and clear words where a system cannot be read.

use super::run;
use crate::cli::{Cli, Command, CycleArgs, CycleKindArg};
use crate::context::Context;
use crate::demo::Staged;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;
use clap::Parser;
use expect_test::expect;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

async fn assess(context: &Context, flags: &[&str]) -> Result<Report, Failure> {
    let line = ["metasync", "assess"].into_iter().chain(flags.iter().copied());
    let Ok(Cli { command: Command::Assess(args), .. }) = Cli::try_parse_from(line) else {
        panic!("the flags are not understood: {flags:?}");
    };
    run(context, &args).await
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

/// One line for each person: class, cloud user, what the engine decides, remarks.
fn lines(report: &Report) -> String {
    let lines = report.json["lines"].as_array().unwrap();
    let line = |line: &Value| {
        let remarks = line["remarks"].as_object().unwrap().iter();
        let remarks: Vec<String> =
            remarks.map(|(code, said)| format!("{code} {}", text(said)).trim().to_owned()).collect();
        format!(
            "{} {} <{}> {} | {}\n",
            text(&line["account"]),
            text(&line["class"]),
            text(&line["cloud"]),
            text(&line["engine"]),
            remarks.join("; ")
        )
    };
    lines.iter().map(line).collect()
}

fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        match path.is_dir() {
            // The tenant's own.
            true if path.ends_with("tenant") => {}
            true => all.extend(bytes(&path)),
            false => drop(all.insert(path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    all
}

async fn report(staged: &Staged) -> Report {
    let before = bytes(&staged.context.folder);
    let report = assess(&staged.context, &[]).await.unwrap_or_else(|failure| panic!("{}", failure.text()));
    assert!(bytes(&staged.context.folder) == before, "the deployment stays as it is");
    assert_eq!(staged.tenant.successful_writes(), 0);
    report
}

/// What is not the usual.
fn news(lines: &str) -> String {
    let usual = ["> held: match-candidate | ", "> create | "];
    let is_news = |line: &&str| !usual.iter().any(|end| line.ends_with(end));
    lines.lines().filter(is_news).map(|line| format!("{line}\n")).collect()
}

/// Issue 7, SF2-SF10: of every person of the sample the class is what the engine decides, in either mode, before the first
/// import and after a cycle in staging mode.
#[tokio::test]
async fn of_everybody_the_class_is_what_the_engine_decides() {
    let graph = Staged::start(true, |_| {}).await;
    let connect = Staged::start(false, |_| {}).await;
    let first = report(&connect).await;
    assert_eq!(first.exit, Exit::Waiting);
    expect![[r#"
        sam.taylor soft-match <sam.taylor@contoso.example> held: match-candidate | sign-in-name-change sam.taylor@contoso.example -> sam.t@contoso.example
        adam.nowak created <-> create | missing-mail
        beate.sommer created <-> create | missing-mail
        emil.krause created <-> create | suffix-not-routable corp.local: emil.krause@contoso.example instead
        fay.twin ambiguous <-> held: ambiguous-source | duplicate-address info@contoso.example
        finn.twin ambiguous <-> held: ambiguous-source | duplicate-address info@contoso.example
        gus.admin privileged <gus.admin@contoso.example> held: privileged | 
        hana.guest guest-twin <hana.guest_contoso.example#EXT#@contoso.onmicrosoft.com> held: guest | 
        ivan.gone soft-match <ivan.gone@contoso.example> held: would-enable, match-candidate | would-enable
        jana.stale stale-anchor <jana.stale@contoso.example> held: stale-anchor | 
        kurt.second secondary-hit <k.second@contoso.example> held: secondary-address-match | 
        lena.returned deleted-twin <lena.returned@contoso.example> held: deleted-twin | 
        svc-backup left-out <-> left out | 
    "#]].assert_eq(&news(&lines(&first)));
    assert_eq!(first.json["people"], 41);
    assert_eq!(first.json["classes"]["soft-match"], 21);
    assert_eq!(first.json["classes"]["created"], 12);
    assert_eq!(lines(&report(&graph).await), lines(&first));
    let cycle = CycleArgs { kind: CycleKindArg::Initial, ..CycleArgs::default() };
    crate::commands::run::cycle(&connect.context, &cycle)
        .await
        .map_or_else(|failure| panic!("{}", failure.text()), drop);
    assert_eq!(lines(&report(&connect).await), lines(&first));
}

/// The anchor of one of the sample's people, as the tenant writes it.
fn anchor(name: &str) -> String {
    let ldif = include_str!("../../../demo/directory.ldif");
    let entry = ldif.split("\n\n").find(|entry| entry.contains(&format!("sAMAccountName: {name}\n"))).unwrap();
    entry.lines().find_map(|line| line.strip_prefix("objectGUID:: ")).unwrap().to_owned()
}

/// Every class and hold that the sample has not.
fn plant(seed: &mut Value) {
    let mut copies = Vec::new();
    for user in seed["users"].as_array_mut().unwrap() {
        let name = user["mailNickname"].as_str().unwrap_or_default().to_owned();
        match name.as_str() {
            "ann.archer" => user["onPremisesImmutableId"] = anchor("ann.archer").into(),
            "bob.jones" => user["onPremisesImmutableId"] = anchor("carla.diaz").into(),
            "dieter.weis" => user["accountEnabled"] = false.into(),
            "eve.young" => {
                user["proxyAddresses"] = json!(["SMTP:eve.young@contoso.example", "smtp:eve@contoso.example"])
            }
            "frank.moore" => {
                let issuer = json!({ "signInType": "federated", "issuer": "google.com", "issuerAssignedId": "f" });
                user["identities"] = json!([issuer]);
            }
            "grace.hopkins" => user["mail"] = "another@contoso.example".into(),
            "hiro.tanaka" => {
                user["userPrincipalName"] = "h@contoso.example".into();
                user["mail"] = "h@contoso.example".into();
            }
            "ines.lukasz" => {
                let mut twin = user.clone();
                twin["userPrincipalName"] = "ines.two@contoso.example".into();
                twin["mailNickname"] = "ines.two".into();
                copies.push(twin);
            }
            "jack.oneil" => user["assignedLicenses"] = json!([]),
            _ => {}
        }
    }
    let gone = json!({
        "userPrincipalName": "karl@contoso.example", "displayName": "Karl", "mailNickname": "karl", "deletedDaysAgo": 3,
        "onPremisesImmutableId": anchor("uwe.lang"),
    });
    seed["users"].as_array_mut().unwrap().extend(copies);
    seed["deletedUsers"].as_array_mut().unwrap().push(gone);
    let contact = json!({ "displayName": "Hiro", "mail": "hiro.tanaka@contoso.example" });
    seed["contacts"].as_array_mut().unwrap().push(contact);
}

/// The same for what the sample has not, by other settings of [matching]: neither guesses, nor does the engine surprise.
#[tokio::test]
async fn planted_cases_are_what_the_engine_decides_whatever_matching_says() {
    let staged = Staged::start(false, plant).await;
    let reviewed = report(&staged).await;
    expect![[r#"
        bob.jones anchor-of-another <bob.jones@contoso.example> held: stale-anchor | 
        carla.diaz hard-match <bob.jones@contoso.example> held: addresses-lost | sign-in-name-change bob.jones@contoso.example -> carla.diaz@contoso.example; addresses-lost bob.jones@contoso.example
        dieter.weis soft-match <dieter.weis@contoso.example> held: would-enable, match-candidate | would-enable
        eve.young soft-match <eve.young@contoso.example> held: addresses-lost | addresses-lost eve@contoso.example
        frank.moore guest-twin <frank.moore@contoso.example> held: foreign-identity | 
        grace.hopkins upn-match <grace.hopkins@contoso.example> held: secondary-address-match | addresses-lost another@contoso.example
        hiro.tanaka contact-twin <hiro.tanaka@contoso.example> held: secondary-address-match | 
        ines.lukasz ambiguous <ines.lukasz@contoso.example> held: ambiguous | 
        jack.oneil soft-match <jack.oneil@contoso.example> held: match-candidate | unlicensed
        sam.taylor soft-match <sam.taylor@contoso.example> held: match-candidate | sign-in-name-change sam.taylor@contoso.example -> sam.t@contoso.example
        adam.nowak created <-> create | missing-mail
        beate.sommer created <-> create | missing-mail
        emil.krause created <-> create | suffix-not-routable corp.local: emil.krause@contoso.example instead
        fay.twin ambiguous <-> held: ambiguous-source | duplicate-address info@contoso.example
        finn.twin ambiguous <-> held: ambiguous-source | duplicate-address info@contoso.example
        gus.admin privileged <gus.admin@contoso.example> held: privileged | 
        hana.guest guest-twin <hana.guest_contoso.example#EXT#@contoso.onmicrosoft.com> held: guest | 
        ivan.gone soft-match <ivan.gone@contoso.example> held: would-enable, match-candidate | would-enable
        jana.stale stale-anchor <jana.stale@contoso.example> held: stale-anchor | 
        kurt.second secondary-hit <k.second@contoso.example> held: secondary-address-match | 
        lena.returned deleted-twin <lena.returned@contoso.example> held: deleted-twin | 
        svc-backup left-out <-> left out | 
    "#]].assert_eq(&news(&lines(&reviewed)));
    let file = staged.context.folder.join("metasync.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let open = text
        .replacen("mode = \"review\"", "mode = \"automatic\"", 1)
        .replacen("user_principal_name = false", "user_principal_name = true", 1)
        .replacen("addresses = \"hold\"", "addresses = \"keep-cloud\"", 1);
    assert_ne!(open, text);
    std::fs::write(&file, open).unwrap();
    let open = report(&staged).await;
    assert!(open.json["remarks"]["rules-decide-otherwise"].is_null(), "{}", lines(&open));
    expect![[r#"
        ann.archer hard-match <ann.archer@contoso.example> take over | 
        bob.jones anchor-of-another <bob.jones@contoso.example> held: candidate-taken | 
        carla.diaz hard-match <bob.jones@contoso.example> take over | sign-in-name-change bob.jones@contoso.example -> carla.diaz@contoso.example
        dieter.weis soft-match <dieter.weis@contoso.example> held: would-enable | would-enable
        eve.young soft-match <eve.young@contoso.example> take over | 
        frank.moore guest-twin <frank.moore@contoso.example> held: foreign-identity | 
        grace.hopkins upn-match <grace.hopkins@contoso.example> take over | 
        hiro.tanaka contact-twin <hiro.tanaka@contoso.example> held: secondary-address-match | 
        ines.lukasz ambiguous <ines.lukasz@contoso.example> held: ambiguous | 
        jack.oneil soft-match <jack.oneil@contoso.example> take over | unlicensed
        karin.aberg soft-match <karin.aberg@contoso.example> take over | 
        liam.byrne soft-match <liam.byrne@contoso.example> take over | 
        mona.saleh soft-match <mona.saleh@contoso.example> take over | 
        nils.berg soft-match <nils.berg@contoso.example> take over | 
        olga.petrova soft-match <olga.petrova@contoso.example> take over | 
        paul.klein soft-match <paul.klein@contoso.example> take over | 
        quinn.reed soft-match <quinn.reed@contoso.example> take over | 
        rosa.conti soft-match <rosa.conti@contoso.example> take over | 
        sam.taylor soft-match <sam.taylor@contoso.example> take over | sign-in-name-change sam.taylor@contoso.example -> sam.t@contoso.example
        tina.vogel soft-match <tina.vogel@contoso.example> take over | 
        uwe.lang deleted-anchor <karl@contoso.example> restore | 
        adam.nowak created <-> create | missing-mail
        beate.sommer created <-> create | missing-mail
        emil.krause created <-> create | suffix-not-routable corp.local: emil.krause@contoso.example instead
        fay.twin ambiguous <-> held: ambiguous-source | duplicate-address info@contoso.example
        finn.twin ambiguous <-> held: ambiguous-source | duplicate-address info@contoso.example
        gus.admin privileged <gus.admin@contoso.example> held: privileged | 
        hana.guest guest-twin <hana.guest_contoso.example#EXT#@contoso.onmicrosoft.com> held: guest | 
        ivan.gone soft-match <ivan.gone@contoso.example> held: would-enable | would-enable
        jana.stale stale-anchor <jana.stale@contoso.example> held: stale-anchor | 
        kurt.second secondary-hit <k.second@contoso.example> held: secondary-address-match | 
        lena.returned deleted-twin <lena.returned@contoso.example> held: deleted-twin | 
        svc-backup left-out <-> left out | 
    "#]].assert_eq(&news(&lines(&open)));
}

/// A rule of the deployment's own decides otherwise than the shipped ones: it is said, by name.
#[tokio::test]
async fn where_the_rules_decide_otherwise_it_is_said() {
    let staged = Staged::start(false, |_| {}).await;
    let folder = &staged.context.folder;
    let rule = "[[rule]]\nid = \"keep-out\"\nname = \"Keep out\"\ndirection = \"inbound\"\nconnector = \"ad\"\nsource_type = \"user\"\n\
        target_type = \"person\"\nlink = \"join\"\nprecedence = 50\nscope = [[\"sAMAccountName EQUAL ann.archer\"]]\n[rule.flow]\n\
        cloudFiltered = true\n";
    std::fs::write(folder.join("rules/05-own.toml"), rule).unwrap();
    let path = folder.join("rules/31-cloud-users.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // Bob's cloud user is nobody's any more: matching by address has gone from the rules.
    let changed = text.replacen("criterion = \"primary-smtp\"", "criterion = \"review-only\"", 1);
    assert_ne!(changed, text);
    std::fs::write(&path, changed).unwrap();
    let report = report(&staged).await;
    let lines = lines(&report);
    let line = |name: &str| lines.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    expect![[r#"
        ann.archer left-out <-> left out | 
        bob.jones soft-match <bob.jones@contoso.example> held: secondary-address-match | rules-decide-otherwise held (secondary-address-match: one of its addresses belongs to an existing object: user bob.jones@contoso.example (85889f5c-f136-4ec8-9054-04a170cc2857))"#]].assert_eq(&format!("{}\n{}", line("ann.archer"), line("bob.jones")));
    assert_eq!(report.exit, Exit::Waiting);
}

/// What the systems say of themselves, groups and contacts, the page and the table: all of a live report.
#[tokio::test]
async fn systems_groups_and_files_are_in_the_report() {
    let staged = Staged::start(false, |_| {}).await;
    let below = tempfile::tempdir().unwrap();
    let path = |name: &str| below.path().join(name).display().to_string();
    let (html, ldif) = (path("report.html"), path("fix.ldif"));
    let report = assess(&staged.context, &["--html", &html, "--fix-ldif", &ldif]).await;
    let report = report.unwrap_or_else(|failure| panic!("{}", failure.text()));
    let begin = report.text.find("\nGroups and contacts\n").unwrap();
    let end = report.text.find("\nad (text-file)").unwrap();
    expect![[r#"

        Groups and contacts
          2  contact  create
          5  group    create
    "#]]
    .assert_eq(&report.text[begin..end]);
    let systems = report.json["systems"].as_array().unwrap();
    let codes = systems.iter().map(|system| {
        let codes = system["findings"].as_array().unwrap().iter();
        let codes: Vec<&str> = codes.map(|finding| text(&finding["code"])).collect();
        format!("{} {}: {}", text(&system["name"]), system["objects"], codes.join(" "))
    });
    expect![[r#"
        ad 49: file-readable folder-writable
        cloud 49: tenant synchronisation-on clock-skew provisioning password-sync-off deletion-prevention"#]]
    .assert_eq(&codes.collect::<Vec<_>>().join("\n"));
    assert_eq!(report.json["verified_domains"], json!(["contoso.example", "contoso.onmicrosoft.com"]));
    assert_eq!(report.json["domains_inferred"], false);
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.contains("clock-skew") && page.contains("Groups and contacts") && !page.contains("Not in the files"));
    assert!(std::fs::read_to_string(&ldif).unwrap().contains("emil.krause@contoso.example"));
}

/// Roles that may not be read: every candidate counts as privileged (SF6), and the missing right is named.
#[tokio::test]
async fn sf06_roles_that_cannot_be_read_make_every_candidate_privileged() {
    let staged = Staged::start(false, |_| {}).await;
    staged.tenant.update_knobs(|knobs| knobs.roles_denied = true).unwrap();
    let report = report(&staged).await;
    assert_eq!(report.json["classes"]["privileged"], 22, "{}", lines(&report));
    assert!(
        report.json["classes"]["soft-match"].is_null() && report.json["remarks"]["rules-decide-otherwise"].is_null()
    );
    let findings = report.json["systems"][1]["findings"].as_array().unwrap();
    let missing = findings.iter().find(|finding| finding["code"] == "permission-missing").unwrap();
    assert!(text(&missing["remedy"]).contains("RoleManagement.Read.Directory"), "{missing}");
}

/// A system that cannot be read ends the command: both are named, what to do, and no file is written.
#[tokio::test]
async fn without_reach_nothing_is_judged() {
    let staged = Staged::start(false, |_| {}).await;
    let context = staged.context.clone();
    for gone in ["directory.ldif", "client.secret"] {
        std::fs::remove_file(context.folder.join(gone)).unwrap();
    }
    let html = context.folder.join("report.html");
    let failure = assess(&context, &["--html", &html.display().to_string()]).await.map(drop).unwrap_err();
    assert_eq!((failure.code, failure.exit), ("not-read", Exit::Stopped));
    for words in ["`ad` was not read whole", "`cloud` was not read whole"] {
        assert!(failure.message.contains(words), "{}", failure.message);
    }
    assert!(failure.remedy.contains("metasync check"), "{}", failure.remedy);
    assert!(!html.exists() && !context.folder.join("metasync.db").exists());
    let nowhere = Context { folder: context.folder.join("tenant"), ..context };
    let failure = assess(&nowhere, &[]).await.map(drop).unwrap_err();
    assert_eq!((failure.code, failure.exit), ("no-deployment", Exit::Configuration));
}
