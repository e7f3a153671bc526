//! Finds the connector-space object that an incoming object is (O37-O43), and gives it its place. Never looks at values.

use super::StagedPlace;
use crate::codec::anchor_bytes;
use crate::codes;
use crate::db::Db;
use crate::error::Inner;
use crate::head::{CREATED, Head, TRANSIENT};
use crate::place::{MAX_DEPTH, ROOT};
use metaverse_schema::{Anchor, Rdn};
use sync_kernel::{ConnectorState, PendingExport, PendingOperation, SentState};

/// The row that an incoming object is, with what matching found.
pub(crate) struct Matched {
    /// Not saved yet.
    pub(crate) head: Head,
    /// Not an object of the space before: a new row, or a placeholder that it replaces.
    pub(crate) is_new: bool,
    /// It stood somewhere else (O42).
    pub(crate) renamed: bool,
}

impl Db {
    /// O37: by anchor (`known`), then by DN. The row of an object that nobody has named before is not in the table yet: its
    /// number is 0.
    pub(crate) fn match_incoming(
        &self,
        connector: i64,
        anchor: &Anchor,
        mut known: Option<Head>,
        place: Option<&StagedPlace>,
    ) -> Inner<Matched> {
        let mut spot = match place {
            Some(place) => self.locate(connector, place)?,
            None => None,
        };
        if let (Some(head), Some(place), Some((parent, _))) = (&known, place, &spot)
            && self.stands_within(*parent, head.id)?
        {
            // It goes below another object that has its old name and is told later: a placeholder holds that name meanwhile.
            self.vacate(head.id, false)?;
            let id = head.id;
            spot = self.locate(connector, place)?;
            known = Some(self.head(id)?);
        }
        let mut head = match known {
            Some(head) => head,
            None => match self.taken_over(connector, spot.as_ref())? {
                Some(head) => head,
                None => Head::unsaved(connector, ConnectorState::Placeholder),
            },
        };
        let is_new = head.is_placeholder();
        head.anchor = Some(anchor_bytes(anchor));
        let renamed = match spot {
            Some((parent, rdn)) => self.take_place(&mut head, parent, &rdn)? && !is_new,
            None => false,
        };
        Ok(Matched { head, is_new, renamed })
    }

    /// Whether `id` is `ancestor`, or stands somewhere below it.
    fn stands_within(&self, id: i64, ancestor: i64) -> Inner<bool> {
        let mut current = id;
        for _ in 0..MAX_DEPTH {
            if current == ancestor {
                return Ok(true);
            }
            match self
                .one("SELECT parent FROM head WHERE id = ?1", [current], |row| row.get::<_, Option<i64>>(0))?
                .flatten()
            {
                Some(parent) if parent != ROOT => current = parent,
                _ => return Ok(false),
            }
        }
        Ok(false)
    }

    /// The container and the relative name; none at the root, or inside itself.
    fn locate(&self, connector: i64, place: &StagedPlace) -> Inner<Option<(i64, Rdn)>> {
        let Some(rdn) = place.dn.rdn() else { return Ok(None) };
        let parent = match &place.parent {
            Some(anchor) => match self.id_by_anchor(connector, anchor)? {
                Some(parent) => parent,
                None => self.hold_anchor(connector, anchor, place.dn.parent().as_ref())?,
            },
            None => self.parent_of_place(connector, &place.dn)?,
        };
        Ok(Some((parent, rdn.clone())))
    }

    /// The object at the same DN, when it is the incoming one under another guise: a placeholder (O18), or one that this engine
    /// created in a system that did not tell the anchor (O50, T26).
    fn taken_over(&self, connector: i64, spot: Option<&(i64, Rdn)>) -> Inner<Option<Head>> {
        let Some((parent, rdn)) = spot else { return Ok(None) };
        let Some(occupant) = self.find_child(connector, *parent, &rdn.normalised())? else { return Ok(None) };
        let mut occupant = self.head(occupant)?;
        if occupant.anchor.is_some() {
            return Ok(None);
        }
        if occupant.is_placeholder() {
            return Ok(Some(occupant));
        }
        if occupant.has(CREATED) || self.is_in_flight(occupant.id)? {
            self.settle_found(&mut occupant)?;
            return Ok(Some(occupant));
        }
        Ok(None)
    }

    pub(crate) fn is_in_flight(&self, object: i64) -> Inner<bool> {
        self.exists("SELECT 1 FROM pending_export WHERE object = ?1 AND state = 1", [object])
    }

    /// An object whose create was in flight is there. What was sent is not known, for it may have been decided anew since: nothing
    /// counts as sent, and what this very import does not return as wanted is sent.
    pub(crate) fn settle_found(&self, head: &mut Head) -> Inner<()> {
        head.flags &= !CREATED;
        let pending = self.load_pending(head.id, head.connector)?;
        if let Some(PendingExport { operation: PendingOperation::Add { .. }, state: SentState::InFlight, .. }) = pending
        {
            self.save_pending(head.id, head.connector, None)?;
            // It may have been refused before it was sent again, and who names it still waits for that reason.
            self.member_changed(head.id, head.link.map(|link| link.mv))?;
        }
        Ok(())
    }

    /// Puts the object at its place, making room where another stands. Returns whether it stood elsewhere.
    fn take_place(&self, head: &mut Head, parent: i64, rdn: &Rdn) -> Inner<bool> {
        let display = rdn.to_string();
        let same = head.parent == Some(parent) && head.rdn.as_deref() == Some(display.as_str());
        if same && head.rdn_key.is_some() {
            return Ok(false);
        }
        if parent == head.id && head.id != 0 {
            // A directory cannot say this; a broken file can. The object keeps the place it has.
            return Ok(false);
        }
        let occupant = self.find_child(head.connector, parent, &rdn.normalised())?;
        if let Some(occupant) = occupant.filter(|occupant| *occupant != head.id) {
            if head.id == 0 {
                self.insert_head(head)?;
            }
            self.make_room(occupant, head.id)?;
        }
        self.occupy(head, parent, rdn);
        if head.id != 0 {
            self.candidate_changed(head.id)?;
        }
        Ok(!same)
    }

    /// Another object stands where an imported one now is.
    pub(crate) fn make_room(&self, occupant: i64, incoming: i64) -> Inner<()> {
        let head = self.head(occupant)?;
        if head.is_placeholder() && head.anchor.is_none() {
            return self.merge_placeholder(occupant, incoming);
        }
        if head.is_placeholder() {
            return self.vacate(occupant, false);
        }
        if head.anchor.is_some() {
            // O39: where it went is told later, by its rename, its delete or its absence.
            return self.vacate(occupant, true);
        }
        if head.has(CREATED) || self.is_in_flight(occupant)? {
            return self.vacate(occupant, false);
        }
        // O38: provisioned and never exported. It goes, and its metaverse object provisions again.
        if let Some(link) = head.link {
            self.mark_metaverse_dirty(link.mv)?;
        }
        self.remove_object(occupant)
    }

    /// A container that is imported no longer: what stands below it, or names it, still needs its place (O16).
    pub(crate) fn container_left(&self, head: &mut Head) -> Inner<()> {
        self.put_body(&mut head.synchronised_body, None)?;
        self.put_body(&mut head.staged_body, None)?;
        self.drop_references_of(head.id)?;
        head.state = codes::PLACEHOLDER;
        head.object_type = None;
        head.hash = None;
        head.item_print = None;
        head.staged = codes::STAGED_NONE;
        head.flags &= !TRANSIENT;
        self.save_head(head)
    }
}
