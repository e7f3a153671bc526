//! A rehearsal tenant as an operator starts it, `metasync tenant` in a process of its own, with short ways to look at what it
//! holds and to turn its knobs. Microsoft Graph is reached by way of the judge of the public contract.

use crate::operator::binary;
use crate::tenant::{CLIENT_ID, CLIENT_SECRET};
use graph_contract::Watch;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

const SECRET_VARIABLE: &str = "METASYNC_CLIENT_SECRET";

#[derive(Debug)]
pub struct TenantProcess {
    child: Child,
    address: SocketAddr,
    /// What it said when it was ready: `tenant_id`, `graph_url`, `authority_url`, ...
    said: Value,
    watch: Watch,
    _runtime: tokio::runtime::Runtime,
    _seed: tempfile::TempDir,
}

impl TenantProcess {
    /// Starts a tenant with this seed; the test application is added to it.
    pub fn start(seed: &Value) -> Self {
        let keep = tempfile::Builder::new().prefix("metasync-tenant-").tempdir().expect("a temporary folder");
        let file = keep.path().join("seed.json");
        std::fs::write(&file, seed.to_string()).expect("the seed is written");
        let mut child = Command::new(binary())
            .current_dir(keep.path())
            .args(["--json", "tenant", "--seed", "seed.json", "--client-id", CLIENT_ID])
            .args(["--client-secret", &format!("env:{SECRET_VARIABLE}")])
            .env(SECRET_VARIABLE, CLIENT_SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut line = String::new();
        let out = child.stdout.take().expect("stdout is piped");
        BufReader::new(out).read_line(&mut line).expect("the tenant says where it listens");
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("not JSON: {error}: {line}"));
        let graph = said["graph_url"].as_str().expect("an address").to_owned();
        let host = graph.trim_start_matches("http://").split('/').next().unwrap_or_default();
        let address: SocketAddr = host.parse().unwrap_or_else(|error| panic!("{host}: {error}"));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let inside = runtime.enter();
        let watch = Watch::before(address).expect("a relay in front of the tenant");
        drop(inside);
        TenantProcess { child, address, said, watch, _runtime: runtime, _seed: keep }
    }

    /// Graph, and the provisioning service beside it, by way of the judge.
    pub fn graph_url(&self) -> String {
        self.watch.url(self.said["graph_url"].as_str().expect("an address"))
    }

    pub fn authority_url(&self) -> &str {
        self.said["authority_url"].as_str().expect("an address")
    }

    pub fn tenant_id(&self) -> &str {
        self.said["tenant_id"].as_str().expect("an id")
    }

    /// One request to the control port; the answer's body.
    pub fn control(&self, method: &str, part: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(self.address).expect("the tenant listens");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!(
            "{method} /_tenant/{part} HTTP/1.1\r\nhost: tenant\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("a reply");
        assert!(reply.starts_with("HTTP/1.1 200"), "{method} /_tenant/{part}: {reply}");
        let (_, body) = reply.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("not JSON: {error}: {body}"))
    }

    pub fn turn(&self, knobs: Value) {
        self.control("PATCH", "knobs", &knobs);
    }

    /// Lets the tenant's clock run ahead.
    pub fn advance(&self, seconds: u64) {
        self.control("POST", "clock", &json!({ "advanceSeconds": seconds }));
    }

    /// The dump of everything that a client can see.
    pub fn state(&self) -> Value {
        self.control("GET", "state", &Value::Null)
    }

    /// Objects of a collection of the dump by one of their properties, in lower case.
    pub fn objects(&self, collection: &str, key: &str) -> BTreeMap<String, Value> {
        let state = self.state();
        let objects = state[collection].as_array().cloned().unwrap_or_default();
        objects.into_iter().map(|object| (object[key].as_str().unwrap_or_default().to_lowercase(), object)).collect()
    }

    /// Users by sign-in name.
    pub fn users(&self) -> BTreeMap<String, Value> {
        self.objects("users", "userPrincipalName")
    }

    /// Writes since the log was last cleared.
    pub fn writes(&self) -> u64 {
        let log = self.control("GET", "log", &Value::Null);
        log["successfulWrites"].as_u64().expect("a number")
    }

    pub fn forget_requests(&self) {
        self.control("DELETE", "log", &Value::Null);
    }
}

impl Drop for TenantProcess {
    fn drop(&mut self) {
        // It keeps nothing: there is no state file. It may have ended by itself.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
