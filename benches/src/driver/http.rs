//! The least that speaks HTTP/1.1 to a server on loopback: one blocking connection that is kept, answers with a length. For the
//! control ports and the bare Graph client; never for anything outside this machine.

use super::{DriverError, Measured};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

/// Longest answer that is read: a page of a tenant's delta is far below it.
const LIMIT: usize = 1 << 30;

pub struct Http {
    stream: BufReader<TcpStream>,
    host: String,
}

/// An answer; the body stays in the buffer that the caller brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
}

impl Http {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(host: &str) -> Measured<Http> {
        let connect = || {
            let stream = TcpStream::connect(host)?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = connect().map_err(DriverError::io(format!("connecting to {host}")))?;
        Ok(Http { stream: BufReader::with_capacity(1 << 18, stream), host: host.to_owned() })
    }

    /// The host of an `http://` URL, and the rest of it.
    ///
    /// # Errors
    /// When it is no such URL.
    pub fn split(url: &str) -> Measured<(&str, &str)> {
        let rest = url.strip_prefix("http://");
        let parts = rest.and_then(|rest| rest.find('/').map(|at| rest.split_at(at)));
        parts.or(rest.map(|rest| (rest, "/"))).ok_or_else(|| DriverError::Failed(format!("{url} is not http")))
    }

    /// Sends a request and reads the answer's body into `body`.
    ///
    /// # Errors
    /// When the connection breaks or the answer is not understood.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        content: &[u8],
        body: &mut Vec<u8>,
    ) -> Measured<Answer> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n{headers}", self.host).into_bytes();
        request.extend_from_slice(format!("content-length: {}\r\n\r\n", content.len()).as_bytes());
        request.extend_from_slice(content);
        let outcome = self.exchange(&request, body);
        outcome.map_err(DriverError::io(format!("{method} http://{}{path}", self.host)))
    }

    fn exchange(&mut self, request: &[u8], body: &mut Vec<u8>) -> std::io::Result<Answer> {
        let malformed = || std::io::Error::from(std::io::ErrorKind::InvalidData);
        self.stream.get_mut().write_all(request)?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|text| text.parse().ok()).ok_or_else(malformed)?;
        let mut length = 0usize;
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(malformed());
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(|_| malformed())?;
            }
        }
        if length > LIMIT {
            return Err(malformed());
        }
        body.resize(length, 0);
        self.stream.read_exact(body)?;
        Ok(Answer { status })
    }

    /// An answer in JSON; anything but success is an error.
    ///
    /// # Errors
    /// As [`Http::send`], and when the server refuses.
    pub fn json(&mut self, method: &str, path: &str, headers: &str, content: &[u8]) -> Measured<serde_json::Value> {
        let mut body = Vec::new();
        let answer = self.send(method, path, headers, content, &mut body)?;
        if !(200..300).contains(&answer.status) {
            let text = String::from_utf8_lossy(&body);
            return Err(DriverError::Failed(format!("{method} {path}: {}: {text}", answer.status)));
        }
        if body.is_empty() { Ok(serde_json::Value::Null) } else { Ok(serde_json::from_slice(&body)?) }
    }
}
