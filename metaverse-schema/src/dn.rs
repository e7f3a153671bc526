//! Distinguished names by RFC 4514: parsing with its escapes, printing, and the normal form for comparing.
//! Never asks a directory; a DN that cannot be parsed is an error, not a guess.

use std::fmt;
use std::str::FromStr;

/// A distinguished name; the first RDN is the object's own, the last one the root's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Dn(Vec<Rdn>);

/// A relative distinguished name: one or more `type=value` pairs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rdn(Vec<AttributeValueAssertion>);

/// `type=value` inside an RDN, the value unescaped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeValueAssertion {
    pub attribute: String,
    pub value: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnError {
    #[error("invalid-dn: `{dn}`: {problem} at character {position}")]
    Syntax { dn: String, position: usize, problem: &'static str },
}

impl Dn {
    pub fn root() -> Self {
        Dn(Vec::new())
    }

    pub fn from_rdns(rdns: Vec<Rdn>) -> Self {
        Dn(rdns)
    }

    /// The object's own RDN; none for the root.
    pub fn rdn(&self) -> Option<&Rdn> {
        self.0.first()
    }

    pub fn rdns(&self) -> &[Rdn] {
        &self.0
    }

    /// The container's DN; none for the root.
    pub fn parent(&self) -> Option<Dn> {
        if self.0.is_empty() { None } else { Some(Dn(self.0[1..].to_vec())) }
    }

    pub fn child(&self, rdn: Rdn) -> Dn {
        let mut rdns = vec![rdn];
        rdns.extend_from_slice(&self.0);
        Dn(rdns)
    }

    /// Whether this object stands somewhere below `ancestor`, or is it.
    pub fn is_within(&self, ancestor: &Dn) -> bool {
        let skip = self.0.len().checked_sub(ancestor.0.len());
        skip.is_some_and(|skip| self.0[skip..].iter().map(Rdn::normalised).eq(ancestor.0.iter().map(Rdn::normalised)))
    }

    /// Whether an object at `self` need not be renamed to stand at `other`: the same container, and its own name the same to
    /// the letter. The case of a name is part of it (SF27); how its containers are written is theirs.
    pub fn needs_no_rename_to(&self, other: &Dn) -> bool {
        let own = |dn: &Dn| dn.rdn().map(|rdn| rdn.folded(str::to_owned));
        own(self) == own(other) && self.parent().map(|dn| dn.normalised()) == other.parent().map(|dn| dn.normalised())
    }

    /// The form in which DNs are compared: types and values in lower case, spaces folded, escapes uniform.
    pub fn normalised(&self) -> String {
        self.0.iter().map(Rdn::normalised).collect::<Vec<_>>().join(",")
    }
}

impl Rdn {
    pub fn new(attribute: impl Into<String>, value: impl Into<String>) -> Self {
        Rdn(vec![AttributeValueAssertion { attribute: attribute.into(), value: value.into() }])
    }

    pub fn assertions(&self) -> &[AttributeValueAssertion] {
        &self.0
    }

    /// The value of the first pair, unescaped: `Smith, Ann` for `CN=Smith\, Ann`.
    pub fn value(&self) -> &str {
        self.0.first().map_or("", |assertion| assertion.value.as_str())
    }

    /// Lower case, inner runs of spaces as one, pairs of a multi-valued RDN in order.
    pub fn normalised(&self) -> String {
        self.folded(str::to_lowercase)
    }

    fn folded(&self, case: impl Fn(&str) -> String) -> String {
        let mut pairs: Vec<String> = self
            .0
            .iter()
            .map(|pair| {
                let value = case(&pair.value);
                let folded = value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
                format!("{}={}", pair.attribute.to_ascii_lowercase(), escape(&folded))
            })
            .collect();
        pairs.sort();
        pairs.join("+")
    }
}

/// Escapes one value as RFC 4514 section 2.4 asks, so that parsing gives it back.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (position, character) in value.chars().enumerate() {
        match character {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => escaped.extend(['\\', character]),
            ' ' if position == 0 || position == last => escaped.push_str("\\ "),
            '#' if position == 0 => escaped.push_str("\\#"),
            control if (control as u32) < 0x20 || control == '\u{7f}' => {
                escaped.push_str(&format!("\\{:02X}", control as u32));
            }
            plain => escaped.push(plain),
        }
    }
    escaped
}

impl fmt::Display for Rdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, pair) in self.0.iter().enumerate() {
            let plus = if position == 0 { "" } else { "+" };
            write!(f, "{plus}{}={}", pair.attribute, escape(&pair.value))?;
        }
        Ok(())
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, rdn) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(f, "{comma}{rdn}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for Rdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Dn {
    type Err = DnError;

    fn from_str(text: &str) -> Result<Self, DnError> {
        Parser { text, chars: text.char_indices().peekable() }.dn()
    }
}

impl FromStr for Rdn {
    type Err = DnError;

    fn from_str(text: &str) -> Result<Self, DnError> {
        let dn: Dn = text.parse()?;
        match <[Rdn; 1]>::try_from(dn.0) {
            Ok([rdn]) => Ok(rdn),
            Err(_) => Err(DnError::Syntax { dn: text.to_owned(), position: 0, problem: "one RDN is expected" }),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    chars: std::iter::Peekable<std::str::CharIndices<'a>>,
}

impl Parser<'_> {
    fn error(&mut self, problem: &'static str) -> DnError {
        let offset = self.chars.peek().map_or(self.text.len(), |(offset, _)| *offset);
        let position = self.text[..offset].chars().count() + 1;
        DnError::Syntax { dn: self.text.to_owned(), position, problem }
    }

    fn skip_spaces(&mut self) {
        while self.chars.next_if(|(_, character)| *character == ' ').is_some() {}
    }

    fn dn(mut self) -> Result<Dn, DnError> {
        let mut rdns = Vec::new();
        self.skip_spaces();
        if self.chars.peek().is_none() {
            return Ok(Dn(rdns));
        }
        loop {
            rdns.push(self.rdn()?);
            match self.chars.next() {
                None => return Ok(Dn(rdns)),
                // A semicolon separates RDNs in RFC 2253's older form; directories still return it.
                Some((_, ',' | ';')) => {}
                Some(_) => return Err(self.error("a comma is expected")),
            }
        }
    }

    fn rdn(&mut self) -> Result<Rdn, DnError> {
        let mut pairs = Vec::new();
        loop {
            self.skip_spaces();
            let mut attribute = String::new();
            while let Some((_, character)) =
                self.chars.next_if(|(_, c)| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
            {
                attribute.push(character);
            }
            self.skip_spaces();
            if attribute.is_empty() {
                return Err(self.error("an attribute type is expected"));
            }
            if self.chars.next_if(|(_, character)| *character == '=').is_none() {
                return Err(self.error("`=` is expected"));
            }
            self.skip_spaces();
            let value = self.value()?;
            if value.is_empty() {
                return Err(self.error("the RDN has no value"));
            }
            pairs.push(AttributeValueAssertion { attribute, value });
            if self.chars.next_if(|(_, character)| *character == '+').is_none() {
                return Ok(Rdn(pairs));
            }
        }
    }

    fn value(&mut self) -> Result<String, DnError> {
        if self.chars.next_if(|(_, character)| *character == '"').is_some() {
            return self.quoted();
        }
        let mut bytes: Vec<u8> = Vec::new();
        // Length up to the last character that is not an unescaped space: those at the end do not count.
        let mut significant = 0;
        while let Some((_, character)) = self.chars.next_if(|(_, c)| !matches!(c, ',' | '+' | ';')) {
            match character {
                '\\' => self.escaped(&mut bytes)?,
                '"' | '<' | '>' => return Err(self.error("this character must be escaped before here")),
                plain => bytes.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            if character != ' ' {
                significant = bytes.len();
            }
        }
        bytes.truncate(significant);
        String::from_utf8(bytes).map_err(|_| self.error("the escaped bytes are not UTF-8"))
    }

    fn quoted(&mut self) -> Result<String, DnError> {
        let mut bytes: Vec<u8> = Vec::new();
        loop {
            match self.chars.next() {
                Some((_, '"')) => break,
                Some((_, '\\')) => self.escaped(&mut bytes)?,
                Some((_, plain)) => bytes.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes()),
                None => return Err(self.error("the quotation is not closed")),
            }
        }
        self.skip_spaces();
        String::from_utf8(bytes).map_err(|_| self.error("the escaped bytes are not UTF-8"))
    }

    /// After a backslash: two hexadecimal digits are one byte of UTF-8, anything else stands for itself.
    fn escaped(&mut self, bytes: &mut Vec<u8>) -> Result<(), DnError> {
        let Some((_, first)) = self.chars.next() else {
            return Err(self.error("nothing follows the backslash"));
        };
        if let Some(high) = first.to_digit(16) {
            let low = self.chars.next().and_then(|(_, second)| second.to_digit(16));
            let Some(low) = low else {
                return Err(self.error("two hexadecimal digits must follow the backslash"));
            };
            bytes.push((high << 4 | low) as u8);
        } else {
            bytes.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expect: Expect) {
        let seen = match text.parse::<Dn>() {
            Ok(dn) => {
                assert_eq!(dn.to_string().parse::<Dn>().as_ref(), Ok(&dn), "printing and parsing gives the DN back");
                format!("{dn} | {} | {}", dn.normalised(), dn.rdn().map_or("", Rdn::value))
            }
            Err(error) => error.to_string(),
        };
        expect.assert_eq(&seen);
    }

    #[test]
    fn a_change_of_case_is_a_rename_and_the_containers_spelling_is_not() {
        let dn = |text: &str| text.parse::<Dn>().unwrap();
        let at = dn("CN=Ann  Lee,OU=Sales,DC=x");
        assert!(at.needs_no_rename_to(&dn("cn=Ann Lee,ou=sales,dc=X")));
        for other in ["CN=ann lee,OU=Sales,DC=x", "CN=Ann Lee,OU=Other,DC=x", "CN=Ann,OU=Sales,DC=x"] {
            assert!(!at.needs_no_rename_to(&dn(other)), "{other}");
        }
    }

    #[test]
    fn escapes_of_rfc_4514() {
        check(
            r"CN=Smith\, Ann \2B Co,OU=R&D,DC=corp,DC=example",
            expect![
                r"CN=Smith\, Ann \+ Co,OU=R&D,DC=corp,DC=example | cn=smith\, ann \+ co,ou=r&d,dc=corp,dc=example | Smith, Ann + Co"
            ],
        );
        check(r"CN=Lu\C4\8Di\C4\87", expect!["CN=Lučić | cn=lučić | Lučić"]);
        check(r"CN=\ both \ ,O=x", expect![r"CN=\ both \ ,O=x | cn=both,o=x |  both  "]);
        check(
            "OU=Sales + CN=J.  Smith , O=Widget Inc.",
            expect!["OU=Sales+CN=J.  Smith,O=Widget Inc. | cn=j. smith+ou=sales,o=widget inc. | Sales"],
        );
        check(
            r"CN=Ann\0ADEL:1b,CN=Deleted Objects,DC=x",
            expect![[r#"
                CN=Ann\0ADEL:1b,CN=Deleted Objects,DC=x | cn=ann\0Adel:1b,cn=deleted objects,dc=x | Ann
                DEL:1b"#]],
        );
        check(r##"CN="a, b",DC=x"##, expect![r"CN=a\, b,DC=x | cn=a\, b,dc=x | a, b"]);
        check("", expect![" |  | "]);
    }

    #[test]
    fn malformed_names_say_where() {
        check("CN", expect!["invalid-dn: `CN`: `=` is expected at character 3"]);
        check("CN=a,,DC=x", expect!["invalid-dn: `CN=a,,DC=x`: an attribute type is expected at character 6"]);
        check(r"CN=a\", expect![r"invalid-dn: `CN=a\`: nothing follows the backslash at character 6"]);
        check(
            r"CN=a\4",
            expect![r"invalid-dn: `CN=a\4`: two hexadecimal digits must follow the backslash at character 7"],
        );
        check("CN=,DC=x", expect!["invalid-dn: `CN=,DC=x`: the RDN has no value at character 4"]);
        check(r"CN=\FF", expect![r"invalid-dn: `CN=\FF`: the escaped bytes are not UTF-8 at character 7"]);
    }

    #[test]
    fn within_ignores_case() {
        let dn: Dn = "CN=a,OU=Sales,DC=Corp".parse().unwrap();
        assert!(dn.is_within(&"ou=sales,dc=corp".parse().unwrap()));
        assert!(dn.is_within(&dn));
        assert!(!dn.is_within(&"OU=Other,DC=Corp".parse().unwrap()));
        assert!(!"DC=Corp".parse::<Dn>().unwrap().is_within(&dn));
    }
}
