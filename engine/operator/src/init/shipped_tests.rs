//! The shipped rules keep what their own tests promise, under every choice that `init` offers, for one forest and for two.

use crate::cli::{CheckArgs, Cli, Command};
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Output;
use clap::Parser;
use expect_test::expect;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use sync_rules::shipped::CloudSchema;
use sync_rules::{
    ConnectorName, Package, Severity, ShippedOptions, SourceAnchor, check_against, check_limits, shipped_rules,
    shipped_tests,
};
use sync_runtime::StopSignal;

const CONFIGURATION: &str = "[deployment]\nname = \"test\"\n[connector.cloud]\nkind = \"azure-ad\"\n\
    [connector.cloud.settings]\nmode = \"@MODE@\"\ntenant = \"contoso.example\"\nclient_id = \"c-1\"\n\
    client_secret = \"env:X\"\nprovisioning = { machine_id = \"of-this-test\" }\n";

fn source(name: &str) -> String {
    format!(
        "[connector.{name}]\nkind = \"active-directory\"\n[connector.{name}.settings]\nservers = [\"dc1.{name}.example\"]\n\
         bind_user = \"svc\"\npassword = \"env:X\"\n"
    )
}

/// Writes the rules and their tests for these sources, carries the tests out, and returns what is said of them.
async fn check(sources: &[&str], options: &ShippedOptions) -> String {
    let below = tempfile::tempdir().unwrap();
    deployment(below.path(), sources, options);
    carry_out(below.path()).await
}

/// A deployment with the shipped rules and their tests.
fn deployment(folder: &Path, sources: &[&str], options: &ShippedOptions) {
    for name in ["rules", "tests"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    let sections: String = sources.iter().map(|name| source(name)).collect();
    let mode = if options.cloud == CloudSchema::Graph { "graph" } else { "connect" };
    let configuration = CONFIGURATION.replace("@MODE@", mode);
    fs::write(folder.join("metasync.toml"), format!("{configuration}{sections}")).unwrap();
    let pairs: Vec<(&str, &str)> = sources.iter().map(|source| (*source, "cloud")).collect();
    for (name, text) in shipped_rules(&pairs, options).into_iter().chain(shipped_tests(&pairs, options)) {
        fs::write(folder.join(name), text).unwrap();
    }
}

/// A deployment that `init` wrote and to which it added a source keeps the promises of both, and those between them.
#[tokio::test]
async fn s60_a_deployment_with_an_added_source_passes_its_tests() {
    for goal in ["attributes", "one-password"] {
        an_added_source_passes(goal).await;
    }
}

async fn an_added_source_passes(goal: &str) {
    let below = tempfile::tempdir().unwrap();
    let folder = below.path().join("x");
    let output = || Output { json: true, quiet: true };
    let init = |flags: &str| {
        let line = "metasync init --yes --source active-directory --server dc1.x.example --bind-user svc --password env:PW \
                    --package foreign-principals";
        let Ok(Cli { command: Command::Init(args), .. }) =
            Cli::try_parse_from(line.split_whitespace().chain(flags.split_whitespace()))
        else {
            panic!("no init");
        };
        let context = Context { folder: folder.clone(), output: output(), stop: StopSignal::new() };
        super::run(&context, args).map(drop).unwrap_or_else(|failure| panic!("{}", failure.text()));
    };
    init(&format!("--goal {goal} --tenant contoso.example --client-id c-1 --client-secret env:X"));
    init("--add-source west");
    let between = ["20-two-forests.toml", "42-foreign-principals.toml"];
    assert!(between.iter().all(|file| folder.join("tests").join(file).exists()));
    assert!(passed(&carry_out(&folder).await) > 20);
}

async fn carry_out(folder: &Path) -> String {
    let Ok(Cli { command: Command::Test(args), .. }) = Cli::try_parse_from(["metasync", "test"]) else {
        panic!("no test");
    };
    let output = Output { json: true, quiet: true };
    let context = Context { folder: folder.to_path_buf(), output, stop: StopSignal::new() };
    let report = match crate::commands::test::run(&context, &args).await {
        Ok(report) => report,
        Err(failure) => panic!("{}", failure.text()),
    };
    assert_eq!(report.exit, Exit::Success, "{}", report.text);
    report.text
}

/// How many tests were carried out.
fn passed(text: &str) -> usize {
    text.matches("passed  ").count()
}

/// D1-D32 as far as Graph mode has them, SF3, SF7 and T33: what the files say.
#[tokio::test]
async fn the_shipped_rules_keep_what_their_tests_promise() {
    for source_anchor in
        [SourceAnchor::ConsistencyGuid, SourceAnchor::ObjectGuid, SourceAnchor::ConsistencyGuidWriteBack]
    {
        let options = ShippedOptions { source_anchor, ..ShippedOptions::default() };
        assert!(passed(&check(&["ad"], &options).await) > 0);
    }
    let options = ShippedOptions { sign_in_name_fallback: true, ..ShippedOptions::default() };
    assert!(passed(&check(&["ad"], &options).await) > 0);
    let options = ShippedOptions { packages: Package::ALL.into(), ..ShippedOptions::default() };
    assert!(passed(&check(&["ad"], &options).await) > 0);
}

/// The same in Connect mode: synchronised users, contacts and groups of every kind, for one forest and for two.
#[tokio::test]
async fn the_shipped_rules_keep_their_promises_in_connect_mode() {
    let options = ShippedOptions { cloud: CloudSchema::Connect, ..ShippedOptions::default() };
    let text = check(&["ad"], &options).await;
    assert!(text.contains("passed  Groups of every kind are made as what they are"), "{text}");
    assert!(passed(&check(&["east", "west"], &options).await) > 0);
    let options = ShippedOptions { packages: Package::ALL.into(), ..options };
    assert!(passed(&check(&["ad"], &options).await) > 0);
}

/// S60, D15, D22, D23: two forests in either order, and a third that takes no part.
#[tokio::test]
async fn s60_two_and_three_forests() {
    let options = ShippedOptions { packages: Package::ALL.into(), ..ShippedOptions::default() };
    for sources in [&["east", "west"][..], &["west", "east"], &["ad", "east", "west"]] {
        assert!(passed(&check(sources, &options).await) > 0);
    }
}

/// T34 (S6, D9): a linked mailbox (type 2) and its enabled account, in either order: nothing is exported for the mailbox alone, and
/// in the end there is one user with the account's anchor. Either forest may come first in the files.
#[tokio::test]
async fn t34_a_linked_mailbox_and_its_account_are_one_user_in_either_order() {
    for sources in [["east", "west"], ["west", "east"]] {
        let text = check(&sources, &ShippedOptions::default()).await;
        for name in
            ["A linked mailbox waits for its account", "An account stays one user when its linked mailbox comes later"]
        {
            assert!(text.contains(&format!("passed  {name}")), "{text}");
        }
    }
}

/// What each mode cannot do of what the shipped rules and packages ask, by name and place; nothing of it is a mistake.
#[tokio::test]
async fn what_a_mode_cannot_do_of_the_shipped_rules() {
    for (cloud, expected) in [
        (
            CloudSchema::Graph,
            expect![[r#"
                10 notes
                  WHERE                                     WHAT
                  rules/31-cloud-users.toml:146             no-sign-in-name: the account has no userPrincipalName,
                                                            and a cloud user needs one (rule
                                                            `out-to-cloud-user-join`)
                                                            what to do: `metasync pending cloud` counts them
                  rules/31-cloud-users.toml:186             limitation-read-only: Microsoft Graph cannot write
                                                            `proxyAddresses` of a user; where it differs it is
                                                            listed (rule `out-to-cloud-user-identity`)
                                                            what to do: keep the flow to have differences listed,
                                                            remove it, or use Connect mode, which writes it
                  rules/32-cloud-groups.toml:5              limitation-group-detach: a group has no stamp that could
                                                            be cleared: one that was taken over cannot be let go
                                                            (rule `out-to-cloud-group-join`)
                                                            what to do: write adopted = "disconnect" or "delete"
                                                            under [rule.deprovision]
                  rules/32-cloud-groups.toml:54             distribution-group: Graph mode cannot create
                                                            distribution groups (rule `out-to-cloud-group-join`)
                                                            what to do: `metasync pending cloud` counts them
                  rules/32-cloud-groups.toml:59             mail-enabled-security-group: Graph mode cannot create
                                                            mail-enabled security groups (rule
                                                            `out-to-cloud-group-join`)
                                                            what to do: `metasync pending cloud` counts them
                  rules/32-cloud-groups.toml:64             group-too-large: the group has 250000 members or more,
                                                            and the service takes no such group (rule
                                                            `out-to-cloud-group-join`)
                                                            what to do: `metasync pending cloud` counts them
                  rules/33-cloud-contacts.toml:4            limitation-contact: over Microsoft Graph contacts can
                                                            only be read: they are neither made nor changed nor
                                                            deleted (rule `out-to-cloud-contact-join`)
                                                            what to do: keep them by hand in the cloud and remove
                                                            the rule, or use Connect mode
                  rules/33-cloud-contacts.toml:23           contact-not-writable: Graph mode cannot write contacts
                                                            (rule `out-to-cloud-contact-join`)
                                                            what to do: `metasync pending cloud` counts them
                  rules/40-ad-exchange-hybrid-users.toml:4  limitation-exchange-attributes: what the package
                                                            `exchange-hybrid` brings into the metaverse is not
                                                            written to `cloud`: Microsoft Graph has none of the
                                                            attributes of Exchange (msExch*, targetAddress,
                                                            legacyExchangeDN, ...)
                                                            what to do: nothing is lost: remove the package's rules
                                                            (rules/4*) if nothing else reads what they bring
                  rules/43-ad-devices.toml:4                limitation-device: what the package `devices` brings
                                                            into the metaverse is not written to `cloud`: Microsoft
                                                            Graph cannot make devices on behalf of a directory
                                                            what to do: nothing is lost: remove the package's rules
                                                            (rules/4*) if nothing else reads what they bring
            "#]],
        ),
        (
            CloudSchema::Connect,
            expect![[r#"
                4 notes
                  WHERE                                     WHAT
                  rules/31-cloud-users.toml:154             no-sign-in-name: the account has no userPrincipalName,
                                                            and a cloud user needs one (rule
                                                            `out-to-cloud-user-join`)
                                                            what to do: `metasync pending cloud` counts them
                  rules/32-cloud-groups.toml:91             group-too-large: the group has 250000 members or more,
                                                            and the service takes no such group (rule
                                                            `out-to-cloud-group-join`)
                                                            what to do: `metasync pending cloud` counts them
                  rules/40-ad-exchange-hybrid-users.toml:4  limitation-exchange-attributes: what the package
                                                            `exchange-hybrid` brings into the metaverse is not
                                                            written to `cloud`: Connect mode of this version writes
                                                            none of the attributes of Exchange (msExch*,
                                                            targetAddress, legacyExchangeDN, ...): Microsoft Graph
                                                            does not show them, so no import could confirm them
                                                            what to do: nothing is lost: remove the package's rules
                                                            (rules/4*) if nothing else reads what they bring
                  rules/43-ad-devices.toml:4                limitation-device: what the package `devices` brings
                                                            into the metaverse is not written to `cloud`: Connect
                                                            mode of this version writes no devices: it does not read
                                                            them either, so it could neither match nor confirm one
                                                            what to do: nothing is lost: remove the package's rules
                                                            (rules/4*) if nothing else reads what they bring
            "#]],
        ),
    ] {
        let options = ShippedOptions { packages: Package::ALL.into(), cloud, ..ShippedOptions::default() };
        let below = tempfile::tempdir().unwrap();
        deployment(below.path(), &["ad"], &options);
        let output = Output { json: true, quiet: true };
        let context = Context { folder: below.path().to_path_buf(), output, stop: StopSignal::new() };
        let opened = context.open().unwrap_or_else(|failure| panic!("{}", failure.text()));
        let schema = opened.connectors["cloud"].schema().await.unwrap();
        let schemas = BTreeMap::from([(ConnectorName::from("cloud"), schema)]);
        assert_eq!(check_against(&opened.rules, &schemas), []);
        let found = check_limits(&opened.rules, &schemas);
        assert!(found.iter().all(|found| found.severity == Severity::Note), "{found:?}");
        let list = crate::diagnostics::list(&found, &opened.sources).text;
        expected.assert_eq(&format!("{} notes\n{list}", found.len()));
        // The command says so, also where the tenant cannot be asked.
        let report = crate::commands::check::run(&context, &CheckArgs { offline: true }).await;
        let report = report.unwrap_or_else(|failure| panic!("{}", failure.text()));
        assert_eq!(report.exit, Exit::Success, "{}", report.text);
        assert!(report.text.contains("what the rules ask and cannot be done there"), "{}", report.text);
        let told = report.json["diagnostics"].as_array().into_iter().flatten();
        assert_eq!(told.filter(|told| told["severity"] == "note").count(), found.len());
    }
}
