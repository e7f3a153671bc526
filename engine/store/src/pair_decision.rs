//! What an operator decided about a pair of a source object and an existing object of a target (SF5, SF11): kept by their anchors, so
//! that no import and no rule change loses it, told in history, and both looked at again. What follows from it is not decided here.

use crate::codec::{anchor_bytes, anchor_of};
use crate::codes;
use crate::db::Db;
use crate::error::{Inner, StoreError};
use crate::head::Head;
use crate::{EventLevel, Store};
use metaverse_schema::Anchor;
use sync_kernel::{CsId, MatchDecision, MatchVerdict, MvId, PairEnd};

/// An operator's word: what he decided, who he is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairWord {
    pub verdict: MatchVerdict,
    /// Account of the operating system.
    pub by: String,
    /// May be empty.
    pub note: String,
}

/// A word that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairDecision {
    pub decision: MatchDecision,
    pub by: String,
    pub note: String,
    /// Microseconds since 1970.
    pub at: i64,
}

impl PairWord {
    /// The code of the event in history.
    fn code(&self) -> &'static str {
        match self.verdict {
            MatchVerdict::Approved => "match-approved",
            MatchVerdict::Rejected => "match-rejected",
            MatchVerdict::Undone => "takeover-undone",
        }
    }

    fn told(&self, person: &str, object: &str) -> String {
        let did = match self.verdict {
            MatchVerdict::Approved => "approved the match of",
            MatchVerdict::Rejected => "rejected the match of",
            MatchVerdict::Undone => "undid the takeover for",
        };
        let note = if self.note.is_empty() { String::new() } else { format!(": {}", self.note) };
        format!("{} {did} {person} and {object}{note}", self.by)
    }
}

impl Store {
    /// Keeps an operator's word about an existing object of a target and the source objects of a metaverse object; an earlier one about
    /// the same pair is replaced. Both are decided anew by the next synchronisation.
    ///
    /// # Errors
    /// When either has no anchor yet: what was never imported is no pair.
    pub fn record_pair_decision(
        &mut self,
        object: CsId,
        mv: MvId,
        word: &PairWord,
        now: i64,
    ) -> Result<(), StoreError> {
        self.db.write("keeping what an operator decided about a pair", |db| db.record_pair(object.0, mv.0, word, now))
    }

    /// The same of several pairs, all of it or nothing.
    pub fn record_pair_decisions(&mut self, said: &[(CsId, MvId, PairWord)], now: i64) -> Result<(), StoreError> {
        self.db.write("keeping what an operator decided about pairs", |db| {
            said.iter().try_for_each(|(object, mv, word)| db.record_pair(object.0, mv.0, word, now))
        })
    }

    /// Every word about a pair whose existing object is in this target, in order of time.
    pub fn pair_decisions(&self, target: &str) -> Result<Vec<PairDecision>, StoreError> {
        self.db.read("listing what operators decided about pairs", |db| match db.find_connector(target) {
            Some(id) => db.pair_decisions(id),
            None => Ok(Vec::new()),
        })
    }

    /// The object with this anchor, if its space has it.
    pub fn object_by_anchor(&self, end: &PairEnd) -> Result<Option<CsId>, StoreError> {
        self.db.read("looking for an object", |db| {
            let Some(connector) = db.find_connector(&end.connector) else { return Ok(None) };
            Ok(db.head_by_anchor(connector, &end.anchor)?.map(|head| CsId(head.id)))
        })
    }
}

impl Db {
    pub(crate) fn record_pair(&self, object: i64, mv: i64, word: &PairWord, now: i64) -> Inner<()> {
        let target = self.find_head(object)?;
        let target = target.ok_or_else(|| missing(format!("object {object} is not there any longer")))?;
        let target_anchor = anchor_of_pair(&target)?;
        let mut sources = Vec::new();
        for id in self.linked_to(mv)? {
            let head = self.head(id)?;
            if head.connector != target.connector && head.anchor.is_some() {
                sources.push(head);
            }
        }
        if sources.is_empty() {
            return Err(missing(format!("metaverse object {mv} has no source object any longer")).into());
        }
        for source in &sources {
            self.run(
                "INSERT OR REPLACE INTO pair_decision (target_connector, target_anchor, source_connector, source_anchor, verdict, \
                 decided_by, note, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                (
                    target.connector,
                    anchor_bytes(&target_anchor),
                    source.connector,
                    anchor_bytes(&anchor_of_pair(source)?),
                    codes::verdict(word.verdict),
                    &word.by,
                    &word.note,
                    now,
                ),
            )?;
            self.bump(source.id)?;
        }
        if word.verdict.says_no() {
            // What an approved list let through is let through no longer.
            self.run("DELETE FROM approval WHERE object = ?1 AND mv = ?2", (object, mv))?;
        }
        self.bump(object)?;
        self.candidate_changed(object)?;
        for mv in target.link.map(|link| link.mv).into_iter().chain([mv]) {
            self.mark_metaverse_dirty(mv)?;
        }
        let told = word.told(&self.metaverse_label(mv)?, &self.label(object)?);
        self.insert_event(None, EventLevel::Information, word.code(), &told, now)
    }

    fn pair_decisions(&self, target: i64) -> Inner<Vec<PairDecision>> {
        type Row = (i64, Vec<u8>, i64, Vec<u8>, i64, String, String, i64);
        let rows: Vec<Row> = self.all(
            "SELECT target_connector, target_anchor, source_connector, source_anchor, verdict, decided_by, note, at FROM pair_decision \
             WHERE target_connector = ?1 ORDER BY at, target_anchor, source_connector, source_anchor",
            [target],
            |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                    row.get(5)?,
                    row.get(6)?,
                    row.get(7)?,
                ))
            },
        )?;
        rows.into_iter()
            .map(|(target, target_anchor, source, source_anchor, verdict, by, note, at)| {
                let ends = ((target, target_anchor), (source, source_anchor));
                Ok(PairDecision { decision: self.match_decision(ends, verdict)?, by, note, at })
            })
            .collect()
    }

    /// The words about pairs in which this object is one of the two.
    pub(crate) fn load_match_decisions(&self, head: &Head) -> Inner<Vec<MatchDecision>> {
        type Row = (i64, Vec<u8>, i64, Vec<u8>, i64);
        let rows: Vec<Row> = self.all(
            "SELECT target_connector, target_anchor, source_connector, source_anchor, verdict FROM pair_decision \
             WHERE (target_connector = ?1 AND target_anchor = ?2) OR (source_connector = ?1 AND source_anchor = ?2) \
             ORDER BY target_connector, target_anchor, source_connector, source_anchor",
            (head.connector, &head.anchor),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
        )?;
        rows.into_iter()
            .map(|(target, target_anchor, source, source_anchor, verdict)| {
                self.match_decision(((target, target_anchor), (source, source_anchor)), verdict)
            })
            .collect()
    }

    fn match_decision(&self, (target, source): ((i64, Vec<u8>), (i64, Vec<u8>)), verdict: i64) -> Inner<MatchDecision> {
        let end = |(connector, anchor): (i64, Vec<u8>)| -> Inner<PairEnd> {
            Ok(PairEnd { connector: self.connector_name(connector)?, anchor: anchor_of(&anchor)? })
        };
        Ok(MatchDecision { source: end(source)?, target: end(target)?, verdict: codes::verdict_of(verdict)? })
    }
}

fn anchor_of_pair(head: &Head) -> Inner<Anchor> {
    head.anchor()?.ok_or_else(|| missing(format!("object {} was never exported: there is no pair yet", head.id)).into())
}

fn missing(what: String) -> StoreError {
    StoreError::Missing { what }
}
