//! The codec against what others wrote down: the examples of the specification, the recorded requests of a third-party
//! client, and replies that such a client understood. Then against everything else.

use super::read::{Problem, decode};
use super::tree::{Attribute, Declaration, Element, Name, Node, Text};
use super::{dictionary, encode};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::Arc;

/// As XML text: attributes, then declarations; `<a/>` for an empty element.
fn xml(element: &Element) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let tag = match &*element.name.prefix {
        "" => element.name.local.to_string(),
        prefix => format!("{prefix}:{}", element.name.local),
    };
    let mut out = format!("<{tag}");
    for attribute in &element.attributes {
        let colon = if attribute.name.prefix.is_empty() { "" } else { ":" };
        let value = escaped(&attribute.value).replace('"', "&quot;");
        out += &format!(" {}{colon}{}=\"{value}\"", attribute.name.prefix, attribute.name.local);
    }
    for declaration in &element.declarations {
        let colon = if declaration.prefix.is_empty() { "" } else { ":" };
        out += &format!(" xmlns{colon}{}=\"{}\"", declaration.prefix, declaration.namespace);
    }
    if element.children.is_empty() {
        return out + "/>";
    }
    out.push('>');
    for child in &element.children {
        match child {
            Node::Element(child) => out += &xml(child),
            Node::Text(text) => out += &escaped(text.as_str()),
        }
    }
    out + &format!("</{tag}>")
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Decodes; what we encode of it must decode to the same tree.
fn decoded(bytes: &[u8]) -> Element {
    let tree = decode(bytes).unwrap();
    assert_eq!(decode(&encode(&tree)).unwrap(), tree, "the encoder changed {}", xml(&tree));
    tree
}

fn shared(number: u32) -> &'static str {
    dictionary::string(number).unwrap()
}

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contracts/aadsync-msbin1-vectors.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Every document of the vectors, with its name.
fn documents() -> Vec<(String, Vec<u8>)> {
    let vectors = vectors();
    let of = |list: &str, name: &str| -> Vec<(String, Vec<u8>)> {
        let entries = vectors[list].as_array().unwrap().iter();
        entries.map(|e| (e[name].as_str().unwrap().to_owned(), bytes(e["hex"].as_str().unwrap()))).collect()
    };
    let all = [of("requests", "operation"), of("responses", "name")].concat();
    assert_eq!(all.len(), 17);
    all
}

/// [MC-NBFX] 3: a document for each record, and what it says. Each line: bytes, then XML, `strN` for a shared string.
const EXAMPLES: &str = r#"
40 03 64 6F 63 01 = <doc/>
40 03 64 6F 63 04 04 61 74 74 72 84 01 = <doc attr="false"/>
40 03 64 6F 63 09 03 70 72 65 0A 68 74 74 70 3A 2F 2F 61 62 63 05 03 70 72 65 04 61 74 74 72 84 01 = <doc pre:attr="false" xmlns:pre="http://abc"/>
40 03 64 6F 63 06 08 86 01 = <doc str8="true"/>
40 03 64 6F 63 09 03 70 72 65 0A 68 74 74 70 3A 2F 2F 61 62 63 07 03 70 72 65 00 86 01 = <doc pre:str0="true" xmlns:pre="http://abc"/>
40 03 64 6F 63 08 0A 68 74 74 70 3A 2F 2F 61 62 63 01 = <doc xmlns="http://abc"/>
40 03 64 6F 63 09 01 70 0A 68 74 74 70 3A 2F 2F 61 62 63 01 = <doc xmlns:p="http://abc"/>
40 03 64 6F 63 0A 04 01 = <doc xmlns="str4"/>
40 03 64 6F 63 0B 01 70 04 01 = <doc xmlns:p="str4"/>
40 03 64 6F 63 09 01 6B 0A 68 74 74 70 3A 2F 2F 61 62 63 30 04 61 74 74 72 86 01 = <doc k:attr="true" xmlns:k="http://abc"/>
40 03 64 6F 63 09 01 7A 0A 68 74 74 70 3A 2F 2F 61 62 63 3F 03 61 62 63 98 03 78 79 7A 01 = <doc z:abc="xyz" xmlns:z="http://abc"/>
41 03 70 72 65 03 64 6F 63 09 03 70 72 65 0A 68 74 74 70 3A 2F 2F 61 62 63 01 = <pre:doc xmlns:pre="http://abc"/>
42 0E 01 = <str14/>
43 03 70 72 65 0E 09 03 70 72 65 0A 68 74 74 70 3A 2F 2F 61 62 63 01 = <pre:str14 xmlns:pre="http://abc"/>
44 0A 09 01 61 0A 68 74 74 70 3A 2F 2F 61 62 63 01 = <a:str10 xmlns:a="http://abc"/>
56 26 09 01 73 0A 68 74 74 70 3A 2F 2F 61 62 63 01 = <s:str38 xmlns:s="http://abc"/>
5E 05 68 65 6C 6C 6F 09 01 61 0A 68 74 74 70 3A 2F 2F 61 62 63 01 = <a:hello xmlns:a="http://abc"/>
70 09 4D 79 4D 65 73 73 61 67 65 09 01 73 0A 68 74 74 70 3A 2F 2F 61 62 63 01 = <s:MyMessage xmlns:s="http://abc"/>
40 03 64 6F 63 06 A0 03 80 01 = <doc str416="0"/>
40 03 61 62 63 81 = <abc>0</abc>
40 03 64 6F 63 06 00 82 01 = <doc str0="1"/>
40 03 61 62 63 83 = <abc>1</abc>
40 03 64 6F 63 06 00 84 01 = <doc str0="false"/>
40 03 61 62 63 85 = <abc>false</abc>
40 03 64 6F 63 06 00 86 01 = <doc str0="true"/>
40 03 61 62 63 87 = <abc>true</abc>
40 03 64 6F 63 06 EC 01 88 DE 01 = <doc str236="-34"/>
42 9A 01 89 7F = <str154>127</str154>
40 03 64 6F 63 06 EC 01 8A 00 80 01 = <doc str236="-32768"/>
42 9A 01 8B FF 7F = <str154>32767</str154>
40 03 64 6F 63 06 EC 01 8C 15 CD 5B 07 01 = <doc str236="123456789"/>
42 9A 01 8D FF FF FF 7F = <str154>2147483647</str154>
40 03 64 6F 63 06 EC 01 8E 00 00 00 80 00 00 00 00 01 = <doc str236="2147483648"/>
42 9A 01 8F 00 00 00 00 00 01 00 00 = <str154>1099511627776</str154>
40 03 64 6F 63 04 01 61 90 CD CC 8C 3F 01 = <doc a="1.1"/>
40 05 50 72 69 63 65 91 CD CC 01 42 = <Price>32.45</Price>
40 03 64 6F 63 04 03 69 6E 74 94 00 00 06 00 00 00 00 00 80 2D 4E 00 00 00 00 00 01 = <doc int="5.123456"/>
40 08 4D 61 78 56 61 6C 75 65 95 00 00 00 00 FF FF FF FF FF FF FF FF FF FF FF FF = <MaxValue>79228162514264337593543950335</MaxValue>
40 03 64 6F 63 06 6E 96 FF 3F 37 F4 75 28 CA 2B 01 = <doc str110="9999-12-31T23:59:59.9999999"/>
42 6C 97 00 40 8E F9 5B 47 C8 08 = <str108>2006-05-17T00:00:00</str108>
40 03 64 6F 63 98 05 68 65 6C 6C 6F 01 = <doc>hello</doc>
40 01 61 99 05 68 65 6C 6C 6F = <a>hello</a>
40 03 64 6F 63 9A 05 00 68 65 6C 6C 6F 01 = <doc>hello</doc>
40 01 61 9B 05 00 68 65 6C 6C 6F = <a>hello</a>
40 03 64 6F 63 9C 05 00 00 00 68 65 6C 6C 6F 01 = <doc>hello</doc>
40 01 61 9D 05 00 00 00 68 65 6C 6C 6F = <a>hello</a>
40 03 64 6F 63 9E 08 00 01 02 03 04 05 06 07 01 = <doc>AAECAwQFBgc=</doc>
40 06 42 61 73 65 36 34 9F 08 00 01 02 03 04 05 06 07 = <Base64>AAECAwQFBgc=</Base64>
40 03 64 6F 63 A0 08 00 00 01 02 03 04 05 06 07 01 = <doc>AAECAwQFBgc=</doc>
40 06 42 61 73 65 36 34 A1 08 00 00 01 02 03 04 05 06 07 = <Base64>AAECAwQFBgc=</Base64>
40 03 64 6F 63 A2 08 00 00 00 00 01 02 03 04 05 06 07 01 = <doc>AAECAwQFBgc=</doc>
40 06 42 61 73 65 36 34 A3 08 00 00 00 00 01 02 03 04 05 06 07 = <Base64>AAECAwQFBgc=</Base64>
40 03 64 6F 63 04 01 61 A4 88 7B 98 05 68 65 6C 6C 6F 86 A6 01 = <doc a="123 hello true"/>
40 03 64 6F 63 04 01 61 A8 01 = <doc a=""/>
40 03 64 6F 63 A9 = <doc/>
40 03 64 6F 63 04 02 6E 73 AA 38 01 = <doc ns="str56"/>
40 04 54 79 70 65 AB C4 01 = <Type>str196</Type>
40 03 64 6F 63 AC 00 11 22 33 44 55 66 77 88 99 AA BB CC DD EE FF 01 = <doc>urn:uuid:33221100-5544-7766-8899-aabbccddeeff</doc>
42 1A AD 00 11 22 33 44 55 66 77 88 99 AA BB CC DD EE FF = <str26>urn:uuid:33221100-5544-7766-8899-aabbccddeeff</str26>
40 03 64 6F 63 AE 00 C4 F5 32 FF FF FF FF 01 = <doc>-PT5M44S</doc>
42 94 07 AF 00 B0 8E F0 1B 00 00 00 = <str916>PT3H20M</str916>
40 03 64 6F 63 B0 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 01 = <doc>03020100-0504-0706-0809-0a0b0c0d0e0f</doc>
40 02 49 44 B1 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F = <ID>03020100-0504-0706-0809-0a0b0c0d0e0f</ID>
40 03 64 6F 63 B2 FF FF FF FF FF FF FF FF 01 = <doc>18446744073709551615</doc>
42 9A 01 B3 FE FF FF FF FF FF FF FF = <str154>18446744073709551614</str154>
40 03 64 6F 63 B4 01 01 = <doc>true</doc>
40 03 64 6F 63 04 01 75 B6 06 75 00 6E 00 69 00 01 = <doc u="uni"/>
40 01 55 B7 06 75 00 6E 00 69 00 = <U>uni</U>
40 03 64 6F 63 04 03 75 31 36 B8 08 00 75 00 6E 00 69 00 32 00 01 = <doc u16="uni2"/>
40 03 55 31 36 B9 08 00 75 00 6E 00 69 00 32 00 = <U16>uni2</U16>
40 03 64 6F 63 04 03 75 33 32 BA 04 00 00 00 33 00 32 00 01 = <doc u32="32"/>
40 03 55 33 32 BB 04 00 00 00 33 00 32 00 = <U32>32</U32>
40 03 64 6F 63 06 F0 06 BC 08 8E 07 01 = <doc str880="i:str910"/>
40 04 54 79 70 65 BD 12 90 07 = <Type>s:str912</Type>
40 03 64 6F 63 02 07 63 6F 6D 6D 65 6E 74 01 = <doc/>
40 03 64 6F 63 8C D2 04 00 00 84 01 = <doc>1234false</doc>
40 01 6C 03 40 03 61 72 72 01 8B 03 33 33 88 88 DD DD 01 = <l><arr>13107</arr><arr>-30584</arr><arr>-8739</arr></l>
40 01 6C 03 40 03 61 72 72 01 B5 05 01 00 01 00 01 01 = <l><arr>true</arr><arr>false</arr><arr>true</arr><arr>false</arr><arr>true</arr></l>
40 03 64 6F 63 04 01 61 92 74 57 14 8B 0A BF 05 40 01 = <doc a="2.71828182845905"/>
40 02 50 49 93 11 2D 44 54 FB 21 09 40 = <PI>3.14159265358979</PI>
40 01 61 93 74 57 14 8B 0A BF 05 40 = <a>2.71828182845905</a>
40 01 61 91 00 00 80 FF = <a>-INF</a>
40 01 61 93 00 00 00 00 00 00 F8 7F = <a>NaN</a>
40 01 61 93 00 00 00 00 00 00 00 80 = <a>-0</a>
40 01 61 93 00 00 34 26 F5 6B 0C 43 = <a>1E+15</a>
40 01 61 93 00 00 00 00 00 C0 58 40 = <a>99</a>
40 01 61 93 F1 68 E3 88 B5 F8 E4 3E = <a>1E-05</a>
40 01 61 93 FC A9 F1 D2 4D 62 50 3F = <a>0.001</a>
40 01 61 93 8D ED B5 A0 F7 C6 B0 BE = <a>-1E-06</a>
40 01 61 95 00 00 02 80 00 00 00 00 0A 00 00 00 00 00 00 00 = <a>-0.1</a>
40 01 61 AF 00 00 00 00 00 00 00 00 = <a>PT0S</a>
40 01 61 AF 00 C0 69 2A C9 00 00 00 = <a>P1D</a>
40 01 61 AF 00 00 00 00 00 00 00 80 = <a>-P10675199DT2H48M5.4775808S</a>
40 01 61 97 00 40 8E F9 5B 47 C8 48 = <a>2006-05-17T00:00:00Z</a>
40 01 61 97 00 40 8E F9 5B 47 C8 88 = <a>2006-05-17T00:00:00+00:00</a>
"#;

/// F 26 for the client's side: every kind of record gives its canonical form.
#[test]
fn f26_every_record_of_the_specification_says_what_its_example_says() {
    for line in EXAMPLES.lines().filter(|line| !line.is_empty()) {
        let (hex, expected) = line.split_once(" = ").unwrap();
        // The longest numbers first, so that str91 does not match in str912.
        let mut expected = expected.to_owned();
        for number in (0..0x3CE).rev().step_by(1).filter(|number| number % 2 == 0) {
            expected = expected.replace(&format!("str{number}"), shared(number));
        }
        assert_eq!(xml(&decoded(&bytes(hex))), expected, "{hex}");
    }
}

/// All text records and all records of the format occur above or in the vectors.
#[test]
fn the_examples_leave_no_text_record_out() {
    let mut missing: Vec<u8> = (0x80..=0xBD).filter(|record| !matches!(record, 0xA5 | 0xA7)).collect();
    for line in EXAMPLES.lines().filter_map(|line| line.split_once(" = ")) {
        let present = bytes(line.0);
        missing.retain(|record| !present.contains(record));
    }
    assert!(missing.is_empty(), "{missing:x?}");
}

/// What a third-party encoder made of single texts (B.3).
#[test]
fn text_records_of_the_vectors() {
    let cases = vectors()["text_records"].as_array().unwrap().clone();
    assert_eq!(cases.len(), 15);
    for case in cases {
        let tree = decoded(&bytes(case["hex_of_element_a"].as_str().unwrap()));
        // A truth has one canonical form, whatever was typed.
        let expected = case["text"].as_str().unwrap().replace("True", "true");
        assert_eq!((&*tree.name.local, &*tree.content()), ("a", &*expected));
    }
}

fn leaves(element: &Element, path: &str, found: &mut Vec<(String, String)>) {
    let path = format!("{path}/{}", element.name.local);
    if element.elements().next().is_none() {
        found.push((path, element.content().into_owned()));
        return;
    }
    element.elements().for_each(|child| leaves(child, &path, found));
}

/// Issue 5: the requests decode to their recorded leaves, and what our encoder makes of them to the same tree.
#[test]
fn requests_of_a_third_party_client_decode_to_their_recorded_leaves() {
    for request in vectors()["requests"].as_array().unwrap() {
        let envelope = decoded(&bytes(request["hex"].as_str().unwrap()));
        let mut found = Vec::new();
        leaves(envelope.find("Body").unwrap().elements().next().unwrap(), "", &mut found);
        let recorded: Vec<(String, String)> = serde_json::from_value(request["body_leaves"].clone()).unwrap();
        assert_eq!(found, recorded, "{}", request["operation"]);
        let mut header = Vec::new();
        leaves(envelope.find("Header").unwrap(), "", &mut header);
        assert!(header.iter().any(|(_, text)| text == "eyJhbGciOiJub25lIn0.e30.sig"), "{header:?}");
    }
}

/// Names, prefixes, attributes and declarations of the replies, to the letter.
#[test]
fn replies_decode_to_the_xml_they_were_made_of() {
    for reply in vectors()["responses"].as_array().unwrap() {
        let envelope = decoded(&bytes(reply["hex"].as_str().unwrap()));
        let body = envelope.find("Body").unwrap().elements().next().unwrap();
        assert_eq!(xml(body), reply["xml_body"].as_str().unwrap(), "{}", reply["name"]);
    }
}

/// Names are resolved where they stand: a prefix means what the nearest declaration says.
#[test]
fn prefixes_are_resolved_in_their_scope() {
    let inner = "5F 01 78 09 01 62 01 32 01";
    let tree = decoded(&bytes(&format!("5F 01 72 09 01 62 01 31 {inner} 5F 01 79 01 40 01 7A 01 01")));
    let namespaces: Vec<&str> = tree.elements().map(|child| &*child.name.namespace).collect();
    assert_eq!((&*tree.name.namespace, namespaces), ("1", vec!["2", "1", ""]));
    let problem = decode(&bytes("5F 01 72 01")).unwrap_err().problem;
    assert_eq!(problem, Problem::UnboundPrefix("b".to_owned()));
}

#[track_caller]
fn refused(hex: &str, expected: Problem) {
    assert_eq!(decode(&bytes(hex)).unwrap_err().problem, expected, "{hex}");
}

/// Each thing that the format forbids, or that we bound, is named with its place.
#[test]
fn what_is_no_document_is_refused_by_name() {
    refused("", Problem::Truncated);
    refused("00", Problem::Reserved(0x00));
    refused("40 01 61 78", Problem::Reserved(0x78));
    refused("40 01 61 BE", Problem::Reserved(0xBE));
    refused("40 01 61 A5", Problem::Reserved(0xA5));
    refused("40 01 61 A7", Problem::Reserved(0xA7));
    refused("40 01 61 A6", Problem::Misplaced(0xA6));
    refused("40 01 61 A4 A4", Problem::Misplaced(0xA4));
    refused("40 01 61 A4 40", Problem::Misplaced(0x40));
    refused("01", Problem::Misplaced(0x01));
    refused("86", Problem::Misplaced(0x86));
    refused("A9", Problem::Misplaced(0xA9));
    refused("04 01 61 86", Problem::Misplaced(0x04));
    refused("40 01 61 04 01 62 87", Problem::Misplaced(0x87));
    refused("40 01 61 04 01 62 40", Problem::Misplaced(0x40));
    refused("03 40 01 61 01 B5 01 01", Problem::Misplaced(0x03));
    refused("40 00 01", Problem::EmptyName);
    refused("42 A2 01 01", Problem::EmptyName);
    refused("42 01 01", Problem::UnknownString(1));
    refused("42 CE 07 01", Problem::UnknownString(0x3CE));
    refused("42 80 80 80 80 08 01", Problem::Number);
    refused("42 80 80 80 80 80 01", Problem::Number);
    refused("40 01 61 99 01 FF", Problem::Encoding);
    refused("40 01 61 B7 02 00 D8", Problem::Encoding);
    refused("40 01 61 B7 01 41", Problem::Encoding);
    refused("40 01 61 9D FF FF FF FF", Problem::Value("length"));
    refused("40 01 61 9D FF FF FF 7F", Problem::Truncated);
    refused("40 01 61 B5 02", Problem::Value("truth"));
    refused("40 01 61 BD 1A 00", Problem::Value("qualified name"));
    refused("40 01 61 97 FF FF FF FF FF FF FF FF", Problem::Value("date"));
    refused("40 01 61 97 FF FF FF FF FF FF FF 3F", Problem::Value("date"));
    refused("40 01 61 95 00 00 1D 00 00 00 00 00 00 00 00 00 00 00 00 00", Problem::Value("decimal"));
    refused("40 01 61 95 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00", Problem::Value("decimal"));
    refused("40 01 61 01 01", Problem::Trailing);
    refused("40 01 61 03 40 01 62 01 B5 00", Problem::Value("row of elements"));
    refused("40 01 61 03 40 01 62 01 99 01", Problem::Misplaced(0x99));
    refused("40 01 61 03 40 01 62 87", Problem::Misplaced(0x87));
    refused("40 01 61 03 01", Problem::Misplaced(0x01));
    let error = decode(&bytes("40 01 61 BE")).unwrap_err();
    assert_eq!(error.to_string(), "the binary XML is not readable at byte 4: there is no record of type 0xbe");
}

/// A few bytes cannot make us hold gigabytes: depth, nodes, namespaces, and rows of elements with long names are bounded.
#[test]
fn small_documents_do_not_become_large_trees() {
    assert_eq!(decode(&bytes("40 01 61").repeat(65)).unwrap_err().problem, Problem::TooDeep);
    let deep = [bytes("40 01 61").repeat(64), vec![0x01; 64]].concat();
    assert!(decode(&deep).is_ok());
    // A list takes up the bound cheaply; each kind of node behind it is one too many.
    let list = |items: usize| [bytes("40 01 61 A4"), vec![0x86; items], bytes("A6")].concat();
    for node in ["40 01 62 01", "98 01 78", "40 01 62 04 01 63 86 01", "02 01 78"] {
        assert!(decode(&[list(3_999_996), bytes(node), vec![1]].concat()).is_ok(), "{node}");
        let document = [list(3_999_998), bytes(node), vec![1]].concat();
        assert_eq!(decode(&document).unwrap_err().problem, Problem::TooManyNodes, "{node}");
    }
    let scopes = [bytes("40 01 61"), bytes("09 01 61 01 31").repeat(257)].concat();
    assert_eq!(decode(&scopes).unwrap_err().problem, Problem::TooManyNamespaces);
    assert_eq!(decode(&list(4_000_000)).unwrap_err().problem, Problem::TooManyNodes);
    // The largest group that the service takes, as one list.
    let members = [bytes("40 01 67"), [bytes("40 01 6D 99 18"), vec![b'A'; 24]].concat().repeat(250_000), vec![1]];
    assert_eq!(decode(&members.concat()).unwrap().elements().count(), 250_000);
    // One element with a name of 16,383 bytes, 65,535 times: a gigabyte of names from 80 KiB.
    let name = [bytes("40 FF 7F"), vec![b'n'; 16_383], bytes("01 B5 FF FF 03"), vec![1; 65_535]].concat();
    let row = [bytes("40 01 61 03"), name].concat();
    assert_eq!(decode(&row).unwrap_err().problem, Problem::TooManyNodes);
    assert_eq!(decode(&bytes("40 01 61 03 40 01 62 01 95 FF FF FF FF 07")).unwrap_err().problem, Problem::Truncated);
}

/// Issue 5: truncations never panic, and never pass for a document.
#[test]
fn every_truncation_is_an_error() {
    for (name, document) in documents() {
        for length in 0..document.len() {
            assert!(decode(&document[..length]).is_err(), "{name} cut at {length}");
        }
    }
}

/// Issue 5: bit flips never panic; what still decodes, encodes to the same tree. The requests have long beginnings in common:
/// each is flipped from where it differs from the one before.
#[test]
fn a_flipped_bit_is_an_error_or_another_document() {
    let mut readable = 0;
    let mut before: Vec<u8> = Vec::new();
    for (_, mut document) in documents() {
        let common = document.iter().zip(&before).take_while(|(one, other)| one == other).count();
        before = document.clone();
        // Two of the eight bits of each byte, others from byte to byte.
        for position in (common * 8..document.len() * 8).filter(|position| (position + position / 8) % 4 == 0) {
            document[position / 8] ^= 1 << (position % 8);
            if let Ok(tree) = decode(&document) {
                readable += 1;
                assert_eq!(decode(&encode(&tree)).unwrap(), tree);
            }
            document[position / 8] ^= 1 << (position % 8);
        }
    }
    assert!(readable > 2_000, "{readable}");
}

/// Names as the wire knows them: with and without prefix, of one letter and of more.
fn name() -> BoxedStrategy<(&'static str, &'static str, String)> {
    let prefixes = [("", "d"), ("a", "1"), ("z", "2"), ("pre", "3"), ("Ä", "4")];
    (prop::sample::select(prefixes.to_vec()), "[a-zA-Z_é][a-z0-9.é-]{0,200}")
        .prop_map(|((p, n), local)| (p, n, local))
        .boxed()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        8 => "\\PC{1,40}",
        1 => "[&<>\"' \u{0}\r\n]{1,5}",
        1 => Just("x".repeat(300)),
        1 => Just("ü".repeat(40_000)),
    ]
    .boxed()
}

fn tree() -> BoxedStrategy<Element> {
    let attributes = prop::collection::vec((name(), prop_oneof![3 => text(), 1 => Just(String::new())]), 0..3);
    let leaf = (name(), attributes)
        .prop_map(|((prefix, namespace, local), attributes)| {
            let named = |prefix: &'static str, namespace: &str, local: String| Name {
                prefix: prefix.into(),
                local: local.into(),
                namespace: namespace.into(),
            };
            let mut element = Element::new(named(prefix, namespace, local));
            for ((prefix, namespace, local), value) in attributes {
                // An attribute without prefix is in no namespace.
                let namespace = if prefix.is_empty() { "" } else { namespace };
                element.attributes.push(Attribute { name: named(prefix, namespace, local), value: value.into() });
            }
            element
        })
        .boxed();
    leaf.clone()
        .prop_recursive(5, 60, 6, move |inner| {
            let children =
                prop_oneof![inner.prop_map(Node::Element), text().prop_map(|t| Node::Text(Text::Plain(t.into())))];
            (leaf.clone(), prop::collection::vec(children, 0..6))
                .prop_map(|(element, children)| Element { children, ..element })
        })
        .boxed()
}

fn declared(mut root: Element) -> Element {
    let declaration =
        |prefix: &'static str, namespace: &str| Declaration { prefix: prefix.into(), namespace: namespace.into() };
    root.declarations =
        [("", "d"), ("a", "1"), ("z", "2"), ("pre", "3"), ("Ä", "4")].map(|(p, n)| declaration(p, n)).to_vec();
    root
}

proptest! {
    /// What is written is what is read.
    #[test]
    fn any_tree_comes_back(root in tree()) {
        let root = declared(root);
        let bytes = encode(&root);
        prop_assert_eq!(decode(&bytes).unwrap(), root);
        prop_assert!(decode(&bytes[..bytes.len() - 1]).is_err());
    }

    /// Documents of records in any order, with short lengths: never a panic, and what decodes comes back.
    #[test]
    fn any_bytes_are_refused_or_a_document(noise in prop::collection::vec(prop_oneof![
        3 => 0x40u8..0x78, 4 => 0x80u8..0xBE, 3 => 0u8..4, 2 => 4u8..0x40, 1 => any::<u8>(),
    ], 0..60)) {
        for document in [noise.clone(), [vec![0x40, 1, b'a'], noise].concat()] {
            if let Ok(tree) = decode(&document) {
                prop_assert_eq!(decode(&encode(&tree)).unwrap(), tree);
            }
        }
    }
}

/// A secret is written like any text and never shown.
#[test]
fn a_secret_is_written_and_never_shown() {
    let secret = Arc::new(connector_contract::Secret::new("hunter2"));
    let name = Name { prefix: "".into(), local: "BearerToken".into(), namespace: "".into() };
    let element = Element::new(name).secret(secret);
    assert_eq!(decode(&encode(&element)).unwrap().content(), "hunter2");
    assert!(!format!("{element:?}").contains("hunter2"));
}
