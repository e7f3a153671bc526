//! Starting, steering and stopping a rehearsal tenant from the same process: options, the running tenant, errors. What
//! the tenant answers is decided in `core`; how requests reach it, in `server`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::{Millis, SECOND_MS, system_now};
use crate::core::Core;
use crate::directory::Directory;
use crate::faults::FaultRule;
use crate::guid::Guid;
use crate::knobs::Knobs;
use crate::request_log::{LoggedRequest, RequestLog};
use crate::seed::{self, Seed};
use crate::tenant_facts::unknown_features;
use crate::{server, snapshot, state_file};

/// Shortest and usual pause between two writings of the state file.
const SAVE_EVERY: Duration = Duration::from_millis(300);
/// Longest wait for open connections at shutdown.
const DRAIN_FOR: Duration = Duration::from_secs(2);

/// How a rehearsal tenant is started. `TenantOptions::default()`: in memory, empty, any free port on 127.0.0.1.
#[derive(Clone, Debug)]
pub struct TenantOptions {
    /// Where to listen; loopback addresses only. Port 0: any free one.
    pub listen: SocketAddr,
    /// The tenant's content is read from and kept in this file; unset: in memory.
    pub state_file: Option<PathBuf>,
    /// Content of a new tenant. With a state file that exists already, only its applications are taken.
    pub seed: Option<SeedSource>,
    /// Every request is appended here as a JSON line.
    pub request_log: Option<PathBuf>,
    pub knobs: Knobs,
    /// Starts the sequence of object ids; unset: derived from the tenant id, so that runs are comparable.
    pub id_seed: Option<u64>,
}

impl Default for TenantOptions {
    fn default() -> TenantOptions {
        TenantOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            state_file: None,
            seed: None,
            request_log: None,
            knobs: Knobs::default(),
            id_seed: None,
        }
    }
}

/// Where a seed comes from; see the [`seed`](crate::seed) module for the format.
#[derive(Clone, Debug)]
pub enum SeedSource {
    File(PathBuf),
    Json(Value),
    Seed(Box<Seed>),
}

/// Why a tenant does not start, or does not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    #[error("the rehearsal tenant listens on loopback addresses only, not on {0}; use 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for any free one")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("cannot read the seed file {}: {source}", path.display())]
    SeedUnreadable { path: PathBuf, source: std::io::Error },
    #[error("the seed ({origin}) is not in the seed format: {source}")]
    SeedFormat { origin: String, source: serde_json::Error },
    #[error("the seed has {} mistake(s):\n  {}", .0.len(), .0.join("\n  "))]
    SeedMistakes(Vec<String>),
    #[error("cannot read the state file {}: {source}", path.display())]
    StateUnreadable { path: PathBuf, source: std::io::Error },
    #[error(
        "the state file {} is damaged: {detail}; restore it from a copy, or move it away to start a new tenant from the \
         seed",
        path.display()
    )]
    StateDamaged { path: PathBuf, detail: String },
    #[error(
        "the state file {} has version {found}, this program knows version {known}; use the program that wrote it, or \
         move the file away to start a new tenant from the seed",
        path.display()
    )]
    StateVersion { path: PathBuf, found: u32, known: u32 },
    #[error("cannot write the state file {}: {source}; make room or choose another place, the old file is untouched", path.display())]
    StateUnwritable { path: PathBuf, source: std::io::Error },
    #[error("the tenant's state cannot be written as JSON: {0}")]
    StateFormat(serde_json::Error),
    #[error("cannot open the request log {}: {source}", path.display())]
    RequestLog { path: PathBuf, source: std::io::Error },
    #[error("these are no directory synchronisation features: {}", .0.join(", "))]
    UnknownFeatures(Vec<String>),
    #[error("the operating system gave no random bytes: {0}")]
    Randomness(getrandom::Error),
    #[error("the tenant's task ended early: {0}")]
    Task(tokio::task::JoinError),
}

/// The tenant's insides, shared by the server's tasks and the handle.
pub(crate) struct Shared {
    core: Mutex<Core>,
}

impl Shared {
    /// A panic while the lock was held leaves the directory as it was between two steps; the tenant goes on.
    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts rehearsal tenants.
#[derive(Debug)]
pub struct RehearsalTenant;

impl RehearsalTenant {
    /// Reads state or seed, listens, and serves until [`RunningTenant::shutdown`]. Needs a tokio runtime.
    pub async fn start(options: TenantOptions) -> Result<RunningTenant, TenantError> {
        if !options.listen.ip().is_loopback() {
            return Err(TenantError::NotLoopback(options.listen));
        }
        check_features(&options.knobs)?;
        let mut directory = open_directory(&options)?;
        if options.knobs.clock_offset_ms.is_some() {
            directory.mark_changed();
        }
        let log = RequestLog::open(options.request_log.as_deref()).map_err(|source| TenantError::RequestLog {
            path: options.request_log.clone().unwrap_or_default(),
            source,
        })?;
        let listen_error = |source| TenantError::Listen { address: options.listen, source };
        let listener = tokio::net::TcpListener::bind(options.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let tenant_id = directory.facts.tenant_id;
        let base_url = format!("http://{address}");
        let request_ids = random_guid()?.as_u128();
        let core = Core::new(directory, options.knobs, log, base_url.clone(), request_ids);
        let shared = Arc::new(Shared { core: Mutex::new(core) });
        let (stop_serving, serving_stopped) = watch::channel(false);
        let (stop_saving, saving_stopped) = watch::channel(false);
        let mut saver = Saver { shared: Arc::clone(&shared), path: options.state_file, saved: 0 };
        // A new tenant is on disk before its first request.
        saver.save().await?;
        let server = tokio::spawn(server::serve(listener, Arc::clone(&shared), serving_stopped));
        let saver = tokio::spawn(saver.run(saving_stopped));
        tracing::info!(%base_url, tenant = %tenant_id, "rehearsal tenant started");
        Ok(RunningTenant { shared, address, tenant_id, base_url, stop_serving, stop_saving, server, saver })
    }
}

/// A tenant's content as it was at one moment.
#[derive(Clone, Debug)]
pub struct KeptTenant(Directory);

/// A tenant that serves. Dropping it stops it without a last save; call [`RunningTenant::shutdown`].
pub struct RunningTenant {
    shared: Arc<Shared>,
    address: SocketAddr,
    tenant_id: Guid,
    base_url: String,
    stop_serving: watch::Sender<bool>,
    stop_saving: watch::Sender<bool>,
    server: JoinHandle<()>,
    saver: JoinHandle<Result<(), TenantError>>,
}

impl std::fmt::Debug for RunningTenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningTenant").field("base_url", &self.base_url).field("tenant_id", &self.tenant_id).finish()
    }
}

impl RunningTenant {
    /// `http://127.0.0.1:port`, without a slash at the end. Also the authority, in place of
    /// `https://login.microsoftonline.com`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// `http://127.0.0.1:port/v1.0/`, in place of `https://graph.microsoft.com/v1.0/`.
    pub fn graph_url(&self) -> String {
        format!("{}/v1.0/", self.base_url)
    }

    /// `http://127.0.0.1:port/{tenant id}/oauth2/v2.0/token`.
    pub fn token_url(&self) -> String {
        format!("{}/{}/oauth2/v2.0/token", self.base_url, self.tenant_id)
    }

    /// `http://127.0.0.1:port/provisioningservice.svc`, in place of
    /// `https://adminwebservice.microsoftonline.com/provisioningservice.svc`.
    pub fn provisioning_url(&self) -> String {
        format!("{}{}", self.base_url, crate::provisioning::PATH)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn tenant_id(&self) -> Guid {
        self.tenant_id
    }

    /// Requests since the start or the last [`RunningTenant::clear_request_log`], in order of arrival.
    pub fn request_log(&self) -> Vec<LoggedRequest> {
        self.shared.core().log.requests()
    }

    /// Forgets the requests in memory and sets the counter of writes to 0; the log file keeps them.
    pub fn clear_request_log(&self) {
        self.shared.core().log.clear();
    }

    /// Writes that were carried out since the start or the last clearing of the log.
    pub fn successful_writes(&self) -> u64 {
        self.shared.core().log.successful_writes()
    }

    pub fn knobs(&self) -> Knobs {
        self.shared.core().effective_knobs()
    }

    /// Replaces all knobs.
    pub fn set_knobs(&self, knobs: Knobs) -> Result<(), TenantError> {
        check_features(&knobs)?;
        self.shared.core().set_knobs(knobs);
        Ok(())
    }

    /// Changes some knobs.
    pub fn update_knobs(&self, change: impl FnOnce(&mut Knobs)) -> Result<(), TenantError> {
        let mut knobs = self.knobs();
        change(&mut knobs);
        self.set_knobs(knobs)
    }

    /// Replaces the fault script and starts it from its beginning, also when it is the same as before.
    pub fn play_faults(&self, faults: Vec<FaultRule>) {
        let mut core = self.shared.core();
        core.knobs.faults = faults;
        core.restart_faults();
    }

    /// Moves the tenant's clock forward.
    pub fn advance_clock(&self, by: Duration) {
        let mut core = self.shared.core();
        let by = Millis::try_from(by.as_millis()).unwrap_or(Millis::MAX);
        let offset = core.directory.clock_offset_ms.saturating_add(by);
        core.move_clock(offset);
    }

    /// The tenant's content at this moment, to go back to.
    pub fn keep(&self) -> KeptTenant {
        KeptTenant(self.shared.core().directory.clone())
    }

    /// Makes the tenant's content what it was when it was kept. Knobs, clients' tokens and the request log stay.
    pub fn go_back(&self, kept: &KeptTenant) {
        let mut core = self.shared.core();
        let generation = core.directory.generation();
        core.directory = kept.0.clone();
        core.directory.changed_since(generation);
    }

    /// Everything a client can see, in a fixed order; equal tenants give equal bytes.
    pub fn snapshot(&self) -> Value {
        snapshot::take(&self.shared.core().directory)
    }

    /// Stops serving, lets requests under way finish, and writes the state file a last time.
    pub async fn shutdown(mut self) -> Result<(), TenantError> {
        let _ = self.stop_serving.send(true);
        // A client that keeps a connection busy does not keep the tenant from stopping.
        if tokio::time::timeout(DRAIN_FOR, &mut self.server).await.is_err() {
            self.server.abort();
        }
        let _ = self.stop_saving.send(true);
        let saved = (&mut self.saver).await.map_err(TenantError::Task)?;
        self.shared.core().log.flush();
        saved
    }
}

impl Drop for RunningTenant {
    fn drop(&mut self) {
        self.server.abort();
        self.saver.abort();
    }
}

fn check_features(knobs: &Knobs) -> Result<(), TenantError> {
    let unknown = unknown_features(&knobs.features);
    if unknown.is_empty() { Ok(()) } else { Err(TenantError::UnknownFeatures(unknown)) }
}

fn random_guid() -> Result<Guid, TenantError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(TenantError::Randomness)?;
    Ok(Guid::from_random_bits(u128::from_be_bytes(bytes)))
}

fn open_directory(options: &TenantOptions) -> Result<Directory, TenantError> {
    let seed = match &options.seed {
        Some(source) => source.read()?,
        None => Seed::default(),
    };
    let stored = match &options.state_file {
        Some(path) => state_file::read(path)?,
        None => None,
    };
    let salt = random_guid()?;
    match stored {
        Some(mut directory) => {
            seed::register_applications(&mut directory, &seed, salt);
            Ok(directory)
        }
        None => seed::plant(&seed, random_guid()?, salt, options.id_seed, system_now())
            .map_err(|mistakes| TenantError::SeedMistakes(mistakes.0)),
    }
}

impl SeedSource {
    fn read(&self) -> Result<Seed, TenantError> {
        match self {
            SeedSource::Seed(seed) => Ok((**seed).clone()),
            SeedSource::Json(value) => Seed::from_json(value.clone())
                .map_err(|source| TenantError::SeedFormat { origin: "given as a value".to_owned(), source }),
            SeedSource::File(path) => {
                let unreadable = |source| TenantError::SeedUnreadable { path: path.clone(), source };
                let text = std::fs::read(path).map_err(unreadable)?;
                serde_json::from_slice(&text)
                    .map_err(|source| TenantError::SeedFormat { origin: path.display().to_string(), source })
            }
        }
    }
}

/// Keeps the state file up to date.
struct Saver {
    shared: Arc<Shared>,
    path: Option<PathBuf>,
    /// Generation of the directory that the file holds.
    saved: u64,
}

impl Saver {
    /// Saves while the tenant runs, and a last time when it stops. A failed save is reported and tried again.
    async fn run(mut self, mut stopped: watch::Receiver<bool>) -> Result<(), TenantError> {
        let mut pause = SAVE_EVERY;
        loop {
            let stop = tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => true,
                () = tokio::time::sleep(pause) => false,
            };
            if stop {
                return self.save().await;
            }
            self.shared.core().log.flush();
            let started = std::time::Instant::now();
            if let Err(error) = self.save().await {
                tracing::error!(%error, "the tenant's state was not saved; trying again");
            }
            // A big tenant spends at most a third of its time on saving.
            pause = SAVE_EVERY.max(started.elapsed() * 2);
        }
    }

    /// Writes the state if it is ahead of the file.
    async fn save(&mut self) -> Result<(), TenantError> {
        let Some(path) = self.path.clone() else { return Ok(()) };
        let Some((generation, bytes)) = self.render_if_behind()? else {
            return Ok(());
        };
        let written = tokio::task::spawn_blocking(move || state_file::write(&path, &bytes)).await;
        written.map_err(TenantError::Task)??;
        self.saved = generation;
        Ok(())
    }

    fn render_if_behind(&self) -> Result<Option<(u64, Vec<u8>)>, TenantError> {
        let core = self.shared.core();
        let generation = core.directory.generation();
        if generation == self.saved {
            return Ok(None);
        }
        let bytes = state_file::render(&core.directory).map_err(TenantError::StateFormat)?;
        Ok(Some((generation, bytes)))
    }
}

/// Seconds of a clock request as milliseconds.
pub(crate) fn seconds_to_ms(seconds: i64) -> Millis {
    seconds.saturating_mul(SECOND_MS)
}
