//! May a user be given a licence, and does it need one? Decides about one user by what its system says of it now; and about a
//! whole list by the units that are left: all of it, or nobody. Takes no licence away, and writes nothing.

use serde::Serialize;
use std::collections::BTreeSet;

/// How a user of a target stands to this engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LicenceSubject {
    /// Written by this engine: its source of authority is a directory.
    Synchronised,
    /// Decided, and not in the target yet.
    NotExported,
    /// It exists, and stays its own until its takeover is exported.
    NotTakenOver,
    /// It is to be deleted or given up.
    Leaving,
    /// Somebody moved its source of authority to the target (SF30).
    MovedAway,
}

/// One way in which a user has a licence of the product that is to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLicence {
    /// The group that it comes from, as the operator knows it; none: it was given to the user.
    pub group: Option<String>,
    /// False: it was meant for the user, and could not be given.
    pub in_force: bool,
    pub error: Option<String>,
    /// Ids of plans that are left out.
    pub without_plans: BTreeSet<String>,
}

/// What the target says of a user now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LicencePresent {
    pub enabled: Option<bool>,
    pub usage_location: Option<String>,
    pub held: Vec<HeldLicence>,
}

/// What the operator wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LicenceWish {
    /// Ids of plans to leave out.
    pub without_plans: BTreeSet<String>,
    /// For users that have none.
    pub usage_location: Option<String>,
    /// Blocked accounts too.
    pub disabled: bool,
}

/// What becomes of one user, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LicenceDecision {
    /// `location`: written first.
    Assign {
        location: Option<String>,
    },
    /// It has the licence; nothing is written.
    Has {
        message: String,
    },
    Cannot(LicenceObstacle),
}

/// Why a user cannot be given a licence now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LicenceObstacle {
    pub code: &'static str,
    pub message: String,
    pub remedy: String,
}

impl LicenceObstacle {
    fn new(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        LicenceObstacle { code, message: message.into(), remedy: remedy.into() }
    }
}

/// `present`: none where the target does not know the user.
pub fn decide_licence(
    subject: LicenceSubject,
    present: Option<&LicencePresent>,
    wish: &LicenceWish,
) -> LicenceDecision {
    if let Some(obstacle) = not_ours(subject) {
        return LicenceDecision::Cannot(obstacle);
    }
    let Some(present) = present else {
        return LicenceDecision::Cannot(LicenceObstacle::new(
            "licence-user-missing",
            "the tenant does not show the user: it was deleted there, or was made a moment ago",
            "wait a minute, or import and look again",
        ));
    };
    if let Some(message) = has(&present.held, wish) {
        return LicenceDecision::Has { message };
    }
    if let Some(obstacle) = in_error(&present.held) {
        return LicenceDecision::Cannot(obstacle);
    }
    if present.enabled == Some(false) && !wish.disabled {
        return LicenceDecision::Cannot(LicenceObstacle::new(
            "licence-user-disabled",
            "the account is blocked, and a licence would be paid for it",
            "enable it in the directory first, or say --disabled too where a blocked account needs one",
        ));
    }
    match (&present.usage_location, &wish.usage_location) {
        (Some(_), _) => LicenceDecision::Assign { location: None },
        (None, Some(location)) => LicenceDecision::Assign { location: Some(location.clone()) },
        (None, None) => LicenceDecision::Cannot(no_location()),
    }
}

/// What keeps a user from being given any licence now, whichever it is.
pub fn licence_obstacle(subject: LicenceSubject, present: Option<&LicencePresent>) -> Option<LicenceObstacle> {
    let nothing_held = present.map(|present| LicencePresent { held: Vec::new(), ..present.clone() });
    match decide_licence(subject, nothing_held.as_ref(), &LicenceWish::default()) {
        LicenceDecision::Cannot(obstacle) => Some(obstacle),
        LicenceDecision::Assign { .. } | LicenceDecision::Has { .. } => None,
    }
}

fn not_ours(subject: LicenceSubject) -> Option<LicenceObstacle> {
    match subject {
        LicenceSubject::Synchronised => None,
        LicenceSubject::NotExported => Some(LicenceObstacle::new(
            "licence-not-exported",
            "it is not in the tenant yet",
            "export it first: `metasync pending` shows what waits, `metasync cycle` exports",
        )),
        LicenceSubject::NotTakenOver => Some(LicenceObstacle::new(
            "licence-not-taken-over",
            "the existing user is the tenant's own until its takeover is exported",
            "export the takeover first: `metasync cycle`",
        )),
        LicenceSubject::Leaving => Some(LicenceObstacle::new(
            "licence-user-leaving",
            "it is about to leave the tenant",
            "`metasync pending` shows why",
        )),
        LicenceSubject::MovedAway => Some(LicenceObstacle::new(
            "licence-cloud-managed",
            "its source of authority was moved to the cloud (isCloudManaged): it is managed there",
            "give the licence on the tenant's own pages",
        )),
    }
}

fn no_location() -> LicenceObstacle {
    LicenceObstacle::new(
        "licence-no-usage-location",
        "it has no usage location, and without one no licence is given",
        "set the country (`c`) in the directory before the user is made, or say --usage-location XX",
    )
}

fn has(held: &[HeldLicence], wish: &LicenceWish) -> Option<String> {
    let in_force = |held: &&HeldLicence| held.in_force;
    if let Some(direct) = held.iter().filter(in_force).find(|held| held.group.is_none()) {
        return Some(match direct.without_plans == wish.without_plans {
            true => "has it directly".to_owned(),
            false => "has it directly, with other plans left out; that is changed on the tenant's own pages".to_owned(),
        });
    }
    let groups: Vec<&str> = held.iter().filter(in_force).filter_map(|held| held.group.as_deref()).collect();
    (!groups.is_empty()).then(|| format!("has it by the group {}", groups.join(", ")))
}

/// The service tried to give it by a group and could not: it would refuse the user as well, for the same cause.
fn in_error(held: &[HeldLicence]) -> Option<LicenceObstacle> {
    let (group, error) =
        held.iter().find_map(|held| Some((held.group.as_deref()?, held.error.as_deref().unwrap_or("Other"))))?;
    let remedy = match error {
        "CountViolation" => "get more units, then have the group processed again in the Microsoft 365 admin center",
        "MutuallyExclusiveViolation" => {
            "another licence of the user excludes it: take one of the two away, or leave plans out"
        }
        "DependencyViolation" => "a plan needs another plan that the user does not have: give that first",
        "ProhibitedInUsageLocationViolation" => {
            "the product is not sold for the user's usage location: correct the location"
        }
        "UniquenessViolation" => "another object has one of the user's addresses: correct it",
        _ => "the Microsoft 365 admin center says more; have the group processed again there",
    };
    let message = format!("the group {group} is to give it, and the service could not: {error}");
    Some(LicenceObstacle::new("licence-group-error", message, remedy))
}

/// Whether a product can be given to so many further users: all of them, or nobody.
pub fn licence_units(product: &str, status: &str, for_users: bool, free: u64, wanted: u64) -> Option<LicenceObstacle> {
    if !for_users {
        return Some(LicenceObstacle::new(
            "licence-not-for-users",
            format!("{product} belongs to the tenant as a whole and is given to nobody"),
            "`metasync licenses list` shows what can be given",
        ));
    }
    let can_be_given = ["enabled", "warning"].iter().any(|good| status.eq_ignore_ascii_case(good));
    if !can_be_given {
        return Some(LicenceObstacle::new(
            "licence-not-enabled",
            format!("the subscription {product} is {}", if status.is_empty() { "in no known state" } else { status }),
            "renew it, or give another licence",
        ));
    }
    let short = wanted.saturating_sub(free);
    (short > 0).then(|| {
        LicenceObstacle::new(
            "licence-units-short",
            format!(
                "{product} has {free} free of the {wanted} that are wanted: {short} short; nothing is given to anybody"
            ),
            "get more, free some, or choose fewer users",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn held(group: Option<&str>, in_force: bool, error: Option<&str>) -> HeldLicence {
        HeldLicence {
            group: group.map(str::to_owned),
            in_force,
            error: error.map(str::to_owned),
            without_plans: BTreeSet::new(),
        }
    }

    fn located(held: Vec<HeldLicence>) -> LicencePresent {
        LicencePresent { enabled: Some(true), usage_location: Some("DE".to_owned()), held }
    }

    fn told(subject: LicenceSubject, present: Option<&LicencePresent>, wish: &LicenceWish) -> String {
        match decide_licence(subject, present, wish) {
            LicenceDecision::Assign { location } => format!("assign, location {location:?}"),
            LicenceDecision::Has { message } => message,
            LicenceDecision::Cannot(obstacle) => format!("{}: {}", obstacle.code, obstacle.message),
        }
    }

    fn check(cases: &[(LicenceSubject, Option<LicencePresent>)], expected: Expect) {
        let wish = LicenceWish::default();
        let lines = cases.iter().map(|(subject, present)| format!("{}\n", told(*subject, present.as_ref(), &wish)));
        expected.assert_eq(&lines.collect::<String>());
    }

    /// SF30, and the promise that users of the cloud are never touched: whoever this engine does not write is given nothing,
    /// whatever else is right.
    #[test]
    fn sf30_only_users_that_the_engine_writes_are_given_licences() {
        use LicenceSubject::{Leaving, MovedAway, NotExported, NotTakenOver, Synchronised};
        let ready = Some(located(vec![]));
        check(
            &[
                (Synchronised, ready.clone()),
                (NotExported, None),
                (NotTakenOver, ready.clone()),
                (Leaving, ready.clone()),
                (MovedAway, ready),
                (Synchronised, None),
            ],
            expect![[r#"
                assign, location None
                licence-not-exported: it is not in the tenant yet
                licence-not-taken-over: the existing user is the tenant's own until its takeover is exported
                licence-user-leaving: it is about to leave the tenant
                licence-cloud-managed: its source of authority was moved to the cloud (isCloudManaged): it is managed there
                licence-user-missing: the tenant does not show the user: it was deleted there, or was made a moment ago
            "#]],
        );
    }

    /// A licence is given once: neither beside one of a group, nor where a group's failed for a cause of the user's own.
    #[test]
    fn whoever_has_it_is_passed_over_and_a_group_s_error_is_told() {
        use LicenceSubject::Synchronised;
        let other_plans = HeldLicence { without_plans: BTreeSet::from(["p".to_owned()]), ..held(None, true, None) };
        let case = |licences: Vec<HeldLicence>| (Synchronised, Some(located(licences)));
        check(
            &[
                case(vec![held(None, true, None)]),
                case(vec![other_plans]),
                case(vec![held(Some("Sales"), true, None), held(Some("Staff"), true, None)]),
                case(vec![held(Some("Sales"), false, Some("CountViolation")), held(None, true, None)]),
                case(vec![held(Some("Sales"), false, Some("CountViolation"))]),
                case(vec![held(Some("Sales"), false, None)]),
                case(vec![held(None, false, Some("CountViolation"))]),
            ],
            expect![[r#"
                has it directly
                has it directly, with other plans left out; that is changed on the tenant's own pages
                has it by the group Sales, Staff
                has it directly
                licence-group-error: the group Sales is to give it, and the service could not: CountViolation
                licence-group-error: the group Sales is to give it, and the service could not: Other
                assign, location None
            "#]],
        );
    }

    #[test]
    fn a_blocked_account_and_a_missing_location_need_a_word() {
        let blocked = LicencePresent { enabled: Some(false), ..located(vec![]) };
        let nowhere = LicencePresent { usage_location: None, ..located(vec![]) };
        let wish = LicenceWish { usage_location: Some("AT".to_owned()), disabled: true, ..LicenceWish::default() };
        let ours = LicenceSubject::Synchronised;
        let lines = [
            told(ours, Some(&blocked), &LicenceWish::default()),
            told(ours, Some(&blocked), &wish),
            told(ours, Some(&nowhere), &LicenceWish::default()),
            told(ours, Some(&nowhere), &wish),
        ];
        expect![[r#"
            licence-user-disabled: the account is blocked, and a licence would be paid for it
            assign, location None
            licence-no-usage-location: it has no usage location, and without one no licence is given
            assign, location Some("AT")"#]]
        .assert_eq(&lines.join("\n"));
        // Of a list of all licences the same obstacle is told, whatever the user has.
        let all = LicencePresent { held: vec![held(None, true, None)], ..nowhere };
        assert_eq!(licence_obstacle(ours, Some(&all)).map(|obstacle| obstacle.code), Some("licence-no-usage-location"));
        assert_eq!(licence_obstacle(ours, Some(&located(vec![]))), None);
    }

    #[test]
    fn units_are_there_for_all_or_for_nobody() {
        let told = |status, for_users, free, wanted| {
            licence_units("E3", status, for_users, free, wanted).map_or("-".to_owned(), |obstacle| obstacle.message)
        };
        let lines = [
            told("Enabled", true, 5, 5),
            told("Warning", true, 5, 5),
            told("Enabled", true, 5, 8),
            told("Enabled", true, 0, 0),
            told("Suspended", true, 5, 1),
            told("", true, 5, 1),
            told("Enabled", false, 5, 1),
        ];
        expect![[r#"
            -
            -
            E3 has 5 free of the 8 that are wanted: 3 short; nothing is given to anybody
            -
            the subscription E3 is Suspended
            the subscription E3 is in no known state
            E3 belongs to the tenant as a whole and is given to nobody"#]]
        .assert_eq(&lines.join("\n"));
    }
}
