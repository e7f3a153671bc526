//! The client against the rehearsal tenant's service, which shares no code with it: two readings of one contract.

use azure_ad_emulator::{
    FaultAction, FaultRule, Knobs, ProvisioningRedirect, RehearsalTenant, RunningTenant, SeedSource, SyncState,
    TenantOptions,
};
use connector_azure_ad::Settings;
use connector_azure_ad::provisioning::{
    CloudAnchor, CredentialChange, CredentialOutcome, DirSyncFeatures, ProvisioningClient, ReferenceAnchor,
    ReferenceDelta, SyncKind, SyncObject, SyncOperation, SyncOutcome, SyncValue,
};
use connector_contract::{ErrorKind, Secret};
use metaverse_schema::{Setting, SettingValue, SettingsTable};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const CLIENT_ID: &str = "11111111-2222-4333-8444-555555555555";
const SECRET: &str = "for rehearsals only";
const HASH: &str =
    "v1;PPH1_MD4,00010203040506070809,1000,b6aaf0e7abbeeab83c17c7b7340b900902d66614d8a59d4800aec04ffb26fd8d;";

struct World {
    tenant: RunningTenant,
    client: ProvisioningClient,
    _secret: tempfile::NamedTempFile,
}

/// A tenant whose synchronisation is on, with the parts of `seed`.
async fn world(seed: Value, knobs: Knobs) -> World {
    world_with(seed, knobs, |_| {}).await
}

async fn world_with(mut seed: Value, knobs: Knobs, change: impl FnOnce(&mut Settings)) -> World {
    let domains =
        json!([{"name": "contoso.onmicrosoft.com", "initial": true}, {"name": "contoso.com", "default": true}]);
    let permissions = json!(["ADSynchronization.ReadWrite.All"]);
    seed["domains"] = domains;
    seed["applications"] = json!([{"clientId": CLIENT_ID, "clientSecret": SECRET, "permissions": permissions}]);
    let knobs = Knobs { sync: Some(SyncState::On), ..knobs };
    let options = TenantOptions { seed: Some(SeedSource::Json(seed)), knobs, ..TenantOptions::default() };
    let tenant = RehearsalTenant::start(options).await.unwrap();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), SECRET).unwrap();
    let text = |value: String| Setting { value: SettingValue::Text(value), span: 0..0 };
    let entries = [
        ("tenant", tenant.tenant_id().to_string()),
        ("client_id", CLIENT_ID.to_owned()),
        ("client_secret", format!("file:{}", secret.path().display())),
        ("graph_url", tenant.graph_url()),
        ("authority_url", tenant.base_url().to_owned()),
    ];
    let entries = entries.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect();
    let mut settings = Settings::read(&SettingsTable { entries, span: 0..0 }).unwrap();
    settings.backoff_base = Duration::from_millis(5);
    change(&mut settings);
    World { tenant, client: ProvisioningClient::new(settings).unwrap(), _secret: secret }
}

fn text(text: &str) -> SyncValue {
    SyncValue::Text(text.to_owned())
}

fn texts(texts: &[&str]) -> SyncValue {
    SyncValue::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
}

/// A user with the names that a create needs. Anchors are base64, as the directory's are.
fn person(anchor: &str, name: &str) -> SyncObject {
    SyncObject::set(SyncKind::User, anchor)
        .with("userPrincipalName", text(&format!("{name}@contoso.com")))
        .with("displayName", text(name))
        .with("accountEnabled", SyncValue::Boolean(true))
        .with("proxyAddresses", texts(&[&format!("SMTP:{name}@contoso.com")]))
}

fn anchor(number: usize) -> String {
    // 16 base64 characters: a text that another encoder would write as bytes.
    format!("AAAA{number:012}")
}

fn add(anchor: &str) -> ReferenceDelta {
    ReferenceDelta { target: ReferenceAnchor::Source(anchor.to_owned()), add: true }
}

fn code(outcome: &SyncOutcome) -> &str {
    match outcome {
        SyncOutcome::Accepted { .. } => "accepted",
        SyncOutcome::Refused(problem) => &problem.code,
        SyncOutcome::NotSettled { .. } => "not settled",
    }
}

impl World {
    async fn accept(&self, objects: &[SyncObject]) -> Vec<CloudAnchor> {
        let outcomes = self.client.provision(objects).await.unwrap();
        let anchor = |outcome: SyncOutcome| match outcome {
            SyncOutcome::Accepted { cloud_anchor: Some(anchor) } => anchor,
            other => panic!("{other:?}"),
        };
        outcomes.into_iter().map(anchor).collect()
    }

    async fn one(&self, object: SyncObject) -> SyncOutcome {
        self.client.provision(&[object]).await.unwrap().remove(0)
    }

    /// All pages from a place on, and the place behind them.
    async fn read(&self, cookie: Option<String>, full: bool) -> (Vec<SyncObject>, Option<String>) {
        let (mut objects, mut cookie) = (Vec::new(), cookie);
        loop {
            let page = self.client.read_back(cookie.as_deref(), full).await.unwrap();
            objects.extend(page.objects);
            cookie = page.cookie;
            if !page.more {
                return (objects, cookie);
            }
        }
    }

    /// What the tenant holds, by source anchor, in words; cloud ids and times aside.
    async fn holds(&self) -> BTreeMap<String, Vec<String>> {
        let (objects, _) = self.read(None, true).await;
        let shown = |object: &SyncObject| {
            let properties = object.properties.iter().filter(|(key, _)| {
                !key.eq_ignore_ascii_case("CloudAnchor") && !key.to_ascii_lowercase().contains("time")
            });
            let mut shown: Vec<String> = properties
                .map(|(key, value)| match value {
                    SyncValue::Texts(values) => {
                        let mut values = values.clone();
                        values.sort();
                        format!("{key} {values:?}")
                    }
                    other => format!("{key} {other:?}"),
                })
                .collect();
            shown.sort();
            (object.source_anchor().unwrap_or_default().to_owned(), shown)
        };
        let held: BTreeMap<String, Vec<String>> = objects.iter().map(shown).collect();
        assert_eq!(held.len(), objects.len(), "an anchor is there twice");
        held
    }
}

/// Every kind of value, in both directions: what is sent is what is read back, over several pages.
#[tokio::test]
async fn objects_come_back_as_they_were_sent() {
    let world = world(json!({}), Knobs { read_back_page_size: 1, ..Knobs::default() }).await;
    let sid: Vec<u8> =
        [1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0x50, 4, 0, 0].to_vec();
    let boss = person(&anchor(1), "boss");
    let ann = person(&anchor(2), "ann")
        .with("surname", text("O'Neil & <Söhne> \"東京\" 🔑"))
        .with("department", text("true"))
        .with("title", text(" 0012 "))
        .with("company", text("QUJD"))
        .with("manager", text(&anchor(1)))
        .with("onPremiseSecurityIdentifier", SyncValue::Binary(sid.clone()))
        .with("countryCode", SyncValue::Long(276))
        .with("usageLocation", text("DE"));
    let contact = SyncObject::set(SyncKind::Contact, "Q29udGFjdA==")
        .with("displayName", text("Supplier"))
        .with("mail", text("x@supplier.example"))
        .with("proxyAddresses", texts(&["SMTP:x@supplier.example"]));
    let anchors = world.accept(&[boss, ann, contact]).await;
    let group = SyncObject::set(SyncKind::Group, "R3JvdXA=")
        .with("displayName", text("Sales"))
        .with("SecurityEnabled", SyncValue::Boolean(true))
        .with("member", texts(&[&anchor(1), &anchor(2)]));
    world.accept(&[group]).await;
    let (objects, _) = world.read(None, true).await;
    assert_eq!(objects.len(), 4);
    let ann = objects.iter().find(|object| object.source_anchor() == Some(&anchor(2))).unwrap();
    assert_eq!(ann.cloud_anchor().as_ref(), Some(&anchors[1]));
    assert_eq!(ann.text("surname"), Some("O'Neil & <Söhne> \"東京\" 🔑"));
    assert_eq!((ann.text("department"), ann.text("company")), (Some("true"), Some("QUJD")));
    assert_eq!(ann.text("title").map(str::trim), Some("0012"));
    assert_eq!(ann.text("manager"), Some(anchor(1).as_str()));
    assert_eq!(ann.value("onPremiseSecurityIdentifier"), Some(&SyncValue::Binary(sid)));
    assert_eq!(ann.boolean("accountEnabled"), Some(true));
    assert_eq!(ann.value("proxyAddresses"), Some(&texts(&["SMTP:ann@contoso.com"])));
    let group = objects.iter().find(|object| object.kind == SyncKind::Group).unwrap();
    let Some(SyncValue::Texts(members)) = group.value("member") else { panic!("{group:?}") };
    assert_eq!(members.len(), 2);
    let contact = objects.iter().find(|object| object.kind == SyncKind::Contact).unwrap();
    assert_eq!((contact.source_anchor(), contact.text("mail")), (Some("Q29udGFjdA=="), Some("x@supplier.example")));
}

/// The cookie behind the last page gives what changed since, deletions included; nil clears, what is not sent stays.
#[tokio::test]
async fn a_delta_holds_what_changed_since() {
    let world = world(json!({}), Knobs::default()).await;
    world.accept(&[person(&anchor(1), "ann").with("title", text("Boss")), person(&anchor(2), "bob")]).await;
    let (_, cookie) = world.read(None, true).await;
    let (nothing, cookie) = world.read(cookie, false).await;
    assert_eq!(nothing, []);
    let change = SyncObject::set(SyncKind::User, anchor(1)).with("title", SyncValue::Nil).with("city", text("Bonn"));
    world.accept(&[change]).await;
    let (changed, cookie) = world.read(cookie, false).await;
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!((changed[0].text("title"), changed[0].text("city")), (None, Some("Bonn")));
    assert_eq!(changed[0].text("displayName"), Some("ann"));
    assert_eq!(code(&world.one(SyncObject::delete(SyncKind::User, anchor(2))).await), "accepted");
    let (gone, cookie) = world.read(cookie, false).await;
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert_eq!((gone[0].operation, gone[0].source_anchor()), (SyncOperation::Delete, Some(anchor(2).as_str())));
    // A cookie that is too old asks for a full import, by its kind of error.
    world.tenant.advance_clock(Duration::from_secs(40 * 86_400));
    let error = world.client.read_back(cookie.as_deref(), false).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::FullImportRequired, "{error}");
}

/// F 27 through the client: the anchor in the outcome names the cloud user that was taken over.
#[tokio::test]
async fn f27_the_outcome_names_the_object_that_was_taken_over() {
    let id = "77777777-7777-4777-8777-777777777777";
    let cloud =
        json!({"id": id, "userPrincipalName": "ann@contoso.com", "displayName": "Ann", "mail": "ann@contoso.com"});
    let world = world(json!({"users": [cloud]}), Knobs::default()).await;
    let anchors = world.accept(&[person(&anchor(1), "ann")]).await;
    assert_eq!(anchors, [CloudAnchor::new(SyncKind::User, id)]);
    let configuration = world.client.company_configuration().await.unwrap();
    assert_eq!((configuration.is_dir_syncing, configuration.max_links_per_batch), (Some(true), Some(15_000)));
    assert_eq!(configuration.tenant_id, Some(world.tenant.tenant_id().to_string()));
}

/// T38 through the client: only a primary address matches; not an object that has another anchor, a role, or another type, nor
/// any while the tenant blocks it; what is known by its anchor is the same object the second time; a held-back value is success
/// with another sign-in name.
#[tokio::test]
async fn t38_what_matches_and_what_the_outcome_says() {
    let id = |digit: char| format!("7777777{digit}-7777-4777-8777-777777777777");
    let user = |digit: char, name: &str| {
        json!({"id": id(digit), "userPrincipalName": format!("{name}@contoso.com"), "displayName": name,
            "mail": format!("{name}@contoso.com")})
    };
    let (mut stamped, mut admin) = (user('2', "stamped"), user('3', "admin"));
    stamped["onPremisesImmutableId"] = json!("U3RhbXA=");
    admin["roles"] = json!({"active": ["Global Administrator"]});
    let contact = json!({"displayName": "Info", "mail": "info@contoso.com"});
    let world = world(
        json!({"users": [user('1', "plain"), stamped, admin, user('4', "later")], "contacts": [contact]}),
        Knobs::default(),
    )
    .await;
    let made = |outcome: &SyncOutcome| match outcome {
        SyncOutcome::Accepted { cloud_anchor: Some(anchor) } => anchor.object_id.clone(),
        other => panic!("{other:?}"),
    };
    let secondary = texts(&["SMTP:x@contoso.com", "smtp:plain@contoso.com"]);
    let other = world.one(person(&anchor(1), "x").with("proxyAddresses", secondary)).await;
    assert_ne!(made(&other), id('1'), "a secondary address matches nobody");
    let primary = || person(&anchor(2), "y").with("proxyAddresses", texts(&["SMTP:PLAIN@contoso.com"]));
    assert_eq!(made(&world.one(primary()).await), id('1'));
    assert_eq!(made(&world.one(primary()).await), id('1'), "known by its anchor now");
    for (number, taken) in [(3, "stamped"), (4, "admin")] {
        let outcome = world.one(person(&anchor(number), taken)).await;
        let fresh = made(&outcome);
        assert!(![id('2'), id('3')].contains(&fresh), "{taken}");
        let (objects, _) = world.read(None, true).await;
        let shown = objects.iter().find(|object| object.source_anchor() == Some(&anchor(number))).unwrap();
        let name = shown.text("userPrincipalName").unwrap();
        assert!(name.starts_with(taken) && name.ends_with("@contoso.onmicrosoft.com"), "{name}");
    }
    assert_eq!(code(&world.one(person(&anchor(5), "info")).await), "ObjectTypeMismatch");
    let features = world.client.company_configuration().await.unwrap().features;
    let blocked = DirSyncFeatures(features.0 | DirSyncFeatures::BLOCK_SOFT_MATCH.0);
    world.client.set_features(blocked).await.unwrap();
    assert_eq!(code(&world.one(person(&anchor(6), "later")).await), "InvalidSoftMatch");
    world.client.set_features(features).await.unwrap();
    assert_eq!(made(&world.one(person(&anchor(6), "later")).await), id('4'));
}

/// T32: a contact that becomes a user keeps its anchor and address. The contact goes first: while it is there, the address belongs
/// to an object of another type.
#[tokio::test]
async fn t32_a_contact_becomes_a_user_once_the_contact_is_gone() {
    let world = world(json!({}), Knobs::default()).await;
    let address = || texts(&["SMTP:pat@contoso.com"]);
    let contact = SyncObject::set(SyncKind::Contact, anchor(1)).with("displayName", text("Pat"));
    let contact = world.accept(&[contact.with("proxyAddresses", address())]).await.remove(0);
    let user = || person(&anchor(1), "pat").with("proxyAddresses", address());
    assert_eq!(code(&world.one(user()).await), "ObjectTypeMismatch");
    assert_eq!(code(&world.one(SyncObject::delete(SyncKind::Contact, anchor(1))).await), "accepted");
    let user = world.accept(&[user()]).await.remove(0);
    assert_eq!((contact.kind, user.kind), (SyncKind::Contact, SyncKind::User));
    let (objects, _) = world.read(None, true).await;
    assert_eq!(objects.iter().map(|object| object.kind).collect::<Vec<_>>(), [SyncKind::User]);
}

/// M18-M26: each refusal of the service has the engine's name, and the other objects of its request go through.
#[tokio::test]
async fn refusals_of_the_service_have_the_engines_names() {
    let user = |name: &str| json!({"userPrincipalName": format!("{name}@contoso.com"), "displayName": name, "mail": format!("{name}@contoso.com")});
    let mut stamped = user("stamped");
    stamped["onPremisesImmutableId"] = json!("U3RhbXA=");
    let contact = json!({"displayName": "Info", "mail": "info@contoso.com"});
    let mut admin = user("admin");
    admin["onPremisesImmutableId"] = json!("QWRtaW4=");
    admin["roles"] = json!({"active": ["Global Administrator"]});
    let seed = json!({"users": [user("plain"), stamped, admin], "contacts": [contact]});
    let knobs = Knobs { duplicate_resiliency: false, unknown_manager_refused: true, ..Knobs::default() };
    let world = world(seed, knobs).await;
    world.accept(&[person(&anchor(1), "first")]).await;
    let many: Vec<String> = (0..400).map(|number| format!("smtp:a{number}@contoso.com")).collect();
    let objects = [
        person("T3RoZXI=", "stamped"),
        person("QWRtaW4=", "admin"),
        person(&anchor(3), "info"),
        person(&anchor(4), "new").with("proxyAddresses", texts(&["SMTP:new@contoso.com", "smtp:first@contoso.com"])),
        person(&anchor(5), "ok"),
        person(&anchor(6), "lost").with("manager", text("bm9ib2R5")),
        person(&anchor(7), "large").with("proxyAddresses", SyncValue::Texts(many)),
        SyncObject::delete(SyncKind::User, "bm9ib2R5"),
        SyncObject::delete(SyncKind::User, "U3RhbXA="),
    ];
    let outcomes = world.client.provision(&objects).await.unwrap();
    let codes: Vec<&str> = outcomes.iter().map(code).collect();
    let expected = [
        "InvalidSoftMatch",
        "InvalidHardMatch",
        "ObjectTypeMismatch",
        "AttributeValueMustBeUnique",
        "accepted",
        "dn-attributes-failure",
        "LargeObject",
        "cd-missing-object",
        "DeletingCloudOnlyObjectNotAllowed",
    ];
    assert_eq!(codes, expected, "{outcomes:#?}");
    let SyncOutcome::Refused(conflict) = &outcomes[3] else { panic!("{outcomes:?}") };
    assert_eq!(conflict.attribute, Some("proxyAddresses".into()));
    assert!(conflict.message.contains("smtp:first@contoso.com"), "{}", conflict.message);
    world.tenant.update_knobs(|knobs| knobs.object_quota = 0).unwrap();
    assert_eq!(code(&world.one(person(&anchor(8), "more")).await), "quota-exceeded");
}

/// B.4: the tenant's own bound on links is kept to, whatever the size of the group.
#[tokio::test]
async fn a_group_grows_by_more_members_than_a_request_may_carry() {
    let world = world(json!({}), Knobs { most_links_in_request: 50, ..Knobs::default() }).await;
    let people: Vec<SyncObject> = (0..180).map(|number| person(&anchor(number), &format!("u{number}"))).collect();
    world.accept(&people).await;
    world.client.company_configuration().await.unwrap();
    let changes: Vec<ReferenceDelta> = (0..180).map(|number| add(&anchor(number))).collect();
    let group = SyncObject::set(SyncKind::Group, "R3JvdXA=").with("displayName", text("All"));
    world.accept(&[group.with("member", SyncValue::References(changes))]).await;
    let remove = |number: usize| ReferenceDelta { add: false, ..add(&anchor(number)) };
    let less = SyncObject::set(SyncKind::Group, "R3JvdXA=");
    world.accept(&[less.with("member", SyncValue::References((0..60).map(remove).collect()))]).await;
    let (objects, _) = world.read(None, true).await;
    let group = objects.iter().find(|object| object.kind == SyncKind::Group).unwrap();
    let Some(SyncValue::Texts(members)) = group.value("member") else { panic!("{group:?}") };
    assert_eq!(members.len(), 120);
}

/// A user and a group made, changed and deleted: what an export does, as one deterministic story.
async fn story(world: &World) {
    let people: Vec<SyncObject> = (0..24).map(|number| person(&anchor(number), &format!("u{number}"))).collect();
    let settle = |outcomes: Vec<SyncOutcome>, expected: usize| {
        let accepted = outcomes.iter().filter(|outcome| code(outcome) == "accepted").count();
        assert_eq!(accepted, expected, "{outcomes:?}");
    };
    settle(world.client.provision(&people).await.unwrap(), 24);
    let changes: Vec<ReferenceDelta> = (0..24).map(|number| add(&anchor(number))).collect();
    let group = SyncObject::set(SyncKind::Group, "R3JvdXA=").with("displayName", text("All"));
    settle(world.client.provision(&[group.with("member", SyncValue::References(changes))]).await.unwrap(), 1);
    let changed: Vec<SyncObject> = (0..12)
        .map(|number| SyncObject::set(SyncKind::User, anchor(number)).with("title", text(&format!("t{number}"))))
        .collect();
    settle(world.client.provision(&changed).await.unwrap(), 12);
    let gone: Vec<SyncObject> = (18..24).map(|number| SyncObject::delete(SyncKind::User, anchor(number))).collect();
    settle(world.client.provision(&gone).await.unwrap(), 6);
    world.client.finalize_export(43, 43).await.unwrap();
}

/// F 30 for the wire: connections cut before and after a request was carried out, refusals after it was, truncated replies.
/// No write is lost or doubled, and the tenant ends as without any fault.
#[tokio::test]
async fn f30_a_story_with_faults_ends_like_one_without() {
    let small = |settings: &mut Settings| {
        settings.provisioning.batch_objects = 5;
        settings.attempts = 12;
    };
    let twin = world_with(json!({}), Knobs::default(), small).await;
    story(&twin).await;
    let expected = twin.holds().await;
    assert_eq!(expected.len(), 19);
    let mut played = 0;
    for seed in 0..10u64 {
        let faulty = world_with(json!({}), Knobs::default(), small).await;
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
        let mut draw = |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % bound
        };
        let actions = [
            FaultAction::ResetBefore,
            FaultAction::ResetAfter,
            FaultAction::TruncateBody,
            FaultAction::Status { status: 503, code: None, retry_after_s: None, applied: true },
            FaultAction::Status { status: 503, code: None, retry_after_s: Some(0), applied: true },
            FaultAction::Status { status: 502, code: None, retry_after_s: None, applied: false },
            FaultAction::Status { status: 429, code: None, retry_after_s: Some(0), applied: false },
        ];
        let faults = (1..40u64).filter_map(|nth| {
            let action = actions.get(draw(14) as usize)?.clone();
            let path = Some("provisioningservice".to_owned());
            Some(FaultRule { method: None, path, nth: Some(nth), times: None, action })
        });
        faulty.tenant.play_faults(faults.collect());
        story(&faulty).await;
        faulty.tenant.play_faults(Vec::new());
        played += faulty.tenant.request_log().iter().filter(|request| request.fault.is_some()).count();
        assert_eq!(faulty.holds().await, expected, "seed {seed}");
    }
    assert!(played >= 50, "{played} faults are no rehearsal");
}

/// A tenant that takes less than the settings say: refused requests wait and go again, none is lost.
#[tokio::test]
async fn f23_throttled_writes_wait_and_go_again() {
    let mut knobs = Knobs::default();
    (knobs.provisioning_throttle.objects, knobs.provisioning_throttle.window_ms) = (20, 2_000);
    let world = world_with(json!({}), knobs, |settings| settings.provisioning.batch_objects = 10).await;
    let people: Vec<SyncObject> = (0..40).map(|number| person(&anchor(number), &format!("u{number}"))).collect();
    let started = Instant::now();
    world.accept(&people).await;
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(world.holds().await.len(), 40);
}

/// F4 of engine-semantics section 9, scaled down: an export of many objects takes the time that the budget gives it, and no
/// write is refused, so none is sent twice.
#[tokio::test]
async fn an_export_uses_the_budget_and_stays_below_it() {
    let mut knobs = Knobs::default();
    (knobs.provisioning_throttle.objects, knobs.provisioning_throttle.window_ms) = (500, 2_500);
    let world = world_with(json!({}), knobs, |settings| {
        let service = &mut settings.provisioning;
        (service.write_limit, service.write_window) = (500, Duration::from_millis(2_500));
        service.batch_objects = 20;
    })
    .await;
    let people: Vec<SyncObject> = (0..1_500).map(|number| person(&anchor(number), &format!("u{number}"))).collect();
    let started = Instant::now();
    world.accept(&people).await;
    let took = started.elapsed();
    // 1,000 more than the bucket holds, at 200 a second.
    let least = Duration::from_secs(5);
    assert!(took >= least.mul_f64(0.95), "{took:?}");
    assert!(took <= least.mul_f64(1.05) + Duration::from_secs(2), "{took:?}");
    let writes: Vec<u16> = world.tenant.request_log().iter().filter(|r| r.item.is_none()).map(|r| r.status).collect();
    assert!(writes.iter().all(|status| *status == 200), "{writes:?}");
    assert_eq!(world.holds().await.len(), 1_500);
}

/// The tenant's switches, what it says of clients, and what it refuses as a whole.
#[tokio::test]
async fn the_tenants_state_is_told() {
    let world = world(json!({}), Knobs::default()).await;
    let before = world.client.company_configuration().await.unwrap().features;
    assert_eq!(before, DirSyncFeatures(41_016), "B.4: the sample tenant's value");
    world.client.set_features(DirSyncFeatures(before.0 | 1)).await.unwrap();
    let after = world.client.company_configuration().await.unwrap().features;
    assert!(after.contains(DirSyncFeatures::PASSWORD_HASH_SYNC));
    let capabilities = world.client.capabilities().await.unwrap();
    assert_eq!(capabilities.refuses(&world.client.settings().build), None, "{capabilities:?}");

    world.tenant.update_knobs(|knobs| knobs.minimum_build = "3.0.0.0".to_owned()).unwrap();
    let capabilities = world.client.capabilities().await;
    let refused = world.client.finalize_export(0, 0).await.unwrap_err();
    assert!(refused.to_string().contains("3.0.0.0"), "{refused}");
    if let Ok(capabilities) = capabilities {
        assert!(capabilities.refuses(&world.client.settings().build).unwrap().contains("3.0.0.0"));
    }
    world.tenant.update_knobs(|knobs| knobs.minimum_build = "2.5.79.0".to_owned()).unwrap();

    let url = format!("{}/provisioningservice.svc", world.tenant.base_url());
    let redirect = |times| Some(ProvisioningRedirect { url: url.clone(), times: Some(times) });
    world.tenant.update_knobs(|knobs| knobs.provisioning_redirect = redirect(3)).unwrap();
    world.client.finalize_export(0, 0).await.unwrap();
    world.tenant.update_knobs(|knobs| knobs.provisioning_redirect = redirect(100)).unwrap();
    assert!(world.client.finalize_export(0, 0).await.unwrap_err().to_string().contains("more than 3 times"));
    world.tenant.update_knobs(|knobs| knobs.provisioning_redirect = None).unwrap();

    world.tenant.update_knobs(|knobs| knobs.sync = Some(SyncState::Off)).unwrap();
    let error = world.client.provision(&[person(&anchor(1), "ann")]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::CannotStart { status: "no-start-synchronisation-off" }, "{error}");
}

/// B.6: hashes of synchronised users are taken where the tenant wants them; others are refused one by one.
#[tokio::test]
async fn password_hashes_are_taken_for_synchronised_users() {
    let stamped =
        json!({"userPrincipalName": "cloud@contoso.com", "displayName": "c", "onPremisesImmutableId": "Q2xvdWQ="});
    let world = world(json!({"users": [stamped]}), Knobs::default()).await;
    let anchors = world.accept(&[person(&anchor(1), "ann"), person(&anchor(2), "bob")]).await;
    let change = |source: Option<&str>, cloud: Option<&CloudAnchor>| CredentialChange {
        source_anchor: source.map(str::to_owned),
        cloud_anchor: cloud.cloned(),
        changed_at: "2026-01-02T03:04:05.1234567Z".parse().unwrap(),
        credential_data: Secret::new(HASH),
        force_change_on_logon: false,
    };
    let first = anchor(1);
    let changes = [change(Some(&first), None), change(None, Some(&anchors[1])), change(Some("Q2xvdWQ="), None)];
    let off = world.client.provision_credentials(&changes).await.unwrap();
    assert!(off.iter().all(|outcome| matches!(outcome, CredentialOutcome::Refused { .. })), "{off:?}");
    world
        .tenant
        .update_knobs(|knobs| {
            knobs.features.insert("passwordSyncEnabled".to_owned(), true);
        })
        .unwrap();
    let on = world.client.provision_credentials(&changes).await.unwrap();
    assert_eq!(on[..2], [CredentialOutcome::Accepted, CredentialOutcome::Accepted]);
    assert!(matches!(&on[2], CredentialOutcome::Refused { message, .. } if message.contains("cloud only")), "{on:?}");
}
