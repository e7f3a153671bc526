//! What each kind of text record says in characters: the canonical forms of [MC-NBFX] 2.2.3. Where its prose and its examples
//! (section 3) differ, the examples are followed: they are what .NET writes.

use super::read::{Problem, Reader, letter};
use super::tree::Str;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::ToSpan;
use metaverse_schema::Guid;

/// 100-nanosecond ticks.
const TICKS_PER_SECOND: u64 = 10_000_000;
const SECONDS_PER_DAY: u64 = 86_400;
/// Ticks from the year 1 to the end of the year 9999 (2.2.3.12).
const TICKS_OF_ALL_YEARS: u64 = 3_155_378_976_000_000_000;

/// The characters of one record; `record` is even and no list.
pub(super) fn read(reader: &mut Reader<'_>, record: u8) -> Result<Str, Problem> {
    Ok(match record {
        0x80 => "0".into(),
        0x82 => "1".into(),
        0x84 => "false".into(),
        0x86 => "true".into(),
        0x88 => i8::from_le_bytes(reader.fixed()?).to_string().into(),
        0x8A => i16::from_le_bytes(reader.fixed()?).to_string().into(),
        0x8C => i32::from_le_bytes(reader.fixed()?).to_string().into(),
        0x8E => i64::from_le_bytes(reader.fixed()?).to_string().into(),
        0x90 => {
            let value = f32::from_le_bytes(reader.fixed()?);
            float(f64::from(value), &format!("{value:e}"), 7)
        }
        0x92 => {
            let value = f64::from_le_bytes(reader.fixed()?);
            float(value, &format!("{value:e}"), 15)
        }
        0x94 => decimal(reader.fixed()?)?,
        0x96 => date_time(u64::from_le_bytes(reader.fixed()?))?,
        0x98 | 0x9A | 0x9C => {
            let length = length(reader, (record - 0x98) / 2)?;
            utf8(reader.take(length)?)?.into()
        }
        0x9E | 0xA0 | 0xA2 => {
            let length = length(reader, (record - 0x9E) / 2)?;
            STANDARD.encode(reader.take(length)?).into()
        }
        0xA8 => "".into(),
        0xAA => reader.shared()?,
        0xAC => format!("urn:uuid:{}", Guid::from_directory_bytes(reader.fixed()?)).into(),
        0xAE => duration(i64::from_le_bytes(reader.fixed()?)),
        0xB0 => Guid::from_directory_bytes(reader.fixed()?).to_string().into(),
        0xB2 => u64::from_le_bytes(reader.fixed()?).to_string().into(),
        0xB4 => match reader.byte()? {
            0 => "false".into(),
            1 => "true".into(),
            _ => return Err(Problem::Value("truth")),
        },
        0xB6 | 0xB8 | 0xBA => {
            let length = length(reader, (record - 0xB6) / 2)?;
            utf16(reader.take(length)?)?.into()
        }
        0xBC => {
            let prefix = letter(reader.byte()?);
            if prefix.is_empty() {
                return Err(Problem::Value("qualified name"));
            }
            format!("{prefix}:{}", reader.shared()?).into()
        }
        other => return Err(Problem::Misplaced(other)),
    })
}

/// A length of one, two or four bytes; the last is signed and not negative.
fn length(reader: &mut Reader<'_>, width: u8) -> Result<usize, Problem> {
    match width {
        0 => Ok(usize::from(reader.byte()?)),
        1 => Ok(usize::from(u16::from_le_bytes(reader.fixed()?))),
        _ => usize::try_from(i32::from_le_bytes(reader.fixed()?)).map_err(|_| Problem::Value("length")),
    }
}

pub(super) fn utf8(bytes: &[u8]) -> Result<String, Problem> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Problem::Encoding)
}

fn utf16(bytes: &[u8]) -> Result<String, Problem> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Problem::Encoding);
    }
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
    char::decode_utf16(units).collect::<Result<String, _>>().map_err(|_| Problem::Encoding)
}

/// The shortest digits that give the same number, in exponential form beyond `digits` places, as .NET writes it.
fn float(value: f64, shortest: &str, digits: i32) -> Str {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF".into() } else { "-INF".into() };
    }
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..digits).contains(&exponent) {
        let sign = if mantissa.starts_with('-') { "-" } else { "" };
        let figures: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        return format!("{sign}{}", placed(&figures, exponent)).into();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}E{sign}{:02}", exponent.unsigned_abs()).into()
}

/// Digits with the decimal point behind the first one, moved `exponent` places to the right.
fn placed(digits: &str, exponent: i32) -> String {
    let point = exponent + 1;
    match usize::try_from(point) {
        Ok(point) if point >= digits.len() => format!("{digits}{}", "0".repeat(point - digits.len())),
        Ok(point) if point > 0 => format!("{}.{}", &digits[..point], &digits[point..]),
        _ => format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
    }
}

/// [MS-OAUT] 2.2.26: reserved, scale, sign, the high 32 and the low 64 bits.
fn decimal(bytes: [u8; 16]) -> Result<Str, Problem> {
    let scale = usize::from(bytes[2]);
    if scale > 28 || !matches!(bytes[3], 0 | 0x80) {
        return Err(Problem::Value("decimal"));
    }
    let mut whole = [0u8; 16];
    whole[..8].copy_from_slice(&bytes[8..]);
    whole[8..12].copy_from_slice(&bytes[4..8]);
    let digits = format!("{:0width$}", u128::from_le_bytes(whole), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let fraction = fraction.trim_end_matches('0');
    let zero = fraction.is_empty() && whole == "0";
    let sign = if bytes[3] != 0 && !zero { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    Ok(format!("{sign}{whole}{point}{fraction}").into())
}

/// Ticks since the year 1 and, in the two highest bits, of which zone. Local time is that of the reader; ours is UTC.
fn date_time(value: u64) -> Result<Str, Problem> {
    let ticks = value & (u64::MAX >> 2);
    let zone = match value >> 62 {
        0 => "",
        1 => "Z",
        2 => "+00:00",
        _ => return Err(Problem::Value("date")),
    };
    if ticks >= TICKS_OF_ALL_YEARS {
        return Err(Problem::Value("date"));
    }
    let seconds = ticks / TICKS_PER_SECOND;
    let days = i64::try_from(seconds / SECONDS_PER_DAY).map_err(|_| Problem::Value("date"))?;
    let date = jiff::civil::date(1, 1, 1).checked_add(days.days()).map_err(|_| Problem::Value("date"))?;
    let second = seconds % SECONDS_PER_DAY;
    let (hours, minutes, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut text = format!("{date}T{hours:02}:{minutes:02}:{second:02}");
    push_fraction(&mut text, ticks % TICKS_PER_SECOND);
    text.push_str(zone);
    Ok(text.into())
}

/// As an XML Schema duration of days, hours, minutes and seconds.
fn duration(ticks: i64) -> Str {
    let whole = ticks.unsigned_abs();
    let (seconds, fraction) = (whole / TICKS_PER_SECOND, whole % TICKS_PER_SECOND);
    let part = |amount: u64, unit: char| if amount > 0 { format!("{amount}{unit}") } else { String::new() };
    let days = part(seconds / SECONDS_PER_DAY, 'D');
    let mut time = part(seconds / 3600 % 24, 'H') + &part(seconds / 60 % 60, 'M');
    let second = seconds % 60;
    if second + fraction > 0 || days.is_empty() && time.is_empty() {
        time.push_str(&second.to_string());
        push_fraction(&mut time, fraction);
        time.push('S');
    }
    let sign = if ticks < 0 { "-" } else { "" };
    let mark = if time.is_empty() { "" } else { "T" };
    format!("{sign}P{days}{mark}{time}").into()
}

/// Up to seven digits without trailing zeros.
fn push_fraction(text: &mut String, ticks: u64) {
    if ticks > 0 {
        text.push('.');
        text.push_str(format!("{ticks:07}").trim_end_matches('0'));
    }
}
