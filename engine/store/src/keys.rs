//! The join keys of objects, and who carries one. Written wherever a body is written; never computed here. Where they lie is in
//! `key_trees`.

use crate::db::Db;
use crate::error::Inner;
use crate::head::Head;
use crate::key_trees::{Side, StoredKey};
use metaverse_schema::{AttributeName, ByName, MatchKey, ObjectType};
use sha2::{Digest as _, Sha256};
use sync_kernel::{CsId, KeyHit, MvId, MvValue, ObjectKeys, connector_keys, metaverse_keys};
use sync_rules::{KeyId, KeySpace};

/// Longer values are stored as their hash: an index holds every value twice, and its pages lie all over the file. 128 bits of
/// SHA-256, as of an image's content: nobody can make two values of one hash.
const LONGEST: usize = 16;

/// First byte of a hashed value; match keys begin with a letter.
const HASHED: u8 = 0xff;

fn stored(value: &MatchKey) -> Vec<u8> {
    let bytes = value.as_bytes();
    if bytes.len() <= LONGEST {
        return bytes.to_vec();
    }
    let mut hashed = Vec::with_capacity(1 + LONGEST);
    hashed.push(HASHED);
    hashed.extend_from_slice(&Sha256::digest(bytes)[..LONGEST]);
    hashed
}

impl Db {
    /// The interned number of a key of the registered rules.
    pub(crate) fn key_number(&self, key: KeyId) -> Option<i64> {
        self.rules.borrow().as_ref().and_then(|rules| rules.keys.get(key.0).copied().flatten())
    }

    /// The same with the side on which its carriers stand: a definition belongs to one of them.
    fn numbered_side(&self, key: KeyId) -> Option<(i64, Side)> {
        let rules = self.rules.borrow();
        let rules = rules.as_ref()?;
        let side = Side::of(&rules.rules.keys.get(key.0)?.space);
        Some((rules.keys.get(key.0).copied().flatten()?, side))
    }

    /// Whether a key of metaverse objects reads an attribute of which this holds.
    pub(crate) fn metaverse_keys_read(&self, mut test: impl FnMut(&AttributeName) -> bool) -> Inner<bool> {
        let rules = self.rule_set()?;
        let mut keys = rules.keys.iter().filter(|key| key.space == KeySpace::Metaverse);
        Ok(keys.any(|key| key.expression.reads_any(&mut test)))
    }

    fn numbered(&self, keys: &ObjectKeys) -> Vec<StoredKey> {
        keys.iter().filter_map(|(key, value)| Some((self.key_number(*key)?, stored(value)))).collect()
    }

    /// Makes the keys of a connector-space object those of its imported image; none when it is gone or never was.
    pub(crate) fn index_object(&self, head: &Head) -> Inner<()> {
        let image = match head.is_staging_object() {
            true => self.imported_image(head)?,
            false => None,
        };
        let keys = match image {
            Some(image) => self.keys_of(head, &image)?,
            None => Vec::new(),
        };
        self.replace_connector_keys(head.id, keys)
    }

    pub(crate) fn keys_of(&self, head: &Head, image: &metaverse_schema::Attributes) -> Inner<Vec<StoredKey>> {
        let connector = self.connector_name(head.connector)?;
        Ok(self.numbered(&connector_keys(&*self.rule_set()?, &connector, &self.type_name(head)?, image)))
    }

    pub(crate) fn replace_connector_keys(&self, id: i64, keys: Vec<StoredKey>) -> Inner<()> {
        self.replace_keys(Side::Connector, id, keys)
    }

    pub(crate) fn metaverse_keys_of(
        &self,
        object_type: &ObjectType,
        attributes: &ByName<MvValue>,
    ) -> Inner<Vec<StoredKey>> {
        Ok(self.numbered(&metaverse_keys(&*self.rule_set()?, object_type, attributes)))
    }

    pub(crate) fn replace_metaverse_keys(&self, id: i64, keys: Vec<StoredKey>) -> Inner<()> {
        self.replace_keys(Side::Metaverse, id, keys)
    }

    /// Who carries a key value. A key that nobody carries (one for deleted objects where there are none, any key of an empty
    /// space) is not looked through for each value.
    pub(crate) fn key_hits(&self, key: KeyId, value: &MatchKey) -> Inner<Vec<KeyHit>> {
        let Some((number, side)) = self.numbered_side(key) else { return Ok(Vec::new()) };
        if !self.is_carried(side, number)? {
            return Ok(Vec::new());
        }
        let hit: fn(i64) -> KeyHit = match side {
            Side::Connector => |id| KeyHit::Connector(CsId(id)),
            Side::Metaverse => |id| KeyHit::Metaverse(MvId(id)),
        };
        Ok(self.carriers(side, number, &stored(value))?.into_iter().map(hit).collect())
    }

    /// Whether a plan of this page changed who carries a key value.
    pub(crate) fn key_touched(&self, key: KeyId, value: &MatchKey) -> bool {
        let Some(number) = self.key_number(key) else { return false };
        let key = (number, stored(value));
        self.any_touched(|touched| touched.keys.contains(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, stored};
    use metaverse_schema::{Value, match_key};

    /// What an index holds of a value does not grow with it, and tells values apart by what stands behind the first bytes too.
    #[test]
    fn a_long_value_is_stored_as_its_hash() {
        let of = |text: &str| stored(&match_key(&Value::text(text)));
        assert_eq!(of("a@x"), match_key(&Value::text("a@x")).as_bytes());
        let (one, other) = (of("ann.miller.the.first@contoso.example"), of("ann.miller.the.first@contoso.examples"));
        assert_eq!((one.len(), other.len()), (1 + LONGEST, 1 + LONGEST));
        assert_ne!(one, other);
        assert_eq!(one, of("Ann.Miller.The.First@Contoso.Example"), "as its key, not as its letters");
    }
}
