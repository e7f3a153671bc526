//! What the contract's schemas cannot say of a written body: properties that a create needs, and properties that only the
//! service sets. From the API pages that are named beside each table.

use serde_json::Value;

/// Properties that a create must carry: learn.microsoft.com/graph/api/user-post-users and group-post-groups; the upsert by
/// unique name needs those of a create.
const REQUIRED: [(&str, &str, &[&str]); 3] = [
    ("post", "/users", &["accountEnabled", "displayName", "mailNickname", "passwordProfile", "userPrincipalName"]),
    ("post", "/groups", &["displayName", "mailEnabled", "mailNickname", "securityEnabled"]),
    ("patch", "/groups(uniqueName='{uniqueName}')", &["displayName", "mailEnabled", "mailNickname", "securityEnabled"]),
];

/// Properties that no client sets: learn.microsoft.com/graph/api/resources/user and group, "Read-only".
const READ_ONLY: [&str; 24] = [
    "id",
    "assignedLicenses",
    "assignedPlans",
    "createdDateTime",
    "deletedDateTime",
    "imAddresses",
    "isAssignableToRole",
    "lastPasswordChangeDateTime",
    "licenseAssignmentStates",
    "onPremisesDistinguishedName",
    "onPremisesDomainName",
    "onPremisesLastSyncDateTime",
    "onPremisesNetBiosName",
    "onPremisesProvisioningErrors",
    "onPremisesSamAccountName",
    "onPremisesSecurityIdentifier",
    "onPremisesSyncEnabled",
    "onPremisesUserPrincipalName",
    "provisionedPlans",
    "proxyAddresses",
    "renewedDateTime",
    "securityIdentifier",
    "serviceProvisioningErrors",
    "signInActivity",
];

/// Paths whose bodies are users or groups.
const OBJECTS: [&str; 5] =
    ["/users", "/users/{user-id}", "/groups", "/groups/{group-id}", "/groups(uniqueName='{uniqueName}')"];

/// What is missing in a body, or must not be in it.
pub(crate) fn mismatches(method: &str, path: &str, body: &Value) -> Vec<String> {
    if !OBJECTS.contains(&path) {
        return Vec::new();
    }
    let required = REQUIRED.iter().find(|(known, of, _)| (*known, *of) == (method, path)).map_or(&[][..], |it| it.2);
    let missing = required.iter().filter(|name| body[**name].is_null()).map(|name| format!("{name} is required"));
    let forbidden = READ_ONLY.iter().filter(|name| body.get(**name).is_some());
    missing.chain(forbidden.map(|name| format!("{name} is read-only"))).collect()
}
