//! Where rules and their flows stand in the rule files, by file and line. Not part of what they decide, so not of the hash;
//! kept beside a rule set that was applied, for lineage.

use crate::diagnostic::Sources;
use crate::model::{Rule, RuleId, SourcePlace};
use metaverse_schema::AttributeName;
use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

/// A line of a rule file, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RulePlace {
    pub file: Arc<str>,
    pub line: usize,
}

impl fmt::Display for RulePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Where the lines of a file end, in bytes: each of its rules and flows is looked up.
struct LineEnds(Vec<usize>);

impl LineEnds {
    fn of(text: &str) -> Self {
        LineEnds(text.match_indices('\n').map(|(offset, _)| offset).collect())
    }

    /// The line of an offset, counted from 1.
    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RulePlaces(BTreeMap<(RuleId, Option<AttributeName>), RulePlace>);

impl RulePlaces {
    pub(crate) fn of(rules: &[Rule], sources: &Sources) -> Self {
        let mut lines: BTreeMap<Arc<str>, LineEnds> = BTreeMap::new();
        let mut place = |place: &SourcePlace| {
            let text = sources.text(&place.file)?;
            let ends = lines.entry(place.file.clone()).or_insert_with(|| LineEnds::of(text));
            Some(RulePlace { file: place.file.clone(), line: ends.line(place.span.start) })
        };
        let mut places = BTreeMap::new();
        for rule in rules {
            places.extend(place(&rule.place).map(|found| ((rule.id.clone(), None), found)));
            for flow in &rule.flows {
                let key = (rule.id.clone(), Some(flow.target.clone()));
                places.extend(place(&flow.place).map(|found| (key, found)));
            }
        }
        RulePlaces(places)
    }

    /// The heading of a rule.
    pub fn rule(&self, rule: &str) -> Option<&RulePlace> {
        self.0.get(&(RuleId::from(rule), None))
    }

    /// A flow of a rule; where it is not known, the rule.
    pub fn flow(&self, rule: &str, target: &str) -> Option<&RulePlace> {
        self.0.get(&(RuleId::from(rule), Some(AttributeName::new(target)))).or_else(|| self.rule(rule))
    }

    /// One line each: file, line, rule and, for a flow, its target, with tabs between them.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for ((rule, target), place) in &self.0 {
            let target = target.as_ref().map_or("", AttributeName::as_str);
            let _ = writeln!(text, "{}\t{}\t{rule}\t{target}", place.file, place.line);
        }
        text
    }

    /// From the stored text; a line that is not understood tells nothing.
    pub fn from_text(text: &str) -> Self {
        let line = |line: &str| {
            let mut parts = line.split('\t');
            let (file, number, rule) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
            let target = parts.next().filter(|target| !target.is_empty()).map(AttributeName::new);
            Some(((RuleId::from(rule), target), RulePlace { file: file.into(), line: number }))
        };
        RulePlaces(text.lines().filter_map(line).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same lines as in a diagnostic, whose place is counted from the start of the file.
    #[test]
    fn a_line_is_counted_as_in_a_diagnostic() {
        let text = "one\n\nthree\r\nfour";
        let mut sources = Sources::default();
        sources.add("f".into(), text);
        let ends = LineEnds::of(text);
        for offset in 0..=text.len() {
            let counted = sources.line_and_column("f", offset).map(|(line, _)| line);
            assert_eq!(Some(ends.line(offset)), counted, "at {offset}");
        }
    }

    #[test]
    fn places_survive_being_stored() {
        let place = |line| RulePlace { file: "rules/20-ad-users.toml".into(), line };
        let places: BTreeMap<_, _> =
            [(("in".into(), None), place(7)), (("in".into(), Some("title".into())), place(12))].into();
        let places = RulePlaces(places);
        let again = RulePlaces::from_text(&places.to_text());
        assert_eq!(again, places);
        assert_eq!(again.flow("in", "title").unwrap().to_string(), "rules/20-ad-users.toml:12");
        assert_eq!(again.flow("in", "mail").unwrap().line, 7);
        assert_eq!(again.rule("out"), None);
        assert_eq!(RulePlaces::from_text("what is this\n\t\n"), RulePlaces::default());
    }
}
