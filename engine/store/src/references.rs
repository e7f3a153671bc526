//! Reference rows (source, attribute, target) with their counts and digests, and the queue of rows whose flow must be decided
//! again. Costs follow the change: one member more in a huge group touches one row.

use crate::codec::anchor_bytes;
use crate::codes::{REFERENCE_IN_FLIGHT, REFERENCE_UNCONFIRMED, ROW_ADDED, ROW_REMOVED, ROW_SYNCHRONISED};
use crate::db::Db;
use crate::error::{Fault, Inner};
use metaverse_schema::{Anchor, AttributeName, Dn, Reference};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use sync_kernel::ConnectorState;

/// Work on a row of a source object.
pub(crate) const SOURCE_SIDE: i64 = 0;
/// Work on a member of a target object.
pub(crate) const TARGET_SIDE: i64 = 1;

/// Count and order-free digest of one object's imported values of one attribute: the wrapping sum of the hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Total {
    pub(crate) count: i64,
    pub(crate) digest: u128,
}

/// Which flows an attribute of an object is part of, and how an import's word on it is taken.
#[derive(Debug, Clone, Copy, Default)]
struct FlowEnds {
    /// It is written by flows.
    is_fed: bool,
    /// Others are made of its values.
    feeds: bool,
    /// Nothing of it waits for a synchronisation: a container's.
    synchronised: bool,
}

impl FlowEnds {
    /// What was sent and returned is seen by no synchronisation, where no other value is made of it: it is as it was decided.
    fn is_settled(self, was_sent: bool) -> bool {
        self.synchronised || (was_sent && !self.feeds)
    }
}

fn digest_of(target: i64) -> u128 {
    let hash = Sha256::digest(target.to_be_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    u128::from_be_bytes(bytes)
}

impl Total {
    pub(crate) fn of(targets: &BTreeSet<i64>) -> Self {
        let mut total = Total::default();
        targets.iter().for_each(|target| total.add(*target));
        total
    }

    fn add(&mut self, target: i64) {
        self.count += 1;
        self.digest = self.digest.wrapping_add(digest_of(target));
    }

    fn remove(&mut self, target: i64) {
        self.count -= 1;
        self.digest = self.digest.wrapping_sub(digest_of(target));
    }
}

impl Db {
    pub(crate) fn total(&self, source: i64, attribute: i64) -> Inner<Total> {
        let row: Option<(i64, Vec<u8>)> = self.one(
            "SELECT total, digest FROM reference_total WHERE source = ?1 AND attribute = ?2",
            (source, attribute),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let Some((count, digest)) = row else { return Ok(Total::default()) };
        let digest: [u8; 16] = digest
            .try_into()
            .map_err(|_| Fault::damaged(format!("the reference digest of object {source} is malformed")))?;
        Ok(Total { count, digest: u128::from_be_bytes(digest) })
    }

    fn save_total(&self, source: i64, attribute: i64, total: Total) -> Inner<()> {
        if total.count == 0 {
            self.run("DELETE FROM reference_total WHERE source = ?1 AND attribute = ?2", (source, attribute))?;
        } else {
            self.run(
                "INSERT INTO reference_total (source, attribute, total, digest) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (source, attribute) DO UPDATE SET total = excluded.total, digest = excluded.digest",
                (source, attribute, total.count, total.digest.to_be_bytes()),
            )?;
        }
        Ok(())
    }

    /// Number of imported values by attribute.
    pub(crate) fn reference_counts(&self, source: i64) -> Inner<BTreeMap<AttributeName, u64>> {
        let rows: Vec<(i64, i64)> =
            self.all("SELECT attribute, total FROM reference_total WHERE source = ?1", [source], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let mut counts = BTreeMap::new();
        for (attribute, total) in rows {
            let total =
                u64::try_from(total).map_err(|_| Fault::damaged(format!("object {source} has {total} references")))?;
            counts.insert(self.attribute_name(attribute)?, total);
        }
        Ok(counts)
    }

    /// The attributes of which the object has imported values.
    pub(crate) fn reference_attributes(&self, source: i64) -> Inner<Vec<i64>> {
        self.ids("SELECT attribute FROM reference_total WHERE source = ?1", [source])
    }

    /// The object a reference names; where it was not imported yet, a placeholder that it will replace (O16, O18).
    pub(crate) fn resolve_or_hold(&self, connector: i64, reference: &Reference) -> Inner<i64> {
        match reference {
            Reference::Anchor(anchor) => self.find_or_hold_anchor(connector, anchor),
            Reference::Dn(dn) => self.find_or_hold_place(connector, dn),
        }
    }

    pub(crate) fn resolve(&self, connector: i64, reference: &Reference) -> Inner<Option<i64>> {
        match reference {
            Reference::Anchor(anchor) => self.id_by_anchor(connector, anchor),
            Reference::Dn(dn) => self.find_place(connector, dn),
        }
    }

    fn find_or_hold_anchor(&self, connector: i64, anchor: &Anchor) -> Inner<i64> {
        match self.id_by_anchor(connector, anchor)? {
            Some(id) => Ok(id),
            None => self.hold_anchor(connector, anchor, None),
        }
    }

    /// A placeholder for an anchor; at a DN, where one is known and nobody with another anchor stands there.
    pub(crate) fn hold_anchor(&self, connector: i64, anchor: &Anchor, dn: Option<&Dn>) -> Inner<i64> {
        let mut free_place = None;
        if let Some(dn) = dn
            && let Some(rdn) = dn.rdn()
        {
            match self.find_place(connector, dn)? {
                Some(id) => {
                    let mut occupant = self.head(id)?;
                    if occupant.is_placeholder() && occupant.anchor.is_none() {
                        occupant.anchor = Some(anchor_bytes(anchor));
                        self.save_head(&mut occupant)?;
                        return Ok(id);
                    }
                }
                None => free_place = Some((self.parent_of_place(connector, dn)?, rdn.clone())),
            }
        }
        let mut placeholder = self.new_head(connector, ConnectorState::Placeholder)?;
        placeholder.anchor = Some(anchor_bytes(anchor));
        if let Some((parent, rdn)) = free_place {
            self.occupy(&mut placeholder, parent, &rdn);
        }
        self.save_head(&mut placeholder)?;
        Ok(placeholder.id)
    }

    /// Sets all imported values of one attribute. `synchronised`: at once, for containers. Returns whether anything changed.
    pub(crate) fn set_references(
        &self,
        source: i64,
        attribute: i64,
        wanted: &BTreeSet<i64>,
        synchronised: bool,
    ) -> Inner<bool> {
        let mut total = self.total(source, attribute)?;
        if total == Total::of(wanted) {
            return Ok(false);
        }
        let held: BTreeSet<i64> = self
            .ids(
                "SELECT target FROM reference WHERE source = ?1 AND attribute = ?2 AND state <> 2",
                (source, attribute),
            )?
            .into_iter()
            .collect();
        let ends = self.flow_ends(source, attribute, synchronised)?;
        for target in held.difference(wanted) {
            self.row_went((source, attribute, *target), ends)?;
            total.remove(*target);
        }
        for target in wanted.difference(&held) {
            self.row_came((source, attribute, *target), ends)?;
            total.add(*target);
        }
        self.note_membership(source, attribute)?;
        self.save_total(source, attribute, total)?;
        Ok(true)
    }

    /// The values of an object that has none yet.
    pub(crate) fn add_first_references(
        &self,
        source: i64,
        attribute: i64,
        targets: &BTreeSet<i64>,
        synchronised: bool,
    ) -> Inner<()> {
        if targets.is_empty() {
            return Ok(());
        }
        for target in targets {
            self.set_row(source, attribute, *target, if synchronised { ROW_SYNCHRONISED } else { ROW_ADDED })?;
        }
        self.note_membership(source, attribute)?;
        self.save_total(source, attribute, Total::of(targets))
    }

    /// Adds and removes single imported values. Returns whether anything changed.
    pub(crate) fn change_references(
        &self,
        source: i64,
        attribute: i64,
        add: &BTreeSet<i64>,
        remove: &BTreeSet<i64>,
    ) -> Inner<bool> {
        let mut total = self.total(source, attribute)?;
        let before = total;
        let ends = self.flow_ends(source, attribute, false)?;
        for target in remove {
            if self.row_went((source, attribute, *target), ends)? {
                total.remove(*target);
            }
        }
        for target in add {
            if self.row_came((source, attribute, *target), ends)? {
                total.add(*target);
            }
        }
        if total == before {
            return Ok(false);
        }
        self.note_membership(source, attribute)?;
        self.save_total(source, attribute, total)?;
        Ok(true)
    }

    fn row_state(&self, source: i64, attribute: i64, target: i64) -> Inner<Option<i64>> {
        self.one(
            "SELECT state FROM reference WHERE source = ?1 AND attribute = ?2 AND target = ?3",
            (source, attribute, target),
            |row| row.get(0),
        )
    }

    fn set_row(&self, source: i64, attribute: i64, target: i64, state: i64) -> Inner<()> {
        self.run(
            "INSERT INTO reference (source, attribute, target, state) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (source, attribute, target) DO UPDATE SET state = excluded.state",
            (source, attribute, target, state),
        )?;
        Ok(())
    }

    fn delete_reference(&self, source: i64, attribute: i64, target: i64) -> Inner<()> {
        self.run(
            "DELETE FROM reference WHERE source = ?1 AND attribute = ?2 AND target = ?3",
            (source, attribute, target),
        )?;
        Ok(())
    }

    fn flow_ends(&self, object: i64, attribute: i64, synchronised: bool) -> Inner<FlowEnds> {
        let ends = self.one(
            "SELECT EXISTS (SELECT 1 FROM reference_flow WHERE object = ?1 AND attribute = ?2), \
             EXISTS (SELECT 1 FROM reference_flow WHERE source = ?1 AND source_attribute = ?2)",
            (object, attribute),
            |row| Ok(FlowEnds { is_fed: row.get(0)?, feeds: row.get(1)?, synchronised }),
        )?;
        Ok(ends.unwrap_or_default())
    }

    /// The state of a row, and whether a value that comes or goes is what was sent.
    fn row_as_sent(&self, key: (i64, i64, i64), came: bool, ends: FlowEnds) -> Inner<(Option<i64>, bool)> {
        let (source, attribute, target) = key;
        if !ends.is_fed {
            return Ok((self.row_state(source, attribute, target)?, false));
        }
        let found = self.one(
            "SELECT (SELECT state FROM reference WHERE source = ?1 AND attribute = ?2 AND target = ?3), \
             EXISTS (SELECT 1 FROM pending_reference WHERE object = ?1 AND attribute = ?2 AND member = ?3 AND adds = ?4 \
             AND state IN (?5, ?6))",
            (source, attribute, target, came, REFERENCE_UNCONFIRMED, REFERENCE_IN_FLIGHT),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(found.unwrap_or_default())
    }

    /// An import says that a value is there. Returns whether that is new.
    fn row_came(&self, key: (i64, i64, i64), ends: FlowEnds) -> Inner<bool> {
        let (source, attribute, target) = key;
        let (found, was_sent) = self.row_as_sent(key, true, ends)?;
        let state = match found {
            Some(ROW_SYNCHRONISED | ROW_ADDED) => return Ok(false),
            Some(_) => ROW_SYNCHRONISED,
            None if ends.is_settled(was_sent) => ROW_SYNCHRONISED,
            None => ROW_ADDED,
        };
        self.set_row(source, attribute, target, state)?;
        self.queue_returned(key, was_sent, ends)?;
        Ok(true)
    }

    /// An import says that a value is there no longer. Returns whether that is new.
    fn row_went(&self, key: (i64, i64, i64), ends: FlowEnds) -> Inner<bool> {
        let (source, attribute, target) = key;
        let (found, was_sent) = self.row_as_sent(key, false, ends)?;
        match found {
            None | Some(ROW_REMOVED) => return Ok(false),
            Some(ROW_SYNCHRONISED) if !ends.is_settled(was_sent) => {
                self.set_row(source, attribute, target, ROW_REMOVED)?;
            }
            Some(_) => self.delete_reference(source, attribute, target)?,
        }
        self.queue_returned(key, was_sent, ends)?;
        Ok(true)
    }

    /// A value of a target came or went. Where that is what was sent, `confirm_references` settles it, and nothing is left to be
    /// decided: what is wanted changes with an entry of its own.
    fn queue_returned(
        &self,
        (object, attribute, member): (i64, i64, i64),
        was_sent: bool,
        ends: FlowEnds,
    ) -> Inner<()> {
        self.queue_if(ends.is_fed && !was_sent, TARGET_SIDE, object, attribute, member)
    }

    /// Rows of an object that no synchronisation has seen yet.
    pub(crate) fn has_unsynchronised_rows(&self, source: i64) -> Inner<bool> {
        self.exists(
            "SELECT 1 FROM reference INDEXED BY reference_unsynchronised WHERE source = ?1 AND state <> 0",
            [source],
        )
    }

    /// The object's imported rows become its synchronised ones; those that changed are decided at the end of the step.
    pub(crate) fn promote_references(&self, source: i64) -> Inner<()> {
        // What there is to do is asked once: most objects have no row to remove, and none that somebody is fed by.
        let (added, removed, feeds): (bool, bool, bool) = self
            .one(
                "SELECT coalesce(max(state = 1), 0), coalesce(max(state = 2), 0), \
                 count(*) > 0 AND EXISTS (SELECT 1 FROM reference_flow WHERE source = ?1) \
                 FROM reference INDEXED BY reference_unsynchronised WHERE source = ?1 AND state <> 0",
                [source],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?
            .unwrap_or_default();
        if feeds {
            self.run(
                "INSERT OR IGNORE INTO reference_work (side, object, attribute, member) \
                 SELECT 0, r.source, r.attribute, r.target FROM reference r INDEXED BY reference_unsynchronised \
                 WHERE r.source = ?1 AND r.state <> 0 AND EXISTS \
                 (SELECT 1 FROM reference_flow f WHERE f.source = r.source AND f.source_attribute = r.attribute)",
                [source],
            )?;
        }
        if removed {
            self.run(
                "DELETE FROM reference INDEXED BY reference_unsynchronised WHERE source = ?1 AND state <> 0 AND state = 2",
                [source],
            )?;
        }
        if added {
            self.run("UPDATE OR FAIL reference INDEXED BY reference_unsynchronised SET state = 0 WHERE source = ?1 AND state <> 0 AND state = 1", [source])?;
        }
        Ok(())
    }

    /// Removes all values that an object has.
    pub(crate) fn drop_references_of(&self, source: i64) -> Inner<()> {
        for attribute in self.reference_attributes(source)? {
            self.note_membership(source, attribute)?;
        }
        self.run("DELETE FROM reference WHERE source = ?1", [source])?;
        self.run("DELETE FROM reference_total WHERE source = ?1", [source])?;
        Ok(())
    }

    /// Removes every value that points at an object.
    pub(crate) fn drop_references_to(&self, target: i64) -> Inner<()> {
        for (source, attribute, state) in self.rows_to(target)? {
            self.delete_reference(source, attribute, target)?;
            if state != ROW_REMOVED {
                let mut total = self.total(source, attribute)?;
                total.remove(target);
                self.save_total(source, attribute, total)?;
                self.look_closer(source)?;
            }
        }
        Ok(())
    }

    /// The rows of an object changed without an import: the next one compares it in full.
    fn look_closer(&self, source: i64) -> Inner<()> {
        self.run("UPDATE head SET item_print = NULL WHERE id = ?1", [source])?;
        self.bump(source)
    }

    fn rows_to(&self, target: i64) -> Inner<Vec<(i64, i64, i64)>> {
        self.all("SELECT source, attribute, state FROM reference WHERE target = ?1", [target], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
    }

    /// Turns every value that points at `from` to `into`.
    pub(crate) fn move_references(&self, from: i64, into: i64) -> Inner<()> {
        for (source, attribute, state) in self.rows_to(from)? {
            let already = self.row_state(source, attribute, into)?;
            self.delete_reference(source, attribute, from)?;
            let merged = match (state, already) {
                (state, None) => state,
                (ROW_REMOVED, Some(other)) | (other, Some(ROW_REMOVED)) if other != ROW_REMOVED => {
                    // One was synchronised and left, the other came: the same object, so nothing changed.
                    ROW_SYNCHRONISED
                }
                (ROW_SYNCHRONISED, _) | (_, Some(ROW_SYNCHRONISED)) => ROW_SYNCHRONISED,
                (state, Some(_)) => state,
            };
            self.set_row(source, attribute, into, merged)?;
            let mut total = self.total(source, attribute)?;
            if state != ROW_REMOVED {
                total.remove(from);
            }
            if already.is_some_and(|state| state != ROW_REMOVED) {
                total.remove(into);
            }
            if merged != ROW_REMOVED {
                total.add(into);
            }
            self.save_total(source, attribute, total)?;
            self.look_closer(source)?;
            self.queue_reference(SOURCE_SIDE, source, attribute, from)?;
            self.queue_reference(SOURCE_SIDE, source, attribute, into)?;
            self.queue_if(self.has_flows_to(source, attribute)?, TARGET_SIDE, source, attribute, into)?;
            self.note_membership(source, attribute)?;
        }
        for table in ["owned_reference", "pending_reference", "waiting_reference"] {
            self.run(&format!("UPDATE OR IGNORE {table} SET member = ?2 WHERE member = ?1"), (from, into))?;
            self.run(&format!("DELETE FROM {table} WHERE member = ?1"), [from])?;
        }
        Ok(())
    }

    /// Members of a group that scope clauses name, or that is never synchronised, may have changed.
    fn note_membership(&self, source: i64, attribute: i64) -> Inner<()> {
        if self.watched_stale.get() && self.never_sync_stale.get() {
            return Ok(());
        }
        let attribute = self.attribute(attribute)?;
        let (space, name) = (attribute.space, attribute.name.as_str());
        if !self.watched_stale.get() {
            self.watched_stale.set(self.is_watched_source(source, space, name)?);
        }
        if !self.never_sync_stale.get() {
            self.never_sync_stale.set(self.is_never_sync_source(source, space, name)?);
        }
        Ok(())
    }

    fn has_flows_to(&self, target: i64, attribute: i64) -> Inner<bool> {
        self.exists("SELECT 1 FROM reference_flow WHERE object = ?1 AND attribute = ?2", (target, attribute))
    }

    fn queue_if(&self, flows: bool, side: i64, object: i64, attribute: i64, member: i64) -> Inner<()> {
        if flows { self.queue_reference(side, object, attribute, member) } else { Ok(()) }
    }

    pub(crate) fn queue_reference(&self, side: i64, object: i64, attribute: i64, member: i64) -> Inner<()> {
        self.run(
            "INSERT OR IGNORE INTO reference_work (side, object, attribute, member) VALUES (?1, ?2, ?3, ?4)",
            (side, object, attribute, member),
        )?;
        Ok(())
    }

    /// An object gained or lost its link, its anchor, its holds or its pending export: every row that names it, or that names
    /// another object of the same metaverse object, is decided again (driven by the reverse index).
    /// While a plan is applied, its end is waited for: it may change the same object several times.
    pub(crate) fn member_changed(&self, object: i64, mv: Option<i64>) -> Inner<()> {
        if let Some(changed) = self.changed_members.borrow_mut().as_mut() {
            changed.insert((object, mv));
            return Ok(());
        }
        self.queue_members([(object, mv)])
    }

    /// The same at once: the rows are about to change.
    pub(crate) fn queue_members(&self, changed: impl IntoIterator<Item = (i64, Option<i64>)>) -> Inner<()> {
        let (mut objects, mut metaverse) = (BTreeSet::new(), BTreeSet::new());
        for (object, mv) in changed {
            objects.insert(object);
            metaverse.extend(mv);
        }
        for mv in metaverse {
            objects.extend(self.linked_to(mv)?);
        }
        objects.into_iter().try_for_each(|object| self.queue_member(object))
    }

    /// Whether a row waits for the metaverse object to have what it lacks in a target: it does not flow, and says why.
    pub(crate) fn is_waited_for(&self, mv: i64) -> Inner<bool> {
        self.exists("SELECT 1 FROM head h CROSS JOIN waiting_reference w ON w.member = h.id WHERE h.link_mv = ?1", [mv])
    }

    fn queue_member(&self, object: i64) -> Inner<()> {
        self.run(
            "INSERT OR IGNORE INTO reference_work (side, object, attribute, member) \
             SELECT 0, r.source, r.attribute, r.target FROM reference r WHERE r.target = ?1 AND EXISTS \
             (SELECT 1 FROM reference_flow f WHERE f.source = r.source AND f.source_attribute = r.attribute) UNION ALL \
             SELECT 1, r.source, r.attribute, r.target FROM reference r WHERE r.target = ?1 AND EXISTS \
             (SELECT 1 FROM reference_flow f WHERE f.object = r.source AND f.attribute = r.attribute) UNION ALL \
             SELECT 1, object, attribute, member FROM pending_reference WHERE member = ?1",
            [object],
        )?;
        Ok(())
    }

    /// All rows and members of one target attribute: its flows changed.
    pub(crate) fn queue_target(&self, target: i64, attribute: i64) -> Inner<()> {
        self.queue_sources(target, attribute)?;
        self.run(
            "INSERT OR IGNORE INTO reference_work (side, object, attribute, member) \
             SELECT 1, source, attribute, target FROM reference WHERE source = ?1 AND attribute = ?2 UNION ALL \
             SELECT 1, object, attribute, member FROM pending_reference WHERE object = ?1 AND attribute = ?2",
            (target, attribute),
        )?;
        // What waited for a flow that is gone waits no longer; what still does is found again by its row.
        self.run("DELETE FROM waiting_reference WHERE object = ?1 AND attribute = ?2", (target, attribute))?;
        Ok(())
    }

    /// The rows that feed one target attribute.
    pub(crate) fn queue_sources(&self, target: i64, attribute: i64) -> Inner<()> {
        self.run(
            "INSERT OR IGNORE INTO reference_work (side, object, attribute, member) \
             SELECT 0, r.source, r.attribute, r.target FROM reference_flow f JOIN reference r \
             ON r.source = f.source AND r.attribute = f.source_attribute WHERE f.object = ?1 AND f.attribute = ?2",
            (target, attribute),
        )?;
        Ok(())
    }

    pub(crate) fn queue_targets_of_source(&self, source: i64) -> Inner<()> {
        let fed: Vec<(i64, i64)> =
            self.all("SELECT DISTINCT object, attribute FROM reference_flow WHERE source = ?1", [source], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        for (target, attribute) in fed {
            self.queue_target(target, attribute)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Total;

    /// The digest does not depend on the order in which members came and went.
    #[test]
    fn totals_are_order_free() {
        let mut left = Total::default();
        [3, 1, 2, 9].into_iter().for_each(|target| left.add(target));
        left.remove(9);
        assert_eq!(left, Total::of(&[1, 2, 3].into()));
        assert_ne!(left, Total::of(&[1, 2, 4].into()));
    }
}
