//! Readiness on real parts (issue 7): the two inventories as the customer's document has them, exported from the very directory
//! and tenant that `assess` reads live. Where both can judge they say the same of everybody.

use crate::connect_story::World;
use metasync_tests::lab::DOMAIN;
use metasync_tests::operator::Deployment;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Rows of a table as Export-Csv writes them.
fn csv(titles: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |fields: &[String]| {
        let quoted: Vec<String> = fields.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
        quoted.join(",") + "\r\n"
    };
    let titles: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
    std::iter::once(line(&titles)).chain(rows.into_iter().map(|row| line(&row))).collect()
}

/// `Get-ADUser -Filter * -SearchBase OU=Staff ... | Select-Object Name,SamAccountName,EmailAddress`.
fn directory_file(world: &World) -> String {
    let people = world.objects(&format!("OU=Staff,{DOMAIN}"), "(objectClass=user)", &["cn", "sAMAccountName", "mail"]);
    let rows = people.iter().map(|person| ["cn", "sAMAccountName", "mail"].map(|name| person[name].clone()).to_vec());
    csv(&["Name", "SamAccountName", "EmailAddress"], rows)
}

/// `Get-MsolUser -All | Select-Object userprincipalname,displayname,islicensed`.
fn tenant_file(world: &World) -> String {
    let state = world.tenant.state();
    let rows = state["users"].as_array().expect("users").iter().map(|user| {
        let text = |name: &str| user[name].as_str().unwrap_or_default().to_owned();
        let licensed = user["assignedLicenses"].as_array().is_some_and(|all| !all.is_empty());
        vec![text("userPrincipalName"), text("displayName"), if licensed { "True" } else { "False" }.to_owned()]
    });
    csv(&["userprincipalname", "displayname", "islicensed"], rows)
}

/// Class and cloud user of everybody, by account.
fn judged(report: &Value) -> BTreeMap<String, (String, String)> {
    let lines = report["result"]["lines"].as_array().expect("lines");
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or("-").to_lowercase();
    lines.iter().map(|line| (text(line, "account"), (text(line, "class"), text(line, "cloud")))).collect()
}

fn bytes(folder: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let files = entries.filter(|path| path.is_file());
    files.map(|path| (path.clone(), std::fs::read(path).expect("a file"))).collect()
}

/// What the report says of two files in a folder, one call with each flag.
fn of_files(deployment: &Deployment, ad: &str, cloud: &str) -> Value {
    let (ad_file, cloud_file) = (deployment.file("ad.csv"), deployment.file("cloud.csv"));
    std::fs::write(&ad_file, ad).expect("a file");
    std::fs::write(&cloud_file, cloud).expect("a file");
    let path = |path: &Path| path.to_str().expect("a plain path").to_owned();
    let report = deployment.json(&["assess", "--ad", &path(&ad_file), "--cloud", &path(&cloud_file)], &[0, 3]);
    for file in [ad_file, cloud_file] {
        std::fs::remove_file(file).expect("it goes");
    }
    report
}

/// Issue 7, "Must show": files with exactly the seed's columns and the systems agree where both can judge; what the files cannot
/// tell is named with the command that adds it. Reading live leaves deployment and tenant as they were.
#[test]
fn files_and_systems_agree_where_both_can_judge() {
    let world = World::start("readiness::files_and_systems_agree_where_both_can_judge");
    let before = bytes(&world.deployment.folder);
    world.tenant.forget_requests();
    let live = world.deployment.json(&["assess"], &[3]);
    assert_eq!(world.tenant.writes(), 0);
    assert!(bytes(&world.deployment.folder) == before, "the deployment stays as it is");
    assert!(live["result"]["remarks"]["rules-decide-otherwise"].is_null(), "{live:#}");
    assert_eq!(live["result"]["not_in_file"], Value::Array(Vec::new()));

    let files = of_files(&world.deployment, &directory_file(&world), &tenant_file(&world));
    let (by_files, by_systems) = (judged(&files), judged(&live));
    assert_eq!(by_files.keys().collect::<Vec<_>>(), by_systems.keys().collect::<Vec<_>>());
    let mut told = String::new();
    for (account, found) in &by_systems {
        let file = &by_files[account];
        let same = if file == found { "the same".to_owned() } else { format!("by files {} <{}>", file.0, file.1) };
        told.push_str(&format!("{account}: {} <{}>, {same}\n", found.0, found.1));
    }
    expect_test::expect![[r#"
        ann: soft-match <ann@contoso.example>, the same
        ben: soft-match <ben@contoso.example>, the same
        cleo: soft-match <cleo@contoso.example>, the same
        dora: soft-match <dora@contoso.example>, the same
        emil: soft-match <emil@contoso.example>, the same
        finn: soft-match <finn@contoso.example>, the same
        gus: privileged <gus@contoso.example>, by files soft-match <gus@contoso.example>
        hanna: guest-twin <hanna_contoso.example#ext#@contoso.onmicrosoft.com>, the same
        ida: created <->, the same
        jon: created <->, the same
        kim: created <->, the same
        lea: created <->, the same
    "#]]
    .assert_eq(&told);
    let asked: Vec<&str> = files["result"]["not_in_file"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|missing| missing["question"].as_str())
        .collect();
    for question in
        ["who holds a directory role", "guests", "who is blocked from signing in", "further addresses of the tenant"]
    {
        assert!(asked.iter().any(|text| text.contains(question)), "{question}: {asked:?}");
    }
    let systems = live["result"]["systems"].as_array().expect("systems");
    let codes = systems.iter().map(|system| {
        let codes = system["findings"].as_array().expect("findings").iter();
        let codes: Vec<&str> = codes.filter_map(|finding| finding["code"].as_str()).collect();
        format!("{}: {}", system["name"].as_str().unwrap_or_default(), codes.join(" "))
    });
    expect_test::expect![[r#"
        ad: domain-controller certificate-days-left clock-skew containers view deletions attributes-not-imported
        cloud: tenant synchronisation-on clock-skew provisioning password-sync-off deletion-prevention"#]]
    .assert_eq(&codes.collect::<Vec<_>>().join("\n"));
    let left_out = live["result"]["others"]["held"].as_array().expect("a list");
    assert!(left_out.iter().any(|held| held["name"] == "No mail" && held["code"] == "left-out"), "{left_out:?}");
    let groups = serde_json::to_string(&live["result"]["others"]["counts"]).expect("JSON");
    expect_test::expect![[r#"{"contact":{"create":2},"group":{"create":6,"left out":1}}"#]].assert_eq(&groups);
}
