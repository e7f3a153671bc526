//! `metasync licenses ...`: what can be typed about licences of synchronised users.

use clap::{ArgGroup, Args, Subcommand};
use metaverse_schema::Dn;
use sync_runtime::UsageLocation;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Only users that this deployment writes are listed and licensed: users of the cloud alone are never touched, and no cycle \
    ever touches a licence. What is shown is asked of the tenant now. A licence that comes from a group belongs to the group: it is \
    changed there. None is taken away here; a mailbox goes 30 days after its licence, so that this is left to the tenant's own pages.

  metasync licenses list --unlicensed
  metasync licenses assign --sku ENTERPRISEPACK --group Sales
  metasync licenses assign --sku ENTERPRISEPACK --group Sales --apply 3f2a9c04
  metasync licenses assign --sku ENTERPRISEPACK --where '[department] = \"Sales\"' --unlicensed --usage-location DE"
)]
pub(crate) struct LicensesArgs {
    #[command(subcommand)]
    pub(crate) action: LicensesAction,
    /// The Azure AD connector, where the deployment has several
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) connector: Option<String>,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LicensesAction {
    /// Show the tenant's subscriptions, and who has which licence by which way
    List(LicensesListArgs),
    /// Give a licence to users; without --apply or --yes it only shows to whom
    Assign(LicensesAssignArgs),
}

/// Whom is meant. Names add up, all else narrows.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LicensesSelection {
    /// People by sign-in name, address, account name, display name, DN or anchor
    #[arg(value_name = "OBJECT")]
    pub(crate) names: Vec<String>,
    /// Members of this group, of the directory or the tenant; may be repeated, then of all of them
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Vec<String>,
    /// Members of members too
    #[arg(long, requires = "group")]
    pub(crate) nested: bool,
    /// Who stands in this container of the directory, or below; may be repeated, then in any of them
    #[arg(long, value_name = "DN")]
    pub(crate) ou: Vec<Dn>,
    /// Of whose metaverse attributes this expression is true, such as '[department] = "Sales"'
    #[arg(long = "where", value_name = "EXPRESSION")]
    pub(crate) condition: Option<String>,
    /// Who has no licence at all
    #[arg(long)]
    pub(crate) unlicensed: bool,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LicensesListArgs {
    #[command(flatten)]
    pub(crate) selection: LicensesSelection,
    /// A line for each licence of each user as CSV on stdout
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// Most users to show
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
}

#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("whom").args(["names", "group", "ou", "condition", "unlicensed", "all"]).required(true).multiple(true))]
#[command(
    after_help = "Looked at before anything is written: the subscription is there and enabled; it has free units for all, else nobody is \
    given one; each user is in the tenant, is not blocked, has a usage location, and does not have the licence already, itself or by a \
    group. Who cannot be given one is listed with the reason, and the others are. Each user's outcome stands in `metasync history`; what \
    broke off is run again. Ends with 3 when nobody is given one for lack of units or another reason, with 4 when some are not."
)]
pub(crate) struct LicensesAssignArgs {
    /// The subscription: its part number, such as ENTERPRISEPACK, or its id
    #[arg(long, value_name = "PARTNUMBER|GUID")]
    pub(crate) sku: String,
    /// Leave this service plan out, by name or id; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) disable_plan: Vec<String>,
    #[command(flatten)]
    pub(crate) selection: LicensesSelection,
    /// Everybody who is synchronised
    #[arg(long)]
    pub(crate) all: bool,
    /// Give those who have no usage location this one, two letters of ISO 3166-1, such as DE
    #[arg(long, value_name = "XX", value_parser = UsageLocation::read)]
    pub(crate) usage_location: Option<UsageLocation>,
    /// Blocked accounts too
    #[arg(long)]
    pub(crate) disabled: bool,
    /// Do exactly what was shown with this digest; its first 8 characters are enough
    #[arg(long, value_name = "DIGEST", conflicts_with = "yes")]
    pub(crate) apply: Option<String>,
    /// Do it as it is now, for as many users as the guard lets through
    #[arg(long)]
    pub(crate) yes: bool,
    /// Why, for history
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) note: String,
    /// Most users of each list to show
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
}
