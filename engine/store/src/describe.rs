//! Everything that is known of one object, for `explain`, the console and `search`. Reads only.

use crate::db::Db;
use crate::error::Inner;
use crate::errors::{ErrorFilter, ErrorLine, ErrorSubject};
use crate::history::RunId;
use crate::query::ObjectSummary;
use crate::{Store, StoreError, codes};
use metaverse_schema::AttributeName;
use serde::Serialize;
use std::collections::BTreeMap;
use sync_kernel::{CsId, CsObject, Hold, MvId, MvObject, Ownership, ReferenceFlow};
use sync_rules::{ConnectorName, RuleId};

/// A connector-space object with all that hangs on it.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectDescription {
    pub summary: ObjectSummary,
    /// Images, pending import, pending export, export memory, link.
    pub object: CsObject,
    /// What holds back its metaverse object in this connector.
    pub holds: Vec<Hold>,
    /// What feeds its reference attributes.
    pub flows: Vec<ReferenceFlow>,
    /// Reference values that do not flow to it, counted by reason.
    pub members_held: BTreeMap<String, u64>,
    /// Reference changes that are to be sent, were sent, or were refused.
    pub pending_references: u64,
    pub errors: Vec<ErrorLine>,
    /// It lost its place to another object and was not told where it went (O39).
    pub transient: bool,
}

/// A metaverse object with its lineage.
#[derive(Debug, Clone, PartialEq)]
pub struct MvDescription {
    pub object: MvObject,
    pub name: String,
    /// The run in which each attribute got its value, contributor and rule; none: outside a recorded run.
    pub since: BTreeMap<AttributeName, Option<RunId>>,
    pub links: Vec<LinkLine>,
    /// By connector.
    pub holds: Vec<(ConnectorName, Hold)>,
    pub errors: Vec<ErrorLine>,
    /// Hash of the rule set by which it was last computed.
    pub rule_set: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkLine {
    pub object: ObjectSummary,
    #[serde(serialize_with = "crate::as_text")]
    pub rule: RuleId,
    pub ownership: Ownership,
}

/// One imported reference value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    pub id: CsId,
    pub name: String,
    pub anchor: Option<String>,
    pub dn: Option<String>,
    pub mv: Option<MvId>,
    /// Not imported: only its name is known.
    pub placeholder: bool,
    /// This engine added it, or wants it.
    pub owned: bool,
    /// `added` or `removed` and not synchronised yet.
    pub unsynchronised: Option<&'static str>,
}

/// A reference value that does not flow to a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitingMember {
    pub attribute: AttributeName,
    /// In the source space.
    pub member: CsId,
    pub name: String,
    pub code: String,
    pub message: String,
}

/// A reference change of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PendingMember {
    pub attribute: AttributeName,
    /// In the target space.
    pub member: CsId,
    pub name: String,
    pub add: bool,
    /// `pending`, `after-create`, `in-flight`, `unconfirmed` or `refused`.
    pub state: &'static str,
    pub code: Option<String>,
    pub message: Option<String>,
    pub remedy: Option<String>,
}

impl Store {
    pub fn describe(&self, id: CsId) -> Result<Option<ObjectDescription>, StoreError> {
        self.db.read("describing an object", |db| db.describe(id.0))
    }

    pub fn describe_metaverse(&self, id: MvId) -> Result<Option<MvDescription>, StoreError> {
        self.db.read("describing a metaverse object", |db| db.describe_metaverse(id.0))
    }

    /// Imported values of one reference attribute, in order of number, a page at a time.
    pub fn members(
        &self,
        object: CsId,
        attribute: &str,
        after: Option<CsId>,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError> {
        self.db.read("listing members", |db| db.members(object.0, attribute, after.map_or(0, |id| id.0), limit))
    }

    /// Reference values that do not flow to a target, each with its reason (SF19: members-held).
    pub fn waiting_members(
        &self,
        target: CsId,
        after: Option<CsId>,
        limit: usize,
    ) -> Result<Vec<WaitingMember>, StoreError> {
        self.db.read("listing held members", |db| {
            let rows: Vec<(i64, i64, String, String)> = db.all(
                "SELECT attribute, member, code, message FROM waiting_reference WHERE object = ?1 AND member > ?2 ORDER BY member LIMIT ?3",
                (target.0, after.map_or(0, |id| id.0), i64::try_from(limit).unwrap_or(i64::MAX)),
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )?;
            rows.into_iter()
                .map(|(attribute, member, code, message)| {
                    let (attribute, name) = (db.attribute_name(attribute)?, db.label(member)?);
                    Ok(WaitingMember { attribute, member: CsId(member), name, code, message })
                })
                .collect()
        })
    }

    /// Reference changes of a target, in whatever state.
    pub fn pending_members(
        &self,
        target: CsId,
        after: Option<CsId>,
        limit: usize,
    ) -> Result<Vec<PendingMember>, StoreError> {
        self.db.read("listing pending members", |db| db.pending_members(target.0, after.map_or(0, |id| id.0), limit))
    }
}

impl Db {
    fn describe(&self, id: i64) -> Inner<Option<ObjectDescription>> {
        let Some(head) = self.find_head(id)? else { return Ok(None) };
        let filter = ErrorFilter { subject: Some(ErrorSubject::Object(CsId(id))), ..ErrorFilter::default() };
        Ok(Some(ObjectDescription {
            summary: self.summarise(&head)?,
            object: self.view(&head)?,
            holds: match head.link {
                Some(link) => self.load_holds(link.mv, head.connector)?,
                None => Vec::new(),
            },
            flows: self.load_flows(id)?,
            members_held: self.waiting_counts(id)?.into_iter().collect(),
            pending_references: self.count("SELECT count(*) FROM pending_reference WHERE object = ?1", [id])?,
            errors: self.load_errors(&filter, usize::MAX)?,
            transient: head.has(crate::head::TRANSIENT),
        }))
    }

    fn describe_metaverse(&self, id: i64) -> Inner<Option<MvDescription>> {
        let Some(object) = self.load_metaverse(id)? else { return Ok(None) };
        let since = self
            .stored_metaverse(id)?
            .into_iter()
            .map(|(name, stored)| (name, Some(RunId(stored.run)).filter(|run| run.0 != 0)))
            .collect();
        let mut links = Vec::new();
        for linked in self.linked_to(id)? {
            let head = self.head(linked)?;
            if let Some(link) = self.link(&head)? {
                links.push(LinkLine { object: self.summarise(&head)?, rule: link.rule, ownership: link.ownership });
            }
        }
        let mut holds = Vec::new();
        for connector in self.ids("SELECT DISTINCT connector FROM hold WHERE mv = ?1 ORDER BY connector", [id])? {
            let name = self.connector_name(connector)?;
            holds.extend(self.load_holds(id, connector)?.into_iter().map(|hold| (name.clone(), hold)));
        }
        let filter = ErrorFilter { subject: Some(ErrorSubject::Metaverse(MvId(id))), ..ErrorFilter::default() };
        let rule_set = self.one(
            "SELECT r.hash FROM metaverse m JOIN rule_set r ON r.id = m.rule_set WHERE m.id = ?1",
            [id],
            |row| row.get(0),
        )?;
        let errors = self.load_errors(&filter, usize::MAX)?;
        Ok(Some(MvDescription { name: self.metaverse_label(id)?, object, since, links, holds, errors, rule_set }))
    }

    fn members(&self, object: i64, attribute: &str, after: i64, limit: usize) -> Inner<Vec<Member>> {
        let Some(head) = self.find_head(object)? else { return Ok(Vec::new()) };
        let Some(attribute) = self.find_reference_attribute(head.connector, attribute) else { return Ok(Vec::new()) };
        let rows: Vec<(i64, i64)> = self.all(
            "SELECT target, state FROM reference WHERE source = ?1 AND attribute = ?2 AND target > ?3 ORDER BY target LIMIT ?4",
            (object, attribute, after, i64::try_from(limit).unwrap_or(i64::MAX)),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let mut members = Vec::with_capacity(rows.len());
        for (id, state) in rows {
            let member = self.head(id)?;
            members.push(Member {
                id: CsId(id),
                name: self.label(id)?,
                anchor: member.anchor()?.map(|anchor| anchor.to_string()),
                dn: self.dn(id)?.map(|dn| dn.to_string()),
                mv: member.link.map(|link| MvId(link.mv)),
                placeholder: member.is_placeholder(),
                owned: self.exists(
                    "SELECT 1 FROM owned_reference WHERE object = ?1 AND attribute = ?2 AND member = ?3",
                    (object, attribute, id),
                )?,
                unsynchronised: match state {
                    codes::ROW_ADDED => Some("added"),
                    codes::ROW_REMOVED => Some("removed"),
                    _ => None,
                },
            });
        }
        Ok(members)
    }

    fn pending_members(&self, target: i64, after: i64, limit: usize) -> Inner<Vec<PendingMember>> {
        type Row = (i64, i64, bool, i64, Option<String>, Option<String>, Option<String>);
        let rows: Vec<Row> = self.all(
            "SELECT attribute, member, adds, state, code, message, remedy FROM pending_reference \
             WHERE object = ?1 AND member > ?2 ORDER BY member, attribute LIMIT ?3",
            (target, after, i64::try_from(limit).unwrap_or(i64::MAX)),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?)),
        )?;
        let mut members = Vec::with_capacity(rows.len());
        for (attribute, member, add, state, code, message, remedy) in rows {
            let anchored = self.head(member)?.anchor.is_some();
            members.push(PendingMember {
                attribute: self.attribute_name(attribute)?,
                member: CsId(member),
                name: self.label(member)?,
                add,
                state: match state {
                    codes::REFERENCE_PENDING if !anchored => "after-create",
                    codes::REFERENCE_PENDING => "pending",
                    codes::REFERENCE_IN_FLIGHT => "in-flight",
                    codes::REFERENCE_UNCONFIRMED => "unconfirmed",
                    _ => "refused",
                },
                code,
                message,
                remedy,
            });
        }
        Ok(members)
    }
}
