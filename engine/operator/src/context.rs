//! What every command starts from: the deployment folder, read and checked; the engine on it; the store for reading.
//! Stops with all diagnostics at once when the configuration has mistakes.

use crate::connectors::{Connectors, build_connectors, is_repeated};
use crate::diagnostics::{self, Drawn};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use sync_rules::{Deployment, FileContent, FileText, Files, RuleSet, Severity, Sources};
use sync_runtime::{Clock, Engine, EngineParts, StopSignal, SystemClock};
use sync_store::Store;

/// The folder and how to talk; the stop signal that Ctrl-C gives.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) folder: PathBuf,
    pub(crate) output: Output,
    pub(crate) stop: StopSignal,
}

/// A deployment whose configuration and rules are without errors.
pub(crate) struct Opened {
    pub(crate) deployment: Deployment,
    pub(crate) rules: RuleSet,
    pub(crate) connectors: Connectors,
    /// The texts of the files, for showing places in them.
    pub(crate) sources: Sources,
}

/// Everything that reading a deployment gave, mistakes included.
pub(crate) struct Examined {
    pub(crate) opened: Option<Opened>,
    pub(crate) drawn: Drawn,
    pub(crate) sources: Sources,
}

impl Context {
    pub(crate) fn now(&self) -> i64 {
        SystemClock.now()
    }

    /// Returns when the operator has asked to stop.
    pub(crate) async fn stopped(&self) {
        while !self.stop.is_stopped() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Reads the deployment and builds its connectors; reports, never fails.
    pub(crate) fn examine(&self) -> Result<Examined, Failure> {
        if !self.folder.join(sync_rules::CONFIGURATION_FILE).is_file() {
            return Err(Failure::new(
                "no-deployment",
                format!("there is no metasync.toml in {}", self.folder.display()),
                "name the folder with --deployment, or write a deployment with `metasync init`",
            )
            .with_exit(Exit::Configuration));
        }
        let loaded = sync_rules::load_folder(&self.folder);
        let mut diagnostics = loaded.diagnostics;
        let (connectors, mut problems) = build_connectors(&loaded.connectors, &self.folder);
        problems.retain(|problem| !is_repeated(problem, &diagnostics));
        diagnostics.extend(problems);
        loaded.sources.sort(&mut diagnostics);
        let drawn = diagnostics::draw(&diagnostics, &loaded.sources, self.colour());
        let is_sound = !diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        let opened = match (loaded.deployment, loaded.rules) {
            (Some(deployment), Some(rules)) if is_sound => {
                Some(Opened { deployment, rules, connectors, sources: loaded.sources.clone() })
            }
            _ => None,
        };
        Ok(Examined { opened, drawn, sources: loaded.sources })
    }

    /// The deployment, or a failure that shows every mistake. Warnings are told and do not stop.
    pub(crate) fn open(&self) -> Result<Opened, Failure> {
        let examined = self.examine()?;
        match examined.opened {
            Some(opened) => {
                if examined.drawn.warnings > 0 {
                    self.output.talk(&examined.drawn.text);
                }
                Ok(opened)
            }
            None => Err(mistakes(examined.drawn)),
        }
    }

    /// The rules of another folder under this deployment's configuration, and their texts.
    pub(crate) fn other_rules(&self, folder: &Path) -> Result<(RuleSet, Sources), Failure> {
        let path = self.folder.join(sync_rules::CONFIGURATION_FILE);
        let text = std::fs::read_to_string(&path).map_err(|error| Failure::file("cannot read", &path, &error))?;
        let below = folder.join(sync_rules::RULES_FOLDER);
        let rules = sync_rules::read_rules(if below.is_dir() { &below } else { folder });
        if rules.is_empty() || rules.iter().any(|file| matches!(file.content, FileContent::Missing)) {
            return Err(Failure::new(
                "no-rules",
                format!("there are no rule files (*.toml) in {}", folder.display()),
                "name a folder of rule files, or one with a folder rules/ in it",
            ));
        }
        let files = Files { configuration: FileText::text(sync_rules::CONFIGURATION_FILE, text), rules };
        let loaded = sync_rules::load(&files, self.folder.clone());
        let has_errors = loaded.has_errors();
        match loaded.rules {
            Some(rules) if !has_errors => Ok((rules, loaded.sources)),
            _ => Err(mistakes(diagnostics::draw(&loaded.diagnostics, &loaded.sources, self.colour()))),
        }
    }

    /// The engine on this deployment: takes the run lock.
    pub(crate) fn engine(&self, opened: Opened) -> Result<Engine, Failure> {
        let mut parts = EngineParts::new(opened.deployment, opened.rules, opened.connectors);
        parts.stop = self.stop.clone();
        parts.events = Arc::new(Progress::new(self.output));
        Ok(Engine::open(parts)?)
    }

    /// The store opened read-only; nothing in the folder changes.
    pub(crate) fn read_store(&self, opened: &Opened) -> Result<Store, Failure> {
        Ok(sync_runtime::open_for_reading(&opened.deployment, &opened.rules, self.now())?)
    }

    /// ` --deployment DIR`, where commands that are printed need it to be typed as they are.
    pub(crate) fn option(&self) -> String {
        let here = shown(&self.folder);
        if here == "." { String::new() } else { format!(" --deployment {here}") }
    }

    /// Shows and asks; only `y` and `yes` agree.
    pub(crate) fn confirm(&self, shown: &str, question: &str) -> Result<bool, Failure> {
        self.output.complain(shown);
        self.output.complain(&format!("{question} [y/N]"));
        let mut answer = String::new();
        std::io::stdin()
            .read_line(&mut answer)
            .map_err(|error| Failure::new("terminal", format!("the answer cannot be read: {error}"), ""))?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    pub(crate) fn colour(&self) -> bool {
        use std::io::IsTerminal;
        !self.output.json
            && std::env::var_os("NO_COLOR").is_none()
            && std::io::stdout().is_terminal()
            && std::io::stderr().is_terminal()
    }
}

/// "3 mistakes", as a failure.
pub(crate) fn mistakes(drawn: Drawn) -> Failure {
    let count = crate::text::counted(drawn.errors as u64, "mistake", "mistakes");
    let mut failure = Failure::new(
        "configuration",
        format!("the configuration has {count}; nothing was run"),
        "correct them and look again with `metasync check`",
    )
    .with_exit(Exit::Configuration);
    failure.drawn = Some(Box::new(drawn));
    failure
}

/// Account of the operating system, as sudo or the shell tells it: for history.
pub(crate) fn operator() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_else(|| "unknown".to_owned())
}

/// A path as the operator can type it: relative to the current folder where that is shorter.
pub(crate) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    match path.strip_prefix(&here) {
        Ok(rest) if !rest.as_os_str().is_empty() => rest.display().to_string(),
        _ => path.display().to_string(),
    }
}
