//! What an administrator switches, signed in by device code (A.1, A.10): the person's part is played over the tenant's control
//! port.

use super::world::{World, permissions, world_with};
use azure_ad_emulator::Knobs;
use connector_azure_ad::{Administrator, PUBLIC_CLIENT, Settings, Synchronisation};
use connector_contract::ErrorKind;
use serde_json::{Value, json};
use std::time::Duration;

const ADMIN: &str = "admin@contoso.com";

/// A tenant with an administrator and a synchronised user, and the switch of it.
async fn tenant_with(synchronised: bool) -> (World, Administrator) {
    let seed = json!({"tenant": {"onPremisesSyncEnabled": synchronised.then_some(true)}, "users": [
        {"userPrincipalName": ADMIN, "displayName": "Admin", "roles": {"active": ["Hybrid Identity Administrator"]}},
        {"userPrincipalName": "ann@contoso.com", "displayName": "Ann"},
        {"userPrincipalName": "bob@contoso.com", "displayName": "Bob", "onPremisesSyncEnabled": synchronised.then_some(true)},
    ]});
    let knobs = Knobs { device_code_interval_s: 0, token_life_s: 10_000_000, ..Knobs::default() };
    let mut settings: Option<Settings> = None;
    let world = world_with(seed, permissions(), knobs, |of_world| settings = Some(of_world.clone())).await;
    let administrator = Administrator::new(settings.unwrap(), PUBLIC_CLIENT).unwrap();
    (world, administrator)
}

/// What the person does at the other screen.
async fn decide(world: &World, message: &str, mut decision: Value) {
    let code = message.split_whitespace().find(|word| word.len() == 8 && word.chars().all(|it| !it.is_lowercase()));
    decision["userCode"] = json!(code.unwrap_or_else(|| panic!("no code in `{message}`")));
    let url = format!("{}/_tenant/device-codes", world.tenant.base_url());
    let reply = reqwest::Client::new().post(url).json(&decision).send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 200);
}

async fn switch_as(world: &World, administrator: &Administrator, who: &str, on: bool) -> Result<(), ErrorKind> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let code = administrator.device_code().await.unwrap();
    decide(world, &code.message, json!({"user": who})).await;
    let person = administrator.signed_in(&code).await.unwrap();
    administrator.switch(&person, on).await.map_err(|error| error.kind)
}

#[tokio::test]
async fn sf25_an_administrator_switches_synchronisation_and_the_report_tells_how_far_it_is() {
    let (world, administrator) = tenant_with(false).await;
    let state = async || administrator.report().await.unwrap().synchronisation;
    assert_eq!(state().await, Synchronisation::Never);
    assert_eq!(switch_as(&world, &administrator, "ann@contoso.com", true).await, Err(ErrorKind::Permission));
    assert_eq!(state().await, Synchronisation::Never);
    switch_as(&world, &administrator, ADMIN, true).await.unwrap();
    assert_eq!(state().await, Synchronisation::On);
}

#[tokio::test]
async fn sf25_switching_off_is_pending_until_nothing_is_synchronised_any_more() {
    let (world, administrator) = tenant_with(true).await;
    let state = async || administrator.report().await.unwrap().synchronisation;
    assert_eq!(state().await, Synchronisation::On);
    switch_as(&world, &administrator, ADMIN, false).await.unwrap();
    assert_eq!(state().await, Synchronisation::PendingOff);
    let refused = switch_as(&world, &administrator, ADMIN, true).await.unwrap_err();
    assert!(matches!(refused, ErrorKind::CannotStart { .. }), "{refused:?}");
    world.tenant.advance_clock(Duration::from_secs(73 * 3_600));
    assert_eq!(state().await, Synchronisation::Off);
}

/// A.1: what ends a sign-in without one, and that the code's secret is in no message.
#[tokio::test]
async fn a_sign_in_that_is_declined_or_never_happens_is_told() {
    let (world, administrator) = tenant_with(false).await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let code = administrator.device_code().await.unwrap();
    decide(&world, &code.message, json!({"decline": true})).await;
    let error = administrator.signed_in(&code).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Credential);
    assert!(error.to_string().contains("declined"), "{error}");
    let code = administrator.device_code().await.unwrap();
    world.tenant.advance_clock(Duration::from_secs(901));
    let error = administrator.signed_in(&code).await.unwrap_err();
    assert!(error.to_string().contains("expired"), "{error}");
    assert!(format!("{code:?}").contains("<secret>"), "{code:?}");
}
