//! Functions on dates. All time is UTC; the present is an input of the run, never the clock (SF28).

use super::calendar::{self, DAY, FILETIME_EPOCH, Format, HOUR, MINUTE, SECOND};
use super::{Arguments, Function, FunctionGroup, Gives, INTEGER, Parameter, TEXT, date_text, one, parameter};
use crate::expression::data::{Data, Fault, Scalar};
use crate::expression::evaluate::Evaluator;
use crate::expression::moment::Moment;
use crate::expression::types::{Kind, KindSet};
use jiff::Span;

const DATE: KindSet = KindSet::of(Kind::Date);

pub(super) fn functions() -> Vec<Function> {
    let date = Gives::Kind(Kind::Date);
    let function = |name, parameters: &'static [Parameter], gives, run, doc| {
        Function::eager(name, FunctionGroup::Time, parameters, gives, run, doc)
    };
    let mut now = function(
        "Now",
        &[],
        date,
        |evaluator, _| Ok(Data::date(evaluator.clock().now())),
        "The time of the run, in UTC. Every object of one run sees the same, and an object whose answer changes with time is synchronised again when it does.",
    );
    now.reads_clock = true;
    vec![
        now,
        function(
            "CDate",
            const { &[one("text", TEXT.and(Kind::Date))] },
            date,
            cdate,
            "The date in a text, such as `2013-01-10`, `2013-01-10T16:00:00Z`, `2013-01-10 4:00 PM -8`, `12/25/2007` (the month first), `10 January 2013` or a directory's `20140905081453.0Z`; without a zone it is UTC. An error for any other, so guard it with IsDate.",
        ),
        function(
            "IsDate",
            const { &[parameter("value", super::Accepts::Whole)] },
            Gives::Kind(Kind::Boolean),
            |_, a| {
                let is_date = |scalar: &Scalar<'_>| match scalar {
                    Scalar::Date(_) => true,
                    Scalar::Text(text) => date_text::parse(text).is_some(),
                    _ => false,
                };
                Ok(Data::boolean(!a.is_null(0) && a.list(0).iter().all(is_date)))
            },
            "Whether CDate would succeed.",
        ),
        function(
            "DateAdd",
            const { &[one("interval", TEXT), one("value", INTEGER), one("date", DATE)] },
            date,
            date_add,
            "The date moved by that many intervals, back when negative: `yyyy` years, `q` quarters, `m` months, `y`, `d` or `w` days, `ww` weeks, `h` hours, `n` minutes, `s` seconds. A day that the month does not have becomes its last one.",
        ),
        function(
            "DateFromNum",
            const { &[one("filetime", INTEGER)] },
            date,
            |_, a| {
                Ok(a.integer(0)?
                    .map_or(Data::Null, |ticks| Data::date(Moment::fixed(ticks.div_euclid(10) - FILETIME_EPOCH))))
            },
            "The date of a FILETIME such as `pwdLastSet`: 100-nanosecond steps since 1601-01-01 UTC.",
        ),
        function(
            "NumFromDate",
            const { &[one("date", DATE)] },
            Gives::Kind(Kind::Integer),
            num_from_date,
            "The date as a FILETIME.",
        ),
        function(
            "FormatDateTime",
            const { &[one("date", DATE), one("format", TEXT)] },
            Gives::Kind(Kind::Text),
            format_date_time,
            "The date as text: yyyy MM dd HH mm ss fff and the other custom formats of .NET; `yyyyMMddHHmmss.0Z` is the form of a directory. An error outside the years 1 to 9999.",
        ),
    ]
}

fn date(a: &Arguments<'_, '_>, position: usize) -> Result<Option<Moment>, Fault> {
    match a.scalar(position) {
        None => Ok(None),
        Some(Scalar::Date(date)) => Ok(Some(*date)),
        Some(other) => Err(a.mismatch(position, other, "a date")),
    }
}

/// Of dates that can be computed with and not be written: `accountExpires` says "never" so.
fn outside_the_calendar(a: &Arguments<'_, '_>) -> Fault {
    let name = a.function.name;
    Fault::new(
        "expression-conversion-failed",
        format!(
            "`{name}`: the date lies outside the years 1 to 9999; 9223372036854775807 in accountExpires means never"
        ),
    )
}

fn cdate(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    match a.scalar(0) {
        None => Ok(Data::Null),
        Some(Scalar::Date(date)) => Ok(Data::date(*date)),
        Some(_) => {
            let text = a.text(0)?.unwrap_or("");
            match date_text::parse(text) {
                Some(at) => Ok(Data::date(Moment::fixed(at))),
                None => Err(super::unconvertible(a, text, "a date")),
            }
        }
    }
}

fn num_from_date(evaluator: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let Some(date) = date(a, 0)? else {
        return Ok(Data::Null);
    };
    evaluator.clock().shows(date);
    let ticks = date.at.checked_add(FILETIME_EPOCH).and_then(|since| since.checked_mul(10));
    ticks.map(Data::integer).ok_or_else(crate::expression::operators::overflow)
}

fn format_date_time(evaluator: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let Some(date) = date(a, 0)? else {
        return Ok(Data::Null);
    };
    let format = Format::new(a.text(1)?.unwrap_or(""));
    evaluator.clock().holds_for(date, Some(format.stays_for(date.at)));
    match calendar::civil(date.at) {
        Some(time) => Ok(Data::text(format.write(time))),
        None => Err(outside_the_calendar(a)),
    }
}

fn date_add(evaluator: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let interval = a.text(0)?.unwrap_or("");
    let fixed = match interval {
        "y" | "d" | "w" => Some(DAY),
        "ww" => Some(7 * DAY),
        "h" => Some(HOUR),
        "n" => Some(MINUTE),
        "s" => Some(SECOND),
        _ => None,
    };
    let months = match interval {
        "yyyy" => 12,
        "q" => 3,
        "m" => 1,
        _ if fixed.is_some() => 0,
        _ => {
            let message = format!("`DateAdd` knows the intervals yyyy q m y d w ww h n s, and not `{interval}`");
            return Err(Fault::new("expression-invalid-argument", message));
        }
    };
    let (Some(value), Some(date)) = (a.integer(1)?, date(a, 2)?) else {
        return Ok(Data::Null);
    };
    let clock = evaluator.clock();
    let moved = match fixed {
        Some(unit) => {
            let at = value.checked_mul(unit).and_then(|distance| date.at.checked_add(distance));
            at.map(|at| Moment { at, ..date })
        }
        None => add_months(value.saturating_mul(months), date.at).map(|at| Moment {
            at,
            // The same number of months is another number of days from the next day on.
            moves_until: date.moves_until.map(|until| until.min(clock.ahead(calendar::to_midnight(date.at)))),
        }),
    };
    match moved {
        Some(moved) => Ok(Data::date(Moment {
            // Nothing is said of dates behind the last one that a number holds.
            moves_until: moved.moves_until.map(|until| until.min(clock.ahead(i64::MAX.saturating_sub(moved.at)))),
            ..moved
        })),
        None => {
            // One that moves may come to lie where it can be computed.
            clock.shows(date);
            Err(outside_the_calendar(a))
        }
    }
}

fn add_months(months: i64, at: i64) -> Option<i64> {
    let span = Span::new().try_months(months).ok()?;
    calendar::microseconds(calendar::civil(at)?.checked_add(span).ok()?)
}
