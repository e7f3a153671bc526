//! One process of the executable with fail points: runs a command of an operator, and dies where it is told to.

use crate::operator::fresh;
use crate::tenant::CLIENT_SECRET;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The executable built with fail points: `METASYNC_CRASH_BIN`, or `fail-points/metasync` beside the built one. Compared with the
/// sources once: a run of hours is of the executable it began with.
pub fn binary() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> PathBuf {
    let path = std::env::var_os("METASYNC_CRASH_BIN").map(PathBuf::from).unwrap_or_else(|| {
        let own = std::env::current_exe().expect("a program has a path");
        let debug = own.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
        debug.expect("below target/debug").join("fail-points/metasync")
    });
    fresh(path, "build it with fail points as tests/run does")
}

/// How a process is to end before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Death {
    /// At the n-th passage of a fail point.
    At { point: String, count: u64 },
    /// By a kill signal after so long.
    After(Duration),
}

/// How a process ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// The signal; none: by itself.
    pub(super) signal: Option<i32>,
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
    pub(super) took: Duration,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {:?}, signal {:?}, after {:?}\n{}{}", self.code, self.signal, self.took, self.out, self.err)
    }
}

/// One passage of a fail point.
#[derive(Debug, Clone)]
pub(super) struct Passage {
    pub(super) point: String,
    pub(super) count: u64,
}

/// `metasync --deployment FOLDER COMMAND`, with the passages in `trace`.
pub(super) fn run(folder: &Path, command: &[&str], death: Option<&Death>, trace: Option<&Path>) -> Ended {
    let mut child = Command::new(binary());
    child.arg("--json").arg("--deployment").arg(folder).args(command);
    child
        .env("METASYNC_CLIENT_SECRET", CLIENT_SECRET)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(Death::At { point, count }) = death {
        child.env("METASYNC_FAIL_POINT", format!("{point}:{count}"));
    }
    if let Some(trace) = trace {
        child.env("METASYNC_FAIL_TRACE", trace);
    }
    let began = Instant::now();
    let mut child = child.spawn().expect("the binary runs");
    if let Some(Death::After(wait)) = death {
        while began.elapsed() < *wait && child.try_wait().expect("a child").is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        // It may have ended by itself a moment ago.
        let _ended = child.kill();
    }
    let output = child.wait_with_output().expect("the child ends");
    Ended {
        signal: output.status.signal(),
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: began.elapsed(),
    }
}

/// The fail points that the executable has.
pub(super) fn fail_points() -> Vec<String> {
    let listed =
        Command::new(binary()).arg("check").env("METASYNC_FAIL_POINT", "list").output().expect("the binary runs");
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    text.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect()
}

/// The passages of a run, in order.
pub(super) fn passages(trace: &Path) -> Vec<Passage> {
    let text = std::fs::read_to_string(trace).unwrap_or_default();
    let passage = |line: &str| {
        let mut words = line.split(' ');
        Some(Passage { point: words.next()?.to_owned(), count: words.next()?.parse().ok()? })
    };
    text.lines().filter_map(passage).collect()
}
