//! Why one object is refused (D.1, D.4, D.5), by the names that operators of synchronisation know. The live numbers of
//! `ResultErrorCode` are not published, but for 114; the others are the rehearsal's own.

/// The refusal of one object; nothing of it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// As in `ErrorDetails`.
    pub(super) name: &'static str,
    /// As in `ResultErrorCode`.
    pub(super) number: u32,
    /// As in `ResultErrorDescription`.
    pub(super) text: String,
}

impl Refusal {
    fn new(name: &'static str, number: u32, text: impl Into<String>) -> Refusal {
        Refusal { name, number, text: text.into() }
    }

    pub(super) fn invalid_hard_match(why: &str) -> Refusal {
        Refusal::new("InvalidHardMatch", 101, format!("InvalidHardMatch: {why}"))
    }

    pub(super) fn invalid_soft_match(why: &str) -> Refusal {
        Refusal::new("InvalidSoftMatch", 102, format!("InvalidSoftMatch: {why}"))
    }

    pub(super) fn object_type_mismatch(attribute: &str, value: &str) -> Refusal {
        let text = format!(
            "ObjectTypeMismatch: an object of another type has the same value. [{attribute} {value};] Remove the value from \
             one of the two."
        );
        Refusal::new("ObjectTypeMismatch", 103, text)
    }

    pub(super) fn admin_role_conflict() -> Refusal {
        let text = "Existing Admin Role Conflict: the account in the tenant holds a directory role and is not matched.";
        Refusal::new("ExistingAdminRoleConflict", 104, text)
    }

    /// The text that names attribute and value in brackets (D.4).
    pub(super) fn must_be_unique(attribute: &str, value: &str) -> Refusal {
        let text = format!(
            "Unable to update this object because the following attributes associated with this object have values that \
             may already be associated with another object in your local directory services: [{attribute} {value};]. \
             Correct or remove the duplicate values in your local directory."
        );
        Refusal::new("AttributeValueMustBeUnique", 105, text)
    }

    pub(super) fn invalid_data(attribute: &str, why: &str) -> Refusal {
        let text = format!("IdentityDataValidationFailed: [{attribute}] {why}");
        Refusal::new("IdentityDataValidationFailed", 106, text)
    }

    pub(super) fn large_object(attribute: &str, count: usize, most: usize) -> Refusal {
        let text =
            format!("LargeObject: the object is too large: [{attribute}] has {count} values, at most {most} fit.");
        Refusal::new("LargeObject", 107, text)
    }

    pub(super) fn exceeded_length(attribute: &str, why: &str) -> Refusal {
        Refusal::new("ExceededAllowedLength", 108, format!("ExceededAllowedLength: [{attribute}] {why}"))
    }

    pub(super) fn quota() -> Refusal {
        let text = "Directory_QuotaExceeded: the directory object quota limit for the tenant has been exceeded.";
        Refusal::new("Directory_QuotaExceeded", 109, text)
    }

    pub(super) fn cloud_only_delete() -> Refusal {
        Refusal::new("DeletingCloudOnlyObjectNotAllowed", 110, "Deleting a cloud-only object isn't supported.")
    }

    /// Error 114, the one number that is known (D.5).
    pub(super) fn delete_not_valid() -> Refusal {
        let text = "Error 114: this synchronization operation, Delete, is not valid.";
        Refusal::new("DeleteNotValid", 114, text)
    }

    pub(super) fn unsupported(what: &str) -> Refusal {
        Refusal::new("NotSupported", 111, format!("NotSupported: {what}"))
    }

    pub(super) fn bad_reference(text: String) -> Refusal {
        Refusal::new("dn-attributes-failure", 112, format!("dn-attributes-failure: {text}"))
    }
}
