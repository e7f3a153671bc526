//! What an operator's word makes of `[scope.CONNECTOR]`: who is listed afterwards. Pure; the text is changed by `text`, and who comes
//! and goes is found out by `trial`.

use crate::failure::Failure;
use sync_rules::{Listed, Selection};

/// An object that was named: its anchor, its name, and whether a pilot group selects it now.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) anchor: String,
    pub(crate) name: String,
    pub(crate) is_member: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    AddUser { only: bool },
    RemoveUser,
    AddGroup { nested: bool },
    RemoveGroup,
    Everybody,
}

/// What nothing says: everybody.
pub(crate) fn open() -> Selection {
    Selection { everybody: true, ..Selection::default() }
}

/// The selection afterwards. What would change nothing, or leave nobody, is refused.
pub(crate) fn choose(
    before: &Selection,
    choice: Choice,
    named: &[Named],
    connector: &str,
) -> Result<Selection, Failure> {
    let mut after = before.clone();
    match choice {
        Choice::Everybody => {
            after = Selection { everybody: true, without: before.without.clone(), ..Selection::default() };
            if before.everybody {
                return Err(unchanged(
                    "everybody is in scope already",
                    "`scope add-user` brings back who was taken out by name",
                ));
            }
        }
        Choice::AddUser { only } => named.iter().try_for_each(|user| add_user(&mut after, user, only))?,
        Choice::RemoveUser => named.iter().try_for_each(|user| remove_user(&mut after, user))?,
        Choice::AddGroup { nested } => {
            after.everybody = false;
            after.nested |= nested;
            insert(&mut after.groups, named);
            if after == *before {
                return Err(unchanged("the group selects already", "`scope list` shows the groups"));
            }
        }
        Choice::RemoveGroup => {
            for group in named {
                if after.groups.remove(&group.anchor).is_none() {
                    let message = format!("{} is no pilot group of {connector}", group.name);
                    return Err(unchanged(&message, "`scope list` shows the groups"));
                }
            }
            if after.groups.is_empty() {
                after.nested = false;
            }
        }
    }
    if !after.everybody && after.groups.is_empty() && after.users.is_empty() {
        return Err(Failure::new(
            "scope-of-nobody",
            format!("nobody of {connector} would be in scope"),
            format!("add another group or user first, or end the pilot with `metasync scope everybody {connector}`"),
        ));
    }
    Ok(after)
}

fn insert(listed: &mut Listed, named: &[Named]) {
    for object in named {
        listed.entry(object.anchor.clone()).or_insert_with(|| object.name.clone());
    }
}

fn add_user(after: &mut Selection, user: &Named, only: bool) -> Result<(), Failure> {
    let returns = after.without.remove(&user.anchor).is_some();
    if after.everybody && only {
        after.everybody = false;
    } else if after.everybody {
        let message = format!("{} is in scope already: everybody is", user.name);
        let help = "`--only` begins a pilot: nobody but those who are named is in scope then";
        return if returns { Ok(()) } else { Err(unchanged(&message, help)) };
    }
    // Who returns and is a member of a pilot group is in scope through it.
    if returns && user.is_member && !only {
        return Ok(());
    }
    if after.users.insert(user.anchor.clone(), user.name.clone()).is_some() && !returns {
        return Err(unchanged(&format!("{} is listed already", user.name), "`scope list` shows who is"));
    }
    Ok(())
}

fn remove_user(after: &mut Selection, user: &Named) -> Result<(), Failure> {
    let was_listed = after.users.remove(&user.anchor).is_some();
    if after.everybody || user.is_member {
        let is_new = after.without.insert(user.anchor.clone(), user.name.clone()).is_none();
        if is_new || was_listed {
            return Ok(());
        }
    }
    match was_listed {
        true => Ok(()),
        false => Err(unchanged(&format!("{} is not in scope", user.name), "`metasync explain` says why")),
    }
}

fn unchanged(what: &str, help: &str) -> Failure {
    Failure::new("scope-unchanged", what, help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn show(selection: &Selection) -> String {
        let list = |listed: &Listed| listed.keys().map(String::as_str).collect::<Vec<_>>().join(" ");
        format!(
            "{}{} groups [{}] users [{}] without [{}]",
            if selection.everybody { "everybody" } else { "listed" },
            if selection.nested { " nested" } else { "" },
            list(&selection.groups),
            list(&selection.users),
            list(&selection.without)
        )
    }

    /// One choice after the other; one that is refused changes nothing.
    fn check(choices: &[(Choice, &str)], expect: Expect) {
        let mut selection = open();
        let mut text = String::new();
        for (choice, who) in choices {
            // `member` is a member of every pilot group there is.
            let is_member = *who == "member" && !selection.groups.is_empty();
            let named = [Named { anchor: (*who).into(), name: who.to_uppercase(), is_member }];
            text.push_str(&match choose(&selection, *choice, &named, "ad") {
                Ok(after) => {
                    selection = after;
                    format!("{choice:?} {who}: {}\n", show(&selection))
                }
                Err(failure) => format!("{choice:?} {who}: {}: {}\n", failure.code, failure.message),
            });
        }
        expect.assert_eq(&text);
    }

    #[test]
    fn people_are_taken_out_of_everybody_and_come_back() {
        check(
            &[
                (Choice::AddUser { only: false }, "ann"),
                (Choice::RemoveUser, "ann"),
                (Choice::RemoveUser, "ann"),
                (Choice::AddUser { only: false }, "ann"),
                (Choice::Everybody, ""),
                (Choice::RemoveUser, "bob"),
                (Choice::AddUser { only: true }, "ann"),
                (Choice::AddUser { only: true }, "ann"),
                (Choice::RemoveUser, "carl"),
                (Choice::RemoveUser, "ann"),
                (Choice::Everybody, ""),
            ],
            expect![[r#"
                AddUser { only: false } ann: scope-unchanged: ANN is in scope already: everybody is
                RemoveUser ann: everybody groups [] users [] without [ann]
                RemoveUser ann: scope-unchanged: ANN is not in scope
                AddUser { only: false } ann: everybody groups [] users [] without []
                Everybody : scope-unchanged: everybody is in scope already
                RemoveUser bob: everybody groups [] users [] without [bob]
                AddUser { only: true } ann: listed groups [] users [ann] without [bob]
                AddUser { only: true } ann: scope-unchanged: ANN is listed already
                RemoveUser carl: scope-unchanged: CARL is not in scope
                RemoveUser ann: scope-of-nobody: nobody of ad would be in scope
                Everybody : everybody groups [] users [] without [bob]
            "#]],
        );
    }

    #[test]
    fn a_pilot_begins_with_its_first_group_and_ends_by_word() {
        check(
            &[
                (Choice::RemoveGroup, "pilot"),
                (Choice::AddGroup { nested: false }, "pilot"),
                (Choice::AddGroup { nested: false }, "pilot"),
                (Choice::AddGroup { nested: true }, "pilot"),
                (Choice::RemoveUser, "member"),
                (Choice::AddUser { only: false }, "member"),
                (Choice::RemoveGroup, "pilot"),
                (Choice::AddUser { only: false }, "ann"),
                (Choice::RemoveGroup, "pilot"),
                (Choice::AddGroup { nested: false }, "wave"),
                (Choice::Everybody, ""),
            ],
            expect![[r#"
                RemoveGroup pilot: scope-unchanged: PILOT is no pilot group of ad
                AddGroup { nested: false } pilot: listed groups [pilot] users [] without []
                AddGroup { nested: false } pilot: scope-unchanged: the group selects already
                AddGroup { nested: true } pilot: listed nested groups [pilot] users [] without []
                RemoveUser member: listed nested groups [pilot] users [] without [member]
                AddUser { only: false } member: listed nested groups [pilot] users [] without []
                RemoveGroup pilot: scope-of-nobody: nobody of ad would be in scope
                AddUser { only: false } ann: listed nested groups [pilot] users [ann] without []
                RemoveGroup pilot: listed groups [] users [ann] without []
                AddGroup { nested: false } wave: listed groups [wave] users [ann] without []
                Everybody : everybody groups [] users [] without []
            "#]],
        );
    }
}
