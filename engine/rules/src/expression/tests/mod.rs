//! Tests of the expression language, as tables of text. The helpers alone know the API.

mod certificates;
mod changes;
mod dates;
mod drawn;
mod functions;
mod language;
mod never_panics;
mod public_reference;
mod text_of_attribute;
mod wild;

use super::{EvaluationError, Expression, ExpressionProblem, Inputs, Outcome};
use expect_test::Expect;
use metaverse_schema::{Attributes, Guid, Reference, Sid, Value, Values};
use std::borrow::Cow;
use std::fmt::Write as _;

/// One object: what the tables read.
pub(super) struct Object {
    pub(super) attributes: Attributes,
    pub(super) confirmed: Attributes,
}

pub(super) fn object() -> Object {
    let mut attributes = Attributes::new();
    let mut text = |name: &str, values: &[&str]| {
        values.iter().for_each(|value| {
            attributes.add(name, Value::text(*value));
        });
    };
    text("givenName", &[" Ann "]);
    text("sn", &["Smith"]);
    text("department", &["HRD west"]);
    text("empty", &[""]);
    text("smile", &["a\u{1F600}b"]);
    text("mail", &["ann@x.example"]);
    text("otherPhone", &["1-2", "3-4", "5"]);
    text("otherList", &["x", "y"]);
    text("proxyAddresses", &["SMTP:Ann@x.example", "SIP:ann@x.example", "smtp:ann.smith@x.example", "x500:/o=x"]);
    text("rdn", &["CN=Ann"]);
    attributes.add("userAccountControl", Value::Integer(514));
    attributes.add("groupType", Value::Integer(-2_147_483_646));
    attributes.add("pwdLastSet", Value::Integer(129_699_324_000_000_000));
    attributes.add("flag", Value::Boolean(true));
    let guid: Guid = "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap();
    attributes.add("objectGUID", Value::Binary(guid.as_directory_bytes().to_vec()));
    let sid: Sid = "S-1-5-21-1-2-3-1104".parse().unwrap();
    attributes.add("objectSid", Value::Binary(sid.as_bytes().to_vec()));
    let dn = "CN=Joe\\, Jr,OU=Sales,OU=US,DC=contoso,DC=com".parse().unwrap();
    attributes.add("dn", Value::Reference(Reference::Dn(dn)));
    let mut confirmed = attributes.clone();
    confirmed.set("proxyAddresses", Value::text("SMTP:Ann@x.example"));
    Object { attributes, confirmed }
}

impl Inputs for Object {
    fn attribute(&self, name: &str) -> Option<Cow<'_, Values>> {
        self.attributes.get(name).map(Cow::Borrowed)
    }

    fn imported(&self, name: &str) -> Option<Cow<'_, Values>> {
        self.confirmed.get(name).map(Cow::Borrowed)
    }

    fn count(&self, name: &str) -> usize {
        if name == "member" { 50_001 } else { self.attributes.get(name).map_or(0, Values::len) }
    }

    fn parameter(&self, name: &str) -> Option<Value> {
        match name {
            "Domain.FQDN" => Some(Value::text("contoso.example")),
            "Forest.LDAP" => Some(Value::text("DC=contoso,DC=com")),
            "ReplaceString" => Some(Value::text("’:,Å:A,Ä:A,Ö:O,å:a,ä:a,ö:o")),
            _ => None,
        }
    }

    fn now(&self) -> i64 {
        1_409_907_293_000_000
    }
}

fn shown(result: Result<Outcome, EvaluationError>, text: &str) -> String {
    match result {
        Ok(Outcome::Values(values)) => format!("{values:?}"),
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("! {} at `{}`", error, &text[error.span.clone()]),
    }
}

fn problems(text: &str, problems: &[ExpressionProblem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|p| format!("!! {} `{}` {} ({})", p.code, &text[p.span.clone()], p.message, p.help))
        .collect();
    lines.join("\n   ")
}

pub(super) fn evaluated(text: &str) -> String {
    evaluated_on(&object(), text)
}

pub(super) fn evaluated_on(object: &Object, text: &str) -> String {
    match Expression::parse(text) {
        Ok(expression) => shown(expression.evaluate(object), text),
        Err(found) => problems(text, &found),
    }
}

/// Each line of the table is an expression; the expectation repeats it with its outcome.
pub(super) fn check(table: &str, expect: Expect) {
    let mut seen = String::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let _ = writeln!(seen, "{line}\n=> {}", evaluated(line));
    }
    expect.assert_eq(&seen);
}
