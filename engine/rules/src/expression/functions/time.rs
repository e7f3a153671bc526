//! Functions on dates. All time is UTC; the present is an input of the run, never the clock (SF28).

use super::{Arguments, Function, FunctionGroup, Gives, INTEGER, TEXT, one};
use crate::expression::data::{Data, Fault, Scalar};
use crate::expression::evaluate::Evaluator;
use crate::expression::types::{Kind, KindSet};
use std::fmt::Write as _;

/// Microseconds from 1601-01-01 to 1970-01-01 (FILETIME's epoch to ours).
const FILETIME_EPOCH: i64 = 11_644_473_600 * 1_000_000;
const DAY: i64 = 86_400 * 1_000_000;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

pub(super) fn functions() -> Vec<Function> {
    let date = Gives::Kind(Kind::Date);
    let mut now = Function::eager(
        "Now",
        FunctionGroup::Time,
        &[],
        date,
        |evaluator, _| Ok(Data::One(Scalar::Date(evaluator.now()))),
        "The time of the run, in UTC. Every object of one run sees the same.",
    );
    now.reads_clock = true;
    vec![
        now,
        Function::eager(
            "DateFromNum",
            FunctionGroup::Time,
            const { &[one("filetime", INTEGER)] },
            date,
            |_, a| Ok(a.integer(0)?.map_or(Data::Null, |ticks| Data::One(Scalar::Date(ticks / 10 - FILETIME_EPOCH)))),
            "The date of a FILETIME such as `pwdLastSet`: 100-nanosecond steps since 1601-01-01 UTC.",
        ),
        Function::eager(
            "FormatDateTime",
            FunctionGroup::Time,
            const { &[one("date", KindSet::of(Kind::Date)), one("format", TEXT)] },
            Gives::Kind(Kind::Text),
            format_date_time,
            "The date as text: yyyy MM dd HH mm ss fff and the other custom formats of .NET; `yyyyMMddHHmmss.0Z` is the form of a directory.",
        ),
    ]
}

struct Civil {
    year: i64,
    month: i64,
    day: i64,
    weekday: i64,
    hour: i64,
    minute: i64,
    second: i64,
    microsecond: i64,
}

/// Proleptic Gregorian calendar (days-from-civil algorithm of H. Hinnant, inverted).
fn civil(microseconds: i64) -> Civil {
    let (days, rest) = (microseconds.div_euclid(DAY), microseconds.rem_euclid(DAY));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let seconds = rest / 1_000_000;
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
        weekday: (days + 4).rem_euclid(7),
        hour: seconds / 3_600,
        minute: seconds / 60 % 60,
        second: seconds % 60,
        microsecond: rest % 1_000_000,
    }
}

fn format_date_time(_: &mut Evaluator<'_>, a: &Arguments<'_>) -> Result<Data, Fault> {
    let microseconds = match a.scalar(0) {
        None => return Ok(Data::Null),
        Some(Scalar::Date(date)) => *date,
        Some(other) => return Err(a.mismatch(0, other, "a date")),
    };
    Ok(Data::text(format(&civil(microseconds), a.text(1)?.unwrap_or(""))))
}

/// Custom format of .NET: runs of one letter are fields, quoted text and characters behind a backslash stand for
/// themselves, and so does every other character.
fn format(time: &Civil, pattern: &str) -> String {
    let mut text = String::new();
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next()),
            quote @ ('\'' | '"') => text.extend(characters.by_ref().take_while(|c| *c != quote)),
            letter if letter.is_ascii_alphabetic() => {
                let mut length = 1;
                while characters.next_if_eq(&letter).is_some() {
                    length += 1;
                }
                field(&mut text, time, letter, length);
            }
            other => text.push(other),
        }
    }
    text
}

fn field(text: &mut String, time: &Civil, letter: char, length: usize) {
    let mut number = |value: i64, width: usize| {
        let _ = write!(text, "{value:0width$}");
    };
    let named = |names: &[&'static str], index: i64| {
        let index = usize::try_from(index).unwrap_or(0);
        names.get(index).copied().unwrap_or("")
    };
    let two = length.min(2);
    let twelve = (time.hour + 11) % 12 + 1;
    match letter {
        'y' if length <= 2 => number(time.year.rem_euclid(100), length),
        'y' => number(time.year, length),
        'M' if length <= 2 => number(time.month, length),
        'M' if length == 3 => text.push_str(named(&MONTHS, time.month - 1).get(..3).unwrap_or("")),
        'M' => text.push_str(named(&MONTHS, time.month - 1)),
        'd' if length <= 2 => number(time.day, length),
        'd' if length == 3 => text.push_str(named(&WEEKDAYS, time.weekday).get(..3).unwrap_or("")),
        'd' => text.push_str(named(&WEEKDAYS, time.weekday)),
        'H' => number(time.hour, two),
        'h' => number(twelve, two),
        'm' => number(time.minute, two),
        's' => number(time.second, two),
        'f' => {
            let digits = format!("{:06}0", time.microsecond);
            text.extend(digits.chars().take(length));
        }
        't' => text.push_str(match (time.hour < 12, length) {
            (true, 1) => "A",
            (false, 1) => "P",
            (true, _) => "AM",
            (false, _) => "PM",
        }),
        'z' => text.push_str(match length {
            1 => "+0",
            2 => "+00",
            _ => "+00:00",
        }),
        'K' => text.push('Z'),
        other => text.extend(std::iter::repeat_n(other, length)),
    }
}
