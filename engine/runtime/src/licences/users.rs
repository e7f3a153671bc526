//! The users of a target that this engine writes, and how each stands to it. Reads the store; asks no system.

use crate::engine::EngineError;
use crate::names::{ObjectName, connector_object};
use crate::reading::Reading;
use metaverse_schema::Anchor;
use std::collections::BTreeMap;
use sync_kernel::{CsId, CsObject, LicenceSubject, MvId, Ownership, PendingOperation};
use sync_rules::ConnectorName;
use sync_store::StoreError;

/// Objects of one page of a listing.
const PAGE: usize = 1_000;
/// The only type of objects that is given licences.
const USER: &str = "user";

/// A user of the target that is linked with a person.
#[derive(Debug, Clone)]
pub(super) struct LinkedUser {
    pub(super) object: ObjectName,
    pub(super) anchor: Option<Anchor>,
    pub(super) sign_in_name: Option<String>,
    pub(super) subject: LicenceSubject,
    pub(super) mv: MvId,
}

/// The user behind an object of the target; none where no person is linked with it, or it is no user.
pub(super) fn linked(object: &CsObject) -> Option<LinkedUser> {
    let link = object.link.as_ref().filter(|_| object.object_type == USER)?;
    let created = match object.pending.as_ref().map(|pending| &pending.operation) {
        Some(PendingOperation::Add { attributes }) => Some(attributes),
        _ => None,
    };
    let image = object.imported().or(created);
    Some(LinkedUser {
        object: connector_object(object),
        anchor: object.anchor.clone(),
        sign_in_name: image.and_then(|image| image.text("userPrincipalName")).map(str::to_owned),
        subject: subject(object, link.ownership),
        mv: link.mv,
    })
}

fn subject(object: &CsObject, ownership: Ownership) -> LicenceSubject {
    match &object.pending {
        _ if object.anchor.is_none() => LicenceSubject::NotExported,
        Some(pending) => match &pending.operation {
            PendingOperation::Add { .. } | PendingOperation::Restore { .. } => LicenceSubject::NotExported,
            PendingOperation::Delete { .. } | PendingOperation::Detach { .. } => LicenceSubject::Leaving,
            PendingOperation::Update { takeover: true, .. } => LicenceSubject::NotTakenOver,
            PendingOperation::Update { .. } => at_rest(ownership),
        },
        None => at_rest(ownership),
    }
}

/// A person that is only linked with a user writes nothing to it: the user is the tenant's own.
fn at_rest(ownership: Ownership) -> LicenceSubject {
    match ownership {
        Ownership::Provisioned | Ownership::Adopted => LicenceSubject::Synchronised,
        Ownership::Joined => LicenceSubject::NotTakenOver,
    }
}

/// All linked users of the target, in order of number.
pub(super) fn all(reading: &Reading<'_>, connector: &ConnectorName) -> Result<Vec<LinkedUser>, StoreError> {
    let (mut users, mut after) = (Vec::new(), None);
    loop {
        let page = reading.store.list_objects(connector, after, PAGE)?;
        let Some(last) = page.last().map(|summary| summary.id) else { return Ok(users) };
        after = Some(last);
        for summary in page.iter().filter(|summary| summary.link.is_some() && summary.object_type == USER) {
            users.extend(reading.store.object(summary.id)?.as_ref().and_then(linked));
        }
    }
}

/// The target's users of a person.
pub(super) fn of_person(
    reading: &Reading<'_>,
    connector: &ConnectorName,
    mv: MvId,
) -> Result<Vec<LinkedUser>, StoreError> {
    let mut users = Vec::new();
    for id in reading.store.metaverse(mv)?.map(|person| person.links).unwrap_or_default() {
        let object = reading.store.object(id)?.filter(|object| object.connector == *connector);
        users.extend(object.as_ref().and_then(linked));
    }
    Ok(users)
}

/// Names of groups of the target, as they were imported; the anchor of one that was not.
pub(super) struct GroupNames<'a> {
    reading: &'a Reading<'a>,
    connector: &'a ConnectorName,
    known: BTreeMap<Anchor, String>,
}

impl<'a> GroupNames<'a> {
    pub(super) fn new(reading: &'a Reading<'a>, connector: &'a ConnectorName) -> Self {
        GroupNames { reading, connector, known: BTreeMap::new() }
    }

    pub(super) fn of(&mut self, group: &Anchor) -> Result<String, EngineError> {
        if let Some(known) = self.known.get(group) {
            return Ok(known.clone());
        }
        let text = group.to_string();
        let found: Option<CsId> = self.reading.store.find_object(self.connector, &text)?.first().copied();
        let name = match found {
            Some(id) => self.reading.store.label(id)?,
            None => text,
        };
        self.known.insert(group.clone(), name.clone());
        Ok(name)
    }
}
