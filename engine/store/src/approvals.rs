//! What an operator lets through: a guarded list, or a list of held decisions, each named by the digest of exactly what it
//! holds. Nothing is approved that was not listed.

use crate::codes;
use crate::db::Db;
use crate::error::{Fault, Inner};
use crate::{Store, StoreError};
use serde::{Deserialize, Serialize};
use sync_kernel::{ApprovalKind, ApprovalList, CsId, Digest, GuardKind, GuardLine, GuardVerdict, MvId};
use sync_rules::ConnectorName;

/// A guarded list that waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredList {
    pub digest: Digest,
    #[serde(serialize_with = "crate::as_text")]
    pub connector: ConnectorName,
    pub lines: Vec<GuardLine>,
    pub verdicts: Vec<GuardVerdict>,
    pub recorded: i64,
    /// When an operator let it through; the next export of exactly this list uses it up.
    pub approved: Option<i64>,
}

/// Held decisions of one kind that an operator may let through together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovableList {
    pub digest: Digest,
    #[serde(serialize_with = "crate::as_text")]
    pub connector: ConnectorName,
    pub kind: ApprovalKind,
    pub lines: Vec<ApprovableLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovableLine {
    /// The existing object.
    pub object: CsId,
    pub mv: MvId,
    /// The exact value, where the kind is about one.
    pub value: Option<String>,
    /// The person, and the existing object, as the operator knows them.
    pub name: String,
    pub candidate: String,
    pub detail: String,
}

/// What a digest let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "approved", rename_all = "kebab-case")]
pub enum Approved {
    /// The next export of exactly this list goes out.
    GuardList {
        #[serde(serialize_with = "crate::as_text")]
        connector: ConnectorName,
        lines: u64,
    },
    /// The next synchronisation of passwords gives exactly these users their first one.
    FirstPasswords {
        #[serde(serialize_with = "crate::as_text")]
        connector: ConnectorName,
        users: u64,
    },
    /// Exports go on with the connected system as it is now.
    SystemState {
        #[serde(serialize_with = "crate::as_text")]
        connector: ConnectorName,
        changes: u64,
    },
    /// These decisions are made by the next synchronisation.
    Decisions {
        #[serde(serialize_with = "crate::as_text")]
        connector: ConnectorName,
        kind: ApprovalKind,
        count: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct Kept {
    lines: Vec<GuardLine>,
    verdicts: Vec<KeptVerdict>,
}

#[derive(Serialize, Deserialize)]
struct KeptVerdict {
    kind: GuardKind,
    counted_by: String,
    count: u64,
    limit: u64,
    stopped: bool,
}

pub(crate) fn list_to_text(list: &ApprovalList) -> Inner<String> {
    let verdicts = list.verdicts.iter().map(|verdict| KeptVerdict {
        kind: verdict.kind,
        counted_by: verdict.counted_by.clone(),
        count: verdict.count,
        limit: verdict.limit,
        stopped: verdict.stopped,
    });
    let kept = Kept { lines: list.lines.clone(), verdicts: verdicts.collect() };
    serde_json::to_string(&kept)
        .map_err(|error| StoreError::Missing { what: format!("a guarded list cannot be kept: {error}") }.into())
}

pub(crate) fn list_from_text(text: &str) -> Inner<(Vec<GuardLine>, Vec<GuardVerdict>)> {
    let kept: Kept =
        serde_json::from_str(text).map_err(|error| Fault::damaged(format!("a guarded list is malformed ({error})")))?;
    let verdicts = kept.verdicts.into_iter().map(|verdict| GuardVerdict {
        kind: verdict.kind,
        counted_by: verdict.counted_by,
        count: verdict.count,
        limit: verdict.limit,
        stopped: verdict.stopped,
    });
    Ok((kept.lines, verdicts.collect()))
}

impl Store {
    /// Keeps the list that stopped an export. Another list of the same connector, and its approval, are superseded; the same
    /// list keeps its approval.
    pub fn record_guard_list(&mut self, connector: &str, list: &ApprovalList, now: i64) -> Result<(), StoreError> {
        self.db.write("keeping a guarded list", |db| {
            let id = db.connector_id(connector)?;
            let text = list_to_text(list)?;
            db.run(
                "INSERT INTO approved_digest (connector, digest, list, recorded) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (connector) DO UPDATE \
                 SET approved = CASE WHEN digest = excluded.digest THEN approved END, digest = excluded.digest, list = excluded.list, \
                 recorded = excluded.recorded",
                (id, list.digest.as_str(), text, now),
            )
            .map(drop)
        })
    }

    /// Nothing of this connector is over a limit any more.
    pub fn clear_guard_list(&mut self, connector: &str) -> Result<(), StoreError> {
        self.db.write("dropping a guarded list", |db| {
            let id = db.connector_id(connector)?;
            db.run("DELETE FROM approved_digest WHERE connector = ?1", [id]).map(drop)
        })
    }

    /// The list of a connector that waits or was approved.
    pub fn waiting_guard_list(&self, connector: &str) -> Result<Option<StoredList>, StoreError> {
        self.db.read("reading a guarded list", |db| match db.find_connector(connector) {
            Some(id) => db.load_guard_list(id),
            None => Ok(None),
        })
    }

    /// Uses up the approval of exactly this list: true once.
    pub fn consume_guard_approval(&mut self, connector: &str, digest: &Digest) -> Result<bool, StoreError> {
        self.db.write("using an approval", |db| {
            let id = db.connector_id(connector)?;
            let used = db.run(
                "DELETE FROM approved_digest WHERE connector = ?1 AND digest = ?2 AND approved IS NOT NULL",
                (id, digest.as_str()),
            )?;
            Ok(used > 0)
        })
    }

    /// Held decisions that an operator may let through, one list per kind. What is held for another reason too is not listed.
    pub fn approvable(&self, connector: &str) -> Result<Vec<ApprovableList>, StoreError> {
        self.db.read("listing what may be approved", |db| match db.find_connector(connector) {
            Some(id) => db.approvable_lists(id),
            None => Ok(Vec::new()),
        })
    }

    /// Lets through the list with this digest, as it is now. None: there is no such list (any more).
    pub fn approve(&mut self, digest: &Digest, now: i64) -> Result<Option<Approved>, StoreError> {
        self.db.write("approving", |db| db.approve(digest, now))
    }

    /// Takes back every approval of one object.
    pub fn withdraw_approvals(&mut self, object: CsId) -> Result<u64, StoreError> {
        self.db.write("withdrawing approvals", |db| {
            for mv in db.ids("SELECT DISTINCT mv FROM approval WHERE object = ?1", [object.0])? {
                db.mark_metaverse_dirty(mv)?;
            }
            let withdrawn = db.run("DELETE FROM approval WHERE object = ?1", [object.0])?;
            db.bump(object.0)?;
            Ok(withdrawn as u64)
        })
    }
}

impl Db {
    fn load_guard_list(&self, connector: i64) -> Inner<Option<StoredList>> {
        type Row = (String, String, i64, Option<i64>);
        let row: Option<Row> = self.one(
            "SELECT digest, list, recorded, approved FROM approved_digest WHERE connector = ?1",
            [connector],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )?;
        let Some((digest, list, recorded, approved)) = row else { return Ok(None) };
        let (lines, verdicts) = list_from_text(&list)?;
        Ok(Some(StoredList {
            digest: Digest::from_text(&digest),
            connector: self.connector_name(connector)?,
            lines,
            verdicts,
            recorded,
            approved,
        }))
    }

    fn approvable_lists(&self, connector: i64) -> Inner<Vec<ApprovableList>> {
        type Row = (i64, Option<i64>, i64, Option<String>, Option<String>, String);
        let rows: Vec<Row> = self.all(
            "SELECT h.mv, h.candidate, h.approvable, h.wanted, h.present, h.message FROM hold h \
             WHERE h.connector = ?1 AND h.approvable IS NOT NULL AND NOT EXISTS (SELECT 1 FROM hold other WHERE other.mv = h.mv \
             AND other.connector = h.connector AND other.candidate = h.candidate AND other.approvable IS NULL) ORDER BY h.approvable, h.mv, h.position",
            [connector],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)),
        )?;
        let name = self.connector_name(connector)?;
        let mut lists: Vec<(ApprovalKind, Vec<ApprovableLine>, Vec<String>)> = Vec::new();
        for (mv, candidate, kind, wanted, present, message) in rows {
            let kind = codes::approval_of(kind)?;
            let object = match candidate {
                Some(candidate) => Some(candidate),
                None => self.head_linked(mv, connector)?.map(|head| head.id),
            };
            let Some(object) = object else { continue };
            let value = (kind == ApprovalKind::SignInName).then(|| wanted.clone()).flatten();
            let detail = match (&present, &wanted) {
                (Some(present), Some(wanted)) => format!("{present} -> {wanted}"),
                _ => message,
            };
            let anchor = self.head(object)?.anchor()?.map(|anchor| anchor.to_string()).unwrap_or_default();
            let stable =
                format!("{anchor}|{}|{}", self.source_anchor(mv, connector)?, value.clone().unwrap_or_default());
            let line = ApprovableLine {
                object: CsId(object),
                mv: MvId(mv),
                value,
                name: self.metaverse_label(mv)?,
                candidate: self.label(object)?,
                detail,
            };
            match lists.last_mut().filter(|(last, _, _)| *last == kind) {
                Some((_, lines, stables)) => {
                    lines.push(line);
                    stables.push(stable);
                }
                None => lists.push((kind, vec![line], vec![stable])),
            }
        }
        Ok(lists
            .into_iter()
            .map(|(kind, lines, stables)| ApprovableList {
                digest: Digest::of_lines(&format!("approve {name} {}", codes::approval(kind)), stables),
                connector: name.clone(),
                kind,
                lines,
            })
            .collect())
    }

    /// Names a metaverse object so that the name outlives the store: by its first object in another space.
    fn source_anchor(&self, mv: i64, besides: i64) -> Inner<String> {
        for id in self.linked_to(mv)? {
            let head = self.head(id)?;
            if head.connector != besides
                && let Some(anchor) = head.anchor()?
            {
                return Ok(format!("{}:{anchor}", self.connector_name(head.connector)?));
            }
        }
        self.metaverse_label(mv)
    }

    fn approve(&self, digest: &Digest, now: i64) -> Inner<Option<Approved>> {
        let listed: Option<i64> =
            self.one("SELECT connector FROM approved_digest WHERE digest = ?1", [digest.as_str()], |row| row.get(0))?;
        if let Some(connector) = listed {
            self.run("UPDATE approved_digest SET approved = ?2 WHERE connector = ?1", (connector, now))?;
            let lines = self.load_guard_list(connector)?.map_or(0, |list| list.lines.len() as u64);
            return Ok(Some(Approved::GuardList { connector: self.connector_name(connector)?, lines }));
        }
        if let Some((connector, users)) = self.approve_passwords(digest, now)? {
            return Ok(Some(Approved::FirstPasswords { connector, users }));
        }
        if let Some((connector, changes)) = self.approve_system_state(digest)? {
            return Ok(Some(Approved::SystemState { connector, changes }));
        }
        for (connector, name) in self.connector_names() {
            let Some(list) = self.approvable_lists(connector)?.into_iter().find(|list| list.digest == *digest) else {
                continue;
            };
            for line in &list.lines {
                self.run(
                    "INSERT OR REPLACE INTO approval (object, kind, mv, value, has_value, approved) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    (
                        line.object.0,
                        codes::approval(list.kind),
                        line.mv.0,
                        line.value.clone().unwrap_or_default(),
                        line.value.is_some(),
                        now,
                    ),
                )?;
                self.bump(line.object.0)?;
                self.mark_metaverse_dirty(line.mv.0)?;
            }
            return Ok(Some(Approved::Decisions { connector: name, kind: list.kind, count: list.lines.len() as u64 }));
        }
        Ok(None)
    }
}
