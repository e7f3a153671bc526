//! The contract and what it says of one exchange: whether the path, the method, the query options, the bodies and the
//! status are its own. A `$batch` is judged with everything in it.

use crate::additions::Additions;
use crate::schema::Schemas;
use crate::writing;
use percent_encoding::percent_decode_str;
use serde_json::Value;

const CONTRACT: &str = include_str!("../../contracts/graph-v1-subset.openapi.json");
const ADDITIONS: &str = include_str!("../additions.json");
/// Headers that an operation must name before they may be sent.
const NAMED_HEADERS: [&str; 3] = ["prefer", "consistencylevel", "if-match"];

/// One request and its reply, below the version root.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    /// In lower case.
    pub method: String,
    /// Path and query: `/users/1?$select=id`.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub request: Option<Value>,
    pub status: u16,
    /// None: none, or not whole.
    pub reply: Option<Value>,
    /// The connection broke, or the body was cut: nothing is said of the reply.
    pub broken: bool,
}

/// What the contract says of an exchange.
#[derive(Debug, Default)]
pub struct Judgement {
    /// Method and path template of what was called, batched calls included.
    pub operations: Vec<(String, String)>,
    /// One sentence for each difference.
    pub mismatches: Vec<String>,
    /// Of those, what the replies alone did wrong.
    pub of_replies: Vec<String>,
}

pub struct Contract {
    contract: Value,
    additions: Additions,
    /// Entries of the table of additions that have no source, or stand in the contract already.
    pub mistakes: Vec<String>,
}

impl Contract {
    /// The contract with the table of additions over it.
    pub fn read() -> Contract {
        let mut contract: Value = serde_json::from_str(CONTRACT).unwrap_or(Value::Null);
        let additions = Additions::read(ADDITIONS);
        let mistakes = additions.put_over(&mut contract);
        Contract { contract, additions, mistakes }
    }

    /// All operations: method and path template.
    pub fn operations(&self) -> Vec<(String, String)> {
        let methods = |(path, item): (&String, &Value)| -> Vec<(String, String)> {
            let names = item.as_object().into_iter().flatten().map(|(name, _)| name);
            let known = names.filter(|name| ["get", "post", "put", "patch", "delete"].contains(&name.as_str()));
            known.map(|method| (method.clone(), path.clone())).collect()
        };
        self.contract["paths"].as_object().into_iter().flatten().flat_map(methods).collect()
    }

    pub fn judge(&self, exchange: &Exchange) -> Judgement {
        let mut judgement = Judgement::default();
        self.judge_one(exchange, &mut judgement);
        judgement
    }

    fn judge_one(&self, exchange: &Exchange, judgement: &mut Judgement) {
        let (path, query) = exchange.target.split_once('?').unwrap_or((&exchange.target, ""));
        let Some((template, item)) = self.path(path) else {
            judgement.mismatches.push(format!("{} {path}: the contract has no such path", exchange.method));
            return;
        };
        let operation = &item[&exchange.method];
        if operation.is_null() {
            judgement.mismatches.push(format!("{} {template}: the path has no such method", exchange.method));
            return;
        }
        let mut found = Vec::new();
        let of = Called { schemas: self.schemas(), additions: &self.additions, template, item, operation };
        of.query(&exchange.method, query, &mut found);
        of.headers(&exchange.headers, &mut found);
        of.request(exchange, &mut found);
        let name = format!("{} {template}", exchange.method);
        let mut answered = Vec::new();
        if !exchange.broken {
            of.reply(exchange, &mut answered);
        }
        judgement.of_replies.extend(answered.iter().map(|problem| format!("{name}: {problem}")));
        found.extend(answered);
        judgement.mismatches.extend(found.into_iter().map(|problem| format!("{name}: {problem}")));
        judgement.operations.push((exchange.method.clone(), template.to_owned()));
        if template == "/$batch" {
            batched(exchange).iter().for_each(|inner| self.judge_one(inner, judgement));
        }
    }

    fn schemas(&self) -> Schemas<'_> {
        Schemas { contract: &self.contract, additions: &self.additions }
    }

    /// The template that a path fits, literal segments before parameters.
    fn path(&self, path: &str) -> Option<(&str, &Value)> {
        let fits = |template: &str| {
            let (wanted, given): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
            wanted.len() == given.len() && wanted.iter().zip(&given).all(|(wanted, given)| segment(wanted, given))
        };
        let all = self.contract["paths"].as_object()?;
        let fitting = all.iter().filter(|(template, _)| fits(template));
        fitting
            .min_by_key(|(template, _)| template.matches('{').count())
            .map(|(template, item)| (template.as_str(), item))
    }
}

/// Whether a path's segment fits a template's: `{user-id}`, `delta()`, `groups(uniqueName='{uniqueName}')`.
fn segment(wanted: &str, given: &str) -> bool {
    let given = percent_decode_str(given).decode_utf8_lossy();
    match wanted.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?.1))) {
        Some((before, after)) => {
            given.len() > before.len() + after.len() && given.starts_with(before) && given.ends_with(after)
        }
        // A cast may name its type in full.
        None => [Some(&*given), given.strip_prefix("microsoft.")]
            .into_iter()
            .flatten()
            .any(|given| wanted == given || wanted.strip_suffix("()") == Some(given)),
    }
}

/// One operation that was called.
struct Called<'a> {
    schemas: Schemas<'a>,
    additions: &'a Additions,
    template: &'a str,
    item: &'a Value,
    operation: &'a Value,
}

impl<'a> Called<'a> {
    fn parameters(&self, place: &str) -> Vec<String> {
        let both = [&self.item["parameters"], &self.operation["parameters"]];
        let all = both.into_iter().filter_map(Value::as_array).flatten().map(|it| self.schemas.resolve(it));
        all.filter(|it| it["in"] == place).filter_map(|it| it["name"].as_str().map(str::to_owned)).collect()
    }

    fn query(&self, method: &str, query: &str, found: &mut Vec<String>) {
        let known = self.parameters("query");
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let name = percent_decode_str(name).decode_utf8_lossy();
            if !known.iter().any(|known| *known == name) && !self.additions.allows_option(method, self.template, &name)
            {
                found.push(format!("the contract has no query option `{name}` here"));
            }
            if matches!(&*name, "$select" | "$expand") {
                let value = percent_decode_str(value).decode_utf8_lossy();
                self.selected(&name, &value, found);
            }
        }
    }

    fn selected(&self, option: &str, value: &str, found: &mut Vec<String>) {
        let Some(schema) = self.success_schema() else { return };
        let mut known = self.schemas.names(self.schemas.item(schema));
        if self.schemas.names(schema).contains(&"value") && self.template.contains("emberOf")
            || self.template.ends_with("members")
        {
            // A collection of directory objects is narrowed to properties of what is in it.
            for class in ["user", "group"] {
                let schema = &self.schemas.contract["components"]["schemas"][format!("microsoft.graph.{class}")];
                known.extend(self.schemas.names(schema));
            }
        }
        for name in value.split(',').map(str::trim) {
            let name = name.split('(').next().unwrap_or_default();
            if !known.contains(&name) {
                found.push(format!("{option} names `{name}`, which the objects do not have"));
            }
        }
    }

    fn headers(&self, headers: &[(String, String)], found: &mut Vec<String>) {
        let known = self.parameters("header");
        for (name, value) in headers.iter().filter(|(name, _)| NAMED_HEADERS.contains(&name.as_str())) {
            if !known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                found.push(format!("the contract has no header `{name}: {value}` here"));
            }
        }
    }

    fn request(&self, exchange: &Exchange, found: &mut Vec<String>) {
        let wanted = self.schemas.resolve(&self.operation["requestBody"]);
        let schema = &wanted["content"]["application/json"]["schema"];
        match &exchange.request {
            Some(body) if schema.is_null() => found.push(format!("a body without being asked for: {body}")),
            Some(body) => {
                self.schemas.check(schema, body, "request", found);
                found.extend(writing::mismatches(&exchange.method, self.template, body));
            }
            None if wanted["required"] == true => found.push("the body is missing".to_owned()),
            None => {}
        }
    }

    fn success_schema(&self) -> Option<&'a Value> {
        let reply = self.schemas.resolve(&self.operation["responses"]["2XX"]);
        Some(&reply["content"]["application/json"]["schema"]).filter(|schema| !schema.is_null())
    }

    fn reply(&self, exchange: &Exchange, found: &mut Vec<String>) {
        let class = match exchange.status {
            200..=299 => "2XX",
            400..=499 => "4XX",
            500..=599 => "5XX",
            other => {
                found.push(format!("the status {other} is in no class of the contract"));
                return;
            }
        };
        if class == "2XX" {
            let documented = self.operation["x-contract-success-status"].as_array();
            if documented.is_some_and(|all| !all.iter().any(|status| *status == exchange.status)) {
                found.push(format!("the documented success is not {}", exchange.status));
            }
        }
        let reply = self.schemas.resolve(&self.operation["responses"][class]);
        let schema = &reply["content"]["application/json"]["schema"];
        match &exchange.reply {
            Some(body) if exchange.status == 204 => found.push(format!("204 with a body: {body}")),
            Some(body) if schema.is_null() => found.push(format!("a reply without being asked for: {body}")),
            Some(body) => self.schemas.check(schema, body, "reply", found),
            None if exchange.status == 200 && !schema.is_null() => found.push("the reply has no body".to_owned()),
            None => {}
        }
    }
}

/// The exchanges inside a batch. An item without an answer was cut off with the reply.
fn batched(batch: &Exchange) -> Vec<Exchange> {
    let answers = batch.reply.as_ref().and_then(|reply| reply["responses"].as_array());
    let requests = batch.request.as_ref().and_then(|request| request["requests"].as_array());
    let inner = |request: &Value| {
        let answer = answers.into_iter().flatten().find(|answer| answer["id"] == request["id"]);
        let headers = request["headers"].as_object().into_iter().flatten();
        Exchange {
            method: request["method"].as_str().unwrap_or_default().to_lowercase(),
            target: request["url"].as_str().unwrap_or_default().to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            request: request.get("body").cloned(),
            status: answer
                .and_then(|answer| answer["status"].as_u64())
                .and_then(|it| u16::try_from(it).ok())
                .unwrap_or(0),
            reply: answer.and_then(|answer| answer.get("body")).filter(|body| !body.is_null()).cloned(),
            broken: answer.is_none(),
        }
    };
    requests.into_iter().flatten().map(inner).collect()
}
