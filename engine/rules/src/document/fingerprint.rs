//! The fingerprint of a rule as it is written: whether a shipped rule was changed (S65). Comments, order, description,
//! place and the switch that turns it off do not count.

use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use toml::de::{DeTable, DeValue};

/// Keys of a rule that may differ without making it another rule.
const NOT_COUNTED: [&str; 6] = ["tag", "precedence", "before", "after", "disabled", "description"];

/// 16 hexadecimal digits of the SHA-256 over the rule's keys and values.
pub(crate) fn fingerprint(rule: &DeTable<'_>) -> String {
    let mut text = String::new();
    write_table(&mut text, rule, &NOT_COUNTED);
    Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Lengths stand before texts, so that no text can pass for a structure.
fn write_text(text: &mut String, value: &str) {
    // A checkout may have changed the ends of lines.
    let value = value.replace("\r\n", "\n");
    let _ = write!(text, "{}:{value}", value.len());
}

fn write_table(text: &mut String, table: &DeTable<'_>, without: &[&str]) {
    let mut entries: Vec<(&str, &DeValue<'_>)> =
        table.iter().map(|(key, value)| (key.get_ref().as_ref(), value.get_ref())).collect();
    entries.retain(|(key, _)| !without.contains(key));
    entries.sort_by_key(|(key, _)| *key);
    text.push('{');
    for (key, value) in entries {
        write_text(text, key);
        write_value(text, value);
    }
    text.push('}');
}

fn write_value(text: &mut String, value: &DeValue<'_>) {
    match value {
        DeValue::String(value) => write_text(text, value),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) => drop(write!(text, "i{number};")),
            Err(_) => write_text(text, digits.as_str()),
        },
        DeValue::Float(digits) => write_text(text, digits.as_str()),
        DeValue::Boolean(truth) => drop(write!(text, "b{truth};")),
        DeValue::Datetime(instant) => write_text(text, &instant.to_string()),
        DeValue::Array(items) => {
            text.push('[');
            items.iter().for_each(|item| write_value(text, item.get_ref()));
            text.push(']');
        }
        DeValue::Table(table) => write_table(text, table, &[]),
    }
}
