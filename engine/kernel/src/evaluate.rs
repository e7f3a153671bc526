//! Gives expressions their inputs: an object's image in a connector space, or a metaverse object.

use crate::index::Index;
use crate::inputs::{NextChange, Run};
use crate::plan::ObjectError;
use crate::prepared::{PreparedFlow, Slot};
use crate::view::{CsObject, ExportMemory, MvValue};
use metaverse_schema::{Anchor, AttributeName, Attributes, ByName, Dn, Reference, Value, Values};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use sync_rules::{Expression, Flow, FlowSource, Inputs, Outcome, Rule, RuleId, RuleSet};

/// A connector-space image as an expression reads it: plain `[attr]` includes exports that no import has confirmed,
/// `ImportedValue` does not (S52).
pub(crate) struct ConnectorInputs<'a> {
    pub(crate) image: &'a Attributes,
    /// The attributes as `[attr]` reads them, where they are asked often.
    pub(crate) index: Option<Index<'a>>,
    pub(crate) memory: Option<&'a ExportMemory>,
    pub(crate) anchor: Option<&'a Anchor>,
    pub(crate) dn: Option<&'a Dn>,
    /// `[dn]` and `[rdn]` as values, once an expression asks for them.
    pub(crate) names: OnceCell<(Values, Values)>,
    pub(crate) counts: Option<&'a BTreeMap<AttributeName, u64>>,
    pub(crate) connector: &'a str,
    pub(crate) rules: &'a RuleSet,
    pub(crate) now: i64,
    /// None: a key of an index, which reads no clock.
    pub(crate) next_change: Option<&'a NextChange>,
}

impl<'a> ConnectorInputs<'a> {
    pub(crate) fn of(object: &'a CsObject, image: &'a Attributes, run: &'a Run<'_>) -> Self {
        ConnectorInputs {
            image,
            index: None,
            memory: Some(&object.memory),
            anchor: object.anchor.as_ref(),
            dn: object.dn.as_ref(),
            names: OnceCell::new(),
            counts: Some(&object.reference_counts),
            connector: &object.connector,
            rules: &run.rules,
            now: run.now,
            next_change: Some(&run.next_change),
        }
    }

    /// The same for one whose flows are evaluated.
    pub(crate) fn indexed(object: &'a CsObject, image: &'a Attributes, run: &'a Run<'_>) -> Self {
        let index = Index::of_image(image, &object.memory, &run.prepared.slots);
        ConnectorInputs { index: Some(index), ..ConnectorInputs::of(object, image, run) }
    }

    fn names(&self) -> Option<&(Values, Values)> {
        let dn = self.dn?;
        Some(self.names.get_or_init(|| {
            let rdn = dn.rdn().map(|rdn| Value::text(rdn.to_string()));
            (Values::single(Value::Reference(Reference::Dn(dn.clone()))), rdn.map(Values::single).unwrap_or_default())
        }))
    }
}

impl Inputs for ConnectorInputs<'_> {
    fn attribute(&self, name: &str) -> Option<Cow<'_, Values>> {
        if let Some(known) = self.index.as_ref().and_then(|index| index.get(name)) {
            return known.map(Cow::Borrowed);
        }
        match self.memory.and_then(|memory| memory.attributes.get(name)) {
            Some(remembered) => Some(Cow::Borrowed(&remembered.wanted)).filter(|values| !values.is_empty()),
            None => self.imported(name),
        }
    }

    fn imported(&self, name: &str) -> Option<Cow<'_, Values>> {
        match name {
            "dn" => Some(Cow::Borrowed(&self.names()?.0)),
            "rdn" => Some(Cow::Borrowed(&self.names()?.1)).filter(|values| !values.is_empty()),
            name => self.image.get(name).map(Cow::Borrowed),
        }
    }

    fn count(&self, name: &str) -> usize {
        match self.counts.and_then(|counts| counts.get(name)) {
            Some(count) => usize::try_from(*count).unwrap_or(usize::MAX),
            None => self.image.get(name).map_or(0, Values::len),
        }
    }

    fn parameter(&self, name: &str) -> Option<Value> {
        parameter(self.rules, self.connector, name)
    }

    fn now(&self) -> i64 {
        self.now
    }

    fn answer_changes_at(&self, instant: i64) {
        if let Some(next) = self.next_change {
            next.note(instant, self.now);
        }
    }

    /// The anchor is the same in every run, and after a rebuild of the store.
    fn seed(&self) -> Cow<'_, [u8]> {
        let anchor = self.anchor.map(ToString::to_string).unwrap_or_default();
        Cow::Owned(format!("{}\0{anchor}", self.connector).into_bytes())
    }
}

/// A metaverse object as an outbound expression reads it.
pub(crate) struct MetaverseInputs<'a> {
    pub(crate) attributes: &'a ByName<MvValue>,
    /// The attributes by name, where they are asked often.
    pub(crate) index: Option<&'a Index<'a>>,
    pub(crate) connector: &'a str,
    pub(crate) rules: &'a RuleSet,
    pub(crate) now: i64,
    pub(crate) next_change: Option<&'a NextChange>,
}

impl<'a> MetaverseInputs<'a> {
    pub(crate) fn of(attributes: &'a ByName<MvValue>, connector: &'a str, run: &'a Run<'_>) -> Self {
        MetaverseInputs {
            attributes,
            index: None,
            connector,
            rules: &run.rules,
            now: run.now,
            next_change: Some(&run.next_change),
        }
    }
}

impl Inputs for MetaverseInputs<'_> {
    fn attribute(&self, name: &str) -> Option<Cow<'_, Values>> {
        match self.index.and_then(|index| index.get(name)) {
            Some(known) => known.map(Cow::Borrowed),
            None => {
                self.attributes.get(name).map(|value| Cow::Borrowed(&value.values)).filter(|values| !values.is_empty())
            }
        }
    }

    fn parameter(&self, name: &str) -> Option<Value> {
        parameter(self.rules, self.connector, name)
    }

    fn now(&self) -> i64 {
        self.now
    }

    fn answer_changes_at(&self, instant: i64) {
        if let Some(next) = self.next_change {
            next.note(instant, self.now);
        }
    }

    /// A new object has no number yet, so it is known by the first of its contributors.
    fn seed(&self) -> Cow<'_, [u8]> {
        let contributor = self.attributes.values().map(|value| value.contributor).min();
        Cow::Owned(format!("{}\0{contributor:?}", self.connector).into_bytes())
    }
}

pub(crate) fn parameter(rules: &RuleSet, connector: &str, name: &str) -> Option<Value> {
    if name == "Connector.ID" {
        return Some(Value::text(connector));
    }
    rules.parameters.get(name).cloned()
}

/// Inputs of a flow: each rule and target attribute draws its own values (X49), and always the same.
struct FlowInputs<'a> {
    inputs: &'a dyn Inputs,
    /// An index of the same object, and where it holds what the expression reads, by position.
    known: Option<(&'a Index<'a>, &'a [Option<Slot>])>,
    rule: &'a RuleId,
    target: &'a str,
}

impl Inputs for FlowInputs<'_> {
    fn attribute(&self, name: &str) -> Option<Cow<'_, Values>> {
        self.inputs.attribute(name)
    }

    fn attribute_at(&self, position: usize, name: &str) -> Option<Cow<'_, Values>> {
        match self.known.and_then(|(index, places)| Some((index, places.get(position).copied().flatten()?))) {
            Some((index, slot)) => index.at(slot).map(Cow::Borrowed),
            None => self.inputs.attribute(name),
        }
    }

    fn imported(&self, name: &str) -> Option<Cow<'_, Values>> {
        self.inputs.imported(name)
    }

    fn count(&self, name: &str) -> usize {
        self.inputs.count(name)
    }

    fn parameter(&self, name: &str) -> Option<Value> {
        self.inputs.parameter(name)
    }

    fn now(&self) -> i64 {
        self.inputs.now()
    }

    fn answer_changes_at(&self, instant: i64) {
        self.inputs.answer_changes_at(instant);
    }

    fn seed(&self) -> Cow<'_, [u8]> {
        let mut seed = self.inputs.seed().into_owned();
        seed.extend(format!("\0{}\0{}", self.rule, self.target).bytes());
        Cow::Owned(seed)
    }
}

/// What a flow gives. An empty text is no value (S49).
pub(crate) fn flow_outcome(
    source: &FlowSource,
    inputs: &dyn Inputs,
    rule: &RuleId,
    target: &str,
) -> Result<Outcome, ObjectError> {
    match source {
        FlowSource::Direct(attribute) => Ok(as_it_is(inputs.attribute(attribute.as_str()).as_deref())),
        FlowSource::Constant(value) => Ok(as_it_is(Some(&Values::single(value.clone())))),
        FlowSource::Expression(expression) => {
            evaluate(expression, &FlowInputs { inputs, known: None, rule, target }, rule, target)
        }
    }
}

/// The same for a flow of which it is known where its object's index holds what it reads.
pub(crate) fn prepared_outcome(
    prepared: &PreparedFlow,
    (rule, flow): (&Rule, &Flow),
    index: &Index<'_>,
    inputs: &dyn Inputs,
) -> Result<Outcome, ObjectError> {
    match (index.known_outcome(prepared), &flow.source) {
        (Some(outcome), _) => Ok(outcome),
        (None, FlowSource::Expression(expression)) => {
            let (rule, target) = (&rule.id, flow.target.as_str());
            let known = Some((index, prepared.places.as_slice()));
            evaluate(expression, &FlowInputs { inputs, known, rule, target }, rule, target)
        }
        (None, source) => flow_outcome(source, inputs, &rule.id, flow.target.as_str()),
    }
}

/// What a flow of an attribute without an expression gives.
pub(crate) fn as_it_is(values: Option<&Values>) -> Outcome {
    let is_empty = |value: &Value| value.as_text() == Some("");
    match values {
        Some(values) if !values.iter().any(is_empty) && !values.is_empty() => Outcome::Values(values.clone()),
        Some(values) => {
            let kept: Values = values.iter().filter(|value| !is_empty(value)).cloned().collect();
            if kept.is_empty() { Outcome::Null } else { Outcome::Values(kept) }
        }
        None => Outcome::Null,
    }
}

/// Evaluates an expression; an error names the rule and the attribute, and fails the object (X14).
pub(crate) fn evaluate(
    expression: &Expression,
    inputs: &dyn Inputs,
    rule: &RuleId,
    attribute: &str,
) -> Result<Outcome, ObjectError> {
    expression.evaluate(inputs).map_err(|error| ObjectError {
        code: error.code.to_owned(),
        message: format!("{} (in `{}`)", error.message, expression.text()),
        rule: Some(rule.clone()),
        attribute: Some(attribute.to_owned()),
    })
}

/// The values of an expression where only values count: keys and conditions.
pub(crate) fn values_of(expression: &Expression, inputs: &dyn Inputs) -> Result<Values, sync_rules::EvaluationError> {
    Ok(match expression.evaluate(inputs)? {
        Outcome::Values(values) => values,
        _ => Values::default(),
    })
}
