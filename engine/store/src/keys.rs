//! The index of join keys: which objects carry which key value. Written wherever a body is written; never computed here.

use crate::db::Db;
use crate::error::Inner;
use crate::head::Head;
use metaverse_schema::{AttributeName, ByName, MatchKey, ObjectType};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
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

#[derive(Clone, Copy)]
enum Side {
    Connector,
    Metaverse,
}

impl Side {
    fn table(self) -> &'static str {
        match self {
            Side::Connector => "connector_key",
            Side::Metaverse => "metaverse_key",
        }
    }

    fn of(space: &KeySpace) -> Self {
        match space {
            KeySpace::Connector(_) => Side::Connector,
            KeySpace::Metaverse => Side::Metaverse,
        }
    }
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

    fn numbered(&self, keys: &ObjectKeys) -> Vec<(i64, Vec<u8>)> {
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
        self.replace_connector_keys(head.id, &keys)
    }

    pub(crate) fn keys_of(&self, head: &Head, image: &metaverse_schema::Attributes) -> Inner<Vec<(i64, Vec<u8>)>> {
        let connector = self.connector_name(head.connector)?;
        Ok(self.numbered(&connector_keys(&*self.rule_set()?, &connector, &self.type_name(head)?, image)))
    }

    pub(crate) fn replace_connector_keys(&self, id: i64, keys: &[(i64, Vec<u8>)]) -> Inner<()> {
        self.replace_keys(Side::Connector, id, keys)
    }

    pub(crate) fn metaverse_keys_of(
        &self,
        object_type: &ObjectType,
        attributes: &ByName<MvValue>,
    ) -> Inner<Vec<(i64, Vec<u8>)>> {
        Ok(self.numbered(&metaverse_keys(&*self.rule_set()?, object_type, attributes)))
    }

    pub(crate) fn replace_metaverse_keys(&self, id: i64, keys: &[(i64, Vec<u8>)]) -> Inner<()> {
        self.replace_keys(Side::Metaverse, id, keys)
    }

    /// The keys of an object that has none yet.
    pub(crate) fn add_connector_keys(&self, id: i64, keys: Vec<(i64, Vec<u8>)>) -> Inner<()> {
        for (key, value) in keys {
            self.add_key(Side::Connector, id, key, &value)?;
        }
        Ok(())
    }

    /// The same in the metaverse.
    pub(crate) fn add_metaverse_keys(&self, id: i64, keys: Vec<(i64, Vec<u8>)>) -> Inner<()> {
        for (key, value) in keys {
            self.add_key(Side::Metaverse, id, key, &value)?;
        }
        Ok(())
    }

    fn add_key(&self, side: Side, id: i64, key: i64, value: &[u8]) -> Inner<()> {
        let statement = match side {
            Side::Connector => "INSERT OR IGNORE INTO connector_key (key, value, object) VALUES (?1, ?2, ?3)",
            Side::Metaverse => "INSERT OR IGNORE INTO metaverse_key (key, value, object) VALUES (?1, ?2, ?3)",
        };
        self.run(statement, (key, value, id))?;
        self.carried_keys.borrow_mut().insert(key, true);
        self.touch_key(key, value);
        Ok(())
    }

    fn replace_keys(&self, side: Side, id: i64, keys: &[(i64, Vec<u8>)]) -> Inner<()> {
        let table = side.table();
        let before: BTreeSet<(i64, Vec<u8>)> = self
            .all(&format!("SELECT key, value FROM {table} WHERE object = ?1"), [id], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .into_iter()
            .collect();
        let after: BTreeSet<(i64, Vec<u8>)> = keys.iter().cloned().collect();
        for (key, value) in before.difference(&after) {
            self.run(&format!("DELETE FROM {table} WHERE key = ?1 AND value = ?2 AND object = ?3"), (key, value, id))?;
            self.touch_key(*key, value);
        }
        for (key, value) in after.difference(&before) {
            self.add_key(side, id, *key, value)?;
        }
        Ok(())
    }

    /// Who carries a key value. A key that nobody carries (one for deleted objects where there are none, any key of an empty
    /// space) is not looked through for each value.
    pub(crate) fn key_hits(&self, key: KeyId, value: &MatchKey) -> Inner<Vec<KeyHit>> {
        let Some((number, side)) = self.numbered_side(key) else { return Ok(Vec::new()) };
        if !self.is_carried(side, number)? {
            return Ok(Vec::new());
        }
        let (query, hit): (_, fn(i64) -> KeyHit) = match side {
            Side::Connector => {
                ("SELECT object FROM connector_key WHERE key = ?1 AND value = ?2 ORDER BY object", |id| {
                    KeyHit::Connector(CsId(id))
                })
            }
            Side::Metaverse => {
                ("SELECT object FROM metaverse_key WHERE key = ?1 AND value = ?2 ORDER BY object", |id| {
                    KeyHit::Metaverse(MvId(id))
                })
            }
        };
        Ok(self.ids(query, (number, stored(value)))?.into_iter().map(hit).collect())
    }

    fn is_carried(&self, side: Side, key: i64) -> Inner<bool> {
        if let Some(known) = self.carried_keys.borrow().get(&key) {
            return Ok(*known);
        }
        let is_carried = self.exists(&format!("SELECT 1 FROM {} WHERE key = ?1", side.table()), [key])?;
        self.carried_keys.borrow_mut().insert(key, is_carried);
        Ok(is_carried)
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
