//! One object as the service takes and gives it: kind, operation and ordered properties. Holds values and nothing of the
//! wire; never decides which properties are sent.

use std::fmt;
use std::str::FromStr;

/// The property by which the service and we know the same object: base64 of the directory's anchor.
pub(crate) const SOURCE_ANCHOR: &str = "SourceAnchor";
/// The property by which the service knows it: `User_<object id>`.
pub(crate) const CLOUD_ANCHOR: &str = "CloudAnchor";

/// What the service tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncKind {
    User,
    Group,
    Contact,
    Device,
}

impl SyncKind {
    pub const fn name(self) -> &'static str {
        match self {
            SyncKind::User => "User",
            SyncKind::Group => "Group",
            SyncKind::Contact => "Contact",
            SyncKind::Device => "Device",
        }
    }

    /// From the service's word, in any case.
    pub fn from_name(name: &str) -> Option<SyncKind> {
        let all = [SyncKind::User, SyncKind::Group, SyncKind::Contact, SyncKind::Device];
        all.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }
}

/// What is to be done with an object. In what is read back, what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncOperation {
    /// Creates or updates; what is not sent stays as it is. A second time changes nothing.
    Set,
    Add,
    /// Needs an anchor and the kind, and nothing else.
    Delete,
}

impl SyncOperation {
    pub const fn name(self) -> &'static str {
        match self {
            SyncOperation::Set => "Set",
            SyncOperation::Add => "Add",
            SyncOperation::Delete => "Delete",
        }
    }

    /// From the service's word, in any case.
    pub fn from_name(name: &str) -> Option<SyncOperation> {
        let all = [SyncOperation::Set, SyncOperation::Add, SyncOperation::Delete];
        all.into_iter().find(|operation| operation.name().eq_ignore_ascii_case(name))
    }
}

/// The service's own name of an object: `User_00000000-0000-0000-0000-000000000000`. Its object id is the one that
/// Microsoft Graph uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloudAnchor {
    pub kind: SyncKind,
    /// Lower case.
    pub object_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a cloud anchor of the form User_<object id>")]
pub struct NotACloudAnchor(String);

impl CloudAnchor {
    pub fn new(kind: SyncKind, object_id: &str) -> CloudAnchor {
        CloudAnchor { kind, object_id: object_id.to_ascii_lowercase() }
    }
}

impl fmt::Display for CloudAnchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.kind.name(), self.object_id)
    }
}

impl FromStr for CloudAnchor {
    type Err = NotACloudAnchor;

    fn from_str(text: &str) -> Result<CloudAnchor, NotACloudAnchor> {
        let parsed = text.split_once('_').and_then(|(kind, object_id)| {
            let kind = SyncKind::from_name(kind)?;
            object_id.parse::<metaverse_schema::Guid>().ok()?;
            Some(CloudAnchor::new(kind, object_id))
        });
        parsed.ok_or_else(|| NotACloudAnchor(text.to_owned()))
    }
}

/// One value of a property. Which kind a property takes is fixed by the service (B.5): `countryCode` is a number,
/// `accountEnabled` a truth, `proxyAddresses` a list of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncValue {
    /// Clears the property.
    Nil,
    /// An empty text goes over the wire as `Nil`.
    Text(String),
    /// The whole list: it replaces what is there.
    Texts(Vec<String>),
    Boolean(bool),
    Long(i64),
    Binary(Vec<u8>),
    Binaries(Vec<Vec<u8>>),
    /// Members to add and to remove, for `member` of a group (ProvisionAzureADSyncObjects2).
    References(Vec<ReferenceDelta>),
}

/// One added or removed reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceDelta {
    pub target: ReferenceAnchor,
    pub add: bool,
}

/// What a reference names its target by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferenceAnchor {
    Cloud(CloudAnchor),
    Source(String),
}

impl ReferenceAnchor {
    /// Bytes of its text.
    pub(super) fn length(&self) -> usize {
        match self {
            ReferenceAnchor::Cloud(anchor) => anchor.kind.name().len() + 1 + anchor.object_id.len(),
            ReferenceAnchor::Source(anchor) => anchor.len(),
        }
    }
}

/// One object on its way to the service, or read back from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncObject {
    pub kind: SyncKind,
    pub operation: SyncOperation,
    /// In the order in which they are sent. Names differ in case between the directions: use [`SyncObject::value`].
    pub properties: Vec<(String, SyncValue)>,
}

impl SyncObject {
    /// Creates or updates the object of this source anchor.
    pub fn set(kind: SyncKind, source_anchor: impl Into<String>) -> SyncObject {
        SyncObject::new(kind, SyncOperation::Set, source_anchor)
    }

    /// Deletes the synchronised object of this source anchor.
    pub fn delete(kind: SyncKind, source_anchor: impl Into<String>) -> SyncObject {
        SyncObject::new(kind, SyncOperation::Delete, source_anchor)
    }

    fn new(kind: SyncKind, operation: SyncOperation, source_anchor: impl Into<String>) -> SyncObject {
        let anchor = (SOURCE_ANCHOR.to_owned(), SyncValue::Text(source_anchor.into()));
        SyncObject { kind, operation, properties: vec![anchor] }
    }

    /// The same with one more property, or another value of one that it has.
    pub fn with(mut self, name: impl Into<String>, value: SyncValue) -> SyncObject {
        let name = name.into();
        match self.properties.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, known)) => *known = value,
            None => self.properties.push((name, value)),
        }
        self
    }

    /// The value of a property, whatever the case of its name.
    pub fn value(&self, name: &str) -> Option<&SyncValue> {
        self.properties.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The text of a property.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            SyncValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The truth of a property; texts that say `true` or `false` count.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.value(name)? {
            SyncValue::Boolean(truth) => Some(*truth),
            SyncValue::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            SyncValue::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    pub fn source_anchor(&self) -> Option<&str> {
        self.text(SOURCE_ANCHOR)
    }

    /// None for an object without one, and for one that has an anchor of another form.
    pub fn cloud_anchor(&self) -> Option<CloudAnchor> {
        self.text(CLOUD_ANCHOR)?.parse().ok()
    }

    /// Links that this object carries, as the service counts them against `MaxLinksSupportedAcrossBatchInProvision2`.
    pub fn links(&self) -> usize {
        let of = |(name, value): &(String, SyncValue)| match value {
            SyncValue::References(changes) => changes.len(),
            SyncValue::Texts(targets) if name.eq_ignore_ascii_case("member") => targets.len(),
            SyncValue::Text(_) if name.eq_ignore_ascii_case("manager") => 1,
            _ => 0,
        };
        self.properties.iter().map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloud_anchor_names_kind_and_object_id() {
        let anchor: CloudAnchor = "User_33333333-3333-3333-3333-3333333333AB".parse().unwrap();
        assert_eq!(anchor, CloudAnchor::new(SyncKind::User, "33333333-3333-3333-3333-3333333333ab"));
        assert_eq!(anchor.to_string(), "User_33333333-3333-3333-3333-3333333333ab");
        for bad in ["", "User", "User_", "Site_33333333-3333-3333-3333-333333333333", "User_../x", "_"] {
            assert!(bad.parse::<CloudAnchor>().is_err(), "{bad}");
        }
    }

    /// B.5: what is read back has names in another case.
    #[test]
    fn properties_are_found_in_any_case() {
        let object = SyncObject::set(SyncKind::Group, "AAEC")
            .with("SecurityEnabled", SyncValue::Boolean(true))
            .with("cloudAnchor", SyncValue::Text("Group_33333333-3333-3333-3333-333333333333".to_owned()))
            .with("member", SyncValue::Texts(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!((object.source_anchor(), object.boolean("securityEnabled")), (Some("AAEC"), Some(true)));
        assert_eq!(object.cloud_anchor().map(|anchor| anchor.kind), Some(SyncKind::Group));
        assert_eq!(object.links(), 2);
        let fewer = object.clone().with("Member", SyncValue::Nil);
        assert_eq!((fewer.links(), fewer.properties.len()), (0, object.properties.len()));
    }
}
