//! The service refuses, sends elsewhere, throttles, breaks off: what the client makes of it. F 26 for its side.

use super::service::{
    Answer, Entry, Service, TENANT, client, client_of, done, element, envelope, fault, redirect, results, results_body,
    text,
};
use connector_azure_ad::provisioning::{
    CredentialChange, CredentialOutcome, DirSyncFeatures, SyncKind, SyncObject, SyncOutcome, SyncValue,
};
use connector_contract::{ErrorKind, Secret};
use expect_test::expect;
use std::time::{Duration, Instant};

fn user(anchor: &str) -> SyncObject {
    SyncObject::set(SyncKind::User, anchor)
}

fn users(count: usize) -> Vec<SyncObject> {
    (0..count).map(|number| user(&format!("u{number}"))).collect()
}

fn set(anchor: &str) -> Entry<'_> {
    ("User", "Set", anchor, "")
}

fn shown(outcomes: &[SyncOutcome]) -> Vec<String> {
    let show = |outcome: &SyncOutcome| match outcome {
        SyncOutcome::Accepted { .. } => "accepted".to_owned(),
        SyncOutcome::Refused(problem) => problem.code.clone(),
        SyncOutcome::NotSettled { may_have_arrived, .. } => format!("not settled, arrived {may_have_arrived}"),
    };
    outcomes.iter().map(show).collect()
}

/// B.1: what each request says of itself, and where the token stands.
#[tokio::test]
async fn requests_carry_the_headers_of_the_contract() {
    let service = Service::start(vec![done("FinalizeExport")]).await;
    client(&service, |settings| settings.machine_id = Some("ours".to_owned())).finalize_export(3, 2).await.unwrap();
    let asked = &service.asked()[0];
    assert!(asked.head.starts_with("POST /provisioningservice.svc HTTP/1.1"), "{}", asked.head);
    for (name, value) in [
        ("content-type", "application/soap+msbin1"),
        ("user-agent", ""),
        ("x-ms-aadmsods-clientversion", "8.0"),
        ("x-ms-aadmsods-dirsyncbuildnumber", "2.5.190.0"),
        ("x-ms-aadmsods-fimbuildnumber", "2.5.190.0"),
        ("x-ms-aadmsods-tenantid", TENANT),
        ("x-ms-aadmsods-machineid", "ours"),
        ("x-ms-aadmsods-appid", "1651564e-7ce4-4d99-88be-0a65050d8dc3"),
        ("x-ms-aadmsods-apiaction", "FinalizeExport"),
    ] {
        assert_eq!(asked.header(name), Some(value), "{name}");
    }
    let id = asked.header("client-request-id").unwrap();
    assert_eq!((asked.count(id), asked.count("token-1"), asked.count("urn:uuid:")), (2, 1, 1));
    assert_eq!(asked.header("authorization"), None);
}

/// F 26: a redirect fault is followed, three times at most, and kept for the calls that follow.
#[tokio::test]
async fn f26_redirects_are_followed_three_times() {
    let last = Service::start(vec![done("FinalizeExport")]).await;
    let there = |service: &Service| redirect(&service.url());
    let third = Service::start(vec![there(&last)]).await;
    let second = Service::start(vec![there(&third)]).await;
    let first = Service::start(vec![there(&second)]).await;
    let client = client(&first, |_| {});
    client.finalize_export(1, 1).await.unwrap();
    client.finalize_export(1, 1).await.unwrap();
    assert_eq!([&first, &second, &third, &last].map(|service| service.asked().len()), [1, 1, 1, 2]);

    let circle = Service::start(vec![Answer::Cut]).await;
    circle.script(vec![there(&circle)]);
    let error = super::service::client(&circle, |_| {}).finalize_export(1, 1).await.unwrap_err();
    assert!(error.to_string().contains("more than 3 times"), "{error}");
    assert_eq!(circle.asked().len(), 4);
}

/// The token stays within the service's own domain.
#[tokio::test]
async fn f26_a_redirect_elsewhere_is_not_followed() {
    let service = Service::start(vec![redirect("https://provisioning.evil.example/x")]).await;
    let error = client(&service, |_| {}).finalize_export(1, 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol);
    assert!(error.to_string().contains("provisioning.evil.example"), "{error}");
    assert_eq!(service.asked().len(), 1);
}

/// A fault ends the call at once when the request is at fault, and is tried again when the service is.
#[tokio::test]
async fn f26_faults_are_told() {
    let off = fault("Sender", "Identity synchronization is not yet activated for this company.", &[]);
    let service = Service::start(vec![off]).await;
    let client = client(&service, |_| {});
    let error = client.finalize_export(1, 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::CannotStart { status: "no-start-synchronisation-off" });
    assert_eq!(service.asked().len(), 1);
    // Nothing of a batch was taken: the step ends.
    assert!(client.provision(&users(2)).await.is_err());

    let described = element("Error", &element("ErrorDescription", &text("The client build is not supported.")));
    service.script(vec![fault("Sender", "Refused", &described)]);
    let error = client.finalize_export(1, 1).await.unwrap_err();
    expect!["calling FinalizeExport of 127.0.0.1: the service refuses: Refused; The client build is not supported.; `metasync check` compares the build of the client with what the service takes"]
        .assert_eq(&error.to_string());
    service.script(vec![fault("Receiver", "Busy", &[]), done("FinalizeExport")]);
    client.finalize_export(1, 1).await.unwrap();

    // A description in what looks like a success.
    let response = element("FinalizeExportResponse", &element("ErrorDescription", &text("No.")));
    service.script(vec![Answer::Soap(200, envelope(&response))]);
    assert!(client.finalize_export(1, 1).await.unwrap_err().to_string().contains("refuses: No."));
}

/// A token that is not taken is fetched anew once.
#[tokio::test]
async fn an_expired_token_is_renewed_once() {
    let service = Service::start(vec![Answer::Plain(401, ""), done("FinalizeExport")]).await;
    let client = client(&service, |_| {});
    client.finalize_export(1, 1).await.unwrap();
    assert_eq!((service.tokens(), service.asked()[1].count("token-2")), (2, 1));
    service.script(vec![Answer::Plain(401, "")]);
    assert_eq!(client.finalize_export(1, 1).await.unwrap_err().kind, ErrorKind::Credential);
    assert_eq!(service.asked().len(), 4);
    // The service's errors are HTTP 500: it may say it in a fault.
    let refused = fault("Sender", "Authentication failed: the access token has expired.", &[]);
    service.script(vec![refused.clone(), done("FinalizeExport")]);
    client.finalize_export(1, 1).await.unwrap();
    service.script(vec![refused]);
    let error = client.finalize_export(1, 1).await.unwrap_err();
    assert!(error.kind == ErrorKind::Credential && error.to_string().contains("has expired"), "{error}");
    assert_eq!(service.asked().len(), 8);
}

/// Outages, throttling, cut connections and broken replies: the request is sent again, and each object settled once.
#[tokio::test]
async fn f26_broken_exchanges_are_repeated() {
    let service = Service::start(vec![
        Answer::Cut,
        Answer::Plain(503, ""),
        Answer::Truncated(envelope(&results_body(&[set("u0"), set("u1")]))),
        results(&[set("u1"), ("User", "Set", "u0", "InvalidSoftMatch")]),
    ])
    .await;
    let outcomes = client(&service, |_| {}).provision(&users(2)).await.unwrap();
    assert_eq!(shown(&outcomes), ["InvalidSoftMatch", "accepted"]);
    assert_eq!(service.asked().len(), 4);

    service.script(vec![Answer::Plain(429, "retry-after: 1\r\n"), results(&[set("u0")])]);
    let started = Instant::now();
    assert_eq!(shown(&client(&service, |_| {}).provision(&users(1)).await.unwrap()), ["accepted"]);
    assert!(started.elapsed() >= Duration::from_secs(1));

    service.script(vec![Answer::Plain(429, "retry-after: 60\r\n")]);
    let error = client(&service, |_| {}).provision(&users(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BackOff { wait: Duration::from_secs(60) });
}

/// A delete that was cut off may have been applied: that nothing is left to delete is then what was wanted.
#[tokio::test]
async fn a_delete_that_was_cut_off_is_done_when_nothing_is_left() {
    let gone = || results(&[("User", "Delete", "u0", "114")]);
    let service = Service::start(vec![Answer::Cut, gone()]).await;
    let delete = [SyncObject::delete(SyncKind::User, "u0")];
    assert_eq!(shown(&client(&service, |_| {}).provision(&delete).await.unwrap()), ["accepted"]);
    service.script(vec![gone()]);
    assert_eq!(shown(&client(&service, |_| {}).provision(&delete).await.unwrap()), ["cd-missing-object"]);
}

/// Some requests of a call fail: the outcomes of the others are kept, and nothing of a lost one counts as not sent.
#[tokio::test]
async fn outcomes_of_other_requests_are_kept() {
    let service = Service::start(vec![results(&[set("u0"), set("u1")]), Answer::Cut]).await;
    let client = client(&service, |settings| (settings.batch_objects, settings.concurrency) = (2, 1));
    let outcomes = client.provision(&users(4)).await.unwrap();
    assert_eq!(shown(&outcomes), ["accepted", "accepted", "not settled, arrived true", "not settled, arrived true"]);
    // Once sent, and three times more.
    assert_eq!(service.asked().len(), 5);
    // Refused as a whole, after one that went through: not sent, in effect.
    service.script(vec![results(&[set("u0"), set("u1")]), fault("Sender", "No", &[])]);
    let outcomes = client.provision(&users(3)).await.unwrap();
    assert_eq!(shown(&outcomes), ["accepted", "accepted", "not settled, arrived false"]);
}

/// A group with more changed members than a request takes: its parts follow each other, and stop where one is refused.
#[tokio::test]
async fn a_large_group_goes_in_parts() {
    use connector_azure_ad::provisioning::{ReferenceAnchor, ReferenceDelta};
    let change = |number: usize| ReferenceDelta { target: ReferenceAnchor::Source(format!("m{number:03}")), add: true };
    let group = |count| {
        let changes = SyncValue::References((0..count).map(change).collect());
        SyncObject::set(SyncKind::Group, "g")
            .with("displayName", SyncValue::Text("Staff".to_owned()))
            .with("member", changes)
    };
    let taken = results(&[("Group", "Set", "g", "")]);
    let service = Service::start(vec![taken.clone()]).await;
    let client = client(&service, |settings| settings.batch_links = 10);
    assert_eq!(shown(&client.provision(&[group(25)]).await.unwrap()), ["accepted"]);
    let named: Vec<usize> = service.asked().iter().map(|asked| asked.count("displayName")).collect();
    assert_eq!(named, [1, 0, 0], "its properties go with the first part");
    let members = |from: usize, to: usize| {
        (from..to)
            .all(|number| service.asked().iter().map(|asked| asked.count(&format!("m{number:03}"))).sum::<usize>() == 1)
    };
    assert!(members(0, 25));

    service.script(vec![taken, results(&[("Group", "Set", "g", "LargeObject")])]);
    let outcomes = client.provision(&[group(35)]).await.unwrap();
    let SyncOutcome::Refused(problem) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert!(problem.code == "LargeObject" && problem.message.contains("first 1 parts"), "{problem:?}");
    assert_eq!(service.asked().len(), 5, "parts after a refused one are not sent");
}

/// One object that cannot be written as XML is refused by itself; the others are sent.
#[tokio::test]
async fn what_xml_cannot_carry_is_refused_before_it_is_sent() {
    let service = Service::start(vec![results(&[set("u1")])]).await;
    let bad = user("u0").with("displayName", SyncValue::Text("A\u{0}da".to_owned()));
    let outcomes = client(&service, |_| {}).provision(&[bad, user("u1")]).await.unwrap();
    let SyncOutcome::Refused(problem) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert!(problem.message.contains("U+0000"), "{}", problem.message);
    assert_eq!(problem.attribute, Some("displayName".into()));
    assert_eq!(shown(&outcomes)[1], "accepted");
    assert_eq!(service.asked()[0].count("u0"), 0);
}

/// A tenant named by its domain is asked for its GUID before the first write; its bound on links is learnt with it.
#[tokio::test]
async fn the_tenants_id_is_asked_for_once() {
    use connector_azure_ad::provisioning::{ReferenceAnchor, ReferenceDelta};
    let id = element("TenantId", &text(TENANT));
    let links = element("MaxLinksSupportedAcrossBatchInProvision2", &text("7"));
    let result = element("GetCompanyConfigurationResult", &[id, links].concat());
    let configuration = Answer::Soap(200, envelope(&element("GetCompanyConfigurationResponse", &result)));
    let service = Service::start(vec![configuration, results(&[set("u0")])]).await;
    let client = client_of(&service, "contoso.com", |_| {});
    client.provision(&users(1)).await.unwrap();
    client.provision(&users(1)).await.unwrap();
    let asked = service.asked();
    let actions: Vec<&str> = asked.iter().filter_map(|asked| asked.header("x-ms-aadmsods-apiaction")).collect();
    let write = "ProvisionAzureADSyncObjects2";
    service.script(vec![results(&[("Group", "Set", "g", "")])]);
    let change = |number: usize| ReferenceDelta { target: ReferenceAnchor::Source(format!("m{number}")), add: true };
    let group =
        SyncObject::set(SyncKind::Group, "g").with("member", SyncValue::References((0..10).map(change).collect()));
    assert_eq!(shown(&client.provision(&[group]).await.unwrap()), ["accepted"]);
    assert_eq!(service.asked().len(), asked.len() + 2, "seven links in a request, not ten");
    assert_eq!(actions, ["GetCompanyConfiguration", write, write]);
    assert_eq!(
        (asked[0].header("x-ms-aadmsods-tenantid"), asked[1].header("x-ms-aadmsods-tenantid")),
        (None, Some(TENANT))
    );
}

/// F4 of engine-semantics section 9, scaled down: what the bucket holds goes at once, the rest at its rate.
#[tokio::test]
async fn writes_keep_to_the_budget_of_the_service() {
    let entries: Vec<String> = (0..30).map(|number| format!("u{number}")).collect();
    let all: Vec<Entry<'_>> = entries.iter().map(|anchor| set(anchor)).collect();
    let service = Service::start(vec![results(&all)]).await;
    let client = client(&service, |settings| {
        settings.batch_objects = 5;
        (settings.write_limit, settings.write_window) = (20, Duration::from_secs(2));
    });
    let started = Instant::now();
    assert!(shown(&client.provision(&users(30)).await.unwrap()).iter().all(|outcome| outcome == "accepted"));
    // 10 more than the bucket holds, at 10 a second.
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(900), "{took:?}");
    assert_eq!(service.asked().len(), 6);
}

/// Password hashes have a budget of their own: they do not wait for an export that has used up its own, and keep to theirs.
#[tokio::test]
async fn password_hashes_keep_to_a_budget_of_their_own() {
    let entry = |number: usize| {
        let parts = [element("b:Result", &text("0")), element("b:SourceAnchor", &text(&format!("u{number}")))];
        element("b:SyncCredentialsChangeResult", &parts.concat())
    };
    let list = element("b:Results", &(0..30).flat_map(entry).collect::<Vec<u8>>());
    let taken = element("ProvisionCredentialsResponse", &element("ProvisionCredentialsResult", &list));
    let entries: Vec<String> = (0..20).map(|number| format!("u{number}")).collect();
    let all: Vec<Entry<'_>> = entries.iter().map(|anchor| set(anchor)).collect();
    let service = Service::start(vec![results(&all)]).await;
    let client = client(&service, |settings| {
        settings.batch_objects = 10;
        (settings.write_limit, settings.hash_limit, settings.write_window) = (20, 20, Duration::from_secs(2));
    });
    client.provision(&users(20)).await.unwrap();
    service.script(vec![Answer::Soap(200, envelope(&taken))]);
    let change = |number: usize| CredentialChange {
        source_anchor: Some(format!("u{number}")),
        cloud_anchor: None,
        changed_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        credential_data: Secret::new("v1;PPH1_MD4,x;"),
        force_change_on_logon: false,
    };
    let changes: Vec<CredentialChange> = (0..30).map(change).collect();
    let started = Instant::now();
    client.provision_credentials(&changes[..10]).await.unwrap();
    let first = started.elapsed();
    assert!(first < Duration::from_millis(700), "objects have used up their budget, hashes have not: {first:?}");
    client.provision_credentials(&changes[10..]).await.unwrap();
    let all = started.elapsed();
    assert!(all >= Duration::from_millis(700), "10 more than the bucket holds, at 10 a second: {all:?}");
}

/// A call of which nothing was settled is an error that says why: whether it arrived makes no difference to a hash.
#[tokio::test]
async fn a_call_that_was_lost_whole_is_an_error() {
    let service = Service::start(vec![Answer::Cut]).await;
    let change = CredentialChange {
        source_anchor: Some("u0".to_owned()),
        cloud_anchor: None,
        changed_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        credential_data: Secret::new("v1;PPH1_MD4,x;"),
        force_change_on_logon: false,
    };
    let error = client(&service, |_| {}).provision_credentials(&[change]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Connection, "{error}");
    assert!(service.asked().len() > 1, "it was tried again");
    assert!(!format!("{error:?} {error}").contains("PPH1"));
}

/// A page that leads back to itself would be read for ever, and taken for the last it would pass for everything (SF15).
#[tokio::test]
async fn sf15_a_page_that_goes_nowhere_is_no_end() {
    let page = |parts: &[Vec<u8>]| {
        let result = element("ReadBackAzureADSyncObjects2Result", &parts.concat());
        Answer::Soap(200, envelope(&element("ReadBackAzureADSyncObjects2Response", &result)))
    };
    let more = || element("b:MoreAvailable", &[0x86]);
    let cookie = |cookie: &str| element("b:NextPageCookie", &text(cookie));
    let service = Service::start(vec![page(&[cookie("AQID"), more()]), page(&[more()])]).await;
    let client = client(&service, |_| {});
    let first = client.read_back(None, true).await.unwrap();
    assert_eq!((first.cookie.as_deref(), first.more), (Some("AQID"), true));
    let error = client.read_back(first.cookie.as_deref(), true).await.unwrap_err();
    assert_eq!((error.kind, service.asked()[1].count("AQID")), (ErrorKind::Protocol, 1));
    service.script(vec![page(&[cookie("AQID"), more()])]);
    assert_eq!(client.read_back(Some("AQID"), false).await.unwrap_err().kind, ErrorKind::Protocol);
    service.script(vec![page(&[])]);
    assert!(!client.read_back(Some("AQID"), false).await.unwrap().more);
}

/// A cookie that is not taken any longer: a delta needs a full import, a full import is begun again. Without a cookie a
/// fault is a fault.
#[tokio::test]
async fn a_cookie_that_is_not_taken_asks_for_a_full_import() {
    let service = Service::start(vec![fault("Sender", "The cookie is too old.", &[])]).await;
    let client = client(&service, |_| {});
    let mut kinds = Vec::new();
    for (cookie, full) in [(Some("AQID"), false), (Some("AQID"), true), (None, true)] {
        kinds.push(client.read_back(cookie, full).await.unwrap_err().kind);
    }
    assert_eq!(kinds, [ErrorKind::FullImportRequired, ErrorKind::Connection, ErrorKind::Protocol]);
}

/// B.6: each hash has its own result; a lost reply is no result.
#[tokio::test]
async fn password_hashes_are_settled_one_by_one() {
    let entry = |anchor: &str, result: &str| {
        let parts = [element("b:Result", &text(result)), element("b:SourceAnchor", &text(anchor))];
        element("b:SyncCredentialsChangeResult", &parts.concat())
    };
    let list = element("b:Results", &[entry("u1", "2"), entry("u0", "0")].concat());
    let result = element("ProvisionCredentialsResult", &list);
    let service = Service::start(vec![
        Answer::Soap(200, envelope(&element("ProvisionCredentialsResponse", &result))),
        Answer::Cut,
    ])
    .await;
    let change = |anchor: &str| CredentialChange {
        source_anchor: Some(anchor.to_owned()),
        cloud_anchor: None,
        changed_at: "2026-01-02T03:04:05.5Z".parse().unwrap(),
        credential_data: Secret::new(format!("v1;PPH1_MD4,{anchor};")),
        force_change_on_logon: true,
    };
    let client = client(&service, |settings| settings.batch_objects = 2);
    let outcomes = client.provision_credentials(&["u0", "u1", "u2"].map(change)).await.unwrap();
    assert_eq!(outcomes[0], CredentialOutcome::Accepted);
    assert!(matches!(&outcomes[1], CredentialOutcome::Refused { result, .. } if result == "2"));
    assert!(matches!(outcomes[2], CredentialOutcome::NotSettled { may_have_arrived: true, .. }));
    assert_eq!((service.asked()[0].count("PPH1_MD4"), service.asked()[0].count("2026-01-02T03:04:05.5Z")), (2, 2));
    assert!(!format!("{outcomes:?}").contains("PPH1"));
}

/// The remaining calls ask what they are named after.
#[tokio::test]
async fn features_and_capabilities() {
    let service = Service::start(vec![done("SetCompanyDirsyncFeatures")]).await;
    let client = client(&service, |_| {});
    client.set_features(DirSyncFeatures(41_017)).await.unwrap();
    assert_eq!(service.asked()[0].count("41017"), 1);
    let xml = "<ServiceCapability><Application><MinimumProductVersion>2.6.0.0</MinimumProductVersion></Application></ServiceCapability>";
    let response = element("CapabilitiesResponse", &element("CapabilitiesResult", &text(xml)));
    service.script(vec![Answer::Soap(200, envelope(&response))]);
    let capabilities = client.capabilities().await.unwrap();
    assert!(capabilities.refuses(&client.settings().build).unwrap().contains("2.6.0.0"));
}
