//! Walks through both sides of a rule change and tells what differs: links, metaverse objects and their values. Holds one
//! page of numbers and one object of each side at a time.

use super::{ChangeKind, ChangeLine, RuleChange};
use crate::engine::EngineError;
use crate::names::{ObjectName, connector_object, metaverse_object};
use crate::preview::rule_name_in;
use crate::step::count;
use metaverse_schema::{AttributeName, Values};
use std::collections::{BTreeMap, BTreeSet};
use sync_kernel::{CsId, CsObject, MvId, MvObject, MvValue};
use sync_rules::RuleSet;
use sync_store::{ErrorFilter, ErrorSubject, Store, StoreError};

/// Objects of one page.
const PAGE: usize = 1_000;

pub(super) struct Walk<'w> {
    pub(super) before: &'w Store,
    pub(super) after: &'w Store,
    /// Of either side.
    pub(super) old_rules: &'w RuleSet,
    pub(super) rules: &'w RuleSet,
    /// Up to here both sides give a metaverse object the same number.
    pub(super) shared: MvId,
    pub(super) report: &'w mut RuleChange,
    pub(super) tell: &'w mut dyn FnMut(&ChangeLine),
}

/// A metaverse object on either side.
pub(super) type Pair = (Option<MvObject>, Option<MvObject>);

impl Walk<'_> {
    pub(super) fn all(mut self) -> Result<(), EngineError> {
        for connector in self.after.connectors() {
            let mut last = None;
            loop {
                let mut page: BTreeSet<CsId> = BTreeSet::new();
                for store in [self.before, self.after] {
                    page.extend(store.staging_page(&connector, last, PAGE)?);
                }
                let page: Vec<CsId> = page.into_iter().take(PAGE).collect();
                let Some(end) = page.last().copied() else { break };
                last = Some(end);
                for id in page {
                    self.object(id)?;
                }
            }
        }
        Ok(())
    }

    fn object(&mut self, id: CsId) -> Result<(), EngineError> {
        let (old, new) = (self.before.object(id)?, self.after.object(id)?);
        let mv_of =
            |object: &Option<CsObject>| object.as_ref().and_then(|object| object.link.as_ref()).map(|link| link.mv);
        let (old_mv, new_mv) = (mv_of(&old), mv_of(&new));
        self.link(&old, &new)?;
        self.existing_export(&old, &new)?;
        self.errors(id, &old, &new)?;
        for pair in self.pairs(id, old_mv, new_mv)? {
            self.metaverse(&pair)?;
            self.new_exports(&pair)?;
        }
        Ok(())
    }

    /// The metaverse objects that are told with this object: those of which it is the first on either side, so that each is
    /// told once.
    fn pairs(&self, id: CsId, old: Option<MvId>, new: Option<MvId>) -> Result<Vec<Pair>, StoreError> {
        let mut pairs = Vec::new();
        let is_shared = |mv: &MvId| *mv <= self.shared;
        for mv in [old, new].into_iter().flatten().filter(is_shared).collect::<BTreeSet<MvId>>() {
            let pair = (self.before.metaverse(mv)?, self.after.metaverse(mv)?);
            let first = [&pair.0, &pair.1].into_iter().flatten().flat_map(|mv| &mv.links).min();
            if first == Some(&id) {
                pairs.push(pair);
            }
        }
        // Made on one side or both: the same one when it begins with the same object.
        let made = |store: &Store, mv: Option<MvId>| -> Result<Option<MvObject>, StoreError> {
            let object = mv.filter(|mv| !is_shared(mv)).map(|mv| store.metaverse(mv)).transpose()?.flatten();
            Ok(object.filter(|object| object.links.iter().min() == Some(&id)))
        };
        let pair = (made(self.before, old)?, made(self.after, new)?);
        if pair.0.is_some() || pair.1.is_some() {
            pairs.push(pair);
        }
        Ok(pairs)
    }

    fn link(&mut self, old: &Option<CsObject>, new: &Option<CsObject>) -> Result<(), StoreError> {
        let partner = |store: &Store, object: &Option<CsObject>| -> Result<Option<(Partner, String)>, StoreError> {
            let Some(link) = object.as_ref().and_then(|object| object.link.as_ref()) else { return Ok(None) };
            let partner = match link.mv <= self.shared {
                true => Partner::Shared(link.mv),
                false => Partner::Made(store.metaverse(link.mv)?.and_then(|mv| mv.links.into_iter().min())),
            };
            Ok(Some((partner, link.rule.to_string())))
        };
        let (was, is) = (partner(self.before, old)?, partner(self.after, new)?);
        let kind = match (&was, &is) {
            (None, Some(_)) => ChangeKind::Linked,
            (Some(_), None) => ChangeKind::Unlinked,
            (Some((was, _)), Some((is, _))) if was != is => ChangeKind::Relinked,
            _ => return Ok(()),
        };
        let name_of = |store: &Store, object: &Option<CsObject>| -> Result<String, StoreError> {
            let link = object.as_ref().and_then(|object| object.link.as_ref());
            Ok(match link.map(|link| store.metaverse(link.mv)).transpose()?.flatten() {
                Some(mv) => metaverse_object(&mv).text(),
                None => "nothing".to_owned(),
            })
        };
        let Some(object) = new.as_ref().or(old.as_ref()) else { return Ok(()) };
        let mut line = ChangeLine::about(kind, connector_object(object));
        line.connector = Some(object.connector.to_string());
        (line.from, line.to) = (name_of(self.before, old)?, name_of(self.after, new)?);
        line.old_rule = was.map(|(_, rule)| rule_name_in(self.old_rules, &rule));
        line.new_rule = is.map(|(_, rule)| rule_name_in(self.rules, &rule));
        self.told(&line);
        Ok(())
    }

    fn errors(&mut self, id: CsId, old: &Option<CsObject>, new: &Option<CsObject>) -> Result<(), StoreError> {
        let filter = ErrorFilter { subject: Some(ErrorSubject::Object(id)), ..ErrorFilter::default() };
        let codes = |store: &Store| -> Result<Vec<String>, StoreError> {
            let lines = store.errors(&filter, 10)?;
            Ok(lines.into_iter().map(|line| format!("{}: {}", line.code, line.message)).collect())
        };
        let (was, is) = (codes(self.before)?, codes(self.after)?);
        if was == is {
            return Ok(());
        }
        let Some(object) = new.as_ref().or(old.as_ref()) else { return Ok(()) };
        let mut line = ChangeLine::about(ChangeKind::Error, connector_object(object));
        line.connector = Some(object.connector.to_string());
        (line.from, line.to) = (was.join("; "), is.join("; "));
        self.told(&line);
        Ok(())
    }

    fn metaverse(&mut self, pair: &Pair) -> Result<(), StoreError> {
        let (kind, object) = match pair {
            (None, Some(new)) => (ChangeKind::Created, new),
            (Some(old), None) => (ChangeKind::Deleted, old),
            (Some(old), Some(new)) => return self.values(old, new),
            (None, None) => return Ok(()),
        };
        self.told(&ChangeLine::about(kind, metaverse_object(object)));
        Ok(())
    }

    fn values(&mut self, old: &MvObject, new: &MvObject) -> Result<(), StoreError> {
        let names: BTreeSet<&AttributeName> = old.attributes.keys().chain(new.attributes.keys()).collect();
        let mut changed = false;
        for name in names {
            let (was, is) = (old.attributes.get(name), new.attributes.get(name));
            let (before, after) = (values_of(was), values_of(is));
            // A reference attribute has its values with its contributor.
            let same_rows =
                rows_of(self.before, self.old_rules, name, was)? == rows_of(self.after, self.rules, name, is)?;
            if before == after && (is.is_some() == was.is_some()) && same_rows {
                continue;
            }
            changed = true;
            count(&mut self.report.attributes, name.as_str(), 1);
            let mut line = ChangeLine::about(ChangeKind::Value, metaverse_object(new));
            line.attribute = Some(name.to_string());
            (line.old, line.new) = (before, after);
            line.old_rule = was.map(|value| rule_name_in(self.old_rules, &value.rule));
            line.new_rule = is.map(|value| rule_name_in(self.rules, &value.rule));
            self.told(&line);
        }
        self.report.objects += u64::from(changed);
        Ok(())
    }

    pub(super) fn told(&mut self, line: &ChangeLine) {
        count(&mut self.report.lines, &crate::step::counter_name(&line.kind), 1);
        (self.tell)(line);
    }
}

/// What an object is linked to: a metaverse object of both sides, or one that was made, known by its first object.
#[derive(PartialEq, Eq)]
enum Partner {
    Shared(MvId),
    Made(Option<CsId>),
}

impl ChangeLine {
    pub(super) fn about(kind: ChangeKind, object: ObjectName) -> Self {
        ChangeLine {
            kind,
            object,
            connector: None,
            attribute: None,
            old: Values::default(),
            new: Values::default(),
            from: String::new(),
            to: String::new(),
            old_rule: None,
            new_rule: None,
        }
    }
}

fn values_of(value: Option<&MvValue>) -> Values {
    value.map(|value| value.values.clone()).unwrap_or_default()
}

/// Whose rows a reference attribute has: the contributor and its attribute.
fn rows_of(
    store: &Store,
    rules: &RuleSet,
    name: &AttributeName,
    value: Option<&MvValue>,
) -> Result<BTreeMap<CsId, String>, StoreError> {
    let Some(value) = value.filter(|value| value.values.is_empty()) else { return Ok(BTreeMap::new()) };
    let rule = rules.rules.iter().find(|rule| rule.id == value.rule);
    let flow = rule.and_then(|rule| rule.flows.iter().find(|flow| flow.target == *name));
    let source = match flow.map(|flow| &flow.source) {
        Some(sync_rules::FlowSource::Direct(source)) => source.to_string(),
        // Of a rule that there is no longer; its attribute is then another one for certain.
        _ => String::new(),
    };
    let exists = store.object(value.contributor)?.is_some();
    Ok(exists.then_some((value.contributor, source)).into_iter().collect())
}
