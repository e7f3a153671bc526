//! Decides, row by row, whether a reference flows to a target (O54). Never looks at a whole membership.

use crate::view::{CsId, Hold, MvId};
use serde::{Deserialize, Serialize};

/// One value of a flowing reference attribute: the member as its source names it, and what the target knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceRow {
    /// The referenced object in the source space.
    pub source_target: CsId,
    /// False: a placeholder, not imported.
    pub imported: bool,
    pub mv: Option<MvId>,
    /// The object that stands for it in the target space.
    pub target: Option<TargetEnd>,
    /// Why it has none, as far as holds tell.
    pub held: Option<Hold>,
}

/// The referenced object in the target space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetEnd {
    pub object: CsId,
    /// It exists there.
    pub anchored: bool,
    pub pending: Option<EndPending>,
}

/// What is pending for the referenced object, as far as it matters to those that name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndPending {
    /// It is about to be deleted or detached.
    Leaves,
    /// The target refused to create it.
    CreateRefused { code: String, message: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum ReferenceVerdict {
    /// The target is to hold this row.
    Flows { target: CsId },
    /// It will flow once its target exists there; counted apart from what is held.
    AfterCreate { target: CsId },
    /// It does not flow now, and why (SF19: counted as `members-held`).
    Held { code: String, message: String },
}

/// Whether one row flows.
pub fn decide_reference(row: &ReferenceRow) -> ReferenceVerdict {
    let held =
        |code: &str, message: &str| ReferenceVerdict::Held { code: code.to_owned(), message: message.to_owned() };
    if !row.imported {
        return held("not-imported", "the referenced object is outside what is imported");
    }
    if row.mv.is_none() {
        return held("not-in-metaverse", "the referenced object is not in the metaverse (filtered, or in error)");
    }
    let Some(target) = &row.target else {
        return match &row.held {
            Some(hold) => ReferenceVerdict::Held { code: hold.code.clone(), message: hold.message.clone() },
            None => held("not-in-target", "no rule provisions the referenced object in the target"),
        };
    };
    match &target.pending {
        Some(EndPending::Leaves) => {
            held("leaving-target", "the referenced object is about to be removed from the target")
        }
        Some(EndPending::CreateRefused { code, message }) if !target.anchored => ReferenceVerdict::Held {
            code: code.clone(),
            message: format!("the referenced object could not be created: {message}"),
        },
        _ if !target.anchored => ReferenceVerdict::AfterCreate { target: target.object },
        _ => ReferenceVerdict::Flows { target: target.object },
    }
}

/// Whether a row that the target holds and nobody wants is removed. A row that this engine did not add stays where
/// foreign values are kept (SF19); a row whose wanted side only waits stays too, so that nobody loses a membership to a hold.
pub fn decide_removal(keep_foreign: bool, added_by_us: bool, wanted_but_held: bool) -> bool {
    !wanted_but_held && (added_by_us || !keep_foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> ReferenceRow {
        ReferenceRow {
            source_target: CsId(7),
            imported: true,
            mv: Some(MvId(3)),
            target: Some(TargetEnd { object: CsId(9), anchored: true, pending: None }),
            held: None,
        }
    }

    /// T23: a placeholder does not flow; T24: an object that leaves the target does not either.
    #[test]
    fn a_row_flows_only_to_an_object_that_is_there() {
        assert_eq!(decide_reference(&row()), ReferenceVerdict::Flows { target: CsId(9) });
        let placeholder = ReferenceRow { imported: false, ..row() };
        assert!(
            matches!(decide_reference(&placeholder), ReferenceVerdict::Held { code, .. } if code == "not-imported")
        );
        let mut leaving = row();
        leaving.target.as_mut().unwrap().pending = Some(EndPending::Leaves);
        assert!(matches!(decide_reference(&leaving), ReferenceVerdict::Held { code, .. } if code == "leaving-target"));
        let mut fresh = row();
        fresh.target.as_mut().unwrap().anchored = false;
        assert_eq!(decide_reference(&fresh), ReferenceVerdict::AfterCreate { target: CsId(9) });
        // A refused create holds its members, unless the object is there after all.
        let refused = EndPending::CreateRefused { code: "duplicate".into(), message: "taken".into() };
        fresh.target.as_mut().unwrap().pending = Some(refused);
        assert!(matches!(decide_reference(&fresh), ReferenceVerdict::Held { code, .. } if code == "duplicate"));
        fresh.target.as_mut().unwrap().anchored = true;
        assert_eq!(decide_reference(&fresh), ReferenceVerdict::Flows { target: CsId(9) });
    }

    /// SF19: an adopted group keeps members that we did not add; a held member is not removed.
    #[test]
    fn foreign_and_held_rows_stay() {
        assert!(!decide_removal(true, false, false));
        assert!(decide_removal(true, true, false));
        assert!(decide_removal(false, false, false));
        assert!(!decide_removal(false, true, true));
    }
}
