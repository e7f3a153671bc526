//! A server that is not the service it claims to be: redirects, foreign links, pages in another format or size. The access
//! token stays where it belongs, and nothing is taken for an answer.

use super::world::{CLIENT_ID, SECRET};
use connector_azure_ad::{AzureAd, Settings};
use connector_contract::{
    Connector as _, ConnectorError, ErrorKind, ExportItem, ExportOperation, FullImport, ImportSink,
};
use metaverse_schema::{Anchor, ObjectType, Setting, SettingValue, SettingsTable};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Answers every connection with one scripted reply: status line, headers and body, chosen by the request's first line.
pub(crate) struct Server {
    port: u16,
    /// First lines of the requests that came with a token.
    with_token: Arc<Mutex<Vec<String>>>,
}

pub(crate) type Script = Arc<dyn Fn(&str, u16) -> String + Send + Sync>;

fn json(body: &str) -> String {
    reply("200 OK", "application/json", body)
}

fn reply(status: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

async fn serve(script: Script) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let with_token = Arc::new(Mutex::new(Vec::new()));
    let seen = with_token.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (script, seen) = (script.clone(), seen.clone());
            tokio::spawn(async move {
                let text = read_request(&mut stream).await;
                let first = text.lines().next().unwrap_or_default().to_owned();
                if text.to_lowercase().contains("authorization: bearer") {
                    seen.lock().unwrap().push(first.clone());
                }
                let answer = if first.contains("/token") {
                    json("{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"t\"}")
                } else if first.contains("/organization") {
                    json("{\"value\":[{\"id\":\"t1\",\"verifiedDomains\":[]}]}")
                } else {
                    script(&first, port)
                };
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    Server { port, with_token }
}

/// Head and body of one request.
async fn read_request(stream: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0u8; 4096];
    loop {
        let read = stream.read(&mut buffer).await.unwrap_or(0);
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let length = text
            .to_lowercase()
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.lines().next()?.trim().parse::<usize>().ok());
        let whole = text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= length.unwrap_or(0));
        if read == 0 || whole {
            return text;
        }
    }
}

impl Server {
    /// A server that plays another one's part, with a script for what is not the token endpoint.
    pub(crate) async fn serving(script: Script) -> Server {
        serve(script).await
    }

    pub(crate) fn root(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A 200 reply with a JSON body.
    pub(crate) fn json(body: &str) -> String {
        json(body)
    }

    /// Any reply with a JSON body.
    pub(crate) fn refusal(status: &str, body: &str) -> String {
        reply(status, "application/json", body)
    }
}

fn connector(server: &Server, change: impl FnOnce(&mut Settings)) -> (AzureAd, tempfile::NamedTempFile) {
    connector_at(&format!("http://127.0.0.1:{}", server.port), change)
}

pub(crate) fn connector_at(root: &str, change: impl FnOnce(&mut Settings)) -> (AzureAd, tempfile::NamedTempFile) {
    let (settings, secret) = settings_at(root, change);
    (AzureAd::new(settings).unwrap(), secret)
}

pub(crate) fn settings_at(root: &str, change: impl FnOnce(&mut Settings)) -> (Settings, tempfile::NamedTempFile) {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), SECRET).unwrap();
    let mut table = SettingsTable::default();
    for (name, value) in [
        ("tenant", "contoso.com".to_owned()),
        ("client_id", CLIENT_ID.to_owned()),
        ("client_secret", format!("file:{}", secret.path().display())),
        ("graph_url", format!("{root}/v1.0/")),
        ("authority_url", root.to_owned()),
    ] {
        let setting = Setting { value: SettingValue::Text(value), span: 0..0 };
        table.entries.insert(name.to_owned(), setting);
    }
    let allowed = Setting { value: SettingValue::Boolean(true), span: 0..0 };
    table.entries.insert("allow_http".to_owned(), allowed);
    let mut settings = Settings::read(&table).unwrap();
    settings.backoff_base = Duration::from_millis(5);
    settings.attempts = 2;
    change(&mut settings);
    (settings, secret)
}

async fn import(connector: &AzureAd) -> ConnectorError {
    let (sink, mut receiver) = ImportSink::new(4);
    let drain = async { while receiver.recv().await.is_some() {} };
    let (end, ()) = tokio::join!(connector.import_full(FullImport::default(), sink), drain);
    end.unwrap_err()
}

/// A next link or a redirect to another host: the token does not go there.
#[tokio::test]
async fn the_token_goes_nowhere_else() {
    let thief = serve(Arc::new(|_, _| json("{\"value\":[]}"))).await;
    let port = thief.port;
    let foreign_link = move |_: &str, _: u16| {
        json(&format!("{{\"value\":[],\"@odata.nextLink\":\"http://127.0.0.1:{port}/v1.0/users/delta?$skiptoken=1\"}}"))
    };
    let redirect = move |_: &str, _: u16| {
        format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:{port}/v1.0/users/delta\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
    };
    let scripts: [Script; 2] = [Arc::new(foreign_link), Arc::new(redirect)];
    for script in scripts {
        let server = serve(script).await;
        let (connector, _secret) = connector(&server, |_| {});
        let error = import(&connector).await;
        assert_eq!(error.kind, ErrorKind::Protocol, "{error}");
        assert!(!server.with_token.lock().unwrap().is_empty());
    }
    assert_eq!(*thief.with_token.lock().unwrap(), Vec::<String>::new());
}

/// Pages that are no pages end the import.
#[tokio::test]
async fn what_is_no_page_is_not_taken_for_one() {
    let large = format!("{{\"value\":[{{\"id\":\"{}\"}}]}}", "x".repeat(5000));
    let pages = [
        reply("200 OK", "text/html", "<html>sign in to the network</html>"),
        reply("200 OK", "text/plain", "{\"value\":[]}"),
        json("{\"value\":[{\"id\":"),
        json("{\"value\":[]}"),
        json("{}"),
        json(&large),
        reply("404 Not Found", "text/html", "<html>"),
    ];
    for page in pages {
        let shown = page.clone();
        let server = serve(Arc::new(move |_: &str, _: u16| page.clone())).await;
        let (connector, _secret) = connector(&server, |settings| settings.max_reply_bytes = 4000);
        assert_eq!(import(&connector).await.kind, ErrorKind::Protocol, "{shown}");
    }
}

/// A 404 for the batch itself is not "already deleted".
#[tokio::test]
async fn a_refused_batch_settles_nothing() {
    let server = serve(Arc::new(|_: &str, _: u16| reply("404 Not Found", "application/json", "{}"))).await;
    let (connector, _secret) = connector(&server, |_| {});
    let operation = ExportOperation::Delete { anchor: Anchor::Text("u1".to_owned()) };
    let item = ExportItem {
        id: 1,
        object_type: ObjectType::new("user"),
        operation,
        named_by: metaverse_schema::Attributes::new(),
    };
    let outcomes = connector.exporter().unwrap().export(&[item]).await.unwrap();
    assert_eq!(super::world::told(&outcomes[0].1), "not settled, may have arrived: false");
}

/// A proxy carries what goes to the service and its token service, by the name that was asked for; an address of this machine is
/// never asked for by way of it.
#[tokio::test]
async fn a_proxy_carries_what_leaves_this_machine_and_nothing_else() {
    let proxy = serve(Arc::new(|_, _| json("{\"value\":[]}"))).await;
    let through = |settings: &mut Settings| settings.proxy = Some(proxy.root().parse().unwrap());
    let (far, _secret) = connector_at("http://graph.test", through);
    let check = far.check().await;
    assert_eq!(check.findings[0].code, "connected", "{check:#?}");
    let carried = proxy.with_token.lock().unwrap().clone();
    assert!(carried.iter().all(|first| first.starts_with("GET http://graph.test/v1.0/")), "{carried:#?}");
    assert!(!carried.is_empty());

    let near = serve(Arc::new(|_, _| json("{\"value\":[]}"))).await;
    let (here, _secret) = connector(&near, through);
    assert_eq!(here.check().await.findings[0].code, "connected");
    assert!(!near.with_token.lock().unwrap().is_empty());
    assert_eq!(proxy.with_token.lock().unwrap().len(), carried.len(), "nothing more went through the proxy");
}
