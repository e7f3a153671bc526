//! Usage locations: the two-letter country codes of ISO 3166-1 that a tenant takes, and which rule is their master. Guesses no
//! country.

use std::fmt;
use sync_rules::{Direction, Rule, RuleSet};

/// ISO 3166-1 alpha-2, officially assigned codes.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY \
    BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD \
    GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN \
    KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE \
    NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM \
    SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT \
    ZA ZM ZW";
/// What people write instead.
const MEANT: [(&str, &str); 4] = [("UK", "GB"), ("EL", "GR"), ("EN", "GB"), ("SP", "ES")];
/// The attribute in a tenant.
const USAGE_LOCATION: &str = "usageLocation";

/// A country code that exists, in capitals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageLocation(String);

/// What was typed is no country.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{typed}` is no two-letter country code of ISO 3166-1, such as DE, US or GB{}", meant.map(|meant| format!("; {meant} is meant?")).unwrap_or_default())]
pub struct UnknownLocation {
    typed: String,
    meant: Option<&'static str>,
}

impl UsageLocation {
    /// Reads a code in any case.
    pub fn read(text: &str) -> Result<UsageLocation, UnknownLocation> {
        let code = text.trim().to_ascii_uppercase();
        if code.len() == 2 && COUNTRIES.split_ascii_whitespace().any(|known| known == code) {
            return Ok(UsageLocation(code));
        }
        let meant = MEANT.iter().find(|(written, _)| *written == code).map(|(_, meant)| *meant);
        Err(UnknownLocation { typed: text.to_owned(), meant })
    }
}

impl fmt::Display for UsageLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The rule that writes usage locations of the target's users, and whether it does so for new users only.
pub(super) fn master<'r>(rules: &'r RuleSet, connector: &str) -> Option<(&'r Rule, bool)> {
    let flows = rules
        .rules
        .iter()
        .filter(|rule| rule.direction == Direction::Outbound && &*rule.connector == connector)
        .flat_map(|rule| rule.flows.iter().map(move |flow| (rule, flow)))
        .filter(|(_, flow)| flow.target.as_str() == USAGE_LOCATION);
    let found: Vec<(&Rule, bool)> = flows.map(|(rule, flow)| (rule, flow.once)).collect();
    found.iter().find(|(_, once)| !once).or(found.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_known_in_any_case_and_what_is_none_is_refused_by_name() {
        assert_eq!(UsageLocation::read(" de ").unwrap().to_string(), "DE");
        assert_eq!(COUNTRIES.split_ascii_whitespace().count(), 249);
        for wrong in ["", "D", "DEU", "Germany", "XX", "ß"] {
            assert!(UsageLocation::read(wrong).is_err(), "{wrong}");
        }
        let told = UsageLocation::read("uk").unwrap_err().to_string();
        assert_eq!(told, "`uk` is no two-letter country code of ISO 3166-1, such as DE, US or GB; GB is meant?");
    }
}
