//! A small client of the provisioning web service: envelopes by the book (B.2), nothing clever.

use azure_ad_emulator::binary_xml::{Element, decode, encode};
use azure_ad_emulator::{Knobs, RunningTenant};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{CLIENT, Client, SECRET, start_with};

pub(crate) const AWS: &str = "http://schemas.microsoft.com/online/aws/change/2010/01";
pub(crate) const SYNC: &str = "http://schemas.microsoft.com/online/aws/change/2014/06";
pub(crate) const CREDENTIALS: &str = "http://schemas.datacontract.org/2004/07/Microsoft.Online.Coexistence.Schema";
const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const ARRAYS: &str = "http://schemas.microsoft.com/2003/10/Serialization/Arrays";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";
const TOKEN: &str = "urn:microsoft.online.administrativeservice";
const MESSAGE_ID: &str = "urn:uuid:22222222-3333-4444-8555-666666666666";

/// The application that synchronises.
pub(crate) const SYNCHRONISER: &str = "33333333-2222-4333-8444-555555555555";
pub(crate) const SCOPE: &str = "6bf85cfa-ac8a-4be5-b5de-425a0d0dc016/.default";

/// A tenant whose synchronisation is on, a client of Graph and one of the web service.
pub(crate) async fn synced(more: Value) -> (RunningTenant, Client, Service) {
    synced_with(more, Knobs::default()).await
}

pub(crate) async fn synced_with(more: Value, knobs: Knobs) -> (RunningTenant, Client, Service) {
    let tenant = start_with(more, knobs).await;
    tenant.update_knobs(|knobs| knobs.sync = Some(azure_ad_emulator::SyncState::On)).unwrap();
    let graph = Client::sign_in(&tenant, CLIENT).await;
    let service = Service::sign_in(&tenant, &graph).await;
    (tenant, graph, service)
}

#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) build: String,
    pub(crate) machine: Option<String>,
}

/// A reply of the web service.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<String>,
    /// Of a binary reply.
    pub(crate) envelope: Option<Element>,
}

impl Service {
    pub(crate) async fn sign_in(tenant: &RunningTenant, graph: &Client) -> Service {
        let token = token(graph, SYNCHRONISER, SCOPE).await;
        Service {
            http: graph.http.clone(),
            url: format!("{}/provisioningservice.svc", tenant.base_url()),
            token,
            build: "2.5.190.0".to_owned(),
            machine: None,
        }
    }

    pub(crate) fn with_token(&self, token: &str) -> Service {
        Service { token: token.to_owned(), ..self.clone() }
    }

    pub(crate) async fn call(&self, operation: &str, children: Vec<Element>) -> Reply {
        let body = Element::new("", operation, AWS).declare("", AWS).with_all(children);
        self.send("application/soap+msbin1", &encode(&self.envelope(operation, body))).await
    }

    pub(crate) async fn send(&self, content_type: &str, body: &[u8]) -> Reply {
        let mut request = self.http.post(&self.url).header("Content-Type", content_type);
        if let Some(machine) = &self.machine {
            request = request.header("x-ms-aadmsods-machineid", machine);
        }
        let response = request.body(body.to_vec()).send().await.expect("a reply");
        let status = response.status();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let retry_after = header("retry-after");
        let is_binary = header("content-type").as_deref() == Some("application/soap+msbin1");
        let bytes = response.bytes().await.expect("a whole body");
        let envelope = is_binary.then(|| decode(&bytes).expect("a binary message"));
        Reply { status, retry_after, envelope }
    }

    pub(crate) fn envelope(&self, operation: &str, body: Element) -> Element {
        let part = |name: &str, text: &str| Element::new("", name, AWS).with_text(text);
        let token = Element::new("", "SyncToken", TOKEN)
            .declare("", TOKEN)
            .attribute("s", "role", SOAP, TOKEN)
            .with(part("ApplicationId", "1651564e-7ce4-4d99-88be-0a65050d8dc3"))
            .with(part("BearerToken", &self.token))
            .with(part("ClientVersion", "8.0"))
            .with(part("DirSyncBuildNumber", &self.build))
            .with(part("FIMBuildNumber", &self.build))
            .with(part("IsInstalledOnDC", "false"))
            .with(part("IssueDateTime", "0001-01-01T00:00:00"))
            .with(part("LanguageId", "en-US"))
            .with(part("LiveToken", ""))
            .with(part("ProtocolVersion", "2.0"))
            .with(part("RichCoexistenceEnabled", "false"))
            .with(part("TrackingId", "22222222-3333-4444-8555-666666666666"));
        let a = |name: &str| Element::new("a", name, ADDRESSING);
        let action = format!("{AWS}/IProvisioningWebService/{operation}");
        let anonymous = "http://www.w3.org/2005/08/addressing/anonymous";
        let header = Element::new("s", "Header", SOAP)
            .with(a("Action").attribute("s", "mustUnderstand", SOAP, "1").with_text(action))
            .with(token)
            .with(a("MessageID").with_text(MESSAGE_ID))
            .with(a("ReplyTo").with(a("Address").with_text(anonymous)))
            .with(a("To").attribute("s", "mustUnderstand", SOAP, "1").with_text(&self.url));
        let body = Element::new("s", "Body", SOAP).with(body);
        Element::new("s", "Envelope", SOAP).declare("s", SOAP).declare("a", ADDRESSING).with(header).with(body)
    }

    /// Sends objects by version 2; what became of each.
    pub(crate) async fn provision(&self, objects: Vec<Element>) -> Vec<Outcome> {
        self.provision_by("ProvisionAzureADSyncObjects2", objects).await
    }

    pub(crate) async fn provision_by(&self, operation: &str, objects: Vec<Element>) -> Vec<Outcome> {
        outcomes(&self.call(operation, vec![request(objects)]).await.result(operation))
    }

    pub(crate) async fn one(&self, object: Element) -> Outcome {
        let mut outcomes = self.provision(vec![object]).await;
        assert_eq!(outcomes.len(), 1);
        outcomes.remove(0)
    }
}

pub(crate) async fn token(graph: &Client, client: &str, scope: &str) -> String {
    let form =
        [("grant_type", "client_credentials"), ("client_id", client), ("client_secret", SECRET), ("scope", scope)];
    graph.ask_token(&form).await.is(200).body["access_token"].as_str().unwrap().to_owned()
}

impl Reply {
    /// The `...Result` of the operation.
    #[track_caller]
    pub(crate) fn result(&self, operation: &str) -> Element {
        assert_eq!(self.status, 200, "{:?}", self.envelope);
        let envelope = self.envelope.as_ref().expect("a message");
        let response = envelope.child("Body").and_then(|body| body.child(&format!("{operation}Response")));
        response.and_then(|response| response.child(&format!("{operation}Result"))).expect("a result").clone()
    }

    /// Refused as a whole: the text of the fault.
    #[track_caller]
    pub(crate) fn fault(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{:?}", self.envelope);
        let fault = self.envelope.as_ref().and_then(|envelope| envelope.child("Body")?.child("Fault"));
        fault.and_then(|fault| fault.child("Reason")?.child("Text")).expect("a fault").text()
    }
}

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) code: String,
    pub(crate) error: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) cloud_anchor: Option<String>,
    pub(crate) source_anchor: Option<String>,
}

impl Outcome {
    /// Succeeded: the object's id.
    #[track_caller]
    pub(crate) fn id(&self) -> String {
        assert_eq!((self.code.as_str(), &self.error, &self.description), ("Success", &None, &None));
        self.cloud_anchor.as_ref().unwrap().split_once('_').unwrap().1.to_owned()
    }

    #[track_caller]
    pub(crate) fn refused(&self, name: &str) -> String {
        assert_eq!((self.code.as_str(), self.error.as_deref()), ("Failure", Some(name)), "{:?}", self.description);
        self.description.clone().expect("a description")
    }
}

fn outcomes(result: &Element) -> Vec<Outcome> {
    let of = |element: &Element, name: &str| {
        let child = element.child(name).unwrap_or_else(|| panic!("no {name}"));
        let is_nil = child.attribute_value("nil") == Some("true");
        assert_eq!(is_nil, child.children.is_empty(), "{name} has a value or is nil");
        (!is_nil).then(|| child.text())
    };
    let read = |element: &Element| Outcome {
        code: of(element, "ResultCode").unwrap(),
        error: of(element, "ErrorDetails"),
        description: of(element, "ResultErrorDescription"),
        cloud_anchor: of(element, "CloudAnchor"),
        source_anchor: of(element, "SourceAnchor"),
    };
    result.child("SyncObjectResults").unwrap().elements().map(read).collect()
}

/// `syncRequest` with these objects.
pub(crate) fn request(objects: Vec<Element>) -> Element {
    let objects = Element::new("b", "SyncObjects", SYNC).with_all(objects);
    Element::new("", "syncRequest", AWS).declare("b", SYNC).declare("i", INSTANCE).with(objects)
}

/// An object to set, its properties by the shape of their JSON: text, boolean, number, list of texts, null, and
/// `{"base64": ..}` and `{"links": [[anchor, add], ..]}`.
pub(crate) fn set(kind: &str, properties: Value) -> Element {
    object(kind, "Set", properties)
}

pub(crate) fn delete(kind: &str, anchor: &str) -> Element {
    object(kind, "Delete", json!({ "SourceAnchor": anchor }))
}

pub(crate) fn object(kind: &str, operation: &str, properties: Value) -> Element {
    let c = |name: &str| Element::new("c", name, ARRAYS);
    let pairs = properties.as_object().expect("an object").iter().map(|(key, property)| {
        c("KeyValueOfstringanyType").with(c("Key").with_text(key)).with(value(c("Value"), property))
    });
    Element::new("b", "AzureADSyncObject", SYNC)
        .with(Element::new("b", "PropertyValues", SYNC).declare("c", ARRAYS).with_all(pairs.collect::<Vec<_>>()))
        .with(Element::new("b", "SyncObjectType", SYNC).with_text(kind))
        .with(Element::new("b", "SyncOperation", SYNC).with_text(operation))
}

fn value(element: Element, value: &Value) -> Element {
    let typed = |kind: &str| element.clone().attribute("i", "type", INSTANCE, kind).declare("d", SCHEMA);
    let item = |name: &str, text: &Value| Element::new("c", name, ARRAYS).with_text(text.as_str().unwrap());
    match value {
        Value::Null => nil(element),
        Value::Bool(flag) => typed("d:boolean").with_text(flag.to_string()),
        Value::Number(number) => typed("d:long").with_text(number.to_string()),
        Value::String(text) => typed("d:string").with_text(text),
        Value::Array(items) => element
            .attribute("i", "type", INSTANCE, "c:ArrayOfstring")
            .with_all(items.iter().map(|text| item("string", text)).collect::<Vec<_>>()),
        Value::Object(object) => match (object.get("base64"), object.get("links")) {
            (Some(Value::Array(items)), _) => element
                .attribute("i", "type", INSTANCE, "c:ArrayOfbase64Binary")
                .with_all(items.iter().map(|text| item("base64Binary", text)).collect::<Vec<_>>()),
            (Some(base64), _) => typed("d:base64Binary").with_text(base64.as_str().unwrap()),
            (_, Some(links)) => links_value(element, links),
            _ => panic!("{object:?} is no value"),
        },
    }
}

fn links_value(element: Element, links: &Value) -> Element {
    let plain = |name: &str| Element::new("", name, SYNC);
    let changes = links.as_array().unwrap().iter().map(|link| {
        let operation = if link[1].as_bool().unwrap() { "1" } else { "2" };
        let anchor = link[0].as_str().unwrap();
        let kind = if anchor.contains('_') { "1" } else { "2" };
        plain("SyncReferenceChange")
            .with(
                plain("Reference")
                    .with(plain("Anchor").with_text(anchor))
                    .with(plain("referenceTypeInt").with_text(kind)),
            )
            .with(plain("operationInt").with_text(operation))
    });
    element
        .attribute("i", "type", INSTANCE, "SyncReferenceChangeCollection")
        .with(plain("referenceChanges").with_all(changes.collect::<Vec<_>>()))
}

pub(crate) fn nil(element: Element) -> Element {
    element.attribute("i", "nil", INSTANCE, "true")
}

pub(crate) fn aws(name: &str, text: &str) -> Element {
    Element::new("", name, AWS).with_text(text)
}

/// A synchronised user's usual properties.
pub(crate) fn person(anchor: &str, name: &str) -> Value {
    json!({
        "SourceAnchor": anchor,
        "accountEnabled": true,
        "userPrincipalName": format!("{name}@contoso.com"),
        "displayName": name,
        "mail": format!("{name}@contoso.com"),
        "proxyAddresses": [format!("SMTP:{name}@contoso.com")],
    })
}

/// The properties with others in their place.
pub(crate) fn with(properties: Value, more: Value) -> Value {
    let (Value::Object(mut properties), Value::Object(more)) = (properties, more) else { panic!("objects") };
    properties.extend(more);
    Value::Object(properties)
}
