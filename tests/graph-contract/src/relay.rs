//! A relay between connector and tenant: passes every message on as it came, with each side's own address for the other's,
//! and judges the exchange. What one side cuts off is cut off for the other.

use crate::contract::{Contract, Exchange};
use crate::coverage::Coverage;
use crate::http::Message;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

/// Everything below it is Graph; other paths are passed on without a judgement.
const ROOT: &str = "/v1.0";

/// Watches one tenant. Dropped, it fails the test if an exchange did not keep the contract, and adds what was called to
/// the coverage.
#[derive(Debug)]
pub struct Watch {
    upstream: SocketAddr,
    address: SocketAddr,
    seen: Arc<Mutex<Coverage>>,
}

/// Who speaks to the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaker {
    /// The connector: both sides are judged.
    Connector,
    /// A test by plain HTTP, which asks what nobody should: the tenant's replies are judged.
    Test,
}

impl Watch {
    /// Starts a relay in front of that address, inside the present runtime.
    pub fn before(upstream: SocketAddr) -> std::io::Result<Watch> {
        Watch::of(upstream, Speaker::Connector)
    }

    /// The same for a test that speaks itself: the replies are judged, and what was called counts apart.
    pub fn of_replies(upstream: SocketAddr) -> std::io::Result<Watch> {
        Watch::of(upstream, Speaker::Test)
    }

    fn of(upstream: SocketAddr, speaker: Speaker) -> std::io::Result<Watch> {
        let listener = bind(upstream)?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Mutex::new(Coverage::default()));
        let contract = Arc::new(Contract::read());
        let (listener, log) = (TcpListener::from_std(listener)?, seen.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let line = Line { upstream, address, contract: contract.clone(), speaker, seen: log.clone() };
                // A connection that breaks is what the test wants to see; both ends are closed by then.
                tokio::spawn(async move { drop(line.carry(client).await) });
            }
        });
        Ok(Watch { upstream, address, seen })
    }

    /// A URL of the watched tenant, by way of the relay.
    pub fn url(&self, url: &str) -> String {
        url.replace(&self.upstream.to_string(), &self.address.to_string())
    }

    /// What was said so far.
    pub fn seen(&self) -> Coverage {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let seen = self.seen();
        if let Err(error) = seen.keep(self.address.port()) {
            assert!(std::thread::panicking(), "the coverage cannot be written: {error}");
        }
        if !seen.mismatches.is_empty() && !std::thread::panicking() {
            let all: Vec<&str> = seen.mismatches.iter().map(String::as_str).collect();
            panic!("the contract of Microsoft Graph was not kept:\n{}", all.join("\n"));
        }
    }
}

/// A port whose number has as many digits as the tenant's: addresses inside messages are replaced without changing a length.
fn bind(upstream: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let mut refused = Vec::new();
    loop {
        let listener = std::net::TcpListener::bind((upstream.ip(), 0))?;
        if listener.local_addr()?.to_string().len() == upstream.to_string().len() {
            listener.set_nonblocking(true)?;
            return Ok(listener);
        }
        if refused.len() > 1_000 {
            return Err(std::io::Error::other("no port of that many digits is free"));
        }
        refused.push(listener);
    }
}

/// One connection.
struct Line {
    upstream: SocketAddr,
    address: SocketAddr,
    contract: Arc<Contract>,
    speaker: Speaker,
    seen: Arc<Mutex<Coverage>>,
}

impl Line {
    async fn carry(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut tenant = TcpStream::connect(self.upstream).await?;
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        while let Some(request) = Message::read(&mut client, &mut asked, false).await {
            if !request.whole {
                // Its sender is gone; the tenant shall see as much of it, and then the end.
                return tenant.write_all(&replaced(&request.bytes, self.address, self.upstream)).await;
            }
            tenant.write_all(&replaced(&request.bytes, self.address, self.upstream)).await?;
            let bodiless = request.first().0 == "HEAD";
            let reply = Message::read(&mut tenant, &mut answered, bodiless).await;
            let Some(reply) = reply else {
                self.judge(&request, None);
                return Ok(());
            };
            self.judge(&request, Some(&reply));
            client.write_all(&replaced(&reply.bytes, self.upstream, self.address)).await?;
            if !reply.whole || !answered.is_empty() {
                // A body of another length than was announced: the client shall see all of it, and then the end.
                client.write_all(&answered).await?;
                return Ok(());
            }
        }
        Ok(())
    }

    fn judge(&self, request: &Message, reply: Option<&Message>) {
        let (method, target) = request.first();
        let Some(target) = target.strip_prefix(ROOT) else { return };
        let status = reply.and_then(|reply| reply.first().1.parse().ok()).unwrap_or(0);
        let body = reply.and_then(Message::json);
        let unread = reply.is_some_and(|reply| reply.has_body() && body.is_none());
        let exchange = Exchange {
            method: method.to_lowercase(),
            target: target.to_owned(),
            headers: request.headers(),
            request: request.json(),
            status,
            broken: unread || reply.is_none_or(|reply| !reply.whole),
            reply: body,
        };
        let judgement = self.contract.judge(&exchange);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match self.speaker {
            Speaker::Connector => seen.add(judgement),
            Speaker::Test => seen.add_replies(judgement),
        }
    }
}

fn replaced(bytes: &[u8], from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let (from, to) = (from.to_string(), to.to_string());
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from.as_bytes()) {
        at += found;
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        at += to.len();
    }
    bytes
}
