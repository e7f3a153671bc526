//! What is kept about each connector beside its objects: requirements, watermarks, the schema as last read, the accounts the
//! deployment signs in with, and what was read about match candidates.

use crate::codec::{value_bytes, value_of};
use crate::db::Db;
use crate::error::{Fault, Inner};
use crate::{Store, StoreError};
use metaverse_schema::{
    AttributeDefinition, AttributeName, ConnectorSchema, ObjectClass, ObjectType, Plurality, Value, ValueKind,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use sync_kernel::{CsId, Privilege};
use sync_rules::ConnectorName;

/// What a connector needs before deltas can be trusted again, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requirements {
    pub full_import: Option<String>,
    pub full_sync: Option<String>,
}

/// An account the deployment signs in with: never synchronised (SF20).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAccountFact {
    /// The attribute that identifies it in a connector space, such as `objectSid`.
    pub attribute: String,
    pub value: Value,
    /// For people.
    pub name: String,
}

impl From<OwnAccountFact> for (String, Value, String) {
    fn from(fact: OwnAccountFact) -> Self {
        (fact.attribute, fact.value, fact.name)
    }
}

/// What saving a schema found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SchemaChange {
    /// Attributes whose kind is another than in the schema read before; the connector now requires a full import.
    pub kinds_changed: Vec<AttributeName>,
}

#[derive(Serialize, Deserialize)]
struct StoredSchema {
    classes: Vec<StoredClass>,
    attributes: Vec<StoredAttribute>,
}

#[derive(Serialize, Deserialize)]
struct StoredClass {
    name: String,
    creatable: bool,
    container: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredAttribute {
    name: String,
    kind: ValueKind,
    plurality: Plurality,
    writable: bool,
}

fn to_stored(schema: &ConnectorSchema) -> StoredSchema {
    StoredSchema {
        classes: schema
            .classes
            .values()
            .map(|class| StoredClass {
                name: class.name.to_string(),
                creatable: class.creatable,
                container: class.container,
            })
            .collect(),
        attributes: schema
            .attributes
            .values()
            .map(|attribute| StoredAttribute {
                name: attribute.name.to_string(),
                kind: attribute.kind,
                plurality: attribute.plurality,
                writable: attribute.writable,
            })
            .collect(),
    }
}

fn from_stored(stored: StoredSchema) -> ConnectorSchema {
    let mut schema = ConnectorSchema::default();
    for class in stored.classes {
        let name = ObjectType::new(class.name);
        schema
            .classes
            .insert(name.clone(), ObjectClass { name, creatable: class.creatable, container: class.container });
    }
    for attribute in stored.attributes {
        let name = AttributeName::new(attribute.name);
        schema.attributes.insert(
            name.clone(),
            AttributeDefinition {
                name,
                kind: attribute.kind,
                plurality: attribute.plurality,
                writable: attribute.writable,
            },
        );
    }
    schema
}

impl Store {
    /// What the connector needs, and why.
    pub fn requirements(&self, connector: &str) -> Result<Requirements, StoreError> {
        self.db.read("reading what the connector requires", |db| {
            let Some(id) = db.find_connector(connector) else { return Ok(Requirements::default()) };
            let row = db.one(
                "SELECT full_import_required, full_sync_required FROM connector_flags WHERE connector = ?1",
                [id],
                |row| Ok(Requirements { full_import: row.get(0)?, full_sync: row.get(1)? }),
            )?;
            Ok(row.unwrap_or_default())
        })
    }

    /// Deltas of this connector are not enough until a full import has finished.
    pub fn require_full_import(&mut self, connector: &str, reason: &str) -> Result<(), StoreError> {
        self.db.write("marking a full import as required", |db| {
            db.require_full_import(db.connector_id(connector)?, reason)
        })
    }

    /// Delta synchronisation of this connector is not enough until a full one has finished.
    pub fn require_full_sync(&mut self, connector: &str, reason: &str) -> Result<(), StoreError> {
        self.db.write("marking a full synchronisation as required", |db| {
            db.require_full_sync(db.connector_id(connector)?, reason)
        })
    }

    /// A full synchronisation of this connector has finished.
    pub fn full_sync_done(&mut self, connector: &str) -> Result<(), StoreError> {
        self.db.write("recording a full synchronisation", |db| {
            let id = db.connector_id(connector)?;
            db.run(
                "UPDATE connector_flags SET full_sync_required = NULL, full_sync_after = NULL WHERE connector = ?1",
                [id],
            )
            .map(drop)
        })
    }

    /// The last object that a full synchronisation of this connector was through with when it broke off. None when the next
    /// one begins at the first object: none broke off, or the rules have changed since.
    pub fn full_sync_position(&self, connector: &str) -> Result<Option<CsId>, StoreError> {
        self.db.read("reading how far a full synchronisation came", |db| {
            let Some(id) = db.find_connector(connector) else { return Ok(None) };
            let after: Option<Option<i64>> =
                db.one("SELECT full_sync_after FROM connector_flags WHERE connector = ?1", [id], |row| row.get(0))?;
            Ok(after.flatten().map(CsId))
        })
    }

    /// Where the next delta import continues.
    pub fn watermark(&self, connector: &str) -> Result<Option<String>, StoreError> {
        self.db.read("reading the watermark", |db| {
            let Some(id) = db.find_connector(connector) else { return Ok(None) };
            db.one("SELECT value FROM watermark WHERE connector = ?1", [id], |row| row.get(0))
        })
    }

    /// Keeps a connector's schema. An attribute whose kind changed requires a full import: older images hold the old kind.
    pub fn save_schema(&mut self, connector: &str, schema: &ConnectorSchema) -> Result<SchemaChange, StoreError> {
        self.db.write("keeping the schema", |db| {
            let id = db.connector_id(connector)?;
            let before = db.load_schema(id)?.unwrap_or_default();
            let kinds_changed: Vec<AttributeName> = schema
                .attributes
                .values()
                .filter(|now| before.kind_of(now.name.as_str()).is_some_and(|kind| kind != now.kind))
                .map(|now| now.name.clone())
                .collect();
            if let Some(first) = kinds_changed.first() {
                db.require_full_import(id, &format!("the schema changed the kind of `{first}`"))?;
            }
            let text = serde_json::to_string(&to_stored(schema))
                .map_err(|error| Fault::Store(StoreError::Missing { what: format!("the schema cannot be kept: {error}") }))?;
            db.run(
                "INSERT INTO schema_cache (connector, schema) VALUES (?1, ?2) ON CONFLICT (connector) DO UPDATE SET schema = excluded.schema \
                 WHERE schema <> excluded.schema",
                (id, text),
            )?;
            Ok(SchemaChange { kinds_changed })
        })
    }

    /// The schema as last read.
    pub fn schema(&self, connector: &str) -> Result<Option<ConnectorSchema>, StoreError> {
        self.db.read("reading the schema", |db| match db.find_connector(connector) {
            Some(id) => db.load_schema(id),
            None => Ok(None),
        })
    }

    /// The schemas of all connectors that have one.
    pub fn schemas(&self) -> Result<BTreeMap<ConnectorName, ConnectorSchema>, StoreError> {
        self.db.read("reading the schemas", |db| {
            let mut schemas = BTreeMap::new();
            for (id, name) in db.connector_names() {
                if let Some(schema) = db.load_schema(id)? {
                    schemas.insert(name, schema);
                }
            }
            Ok(schemas)
        })
    }

    /// Keeps the accounts that a connector signs in with. When the list changed, every object that matches an old or a new entry
    /// is looked at again by the next synchronisation.
    pub fn save_own_accounts(&mut self, connector: &str, accounts: &[OwnAccountFact]) -> Result<(), StoreError> {
        self.db.write("keeping the deployment's own accounts", |db| db.save_own_accounts(connector, accounts))
    }

    /// The accounts of all connectors.
    pub fn own_accounts(&self) -> Result<Vec<OwnAccountFact>, StoreError> {
        self.db.read("reading the deployment's own accounts", |db| db.load_own_accounts(None))
    }

    /// Keeps what was read about the roles of match candidates. Metaverse objects that hold such a candidate are decided again
    /// when it changed.
    pub fn save_privileges(&mut self, facts: &[(CsId, Privilege)], now: i64) -> Result<(), StoreError> {
        self.db.write("keeping what was read about roles", |db| {
            facts.iter().try_for_each(|(object, privilege)| db.save_privilege(object.0, privilege, now))
        })
    }
}

impl Db {
    pub(crate) fn require_full_import(&self, connector: i64, reason: &str) -> Inner<()> {
        self.run(
            "INSERT INTO connector_flags (connector, full_import_required) VALUES (?1, ?2) \
             ON CONFLICT (connector) DO UPDATE SET full_import_required = coalesce(full_import_required, excluded.full_import_required)",
            (connector, reason),
        )?;
        Ok(())
    }

    /// What was synchronised before counts no longer: the next full synchronisation begins at the first object.
    pub(crate) fn require_full_sync(&self, connector: i64, reason: &str) -> Inner<()> {
        self.run(
            "INSERT INTO connector_flags (connector, full_sync_required) VALUES (?1, ?2) \
             ON CONFLICT (connector) DO UPDATE SET full_sync_required = coalesce(full_sync_required, excluded.full_sync_required), \
             full_sync_after = NULL",
            (connector, reason),
        )?;
        Ok(())
    }

    pub(crate) fn load_schema(&self, connector: i64) -> Inner<Option<ConnectorSchema>> {
        let text: Option<String> =
            self.one("SELECT schema FROM schema_cache WHERE connector = ?1", [connector], |row| row.get(0))?;
        let Some(text) = text else { return Ok(None) };
        let stored: StoredSchema = serde_json::from_str(&text)
            .map_err(|error| Fault::damaged(format!("the kept schema is malformed ({error})")))?;
        Ok(Some(from_stored(stored)))
    }

    fn load_own_accounts(&self, connector: Option<i64>) -> Inner<Vec<OwnAccountFact>> {
        let rows: Vec<(String, Vec<u8>, String)> = self.all(
            "SELECT attribute, value, name FROM own_account WHERE ?1 IS NULL OR connector = ?1 ORDER BY connector, attribute, value",
            [connector],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        rows.into_iter()
            .map(|(attribute, value, name)| Ok(OwnAccountFact { attribute, value: value_of(&value)?, name }))
            .collect()
    }

    fn save_own_accounts(&self, connector: &str, accounts: &[OwnAccountFact]) -> Inner<()> {
        let id = self.connector_id(connector)?;
        let before = self.load_own_accounts(Some(id))?;
        let key = |fact: &OwnAccountFact| (fact.attribute.clone(), fact.value.clone());
        let changed: Vec<_> = before
            .iter()
            .filter(|fact| !accounts.iter().any(|other| key(other) == key(fact)))
            .chain(accounts.iter().filter(|fact| !before.iter().any(|other| key(other) == key(fact))))
            .map(key)
            .collect();
        if before.len() == accounts.len() && accounts.iter().all(|fact| before.contains(fact)) {
            return Ok(());
        }
        self.run("DELETE FROM own_account WHERE connector = ?1", [id])?;
        for fact in accounts {
            self.run(
                "INSERT OR IGNORE INTO own_account (connector, attribute, value, name) VALUES (?1, ?2, ?3, ?4)",
                (id, &fact.attribute, value_bytes(&fact.value)?, &fact.name),
            )?;
        }
        if changed.is_empty() {
            return Ok(());
        }
        self.each_staging_object(None, |db, head, image| {
            let own = changed
                .iter()
                .any(|(attribute, value)| image.get(attribute).is_some_and(|values| values.contains(value)));
            if own { db.mark_dirty(head.id, head.connector) } else { Ok(()) }
        })
    }

    fn save_privilege(&self, object: i64, privilege: &Privilege, now: i64) -> Inner<()> {
        if self.load_privilege(object)?.as_ref() == Some(privilege) {
            self.run("UPDATE fact_privilege SET read_at = ?2 WHERE object = ?1", (object, now))?;
            return Ok(());
        }
        let (verdict, detail) = match privilege {
            Privilege::None => (0, String::new()),
            Privilege::Roles(roles) => (1, roles.join("\n")),
            Privilege::Unreadable(reason) => (2, reason.clone()),
        };
        self.run(
            "INSERT INTO fact_privilege (object, verdict, detail, read_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (object) DO UPDATE \
             SET verdict = excluded.verdict, detail = excluded.detail, read_at = excluded.read_at",
            (object, verdict, detail, now),
        )?;
        self.bump(object)?;
        self.candidate_changed(object)
    }

    pub(crate) fn load_privilege(&self, object: i64) -> Inner<Option<Privilege>> {
        let row: Option<(i64, String)> =
            self.one("SELECT verdict, detail FROM fact_privilege WHERE object = ?1", [object], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        Ok(match row {
            None => None,
            Some((0, _)) => Some(Privilege::None),
            Some((1, detail)) => Some(Privilege::Roles(detail.lines().map(str::to_owned).collect())),
            Some((2, detail)) => Some(Privilege::Unreadable(detail)),
            Some((other, _)) => return Err(Fault::damaged(format!("unknown privilege verdict {other}"))),
        })
    }
}
