//! Reading back what synchronisation made of the tenant's objects (B.4): all of them, or what changed since a cookie, page
//! by page. Version 2 tells only values that are there. Names of cookie and flag are knobs, because nobody published them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::attributes;
use super::envelope::{Fault, Request, in_order, result};
use super::names::{ARRAYS, AWS, INSTANCE, SCHEMA, SYNC, b, flag_of, or_nil, text_of};
use super::object::{Operation, SyncValue, Version, kind_name};
use crate::binary_xml::Element;
use crate::clock::{Millis, SECOND_MS};
use crate::context::Context;
use crate::directory::LogItem;
use crate::entry::Entry;
use crate::guid::Guid;
use crate::schema::Kind;

const KINDS: [Kind; 3] = [Kind::User, Kind::Group, Kind::Contact];

/// What a cookie says, as base64 of JSON: opaque to the client.
#[derive(Debug, Serialize, Deserialize)]
struct Cookie {
    /// Which directory it is of.
    instance: Guid,
    given_ms: Millis,
    place: Place,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Place {
    /// In the list of all: behind that object of that kind. Changes since the start come with the first delta.
    Listing { kind: Kind, ordinal: u64, started_at: u64 },
    /// All changes up to that number are told.
    Changes { after: u64 },
}

/// One object of a page.
struct Told {
    kind: Kind,
    operation: Operation,
    properties: Vec<(String, SyncValue)>,
}

pub(super) fn answer(cx: &Context<'_>, request: &Request, version: Version) -> Result<Element, Fault> {
    in_order(&request.body, AWS, &["includeLicenseInformation", "inputCookie", "isFullSync"])?;
    let is_full = flag_of(&request.body, "isFullSync").ok_or_else(|| Fault::sender("isFullSync is true or false."))?;
    let place = match text_of(&request.body, "inputCookie") {
        None => None,
        Some(cookie) => match read_cookie(cx, &cookie)? {
            // A full reading begins anew, unless it is under way.
            Place::Changes { .. } if is_full => None,
            place => Some(place),
        },
    };
    let start = Place::Listing { kind: Kind::User, ordinal: 0, started_at: cx.directory.change_number() };
    let (told, next, more) = match place.unwrap_or(start) {
        Place::Listing { kind, ordinal, started_at } => listing(cx, kind, ordinal, started_at, version),
        Place::Changes { after } => changes(cx, after, version),
    };
    let cookie = Cookie { instance: cx.directory.instance, given_ms: cx.now, place: next };
    let cookie = serde_json::to_vec(&cookie).map_err(|error| Fault::sender(error.to_string()))?;
    let objects = b("ResultObjects", SYNC).with_all(told.iter().map(object));
    Ok(result(request, Some(SYNC))
        .with(b(&cx.knobs.read_back_more_element, SYNC).with_text(more.to_string()))
        .with(b(&cx.knobs.read_back_cookie_element, SYNC).with_text(STANDARD.encode(cookie)))
        .with(objects))
}

fn read_cookie(cx: &Context<'_>, text: &str) -> Result<Place, Fault> {
    let invalid = || Fault::sender("The cookie is not valid any longer; read everything again.");
    let bytes = STANDARD.decode(text).map_err(|_| invalid())?;
    let cookie: Cookie = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
    let life = Millis::try_from(cx.knobs.read_back_cookie_life_s).unwrap_or(Millis::MAX / SECOND_MS);
    let expires = cookie.given_ms.saturating_add(life.saturating_mul(SECOND_MS));
    if cookie.instance != cx.directory.instance || expires <= cx.now {
        return Err(invalid());
    }
    Ok(cookie.place)
}

/// Whether a read-back tells of the object: it is synchronised, or its source of authority was moved to the cloud.
fn is_told(cx: &Context<'_>, entry: &Entry) -> bool {
    let is_moved = entry.is_cloud_managed && entry.anchor().is_some();
    entry.is_live() && (entry.is_synced() || is_moved || cx.knobs.read_back_cloud_objects)
}

fn listing(cx: &Context<'_>, kind: Kind, ordinal: u64, started_at: u64, version: Version) -> (Vec<Told>, Place, bool) {
    let most = cx.knobs.read_back_page_size.max(1);
    let mut told = Vec::new();
    for next in KINDS.into_iter().filter(|next| *next >= kind) {
        let after = (next == kind).then_some(ordinal);
        for (ordinal, entry) in cx.directory.listing(next, after) {
            if told.len() >= most {
                return (told, Place::Listing { kind: next, ordinal: ordinal - 1, started_at }, true);
            }
            if is_told(cx, entry) {
                told.push(tell(cx, entry, version));
            }
        }
    }
    (told, Place::Changes { after: started_at }, false)
}

fn changes(cx: &Context<'_>, after: u64, version: Version) -> (Vec<Told>, Place, bool) {
    let mut changed: Vec<(u64, Kind, LogItem<'_>)> = Vec::new();
    for kind in KINDS {
        changed.extend(cx.directory.log(kind, after).map(|(at, item)| (at, kind, item)));
    }
    changed.sort_by_key(|(at, ..)| *at);
    let most = cx.knobs.read_back_page_size.max(1);
    let more = changed.len() > most;
    changed.truncate(most);
    let reached = if more { changed.last().map_or(after, |(at, ..)| *at) } else { cx.directory.change_number() };
    let told = changed.into_iter().filter_map(|(_, kind, item)| match item {
        LogItem::Object(entry) if is_told(cx, entry) => Some(tell(cx, entry, version)),
        // Deleted, or a cloud object now.
        LogItem::Object(entry) => entry.source_anchor.as_deref().map(|anchor| gone(kind, entry.id, anchor)),
        LogItem::Gone(id) => {
            let anchor = cx.directory.tombstone(id)?.source_anchor.as_deref()?;
            Some(gone(kind, id, anchor))
        }
    });
    (told.collect(), Place::Changes { after: reached }, more)
}

fn cloud_anchor(kind: Kind, id: Guid) -> SyncValue {
    SyncValue::Text(format!("{}_{id}", kind_name(kind)))
}

fn gone(kind: Kind, id: Guid, anchor: &str) -> Told {
    let properties = vec![
        ("CloudAnchor".to_owned(), cloud_anchor(kind, id)),
        ("SourceAnchor".to_owned(), SyncValue::Text(anchor.to_owned())),
    ];
    Told { kind, operation: Operation::Delete, properties }
}

fn tell(cx: &Context<'_>, entry: &Entry, version: Version) -> Told {
    let text = |text: &str| SyncValue::Text(text.to_owned());
    let texts = |texts: Vec<String>| (!texts.is_empty()).then_some(SyncValue::Texts(texts));
    let mut all: Vec<(String, Option<SyncValue>)> = vec![
        ("CloudAnchor".to_owned(), Some(cloud_anchor(entry.kind, entry.id))),
        ("SourceAnchor".to_owned(), entry.anchor().map(text)),
        ("CloudMastered".to_owned(), Some(SyncValue::Flag(!entry.is_synced()))),
    ];
    if entry.is_cloud_managed {
        all.push(("BlockOnPremisesSync".to_owned(), Some(SyncValue::Flag(true))));
    }
    for mapped in attributes::table(entry.kind) {
        let value = entry.properties.get(mapped.property).and_then(|value| attributes::from_graph(mapped.form, value));
        all.push((mapped.key.to_owned(), value));
    }
    if entry.kind == Kind::User {
        all.push(("UserPrincipalName".to_owned(), entry.text("userPrincipalName").map(text)));
        let manager = entry.manager.and_then(|manager| cx.directory.live(manager)).and_then(Entry::anchor);
        all.push(("Manager".to_owned(), manager.map(text)));
        let extension = entry.properties.get("onPremisesExtensionAttributes").and_then(Value::as_object);
        for (name, value) in extension.into_iter().flatten() {
            all.push((pascal(name), value.as_str().map(text)));
        }
    }
    all.push(("Mail".to_owned(), entry.text("mail").map(text)));
    all.push(("Alias".to_owned(), entry.text("mailNickname").map(text)));
    all.push(("ProxyAddresses".to_owned(), texts(entry.list("proxyAddresses").map(str::to_owned).collect())));
    if entry.kind == Kind::Group {
        let members = entry.members().filter_map(|member| cx.directory.live(member)).filter_map(Entry::anchor);
        all.push(("Member".to_owned(), texts(members.map(str::to_owned).collect())));
    }
    // What Graph has no property for is told as it was sent.
    for (key, value) in &entry.synced {
        if !all.iter().any(|(known, _)| known.eq_ignore_ascii_case(key)) && !key.eq_ignore_ascii_case("mailNickname") {
            all.push((pascal(key), from_stored(value)));
        }
    }
    let properties = all.into_iter().filter_map(|(key, value)| match (value, version) {
        (Some(value), _) => Some((key, value)),
        (None, Version::One) => Some((key, SyncValue::Nil)),
        (None, Version::Two) => None,
    });
    Told { kind: entry.kind, operation: Operation::Set, properties: properties.collect() }
}

fn pascal(key: &str) -> String {
    let mut letters = key.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

fn from_stored(value: &Value) -> Option<SyncValue> {
    let texts = |items: &[Value]| items.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    match value {
        Value::String(text) => Some(SyncValue::Text(text.clone())),
        Value::Bool(flag) => Some(SyncValue::Flag(*flag)),
        Value::Number(number) => number.as_i64().map(SyncValue::Long),
        Value::Array(items) => Some(SyncValue::Texts(texts(items))),
        Value::Object(object) => match object.get("base64") {
            Some(Value::String(base64)) => Some(SyncValue::Binary(base64.clone())),
            Some(Value::Array(items)) => Some(SyncValue::Binaries(texts(items))),
            _ => None,
        },
        Value::Null => None,
    }
}

fn object(told: &Told) -> Element {
    let c = |name: &str| Element::new("c", name, ARRAYS);
    let pairs = told.properties.iter().map(|(key, written)| {
        c("KeyValueOfstringanyType").with(c("Key").with_text(key)).with(value(c("Value"), written))
    });
    b("AzureADSyncObject", SYNC)
        .with(b("PropertyValues", SYNC).declare("c", ARRAYS).with_all(pairs))
        .with(b("SyncObjectType", SYNC).with_text(kind_name(told.kind)))
        .with(b("SyncOperation", SYNC).with_text(told.operation.name()))
}

/// The value with its type, as the serializer writes it.
fn value(element: Element, value: &SyncValue) -> Element {
    let typed = |kind: &str| element.clone().attribute("i", "type", INSTANCE, kind).declare("d", SCHEMA);
    let list = |kind: &str| element.clone().attribute("i", "type", INSTANCE, kind);
    let items = |name: &'static str, items: &[String]| -> Vec<Element> {
        items.iter().map(|item| Element::new("c", name, ARRAYS).with_text(item)).collect()
    };
    match value {
        SyncValue::Nil | SyncValue::Links(_) => or_nil(element, None::<String>),
        SyncValue::Text(text) => typed("d:string").with_text(text),
        SyncValue::Flag(flag) => typed("d:boolean").with_text(flag.to_string()),
        SyncValue::Long(number) => typed("d:long").with_text(number.to_string()),
        SyncValue::Binary(base64) => typed("d:base64Binary").with_text(base64),
        SyncValue::Texts(texts) => list("c:ArrayOfstring").with_all(items("string", texts)),
        SyncValue::Binaries(binaries) => list("c:ArrayOfbase64Binary").with_all(items("base64Binary", binaries)),
    }
}
