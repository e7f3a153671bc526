//! What Graph v1.0 declares for users, groups and organisational contacts: property names, value shapes, lengths, who
//! may write them, and which come back without `$select` (A.2, A.3, A.4). Checks the shape of one value; the rules that
//! need the rest of the tenant are in `user_rules` and `groups`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::errors::{GraphError, GraphResult};

/// The object types that the tenant holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    User,
    Group,
    Contact,
}

impl Kind {
    /// As in `Resource 'User'` of error messages.
    pub(crate) fn resource(self) -> &'static str {
        match self {
            Kind::User => "User",
            Kind::Group => "Group",
            Kind::Contact => "OrgContact",
        }
    }

    /// The `@odata.type` of an item in a collection of mixed types.
    pub(crate) fn odata_type(self) -> &'static str {
        match self {
            Kind::User => "#microsoft.graph.user",
            Kind::Group => "#microsoft.graph.group",
            Kind::Contact => "#microsoft.graph.orgContact",
        }
    }

    /// The entity set, as in `/users`.
    pub(crate) fn set(self) -> &'static str {
        match self {
            Kind::User => "users",
            Kind::Group => "groups",
            Kind::Contact => "contacts",
        }
    }

    pub(crate) fn properties(self) -> &'static [Property] {
        match self {
            Kind::User => USER,
            Kind::Group => GROUP,
            Kind::Contact => CONTACT,
        }
    }
}

/// The JSON shape of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A string of at most so many UTF-16 units.
    Text(usize),
    Flag,
    Number,
    /// ISO 8601, UTC.
    Instant,
    TextList,
    Complex,
    ComplexList,
}

/// Who may write a property through Graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writable {
    Never,
    /// At creation only.
    Once,
    /// While the object is not synchronised from on premises.
    Mastered,
    /// Also on synchronised objects.
    Always,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) writable: Writable,
    /// Comes back without `$select`.
    pub(crate) default: bool,
    /// Kept outside the directory (profile services): never in a delta (A.6).
    pub(crate) elsewhere: bool,
}

const fn property(name: &'static str, shape: Shape, writable: Writable) -> Property {
    Property { name, shape, writable, default: false, elsewhere: false }
}

const fn default(name: &'static str, shape: Shape, writable: Writable) -> Property {
    Property { name, shape, writable, default: true, elsewhere: false }
}

const fn profile(name: &'static str, shape: Shape) -> Property {
    Property { name, shape, writable: Writable::Always, default: false, elsewhere: true }
}

use Shape::{Complex, ComplexList, Flag, Instant, Number, Text, TextList};
use Writable::{Always, Mastered, Never, Once};

/// Upper bound where no documented length is known.
const LONG: usize = 1024;

const USER: &[Property] = &[
    default("businessPhones", TextList, Mastered),
    default("displayName", Text(256), Mastered),
    default("givenName", Text(64), Mastered),
    default("id", Text(36), Never),
    default("jobTitle", Text(128), Mastered),
    default("mail", Text(256), Mastered),
    default("mobilePhone", Text(64), Mastered),
    default("officeLocation", Text(128), Mastered),
    default("preferredLanguage", Text(64), Mastered),
    default("surname", Text(64), Mastered),
    default("userPrincipalName", Text(113), Mastered),
    property("accountEnabled", Flag, Mastered),
    property("ageGroup", Text(16), Always),
    property("assignedLicenses", ComplexList, Never),
    property("assignedPlans", ComplexList, Never),
    property("authorizationInfo", Complex, Never),
    property("city", Text(128), Mastered),
    property("companyName", Text(64), Mastered),
    property("consentProvidedForMinor", Text(16), Always),
    property("country", Text(128), Mastered),
    property("createdDateTime", Instant, Never),
    property("creationType", Text(64), Never),
    property("customSecurityAttributes", Complex, Never),
    property("deletedDateTime", Instant, Never),
    property("department", Text(64), Mastered),
    property("deviceEnrollmentLimit", Number, Never),
    property("employeeHireDate", Instant, Mastered),
    property("employeeId", Text(16), Mastered),
    property("employeeLeaveDateTime", Instant, Mastered),
    property("employeeOrgData", Complex, Mastered),
    property("employeeType", Text(LONG), Mastered),
    property("externalUserState", Text(64), Never),
    property("externalUserStateChangeDateTime", Instant, Never),
    property("faxNumber", Text(64), Mastered),
    property("identities", ComplexList, Never),
    property("identityParentId", Text(64), Never),
    property("imAddresses", TextList, Never),
    property("isManagementRestricted", Flag, Never),
    property("isResourceAccount", Flag, Never),
    property("lastPasswordChangeDateTime", Instant, Never),
    property("legalAgeGroupClassification", Text(64), Never),
    property("licenseAssignmentStates", ComplexList, Never),
    property("mailNickname", Text(64), Mastered),
    property("onPremisesDistinguishedName", Text(LONG), Never),
    property("onPremisesDomainName", Text(256), Never),
    property("onPremisesExtensionAttributes", Complex, Mastered),
    property("onPremisesImmutableId", Text(256), Mastered),
    property("onPremisesLastSyncDateTime", Instant, Never),
    property("onPremisesProvisioningErrors", ComplexList, Never),
    property("onPremisesSamAccountName", Text(256), Never),
    property("onPremisesSecurityIdentifier", Text(256), Never),
    property("onPremisesSyncEnabled", Flag, Never),
    property("onPremisesUserPrincipalName", Text(LONG), Never),
    property("otherMails", TextList, Always),
    property("passwordPolicies", Text(128), Always),
    property("passwordProfile", Complex, Always),
    property("postalCode", Text(40), Mastered),
    property("preferredDataLocation", Text(16), Mastered),
    property("provisionedPlans", ComplexList, Never),
    property("proxyAddresses", TextList, Never),
    property("securityIdentifier", Text(256), Never),
    property("serviceProvisioningErrors", ComplexList, Never),
    property("showInAddressList", Flag, Mastered),
    property("signInActivity", Complex, Never),
    property("signInSessionsValidFromDateTime", Instant, Never),
    property("state", Text(128), Mastered),
    property("streetAddress", Text(LONG), Mastered),
    property("usageLocation", Text(2), Always),
    property("userType", Text(16), Mastered),
    profile("aboutMe", Text(LONG)),
    profile("birthday", Instant),
    profile("hireDate", Instant),
    profile("interests", TextList),
    profile("mySite", Text(LONG)),
    profile("pastProjects", TextList),
    profile("preferredName", Text(256)),
    profile("responsibilities", TextList),
    profile("schools", TextList),
    profile("skills", TextList),
];

const GROUP: &[Property] = &[
    default("id", Text(36), Never),
    default("deletedDateTime", Instant, Never),
    default("classification", Text(256), Mastered),
    default("createdDateTime", Instant, Never),
    default("description", Text(LONG), Mastered),
    default("displayName", Text(256), Mastered),
    default("expirationDateTime", Instant, Never),
    default("groupTypes", TextList, Once),
    default("isAssignableToRole", Flag, Once),
    default("mail", Text(256), Never),
    default("mailEnabled", Flag, Mastered),
    default("mailNickname", Text(64), Mastered),
    default("membershipRule", Text(3072), Mastered),
    default("membershipRuleProcessingState", Text(16), Mastered),
    default("onPremisesDomainName", Text(256), Never),
    default("onPremisesLastSyncDateTime", Instant, Never),
    default("onPremisesNetBiosName", Text(256), Never),
    default("onPremisesProvisioningErrors", ComplexList, Never),
    default("onPremisesSamAccountName", Text(256), Never),
    default("onPremisesSecurityIdentifier", Text(256), Never),
    default("onPremisesSyncEnabled", Flag, Never),
    default("preferredDataLocation", Text(16), Mastered),
    default("preferredLanguage", Text(64), Mastered),
    default("proxyAddresses", TextList, Never),
    default("renewedDateTime", Instant, Never),
    default("resourceBehaviorOptions", TextList, Once),
    default("resourceProvisioningOptions", TextList, Once),
    default("securityEnabled", Flag, Mastered),
    default("securityIdentifier", Text(256), Never),
    default("serviceProvisioningErrors", ComplexList, Never),
    default("theme", Text(64), Mastered),
    default("visibility", Text(32), Mastered),
    property("assignedLabels", ComplexList, Never),
    property("assignedLicenses", ComplexList, Never),
    property("hasMembersWithLicenseErrors", Flag, Never),
    property("infoCatalogs", TextList, Never),
    property("isManagementRestricted", Flag, Never),
    property("licenseProcessingState", Complex, Never),
    property("onPremisesExtensionAttributes", Complex, Never),
    property("organizationId", Text(36), Never),
    // Alternate key, immutable once set (section H).
    property("uniqueName", Text(256), Mastered),
];

const CONTACT: &[Property] = &[
    default("id", Text(36), Never),
    default("deletedDateTime", Instant, Never),
    default("addresses", ComplexList, Never),
    default("companyName", Text(256), Never),
    default("department", Text(256), Never),
    default("displayName", Text(256), Never),
    default("givenName", Text(256), Never),
    default("jobTitle", Text(256), Never),
    default("mail", Text(256), Never),
    default("mailNickname", Text(256), Never),
    default("onPremisesLastSyncDateTime", Instant, Never),
    default("onPremisesProvisioningErrors", ComplexList, Never),
    default("onPremisesSyncEnabled", Flag, Never),
    default("phones", ComplexList, Never),
    default("proxyAddresses", TextList, Never),
    default("serviceProvisioningErrors", ComplexList, Never),
    default("surname", Text(256), Never),
];

/// The declared property of that name, compared without case (as `$select` does).
pub(crate) fn find(kind: Kind, name: &str) -> Option<&'static Property> {
    kind.properties().iter().find(|property| property.name.eq_ignore_ascii_case(name))
}

/// A directory extension, `extension_<application id without dashes>_<name>`: an open, writable property.
pub(crate) fn is_directory_extension(name: &str) -> bool {
    name.strip_prefix("extension_").is_some_and(|rest| {
        rest.len() > 33 && rest.as_bytes()[32] == b'_' && rest.as_bytes()[..32].iter().all(u8::is_ascii_hexdigit)
    })
}

/// Whether a change to it makes a delta entry.
pub(crate) fn is_tracked(kind: Kind, name: &str) -> bool {
    find(kind, name).is_none_or(|property| !property.elsewhere)
}

/// What Graph answers for a property that has no value.
pub(crate) fn empty_value(kind: Kind, name: &str) -> Value {
    match find(kind, name) {
        // Declared as not nullable: the service prints the type's zero, or its default.
        Some(Property { name: "birthday" | "hireDate", .. }) => json!("0001-01-01T00:00:00Z"),
        Some(Property { name: "deviceEnrollmentLimit", .. }) => json!(5),
        Some(property) if matches!(property.shape, TextList | ComplexList) => json!([]),
        Some(property) if property.name == "onPremisesExtensionAttributes" && kind == Kind::User => {
            extension_attributes(None)
        }
        _ => Value::Null,
    }
}

/// All fifteen extension attributes, with null where unset.
pub(crate) fn extension_attributes(set: Option<&Map<String, Value>>) -> Value {
    let mut all = Map::new();
    for number in 1..=15 {
        let name = format!("extensionAttribute{number}");
        let value = set.and_then(|set| set.get(&name)).cloned().unwrap_or(Value::Null);
        all.insert(name, value);
    }
    Value::Object(all)
}

/// Length in UTF-16 units, the unit of the service's limits.
pub(crate) fn utf16_length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Checks one value of a request body against the declared shape. Null is judged by the caller's rules.
pub(crate) fn check_shape(kind: Kind, property: &Property, value: &Value) -> GraphResult<()> {
    let fits = match (property.shape, value) {
        (_, Value::Null) => true,
        (Text(longest), Value::String(text)) => {
            if utf16_length(text) > longest {
                let why = format!("The value is longer than {longest} characters.");
                return Err(GraphError::invalid_value(property.name, kind.resource(), &why));
            }
            true
        }
        (Flag, Value::Bool(_)) => true,
        (Number, Value::Number(_)) => true,
        (Instant, Value::String(text)) => text.parse::<jiff::Timestamp>().is_ok(),
        (TextList, Value::Array(items)) => items.iter().all(Value::is_string),
        (Complex, Value::Object(_)) => true,
        (ComplexList, Value::Array(items)) => items.iter().all(Value::is_object),
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err(GraphError::bad_request(format!(
            "A value of the wrong type was given for property '{}' of resource '{}'.",
            property.name,
            kind.resource()
        )))
    }
}

/// Reads the properties of a create or update body: unknown names, read-only properties and wrong shapes are refused,
/// so that nothing of the body is applied. Annotations (`@odata...`) are left to the caller. `creating` lets
/// create-only properties through.
pub(crate) fn read_body(kind: Kind, body: &Map<String, Value>, creating: bool) -> GraphResult<Vec<(String, Value)>> {
    let mut changes = Vec::new();
    for (name, value) in body {
        if name.contains('@') {
            continue;
        }
        if is_directory_extension(name) {
            check_directory_extension(name, value)?;
        } else {
            check_property(kind, name, value, creating)?;
        }
        changes.push((name.clone(), value.clone()));
    }
    Ok(changes)
}

fn check_property(kind: Kind, name: &str, value: &Value, creating: bool) -> GraphResult<()> {
    // Body names are case-sensitive, unlike `$select`.
    let Some(property) = find(kind, name).filter(|property| property.name == name) else {
        return Err(GraphError::bad_request(format!(
            "Property '{name}' does not exist as a declared property or extension property of resource '{}'.",
            kind.resource()
        )));
    };
    match property.writable {
        Never => Err(GraphError::read_only(name)),
        Once if !creating => Err(GraphError::read_only(name)),
        Once | Mastered | Always => check_shape(kind, property, value),
    }
}

fn check_directory_extension(name: &str, value: &Value) -> GraphResult<()> {
    if value.is_object() || value.as_str().is_some_and(|text| utf16_length(text) > 256) {
        let why = "Only plain values of at most 256 characters.";
        return Err(GraphError::invalid_value(name, "directory extension", why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_set_of_users_has_eleven_properties() {
        let names: Vec<_> = USER.iter().filter(|p| p.default).map(|p| p.name).collect();
        assert_eq!(
            names,
            [
                "businessPhones",
                "displayName",
                "givenName",
                "id",
                "jobTitle",
                "mail",
                "mobilePhone",
                "officeLocation",
                "preferredLanguage",
                "surname",
                "userPrincipalName"
            ]
        );
    }

    #[test]
    fn lengths_count_utf16_units() {
        let department = find(Kind::User, "department").unwrap();
        assert!(check_shape(Kind::User, department, &json!("🔑".repeat(32))).is_ok());
        assert!(check_shape(Kind::User, department, &json!("🔑".repeat(33))).is_err());
    }

    #[test]
    fn extension_names_are_recognised() {
        assert!(is_directory_extension("extension_0123456789abcdef0123456789abcdef_costCentre"));
        assert!(!is_directory_extension("extension_costCentre"));
    }
}
