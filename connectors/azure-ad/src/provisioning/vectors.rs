//! The recorded requests and replies of `tests/contracts`, for the tests of this module.

use super::binary::{Element, decode};
use serde_json::Value;

/// Names are resolved and attributes sorted, so that prefixes and the place of a declaration make no difference.
pub(super) fn canonical(element: &Element) -> String {
    let mut lines = String::new();
    write(element, 0, &mut lines);
    lines
}

fn write(element: &Element, depth: usize, lines: &mut String) {
    let mut attributes: Vec<String> = element
        .attributes
        .iter()
        .map(|attribute| format!(" {{{}}}{}={}", attribute.name.namespace, attribute.name.local, attribute.value))
        .collect();
    attributes.sort();
    let text = if element.elements().next().is_none() { element.content() } else { "".into() };
    let indent = "  ".repeat(depth);
    let (namespace, local) = (&element.name.namespace, &element.name.local);
    *lines += &format!("{indent}{{{namespace}}}{local}{} {text}\n", attributes.concat());
    element.elements().for_each(|child| write(child, depth + 1, lines));
}

/// The bytes of a recorded reply.
pub(super) fn reply(name: &str) -> Vec<u8> {
    recorded("responses", "name", name)
}

/// The tree of a recorded request.
pub(super) fn request(operation: &str) -> Element {
    decode(&recorded("requests", "operation", operation)).unwrap()
}

fn recorded(list: &str, key: &str, name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contracts/aadsync-msbin1-vectors.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let entry = vectors[list].as_array().unwrap().iter().find(|entry| entry[key] == name).unwrap();
    let hex = entry["hex"].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
