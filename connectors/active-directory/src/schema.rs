//! The attributes that are imported, with their kinds: read from the domain controller's schema, which wins over the
//! built-in table of the vocabulary. Decides text or binary once, by syntax; no value is looked at.

use crate::directory::{Directory, DirectoryError, SearchRequest, read_all};
use crate::entry::Entry;
use foldhash::fast::FixedState;
use metaverse_schema::{AttributeDefinition, AttributeName, ConnectorSchema, Plurality, ValueKind, active_directory};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

/// Attributes that hold password material or keys: never asked for, whatever the settings say.
const SECRETS: &[&str] = &[
    "unicodePwd",
    "userPassword",
    "unixUserPassword",
    "dBCSPwd",
    "ntPwdHistory",
    "lmPwdHistory",
    "supplementalCredentials",
    "clearTextPassword",
    "currentValue",
    "priorValue",
    "trustAuthIncoming",
    "trustAuthOutgoing",
    "initialAuthIncoming",
    "initialAuthOutgoing",
    "ms-Mcs-AdmPwd",
    "msLAPS-Password",
    "msLAPS-EncryptedPassword",
    "msDS-ManagedPassword",
    "msFVE-RecoveryPassword",
];

/// Known attributes that cannot be imported or are noise: links kept by the target, state of one domain controller,
/// the DN that comes with each object, and logon times that change without anyone changing the object.
const NOT_BY_DEFAULT: &[&str] = &[
    "distinguishedName",
    "directReports",
    "memberOf",
    "uSNChanged",
    "uSNCreated",
    "isDeleted",
    "isRecycled",
    "instanceType",
    "lastLogonTimestamp",
    "systemFlags",
];

/// The identity, always imported: joins and the rule for own accounts need it (SF20).
const ALWAYS: &[&str] = &["objectGUID", "objectSid"];

/// `systemFlags` of an attribute (MS-ADTS 2.2.10).
const FLAG_NOT_REPLICATED: i64 = 0x1;
const FLAG_CONSTRUCTED: i64 = 0x4;

/// Attributes of the name: a create or a rename writes them with the DN.
const NAMING: &[&str] = &["cn", "name", "distinguishedName"];
/// Matches when all bits of the value are set (LDAP_MATCHING_RULE_BIT_AND).
const BIT_AND: &str = "1.2.840.113556.1.4.803";
/// The one container that an export creates.
const ORGANIZATIONAL_UNIT: &str = "organizationalUnit";
const FROM_THE_NAME: &str = "it is part of the object's name: flow `dn` instead";

/// How many attribute names one schema search asks for.
const NAMES_PER_FILTER: usize = 100;

/// What the shipped rules read.
pub(crate) fn default_attributes() -> Vec<String> {
    active_directory::schema()
        .attributes
        .into_values()
        .filter(|known| known.kind != ValueKind::Secret && !NOT_BY_DEFAULT.contains(&known.name.as_str()))
        .map(|known| known.name.as_str().to_owned())
        .collect()
}

pub(crate) fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

/// One attribute that is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// In the spelling of the schema.
    pub(crate) name: AttributeName,
    pub(crate) kind: ValueKind,
    pub(crate) plurality: Plurality,
    pub(crate) writable: bool,
}

/// An attribute of the settings that is not imported, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotImported {
    pub(crate) name: String,
    pub(crate) reason: NotImportedReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotImportedReason {
    /// Not in this forest's schema (Exchange attributes where there never was an Exchange).
    Unknown,
    BackLink,
    Constructed,
    NotReplicated,
    NameOfTheObject,
    Syntax,
}

impl NotImportedReason {
    pub(crate) fn explain(self) -> &'static str {
        match self {
            NotImportedReason::Unknown => "it is not in this forest's schema",
            NotImportedReason::BackLink => {
                "it is a back link: changes of it are changes of the objects that point here, import those"
            }
            NotImportedReason::Constructed => {
                "the domain controller computes it when asked, and reports no change of it"
            }
            NotImportedReason::NotReplicated => "each domain controller has its own value",
            NotImportedReason::NameOfTheObject => "the DN comes with every object",
            NotImportedReason::Syntax => "values of its syntax (a DN with data) are not supported",
        }
    }
}

/// The attributes of one step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes {
    by_lower_name: HashMap<String, Attribute>,
    /// The same by the names that servers write.
    by_name: HashMap<AttributeName, Attribute, FixedState>,
    fingerprint: OnceLock<[u8; 32]>,
    /// In alphabetical order.
    pub(crate) not_imported: Vec<NotImported>,
}

impl Attributes {
    pub(crate) fn find(&self, name: &str) -> Option<&Attribute> {
        self.by_name.get(name).or_else(|| self.by_lower_name.get(&name.to_ascii_lowercase()))
    }

    /// Stands for these attributes with their kinds: values are understood alike under the same one.
    pub(crate) fn fingerprint(&self) -> &[u8; 32] {
        self.fingerprint.get_or_init(|| {
            let mut lines: Vec<String> = self
                .by_lower_name
                .values()
                .map(|known| format!("{} {:?} {:?}\n", known.name, known.kind, known.plurality))
                .collect();
            lines.sort();
            Sha256::digest(lines.concat()).into()
        })
    }

    /// Whether the attribute holds one value; of one that is not known, no.
    pub(crate) fn is_single(&self, name: &str) -> bool {
        self.find(name).is_some_and(|attribute| attribute.plurality == Plurality::Single)
    }

    /// Names in alphabetical order.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.by_lower_name.values().map(|attribute| attribute.name.as_str().to_owned()).collect();
        names.sort();
        names
    }

    /// The schema that the engine sees: the selected attributes and classes, and what only an export may write.
    pub(crate) fn connector_schema(&self, classes: &[String]) -> ConnectorSchema {
        let known = active_directory::schema();
        let mut schema = ConnectorSchema::default();
        for class in classes {
            let creatable = known.classes.get(class.as_str()).is_none_or(|class| class.creatable);
            schema = schema.class(class, creatable);
        }
        for class in known.classes.into_values().filter(|class| class.container) {
            schema = match class.name.as_str() {
                ORGANIZATIONAL_UNIT => schema.creatable_container(ORGANIZATIONAL_UNIT),
                other => schema.container(other),
            };
        }
        for attribute in self.by_lower_name.values() {
            schema.attributes.insert(
                attribute.name.clone(),
                AttributeDefinition {
                    name: attribute.name.clone(),
                    kind: attribute.kind,
                    plurality: attribute.plurality,
                    writable: attribute.writable && !NAMING.iter().any(|name| attribute.name == *name),
                },
            );
        }
        for name in NAMING {
            schema.never_written.insert(AttributeName::new(*name), FROM_THE_NAME.to_owned());
        }
        SECRETS.iter().fold(schema, |schema, name| schema.attribute(name, ValueKind::Secret, Plurality::Single, true))
    }

    /// The attributes of this forest that no export writes, with the reasons: what the system alone sets, what it computes,
    /// and back links, by the marks of their definitions (MS-ADTS 3.1.1.2.3, 3.1.1.2.3.3).
    pub(crate) async fn never_written(
        directory: &dyn Directory,
        schema_context: &str,
        page_size: u32,
    ) -> Result<BTreeMap<AttributeName, String>, DirectoryError> {
        let filter = format!(
            "(&(objectClass=attributeSchema)(|(systemOnly=TRUE)(systemFlags:{BIT_AND}:={FLAG_CONSTRUCTED})(linkID:{BIT_AND}:=1)))"
        );
        let asked = ["lDAPDisplayName", "linkID", "systemFlags"].map(str::to_owned).to_vec();
        let found = read_all(directory, SearchRequest::subtree(schema_context, filter, asked), page_size).await?;
        let number = |entry: &Entry, name: &str| entry.first_text(name).and_then(|text| text.parse::<i64>().ok());
        Ok(found
            .iter()
            .filter_map(|entry| {
                let name = AttributeName::new(entry.first_text("lDAPDisplayName")?);
                let reason = if number(entry, "linkID").is_some_and(|link| link % 2 == 1) {
                    "it is a back link: flow to the attribute of the object that points here, such as `member` of a group"
                } else if number(entry, "systemFlags").is_some_and(|flags| flags & FLAG_CONSTRUCTED != 0) {
                    "the domain controller computes it when asked"
                } else {
                    "only the domain controller itself sets it (systemOnly)"
                };
                Some((name, reason.to_owned()))
            })
            .collect())
    }

    /// Reads the definitions of the selected attributes. Falls back to the built-in table when the account may not
    /// read the schema at all, which is unusual but allowed.
    pub(crate) async fn read(
        directory: &dyn Directory,
        schema_context: &str,
        selected: &[String],
        page_size: u32,
    ) -> Result<Attributes, DirectoryError> {
        let mut wanted: Vec<&str> = ALWAYS.to_vec();
        for name in selected {
            if !wanted.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                wanted.push(name);
            }
        }
        let mut definitions = Vec::new();
        for names in wanted.chunks(NAMES_PER_FILTER) {
            let terms: String = names.iter().map(|name| format!("(lDAPDisplayName={name})")).collect();
            let request = SearchRequest::subtree(
                schema_context,
                format!("(&(objectClass=attributeSchema)(|{terms}))"),
                [
                    "lDAPDisplayName",
                    "attributeSyntax",
                    "oMSyntax",
                    "isSingleValued",
                    "linkID",
                    "systemFlags",
                    "systemOnly",
                ]
                .map(str::to_owned)
                .to_vec(),
            );
            definitions.extend(read_all(directory, request, page_size).await?);
        }
        Ok(if definitions.is_empty() {
            Attributes::built_in(&wanted)
        } else {
            Attributes::from_definitions(&wanted, &definitions)
        })
    }

    fn from_definitions(wanted: &[&str], definitions: &[Entry]) -> Attributes {
        let read: BTreeMap<String, &Entry> = definitions
            .iter()
            .filter_map(|entry| Some((entry.first_text("lDAPDisplayName")?.to_ascii_lowercase(), entry)))
            .collect();
        let mut attributes = Attributes::default();
        for name in wanted {
            let lower = name.to_ascii_lowercase();
            let outcome = match read.get(&lower) {
                Some(entry) => definition(entry),
                None => Err(NotImportedReason::Unknown),
            };
            attributes.keep(name, lower, outcome);
        }
        attributes
    }

    pub(crate) fn built_in(wanted: &[&str]) -> Attributes {
        let known = active_directory::schema();
        let mut attributes = Attributes::default();
        for name in wanted {
            let found =
                known.attributes.values().find(|definition| definition.name.as_str().eq_ignore_ascii_case(name));
            let outcome = match found {
                _ if name.eq_ignore_ascii_case("distinguishedName") => Err(NotImportedReason::NameOfTheObject),
                Some(found) => Ok(Attribute {
                    name: found.name.clone(),
                    kind: found.kind,
                    plurality: found.plurality,
                    writable: found.writable,
                }),
                None => Err(NotImportedReason::Unknown),
            };
            attributes.keep(name, name.to_ascii_lowercase(), outcome);
        }
        attributes
    }

    fn keep(&mut self, name: &str, lower: String, outcome: Result<Attribute, NotImportedReason>) {
        match outcome {
            Ok(attribute) => {
                self.by_name.insert(attribute.name.clone(), attribute.clone());
                self.by_lower_name.insert(lower, attribute);
            }
            Err(reason) => {
                self.not_imported.push(NotImported { name: name.to_owned(), reason });
                self.not_imported.sort_by(|a, b| a.name.cmp(&b.name));
            }
        }
    }
}

fn definition(entry: &Entry) -> Result<Attribute, NotImportedReason> {
    let number = |name: &str| entry.first_text(name).and_then(|text| text.parse::<i64>().ok());
    let truth = |name: &str| entry.first(name).is_some_and(|value| value.eq_ignore_ascii_case(b"TRUE"));
    let name = entry.first_text("lDAPDisplayName").ok_or(NotImportedReason::Unknown)?;
    if name.eq_ignore_ascii_case("distinguishedName") {
        return Err(NotImportedReason::NameOfTheObject);
    }
    // MS-ADTS 3.1.1.2.3: an even linkID is a forward link, the odd one after it the back link.
    if number("linkID").is_some_and(|link| link % 2 == 1) {
        return Err(NotImportedReason::BackLink);
    }
    let flags = number("systemFlags").unwrap_or(0);
    let always = ALWAYS.iter().any(|known| known.eq_ignore_ascii_case(name));
    if flags & FLAG_CONSTRUCTED != 0 && !always {
        return Err(NotImportedReason::Constructed);
    }
    if flags & FLAG_NOT_REPLICATED != 0 && !always {
        return Err(NotImportedReason::NotReplicated);
    }
    let kind = kind(entry.first_text("attributeSyntax").unwrap_or_default()).ok_or(NotImportedReason::Syntax)?;
    Ok(Attribute {
        name: AttributeName::new(name),
        kind,
        plurality: if truth("isSingleValued") { Plurality::Single } else { Plurality::Multi },
        writable: !truth("systemOnly"),
    })
}

/// The kind of an `attributeSyntax` (MS-ADTS 3.1.1.2.2.2). The two DN-with-data syntaxes have none.
fn kind(syntax: &str) -> Option<ValueKind> {
    Some(match syntax {
        "2.5.5.1" => ValueKind::Reference,
        "2.5.5.8" => ValueKind::Boolean,
        // INTEGER, enumeration and INTEGER8.
        "2.5.5.9" | "2.5.5.16" => ValueKind::Integer,
        // Octets, security descriptor, SID.
        "2.5.5.10" | "2.5.5.15" | "2.5.5.17" => ValueKind::Binary,
        "2.5.5.7" | "2.5.5.14" => return None,
        // OIDs, the string syntaxes, times and presentation addresses read as text.
        "2.5.5.2" | "2.5.5.3" | "2.5.5.4" | "2.5.5.5" | "2.5.5.6" | "2.5.5.11" | "2.5.5.12" | "2.5.5.13" => {
            ValueKind::Text
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema_entry(values: &[(&str, &str)]) -> Entry {
        values.iter().fold(Entry::named(""), |entry, (name, value)| entry.with(name, None, &[value.as_bytes()]))
    }

    #[test]
    fn the_domain_controllers_schema_decides_and_names_what_cannot_be_imported() {
        let entries = [
            schema_entry(&[
                ("lDAPDisplayName", "thumbnailPhoto"),
                ("attributeSyntax", "2.5.5.10"),
                ("isSingleValued", "TRUE"),
            ]),
            schema_entry(&[
                ("lDAPDisplayName", "member"),
                ("attributeSyntax", "2.5.5.1"),
                ("linkID", "2"),
                ("isSingleValued", "FALSE"),
            ]),
            schema_entry(&[("lDAPDisplayName", "memberOf"), ("attributeSyntax", "2.5.5.1"), ("linkID", "3")]),
            schema_entry(&[("lDAPDisplayName", "lastLogon"), ("attributeSyntax", "2.5.5.16"), ("systemFlags", "17")]),
            schema_entry(&[
                ("lDAPDisplayName", "tokenGroups"),
                ("attributeSyntax", "2.5.5.17"),
                ("systemFlags", "134217748"),
            ]),
            schema_entry(&[("lDAPDisplayName", "otherWellKnownObjects"), ("attributeSyntax", "2.5.5.7")]),
            schema_entry(&[("lDAPDisplayName", "distinguishedName"), ("attributeSyntax", "2.5.5.1")]),
        ];
        let wanted = [
            "ThumbnailPhoto",
            "member",
            "memberOf",
            "lastLogon",
            "tokenGroups",
            "otherWellKnownObjects",
            "distinguishedName",
            "msExchHideFromAddressLists",
        ];
        let attributes = Attributes::from_definitions(&wanted, &entries);
        assert_eq!(attributes.names(), ["member", "thumbnailPhoto"]);
        let photo = attributes.find("THUMBNAILPHOTO").unwrap();
        assert_eq!(
            (photo.name.as_str(), photo.kind, photo.plurality),
            ("thumbnailPhoto", ValueKind::Binary, Plurality::Single)
        );
        let reasons: Vec<_> = attributes.not_imported.iter().map(|not| (not.name.as_str(), not.reason)).collect();
        assert_eq!(
            reasons,
            [
                ("distinguishedName", NotImportedReason::NameOfTheObject),
                ("lastLogon", NotImportedReason::NotReplicated),
                ("memberOf", NotImportedReason::BackLink),
                ("msExchHideFromAddressLists", NotImportedReason::Unknown),
                ("otherWellKnownObjects", NotImportedReason::Syntax),
                ("tokenGroups", NotImportedReason::Constructed),
            ]
        );
    }

    #[test]
    fn no_default_attribute_is_a_secret_or_a_back_link() {
        let names = default_attributes();
        assert!(names.iter().all(|name| !is_secret(name)));
        assert!(
            ["mail", "member", "manager", "userAccountControl", "mS-DS-ConsistencyGuid"]
                .iter()
                .all(|name| names.iter().any(|known| known == name))
        );
        assert!(!names.iter().any(|name| name == "memberOf"));
        assert!(is_secret("UNICODEPWD"));
    }
}
