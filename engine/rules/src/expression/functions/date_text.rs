//! Reads the dates that people and directories write (X23): a date, a time and a zone, the last two optional. Never
//! guesses: a text that fits no form is none, and so is a date that the calendar does not have.

use super::calendar::{HOUR, MINUTE, is_weekday, microseconds, month_named};
use jiff::civil::Date;

/// Microseconds since 1970-01-01 UTC.
pub(super) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: &tokens };
    reader.generalised().or_else(|| {
        let mut reader = Reader { tokens: &tokens };
        let date = reader.date()?;
        reader.rest(date)
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// Digits, with their number of places.
    Number(&'a str),
    Word(&'a str),
    Mark(char),
    Space,
}

/// Longer texts are no dates.
const LONGEST: usize = 64;

fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    if text.len() > LONGEST || !text.is_ascii() {
        return None;
    }
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let class = |c: char| (c.is_ascii_digit(), c.is_ascii_alphabetic(), c.is_ascii_whitespace());
        let same = |c: char| class(c) == class(first) && class(first) != (false, false, false);
        let length = rest.find(|c| !same(c)).unwrap_or(rest.len()).max(1);
        let (token, behind) = rest.split_at(length);
        rest = behind;
        tokens.push(match class(first) {
            (true, ..) => Token::Number(token),
            (_, true, _) => Token::Word(token),
            (_, _, true) => Token::Space,
            _ => Token::Mark(first),
        });
    }
    Some(tokens)
}

struct Reader<'t> {
    tokens: &'t [Token<'t>],
}

impl Reader<'_> {
    fn mark(&mut self, wanted: char) -> Option<()> {
        match self.tokens {
            [Token::Mark(mark), rest @ ..] if *mark == wanted => {
                self.tokens = rest;
                Some(())
            }
            _ => None,
        }
    }

    fn space(&mut self) -> bool {
        match self.tokens {
            [Token::Space, rest @ ..] => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    /// A number of so many digits.
    fn number(&mut self, digits: std::ops::RangeInclusive<usize>) -> Option<i64> {
        match self.tokens {
            [Token::Number(number), rest @ ..] if digits.contains(&number.len()) => {
                self.tokens = rest;
                number.parse().ok()
            }
            _ => None,
        }
    }

    fn word(&mut self, accepts: impl Fn(&str) -> bool) -> Option<&str> {
        match self.tokens {
            [Token::Word(word), rest @ ..] if accepts(word) => {
                self.tokens = rest;
                Some(word)
            }
            _ => None,
        }
    }

    /// `yyyyMMddHH[mm[ss]]`, a fraction, and a zone that must be there (RFC 4517, section 3.3.13).
    fn generalised(&mut self) -> Option<i64> {
        let [Token::Number(digits), rest @ ..] = self.tokens else {
            return None;
        };
        if ![10, 12, 14].contains(&digits.len()) {
            return None;
        }
        self.tokens = rest;
        let part = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |part| part.parse::<i64>().ok());
        let date = calendar_date(part(0, 4)?, part(4, 6)?, part(6, 8)?)?;
        let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
        let unit = match digits.len() {
            10 => HOUR,
            12 => MINUTE,
            _ => 1_000_000,
        };
        let fraction = match self.mark('.').or_else(|| self.mark(',')) {
            Some(()) => self.fraction(unit)?,
            None => 0,
        };
        let time = time_of_day(hour, minute, second)?;
        let zone = self.zone(true)?;
        self.end()?;
        at(date)?.checked_add(time + fraction - zone)
    }

    fn date(&mut self) -> Option<Date> {
        if self.word(is_weekday).is_some() {
            self.mark(',').or(Some(()))?;
            self.space();
        }
        match self.tokens {
            // 2013-01-10 and 2013/01/10
            [Token::Number(year), Token::Mark(mark @ ('-' | '/')), ..] if year.len() == 4 => {
                let mark = *mark;
                let year = self.number(4..=4)?;
                self.mark(mark)?;
                let month = self.number(1..=2)?;
                self.mark(mark)?;
                calendar_date(year, month, self.number(1..=2)?)
            }
            // 12/25/2007: the month comes first (X23)
            [Token::Number(_), Token::Mark('/'), ..] => {
                let month = self.number(1..=2)?;
                self.mark('/')?;
                let day = self.number(1..=2)?;
                self.mark('/')?;
                calendar_date(self.number(4..=4)?, month, day)
            }
            // 10 January 2013
            [Token::Number(_), ..] => {
                let day = self.number(1..=2)?;
                let _ = self.space() || self.mark('-').is_some();
                let month = self.month()?;
                let _ = self.mark(',').is_some() || self.mark('-').is_some();
                self.space();
                calendar_date(self.number(4..=4)?, month, day)
            }
            // January 10, 2013
            _ => {
                let month = self.month()?;
                self.space();
                let day = self.number(1..=2)?;
                let _ = self.mark(',');
                self.space();
                calendar_date(self.number(4..=4)?, month, day)
            }
        }
    }

    fn month(&mut self) -> Option<i64> {
        self.word(|word| month_named(word).is_some()).and_then(month_named).map(i64::from)
    }

    /// What stands behind the date: nothing, a time, a zone.
    fn rest(&mut self, date: Date) -> Option<i64> {
        let after_t = self.word(|word| word.eq_ignore_ascii_case("T")).is_some();
        let spaced = self.space();
        let time = if after_t || (spaced && matches!(self.tokens, [Token::Number(_), ..])) { self.time()? } else { 0 };
        let zone = self.zone(false)?;
        self.end()?;
        at(date)?.checked_add(time - zone)
    }

    /// `4:00 PM`, `16:00`, `16:00:05.123`
    fn time(&mut self) -> Option<i64> {
        let hour = self.number(1..=2)?;
        self.mark(':')?;
        let minute = self.number(1..=2)?;
        let mut second = 0;
        let mut fraction = 0;
        if self.mark(':').is_some() {
            second = self.number(1..=2)?;
            if self.mark('.').is_some() {
                fraction = self.fraction(1_000_000)?;
            }
        }
        let before = self.tokens;
        self.space();
        let half = self.word(|word| word.eq_ignore_ascii_case("AM") || word.eq_ignore_ascii_case("PM"));
        let hour = match half.map(|half| half.eq_ignore_ascii_case("PM")) {
            None => {
                self.tokens = before;
                hour
            }
            Some(_) if !(1..=12).contains(&hour) => return None,
            Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
        };
        Some(time_of_day(hour, minute, second)? + fraction)
    }

    /// Decimal places of a unit (microseconds); what is finer than a microsecond is cut.
    fn fraction(&mut self, unit: i64) -> Option<i64> {
        match self.tokens {
            [Token::Number(digits), rest @ ..] if digits.len() <= 9 => {
                self.tokens = rest;
                let scale = 10_i64.pow(u32::try_from(digits.len()).ok()?);
                Some(
                    i64::try_from(i128::from(digits.parse::<i64>().ok()?) * i128::from(unit) / i128::from(scale))
                        .ok()?,
                )
            }
            _ => None,
        }
    }

    /// Microseconds that the zone is ahead of UTC: `Z`, `UTC`, `GMT`, `-8`, `+05:30`, `+0530`; at most 14 hours.
    fn zone(&mut self, required: bool) -> Option<i64> {
        self.space();
        if self.word(|word| ["Z", "UTC", "GMT"].iter().any(|zone| word.eq_ignore_ascii_case(zone))).is_some() {
            return Some(0);
        }
        let sign = match (self.mark('+'), self.mark('-')) {
            (Some(()), None) => 1,
            (None, Some(())) => -1,
            _ => return if required { None } else { Some(0) },
        };
        let (hours, minutes) = match self.number(4..=4) {
            Some(both) => (both / 100, both % 100),
            None => {
                let hours = self.number(1..=2)?;
                (hours, if self.mark(':').is_some() { self.number(2..=2)? } else { 0 })
            }
        };
        let ahead = hours * HOUR + minutes * MINUTE;
        (minutes < 60 && ahead <= 14 * HOUR).then_some(sign * ahead)
    }

    fn end(&mut self) -> Option<()> {
        self.tokens.is_empty().then_some(())
    }
}

fn calendar_date(year: i64, month: i64, day: i64) -> Option<Date> {
    let (year, month, day) = (i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    Date::new(year, month, day).ok().filter(|date| date.year() >= 1)
}

fn time_of_day(hour: i64, minute: i64, second: i64) -> Option<i64> {
    (hour < 24 && minute < 60 && second < 60).then_some(hour * HOUR + minute * MINUTE + second * 1_000_000)
}

fn at(date: Date) -> Option<i64> {
    microseconds(date.at(0, 0, 0, 0))
}
