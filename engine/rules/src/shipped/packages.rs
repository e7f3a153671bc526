//! Rules beyond those that every deployment has, written out only where the operator asks for them.

use super::{CloudSchema, ShippedOptions, for_class, shifted};

const EXCHANGE_METAVERSE: &str = include_str!("exchange-hybrid-metaverse.toml");
const EXCHANGE_PERSON: &str = include_str!("exchange-hybrid-person.toml");
const EXCHANGE_OTHERS: &str = include_str!("exchange-hybrid-others.toml");
const EXCHANGE_CLOUD: &str = include_str!("exchange-hybrid-cloud.toml");
const ACCOUNT_EXPIRES: &str = include_str!("account-expires.toml");
const FOREIGN_PRINCIPALS: &str = include_str!("foreign-principals.toml");
const DEVICES_METAVERSE: &str = include_str!("devices-metaverse.toml");
const DEVICES_SOURCE: &str = include_str!("devices-source.toml");
const DEVICES_CLOUD: &str = include_str!("devices-cloud.toml");

/// A package of shipped rules; all are off by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Package {
    /// The technical attributes of Exchange (SF29, D8).
    ExchangeHybrid,
    /// An expired account counts as disabled (D41).
    AccountExpires,
    /// Members of another forest in groups of this one (D23).
    ForeignPrincipals,
    /// Computers that registered themselves (D24, D33).
    Devices,
}

impl Package {
    pub const ALL: [Package; 4] =
        [Package::ExchangeHybrid, Package::AccountExpires, Package::ForeignPrincipals, Package::Devices];

    /// The object type that a source has to import for this package, beyond those that it imports anyway.
    pub fn source_class(self) -> Option<&'static str> {
        match self {
            Package::ForeignPrincipals => Some("foreignSecurityPrincipal"),
            Package::Devices => Some("computer"),
            Package::ExchangeHybrid | Package::AccountExpires => None,
        }
    }

    /// Whether some of its rules are left out because the target's mode cannot hold what they write.
    pub fn is_cut_by(self, cloud: CloudSchema) -> bool {
        cloud != CloudSchema::Provisioning && matches!(self, Package::ExchangeHybrid | Package::Devices)
    }
}

/// The files of the chosen packages; their numbers are those of a single source and target.
pub(super) fn rules(sources: &[&str], clouds: &[&str], options: &ShippedOptions) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for package in &options.packages {
        match package {
            Package::ExchangeHybrid => {
                files.push(("rules/40-exchange-hybrid.toml".to_owned(), EXCHANGE_METAVERSE.to_owned()));
            }
            Package::Devices => files.push(("rules/43-devices.toml".to_owned(), DEVICES_METAVERSE.to_owned())),
            Package::AccountExpires | Package::ForeignPrincipals => {}
        }
        files.extend(sources.iter().flat_map(|source| of_source(*package, source)));
        if !package.is_cut_by(options.cloud) {
            files.extend(clouds.iter().filter_map(|cloud| of_cloud(*package, cloud)));
        }
    }
    files
}

fn of_source(package: Package, source: &str) -> Vec<(String, String)> {
    let fill = |template: &str| template.replace("@SOURCE@", source);
    let user = |template: &str| for_class(&fill(template), "user", "User");
    let twin =
        |template: &str| shifted(&for_class(&fill(template), "inetOrgPerson", "InetOrgPerson"), |number| number + 1);
    match package {
        Package::ExchangeHybrid => vec![
            (format!("rules/40-{source}-exchange-hybrid-users.toml"), user(EXCHANGE_PERSON)),
            (format!("rules/40-{source}-exchange-hybrid-inetorgpersons.toml"), twin(EXCHANGE_PERSON)),
            (format!("rules/40-{source}-exchange-hybrid-others.toml"), fill(EXCHANGE_OTHERS)),
        ],
        Package::AccountExpires => vec![
            (format!("rules/41-{source}-account-expires-users.toml"), user(ACCOUNT_EXPIRES)),
            (format!("rules/41-{source}-account-expires-inetorgpersons.toml"), twin(ACCOUNT_EXPIRES)),
        ],
        Package::ForeignPrincipals => {
            vec![(format!("rules/42-{source}-foreign-principals.toml"), fill(FOREIGN_PRINCIPALS))]
        }
        Package::Devices => vec![(format!("rules/43-{source}-devices.toml"), fill(DEVICES_SOURCE))],
    }
}

fn of_cloud(package: Package, cloud: &str) -> Option<(String, String)> {
    let fill = |template: &str| template.replace("@CLOUD@", cloud);
    match package {
        Package::ExchangeHybrid => Some((format!("rules/45-{cloud}-exchange-hybrid.toml"), fill(EXCHANGE_CLOUD))),
        Package::Devices => Some((format!("rules/46-{cloud}-devices.toml"), fill(DEVICES_CLOUD))),
        Package::AccountExpires | Package::ForeignPrincipals => None,
    }
}
