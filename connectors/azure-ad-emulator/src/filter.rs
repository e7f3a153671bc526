//! `$filter`: the part of the OData grammar that the directory takes (`eq ne in ge le gt lt`, `startsWith`, `endsWith`,
//! `any`, `and or not`). Parses, evaluates on one object, and names index look-ups; what may be filtered and which
//! queries count as advanced is judged here too.

use serde_json::Value;

use crate::errors::{GraphError, GraphResult};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    Compare {
        path: String,
        operator: Operator,
        value: Literal,
    },
    In {
        path: String,
        values: Vec<Literal>,
    },
    StartsWith {
        path: String,
        value: String,
    },
    EndsWith {
        path: String,
        value: String,
    },
    /// `path/any(x:inner)`; paths inside are relative to the element, the element itself is the empty path.
    Any {
        path: String,
        inner: Box<Filter>,
    },
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Eq,
    Ne,
    Ge,
    Le,
    Gt,
    Lt,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    /// Quoted text, or a bare GUID or instant.
    Text(String),
}

/// Most values in an `in`, and most clauses under `or` (A.6 allows 50 ids in a delta, judged there).
const MOST_ALTERNATIVES: usize = 15;

impl Filter {
    pub(crate) fn parse(text: &str) -> GraphResult<Filter> {
        let mut parser = Parser { tokens: tokens(text)?, place: 0, variable: None };
        let filter = parser.or()?;
        if parser.place < parser.tokens.len() {
            return Err(invalid(format!("Syntax error behind '{}'.", parser.shown())));
        }
        Ok(filter)
    }

    /// Whether the query needs `ConsistencyLevel: eventual` and `$count=true` (A.2).
    pub(crate) fn is_advanced(&self) -> bool {
        match self {
            Filter::Compare { operator, value, .. } => *operator == Operator::Ne || *value == Literal::Null,
            Filter::In { .. } | Filter::StartsWith { .. } => false,
            Filter::EndsWith { .. } | Filter::Not(_) => true,
            Filter::Any { inner, .. } => inner.is_advanced(),
            Filter::And(left, right) | Filter::Or(left, right) => left.is_advanced() || right.is_advanced(),
        }
    }

    /// Refuses properties outside `filterable` and too many alternatives.
    pub(crate) fn check(&self, filterable: &dyn Fn(&str) -> bool) -> GraphResult<()> {
        if self.alternatives() > MOST_ALTERNATIVES {
            return Err(GraphError::unsupported_query(format!(
                "Too many child clauses specified in search filter expression containing 'OR' operators: {}. Max allowed: \
                 {MOST_ALTERNATIVES}.",
                self.alternatives()
            )));
        }
        for path in self.paths() {
            let root = path.split('/').next().unwrap_or(path);
            if !filterable(root) {
                return Err(GraphError::unsupported_query(format!(
                    "Unsupported or invalid query filter clause specified for property '{root}'."
                )));
            }
        }
        Ok(())
    }

    fn alternatives(&self) -> usize {
        match self {
            Filter::In { values, .. } => values.len(),
            Filter::Or(left, right) => left.alternatives() + right.alternatives(),
            Filter::And(left, right) => left.alternatives().max(right.alternatives()),
            Filter::Not(inner) => inner.alternatives(),
            _ => 1,
        }
    }

    fn paths(&self) -> Vec<&str> {
        match self {
            Filter::Compare { path, .. }
            | Filter::In { path, .. }
            | Filter::StartsWith { path, .. }
            | Filter::EndsWith { path, .. }
            | Filter::Any { path, .. } => vec![path],
            Filter::And(left, right) | Filter::Or(left, right) => [left.paths(), right.paths()].concat(),
            Filter::Not(inner) => inner.paths(),
        }
    }

    /// Evaluates with `value_of` giving the value of a top-level property.
    pub(crate) fn matches(&self, value_of: &dyn Fn(&str) -> Value) -> bool {
        match self {
            Filter::Compare { path, operator, value } => compare(&resolve(path, value_of), *operator, value),
            Filter::In { path, values } => {
                let held = resolve(path, value_of);
                values.iter().any(|value| compare(&held, Operator::Eq, value))
            }
            Filter::StartsWith { path, value } => text(&resolve(path, value_of)).starts_with(&value.to_lowercase()),
            Filter::EndsWith { path, value } => text(&resolve(path, value_of)).ends_with(&value.to_lowercase()),
            Filter::Any { path, inner } => match resolve(path, value_of) {
                Value::Array(items) => items.iter().any(|item| inner.matches(&|path| element(item, path))),
                _ => false,
            },
            Filter::And(left, right) => left.matches(value_of) && right.matches(value_of),
            Filter::Or(left, right) => left.matches(value_of) || right.matches(value_of),
            Filter::Not(inner) => !inner.matches(value_of),
        }
    }

    /// Property and value pairs of which a match has at least one, if the filter pins objects down by these properties:
    /// what indexes can look up. For a collection, `properties` names the collection and the filter is an `any` with `eq`.
    pub(crate) fn pinned(&self, properties: &[&str]) -> Option<Vec<(&str, &str)>> {
        match self {
            Filter::Compare { path, operator: Operator::Eq, value: Literal::Text(value) }
                if properties.contains(&path.as_str()) =>
            {
                Some(vec![(path, value)])
            }
            Filter::In { path, values } if properties.contains(&path.as_str()) => values
                .iter()
                .map(|value| match value {
                    Literal::Text(text) => Some((path.as_str(), text.as_str())),
                    _ => None,
                })
                .collect(),
            Filter::Any { path, inner } if properties.contains(&path.as_str()) => {
                let values = inner.pinned(&[""])?;
                Some(values.into_iter().map(|(_, value)| (path.as_str(), value)).collect())
            }
            Filter::And(left, right) => left.pinned(properties).or_else(|| right.pinned(properties)),
            Filter::Or(left, right) => {
                let mut pairs = left.pinned(properties)?;
                pairs.extend(right.pinned(properties)?);
                Some(pairs)
            }
            _ => None,
        }
    }
}

/// A property, or a part of a complex one (`a/b`).
fn resolve(path: &str, value_of: &dyn Fn(&str) -> Value) -> Value {
    match path.split_once('/') {
        Some((root, rest)) => element(&value_of(root), rest),
        None => value_of(path),
    }
}

fn element(item: &Value, path: &str) -> Value {
    if path.is_empty() {
        return item.clone();
    }
    path.split('/').try_fold(item, |value, part| value.get(part)).cloned().unwrap_or(Value::Null)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_lowercase()
}

fn compare(held: &Value, operator: Operator, wanted: &Literal) -> bool {
    let equal = match (held, wanted) {
        (Value::Null, Literal::Null) => true,
        (Value::Bool(held), Literal::Bool(wanted)) => held == wanted,
        (Value::String(held), Literal::Text(wanted)) => held.to_lowercase() == wanted.to_lowercase(),
        (Value::Number(held), Literal::Text(wanted)) => held.to_string() == *wanted,
        _ => false,
    };
    match operator {
        Operator::Eq => equal,
        Operator::Ne => !equal,
        _ => {
            let (Value::String(held), Literal::Text(wanted)) = (held, wanted) else {
                return false;
            };
            let order = held.to_lowercase().cmp(&wanted.to_lowercase());
            match operator {
                Operator::Ge => order.is_ge(),
                Operator::Le => order.is_le(),
                Operator::Gt => order.is_gt(),
                _ => order.is_lt(),
            }
        }
    }
}

fn invalid(message: impl Into<String>) -> GraphError {
    GraphError::bad_request(format!("Invalid filter clause. {}", message.into()))
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Open,
    Close,
    Comma,
    Colon,
}

fn tokens(text: &str) -> GraphResult<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, used) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            ':' => (Token::Colon, 1),
            '\'' => quoted(rest)?,
            _ => word(rest)?,
        };
        tokens.push(token);
        rest = rest.get(used..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

fn quoted(rest: &str) -> GraphResult<(Token, usize)> {
    let mut value = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((place, char)) = chars.next() {
        if char != '\'' {
            value.push(char);
        } else if chars.peek().is_some_and(|(_, next)| *next == '\'') {
            value.push('\'');
            chars.next();
        } else {
            return Ok((Token::Quoted(value), place + 1));
        }
    }
    Err(invalid("There is an unterminated string literal."))
}

/// A name, keyword or bare literal. A literal that begins with a digit may hold colons (an instant).
fn word(rest: &str) -> GraphResult<(Token, usize)> {
    let literal = rest.starts_with(|c: char| c.is_ascii_digit());
    let belongs = |c: char| c.is_alphanumeric() || "_-./+".contains(c) || (literal && c == ':');
    let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
    if end == 0 {
        let shown: String = rest.chars().take(1).collect();
        return Err(invalid(format!("Syntax error: character '{shown}' is not valid.")));
    }
    Ok((Token::Word(rest[..end].to_owned()), end))
}

struct Parser {
    tokens: Vec<Token>,
    place: usize,
    /// The range variable of the `any` being read.
    variable: Option<String>,
}

impl Parser {
    fn shown(&self) -> String {
        format!("{:?}", self.tokens.get(self.place.saturating_sub(1)))
    }

    fn next(&mut self) -> GraphResult<Token> {
        let token = self.tokens.get(self.place).cloned().ok_or_else(|| invalid("The clause ends too early."))?;
        self.place += 1;
        Ok(token)
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let here = self.tokens.get(self.place) == Some(wanted);
        self.place += usize::from(here);
        here
    }

    fn expect(&mut self, wanted: &Token) -> GraphResult<()> {
        if self.take(wanted) { Ok(()) } else { Err(invalid(format!("Expected {wanted:?} behind {}.", self.shown()))) }
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let here = matches!(self.tokens.get(self.place), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.place += usize::from(here);
        here
    }

    fn or(&mut self) -> GraphResult<Filter> {
        let mut left = self.and()?;
        while self.take_word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> GraphResult<Filter> {
        let mut left = self.unary()?;
        while self.take_word("and") {
            left = Filter::And(Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> GraphResult<Filter> {
        if self.take_word("not") {
            return Ok(Filter::Not(Box::new(self.unary()?)));
        }
        if self.take(&Token::Open) {
            let inner = self.or()?;
            self.expect(&Token::Close)?;
            return Ok(inner);
        }
        self.clause()
    }

    fn clause(&mut self) -> GraphResult<Filter> {
        let Token::Word(name) = self.next()? else {
            return Err(invalid("A property name was expected."));
        };
        if self.take(&Token::Open) {
            return self.function(&name);
        }
        let path = self.path(&name);
        let Token::Word(operator) = self.next()? else {
            return Err(invalid("An operator was expected."));
        };
        let operator = match operator.to_ascii_lowercase().as_str() {
            "in" => return self.membership(path),
            "eq" => Operator::Eq,
            "ne" => Operator::Ne,
            "ge" => Operator::Ge,
            "le" => Operator::Le,
            "gt" => Operator::Gt,
            "lt" => Operator::Lt,
            other => return Err(invalid(format!("Unknown operator '{other}'."))),
        };
        Ok(Filter::Compare { path, operator, value: self.literal()? })
    }

    fn function(&mut self, name: &str) -> GraphResult<Filter> {
        if let Some(path) = name.strip_suffix("/any") {
            let path = self.path(path);
            let Token::Word(variable) = self.next()? else {
                return Err(invalid("A range variable was expected."));
            };
            self.expect(&Token::Colon)?;
            let outer = self.variable.replace(variable);
            let inner = self.or()?;
            self.variable = outer;
            self.expect(&Token::Close)?;
            return Ok(Filter::Any { path, inner: Box::new(inner) });
        }
        let Token::Word(property) = self.next()? else {
            return Err(invalid("A property name was expected."));
        };
        let path = self.path(&property);
        self.expect(&Token::Comma)?;
        let Literal::Text(value) = self.literal()? else {
            return Err(invalid("A string literal was expected."));
        };
        self.expect(&Token::Close)?;
        match name.to_ascii_lowercase().as_str() {
            "startswith" => Ok(Filter::StartsWith { path, value }),
            "endswith" => Ok(Filter::EndsWith { path, value }),
            other => Err(GraphError::unsupported_query(format!("The function '{other}' is not supported in $filter."))),
        }
    }

    fn membership(&mut self, path: String) -> GraphResult<Filter> {
        self.expect(&Token::Open)?;
        let mut values = vec![self.literal()?];
        while self.take(&Token::Comma) {
            values.push(self.literal()?);
        }
        self.expect(&Token::Close)?;
        Ok(Filter::In { path, values })
    }

    fn literal(&mut self) -> GraphResult<Literal> {
        match self.next()? {
            Token::Quoted(text) => Ok(Literal::Text(text)),
            Token::Word(word) => Ok(match word.as_str() {
                "null" => Literal::Null,
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                _ => Literal::Text(word),
            }),
            _ => Err(invalid("A literal was expected.")),
        }
    }

    /// A path with the range variable taken off.
    fn path(&self, name: &str) -> String {
        match &self.variable {
            Some(variable) if name == variable => String::new(),
            Some(variable) => {
                let relative = name.strip_prefix(variable.as_str()).and_then(|rest| rest.strip_prefix('/'));
                relative.unwrap_or(name).to_owned()
            }
            None => name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(filter: &str, expected: bool) {
        let object = json!({
            "id": "a",
            "mail": "Ann@Contoso.com",
            "accountEnabled": true,
            "jobTitle": null,
            "proxyAddresses": ["SMTP:ann@contoso.com", "smtp:a@contoso.com"],
            "assignedLicenses": [{"skuId": "6bf85cfa-ac8a-4be5-b5de-425a0d0dc016"}],
            "displayName": "O'Neil",
        });
        let parsed = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {}", error.message));
        assert_eq!(parsed.matches(&|name| object[name].clone()), expected, "{filter}");
    }

    #[test]
    fn filters_evaluate() {
        check("mail eq 'ann@contoso.com'", true);
        check("mail ne 'ann@contoso.com'", false);
        check("displayName eq 'o''neil'", true);
        check("accountEnabled eq true and startsWith(mail,'ann@')", true);
        check("accountEnabled eq false or endswith(mail, '.com')", true);
        check("proxyAddresses/any(x:x eq 'smtp:A@contoso.com')", true);
        check("proxyAddresses/any(p:startswith(p,'smtp:zz'))", false);
        check("assignedLicenses/any(s:s/skuId eq 6bf85cfa-ac8a-4be5-b5de-425a0d0dc016)", true);
        check("mail in ('x@y', 'ann@contoso.com')", true);
        check("jobTitle eq null", true);
        check("not (mail eq 'x')", true);
        check("mail eq 'x' or mail eq 'y' and accountEnabled eq true", false);
    }

    #[test]
    fn broken_filters_are_refused() {
        for broken in
            ["mail eq", "mail like 'x'", "mail eq 'x", "(mail eq 'x'", "mail eq 'x' mail", "contains(mail,'x')", "{"]
        {
            assert!(Filter::parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn index_values_are_found() {
        let filter =
            Filter::parse("proxyAddresses/any(x:x eq 'SMTP:a@b') or proxyAddresses/any(x:x eq 'SMTP:c@d')").unwrap();
        let pairs = vec![("proxyAddresses", "SMTP:a@b"), ("proxyAddresses", "SMTP:c@d")];
        assert_eq!(filter.pinned(&["mail", "proxyAddresses"]), Some(pairs));
        assert_eq!(filter.pinned(&["mail"]), None);
        let filter = Filter::parse("accountEnabled eq true and (mail eq 'a@b' or id in ('c'))").unwrap();
        assert_eq!(filter.pinned(&["mail", "id"]), Some(vec![("mail", "a@b"), ("id", "c")]));
        assert_eq!(filter.pinned(&["mail"]), None);
    }
}
