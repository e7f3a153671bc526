//! Applies one plan: promotion, links, metaverse objects with their keys and lineage, targets, the queue.

use super::AppliedPlan;
use crate::codec::StoredMvValue;
use crate::codes;
use crate::db::{ChangedMembers, Db};
use crate::error::{Inner, StoreError};
use crate::errors::{ErrorPhase, ErrorSubject, Problem};
use crate::head::{Head, LinkRow};
use crate::history::PageMark;
use crate::key_trees::Side;
use metaverse_schema::{AttributeName, ByName, ObjectType};
use std::collections::BTreeMap;
use sync_kernel::planted::{Fault, is_planted};
use sync_kernel::{
    ConnectorState, CsId, MetaverseChange, MvId, MvRef, MvValue, ObjectError, ObjectPlan, Subject, TargetRef,
};

/// Stands for a metaverse object where there is none: numbers begin at one.
const NO_METAVERSE_OBJECT: i64 = 0;

impl Db {
    pub(crate) fn apply_plan(&self, plan: &ObjectPlan, mark: &PageMark) -> Inner<AppliedPlan> {
        self.changed_members.replace(Some(ChangedMembers::new()));
        let outcome = self.apply_parts(plan, mark);
        let changed = self.changed_members.take().unwrap_or_default();
        let applied = outcome?;
        self.queue_members(changed)?;
        Ok(applied)
    }

    fn apply_parts(&self, plan: &ObjectPlan, mark: &PageMark) -> Inner<AppliedPlan> {
        if let Some(error) = &plan.error {
            self.keep_failed(plan.subject, error, mark)?;
            return Ok(AppliedPlan::default());
        }
        let mut applied = AppliedPlan::default();
        let created = self.create_metaverse(plan)?;
        applied.metaverse = created.map(MvId);
        let number_of = |mv: MvRef| match mv {
            MvRef::Existing(id) => Ok(id.0),
            MvRef::New => {
                created.ok_or_else(|| misplaced("a plan links to a metaverse object that it does not create"))
            }
        };
        self.settle_links(plan, &number_of)?;
        for metaverse in &plan.metaverse {
            let mv = number_of(metaverse.object)?;
            match &metaverse.change {
                MetaverseChange::Set { attributes, .. } => {
                    let is_new = metaverse.object == MvRef::New;
                    self.write_metaverse((mv, is_new), &metaverse.object_type, attributes, mark)?
                }
                MetaverseChange::Unchanged | MetaverseChange::Delete { .. } => {}
            }
            if metaverse.object != MvRef::New || metaverse.due.is_some() {
                self.set_due(mv, metaverse.due)?;
            }
        }
        for target in &plan.targets {
            let mv = (number_of(target.mv)?, target.mv == MvRef::New);
            applied.targets.extend(self.apply_target(target, mv)?.map(CsId));
            if let (Subject::Connector(source), true, Some(TargetRef::Existing(object))) =
                (plan.subject, plan.remove_subject, &target.target)
                && let Some(source) = self.find_head(source.0)?
            {
                self.remember_source(object.0, &source)?;
            }
        }
        for metaverse in &plan.metaverse {
            let mv = number_of(metaverse.object)?;
            if matches!(metaverse.change, MetaverseChange::Delete { .. }) {
                self.delete_metaverse(mv)?;
            }
            if metaverse.object != MvRef::New {
                self.run("DELETE FROM dirty_metaverse WHERE object = ?1", [mv])?;
            }
        }
        self.finish_subject(plan)?;
        for id in &plan.rejoin {
            // Most of them are linked by now, the subject among them.
            let query = "SELECT connector FROM head WHERE id = ?1 AND link_mv IS NULL AND state NOT IN (5, 6)";
            if let Some(connector) = self.one(query, [id.0], |row| row.get(0))? {
                self.mark_dirty(id.0, connector)?;
            }
        }
        for mv in &plan.revisit {
            if self.exists("SELECT 1 FROM metaverse WHERE id = ?1", [mv.0])? && !is_planted(Fault::LoseRevisit) {
                self.mark_metaverse_dirty(mv.0)?;
            }
        }
        Ok(applied)
    }

    /// Whether what no answer tells is as a plan leaves it: it waits in no queue and has no error, its holds, reference flows and
    /// instants are the same.
    pub(super) fn is_at_rest(&self, plan: &ObjectPlan) -> Inner<bool> {
        let (side, object) = match plan.subject {
            Subject::Connector(id) => (0, id.0),
            Subject::Metaverse(id) => (1, id.0),
        };
        // The subject and its metaverse object in one look; nearly every plan is about one.
        let (first, others) = match plan.metaverse.split_first() {
            Some((first, others)) => (Some(first), others),
            None => (None, &[][..]),
        };
        let mv = match first.map(|metaverse| metaverse.object) {
            Some(MvRef::Existing(mv)) => mv.0,
            Some(MvRef::New) => return Ok(false),
            None => NO_METAVERSE_OBJECT,
        };
        let query = "SELECT EXISTS (SELECT 1 FROM dirty WHERE ?2 = 0 AND object = ?1) \
                     OR EXISTS (SELECT 1 FROM dirty_metaverse WHERE ?2 = 1 AND object = ?1) \
                     OR EXISTS (SELECT 1 FROM object_error WHERE side = ?2 AND object = ?1) \
                     OR EXISTS (SELECT 1 FROM dirty_metaverse WHERE object = ?3), (SELECT at FROM due WHERE object = ?3)";
        let found = self.one(query, (object, side, mv), |row| Ok((row.get::<_, bool>(0)?, row.get(1)?)))?;
        if found != Some((false, first.and_then(|metaverse| metaverse.due))) {
            return Ok(false);
        }
        for metaverse in others {
            let MvRef::Existing(mv) = metaverse.object else { return Ok(false) };
            let query = "SELECT (SELECT at FROM due WHERE object = ?1), EXISTS (SELECT 1 FROM dirty_metaverse WHERE object = ?1)";
            let found = self.one(query, [mv.0], |row| Ok((row.get(0)?, row.get::<_, bool>(1)?)))?;
            if found != Some((metaverse.due, false)) {
                return Ok(false);
            }
        }
        for target in &plan.targets {
            let MvRef::Existing(mv) = target.mv else { return Ok(false) };
            if !self.holds_are(mv.0, self.connector_id(&target.connector)?, &target.holds)? {
                return Ok(false);
            }
            if let Some(TargetRef::Existing(id)) = &target.target
                && !self.flows_are(id.0, &target.references)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// R76-R78: the error is told, everything else stays as it was, and the object is tried again by the next step.
    fn keep_failed(&self, subject: Subject, error: &ObjectError, mark: &PageMark) -> Inner<()> {
        let problem = Problem {
            code: error.code.clone(),
            message: error.message.clone(),
            attribute: error.attribute.clone(),
            rule: error.rule.as_ref().map(|rule| rule.to_string()),
        };
        match subject {
            Subject::Connector(id) => {
                let Some(head) = self.find_head(id.0)? else { return Ok(()) };
                self.mark_dirty(head.id, head.connector)?;
                self.raise(ErrorSubject::Object(id), head.connector, ErrorPhase::Synchronization, &problem, mark)
            }
            Subject::Metaverse(id) => {
                self.mark_metaverse_dirty(id.0)?;
                self.raise(
                    ErrorSubject::Metaverse(id),
                    crate::names::METAVERSE_ERRORS,
                    ErrorPhase::Synchronization,
                    &problem,
                    mark,
                )
            }
        }
    }

    fn create_metaverse(&self, plan: &ObjectPlan) -> Inner<Option<i64>> {
        let mut created = None;
        for metaverse in plan.metaverse.iter().filter(|metaverse| metaverse.object == MvRef::New) {
            if created.is_some() {
                return Err(misplaced("a plan creates two metaverse objects"));
            }
            self.run(
                "INSERT INTO metaverse (object_type, rule_set) VALUES (?1, ?2)",
                (self.type_id(&metaverse.object_type)?, self.applied_snapshot()),
            )?;
            let id = self.sql.last_insert_rowid();
            if !matches!(metaverse.change, MetaverseChange::Set { .. }) {
                self.insert_metaverse_body(id, &BTreeMap::new())?;
            }
            self.touch_metaverse(id);
            created = Some(id);
        }
        Ok(created)
    }

    /// The promotion of the subject and the links, in the order of the plan; a row that several of them change in turn is
    /// written once.
    fn settle_links(&self, plan: &ObjectPlan, number_of: &impl Fn(MvRef) -> Inner<i64>) -> Inner<()> {
        let mut open = match plan.subject {
            Subject::Connector(id) if plan.promote => self.promoted(id.0)?,
            _ => None,
        };
        for change in &plan.links {
            let mut head = match open.take() {
                Some(head) if head.id == change.object.0 => head,
                other => {
                    self.save_open(other)?;
                    let Some(head) = self.find_head(change.object.0)? else { continue };
                    head
                }
            };
            let link = match &change.link {
                Some((mv, rule, ownership)) => Some(LinkRow {
                    mv: number_of(*mv)?,
                    rule: self.rule_id(rule)?,
                    ownership: codes::ownership(*ownership),
                }),
                None => None,
            };
            self.set_link(&mut head, link)?;
            if change.explicitly {
                head.state = codes::state(ConnectorState::ExplicitlyDisconnected);
            }
            open = Some(head);
            if change.link.is_none() && plan.subject != Subject::Connector(change.object) {
                self.save_open(open.take())?;
                self.look_again(change.object.0)?;
            }
        }
        self.save_open(open)
    }

    fn save_open(&self, open: Option<Head>) -> Inner<()> {
        match open {
            Some(mut head) => self.save_head(&mut head),
            None => Ok(()),
        }
    }

    /// The imported image becomes the synchronised one: a pointer moves (S4.10). The caller saves the row; none: nothing was
    /// to be promoted.
    fn promoted(&self, id: i64) -> Inner<Option<Head>> {
        let Some(mut head) = self.find_head(id)? else { return Ok(None) };
        if !matches!(head.staged, codes::STAGED_IMAGE | codes::STAGED_REPLACED) || is_planted(Fault::SkipPromote) {
            return Ok(None);
        }
        if let Some(staged) = head.staged_body.take() {
            self.put_body(&mut head.synchronised_body, None)?;
            head.synchronised_body = Some(staged);
        }
        head.staged = codes::STAGED_NONE;
        self.promote_references(id)?;
        Ok(Some(head))
    }

    /// Another object's plan ended the link: what a full synchronisation would make of the object, the next delta does.
    fn look_again(&self, id: i64) -> Inner<()> {
        match self.find_head(id)? {
            Some(head)
                if head.is_staging_object()
                    && (head.synchronised_body.is_some() || head.staged != codes::STAGED_NONE) =>
            {
                self.mark_dirty(head.id, head.connector)
            }
            _ => Ok(()),
        }
    }

    /// Sets a link in the row, with the state that goes with it; the caller saves the row.
    pub(crate) fn set_link(&self, head: &mut Head, link: Option<LinkRow>) -> Inner<()> {
        let before = head.link;
        if before == link {
            return Ok(());
        }
        put_link(head, link)?;
        self.relinked(head, before.map(|link| link.mv))
    }

    /// Writes a row that is not in the table yet, with its link.
    pub(crate) fn insert_linked(&self, head: &mut Head, link: Option<LinkRow>) -> Inner<()> {
        put_link(head, link)?;
        self.insert_head(head)?;
        // No hold is about it yet; whoever names another object of the same metaverse object is told.
        if link.is_some() { self.relink_told(head, None) } else { Ok(()) }
    }

    /// Tells everybody whose decisions depend on who is linked to what.
    fn relinked(&self, head: &Head, before: Option<i64>) -> Inner<()> {
        if before != head.link.map(|link| link.mv) {
            self.candidate_changed(head.id)?;
        }
        self.relink_told(head, before)
    }

    /// The same of an object that nobody is held because of.
    fn relink_told(&self, head: &Head, before: Option<i64>) -> Inner<()> {
        let after = head.link.map(|link| link.mv);
        for mv in [before, after].into_iter().flatten() {
            self.touch_metaverse(mv);
        }
        if before != after && (after.is_none() || !is_planted(Fault::SkipReferencesOfNewLink)) {
            self.member_changed(head.id, before)?;
            self.member_changed(head.id, after)?;
        }
        Ok(())
    }

    /// An object that a hold is about was linked, let go, moved or removed: whoever is held because of it is decided anew.
    pub(crate) fn candidate_changed(&self, object: i64) -> Inner<()> {
        for mv in self.ids("SELECT DISTINCT mv FROM hold WHERE candidate = ?1", [object])? {
            self.mark_metaverse_dirty(mv)?;
        }
        Ok(())
    }

    fn applied_snapshot(&self) -> Option<i64> {
        self.rules.borrow().as_ref().and_then(|rules| rules.snapshot)
    }

    fn insert_metaverse_body(&self, id: i64, stored: &BTreeMap<AttributeName, StoredMvValue>) -> Inner<()> {
        self.run("INSERT INTO metaverse_body (id, image) VALUES (?1, ?2)", (id, self.encode_metaverse(stored)?))?;
        Ok(())
    }

    /// `is_new`: this plan creates the object; it has neither a body nor keys yet.
    fn write_metaverse(
        &self,
        (id, is_new): (i64, bool),
        object_type: &ObjectType,
        attributes: &ByName<MvValue>,
        mark: &PageMark,
    ) -> Inner<()> {
        let before = if is_new { BTreeMap::new() } else { self.stored_metaverse(id)? };
        let run = mark.run.map_or(0, |run| run.0);
        let stored: BTreeMap<AttributeName, StoredMvValue> = attributes
            .iter()
            .map(|(name, value)| {
                let kept = before.get(name).filter(|stored| stored.value == *value).map(|stored| stored.run);
                (name.clone(), StoredMvValue { value: value.clone(), run: kept.unwrap_or(run) })
            })
            .collect();
        self.touch_metaverse(id);
        if is_new {
            self.insert_metaverse_body(id, &stored)?;
            return self.add_keys(Side::Metaverse, id, self.metaverse_keys_of(object_type, attributes)?);
        }
        if stored != before {
            self.run("UPDATE metaverse_body SET image = ?2 WHERE id = ?1", (id, self.encode_metaverse(&stored)?))?;
        }
        // The rules by which it came to be; they change rarely.
        let other_rules = self.run(
            "UPDATE metaverse SET rule_set = ?2 WHERE id = ?1 AND rule_set IS NOT ?2",
            (id, self.applied_snapshot()),
        )?;
        let differs = |name: &AttributeName| {
            stored.get(name).map(|stored| &stored.value) != before.get(name).map(|before| &before.value)
        };
        // Its keys are those of its values: where none that they read changed, neither did they.
        match other_rules > 0 || self.metaverse_keys_read(differs)? {
            true => self.replace_metaverse_keys(id, self.metaverse_keys_of(object_type, attributes)?),
            false => Ok(()),
        }
    }

    fn delete_metaverse(&self, id: i64) -> Inner<()> {
        for object in self.linked_to(id)? {
            let mut head = self.head(object)?;
            self.set_link(&mut head, None)?;
            self.save_head(&mut head)?;
        }
        self.replace_metaverse_keys(id, Vec::new())?;
        self.run("DELETE FROM metaverse WHERE id = ?1", [id])?;
        self.run("DELETE FROM metaverse_body WHERE id = ?1", [id])?;
        self.run("DELETE FROM hold WHERE mv = ?1", [id])?;
        self.run("DELETE FROM approval WHERE mv = ?1", [id])?;
        self.set_due(id, None)?;
        self.run("DELETE FROM object_error WHERE side = 1 AND object = ?1", [id])?;
        self.touch_metaverse(id);
        Ok(())
    }

    fn finish_subject(&self, plan: &ObjectPlan) -> Inner<()> {
        match plan.subject {
            Subject::Connector(id) => {
                self.clear_errors(ErrorSubject::Object(id), ErrorPhase::Synchronization)?;
                self.run("DELETE FROM dirty WHERE object = ?1", [id.0])?;
                if plan.remove_subject {
                    return self.remove_object(id.0);
                }
                let Some(state) = plan.state.map(codes::state) else { return Ok(()) };
                // As a rule what became of its link has given it this state.
                if self.exists("SELECT 1 FROM head WHERE id = ?1 AND state <> ?2", (id.0, state))?
                    && let Some(mut head) = self.find_head(id.0)?
                {
                    head.state = state;
                    self.save_head(&mut head)?;
                }
            }
            Subject::Metaverse(id) => {
                self.clear_errors(ErrorSubject::Metaverse(id), ErrorPhase::Synchronization)?;
                self.run("DELETE FROM dirty_metaverse WHERE object = ?1", [id.0])?;
            }
        }
        Ok(())
    }
}

fn put_link(head: &mut Head, link: Option<LinkRow>) -> Inner<()> {
    // What an operator said about the link stands (O20): that it is to be, and that it is not to be.
    let (normal, explicit) = match link {
        Some(_) => (ConnectorState::Connected, ConnectorState::ExplicitlyConnected),
        None => (ConnectorState::Disconnected, ConnectorState::ExplicitlyDisconnected),
    };
    if head.state()? != explicit {
        head.state = codes::state(normal);
    }
    head.link = link;
    Ok(())
}

fn misplaced(what: &str) -> crate::error::Fault {
    StoreError::Missing { what: what.to_owned() }.into()
}
