//! Builds the syntax tree: tiers `+ - * &` over comparison over `&&` over `||` (X7), calls, literals. Checks names of
//! functions, counts of arguments and the scope of variables; types are checked in `types`.

use super::data::Data;
use super::functions::{self, Accepts};
use super::lexer::{Spanned, Token, tokens};
use super::syntax::{Node, NodeKind};
use super::vocabulary::{AND, ARITHMETIC, COMPARISONS, LITERALS, OR};
use super::{ExpressionProblem, MAX_EXPRESSION_DEPTH, MAX_EXPRESSION_LENGTH};
use crate::suggest::did_you_mean;
use metaverse_schema::AttributeName;
use std::ops::Range;
use std::sync::Arc;

/// The syntax tree, and the attributes in brackets in the order of their first appearance.
pub(crate) struct Tree {
    pub(crate) root: Node,
    pub(crate) reads: Vec<AttributeName>,
}

pub(crate) fn parse(text: &str) -> Result<Tree, Vec<ExpressionProblem>> {
    if text.len() > MAX_EXPRESSION_LENGTH {
        return Err(vec![ExpressionProblem {
            code: "expression-too-long",
            message: format!("an expression has at most {MAX_EXPRESSION_LENGTH} bytes, this one has {}", text.len()),
            span: 0..text.len(),
            help: "split it into several flows".to_owned(),
        }]);
    }
    let (tokens, problems) = tokens(text);
    let end = text.len();
    let mut parser = Parser { tokens, next: 0, end, depth: 0, variables: Vec::new(), reads: Vec::new(), problems };
    // After an unreadable token the rest would be reported for the wrong reason.
    let readable = parser.problems.is_empty();
    let root = if readable { parser.whole() } else { None };
    parser.problems.sort_by_key(|problem| problem.span.start);
    match root {
        Some(root) if parser.problems.is_empty() => Ok(Tree { root, reads: parser.reads }),
        _ => Err(parser.problems),
    }
}

struct Parser {
    tokens: Vec<Spanned>,
    next: usize,
    end: usize,
    depth: usize,
    /// Variables in scope, innermost last.
    variables: Vec<String>,
    /// Attributes in brackets, each once.
    reads: Vec<AttributeName>,
    problems: Vec<ExpressionProblem>,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn span_here(&self) -> Range<usize> {
        self.tokens.get(self.next).map_or(self.end..self.end, |(_, span)| span.clone())
    }

    fn last_end(&self) -> usize {
        let last = self.next.checked_sub(1).and_then(|index| self.tokens.get(index));
        last.map_or(0, |(_, span)| span.end)
    }

    fn report(&mut self, code: &'static str, message: impl Into<String>, span: Range<usize>, help: impl Into<String>) {
        self.problems.push(ExpressionProblem { code, message: message.into(), span, help: help.into() });
    }

    fn attribute(&mut self, name: &str) -> NodeKind {
        let position = self.reads.iter().position(|read| *read == *name).unwrap_or_else(|| {
            self.reads.push(AttributeName::new(name));
            self.reads.len() - 1
        });
        NodeKind::Attribute(self.reads[position].clone(), position)
    }

    fn expected(&mut self, what: &str) {
        let span = self.span_here();
        let found = if span.start == self.end { "the expression ends here" } else { "this does not fit here" };
        self.report("expression-syntax", format!("{found}; {what} is expected"), span, format!("write {what}"));
    }

    fn whole(&mut self) -> Option<Node> {
        if self.tokens.is_empty() {
            let help = "write an attribute in [brackets], a text in \"quotes\" or a function; for no value write NULL";
            self.report("expression-syntax", "the expression is empty", 0..self.end, help);
            return None;
        }
        let root = self.any()?;
        if self.next < self.tokens.len() {
            self.expected("an operator or the end");
            return None;
        }
        Some(root)
    }

    fn operator(&mut self, wanted: &str) -> bool {
        let hit = matches!(self.peek(), Some(Token::Operator(operator)) if *operator == wanted);
        self.next += usize::from(hit);
        hit
    }

    /// The operator that stands here, when it is one of this table.
    fn one_of<T>(
        &mut self,
        table: &'static [(&'static str, T, &'static str)],
    ) -> Option<&'static (&'static str, T, &'static str)> {
        let Some(Token::Operator(operator)) = self.peek() else {
            return None;
        };
        let found = table.iter().find(|(symbol, ..)| symbol == operator)?;
        self.next += 1;
        Some(found)
    }

    fn any(&mut self) -> Option<Node> {
        let nodes = self.chain(Parser::all, OR.0)?;
        Some(flat(nodes, NodeKind::Any))
    }

    fn all(&mut self) -> Option<Node> {
        let nodes = self.chain(Parser::comparison, AND.0)?;
        Some(flat(nodes, NodeKind::All))
    }

    fn chain(&mut self, part: fn(&mut Parser) -> Option<Node>, operator: &str) -> Option<Vec<Node>> {
        let mut nodes = vec![part(self)?];
        while self.operator(operator) {
            nodes.push(part(self)?);
        }
        Some(nodes)
    }

    fn comparison(&mut self) -> Option<Node> {
        let first = self.arithmetic()?;
        let mut rest = Vec::new();
        while let Some((_, comparison, _)) = self.one_of(&COMPARISONS) {
            rest.push((*comparison, self.arithmetic()?));
        }
        Some(self.tier(first, rest, NodeKind::Comparison))
    }

    fn arithmetic(&mut self) -> Option<Node> {
        let first = self.signed()?;
        let mut rest = Vec::new();
        while let Some((_, arithmetic, _)) = self.one_of(&ARITHMETIC) {
            rest.push((*arithmetic, self.signed()?));
        }
        Some(self.tier(first, rest, NodeKind::Arithmetic))
    }

    fn tier<T>(&self, first: Node, rest: Vec<T>, build: fn(Box<Node>, Vec<T>) -> NodeKind) -> Node {
        if rest.is_empty() {
            return first;
        }
        let span = first.span.start..self.last_end();
        Node { kind: build(Box::new(first), rest), span }
    }

    /// X4: a minus before a number belongs to the number, so that the most negative one can be written.
    fn signed(&mut self) -> Option<Node> {
        let start = self.span_here().start;
        if !self.operator("-") {
            return self.primary();
        }
        if let Some(Token::Number(number)) = self.peek() {
            let number = -*number;
            self.next += 1;
            return self.integer(number, start..self.last_end());
        }
        self.enter()?;
        let inner = self.signed();
        self.depth -= 1;
        Some(Node { kind: NodeKind::Negate(Box::new(inner?)), span: start..self.last_end() })
    }

    fn integer(&mut self, number: i128, span: Range<usize>) -> Option<Node> {
        match i64::try_from(number) {
            Ok(number) => Some(Node { kind: NodeKind::Literal(Data::integer(number)), span }),
            Err(_) => {
                let help = "numbers lie between -9223372036854775808 and 9223372036854775807";
                self.report("expression-syntax", format!("{number} does not fit into 64 bits"), span, help);
                None
            }
        }
    }

    fn enter(&mut self) -> Option<()> {
        if self.depth >= MAX_EXPRESSION_DEPTH {
            let span = self.span_here();
            let message = format!("calls and parentheses are nested deeper than {MAX_EXPRESSION_DEPTH}");
            self.report("expression-too-deep", message, span, "split it into several flows, or use Switch");
            return None;
        }
        self.depth += 1;
        Some(())
    }

    fn primary(&mut self) -> Option<Node> {
        let span = self.span_here();
        let Some(token) = self.peek().cloned() else {
            self.expected("a value");
            return None;
        };
        self.next += 1;
        let kind = match token {
            Token::Attribute(name) => self.attribute(&name),
            Token::Parameter(name) => NodeKind::Parameter(Arc::from(name)),
            Token::Variable(name) => {
                if !self.variables.contains(&name) {
                    let help = "With, Select and Where declare a variable as their first argument";
                    self.report(
                        "expression-unknown-variable",
                        format!("the variable `${name}` is not declared here"),
                        span.clone(),
                        help,
                    );
                }
                NodeKind::Variable(Arc::from(name))
            }
            Token::Text(text) => NodeKind::Literal(Data::text(text)),
            Token::Number(number) => return self.integer(number, span),
            Token::Open => {
                self.enter()?;
                let inner = self.any();
                self.depth -= 1;
                let inner = inner?;
                self.close("`)`")?;
                return Some(inner);
            }
            Token::Identifier(name) if self.peek() == Some(&Token::Open) => return self.call(name, span),
            Token::Identifier(name) => return self.literal(name, span),
            Token::Operator(_) | Token::Close | Token::Comma => {
                self.next -= 1;
                self.expected("a value");
                return None;
            }
        };
        Some(Node { kind, span })
    }

    fn close(&mut self, what: &str) -> Option<()> {
        if self.peek() == Some(&Token::Close) {
            self.next += 1;
            Some(())
        } else {
            self.expected(what);
            None
        }
    }

    fn literal(&mut self, name: String, span: Range<usize>) -> Option<Node> {
        let data = match LITERALS.iter().find(|literal| literal.word == name) {
            Some(literal) => (literal.data)(),
            None => {
                let help = match functions::find(&name) {
                    Some(_) => format!("`{name}` is a function: write `{name}(...)`"),
                    None => match crate::suggest::nearest(&name, LITERALS.iter().map(|literal| literal.word)) {
                        Some(literal) => format!("did you mean `{literal}`? Names are case-sensitive"),
                        None => format!("an attribute is written `[{name}]`, a text `\"{name}\"`"),
                    },
                };
                self.report("expression-unknown-word", format!("`{name}` is not a value"), span.clone(), help);
                Data::Null
            }
        };
        Some(Node { kind: NodeKind::Literal(data), span })
    }

    fn call(&mut self, name: String, name_span: Range<usize>) -> Option<Node> {
        self.enter()?;
        self.next += 1;
        let function = functions::find(&name);
        if function.is_none() {
            let help = did_you_mean(&name, functions::all().iter().map(|function| function.name));
            let message = format!("there is no function `{name}`; names are case-sensitive");
            self.report("expression-unknown-function", message, name_span.clone(), help);
        }
        let declared_before = self.variables.len();
        let mut arguments = Vec::new();
        if self.peek() != Some(&Token::Close) {
            loop {
                let accepts = function.and_then(|function| function.parameter(arguments.len())).map(|p| p.accepts);
                let argument = self.argument(accepts, function.is_none());
                arguments.push(argument?);
                if self.peek() != Some(&Token::Comma) {
                    break;
                }
                self.next += 1;
            }
        }
        self.close("`,` or `)`")?;
        self.depth -= 1;
        self.variables.truncate(declared_before);
        let span = name_span.start..self.last_end();
        // The rest of an expression with an unknown function is still read, for its other mistakes.
        let Some(function) = function else {
            return Some(Node { kind: NodeKind::Literal(Data::Null), span });
        };
        if let Some(message) = function.wrong_count(arguments.len()) {
            let help = format!("write {}", function.signature());
            self.report("expression-argument-count", message, span.clone(), help);
        }
        Some(Node { kind: NodeKind::Call { function, arguments }, span })
    }

    fn argument(&mut self, accepts: Option<Accepts>, unknown_function: bool) -> Option<Node> {
        let span = self.span_here();
        match (accepts, self.peek().cloned()) {
            (Some(Accepts::Variable), Some(Token::Variable(name))) => {
                self.next += 1;
                self.variables.push(name.clone());
                Some(Node { kind: NodeKind::Variable(Arc::from(name)), span })
            }
            (Some(Accepts::Variable), _) => {
                let help = "the first argument declares a variable, for example `$item`";
                self.report("expression-type-mismatch", "a variable is expected here", span, help);
                self.any()
            }
            (Some(Accepts::Name), Some(Token::Text(name))) => {
                self.next += 1;
                Some(Node { kind: NodeKind::Name(AttributeName::new(name)), span })
            }
            (Some(Accepts::Name), _) => {
                let help = "write the attribute's name as a text: \"member\"";
                self.report("expression-type-mismatch", "an attribute name in quotes is expected here", span, help);
                self.any()
            }
            // The public reference writes the option of DNComponentRev in quotes.
            (Some(Accepts::Word(words)), Some(Token::Identifier(name) | Token::Text(name))) => {
                self.next += 1;
                if !words.contains(&name.as_str()) {
                    let help = did_you_mean(&name, words.iter().copied());
                    let message = format!("`{name}` is not one of the choices here");
                    self.report("expression-unknown-word", message, span.clone(), help);
                }
                Some(Node { kind: NodeKind::Word(Arc::from(name)), span })
            }
            (Some(Accepts::Word(words)), _) => {
                let help = format!("one of: {}", words.join(", "));
                self.report("expression-type-mismatch", "one of a choice of words is expected here", span, help);
                self.any()
            }
            // Inside a call of an unknown function a variable may be meant as a declaration.
            (None, Some(Token::Variable(name))) if unknown_function => {
                self.variables.push(name);
                self.any()
            }
            _ => self.any(),
        }
    }
}

fn flat(mut nodes: Vec<Node>, build: fn(Vec<Node>) -> NodeKind) -> Node {
    let span = nodes.first().map_or(0, |node| node.span.start)..nodes.last().map_or(0, |node| node.span.end);
    match nodes.len() {
        1 => nodes.remove(0),
        _ => Node { kind: build(nodes), span },
    }
}
