//! Names and the attribute map that an object is, wherever it stands.

use crate::{ByName, Value, Values};
use serde::{Serialize, Serializer};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(name: impl AsRef<str>) -> Self {
                $name(Arc::from(name.as_ref()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                $name::new(name)
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

name_type! {
    /// An attribute's name, in the spelling of the schema it belongs to. Case-sensitive inside the engine (X2);
    /// connectors translate what their system returns to the schema's spelling.
    AttributeName
}

name_type! {
    /// An object's type in a connector space or in the metaverse, such as `user`, `group`, `person`.
    ObjectType
}

/// The attributes of one object image, in the order of their names. An attribute without values is not in the map: "cleared" is
/// absence here, and "not requested" or "unreadable" never reach an image (SF27).
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Attributes(ByName<Values>);

impl Attributes {
    pub fn new() -> Self {
        Attributes::default()
    }

    /// Of attributes that are in the order of their names already, each once and with a value.
    pub fn from_ordered(attributes: Vec<(AttributeName, Values)>) -> Self {
        debug_assert!(attributes.iter().all(|(_, values)| !values.is_empty()), "an attribute without values");
        Attributes(ByName::from_ordered(attributes))
    }

    pub fn get(&self, name: &str) -> Option<&Values> {
        self.0.get(name)
    }

    /// The first value in set order; the value of a single-valued attribute.
    pub fn first(&self, name: &str) -> Option<&Value> {
        self.get(name).and_then(Values::first)
    }

    /// The first value, when it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.first(name).and_then(Value::as_text)
    }

    /// Replaces an attribute; no values removes it.
    pub fn set(&mut self, name: impl Into<AttributeName>, values: impl Into<Values>) {
        let (name, values) = (name.into(), values.into());
        match values.is_empty() {
            true => drop(self.0.remove(&name)),
            false => drop(self.0.insert(name, values)),
        }
    }

    /// Adds one value to an attribute.
    pub fn add(&mut self, name: impl Into<AttributeName>, value: Value) -> bool {
        let name = name.into();
        match self.0.get_mut(&name) {
            Some(values) => values.insert(value),
            None => {
                self.0.insert(name, Values::single(value));
                true
            }
        }
    }

    pub fn remove(&mut self, name: &str) -> Option<Values> {
        self.0.remove(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&AttributeName, &Values)> {
        self.0.iter()
    }

    pub fn names(&self) -> impl Iterator<Item = &AttributeName> {
        self.0.keys()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Of an attribute that comes twice the last counts.
impl FromIterator<(AttributeName, Values)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (AttributeName, Values)>>(attributes: I) -> Self {
        Attributes(attributes.into_iter().filter(|(_, values)| !values.is_empty()).collect())
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl IntoIterator for Attributes {
    type Item = (AttributeName, Values);
    type IntoIter = std::vec::IntoIter<(AttributeName, Values)>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Whatever is done in whatever order, it is what a map would hold.
    #[test]
    fn attributes_are_a_map_in_the_order_of_names() {
        let names = ["mail", "cn", "title", "a", "sn", "mail", "zz", "cn"];
        let mut attributes = Attributes::new();
        let mut map: BTreeMap<AttributeName, Values> = BTreeMap::new();
        for (round, name) in names.into_iter().cycle().take(40).enumerate() {
            let value = Value::text(format!("{round}"));
            match round % 5 {
                0 | 1 => {
                    attributes.set(name, value.clone());
                    map.insert(name.into(), value.into());
                }
                2 => {
                    let known = map.get(name).is_some_and(|values| values.contains(&value));
                    assert_eq!(attributes.add(name, value.clone()), !known);
                    map.entry(name.into()).or_default().insert(value);
                }
                3 => {
                    attributes.set(name, Values::default());
                    map.remove(name);
                }
                _ => assert_eq!(attributes.remove(name), map.remove(name)),
            }
            assert!(attributes.iter().eq(map.iter()), "{attributes:?} is not {map:?}");
            assert_eq!(attributes.get(name), map.get(name));
            assert_eq!(attributes.len(), map.len());
        }
        assert!(!attributes.is_empty());
        assert!(attributes.names().eq(map.keys()));
        let again: Attributes = map.clone().into_iter().collect();
        assert_eq!(again, attributes);
        assert_eq!(format!("{attributes:?}"), format!("{map:?}"));
    }

    #[test]
    fn of_an_attribute_that_comes_twice_the_last_counts() {
        let pairs = [("b", "1"), ("a", "1"), ("b", "2"), ("c", ""), ("b", "3"), ("a", "2")];
        let pairs = pairs.map(|(name, text)| {
            let values = if text.is_empty() { Values::default() } else { Value::text(text).into() };
            (AttributeName::new(name), values)
        });
        let attributes: Attributes = pairs.into_iter().collect();
        assert_eq!(format!("{attributes:?}"), r#"{a: "2", b: "3"}"#);
    }
}
