//! An operator's own links (O20): whether an order can be given, what it would do, and giving it. What follows from it is decided
//! by the next synchronisation; nothing is linked or sent here.

use crate::engine::{Engine, EngineError};
use crate::names::{name_by_id, name_by_mv};
use crate::preview::Preview;
use crate::reading::Reading;
use sync_kernel::{ConnectorState, CsId, CsObject, MvObject, PendingExport, SentState, Staged, Subject};
use sync_rules::Direction;
use sync_store::{LinkOrder, StoreError};

/// What became of an order that was given.
#[derive(Debug, Clone)]
pub struct LinkOrdered {
    /// A sentence; it stands in history too.
    pub told: String,
}

impl Engine {
    /// What the next synchronisation of the object would do under this order. Nothing of it stays.
    pub fn preview_link_order(&mut self, order: &LinkOrder) -> Result<Preview, EngineError> {
        self.check_link_order(order)?;
        let (rules, now) = (self.rules.clone(), self.clock.now());
        self.store.as_if_ordered(order, |store| {
            Reading::new(store, &rules, now).preview(Subject::Connector(order.object()))
        })?
    }

    /// Gives the order: it is kept, told in history, and both sides are decided anew by the next synchronisation.
    pub fn order_link(&mut self, order: &LinkOrder) -> Result<LinkOrdered, EngineError> {
        self.check_link_order(order)?;
        let told = self.told(order)?;
        self.store.order_link(order, &told, self.clock.now())?;
        Ok(LinkOrdered { told })
    }

    fn told(&self, order: &LinkOrder) -> Result<String, StoreError> {
        let object = name_by_id(&self.store, order.object())?;
        Ok(match order {
            LinkOrder::Join { metaverse, .. } => {
                let metaverse = name_by_mv(&self.store, *metaverse)?;
                format!("{} was joined to {} ({})", object.text(), metaverse.text(), metaverse_id(order))
            }
            LinkOrder::UndoJoin { .. } => format!("the join of {} was undone", object.text()),
            LinkOrder::Disconnect { .. } => format!("{} was disconnected", object.text()),
            LinkOrder::UndoDisconnect { .. } => format!("the disconnection of {} was undone", object.text()),
        })
    }

    fn check_link_order(&self, order: &LinkOrder) -> Result<(), EngineError> {
        let id = order.object();
        let object = self.store.object(id)?.ok_or_else(|| EngineError::NotFound { what: id.to_string() })?;
        self.check_object(&object)?;
        match order {
            LinkOrder::Join { metaverse, .. } => {
                let target = self.store.metaverse(*metaverse)?;
                let target = target.ok_or_else(|| EngineError::NotFound { what: metaverse.to_string() })?;
                self.check_join(&object, &target)
            }
            LinkOrder::UndoJoin { .. } if object.state != ConnectorState::ExplicitlyConnected => Err(refused(
                "not-joined-by-operator",
                format!("no operator joined {}", self.text(id)?),
                "`metasync explain` says why it is linked, or why not",
            )),
            LinkOrder::Disconnect { .. } if object.state == ConnectorState::ExplicitlyDisconnected => Err(refused(
                "disconnected-already",
                format!("{} is disconnected already", self.text(id)?),
                "`metasync disconnect CONNECTOR OBJECT --undo` undoes that",
            )),
            LinkOrder::UndoDisconnect { .. } if object.state != ConnectorState::ExplicitlyDisconnected => Err(refused(
                "not-disconnected-by-operator",
                format!("nobody disconnected {}", self.text(id)?),
                "`metasync explain` says why it is not linked",
            )),
            LinkOrder::UndoJoin { .. } | LinkOrder::Disconnect { .. } | LinkOrder::UndoDisconnect { .. } => Ok(()),
        }
    }

    /// What stands in the way of any order about this object.
    fn check_object(&self, object: &CsObject) -> Result<(), EngineError> {
        let name = self.text(object.id)?;
        if matches!(object.state, ConnectorState::Placeholder | ConnectorState::Container) {
            return Err(refused(
                "not-synchronised",
                format!("{name} is a container, or was never imported; such objects are not linked"),
                "import it first, if it is an object of its own",
            ));
        }
        if matches!(object.staged, Some(Staged::Deleted(_))) {
            let remedy = "synchronise its connector";
            return Err(refused("deleted", format!("{name} is deleted in its connected system"), remedy));
        }
        if matches!(&object.pending, Some(PendingExport { state: SentState::InFlight, .. })) {
            return Err(refused(
                "export-in-flight",
                format!("an export of {name} was sent and not answered yet"),
                "run the export again, or import, to settle it",
            ));
        }
        if object.anchor.is_none() {
            return Err(refused(
                "not-exported",
                format!("{name} was not created in its connected system yet"),
                "keep its metaverse object out of the scope of the outbound rule, or join the existing object to it",
            ));
        }
        Ok(())
    }

    fn check_join(&self, object: &CsObject, target: &MvObject) -> Result<(), EngineError> {
        let (name, metaverse) = (self.text(object.id)?, name_by_mv(&self.store, target.id)?.text());
        if let Some(reason) = self.never_sync(object)? {
            return Err(refused(
                "never-sync",
                format!("{name} is never synchronised: {reason}"),
                "it stays where it is",
            ));
        }
        match &object.link {
            Some(link) if link.mv != target.id => {
                let other = name_by_mv(&self.store, link.mv)?.text();
                return Err(refused(
                    "linked-to-another",
                    format!("{name} is linked to {other} ({})", link.mv),
                    "disconnect it first, synchronise, then join it",
                ));
            }
            Some(_) if object.state == ConnectorState::ExplicitlyConnected => {
                let remedy = "`metasync join CONNECTOR OBJECT --undo` undoes that";
                return Err(refused("joined-already", format!("{name} is joined to {metaverse} already"), remedy));
            }
            _ => {}
        }
        for linked in &target.links {
            let Some(other) = self.store.object(*linked)?.filter(|other| other.id != object.id) else { continue };
            let gives_way = other.anchor.is_none()
                && !matches!(&other.pending, Some(PendingExport { state: SentState::InFlight, .. }));
            if other.connector == object.connector && !gives_way {
                return Err(refused(
                    "space-occupied",
                    format!("{metaverse} has {} of {} already", self.text(other.id)?, object.connector),
                    "a metaverse object has one object of each connector space: disconnect that one first",
                ));
            }
        }
        if !self.may_belong_together(object, target) {
            return Err(refused(
                "type-mismatch",
                format!("no rule lets a {} of {} be a {}", object.object_type, object.connector, target.object_type),
                "join it to an object of a type that the rules of this connector name",
            ));
        }
        Ok(())
    }

    fn may_belong_together(&self, object: &CsObject, target: &MvObject) -> bool {
        self.rules.rules.iter().filter(|rule| rule.connector == object.connector).any(|rule| {
            let (connector_type, metaverse_type) = match rule.direction {
                Direction::Inbound => (&rule.source_type, &rule.target_type),
                Direction::Outbound => (&rule.target_type, &rule.source_type),
            };
            connector_type.as_ref().is_none_or(|wanted| *wanted == object.object_type)
                && metaverse_type.as_ref().is_none_or(|wanted| *wanted == target.object_type)
        })
    }

    /// SF20 is stronger than an operator's word.
    fn never_sync(&self, object: &CsObject) -> Result<Option<String>, StoreError> {
        if object.in_never_sync_group {
            return Ok(Some("it is a member of a never-sync group".into()));
        }
        let accounts = self.store.own_accounts()?;
        Ok(accounts
            .into_iter()
            .find(|account| {
                let values = object.imported().and_then(|image| image.get(account.attribute.as_str()));
                values.is_some_and(|values| values.contains(&account.value))
            })
            .map(|account| format!("it is {}, an account that this deployment signs in with", account.name)))
    }

    fn text(&self, id: CsId) -> Result<String, StoreError> {
        Ok(name_by_id(&self.store, id)?.text())
    }
}

fn metaverse_id(order: &LinkOrder) -> String {
    match order {
        LinkOrder::Join { metaverse, .. } => metaverse.to_string(),
        _ => String::new(),
    }
}

fn refused(code: &'static str, message: String, remedy: &str) -> EngineError {
    EngineError::LinkRefused { code, message, remedy: remedy.to_owned() }
}
