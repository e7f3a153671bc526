//! Who would be given a licence, who has it and who cannot have it now, before anything is written; bound to a digest of exactly
//! what would be written. Reads only.

use super::listing::{self, LicenceProductLine, ask, facts, held_of};
use super::location::{self, UsageLocation};
use super::selection::LicenceSelection;
use super::users::GroupNames;
use crate::engine::EngineError;
use crate::names::ObjectName;
use crate::reading::Reading;
use connector_contract::{Connector, LicenceProduct};
use metaverse_schema::Anchor;
use std::collections::BTreeSet;
use sync_kernel::{Digest, LicenceDecision, LicenceObstacle, LicenceWish, decide_licence, licence_units};
use sync_rules::ConnectorName;

/// What is to be given.
#[derive(Debug, Clone)]
pub struct LicenceRequest {
    /// A part number such as `ENTERPRISEPACK`, or the product's id.
    pub product: String,
    /// Names or ids of plans to leave out.
    pub without_plans: Vec<String>,
    /// Written to users that have none.
    pub usage_location: Option<UsageLocation>,
    /// To blocked accounts too.
    pub disabled: bool,
}

/// What would be done, user by user.
#[derive(Debug, Clone)]
pub struct LicencePlan {
    pub connector: ConnectorName,
    pub product: LicenceProductLine,
    /// Names of the plans that are left out.
    pub without_plans: Vec<String>,
    /// Of exactly what would be written.
    pub digest: Digest,
    pub lines: Vec<LicencePlanLine>,
    pub passed_over: u64,
    /// Why nothing is written to anybody.
    pub refusal: Option<LicenceObstacle>,
    /// The rule that gives usage locations to new users, where a location is to be written.
    pub location_rule: Option<String>,
    pub(super) plan_ids: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct LicencePlanLine {
    pub object: ObjectName,
    pub sign_in_name: Option<String>,
    pub decision: LicenceDecision,
    pub(super) anchor: Option<Anchor>,
}

impl LicencePlan {
    /// Users that are to be given the licence.
    pub fn wanted(&self) -> u64 {
        self.lines.iter().filter(|line| matches!(line.decision, LicenceDecision::Assign { .. })).count() as u64
    }
}

/// Reads how everybody selected stands, and decides.
///
/// # Errors
/// A product, plan or name that is not there; a target that cannot be asked.
pub async fn plan_licences(
    reading: &Reading<'_>,
    name: &ConnectorName,
    connector: &dyn Connector,
    selection: &LicenceSelection,
    request: &LicenceRequest,
) -> Result<LicencePlan, EngineError> {
    let asked = ask(reading, name, connector, selection).await?;
    let product = find_product(&asked.products, &request.product)?;
    let plan_ids = find_plans(product, &request.without_plans)?;
    let master = request.usage_location.as_ref().and_then(|_| location::master(reading.rules, name));
    let wish = LicenceWish {
        without_plans: plan_ids.iter().cloned().collect(),
        usage_location: request.usage_location.as_ref().map(ToString::to_string),
        disabled: request.disabled,
    };
    let mut groups = GroupNames::new(reading, name);
    let mut lines = Vec::new();
    for (user, present) in &asked.users {
        let present = match present {
            Some(present) => Some(facts(present, held_of(present, &product.id, &mut groups)?)),
            None => None,
        };
        lines.push(LicencePlanLine {
            object: user.object.clone(),
            sign_in_name: user.sign_in_name.clone(),
            decision: decide_licence(user.subject, present.as_ref(), &wish),
            anchor: user.anchor.clone(),
        });
    }
    lines.extend(asked.strangers.into_iter().map(|(object, obstacle)| LicencePlanLine {
        object,
        sign_in_name: None,
        decision: LicenceDecision::Cannot(obstacle),
        anchor: None,
    }));
    let mut plan = LicencePlan {
        connector: name.clone(),
        product: listing::product_line(product),
        without_plans: plan_ids.iter().map(|id| plan_name(product, id)).collect(),
        digest: Digest::of_lines("", Vec::<String>::new()),
        lines,
        passed_over: asked.passed_over,
        refusal: None,
        location_rule: master.filter(|(_, once)| *once).map(|(rule, _)| rule.name.clone()),
        plan_ids,
    };
    plan.digest = digest(&plan);
    let (for_users, free, wanted) = (product.for_users, product.free(), plan.wanted());
    plan.refusal = master
        .filter(|(_, once)| !once)
        .map(|(rule, _)| owned_by_a_rule(&rule.name))
        .or_else(|| licence_units(&product.name, &product.status, for_users, free, wanted));
    Ok(plan)
}

/// What a rule writes would be overwritten by it.
fn owned_by_a_rule(rule: &str) -> LicenceObstacle {
    LicenceObstacle {
        code: "licence-location-owned",
        message: format!("usage locations are written by the rule `{rule}`, which would overwrite this one"),
        remedy: "set the country in the directory that the rule reads, and run a cycle; then without --usage-location"
            .to_owned(),
    }
}

fn find_product<'p>(products: &'p [LicenceProduct], wanted: &str) -> Result<&'p LicenceProduct, EngineError> {
    let is_it = |product: &&LicenceProduct| {
        product.name.eq_ignore_ascii_case(wanted) || product.id.eq_ignore_ascii_case(wanted)
    };
    products.iter().find(is_it).ok_or_else(|| {
        let known: Vec<&str> = products.iter().map(|product| product.name.as_str()).collect();
        EngineError::LinkRefused {
            code: "licence-unknown-product",
            message: format!("the tenant has no subscription `{wanted}`"),
            remedy: match known.is_empty() {
                true => "it has none at all".to_owned(),
                false => format!("it has {}", known.join(", ")),
            },
        }
    })
}

/// Ids of the plans, each once.
fn find_plans(product: &LicenceProduct, wanted: &[String]) -> Result<Vec<String>, EngineError> {
    let mut ids = BTreeSet::new();
    for name in wanted {
        let found = product
            .plans
            .iter()
            .find(|plan| plan.name.eq_ignore_ascii_case(name) || plan.id.eq_ignore_ascii_case(name));
        let Some(plan) = found else {
            let known: Vec<&str> = product.plans.iter().map(|plan| plan.name.as_str()).collect();
            return Err(EngineError::LinkRefused {
                code: "licence-unknown-plan",
                message: format!("{} has no service plan `{name}`", product.name),
                remedy: match known.is_empty() {
                    true => "it has no plans that the tenant tells of".to_owned(),
                    false => format!("it has {}", known.join(", ")),
                },
            });
        };
        ids.insert(plan.id.clone());
    }
    Ok(ids.into_iter().collect())
}

fn plan_name(product: &LicenceProduct, id: &str) -> String {
    product.plans.iter().find(|plan| plan.id == id).map_or_else(|| id.to_owned(), |plan| plan.name.clone())
}

fn digest(plan: &LicencePlan) -> Digest {
    let lines = plan.lines.iter().filter_map(|line| match &line.decision {
        LicenceDecision::Assign { location } => {
            Some(format!("{:?} {}", line.anchor, location.as_deref().unwrap_or("-")))
        }
        LicenceDecision::Has { .. } | LicenceDecision::Cannot(_) => None,
    });
    let heading = format!("licences {} {} {}", plan.connector, plan.product.id, plan.plan_ids.join(","));
    Digest::of_lines(&heading, lines)
}
