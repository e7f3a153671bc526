//! Attributes as the JSON that Graph takes, and what has to be refused because Graph mode cannot write it. Never sends.

use crate::errors::problem;
use crate::schema::{Class, EXTENSIONS, Shape};
use connector_contract::ExportProblem;
use metaverse_schema::{Attributes, Value as Held, Values};
use serde_json::{Map, Value};

/// Longest `mailNickname` (A.3, A.4).
const NICKNAME_LENGTH: usize = 64;
const NICKNAME_FORBIDDEN: &str = "@()\\[]\";:<>,. ";

/// The properties of a write. A read-only attribute refuses the whole write, by name: nothing is left out silently.
pub(crate) fn properties<'a>(
    class: &Class,
    attributes: impl Iterator<Item = (&'a str, &'a Values)>,
) -> Result<Map<String, Value>, ExportProblem> {
    let mut body = Map::new();
    let mut extensions = Map::new();
    let mut read_only = Vec::new();
    for (name, values) in attributes {
        if class.is_extension(name) {
            extensions.insert(name.to_owned(), single(name, values)?);
            continue;
        }
        match class.property(name) {
            Some(property) if property.writable => {
                let value = json(name, property.shape, values)?;
                body.insert(property.graph.to_owned(), value);
            }
            Some(_) => read_only.push(name),
            None => {
                let message = format!("`{name}` is not an attribute of a {} that can be exported", class.name);
                return Err(problem(
                    "schema-violation",
                    Some(name),
                    message,
                    "remove the flow to this attribute",
                    false,
                ));
            }
        }
    }
    if let Some(first) = read_only.first() {
        let message = format!("Graph mode cannot write {} of a {}", read_only.join(", "), class.name);
        let remedy = "remove the flow, or use the connect mode";
        return Err(problem("limitation-read-only", Some(first), message, remedy, false));
    }
    if !extensions.is_empty() {
        // A complex value: the service merges it attribute by attribute (A.3).
        body.insert(EXTENSIONS.to_owned(), Value::Object(extensions));
    }
    Ok(body)
}

fn json(name: &str, shape: Shape, values: &Values) -> Result<Value, ExportProblem> {
    match shape {
        Shape::Texts | Shape::Issuers | Shape::Skus | Shape::PutAside => {
            if name == "businessPhones" && values.len() > 1 {
                let message = "businessPhones takes one number only";
                return Err(problem("constraint-violation", Some(name), message, "let one number flow", false));
            }
            values.iter().map(|value| text(name, value)).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        Shape::Text | Shape::Boolean | Shape::Sid => single(name, values),
    }
}

/// The value of a single-valued attribute; none clears it.
fn single(name: &str, values: &Values) -> Result<Value, ExportProblem> {
    match values.as_slice() {
        [] => Ok(Value::Null),
        [Held::Boolean(truth)] => Ok(Value::Bool(*truth)),
        [value] => text(name, value),
        several => {
            let message = format!("`{name}` takes one value, not {}", several.len());
            Err(problem("constraint-violation", Some(name), message, "let one value flow", false))
        }
    }
}

fn text(name: &str, value: &Held) -> Result<Value, ExportProblem> {
    match value {
        Held::Text(text) => Ok(Value::String(text.clone())),
        Held::Integer(number) => Ok(Value::String(number.to_string())),
        other => {
            let message = format!("`{name}` takes text, not {}", other.kind());
            Err(problem("syntax-violation", Some(name), message, "convert the value in the flow", false))
        }
    }
}

/// The body of `POST /users` but for the password (A.3). An account is enabled unless the rules say otherwise.
pub(crate) fn new_user(class: &Class, attributes: &Attributes) -> Result<Map<String, Value>, ExportProblem> {
    let mut body = properties(class, named(attributes))?;
    for required in ["userPrincipalName", "displayName"] {
        if !body.contains_key(required) {
            return Err(missing(required, class));
        }
    }
    body.entry("accountEnabled").or_insert(Value::Bool(true));
    if !body.contains_key("mailNickname") {
        let nickname = nickname_of(attributes).ok_or_else(|| missing("mailNickname", class))?;
        body.insert("mailNickname".to_owned(), Value::String(nickname));
    }
    Ok(body)
}

/// The body of a group's upsert: a security group and nothing else. Anything else is a named limitation, never another kind.
pub(crate) fn new_group(class: &Class, attributes: &Attributes) -> Result<(String, Map<String, Value>), ExportProblem> {
    let is = |name: &str| match attributes.first(name) {
        Some(Held::Boolean(truth)) => Some(*truth),
        _ => None,
    };
    let unified = attributes.get("groupTypes").into_iter().flatten().any(|kind| kind.as_text() == Some("Unified"));
    let limitation = match (is("mailEnabled"), is("securityEnabled")) {
        _ if unified => Some(("limitation-microsoft-365-group", "Microsoft 365 groups")),
        (Some(true), Some(true)) => Some(("limitation-mail-enabled-security-group", "mail-enabled security groups")),
        (Some(true), _) | (_, Some(false)) => Some(("limitation-distribution-group", "distribution lists")),
        _ => None,
    };
    if let Some((code, kind)) = limitation {
        let message = format!("Graph mode cannot make {kind}");
        return Err(problem(code, None, message, "exclude the group by scope, or use the connect mode", false));
    }
    if is("securityEnabled").is_none() {
        return Err(missing("securityEnabled", class));
    }
    let unique_name = attributes.text("uniqueName").ok_or_else(|| missing("uniqueName", class))?.to_owned();
    let mut body = properties(class, named(attributes).filter(|(name, _)| *name != "uniqueName"))?;
    if !body.contains_key("displayName") {
        return Err(missing("displayName", class));
    }
    body.insert("mailEnabled".to_owned(), Value::Bool(false));
    body.insert("securityEnabled".to_owned(), Value::Bool(true));
    if !body.contains_key("mailNickname") {
        let nickname = allowed(&unique_name).ok_or_else(|| missing("mailNickname", class))?;
        body.insert("mailNickname".to_owned(), Value::String(nickname));
    }
    Ok((unique_name, body))
}

fn named(attributes: &Attributes) -> impl Iterator<Item = (&str, &Values)> {
    attributes.iter().map(|(name, values)| (name.as_str(), values)).filter(|(_, values)| !values.is_empty())
}

fn missing(name: &str, class: &Class) -> ExportProblem {
    let message = format!("a new {} needs `{name}`", class.name);
    problem("missing-provisioning-attribute", Some(name), message, "let a value flow to it", false)
}

/// D.3: the prefix of the primary address, of `mail`, of the sign-in name, of a secondary address.
fn nickname_of(attributes: &Attributes) -> Option<String> {
    let addresses: Vec<&str> =
        attributes.get("proxyAddresses").into_iter().flatten().filter_map(|value| value.as_text()).collect();
    let with = |prefix: &'static str| addresses.iter().find_map(move |address| address.strip_prefix(prefix));
    let candidates = [with("SMTP:"), attributes.text("mail"), attributes.text("userPrincipalName"), with("smtp:")];
    candidates.into_iter().flatten().find_map(|address| allowed(address.split('@').next().unwrap_or_default()))
}

/// What of a text a nickname may hold; none when nothing is left.
fn allowed(text: &str) -> Option<String> {
    let keep = |character: &char| {
        character.is_ascii_graphic() && (*character == '.' || !NICKNAME_FORBIDDEN.contains(*character))
    };
    let nickname: String = text.chars().filter(keep).take(NICKNAME_LENGTH).collect();
    Some(nickname).filter(|nickname| !nickname.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{GROUP, USER};
    use expect_test::{Expect, expect};

    fn attributes(pairs: &[(&str, Held)]) -> Attributes {
        let mut attributes = Attributes::new();
        pairs.iter().for_each(|(name, value)| {
            attributes.add(*name, value.clone());
        });
        attributes
    }

    fn text(text: &str) -> Held {
        Held::text(text)
    }

    fn check<T: serde::Serialize>(result: Result<T, ExportProblem>, expected: Expect) {
        let shown = match result {
            Ok(body) => serde_json::to_string(&body).unwrap(),
            Err(problem) => format!("{} {:?}", problem.code, problem.attribute),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn a_new_user_has_all_that_graph_asks_for() {
        let mut pairs = vec![
            ("userPrincipalName", text("ann.lee@contoso.com")),
            ("displayName", text("Ann Lee")),
            ("onPremisesImmutableId", text("QUFB")),
            ("extensionAttribute2", text("x")),
            ("businessPhones", text("+1 555")),
        ];
        check(
            new_user(USER, &attributes(&pairs)),
            expect![[
                r#"{"businessPhones":["+1 555"],"displayName":"Ann Lee","onPremisesImmutableId":"QUFB","userPrincipalName":"ann.lee@contoso.com","onPremisesExtensionAttributes":{"extensionAttribute2":"x"},"accountEnabled":true,"mailNickname":"ann.lee"}"#
            ]],
        );
        pairs.push(("proxyAddresses", text("SMTP:ann@contoso.com")));
        check(new_user(USER, &attributes(&pairs)), expect!["limitation-read-only Some(proxyAddresses)"]);
        check(
            new_user(USER, &attributes(&pairs[1..2])),
            expect!["missing-provisioning-attribute Some(userPrincipalName)"],
        );
        check(new_user(USER, &attributes(&[("shoeSize", text("44"))])), expect!["schema-violation Some(shoeSize)"]);
    }

    /// D.3: the order of sources, and the characters that are not allowed.
    #[test]
    fn nicknames_are_derived() {
        let nickname = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, text(value))).collect();
            nickname_of(&attributes(&pairs))
        };
        let upn = ("userPrincipalName", "upn@x");
        assert_eq!(nickname(&[("proxyAddresses", "SMTP:primary@x"), ("mail", "mail@x"), upn]).unwrap(), "primary");
        assert_eq!(nickname(&[("proxyAddresses", "smtp:second@x"), ("mail", "mail@x"), upn]).unwrap(), "mail");
        assert_eq!(nickname(&[("proxyAddresses", "smtp:second@x"), upn]).unwrap(), "upn");
        assert_eq!(nickname(&[("mail", "o'ne, (two)@x")]).unwrap(), "o'netwo");
        assert_eq!(nickname(&[("mail", "é@x")]), None);
    }

    /// Never another kind: only a security group is made.
    #[test]
    fn only_security_groups_are_made() {
        let group = |mail: bool, security: bool, extra: &[(&str, Held)]| {
            let mut pairs = vec![
                ("displayName", text("Sales")),
                ("uniqueName", text("ms-abc")),
                ("mailEnabled", Held::Boolean(mail)),
                ("securityEnabled", Held::Boolean(security)),
            ];
            pairs.extend_from_slice(extra);
            new_group(GROUP, &attributes(&pairs)).map(|(_, body)| body)
        };
        check(
            group(false, true, &[]),
            expect![[r#"{"displayName":"Sales","mailEnabled":false,"securityEnabled":true,"mailNickname":"ms-abc"}"#]],
        );
        check(group(true, false, &[]), expect!["limitation-distribution-group None"]);
        check(group(false, false, &[]), expect!["limitation-distribution-group None"]);
        check(group(true, true, &[]), expect!["limitation-mail-enabled-security-group None"]);
        check(group(true, false, &[("groupTypes", text("Unified"))]), expect!["limitation-microsoft-365-group None"]);
        let unnamed = attributes(&[("displayName", text("Sales")), ("securityEnabled", Held::Boolean(true))]);
        check(
            new_group(GROUP, &unnamed).map(|(_, body)| body),
            expect!["missing-provisioning-attribute Some(uniqueName)"],
        );
    }

    #[test]
    fn values_that_do_not_fit_are_refused_by_name() {
        let one = |name: &'static str, values: &[Held]| {
            let values: Values = values.iter().cloned().collect();
            properties(USER, [(name, &values)].into_iter())
        };
        check(one("mail", &[]), expect![[r#"{"mail":null}"#]]);
        check(one("otherMails", &[]), expect![[r#"{"otherMails":[]}"#]]);
        check(one("mail", &[text("a@x"), text("b@x")]), expect!["constraint-violation Some(mail)"]);
        check(one("businessPhones", &[text("1"), text("2")]), expect!["constraint-violation Some(businessPhones)"]);
        check(one("department", &[Held::Binary(vec![1])]), expect!["syntax-violation Some(department)"]);
        check(one("members", &[text("x")]), expect!["schema-violation Some(members)"]);
    }
}
