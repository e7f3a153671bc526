//! One request and one reply, apart from how they travel: a request on the wire and a request inside a `$batch` become
//! the same [`Call`]. Splits paths and query strings; knows no operation.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::errors::{GraphError, GraphResult};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Patch,
    Put,
    Delete,
}

impl Method {
    pub(crate) fn parse(name: &str) -> Option<Method> {
        match name.to_ascii_uppercase().as_str() {
            "GET" => Some(Method::Get),
            "POST" => Some(Method::Post),
            "PATCH" => Some(Method::Patch),
            "PUT" => Some(Method::Put),
            "DELETE" => Some(Method::Delete),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Patch => "PATCH",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }
}

/// A request below `/v1.0/`.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query as sent, from the version root on: `/users?$top=5`.
    pub(crate) target: String,
    pub(crate) headers: Headers,
    pub(crate) body: Body,
}

/// The body, as far as it could be read.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Empty,
    Json(Value),
    Unreadable,
}

impl Call {
    /// The JSON object that a write needs.
    pub(crate) fn json_object(&self) -> GraphResult<&Map<String, Value>> {
        match &self.body {
            Body::Json(Value::Object(object)) => Ok(object),
            _ => Err(GraphError::malformed(
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid \
                 JSON format.",
            )),
        }
    }

    /// A header `Prefer: a, b=c` names that preference.
    pub(crate) fn prefers(&self, preference: &str) -> bool {
        self.headers.all("prefer").any(|line| {
            line.split([',', ';']).any(|part| part.trim().replace(' ', "").eq_ignore_ascii_case(preference))
        })
    }

    /// `ConsistencyLevel: eventual`.
    pub(crate) fn is_eventual(&self) -> bool {
        self.headers.get("consistencylevel").is_some_and(|level| level.eq_ignore_ascii_case("eventual"))
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// Query options, decoded, in order.
    pub(crate) fn options(&self) -> Vec<(String, String)> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        parse_form(query)
    }
}

/// Header names lower-cased, values as sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers(pub(crate) Vec<(String, String)>);

impl Headers {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: ReplyBody,
}

#[derive(Clone, Debug)]
pub(crate) enum ReplyBody {
    Empty,
    Json(Value),
    Text(String),
    Bytes { content_type: &'static str, bytes: Vec<u8> },
}

impl Reply {
    pub(crate) fn ok(body: Value) -> Reply {
        Reply { status: 200, headers: Vec::new(), body: ReplyBody::Json(body) }
    }

    pub(crate) fn created(location: String, body: Value) -> Reply {
        Reply { status: 201, headers: vec![("location", location)], body: ReplyBody::Json(body) }
    }

    pub(crate) fn no_content() -> Reply {
        Reply { status: 204, headers: Vec::new(), body: ReplyBody::Empty }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }
}

/// Reads `a=b&c=d` with `+` as blank and percent-encoding, as query strings and forms are.
pub(crate) fn parse_form(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Splits a path into its segments: keys in parentheses become segments of their own (`/users('a@b')` = `/users/a@b`),
/// functions lose their brackets (`delta()` = `delta`), and an alternate key stays with its set
/// (`/groups(uniqueName='x')` = `groups(uniqueName)`, `x`).
pub(crate) fn segments(path: &str) -> GraphResult<Vec<String>> {
    let mut segments = Vec::new();
    for raw in path.split('/').filter(|raw| !raw.is_empty()) {
        let segment = decode(raw);
        let Some((name, inside)) = segment.strip_suffix(')').and_then(|segment| segment.split_once('(')) else {
            // A sign-in name that begins with `$` needs the form with parentheses (A.2).
            if segment.starts_with('$') && !matches!(segment.as_str(), "$ref" | "$count" | "$batch" | "$value") {
                return Err(unknown_segment(&segment));
            }
            segments.push(segment);
            continue;
        };
        match (inside, inside.split_once('=')) {
            ("", _) => segments.push(name.to_owned()),
            (_, Some((key, value))) if !inside.starts_with('\'') => {
                segments.push(format!("{name}({})", key.trim()));
                segments.push(unquote(value.trim()));
            }
            _ => {
                segments.push(name.to_owned());
                segments.push(unquote(inside));
            }
        }
    }
    Ok(segments)
}

pub(crate) fn unknown_segment(segment: &str) -> GraphError {
    GraphError::malformed(format!("Resource not found for the segment '{segment}'."))
}

/// Takes off single quotes; a doubled quote inside stands for one.
fn unquote(text: &str) -> String {
    match text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        Some(inside) => inside.replace("''", "'"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &[&str]) {
        assert_eq!(segments(path).unwrap(), expected, "{path}");
    }

    #[test]
    fn paths_are_split_into_keys_and_functions() {
        check("/users/ann%40contoso.com/manager/$ref", &["users", "ann@contoso.com", "manager", "$ref"]);
        check("/users('$odd@contoso.com')", &["users", "$odd@contoso.com"]);
        check("/users('o''neil@contoso.com')/memberOf", &["users", "o'neil@contoso.com", "memberOf"]);
        check("/users/delta()", &["users", "delta"]);
        check("/users/guest_x.com%23EXT%23@c.onmicrosoft.com", &["users", "guest_x.com#EXT#@c.onmicrosoft.com"]);
        check("/groups(uniqueName='ms-a=b')", &["groups(uniqueName)", "ms-a=b"]);
        assert!(segments("/users/$odd@contoso.com").is_err());
    }
}
