//! Which client builds the service takes: the XML text that `Capabilities` answers. The service is asked; what to do about a
//! build that is too old is for `check`.

use quick_xml::Reader;
use quick_xml::events::Event;

/// What the service says of client builds. Parts that the text lacks are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceCapabilities {
    pub latest_version: Option<String>,
    pub minimum_version: Option<String>,
    /// Builds that are refused although they are new enough; empty while the list is not in force.
    pub blocked_versions: Vec<String>,
}

impl ServiceCapabilities {
    /// Reads `ServiceCapability/MicrosoftOnline/Protocol/Application`, wherever in the text its parts stand.
    pub(super) fn read(text: &str) -> Result<ServiceCapabilities, String> {
        let mut capabilities = ServiceCapabilities::default();
        let mut blocks = false;
        let mut inside = String::new();
        let mut reader = Reader::from_str(text);
        loop {
            let unreadable = |error: &dyn std::fmt::Display| format!("the capabilities are not XML: {error}");
            match reader.read_event().map_err(|error| unreadable(&error))? {
                Event::Start(tag) => {
                    inside = tag.local_name().as_ref().to_owned();
                    if inside == "BlackList" {
                        let enabled = tag.try_get_attribute("Enabled").map_err(|error| unreadable(&error))?;
                        blocks = enabled.is_some_and(|enabled| enabled.value.eq_ignore_ascii_case("true"));
                    }
                }
                Event::Text(text) => {
                    let text = text.trim().to_owned();
                    match inside.as_str() {
                        _ if text.is_empty() => {}
                        "LatestProductVersion" => capabilities.latest_version = Some(text),
                        "MinimumProductVersion" => capabilities.minimum_version = Some(text),
                        "ClientVersion" if blocks => capabilities.blocked_versions.push(text),
                        _ => {}
                    }
                }
                Event::End(_) => inside.clear(),
                Event::Eof => return Ok(capabilities),
                _ => {}
            }
        }
    }

    /// Why a build is not taken; none when nothing speaks against it.
    pub fn refuses(&self, build: &str) -> Option<String> {
        if let Some(minimum) = self.minimum_version.as_ref().filter(|minimum| parts(build) < parts(minimum)) {
            return Some(format!("the build {build} is older than {minimum}, the oldest that the service takes"));
        }
        let blocked = self.blocked_versions.iter().any(|version| parts(version) == parts(build));
        blocked.then(|| format!("the service refuses the build {build} by name"))
    }
}

/// The numbers of a version; what is no number counts as the lowest.
fn parts(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.trim().parse().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// B.4: the names of the parts.
    #[test]
    fn builds_are_weighed() {
        let text = "<ServiceCapability><MicrosoftOnline><Protocol><Application>
            <LatestProductVersion>2.5.190.0</LatestProductVersion><MinimumProductVersion>2.5.79.0</MinimumProductVersion>
            <BlackList Enabled=\"true\"><ClientVersion>2.5.100.0</ClientVersion></BlackList>
            </Application></Protocol></MicrosoftOnline></ServiceCapability>";
        let capabilities = ServiceCapabilities::read(text).unwrap();
        assert_eq!(capabilities.latest_version.as_deref(), Some("2.5.190.0"));
        let told = ["2.5.190.0", "2.5.79.0", "2.5.78.9", "2.5.100.0"].map(|build| capabilities.refuses(build));
        expect![[r#"
            [
                None,
                None,
                Some(
                    "the build 2.5.78.9 is older than 2.5.79.0, the oldest that the service takes",
                ),
                Some(
                    "the service refuses the build 2.5.100.0 by name",
                ),
            ]
        "#]]
        .assert_debug_eq(&told);
        let off = ServiceCapabilities::read(&text.replace("\"true\"", "\"false\"")).unwrap();
        assert_eq!(off.refuses("2.5.100.0"), None);
        assert_eq!(ServiceCapabilities::read("").unwrap(), ServiceCapabilities::default());
        assert!(ServiceCapabilities::read("<a></b>").is_err());
    }
}
