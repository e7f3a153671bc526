//! Which classes and properties of Microsoft Graph are read and written, under which attribute names. The one table
//! behind `$select`, import, export and the schema that the engine sees. Never talks to the service.

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
}

impl Shape {
    fn kind(self) -> ValueKind {
        match self {
            Shape::Boolean => ValueKind::Boolean,
            Shape::Text | Shape::Texts | Shape::Issuers | Shape::Skus => ValueKind::Text,
        }
    }

    pub(crate) fn plurality(self) -> Plurality {
        match self {
            Shape::Text | Shape::Boolean => Plurality::Single,
            Shape::Texts | Shape::Issuers | Shape::Skus => Plurality::Multi,
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

const fn writable(name: &'static str, shape: Shape) -> Property {
    Property { name, graph: name, shape, writable: true }
}

const fn read_only(name: &'static str, shape: Shape) -> Property {
    Property { name, graph: name, shape, writable: false }
}

static USER_PROPERTIES: [Property; 31] = [
    writable("userPrincipalName", Shape::Text),
    writable("displayName", Shape::Text),
    writable("givenName", Shape::Text),
    writable("surname", Shape::Text),
    writable("mail", Shape::Text),
    writable("mailNickname", Shape::Text),
    read_only("proxyAddresses", Shape::Texts),
    writable("accountEnabled", Shape::Boolean),
    writable("userType", Shape::Text),
    writable("onPremisesImmutableId", Shape::Text),
    read_only("onPremisesSyncEnabled", Shape::Boolean),
    writable("department", Shape::Text),
    writable("jobTitle", Shape::Text),
    writable("companyName", Shape::Text),
    writable("officeLocation", Shape::Text),
    writable("streetAddress", Shape::Text),
    writable("city", Shape::Text),
    writable("state", Shape::Text),
    writable("postalCode", Shape::Text),
    writable("country", Shape::Text),
    writable("usageLocation", Shape::Text),
    writable("mobilePhone", Shape::Text),
    writable("businessPhones", Shape::Texts),
    writable("faxNumber", Shape::Text),
    writable("employeeId", Shape::Text),
    writable("employeeType", Shape::Text),
    writable("preferredLanguage", Shape::Text),
    writable("otherMails", Shape::Texts),
    Property { name: "identityIssuers", graph: "identities", shape: Shape::Issuers, writable: false },
    Property { name: "assignedSkus", graph: "assignedLicenses", shape: Shape::Skus, writable: false },
    // Present in the recycle bin only; a live user never has a value.
    read_only("deletedDateTime", Shape::Text),
];

static GROUP_PROPERTIES: [Property; 13] = [
    writable("displayName", Shape::Text),
    writable("description", Shape::Text),
    writable("mailEnabled", Shape::Boolean),
    writable("securityEnabled", Shape::Boolean),
    writable("mailNickname", Shape::Text),
    read_only("mail", Shape::Text),
    read_only("proxyAddresses", Shape::Texts),
    read_only("groupTypes", Shape::Texts),
    // An alternate key, immutable once set (H).
    writable("uniqueName", Shape::Text),
    read_only("isAssignableToRole", Shape::Boolean),
    read_only("membershipRule", Shape::Text),
    read_only("onPremisesSyncEnabled", Shape::Boolean),
    read_only("securityIdentifier", Shape::Text),
];

static CONTACT_PROPERTIES: [Property; 9] = [
    read_only("displayName", Shape::Text),
    read_only("givenName", Shape::Text),
    read_only("surname", Shape::Text),
    read_only("mail", Shape::Text),
    read_only("mailNickname", Shape::Text),
    read_only("proxyAddresses", Shape::Texts),
    read_only("companyName", Shape::Text),
    read_only("department", Shape::Text),
    read_only("onPremisesSyncEnabled", Shape::Boolean),
];

pub(crate) static USER: &Class = &Class {
    name: "user",
    collection: "users",
    properties: USER_PROPERTIES.split_at(30).0,
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
    extensions: true,
    link: None,
    right: "User.Read.All",
    always: "userPrincipalName",
};

pub(crate) static GROUP: &Class = &Class {
    name: "group",
    collection: "groups",
    properties: &GROUP_PROPERTIES,
    extensions: false,
    link: Some(Link { attribute: "members", delta: "members@delta", plurality: Plurality::Multi }),
    right: "Group.Read.All",
    always: "displayName",
};

pub(crate) static CONTACT: &Class = &Class {
    name: "contact",
    collection: "contacts",
    properties: &CONTACT_PROPERTIES,
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
        self.properties.iter().find(|property| property.name == name)
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
pub(crate) fn connector_schema() -> ConnectorSchema {
    let mut schema = ConnectorSchema::default()
        .class(USER.name, true)
        .class(GROUP.name, true)
        .class(CONTACT.name, false)
        .class(DELETED_USER.name, false);
    for class in [CONTACT, DELETED_USER, GROUP, USER] {
        for property in class.properties {
            let known = schema.attributes.get(property.name).is_some_and(|definition| definition.writable);
            let (kind, plurality) = (property.shape.kind(), property.shape.plurality());
            schema = schema.attribute(property.name, kind, plurality, property.writable || known);
        }
        if let Some(link) = &class.link {
            schema = schema.attribute(link.attribute, ValueKind::Reference, link.plurality, true);
        }
    }
    for name in EXTENSION_NAMES {
        schema = schema.attribute(name, ValueKind::Text, Plurality::Single, true);
    }
    schema.attribute("password", ValueKind::Secret, Plurality::Single, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn select_names_graph_properties_and_the_link() {
        let select = USER.select();
        assert!(select.starts_with("id,userPrincipalName,"));
        assert!(select.ends_with("assignedLicenses,onPremisesExtensionAttributes,manager"), "{select}");
        assert!(!select.contains("deletedDateTime") && !select.contains("identityIssuers"));
        assert!(DELETED_USER.select().contains("deletedDateTime"));
        assert!(GROUP.select().ends_with(",members"));
    }

    #[test]
    fn the_schema_says_what_graph_mode_cannot_write() {
        let schema = connector_schema();
        let writable = |name: &str| schema.attributes[name].writable;
        assert!(!writable("proxyAddresses") && !writable("onPremisesSyncEnabled") && !writable("groupTypes"));
        assert!(writable("mail") && writable("extensionAttribute15") && writable("members") && writable("manager"));
        assert_eq!(schema.kind_of("password"), Some(ValueKind::Secret));
        assert_eq!(schema.kind_of("manager"), Some(ValueKind::Reference));
        assert!(schema.classes["user"].creatable && schema.classes["group"].creatable);
        assert!(!schema.classes["contact"].creatable && !schema.classes["deletedUser"].creatable);
    }
}
