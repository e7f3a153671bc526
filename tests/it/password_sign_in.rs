//! One password, without a domain controller: hashes from a file, the built program, and a person who signs in to the tenant with
//! the password of the directory.

use super::files::tenant;
use base64::Engine as _;
use metasync_tests::operator::Deployment;
use metasync_tests::people::{guid, ldif};
use metasync_tests::secrets::Secrets;
use metasync_tests::tenant::{CLIENT_ID, CLIENT_SECRET, Tenant};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// Clear passwords of the contract and their NT hashes (entra-protocols C).
const FIRST: (&str, &str) = ("Password1!", "7FACDC498ED1680C4FD1448319A8C04F");
const SECOND: (&str, &str) = ("P@ssw0rd", "E19CCF75EE54E06B06A5907AF13CEF42");
const WRONG: u64 = 50_126;
const NONE_SET: u64 = 50_056;

fn deployment(tenant: &Tenant) -> Deployment {
    let mut deployment = Deployment::new();
    deployment.variable("METASYNC_CLIENT_SECRET", CLIENT_SECRET);
    std::fs::create_dir_all(&deployment.folder).expect("a folder");
    let file = deployment.file("people.ldif");
    std::fs::write(&file, ldif([1, 2])).expect("the file is written");
    let (id, graph) = (tenant.tenant_id(), tenant.graph_url());
    let flags = [
        ["--source", "ldif"],
        ["--goal", "one-password"],
        ["--file", file.to_str().expect("a plain path")],
        ["--tenant", &id],
        ["--client-id", CLIENT_ID],
        ["--client-secret", "env:METASYNC_CLIENT_SECRET"],
        ["--graph-url", &graph],
        ["--authority-url", tenant.running.base_url()],
        ["--matching", "automatic"],
    ];
    let all: Vec<&str> =
        ["init", "--yes", "--active"].into_iter().chain(flags.as_flattened().iter().copied()).collect();
    deployment.run(&all).expect(&[0]);
    let provisioning = format!("url = \"{}\"\nmachine_id = ", tenant.running.provisioning_url());
    deployment.replace("metasync.toml", "machine_id = ", &provisioning);
    let columns =
        "format = \"ldif\"\npasswords = { path = \"passwords.ldif\", hash = \"ntHash\", changed = \"pwdLastSet\" }\n";
    deployment.replace("metasync.toml", "format = \"ldif\"\n", columns);
    let config = deployment.read("metasync.toml") + "\n[passwords]\nfrom = [\"ad\"]\nto = [\"cloud\"]\n";
    std::fs::write(deployment.file("metasync.toml"), config).expect("written");
    deployment
}

/// Both people with this password since that day of January.
fn passwords(deployment: &Deployment, hash: &str, day: u32) {
    let record = |number: usize| {
        let guid = base64::engine::general_purpose::STANDARD.encode(guid(number));
        format!(
            "dn: CN=Person {number},OU=People,DC=corp,DC=contoso,DC=example\nobjectClass: top\nobjectClass: person\n\
             objectClass: organizationalPerson\nobjectClass: user\nobjectGUID:: {guid}\nntHash: {hash}\n\
             pwdLastSet: 2026-01-{day:02}T03:04:05Z\n\n"
        )
    };
    std::fs::write(deployment.file("passwords.ldif"), format!("version: 1\n\n{}{}", record(1), record(2)))
        .expect("written");
}

/// Signs both in; the numbers of the answers, 0 for success.
fn sign_in(tenant: &Tenant, password: &str) -> Vec<u64> {
    let one = |number: usize| json!({ "user": format!("person{number}@contoso.example"), "password": password });
    let body = json!({ "signIns": [one(1), one(2)] }).to_string();
    let mut stream = TcpStream::connect(tenant.running.address()).expect("the tenant listens");
    let head = format!(
        "POST /_tenant/sign-ins HTTP/1.1\r\nhost: tenant\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    let told: Value = serde_json::from_str(reply.split_once("\r\n\r\n").expect("a body").1).expect("JSON");
    let results = told["results"].as_array().expect("results");
    results.iter().map(|result| result["code"].as_u64().expect("a code")).collect()
}

/// Issue 6: the tenant is switched on by order and not before; the directory's password works in the cloud, and after a change only
/// the new one does.
#[test]
fn the_directorys_password_signs_in_to_the_cloud() {
    let tenant = tenant(json!([]));
    tenant.running.update_knobs(|knobs| knobs.sync = Some(azure_ad_emulator::SyncState::On)).expect("knobs");
    let deployment = deployment(&tenant);
    passwords(&deployment, FIRST.1, 2);
    deployment.run(&["cycle", "initial"]).expect(&[0, 3]);
    assert_eq!(sign_in(&tenant, FIRST.0), [NONE_SET, NONE_SET]);

    let off = deployment.run(&["passwords", "sync"]);
    let told = format!("{}{}", off.out, off.err);
    assert!(off.code != 0 && told.contains("metasync passwords switch-on"), "{} {told}", off.code);
    let on = deployment.run(&["passwords", "switch-on"]).expect(&[0]);
    assert_eq!(on.out, "cloud takes password hashes now\n");
    let again = deployment.json(&["passwords", "switch-on"], &[0]);
    assert_eq!(again["result"]["switched"], json!([{ "connector": "cloud", "was_off": false }]));

    deployment.run(&["passwords", "sync"]).expect(&[0]);
    assert_eq!(sign_in(&tenant, FIRST.0), [0, 0]);
    passwords(&deployment, SECOND.1, 3);
    deployment.run(&["passwords", "sync"]).expect(&[0]);
    assert_eq!(sign_in(&tenant, FIRST.0), [WRONG, WRONG]);
    assert_eq!(sign_in(&tenant, SECOND.0), [0, 0]);
    // Nothing changed since: nothing is sent.
    tenant.forget_requests();
    deployment.run(&["passwords", "sync"]).expect(&[0]);
    assert_eq!(tenant.writes(), 0);
    let sent = |request: &azure_ad_emulator::LoggedRequest| request.method == "PASSWORD";
    assert_eq!(tenant.running.request_log().iter().filter(|request| sent(request)).count(), 0);
}

/// SF23, AADSTS7000215: a wrong client secret is tried once, whichever commands follow, and again when its source holds another one.
#[test]
fn sf23_a_refused_client_secret_is_tried_once_by_all_commands() {
    let tenant = tenant(json!([]));
    tenant.running.update_knobs(|knobs| knobs.sync = Some(azure_ad_emulator::SyncState::On)).expect("knobs");
    let mut deployment = deployment(&tenant);
    passwords(&deployment, FIRST.1, 2);
    let attempts = || {
        let log = tenant.running.request_log();
        log.iter().filter(|request| request.path.ends_with("/oauth2/v2.0/token")).count()
    };
    for (attempt, secret) in ["wrong-and-made-up", "another-wrong-one"].into_iter().enumerate() {
        deployment.variable("METASYNC_CLIENT_SECRET", secret);
        let first = deployment.run(&["cycle", "initial"]);
        assert!(first.code != 0 && first.out.contains("7000215"), "{}{}", first.out, first.err);
        for command in [
            &["cycle", "delta"][..],
            &["run", "cloud", "full-import"],
            &["run", "cloud", "export"],
            &["run", "cloud", "full-synchronization"],
            &["passwords", "sync"],
            &["passwords", "sync", "--full"],
        ] {
            deployment.run(command);
            assert_eq!(attempts(), attempt + 1, "{command:?}");
        }
    }
    let told = deployment.run(&["run", "cloud", "full-import"]);
    assert!(told.out.contains("was refused and is not tried again"), "{}{}", told.out, told.err);
    // An operator's check tries, and a refused credential stays refused by it.
    deployment.run(&["check"]);
    assert_eq!(attempts(), 3);
    deployment.run(&["run", "cloud", "full-import"]);
    assert_eq!(attempts(), 3);
    deployment.variable("METASYNC_CLIENT_SECRET", CLIENT_SECRET);
    deployment.run(&["cycle", "initial"]).expect(&[0, 3]);
    deployment.run(&["passwords", "switch-on"]).expect(&[0]);
    deployment.run(&["passwords", "sync"]).expect(&[0]);
    assert_eq!(sign_in(&tenant, FIRST.0), [0, 0]);
}

/// P8, Must show 4: after pushes, refusals, a panic in the middle of a batch and a loss of the process, no password, hash or credential
/// lies in any file of the deployment, its write-ahead log included, nor in anything that was printed, `-vv` and `--json`.
#[test]
#[expect(clippy::print_stdout, reason = "what was looked through is told with the test run")]
fn p8_no_secret_lies_in_files_logs_history_json_or_panics() {
    let tenant = tenant(json!([]));
    tenant.running.update_knobs(|knobs| knobs.sync = Some(azure_ad_emulator::SyncState::On)).expect("knobs");
    let deployment = deployment(&tenant);
    let mut secrets = Secrets::default();
    for (whose, (password, digits)) in [("both at first", FIRST), ("both at last", SECOND)] {
        let byte = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("a digit");
        secrets.password(whose, password).hash(whose, &std::array::from_fn(byte));
    }
    secrets.any_credential();
    passwords(&deployment, FIRST.1, 2);
    deployment.run(&["-vv", "cycle", "initial"]).expect(&[0, 3]);
    deployment.run(&["-vv", "passwords", "sync"]);
    deployment.run(&["-vv", "passwords", "switch-on"]).expect(&[0]);
    deployment.run(&["-vv", "passwords", "sync"]).expect(&[0]);
    passwords(&deployment, SECOND.1, 3);
    let dying = metasync_tests::crash::binary();
    let at = |point: &str, how: &str| {
        let variables = [("METASYNC_FAIL_POINT", point), ("RUST_BACKTRACE", "full")];
        let ran = deployment.run_with(&dying, &["-vv", "passwords", "sync"], &variables);
        assert!(ran.err.contains(how), "{point}: {} {}", ran.code, ran.err);
    };
    // The third request of a pass carries the passwords.
    at("provisioning-send:3:panic", "panicked");
    let events = deployment.json(&["history", "--events"], &[0]);
    let lost = |event: &Value| event["number"] == json!(615);
    assert!(events["result"]["events"].as_array().is_some_and(|events| events.iter().any(lost)), "{events:#}");
    at("store-committed:1", "");
    let log = deployment.file("metasync.db-wal");
    assert!(log.metadata().is_ok_and(|log| log.len() > 0), "the lost process left its write-ahead log");
    let mut scan = secrets.scan();
    scan.folder(&deployment.folder, &["passwords.ldif"]);
    deployment.run(&["-vv", "passwords", "sync"]).expect(&[0]);
    assert_eq!(sign_in(&tenant, SECOND.0), [0, 0]);
    for command in [
        &["history"][..],
        &["history", "--events"],
        &["history", "--errors"],
        &["passwords", "status"],
        &["passwords", "status", "person1@contoso.example"],
        &["explain", "person1@contoso.example"],
        &["dump"],
        &["check"],
    ] {
        deployment.run(command);
        deployment.run(&[&["--json", "-vv"][..], command].concat());
    }
    scan.deployment(&deployment, &["passwords.ldif"]).expect_none();
    println!("passwords: {scan}");

    // The test of the test: what is planted in the folder is found there.
    std::fs::write(deployment.file("planted"), format!("{{\"hash\":\"{}\"}}", SECOND.1.to_lowercase()))
        .expect("written");
    let mut again = secrets.scan();
    again.folder(&deployment.folder, &["passwords.ldif"]);
    assert!(again.found().len() == 1 && again.found()[0].contains("lower-case digits"), "{:?}", again.found());
}
