//! Where objects stand: (parent, relative name) rows, from which a DN is built on demand. Renaming a container touches one
//! row; what stands below it follows. Containers that were not imported are placeholders (O16).

use crate::codes;
use crate::db::Db;
use crate::error::{Fault, Inner};
use crate::head::{Head, TRANSIENT};
use metaverse_schema::{Dn, Rdn};
use sync_kernel::ConnectorState;

/// The parent of what stands at the top.
pub(crate) const ROOT: i64 = 0;

/// Deepest place that is followed. Beyond it, or where a damaged directory made a circle, an object has no DN.
pub(crate) const MAX_DEPTH: usize = 128;

impl Db {
    pub(crate) fn parse_rdn(&self, id: i64, text: &str) -> Inner<Rdn> {
        text.parse().map_err(|error| Fault::damaged(format!("the name of object {id} is malformed ({error})")))
    }

    /// The DN of an object; none where its system has no hierarchy.
    pub(crate) fn dn(&self, id: i64) -> Inner<Option<Dn>> {
        self.dn_at(id, 0)
    }

    /// The same of a row that is at hand.
    pub(crate) fn dn_of(&self, head: &Head) -> Inner<Option<Dn>> {
        let (Some(parent), Some(rdn)) = (head.parent, &head.rdn) else { return Ok(None) };
        let Some(container) = self.dn_at(parent, 1)? else { return Ok(None) };
        Ok(Some(container.child(self.parse_rdn(head.id, rdn)?)))
    }

    fn dn_at(&self, id: i64, depth: usize) -> Inner<Option<Dn>> {
        if id == ROOT {
            return Ok(Some(Dn::root()));
        }
        if depth > MAX_DEPTH {
            return Ok(None);
        }
        if let Some(dn) = self.places.borrow().get(&id) {
            return Ok(dn.clone());
        }
        let row: Option<(Option<i64>, Option<String>)> =
            self.one("SELECT parent, rdn FROM head WHERE id = ?1", [id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let dn = match row {
            Some((Some(parent), Some(rdn))) => match self.dn_at(parent, depth + 1)? {
                Some(parent) => Some(parent.child(self.parse_rdn(id, &rdn)?)),
                None => None,
            },
            _ => None,
        };
        self.places.borrow_mut().insert(id, dn.clone());
        Ok(dn)
    }

    pub(crate) fn find_child(&self, connector: i64, parent: i64, rdn_key: &str) -> Inner<Option<i64>> {
        self.one(
            "SELECT id FROM head WHERE connector = ?1 AND parent = ?2 AND rdn_key = ?3",
            (connector, parent, rdn_key),
            |row| row.get(0),
        )
    }

    /// Who stands at a DN. The root is nobody.
    pub(crate) fn find_place(&self, connector: i64, dn: &Dn) -> Inner<Option<i64>> {
        let mut found = ROOT;
        for rdn in dn.rdns().iter().rev() {
            match self.find_child(connector, found, &rdn.normalised())? {
                Some(id) => found = id,
                None => return Ok(None),
            }
        }
        Ok(Some(found).filter(|id| *id != ROOT))
    }

    /// Who stands at a DN, made as a placeholder where nobody does; its containers too.
    pub(crate) fn find_or_hold_place(&self, connector: i64, dn: &Dn) -> Inner<i64> {
        let mut found = ROOT;
        for rdn in dn.rdns().iter().rev() {
            let key = rdn.normalised();
            found = match self.find_child(connector, found, &key)? {
                Some(id) => id,
                None => {
                    let mut placeholder = self.new_head(connector, ConnectorState::Placeholder)?;
                    placeholder.parent = Some(found);
                    placeholder.rdn_key = Some(key);
                    placeholder.rdn = Some(rdn.to_string());
                    self.save_head(&mut placeholder)?;
                    placeholder.id
                }
            };
        }
        Ok(found)
    }

    /// The number of the container that an object with this DN stands in.
    pub(crate) fn parent_of_place(&self, connector: i64, dn: &Dn) -> Inner<i64> {
        match dn.parent() {
            Some(parent) => self.find_or_hold_place(connector, &parent),
            None => Ok(ROOT),
        }
    }

    /// Sets a free place in the row; the caller saves it.
    pub(crate) fn occupy(&self, head: &mut Head, parent: i64, rdn: &Rdn) {
        head.parent = Some(parent);
        head.rdn_key = Some(rdn.normalised());
        head.rdn = Some(rdn.to_string());
        head.flags &= !TRANSIENT;
        self.touch_places(head.connector);
    }

    /// Takes an object out of its place; what it was called stays readable. `transient`: another object has taken the place,
    /// and the import must still say where this one went (O39).
    pub(crate) fn vacate(&self, id: i64, transient: bool) -> Inner<()> {
        let mut head = self.head(id)?;
        head.rdn_key = None;
        head.item_print = None;
        if transient {
            head.flags |= TRANSIENT;
        }
        self.save_head(&mut head)?;
        self.touch_places(head.connector);
        self.candidate_changed(id)
    }

    /// What stands below one object stands below another from now on.
    pub(crate) fn move_children(&self, connector: i64, from: i64, into: i64) -> Inner<()> {
        let children = self.all(
            "SELECT id, rdn_key FROM head WHERE connector = ?1 AND parent = ?2 AND id <> ?3",
            (connector, from, into),
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?)),
        )?;
        for (child, key) in children {
            let double = match &key {
                Some(key) => self.find_child(connector, into, key)?,
                None => None,
            };
            match double {
                None => {
                    self.run("UPDATE head SET parent = ?2, generation = generation + 1 WHERE id = ?1", (child, into))?;
                    self.touch_object(child);
                }
                // Both containers hold this name: a placeholder gives way, of two real objects the one that came with the
                // container keeps the place.
                Some(double) if self.head(double)?.is_placeholder() && self.head(double)?.anchor.is_none() => {
                    self.vacate(double, false)?;
                    self.run("UPDATE head SET parent = ?2, generation = generation + 1 WHERE id = ?1", (child, into))?;
                    self.merge_placeholder(double, child)?;
                }
                Some(double) => {
                    self.vacate(child, true)?;
                    self.run("UPDATE head SET parent = ?2 WHERE id = ?1", (child, into))?;
                    let waiting = self.head(child)?;
                    if waiting.is_placeholder() && waiting.anchor.is_none() {
                        self.merge_placeholder(child, double)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Puts everything that refers to a placeholder, or stands below it, on the object that takes its place (O18).
    pub(crate) fn merge_placeholder(&self, placeholder: i64, into: i64) -> Inner<()> {
        let head = self.head(placeholder)?;
        if head.state != codes::PLACEHOLDER {
            return Err(Fault::damaged(format!("object {placeholder} is not a placeholder")));
        }
        self.move_children(head.connector, placeholder, into)?;
        self.move_references(placeholder, into)?;
        self.delete_row(placeholder)?;
        self.touch_places(head.connector);
        Ok(())
    }

    /// Removes placeholders that nothing needs any longer (O19), innermost first. Looks at those alone that came, or lost
    /// something that needed them, since the last time.
    pub(crate) fn clean_placeholders(&self, connector: i64) -> Inner<u64> {
        let mut removed = 0;
        loop {
            let round = self.run(
                "DELETE FROM head WHERE id IN (SELECT h.id FROM loose_placeholder l CROSS JOIN head h ON h.id = l.object \
                 WHERE l.connector = ?1 AND h.connector = ?1 AND h.state = 5 \
                 AND NOT EXISTS (SELECT 1 FROM reference r WHERE r.target = h.id) \
                 AND NOT EXISTS (SELECT 1 FROM head c WHERE c.connector = ?1 AND c.parent = h.id))",
                [connector],
            )?;
            if round == 0 {
                break;
            }
            removed += round as u64;
        }
        self.run("DELETE FROM loose_placeholder WHERE connector = ?1", [connector])?;
        self.places.borrow_mut().clear();
        Ok(removed)
    }
}
