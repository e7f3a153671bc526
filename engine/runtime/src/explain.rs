//! Why: an object's link, the values it has, what is sent for it and what is held. Made of the same decision that a run
//! makes, so that it cannot tell another story; decides nothing itself.

use crate::engine::EngineError;
use crate::explain_members::Membership;
use crate::explain_rules::{LookupExplanation, ScopeExplanation, SelectionExplanation};
use crate::names::{ObjectName, Space, name_by_id, name_by_mv};
use crate::preview::{AttributeLine, CandidateLine, JoinLine, Preview, TargetPreview, rule_name};
use crate::reading::Reading;
use metaverse_schema::{AttributeName, AttributesDelta, Values};
use serde::Serialize;
use sync_kernel::{CsObject, MemoryState, ObjectError, PendingExport, PendingOperation, Privilege, SentState, Subject};
use sync_store::{ErrorFilter, ErrorSubject, StoreError, WaitingMember};

/// Waiting members and errors that an explanation shows.
const SHOWN: usize = 50;

/// What is known of one object, and why it is so.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    pub subject: ObjectName,
    /// The metaverse object it is linked to, or is.
    pub metaverse: Option<ObjectName>,
    /// Every object of the same metaverse object, and which rule linked it.
    pub links: Vec<LinkedObject>,
    pub join: Option<JoinLine>,
    /// Metaverse attributes, or those of the asked name.
    pub attributes: Vec<AttributeLine>,
    /// What is wanted for the targets, reduced to the asked attribute where one was asked for.
    pub targets: Vec<TargetPreview>,
    /// What was sent and not confirmed, and what is refused.
    pub exports: Vec<ExportState>,
    /// Members that are not exported, with the reason (SF19).
    pub waiting_members: Vec<WaitingLine>,
    pub waiting_members_total: u64,
    /// Reference attributes of the targets: what the source has, what the target has, and what is missing and why (SF19).
    pub memberships: Vec<Membership>,
    /// Whether `[scope]` selects the source objects of a connector that it limits, and why.
    pub selections: Vec<SelectionExplanation>,
    /// Inbound rules for objects of this type: in scope or not, and which clause does not hold. Of a connector's object.
    pub scopes: Vec<ScopeExplanation>,
    /// What its join rules look up and find. Of a connector's object.
    pub lookups: Vec<LookupExplanation>,
    pub error: Option<ObjectError>,
    pub standing_errors: Vec<StandingError>,
    /// Of linked objects that were taken over within 30 days: what they held before (SF11).
    pub taken_over: Vec<TakenOver>,
    /// All of it in sentences, ready to print.
    pub text: Vec<String>,
}

/// An object before it was taken over.
#[derive(Debug, Clone, Serialize)]
pub struct TakenOver {
    pub object: ObjectName,
    /// When it was about to be sent, in microseconds since 1970.
    pub at: i64,
    /// What is otherwise now, in order of the names.
    pub changed: Vec<ChangedSince>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ChangedSince {
    pub attribute: AttributeName,
    pub before: Values,
    pub now: Values,
}

#[derive(Debug, Clone, Serialize)]
pub struct LinkedObject {
    pub object: ObjectName,
    pub rule: String,
    pub rule_name: String,
    pub ownership: sync_kernel::Ownership,
    pub state: sync_kernel::ConnectorState,
}

#[derive(Debug, Clone, Serialize)]
pub struct ExportState {
    pub object: ObjectName,
    /// `unconfirmed`, `held`, `refused`, `pending`, `in-flight`.
    pub state: &'static str,
    pub attribute: Option<String>,
    pub wanted: Values,
    pub returned: Values,
    pub message: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct WaitingLine {
    pub group: ObjectName,
    pub attribute: String,
    pub member: ObjectName,
    pub code: String,
    pub message: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct StandingError {
    pub code: String,
    pub message: String,
    pub attribute: Option<String>,
    pub retry_count: u64,
}

impl Reading<'_> {
    /// Explains an object, or one attribute of it. Match candidates' roles are those last read.
    pub fn explain(&self, subject: Subject, attribute: Option<&str>) -> Result<Explanation, EngineError> {
        self.explain_page(subject, attribute, PageOf { skip: 0, limit: SHOWN })
    }

    /// As `explain`, with a page of the members that are not exported. `attribute` is one of the metaverse, or of a target.
    pub fn explain_page(
        &self,
        subject: Subject,
        attribute: Option<&str>,
        page: PageOf,
    ) -> Result<Explanation, EngineError> {
        let preview = self.preview(subject)?;
        let metaverse = match subject {
            Subject::Metaverse(id) => Some(id),
            Subject::Connector(id) => self.store.object(id)?.and_then(|object| object.link).map(|link| link.mv),
        };
        let linked: Vec<CsObject> = match metaverse.map(|id| self.store.metaverse(id)).transpose()?.flatten() {
            Some(object) => object
                .links
                .iter()
                .map(|id| self.store.object(*id))
                .collect::<Result<Vec<_>, StoreError>>()?
                .into_iter()
                .flatten()
                .collect(),
            None => match subject {
                Subject::Connector(id) => self.store.object(id)?.into_iter().collect(),
                Subject::Metaverse(_) => Vec::new(),
            },
        };
        let (waiting_members, waiting_members_total) = self.waiting(&linked, attribute)?;
        let own = match subject {
            Subject::Connector(id) => self.store.object(id)?,
            Subject::Metaverse(_) => None,
        };
        let mut explanation = Explanation {
            metaverse: metaverse.map(|id| name_by_mv(self.store, id)).transpose()?,
            links: linked.iter().filter_map(|object| self.linked(object)).collect(),
            join: preview.join.clone(),
            attributes: wanted_attributes(&preview, attribute),
            targets: wanted_targets(&preview, attribute),
            exports: linked.iter().flat_map(|object| export_states(object, attribute)).collect(),
            waiting_members,
            waiting_members_total,
            memberships: self.memberships(&linked, attribute, page)?,
            selections: self.explain_selections(&linked, own.as_ref())?,
            scopes: own.as_ref().map(|object| self.explain_scopes(object)).transpose()?.unwrap_or_default(),
            lookups: own.as_ref().map(|object| self.explain_lookups(object)).transpose()?.unwrap_or_default(),
            error: preview.error.clone(),
            standing_errors: self.standing_errors(subject)?,
            taken_over: self.taken_over(&linked)?,
            subject: preview.subject.clone(),
            text: Vec::new(),
        };
        explanation.text = sentences(&explanation, &preview, attribute);
        Ok(explanation)
    }

    /// The before/after sheets of linked objects (SF11).
    fn taken_over(&self, linked: &[CsObject]) -> Result<Vec<TakenOver>, EngineError> {
        let mut sheets = Vec::new();
        for object in linked {
            let Some(kept) = self.store.kept_before(object.id)? else { continue };
            let now = object.imported().cloned().unwrap_or_default();
            let names = AttributesDelta::diff(&kept.attributes, &now).0.into_keys();
            let held = |attributes: &metaverse_schema::Attributes, name: &AttributeName| {
                attributes.get(name.as_str()).cloned().unwrap_or_default()
            };
            let changed = names.map(|name| ChangedSince {
                before: held(&kept.attributes, &name),
                now: held(&now, &name),
                attribute: name,
            });
            let object = name_by_id(self.store, object.id)?;
            sheets.push(TakenOver { object, at: kept.at, changed: changed.collect() });
        }
        Ok(sheets)
    }

    /// As `explain`, by text.
    pub fn explain_named(
        &self,
        space: Option<&Space>,
        text: &str,
        attribute: Option<&str>,
    ) -> Result<Explanation, EngineError> {
        let subject = match space {
            Some(space) => self.find(space, text)?,
            None => self.find_anywhere(text)?,
        };
        self.explain(subject, attribute)
    }

    fn linked(&self, object: &CsObject) -> Option<LinkedObject> {
        let link = object.link.as_ref()?;
        Some(LinkedObject {
            object: crate::names::connector_object(object),
            rule: link.rule.to_string(),
            rule_name: rule_name(self, &link.rule),
            ownership: link.ownership,
            state: object.state,
        })
    }

    fn waiting(&self, linked: &[CsObject], attribute: Option<&str>) -> Result<(Vec<WaitingLine>, u64), StoreError> {
        let (mut lines, mut total) = (Vec::new(), 0);
        for object in linked {
            let mut after = None;
            loop {
                let page: Vec<WaitingMember> = self.store.waiting_members(object.id, after, 1_000)?;
                let Some(last) = page.last().map(|waiting| waiting.member) else {
                    break;
                };
                after = Some(last);
                for waiting in page {
                    if attribute.is_some_and(|asked| waiting.attribute != *asked) {
                        continue;
                    }
                    total += 1;
                    if lines.len() < SHOWN {
                        lines.push(WaitingLine {
                            group: crate::names::connector_object(object),
                            attribute: waiting.attribute.to_string(),
                            member: name_by_id(self.store, waiting.member)?,
                            code: waiting.code,
                            message: waiting.message,
                        });
                    }
                }
            }
        }
        Ok((lines, total))
    }

    fn standing_errors(&self, subject: Subject) -> Result<Vec<StandingError>, StoreError> {
        let subject = match subject {
            Subject::Connector(id) => ErrorSubject::Object(id),
            Subject::Metaverse(id) => ErrorSubject::Metaverse(id),
        };
        let filter = ErrorFilter { subject: Some(subject), ..ErrorFilter::default() };
        Ok(self
            .store
            .errors(&filter, SHOWN)?
            .into_iter()
            .map(|line| StandingError {
                code: line.code,
                message: line.message,
                attribute: line.attribute,
                retry_count: line.retry_count,
            })
            .collect())
    }
}

/// A page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageOf {
    pub skip: usize,
    pub limit: usize,
}

/// Those of the asked name, and those that an exported attribute of that name is made of.
fn wanted_attributes(preview: &Preview, attribute: Option<&str>) -> Vec<AttributeLine> {
    let exported = preview.targets.iter().flat_map(|target| &target.attributes);
    let sources: Vec<&str> = exported
        .filter(|line| attribute.is_some_and(|asked| line.attribute == asked))
        .flat_map(|line| &line.winner)
        .flat_map(|winner| &winner.inputs)
        .map(|input| input.attribute.as_str())
        .collect();
    let is_wanted = |line: &&AttributeLine| {
        attribute.is_none_or(|asked| line.attribute == asked) || sources.contains(&line.attribute.as_str())
    };
    preview.metaverse.iter().flat_map(|metaverse| &metaverse.attributes).filter(is_wanted).cloned().collect()
}

/// Whether a target's attribute is the asked one, or is made of the metaverse attribute of that name.
fn is_made_of(line: &AttributeLine, asked: &str) -> bool {
    line.attribute == asked
        || line.winner.iter().flat_map(|winner| &winner.inputs).any(|input| input.attribute == asked)
}

fn wanted_targets(preview: &Preview, attribute: Option<&str>) -> Vec<TargetPreview> {
    let mut targets = preview.targets.clone();
    if let Some(asked) = attribute {
        for target in &mut targets {
            target.attributes.retain(|line| is_made_of(line, asked));
            target.references.retain(|line| line.attribute == asked || line.source_attribute == asked);
            target.holds.retain(|hold| hold.attribute.as_deref().is_none_or(|held| held == asked));
        }
    }
    targets
}

fn export_states(object: &CsObject, attribute: Option<&str>) -> Vec<ExportState> {
    let name = crate::names::connector_object(object);
    let mut states = Vec::new();
    let asked = |name: &AttributeName| attribute.is_none_or(|asked| *name == *asked);
    for (attribute, remembered) in object.memory.attributes.iter().filter(|(name, _)| asked(name)) {
        let (state, returned, message) = match &remembered.state {
            MemoryState::Unconfirmed => {
                ("unconfirmed", Values::default(), "sent, and not seen again by an import yet".to_owned())
            }
            MemoryState::Held { returned } => (
                "held",
                returned.clone(),
                "the connected system accepted the value and returned another one; sent again when either side changes"
                    .to_owned(),
            ),
        };
        states.push(ExportState {
            object: name.clone(),
            state,
            attribute: Some(attribute.to_string()),
            wanted: remembered.wanted.clone(),
            returned,
            message,
        });
    }
    if let Some(PendingExport { operation, state, grace }) = &object.pending {
        let sent = operation;
        let cause = crate::preview::cause_of(operation).map(|cause| format!(" ({cause})")).unwrap_or_default();
        let operation = format!("{}{cause}", crate::preview::operation_name(operation));
        let (state, message) = match (grace, state) {
            (Some(grace), _) => {
                ("leaving-scope", format!("{}: {operation} with the first export after that", leaves(sent, grace)))
            }
            (None, SentState::Pending) => ("pending", format!("{operation}: to be sent with the next export")),
            (None, SentState::InFlight) => {
                ("in-flight", format!("{operation}: sent, and not answered; the next export settles it"))
            }
            (None, SentState::Refused { code, message, remedy, .. }) => {
                ("refused", format!("{operation}: {code}: {message}; {remedy}"))
            }
        };
        states.push(ExportState {
            object: name,
            state,
            attribute: None,
            wanted: Values::default(),
            returned: Values::default(),
            message,
        });
    }
    states
}

/// The explanation as an operator reads it, from the object outwards.
fn sentences(explanation: &Explanation, preview: &Preview, attribute: Option<&str>) -> Vec<String> {
    let mut text = vec![explanation.subject.text()];
    if let Some(join) = &explanation.join {
        text.push(format!("  {}", join.text));
    }
    for link in &explanation.links {
        let said = match link.state {
            sync_kernel::ConnectorState::ExplicitlyConnected => "; an operator joined it (`metasync join`)",
            sync_kernel::ConnectorState::ExplicitlyDisconnected => {
                "; an operator disconnected it, which the next synchronisation carries out"
            }
            _ => "",
        };
        let how = ownership_text(link.ownership);
        text.push(format!("  {} is {how} by `{}`{said}", link.object.text(), link.rule_name));
    }
    if let Some(error) = &explanation.error {
        text.push(format!("  in error, so nothing of it is applied: {}: {}", error.code, error.message));
    }
    for error in &explanation.standing_errors {
        text.push(format!("  {}: {} (tried {} times)", error.code, error.message, error.retry_count + 1));
    }
    for line in &explanation.attributes {
        attribute_sentences(&mut text, "metaverse", line);
    }
    if let Some(asked) = attribute
        && explanation.attributes.is_empty()
        && !explanation.targets.iter().any(|target| !target.attributes.is_empty())
    {
        text.push(format!("  no rule in scope sets `{asked}` for this object"));
    }
    for target in &explanation.targets {
        text.push(format!("  {}: {}", target.connector, target_text(target)));
        if attribute.is_some() {
            for line in &target.attributes {
                attribute_sentences(&mut text, &target.connector, line);
            }
        }
        for hold in &target.holds {
            text.push(format!("    held: {}: {}; {}", hold.code, hold.message, hold.remedy));
        }
    }
    for export in &explanation.exports {
        let what = export.attribute.as_deref().unwrap_or("object");
        text.push(format!("  {} {what} is {}: {}", export.object.text(), export.state, export.message));
    }
    if explanation.waiting_members_total > 0 {
        text.push(format!("  {} members are not exported:", explanation.waiting_members_total));
        for line in &explanation.waiting_members {
            text.push(format!("    {}: {}: {}", line.member.text(), line.code, line.message));
        }
    }
    if preview.pending_import != "none" {
        text.push(format!("  its pending import ({}) is not synchronised yet", preview.pending_import));
    }
    text
}

/// SF18.
fn leaves(operation: &PendingOperation, grace: &sync_kernel::Grace) -> String {
    let cause = match operation {
        PendingOperation::Delete { cause, .. } | PendingOperation::Detach { cause, .. } => cause.to_string(),
        _ => String::new(),
    };
    format!("leaves on {} ({cause})", grace.date())
}

fn ownership_text(ownership: sync_kernel::Ownership) -> &'static str {
    match ownership {
        sync_kernel::Ownership::Provisioned => "created and linked",
        sync_kernel::Ownership::Adopted => "taken over and linked",
        sync_kernel::Ownership::Joined => "linked",
    }
}

fn target_text(target: &TargetPreview) -> String {
    let name = target.object.as_ref().map(ObjectName::text);
    match (target.operation, name) {
        (_, Some(name)) if target.leaves_on.is_some() => {
            let day = target.leaves_on.as_deref().unwrap_or_default();
            format!("{name}: it left scope; leaves on {day}, and is left as it is until then")
        }
        ("none", Some(name)) => format!("{name}: nothing to send"),
        ("none", None) => "no object, and none is made".into(),
        ("add", _) => format!("a {} is to be created", target.object_type),
        (operation, Some(name)) => format!("{name}: {operation} is to be sent"),
        (operation, None) => operation.to_owned(),
    }
}

fn attribute_sentences(text: &mut Vec<String>, space: &str, line: &AttributeLine) {
    let value = match line.references {
        Some(number) => format!("{number} references"),
        None if line.new.is_empty() => "no value".into(),
        None => joined(&line.new),
    };
    text.push(format!("  {space} {} = {value}", line.attribute));
    if let Some(winner) = &line.winner {
        text.push(format!("    {}", candidate_text(winner)));
    }
    for loser in &line.losers {
        text.push(format!("    not {}", candidate_text(loser)));
    }
}

fn candidate_text(candidate: &CandidateLine) -> String {
    let from = candidate.contributor.as_ref().map(|name| format!(" from {}", name.text())).unwrap_or_default();
    let values = if candidate.values.is_empty() { String::new() } else { format!(" = {}", joined(&candidate.values)) };
    format!(
        "by `{}` (precedence {}){from}: {}{values}: {}",
        candidate.rule_name, candidate.precedence, candidate.source, candidate.verdict
    )
}

fn joined(values: &Values) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// For people.
pub fn privilege_text(privilege: &Privilege) -> String {
    match privilege {
        Privilege::None => "no directory role".into(),
        Privilege::Roles(roles) => roles.join(", "),
        Privilege::Unreadable(reason) => format!("unreadable: {reason}"),
    }
}
