//! Graph's refusals: status, code, message, details and headers, and the JSON body they make (A.2). Decides nothing
//! about when to refuse.

use serde_json::{Map, Value, json};

/// One entry of `error.details`, present on uniqueness conflicts.
#[derive(Clone, Debug)]
pub(crate) struct ErrorDetail {
    pub(crate) code: &'static str,
    pub(crate) message: Option<String>,
    pub(crate) target: Option<String>,
}

/// A refusal, ready to be rendered with the request ids of the call.
#[derive(Clone, Debug)]
pub(crate) struct GraphError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) details: Vec<ErrorDetail>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

pub(crate) type GraphResult<T> = Result<T, GraphError>;

impl GraphError {
    pub(crate) fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> GraphError {
        GraphError { status, code: code.into(), message: message.into(), details: Vec::new(), headers: Vec::new() }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> GraphError {
        self.headers.push((name, value.into()));
        self
    }

    /// 400 `Request_BadRequest`: validation, read-only properties, mastered properties.
    pub(crate) fn bad_request(message: impl Into<String>) -> GraphError {
        GraphError::new(400, "Request_BadRequest", message)
    }

    /// 400 `BadRequest`: the request could not be parsed as OData at all (unknown segment, broken JSON).
    pub(crate) fn malformed(message: impl Into<String>) -> GraphError {
        GraphError::new(400, "BadRequest", message)
    }

    pub(crate) fn unsupported_query(message: impl Into<String>) -> GraphError {
        GraphError::new(400, "Request_UnsupportedQuery", message)
    }

    pub(crate) fn expired_page_token() -> GraphError {
        GraphError::new(
            400,
            "Directory_ExpiredPageToken",
            "The specified page token value has expired and cannot be included in your request.",
        )
    }

    pub(crate) fn missing_value(property: &str, resource: &str) -> GraphError {
        GraphError::bad_request(format!("A value is required for property '{property}' of resource '{resource}'."))
    }

    pub(crate) fn invalid_value(property: &str, resource: &str, why: &str) -> GraphError {
        GraphError::bad_request(format!(
            "Invalid value specified for property '{property}' of resource '{resource}'. {why}"
        ))
    }

    pub(crate) fn read_only(property: &str) -> GraphError {
        GraphError::bad_request(format!("Property '{property}' is read-only and cannot be set."))
    }

    /// Refusal of a write to an object whose source of authority is on premises (A.3).
    pub(crate) fn mastered_on_premises() -> GraphError {
        GraphError::bad_request(
            "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects \
             currently undergoing migration.",
        )
    }

    /// Uniqueness conflict: `ObjectConflict` on the property, then `ConflictingObjects` naming who holds the value.
    pub(crate) fn conflict(property: &str, holder: Option<String>) -> GraphError {
        let message = format!("Another object with the same value for property {property} already exists.");
        let mut error = GraphError::bad_request(message.clone());
        error.details.push(ErrorDetail {
            code: "ObjectConflict",
            message: Some(message),
            target: Some(property.to_owned()),
        });
        if let Some(holder) = holder {
            error.details.push(ErrorDetail { code: "ConflictingObjects", message: None, target: Some(holder) });
        }
        error
    }

    pub(crate) fn unauthenticated(message: impl Into<String>) -> GraphError {
        GraphError::new(401, "InvalidAuthenticationToken", message)
            .with_header("www-authenticate", "Bearer realm=\"\", authorization_uri=\"\"")
    }

    pub(crate) fn denied() -> GraphError {
        GraphError::new(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
    }

    pub(crate) fn not_found(key: &str) -> GraphError {
        GraphError::new(
            404,
            "Request_ResourceNotFound",
            format!(
                "Resource '{key}' does not exist or one of its queried reference-property objects are not present."
            ),
        )
    }

    pub(crate) fn method_not_allowed() -> GraphError {
        GraphError::new(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
    }

    /// The body `{"error": {...}}` with the request ids and the tenant's time.
    pub(crate) fn body(&self, time: &str, request_id: &str, client_request_id: &str) -> Value {
        let mut error = Map::new();
        error.insert("code".to_owned(), json!(self.code));
        error.insert("message".to_owned(), json!(self.message));
        if !self.details.is_empty() {
            let details = self.details.iter().map(ErrorDetail::body).collect();
            error.insert("details".to_owned(), Value::Array(details));
        }
        error.insert(
            "innerError".to_owned(),
            json!({ "date": time, "request-id": request_id, "client-request-id": client_request_id }),
        );
        json!({ "error": error })
    }
}

impl ErrorDetail {
    fn body(&self) -> Value {
        let mut detail = Map::new();
        detail.insert("code".to_owned(), json!(self.code));
        if let Some(message) = &self.message {
            detail.insert("message".to_owned(), json!(message));
        }
        if let Some(target) = &self.target {
            detail.insert("target".to_owned(), json!(target));
        }
        Value::Object(detail)
    }
}
