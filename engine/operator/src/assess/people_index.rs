//! Who in the directory has an anchor, an address or a sign-in name, and how many have it. Holds no judgement.

use super::inventory::{OtherHolder, Person, all_addresses, primary};
use std::collections::{BTreeSet, HashMap, HashSet};

type Uses = HashMap<String, usize>;

/// Those whom the deployment leaves out have an anchor that may be found in the tenant; nothing of theirs gets there.
#[derive(Debug, Default)]
pub(super) struct PeopleIndex {
    anchors: HashSet<String>,
    /// Addresses and sign-in names of people, groups and contacts, with how many have them.
    uses: Uses,
    primaries: Uses,
    sign_in_names: Uses,
}

impl PeopleIndex {
    pub(super) fn of(people: &[Person], others: &[OtherHolder]) -> PeopleIndex {
        let mut index = PeopleIndex::default();
        for person in people {
            if !person.anchor.is_empty() {
                index.anchors.insert(person.anchor.clone());
            }
            if person.left_out.is_some() {
                continue;
            }
            for key in keys(person) {
                *index.uses.entry(key).or_default() += 1;
            }
            if let Some(primary) = primary(&person.addresses, &person.mail) {
                *index.primaries.entry(primary).or_default() += 1;
            }
            if !person.sign_in_name.is_empty() {
                *index.sign_in_names.entry(person.sign_in_name.to_lowercase()).or_default() += 1;
            }
        }
        for key in others.iter().flat_map(|other| &other.addresses) {
            *index.uses.entry(key.clone()).or_default() += 1;
        }
        index
    }

    pub(super) fn has_anchor(&self, anchor: &str) -> bool {
        self.anchors.contains(anchor)
    }

    /// Of a person's keys those that somebody else has too.
    pub(super) fn shared(&self, person: &Person) -> Vec<String> {
        keys(person).into_iter().filter(|key| self.uses.get(key).is_some_and(|uses| *uses > 1)).collect()
    }

    /// Several people have this primary address: the engine matches and creates none of them.
    pub(super) fn shares_primary(&self, primary: &str) -> bool {
        self.primaries.get(primary).is_some_and(|uses| *uses > 1)
    }

    pub(super) fn shares_sign_in_name(&self, name: &str) -> bool {
        self.sign_in_names.get(name).is_some_and(|uses| *uses > 1)
    }
}

/// What must be one person's alone.
fn keys(person: &Person) -> BTreeSet<String> {
    let mut keys = all_addresses(&person.addresses, &person.mail);
    keys.extend((!person.sign_in_name.is_empty()).then(|| person.sign_in_name.to_lowercase()));
    keys
}
