//! Keeps writes, and the units that reads cost, at the rate that the service refills its buckets with (A.8), from the moment it
//! warns: what is refused counts against the bucket and is sent twice, and what is sent again rarely fills a batch. Says how long to
//! wait; never sends or sleeps itself.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The header of a reply from which on the service warns: the share of the limit that is used, with one decimal.
pub(crate) const WARNING: &str = "x-ms-throttle-limit-percentage";
/// The share is rounded: so much more may be used, or so much less.
const ROUNDING: f64 = 0.05;
/// The share from which on the service warns: the first batch that is told of it passed it with one of its writes.
const FIRST_WARNING: f64 = 0.8;

/// Words that are kept: with one decimal there are no more different ones from the warning on to twice the limit.
const WORDS: usize = 16;

/// How long a write may be on its way before it counts, in a bucket that is followed without warnings.
const ON_THE_WAY: Duration = Duration::from_secs(1);
/// However fast a bucket fills, so much of it is used.
const LEAST_OF_A_BUCKET: f64 = 0.9;

/// What one batch told about the bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Told {
    /// The largest share of the limit that a write's reply named.
    pub(crate) used: Option<f64>,
    /// The longest `Retry-After` of a refused write.
    pub(crate) refused_for: Option<Duration>,
}

/// One bucket of the service, of writes or of units, as far as this process knows it.
#[derive(Debug)]
pub(crate) struct Pace {
    capacity: f64,
    per_second: f64,
    /// Nothing waits longer here, whatever a reply said: then it is sent, and a refusal is told.
    longest: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Writes left, less those on their way; negative: lent from what is to come. None: the service has not warned yet.
    left: Option<(f64, Instant)>,
    /// Taken and not answered.
    on_their_way: f64,
    /// Answers so far.
    answers: u64,
    /// What was told, each with the number of its answer: only words that no later one exceeds, so that the first of those from
    /// some answer on is the largest.
    words: VecDeque<(u64, f64)>,
}

/// When a batch left: replies are not read in the order in which the service wrote them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    at: Instant,
    /// Answers before it.
    answers: u64,
}

impl State {
    /// The largest share told by this answer and by those read since its batch was sent. Of two batches that were on their way
    /// together, the one that the service took later told of no less; what is left when both are through is by the larger word.
    fn largest_since(&mut self, sent: Sent, used: f64) -> f64 {
        while self.words.back().is_some_and(|(_, word)| *word <= used) {
            self.words.pop_back();
        }
        self.words.push_back((self.answers, used));
        if self.words.len() > WORDS {
            self.words.pop_front();
        }
        self.words.iter().find(|(answer, _)| *answer >= sent.answers).map_or(used, |(_, word)| *word)
    }
}

impl Pace {
    /// A bucket of so much in a window, whose service warns.
    pub(crate) fn new(limit: u32, window: Duration, longest: Duration) -> Pace {
        let capacity = f64::from(limit.max(1));
        let per_second = capacity / window.as_secs_f64().max(1e-3);
        Pace { capacity, per_second, longest, state: Mutex::default() }
    }

    /// A bucket whose service gives no warnings: taken for full now, and followed from the first write on. A little less is
    /// taken out of a full one than the service has: ours begins to fill again when a write leaves, the service's when it
    /// arrives.
    pub(crate) fn from_the_start(limit: u32, window: Duration, longest: Duration) -> Pace {
        let limit = f64::from(limit.max(1));
        let per_second = limit / window.as_secs_f64().max(1e-3);
        let capacity = (limit - per_second * ON_THE_WAY.as_secs_f64()).max(limit * LEAST_OF_A_BUCKET);
        let state = State { left: Some((capacity, Instant::now())), ..State::default() };
        Pace { capacity, per_second, longest, state: Mutex::new(state) }
    }

    /// So many writes are about to be sent: how long they have to wait.
    pub(crate) fn take(&self, writes: usize, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.on_their_way += writes as f64;
        let Some((left, at)) = &mut state.left else { return Duration::ZERO };
        let passed = now.saturating_duration_since(*at).as_secs_f64();
        *left = (*left + passed * self.per_second).min(self.capacity) - writes as f64;
        *at = now;
        Duration::from_secs_f64((-*left / self.per_second).clamp(0.0, self.longest.as_secs_f64()))
    }

    /// They leave, having waited.
    pub(crate) fn sent(&self, now: Instant) -> Sent {
        Sent { at: now, answers: self.state.lock().unwrap_or_else(PoisonError::into_inner).answers }
    }

    /// So many writes were answered, or will not be.
    pub(crate) fn answered(&self, writes: usize, sent: Sent, told: Told, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.on_their_way = (state.on_their_way - writes as f64).max(0.0);
        let largest = told.used.map(|used| state.largest_since(sent, used));
        state.answers += 1;
        let known =
            state.left.map(|(known, at)| known + now.saturating_duration_since(at).as_secs_f64() * self.per_second);
        // What is left by the service's word, at least and at most. At least: should nothing on its way be counted in it yet.
        let warned = told.used.zip(largest).map(|(used, largest)| {
            let just_passed = known.is_none() && used <= FIRST_WARNING;
            let rounding = ROUNDING * self.capacity;
            let unknown = if just_passed { rounding.min(writes as f64) } else { rounding };
            let least = (1.0 - largest) * self.capacity - unknown - state.on_their_way;
            let filled = now.saturating_duration_since(sent.at).as_secs_f64() * self.per_second;
            let most = (1.0 - used + ROUNDING) * self.capacity + filled;
            known.map_or(least, |known| known.clamp(least, most.max(least)))
        });
        let refused = told.refused_for.map(|wait| 1.0 - wait.as_secs_f64() * self.per_second - state.on_their_way);
        let refused = refused.map(|left| known.map_or(left, |known| known.min(left)));
        let Some(left) = warned.into_iter().chain(refused).reduce(f64::min) else { return };
        state.left = Some((left, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// 100 writes in ten seconds.
    fn pace() -> Pace {
        Pace { capacity: 100.0, per_second: 10.0, longest: 100 * SECOND, state: Mutex::default() }
    }

    fn told(used: f64) -> Told {
        Told { used: Some(used), ..Told::default() }
    }

    /// Nothing is held back before the service warns: limits differ, and some tenants have none.
    #[test]
    fn without_a_warning_nothing_waits() {
        let (pace, now) = (pace(), Instant::now());
        for _ in 0..500 {
            assert_eq!(pace.take(20, now), Duration::ZERO);
            pace.answered(20, pace.sent(now), Told::default(), now);
        }
    }

    /// From the warning on, what is left goes at once and the rest at the rate at which the bucket fills.
    #[test]
    fn after_the_warning_writes_go_at_the_rate_of_the_bucket() {
        let (pace, mut now) = (pace(), Instant::now());
        pace.take(20, now);
        pace.answered(20, pace.sent(now), told(0.8), now);
        // The first of the twenty may have passed four fifths, or the last.
        assert_eq!(pace.take(15, now), Duration::ZERO);
        assert_eq!(pace.take(20, now), 2 * SECOND);
        assert_eq!(pace.take(20, now), 4 * SECOND);
        now += 4 * SECOND;
        assert_eq!(pace.take(10, now), SECOND);
        // A long rest fills it again, and no more than that.
        now += 60 * SECOND;
        assert_eq!((pace.take(100, now), pace.take(10, now)), (Duration::ZERO, SECOND));
    }

    /// A service without warnings: its bucket is full at first, less what is on its way, and fills at its rate.
    #[test]
    fn a_bucket_without_warnings_is_followed_from_the_start() {
        let pace = Pace::from_the_start(7_000, Duration::from_secs(300), 100 * SECOND);
        let now = Instant::now();
        assert_eq!(pace.take(6_970, now), Duration::ZERO);
        assert!(pace.take(700, now) > 29 * SECOND);
        let small = Pace::from_the_start(10, SECOND, 100 * SECOND);
        assert_eq!((small.take(9, now), small.take(5, now).as_millis() / 100), (Duration::ZERO, 5));
    }

    /// The share is rounded, and what is on its way may be counted in it: later words move what is known to where it can be, so
    /// that no part of the bucket stays unused, and none is used twice.
    #[test]
    fn later_words_correct_what_is_known() {
        let (pace, now) = (pace(), Instant::now());
        for _ in 0..4 {
            pace.take(5, now);
        }
        // 20 are left when it was just passed; 5 and the 15 on their way may come off that; then it shows that they were counted.
        pace.answered(5, pace.sent(now), told(0.8), now);
        (0..3).for_each(|_| pace.answered(5, pace.sent(now), told(0.8), now));
        assert_eq!(pace.take(15, now), Duration::ZERO, "at least 15 are left at 0.85");
        pace.answered(15, pace.sent(now), told(1.0), now);
        assert_eq!(pace.take(0, now), Duration::ZERO, "0.95 is told as 1.0: not empty for certain");
        // More than all is used: somebody else writes too.
        pace.answered(0, pace.sent(now), told(1.2), now);
        assert_eq!(pace.take(0, now), Duration::from_millis(1_500));
    }

    /// A reply that was read late: what it tells is from before the writes that were answered since it was sent.
    #[test]
    fn a_word_that_is_read_late_gives_nothing_back() {
        let (pace, mut now) = (pace(), Instant::now());
        let late = pace.sent(now);
        pace.take(5, now);
        pace.take(5, now);
        pace.answered(5, pace.sent(now), told(0.8), now);
        for used in [0.8, 0.9] {
            pace.take(5, now);
            pace.answered(5, pace.sent(now), told(used), now);
        }
        // 85 are gone at least, 90 at most, and the late five.
        pace.answered(5, late, told(0.8), now);
        assert_eq!(pace.take(10, now), SECOND / 2);
        // Nor does it take what came in since then.
        let late = pace.sent(now);
        now += 3 * SECOND;
        pace.answered(10, late, told(1.0), now);
        assert_eq!(pace.take(30, now), SECOND / 2);
    }

    /// What is on its way is not there any more; what the service refuses tells how far the bucket is overdrawn.
    #[test]
    fn writes_on_their_way_and_refusals_are_counted() {
        let (pace, now) = (pace(), Instant::now());
        for _ in 0..3 {
            assert_eq!(pace.take(5, now), Duration::ZERO);
        }
        pace.answered(5, pace.sent(now), told(0.8), now);
        assert_eq!(pace.take(5, now), Duration::ZERO);
        assert_eq!(pace.take(10, now), SECOND);
        pace.answered(10, pace.sent(now), Told { refused_for: Some(3 * SECOND), ..Told::default() }, now);
        // 29 short, and 15 on their way.
        assert_eq!(pace.take(1, now), Duration::from_millis(4_500));
    }

    /// A reply is input: whatever it says, the wait is one that a clock can hold, and no longer than the settings allow.
    #[test]
    fn no_reply_makes_anybody_wait_for_good() {
        for used in [f64::MAX, f64::MIN, 0.9] {
            let (pace, now) = (pace(), Instant::now());
            pace.answered(0, pace.sent(now), Told { used: Some(used), refused_for: Some(Duration::MAX) }, now);
            assert_eq!(pace.take(20, now), 100 * SECOND, "{used}");
        }
    }
}
