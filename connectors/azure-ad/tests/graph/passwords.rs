//! Password hashes to the rehearsal tenant (7, B.6): what it takes, what it refuses of whom, what a broken or throttled
//! exchange changes, and that a hash is nowhere to be read afterwards.

use super::world::{World, attributes, permissions, world, world_with};
use azure_ad_emulator::{FaultAction, FaultRule, Knobs};
use connector_azure_ad::{Mode, Settings};
use connector_contract::{
    Connector as _, CreateRequest, ErrorKind, ExportItem, ExportOperation, ExportOutcome, NtHash, PasswordOutcome,
    PasswordPush, PasswordTarget,
};
use metaverse_schema::{Anchor, Attributes, ObjectType};
use serde_json::{Value, json};

const OURS: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const CLOUD: &str = "77777771-7777-4777-8777-777777777777";

async fn connect_world(change: impl FnOnce(&mut Settings)) -> World {
    let cloud = json!({"id": CLOUD, "userPrincipalName": "cloud@contoso.com", "displayName": "Cloud"});
    let seed = json!({"tenant": {"onPremisesSyncEnabled": true}, "users": [cloud]});
    let mut all = permissions();
    all.push("ADSynchronization.ReadWrite.All");
    world_with(seed, all, Knobs::default(), |settings| {
        settings.mode = Mode::Connect;
        settings.provisioning.machine_id = Some(OURS.to_owned());
        change(settings);
    })
    .await
}

fn target(world: &World) -> &dyn PasswordTarget {
    world.connector.password_target().unwrap()
}

/// Makes a synchronised user.
async fn synchronised(world: &World, name: &str) -> Anchor {
    let attributes = attributes(&[
        ("onPremisesImmutableId", &format!("{name}Anchor")),
        ("onPremisesSyncEnabled", "true"),
        ("userPrincipalName", &format!("{name}@contoso.com")),
        ("displayName", name),
        ("accountEnabled", "true"),
    ]);
    let create = CreateRequest { dn: None, attributes, references: Vec::new() };
    let operation = ExportOperation::Create(create);
    let item = ExportItem { id: 1, object_type: ObjectType::new("user"), operation, named_by: Attributes::new() };
    match world.connector.exporter().unwrap().export(&[item]).await.unwrap().remove(0) {
        (1, ExportOutcome::Accepted { anchor: Some(anchor), .. }) => anchor,
        other => panic!("{other:?}"),
    }
}

/// The NT hash of `Password1!` (section C).
fn hash() -> NtHash {
    NtHash::new([0x7f, 0xac, 0xdc, 0x49, 0x8e, 0xd1, 0x68, 0x0c, 0x4f, 0xd1, 0x44, 0x83, 0x19, 0xa8, 0xc0, 0x4f])
}

fn push(id: i64, anchor: &Anchor, must_change: bool) -> PasswordPush {
    PasswordPush { id, anchor: anchor.clone(), hash: hash(), changed: Some(1_767_323_045), must_change }
}

/// One password; what became of it.
async fn one(world: &World, anchor: &Anchor, must_change: bool) -> PasswordOutcome {
    let mut outcomes = target(world).set_passwords(vec![push(7, anchor, must_change)]).await.unwrap();
    assert_eq!((outcomes.len(), outcomes[0].0), (1, 7));
    outcomes.remove(0).1
}

/// A tenant that does not take hashes is said to, once for all of them and with the way out; an operator's order switches it on
/// and leaves everything else as it is.
#[tokio::test]
async fn a_tenant_that_takes_no_hashes_is_told_and_switched_on_by_order() {
    let world = connect_world(|_| {}).await;
    let ann = synchronised(&world, "ann").await;
    let off = target(&world).set_passwords(vec![push(1, &ann, false)]).await.unwrap_err();
    assert_eq!(off.kind, ErrorKind::CannotStart { status: "no-start-password-sync-off" }, "{off}");
    assert!(off.to_string().contains("metasync passwords switch-on"), "{off}");
    assert_eq!(target(&world).ping().await.unwrap_err().kind, off.kind);
    let check = world.connector.check().await;
    assert!(check.findings.iter().any(|finding| finding.code == "password-sync-off"));

    let before = world.tenant.knobs().features;
    assert!(target(&world).switch_on().await.unwrap());
    assert!(!target(&world).switch_on().await.unwrap(), "it was on");
    target(&world).ping().await.unwrap();
    let mut after = world.tenant.knobs().features;
    assert_eq!(after.insert("passwordSyncEnabled".to_owned(), false), Some(true));
    assert_eq!(after, before);
    assert_eq!(one(&world, &ann, false).await, PasswordOutcome::Accepted);

    // Switched off again by somebody: the first refusal tells, and what was read of the tenant counts no more.
    world.tenant.update_knobs(|knobs| _ = knobs.features.insert("passwordSyncEnabled".to_owned(), false)).unwrap();
    let refused = one(&world, &ann, false).await;
    assert!(matches!(&refused, PasswordOutcome::Refused { code, retry: true, .. } if code == "password-sync-off"));
    assert_eq!(target(&world).set_passwords(vec![push(1, &ann, false)]).await.unwrap_err().kind, off.kind);
}

/// P43, B.6: whom the tenant does not know as a synchronised user waits; others of the same batch go.
#[tokio::test]
async fn p43_each_password_has_an_outcome_of_its_own() {
    let world = connect_world(|_| {}).await;
    target(&world).switch_on().await.unwrap();
    let ann = synchronised(&world, "ann").await;
    let unknown = Anchor::Text("99999999-7777-4777-8777-777777777777".to_owned());
    let batch = vec![
        push(1, &Anchor::Text(CLOUD.to_owned()), false),
        push(2, &ann, false),
        push(3, &unknown, false),
        push(4, &Anchor::Text("CN=ann".to_owned()), false),
        push(5, &ann, true),
    ];
    let mut outcomes = target(&world).set_passwords(batch).await.unwrap();
    outcomes.sort_by_key(|(id, _)| *id);
    let shown: Vec<String> = outcomes
        .into_iter()
        .map(|(id, outcome)| match outcome {
            PasswordOutcome::Accepted => format!("{id} accepted"),
            PasswordOutcome::Filtered { message } => format!("{id} filtered: {}", &message[..28]),
            PasswordOutcome::NotThere { message } => format!("{id} not there: {}", &message[..40]),
            PasswordOutcome::Refused { code, retry, .. } => format!("{id} refused: {code} {retry}"),
        })
        .collect();
    expect_test::expect![[r#"
        1 not there: result 4: The password change request co
        2 accepted
        3 not there: result 2: The object was not found; it m
        4 refused: invalid-anchor false
        5 filtered: the user must choose another"#]]
    .assert_eq(&shown.join("\n"));
    let stored = world.stored("users", "ann");
    assert_eq!(stored["lastPasswordChangeDateTime"], "2026-01-02T03:04:05Z", "when it was changed in the directory");
    assert_eq!(stored["passwordPolicies"], "DisablePasswordExpiration");
}

/// P25: a temporary password goes where the tenant takes temporary ones, and takes the order along.
#[tokio::test]
async fn p25_a_temporary_password_goes_where_the_tenant_takes_them() {
    let world = connect_world(|_| {}).await;
    target(&world).switch_on().await.unwrap();
    let ann = synchronised(&world, "ann").await;
    assert!(matches!(one(&world, &ann, true).await, PasswordOutcome::Filtered { .. }));
    assert_eq!(world.stored("users", "ann")["lastPasswordChangeDateTime"], Value::Null, "nothing was sent");
    let forcing =
        |knobs: &mut Knobs| _ = knobs.features.insert("userForcePasswordChangeOnLogonEnabled".to_owned(), true);
    world.tenant.update_knobs(forcing).unwrap();
    target(&world).ping().await.unwrap();
    assert_eq!(one(&world, &ann, true).await, PasswordOutcome::Accepted);
    assert_eq!(world.stored("users", "ann")["passwordProfile"]["forceChangePasswordNextSignIn"], true);
    assert_eq!(one(&world, &ann, false).await, PasswordOutcome::Accepted);
    assert_eq!(world.stored("users", "ann")["passwordProfile"]["forceChangePasswordNextSignIn"], false);
}

/// P15: a throttled, a lost and a cut-off exchange are repeated until the tenant has said what became of each password.
#[tokio::test]
async fn p15_broken_and_throttled_exchanges_are_repeated() {
    let world = connect_world(|_| {}).await;
    target(&world).switch_on().await.unwrap();
    let ann = synchronised(&world, "ann").await;
    target(&world).ping().await.unwrap();
    let status = |status| FaultAction::Status { status, code: None, retry_after_s: None, applied: false };
    for fault in
        [FaultAction::ResetBefore, FaultAction::ResetAfter, FaultAction::TruncateBody, status(429), status(503)]
    {
        let path = Some("provisioningservice.svc".to_owned());
        let rule = FaultRule { method: None, path, nth: Some(1), times: None, action: fault.clone() };
        world.tenant.play_faults(vec![rule]);
        world.tenant.clear_request_log();
        assert_eq!(one(&world, &ann, false).await, PasswordOutcome::Accepted, "{fault:?}");
        assert_eq!(world.requests("POST", "/provisioningservice.svc"), 2, "{fault:?}");
    }
}

/// Whatever the service tells and however much is logged, no hash is in it: neither in the process's log nor in the tenant's.
#[tokio::test]
async fn no_hash_reaches_a_log_or_a_message() {
    let world = connect_world(|_| {}).await;
    target(&world).switch_on().await.unwrap();
    let ann = synchronised(&world, "ann").await;
    let lines = Lines::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(lines.clone()).finish();
    let logging = tracing::subscriber::set_default(subscriber);
    let path = Some("provisioningservice.svc".to_owned());
    let action = FaultAction::ResetAfter;
    world.tenant.play_faults(vec![FaultRule { method: None, path, nth: Some(1), times: None, action }]);
    let outcomes = target(&world).set_passwords(vec![push(1, &ann, false), push(2, &ann, true)]).await;
    drop(logging);
    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("trying again"), "the log was listened to: {logged}");
    let tenant: Vec<String> = world.tenant.request_log().iter().map(|request| format!("{request:?}")).collect();
    let told = format!("{outcomes:?} {logged} {} {:?}", tenant.concat(), hash()).to_ascii_uppercase();
    // The hash in either form, its beginning in decimals, and how Azure AD's string begins.
    for secret in ["PPH1", "7FACDC49", "127, 172, 220"] {
        assert!(!told.contains(secret), "{secret} is told");
    }
}

#[derive(Clone, Default)]
struct Lines(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

/// SF25: nothing is sent while the tenant's synchronisation is off, whatever was read of its switches before.
#[tokio::test]
async fn sf25_no_password_goes_while_synchronisation_is_off() {
    let world = connect_world(|_| {}).await;
    target(&world).switch_on().await.unwrap();
    let ann = synchronised(&world, "ann").await;
    world.tenant.update_knobs(|knobs| knobs.sync = Some(azure_ad_emulator::SyncState::Off)).unwrap();
    let error = target(&world).set_passwords(vec![push(1, &ann, false)]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::CannotStart { status: "no-start-synchronisation-off" }, "{error}");
    assert_eq!(world.stored("users", "ann")["lastPasswordChangeDateTime"], Value::Null);
}

/// Section 0: Graph takes no hashes; `check` says so by name.
#[tokio::test]
async fn graph_mode_takes_no_passwords_and_says_so() {
    let world = world(json!({})).await;
    assert!(world.connector.password_target().is_none());
    let check = world.connector.check().await;
    let said = check.findings.iter().find(|finding| finding.code == "limitation-password").unwrap();
    assert!(said.message.starts_with("Graph mode: password hashes cannot be synchronised"), "{}", said.message);
}

/// SF23: the breaker's name of the credential tells a renewed secret from the one before, and holds no secret.
#[tokio::test]
async fn sf23_the_credential_is_named_without_its_secret() {
    let world = connect_world(|_| {}).await;
    let mark = || target(&world).credential().unwrap();
    let before = mark();
    let name = &before.name;
    assert!(name.starts_with("application 11111111-2222-4333-8444-555555555555 of tenant "), "{name}");
    assert!(!name.contains(super::world::SECRET), "{name}");
    assert_eq!(mark(), before);
    assert_eq!(world.connector.credential(), Some(before.clone()), "imports and exports sign in with the same one");
    std::fs::write(world.secret.path(), "another made-up secret").unwrap();
    assert_ne!(mark().stamp, before.stamp);
    assert_eq!(mark().name, before.name, "the breaker finds the credential again");
}
