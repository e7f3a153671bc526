//! The requests that the engine sent, from a tenant's request log, as batches that a bare client can send again. They lie in a
//! file, so that a million of them need no memory. Sends nothing itself; see bare.rs.

use super::{DriverError, Measured};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// Stands where the log does not keep a password.
const PASSWORD: &str = "Made-up-4-measurements!";

/// What the requests of a batch do. Batches of one kind may overtake each other, those of different kinds may not: members need
/// their objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchKind {
    CreateUsers,
    CreateGroups,
    Others,
}

/// Where a batch lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    pub kind: BatchKind,
    pub offset: u64,
    pub length: u32,
    pub requests: u32,
}

#[derive(Debug, Clone)]
pub struct Recorded {
    pub file: PathBuf,
    pub batches: Vec<Batch>,
    /// Write requests in all, and those that the tenant refused.
    pub writes: u64,
    pub refused: u64,
    /// The paths with which the delta of users, contacts and groups begins.
    pub deltas: Vec<String>,
}

impl Recorded {
    /// Reads a request log and writes the batches to `file`.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn read(log: &Path, file: &Path) -> Measured<Recorded> {
        let doing = || format!("reading the request log {}", log.display());
        let lines = BufReader::with_capacity(1 << 20, File::open(log).map_err(DriverError::io(doing()))?).lines();
        let out = File::create(file).map_err(DriverError::io(format!("writing {}", file.display())))?;
        let mut writer =
            Writer { out: BufWriter::with_capacity(1 << 20, out), offset: 0, open: Vec::new(), number: None };
        let mut recorded =
            Recorded { file: file.to_owned(), batches: Vec::new(), writes: 0, refused: 0, deltas: Vec::new() };
        for line in lines {
            let line = line.map_err(DriverError::io(doing()))?;
            let entry: Value = serde_json::from_str(&line)?;
            let path = entry.get("path").and_then(Value::as_str).unwrap_or_default();
            if path.contains("/delta?$select") && !recorded.deltas.iter().any(|known| known == path) {
                recorded.deltas.push(path.to_owned());
            }
            if entry.get("write").and_then(Value::as_bool) != Some(true) {
                continue;
            }
            recorded.writes += 1;
            recorded.refused += u64::from(entry.get("applied").and_then(Value::as_bool) != Some(true));
            let number = entry.get("batch").and_then(Value::as_u64);
            if number.is_none() || number != writer.number {
                writer.flush(&mut recorded.batches)?;
            }
            writer.number = number;
            writer.open.push(request(&entry, path));
        }
        writer.flush(&mut recorded.batches)?;
        writer.out.flush().map_err(DriverError::io(format!("writing {}", file.display())))?;
        Ok(recorded)
    }
}

struct Writer {
    out: BufWriter<File>,
    offset: u64,
    open: Vec<(BatchKind, Value)>,
    number: Option<u64>,
}

impl Writer {
    fn flush(&mut self, batches: &mut Vec<Batch>) -> Measured<()> {
        let open = std::mem::take(&mut self.open);
        let Some(kind) = open.first().map(|(kind, _)| *kind) else { return Ok(()) };
        let requests: Vec<Value> = open
            .into_iter()
            .enumerate()
            .map(|(at, (_, mut request))| {
                request["id"] = json!(at.to_string());
                request
            })
            .collect();
        let count = requests.len() as u32;
        let bytes = serde_json::to_vec(&json!({ "requests": requests }))?;
        self.out.write_all(&bytes).map_err(DriverError::io("writing a batch"))?;
        batches.push(Batch { kind, offset: self.offset, length: bytes.len() as u32, requests: count });
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

/// One request of a batch, and what it does.
fn request(entry: &Value, path: &str) -> (BatchKind, Value) {
    let url = path.strip_prefix("/v1.0").unwrap_or(path);
    let method = entry.get("method").and_then(Value::as_str).unwrap_or_default();
    let kind = match method {
        "POST" if url == "/users" => BatchKind::CreateUsers,
        "PATCH" | "POST" if url.starts_with("/groups(") || url == "/groups" => BatchKind::CreateGroups,
        _ => BatchKind::Others,
    };
    let mut request = Map::new();
    request.insert("id".to_owned(), Value::Null);
    request.insert("method".to_owned(), json!(method));
    request.insert("url".to_owned(), json!(url));
    if let Some(body) = entry.get("body").filter(|body| !body.is_null()) {
        let mut body = body.clone();
        if let Some(password) = body.pointer_mut("/passwordProfile/password") {
            *password = json!(PASSWORD);
        }
        let mut headers = json!({ "Content-Type": "application/json" });
        if kind == BatchKind::CreateGroups {
            headers["Prefer"] = json!("create-if-missing");
        }
        request.insert("headers".to_owned(), headers);
        request.insert("body".to_owned(), body);
    }
    (kind, Value::Object(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items of one batch come together again, with a password in place of the one that the log does not tell; reads are left out.
    #[test]
    fn a_request_log_becomes_batches() {
        let folder = std::env::temp_dir().join(format!("metasync-recorded-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let user = json!({ "userPrincipalName": "a@x", "passwordProfile": { "password": "[redacted]" } });
        let line = |method: &str, path: &str, write: bool, applied: bool, batch: Option<u64>, body: Value| {
            json!({ "method": method, "path": path, "write": write, "applied": applied, "batch": batch, "body": body })
                .to_string()
        };
        let log = [
            line("GET", "/v1.0/users/delta?$select=id", false, false, None, Value::Null),
            line("POST", "/v1.0/$batch", false, false, None, Value::Null),
            line("POST", "/users", true, true, Some(2), user.clone()),
            line("POST", "/users", true, false, Some(2), user),
            line("GET", "/users/1", false, false, Some(2), Value::Null),
            line("PATCH", "/groups/7", true, true, Some(6), json!({ "members@odata.bind": [] })),
        ];
        std::fs::write(folder.join("log"), log.join("\n")).unwrap();
        let recorded = Recorded::read(&folder.join("log"), &folder.join("batches")).unwrap();
        let bytes = std::fs::read(&recorded.file).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!((recorded.writes, recorded.refused), (3, 1));
        assert_eq!(recorded.deltas, ["/v1.0/users/delta?$select=id"]);
        let kinds: Vec<_> = recorded.batches.iter().map(|batch| (batch.kind, batch.requests)).collect();
        assert_eq!(kinds, [(BatchKind::CreateUsers, 2), (BatchKind::Others, 1)]);
        let first: Value = serde_json::from_slice(&bytes[..recorded.batches[0].length as usize]).unwrap();
        assert_eq!(first["requests"][1]["body"]["passwordProfile"]["password"], PASSWORD);
        assert_eq!(first["requests"][1]["url"], "/users");
    }
}
