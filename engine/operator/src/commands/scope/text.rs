//! Changes `[scope.CONNECTOR]` in the text of `metasync.toml`, entry by entry: comments, order and spacing of everything else stay
//! as the operator has them.

use crate::failure::Failure;
use sync_rules::{Listed, Selection};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value, value};

/// The new text; `before` is what the old one says.
pub(crate) fn change(text: &str, connector: &str, before: &Selection, after: &Selection) -> Result<String, Failure> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| by_hand(error.message()))?;
    if document.get("scope").is_none() {
        let mut scope = Table::new();
        scope.set_implicit(true);
        document.insert("scope", Item::Table(scope));
    }
    let scope = document.get_mut("scope").and_then(Item::as_table_like_mut);
    let scope = scope.ok_or_else(|| by_hand("`scope` is not a table"))?;
    if scope.get(connector).is_none() {
        let mut table = Table::new();
        table
            .decor_mut()
            .set_prefix("\n# Who of this connector is synchronised, by anchor; `metasync scope` changes it.\n");
        scope.insert(connector, Item::Table(table));
    }
    let table = scope.get_mut(connector).and_then(Item::as_table_like_mut);
    let table = table.ok_or_else(|| by_hand(&format!("`scope.{connector}` is not a table")))?;
    set(table, "everybody", after.everybody);
    if after.nested || table.contains_key("nested") {
        set(table, "nested", after.nested);
    }
    for (key, old, new) in [
        ("groups", &before.groups, &after.groups),
        ("users", &before.users, &after.users),
        ("without", &before.without, &after.without),
    ] {
        list(table, key, old, new)?;
    }
    Ok(document.to_string())
}

fn set(table: &mut dyn TableLike, key: &str, wanted: bool) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(present) if present.as_bool() == Some(wanted) => {}
        // The comment behind it stays.
        Some(present) => {
            let decor = present.decor().clone();
            *present = Value::from(wanted);
            *present.decor_mut() = decor;
        }
        None => drop(table.insert(key, value(wanted))),
    }
}

fn list(table: &mut dyn TableLike, key: &str, old: &Listed, new: &Listed) -> Result<(), Failure> {
    if old.keys().eq(new.keys()) {
        return Ok(());
    }
    if new.is_empty() {
        table.remove(key);
        return Ok(());
    }
    if !table.contains_key(key) {
        let mut array = Array::new();
        array.set_trailing_comma(true);
        array.set_trailing("\n");
        table.insert(key, value(array));
    }
    match table.get_mut(key) {
        Some(Item::Value(Value::Array(array))) => {
            let id =
                |entry: &Value| entry.as_inline_table().and_then(|entry| entry.get("id")?.as_str().map(normalised));
            let gone: Vec<usize> = array
                .iter()
                .enumerate()
                .filter(|(_, entry)| id(entry).is_some_and(|id| !new.contains_key(&id)))
                .map(|(position, _)| position)
                .collect();
            gone.into_iter().rev().for_each(|position| take_out(array, position));
            for (anchor, name) in new.iter().filter(|(anchor, _)| !old.contains_key(*anchor)) {
                let mut entry = Value::InlineTable(entry(anchor, name));
                // What stands behind the last entry on its line stays there.
                let trailing = array.trailing().as_str().unwrap_or_default().to_owned();
                let (behind, _) = trailing.split_once('\n').unwrap_or((trailing.trim_end(), ""));
                entry.decor_mut().set_prefix(format!("{behind}\n    "));
                array.push_formatted(entry);
                array.set_trailing_comma(true);
                array.set_trailing("\n");
            }
            Ok(())
        }
        Some(Item::ArrayOfTables(tables)) => {
            tables.retain(|entry| {
                entry.get("id").and_then(Item::as_str).is_none_or(|id| new.contains_key(&normalised(id)))
            });
            for (anchor, name) in new.iter().filter(|(anchor, _)| !old.contains_key(*anchor)) {
                tables.push(entry(anchor, name).into_table());
            }
            Ok(())
        }
        _ => Err(by_hand(&format!("`{key}` is not a list"))),
    }
}

/// Takes an entry out with its own comment. What the parser counts as lying before an entry begins with the comment behind the
/// one before it, which stays.
fn take_out(array: &mut Array, position: usize) {
    let text = |raw: Option<&toml_edit::RawString>| raw.and_then(|raw| raw.as_str()).unwrap_or_default().to_owned();
    let gone = array.remove(position);
    let before = text(gone.decor().prefix());
    let behind_previous = before.split_once('\n').map_or("", |(behind, _)| behind);
    match array.get_mut(position) {
        Some(next) => {
            let prefix = text(next.decor().prefix());
            let own = prefix.find('\n').and_then(|line| prefix.get(line..)).unwrap_or(&prefix);
            next.decor_mut().set_prefix(format!("{behind_previous}{own}"));
        }
        None => {
            let trailing = text(Some(array.trailing()));
            let own = trailing.find('\n').and_then(|line| trailing.get(line..)).unwrap_or(&trailing);
            array.set_trailing(format!("{behind_previous}{own}"));
        }
    }
}

/// As the anchor is compared.
fn normalised(id: &str) -> String {
    id.parse::<metaverse_schema::Guid>().map_or_else(|_| id.to_owned(), |guid| guid.to_string())
}

fn entry(anchor: &str, name: &str) -> InlineTable {
    let mut entry = InlineTable::new();
    entry.insert("id", anchor.into());
    entry.insert("name", name.into());
    entry
}

fn by_hand(why: &str) -> Failure {
    Failure::new("edit-failed", format!("metasync.toml is not changed: {why}"), "change its table `scope` by hand")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const TEXT: &str = "# mine
[deployment]
name = \"x\" # the name

[scope.ad] # since May
everybody = false # a pilot
groups = [
    { id = \"6F9619FF-8B86-D011-B42D-00CF4FC964FF\", name = \"Pilot\" }, # wave one
    { id = \"g2\" }, # two
    # the last one
    { id = \"g4\" }, # four
]

[guards]
objects = 5
";

    fn listed(anchors: &[&str]) -> Listed {
        anchors.iter().map(|anchor| ((*anchor).to_owned(), format!("called \"{anchor}\""))).collect()
    }

    fn before() -> Selection {
        Selection { groups: listed(&["6f9619ff-8b86-d011-b42d-00cf4fc964ff", "g2", "g4"]), ..Selection::default() }
    }

    fn check(text: &str, before: &Selection, after: &Selection, expect: Expect) {
        let new = change(text, "ad", before, after).unwrap();
        expect.assert_eq(&new);
        // What is written says what was meant, and going back needs no hand.
        assert!(new.parse::<toml_edit::DocumentMut>().is_ok());
        assert_eq!(change(&new, "ad", after, after).unwrap(), new, "nothing to do");
    }

    #[test]
    fn entries_change_and_everything_else_stays() {
        let groups = listed(&["6f9619ff-8b86-d011-b42d-00cf4fc964ff", "g3", "g4"]);
        let after = Selection { nested: true, groups, users: listed(&["u1", "u2"]), ..Selection::default() };
        check(
            TEXT,
            &before(),
            &after,
            expect![[r##"
                # mine
                [deployment]
                name = "x" # the name

                [scope.ad] # since May
                everybody = false # a pilot
                groups = [
                    { id = "6F9619FF-8B86-D011-B42D-00CF4FC964FF", name = "Pilot" }, # wave one
                    # the last one
                    { id = "g4" }, # four
                    { id = "g3", name = 'called "g3"' },
                ]
                nested = true
                users = [
                    { id = "u1", name = 'called "u1"' },
                    { id = "u2", name = 'called "u2"' },
                ]

                [guards]
                objects = 5
            "##]],
        );
    }

    #[test]
    fn a_pilot_that_ends_leaves_the_rest() {
        let after = Selection { everybody: true, without: listed(&["u9"]), ..Selection::default() };
        check(
            TEXT,
            &before(),
            &after,
            expect![[r##"
            # mine
            [deployment]
            name = "x" # the name

            [scope.ad] # since May
            everybody = true # a pilot
            without = [
                { id = "u9", name = 'called "u9"' },
            ]

            [guards]
            objects = 5
        "##]],
        );
    }

    #[test]
    fn a_table_is_made_where_there_is_none() {
        let open = Selection { everybody: true, ..Selection::default() };
        let after = Selection { groups: listed(&["g1"]), ..Selection::default() };
        check(
            "[deployment]\nname = \"x\"\n[guards]\nobjects = 5\n",
            &open,
            &after,
            expect![[r#"
            [deployment]
            name = "x"
            [guards]
            objects = 5

            # Who of this connector is synchronised, by anchor; `metasync scope` changes it.
            [scope.ad]
            everybody = false
            groups = [
                { id = "g1", name = 'called "g1"' },
            ]
        "#]],
        );
        let text = "[deployment]\nname = \"x\"\n[scope.hr]\neverybody = true\n[[scope.ad.users]]\nid = \"u1\" # Ann\n[scope.ad]\neverybody = false\n";
        let before = Selection { users: listed(&["u1"]), ..Selection::default() };
        let after = Selection { users: listed(&["u1", "u2"]), ..Selection::default() };
        check(
            text,
            &before,
            &after,
            expect![[r#"
            [deployment]
            name = "x"
            [scope.hr]
            everybody = true
            [[scope.ad.users]]
            id = "u1" # Ann

            [[scope.ad.users]]
            id = "u2"
            name = 'called "u2"'
            [scope.ad]
            everybody = false
        "#]],
        );
    }
}
