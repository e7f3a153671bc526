//! Full import: first delta rounds of users, groups and contacts, so that their last links are the watermark and full
//! and delta share one view (SF14), then the recycle bin's users. Hands over whole objects, each once. Never deletes by
//! silence: a page that fails ends the import with an error (SF15).
//!
//! Memory: of users and contacts a compact id and a 64-bit digest are kept, to pass over replays; of groups the
//! attributes and 24 bytes for each member until their round ends, because a large group is repeated over several
//! pages with other members (A.6) and the engine wants it whole.

use crate::client::GraphClient;
use crate::model::{self, Entry, Standing};
use crate::objects;
use crate::pages::Pages;
use crate::schema::{CONTACT, Class, DELETED_USER, EXTENSION_NAMES, GROUP, USER};
use crate::tenant;
use crate::urls;
use crate::watermark::Mark;
use connector_contract::{
    Absence, ConnectorError, DeletionCause, FullImport, ImportEnd, ImportItem, ImportPage, ImportSink, ImportedChange,
    ImportedObject,
};
use jiff::Timestamp;
use metaverse_schema::{Anchor, Attributes, AttributesDelta, Guid, ObjectType, Values};
use reqwest::Url;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Members handed over in one page of the stream, whole groups beyond the first excepted.
const MEMBERS_PER_PAGE: usize = 10_000;
const GROUPS_PER_PAGE: usize = 200;

/// An object id in few bytes. Ids that are GUIDs in Graph's spelling take 16.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    Guid([u8; 16]),
    Text(Box<str>),
}

impl Key {
    pub(crate) fn new(id: &str) -> Key {
        match id.parse::<Guid>() {
            // Only the spelling that gives the same text back.
            Ok(guid) if guid.to_string() == id => Key::Guid(*guid.as_directory_bytes()),
            _ => Key::Text(id.into()),
        }
    }

    pub(crate) fn to_id(&self) -> String {
        match self {
            Key::Guid(bytes) => Guid::from_directory_bytes(*bytes).to_string(),
            Key::Text(text) => text.to_string(),
        }
    }
}

pub(crate) async fn import_full(
    graph: &GraphClient,
    request: FullImport,
    sink: ImportSink,
) -> Result<ImportEnd, ConnectorError> {
    let tenant = tenant::read(graph).await?;
    let before = request.previous.as_ref().and_then(|watermark| Mark::read(watermark).ok());
    let mut notes = tenant.notes(before.as_ref().map(|mark| mark.domains.as_slice()), Timestamp::now());
    notes.extend(tenant::clock(graph)?);

    let contacts = async {
        if graph.settings().contacts {
            let (_, link) = read_people(graph, CONTACT, &sink).await?;
            Ok(Some(link))
        } else {
            Ok(None)
        }
    };
    let users = read_people(graph, USER, &sink);
    let groups = read_groups(graph, &sink);
    let ((mut handed, users), groups, contacts) = tokio::try_join!(users, groups, contacts)?;
    read_deleted_users(graph, &mut handed, &sink).await?;
    read_late_users(graph, &handed, users.clone(), &sink).await?;

    let mark = Mark::new(graph, &tenant, &users, &groups, contacts.as_ref())?;
    Ok(ImportEnd {
        watermark: Some(mark.to_watermark()?),
        filtered_objects: 0,
        filtered_deletions: 0,
        notes,
        absence: Absence::Deleted,
    })
}

/// What was handed over: id and digest of the attributes.
type Handed = HashMap<Key, u64>;

/// Users or contacts: handed over page by page, replays passed over.
async fn read_people(
    graph: &GraphClient,
    class: &'static Class,
    sink: &ImportSink,
) -> Result<(Handed, Url), ConnectorError> {
    let mut handed = Handed::new();
    // Second words about an object: a changed replay, a removal, relationships by themselves. Rare.
    let mut late: Vec<(String, Option<Entry>)> = Vec::new();
    let mut pages = Pages::first_round(graph, class)?;
    while let Some(page) = pages.next().await? {
        let mut items = Vec::with_capacity(page.entries.len());
        for entry in page.entries {
            let Some(id) = model::id(&entry).map(str::to_owned) else {
                items.extend(model::anchor(class, &entry).err().map(ImportItem::Unreadable));
                continue;
            };
            if model::standing(&entry) != Standing::Present {
                // A.6: may occur even in the first round; of an object that was never shown it means nothing.
                late.push((id, None));
                continue;
            }
            if !entry.contains_key(class.always) {
                late.push((id, Some(entry)));
                continue;
            }
            match whole_object(class, &entry) {
                Ok(object) => {
                    let (key, digest) = (Key::new(&id), digest(&object.attributes));
                    match handed.get(&key) {
                        None => {
                            handed.insert(key, digest);
                            items.push(ImportItem::Object(object));
                        }
                        Some(known) if *known == digest => {}
                        Some(_) => late.push((id, Some(entry))),
                    }
                }
                Err(issue) => items.push(ImportItem::Unreadable(issue)),
            }
        }
        sink.send(ImportPage { items }).await?;
    }
    let link = pages.ended()?;
    send_second_words(graph, class, &mut handed, late, sink).await?;
    Ok((handed, link))
}

async fn send_second_words(
    graph: &GraphClient,
    class: &'static Class,
    handed: &mut Handed,
    late: Vec<(String, Option<Entry>)>,
    sink: &ImportSink,
) -> Result<(), ConnectorError> {
    let mut items = Vec::new();
    let mut unknown = Vec::new();
    for (id, entry) in late {
        let known = handed.contains_key(&Key::new(&id));
        match entry {
            Some(_) if !known => unknown.push(id),
            Some(entry) => items.push(second_word(class, &id, &entry)),
            None if known => {
                handed.remove(&Key::new(&id));
                items.push(ImportItem::Deleted { anchor: Anchor::Text(id), cause: DeletionCause::DeletedInSource });
            }
            None => {}
        }
    }
    unknown.sort();
    unknown.dedup();
    for item in objects::read_objects(graph, &unknown).await? {
        if let ImportItem::Object(object) = &item {
            handed.insert(Key::new(&object.anchor.to_string()), digest(&object.attributes));
        }
        items.push(item);
    }
    sink.send(ImportPage { items }).await
}

/// A changed replay: everything that a whole entry could name is replaced; relationships by themselves are changed alone.
fn second_word(class: &'static Class, id: &str, entry: &Entry) -> ImportItem {
    let read = || {
        let mut changes = AttributesDelta::default();
        if entry.contains_key(class.always) {
            class.properties.iter().for_each(|property| changes.set(property.name, Values::default()));
            if class.extensions {
                EXTENSION_NAMES.iter().for_each(|name| changes.set(*name, Values::default()));
            }
        }
        changes.0.extend(model::changes(class, entry)?.0);
        if let Some(links) = model::link_changes(class, entry)? {
            model::link_delta(class, &links, &mut changes);
        }
        Ok(changes)
    };
    match read() {
        Ok(changes) => ImportItem::Change(ImportedChange {
            anchor: Anchor::Text(id.to_owned()),
            object_type: ObjectType::new(class.name),
            place: None,
            changes,
            whole_if_new: false,
        }),
        Err(issue) => ImportItem::Unreadable(issue),
    }
}

/// The whole object that an entry of a first round, or a single read, describes.
pub(crate) fn whole_object(
    class: &'static Class,
    entry: &Entry,
) -> Result<ImportedObject, connector_contract::ObjectIssue> {
    let anchor = model::anchor(class, entry)?;
    let mut attributes = model::attributes(class, entry)?;
    if let Some(links) = model::link_changes(class, entry)? {
        let mut delta = AttributesDelta::default();
        model::link_delta(class, &links, &mut delta);
        delta.apply(&mut attributes);
    }
    if class.name == DELETED_USER.name {
        let id = anchor.to_string();
        let name = attributes.text("userPrincipalName").map(|name| model::name_in_bin(&id, name).to_owned());
        if let Some(name) = name {
            attributes.set("userPrincipalName", metaverse_schema::Value::text(name));
        }
    }
    Ok(ImportedObject { anchor, object_type: ObjectType::new(class.name), place: None, attributes, print: None })
}

fn digest(attributes: &Attributes) -> u64 {
    let mut hasher = DefaultHasher::new();
    attributes.hash(&mut hasher);
    hasher.finish()
}

/// A group while its round lasts.
#[derive(Default)]
struct Gathered {
    attributes: Attributes,
    members: Vec<Key>,
    issue: Option<connector_contract::ObjectIssue>,
}

/// Groups: gathered until the round has ended, then handed over whole.
async fn read_groups(graph: &GraphClient, sink: &ImportSink) -> Result<Url, ConnectorError> {
    let mut gathered: BTreeMap<Key, Gathered> = BTreeMap::new();
    let mut unreadable = Vec::new();
    let mut pages = Pages::first_round(graph, GROUP)?;
    while let Some(page) = pages.next().await? {
        for entry in page.entries {
            let Some(id) = model::id(&entry) else {
                unreadable.extend(model::anchor(GROUP, &entry).err().map(ImportItem::Unreadable));
                continue;
            };
            if model::standing(&entry) != Standing::Present {
                gathered.remove(&Key::new(id));
                continue;
            }
            let group = gathered.entry(Key::new(id)).or_default();
            if let Err(issue) = gather(group, &entry) {
                group.issue = Some(issue);
            }
        }
    }
    let link = pages.ended()?;
    sink.send(ImportPage { items: unreadable }).await?;
    let (mut items, mut members) = (Vec::new(), 0);
    for (key, group) in gathered {
        members += group.members.len();
        items.push(whole_group(&key, group));
        if items.len() >= GROUPS_PER_PAGE || members >= MEMBERS_PER_PAGE {
            sink.send(ImportPage { items: std::mem::take(&mut items) }).await?;
            members = 0;
        }
    }
    sink.send(ImportPage { items }).await?;
    Ok(link)
}

fn gather(group: &mut Gathered, entry: &Entry) -> Result<(), connector_contract::ObjectIssue> {
    model::anchor(GROUP, entry)?;
    model::changes(GROUP, entry)?.apply(&mut group.attributes);
    for change in model::link_changes(GROUP, entry)?.unwrap_or_default() {
        let member = Key::new(change.target);
        if change.added {
            group.members.push(member);
        } else {
            group.members.retain(|held| *held != member);
        }
    }
    Ok(())
}

fn whole_group(key: &Key, group: Gathered) -> ImportItem {
    if let Some(issue) = group.issue {
        return ImportItem::Unreadable(issue);
    }
    let mut attributes = group.attributes;
    let members: Values = group.members.iter().map(|member| model::reference(&member.to_id())).collect();
    attributes.set("members", members);
    ImportItem::Object(ImportedObject {
        anchor: Anchor::Text(key.to_id()),
        object_type: ObjectType::new(GROUP.name),
        place: None,
        attributes,
        print: None,
    })
}

/// The recycle bin's users (A.9). One that was handed over as a user was deleted meanwhile: the next delta tells.
async fn read_deleted_users(graph: &GraphClient, handed: &mut Handed, sink: &ImportSink) -> Result<(), ConnectorError> {
    let path = urls::deleted_users(&DELETED_USER.select_properties());
    let mut pages = Pages::collection(graph, &path, "reading deleted users", DELETED_USER.right)?;
    while let Some(page) = pages.next().await? {
        let items = page.entries.iter().filter_map(|entry| match whole_object(DELETED_USER, entry) {
            Ok(object) => {
                let key = Key::new(&object.anchor.to_string());
                let new = handed.insert(key, 0).is_none();
                new.then_some(ImportItem::Object(object))
            }
            Err(issue) => Some(ImportItem::Unreadable(issue)),
        });
        sink.send(ImportPage { items: items.collect() }).await?;
    }
    Ok(())
}

/// A user that was restored, or made, between the two reads stands in neither: one more look at the users' changes
/// finds it. The watermark stays the link of the first round, so nothing else of this look is lost.
async fn read_late_users(
    graph: &GraphClient,
    handed: &Handed,
    link: Url,
    sink: &ImportSink,
) -> Result<(), ConnectorError> {
    let mut found: BTreeMap<String, ImportItem> = BTreeMap::new();
    let mut pages = Pages::next_round(graph, USER, link);
    while let Some(page) = pages.next().await? {
        for entry in page.entries {
            let Some(id) = model::id(&entry).filter(|id| !handed.contains_key(&Key::new(id))) else {
                continue;
            };
            if model::standing(&entry) != Standing::Present {
                found.remove(id);
            } else if entry.contains_key(USER.always) {
                let item = whole_object(USER, &entry).map_or_else(ImportItem::Unreadable, ImportItem::Object);
                found.insert(id.to_owned(), item);
            }
        }
    }
    sink.send(ImportPage { items: found.into_values().collect() }).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_give_the_id_back_as_it_was() {
        for id in ["00112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-AABBCCDDEEFF", "not a guid", "é"] {
            assert_eq!(Key::new(id).to_id(), id);
        }
        assert!(matches!(Key::new("00112233-4455-6677-8899-aabbccddeeff"), Key::Guid(_)));
    }

    /// A changed replay replaces everything, so that what it no longer names is cleared; links alone touch nothing else.
    #[test]
    fn second_words() {
        let entry = |value: serde_json::Value| value.as_object().cloned().unwrap();
        let ImportItem::Change(change) = second_word(CONTACT, "c", &entry(json!({"id": "c", "displayName": "X"})))
        else {
            panic!("no change")
        };
        assert_eq!(change.changes.0.len(), CONTACT.properties.len());
        let links = entry(json!({"id": "u", "manager@delta": [{"id": "m"}]}));
        let ImportItem::Change(change) = second_word(USER, "u", &links) else { panic!("no change") };
        assert_eq!(format!("{:?}", change.changes), "AttributesDelta({manager: Replace(m)})");
    }

    #[test]
    fn a_deleted_user_shows_the_name_it_had() {
        let entry = json!({"id": "00112233-4455-6677-8899-aabbccddeeff",
            "userPrincipalName": "00112233445566778899aabbccddeeffann@contoso.com"});
        let object = whole_object(DELETED_USER, entry.as_object().unwrap()).unwrap();
        assert_eq!(object.attributes.text("userPrincipalName"), Some("ann@contoso.com"));
    }
}
