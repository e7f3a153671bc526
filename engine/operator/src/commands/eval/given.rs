//! What the expression bench is given: attributes and parameters from the command line and from a JSON file, each with
//! its kind. Never guesses a kind from how a value looks; only attributes of Active Directory have one of their own.

use super::Mistakes;
use crate::cli::EvalArgs;
use base64::Engine as _;
use metaverse_schema::{
    Attributes, ConnectorSchema, Dn, Guid, Plurality, Reference, Sid, Value, ValueKind, Values, active_directory,
};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use sync_rules::{Inputs, Kinds, Lookup, date_from_text};

/// Largest file of attributes, in bytes.
const LARGEST_FILE: u64 = 64 << 20;

/// The object on the bench.
pub(super) struct Given {
    attributes: Attributes,
    parameters: BTreeMap<String, Value>,
    now: i64,
    seed: Vec<u8>,
    schema: ConnectorSchema,
    changes_at: Cell<Option<i64>>,
}

impl Given {
    /// The earliest instant that the evaluation told of (SF28).
    pub(super) fn changes_at(&self) -> Option<i64> {
        self.changes_at.get()
    }

    /// `dn` is no attribute of a schema: every object has one.
    fn own_kind(schema: &ConnectorSchema, name: &str) -> Option<ValueKind> {
        if name == "dn" { Some(ValueKind::Reference) } else { schema.kind_of(name) }
    }
}

impl Inputs for Given {
    fn attribute(&self, name: &str) -> Option<Cow<'_, Values>> {
        if let Some(values) = self.attributes.get(name) {
            return Some(Cow::Borrowed(values));
        }
        // The first part of the DN, as a connector gives it.
        let dn = self.attributes.get("dn").filter(|_| name == "rdn")?;
        match dn.first() {
            Some(Value::Reference(Reference::Dn(dn))) => {
                dn.rdn().map(|rdn| Cow::Owned(Values::single(Value::text(rdn.to_string()))))
            }
            _ => None,
        }
    }

    fn parameter(&self, name: &str) -> Option<Value> {
        self.parameters.get(name).cloned()
    }

    fn now(&self) -> i64 {
        self.now
    }

    fn answer_changes_at(&self, instant: i64) {
        let earliest = self.changes_at.get().map_or(instant, |known| known.min(instant));
        self.changes_at.set(Some(earliest));
    }

    fn seed(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.seed)
    }
}

/// Names in the wrong case and whole memberships are refused before anything is computed, as `check` does (X2). Kinds are
/// those of the values at hand, and are met while computing.
impl Kinds for Given {
    fn attribute(&self, name: &str) -> Lookup {
        let known = |name: &str| {
            matches!(name, "dn" | "rdn") || self.attributes.get(name).is_some() || self.schema.kind_of(name).is_some()
        };
        if known(name) {
            let definition = self.schema.attributes.get(name);
            return match definition.map(|definition| (definition.kind, definition.plurality)) {
                Some(members @ (ValueKind::Reference, Plurality::Multi)) => Lookup::Known(members.0, members.1),
                _ => Lookup::Unknown,
            };
        }
        let names = self.attributes.names().chain(self.schema.attributes.keys());
        let spelt = names.map(|name| name.as_str()).chain(["dn", "rdn"]).find(|known| known.eq_ignore_ascii_case(name));
        match spelt {
            Some(right) => Lookup::Missing {
                help: format!(
                    "did you mean `[{right}]`? Names are case-sensitive; one of your own is given with --attr {name}=..."
                ),
            },
            None => Lookup::Unknown,
        }
    }

    fn parameter(&self, _: &str) -> Lookup {
        Lookup::Unknown
    }
}

pub(super) fn read(args: &EvalArgs, now: i64, seed: &[u8], mistakes: &mut Mistakes) -> Given {
    let schema = active_directory::schema();
    let mut attributes = args.attrs.as_deref().map_or_else(Attributes::new, |file| read_file(file, &schema, mistakes));
    let mut from_line = Attributes::new();
    for (position, argument) in args.attr.iter().enumerate() {
        let Some(pair) = Pair::read("attr", position, argument, mistakes) else {
            continue;
        };
        let own = || Given::own_kind(&schema, &pair.name).unwrap_or(ValueKind::Text);
        if let Some(value) = pair.value(pair.kind.unwrap_or_else(own), mistakes) {
            from_line.add(pair.name.as_str(), value);
        }
    }
    for (name, values) in from_line {
        attributes.set(name, values);
    }
    let mut parameters = BTreeMap::new();
    for (position, argument) in args.param.iter().enumerate() {
        let Some(pair) = Pair::read("param", position, argument, mistakes) else {
            continue;
        };
        let as_written = match pair.text.as_str() {
            "True" | "False" | "true" | "false" => ValueKind::Boolean,
            digits if digits.parse::<i64>().is_ok() => ValueKind::Integer,
            _ => ValueKind::Text,
        };
        if let Some(value) = pair.value(pair.kind.unwrap_or(as_written), mistakes) {
            parameters.insert(pair.name.clone(), value);
        }
    }
    let now = match &args.now {
        None => now,
        Some(text) => date_from_text(text).unwrap_or_else(|| {
            mistakes.sources.add(Arc::from("--now"), text);
            let message = format!("`{text}` is not a date");
            mistakes.add(
                "argument-invalid",
                ("--now", 0..text.len()),
                message,
                "write for example 2026-04-01T00:00:00Z",
            );
            now
        }),
    };
    Given { attributes, parameters, now, seed: seed.to_vec(), schema, changes_at: Cell::new(None) }
}

/// One `NAME:KIND=VALUE` of the command line.
struct Pair {
    /// Under which it is drawn: `--attr`, or `--attr 2` where there are several.
    source: String,
    name: String,
    kind: Option<ValueKind>,
    text: String,
    /// Where the value stands in the argument.
    place: Range<usize>,
}

const KINDS: [(&str, ValueKind); 5] = [
    ("text", ValueKind::Text),
    ("integer", ValueKind::Integer),
    ("boolean", ValueKind::Boolean),
    ("binary", ValueKind::Binary),
    ("reference", ValueKind::Reference),
];

impl Pair {
    fn read(flag: &str, position: usize, argument: &str, mistakes: &mut Mistakes) -> Option<Self> {
        let source = format!("--{flag} {}", position + 1);
        mistakes.sources.add(Arc::from(source.as_str()), argument);
        let whole = 0..argument.len();
        let Some((left, text)) = argument.split_once('=') else {
            let message = format!("`{argument}` is not NAME=VALUE");
            let help = format!("write --{flag} NAME=VALUE; NAME= is the empty text");
            mistakes.add("argument-invalid", (&source, whole), message, help);
            return None;
        };
        let (name, kind) = match left.split_once(':') {
            None => (left, None),
            Some((name, word)) => {
                let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == word) else {
                    let message = format!("`{word}` is not a kind of value");
                    let help = "text, integer, boolean, binary or reference";
                    mistakes.add("argument-invalid", (&source, name.len() + 1..left.len()), message, help);
                    return None;
                };
                (name, Some(*kind))
            }
        };
        let name = name.trim();
        if name.is_empty() {
            let help = format!("write --{flag} NAME=VALUE");
            mistakes.add("argument-invalid", (&source, whole), "a name is missing before `=`".to_owned(), help);
            return None;
        }
        let place = left.len() + 1..argument.len();
        Some(Pair { source, name: name.to_owned(), kind, text: text.to_owned(), place })
    }

    fn value(&self, kind: ValueKind, mistakes: &mut Mistakes) -> Option<Value> {
        match value_of(kind, &self.text) {
            Ok(value) => Some(value),
            Err(Wrong::Secret) => {
                // The drawn line must not repeat it.
                let masked = format!("{}=...", self.name);
                mistakes.sources.add(Arc::from(self.source.as_str()), &masked);
                let message = format!("`{}`: {}", self.name, Wrong::Secret);
                mistakes.add("argument-invalid", (&self.source, 0..self.name.len()), message, "leave it out");
                None
            }
            Err(wrong) => {
                let message = format!("`{}`: {wrong}", self.name);
                let help = format!("write {}:text=... to give it as a text", self.name);
                mistakes.add("argument-invalid", (&self.source, self.place.clone()), message, help);
                None
            }
        }
    }
}

/// Why a text is not a value of its kind.
enum Wrong {
    Is(String, &'static str),
    Secret,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Is(text, wanted) => write!(f, "`{text}` is not {wanted}"),
            Wrong::Secret => f.write_str("it is a secret, which no expression reads"),
        }
    }
}

fn value_of(kind: ValueKind, text: &str) -> Result<Value, Wrong> {
    let wrong = |wanted| Wrong::Is(text.chars().take(60).collect(), wanted);
    Ok(match kind {
        ValueKind::Text => Value::text(text),
        ValueKind::Integer => {
            Value::Integer(text.trim().parse().map_err(|_| wrong("a whole number of at most 64 bits"))?)
        }
        ValueKind::Boolean if text.eq_ignore_ascii_case("true") => Value::Boolean(true),
        ValueKind::Boolean if text.eq_ignore_ascii_case("false") => Value::Boolean(false),
        ValueKind::Boolean => return Err(wrong("True or False")),
        ValueKind::Binary => {
            let guid = text.parse::<Guid>().map(|guid| guid.as_directory_bytes().to_vec()).ok();
            let known = guid.or_else(|| text.parse::<Sid>().map(|sid| sid.as_bytes().to_vec()).ok());
            Value::Binary(match known {
                Some(bytes) => bytes,
                None => base64(text).ok_or_else(|| wrong("base64, a GUID or a SID"))?,
            })
        }
        ValueKind::Reference => reference(text).ok_or_else(|| wrong("a DN"))?,
        ValueKind::Secret => return Err(Wrong::Secret),
    })
}

fn reference(text: &str) -> Option<Value> {
    let dn = text.parse::<Dn>().ok().filter(|dn| dn.rdn().is_some());
    dn.map(|dn| Value::Reference(Reference::Dn(dn)))
}

fn base64(text: &str) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(text.trim()).ok()
}

fn read_file(path: &Path, schema: &ConnectorSchema, mistakes: &mut Mistakes) -> Attributes {
    let source = path.display().to_string();
    let text = match file_text(path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("{source} cannot be read: {error}");
            mistakes.add("file-unreadable", (&source, 0..0), message, "check the path and the rights of this user");
            return Attributes::new();
        }
    };
    mistakes.sources.add(Arc::from(source.as_str()), &text);
    let object = match serde_json::from_str::<Json>(&text) {
        Ok(Json::Object(object)) => object,
        Ok(_) => {
            let message = "the attributes are not one JSON object".to_owned();
            mistakes.add(
                "attrs-invalid",
                (&source, 0..0),
                message,
                "write {\"sn\": \"Smith\", \"description\": [\"a\", \"b\"]}",
            );
            return Attributes::new();
        }
        Err(error) => {
            let at = offset(&text, error.line(), error.column());
            let message = format!("the attributes are not JSON: {error}");
            mistakes.add("attrs-invalid", (&source, at..at), message, "a backslash is written twice in JSON");
            return Attributes::new();
        }
    };
    let mut attributes = Attributes::new();
    for (name, json) in object {
        match values_of(&name, json, schema) {
            Ok(values) => attributes.set(name.as_str(), values),
            Err(Wrong::Secret) => {
                // No line of a file that holds one is drawn.
                mistakes.sources.add(Arc::from(source.as_str()), &format!("{name}: ..."));
                let message = format!("`{name}`: {}", Wrong::Secret);
                mistakes.add("attrs-invalid", (&source, 0..name.len()), message, "leave it out");
            }
            Err(wrong) => {
                // The first place with this name in quotes; a name that occurs in a value as well is still named.
                let at = text.find(&format!("\"{name}\"")).map_or(0..0, |start| start + 1..start + 1 + name.len());
                let help = "strings, whole numbers, true, false, null, arrays of them, {\"binary\": base64} and {\"reference\": DN}";
                mistakes.add("attrs-invalid", (&source, at), format!("`{name}`: {wrong}"), help);
            }
        }
    }
    attributes
}

fn file_text(path: &Path) -> std::io::Result<String> {
    let size = std::fs::metadata(path)?.len();
    if size > LARGEST_FILE {
        return Err(std::io::Error::other(format!("it has {size} bytes, and {LARGEST_FILE} are the most")));
    }
    std::fs::read_to_string(path)
}

/// Byte offset of a line and a column, both counted from 1; the column counts bytes.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (before + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn values_of(name: &str, json: Json, schema: &ConnectorSchema) -> Result<Values, Wrong> {
    let own = Given::own_kind(schema, name);
    match json {
        Json::Array(items) => items.into_iter().map(|item| one_of(item, own)).collect(),
        Json::Null => Ok(Values::default()),
        single => one_of(single, own).map(Values::single),
    }
}

/// JSON says the kind, but for references.
fn one_of(json: Json, own: Option<ValueKind>) -> Result<Value, Wrong> {
    let unfit = |json: &Json, wanted| Wrong::Is(json.to_string().chars().take(60).collect(), wanted);
    match (&json, own) {
        (_, Some(ValueKind::Secret)) => Err(Wrong::Secret),
        (Json::String(text), Some(ValueKind::Reference)) => value_of(ValueKind::Reference, text),
        (Json::String(text), _) => Ok(Value::text(text)),
        (Json::Bool(truth), _) => Ok(Value::Boolean(*truth)),
        (Json::Number(number), _) => {
            number.as_i64().map(Value::Integer).ok_or_else(|| unfit(&json, "a whole number of at most 64 bits"))
        }
        (Json::Object(fields), _) if fields.len() == 1 => match fields.iter().next() {
            Some((tag, Json::String(text))) if tag == "binary" => {
                base64(text).map(Value::Binary).ok_or_else(|| unfit(&json, "base64"))
            }
            Some((tag, Json::String(text))) if tag == "reference" => value_of(ValueKind::Reference, text),
            _ => Err(unfit(&json, "a value")),
        },
        _ => Err(unfit(&json, "a value")),
    }
}
