//! How long to wait before a request is sent again, and when to give up (A.8). Never sends or sleeps itself.

use crate::settings::Settings;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// No pause between two attempts is longer, unless the service asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The patience of one request: what it has waited for already, and what it may still.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    base: Duration,
    /// Bound for all waiting of this request: throttling and faults together.
    limit: Duration,
    waited: Duration,
    throttled: u32,
    faults: u32,
    attempts: u32,
    /// Bound for waiting until a fresh object is seen everywhere.
    replication_limit: Duration,
    replication_waited: Duration,
    unseen: u32,
}

impl Patience {
    pub(crate) fn new(settings: &Settings) -> Patience {
        Patience {
            base: settings.backoff_base,
            limit: settings.max_wait,
            waited: Duration::ZERO,
            throttled: 0,
            faults: 0,
            attempts: settings.attempts,
            replication_limit: settings.replication_wait,
            replication_waited: Duration::ZERO,
            unseen: 0,
        }
    }

    /// After a 429: the pause before the next attempt, at least what the service asks for; the pause that would have
    /// been needed when it is more than is left.
    pub(crate) fn throttled(&mut self, asked: Option<Duration>) -> Result<Duration, Duration> {
        // Retry-After may be missing: exponential, with jitter (A.8).
        let pause = asked.unwrap_or_else(|| jittered(doubled(self.base, self.throttled)));
        // A pause of nothing would be a busy loop.
        let pause = pause.max(self.base.min(Duration::from_millis(100)));
        self.throttled += 1;
        if self.waited + pause > self.limit {
            return Err(pause);
        }
        self.waited += pause;
        Ok(pause)
    }

    /// After a broken connection or a server fault: the pause, or none when the attempts are used up.
    pub(crate) fn fault(&mut self, asked: Option<Duration>) -> Option<Duration> {
        self.faults += 1;
        if self.faults >= self.attempts {
            return None;
        }
        let pause = jittered(doubled(self.base, self.faults - 1)).max(asked.unwrap_or_default());
        if self.waited + pause > self.limit {
            return None;
        }
        self.waited += pause;
        Some(pause)
    }

    /// After a 404 for an object that was just made (A.2): growing pauses within the replication time.
    pub(crate) fn unseen(&mut self) -> Option<Duration> {
        let left = self.replication_limit.saturating_sub(self.replication_waited);
        if left.is_zero() {
            return None;
        }
        let pause = doubled(self.base, self.unseen).min(left);
        self.unseen += 1;
        self.replication_waited += pause;
        Some(pause)
    }
}

fn doubled(base: Duration, times: u32) -> Duration {
    base.saturating_mul(1u32.checked_shl(times.min(16)).unwrap_or(u32::MAX)).min(LONGEST_PAUSE)
}

/// Up to a quarter more, so that several workers do not come back in step.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0u8; 1];
    // Without randomness there is no jitter; the pause itself stays right.
    let share = if getrandom::fill(&mut byte).is_ok() { byte[0] } else { 0 };
    pause + pause.mul_f64(f64::from(share) / 1024.0)
}

/// What holds every request back while the service throttles: repeated calls while throttled still count (A.8).
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Option<Instant>>);

impl Gate {
    /// Closes the gate for that long, or longer if it already is.
    pub(crate) fn close_for(&self, pause: Duration) {
        let Some(until) = Instant::now().checked_add(pause) else {
            return;
        };
        let mut gate = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *gate = Some(gate.map_or(until, |closed| closed.max(until)));
    }

    /// How long the gate stays closed; none when it is open.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let gate = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let left = gate.map(|until| until.saturating_duration_since(Instant::now()));
        left.filter(|left| !left.is_zero())
    }
}

/// `Retry-After` in seconds; the date form is not used by Graph and counts as missing.
pub(crate) fn retry_after(text: &str) -> Option<Duration> {
    text.trim().parse::<u64>().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience(limit: u64) -> Patience {
        Patience {
            base: Duration::from_secs(1),
            limit: Duration::from_secs(limit),
            waited: Duration::ZERO,
            throttled: 0,
            faults: 0,
            attempts: 3,
            replication_limit: Duration::from_secs(10),
            replication_waited: Duration::ZERO,
            unseen: 0,
        }
    }

    /// A.8: at least what the service asks for, and not beyond the operator's bound.
    #[test]
    fn throttling_obeys_the_service_within_the_bound() {
        let mut patience = patience(20);
        assert_eq!(patience.throttled(Some(Duration::from_secs(12))), Ok(Duration::from_secs(12)));
        assert_eq!(patience.throttled(Some(Duration::from_secs(9))), Err(Duration::from_secs(9)));
        assert_eq!(patience.throttled(Some(Duration::from_secs(8))), Ok(Duration::from_secs(8)));
    }

    #[test]
    fn without_retry_after_pauses_grow() {
        let mut patience = patience(100);
        let pauses: Vec<f64> = (0..4).map(|_| patience.throttled(None).unwrap().as_secs_f64()).collect();
        for (pause, least) in pauses.iter().zip([1.0, 2.0, 4.0, 8.0]) {
            assert!((least..=least * 1.25).contains(pause), "{pauses:?}");
        }
    }

    #[test]
    fn faults_are_bounded_by_attempts_and_fresh_objects_by_time() {
        let mut patience = patience(100);
        assert!(patience.fault(None).is_some() && patience.fault(None).is_some());
        assert_eq!(patience.fault(None), None);
        let pauses: Vec<u64> = std::iter::from_fn(|| patience.unseen()).map(|pause| pause.as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 3]);
    }

    #[test]
    fn a_closed_gate_stays_closed_for_the_longest_request() {
        let gate = Gate::default();
        assert_eq!(gate.remaining(), None);
        gate.close_for(Duration::from_secs(30));
        gate.close_for(Duration::from_secs(1));
        assert!(gate.remaining().unwrap() > Duration::from_secs(20));
    }
}
