//! Who may read hashes: a wrong password, no right, one of the two, both; what `check` says of it, and that the commands it
//! prints are the right ones.

use super::world::{Using, connector, domain, guid_of, read, refused, source};
use connector_contract::{Connector, ConnectorError, ErrorKind, Severity};
use metasync_tests::lab::DomainController;
use metaverse_schema::Value;
use std::process::Command;

fn as_account(account: &str) -> Using<'_> {
    Using { account, ..Using::default() }
}

/// Carries out what the remedy says for Samba.
fn carry_out(dc: &DomainController, error: &ConnectorError) {
    let (_, command) = error.remedy.split_once("Samba: ").expect("a command for Samba");
    let (command, _) = command.split_once(". Whoever").expect("the command's end");
    let folder = dc.folder_text();
    let line = format!("{command} -H {folder}/private/sam.ldb --configfile={folder}/etc/smb.conf");
    let output = Command::new("sh").args(["-c", &line]).output().expect("a shell");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Issue 6: a missing right says which, on what, and how to grant it; what is granted as it says is enough.
#[tokio::test(flavor = "multi_thread")]
async fn each_missing_right_is_named_with_the_command_that_grants_it() {
    let dc = domain("each_missing_right_is_named_with_the_command_that_grants_it", 0);
    let plain = refused(&dc, &as_account("CORP\\svc-plain")).await;
    let changes = refused(&dc, &as_account("CORP\\svc-changes")).await;
    let all = refused(&dc, &as_account("CORP\\svc-all")).await;
    for error in [&plain, &changes, &all] {
        assert_eq!((&error.kind, error.step_status()), (&ErrorKind::Permission, "no-start-permission"));
        assert!(error.remedy.contains("dsacls \"DC=corp,DC=contoso,DC=example\" /G \"CORP\\svc-"), "{error}");
    }
    assert!(plain.message.contains("lacks the right Replicating Directory Changes on DC=corp,DC=contoso"), "{plain}");
    assert!(all.message.contains("lacks the right Replicating Directory Changes on"), "{all}");
    assert!(changes.message.contains("has the right Replicating Directory Changes on"), "{changes}");
    assert!(changes.message.contains("lacks Replicating Directory Changes All"), "{changes}");
    assert!(changes.remedy.starts_with("grant Replicating Directory Changes All on"), "{changes}");
    for (account, error) in [("CORP\\svc-plain", &plain), ("CORP\\svc-changes", &changes), ("CORP\\svc-all", &all)] {
        carry_out(&dc, error);
        let read = read(&connector(&dc, &as_account(account)), None).await;
        assert!(read.is_ok_and(|read| !read.changes.is_empty()), "{account} after {}", error.remedy);
    }
}

/// SF23: a refused credential is told by its reason, once, however many servers there are.
#[tokio::test(flavor = "multi_thread")]
async fn sf23_a_refused_credential_is_told_by_its_reason() {
    let dc = domain("sf23_a_refused_credential_is_told_by_its_reason", 0);
    let wrong = Using { password: "not-the-password", servers: vec![&dc.address, "127.0.0.1:9"], ..Using::default() };
    let error = refused(&dc, &wrong).await;
    assert_eq!((error.kind.clone(), error.step_status()), (ErrorKind::Credential, "no-start-credentials"));
    assert!(error.message.contains("52e") && error.remedy.contains("`passwords.account`"), "{error}");

    // SF20: the account of passwords is one of the deployment's own.
    let connector = connector(&dc, &Using::default());
    let own = connector.own_accounts().await.expect("the accounts");
    let names: Vec<&str> = own.iter().map(|account| account.name.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(names, ["CORP\\svc-sync", "CORP\\svc-passwords"]);
    assert!(own.iter().all(|account| account.attribute == "objectSid" && matches!(account.value, Value::Binary(_))));
    let _ = guid_of(&dc, "svc-passwords");

    // NTLM switched off: LDAP takes the same account and password.
    dc.stop();
    let file = dc.folder.join("etc/smb.conf");
    let before = std::fs::read_to_string(&file).expect("smb.conf");
    std::fs::write(&file, before.replace("[global]", "[global]\n\tntlm auth = disabled")).expect("smb.conf");
    dc.launch();
    let error = refused(&dc, &Using::default()).await;
    assert_eq!(error.kind, ErrorKind::Credential);
    assert!(error.message.contains("NTLM is refused by policy") && error.remedy.contains("Restrict NTLM"), "{error}");
    assert_eq!(source(&connector).opened(), 0);
}

/// `check` tries one object and says what the account is worth.
#[tokio::test(flavor = "multi_thread")]
async fn check_tries_it_and_says_what_the_account_is_worth() {
    let dc = domain("check_tries_it_and_says_what_the_account_is_worth", 0);
    let findings = async |using: &Using<'_>| {
        let check = connector(&dc, using).check().await;
        let about = |finding: &&connector_contract::CheckFinding| finding.message.contains("password hash");
        let about_passwords = check.findings.iter().filter(about);
        about_passwords.map(|finding| (finding.severity, finding.code.clone())).collect::<Vec<_>>()
    };
    let worth = (Severity::Warning, "passwords-account".to_owned());
    assert_eq!(findings(&Using::default()).await, [(Severity::Ok, "passwords".to_owned()), worth.clone()]);
    let plain = findings(&as_account("CORP\\svc-plain")).await;
    assert_eq!(plain, [(Severity::Error, "right-missing".to_owned()), worth]);
    let shared = connector(&dc, &as_account("corp\\SVC-sync")).check().await;
    assert!(shared.findings.iter().any(|finding| finding.code == "passwords-account-shared"));
}
