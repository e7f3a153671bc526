//! What the result of each operation says (B.4 to B.6), read by local names: what a reply lacks is none, what it has more is
//! passed over. Never guesses a value.

use super::binary::Element;
use super::capabilities::ServiceCapabilities;
use super::company::{CompanyConfiguration, DeletionPrevention, DirSyncFeatures};
use super::object::{SyncKind, SyncObject, SyncOperation, SyncValue};
use super::outcome::ReadBackPage;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The text of a child; none where it is missing, nil or empty.
fn text(element: &Element, name: &str) -> Option<String> {
    let child = element.find(name).filter(|child| !child.is_nil())?;
    Some(child.content().trim().to_owned()).filter(|text| !text.is_empty())
}

fn number<T: std::str::FromStr>(element: &Element, name: &str) -> Option<T> {
    text(element, name)?.parse().ok()
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "True" => Some(true),
        "false" | "0" | "False" => Some(false),
        _ => None,
    }
}

fn boolean(element: &Element, name: &str) -> Option<bool> {
    truth(&text(element, name)?)
}

pub(super) fn company_configuration(result: &Element) -> CompanyConfiguration {
    let sync = result.find("DirSyncConfiguration");
    let of = |name: &str| text(sync?, name);
    let export = sync.and_then(|sync| sync.find("CurrentExport"));
    let prevention = sync.and_then(|sync| sync.find("PreventAccidentalDeletion")).and_then(|prevention| {
        Some(DeletionPrevention {
            kind: text(prevention, "DeletionPrevention")?,
            threshold_count: number(prevention, "ThresholdCount"),
            threshold_percentage: number(prevention, "ThresholdPercentage"),
        })
    });
    let allowed = result.find("AllowedFeatures").map(list_or_words).unwrap_or_default();
    CompanyConfiguration {
        tenant_id: text(result, "TenantId"),
        display_name: text(result, "DisplayName"),
        is_dir_syncing: boolean(result, "IsDirSyncing"),
        is_password_syncing: boolean(result, "IsPasswordSyncing"),
        features: DirSyncFeatures(number(result, "DirSyncFeatures").unwrap_or_default()),
        allowed_features: allowed,
        anchor_attribute: of("AnchorAttribute"),
        client_machine: export.and_then(|export| text(export, "DirSyncClientMachineName")),
        client_version: of("ClientVersion"),
        application_version: of("ApplicationVersion"),
        total_connector_space_objects: export.and_then(|export| number(export, "TotalConnectorSpaceObjects")),
        is_tracking_changes: sync.and_then(|sync| boolean(sync, "IsTrackingChanges")),
        deletion_prevention: prevention,
        max_links_per_batch: number(result, "MaxLinksSupportedAcrossBatchInProvision2"),
        synchronization_interval: text(result, "SynchronizationInterval"),
    }
}

/// A list of elements, or flags written with blanks between them.
fn list_or_words(element: &Element) -> Vec<String> {
    let items: Vec<String> = element.elements().map(|item| item.content().into_owned()).collect();
    if !items.is_empty() {
        return items;
    }
    element.content().split_whitespace().map(str::to_owned).collect()
}

/// The result is a text that holds XML of its own.
pub(super) fn capabilities(result: &Element) -> Result<ServiceCapabilities, String> {
    ServiceCapabilities::read(&result.content())
}

/// What is read back, and how many objects are of a kind that nobody here knows.
pub(super) fn read_back(result: &Element) -> (ReadBackPage, usize) {
    let objects =
        result.find("ResultObjects").map(|objects| objects.elements().collect::<Vec<_>>()).unwrap_or_default();
    let known: Vec<SyncObject> = objects.iter().filter_map(|object| sync_object(object)).collect();
    let unknown = objects.len() - known.len();
    // What the service calls its cookie and its flag is not published (B.4): any name that says so will do.
    let named = |part: &str| {
        result.elements().find(|child| child.name.local.to_ascii_lowercase().contains(part) && !child.is_nil())
    };
    let cookie = named("cookie").map(|cookie| cookie.content().trim().to_owned()).filter(|cookie| !cookie.is_empty());
    let more = named("more").and_then(|more| truth(more.content().trim())).unwrap_or(false);
    (ReadBackPage { objects: known, cookie, more }, unknown)
}

fn sync_object(element: &Element) -> Option<SyncObject> {
    let kind = SyncKind::from_name(&text(element, "SyncObjectType")?)?;
    let operation = text(element, "SyncOperation").and_then(|name| SyncOperation::from_name(&name));
    let properties = element.find("PropertyValues").into_iter().flat_map(Element::elements).filter_map(|pair| {
        let key = text(pair, "Key")?;
        Some((key, pair.find("Value").map_or(SyncValue::Nil, value)))
    });
    Some(SyncObject { kind, operation: operation.unwrap_or(SyncOperation::Set), properties: properties.collect() })
}

/// A value by its declared type; what does not read as that type stays the text it is.
fn value(element: &Element) -> SyncValue {
    if element.is_nil() {
        return SyncValue::Nil;
    }
    let content = element.content();
    let as_text = || SyncValue::Text(content.clone().into_owned());
    let bytes = |text: &str| STANDARD.decode(text.split_whitespace().collect::<String>()).ok();
    // The prefix of a type's name is whatever the sender declared.
    let kind = element.attribute_value("type").map(|kind| kind.rsplit(':').next().unwrap_or(kind));
    match kind {
        Some("boolean") => truth(content.trim()).map_or_else(as_text, SyncValue::Boolean),
        Some("long" | "int" | "short" | "byte" | "unsignedInt" | "unsignedShort" | "unsignedByte") => {
            content.trim().parse().map_or_else(|_| as_text(), SyncValue::Long)
        }
        Some("base64Binary") => bytes(&content).map_or_else(as_text, SyncValue::Binary),
        Some("ArrayOfbase64Binary") => {
            let items = element.elements().map(|item| bytes(&item.content())).collect::<Option<Vec<_>>>();
            items.map_or_else(|| SyncValue::Texts(list_or_words(element)), SyncValue::Binaries)
        }
        Some("ArrayOfstring") => SyncValue::Texts(element.elements().map(|item| item.content().into_owned()).collect()),
        _ if element.elements().next().is_some() => SyncValue::Texts(list_or_words(element)),
        _ => as_text(),
    }
}

/// One entry of a provisioning reply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ObjectResult {
    pub(super) kind: Option<SyncKind>,
    pub(super) operation: Option<SyncOperation>,
    pub(super) source_anchor: Option<String>,
    pub(super) cloud_anchor: Option<String>,
    /// `Failure`, or an error description whatever the code says (B.5).
    pub(super) failed: bool,
    /// `ResultErrorCode`: a number that the service does not publish.
    pub(super) code: Option<String>,
    /// `ErrorDetails`.
    pub(super) details: Option<String>,
    /// `ResultErrorDescription`.
    pub(super) description: Option<String>,
}

pub(super) fn object_results(result: &Element) -> Vec<ObjectResult> {
    let entries = result.find("SyncObjectResults").into_iter().flat_map(Element::elements);
    let read = entries.map(|entry| {
        let description = text(entry, "ResultErrorDescription");
        let failed = text(entry, "ResultCode").is_none_or(|code| !code.eq_ignore_ascii_case("Success"));
        ObjectResult {
            kind: text(entry, "ObjectType").and_then(|name| SyncKind::from_name(&name)),
            operation: text(entry, "SyncOperation").and_then(|name| SyncOperation::from_name(&name)),
            source_anchor: text(entry, "SourceAnchor"),
            cloud_anchor: text(entry, "CloudAnchor"),
            failed: failed || description.is_some(),
            code: text(entry, "ResultErrorCode").filter(|code| code != "0"),
            details: text(entry, "ErrorDetails"),
            description,
        }
    });
    read.collect()
}

/// One entry of a reply about password hashes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct CredentialResult {
    pub(super) source_anchor: Option<String>,
    pub(super) cloud_anchor: Option<String>,
    /// `0` is success.
    pub(super) result: String,
    pub(super) message: Option<String>,
}

pub(super) fn credential_results(result: &Element) -> Vec<CredentialResult> {
    let entries = result.find("Results").into_iter().flat_map(Element::elements);
    let read = entries.map(|entry| CredentialResult {
        source_anchor: text(entry, "SourceAnchor"),
        cloud_anchor: text(entry, "CloudAnchor"),
        result: text(entry, "Result").unwrap_or_default(),
        message: text(entry, "ExtendedErrorInformation"),
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provisioning::binary::decode;
    use crate::provisioning::envelope::{self, Reply};
    use crate::provisioning::names::{ARRAYS, INSTANCE, SERVICE, SYNC};
    use crate::provisioning::vectors;
    use expect_test::expect;

    fn result(name: &str, operation: &str) -> Element {
        match envelope::reply(decode(&vectors::reply(name)).unwrap(), operation).unwrap() {
            Reply::Result(result) => result,
            Reply::Fault(fault) => panic!("{fault:?}"),
        }
    }

    #[test]
    fn the_tenants_configuration() {
        let configuration = company_configuration(&result("company-configuration", "GetCompanyConfiguration"));
        expect![[r#"
            CompanyConfiguration {
                tenant_id: Some(
                    "11111111-1111-1111-1111-111111111111",
                ),
                display_name: Some(
                    "Example Org.",
                ),
                is_dir_syncing: Some(
                    true,
                ),
                is_password_syncing: Some(
                    false,
                ),
                features: DirSyncFeatures(
                    41016,
                ),
                allowed_features: [
                    "None",
                ],
                anchor_attribute: Some(
                    "mS-DS-ConsistencyGuid",
                ),
                client_machine: Some(
                    "SRV",
                ),
                client_version: Some(
                    "2.5.190.0",
                ),
                application_version: Some(
                    "v",
                ),
                total_connector_space_objects: Some(
                    1,
                ),
                is_tracking_changes: Some(
                    false,
                ),
                deletion_prevention: Some(
                    DeletionPrevention {
                        kind: "EnabledForCount",
                        threshold_count: Some(
                            500,
                        ),
                        threshold_percentage: Some(
                            0,
                        ),
                    },
                ),
                max_links_per_batch: Some(
                    15000,
                ),
                synchronization_interval: Some(
                    "PT30M",
                ),
            }
        "#]]
        .assert_debug_eq(&configuration);
    }

    #[test]
    fn results_of_objects() {
        let of = |name| object_results(&result(name, "ProvisionAzureADSyncObjects"));
        expect![[r#"
            [
                [
                    ObjectResult {
                        kind: Some(
                            User,
                        ),
                        operation: Some(
                            Set,
                        ),
                        source_anchor: Some(
                            "AAECAwQFBgcICQoLDA0ODw==",
                        ),
                        cloud_anchor: Some(
                            "User_33333333-3333-3333-3333-333333333333",
                        ),
                        failed: false,
                        code: None,
                        details: None,
                        description: None,
                    },
                ],
                [
                    ObjectResult {
                        kind: Some(
                            User,
                        ),
                        operation: Some(
                            Set,
                        ),
                        source_anchor: Some(
                            "AAECAwQFBgcICQoLDA0ODw==",
                        ),
                        cloud_anchor: Some(
                            "User_33333333-3333-3333-3333-333333333333",
                        ),
                        failed: true,
                        code: None,
                        details: None,
                        description: Some(
                            "conflict on ProxyAddresses",
                        ),
                    },
                ],
            ]
        "#]]
        .assert_debug_eq(&[of("provision-ok"), of("provision-failure")]);
    }

    /// B.5: a description is a failure whatever the code says; a nil one is none; a missing code is no success.
    #[test]
    fn a_description_is_a_failure() {
        let part = |name: &'static str, text: &'static str| SYNC.element(name).text(text);
        let nil = |name: &'static str| SYNC.element(name).attribute(INSTANCE.name("nil"), "true");
        let entry = |parts: Vec<Element>| SYNC.element("AzureADSyncObjectResult").children(parts);
        let entries = [
            entry(vec![part("ResultCode", "Success"), nil("ResultErrorDescription")]),
            entry(vec![part("ResultCode", "Success"), part("ResultErrorDescription", "conflict")]),
            entry(vec![part("ResultCode", "Failure"), nil("ResultErrorDescription")]),
            entry(vec![nil("ResultErrorDescription")]),
        ];
        let result = SERVICE.element("R").child(SYNC.element("SyncObjectResults").children(entries));
        let failed: Vec<bool> = object_results(&result).iter().map(|result| result.failed).collect();
        assert_eq!(failed, [false, true, true, true]);
    }

    #[test]
    fn results_of_password_hashes() {
        let of = |name| credential_results(&result(name, "ProvisionCredentials"));
        expect![[r#"
            [
                [
                    CredentialResult {
                        source_anchor: Some(
                            "x",
                        ),
                        cloud_anchor: None,
                        result: "0",
                        message: None,
                    },
                ],
                [
                    CredentialResult {
                        source_anchor: Some(
                            "x",
                        ),
                        cloud_anchor: None,
                        result: "2",
                        message: None,
                    },
                ],
            ]
        "#]]
        .assert_debug_eq(&[of("credentials-ok"), of("credentials-failed")]);
    }

    #[test]
    fn objects_that_are_read_back() {
        let (page, unknown) = read_back(&result("readback-2-objects", "ReadBackAzureADSyncObjects2"));
        assert_eq!(unknown, 0);
        expect![[r#"
            ReadBackPage {
                objects: [
                    SyncObject {
                        kind: Group,
                        operation: Set,
                        properties: [
                            (
                                "CloudAnchor",
                                Text(
                                    "Group_33333330-3333-3333-3333-333333333333",
                                ),
                            ),
                            (
                                "SourceAnchor",
                                Text(
                                    "S-1-5-21-1-2-3-1100",
                                ),
                            ),
                        ],
                    },
                    SyncObject {
                        kind: Group,
                        operation: Set,
                        properties: [
                            (
                                "CloudAnchor",
                                Text(
                                    "Group_33333331-3333-3333-3333-333333333333",
                                ),
                            ),
                            (
                                "SourceAnchor",
                                Text(
                                    "S-1-5-21-1-2-3-1101",
                                ),
                            ),
                        ],
                    },
                ],
                cookie: None,
                more: false,
            }
        "#]]
        .assert_debug_eq(&page);
    }

    /// A cookie and a flag by whatever name, an object of an unknown kind, and values of every type.
    #[test]
    fn pages_and_values() {
        let pair = |key: &'static str, value: Element| {
            ARRAYS.element("KeyValueOfstringanyType").child(ARRAYS.element("Key").text(key)).child(value)
        };
        let typed = |kind: &'static str| ARRAYS.element("Value").attribute(INSTANCE.name("type"), kind);
        let item = |text: &'static str| ARRAYS.element("string").text(text);
        let properties = SYNC.element("PropertyValues").children([
            pair("a", typed("x:string").text(" text ")),
            pair("b", typed("x:boolean").text("True")),
            pair("c", typed("x:int").text("-7")),
            pair("d", typed("x:long").text("many")),
            pair("e", typed("x:base64Binary").text("AQ ID")),
            pair("f", typed("x:base64Binary").text("~")),
            pair("g", typed("c:ArrayOfstring")),
            pair("h", typed("c:ArrayOfstring").children([item("x"), item("y")])),
            pair("i", typed("c:ArrayOfbase64Binary").children([item("AQID"), item("")])),
            pair("j", ARRAYS.element("Value").attribute(INSTANCE.name("nil"), "true")),
            pair("k", typed("x:dateTime").text("2026-01-02T03:04:05Z")),
        ]);
        let object = |kind: &'static str, properties: Element| {
            SYNC.element("AzureADSyncObject").child(properties).child(SYNC.element("SyncObjectType").text(kind))
        };
        let objects = [object("user", properties), object("Site", SYNC.element("PropertyValues"))];
        let result = SERVICE.element("R").children([
            SYNC.element("ResultObjects").children(objects),
            SYNC.element("NextPageCookie").text("bmV4dA=="),
            SYNC.element("MoreAvailable").text("true"),
        ]);
        let (page, unknown) = read_back(&result);
        assert_eq!((unknown, page.cookie.as_deref(), page.more), (1, Some("bmV4dA=="), true));
        let values: Vec<String> = page.objects[0].properties.iter().map(|(k, v)| format!("{k} {v:?}")).collect();
        expect![[r#"
            a Text(" text ")
            b Boolean(true)
            c Long(-7)
            d Text("many")
            e Binary([1, 2, 3])
            f Text("~")
            g Texts([])
            h Texts(["x", "y"])
            i Binaries([[1, 2, 3], []])
            j Nil
            k Text("2026-01-02T03:04:05Z")"#]]
        .assert_eq(&values.join("\n"));
        let (last, _) = read_back(&SERVICE.element("R"));
        assert_eq!(last, ReadBackPage::default());
    }
}
