//! The numbered events of password synchronisation (7.4): one text for the log and for the history. None carries a hash.

use crate::engine::Clock;
use jiff::Timestamp;
use std::sync::Arc;
use sync_store::{EventLevel, PasswordEvent};

/// Gathers events until they are kept, and logs each at once.
pub(super) struct Journal {
    clock: Arc<dyn Clock>,
    events: Vec<PasswordEvent>,
}

impl Journal {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Journal { clock, events: Vec::new() }
    }

    pub(super) fn note(&mut self, number: u16, message: String) {
        tracing::info!(event = number, "{message}");
        self.add(number, EventLevel::Information, message);
    }

    pub(super) fn warn(&mut self, number: u16, message: String) {
        tracing::warn!(event = number, "{message}");
        self.add(number, EventLevel::Warning, message);
    }

    pub(super) fn error(&mut self, number: u16, message: String) {
        tracing::error!(event = number, "{message}");
        self.add(number, EventLevel::Error, message);
    }

    fn add(&mut self, number: u16, level: EventLevel, message: String) {
        self.events.push(PasswordEvent { at: self.clock.now(), number, level, message });
    }

    pub(super) fn take(&mut self) -> Vec<PasswordEvent> {
        std::mem::take(&mut self.events)
    }
}

/// An instant in seconds since 1970 as text; `unknown` where a source does not tell.
pub(super) fn instant(seconds: Option<i64>) -> String {
    let known = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    known.map_or_else(|| "unknown".to_owned(), |at| at.to_string())
}
