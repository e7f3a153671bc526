//! Whether an object is among those whom `[scope]` selects: by name, by a pilot group, or because everybody is. Looks at anchors
//! and memberships; what its rules say of its values is `scope`'s, and whether its container is read the connector's.

use crate::view::CsObject;
use std::collections::BTreeSet;
use std::fmt;
use sync_rules::RuleSet;

/// Why an object is selected or not. Groups are named by their anchor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SelectionDecision {
    /// Nothing limits the connector's objects, or everybody but others is in scope.
    Everybody,
    ByName,
    ByGroup(BTreeSet<String>),
    /// It is listed in `without`, which is stronger than all else.
    TakenOut,
    /// Only members of groups and people on the list are in scope, and it is neither.
    NotListed,
}

impl SelectionDecision {
    pub fn is_selected(&self) -> bool {
        !matches!(self, SelectionDecision::TakenOut | SelectionDecision::NotListed)
    }
}

impl SelectionDecision {
    /// For the operator, with the groups called as `name` says.
    pub fn text(&self, name: impl Fn(&str) -> String) -> String {
        match self {
            SelectionDecision::Everybody => "in scope: [scope] leaves everybody of this connector in".to_owned(),
            SelectionDecision::ByName => "in scope: [scope] lists it by name".to_owned(),
            SelectionDecision::ByGroup(groups) => {
                let names: Vec<String> = groups.iter().map(|group| name(group)).collect();
                format!("in scope: it is a member of {}", names.join(" and of "))
            }
            SelectionDecision::TakenOut => "out of scope: [scope] takes it out by name".to_owned(),
            SelectionDecision::NotListed => {
                "out of scope: it is a member of no group of [scope], and not listed there by name".to_owned()
            }
        }
    }
}

impl fmt::Display for SelectionDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(str::to_owned))
    }
}

/// Decides about one object of a connector.
pub fn decide_selection(object: &CsObject, rules: &RuleSet) -> SelectionDecision {
    if rules.selections.is_empty() {
        return SelectionDecision::Everybody;
    }
    let Some(selection) = rules.selections.get(&object.connector) else {
        return SelectionDecision::Everybody;
    };
    let anchor = object.anchor.as_ref().map(ToString::to_string).unwrap_or_default();
    if selection.without.contains_key(&anchor) {
        return SelectionDecision::TakenOut;
    }
    if selection.everybody {
        return SelectionDecision::Everybody;
    }
    if selection.users.contains_key(&anchor) {
        return SelectionDecision::ByName;
    }
    match object.selected_by.is_empty() {
        true => SelectionDecision::NotListed,
        false => SelectionDecision::ByGroup(object.selected_by.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;
    use expect_test::{Expect, expect};
    use sync_rules::{Listed, Matching, Selection};

    /// Each way of being listed, under a selection.
    fn check(selection: Option<Selection>, expect: Expect) {
        let mut world = World::new(Matching::Automatic);
        if let Some(selection) = selection {
            world.run.rules.selections.insert("ad".into(), selection);
        }
        let mut text = String::new();
        for (anchor, groups) in [
            ("nobody", &[][..]),
            ("user", &[]),
            ("out", &[]),
            ("both", &["g"]),
            ("member", &["g"]),
            ("twice", &["g", "h"]),
        ] {
            let id = world.import("ad", anchor, "displayName=x");
            let object = world.objects.get_mut(&id).unwrap();
            object.selected_by = groups.iter().map(|group| (*group).to_owned()).collect();
            let decision = decide_selection(object, &world.run.rules);
            text.push_str(&format!("{anchor}: {decision}\n"));
            assert_eq!(decision.is_selected(), decision.to_string().starts_with("in scope"));
        }
        expect.assert_eq(&text);
    }

    fn listed(anchors: &[&str]) -> Listed {
        anchors.iter().map(|anchor| ((*anchor).to_owned(), format!("called {anchor}"))).collect()
    }

    #[test]
    fn nothing_said_selects_everybody() {
        check(
            None,
            expect![[r#"
            nobody: in scope: [scope] leaves everybody of this connector in
            user: in scope: [scope] leaves everybody of this connector in
            out: in scope: [scope] leaves everybody of this connector in
            both: in scope: [scope] leaves everybody of this connector in
            member: in scope: [scope] leaves everybody of this connector in
            twice: in scope: [scope] leaves everybody of this connector in
        "#]],
        );
    }

    #[test]
    fn everybody_but_those_who_are_taken_out() {
        let selection = Selection { everybody: true, without: listed(&["out", "both"]), ..Selection::default() };
        check(
            Some(selection),
            expect![[r#"
            nobody: in scope: [scope] leaves everybody of this connector in
            user: in scope: [scope] leaves everybody of this connector in
            out: out of scope: [scope] takes it out by name
            both: out of scope: [scope] takes it out by name
            member: in scope: [scope] leaves everybody of this connector in
            twice: in scope: [scope] leaves everybody of this connector in
        "#]],
        );
    }

    #[test]
    fn members_and_people_by_name_and_nobody_else() {
        let selection = Selection {
            groups: listed(&["g", "h"]),
            users: listed(&["user"]),
            without: listed(&["out", "both"]),
            ..Selection::default()
        };
        check(
            Some(selection),
            expect![[r#"
            nobody: out of scope: it is a member of no group of [scope], and not listed there by name
            user: in scope: [scope] lists it by name
            out: out of scope: [scope] takes it out by name
            both: out of scope: [scope] takes it out by name
            member: in scope: it is a member of g
            twice: in scope: it is a member of g and of h
        "#]],
        );
    }
}
