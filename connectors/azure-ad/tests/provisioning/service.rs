//! A service that answers by script: one reply after the other, and what was asked. It writes binary XML with an encoder of
//! its own, in other records than the client does.

use connector_azure_ad::Settings;
use connector_azure_ad::provisioning::{ProvisioningClient, ProvisioningSettings};
use metaverse_schema::{Setting, SettingValue, SettingsTable};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const TENANT: &str = "44444444-4444-4444-4444-444444444444";
const BINARY: &str = "application/soap+msbin1";

/// One reply of the script.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Status, more headers, and the body of a SOAP envelope.
    Soap(u16, Vec<u8>),
    /// A status without a body, and headers.
    Plain(u16, &'static str),
    /// The envelope of a reply without its last bytes, declared whole.
    Truncated(Vec<u8>),
    /// The connection ends before a reply.
    Cut,
}

/// What a request said.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// How often a text occurs in the body, as UTF-8.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.body.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
    }
}

#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) port: u16,
    script: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    tokens: Arc<Mutex<u32>>,
    secret: Arc<tempfile::NamedTempFile>,
}

impl Service {
    /// Answers with the script, its last answer for ever.
    pub(crate) async fn start(script: Vec<Answer>) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Service {
            port: listener.local_addr().unwrap().port(),
            script: Arc::new(Mutex::new(script.into())),
            asked: Arc::default(),
            tokens: Arc::default(),
            secret: Arc::new(tempfile::NamedTempFile::new().unwrap()),
        };
        std::fs::write(service.secret.path(), "for rehearsals only").unwrap();
        let serving = service.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        service
    }

    pub(crate) fn script(&self, script: Vec<Answer>) {
        *self.script.lock().unwrap() = script.into();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/provisioningservice.svc", self.port)
    }

    /// The requests that came to the service; those for tokens are counted apart.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn tokens(&self) -> u32 {
        *self.tokens.lock().unwrap()
    }

    async fn serve(self, mut stream: TcpStream) {
        let Some(asked) = read_request(&mut stream).await else { return };
        if asked.head.contains("/oauth2/v2.0/token") {
            let number = {
                let mut tokens = self.tokens.lock().unwrap();
                *tokens += 1;
                *tokens
            };
            let body = format!("{{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"token-{number}\"}}");
            respond(&mut stream, 200, "content-type: application/json\r\n", body.as_bytes(), body.len()).await;
            return;
        }
        self.asked.lock().unwrap().push(asked);
        let answer = {
            let mut script = self.script.lock().unwrap();
            if script.len() > 1 { script.pop_front() } else { script.front().cloned() }
        };
        let kind = format!("content-type: {BINARY}\r\n");
        match answer {
            Some(Answer::Soap(status, body)) => respond(&mut stream, status, &kind, &body, body.len()).await,
            Some(Answer::Plain(status, headers)) => respond(&mut stream, status, headers, b"", 0).await,
            Some(Answer::Truncated(body)) => {
                let half = &body[..body.len() / 2];
                respond(&mut stream, 200, &kind, half, half.len()).await;
            }
            Some(Answer::Cut) | None => {}
        }
    }
}

async fn respond(stream: &mut TcpStream, status: u16, headers: &str, body: &[u8], length: usize) {
    let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body).await;
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut buffer = [0u8; 16 * 1024];
    loop {
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let asked = Asked { head, body: bytes[end + 4..].to_vec() };
        let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if asked.body.len() >= length {
            return Some(asked);
        }
    }
}

/// A client of the service with short waits, and settings changed by `change`.
pub(crate) fn client(service: &Service, change: impl FnOnce(&mut ProvisioningSettings)) -> ProvisioningClient {
    client_of(service, TENANT, change)
}

pub(crate) fn client_of(
    service: &Service,
    tenant: &str,
    change: impl FnOnce(&mut ProvisioningSettings),
) -> ProvisioningClient {
    let text = |value: &str| Setting { value: SettingValue::Text(value.to_owned()), span: 0..0 };
    let root = format!("http://127.0.0.1:{}", service.port);
    let entries = [
        ("tenant", tenant.to_owned()),
        ("client_id", "11111111-2222-4333-8444-555555555555".to_owned()),
        ("client_secret", format!("file:{}", service.secret.path().display())),
        ("graph_url", format!("{root}/v1.0/")),
        ("authority_url", root),
    ];
    let entries = entries.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
    let mut settings = Settings::read(&SettingsTable { entries, span: 0..0 }).unwrap();
    settings.backoff_base = Duration::from_millis(1);
    settings.max_wait = Duration::from_secs(3);
    change(&mut settings.provisioning);
    ProvisioningClient::new(settings).unwrap()
}

/// An element of the binary format: prefix of one letter or none, name, content.
pub(crate) fn element(name: &str, content: &[u8]) -> Vec<u8> {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    let mut out = match prefix.bytes().next() {
        Some(letter) => vec![0x5E + (letter - b'a')],
        None => vec![0x40],
    };
    out.push(u8::try_from(local.len()).unwrap());
    out.extend_from_slice(local.as_bytes());
    out.extend_from_slice(content);
    out.push(0x01);
    out
}

/// Text in UTF-16, the record that WCF itself writes.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut out = vec![0xB8];
    out.extend_from_slice(&u16::try_from(units.len()).unwrap().to_le_bytes());
    out.extend_from_slice(&units);
    out
}

/// An envelope around a body, with the strings of the shared dictionary; `b` stands for the namespace of objects.
pub(crate) fn envelope(body: &[u8]) -> Vec<u8> {
    // s:Envelope, xmlns:s, then xmlns:b in full, s:Body.
    let mut out = vec![0x56, 0x02, 0x0B, 0x01, b's', 0x04, 0x09, 0x01, b'b', 0x36];
    out.extend_from_slice(b"http://schemas.microsoft.com/online/aws/change/2014/06");
    out.extend_from_slice(&[0x56, 0x0E]);
    out.extend_from_slice(body);
    out.extend_from_slice(&[0x01, 0x01]);
    out
}

/// A fault with a code, a reason and what stands in its detail.
pub(crate) fn fault(code: &str, reason: &str, detail: &[u8]) -> Answer {
    let code = element("s:Code", &element("s:Value", &text(&format!("s:{code}"))));
    let reason = element("s:Reason", &element("s:Text", &text(reason)));
    let detail = element("s:Detail", detail);
    Answer::Soap(500, envelope(&element("s:Fault", &[code, reason, detail].concat())))
}

pub(crate) fn redirect(url: &str) -> Answer {
    fault("Sender", "Go there", &element("BindingRedirectionFault", &element("Url", &text(url))))
}

/// The reply to an operation without a result worth reading.
pub(crate) fn done(operation: &str) -> Answer {
    Answer::Soap(200, envelope(&element(&format!("{operation}Response"), &[])))
}

/// Kind, operation, source anchor, and the error's name of one refused entry; no name is success.
pub(crate) type Entry<'a> = (&'a str, &'a str, &'a str, &'a str);

pub(crate) fn results(entries: &[Entry<'_>]) -> Answer {
    Answer::Soap(200, envelope(&results_body(entries)))
}

pub(crate) fn results_body(entries: &[Entry<'_>]) -> Vec<u8> {
    let entries = entries.iter().map(|(kind, operation, anchor, refusal)| {
        let failed = !refusal.is_empty();
        let parts = [
            element("b:CloudAnchor", &text(&format!("{kind}_33333333-3333-3333-3333-333333333333"))),
            element("b:ErrorDetails", &if failed { text(refusal) } else { Vec::new() }),
            element("b:ObjectType", &text(kind)),
            element("b:ResultCode", &text(if failed { "Failure" } else { "Success" })),
            element("b:SourceAnchor", &text(anchor)),
            element("b:SyncOperation", &text(operation)),
        ];
        element("b:AzureADSyncObjectResult", &parts.concat())
    });
    let list = element("b:SyncObjectResults", &entries.collect::<Vec<_>>().concat());
    let result = element("ProvisionAzureADSyncObjects2Result", &list);
    element("ProvisionAzureADSyncObjects2Response", &result)
}
