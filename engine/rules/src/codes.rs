//! Every code that this crate can give, with its meaning: the one table behind the printed reference.

use std::fmt::Write as _;

/// Codes of diagnostics: mistakes in the files, found before anything runs.
pub const DIAGNOSTIC_CODES: &[(&str, &str)] = &[
    ("attribute-unknown", "The connected system has no attribute of this name."),
    ("class-not-creatable", "A rule provisions objects of a type that the connected system never lets anyone create."),
    (
        "class-not-writable",
        "Warning, or a note where the rule names the limitation: in this mode objects of the type are neither made nor changed nor deleted.",
    ),
    ("class-unknown", "The connected system has no object type of this name."),
    ("connector-name-invalid", "A connector's name has letters, digits, `-` and `_`; `mv` means the metaverse."),
    ("connector-unknown", "No connector of this name stands in metasync.toml."),
    (
        "deprovision-cannot-detach",
        "Note: objects that were taken over cannot be let go in this mode, and the rule lets go of them.",
    ),
    ("deprovision-on-inbound", "An inbound rule writes nothing that could be deprovisioned."),
    (
        "drawn-value-not-kept",
        "An expression calls Guid or RandomNum where it is computed again and again; only a flow with `once = true` keeps the value.",
    ),
    ("expression-argument-count", "A function has too few or too many arguments."),
    ("expression-compares-null", "A comparison with NULL never holds; IsNull and IsPresent ask for it."),
    (
        "expression-needs-all-members",
        "An expression reads a reference attribute with many values; it can only flow directly or be counted.",
    ),
    ("expression-syntax", "The text is not an expression."),
    ("expression-too-deep", "Calls and parentheses are nested deeper than 64."),
    ("expression-too-long", "An expression has at most 65,536 bytes."),
    (
        "expression-type-mismatch",
        "A value of one kind stands where another kind is wanted; conversions are always written.",
    ),
    ("expression-unknown-attribute", "There is no attribute of this name on the side that the expression reads."),
    ("expression-unknown-function", "There is no function of this name; names are case-sensitive."),
    ("expression-unknown-parameter", "The parameter is not set for this deployment."),
    ("expression-unknown-variable", "The variable was not declared by With, Select or Where."),
    ("expression-unknown-word", "A bare word that is neither a literal nor one of the choices."),
    ("file-missing", "The file does not exist."),
    ("file-not-utf8", "The file is not UTF-8 text."),
    ("file-unreadable", "The file is there and cannot be read."),
    ("flow-cannot-merge", "Warning: in this mode a list is written as a whole, and the flow merges into it."),
    ("flow-multi-values-to-single-value", "A flow gives several values to an attribute that holds one."),
    ("flow-several-sources", "A flow has more than one of direct, constant and expression."),
    ("flow-source-invalid", "The source of a direct flow is not an attribute name."),
    (
        "flow-target-never-written",
        "The target attribute is computed, a back link, set by the system alone, or the name.",
    ),
    ("flow-target-not-of-type", "Objects of the rule's target type have no attribute of this name."),
    (
        "flow-target-read-only",
        "Warning, or a note where a takeover compares it: the target attribute cannot be written in this mode.",
    ),
    ("flow-to-secret", "No rule sets a secret: the connector does."),
    ("flow-type-mismatch", "A flow gives a value of another kind than its target holds."),
    ("flow-without-source", "A flow has none of direct, constant and expression."),
    ("join-mixed", "A join group has both `clauses` and a pair of its own."),
    (
        "join-multi-valued",
        "A join needs one value on each side; only what lists or holds (review-only, deleted-twin) may have several.",
    ),
    ("join-not-indexable", "A join reads a reference, a secret or the DN of a target, which no index holds."),
    ("join-type-mismatch", "The two sides of a join are of different kinds and never equal."),
    ("join-uses-now", "A join key cannot depend on the time."),
    ("join-without-source", "A join has no `source`."),
    ("join-without-target", "A join has no `target`."),
    ("join-without-type", "A join with the recycle bin needs its object type."),
    ("key-missing", "A required key is missing."),
    ("key-unknown", "There is no key of this name here."),
    ("leave-on-inbound", "An inbound rule writes nothing that could leave a target."),
    ("limitation-named", "Note: the rule names objects that the target cannot hold; they are listed and not written."),
    ("limitation-on-inbound", "Only an outbound rule has limitations."),
    ("merge-mixture", "Rules of one target attribute merge in different ways."),
    ("merge-on-single-value", "An attribute that holds one value cannot be merged."),
    ("metaverse-attribute-conflict", "A metaverse attribute is declared twice, with different kinds."),
    ("metaverse-attribute-unknown", "The metaverse type has no attribute of this name."),
    ("metaverse-deletion-conflict", "When objects of a metaverse type are deleted is said twice."),
    ("metaverse-kind-unknown", "A declaration names no kind of attribute."),
    ("metaverse-type-unknown", "The metaverse has no type of this name."),
    ("no-rules", "Warning: the deployment has no rule file."),
    ("out-of-range", "A number is outside its bounds."),
    (
        "package-not-written",
        "Note: what a package of shipped rules brings into the metaverse is not written to this target.",
    ),
    ("parameter-name-invalid", "A parameter cannot have this name."),
    ("parameter-unknown", "The parameter is not set, or not a switch."),
    ("passwords-both-ways", "A connector stands in `from` and in `to` of [passwords]."),
    ("precedence-cycle", "Rules stand before and after each other in a circle."),
    ("precedence-duplicate", "Two rules have the same precedence number."),
    ("precedence-rule-unknown", "There is no rule of this id to stand before or after."),
    ("precedence-several", "A rule has more than one of precedence, before and after."),
    ("profile-duplicate", "A connector has two run profiles of one name."),
    ("reference-in-expression", "A reference flows as it is and is never computed."),
    ("rule-cycle", "Attributes are computed from each other; a warning while every flow of the loop is direct."),
    ("rule-id-duplicate", "Two rules have the same id."),
    ("rule-id-invalid", "A rule's id has letters, digits, `-`, `_` and `.`."),
    ("scope-both-ways", "[scope.CONNECTOR] lists the same object in `users` and in `without`."),
    ("scope-group-not-found", "Warning: the group of a scope clause was not imported, so nobody is its member."),
    ("scope-id-empty", "An entry of [scope.CONNECTOR] has an empty `id`."),
    ("scope-limits-nobody", "[scope.CONNECTOR] lists groups or users although everybody is in scope."),
    ("scope-membership-outbound", "An outbound rule cannot ask for the members of a group."),
    ("scope-of-nobody", "[scope.CONNECTOR] leaves nobody in scope."),
    ("scope-operand-unfit", "A scope clause compares an attribute with a value of another kind."),
    ("scope-operator-unfit", "A scope operator that says nothing about an attribute of this kind."),
    ("scope-operator-unknown", "There is no scope operator of this name."),
    ("scope-syntax", "The text is not a scope clause."),
    ("secret-in-file", "A secret stands in the file instead of a reference to it."),
    ("shipped-rule-changed", "Warning: a shipped rule was changed where it stands."),
    ("takeover-on-inbound", "An inbound rule takes nothing over."),
    ("target-type-missing", "A rule that provisions names one target type."),
    ("test-name-duplicate", "Two rule tests of one file have the same name."),
    ("test-object-duplicate", "A rule test gives the same object twice, or changes it in the step that gives it."),
    ("test-object-unknown", "A rule test names an object that it was not given."),
    ("test-rule-unknown", "A rule test names an inbound rule that there is not."),
    ("test-several-values", "A rule test gives several values to an attribute that holds one."),
    ("test-time-invalid", "The `now` of a rule test is no point in time."),
    ("test-value-invalid", "A value of a rule test is not of the kind that the schema says."),
    ("test-without-expectation", "A rule test, or a part of it, expects nothing and could never fail."),
    ("toml-syntax", "The text is not TOML."),
    ("unknown-value", "A word that is not one of the choices."),
    ("wrong-kind", "A TOML value of another kind than wanted."),
];

/// Codes of evaluations that failed: errors of one object while it is synchronised.
pub const EVALUATION_CODES: &[(&str, &str)] = &[
    ("expression-conversion-failed", "A value cannot be converted as the function was asked to."),
    ("expression-index-out-of-bounds", "Item was asked for a value that is not there."),
    (
        "expression-invalid-argument",
        "An argument is of the right kind and still not usable, such as a delimiter of two characters.",
    ),
    ("expression-overflow", "A result does not fit into a 64-bit number."),
    ("expression-several-lists", "Two lists of different origin meet where values are taken one by one."),
    ("expression-too-much-work", "An evaluation needs more than 16,777,216 steps and bytes."),
    ("expression-type-mismatch", "A value of one kind stands where another kind is wanted."),
    ("expression-unknown-parameter", "The parameter has no value for this object."),
    ("sync-rule-error-function-triggered", "The rule called Error."),
];

/// What a code means.
pub fn meaning(code: &str) -> Option<&'static str> {
    let mut all = DIAGNOSTIC_CODES.iter().chain(EVALUATION_CODES);
    all.find(|(known, _)| *known == code).map(|(_, meaning)| *meaning)
}

/// The code reference as Markdown; `docs/rules-reference.md` carries it.
pub fn codes_reference() -> String {
    let mut text = String::from("\n| Code | Found before a run |\n|---|---|\n");
    for (code, meaning) in DIAGNOSTIC_CODES {
        let _ = writeln!(text, "| `{code}` | {meaning} |");
    }
    text.push_str("\n| Code | Found while an object is synchronised |\n|---|---|\n");
    for (code, meaning) in EVALUATION_CODES {
        let _ = writeln!(text, "| `{code}` | {meaning} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    fn manual() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules-reference.md")
    }

    /// The parts of the manual that list things are those of the tables. With UPDATE_EXPECT=1 they are written anew.
    #[test]
    fn the_manual_lists_what_the_tables_hold() {
        let text = std::fs::read_to_string(manual()).unwrap();
        let mut wanted = text.clone();
        let parts = [
            ("language", crate::language_reference()),
            ("functions", crate::functions_reference()),
            ("codes", codes_reference()),
        ];
        for (name, part) in parts {
            let (open, close) = (format!("<!-- {name} -->\n"), format!("\n<!-- /{name} -->"));
            let start = wanted.find(&open).expect("the manual has the opening mark") + open.len();
            let end = start + wanted[start..].find(&close).expect("the manual has the closing mark");
            wanted.replace_range(start..end, &part);
        }
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(manual(), &wanted).unwrap();
        } else {
            assert!(text == wanted, "docs/rules-reference.md is not up to date: run this test with UPDATE_EXPECT=1");
        }
    }

    /// The table of scope operators is written by hand, and names each of them once and nothing else.
    #[test]
    fn the_manual_lists_every_scope_operator() {
        let text = std::fs::read_to_string(manual()).unwrap();
        let section = text.split("### Scope clauses").nth(1).and_then(|rest| rest.split("\n### ").next()).unwrap();
        let rows: String = section.lines().filter(|line| line.starts_with("| `")).collect();
        let mut listed: Vec<&str> = rows
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|word| word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
            .collect();
        let mut known: Vec<&str> = crate::document::SCOPE_OPERATORS.iter().map(|(word, _)| *word).collect();
        listed.sort_unstable();
        known.sort_unstable();
        assert_eq!(listed, known);
    }

    /// Every code that stands in the sources has a meaning, and every meaning a code that is used.
    #[test]
    fn the_tables_hold_every_code() {
        let mut sources = String::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("codes.rs") {
                    sources.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
        for (code, _) in DIAGNOSTIC_CODES.iter().chain(EVALUATION_CODES) {
            assert!(sources.contains(&format!("\"{code}\"")), "{code} is not given anywhere");
        }
    }
}
