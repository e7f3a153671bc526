//! The inventories of a trial: people as the rules made them of the directories' accounts, everything of the tenant, and what the
//! engine decided about each. Reads the trial's store and judges nothing.

use super::verdict::{Verdict, verdict};
use crate::assess::{
    CloudKind, CloudObject, Column, HeldOther, Inventories, Inventory, OtherHolder, Others, Person, Weight,
    all_addresses,
};
use crate::failure::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use metaverse_schema::{Attributes, ObjectType, Value};
use std::collections::{BTreeSet, HashMap};
use sync_kernel::{CsId, CsObject, Hold, MvId, MvObject, Ownership, PendingOperation, Privilege, Subject};
use sync_rules::{ConnectorName, Direction, RuleSet};
use sync_runtime::{Trial, is_limitation};
use sync_store::{ErrorFilter, ErrorPhase, ErrorSubject, HoldFilter, ObjectSummary, Store};

const PAGE: usize = 1_000;
/// Issuers of identities that are no accounts of this tenant (SF7).
const FOREIGN: [&str; 6] = ["externalazuread", "microsoftaccount", "live.com", "google.com", "facebook.com", "mail"];

pub(super) struct Gathered {
    pub(super) inventories: Inventories,
    /// Of each person in turn, what the engine decided.
    pub(super) subjects: Vec<Verdict>,
    /// Where an object of the tenant stands in its inventory.
    pub(super) cloud: HashMap<CsId, usize>,
    pub(super) others: Others,
}

pub(super) fn gather(trial: &Trial, rules: &RuleSet, tenant: &ConnectorName) -> Result<Gathered, Failure> {
    let store = trial.store();
    let (objects, cloud) = tenant_objects(store, tenant)?;
    let mut gathering = Gathering {
        trial,
        rules,
        tenant,
        accounts: account_types(rules, tenant),
        holds: holds(store, tenant)?,
        errors: errors(store)?,
        people: Vec::new(),
        subjects: Vec::new(),
        other_holders: Vec::new(),
        others: Others::default(),
    };
    gathering.metaverse()?;
    gathering.left_out()?;
    let Gathering { people, subjects, other_holders, others, .. } = gathering;
    let inventories = Inventories { directory: whole(people), other_holders, tenant: whole(objects), live: true };
    Ok(Gathered { inventories, subjects, cloud, others })
}

/// A system that was read answers every question.
fn whole<T>(objects: Vec<T>) -> Inventory<T> {
    Inventory { objects, columns: Column::ALL.into(), issues: Vec::new() }
}

/// Types of source objects that become users of the tenant. Contacts may share a metaverse type with them.
fn account_types(rules: &RuleSet, tenant: &ConnectorName) -> BTreeSet<(ConnectorName, ObjectType)> {
    let to_users: BTreeSet<&ObjectType> = rules
        .rules
        .iter()
        .filter(|rule| rule.direction == Direction::Outbound && rule.connector == *tenant)
        .filter(|rule| rule.target_type.as_ref().is_some_and(|target| *target == "user"))
        .filter_map(|rule| rule.source_type.as_ref())
        .collect();
    let inbound = rules.rules.iter().filter(|rule| rule.direction == Direction::Inbound && rule.connector != *tenant);
    let to_people = inbound.filter(|rule| rule.target_type.as_ref().is_some_and(|target| to_users.contains(target)));
    let types = to_people.filter_map(|rule| Some((rule.connector.clone(), rule.source_type.clone()?)));
    types.filter(|(_, object_type)| *object_type != "contact" && *object_type != "group").collect()
}

fn holds(store: &Store, tenant: &ConnectorName) -> Result<HashMap<MvId, Vec<Hold>>, Failure> {
    let filter = HoldFilter { connector: Some(tenant.clone()), ..HoldFilter::default() };
    let mut holds: HashMap<MvId, Vec<Hold>> = HashMap::new();
    for line in store.holds(&filter, usize::MAX)? {
        holds.entry(line.mv).or_default().push(line.hold);
    }
    Ok(holds)
}

fn errors(store: &Store) -> Result<HashMap<Subject, String>, Failure> {
    // What an import or export met is told elsewhere and decides nothing.
    let filter = ErrorFilter { phase: Some(ErrorPhase::Synchronization), ..ErrorFilter::default() };
    let lines = store.errors(&filter, usize::MAX)?;
    let subject = |subject| match subject {
        ErrorSubject::Object(id) => Subject::Connector(id),
        ErrorSubject::Metaverse(id) => Subject::Metaverse(id),
    };
    Ok(lines.into_iter().map(|line| (subject(line.subject), format!("{}: {}", line.code, line.message))).collect())
}

struct Gathering<'a> {
    trial: &'a Trial,
    rules: &'a RuleSet,
    tenant: &'a ConnectorName,
    accounts: BTreeSet<(ConnectorName, ObjectType)>,
    holds: HashMap<MvId, Vec<Hold>>,
    errors: HashMap<Subject, String>,
    people: Vec<Person>,
    subjects: Vec<Verdict>,
    other_holders: Vec<OtherHolder>,
    others: Others,
}

impl Gathering<'_> {
    fn is_account(&self, object: &CsObject) -> bool {
        self.accounts.contains(&(object.connector.clone(), object.object_type.clone()))
    }

    fn metaverse(&mut self) -> Result<(), Failure> {
        let store = self.trial.store();
        let mut after = None;
        loop {
            let page = store.list_metaverse(after, PAGE)?;
            let Some(last) = page.last().map(|summary| summary.id) else { return Ok(()) };
            after = Some(last);
            for summary in page {
                if let Some(object) = store.metaverse(summary.id)? {
                    self.one(&object, &summary.name)?;
                }
            }
        }
    }

    fn one(&mut self, mv: &MvObject, name: &str) -> Result<(), Failure> {
        let store = self.trial.store();
        let mut links = Vec::new();
        for id in &mv.links {
            links.extend(store.object(*id)?);
        }
        let (targets, sources): (Vec<CsObject>, Vec<CsObject>) =
            links.into_iter().partition(|object| object.connector == *self.tenant);
        let in_error = [Subject::Metaverse(mv.id)]
            .into_iter()
            .chain(sources.iter().chain(&targets).map(|object| Subject::Connector(object.id)))
            .find_map(|subject| self.errors.get(&subject));
        let holds = self.holds.get(&mv.id).map(Vec::as_slice).unwrap_or_default();
        let verdict = verdict(targets.first(), holds, in_error.map(String::as_str));
        if sources.iter().any(|object| self.is_account(object)) {
            let mut person = self.person(mv, &sources);
            if verdict == Verdict::Nothing {
                person.left_out = Some(self.why_nothing(mv, &sources));
            }
            self.people.push(person);
            self.subjects.push(verdict);
        } else if let Some(source) = sources.first() {
            let addresses = texts(mv, "proxyAddresses");
            let mail = text(mv, "mail").unwrap_or_default();
            self.other_holders.push(OtherHolder { addresses: all_addresses(&addresses, &mail) });
            self.other(name, source.object_type.as_str(), &verdict);
        }
        Ok(())
    }

    fn why_nothing(&self, mv: &MvObject, sources: &[CsObject]) -> String {
        let is_filtered =
            mv.attributes.get("cloudFiltered").is_some_and(|value| value.values.first() == Some(&Value::Boolean(true)));
        if sources.iter().any(|object| object.pending.is_some()) {
            return "what is to be written back to its own directory comes first".to_owned();
        }
        match is_filtered {
            true => "the rules keep it out of every tenant (cloudFiltered)".to_owned(),
            false => format!("no rule to `{}` has it in its scope", self.tenant),
        }
    }

    fn person(&self, mv: &MvObject, sources: &[CsObject]) -> Person {
        // Of several accounts the one that gives the account's name.
        let main = mv.attributes.get("accountName").map(|value| value.contributor);
        let account = sources.iter().find(|object| Some(object.id) == main && self.is_account(object));
        let account = account.or_else(|| sources.iter().find(|object| self.is_account(object)));
        let image = account.and_then(CsObject::imported);
        let raw = |name: &str| image.and_then(|image| image.text(name)).unwrap_or_default().trim().to_owned();
        let knows = |name: &str| self.rules.metaverse.attribute(mv.object_type.as_str(), name).is_some();
        let either = |name: &str| if knows(name) { text(mv, name).unwrap_or_default() } else { raw(name) };
        let sign_in_name = either("userPrincipalName");
        let enabled = match mv.attributes.get("accountEnabled").and_then(|value| value.values.first()) {
            Some(Value::Boolean(truth)) => Some(*truth),
            _ => None,
        };
        Person {
            name: [raw("displayName"), raw("cn"), raw("name")]
                .into_iter()
                .find(|name| !name.is_empty())
                .unwrap_or_default(),
            account: raw("sAMAccountName"),
            signs_in_by_another: !raw("userPrincipalName").eq_ignore_ascii_case(&sign_in_name),
            sign_in_name,
            mail: either("mail"),
            addresses: texts(mv, "proxyAddresses"),
            enabled,
            anchor: text(mv, "sourceAnchor").unwrap_or_else(|| anchor_of(image)),
            dn: account.and_then(|object| object.dn.as_ref()).map(ToString::to_string).unwrap_or_default(),
            alias: either("mailNickname"),
            display_name: either("displayName"),
            has_mailbox_guid: image.is_some_and(|image| image.get("msExchMailboxGuid").is_some()),
            ..Person::default()
        }
    }

    fn other(&mut self, name: &str, object_type: &str, verdict: &Verdict) {
        let counts = self.others.counts.entry(object_type.to_owned()).or_default();
        *counts.entry(verdict.word().to_owned()).or_default() += 1;
        let mut add = |weight, code: &str, message: &str, remedy: &str| {
            self.others.held.push(HeldOther {
                weight,
                object_type: object_type.to_owned(),
                name: name.to_owned(),
                code: code.to_owned(),
                message: message.to_owned(),
                remedy: remedy.to_owned(),
            });
        };
        match verdict {
            Verdict::Held(holds) => {
                if let Some(hold) = holds.first() {
                    let weight = match hold.code.as_str() {
                        "match-candidate" => Weight::Fine,
                        code if is_limitation(self.rules, code) => Weight::Look,
                        _ => Weight::Mend,
                    };
                    add(weight, &hold.code, &hold.message, &hold.remedy);
                }
            }
            Verdict::Nothing => {
                let message = format!("no rule to `{}` has it in its scope", self.tenant);
                add(Weight::Fine, "left-out", &message, "`metasync preview` says which scope it is not in");
            }
            Verdict::Error(message) => add(Weight::Mend, "error", message, "`metasync explain` says by which rule"),
            _ => {}
        }
    }

    /// Accounts that no rule takes in, or that the join stops at.
    fn left_out(&mut self) -> Result<(), Failure> {
        let sources: BTreeSet<ConnectorName> = self.accounts.iter().map(|(connector, _)| connector.clone()).collect();
        for connector in sources {
            let mut after = None;
            loop {
                let page = self.trial.store().list_objects(&connector, after, PAGE)?;
                let Some(last) = page.last().map(|summary| summary.id) else { break };
                after = Some(last);
                for summary in page.iter().filter(|summary| summary.link.is_none()) {
                    self.unlinked(summary)?;
                }
            }
        }
        Ok(())
    }

    fn unlinked(&mut self, summary: &ObjectSummary) -> Result<(), Failure> {
        let store = self.trial.store();
        let Some(object) = store.object(summary.id)?.filter(|object| self.is_account(object)) else { return Ok(()) };
        let Some(image) = object.imported() else { return Ok(()) };
        let subject = Subject::Connector(object.id);
        let verdict = match self.errors.get(&subject) {
            Some(message) => Verdict::Error(message.clone()),
            None => Verdict::Nothing,
        };
        let join = self.trial.reading().preview(subject)?.join;
        let because = join.map_or_else(|| "no rule has it in its scope".to_owned(), |join| join.text);
        let raw = |name: &str| image.text(name).unwrap_or_default().trim().to_owned();
        self.people.push(Person {
            name: summary.name.clone(),
            account: raw("sAMAccountName"),
            sign_in_name: raw("userPrincipalName"),
            mail: raw("mail"),
            anchor: anchor_of(Some(image)),
            dn: summary.dn.clone().unwrap_or_default(),
            left_out: Some(because),
            ..Person::default()
        });
        self.subjects.push(verdict);
        Ok(())
    }
}

fn text(mv: &MvObject, name: &str) -> Option<String> {
    let value = mv.attributes.get(name)?.values.first()?.as_text()?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

fn texts(mv: &MvObject, name: &str) -> Vec<String> {
    let values = mv.attributes.get(name).into_iter().flat_map(|value| value.values.iter());
    values.filter_map(Value::as_text).map(str::to_owned).collect()
}

/// What the account would be known by in a tenant: mS-DS-ConsistencyGuid where it is set, otherwise objectGUID.
fn anchor_of(image: Option<&Attributes>) -> String {
    let bytes = |name: &str| match image.and_then(|image| image.first(name)) {
        Some(Value::Binary(bytes)) => Some(STANDARD.encode(bytes)),
        _ => None,
    };
    bytes("mS-DS-ConsistencyGuid").or_else(|| bytes("objectGUID")).unwrap_or_default()
}

type Placed = (Vec<CloudObject>, HashMap<CsId, usize>);

/// What the tenant holds; an object that is only to be created is not there yet.
fn tenant_objects(store: &Store, tenant: &ConnectorName) -> Result<Placed, Failure> {
    let (mut objects, mut places) = (Vec::new(), HashMap::new());
    let mut after = None;
    loop {
        let page = store.list_objects(tenant, after, PAGE)?;
        let Some(last) = page.last().map(|summary| summary.id) else { return Ok((objects, places)) };
        after = Some(last);
        for summary in &page {
            let Some(object) = store.object(summary.id)?.filter(|object| object.anchor.is_some()) else { continue };
            if let Some(image) = object.imported() {
                places.insert(object.id, objects.len());
                objects.push(cloud_object(&object, image));
            }
        }
    }
}

fn cloud_object(object: &CsObject, image: &Attributes) -> CloudObject {
    let text = |name: &str| image.text(name).unwrap_or_default().to_owned();
    let flag = |name: &str| match image.first(name) {
        Some(Value::Boolean(truth)) => Some(*truth),
        _ => None,
    };
    let list = |name: &str| -> Vec<String> {
        image.get(name).into_iter().flatten().filter_map(Value::as_text).map(str::to_owned).collect()
    };
    let deleted = object.object_type == "deletedUser";
    let mut sign_in_name = text("userPrincipalName");
    if deleted {
        sign_in_name = without_prefix(&sign_in_name).to_owned();
    }
    let issuers: Vec<String> = list("identityIssuers").iter().map(|issuer| issuer.to_lowercase()).collect();
    let is_foreign = issuers.len() > 1 || issuers.iter().any(|issuer| FOREIGN.contains(&issuer.as_str()));
    let is_guest = text("userType").eq_ignore_ascii_case("guest") || sign_in_name.to_uppercase().contains("#EXT#");
    let kind = match object.object_type.as_str() {
        "contact" => CloudKind::Contact,
        "group" => CloudKind::Group,
        _ if is_guest || is_foreign => CloudKind::Guest,
        _ => CloudKind::User,
    };
    let (roles, roles_unreadable) = match &object.privilege {
        Some(Privilege::Roles(roles)) => (roles.clone(), None),
        Some(Privilege::Unreadable(reason)) => (Vec::new(), Some(reason.clone())),
        Some(Privilege::None) | None => (Vec::new(), None),
    };
    let is_person = matches!(kind, CloudKind::User | CloudKind::Guest);
    CloudObject {
        line: 0,
        kind,
        deleted,
        sign_in_name,
        display_name: text("displayName"),
        mail: text("mail"),
        addresses: list("proxyAddresses"),
        licensed: is_person.then(|| image.get("assignedSkus").is_some_and(|skus| !skus.is_empty())),
        enabled: flag("accountEnabled"),
        anchor: text("onPremisesImmutableId"),
        synchronised: flag("onPremisesSyncEnabled"),
        ours: is_ours(object),
        roles,
        roles_unreadable,
    }
}

/// Written by this deployment before, not only about to be.
fn is_ours(object: &CsObject) -> bool {
    let is_takeover = object.pending.as_ref().is_some_and(|pending| {
        matches!(pending.operation, PendingOperation::Update { takeover: true, .. } | PendingOperation::Restore { .. })
    });
    object.link.as_ref().is_some_and(|link| link.ownership != Ownership::Joined) && !is_takeover
}

/// In the recycle bin a sign-in name has the object's id, 32 digits, in front of it.
fn without_prefix(name: &str) -> &str {
    match name.split_at_checked(32) {
        Some((id, rest)) if !rest.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => rest,
        _ => name,
    }
}
