//! What a scenario plays on: the load server with a world, a rehearsal tenant, and a deployment folder as `metasync init` writes
//! it, with its guards opened as an operator does for an initial load. Runs the executable; knows nothing of its inside.

use super::http::Http;
use super::process::{self, Cost, Ran, Server};
use super::{DriverError, Measured};
use crate::world::{DOMAIN, GroupSet, SCOPE};
use clap::ValueEnum as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const CLIENT_ID: &str = "8c2e8f2a-0000-4000-8000-000000000001";
/// Made up, and good for nothing but the rehearsal tenant.
const CLIENT_SECRET: &str = "made-up-for-measurements";

/// Where the programs are and what they are given.
#[derive(Debug, Clone)]
pub struct Programs {
    pub metasync: PathBuf,
    pub load_server: PathBuf,
    /// All that a run makes lies below it.
    pub folder: PathBuf,
}

/// The directory: `ldap_load_server` in its own process.
pub struct Directory {
    pub server: Server,
    pub address: String,
    control: String,
}

impl Directory {
    /// # Errors
    /// When the server does not start.
    pub fn start(programs: &Programs, users: u64, groups: GroupSet) -> Measured<Directory> {
        let mut command = Command::new(&programs.load_server);
        command.arg("--users").arg(users.to_string());
        if let Some(named) = groups.to_possible_value() {
            command.arg("--groups").arg(named.get_name());
        }
        let server = Server::start(&mut command)?;
        let (address, control) = (server.told("ldap"), server.told("control"));
        Ok(Directory { server, address, control })
    }

    /// Changes the directory; see `crate::arguments::step`.
    ///
    /// # Errors
    /// When the server does not know the step.
    pub fn churn(&self, step: &str) -> Measured<Value> {
        Http::connect(Http::split(&self.control)?.0)?.json("POST", &format!("/churn/{step}"), "", b"")
    }

    /// # Errors
    /// When the server is gone.
    pub fn counts(&self) -> Measured<Value> {
        Http::connect(Http::split(&self.control)?.0)?.json("GET", "/", "", b"")
    }
}

/// How many writes a tenant takes in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    pub writes: u64,
    pub window_seconds: u64,
}

/// The rehearsal tenant: `metasync tenant` in its own process.
pub struct Tenant {
    pub server: Server,
    host: String,
    token_path: String,
}

impl Tenant {
    /// An empty tenant. With a request log, the file tells every write.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(programs: &Programs, request_log: Option<&Path>) -> Measured<Tenant> {
        Tenant::start_with(programs, request_log, None)
    }

    /// The same with a bucket of writes; none: it is not throttled.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_with(programs: &Programs, request_log: Option<&Path>, bucket: Option<Bucket>) -> Measured<Tenant> {
        let throttle = match bucket {
            None => r#"throttle={"enabled":false}"#.to_owned(),
            Some(Bucket { writes, window_seconds }) => format!(
                r#"throttle={{"writes":{writes},"write_window_ms":{},"resource_units":1000000000}}"#,
                window_seconds * 1_000
            ),
        };
        Tenant::launch(programs, request_log, &[&throttle])
    }

    /// An empty tenant that takes synchronised objects and password hashes, as many as come.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_synchronised(programs: &Programs) -> Measured<Tenant> {
        let unbounded = [
            r#"throttle={"enabled":false}"#,
            r#"provisioning_throttle={"enabled":false}"#,
            r#"sync="on""#,
            r#"features={"passwordSyncEnabled":true}"#,
        ];
        Tenant::launch(programs, None, &unbounded)
    }

    fn launch(programs: &Programs, request_log: Option<&Path>, knobs: &[&str]) -> Measured<Tenant> {
        let (secret, seed) = (programs.folder.join("client.secret"), programs.folder.join("seed.json"));
        let domains = r#"{"domains":[{"name":"contoso.onmicrosoft.com","initial":true},{"name":"contoso.example","default":true}]}"#;
        for (file, text) in [(&secret, CLIENT_SECRET), (&seed, domains)] {
            std::fs::write(file, text).map_err(DriverError::io(format!("writing {}", file.display())))?;
        }
        let mut command = Command::new(&programs.metasync);
        command
            .current_dir(&programs.folder)
            .args(["--json", "tenant", "--listen", "127.0.0.1:0", "--seed"])
            .arg(&seed);
        command.args(["--client-id", CLIENT_ID, "--client-secret"]).arg(format!("file:{}", secret.display()));
        for knob in knobs.iter().chain(&["object_quota=50000000", "request_log_limit=0"]) {
            command.args(["--knob", knob]);
        }
        if let Some(file) = request_log {
            command.arg("--request-log").arg(file);
        }
        let server = Server::start(&mut command)?;
        let host = Http::split(&server.told("graph_url"))?.0.to_owned();
        let token_path = Http::split(&server.told("token_url"))?.1.to_owned();
        Ok(Tenant { server, host, token_path })
    }

    /// `host:port`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The header that a signed-in client sends.
    ///
    /// # Errors
    /// When the tenant refuses the application.
    pub fn authorization(&self) -> Measured<String> {
        Ok(format!("authorization: Bearer {}\r\n", self.token("https%3A%2F%2Fgraph.microsoft.com%2F.default")?))
    }

    /// An access token for a scope, which is given as it stands in a form.
    ///
    /// # Errors
    /// When the tenant refuses the application.
    pub fn token(&self, scope: &str) -> Measured<String> {
        let form =
            format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}&scope={scope}");
        let header = "content-type: application/x-www-form-urlencoded\r\n";
        let token = Http::connect(&self.host)?.json("POST", &self.token_path, header, form.as_bytes())?;
        Ok(token.get("access_token").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// Write requests so far, and those of them that changed something.
    ///
    /// # Errors
    /// When the tenant is gone.
    pub fn writes(&self) -> Measured<(u64, u64)> {
        let log = Http::connect(&self.host)?.json("GET", "/_tenant/log", "", b"")?;
        let number = |name: &str| log.get(name).and_then(Value::as_u64).unwrap_or(0);
        Ok((number("writes"), number("successfulWrites")))
    }
}

/// A deployment folder.
#[derive(Debug, Clone)]
pub struct Deployment {
    pub folder: PathBuf,
    metasync: PathBuf,
    work: PathBuf,
    /// Written before the program's name: `taskset -c 0`.
    pub prefix: Vec<String>,
}

impl Deployment {
    /// Writes a new deployment between a directory and a tenant, with the shipped rules, and opens its guards.
    ///
    /// # Errors
    /// When `init` refuses, or its file no longer holds what is to be changed.
    pub fn init(programs: &Programs, name: &str, directory: &Directory, tenant: &Tenant) -> Measured<Deployment> {
        let secret = format!("file:{}", programs.folder.join("client.secret").display());
        let source = [
            ["--source", "active-directory"],
            ["--server", &directory.address],
            ["--base", DOMAIN],
            ["--bind-user", "CORP\\svc-load"],
            ["--password", &secret],
            ["--container", SCOPE],
            ["--goal", "attributes"],
        ];
        // The load server speaks plain LDAP on loopback.
        let plain = ("encryption = \"ldaps\"\n", "encryption = \"none\"\nallow_unencrypted = true\n");
        Deployment::write(programs, name, &source, tenant, &[plain])
    }

    /// Writes a new deployment in Connect mode between an LDIF file of people and a tenant, with its guards opened, that also
    /// takes their passwords from a file beside it.
    ///
    /// # Errors
    /// As [`Deployment::init`].
    pub fn init_with_passwords(programs: &Programs, people: &Path, tenant: &Tenant) -> Measured<Deployment> {
        let people = people.display().to_string();
        let source = [["--source", "ldif"], ["--file", &people], ["--goal", "one-password"]];
        let passwords = (
            "format = \"ldif\"\n",
            "format = \"ldif\"\npasswords = { path = \"passwords.ldif\", hash = \"ntHash\", changed = \"pwdLastSet\" }\n",
        );
        // Longer than any file has lines: the budget of a live tenant is not what is measured.
        let budget = ("machine_id = ", "write_limit = 1000000\nhash_limit = 1000000\nmachine_id = ");
        let deployment = Deployment::write(programs, "passwords", &source, tenant, &[passwords, budget])?;
        let file = deployment.folder.join("metasync.toml");
        let doing = format!("switching passwords on in {}", file.display());
        let text = std::fs::read_to_string(&file).map_err(DriverError::io(doing.clone()))?;
        let switched = format!("{text}\n[passwords]\nfrom = [\"ad\"]\nto = [\"cloud\"]\n");
        std::fs::write(&file, switched).map_err(DriverError::io(doing))?;
        Ok(deployment)
    }

    fn write(
        programs: &Programs,
        name: &str,
        source: &[[&str; 2]],
        tenant: &Tenant,
        changes: &[(&str, &str)],
    ) -> Measured<Deployment> {
        let folder = programs.folder.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .map_err(DriverError::io(format!("removing the old {}", folder.display())))?;
        }
        let deployment = Deployment {
            folder,
            metasync: programs.metasync.clone(),
            work: programs.folder.clone(),
            prefix: Vec::new(),
        };
        let secret = format!("file:{}", programs.folder.join("client.secret").display());
        let (id, graph, authority) =
            (tenant.server.told("tenant_id"), tenant.server.told("graph_url"), tenant.server.told("authority_url"));
        let arguments = [
            ["--name", "bench"],
            ["--tenant", &id],
            ["--client-id", CLIENT_ID],
            ["--client-secret", &secret],
            ["--graph-url", &graph],
            ["--authority-url", &authority],
            ["--matching", "automatic"],
        ];
        let mut all = vec!["init", "--yes", "--active"];
        all.extend(source.as_flattened());
        all.extend(arguments.as_flattened());
        deployment.run(&all, None)?.expect(&[0])?;
        let file = deployment.folder.join("metasync.toml");
        let doing = format!("opening the guards in {}", file.display());
        let mut text = std::fs::read_to_string(&file).map_err(DriverError::io(doing.clone()))?;
        let guards = [
            ("objects = 500\n", "objects = 50000000\n"),
            ("percent = 10\n", "percent = 100\n"),
            ("at_least = 5\n", "at_least = 50000000\n"),
            ("error_limit = 5000\n", "error_limit = 5000000\n"),
        ];
        for (from, to) in guards.iter().chain(changes) {
            if !text.contains(from) {
                return Err(DriverError::Failed(format!("{doing}: `{}` is not in it", from.trim())));
            }
            text = text.replacen(from, to, 1);
        }
        std::fs::write(&file, text).map_err(DriverError::io(doing))?;
        Ok(deployment)
    }

    /// Tells the deployment how large the tenant's bucket is; it assumes the documented one.
    ///
    /// # Errors
    /// When its file no longer holds what is to be changed.
    pub fn know(&self, bucket: Bucket) -> Measured<()> {
        let file = self.folder.join("metasync.toml");
        let doing = format!("writing the bucket of writes into {}", file.display());
        let text = std::fs::read_to_string(&file).map_err(DriverError::io(doing.clone()))?;
        let mode = "mode = \"graph\"\n";
        if !text.contains(mode) {
            return Err(DriverError::Failed(format!("{doing}: `{}` is not in it", mode.trim())));
        }
        let Bucket { writes, window_seconds } = bucket;
        let told = format!("{mode}write_limit = {writes}\nwrite_window_seconds = {window_seconds}\n");
        std::fs::write(&file, text.replacen(mode, &told, 1)).map_err(DriverError::io(doing))
    }

    /// Runs `metasync --deployment FOLDER --json ...`; kills it after a time where one is given.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, arguments: &[&str], kill_after: Option<Duration>) -> Measured<Engine> {
        let mut command = match self.prefix.split_first() {
            None => Command::new(&self.metasync),
            Some((program, more)) => {
                let mut command = Command::new(program);
                command.args(more).arg(&self.metasync);
                command
            }
        };
        command.arg("--deployment").arg(&self.folder).args(["--json", "--quiet"]).args(arguments);
        let Ran { code, out, err, cost } = process::run(&mut command, &self.work, kill_after)?;
        let document = serde_json::from_slice(&out).unwrap_or(Value::Null);
        Ok(Engine { code, steps: steps(&document), document, err, cost })
    }

    pub fn store(&self) -> PathBuf {
        self.folder.join("metasync.db")
    }

    /// Size of the store on disk, its log included.
    pub fn store_bytes(&self) -> u64 {
        let size = |ending: &str| {
            let mut name = self.store().into_os_string();
            name.push(ending);
            std::fs::metadata(PathBuf::from(name)).map_or(0, |data| data.len())
        };
        size("") + size("-wal")
    }
}

/// One step of a report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    pub connector: String,
    pub name: String,
    pub status: String,
    pub seconds: f64,
    pub processed: u64,
    pub rows_written: u64,
    pub store_steps: u64,
    pub staging: BTreeMap<String, u64>,
    pub digest: String,
}

/// One call of the executable.
#[derive(Debug, Clone)]
pub struct Engine {
    pub code: Option<i32>,
    pub document: Value,
    pub steps: Vec<Step>,
    err: String,
    pub cost: Cost,
}

impl Engine {
    /// Each step with its milliseconds.
    pub fn told_by_step(&self) -> String {
        let told = |step: &Step| format!("{} {} {:.0} ms", step.connector, step.name, step.seconds * 1e3);
        self.steps.iter().map(told).collect::<Vec<_>>().join(", ")
    }

    /// Passes on only what ended with one of these exit codes.
    ///
    /// # Errors
    /// With what was said, otherwise.
    pub fn expect(self, codes: &[i32]) -> Measured<Engine> {
        if self.code.is_some_and(|code| codes.contains(&code)) {
            return Ok(self);
        }
        let steps: Vec<String> =
            self.steps.iter().map(|step| format!("{} {}: {}", step.connector, step.name, step.status)).collect();
        let error = self.document.get("error").map(ToString::to_string).unwrap_or_default();
        Err(DriverError::Failed(format!(
            "metasync ended with {:?} instead of {codes:?}: {}\n{error}\n{}",
            self.code,
            steps.join(", "),
            self.err
        )))
    }

    /// What callgrind counted, where the executable was run by it.
    ///
    /// # Errors
    /// When it did not say.
    pub fn instructions(&self) -> Measured<u64> {
        let line = self.err.lines().rev().find_map(|line| line.split_once("Collected : "));
        let number = line.and_then(|(_, number)| number.split_whitespace().next()?.parse().ok());
        number
            .ok_or_else(|| DriverError::Failed(format!("no count of instructions (is valgrind there?): {}", self.err)))
    }

    pub fn rows_written(&self) -> u64 {
        self.steps.iter().map(|step| step.rows_written).sum()
    }

    /// What the statements of imports and synchronisations cost, in steps of the database's virtual machine. An export passes
    /// over what was refused before, which grows with the number of people.
    pub fn store_steps(&self) -> u64 {
        self.steps.iter().filter(|step| step.name != "export").map(|step| step.store_steps).sum()
    }

    /// Time that the engine's steps took, without the start of the process.
    pub fn step_seconds(&self) -> f64 {
        self.steps.iter().map(|step| step.seconds).sum()
    }

    /// Objects that synchronisation steps decided about.
    pub fn evaluated(&self) -> u64 {
        let synchronised = self.steps.iter().filter(|step| step.name.ends_with("synchronization"));
        synchronised.map(|step| step.processed).sum()
    }
}

/// The steps of a run or a cycle.
fn steps(document: &Value) -> Vec<Step> {
    let result = document.get("result").unwrap_or(&Value::Null);
    let runs = match result.get("runs").and_then(Value::as_array) {
        Some(runs) => runs.iter().collect(),
        None => vec![result],
    };
    let mut all = Vec::new();
    for run in runs {
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        for step in run.get("steps").and_then(Value::as_array).into_iter().flatten() {
            let number = |name: &str| step.get(name).and_then(Value::as_u64).unwrap_or(0);
            let counters = step.get("staging").and_then(Value::as_object).into_iter().flatten();
            all.push(Step {
                connector: text(run, "connector"),
                name: text(step, "step_type"),
                status: text(step, "status"),
                seconds: step.get("seconds").and_then(Value::as_f64).unwrap_or(0.0),
                processed: number("processed"),
                rows_written: number("rows_written"),
                store_steps: number("store_steps"),
                staging: counters.filter_map(|(name, count)| Some((name.clone(), count.as_u64()?))).collect(),
                digest: text(step, "digest"),
            });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::steps;
    use serde_json::json;

    #[test]
    fn steps_are_read_from_a_run_and_from_a_cycle() {
        let run = json!({ "connector": "ad", "steps": [{ "step_type": "full-import", "status": "success", "seconds": 1.5,
            "processed": 7, "rows_written": 21, "staging": { "stage-add": 7 }, "digest": null }] });
        let of_run = steps(&json!({ "result": run }));
        assert_eq!(
            (of_run[0].connector.as_str(), of_run[0].rows_written, of_run[0].staging["stage-add"]),
            ("ad", 21, 7)
        );
        assert_eq!(steps(&json!({ "result": { "runs": [run] } })), of_run);
        assert!(steps(&json!({ "error": {} })).is_empty());
    }
}
