//! Look-up tables over the directory: by sign-in name, proxy address, mail, immutable id, unique name, listing order,
//! change log. Rebuilt from the objects at start, never stored; keys are lower-cased, because filters compare so.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::clock::Millis;
use crate::entry::{Entry, Tombstone};
use crate::guid::Guid;
use crate::schema::Kind;

#[derive(Clone, Debug, Default)]
pub(crate) struct Indexes {
    /// Several objects under one key only where the seed says so: real tenants carry such dirt.
    user_principal_name: HashMap<String, BTreeSet<Guid>>,
    proxy: HashMap<String, BTreeSet<Guid>>,
    mail: HashMap<String, BTreeSet<Guid>>,
    /// Base64 is case-sensitive: who asks whether an immutable id is taken compares the holders' values exactly.
    immutable_id: HashMap<String, BTreeSet<Guid>>,
    unique_name: HashMap<String, BTreeSet<Guid>>,
    anchor: HashMap<String, BTreeSet<Guid>>,
    security_identifier: HashMap<String, BTreeSet<Guid>>,
    /// Anchors of the recycle bin.
    deleted_anchor: HashMap<String, BTreeSet<Guid>>,
    /// Live objects with values that are held back.
    pub(crate) held_back: BTreeSet<Guid>,
    pub(crate) live: BTreeMap<(Kind, u64), Guid>,
    pub(crate) deleted: BTreeSet<(Millis, Guid)>,
    /// Each object once, at its last change: the log never outgrows the directory.
    pub(crate) log: BTreeMap<(Kind, u64), Guid>,
    pub(crate) member_of: HashMap<Guid, BTreeSet<Guid>>,
    pub(crate) live_users: usize,
}

impl Indexes {
    pub(crate) fn add(&mut self, entry: &Entry) {
        self.log.insert((entry.kind, entry.changed), entry.id);
        if let Some(deletion) = &entry.deleted {
            self.deleted.insert((deletion.at_ms, entry.id));
            if let Some(anchor) = entry.anchor() {
                self.deleted_anchor.entry(anchor.to_lowercase()).or_default().insert(entry.id);
            }
            return;
        }
        self.live.insert((entry.kind, entry.ordinal), entry.id);
        if entry.kind == Kind::User {
            self.live_users += 1;
        }
        if !entry.held_back.is_empty() {
            self.held_back.insert(entry.id);
        }
        for (table, key) in keys(entry) {
            self.table(table).entry(key).or_default().insert(entry.id);
        }
    }

    pub(crate) fn remove(&mut self, entry: &Entry) {
        self.log.remove(&(entry.kind, entry.changed));
        if let Some(deletion) = &entry.deleted {
            self.deleted.remove(&(deletion.at_ms, entry.id));
            if let Some(anchor) = entry.anchor() {
                take(&mut self.deleted_anchor, &anchor.to_lowercase(), entry.id);
            }
            return;
        }
        self.live.remove(&(entry.kind, entry.ordinal));
        if entry.kind == Kind::User {
            self.live_users -= 1;
        }
        self.held_back.remove(&entry.id);
        for (table, key) in keys(entry) {
            take(self.table(table), &key, entry.id);
        }
    }

    pub(crate) fn add_tombstone(&mut self, id: Guid, tombstone: &Tombstone) {
        self.log.insert((tombstone.kind, tombstone.changed), id);
    }

    pub(crate) fn remove_tombstone(&mut self, tombstone: &Tombstone) {
        self.log.remove(&(tombstone.kind, tombstone.changed));
    }

    pub(crate) fn holders(&self, table: Table, key: &str) -> impl Iterator<Item = Guid> + use<'_> {
        let table = match table {
            Table::UserPrincipalName => &self.user_principal_name,
            Table::Proxy => &self.proxy,
            Table::Mail => &self.mail,
            Table::ImmutableId => &self.immutable_id,
            Table::UniqueName => &self.unique_name,
            Table::Anchor => &self.anchor,
            Table::SecurityIdentifier => &self.security_identifier,
            Table::DeletedAnchor => &self.deleted_anchor,
        };
        let holders = table.get(&key.to_lowercase());
        holders.into_iter().flatten().copied()
    }

    fn table(&mut self, table: Table) -> &mut HashMap<String, BTreeSet<Guid>> {
        match table {
            Table::UserPrincipalName => &mut self.user_principal_name,
            Table::Proxy => &mut self.proxy,
            Table::Mail => &mut self.mail,
            Table::ImmutableId => &mut self.immutable_id,
            Table::UniqueName => &mut self.unique_name,
            Table::Anchor => &mut self.anchor,
            Table::SecurityIdentifier => &mut self.security_identifier,
            Table::DeletedAnchor => &mut self.deleted_anchor,
        }
    }
}

/// The look-up tables by value; of live objects, but for the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    UserPrincipalName,
    Proxy,
    Mail,
    ImmutableId,
    UniqueName,
    Anchor,
    SecurityIdentifier,
    /// The recycle bin's.
    DeletedAnchor,
}

fn take(table: &mut HashMap<String, BTreeSet<Guid>>, key: &str, id: Guid) {
    if let Some(holders) = table.get_mut(key) {
        holders.remove(&id);
        if holders.is_empty() {
            table.remove(key);
        }
    }
}

fn keys(entry: &Entry) -> Vec<(Table, String)> {
    let mut keys = Vec::new();
    if let Some(name) = entry.text("userPrincipalName") {
        keys.push((Table::UserPrincipalName, name.to_lowercase()));
    }
    if let Some(mail) = entry.text("mail") {
        keys.push((Table::Mail, mail.to_lowercase()));
    }
    if let Some(id) = entry.text("onPremisesImmutableId") {
        keys.push((Table::ImmutableId, id.to_lowercase()));
    }
    if let Some(name) = entry.text("uniqueName") {
        keys.push((Table::UniqueName, name.to_lowercase()));
    }
    if let Some(anchor) = entry.anchor() {
        keys.push((Table::Anchor, anchor.to_lowercase()));
    }
    if let Some(sid) = entry.text("onPremisesSecurityIdentifier") {
        keys.push((Table::SecurityIdentifier, sid.to_lowercase()));
    }
    for proxy in entry.list("proxyAddresses") {
        keys.push((Table::Proxy, proxy.to_lowercase()));
    }
    keys
}
