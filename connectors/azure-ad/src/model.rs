//! Wire objects of Microsoft Graph and their attributes: pages, entries, delta entries, values. Bad data in one object
//! is an issue of that object and nothing else. Never sends anything.

use crate::client::Reply;
use crate::errors::GraphError;
use crate::schema::{Class, EXTENSION_NAMES, EXTENSIONS, Property, Shape};
use crate::urls;
use connector_contract::{ConnectorError, ErrorKind, ObjectIssue};
use metaverse_schema::{Anchor, AttributeChange, Attributes, AttributesDelta, Reference, Value as Held, Values};
use reqwest::Url;
use serde_json::{Map, Value};

/// One JSON object of a collection.
pub(crate) type Entry = Map<String, Value>;

/// One page of a collection.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) entries: Vec<Entry>,
    pub(crate) next: Option<Url>,
    /// The end of a delta round (A.6); never together with `next`.
    pub(crate) delta: Option<Url>,
}

impl Page {
    /// Reads a page; links must lead back to the same service. `delta` says that the page belongs to a delta round,
    /// which ends with a delta link and with nothing else.
    pub(crate) fn read(
        reply: Reply,
        base: &Url,
        delta: bool,
        attempted: &str,
        right: &str,
    ) -> Result<Page, ConnectorError> {
        let broken = |problem: &str| ConnectorError::new(ErrorKind::Protocol, attempted, problem, "");
        if !(200..300).contains(&reply.status) {
            return Err(GraphError::read(reply.body.as_ref()).ends_step(reply.status, attempted, right));
        }
        let Some(Value::Object(mut body)) = reply.body else {
            return Err(broken("the page is not a JSON object"));
        };
        let Some(Value::Array(value)) = body.remove("value") else {
            return Err(broken("the page holds no `value` list"));
        };
        let entries = value.into_iter().map(|entry| match entry {
            Value::Object(entry) => Ok(entry),
            _ => Err(broken("the page holds something that is not an object")),
        });
        let entries = entries.collect::<Result<Vec<Entry>, _>>()?;
        let link = |name: &str| match body.get(name) {
            Some(Value::String(link)) => urls::followed(base, link).map(Some).map_err(|problem| broken(&problem)),
            Some(Value::Null) | None => Ok(None),
            Some(_) => Err(broken("the page holds a link that is no text")),
        };
        let (next, delta_link) = (link("@odata.nextLink")?, link("@odata.deltaLink")?);
        match (&next, &delta_link) {
            (Some(_), Some(_)) => Err(broken("the page has a next link and a delta link at once")),
            (None, None) if delta => Err(broken("the round ends without a delta link: the page is not whole")),
            _ => Ok(Page { entries, next, delta: delta_link }),
        }
    }
}

/// What an entry of a delta round says about its object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Present,
    /// In the recycle bin (`changed`).
    SoftDeleted,
    Gone,
}

pub(crate) fn standing(entry: &Entry) -> Standing {
    match entry.get("@removed") {
        None | Some(Value::Null) => Standing::Present,
        Some(removed) if removed.get("reason").and_then(Value::as_str) == Some("deleted") => Standing::Gone,
        // `changed`, or a removal without a reason: the recycle bin tells.
        Some(_) => Standing::SoftDeleted,
    }
}

pub(crate) fn id(entry: &Entry) -> Option<&str> {
    entry.get("id").and_then(Value::as_str).filter(|id| !id.is_empty())
}

/// The anchor of an entry, or what is wrong with it.
pub(crate) fn anchor(class: &Class, entry: &Entry) -> Result<Anchor, ObjectIssue> {
    let issue = |code, message: String| ObjectIssue {
        code,
        object: format!(
            "{} {}",
            class.name,
            entry.get("displayName").and_then(Value::as_str).unwrap_or("without name")
        ),
        anchor: None,
        message,
    };
    let id = id(entry).ok_or_else(|| issue("missing-anchor-component", "the object has no id".to_owned()))?;
    Anchor::text(id).map_err(|error| issue("anchor-too-long", error.to_string()))
}

/// All attributes of a whole entry, relationships left out.
pub(crate) fn attributes(class: &Class, entry: &Entry) -> Result<Attributes, ObjectIssue> {
    let mut attributes = Attributes::new();
    for (name, values) in present(class, entry)? {
        attributes.set(name, values);
    }
    Ok(attributes)
}

/// Replacements for every property that the entry names; a null clears (A.6). What is not named is left alone: absence
/// from a delta is not evidence (SF15).
pub(crate) fn changes(class: &Class, entry: &Entry) -> Result<AttributesDelta, ObjectIssue> {
    let mut changes = AttributesDelta::default();
    for (name, values) in present(class, entry)? {
        changes.set(name, values);
    }
    Ok(changes)
}

/// Every attribute that the entry names, with its values.
fn present(class: &Class, entry: &Entry) -> Result<Vec<(&'static str, Values)>, ObjectIssue> {
    let issue = |name: &str, message: String| {
        let id = id(entry).unwrap_or_default();
        ObjectIssue {
            code: "invalid-attribute-value",
            object: format!("{} {id}", class.name),
            anchor: Anchor::text(id).ok(),
            message: format!("{name}: {message}"),
        }
    };
    let mut found = Vec::new();
    for property in class.properties {
        if let Some(value) = entry.get(property.graph) {
            let values = read(property, value).map_err(|problem| issue(property.name, problem))?;
            found.push((property.name, values));
        }
    }
    if !class.extensions {
        return Ok(found);
    }
    match entry.get(EXTENSIONS) {
        None => {}
        Some(Value::Null) => found.extend(EXTENSION_NAMES.map(|name| (name, Values::default()))),
        Some(Value::Object(extensions)) => {
            for name in EXTENSION_NAMES {
                if let Some(value) = extensions.get(name) {
                    found.push((name, text(value).map_err(|problem| issue(name, problem))?));
                }
            }
        }
        Some(other) => return Err(issue(EXTENSIONS, format!("{} is not an object", kind(other)))),
    }
    Ok(found)
}

fn read(property: &Property, value: &Value) -> Result<Values, String> {
    let value_of = |item: &Value, name: &str| match item.get(name) {
        Some(value) => text(value),
        None => Ok(Values::default()),
    };
    match (property.shape, value) {
        (_, Value::Null) => Ok(Values::default()),
        (Shape::Text | Shape::Sid, value) => text(value),
        (Shape::Boolean, Value::Bool(truth)) => Ok(Values::single(Held::Boolean(*truth))),
        (Shape::Texts, Value::Array(items)) => merged(items.iter().map(text)),
        (Shape::Issuers, Value::Array(items)) => merged(items.iter().map(|item| value_of(item, "issuer"))),
        (Shape::Skus, Value::Array(items)) => merged(items.iter().map(|item| value_of(item, "skuId"))),
        (Shape::PutAside, Value::Array(items)) => merged(items.iter().map(put_aside)),
        (_, other) => Err(format!("{} is not what the property holds", kind(other))),
    }
}

/// `{"propertyCausingError": "ProxyAddresses", "value": "SMTP:ann@contoso.com", ..}`.
fn put_aside(item: &Value) -> Result<Values, String> {
    let part = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    text(&Value::String(format!("{} {}", part("propertyCausingError"), part("value")).trim().to_owned()))
}

fn merged(parts: impl Iterator<Item = Result<Values, String>>) -> Result<Values, String> {
    let mut all = Vec::new();
    for part in parts {
        all.extend(part?);
    }
    Ok(all.into_iter().collect())
}

/// A text; an empty one is no value.
fn text(value: &Value) -> Result<Values, String> {
    match value {
        Value::Null => Ok(Values::default()),
        Value::String(text) if text.is_empty() => Ok(Values::default()),
        Value::String(text) => Ok(Values::single(Held::text(text.as_str()))),
        other => Err(format!("{} is not a text", kind(other))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// One change of a relationship, in the order of the entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LinkChange<'a> {
    pub(crate) target: &'a str,
    pub(crate) added: bool,
}

/// The relationship changes of a delta entry: `members@delta`, `manager@delta`; also a plain `manager` object.
pub(crate) fn link_changes<'a>(class: &Class, entry: &'a Entry) -> Result<Option<Vec<LinkChange<'a>>>, ObjectIssue> {
    let Some(link) = &class.link else { return Ok(None) };
    let bad = || ObjectIssue {
        code: "invalid-attribute-value",
        object: format!("{} {}", class.name, id(entry).unwrap_or_default()),
        anchor: id(entry).and_then(|id| Anchor::text(id).ok()),
        message: format!("{}: not a list of objects with ids", link.delta),
    };
    let target = |item: &'a Value| item.get("id").and_then(Value::as_str).filter(|id| Anchor::text(*id).is_ok());
    match (entry.get(link.delta), entry.get(link.attribute)) {
        (Some(Value::Array(items)), _) => {
            let read = |item: &'a Value| {
                let added = item.get("@removed").is_none_or(Value::is_null);
                target(item).map(|target| LinkChange { target, added }).ok_or_else(bad)
            };
            items.iter().map(read).collect::<Result<Vec<_>, _>>().map(Some)
        }
        (Some(Value::Null) | None, Some(object @ Value::Object(_))) => {
            target(object).map(|target| Some(vec![LinkChange { target, added: true }])).ok_or_else(bad)
        }
        (Some(Value::Null) | None, _) => Ok(None),
        (Some(_), _) => Err(bad()),
    }
}

/// The attribute change that link changes amount to; later ones win over earlier ones.
pub(crate) fn link_delta(class: &Class, changes: &[LinkChange<'_>], delta: &mut AttributesDelta) {
    let Some(link) = &class.link else { return };
    if link.plurality == metaverse_schema::Plurality::Single {
        let held = changes.iter().rev().find(|change| change.added).map(|change| reference(change.target));
        delta.set(link.attribute, held.map(Values::single).unwrap_or_default());
        return;
    }
    let mut last = std::collections::BTreeMap::new();
    for change in changes {
        last.insert(change.target, change.added);
    }
    let side =
        |added: bool| last.iter().filter(|(_, is)| **is == added).map(|(id, _)| reference(id)).collect::<Values>();
    let (add, remove) = (side(true), side(false));
    if !add.is_empty() || !remove.is_empty() {
        delta.0.insert(link.attribute.into(), AttributeChange::Update { add, remove });
    }
}

/// A reference by object id. Ids that are no anchors were refused when they were read.
pub(crate) fn reference(id: &str) -> Held {
    Held::Reference(Reference::Anchor(Anchor::Text(id.to_owned())))
}

/// In the recycle bin a sign-in name carries the object id without dashes in front (A.9): takes it off again, so that
/// rules and look-ups see the name the user had.
pub(crate) fn name_in_bin<'a>(id: &str, name: &'a str) -> &'a str {
    let prefix: String = id.chars().filter(|character| *character != '-').collect();
    match name.get(..prefix.len()) {
        Some(start) if !prefix.is_empty() && start.eq_ignore_ascii_case(&prefix) => &name[prefix.len()..],
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{CONTACT, GROUP, USER};
    use expect_test::expect;
    use serde_json::json;

    fn entry(value: Value) -> Entry {
        match value {
            Value::Object(entry) => entry,
            other => panic!("{other} is no entry"),
        }
    }

    #[test]
    fn a_user_entry_becomes_attributes() {
        let user = entry(
            json!({"id": "u1", "displayName": "Ann", "mail": null, "department": "", "accountEnabled": false,
            "proxyAddresses": ["smtp:b@x", "SMTP:a@x"], "identities": [{"issuer": "contoso.com", "signInType": "x"}, {}],
            "assignedLicenses": [{"skuId": "sku-1", "disabledPlans": []}], "unknown": 7,
            "onPremisesExtensionAttributes": {"extensionAttribute1": "one", "extensionAttribute2": null}}),
        );
        expect![[r#"
            {
                accountEnabled: False,
                assignedSkus: "sku-1",
                displayName: "Ann",
                extensionAttribute1: "one",
                identityIssuers: "contoso.com",
                proxyAddresses: [
                    "SMTP:a@x",
                    "smtp:b@x",
                ],
            }"#]]
        .assert_eq(&format!("{:#?}", attributes(USER, &user).unwrap()));
    }

    /// SF15, SF27: named nulls clear, what is not named stays.
    #[test]
    fn a_delta_entry_changes_what_it_names() {
        let changed = entry(
            json!({"id": "u1", "mail": null, "givenName": "Ann", "onPremisesExtensionAttributes": {"extensionAttribute3": null}}),
        );
        expect![[
            r#"AttributesDelta({extensionAttribute3: Replace([]), givenName: Replace("Ann"), mail: Replace([])})"#
        ]]
        .assert_eq(&format!("{:?}", changes(USER, &changed).unwrap()));
    }

    #[test]
    fn wrong_kinds_are_issues_of_the_object() {
        let issue = attributes(USER, &entry(json!({"id": "u1", "accountEnabled": "yes"}))).unwrap_err();
        assert_eq!((issue.code, issue.anchor), ("invalid-attribute-value", Some(Anchor::Text("u1".to_owned()))));
        assert!(attributes(CONTACT, &entry(json!({"id": "c", "mail": 5}))).is_err());
        assert_eq!(anchor(USER, &entry(json!({"displayName": "x"}))).unwrap_err().code, "missing-anchor-component");
        assert!(link_changes(GROUP, &entry(json!({"id": "g", "members@delta": [{"id": ""}]}))).is_err());
        assert!(link_changes(GROUP, &entry(json!({"id": "g", "members@delta": {}}))).is_err());
    }

    /// A.6, F.20: additions and removals; the last word about a member counts.
    #[test]
    fn links_of_groups_and_users() {
        let group =
            entry(json!({"id": "g", "members@delta": [{"id": "a"}, {"id": "b", "@removed": {"reason": "deleted"}},
            {"id": "c", "@removed": {"reason": "deleted"}}, {"id": "c"}]}));
        let mut delta = AttributesDelta::default();
        link_delta(GROUP, &link_changes(GROUP, &group).unwrap().unwrap(), &mut delta);
        expect!["AttributesDelta({members: Update { add: [a, c], remove: b }})"].assert_eq(&format!("{delta:?}"));
        for (json, wanted) in [
            (
                json!({"id": "u", "manager@delta": [{"id": "old", "@removed": {}}, {"id": "new"}]}),
                "manager: Replace(new)",
            ),
            (
                json!({"id": "u", "manager@delta": [{"id": "old", "@removed": {"reason": "deleted"}}]}),
                "manager: Replace([])",
            ),
            (json!({"id": "u", "manager": {"id": "boss"}}), "manager: Replace(boss)"),
        ] {
            let user = entry(json);
            let mut delta = AttributesDelta::default();
            link_delta(USER, &link_changes(USER, &user).unwrap().unwrap(), &mut delta);
            assert_eq!(format!("{delta:?}"), format!("AttributesDelta({{{wanted}}})"));
        }
        assert_eq!(link_changes(USER, &entry(json!({"id": "u", "manager": null}))).unwrap(), None);
    }

    #[test]
    fn removals_and_names_in_the_bin() {
        assert_eq!(standing(&entry(json!({"id": "u"}))), Standing::Present);
        assert_eq!(standing(&entry(json!({"id": "u", "@removed": {"reason": "changed"}}))), Standing::SoftDeleted);
        assert_eq!(standing(&entry(json!({"id": "u", "@removed": {"reason": "deleted"}}))), Standing::Gone);
        assert_eq!(name_in_bin("0a-1b", "0A1Bann@x"), "ann@x");
        assert_eq!(name_in_bin("0a-1b", "ann@x"), "ann@x");
        assert_eq!(name_in_bin("0a-1b", "é"), "é");
    }

    #[test]
    fn pages_that_are_not_whole_are_refused() {
        let base = Url::parse("http://127.0.0.1:1/v1.0/").unwrap();
        let page = |status, body: Value, delta| {
            let reply = Reply { status, retry_after: None, body: Some(body), token_generation: 0 };
            Page::read(reply, &base, delta, "reading", "R")
        };
        let link = "http://127.0.0.1:1/v1.0/users/delta?$skiptoken=1";
        assert!(page(200, json!({"value": [], "@odata.nextLink": link}), true).unwrap().next.is_some());
        assert!(page(200, json!({"value": []}), false).unwrap().next.is_none());
        for (body, delta) in [
            (json!({"value": []}), true),
            (json!({"@odata.deltaLink": link}), true),
            (json!({"value": [1], "@odata.deltaLink": link}), true),
            (json!({"value": [], "@odata.nextLink": link, "@odata.deltaLink": link}), true),
            (json!({"value": [], "@odata.nextLink": "http://evil.example/v1.0/users"}), true),
            (json!([]), false),
        ] {
            assert_eq!(page(200, body.clone(), delta).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
        assert_eq!(page(403, json!({}), false).unwrap_err().kind, ErrorKind::Permission);
    }
}
