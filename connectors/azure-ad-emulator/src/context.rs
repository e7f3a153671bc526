//! What an operation may see of the tenant while it answers one call: the directory, the knobs, the time, the caller's
//! permissions. Finds objects by key and prints them; changes nothing by itself.

use serde_json::{Map, Value, json};

use crate::clock::Millis;
use crate::directory::Directory;
use crate::entry::Entry;
use crate::errors::{GraphError, GraphResult};
use crate::guid::Guid;
use crate::indexes::Table;
use crate::knobs::Knobs;
use crate::permissions::granted;
use crate::schema::{self, Kind};
use crate::tenant_facts::role_definition;

pub(crate) struct Context<'a> {
    pub(crate) directory: &'a mut Directory,
    pub(crate) knobs: &'a Knobs,
    /// Absolute, ends in `/v1.0/`.
    pub(crate) graph_url: &'a str,
    pub(crate) now: Millis,
    /// Permissions in the caller's token: an application's, or the scopes of a person's.
    pub(crate) permissions: &'a [String],
    /// The person who signed in; none: an application on its own.
    pub(crate) person: Option<Guid>,
}

impl Context<'_> {
    pub(crate) fn require(&self, alternatives: &[&str]) -> GraphResult<()> {
        if granted(alternatives, self.permissions) { Ok(()) } else { Err(GraphError::denied()) }
    }

    /// A person's token with one of the scopes, and the person holds one of the directory roles (A.10).
    pub(crate) fn require_administrator(&self, scopes: &[&str], roles: &[&str]) -> GraphResult<()> {
        let person = self.person.and_then(|id| self.directory.live(id)).ok_or_else(GraphError::denied)?;
        self.require(scopes)?;
        let holds = |grant: &crate::tenant_facts::RoleGrant| {
            grant.principal == person.id
                && roles.iter().any(|role| role_definition(role) == Some(grant.role_definition))
        };
        if self.directory.facts.active_roles.iter().any(holds) { Ok(()) } else { Err(GraphError::denied()) }
    }

    /// Whether the object has reached the replica that answers (A.2).
    pub(crate) fn is_replicated(&self, entry: &Entry) -> bool {
        let delay = Millis::try_from(self.knobs.replication_delay_ms).unwrap_or(Millis::MAX);
        entry.created_ms == 0 || entry.created_ms.saturating_add(delay) <= self.now
    }

    /// A live, replicated object.
    pub(crate) fn visible(&self, id: Guid) -> Option<&Entry> {
        self.directory.live(id).filter(|entry| self.is_replicated(entry))
    }

    /// The user with that object id or sign-in name.
    pub(crate) fn user(&self, key: &str) -> GraphResult<&Entry> {
        let by_id = Guid::parse(key).and_then(|id| self.visible(id));
        let found = by_id.or_else(|| {
            let mut holders = self.directory.holders(Table::UserPrincipalName, key);
            holders.find(|entry| self.is_replicated(entry))
        });
        found.filter(|entry| entry.kind == Kind::User).ok_or_else(|| GraphError::not_found(key))
    }

    pub(crate) fn group(&self, key: &str) -> GraphResult<&Entry> {
        self.of_kind(Kind::Group, key)
    }

    pub(crate) fn of_kind(&self, kind: Kind, key: &str) -> GraphResult<&Entry> {
        if kind == Kind::User {
            return self.user(key);
        }
        let found = Guid::parse(key).and_then(|id| self.visible(id));
        found.filter(|entry| entry.kind == kind).ok_or_else(|| GraphError::not_found(key))
    }

    /// The object a reference such as `https://host/v1.0/directoryObjects/{id}` points at.
    pub(crate) fn referenced(&self, url: &str) -> GraphResult<&Entry> {
        let path = url.split(['?', '#']).next().unwrap_or(url);
        let segments = crate::call::segments(path)?;
        let key = segments.last().map_or("", String::as_str);
        let by_id = Guid::parse(key).and_then(|id| self.visible(id));
        by_id.or_else(|| self.user(key).ok()).ok_or_else(|| GraphError::not_found(key))
    }

    /// Value of one property as Graph prints it.
    pub(crate) fn value_of(&self, entry: &Entry, name: &str) -> Value {
        match name {
            "id" => json!(entry.id),
            "onPremisesExtensionAttributes" if entry.kind == Kind::User => {
                schema::extension_attributes(entry.properties.get(name).and_then(Value::as_object))
            }
            "identities" if entry.kind == Kind::User => self.identities(entry),
            _ => match entry.properties.get(name) {
                Some(Value::Null) | None => schema::empty_value(entry.kind, name),
                Some(value) => value.clone(),
            },
        }
    }

    /// Identities as stored, or the one that every user of the tenant's own has: the sign-in name.
    fn identities(&self, entry: &Entry) -> Value {
        if let Some(stored) = entry.properties.get("identities") {
            return stored.clone();
        }
        json!([{
            "signInType": "userPrincipalName",
            "issuer": self.directory.facts.initial_domain(),
            "issuerAssignedId": entry.text("userPrincipalName"),
        }])
    }

    /// The object with the selected properties, or the default set of its type (A.2).
    pub(crate) fn print(&self, entry: &Entry, select: Option<&[String]>) -> Map<String, Value> {
        let mut printed = Map::new();
        match select {
            Some(names) => {
                for name in names {
                    // In collections of mixed types, a selected property may belong to another type.
                    if schema::find(entry.kind, name).is_some() || entry.properties.contains_key(name) {
                        printed.insert(name.clone(), self.value_of(entry, name));
                    }
                }
            }
            None => {
                for property in entry.kind.properties().iter().filter(|property| property.default) {
                    printed.insert(property.name.to_owned(), self.value_of(entry, property.name));
                }
                if !entry.is_live() {
                    printed.insert("deletedDateTime".to_owned(), self.value_of(entry, "deletedDateTime"));
                }
            }
        }
        printed
    }

    /// As [`Context::print`], with the type in front, as collections of mixed types have it.
    pub(crate) fn print_typed(&self, entry: &Entry, select: Option<&[String]>) -> Map<String, Value> {
        let mut printed = Map::new();
        printed.insert("@odata.type".to_owned(), json!(entry.kind.odata_type()));
        printed.extend(self.print(entry, select));
        printed
    }

    pub(crate) fn entity_url(&self, entry: &Entry) -> String {
        format!("{}{}/{}", self.graph_url, entry.kind.set(), entry.id)
    }
}
