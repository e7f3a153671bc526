//! Faults of a connected system that come and go: what a request and each of its items meets is drawn from a number, so that the
//! same number replays it.

use super::State;

/// Chances in a hundred, and the draws.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    pub(crate) draws: u64,
    /// A request as a whole is turned away.
    pub(crate) busy: u64,
    /// An item meets one of the fates that are not well.
    pub(crate) bad: u64,
}

/// What becomes of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Well,
    /// Refused for the moment.
    Refused,
    /// It was not sent, and the answer says so.
    Unsent,
    /// It never arrived, and nobody knows.
    Vanished,
    /// It arrived, and the answer does not say so.
    Unanswered,
    /// It arrived, and the answer does not mention it.
    Silent,
}

impl Weather {
    fn below(&mut self, limit: u64) -> u64 {
        self.draws = self.draws.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.draws >> 33) % limit
    }
}

impl State {
    pub(super) fn is_busy(&mut self) -> bool {
        let Some(weather) = &mut self.behaviour.weather else { return false };
        let busy = weather.below(100) < weather.busy;
        *self.met.entry("back-offs").or_default() += u64::from(busy);
        busy
    }

    pub(super) fn fate(&mut self) -> Fate {
        let Some(weather) = &mut self.behaviour.weather else { return Fate::Well };
        if weather.below(100) >= weather.bad {
            return Fate::Well;
        }
        let fates = [
            (Fate::Refused, "retryable refusals"),
            (Fate::Unsent, "items not sent"),
            (Fate::Vanished, "items that vanished"),
            (Fate::Unanswered, "items without an answer"),
            (Fate::Silent, "items that an answer left out"),
        ];
        let (fate, name) = fates[usize::try_from(weather.below(fates.len() as u64)).unwrap_or(0)];
        *self.met.entry(name).or_default() += 1;
        fate
    }
}
