//! The narrow rows of connector-space objects and the bodies they point at. Every change of a row goes through here, so that
//! generations rise and open pages of plans learn what was touched.

use crate::codec::{anchor_bytes, anchor_of};
use crate::codes;
use crate::db::Db;
use crate::error::{Fault, Inner};
use metaverse_schema::{Anchor, Attributes, ObjectType};
use rusqlite::{Row, ToSql};
use std::sync::LazyLock;
use sync_kernel::{ConnectorState, DeleteCause, ExportMemory, Ownership};

/// Lost its place to another object in the running import (O39).
pub(crate) const TRANSIENT: i64 = 1;
/// Some reference changes were sent and not confirmed.
pub(crate) const UNCONFIRMED_REFERENCES: i64 = 2;
/// Created in the system, which has not told the anchor yet: the first import that returns its DN is this object (O50).
pub(crate) const CREATED: i64 = 4;
/// Brought back from the recycle bin: its type may change with the next import, and that is no delete-add.
pub(crate) const RESTORED: i64 = 8;
/// Created by export, never imported, and missing in one full import: replication may be slow, so the next one decides.
pub(crate) const MISSED: i64 = 16;

/// A row of `head`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    pub(crate) id: i64,
    pub(crate) connector: i64,
    pub(crate) anchor: Option<Vec<u8>>,
    pub(crate) parent: Option<i64>,
    pub(crate) rdn_key: Option<String>,
    pub(crate) rdn: Option<String>,
    pub(crate) object_type: Option<i64>,
    pub(crate) state: i64,
    pub(crate) link: Option<LinkRow>,
    pub(crate) hash: Option<Vec<u8>>,
    pub(crate) staged: i64,
    pub(crate) cause: Option<i64>,
    pub(crate) synchronised_body: Option<i64>,
    pub(crate) staged_body: Option<i64>,
    pub(crate) memory_body: Option<i64>,
    pub(crate) flags: i64,
    pub(crate) generation: i64,
    /// Print of the item that was staged last, as it came in: the same again changes nothing. None: look closer.
    pub(crate) item_print: Option<[u8; 16]>,
    /// The keys of the row as it stands in the table.
    stored: Keys,
}

/// What the triggers of the table look at, and what its large indexes are made of, in their order: by anchor, by place, by link.
#[derive(Debug, Clone, PartialEq, Default)]
struct Keys {
    state: i64,
    anchor: Option<Vec<u8>>,
    place: (Option<i64>, Option<String>),
    link: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkRow {
    pub(crate) mv: i64,
    pub(crate) rule: i64,
    pub(crate) ownership: i64,
}

/// A query for rows as `read_head` takes them apart: made when the program is, as it is asked for every object.
macro_rules! heads {
    ($rest:literal) => {
        concat!(
            "SELECT id, connector, anchor, parent, rdn_key, rdn, object_type, state, link_mv, link_rule, ownership, hash, staged, cause, ",
            "synchronised_body, staged_body, memory_body, flags, generation, item_print FROM head WHERE ",
            $rest
        )
    };
}

fn read_head(row: &Row<'_>) -> rusqlite::Result<Head> {
    let mv: Option<i64> = row.get(8)?;
    let link = match mv {
        Some(mv) => Some(LinkRow { mv, rule: row.get(9)?, ownership: row.get(10)? }),
        None => None,
    };
    let mut head = Head {
        id: row.get(0)?,
        connector: row.get(1)?,
        anchor: row.get(2)?,
        parent: row.get(3)?,
        rdn_key: row.get(4)?,
        rdn: row.get(5)?,
        object_type: row.get(6)?,
        state: row.get(7)?,
        link,
        hash: row.get(11)?,
        staged: row.get(12)?,
        cause: row.get(13)?,
        synchronised_body: row.get(14)?,
        staged_body: row.get(15)?,
        memory_body: row.get(16)?,
        flags: row.get(17)?,
        generation: row.get(18)?,
        item_print: row.get(19)?,
        stored: Keys::default(),
    };
    head.stored = head.keys();
    Ok(head)
}

/// Columns in no index, or in one of few rows: each saving of a row writes them.
const PLAIN: &str = "rdn = ?2, object_type = ?3, link_rule = ?4, ownership = ?5, hash = ?6, staged = ?7, cause = ?8, \
                     synchronised_body = ?9, staged_body = ?10, memory_body = ?11, flags = ?12, generation = ?13, item_print = ?14";
/// The others: what triggers wait for, and the columns of each index.
const STATE: &str = "state";
const ANCHOR: &str = "anchor";
const PLACE: &str = "parent, rdn_key";
const LINK: &str = "link_mv";

/// The statement for each of the sixteen ways in which the groups may differ, and the same for rows that become placeholders.
static SAVING: LazyLock<[String; 32]> = LazyLock::new(|| {
    let differs = |way: usize| [way & 1 != 0, way & 2 != 0, way & 4 != 0, way & 8 != 0];
    std::array::from_fn(|way| saving(differs(way), way & 16 != 0))
});

/// How a row is saved of which these groups of columns differ: SQLite writes an index anew when a column of it is named, the
/// same value or not, and the entries of one page of objects lie all over an index by anchor. In the same way a named state, or
/// place, calls a trigger. That for states has nothing to do unless the row becomes a placeholder, so `OR FAIL` may be said
/// ([`Db::run`]).
fn saving(changed: [bool; 4], becomes_placeholder: bool) -> String {
    let [_, _, moves, _] = changed;
    let verb = if moves || becomes_placeholder { "UPDATE" } else { "UPDATE OR FAIL" };
    let groups = [STATE, ANCHOR, PLACE, LINK].into_iter().zip(changed).filter(|(_, differs)| *differs);
    let columns = groups.flat_map(|(columns, _)| columns.split(", "));
    let keys: String = (15..).zip(columns).map(|(number, column)| format!(", {column} = ?{number}")).collect();
    format!("{verb} head SET {PLAIN}{keys} WHERE id = ?1")
}

impl Head {
    /// Number 0: not in the table yet.
    pub(crate) fn unsaved(connector: i64, state: ConnectorState) -> Self {
        Head {
            id: 0,
            connector,
            anchor: None,
            parent: None,
            rdn_key: None,
            rdn: None,
            object_type: None,
            state: codes::state(state),
            link: None,
            hash: None,
            staged: codes::STAGED_NONE,
            cause: None,
            synchronised_body: None,
            staged_body: None,
            memory_body: None,
            flags: 0,
            generation: 0,
            item_print: None,
            stored: Keys::default(),
        }
    }

    fn keys(&self) -> Keys {
        Keys {
            state: self.state,
            anchor: self.anchor.clone(),
            place: (self.parent, self.rdn_key.clone()),
            link: self.link.map(|link| link.mv),
        }
    }

    pub(crate) fn is_placeholder(&self) -> bool {
        self.state == codes::PLACEHOLDER
    }

    pub(crate) fn is_container(&self) -> bool {
        self.state == codes::CONTAINER
    }

    /// An export created it, and no import has returned it yet.
    pub(crate) fn is_made_here(&self) -> bool {
        let has_image = self.synchronised_body.is_some() || self.staged_body.is_some();
        self.link.is_some() && self.memory_body.is_some() && !has_image && self.staged == codes::STAGED_NONE
    }

    /// Takes part in synchronisation.
    pub(crate) fn is_staging_object(&self) -> bool {
        !self.is_placeholder() && !self.is_container()
    }

    pub(crate) fn has(&self, flag: i64) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn anchor(&self) -> Inner<Option<Anchor>> {
        self.anchor.as_deref().map(anchor_of).transpose()
    }

    pub(crate) fn state(&self) -> Inner<ConnectorState> {
        codes::state_of(self.state)
    }

    pub(crate) fn ownership(&self) -> Inner<Option<Ownership>> {
        self.link.map(|link| codes::ownership_of(link.ownership)).transpose()
    }

    pub(crate) fn cause(&self) -> Inner<DeleteCause> {
        self.cause.map_or_else(
            || Err(Fault::damaged(format!("object {} is staged as deleted without a cause", self.id))),
            codes::cause_of,
        )
    }
}

impl Db {
    pub(crate) fn find_head(&self, id: i64) -> Inner<Option<Head>> {
        self.one(heads!("id = ?1"), [id], read_head)
    }

    /// A row that other rows point at.
    pub(crate) fn head(&self, id: i64) -> Inner<Head> {
        self.find_head(id)?.ok_or_else(|| Fault::damaged(format!("object {id} is referred to and does not exist")))
    }

    pub(crate) fn head_by_anchor(&self, connector: i64, anchor: &Anchor) -> Inner<Option<Head>> {
        self.one(heads!("connector = ?1 AND anchor = ?2"), (connector, anchor_bytes(anchor)), read_head)
    }

    /// The number alone, which the index holds.
    pub(crate) fn id_by_anchor(&self, connector: i64, anchor: &Anchor) -> Inner<Option<i64>> {
        let query = "SELECT id FROM head WHERE connector = ?1 AND anchor = ?2";
        self.one(query, (connector, anchor_bytes(anchor)), |row| row.get(0))
    }

    /// The object of a space that is linked to a metaverse object.
    pub(crate) fn head_linked(&self, mv: i64, connector: i64) -> Inner<Option<Head>> {
        self.one(heads!("link_mv = ?1 AND connector = ?2 ORDER BY id LIMIT 1"), (mv, connector), read_head)
    }

    pub(crate) fn linked_to(&self, mv: i64) -> Inner<Vec<i64>> {
        self.ids("SELECT id FROM head WHERE link_mv = ?1 ORDER BY id", [mv])
    }

    /// A new row in the given state; the caller fills and saves it.
    pub(crate) fn new_head(&self, connector: i64, state: ConnectorState) -> Inner<Head> {
        let mut head = Head::unsaved(connector, state);
        self.insert_head(&mut head)?;
        Ok(head)
    }

    /// Writes a row that is not in the table yet, and gives it its number. `OR FAIL`, see [`Db::run`]: what the trigger for
    /// placeholders writes of a new number is not there yet.
    pub(crate) fn insert_head(&self, head: &mut Head) -> Inner<()> {
        head.generation += 1;
        self.run(
            "INSERT OR FAIL INTO head (connector, anchor, parent, rdn_key, rdn, object_type, state, link_mv, link_rule, ownership, hash, \
             staged, cause, synchronised_body, staged_body, memory_body, flags, generation, item_print) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
            rusqlite::params![
                head.connector,
                head.anchor,
                head.parent,
                head.rdn_key,
                head.rdn,
                head.object_type,
                head.state,
                head.link.map(|link| link.mv),
                head.link.map(|link| link.rule),
                head.link.map(|link| link.ownership),
                head.hash,
                head.staged,
                head.cause,
                head.synchronised_body,
                head.staged_body,
                head.memory_body,
                head.flags,
                head.generation,
                head.item_print,
            ],
        )?;
        head.id = self.sql.last_insert_rowid();
        head.stored = head.keys();
        self.touch_object(head.id);
        Ok(())
    }

    /// Writes the row back with the next generation. An object never changes its connector.
    pub(crate) fn save_head(&self, head: &mut Head) -> Inner<()> {
        head.generation += 1;
        let keys = head.keys();
        let (rule, ownership) = (head.link.map(|link| link.rule), head.link.map(|link| link.ownership));
        let mut values: Vec<&dyn ToSql> = vec![
            &head.id,
            &head.rdn,
            &head.object_type,
            &rule,
            &ownership,
            &head.hash,
            &head.staged,
            &head.cause,
            &head.synchronised_body,
            &head.staged_body,
            &head.memory_body,
            &head.flags,
            &head.generation,
            &head.item_print,
        ];
        let before = &head.stored;
        let changed = [
            keys.state != before.state,
            keys.anchor != before.anchor,
            keys.place != before.place,
            keys.link != before.link,
        ];
        let [state, anchor, place, link] = changed;
        if state {
            values.push(&keys.state);
        }
        if anchor {
            values.push(&keys.anchor);
        }
        if place {
            values.extend([&keys.place.0 as &dyn ToSql, &keys.place.1]);
        }
        if link {
            values.push(&keys.link);
        }
        let way = usize::from(state) | usize::from(anchor) << 1 | usize::from(place) << 2 | usize::from(link) << 3;
        let way = way | usize::from(state && head.is_placeholder()) << 4;
        self.run(&SAVING[way], values.as_slice())?;
        head.stored = keys;
        self.touch_object(head.id);
        Ok(())
    }

    /// Raises the generation of an object whose side tables changed.
    pub(crate) fn bump(&self, id: i64) -> Inner<()> {
        self.run("UPDATE head SET generation = generation + 1 WHERE id = ?1", [id])?;
        self.touch_object(id);
        Ok(())
    }

    pub(crate) fn set_flag(&self, id: i64, flag: i64) -> Inner<()> {
        self.run("UPDATE head SET flags = flags | ?2 WHERE id = ?1 AND flags & ?2 = 0", (id, flag))?;
        Ok(())
    }

    pub(crate) fn body(&self, id: i64) -> Inner<Vec<u8>> {
        let body = self.one("SELECT image FROM body WHERE id = ?1", [id], |row| row.get(0))?;
        body.ok_or_else(|| missing_body(id))
    }

    /// Puts a body in the place of `slot`'s, or removes it.
    pub(crate) fn put_body(&self, slot: &mut Option<i64>, image: Option<&[u8]>) -> Inner<()> {
        match (*slot, image) {
            (None, None) => {}
            (Some(id), Some(image)) => {
                self.run("UPDATE body SET image = ?2 WHERE id = ?1", (id, image))?;
            }
            (None, Some(image)) => {
                self.run("INSERT INTO body (image) VALUES (?1)", [image])?;
                *slot = Some(self.sql.last_insert_rowid());
            }
            (Some(id), None) => {
                self.run("DELETE FROM body WHERE id = ?1", [id])?;
                *slot = None;
            }
        }
        Ok(())
    }

    pub(crate) fn image(&self, head: &Head, body: Option<i64>) -> Inner<Option<Attributes>> {
        let Some(body) = body else { return Ok(None) };
        let bytes = self.body(body)?;
        self.decode_image(head.connector, &bytes).map(Some)
    }

    pub(crate) fn synchronised_image(&self, head: &Head) -> Inner<Option<Attributes>> {
        self.image(head, head.synchronised_body)
    }

    /// The image as last imported; none when it was never imported or is gone.
    pub(crate) fn imported_image(&self, head: &Head) -> Inner<Option<Attributes>> {
        match head.staged {
            codes::STAGED_DELETED => Ok(None),
            // A staged object whose attributes are those already synchronised has no second body.
            codes::STAGED_IMAGE | codes::STAGED_REPLACED => {
                self.image(head, head.staged_body.or(head.synchronised_body))
            }
            _ => self.image(head, head.synchronised_body),
        }
    }

    pub(crate) fn memory(&self, head: &Head) -> Inner<ExportMemory> {
        match head.memory_body {
            Some(body) => self.decode_memory(head.connector, &self.body(body)?),
            None => Ok(ExportMemory::default()),
        }
    }

    /// Sets the export memory in the row; the caller saves it.
    pub(crate) fn put_memory(&self, head: &mut Head, memory: &ExportMemory) -> Inner<()> {
        let encoded = match memory.attributes.is_empty() {
            true => None,
            false => Some(self.encode_memory(head.connector, memory)?),
        };
        self.put_body(&mut head.memory_body, encoded.as_deref())
    }

    pub(crate) fn type_name(&self, head: &Head) -> Inner<ObjectType> {
        match head.object_type {
            Some(id) => self.object_type(id),
            None => Ok(ObjectType::new("")),
        }
    }

    pub(crate) fn mark_dirty(&self, object: i64, connector: i64) -> Inner<()> {
        self.run("INSERT OR IGNORE INTO dirty (object, connector) VALUES (?1, ?2)", (object, connector))?;
        Ok(())
    }

    pub(crate) fn mark_metaverse_dirty(&self, mv: i64) -> Inner<()> {
        self.run("INSERT OR IGNORE INTO dirty_metaverse (object) VALUES (?1)", [mv])?;
        Ok(())
    }

    /// Removes an object that its system holds no longer; the system has removed it from every list it stood in.
    pub(crate) fn remove_deleted(&self, id: i64) -> Inner<()> {
        self.drop_references_to(id)?;
        match self.find_head(id)? {
            Some(head) => self.remove(head, true),
            None => Ok(()),
        }
    }

    /// Removes an object with all that hangs on it. If others refer to it or stand below it, a placeholder stays in its
    /// place (O16), with its anchor and DN, so that it is found again when it returns. Of a container that is known to be
    /// deleted and that nobody refers to only the place stays, for whatever is to stand there next.
    pub(crate) fn remove_object(&self, id: i64) -> Inner<()> {
        let Some(head) = self.find_head(id)? else { return Ok(()) };
        let is_gone = head.staged == codes::STAGED_DELETED && head.cause()? == DeleteCause::DeletedInSource;
        self.remove(head, is_gone)
    }

    fn remove(&self, mut head: Head, is_gone: bool) -> Inner<()> {
        let id = head.id;
        self.touch_places(head.connector);
        if let Some(link) = head.link {
            self.touch_metaverse(link.mv);
        }
        self.forget_details(&mut head)?;
        self.candidate_changed(id)?;
        self.queue_members([(id, head.link.map(|link| link.mv))])?;
        let is_referred_to = self.exists("SELECT 1 FROM reference WHERE target = ?1", [id])?;
        if is_referred_to
            || self.exists("SELECT 1 FROM head WHERE connector = ?1 AND parent = ?2", (head.connector, id))?
        {
            if is_gone && !is_referred_to {
                head.anchor = None;
            }
            head.object_type = None;
            head.state = codes::PLACEHOLDER;
            head.link = None;
            head.hash = None;
            head.item_print = None;
            head.staged = codes::STAGED_NONE;
            head.cause = None;
            head.flags = 0;
            if head.rdn_key.is_none() {
                self.give_back_place(&mut head)?;
            }
            if head.anchor.is_none() && head.rdn_key.is_none() {
                // Neither an anchor nor a place: nothing could ever fill it.
                self.drop_references_to(id)?;
                self.run("UPDATE head SET parent = NULL WHERE connector = ?1 AND parent = ?2", (head.connector, id))?;
                return self.delete_row(id);
            }
            return self.save_head(&mut head);
        }
        self.delete_row(id)
    }

    /// A deleted object lost its place when its delete was staged; its placeholder takes it back if nobody else has it.
    fn give_back_place(&self, head: &mut Head) -> Inner<()> {
        let (Some(parent), Some(rdn)) = (head.parent, &head.rdn) else { return Ok(()) };
        let key = self.parse_rdn(head.id, rdn)?.normalised();
        if self.find_child(head.connector, parent, &key)?.is_none() {
            head.rdn_key = Some(key);
        } else {
            head.parent = None;
            head.rdn = None;
        }
        Ok(())
    }

    pub(crate) fn delete_row(&self, id: i64) -> Inner<()> {
        self.run("DELETE FROM head WHERE id = ?1", [id])?;
        self.touch_object(id);
        Ok(())
    }

    /// Everything but the row itself and what others point at it with.
    fn forget_details(&self, head: &mut Head) -> Inner<()> {
        self.put_body(&mut head.synchronised_body, None)?;
        self.put_body(&mut head.staged_body, None)?;
        self.put_body(&mut head.memory_body, None)?;
        self.replace_connector_keys(head.id, Vec::new())?;
        self.drop_references_of(head.id)?;
        for table in ["pending_export", "left_source", "owned_attribute", "dirty", "fact_privilege", "approval"] {
            self.run(&format!("DELETE FROM {table} WHERE object = ?1"), [head.id])?;
        }
        for table in ["owned_reference", "reference_flow", "pending_reference", "waiting_reference"] {
            self.run(&format!("DELETE FROM {table} WHERE object = ?1"), [head.id])?;
        }
        self.run("DELETE FROM owned_reference WHERE member = ?1", [head.id])?;
        self.run("DELETE FROM pending_reference WHERE member = ?1", [head.id])?;
        self.run("DELETE FROM never_sync_member WHERE member = ?1", [head.id])?;
        self.run("DELETE FROM watched_member WHERE member = ?1", [head.id])?;
        self.run("DELETE FROM object_error WHERE side = 0 AND object = ?1", [head.id])?;
        // Targets fed by this object learn at the next reference step that the flow is gone.
        self.queue_targets_of_source(head.id)?;
        self.run("DELETE FROM reference_flow WHERE source = ?1", [head.id])?;
        Ok(())
    }
}

pub(crate) fn missing_body(id: i64) -> Fault {
    Fault::damaged(format!("body {id} is referred to and does not exist"))
}

#[cfg(test)]
mod tests {
    use super::saving;

    /// Spec 10.1: an index is written anew for a column that a statement names, so a row whose keys stayed names none of them,
    /// and one whose state and place stayed calls no trigger.
    #[test]
    fn a_saved_row_names_the_keys_that_changed_and_no_other() {
        let keys = |changed| {
            let statement = saving(changed, false);
            let keys = ["state", "anchor", "parent", "rdn_key", "link_mv"];
            let named = statement.split([',', ' ']).filter(|word| keys.contains(word));
            named.map(str::to_owned).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(keys([false; 4]), "");
        assert_eq!(keys([false, true, false, true]), "anchor link_mv");
        assert_eq!(keys([true; 4]), "state anchor parent rdn_key link_mv");
        let moved = saving([false, false, true, false], false);
        assert!(moved.ends_with("item_print = ?14, parent = ?15, rdn_key = ?16 WHERE id = ?1"), "{moved}");
        assert_eq!(super::SAVING[0b0101], saving([true, false, true, false], false), "each way has its statement");
        // A trigger that relies on `OR IGNORE` is not overruled.
        for (way, verb) in [(0b0_0001, "UPDATE OR FAIL head"), (0b1_0001, "UPDATE head"), (0b0_0101, "UPDATE head")] {
            assert!(super::SAVING[way].starts_with(verb), "{}", super::SAVING[way]);
        }
    }
}
