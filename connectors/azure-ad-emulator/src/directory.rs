//! The tenant's directory: objects, links, recycle bin and change numbers, kept consistent with their indexes. Every
//! change goes through here and takes a change number; whether a change is allowed is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::clock::{Millis, graph_time};
use crate::entry::{Deletion, Entry, Link, Tombstone};
use crate::guid::Guid;
use crate::indexes::{Indexes, Table};
use crate::password::KeptPassword;
use crate::schema::{Kind, is_tracked};
use crate::tenant_facts::TenantFacts;

/// All that a state file holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Directory {
    /// Drawn once per directory: page and delta tokens of another directory are recognised by it.
    pub(crate) instance: Guid,
    pub(crate) facts: TenantFacts,
    /// Added to system time.
    pub(crate) clock_offset_ms: Millis,
    objects: BTreeMap<Guid, Entry>,
    tombstones: BTreeMap<Guid, Tombstone>,
    change_number: u64,
    next_ordinal: u64,
    id_state: u64,
    #[serde(skip)]
    indexes: Indexes,
    /// Counts changes of anything that is stored; the state file is behind while it differs from what was written.
    #[serde(skip)]
    generation: u64,
}

/// What a round of a delta query finds at one place of the log.
pub(crate) enum LogItem<'a> {
    Object(&'a Entry),
    Gone(Guid),
}

impl Directory {
    /// An empty directory. `id_seed` starts the sequence of object ids: the same seed, the same ids.
    pub(crate) fn new(instance: Guid, facts: TenantFacts, id_seed: u64) -> Directory {
        Directory {
            instance,
            facts,
            clock_offset_ms: 0,
            objects: BTreeMap::new(),
            tombstones: BTreeMap::new(),
            change_number: 0,
            next_ordinal: 0,
            id_state: id_seed,
            indexes: Indexes::default(),
            generation: 1,
        }
    }

    /// Builds the look-up tables after reading a state file.
    pub(crate) fn rebuild_indexes(&mut self) {
        let mut indexes = Indexes::default();
        for entry in self.objects.values() {
            indexes.add(entry);
            if entry.is_live() {
                for member in entry.members() {
                    indexes.member_of.entry(member).or_default().insert(entry.id);
                }
            }
        }
        for (id, tombstone) in &self.tombstones {
            indexes.add_tombstone(*id, tombstone);
        }
        self.indexes = indexes;
    }

    // --- reading

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Other content took the place of a directory of that generation: the state file is behind.
    pub(crate) fn changed_since(&mut self, generation: u64) {
        self.generation = generation.wrapping_add(1);
    }

    pub(crate) fn change_number(&self) -> u64 {
        self.change_number
    }

    pub(crate) fn any(&self, id: Guid) -> Option<&Entry> {
        self.objects.get(&id)
    }

    pub(crate) fn live(&self, id: Guid) -> Option<&Entry> {
        self.objects.get(&id).filter(|entry| entry.is_live())
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.objects.values()
    }

    pub(crate) fn live_users(&self) -> usize {
        self.indexes.live_users
    }

    pub(crate) fn object_count(&self) -> usize {
        self.objects.len()
    }

    /// Live objects of a kind in listing order, from behind the given ordinal.
    pub(crate) fn listing(&self, kind: Kind, after: Option<u64>) -> impl Iterator<Item = (u64, &Entry)> {
        let start = match after {
            Some(after) => Bound::Excluded((kind, after)),
            None => Bound::Included((kind, 0)),
        };
        self.indexes
            .live
            .range((start, Bound::Included((kind, u64::MAX))))
            .filter_map(|((_, ordinal), id)| self.objects.get(id).map(|entry| (*ordinal, entry)))
    }

    /// The recycle bin, oldest first.
    pub(crate) fn recycle_bin(&self) -> impl Iterator<Item = &Entry> {
        self.indexes.deleted.iter().filter_map(|(_, id)| self.objects.get(id))
    }

    pub(crate) fn holders(&self, table: Table, key: &str) -> impl Iterator<Item = &Entry> + use<'_> {
        self.indexes.holders(table, key).filter_map(|id| self.objects.get(&id))
    }

    pub(crate) fn tombstone(&self, id: Guid) -> Option<&Tombstone> {
        self.tombstones.get(&id)
    }

    /// Live objects with values that are held back.
    pub(crate) fn with_held_back(&self) -> Vec<Guid> {
        self.indexes.held_back.iter().copied().collect()
    }

    /// Live groups that the object is a direct member of.
    pub(crate) fn groups_of(&self, id: Guid) -> impl Iterator<Item = &Entry> {
        self.indexes.member_of.get(&id).into_iter().flatten().filter_map(|group| self.live(*group))
    }

    /// Live groups that the object is a member of, directly or through groups.
    pub(crate) fn transitive_groups_of(&self, id: Guid) -> Vec<&Entry> {
        let mut found: BTreeSet<Guid> = BTreeSet::new();
        let mut pending = vec![id];
        while let Some(next) = pending.pop() {
            for group in self.groups_of(next) {
                if found.insert(group.id) {
                    pending.push(group.id);
                }
            }
        }
        found.into_iter().filter_map(|id| self.live(id)).collect()
    }

    /// The change log of one kind behind a position, oldest change first.
    pub(crate) fn log(&self, kind: Kind, after: u64) -> impl Iterator<Item = (u64, LogItem<'_>)> {
        let range = (Bound::Excluded((kind, after)), Bound::Included((kind, u64::MAX)));
        self.indexes.log.range(range).map(|((_, at), id)| match self.objects.get(id) {
            Some(entry) => (*at, LogItem::Object(entry)),
            None => (*at, LogItem::Gone(*id)),
        })
    }

    // --- changing

    /// Draws an object id (SplitMix64, two draws): reproducible, which makes rehearsals comparable.
    pub(crate) fn draw_id(&mut self) -> Guid {
        let high = u128::from(self.draw());
        let low = u128::from(self.draw());
        Guid::from_random_bits((high << 64) | low)
    }

    fn draw(&mut self) -> u64 {
        self.id_state = self.id_state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.id_state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Something outside the objects changed (facts, clock) and must reach the state file.
    pub(crate) fn mark_changed(&mut self) {
        self.generation += 1;
    }

    fn next_change(&mut self) -> u64 {
        self.change_number += 1;
        self.generation += 1;
        self.change_number
    }

    /// Adds a live object. The caller has checked every rule.
    pub(crate) fn create(&mut self, id: Guid, kind: Kind, properties: Map<String, Value>, created_ms: Millis) {
        let change = self.next_change();
        self.next_ordinal += 1;
        let entry = Entry {
            id,
            kind,
            ordinal: self.next_ordinal,
            created_ms,
            born: change,
            changed: change,
            properties,
            versions: BTreeMap::new(),
            manager: None,
            former_manager: None,
            links: BTreeMap::new(),
            owners: Vec::new(),
            is_cloud_managed: false,
            is_returning: false,
            source_anchor: None,
            synced: Map::new(),
            held_back: Vec::new(),
            password: None,
            deleted: None,
        };
        self.put_back(entry);
    }

    /// Sets properties. Equal values and clearing what was never set take no change number.
    pub(crate) fn update(&mut self, id: Guid, changes: Vec<(String, Value)>) {
        let Some(mut entry) = self.take_out(id) else { return };
        let mut change = None;
        for (name, value) in changes {
            let held = entry.properties.get(&name);
            if held == Some(&value) || (held.is_none() && value.is_null()) {
                continue;
            }
            if is_tracked(entry.kind, &name) {
                let number = *change.get_or_insert_with(|| self.next_change());
                entry.versions.insert(name.clone(), number);
                entry.changed = number;
            } else {
                self.generation += 1;
            }
            entry.properties.insert(name, value);
        }
        self.put_back(entry);
    }

    pub(crate) fn set_cloud_managed(&mut self, id: Guid, is_cloud_managed: bool) {
        if let Some(entry) = self.objects.get_mut(&id) {
            entry.is_returning = entry.is_cloud_managed && !is_cloud_managed;
            entry.is_cloud_managed = is_cloud_managed;
            self.generation += 1;
        }
    }

    /// Changes what only synchronisation knows of an object. Takes a change number, so that a read-back tells of it;
    /// Graph's deltas find no changed property.
    pub(crate) fn change_synced(&mut self, id: Guid, change: impl FnOnce(&mut Entry)) {
        let Some(mut entry) = self.take_out(id) else { return };
        change(&mut entry);
        entry.changed = self.next_change();
        self.put_back(entry);
    }

    pub(crate) fn set_password(&mut self, id: Guid, password: KeptPassword) {
        if let Some(entry) = self.objects.get_mut(&id) {
            entry.password = Some(password);
            self.generation += 1;
        }
    }

    pub(crate) fn set_owners(&mut self, id: Guid, owners: Vec<Guid>) {
        if let Some(entry) = self.objects.get_mut(&id) {
            entry.owners = owners;
            self.generation += 1;
        }
    }

    pub(crate) fn set_manager(&mut self, id: Guid, manager: Option<Guid>) {
        let Some(mut entry) = self.take_out(id) else { return };
        if entry.manager != manager {
            let number = self.next_change();
            entry.former_manager = entry.manager;
            entry.manager = manager;
            entry.versions.insert("manager".to_owned(), number);
            entry.changed = number;
        }
        self.put_back(entry);
    }

    pub(crate) fn add_member(&mut self, group: Guid, member: Guid) {
        let Some(kind) = self.objects.get(&member).map(|entry| entry.kind) else {
            return;
        };
        self.change_link(group, member, kind, true);
        self.indexes.member_of.entry(member).or_default().insert(group);
    }

    pub(crate) fn remove_member(&mut self, group: Guid, member: Guid) {
        let Some(link) = self.objects.get(&group).and_then(|entry| entry.links.get(&member)).copied() else {
            return;
        };
        self.change_link(group, member, link.kind, false);
        self.forget_membership(member, group);
    }

    fn change_link(&mut self, group: Guid, member: Guid, kind: Kind, present: bool) {
        let Some(mut entry) = self.take_out(group) else { return };
        let changed = self.next_change();
        entry.links.insert(member, Link { changed, present, kind });
        entry.changed = changed;
        self.put_back(entry);
    }

    fn forget_membership(&mut self, member: Guid, group: Guid) {
        if let Some(groups) = self.indexes.member_of.get_mut(&member) {
            groups.remove(&group);
            if groups.is_empty() {
                self.indexes.member_of.remove(&member);
            }
        }
    }

    /// Moves an object to the recycle bin: out of its groups (remembered), sign-in name prefixed with the id (A.9).
    pub(crate) fn soft_delete(&mut self, id: Guid, now: Millis, prefix_sign_in_name: bool) {
        let member_of = self.leave_all_groups(id);
        let own_members: Vec<Guid> = self.objects.get(&id).map(|e| e.members().collect()).unwrap_or_default();
        for member in own_members {
            self.forget_membership(member, id);
        }
        let Some(mut entry) = self.take_out(id) else { return };
        let name = entry.text("userPrincipalName").map(str::to_owned);
        if let Some(name) = name.as_deref().filter(|_| prefix_sign_in_name) {
            let prefixed = format!("{}{name}", id.without_dashes());
            entry.properties.insert("userPrincipalName".to_owned(), json!(prefixed));
        }
        entry.properties.insert("deletedDateTime".to_owned(), json!(graph_time(now)));
        entry.deleted = Some(Deletion { at_ms: now, user_principal_name: name, member_of });
        entry.changed = self.next_change();
        self.put_back(entry);
    }

    /// Removes an object for good; a tombstone tells deltas of it.
    pub(crate) fn purge(&mut self, id: Guid, now: Millis) {
        self.leave_all_groups(id);
        let Some(entry) = self.take_out(id) else { return };
        for member in entry.members() {
            self.forget_membership(member, id);
        }
        let source_anchor = entry.source_anchor.clone();
        let tombstone = Tombstone { kind: entry.kind, source_anchor, changed: self.next_change(), at_ms: now };
        self.indexes.add_tombstone(id, &tombstone);
        self.tombstones.insert(id, tombstone);
    }

    /// Brings an object back from the recycle bin with its memberships; the caller has resolved conflicts.
    pub(crate) fn restore(&mut self, id: Guid, changes: Vec<(String, Value)>) {
        let Some(mut entry) = self.take_out(id) else { return };
        let Some(deletion) = entry.deleted.take() else {
            self.put_back(entry);
            return;
        };
        let number = self.next_change();
        entry.born = number;
        entry.changed = number;
        if let Some(name) = deletion.user_principal_name {
            entry.properties.insert("userPrincipalName".to_owned(), json!(name));
        }
        entry.properties.remove("deletedDateTime");
        for (name, value) in changes {
            entry.properties.insert(name, value);
        }
        let own_members: Vec<Guid> = entry.members().collect();
        // A restored group is told anew to deltas, members included.
        for link in entry.links.values_mut() {
            link.changed = number;
        }
        self.put_back(entry);
        for member in own_members {
            self.indexes.member_of.entry(member).or_default().insert(id);
        }
        for group in deletion.member_of {
            if self.live(group).is_some() {
                self.add_member(group, id);
            }
        }
    }

    fn leave_all_groups(&mut self, id: Guid) -> Vec<Guid> {
        let groups: Vec<Guid> = self.groups_of(id).map(|group| group.id).collect();
        for group in &groups {
            self.remove_member(*group, id);
        }
        groups
    }

    /// Ends what has outlived its time: the recycle bin's content, and tombstones no delta token can still ask for.
    pub(crate) fn expire(&mut self, now: Millis, deleted_item_life: Millis, tombstone_life: Millis) {
        while let Some((at, id)) = self.indexes.deleted.first().copied() {
            if at.saturating_add(deleted_item_life) > now {
                break;
            }
            self.purge(id, now);
        }
        if self.tombstones.is_empty() {
            return;
        }
        let expired: Vec<Guid> = self
            .tombstones
            .iter()
            .filter(|(_, tombstone)| tombstone.at_ms.saturating_add(tombstone_life) <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in expired {
            if let Some(tombstone) = self.tombstones.remove(&id) {
                self.indexes.remove_tombstone(&tombstone);
                self.generation += 1;
            }
        }
    }

    fn take_out(&mut self, id: Guid) -> Option<Entry> {
        let entry = self.objects.remove(&id)?;
        self.indexes.remove(&entry);
        Some(entry)
    }

    fn put_back(&mut self, entry: Entry) {
        self.indexes.add(&entry);
        self.objects.insert(entry.id, entry);
    }
}
