//! Join keys: under which values an object can be found. Computed where an image is stored, looked up where a join is decided.

use crate::evaluate::{ConnectorInputs, MetaverseInputs, values_of};
use crate::view::MvValue;
use metaverse_schema::{Attributes, ByName, MatchKey, ObjectType, exact_match_key, match_key};
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use sync_rules::{ConnectorName, Expression, Inputs, JoinClause, KeyId, KeySpace, Rule, RuleSet};

/// The key values of one object: each definition with each of its values, in order, without repetition.
pub type ObjectKeys = Vec<(KeyId, MatchKey)>;

/// Keys of a connector-space image; they read its attributes and no clock, so that an index stays true.
/// A key whose expression fails has no value: the failure is told where a rule
/// uses it, and an object that cannot be found is never joined by mistake.
pub fn connector_keys(rules: &RuleSet, connector: &str, object_type: &ObjectType, image: &Attributes) -> ObjectKeys {
    let reader = ConnectorInputs {
        image,
        index: None,
        memory: None,
        anchor: None,
        dn: None,
        names: OnceCell::new(),
        counts: None,
        connector,
        rules,
        now: 0,
        next_change: None,
    };
    collect(rules, &reader, |space, wanted| {
        matches!(space, KeySpace::Connector(name) if &**name == connector)
            && wanted.is_none_or(|wanted| wanted == object_type)
    })
}

/// Keys of a metaverse object.
pub fn metaverse_keys(rules: &RuleSet, object_type: &ObjectType, attributes: &ByName<MvValue>) -> ObjectKeys {
    let reader = MetaverseInputs { attributes, index: None, connector: "", rules, now: 0, next_change: None };
    collect(rules, &reader, |space, wanted| {
        matches!(space, KeySpace::Metaverse) && wanted.is_none_or(|wanted| wanted == object_type)
    })
}

fn collect(
    rules: &RuleSet,
    reader: &dyn Inputs,
    applies: impl Fn(&KeySpace, Option<&ObjectType>) -> bool,
) -> ObjectKeys {
    let mut keys = ObjectKeys::new();
    for (position, definition) in rules.keys.iter().enumerate() {
        if applies(&definition.space, definition.object_type.as_ref()) {
            keys.extend(
                key_values(&definition.expression, definition.exact, reader)
                    .into_iter()
                    .map(|value| (KeyId(position), value)),
            );
        }
    }
    keys
}

/// Keys of one object as it is. Several rules look for the same key; it is computed once.
#[derive(Default)]
pub(crate) struct SourceKeys(RefCell<Vec<KnownKey>>);

struct KnownKey {
    expression: Expression,
    exact: bool,
    /// Whose parameters the expression reads.
    connector: ConnectorName,
    values: Rc<[MatchKey]>,
}

impl SourceKeys {
    /// The key values of a rule's clause; `inputs` are those of the one object for the rule's connector.
    pub(crate) fn of(&self, rule: &Rule, clause: &JoinClause, inputs: &dyn Inputs) -> Rc<[MatchKey]> {
        self.values(&clause.source, clause.exact, &rule.connector, inputs)
    }

    /// The key values of an expression; `inputs` are those of the one object for this connector.
    pub(crate) fn values(
        &self,
        expression: &Expression,
        exact: bool,
        connector: &ConnectorName,
        inputs: &dyn Inputs,
    ) -> Rc<[MatchKey]> {
        let is_it = |known: &&KnownKey| {
            known.exact == exact && known.connector == *connector && known.expression.text() == expression.text()
        };
        if let Some(known) = self.0.borrow().iter().find(is_it) {
            return known.values.clone();
        }
        let values: Rc<[MatchKey]> = key_values(expression, exact, inputs).into();
        let (expression, connector) = (expression.clone(), connector.clone());
        self.0.borrow_mut().push(KnownKey { expression, exact, connector, values: values.clone() });
        values
    }
}

/// The match keys of an expression's values, sorted and without repetition.
pub(crate) fn key_values(expression: &Expression, exact: bool, reader: &dyn Inputs) -> Vec<MatchKey> {
    let key = if exact { exact_match_key } else { match_key };
    let mut values: Vec<MatchKey> = values_of(expression, reader).unwrap_or_default().iter().map(key).collect();
    values.sort();
    values.dedup();
    values
}
