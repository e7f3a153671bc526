//! Compares an answer that a page shows with the one that was given, and keeps what stands for what. Starts nothing.

use std::collections::BTreeMap;
use std::ops::Range;

/// What may differ from run to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Varying {
    /// Stands for one thing on either side, in all that follows.
    Name,
    /// A time, a date, a duration.
    Time,
}

/// What stands in the page for what is here.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Learned from answers.
    here: BTreeMap<String, String>,
    /// Known from the beginning on.
    fixed: BTreeMap<String, String>,
}

impl Names {
    /// Wherever the page says `page`, it is `here` in this run.
    #[must_use]
    pub fn with(mut self, page: &str, here: &str) -> Self {
        self.fixed.insert(page.to_owned(), here.to_owned());
        self
    }

    /// A command of the page as it is to be typed here. A digest may be shortened in it.
    pub fn said_here(&self, command: &str) -> String {
        let mut command = command.to_owned();
        for (page, here) in self.fixed.iter().chain(&self.here) {
            command = command.replace(page, here);
        }
        let short = |word: &str| {
            let digest = word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            let (_, here) = self.here.iter().find(|(page, _)| digest && page.starts_with(word))?;
            here.get(..word.len()).map(str::to_owned)
        };
        command
            .split_inclusive(char::is_whitespace)
            .map(|word| {
                let plain = word.trim_end();
                short(plain).map_or_else(|| word.to_owned(), |here| word.replacen(plain, &here, 1))
            })
            .collect()
    }

    /// A line that was given here, as the page would say it.
    pub fn said_in_page(&self, line: &str) -> String {
        let all = self.fixed.iter().chain(&self.here);
        all.fold(line.to_owned(), |line, (page, here)| line.replace(here, page))
    }

    /// Learns what an answer names from those of its lines that are as the page shows them.
    pub fn learn(&mut self, shown: &[String], given: &[String]) {
        for shown in shown {
            let alike = given.iter().find_map(|given| {
                let mut names = self.clone();
                names.same(shown, given).then_some(names)
            });
            *self = alike.unwrap_or_else(|| self.clone());
        }
    }

    /// Whether the answer is the one that the page shows.
    ///
    /// # Errors
    /// The first line that is not, in words.
    pub fn compare(&mut self, shown: &[String], given: &[String]) -> Result<(), String> {
        let parts: Vec<&[String]> = shown.split(|line| line.trim() == "...").collect();
        let last = parts.len() - 1;
        let mut at = 0;
        for (number, part) in parts.iter().enumerate() {
            let latest = given.len().checked_sub(part.len()).filter(|latest| *latest >= at);
            let places = match latest {
                None => at..at,
                Some(latest) if number == 0 && number == last => at..(latest + 1).min(at + 1),
                Some(_) if number == 0 => at..at + 1,
                Some(latest) if number == last => latest..latest + 1,
                Some(latest) => at..latest + 1,
            };
            let found = places.into_iter().find_map(|place| {
                let mut names = self.clone();
                let lines = given.get(place..place + part.len())?;
                part.iter().zip(lines).all(|(shown, given)| names.same(shown, given)).then_some((place, names))
            });
            let Some((place, names)) = found else { return Err(self.told(part, given.get(at..).unwrap_or_default())) };
            *self = names;
            at = place + part.len();
        }
        match given.get(at..) {
            Some([more, ..]) if last == 0 => Err(format!("and one more line was given: {more}")),
            _ => Ok(()),
        }
    }

    fn told(&self, shown: &[String], given: &[String]) -> String {
        let mut names = self.clone();
        let first = shown.iter().zip(given).find(|(shown, given)| !names.same(shown, given));
        let (shown, found) = match first {
            Some((shown, given)) => (shown.as_str(), given.as_str()),
            None => (shown.get(given.len()).map_or("(nothing)", String::as_str), "(the answer ends)"),
        };
        format!(
            "  the page shows  {shown}\n  given was       {found}\n--- all that was given from there on\n{}",
            given.join("\n")
        )
    }

    /// Whether a line is the same but for what may differ; learns what its names stand for.
    fn same(&mut self, shown: &str, given: &str) -> bool {
        let (shown, given) = (spaced(shown), spaced(&self.said_with_fixed(given)));
        let (in_page, here) = (varying(&shown), varying(&given));
        if skeleton(&shown, &in_page) != skeleton(&given, &here) {
            return false;
        }
        for ((range, kind), (place, _)) in in_page.iter().zip(&here) {
            let (page, here) = (&shown[range.clone()], &given[place.clone()]);
            if *kind == Varying::Name && self.here.entry(page.to_owned()).or_insert_with(|| here.to_owned()) != here {
                return false;
            }
        }
        true
    }

    /// Only what was known from the beginning on: learned names are compared by themselves.
    fn said_with_fixed(&self, line: &str) -> String {
        self.fixed.iter().fold(line.to_owned(), |line, (page, here)| line.replace(here, page))
    }
}

/// Runs of spaces as one, but for those in front.
fn spaced(line: &str) -> String {
    let text = line.trim_end();
    let start = text.len() - text.trim_start().len();
    let words: Vec<&str> = text.split_whitespace().collect();
    format!("{}{}", &text[..start], words.join(" "))
}

/// The line with its varying parts taken out.
fn skeleton(line: &str, varying: &[(Range<usize>, Varying)]) -> String {
    let mut text = String::new();
    let mut at = 0;
    for (range, kind) in varying {
        text.push_str(&line[at..range.start]);
        text.push_str(match kind {
            Varying::Name => "\u{1}",
            Varying::Time => "\u{2}",
        });
        at = range.end;
    }
    text.push_str(&line[at..]);
    text
}

/// The parts of a line that may differ from run to run, in order.
fn varying(line: &str) -> Vec<(Range<usize>, Varying)> {
    let mut found = Vec::new();
    let mut at = 0;
    let bytes = line.as_bytes();
    while at < bytes.len() {
        let fresh = at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'.');
        let length = if fresh { part(&bytes[at..], line.get(..at).unwrap_or_default()) } else { None };
        match length {
            Some((length, kind)) => {
                found.push((at..at + length, kind));
                at += length;
            }
            None => at += 1,
        }
    }
    found
}

/// The length and kind of a varying part that begins here.
fn part(rest: &[u8], before: &str) -> Option<(usize, Varying)> {
    let run = |bytes: &[u8], is: fn(u8) -> bool| bytes.iter().take_while(|byte| is(**byte)).count();
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let word = run(rest, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_guid = word == 36 && like(rest, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh");
    let is_digest = word == 32 && run(rest, hex) == 32;
    let is_short_digest = before.ends_with("approve ") && word == 8 && run(rest, hex) == 8;
    let is_code =
        before.ends_with("code ") && word == 8 && run(rest, |b| b.is_ascii_digit() || b.is_ascii_uppercase()) == 8;
    if is_guid || is_digest || is_short_digest || is_code {
        return Some((word, Varying::Name));
    }
    let clock =
        |from: usize, pattern: &str| rest.get(from..).is_some_and(|rest| like(rest, pattern)).then_some(pattern.len());
    if let Some(date) = clock(0, "dddd-dd-dd") {
        let time = clock(date, "Tdd:dd:dd")
            .or_else(|| clock(date, " dd:dd:dd"))
            .or_else(|| clock(date, " dd:dd"))
            .unwrap_or(0);
        let end = date + time + run(&rest[date + time..], |byte| byte.is_ascii_digit() || byte == b'.');
        let zone = usize::from(rest.get(end) == Some(&b'Z'));
        return Some((end + zone, Varying::Time));
    }
    if let Some(time) = clock(0, "dd:dd:dd") {
        return Some((time, Varying::Time));
    }
    let number = run(rest, |byte| byte.is_ascii_digit() || byte == b'.');
    let unit = [" ms", " s", " min"].into_iter().find(|unit| rest[number..].starts_with(unit.as_bytes()))?;
    let ends = rest.get(number + unit.len()).is_none_or(|next| !next.is_ascii_alphanumeric());
    (number > 0 && ends).then_some((number + unit.len(), Varying::Time))
}

/// Whether the bytes begin like a pattern of `d` (digit), `h` (hexadecimal digit) and themselves.
fn like(bytes: &[u8], pattern: &str) -> bool {
    bytes.len() >= pattern.len()
        && pattern.bytes().zip(bytes).all(|(wanted, byte)| match wanted {
            b'd' => byte.is_ascii_digit(),
            b'h' => byte.is_ascii_hexdigit(),
            wanted => wanted == *byte,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn same(shown: &str, given: &str) -> bool {
        Names::default().compare(&lines(shown), &lines(given)).is_ok()
    }

    #[test]
    fn what_differs_by_nature_may_differ_and_nothing_else() {
        let id = "f611f5b9-de73-5be3-b304-4c93f225c466";
        let other = "0b27c9d2-de73-5be3-b304-4c93f225c466";
        for (shown, given, expected) in [
            ("4 matches", "4 matches", true),
            ("4 matches", "5 matches", false),
            ("took 0.1 s, 4 done", "took 12.3 s, 4 done", true),
            ("took 0.1 s, 4 done", "took 0.1 s, 5 done", false),
            ("since 2026-01-02T03:04:05Z", "since 2027-11-12T13:14:15.123Z", true),
            ("ad    success", "ad  success", true),
            ("  ad", "ad", false),
            (id, other, true),
            (&format!("{id} and {id}"), &format!("{id} and {other}"), false),
            ("one\n...\nfour", "one\ntwo\nthree\nfour", true),
            ("one\n...\nfour", "one\ntwo\nthree", false),
            ("one\n...", "one\ntwo\nthree", true),
            ("one\n...", "two\nthree", false),
            ("one", "one\ntwo", false),
            ("one\ntwo", "one", false),
            ("...\ntwo\n...\nfour", "one\ntwo\nthree\nfour", true),
            ("...\nthree\n...\ntwo\n...", "one\ntwo\nthree\nfour", false),
            ("[exit 3]", "[exit 4]", false),
        ] {
            assert_eq!(same(shown, given), expected, "{shown:?} and {given:?}");
        }
    }

    /// What the page's command says of an id, a digest or a port is what was given here for it.
    #[test]
    fn a_name_stands_for_what_was_given() {
        let mut names = Names::default().with("127.0.0.1:8443", "127.0.0.1:9001");
        let shown = lines("metasync approve 0123456789abcdef0123456789abcdef at http://127.0.0.1:8443/");
        let given = lines("metasync approve fedcba98765432100123456789abcdef at http://127.0.0.1:9001/");
        names.compare(&shown, &given).unwrap();
        assert_eq!(
            names.said_here("metasync approve 01234567 # 127.0.0.1:8443"),
            "metasync approve fedcba98 # 127.0.0.1:9001"
        );
        assert_eq!(names.said_in_page(&given[0]), shown[0]);
        let code = |code: &str| lines(&format!("enter the code {code} to go on"));
        for _ in 0..2 {
            names.compare(&code("ABCD1234"), &code("WXYZ9876")).unwrap();
        }
        assert!(
            names
                .compare(&shown, &lines("metasync approve 11111111111111111111111111111111 at http://127.0.0.1:9001/"))
                .is_err()
        );
    }
}
