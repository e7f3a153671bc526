//! The import stream: whole objects, changes, deletions, and what could not be read.

use crate::{ConnectorError, ErrorKind};
use metaverse_schema::{Anchor, Attributes, AttributesDelta, Dn, ObjectType};
use std::fmt;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Asks for everything in scope.
#[derive(Debug, Clone, Default)]
pub struct FullImport {
    /// The last watermark that was committed, if any: lets a connector see that the system was rolled back or is
    /// behind (SF17), that its view changed (SF14), or that a container moved (SF13).
    pub previous: Option<Watermark>,
    /// What the engine holds already: an object that comes with a print among these may be handed over as
    /// [`ImportItem::Same`], without being taken apart. The engine loads it while the connector begins to read.
    pub held: HeldSoon,
}

/// Stands for an object exactly as a connector handed it over: the first 16 bytes of SHA-256 over its anchor, all that its
/// system returned of it, and all that decides how that is understood. Two items with the same print are the same item, but for
/// the names of the containers above where its own container is told by anchor.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Print(pub [u8; 16]);

impl fmt::Debug for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Knows the prints of the objects that the engine holds as they came last.
pub trait HeldPrints: Send + Sync {
    fn holds(&self, print: &Print) -> bool;
}

/// The prints that the engine holds; none by default.
#[derive(Clone, Default)]
pub struct Held(Option<Arc<dyn HeldPrints>>);

impl Held {
    pub fn of(prints: Arc<dyn HeldPrints>) -> Self {
        Held(Some(prints))
    }

    pub fn holds(&self, print: &Print) -> bool {
        self.0.as_ref().is_some_and(|prints| prints.holds(print))
    }
}

/// The prints that the engine is loading; none by default. Where the engine fails to, there are none, and the import ends.
#[derive(Clone, Default)]
pub struct HeldSoon(Option<watch::Receiver<Held>>);

/// To be kept by whoever loads the prints.
#[derive(Debug)]
pub struct HeldPromise(watch::Sender<Held>);

impl HeldSoon {
    pub fn promised() -> (HeldPromise, HeldSoon) {
        let (sender, receiver) = watch::channel(Held::default());
        (HeldPromise(sender), HeldSoon(Some(receiver)))
    }

    /// Waits until they are loaded: to be asked for when the first object is at hand, not before.
    pub async fn loaded(self) -> Held {
        let Some(mut receiver) = self.0 else { return Held::default() };
        let held = receiver.wait_for(|held| held.0.is_some()).await;
        held.map(|held| held.clone()).unwrap_or_default()
    }
}

impl From<Held> for HeldSoon {
    /// Loaded already.
    fn from(held: Held) -> HeldSoon {
        let (promise, soon) = HeldSoon::promised();
        promise.keep(held);
        soon
    }
}

impl fmt::Debug for HeldSoon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "prints to come" } else { "no prints" })
    }
}

impl HeldPromise {
    pub fn keep(self, held: Held) {
        self.0.send_replace(held);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "prints" } else { "no prints" })
    }
}

/// Where a delta import continues: opaque to the engine, text so that it can be kept and shown. Holds no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Watermark(pub String);

impl fmt::Debug for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "watermark of {} characters", self.0.len())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportItem {
    /// The whole object as it is now. Replaces the image; an attribute that is not in it has no value.
    Object(ImportedObject),
    /// The whole object is as it was when it came with this print. Only in a full import, and only of a print that
    /// [`FullImport::held`] holds. If the engine has changed the object meanwhile, it asks for the whole object (R70).
    Same { anchor: Anchor, print: Print },
    /// Changes of an object that was imported before. If the engine does not hold it, it asks for the whole object (R70).
    Change(ImportedChange),
    /// The object is gone from what this connector imports.
    Deleted { anchor: Anchor, cause: DeletionCause },
    /// A container left the scope with everything below it; its own anchor included.
    SubtreeLeft { container: Anchor },
    /// An object that exists but could not be read or understood. In a full import its presence means that nothing
    /// is obsoleted (R7).
    Unreadable(ObjectIssue),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedObject {
    pub anchor: Anchor,
    pub object_type: ObjectType,
    pub place: Option<Place>,
    pub attributes: Attributes,
    /// By which a later full import knows the object again, where the connector makes prints.
    pub print: Option<Print>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedChange {
    pub anchor: Anchor,
    pub object_type: ObjectType,
    /// The new place, when the object was renamed or moved.
    pub place: Option<Place>,
    pub changes: AttributesDelta,
    /// Whether, should the object have come into being since the watermark, `changes` names every value that it has, references
    /// excepted: those may follow in later items. Then the engine need not ask for an object that it created itself.
    pub whole_if_new: bool,
}

/// Where an object stands: its DN as returned, and its container's anchor where the system tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub dn: Dn,
    pub parent: Option<Anchor>,
}

/// Why an object left (SF12: each line of a guarded list carries its cause).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletionCause {
    /// The system reports it as deleted.
    DeletedInSource,
    /// It was moved out of the selected containers.
    LeftScope,
}

/// Something wrong with one object; the import goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectIssue {
    /// One of the discovery error types (R69), such as `invalid-attribute-value`, `missing-anchor-component`.
    pub code: &'static str,
    /// The object as the operator can find it: DN, file and line, id.
    pub object: String,
    pub anchor: Option<Anchor>,
    pub message: String,
}

/// A page of the stream, in the system's order.
#[derive(Debug, Clone, Default)]
pub struct ImportPage {
    pub items: Vec<ImportItem>,
}

/// Something the operator should see in the run's history that is not about one object: a container was renamed,
/// the change log was rolled back and a full read was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportNote {
    pub code: &'static str,
    pub message: String,
}

/// The end of a stream that was read to its last page. A stream that broke returns an error instead and obsoletes nothing (SF15).
#[derive(Debug, Clone)]
pub struct ImportEnd {
    /// Where the next delta import continues; none when the connector cannot do deltas.
    pub watermark: Option<Watermark>,
    /// Changes that the system returned but that lie outside the selected containers (R33).
    pub filtered_objects: u64,
    pub filtered_deletions: u64,
    pub notes: Vec<ImportNote>,
    /// What it means that this full import did not return an object. Of a delta import nobody asks (SF15).
    pub absence: Absence,
}

/// What the absence of an object from a complete full import means (SF18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// The system has it no longer: what was read is all there is.
    Deleted,
    /// It may be out of sight only: moved, or hidden by a missing right. What was deleted, the connector says by
    /// [`ImportItem::Deleted`].
    OutOfSight,
}

/// Takes pages from a connector. Bounded: a slow store slows the reader instead of filling memory.
#[derive(Debug, Clone)]
pub struct ImportSink(mpsc::Sender<ImportPage>);

impl ImportSink {
    /// A sink and its receiving end; `pages` pages may wait.
    pub fn new(pages: usize) -> (Self, mpsc::Receiver<ImportPage>) {
        let (sender, receiver) = mpsc::channel(pages.max(1));
        (ImportSink(sender), receiver)
    }

    /// Hands over a page; an error means that the engine has stopped and the connector should return it.
    pub async fn send(&self, page: ImportPage) -> Result<(), ConnectorError> {
        if page.items.is_empty() {
            return Ok(());
        }
        self.0.send(page).await.map_err(|_| {
            ConnectorError::new(ErrorKind::Cancelled, "handing over a page", "the engine stopped reading", "")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Odd;

    impl HeldPrints for Odd {
        fn holds(&self, print: &Print) -> bool {
            print.0[0] % 2 == 1
        }
    }

    /// Whoever asks waits for the prints; of an engine that failed to load them, and of one that has none, nothing is held, so that
    /// objects come whole.
    #[tokio::test]
    async fn prints_are_waited_for() {
        let (promise, soon) = HeldSoon::promised();
        let waiting = tokio::spawn(soon.clone().loaded());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        promise.keep(Held::of(Arc::new(Odd)));
        let (held, again) = (waiting.await.unwrap(), soon.loaded().await);
        assert!(held.holds(&Print([1; 16])) && again.holds(&Print([1; 16])) && !held.holds(&Print([2; 16])));
        let (promise, soon) = HeldSoon::promised();
        drop(promise);
        assert!(!soon.loaded().await.holds(&Print([1; 16])));
        assert!(HeldSoon::from(held).loaded().await.holds(&Print([1; 16])));
        assert!(!HeldSoon::from(Held::default()).loaded().await.holds(&Print([1; 16])));
        assert!(!HeldSoon::default().loaded().await.holds(&Print([1; 16])));
    }
}
