//! One directory object as the tenant stores it: properties under Graph's names, links, and the change numbers that
//! delta queries read. Only data; `directory` alone changes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Millis;
use crate::guid::Guid;
use crate::password::KeptPassword;
use crate::schema::Kind;

/// A user, group or contact, alive or in the recycle bin.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: Guid,
    pub(crate) kind: Kind,
    /// Place in listings: order of creation.
    pub(crate) ordinal: u64,
    /// For the replication delay; 0 for seeded objects.
    pub(crate) created_ms: Millis,
    /// Change number of the creation or the last restore.
    pub(crate) born: u64,
    /// Change number of the last change of any tracked part; the object's only place in the change log.
    pub(crate) changed: u64,
    /// Values ever set; a cleared one stays as null, because a delta repeats every property that was ever set (A.6).
    pub(crate) properties: Map<String, Value>,
    /// Change number per property, where later than `born`. `manager` is in here too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) versions: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) manager: Option<Guid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) former_manager: Option<Guid>,
    /// Members of a group, removed ones included (a delta must tell of them).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) links: BTreeMap<Guid, Link>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) owners: Vec<Guid>,
    /// Source of authority was moved to the cloud (A.11).
    #[serde(default)]
    pub(crate) is_cloud_managed: bool,
    /// Source of authority was moved back and the next synchronisation takes it (A.11).
    #[serde(default)]
    pub(crate) is_returning: bool,
    /// What ties it to its object on premises, from the first synchronisation on; a user has it as immutable id too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source_anchor: Option<String>,
    /// What synchronisation sent last, by the keys of that wire; Graph's properties are computed from it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) synced: Map<String, Value>,
    /// Values that another object holds, kept until it lets go of them (D.4).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) held_back: Vec<HeldBack>,
    /// Of a user: no property, so that no read shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<KeptPassword>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deleted: Option<Deletion>,
}

/// One membership and when it last changed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) changed: u64,
    pub(crate) present: bool,
    pub(crate) kind: Kind,
}

/// A value that synchronisation sent and that is not set because another object holds it (D.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldBack {
    pub(crate) property: Unique,
    /// A sign-in name, or a proxy address with its prefix.
    pub(crate) value: String,
    pub(crate) since_ms: Millis,
}

/// The properties whose conflicts are held back rather than refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Unique {
    UserPrincipalName,
    ProxyAddresses,
}

impl Unique {
    /// As `onPremisesProvisioningErrors` names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unique::UserPrincipalName => "UserPrincipalName",
            Unique::ProxyAddresses => "ProxyAddresses",
        }
    }
}

/// What the recycle bin remembers (A.9).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Deletion {
    pub(crate) at_ms: Millis,
    /// The sign-in name before the bin prefixed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_principal_name: Option<String>,
    /// Groups to re-enter on restore.
    #[serde(default)]
    pub(crate) member_of: Vec<Guid>,
}

/// What is left of an object that is gone for good, for deltas to tell of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tombstone {
    pub(crate) kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source_anchor: Option<String>,
    pub(crate) changed: u64,
    pub(crate) at_ms: Millis,
}

impl Entry {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.properties.get(name).and_then(Value::as_str)
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.properties.get(name).and_then(Value::as_bool)
    }

    pub(crate) fn list<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.properties.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// Whether the source of authority is on premises.
    pub(crate) fn is_synced(&self) -> bool {
        self.flag("onPremisesSyncEnabled") == Some(true)
    }

    /// The object on premises that it belongs or belonged to; for a user of the cloud, the immutable id it was given. A user
    /// whose immutable id was cleared belongs to nobody any more, whatever was synchronised to it before.
    pub(crate) fn anchor(&self) -> Option<&str> {
        match self.kind {
            Kind::User => self.text("onPremisesImmutableId"),
            Kind::Group | Kind::Contact => self.source_anchor.as_deref(),
        }
    }

    pub(crate) fn is_guest(&self) -> bool {
        self.text("userType").is_some_and(|kind| kind.eq_ignore_ascii_case("Guest"))
            || self.text("userPrincipalName").is_some_and(|name| name.contains("#EXT#"))
    }

    pub(crate) fn is_live(&self) -> bool {
        self.deleted.is_none()
    }

    /// Change number of the last change of one property.
    pub(crate) fn version_of(&self, property: &str) -> u64 {
        self.versions.get(property).copied().unwrap_or(self.born).max(self.born)
    }

    pub(crate) fn has_member(&self, member: Guid) -> bool {
        self.links.get(&member).is_some_and(|link| link.present)
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = Guid> + '_ {
        self.links.iter().filter(|(_, link)| link.present).map(|(id, _)| *id)
    }

    pub(crate) fn is_group_type(&self, wanted: &str) -> bool {
        self.list("groupTypes").any(|kind| kind.eq_ignore_ascii_case(wanted))
    }

    pub(crate) fn is_role_assignable(&self) -> bool {
        self.flag("isAssignableToRole") == Some(true)
    }
}

/// The address of an `smtp:` or `SMTP:` proxy; other kinds of address are none.
pub(crate) fn smtp_address(proxy: &str) -> Option<&str> {
    match proxy.split_at_checked(5) {
        Some((prefix, address)) if prefix.eq_ignore_ascii_case("smtp:") => Some(address),
        _ => None,
    }
}
