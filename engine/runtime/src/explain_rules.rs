//! Why an object is in the scope of a rule or not, and whom its join rules found: the kernel's trace, with names. Part of an
//! explanation; decides nothing.

use crate::names::{ObjectName, connector_object, name_by_mv};
use crate::preview::{rule_name, selection_text};
use crate::reading::Reading;
use metaverse_schema::Values;
use serde::Serialize;
use sync_kernel::{CsObject, KeyHit, Neighbourhood, Staged, decide_selection, trace_joins, trace_scopes};
use sync_store::StoreError;

/// An inbound rule for objects of this type, and whether this one is in its scope.
#[derive(Debug, Clone, Serialize)]
pub struct ScopeExplanation {
    pub rule: String,
    pub name: String,
    /// `rules/20-ad-users.toml:12`, of the rule set that was applied.
    pub place: Option<String>,
    pub in_scope: bool,
    /// The clauses that do not hold, of each group; empty where it is in scope.
    pub failing: Vec<FailingClause>,
}

/// Whether `[scope]` selects an object.
#[derive(Debug, Clone, Serialize)]
pub struct SelectionExplanation {
    pub object: ObjectName,
    pub in_scope: bool,
    /// `in scope: it is a member of ...`
    pub text: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct FailingClause {
    /// As it is written.
    pub clause: String,
    /// What the object has.
    pub values: Values,
}

/// One clause of a join group: what was looked for, and what carries it.
#[derive(Debug, Clone, Serialize)]
pub struct LookupExplanation {
    pub rule: String,
    pub name: String,
    pub place: Option<String>,
    pub criterion: String,
    /// Expressions of both sides.
    pub source: String,
    pub target: String,
    /// None: nothing was looked for (S16).
    pub values: Values,
    pub hits: Vec<ObjectName>,
}

impl Reading<'_> {
    /// Of linked objects and of the object itself, those of connectors that `[scope]` limits.
    pub(crate) fn explain_selections(
        &self,
        linked: &[CsObject],
        own: Option<&CsObject>,
    ) -> Result<Vec<SelectionExplanation>, StoreError> {
        let others = own.filter(|own| !linked.iter().any(|object| object.id == own.id));
        linked
            .iter()
            .chain(others)
            .filter(|object| self.rules.selections.get(&object.connector).is_some_and(|selection| !selection.is_open()))
            .map(|object| {
                let decision = decide_selection(object, self.rules);
                Ok(SelectionExplanation {
                    object: connector_object(object),
                    in_scope: decision.is_selected(),
                    text: selection_text(self, &decision)?,
                })
            })
            .collect()
    }

    pub(crate) fn explain_scopes(&self, object: &CsObject) -> Result<Vec<ScopeExplanation>, StoreError> {
        let nothing = metaverse_schema::Attributes::new();
        let image = image_of(object).unwrap_or(&nothing);
        let lines = trace_scopes(object, image, &self.inputs()?).into_iter().map(|trace| {
            let clauses = trace.groups.into_iter().flatten();
            let failing = clauses.filter(|clause| !trace.in_scope && !clause.holds);
            ScopeExplanation {
                name: rule_name(self, &trace.rule),
                place: self.rules.places.rule(&trace.rule).map(ToString::to_string),
                in_scope: trace.in_scope,
                failing: failing
                    .map(|clause| FailingClause { clause: clause.clause.to_string(), values: clause.values })
                    .collect(),
                rule: trace.rule.to_string(),
            }
        });
        Ok(lines.collect())
    }

    /// In the order in which they are tried.
    pub(crate) fn explain_lookups(&self, object: &CsObject) -> Result<Vec<LookupExplanation>, StoreError> {
        let nothing = metaverse_schema::Attributes::new();
        let image = image_of(object).unwrap_or(&nothing);
        let mut lines = Vec::new();
        for trace in trace_joins(object, image, &self.inputs()?) {
            for lookup in trace.lookups {
                let mut answers = Neighbourhood::default();
                self.store.answer(&lookup.questions, &mut answers)?;
                let mut hits = Vec::new();
                for hit in lookup.questions.iter().flat_map(|question| answers.known_hits(question)) {
                    if let KeyHit::Metaverse(mv) = hit {
                        hits.push(name_by_mv(self.store, *mv)?);
                    }
                }
                lines.push(LookupExplanation {
                    rule: trace.rule.to_string(),
                    name: rule_name(self, &trace.rule),
                    place: self.rules.places.rule(&trace.rule).map(ToString::to_string),
                    criterion: trace.criterion.to_string(),
                    source: lookup.source,
                    target: lookup.target,
                    values: lookup.values,
                    hits,
                });
            }
        }
        Ok(lines)
    }
}

/// What the object was last known to hold, also when its import says that it is gone.
fn image_of(object: &CsObject) -> Option<&metaverse_schema::Attributes> {
    match &object.staged {
        Some(Staged::Deleted(_)) => object.synchronised.as_ref(),
        _ => object.imported(),
    }
}
