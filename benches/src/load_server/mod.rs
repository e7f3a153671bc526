//! An LDAP server that answers like a domain controller and holds no objects: every entry is computed when it is asked for, so
//! that a million users cost no memory. Serves what the Active Directory connector reads: root entry, schema, paged searches,
//! ranges, DirSync with cookies. Changes nothing by LDAP; steps of churn come over its control port. Loopback only, and never a
//! server for anything but measurements.

pub(crate) mod ber;
mod control;
mod dirsync;
mod encode;
mod filter;
pub(crate) mod request;
mod search;
mod special;

use crate::world::{Applied, Step, World};
use request::{Message, Operation, Search};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Most entries of one answer, as a domain controller's MaxPageSize.
pub const PAGE_LIMIT: u64 = 1_000;
/// Most values of a linked attribute in one answer, as a domain controller's MaxValRange.
pub const VALUE_LIMIT: u64 = 1_500;
/// Largest request; a client of measurements sends no larger one.
const REQUEST_LIMIT: usize = 16 << 20;
/// Answers are sent in pieces of about this size.
const PIECE: usize = 256 << 10;

const OPERATIONS_ERROR: i64 = 1;
const SIZE_LIMIT_EXCEEDED: i64 = 4;
const AUTH_METHOD_NOT_SUPPORTED: i64 = 7;
const UNAVAILABLE_CRITICAL_EXTENSION: i64 = 12;
const NO_SUCH_OBJECT: i64 = 32;
const INVALID_CREDENTIALS: i64 = 49;
const INSUFFICIENT_RIGHTS: i64 = 50;
const UNWILLING: i64 = 53;

/// How a load server is started.
#[derive(Debug, Clone)]
pub struct LoadServerOptions {
    /// The port of LDAP on 127.0.0.1; 0 takes any that is free.
    pub port: u16,
    /// The port of the control on 127.0.0.1; 0 takes any that is free.
    pub control_port: u16,
    /// Waited before each search is answered.
    pub latency: Duration,
    /// Most values of `member` in one answer of an ordinary search; `None`: all, as Samba does it. DirSync has no such limit.
    pub max_values: Option<u64>,
    pub world: World,
}

impl LoadServerOptions {
    pub fn new(world: World) -> LoadServerOptions {
        LoadServerOptions { port: 0, control_port: 0, latency: Duration::ZERO, max_values: Some(VALUE_LIMIT), world }
    }
}

/// What a server has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    pub searches: u64,
    pub bytes: u64,
}

struct Shared {
    world: RwLock<Arc<World>>,
    latency_ms: AtomicU64,
    searches: AtomicU64,
    bytes: AtomicU64,
    max_values: Option<u64>,
    stop: watch::Sender<bool>,
}

impl Shared {
    fn world(&self) -> Arc<World> {
        self.world.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn apply(&self, step: Step) -> Applied {
        let mut world = self.world.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut next = World::clone(&world);
        let applied = next.apply(step);
        *world = Arc::new(next);
        applied
    }
}

/// A server that runs until it is told to stop.
pub struct RunningLoadServer {
    shared: Arc<Shared>,
    ldap: SocketAddr,
    control: SocketAddr,
}

impl RunningLoadServer {
    /// Binds both ports and begins to answer.
    ///
    /// # Errors
    /// When a port cannot be bound.
    pub async fn start(options: LoadServerOptions) -> std::io::Result<RunningLoadServer> {
        let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let ldap = TcpListener::bind(local(options.port)).await?;
        let control = TcpListener::bind(local(options.control_port)).await?;
        let (stop, _) = watch::channel(false);
        let shared = Arc::new(Shared {
            world: RwLock::new(Arc::new(options.world)),
            latency_ms: AtomicU64::new(u64::try_from(options.latency.as_millis()).unwrap_or(u64::MAX)),
            searches: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            max_values: options.max_values,
            stop,
        });
        let running =
            RunningLoadServer { shared: shared.clone(), ldap: ldap.local_addr()?, control: control.local_addr()? };
        tokio::spawn(control::serve(control, shared.clone()));
        tokio::spawn(accept(ldap, shared));
        Ok(running)
    }

    /// Where LDAP is spoken, without encryption.
    pub fn ldap(&self) -> SocketAddr {
        self.ldap
    }

    /// `http://...` of the control port; see `control.rs` for what it takes.
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control)
    }

    pub fn apply(&self, step: Step) -> Applied {
        self.shared.apply(step)
    }

    /// The world as it is now.
    pub fn world(&self) -> Arc<World> {
        self.shared.world()
    }

    pub fn served(&self) -> Served {
        Served {
            searches: self.shared.searches.load(Ordering::Relaxed),
            bytes: self.shared.bytes.load(Ordering::Relaxed),
        }
    }

    /// Ends connections and listeners.
    pub fn stop(&self) {
        self.shared.stop.send_replace(true);
    }

    /// Returns when somebody stopped the server, here or over the control port.
    pub async fn stopped(&self) {
        let mut stop = self.shared.stop.subscribe();
        // The sender lives as long as this value.
        let _gone = stop.wait_for(|stop| *stop).await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let shared = shared.clone();
                tokio::spawn(async move {
                    let mut stop = shared.stop.subscribe();
                    let mut connection = Connection::new(stream, shared.clone());
                    tokio::select! {
                        _ = stop.wait_for(|stop| *stop) => {}
                        // A client that goes away in the middle is none of the server's business.
                        _ended = connection.serve() => {}
                    }
                });
            }
        }
    }
}

struct Connection {
    stream: TcpStream,
    shared: Arc<Shared>,
    bound: bool,
    out: Vec<u8>,
}

impl Connection {
    fn new(stream: TcpStream, shared: Arc<Shared>) -> Connection {
        Connection { stream, shared, bound: false, out: Vec::with_capacity(PIECE * 2) }
    }

    async fn serve(&mut self) -> std::io::Result<()> {
        self.stream.set_nodelay(true)?;
        let mut received = Vec::new();
        loop {
            let Some(length) = self.receive(&mut received).await? else { return Ok(()) };
            let rest = received.split_off(length);
            let message = Message::read(&received);
            received = rest;
            match message {
                Ok(Message { operation: Operation::Unbind, .. }) => return Ok(()),
                Ok(message) => self.answer(message).await?,
                // Nothing sensible can follow.
                Err(_) => return Ok(()),
            }
        }
    }

    /// Waits for a whole message; its length, or nothing when the client has gone.
    async fn receive(&mut self, received: &mut Vec<u8>) -> std::io::Result<Option<usize>> {
        loop {
            if let Some((_, head, length)) = ber::header(received) {
                if length > REQUEST_LIMIT {
                    return Ok(None);
                }
                if received.len() >= head + length {
                    return Ok(Some(head + length));
                }
            }
            if self.stream.read_buf(received).await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn answer(&mut self, message: Message) -> std::io::Result<()> {
        let id = message.id;
        match message.operation {
            Operation::Bind { name, password, simple } => {
                let (code, text) = if !simple {
                    (AUTH_METHOD_NOT_SUPPORTED, "only simple bind")
                } else if !name.is_empty() && password.is_empty() {
                    (INVALID_CREDENTIALS, "80090308: LdapErr: DSID-0C09056D, comment: no password, data 52e, v4f7c")
                } else {
                    self.bound = !name.is_empty();
                    (0, "")
                };
                encode::done(&mut self.out, id, 0x61, code, text, &[]);
            }
            Operation::Search(search) => return self.search(id, &search).await,
            Operation::Extended(name) => {
                let text = format!("{name} is not supported");
                encode::done(&mut self.out, id, 0x78, 2, &text, &[]);
            }
            Operation::Refused(tag) => {
                encode::done(&mut self.out, id, tag, UNWILLING, "this server changes nothing by LDAP", &[]);
            }
            Operation::Abandon | Operation::Unbind => {}
        }
        self.flush().await
    }

    async fn search(&mut self, id: i64, search: &Search) -> std::io::Result<()> {
        self.shared.searches.fetch_add(1, Ordering::Relaxed);
        let wait = self.shared.latency_ms.load(Ordering::Relaxed);
        if wait > 0 {
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        let world = self.shared.world();
        let style = encode::Style {
            extended_dn: search.controls.extended_dn,
            max_values: self.shared.max_values,
            types_only: search.types_only,
        };
        let outcome = self.run(&world, search, id, style).await?;
        encode::done(&mut self.out, id, 0x65, outcome.code, &outcome.text, &outcome.controls);
        self.flush().await
    }

    async fn run(
        &mut self,
        world: &World,
        search: &Search,
        id: i64,
        style: encode::Style,
    ) -> std::io::Result<search::Outcome> {
        if let Some(unknown) = &search.controls.unknown {
            let text = format!("the critical control {unknown} is not supported");
            return Ok(search::Outcome::of(UNAVAILABLE_CRITICAL_EXTENSION, &text));
        }
        if !self.bound && !search.base.is_empty() {
            return Ok(search::Outcome::of(OPERATIONS_ERROR, "sign in first"));
        }
        if let Some(outcome) = search::special(world, search, id, style, &mut self.out) {
            return Ok(outcome);
        }
        if let Some(control) = &search.controls.dirsync {
            let mut running = match dirsync::Running::begin(world, search, control, id, style) {
                Ok(running) => running,
                Err(outcome) => return Ok(outcome),
            };
            loop {
                if let Some(outcome) = running.write(&mut self.out, PIECE) {
                    return Ok(outcome);
                }
                self.flush().await?;
            }
        }
        let mut running = match search::Running::begin(world, search, id, style) {
            Ok(running) => running,
            Err(outcome) => return Ok(outcome),
        };
        loop {
            if let Some(outcome) = running.write(&mut self.out, PIECE) {
                return Ok(outcome);
            }
            self.flush().await?;
        }
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        self.shared.bytes.fetch_add(self.out.len() as u64, Ordering::Relaxed);
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        // One group of 50,000 members must not keep its memory for the rest of the connection.
        self.out.shrink_to(PIECE * 2);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
