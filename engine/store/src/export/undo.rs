//! Undoing takeovers (SF11): intended, sent, and what came of it, each committed before the next. An object whose undo is
//! intended belongs to nobody from then on, so that no export works against it; the pair is decided by the operator's word.
//! Sends nothing.

use super::Refusal;
use crate::codes;
use crate::db::Db;
use crate::error::Inner;
use crate::head::Head;
use crate::{PairWord, Store, StoreError};
use metaverse_schema::{AttributeName, Attributes};
use std::collections::BTreeSet;
use sync_kernel::{ConnectorState, CsId, ExportMemory, MvId};

const INTENDED: i64 = 0;
const SENT: i64 = 1;
const DONE: i64 = 2;
const REFUSED: i64 = 3;

/// How far an undo is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoState {
    Intended,
    /// Requests left, and their outcome is not known.
    Sent,
    Done,
    Refused(Refusal),
}

/// An undo that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoRecord {
    pub state: UndoState,
    /// Attributes to which the engine had contributed while the object was ours.
    pub owned: BTreeSet<AttributeName>,
    /// What names the object in its system.
    pub named_by: Attributes,
    /// Microseconds since 1970.
    pub began: i64,
    pub ended: Option<i64>,
}

/// What came of the requests for one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoOutcome {
    Done,
    Refused(Refusal),
    /// Not sent or not answered: it is to be undone again.
    NotSettled,
}

impl Store {
    /// Lets go of these objects: what is pending for them is forgotten, their link ends, and the operator's word about the pair
    /// is kept. Everything that a later run needs to carry the undo on is kept with it. One that was begun before goes on.
    pub fn begin_undo(
        &mut self,
        objects: &[(CsId, Option<MvId>)],
        named_by: &[&str],
        word: &PairWord,
        now: i64,
    ) -> Result<(), StoreError> {
        let ids: Vec<CsId> = objects.iter().map(|(object, _)| *object).collect();
        let names = self.held_values(&ids, named_by)?;
        self.db.write("undoing takeovers", |db| {
            for (object, mv) in objects {
                let head = db.head(object.0)?;
                let Some(anchor) = head.anchor.clone() else { continue };
                let known = names.get(object).cloned().unwrap_or_default();
                let owned = db.contributed_names(&head)?;
                db.run(
                    "INSERT INTO undone_takeover (connector, anchor, state, names, named_by, began) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                     ON CONFLICT (connector, anchor) DO UPDATE SET state = excluded.state, ended = NULL, code = NULL, \
                     message = NULL, remedy = NULL, \
                     names = CASE WHEN state = 2 THEN excluded.names ELSE names END, \
                     named_by = CASE WHEN state = 2 THEN excluded.named_by ELSE named_by END, \
                     began = CASE WHEN state = 2 THEN excluded.began ELSE began END",
                    (
                        head.connector,
                        anchor.as_slice(),
                        INTENDED,
                        db.encode_attribute_set(head.connector, &owned)?,
                        db.encode_image(head.connector, &known)?,
                        now,
                    ),
                )?;
                if let Some(mv) = mv {
                    db.record_pair(object.0, mv.0, word, now)?;
                }
                db.let_go(head)?;
            }
            Ok(())
        })
    }

    /// Committed before the first byte leaves.
    pub fn mark_undo_sent(&mut self, objects: &[CsId]) -> Result<(), StoreError> {
        self.db.write("marking undone takeovers as sent", |db| {
            objects.iter().try_for_each(|object| db.set_undo(*object, SENT, None, None))
        })
    }

    /// Keeps what came of it.
    pub fn settle_undo(&mut self, outcomes: &[(CsId, UndoOutcome)], now: i64) -> Result<(), StoreError> {
        self.db.write("keeping what came of undone takeovers", |db| {
            for (object, outcome) in outcomes {
                match outcome {
                    UndoOutcome::Done => db.set_undo(*object, DONE, None, Some(now))?,
                    UndoOutcome::Refused(refusal) => db.set_undo(*object, REFUSED, Some(refusal), Some(now))?,
                    UndoOutcome::NotSettled => {}
                }
            }
            Ok(())
        })
    }

    /// The undo of this object, if one was ever begun and the object was not taken over again since.
    pub fn undo_of(&self, object: CsId) -> Result<Option<UndoRecord>, StoreError> {
        self.db.read("reading an undone takeover", |db| {
            let Some(head) = db.find_head(object.0)? else { return Ok(None) };
            let Some(anchor) = &head.anchor else { return Ok(None) };
            type Row = (i64, Vec<u8>, Vec<u8>, i64, Option<i64>, [Option<String>; 3]);
            let row: Option<Row> = db.one(
                "SELECT state, names, named_by, began, ended, code, message, remedy FROM undone_takeover \
                 WHERE connector = ?1 AND anchor = ?2",
                (head.connector, anchor.as_slice()),
                |row| {
                    let refusal = [row.get(5)?, row.get(6)?, row.get(7)?];
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, refusal))
                },
            )?;
            let Some((state, names, named_by, began, ended, [code, message, remedy])) = row else { return Ok(None) };
            let state = match state {
                INTENDED => UndoState::Intended,
                SENT => UndoState::Sent,
                DONE => UndoState::Done,
                _ => UndoState::Refused(Refusal {
                    code: code.unwrap_or_default(),
                    attribute: None,
                    message: message.unwrap_or_default(),
                    remedy: remedy.unwrap_or_default(),
                    retry: false,
                }),
            };
            Ok(Some(UndoRecord {
                state,
                owned: (*db.decode_attribute_set(head.connector, &names)?).clone(),
                named_by: db.decode_image(head.connector, &named_by)?,
                began,
                ended,
            }))
        })
    }

    /// The attributes of the object to which the engine contributed a value, references too.
    pub fn contributed_names(&self, object: CsId) -> Result<BTreeSet<AttributeName>, StoreError> {
        self.db.read("reading what the engine contributed", |db| match db.find_head(object.0)? {
            Some(head) => db.contributed_names(&head),
            None => Ok(BTreeSet::new()),
        })
    }

    /// The objects to which this engine added the object, as members of groups for instance.
    pub fn added_to(&self, object: CsId) -> Result<Vec<CsId>, StoreError> {
        self.db.read("listing where an object was added", |db| {
            let ids =
                db.ids("SELECT DISTINCT object FROM owned_reference WHERE member = ?1 ORDER BY object", [object.0])?;
            Ok(ids.into_iter().map(CsId).collect())
        })
    }

    /// How many members of the object this engine added.
    pub fn added_members(&self, object: CsId) -> Result<u64, StoreError> {
        self.db.read("counting added members", |db| {
            db.count("SELECT count(*) FROM owned_reference WHERE object = ?1", [object.0])
        })
    }
}

impl Db {
    fn contributed_names(&self, head: &Head) -> Inner<BTreeSet<AttributeName>> {
        let mut names = (*self.load_owned(head.id, head.connector)?.attributes).clone();
        for attribute in self.ids("SELECT DISTINCT attribute FROM owned_reference WHERE object = ?1", [head.id])? {
            names.insert(self.attribute_name(attribute)?);
        }
        Ok(names)
    }

    /// From now on nobody's: nothing is sent to it, and nothing of what was sent is waited for.
    fn let_go(&self, mut head: Head) -> Inner<()> {
        let before = head.link.map(|link| link.mv);
        self.save_pending(head.id, head.connector, None)?;
        for table in ["owned_attribute", "owned_reference", "reference_flow", "pending_reference", "waiting_reference"]
        {
            self.run(&format!("DELETE FROM {table} WHERE object = ?1"), [head.id])?;
        }
        self.set_link(&mut head, None)?;
        self.put_memory(&mut head, &ExportMemory::default())?;
        head.state = codes::state(ConnectorState::Disconnected);
        self.save_head(&mut head)?;
        self.mark_dirty(head.id, head.connector)?;
        self.revisit(before)
    }

    fn set_undo(&self, object: CsId, state: i64, refusal: Option<&Refusal>, ended: Option<i64>) -> Inner<()> {
        let head = self.head(object.0)?;
        let Some(anchor) = &head.anchor else { return Ok(()) };
        let text = |field: fn(&Refusal) -> &String| refusal.map(|refusal| field(refusal).clone());
        self.run(
            "UPDATE undone_takeover SET state = ?3, ended = ?4, code = ?5, message = ?6, remedy = ?7 \
             WHERE connector = ?1 AND anchor = ?2",
            (
                head.connector,
                anchor.as_slice(),
                state,
                ended,
                text(|refusal| &refusal.code),
                text(|refusal| &refusal.message),
                text(|refusal| &refusal.remedy),
            ),
        )
        .map(drop)
    }

    /// Whether the object was given back once, or is on its way to be.
    pub(crate) fn was_given_back(&self, head: &Head) -> Inner<bool> {
        match &head.anchor {
            Some(anchor) => self.exists(
                "SELECT 1 FROM undone_takeover WHERE connector = ?1 AND anchor = ?2",
                (head.connector, anchor.as_slice()),
            ),
            None => Ok(false),
        }
    }

    /// It was taken over again.
    pub(crate) fn forget_undo(&self, head: &Head) -> Inner<()> {
        match &head.anchor {
            Some(anchor) => self
                .run(
                    "DELETE FROM undone_takeover WHERE connector = ?1 AND anchor = ?2",
                    (head.connector, anchor.as_slice()),
                )
                .map(drop),
            None => Ok(()),
        }
    }
}
