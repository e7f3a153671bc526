//! What an error reply of Microsoft Graph means: for a step (a connector error with what to do next) and for one exported
//! object (an engine error name). Decides by `error.code` and `details[].code`, never by a message's text (A.2).

use connector_contract::{ConnectorError, ErrorKind, ExportProblem};
use metaverse_schema::AttributeName;
use serde_json::Value;

/// Longest message of the service that is passed on, in characters.
const MESSAGE_LENGTH: usize = 400;

/// An error body, as far as it is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GraphError {
    pub(crate) code: String,
    pub(crate) message: String,
    /// `details[]`: code and target.
    pub(crate) details: Vec<(String, Option<String>)>,
    /// For the operator's support case.
    pub(crate) request_id: Option<String>,
}

impl GraphError {
    /// Reads `{"error": {...}}`; anything else gives an error without code.
    pub(crate) fn read(body: Option<&Value>) -> GraphError {
        let Some(error) = body.and_then(|body| body.get("error")) else {
            return GraphError::default();
        };
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let details = error.get("details").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        // Graph replies say `innerError`, the OData text says `innererror` (A.2).
        let inner = error.get("innerError").or_else(|| error.get("innererror"));
        GraphError {
            code: text(error, "code").unwrap_or_default(),
            message: shortened(&text(error, "message").unwrap_or_default()),
            details: details
                .iter()
                .map(|detail| (text(detail, "code").unwrap_or_default(), text(detail, "target")))
                .collect(),
            request_id: inner.and_then(|inner| text(inner, "request-id")),
        }
    }

    pub(crate) fn is(&self, code: &str) -> bool {
        self.code.eq_ignore_ascii_case(code)
    }

    /// The delta token or its state is gone (A.6).
    pub(crate) fn wants_resync(&self, status: u16) -> bool {
        status == 410 || self.is("resyncRequired") || self.is("syncStateNotFound") || self.is("syncStateInvalid")
    }

    /// A value is used by another object; its attribute where the service names it.
    pub(crate) fn conflict(&self) -> Option<Option<&str>> {
        let detail = self.details.iter().find(|(code, _)| code.eq_ignore_ascii_case("ObjectConflict"));
        match detail {
            Some((_, target)) => Some(target.as_deref()),
            None if self.is("Request_MultipleObjectsWithSameKeyValue") || self.is("ObjectConflict") => {
                Some(self.target())
            }
            None => None,
        }
    }

    fn target(&self) -> Option<&str> {
        self.details.iter().find_map(|(_, target)| target.as_deref())
    }

    /// For people: status, code, message, request id.
    pub(crate) fn told(&self, status: u16) -> String {
        let code = if self.code.is_empty() { "no error code" } else { &self.code };
        let request = self.request_id.as_ref().map(|id| format!(" (request {id})")).unwrap_or_default();
        let message = if self.message.is_empty() { String::new() } else { format!(": {}", self.message) };
        format!("HTTP {status} {code}{message}{request}")
    }

    /// The error that ends a step. `right` is the application permission that the request needs.
    pub(crate) fn ends_step(&self, status: u16, attempted: &str, right: &str) -> ConnectorError {
        let (kind, remedy) = match status {
            _ if self.wants_resync(status) => (ErrorKind::FullImportRequired, "run a full import".to_owned()),
            401 => (
                ErrorKind::Credential,
                "check that the token service and the Graph URL belong to the same cloud and tenant".to_owned(),
            ),
            403 => (ErrorKind::Permission, format!("grant the application permission {right} and give admin consent")),
            400 if self.is("Directory_ExpiredPageToken") => {
                (ErrorKind::Connection, "run the import again: the page link grew too old".to_owned())
            }
            500.. => (ErrorKind::Connection, "try again later".to_owned()),
            _ => (ErrorKind::Protocol, String::new()),
        };
        ConnectorError::new(kind, attempted, self.told(status), remedy)
    }

    /// What a refusal of one object's write means, in the engine's error names (R74, M18). `attempted` says which write.
    pub(crate) fn refuses_object(&self, status: u16, attempted: &str) -> ExportProblem {
        let told = format!("{attempted}: {}", self.told(status));
        if let Some(target) = self.conflict() {
            let remedy =
                "another object has this value: find it by `metasync search`, and change or match one of the two";
            return problem("AttributeValueMustBeUnique", target, told, remedy, false);
        }
        let target = self.target();
        if self.is("Directory_QuotaExceeded") {
            // Reported with 400 and, by some, with 403 (A.2).
            let remedy =
                "remove objects from the tenant and its recycle bin, verify a domain, or ask for a higher quota";
            return problem("quota-exceeded", target, told, remedy, false);
        }
        match status {
            401 | 403 => {
                let remedy =
                    "grant the application the permission for this write; administrators' accounts need a higher role";
                problem("permission-issue", target, told, remedy, false)
            }
            404 => {
                let remedy = "the next import tells whether the object is gone";
                problem("cd-missing-object", target, told, remedy, true)
            }
            409 | 412 | 423 => problem("locking-error-needs-retry", target, told, "it is sent again by itself", true),
            413 => problem("ExceededAllowedLength", target, told, "shorten the value", false),
            _ => {
                let remedy = "compare the value with the limits of the attribute in Microsoft Graph";
                problem("constraint-violation", target, told, remedy, false)
            }
        }
    }
}

/// A problem of one exported object.
pub(crate) fn problem(
    code: &str,
    attribute: Option<&str>,
    message: impl Into<String>,
    remedy: impl Into<String>,
    retry: bool,
) -> ExportProblem {
    ExportProblem {
        code: code.to_owned(),
        attribute: attribute.map(AttributeName::new),
        message: message.into(),
        remedy: remedy.into(),
        retry,
    }
}

/// A message cut at a character, control characters (line breaks of the service) made spaces. A password hash that a service
/// repeats of its request ends the message.
pub(crate) fn shortened(message: &str) -> String {
    let message = match message.to_ascii_uppercase().find("PPH1_MD4") {
        Some(place) => &format!("{}[a password hash, and what followed it]", &message[..place]),
        None => message,
    };
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    let mut text: String = message.chars().take(MESSAGE_LENGTH).map(plain).collect();
    if message.chars().nth(MESSAGE_LENGTH).is_some() {
        text.push('…');
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(body: Value) -> GraphError {
        GraphError::read(Some(&body))
    }

    /// What a service says of a request may repeat it: a password hash in it is not passed on, whatever its case.
    #[test]
    fn a_message_ends_before_a_password_hash() {
        let told = shortened("The value 'v1;pph1_md4,0001,1000,beef;' is too long.\nTry again.");
        assert_eq!(told, "The value 'v1;[a password hash, and what followed it]");
        assert_eq!(shortened("Ünknown\r\nanchor "), "Ünknown  anchor");
    }

    /// A.2: codes decide; the same text with another code means something else.
    #[test]
    fn a_conflict_is_known_by_its_code_and_names_its_attribute() {
        let conflict =
            error(json!({"error": {"code": "Request_BadRequest", "message": "Another object with the same value",
            "innererror": {"request-id": "r-1"},
            "details": [{"code": "ObjectConflict", "target": "userPrincipalName"}, {"code": "ConflictingObjects"}]}}));
        let problem = conflict.refuses_object(400, "creating ann@contoso.com");
        assert_eq!(problem.code, "AttributeValueMustBeUnique");
        assert_eq!(problem.attribute, Some("userPrincipalName".into()));
        assert!(problem.message.contains("request r-1"), "{}", problem.message);
        let older = error(json!({"error": {"code": "Request_MultipleObjectsWithSameKeyValue", "message": ""}}));
        assert_eq!(older.refuses_object(400, "x").code, "AttributeValueMustBeUnique");
        let other =
            error(json!({"error": {"code": "Request_BadRequest", "message": "Another object with the same value"}}));
        assert_eq!(other.refuses_object(400, "x").code, "constraint-violation");
    }

    #[test]
    fn refusals_of_objects_and_ends_of_steps() {
        let code = |status, code: &str| error(json!({"error": {"code": code}})).refuses_object(status, "x").code;
        assert_eq!(code(403, "Authorization_RequestDenied"), "permission-issue");
        assert_eq!(code(404, "Request_ResourceNotFound"), "cd-missing-object");
        assert_eq!(code(400, "Directory_QuotaExceeded"), "quota-exceeded");
        assert_eq!(code(403, "Directory_QuotaExceeded"), "quota-exceeded");
        let kind = |status, code: &str| error(json!({"error": {"code": code}})).ends_step(status, "x", "R").kind;
        assert_eq!(kind(410, "resyncRequired"), ErrorKind::FullImportRequired);
        assert_eq!(kind(400, "syncStateNotFound"), ErrorKind::FullImportRequired);
        assert_eq!(kind(403, "Authorization_RequestDenied"), ErrorKind::Permission);
        assert_eq!(kind(400, "Directory_ExpiredPageToken"), ErrorKind::Connection);
        assert_eq!(kind(400, "Request_UnsupportedQuery"), ErrorKind::Protocol);
        assert_eq!(kind(503, ""), ErrorKind::Connection);
    }

    #[test]
    fn a_body_that_is_no_error_still_tells_its_status() {
        assert_eq!(GraphError::read(None).told(502), "HTTP 502 no error code");
        assert_eq!(GraphError::read(Some(&json!([1, 2]))), GraphError::default());
    }
}
