//! A connection for reading: TCP, TLS or StartTLS, one simple bind, then whole messages as they come. The errors of coming
//! about are ldap3's own, so that both kinds of connections tell the operator the same. Knows nothing of searches.

use crate::directory::DirectoryError;
use crate::message::{self, Answer, BIND_RESPONSE, EXTENDED_RESPONSE, LONGEST_MESSAGE, Outcome};
use crate::settings::{Encryption, Server};
use ldap3::{LdapError, LdapResult};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Room for what one read brings.
const ROOM: usize = 1 << 18;

const LDAP_PORT: u16 = 389;
const LDAPS_PORT: u16 = 636;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What is sent and received, message by message.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    received: Vec<u8>,
    /// What of `received` was handed out.
    used: usize,
    /// A request went out in part, or the server closed it: of no more use.
    broken: bool,
    /// The address at the other end, where there is one.
    peer: Option<IpAddr>,
}

impl Connection {
    pub(crate) fn over(stream: impl Stream + 'static) -> Connection {
        Connection { stream: Box::new(stream), received: Vec::new(), used: 0, broken: false, peer: None }
    }

    /// Which of the addresses that a name stands for was reached.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    /// Bytes that are set aside for what comes.
    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.received.capacity()
    }

    /// Connects within the given time. A certificate is judged by the verifier of `tls`.
    pub(crate) async fn open(
        server: &Server,
        encryption: Encryption,
        tls: Option<Arc<ClientConfig>>,
        within: Duration,
    ) -> Result<Connection, LdapError> {
        timeout(within, connect(server, encryption, tls)).await?
    }

    /// Signs in, once (SF23).
    pub(crate) async fn bind(
        &mut self,
        name: &str,
        password: &str,
        within: Duration,
    ) -> Result<Outcome, DirectoryError> {
        const BIND: i32 = 1;
        let request = message::bind(BIND, name, password);
        timeout(within, async {
            self.send(&request).await?;
            self.outcome_of(BIND, BIND_RESPONSE).await
        })
        .await
        .map_err(|_| DirectoryError::Timeout(within))?
    }

    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<(), DirectoryError> {
        if self.broken {
            return Err(closed());
        }
        // Whoever waits may be stopped in the middle of it: half a request on the wire spoils all that follow.
        self.broken = true;
        let sent = async {
            self.stream.write_all(request).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| DirectoryError::Lost(error.to_string()))?;
        self.broken = false;
        Ok(())
    }

    /// The next whole message. Memory grows by what arrives, never by what a length announces. Stopped in the middle, it goes
    /// on where it was.
    pub(crate) async fn receive(&mut self, within: Duration) -> Result<&[u8], DirectoryError> {
        let length = loop {
            let pending = self.received.get(self.used..).unwrap_or_default();
            let length = message::length_of(pending).map_err(malformed)?;
            match length {
                Some(length) if length <= pending.len() => break length,
                _ => self.receive_more(within).await?,
            }
        };
        let start = self.used;
        self.used += length;
        self.received.get(start..self.used).ok_or_else(closed)
    }

    async fn receive_more(&mut self, within: Duration) -> Result<(), DirectoryError> {
        if self.broken {
            return Err(closed());
        }
        if self.used > 0 {
            self.received.drain(..self.used);
            self.used = 0;
        }
        if self.received.len() > LONGEST_MESSAGE {
            return Err(DirectoryError::Malformed("a message is longer than 1 GiB".to_owned()));
        }
        self.received.reserve(ROOM);
        let read = timeout(within, self.stream.read_buf(&mut self.received));
        match read.await.map_err(|_| DirectoryError::Timeout(within))? {
            Ok(0) => {
                self.broken = true;
                Err(closed())
            }
            Ok(_) => Ok(()),
            Err(error) => {
                self.broken = true;
                Err(DirectoryError::Lost(error.to_string()))
            }
        }
    }

    /// The answer to a request beside which no other is under way.
    async fn outcome_of(&mut self, id: i32, operation: u8) -> Result<Outcome, DirectoryError> {
        // The caller's time limit ends it.
        let answer = self.receive(Duration::MAX).await?;
        let answer = Answer::read(answer).map_err(malformed)?;
        match answer {
            Answer { id: 0, .. } => Err(notified(&answer)),
            _ if answer.id == i64::from(id) && answer.operation == operation => answer.outcome().map_err(malformed),
            _ => Err(DirectoryError::Malformed("an answer to nothing that was asked".to_owned())),
        }
    }
}

/// The server's last words on a connection (RFC 4511 4.4.1).
pub(crate) fn notified(answer: &Answer<'_>) -> DirectoryError {
    let text = answer.outcome().map(|outcome| outcome.text).unwrap_or_default();
    match text.is_empty() {
        true => closed(),
        false => DirectoryError::Lost(format!("the server closed it: {text}")),
    }
}

pub(crate) fn closed() -> DirectoryError {
    DirectoryError::Lost("the server closed it".to_owned())
}

pub(crate) fn malformed(error: impl std::fmt::Display) -> DirectoryError {
    DirectoryError::Malformed(error.to_string())
}

async fn connect(
    server: &Server,
    encryption: Encryption,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Connection, LdapError> {
    let standard = if encryption == Encryption::Ldaps { LDAPS_PORT } else { LDAP_PORT };
    let tcp = TcpStream::connect((server.host.as_str(), server.port.unwrap_or(standard))).await?;
    tcp.set_nodelay(true)?;
    let peer = tcp.peer_addr().ok().map(|address| address.ip());
    let Some(config) = tls.filter(|_| encryption != Encryption::None) else {
        return Ok(Connection { peer, ..Connection::over(tcp) });
    };
    let tcp = if encryption == Encryption::StartTls { start_tls(tcp).await? } else { tcp };
    let name = ServerName::try_from(server.host.clone())?;
    let tls = TlsConnector::from(config).connect(name, tcp).await?;
    Ok(Connection { peer, ..Connection::over(tls) })
}

/// Asks for TLS on a plain connection (RFC 4511 4.14), and gives it back bare.
async fn start_tls(tcp: TcpStream) -> Result<TcpStream, LdapError> {
    const START: i32 = 1;
    let mut stream = tcp;
    stream.write_all(&message::start_tls(START)).await?;
    // Byte by byte of what must come: whatever follows belongs to TLS.
    let mut received = Vec::new();
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "the answer to StartTLS cannot be read");
    let length = loop {
        match message::length_of(&received).map_err(|_| broken())? {
            Some(length) => break length,
            None => received.push(stream.read_u8().await?),
        }
    };
    if length > ROOM {
        return Err(broken().into());
    }
    let begun = received.len();
    received.resize(length, 0);
    stream.read_exact(received.get_mut(begun..).unwrap_or_default()).await?;
    let answer = Answer::read(&received).map_err(|_| broken())?;
    let outcome = answer.outcome().map_err(|_| broken())?;
    match outcome.code {
        0 if answer.operation == EXTENDED_RESPONSE => Ok(stream),
        0 => Err(broken().into()),
        rc => Err(LdapError::LdapResult {
            result: LdapResult { rc, matched: String::new(), text: outcome.text, refs: Vec::new(), ctrls: Vec::new() },
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::{from_server, result};
    use tokio::net::TcpListener;

    const WITHIN: Duration = Duration::from_secs(5);

    /// What comes of asking for TLS when the server answers with these bytes.
    async fn asked_for_tls(answer: Vec<u8>) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; message::start_tls(1).len()];
            stream.read_exact(&mut asked).await.unwrap();
            assert_eq!(asked, message::start_tls(1));
            stream.write_all(&answer).await.unwrap();
            stream.shutdown().await.unwrap();
        });
        let server_name = Server { host: "127.0.0.1".to_owned(), port: Some(port) };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let opened = Connection::open(&server_name, Encryption::StartTls, Some(Arc::new(config)), WITHIN).await;
        server.await.unwrap();
        match opened {
            Ok(_) => "connected".to_owned(),
            Err(LdapError::LdapResult { result }) => format!("refused: {} {}", result.rc, result.text),
            Err(LdapError::Io { source }) => format!("{:?}", source.kind()),
            Err(other) => other.to_string(),
        }
    }

    /// StartTLS is never gone without: a refusal and a broken answer end the attempt, and what a stranger puts behind the plain
    /// answer is taken for TLS, which it is not.
    #[tokio::test]
    async fn without_starttls_there_is_no_connection() {
        let answer = |code, text| from_server(1, EXTENDED_RESPONSE, &result(code, text), &[]);
        assert_eq!(asked_for_tls(answer(52, "no certificate")).await, "refused: 52 no certificate");
        assert_eq!(asked_for_tls(b"HTTP/1.1 400".to_vec()).await, "InvalidData");
        assert_eq!(asked_for_tls(vec![0x30, 0x84, 0x3f, 0xff, 0xff, 0xff]).await, "InvalidData");
        assert_eq!(asked_for_tls(answer(0, "")).await, "UnexpectedEof");
        let injected = [answer(0, ""), from_server(2, 0x64, b"", &[])].concat();
        assert_eq!(asked_for_tls(injected).await, "InvalidData");
    }
}
