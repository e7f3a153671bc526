//! Interned names: connectors, object types, attributes with their kind, rules. A number is given once and never reused;
//! an unknown number in stored data is damage, never a guess.

use crate::db::Db;
use crate::error::{Fault, Inner, StoreError};
use foldhash::fast::FixedState;
use metaverse_schema::{AttributeName, ObjectType, ValueKind};
use rusqlite::Connection;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use sync_kernel::OwnedNames;
use sync_rules::{ConnectorName, RuleId};

/// The space of metaverse attributes; connectors are numbered from 1.
pub(crate) const METAVERSE: i64 = 0;

/// Errors of metaverse objects belong to no connector.
pub(crate) const METAVERSE_ERRORS: i64 = 0;

/// Kind of an attribute that was only ever cleared, so that no value tells its kind.
const KIND_UNKNOWN: i64 = 0;

/// Asked several times for each value that is stored or read.
type Map<K, V> = HashMap<K, V, FixedState>;

#[derive(Default)]
struct Cache {
    connectors: Table,
    rules: Table,
    type_numbers: Map<ObjectType, i64>,
    types: Map<i64, ObjectType>,
    /// By space and name: numbers with their kind codes, oldest first.
    attribute_numbers: Map<i64, Map<AttributeName, Vec<(i64, i64)>>>,
    attributes: Map<i64, Attribute>,
    /// Sets of names as they are stored, by space. Numbers mean the same for ever, so these stay true.
    sets: Map<i64, Map<Vec<u8>, OwnedNames>>,
}

/// Most sets of names that are remembered of a space.
const MAX_SETS: usize = 1_000;

#[derive(Default)]
struct Table {
    numbers: Map<Arc<str>, i64>,
    names: Map<i64, Arc<str>>,
}

impl Table {
    fn insert(&mut self, id: i64, name: &str) {
        let name: Arc<str> = Arc::from(name);
        self.numbers.insert(Arc::clone(&name), id);
        self.names.insert(id, name);
    }
}

/// An interned attribute.
#[derive(Clone)]
pub(crate) struct Attribute {
    pub(crate) space: i64,
    pub(crate) name: AttributeName,
    /// None: only ever cleared.
    pub(crate) kind: Option<ValueKind>,
    /// Where its name stands among the names of its space: whatever is read of an object is put in order by it. Numbers of one
    /// name share it.
    pub(crate) rank: u32,
}

pub(crate) struct Names(RefCell<Cache>);

pub(crate) fn kind_code(kind: ValueKind) -> Inner<i64> {
    Ok(match kind {
        ValueKind::Text => 1,
        ValueKind::Integer => 2,
        ValueKind::Boolean => 3,
        ValueKind::Binary => 4,
        ValueKind::Reference => 5,
        ValueKind::Secret => {
            return Err(StoreError::Missing {
                what: "a secret attribute was handed to the store; secrets are never kept".into(),
            }
            .into());
        }
    })
}

fn kind_of(code: i64) -> Inner<Option<ValueKind>> {
    Ok(match code {
        KIND_UNKNOWN => None,
        1 => Some(ValueKind::Text),
        2 => Some(ValueKind::Integer),
        3 => Some(ValueKind::Boolean),
        4 => Some(ValueKind::Binary),
        5 => Some(ValueKind::Reference),
        other => return Err(Fault::damaged(format!("unknown attribute kind {other}"))),
    })
}

impl Names {
    pub(crate) fn load(sql: &Connection) -> Inner<Self> {
        let names = Names(RefCell::default());
        names.reload(sql)?;
        Ok(names)
    }

    pub(crate) fn known_set(&self, space: i64, bytes: &[u8]) -> Option<OwnedNames> {
        self.0.borrow().sets.get(&space)?.get(bytes).cloned()
    }

    pub(crate) fn remember_set(&self, space: i64, bytes: &[u8], names: &OwnedNames) {
        let mut cache = self.0.borrow_mut();
        let sets = cache.sets.entry(space).or_default();
        if sets.len() >= MAX_SETS {
            sets.clear();
        }
        sets.insert(bytes.to_vec(), OwnedNames::clone(names));
    }

    pub(crate) fn reload(&self, sql: &Connection) -> Inner<()> {
        let mut cache = Cache::default();
        let two = |query: &str| -> Inner<Vec<(i64, String)>> {
            let mut statement = sql.prepare(query)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        for (id, name) in two("SELECT id, name FROM connector")? {
            cache.connectors.insert(id, &name);
        }
        for (id, name) in two("SELECT id, identifier FROM rule")? {
            cache.rules.insert(id, &name);
        }
        for (id, name) in two("SELECT id, name FROM object_type")? {
            cache.type_numbers.insert(name.as_str().into(), id);
            cache.types.insert(id, name.as_str().into());
        }
        let mut statement = sql.prepare("SELECT id, space, name, kind FROM attribute ORDER BY id")?;
        let rows =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get(3)?)))?;
        for row in rows {
            let (id, space, name, kind) = row?;
            cache.add_attribute(id, space, AttributeName::new(name), kind)?;
        }
        let spaces: Vec<i64> = cache.attribute_numbers.keys().copied().collect();
        spaces.into_iter().for_each(|space| cache.rank(space));
        *self.0.borrow_mut() = cache;
        Ok(())
    }
}

impl Cache {
    fn attributes_of(&self, space: i64, name: &AttributeName) -> &[(i64, i64)] {
        self.attribute_numbers.get(&space).and_then(|names| names.get(name)).map_or(&[], Vec::as_slice)
    }

    fn add_attribute(&mut self, id: i64, space: i64, name: AttributeName, kind: i64) -> Inner<()> {
        self.attribute_numbers.entry(space).or_default().entry(name.clone()).or_default().push((id, kind));
        self.attributes.insert(id, Attribute { space, name, kind: kind_of(kind)?, rank: 0 });
        Ok(())
    }

    /// Puts the names of a space in order, after others were added.
    fn rank(&mut self, space: i64) {
        let Some(numbers) = self.attribute_numbers.get(&space) else { return };
        let mut names: Vec<&AttributeName> = numbers.keys().collect();
        names.sort();
        for (rank, name) in (0..).zip(names) {
            for (id, _) in numbers.get(name).into_iter().flatten() {
                self.attributes.entry(*id).and_modify(|attribute| attribute.rank = rank);
            }
        }
    }
}

impl Db {
    fn may_intern(&self) -> Inner<()> {
        if self.read_only { Err(StoreError::ReadOnly { doing: String::new() }.into()) } else { Ok(()) }
    }

    /// The number of a connector; given at its first use.
    pub(crate) fn connector_id(&self, name: &str) -> Inner<i64> {
        if let Some(id) = self.find_connector(name) {
            return Ok(id);
        }
        self.may_intern()?;
        self.run("INSERT INTO connector (name) VALUES (?1)", [name])?;
        let id = self.sql.last_insert_rowid();
        self.names.0.borrow_mut().connectors.insert(id, name);
        Ok(id)
    }

    pub(crate) fn find_connector(&self, name: &str) -> Option<i64> {
        self.names.0.borrow().connectors.numbers.get(name).copied()
    }

    pub(crate) fn connector_name(&self, id: i64) -> Inner<ConnectorName> {
        let cache = self.names.0.borrow();
        cache.connectors.names.get(&id).cloned().ok_or_else(|| Fault::damaged(format!("unknown connector number {id}")))
    }

    pub(crate) fn connector_names(&self) -> Vec<(i64, ConnectorName)> {
        let mut all: Vec<(i64, ConnectorName)> =
            self.names.0.borrow().connectors.names.iter().map(|(id, name)| (*id, Arc::clone(name))).collect();
        all.sort();
        all
    }

    pub(crate) fn rule_id(&self, identifier: &str) -> Inner<i64> {
        if let Some(id) = self.names.0.borrow().rules.numbers.get(identifier) {
            return Ok(*id);
        }
        self.may_intern()?;
        self.run("INSERT INTO rule (identifier) VALUES (?1)", [identifier])?;
        let id = self.sql.last_insert_rowid();
        self.names.0.borrow_mut().rules.insert(id, identifier);
        Ok(id)
    }

    pub(crate) fn rule(&self, id: i64) -> Inner<RuleId> {
        let cache = self.names.0.borrow();
        cache.rules.names.get(&id).cloned().ok_or_else(|| Fault::damaged(format!("unknown rule number {id}")))
    }

    pub(crate) fn type_id(&self, object_type: &ObjectType) -> Inner<i64> {
        if let Some(id) = self.names.0.borrow().type_numbers.get(object_type) {
            return Ok(*id);
        }
        self.may_intern()?;
        self.run("INSERT INTO object_type (name) VALUES (?1)", [object_type.as_str()])?;
        let id = self.sql.last_insert_rowid();
        let mut cache = self.names.0.borrow_mut();
        cache.type_numbers.insert(object_type.clone(), id);
        cache.types.insert(id, object_type.clone());
        Ok(id)
    }

    pub(crate) fn object_type(&self, id: i64) -> Inner<ObjectType> {
        let cache = self.names.0.borrow();
        cache.types.get(&id).cloned().ok_or_else(|| Fault::damaged(format!("unknown object type number {id}")))
    }

    /// The number of an attribute with values of this kind. A kind that a known attribute did not have before is a new
    /// number, and the connector needs a full import: its older images still hold the old kind.
    pub(crate) fn object_types(&self) -> Vec<(i64, ObjectType)> {
        self.names.0.borrow().types.iter().map(|(id, name)| (*id, name.clone())).collect()
    }

    pub(crate) fn attribute_id(&self, space: i64, name: &AttributeName, kind: ValueKind) -> Inner<i64> {
        self.intern_attribute(space, name, kind_code(kind)?)
    }

    fn intern_attribute(&self, space: i64, name: &AttributeName, kind: i64) -> Inner<i64> {
        if let Some(id) = self.find_attribute(space, name, |known| known == kind) {
            return Ok(id);
        }
        self.may_intern()?;
        let known = self.names.0.borrow().attributes_of(space, name).to_vec();
        self.run("INSERT INTO attribute (space, name, kind) VALUES (?1, ?2, ?3)", (space, name.as_str(), kind))?;
        let id = self.sql.last_insert_rowid();
        let mut cache = self.names.0.borrow_mut();
        cache.add_attribute(id, space, name.clone(), kind)?;
        cache.rank(space);
        drop(cache);
        let former = known.iter().rev().find(|(_, known)| *known != KIND_UNKNOWN);
        if let (Some((_, former)), Some(now)) = (former, kind_of(kind)?)
            && space != METAVERSE
        {
            let former = kind_of(*former)?.map_or_else(String::new, |kind| kind.to_string());
            self.require_full_import(space, &format!("the values of `{name}` were {former} and are now {now}"))?;
        }
        Ok(id)
    }

    /// A number that names the attribute, whatever its kind.
    pub(crate) fn any_attribute_id(&self, space: i64, name: &AttributeName) -> Inner<i64> {
        match self.find_attribute(space, name, |_| true) {
            Some(id) => Ok(id),
            None => self.intern_attribute(space, name, KIND_UNKNOWN),
        }
    }

    /// The oldest number of a name of which the kind code is wanted.
    fn find_attribute(&self, space: i64, name: &AttributeName, is_wanted: impl Fn(i64) -> bool) -> Option<i64> {
        let cache = self.names.0.borrow();
        cache.attributes_of(space, name).iter().find(|(_, kind)| is_wanted(*kind)).map(|(id, _)| *id)
    }

    pub(crate) fn find_reference_attribute(&self, space: i64, name: &str) -> Option<i64> {
        self.find_attribute(space, &AttributeName::new(name), |kind| kind == 5)
    }

    pub(crate) fn attribute(&self, id: i64) -> Inner<Attribute> {
        let cache = self.names.0.borrow();
        cache.attributes.get(&id).cloned().ok_or_else(|| Fault::damaged(format!("unknown attribute number {id}")))
    }

    pub(crate) fn attribute_name(&self, id: i64) -> Inner<AttributeName> {
        self.attribute(id).map(|attribute| attribute.name)
    }
}
