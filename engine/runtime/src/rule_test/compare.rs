//! Compares what a step of a rule test expects of links, scopes and metaverse values with what the engine has decided.

use super::Mismatch;
use super::bench::{Bench, Tracked};
use super::export::compare_export;
use crate::engine::EngineError;
use crate::preview::{AttributeLine, Preview};
use metaverse_schema::{Value, ValueKind};
use std::collections::BTreeSet;
use sync_kernel::{CsId, MvObject, MvValue, Subject};
use sync_rules::{Expectation, ExpectedAttribute, ExpectedValue, ExpectedValues, FlowSource, SourcePlace, TestStep};
use sync_store::{ErrorFilter, ErrorLine, ErrorSubject, StoreError};

/// Rows of a reference attribute that a test looks at.
pub(super) const ROWS: usize = 10_000;

/// A value, or the object that it points at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Atom {
    Value(Value),
    Object(CsId),
    /// An object of the test for which there is nothing in that system.
    Nothing(String),
}

/// What is compared for one object of a step.
pub(super) struct Subjects<'b> {
    pub(super) bench: &'b Bench,
    pub(super) step: &'b TestStep,
    pub(super) expectation: &'b Expectation,
    pub(super) tracked: &'b Tracked,
    pub(super) mv: Option<MvObject>,
    pub(super) mismatches: Vec<Mismatch>,
}

pub(super) fn compare(bench: &Bench, step: &TestStep) -> Result<Vec<Mismatch>, EngineError> {
    let mut mismatches = Vec::new();
    for expectation in &step.expect {
        let Some(tracked) = bench.objects.get(&expectation.object) else { continue };
        let mv = tracked.mv.map(|mv| bench.engine.store().metaverse(mv)).transpose()?.flatten();
        let mut subjects = Subjects { bench, step, expectation, tracked, mv, mismatches: Vec::new() };
        subjects.compare_link();
        subjects.compare_scope()?;
        subjects.compare_metaverse()?;
        for export in &expectation.exports {
            compare_export(&mut subjects, export)?;
        }
        mismatches.append(&mut subjects.mismatches);
    }
    mismatches.extend(compare_errors(bench, step)?);
    Ok(mismatches)
}

/// An error that nobody expects fails the test, whichever object it is on.
fn compare_errors(bench: &Bench, step: &TestStep) -> Result<Vec<Mismatch>, StoreError> {
    let mut mismatches = Vec::new();
    for (name, tracked) in &bench.objects {
        let expectation = step.expect.iter().find(|expectation| expectation.object == *name);
        let expected = expectation.and_then(|expectation| expectation.error.as_ref());
        let mut lines: Vec<ErrorLine> = Vec::new();
        let subjects = [tracked.object.map(ErrorSubject::Object), tracked.mv.map(ErrorSubject::Metaverse)];
        for subject in subjects.into_iter().flatten() {
            let filter = ErrorFilter { subject: Some(subject), ..ErrorFilter::default() };
            lines.extend(bench.engine.store().errors(&filter, 5)?);
        }
        let wanted = expected.and_then(|expected| expected.value.as_deref());
        let as_wanted = match wanted {
            Some(code) => lines.iter().any(|line| line.code == code),
            None => lines.is_empty(),
        };
        if as_wanted {
            continue;
        }
        let place = expected
            .map(|expected| expected.place.clone())
            .or_else(|| expectation.map(|expectation| expectation.place.clone()))
            .unwrap_or_else(|| step.place.clone());
        mismatches.push(Mismatch {
            step: step.name.clone(),
            object: name.clone(),
            what: "error".to_owned(),
            place,
            wanted: wanted.unwrap_or("none").to_owned(),
            found: shown(lines.iter().map(|line| format!("{}: {}", line.code, line.message))),
            because: Vec::new(),
        });
    }
    Ok(mismatches)
}

impl Subjects<'_> {
    pub(super) fn differs(
        &mut self,
        what: impl Into<String>,
        place: &SourcePlace,
        wanted: String,
        found: String,
        line: Option<&AttributeLine>,
    ) {
        self.mismatches.push(Mismatch {
            step: self.step.name.clone(),
            object: self.expectation.object.clone(),
            what: what.into(),
            place: place.clone(),
            wanted,
            found,
            because: self.bench.because(line),
        });
    }

    fn compare_link(&mut self) {
        if let Some(linked) = &self.expectation.linked
            && linked.value != self.mv.is_some()
        {
            let text = |linked: bool| if linked { "linked to a metaverse object" } else { "not linked" }.to_owned();
            let found = text(self.mv.is_some());
            self.differs("link", &linked.place, text(linked.value), found, None);
        }
        if let Some(joined) = &self.expectation.joined {
            let same = |(name, other): &(&String, &Tracked)| {
                other.mv.is_some() && other.mv == self.tracked.mv && **name != self.expectation.object
            };
            let found: BTreeSet<&str> = self.bench.objects.iter().filter(same).map(|(name, _)| name.as_str()).collect();
            let wanted: BTreeSet<&str> = joined.value.iter().map(String::as_str).collect();
            if found != wanted {
                let (wanted, found) = (shown(wanted.into_iter()), shown(found.into_iter()));
                self.differs("joined with", &joined.place, wanted, found, None);
            }
        }
        if let Some(wanted) = &self.expectation.metaverse_type {
            let found = self.mv.as_ref().map(|mv| mv.object_type.clone());
            if found.as_ref() != Some(&wanted.value) {
                let found = found.map_or("no metaverse object".to_owned(), |found| found.to_string());
                self.differs("metaverse type", &wanted.place, wanted.value.to_string(), found, None);
            }
        }
    }

    fn compare_scope(&mut self) -> Result<(), EngineError> {
        let expectation = self.expectation;
        if expectation.in_scope.is_empty() && expectation.not_in_scope.is_empty() {
            return Ok(());
        }
        let scopes = match self.tracked.object {
            Some(object) => self.bench.engine.reading().preview(Subject::Connector(object))?.scopes,
            None => Vec::new(),
        };
        let wanted = expectation.in_scope.iter().map(|rule| (rule, true));
        let unwanted = expectation.not_in_scope.iter().map(|rule| (rule, false));
        for (rule, wanted) in wanted.chain(unwanted) {
            let found = scopes.iter().find(|scope| *scope.rule == *rule.value).map(|scope| scope.in_scope);
            if found.unwrap_or(false) != wanted {
                let text = |inside: bool| if inside { "in scope" } else { "not in scope" }.to_owned();
                let found = found.map_or("a rule for other objects".to_owned(), text);
                self.differs(format!("rule {}", rule.value), &rule.place, text(wanted), found, None);
            }
        }
        Ok(())
    }

    fn compare_metaverse(&mut self) -> Result<(), EngineError> {
        let expectation = self.expectation;
        let mut preview: Option<Preview> = None;
        for expected in &expectation.metaverse {
            let found = match &self.mv {
                Some(mv) => self.metaverse_atoms(mv, expected)?,
                None => BTreeSet::new(),
            };
            let connector = match self.mv.as_ref().and_then(|mv| mv.attributes.get(&expected.name)) {
                Some(value) => self.bench.engine.store().object(value.contributor)?.map(|object| object.connector),
                None => Some(self.tracked.connector.clone()),
            };
            let connector = connector.unwrap_or_else(|| self.tracked.connector.clone());
            if self.holds(expected, &found, &connector) {
                continue;
            }
            if preview.is_none()
                && let Some(mv) = &self.mv
            {
                preview = Some(self.bench.engine.reading().preview(Subject::Metaverse(mv.id))?);
            }
            let lines = preview.iter().flat_map(|preview| &preview.metaverse).flat_map(|mv| &mv.attributes);
            let line = lines.into_iter().find(|line| expected.name == *line.attribute).cloned();
            let found = match self.mv {
                Some(_) => self.atoms_text(&found),
                None => "no metaverse object".to_owned(),
            };
            let wanted = self.wanted_text(expected);
            self.differs(format!("metaverse {}", expected.name), &expected.place, wanted, found, line.as_ref());
        }
        Ok(())
    }

    fn metaverse_atoms(&self, mv: &MvObject, expected: &ExpectedAttribute) -> Result<BTreeSet<Atom>, StoreError> {
        let Some(value) = mv.attributes.get(&expected.name) else { return Ok(BTreeSet::new()) };
        let known = self.bench.engine.rules().metaverse.attribute(mv.object_type.as_str(), expected.name.as_str());
        if known.is_some_and(|known| known.kind == ValueKind::Reference) {
            return self.contributed_references(expected, value);
        }
        Ok(value.values.iter().cloned().map(Atom::Value).collect())
    }

    /// The rows of a reference attribute are its contributor's.
    fn contributed_references(
        &self,
        expected: &ExpectedAttribute,
        value: &MvValue,
    ) -> Result<BTreeSet<Atom>, StoreError> {
        let rule = self.bench.rule(&value.rule);
        let flow = rule.and_then(|rule| rule.flows.iter().find(|flow| flow.target == expected.name));
        let Some(FlowSource::Direct(source)) = flow.map(|flow| &flow.source) else { return Ok(BTreeSet::new()) };
        let rows = self.bench.engine.store().members(value.contributor, source.as_str(), None, ROWS)?;
        Ok(rows
            .into_iter()
            .filter(|row| row.unsynchronised != Some("removed"))
            .map(|row| Atom::Object(row.id))
            .collect())
    }

    /// Whether the values are those expected; names of objects are meant in the given connector.
    pub(super) fn holds(&self, expected: &ExpectedAttribute, found: &BTreeSet<Atom>, connector: &str) -> bool {
        match &expected.values {
            ExpectedValues::Present => !found.is_empty(),
            ExpectedValues::Exactly(values) => {
                let wanted: BTreeSet<Atom> = values.iter().map(|value| self.atom(value, connector)).collect();
                wanted == *found
            }
        }
    }

    fn atom(&self, value: &ExpectedValue, connector: &str) -> Atom {
        match value {
            ExpectedValue::Value(value) => Atom::Value(value.clone()),
            ExpectedValue::Object(name) => match self.bench.stands_for(name, connector) {
                Some(object) => Atom::Object(object),
                None => Atom::Nothing(name.clone()),
            },
        }
    }

    pub(super) fn wanted_text(&self, expected: &ExpectedAttribute) -> String {
        match &expected.values {
            ExpectedValues::Present => "any value".to_owned(),
            ExpectedValues::Exactly(values) => shown(values.iter().map(|value| match value {
                ExpectedValue::Value(value) => value.to_string(),
                ExpectedValue::Object(name) => name.clone(),
            })),
        }
    }

    pub(super) fn atoms_text(&self, atoms: &BTreeSet<Atom>) -> String {
        shown(atoms.iter().map(|atom| match atom {
            Atom::Value(value) => value.to_string(),
            Atom::Object(object) => self.name_of(*object),
            Atom::Nothing(name) => name.clone(),
        }))
    }

    pub(super) fn name_of(&self, object: CsId) -> String {
        match self.bench.called(object) {
            Some(name) => name.to_owned(),
            None => crate::names::name_by_id(self.bench.engine.store(), object)
                .map_or_else(|_| object.to_string(), |name| name.text()),
        }
    }
}

/// On one line; `nothing` for none.
pub(super) fn shown<T: AsRef<str>>(values: impl Iterator<Item = T>) -> String {
    let values: Vec<String> = values.map(|value| value.as_ref().to_owned()).collect();
    if values.is_empty() { "nothing".to_owned() } else { values.join(", ") }
}
