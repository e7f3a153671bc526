//! The shells in which a guide's commands run: one that all share, and one of its own for what goes on beside. Nothing of them
//! outlives its value.

use crate::operator::binary;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A command that is silent for longer hangs.
const PATIENCE: Duration = Duration::from_secs(300);
/// A process beside that says nothing for so long has said its first words.
const PAUSE: Duration = Duration::from_millis(700);
/// Behind each answer; no command prints it.
const END: &str = "\u{4}the answer ends here";

/// bash with the executable on its path and no variables of a deployment.
fn bash(folder: &Path) -> Command {
    let tools = binary();
    let tools = tools.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut bash = Command::new("bash");
    bash.arg("--norc").current_dir(folder).env("PATH", format!("{tools}:{path}")).env("LC_ALL", "C.UTF-8");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("METASYNC_")) {
        bash.env_remove(name);
    }
    bash
}

#[derive(Debug)]
pub(super) struct Shell {
    child: Child,
    commands: ChildStdin,
    lines: Receiver<String>,
    errors: PathBuf,
    folder: PathBuf,
    _keep: tempfile::TempDir,
}

impl Shell {
    pub(super) fn start(folder: &Path) -> Self {
        let keep = tempfile::Builder::new().prefix("metasync-guide-").tempdir().expect("a temporary folder");
        let mut child =
            bash(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("bash runs");
        let commands = child.stdin.take().expect("stdin is piped");
        let lines = read(child.stdout.take().expect("stdout is piped"));
        let errors = keep.path().join("stderr");
        Shell { child, commands, lines, errors, folder: folder.to_owned(), _keep: keep }
    }

    /// What a command printed on stdout, else on stderr, and `[exit N]` where it failed.
    pub(super) fn answer(&mut self, command: &str) -> Vec<String> {
        let script = format!(
            "{{ {command}\n}} 2>'{}' </dev/null\nprintf '\\n%s %s %s\\n' '{END}' \"$?\" \"$PWD\"\n",
            self.errors.display()
        );
        self.commands.write_all(script.as_bytes()).and_then(|()| self.commands.flush()).expect("bash listens");
        let mut out = Vec::new();
        let end = loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => match line.strip_prefix(END) {
                    Some(end) => break end.trim().to_owned(),
                    None => out.push(line),
                },
                Err(problem) => panic!("$ {command}\n{problem}\n{}", out.join("\n")),
            }
        };
        let (code, folder) = end.split_once(' ').expect("exit code and folder");
        self.folder = PathBuf::from(folder);
        without_empty_end(&mut out);
        if out.is_empty() {
            let errors = std::fs::read_to_string(&self.errors).unwrap_or_default();
            out = errors.lines().map(str::to_owned).collect();
            without_empty_end(&mut out);
        }
        if code != "0" {
            out.push(format!("[exit {code}]"));
        }
        out
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn without_empty_end(lines: &mut Vec<String>) {
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
}

fn read(from: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    receive
}

/// A command that goes on beside the others, until its value is dropped.
#[derive(Debug)]
pub(super) struct Beside {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Beside {
    /// Starts where the shell stands now. The command is the process itself, so that it can be ended.
    pub(super) fn start(shell: &Shell, command: &str) -> Self {
        let mut child = bash(&shell.folder)
            .arg("-c")
            .arg(format!("exec 2>&1\nexec {command}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash runs");
        let lines = read(child.stdout.take().expect("stdout is piped"));
        Beside { child, lines, said: Vec::new() }
    }

    /// What it says until it pauses.
    pub(super) fn first_words(&mut self) -> Vec<String> {
        if let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.said.push(line);
        }
        while let Ok(line) = self.lines.recv_timeout(PAUSE) {
            self.said.push(line);
        }
        self.said.clone()
    }

    /// All that it says until that is enough, or it ends, or is silent for too long.
    pub(super) fn words(&mut self, enough: impl Fn(&[String]) -> bool) -> Vec<String> {
        let until = Instant::now() + Duration::from_secs(60);
        while !enough(&self.said) && Instant::now() < until {
            match self.lines.recv_timeout(Duration::from_secs(1)) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        without_empty_end(&mut self.said);
        self.said.clone()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
