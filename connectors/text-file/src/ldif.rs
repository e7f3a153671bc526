//! LDIF by RFC 2849: reads records and change records, writes content records. Never fetches a URL, never guesses at a
//! line it does not understand: the record is reported with its file and line.

use crate::input::{broken, cannot_start};
use crate::record::{Modification, ModificationKind, Problem, RawChange, RawRecord, Reading, problem};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connector_contract::ConnectorError;
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};

/// Longest record in bytes: a group of half a million members. Bounds what a broken file can take of memory.
const RECORD_LIMIT: usize = 64 << 20;
/// Characters of a written line, its leading space included (RFC 2849 note 10 folds at 76).
const LINE_WIDTH: usize = 76;

pub(crate) struct LdifReader {
    input: Box<dyn BufRead>,
    path: PathBuf,
    line: u64,
    started: bool,
}

/// An unfolded line and the number of its first physical line.
type Line = (u64, Vec<u8>);

/// The lines up to the empty line that ends a record.
struct Block {
    lines: Vec<Line>,
    ended_by_empty_line: bool,
    too_long: bool,
}

impl LdifReader {
    pub(crate) fn new(input: Box<dyn BufRead>, path: &Path) -> Self {
        LdifReader { input, path: path.to_owned(), line: 0, started: false }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Reading>, ConnectorError> {
        loop {
            let mut block = self.block().map_err(|error| broken(&self.path, &error))?;
            if !self.started && !block.lines.is_empty() {
                self.started = true;
                self.take_version(&mut block)?;
            }
            let Some((line, first)) = block.lines.first() else {
                if block.ended_by_empty_line {
                    continue;
                }
                return Ok(None);
            };
            let line = *line;
            let name = String::from_utf8_lossy(first).into_owned();
            let bad = |problem: Problem, line: u64, dn: Option<&str>| {
                Ok(Some(Reading::Bad(problem.at(&self.path, line, dn))))
            };
            if block.too_long {
                let message = format!("a record has more than {RECORD_LIMIT} bytes");
                return bad(problem("read-error", message), line, None);
            }
            if !block.ended_by_empty_line {
                // SF15: a file that was cut, perhaps inside a value, and one whose writer forgot the last empty line look the same.
                let message =
                    "the file ends inside this record: it was cut, or lacks the empty line that ends a record";
                return bad(problem("read-error", message), line, None);
            }
            // What ldapsearch without -LLL writes after the entries.
            if name.starts_with("ref:") || name.starts_with("search:") {
                match unfinished_search(&block.lines) {
                    Some(found) => return bad(found, line, None),
                    None => continue,
                }
            }
            return match parse_record(&block.lines) {
                Ok(record) => Ok(Some(Reading::Record(record))),
                Err((found, line, dn)) => bad(found, line, dn.as_deref()),
            };
        }
    }

    fn take_version(&self, block: &mut Block) -> Result<(), ConnectorError> {
        let text = block.lines.first().map(|(_, line)| String::from_utf8_lossy(line).into_owned());
        let Some(version) = text.as_deref().and_then(|line| line.strip_prefix("version:")) else {
            return Ok(());
        };
        if version.trim() != "1" {
            let found = format!("says LDIF version {}", version.trim());
            return Err(cannot_start(&self.path, "no-start-file-format", &found, "write version: 1 (RFC 2849)"));
        }
        block.lines.remove(0);
        Ok(())
    }

    fn block(&mut self) -> io::Result<Block> {
        let mut block = Block { lines: Vec::new(), ended_by_empty_line: false, too_long: false };
        let (mut size, mut in_comment) = (0, false);
        loop {
            let mut line = Vec::new();
            let limit = RECORD_LIMIT as u64 + 1;
            if self.input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
                return Ok(block);
            }
            self.line += 1;
            let terminated = line.pop_if(|byte| *byte == b'\n').is_some();
            line.pop_if(|byte| *byte == b'\r');
            if line.is_empty() {
                if block.lines.is_empty() && terminated {
                    in_comment = false;
                    continue;
                }
                block.ended_by_empty_line = true;
                return Ok(block);
            }
            size += line.len();
            block.too_long |= size > RECORD_LIMIT;
            match line.first() {
                Some(b'#') => in_comment = true,
                Some(b' ') if in_comment => {}
                _ if block.too_long && !block.lines.is_empty() => {}
                Some(b' ') if !block.lines.is_empty() => {
                    block
                        .lines
                        .iter_mut()
                        .next_back()
                        .into_iter()
                        .for_each(|(_, last)| last.extend_from_slice(&line[1..]));
                }
                _ => {
                    in_comment = false;
                    block.lines.push((self.line, line));
                }
            }
        }
    }
}

/// `result: 4 Size limit exceeded` at the end of ldapsearch output: entries are missing.
fn unfinished_search(lines: &[Line]) -> Option<Problem> {
    let result = lines.iter().find_map(|(_, line)| line.strip_prefix(b"result:"))?;
    let result = String::from_utf8_lossy(result).trim().to_owned();
    let complete = result == "0" || result.starts_with("0 ");
    let message = format!("the search that wrote this file ended with `{result}`: entries are missing");
    (!complete).then(|| problem("read-error", message))
}

type Refused = (Problem, u64, Option<String>);

fn parse_record(lines: &[Line]) -> Result<RawRecord, Refused> {
    let Some((first, rest)) = lines.split_first() else {
        return Err((problem("parse-error", "an empty record"), 0, None));
    };
    let line = first.0;
    let (name, value) = split(&first.1).map_err(|found| (found, line, None))?;
    if !name.eq_ignore_ascii_case("dn") {
        let found = problem("missing-dn", format!("a record starts with `dn:`, this one with `{name}:`"));
        return Err((found, line, None));
    }
    let dn =
        String::from_utf8(value).map_err(|_| (problem("dn-not-ldap-conformant", "the DN is not UTF-8"), line, None))?;
    if dn.trim().is_empty() {
        return Err((problem("missing-dn", "the DN is empty"), line, None));
    }
    let refused = |found: Problem, line: u64| (found, line, Some(dn.clone()));
    let mut pairs = Vec::with_capacity(rest.len());
    for (number, text) in rest {
        // The end of one modification; only change records have it.
        if text == b"-" {
            pairs.push((*number, "-".to_owned(), Vec::new()));
            continue;
        }
        let (name, value) = split(text).map_err(|found| refused(found, *number))?;
        if name.eq_ignore_ascii_case("control") {
            continue;
        }
        pairs.push((*number, name, value));
    }
    let is_change = pairs.first().is_some_and(|(_, name, _)| name.eq_ignore_ascii_case("changetype"));
    let mut record = RawRecord { line, dn: Some(dn.clone()), ..RawRecord::default() };
    if is_change {
        let (number, _, kind) = pairs.remove(0);
        match kind.to_ascii_lowercase().as_slice() {
            b"add" => record.change = RawChange::Add,
            b"delete" => record.change = RawChange::Delete,
            b"modify" => record.change = modifications(&pairs).map_err(|(found, line)| refused(found, line))?,
            b"modrdn" | b"moddn" => record.change = rename(&pairs).map_err(|found| refused(found, number))?,
            _ => {
                let kind = String::from_utf8_lossy(&kind);
                let found = problem("invalid-change-type", format!("there is no change type `{kind}`"));
                return Err(refused(found, number));
            }
        }
    }
    if matches!(record.change, RawChange::Content | RawChange::Add) {
        if let Some((number, ..)) = pairs.iter().find(|(_, name, _)| name == "-") {
            return Err(refused(problem("parse-error", "a lone `-` outside a modification"), *number));
        }
        record.values = pairs.into_iter().map(|(_, name, value)| (name, value)).collect();
    }
    Ok(record)
}

/// `name: text`, `name:: base64`; a URL (`name:< file:///...`) is refused, since a file must not make the connector read others.
fn split(line: &[u8]) -> Result<(String, Vec<u8>), Problem> {
    let colon = line.iter().position(|byte| *byte == b':');
    let Some((name, rest)) = colon.and_then(|colon| line.split_at_checked(colon)) else {
        let shown: String = String::from_utf8_lossy(line).chars().take(40).collect();
        return Err(problem("parse-error", format!("`{shown}` has no colon")));
    };
    let letters = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._;=*".contains(byte);
    let name = match std::str::from_utf8(name) {
        Ok(text) if !text.is_empty() && name.iter().all(letters) => text.to_owned(),
        _ => {
            let shown: String = String::from_utf8_lossy(name).chars().take(40).collect();
            return Err(problem("parse-error", format!("`{shown}` is not an attribute name")));
        }
    };
    let rest = &rest[1..];
    match rest.first() {
        Some(b':') => {
            let text: Vec<u8> = rest[1..].iter().copied().filter(|byte| *byte != b' ').collect();
            let value = STANDARD.decode(text);
            let value = value.map_err(|error| problem("invalid-base64-value", format!("`{name}`: {error}")))?;
            Ok((name, value))
        }
        Some(b'<') => {
            let message =
                format!("`{name}:<` names a file or URL, which is not read; write the value itself, as base64");
            Err(problem("unsupported-value-type", message))
        }
        _ => {
            let value = after_spaces(rest).to_vec();
            if std::str::from_utf8(&value).is_err() {
                let message = format!("`{name}` is not UTF-8; check the `encoding` setting, or write it as base64");
                return Err(problem("parse-error", message));
            }
            Ok((name, value))
        }
    }
}

/// FILL of RFC 2849: spaces only, a tab belongs to the value.
fn after_spaces(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| *byte != b' ').unwrap_or(text.len());
    &text[start..]
}

fn modifications(pairs: &[(u64, String, Vec<u8>)]) -> Result<RawChange, (Problem, u64)> {
    let mut all = Vec::new();
    let mut open: Option<Modification> = None;
    for (number, name, value) in pairs {
        match &mut open {
            _ if name == "-" => all.extend(open.take()),
            Some(modification) if name.eq_ignore_ascii_case(&modification.attribute) => {
                modification.values.push(value.clone());
            }
            Some(modification) => {
                let message = format!("`{name}` stands in the modification of `{}`", modification.attribute);
                return Err((problem("parse-error", message), *number));
            }
            None => {
                let kind = match name.to_ascii_lowercase().as_str() {
                    "add" => ModificationKind::Add,
                    "delete" => ModificationKind::Delete,
                    "replace" => ModificationKind::Replace,
                    _ => {
                        let message = format!("`{name}` is not add, delete or replace");
                        return Err((problem("invalid-modification-type", message), *number));
                    }
                };
                open = Some(Modification {
                    kind,
                    attribute: String::from_utf8_lossy(value).trim().to_owned(),
                    values: Vec::new(),
                });
            }
        }
    }
    all.extend(open);
    Ok(RawChange::Modify(all))
}

fn rename(pairs: &[(u64, String, Vec<u8>)]) -> Result<RawChange, Problem> {
    let find = |wanted: &str| {
        let found = pairs.iter().find(|(_, name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, _, value)| String::from_utf8_lossy(value).into_owned())
    };
    let missing = |name: &str| problem("parse-error", format!("a rename needs `{name}:`"));
    Ok(RawChange::Rename {
        new_rdn: find("newrdn").ok_or_else(|| missing("newrdn"))?,
        delete_old_rdn: find("deleteoldrdn").ok_or_else(|| missing("deleteoldrdn"))?.trim() == "1",
        new_superior: find("newsuperior"),
    })
}

/// Writes a file of content records as they come.
pub(crate) fn write(out: &mut dyn Write, records: &[&RawRecord]) -> io::Result<()> {
    out.write_all(b"version: 1\n\n")?;
    for record in records {
        write_value(out, "dn", record.dn.as_deref().unwrap_or_default().as_bytes())?;
        for (name, value) in &record.values {
            write_value(out, name, value)?;
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn write_value(out: &mut dyn Write, name: &str, value: &[u8]) -> io::Result<()> {
    let text = if value.is_empty() {
        format!("{name}:")
    } else if is_safe(value) {
        format!("{name}: {}", String::from_utf8_lossy(value))
    } else {
        format!("{name}:: {}", STANDARD.encode(value))
    };
    // All ASCII from here on, so bytes are characters.
    let (first, mut rest) = text.as_bytes().split_at(text.len().min(LINE_WIDTH));
    out.write_all(first)?;
    while !rest.is_empty() {
        let (next, later) = rest.split_at(rest.len().min(LINE_WIDTH - 1));
        out.write_all(b"\n ")?;
        out.write_all(next)?;
        rest = later;
    }
    out.write_all(b"\n")
}

/// SAFE-STRING of RFC 2849, without a trailing space (its note 8).
fn is_safe(value: &[u8]) -> bool {
    let start = value.first().is_none_or(|byte| !matches!(byte, b' ' | b':' | b'<'));
    let inside = value.iter().all(|byte| !matches!(byte, 0 | b'\n' | b'\r' | 0x80..));
    start && inside && value.last() != Some(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn read(text: &str) -> Vec<Reading> {
        let input = Box::new(io::Cursor::new(text.as_bytes().to_vec()));
        let mut reader = LdifReader::new(input, Path::new("x.ldif"));
        std::iter::from_fn(|| reader.next().unwrap()).collect()
    }

    fn check(text: &str, expect: Expect) {
        let mut seen = String::new();
        for reading in read(text) {
            match reading {
                Reading::Bad(issue) => seen += &format!("{}: {}\n", issue.code, issue.message),
                Reading::Record(record) => {
                    seen += &format!("{} {}\n", record.line, record.dn.unwrap_or_default());
                    if record.change != RawChange::Content {
                        let words = format!("{:?}", record.change).replace("ModificationKind::", "");
                        seen += &format!("  {words}\n");
                    }
                    for (name, value) in record.values {
                        seen += &format!("  {name} = {}\n", String::from_utf8_lossy(&value));
                    }
                }
            }
        }
        expect.assert_eq(&seen);
    }

    /// RFC 2849 examples 1 to 5.
    #[test]
    fn content_records_of_the_rfc() {
        check(
            "version: 1\n\
             dn: cn=Barbara Jensen, ou=Product Development, dc=airius, dc=com\nobjectclass: top\ncn: Barbara Jensen\n\
             description:Babs is a big sailing fan, and travels extensively in sea\n rch of perfect sailing conditions.\n\n\
             # a comment\n#  and its\n continuation\n\
             dn:: b3U95Za25qWt6YOoLG89QWlyaXVz\r\ndescription:: V2hhdCBhIGNhcmVmdWwgcmVhZGVyIHlvdSBhcmUhICBUaGlzIHZ\r\n hbHVlIGlzIGJhc2UtNjQtZW5jb2RlZA==\r\ntitle;lang-en:   Sales, Director\r\nmail:\r\n\r\n\
             dn: cn=Horatio Jensen, dc=airius, dc=com\njpegphoto:< file:///usr/local/directory/photos/hjensen.jpg\n\n",
            expect![[r#"
                2 cn=Barbara Jensen, ou=Product Development, dc=airius, dc=com
                  objectclass = top
                  cn = Barbara Jensen
                  description = Babs is a big sailing fan, and travels extensively in search of perfect sailing conditions.
                11 ou=営業部,o=Airius
                  description = What a careful reader you are!  This value is base-64-encoded
                  title;lang-en = Sales, Director
                  mail = 
                unsupported-value-type: x.ldif line 18: `jpegphoto:<` names a file or URL, which is not read; write the value itself, as base64
            "#]],
        );
    }

    /// RFC 2849 examples 6 and 7.
    #[test]
    fn change_records_of_the_rfc() {
        check(
            "version: 1\n\n\
             dn: cn=Fiona Jensen, dc=airius, dc=com\nchangetype: add\ncn: Fiona Jensen\n\n\
             dn: cn=Robert Jensen, dc=airius, dc=com\nchangetype: delete\n\n\
             dn: cn=Paul Jensen, dc=airius, dc=com\nchangetype: modrdn\nnewrdn: cn=Paula Jensen\ndeleteoldrdn: 1\n\n\
             dn: ou=PD Accountants, dc=airius, dc=com\nchangetype: modrdn\nnewrdn: ou=PD Accountants\ndeleteoldrdn: 0\nnewsuperior: ou=Accounting, dc=airius, dc=com\n\n\
             dn: cn=Paula Jensen, dc=airius, dc=com\nchangetype: modify\nadd: postaladdress\npostaladdress: 123 Anystreet\n-\ndelete: description\n-\nreplace: telephonenumber\ntelephonenumber: 1\ntelephonenumber: 2\n-\n\n\
             dn: ou=Product Development, dc=airius, dc=com\ncontrol: 1.2.840.113556.1.4.805 true\nchangetype: delete\n\n\
             dn: cn=a\nchangetype: modify\nincrement: x\nx: 1\n-\n\n\
             dn: cn=b\nchangetype: merge\n\n",
            expect![[r#"
                3 cn=Fiona Jensen, dc=airius, dc=com
                  Add
                  cn = Fiona Jensen
                7 cn=Robert Jensen, dc=airius, dc=com
                  Delete
                10 cn=Paul Jensen, dc=airius, dc=com
                  Rename { new_rdn: "cn=Paula Jensen", delete_old_rdn: true, new_superior: None }
                15 ou=PD Accountants, dc=airius, dc=com
                  Rename { new_rdn: "ou=PD Accountants", delete_old_rdn: false, new_superior: Some("ou=Accounting, dc=airius, dc=com") }
                21 cn=Paula Jensen, dc=airius, dc=com
                  Modify([Modification { kind: Add, attribute: "postaladdress", values: [[49, 50, 51, 32, 65, 110, 121, 115, 116, 114, 101, 101, 116]] }, Modification { kind: Delete, attribute: "description", values: [] }, Modification { kind: Replace, attribute: "telephonenumber", values: [[49], [50]] }])
                33 ou=Product Development, dc=airius, dc=com
                  Delete
                invalid-modification-type: x.ldif line 39: `increment` is not add, delete or replace
                invalid-change-type: x.ldif line 44: there is no change type `merge`
            "#]],
        );
    }

    #[test]
    fn every_kind_of_dirt_names_its_line_and_the_next_record_is_read() {
        check(
            "no colon here\n\ncn: no dn\n\ndn: cn=a\nbad name: x\n\ndn: cn=b\nphoto:: %%%\n\ndn:\ncn: x\n\n folded from nothing\n\n\
             dn: cn=good\ncn: good\n\n# search result\nsearch: 2\nresult: 4 Size limit exceeded\n\n# numEntries: 5\n",
            expect![[r#"
                parse-error: x.ldif line 1: `no colon here` has no colon
                missing-dn: x.ldif line 3: a record starts with `dn:`, this one with `cn:`
                parse-error: x.ldif line 6: `bad name` is not an attribute name
                invalid-base64-value: x.ldif line 9: `photo`: Invalid symbol 37, offset 0.
                missing-dn: x.ldif line 11: the DN is empty
                parse-error: x.ldif line 14: ` folded from nothing` has no colon
                16 cn=good
                  cn = good
                read-error: x.ldif line 20: the search that wrote this file ended with `4 Size limit exceeded`: entries are missing
            "#]],
        );
    }

    #[test]
    fn lines_fold_at_76_and_what_is_not_safe_is_base64() {
        let mut out = Vec::new();
        let record = RawRecord {
            dn: Some("cn=Lučić".to_owned()),
            values: ["x".repeat(160).as_str(), " a", "a ", ":a", "a:", "<", "", "\u{0}"]
                .map(|text| ("v".to_owned(), text.as_bytes().to_vec()))
                .to_vec(),
            ..RawRecord::default()
        };
        write(&mut out, &[&record]).unwrap();
        let text = String::from_utf8(out).unwrap();
        expect![[r#"
            version: 1

            dn:: Y249THXEjWnEhw==
            v: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
             xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
             xxxxxxxxxxxx
            v:: IGE=
            v:: YSA=
            v:: OmE=
            v: a:
            v:: PA==
            v:
            v:: AA==

        "#]]
        .assert_eq(&text);
        match read(&text).as_slice() {
            [Reading::Record(read)] => assert_eq!((&read.dn, &read.values), (&record.dn, &record.values)),
            other => panic!("{other:?}"),
        }
    }
}
