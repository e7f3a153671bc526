//! Which classes and properties of Microsoft Graph are read and written, under which attribute names, and what the
//! provisioning service calls them in Connect mode. The one table behind `$select`, import, export and the schema that the
//! engine sees. Never talks to either service.

use crate::settings::Mode;
use metaverse_schema::{ConnectorSchema, Plurality, ValueKind};

/// How a property is shaped in JSON, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Boolean,
    Texts,
    /// `identities`: the issuers alone, so that rules can see an identity of another issuer (SF7).
    Issuers,
    /// `assignedLicenses`: the SKU ids alone.
    Skus,
    /// A security identifier: text here (`S-1-5-21-..`), bytes to the provisioning service.
    Sid,
    /// `onPremisesProvisioningErrors`: what the service put aside, as `ProxyAddresses SMTP:ann@contoso.com` (D.4).
    PutAside,
}

impl Shape {
    fn kind(self) -> ValueKind {
        match self {
            Shape::Boolean => ValueKind::Boolean,
            Shape::Text | Shape::Texts | Shape::Issuers | Shape::Skus | Shape::Sid | Shape::PutAside => ValueKind::Text,
        }
    }

    pub(crate) fn plurality(self) -> Plurality {
        match self {
            Shape::Text | Shape::Boolean | Shape::Sid => Plurality::Single,
            Shape::Texts | Shape::Issuers | Shape::Skus | Shape::PutAside => Plurality::Multi,
        }
    }
}

/// One property.
#[derive(Debug)]
pub(crate) struct Property {
    /// The attribute's name in the connector space.
    pub(crate) name: &'static str,
    /// The property's name in Graph.
    pub(crate) graph: &'static str,
    pub(crate) shape: Shape,
    /// Whether an export in Graph mode may write it (section 0, A.3, A.4).
    pub(crate) writable: bool,
    /// The provisioning service's name for it (B.5, D37-D40); none: Connect mode does not write it.
    pub(crate) synced: Option<&'static str>,
}

/// A relationship that is imported and exported as a reference attribute.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) attribute: &'static str,
    /// `members@delta`, `manager@delta`: how a delta entry tells its changes (A.6).
    pub(crate) delta: &'static str,
    pub(crate) plurality: Plurality,
}

/// One class of objects.
#[derive(Debug)]
pub(crate) struct Class {
    /// The object type in the connector space.
    pub(crate) name: &'static str,
    /// The collection in Graph.
    pub(crate) collection: &'static str,
    pub(crate) properties: &'static [Property],
    /// What only the provisioning service tells of an object (ReadBack), in Connect mode.
    pub(crate) read_back: &'static [Property],
    /// Whether objects have `onPremisesExtensionAttributes`.
    pub(crate) extensions: bool,
    pub(crate) link: Option<Link>,
    /// The least application permission for reading it.
    pub(crate) right: &'static str,
    /// A property that every whole entry has; an entry of a delta round without it carries relationships alone.
    pub(crate) always: &'static str,
}

pub(crate) const EXTENSIONS: &str = "onPremisesExtensionAttributes";

/// The names of the fifteen extension attributes, in Graph and in the connector space alike.
pub(crate) const EXTENSION_NAMES: [&str; 15] = [
    "extensionAttribute1",
    "extensionAttribute2",
    "extensionAttribute3",
    "extensionAttribute4",
    "extensionAttribute5",
    "extensionAttribute6",
    "extensionAttribute7",
    "extensionAttribute8",
    "extensionAttribute9",
    "extensionAttribute10",
    "extensionAttribute11",
    "extensionAttribute12",
    "extensionAttribute13",
    "extensionAttribute14",
    "extensionAttribute15",
];

/// Written in both modes.
const fn writable(name: &'static str, shape: Shape) -> Property {
    Property { name, graph: name, shape, writable: true, synced: Some(name) }
}

/// Written in neither mode.
const fn read_only(name: &'static str, shape: Shape) -> Property {
    Property { name, graph: name, shape, writable: false, synced: None }
}

/// Read-only in Graph, written in Connect mode.
const fn synced(name: &'static str, shape: Shape) -> Property {
    Property { name, graph: name, shape, writable: false, synced: Some(name) }
}

impl Property {
    /// The provisioning service has another name for it.
    const fn called(mut self, name: &'static str) -> Property {
        self.synced = Some(name);
        self
    }

    /// The provisioning service does not take it.
    const fn graph_only(mut self) -> Property {
        self.synced = None;
        self
    }
}

/// The anchor that the provisioning service knows an object by; users show it over Graph as their immutable id.
pub(crate) const SOURCE_ANCHOR: &str = "sourceAnchor";
pub(crate) const IMMUTABLE_ID: &str = "onPremisesImmutableId";
/// Whether the directory masters the object. In Connect mode rules ask for it: that is what makes an object synchronised.
pub(crate) const SYNC_ENABLED: &str = "onPremisesSyncEnabled";
/// The source of authority was moved to the cloud (A.11, SF30).
pub(crate) const CLOUD_MASTERED: &str = "blockOnPremisesSync";

static USER_PROPERTIES: [Property; 37] = [
    writable("userPrincipalName", Shape::Text),
    writable("displayName", Shape::Text),
    writable("givenName", Shape::Text),
    writable("surname", Shape::Text),
    writable("mail", Shape::Text),
    writable("mailNickname", Shape::Text).called("alias"),
    synced("proxyAddresses", Shape::Texts),
    writable("accountEnabled", Shape::Boolean),
    writable("userType", Shape::Text),
    writable(IMMUTABLE_ID, Shape::Text).graph_only(),
    read_only(SYNC_ENABLED, Shape::Boolean),
    writable("department", Shape::Text),
    writable("jobTitle", Shape::Text).called("title"),
    writable("companyName", Shape::Text).called("company"),
    writable("officeLocation", Shape::Text).called("physicalDeliveryOfficeName"),
    writable("streetAddress", Shape::Text),
    writable("city", Shape::Text),
    writable("state", Shape::Text),
    writable("postalCode", Shape::Text),
    writable("country", Shape::Text),
    writable("usageLocation", Shape::Text),
    writable("mobilePhone", Shape::Text).called("mobile"),
    // One number in either mode.
    writable("businessPhones", Shape::Texts).called("telephoneNumber"),
    writable("faxNumber", Shape::Text).called("facsimileTelephoneNumber"),
    writable("employeeId", Shape::Text),
    writable("employeeType", Shape::Text),
    writable("preferredLanguage", Shape::Text),
    writable("otherMails", Shape::Texts).graph_only(),
    Property { name: "identityIssuers", graph: "identities", shape: Shape::Issuers, writable: false, synced: None },
    Property { name: "assignedSkus", graph: "assignedLicenses", shape: Shape::Skus, writable: false, synced: None },
    synced("onPremisesSamAccountName", Shape::Text),
    synced("onPremisesDistinguishedName", Shape::Text),
    synced("onPremisesDomainName", Shape::Text).called("dnsDomainName"),
    // The service's name lacks an "s" (B.5).
    synced("onPremisesSecurityIdentifier", Shape::Sid).called("onPremiseSecurityIdentifier"),
    synced("onPremisesUserPrincipalName", Shape::Text),
    read_only("onPremisesProvisioningErrors", Shape::PutAside),
    // Present in the recycle bin only; a live user never has a value.
    read_only("deletedDateTime", Shape::Text),
];

static GROUP_PROPERTIES: [Property; 18] = [
    writable("displayName", Shape::Text),
    writable("description", Shape::Text),
    // Follows from the addresses in Connect mode.
    writable("mailEnabled", Shape::Boolean).graph_only(),
    writable("securityEnabled", Shape::Boolean),
    writable("mailNickname", Shape::Text).called("alias"),
    synced("mail", Shape::Text),
    synced("proxyAddresses", Shape::Texts),
    read_only("groupTypes", Shape::Texts),
    // An alternate key, immutable once set (H).
    writable("uniqueName", Shape::Text).graph_only(),
    read_only("isAssignableToRole", Shape::Boolean),
    read_only("membershipRule", Shape::Text),
    read_only(SYNC_ENABLED, Shape::Boolean),
    read_only("securityIdentifier", Shape::Text),
    synced("onPremisesSamAccountName", Shape::Text),
    synced("onPremisesDomainName", Shape::Text).called("dnsDomainName"),
    synced("onPremisesNetBiosName", Shape::Text).called("netBiosName"),
    synced("onPremisesSecurityIdentifier", Shape::Sid).called("onPremiseSecurityIdentifier"),
    read_only("onPremisesProvisioningErrors", Shape::PutAside),
];

static CONTACT_PROPERTIES: [Property; 11] = [
    synced("displayName", Shape::Text),
    synced("givenName", Shape::Text),
    synced("surname", Shape::Text),
    synced("mail", Shape::Text),
    synced("mailNickname", Shape::Text).called("alias"),
    synced("proxyAddresses", Shape::Texts),
    synced("companyName", Shape::Text).called("company"),
    synced("department", Shape::Text),
    synced("jobTitle", Shape::Text).called("title"),
    read_only(SYNC_ENABLED, Shape::Boolean),
    read_only("onPremisesProvisioningErrors", Shape::PutAside),
];

/// Users tell their anchor over Graph.
static USER_READ_BACK: [Property; 1] = [read_only(CLOUD_MASTERED, Shape::Boolean)];
static GROUP_READ_BACK: [Property; 2] =
    [read_only(SOURCE_ANCHOR, Shape::Text), read_only(CLOUD_MASTERED, Shape::Boolean)];
/// What the provisioning service takes and keeps of a contact (D39) and Graph has no property for.
static CONTACT_READ_BACK: [Property; 16] = [
    read_only(SOURCE_ANCHOR, Shape::Text),
    read_only(CLOUD_MASTERED, Shape::Boolean),
    synced("description", Shape::Text),
    synced("info", Shape::Text),
    synced("officeLocation", Shape::Text).called("physicalDeliveryOfficeName"),
    synced("businessPhones", Shape::Texts).called("telephoneNumber"),
    synced("mobilePhone", Shape::Text).called("mobile"),
    synced("faxNumber", Shape::Text).called("facsimileTelephoneNumber"),
    synced("homePhone", Shape::Text),
    synced("pager", Shape::Text),
    synced("ipPhone", Shape::Text),
    synced("streetAddress", Shape::Text),
    synced("city", Shape::Text),
    synced("state", Shape::Text),
    synced("postalCode", Shape::Text),
    synced("country", Shape::Text),
];

pub(crate) static USER: &Class = &Class {
    name: "user",
    collection: "users",
    properties: USER_PROPERTIES.split_at(36).0,
    read_back: &USER_READ_BACK,
    extensions: true,
    link: Some(Link { attribute: "manager", delta: "manager@delta", plurality: Plurality::Single }),
    right: "User.Read.All",
    always: "userPrincipalName",
};

/// A user in the recycle bin (A.9): the same anchor, to be restored and never created (SF9).
pub(crate) static DELETED_USER: &Class = &Class {
    name: "deletedUser",
    collection: "directory/deletedItems",
    properties: &USER_PROPERTIES,
    read_back: &[],
    extensions: true,
    link: None,
    right: "User.Read.All",
    always: "userPrincipalName",
};

pub(crate) static GROUP: &Class = &Class {
    name: "group",
    collection: "groups",
    properties: &GROUP_PROPERTIES,
    read_back: &GROUP_READ_BACK,
    extensions: false,
    link: Some(Link { attribute: "members", delta: "members@delta", plurality: Plurality::Multi }),
    right: "Group.Read.All",
    always: "displayName",
};

pub(crate) static CONTACT: &Class = &Class {
    name: "contact",
    collection: "contacts",
    properties: &CONTACT_PROPERTIES,
    read_back: &CONTACT_READ_BACK,
    extensions: false,
    link: None,
    right: "OrgContact.Read.All",
    always: "displayName",
};

impl Class {
    /// The class of an object type, if this connector knows it.
    pub(crate) fn named(name: &str) -> Option<&'static Class> {
        [USER, GROUP, CONTACT, DELETED_USER].into_iter().find(|class| class.name == name)
    }

    pub(crate) fn property(&self, name: &str) -> Option<&Property> {
        self.properties.iter().chain(self.read_back).find(|property| property.name == name)
    }

    pub(crate) fn is_extension(&self, name: &str) -> bool {
        self.extensions && EXTENSION_NAMES.contains(&name)
    }

    /// The properties of single objects for `$select`; relationships are read by their own URLs.
    pub(crate) fn select_properties(&self) -> String {
        let mut names = vec!["id"];
        names.extend(self.properties.iter().map(|property| property.graph));
        if self.extensions {
            names.push(EXTENSIONS);
        }
        names.join(",")
    }

    /// The properties and relationships for `$select` of a delta round: a relationship that is selected is tracked (A.6).
    pub(crate) fn select(&self) -> String {
        match &self.link {
            Some(link) => format!("{},{}", self.select_properties(), link.attribute),
            None => self.select_properties(),
        }
    }
}

/// The schema that the engine sees. An attribute that some class can write counts as writable; what a class cannot
/// take is refused at export, by name.
pub(crate) fn connector_schema(mode: Mode) -> ConnectorSchema {
    let connect = mode == Mode::Connect;
    let mut schema = ConnectorSchema::default()
        .class(USER.name, true)
        .class(GROUP.name, true)
        .class(CONTACT.name, connect)
        .class(DELETED_USER.name, false);
    for class in [CONTACT, DELETED_USER, GROUP, USER] {
        let read_back = if connect { class.read_back } else { &[] };
        for property in class.properties.iter().chain(read_back) {
            let known = schema.attributes.get(property.name).is_some_and(|definition| definition.writable);
            let (kind, plurality) = (property.shape.kind(), property.shape.plurality());
            schema = schema.attribute(property.name, kind, plurality, is_writable(property, mode) || known);
        }
        if let Some(link) = &class.link {
            schema = schema.attribute(link.attribute, ValueKind::Reference, link.plurality, true);
        }
    }
    for name in EXTENSION_NAMES {
        schema = schema.attribute(name, ValueKind::Text, Plurality::Single, true);
    }
    if connect {
        return schema;
    }
    schema.attribute("password", ValueKind::Secret, Plurality::Single, true)
}

pub(crate) fn is_writable(property: &Property, mode: Mode) -> bool {
    match mode {
        Mode::Graph => property.writable,
        // The anchor stamp and the wish to be synchronised go with every object that is sent.
        Mode::Connect => {
            property.synced.is_some() || matches!(property.name, IMMUTABLE_ID | SOURCE_ANCHOR | SYNC_ENABLED)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn select_names_graph_properties_and_the_link() {
        let select = USER.select();
        assert!(select.starts_with("id,userPrincipalName,"));
        assert!(select.ends_with("onPremisesProvisioningErrors,onPremisesExtensionAttributes,manager"), "{select}");
        assert!(!select.contains("deletedDateTime") && !select.contains("identityIssuers"));
        assert!(DELETED_USER.select().contains("deletedDateTime"));
        assert!(GROUP.select().ends_with(",members"));
    }

    #[test]
    fn the_schema_says_what_graph_mode_cannot_write() {
        let schema = connector_schema(Mode::Graph);
        let writable = |name: &str| schema.attributes[name].writable;
        assert!(!writable("proxyAddresses") && !writable("onPremisesSyncEnabled") && !writable("groupTypes"));
        assert!(writable("mail") && writable("extensionAttribute15") && writable("members") && writable("manager"));
        assert_eq!(schema.kind_of("password"), Some(ValueKind::Secret));
        assert_eq!(schema.kind_of("manager"), Some(ValueKind::Reference));
        assert!(schema.classes["user"].creatable && schema.classes["group"].creatable);
        assert!(!schema.classes["contact"].creatable && !schema.classes["deletedUser"].creatable);
        assert!(!writable("onPremisesSamAccountName") && !schema.attributes.contains_key("sourceAnchor"));
    }

    /// Section 0: what the provisioning service takes and Graph does not, and the other way round.
    #[test]
    fn the_schema_says_what_connect_mode_can_write() {
        let schema = connector_schema(Mode::Connect);
        let writable = |name: &str| schema.attributes[name].writable;
        for name in ["proxyAddresses", "sourceAnchor", "onPremisesImmutableId", "onPremisesSyncEnabled", "members"] {
            assert!(writable(name), "{name}");
        }
        assert!(writable("onPremisesSamAccountName") && writable("mail") && writable("extensionAttribute1"));
        for name in ["uniqueName", "mailEnabled", "groupTypes", "otherMails", "assignedSkus", "blockOnPremisesSync"] {
            assert!(!writable(name), "{name}");
        }
        assert!(schema.classes["contact"].creatable && !schema.classes["deletedUser"].creatable);
        // D39: of contacts also what Graph does not show.
        assert!(writable("homePhone") && writable("info"));
        let over_graph = connector_schema(Mode::Graph);
        assert!(!over_graph.attributes.contains_key("homePhone") && !over_graph.attributes.contains_key("info"));
    }
}
