//! An object in the words of the provisioning service: attribute values as the properties that it takes (B.5). Decides what
//! cannot be said there, by name; never sends.

use crate::errors::problem;
use crate::provisioning::{SyncKind, SyncValue};
use crate::schema::{CONTACT, Class, GROUP, IMMUTABLE_ID, SOURCE_ANCHOR, SYNC_ENABLED, Shape, USER};
use connector_contract::ExportProblem;
use metaverse_schema::{Sid, Value, Values};

/// The kind of a class's objects. None: the service has no such objects.
pub(crate) fn kind_of(class: &Class) -> Option<SyncKind> {
    match class.name {
        name if name == USER.name => Some(SyncKind::User),
        name if name == GROUP.name => Some(SyncKind::Group),
        name if name == CONTACT.name => Some(SyncKind::Contact),
        _ => None,
    }
}

pub(crate) fn class_of(kind: SyncKind) -> Option<&'static Class> {
    match kind {
        SyncKind::User => Some(USER),
        SyncKind::Group => Some(GROUP),
        SyncKind::Contact => Some(CONTACT),
        SyncKind::Device => None,
    }
}

/// The attribute in which objects of a class carry their source anchor.
pub(crate) fn anchor_attribute(class: &Class) -> &'static str {
    if class.name == USER.name { IMMUTABLE_ID } else { SOURCE_ANCHOR }
}

/// The properties for these attributes, the anchor and the wish to be synchronised left out: every object that is sent says
/// both. An attribute that the service does not take refuses the whole write, by name.
pub(crate) fn properties<'a>(
    class: &Class,
    attributes: impl Iterator<Item = (&'a str, &'a Values)>,
) -> Result<Vec<(String, SyncValue)>, ExportProblem> {
    let mut properties = Vec::new();
    for (name, values) in attributes {
        if matches!(name, IMMUTABLE_ID | SOURCE_ANCHOR) {
            continue;
        }
        if name == SYNC_ENABLED {
            must_be_true(values)?;
            continue;
        }
        if class.is_extension(name) {
            properties.push((name.to_owned(), value(name, Shape::Text, values)?));
            continue;
        }
        let property = class.property(name).ok_or_else(|| {
            let message = format!("`{name}` is not an attribute of a {} that can be exported", class.name);
            problem("schema-violation", Some(name), message, "remove the flow to this attribute", false)
        })?;
        let Some(key) = property.synced else {
            let message = format!("the provisioning service takes no `{name}` of a {}", class.name);
            return Err(problem(
                "limitation-read-only",
                Some(name),
                message,
                "remove the flow to this attribute",
                false,
            ));
        };
        properties.push((key.to_owned(), value(name, property.shape, values)?));
    }
    Ok(properties)
}

/// Being sent is what makes an object synchronised; there is no taking that back for one object.
fn must_be_true(values: &Values) -> Result<(), ExportProblem> {
    if values.as_slice() == [Value::Boolean(true)] {
        return Ok(());
    }
    let message = "a single object cannot be made a cloud object again by synchronisation";
    let remedy = "let the constant True flow to onPremisesSyncEnabled, or delete the object";
    Err(problem("limitation-read-only", Some(SYNC_ENABLED), message, remedy, false))
}

fn value(name: &str, shape: Shape, values: &Values) -> Result<SyncValue, ExportProblem> {
    match (shape, values.as_slice()) {
        // The service takes one telephone number.
        (Shape::Texts, _) if name == "businessPhones" => single(name, values),
        (_, []) => Ok(SyncValue::Nil),
        (Shape::Texts, several) => {
            let texts = several.iter().map(|value| text(name, value)).collect::<Result<Vec<String>, _>>()?;
            Ok(SyncValue::Texts(texts))
        }
        (Shape::Sid, [value]) => {
            let sid: Result<Sid, _> = text(name, value)?.parse();
            let bytes = sid.map_err(|error| {
                problem("syntax-violation", Some(name), format!("`{name}`: {error}"), "correct the flow", false)
            })?;
            Ok(SyncValue::Binary(bytes.as_bytes().to_vec()))
        }
        _ => single(name, values),
    }
}

fn single(name: &str, values: &Values) -> Result<SyncValue, ExportProblem> {
    match values.as_slice() {
        [] => Ok(SyncValue::Nil),
        [Value::Boolean(truth)] => Ok(SyncValue::Boolean(*truth)),
        [value] => text(name, value).map(SyncValue::Text),
        several => {
            let message = format!("`{name}` takes one value, not {}", several.len());
            Err(problem("constraint-violation", Some(name), message, "let one value flow", false))
        }
    }
}

fn text(name: &str, value: &Value) -> Result<String, ExportProblem> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        other => {
            let message = format!("`{name}` takes text, not {}", other.kind());
            Err(problem("syntax-violation", Some(name), message, "convert the value in the flow", false))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metaverse_schema::Attributes;

    fn said(class: &Class, pairs: &[(&str, Values)]) -> String {
        let attributes: Attributes = pairs.iter().map(|(name, values)| ((*name).into(), values.clone())).collect();
        match properties(class, attributes.iter().map(|(name, values)| (name.as_str(), values))) {
            Ok(properties) => {
                let line = |(key, value): &(String, SyncValue)| format!("{key} {value:?}");
                properties.iter().map(line).collect::<Vec<_>>().join("\n")
            }
            Err(problem) => format!("{} {}", problem.code, problem.message),
        }
    }

    fn texts(texts: &[&str]) -> Values {
        texts.iter().map(|text| Value::text(*text)).collect()
    }

    /// B.5, D37: the service's own names, lists as lists, an identifier as bytes; the anchor and "synchronised" go with
    /// every object and are no properties of their own.
    #[test]
    fn attributes_go_under_the_services_names() {
        let all = said(
            USER,
            &[
                ("accountEnabled", Value::Boolean(false).into()),
                ("businessPhones", texts(&["+49 1"])),
                ("extensionAttribute3", texts(&["three"])),
                ("jobTitle", Values::default()),
                ("mailNickname", texts(&["ann"])),
                ("onPremisesImmutableId", texts(&["AAEC"])),
                ("onPremisesSecurityIdentifier", texts(&["S-1-5-32-544"])),
                ("onPremisesSyncEnabled", Value::Boolean(true).into()),
                ("proxyAddresses", texts(&["SMTP:ann@x", "smtp:a@x"])),
            ],
        );
        expect_test::expect![[r#"
            accountEnabled Boolean(false)
            telephoneNumber Text("+49 1")
            extensionAttribute3 Text("three")
            alias Text("ann")
            onPremiseSecurityIdentifier Binary([1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0])
            proxyAddresses Texts(["SMTP:ann@x", "smtp:a@x"])"#]]
        .assert_eq(&all);
    }

    #[test]
    fn what_the_service_does_not_take_is_refused_by_name() {
        let refused = |class, name, values| said(class, &[(name, values)]).split(' ').next().unwrap().to_owned();
        assert_eq!(refused(GROUP, "mailEnabled", Value::Boolean(true).into()), "limitation-read-only");
        assert_eq!(refused(USER, "otherMails", texts(&["a@x"])), "limitation-read-only");
        assert_eq!(refused(CONTACT, "accountEnabled", Value::Boolean(true).into()), "schema-violation");
        assert_eq!(refused(USER, "onPremisesSyncEnabled", Value::Boolean(false).into()), "limitation-read-only");
        assert_eq!(refused(USER, "businessPhones", texts(&["1", "2"])), "constraint-violation");
        assert_eq!(refused(USER, "onPremisesSecurityIdentifier", texts(&["S-x"])), "syntax-violation");
        assert_eq!(refused(USER, "displayName", Value::Binary(vec![1]).into()), "syntax-violation");
    }
}
