//! Compares a JSON value with a schema of the contract, closed: an unknown property is a mismatch. Knows the part of
//! OpenAPI 3.0 that the contract uses: `$ref`, `allOf`, `anyOf`, `nullable`, `enum`, formats, bounds, and the derived type
//! that `@odata.type` names.

use crate::additions::Additions;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub(crate) struct Schemas<'a> {
    pub(crate) contract: &'a Value,
    pub(crate) additions: &'a Additions,
}

/// All that an object may hold, inherited parts included.
#[derive(Default)]
struct Shape<'a> {
    properties: BTreeMap<&'a str, &'a Value>,
    required: Vec<&'a str>,
    additional: Option<&'a Value>,
    is_object: bool,
}

impl<'a> Schemas<'a> {
    /// Follows `$ref`s.
    pub(crate) fn resolve(&self, mut schema: &'a Value) -> &'a Value {
        while let Some(reference) = schema["$ref"].as_str() {
            schema = self.contract.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null);
        }
        schema
    }

    /// Adds a sentence for each place of `value` that the schema does not allow.
    pub(crate) fn check(&self, schema: &'a Value, value: &Value, at: &str, found: &mut Vec<String>) {
        let schema = self.resolve(schema);
        if schema.as_object().is_some_and(Map::is_empty) {
            return;
        }
        if schema.is_null() {
            found.push(format!("{at}: the contract names a schema that it does not have"));
            return;
        }
        if value.is_null() {
            if !self.is_nullable(schema) {
                found.push(format!("{at}: null is not allowed"));
            }
            return;
        }
        if let Some(branches) = schema["anyOf"].as_array() {
            self.check_any(branches, value, at, found);
            return;
        }
        let shape = self.shape(self.derived(schema, value));
        if shape.is_object {
            self.check_object(&shape, value, at, found);
            return;
        }
        match schema["type"].as_str() {
            Some("array") => self.check_array(schema, value, at, found),
            Some("string") => match value.as_str() {
                Some(text) => check_text(schema, text, at, found),
                None => found.push(format!("{at}: a string is wanted, not {}", kind(value))),
            },
            Some("boolean") if !value.is_boolean() => {
                found.push(format!("{at}: true or false is wanted, not {}", kind(value)));
            }
            Some("integer") => check_integer(schema, value, at, found),
            Some("number") if !value.is_number() => {
                found.push(format!("{at}: a number is wanted, not {}", kind(value)));
            }
            _ => {}
        }
    }

    fn is_nullable(&self, schema: &'a Value) -> bool {
        let schema = self.resolve(schema);
        schema["nullable"] == true
            || schema["anyOf"].as_array().into_iter().flatten().any(|branch| self.is_nullable(branch))
    }

    /// `{type: object, nullable: true}` stands for null alone: as a schema of its own it would allow every object.
    fn check_any(&self, branches: &'a [Value], value: &Value, at: &str, found: &mut Vec<String>) {
        let null_only = |branch: &&Value| branch["nullable"] == true && branch["properties"].is_null();
        let mut best: Option<Vec<String>> = None;
        for branch in branches.iter().filter(|branch| !null_only(branch)) {
            let mut these = Vec::new();
            self.check(branch, value, at, &mut these);
            if best.as_ref().is_none_or(|best| these.len() < best.len()) {
                best = Some(these);
            }
        }
        found.extend(best.unwrap_or_else(|| vec![format!("{at}: only null is allowed")]));
    }

    /// The schema of the type that the value says it is, where the contract has it.
    fn derived(&self, schema: &'a Value, value: &Value) -> &'a Value {
        let named = value["@odata.type"].as_str().and_then(|name| name.strip_prefix('#'));
        let derived = named.map(|name| &self.contract["components"]["schemas"][name]);
        derived.filter(|derived| !derived.is_null() && self.shape(schema).is_object).unwrap_or(schema)
    }

    fn shape(&self, schema: &'a Value) -> Shape<'a> {
        let schema = self.resolve(schema);
        let mut shape = Shape::default();
        for part in schema["allOf"].as_array().into_iter().flatten() {
            let inherited = self.shape(part);
            shape.is_object = true;
            shape.properties.extend(inherited.properties);
            shape.required.extend(inherited.required);
            shape.additional = shape.additional.or(inherited.additional);
        }
        if schema["type"] == "object" || schema["properties"].is_object() {
            shape.is_object = true;
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            shape.properties.insert(name, property);
        }
        shape.required.extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
        shape.additional = schema.get("additionalProperties").or(shape.additional);
        shape
    }

    /// The names that an object of this schema may have.
    pub(crate) fn names(&self, schema: &'a Value) -> Vec<&'a str> {
        self.shape(schema).properties.into_keys().collect()
    }

    /// The schema of one object of a reply: of a collection, that of its items.
    pub(crate) fn item(&self, schema: &'a Value) -> &'a Value {
        match self.shape(schema).properties.get("value") {
            Some(value) if value["items"].is_object() => &value["items"],
            _ => schema,
        }
    }

    fn check_object(&self, shape: &Shape<'a>, value: &Value, at: &str, found: &mut Vec<String>) {
        let Some(object) = value.as_object() else {
            found.push(format!("{at}: an object is wanted, not {}", kind(value)));
            return;
        };
        let missing = shape.required.iter().filter(|name| !object.contains_key(**name));
        found.extend(missing.map(|name| format!("{at}: {name} is missing")));
        for (name, value) in object {
            let at = format!("{at}.{name}");
            match (shape.properties.get(name.as_str()), shape.additional) {
                (Some(schema), _) => self.check(schema, value, &at, found),
                (None, Some(Value::Bool(true))) => {}
                (None, Some(schema @ Value::Object(_))) => self.check(schema, value, &at, found),
                _ if self.additions.allows_annotation(name) => {}
                _ => found.push(format!("{at}: the contract has no such property")),
            }
        }
    }

    fn check_array(&self, schema: &'a Value, value: &Value, at: &str, found: &mut Vec<String>) {
        let Some(items) = value.as_array() else {
            found.push(format!("{at}: an array is wanted, not {}", kind(value)));
            return;
        };
        if schema["maxItems"].as_u64().is_some_and(|most| items.len() as u64 > most) {
            found.push(format!("{at}: {} items are too many", items.len()));
        }
        if schema["minItems"].as_u64().is_some_and(|least| (items.len() as u64) < least) {
            found.push(format!("{at}: {} items are too few", items.len()));
        }
        for (position, item) in items.iter().enumerate() {
            self.check(&schema["items"], item, &format!("{at}[{position}]"), found);
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn check_text(schema: &Value, text: &str, at: &str, found: &mut Vec<String>) {
    if let Some(names) = schema["enum"].as_array()
        && !names.iter().any(|name| name == text)
    {
        found.push(format!("{at}: `{text}` is none of the values"));
    }
    let good = match schema["format"].as_str() {
        Some("date-time") => is_date_time(text),
        Some("uuid") => is_uuid(text),
        Some("uri") => text.contains("://"),
        _ => true,
    };
    if !good {
        found.push(format!("{at}: `{text}` is no {}", schema["format"].as_str().unwrap_or_default()));
    }
}

fn check_integer(schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    match value.as_i64() {
        None => found.push(format!("{at}: a whole number is wanted, not {}", kind(value))),
        Some(number)
            if schema["minimum"].as_i64().is_some_and(|least| number < least)
                || schema["maximum"].as_i64().is_some_and(|most| number > most) =>
        {
            found.push(format!("{at}: {number} is out of bounds"));
        }
        Some(_) => {}
    }
}

/// The contract's pattern: `2026-01-02T03:04:05.678Z`, seconds and fraction optional.
fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else { return false };
    let numbers = |text: &str, separator: char| -> Option<Vec<u32>> {
        text.split(separator)
            .map(|part| part.parse().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit())))
            .collect()
    };
    let zone = time.strip_suffix('Z').map(|time| (time, "00:00"));
    let zone = zone.or_else(|| time.len().checked_sub(6).and_then(|at| Some((time.get(..at)?, time.get(at + 1..)?))));
    let Some((time, zone)) = zone else { return false };
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let day = numbers(date, '-')
        .is_some_and(|it| it.len() == 3 && date.len() >= 10 && (1..=12).contains(&it[1]) && (1..=31).contains(&it[2]));
    let clock = numbers(clock, ':')
        .is_some_and(|it| (2..=3).contains(&it.len()) && it[0] < 24 && it[1..].iter().all(|part| *part < 60));
    let zone = numbers(zone, ':').is_some_and(|it| it.len() == 2);
    day && clock && zone && (1..=12).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}
