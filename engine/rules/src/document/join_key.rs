//! What cannot be a join key: several values, of which no guess chooses one (S17), and what no index holds.

use crate::expression::{Expression, Kinds, KnownKind, Lookup};
use crate::model::Criterion;
use metaverse_schema::{Plurality, ValueKind};

/// Why an expression cannot be one side of a join.
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) label: &'static str,
    pub(crate) help: &'static str,
}

/// Whether a group of this kind joins nothing: it lists its hits or holds because of them, and any value may hit.
pub(crate) fn only_lists(criterion: &Criterion) -> bool {
    matches!(criterion, Criterion::ReviewOnly | Criterion::DeletedTwin)
}

/// Judges one side whose attributes are known. `is_list`: see [`only_lists`].
pub(crate) fn problem(side: &Expression, known: KnownKind, kinds: &dyn Kinds, is_list: bool) -> Option<Problem> {
    let reference = side.attributes().into_iter().find(|name| {
        matches!(kinds.attribute(name.as_str()), Lookup::Known(ValueKind::Reference | ValueKind::Secret, _))
    });
    if let Some(name) = reference {
        return Some(Problem {
            code: "join-not-indexable",
            message: format!(
                "references and places are kept apart from an object's values, so nothing can be found by `{name}`"
            ),
            label: "not a value",
            help: "join by a text, a number or bytes, such as an anchor or an address",
        });
    }
    (known.plurality == Some(Plurality::Multi) && !is_list).then(|| Problem {
        code: "join-multi-valued",
        message: "this gives several values, and whichever of them hits would decide who it is".to_owned(),
        label: "several values",
        help: "take one of them: Item([name],1), ItemOrNull or Where; or list hits only, with criterion = \"review-only\"",
    })
}
