//! From an object of an answer to what the engine is told of one user's password. The hash stays sealed; of an account that is
//! nobody's, not even that is handed over.

use super::account::{AccountFacts, excluded};
use connector_contract::{ConnectorError, ErrorKind, NtHash, PasswordChange, SealedHash};
use directory_replication::auth::SessionKey;
use directory_replication::drsuapi::{Attribute, ChangedAttribute, ChangedObject};
use directory_replication::secret::open_hash;
use metaverse_schema::{Anchor, Guid, Sid};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How the secrets of one session are opened, and where each opening is counted (SF21).
#[derive(Clone)]
pub(super) struct Opener {
    pub(super) key: Arc<SessionKey>,
    pub(super) opened: Arc<AtomicU64>,
}

/// What an ordinary search says of accounts whose changes do not say it.
pub(super) type Looked = HashMap<Guid, LookedUp>;

#[derive(Debug, Clone, Default)]
pub(super) struct LookedUp {
    pub(super) control: Option<u32>,
    pub(super) name: Option<String>,
}

struct Sealed {
    opener: Opener,
    value: Vec<u8>,
    rid: Option<u32>,
    object: String,
}

impl SealedHash for Sealed {
    fn open(self: Box<Self>) -> Result<NtHash, ConnectorError> {
        let failed = |message: String| {
            let attempted = format!("opening the password hash of {}", self.object);
            ConnectorError::new(ErrorKind::Protocol, attempted, message, "")
        };
        self.opener.opened.fetch_add(1, Ordering::Relaxed);
        let rid = self.rid.ok_or_else(|| failed("its security identifier did not come along".to_owned()))?;
        let hash = open_hash(&self.opener.key, rid, &self.value).map_err(|error| failed(error.to_string()))?;
        Ok(NtHash::new(*hash))
    }
}

/// Whether an object says something of a password at all.
pub(super) fn is_about_a_password(object: &ChangedObject) -> bool {
    [Attribute::UnicodePwd, Attribute::PwdLastSet].iter().any(|attribute| object.attribute(*attribute).is_some())
}

/// Objects with a hash whose changes do not tell what kind of account they are.
pub(super) fn unknown_accounts(objects: &[ChangedObject]) -> Vec<Guid> {
    let unknown =
        |object: &&ChangedObject| hash(object).is_some() && object.attribute(Attribute::UserAccountControl).is_none();
    objects.iter().filter(unknown).map(|object| object.guid).collect()
}

/// What becomes of one object; `None` where it has nothing to do with passwords.
pub(super) fn password_change(object: &ChangedObject, looked: &Looked, opener: &Opener) -> Option<PasswordChange> {
    if !is_about_a_password(object) {
        return None;
    }
    let looked = looked.get(&object.guid);
    let rid = rid(object);
    let name = value(object, Attribute::SamAccountName).map(utf16);
    let facts = AccountFacts {
        rid,
        control: word(object, Attribute::UserAccountControl).or(looked.and_then(|looked| looked.control)),
        name: name.as_deref().or(looked.and_then(|looked| looked.name.as_deref())),
        deleted: word(object, Attribute::IsDeleted).is_some_and(|truth| truth != 0),
    };
    let excluded = excluded(&facts).map(str::to_owned);
    let stamp = object.attribute(Attribute::UnicodePwd).and_then(|changed| changed.stamp);
    let hash = hash(object).filter(|_| excluded.is_none()).map(|value| {
        let (opener, value, object) = (opener.clone(), value.to_vec(), object.dn.clone());
        Box::new(Sealed { opener, value, rid, object }) as Box<dyn SealedHash>
    });
    Some(PasswordChange {
        anchor: Anchor::from(object.guid),
        object: object.dn.clone(),
        excluded,
        version: stamp.map_or(0, |stamp| u64::from(stamp.version)),
        changed: stamp.map(|stamp| stamp.changed),
        must_change: must_change(object),
        hash,
    })
}

fn hash(object: &ChangedObject) -> Option<&[u8]> {
    value(object, Attribute::UnicodePwd)
}

/// The relative identifier: of the SID in the object's name, or of `objectSid` where the name has none.
fn rid(object: &ChangedObject) -> Option<u32> {
    let named = object.sid.as_ref().and_then(Sid::rid);
    named.or_else(|| Sid::from_slice(value(object, Attribute::ObjectSid)?).ok()?.rid())
}

/// `pwdLastSet` is 0 (P25); a cleared one counts as 0.
fn must_change(object: &ChangedObject) -> Option<bool> {
    let changed = object.attribute(Attribute::PwdLastSet)?;
    match first(changed) {
        None => Some(true),
        Some(value) => Some(i64::from_le_bytes(value.try_into().ok()?) == 0),
    }
}

fn first(changed: &ChangedAttribute) -> Option<&[u8]> {
    changed.values.first().map(Vec::as_slice)
}

fn value(object: &ChangedObject, attribute: Attribute) -> Option<&[u8]> {
    object.attribute(attribute).and_then(first)
}

fn word(object: &ChangedObject, attribute: Attribute) -> Option<u32> {
    value(object, attribute).and_then(|value| value.try_into().ok()).map(u32::from_le_bytes)
}

fn utf16(value: &[u8]) -> String {
    let units = value.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests;
