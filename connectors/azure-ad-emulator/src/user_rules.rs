//! The rules for values of a user that need more than the value itself (A.3): sign-in names and their domains,
//! uniqueness, what `mail` does to the proxy addresses, merging of extension attributes. Judges and derives; stores
//! nothing.

use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::entry::{Entry, smtp_address};
use crate::errors::{GraphError, GraphResult};
use crate::guid::Guid;
use crate::indexes::Table;
use crate::knobs::MailClash;
use crate::schema::{Kind, utf16_length};

const USER: &str = "User";

/// Longest local part and longest sign-in name (A.3).
const LONGEST_LOCAL: usize = 64;
const LONGEST_SIGN_IN_NAME: usize = 113;
const NICKNAME_FORBIDDEN: &str = "@()\\[]\";:<>, ";

/// Checks every change of a create (`existing` is none) or update. The whole body is judged before anything is stored.
pub(crate) fn check(cx: &Context<'_>, existing: Option<&Entry>, changes: &[(String, Value)]) -> GraphResult<()> {
    for (name, value) in changes {
        if value.as_str() == Some("") {
            return Err(GraphError::invalid_value(name, USER, "An empty string is not a value; null clears."));
        }
        match name.as_str() {
            "displayName" if value.is_null() => {
                return Err(GraphError::invalid_value(name, USER, "It cannot be cleared."));
            }
            "accountEnabled" if value.is_null() => return Err(GraphError::missing_value(name, USER)),
            "userPrincipalName" => check_sign_in_name(cx, existing.map(|entry| entry.id), value)?,
            "mailNickname" => check_nickname(value)?,
            "businessPhones" if value.as_array().is_some_and(|phones| phones.len() > 1) => {
                return Err(GraphError::invalid_value(name, USER, "Only one number can be set."));
            }
            "usageLocation" => check_usage_location(existing, value)?,
            "userType" if !value.is_null() && value != "Member" && value != "Guest" => {
                return Err(GraphError::invalid_value(name, USER, "It is Member or Guest."));
            }
            "onPremisesImmutableId" => check_immutable_id(cx, existing.map(|entry| entry.id), value)?,
            "onPremisesExtensionAttributes" => check_extension_attributes(value)?,
            "mail" => check_mail(cx, existing.map(|entry| entry.id), value)?,
            "passwordProfile" => check_password_profile(value)?,
            _ => {}
        }
    }
    check_federation(cx, existing, changes)
}

fn changed<'a>(changes: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    changes.iter().find(|(changed, _)| changed == name).map(|(_, value)| value)
}

/// Local part, verified domain, uniqueness without case over sign-in names and other objects' addresses.
pub(crate) fn check_sign_in_name(cx: &Context<'_>, own: Option<Guid>, value: &Value) -> GraphResult<()> {
    let invalid = |why: &str| Err(GraphError::invalid_value("userPrincipalName", USER, why));
    let Some(name) = value.as_str() else {
        return Err(GraphError::missing_value("userPrincipalName", USER));
    };
    let Some((local, domain)) = name.rsplit_once('@') else {
        return invalid("It has the form local@domain.");
    };
    if local.is_empty() || local.len() > LONGEST_LOCAL || name.len() > LONGEST_SIGN_IN_NAME {
        return invalid("The local part has 1 to 64 characters, the whole at most 113.");
    }
    if !local.chars().all(|c| c.is_ascii_alphanumeric() || "'.-_!#^~".contains(c)) || local.ends_with('.') {
        return invalid("It contains characters that are not allowed.");
    }
    if !cx.directory.facts.domain(domain).is_some_and(|domain| domain.is_verified) {
        return Err(GraphError::bad_request(
            "The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain \
             names in your organization.",
        ));
    }
    let same_name = cx.directory.holders(Table::UserPrincipalName, name);
    let same_address = cx.directory.holders(Table::Proxy, &format!("smtp:{name}")).filter(|e| e.is_live());
    match same_name.chain(same_address).find(|holder| Some(holder.id) != own) {
        Some(holder) => Err(GraphError::conflict("userPrincipalName", Some(holder_name(holder)))),
        None => Ok(()),
    }
}

fn holder_name(holder: &Entry) -> String {
    format!("{}_{}", holder.kind.resource(), holder.id)
}

fn check_nickname(value: &Value) -> GraphResult<()> {
    let Some(nickname) = value.as_str() else {
        return Err(GraphError::missing_value("mailNickname", USER));
    };
    if nickname.chars().any(|c| NICKNAME_FORBIDDEN.contains(c) || c.is_control()) {
        return Err(GraphError::invalid_value("mailNickname", USER, "It contains characters that are not allowed."));
    }
    Ok(())
}

fn check_usage_location(existing: Option<&Entry>, value: &Value) -> GraphResult<()> {
    match value.as_str() {
        Some(code) if code.len() == 2 && code.chars().all(|c| c.is_ascii_alphabetic()) => Ok(()),
        None if existing.is_none_or(|entry| entry.text("usageLocation").is_none()) => Ok(()),
        None => Err(GraphError::invalid_value("usageLocation", USER, "It cannot be cleared.")),
        Some(_) => Err(GraphError::invalid_value("usageLocation", USER, "It is a two-letter country code.")),
    }
}

fn check_immutable_id(cx: &Context<'_>, own: Option<Guid>, value: &Value) -> GraphResult<()> {
    let Some(id) = value.as_str() else { return Ok(()) };
    if id.contains(['$', '_']) {
        let why = "It contains characters that are not allowed.";
        return Err(GraphError::invalid_value("onPremisesImmutableId", USER, why));
    }
    let mut holders = cx.directory.holders(Table::ImmutableId, id);
    match holders.find(|entry| Some(entry.id) != own && entry.text("onPremisesImmutableId") == Some(id)) {
        Some(holder) => Err(GraphError::conflict("onPremisesImmutableId", Some(holder_name(holder)))),
        None => Ok(()),
    }
}

fn check_extension_attributes(value: &Value) -> GraphResult<()> {
    for (name, value) in value.as_object().into_iter().flatten() {
        if name.starts_with('@') {
            continue;
        }
        let number = name.strip_prefix("extensionAttribute").and_then(|number| number.parse::<u32>().ok());
        if !number.is_some_and(|number| (1..=15).contains(&number)) {
            return Err(GraphError::bad_request(format!(
                "There is no property '{name}' on onPremisesExtensionAttributes."
            )));
        }
        let fits = value.is_null() || value.as_str().is_some_and(|text| !text.is_empty() && utf16_length(text) <= 1024);
        if !fits {
            return Err(GraphError::invalid_value(name, USER, "It is text of 1 to 1024 characters, or null."));
        }
    }
    Ok(())
}

fn check_mail(cx: &Context<'_>, own: Option<Guid>, value: &Value) -> GraphResult<()> {
    let Some(mail) = value.as_str() else { return Ok(()) };
    let shaped = mail.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && domain.contains('.') && !domain.contains('@') && !mail.contains(char::is_whitespace)
    });
    if !shaped {
        return Err(GraphError::invalid_value("mail", USER, "It is not a mail address."));
    }
    match (address_holder(cx, own, mail), cx.knobs.mail_clash) {
        (Some(holder), MailClash::Refuse) => Err(GraphError::conflict("proxyAddresses", Some(holder_name(holder)))),
        _ => Ok(()),
    }
}

/// Who else holds the address: as a proxy address, or as a sign-in name.
pub(crate) fn address_holder<'a>(cx: &'a Context<'_>, own: Option<Guid>, address: &str) -> Option<&'a Entry> {
    let proxies = cx.directory.holders(Table::Proxy, &format!("smtp:{address}"));
    let names = cx.directory.holders(Table::UserPrincipalName, address);
    proxies.chain(names).find(|holder| Some(holder.id) != own)
}

/// The password is looked at, never kept.
fn check_password_profile(value: &Value) -> GraphResult<()> {
    let Some(password) = value.get("password").and_then(Value::as_str) else {
        // Changing the flags alone is allowed on update; creation asks for the password before.
        return if value.is_object() { Ok(()) } else { Err(GraphError::missing_value("passwordProfile", USER)) };
    };
    let classes = [
        password.chars().any(|c| c.is_ascii_lowercase()),
        password.chars().any(|c| c.is_ascii_uppercase()),
        password.chars().any(|c| c.is_ascii_digit()),
        password.chars().any(|c| !c.is_ascii_alphanumeric()),
    ];
    let strong = (8..=256).contains(&utf16_length(password)) && classes.iter().filter(|class| **class).count() >= 3;
    if strong {
        Ok(())
    } else {
        Err(GraphError::bad_request(
            "The specified password does not comply with password complexity requirements. Please provide a different \
             password.",
        ))
    }
}

/// A federated domain needs an immutable id (A.3).
fn check_federation(cx: &Context<'_>, existing: Option<&Entry>, changes: &[(String, Value)]) -> GraphResult<()> {
    let Some(name) = changed(changes, "userPrincipalName").and_then(Value::as_str) else {
        return Ok(());
    };
    let domain = name.rsplit_once('@').map_or("", |(_, domain)| domain);
    if !cx.directory.facts.domain(domain).is_some_and(|domain| domain.is_federated) {
        return Ok(());
    }
    let held = existing.and_then(|entry| entry.text("onPremisesImmutableId"));
    let anchored = match changed(changes, "onPremisesImmutableId") {
        Some(value) => !value.is_null(),
        None => held.is_some(),
    };
    if anchored { Ok(()) } else { Err(GraphError::missing_value("onPremisesImmutableId", USER)) }
}

/// Turns checked changes into what is stored: reverts and normalisations of the knobs, merged extension attributes, the
/// password left out, proxy addresses that follow `mail`.
pub(crate) fn stored(
    cx: &Context<'_>,
    existing: Option<&Entry>,
    changes: Vec<(String, Value)>,
) -> Vec<(String, Value)> {
    let mut stored = cx.knobs.stored_changes(changes);
    for (name, value) in &mut stored {
        match name.as_str() {
            "onPremisesExtensionAttributes" => *value = merged_extension_attributes(existing, value),
            "passwordProfile" => *value = password_flags(existing, value),
            "usageLocation" => {
                if let Some(code) = value.as_str() {
                    *value = json!(code.to_ascii_uppercase());
                }
            }
            _ => {}
        }
    }
    let mail = changed(&stored, "mail").cloned();
    if let Some(mail) = mail {
        let addresses = addresses_after(cx, existing, mail.as_str());
        stored.push(("proxyAddresses".to_owned(), json!(addresses)));
    }
    stored
}

fn merged_extension_attributes(existing: Option<&Entry>, sent: &Value) -> Value {
    let Some(sent) = sent.as_object() else {
        return Value::Null;
    };
    let held = existing.and_then(|entry| entry.properties.get("onPremisesExtensionAttributes"));
    let mut merged: Map<String, Value> = held.and_then(Value::as_object).cloned().unwrap_or_default();
    merged.extend(
        sent.iter().filter(|(name, _)| !name.starts_with('@')).map(|(name, value)| (name.clone(), value.clone())),
    );
    Value::Object(merged)
}

/// What Graph shows of a password profile: the flags, never a password.
fn password_flags(existing: Option<&Entry>, sent: &Value) -> Value {
    let held = existing.and_then(|entry| entry.properties.get("passwordProfile"));
    let flag = |name: &str, unset: bool| {
        let sent = sent.get(name).and_then(Value::as_bool);
        sent.or_else(|| held.and_then(|held| held.get(name)).and_then(Value::as_bool)).unwrap_or(unset)
    };
    json!({
        "forceChangePasswordNextSignIn": flag("forceChangePasswordNextSignIn", true),
        "forceChangePasswordNextSignInWithMfa": flag("forceChangePasswordNextSignInWithMfa", false),
        "password": null,
    })
}

/// Setting `mail` makes it the primary address and the old primary a secondary one; clearing it leaves all addresses,
/// none primary. An address that another object holds is left out where the knob says so.
fn addresses_after(cx: &Context<'_>, existing: Option<&Entry>, mail: Option<&str>) -> Vec<String> {
    let own = existing.map(|entry| entry.id);
    let held: Vec<&str> = existing.map(|entry| entry.list("proxyAddresses").collect()).unwrap_or_default();
    let mail = mail.filter(|mail| address_holder(cx, own, mail).is_none());
    let mut addresses: Vec<String> = mail.map(|mail| format!("SMTP:{mail}")).into_iter().collect();
    for address in held {
        match smtp_address(address) {
            Some(bare) if mail.is_some_and(|mail| mail.eq_ignore_ascii_case(bare)) => {}
            Some(bare) => addresses.push(format!("smtp:{bare}")),
            None => addresses.push(address.to_owned()),
        }
    }
    addresses
}

/// Whether the user holds an active directory role, directly or through a group that can be assigned to roles.
pub(crate) fn is_privileged(cx: &Context<'_>, user: &Entry) -> bool {
    debug_assert_eq!(user.kind, Kind::User);
    let active = &cx.directory.facts.active_roles;
    if active.is_empty() {
        return false;
    }
    let holds = |id: Guid| active.iter().any(|grant| grant.principal == id);
    holds(user.id)
        || cx.directory.transitive_groups_of(user.id).iter().any(|group| group.is_role_assignable() && holds(group.id))
}
