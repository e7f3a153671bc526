//! Taking an existing cloud object over: what it holds is read just before, and enough of that is sent for the service to
//! find the same object again that the engine matched. Refuses what became somebody else's meanwhile; sends nothing itself.

use super::references::Managers;
use super::words::anchor_attribute;
use crate::client::GraphClient;
use crate::errors::problem;
use crate::import::whole_object;
use crate::provisioning::DirSyncFeatures;
use crate::schema::{CONTACT, Class, DELETED_USER, GROUP, IMMUTABLE_ID, SYNC_ENABLED, USER};
use crate::urls;
use connector_contract::{ConnectorError, ExportOutcome};
use metaverse_schema::{Attributes, Value, Values};
use std::collections::BTreeMap;

/// By what the service matches (D.1), what it needs of any object, and what it would compute anew (D.3).
const MATCHED_BY: [&str; 6] =
    ["displayName", "mail", "mailNickname", "proxyAddresses", "securityEnabled", "userPrincipalName"];

/// An object as Graph shows it now; none: it is not there.
pub(crate) type Present = Result<Option<Attributes>, ConnectorError>;

/// What an object that is to be taken over holds.
#[derive(Debug)]
pub(crate) struct HeldObject {
    pub(crate) attributes: Attributes,
}

impl HeldObject {
    /// Those of its attributes that the service matches by.
    pub(crate) fn match_attributes(&self) -> Attributes {
        let value = |name: &&str| Some(((*name).into(), self.attributes.get(name)?.clone()));
        MATCHED_BY.iter().filter_map(value).collect()
    }
}

/// The objects that are to be taken over, by object id.
pub(crate) async fn read_present(
    graph: &GraphClient,
    wanted: &[(&'static Class, String)],
) -> BTreeMap<String, Present> {
    let mut present = BTreeMap::new();
    for class in [USER, GROUP, CONTACT, DELETED_USER] {
        let ids: Vec<&String> = wanted.iter().filter(|(of, _)| of.name == class.name).map(|(_, id)| id).collect();
        if ids.is_empty() {
            continue;
        }
        let select = class.select_properties();
        let path = |id: &&String| match class.name == DELETED_USER.name {
            true => urls::deleted_user(id, &select),
            false => urls::object_selecting(class, id, &select),
        };
        let attempted = "reading objects before they are taken over";
        match graph.find_all(ids.iter().map(path).collect(), attempted, class.right).await {
            Ok(found) => present.extend(ids.into_iter().cloned().zip(found.into_iter().map(|body| {
                let entry = body.as_ref().and_then(serde_json::Value::as_object);
                Ok(entry.and_then(|entry| whole_object(class, entry).ok()).map(|object| object.attributes))
            }))),
            Err(error) => present.extend(ids.into_iter().map(|id| (id.clone(), Err(error.clone())))),
        }
    }
    present
}

/// What the object holds, unless it must not be taken over any more.
pub(crate) fn held(
    class: &Class,
    id: &str,
    anchor: &str,
    present: &BTreeMap<String, Present>,
) -> Result<HeldObject, ExportOutcome> {
    let refused = |code: &str, message: String, remedy: &str, retry: bool| {
        Err(ExportOutcome::Refused(problem(code, None, message, remedy, retry)))
    };
    let attributes = match present.get(id) {
        Some(Ok(Some(attributes))) => attributes.clone(),
        Some(Err(error)) => {
            return Err(ExportOutcome::NotSettled { may_have_arrived: false, message: error.to_string() });
        }
        Some(Ok(None)) | None => {
            let message = format!("the {} {id} is not there", class.name);
            return refused("cd-missing-object", message, "the next import tells whether the object is gone", true);
        }
    };
    let carried = attributes.text(IMMUTABLE_ID).filter(|_| anchor_attribute(class) == IMMUTABLE_ID);
    if carried.is_some_and(|carried| carried != anchor) {
        let message = format!("the {} {id} carries another anchor now", class.name);
        let remedy = "import and synchronise again: it is decided anew who it belongs to";
        return refused("stale-anchor", message, remedy, false);
    }
    let synced = attributes.first(SYNC_ENABLED) == Some(&Value::Boolean(true));
    if synced && carried.is_none() && class.name == USER.name {
        let message = format!("the {} {id} is synchronised under an anchor that cannot be read", class.name);
        return refused("synchronised-elsewhere", message, "run a full import", false);
    }
    Ok(HeldObject { attributes })
}

/// By what the service will find an object again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FoundBy {
    /// It is synchronised, or carries the anchor of a user.
    Anchor,
    Address,
    /// The anchor under which it was synchronised before synchronisation was switched off. That the service still knows it is
    /// likely and not documented: it has to be proven on one object first.
    FormerAnchor,
}

/// By what the service will find the object again, or why it would not: then it would make a second object (D.1).
pub(crate) fn evidence(
    class: &Class,
    held: &HeldObject,
    sent: &Attributes,
    anchor: &str,
    features: DirSyncFeatures,
    return_by_anchor: bool,
) -> Result<FoundBy, ExportOutcome> {
    let refused = |code: &str, message: &str, remedy: &str| {
        Err(ExportOutcome::Refused(problem(code, None, format!("the {} {message}", class.name), remedy, false)))
    };
    let held = &held.attributes;
    let is_user = class.name == USER.name;
    if held.first(SYNC_ENABLED) == Some(&Value::Boolean(true)) {
        return Ok(FoundBy::Anchor);
    }
    if is_user && held.text(IMMUTABLE_ID) == Some(anchor) {
        if features.contains(DirSyncFeatures::BLOCK_TAKEOVER_BY_HARD_MATCH) {
            let message = "carries this anchor, and the tenant lets no cloud object be taken over by its anchor";
            let remedy = "switch BlockCloudObjectTakeoverThroughHardMatch off for the time of the takeover, or clear the \
                          anchor on the cloud user, so that it is matched by its address";
            return refused("InvalidHardMatch", message, remedy);
        }
        return Ok(FoundBy::Anchor);
    }
    // False, and not nothing: it was synchronised once (A.3).
    let returns = return_by_anchor && !is_user && held.first(SYNC_ENABLED) == Some(&Value::Boolean(false));
    if features.contains(DirSyncFeatures::BLOCK_SOFT_MATCH) {
        if returns {
            return Ok(FoundBy::FormerAnchor);
        }
        let message = "can only be found by its address or sign-in name, and the tenant blocks that";
        return refused("InvalidSoftMatch", message, "switch BlockSoftMatch off for the time of the takeover");
    }
    let same = |one: Option<&str>, other: Option<&str>| {
        one.zip(other).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
    };
    let primary = addresses(sent).find_map(|address| address.strip_prefix("SMTP:"));
    let by_address = primary.is_some_and(|primary| {
        let is_it = |address: &str| {
            address.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case("smtp:"))
                && address.get(5..).is_some_and(|rest| rest.eq_ignore_ascii_case(primary))
        };
        addresses(held).any(is_it) || same(held.text("mail"), Some(primary))
    });
    let name = "userPrincipalName";
    let by_name =
        is_user && features.contains(DirSyncFeatures::SOFT_MATCH_ON_UPN) && same(held.text(name), sent.text(name));
    if by_address || by_name {
        return Ok(FoundBy::Address);
    }
    if returns {
        return Ok(FoundBy::FormerAnchor);
    }
    let message = "has neither this anchor nor the same primary address: the service would make a second object";
    let remedy = if is_user {
        "give both sides the same primary address; by sign-in name alone the tenant matches only with EnableSoftMatchOnUpn"
    } else {
        "give both sides the same primary address: the service matches groups and contacts by nothing else"
    };
    refused("limitation-takeover", message, remedy)
}

fn addresses(attributes: &Attributes) -> impl Iterator<Item = &str> {
    attributes.get("proxyAddresses").into_iter().flatten().filter_map(Value::as_text)
}

/// Sees to it that the service can match: a primary address counts only as an upper-case `SMTP:` address (D.1), which it makes
/// of `mail` itself once the object is there.
pub(crate) fn complete(class: &Class, attributes: &mut Attributes) {
    let addresses = attributes.get("proxyAddresses").cloned().unwrap_or_default();
    let has_primary = addresses.iter().any(|value| value.as_text().is_some_and(|text| text.starts_with("SMTP:")));
    let Some(mail) = attributes.text("mail").filter(|mail| !has_primary && mail.contains('@')) else { return };
    if class.property("proxyAddresses").is_none() {
        return;
    }
    let primary = format!("SMTP:{mail}");
    // The same address as a secondary one gives way to it.
    let others =
        addresses.iter().filter(|value| value.as_text().is_none_or(|text| !text.eq_ignore_ascii_case(&primary)));
    let all: Values = std::iter::once(Value::text(primary.clone())).chain(others.cloned()).collect();
    attributes.set("proxyAddresses", all);
}

/// The source anchors of these users.
pub(super) async fn source_anchors(graph: &GraphClient, ids: Vec<String>) -> Managers {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let select = format!("id,{IMMUTABLE_ID},{SYNC_ENABLED}");
    let paths = ids.iter().map(|id| urls::object_selecting(USER, id, &select)).collect();
    let found = graph.find_all(paths, "reading the managers' anchors", USER.right).await?;
    let anchor = |(id, body): (String, Option<serde_json::Value>)| {
        let body = body?;
        // An anchor that nobody synchronises is a stamp, and no name that the service knows.
        let synced = body.get(SYNC_ENABLED)?.as_bool() == Some(true);
        let anchor = body.get(IMMUTABLE_ID)?.as_str()?.to_owned();
        synced.then_some((id, anchor))
    };
    Ok(ids.into_iter().zip(found).filter_map(anchor).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(pairs: &[(&str, &[&str])]) -> Attributes {
        let values = |texts: &[&str]| texts.iter().map(|text| Value::text(*text)).collect::<Values>();
        pairs.iter().map(|(name, texts)| ((*name).into(), values(texts))).collect()
    }

    /// SF10: a match by `mail` must be one for the service too.
    #[test]
    fn a_primary_address_is_made_of_mail_where_there_is_none() {
        let completed = |pairs: &[(&str, &[&str])]| {
            let mut all = attributes(pairs);
            complete(USER, &mut all);
            let addresses = all.get("proxyAddresses").cloned().unwrap_or_default();
            addresses.iter().map(Value::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(completed(&[("mail", &["ann@x"])]), "SMTP:ann@x");
        assert_eq!(
            completed(&[("mail", &["ann@x"]), ("proxyAddresses", &["smtp:ANN@x", "smtp:b@x"])]),
            "SMTP:ann@x smtp:b@x"
        );
        assert_eq!(completed(&[("mail", &["ann@x"]), ("proxyAddresses", &["SMTP:other@x"])]), "SMTP:other@x");
        assert_eq!(completed(&[("mail", &["ann"])]), "");
    }

    /// D.1: nothing is sent by which the service would make a second object; a switch of the tenant that is in the way is named.
    #[test]
    fn a_takeover_needs_evidence_that_the_service_accepts() {
        let judged = |class, held: &[(&str, &[&str])], sent: &[(&str, &[&str])], features: DirSyncFeatures| {
            let held = HeldObject { attributes: attributes(held) };
            match evidence(class, &held, &attributes(sent), "ours", features, true) {
                Ok(_) => "goes".to_owned(),
                Err(ExportOutcome::Refused(problem)) => problem.code,
                Err(other) => format!("{other:?}"),
            }
        };
        let none = DirSyncFeatures::default();
        let primary: &[(&str, &[&str])] = &[("proxyAddresses", &["SMTP:ann@x"])];
        let secondary: &[(&str, &[&str])] = &[("proxyAddresses", &["smtp:Ann@x", "SMTP:other@x"])];
        let stamped: &[(&str, &[&str])] = &[(IMMUTABLE_ID, &["ours"])];
        let named: &[(&str, &[&str])] = &[("userPrincipalName", &["ann@x"])];
        assert_eq!(judged(USER, primary, primary, none), "goes");
        assert_eq!(judged(USER, secondary, primary, none), "goes");
        assert_eq!(judged(USER, &[("mail", &["ANN@x"])], primary, none), "goes");
        assert_eq!(judged(USER, stamped, &[], none), "goes");
        assert_eq!(judged(USER, named, named, DirSyncFeatures::SOFT_MATCH_ON_UPN), "goes");
        assert_eq!(judged(USER, named, named, none), "limitation-takeover");
        assert_eq!(judged(USER, primary, secondary, none), "limitation-takeover");
        assert_eq!(judged(GROUP, named, named, DirSyncFeatures::SOFT_MATCH_ON_UPN), "limitation-takeover");
        assert_eq!(judged(GROUP, primary, primary, none), "goes");
        assert_eq!(judged(USER, primary, primary, DirSyncFeatures::BLOCK_SOFT_MATCH), "InvalidSoftMatch");
        assert_eq!(judged(USER, stamped, &[], DirSyncFeatures::BLOCK_TAKEOVER_BY_HARD_MATCH), "InvalidHardMatch");
        assert_eq!(judged(USER, stamped, &[], DirSyncFeatures::BLOCK_SOFT_MATCH), "goes");
    }

    /// A.10: a group that was synchronised until synchronisation was switched off can return under its anchor, one that never was
    /// cannot; a user only by what D.1 says of users; and not where the settings say that the service does not do that.
    #[test]
    fn what_was_synchronised_before_returns_by_its_anchor() {
        let found = |class, synced: Option<bool>, with_address: bool, returns: bool, features| {
            let pairs: &[(&str, &[&str])] = if with_address { &[("proxyAddresses", &["SMTP:crew@x"])] } else { &[] };
            let mut held = attributes(pairs);
            if let Some(synced) = synced {
                held.set(SYNC_ENABLED, Value::Boolean(synced));
            }
            evidence(class, &HeldObject { attributes: held }, &attributes(pairs), "ours", features, returns).ok()
        };
        let none = DirSyncFeatures::default();
        assert_eq!(found(GROUP, Some(false), false, true, none), Some(FoundBy::FormerAnchor));
        assert_eq!(found(CONTACT, Some(false), true, true, none), Some(FoundBy::Address), "an address proves more");
        let blocked = DirSyncFeatures::BLOCK_SOFT_MATCH;
        assert_eq!(found(GROUP, Some(false), true, true, blocked), Some(FoundBy::FormerAnchor));
        assert_eq!(found(GROUP, None, false, true, none), None);
        assert_eq!(found(GROUP, Some(false), false, false, none), None);
        assert_eq!(found(USER, Some(false), false, true, none), None);
    }

    /// What became somebody else's between the decision and the export is left alone.
    #[test]
    fn an_object_that_changed_hands_is_not_taken_over() {
        let with = |pairs: &[(&str, &[&str])], synced: bool| {
            let mut all = attributes(pairs);
            if synced {
                all.set(SYNC_ENABLED, Value::Boolean(true));
            }
            let present = BTreeMap::from([("u".to_owned(), Ok(Some(all)))]);
            match held(USER, "u", "ours", &present) {
                Ok(_) => "taken over".to_owned(),
                Err(ExportOutcome::Refused(problem)) => problem.code,
                Err(other) => format!("{other:?}"),
            }
        };
        assert_eq!(with(&[("mail", &["a@x"])], false), "taken over");
        assert_eq!(with(&[(IMMUTABLE_ID, &["ours"])], true), "taken over");
        assert_eq!(with(&[(IMMUTABLE_ID, &["theirs"])], false), "stale-anchor");
        assert_eq!(with(&[(IMMUTABLE_ID, &["theirs"])], true), "stale-anchor");
        assert_eq!(with(&[], true), "synchronised-elsewhere");
        assert!(
            matches!(held(USER, "v", "ours", &BTreeMap::new()), Err(ExportOutcome::Refused(problem)) if problem.code == "cd-missing-object")
        );
    }
}
