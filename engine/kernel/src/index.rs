//! Names by the hundred: finds an object's attributes by name without walking its map, and tells two states of an object apart.
//! An index belongs to one decision and borrows the attributes, so it cannot outlive a change of them.

use crate::evaluate::as_it_is;
use crate::prepared::{PreparedFlow, Reads, Slot, Slots};
use crate::view::{ExportMemory, MvValue};
use metaverse_schema::{AttributeName, Attributes, ByName, Values};
use sync_rules::Outcome;

/// The values of one object by slot. An attribute without values is not in it, and neither is one that no rule reads.
pub(crate) struct Index<'a> {
    slots: &'a Slots,
    values: Vec<Option<&'a Values>>,
}

impl<'a> Index<'a> {
    fn of(slots: &'a Slots, held: impl Iterator<Item = (&'a AttributeName, &'a Values)>) -> Self {
        let mut index = Index { slots, values: vec![None; slots.len()] };
        for (name, values) in held {
            if let Some(Slot(position)) = slots.of(name.as_str()) {
                index.values[position] = Some(values).filter(|values| !values.is_empty());
            }
        }
        index
    }

    /// An image with what was exported and not imported again.
    pub(crate) fn of_image(image: &'a Attributes, memory: &'a ExportMemory, slots: &'a Slots) -> Self {
        let remembered = memory.attributes.iter().map(|(name, remembered)| (name, &remembered.wanted));
        Index::of(slots, image.iter().chain(remembered))
    }

    pub(crate) fn of_metaverse(attributes: &'a ByName<MvValue>, slots: &'a Slots) -> Self {
        Index::of(slots, attributes.iter().map(|(name, value)| (name, &value.values)))
    }

    /// The outer None: no rule reads the attribute, so the index does not know it.
    pub(crate) fn get(&self, name: &str) -> Option<Option<&'a Values>> {
        self.slots.of(name).map(|slot| self.at(slot))
    }

    pub(crate) fn at(&self, Slot(position): Slot) -> Option<&'a Values> {
        self.values.get(position).copied().flatten()
    }

    /// Whether it is certain, without an evaluation, that the flow contributes nothing.
    pub(crate) fn gives_nothing(&self, flow: &PreparedFlow) -> bool {
        match &flow.reads {
            Reads::Attribute(slot) => self.at(*slot).is_none(),
            Reads::Attributes { slots, otherwise: Outcome::Null } => self.has_none(slots),
            Reads::Attributes { .. } | Reads::Anything => false,
        }
    }

    /// The flow's outcome where it is known without an evaluation.
    pub(crate) fn known_outcome(&self, flow: &PreparedFlow) -> Option<Outcome> {
        match &flow.reads {
            Reads::Attribute(slot) => Some(as_it_is(self.at(*slot))),
            Reads::Attributes { slots, otherwise } if self.has_none(slots) => Some(otherwise.clone()),
            _ => None,
        }
    }

    fn has_none(&self, slots: &[Slot]) -> bool {
        slots.iter().all(|slot| self.at(*slot).is_none())
    }
}

/// The attributes whose values differ between two states of an object, in order.
pub(crate) fn differing(before: &ByName<MvValue>, after: &ByName<MvValue>) -> Vec<AttributeName> {
    if before.is_empty() {
        return after.keys().cloned().collect();
    }
    let mut names = Vec::new();
    let mut before = before.iter().peekable();
    for (name, new) in after {
        loop {
            match before.next_if(|(old, _)| *old <= name) {
                Some((gone, _)) if gone != name => names.push(gone.clone()),
                Some((_, old)) if old.values == new.values => break,
                _ => {
                    names.push(name.clone());
                    break;
                }
            }
        }
    }
    names.extend(before.map(|(gone, _)| gone.clone()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::CsId;
    use metaverse_schema::Value;

    #[test]
    fn what_came_went_or_changed_differs_and_the_contributor_does_not_count() {
        let state = |pairs: &[(&str, &str, i64)]| -> ByName<MvValue> {
            let value = |text: &str, contributor| MvValue {
                values: Value::text(text).into(),
                contributor: CsId(contributor),
                rule: "in".into(),
            };
            pairs.iter().map(|(name, text, by)| ((*name).into(), value(text, *by))).collect()
        };
        let before = state(&[("a", "1", 1), ("b", "1", 1), ("c", "1", 1), ("z", "1", 1)]);
        let after = state(&[("b", "1", 2), ("c", "2", 1), ("d", "1", 1)]);
        let names: Vec<String> = differing(&before, &after).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a", "c", "d", "z"]);
        assert!(differing(&after, &after).is_empty());
    }
}
