//! Lists for `metasync pending`: what is to be exported, and what is held with its reason. Reads only.

use crate::codes;
use crate::db::Db;
use crate::error::Inner;
use crate::view::{finish_hold, read_hold};
use crate::{Store, StoreError};
use metaverse_schema::ObjectType;
use serde::Serialize;
use std::collections::BTreeMap;
use sync_kernel::{CsId, Hold, MvId, PendingExport, SentState};
use sync_rules::ConnectorName;

/// Which pending exports to list; `None` is any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PendingFilter {
    /// `add`, `update`, `restore`, `delete` or `detach`.
    pub operation: Option<String>,
    pub object: Option<CsId>,
    /// Only those that were refused.
    pub refused: bool,
}

/// One object's pending export, in one line and whole.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingLine {
    pub object: CsId,
    pub object_type: ObjectType,
    pub name: String,
    pub anchor: Option<String>,
    pub dn: Option<String>,
    pub mv: Option<MvId>,
    /// None: only reference changes.
    pub pending: Option<PendingExport>,
    pub references_added: u64,
    pub references_removed: u64,
    /// Additions that wait until the member exists.
    pub references_after_create: u64,
    pub references_refused: u64,
}

/// Which holds to list; `None` is any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HoldFilter {
    pub connector: Option<ConnectorName>,
    pub code: Option<String>,
    pub mv: Option<MvId>,
}

/// The code under which an object in its grace period is counted among what is held (SF18).
pub const LEAVING_SCOPE: &str = "leaving-scope";

/// One held decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldLine {
    pub mv: MvId,
    #[serde(serialize_with = "crate::as_text")]
    pub connector: ConnectorName,
    pub name: String,
    pub hold: Hold,
    /// The existing object it is about, as the operator knows it.
    pub candidate: Option<String>,
}

impl Store {
    /// Objects with pending exports or reference changes, in order of number, a page at a time. Reference changes that were sent
    /// and only wait for confirmation are not listed.
    pub fn pending(
        &self,
        connector: &str,
        filter: &PendingFilter,
        after: Option<CsId>,
        limit: usize,
    ) -> Result<Vec<PendingLine>, StoreError> {
        self.db.read("listing pending exports", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(Vec::new()) };
            let mut after = after.map_or(0, |id| id.0);
            let mut lines = Vec::new();
            while lines.len() < limit {
                let ids = db.ids(
                    "SELECT object FROM pending_export NOT INDEXED \
                     WHERE connector = ?1 AND object > ?2 AND (?3 IS NULL OR object = ?3) UNION \
                     SELECT object FROM pending_reference \
                     WHERE connector = ?1 AND object > ?2 AND state <> 2 AND (?3 IS NULL OR object = ?3) ORDER BY object LIMIT 500",
                    (connector, after, filter.object.map(|id| id.0)),
                )?;
                let Some(last) = ids.last().copied() else { break };
                for id in ids {
                    if lines.len() < limit {
                        lines.extend(db.pending_line(id, filter)?);
                    }
                }
                after = last;
            }
            Ok(lines)
        })
    }

    /// Held decisions, in order of connector and person.
    pub fn holds(&self, filter: &HoldFilter, limit: usize) -> Result<Vec<HeldLine>, StoreError> {
        self.db.read("listing what is held", |db| {
            let connector = match &filter.connector {
                Some(name) => match db.find_connector(name) {
                    Some(id) => Some(id),
                    None => return Ok(Vec::new()),
                },
                None => None,
            };
            let rows: Vec<((Hold, Option<i64>), i64, i64)> = db.all(
                "SELECT code, attribute, wanted, present, message, remedy, candidate, approvable, mv, connector FROM hold \
                 WHERE (?1 IS NULL OR connector = ?1) AND (?2 IS NULL OR code = ?2) AND (?3 IS NULL OR mv = ?3) \
                 ORDER BY connector, mv, position LIMIT ?4",
                (connector, &filter.code, filter.mv.map(|mv| mv.0), i64::try_from(limit).unwrap_or(i64::MAX)),
                |row| Ok((read_hold(row)?, row.get(8)?, row.get(9)?)),
            )?;
            let mut lines = Vec::with_capacity(rows.len());
            for (hold, mv, connector) in rows {
                let hold = finish_hold(hold)?;
                let candidate = hold.candidate.map(|candidate| db.label(candidate.0)).transpose()?;
                lines.push(HeldLine { mv: MvId(mv), connector: db.connector_name(connector)?, name: db.metaverse_label(mv)?, hold, candidate });
            }
            Ok(lines)
        })
    }

    /// Existing objects that decisions of this connector with this code are held about; up to `limit`.
    pub fn held_candidates(&self, connector: &str, code: &str, limit: usize) -> Result<Vec<CsId>, StoreError> {
        self.db.read("reading what is held", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(Vec::new()) };
            let ids = db.ids(
                "SELECT DISTINCT candidate FROM hold INDEXED BY hold_by_code \
                 WHERE connector = ?1 AND code = ?2 AND candidate IS NOT NULL LIMIT ?3",
                (connector, code, i64::try_from(limit).unwrap_or(i64::MAX)),
            )?;
            Ok(ids.into_iter().map(CsId).collect())
        })
    }

    /// Number of held decisions of a connector by code; members that do not flow are counted as `members-held`, and by their
    /// reason as `members-held/REASON`.
    pub fn held_counts(&self, connector: &str) -> Result<BTreeMap<String, u64>, StoreError> {
        self.db.read("counting what is held", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(BTreeMap::new()) };
            let mut counts = BTreeMap::new();
            for (members, code, count) in db.all(
                "SELECT members, code, number FROM held_count WHERE connector = ?1 AND number > 0",
                [connector],
                |row| Ok((row.get::<_, bool>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?)),
            )? {
                let count = u64::try_from(count).unwrap_or(0);
                if members {
                    *counts.entry("members-held".to_owned()).or_default() += count;
                    counts.insert(format!("members-held/{code}"), count);
                } else {
                    counts.insert(code, count);
                }
            }
            let leaving = db.leaving_count(connector)?;
            if leaving > 0 {
                counts.insert(LEAVING_SCOPE.to_owned(), leaving);
            }
            Ok(counts)
        })
    }
}

impl Db {
    /// Objects in their grace period (SF18).
    pub(crate) fn leaving_count(&self, connector: i64) -> Inner<u64> {
        self.count(
            "SELECT count(*) FROM pending_export INDEXED BY pending_export_in_grace WHERE connector = ?1 AND not_before IS NOT NULL",
            [connector],
        )
    }

    fn pending_line(&self, id: i64, filter: &PendingFilter) -> Inner<Option<PendingLine>> {
        let head = self.head(id)?;
        let pending = self.load_pending(id, head.connector)?;
        if let Some(wanted) = &filter.operation {
            let name = pending
                .as_ref()
                .map(|pending| crate::query::operation_name(codes::operation(&pending.operation)))
                .transpose()?;
            if name.unwrap_or("update") != wanted {
                return Ok(None);
            }
        }
        let tally = |condition: &str| {
            self.count(
                &format!("SELECT count(*) FROM pending_reference p JOIN head m ON m.id = p.member WHERE p.object = ?1 AND {condition}"),
                [id],
            )
        };
        let refused = tally("p.state = 3")?;
        let export_refused = matches!(&pending, Some(PendingExport { state: SentState::Refused { .. }, .. }));
        if filter.refused && !export_refused && refused == 0 {
            return Ok(None);
        }
        Ok(Some(PendingLine {
            object: CsId(id),
            object_type: self.type_name(&head)?,
            name: self.label(id)?,
            anchor: head.anchor()?.map(|anchor| anchor.to_string()),
            dn: self.dn(id)?.map(|dn| dn.to_string()),
            mv: head.link.map(|link| MvId(link.mv)),
            pending,
            references_added: tally("p.adds = 1 AND p.state IN (0, 1) AND m.anchor IS NOT NULL")?,
            references_removed: tally("p.adds = 0 AND p.state IN (0, 1)")?,
            references_after_create: tally("p.adds = 1 AND p.state IN (0, 1) AND m.anchor IS NULL")?,
            references_refused: refused,
        }))
    }
}
