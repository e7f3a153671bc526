//! The tenant's clock: system time plus an offset that tests and operators move, so that seven days of delta life or
//! thirty days of recycle bin pass in an instant. Holds no state; the offset lives in the directory.

use jiff::Timestamp;

/// Milliseconds since the Unix epoch.
pub(crate) type Millis = i64;

pub(crate) const SECOND_MS: Millis = 1_000;
pub(crate) const DAY_MS: Millis = 86_400 * SECOND_MS;

pub(crate) fn system_now() -> Millis {
    Timestamp::now().as_millisecond()
}

/// `2026-01-02T03:04:05Z`, as Graph prints instants. Instants outside the calendar print as the epoch.
pub(crate) fn graph_time(at: Millis) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2026-01-02T03:04:05`, the form inside `innerError.date` (A.2).
pub(crate) fn inner_error_time(at: Millis) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// `2026-01-02 03:04:05Z`, the form of the token endpoint's `timestamp` (A.1).
pub(crate) fn token_time(at: Millis) -> String {
    timestamp(at).strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn timestamp(at: Millis) -> Timestamp {
    Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH)
}
