//! Dates while they are computed, and what is told of the instants at which an answer changes (SF28). Knows no calendar;
//! see functions/calendar.rs. Reads no clock: the present is an input of the run.

use super::Inputs;
use super::syntax::Comparison;
use std::cmp::Ordering;

/// A date, and how it goes with the present.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Microseconds since 1970-01-01 UTC.
    pub(crate) at: i64,
    /// None: a fixed date. Otherwise it moves on as the present does, at the same pace, while the present is before this
    /// instant; behind it nothing is known of it.
    pub(crate) moves_until: Option<i64>,
}

impl Moment {
    pub(crate) fn fixed(at: i64) -> Self {
        Moment { at, moves_until: None }
    }

    pub(crate) fn moves(self) -> bool {
        self.moves_until.is_some()
    }
}

/// Two dates are equal when they are now.
impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

/// The last microsecond of the year 9999, behind which there is no run.
const LAST: i64 = 253_402_300_799_999_999;

/// The present, and where to tell that an answer depends on it.
#[derive(Clone, Copy)]
pub(crate) struct Clock<'a>(pub(super) &'a dyn Inputs);

impl Clock<'_> {
    pub(crate) fn now(self) -> Moment {
        Moment { at: self.0.now(), moves_until: Some(i64::MAX) }
    }

    /// The instant that lies this far ahead.
    pub(crate) fn ahead(self, microseconds: i64) -> i64 {
        self.0.now().saturating_add(microseconds)
    }

    /// The answer stays as it is until this date has moved on by `distance` (microseconds; None: however far).
    pub(crate) fn holds_for(self, moment: Moment, distance: Option<i64>) {
        let Some(until) = moment.moves_until else {
            return;
        };
        let instant = distance.map_or(until, |distance| until.min(self.ahead(distance)));
        if instant > self.0.now() && instant <= LAST {
            self.0.answer_changes_at(instant);
        }
    }

    /// The date itself is the answer, or every digit of it.
    pub(crate) fn shows(self, moment: Moment) {
        self.holds_for(moment, Some(1));
    }

    /// The order of two dates, and for how long a comparison of them comes out as it does now. Of two that move the
    /// distance stays.
    pub(crate) fn compares(self, operator: Comparison, left: Moment, right: Moment) -> Ordering {
        match (left.moves(), right.moves()) {
            (true, false) => self.holds_for(left, flips_in(operator, left, right)),
            (false, true) => self.holds_for(right, flips_in(operator.mirrored(), right, left)),
            (true, true) => {
                self.holds_for(left, None);
                self.holds_for(right, None);
            }
            (false, false) => {}
        }
        left.at.cmp(&right.at)
    }
}

/// Microseconds until `mover operator fixed` comes out otherwise; None: never, as the mover has passed, or is further away
/// than there is time.
fn flips_in(operator: Comparison, mover: Moment, fixed: Moment) -> Option<i64> {
    let distance = fixed.at.checked_sub(mover.at).filter(|distance| *distance >= 0)?;
    match operator {
        // On reaching it.
        Comparison::Less | Comparison::GreaterOrEqual => Some(distance).filter(|distance| *distance > 0),
        // One microsecond behind it.
        Comparison::LessOrEqual | Comparison::Greater => distance.checked_add(1),
        // On reaching it, and on leaving it.
        Comparison::Equal | Comparison::NotEqual => Some(distance.max(1)),
    }
}
