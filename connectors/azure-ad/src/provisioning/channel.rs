//! One call of the service and the patience around it: envelope, headers, token, redirects, throttling, outages, broken
//! connections. Every call may be sent again: reads change nothing, and the service knows objects by their anchors. Decides
//! nothing about objects.

use super::binary::{self, Element};
use super::envelope::{self, Fault, Reply, Sender};
use super::settings::ProvisioningSettings;
use crate::client::{Broken, GraphClient, describe, read_limited, request_id, throttled};
use crate::settings::is_loopback;
use crate::throttle::{Gate, Patience, retry_after};
use bytes::Bytes;
use connector_contract::{ConnectorError, ErrorKind};
use reqwest::Url;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

const CONTENT_TYPE: &str = "application/soap+msbin1";
/// The cause of a call that the service refuses as a whole.
pub(super) const FAULT: &str = "fault";
/// Redirects that one call follows (B.7).
const MAX_REDIRECTS: u32 = 3;

/// The way to the service. Signs in as the same application as the Graph client, over the same connections' settings.
#[derive(Debug)]
pub(super) struct Channel {
    graph: GraphClient,
    /// Where a redirect sent us; kept for later calls.
    redirected: Mutex<Option<Url>>,
    /// The tenant's GUID for the header, once it is known.
    tenant_id: OnceLock<String>,
    gate: Gate,
    permits: Semaphore,
}

/// A call that the service answered with a result.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) result: Element,
    /// An earlier sending may have been applied already.
    pub(super) doubtful: bool,
}

/// What one reply means for the call.
#[derive(Debug)]
enum Verdict {
    Result(Element),
    Fault(Fault),
    /// How long to wait, and whether the request was not carried out for certain.
    Throttled {
        asked: Option<Duration>,
        untouched: bool,
    },
    /// The token is not taken; with what the service says about it.
    Unauthorised(String),
    /// Trying again may help.
    Outage(ConnectorError),
    /// Trying again does not help.
    Refused(ConnectorError),
}

/// A reply that came in whole.
struct HttpReply {
    status: u16,
    retry_after: Option<Duration>,
    is_binary_soap: bool,
    body: Vec<u8>,
    token_generation: u64,
}

impl Channel {
    pub(super) fn new(graph: GraphClient) -> Channel {
        let tenant = graph.settings().tenant.clone();
        let tenant_id = OnceLock::new();
        if tenant.parse::<metaverse_schema::Guid>().is_ok() {
            let _ = tenant_id.set(tenant);
        }
        let permits = Semaphore::new(graph.settings().provisioning.concurrency.max(1));
        Channel { graph, redirected: Mutex::default(), tenant_id, gate: Gate::default(), permits }
    }

    pub(super) fn settings(&self) -> &ProvisioningSettings {
        &self.graph.settings().provisioning
    }

    /// Longest wait of one call, all its retries together.
    pub(super) fn max_wait(&self) -> Duration {
        self.graph.settings().max_wait
    }

    pub(super) fn knows_tenant(&self) -> bool {
        self.tenant_id.get().is_some()
    }

    /// The tenant said what its GUID is. What stands in a header must be one.
    pub(super) fn learn_tenant(&self, id: &str) {
        if id.parse::<metaverse_schema::Guid>().is_ok() {
            let _ = self.tenant_id.set(id.to_owned());
        }
    }

    /// Calls an operation and waits out what can be waited out. `body` is the element named like it.
    pub(super) async fn call(&self, operation: &str, body: &Element) -> Result<Answered, Broken> {
        let attempted = format!("calling {operation} of {}", self.settings().url.host_str().unwrap_or_default());
        let mut patience = Patience::new(self.graph.settings());
        let (mut doubtful, mut renewed, mut redirects) = (false, false, 0);
        loop {
            if let Some(wait) = self.gate.remaining() {
                if wait > self.max_wait() {
                    return Err(ended(doubtful, throttled(&attempted, wait)));
                }
                tokio::time::sleep(wait).await;
            }
            let endpoint = self.endpoint();
            let (pause, error) = match self.exchange(&endpoint, operation, body, &attempted).await {
                Ok(reply) => match judge(&reply, operation, &attempted) {
                    Verdict::Result(result) => return Ok(Answered { result, doubtful }),
                    Verdict::Fault(fault) => match &fault.redirect {
                        Some(url) if redirects < MAX_REDIRECTS => {
                            self.follow(url, &attempted).map_err(|error| ended(doubtful, error))?;
                            redirects += 1;
                            continue;
                        }
                        Some(_) => return Err(ended(doubtful, redirected_too_often(&attempted))),
                        None if fault.says_token_refused() && !renewed => {
                            renewed = true;
                            self.graph.tokens().drop_generation(reply.token_generation).await;
                            continue;
                        }
                        None if fault.is_the_services() && !fault.says_not_activated() => {
                            doubtful = true;
                            (patience.fault(None), fault_error(&fault, &attempted))
                        }
                        None => {
                            let broken = ended(doubtful, fault_error(&fault, &attempted));
                            return Err(Broken { cause: FAULT, ..broken });
                        }
                    },
                    Verdict::Throttled { asked, untouched } => match patience.throttled(asked) {
                        Ok(pause) => {
                            doubtful |= !untouched;
                            self.gate.close_for(pause);
                            tracing::warn!(attempted, pause_ms = pause.as_millis() as u64, "throttled");
                            continue;
                        }
                        Err(wait) => {
                            self.gate.close_for(wait);
                            return Err(ended(doubtful || !untouched, throttled(&attempted, wait)));
                        }
                    },
                    Verdict::Unauthorised(_) if !renewed => {
                        renewed = true;
                        self.graph.tokens().drop_generation(reply.token_generation).await;
                        continue;
                    }
                    Verdict::Unauthorised(message) => return Err(ended(doubtful, token_refused(&message, &attempted))),
                    Verdict::Outage(error) => {
                        doubtful = true;
                        (patience.fault(None), error)
                    }
                    Verdict::Refused(error) => return Err(ended(doubtful, error)),
                },
                Err(broken) if broken.hopeless => {
                    return Err(Broken { may_have_arrived: doubtful || broken.may_have_arrived, ..broken });
                }
                Err(broken) => {
                    doubtful |= broken.may_have_arrived;
                    self.forget_redirect(&broken);
                    (patience.fault(None), broken.error)
                }
            };
            let Some(pause) = pause else { return Err(ended(doubtful, error)) };
            tracing::warn!(%error, pause_ms = pause.as_millis() as u64, "trying again");
            tokio::time::sleep(pause).await;
        }
    }

    fn endpoint(&self) -> Url {
        let redirected = self.redirected.lock().unwrap_or_else(PoisonError::into_inner);
        redirected.clone().unwrap_or_else(|| self.settings().url.clone())
    }

    /// Takes the host of the URL that the service names, where the token may go to (B.7).
    fn follow(&self, target: &str, attempted: &str) -> Result<(), ConnectorError> {
        let refused = |message: String| {
            let remedy = "write the host into the setting url of the provisioning service if it is the right one";
            ConnectorError::new(ErrorKind::Protocol, attempted, message, remedy)
        };
        let target = Url::parse(target).map_err(|_| refused("the service redirects to what is no URL".to_owned()))?;
        let url = redirection(&self.settings().url, &target).ok_or_else(|| {
            let host = target.host_str().unwrap_or("no host").to_owned();
            refused(format!("the service redirects to {host}, where an access token is not sent to"))
        })?;
        tracing::info!(host = url.host_str(), "the provisioning service redirects");
        *self.redirected.lock().unwrap_or_else(PoisonError::into_inner) = Some(url);
        Ok(())
    }

    /// A host that cannot be reached any more is left for the configured one.
    fn forget_redirect(&self, broken: &Broken) {
        if !broken.may_have_arrived {
            *self.redirected.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    async fn exchange(
        &self,
        endpoint: &Url,
        operation: &str,
        body: &Element,
        attempted: &str,
    ) -> Result<HttpReply, Broken> {
        let token = self.graph.token(&self.settings().scope).await?;
        let cancelled = || Broken::hopeless("cancelled", ConnectorError::cancelled(attempted));
        let _permit = self.permits.acquire().await.map_err(|_| cancelled())?;
        let message_id = request_id();
        let sender = Sender {
            settings: self.settings(),
            endpoint: endpoint.as_str(),
            message_id: &message_id,
            token: token.bearer.clone(),
        };
        let payload = Bytes::from_owner(binary::encode(&envelope::request(&sender, operation, body.clone())));
        let bytes = payload.len();
        let mut request = self
            .graph
            .http()?
            .post(endpoint.clone())
            .header("content-type", CONTENT_TYPE)
            // The official client names itself by its build alone.
            .header("user-agent", "")
            .header("client-request-id", &message_id)
            .header("x-ms-aadmsods-clientversion", &self.settings().client_version)
            .header("x-ms-aadmsods-dirsyncbuildnumber", &self.settings().build)
            .header("x-ms-aadmsods-fimbuildnumber", &self.settings().build)
            .header("x-ms-aadmsods-appid", &self.settings().application_id)
            .header("x-ms-aadmsods-apiaction", operation);
        if let Some(machine) = &self.settings().machine_id {
            request = request.header("x-ms-aadmsods-machineid", machine);
        }
        if let Some(tenant) = self.tenant_id.get() {
            request = request.header("x-ms-aadmsods-tenantid", tenant);
        }
        let started = Instant::now();
        #[cfg(feature = "fail-points")]
        fail::fail_point!("provisioning-send");
        let mut reply = request.body(payload).send().await.map_err(|error| describe(&error, attempted))?;
        #[cfg(feature = "fail-points")]
        fail::fail_point!("provisioning-answered");
        let header = |name: &str| reply.headers().get(name).and_then(|value| value.to_str().ok());
        let status = reply.status().as_u16();
        let asked = header("retry-after").and_then(retry_after);
        let kind = header("content-type").and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        let is_binary_soap = kind.eq_ignore_ascii_case(CONTENT_TYPE);
        let body = read_limited(&mut reply, self.graph.settings().max_reply_bytes, attempted).await?;
        #[cfg(feature = "fail-points")]
        fail::fail_point!("provisioning-reply");
        tracing::debug!(
            operation,
            status,
            sent_bytes = bytes,
            elapsed_ms = started.elapsed().as_millis() as u64,
            message_id,
            "provisioning"
        );
        Ok(HttpReply { status, retry_after: asked, is_binary_soap, body, token_generation: token.generation })
    }
}

/// The end of a call. What was said is final; an earlier sending may still have been applied.
fn ended(doubtful: bool, error: ConnectorError) -> Broken {
    Broken { may_have_arrived: doubtful, ..Broken::hopeless("refused", error) }
}

fn judge(reply: &HttpReply, operation: &str, attempted: &str) -> Verdict {
    let error = |kind, message: String, remedy: &str| ConnectorError::new(kind, attempted, message, remedy);
    // Other statuses than 500 may come with a fault too.
    let told = |message: &str| {
        let envelope = binary::decode(&reply.body).ok().filter(|_| reply.is_binary_soap);
        match envelope.and_then(|envelope| envelope::reply(envelope, operation).ok()) {
            Some(Reply::Fault(fault)) if !fault.text.is_empty() => format!("{message}: {}", fault.text),
            _ => message.to_owned(),
        }
    };
    match reply.status {
        // A fault is HTTP 500 with a SOAP body (B.1).
        200..=299 | 500 if reply.is_binary_soap => {
            let read = binary::decode(&reply.body).map_err(|error| error.to_string());
            match read.and_then(|envelope| envelope::reply(envelope, operation)) {
                Ok(Reply::Result(result)) => Verdict::Result(result),
                Ok(Reply::Fault(fault)) => Verdict::Fault(fault),
                // The request arrived; that its reply did not says nothing about it.
                Err(problem) => {
                    let remedy = "look for a proxy that changes replies; a later run starts this step anew";
                    Verdict::Outage(error(ErrorKind::Protocol, problem, remedy))
                }
            }
        }
        401 => Verdict::Unauthorised(told("HTTP 401")),
        429 => Verdict::Throttled { asked: reply.retry_after, untouched: true },
        // An outage with a time is waited out like throttling; a gateway that gave up does not know what it gave up on.
        503 if reply.retry_after.is_some() => Verdict::Throttled { asked: reply.retry_after, untouched: false },
        status @ 500.. => {
            let message = format!("HTTP {status} without a fault");
            Verdict::Outage(error(ErrorKind::Connection, message, "try again later"))
        }
        403 => {
            let remedy = "grant the application the permission ADSynchronization.ReadWrite.All and give admin consent";
            Verdict::Refused(error(ErrorKind::Permission, told("HTTP 403"), remedy))
        }
        status @ 300..=399 => {
            let message = format!("HTTP {status}: redirects of HTTP are not followed with an access token");
            let remedy = "check the setting url of the provisioning service and any proxy in between";
            Verdict::Refused(error(ErrorKind::Protocol, message, remedy))
        }
        status => {
            let message = match status {
                200..=299 => format!("HTTP {status}: the reply is no {CONTENT_TYPE}"),
                _ => format!("HTTP {status}"),
            };
            let remedy = "check the setting url of the provisioning service and any proxy in between";
            Verdict::Refused(error(ErrorKind::Protocol, message, remedy))
        }
    }
}

fn token_refused(message: &str, attempted: &str) -> ConnectorError {
    let remedy =
        "check the setting scope of the provisioning service, and that tenant and service are of the same cloud";
    ConnectorError::new(ErrorKind::Credential, attempted, format!("the access token is not taken: {message}"), remedy)
}

/// How a step ends in a tenant whose directory synchronisation is off (SF25).
pub(crate) const SYNCHRONISATION_OFF: &str = "no-start-synchronisation-off";

fn fault_error(fault: &Fault, attempted: &str) -> ConnectorError {
    let text = if fault.text.is_empty() { "a fault without a reason".to_owned() } else { fault.text.clone() };
    if fault.says_not_activated() {
        let remedy = "switch directory synchronisation on: `metasync tenant-sync on`";
        let kind = ErrorKind::CannotStart { status: SYNCHRONISATION_OFF };
        return ConnectorError::new(kind, attempted, text, remedy);
    }
    if fault.says_token_refused() {
        return token_refused(&text, attempted);
    }
    let kind = if fault.is_the_services() { ErrorKind::Connection } else { ErrorKind::Protocol };
    let remedy = "`metasync check` compares the build of the client with what the service takes";
    ConnectorError::new(kind, attempted, format!("the service refuses: {text}"), remedy)
}

fn redirected_too_often(attempted: &str) -> ConnectorError {
    let message = format!("the service redirects more than {MAX_REDIRECTS} times");
    ConnectorError::new(ErrorKind::Protocol, attempted, message, "try again later")
}

/// The configured address on the host of the target; none where a token has no business: another domain, or a connection
/// that others can read.
fn redirection(configured: &Url, target: &Url) -> Option<Url> {
    let host = target.host_str()?;
    let both_local = is_loopback(configured) && is_loopback(target);
    let related = configured.host_str().is_some_and(|own| own == host || domain_of(own) == domain_of(host));
    let readable = target.scheme() != configured.scheme() && target.scheme() != "https";
    if readable || !(both_local || related) {
        return None;
    }
    let mut url = configured.clone();
    url.set_scheme(target.scheme()).ok()?;
    url.set_host(Some(host)).ok()?;
    url.set_port(target.port()).ok()?;
    Some(url)
}

/// The last two labels of a host name; none for an address or a name without dots.
fn domain_of(host: &str) -> Option<(&str, &str)> {
    if host.parse::<std::net::IpAddr>().is_ok() || host.starts_with('[') {
        // Two addresses are never related: each compares unequal to everything, itself is told by its whole name.
        return Some((host, ""));
    }
    let mut labels = host.rsplit('.');
    let last = labels.next()?;
    labels.next().map(|before| (before, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provisioning::vectors;
    use expect_test::{Expect, expect};

    fn reply(status: u16, body: Vec<u8>) -> HttpReply {
        HttpReply { status, retry_after: None, is_binary_soap: true, body, token_generation: 1 }
    }

    #[track_caller]
    fn check(reply: HttpReply, expected: Expect) {
        let shown = match judge(&reply, "FinalizeExport", "calling") {
            Verdict::Result(result) => format!("result {}", result.name.local),
            Verdict::Fault(fault) => format!("fault {}", fault.text),
            Verdict::Throttled { asked, untouched } => format!("throttled {asked:?}, untouched {untouched}"),
            Verdict::Unauthorised(message) => format!("unauthorised {message}"),
            Verdict::Outage(error) => format!("outage {error}"),
            Verdict::Refused(error) => format!("refused {error}"),
        };
        expected.assert_eq(&shown);
    }

    /// B.1: a fault is HTTP 500 with a body; everything else that is no envelope is an outage or a refusal.
    #[test]
    fn replies_are_judged_by_status_and_body() {
        let fault = || vectors::reply("fault-not-activated");
        check(reply(500, fault()), expect!["fault Identity synchronization is not yet activated for this company."]);
        check(
            HttpReply { is_binary_soap: false, ..reply(500, fault()) },
            expect!["outage calling: HTTP 500 without a fault; try again later"],
        );
        check(
            reply(200, fault()[..100].to_vec()),
            expect![
                "outage calling: the binary XML is not readable at byte 82: it ends too early; look for a proxy that changes replies; a later run starts this step anew"
            ],
        );
        check(
            HttpReply { is_binary_soap: false, ..reply(200, Vec::new()) },
            expect![
                "refused calling: HTTP 200: the reply is no application/soap+msbin1; check the setting url of the provisioning service and any proxy in between"
            ],
        );
        check(reply(401, Vec::new()), expect!["unauthorised HTTP 401"]);
        check(
            reply(401, fault()),
            expect!["unauthorised HTTP 401: Identity synchronization is not yet activated for this company."],
        );
        check(reply(429, Vec::new()), expect!["throttled None, untouched true"]);
        let asked = Some(Duration::from_secs(7));
        check(
            HttpReply { retry_after: asked, ..reply(503, Vec::new()) },
            expect!["throttled Some(7s), untouched false"],
        );
        check(reply(503, Vec::new()), expect!["outage calling: HTTP 503 without a fault; try again later"]);
        check(
            reply(302, Vec::new()),
            expect![
                "refused calling: HTTP 302: redirects of HTTP are not followed with an access token; check the setting url of the provisioning service and any proxy in between"
            ],
        );
        check(
            reply(404, Vec::new()),
            expect![
                "refused calling: HTTP 404; check the setting url of the provisioning service and any proxy in between"
            ],
        );
        check(
            reply(403, Vec::new()),
            expect![
                "refused calling: HTTP 403; grant the application the permission ADSynchronization.ReadWrite.All and give admin consent"
            ],
        );
    }

    /// A redirect takes the host and leaves the rest; the token stays within the service's domain and off readable lines.
    #[test]
    fn a_redirect_goes_to_the_same_domain_only() {
        let to = |configured: &str, target: &str| {
            let url = redirection(&Url::parse(configured).unwrap(), &Url::parse(target).unwrap());
            url.map(|url| url.to_string()).unwrap_or_else(|| "refused".to_owned())
        };
        let service = "https://adminwebservice.microsoftonline.com/provisioningservice.svc";
        for (configured, target, expected) in [
            (
                service,
                "https://s1.adminwebservice.microsoftonline.com/other",
                "https://s1.adminwebservice.microsoftonline.com/provisioningservice.svc",
            ),
            (
                service,
                "https://eu.microsoftonline.com:8443/x",
                "https://eu.microsoftonline.com:8443/provisioningservice.svc",
            ),
            (service, "https://microsoftonline.com.evil.example/x", "refused"),
            (service, "https://evilmicrosoftonline.com/x", "refused"),
            (service, "http://eu.microsoftonline.com/x", "refused"),
            (service, "https://127.0.0.1/x", "refused"),
            (service, "ftp://eu.microsoftonline.com/x", "refused"),
            ("http://127.0.0.1:8080/svc", "http://127.0.0.1:9090/x", "http://127.0.0.1:9090/svc"),
            ("http://127.0.0.1:8080/svc", "http://localhost:9090/x", "http://localhost:9090/svc"),
            ("http://127.0.0.1:8080/svc", "http://10.0.0.1/x", "refused"),
            ("https://10.0.0.1/svc", "https://10.0.0.2/x", "refused"),
            ("https://10.0.0.1/svc", "https://10.0.0.1:444/x", "https://10.0.0.1:444/svc"),
        ] {
            assert_eq!(to(configured, target), expected, "{configured} {target}");
        }
    }
}
