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
            return;
        }
        self.live.insert((entry.kind, entry.ordinal), entry.id);
        if entry.kind == Kind::User {
            self.live_users += 1;
        }
        for (table, key) in keys(entry) {
            self.table(table).entry(key).or_default().insert(entry.id);
        }
    }

    pub(crate) fn remove(&mut self, entry: &Entry) {
        self.log.remove(&(entry.kind, entry.changed));
        if let Some(deletion) = &entry.deleted {
            self.deleted.remove(&(deletion.at_ms, entry.id));
            return;
        }
        self.live.remove(&(entry.kind, entry.ordinal));
        if entry.kind == Kind::User {
            self.live_users -= 1;
        }
        for (table, key) in keys(entry) {
            if let Some(holders) = self.table(table).get_mut(&key) {
                holders.remove(&entry.id);
                if holders.is_empty() {
                    self.table(table).remove(&key);
                }
            }
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
        }
    }
}

/// The look-up tables that hold live objects by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    UserPrincipalName,
    Proxy,
    Mail,
    ImmutableId,
    UniqueName,
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
    for proxy in entry.list("proxyAddresses") {
        keys.push((Table::Proxy, proxy.to_lowercase()));
    }
    keys
}
