//! Cuts the text of an expression into tokens. Reports everything it cannot read and goes on behind it.

use super::ExpressionProblem;
use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Attribute(String),
    Parameter(String),
    Variable(String),
    Identifier(String),
    Text(String),
    /// Without its sign; wide enough for the most negative number.
    Number(i128),
    Operator(&'static str),
    Open,
    Close,
    Comma,
}

pub(crate) type Spanned = (Token, Range<usize>);

/// All tokens, and all problems met on the way.
pub(crate) fn tokens(text: &str) -> (Vec<Spanned>, Vec<ExpressionProblem>) {
    let mut lexer = Lexer { text, chars: text.char_indices().peekable(), tokens: Vec::new(), problems: Vec::new() };
    while let Some((start, character)) = lexer.chars.next() {
        lexer.token(start, character);
    }
    (lexer.tokens, lexer.problems)
}

struct Lexer<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    tokens: Vec<Spanned>,
    problems: Vec<ExpressionProblem>,
}

impl Lexer<'_> {
    fn position(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |(offset, _)| *offset)
    }

    fn push(&mut self, token: Token, start: usize) {
        let end = self.position();
        self.tokens.push((token, start..end));
    }

    fn problem(&mut self, code: &'static str, message: impl Into<String>, start: usize, help: &str) {
        let end = self.position();
        self.problems.push(ExpressionProblem {
            code,
            message: message.into(),
            span: start..end,
            help: help.to_owned(),
        });
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some((_, character)) = self.chars.next_if(|(_, c)| wanted(*c)) {
            taken.push(character);
        }
        taken
    }

    fn next_is(&mut self, wanted: char) -> bool {
        self.chars.next_if(|(_, c)| *c == wanted).is_some()
    }

    /// Whether a value has just ended, so that `&H...` here is a concatenation and no hexadecimal number.
    fn after_value(&self) -> bool {
        !matches!(self.tokens.last(), None | Some((Token::Operator(_) | Token::Open | Token::Comma, _)))
    }

    fn token(&mut self, start: usize, character: char) {
        match character {
            space if space.is_whitespace() => {}
            '(' => self.push(Token::Open, start),
            ')' => self.push(Token::Close, start),
            ',' => self.push(Token::Comma, start),
            '[' => self.bracketed(start),
            '%' => self.parameter(start),
            '"' => self.quoted(start),
            '$' => {
                let name = self.take_while(|c| c.is_alphanumeric() || c == '_');
                if name.is_empty() {
                    self.problem("expression-syntax", "a variable has a name", start, "write for example `$item`");
                } else {
                    self.push(Token::Variable(name), start);
                }
            }
            '&' if self.next_is('&') => self.push(Token::Operator("&&"), start),
            '&' if !self.after_value() && self.hexadecimal_follows() => self.hexadecimal(start),
            '&' => self.push(Token::Operator("&"), start),
            '|' if self.next_is('|') => self.push(Token::Operator("||"), start),
            '<' if self.next_is('>') => self.push(Token::Operator("<>"), start),
            '<' if self.next_is('=') => self.push(Token::Operator("<="), start),
            '>' if self.next_is('=') => self.push(Token::Operator(">="), start),
            '<' => self.push(Token::Operator("<"), start),
            '>' => self.push(Token::Operator(">"), start),
            '=' if self.next_is('=') => {
                self.problem("expression-syntax", "there is no operator `==`", start, "write `=`");
                self.push(Token::Operator("="), start);
            }
            '!' if self.next_is('=') => {
                self.problem("expression-syntax", "there is no operator `!=`", start, "write `<>`");
                self.push(Token::Operator("<>"), start);
            }
            '=' => self.push(Token::Operator("="), start),
            '/' => self.problem(
                "expression-syntax",
                "there is no operator `/`",
                start,
                "numbers are whole and are not divided; BitAnd and DateAdd serve most of what one divides for",
            ),
            '+' => self.push(Token::Operator("+"), start),
            '-' => self.push(Token::Operator("-"), start),
            '*' => self.push(Token::Operator("*"), start),
            digit if digit.is_ascii_digit() => self.number(start, digit),
            letter if letter.is_alphabetic() || letter == '_' => {
                let mut name = String::from(letter);
                name.push_str(&self.take_while(|c| c.is_alphanumeric() || c == '_'));
                self.push(Token::Identifier(name), start);
            }
            '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2018}' | '\u{2019}' | '\'' => self.problem(
                "expression-syntax",
                format!("`{character}` does not quote a text"),
                start,
                "write straight double quotes: \"text\"",
            ),
            other => self.problem(
                "expression-syntax",
                format!("`{}` has no meaning here", other.escape_debug()),
                start,
                "operators are < <= = <> >= > + - * & && ||; texts stand in double quotes, attributes in [brackets]",
            ),
        }
    }

    fn bracketed(&mut self, start: usize) {
        let name = self.take_while(|c| c != ']' && c != '[' && c != '"' && c != ')' && c != '(');
        let known = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ';');
        if !self.next_is(']') {
            self.problem("expression-syntax", "the bracket of this attribute is not closed", start, "write `[name]`");
        } else if name.is_empty() || !name.chars().all(known) {
            self.problem(
                "expression-syntax",
                format!("`{}` is not an attribute name", name.escape_debug()),
                start,
                "a name holds letters, digits, `-` and `_`, without spaces",
            );
        } else {
            self.push(Token::Attribute(name), start);
        }
    }

    fn parameter(&mut self, start: usize) {
        let name = self.take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if self.next_is('%') && !name.is_empty() {
            self.push(Token::Parameter(name), start);
        } else {
            self.problem("expression-syntax", "this is not a parameter", start, "write for example `%Domain.FQDN%`");
        }
    }

    /// X5: a backslash escapes; a doubled quote is one quote.
    fn quoted(&mut self, start: usize) {
        let mut text = String::new();
        loop {
            match self.chars.next() {
                None => {
                    let help = "close it with a double quote";
                    return self.problem("expression-syntax", "this text is not closed", start, help);
                }
                Some((_, '"')) if self.next_is('"') => text.push('"'),
                Some((_, '"')) => return self.push(Token::Text(text), start),
                Some((escape, '\\')) => match self.chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, same @ ('\\' | '"'))) => text.push(same),
                    Some((_, other)) => self.problem(
                        "expression-syntax",
                        format!("there is no escape `\\{}`", other.escape_debug()),
                        escape,
                        "a backslash itself is written twice; the others are \\n \\r \\t \\\"",
                    ),
                    None => {}
                },
                Some((_, plain)) => text.push(plain),
            }
        }
    }

    fn hexadecimal_follows(&mut self) -> bool {
        let rest = &self.text[self.position()..];
        let mut rest = rest.chars();
        matches!(rest.next(), Some('H' | 'h')) && rest.next().is_some_and(|c| c.is_ascii_hexdigit())
    }

    fn hexadecimal(&mut self, start: usize) {
        self.chars.next();
        let digits = self.take_while(|c| c.is_alphanumeric() || c == '_');
        match u64::from_str_radix(&digits, 16) {
            // Sixteen digits reach the sign bit: the pattern counts, as in VBA.
            Ok(pattern) => self.push(Token::Number(i128::from(pattern.cast_signed())), start),
            Err(_) => self.problem(
                "expression-syntax",
                format!("`&H{digits}` is not a hexadecimal number"),
                start,
                "up to 16 digits 0-9 and A-F follow &H",
            ),
        }
    }

    fn number(&mut self, start: usize, first: char) {
        let mut digits = String::from(first);
        digits.push_str(&self.take_while(|c| c.is_alphanumeric() || c == '.' || c == '_'));
        match digits.parse::<i128>() {
            Ok(number) if digits.bytes().all(|byte| byte.is_ascii_digit()) && number <= 1 << 63 => {
                self.push(Token::Number(number), start);
            }
            _ => self.problem(
                "expression-syntax",
                format!("`{digits}` is not a whole number of at most 64 bits"),
                start,
                "numbers are whole: 512 or &H200",
            ),
        }
    }
}
