//! What this connector promises of any bytes that a domain controller, or somebody in between, may answer with: no panic, no
//! endless work, nothing read that did not come, and a value that is written as it was read is the same value. The body of a
//! fuzz target (`tests/fuzz`) and of a plain test over the saved corpus. In no shipped build.

use crate::controls::{parse_dirsync, parse_paged};
use crate::decode;
use crate::entry::Entry;
use crate::full::kind_of;
use crate::message::{Answer, SEARCH_ENTRY, length_of};
use crate::object::{self, Reading};
use crate::schema::{Attributes, default_attributes};
use metaverse_schema::ObjectType;
use std::sync::LazyLock;

static KNOWN: LazyLock<Attributes> = LazyLock::new(|| {
    let names = default_attributes();
    Attributes::built_in(&names.iter().map(String::as_str).collect::<Vec<_>>())
});

/// LDAP messages one after the other, as a connection for reading takes them.
pub fn messages(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some(length)) = length_of(rest) {
        let Some((message, after)) = rest.split_at_checked(length) else { return };
        rest = after;
        let Ok(answer) = Answer::read(message) else { return };
        let _ = answer.outcome();
        for control in answer.controls().unwrap_or_default() {
            let _ = parse_dirsync(&control.value);
            let _ = parse_paged(&control.value);
        }
        if answer.operation == SEARCH_ENTRY {
            entry(answer.content);
        }
    }
}

fn entry(content: &[u8]) {
    let Ok(mut entry) = Entry::read(content) else { return };
    let held: usize = entry.attributes().flat_map(|attribute| attribute.values).map(<[u8]>::len).sum();
    assert!(held <= content.len(), "more was read than came");
    for attribute in entry.attributes() {
        let Some(known) = KNOWN.find(attribute.name()) else { continue };
        for bytes in attribute.values {
            if let Ok(value) = decode::value(known.kind, bytes) {
                let again = decode::value(known.kind, &decode::to_wire(&value));
                assert_eq!(again.as_ref(), Ok(&value), "what is written reads back the same");
            }
        }
    }
    let (user, classes) = (ObjectType::new("user"), ["user", "group", "contact"].map(str::to_owned));
    let _ = (kind_of(&entry, &classes), entry.is_deleted(), entry.object_guid());
    for reading in [Reading::Incremental, Reading::Plain] {
        let _ = object::whole(&entry, &user, &KNOWN, reading);
    }
    for moved_to in [None, Some(&entry)] {
        let _ = object::change(&entry, moved_to, &user, &KNOWN);
    }
    entry.drop_empty_twins();
    let _ = object::whole(&entry, &user, &KNOWN, Reading::Plain);
}

#[cfg(test)]
#[path = "../../../tests/fuzz/smoke.rs"]
mod smoke;

#[cfg(test)]
mod tests {
    use super::*;

    /// Truncations and bit flips of answers never panic, and say no more than came.
    #[test]
    fn any_messages_are_refused_or_part_of_what_came() {
        assert!(smoke::feed("directory_messages", 2_000, messages) > 10_000);
    }
}
