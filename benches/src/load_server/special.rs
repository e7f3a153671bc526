//! The objects of a domain controller that are not the domain's: the root entry, its own settings, the schema. They are what
//! a connector reads before it reads anything else (MS-ADTS 3.1.1.3.2, 3.1.1.2).

use super::encode::{self, Style};
use super::filter::Values;
use super::request::{Scope, Search};
use crate::world::{ATTRIBUTES, DOMAIN, Object, ValueSink as _, World};

/// The name under which the server answers.
pub(crate) const HOST: &str = "load.corp.contoso.example";

/// An object with its attributes as they are answered.
pub(crate) struct Special {
    dn: String,
    attributes: Vec<(&'static str, Vec<Vec<u8>>)>,
}

fn configuration() -> String {
    format!("CN=Configuration,{DOMAIN}")
}

fn schema_context() -> String {
    format!("CN=Schema,{}", configuration())
}

fn settings_dn() -> String {
    format!("CN=NTDS Settings,CN=LOAD,CN=Servers,CN=Default-First-Site-Name,CN=Sites,{}", configuration())
}

fn text(value: impl Into<String>) -> Vec<Vec<u8>> {
    vec![value.into().into_bytes()]
}

fn texts(values: &[&str]) -> Vec<Vec<u8>> {
    values.iter().map(|value| value.as_bytes().to_vec()).collect()
}

/// The objects that a search of this base looks at; `None` when the base is of the domain.
pub(crate) fn objects(world: &World, search: &Search) -> Option<Vec<Special>> {
    let base = search.base.as_str();
    if base.is_empty() {
        return Some(if search.scope == Scope::Base { vec![root(world, search)] } else { Vec::new() });
    }
    if base.eq_ignore_ascii_case(&settings_dn()) {
        return Some(vec![settings(world)]);
    }
    if base.eq_ignore_ascii_case(&schema_context()) {
        return Some(match search.scope {
            Scope::Base => Vec::new(),
            Scope::One | Scope::Subtree => {
                let known = ATTRIBUTES.iter().filter(|known| world.options().exchange || !known.exchange);
                known.map(definition).collect()
            }
        });
    }
    None
}

/// The root entry. The clock is read here: the connector compares it with its own (SF26).
fn root(world: &World, search: &Search) -> Special {
    let mut attributes = vec![
        ("dsServiceName", text(settings_dn())),
        ("dnsHostName", text(HOST)),
        ("defaultNamingContext", text(DOMAIN)),
        ("rootDomainNamingContext", text(DOMAIN)),
        ("configurationNamingContext", text(configuration())),
        ("schemaNamingContext", text(schema_context())),
        ("namingContexts", texts(&[DOMAIN, &configuration(), &schema_context()])),
        ("highestCommittedUSN", text(world.usn().to_string())),
        ("currentTime", text(now())),
        ("supportedLDAPVersion", texts(&["3"])),
        (
            "supportedControl",
            texts(&[
                super::request::PAGED,
                super::request::DIRSYNC,
                super::request::EXTENDED_DN,
                super::request::SHOW_DELETED,
                super::request::SHOW_RECYCLED,
            ]),
        ),
        ("supportedCapabilities", texts(&["1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670"])),
        ("domainFunctionality", text("7")),
        ("forestFunctionality", text("7")),
        ("domainControllerFunctionality", text("7")),
        ("isSynchronized", text("TRUE")),
        ("isGlobalCatalogReady", text("TRUE")),
    ];
    // The SIDs of the session: only for who asks.
    if search.asked.names("tokenGroups") {
        let own = world.sid(Object::Service).map(|sid| sid.to_vec());
        let everyone = vec![1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        attributes.push(("tokenGroups", own.into_iter().chain([everyone]).collect()));
    }
    Special { dn: String::new(), attributes }
}

fn settings(world: &World) -> Special {
    let mut invocation = world.guid(Object::Service);
    // Nobody else's GUID, and the same for every start of the same world: so does a domain controller keep it.
    invocation.reverse();
    Special {
        dn: settings_dn(),
        attributes: vec![
            ("objectClass", texts(&["top", "applicationSettings", "nTDSDSA"])),
            ("invocationId", vec![invocation.to_vec()]),
        ],
    }
}

fn definition(known: &crate::world::Definition) -> Special {
    let truth = |value: bool| text(if value { "TRUE" } else { "FALSE" });
    let mut attributes = vec![
        ("objectClass", texts(&["top", "attributeSchema"])),
        ("cn", text(known.name)),
        ("lDAPDisplayName", text(known.name)),
        ("attributeSyntax", text(known.syntax)),
        ("oMSyntax", text(known.om_syntax.to_string())),
        ("isSingleValued", truth(known.single)),
        ("systemFlags", text(known.system_flags.to_string())),
        ("systemOnly", truth(known.system_only)),
    ];
    if let Some(link) = known.link {
        attributes.push(("linkID", text(link.to_string())));
    }
    Special { dn: format!("CN={},{}", known.name, schema_context()), attributes }
}

impl Special {
    pub(crate) fn matches(&self, search: &Search) -> bool {
        search.filter.matches(&|name| {
            let found = self.attributes.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            // The root entry shows no class, and yet `(objectClass=*)` finds it.
            let hidden = if name.eq_ignore_ascii_case("objectClass") { texts(&["top"]) } else { Vec::new() };
            Values { values: found.map_or(hidden, |(_, values)| values.clone()), binary: false }
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>, id: i64, search: &Search, style: Style) {
        encode::entry(
            out,
            id,
            |out| out.extend_from_slice(self.dn.as_bytes()),
            |out| {
                for (name, values) in &self.attributes {
                    if search.asked.all || search.asked.names(name) {
                        encode::attribute(out, name, None, style, false, |sink| {
                            values.iter().for_each(|value| sink.value(|out| out.extend_from_slice(value)));
                        });
                    }
                }
            },
        );
    }
}

/// The moment, as GeneralizedTime.
fn now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let (days, second) = ((since.as_secs() / 86_400) as i64, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}{month:02}{day:02}{:02}{:02}{:02}.0Z", second / 3_600, second / 60 % 60, second % 60)
}

/// Year, month and day of a number of days since 1970, in eras of 400 years that begin on 1 March.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    #[test]
    fn days_are_dates() {
        assert_eq!(super::civil(0), (1970, 1, 1));
        assert_eq!(super::civil(11_016), (2000, 2, 29));
        assert_eq!(super::civil(20_782), (2026, 11, 25));
    }
}
