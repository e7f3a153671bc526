//! The rules of a world: the shared ones with containers that the rules make, names that are places, and dates. An operator
//! changes them on the way.

use crate::operation::Plan;

const UNITS: &str = include_str!("../systems/units.toml");

const TEXT: &str = include_str!("../systems/rules.toml");

/// What an operator may have changed; the number says which changes are in force.
pub(crate) const CHANGES: usize = 4;

/// The rules of this world after so many changes.
pub(crate) fn rules(plan: &Plan, version: usize) -> String {
    let mut text = TEXT.to_owned();
    let mut replace = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    };
    replace("signInName = \"text\"\n", "signInName = \"text\"\nplace = \"text\"\n");
    replace("kind = \"[kind]\"\n", "kind = \"[kind]\"\nplace = \"[place]\"\n");
    if plan.has_units {
        replace(
            "[rule.flow]\nstamp = \"[employeeId]\"",
            "[rule.flow]\ndn = 'EscapeDNComponent(\"CN=\" & [displayName]) & \",\" & IIF(IsPresent([place]), [place], \"OU=home\")'\n\
             stamp = \"[employeeId]\"",
        );
    }
    // From its date on a person is local (and leaves), or has another sign-in name.
    let until = "DateFromNum(CNum([until]))";
    match plan.dates {
        0 => replace(
            "kind = \"[kind]\"",
            &format!("kind = 'IIF(IsPresent([until]), IIF(Now() >= {until}, \"local\", [kind]), [kind])'"),
        ),
        _ => replace(
            "signInName = \"[signInName]\"",
            &format!("signInName = 'IIF(IsPresent([until]), IIF(Now() < {until}, \"in\", \"out\"), NULL)'"),
        ),
    }
    match version % CHANGES {
        0 => {}
        1 => replace("precedence = 110", "precedence = 90"),
        2 => replace("\"kind NOTEQUAL local\"]", "\"kind NOTEQUAL local\", \"title NOTEQUAL Baker\"]"),
        _ => replace("department = \"[department]\"\n", "department = 'UCase([department])'\n"),
    }
    match plan.has_units {
        true => format!("{text}{UNITS}"),
        false => text,
    }
}
