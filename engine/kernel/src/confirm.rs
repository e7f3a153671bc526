//! Confirmation of exports by import (O44-O50): only an entry for the object, or a full import, is evidence (SF15).

use crate::planted::{Fault, is_planted};
use crate::view::{ExportMemory, MemoryState};
use metaverse_schema::{AttributeName, Attributes, Values};
use std::collections::BTreeMap;

/// An exported value that the import did not return: `exported-change-not-reimported` (O47).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    pub attribute: AttributeName,
    pub wanted: Values,
    pub returned: Values,
}

/// Settles the export memory of an object against its freshly imported image. A confirmed value leaves the memory; a
/// contradicted one is held, and reported once: an already held value that returns the same thing again is not news.
/// Of a merged attribute only the values in `contributed` were this engine's to send, so they alone can be contradicted: what
/// others add and remove meanwhile is theirs (S57).
pub fn confirm_import(
    memory: &ExportMemory,
    contributed: &BTreeMap<AttributeName, Values>,
    image: &Attributes,
) -> (ExportMemory, Vec<Contradiction>) {
    let mut after = ExportMemory::default();
    let mut news = Vec::new();
    for (attribute, remembered) in &memory.attributes {
        let returned = image.get(attribute.as_str()).cloned().unwrap_or_default();
        let is_confirmed = match contributed.get(attribute) {
            None => returned == remembered.wanted,
            Some(own) => own.iter().all(|value| returned.contains(value) == remembered.wanted.contains(value)),
        };
        if is_confirmed || is_planted(Fault::CountHeldAsExported) {
            continue;
        }
        if remembered.state == MemoryState::Unconfirmed {
            news.push(Contradiction {
                attribute: attribute.clone(),
                wanted: remembered.wanted.clone(),
                returned: returned.clone(),
            });
        }
        let mut held = remembered.clone();
        held.state = MemoryState::Held { returned };
        after.attributes.insert(attribute.clone(), held);
    }
    (after, news)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Remembered;
    use metaverse_schema::Value;

    /// T25, O46, O47: confirmed, contradicted once, then only held.
    #[test]
    fn confirmed_values_leave_and_contradicted_ones_are_held_and_told_once() {
        let unconfirmed =
            |value: &str| Remembered { wanted: Value::text(value).into(), state: MemoryState::Unconfirmed };
        let mut memory = ExportMemory::default();
        memory.attributes.insert("title".into(), unconfirmed("Chef"));
        memory.attributes.insert("city".into(), unconfirmed("Bern"));
        let mut image = Attributes::new();
        image.set("title", Value::text("Chef"));
        image.set("city", Value::text("BERN"));
        let (after, news) = confirm_import(&memory, &BTreeMap::new(), &image);
        assert_eq!(news.len(), 1);
        assert_eq!(after.attributes["city"].state, MemoryState::Held { returned: Value::text("BERN").into() });
        assert!(!after.attributes.contains_key("title"));
        let (again, news) = confirm_import(&after, &BTreeMap::new(), &image);
        assert_eq!((again, news.len()), (after, 0));
    }
}
