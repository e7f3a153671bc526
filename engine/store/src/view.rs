//! Loads stored objects as the kernel sees them.

use crate::codes;
use crate::db::Db;
use crate::error::{Fault, Inner};
use crate::head::Head;
use metaverse_schema::{AttributeName, Attributes, ByName, Values};
use std::collections::{BTreeMap, BTreeSet};
use sync_kernel::{
    Approval, CsId, CsObject, EndPending, Grace, Hold, Link, MvId, MvObject, MvValue, PendingExport, PendingOperation,
    ReferenceFlow, SentState, Staged,
};

/// What this engine has in a target object: attributes to which it contributed (SF1), and the values of merged ones (S57).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Owned {
    pub(crate) attributes: BTreeSet<AttributeName>,
    pub(crate) contributed: BTreeMap<AttributeName, Values>,
}

/// In which side tables an object has anything.
struct Beside {
    owned: bool,
    pending: bool,
    references: bool,
    privilege: bool,
    approvals: bool,
    match_decisions: bool,
    in_never_sync_group: bool,
}

/// What saving a pending export changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PendingChange {
    Nothing,
    /// What is to be sent; whoever names the object need not care.
    Content,
    /// Whether the object comes, stays or goes: every reference to it is decided again.
    Standing,
}

/// What is pending for an object as those see it that name it: nothing but whether it leaves, could not be made, or waits
/// before it leaves.
fn standing(pending: Option<&PendingExport>) -> (Option<EndPending>, bool) {
    let Some(pending) = pending else { return (None, false) };
    let end = match (&pending.operation, &pending.state) {
        (PendingOperation::Delete { .. } | PendingOperation::Detach { .. }, _) => Some(EndPending::Leaves),
        (PendingOperation::Add { .. }, SentState::Refused { code, message, .. }) => {
            Some(EndPending::CreateRefused { code: code.clone(), message: message.clone() })
        }
        _ => None,
    };
    (end, pending.grace.is_some())
}

impl Db {
    pub(crate) fn load_object(&self, id: i64) -> Inner<Option<CsObject>> {
        match self.find_head(id)? {
            Some(head) => self.view(&head).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn view(&self, head: &Head) -> Inner<CsObject> {
        let beside = self.beside(head)?;
        let owned = match beside.owned {
            true => self.load_owned(head.id, head.connector)?,
            false => Owned::default(),
        };
        Ok(CsObject {
            id: CsId(head.id),
            connector: self.connector_name(head.connector)?,
            object_type: self.type_name(head)?,
            anchor: head.anchor()?,
            dn: self.dn_of(head)?,
            state: head.state()?,
            link: self.link(head)?,
            synchronised: self.synchronised_image(head)?,
            staged: self.staged(head)?,
            pending: if beside.pending { self.load_pending(head.id, head.connector)? } else { None },
            memory: self.memory(head)?,
            owned: owned.attributes,
            contributed: owned.contributed,
            reference_counts: if beside.references { self.reference_counts(head.id)? } else { BTreeMap::new() },
            privilege: if beside.privilege { self.load_privilege(head.id)? } else { None },
            approvals: if beside.approvals { self.load_approvals(head.id)? } else { Vec::new() },
            match_decisions: if beside.match_decisions { self.load_match_decisions(head)? } else { Vec::new() },
            in_never_sync_group: beside.in_never_sync_group,
            member_of: self.member_of(head)?,
            selected_by: self.selected_by(head)?,
            generation: u64::try_from(head.generation)
                .map_err(|_| Fault::damaged(format!("the generation of object {}", head.id)))?,
        })
    }

    /// Most objects have nothing in most side tables; one look at all of them costs less than one at each.
    fn beside(&self, head: &Head) -> Inner<Beside> {
        let found = self.one(
            "SELECT EXISTS (SELECT 1 FROM owned_attribute WHERE object = ?1), EXISTS (SELECT 1 FROM pending_export WHERE object = ?1), \
             EXISTS (SELECT 1 FROM reference_total WHERE source = ?1), EXISTS (SELECT 1 FROM fact_privilege WHERE object = ?1), \
             EXISTS (SELECT 1 FROM approval WHERE object = ?1), EXISTS (SELECT 1 FROM never_sync_member WHERE member = ?1), \
             EXISTS (SELECT 1 FROM pair_decision WHERE target_connector = ?2 AND target_anchor = ?3) \
             OR EXISTS (SELECT 1 FROM pair_decision WHERE source_connector = ?2 AND source_anchor = ?3)",
            (head.id, head.connector, &head.anchor),
            |row| {
                Ok(Beside {
                    owned: row.get(0)?,
                    pending: row.get(1)?,
                    references: row.get(2)?,
                    privilege: row.get(3)?,
                    approvals: row.get(4)?,
                    in_never_sync_group: row.get(5)?,
                    match_decisions: row.get(6)?,
                })
            },
        )?;
        found.ok_or_else(|| Fault::damaged(format!("the side tables of object {} cannot be looked at", head.id)))
    }

    pub(crate) fn link(&self, head: &Head) -> Inner<Option<Link>> {
        let Some(link) = head.link else { return Ok(None) };
        Ok(Some(Link {
            mv: MvId(link.mv),
            rule: self.rule(link.rule)?,
            ownership: codes::ownership_of(link.ownership)?,
        }))
    }

    pub(crate) fn staged(&self, head: &Head) -> Inner<Option<Staged>> {
        let image = || -> Inner<Attributes> {
            self.imported_image(head)?
                .ok_or_else(|| Fault::damaged(format!("the staged image of object {} is missing", head.id)))
        };
        Ok(match head.staged {
            codes::STAGED_NONE => None,
            codes::STAGED_IMAGE => Some(Staged::Image(image()?)),
            codes::STAGED_DELETED => Some(Staged::Deleted(head.cause()?)),
            codes::STAGED_REPLACED => Some(Staged::Replaced(image()?)),
            other => return Err(Fault::damaged(format!("unknown staging state {other}"))),
        })
    }

    pub(crate) fn load_pending(&self, object: i64, connector: i64) -> Inner<Option<PendingExport>> {
        type Row = (Vec<u8>, i64, Option<String>, Option<String>, Option<String>, bool, i64, Option<i64>, Option<i64>);
        let row: Option<Row> = self.one(
            "SELECT content, state, code, message, remedy, retry, attempts, not_before, if_deleted FROM pending_export WHERE object = ?1",
            [object],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?)),
        )?;
        let Some((content, state, code, message, remedy, retry, attempts, not_before, if_deleted)) = row else {
            return Ok(None);
        };
        let state = match state {
            codes::PENDING => SentState::Pending,
            codes::IN_FLIGHT => SentState::InFlight,
            codes::REFUSED => SentState::Refused {
                code: code.unwrap_or_default(),
                message: message.unwrap_or_default(),
                remedy: remedy.unwrap_or_default(),
                retry,
                count: u64::try_from(attempts).unwrap_or(0),
            },
            other => return Err(Fault::damaged(format!("unknown export state {other}"))),
        };
        let grace = match (not_before, if_deleted) {
            (Some(until), Some(action)) => Some(Grace { until, if_deleted: codes::action_of(action)? }),
            (None, None) => None,
            _ => return Err(Fault::damaged(format!("the grace period of object {object}"))),
        };
        Ok(Some(PendingExport { operation: self.decode_operation(connector, &content)?, state, grace }))
    }

    /// Replaces what is pending for an object.
    pub(crate) fn save_pending(
        &self,
        object: i64,
        connector: i64,
        pending: Option<&PendingExport>,
    ) -> Inner<PendingChange> {
        let before = self.load_pending(object, connector)?;
        if before.as_ref() == pending {
            return Ok(PendingChange::Nothing);
        }
        let change = match standing(before.as_ref()) == standing(pending) {
            true => PendingChange::Content,
            false => PendingChange::Standing,
        };
        let Some(pending) = pending else {
            self.clear_pending(object)?;
            return Ok(change);
        };
        self.put_pending(object, connector, pending)?;
        if pending.grace.is_none() {
            self.run("DELETE FROM left_source WHERE object = ?1", [object])?;
        }
        Ok(change)
    }

    /// Nothing is pending for an object any more.
    pub(crate) fn clear_pending(&self, object: i64) -> Inner<()> {
        self.run("DELETE FROM pending_export WHERE object = ?1", [object])?;
        self.run("DELETE FROM left_source WHERE object = ?1", [object])?;
        Ok(())
    }

    /// What is pending for an object for which nothing ever was.
    pub(crate) fn add_pending(&self, object: i64, connector: i64, pending: &PendingExport) -> Inner<PendingChange> {
        self.put_pending(object, connector, pending)?;
        Ok(match standing(Some(pending)) == standing(None) {
            true => PendingChange::Content,
            false => PendingChange::Standing,
        })
    }

    fn put_pending(&self, object: i64, connector: i64, pending: &PendingExport) -> Inner<()> {
        let none = String::new();
        let (state, code, message, remedy, retry, count) = match &pending.state {
            SentState::Pending => (codes::PENDING, &none, &none, &none, false, 0),
            SentState::InFlight => (codes::IN_FLIGHT, &none, &none, &none, false, 0),
            SentState::Refused { code, message, remedy, retry, count } => {
                (codes::REFUSED, code, message, remedy, *retry, *count)
            }
        };
        self.run(
            "INSERT INTO pending_export (object, connector, operation, content, state, code, message, remedy, retry, attempts, not_before, if_deleted) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (object) DO UPDATE SET connector = excluded.connector, \
             operation = excluded.operation, content = excluded.content, state = excluded.state, code = excluded.code, \
             message = excluded.message, remedy = excluded.remedy, retry = excluded.retry, attempts = excluded.attempts, \
             not_before = excluded.not_before, if_deleted = excluded.if_deleted",
            rusqlite::params![
                object,
                connector,
                codes::operation(&pending.operation),
                self.encode_operation(connector, &pending.operation)?,
                state,
                code,
                message,
                remedy,
                retry,
                i64::try_from(count).unwrap_or(i64::MAX),
                pending.grace.as_ref().map(|grace| grace.until),
                pending.grace.as_ref().map(|grace| codes::action(grace.if_deleted)),
            ],
        )?;
        Ok(())
    }

    pub(crate) fn load_owned(&self, object: i64, connector: i64) -> Inner<Owned> {
        type Row = (Vec<u8>, Option<Vec<u8>>);
        let row: Option<Row> =
            self.one("SELECT names, contributed FROM owned_attribute WHERE object = ?1", [object], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let Some((names, contributed)) = row else { return Ok(Owned::default()) };
        Ok(Owned {
            attributes: self.decode_attribute_set(connector, &names)?,
            contributed: match contributed {
                Some(values) => self.decode_contributed(connector, &values)?,
                None => BTreeMap::new(),
            },
        })
    }

    /// Returns whether it changed.
    pub(crate) fn save_owned(&self, object: i64, connector: i64, owned: &Owned) -> Inner<bool> {
        if self.load_owned(object, connector)? == *owned {
            return Ok(false);
        }
        if *owned == Owned::default() {
            self.run("DELETE FROM owned_attribute WHERE object = ?1", [object])?;
            return Ok(true);
        }
        self.put_owned(object, connector, owned)?;
        Ok(true)
    }

    pub(crate) fn put_owned(&self, object: i64, connector: i64, owned: &Owned) -> Inner<()> {
        let names = self.encode_attribute_set(connector, &owned.attributes)?;
        let contributed = match owned.contributed.is_empty() {
            true => None,
            false => Some(self.encode_contributed(connector, &owned.contributed)?),
        };
        self.run(
            "INSERT OR REPLACE INTO owned_attribute (object, names, contributed) VALUES (?1, ?2, ?3)",
            (object, names, contributed),
        )?;
        Ok(())
    }

    fn load_approvals(&self, object: i64) -> Inner<Vec<Approval>> {
        let rows: Vec<(i64, i64, String, bool)> = self.all(
            "SELECT kind, mv, value, has_value FROM approval WHERE object = ?1 ORDER BY kind, mv, value",
            [object],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )?;
        rows.into_iter()
            .map(|(kind, mv, value, has_value)| {
                Ok(Approval { kind: codes::approval_of(kind)?, mv: MvId(mv), value: has_value.then_some(value) })
            })
            .collect()
    }

    pub(crate) fn load_flows(&self, target: i64) -> Inner<Vec<ReferenceFlow>> {
        let rows: Vec<(i64, i64, i64, i64, bool, bool)> = self.all(
            "SELECT attribute, source, source_attribute, rule, single, keep_foreign FROM reference_flow WHERE object = ?1",
            [target],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)),
        )?;
        rows.into_iter()
            .map(|(attribute, source, source_attribute, rule, single, keep_foreign)| {
                Ok(ReferenceFlow {
                    target_attribute: self.attribute_name(attribute)?,
                    source: CsId(source),
                    source_attribute: self.attribute_name(source_attribute)?,
                    rule: self.rule(rule)?,
                    single,
                    keep_foreign,
                })
            })
            .collect()
    }

    pub(crate) fn load_metaverse(&self, id: i64) -> Inner<Option<MvObject>> {
        let row: Option<i64> = self.one("SELECT object_type FROM metaverse WHERE id = ?1", [id], |row| row.get(0))?;
        let Some(object_type) = row else { return Ok(None) };
        let attributes: ByName<MvValue> =
            self.stored_metaverse(id)?.into_iter().map(|(name, stored)| (name, stored.value)).collect();
        Ok(Some(MvObject {
            id: MvId(id),
            object_type: self.object_type(object_type)?,
            attributes,
            links: self.linked_to(id)?.into_iter().map(CsId).collect(),
        }))
    }

    pub(crate) fn stored_metaverse(&self, id: i64) -> Inner<BTreeMap<AttributeName, crate::codec::StoredMvValue>> {
        let body: Option<Vec<u8>> =
            self.one("SELECT image FROM metaverse_body WHERE id = ?1", [id], |row| row.get(0))?;
        let body = body.ok_or_else(|| Fault::damaged(format!("the body of metaverse object {id} is missing")))?;
        self.decode_metaverse(&body)
    }

    pub(crate) fn load_holds(&self, mv: i64, connector: i64) -> Inner<Vec<Hold>> {
        let rows: Vec<(Hold, Option<i64>)> = self.all(
            "SELECT code, attribute, wanted, present, message, remedy, candidate, approvable FROM hold \
             WHERE mv = ?1 AND connector = ?2 ORDER BY position",
            (mv, connector),
            read_hold,
        )?;
        rows.into_iter().map(finish_hold).collect()
    }

    /// Visits every object of a space (or of all) that has an imported image, in order of number, in pages.
    pub(crate) fn each_staging_object(
        &self,
        connector: Option<i64>,
        mut visit: impl FnMut(&Db, &Head, &Attributes) -> Inner<()>,
    ) -> Inner<()> {
        let mut after = 0;
        loop {
            let page = self.ids(
                "SELECT id FROM head WHERE id > ?1 AND (?2 IS NULL OR connector = ?2) AND state NOT IN (5, 6) ORDER BY id LIMIT 1000",
                (after, connector),
            )?;
            let Some(last) = page.last().copied() else { return Ok(()) };
            for id in page {
                let head = self.head(id)?;
                if let Some(image) = self.imported_image(&head)? {
                    visit(self, &head, &image)?;
                }
            }
            after = last;
        }
    }
}

/// A hold in the columns code, attribute, wanted, present, message, remedy, candidate, approvable.
pub(crate) fn read_hold(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Hold, Option<i64>)> {
    let hold = Hold {
        code: row.get(0)?,
        attribute: row.get(1)?,
        wanted: row.get(2)?,
        present: row.get(3)?,
        message: row.get(4)?,
        remedy: row.get(5)?,
        candidate: row.get::<_, Option<i64>>(6)?.map(CsId),
        approvable: None,
    };
    Ok((hold, row.get(7)?))
}

pub(crate) fn finish_hold((mut hold, approvable): (Hold, Option<i64>)) -> Inner<Hold> {
    hold.approvable = approvable.map(codes::approval_of).transpose()?;
    Ok(hold)
}
