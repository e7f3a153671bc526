//! Names by the hundred: finds an object's attributes by name without walking its map, and puts names in order. An index belongs
//! to one decision and borrows the attributes, so it cannot outlive a change of them.

use crate::view::MvValue;
use foldhash::fast::FixedState;
use metaverse_schema::{AttributeName, Attributes, Values};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The values of one object by attribute name. An attribute without values is not in it.
pub(crate) struct Index<'a>(HashMap<&'a str, &'a Values, FixedState>);

impl<'a> Index<'a> {
    pub(crate) fn of_image(image: &'a Attributes) -> Self {
        Index(image.iter().map(|(name, values)| (name.as_str(), values)).collect())
    }

    pub(crate) fn of_metaverse(attributes: &'a BTreeMap<AttributeName, MvValue>) -> Self {
        let held = attributes.iter().filter(|(_, value)| !value.values.is_empty());
        Index(held.map(|(name, value)| (name.as_str(), &value.values)).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a Values> {
        self.0.get(name).copied()
    }
}

/// In the order of the names by their bytes, and of a name's own order among those of one name; what is equal in both stays as
/// it stood. Most names differ in their first sixteen bytes, which are compared as one number, and parts that stand in order
/// already are only merged.
pub(crate) fn in_name_order<T, O: Ord>(
    items: Vec<T>,
    name: impl Fn(&T) -> &AttributeName,
    order: impl Fn(&T) -> O,
) -> Vec<T> {
    let mut keyed: Vec<(u128, T)> = items.into_iter().map(|item| (beginning(name(&item).as_str()), item)).collect();
    keyed.sort_by(|(left, one), (right, other)| {
        left.cmp(right).then_with(|| name(one).cmp(name(other))).then_with(|| order(one).cmp(&order(other)))
    });
    keyed.into_iter().map(|(_, item)| item).collect()
}

/// The first sixteen bytes as a number that is ordered as they are; a shorter name is filled up with zeros.
fn beginning(name: &str) -> u128 {
    let bytes = name.as_bytes();
    u128::from_be_bytes(bytes.first_chunk().copied().unwrap_or_else(|| {
        let mut filled = [0; 16];
        filled[..bytes.len()].copy_from_slice(bytes);
        filled
    }))
}

/// The attributes whose values differ between two states of an object.
pub(crate) fn differing(
    before: &BTreeMap<AttributeName, MvValue>,
    after: &BTreeMap<AttributeName, MvValue>,
) -> BTreeSet<AttributeName> {
    let mut names = BTreeSet::new();
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let order = match (before.peek(), after.peek()) {
            (Some((old, _)), Some((new, _))) => old.cmp(new),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return names,
        };
        let gone = if order.is_le() { before.next() } else { None };
        let come = if order.is_ge() { after.next() } else { None };
        match (gone, come) {
            (Some((_, old)), Some((_, new))) if old.values == new.values => {}
            (gone, come) => names.extend(gone.or(come).map(|(name, _)| name.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::CsId;
    use metaverse_schema::Value;

    #[test]
    fn names_stand_by_their_bytes_then_by_their_own_order_and_equals_stay() {
        let items = [
            ("extensionAttribute2", 1, 'a'),
            ("extensionAttribute10", 1, 'b'),
            ("cn", 2, 'c'),
            ("cn", 1, 'd'),
            ("cn", 1, 'e'),
            ("c", 9, 'f'),
            ("extensionAttribu", 1, 'g'),
        ];
        let items: Vec<(AttributeName, i32, char)> =
            items.into_iter().map(|(name, order, letter)| (name.into(), order, letter)).collect();
        let sorted = in_name_order(items.clone(), |item| &item.0, |item| item.1);
        let mut expected = items;
        expected.sort_by(|one, other| one.0.cmp(&other.0).then(one.1.cmp(&other.1)));
        assert_eq!(sorted, expected);
        assert_eq!(sorted.iter().map(|item| item.2).collect::<String>(), "fdecgba");
    }

    #[test]
    fn what_came_went_or_changed_differs_and_the_contributor_does_not_count() {
        let state = |pairs: &[(&str, &str, i64)]| -> BTreeMap<AttributeName, MvValue> {
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
