//! The product as an operator has it: the built binary, a deployment folder, its output and exit code.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// The binary under test: `METASYNC_BIN`, or the one beside this test's own build. Refused when it is older than a source.
pub fn binary() -> PathBuf {
    let path = std::env::var_os("METASYNC_BIN").map(PathBuf::from).unwrap_or_else(|| {
        let test = std::env::current_exe().expect("a test has a path");
        test.ancestors().nth(2).expect("target/debug/deps/it").join("metasync")
    });
    fresh(path, "run `cargo build --workspace` first")
}

/// The path of a built program that is newer than every source of it; `remedy` is told otherwise.
pub(crate) fn fresh(path: PathBuf, remedy: &str) -> PathBuf {
    let built = modified(&path).unwrap_or_else(|| panic!("{} is not built; {remedy}", path.display()));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    for part in ["metaverse-schema", "connectors", "engine"] {
        if let Some((file, _)) = newest(&root.join(part)).filter(|(_, changed)| *changed > built) {
            panic!("{} is older than {}; {remedy}", path.display(), file.display());
        }
    }
    path
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|data| data.modified()).ok()
}

/// The newest source below a folder.
fn newest(folder: &Path) -> Option<(PathBuf, SystemTime)> {
    let mut latest = None;
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        let found = match path.is_dir() {
            true if path.ends_with("tests") => None,
            true => newest(&path),
            false if path.extension().is_some_and(|kind| kind == "rs" || kind == "sql") => {
                modified(&path).map(|time| (path, time))
            }
            false => None,
        };
        latest = latest.into_iter().chain(found).max_by_key(|(_, time)| *time);
    }
    latest
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Fails the test, with all that was printed, unless the exit code is one of these.
    #[track_caller]
    pub fn expect(self, codes: &[i32]) -> Self {
        assert!(
            codes.contains(&self.code),
            "exit code {} instead of {codes:?}\n--- out\n{}\n--- err\n{}",
            self.code,
            self.out,
            self.err
        );
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("not JSON: {error}\n{}\n{}", self.out, self.err))
    }
}

/// A deployment folder of a test.
#[derive(Debug)]
pub struct Deployment {
    pub folder: PathBuf,
    variables: Vec<(String, String)>,
    /// All that its commands have printed, for the search for secrets.
    said: Mutex<String>,
    _keep: tempfile::TempDir,
}

impl Default for Deployment {
    fn default() -> Self {
        Deployment::new()
    }
}

impl Deployment {
    pub fn new() -> Self {
        let keep = tempfile::Builder::new().prefix("metasync-test-").tempdir().expect("a temporary folder");
        Deployment {
            folder: keep.path().join("deployment"),
            variables: Vec::new(),
            said: Mutex::default(),
            _keep: keep,
        }
    }

    /// A variable for every command of this deployment: where secrets come from.
    pub fn variable(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs `metasync --deployment FOLDER ARGUMENTS`, not on a terminal.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(&binary(), arguments, &[])
    }

    /// The same with another build of the executable and variables for this once.
    pub fn run_with(&self, binary: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let output = Command::new(binary)
            .arg("--deployment")
            .arg(&self.folder)
            .args(arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs");
        let ran = Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.push_str(&ran.out);
        said.push_str(&ran.err);
        ran
    }

    /// All that its commands have printed so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same with `--json`, parsed.
    #[track_caller]
    pub fn json(&self, arguments: &[&str], codes: &[i32]) -> Value {
        let mut all = vec!["--json"];
        all.extend(arguments);
        self.run(&all).expect(codes).json()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Replaces text in a file of the deployment; the text must be there.
    pub fn replace(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} does not hold {from:?}:\n{text}");
        std::fs::write(self.file(name), text.replace(from, to)).expect("the file is writable");
    }
}
