//! `metasync licenses` as an operator types it, on a directory's file and a rehearsal tenant in a process of its own: who has what,
//! giving licences after looking, each reason why somebody is given none, and that no cycle ever touches one.

use expect_test::{Expect, expect};
use metasync_tests::operator::Deployment;
use metasync_tests::people::ldif;
use metasync_tests::tenant::{CLIENT_ID, CLIENT_SECRET};
use metasync_tests::tenant_process::TenantProcess;
use serde_json::{Value, json};

const E3: &str = "6fd2c87f-b296-42f0-b197-1e91e994b900";
const SMALL: &str = "18181a46-0d4e-45cd-891e-60aabd171b4e";
const STAFF: &str = "88888888-7777-4777-8777-777777777771";
/// Registered with fewer rights than the deployment's own application.
const READER: &str = "22222222-2222-4333-8444-555555555555";

/// Six people; the first four have a country, the fifth is blocked, the sixth is nowhere. Persons 1 to 3 are in Sales.
fn directory() -> String {
    let mut text = ldif(1..=6);
    for number in 1..=5 {
        let account = format!("sAMAccountName: person{number}\n");
        let department = if number <= 3 { "Sales" } else { "Law" };
        text = text.replace(&account, &format!("{account}c: DE\ndepartment: {department}\n"));
    }
    let blocked = "proxyAddresses: SMTP:person5@contoso.example\nuserAccountControl: 512";
    text = text.replace(blocked, &blocked.replace("512", "514"));
    text.push_str(
        "dn: OU=Desk,OU=People,DC=corp,DC=contoso,DC=example\nobjectClass: top\nobjectClass: organizationalUnit\nou: Desk\n\
         objectGUID:: AAAAAAAAAECAAAAAAAAA7g==\n\n\
         dn: CN=Pilot,OU=People,DC=corp,DC=contoso,DC=example\nobjectClass: top\nobjectClass: group\ncn: Pilot\n\
         sAMAccountName: Pilot\nobjectGUID:: AAAAAAAAAECAAAAAAAAAqg==\ngroupType: -2147483646\n\
         member: CN=Person 2,OU=People,DC=corp,DC=contoso,DC=example\n\
         member: CN=Person 6,OU=People,DC=corp,DC=contoso,DC=example\n\n",
    );
    text
}

/// Person 1 exists, has a licence by the group Staff and one in error; the boss is the cloud's own, with a licence.
fn seed() -> Value {
    json!({
        "domains": [{ "name": "contoso.onmicrosoft.com", "initial": true }, { "name": "contoso.example", "default": true }],
        "skus": [
            { "skuPartNumber": "ENTERPRISEPACK", "skuId": E3, "enabledUnits": 6, "suspendedUnits": 4,
              "servicePlans": [{ "servicePlanName": "EXCHANGE_S_ENTERPRISE" }, { "servicePlanName": "SWAY" }] },
            { "skuPartNumber": "O365_BUSINESS", "skuId": SMALL, "enabledUnits": 1, "excludes": ["ENTERPRISEPACK"] },
            { "skuPartNumber": "TENANTWIDE", "skuId": "11111111-0000-4000-8000-000000000002", "appliesTo": "Company" },
            { "skuPartNumber": "ENDED", "skuId": "11111111-0000-4000-8000-000000000003", "capabilityStatus": "Suspended", "enabledUnits": 9 },
        ],
        "applications": [{ "clientId": READER, "clientSecret": CLIENT_SECRET, "permissions": ["User.Read.All", "Group.Read.All",
            "OrgContact.Read.All", "Organization.Read.All", "Domain.Read.All", "RoleManagement.Read.Directory"] }],
        "users": [
            { "id": "77777777-7777-4777-8777-000000000001", "userPrincipalName": "person1@contoso.example", "displayName": "Person One",
              "mail": "person1@contoso.example", "usageLocation": "AT" },
            { "userPrincipalName": "boss@contoso.example", "displayName": "Boss", "usageLocation": "DE", "assignedLicenses": ["O365_BUSINESS"] },
        ],
        "groups": [{ "id": STAFF, "displayName": "Staff", "assignedLicenses": ["ENTERPRISEPACK", "O365_BUSINESS"],
                     "members": ["person1@contoso.example"] }],
    })
}

fn deployment(tenant: &TenantProcess, client: &str) -> Deployment {
    let mut deployment = Deployment::new();
    deployment.variable("METASYNC_CLIENT_SECRET", CLIENT_SECRET).variable("USER", "olga");
    std::fs::create_dir_all(&deployment.folder).expect("a folder");
    let file = deployment.file("people.ldif");
    std::fs::write(&file, directory()).expect("the file is written");
    let graph = tenant.graph_url();
    let file = file.to_str().expect("a plain path");
    let where_from =
        ["--source", "ldif", "--goal", "attributes", "--file", file, "--matching", "automatic", "--active"];
    let where_to =
        ["--tenant", tenant.tenant_id(), "--client-id", client, "--client-secret", "env:METASYNC_CLIENT_SECRET"];
    let at = ["--graph-url", &graph, "--authority-url", tenant.authority_url()];
    deployment.run(&[&["init", "--yes"], &where_from[..], &where_to, &at].concat()).expect(&[0]);
    deployment.replace("metasync.toml", "at_least = 5", "at_least = 50");
    deployment
}

/// A tenant and a deployment whose first cycle is over.
fn synchronised() -> (TenantProcess, Deployment) {
    let tenant = TenantProcess::start(&seed());
    tenant.turn(json!({ "throttle": { "enabled": false } }));
    let deployment = deployment(&tenant, CLIENT_ID);
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    // What was created is imported.
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    tenant.forget_requests();
    (tenant, deployment)
}

/// Ids and digests that a run makes are told as what they are; those of the seed stay.
fn plain(text: &str) -> String {
    let is_hex = |word: &str, length: usize| word.len() == length && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut told = String::new();
    let mut word = String::new();
    for character in text.chars().chain(['\n']) {
        if character.is_ascii_alphanumeric() || character == '-' {
            word.push(character);
            continue;
        }
        let is_guid = word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
        let of_the_seed = [E3, SMALL, STAFF].contains(&word.as_str())
            || word.contains("-4777-8777-")
            || word.starts_with("11111111-");
        match is_guid && !of_the_seed {
            true => told.push_str("<id>"),
            false if is_hex(&word, 8) || is_hex(&word, 32) => told.push_str("<digest>"),
            false => told.push_str(&word),
        }
        word.clear();
        told.push(character);
    }
    told.truncate(told.len() - 1);
    told
}

fn check(deployment: &Deployment, arguments: &[&str], code: i32, expected: Expect) {
    let ran = deployment.run(&[&["licenses"], arguments].concat()).expect(&[code]);
    expected.assert_eq(&plain(&ran.out));
}

fn digest(deployment: &Deployment, arguments: &[&str]) -> String {
    let plan = deployment.json(&[&["licenses", "assign"], arguments].concat(), &[0, 3, 4]);
    plan["result"]["digest"].as_str().expect("a digest").to_owned()
}

/// Names of those who hold ENTERPRISEPACK.
fn holders(tenant: &TenantProcess) -> Vec<String> {
    let holds = |user: &Value| user["assignedLicenses"].to_string().contains(E3);
    tenant
        .users()
        .into_iter()
        .filter(|(_, user)| holds(user))
        .map(|(name, _)| name.replace("@contoso.example", ""))
        .collect()
}

#[test]
fn who_has_what_by_which_way_and_why_not_as_text_csv_and_json() {
    let (tenant, deployment) = synchronised();
    check(
        &deployment,
        &["list"],
        0,
        expect![[r#"
        Subscriptions of cloud
          subscription    state                   units  in use  free  suspended
          ENTERPRISEPACK  Enabled                     6       1     5          4
          O365_BUSINESS   Enabled                     1       1     0
          TENANTWIDE      Enabled, not for users  1,000       0     0
          ENDED           Suspended                   9       0     0

        6 synchronised users, 5 without a licence
          user      sign-in name             location  licences                    cannot be given one
                                                                                   because
          Person 1  person1@contoso.example  AT        O365_BUSINESS by group
                                                       Staff (not given:
                                                       MutuallyExclusiveViolation
                                                       )
                                                       ENTERPRISEPACK by group
                                                       Staff
          Person 2  person2@contoso.example  DE
          Person 3  person3@contoso.example  DE
          Person 4  person4@contoso.example  DE
          Person 5  person5@contoso.example  DE                                    the account is blocked,
                                                                                   and a licence would be
                                                                                   paid for it
          Person 6  person6@contoso.example                                        it has no usage location,
                                                                                   and without one no
                                                                                   licence is given
        A licence from a group lasts as long as the membership and is changed at the group alone. Given
        directly besides, it takes no second unit, and stays when the user leaves the group.
    "#]],
    );
    check(
        &deployment,
        &["list", "--unlicensed", "--csv"],
        0,
        expect![[r#"
        user,sign_in_name,id,enabled,usage_location,licensed,licence,licence_id,group,group_id,state,error,without_plans,obstacle,because
        Person 2,person2@contoso.example,<id>,true,DE,false,,,,,,,,,
        Person 3,person3@contoso.example,<id>,true,DE,false,,,,,,,,,
        Person 4,person4@contoso.example,<id>,true,DE,false,,,,,,,,,
        Person 5,person5@contoso.example,<id>,false,DE,false,,,,,,,,licence-user-disabled,"the account is blocked, and a licence would be paid for it"
        Person 6,person6@contoso.example,<id>,true,,false,,,,,,,,licence-no-usage-location,"it has no usage location, and without one no licence is given"
    "#]],
    );
    check(
        &deployment,
        &["list", "person1@contoso.example", "--csv"],
        0,
        expect![[r#"
        user,sign_in_name,id,enabled,usage_location,licensed,licence,licence_id,group,group_id,state,error,without_plans,obstacle,because
        Person 1,person1@contoso.example,77777777-7777-4777-8777-000000000001,true,AT,true,O365_BUSINESS,18181a46-0d4e-45cd-891e-60aabd171b4e,Staff,88888888-7777-4777-8777-777777777771,Error,MutuallyExclusiveViolation,,,
        Person 1,person1@contoso.example,77777777-7777-4777-8777-000000000001,true,AT,true,ENTERPRISEPACK,6fd2c87f-b296-42f0-b197-1e91e994b900,Staff,88888888-7777-4777-8777-777777777771,Active,,,,
    "#]],
    );
    // The readiness report says the same of who has a licence.
    let report = deployment.json(&["assess"], &[0, 3]);
    let licensed = |number: usize| {
        let lines = report["result"]["lines"].as_array().expect("lines");
        let line = lines.iter().find(|line| line["account"] == format!("person{number}")).expect("a line");
        line["licensed"].clone()
    };
    assert_eq!((licensed(1), licensed(2), licensed(6)), (json!(true), json!(false), json!(false)));
    let listed = deployment.json(&["licenses", "list", "Person 1", "--unlicensed"], &[0]);
    assert_eq!(listed["result"]["users"], json!([]), "person 1 has one by a group");
    let listed = deployment.json(&["licenses", "list", "person6@contoso.example"], &[0]);
    let mut told = listed["result"].clone();
    told["products"].as_array_mut().expect("products").truncate(1);
    expect![[r#"
        {
          "connector": "cloud",
          "products": [
            {
              "id": "6fd2c87f-b296-42f0-b197-1e91e994b900",
              "name": "ENTERPRISEPACK",
              "status": "Enabled",
              "for_users": true,
              "enabled": 6,
              "consumed": 1,
              "warning": 0,
              "suspended": 4,
              "locked_out": 0,
              "free": 5,
              "plans": [
                "EXCHANGE_S_ENTERPRISE",
                "SWAY"
              ]
            }
          ],
          "users": [
            {
              "object": {
                "connector": "cloud",
                "id": 20,
                "object_type": "user",
                "anchor": "<id>",
                "dn": null,
                "name": "Person 6"
              },
              "sign_in_name": "person6@contoso.example",
              "subject": "synchronised",
              "enabled": true,
              "usage_location": null,
              "licences": [],
              "licensed": false,
              "obstacle": {
                "code": "licence-no-usage-location",
                "message": "it has no usage location, and without one no licence is given",
                "remedy": "set the country (`c`) in the directory before the user is made, or say --usage-location XX"
              }
            }
          ],
          "passed_over": 0
        }"#]]
    .assert_eq(&plain(&serde_json::to_string_pretty(&told).expect("JSON")));
    assert_eq!(tenant.writes(), 0, "looking writes nothing");
}

/// Looked at first, bound to what was shown, written once; a cycle and an undone takeover leave every licence as it is.
#[test]
fn licences_are_given_after_a_look_and_no_cycle_touches_them() {
    let (tenant, deployment) = synchronised();
    let sales = ["--sku", "enterprisepack", "--where", "[department] = \"Sales\"", "--disable-plan", "sway"];
    let shown = [&["assign"], &sales[..]].concat();
    check(
        &deployment,
        &shown,
        0,
        expect![[r#"
        ENTERPRISEPACK of cloud, without SWAY: 5 free of 6

        To be given to 2 users
          user      sign-in name
          Person 2  person2@contoso.example
          Person 3  person3@contoso.example

        Nothing is needed for 1 user
          user      sign-in name
          Person 1  person1@contoso.example  has it by the group Staff
          A licence from a group lasts as long as the membership and is changed at the group alone. Given
          directly besides, it takes no second unit, and stays when the user leaves the group.

        Nothing was written. The same command with --apply <digest> gives it to exactly these users.
    "#]],
    );
    assert_eq!(tenant.writes(), 0, "a look writes nothing");
    let changed = deployment.run(&[&["licenses"], &shown[..], &["--apply", "0123456789"]].concat()).expect(&[1]);
    assert!(changed.err.contains("is not what has the digest 0123456789; nothing was written"), "{}", changed.err);
    assert_eq!((tenant.writes(), holders(&tenant)), (0, vec!["person1".to_owned()]));

    let word = digest(&deployment, &sales);
    check(
        &deployment,
        &[&shown[..], &["--apply", &word[..8], "--note", "ticket 7"]].concat(),
        0,
        expect![[r#"
        ENTERPRISEPACK of cloud: 3 free now

        Given to 2 users
          user      sign-in name
          Person 2  person2@contoso.example
          Person 3  person3@contoso.example

        Nothing is needed for 1 user
          user      sign-in name
          Person 1  person1@contoso.example  has it by the group Staff
          A licence from a group lasts as long as the membership and is changed at the group alone. Given
          directly besides, it takes no second unit, and stays when the user leaves the group.
    "#]],
    );
    assert_eq!(holders(&tenant), ["person1", "person2", "person3"]);
    let given = tenant.users()["person2@contoso.example"]["assignedLicenses"][0]["disabledPlans"].clone();
    assert_eq!(given.as_array().map(Vec::len), Some(1), "without SWAY");
    let history = deployment.run(&["history"]).expect(&[0]).out;
    let history = history.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "licences olga gives ENTERPRISEPACK to 2 users of cloud (ticket 7)",
        "licence-given person2@contoso.example was given ENTERPRISEPACK",
    ] {
        assert!(history.contains(part), "{part}:\n{history}");
    }
    // The same word again finds nothing left; the digest was of what is done.
    check(
        &deployment,
        &[&shown[..], &["--yes"]].concat(),
        0,
        expect![[r#"
        ENTERPRISEPACK of cloud

        Given to 0 users

        Nothing is needed for 3 users
          user      sign-in name
          Person 1  person1@contoso.example  has it by the group Staff
          Person 2  person2@contoso.example  has it directly
          Person 3  person3@contoso.example  has it directly
          A licence from a group lasts as long as the membership and is changed at the group alone. Given
          directly besides, it takes no second unit, and stays when the user leaves the group.
    "#]],
    );

    let licences = |tenant: &TenantProcess| -> Vec<(String, Value, Value)> {
        let users = tenant.users().into_iter();
        users
            .map(|(name, user)| (name, user["assignedLicenses"].clone(), user["licenseAssignmentStates"].clone()))
            .collect()
    };
    let before = licences(&tenant);
    tenant.forget_requests();
    for kind in ["delta", "initial", "delta"] {
        deployment.run(&["cycle", kind]).expect(&[0]);
    }
    assert_eq!(tenant.writes(), 0, "a licence is nothing that a cycle would change or miss");
    let text = std::fs::read_to_string(deployment.file("people.ldif")).expect("the file");
    std::fs::write(deployment.file("people.ldif"), text.replace("displayName: Person 2", "displayName: Person Two"))
        .expect("written");
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    assert_eq!(tenant.users()["person2@contoso.example"]["displayName"], "Person Two");
    deployment.run(&["undo-takeover", "person1@contoso.example", "--yes"]).expect(&[0]);
    assert_eq!(licences(&tenant), before, "neither exports nor an undo touch licences");
    // Given back, the user is the tenant's own.
    let refused = deployment.run(&["licenses", "assign", "--sku", E3, "person1@contoso.example"]).expect(&[4]).out;
    assert!(
        refused.split_whitespace().collect::<Vec<_>>().join(" ").contains("is linked with no user of `cloud`"),
        "{refused}"
    );
}

/// Each reason by itself, before anything is written.
#[test]
fn whoever_cannot_be_given_a_licence_is_told_why_and_nothing_is_written_for_him() {
    let (tenant, deployment) = synchronised();
    check(
        &deployment,
        &["assign", "--sku", E3, "--all"],
        4,
        expect![[r#"
        ENTERPRISEPACK of cloud: 5 free of 6

        To be given to 3 users
          user      sign-in name
          Person 2  person2@contoso.example
          Person 3  person3@contoso.example
          Person 4  person4@contoso.example

        Nothing is needed for 1 user
          user      sign-in name
          Person 1  person1@contoso.example  has it by the group Staff
          A licence from a group lasts as long as the membership and is changed at the group alone. Given
          directly besides, it takes no second unit, and stays when the user leaves the group.

        Cannot be given to 2 users now
          user      sign-in name             because                          what to do
          Person 5  person5@contoso.example  the account is blocked, and a    enable it in the directory
                                             licence would be paid for it     first, or say --disabled too
                                                                              where a blocked account needs
                                                                              one
          Person 6  person6@contoso.example  it has no usage location, and    set the country (`c`) in the
                                             without one no licence is given  directory before the user is
                                                                              made, or say --usage-location
                                                                              XX

        Nothing was written. The same command with --apply <digest> gives it to exactly these users.
    "#]],
    );
    check(
        &deployment,
        &[
            "assign",
            "--sku",
            "ENTERPRISEPACK",
            "boss@contoso.example",
            "Pilot",
            "person6@contoso.example",
            "--usage-location",
            "at",
        ],
        4,
        expect![[r#"
            ENTERPRISEPACK of cloud: 5 free of 6

            To be given to 1 user
              user      sign-in name             usage location to be written
              Person 6  person6@contoso.example  AT

            Cannot be given to 2 users now
              user   because                                          what to do
              Boss   it belongs to the tenant alone, and nothing is   give the licence on the tenant's own pages
                     written to such users
              Pilot  it is a group, and users are given licences      --group names the members of a group
                     here

            The rule `Out to cloud - User Join` gives usage locations to new users only: what is written here
            stays, and the directory is not told. Set the country there too.

            Nothing was written. The same command with --apply <digest> gives it to exactly this user.
        "#]],
    );
    let names = |arguments: &[&str]| -> Vec<String> {
        let plan = deployment.json(&[&["licenses", "assign", "--sku", E3], arguments].concat(), &[0, 3, 4]);
        let users = plan["result"]["users"].as_array().expect("users").clone();
        users
            .iter()
            .map(|user| {
                format!(
                    "{} {}",
                    user["sign_in_name"].as_str().unwrap_or("-").replace("@contoso.example", ""),
                    user["decision"].as_str().unwrap()
                )
            })
            .collect()
    };
    assert_eq!(names(&["--group", "Pilot"]), ["person2 assign", "person6 cannot"]);
    assert_eq!(names(&["--group", "Pilot", "--where", "[department] = \"Sales\""]), ["person2 assign"]);
    assert_eq!(names(&["--group", "Staff"]), ["person1 has"]);
    assert_eq!(names(&["--ou", "ou=people,dc=corp,dc=contoso,dc=example", "--unlicensed"]).len(), 5);
    assert_eq!(names(&["--ou", "OU=Desk,OU=People,DC=corp,DC=contoso,DC=example"]), [""; 0]);
    assert_eq!(names(&["person5", "--disabled"]), ["person5 assign"]);

    let refused = |arguments: &[&str], codes: &[i32]| {
        let ran = deployment.run(&[&["licenses", "assign"], arguments].concat()).expect(codes);
        format!("{}{}", ran.out, ran.err).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for (arguments, code, part) in [
        (
            &["--sku", "E99", "--all"][..],
            1,
            "the tenant has no subscription `E99` what to do: it has ENTERPRISEPACK, O365_BUSINESS",
        ),
        (
            &["--sku", E3, "--all", "--disable-plan", "X"],
            1,
            "has no service plan `X` what to do: it has EXCHANGE_S_ENTERPRISE, SWAY",
        ),
        (&["--sku", "ENDED", "person2", "--yes"], 3, "Nothing can be given: the subscription ENDED is Suspended"),
        (&["--sku", "TENANTWIDE", "person2", "--yes"], 3, "belongs to the tenant as a whole"),
        (
            &["--sku", "O365_BUSINESS", "person2", "person3", "--yes"],
            3,
            "has 0 free of the 2 that are wanted: 2 short; nothing is given",
        ),
        (
            &["--sku", E3, "person6", "--usage-location", "UK"],
            1,
            "`UK` is no two-letter country code of ISO 3166-1, such as DE, US or GB; GB is meant?",
        ),
        (&["--sku", E3, "nobody"], 1, "nothing found for `nobody`"),
        (&["--sku", E3, "--group", "nogroup"], 1, "nothing found for `nogroup`"),
        (&["--sku", E3, "--ou", "OU=Nowhere,DC=corp"], 1, "nothing found for `OU=Nowhere,DC=corp`"),
        (&["--sku", E3, "--where", "[Department] = 1"], 1, "did you mean `[department]`?"),
        (&["--sku", E3], 1, "required arguments were not provided"),
        (&["--sku", E3, "--all", "--unlicensed", "--apply", "1", "--yes"], 1, "cannot be used with"),
    ] {
        let told = refused(arguments, &[code]);
        assert!(told.contains(part), "{arguments:?}: {part}:\n{told}");
    }
    assert_eq!(tenant.writes(), 0);
    // A rule that writes locations is their master.
    let rule = std::fs::read_dir(deployment.file("rules")).expect("rules").flatten().map(|file| file.path());
    let owner = rule
        .into_iter()
        .find(|path| std::fs::read_to_string(path).expect("a rule").contains("usageLocation = { once = true,"));
    let owner = owner.expect("the shipped rule gives locations to new users");
    let text = std::fs::read_to_string(&owner).expect("a rule");
    std::fs::write(&owner, text.replace("usageLocation = { once = true, ", "usageLocation = { ")).expect("written");
    let told = refused(&["--sku", E3, "person6", "--usage-location", "AT", "--yes"], &[3]);
    assert!(
        told.contains("usage locations are written by the rule") && told.contains("set the country in the directory"),
        "{told}"
    );
    std::fs::write(&owner, text).expect("written");
    // Staging mode writes nothing.
    deployment.replace("metasync.toml", "staging = false", "staging = true");
    let told = refused(&["--sku", E3, "person2", "--yes"], &[1]);
    assert!(told.contains("this deployment is in staging mode: it writes nothing"), "{told}");
    assert!(
        refused(&["--sku", E3, "person2"], &[0]).contains("This deployment is in staging mode: it writes nothing.")
    );
    assert_eq!((tenant.writes(), holders(&tenant)), (0, vec!["person1".to_owned()]));
}

/// Who is decided and not there yet, or still the tenant's own, is given nothing.
#[test]
fn who_is_not_exported_is_given_nothing() {
    let tenant = TenantProcess::start(&seed());
    let deployment = deployment(&tenant, CLIENT_ID);
    let ran = deployment.run(&["licenses", "list"]).expect(&[1]);
    assert!(ran.err.contains("nothing was imported yet"), "{}", ran.err);
    deployment.run(&["cycle", "initial", "--staging"]).expect(&[0, 3]);
    tenant.forget_requests();
    let plan = deployment.json(&["licenses", "assign", "--sku", E3, "--all"], &[4]);
    let users = plan["result"]["users"].as_array().expect("users");
    let mut codes: Vec<&str> = users.iter().map(|user| user["because"]["code"].as_str().expect("a code")).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["licence-not-exported"; 5].into_iter().chain(["licence-not-taken-over"]).collect::<Vec<_>>());
    deployment.run(&["licenses", "assign", "--sku", E3, "--all", "--yes"]).expect(&[4]);
    assert_eq!((tenant.writes(), holders(&tenant)), (0, vec!["person1".to_owned()]));
}

/// One refusal is one user's: the others are given theirs, history tells, and the same command gives what is left.
#[test]
fn a_refusal_of_the_service_is_one_user_s_and_the_command_runs_again() {
    let (tenant, deployment) = synchronised();
    let action = json!({ "kind": "status", "status": 400, "code": "Request_BadRequest" });
    tenant.turn(json!({ "faults": [{ "method": "POST", "path": "/assignLicense", "nth": 2, "action": action }] }));
    let arguments = ["licenses", "assign", "--sku", E3, "person2", "person3", "person6", "--usage-location", "at"];
    let ran = deployment.json(&[&arguments[..], &["--yes"]].concat(), &[4]);
    let users = ran["result"]["users"].as_array().expect("users");
    let mut ends: Vec<&str> = users.iter().map(|user| user["end"].as_str().expect("an end")).collect();
    ends.sort_unstable();
    assert_eq!(ends, ["given", "given", "refused"], "{ran:#}");
    let history = deployment.json(&["history"], &[0]);
    let codes = |code: &str| {
        history["result"]["events"].as_array().expect("events").iter().filter(|event| event["code"] == code).count()
    };
    assert_eq!((codes("licence-given"), codes("licence-refused"), codes("licences")), (2, 1, 1));
    assert_eq!(tenant.users()["person6@contoso.example"]["usageLocation"], "AT");
    let again = deployment.json(&[&arguments[..], &["--yes"]].concat(), &[0]);
    assert_eq!(again["result"]["free"], json!(2));
    assert_eq!(holders(&tenant), ["person1", "person2", "person3", "person6"]);
    // The guard's limit stands for a word that names no list (SF12).
    deployment.replace("metasync.toml", "at_least = 50", "at_least = 1");
    let many = ["licenses", "assign", "--sku", E3, "person4", "person5", "--disabled"];
    let stopped = deployment.run(&[&many[..], &["--yes"]].concat()).expect(&[3]);
    assert!(stopped.err.contains("the limit of the guard"), "{}", stopped.err);
    let word = digest(&deployment, &many[2..]);
    deployment.run(&[&many[..], &["--apply", &word]].concat()).expect(&[0]);
    assert_eq!(holders(&tenant).len(), 6);
}

/// SF23: a secret that is refused is tried once; from then on nothing is asked until it is another one.
#[test]
fn sf23_a_refused_credential_is_not_tried_again() {
    let (tenant, mut deployment) = synchronised();
    deployment.variable("METASYNC_CLIENT_SECRET", "another-secret");
    let arguments = ["licenses", "assign", "--sku", E3, "person2", "--yes"];
    let first = deployment.run(&arguments).expect(&[1]);
    assert!(first.err.contains("7000215"), "{}", first.err);
    let asked = || tenant.control("GET", "log", &Value::Null).to_string().matches("oauth2").count();
    let before = asked();
    let second = deployment.run(&arguments).expect(&[1]);
    assert!(second.err.contains("was refused and is not tried again"), "{}", second.err);
    deployment.run(&["licenses", "list"]).expect(&[1]);
    assert_eq!(asked(), before, "nobody signs in");
    deployment.variable("METASYNC_CLIENT_SECRET", CLIENT_SECRET);
    deployment.run(&arguments).expect(&[0]);
    assert_eq!(holders(&tenant), ["person1", "person2"]);
}

/// Without the right nothing is given, the right is named, and after the first refusals nobody else is asked for.
#[test]
fn a_missing_right_is_named_and_ends_it() {
    let (tenant, full) = synchronised();
    let reader = deployment(&tenant, READER);
    // The same store: the reader's deployment has imported nothing itself.
    std::fs::copy(full.file("metasync.db"), reader.file("metasync.db")).expect("the store is copied");
    let ran = reader.json(&["licenses", "assign", "--sku", E3, "person2", "person3", "--yes"], &[4]);
    for user in ran["result"]["users"].as_array().expect("users") {
        assert_eq!(
            (&user["end"], &user["because"]["code"]),
            (&json!("refused"), &json!("permission-issue")),
            "{ran:#}"
        );
        let remedy = user["because"]["remedy"].as_str().expect("a remedy");
        assert!(remedy.contains("LicenseAssignment.ReadWrite.All"), "{remedy}");
    }
    assert_eq!(holders(&tenant), ["person1"]);
    let check = full.json(&["check"], &[0]);
    let findings = check["result"]["connectors"]["cloud"]["findings"].as_array().expect("findings").clone();
    let told = findings.iter().find(|finding| finding["code"] == "licences").expect("licences are told of");
    assert_eq!(told["severity"], "ok", "they are optional");
    assert!(told["message"].as_str().expect("a text").contains("LicenseAssignment.ReadWrite.All"), "{told}");
}
