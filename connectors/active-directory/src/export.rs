//! Writes to the directory: add, modify, rename or move, delete, bring back. One object at a time, each with its own
//! outcome; only an import confirms what was written (O44). Draws no password, writes none, and stores nothing.

mod references;
mod refusals;
mod rename;
pub(crate) mod rights;

use crate::controls;
use crate::decode;
use crate::directory::{
    Directory, DirectoryError, DirectoryWrites, Modification, ModificationKind, RC_ACCESS, RC_NO_SUCH_OBJECT,
    SearchRequest, guid_name, read_all, read_object,
};
use crate::entry::Entry;
use crate::errors;
use crate::schema::is_secret;
use crate::session::{Session, WritingSession};
use connector_contract::{
    ConnectorError, CreateRequest, ExportItem, ExportOperation, ExportOutcome, ExportProblem, UpdateRequest,
};
use metaverse_schema::{
    Anchor, AttributeChange, AttributeName, Attributes, AttributesDelta, Dn, Guid, ObjectType, Values,
};
use refusals::{Failure, failure, problem, refused};
use rename::Awaited;
use rights::Deed;

/// A new account has no password, so it begins disabled: NORMAL_ACCOUNT and ACCOUNTDISABLE. Left to itself the directory
/// would add PASSWD_NOTREQD (546), with which an account can be enabled without one.
const DISABLED_ACCOUNT: &[u8] = b"514";

/// The connection that is written to, and the account it is signed in with.
pub(crate) struct Writer<'a> {
    session: &'a Session,
    writes: &'a dyn DirectoryWrites,
    account: &'a str,
}

impl<'a> Writer<'a> {
    pub(crate) fn of(writing: &'a WritingSession, account: &'a str) -> Self {
        Writer { session: &writing.session, writes: writing.writes.as_ref(), account }
    }

    fn directory(&self) -> &dyn Directory {
        self.session.directory.as_ref()
    }

    fn writes(&self) -> &dyn DirectoryWrites {
        self.writes
    }
}

/// Sends the items in order. After a lost connection the rest is not sent.
pub(crate) async fn export(writer: &Writer<'_>, items: &[ExportItem]) -> Vec<(i64, ExportOutcome)> {
    let mut outcomes = Vec::with_capacity(items.len());
    let mut awaited = Awaited::of(items);
    let mut lost: Option<String> = None;
    for item in items {
        let outcome = match &lost {
            Some(message) => ExportOutcome::NotSettled { may_have_arrived: false, message: message.clone() },
            None => one(writer, item, &mut awaited).await,
        };
        if let ExportOutcome::NotSettled { message, .. } = &outcome {
            lost.get_or_insert_with(|| message.clone());
        }
        outcomes.push((item.id, outcome));
    }
    outcomes
}

async fn one(writer: &Writer<'_>, item: &ExportItem, awaited: &mut Awaited) -> ExportOutcome {
    let done = match &item.operation {
        ExportOperation::Create(create) => self::create(writer, &item.object_type, create).await,
        ExportOperation::Update(update) => self::update(writer, update, awaited).await,
        ExportOperation::Restore(update) => restore(writer, update, awaited).await,
        ExportOperation::Delete { anchor } => delete(writer, anchor).await,
        // Active Directory keeps no mark of the engine: there is nothing to take off.
        ExportOperation::Detach { .. } => Ok(accepted(None)),
    };
    done.unwrap_or_else(|failure| failure.0)
}

fn accepted(anchor: Option<Anchor>) -> ExportOutcome {
    ExportOutcome::Accepted { anchor, failed_references: Vec::new() }
}

/// The refusal for want of a right, with that right named. The server's own words stay in front.
async fn denied(writer: &Writer<'_>, error: DirectoryError, deed: Deed<'_>) -> Result<ExportProblem, Failure> {
    let (code, text) = match error {
        DirectoryError::Refused { code, text } => (code, text),
        lost => return Err(failure(lost)),
    };
    let missing = rights::explain(writer.session, writer.account, deed).await.map_err(failure)?;
    let told = problem(code, &text);
    Ok(ExportProblem {
        attribute: missing.attribute.map(AttributeName::new),
        message: format!("{}; {}", missing.message, told.message),
        remedy: missing.remedy,
        ..told
    })
}

fn guid_of(anchor: &Anchor) -> Result<Guid, Failure> {
    anchor.as_guid().copied().ok_or_else(|| {
        let message = format!("`{anchor}` is not an objectGUID");
        refused("missing-anchor-component", message, "import the directory anew")
    })
}

/// No rule writes a password or a key; the engine's check says so before anything runs, and this is the last gate.
fn refuse_secrets<'a>(mut names: impl Iterator<Item = &'a AttributeName>) -> Result<(), Failure> {
    match names.find(|name| is_secret(name.as_str())) {
        Some(name) => Err(ExportProblem {
            code: "password-set-disallowed".to_owned(),
            attribute: Some(name.clone()),
            message: format!("`{name}` holds a secret, and no rule writes one; nothing was sent"),
            remedy: "remove the flow".to_owned(),
            retry: false,
        }
        .into()),
        None => Ok(()),
    }
}

async fn create(
    writer: &Writer<'_>,
    object_type: &ObjectType,
    create: &CreateRequest,
) -> Result<ExportOutcome, Failure> {
    let (dn, container) = match create.dn.as_ref().map(|dn| (dn, dn.parent())) {
        Some((dn, Some(container))) if dn.rdn().is_some() => (dn, container),
        _ => {
            let remedy = "flow the DN in the provisioning rule";
            return Err(refused("missing-provisioning-attribute", "a new object needs a DN", remedy));
        }
    };
    refuse_secrets(create.attributes.iter().map(|(name, _)| name))?;
    let name = dn.to_string();
    let attributes = new_attributes(object_type, &create.attributes, dn);
    if let Err(error) = writer.writes().add(&name, attributes).await {
        // The same answer for a name that stands already and for a parent that does not: the second has its own name.
        return Err(match error.code() {
            Some(RC_NO_SUCH_OBJECT) => ExportProblem {
                code: "non-existent-parent".to_owned(),
                attribute: None,
                message: format!("{error}: the container of {name} does not exist"),
                remedy: "create the container or correct the DN".to_owned(),
                retry: true,
            }
            .into(),
            Some(RC_ACCESS) => {
                let deed = Deed::Create { class: object_type.as_str(), container: &container };
                denied(writer, error, deed).await?.into()
            }
            _ => failure(error),
        });
    }
    let found = read_object(writer.directory(), &SearchRequest::object(name.clone(), &["objectGUID"])).await;
    let anchor = match found {
        Ok(Some(entry)) => entry.object_guid().map(Anchor::Guid),
        // It was made; the next import brings its anchor (O50).
        Ok(None) | Err(_) => None,
    };
    let failed_references = references::write(writer, &name, &create.references).await?;
    Ok(ExportOutcome::Accepted { anchor, failed_references })
}

fn new_attributes(object_type: &ObjectType, image: &Attributes, dn: &Dn) -> Vec<(String, Vec<Vec<u8>>)> {
    let mut attributes = vec![("objectClass".to_owned(), vec![object_type.as_str().as_bytes().to_vec()])];
    for (name, values) in own_attributes(image, dn) {
        attributes.push((name.as_str().to_owned(), values.iter().map(decode::to_wire).collect()));
    }
    let is_account = ["user", "inetOrgPerson"].iter().any(|class| *object_type == *class);
    if is_account && image.get("userAccountControl").is_none() {
        attributes.push(("userAccountControl".to_owned(), vec![DISABLED_ACCOUNT.to_vec()]));
    }
    attributes
}

/// What a create sends besides the class: the name carries the naming attributes, and a second, different value of them
/// would be refused.
fn own_attributes<'a>(image: &'a Attributes, dn: &Dn) -> impl Iterator<Item = (&'a AttributeName, &'a Values)> {
    let naming: Vec<String> = dn
        .rdn()
        .map(|rdn| rdn.assertions().iter().map(|pair| pair.attribute.to_ascii_lowercase()).collect())
        .unwrap_or_default();
    image.iter().filter(move |(name, _)| {
        let lower = name.as_str().to_ascii_lowercase();
        lower != "objectclass" && lower != "name" && !naming.contains(&lower)
    })
}

async fn update(writer: &Writer<'_>, update: &UpdateRequest, awaited: &mut Awaited) -> Result<ExportOutcome, Failure> {
    let guid = guid_of(&update.anchor)?;
    refuse_secrets(update.changes.0.keys().chain(update.afterwards.0.keys()))?;
    let name = guid_name(&guid);
    if let Some(dn) = &update.dn {
        self::rename::rename(writer, &guid, dn, awaited).await?;
    }
    modify(writer, &name, &update.changes).await?;
    let failed_references = references::write(writer, &name, &update.references).await?;
    modify(writer, &name, &update.afterwards).await?;
    Ok(ExportOutcome::Accepted { anchor: None, failed_references })
}

async fn modify(writer: &Writer<'_>, name: &str, delta: &AttributesDelta) -> Result<(), Failure> {
    let changes = modifications(delta);
    if changes.is_empty() {
        return Ok(());
    }
    let Err(error) = writer.writes().modify(name, &changes, vec![controls::permissive_modify()]).await else {
        return Ok(());
    };
    if error.code() != Some(RC_ACCESS) {
        return Err(failure(error));
    }
    let attributes: Vec<String> = delta.0.keys().map(ToString::to_string).collect();
    Err(denied(writer, error, Deed::Write { name, attributes: &attributes }).await?.into())
}

fn modifications(delta: &AttributesDelta) -> Vec<Modification> {
    let mut changes = Vec::new();
    let mut push = |kind, attribute: &AttributeName, values: &metaverse_schema::Values| {
        changes.push(Modification {
            kind,
            attribute: attribute.as_str().to_owned(),
            values: values.iter().map(decode::to_wire).collect(),
        });
    };
    for (attribute, change) in &delta.0 {
        match change {
            AttributeChange::Replace(values) => push(ModificationKind::Replace, attribute, values),
            AttributeChange::Update { add, remove } => {
                if !remove.is_empty() {
                    push(ModificationKind::Delete, attribute, remove);
                }
                if !add.is_empty() {
                    push(ModificationKind::Add, attribute, add);
                }
            }
        }
    }
    changes
}

async fn delete(writer: &Writer<'_>, anchor: &Anchor) -> Result<ExportOutcome, Failure> {
    let name = guid_name(&guid_of(anchor)?);
    let Err(error) = writer.writes().delete(&name).await else {
        return Ok(accepted(None));
    };
    match error.code() {
        Some(RC_NO_SUCH_OBJECT) => Ok(accepted(None)),
        Some(RC_ACCESS) => Err(denied(writer, error, Deed::Delete { name: &name }).await?.into()),
        _ => Err(failure(error)),
    }
}

/// Reanimates a tombstone (MS-ADTS 3.1.1.5.3.7): `isDeleted` away and a new DN in one modification, then the changes.
async fn restore(
    writer: &Writer<'_>,
    request: &UpdateRequest,
    awaited: &mut Awaited,
) -> Result<ExportOutcome, Failure> {
    let name = guid_name(&guid_of(&request.anchor)?);
    let Some(dn) = &request.dn else {
        let remedy = "flow the DN in the provisioning rule";
        return Err(refused("missing-provisioning-attribute", "a restored object needs a DN", remedy));
    };
    // By its DN: Samba does not reanimate what is named by its GUID.
    let search = SearchRequest::object(name, &["isDeleted"]).with(controls::show_deleted());
    let found = read_object(writer.directory(), &search).await.map_err(failure)?;
    let Some(tombstone) = found else {
        return Err(problem(RC_NO_SUCH_OBJECT, "").into());
    };
    if !tombstone.is_deleted() {
        return update(writer, request, awaited).await;
    }
    let changes = [
        Modification { kind: ModificationKind::Delete, attribute: "isDeleted".to_owned(), values: Vec::new() },
        Modification {
            kind: ModificationKind::Replace,
            attribute: "distinguishedName".to_owned(),
            values: vec![dn.to_string().into_bytes()],
        },
    ];
    if let Err(error) = writer.writes().modify(&tombstone.dn, &changes, vec![controls::show_deleted()]).await {
        return Err(match error.code() {
            Some(RC_ACCESS) => denied(writer, error, Deed::Reanimate).await?.into(),
            _ => failure(error),
        });
    }
    update(writer, request, awaited).await
}

/// Looks for what a create would have made: at its DN, else by its account name, which is unique in the domain. Only an
/// object that holds all that the create would have given it is taken for it: another one with the same name is somebody
/// else's, and the create itself is then refused by name.
pub(crate) async fn find_created(
    session: &Session,
    object_type: &ObjectType,
    create: &CreateRequest,
) -> Result<Option<Anchor>, ConnectorError> {
    let attempted = format!("looking for a created {object_type} in {}", session.controller.url);
    let failed = |error: DirectoryError| errors::step_error(&attempted, &error);
    let Some(dn) = &create.dn else {
        return Ok(None);
    };
    let mut asked = vec!["objectGUID".to_owned(), "objectClass".to_owned()];
    asked.extend(own_attributes(&create.attributes, dn).map(|(name, _)| name.to_string()));
    let is_ours = |entry: &Entry| is_of(entry, object_type) && holds_all(entry, &create.attributes, dn);

    let request = SearchRequest { attributes: asked.clone(), ..SearchRequest::object(dn.to_string(), &[]) };
    let found = read_object(session.directory.as_ref(), &request).await.map_err(failed)?;
    if let Some(entry) = found.filter(|entry| is_ours(entry)) {
        return Ok(entry.object_guid().map(Anchor::Guid));
    }
    let Some(account) = create.attributes.text("sAMAccountName") else {
        return Ok(None);
    };
    let filter = format!("(sAMAccountName={})", ldap3::ldap_escape(account));
    let base = session.controller.naming_context.to_string();
    let request = SearchRequest::subtree(base, filter, asked);
    let found = read_all(session.directory.as_ref(), request, session.page_size).await.map_err(failed)?;
    Ok(found.iter().find(|entry| is_ours(entry)).and_then(Entry::object_guid).map(Anchor::Guid))
}

fn is_of(entry: &Entry, object_type: &ObjectType) -> bool {
    entry.texts("objectClass").last().is_some_and(|class| class.eq_ignore_ascii_case(object_type.as_str()))
}

fn holds_all(entry: &Entry, image: &Attributes, dn: &Dn) -> bool {
    own_attributes(image, dn).all(|(name, values)| {
        let held = entry.values(name.as_str()).unwrap_or_default();
        values.iter().all(|value| held.into_iter().any(|held| held == decode::to_wire(value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use metaverse_schema::Value;

    #[test]
    fn removals_go_before_additions_and_a_clear_is_an_empty_replace() {
        let mut delta = AttributesDelta::default();
        delta.set("mail", metaverse_schema::Values::default());
        delta.0.insert(
            "proxyAddresses".into(),
            AttributeChange::Update { add: Value::text("SMTP:b@x").into(), remove: Value::text("SMTP:a@x").into() },
        );
        let seen: Vec<String> = modifications(&delta)
            .iter()
            .map(|change| format!("{:?} {} {}", change.kind, change.attribute, change.values.len()))
            .collect();
        assert_eq!(seen, ["Replace mail 0", "Delete proxyAddresses 1", "Add proxyAddresses 1"]);
    }

    #[test]
    fn the_name_carries_the_naming_attribute() {
        let mut image = Attributes::new();
        image.set("cn", Value::text("Ann"));
        image.set("sn", Value::text("Lee"));
        image.set("objectClass", Value::text("user"));
        let dn: Dn = "CN=Ann,OU=x".parse().unwrap();
        let names: Vec<String> = new_attributes(&"contact".into(), &image, &dn)
            .into_iter()
            .map(|(name, values)| format!("{name}={}", String::from_utf8_lossy(&values[0])))
            .collect();
        assert_eq!(names, ["objectClass=contact", "sn=Lee"]);
    }

    /// A new account is disabled unless the rules say otherwise; nothing else gets an account's flags.
    #[test]
    fn an_account_begins_disabled() {
        let dn: Dn = "CN=Ann,OU=x".parse().unwrap();
        let control = |class: &str, image: &Attributes| {
            new_attributes(&class.into(), image, &dn)
                .into_iter()
                .find(|(name, _)| name == "userAccountControl")
                .map(|(_, values)| String::from_utf8(values.concat()).unwrap())
        };
        let mut enabled = Attributes::new();
        enabled.set("userAccountControl", Value::Integer(512));
        assert_eq!(control("user", &Attributes::new()).as_deref(), Some("514"));
        assert_eq!(control("user", &enabled).as_deref(), Some("512"));
        assert_eq!(control("group", &Attributes::new()), None);
    }

    /// No rule writes a password, whatever the check before the run said.
    #[test]
    fn secrets_are_refused_before_anything_is_sent() {
        let names = ["title", "USERPASSWORD"].map(AttributeName::new);
        let Failure(ExportOutcome::Refused(problem)) = refuse_secrets(names.iter()).unwrap_err() else {
            panic!("not refused");
        };
        assert_eq!((problem.code.as_str(), problem.attribute), ("password-set-disallowed", Some(names[1].clone())));
        assert!(refuse_secrets(names[..1].iter()).is_ok());
    }
}
