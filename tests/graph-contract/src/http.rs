//! As much of HTTP/1.1 as the relay needs: where a message ends, and what stands in it. Never sends anything.

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// One message as it came; `whole` unless the connection ended before its end.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
    head: usize,
    pub(crate) whole: bool,
}

impl Message {
    /// Reads one message; `rest` is what was read beyond the one before. None: the connection ended in between.
    /// A connection that was reset has ended: what came before is passed on. `bodiless`: a reply that has no body whatever its head says.
    pub(crate) async fn read(
        stream: &mut (impl AsyncRead + Unpin),
        rest: &mut Vec<u8>,
        bodiless: bool,
    ) -> Option<Message> {
        let mut message = Message { bytes: std::mem::take(rest), ..Message::default() };
        while message.head == 0 {
            match find(&message.bytes, b"\r\n\r\n") {
                Some(at) => message.head = at + 4,
                None if more(stream, &mut message.bytes).await => {}
                None => return Some(message).filter(|message| !message.bytes.is_empty()),
            }
        }
        let end = loop {
            match message.end(bodiless) {
                Some(end) => break end,
                None if more(stream, &mut message.bytes).await => {}
                None => return Some(message),
            }
        };
        message.whole = true;
        *rest = message.bytes.split_off(end);
        Some(message)
    }

    /// Where the message ends, once that is known.
    fn end(&self, bodiless: bool) -> Option<usize> {
        if bodiless {
            return Some(self.head);
        }
        if self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return find(&self.bytes[self.head..], b"\r\n0\r\n\r\n").map(|at| self.head + at + 7);
        }
        let length = self.header("content-length").and_then(|value| value.parse::<usize>().ok()).unwrap_or(0);
        Some(self.head + length).filter(|end| *end <= self.bytes.len())
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        std::str::from_utf8(&self.bytes[..self.head]).unwrap_or_default().split("\r\n")
    }

    /// Method and target, or version and status.
    pub(crate) fn first(&self) -> (&str, &str) {
        let mut words = self.lines().next().unwrap_or_default().split(' ');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let split = |line: &str| {
            Some(line.split_once(':')?).map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        };
        self.lines().skip(1).filter_map(split).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers().into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The body, where it is JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.bytes[self.head..]).ok()
    }

    pub(crate) fn has_body(&self) -> bool {
        self.bytes.len() > self.head
    }
}

/// Reads on; false at the end of the connection, however it ended.
async fn more(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> bool {
    stream.read_buf(bytes).await.is_ok_and(|read| read > 0)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
