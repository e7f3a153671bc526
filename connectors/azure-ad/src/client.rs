//! One HTTP exchange with Microsoft Graph and the patient reads made of it: token, request ids, throttling, bounded
//! replies, no redirects. Decides nothing about objects; writes go through `batch`.

use crate::errors::GraphError;
use crate::http::HttpClient;
use crate::pace::Pace;
use crate::settings::Settings;
use crate::throttle::{Gate, Patience, retry_after};
use crate::token::{Token, TokenSource};
use crate::urls;
use bytes::Bytes;
use connector_contract::{ConnectorError, ErrorKind};
use reqwest::{Method, Url};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// No skew was measured yet.
const UNKNOWN: i64 = i64::MIN;

/// The connection to one tenant. Cheap to clone; all clones share token, gate and connections.
#[derive(Debug, Clone)]
pub(crate) struct GraphClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: HttpClient,
    settings: Settings,
    tokens: TokenSource,
    gate: Gate,
    pace: Pace,
    unit_pace: Pace,
    /// As many requests at a time as there are connections.
    permits: Semaphore,
    /// As many batches likewise: one that only waits for a connection has not been taken out of the bucket of writes.
    turns: Semaphore,
    /// The service's clock minus ours, in seconds, from the last reply.
    skew_seconds: AtomicI64,
}

/// A reply that came in whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    /// The JSON body; none for an empty one, and for an error reply that is not JSON.
    pub(crate) body: Option<Value>,
    /// Which token the request carried.
    pub(crate) token_generation: u64,
}

/// An exchange without a whole reply.
#[derive(Debug)]
pub(crate) struct Broken {
    /// Whether the request left this process, so that a write may have been applied.
    pub(crate) may_have_arrived: bool,
    /// Trying again at once gives the same.
    pub(crate) hopeless: bool,
    /// Stable code for `check`: `unreachable`, `untrusted-certificate`, ...
    pub(crate) cause: &'static str,
    pub(crate) error: ConnectorError,
}

impl Broken {
    pub(crate) fn new(cause: &'static str, error: ConnectorError) -> Broken {
        Broken { may_have_arrived: true, hopeless: false, cause, error }
    }

    pub(crate) fn hopeless(cause: &'static str, error: ConnectorError) -> Broken {
        Broken { may_have_arrived: false, hopeless: true, cause, error }
    }
}

/// A 200 reply's object, or none for 404.
pub(crate) type Found = Option<Value>;

impl GraphClient {
    /// Begins to read the certificate authorities; connects to nothing.
    pub(crate) fn new(settings: Settings) -> Result<GraphClient, ConnectorError> {
        let http = HttpClient::prepare(&settings)?;
        Ok(GraphClient(Arc::new(Inner {
            http,
            permits: Semaphore::new(settings.concurrency.max(1)),
            turns: Semaphore::new(settings.concurrency.max(1)),
            pace: Pace::new(settings.write_limit, settings.write_window, settings.max_wait),
            unit_pace: Pace::new(settings.unit_limit, settings.unit_window, settings.max_wait),
            settings,
            tokens: TokenSource::default(),
            gate: Gate::default(),
            skew_seconds: AtomicI64::new(UNKNOWN),
        })))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    pub(crate) fn turns(&self) -> &Semaphore {
        &self.0.turns
    }

    /// Of writes.
    pub(crate) fn pace(&self) -> &Pace {
        &self.0.pace
    }

    /// Of resource units: a request in a batch costs one, or a little more, which the service's later words correct. The pages of
    /// an import are few, and are not held back.
    pub(crate) fn unit_pace(&self) -> &Pace {
        &self.0.unit_pace
    }

    pub(crate) fn tokens(&self) -> &TokenSource {
        &self.0.tokens
    }

    /// A token for `scope`: Graph's own, or another service's that the same application signs in to.
    pub(crate) async fn token(&self, scope: &str) -> Result<Token, Broken> {
        self.0.tokens.current(self.http()?, &self.0.settings, scope).await
    }

    /// The connections, for another service that the same application signs in to.
    pub(crate) fn http(&self) -> Result<&reqwest::Client, Broken> {
        self.0.http.get().map_err(|error| Broken::hopeless("no-https", error.clone()))
    }

    /// The service's clock minus ours, once a reply was seen.
    pub(crate) fn skew_seconds(&self) -> Option<i64> {
        Some(self.0.skew_seconds.load(Ordering::Relaxed)).filter(|skew| *skew != UNKNOWN)
    }

    /// Signs in and looks at the gate: what must hold before a write is begun.
    pub(crate) async fn ready(&self) -> Result<(), ConnectorError> {
        self.token(&self.0.settings.scope).await.map_err(|broken| broken.error)?;
        match self.0.gate.remaining() {
            Some(wait) if wait > self.0.settings.max_wait => Err(throttled("exporting", wait)),
            _ => Ok(()),
        }
    }

    /// One request and its reply, whatever the status. A 401 renews the token and is sent once more (F.1).
    pub(crate) async fn exchange(
        &self,
        method: Method,
        url: &Url,
        attempted: &str,
        headers: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Reply, Broken> {
        let reply = self.exchange_once(method.clone(), url, attempted, headers, body.clone()).await?;
        if reply.status != 401 {
            return Ok(reply);
        }
        self.0.tokens.drop_generation(reply.token_generation).await;
        self.exchange_once(method, url, attempted, headers, body).await
    }

    async fn exchange_once(
        &self,
        method: Method,
        url: &Url,
        attempted: &str,
        headers: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Reply, Broken> {
        let inner = &*self.0;
        let token = self.token(&inner.settings.scope).await?;
        let cancelled = || Broken::hopeless("cancelled", ConnectorError::cancelled(attempted));
        let _permit = inner.permits.acquire().await.map_err(|_| cancelled())?;
        let request_id = request_id();
        let mut request = self
            .http()?
            .request(method.clone(), url.clone())
            .bearer_auth(token.bearer.expose())
            .header("accept", "application/json")
            .header("client-request-id", &request_id);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let started = Instant::now();
        #[cfg(feature = "fail-points")]
        fail::fail_point!("graph-send");
        let mut reply = request.send().await.map_err(|error| describe(&error, attempted))?;
        #[cfg(feature = "fail-points")]
        fail::fail_point!("graph-answered");
        let status = reply.status().as_u16();
        let header = |name: &str| reply.headers().get(name).and_then(|value| value.to_str().ok());
        let asked = header("retry-after").and_then(retry_after);
        let json = header("content-type").is_some_and(is_json);
        if let Some(skew) = header("date").and_then(skew_of) {
            inner.skew_seconds.store(skew, Ordering::Relaxed);
        }
        // The path alone: queries hold filters with people's addresses, and delta tokens.
        tracing::debug!(%method, path = url.path(), status, elapsed_ms = started.elapsed().as_millis() as u64, request_id, "graph");
        if (300..400).contains(&status) {
            let message = format!(
                "HTTP {status}: the service redirects elsewhere; redirects are not followed with an access token"
            );
            let remedy = "check graph_url and any proxy in between";
            let error = ConnectorError::new(ErrorKind::Protocol, attempted, message, remedy);
            return Err(Broken::hopeless("redirected", error));
        }
        let bytes = read_limited(&mut reply, inner.settings.max_reply_bytes, attempted).await?;
        let parsed = parse_body(status, json, &bytes, attempted)?;
        #[cfg(feature = "fail-points")]
        fail::fail_point!("graph-reply");
        Ok(Reply { status, retry_after: asked, body: parsed, token_generation: token.generation })
    }

    /// Reads one URL, waiting out throttling, outages, broken connections and broken replies within the settings.
    /// Gives back any reply that is an answer: 2xx or 4xx.
    pub(crate) async fn read(&self, url: &Url, attempted: &str) -> Result<Reply, ConnectorError> {
        let mut patience = Patience::new(&self.0.settings);
        loop {
            if let Some(wait) = self.0.gate.remaining() {
                if wait > self.0.settings.max_wait {
                    return Err(throttled(attempted, wait));
                }
                tokio::time::sleep(wait).await;
            }
            let (pause, error) = match self.exchange(Method::GET, url, attempted, &[], None).await {
                Ok(reply) if reply.status == 429 => match patience.throttled(reply.retry_after) {
                    Ok(pause) => {
                        self.0.gate.close_for(pause);
                        tracing::warn!(attempted, pause_ms = pause.as_millis() as u64, "throttled");
                        continue;
                    }
                    Err(wait) => {
                        self.0.gate.close_for(wait);
                        return Err(throttled(attempted, wait));
                    }
                },
                Ok(reply) if reply.status >= 500 => {
                    let error = GraphError::read(reply.body.as_ref()).ends_step(reply.status, attempted, "");
                    let pause = match reply.retry_after {
                        // An outage with a time is waited out like throttling (A.2).
                        Some(asked) => patience.throttled(Some(asked)).ok(),
                        None => patience.fault(None),
                    };
                    (pause, error)
                }
                Ok(reply) => return Ok(reply),
                Err(broken) if broken.hopeless => return Err(broken.error),
                Err(broken) => (patience.fault(None), broken.error),
            };
            match pause {
                Some(pause) => {
                    tracing::warn!(%error, pause_ms = pause.as_millis() as u64, "trying again");
                    tokio::time::sleep(pause).await;
                }
                None => return Err(error),
            }
        }
    }

    /// The JSON object at a path of `urls`; none when the service says 404. `right` is the permission it needs.
    pub(crate) async fn find(&self, path: &str, attempted: &str, right: &str) -> Result<Found, ConnectorError> {
        let url = self.url(path, attempted)?;
        let reply = self.read(&url, attempted).await?;
        match (reply.status, reply.body) {
            (200..=299, Some(body)) => Ok(Some(body)),
            // A 404 without Graph's own code comes from a wrong URL or a proxy, and tells nothing about the object.
            (404, Some(body)) if !GraphError::read(Some(&body)).code.is_empty() => Ok(None),
            (status, body) => Err(GraphError::read(body.as_ref()).ends_step(status, attempted, right)),
        }
    }

    /// The same where there must be a reply.
    pub(crate) async fn must_find(&self, path: &str, attempted: &str, right: &str) -> Result<Value, ConnectorError> {
        let found = self.find(path, attempted, right).await?;
        found.ok_or_else(|| ConnectorError::new(ErrorKind::Protocol, attempted, "HTTP 404", "check graph_url"))
    }

    /// A path of `urls` under the configured root.
    pub(crate) fn url(&self, path: &str, attempted: &str) -> Result<Url, ConnectorError> {
        urls::absolute(&self.0.settings.graph_url, path)
            .map_err(|problem| ConnectorError::new(ErrorKind::Protocol, attempted, problem, ""))
    }
}

pub(crate) fn throttled(attempted: &str, wait: Duration) -> ConnectorError {
    let message = format!("the service asks to wait {} s, more than the settings allow", wait.as_secs());
    ConnectorError::new(ErrorKind::BackOff { wait }, attempted, message, "run it later, or raise max_wait_seconds")
}

/// The body of a reply that came in whole. A success must be JSON; an error reply may be anything.
pub(crate) fn parse_body(status: u16, json: bool, bytes: &[u8], attempted: &str) -> Result<Option<Value>, Broken> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let parsed = serde_json::from_slice::<Value>(bytes);
    let problem = match parsed {
        Ok(value) if json => return Ok(Some(value)),
        _ if status >= 300 => return Ok(None),
        Ok(_) => "the reply is not declared as JSON".to_owned(),
        Err(error) => format!("the reply is not whole JSON (line {}, column {})", error.line(), error.column()),
    };
    let remedy = "look for a proxy that changes replies; a later run starts this step anew";
    Err(Broken::new("unexpected-reply", ConnectorError::new(ErrorKind::Protocol, attempted, problem, remedy)))
}

/// Reads a body up to the bound.
pub(crate) async fn read_limited(
    reply: &mut reqwest::Response,
    limit: usize,
    attempted: &str,
) -> Result<Vec<u8>, Broken> {
    let too_large = || {
        let message = format!("the reply is larger than {} MiB", limit / (1024 * 1024));
        let remedy = "raise max_reply_mebibytes if that is real";
        let mut broken =
            Broken::hopeless("unexpected-reply", ConnectorError::new(ErrorKind::Protocol, attempted, message, remedy));
        broken.may_have_arrived = true;
        broken
    };
    let announced = reply.content_length().unwrap_or(0);
    if announced > limit as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(announced as usize);
    loop {
        match reply.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > limit => return Err(too_large()),
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes),
            Err(error) => {
                return Err(Broken { may_have_arrived: true, ..describe(&error, attempted) });
            }
        }
    }
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// Seconds that the `Date` header is ahead of this machine's clock.
fn skew_of(date: &str) -> Option<i64> {
    let theirs = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(theirs.as_second() - jiff::Timestamp::now().as_second())
}

/// A fresh GUID for `client-request-id`, with the version and variant bits of RFC 9562.
pub(crate) fn request_id() -> String {
    let mut bytes = [0u8; 16];
    // Without randomness the id is all zeros: it serves support cases only, and no request is held back for it.
    let _ = getrandom::fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// What broke, in words that tell an unreachable host from an untrusted certificate.
pub(crate) fn describe(error: &reqwest::Error, attempted: &str) -> Broken {
    let mut reasons: Vec<String> = Vec::new();
    let mut certificate = None;
    let mut source: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(rustls::Error::InvalidCertificate(problem)) = tls_error(cause) {
            certificate = Some(format!("{problem:?}"));
        }
        let text = cause.to_string();
        if !reasons.contains(&text) {
            reasons.push(text);
        }
        source = cause.source();
    }
    let reason = reasons.pop().unwrap_or_else(|| "the request failed".to_owned());
    let (cause, message, remedy) = if let Some(problem) = certificate {
        let message = format!("the server's certificate is not trusted: {problem}");
        ("untrusted-certificate", message, "name the certificate authority in ca_file, or check the host name")
    } else if error.is_timeout() {
        ("timeout", "no answer in time".to_owned(), "check the network; raise request_timeout_seconds for a slow link")
    } else if error.is_connect() {
        ("unreachable", format!("no connection: {reason}"), "check host name, firewall and the setting proxy")
    } else {
        ("dropped-connection", format!("the connection broke: {reason}"), "a later run may succeed")
    };
    let error_kind = ConnectorError::new(ErrorKind::Connection, attempted, message, remedy);
    Broken {
        may_have_arrived: !error.is_connect() && !error.is_builder(),
        hopeless: cause == "untrusted-certificate",
        cause,
        error: error_kind,
    }
}

/// The TLS error in an error, under however many I/O errors that wrap each other without being each other's source.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<std::io::Error>() {
        Some(io) => tls_error(io.get_ref()?),
        None => error.downcast_ref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_must_be_whole_declared_json() {
        let parse = |status, json, text: &str| parse_body(status, json, text.as_bytes(), "reading");
        assert!(parse(200, true, "{\"value\":[]}").unwrap().is_some());
        assert!(parse(204, false, "").unwrap().is_none());
        for (json, text) in [(true, "{\"value\":[{\"id\""), (true, "<html>"), (false, "{}")] {
            let broken = parse(200, json, text).unwrap_err();
            assert_eq!(broken.error.kind, ErrorKind::Protocol);
            assert!(broken.may_have_arrived && !broken.hopeless);
        }
        assert!(parse(502, false, "<html>").unwrap().is_none());
    }

    #[test]
    fn content_types_and_dates() {
        assert!(is_json("application/json;odata.metadata=minimal;charset=utf-8") && is_json("Application/JSON"));
        assert!(!is_json("text/html") && !is_json("application/jsonp"));
        let now = jiff::Timestamp::now();
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap();
        assert!(skew_of(&date).unwrap().abs() <= 1);
        assert!(skew_of("Sun, 06 Nov 1994 08:49:37 GMT").unwrap() < -900_000_000);
        assert_eq!(skew_of("yesterday"), None);
    }

    #[test]
    fn request_ids_are_guids() {
        let id: metaverse_schema::Guid = request_id().parse().unwrap();
        assert_ne!(id.to_string(), request_id());
    }
}
