//! The wire itself: content type, envelope, token, build, faults, redirects, the recorded requests of a third-party client,
//! configuration and features, budget and log (B.1 to B.8, F.26).

use std::time::Duration;

use azure_ad_emulator::binary_xml::{Element, decode, encode};
use azure_ad_emulator::{FaultAction, FaultRates, FaultRule, Knobs, ProvisioningRedirect, SyncState};
use serde_json::{Value, json};

use crate::soap::*;
use crate::support::{CLIENT, Client, SECRET, start_with, user};

#[tokio::test]
async fn f26_only_binary_soap_is_taken() {
    let (_tenant, graph, service) = synced(json!({})).await;
    assert_eq!(graph.http.get(&service.url).send().await.unwrap().status(), 200, "the probe of a client");
    let body = encode(&service.envelope("Capabilities", Element::new("", "Capabilities", AWS)));
    for wrong in ["application/soap+xml", "application/json", "application/octet-stream"] {
        assert_eq!(service.send(wrong, &body).await.status, 415, "{wrong}");
    }
    assert_eq!(service.send("application/soap+msbin1", &body).await.status, 200);
    assert_eq!(graph.http.put(&service.url).send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn f26_what_is_no_message_is_a_binary_fault_with_500() {
    let (_tenant, _, service) = synced(json!({})).await;
    for (bytes, expected) in [
        (vec![], "The message cannot be read: the message ends early, at byte 0."),
        (vec![0xFF; 40], "The message cannot be read: there is no record type 0xff at byte 0."),
        (encode(&Element::new("", "Envelope", "urn:other")), "The message is not a SOAP 1.2 envelope."),
    ] {
        assert_eq!(service.send("application/soap+msbin1", &bytes).await.fault(500), expected);
    }
    let swapped = service.envelope("FinalizeExport", Element::new("", "Capabilities", AWS));
    let text = service.send("application/soap+msbin1", &encode(&swapped)).await.fault(500);
    assert!(text.contains("action mismatch"), "{text}");
    let text = service.call("DropEverything", vec![]).await.fault(500);
    assert!(text.contains("does not offer the operation DropEverything"), "{text}");
    assert_eq!(
        service.call("GetKerberosDomain", vec![aws("dnsDomainName", "ad.example.org")]).await.fault(500),
        "No cloud Kerberos domain exists for this company."
    );
}

/// Elements out of the order of their contract are what the live serializer drops silently.
#[tokio::test]
async fn elements_out_of_order_or_of_another_namespace_are_refused() {
    let (tenant, _, service) = synced(json!({})).await;
    let mut late = set("User", person("QQ==", "ann"));
    late.children.rotate_left(1);
    let text = service.call("ProvisionAzureADSyncObjects2", vec![request(vec![late])]).await.fault(500);
    assert!(text.contains("'PropertyValues'") && text.contains("in this order"), "{text}");
    let mut foreign = set("User", person("QQ==", "ann"));
    foreign.namespace = AWS.into();
    foreign.prefix = String::new();
    for child in &mut foreign.children {
        if let azure_ad_emulator::binary_xml::Node::Element(child) = child {
            child.namespace = AWS.into();
            child.prefix = String::new();
        }
    }
    service.call("ProvisionAzureADSyncObjects2", vec![request(vec![foreign])]).await.fault(500);
    let cookie = nil(Element::new("", "inputCookie", AWS));
    let late = vec![aws("isFullSync", "true"), cookie, aws("includeLicenseInformation", "true")];
    service.call("ReadBackAzureADSyncObjects2", late).await.fault(500);
    assert_eq!(tenant.successful_writes(), 0);
}

#[tokio::test]
async fn the_token_is_for_this_service_and_carries_the_permission() {
    let (tenant, graph, service) = synced(json!({})).await;
    let check = async |token: &str, status: u16, text: &str| {
        let fault = service.with_token(token).call("Capabilities", vec![]).await.fault(status);
        assert!(fault.contains(text), "{fault}");
    };
    check("", 401, "Authentication failed").await;
    check("made up", 401, "Authentication failed").await;
    check(&graph.token, 401, "audience 'https://graph.microsoft.com'").await;
    let without_permission = token(&graph, CLIENT, SCOPE).await;
    check(&without_permission, 403, "ADSynchronization.ReadWrite.All").await;
    // The web service's token is none of Graph's.
    let crossed = Client { token: service.token.clone(), ..graph.clone() };
    crossed.get("/users").await.refused(401, "InvalidAuthenticationToken");

    let old = token(&graph, SYNCHRONISER, "https://graph.windows.net/.default").await;
    check(&old, 401, "audience 'https://graph.windows.net'").await;
    tenant.update_knobs(|knobs| knobs.provisioning_audiences.push("https://graph.windows.net".to_owned())).unwrap();
    service.with_token(&old).call("Capabilities", vec![]).await.result("Capabilities");

    tenant.advance_clock(Duration::from_secs(3_600));
    check(&service.token, 401, "the token is expired").await;
}

#[tokio::test]
async fn old_builds_are_refused() {
    let (tenant, _, service) = synced(json!({})).await;
    let old = Service { build: "2.4.21.0".to_owned(), ..service.clone() };
    let text = old.call("Capabilities", vec![]).await.fault(500);
    assert!(text.contains("2.4.21.0 is older than 2.5.79.0"), "{text}");
    tenant.update_knobs(|knobs| knobs.minimum_build = "1.5.30.0".to_owned()).unwrap();
    let text = old.call("Capabilities", vec![]).await.result("Capabilities").text();
    assert!(text.contains("<MinimumProductVersion>1.5.30.0</MinimumProductVersion>"), "{text}");
}

#[tokio::test]
async fn f26_a_redirect_is_a_fault_that_names_the_address() {
    let (tenant, _, service) = synced(json!({})).await;
    let redirect = ProvisioningRedirect { url: "https://elsewhere.example/x.svc".to_owned(), times: Some(2) };
    tenant.update_knobs(|knobs| knobs.provisioning_redirect = Some(redirect)).unwrap();
    for _ in 0..2 {
        let reply = service.call("Capabilities", vec![]).await;
        reply.fault(500);
        let detail = reply.envelope.as_ref().and_then(|envelope| {
            envelope.child("Body")?.child("Fault")?.child("Detail")?.child("BindingRedirectionFault")?.child("Url")
        });
        assert_eq!(detail.expect("the address").text(), "https://elsewhere.example/x.svc");
    }
    service.call("Capabilities", vec![]).await.result("Capabilities");
}

#[tokio::test]
async fn nothing_is_synchronised_while_synchronisation_is_off() {
    let tenant = start_with(json!({}), Knobs::default()).await;
    let graph = Client::sign_in(&tenant, CLIENT).await;
    let service = Service::sign_in(&tenant, &graph).await;
    let expected = "Identity synchronization is not yet activated for this company.";
    let refused = async || {
        let objects = vec![request(vec![set("User", person("QQ==", "ann"))])];
        assert_eq!(service.call("ProvisionAzureADSyncObjects2", objects).await.fault(500), expected);
        assert_eq!(
            service.call("SetCompanyDirsyncFeatures", vec![aws("dirsyncFeatures", "0")]).await.fault(500),
            expected
        );
        let configuration =
            service.call("GetCompanyConfiguration", vec![aws("includeLicenseInformation", "false")]).await;
        configuration.result("GetCompanyConfiguration").child("IsDirSyncing").unwrap().text()
    };
    assert_eq!(refused().await, "false");
    tenant.update_knobs(|knobs| knobs.sync = Some(SyncState::On)).unwrap();
    service.one(set("User", person("QQ==", "ann"))).await.id();
    tenant.update_knobs(|knobs| knobs.sync = Some(SyncState::Off)).unwrap();
    assert_eq!(refused().await, "false");
    assert_eq!(graph.property("/users/ann@contoso.com", "onPremisesSyncEnabled").await, false);
}

/// B.8: a third-party client's recorded requests, byte for byte but for the token, and what it needs of the replies.
#[tokio::test]
async fn a_third_party_clients_requests_get_replies_that_it_can_read() {
    let (tenant, graph, service) = synced(json!({ "domains": [
        { "name": "contoso.onmicrosoft.com", "initial": true }, { "name": "example.org" },
    ] }))
    .await;
    tenant.update_knobs(|knobs| knobs.minimum_build = "1.5.30.0".to_owned()).unwrap();
    tenant
        .update_knobs(|knobs| {
            knobs.features.insert("passwordSyncEnabled".to_owned(), true);
        })
        .unwrap();
    let vectors: Value =
        serde_json::from_str(include_str!("../../../../tests/contracts/aadsync-msbin1-vectors.json")).unwrap();
    let recorded_token: Vec<u8> = "eyJhbGciOiJub25lIn0.e30.sig".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let find = |operation: &str| {
        let request = vectors["requests"].as_array().unwrap().iter().find(|one| one["operation"] == operation).unwrap();
        let hex = request["hex"].as_str().unwrap();
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        // The recorded token is a text record of 54 bytes (0xb6, with its length in front); ours is longer.
        let at = bytes.windows(recorded_token.len()).position(|window| window == recorded_token).unwrap();
        let token: Vec<u8> = service.token.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = u16::try_from(token.len()).unwrap().to_le_bytes();
        [&bytes[..at - 2], &[0xB9], &length, &token, &bytes[at + recorded_token.len()..]].concat()
    };
    let send = async |operation: &str| service.send("application/soap+msbin1", &find(operation)).await;

    send("GetKerberosDomain").await.fault(500);
    send("Capabilities").await.result("Capabilities");
    send("FinalizeExport").await.result("FinalizeExport");
    send("SetCompanyDirsyncFeatures").await.result("SetCompanyDirsyncFeatures");
    let configuration = send("GetCompanyConfiguration").await.result("GetCompanyConfiguration");
    // 41017 was sent, one more than the tenant had: password hash synchronisation.
    assert_eq!(configuration.child("DirSyncFeatures").unwrap().text(), "41017");
    let zero = send("ReadBackAzureADSyncObjects2").await.result("ReadBackAzureADSyncObjects2");
    assert_eq!(zero.child("ResultObjects").unwrap().elements().count(), 0);

    let user = send("ProvisionAzureADSyncObjects#user-set").await;
    check_prefixes(user.envelope.as_ref().unwrap());
    let group = send("ProvisionAzureADSyncObjects#group-set").await;
    for reply in [&user, &group] {
        let result = reply.result("ProvisionAzureADSyncObjects");
        let object = result.child("SyncObjectResults").unwrap().child("AzureADSyncObjectResult").unwrap();
        let names: Vec<&str> = object.elements().map(|child| child.name.as_str()).collect();
        let expected = [
            "CloudAnchor",
            "ErrorDetails",
            "ObjectType",
            "ResultCode",
            "ResultErrorCode",
            "ResultErrorDescription",
            "SourceAnchor",
            "SyncOperation",
        ];
        assert_eq!(names, expected);
        assert_eq!(object.child("ResultCode").unwrap().text(), "Success", "{object:?}");
        assert_eq!(object.child("ResultErrorDescription").unwrap().attribute_value("nil"), Some("true"));
    }
    let ada = graph
        .get("/users/ada@example.org?$select=id,surname,onPremisesSecurityIdentifier,proxyAddresses")
        .await
        .is(200);
    assert_eq!(ada.body["surname"], "Lovelace-Byron");
    assert_eq!(ada.body["onPremisesSecurityIdentifier"], "S-1-5-21-1-2-3-1104");
    let groups = graph.all("/groups?$select=id").await;
    let members = graph.get(&format!("/groups/{}/members?$select=id", groups[0]["id"].as_str().unwrap())).await;
    assert_eq!(members.rows()[0]["id"], ada.id());

    let two = send("ReadBackAzureADSyncObjects2").await;
    check_prefixes(two.envelope.as_ref().unwrap());
    let result = two.result("ReadBackAzureADSyncObjects2");
    let values: Vec<&Element> = result
        .child("ResultObjects")
        .unwrap()
        .elements()
        .flat_map(|object| object.child("PropertyValues").unwrap().elements())
        .map(|pair| pair.child("Value").unwrap())
        .collect();
    assert!(values.len() > 20 && values.iter().all(|value| value.attribute_value("type").is_some()));

    let credentials = send("ProvisionCredentials").await.result("ProvisionCredentials");
    let one = credentials.child("Results").unwrap().child("SyncCredentialsChangeResult").unwrap();
    assert_eq!(one.child("Result").unwrap().text(), "0", "{one:?}");
    let deleted = send("ProvisionAzureADSyncObjects#user-delete").await.result("ProvisionAzureADSyncObjects");
    let one = deleted.child("SyncObjectResults").unwrap().child("AzureADSyncObjectResult").unwrap();
    assert_eq!(one.child("ResultCode").unwrap().text(), "Success");
}

/// The client looks names up with their prefix: `s`, `a`, `b`, `c`, `i` and `d`, and none for the service's own.
fn check_prefixes(element: &Element) {
    let expected = match &*element.namespace {
        "http://www.w3.org/2003/05/soap-envelope" => "s",
        "http://www.w3.org/2005/08/addressing" => "a",
        SYNC => "b",
        "http://schemas.microsoft.com/2003/10/Serialization/Arrays" => "c",
        AWS => "",
        other => panic!("{} is of {other}", element.name),
    };
    assert_eq!(element.prefix, expected, "{}", element.name);
    for attribute in &element.attributes {
        assert!(matches!(attribute.prefix.as_str(), "i" | "s"), "{attribute:?}");
        let types = ["d:string", "d:boolean", "d:long", "d:base64Binary", "c:ArrayOfstring", "c:ArrayOfbase64Binary"];
        assert!(attribute.name != "type" || types.contains(&attribute.value.as_str()), "{attribute:?}");
    }
    element.elements().for_each(check_prefixes);
}

#[tokio::test]
async fn features_are_bits_here_and_names_in_graph() {
    let (tenant, _, service) = synced(json!({})).await;
    let bits = async || {
        let reply = service.call("GetCompanyConfiguration", vec![aws("includeLicenseInformation", "false")]).await;
        reply.result("GetCompanyConfiguration").child("DirSyncFeatures").unwrap().text()
    };
    assert_eq!(bits().await, "41016");
    let set = async |mask: u32| {
        let reply = service.call("SetCompanyDirsyncFeatures", vec![aws("dirsyncFeatures", &mask.to_string())]).await;
        reply.result("SetCompanyDirsyncFeatures");
    };
    set(41_016 | 1 | 524_288).await;
    assert_eq!(bits().await, (41_016 | 1 | 524_288).to_string());
    let features = tenant.knobs().features;
    assert_eq!((features["passwordSyncEnabled"], features["blockSoftMatchEnabled"]), (true, true));
    // Resiliency and the match on sign-in names stay on (D.4, M4).
    set(0).await;
    assert_eq!(bits().await, (8 + 16 + 32).to_string());
}

#[tokio::test]
async fn the_configuration_tells_who_synchronised_last() {
    let (tenant, graph, service) = synced(json!({})).await;
    let service = Service { machine: Some("SYNC-7".to_owned()), ..service };
    service.one(set("User", person("QQ==", "ann"))).await.id();
    let done = vec![aws("totalExported", "17"), aws("successfulExportCount", "16")];
    service.call("FinalizeExport", done).await.result("FinalizeExport");
    let reply = service.call("GetCompanyConfiguration", vec![aws("includeLicenseInformation", "false")]).await;
    let configuration = reply.result("GetCompanyConfiguration");
    let synchronisation = configuration.child("DirSyncConfiguration").unwrap();
    let export = synchronisation.child("CurrentExport").unwrap();
    assert_eq!(export.child("DirSyncClientMachineName").unwrap().text(), "SYNC-7");
    assert_eq!(export.child("TotalConnectorSpaceObjects").unwrap().text(), "17");
    assert_eq!(synchronisation.child("ClientVersion").unwrap().text(), "2.5.190.0");
    assert_eq!(configuration.child("IsDirSyncing").unwrap().text(), "true");
    assert_eq!(configuration.child("TenantId").unwrap().text(), tenant.tenant_id().to_string());
    let organization = graph.get("/organization").await.rows()[0].clone();
    assert!(organization["onPremisesLastSyncDateTime"].is_string(), "{organization}");
}

#[tokio::test]
async fn the_budget_of_objects_is_kept_and_refills() {
    let (tenant, _, service) = synced(json!({})).await;
    tenant
        .update_knobs(|knobs| (knobs.provisioning_throttle.objects, knobs.provisioning_throttle.window_ms) = (4, 8_000))
        .unwrap();
    let users =
        |from: usize| (from..from + 2).map(|n| set("User", person(&format!("a{n}"), &format!("u{n}")))).collect();
    service.provision(users(0)).await;
    service.provision(users(2)).await;
    let refused = service.call("ProvisionAzureADSyncObjects2", vec![request(users(4))]).await;
    assert_eq!(refused.status, 429);
    let seconds: u64 = refused.retry_after.expect("Retry-After").parse().unwrap();
    tenant.advance_clock(Duration::from_secs(seconds));
    assert!(service.provision(users(4)).await.iter().all(|outcome| outcome.code == "Success"));
    assert_eq!(tenant.successful_writes(), 6);
}

#[tokio::test]
async fn the_log_shows_objects_one_by_one_and_no_secret() {
    let (tenant, _, service) = synced(json!({ "users": [user("taken")] })).await;
    tenant
        .update_knobs(|knobs| {
            knobs.features.insert("passwordSyncEnabled".to_owned(), true);
        })
        .unwrap();
    tenant.clear_request_log();
    let objects = vec![set("User", person("QQ==", "ann")), delete("User", "unknown")];
    service.provision(objects).await;
    let hash =
        "v1;PPH1_MD4,00010203040506070809,1000,b6aaf0e7abbeeab83c17c7b7340b900902d66614d8a59d4800aec04ffb26fd8d;";
    crate::credentials::push(&service, "QQ==", hash).await;
    let log = tenant.request_log();
    let lines: Vec<_> =
        log.iter().map(|line| (line.method.as_str(), line.item.as_deref(), line.status, line.applied)).collect();
    let expected = [
        ("POST", None, 200, false),
        ("Set", Some("QQ=="), 200, true),
        ("Delete", Some("unknown"), 400, false),
        ("POST", None, 200, false),
        ("PASSWORD", Some("QQ=="), 200, true),
    ];
    assert_eq!(lines, expected);
    assert_eq!(log[1].body.as_ref().unwrap()["properties"]["displayName"], "ann");
    assert_eq!(log[1].batch, Some(log[0].sequence));
    let text = serde_json::to_string(&log).unwrap();
    assert!(!text.contains("PPH1_MD4") && !text.contains(&service.token) && !text.contains(SECRET), "{text}");
}

#[tokio::test]
async fn the_fault_script_works_on_this_wire_too() {
    let (tenant, graph, service) = synced(json!({})).await;
    let rule = |action| FaultRule { method: None, path: Some("svc".to_owned()), nth: Some(1), times: None, action };
    let status = FaultAction::Status { status: 503, code: None, retry_after_s: Some(7), applied: false };
    tenant.play_faults(vec![rule(status)]);
    let reply =
        service.call("ProvisionAzureADSyncObjects2", vec![request(vec![set("User", person("QQ==", "ann"))])]).await;
    assert_eq!((reply.status.as_u16(), reply.retry_after.as_deref()), (503, Some("7")));
    assert_eq!(tenant.successful_writes(), 0);

    tenant.play_faults(vec![rule(FaultAction::ResetAfter)]);
    let body = encode(&service.envelope("ProvisionAzureADSyncObjects2", {
        Element::new("", "ProvisionAzureADSyncObjects2", AWS).with(request(vec![set("User", person("QQ==", "ann"))]))
    }));
    let post = || graph.http.post(&service.url).header("Content-Type", "application/soap+msbin1").body(body.clone());
    assert!(post().send().await.is_err(), "the connection is cut");
    assert_eq!(tenant.successful_writes(), 1, "and the object is there");

    tenant.play_faults(vec![rule(FaultAction::TruncateBody)]);
    let cut = post().send().await.unwrap();
    assert!(cut.bytes().await.is_err(), "the body ends early");
    tenant.play_faults(vec![rule(FaultAction::BadJson)]);
    let bytes = post().send().await.unwrap().bytes().await.unwrap();
    assert!(decode(&bytes).is_err(), "the body is no message");
    tenant.play_faults(vec![rule(FaultAction::WrongLength)]);
    let reply = post().send().await.unwrap();
    let told = reply.content_length().unwrap();
    let bytes = reply.bytes().await.unwrap();
    assert_eq!(bytes.len() as u64, told, "as HTTP it is whole");
    assert!(decode(&bytes).is_err(), "as a message it is not");
    tenant.play_faults(vec![]);
    service.call("Capabilities", vec![]).await.result("Capabilities");
}

/// A client that only sends again ends where it would have ended without faults, on both wires.
#[tokio::test]
async fn faults_come_at_random_by_a_seed_on_both_wires() {
    let run = async |rates: FaultRates| {
        let (tenant, graph, service) = synced_with(json!({ "users": [user("cloud")] }), Knobs::default()).await;
        tenant.clear_request_log();
        tenant.update_knobs(|knobs| knobs.fault_rates = rates).unwrap();
        for number in 0..40 {
            let name = format!("u{number}");
            let object = vec![request(vec![set("User", person(&name, &name))])];
            let body = Element::new("", "ProvisionAzureADSyncObjects2", AWS).with_all(object);
            let body = encode(&service.envelope("ProvisionAzureADSyncObjects2", body));
            let post =
                || graph.http.post(&service.url).header("Content-Type", "application/soap+msbin1").body(body.clone());
            let patch =
                || graph.request(reqwest::Method::PATCH, "/users/cloud@contoso.com").json(&json!({ "jobTitle": name }));
            let is_whole = async |request: reqwest::RequestBuilder, binary: bool| {
                let Ok(reply) = request.send().await else { return false };
                let status = reply.status();
                let Ok(bytes) = reply.bytes().await else { return false };
                status.is_success() && (!binary || decode(&bytes).is_ok())
            };
            while !is_whole(post(), true).await {}
            while !is_whole(patch(), false).await {}
        }
        let faults: Vec<(u64, String)> =
            tenant.request_log().into_iter().filter_map(|line| Some((line.sequence, line.fault?))).collect();
        let names: Vec<String> = tenant.snapshot()["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| format!("{} {}", user["userPrincipalName"], user["jobTitle"]))
            .collect();
        (faults, names)
    };
    let (none, expected) = run(FaultRates::default()).await;
    assert_eq!((none.len(), expected.len()), (0, 41));
    let rates = FaultRates {
        seed: 7,
        status: 0.1,
        cut_before: 0.1,
        cut_after: 0.1,
        truncated_body: 0.1,
        wrong_length: 0.1,
        ..FaultRates::default()
    };
    let (faults, names) = run(rates.clone()).await;
    assert_eq!(names, expected);
    for kind in ["status", "reset_before", "reset_after", "truncate_body", "wrong_length"] {
        assert!(faults.iter().any(|(_, fault)| fault == kind), "{kind} in {faults:?}");
    }
    assert_eq!(run(rates).await.0, faults, "the same seed, the same faults");
}
