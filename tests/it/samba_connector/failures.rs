//! What an operator is told when the connection, the certificate, the credential, the base, a right or the domain
//! controller itself is not as it should be.

use super::world::{
    PASSWORD, Space, connector, connector_with_password, delta, domain, full, list, sales, text, viewing,
};
use connector_active_directory::ActiveDirectory;
use connector_contract::{Connector, ConnectorError, ErrorKind, Severity};
use metasync_tests::lab::{DOMAIN, DomainController, script};
use metaverse_schema::{SettingValue, Sid, Value};
use std::path::Path;

async fn refused(connector: &ActiveDirectory) -> ConnectorError {
    full(connector, None).await.err().expect("the import is refused")
}

fn fingerprint(dc: &DomainController) -> String {
    let certificate = dc.folder.join("private/tls/cert.pem");
    let output = std::process::Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(certificate)
        .output()
        .expect("openssl runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().rsplit_once('=').expect("a fingerprint").1.to_owned()
}

/// LDAPS and StartTLS with the own CA, or with the pinned certificate; refused without, with the reason.
#[tokio::test(flavor = "multi_thread")]
async fn certificates() {
    let dc = domain("certificates");
    for encryption in ["ldaps", "starttls"] {
        let chosen = ("encryption", text(encryption));
        full(&connector(&dc, std::slice::from_ref(&chosen)), None).await.expect("with the lab's CA");
        let pinned = ("certificate_sha256", list(&[&fingerprint(&dc)]));
        full(&connector(&dc, &[chosen.clone(), ("ca_files", list(&[])), pinned]), None)
            .await
            .expect("with the pinned certificate");
        let wrong = ("certificate_sha256", list(&[&"ab".repeat(32)]));
        let error = refused(&connector(&dc, &[chosen.clone(), wrong])).await;
        assert!(error.message.contains("not in `certificate_sha256`"), "{error}");
        // Another authority than the one that signed it.
        let folder = dc.folder.join("other");
        let other = folder.join("ca").join("ca.pem");
        if !other.exists() {
            script("dc", &["cert", folder.join("x").to_str().expect("a path"), "x", "127.0.0.1"], None);
        }
        let authority = ("ca_files", list(&[other.to_str().expect("a path")]));
        let error = refused(&connector(&dc, &[chosen.clone(), authority])).await;
        assert_eq!(error.step_status(), "no-start-untrusted-certificate");
        assert!(error.message.contains("unknown CA") && error.remedy.contains("ca_files"), "{error}");
    }
    let error = refused(&connector(&dc, &[("ca_files", list(&["/nonexistent/ca.pem"]))])).await;
    assert_eq!(error.step_status(), "no-start-certificate-authority");
    // A server that asks for encryption, and settings that allow to send the password without.
    let open = [("encryption", text("none")), ("allow_unencrypted", SettingValue::Boolean(true))];
    let error = refused(&connector(&dc, &open)).await;
    assert_eq!(error.step_status(), "no-start-encryption-required", "{error}");
}

/// A certificate for another host, and one that has expired.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_do_not_fit() {
    let dc = domain("certificates_that_do_not_fit");
    let again = |name: &str, address: &str, days: &str| {
        dc.stop();
        script("dc", &["cert", &dc.folder_text(), name, address, days], None);
        dc.launch();
    };
    again("elsewhere.example", "127.0.0.99", "30");
    let error = refused(&connector(&dc, &[])).await;
    assert!(error.message.contains("name mismatch") && error.message.contains("elsewhere.example"), "{error}");
    // Ends the moment it begins.
    again("dc1.corp.contoso.example", &dc.address, "0");
    // Its last second must have passed; certificates know no smaller unit.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let error = refused(&connector(&dc, &[])).await;
    assert!(error.message.contains("expired"), "{error}");
}

/// The sub-code of Active Directory is named; one attempt is made, whatever the number of servers (SF23).
#[tokio::test(flavor = "multi_thread")]
async fn credentials() {
    let dc = domain("credentials");
    let wrong = connector_with_password(&dc, "not-the-password", &[("servers", list(&[&dc.address, "127.0.0.1:9"]))]);
    let error = refused(&wrong).await;
    assert_eq!((error.kind.clone(), error.step_status()), (ErrorKind::Credential, "no-start-credentials"));
    assert!(error.message.contains("wrong password") && error.message.contains("52e"), "{error}");
    assert!(!error.to_string().contains("not-the-password"));
    let modify = |change: &str| dc.seed(&format!("dn: CN=svc-sync,CN=Users,{DOMAIN}\nchangetype: modify\n{change}\n"));
    for (change, back, code) in [
        (
            "replace: userAccountControl\nuserAccountControl: 514",
            "replace: userAccountControl\nuserAccountControl: 512",
            "533",
        ),
        (
            "replace: accountExpires\naccountExpires: 130000000000000000",
            "replace: accountExpires\naccountExpires: 0",
            "701",
        ),
        ("replace: pwdLastSet\npwdLastSet: 0", "replace: pwdLastSet\npwdLastSet: -1", "773"),
    ] {
        modify(change);
        let error = refused(&connector(&dc, &[])).await;
        assert_eq!(error.kind, ErrorKind::Credential);
        assert!(error.message.contains(code), "{code}: {error}");
        modify(back);
    }
    full(&connector(&dc, &[]), None).await.expect("all is as it was");
    for account in ["svc-sync@corp.contoso.example", "CORP\\svc-sync", &format!("CN=svc-sync,CN=Users,{DOMAIN}")] {
        full(&connector(&dc, &[("bind_user", text(account))]), None).await.expect("every form of an account's name");
    }
}

/// Nothing listens; a host that does not exist; a port that does not speak TLS; a server that does not answer.
#[tokio::test(flavor = "multi_thread")]
async fn unreachable_servers() {
    let dc = domain("unreachable_servers");
    let at = |server: &str| {
        connector(&dc, &[("servers", list(&[server])), ("connect_timeout_seconds", SettingValue::Integer(1))])
    };
    let closed = format!("{}:9", dc.address);
    let tls = format!("{}:389", dc.address);
    for (server, word) in [
        (closed.as_str(), "nothing listens"),
        ("no-such-host.invalid", "no address"),
        (tls.as_str(), "does not speak TLS"),
    ] {
        let error = refused(&at(server)).await;
        assert_eq!(error.step_status(), "stopped-connectivity", "{error}");
        assert!(error.message.contains(word) && !error.remedy.is_empty(), "{error}");
    }
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let error = refused(&at(&silent.local_addr().expect("an address").to_string())).await;
    assert!(error.message.contains("no answer within 1 s"), "{error}");
    // The second server of the list serves the step.
    let both = connector(&dc, &[("servers", list(&[&closed, &dc.address]))]);
    full(&both, None).await.expect("the second server");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_base_is_named_with_the_right_one() {
    let dc = domain("a_wrong_base_is_named_with_the_right_one");
    let error = refused(&connector(&dc, &[("base", text("DC=corp,DC=wrong,DC=example"))])).await;
    assert_eq!(error.step_status(), "no-start-partition-not-configured");
    assert!(
        error.message.contains("no such object") && error.remedy.contains(&format!("base = \"{DOMAIN}\"")),
        "{error}"
    );
    full(&connector(&dc, &[("base", text(&DOMAIN.to_lowercase()))]), None).await.expect("case does not matter");
}

/// The right that is missing, and how to grant it.
#[tokio::test(flavor = "multi_thread")]
async fn missing_rights() {
    let dc = domain("missing_rights");
    let error = refused(&connector(&dc, &[("bind_user", text("CORP\\svc-plain")), ("view", text("dirsync"))])).await;
    assert_eq!(error.kind, ErrorKind::Permission);
    assert!(error.message.contains("Replicating Directory Changes") && error.remedy.contains("dsacls"), "{error}");
    // Without the right the automatic choice reads what the account may read.
    let automatic = connector(&dc, &[("bind_user", text("CORP\\svc-plain"))]);
    let (_, imported) = Space::of_full(&automatic).await;
    delta(&automatic, imported.watermark()).await.expect("a delta import");
    // A delta import that cannot see deletions would keep the deleted: it does not run.
    dc.rights(&["no-deleted-objects", "svc-plain"]);
    let error = delta(&automatic, imported.watermark()).await.err().expect("deletions cannot be seen");
    assert_eq!(error.kind, ErrorKind::Permission);
    assert!(error.message.contains("CN=Deleted Objects") && error.remedy.contains("dsacls"), "{error}");
    full(&automatic, None).await.expect("a full import sees what is left");
}

/// SF17: a domain controller put back to an older state continues no delta import; the full import that it asks for says why.
#[tokio::test(flavor = "multi_thread")]
async fn sf17_a_rolled_back_domain_controller() {
    let dc = domain("sf17_a_rolled_back_domain_controller");
    let snapshot = dc.copy("sf17_a_rolled_back_domain_controller");
    dc.seed(&format!("dn: CN=later,{0}\nchangetype: add\nobjectClass: user\nsAMAccountName: later\n\ndn: CN=Contact,{0}\nchangetype: delete\n", sales()));
    let (space, imported) = Space::of_full(&connector(&dc, &[])).await;
    assert!(space.find("later").is_some());
    dc.stop();
    snapshot.launch();
    let restored = connector(&snapshot, &[]);
    let error = delta(&restored, imported.watermark()).await.err().expect("it was rolled back");
    assert_eq!(error.kind, ErrorKind::FullImportRequired);
    assert!(error.message.contains("rolled back"), "{error}");
    let again = full(&restored, Some(imported.watermark())).await.expect("everything is read again");
    assert!(again.notes().contains(&"domain-controller-rolled-back"), "{:?}", again.end.notes);
    delta(&restored, again.watermark()).await.expect("from here on it continues");
}

/// SF17: another domain (or domain controller) under the same address continues nothing either.
#[tokio::test(flavor = "multi_thread")]
async fn sf17_another_invocation() {
    let dc = domain("sf17_another_invocation");
    let (_, imported) = Space::of_full(&connector(&dc, &[])).await;
    let text_of = &imported.watermark().0;
    let parsed: serde_json::Value = serde_json::from_str(text_of).expect("JSON");
    let invocation = parsed["invocation"].as_str().expect("the invocation id");
    let other = text_of.replace(invocation, "11111111-2222-3333-4444-555555555555");
    let error =
        delta(&connector(&dc, &[]), &connector_contract::Watermark(other.clone())).await.err().expect("refused");
    assert_eq!(error.kind, ErrorKind::FullImportRequired);
    assert!(error.message.contains("another domain controller"), "{error}");
    let again = full(&connector(&dc, &[]), Some(&connector_contract::Watermark(other))).await.expect("a full read");
    assert!(again.notes().contains(&"domain-controller-changed"), "{:?}", again.end.notes);
    // A cookie that the server does not know.
    let broken = connector_contract::Watermark(text_of.replacen("\"cookie\":\"", "\"cookie\":\"AAAA", 1));
    let error = delta(&connector(&dc, &[]), &broken).await.err().expect("the cookie is refused");
    assert_eq!(error.kind, ErrorKind::FullImportRequired, "{error}");
    let error = delta(&connector(&dc, &[]), &connector_contract::Watermark("nonsense".to_owned()))
        .await
        .err()
        .expect("unreadable");
    assert_eq!(error.kind, ErrorKind::FullImportRequired, "{error}");
}

/// SF20: the account that the deployment binds with, by its SID, however its name is written.
#[tokio::test(flavor = "multi_thread")]
async fn sf20_the_own_account_is_known_by_its_sid() {
    let dc = domain("sf20_the_own_account_is_known_by_its_sid");
    let dump = script("dump.py", &[&dc.folder_text(), "--filter", "(sAMAccountName=svc-sync)", "objectSid"], None);
    let dump: serde_json::Value = serde_json::from_str(dump.trim()).expect("JSON");
    use base64::Engine as _;
    let wanted = base64::engine::general_purpose::STANDARD
        .decode(dump["attributes"]["objectSid"][0].as_str().expect("a SID"))
        .expect("base64");
    for account in ["svc-sync@corp.contoso.example", "CORP\\svc-sync", &format!("CN=svc-sync,CN=Users,{DOMAIN}")] {
        let accounts = connector(&dc, &[("bind_user", text(account))]).own_accounts().await.expect("the account");
        assert_eq!(accounts.len(), 1);
        assert_eq!((accounts[0].attribute.as_str(), &accounts[0].value), ("objectSid", &Value::Binary(wanted.clone())));
        assert!(Sid::from_slice(&wanted).is_ok() && accounts[0].name.contains(account), "{accounts:?}");
    }
}

/// `check` says what a run would need; nothing else is an error.
#[tokio::test(flavor = "multi_thread")]
async fn check_names_everything_that_is_missing() {
    let dc = domain("check_names_everything_that_is_missing");
    let found = |check: &connector_contract::Check, code: &str| {
        check.findings.iter().filter(|finding| finding.code == code).map(|finding| finding.severity).max()
    };
    let good = connector(&dc, &[]).check().await;
    assert!(good.findings.iter().all(|finding| finding.severity == Severity::Ok), "{good:#?}");
    for code in
        ["domain-controller", "certificate-days-left", "clock-skew", "containers", "view", "deletions", "own-account"]
    {
        assert_eq!(found(&good, code), Some(Severity::Ok), "{code}");
    }
    dc.rights(&["no-deleted-objects", "svc-plain"]);
    let plain = connector(
        &dc,
        &[("bind_user", text("CORP\\svc-plain")), ("attributes", list(&["mail", "memberOf", "nonsense"]))],
    )
    .check()
    .await;
    assert_eq!(found(&plain, "right-missing"), Some(Severity::Error), "{plain:#?}");
    assert_eq!(found(&plain, "attribute-not-imported"), Some(Severity::Warning), "{plain:#?}");
    let wrong = connector_with_password(&dc, "wrong", &viewing("dirsync")).check().await;
    assert_eq!(found(&wrong, "credential-refused"), Some(Severity::Error), "{wrong:#?}");
    assert!(Path::new(&dc.folder).exists() && !format!("{wrong:?}{plain:?}{good:?}").contains(PASSWORD));
    let nowhere = connector(&dc, &[("include_containers", list(&["OU=Nowhere,DC=x"]))]).check().await;
    assert_eq!(found(&nowhere, "partition-not-configured"), Some(Severity::Error), "{nowhere:#?}");
}
