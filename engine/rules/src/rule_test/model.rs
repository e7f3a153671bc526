//! A checked rule test: names are known, values have the kinds of the schemas. What carries it out reads nothing else.

use crate::model::{ConnectorName, Matching, RuleId, SourcePlace};
use metaverse_schema::{Anchor, AttributeName, Dn, ObjectType, Value, Values};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tests of one file, in the order of the file.
#[derive(Debug, Clone)]
pub struct TestFile {
    pub name: Arc<str>,
    pub tests: Vec<RuleTest>,
}

/// Objects, what happens to them, and what is expected after each step.
#[derive(Debug, Clone)]
pub struct RuleTest {
    pub name: String,
    pub place: SourcePlace,
    /// Whether new matches are made; None: as the deployment says.
    pub matching: Option<Matching>,
    /// After the last step everything is exported and confirmed, and nothing may be pending then.
    pub settles: bool,
    /// At least one: the test itself is the first step.
    pub steps: Vec<TestStep>,
}

#[derive(Debug, Clone)]
pub struct TestStep {
    /// Empty for the test itself.
    pub name: String,
    pub place: SourcePlace,
    /// Microseconds since 1970-01-01 UTC.
    pub now: i64,
    /// Everything that waits for an approval is let through before this step is synchronised.
    pub approve: bool,
    /// What the step wants exported is exported and confirmed before the next step begins.
    pub export: bool,
    /// Objects that are new with this step.
    pub given: Vec<GivenObject>,
    pub change: Vec<GivenChange>,
    /// Deleted in their system.
    pub delete: Vec<String>,
    /// Moved out of the selected containers.
    pub leave: Vec<String>,
    pub expect: Vec<Expectation>,
}

/// An object of a connected system.
#[derive(Debug, Clone)]
pub struct GivenObject {
    /// What the test calls it.
    pub name: String,
    pub connector: ConnectorName,
    pub object_type: ObjectType,
    pub anchor: Anchor,
    pub dn: Option<Dn>,
    pub attributes: BTreeMap<AttributeName, GivenValues>,
    /// Directory roles that it holds (SF6).
    pub roles: Vec<String>,
}

/// What changes of an object; an attribute without values is cleared, one that is not named stays.
#[derive(Debug, Clone)]
pub struct GivenChange {
    pub name: String,
    pub object_type: Option<ObjectType>,
    pub dn: Option<Dn>,
    pub attributes: BTreeMap<AttributeName, GivenValues>,
    pub roles: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenValues {
    Values(Values),
    References(Vec<GivenReference>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenReference {
    /// An object of the test.
    Object(String),
    /// Something that need not exist.
    Dn(Dn),
}

/// Something of an expectation, with the place to point at when it does not come true.
#[derive(Debug, Clone)]
pub struct Placed<T> {
    pub value: T,
    pub place: SourcePlace,
}

/// What is expected of one object and of the metaverse object it is linked to. What is not said is not looked at, but for
/// errors: an object in error that nobody expects fails the test.
#[derive(Debug, Clone)]
pub struct Expectation {
    pub object: String,
    pub place: SourcePlace,
    /// Whether it is linked to a metaverse object.
    pub linked: Option<Placed<bool>>,
    /// All other objects of the test on the same metaverse object.
    pub joined: Option<Placed<Vec<String>>>,
    /// Type of the metaverse object.
    pub metaverse_type: Option<Placed<ObjectType>>,
    pub in_scope: Vec<Placed<RuleId>>,
    pub not_in_scope: Vec<Placed<RuleId>>,
    /// Code of the object's error; None: in no error.
    pub error: Option<Placed<Option<String>>>,
    pub metaverse: Vec<ExpectedAttribute>,
    pub exports: Vec<ExpectedExport>,
}

#[derive(Debug, Clone)]
pub struct ExpectedAttribute {
    pub name: AttributeName,
    pub values: ExpectedValues,
    pub place: SourcePlace,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedValues {
    /// These and no others; none: the attribute is absent.
    Exactly(Vec<ExpectedValue>),
    /// Any value.
    Present,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedValue {
    Value(Value),
    /// A reference to this object of the test, or to what was made for it.
    Object(String),
}

/// What is to be sent to one target for an object.
#[derive(Debug, Clone)]
pub struct ExpectedExport {
    pub connector: ConnectorName,
    pub place: SourcePlace,
    pub operation: Option<Placed<ExpectedOperation>>,
    /// The DN after the export.
    pub dn: Option<Placed<Dn>>,
    /// Values after the export of attributes that it changes.
    pub attributes: Vec<ExpectedAttribute>,
    /// No other attribute is changed.
    pub complete: bool,
    /// Codes of all that is held for the object in this target.
    pub held: Option<Placed<Vec<String>>>,
    /// Members that do not flow, with the code of the reason.
    pub members_held: Option<Placed<BTreeMap<String, String>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedOperation {
    /// Nothing is to be sent.
    None,
    Add,
    Update,
    Takeover,
    Rename,
    Restore,
    Delete,
    Detach,
    /// It left scope and goes when its grace period is over (SF18).
    Leaving,
}

impl ExpectedOperation {
    pub const WORDS: [(&'static str, ExpectedOperation); 9] = [
        ("none", ExpectedOperation::None),
        ("add", ExpectedOperation::Add),
        ("update", ExpectedOperation::Update),
        ("takeover", ExpectedOperation::Takeover),
        ("rename", ExpectedOperation::Rename),
        ("restore", ExpectedOperation::Restore),
        ("delete", ExpectedOperation::Delete),
        ("detach", ExpectedOperation::Detach),
        ("leaving", ExpectedOperation::Leaving),
    ];

    /// As it is written in a test.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, operation)| *operation == self).map_or("", |(word, _)| word)
    }
}
