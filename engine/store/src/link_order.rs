//! What an operator says about a link (O20): written as state, marked to be looked at, told in history. Whether it may be said
//! is not decided here, and neither is what follows from it; the next synchronisation decides that.

use crate::codes;
use crate::db::Db;
use crate::error::{Inner, StoreError};
use crate::head::{Head, LinkRow};
use crate::{EventLevel, Store};
use sync_kernel::{ConnectorState, CsId, MvId, OPERATOR_LINK, Ownership, PendingExport, PendingOperation, SentState};

/// One word of an operator about one object of a connector space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkOrder {
    /// It belongs to this metaverse object, whatever the rules find.
    Join {
        object: CsId,
        metaverse: MvId,
    },
    /// What an earlier `Join` said is said no longer.
    UndoJoin {
        object: CsId,
    },
    /// It belongs to nobody, whatever the rules find.
    Disconnect {
        object: CsId,
    },
    UndoDisconnect {
        object: CsId,
    },
}

impl LinkOrder {
    pub fn object(&self) -> CsId {
        match self {
            LinkOrder::Join { object, .. }
            | LinkOrder::UndoJoin { object }
            | LinkOrder::Disconnect { object }
            | LinkOrder::UndoDisconnect { object } => *object,
        }
    }

    /// The code of the event in history.
    pub fn code(&self) -> &'static str {
        match self {
            LinkOrder::Join { .. } => "operator-join",
            LinkOrder::UndoJoin { .. } => "operator-join-undone",
            LinkOrder::Disconnect { .. } => "operator-disconnect",
            LinkOrder::UndoDisconnect { .. } => "operator-disconnect-undone",
        }
    }
}

impl Store {
    /// Keeps the order, with `told` as its sentence in history. The object and its metaverse object are decided anew by the next
    /// synchronisation.
    pub fn order_link(&mut self, order: &LinkOrder, told: &str, now: i64) -> Result<(), StoreError> {
        self.db.write("keeping what an operator said about a link", |db| {
            db.follow_link_order(order)?;
            db.insert_event(None, EventLevel::Information, order.code(), told, now)
        })
    }

    /// Looks at the store as it would be under the order; nothing of it stays.
    pub fn as_if_ordered<T>(&mut self, order: &LinkOrder, look: impl FnOnce(&Store) -> T) -> Result<T, StoreError> {
        let doing = "trying what an operator said about a link";
        self.db.begin().map_err(|fault| fault.during(doing))?;
        let seen = self.db.follow_link_order(order).map(|()| look(self));
        self.db.roll_back();
        seen.map_err(|fault| fault.during(doing))
    }
}

impl Db {
    fn follow_link_order(&self, order: &LinkOrder) -> Inner<()> {
        let id = order.object().0;
        let Some(mut head) = self.find_head(id)? else {
            return Err(StoreError::Missing { what: format!("object {id} is not there any longer") }.into());
        };
        let before = head.link.map(|link| link.mv);
        match order {
            LinkOrder::Join { metaverse, .. } => self.order_join(&mut head, metaverse.0)?,
            LinkOrder::UndoJoin { .. } => self.order_undo_join(&mut head)?,
            LinkOrder::Disconnect { .. } => {
                // The link itself ends by decision, with all that hangs on it; until then nothing more is sent.
                head.state = codes::state(ConnectorState::ExplicitlyDisconnected);
                self.forget_unsent(&head)?;
            }
            LinkOrder::UndoDisconnect { .. } => head.state = codes::state(normal(&head)),
        }
        self.save_head(&mut head)?;
        self.mark_dirty(head.id, head.connector)?;
        self.candidate_changed(head.id)?;
        for mv in before.into_iter().chain(head.link.map(|link| link.mv)) {
            self.mark_metaverse_dirty(mv)?;
        }
        Ok(())
    }

    fn order_join(&self, head: &mut Head, mv: i64) -> Inner<()> {
        // S38: what was to be created for it in this space and was not sent gives way.
        for linked in self.linked_to(mv)? {
            let other = self.head(linked)?;
            if other.connector == head.connector && other.id != head.id && other.anchor.is_none() {
                self.remove_object(other.id)?;
            }
        }
        head.state = codes::state(ConnectorState::ExplicitlyConnected);
        if head.link.is_some_and(|link| link.mv == mv) {
            return Ok(());
        }
        let rule = self.rule_id(OPERATOR_LINK)?;
        self.set_link(head, Some(LinkRow { mv, rule, ownership: codes::ownership(Ownership::Joined) }))
    }

    /// A takeover that followed from the join and was not sent is taken back with it; one that was sent has made the object ours, and
    /// its outbound rule holds the link.
    fn order_undo_join(&self, head: &mut Head) -> Inner<()> {
        let unsent_takeover = matches!(
            self.load_pending(head.id, head.connector)?,
            Some(PendingExport {
                operation: PendingOperation::Update { takeover: true, .. },
                state: SentState::Pending | SentState::Refused { .. },
                ..
            })
        );
        if unsent_takeover && let Some(link) = head.link {
            self.forget_unsent(head)?;
            let rule = self.rule_id(OPERATOR_LINK)?;
            self.set_link(head, Some(LinkRow { rule, ownership: codes::ownership(Ownership::Joined), ..link }))?;
        }
        head.state = codes::state(normal(head));
        Ok(())
    }

    fn forget_unsent(&self, head: &Head) -> Inner<()> {
        self.run("DELETE FROM pending_export WHERE object = ?1 AND state <> ?2", (head.id, codes::IN_FLIGHT))?;
        self.run(
            "DELETE FROM pending_reference WHERE object = ?1 AND state IN (?2, ?3)",
            (head.id, codes::REFERENCE_PENDING, codes::REFERENCE_REFUSED),
        )?;
        self.keep_references_back(head.id, false)
    }
}

fn normal(head: &Head) -> ConnectorState {
    if head.link.is_some() { ConnectorState::Connected } else { ConnectorState::Disconnected }
}
