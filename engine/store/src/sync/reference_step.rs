//! The reference step: decides queued rows one by one, by the kernel's rules, and keeps what is to be sent (`pending_reference`)
//! and what waits with its reason (`waiting_reference`). Never looks at a whole membership; a single-valued attribute excepted,
//! whose rows are few.

use crate::codes::{self, REFERENCE_IN_FLIGHT, REFERENCE_PENDING, REFERENCE_REFUSED, REFERENCE_UNCONFIRMED};
use crate::db::Db;
use crate::error::{Fault, Inner};
use crate::references::SOURCE_SIDE;
use crate::{Store, StoreError};
use metaverse_schema::AttributeName;
use std::collections::BTreeSet;
use sync_kernel::{
    CsId, EndPending, MvId, ReferenceRow, ReferenceVerdict, TargetEnd, decide_reference, decide_removal,
};

/// What one page of the reference step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReferencePage {
    /// Queued rows that were decided.
    pub rows: u64,
    /// Additions and removals that became pending.
    pub added: u64,
    pub removed: u64,
    /// Rows that do not flow, each with its reason (members-held).
    pub held: u64,
    /// Some rows are still queued.
    pub more: bool,
}

/// How one row of a source flows to a target attribute, for previews and `explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferencePreview {
    pub attribute: AttributeName,
    /// The member in the source space.
    pub member: CsId,
    pub name: String,
    pub verdict: ReferenceVerdict,
}

/// A row of `reference_flow`, as the step needs it.
struct Flow {
    target: i64,
    attribute: i64,
    source: i64,
    source_attribute: i64,
    single: bool,
    keep_foreign: bool,
}

/// Whether the target holds a value, and what was made pending of it: an addition or a removal, and its state.
type Standing = (bool, Option<(bool, i64)>);

/// A row of a source, seen from one of its flows.
struct Row {
    /// None: there is no such member.
    ends: Option<Ends>,
    /// It is in force: imported and synchronised, its removal not synchronised yet.
    is_effective: bool,
    /// It is among those that wait.
    waits: bool,
    /// Of the object at the other end, in the target.
    standing: Standing,
}

/// The member of a row, and the object of the target that is linked to what it is linked to. What is pending for that one is
/// read without what would be sent: a member's row asks for nothing else.
struct Ends {
    state: i64,
    link: Option<i64>,
    target: Option<TargetEnd>,
    /// The target's object is in its grace period (SF18).
    in_grace: bool,
}

/// Of the columns state and link of the member; number, anchor, and what is pending of the other: operation, state, code and
/// message, and whether it is in its grace period.
fn read_ends(row: &rusqlite::Row<'_>) -> rusqlite::Result<Ends> {
    let target = match row.get::<_, Option<i64>>(2)? {
        Some(object) => {
            let pending = pending_of_end((row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?));
            Some(TargetEnd { object: CsId(object), anchored: row.get(3)?, pending })
        }
        None => None,
    };
    Ok(Ends { state: row.get(0)?, link: row.get(1)?, target, in_grace: row.get(8)? })
}

/// What is known of one member of one target attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Wanted,
    /// Wanted by a row that does not flow now.
    Held,
    Unwanted,
}

impl Store {
    /// Decides up to `limit` queued rows, in one transaction. Called at the end of a synchronisation step until nothing more is
    /// queued.
    pub fn settle_references(&mut self, limit: usize) -> Result<ReferencePage, StoreError> {
        self.db.write("deciding references", |db| {
            let work: Vec<(i64, i64, i64, i64)> = db.all(
                "SELECT side, object, attribute, member FROM reference_work ORDER BY side, object, attribute, member LIMIT ?1",
                [i64::try_from(limit).unwrap_or(i64::MAX)],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )?;
            let mut page = ReferencePage::default();
            let last = work.last().copied();
            // Rows of one source stand together, and deciding them changes no flow.
            let mut fed: ((i64, i64), Vec<Flow>) = ((0, 0), Vec::new());
            for (side, object, attribute, member) in work {
                page.rows += 1;
                if side == SOURCE_SIDE {
                    if fed.0 != (object, attribute) {
                        let flows = db.flows("source = ?1 AND source_attribute = ?2", (object, attribute))?;
                        fed = ((object, attribute), flows);
                    }
                    db.settle_row(object, attribute, member, &fed.1, &mut page)?;
                } else {
                    db.settle_member(object, attribute, member, &mut page)?;
                }
            }
            if let Some(last) = last {
                // Deciding queues nothing, so these are all that stand before the last.
                db.run(
                    "DELETE FROM reference_work WHERE (side, object, attribute, member) <= (?1, ?2, ?3, ?4)",
                    last,
                )?;
            }
            page.more = db.exists("SELECT 1 FROM reference_work", [])?;
            Ok(page)
        })
    }

    /// How the rows that feed a target would flow now, up to `limit`. Writes nothing.
    pub fn preview_references(&self, target: CsId, limit: usize) -> Result<Vec<ReferencePreview>, StoreError> {
        self.db.read("previewing references", |db| {
            let Some(head) = db.find_head(target.0)? else { return Ok(Vec::new()) };
            let mut previews = Vec::new();
            for flow in db.flows("object = ?1", [target.0])? {
                let rows = db.ids(
                    "SELECT target FROM reference WHERE source = ?1 AND attribute = ?2 AND state IN (0, 2) LIMIT ?3",
                    (
                        flow.source,
                        flow.source_attribute,
                        i64::try_from(limit.saturating_sub(previews.len())).unwrap_or(i64::MAX),
                    ),
                )?;
                for member in rows {
                    previews.push(ReferencePreview {
                        attribute: db.attribute_name(flow.attribute)?,
                        member: CsId(member),
                        name: db.label(member)?,
                        verdict: db.verdict(member, head.connector)?,
                    });
                }
            }
            Ok(previews)
        })
    }
}

impl Db {
    fn flows(&self, condition: &str, parameters: impl rusqlite::Params) -> Inner<Vec<Flow>> {
        self.all(
            &format!("SELECT object, attribute, source, source_attribute, single, keep_foreign FROM reference_flow WHERE {condition}"),
            parameters,
            |row| {
                Ok(Flow {
                    target: row.get(0)?,
                    attribute: row.get(1)?,
                    source: row.get(2)?,
                    source_attribute: row.get(3)?,
                    single: row.get(4)?,
                    keep_foreign: row.get(5)?,
                })
            },
        )
    }

    /// A row of a source object: what waits for it is told, and its member in each target is settled.
    fn settle_row(
        &self,
        source: i64,
        attribute: i64,
        member: i64,
        flows: &[Flow],
        page: &mut ReferencePage,
    ) -> Inner<()> {
        if flows.is_empty() {
            return Ok(());
        }
        for flow in flows {
            let connector = self.connector_of(flow.target)?;
            let found = self.find_row((source, attribute, member), flow, connector)?;
            let (verdict, in_grace) = match found.is_effective {
                true => self.weigh(member, connector, found.ends)?,
                false => (None, false),
            };
            self.save_waiting((flow, connector), member, verdict.as_ref(), found.waits, page)?;
            if let Some(ReferenceVerdict::Flows { target: end } | ReferenceVerdict::AfterCreate { target: end }) =
                verdict
                && (!flow.single || self.is_only_value(flow, member, end.0)?)
            {
                // This very row wants it, so no other need be asked.
                let wish = if in_grace { Wish::Held } else { Wish::Wanted };
                let key = (flow.target, flow.attribute, end.0);
                self.fulfil_known(key, wish, found.standing, &[], flow.single, page)?;
                continue;
            }
            if flow.single {
                // Whoever is wanted, or waits, decides about the value that is there.
                let flows = self.flows("object = ?1 AND attribute = ?2", (flow.target, flow.attribute))?;
                self.settle_single(flow.target, flow.attribute, &flows, page)?;
                continue;
            }
            if let Some(end) = self.other_end(member, connector)? {
                self.settle_member(flow.target, flow.attribute, end, page)?;
            }
        }
        Ok(())
    }

    /// Whether a target attribute of one value has no other than `end`, there or on its way, and is fed by no other row.
    fn is_only_value(&self, flow: &Flow, member: i64, end: i64) -> Inner<bool> {
        let another = self.exists(
            "SELECT 1 FROM reference_flow WHERE object = ?1 AND attribute = ?2 AND (source <> ?3 OR source_attribute <> ?4) \
             UNION ALL SELECT 1 FROM reference WHERE source = ?3 AND attribute = ?4 AND state IN (0, 2) AND target <> ?5 \
             UNION ALL SELECT 1 FROM reference WHERE source = ?1 AND attribute = ?2 AND state <> 2 AND target <> ?6 \
             UNION ALL SELECT 1 FROM pending_reference WHERE object = ?1 AND attribute = ?2 AND member <> ?6",
            (flow.target, flow.attribute, flow.source, flow.source_attribute, member, end),
        )?;
        Ok(!another)
    }

    /// An object never changes its connector, and is asked for it several times running.
    pub(crate) fn connector_of(&self, object: i64) -> Inner<i64> {
        if let Some((last, connector)) = self.last_connector.get()
            && last == object
        {
            return Ok(connector);
        }
        let connector = self.one("SELECT connector FROM head WHERE id = ?1", [object], |row| row.get(0))?;
        let connector =
            connector.ok_or_else(|| Fault::damaged(format!("object {object} is referred to and does not exist")))?;
        self.last_connector.set(Some((object, connector)));
        Ok(connector)
    }

    /// Whether a row to this member flows to a connector, and why not.
    pub(crate) fn verdict(&self, member: i64, target_connector: i64) -> Inner<ReferenceVerdict> {
        let (verdict, _) = self.weighed(member, target_connector)?;
        verdict.ok_or_else(|| Fault::damaged(format!("object {member} is referred to and does not exist")))
    }

    /// The object of a connector that is linked to what the member is linked to.
    fn other_end(&self, member: i64, connector: i64) -> Inner<Option<i64>> {
        self.one(
            "SELECT e.id FROM head m CROSS JOIN head e ON e.link_mv = m.link_mv AND e.connector = ?2 WHERE m.id = ?1 \
             ORDER BY e.id LIMIT 1",
            (member, connector),
            |row| row.get(0),
        )
    }

    /// The verdict, and whether the object at the other end is in its grace period (SF18); none: there is no such member.
    fn weighed(&self, member: i64, target_connector: i64) -> Inner<(Option<ReferenceVerdict>, bool)> {
        let ends = self.one(
            "SELECT m.state, m.link_mv, e.id, e.anchor IS NOT NULL, p.operation, p.state, p.code, p.message, p.not_before IS NOT NULL \
             FROM head m LEFT JOIN head e ON e.link_mv = m.link_mv AND e.connector = ?2 LEFT JOIN pending_export p ON p.object = e.id \
             WHERE m.id = ?1 ORDER BY e.id LIMIT 1",
            (member, target_connector),
            read_ends,
        )?;
        self.weigh(member, target_connector, ends)
    }

    /// Everything that is asked about one row of a source and one flow of it, in one look.
    fn find_row(&self, (source, attribute, member): (i64, i64, i64), flow: &Flow, connector: i64) -> Inner<Row> {
        let found = self.one(
            "SELECT m.state, m.link_mv, e.id, e.anchor IS NOT NULL, p.operation, p.state, p.code, p.message, p.not_before IS NOT NULL, \
             EXISTS (SELECT 1 FROM reference WHERE source = ?3 AND attribute = ?4 AND target = ?1 AND state IN (0, 2)), \
             EXISTS (SELECT 1 FROM waiting_reference WHERE object = ?5 AND attribute = ?6 AND member = ?1), \
             EXISTS (SELECT 1 FROM reference WHERE source = ?5 AND attribute = ?6 AND target = e.id AND state <> 2), s.adds, s.state \
             FROM head m LEFT JOIN head e ON e.link_mv = m.link_mv AND e.connector = ?2 LEFT JOIN pending_export p ON p.object = e.id \
             LEFT JOIN pending_reference s ON s.object = ?5 AND s.attribute = ?6 AND s.member = e.id \
             WHERE m.id = ?1 ORDER BY e.id LIMIT 1",
            (member, connector, source, attribute, flow.target, flow.attribute),
            |row| {
                let (adds, state) = (row.get::<_, Option<bool>>(12)?, row.get::<_, Option<i64>>(13)?);
                Ok(Row {
                    ends: Some(read_ends(row)?),
                    is_effective: row.get(9)?,
                    waits: row.get(10)?,
                    standing: (row.get(11)?, adds.zip(state)),
                })
            },
        )?;
        // Of a member that is gone nothing is left but, perhaps, that somebody waits for it.
        Ok(found.unwrap_or(Row { ends: None, is_effective: false, waits: true, standing: (false, None) }))
    }

    fn weigh(&self, member: i64, target_connector: i64, ends: Option<Ends>) -> Inner<(Option<ReferenceVerdict>, bool)> {
        let Some(Ends { state, link, target, in_grace }) = ends else { return Ok((None, false)) };
        let held = match (link, &target) {
            (Some(mv), None) => self.load_holds(mv, target_connector)?.into_iter().next(),
            _ => None,
        };
        let verdict = decide_reference(&ReferenceRow {
            source_target: CsId(member),
            imported: state != codes::PLACEHOLDER,
            mv: link.map(MvId),
            target,
            held,
        });
        Ok((Some(verdict), in_grace))
    }

    /// `waits`: it waited before.
    fn save_waiting(
        &self,
        (flow, connector): (&Flow, i64),
        member: i64,
        verdict: Option<&ReferenceVerdict>,
        waits: bool,
        page: &mut ReferencePage,
    ) -> Inner<()> {
        let key = (flow.target, flow.attribute, member);
        match verdict {
            Some(ReferenceVerdict::Held { code, message }) => {
                page.held += 1;
                self.run(
                    "INSERT INTO waiting_reference (object, attribute, member, connector, code, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                     ON CONFLICT (object, attribute, member) DO UPDATE SET code = excluded.code, message = excluded.message \
                     WHERE code <> excluded.code OR message <> excluded.message",
                    (flow.target, flow.attribute, member, connector, code, message),
                )?;
            }
            _ if waits => {
                self.run("DELETE FROM waiting_reference WHERE object = ?1 AND attribute = ?2 AND member = ?3", key)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// One member of one target attribute: wanted or not, there or not, sent or not.
    fn settle_member(&self, target: i64, attribute: i64, member: i64, page: &mut ReferencePage) -> Inner<()> {
        let flows = self.flows("object = ?1 AND attribute = ?2", (target, attribute))?;
        if flows.is_empty() {
            // S48: nobody manages it any longer; what is there stays.
            return self.cancel(target, attribute, member);
        }
        if flows.iter().any(|flow| flow.single) {
            return self.settle_single(target, attribute, &flows, page);
        }
        let wish = self.wish(&flows, member)?;
        self.fulfil((target, attribute, member), wish, &flows, false, page)
    }

    /// At most one value: a wanted one takes the place of every other, whoever put it there.
    fn settle_single(&self, target: i64, attribute: i64, flows: &[Flow], page: &mut ReferencePage) -> Inner<()> {
        let mut candidates: BTreeSet<i64> = self
            .ids(
                "SELECT target FROM reference WHERE source = ?1 AND attribute = ?2 AND state <> 2",
                (target, attribute),
            )?
            .into_iter()
            .collect();
        candidates.extend(
            self.ids("SELECT member FROM pending_reference WHERE object = ?1 AND attribute = ?2", (target, attribute))?,
        );
        let connector = self.connector_of(target)?;
        let mut someone_waits = false;
        for flow in flows {
            let rows = self.ids(
                "SELECT target FROM reference WHERE source = ?1 AND attribute = ?2 AND state IN (0, 2)",
                (flow.source, flow.source_attribute),
            )?;
            for row in rows {
                match self.verdict(row, connector)? {
                    ReferenceVerdict::Flows { target } | ReferenceVerdict::AfterCreate { target } => {
                        candidates.insert(target.0);
                    }
                    ReferenceVerdict::Held { .. } => someone_waits = true,
                }
            }
        }
        let mut wishes = Vec::new();
        for member in candidates {
            wishes.push((member, self.wish(flows, member)?));
        }
        let chosen = wishes.iter().find(|(_, wish)| *wish == Wish::Wanted).map(|(member, _)| *member);
        for (member, wish) in wishes {
            let wish = match (chosen, wish) {
                (Some(chosen), Wish::Wanted) if member != chosen => Wish::Unwanted,
                // Nobody loses the present value to one that only waits.
                (None, Wish::Unwanted) if someone_waits => Wish::Held,
                (_, wish) => wish,
            };
            self.fulfil((target, attribute, member), wish, flows, chosen.is_some(), page)?;
        }
        Ok(())
    }

    /// Whether any row of the flows wants this member.
    fn wish(&self, flows: &[Flow], member: i64) -> Inner<Wish> {
        let Some(end) = self.find_head(member)? else { return Ok(Wish::Unwanted) };
        // SF18: while it may return, nobody loses a membership to its leaving.
        if self.is_in_grace(member)? {
            return Ok(Wish::Held);
        }
        let Some(link) = end.link else { return Ok(Wish::Unwanted) };
        let mut wish = Wish::Unwanted;
        for flow in flows {
            let rows = self.ids(
                "SELECT h.id FROM head h CROSS JOIN reference r ON r.source = ?2 AND r.attribute = ?3 AND r.target = h.id AND r.state IN (0, 2) \
                 WHERE h.link_mv = ?1",
                (link.mv, flow.source, flow.source_attribute),
            )?;
            for row in rows {
                match self.verdict(row, end.connector)? {
                    ReferenceVerdict::Flows { .. } | ReferenceVerdict::AfterCreate { .. } => return Ok(Wish::Wanted),
                    ReferenceVerdict::Held { .. } => wish = Wish::Held,
                }
            }
        }
        Ok(wish)
    }

    fn fulfil(
        &self,
        key: (i64, i64, i64),
        wish: Wish,
        flows: &[Flow],
        replaced: bool,
        page: &mut ReferencePage,
    ) -> Inner<()> {
        self.fulfil_known(key, wish, self.present_and_sent(key)?, flows, replaced, page)
    }

    /// The same of a value of which it is known how it stands.
    fn fulfil_known(
        &self,
        key: (i64, i64, i64),
        wish: Wish,
        (present, sent): Standing,
        flows: &[Flow],
        replaced: bool,
        page: &mut ReferencePage,
    ) -> Inner<()> {
        let (target, attribute, member) = key;
        match wish {
            Wish::Held => self.cancel(target, attribute, member),
            Wish::Wanted if present => match sent {
                // The removal has left already: the addition follows it.
                Some((false, REFERENCE_IN_FLIGHT | REFERENCE_UNCONFIRMED)) => self.send(key, true, page),
                _ => {
                    self.run(
                        "DELETE FROM pending_reference WHERE object = ?1 AND attribute = ?2 AND member = ?3",
                        key,
                    )?;
                    self.run(
                        "INSERT OR IGNORE INTO owned_reference (object, attribute, member) VALUES (?1, ?2, ?3)",
                        key,
                    )?;
                    Ok(())
                }
            },
            Wish::Wanted => match sent {
                Some((true, _)) => Ok(()),
                _ => self.send(key, true, page),
            },
            Wish::Unwanted => {
                let on_its_way = matches!(sent, Some((true, REFERENCE_IN_FLIGHT | REFERENCE_UNCONFIRMED)));
                if !present && !on_its_way {
                    if !matches!(sent, Some((false, REFERENCE_IN_FLIGHT | REFERENCE_UNCONFIRMED))) {
                        self.run(
                            "DELETE FROM pending_reference WHERE object = ?1 AND attribute = ?2 AND member = ?3",
                            key,
                        )?;
                        self.run(
                            "DELETE FROM owned_reference WHERE object = ?1 AND attribute = ?2 AND member = ?3",
                            key,
                        )?;
                    }
                    return Ok(());
                }
                if matches!(sent, Some((false, _))) {
                    return Ok(());
                }
                let owned = on_its_way
                    || self.exists(
                        "SELECT 1 FROM owned_reference WHERE object = ?1 AND attribute = ?2 AND member = ?3",
                        key,
                    )?;
                let keep_foreign = flows.iter().any(|flow| flow.keep_foreign);
                // A member that is gone from the space is gone from the group too; the system need not be told.
                let exists = self.find_head(member)?.is_some_and(|head| !head.is_placeholder());
                if exists && (replaced || decide_removal(keep_foreign, owned, false)) {
                    return self.send(key, false, page);
                }
                self.cancel(target, attribute, member)
            }
        }
    }

    fn present_and_sent(&self, key: (i64, i64, i64)) -> Inner<Standing> {
        type Row = (bool, Option<bool>, Option<i64>);
        let row: Option<Row> = self.one(
            "SELECT EXISTS (SELECT 1 FROM reference WHERE source = ?1 AND attribute = ?2 AND target = ?3 AND state <> 2), \
             p.adds, p.state FROM (SELECT 1) LEFT JOIN pending_reference p ON p.object = ?1 AND p.attribute = ?2 AND p.member = ?3",
            key,
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let (present, adds, state) = row.unwrap_or_default();
        Ok((present, adds.zip(state)))
    }

    /// Makes a change pending, in the place of what was there.
    fn send(&self, key: (i64, i64, i64), adds: bool, page: &mut ReferencePage) -> Inner<()> {
        let (target, attribute, member) = key;
        let connector = self.connector_of(target)?;
        self.run(
            "INSERT INTO pending_reference (object, attribute, member, connector, adds, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (object, attribute, member) DO UPDATE SET connector = excluded.connector, adds = excluded.adds, \
             state = excluded.state, code = NULL, message = NULL, remedy = NULL, retry = 0, attempts = 0",
            (target, attribute, member, connector, adds, REFERENCE_PENDING),
        )?;
        match adds {
            true => page.added += 1,
            false => page.removed += 1,
        }
        Ok(())
    }

    /// Takes back a change that has not left.
    fn cancel(&self, target: i64, attribute: i64, member: i64) -> Inner<()> {
        self.run(
            "DELETE FROM pending_reference WHERE object = ?1 AND attribute = ?2 AND member = ?3 AND state IN (?4, ?5)",
            (target, attribute, member, REFERENCE_PENDING, REFERENCE_REFUSED),
        )?;
        Ok(())
    }

    /// Number of members that do not flow to a target, by reason.
    pub(crate) fn waiting_counts(&self, target: i64) -> Inner<Vec<(String, u64)>> {
        let rows: Vec<(String, i64)> = self.all(
            "SELECT code, count(*) FROM waiting_reference WHERE object = ?1 GROUP BY code ORDER BY code",
            [target],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        rows.into_iter()
            .map(|(code, count)| Ok((code, u64::try_from(count).map_err(|_| Fault::damaged("a negative count"))?)))
            .collect()
    }
}

/// What is pending for the object at the other end, of its columns operation, state, code and message; nothing that a member's
/// row would wait for otherwise.
fn pending_of_end(row: (Option<i64>, Option<i64>, Option<String>, Option<String>)) -> Option<EndPending> {
    match row {
        (Some(codes::DELETE | codes::DETACH), ..) => Some(EndPending::Leaves),
        (Some(codes::ADD), Some(codes::REFUSED), code, message) => {
            Some(EndPending::CreateRefused { code: code.unwrap_or_default(), message: message.unwrap_or_default() })
        }
        _ => None,
    }
}
