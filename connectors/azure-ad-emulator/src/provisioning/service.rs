//! The web service behind the tenant's lock: plays the fault script, decodes, checks content type, token, build and state,
//! has the operation carried out, and writes the log, objects one by one and without secrets. Knows no sockets.

use serde_json::{Value, json};

use super::envelope::{self, Fault, Request};
use super::names::{AWS, SYNC, b, or_nil, text_of};
use super::object::{SyncObject, Version, kind_name};
use super::refusal::Refusal;
use super::write::Written;
use super::{company, credentials, object, read_back, write};
use crate::binary_xml::{self, Element};
use crate::call::{Headers, Reply, ReplyBody};
use crate::clock::graph_time;
use crate::context::Context;
use crate::core::{Answer, Arrival, Core, Played};
use crate::faults::FaultAction;
use crate::guid::Guid;
use crate::request_log::LoggedRequest;
use crate::synchronisation::Synchronisation;

/// Where the web service is, below the tenant's address.
pub(crate) const PATH: &str = "/provisioningservice.svc";
const CONTENT_TYPE: &str = "application/soap+msbin1";
/// The application permission that a synchronising client needs (section 0).
const PERMISSION: &str = "ADSynchronization.ReadWrite.All";
/// The roles of a person who may synchronise.
const ROLES: [&str; 3] =
    ["Global Administrator", "Hybrid Identity Administrator", "Directory Synchronization Accounts"];

/// A request as it arrived.
pub(crate) struct ProvisioningCall<'a> {
    pub(crate) method: &'a str,
    pub(crate) headers: &'a Headers,
    pub(crate) body: &'a [u8],
}

/// What one request came to.
#[derive(Default)]
struct Outcome {
    operation: Option<String>,
    application: Option<Guid>,
    /// What the log shows of the request as a whole.
    logged: Option<Value>,
    is_write: bool,
    applied: bool,
    items: Vec<Item>,
}

/// One object of a request, for its own line in the log.
struct Item {
    method: &'static str,
    anchor: Option<String>,
    status: u16,
    applied: bool,
    logged: Value,
}

impl Core {
    /// Answers a request for the web service's address.
    pub(crate) fn provisioning(&mut self, call: &ProvisioningCall<'_>, arrival: Arrival) -> Answer {
        self.expire();
        let Played { carried_out, effect, delay_ms } = Played::of(arrival.fault.as_ref());
        let told_instead = match &arrival.fault {
            Some(FaultAction::Status { status, retry_after_s, .. }) => {
                let reply = Reply { status: *status, headers: Vec::new(), body: ReplyBody::Empty };
                Some(match retry_after_s {
                    Some(seconds) => reply.with_header("retry-after", seconds.to_string()),
                    None => reply,
                })
            }
            _ => None,
        };
        let mut outcome = Outcome::default();
        let answered = if carried_out { self.answered(call, &mut outcome) } else { Reply::no_content() };
        let reply = told_instead.unwrap_or(answered);
        let status = if arrival.fault == Some(FaultAction::ResetBefore) { 0 } else { reply.status };
        self.log_provisioning(call, &arrival, outcome, status);
        Answer { reply, effect, delay_ms }
    }

    fn answered(&mut self, call: &ProvisioningCall<'_>, outcome: &mut Outcome) -> Reply {
        match call.method {
            // A probe whether the service can be reached.
            "GET" | "HEAD" => return Reply { status: 200, headers: Vec::new(), body: ReplyBody::Empty },
            "POST" => {}
            _ => return Reply { status: 405, headers: Vec::new(), body: ReplyBody::Empty },
        }
        let content_type = call.headers.get("content-type").unwrap_or_default();
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case(CONTENT_TYPE) {
            let text = format!(
                "Cannot process the message because the content type '{content_type}' was not the expected type \
                 '{CONTENT_TYPE}'."
            );
            return Reply { status: 415, headers: Vec::new(), body: ReplyBody::Text(text) };
        }
        let (status, message) = match self.carried_out_request(call, outcome) {
            Ok(Answered::Message(message)) => (200, message),
            Ok(Answered::Reply(reply)) => return reply,
            Err(fault) => (fault.status, envelope::fault(&fault)),
        };
        let bytes = binary_xml::encode(&message);
        Reply { status, headers: Vec::new(), body: ReplyBody::Bytes { content_type: CONTENT_TYPE, bytes } }
    }

    fn carried_out_request(&mut self, call: &ProvisioningCall<'_>, outcome: &mut Outcome) -> Result<Answered, Fault> {
        let message = binary_xml::decode(call.body)
            .map_err(|error| Fault::sender(format!("The message cannot be read: {error}.")))?;
        let request = envelope::read(&message)?;
        outcome.operation = Some(request.operation.clone());
        let now = self.now();
        let unauthorised = self.knobs.provisioning_unauthorised_status;
        let grant = match self.tokens.grant_of(&request.token, now) {
            Ok(grant) => grant.clone(),
            Err(why) => return Err(Fault::sender(format!("Authentication failed: {why}")).with_status(unauthorised)),
        };
        outcome.application = Some(grant.application);
        let takes = |audience: &String| audience.eq_ignore_ascii_case(&grant.audience);
        if !self.knobs.provisioning_audiences.iter().any(takes) {
            let text = format!("Authentication failed: the token's audience '{}' is not this service.", grant.audience);
            return Err(Fault::sender(text).with_status(unauthorised));
        }
        let mut context = Context {
            directory: &mut self.directory,
            knobs: &self.knobs,
            graph_url: &self.graph_url,
            now,
            permissions: &grant.permissions,
            person: grant.user,
        };
        let may = match grant.user {
            None => context.require(&[PERMISSION]),
            Some(_) => context.require_administrator(&[PERMISSION, "user_impersonation"], &ROLES),
        };
        may.map_err(|_| Fault::sender(format!("Access denied: the caller lacks {PERMISSION}.")).with_status(403))?;
        if let Some(redirect) = self.redirects.next(self.knobs.provisioning_redirect.as_ref()) {
            return Err(Fault::redirect(&redirect));
        }
        if !company::is_build_taken(&request.build, &context.knobs.minimum_build) {
            return Err(Fault::sender(format!(
                "The client version is not supported: build {} is older than {}. Upgrade to the latest version.",
                request.build, context.knobs.minimum_build
            )));
        }
        let weight = weight(&request);
        if weight > 0
            && let Some(seconds) = self.throttle.admit_objects(&context.knobs.provisioning_throttle, weight, now)
        {
            let mut reply = Reply { status: 429, headers: Vec::new(), body: ReplyBody::Empty };
            if context.knobs.provisioning_throttle.retry_after {
                reply = reply.with_header("retry-after", seconds.to_string());
            }
            return Ok(Answered::Reply(reply));
        }
        let machine = call.headers.get("x-ms-aadmsods-machineid").map(str::to_owned);
        operate(&mut context, &request, machine, outcome)
            .map(|result| Answered::Message(envelope::reply(&request, result)))
    }

    fn log_provisioning(&mut self, call: &ProvisioningCall<'_>, arrival: &Arrival, outcome: Outcome, status: u16) {
        let time = graph_time(self.now());
        let fault = arrival.fault.as_ref().map(|fault| fault.name().to_owned());
        let client_request_id = call.headers.get("client-request-id").map(str::to_owned);
        let application = outcome.application.map(|id| id.to_string());
        let body = outcome.operation.as_ref().map(|operation| {
            let mut body = json!({ "operation": operation });
            if let (Some(body), Some(Value::Object(logged))) = (body.as_object_mut(), outcome.logged.clone()) {
                body.extend(logged);
            }
            body
        });
        let whole = LoggedRequest {
            sequence: arrival.sequence,
            time: time.clone(),
            method: arrival.method.clone(),
            path: arrival.path.clone(),
            write: outcome.is_write,
            status,
            applied: outcome.applied,
            item: None,
            batch: None,
            fault: fault.clone(),
            application: application.clone(),
            client_request_id: client_request_id.clone(),
            body,
        };
        self.log.record(whole, self.knobs.request_log_limit);
        for (place, item) in outcome.items.into_iter().enumerate() {
            let sequence = self.log.next_sequence();
            let record = LoggedRequest {
                sequence,
                time: time.clone(),
                method: item.method.to_owned(),
                path: format!("{PATH}#{}", outcome.operation.as_deref().unwrap_or_default()),
                write: true,
                status: item.status,
                applied: item.applied,
                item: Some(item.anchor.unwrap_or_else(|| place.to_string())),
                batch: Some(arrival.sequence),
                fault: fault.clone(),
                application: application.clone(),
                client_request_id: client_request_id.clone(),
                body: Some(item.logged),
            };
            self.log.record(record, self.knobs.request_log_limit);
        }
    }
}

enum Answered {
    Message(Element),
    /// Of HTTP alone.
    Reply(Reply),
}

/// Writes that a request costs of the budget.
fn weight(request: &Request) -> u32 {
    let objects = match request.operation.as_str() {
        "ProvisionAzureADSyncObjects" | "ProvisionAzureADSyncObjects2" => {
            request.body.child("syncRequest").and_then(|inner| inner.child("SyncObjects"))
        }
        "ProvisionCredentials" => request.body.child("request").and_then(|inner| inner.child("RequestItems")),
        _ => None,
    };
    u32::try_from(objects.map_or(0, |objects| objects.elements().count())).unwrap_or(u32::MAX)
}

/// Carries an operation out; the result that stands in the reply.
fn operate(
    cx: &mut Context<'_>,
    request: &Request,
    machine: Option<String>,
    outcome: &mut Outcome,
) -> Result<Element, Fault> {
    match request.operation.as_str() {
        "Capabilities" => return Ok(company::capabilities(cx, request)),
        "GetCompanyConfiguration" => {
            envelope::in_order(&request.body, AWS, &["includeLicenseInformation"])?;
            return Ok(company::configuration(cx, request));
        }
        "GetKerberosDomain" => return Err(Fault::sender("No cloud Kerberos domain exists for this company.")),
        _ => {}
    }
    if Synchronisation::of(cx.directory) != Synchronisation::On {
        return Err(Fault::not_activated());
    }
    match request.operation.as_str() {
        "SetCompanyDirsyncFeatures" => {
            envelope::in_order(&request.body, AWS, &["dirsyncFeatures"])?;
            let mask = text_of(&request.body, "dirsyncFeatures").and_then(|mask| mask.parse().ok());
            let mask: u32 = mask.ok_or_else(|| Fault::sender("dirsyncFeatures is a bit mask."))?;
            company::set_feature_bits(&mut cx.directory.facts, mask);
            cx.directory.mark_changed();
            (outcome.is_write, outcome.applied) = (true, true);
            outcome.logged = Some(json!({ "dirsyncFeatures": mask }));
            Ok(super::names::aws(&format!("{}Result", request.operation)))
        }
        "ReadBackAzureADSyncObjects" => read_back::answer(cx, request, Version::One),
        "ReadBackAzureADSyncObjects2" => read_back::answer(cx, request, Version::Two),
        "ProvisionAzureADSyncObjects" => provision(cx, request, Version::One, machine, outcome),
        "ProvisionAzureADSyncObjects2" => provision(cx, request, Version::Two, machine, outcome),
        "FinalizeExport" => {
            envelope::in_order(&request.body, AWS, &["totalExported", "successfulExportCount"])?;
            let count = |name: &str| text_of(&request.body, name).and_then(|count| count.parse::<u64>().ok());
            let (total, successful) = (count("totalExported"), count("successfulExportCount"));
            let total = total.ok_or_else(|| Fault::sender("totalExported is a number."))?;
            cx.directory.facts.sync_client.objects = total;
            note_client(cx, machine, &request.build);
            outcome.logged = Some(json!({ "totalExported": total, "successfulExportCount": successful }));
            Ok(super::names::aws(&format!("{}Result", request.operation)))
        }
        "ProvisionCredentials" => {
            let (result, taken) = credentials::answer(cx, request)?;
            for one in taken {
                outcome.items.push(Item {
                    method: "PASSWORD",
                    status: if one.refusal.is_none() { 200 } else { 400 },
                    applied: one.refusal.is_none(),
                    logged: json!({ "CredentialData": "[redacted]", "refusal": one.refusal.map(|(_, text)| text) }),
                    anchor: one.source_anchor,
                });
            }
            Ok(result)
        }
        other => Err(Fault::sender(format!("The rehearsal tenant does not offer the operation {other}."))),
    }
}

fn provision(
    cx: &mut Context<'_>,
    request: &Request,
    version: Version,
    machine: Option<String>,
    outcome: &mut Outcome,
) -> Result<Element, Fault> {
    let objects = object::read_all(&request.body)?;
    let links: usize = objects.iter().map(SyncObject::link_count).sum();
    if version == Version::Two && links > cx.knobs.most_links_in_request {
        return Err(Fault::sender(format!(
            "The request has {links} links; at most {} are supported across a batch.",
            cx.knobs.most_links_in_request
        )));
    }
    let mut results = Vec::new();
    for object in &objects {
        let written = write::write(cx, object, version);
        outcome.items.push(Item {
            method: object.operation.name(),
            anchor: object.source_anchor().or_else(|| object.cloud_anchor()).map(str::to_owned),
            status: if written.is_ok() { 200 } else { 400 },
            applied: written.as_ref().is_ok_and(|written| written.applied),
            logged: object.logged(),
        });
        results.push(object_result(cx, object, &written));
    }
    if outcome.items.iter().any(|item| item.applied) {
        cx.directory.facts.on_premises_last_sync = Some(graph_time(cx.now));
        note_client(cx, machine, &request.build);
    }
    Ok(envelope::result(request, Some(SYNC)).with(b("SyncObjectResults", SYNC).with_all(results)))
}

fn note_client(cx: &mut Context<'_>, machine: Option<String>, build: &str) {
    let client = &mut cx.directory.facts.sync_client;
    client.machine = machine.or_else(|| client.machine.take());
    client.build = Some(build.to_owned());
    cx.directory.mark_changed();
}

fn object_result(cx: &Context<'_>, object: &SyncObject, written: &Result<Written, Refusal>) -> Element {
    let id = written.as_ref().ok().map(|written| written.id);
    let cloud_anchor = match (id, object.kind()) {
        (Some(id), Some(kind)) => Some(format!("{}_{id}", kind_name(kind))),
        _ => object.cloud_anchor().map(str::to_owned),
    };
    let refusal = written.as_ref().err();
    let anchor = object.source_anchor().map(str::to_owned);
    let anchor = anchor.or_else(|| id.and_then(|id| cx.directory.any(id)?.anchor().map(str::to_owned)));
    b("AzureADSyncObjectResult", SYNC)
        .with(or_nil(b("CloudAnchor", SYNC), cloud_anchor))
        .with(or_nil(b("ErrorDetails", SYNC), refusal.map(|refusal| refusal.name)))
        .with(b("ObjectType", SYNC).with_text(&object.kind_name))
        .with(b("ResultCode", SYNC).with_text(if refusal.is_none() { "Success" } else { "Failure" }))
        .with(b("ResultErrorCode", SYNC).with_text(refusal.map_or(0, |refusal| refusal.number).to_string()))
        .with(or_nil(b("ResultErrorDescription", SYNC), refusal.map(|refusal| refusal.text.clone())))
        .with(or_nil(b("SourceAnchor", SYNC), anchor))
        .with(b("SyncOperation", SYNC).with_text(object.operation.name()))
}
