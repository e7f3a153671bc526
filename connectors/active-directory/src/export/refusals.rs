//! What the engine is told when a server did not simply say yes: the engine's error names (R74) for the refusals of a
//! directory, with the server's own code and text. Asks the server nothing.

use crate::directory::{
    DirectoryError, RC_ACCESS, RC_BUSY, RC_CONSTRAINT, RC_EXISTS, RC_INVALID_DN, RC_NAMING, RC_NO_SUCH_ATTRIBUTE,
    RC_NO_SUCH_OBJECT, RC_NOT_LEAF, RC_NOT_ON_RDN, RC_OBJECT_CLASS, RC_SYNTAX, RC_UNAVAILABLE, RC_UNDEFINED_ATTRIBUTE,
    RC_UNWILLING, RC_VALUE_EXISTS,
};
use connector_contract::{ExportOutcome, ExportProblem};
use metaverse_schema::AttributeName;

/// An outcome that ends an item early.
#[derive(Debug)]
pub(super) struct Failure(pub(super) ExportOutcome);

impl From<ExportProblem> for Failure {
    fn from(problem: ExportProblem) -> Self {
        Failure(ExportOutcome::Refused(problem))
    }
}

/// A refusal of this connector itself: nothing was sent.
pub(super) fn refused(code: &str, message: impl Into<String>, remedy: &str) -> Failure {
    Failure::from(ExportProblem {
        code: code.to_owned(),
        attribute: None,
        message: message.into(),
        remedy: remedy.to_owned(),
        retry: false,
    })
}

/// What the engine is told when the server did not simply say yes.
pub(super) fn failure(error: DirectoryError) -> Failure {
    match error {
        DirectoryError::Refused { code, text } => match code {
            RC_BUSY | RC_UNAVAILABLE => Failure(ExportOutcome::NotSettled {
                may_have_arrived: false,
                message: format!("the domain controller is busy (result {code})"),
            }),
            _ => problem(code, &text).into(),
        },
        // The request may have been carried out although its answer did not come.
        lost => Failure(ExportOutcome::NotSettled { may_have_arrived: true, message: lost.to_string() }),
    }
}

/// Whether another attempt at once, or single pieces of it, could have another answer.
pub(super) fn is_final(error: &DirectoryError) -> bool {
    !matches!(error, DirectoryError::Refused { code, .. } if *code != RC_BUSY && *code != RC_UNAVAILABLE)
}

/// The engine's names (R74) for the refusals of a directory. What only somebody else can mend (a right, a name that is
/// taken, a container that is missing or not empty) is worth sending again with every export.
pub(super) fn problem(code: u32, text: &str) -> ExportProblem {
    let is_password_policy = text.contains("0000052D");
    let (name, remedy, retry) = match code {
        RC_NO_SUCH_OBJECT => ("cd-missing-object", "import, so that the engine learns that it is gone", false),
        RC_EXISTS => (
            "cd-existing-object",
            "an object of this name or with this unique value exists: join it or rename one",
            true,
        ),
        RC_ACCESS => ("permission-issue", "give the account the right to write this object and attribute", true),
        RC_CONSTRAINT | RC_UNWILLING if is_password_policy => (
            "password-policy-violation",
            "an account without a password can only be created disabled: flow userAccountControl 514, once",
            false,
        ),
        RC_CONSTRAINT if text.contains("already in use") => {
            ("constraint-violation", "another object has this value: correct it on one of them", true)
        }
        RC_CONSTRAINT | RC_VALUE_EXISTS => ("constraint-violation", "correct the value", false),
        RC_UNWILLING => ("constraint-violation", "the domain controller's rules forbid this change", false),
        RC_OBJECT_CLASS | RC_UNDEFINED_ATTRIBUTE | RC_NO_SUCH_ATTRIBUTE => {
            ("schema-violation", "the class does not have this attribute, or lacks one that it must have", false)
        }
        RC_SYNTAX => ("syntax-violation", "correct the value: it is too long, too short or of another form", false),
        RC_INVALID_DN | RC_NAMING => ("invalid-dn", "correct the DN: not every class may stand everywhere", false),
        RC_NOT_ON_RDN => ("modify-naming-attribute", "flow to the DN instead of to the naming attribute", false),
        RC_NOT_LEAF => (
            "unsupported-container-delete",
            "delete or move what is below it first; a tree is never deleted with its root",
            true,
        ),
        _ => ("unexpected-error", "", false),
    };
    let error = DirectoryError::Refused { code, text: text.to_owned() };
    ExportProblem {
        code: name.to_owned(),
        attribute: named_attribute(text),
        message: error.to_string(),
        remedy: remedy.to_owned(),
        retry,
    }
}

/// The attribute that the server's text names. Windows: `... Att 90296 (userPrincipalName), ...`; Samba: `attribute 'title'
/// on entry`, `SINGLE-VALUE attribute title on`, `samldb: userPrincipalName 'a@x' is already in use`.
fn named_attribute(text: &str) -> Option<AttributeName> {
    let windows = || text.split_once("Att ")?.1.split_once('(')?.1.split_once(')').map(|(name, _)| name);
    let quoted = || text.split_once("attribute '")?.1.split_once('\'').map(|(name, _)| name);
    let single = || text.split_once("SINGLE-VALUE attribute ")?.1.split_once(' ').map(|(name, _)| name);
    let unique = || {
        let name = text.split_once("samldb: ")?.1.split_once(" '")?.0;
        text.contains("already in use").then_some(name)
    };
    let name = windows().or_else(quoted).or_else(single).or_else(unique)?;
    let plausible = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    plausible.then(|| AttributeName::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(code: u32, text: &str, expect: Expect) {
        let problem = problem(code, text);
        let attribute = problem.attribute.map_or_else(|| "-".to_owned(), |name| name.to_string());
        let again = if problem.retry { ", again" } else { "" };
        expect.assert_eq(&format!("{} {attribute}{again}: {}", problem.code, problem.message));
    }

    /// R74, with what Windows says.
    #[test]
    fn refusals_have_the_engines_names() {
        check(
            RC_CONSTRAINT,
            "000021C7: AtrErr: DSID-03200E1F, #1: 0: 000021C7: problem 1005 (CONSTRAINT_ATT_TYPE), data 2072, Att 90290 (userPrincipalName)",
            expect![
                "constraint-violation userPrincipalName: the server refused: result 19 (constraint violation): 000021C7: AtrErr: DSID-03200E1F, #1: 0: 000021C7: problem 1005 (CONSTRAINT_ATT_TYPE), data 2072, Att 90290 (userPrincipalName)"
            ],
        );
        check(
            RC_UNWILLING,
            "0000052D: SvcErr: DSID-031A1236",
            expect![
                "password-policy-violation -: the server refused: result 53 (unwilling to perform): 0000052D: SvcErr: DSID-031A1236"
            ],
        );
        check(
            RC_EXISTS,
            "",
            expect!["cd-existing-object -, again: the server refused: result 68 (entry already exists)"],
        );
        check(
            RC_ACCESS,
            "",
            expect!["permission-issue -, again: the server refused: result 50 (insufficient access rights)"],
        );
        check(
            RC_NOT_LEAF,
            "",
            expect![
                "unsupported-container-delete -, again: the server refused: result 66 (not allowed on an object with children)"
            ],
        );
        check(1, "", expect!["unexpected-error -: the server refused: result 1 (operations error)"]);
    }

    /// R74, with what Samba says.
    #[test]
    fn samba_names_the_attribute_in_other_words() {
        check(
            RC_CONSTRAINT,
            "0000202F: samldb: userPrincipalName 'a@x' is already in use ",
            expect![
                "constraint-violation userPrincipalName, again: the server refused: result 19 (constraint violation): 0000202F: samldb: userPrincipalName 'a@x' is already in use "
            ],
        );
        check(
            RC_EXISTS,
            "00002071: samldb: samAccountName 'a' already in use!",
            expect![
                "cd-existing-object samAccountName, again: the server refused: result 68 (entry already exists): 00002071: samldb: samAccountName 'a' already in use!"
            ],
        );
        check(
            RC_SYNTAX,
            "0000200B: objectclass_attrs: attribute 'title' on entry 'CN=a' contains at least one invalid value!",
            expect![
                "syntax-violation title: the server refused: result 21 (invalid attribute syntax): 0000200B: objectclass_attrs: attribute 'title' on entry 'CN=a' contains at least one invalid value!"
            ],
        );
        check(
            RC_VALUE_EXISTS,
            "0000200D: SINGLE-VALUE attribute title on CN=a specified more than once",
            expect![
                "constraint-violation title: the server refused: result 20 (attribute or value exists): 0000200D: SINGLE-VALUE attribute title on CN=a specified more than once"
            ],
        );
    }
}
