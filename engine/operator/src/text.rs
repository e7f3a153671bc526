//! Numbers, times and tables as text, for people at 100 columns. No command knows how wide a column is.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Widest line of any output.
pub(crate) const WIDTH: usize = 100;

/// `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 object`, `20 objects`; the plural is given because English has `entries`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// R29: UTC. Microseconds since 1970-01-01.
pub(crate) fn time(microseconds: i64) -> String {
    match Timestamp::from_microsecond(microseconds) {
        Ok(time) => time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => "-".to_owned(),
    }
}

/// `0.3 s`, `4.2 s`, `3 min 20 s`, `2 h 05 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..60 => format!("{:.1} s", seconds.max(0.0)),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Objects per second.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second >= 10.0 { format!("{}/s", count(per_second.round() as u64)) } else { format!("{per_second:.1}/s") }
}

/// A code such as `disconnector-projected-flow` as words.
pub(crate) fn words(code: &str) -> String {
    code.replace(['-', '_'], " ")
}

/// A table: columns as wide as their content; where the page is too narrow for that, the widest ones are wrapped.
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
    indent: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// The narrowest that a wrapped column becomes.
const NARROWEST: usize = 20;

impl Table {
    /// A title that begins with `>` is a column of numbers.
    pub(crate) fn new(titles: &[&'static str]) -> Self {
        let column = |title: &&'static str| match title.strip_prefix('>') {
            Some(title) => (title, Align::Right),
            None => (*title, Align::Left),
        };
        Table { columns: titles.iter().map(column).collect(), rows: Vec::new(), indent: 2 }
    }

    pub(crate) fn indent(mut self, indent: usize) -> Self {
        self.indent = indent;
        self
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// Titles and rows, each line ended. Columns whose every cell is empty are left out, titles that are all empty too.
    pub(crate) fn render(&self) -> String {
        let used: Vec<usize> = (0..self.columns.len())
            .filter(|column| self.rows.iter().any(|row| row.get(*column).is_some_and(|cell| !cell.is_empty())))
            .collect();
        if used.is_empty() {
            return String::new();
        }
        let title = |column: usize| self.columns.get(column).map_or("", |(title, _)| title);
        let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
        let mut widths: Vec<usize> = used
            .iter()
            .map(|column| {
                let cells = self.rows.iter().flat_map(|row| cell(row, *column).lines().map(length).collect::<Vec<_>>());
                cells.max().unwrap_or(0).max(length(title(*column)))
            })
            .collect();
        fit(&mut widths, WIDTH - self.indent);

        let mut text = String::new();
        let mut line = |cells: Vec<String>| {
            let wrapped: Vec<Vec<String>> = cells.iter().zip(&widths).map(|(cell, width)| wrap(cell, *width)).collect();
            let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
            for row in 0..height {
                let mut drawn = " ".repeat(self.indent);
                for (index, column) in used.iter().enumerate() {
                    let part = wrapped[index].get(row).map_or("", String::as_str);
                    let gap = " ".repeat(widths[index].saturating_sub(length(part)));
                    match self.columns[*column].1 {
                        Align::Right => drawn.push_str(&format!("{gap}{part}  ")),
                        Align::Left => drawn.push_str(&format!("{part}{gap}  ")),
                    }
                }
                text.push_str(drawn.trim_end());
                text.push('\n');
            }
        };
        if used.iter().any(|column| !title(*column).is_empty()) {
            line(used.iter().map(|column| title(*column).to_owned()).collect());
        }
        for row in &self.rows {
            line(used.iter().map(|column| cell(row, *column)).collect());
        }
        text
    }
}

/// Takes from the widest columns until all fit on the page, two spaces between them.
fn fit(widths: &mut [usize], room: usize) {
    let gaps = widths.len().saturating_sub(1) * 2;
    while widths.iter().sum::<usize>() + gaps > room {
        match widths.iter_mut().max() {
            Some(widest) if *widest > NARROWEST => *widest -= 1,
            _ => return,
        }
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// Lines of at most `width` characters, broken at spaces where there are any. Never empty.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let mut word = word;
            if !line.is_empty() && length(&line) + 1 + length(word) > width {
                lines.push(std::mem::take(&mut line));
            } else if !line.is_empty() {
                line.push(' ');
            }
            while length(word) > width {
                let cut = word.char_indices().nth(width).map_or(word.len(), |(at, _)| at);
                let (head, rest) = word.split_at(cut);
                lines.push(head.to_owned());
                word = rest;
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// A sentence wrapped at the page's width, every line indented.
pub(crate) fn paragraph(text: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    wrap(text, WIDTH - indent).iter().map(|line| format!("{}\n", format!("{margin}{line}").trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn numbers_and_times() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(12_345_678), "12,345,678");
        assert_eq!(counted(1, "entry", "entries"), "1 entry");
        assert_eq!(duration(0.26), "0.3 s");
        assert_eq!(duration(200.0), "3 min 20 s");
        assert_eq!(duration(7_500.0), "2 h 05 min");
        assert_eq!(time(0), "1970-01-01 00:00:00Z");
        assert_eq!(rate(1234.4), "1,234/s");
    }

    #[test]
    fn tables_align_numbers_drop_empty_columns_and_wrap_the_last() {
        let mut table = Table::new(&["name", "empty", ">count", "what to do"]);
        table.row(["Łukasz".into(), String::new(), count(7), "nothing".into()]);
        table.row([
            "a longer name".into(),
            String::new(),
            count(1_234),
            "approve the list, or correct the address in Active Directory and let the next cycle decide it again"
                .into(),
        ]);
        expect![[r#"
            table
              name           count  what to do
              Łukasz             7  nothing
              a longer name  1,234  approve the list, or correct the address in Active Directory and let the
                                    next cycle decide it again
        "#]]
        .assert_eq(&format!("table\n{}", table.render()));
        assert_eq!(Table::new(&["name"]).render(), "");
    }

    #[test]
    fn words_longer_than_a_line_are_cut_and_nothing_is_lost() {
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("ä ö", 1), ["ä", "ö"]);
    }
}
