//! The tenant's own state as an operator meets it: switched by an administrator, shown when it changed, approved; and a tenant
//! that was left alone for longer than its delta tokens live.

use super::files::{deployment, tenant};
use metasync_tests::operator::Deployment;
use metasync_tests::people::ldif;
use metasync_tests::tenant::Tenant;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

const ADMIN: &str = "admin@contoso.example";

fn with_an_administrator() -> Tenant {
    let admin = json!({ "userPrincipalName": ADMIN, "displayName": "Admin",
        "roles": { "active": ["Hybrid Identity Administrator"] } });
    let tenant = tenant(json!([admin]));
    tenant.running.update_knobs(|knobs| knobs.device_code_interval_s = 1).expect("knobs");
    tenant
}

/// One request to the tenant's control port.
fn control(tenant: &Tenant, method: &str, body: &Value) -> Value {
    let mut stream = TcpStream::connect(tenant.running.address()).expect("the tenant listens");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!(
        "{method} /_tenant/device-codes HTTP/1.1\r\nhost: tenant\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    let body = reply.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or(Value::Null)
}

/// Runs a command that waits for a sign-in, and plays the administrator at the other screen.
fn signed_in(deployment: &Deployment, tenant: &Tenant, arguments: &[&str]) -> Value {
    std::thread::scope(|scope| {
        let command = scope.spawn(|| deployment.json(arguments, &[0]));
        let until = Instant::now() + Duration::from_secs(60);
        let code = loop {
            assert!(Instant::now() < until, "no code was asked for");
            let open = control(tenant, "GET", &Value::Null);
            match open["open"][0]["userCode"].as_str() {
                Some(code) => break code.to_owned(),
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        control(tenant, "POST", &json!({ "userCode": code, "user": ADMIN }));
        command.join().expect("the command ends")
    })
}

/// Files below a folder that hold a text.
fn holding(folder: &Path, text: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if std::fs::read(&path).expect("a file").windows(text.len()).any(|window| window == text) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// SF25 (A.10): an administrator switches synchronisation on; the next export stops, shows it and waits; approved, it goes on.
#[test]
fn sf25_a_switched_tenant_is_shown_and_approved() {
    let tenant = with_an_administrator();
    let deployment = deployment(&tenant, &ldif(1..=2), "automatic");
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    let state = |ran: Value| ran["result"]["synchronisation"].as_str().unwrap_or_default().to_owned();
    assert_eq!(state(deployment.json(&["tenant-sync", "status"], &[0])), "never");
    assert_eq!(state(signed_in(&deployment, &tenant, &["tenant-sync", "on", "--every-seconds", "1"])), "on");
    // The beginning of every token: {"typ":"JWT" in base64.
    assert_eq!(holding(&deployment.folder, b"eyJ0eXAiOiJKV1Qi"), Vec::<String>::new(), "a token stands in no file");

    std::fs::write(deployment.file("people.ldif"), ldif(1..=3)).expect("written");
    tenant.forget_requests();
    let stopped = deployment.run(&["cycle", "delta"]).expect(&[3]);
    assert_eq!(tenant.writes(), 0);
    let pending = deployment.run(&["pending", "cloud"]).expect(&[0]);
    assert!(pending.out.contains("directory synchronisation") && pending.out.contains("never on"), "{}", pending.out);
    let words: Vec<&str> = stopped.out.split_whitespace().collect();
    let digest =
        words.windows(2).find(|pair| pair[0] == "approve").map(|pair| pair[1].trim_matches('`')).expect("a digest");
    deployment.run(&["approve", digest]).expect(&[0]);
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    assert!(tenant.users().contains_key("person3@contoso.example"));

    // Nobody switches off without having read what that means.
    let refused = deployment.run(&["tenant-sync", "off"]).expect(&[1]);
    assert!(refused.err.contains("72 hours"), "{}", refused.err);
    let off = signed_in(&deployment, &tenant, &["tenant-sync", "off", "--yes", "--wait-minutes", "0"]);
    assert!(["pending-off", "off"].contains(&state(off).as_str()));
}

/// F.21: a tenant that was left alone for longer than its tokens live is read whole by the cycle itself, and ends the same.
#[test]
fn f21_a_token_that_grew_too_old_makes_the_cycle_read_everything() {
    let tenant = tenant(json!([]));
    let deployment = deployment(&tenant, &ldif(1..=3), "automatic");
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    let before = deployment.run(&["dump", "cloud"]).expect(&[0]).out;
    tenant.running.advance_clock(Duration::from_secs(8 * 86_400));
    tenant.forget_requests();
    let cycle = deployment.run(&["cycle", "delta"]).expect(&[0]);
    let of_cloud = cycle.out.lines().filter(|line| line.trim_start().starts_with("cloud "));
    assert!(of_cloud.clone().any(|line| line.contains("full-import")), "{}", cycle.out);
    assert_eq!(tenant.writes(), 0);
    assert_eq!(deployment.run(&["dump", "cloud"]).expect(&[0]).out, before);
}
