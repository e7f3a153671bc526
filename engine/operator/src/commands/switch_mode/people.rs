//! Who is matched by what when a tenant is written in Connect mode for the first time: as the last import saw them. Reads the
//! store only.

use super::names;
use crate::failure::Failure;
use crate::text::{counted, paragraph};
use metaverse_schema::{Attributes, Value};
use serde_json::{Value as Json, json};
use sync_store::{ObjectSummary, Store};

const PAGE: usize = 1_000;

/// One user with a stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamped {
    pub(super) name: String,
    /// The object id.
    pub(super) anchor: String,
    /// Whether the service could find it by an address, were the stamp gone.
    pub(super) has_address: bool,
}

#[derive(Debug, Default)]
pub(super) struct People {
    /// Linked users with a stamp: the service matches them by it (hard match).
    pub(super) stamped: Vec<Stamped>,
    /// Linked users without one: matched by their primary address (soft match).
    by_address: Vec<String>,
    /// Linked users that the service can find by nothing.
    by_nothing: Vec<String>,
    /// Linked groups that are not synchronised: the service matches groups by address alone, and these have none.
    groups: Vec<String>,
    /// Users that carry a stamp and belong to nobody here.
    foreign: Vec<String>,
}

impl People {
    pub(super) fn read(store: &Store, connector: &str) -> Result<People, Failure> {
        let mut people = People::default();
        let mut page = store.list_objects(connector, None, PAGE)?;
        while let Some(last) = page.last().map(|summary| summary.id) {
            for summary in &page {
                if let Some(object) = store.object(summary.id)?
                    && let Some(image) = object.imported()
                {
                    people.sort_in(summary, image);
                }
            }
            page = store.list_objects(connector, Some(last), PAGE)?;
        }
        Ok(people)
    }

    fn sort_in(&mut self, summary: &ObjectSummary, image: &Attributes) {
        if image.first("onPremisesSyncEnabled") == Some(&Value::Boolean(true)) {
            return;
        }
        let (linked, name) = (summary.link.is_some(), summary.name.clone());
        let stamped = image.text("onPremisesImmutableId").is_some_and(|stamp| !stamp.is_empty());
        match summary.object_type.as_str() {
            "user" if stamped && linked => {
                let anchor = summary.anchor.clone().unwrap_or_default();
                self.stamped.push(Stamped { name, anchor, has_address: has_address(image) });
            }
            "user" if stamped => self.foreign.push(name),
            "user" if linked && has_address(image) => self.by_address.push(name),
            "user" if linked => self.by_nothing.push(name),
            "group" if linked && !has_address(image) => self.groups.push(name),
            _ => {}
        }
    }

    /// Users whose stamp can be cleared: the service finds them by their address then.
    pub(super) fn clearable(&self) -> impl Iterator<Item = &Stamped> {
        self.stamped.iter().filter(|stamped| stamped.has_address)
    }

    pub(super) fn text(&self, clear_stamps: bool) -> String {
        let of = |stamped: &mut dyn Iterator<Item = &Stamped>| -> Vec<String> {
            stamped.map(|stamped| stamped.name.clone()).collect()
        };
        let user = |number: usize| counted(number as u64, "user", "users");
        let stamped = of(&mut self.stamped.iter());
        let (cleared, not_cleared) =
            (of(&mut self.clearable()), of(&mut self.stamped.iter().filter(|stamped| !stamped.has_address)));
        let mut lines = Vec::new();
        let mut line = |count: String, all: &[String], what: &str| {
            if !all.is_empty() {
                lines.push(paragraph(&format!("{} {what}", names(&count, all)), 2));
            }
        };
        let switch = "(BlockCloudObjectTakeoverThroughHardMatch must be off for that time)";
        if clear_stamps {
            line(user(cleared.len()), &cleared, "-- the stamp is cleared; matched by primary address (soft match)");
            let what = format!("-- the stamp stays, there is no address to be matched by: hard match {switch}");
            line(user(not_cleared.len()), &not_cleared, &what);
        } else {
            let what = format!("-- matched by the stamp of Graph mode: hard match {switch}; or give --clear-stamps");
            line(user(stamped.len()), &stamped, &what);
        }
        line(
            user(self.by_address.len()),
            &self.by_address,
            "-- matched by primary address: soft match (BlockSoftMatch must be off for that time)",
        );
        line(
            user(self.by_nothing.len()),
            &self.by_nothing,
            "-- neither stamp nor address: the service finds them by nothing, and the takeover is refused (limitation-takeover)",
        );
        line(
            counted(self.groups.len() as u64, "group", "groups"),
            &self.groups,
            "-- made in Graph mode, without an address: the service does not match them, and the takeover is refused \
             (limitation-takeover). Delete them, so that they are made anew, or keep them in the cloud",
        );
        line(user(self.foreign.len()), &self.foreign, "-- with an anchor of nobody here (stale-anchor): left alone");
        if lines.is_empty() {
            lines.push("  nobody: nothing in the tenant belongs to anybody here yet\n".to_owned());
        }
        format!("\nWho is taken over, as the last import saw the tenant\n{}", lines.concat())
    }

    pub(super) fn json(&self) -> Json {
        json!({
            "hard_match": self.stamped.iter().map(|stamped| json!({
                "name": stamped.name, "id": stamped.anchor, "stamp_can_be_cleared": stamped.has_address,
            })).collect::<Vec<_>>(),
            "soft_match": self.by_address,
            "no_match": self.by_nothing,
            "groups_not_matched": self.groups,
            "stale_anchor": self.foreign,
        })
    }
}

/// D.1: a primary address, which the service makes of `mail` where there is none.
fn has_address(image: &Attributes) -> bool {
    let primary = |value: &Value| value.as_text().is_some_and(|text| text.starts_with("SMTP:"));
    image.text("mail").is_some_and(|mail| mail.contains('@'))
        || image.get("proxyAddresses").into_iter().flatten().any(primary)
}
