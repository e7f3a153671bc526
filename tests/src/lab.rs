//! Domain controllers of the lab (`tests/lab/`), as tests use them: provisioned once per process, copied where a test
//! needs its own, stopped by process id when the last user is done. Samba missing is a failure, never a skip.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

/// Password of the lab's Administrator; the scripts' default.
pub const ADMIN_PASSWORD: &str = "Passw0rd!Adm1n";
/// The lab's domain.
pub const DOMAIN: &str = "DC=corp,DC=contoso,DC=example";
const REALM: &str = "corp.contoso.example";
const NETBIOS: &str = "CORP";

/// A running domain controller with a folder and a loopback address of its own.
#[derive(Debug)]
pub struct DomainController {
    pub folder: PathBuf,
    pub address: String,
    /// Removed with the folder when the test ends.
    _keep: Arc<tempfile::TempDir>,
}

static NEXT_ADDRESS: AtomicU8 = AtomicU8::new(1);

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lab")
}

/// Runs a lab script and returns its output; a failure fails the test with what the script said.
pub fn script(name: &str, arguments: &[&str], input: Option<&str>) -> String {
    let mut child = Command::new(scripts().join(name))
        .args(arguments)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("tests/lab/{name} cannot be run: {error}"));
    if let Some(input) = input {
        child.stdin.take().expect("stdin is piped").write_all(input.as_bytes()).expect("the script reads its input");
    }
    let output = child.wait_with_output().expect("the script ends");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "tests/lab/{name} {arguments:?} failed:\n{out}{err}");
    out.into_owned()
}

/// A pristine domain controller, provisioned once per process and never started: others are copies of it.
fn pristine() -> &'static (PathBuf, Arc<tempfile::TempDir>) {
    static PRISTINE: OnceLock<(PathBuf, Arc<tempfile::TempDir>)> = OnceLock::new();
    PRISTINE.get_or_init(|| {
        let keep = Arc::new(tempfile::Builder::new().prefix("metasync-lab-").tempdir().expect("a temporary folder"));
        let folder = keep.path().join("pristine");
        script("dc", &["provision", "dc1", "127.71.0.1", &path(&folder), REALM, NETBIOS], None);
        (folder, keep)
    })
}

fn path(path: &Path) -> String {
    path.to_str().expect("temporary folders have plain names").to_owned()
}

impl DomainController {
    /// A fresh domain controller of its own for one test, seeded with `objects` (the JSON of `seed.py`). `test` is the name
    /// under which the runner counts it.
    pub fn start(test: &str, objects: &str) -> Self {
        let (pristine, keep) = pristine();
        let number = NEXT_ADDRESS.fetch_add(1, Ordering::SeqCst);
        let address = format!("127.71.{number}.10");
        let folder = keep.path().join(format!("dc{number}"));
        script("dc", &["copy", &path(pristine), &path(&folder), &address], None);
        let controller = DomainController { folder, address, _keep: keep.clone() };
        if !objects.is_empty() {
            controller.seed(objects);
        }
        controller.launch();
        count(test);
        controller
    }

    /// One domain controller for all tests that only need some; it lives while any of them runs.
    pub fn shared(test: &str) -> Arc<Self> {
        static SHARED: Mutex<Weak<DomainController>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let controller = shared.upgrade().unwrap_or_else(|| {
            let controller = Arc::new(DomainController::start(test, ""));
            *shared = Arc::downgrade(&controller);
            controller
        });
        count(test);
        controller
    }

    pub fn launch(&self) {
        script("dc", &["start", &path(&self.folder)], None);
    }

    pub fn stop(&self) {
        script("dc", &["stop", &path(&self.folder)], None);
    }

    /// A copy of this domain controller as it is now, stopped, under another address.
    pub fn copy(&self, test: &str) -> Self {
        let number = NEXT_ADDRESS.fetch_add(1, Ordering::SeqCst);
        let address = format!("127.71.{number}.10");
        let folder = self.folder.with_file_name(format!("dc{number}"));
        script("dc", &["copy", &path(&self.folder), &path(&folder), &address], None);
        count(test);
        DomainController { folder, address, _keep: self._keep.clone() }
    }

    /// Adds or changes objects straight in the database: JSON or LDIF, as `seed.py` takes them.
    pub fn seed(&self, input: &str) -> String {
        script("seed.py", &[&path(&self.folder), "-"], Some(input))
    }

    pub fn rights(&self, arguments: &[&str]) -> String {
        let mut all = vec![arguments[0].to_owned(), path(&self.folder)];
        all.extend(arguments[1..].iter().map(|argument| (*argument).to_owned()));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        script("rights", &all, None)
    }

    pub fn folder_text(&self) -> String {
        path(&self.folder)
    }

    /// The lab's own certificate authority.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.with_file_name("ca").join("ca.pem")
    }

    pub fn ldaps_url(&self) -> String {
        format!("ldaps://{}:636", self.address)
    }
}

impl Drop for DomainController {
    fn drop(&mut self) {
        // Not through `script`: a panic while another one unwinds would abort the runner.
        let stopped = Command::new(scripts().join("dc")).arg("stop").arg(&self.folder).stdin(Stdio::null()).output();
        drop(stopped);
    }
}

/// Tells the runner that this test touched a real domain controller.
fn count(test: &str) {
    if let Ok(file) = std::env::var("METASYNC_DC_TESTS")
        && let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(file)
    {
        // The count is for the closing line only; a full disk shows elsewhere.
        let _written = writeln!(file, "{test}");
    }
}
