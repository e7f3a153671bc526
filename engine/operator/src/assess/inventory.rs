//! The two inventories as the judgement takes them: people of the directory, objects of the tenant, and which questions they
//! can answer at all. Holds no judgement.

use super::columns::Column;
use std::collections::BTreeSet;

/// A person of the directory. What the file does not have is empty; `Inventory::has` tells empty from unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Person {
    /// Line of the file, counted from 1.
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) sign_in_name: String,
    pub(crate) mail: String,
    /// As they stand in the directory, `SMTP:` and `smtp:` in front.
    pub(crate) addresses: Vec<String>,
    pub(crate) enabled: Option<bool>,
    /// Base64 of mS-DS-ConsistencyGuid where there is one, otherwise of objectGUID.
    pub(crate) anchor: String,
    pub(crate) dn: String,
    pub(crate) alias: String,
    pub(crate) display_name: String,
    /// msExchMailboxGuid is set.
    pub(crate) has_mailbox_guid: bool,
    /// The sign-in name is of another attribute than the directory's userPrincipalName, which nothing here mends.
    pub(crate) signs_in_by_another: bool,
    /// Why the deployment's rules take no notice of it.
    pub(crate) left_out: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum CloudKind {
    #[default]
    User,
    Guest,
    Contact,
    Group,
}

/// An object of the tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CloudObject {
    pub(crate) line: usize,
    pub(crate) kind: CloudKind,
    /// In the recycle bin.
    pub(crate) deleted: bool,
    pub(crate) sign_in_name: String,
    pub(crate) display_name: String,
    pub(crate) mail: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) licensed: Option<bool>,
    pub(crate) enabled: Option<bool>,
    /// Its immutable id.
    pub(crate) anchor: String,
    /// Some(false): it was, and is no longer.
    pub(crate) synchronised: Option<bool>,
    /// This deployment writes it already, whatever the tenant calls that.
    pub(crate) ours: bool,
    pub(crate) roles: Vec<String>,
    /// Why they could not be read: it counts as privileged (SF6).
    pub(crate) roles_unreadable: Option<String>,
}

impl CloudObject {
    /// What the operator knows it by.
    pub(crate) fn name(&self) -> &str {
        [&self.sign_in_name, &self.mail, &self.display_name]
            .into_iter()
            .find(|name| !name.is_empty())
            .map_or("", |name| name)
    }
}

/// One file's content, with what it can answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inventory<T> {
    pub(crate) objects: Vec<T>,
    pub(crate) columns: BTreeSet<Column>,
    /// Lines that were not understood; they are left out.
    pub(crate) issues: Vec<String>,
}

impl<T> Inventory<T> {
    pub(crate) fn has(&self, column: Column) -> bool {
        self.columns.contains(&column)
    }
}

/// A group or contact of the directory, as far as it has addresses that a person may have too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OtherHolder {
    /// Lower case, without `smtp:`.
    pub(crate) addresses: BTreeSet<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Inventories {
    pub(crate) directory: Inventory<Person>,
    /// Known of a directory that was read, not of a file.
    pub(crate) other_holders: Vec<OtherHolder>,
    pub(crate) tenant: Inventory<CloudObject>,
    /// Read from the systems themselves: there is no file that lacks anything.
    pub(crate) live: bool,
}

/// `ann@x.com` of `SMTP:ann@x.com`, lower case; none for what is no mail address.
pub(crate) fn address(value: &str) -> Option<String> {
    let bare = match value.split_once(':') {
        Some((kind, rest)) if kind.eq_ignore_ascii_case("smtp") => rest,
        Some(_) => return None,
        None => value,
    };
    let bare = bare.trim();
    bare.contains('@').then(|| bare.to_lowercase())
}

/// The address behind upper-case `SMTP:`, otherwise the one in `mail` (SF10).
pub(crate) fn primary(addresses: &[String], mail: &str) -> Option<String> {
    let marked = addresses.iter().find(|value| value.starts_with("SMTP:")).and_then(|value| address(value));
    marked.or_else(|| address(mail))
}

/// All mail addresses, each once, lower case.
pub(crate) fn all_addresses(addresses: &[String], mail: &str) -> BTreeSet<String> {
    addresses.iter().map(String::as_str).chain([mail]).filter_map(address).collect()
}
