//! Password hashes that arrive (B.6): whose they are, whether they may be taken, and whether they have the right form
//! (section C). The tenant keeps no password: a hash is looked at and forgotten.

use serde_json::{Value, json};

use super::envelope::{Fault, Request, in_order, result};
use super::links::is_settled;
use super::matching::{by_anchor, feature, of_cloud_anchor};
use super::names::{AWS, CREDENTIALS, b, flag_of, or_nil, text_of};
use crate::binary_xml::Element;
use crate::context::Context;
use crate::entry::Entry;
use crate::guid::Guid;
use crate::schema::Kind;

const ITEM: [&str; 7] = [
    "ChangeDate",
    "CloudAnchor",
    "CredentialData",
    "ForcePasswordChangeOnLogon",
    "SourceAnchor",
    "WindowsLegacyCredentials",
    "WindowsSupplementalCredentials",
];

/// One hash and whose it is.
struct Change {
    changed: String,
    cloud_anchor: Option<String>,
    source_anchor: Option<String>,
    data: String,
    force_change: bool,
}

/// What became of one hash, for reply and log. `refusal`: number of `Result` and text; the live numbers are not published.
pub(super) struct Outcome {
    pub(super) source_anchor: Option<String>,
    cloud_anchor: Option<String>,
    pub(super) refusal: Option<(u32, &'static str)>,
}

pub(super) fn answer(cx: &mut Context<'_>, request: &Request) -> Result<(Element, Vec<Outcome>), Fault> {
    in_order(&request.body, AWS, &["request"])?;
    let items = request.body.child("request").and_then(|inner| inner.child("RequestItems"));
    let changes = items.into_iter().flat_map(Element::elements).map(read).collect::<Result<Vec<_>, Fault>>()?;
    let outcomes: Vec<Outcome> = changes.into_iter().map(|change| take(cx, change)).collect();
    let results = outcomes.iter().map(|outcome| {
        let number = outcome.refusal.map_or(0, |(number, _)| number);
        b("SyncCredentialsChangeResult", CREDENTIALS)
            .with(or_nil(b("CloudAnchor", CREDENTIALS), outcome.cloud_anchor.clone()))
            .with(or_nil(b("ExtendedErrorInformation", CREDENTIALS), outcome.refusal.map(|(_, text)| text)))
            .with(b("Result", CREDENTIALS).with_text(number.to_string()))
            .with(or_nil(b("SourceAnchor", CREDENTIALS), outcome.source_anchor.clone()))
    });
    let results = b("Results", CREDENTIALS).with_all(results.collect::<Vec<_>>());
    Ok((result(request, Some(CREDENTIALS)).with(results), outcomes))
}

fn read(item: &Element) -> Result<Change, Fault> {
    in_order(item, CREDENTIALS, &ITEM)?;
    Ok(Change {
        changed: text_of(item, "ChangeDate").ok_or_else(|| Fault::sender("ChangeDate is missing."))?,
        cloud_anchor: text_of(item, "CloudAnchor"),
        source_anchor: text_of(item, "SourceAnchor"),
        data: text_of(item, "CredentialData").unwrap_or_default(),
        force_change: flag_of(item, "ForcePasswordChangeOnLogon").unwrap_or_default(),
    })
}

fn take(cx: &mut Context<'_>, change: Change) -> Outcome {
    let judged = judge(cx, &change).map(|user| user.id);
    let refusal = match judged {
        Ok(id) => {
            store(cx, id, &change);
            None
        }
        Err(refusal) => Some(refusal),
    };
    Outcome { source_anchor: change.source_anchor, cloud_anchor: change.cloud_anchor, refusal }
}

fn judge<'a>(cx: &'a Context<'_>, change: &Change) -> Result<&'a Entry, (u32, &'static str)> {
    if !feature(cx, "passwordSyncEnabled") {
        return Err((3, "Password hash synchronization is not enabled for this company."));
    }
    let by_source = change.source_anchor.as_deref().and_then(|anchor| {
        let mut users: Vec<&Entry> = by_anchor(cx, anchor).filter(|entry| entry.kind == Kind::User).collect();
        users.sort_by_key(|user| !user.is_synced());
        users.first().copied()
    });
    let by_cloud = || change.cloud_anchor.as_deref().and_then(|anchor| of_cloud_anchor(cx, anchor));
    let user = by_source.or_else(by_cloud).filter(|user| user.kind == Kind::User && is_settled(cx, user));
    let user = user.ok_or((2, "The object was not found; it may not be replicated yet."))?;
    if !user.is_synced() {
        return Err((
            4,
            "The password change request contains changes for one or more cloud only user objects, which is not supported.",
        ));
    }
    if !has_form(&change.data) {
        return Err((5, "The credential data does not have the form v1;PPH1_MD4,salt,iterations,hash;."));
    }
    if change.changed.parse::<jiff::Timestamp>().is_err() {
        return Err((6, "The change date is not an instant in UTC."));
    }
    Ok(user)
}

/// `v1;PPH1_MD4,<hex salt>,<iterations>,<64 hex digits>;` (section C). Any salt and count, either case.
fn has_form(data: &str) -> bool {
    let parts = data.strip_prefix("v1;PPH1_MD4,").and_then(|rest| rest.strip_suffix(';'));
    let parts: Vec<&str> = parts.map(|parts| parts.split(',').collect()).unwrap_or_default();
    let is_hex =
        |text: &str| !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(|c| c.is_ascii_hexdigit());
    match parts.as_slice() {
        [salt, count, hash] => {
            is_hex(salt) && hash.len() == 64 && is_hex(hash) && count.parse::<u32>().is_ok_and(|count| count > 0)
        }
        _ => false,
    }
}

/// What is known of the user after its password was taken over (section C), the password aside.
fn store(cx: &mut Context<'_>, id: Guid, change: &Change) {
    let mut changes = vec![("lastPasswordChangeDateTime".to_owned(), json!(seconds(&change.changed)))];
    if !feature(cx, "cloudPasswordPolicyForPasswordSyncedUsersEnabled") {
        changes.push(("passwordPolicies".to_owned(), json!("DisablePasswordExpiration")));
    }
    if feature(cx, "userForcePasswordChangeOnLogonEnabled") {
        let flags: Value = json!({
            "forceChangePasswordNextSignIn": change.force_change,
            "forceChangePasswordNextSignInWithMfa": false,
            "password": null,
        });
        changes.push(("passwordProfile".to_owned(), flags));
    }
    cx.directory.update(id, changes);
}

/// An instant without its fraction, as Graph prints it.
fn seconds(instant: &str) -> String {
    let parsed = instant.parse::<jiff::Timestamp>().map(|at| crate::clock::graph_time(at.as_millisecond()));
    parsed.unwrap_or_else(|_| instant.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_known_by_its_form() {
        let hash = "b6aaf0e7abbeeab83c17c7b7340b900902d66614d8a59d4800aec04ffb26fd8d";
        assert!(has_form(&format!("v1;PPH1_MD4,00010203040506070809,1000,{hash};")));
        assert!(has_form(&format!("v1;PPH1_MD4,000102030405060708090A0B0C0D0E0F,1000,{};", hash.to_uppercase())));
        for wrong in [
            String::new(),
            format!("v1;PPH1_MD4,00010203040506070809,1000,{hash}"),
            format!("v1;PPH1_MD4,0001,0,{hash};"),
            format!("v1;PPH1_MD4,000,1000,{hash};"),
            format!("v1;PPH1_MD4,0001,1000,{};", &hash[2..]),
            format!("v2;PPH1_MD4,0001,1000,{hash};"),
        ] {
            assert!(!has_form(&wrong), "{wrong}");
        }
    }
}
