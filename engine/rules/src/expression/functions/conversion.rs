//! Conversions between kinds, and bits. There is no conversion that is not written (X12).

use super::{
    Accepts, Arguments, BINARY, Function, FunctionGroup, Gives, INTEGER, TEXT, invalid_argument, one, optional,
    parameter, unconvertible,
};
use crate::expression::data::{Data, Fault, Scalar};
use crate::expression::evaluate::Evaluator;
use crate::expression::types::Kind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use metaverse_schema::Guid;
use std::fmt::Write as _;

pub(super) fn functions() -> Vec<Function> {
    use FunctionGroup::{Conversion, Number};
    let text = Gives::Kind(Kind::Text);
    let number = Gives::Kind(Kind::Integer);
    let boolean = Gives::Kind(Kind::Boolean);
    let any = const { &[parameter("value", Accepts::Whole)] };
    vec![
        Function::eager(
            "CStr",
            Conversion,
            const { &[one("value", TEXT.and(Kind::Integer).and(Kind::Boolean).and(Kind::Reference))] },
            text,
            cstr,
            "A number, truth value or reference as text; `CStr([dn])` is the DN.",
        ),
        Function::eager(
            "CBool",
            Conversion,
            const { &[one("value", INTEGER.and(Kind::Boolean).and(Kind::Text))] },
            boolean,
            cbool,
            "A number other than 0 is True, absent is False; of texts only `True` and `False`, in any case.",
        ),
        Function::eager(
            "CNum",
            Conversion,
            const { &[one("value", TEXT.and(Kind::Integer).and(Kind::Binary))] },
            number,
            cnum,
            "A text of decimal digits as a number; an error for any other, so guard it with IsNumeric. Of a binary value its 1 to 8 bytes, the lowest first.",
        ),
        Function::eager(
            "CGuid",
            Conversion,
            const { &[one("text", TEXT)] },
            Gives::Kind(Kind::Binary),
            cguid,
            "A GUID in its text form, with or without braces, as the 16 bytes that a directory stores.",
        ),
        Function::eager(
            "CBin",
            Conversion,
            const { &[one("number", INTEGER), one("length", INTEGER)] },
            Gives::Kind(Kind::Binary),
            cbin,
            "A number as that many bytes, 1 to 8, the lowest first; an error when it needs more. For key write-back; the public reference does not describe it.",
        ),
        Function::eager(
            "IsString",
            Conversion,
            any,
            boolean,
            |_, a| {
                Ok(all_values(a, |scalar| {
                    matches!(scalar.kind(), Kind::Text | Kind::Integer | Kind::Boolean | Kind::Reference)
                }))
            },
            "Whether CStr would succeed: False for binary values and absent ones.",
        ),
        Function::eager(
            "IsNumeric",
            Conversion,
            any,
            boolean,
            |_, a| {
                Ok(all_values(a, |scalar| match scalar {
                    Scalar::Integer(_) => true,
                    Scalar::Text(text) => text.trim().parse::<i64>().is_ok(),
                    Scalar::Binary(bytes) => number_of(bytes).is_some(),
                    _ => false,
                }))
            },
            "Whether CNum would succeed.",
        ),
        Function::eager(
            "IsGuid",
            Conversion,
            any,
            boolean,
            |_, a| Ok(all_values(a, |scalar| matches!(scalar, Scalar::Text(text) if text.parse::<Guid>().is_ok()))),
            "Whether CGuid would succeed.",
        ),
        Function::eager(
            "ConvertToBase64",
            Conversion,
            const { &[one("value", TEXT.and(Kind::Binary))] },
            text,
            to_base64,
            "The bytes of a binary value, or a text in UTF-16, as base64.",
        ),
        Function::eager(
            "ConvertFromBase64",
            Conversion,
            const { &[one("text", TEXT), optional(parameter("encoding", Accepts::Word(&["Unicode", "ASCII", "UTF8"])))] },
            text,
            from_base64,
            "The text that base64 carries in UTF-16, or in the named encoding.",
        ),
        Function::eager(
            "ConvertToBase32",
            Conversion,
            const { &[one("value", BINARY)] },
            text,
            to_base32,
            "The bytes as base32 (RFC 4648) in lower case without padding: a key that any system takes, 26 characters for a GUID. An addition of this engine.",
        ),
        Function::eager(
            "ConvertToUTF8Hex",
            Conversion,
            const { &[one("text", TEXT)] },
            text,
            to_utf8_hex,
            "The UTF-8 bytes of a text in upper-case hexadecimal.",
        ),
        Function::eager(
            "ConvertFromUTF8Hex",
            Conversion,
            const { &[one("text", TEXT)] },
            text,
            from_utf8_hex,
            "The text whose UTF-8 bytes are given in hexadecimal.",
        ),
        Function::eager(
            "BitAnd",
            Number,
            const { &[one("value", INTEGER), one("mask", INTEGER)] },
            number,
            |_, a| bits(a, |value, mask| Data::integer(value & mask)),
            "Bitwise AND; absent when the value is.",
        ),
        Function::eager(
            "BitOr",
            Number,
            const { &[one("value", INTEGER), one("mask", INTEGER)] },
            number,
            |_, a| bits(a, |value, mask| Data::integer(value | mask)),
            "Bitwise OR; absent when the value is.",
        ),
        Function::eager(
            "IsBitSet",
            Number,
            const { &[one("value", INTEGER), one("mask", INTEGER)] },
            boolean,
            |_, a| {
                let set = bits(a, |value, mask| Data::boolean(value & mask == mask))?;
                Ok(if set == Data::Null { Data::boolean(false) } else { set })
            },
            "Whether all bits of the mask are set; the mask is a value such as 2, not the number of a bit.",
        ),
    ]
}

fn cstr<'v>(_: &mut Evaluator<'v>, a: &Arguments<'_, 'v>) -> Result<Data<'v>, Fault> {
    match a.scalar(0) {
        None => Ok(Data::Null),
        Some(text @ Scalar::Text(_)) => Ok(Data::One(text.clone())),
        Some(Scalar::Integer(number)) => Ok(Data::text(number.to_string())),
        Some(Scalar::Boolean(truth)) => Ok(Data::text(if *truth { "True" } else { "False" })),
        Some(Scalar::Reference(reference)) => Ok(Data::text(reference.to_string())),
        Some(other) => Err(a.mismatch(0, other, "a text, number, truth value or reference")),
    }
}

fn cbool(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    Ok(Data::boolean(match a.scalar(0) {
        None => false,
        Some(Scalar::Boolean(truth)) => *truth,
        Some(Scalar::Integer(number)) => *number != 0,
        Some(Scalar::Text(text)) if text.eq_ignore_ascii_case("true") => true,
        Some(Scalar::Text(text)) if text.eq_ignore_ascii_case("false") => false,
        Some(Scalar::Text(text)) => return Err(unconvertible(a, text, "True or False")),
        Some(other) => return Err(a.mismatch(0, other, "a number or a truth value")),
    }))
}

fn cnum(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    match a.scalar(0) {
        None => Ok(Data::Null),
        Some(Scalar::Integer(number)) => Ok(Data::integer(*number)),
        Some(Scalar::Text(text)) => match text.trim().parse() {
            Ok(number) => Ok(Data::integer(number)),
            Err(_) => Err(unconvertible(a, text, "a whole number of at most 64 bits")),
        },
        Some(Scalar::Binary(bytes)) => match number_of(bytes) {
            Some(number) => Ok(Data::integer(number)),
            None => {
                let message = format!("`CNum`: {} bytes are not a number of at most 64 bits", bytes.len());
                Err(Fault::new("expression-conversion-failed", message))
            }
        },
        Some(other) => Err(a.mismatch(0, other, "a text or a binary value")),
    }
}

/// The lowest byte first, as in the binary structures of a directory; never negative.
fn number_of(bytes: &[u8]) -> Option<i64> {
    if !(1..=8).contains(&bytes.len()) {
        return None;
    }
    let number = bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    i64::try_from(number).ok()
}

/// Whether there is a value, and all values are such.
fn all_values(a: &Arguments<'_, '_>, holds: impl Fn(&Scalar<'_>) -> bool) -> Data<'static> {
    Data::boolean(!a.is_null(0) && a.list(0).iter().all(holds))
}

fn cbin(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let (Some(number), Some(length)) = (a.integer(0)?, a.integer(1)?) else {
        return Ok(Data::Null);
    };
    let bytes = number.to_le_bytes();
    let Some(length) = usize::try_from(length).ok().filter(|length| (1..=bytes.len()).contains(length)) else {
        return Err(invalid_argument(a, format_args!("makes 1 to 8 bytes, not {length}")));
    };
    let (kept, cut) = bytes.split_at(length);
    // What is cut may only repeat the sign.
    let negative = number < 0;
    if cut.iter().any(|byte| *byte != if negative { 0xff } else { 0 }) {
        return Err(invalid_argument(a, format_args!("cannot write {number} in {length} bytes")));
    }
    Ok(Data::binary(kept.to_vec()))
}

fn cguid(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    match a.text(0)? {
        None => Ok(Data::Null),
        Some(text) => match text.parse::<Guid>() {
            Ok(guid) => Ok(Data::binary(guid.as_directory_bytes().to_vec())),
            Err(_) => Err(unconvertible(a, text, "a GUID")),
        },
    }
}

fn to_base64(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    match a.scalar(0) {
        None => Ok(Data::Null),
        Some(Scalar::Binary(bytes)) => Ok(Data::text(STANDARD.encode(bytes))),
        Some(Scalar::Text(text)) => {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            Ok(Data::text(STANDARD.encode(bytes)))
        }
        Some(other) => Err(a.mismatch(0, other, "a text or a binary value")),
    }
}

fn from_base64(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let Some(text) = a.text(0)? else {
        return Ok(Data::Null);
    };
    let bytes = STANDARD.decode(text.trim()).map_err(|_| unconvertible(a, text, "base64"))?;
    let decoded = match a.word(1) {
        Some("UTF8") => String::from_utf8(bytes).ok(),
        Some("ASCII") => String::from_utf8(bytes).ok().filter(|text| text.is_ascii()),
        _ if bytes.len() % 2 == 0 => {
            let pairs: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
            String::from_utf16(&pairs).ok()
        }
        _ => None,
    };
    decoded.map(Data::text).ok_or_else(|| unconvertible(a, text, "a text in this encoding"))
}

fn to_base32(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let Some(bytes) = a.binary(0)? else {
        return Ok(Data::Null);
    };
    let mut encoded = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut held, mut held_bits) = (0u32, 0u32);
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xfff;
        held_bits += 8;
        while held_bits >= 5 {
            held_bits -= 5;
            encoded.push(char::from(ALPHABET[(held >> held_bits & 31) as usize]));
        }
    }
    if held_bits > 0 {
        encoded.push(char::from(ALPHABET[(held << (5 - held_bits) & 31) as usize]));
    }
    Ok(Data::text(encoded))
}

fn to_utf8_hex(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    Ok(a.text(0)?.map_or(Data::Null, |text| {
        let mut hex = String::with_capacity(text.len() * 2);
        for byte in text.bytes() {
            let _ = write!(hex, "{byte:02X}");
        }
        Data::text(hex)
    }))
}

fn from_utf8_hex(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let Some(text) = a.text(0)? else {
        return Ok(Data::Null);
    };
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    digits
        .filter(|digits| digits.len() % 2 == 0)
        .map(|digits| digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(Data::text)
        .ok_or_else(|| unconvertible(a, text, "the hexadecimal form of UTF-8"))
}

fn bits(a: &Arguments<'_, '_>, step: impl Fn(i64, i64) -> Data<'static>) -> Result<Data<'static>, Fault> {
    match (a.integer(0)?, a.integer(1)?) {
        (Some(value), Some(mask)) => Ok(step(value, mask)),
        _ => Ok(Data::Null),
    }
}
