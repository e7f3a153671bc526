//! Reads the times that directories and certificates write (GeneralizedTime, UTCTime) as seconds since 1970. Has no clock.

/// `20261122181737.0Z` or, in certificates, `261122181737Z`; UTC only, as both standards ask. Seconds since 1970.
pub(crate) fn unix_seconds(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('Z')?;
    let digits = digits.split_once('.').map_or(digits, |(whole, _)| whole);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match digits.len() {
        14 => (digits.get(..4)?.parse::<i64>().ok()?, digits.get(4..)?),
        12 => {
            // RFC 5280 4.1.2.5.1: two digits from 50 on are of the last century.
            let short: i64 = digits.get(..2)?.parse().ok()?;
            (if short >= 50 { 1900 + short } else { 2000 + short }, digits.get(2..)?)
        }
        _ => return None,
    };
    let field = |index: usize| rest.get(2 * index..2 * index + 2).and_then(|pair| pair.parse::<i64>().ok());
    let (month, day, hour, minute, second) = (field(0)?, field(1)?, field(2)?, field(3)?, field(4)?);
    let plausible = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    plausible.then(|| days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Days of the proleptic Gregorian calendar, counted in eras of 400 years that begin on 1 March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        assert_eq!(unix_seconds("19700101000000.0Z"), Some(0));
        assert_eq!(unix_seconds("20000229120000.0Z"), Some(951_825_600));
        assert_eq!(unix_seconds("20261122181737.0Z"), Some(1_795_371_457));
        assert_eq!(unix_seconds("261122181737Z"), Some(1_795_371_457));
        assert_eq!(unix_seconds("500101000000Z"), Some(-631_152_000));
        for bad in ["", "Z", "20261322000000Z", "2026112218173Z", "20261122181737+0100", "2026112é181737Z"] {
            assert_eq!(unix_seconds(bad), None, "{bad}");
        }
    }
}
