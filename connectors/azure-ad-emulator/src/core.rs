//! The tenant behind its lock: takes a request that has arrived, plays the fault script, checks token, throttle and
//! permissions, has the operation carried out, and writes the log. Knows no sockets and does not wait.

use serde_json::{Value, json};

use crate::batch;
use crate::call::{self, Body, Call, Reply, ReplyBody};
use crate::clock::{self, Millis, SECOND_MS, graph_time, inner_error_time};
use crate::context::Context;
use crate::device_code::DeviceCodeSetting;
use crate::directory::Directory;
use crate::errors::{GraphError, GraphResult};
use crate::faults::{Arriving, FaultAction, FaultCounters, Redirects, usual_code};
use crate::guid::Guid;
use crate::indexes::Table;
use crate::knobs::{Knobs, SyncState};
use crate::provisioning;
use crate::request_log::{LoggedRequest, RequestLog, redact, redact_form};
use crate::routes;
use crate::sign_in::{SignInSetting, SignIns};
use crate::synchronisation;
use crate::throttle::Throttle;
use crate::token::{self, Grant, TokenRequest, TokenSetting, Tokens};

pub(crate) struct Core {
    pub(crate) directory: Directory,
    pub(crate) knobs: Knobs,
    pub(crate) log: RequestLog,
    faults: FaultCounters,
    pub(crate) redirects: Redirects,
    pub(crate) throttle: Throttle,
    pub(crate) tokens: Tokens,
    sign_ins: SignIns,
    /// `http://127.0.0.1:port`.
    base_url: String,
    /// `http://127.0.0.1:port/v1.0/`.
    pub(crate) graph_url: String,
    /// Counts up for request ids.
    request_ids: u128,
    /// When outlived objects were last looked for; none: look again.
    expired_at: Option<Millis>,
}

/// A request that has been numbered and matched with the fault script.
pub(crate) struct Arrival {
    pub(crate) sequence: u64,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) fault: Option<FaultAction>,
}

/// What is to happen on the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    pub(crate) effect: Option<WireEffect>,
    /// Pause that the fault script asks for.
    pub(crate) delay_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireEffect {
    Reset,
    TruncateBody,
    WrongLength,
    BadJson,
}

/// What a fault makes of a request, beside a status that is told instead of the answer.
pub(crate) struct Played {
    pub(crate) carried_out: bool,
    pub(crate) effect: Option<WireEffect>,
    pub(crate) delay_ms: u64,
}

impl Played {
    pub(crate) fn of(fault: Option<&FaultAction>) -> Played {
        let effect = match fault {
            Some(FaultAction::ResetBefore | FaultAction::ResetAfter) => Some(WireEffect::Reset),
            Some(FaultAction::TruncateBody) => Some(WireEffect::TruncateBody),
            Some(FaultAction::WrongLength) => Some(WireEffect::WrongLength),
            Some(FaultAction::BadJson) => Some(WireEffect::BadJson),
            Some(FaultAction::Status { .. } | FaultAction::Delay { .. }) | None => None,
        };
        let carried_out = !matches!(fault, Some(FaultAction::ResetBefore | FaultAction::Status { applied: false, .. }));
        let delay_ms = if let Some(FaultAction::Delay { delay_ms }) = fault { *delay_ms } else { 0 };
        Played { carried_out, effect, delay_ms }
    }
}

/// What one Graph request came to, for its log line.
struct Outcome {
    result: GraphResult<Reply>,
    is_write: bool,
    application: Option<Guid>,
}

impl Core {
    pub(crate) fn new(
        directory: Directory,
        knobs: Knobs,
        log: RequestLog,
        base_url: String,
        request_ids: u128,
    ) -> Core {
        let graph_url = format!("{base_url}/v1.0/");
        let mut core = Core {
            directory,
            knobs: Knobs::default(),
            log,
            faults: FaultCounters::default(),
            redirects: Redirects::default(),
            throttle: Throttle::default(),
            tokens: Tokens::default(),
            sign_ins: SignIns::default(),
            base_url,
            graph_url,
            request_ids,
            expired_at: None,
        };
        core.set_knobs(knobs);
        core
    }

    pub(crate) fn now(&self) -> Millis {
        clock::system_now().saturating_add(self.directory.clock_offset_ms)
    }

    /// The knobs as they stand, with the values that live in the directory filled in.
    pub(crate) fn effective_knobs(&self) -> Knobs {
        Knobs {
            clock_offset_ms: Some(self.directory.clock_offset_ms),
            sync: Some(SyncState::from_flag(self.directory.facts.on_premises_sync_enabled)),
            features: self.directory.facts.features.clone(),
            ..self.knobs.clone()
        }
    }

    pub(crate) fn set_knobs(&mut self, knobs: Knobs) {
        if knobs.faults != self.knobs.faults {
            self.faults.reset();
        }
        if knobs.fault_rates != self.knobs.fault_rates {
            self.faults.restart_rates();
        }
        if knobs.provisioning_redirect != self.knobs.provisioning_redirect {
            self.redirects = Redirects::default();
        }
        if knobs.throttle != self.knobs.throttle || knobs.provisioning_throttle != self.knobs.provisioning_throttle {
            self.throttle.reset();
        }
        if let Some(offset) = knobs.clock_offset_ms {
            self.directory.clock_offset_ms = offset;
        }
        match knobs.sync.map(SyncState::flag) {
            None => {}
            Some(flag) if flag == self.directory.facts.on_premises_sync_enabled => {}
            Some(Some(true)) => synchronisation::switch_on(&mut self.directory),
            Some(Some(false)) => synchronisation::switch_off(&mut self.directory),
            Some(None) => self.directory.facts.on_premises_sync_enabled = None,
        }
        for (name, on) in &knobs.features {
            if let Some(feature) = self.directory.facts.features.get_mut(name) {
                *feature = *on;
            }
        }
        self.directory.mark_changed();
        self.expired_at = None;
        self.knobs = knobs;
    }

    /// Starts the fault script from its beginning.
    pub(crate) fn restart_faults(&mut self) {
        self.faults.reset();
    }

    pub(crate) fn move_clock(&mut self, offset_ms: Millis) {
        self.directory.clock_offset_ms = offset_ms;
        self.directory.mark_changed();
        self.expired_at = None;
    }

    fn next_request_id(&mut self) -> Guid {
        self.request_ids = self.request_ids.wrapping_add(1);
        Guid::from_random_bits(self.request_ids.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    }

    /// Numbers a request and looks up what the fault script holds for it.
    pub(crate) fn arrive(&mut self, method: &str, path: &str, arriving: Arriving) -> Arrival {
        let scripted = self.faults.next(&self.knobs.faults, method, path);
        let fault = scripted.or_else(|| self.faults.draw(&self.knobs.fault_rates, arriving));
        Arrival { sequence: self.log.next_sequence(), method: method.to_owned(), path: path.to_owned(), fault }
    }

    /// Ends what has outlived its time; looked at again when ten seconds have passed or the clock was moved.
    pub(crate) fn expire(&mut self) {
        let now = self.now();
        synchronisation::settle(&mut self.directory, now);
        let mut context = Context {
            directory: &mut self.directory,
            knobs: &self.knobs,
            graph_url: &self.graph_url,
            now,
            permissions: &[],
            person: None,
        };
        provisioning::sweep(&mut context);
        if self.expired_at.is_some_and(|at| at <= now && now < at.saturating_add(10 * SECOND_MS)) {
            return;
        }
        self.expired_at = Some(now);
        let life = Millis::try_from(self.knobs.deleted_item_life_s).unwrap_or(Millis::MAX).saturating_mul(SECOND_MS);
        // Tombstones outlive the longest-lived delta token many times over.
        self.directory.expire(now, life, 90 * clock::DAY_MS);
    }

    // --- Graph

    /// Answers a request below `/v1.0/`.
    pub(crate) fn graph(&mut self, call: &Call, arrival: Arrival) -> Answer {
        self.expire();
        if call.path() == "/$batch" {
            return self.batch(call, &arrival);
        }
        let authorization = call.headers.get("authorization").map(str::to_owned);
        let place = Place { sequence: arrival.sequence, item: None };
        self.one(call, authorization.as_deref(), &arrival, place)
    }

    /// Answers one request, on its own or inside a batch, under its fault, and logs it.
    fn one(&mut self, call: &Call, authorization: Option<&str>, arrival: &Arrival, place: Place<'_>) -> Answer {
        let Played { carried_out, effect, delay_ms } = Played::of(arrival.fault.as_ref());
        let told_instead = match &arrival.fault {
            Some(FaultAction::Status { status, code, retry_after_s, .. }) => {
                let code = code.as_deref().unwrap_or_else(|| usual_code(*status));
                let error = GraphError::new(*status, code, "The rehearsal tenant was told to answer so.");
                Some(match retry_after_s {
                    Some(seconds) => error.with_header("retry-after", seconds.to_string()),
                    None => error,
                })
            }
            _ => None,
        };
        let outcome = if carried_out { self.carry_out(call, authorization) } else { self.look_at(call) };
        let applied = carried_out && outcome.is_write && outcome.result.is_ok();
        let result = match told_instead {
            Some(error) => Err(error),
            None => outcome.result,
        };
        let reply = self.render(call, result);
        let record = LoggedRequest {
            sequence: arrival.sequence,
            time: graph_time(self.now()),
            method: arrival.method.clone(),
            path: arrival.path.clone(),
            write: outcome.is_write,
            // Nothing was prepared for a request that was cut off before.
            status: if arrival.fault == Some(FaultAction::ResetBefore) { 0 } else { reply.status },
            applied,
            item: place.item.map(str::to_owned),
            batch: place.item.map(|_| place.sequence),
            fault: arrival.fault.as_ref().map(|fault| fault.name().to_owned()),
            application: outcome.application.map(|id| id.to_string()),
            client_request_id: call.headers.get("client-request-id").map(str::to_owned),
            body: match &call.body {
                Body::Json(body) => Some(redact(body)),
                Body::Empty | Body::Unreadable => None,
            },
        };
        self.log.record(record, self.knobs.request_log_limit);
        Answer { reply, effect, delay_ms }
    }

    /// A request that is not carried out is still classified for the log.
    fn look_at(&self, call: &Call) -> Outcome {
        let segments = call::segments(call.path()).unwrap_or_default();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let is_write = routes::find(call.method, &segments).is_ok_and(|route| route.is_write);
        Outcome { result: Ok(Reply::no_content()), is_write, application: None }
    }

    fn carry_out(&mut self, call: &Call, authorization: Option<&str>) -> Outcome {
        let now = self.now();
        let grant = match self.tokens.grant(authorization, now) {
            Ok(grant) => grant.clone(),
            Err(message) => {
                let refused = Outcome { result: Err(GraphError::unauthenticated(message)), ..self.look_at(call) };
                return refused;
            }
        };
        let segments = match call::segments(call.path()) {
            Ok(segments) => segments,
            Err(error) => {
                return Outcome { result: Err(error), is_write: false, application: Some(grant.application) };
            }
        };
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let route = match routes::find(call.method, &segments) {
            Ok(route) => route,
            Err(error) => {
                return Outcome { result: Err(error), is_write: false, application: Some(grant.application) };
            }
        };
        let is_write = route.is_write;
        let result = self.admitted(call, &grant, route, now);
        Outcome { result, is_write, application: Some(grant.application) }
    }

    fn admitted(&mut self, call: &Call, grant: &Grant, route: routes::Route<'_>, now: Millis) -> GraphResult<Reply> {
        let headers = self.throttle.admit(
            &self.knobs.throttle,
            self.directory.live_users(),
            grant.application,
            self.directory.facts.tenant_id,
            route.cost(call),
            now,
        )?;
        let mut context = Context {
            directory: &mut self.directory,
            knobs: &self.knobs,
            graph_url: &self.graph_url,
            now,
            permissions: &grant.permissions,
            person: grant.user,
        };
        match route.answer(&mut context, call) {
            Ok(mut reply) => {
                reply.headers.extend(headers);
                Ok(reply)
            }
            Err(mut error) => {
                error.headers.extend(headers);
                Err(error)
            }
        }
    }

    /// Adds the request ids, and gives a refusal its body.
    fn render(&mut self, call: &Call, result: GraphResult<Reply>) -> Reply {
        let request_id = self.next_request_id().to_string();
        let client_request_id = call.headers.get("client-request-id").map_or_else(|| request_id.clone(), str::to_owned);
        let mut reply = match result {
            Ok(reply) => reply,
            Err(error) => Reply {
                status: error.status,
                body: ReplyBody::Json(error.body(&inner_error_time(self.now()), &request_id, &client_request_id)),
                headers: error.headers,
            },
        };
        reply.headers.push(("request-id", request_id));
        reply.headers.push(("client-request-id", client_request_id));
        reply
    }

    fn batch(&mut self, call: &Call, arrival: &Arrival) -> Answer {
        // The envelope as a whole can meet a fault too; its items then do not run unless the fault says so.
        let envelope = Call { body: Body::Empty, ..call.clone() };
        if let Some(FaultAction::Status { applied: false, .. } | FaultAction::ResetBefore) = &arrival.fault {
            let place = Place { sequence: arrival.sequence, item: None };
            return self.one(&envelope, None, arrival, place);
        }
        let authorization = call.headers.get("authorization").map(str::to_owned);
        let now = self.now();
        let (application, checked) = match self.tokens.grant(authorization.as_deref(), now) {
            Ok(grant) if call.method == call::Method::Post => (Some(grant.application), batch::read_envelope(call)),
            Ok(grant) => (Some(grant.application), Err(GraphError::method_not_allowed())),
            Err(message) => (None, Err(GraphError::unauthenticated(message))),
        };
        let mut answer = Answer { reply: Reply::no_content(), effect: None, delay_ms: 0 };
        let result = match checked {
            Ok(items) => Ok(self.run_items(&items, authorization.as_deref(), arrival.sequence, &mut answer)),
            Err(error) => Err(error),
        };
        answer.reply = self.render(&envelope, result);
        match &arrival.fault {
            Some(FaultAction::Status { status, code, .. }) => {
                let code = code.as_deref().unwrap_or_else(|| usual_code(*status));
                let told = GraphError::new(*status, code, "The rehearsal tenant was told to answer so.");
                answer.reply = self.render(&envelope, Err(told));
            }
            Some(FaultAction::ResetAfter | FaultAction::ResetBefore) => answer.effect = Some(WireEffect::Reset),
            Some(FaultAction::TruncateBody) => answer.effect = Some(WireEffect::TruncateBody),
            Some(FaultAction::WrongLength) => answer.effect = Some(WireEffect::WrongLength),
            Some(FaultAction::BadJson) => answer.effect = Some(WireEffect::BadJson),
            Some(FaultAction::Delay { delay_ms }) => answer.delay_ms += delay_ms,
            None => {}
        }
        let record = LoggedRequest {
            sequence: arrival.sequence,
            time: graph_time(self.now()),
            method: arrival.method.clone(),
            path: arrival.path.clone(),
            write: false,
            status: answer.reply.status,
            applied: false,
            item: None,
            batch: None,
            fault: arrival.fault.as_ref().map(|fault| fault.name().to_owned()),
            application: application.map(|id| id.to_string()),
            client_request_id: call.headers.get("client-request-id").map(str::to_owned),
            body: None,
        };
        self.log.record(record, self.knobs.request_log_limit);
        answer
    }

    fn run_items(
        &mut self,
        items: &[batch::Item],
        authorization: Option<&str>,
        outer: u64,
        answer: &mut Answer,
    ) -> Reply {
        let mut outcomes = batch::Outcomes::default();
        let mut responses = Vec::new();
        for item in items {
            let path = format!("/v1.0{}", item.call.target);
            let reply = if outcomes.parent_failed(item) {
                let failed = GraphError::new(424, "FailedDependency", "A request that this one depends on has failed.");
                self.render(&item.call, Err(failed))
            } else {
                let arrival = self.arrive(item.call.method.name(), &path, Arriving::InABatch);
                let place = Place { sequence: outer, item: Some(&item.id) };
                let one = self.one(&item.call, authorization, &arrival, place);
                answer.effect = answer.effect.or(one.effect);
                answer.delay_ms += one.delay_ms;
                one.reply
            };
            outcomes.note(item, reply.status);
            responses.push(batch::response(&item.id, &reply));
        }
        if self.knobs.shuffle_batch {
            batch::shuffle(&mut responses, outer);
        }
        Reply::ok(json!({ "responses": responses }))
    }

    // --- the authority

    /// Answers `POST /{tenant}/oauth2/v2.0/token`.
    pub(crate) fn token(&mut self, request: &TokenRequest<'_>, random: [u8; 32], arrival: Arrival) -> Answer {
        let ids = [self.next_request_id(), self.next_request_id()];
        let setting = token_setting(&self.directory, &self.knobs, &self.base_url, ids, random);
        let (status, body) = match &arrival.fault {
            Some(FaultAction::Status { status, code, .. }) => {
                let code = code.as_deref().unwrap_or("temporarily_unavailable");
                (*status, json!({ "error": code, "error_description": "The rehearsal tenant was told to answer so." }))
            }
            _ => {
                let place = SignInSetting { directory: &self.directory, knobs: &self.knobs, now: setting.now };
                self.tokens.answer(request, &setting, |name, password| self.sign_ins.sign_in(name, password, &place))
            }
        };
        self.authority_answer(arrival, status, body, Some(redact_form(request.form)))
    }

    /// Answers `POST /{tenant}/oauth2/v2.0/devicecode`.
    pub(crate) fn device_code(&mut self, request: &TokenRequest<'_>, random: [u8; 32], arrival: Arrival) -> Answer {
        let ids = [self.next_request_id(), self.next_request_id()];
        let setting = token_setting(&self.directory, &self.knobs, &self.base_url, ids, random);
        let codes = DeviceCodeSetting {
            base_url: &self.base_url,
            now: setting.now,
            life_s: self.knobs.device_code_life_s,
            interval_s: self.knobs.device_code_interval_s,
            random,
        };
        let (status, body) = self.tokens.give_device_code(request, &codes, &setting);
        self.authority_answer(arrival, status, body, Some(redact_form(request.form)))
    }

    /// Signs a person in without giving a token: 0, or the number of the refusal and what it says.
    pub(crate) fn try_sign_in(&mut self, name: &str, password: &str) -> (u32, String) {
        let setting = SignInSetting { directory: &self.directory, knobs: &self.knobs, now: self.now() };
        match self.sign_ins.sign_in(name, password, &setting) {
            Ok(_) => (0, String::new()),
            Err(refusal) => refusal.told(),
        }
    }

    /// The codes that wait for a person, without their secrets.
    pub(crate) fn open_device_codes(&self) -> Value {
        self.tokens.device_codes.open(self.now())
    }

    /// A person approves a code as the user of that sign-in name or id, or declines it (`user` none). The error says what
    /// is not there.
    pub(crate) fn decide_device_code(&mut self, user_code: &str, user: Option<&str>) -> Result<(), String> {
        let user = match user {
            Some(name) => Some(self.person(name).ok_or_else(|| format!("there is no enabled user '{name}'"))?),
            None => None,
        };
        let now = self.now();
        let decided = self.tokens.device_codes.decide(user_code, user, now);
        decided.ok_or_else(|| format!("no open sign-in has the code '{user_code}'"))
    }

    fn person(&self, name: &str) -> Option<Guid> {
        let by_id = Guid::parse(name).and_then(|id| self.directory.live(id));
        let found = by_id.or_else(|| self.directory.holders(Table::UserPrincipalName, name).next());
        found.filter(|user| user.flag("accountEnabled") == Some(true)).map(|user| user.id)
    }

    /// Answers `GET /{tenant}/.well-known/openid-configuration`.
    pub(crate) fn discovery(&mut self, tenant: &str, arrival: Arrival) -> Answer {
        let setting = TokenSetting {
            trace_id: self.next_request_id(),
            correlation_id: self.next_request_id(),
            facts: &self.directory.facts,
            base_url: &self.base_url,
            now: clock::system_now().saturating_add(self.directory.clock_offset_ms),
            life_s: self.knobs.token_life_s,
            provisioning_audiences: &self.knobs.provisioning_audiences,
            random: [0; 32],
        };
        let (status, body) = token::discovery(tenant, &setting);
        self.authority_answer(arrival, status, body, None)
    }

    fn authority_answer(&mut self, arrival: Arrival, status: u16, body: Value, logged: Option<Value>) -> Answer {
        let mut answer = Answer {
            reply: Reply { status, headers: Vec::new(), body: ReplyBody::Json(body) },
            effect: None,
            delay_ms: 0,
        };
        match &arrival.fault {
            Some(FaultAction::Status { retry_after_s: Some(seconds), .. }) => {
                answer.reply = answer.reply.with_header("retry-after", seconds.to_string());
            }
            Some(FaultAction::ResetAfter | FaultAction::ResetBefore) => answer.effect = Some(WireEffect::Reset),
            Some(FaultAction::TruncateBody) => answer.effect = Some(WireEffect::TruncateBody),
            Some(FaultAction::WrongLength) => answer.effect = Some(WireEffect::WrongLength),
            Some(FaultAction::BadJson) => answer.effect = Some(WireEffect::BadJson),
            Some(FaultAction::Delay { delay_ms }) => answer.delay_ms = *delay_ms,
            Some(FaultAction::Status { .. }) | None => {}
        }
        let record = LoggedRequest {
            sequence: arrival.sequence,
            time: graph_time(self.now()),
            method: arrival.method,
            path: arrival.path,
            write: false,
            status,
            applied: false,
            item: None,
            batch: None,
            fault: arrival.fault.as_ref().map(|fault| fault.name().to_owned()),
            application: None,
            client_request_id: None,
            body: logged,
        };
        self.log.record(record, self.knobs.request_log_limit);
        answer
    }
}

/// Where a request stands: on its own, or an item of the batch with that number.
struct Place<'a> {
    sequence: u64,
    item: Option<&'a str>,
}
/// What the authority needs to know for one request.
fn token_setting<'a>(
    directory: &'a Directory,
    knobs: &'a Knobs,
    base_url: &'a str,
    [trace_id, correlation_id]: [Guid; 2],
    random: [u8; 32],
) -> TokenSetting<'a> {
    TokenSetting {
        trace_id,
        correlation_id,
        facts: &directory.facts,
        base_url,
        now: clock::system_now().saturating_add(directory.clock_offset_ms),
        life_s: knobs.token_life_s,
        provisioning_audiences: &knobs.provisioning_audiences,
        random,
    }
}
