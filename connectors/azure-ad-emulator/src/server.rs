//! The HTTP surface on loopback: accepts connections, turns requests into calls, and acts out on the wire what the fault
//! script asks for (reset, truncated body, broken JSON, delay). Decides nothing about the tenant.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body as HttpBody, to_bytes};
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::admin_page;
use crate::call::{Body, Call, Headers, Method, Reply, ReplyBody, decode, parse_form};
use crate::control;
use crate::core::{Answer, Core, WireEffect};
use crate::errors::GraphError;
use crate::faults::{Arriving, FaultAction};
use crate::provisioning::{PATH as PROVISIONING_PATH, ProvisioningCall};
use crate::tenant::Shared;
use crate::token::TokenRequest;

/// Largest request body, in bytes.
const MOST_BODY: usize = 16 * 1024 * 1024;

/// Serves until `stopped` turns true, then lets open requests finish.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let app = Router::new().fallback(answer).with_state(shared);
    let app = app.into_make_service_with_connect_info::<Wire>();
    let shutdown = async move {
        // An error means that the handle is gone, which stops the tenant too.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(TenantListener(listener), app).with_graceful_shutdown(shutdown).await {
        tracing::error!(%error, "the rehearsal tenant stopped serving");
    }
}

async fn answer(State(shared): State<Arc<Shared>>, ConnectInfo(wire): ConnectInfo<Wire>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let headers = read_headers(&parts.headers);
    let Ok(bytes) = to_bytes(body, MOST_BODY).await else {
        return plain(413, "the request body is too large or was cut off");
    };
    let path = target.split('?').next().unwrap_or_default();
    if matches!(path, "/_tenant" | "/_tenant/" | "/admin") && parts.method == axum::http::Method::GET {
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let mut core = shared.core();
        core.expire();
        let page = admin_page::render(&core.directory, &core.log, query);
        return respond(200, Vec::new(), HttpBody::from(page), Some("text/html; charset=utf-8"));
    }
    let speaks = |header: &str, kind: &str| headers.get(header).is_some_and(|value| value.contains(kind));
    // `curl -d` calls everything a form, the JSON of the guide's examples too.
    let is_json = bytes.trim_ascii_start().starts_with(b"{");
    let from_a_form = speaks("content-type", "application/x-www-form-urlencoded") && !is_json;
    if path == "/_tenant/device-codes" && (from_a_form || speaks("accept", "text/html")) {
        let form = from_a_form.then(|| String::from_utf8_lossy(&bytes).into_owned());
        let page = sign_in_page(&mut shared.core(), form.as_deref());
        return respond(200, Vec::new(), HttpBody::from(page), Some("text/html; charset=utf-8"));
    }
    if path == "/_tenant" || path.starts_with("/_tenant/") {
        let (status, body) = control::answer(&shared, parts.method.as_str(), path, &bytes);
        return json_response(status, Vec::new(), &body);
    }
    let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let surface = match (parts.method.as_str(), segments.as_slice()) {
        (_, ["v1.0", ..]) => Surface::Graph,
        _ if path.eq_ignore_ascii_case(PROVISIONING_PATH) => Surface::Provisioning,
        ("POST", [tenant, "oauth2", "v2.0", "token"]) => Surface::Token(tenant),
        ("POST", [tenant, "oauth2", "v2.0", "devicecode"]) => Surface::DeviceCode(tenant),
        ("GET", [tenant, ".well-known", "openid-configuration"])
        | ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"]) => Surface::Discovery(tenant),
        _ => {
            let surfaces = "/v1.0/, /provisioningservice.svc, /{tenant}/oauth2/v2.0/token and /_tenant/";
            return plain(404, &format!("the rehearsal tenant has {surfaces}"));
        }
    };

    let arriving = match surface {
        Surface::Graph | Surface::Provisioning => Arriving::OnTheWire,
        Surface::Token(_) | Surface::DeviceCode(_) | Surface::Discovery(_) => Arriving::AtTheAuthority,
    };
    let arrival = shared.core().arrive(parts.method.as_str(), &target, arriving);
    if arrival.fault == Some(FaultAction::ResetBefore) {
        wire.cut_off();
    }
    let answer = match surface {
        Surface::Graph => {
            let Some(method) = Method::parse(parts.method.as_str()) else {
                return render(&wire, Answer { reply: refused_method(), effect: None, delay_ms: 0 });
            };
            let target = target.strip_prefix("/v1.0").unwrap_or_default();
            let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
            let call = Call { method, target, body: read_body(&headers, &bytes), headers };
            shared.core().graph(&call, arrival)
        }
        Surface::Token(tenant) | Surface::DeviceCode(tenant) => {
            let mut random = [0; 32];
            if getrandom::fill(&mut random).is_err() {
                return plain(500, "the operating system gave no random bytes for a token");
            }
            let form = String::from_utf8_lossy(&bytes);
            let request = TokenRequest { tenant, form: &form, authorization: headers.get("authorization") };
            match surface {
                Surface::DeviceCode(_) => shared.core().device_code(&request, random, arrival),
                _ => shared.core().token(&request, random, arrival),
            }
        }
        Surface::Discovery(tenant) => shared.core().discovery(tenant, arrival),
        Surface::Provisioning => {
            let call = ProvisioningCall { method: parts.method.as_str(), headers: &headers, body: &bytes };
            shared.core().provisioning(&call, arrival)
        }
    };
    if answer.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(answer.delay_ms)).await;
    }
    render(&wire, answer)
}

/// The page for a device code, and what a person sent with it.
fn sign_in_page(core: &mut Core, form: Option<&str>) -> String {
    let form = form.map(parse_form).unwrap_or_default();
    let field = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim());
    let code = field("userCode").unwrap_or_default();
    let told = field("userCode").map(|code| match (field("decline"), field("user").filter(|user| !user.is_empty())) {
        (None, None) => Err("Say who signs in.".to_owned()),
        (Some(_), _) => core.decide_device_code(code, None),
        (None, user) => core.decide_device_code(code, user),
    });
    admin_page::sign_in(&core.directory, code, told.as_ref())
}

enum Surface<'a> {
    Graph,
    Token(&'a str),
    DeviceCode(&'a str),
    Discovery(&'a str),
    Provisioning,
}

fn read_headers(headers: &axum::http::HeaderMap) -> Headers {
    let read = headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    Headers(read.collect())
}

/// A JSON body needs its content type, as on the live service.
fn read_body(headers: &Headers, bytes: &[u8]) -> Body {
    if bytes.is_empty() {
        return Body::Empty;
    }
    let is_json =
        headers.get("content-type").is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"));
    match serde_json::from_slice(bytes) {
        Ok(value) if is_json => Body::Json(value),
        _ => Body::Unreadable,
    }
}

fn refused_method() -> Reply {
    let error = GraphError::method_not_allowed();
    Reply { status: error.status, headers: Vec::new(), body: ReplyBody::Json(error.body("", "", "")) }
}

fn plain(status: u16, text: &str) -> Response {
    let mut response = Response::new(HttpBody::from(text.to_owned()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

fn json_response(status: u16, headers: Vec<(&'static str, String)>, body: &Value) -> Response {
    let text = body.to_string();
    let content_type =
        "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
    respond(status, headers, HttpBody::from(text), Some(content_type))
}

fn respond(
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: HttpBody,
    content_type: Option<&'static str>,
) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(content_type) = content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn render(wire: &Wire, answer: Answer) -> Response {
    let reply = answer.reply;
    match answer.effect {
        Some(WireEffect::Reset) => {
            wire.cut_off();
            return plain(reply.status, "");
        }
        Some(WireEffect::BadJson) => {
            // Of either wire, its first bytes and no more.
            let (start, content_type): (&[u8], _) = match &reply.body {
                ReplyBody::Bytes { content_type, .. } => (&[0x56, 0x02, 0x0b, 0x01], *content_type),
                _ => (b"{\"value\":[{\"id\":\"", "application/json"),
            };
            return respond(reply.status, reply.headers, HttpBody::from(start), Some(content_type));
        }
        Some(WireEffect::WrongLength) => {
            let (bytes, content_type) = match reply.body {
                ReplyBody::Json(body) => (body.to_string().into_bytes(), "application/json"),
                ReplyBody::Bytes { content_type, bytes } => (bytes, content_type),
                ReplyBody::Text(text) => (text.into_bytes(), "text/plain"),
                ReplyBody::Empty => (Vec::new(), "text/plain"),
            };
            // What lies behind the told length would be read as the next reply: the connection ends here.
            let told = bytes.len() / 2;
            let mut headers = reply.headers;
            headers.push(("connection", "close".to_owned()));
            return respond(reply.status, headers, HttpBody::from(bytes[..told].to_vec()), Some(content_type));
        }
        Some(WireEffect::TruncateBody) => {
            match &reply.body {
                ReplyBody::Json(body) => wire.cut_off_after(body.to_string().len() / 2),
                ReplyBody::Bytes { bytes, .. } => wire.cut_off_after(bytes.len() / 2),
                // Without a body there is nothing to stop half-way: the reply is lost as a whole.
                ReplyBody::Empty | ReplyBody::Text(_) => wire.cut_off(),
            }
        }
        None => {}
    }
    match reply.body {
        ReplyBody::Empty => respond(reply.status, reply.headers, HttpBody::empty(), None),
        ReplyBody::Json(body) => json_response(reply.status, reply.headers, &body),
        ReplyBody::Text(text) => respond(reply.status, reply.headers, HttpBody::from(text), Some("text/plain")),
        ReplyBody::Bytes { content_type, bytes } => {
            respond(reply.status, reply.headers, HttpBody::from(bytes), Some(content_type))
        }
    }
}

/// Handle on the connection that carries a request, to break it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire(Arc<Break>);

#[derive(Debug)]
struct Break {
    is_set: AtomicBool,
    /// Bytes of the body that still pass.
    body_bytes: AtomicUsize,
}

impl Default for Break {
    fn default() -> Break {
        Break { is_set: AtomicBool::new(false), body_bytes: AtomicUsize::new(usize::MAX) }
    }
}

impl Wire {
    /// Nothing more is sent; the client sees a reset connection.
    fn cut_off(&self) {
        self.0.body_bytes.store(usize::MAX, Ordering::SeqCst);
        self.0.is_set.store(true, Ordering::SeqCst);
    }

    /// The next reply's headers and so many bytes of its body are sent, then the connection is reset.
    fn cut_off_after(&self, body_bytes: usize) {
        self.0.body_bytes.store(body_bytes, Ordering::SeqCst);
        self.0.is_set.store(true, Ordering::SeqCst);
    }
}

struct TenantListener(TcpListener);

impl Listener for TenantListener {
    type Io = TenantStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TenantStream, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Small replies in answer to small requests: waiting for more to send only costs time.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch off delayed sending");
        }
        (TenantStream { stream, wire: Wire::default(), is_broken: false }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, TenantListener>> for Wire {
    fn connect_info(stream: IncomingStream<'_, TenantListener>) -> Wire {
        stream.io().wire.clone()
    }
}

/// A connection that can be broken from inside a request.
pub(crate) struct TenantStream {
    stream: TcpStream,
    wire: Wire,
    is_broken: bool,
}

impl TenantStream {
    fn broken(&mut self) -> io::Error {
        self.is_broken = true;
        // Closing with zero linger sends a reset instead of an orderly end.
        if let Err(error) = self.stream.set_zero_linger() {
            tracing::debug!(%error, "cannot reset the connection, closing it");
        }
        io::Error::new(io::ErrorKind::ConnectionReset, "broken by the fault script")
    }

    /// How much of what is to be sent passes: headers and the allowed part of the body. `None`: not to be broken here.
    fn allowed(&self, bytes: &[u8]) -> Option<usize> {
        if !self.wire.0.is_set.load(Ordering::SeqCst) {
            return None;
        }
        let body_bytes = self.wire.0.body_bytes.load(Ordering::SeqCst);
        if body_bytes == usize::MAX {
            return Some(0);
        }
        let end_of_headers = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        Some((end_of_headers + 4 + body_bytes).min(bytes.len()))
    }
}

impl AsyncRead for TenantStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TenantStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_broken {
            return Poll::Ready(Err(self.broken()));
        }
        match self.allowed(bytes) {
            None => Pin::new(&mut self.stream).poll_write(cx, bytes),
            Some(0) => Poll::Ready(Err(self.broken())),
            Some(allowed) => {
                let written = Pin::new(&mut self.stream).poll_write(cx, &bytes[..allowed]);
                if let Poll::Ready(Ok(_)) = written {
                    // An orderly end here: with a reset, the client might not read what was sent.
                    self.is_broken = true;
                    self.wire.0.body_bytes.store(usize::MAX, Ordering::SeqCst);
                }
                written
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// One buffer at a time: a reply's headers and body then pass through `poll_write` together.
    fn is_write_vectored(&self) -> bool {
        false
    }
}
