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
    /// `mv`: the metaverse object, and whether this plan made it: then nothing is kept of it yet. Returns the number of the
    /// object when it was created.
    pub(crate) fn apply_target(&self, plan: &TargetPlan, (mv, mv_is_new): (i64, bool)) -> Inner<Option<i64>> {
        let connector = self.connector_id(&plan.connector)?;
        for dropped in &plan.dropped {
            self.remove_object(dropped.0)?;
        }
        let holds_before = if mv_is_new { Vec::new() } else { self.load_holds(mv, connector)? };
        let holds_changed = self.save_holds(mv, connector, &holds_before, &plan.holds)?;
        let mut head = match &plan.target {
            None => {
                if holds_changed || !plan.dropped.is_empty() {
                    // Members of groups that wait for it wait for another reason now.
                    for linked in self.linked_to(mv)? {
                        self.member_changed(linked, None)?;
                    }
                }
                return Ok(None);
            }
            Some(TargetRef::Existing(id)) => self.head(id.0)?,
            Some(TargetRef::New { object_type, dn }) => self.new_target(connector, object_type, dn.as_ref())?,
        };
        let is_new = head.id == 0;
        let created = matches!(plan.target, Some(TargetRef::New { .. }));
        let before = head.clone();
        if self.memory(&head)? != plan.memory {
            self.put_memory(&mut head, &plan.memory)?;
            self.touch_object(head.id);
        }
        if is_new {
            // Its row is written once, link and all, before anything names it.
            self.insert_linked(&mut head, self.link_row(plan, mv)?)?;
            self.keep_of_new(&head, plan, mv)?;
            return Ok(created.then_some(head.id));
        }
        if let Some(link) = self.link_row(plan, mv)? {
            self.set_link(&mut head, Some(link))?;
        }
        let id = head.id;
        let pending = self.save_pending(id, connector, plan.pending.as_ref())?;
        let owned_changed = self.save_owned(id, connector, &owned(plan))?;
        let flows_changed = self.save_flows(id, connector, &plan.references)?;
        if created || head != before {
            self.save_head(&mut head)?;
        } else if pending != PendingChange::Nothing || owned_changed || flows_changed {
            self.touch_object(id);
        }
        // A new link has told already; other values of an object that stays concern nobody who names it.
        if pending == PendingChange::Standing {
            self.member_changed(id, Some(mv))?;
        }
        Ok(created.then_some(id))
    }

    /// What belongs to an object whose row was just made: nothing of it is there to be compared with.
    fn keep_of_new(&self, head: &Head, plan: &TargetPlan, mv: i64) -> Inner<()> {
        if let Some(pending) = &plan.pending
            && self.add_pending(head.id, head.connector, pending)? == PendingChange::Standing
        {
            self.member_changed(head.id, Some(mv))?;
        }
        let owned = owned(plan);
        if owned != Owned::default() {
            self.put_owned(head.id, head.connector, &owned)?;
        }
        let flows: BTreeSet<ReferenceFlow> = plan.references.iter().cloned().collect();
        for attribute in self.add_flows(head.id, head.connector, &flows)? {
            self.queue_sources(head.id, attribute)?;
        }
        Ok(())
    }

    fn link_row(&self, plan: &TargetPlan, mv: i64) -> Inner<Option<LinkRow>> {
        let Some((rule, ownership)) = &plan.link else { return Ok(None) };
        Ok(Some(LinkRow { mv, rule: self.rule_id(rule)?, ownership: codes::ownership(*ownership) }))
    }

    /// A new object of the space without an anchor (O5); number 0: not in the table yet.
    fn new_target(&self, connector: i64, object_type: &ObjectType, dn: Option<&Dn>) -> Inner<Head> {
        let mut head = self.free_spot(connector, dn)?;
        head.state = codes::state(ConnectorState::Disconnected);
        head.object_type = Some(self.type_id(object_type)?);
        Ok(head)
    }

    fn free_spot(&self, connector: i64, dn: Option<&Dn>) -> Inner<Head> {
        let spot = dn.and_then(|dn| dn.rdn().map(|rdn| (dn, rdn)));
        let unsaved = || Head::unsaved(connector, ConnectorState::Disconnected);
        let Some((dn, rdn)) = spot else { return Ok(unsaved()) };
        let parent = self.parent_of_place(connector, dn)?;
        match self.find_child(connector, parent, &rdn.normalised())? {
            None => {
                let mut head = unsaved();
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
                    let mut head = unsaved();
                    self.occupy(&mut head, parent, rdn);
                    return Ok(head);
                }
                // The place is taken; the system will refuse it by name.
                let mut head = unsaved();
                head.parent = Some(parent);
                head.rdn = Some(rdn.to_string());
                Ok(head)
            }
        }
    }

    /// Replaces the holds of one metaverse object in one connector. Returns whether they changed.
    fn save_holds(&self, mv: i64, connector: i64, before: &[Hold], holds: &[Hold]) -> Inner<bool> {
        if before == holds {
            return Ok(false);
        }
        let same_codes = before.iter().map(|hold| &hold.code).eq(holds.iter().map(|hold| &hold.code));
        if same_codes {
            // What is counted by code stays so: only the rows that say something else are written.
            for (position, (hold, before)) in (0i64..).zip(holds.iter().zip(before)) {
                if hold != before {
                    self.rewrite_hold(mv, connector, position, hold)?;
                }
            }
            return Ok(true);
        }
        if !before.is_empty() {
            self.run("DELETE FROM hold WHERE mv = ?1 AND connector = ?2", (mv, connector))?;
        }
        for (position, hold) in (0i64..).zip(holds) {
            self.run(
                "INSERT OR FAIL INTO hold (mv, connector, position, code, attribute, wanted, present, message, remedy, candidate, approvable) \
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

    fn rewrite_hold(&self, mv: i64, connector: i64, position: i64, hold: &Hold) -> Inner<()> {
        self.run(
            "UPDATE hold SET attribute = ?4, wanted = ?5, present = ?6, message = ?7, remedy = ?8, candidate = ?9, approvable = ?10 \
             WHERE mv = ?1 AND connector = ?2 AND position = ?3",
            rusqlite::params![
                mv,
                connector,
                position,
                hold.attribute,
                hold.wanted,
                hold.present,
                hold.message,
                hold.remedy,
                hold.candidate.map(|candidate| candidate.0),
                hold.approvable.map(codes::approval),
            ],
        )?;
        Ok(())
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
        if !before.is_empty() {
            // Rows of a flow that goes must be queued while it is still there.
            for attribute in &touched {
                self.queue_target(target, *attribute)?;
            }
            self.run("DELETE FROM reference_flow WHERE object = ?1", [target])?;
        }
        self.add_flows(target, connector, &after)?;
        for attribute in &touched {
            self.queue_target(target, *attribute)?;
        }
        Ok(true)
    }

    /// Returns the target attributes that they feed.
    fn add_flows(&self, target: i64, connector: i64, flows: &BTreeSet<ReferenceFlow>) -> Inner<BTreeSet<i64>> {
        let mut fed = BTreeSet::new();
        for flow in flows {
            let source_space = match flow.source {
                ReferenceFlow::NOBODY => connector,
                source => self.connector_of(source.0)?,
            };
            let attribute = self.attribute_id(connector, &flow.target_attribute, ValueKind::Reference)?;
            self.run(
                "INSERT INTO reference_flow (object, attribute, source, source_attribute, rule, single, keep_foreign) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (object, attribute, source, source_attribute) DO UPDATE \
                 SET rule = excluded.rule, single = excluded.single, keep_foreign = excluded.keep_foreign",
                (
                    target,
                    attribute,
                    flow.source.0,
                    self.attribute_id(source_space, &flow.source_attribute, ValueKind::Reference)?,
                    self.rule_id(&flow.rule)?,
                    flow.single,
                    flow.keep_foreign,
                ),
            )?;
            fed.insert(attribute);
        }
        Ok(fed)
    }
}

fn owned(plan: &TargetPlan) -> Owned {
    Owned { attributes: plan.owned.clone(), contributed: plan.contributed.clone() }
}
