//! Password hashes that arrive (B.6): whose they are, whether they may be taken, and whether they have the right form
//! (section C). Never tells anybody what it holds.

use serde_json::{Value, json};

use super::envelope::{Fault, Request, in_order, result};
use super::links::is_settled;
use super::matching::{by_anchor, feature, of_cloud_anchor};
use super::names::{AWS, CREDENTIALS, b, flag_of, or_nil, text_of};
use crate::binary_xml::Element;
use crate::context::Context;
use crate::entry::Entry;
use crate::guid::Guid;
use crate::password::KeptPassword;
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
    let judged = judge(cx, &change).map(|(user, password)| (user.id, password));
    let refusal = match judged {
        Ok((id, password)) => {
            store(cx, id, &change);
            cx.directory.set_password(id, password);
            None
        }
        Err(refusal) => Some(refusal),
    };
    Outcome { source_anchor: change.source_anchor, cloud_anchor: change.cloud_anchor, refusal }
}

fn judge<'a>(cx: &'a Context<'_>, change: &Change) -> Result<(&'a Entry, KeptPassword), (u32, &'static str)> {
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
    let password = KeptPassword::synchronised(&change.data, cx.now)
        .ok_or((5, "The credential data does not have the form v1;PPH1_MD4,salt,iterations,hash;."))?;
    if change.changed.parse::<jiff::Timestamp>().is_err() {
        return Err((6, "The change date is not an instant in UTC."));
    }
    Ok((user, password))
}

/// What Graph shows of the user after its password was taken over (section C).
fn store(cx: &mut Context<'_>, id: Guid, change: &Change) {
    let mut changes = vec![("lastPasswordChangeDateTime".to_owned(), json!(seconds(&change.changed)))];
    if !feature(cx, "cloudPasswordPolicyForPasswordSyncedUsersEnabled") {
        changes.push(("passwordPolicies".to_owned(), json!("DisablePasswordExpiration")));
    }
    let held = cx.directory.any(id).and_then(|user| user.properties.get("passwordProfile"));
    let is_forced = held.and_then(|held| held.get("forceChangePasswordNextSignIn")) == Some(&json!(true));
    let may_force = feature(cx, "userForcePasswordChangeOnLogonEnabled");
    // The directory's password takes the place of one that was to be changed.
    if may_force || is_forced {
        let flags: Value = json!({
            "forceChangePasswordNextSignIn": may_force && change.force_change,
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
