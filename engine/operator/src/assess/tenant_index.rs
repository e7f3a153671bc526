//! Finds objects of the tenant by anchor, address and sign-in name. Holds positions in the inventory, and no judgement.

use super::columns::Column;
use super::inventory::{CloudObject, Inventory, address, all_addresses, primary};
use std::collections::{BTreeSet, HashMap};

type Positions = HashMap<String, Vec<usize>>;

#[derive(Debug, Default)]
pub(super) struct TenantIndex {
    pub(super) by_anchor: Positions,
    pub(super) by_primary: Positions,
    pub(super) by_address: Positions,
    pub(super) by_sign_in_name: Positions,
}

impl TenantIndex {
    pub(super) fn of(tenant: &Inventory<CloudObject>) -> TenantIndex {
        let mut index = TenantIndex::default();
        let knows_addresses = tenant.has(Column::Addresses) || tenant.has(Column::Mail);
        for (at, object) in tenant.objects.iter().enumerate() {
            let mut add = |positions: fn(&mut TenantIndex) -> &mut Positions, key: String| {
                positions(&mut index).entry(key).or_default().push(at);
            };
            if !object.anchor.is_empty() {
                add(|index| &mut index.by_anchor, object.anchor.clone());
            }
            if let Some(primary) = primary_of(object, knows_addresses) {
                add(|index| &mut index.by_primary, primary);
            }
            for address in addresses_of(object) {
                add(|index| &mut index.by_address, address);
            }
            if !object.sign_in_name.is_empty() {
                add(|index| &mut index.by_sign_in_name, object.sign_in_name.to_lowercase());
            }
        }
        index
    }

    /// Everything under any of these keys, once each, in the order of the file.
    pub(super) fn all<'a>(positions: &Positions, keys: impl IntoIterator<Item = &'a String>) -> Vec<usize> {
        let found: BTreeSet<usize> = keys.into_iter().filter_map(|key| positions.get(key)).flatten().copied().collect();
        found.into_iter().collect()
    }
}

/// The primary address. Where the file has no addresses at all, a user's sign-in name stands for it: in a tenant whose users
/// were made in the cloud it mostly is that. Of a guest it is the home address.
pub(super) fn primary_of(object: &CloudObject, knows_addresses: bool) -> Option<String> {
    match knows_addresses {
        true => primary(&object.addresses, &object.mail),
        false => home_address(&object.sign_in_name).or_else(|| address(&object.sign_in_name)),
    }
}

/// `pat@partner.com` of the guest `pat_partner.com#EXT#@contoso.onmicrosoft.com`: a guest's sign-in name holds the home address.
fn home_address(sign_in_name: &str) -> Option<String> {
    let name = sign_in_name.to_lowercase();
    let (local, domain) = name.split_once("#ext#@")?.0.rsplit_once('_')?;
    address(&format!("{local}@{domain}"))
}

pub(super) fn addresses_of(object: &CloudObject) -> BTreeSet<String> {
    all_addresses(&object.addresses, &object.mail)
}
