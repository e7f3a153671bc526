//! The members of a group as one target has them: each with what has become of it, a page at a time (SF19). Reads only.

use crate::codes;
use crate::db::Db;
use crate::error::Inner;
use crate::{Store, StoreError};
use metaverse_schema::AttributeName;
use serde::Serialize;
use sync_kernel::{CsId, ReferenceVerdict};

/// A reference attribute of a target, and what feeds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FedAttribute {
    pub attribute: AttributeName,
    pub source: CsId,
    pub source_attribute: AttributeName,
}

/// One value of the source, and what has become of it in the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FedMember {
    /// In the source space.
    pub member: CsId,
    pub name: String,
    pub state: FedState,
    /// Why, where it is not exported.
    pub code: String,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FedState {
    /// The target holds it.
    Exported,
    /// Sent, and not seen again by an import.
    Unconfirmed,
    /// To be sent with the next export.
    Pending,
    /// To be sent as soon as the member exists in the target.
    AfterCreate,
    /// The target refused it.
    Refused,
    /// It does not flow.
    Held,
    /// Imported, and not synchronised yet.
    NotSynchronised,
}

impl Store {
    /// The reference attributes of a target that are fed by a source.
    pub fn fed_attributes(&self, target: CsId) -> Result<Vec<FedAttribute>, StoreError> {
        self.db.read("listing what feeds a group", |db| {
            Ok(db
                .load_flows(target.0)?
                .into_iter()
                .map(|flow| FedAttribute {
                    attribute: flow.target_attribute,
                    source: flow.source,
                    source_attribute: flow.source_attribute,
                })
                .collect())
        })
    }

    /// The values of the source, in order of number, a page at a time.
    pub fn fed_members(
        &self,
        target: CsId,
        fed: &FedAttribute,
        after: Option<CsId>,
        limit: usize,
    ) -> Result<Vec<FedMember>, StoreError> {
        self.db.read("listing the members of a group", |db| {
            let Some(target) = db.find_head(target.0)? else { return Ok(Vec::new()) };
            let Some(source) = db.find_head(fed.source.0)? else { return Ok(Vec::new()) };
            let attributes = (
                db.find_reference_attribute(source.connector, fed.source_attribute.as_str()),
                db.find_reference_attribute(target.connector, fed.attribute.as_str()),
            );
            let (Some(source_attribute), Some(attribute)) = attributes else { return Ok(Vec::new()) };
            let rows: Vec<(i64, i64)> = db.all(
                "SELECT target, state FROM reference WHERE source = ?1 AND attribute = ?2 AND target > ?3 AND state <> ?4 \
                 ORDER BY target LIMIT ?5",
                (
                    source.id,
                    source_attribute,
                    after.map_or(0, |id| id.0),
                    codes::ROW_REMOVED,
                    i64::try_from(limit).unwrap_or(i64::MAX),
                ),
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            rows.into_iter()
                .map(|(member, row)| db.fed_member((target.id, target.connector), attribute, member, row))
                .collect()
        })
    }
}

impl Db {
    fn fed_member(&self, (target, connector): (i64, i64), attribute: i64, member: i64, row: i64) -> Inner<FedMember> {
        let (state, code, message) = match self.verdict(member, connector)? {
            _ if row == codes::ROW_ADDED => (
                FedState::NotSynchronised,
                "not-synchronised".to_owned(),
                "imported, and the next synchronisation decides about it".to_owned(),
            ),
            ReferenceVerdict::Held { code, message } => (FedState::Held, code, message),
            ReferenceVerdict::AfterCreate { .. } => (
                FedState::AfterCreate,
                "after-create".to_owned(),
                "it is sent as soon as the member exists in the target".to_owned(),
            ),
            ReferenceVerdict::Flows { target: end } => self.sent_member(target, attribute, end.0)?,
        };
        Ok(FedMember { member: CsId(member), name: self.label(member)?, state, code, message })
    }

    fn sent_member(&self, target: i64, attribute: i64, end: i64) -> Inner<(FedState, String, String)> {
        type Row = (i64, Option<String>, Option<String>);
        let waiting: Option<Row> = self.one(
            "SELECT state, code, message FROM pending_reference WHERE object = ?1 AND attribute = ?2 AND member = ?3",
            (target, attribute, end),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let told = |code: &str, message: &str| (code.to_owned(), message.to_owned());
        let (state, (code, message)) = match waiting {
            Some((codes::REFERENCE_REFUSED, code, message)) => {
                (FedState::Refused, (code.unwrap_or_default(), message.unwrap_or_default()))
            }
            Some((codes::REFERENCE_UNCONFIRMED | codes::REFERENCE_IN_FLIGHT, _, _)) => {
                (FedState::Unconfirmed, told("unconfirmed", "sent, and not seen again by an import yet"))
            }
            Some(_) => (FedState::Pending, told("pending", "to be sent with the next export")),
            None => {
                let there = self.exists(
                    "SELECT 1 FROM reference WHERE source = ?1 AND attribute = ?2 AND target = ?3 AND state <> ?4",
                    (target, attribute, end, codes::ROW_REMOVED),
                )?;
                match there {
                    true => (FedState::Exported, told("", "")),
                    false => (
                        FedState::NotSynchronised,
                        told("not-synchronised", "the next synchronisation decides about it"),
                    ),
                }
            }
        };
        Ok((state, code, message))
    }
}
