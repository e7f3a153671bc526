//! Licences of a system that sells its services by the user: what there is, who holds what and how, and giving one. Nothing here
//! is synchronised: a licence is given on an operator's word, once. None is ever taken away.

use crate::{ConnectorError, ExportOutcome};
use async_trait::async_trait;
use metaverse_schema::Anchor;

/// A system whose users need licences.
#[async_trait]
pub trait Licences: Send + Sync {
    /// What the tenant has subscribed to, asked of the system now.
    async fn products(&self) -> Result<Vec<LicenceProduct>, ConnectorError>;

    /// How these users stand now, asked of the system and not of any import. A user that is not there has no answer.
    async fn standing(&self, users: &[Anchor]) -> Result<Vec<LicensedUser>, ConnectorError>;

    /// Most orders that one call of `assign` takes with profit.
    fn batch_size(&self) -> usize;

    /// Gives each user the licence. One outcome for each order, by its number; one without an outcome counts as not settled. A
    /// licence that the user has by an earlier sending is success, so that every order may be sent again. An error is only
    /// returned when nothing of this call was sent.
    async fn assign(&self, orders: &[LicenceOrder]) -> Result<Vec<(i64, ExportOutcome)>, ConnectorError>;
}

/// What can be bought as a whole: Azure AD calls it a SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenceProduct {
    /// What the system knows it by: a GUID.
    pub id: String,
    /// What administrators know it by: `ENTERPRISEPACK`.
    pub name: String,
    /// `Enabled`, `Warning`, `Suspended`, `Deleted`, `LockedOut`.
    pub status: String,
    /// False: it belongs to the tenant as a whole and is given to nobody.
    pub for_users: bool,
    pub units: LicenceUnits,
    pub plans: Vec<LicencePlan>,
}

impl LicenceProduct {
    /// Whether it can be given to anybody: it is sold by the user, and its subscription runs or is in its grace period.
    pub fn can_be_given(&self) -> bool {
        self.for_users && ["enabled", "warning"].iter().any(|good| self.status.eq_ignore_ascii_case(good))
    }

    /// Units for further users.
    pub fn free(&self) -> u64 {
        if self.can_be_given() { self.units.free() } else { 0 }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LicenceUnits {
    pub enabled: u64,
    /// In use by anybody, synchronised or not.
    pub consumed: u64,
    /// The subscription ended, and they can be used until its grace period does.
    pub warning: u64,
    /// Kept for a while, of no use to anybody.
    pub suspended: u64,
    pub locked_out: u64,
}

impl LicenceUnits {
    /// Enabled and in their grace period, less what is in use.
    pub fn free(&self) -> u64 {
        (self.enabled + self.warning).saturating_sub(self.consumed)
    }
}

/// A part of a product that can be left out when it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicencePlan {
    pub id: String,
    pub name: String,
}

/// A user as the system has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicensedUser {
    pub anchor: Anchor,
    pub enabled: Option<bool>,
    /// Two letters; without it no licence is given.
    pub usage_location: Option<String>,
    /// Whether a directory masters it now; none: the system does not say.
    pub synchronised: Option<bool>,
    pub held: Vec<LicenceHeld>,
}

/// One way in which a user has a licence, or was to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenceHeld {
    /// A [`LicenceProduct::id`].
    pub product: String,
    pub way: LicenceWay,
    /// What the system says of it: `Active`, `ActiveWithError`, `Disabled`, `Error`.
    pub state: String,
    /// Why it could not be given, or not wholly: `CountViolation`, `MutuallyExclusiveViolation`,
    /// `ProhibitedInUsageLocationViolation` and others.
    pub error: Option<String>,
    /// Plans that are left out, by id.
    pub without_plans: Vec<String>,
}

impl LicenceHeld {
    /// Whether the user can use it. One in error was only meant for it.
    pub fn is_in_force(&self) -> bool {
        !self.state.eq_ignore_ascii_case("Error") && !self.state.eq_ignore_ascii_case("Disabled")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LicenceWay {
    Direct,
    /// By being a member of this group of the system.
    Group(Anchor),
}

/// One user that is to be given a licence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenceOrder {
    pub id: i64,
    pub user: Anchor,
    /// A [`LicenceProduct::id`].
    pub product: String,
    /// Ids of plans to leave out.
    pub without_plans: Vec<String>,
    /// Written first, to a user that has none.
    pub usage_location: Option<String>,
}
