//! Text records: what kind of value each record type holds, and its canonical lexical form, which is what the same
//! message would say as text. Reads single values; lists and elements are in `decode`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::decode::{DecodeError, Reader};
use crate::guid::Guid;

/// Ticks of 100 ns.
const TICKS_PER_SECOND: u64 = 10_000_000;
const TICKS_PER_DAY: u64 = 86_400 * TICKS_PER_SECOND;
/// Ticks from 0001-01-01 to the end of 9999-12-31.
const LAST_TICK: u64 = 3_155_378_975_999_999_999;

/// Reads the value behind an even record type (the odd ones say that the element ends too) as text.
pub(super) fn read(record: u8, reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let text = match record {
        0x80 => "0".to_owned(),
        0x82 => "1".to_owned(),
        0x84 => "false".to_owned(),
        0x86 => "true".to_owned(),
        0x88 => i8::from_le_bytes(reader.array()?).to_string(),
        0x8A => i16::from_le_bytes(reader.array()?).to_string(),
        0x8C => i32::from_le_bytes(reader.array()?).to_string(),
        0x8E => i64::from_le_bytes(reader.array()?).to_string(),
        0x90 => float(f32::from_le_bytes(reader.array()?).into(), |value| (value as f32).to_string()),
        0x92 => float(f64::from_le_bytes(reader.array()?), |value| value.to_string()),
        0x94 => decimal(reader)?,
        0x96 => date_time(reader)?,
        0x98 => characters(reader, 1)?,
        0x9A => characters(reader, 2)?,
        0x9C => characters(reader, 4)?,
        0x9E => bytes(reader, 1)?,
        0xA0 => bytes(reader, 2)?,
        0xA2 => bytes(reader, 4)?,
        0xA8 => String::new(),
        0xAA => reader.dictionary_string()?.to_owned(),
        0xAC => format!("urn:uuid:{}", uuid(reader)?),
        0xAE => duration(i64::from_le_bytes(reader.array()?)),
        0xB0 => uuid(reader)?.to_string(),
        0xB2 => u64::from_le_bytes(reader.array()?).to_string(),
        0xB4 => boolean(reader)?,
        0xB6 => unicode_characters(reader, 1)?,
        0xB8 => unicode_characters(reader, 2)?,
        0xBA => unicode_characters(reader, 4)?,
        0xBC => qualified_name(reader)?,
        _ => return Err(reader.unknown_record(record)),
    };
    reader.charge(text.len())?;
    Ok(text)
}

/// Whether an array record may hold values of that type (2.2.3.31), given with the bit of the end element.
pub(super) fn fits_array(record: u8) -> bool {
    matches!(record, 0xB5 | 0x8B | 0x8D | 0x8F | 0x91 | 0x93 | 0x95 | 0x97 | 0xAF | 0xB1)
}

fn float(value: f64, finite: impl Fn(f64) -> String) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value == f64::INFINITY {
        "INF".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-INF".to_owned()
    } else {
        finite(value)
    }
}

/// 2 reserved bytes, scale, sign, the high 32 and the low 64 bits of the number.
fn decimal(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let _reserved: [u8; 2] = reader.array()?;
    let [scale, sign] = reader.array()?;
    let high = u32::from_le_bytes(reader.array()?);
    let low = u64::from_le_bytes(reader.array()?);
    if scale > 28 || !matches!(sign, 0 | 0x80) {
        return Err(reader.bad_text("a decimal has a scale up to 28 and a sign of 0 or 0x80"));
    }
    let mut digits = ((u128::from(high) << 64) | u128::from(low)).to_string();
    let scale = usize::from(scale);
    if scale > 0 {
        if digits.len() <= scale {
            digits.insert_str(0, &"0".repeat(scale + 1 - digits.len()));
        }
        digits.insert(digits.len() - scale, '.');
    }
    Ok(if sign == 0 { digits } else { format!("-{digits}") })
}

/// Two bits for the kind (1: UTC), 62 bits of ticks since 0001-01-01.
fn date_time(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let value = u64::from_le_bytes(reader.array()?);
    let (kind, ticks) = (value >> 62, value & (u64::MAX >> 2));
    if kind == 3 || ticks > LAST_TICK {
        return Err(reader.bad_text("a date lies in the years 1 to 9999 and is local, UTC or unspecified"));
    }
    let days = i64::try_from(ticks / TICKS_PER_DAY).unwrap_or_default();
    let date = jiff::civil::date(1, 1, 1).checked_add(jiff::Span::new().days(days));
    let date = date.map_err(|_| reader.bad_text("a date lies in the years 1 to 9999"))?;
    let rest = ticks % TICKS_PER_DAY;
    let seconds = rest / TICKS_PER_SECOND;
    let mut text = format!("{date}T{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    push_fraction(&mut text, rest % TICKS_PER_SECOND);
    if kind == 1 {
        text.push('Z');
    }
    Ok(text)
}

/// `.5` for 5,000,000 ticks; nothing for none.
fn push_fraction(text: &mut String, ticks: u64) {
    if ticks > 0 {
        let fraction = format!("{ticks:07}");
        text.push('.');
        text.push_str(fraction.trim_end_matches('0'));
    }
}

/// Ticks as an XML Schema duration: `-P1DT2H3M4.5S`.
fn duration(ticks: i64) -> String {
    let magnitude = ticks.unsigned_abs();
    let mut text = String::from(if ticks < 0 { "-P" } else { "P" });
    let days = magnitude / TICKS_PER_DAY;
    let seconds = magnitude % TICKS_PER_DAY / TICKS_PER_SECOND;
    let fraction = magnitude % TICKS_PER_SECOND;
    if days > 0 {
        let _ = write!(text, "{days}D");
    }
    if seconds == 0 && fraction == 0 {
        if days == 0 {
            text.push_str("T0S");
        }
        return text;
    }
    text.push('T');
    for (count, unit) in [(seconds / 3_600, 'H'), (seconds / 60 % 60, 'M')] {
        if count > 0 {
            let _ = write!(text, "{count}{unit}");
        }
    }
    let seconds = seconds % 60;
    if seconds > 0 || fraction > 0 {
        let _ = write!(text, "{seconds}");
        push_fraction(&mut text, fraction);
        text.push('S');
    }
    text
}

fn characters(reader: &mut Reader<'_>, length_bytes: usize) -> Result<String, DecodeError> {
    let length = reader.length(length_bytes)?;
    let bytes = reader.take(length)?;
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| reader.bad_text("the characters are not UTF-8"))
}

fn unicode_characters(reader: &mut Reader<'_>, length_bytes: usize) -> Result<String, DecodeError> {
    let length = reader.length(length_bytes)?;
    let bytes = reader.take(length)?;
    if length % 2 == 1 {
        return Err(reader.bad_text("UTF-16 characters take an even number of bytes"));
    }
    let units: Vec<u16> = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    String::from_utf16(&units).map_err(|_| reader.bad_text("the characters are not UTF-16"))
}

fn bytes(reader: &mut Reader<'_>, length_bytes: usize) -> Result<String, DecodeError> {
    let length = reader.length(length_bytes)?;
    Ok(STANDARD.encode(reader.take(length)?))
}

/// The first three fields of a GUID are little-endian on the wire.
fn uuid(reader: &mut Reader<'_>) -> Result<Guid, DecodeError> {
    Ok(Guid::from_bits(u128::from_be_bytes(swapped(reader.array()?))))
}

/// Between the wire's order of a GUID's bytes and the printed one; its own inverse.
pub(super) fn swapped(bytes: [u8; 16]) -> [u8; 16] {
    let mut swapped = bytes;
    swapped[0..4].reverse();
    swapped[4..6].reverse();
    swapped[6..8].reverse();
    swapped
}

fn boolean(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    match reader.array()? {
        [0] => Ok("false".to_owned()),
        [1] => Ok("true".to_owned()),
        [_] => Err(reader.bad_text("a boolean is 0 or 1")),
    }
}

/// A prefix letter (0 = a) and a dictionary string.
fn qualified_name(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let [letter] = reader.array()?;
    if letter > 25 {
        return Err(reader.bad_text("a prefix is a letter from a to z"));
    }
    let name = reader.dictionary_string()?;
    Ok(format!("{}:{name}", char::from(b'a' + letter)))
}
