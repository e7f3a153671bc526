//! Changes the lists of containers in the text of `metasync.toml`, and nothing else of it: comments, order and spacing
//! stay as the operator has them. Works on the text by the places that the parser names.

use crate::failure::Failure;
use metaverse_schema::{Dn, Rdn};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Add,
    Remove,
}

const INCLUDE: &str = "include_containers";
const EXCLUDE: &str = "exclude_containers";

/// The RDNs of a DN, normalised, the object's own first. What is no DN (a GUID) compares as it stands.
pub(crate) fn rdns(text: &str) -> Vec<String> {
    match text.parse::<Dn>() {
        Ok(dn) => dn.rdns().iter().map(Rdn::normalised).collect(),
        Err(_) => vec![text.to_lowercase()],
    }
}

/// The new text. `dn` exists in the directory.
pub(crate) fn change(text: &str, connector: &str, dn: &str, direction: Direction) -> Result<String, Failure> {
    let settings = Settings::find(text, connector)?;
    let wanted = rdns(dn);
    let (included, excluded) = (settings.position(INCLUDE, &wanted), settings.position(EXCLUDE, &wanted));
    let read_now = settings.is_read(&wanted, None);
    match (direction, included, excluded) {
        (Direction::Add, _, _) if read_now => Err(unchanged(dn, "is read already")),
        (Direction::Remove, _, _) if !read_now => Err(unchanged(dn, "is not read")),
        // The nearest of both lists decides: without its exclusion it may be read because of a container above.
        (Direction::Add, _, Some(at)) if settings.is_read(&wanted, Some(EXCLUDE)) => settings.without(EXCLUDE, at),
        (Direction::Add, _, Some(at)) => change(&settings.without(EXCLUDE, at)?, connector, dn, direction),
        (Direction::Add, _, None) if settings.list(INCLUDE).is_none_or(|list| list.items.is_empty()) => {
            Err(Failure::new(
                "excluded-above",
                format!(
                    "a container above {dn} is left out of the whole domain; to name {dn} alone would leave out all others"
                ),
                "take the container above out of exclude_containers, or list what is to be read in include_containers",
            ))
        }
        (Direction::Add, _, None) => settings.with(INCLUDE, dn),
        (Direction::Remove, Some(_), _) if settings.list(INCLUDE).is_some_and(|list| list.items.len() == 1) => {
            Err(Failure::new(
                "last-container",
                format!("{dn} is the only container that is read; without any, the whole domain would be"),
                "add another container first",
            ))
        }
        (Direction::Remove, Some(at), _) if !settings.is_read(&wanted, Some(INCLUDE)) => settings.without(INCLUDE, at),
        (Direction::Remove, Some(at), _) => change(&settings.without(INCLUDE, at)?, connector, dn, direction),
        (Direction::Remove, None, _) => settings.with(EXCLUDE, dn),
    }
}

fn unchanged(dn: &str, what: &str) -> Failure {
    Failure::new("scope-unchanged", format!("{dn} {what}"), "`metasync scope list CONNECTOR` shows what is read")
}

fn by_hand(why: &str) -> Failure {
    Failure::new(
        "edit-failed",
        format!("metasync.toml is not changed: {why}"),
        "change the lists of containers by hand",
    )
}

/// The settings of one connector in the text.
struct Settings<'t> {
    text: &'t str,
    lists: Vec<List>,
    /// End of the last setting: where another one can follow.
    end: usize,
}

/// `name = [ items ]`, with its places in the text.
struct List {
    name: &'static str,
    key: Range<usize>,
    value: Range<usize>,
    items: Vec<(Vec<String>, Range<usize>)>,
}

impl<'t> Settings<'t> {
    fn find(text: &'t str, connector: &str) -> Result<Self, Failure> {
        let root = DeTable::parse(text).map_err(|error| by_hand(error.message()))?;
        let mut table = root.get_ref();
        for name in ["connector", connector, "settings"] {
            table = match table.get(name).map(Spanned::get_ref) {
                Some(DeValue::Table(table)) => table,
                _ => return Err(by_hand(&format!("there is no [connector.{connector}.settings]"))),
            };
        }
        let mut lists = Vec::new();
        for name in [INCLUDE, EXCLUDE] {
            let Some((key, value)) = table.get_key_value(name) else {
                continue;
            };
            let DeValue::Array(items) = value.get_ref() else {
                return Err(by_hand(&format!("`{name}` is not a list")));
            };
            let items = items.iter().filter_map(|item| match item.get_ref() {
                DeValue::String(dn) => Some((rdns(dn), item.span())),
                _ => None,
            });
            lists.push(List { name, key: key.span(), value: value.span(), items: items.collect() });
        }
        let end = table.iter().map(|(_, value)| value.span().end).max();
        let end = end.ok_or_else(|| by_hand("the connector has no settings"))?;
        // Settings in one line, `settings = { ... }`, have no line of their own to be changed.
        let line_start = text.get(..end).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        if text.get(line_start..end).is_none_or(|line| line.trim_start().starts_with("settings")) {
            return Err(by_hand("the settings stand in one line"));
        }
        Ok(Settings { text, lists, end })
    }

    fn list(&self, name: &str) -> Option<&List> {
        self.lists.iter().find(|list| list.name == name)
    }

    fn position(&self, name: &str, wanted: &[String]) -> Option<usize> {
        self.list(name)?.items.iter().position(|(container, _)| container == wanted)
    }

    /// Whether the nearest container above (or at) it that is listed is an included one; none listed includes all.
    /// `without`: as if the container itself were not in that list.
    fn is_read(&self, wanted: &[String], without: Option<&str>) -> bool {
        let has = |name: &str, depth: usize| {
            let at = wanted.get(depth..).unwrap_or_default();
            let own = depth == 0 && without == Some(name);
            !own && self.list(name).is_some_and(|list| list.items.iter().any(|(container, _)| container == at))
        };
        for depth in 0..wanted.len() {
            if has(EXCLUDE, depth) {
                return false;
            }
            if has(INCLUDE, depth) {
                return true;
            }
        }
        self.list(INCLUDE).is_none_or(|list| list.items.is_empty())
    }

    fn replaced(&self, range: Range<usize>, with: &str) -> Result<String, Failure> {
        match (self.text.get(..range.start), self.text.get(range.end..)) {
            (Some(before), Some(after)) => Ok(format!("{before}{with}{after}")),
            _ => Err(by_hand("its places do not fit the text")),
        }
    }

    /// The lines that a range touches, line end included.
    fn lines_of(&self, range: &Range<usize>) -> Range<usize> {
        let start = self.text.get(..range.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let end = self.text.get(range.end..).and_then(|after| after.find('\n'));
        start..end.map_or(self.text.len(), |at| range.end + at + 1)
    }

    /// Takes one entry out, with its line and the comment behind it where it has a line of its own. A list of exclusions
    /// that is empty then goes too.
    fn without(&self, name: &str, position: usize) -> Result<String, Failure> {
        let list = self.list(name).ok_or_else(|| by_hand("the list is gone"))?;
        if name == EXCLUDE && list.items.len() == 1 {
            return self.replaced(self.lines_of(&(list.key.start..list.value.end)), "");
        }
        let span = |at: usize| list.items.get(at).map(|(_, span)| span.clone());
        let item = span(position).ok_or_else(|| by_hand("the entry is gone"))?;
        let line = self.lines_of(&item);
        let before = self.text.get(line.start..item.start).unwrap_or_default();
        let after = self.text.get(item.end..line.end).unwrap_or_default();
        let rest = after.trim_start().trim_start_matches(',').trim_start();
        let has_own_line = before.trim().is_empty() && (rest.is_empty() || rest.starts_with('#'));
        if has_own_line {
            return self.replaced(line, "");
        }
        match (span(position + 1), position.checked_sub(1).and_then(span)) {
            (Some(next), _) => self.replaced(item.start..next.start, ""),
            (None, Some(previous)) => self.replaced(previous.end..item.end, ""),
            (None, None) => self.replaced(item, ""),
        }
    }

    /// Adds an entry to the end of a list, on a line of its own where the others have one; a new list follows the last
    /// setting.
    fn with(&self, name: &str, dn: &str) -> Result<String, Failure> {
        let quoted = toml::Value::String(dn.to_owned()).to_string();
        let Some(list) = self.list(name) else {
            let end = self.lines_of(&(self.end..self.end)).end;
            let line_end = if self.text.get(..end).is_some_and(|before| before.ends_with('\n')) { "" } else { "\n" };
            return self.replaced(end..end, &format!("{line_end}{name} = [{quoted}]\n"));
        };
        let Some((_, last)) = list.items.last() else {
            return self.replaced(list.value.clone(), &format!("[{quoted}]"));
        };
        let line = self.lines_of(last);
        let indent = self.text.get(line.start..last.start).unwrap_or_default();
        if !indent.trim().is_empty() || line.end > list.value.end {
            return self.replaced(last.end..last.end, &format!(", {quoted}"));
        }
        let behind = self.text.get(last.end..line.end).unwrap_or_default();
        let comma = if behind.trim_start().starts_with(',') { "" } else { "," };
        self.replaced(last.end..line.end, &format!("{comma}{behind}{indent}{quoted},\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const TEXT: &str = "# mine
[connector.ad]
kind = \"active-directory\" # the old one

[connector.ad.settings]
servers = [\"dc1\"]
# what we read
include_containers = [
    \"OU=Staff,DC=corp,DC=example\", # everybody
    \"OU=Groups,DC=corp,DC=example\",
]
exclude_containers = [\"OU=Trainees,OU=Staff,DC=corp,DC=example\"]
";

    fn check(dn: &str, direction: Direction, expect: Expect) {
        let seen = match change(TEXT, "ad", dn, direction) {
            Ok(text) => {
                let old: Vec<&str> = TEXT.lines().collect();
                let new: Vec<&str> = text.lines().collect();
                let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}\n"));
                let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}\n"));
                gone.chain(come).collect()
            }
            Err(failure) => failure.message,
        };
        expect.assert_eq(&seen);
    }

    #[test]
    fn one_line_changes_and_comments_stay() {
        check(
            "OU=Contacts,DC=corp,DC=example",
            Direction::Add,
            expect![[r#"
                +     "OU=Contacts,DC=corp,DC=example",
            "#]],
        );
        check(
            "ou=groups,dc=corp,dc=example",
            Direction::Remove,
            expect![[r#"
                -     "OU=Groups,DC=corp,DC=example",
            "#]],
        );
        check(
            "OU=Staff,DC=corp,DC=example",
            Direction::Remove,
            expect![[r#"
                -     "OU=Staff,DC=corp,DC=example", # everybody
            "#]],
        );
        check(
            "OU=Sales,OU=Staff,DC=corp,DC=example",
            Direction::Remove,
            expect![[r#"
                - exclude_containers = ["OU=Trainees,OU=Staff,DC=corp,DC=example"]
                + exclude_containers = ["OU=Trainees,OU=Staff,DC=corp,DC=example", "OU=Sales,OU=Staff,DC=corp,DC=example"]
            "#]],
        );
        check(
            "OU=Trainees,OU=Staff,DC=corp,DC=example",
            Direction::Add,
            expect![[r#"
                - exclude_containers = ["OU=Trainees,OU=Staff,DC=corp,DC=example"]
            "#]],
        );
    }

    #[test]
    fn what_would_change_nothing_is_refused() {
        let refused = |dn: &str, direction| change(TEXT, "ad", dn, direction).unwrap_err().message;
        assert_eq!(
            refused("OU=Staff,DC=corp,DC=example", Direction::Add),
            "OU=Staff,DC=corp,DC=example is read already"
        );
        let sales = "OU=Sales,OU=Staff,DC=corp,DC=example";
        assert_eq!(refused(sales, Direction::Add), format!("{sales} is read already"));
        let trainees = "OU=Trainees,OU=Staff,DC=corp,DC=example";
        assert_eq!(refused(trainees, Direction::Remove), format!("{trainees} is not read"));
        let elsewhere = "OU=Elsewhere,DC=corp,DC=example";
        assert_eq!(refused(elsewhere, Direction::Remove), format!("{elsewhere} is not read"));
    }

    /// An entry in the middle of a line, and one that is the last without a comma.
    #[test]
    fn lists_in_one_line_and_without_a_last_comma() {
        let text = "[connector.ad.settings]\ninclude_containers = [\"OU=A,DC=x\", \"OU=B,DC=x\", \"OU=C,DC=x\"] # three\nview = \"usn\"\n";
        let removed = |dn: &str| change(text, "ad", dn, Direction::Remove).unwrap();
        assert!(removed("OU=A,DC=x").contains("= [\"OU=B,DC=x\", \"OU=C,DC=x\"] # three\n"));
        assert!(removed("OU=B,DC=x").contains("= [\"OU=A,DC=x\", \"OU=C,DC=x\"] # three\n"));
        assert!(removed("OU=C,DC=x").contains("= [\"OU=A,DC=x\", \"OU=B,DC=x\"] # three\n"));
        let text = "[connector.ad.settings]\ninclude_containers = [\n  \"OU=A,DC=x\" # first\n]\n";
        let added = change(text, "ad", "OU=B,DC=x", Direction::Add).unwrap();
        let expected =
            "[connector.ad.settings]\ninclude_containers = [\n  \"OU=A,DC=x\", # first\n  \"OU=B,DC=x\",\n]\n";
        assert_eq!(added, expected);
    }

    /// Included twice over: by itself and by the container above it.
    #[test]
    fn a_container_below_an_included_one_is_excluded() {
        let text = "[connector.ad.settings]\ninclude_containers = [\"OU=A,DC=x\", \"OU=B,OU=A,DC=x\"]\n";
        let removed = change(text, "ad", "OU=B,OU=A,DC=x", Direction::Remove).unwrap();
        assert_eq!(
            removed,
            "[connector.ad.settings]\ninclude_containers = [\"OU=A,DC=x\"]\nexclude_containers = [\"OU=B,OU=A,DC=x\"]\n"
        );
    }

    #[test]
    fn without_a_list_the_whole_domain_is_read() {
        let text = "[connector.ad.settings]\nservers = [\"dc1\"]\n";
        assert!(change(text, "ad", "OU=A,DC=x", Direction::Add).is_err());
        let removed = change(text, "ad", "OU=A,DC=x", Direction::Remove).unwrap();
        assert_eq!(removed, "[connector.ad.settings]\nservers = [\"dc1\"]\nexclude_containers = [\"OU=A,DC=x\"]\n");
        assert_eq!(change(&removed, "ad", "OU=A,DC=x", Direction::Add).unwrap(), text);
    }

    /// Removing the last container would widen the scope to everything.
    #[test]
    fn the_last_container_is_not_removed() {
        let text = "[connector.ad.settings]\ninclude_containers = [\"OU=A,DC=x\"]\n";
        let failure = change(text, "ad", "OU=A,DC=x", Direction::Remove).unwrap_err();
        assert_eq!(failure.code, "last-container");
    }
}
