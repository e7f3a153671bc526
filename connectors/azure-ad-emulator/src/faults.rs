//! The fault script: which request is to go wrong, and how. Picks the fault; the server acts it out on the wire.

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
            FaultAction::BadJson => "bad_json",
            FaultAction::Delay { .. } => "delay",
        }
    }
}

/// Matches seen so far, per rule.
#[derive(Debug, Default)]
pub(crate) struct FaultCounters {
    seen: Vec<u64>,
}

impl FaultCounters {
    /// Starts counting anew, when the script was changed.
    pub(crate) fn reset(&mut self) {
        self.seen.clear();
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
    fn other_requests_do_not_count() {
        let rules = [rule(Some(1), None)];
        let mut counters = FaultCounters::default();
        assert_eq!(counters.next(&rules, "GET", "/v1.0/users"), None);
        assert_eq!(counters.next(&rules, "POST", "/v1.0/groups"), None);
        assert_eq!(counters.next(&rules, "POST", "/v1.0/users"), Some(FaultAction::ResetAfter));
    }
}
