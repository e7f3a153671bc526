//! Writes the state of one target as a plan wants it, whole: object, link, pending export, memory, holds, reference flows.
//! Writing it twice changes nothing.

use crate::codes;
use crate::db::Db;
use crate::error::Inner;
use crate::head::{Head, LinkRow};
use crate::view::{Owned, PendingChange};
use metaverse_schema::{Dn, ObjectType, ValueKind};
use std::collections::BTreeSet;
use sync_kernel::{ConnectorState, Hold, ReferenceFlow, TargetPlan, TargetRef};

impl Db {
    /// Returns the number of the object when it was created.
    pub(crate) fn apply_target(&self, plan: &TargetPlan, mv: i64) -> Inner<Option<i64>> {
        let connector = self.connector_id(&plan.connector)?;
        for dropped in &plan.dropped {
            self.remove_object(dropped.0)?;
        }
        let holds_changed = self.save_holds(mv, connector, &plan.holds)?;
        let (id, created) = match &plan.target {
            None => (None, None),
            Some(TargetRef::Existing(id)) => (Some(id.0), None),
            Some(TargetRef::New { object_type, dn }) => {
                let id = self.create_target(connector, object_type, dn.as_ref())?;
                (Some(id), Some(id))
            }
        };
        let Some(id) = id else {
            if holds_changed || !plan.dropped.is_empty() {
                // Members of groups that wait for it wait for another reason now.
                for linked in self.linked_to(mv)? {
                    self.member_changed(linked, None)?;
                }
            }
            return Ok(None);
        };
        let mut head = self.head(id)?;
        let before = head.clone();
        if let Some((rule, ownership)) = &plan.link {
            self.set_link(
                &mut head,
                Some(LinkRow { mv, rule: self.rule_id(rule)?, ownership: codes::ownership(*ownership) }),
            )?;
        }
        let pending = self.save_pending(id, connector, plan.pending.as_ref())?;
        if self.memory(&head)? != plan.memory {
            self.put_memory(&mut head, &plan.memory)?;
            // The body is written in place: the row must still be seen to have changed.
            head.generation += 1;
        }
        let owned = Owned { attributes: plan.owned.clone(), contributed: plan.contributed.clone() };
        let owned_changed = self.save_owned(id, connector, &owned)?;
        let flows_changed = self.save_flows(id, connector, &plan.references)?;
        if head != before || pending != PendingChange::Nothing || owned_changed || flows_changed || created.is_some() {
            self.save_head(&mut head)?;
        }
        // A new link has told already; other values of an object that stays concern nobody who names it.
        if pending == PendingChange::Standing {
            self.member_changed(id, Some(mv))?;
        }
        Ok(created)
    }

    /// A new object of the space without an anchor (O5).
    fn create_target(&self, connector: i64, object_type: &ObjectType, dn: Option<&Dn>) -> Inner<i64> {
        let mut head = self.free_spot(connector, dn)?;
        head.state = codes::state(ConnectorState::Disconnected);
        head.object_type = Some(self.type_id(object_type)?);
        self.save_head(&mut head)?;
        Ok(head.id)
    }

    fn free_spot(&self, connector: i64, dn: Option<&Dn>) -> Inner<Head> {
        let spot = dn.and_then(|dn| dn.rdn().map(|rdn| (dn, rdn)));
        let Some((dn, rdn)) = spot else { return self.new_head(connector, ConnectorState::Disconnected) };
        let parent = self.parent_of_place(connector, dn)?;
        match self.find_child(connector, parent, &rdn.normalised())? {
            None => {
                let mut head = self.new_head(connector, ConnectorState::Disconnected)?;
                self.occupy(&mut head, parent, rdn);
                Ok(head)
            }
            Some(occupant) => {
                let occupant = self.head(occupant)?;
                if occupant.is_placeholder() && occupant.anchor.is_none() {
                    // O18: what referred to this DN now refers to the new object.
                    self.touch_places(connector);
                    return Ok(occupant);
                }
                if occupant.staged == codes::STAGED_DELETED {
                    self.vacate(occupant.id, false)?;
                    let mut head = self.new_head(connector, ConnectorState::Disconnected)?;
                    self.occupy(&mut head, parent, rdn);
                    return Ok(head);
                }
                // The place is taken; the system will refuse it by name.
                let mut head = self.new_head(connector, ConnectorState::Disconnected)?;
                head.parent = Some(parent);
                head.rdn = Some(rdn.to_string());
                Ok(head)
            }
        }
    }

    /// Replaces the holds of one metaverse object in one connector. Returns whether they changed.
    fn save_holds(&self, mv: i64, connector: i64, holds: &[Hold]) -> Inner<bool> {
        if self.load_holds(mv, connector)? == holds {
            return Ok(false);
        }
        self.run("DELETE FROM hold WHERE mv = ?1 AND connector = ?2", (mv, connector))?;
        for (position, hold) in (0i64..).zip(holds) {
            self.run(
                "INSERT INTO hold (mv, connector, position, code, attribute, wanted, present, message, remedy, candidate, approvable) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                rusqlite::params![
                    mv,
                    connector,
                    position,
                    hold.code,
                    hold.attribute,
                    hold.wanted,
                    hold.present,
                    hold.message,
                    hold.remedy,
                    hold.candidate.map(|candidate| candidate.0),
                    hold.approvable.map(codes::approval),
                ],
            )?;
        }
        Ok(true)
    }

    /// Replaces the reference flows of a target; what a changed flow feeds is decided again. Returns whether any changed.
    fn save_flows(&self, target: i64, connector: i64, flows: &[ReferenceFlow]) -> Inner<bool> {
        let before: BTreeSet<ReferenceFlow> = self.load_flows(target)?.into_iter().collect();
        let after: BTreeSet<ReferenceFlow> = flows.iter().cloned().collect();
        if before == after {
            return Ok(false);
        }
        let mut touched = BTreeSet::new();
        for flow in before.symmetric_difference(&after) {
            touched.insert(self.attribute_id(connector, &flow.target_attribute, ValueKind::Reference)?);
        }
        // Rows of a flow that goes must be queued while it is still there.
        for attribute in &touched {
            self.queue_target(target, *attribute)?;
        }
        self.run("DELETE FROM reference_flow WHERE object = ?1", [target])?;
        for flow in &after {
            let source_space = match flow.source {
                ReferenceFlow::NOBODY => connector,
                source => self.head(source.0)?.connector,
            };
            self.run(
                "INSERT OR REPLACE INTO reference_flow (object, attribute, source, source_attribute, rule, single, keep_foreign) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                (
                    target,
                    self.attribute_id(connector, &flow.target_attribute, ValueKind::Reference)?,
                    flow.source.0,
                    self.attribute_id(source_space, &flow.source_attribute, ValueKind::Reference)?,
                    self.rule_id(&flow.rule)?,
                    flow.single,
                    flow.keep_foreign,
                ),
            )?;
        }
        for attribute in &touched {
            self.queue_target(target, *attribute)?;
        }
        Ok(true)
    }
}
