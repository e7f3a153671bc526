//! Child processes and what they cost: time, CPU, memory, bytes written, as the kernel accounts for them in `/proc` (proc(5)).
//! Ends only the processes that it started itself.

use super::{DriverError, Measured};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often a running child is looked at.
const LOOK: Duration = Duration::from_millis(4);
/// The kernel's account counts in hundredths of a second.
const TICKS: f64 = 100.0;

/// What a process cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    pub seconds: f64,
    /// User and system time of all its threads.
    pub cpu_seconds: f64,
    pub peak_rss_bytes: u64,
    /// Bytes that it caused to be written to the disk.
    pub written_bytes: u64,
}

impl Cost {
    /// Of two processes, one after the other.
    pub fn then(self, next: Cost) -> Cost {
        Cost {
            seconds: self.seconds + next.seconds,
            cpu_seconds: self.cpu_seconds + next.cpu_seconds,
            peak_rss_bytes: self.peak_rss_bytes.max(next.peak_rss_bytes),
            written_bytes: self.written_bytes + next.written_bytes,
        }
    }
}

/// What a child said and cost.
pub struct Ran {
    /// None when it was killed.
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
    pub cost: Cost,
}

/// Runs a command to its end, or kills it (SIGKILL) after a time. Output goes through files in `folder`.
///
/// # Errors
/// When it cannot be started.
pub fn run(command: &mut Command, folder: &Path, kill_after: Option<Duration>) -> Measured<Ran> {
    let doing = format!("running {command:?}");
    let (out, err) = (folder.join("stdout"), folder.join("stderr"));
    let file = |path: &PathBuf| File::create(path).map_err(DriverError::io(doing.clone()));
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file(&out)?)
        .stderr(file(&err)?)
        .spawn()
        .map_err(DriverError::io(doing.clone()))?;
    let mut cost = Cost::default();
    loop {
        let look = Look::at(child.id());
        cost.peak_rss_bytes = cost.peak_rss_bytes.max(peak_rss_bytes(child.id()));
        cost.written_bytes = cost.written_bytes.max(written_bytes(child.id()));
        if let Some(look) = look {
            cost.cpu_seconds = cost.cpu_seconds.max(look.cpu_seconds);
            if look.ended {
                break;
            }
        } else {
            break;
        }
        if kill_after.is_some_and(|after| began.elapsed() >= after) {
            child.kill().map_err(DriverError::io(doing.clone()))?;
            break;
        }
        std::thread::sleep(LOOK);
    }
    let status = child.wait().map_err(DriverError::io(doing.clone()))?;
    cost.seconds = began.elapsed().as_secs_f64();
    let read = |path: &PathBuf| std::fs::read(path).map_err(DriverError::io(doing.clone()));
    let err = String::from_utf8_lossy(&read(&err)?).into_owned();
    Ok(Ran { code: status.code(), out: read(&out)?, err, cost })
}

/// User and system time that a process has used so far; 0 when it is gone.
pub fn cpu_seconds(pid: u32) -> f64 {
    Look::at(pid).map_or(0.0, |look| look.cpu_seconds)
}

struct Look {
    cpu_seconds: f64,
    /// It has ended and waits for its parent.
    ended: bool,
}

impl Look {
    fn at(pid: u32) -> Option<Look> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit(')').next()?.split_whitespace();
        let state = fields.next()?;
        let ticks: Vec<f64> = fields.skip(10).take(2).filter_map(|text| text.parse().ok()).collect();
        Some(Look { cpu_seconds: ticks.iter().sum::<f64>() / TICKS, ended: matches!(state, "Z" | "X") })
    }
}

/// The most memory that a process has had so far; 0 when it is gone.
pub fn peak_rss_bytes(pid: u32) -> u64 {
    field(&format!("/proc/{pid}/status"), "VmHWM:") * 1024
}

fn written_bytes(pid: u32) -> u64 {
    field(&format!("/proc/{pid}/io"), "write_bytes:")
}

fn field(path: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// A server that runs until this value goes.
pub struct Server {
    child: Child,
    /// What it printed when it was ready.
    pub ready: serde_json::Value,
}

impl Server {
    /// Starts a program and waits for its line of JSON.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(command: &mut Command) -> Measured<Server> {
        let doing = format!("starting {command:?}");
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.map_err(DriverError::io(doing.clone()))?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(DriverError::io(doing.clone()))?;
        }
        let ready = serde_json::from_str(&line);
        let mut server = Server { child, ready: serde_json::Value::Null };
        server.ready = ready.map_err(|error| DriverError::Failed(format!("{doing}: it said {line:?} ({error})")))?;
        Ok(server)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A text of the line it began with.
    pub fn told(&self, name: &str) -> String {
        self.ready.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, and need not be.
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}
