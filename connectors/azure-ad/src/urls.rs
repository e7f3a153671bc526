//! The URLs of Microsoft Graph that this connector uses, built in one place, and the check that a link in a reply
//! leads back to the same service. Never sends anything.
//!
//! Paths are relative to the version root and begin with `/`, as `$batch` wants them (A.7).

use crate::schema::Class;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

/// Everything but the unreserved characters of RFC 3986: an id, a name or a filter never changes the URL around it.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Most objects on a page of a plain collection (A.2).
const PAGE: u32 = 999;

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// A text as an OData literal, quotes doubled.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn equal(property: &str, text: &str) -> String {
    format!("{property} eq {}", literal(text))
}

/// `/users/{id}`, `/groups/{id}`, `/contacts/{id}`.
pub(crate) fn object(class: &Class, id: &str) -> String {
    format!("/{}/{}", class.collection, encoded(id))
}

/// One object with the given properties.
pub(crate) fn object_selecting(class: &Class, id: &str, select: &str) -> String {
    format!("{}?$select={select}", object(class, id))
}

/// The first page of a delta round (A.6): no `$top`, no `$filter`.
pub(crate) fn delta(class: &Class) -> String {
    format!("/{}/delta?$select={}", class.collection, class.select())
}

/// The tenant itself (A.10).
pub(crate) fn organization(id: &str) -> String {
    format!("/organization/{}", encoded(id))
}

/// One of the users that a tool synchronises, if there is any.
pub(crate) fn any_synced_user() -> String {
    format!("/users?$filter={}&$select=id&$top=1", encoded("onPremisesSyncEnabled eq true"))
}

/// All users with the given properties.
pub(crate) fn users_selecting(select: &str) -> String {
    format!("/users?$select={select}&$top={PAGE}")
}

/// What the tenant has subscribed to (A.3).
pub(crate) fn subscribed_skus() -> &'static str {
    "/subscribedSkus"
}

/// Gives a user licences.
pub(crate) fn assign_license(user: &str) -> String {
    format!("/users/{}/assignLicense", encoded(user))
}

/// The recycle bin's users.
pub(crate) fn deleted_users(select: &str) -> String {
    format!("/directory/deletedItems/graph.user?$select={select}&$top={PAGE}")
}

/// One user in the recycle bin.
pub(crate) fn deleted_user(id: &str, select: &str) -> String {
    format!("/directory/deletedItems/{}/graph.user?$select={select}", encoded(id))
}

pub(crate) fn restore(id: &str) -> String {
    format!("/directory/deletedItems/{}/restore", encoded(id))
}

pub(crate) fn revoke_sessions(user: &str) -> String {
    format!("/users/{}/revokeSignInSessions", encoded(user))
}

pub(crate) fn manager(user: &str) -> String {
    format!("/users/{}/manager?$select=id", encoded(user))
}

pub(crate) fn manager_ref(user: &str) -> String {
    format!("/users/{}/manager/$ref", encoded(user))
}

pub(crate) fn users_by_immutable_id(immutable_id: &str) -> String {
    users_by(&[equal("onPremisesImmutableId", immutable_id)])
}

/// Who holds this sign-in name.
pub(crate) fn users_by_name(user_principal_name: &str) -> String {
    users_by(&[equal("userPrincipalName", user_principal_name)])
}

/// Who holds this address.
pub(crate) fn users_by_address(mail: &str) -> String {
    let proxy = equal("address", &format!("smtp:{mail}"));
    users_by(&[equal("mail", mail), format!("proxyAddresses/any(address:{proxy})")])
}

fn users_by(alternatives: &[String]) -> String {
    format!("/users?$filter={}&$select=id,onPremisesImmutableId", encoded(&alternatives.join(" or ")))
}

/// The alternate key of a group (H).
pub(crate) fn group_by_unique_name(unique_name: &str) -> String {
    format!("/groups(uniqueName={})", encoded(&literal(unique_name)))
}

/// The groups that a user or a group is in.
pub(crate) fn member_of(class: &Class, id: &str) -> String {
    format!("{}/memberOf?$select=id&$top={PAGE}", object(class, id))
}

pub(crate) fn members(group: &str) -> String {
    format!("/groups/{}/members?$select=id&$top={PAGE}", encoded(group))
}

/// Adds one member.
pub(crate) fn add_member(group: &str) -> String {
    format!("/groups/{}/members/$ref", encoded(group))
}

/// Removes one member: THE function for it. Without the trailing `/$ref` the service would delete the member object
/// itself (A.4, a documented trap), so no other place may build this URL.
pub(crate) fn remove_member(group: &str, member: &str) -> String {
    format!("/groups/{}/members/{}/$ref", encoded(group), encoded(member))
}

/// `https://graph.microsoft.com/v1.0/directoryObjects/{id}`, as a member reference names its target.
pub(crate) fn directory_object(base: &Url, id: &str) -> String {
    format!("{base}directoryObjects/{}", encoded(id))
}

/// `https://graph.microsoft.com/v1.0/users/{id}`, as a manager reference names its target.
pub(crate) fn user_object(base: &Url, id: &str) -> String {
    format!("{base}users/{}", encoded(id))
}

/// Whose the object is (A.11).
pub(crate) fn sync_behaviour(class: &Class, id: &str) -> String {
    format!("{}/onPremisesSyncBehavior?$select=isCloudManaged", object(class, id))
}

/// The same, to change it.
pub(crate) fn authority(class: &Class, id: &str) -> String {
    format!("{}/onPremisesSyncBehavior", object(class, id))
}

/// Role assignments of one principal: active ones.
pub(crate) fn role_assignments(principal: &str) -> String {
    format!("/roleManagement/directory/roleAssignments?$filter={}", encoded(&equal("principalId", principal)))
}

/// Role assignments of one principal: eligible ones.
pub(crate) fn role_eligibilities(principal: &str) -> String {
    let instances = "/roleManagement/directory/roleEligibilityScheduleInstances";
    format!("{instances}?$filter={}", encoded(&equal("principalId", principal)))
}

/// The same with the roles themselves, for their names.
pub(crate) fn with_role_definitions(path: &str) -> String {
    format!("{path}&$expand=roleDefinition")
}

/// The groups and roles that a user is in, directly or through groups.
pub(crate) fn transitive_member_of(user: &str) -> String {
    format!("/users/{}/transitiveMemberOf?$select=id,displayName,isAssignableToRole&$top={PAGE}", encoded(user))
}

/// A path of this module under the configured root.
pub(crate) fn absolute(base: &Url, path: &str) -> Result<Url, String> {
    let relative = path.strip_prefix('/').unwrap_or(path);
    let url = Url::parse(&format!("{base}{relative}")).map_err(|error| format!("`{path}` makes no URL: {error}"))?;
    inside(base, url)
}

/// A link as it came in a reply, only if it leads to the same service: the access token must not travel elsewhere.
pub(crate) fn followed(base: &Url, link: &str) -> Result<Url, String> {
    let url = Url::parse(link).map_err(|error| format!("the reply holds a link that is no URL: {error}"))?;
    inside(base, url)
}

/// What of a link is kept in a watermark: everything after the configured root, unchanged.
pub(crate) fn relative(base: &Url, link: &Url) -> Option<String> {
    link.as_str().strip_prefix(base.as_str()).map(|rest| format!("/{rest}"))
}

fn inside(base: &Url, url: Url) -> Result<Url, String> {
    let same_service = url.scheme() == base.scheme()
        && url.host_str() == base.host_str()
        && url.port_or_known_default() == base.port_or_known_default()
        && url.username().is_empty()
        && url.password().is_none()
        && url.path().starts_with(base.path());
    if same_service {
        Ok(url)
    } else {
        let host = url.host_str().unwrap_or("no host");
        Err(format!(
            "the reply holds a link to {}://{host}{}, outside {base}; it is not followed because the access token would go there",
            url.scheme(),
            url.path()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    fn base() -> Url {
        Url::parse("https://graph.microsoft.com/v1.0/").unwrap()
    }

    /// A.4: the trap of the missing `/$ref`.
    #[test]
    fn a_member_is_removed_by_reference_only() {
        assert_eq!(remove_member("g1", "u1"), "/groups/g1/members/u1/$ref");
        assert_eq!(remove_member("g/1", "u?1#"), "/groups/g%2F1/members/u%3F1%23/$ref");
    }

    #[test]
    fn names_and_filters_cannot_leave_their_place() {
        assert_eq!(
            users_by_immutable_id("a+b/c=="),
            "/users?$filter=onPremisesImmutableId%20eq%20%27a%2Bb%2Fc%3D%3D%27&$select=id,onPremisesImmutableId"
        );
        assert_eq!(
            role_assignments("x' or 1 eq 1"),
            "/roleManagement/directory/roleAssignments?$filter=principalId%20eq%20%27x%27%27%20or%201%20eq%201%27"
        );
        assert_eq!(
            users_by_name("o'x@a.com"),
            "/users?$filter=userPrincipalName%20eq%20%27o%27%27x%40a.com%27&$select=id,onPremisesImmutableId"
        );
        assert_eq!(group_by_unique_name("ms-o'x"), "/groups(uniqueName=%27ms-o%27%27x%27)");
        assert_eq!(object(schema::USER, "../organization"), "/users/..%2Forganization");
    }

    #[test]
    fn links_to_other_places_are_refused() {
        for link in [
            "https://evil.example/v1.0/users/delta?$skiptoken=1",
            "http://graph.microsoft.com/v1.0/users/delta",
            "https://graph.microsoft.com:8443/v1.0/users/delta",
            "https://graph.microsoft.com@evil.example/v1.0/users",
            "https://user@graph.microsoft.com/v1.0/users",
            "https://graph.microsoft.com/beta/users/delta",
            "https://graph.microsoft.com/v1.0/../beta/users",
            "users/delta",
        ] {
            assert!(followed(&base(), link).is_err(), "{link} was followed");
        }
        let link = "https://graph.microsoft.com/v1.0/users/delta?$deltatoken=a%2Bb";
        let url = followed(&base(), link).unwrap();
        assert_eq!(url.as_str(), link);
        let kept = relative(&base(), &url).unwrap();
        assert_eq!(kept, "/users/delta?$deltatoken=a%2Bb");
        assert_eq!(absolute(&base(), &kept).unwrap(), url);
    }

    #[test]
    fn a_kept_link_cannot_be_turned_elsewhere() {
        assert!(absolute(&base(), "/../beta/users").is_err());
        assert!(absolute(&base(), "//evil.example/users").unwrap().as_str().starts_with(base().as_str()));
        assert!(absolute(&base(), "https://evil.example/").unwrap().host_str() == base().host_str());
    }
}
