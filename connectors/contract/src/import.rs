//! The import stream: whole objects, changes, deletions, and what could not be read.

use crate::{ConnectorError, ErrorKind};
use metaverse_schema::{Anchor, Attributes, AttributesDelta, Dn, ObjectType};
use std::fmt;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Asks for everything in scope.
#[derive(Debug, Clone, Default)]
pub struct FullImport {
    /// The last watermark that was committed, if any: lets a connector see that the system was rolled back or is
    /// behind (SF17), that its view changed (SF14), or that a container moved (SF13).
    pub previous: Option<Watermark>,
    /// What the engine holds already: an object that comes with a print among these may be handed over as
    /// [`ImportItem::Same`], without being taken apart.
    pub held: Held,
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
