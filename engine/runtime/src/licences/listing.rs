//! What there is and who has what: the subscriptions of a target, and each selected user with the licences it holds, by which
//! way, and why none can be given to it now. Reads only.

use super::selection::{self, LicenceSelection};
use super::users::{GroupNames, LinkedUser};
use crate::breaker::Standing;
use crate::engine::EngineError;
use crate::names::ObjectName;
use crate::reading::Reading;
use crate::status;
use connector_contract::{
    Connector, ConnectorError, ErrorKind, LicenceHeld, LicenceProduct, LicenceWay, Licences, LicensedUser,
};
use metaverse_schema::Anchor;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use sync_kernel::{HeldLicence, LicenceObstacle, LicencePresent, LicenceSubject, licence_obstacle};
use sync_rules::ConnectorName;

/// The credential was refused before, and is what it was.
const NOT_TRIED: &str = "credential-not-tried";

/// Everything at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct LicenceOverview {
    pub connector: String,
    pub products: Vec<LicenceProductLine>,
    pub users: Vec<LicenceLine>,
    /// Members of the groups that were named who are no users that this engine writes.
    pub passed_over: u64,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LicenceProductLine {
    pub id: String,
    pub name: String,
    pub status: String,
    pub for_users: bool,
    pub enabled: u64,
    pub consumed: u64,
    pub warning: u64,
    pub suspended: u64,
    pub locked_out: u64,
    pub free: u64,
    pub plans: Vec<String>,
}

/// A user of the target that this engine writes, or is about to.
#[derive(Debug, Clone, Serialize)]
pub struct LicenceLine {
    pub object: ObjectName,
    pub sign_in_name: Option<String>,
    pub subject: LicenceSubject,
    pub enabled: Option<bool>,
    pub usage_location: Option<String>,
    pub licences: Vec<LicenceHolding>,
    /// Has at least one that is in force.
    pub licensed: bool,
    /// Why no licence can be given to it now.
    pub obstacle: Option<LicenceObstacle>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LicenceHolding {
    /// Its id, where the tenant no longer lists it.
    pub product: String,
    pub product_id: String,
    /// The group that it comes from; none: it was given to the user.
    pub group: Option<String>,
    pub group_id: Option<String>,
    pub state: String,
    pub in_force: bool,
    pub error: Option<String>,
    pub without_plans: Vec<String>,
}

/// What a target was asked, and who was meant.
pub(super) struct Asked {
    pub(super) products: Vec<LicenceProduct>,
    pub(super) users: Vec<(LinkedUser, Option<LicensedUser>)>,
    pub(super) strangers: Vec<(ObjectName, LicenceObstacle)>,
    pub(super) passed_over: u64,
}

/// The connector's own words about licences, or that it knows of none.
pub(super) fn desk<'c>(name: &str, connector: &'c dyn Connector) -> Result<&'c dyn Licences, EngineError> {
    connector.licences().ok_or_else(|| EngineError::LinkRefused {
        code: "licence-unknown",
        message: format!("`{name}` knows of no licences"),
        remedy: "name the Azure AD connector with --connector".to_owned(),
    })
}

/// Selects, and asks the target how everybody selected stands.
///
/// # Errors
/// Nobody of that name; a target that cannot be asked, as it says itself.
pub(super) async fn ask(
    reading: &Reading<'_>,
    name: &ConnectorName,
    connector: &dyn Connector,
    selection: &LicenceSelection,
) -> Result<Asked, EngineError> {
    let desk = desk(name, connector)?;
    not_refused(reading, connector)?;
    let selected = selection::select(reading, name, selection)?;
    let products = desk.products().await.map_err(unreadable)?;
    let anchors: Vec<Anchor> = selected.users.iter().filter_map(|user| user.anchor.clone()).collect();
    let standing = match anchors.is_empty() {
        true => Vec::new(),
        false => desk.standing(&anchors).await.map_err(unreadable)?,
    };
    let mut standing: BTreeMap<Anchor, LicensedUser> =
        standing.into_iter().map(|user| (user.anchor.clone(), user)).collect();
    let with_standing = |mut user: LinkedUser| {
        let present = user.anchor.as_ref().and_then(|anchor| standing.remove(anchor));
        // SF30: what the target masters itself is not written.
        let moved = present.as_ref().is_some_and(|present| present.synchronised == Some(false));
        if moved && user.subject == LicenceSubject::Synchronised {
            user.subject = LicenceSubject::MovedAway;
        }
        (user, present)
    };
    let mut users: Vec<(LinkedUser, Option<LicensedUser>)> = selected.users.into_iter().map(with_standing).collect();
    if selection.unlicensed {
        users.retain(|(_, present)| !present.as_ref().is_some_and(is_licensed));
    }
    users.sort_by(|(a, _), (b, _)| {
        (a.object.name.to_lowercase(), a.object.id).cmp(&(b.object.name.to_lowercase(), b.object.id))
    });
    Ok(Asked { products, users, strangers: selected.strangers, passed_over: selected.passed_over })
}

/// SF23: a credential that was refused is not tried again, by licences neither.
fn not_refused(reading: &Reading<'_>, connector: &dyn Connector) -> Result<(), EngineError> {
    let Some(mark) = connector.credential() else { return Ok(()) };
    match reading.store.breaker(&mark.name)?.filter(|open| open.stamp == mark.stamp) {
        None => Ok(()),
        Some(open) => {
            let (message, remedy) = Standing::told(&open);
            Err(EngineError::LinkRefused { code: NOT_TRIED, message, remedy: remedy.to_owned() })
        }
    }
}

/// The end of the command, with the connector's own remedy.
pub(super) fn unreadable(error: ConnectorError) -> EngineError {
    let code = match error.kind {
        ErrorKind::Credential => status::NO_START_CREDENTIALS,
        _ => "licence-unreadable",
    };
    EngineError::LinkRefused { code, message: format!("{}: {}", error.attempted, error.message), remedy: error.remedy }
}

fn is_licensed(user: &LicensedUser) -> bool {
    user.held.iter().any(LicenceHeld::is_in_force)
}

/// Subscriptions, and the selected users with what they hold.
///
/// # Errors
/// As the target or the selection says.
pub async fn licence_overview(
    reading: &Reading<'_>,
    name: &ConnectorName,
    connector: &dyn Connector,
    selection: &LicenceSelection,
) -> Result<LicenceOverview, EngineError> {
    let asked = ask(reading, name, connector, selection).await?;
    let mut groups = GroupNames::new(reading, name);
    let has_free_units = asked.products.iter().any(|product| product.free() > 0);
    let mut users = Vec::with_capacity(asked.users.len());
    for (user, present) in &asked.users {
        users.push(line(user, present.as_ref(), &asked.products, has_free_units, &mut groups)?);
    }
    for (object, obstacle) in asked.strangers {
        let subject = LicenceSubject::NotTakenOver;
        users.push(LicenceLine {
            object,
            sign_in_name: None,
            subject,
            enabled: None,
            usage_location: None,
            licences: Vec::new(),
            licensed: false,
            obstacle: Some(obstacle),
        });
    }
    let products = asked.products.iter().map(product_line).collect();
    Ok(LicenceOverview { connector: name.to_string(), products, users, passed_over: asked.passed_over })
}

pub(super) fn product_line(product: &LicenceProduct) -> LicenceProductLine {
    let LicenceProduct { id, name, status, for_users, units, plans } = product;
    LicenceProductLine {
        id: id.clone(),
        name: name.clone(),
        status: status.clone(),
        for_users: *for_users,
        enabled: units.enabled,
        consumed: units.consumed,
        warning: units.warning,
        suspended: units.suspended,
        locked_out: units.locked_out,
        free: product.free(),
        plans: plans.iter().map(|plan| plan.name.clone()).collect(),
    }
}

fn line(
    user: &LinkedUser,
    present: Option<&LicensedUser>,
    products: &[LicenceProduct],
    has_free_units: bool,
    groups: &mut GroupNames<'_>,
) -> Result<LicenceLine, EngineError> {
    let mut licences = Vec::new();
    for held in present.iter().flat_map(|present| &present.held) {
        licences.push(holding(held, products, groups)?);
    }
    let licensed = present.is_some_and(is_licensed);
    let told = present.map(|present| facts(present, Vec::new()));
    let no_units = || LicenceObstacle {
        code: "licence-units-short",
        message: "no subscription has a free unit".to_owned(),
        remedy: "get more units, or free some".to_owned(),
    };
    let obstacle =
        licence_obstacle(user.subject, told.as_ref()).or_else(|| (!licensed && !has_free_units).then(no_units));
    Ok(LicenceLine {
        object: user.object.clone(),
        sign_in_name: user.sign_in_name.clone(),
        subject: user.subject,
        enabled: present.and_then(|present| present.enabled),
        usage_location: present.and_then(|present| present.usage_location.clone()),
        licences,
        licensed,
        obstacle,
    })
}

fn holding(
    held: &LicenceHeld,
    products: &[LicenceProduct],
    groups: &mut GroupNames<'_>,
) -> Result<LicenceHolding, EngineError> {
    let product = products.iter().find(|product| product.id == held.product);
    let plan_name = |id: &String| {
        let plan = product.and_then(|product| product.plans.iter().find(|plan| plan.id == *id));
        plan.map_or_else(|| id.clone(), |plan| plan.name.clone())
    };
    let (group, group_id) = match &held.way {
        LicenceWay::Direct => (None, None),
        LicenceWay::Group(group) => (Some(groups.of(group)?), Some(group.to_string())),
    };
    Ok(LicenceHolding {
        product: product.map_or_else(|| held.product.clone(), |product| product.name.clone()),
        product_id: held.product.clone(),
        group,
        group_id,
        state: held.state.clone(),
        in_force: held.is_in_force(),
        error: held.error.clone(),
        without_plans: held.without_plans.iter().map(plan_name).collect(),
    })
}

/// What the kernel decides by.
pub(super) fn facts(present: &LicensedUser, held: Vec<HeldLicence>) -> LicencePresent {
    LicencePresent { enabled: present.enabled, usage_location: present.usage_location.clone(), held }
}

/// The ways in which a user has one product.
pub(super) fn held_of(
    present: &LicensedUser,
    product: &str,
    groups: &mut GroupNames<'_>,
) -> Result<Vec<HeldLicence>, EngineError> {
    let mut ways = Vec::new();
    for held in present.held.iter().filter(|held| held.product == product) {
        let group = match &held.way {
            LicenceWay::Direct => None,
            LicenceWay::Group(group) => Some(groups.of(group)?),
        };
        let without_plans: BTreeSet<String> = held.without_plans.iter().cloned().collect();
        ways.push(HeldLicence { group, in_force: held.is_in_force(), error: held.error.clone(), without_plans });
    }
    Ok(ways)
}
