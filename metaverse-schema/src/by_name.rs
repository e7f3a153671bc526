//! Attributes in the order of their names, in one piece: such maps are made, copied and gone through far more often than
//! changed. Knows nothing of what is held.

use crate::AttributeName;
use std::borrow::Borrow;
use std::fmt;

/// A map by attribute name, in order.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ByName<T>(Vec<(AttributeName, T)>);

impl<T> ByName<T> {
    pub fn new() -> Self {
        ByName(Vec::new())
    }

    /// Of pairs that are in the order of their names already, each name once.
    pub fn from_ordered(pairs: Vec<(AttributeName, T)>) -> Self {
        debug_assert!(pairs.is_sorted_by(|(one, _), (next, _)| one < next), "the names are not in order");
        ByName(pairs)
    }

    /// Where the name stands, or where it would.
    fn position(&self, name: &str) -> Result<usize, usize> {
        match self.0.last() {
            Some((last, _)) if last.as_str() < name => Err(self.0.len()),
            _ => self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)),
        }
    }

    pub fn get<N: Borrow<str> + ?Sized>(&self, name: &N) -> Option<&T> {
        self.position(name.borrow()).ok().and_then(|position| self.0.get(position)).map(|(_, held)| held)
    }

    pub fn get_mut<N: Borrow<str> + ?Sized>(&mut self, name: &N) -> Option<&mut T> {
        let position = self.position(name.borrow()).ok()?;
        self.0.get_mut(position).map(|(_, held)| held)
    }

    pub fn contains_key<N: Borrow<str> + ?Sized>(&self, name: &N) -> bool {
        self.position(name.borrow()).is_ok()
    }

    /// Returns what was held before.
    pub fn insert(&mut self, name: AttributeName, held: T) -> Option<T> {
        match self.position(name.as_str()) {
            Ok(position) => self.0.get_mut(position).map(|(_, before)| std::mem::replace(before, held)),
            Err(position) => {
                self.0.insert(position, (name, held));
                None
            }
        }
    }

    pub fn remove<N: Borrow<str> + ?Sized>(&mut self, name: &N) -> Option<T> {
        self.position(name.borrow()).ok().map(|position| self.0.remove(position).1)
    }

    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self.0.iter())
    }

    pub fn keys(&self) -> impl Iterator<Item = &AttributeName> {
        self.0.iter().map(|(name, _)| name)
    }

    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, held)| held)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for ByName<T> {
    fn default() -> Self {
        ByName::new()
    }
}

/// Of a name that comes twice the last counts.
impl<T> FromIterator<(AttributeName, T)> for ByName<T> {
    fn from_iter<I: IntoIterator<Item = (AttributeName, T)>>(pairs: I) -> Self {
        let mut pairs: Vec<(AttributeName, T)> = pairs.into_iter().collect();
        if !pairs.is_sorted_by(|(one, _), (next, _)| one < next) {
            pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
            // What is removed is the later of two, so its content moves to the place that stays.
            pairs.dedup_by(|later, earlier| {
                let same = later.0 == earlier.0;
                if same {
                    std::mem::swap(later, earlier);
                }
                same
            });
        }
        ByName(pairs)
    }
}

/// The pairs, in order.
#[derive(Debug, Clone)]
pub struct Iter<'a, T>(std::slice::Iter<'a, (AttributeName, T)>);

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = (&'a AttributeName, &'a T);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, held)| (name, held))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}

impl<'a, T> IntoIterator for &'a ByName<T> {
    type Item = (&'a AttributeName, &'a T);
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> IntoIterator for ByName<T> {
    type Item = (AttributeName, T);
    type IntoIter = std::vec::IntoIter<(AttributeName, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T: fmt::Debug> fmt::Debug for ByName<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Whatever is done in whatever order, it is what a map would hold.
    #[test]
    fn it_is_a_map_in_the_order_of_names() {
        let names = ["mail", "cn", "title", "a", "sn", "mail", "zz", "cn"];
        let mut held: ByName<usize> = ByName::new();
        let mut map: BTreeMap<AttributeName, usize> = BTreeMap::new();
        assert!(held.is_empty());
        for (round, name) in names.into_iter().cycle().take(60).enumerate() {
            assert_eq!(held.contains_key(name), map.contains_key(name));
            match round % 7 {
                0..4 => assert_eq!(held.insert(name.into(), round), map.insert(name.into(), round)),
                4 | 5 => assert_eq!(held.remove(name), map.remove(name)),
                _ => {
                    held.get_mut(name).into_iter().for_each(|number| *number += 100);
                    map.get_mut(name).into_iter().for_each(|number| *number += 100);
                }
            }
            assert!(held.iter().eq(map.iter()) && (&held).into_iter().eq(&map), "{held:?} is not {map:?}");
            assert!(held.keys().eq(map.keys()) && held.values().eq(map.values()));
            assert_eq!(held.get(name), map.get(name));
            assert_eq!((held.len(), held.is_empty(), held.iter().len()), (map.len(), map.is_empty(), map.len()));
            assert_eq!(held, map.clone().into_iter().collect());
            assert_eq!(format!("{held:?}"), format!("{map:?}"));
        }
        assert!(held.into_iter().eq(map));
    }

    #[test]
    fn of_a_name_that_comes_twice_the_last_counts() {
        let pairs = [("b", 1), ("a", 1), ("b", 2), ("c", 0), ("b", 3), ("a", 2)];
        let held: ByName<i32> = pairs.into_iter().map(|(name, number)| (AttributeName::new(name), number)).collect();
        assert_eq!(format!("{held:?}"), "{a: 2, b: 3, c: 0}");
    }
}
