//! The fault script and the fault rates: which request is to go wrong, and how. Picks the fault; the server acts it out on
//! the wire.

use serde::{Deserialize, Serialize};

/// One line of the script. A rule matches a request by method and path; `nth` and `times` choose among the matches.
///
/// ```json
/// {"method": "POST", "path": "/users", "nth": 3, "action": {"kind": "status", "status": 503, "retry_after_s": 1}}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// HTTP method; unset: any.
    #[serde(default)]
    pub method: Option<String>,
    /// Text that the path with its query contains; unset: any.
    #[serde(default)]
    pub path: Option<String>,
    /// The first match to act on, from 1; unset: the first.
    #[serde(default)]
    pub nth: Option<u64>,
    /// On how many matches from there; unset: one if `nth` is set, else all.
    #[serde(default)]
    pub times: Option<u64>,
    pub action: FaultAction,
}

/// What happens to a request that the script picks.
///
/// `Status` works on requests inside a `$batch` too; the others, on such a request, act on the connection that carries
/// the batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultAction {
    /// Answers with that status. With `applied`, the request is carried out before (a gateway that gave up).
    Status {
        status: u16,
        /// `error.code`; unset: the usual one of the status.
        #[serde(default)]
        code: Option<String>,
        #[serde(default)]
        retry_after_s: Option<u64>,
        #[serde(default)]
        applied: bool,
    },
    /// The connection is reset; nothing was carried out.
    ResetBefore,
    /// Carried out, then the connection is reset without a reply.
    ResetAfter,
    /// Carried out; the reply's body stops half-way.
    TruncateBody,
    /// Carried out; the length that the reply tells is too short, so that what is read of its body is not all of it.
    WrongLength,
    /// Carried out; the reply's body is not JSON.
    BadJson,
    /// Carried out after a pause.
    Delay { delay_ms: u64 },
}

impl FaultAction {
    /// Short name for the request log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            FaultAction::Status { .. } => "status",
            FaultAction::ResetBefore => "reset_before",
            FaultAction::ResetAfter => "reset_after",
            FaultAction::TruncateBody => "truncate_body",
            FaultAction::WrongLength => "wrong_length",
            FaultAction::BadJson => "bad_json",
            FaultAction::Delay { .. } => "delay",
        }
    }
}

/// Faults at random, on both wires, for requests that no rule of the script picks: each rate is the share of requests that
/// meet it, from 0 to 1. The same seed and the same requests give the same faults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultRates {
    pub seed: u64,
    /// Answered with `status_code` without being carried out; items of a `$batch` one by one too.
    pub status: f64,
    pub status_code: u16,
    /// `Retry-After` of those replies.
    pub retry_after_s: Option<u64>,
    /// Cut off before anything is carried out.
    pub cut_before: f64,
    /// Cut off after it was carried out.
    pub cut_after: f64,
    /// The body stops half-way.
    pub truncated_body: f64,
    /// The told length is too short.
    pub wrong_length: f64,
    /// Answered after `slow_ms`.
    pub slow: f64,
    pub slow_ms: u64,
}

impl Default for FaultRates {
    fn default() -> FaultRates {
        FaultRates {
            seed: 1,
            status: 0.0,
            status_code: 503,
            retry_after_s: None,
            cut_before: 0.0,
            cut_after: 0.0,
            truncated_body: 0.0,
            wrong_length: 0.0,
            slow: 0.0,
            slow_ms: 1_000,
        }
    }
}

/// Where a request arrives, which decides the faults it can meet at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arriving {
    /// On one of the two wires, with a connection of its own.
    OnTheWire,
    /// Inside a `$batch`.
    InABatch,
    /// At the authority, which meets the script alone.
    AtTheAuthority,
}

impl FaultRates {
    /// The fault of the request with that number, if any.
    fn draw(&self, number: u64, arriving: Arriving) -> Option<FaultAction> {
        let status = FaultAction::Status {
            status: self.status_code,
            code: None,
            retry_after_s: self.retry_after_s,
            applied: false,
        };
        let slow = FaultAction::Delay { delay_ms: self.slow_ms };
        let all = [
            (self.status, status),
            (self.cut_before, FaultAction::ResetBefore),
            (self.cut_after, FaultAction::ResetAfter),
            (self.truncated_body, FaultAction::TruncateBody),
            (self.wrong_length, FaultAction::WrongLength),
            (self.slow, slow),
        ];
        let possible = match arriving {
            Arriving::OnTheWire => &all[..],
            Arriving::InABatch => &all[..1],
            Arriving::AtTheAuthority => &[],
        };
        let mut left = share(self.seed, number);
        for (rate, action) in possible {
            if left < *rate {
                return Some(action.clone());
            }
            left -= rate;
        }
        None
    }
}

/// A number from 0 to below 1, by seed and place (SplitMix64).
fn share(seed: u64, number: u64) -> f64 {
    let mut mixed = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    // The upper 53 bits, as many as the number can hold.
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// Matches seen so far, per rule, and requests drawn for.
#[derive(Debug, Default)]
pub(crate) struct FaultCounters {
    seen: Vec<u64>,
    drawn: u64,
}

impl FaultCounters {
    /// Starts counting anew, when the script was changed.
    pub(crate) fn reset(&mut self) {
        self.seen.clear();
    }

    /// Starts drawing anew, when the rates were changed.
    pub(crate) fn restart_rates(&mut self) {
        self.drawn = 0;
    }

    /// Draws for a request that the script leaves alone.
    pub(crate) fn draw(&mut self, rates: &FaultRates, arriving: Arriving) -> Option<FaultAction> {
        self.drawn += 1;
        rates.draw(self.drawn, arriving)
    }

    /// Counts the request against every rule and returns the action of the first rule that is due.
    pub(crate) fn next(&mut self, rules: &[FaultRule], method: &str, path: &str) -> Option<FaultAction> {
        self.seen.resize(rules.len(), 0);
        let mut due = None;
        for (rule, seen) in rules.iter().zip(&mut self.seen) {
            if !rule.matches(method, path) {
                continue;
            }
            *seen += 1;
            if due.is_none() && rule.is_due(*seen) {
                due = Some(rule.action.clone());
            }
        }
        due
    }
}

/// Requests for the provisioning web service are sent elsewhere by a fault that names the address (B.7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvisioningRedirect {
    /// What the fault names; a client takes the host of it.
    pub url: String,
    /// How many requests are sent there; unset: all.
    #[serde(default)]
    pub times: Option<u32>,
}

/// Redirects given so far.
#[derive(Debug, Default)]
pub(crate) struct Redirects {
    given: u32,
}

impl Redirects {
    /// The address that the next request is sent to, if any.
    pub(crate) fn next(&mut self, redirect: Option<&ProvisioningRedirect>) -> Option<String> {
        let redirect = redirect.filter(|redirect| redirect.times.is_none_or(|times| self.given < times))?;
        self.given += 1;
        Some(redirect.url.clone())
    }
}

impl FaultRule {
    fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_deref().is_none_or(|wanted| path.contains(wanted))
    }

    fn is_due(&self, seen: u64) -> bool {
        let first = self.nth.unwrap_or(1);
        let times = self.times.unwrap_or(if self.nth.is_some() { 1 } else { u64::MAX });
        seen >= first && seen - first < times
    }
}

/// The error code that Graph gives with a status (A.2).
pub(crate) fn usual_code(status: u16) -> &'static str {
    match status {
        401 => "InvalidAuthenticationToken",
        403 => "Authorization_RequestDenied",
        404 => "Request_ResourceNotFound",
        409 => "Directory_ConcurrencyViolation",
        410 => "resyncRequired",
        429 => "TooManyRequests",
        502 | 504 => "UnknownError",
        503 => "ServiceUnavailable",
        500.. => "InternalServerError",
        _ => "Request_BadRequest",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(nth: Option<u64>, times: Option<u64>) -> FaultRule {
        FaultRule {
            method: Some("POST".to_owned()),
            path: Some("/users".to_owned()),
            nth,
            times,
            action: FaultAction::ResetAfter,
        }
    }

    fn hits(rule: FaultRule) -> Vec<usize> {
        let rules = [rule];
        let mut counters = FaultCounters::default();
        (1..=5).filter(|_| counters.next(&rules, "post", "/v1.0/users").is_some()).collect()
    }

    #[test]
    fn nth_and_times_choose_among_the_matches() {
        assert_eq!(hits(rule(None, None)), [1, 2, 3, 4, 5]);
        assert_eq!(hits(rule(Some(2), None)), [2]);
        assert_eq!(hits(rule(Some(2), Some(3))), [2, 3, 4]);
        assert_eq!(hits(rule(None, Some(1))), [1]);
    }

    #[test]
    fn rates_hold_over_many_requests_and_repeat_themselves() {
        let rates = FaultRates { status: 0.1, cut_after: 0.05, ..FaultRates::default() };
        let draw = |rates: &FaultRates, arriving| {
            let mut counters = FaultCounters::default();
            (0..10_000).map(|_| counters.draw(rates, arriving)).collect::<Vec<_>>()
        };
        let drawn = draw(&rates, Arriving::OnTheWire);
        let count = |name: &str| drawn.iter().flatten().filter(|action| action.name() == name).count();
        assert!((900..1_100).contains(&count("status")), "{}", count("status"));
        assert!((400..600).contains(&count("reset_after")), "{}", count("reset_after"));
        assert_eq!(drawn.iter().flatten().count(), count("status") + count("reset_after"));
        assert_eq!(drawn, draw(&rates, Arriving::OnTheWire));
        assert_ne!(drawn, draw(&FaultRates { seed: 2, ..rates.clone() }, Arriving::OnTheWire));
        assert!(draw(&rates, Arriving::InABatch).iter().flatten().all(|action| action.name() == "status"));
        assert!(draw(&rates, Arriving::AtTheAuthority).iter().all(Option::is_none));
    }

    #[test]
    fn other_requests_do_not_count() {
        let rules = [rule(Some(1), None)];
        let mut counters = FaultCounters::default();
        assert_eq!(counters.next(&rules, "GET", "/v1.0/users"), None);
        assert_eq!(counters.next(&rules, "POST", "/v1.0/groups"), None);
        assert_eq!(counters.next(&rules, "POST", "/v1.0/users"), Some(FaultAction::ResetAfter));
    }
}
