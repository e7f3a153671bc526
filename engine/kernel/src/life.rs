//! Whether a metaverse object lives on (S31, S39, O15). Looks at its links and at who was disconnected; deletes nothing itself.

use crate::evaluate::{MetaverseInputs, evaluate};
use crate::inbound::Contribution;
use crate::inputs::Run;
use crate::outbound::{LinkedTarget, TargetDecisions};
use crate::plan::{ObjectError, TargetRef};
use crate::takeover::is_true;
use crate::view::{ConnectorState, CsId, CsObject, MvValue};
use metaverse_schema::{ByName, ObjectType};
use sync_rules::{ConnectorName, DeletionRule, RuleId};

/// Whether the metaverse object lives on with these links (S31, S39). A disconnection (`lost`) is an imported delete, an object
/// that left scope, or one that an operator disconnected; a link that provisioning ends is none.
pub(crate) fn lives(
    object_type: &ObjectType,
    linked: &[LinkedTarget<'_>],
    contributions: &[Contribution<'_>],
    lost: &[&CsObject],
    run: &Run<'_>,
) -> bool {
    let is_named = |names: &[ConnectorName], object: &CsObject| names.contains(&object.connector);
    match run.rules.deletion_rule(object_type.as_str()) {
        DeletionRule::ProvisioningLink => contributions.iter().any(|contribution| {
            linked.iter().any(|linked| linked.object.id == contribution.object.id && is_alive(linked, contribution))
        }),
        // O15.
        _ if linked.is_empty() => false,
        DeletionRule::LastConnector | DeletionRule::Scripted(_) => true,
        DeletionRule::AnyOf(names) => !lost.iter().any(|object| is_named(names, object)),
        DeletionRule::LastOf(names) => {
            !lost.iter().any(|object| is_named(names, object))
                || linked.iter().any(|linked| is_named(names, linked.object))
        }
    }
}

fn is_alive(linked: &LinkedTarget<'_>, contribution: &Contribution<'_>) -> bool {
    linked.object.state == ConnectorState::ExplicitlyConnected || contribution.keeps_alive(&linked.rule)
}

/// S39, `scripted`: asked when an object is disconnected, of the attributes that remain without it.
pub(crate) fn is_scripted_end(
    object_type: &ObjectType,
    lost: &[&CsObject],
    attributes: &ByName<MvValue>,
    run: &Run<'_>,
) -> Result<bool, ObjectError> {
    let DeletionRule::Scripted(when) = run.rules.deletion_rule(object_type.as_str()) else {
        return Ok(false);
    };
    let inputs = MetaverseInputs::of(attributes, "", run);
    let rule = RuleId::from(format!("metaverse_deletion.{object_type}"));
    Ok(!lost.is_empty() && is_true(&evaluate(when, &inputs, &rule, "when")?))
}

/// No object stays linked: outbound processing let go of every one that was.
pub(crate) fn nothing_is_left(targets: &TargetDecisions, linked: &[LinkedTarget<'_>]) -> bool {
    let ends = |id: CsId| {
        targets.targets.iter().any(|target| {
            target.dropped.contains(&id) || (target.target == Some(TargetRef::Existing(id)) && target.link.is_none())
        })
    };
    linked.iter().all(|linked| ends(linked.object.id)) && targets.targets.iter().all(|target| target.link.is_none())
}
