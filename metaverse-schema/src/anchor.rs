//! Anchors: what identifies an object in a connected system for all its life (O4). Never derived from a DN.

use crate::Guid;
use std::fmt;

/// Longest anchor, in characters of its text form (O6; `anchor-too-long`).
pub const MAX_ANCHOR_LENGTH: usize = 398;

/// A value, unique in the connected system, that never changes while the object lives.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anchor {
    /// `objectGUID` of Active Directory.
    Guid(Guid),
    /// A textual identifier: an Azure AD object id, an employee number, a DN of a directory without entry ids.
    Text(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    #[error("anchor-too-long: an anchor has at most {MAX_ANCHOR_LENGTH} characters, this one has {0}")]
    TooLong(usize),
    #[error("missing-anchor-component: the anchor is empty")]
    Empty,
}

impl Anchor {
    /// A textual anchor; empty and over-long ones are refused.
    pub fn text(text: impl Into<String>) -> Result<Self, AnchorError> {
        let text = text.into();
        match text.chars().count() {
            0 => Err(AnchorError::Empty),
            length if length > MAX_ANCHOR_LENGTH => Err(AnchorError::TooLong(length)),
            _ => Ok(Anchor::Text(text)),
        }
    }

    /// The GUID, when the anchor is one.
    pub fn as_guid(&self) -> Option<&Guid> {
        match self {
            Anchor::Guid(guid) => Some(guid),
            Anchor::Text(_) => None,
        }
    }
}

impl From<Guid> for Anchor {
    fn from(guid: Guid) -> Self {
        Anchor::Guid(guid)
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Anchor::Guid(guid) => guid.fmt(f),
            Anchor::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
