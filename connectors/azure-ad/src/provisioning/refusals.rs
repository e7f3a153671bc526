//! What the service's refusal of one object means, in the engine's error names (M18-M26), with what the operator can do. The
//! numbers of `ResultErrorCode` are not published, so the error's name decides, wherever the reply says it; a refusal
//! without a known name is passed on in the service's words. Never sends anything.

use super::object::SyncObject;
use super::replies::{CredentialResult, ObjectResult};
use crate::errors::{problem, shortened};
use connector_contract::ExportProblem;

/// One refusal that has a name.
struct Known {
    /// As the engine names it, and the first name that the service may use.
    code: &'static str,
    /// Other words by which the service says it, in lower case.
    signs: &'static [&'static str],
    /// What the service means by it.
    when: &'static str,
    remedy: &'static str,
    /// Worth sending again without a change.
    retry: bool,
}

/// In the order in which they are looked for: a text may name two.
const KNOWN: [Known; 14] = [
    Known {
        code: "InvalidSoftMatch",
        signs: &[],
        when: "a cloud object with the same address or sign-in name carries another immutable ID, or the tenant blocks matching",
        remedy: "the cloud object with this address or sign-in name already belongs to another directory object: clear \
                 its immutable ID when it should be taken over, or change the address on one side; where BlockSoftMatch \
                 is on, switch it off for the time of the takeover",
        retry: false,
    },
    Known {
        code: "InvalidHardMatch",
        signs: &[],
        when: "a cloud object with the same immutable ID may not be taken over",
        remedy: "the tenant does not let a cloud object be taken over by its immutable ID: switch \
                 BlockCloudObjectTakeoverThroughHardMatch off for the time of the takeover; an account with an \
                 administrator's role must lose the role first",
        retry: false,
    },
    Known {
        code: "ObjectTypeMismatch",
        signs: &[],
        when: "the address belongs to an object of another type",
        remedy: "an object of another type (user, group, contact) has this address in the tenant: find it by `metasync \
                 search` with the address, and remove the address there, or here",
        retry: false,
    },
    Known {
        code: "ExistingAdminRoleConflict",
        signs: &["admin role conflict", "adminroleconflict"],
        when: "the cloud account holds an administrator's role",
        remedy: "the account in the tenant holds an administrator's role and is never taken over: remove the role, \
                 synchronise, and give it back",
        retry: false,
    },
    Known {
        code: "AttributeValueMustBeUnique",
        signs: &["conflict on", "must be unique"],
        when: "the value is used by another object",
        remedy: "another object of the tenant has the value that stands in the brackets: `metasync search` in the tenant's \
                 connector space shows it (a group, a contact or a deleted user counts too); take the value from one of \
                 the two, or match them",
        retry: false,
    },
    Known {
        code: "FederatedDomainChangeError",
        signs: &["federateduser.userprincipalname"],
        when: "the sign-in name moves between two federated domains",
        remedy: "the sign-in name moves from one federated domain to another: move it to the onmicrosoft.com domain \
                 first, synchronise, and then to the new one",
        retry: false,
    },
    Known {
        code: "IdentityDataValidationFailed",
        signs: &["datavalidationfailed"],
        when: "a value has characters or a form that the service does not take",
        remedy: "correct the value in the directory: a sign-in name has letters without accents, digits and ' . - _ ! # ^ ~, \
                 no spaces, at most 64 characters before the @ and 113 in all, and a domain that the tenant has verified",
        retry: false,
    },
    Known {
        code: "LargeObject",
        signs: &["object is too large"],
        when: "the object is larger than the service takes",
        remedy: "the object is larger than the service takes: at most 15 certificates and about 300 addresses; remove \
                 old ones in the directory",
        retry: false,
    },
    Known {
        code: "ExceededAllowedLength",
        signs: &["exceeds the maximum", "exceeds the allowed"],
        when: "a value is longer than the service takes",
        remedy: "shorten the value in the directory; the service's words name the attribute",
        retry: false,
    },
    Known {
        code: "quota-exceeded",
        signs: &["quotaexceeded", "quota exceeded", "exceeded the quota"],
        when: "the tenant holds as many objects as it may",
        remedy: "remove objects from the tenant and its recycle bin, verify a domain, or ask for a higher quota",
        retry: false,
    },
    Known {
        code: "dn-attributes-failure",
        signs: &["reference to an object", "referenced object"],
        when: "a member or manager is not in the tenant",
        remedy: "an object that this one refers to is not in the tenant yet, or was refused: it is sent again when that \
                 one is there",
        retry: true,
    },
    Known {
        code: "DeletingCloudOnlyObjectNotAllowed",
        signs: &["cloud-only object", "cloud only object"],
        when: "the object of the tenant is not, or no longer, a synchronised one",
        remedy: "it is a cloud object now: delete it in the tenant itself, or bring it back into scope, so that it is taken \
                 over again and can be deleted from here",
        retry: false,
    },
    Known {
        code: "cd-missing-object",
        signs: &["delete, is not valid", "delete is not valid", "deletenotvalid", "0x8023134a"],
        when: "the service knows no synchronised object of this anchor",
        remedy: "the object is no longer synchronised, or gone from the tenant, and the next import tells which; where it \
                 says so of everything, synchronisation is switched off: `metasync tenant-sync status`",
        retry: true,
    },
    Known {
        code: "locking-error-needs-retry",
        signs: &["try again", "temporarily", "server busy", "serverbusy", "concurrencyviolation", "timed out"],
        when: "the service could not do it at this moment",
        remedy: "it is sent again by itself",
        retry: true,
    },
];

/// The number of "delete is not valid", the only one that is known (M25).
const DELETE_NOT_VALID: &str = "114";

impl ObjectResult {
    /// Whether the service says that there is nothing to delete: after a delete that may have arrived, that is success.
    pub(super) fn says_nothing_to_delete(&self) -> bool {
        self.failed && known(self).is_some_and(|known| known.code == "cd-missing-object")
    }
}

/// The problem of one refused object.
pub(super) fn object_problem(object: &SyncObject, result: &ObjectResult) -> ExportProblem {
    let anchor = object.source_anchor().or_else(|| object.text(super::object::CLOUD_ANCHOR)).unwrap_or_default();
    let verb = match object.operation {
        super::object::SyncOperation::Delete => "deleting",
        _ => "writing",
    };
    let told = told(result);
    let attempted = format!("{verb} the {} {anchor}", object.kind.name().to_ascii_lowercase());
    let attribute = conflicting_attribute(&told);
    match known(result) {
        Some(Known { code, when, remedy, retry, .. }) => {
            problem(code, attribute.as_deref(), format!("{attempted}: {when} ({told})"), *remedy, *retry)
        }
        None => {
            let remedy = "the service gives no name that is known; compare the object with its limits";
            problem("constraint-violation", attribute.as_deref(), format!("{attempted}: {told}"), remedy, false)
        }
    }
}

/// A refused password hash, in words.
pub(super) fn credential_message(result: &CredentialResult) -> String {
    match &result.message {
        Some(message) => format!("result {}: {}", result.result, shortened(message)),
        None => format!("result {}", result.result),
    }
}

/// Details, number and description, as far as there are any.
fn told(result: &ObjectResult) -> String {
    let code = result.code.as_ref().map(|code| format!("error {code}"));
    let parts = [result.details.as_ref().map(|text| shortened(text)), code];
    let description = result.description.as_ref().map(|text| shortened(text));
    let parts: Vec<String> = parts.into_iter().chain([description]).flatten().collect();
    if parts.is_empty() { "refused without a reason".to_owned() } else { parts.join(": ") }
}

fn known(result: &ObjectResult) -> Option<&'static Known> {
    // The details are a name where the service gives one; the description may tell of other objects' errors too.
    let texts = [&result.details, &result.code, &result.description];
    let texts = texts.into_iter().flatten().map(|text| text.to_ascii_lowercase());
    for text in texts {
        if text == DELETE_NOT_VALID || text == format!("error {DELETE_NOT_VALID}") {
            return KNOWN.iter().find(|known| known.code == "cd-missing-object");
        }
        let says = |known: &&Known| {
            text.contains(&known.code.to_ascii_lowercase()) || known.signs.iter().any(|sign| text.contains(sign))
        };
        if let Some(known) = KNOWN.iter().find(says) {
            return Some(known);
        }
    }
    None
}

/// The attribute in `[ProxyAddresses SMTP:x@y;]` (D.4), as the schema spells it.
fn conflicting_attribute(text: &str) -> Option<String> {
    let inside = text.split_once('[')?.1.split_once(']')?.0.trim();
    let name = inside.split_whitespace().next()?;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric()) && name.len() <= 64;
    let mut letters = name.chars();
    let first = letters.next().filter(char::is_ascii_alphabetic)?;
    plain.then(|| first.to_ascii_lowercase().to_string() + letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provisioning::object::SyncKind;
    use expect_test::{Expect, expect};

    fn result(details: &str, code: &str, description: &str) -> ObjectResult {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        ObjectResult {
            failed: true,
            details: some(details),
            code: some(code),
            description: some(description),
            ..ObjectResult::default()
        }
    }

    /// M18-M26 and D.5: each name, as the service or a support article says it.
    #[test]
    fn refusals_have_the_engines_names() {
        for (details, code, description, expected) in [
            ("InvalidSoftMatch", "", "", "InvalidSoftMatch"),
            ("", "", "Error InvalidHardMatch: takeover blocked", "InvalidHardMatch"),
            ("ObjectTypeMismatch", "9", "text", "ObjectTypeMismatch"),
            ("", "", "Existing Admin Role Conflict", "ExistingAdminRoleConflict"),
            ("AttributeValueMustBeUnique", "", "", "AttributeValueMustBeUnique"),
            ("", "", "conflict on ProxyAddresses", "AttributeValueMustBeUnique"),
            ("IdentityDataValidationFailed", "", "", "IdentityDataValidationFailed"),
            ("DataValidationFailed", "", "", "IdentityDataValidationFailed"),
            ("FederatedDomainChangeError", "", "", "FederatedDomainChangeError"),
            ("LargeObject", "", "", "LargeObject"),
            ("ExceededAllowedLength", "", "", "ExceededAllowedLength"),
            ("Directory_QuotaExceeded", "", "", "quota-exceeded"),
            ("", "", "dn-attributes-failure", "dn-attributes-failure"),
            ("", "114", "this synchronization operation, Delete, is not valid", "cd-missing-object"),
            ("", "114", "", "cd-missing-object"),
            ("", "1140", "", "constraint-violation"),
            ("", "", "Deleting a cloud-only object isn't supported", "DeletingCloudOnlyObjectNotAllowed"),
            ("DeleteNotValid", "", "", "cd-missing-object"),
            ("", "7", "Something else", "constraint-violation"),
            ("", "7", "The service is temporarily unavailable.", "locking-error-needs-retry"),
            ("LargeObject", "7", "Reduce it and try again.", "LargeObject"),
            // The name in the details wins over what the description tells besides.
            ("ObjectTypeMismatch", "", "see also AttributeValueMustBeUnique", "ObjectTypeMismatch"),
        ] {
            let object = SyncObject::set(SyncKind::User, "AAEC");
            let problem = object_problem(&object, &result(details, code, description));
            assert_eq!(problem.code, expected, "{details} {code} {description}");
            assert!(!problem.remedy.is_empty() && !problem.message.is_empty());
            let again = ["dn-attributes-failure", "cd-missing-object", "locking-error-needs-retry"].contains(&expected);
            assert_eq!(problem.retry, again, "{expected}");
        }
    }

    #[track_caller]
    fn check(object: &SyncObject, result: &ObjectResult, expected: Expect) {
        let problem = object_problem(object, result);
        let attribute = problem.attribute.as_ref().map(ToString::to_string).unwrap_or_default();
        expected.assert_eq(&format!("{} {attribute}| {}", problem.code, problem.message));
    }

    #[test]
    fn a_problem_tells_what_was_attempted_and_which_attribute_it_is_about() {
        let user = SyncObject::set(SyncKind::User, "AAEC");
        check(
            &user,
            &result("AttributeValueMustBeUnique", "55", "Update refused [ProxyAddresses SMTP:x@y;].\r\nTracking ID: 1"),
            expect![[
                r#"AttributeValueMustBeUnique proxyAddresses| writing the user AAEC: the value is used by another object (AttributeValueMustBeUnique: error 55: Update refused [ProxyAddresses SMTP:x@y;].  Tracking ID: 1)"#
            ]],
        );
        check(
            &SyncObject::delete(SyncKind::Contact, "AAEC"),
            &result("", "", ""),
            expect!["constraint-violation | deleting the contact AAEC: refused without a reason"],
        );
        assert_eq!(conflicting_attribute("[<script> x]"), None);
        assert_eq!(conflicting_attribute("[] ["), None);
    }

    /// Each name stands in the operator guide with its meaning and remedy.
    #[test]
    fn the_operator_guide_lists_every_refusal() {
        let guide = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operator-guide.md"));
        for known in &KNOWN {
            let line = format!("| `{}` | {} | {} |", known.code, known.when, known.remedy);
            assert!(guide.contains(&line), "docs/operator-guide.md lacks this line:\n{line}");
        }
    }

    #[test]
    fn nothing_to_delete_is_told_from_other_refusals() {
        assert!(result("", "114", "").says_nothing_to_delete());
        // It is there, and stays.
        assert!(!result("DeletingCloudOnlyObjectNotAllowed", "", "").says_nothing_to_delete());
        assert!(!result("InvalidSoftMatch", "", "").says_nothing_to_delete());
        assert!(!ObjectResult { failed: false, ..result("", "114", "") }.says_nothing_to_delete());
    }
}
