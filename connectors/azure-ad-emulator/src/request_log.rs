//! The request log: every request the tenant received, batch items one by one, with secrets replaced before anything is
//! kept. Kept in memory up to a limit, and appended to a file as JSON lines where one is configured.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::call::parse_form;

/// One request as the tenant saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedRequest {
    /// Counts from 1 over the life of the running tenant.
    pub sequence: u64,
    /// The tenant's clock, `2026-01-02T03:04:05Z`.
    pub time: String,
    pub method: String,
    /// Path with query, as sent.
    pub path: String,
    /// A request that changes the directory if it succeeds.
    pub write: bool,
    /// Status of the reply, or of the reply that was kept back by a fault; 0 if the fault came before.
    pub status: u16,
    /// It was a write and it was carried out.
    pub applied: bool,
    /// The `id` of the item inside the `$batch` with sequence number `batch`.
    pub item: Option<String>,
    pub batch: Option<u64>,
    /// Name of the fault that the script played.
    pub fault: Option<String>,
    /// Client id of the caller, if its token was good.
    pub application: Option<String>,
    /// `client-request-id` as sent.
    pub client_request_id: Option<String>,
    /// The body, with the values of secrets replaced by `[redacted]`.
    pub body: Option<Value>,
}

#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    kept: VecDeque<LoggedRequest>,
    last_sequence: u64,
    successful_writes: u64,
    writes: u64,
    file: Option<BufWriter<File>>,
    file_failed: bool,
}

impl RequestLog {
    /// Opens the file to append to, if any.
    pub(crate) fn open(path: Option<&Path>) -> std::io::Result<RequestLog> {
        let file = match path {
            Some(path) => Some(BufWriter::new(OpenOptions::new().create(true).append(true).open(path)?)),
            None => None,
        };
        Ok(RequestLog { file, ..RequestLog::default() })
    }

    /// Reserves the number of a request, in order of arrival.
    pub(crate) fn next_sequence(&mut self) -> u64 {
        self.last_sequence += 1;
        self.last_sequence
    }

    pub(crate) fn record(&mut self, request: LoggedRequest, limit: usize) {
        self.successful_writes += u64::from(request.applied);
        self.writes += u64::from(request.write);
        if let Some(file) = &mut self.file {
            let written = serde_json::to_writer(&mut *file, &request).map_err(std::io::Error::from);
            if let Err(error) = written.and_then(|()| file.write_all(b"\n")) {
                self.report_failure(&error);
            }
        }
        self.kept.push_back(request);
        while self.kept.len() > limit {
            self.kept.pop_front();
        }
    }

    pub(crate) fn flush(&mut self) {
        if let Some(Err(error)) = self.file.as_mut().map(BufWriter::flush) {
            self.report_failure(&error);
        }
    }

    fn report_failure(&mut self, error: &std::io::Error) {
        if !self.file_failed {
            self.file_failed = true;
            tracing::error!(%error, "the request log file cannot be written; requests are still kept in memory");
        }
    }

    /// In order of arrival; an item of a batch comes behind its batch.
    pub(crate) fn requests(&self) -> Vec<LoggedRequest> {
        let mut requests: Vec<LoggedRequest> = self.kept.iter().cloned().collect();
        requests.sort_by_key(|request| request.sequence);
        requests
    }

    /// The latest first, as they were recorded.
    pub(crate) fn latest_first(&self) -> impl Iterator<Item = &LoggedRequest> {
        self.kept.iter().rev()
    }

    pub(crate) fn clear(&mut self) {
        self.kept.clear();
        self.successful_writes = 0;
        self.writes = 0;
    }

    /// Requests that would have changed the directory, the refused ones too.
    pub(crate) fn writes(&self) -> u64 {
        self.writes
    }

    pub(crate) fn successful_writes(&self) -> u64 {
        self.successful_writes
    }
}

const REDACTED: &str = "[redacted]";

/// Whether the value under that name is a secret, whatever the type.
fn is_secret(name: &str) -> bool {
    const SECRETS: [&str; 8] = [
        "password",
        "client_secret",
        "client_assertion",
        "authorization",
        "newpassword",
        "currentpassword",
        "access_token",
        "device_code",
    ];
    SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// A JSON body with the values of secrets replaced, at any depth.
pub(crate) fn redact(body: &Value) -> Value {
    match body {
        Value::Object(object) => {
            let redacted = object.iter().map(|(name, value)| {
                let value = if is_secret(name) && !value.is_null() { json!(REDACTED) } else { redact(value) };
                (name.clone(), value)
            });
            Value::Object(redacted.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(redact).collect()),
        other => other.clone(),
    }
}

/// A form body as an object, secrets replaced.
pub(crate) fn redact_form(form: &str) -> Value {
    let mut fields = Map::new();
    for (name, value) in parse_form(form) {
        let value = if is_secret(&name) { REDACTED.to_owned() } else { value };
        fields.insert(name, Value::String(value));
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_at_any_depth() {
        let body = json!({"passwordProfile": {"password": "P@ss", "forceChangePasswordNextSignIn": true},
                          "requests": [{"body": {"passwordProfile": {"Password": "P@ss"}}}]});
        let redacted = redact(&body).to_string();
        assert!(!redacted.contains("P@ss"), "{redacted}");
        assert!(redacted.contains("forceChangePasswordNextSignIn"));
        let form = redact_form("grant_type=client_credentials&client_secret=s3cret&client_id=x").to_string();
        assert!(!form.contains("s3cret") && form.contains("client_credentials"), "{form}");
    }
}
