//! Sends many requests as `$batch` (A.7) and settles each of them: throttled items wait and go again alone, broken
//! ones are sent again where that is safe, and a create that may have arrived is never sent a second time unseen.

use crate::client::{GraphClient, Reply};
use crate::errors::GraphError;
use crate::pace::{Told, WARNING};
use crate::password::Password;
use crate::throttle::{Patience, retry_after};
use bytes::Bytes;
use reqwest::Method;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

/// Most requests in one `$batch` (A.7).
pub(crate) const BATCH: usize = 20;

/// Whether a request may be sent again when it is not known whether it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replay {
    /// Reads, updates, deletions, reference changes, upserts: a second time changes nothing.
    Safe,
    /// `POST /users`: the engine looks the object up first.
    Create,
}

/// Which answers mean "not there yet" for an object that was just made (A.2, H).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fresh {
    No,
    /// 404 is waited out.
    Missing,
    /// 404 and 400 are waited out: references right after a group's create.
    MissingOrRefused,
}

/// One request of a batch.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// A path of `urls`.
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Option<Body>,
    pub(crate) replay: Replay,
    pub(crate) fresh: Fresh,
}

/// A JSON object, and a password that joins it only on the wire.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) json: serde_json::Map<String, Value>,
    pub(crate) password: Option<Password>,
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.json {
            map.serialize_entry(name, value)?;
        }
        if let Some(password) = &self.password {
            map.serialize_entry("passwordProfile", &password.profile())?;
        }
        map.end()
    }
}

impl Call {
    pub(crate) fn get(path: String) -> Call {
        Call::new(Method::GET, path, None)
    }

    pub(crate) fn delete(path: String) -> Call {
        Call::new(Method::DELETE, path, None)
    }

    pub(crate) fn patch(path: String, json: serde_json::Map<String, Value>) -> Call {
        Call::new(Method::PATCH, path, Some(json))
    }

    pub(crate) fn post(path: String, json: serde_json::Map<String, Value>) -> Call {
        Call::new(Method::POST, path, Some(json))
    }

    /// A POST that has no body (SF4).
    pub(crate) fn action(path: String) -> Call {
        Call::new(Method::POST, path, None)
    }

    pub(crate) fn put(path: String, json: serde_json::Map<String, Value>) -> Call {
        Call::new(Method::PUT, path, Some(json))
    }

    fn new(method: Method, path: String, json: Option<serde_json::Map<String, Value>>) -> Call {
        let body = json.map(|json| Body { json, password: None });
        Call { method, path, headers: Vec::new(), body, replay: Replay::Safe, fresh: Fresh::No }
    }

    /// The object, or something it refers to, was made a moment ago.
    pub(crate) fn fresh(mut self, fresh: Fresh) -> Call {
        self.fresh = fresh;
        self
    }
}

/// What became of one request.
#[derive(Debug, Clone)]
pub(crate) enum Settled {
    Answered(Answer),
    /// Waiting or trying on was not possible within the settings.
    Unsettled {
        may_have_arrived: bool,
        message: String,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
    /// An earlier sending of this request may have been applied already.
    pub(crate) doubtful: bool,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(crate) fn error(&self) -> GraphError {
        GraphError::read(self.body.as_ref())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.body.as_ref().and_then(|body| body.get(name)).and_then(Value::as_str)
    }
}

/// The state of one request between rounds.
struct Progress {
    patience: Patience,
    doubtful: bool,
    renewed: bool,
    settled: Option<Settled>,
}

/// What a reply means for one request.
enum Verdict {
    Done(Settled),
    Again(Duration),
}

impl GraphClient {
    /// Sends all calls, 20 to a batch and as many batches at a time as there are connections. One result per call, in order.
    pub(crate) async fn send_all(&self, calls: &[Call]) -> Vec<Settled> {
        let fresh_state = |_: &Call| Progress {
            patience: Patience::new(self.settings()),
            doubtful: false,
            renewed: false,
            settled: None,
        };
        let mut states: Vec<Progress> = calls.iter().map(fresh_state).collect();
        loop {
            let open: Vec<usize> = (0..calls.len()).filter(|index| states[*index].settled.is_none()).collect();
            if open.is_empty() {
                break;
            }
            self.wait_at_gate(&open, &mut states).await;
            let pause = self.send_round(calls, &open, &mut states).await;
            tokio::time::sleep(pause).await;
        }
        let lost = || unsettled(true, "the request was not settled");
        states.into_iter().map(|state| state.settled.unwrap_or_else(lost)).collect()
    }

    /// Waits while the service throttles; settles everything when that would take too long.
    async fn wait_at_gate(&self, open: &[usize], states: &mut [Progress]) {
        let Some(wait) = self.gate().remaining() else { return };
        if wait <= self.settings().max_wait {
            tokio::time::sleep(wait).await;
            return;
        }
        for index in open {
            let state = &mut states[*index];
            state.settled = Some(unsettled(state.doubtful, &too_long(wait)));
        }
    }

    /// Sends every open call once; the pause before the next round.
    async fn send_round(&self, calls: &[Call], open: &[usize], states: &mut [Progress]) -> Duration {
        let still_open: Vec<usize> = open.iter().copied().filter(|index| states[*index].settled.is_none()).collect();
        let mut batches = JoinSet::new();
        for chunk in still_open.chunks(BATCH) {
            let chunk = chunk.to_vec();
            match envelope(calls, &chunk) {
                Ok(payload) => {
                    let client = self.clone();
                    let writes: BTreeSet<usize> =
                        chunk.iter().copied().filter(|index| calls[*index].method != Method::GET).collect();
                    batches.spawn(async move {
                        // Nobody closes it; should that change, batches would only be paced less well.
                        let _turn = client.turns().acquire().await;
                        let (pace, unit_pace, now) = (client.pace(), client.unit_pace(), Instant::now());
                        tokio::time::sleep(pace.take(writes.len(), now).max(unit_pace.take(chunk.len(), now))).await;
                        let (sent, unit_sent) = (pace.sent(Instant::now()), unit_pace.sent(Instant::now()));
                        let result = client.send_batch(payload).await.map(Replies::read);
                        // A write tells of the fuller of both buckets, a read of the units alone.
                        let told = |of: &dyn Fn(usize) -> bool| {
                            result.as_ref().map_or(Told::default(), |replies| replies.told(of))
                        };
                        let (of_writes, of_all) = (told(&|index| writes.contains(&index)), told(&|_| true));
                        pace.answered(writes.len(), sent, of_writes, Instant::now());
                        unit_pace.answered(chunk.len(), unit_sent, of_all, Instant::now());
                        (chunk, result)
                    });
                }
                Err(problem) => {
                    chunk.iter().for_each(|index| states[*index].settled = Some(unsettled(false, &problem)))
                }
            }
        }
        let mut pause = Duration::ZERO;
        while let Some(joined) = batches.join_next().await {
            // A batch whose task died leaves its calls open; they are settled as lost below.
            let Ok((chunk, result)) = joined else { continue };
            let mut replies = match result {
                Ok(replies) => {
                    replies.throttled_for.into_iter().for_each(|wait| self.gate().close_for(wait));
                    replies
                }
                Err(broken) => {
                    for index in &chunk {
                        let verdict = judge_broken(
                            &calls[*index],
                            &mut states[*index],
                            &broken.error.to_string(),
                            broken.may_have_arrived,
                            broken.hopeless,
                        );
                        pause = pause.max(settle(&mut states[*index], verdict));
                    }
                    continue;
                }
            };
            for index in &chunk {
                let state = &mut states[*index];
                let verdict = match replies.take(*index) {
                    // The batch itself was refused: that says nothing about the objects in it. A 404 of a wrong URL must
                    // not read as "already deleted".
                    Some(item) if replies.outer.is_some() && item.status != 429 && item.status < 500 => {
                        let told = GraphError::read(item.body.as_ref()).told(item.status);
                        Verdict::Done(unsettled(state.doubtful, &format!("the batch was refused: {told}")))
                    }
                    Some(item) => {
                        if item.status == 401 && !state.renewed {
                            state.renewed = true;
                            self.tokens().drop_generation(replies.token_generation).await;
                            Verdict::Again(Duration::ZERO)
                        } else {
                            judge_item(&calls[*index], state, item)
                        }
                    }
                    None => judge_broken(&calls[*index], state, "the batch reply lacks this request", true, false),
                };
                pause = pause.max(settle(state, verdict));
            }
        }
        pause
    }

    async fn send_batch(&self, payload: Bytes) -> Result<Reply, crate::client::Broken> {
        let attempted = "sending a batch";
        let url = self
            .url("/$batch", attempted)
            .map_err(|error| crate::client::Broken::hopeless("unexpected-reply", error))?;
        self.exchange(Method::POST, &url, attempted, &[], Some(payload)).await
    }

    /// Many reads at once: the body of each, none for 404.
    pub(crate) async fn find_all(
        &self,
        paths: Vec<String>,
        attempted: &str,
        right: &str,
    ) -> Result<Vec<Option<Value>>, connector_contract::ConnectorError> {
        use connector_contract::{ConnectorError, ErrorKind};
        let calls: Vec<Call> = paths.into_iter().map(Call::get).collect();
        let found = self.send_all(&calls).await.into_iter().map(|settled| match settled {
            Settled::Answered(answer) if answer.is_success() && answer.body.is_some() => Ok(answer.body),
            Settled::Answered(answer) if answer.status == 404 => Ok(None),
            Settled::Answered(answer) => Err(answer.error().ends_step(answer.status, attempted, right)),
            Settled::Unsettled { message, .. } => {
                Err(ConnectorError::new(ErrorKind::Connection, attempted, message, "try again later"))
            }
        });
        found.collect()
    }
}

fn unsettled(may_have_arrived: bool, message: &str) -> Settled {
    Settled::Unsettled { may_have_arrived, message: message.to_owned() }
}

fn too_long(wait: Duration) -> String {
    format!("the service asks to wait {} s, more than the settings allow", wait.as_secs())
}

fn settle(state: &mut Progress, verdict: Verdict) -> Duration {
    match verdict {
        Verdict::Done(settled) => {
            state.settled = Some(settled);
            Duration::ZERO
        }
        Verdict::Again(pause) => pause,
    }
}

/// The exchange of the whole batch broke.
fn judge_broken(call: &Call, state: &mut Progress, message: &str, may_have_arrived: bool, hopeless: bool) -> Verdict {
    if may_have_arrived && call.replay == Replay::Create {
        return Verdict::Done(unsettled(true, message));
    }
    state.doubtful |= may_have_arrived;
    match state.patience.fault(None).filter(|_| !hopeless) {
        Some(pause) => Verdict::Again(pause),
        None => Verdict::Done(unsettled(state.doubtful, message)),
    }
}

fn judge_item(call: &Call, state: &mut Progress, item: Item) -> Verdict {
    let told = |item: &Item| GraphError::read(item.body.as_ref()).told(item.status);
    let waits_for_replication = match call.fresh {
        Fresh::No => false,
        Fresh::Missing => item.status == 404,
        // After a repeated sending a 400 may mean "already so", which waiting would not change.
        Fresh::MissingOrRefused => item.status == 404 || item.status == 400 && !state.doubtful,
    };
    if waits_for_replication && let Some(pause) = state.patience.unseen() {
        return Verdict::Again(pause);
    }
    match item.status {
        429 => match state.patience.throttled(item.retry_after) {
            Ok(pause) => Verdict::Again(pause),
            Err(wait) => Verdict::Done(unsettled(state.doubtful, &too_long(wait))),
        },
        // The service says that it did not take the request; should it have, a repeated create meets its own object
        // and is recognised by `doubtful`.
        409 | 424 | 503 => {
            state.doubtful = true;
            let pause = match item.retry_after {
                Some(asked) => state.patience.throttled(Some(asked)).ok(),
                None => state.patience.fault(None),
            };
            pause.map_or_else(|| Verdict::Done(unsettled(true, &told(&item))), Verdict::Again)
        }
        500.. => judge_broken(call, state, &told(&item), true, false),
        _ => {
            Verdict::Done(Settled::Answered(Answer { status: item.status, body: item.body, doubtful: state.doubtful }))
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    requests: Vec<Part<'a>>,
}

#[derive(Serialize)]
struct Part<'a> {
    id: String,
    method: &'a str,
    url: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'static str, &'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a Body>,
}

/// The batch's body; wiped when the connection has let go of it, as it may hold initial passwords.
fn envelope(calls: &[Call], chunk: &[usize]) -> Result<Bytes, String> {
    let part = |index: &usize| {
        let call = &calls[*index];
        let mut headers: BTreeMap<_, _> = call.headers.iter().copied().collect();
        if call.body.is_some() {
            headers.insert("Content-Type", "application/json");
        }
        Part { id: index.to_string(), method: call.method.as_str(), url: &call.path, headers, body: call.body.as_ref() }
    };
    let envelope = Envelope { requests: chunk.iter().map(part).collect() };
    // Room enough that growing leaves no copies of a password behind.
    let secret = chunk.iter().any(|index| calls[*index].body.as_ref().is_some_and(|body| body.password.is_some()));
    let mut bytes = Zeroizing::new(Vec::with_capacity(if secret { 256 * 1024 } else { 4096 }));
    serde_json::to_writer(&mut *bytes, &envelope).map_err(|error| format!("the batch cannot be written: {error}"))?;
    Ok(Bytes::from_owner(bytes))
}

/// One reply inside a batch reply.
struct Item {
    status: u16,
    retry_after: Option<Duration>,
    /// The share of its limit that the service says is used.
    used: Option<f64>,
    body: Option<Value>,
}

/// The replies of one batch, by request id, in whatever order they came.
struct Replies {
    items: BTreeMap<usize, Item>,
    /// The batch as a whole was refused with this: it holds for every request in it.
    outer: Option<(u16, Option<Duration>, Option<Value>)>,
    /// The longest `Retry-After` of a 429 in it: nothing else is sent before that either (A.8).
    throttled_for: Option<Duration>,
    token_generation: u64,
}

impl Replies {
    fn read(reply: Reply) -> Replies {
        let token_generation = reply.token_generation;
        if reply.status != 200 {
            let throttled_for = reply.retry_after.filter(|_| reply.status == 429);
            let outer = Some((reply.status, reply.retry_after, reply.body));
            return Replies { items: BTreeMap::new(), outer, throttled_for, token_generation };
        }
        let responses = reply.body.as_ref().and_then(|body| body.get("responses")).and_then(Value::as_array);
        let items: BTreeMap<usize, Item> = responses.into_iter().flatten().filter_map(read_item).collect();
        let throttled_for = items.values().filter(|item| item.status == 429).filter_map(|item| item.retry_after).max();
        Replies { items, outer: None, throttled_for, token_generation }
    }

    /// What the answers of some of its requests tell about a bucket.
    fn told(&self, of: &dyn Fn(usize) -> bool) -> Told {
        let items = || self.items.iter().filter(|(index, _)| of(**index)).map(|(_, item)| item);
        let refused = items().filter(|item| item.status == 429).filter_map(|item| item.retry_after).max();
        let whole = self.throttled_for.filter(|_| self.outer.is_some());
        Told { used: items().filter_map(|item| item.used).reduce(f64::max), refused_for: refused.or(whole) }
    }

    fn take(&mut self, index: usize) -> Option<Item> {
        match &self.outer {
            Some((status, retry_after, body)) => {
                Some(Item { status: *status, retry_after: *retry_after, used: None, body: body.clone() })
            }
            None => self.items.remove(&index),
        }
    }
}

/// How many answers of requests a reply holds: for the fuzz targets.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn item_count(reply: Reply) -> usize {
    let replies = Replies::read(reply);
    let _ = replies.told(&|_| true);
    replies.items.len()
}

fn read_item(response: &Value) -> Option<(usize, Item)> {
    let id = match response.get("id")? {
        Value::String(text) => text.parse().ok()?,
        number => usize::try_from(number.as_u64()?).ok()?,
    };
    let status = u16::try_from(response.get("status")?.as_u64()?).ok()?;
    let headers = response.get("headers").and_then(Value::as_object);
    let header = |wanted: &str| headers.into_iter().flatten().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let used = header(WARNING).and_then(|(_, value)| match value {
        Value::String(text) => text.trim().parse().ok(),
        number => number.as_f64(),
    });
    let used = used.filter(|share: &f64| share.is_finite());
    let retry_after = header("retry-after").and_then(|(_, value)| match value {
        Value::String(text) => retry_after(text),
        number => number.as_u64().map(Duration::from_secs),
    });
    let body = response.get("body").filter(|body| !body.is_null()).cloned();
    Some((id, Item { status, retry_after, used, body }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn progress() -> Progress {
        let mut settings = crate::settings::tests::example();
        settings.backoff_base = Duration::from_millis(1);
        settings.attempts = 2;
        settings.max_wait = Duration::from_secs(10);
        settings.replication_wait = Duration::from_millis(3);
        Progress { patience: Patience::new(&settings), doubtful: false, renewed: false, settled: None }
    }

    fn item(status: u16, asked: Option<u64>) -> Item {
        Item { status, retry_after: asked.map(Duration::from_secs), used: None, body: None }
    }

    fn create() -> Call {
        let mut call = Call::post("/users".to_owned(), serde_json::Map::new());
        call.replay = Replay::Create;
        call
    }

    fn shown(verdict: Verdict) -> String {
        match verdict {
            Verdict::Again(pause) if pause >= Duration::from_secs(1) => format!("again after {} s", pause.as_secs()),
            Verdict::Again(_) => "again".to_owned(),
            Verdict::Done(Settled::Answered(answer)) => format!("{} doubtful={}", answer.status, answer.doubtful),
            Verdict::Done(Settled::Unsettled { may_have_arrived, .. }) => format!("unsettled {may_have_arrived}"),
        }
    }

    /// F.22, F.23: only the throttled item waits, as long as it is told, and not beyond the bound.
    #[test]
    fn throttled_items_wait_as_told() {
        let (call, mut state) = (create(), progress());
        assert_eq!(shown(judge_item(&call, &mut state, item(429, Some(7)))), "again after 7 s");
        assert_eq!(shown(judge_item(&call, &mut state, item(429, Some(7)))), "unsettled false");
        assert_eq!(shown(judge_item(&call, &mut state, item(201, None))), "201 doubtful=false");
    }

    /// Never doubled: what may have arrived is not sent again if it creates something.
    #[test]
    fn a_create_that_may_have_arrived_is_not_repeated() {
        let call = create();
        assert_eq!(shown(judge_broken(&call, &mut progress(), "reset", true, false)), "unsettled true");
        assert_eq!(shown(judge_broken(&call, &mut progress(), "refused", false, false)), "again");
        assert_eq!(shown(judge_item(&call, &mut progress(), item(504, None))), "unsettled true");
        let mut state = progress();
        assert_eq!(shown(judge_item(&call, &mut state, item(503, Some(2)))), "again after 2 s");
        assert_eq!(shown(judge_item(&call, &mut state, item(400, None))), "400 doubtful=true");
    }

    #[test]
    fn safe_calls_are_repeated_within_their_attempts() {
        let (call, mut state) = (Call::delete("/users/1".to_owned()), progress());
        assert_eq!(shown(judge_item(&call, &mut state, item(500, None))), "again");
        assert_eq!(shown(judge_item(&call, &mut state, item(500, None))), "unsettled true");
    }

    /// F.24: a fresh object is waited for, another one is not.
    #[test]
    fn only_fresh_objects_are_waited_for() {
        let call = Call::delete("/users/1".to_owned());
        assert_eq!(shown(judge_item(&call, &mut progress(), item(404, None))), "404 doubtful=false");
        let (call, mut state) = (call.fresh(Fresh::Missing), progress());
        assert_eq!(shown(judge_item(&call, &mut state, item(404, None))), "again");
        assert_eq!(shown(judge_item(&call, &mut state, item(404, None))), "again");
        assert_eq!(shown(judge_item(&call, &mut state, item(404, None))), "404 doubtful=false");
    }

    #[test]
    fn batch_replies_are_taken_by_id_in_any_order() {
        let body = json!({"responses": [
            {"id": "2", "status": 429, "headers": {"retry-after": "5"}, "body": {"error": {"code": "TooManyRequests"}}},
            {"id": "0", "status": 204}, {"status": 200}, {"id": "x", "status": 200}, 7]});
        let mut replies =
            Replies::read(Reply { status: 200, retry_after: None, body: Some(body), token_generation: 1 });
        assert_eq!(replies.take(0).map(|item| item.status), Some(204));
        assert_eq!(replies.take(2).and_then(|item| item.retry_after), Some(Duration::from_secs(5)));
        assert!(replies.take(1).is_none());
        assert_eq!(replies.throttled_for, Some(Duration::from_secs(5)));
    }

    /// The password joins the body on the wire and is in no debug text.
    #[test]
    fn a_password_is_on_the_wire_only() {
        let mut call = create();
        let password = Password::draw().unwrap();
        let text = password.profile().password.to_owned();
        call.body = Some(Body { json: serde_json::Map::new(), password: Some(password) });
        assert!(!format!("{call:?}").contains(&text));
        let payload = envelope(&[call], &[0]).unwrap();
        let sent: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(sent["requests"][0]["body"]["passwordProfile"]["password"], json!(text));
        assert_eq!(sent["requests"][0]["headers"]["Content-Type"], json!("application/json"));
    }
}
