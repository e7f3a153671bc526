//! What an operator is told of each failure.

use super::*;
use crate::scripted;
use directory_replication::rpc::RpcError;
use expect_test::{Expect, expect};

/// The error as the operator reads it. `dirsync` is what the directory answers to the question after the first right.
async fn told_of(error: ServiceError, dirsync: Result<(), DirectoryError>) -> String {
    let (session, _) = scripted::session(move |_| dirsync.clone().map(|()| (vec![], vec![])));
    let circumstances = Circumstances {
        directory: session.directory.as_ref(),
        controller: &session.controller,
        account: "CORP\\svc-passwords",
        sid: "S-1-5-21-1-2-3-1104".parse().ok(),
    };
    let error = circumstances.explain(error).await;
    format!("{} {:?}\n{}\n{}\n", error.step_status(), error.kind, error.message, error.remedy)
}

async fn check(error: ServiceError, expect: Expect) {
    expect.assert_eq(&told_of(error, Ok(())).await);
}

fn denied() -> ServiceError {
    ServiceError::Drs(DrsError::Refused(refusal::ACCESS_DENIED))
}

/// Issue 6: which right, on which naming context, and how to grant it.
#[tokio::test]
async fn the_missing_right_is_the_one_that_is_named() {
    check(denied(), expect![[r#"
        no-start-permission Permission
        the account has the right Replicating Directory Changes on DC=corp,DC=example,DC=com and lacks Replicating Directory Changes All, without which no password hash is sent
        grant Replicating Directory Changes All on DC=corp,DC=example,DC=com: Windows: dsacls "DC=corp,DC=example,DC=com" /G "CORP\svc-passwords:CA;Replicating Directory Changes All"; Samba: samba-tool dsacl set --objectdn="DC=corp,DC=example,DC=com" --sddl="(OA;;CR;1131f6ad-9c07-11d1-f79f-00c04fc2dcd2;;S-1-5-21-1-2-3-1104)". Whoever holds both can read every password of the domain, like a domain administrator: use an account for this alone
    "#]]).await;
    let refused = DirectoryError::Refused { code: RC_ACCESS, text: String::new() };
    expect![[r#"
        no-start-permission Permission
        the account lacks the right Replicating Directory Changes on DC=corp,DC=example,DC=com; whether it has Replicating Directory Changes All shows only then
        grant Replicating Directory Changes and Replicating Directory Changes All on DC=corp,DC=example,DC=com: Windows: dsacls "DC=corp,DC=example,DC=com" /G "CORP\svc-passwords:CA;Replicating Directory Changes" "CORP\svc-passwords:CA;Replicating Directory Changes All"; Samba: samba-tool dsacl set --objectdn="DC=corp,DC=example,DC=com" --sddl="(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;S-1-5-21-1-2-3-1104)(OA;;CR;1131f6ad-9c07-11d1-f79f-00c04fc2dcd2;;S-1-5-21-1-2-3-1104)". Whoever holds both can read every password of the domain, like a domain administrator: use an account for this alone
    "#]].assert_eq(&told_of(denied(), Err(refused)).await);
    let lost = told_of(denied(), Err(DirectoryError::Lost("closed".to_owned()))).await;
    assert!(lost.contains("which of them could not be asked") && lost.contains("closed"), "{lost}");
}

#[tokio::test]
async fn ports_that_are_closed_name_what_must_be_let_through() {
    let refused = || TransportError::NoConnection(Some(io::ErrorKind::ConnectionRefused.into()));
    check(ServiceError::Unreachable { port: 135, error: refused() }, expect![[r#"
        stopped-connectivity Connection
        the endpoint mapper of dc1.corp.example.com cannot be reached at TCP port 135: nothing listens there (connection refused)
        check that the host is a domain controller and that a firewall lets TCP port 135 through; or name the service's own port in `passwords.rpc_port`
    "#]]).await;
    let silent = TransportError::NoConnection(None);
    check(ServiceError::Unreachable { port: 49_153, error: silent }, expect![[r#"
        stopped-connectivity Connection
        the replication service of dc1.corp.example.com cannot be reached at TCP port 49153: no answer
        let TCP ports 49152-65535 of the domain controller through the firewall, or fix the service's port on it (registry: NTDS\Parameters, "TCP/IP Port"; Samba: `rpc server port`) and let that one through
    "#]]).await;
    check(ServiceError::NotOffered, expect![[r#"
        stopped-connectivity Connection
        dc1.corp.example.com offers no replication service over TCP: it is no domain controller, or remote calls are closed
        name a domain controller in `servers`, and let remote calls (RPC) in on it
    "#]]).await;
}

#[tokio::test]
async fn what_else_may_go_wrong() {
    check(ServiceError::SignInRefused("fault 5".to_owned()), expect![[r#"
        no-start-credentials Credential
        dc1.corp.example.com accepts this account and password over LDAP and refuses them with NTLM (fault 5): NTLM is refused by policy
        let this account use NTLM on the domain controllers: it must not be in Protected Users, and "Network security: Restrict NTLM: NTLM authentication in this domain" needs an exception or must be off (Samba: `ntlm auth` in smb.conf)
    "#]]).await;
    let lost = TransportError::Lost(io::ErrorKind::UnexpectedEof.into());
    check(
        ServiceError::Transport(lost),
        expect![[r#"
        stopped-connectivity Connection
        the server closed the connection
        nothing was lost: the next pass begins where the last complete one ended
    "#]],
    )
    .await;
    check(
        ServiceError::Transport(TransportError::Rpc(RpcError::Signature)),
        expect![[r#"
        stopped-connectivity Protocol
        a signature does not fit: what came was changed on the way, or is not from the server
        check that the server is a domain controller and what lies between it and this machine
    "#]],
    )
    .await;
    check(
        ServiceError::Drs(DrsError::Refused(refusal::BAD_NAMING_CONTEXT)),
        expect![[r#"
        no-start-partition-not-configured CannotStart { status: "no-start-partition-not-configured" }
        it does not replicate the naming context DC=corp,DC=example,DC=com (error 8440)
        check `base`
    "#]],
    )
    .await;
    check(
        ServiceError::Drs(DrsError::Refused(refusal::BUSY)),
        expect![[r#"
        stopped-server BackOff { wait: 60s }
        it is busy with another replication (error 8430)
        try later
    "#]],
    )
    .await;
    check(
        ServiceError::Drs(DrsError::Refused(refusal::SOURCE_DISABLED)),
        expect![[r#"
        no-start-replication-disabled CannotStart { status: "no-start-replication-disabled" }
        outbound replication is switched off on it (error 8456)
        switch it on again: repadmin /options DC -DISABLE_OUTBOUND_REPL; or name another domain controller
    "#]],
    )
    .await;
}
