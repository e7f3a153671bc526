//! The tenant's binary XML against the recorded vectors: a third-party client's requests decode to their recorded leaves,
//! what the tenant writes decodes to the same tree, and nothing that arrives makes it panic.

use azure_ad_emulator::binary_xml::{DecodeError, Element, decode, encode};
use serde_json::Value;

fn vectors() -> Value {
    let text = include_str!("../../../tests/contracts/aadsync-msbin1-vectors.json");
    serde_json::from_str(text).expect("the vectors are JSON")
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).expect("two digits")).collect()
}

fn of(part: &Value, key: &str) -> Vec<u8> {
    bytes(part[key].as_str().expect("hex"))
}

/// Every message of the vectors.
fn messages() -> Vec<Vec<u8>> {
    let vectors = vectors();
    let mut messages = Vec::new();
    for (part, key) in [("requests", "hex"), ("responses", "hex"), ("text_records", "hex_of_element_a")] {
        messages.extend(vectors[part].as_array().expect("a list").iter().map(|one| of(one, key)));
    }
    messages
}

/// Path and text of each element without elements inside.
fn leaves(element: &Element, path: &str, found: &mut Vec<(String, String)>) {
    let path = format!("{path}/{}", element.name);
    if element.elements().next().is_none() {
        found.push((path, element.text()));
        return;
    }
    for child in element.elements() {
        leaves(child, &path, found);
    }
}

#[test]
fn a_third_party_clients_requests_decode_to_their_recorded_leaves() {
    for request in vectors()["requests"].as_array().unwrap() {
        let operation = &request["operation"];
        let envelope = decode(&of(request, "hex")).unwrap_or_else(|error| panic!("{operation}: {error}"));
        assert_eq!(
            (envelope.name.as_str(), &*envelope.namespace),
            ("Envelope", "http://www.w3.org/2003/05/soap-envelope")
        );
        let mut found = Vec::new();
        for element in envelope.child("Body").unwrap().elements() {
            leaves(element, "", &mut found);
        }
        let expected: Vec<(String, String)> = serde_json::from_value(request["body_leaves"].clone()).unwrap();
        assert_eq!(found, expected, "{operation}");
    }
}

#[test]
fn recorded_text_records_decode_to_their_text() {
    for record in vectors()["text_records"].as_array().unwrap() {
        let element = decode(&of(record, "hex_of_element_a")).unwrap();
        // The recording client writes `True` as the boolean, whose canonical form is in lower case.
        let expected = record["text"].as_str().unwrap().replace("True", "true");
        assert_eq!((element.name.as_str(), element.text()), ("a", expected), "{record}");
    }
}

/// F.26: one record of every kind of [MC-NBFX] 2.2.3, in an element `a` that ends with it.
#[test]
fn f26_every_kind_of_text_record_has_its_canonical_form() {
    let guid = "4e565116e47c994d88be0a65050d8dc3";
    let guid_text = "1651564e-7ce4-4d99-88be-0a65050d8dc3";
    let cases: Vec<(String, String)> = [
        ("81", "0"),
        ("83", "1"),
        ("85", "false"),
        ("87", "true"),
        ("89 80", "-128"),
        ("8b 00 80", "-32768"),
        ("8d 00 00 00 80", "-2147483648"),
        ("8f 00 00 00 00 00 00 00 80", "-9223372036854775808"),
        ("91 cd cc 8c 3f", "1.1"),
        ("91 00 00 80 ff", "-INF"),
        ("93 74 57 14 8b 0a bf 05 40", "2.71828182845905"),
        ("93 00 00 00 00 00 00 f8 7f", "NaN"),
        ("95 00 00 02 80 00 00 00 00 7b 00 00 00 00 00 00 00", "-1.23"),
        ("95 00 00 03 00 00 00 00 00 05 00 00 00 00 00 00 00", "0.005"),
        ("95 00 00 00 00 ff ff ff ff ff ff ff ff ff ff ff ff", "79228162514264337593543950335"),
        ("97 ff 3f 37 f4 75 28 ca 2b", "9999-12-31T23:59:59.9999999"),
        ("97 00 00 00 00 00 00 00 40", "0001-01-01T00:00:00Z"),
        ("97 c0 db 6a f8 86 16 ce 48", "2011-07-22T13:04:05.5Z"),
        ("99 02 c3 a9", "é"),
        ("9b 01 00 78", "x"),
        ("9d 01 00 00 00 78", "x"),
        ("9f 03 52 c7 ab", "User"),
        ("a1 02 00 01 02", "AQI="),
        ("a3 01 00 00 00 ff", "/w=="),
        ("a4 88 2a 86 98 01 78 a8 a7", "42 true x "),
        ("a4 a7", ""),
        ("a9", ""),
        ("ab 1a", "MessageID"),
        ("af 00 6b d1 ae 04 02 00 00", "P2DT13H38M33.6084736S"),
        ("af ff ff ff ff ff ff ff ff", "-PT0.0000001S"),
        ("af 00 00 00 00 00 00 00 00", "PT0S"),
        ("b3 ff ff ff ff ff ff ff ff", "18446744073709551615"),
        ("b5 00", "false"),
        ("b5 01", "true"),
        ("b7 02 e9 00", "é"),
        ("b9 04 00 3d d8 11 dd", "\u{1f511}"),
        ("bb 02 00 00 00 78 00", "x"),
        ("bd 03 1a", "d:MessageID"),
    ]
    .map(|(hex, text)| (hex.to_owned(), text.to_owned()))
    .into_iter()
    .chain([(format!("ad {guid}"), format!("urn:uuid:{guid_text}")), (format!("b1 {guid}"), guid_text.to_owned())])
    .collect();
    for (hex, text) in cases {
        let element = decode(&bytes(&format!("42 b6 01 {hex}"))).unwrap_or_else(|error| panic!("{hex}: {error}"));
        assert_eq!(element.text(), text, "{hex}");
        // The same value in an attribute, where only the record without an end may stand.
        let mut even = bytes(&hex);
        if even[0] == 0xA4 {
            *even.last_mut().unwrap() = 0xA6;
        } else {
            even[0] -= 1;
        }
        let with_attribute = [bytes("40 01 62 04 01 63"), even, vec![0x01]].concat();
        let element = decode(&with_attribute).unwrap_or_else(|error| panic!("{hex} in an attribute: {error}"));
        assert_eq!(element.attribute_value("c"), Some(text.as_str()), "{hex}");
    }
}

#[test]
fn an_array_is_its_element_once_for_each_value() {
    // <b><a x="1">7</a><a x="1">-1</a></b>
    let element = decode(&bytes("40 01 62 03 40 01 61 04 01 78 82 01 8b 02 07 00 ff ff 01")).unwrap();
    let texts: Vec<(Option<&str>, String)> =
        element.elements().map(|item| (item.attribute_value("x"), item.text())).collect();
    assert_eq!(texts, [(Some("1"), "7".to_owned()), (Some("1"), "-1".to_owned())]);
}

#[test]
fn comments_are_passed_over_and_neighbouring_texts_are_one() {
    let element = decode(&bytes("40 01 61 98 01 78 02 03 686579 99 01 79")).unwrap();
    assert_eq!((element.text().as_str(), element.children.len()), ("xy", 1));
}

#[test]
fn what_is_written_decodes_to_the_same_tree() {
    for message in messages() {
        let tree = decode(&message).unwrap();
        assert_eq!(decode(&encode(&tree)).unwrap(), tree);
    }
    let long = "ü".repeat(200);
    let very_long = "x".repeat(70_000);
    let texts = [
        "",
        "0",
        "00",
        "-0",
        "+5",
        "True",
        "true",
        " 1",
        "User",
        "a & b < c",
        "9223372036854775808",
        &long,
        &very_long,
    ];
    for text in texts.iter().map(|text| (*text).to_owned()).chain((-300..300).map(|n: i64| n.to_string())) {
        let tree = Element::new("", "Body", "")
            .attribute("", "odd", "", text.clone())
            .with(Element::new("b", "Inner", "urn:inner").with_text(text.clone()))
            .with(
                Element::new("long", "to", "urn:outer")
                    .attribute("i", "type", "urn:i", "d:string")
                    .declare("d", "urn:d"),
            );
        let read = decode(&encode(&tree)).unwrap();
        assert_eq!(read.child("Inner").unwrap().text(), text);
        assert_eq!(
            (read.attribute_value("odd"), &*read.child("to").unwrap().namespace),
            (Some(text.as_str()), "urn:outer")
        );
        assert_eq!(decode(&encode(&read)).unwrap(), read);
    }
}

#[test]
fn a_damaged_message_is_an_error_with_its_place() {
    let check = |hex: &str, expected: &str| {
        assert_eq!(decode(&bytes(hex)).unwrap_err().to_string(), expected, "{hex}");
    };
    check("", "the message ends early, at byte 0");
    check("40", "the message ends early, at byte 1");
    check("40 05 61", "the message ends early, at byte 3");
    check("40 01 61", "the message ends early, at byte 3");
    check("40 01 61 01 01", "a message is one element with nothing before or behind it (byte 4)");
    check("01", "a message is one element with nothing before or behind it (byte 1)");
    check("98 01 78", "a message is one element with nothing before or behind it (byte 3)");
    check("40 01 61 c0", "there is no record type 0xc0 at byte 3");
    check("40 01 61 04 01 62 83", "there is no record type 0x83 at byte 6");
    check("42 ff 07", "the static dictionary has no string 1023 (byte 3)");
    check("5f 01 61 01", "the prefix 'b' is not declared where it is used (byte 3)");
    check("40 01 61 03 40 01 62 01 8b ff ff ff ff 07", "the message ends early, at byte 14");
    check(
        "40 01 61 b7 03 78 00 79",
        "the text at byte 8 has no such form: UTF-16 characters take an even number of bytes",
    );
    check("40 01 61 9d ff ff ff ff", "the text at byte 8 has no such form: a length is not negative");
    check("40 ff ff ff ff ff 01", "the text at byte 6 has no such form: a number takes at most five bytes");
    let deep = [bytes("40 01 61").repeat(65), vec![1; 65]].concat();
    assert!(matches!(decode(&deep), Err(DecodeError::TooLarge { .. })));
    let fits = [bytes("40 01 61").repeat(64), vec![1; 64]].concat();
    assert!(decode(&fits).is_ok());
}

/// A few bytes must not become gigabytes: an array of elements with a long attribute, and long dictionary strings.
#[test]
fn a_small_message_does_not_grow_without_bound() {
    let attribute = [bytes("04 01 78 9a ff ff"), vec![b'x'; 0xFFFF]].concat();
    let mut bomb = [bytes("40 01 61 03 40 01 62"), attribute, bytes("01 b5 80 80 40")].concat();
    bomb.extend(vec![0; 1 << 20]);
    bomb.push(1);
    assert!(matches!(decode(&bomb), Err(DecodeError::TooLarge { .. })));
    let mut strings = bytes("40 01 61");
    for _ in 0..1_000_000 {
        strings.extend(bytes("aa d6 06"));
    }
    strings.push(1);
    assert!(matches!(decode(&strings), Err(DecodeError::TooLarge { .. })));
}

#[test]
fn truncations_and_bit_flips_never_panic() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize
    };
    let (mut read, mut refused) = (0_u32, 0_u32);
    let mut look = |bytes: &[u8]| match decode(bytes) {
        Ok(tree) => {
            read += 1;
            assert_eq!(decode(&encode(&tree)).expect("what is written can be read"), tree);
        }
        Err(_) => refused += 1,
    };
    for message in messages() {
        for end in 0..message.len() {
            assert!(decode(&message[..end]).is_err(), "a part of a message is none");
        }
        // Every bit of the short messages, one bit of every byte of the long ones.
        let step = if message.len() < 600 { 1 } else { 8 };
        for bit in (0..message.len() * 8).step_by(step) {
            let bit = if step == 1 { bit } else { bit + draw() % 8 };
            let mut flipped = message.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            look(&flipped);
        }
        for _ in 0..200 {
            let mut torn = message.clone();
            for _ in 0..1 + draw() % 8 {
                let at = draw() % torn.len();
                torn[at] = draw() as u8;
            }
            look(&torn);
        }
    }
    assert!(read > 5_000 && refused > 5_000, "{read} read, {refused} refused");
}
