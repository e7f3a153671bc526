//! Loads stored objects as the kernel sees them.

use crate::codes;
use crate::db::Db;
use crate::error::{Fault, Inner};
use crate::head::{Head, LinkRow, missing_body};
use metaverse_schema::{AttributeName, Attributes, Values};
use rusqlite::Row;
use std::collections::BTreeMap;
use sync_kernel::{
    Approval, ConnectorState, CsId, CsObject, EndPending, Grace, Hold, Link, MvId, MvObject, OwnedNames, PendingExport,
    PendingOperation, ReferenceFlow, SentState, Staged,
};

/// What this engine has in a target object: attributes to which it contributed (SF1), and the values of merged ones (S57).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Owned {
    pub(crate) attributes: OwnedNames,
    pub(crate) contributed: BTreeMap<AttributeName, Values>,
}

/// In which side tables an object has anything.
struct Beside {
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

/// A create that was refused and waits for a change: the object's references wait with it.
fn keeps_references_back(pending: Option<&PendingExport>) -> bool {
    let Some(pending) = pending else { return false };
    matches!(
        (&pending.operation, &pending.state),
        (PendingOperation::Add { .. }, SentState::Refused { retry: false, .. })
    )
}

/// A row with what nearly every object has beside it, and whether there is any of the rest: one statement, as a look at each table
/// by itself would cost more than what is found there.
const OBJECT: &str = "SELECT h.connector, h.anchor, h.parent, h.rdn, h.object_type, h.state, h.link_mv, h.link_rule, h.ownership, \
     h.staged, h.cause, h.synchronised_body, h.staged_body, h.memory_body, h.generation, b.image, o.names, o.contributed, \
     EXISTS (SELECT 1 FROM pending_export WHERE object = h.id), EXISTS (SELECT 1 FROM reference_total WHERE source = h.id), \
     EXISTS (SELECT 1 FROM fact_privilege WHERE object = h.id), EXISTS (SELECT 1 FROM approval WHERE object = h.id), \
     EXISTS (SELECT 1 FROM never_sync_member WHERE member = h.id), \
     EXISTS (SELECT 1 FROM pair_decision WHERE target_connector = h.connector AND target_anchor = h.anchor) \
     OR EXISTS (SELECT 1 FROM pair_decision WHERE source_connector = h.connector AND source_anchor = h.anchor) \
     FROM head h LEFT JOIN body b ON b.id = h.synchronised_body LEFT JOIN owned_attribute o ON o.object = h.id WHERE h.id = ?1";

/// The holds of one metaverse object in one connector.
const HOLDS: &str = "SELECT code, attribute, wanted, present, message, remedy, candidate, approvable FROM hold \
     WHERE mv = ?1 AND connector = ?2 ORDER BY position";

/// What `OBJECT` finds. The head is for reading alone: columns that no view needs are empty in it.
struct Found {
    head: Head,
    synchronised: Option<Attributes>,
    owned: Owned,
    beside: Beside,
}

impl Db {
    pub(crate) fn load_object(&self, id: i64) -> Inner<Option<CsObject>> {
        match self.taken(OBJECT, [id], |row| self.read_object(id, row))? {
            Some(found) => self.object_of(found).map(Some),
            None => Ok(None),
        }
    }

    /// The same of an object that others point at.
    pub(crate) fn view(&self, head: &Head) -> Inner<CsObject> {
        let object = self.load_object(head.id)?;
        object.ok_or_else(|| Fault::damaged(format!("object {} is referred to and does not exist", head.id)))
    }

    fn read_object(&self, id: i64, row: &Row<'_>) -> Inner<Found> {
        let connector = row.get(0)?;
        let mut head = Head::unsaved(connector, ConnectorState::Disconnected);
        head.id = id;
        head.anchor = row.get(1)?;
        head.parent = row.get(2)?;
        head.rdn = row.get(3)?;
        head.object_type = row.get(4)?;
        head.state = row.get(5)?;
        if let Some(mv) = row.get(6)? {
            head.link = Some(LinkRow { mv, rule: row.get(7)?, ownership: row.get(8)? });
        }
        head.staged = row.get(9)?;
        head.cause = row.get(10)?;
        head.synchronised_body = row.get(11)?;
        head.staged_body = row.get(12)?;
        head.memory_body = row.get(13)?;
        head.generation = row.get(14)?;
        let synchronised = match (head.synchronised_body, optional_blob(row, 15)?) {
            (None, _) => None,
            (Some(_), Some(image)) => Some(self.decode_image(connector, image)?),
            (Some(body), None) => return Err(missing_body(body)),
        };
        let owned = match optional_blob(row, 16)? {
            Some(names) => self.decode_owned(connector, names, optional_blob(row, 17)?)?,
            None => Owned::default(),
        };
        let beside = Beside {
            pending: row.get(18)?,
            references: row.get(19)?,
            privilege: row.get(20)?,
            approvals: row.get(21)?,
            in_never_sync_group: row.get(22)?,
            match_decisions: row.get(23)?,
        };
        Ok(Found { head, synchronised, owned, beside })
    }

    fn object_of(&self, found: Found) -> Inner<CsObject> {
        let Found { head, synchronised, owned, beside } = found;
        let staged = match (head.staged, head.staged_body, &synchronised) {
            // A staged object whose attributes are those already synchronised has no second body.
            (codes::STAGED_IMAGE, None, Some(image)) => Some(Staged::Image(image.clone())),
            _ => self.staged(&head)?,
        };
        Ok(CsObject {
            id: CsId(head.id),
            connector: self.connector_name(head.connector)?,
            object_type: self.type_name(&head)?,
            anchor: head.anchor()?,
            dn: self.dn_of(&head)?,
            state: head.state()?,
            link: self.link(&head)?,
            synchronised,
            staged,
            pending: if beside.pending { self.load_pending(head.id, head.connector)? } else { None },
            memory: self.memory(&head)?,
            owned: owned.attributes,
            contributed: owned.contributed,
            reference_counts: if beside.references { self.reference_counts(head.id)? } else { BTreeMap::new() },
            privilege: if beside.privilege { self.load_privilege(head.id)? } else { None },
            approvals: if beside.approvals { self.load_approvals(head.id)? } else { Vec::new() },
            match_decisions: if beside.match_decisions { self.load_match_decisions(&head)? } else { Vec::new() },
            in_never_sync_group: beside.in_never_sync_group,
            member_of: self.member_of(&head)?,
            selected_by: self.selected_by(&head)?,
            generation: u64::try_from(head.generation)
                .map_err(|_| Fault::damaged(format!("the generation of object {}", head.id)))?,
        })
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
        if keeps_references_back(before.as_ref()) != keeps_references_back(pending) {
            self.keep_references_back(object, keeps_references_back(pending))?;
        }
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

    /// Whether an object's references wait for its create, and leave the index of what is to be sent.
    pub(crate) fn keep_references_back(&self, object: i64, keep: bool) -> Inner<()> {
        self.run("UPDATE pending_reference SET kept_back = ?2 WHERE object = ?1", (object, keep))?;
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
        self.decode_owned(connector, &names, contributed.as_deref())
    }

    fn decode_owned(&self, connector: i64, names: &[u8], contributed: Option<&[u8]>) -> Inner<Owned> {
        Ok(Owned {
            attributes: self.decode_attribute_set(connector, names)?,
            contributed: match contributed {
                Some(values) => self.decode_contributed(connector, values)?,
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
        let mut flows = Vec::new();
        self.each_flow(target, |flow| flows.push(flow))?;
        Ok(flows)
    }

    /// Whether the reference flows of a target are these, in whatever order. A list that names one twice is not what stands.
    pub(crate) fn flows_are(&self, target: i64, flows: &[ReferenceFlow]) -> Inner<bool> {
        let (mut standing, mut same) = (0, true);
        self.each_flow(target, |flow| {
            standing += 1;
            same = same && flows.contains(&flow);
        })?;
        Ok(same && standing == flows.len())
    }

    fn each_flow(&self, target: i64, mut visit: impl FnMut(ReferenceFlow)) -> Inner<()> {
        let query = "SELECT attribute, source, source_attribute, rule, single, keep_foreign FROM reference_flow WHERE object = ?1";
        self.each(query, [target], |row| {
            visit(ReferenceFlow {
                target_attribute: self.attribute_name(row.get(0)?)?,
                source: CsId(row.get(1)?),
                source_attribute: self.attribute_name(row.get(2)?)?,
                rule: self.rule(row.get(3)?)?,
                single: row.get(4)?,
                keep_foreign: row.get(5)?,
            });
            Ok(())
        })
    }

    pub(crate) fn load_metaverse(&self, id: i64) -> Inner<Option<MvObject>> {
        let query = "SELECT m.object_type, b.image, h.id FROM metaverse m LEFT JOIN metaverse_body b ON b.id = m.id \
                     LEFT JOIN head h ON h.link_mv = m.id WHERE m.id = ?1 ORDER BY h.id";
        let mut object: Option<MvObject> = None;
        self.each(query, [id], |row| {
            let object = match &mut object {
                Some(object) => object,
                none => none.insert(MvObject {
                    id: MvId(id),
                    object_type: self.object_type(row.get(0)?)?,
                    attributes: match optional_blob(row, 1)? {
                        Some(image) => self.decode_metaverse_values(image)?,
                        None => return Err(missing_metaverse_body(id)),
                    },
                    links: Vec::new(),
                }),
            };
            object.links.extend(row.get::<_, Option<i64>>(2)?.map(CsId));
            Ok(())
        })?;
        Ok(object)
    }

    pub(crate) fn stored_metaverse(&self, id: i64) -> Inner<BTreeMap<AttributeName, crate::codec::StoredMvValue>> {
        let body: Option<Vec<u8>> =
            self.one("SELECT image FROM metaverse_body WHERE id = ?1", [id], |row| row.get(0))?;
        let body = body.ok_or_else(|| missing_metaverse_body(id))?;
        self.decode_metaverse(&body)
    }

    pub(crate) fn load_holds(&self, mv: i64, connector: i64) -> Inner<Vec<Hold>> {
        let rows: Vec<(Hold, Option<i64>)> = self.all(HOLDS, (mv, connector), read_hold)?;
        rows.into_iter().map(finish_hold).collect()
    }

    /// Whether the holds of one metaverse object in one connector are these.
    pub(crate) fn holds_are(&self, mv: i64, connector: i64, holds: &[Hold]) -> Inner<bool> {
        self.each_is(HOLDS, (mv, connector), holds, |row, hold| {
            let texts = [
                (0, Some(&hold.code)),
                (1, hold.attribute.as_ref()),
                (2, hold.wanted.as_ref()),
                (3, hold.present.as_ref()),
                (4, Some(&hold.message)),
                (5, Some(&hold.remedy)),
            ];
            for (column, text) in texts {
                let stands = row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from)?;
                if stands != text.map(String::as_str) {
                    return Ok(false);
                }
            }
            Ok(row.get::<_, Option<i64>>(6)? == hold.candidate.map(|candidate| candidate.0)
                && row.get::<_, Option<i64>>(7)? == hold.approvable.map(codes::approval))
        })
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

fn missing_metaverse_body(id: i64) -> Fault {
    Fault::damaged(format!("the body of metaverse object {id} is missing"))
}

/// The bytes of a column, where they stand.
fn optional_blob<'r>(row: &'r Row<'_>, column: usize) -> Inner<Option<&'r [u8]>> {
    Ok(row.get_ref(column)?.as_blob_or_null().map_err(rusqlite::Error::from)?)
}

/// A hold in the columns code, attribute, wanted, present, message, remedy, candidate, approvable.
pub(crate) fn read_hold(row: &Row<'_>) -> rusqlite::Result<(Hold, Option<i64>)> {
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
