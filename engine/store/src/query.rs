//! Finding objects for operators: by DN, anchor or name, and by a part of a name; and the counts of a space (O22).
//! Reads only.

use crate::codes;
use crate::db::Db;
use crate::error::{Fault, Inner};
use crate::head::Head;
use crate::{Store, StoreError};
use metaverse_schema::{Attributes, ByName, ObjectType, Value};
use serde::Serialize;
use std::collections::BTreeSet;
use sync_kernel::{
    ConnectorState, CsId, CsObject, MemoryState, MvId, MvObject, MvValue, Ownership, PendingExport, PendingOperation,
};
use sync_rules::ConnectorName;

/// Attributes under which operators look for an object, in the order in which one of them names it.
const NAMES: &[&str] = &["displayName", "userPrincipalName", "mail", "sAMAccountName", "cn", "accountName", "name"];

/// O33.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PendingImport {
    Add,
    Update,
    Delete,
    DeleteAdd,
}

/// A connector-space object in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObjectSummary {
    pub id: CsId,
    #[serde(serialize_with = "crate::as_text")]
    pub connector: ConnectorName,
    pub object_type: ObjectType,
    pub name: String,
    pub anchor: Option<String>,
    pub dn: Option<String>,
    pub state: ConnectorState,
    pub link: Option<MvId>,
    pub ownership: Option<Ownership>,
    pub pending_import: Option<PendingImport>,
    /// `add`, `update`, `restore`, `delete` or `detach`.
    pub pending_export: Option<&'static str>,
}

/// A metaverse object in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MvSummary {
    pub id: MvId,
    pub object_type: ObjectType,
    pub name: String,
    pub links: Vec<CsId>,
}

/// O22.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SpaceCounts {
    /// Staging objects: neither placeholders nor containers.
    pub objects: u64,
    pub connectors: u64,
    pub explicit_connectors: u64,
    /// Normal, explicit and filtered.
    pub disconnectors: u64,
    pub explicit_disconnectors: u64,
    pub filtered_disconnectors: u64,
    pub placeholders: u64,
    pub containers: u64,
    pub import_add: u64,
    pub import_update: u64,
    pub import_delete: u64,
    pub export_add: u64,
    pub export_update: u64,
    pub export_delete: u64,
    /// Single reference values to be added or removed.
    pub export_references: u64,
    /// Decisions that were made and are not written.
    pub held: u64,
    /// Reference values that do not flow, each with its reason.
    pub members_held: u64,
    pub errors: u64,
}

/// What of a connector space is not at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenCounts {
    /// Objects with something to send.
    pub pending: u64,
    pub errors: u64,
    /// Objects with sent values that no import has confirmed yet (O44).
    pub unconfirmed: u64,
}

impl Store {
    /// The connectors that the store knows, in the order in which it met them.
    pub fn connectors(&self) -> Vec<ConnectorName> {
        self.db.connector_names().into_iter().map(|(_, name)| name).collect()
    }

    /// Counts of one connector space.
    pub fn counts(&self, connector: &str) -> Result<SpaceCounts, StoreError> {
        self.db.read("counting the connector space", |db| match db.find_connector(connector) {
            Some(id) => db.space_counts(id),
            None => Ok(SpaceCounts::default()),
        })
    }

    /// Objects of a space with something to send, and objects in error. Costs by their number, not by the space's.
    pub fn open_counts(&self, connector: &str) -> Result<OpenCounts, StoreError> {
        self.db.read("counting what is open", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(OpenCounts::default()) };
            let all = db.count("SELECT count(*) FROM pending_export WHERE connector = ?1", [connector])?;
            Ok(OpenCounts {
                pending: all.saturating_sub(db.leaving_count(connector)?),
                errors: db.count("SELECT count(*) FROM object_error WHERE connector = ?1", [connector])?,
                unconfirmed: db.unconfirmed_objects(connector)?,
            })
        })
    }

    /// Number of metaverse objects.
    pub fn metaverse_count(&self) -> Result<u64, StoreError> {
        self.db.read("counting the metaverse", |db| db.count("SELECT count(*) FROM metaverse", []))
    }

    /// The highest number that a metaverse object has; 0: there is none. A copy of the store gives higher ones to new objects.
    pub fn last_metaverse_number(&self) -> Result<MvId, StoreError> {
        self.db.read("counting the metaverse", |db| {
            let last: Option<i64> = db.one("SELECT max(id) FROM metaverse", [], |row| row.get(0))?.flatten();
            Ok(MvId(last.unwrap_or(0)))
        })
    }

    /// An object as the kernel sees it.
    pub fn object(&self, id: CsId) -> Result<Option<CsObject>, StoreError> {
        self.db.read("reading an object", |db| db.load_object(id.0))
    }

    /// A metaverse object as the kernel sees it.
    pub fn metaverse(&self, id: MvId) -> Result<Option<MvObject>, StoreError> {
        self.db.read("reading a metaverse object", |db| db.load_metaverse(id.0))
    }

    pub fn summary(&self, id: CsId) -> Result<Option<ObjectSummary>, StoreError> {
        self.db.read("reading an object", |db| match db.find_head(id.0)? {
            Some(head) => db.summarise(&head).map(Some),
            None => Ok(None),
        })
    }

    /// The name an operator knows an object by.
    pub fn label(&self, id: CsId) -> Result<String, StoreError> {
        self.db.read("reading an object's name", |db| db.label(id.0))
    }

    pub fn metaverse_summary(&self, id: MvId) -> Result<Option<MvSummary>, StoreError> {
        self.db.read("reading a metaverse object", |db| db.summarise_metaverse(id.0))
    }

    /// Objects of a space that an operator may mean: the one with this DN, anchor or number (`cs:7`); else those that carry the
    /// text as their name, sign-in name, address or account name, whatever its case.
    pub fn find_object(&self, connector: &str, text: &str) -> Result<Vec<CsId>, StoreError> {
        self.db.read("looking for an object", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(Vec::new()) };
            if let Some(id) = text.strip_prefix("cs:").and_then(|number| number.parse::<i64>().ok()) {
                let known = db.find_head(id)?.is_some_and(|head| head.connector == connector);
                return Ok(if known { vec![CsId(id)] } else { Vec::new() });
            }
            if let Some(id) = db.find_named(connector, text)? {
                return Ok(vec![CsId(id)]);
            }
            let wanted = text.to_lowercase();
            db.scan_objects(connector, usize::MAX, |_, image| {
                carries(&|name| image.get(name).cloned(), &|value| value == wanted)
            })
        })
    }

    /// Metaverse objects that an operator may mean: by number (`mv:7`), else by name, sign-in name, address or anchor.
    pub fn find_metaverse(&self, text: &str) -> Result<Vec<MvId>, StoreError> {
        self.db.read("looking for a metaverse object", |db| {
            if let Some(id) = text.strip_prefix("mv:").and_then(|number| number.parse::<i64>().ok()) {
                return Ok(if db.load_metaverse(id)?.is_some() { vec![MvId(id)] } else { Vec::new() });
            }
            let wanted = text.to_lowercase();
            db.scan_metaverse(usize::MAX, |attributes| {
                carries(&|name| attributes.get(name).map(|value| value.values.clone()), &|value| value == wanted)
                    || attributes
                        .get("sourceAnchor")
                        .is_some_and(|value| value.values.iter().any(|value| value.as_text() == Some(text)))
            })
        })
    }

    /// Objects of a space whose name, sign-in name, address, account name or DN contains the text, whatever its case.
    pub fn search_objects(&self, connector: &str, text: &str, limit: usize) -> Result<Vec<ObjectSummary>, StoreError> {
        self.db.read("searching the connector space", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(Vec::new()) };
            let wanted = text.to_lowercase();
            let exact = db.find_named(connector, text)?;
            let found = db.scan_objects(connector, limit, |head, image| {
                let in_name = head.rdn.as_ref().is_some_and(|rdn| rdn.to_lowercase().contains(&wanted));
                Some(head.id) == exact
                    || in_name
                    || carries(&|name| image.get(name).cloned(), &|value| value.contains(&wanted))
            })?;
            found.into_iter().map(|id| db.summarise(&db.head(id.0)?)).collect()
        })
    }

    /// Metaverse objects of which any text value contains the text, whatever its case.
    pub fn search_metaverse(&self, text: &str, limit: usize) -> Result<Vec<MvSummary>, StoreError> {
        self.db.read("searching the metaverse", |db| {
            let wanted = text.to_lowercase();
            let found = db.scan_metaverse(limit, |attributes| {
                attributes.values().any(|value| {
                    value.values.iter().filter_map(Value::as_text).any(|value| value.to_lowercase().contains(&wanted))
                })
            })?;
            let mut summaries = Vec::new();
            for id in found {
                summaries.extend(db.summarise_metaverse(id.0)?);
            }
            Ok(summaries)
        })
    }

    /// All objects of a space in order of number, a page at a time.
    pub fn list_objects(
        &self,
        connector: &str,
        after: Option<CsId>,
        limit: usize,
    ) -> Result<Vec<ObjectSummary>, StoreError> {
        self.db.read("listing the connector space", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(Vec::new()) };
            let ids = db.ids(
                "SELECT id FROM head WHERE connector = ?1 AND id > ?2 AND state NOT IN (5, 6) ORDER BY id LIMIT ?3",
                (connector, after.map_or(0, |id| id.0), i64::try_from(limit).unwrap_or(i64::MAX)),
            )?;
            ids.into_iter().map(|id| db.summarise(&db.head(id)?)).collect()
        })
    }

    /// All metaverse objects in order of number, a page at a time.
    pub fn list_metaverse(&self, after: Option<MvId>, limit: usize) -> Result<Vec<MvSummary>, StoreError> {
        self.db.read("listing the metaverse", |db| {
            let ids = db.ids(
                "SELECT id FROM metaverse WHERE id > ?1 ORDER BY id LIMIT ?2",
                (after.map_or(0, |id| id.0), i64::try_from(limit).unwrap_or(i64::MAX)),
            )?;
            let mut summaries = Vec::new();
            for id in ids {
                summaries.extend(db.summarise_metaverse(id)?);
            }
            Ok(summaries)
        })
    }
}

/// Whether any of the name attributes has a fitting value, in lower case. Address prefixes do not count.
fn carries(values: &dyn Fn(&str) -> Option<metaverse_schema::Values>, fits: &dyn Fn(&str) -> bool) -> bool {
    let named = NAMES.iter().chain(&["proxyAddresses", "givenName", "sn"]);
    named.filter_map(|name| values(name)).any(|values| {
        values.iter().filter_map(Value::as_text).any(|text| {
            let text = text.to_lowercase();
            fits(text.strip_prefix("smtp:").unwrap_or(&text))
        })
    })
}

impl Db {
    fn scan_objects(
        &self,
        connector: i64,
        limit: usize,
        fits: impl Fn(&Head, &Attributes) -> bool,
    ) -> Inner<Vec<CsId>> {
        let mut found = Vec::new();
        let mut after = 0;
        while found.len() < limit {
            let page = self.ids(
                "SELECT id FROM head WHERE connector = ?1 AND id > ?2 AND state NOT IN (5, 6) ORDER BY id LIMIT 1000",
                (connector, after),
            )?;
            let Some(last) = page.last().copied() else { break };
            for id in page {
                let head = self.head(id)?;
                if found.len() < limit && fits(&head, &self.known_image(&head)?) {
                    found.push(CsId(id));
                }
            }
            after = last;
        }
        Ok(found)
    }

    fn scan_metaverse(&self, limit: usize, fits: impl Fn(&ByName<MvValue>) -> bool) -> Inner<Vec<MvId>> {
        let mut found = Vec::new();
        let mut after = 0;
        while found.len() < limit {
            let page = self.ids("SELECT id FROM metaverse WHERE id > ?1 ORDER BY id LIMIT 1000", [after])?;
            let Some(last) = page.last().copied() else { break };
            for id in page {
                let Some(object) = self.load_metaverse(id)? else { continue };
                if found.len() < limit && fits(&object.attributes) {
                    found.push(MvId(id));
                }
            }
            after = last;
        }
        Ok(found)
    }

    /// What is known of an object's attributes: as imported, as last synchronised when it is gone, as it will be created.
    pub(crate) fn known_image(&self, head: &Head) -> Inner<Attributes> {
        if let Some(image) = self.imported_image(head)? {
            return Ok(image);
        }
        if let Some(image) = self.synchronised_image(head)? {
            return Ok(image);
        }
        Ok(match self.load_pending(head.id, head.connector)? {
            Some(PendingExport { operation: PendingOperation::Add { attributes }, .. }) => attributes,
            _ => sync_kernel::overlay(&Attributes::new(), &self.memory(head)?),
        })
    }

    /// The name an operator knows an object by.
    pub(crate) fn label(&self, id: i64) -> Inner<String> {
        let Some(head) = self.find_head(id)? else { return Ok(CsId(id).to_string()) };
        let image = self.known_image(&head)?;
        if let Some(name) = NAMES.iter().find_map(|name| image.text(name)) {
            return Ok(name.to_owned());
        }
        if let Some(dn) = self.dn(id)? {
            return Ok(dn.to_string());
        }
        Ok(head.anchor()?.map_or_else(|| CsId(id).to_string(), |anchor| anchor.to_string()))
    }

    pub(crate) fn metaverse_label(&self, id: i64) -> Inner<String> {
        let Some(object) = self.load_metaverse(id)? else { return Ok(MvId(id).to_string()) };
        let name = NAMES.iter().find_map(|name| {
            object
                .attributes
                .get(*name)
                .and_then(|value| value.values.first())
                .and_then(Value::as_text)
                .map(str::to_owned)
        });
        Ok(name.unwrap_or_else(|| MvId(id).to_string()))
    }

    pub(crate) fn summarise(&self, head: &Head) -> Inner<ObjectSummary> {
        let operation: Option<i64> =
            self.one("SELECT operation FROM pending_export WHERE object = ?1", [head.id], |row| row.get(0))?;
        Ok(ObjectSummary {
            id: CsId(head.id),
            connector: self.connector_name(head.connector)?,
            object_type: self.type_name(head)?,
            name: self.label(head.id)?,
            anchor: head.anchor()?.map(|anchor| anchor.to_string()),
            dn: self.dn(head.id)?.map(|dn| dn.to_string()),
            state: head.state()?,
            link: head.link.map(|link| MvId(link.mv)),
            ownership: head.ownership()?,
            pending_import: pending_import(head)?,
            pending_export: operation.map(operation_name).transpose()?,
        })
    }

    fn summarise_metaverse(&self, id: i64) -> Inner<Option<MvSummary>> {
        let row: Option<i64> = self.one("SELECT object_type FROM metaverse WHERE id = ?1", [id], |row| row.get(0))?;
        let Some(object_type) = row else { return Ok(None) };
        Ok(Some(MvSummary {
            id: MvId(id),
            object_type: self.object_type(object_type)?,
            name: self.metaverse_label(id)?,
            links: self.linked_to(id)?.into_iter().map(CsId).collect(),
        }))
    }

    fn unconfirmed_objects(&self, connector: i64) -> Inner<u64> {
        let mut waiting: BTreeSet<i64> = self
            .ids("SELECT DISTINCT object FROM pending_reference WHERE connector = ?1 AND state IN (1, 2)", [connector])?
            .into_iter()
            .collect();
        for id in self.ids("SELECT id FROM head WHERE connector = ?1 AND memory_body IS NOT NULL", [connector])? {
            let memory = self.memory(&self.head(id)?)?;
            if memory.attributes.values().any(|remembered| remembered.state == MemoryState::Unconfirmed) {
                waiting.insert(id);
            }
        }
        Ok(waiting.len() as u64)
    }

    fn space_counts(&self, connector: i64) -> Inner<SpaceCounts> {
        let mut counts = SpaceCounts::default();
        let states: Vec<(i64, i64, bool, i64)> = self.all(
            "SELECT state, staged, synchronised_body IS NULL, count(*) FROM head WHERE connector = ?1 GROUP BY 1, 2, 3",
            [connector],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )?;
        for (state, staged, unsynchronised, count) in states {
            let count = u64::try_from(count).unwrap_or(0);
            match codes::state_of(state)? {
                ConnectorState::Placeholder => {
                    counts.placeholders += count;
                    continue;
                }
                ConnectorState::Container => {
                    counts.containers += count;
                    continue;
                }
                ConnectorState::Connected => counts.connectors += count,
                ConnectorState::ExplicitlyConnected => {
                    counts.connectors += count;
                    counts.explicit_connectors += count;
                }
                ConnectorState::Disconnected => counts.disconnectors += count,
                ConnectorState::DisconnectedByFilter => {
                    counts.disconnectors += count;
                    counts.filtered_disconnectors += count;
                }
                ConnectorState::ExplicitlyDisconnected => {
                    counts.disconnectors += count;
                    counts.explicit_disconnectors += count;
                }
            }
            counts.objects += count;
            match staged {
                codes::STAGED_NONE => {}
                codes::STAGED_DELETED => counts.import_delete += count,
                _ if unsynchronised => counts.import_add += count,
                _ => counts.import_update += count,
            }
        }
        let operations: Vec<(i64, i64)> = self.all(
            "SELECT operation, count(*) FROM pending_export WHERE connector = ?1 AND not_before IS NULL GROUP BY operation",
            [connector],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        for (operation, count) in operations {
            let count = u64::try_from(count).unwrap_or(0);
            match operation {
                codes::ADD => counts.export_add += count,
                codes::DELETE => counts.export_delete += count,
                _ => counts.export_update += count,
            }
        }
        counts.export_references =
            self.count("SELECT count(*) FROM pending_reference WHERE connector = ?1 AND state <> 2", [connector])?;
        let held = "SELECT coalesce(sum(number), 0) FROM held_count WHERE connector = ?1 AND members = ?2";
        counts.held = self.count(held, (connector, false))?;
        counts.members_held = self.count(held, (connector, true))?;
        counts.errors = self.count("SELECT count(*) FROM object_error WHERE connector = ?1", [connector])?;
        Ok(counts)
    }
}

pub(crate) fn pending_import(head: &Head) -> Inner<Option<PendingImport>> {
    Ok(match head.staged {
        codes::STAGED_NONE => None,
        codes::STAGED_IMAGE if head.synchronised_body.is_none() => Some(PendingImport::Add),
        codes::STAGED_IMAGE => Some(PendingImport::Update),
        codes::STAGED_DELETED => Some(PendingImport::Delete),
        codes::STAGED_REPLACED => Some(PendingImport::DeleteAdd),
        other => return Err(Fault::damaged(format!("unknown staging state {other}"))),
    })
}

pub(crate) fn operation_name(code: i64) -> Inner<&'static str> {
    Ok(match code {
        0 => "add",
        1 => "update",
        2 => "restore",
        3 => "delete",
        4 => "detach",
        other => return Err(Fault::damaged(format!("unknown operation {other}"))),
    })
}
