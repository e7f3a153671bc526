//! Which object of the tenant an incoming one is (D.1): the one that its anchor names, one to be taken over, one to be
//! brought back from the recycle bin, or none yet. Decides and refuses; changes nothing.

use super::object::SyncObject;
use super::refusal::Refusal;
use crate::context::Context;
use crate::entry::{Entry, Unique};
use crate::groups::GroupClass;
use crate::guid::Guid;
use crate::indexes::Table;
use crate::schema::Kind;
use crate::user_rules;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Synchronised already.
    Update(Guid),
    /// Its source of authority is the cloud: nothing of it is applied (A.11).
    Ignore(Guid),
    /// An object of the cloud becomes a synchronised one.
    TakeOver(Guid),
    /// From the recycle bin.
    Restore(Guid),
    Create,
}

pub(super) fn decide(cx: &Context<'_>, object: &SyncObject, kind: Kind) -> Result<Decision, Refusal> {
    if let Some(named) = by_cloud_anchor(cx, object, kind)? {
        return Ok(named);
    }
    let anchor = object.source_anchor().ok_or_else(|| Refusal::invalid_data("SourceAnchor", "A value is required."))?;
    // An anchor names one object of each type: who becomes a contact keeps it.
    for holder in by_anchor(cx, anchor).filter(|holder| holder.kind == kind) {
        if holder.is_cloud_managed {
            return Ok(Decision::Ignore(holder.id));
        }
        if holder.is_synced() {
            return Ok(Decision::Update(holder.id));
        }
        if kind == Kind::User || holder.is_returning || cx.knobs.anchors_survive_sync_off {
            check_hard_match(cx, holder)?;
            return Ok(Decision::TakeOver(holder.id));
        }
    }
    if let Some(deleted) = in_recycle_bin(cx, anchor, kind) {
        check_hard_match(cx, deleted)?;
        return Ok(Decision::Restore(deleted.id));
    }
    soft_match(cx, object, kind)
}

/// Live objects with that anchor; anchors compare exactly.
pub(super) fn by_anchor<'a>(cx: &'a Context<'_>, anchor: &str) -> impl Iterator<Item = &'a Entry> {
    cx.directory.holders(Table::Anchor, anchor).filter(move |entry| entry.anchor() == Some(anchor))
}

fn in_recycle_bin<'a>(cx: &'a Context<'_>, anchor: &str, kind: Kind) -> Option<&'a Entry> {
    if !cx.knobs.restore_by_anchor {
        return None;
    }
    let mut deleted = cx.directory.holders(Table::DeletedAnchor, anchor);
    deleted.find(|entry| entry.kind == kind && entry.anchor() == Some(anchor))
}

/// The live object of a cloud anchor, `User_<object id>`.
pub(super) fn of_cloud_anchor<'a>(cx: &'a Context<'_>, anchor: &str) -> Option<&'a Entry> {
    let (kind, id) = anchor.split_once('_')?;
    let entry = Guid::parse(id).and_then(|id| cx.directory.live(id))?;
    (super::object::kind_name(entry.kind).eq_ignore_ascii_case(kind)).then_some(entry)
}

/// What the cloud anchor of the object settles by itself: a synchronised object, or that nothing is to happen.
fn by_cloud_anchor(cx: &Context<'_>, object: &SyncObject, kind: Kind) -> Result<Option<Decision>, Refusal> {
    let Some(cloud_anchor) = object.cloud_anchor() else { return Ok(None) };
    let Some(entry) = of_cloud_anchor(cx, cloud_anchor).filter(|entry| entry.kind == kind) else {
        return match object.source_anchor() {
            Some(_) => Ok(None),
            None => Err(Refusal::invalid_data("CloudAnchor", "There is no such object.")),
        };
    };
    if entry.is_cloud_managed {
        return Ok(Some(Decision::Ignore(entry.id)));
    }
    if !entry.is_synced() {
        return Ok(None);
    }
    let moves = object.source_anchor().is_some_and(|anchor| entry.anchor() != Some(anchor));
    if moves && cx.knobs.block_anchor_change && !feature(cx, "allowOnPremUpdateOfOnPremisesObjectIdentifierEnabled") {
        return Err(Refusal::invalid_hard_match(
            "the on-premises object identifier of a synchronised object is not changed (MC1263280).",
        ));
    }
    Ok(Some(Decision::Update(entry.id)))
}

pub(super) fn feature(cx: &Context<'_>, name: &str) -> bool {
    cx.directory.facts.features.get(name).copied().unwrap_or_default()
}

/// Whether a conflict of that property is held back rather than refused (D.4).
pub(super) fn is_resilient(cx: &Context<'_>, property: Unique) -> bool {
    let name = match property {
        Unique::UserPrincipalName => "quarantineUponUpnConflictEnabled",
        Unique::ProxyAddresses => "quarantineUponProxyAddressesConflictEnabled",
    };
    cx.knobs.duplicate_resiliency && feature(cx, name)
}

fn check_hard_match(cx: &Context<'_>, holder: &Entry) -> Result<(), Refusal> {
    if holder.kind != Kind::User || holder.is_returning {
        return Ok(());
    }
    if feature(cx, "blockCloudObjectTakeoverThroughHardMatchEnabled") {
        return Err(Refusal::invalid_hard_match(
            "BlockCloudObjectTakeoverThroughHardMatch is on: no cloud object is taken over by its immutable id.",
        ));
    }
    if cx.knobs.block_hard_match_of_role_holders && user_rules::is_privileged(cx, holder) {
        return Err(Refusal::invalid_hard_match("the account holds a directory role (MC1262584)."));
    }
    if holder.is_guest() && !cx.knobs.match_guests {
        return Err(Refusal::invalid_hard_match("the account is a guest."));
    }
    Ok(())
}

fn soft_match(cx: &Context<'_>, object: &SyncObject, kind: Kind) -> Result<Decision, Refusal> {
    if let Some(primary) = primary_address(cx, object) {
        let key = format!("smtp:{primary}");
        let holders = cx.directory.holders(Table::Proxy, &key).filter(|holder| {
            let is_primary =
                |proxy: &str| proxy.strip_prefix("SMTP:").is_some_and(|held| held.eq_ignore_ascii_case(primary));
            cx.knobs.soft_match_any_address || holder.list("proxyAddresses").any(is_primary)
        });
        for candidate in holders {
            if is_the_clouds(candidate, kind) {
                return Ok(Decision::Ignore(candidate.id));
            }
            if may_match(cx, candidate, kind, Unique::ProxyAddresses, &format!("SMTP:{primary}"))? {
                return Ok(Decision::TakeOver(candidate.id));
            }
        }
    }
    if kind == Kind::User
        && feature(cx, "softMatchOnUpnEnabled")
        && let Some(name) = object.text("userPrincipalName")
    {
        for candidate in cx.directory.holders(Table::UserPrincipalName, name) {
            if is_the_clouds(candidate, kind) {
                return Ok(Decision::Ignore(candidate.id));
            }
            if may_match(cx, candidate, kind, Unique::UserPrincipalName, name)? {
                return Ok(Decision::TakeOver(candidate.id));
            }
        }
    }
    Ok(Decision::Create)
}

/// A.11: nothing from on premises is applied to it, also where nothing but an address leads to it.
fn is_the_clouds(candidate: &Entry, kind: Kind) -> bool {
    candidate.is_cloud_managed && candidate.kind == kind
}

/// The address behind `SMTP:`; where the knob says so, the mail attribute of an object that has none.
fn primary_address<'a>(cx: &Context<'_>, object: &'a SyncObject) -> Option<&'a str> {
    let proxies = object.texts("proxyAddresses").unwrap_or_default();
    let primary = proxies.into_iter().find_map(|proxy| proxy.strip_prefix("SMTP:"));
    primary.or_else(|| object.text("mail").filter(|_| cx.knobs.soft_match_on_mail))
}

/// Whether the candidate is taken over. Where it is not and its values stand in the way, they are held back (D.4), or the
/// object is refused.
fn may_match(cx: &Context<'_>, candidate: &Entry, kind: Kind, property: Unique, value: &str) -> Result<bool, Refusal> {
    let passed_over = |refusal: Refusal| if is_resilient(cx, property) { Ok(false) } else { Err(refusal) };
    if candidate.kind != kind {
        return Err(Refusal::object_type_mismatch(property.name(), value));
    }
    if kind == Kind::Group {
        match GroupClass::of_entry(candidate) {
            GroupClass::Distribution | GroupClass::MailEnabledSecurity => {}
            GroupClass::Security | GroupClass::Unified => {
                return passed_over(Refusal::must_be_unique(property.name(), value));
            }
        }
    }
    if candidate.anchor().is_some() {
        return passed_over(Refusal::invalid_soft_match(&format!(
            "the object with [{} {value};] belongs to another object on premises already.",
            property.name()
        )));
    }
    if kind == Kind::User && user_rules::is_privileged(cx, candidate) {
        return passed_over(Refusal::admin_role_conflict());
    }
    if candidate.is_guest() && !cx.knobs.match_guests {
        return passed_over(Refusal::invalid_soft_match("the account is a guest."));
    }
    if feature(cx, "blockSoftMatchEnabled") {
        return Err(Refusal::invalid_soft_match(&format!(
            "BlockSoftMatch is on: the object with [{} {value};] is not taken over.",
            property.name()
        )));
    }
    Ok(true)
}
