//! The calendar behind the date functions, by jiff: civil dates in UTC, custom formats, and how long a written date stays
//! as it is. Knows no time zone and no clock.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, date};
use std::fmt::Write as _;

pub(super) const SECOND: i64 = 1_000_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;
/// Microseconds from 1601-01-01 to 1970-01-01 (FILETIME's epoch to ours).
pub(super) const FILETIME_EPOCH: i64 = 11_644_473_600 * SECOND;

const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

/// The civil date and time of microseconds since 1970; None outside the years 1 to 9999.
pub(super) fn civil(microseconds: i64) -> Option<DateTime> {
    let time = EPOCH.checked_add(SignedDuration::from_micros(microseconds)).ok()?;
    (time.year() >= 1).then_some(time)
}

/// Microseconds since 1970; None outside the years 1 to 9999.
pub(super) fn microseconds(time: DateTime) -> Option<i64> {
    let microseconds = time.duration_since(EPOCH).as_micros();
    i64::try_from(microseconds).ok().filter(|_| time.year() >= 1)
}

/// ISO 8601, with a fraction when there is one; None outside the years 1 to 9999.
pub(super) fn iso(microseconds: i64) -> Option<String> {
    let fraction = if microseconds % SECOND == 0 { "" } else { ".ffffff" };
    Some(Format::new(&format!("yyyy-MM-dd'T'HH:mm:ss{fraction}'Z'")).write(civil(microseconds)?))
}

/// Microseconds to the next midnight.
pub(super) fn to_midnight(microseconds: i64) -> i64 {
    DAY - microseconds.rem_euclid(DAY)
}

/// A custom format of .NET, taken apart: runs of one letter are fields; quoted text and characters behind a backslash
/// stand for themselves, and so does every other character.
pub(super) struct Format(Vec<Piece>);

enum Piece {
    Field(char, usize),
    Text(String),
}

impl Format {
    pub(super) fn new(pattern: &str) -> Self {
        let mut pieces = Vec::new();
        let mut characters = pattern.chars().peekable();
        while let Some(character) = characters.next() {
            pieces.push(match character {
                '\\' => Piece::Text(characters.next().map(String::from).unwrap_or_default()),
                quote @ ('\'' | '"') => Piece::Text(characters.by_ref().take_while(|c| *c != quote).collect()),
                letter if letter.is_ascii_alphabetic() => {
                    let mut length = 1;
                    while characters.next_if_eq(&letter).is_some() {
                        length += 1;
                    }
                    Piece::Field(letter, length)
                }
                other => Piece::Text(other.to_string()),
            });
        }
        Format(pieces)
    }

    pub(super) fn write(&self, time: DateTime) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Field(letter, length) => write_field(&mut text, time, *letter, *length),
            }
        }
        text
    }

    /// Microseconds until what is written for this date would be written otherwise: the end of its finest field.
    pub(super) fn stays_for(&self, microseconds: i64) -> i64 {
        let steps = self.0.iter().filter_map(|piece| match piece {
            Piece::Field(letter, length) => step(*letter, *length),
            Piece::Text(_) => None,
        });
        // No field is coarser than the year; and without any field there is the end of the calendar, which is the end of a year.
        let distance = match steps.min().unwrap_or(Step::Year) {
            Step::Microseconds(step) => Some(step - microseconds.rem_euclid(step)),
            Step::Month => until_next(microseconds, |day| day.last_of_month()),
            Step::Year => until_next(microseconds, |day| day.last_of_year()),
        };
        distance.unwrap_or_else(|| to_midnight(microseconds))
    }
}

/// How long a field stays as it is. The order is from fine to coarse: every coarser boundary is a boundary of the finer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Microseconds(i64),
    Month,
    Year,
}

fn step(letter: char, length: usize) -> Option<Step> {
    Some(match letter {
        'M' => Step::Month,
        'd' => Step::Microseconds(DAY),
        'H' | 'h' | 't' => Step::Microseconds(HOUR),
        'm' => Step::Microseconds(MINUTE),
        's' => Step::Microseconds(SECOND),
        'f' | 'F' => {
            let digits = u32::try_from(length.min(6)).unwrap_or(6);
            Step::Microseconds(10_i64.pow(6 - digits))
        }
        _ => return None,
    })
}

fn until_next(now: i64, last_day: impl Fn(Date) -> Date) -> Option<i64> {
    let midnight = microseconds(last_day(civil(now)?.date()).at(0, 0, 0, 0))?;
    midnight.checked_add(DAY)?.checked_sub(now)
}

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

/// The number of the month with this name, or its first three letters; in any case.
pub(super) fn month_named(name: &str) -> Option<i8> {
    let hit = |month: &&str| month.eq_ignore_ascii_case(name) || month[..3].eq_ignore_ascii_case(name);
    MONTHS.iter().position(hit).and_then(|index| i8::try_from(index + 1).ok())
}

pub(super) fn is_weekday(name: &str) -> bool {
    WEEKDAYS.iter().any(|day| day.eq_ignore_ascii_case(name) || day[..3].eq_ignore_ascii_case(name))
}

fn write_field(text: &mut String, time: DateTime, letter: char, length: usize) {
    let mut number = |value: i64, width: usize| {
        let _ = write!(text, "{value:0width$}");
    };
    let named = |names: &[&'static str], index: i8| {
        let index = usize::try_from(index).unwrap_or(0);
        names.get(index).copied().unwrap_or("")
    };
    let short = |name: &'static str| name.get(..3).unwrap_or("");
    let two = length.min(2);
    let year = i64::from(time.year());
    match letter {
        'y' if length <= 2 => number(year % 100, length),
        'y' => number(year, length),
        'M' if length <= 2 => number(time.month().into(), length),
        'M' if length == 3 => text.push_str(short(named(&MONTHS, time.month() - 1))),
        'M' => text.push_str(named(&MONTHS, time.month() - 1)),
        'd' if length <= 2 => number(time.day().into(), length),
        'd' if length == 3 => text.push_str(short(named(&WEEKDAYS, time.weekday().to_sunday_zero_offset()))),
        'd' => text.push_str(named(&WEEKDAYS, time.weekday().to_sunday_zero_offset())),
        'H' => number(time.hour().into(), two),
        'h' => number((i64::from(time.hour()) + 11) % 12 + 1, two),
        'm' => number(time.minute().into(), two),
        's' => number(time.second().into(), two),
        'f' | 'F' => {
            let digits = format!("{:06}0", time.subsec_nanosecond() / 1_000);
            let kept = digits.get(..length.min(7)).unwrap_or("");
            text.push_str(if letter == 'F' { kept.trim_end_matches('0') } else { kept });
        }
        't' => text.push_str(match (time.hour() < 12, length) {
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
