//! The export desk of Connect mode on a rehearsal tenant for Graph and a scripted provisioning service: what is sent, and what
//! an answer comes to.

use super::ConnectMode;
use super::scripted::Scripted;
use crate::client::GraphClient;
use crate::provisioning::{CloudAnchor, DirSyncFeatures, SyncKind, SyncOutcome};
use crate::settings::{Mode, Settings};
use azure_ad_emulator::{RehearsalTenant, RunningTenant, SeedSource, TenantOptions};
use connector_contract::{CreateRequest, ExportItem, ExportOperation, ExportOutcome, ReferenceChange, UpdateRequest};
use expect_test::{Expect, expect};
use metaverse_schema::{
    Anchor, Attributes, AttributesDelta, ObjectType, Setting, SettingValue, SettingsTable, Value, Values,
};
use std::sync::Arc;

const CLIENT_ID: &str = "11111111-2222-4333-8444-555555555555";
const SECRET: &str = "for rehearsals only";
const ANN: &str = "00000000-0000-4000-8000-0000000000a1";
const BOB: &str = "00000000-0000-4000-8000-0000000000b1";
const CREW: &str = "00000000-0000-4000-8000-0000000000c1";
const LIST: &str = "00000000-0000-4000-8000-0000000000d1";

struct World {
    tenant: RunningTenant,
    mode: ConnectMode,
    service: Arc<Scripted>,
    _secret: tempfile::NamedTempFile,
}

/// References that a test sends are there already: the scripted service writes none, and fresh ones are looked for.
async fn world(service: Scripted) -> World {
    let seed = serde_json::json!({
        "domains": [{"name": "contoso.onmicrosoft.com", "initial": true}, {"name": "contoso.com", "default": true}],
        "applications": [{"clientId": CLIENT_ID, "clientSecret": SECRET, "permissions": ["User.ReadWrite.All",
            "User-OnPremisesSyncBehavior.ReadWrite.All", "Group-OnPremisesSyncBehavior.ReadWrite.All",
            "Group.ReadWrite.All", "OrgContact.Read.All", "Organization.Read.All", "Domain.Read.All"]}],
        "users": [
            {"id": ANN, "displayName": "Ann", "userPrincipalName": "ann@contoso.com", "mail": "ann@contoso.com",
                "mailNickname": "annie", "manager": BOB, "proxyAddresses": ["SMTP:ann@contoso.com"], "accountEnabled": true},
            {"id": BOB, "displayName": "Bob", "userPrincipalName": "bob@contoso.com", "accountEnabled": true,
                "onPremisesImmutableId": "anchor-bob", "onPremisesSyncEnabled": true}],
        "groups": [{"id": CREW, "displayName": "Crew", "mailNickname": "crew", "mailEnabled": false, "securityEnabled": true,
            "members": [BOB]}]});
    let options = TenantOptions { seed: Some(SeedSource::Json(seed)), ..TenantOptions::default() };
    let tenant = RehearsalTenant::start(options).await.unwrap();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), SECRET).unwrap();
    let setting = |value| Setting { value, span: 0..0 };
    let mut table = SettingsTable::default();
    for (name, value) in [
        ("tenant", tenant.tenant_id().to_string()),
        ("client_id", CLIENT_ID.to_owned()),
        ("client_secret", format!("file:{}", secret.path().display())),
        ("graph_url", tenant.graph_url()),
        ("authority_url", tenant.base_url().to_owned()),
    ] {
        table.entries.insert(name.to_owned(), setting(SettingValue::Text(value)));
    }
    let mut own = SettingsTable::default();
    own.entries.insert("machine_id".to_owned(), setting(SettingValue::Text(LIST.to_owned())));
    table.entries.insert("provisioning".to_owned(), setting(SettingValue::Table(own)));
    let mut settings = Settings::read(&table).unwrap();
    settings.mode = Mode::Connect;
    let graph = GraphClient::new(settings).unwrap();
    let service = Arc::new(service);
    let mode = ConnectMode::new(&graph, service.clone());
    World { tenant, mode, service, _secret: secret }
}

fn accepted(kind: SyncKind, id: &str) -> SyncOutcome {
    SyncOutcome::Accepted { cloud_anchor: Some(CloudAnchor::new(kind, id)) }
}

fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    let mut attributes = Attributes::new();
    for (name, value) in pairs {
        match *value {
            "true" => attributes.set(*name, Value::Boolean(true)),
            text => attributes.set(*name, Value::text(text)),
        }
    }
    attributes
}

fn delta(pairs: &[(&str, &str)]) -> AttributesDelta {
    let mut delta = AttributesDelta::default();
    for (name, value) in pairs {
        let values =
            if value.is_empty() { Values::default() } else { attributes(&[(name, value)]).get(name).cloned().unwrap() };
        delta.set(*name, values);
    }
    delta
}

fn reference(attribute: &str, target: &str, target_type: &str, add: bool) -> ReferenceChange {
    ReferenceChange {
        attribute: attribute.into(),
        target: Anchor::Text(target.to_owned()),
        target_dn: None,
        target_type: target_type.into(),
        add,
    }
}

fn item(id: i64, class: &str, operation: ExportOperation, named_by: &[(&str, &str)]) -> ExportItem {
    ExportItem { id, object_type: ObjectType::new(class), operation, named_by: attributes(named_by) }
}

fn update(anchor: &str, changes: &[(&str, &str)], references: Vec<ReferenceChange>) -> UpdateRequest {
    UpdateRequest {
        anchor: Anchor::Text(anchor.to_owned()),
        dn: None,
        changes: delta(changes),
        references,
        afterwards: AttributesDelta::default(),
        reclaims: false,
    }
}

/// Exports the items; what was sent and what came of it.
async fn told(world: &World, items: &[ExportItem]) -> String {
    let mut outcomes = world.mode.export(items).await.unwrap();
    outcomes.sort_by_key(|(id, _)| *id);
    let mut lines: Vec<String> = world.service.asked();
    for (id, outcome) in outcomes {
        lines.push(match outcome {
            ExportOutcome::Accepted { anchor, failed_references } => {
                let failed: Vec<String> = failed_references
                    .iter()
                    .map(|(change, problem)| format!("{} {}", change.target, problem.code))
                    .collect();
                let anchor = anchor.map(|anchor| anchor.to_string()).unwrap_or_default();
                format!("{id}: accepted {anchor} {}", failed.join(", ")).trim_end().to_owned()
            }
            ExportOutcome::Refused(problem) => format!("{id}: refused {}", problem.code),
            ExportOutcome::NotSettled { may_have_arrived, .. } => {
                format!("{id}: not settled, may have arrived: {may_have_arrived}")
            }
        });
    }
    lines.join("\n")
}

async fn check(service: Scripted, items: &[ExportItem], expected: Expect) -> World {
    let world = world(service).await;
    expected.assert_eq(&told(&world, items).await);
    world
}

/// Creates: the anchor of each kind, "synchronised" said by the sending itself; what the service answers with is the anchor.
#[tokio::test]
async fn new_objects_are_set_under_their_anchor() {
    let user = CreateRequest {
        attributes: attributes(&[
            ("onPremisesImmutableId", "anchor-new"),
            ("onPremisesSyncEnabled", "true"),
            ("userPrincipalName", "new@contoso.com"),
        ]),
        references: vec![reference("manager", BOB, "user", true)],
        dn: None,
    };
    let contact = CreateRequest {
        attributes: attributes(&[("sourceAnchor", "anchor-pat"), ("displayName", "Pat")]),
        ..CreateRequest::default()
    };
    let nameless = CreateRequest { attributes: attributes(&[("displayName", "Nobody")]), ..CreateRequest::default() };
    check(
        Scripted::answering(vec![accepted(SyncKind::User, ANN), accepted(SyncKind::Contact, LIST)]),
        &[
            item(1, "user", ExportOperation::Create(user), &[]),
            item(2, "contact", ExportOperation::Create(contact), &[]),
            item(3, "group", ExportOperation::Create(nameless), &[]),
        ],
        expect![[r#"
            Set User SourceAnchor=Text("anchor-new") userPrincipalName=Text("new@contoso.com") manager=Text("anchor-bob")
            Set Contact SourceAnchor=Text("anchor-pat") displayName=Text("Pat")
            1: accepted 00000000-0000-4000-8000-0000000000a1
            2: accepted 00000000-0000-4000-8000-0000000000d1
            3: refused missing-anchor-component"#]],
    )
    .await;
}

/// A synchronised object is written under the anchor that the engine holds: changes alone, a cleared value as nil, members by
/// the service's own anchors. A manager that is not synchronised is a failed reference and touches nothing.
#[tokio::test]
async fn synchronised_objects_get_their_changes() {
    let synced = [("onPremisesImmutableId", "anchor-bob"), ("onPremisesSyncEnabled", "true")];
    let group = [("sourceAnchor", "anchor-crew"), ("onPremisesSyncEnabled", "true")];
    let members = vec![reference("members", BOB, "user", true), reference("members", LIST, "contact", false)];
    let manager = vec![reference("manager", ANN, "user", true)];
    check(
        Scripted::answering(vec![accepted(SyncKind::User, BOB), accepted(SyncKind::Group, CREW)]),
        &[
            item(1, "user", ExportOperation::Update(update(BOB, &[("department", ""), ("jobTitle", "Chef")], manager)), &synced),
            item(2, "group", ExportOperation::Update(update(CREW, &[], members)), &group),
            item(3, "group", ExportOperation::Update(update(CREW, &[("displayName", "x")], Vec::new())), &group[1..]),
        ],
        expect![[r#"
            Set User SourceAnchor=Text("anchor-bob") department=Nil title=Text("Chef")
            Set Group SourceAnchor=Text("anchor-crew") member=References([ReferenceDelta { target: Cloud(CloudAnchor { kind: User, object_id: "00000000-0000-4000-8000-0000000000b1" }), add: true }, ReferenceDelta { target: Cloud(CloudAnchor { kind: Contact, object_id: "00000000-0000-4000-8000-0000000000d1" }), add: false }])
            1: accepted  00000000-0000-4000-8000-0000000000a1 dn-attributes-failure
            2: accepted
            3: refused missing-anchor-component"#]],
    )
    .await;
}

fn takeover() -> ExportItem {
    let mut request = update(ANN, &[("department", "Sales")], vec![reference("manager", BOB, "user", true)]);
    request.afterwards = delta(&[("onPremisesImmutableId", "anchor-ann")]);
    item(1, "user", ExportOperation::Update(request), &[])
}

/// A takeover sends what the service matches by besides the changes, and the alias, which it would compute anew, and its references only once the answer has proven that
/// it is the object which the engine matched.
#[tokio::test]
async fn a_takeover_is_proven_before_anything_follows() {
    check(
        Scripted::answering(vec![accepted(SyncKind::User, ANN), accepted(SyncKind::User, ANN)]),
        &[takeover()],
        expect![[r#"
            Set User SourceAnchor=Text("anchor-ann") department=Text("Sales") displayName=Text("Ann") mail=Text("ann@contoso.com") alias=Text("annie") proxyAddresses=Texts(["SMTP:ann@contoso.com"]) userPrincipalName=Text("ann@contoso.com")
            Set User SourceAnchor=Text("anchor-ann") manager=Text("anchor-bob")
            1: accepted"#]],
    )
    .await;
}

/// The service matched, or made, another object: both are named and nothing further is written.
#[tokio::test]
async fn a_takeover_of_another_object_is_an_error_that_names_both() {
    let world = world(Scripted::answering(vec![accepted(SyncKind::User, LIST)])).await;
    let outcomes = world.mode.export(&[takeover()]).await.unwrap();
    let [(1, ExportOutcome::Refused(problem))] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert_eq!(problem.code, "matched-another-object");
    assert!(problem.message.contains(ANN) && problem.message.contains(LIST), "{}", problem.message);
    assert_eq!(world.service.asked().len(), 1, "the references must not follow");
}

/// A switch of the tenant that is in the way is named before anything is sent.
#[tokio::test]
async fn a_blocked_takeover_sends_nothing() {
    let blocked = Scripted::answering(Vec::new()).with_features(DirSyncFeatures::BLOCK_SOFT_MATCH);
    check(blocked, &[takeover()], expect!["1: refused InvalidSoftMatch"]).await;
}

/// SF30, SF4: deletes go by source anchor; what the cloud masters again is left alone; a group that was never synchronised goes
/// over Graph, as the service would not know it.
#[tokio::test]
async fn deletes_go_where_the_object_is_known() {
    let delete = |id: &str| ExportOperation::Delete { anchor: Anchor::Text(id.to_owned()) };
    let mastered = [("onPremisesImmutableId", "anchor-ann"), ("blockOnPremisesSync", "true")];
    let synced = [("onPremisesImmutableId", "anchor-bob"), ("onPremisesSyncEnabled", "true")];
    let detach = ExportOperation::Detach { anchor: Anchor::Text(BOB.to_owned()) };
    let world = check(
        Scripted::answering(vec![SyncOutcome::Accepted { cloud_anchor: None }]),
        &[
            item(1, "user", delete(BOB), &synced),
            item(2, "user", delete(ANN), &mastered),
            item(3, "group", delete(CREW), &[]),
            item(4, "user", detach, &synced),
        ],
        expect![[r#"
            Delete User SourceAnchor=Text("anchor-bob")
            1: accepted
            2: refused limitation-cloud-mastered
            3: accepted
            4: refused limitation-detach"#]],
    )
    .await;
    assert_eq!(world.tenant.successful_writes(), 1, "the group, over Graph");
}

/// A deletion that a killed run had sent already: what neither the service nor Graph knows is deleted; what Graph shows stays
/// refused.
#[tokio::test]
async fn a_deletion_of_what_is_gone_is_done() {
    let delete = |id: &str| ExportOperation::Delete { anchor: Anchor::Text(id.to_owned()) };
    let synced = [("onPremisesImmutableId", "anchor-bob"), ("onPremisesSyncEnabled", "true")];
    let unknown = || SyncOutcome::Refused(crate::errors::problem("cd-missing-object", None, "114", "", true));
    check(
        Scripted::answering(vec![unknown(), unknown()]),
        &[
            item(1, "user", delete("00000000-0000-4000-8000-0000000000ff"), &synced),
            item(2, "user", delete(BOB), &synced),
        ],
        expect![[r#"
            Delete User SourceAnchor=Text("anchor-bob")
            Delete User SourceAnchor=Text("anchor-bob")
            1: accepted
            2: refused cd-missing-object"#]],
    )
    .await;
}

/// What was not answered is sent again: the service knows the object by its anchor.
#[tokio::test]
async fn what_was_not_answered_is_not_settled() {
    let synced = [("onPremisesImmutableId", "anchor-bob"), ("onPremisesSyncEnabled", "true")];
    let request = update(BOB, &[("jobTitle", "Chef")], Vec::new());
    check(
        Scripted::answering(Vec::new()),
        &[item(1, "user", ExportOperation::Update(request), &synced)],
        expect![[r#"
            Set User SourceAnchor=Text("anchor-bob") title=Text("Chef")
            1: not settled, may have arrived: true"#]],
    )
    .await;
}
