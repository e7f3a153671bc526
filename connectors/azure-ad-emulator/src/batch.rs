//! `$batch` (A.7): reads and checks the envelope, orders the items by their dependencies. Running an item is the core's
//! business, the same as for a request on the wire.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use crate::call::{Body, Call, Headers, Method, Reply, ReplyBody};
use crate::errors::{GraphError, GraphResult};

/// Most requests in one batch.
const MOST_ITEMS: usize = 20;

/// One request of a batch.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) call: Call,
    depends_on: Vec<String>,
}

/// Reads the envelope: 400 for the whole if it is malformed. Items come in an order in which each stands behind those
/// it depends on.
pub(crate) fn read_envelope(call: &Call) -> GraphResult<Vec<Item>> {
    let Some(requests) = call.json_object()?.get("requests").and_then(Value::as_array) else {
        return Err(GraphError::malformed("Invalid batch payload format."));
    };
    if requests.is_empty() || requests.len() > MOST_ITEMS {
        return Err(GraphError::malformed(format!(
            "Number of batch request steps must be between 1 and {MOST_ITEMS}; the request has {}.",
            requests.len()
        )));
    }
    let items: Vec<Item> = requests.iter().map(read_item).collect::<GraphResult<_>>()?;
    let mut known = HashSet::new();
    if let Some(double) = items.iter().find(|item| !known.insert(item.id.to_lowercase())) {
        return Err(GraphError::malformed(format!("Duplicate request id found: {}.", double.id)));
    }
    in_order(items)
}

fn read_item(request: &Value) -> GraphResult<Item> {
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let id = text("id")
        .filter(|id| !id.is_empty())
        .ok_or_else(|| GraphError::malformed("A request of the batch has no id."))?;
    let method = text("method").and_then(Method::parse);
    let method =
        method.ok_or_else(|| GraphError::malformed(format!("Request id {id}: the method is missing or unknown.")))?;
    let url = text("url").filter(|url| !url.is_empty() && !url.contains("://"));
    let url =
        url.ok_or_else(|| GraphError::malformed(format!("Request id {id}: the url is missing or not relative.")))?;
    let target = format!("/{}", url.trim_start_matches('/'));
    if target.starts_with("/$batch") {
        return Err(GraphError::malformed(format!("Request id {id}: a batch cannot hold a batch.")));
    }
    let headers = request.get("headers").and_then(Value::as_object).into_iter().flatten();
    let headers: Vec<(String, String)> =
        headers.filter_map(|(name, value)| Some((name.to_lowercase(), value.as_str()?.to_owned()))).collect();
    let body = match request.get("body") {
        None | Some(Value::Null) => Body::Empty,
        Some(_) if !headers.iter().any(|(name, _)| name == "content-type") => {
            return Err(GraphError::malformed(format!(
                "Write request id : {id} does not contain Content-Type header or body."
            )));
        }
        Some(body) => Body::Json(body.clone()),
    };
    let depends_on = request.get("dependsOn").and_then(Value::as_array).into_iter().flatten();
    let depends_on = depends_on.filter_map(Value::as_str).map(str::to_lowercase).collect();
    Ok(Item { id: id.to_owned(), call: Call { method, target, headers: Headers(headers), body }, depends_on })
}

/// Sorts by dependency, keeping the order of the request otherwise.
fn in_order(items: Vec<Item>) -> GraphResult<Vec<Item>> {
    let ids: HashSet<String> = items.iter().map(|item| item.id.to_lowercase()).collect();
    if let Some(item) = items.iter().find(|item| item.depends_on.iter().any(|parent| !ids.contains(parent))) {
        return Err(GraphError::malformed(format!("Request id {}: dependsOn names an unknown request.", item.id)));
    }
    let mut waiting = items;
    let mut ordered: Vec<Item> = Vec::new();
    let mut done: HashSet<String> = HashSet::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|item| item.depends_on.iter().all(|parent| done.contains(parent)));
        let Some(ready) = ready else {
            return Err(GraphError::malformed("The dependsOn of the requests form a circle."));
        };
        let item = waiting.remove(ready);
        done.insert(item.id.to_lowercase());
        ordered.push(item);
    }
    Ok(ordered)
}

/// Statuses of the items that have run.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    statuses: HashMap<String, u16>,
}

impl Outcomes {
    pub(crate) fn note(&mut self, item: &Item, status: u16) {
        self.statuses.insert(item.id.to_lowercase(), status);
    }

    /// Whether something the item depends on has failed.
    pub(crate) fn parent_failed(&self, item: &Item) -> bool {
        item.depends_on.iter().any(|parent| self.statuses.get(parent).is_none_or(|status| *status >= 400))
    }
}

/// One entry of `responses`.
pub(crate) fn response(id: &str, reply: &Reply) -> Value {
    let mut headers = Map::new();
    for (name, value) in &reply.headers {
        let name = match *name {
            "retry-after" => "Retry-After",
            "location" => "Location",
            other => other,
        };
        headers.insert(name.to_owned(), json!(value));
    }
    let mut response = Map::new();
    response.insert("id".to_owned(), json!(id));
    response.insert("status".to_owned(), json!(reply.status));
    match &reply.body {
        ReplyBody::Empty | ReplyBody::Bytes { .. } => {
            response.insert("headers".to_owned(), Value::Object(headers));
        }
        ReplyBody::Json(body) => {
            headers.insert("Content-Type".to_owned(), json!("application/json"));
            response.insert("headers".to_owned(), Value::Object(headers));
            response.insert("body".to_owned(), body.clone());
        }
        ReplyBody::Text(text) => {
            headers.insert("Content-Type".to_owned(), json!("text/plain"));
            response.insert("headers".to_owned(), Value::Object(headers));
            response.insert("body".to_owned(), json!(text));
        }
    }
    Value::Object(response)
}

/// Brings the responses into another order than the requests, reproducibly.
pub(crate) fn shuffle(responses: &mut [Value], number: u64) {
    let others = responses.len().saturating_sub(1);
    if others > 0 {
        let turn = usize::try_from(number).unwrap_or(0) % others;
        responses.rotate_left(1 + turn);
    }
}
