//! Writes to the directory: add, modify, rename or move, delete, bring back. One object at a time, each with its own
//! outcome; only an import confirms what was written (O44). Draws no password and stores nothing.

use crate::controls;
use crate::decode;
use crate::directory::{
    DirectoryError, Modification, ModificationKind, RC_ACCESS, RC_BUSY, RC_CONSTRAINT, RC_EXISTS, RC_INVALID_DN,
    RC_NAMING, RC_NO_SUCH_ATTRIBUTE, RC_NO_SUCH_OBJECT, RC_NOT_LEAF, RC_NOT_ON_RDN, RC_OBJECT_CLASS, RC_SYNTAX,
    RC_UNAVAILABLE, RC_UNDEFINED_ATTRIBUTE, RC_UNWILLING, RC_VALUE_EXISTS, SearchRequest, guid_name, read_all,
    read_object,
};
use crate::errors;
use crate::session::Session;
use connector_contract::{
    ConnectorError, CreateRequest, ExportItem, ExportOperation, ExportOutcome, ExportProblem, ReferenceChange,
    UpdateRequest,
};
use metaverse_schema::{
    Anchor, AttributeChange, AttributeName, Attributes, AttributesDelta, Dn, ObjectType, Reference, Value,
};

/// Sends the items in order. After a lost connection the rest is not sent.
pub(crate) async fn export(session: &Session, items: &[ExportItem]) -> Vec<(i64, ExportOutcome)> {
    let mut outcomes = Vec::with_capacity(items.len());
    let mut lost: Option<String> = None;
    for item in items {
        let outcome = match &lost {
            Some(message) => ExportOutcome::NotSettled { may_have_arrived: false, message: message.clone() },
            None => one(session, item).await,
        };
        if let ExportOutcome::NotSettled { message, .. } = &outcome {
            lost.get_or_insert_with(|| message.clone());
        }
        outcomes.push((item.id, outcome));
    }
    outcomes
}

async fn one(session: &Session, item: &ExportItem) -> ExportOutcome {
    let done = match &item.operation {
        ExportOperation::Create(create) => self::create(session, &item.object_type, create).await,
        ExportOperation::Update(update) => self::update(session, update).await,
        ExportOperation::Restore(update) => restore(session, update).await,
        ExportOperation::Delete { anchor } => delete(session, anchor).await,
        // Active Directory keeps no mark of the engine: there is nothing to take off.
        ExportOperation::Detach { .. } => Ok(accepted(None)),
    };
    done.unwrap_or_else(|failure| failure.0)
}

/// An outcome that ends an item early.
struct Failure(ExportOutcome);

fn accepted(anchor: Option<Anchor>) -> ExportOutcome {
    ExportOutcome::Accepted { anchor, failed_references: Vec::new() }
}

fn refused(code: &str, message: impl Into<String>, remedy: &str) -> Failure {
    Failure(ExportOutcome::Refused(ExportProblem {
        code: code.to_owned(),
        attribute: None,
        message: message.into(),
        remedy: remedy.to_owned(),
        retry: false,
    }))
}

/// What the engine is told when the server did not simply say yes.
fn failure(error: DirectoryError) -> Failure {
    Failure(match error {
        DirectoryError::Refused { code, text } => match code {
            RC_BUSY | RC_UNAVAILABLE => ExportOutcome::NotSettled {
                may_have_arrived: false,
                message: format!("the domain controller is busy (result {code})"),
            },
            _ => ExportOutcome::Refused(problem(code, &text)),
        },
        // The request may have been carried out although its answer did not come.
        lost => ExportOutcome::NotSettled { may_have_arrived: true, message: lost.to_string() },
    })
}

/// The engine's names (R74) for the refusals of a directory.
fn problem(code: u32, text: &str) -> ExportProblem {
    let (name, remedy) = match code {
        RC_NO_SUCH_OBJECT => ("cd-missing-object", "import, so that the engine learns that it is gone"),
        RC_EXISTS => {
            ("cd-existing-object", "an object of this name or with this unique value exists: join it or rename one")
        }
        RC_ACCESS => ("permission-issue", "give the account the right to write this object and attribute"),
        RC_CONSTRAINT | RC_UNWILLING if text.contains("0000052D") => {
            ("password-policy-violation", "the password does not satisfy the domain's policy")
        }
        RC_CONSTRAINT | RC_VALUE_EXISTS => ("constraint-violation", "correct the value"),
        RC_UNWILLING => ("constraint-violation", "the domain controller's rules forbid this change"),
        RC_OBJECT_CLASS | RC_UNDEFINED_ATTRIBUTE | RC_NO_SUCH_ATTRIBUTE => {
            ("schema-violation", "the class does not have this attribute, or lacks one that it must have")
        }
        RC_SYNTAX => ("syntax-violation", "correct the value"),
        RC_INVALID_DN | RC_NAMING => ("invalid-dn", "correct the name"),
        RC_NOT_ON_RDN => ("modify-naming-attribute", "flow to the DN instead of to the naming attribute"),
        RC_NOT_LEAF => ("unsupported-container-delete", "delete or move what is below it first"),
        _ => ("unexpected-error", ""),
    };
    let error = DirectoryError::Refused { code, text: text.to_owned() };
    ExportProblem {
        code: name.to_owned(),
        attribute: named_attribute(text),
        message: error.to_string(),
        remedy: remedy.to_owned(),
        retry: false,
    }
}

/// Windows names the attribute: `... Att 90296 (userPrincipalName), ...`.
fn named_attribute(text: &str) -> Option<AttributeName> {
    let after = text.split("Att ").nth(1)?;
    let name = after.split_once('(')?.1.split_once(')')?.0;
    let plausible = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    plausible.then(|| AttributeName::new(name))
}

fn name_of(anchor: &Anchor) -> Result<String, Failure> {
    match anchor.as_guid() {
        Some(guid) => Ok(guid_name(guid)),
        None => Err(refused(
            "missing-anchor-component",
            format!("`{anchor}` is not an objectGUID"),
            "import the directory anew",
        )),
    }
}

async fn create(session: &Session, object_type: &ObjectType, create: &CreateRequest) -> Result<ExportOutcome, Failure> {
    let Some(dn) = &create.dn else {
        let remedy = "flow the DN in the provisioning rule";
        return Err(refused("missing-provisioning-attribute", "a new object needs a DN", remedy));
    };
    let name = dn.to_string();
    let attributes = new_attributes(object_type, &create.attributes, dn);
    if let Err(error) = session.directory.add(&name, attributes).await {
        // The same answer for a name that stands already and for a parent that does not: the second has its own name.
        return Err(match error.code() {
            Some(RC_NO_SUCH_OBJECT) => Failure(ExportOutcome::Refused(ExportProblem {
                code: "non-existent-parent".to_owned(),
                attribute: None,
                message: format!("{error}: the container of {name} does not exist"),
                remedy: "create the container or correct the DN".to_owned(),
                retry: true,
            })),
            _ => failure(error),
        });
    }
    let found = read_object(session.directory.as_ref(), &SearchRequest::object(name.clone(), &["objectGUID"])).await;
    let anchor = match found {
        Ok(Some(entry)) => entry.object_guid().map(Anchor::Guid),
        // It was made; the next import brings its anchor (O50).
        Ok(None) | Err(_) => None,
    };
    let failed_references = references(session, &name, &create.references).await?;
    Ok(ExportOutcome::Accepted { anchor, failed_references })
}

fn new_attributes(object_type: &ObjectType, image: &Attributes, dn: &Dn) -> Vec<(String, Vec<Vec<u8>>)> {
    let naming: Vec<String> = dn
        .rdn()
        .map(|rdn| rdn.assertions().iter().map(|pair| pair.attribute.to_ascii_lowercase()).collect())
        .unwrap_or_default();
    let mut attributes = vec![("objectClass".to_owned(), vec![object_type.as_str().as_bytes().to_vec()])];
    for (name, values) in image.iter() {
        let lower = name.as_str().to_ascii_lowercase();
        // The name carries these; a second, different value would be refused.
        if lower == "objectclass" || lower == "name" || naming.contains(&lower) {
            continue;
        }
        attributes.push((name.as_str().to_owned(), values.iter().map(decode::to_wire).collect()));
    }
    attributes
}

async fn update(session: &Session, update: &UpdateRequest) -> Result<ExportOutcome, Failure> {
    let name = name_of(&update.anchor)?;
    if let Some(dn) = &update.dn {
        rename(session, &name, dn).await?;
    }
    modify(session, &name, &update.changes).await?;
    let failed_references = references(session, &name, &update.references).await?;
    modify(session, &name, &update.afterwards).await?;
    Ok(ExportOutcome::Accepted { anchor: None, failed_references })
}

async fn modify(session: &Session, name: &str, delta: &AttributesDelta) -> Result<(), Failure> {
    let changes = modifications(delta);
    if changes.is_empty() {
        return Ok(());
    }
    session.directory.modify(name, &changes, vec![controls::permissive_modify()]).await.map_err(failure)
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

/// To the wanted DN, if the object is not there yet.
async fn rename(session: &Session, name: &str, wanted: &Dn) -> Result<(), Failure> {
    let (Some(rdn), Some(parent)) = (wanted.rdn(), wanted.parent()) else {
        return Err(refused("invalid-dn", format!("`{wanted}` is not a name for an object"), "correct the DN"));
    };
    let found = read_object(session.directory.as_ref(), &SearchRequest::object(name, &["objectGUID"]))
        .await
        .map_err(failure)?;
    let Some(entry) = found else {
        return Err(Failure(ExportOutcome::Refused(problem(RC_NO_SUCH_OBJECT, ""))));
    };
    // Byte by byte: a change of case is a rename too (SF27).
    if entry.dn == wanted.to_string() {
        return Ok(());
    }
    session.directory.rename(&entry.dn, &rdn.to_string(), &parent.to_string()).await.map_err(|error| {
        match error.code() {
            Some(RC_NO_SUCH_OBJECT) => refused(
                "non-existent-parent",
                format!("{error}: the container `{parent}` does not exist"),
                "create the container or correct the DN",
            ),
            _ => failure(error),
        }
    })
}

/// All at once; if one is refused, one by one, so that the others go through.
async fn references(
    session: &Session,
    name: &str,
    changes: &[ReferenceChange],
) -> Result<Vec<(ReferenceChange, ExportProblem)>, Failure> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let together: Vec<Modification> = changes.iter().map(reference).collect();
    let controls = || vec![controls::permissive_modify()];
    match session.directory.modify(name, &together, controls()).await {
        Ok(()) => return Ok(Vec::new()),
        Err(DirectoryError::Refused { code, .. }) if code != RC_BUSY && code != RC_UNAVAILABLE => {}
        Err(error) => return Err(failure(error)),
    }
    let mut failed = Vec::new();
    for change in changes {
        match session.directory.modify(name, &[reference(change)], controls()).await {
            Ok(()) => {}
            Err(DirectoryError::Refused { .. }) if is_already_so(session, name, change).await? => {}
            Err(DirectoryError::Refused { code, text }) => {
                let mut problem = problem(code, &text);
                if code == RC_NO_SUCH_OBJECT || code == RC_CONSTRAINT {
                    // The target may come with a later item of this very export (O56).
                    problem.code = "dn-attributes-failure".to_owned();
                    problem.retry = true;
                }
                problem.attribute = Some(change.attribute.clone());
                failed.push((change.clone(), problem));
            }
            Err(error) => return Err(failure(error)),
        }
    }
    Ok(failed)
}

/// Whether the reference is as wanted: a value that is there already, or already gone, was refused for no other reason.
/// Asked of the directory, because servers say it with different codes (20, 68; 16, 53) despite the permissive control.
async fn is_already_so(session: &Session, name: &str, change: &ReferenceChange) -> Result<bool, Failure> {
    let wanted = reference(change);
    let value = wanted.values.first().map(|value| String::from_utf8_lossy(value).into_owned());
    let filter = format!("({}={})", wanted.attribute, ldap3::ldap_escape(value.unwrap_or_default()));
    let request = SearchRequest { filter, ..SearchRequest::object(name, &["objectGUID"]) };
    let found = read_object(session.directory.as_ref(), &request).await.map_err(failure)?;
    Ok(found.is_some() == change.add)
}

fn reference(change: &ReferenceChange) -> Modification {
    let value = match (&change.target, &change.target_dn) {
        (Anchor::Guid(_), _) | (_, None) => Value::Reference(Reference::Anchor(change.target.clone())),
        (Anchor::Text(_), Some(dn)) => Value::Reference(Reference::Dn(dn.clone())),
    };
    Modification {
        kind: if change.add { ModificationKind::Add } else { ModificationKind::Delete },
        attribute: change.attribute.as_str().to_owned(),
        values: vec![decode::to_wire(&value)],
    }
}

async fn delete(session: &Session, anchor: &Anchor) -> Result<ExportOutcome, Failure> {
    let name = name_of(anchor)?;
    match session.directory.delete(&name).await {
        Ok(()) => Ok(accepted(None)),
        Err(error) if error.code() == Some(RC_NO_SUCH_OBJECT) => Ok(accepted(None)),
        Err(error) => Err(failure(error)),
    }
}

/// Reanimates a tombstone (MS-ADTS 3.1.1.5.3.7): `isDeleted` away and a new DN in one modification, then the changes.
async fn restore(session: &Session, request: &UpdateRequest) -> Result<ExportOutcome, Failure> {
    let name = name_of(&request.anchor)?;
    let Some(dn) = &request.dn else {
        let remedy = "flow the DN in the provisioning rule";
        return Err(refused("missing-provisioning-attribute", "a restored object needs a DN", remedy));
    };
    // By its DN: Samba does not reanimate what is named by its GUID.
    let search = SearchRequest::object(name, &["isDeleted"]).with(controls::show_deleted());
    let found = read_object(session.directory.as_ref(), &search).await.map_err(failure)?;
    let Some(tombstone) = found else {
        return Err(Failure(ExportOutcome::Refused(problem(RC_NO_SUCH_OBJECT, ""))));
    };
    if !tombstone.is_deleted() {
        return update(session, request).await;
    }
    let changes = [
        Modification { kind: ModificationKind::Delete, attribute: "isDeleted".to_owned(), values: Vec::new() },
        Modification {
            kind: ModificationKind::Replace,
            attribute: "distinguishedName".to_owned(),
            values: vec![dn.to_string().into_bytes()],
        },
    ];
    session.directory.modify(&tombstone.dn, &changes, vec![controls::show_deleted()]).await.map_err(failure)?;
    update(session, request).await
}

/// Looks for what a create would have made: at its DN, else by its account name, which is unique in the domain.
pub(crate) async fn find_created(
    session: &Session,
    object_type: &ObjectType,
    create: &CreateRequest,
) -> Result<Option<Anchor>, ConnectorError> {
    let attempted = format!("looking for a created {object_type} in {}", session.controller.url);
    let failed = |error: DirectoryError| errors::step_error(&attempted, &error);
    if let Some(dn) = &create.dn {
        let request = SearchRequest::object(dn.to_string(), &["objectGUID", "objectClass"]);
        let found = read_object(session.directory.as_ref(), &request).await.map_err(failed)?;
        if let Some(entry) = found.filter(|entry| is_of(entry, object_type)) {
            return Ok(entry.object_guid().map(Anchor::Guid));
        }
    }
    let Some(account) = create.attributes.text("sAMAccountName") else {
        return Ok(None);
    };
    let filter = format!("(sAMAccountName={})", ldap3::ldap_escape(account));
    let base = session.controller.naming_context.to_string();
    let request = SearchRequest::subtree(base, filter, vec!["objectGUID".to_owned(), "objectClass".to_owned()]);
    let found = read_all(session.directory.as_ref(), request, session.page_size).await.map_err(failed)?;
    Ok(found.iter().find(|entry| is_of(entry, object_type)).and_then(|entry| entry.object_guid()).map(Anchor::Guid))
}

fn is_of(entry: &crate::entry::Entry, object_type: &ObjectType) -> bool {
    entry.texts("objectClass").last().is_some_and(|class| class.eq_ignore_ascii_case(object_type.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(code: u32, text: &str, expect: Expect) {
        let problem = problem(code, text);
        expect.assert_eq(&format!("{} {:?}: {}", problem.code, problem.attribute, problem.message));
    }

    #[test]
    fn refusals_have_the_engines_names() {
        check(
            RC_CONSTRAINT,
            "000021C7: AtrErr: DSID-03200E1F, #1: 0: 000021C7: problem 1005 (CONSTRAINT_ATT_TYPE), data 2072, Att 90290 (userPrincipalName)",
            expect![
                "constraint-violation Some(userPrincipalName): the server refused: result 19 (constraint violation): 000021C7: AtrErr: DSID-03200E1F, #1: 0: 000021C7: problem 1005 (CONSTRAINT_ATT_TYPE), data 2072, Att 90290 (userPrincipalName)"
            ],
        );
        check(
            RC_UNWILLING,
            "0000052D: SvcErr: DSID-031A1236",
            expect![
                "password-policy-violation None: the server refused: result 53 (unwilling to perform): 0000052D: SvcErr: DSID-031A1236"
            ],
        );
        check(RC_EXISTS, "", expect!["cd-existing-object None: the server refused: result 68 (entry already exists)"]);
        check(
            RC_ACCESS,
            "",
            expect!["permission-issue None: the server refused: result 50 (insufficient access rights)"],
        );
        check(1, "", expect!["unexpected-error None: the server refused: result 1 (operations error)"]);
    }

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
}
