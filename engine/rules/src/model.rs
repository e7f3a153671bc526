//! The checked model of synchronisation rules: what the kernel decides by. Everything here has been validated;
//! the text it came from, and its mistakes, belong to `document` and `diagnostic`.

use crate::expression::Expression;
use crate::places::RulePlaces;
use crate::selection::{Selections, Watch};
use metaverse_schema::{AttributeName, ObjectType, Plurality, Value, ValueKind};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// A connector's name in the deployment, such as `ad` or `cloud`.
pub type ConnectorName = Arc<str>;

/// A rule's stable identifier (its `id` in the file): links, lineage and history name it.
pub type RuleId = Arc<str>;

/// All rules of a deployment, in ascending precedence number (S3), with what they need known.
#[derive(Debug, Clone)]
pub struct RuleSet {
    pub rules: Vec<Rule>,
    pub metaverse: MetaverseSchema,
    /// When an object of a metaverse type is deleted; a type that is not named has the default.
    pub deletion: BTreeMap<ObjectType, DeletionRule>,
    /// Every join key expression in use, once each. The store keeps an index of their values.
    pub keys: Vec<KeyDefinition>,
    /// Values of `%Name%` parameters that the deployment sets; a connector's own are found under `Connector.ID` of that connector.
    pub parameters: BTreeMap<String, Value>,
    pub matching: Matching,
    /// Days that an object which left scope stays in its targets as it is (SF18); 0: it leaves at once.
    pub grace_days: u32,
    /// Connectors with `recall = false`: what they contributed stays when they no longer contribute it (S50).
    pub without_recall: BTreeSet<ConnectorName>,
    /// Who of a connector is in scope, by group and by name.
    pub selections: Selections,
    /// SHA-256, as 64 hexadecimal digits, over everything that can change a decision. Recorded with each synchronisation.
    pub hash: String,
    /// The canonical text of the rule set, from which it can be read again (kept by hash for lineage).
    pub text: String,
    /// Where the rules stand in their files; no part of hash and text.
    pub places: RulePlaces,
}

/// Whether new matches with existing objects are made (SF5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// Candidates are listed, and joined only from an approved list.
    Review,
    Automatic,
    /// A new candidate is an error on that object.
    Closed,
}

/// When a metaverse object is deleted (S31, S39). All but the first look at disconnections: an imported delete, leaving
/// scope, an operator's `disconnect`; never at a link that provisioning ends. An object without any link is always deleted (O15).
#[derive(Debug, Clone, Default)]
pub enum DeletionRule {
    /// When no inbound rule that provisions or sticks links it any longer.
    #[default]
    ProvisioningLink,
    /// When the last object of any connector is disconnected.
    LastConnector,
    /// When an object of any of these connectors is disconnected.
    AnyOf(Vec<ConnectorName>),
    /// When the last object of these connectors is disconnected.
    LastOf(Vec<ConnectorName>),
    /// When an object is disconnected and the condition holds for the attributes that remain.
    Scripted(Expression),
}

#[derive(Debug, Clone, Default)]
pub struct MetaverseSchema {
    pub types: BTreeMap<ObjectType, BTreeMap<AttributeName, MetaverseAttribute>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetaverseAttribute {
    pub kind: ValueKind,
    pub plurality: Plurality,
}

impl RuleSet {
    /// When objects of this type are deleted.
    pub fn deletion_rule(&self, object_type: &str) -> &DeletionRule {
        self.deletion.get(object_type).unwrap_or(&DeletionRule::ProvisioningLink)
    }

    /// The addresses that a takeover watches over are flowed to be compared, also where they cannot be written.
    pub fn watches_addresses(&self, rule: &Rule, name: &AttributeName) -> bool {
        self.rules.iter().any(|other| {
            let takeover = other.takeover.as_ref().filter(|_| other.connector == rule.connector);
            takeover.is_some_and(|takeover| takeover.addresses.as_ref() == Some(name))
        })
    }

    /// The groups that inbound scope clauses ask about, and those of `[scope]`, in order, without repetition.
    pub fn watched_groups(&self) -> Vec<WatchedGroup> {
        let mut groups: Vec<WatchedGroup> = self
            .rules
            .iter()
            .filter(|rule| rule.direction == Direction::Inbound)
            .flat_map(|rule| rule.scope.iter().flatten().map(move |clause| (rule, clause)))
            .filter(|(_, clause)| clause.operator.is_about_membership())
            .filter_map(|(rule, clause)| {
                Some(WatchedGroup {
                    connector: rule.connector.clone(),
                    group: clause.operand.first()?.to_string(),
                    attribute: self.member_attribute(&rule.connector),
                    watch: Watch::Clause,
                })
            })
            .collect();
        for (connector, selection) in &self.selections {
            groups.extend(selection.groups.keys().map(|group| WatchedGroup {
                connector: connector.clone(),
                group: group.clone(),
                attribute: self.member_attribute(connector),
                watch: if selection.nested { Watch::NestedSelection } else { Watch::Selection },
            }));
        }
        groups.sort();
        groups.dedup();
        groups
    }

    /// The attribute that holds a group's members in a connector space: the one the inbound rules read a membership from,
    /// `member` where none does.
    pub fn member_attribute(&self, connector: &str) -> AttributeName {
        let is_membership = |rule: &Rule, flow: &Flow| {
            let target_type = rule.target_type.as_ref().map_or("", |target| target.as_str());
            let known = self.metaverse.attribute(target_type, flow.target.as_str());
            known.is_some_and(|known| known.kind == ValueKind::Reference && known.plurality == Plurality::Multi)
        };
        let inbound =
            self.rules.iter().filter(|rule| rule.direction == Direction::Inbound && &*rule.connector == connector);
        inbound
            .flat_map(|rule| rule.flows.iter().map(move |flow| (rule, flow)))
            .filter(|(rule, flow)| is_membership(rule, flow))
            .find_map(|(_, flow)| match &flow.source {
                FlowSource::Direct(source) => Some(source.clone()),
                _ => None,
            })
            .unwrap_or_else(|| "member".into())
    }
}

impl MetaverseSchema {
    pub fn attribute(&self, object_type: &str, name: &str) -> Option<MetaverseAttribute> {
        self.types.get(object_type)?.get(name).copied()
    }
}

/// The two directions, named from the metaverse's side (S2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    Inbound,
    Outbound,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkType {
    Provision,
    Join,
    StickyJoin,
}

#[derive(Debug, Clone)]
pub struct Rule {
    pub id: RuleId,
    pub name: String,
    pub direction: Direction,
    pub connector: ConnectorName,
    /// Inbound: the connector space's type; outbound: the metaverse's. None is any (`*`).
    pub source_type: Option<ObjectType>,
    /// Inbound: the metaverse's type; outbound: the connector space's. None is any (`*`).
    pub target_type: Option<ObjectType>,
    pub link: LinkType,
    pub precedence: u32,
    /// Groups of clauses: AND inside, OR between; none is always in scope (S7).
    pub scope: Vec<Vec<Clause>>,
    /// Where each clause of `scope` stands.
    pub scope_places: Vec<Vec<SourcePlace>>,
    /// Join groups in order (S13); none: the rule only contributes flows (S23).
    pub join: Vec<JoinGroup>,
    pub flows: Vec<Flow>,
    /// Outbound only: how an existing object is taken over.
    pub takeover: Option<Takeover>,
    /// Outbound only: what becomes of the target object when this rule no longer provisions it.
    pub deprovision: Deprovision,
    /// Outbound only: the same, when the object only left scope and was not deleted (SF18).
    pub leave: Deprovision,
    /// Passwords of objects in its scope are synchronised: asked of one inbound and of one outbound rule (P12).
    pub password_sync: bool,
    /// Outbound only: conditions on the metaverse object under which the target system cannot hold it.
    pub limitations: Vec<Limitation>,
    /// Where the rule stands: file index and byte offsets of its heading.
    pub place: SourcePlace,
}

/// A place in one of the rule files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourcePlace {
    pub file: Arc<str>,
    pub span: std::ops::Range<usize>,
}

/// A scope clause (S8).
#[derive(Debug, Clone)]
pub struct Clause {
    pub attribute: AttributeName,
    pub operator: Operator,
    /// Compared with; several for ISIN. Parameters are already replaced.
    pub operand: Vec<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    Equal,
    NotEqual,
    LessThan,
    LessThanOrEqual,
    GreaterThan,
    GreaterThanOrEqual,
    Contains,
    NotContains,
    StartsWith,
    NotStartsWith,
    EndsWith,
    NotEndsWith,
    IsNull,
    IsNotNull,
    IsIn,
    IsNotIn,
    IsBitSet,
    IsNotBitSet,
    /// The object is a direct member of the group that the operand names, by DN or anchor, in the rule's connector space.
    IsMemberOf,
    IsNotMemberOf,
}

impl Operator {
    pub fn is_about_membership(self) -> bool {
        matches!(self, Operator::IsMemberOf | Operator::IsNotMemberOf)
    }
}

/// A group that scope clauses or `[scope]` ask about (S8): who is its member must be known before anything is decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchedGroup {
    pub connector: ConnectorName,
    /// DN or anchor, as the rule writes it.
    pub group: String,
    /// The attribute that holds the group's members.
    pub attribute: AttributeName,
    pub watch: Watch,
}

/// One join group: all its clauses must hold. Exactly one hit joins (S14).
#[derive(Debug, Clone)]
pub struct JoinGroup {
    pub criterion: Criterion,
    /// Type of the objects that may be hit, where it is not the rule's own (`deletedUser`; `*` is any). The keys of
    /// the clauses carry it too, so that a lookup of a key finds objects of that type alone.
    pub target_type: Option<ObjectType>,
    pub clauses: Vec<JoinClause>,
}

/// What kind of evidence a join group is. Only `OwnKey` joins an existing object without the say of `matching`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Criterion {
    /// A key that this engine itself wrote when it created the object (a group's `uniqueName`).
    OwnKey,
    /// The anchor stamp: hard match.
    Anchor,
    /// Primary SMTP address to primary SMTP address: soft match.
    PrimarySmtp,
    /// Sign-in name to sign-in name: soft match where switched on.
    SignInName,
    /// A hit that is listed for review and never joins (SF10: secondary addresses).
    ReviewOnly,
    /// An object in the target's recycle bin with the same anchor: brought back instead of created (SF9).
    DeletedAnchor,
    /// An object in the target's recycle bin with the same sign-in name or address: held (SF9).
    DeletedTwin,
    /// It stands at the DN that the new object was to have (S27).
    Place,
    /// An operator joined it.
    Operator,
    /// Between a source and the metaverse, or by the operator's own rule.
    Plain(Arc<str>),
}

impl Criterion {
    /// Whether values must agree to the letter: anchors are case-sensitive (D36), addresses and names are not (S15).
    pub fn is_exact(&self) -> bool {
        matches!(self, Criterion::OwnKey | Criterion::Anchor | Criterion::DeletedAnchor)
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Criterion::OwnKey => "own-key",
            Criterion::Anchor => "anchor",
            Criterion::PrimarySmtp => "primary-smtp",
            Criterion::SignInName => "sign-in-name",
            Criterion::ReviewOnly => "review-only",
            Criterion::DeletedAnchor => "deleted-anchor",
            Criterion::DeletedTwin => "deleted-twin",
            Criterion::Place => "place",
            Criterion::Operator => "operator",
            Criterion::Plain(name) => name,
        })
    }
}

/// `source = target`: both sides are expressions, mostly of one attribute. The keys are their places in the index.
#[derive(Debug, Clone)]
pub struct JoinClause {
    pub source: Expression,
    pub target: Expression,
    /// Values must agree to the letter: `case_sensitive`, or a criterion that says so (S15, D36).
    pub exact: bool,
    pub source_key: KeyId,
    pub target_key: KeyId,
}

/// Position in [`RuleSet::keys`]; not stable between rule sets, the store interns `KeyDefinition::identity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub usize);

/// One indexed key: which objects carry it and how it is computed.
#[derive(Debug, Clone)]
pub struct KeyDefinition {
    pub space: KeySpace,
    /// None is any type.
    pub object_type: Option<ObjectType>,
    pub expression: Expression,
    /// Values are compared to the letter.
    pub exact: bool,
    /// Stable text: space, type and expression. The same definition in another rule set has the same identity.
    pub identity: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeySpace {
    Metaverse,
    Connector(ConnectorName),
}

#[derive(Debug, Clone)]
pub struct Flow {
    pub target: AttributeName,
    pub source: FlowSource,
    pub merge: MergeType,
    /// Applies only when the target object is created (S53).
    pub once: bool,
    pub place: SourcePlace,
}

#[derive(Debug, Clone)]
pub enum FlowSource {
    Direct(AttributeName),
    Constant(Value),
    Expression(Expression),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MergeType {
    Update,
    Merge,
    MergeCaseInsensitive,
}

/// What a takeover of an existing object must never do by itself (SF1-SF7).
#[derive(Debug, Clone)]
pub struct Takeover {
    /// Target attribute that is the sign-in name (SF2).
    pub sign_in_name: Option<AttributeName>,
    /// Target attribute that says whether the account is enabled (SF3).
    pub enabled: Option<AttributeName>,
    /// Target attribute that holds all addresses (SF1).
    pub addresses: Option<AttributeName>,
    pub addresses_choice: AddressesChoice,
    /// Target attribute that carries the anchor stamp; written last (SF2).
    pub stamp: Option<AttributeName>,
    /// Conditions on the candidate under which it is never matched automatically (SF7).
    pub never: Vec<NeverMatch>,
    /// Ask the connector for roles, and never match a privileged account (SF6).
    pub refuse_privileged: bool,
    /// Whether members that this engine did not add stay in an adopted object (SF19).
    pub keep_foreign_members: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressesChoice {
    /// Hold the takeover as `addresses-lost`.
    Hold,
    /// Union of both sides.
    KeepCloud,
    ActiveDirectoryWins,
}

#[derive(Debug, Clone)]
pub struct NeverMatch {
    /// Code of the hold, such as `guest`.
    pub code: Arc<str>,
    pub when: Expression,
    pub remedy: String,
}

/// SF4: by ownership of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deprovision {
    pub provisioned: DeprovisionAction,
    pub adopted: DeprovisionAction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeprovisionAction {
    Delete,
    /// Block, revoke, clear the stamp, and let go (`ExportOperation::Detach`).
    Detach,
    /// Only unlink; a rule may join it again.
    Disconnect,
    /// Unlink, and never join it again until an operator says so (`metasync disconnect --undo`).
    ExplicitDisconnect,
    /// Leave the object and its link alone, and write nothing to it (`[rule.leave]` only).
    Keep,
}

/// The target system cannot hold such an object: named, counted, never dropped silently.
#[derive(Debug, Clone)]
pub struct Limitation {
    pub code: Arc<str>,
    pub when: Expression,
    pub message: String,
}
