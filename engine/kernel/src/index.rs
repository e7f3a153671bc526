//! Names by the hundred: finds an object's attributes by name without walking its map, and puts names in order. An index belongs
//! to one decision and borrows the attributes, so it cannot outlive a change of them.

use crate::view::MvValue;
use foldhash::fast::FixedState;
use metaverse_schema::{AttributeName, Attributes, Values};
use std::collections::{BTreeMap, HashMap};

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

/// The place of a name among others, the same as by its bytes: most names differ in their first sixteen, which are compared
/// as one number.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NameOrder<'a> {
    beginning: u128,
    name: &'a str,
}

impl<'a> NameOrder<'a> {
    pub(crate) fn of(name: &'a AttributeName) -> Self {
        let name = name.as_str();
        let mut beginning = [0; 16];
        beginning.iter_mut().zip(name.bytes()).for_each(|(place, byte)| *place = byte);
        NameOrder { beginning: u128::from_be_bytes(beginning), name }
    }
}
