//! Stages a page of an import: images that differ, reference rows, deletions, and the queue of what synchronisation must look
//! at. An object that is as it was costs one look and no write (R9).

use super::matching::Matched;
use super::{ImportMode, ImportSession, StagedChange, StagedItem, StagedObject, StagedPage, StagingIssue};
use crate::codec::content_hash;
use crate::codes;
use crate::db::Db;
use crate::error::Inner;
use crate::errors::ErrorPhase;
use crate::head::{Head, MISSED, RESTORED, TRANSIENT, UNCONFIRMED_REFERENCES};
use crate::history::PageMark;
use crate::key_trees::Side;
use metaverse_schema::{
    Anchor, AttributeChange, AttributeName, Attributes, AttributesDelta, ConnectorSchema, ObjectType, Reference, Value,
    ValueKind, Values,
};
use std::collections::{BTreeMap, BTreeSet};
use sync_kernel::planted::{Fault, is_planted};
use sync_kernel::{ConnectorState, DeleteCause, PendingOperation, SentState, fingerprint};

/// Everything below container ?2 of connector ?1, found by its place. The index is named: left alone, the planner looks at the
/// whole connector space for each container and object below.
pub(crate) const BELOW: &str = "WITH RECURSIVE below (id) AS (SELECT id FROM head INDEXED BY head_by_place WHERE connector = ?1 AND parent = ?2 \
     UNION SELECT h.id FROM below b CROSS JOIN head h INDEXED BY head_by_place ON h.connector = ?1 AND h.parent = b.id)";

/// What an item says about reference attributes.
enum References {
    /// All of them: one that is not named has no values.
    Whole(BTreeMap<AttributeName, Vec<Reference>>),
    Changes(BTreeMap<AttributeName, ReferenceChange>),
}

enum ReferenceChange {
    Replace(Vec<Reference>),
    Update { add: Vec<Reference>, remove: Vec<Reference> },
}

/// The attributes that an item spoke about as a whole: only those it contradicts (SF15). Of a reference attribute of which it
/// names single members, it speaks about those: the others may stand in another item, as a large group comes in parts (A.6).
pub(crate) enum Spoken {
    /// The whole object.
    All,
    /// Every value, and these references; others may follow.
    ValuesAnd(BTreeSet<AttributeName>),
    Named(BTreeSet<AttributeName>),
}

/// Single members that an item named, added or removed: attribute and member.
pub(crate) type NamedMembers = BTreeSet<(i64, i64)>;

impl Spoken {
    pub(crate) fn of_value(&self, name: &AttributeName) -> bool {
        match self {
            Spoken::All | Spoken::ValuesAnd(_) => true,
            Spoken::Named(names) => names.contains(name),
        }
    }

    pub(crate) fn of_reference(&self, name: &AttributeName) -> bool {
        match self {
            Spoken::All => true,
            Spoken::ValuesAnd(names) | Spoken::Named(names) => names.contains(name),
        }
    }
}

/// An item after matching, ready to be compared with what is held.
struct Incoming {
    matched: Matched,
    object_type: i64,
    attributes: Attributes,
    references: References,
    spoken: Spoken,
    /// Of a whole object; none where the next import must look closer.
    print: Option<[u8; 16]>,
}

impl Db {
    pub(crate) fn stage_page(
        &self,
        session: &mut ImportSession,
        items: Vec<StagedItem>,
        now: i64,
    ) -> Inner<StagedPage> {
        let mut page = StagedPage::default();
        for item in items {
            let rows = self.sql.total_changes();
            match item {
                StagedItem::Object(object) => self.stage_object(session, object, &mut page, now)?,
                StagedItem::Same { anchor, print } => self.stage_same(session, anchor, print, &mut page)?,
                StagedItem::Change(change) => self.stage_change(session, change, &mut page, now)?,
                StagedItem::Deleted { anchor, cause } => self.stage_deleted(session, &anchor, cause, &mut page)?,
                StagedItem::SubtreeLeft { container } => self.stage_subtree_left(session, &container, &mut page)?,
            }
            session.has_staged |= self.sql.total_changes() != rows;
        }
        if let Some(step) = session.step {
            let mut total = session.counters;
            total.add_all(&page.counters);
            self.save_progress(step, &total.step_counters())?;
            for issue in &page.issues {
                self.add_step_error(step, None, &issue.object, ErrorPhase::Import, issue.code, &issue.message, now)?;
            }
        }
        Ok(page)
    }

    fn stage_object(
        &self,
        session: &mut ImportSession,
        object: StagedObject,
        page: &mut StagedPage,
        now: i64,
    ) -> Inner<()> {
        let print = item_print(&session.schema, &object);
        let StagedObject { anchor, object_type, place, attributes, print: _ } = object;
        let known = self.head_by_anchor(session.connector, &anchor)?;
        if session.mode == ImportMode::Full && known.as_ref().is_some_and(|head| session.seen.contains(head.id)) {
            page.counters.failure += 1;
            let object = place.map_or_else(|| anchor.to_string(), |place| place.dn.to_string());
            page.issues.push(StagingIssue::twice(object, anchor));
            return Ok(());
        }
        let known = self.without_the_deleted(known, &object_type)?;
        if let Some(head) = &known
            && print.is_some()
            && head.item_print == print
            && head.flags == 0
            && head.is_container() == (session.schema.is_container(object_type.as_str()) && head.link.is_none())
            && !self.has_unconfirmed(head)
        {
            session.seen.insert(head.id);
            page.counters.no_change += 1;
            return Ok(());
        }
        let matched = self.match_incoming(session.connector, &anchor, known, place.as_ref())?;
        let (attributes, references) = split_references(&session.schema, attributes);
        let object_type = self.type_id(&object_type)?;
        if matched.head.id == 0 {
            let id = self.stage_first(session, matched.head, object_type, print, &attributes, &references)?;
            session.seen.insert(id);
            page.counters.add += 1;
            return Ok(());
        }
        session.seen.insert(matched.head.id);
        let references = References::Whole(references);
        let incoming = Incoming { matched, object_type, attributes, references, spoken: Spoken::All, print };
        self.stage_image(session, incoming, page, now)
    }

    /// An object whose delete was sent, and whose anchor comes back as another type (a recycle bin), is gone: the delete
    /// arrived, though its answer was lost. What came is a new object. Its person may be gone, too, and its link with it.
    fn without_the_deleted(&self, known: Option<Head>, object_type: &ObjectType) -> Inner<Option<Head>> {
        let Some(head) = known else { return Ok(None) };
        if self.type_name(&head)? == *object_type {
            return Ok(Some(head));
        }
        let was_sent = self.load_pending(head.id, head.connector)?.is_some_and(|pending| {
            pending.state == SentState::InFlight && matches!(pending.operation, PendingOperation::Delete { .. })
        });
        if !was_sent {
            return Ok(Some(head));
        }
        self.remove_deleted(head.id)?;
        self.revisit(head.link.map(|link| link.mv))?;
        Ok(None)
    }

    /// An object that nobody has named before: its rows are written once and whole, and nothing of it needs comparing.
    fn stage_first(
        &self,
        session: &ImportSession,
        mut head: Head,
        object_type: i64,
        print: Option<[u8; 16]>,
        attributes: &Attributes,
        references: &BTreeMap<AttributeName, Vec<Reference>>,
    ) -> Inner<i64> {
        let is_container = session.schema.is_container(self.object_type(object_type)?.as_str());
        self.take_part(&mut head, is_container)?;
        head.object_type = Some(object_type);
        head.item_print = print;
        let encoded = self.encode_image(session.connector, attributes)?;
        head.hash = Some(content_hash(&encoded).to_vec());
        let body = if is_container { &mut head.synchronised_body } else { &mut head.staged_body };
        self.put_body(body, Some(&encoded))?;
        head.staged = if is_container { codes::STAGED_NONE } else { codes::STAGED_IMAGE };
        self.insert_head(&mut head)?;
        for (name, values) in references {
            let attribute = self.attribute_id(head.connector, name, ValueKind::Reference)?;
            let targets = self.targets(head.connector, values)?;
            self.add_first_references(head.id, attribute, &targets, is_container)?;
        }
        if !is_container {
            self.mark_dirty(head.id, head.connector)?;
            let keys = self.keys_of(&head, attributes)?;
            self.add_keys(Side::Connector, head.id, keys)?;
        }
        Ok(head.id)
    }

    fn targets(&self, connector: i64, values: &[Reference]) -> Inner<BTreeSet<i64>> {
        values.iter().map(|reference| self.resolve_or_hold(connector, reference)).collect()
    }

    fn stage_change(
        &self,
        session: &mut ImportSession,
        change: StagedChange,
        page: &mut StagedPage,
        now: i64,
    ) -> Inner<()> {
        let StagedChange { anchor, object_type: type_name, place, changes, whole_if_new } = change;
        let object_type = self.type_id(&type_name)?;
        let known = self.head_by_anchor(session.connector, &anchor)?;
        let of_this_type =
            known.as_ref().filter(|head| !head.is_placeholder() && head.object_type == Some(object_type));
        let base = of_this_type.map(|head| self.imported_image(head)).transpose()?.flatten();
        let is_first_word = base.is_none() && whole_if_new && of_this_type.is_some_and(Head::is_made_here);
        let Some(mut attributes) = base.or_else(|| is_first_word.then(Attributes::default)) else {
            page.need_full_object.push(anchor);
            return Ok(());
        };
        let matched = self.match_incoming(session.connector, &anchor, known, place.as_ref())?;
        session.seen.insert(matched.head.id);
        let held = self.reference_counts(matched.head.id)?;
        let print = match is_first_word {
            true => {
                let mut attributes = Attributes::default();
                changes.apply(&mut attributes);
                let whole = StagedObject { anchor, object_type: type_name, place, attributes, print: None };
                item_print(&session.schema, &whole)
            }
            false => None,
        };
        let mut spoken: BTreeSet<AttributeName> = changes.0.keys().cloned().collect();
        let (changes, references) = split_reference_changes(&session.schema, changes, |name| held.contains_key(name));
        spoken.retain(|name| !matches!(references.get(name), Some(ReferenceChange::Update { .. })));
        let spoken = if is_first_word { Spoken::ValuesAnd(spoken) } else { Spoken::Named(spoken) };
        changes.apply(&mut attributes);
        let references = References::Changes(references);
        let incoming = Incoming { matched, object_type, attributes, references, spoken, print };
        self.stage_image(session, incoming, page, now)
    }

    /// Compares an incoming image with what is held and stages the difference.
    fn stage_image(&self, session: &ImportSession, incoming: Incoming, page: &mut StagedPage, now: i64) -> Inner<()> {
        let Incoming { matched, object_type, attributes, references, spoken, print } = incoming;
        let Matched { mut head, is_new, renamed } = matched;
        let is_container_class = session.schema.is_container(self.object_type(object_type)?.as_str());
        let is_container = is_container_class && head.link.is_none();
        if is_new || is_container != head.is_container() {
            self.take_part(&mut head, is_container)?;
        }
        if is_new || renamed {
            // Saved at once: its own references may name it by its new anchor or place.
            self.save_head(&mut head)?;
            if session.rules_read_dn && is_container_class {
                self.queue_below(head.id, head.connector)?;
            }
        }
        let encoded = self.encode_image(session.connector, &attributes)?;
        let hash = content_hash(&encoded);
        let was_deleted = head.staged == codes::STAGED_DELETED;
        let was_imported = head.synchronised_body.is_some() || head.staged_body.is_some();
        let retyped = head.object_type != Some(object_type) && was_imported && !is_new && !head.has(RESTORED);
        let image_changed = head.hash.as_deref() != Some(hash.as_slice()) || was_deleted;
        let (rows_changed, named) = self.stage_references(&head, &references, is_container)?;

        let mark = PageMark { run: None, step: session.step, now };
        let mut settled = self.confirm_exports(&mut head, &attributes, &spoken, &named, &mark)?;
        let is_staged = !is_container && (is_new || retyped || renamed || image_changed || rows_changed);
        if is_staged && head.staged_body.is_none() {
            // What confirms an export is the image of the object it was kept for.
            head.staged_body = settled.free_body.take();
        }
        self.put_body(&mut settled.free_body, None)?;
        page.contradictions += settled.contradictions;

        let counters = &mut page.counters;
        if is_new {
            counters.add += 1;
        } else if retyped {
            counters.delete_add += 1;
        } else if renamed {
            counters.rename += 1;
        } else if image_changed || rows_changed {
            counters.update += 1;
        } else {
            counters.no_change += 1;
            let known_again = print.is_some() && head.item_print != print;
            if head.has(MISSED) || settled.memory_changed {
                head.flags &= !MISSED;
                head.item_print = print.or(head.item_print);
                self.save_head(&mut head)?;
            } else if known_again {
                // The next full import need not look so close.
                self.run("UPDATE head SET item_print = ?2 WHERE id = ?1", (head.id, print))?;
            }
            if settled.memory_changed
                && let Some(link) = head.link
            {
                // The object itself is as it was; what is held for it is not.
                self.mark_metaverse_dirty(link.mv)?;
            }
            return Ok(());
        }
        head.object_type = Some(object_type);
        head.hash = Some(hash.to_vec());
        head.item_print = print;
        head.flags &= !(MISSED | RESTORED);
        head.cause = None;
        if is_container {
            head.staged = codes::STAGED_NONE;
            self.put_body(&mut head.synchronised_body, Some(&encoded))?;
            return self.save_head(&mut head);
        }
        let replaced = retyped || head.staged == codes::STAGED_REPLACED;
        self.put_staged(&mut head, &encoded, replaced)?;
        self.save_head(&mut head)?;
        if !(is_planted(Fault::LoseQueueEntry) && head.id % 5 == 0) {
            self.mark_dirty(head.id, head.connector)?;
        }
        if image_changed || retyped || is_new {
            let keys = self.keys_of(&head, &attributes)?;
            self.replace_connector_keys(head.id, keys)?;
        }
        if is_new {
            // References that waited for it no longer name something that was not imported.
            self.member_changed(head.id, None)?;
        }
        Ok(())
    }

    /// Queues everything that stands below a container, for rules that read the DN.
    fn queue_below(&self, container: i64, connector: i64) -> Inner<()> {
        self.run(
            &format!(
                "INSERT OR IGNORE INTO dirty (object, connector) {BELOW} \
                 SELECT h.id, h.connector FROM below b CROSS JOIN head h ON h.id = b.id WHERE h.state NOT IN (5, 6)"
            ),
            (connector, container),
        )
        .map(drop)
    }

    /// A new object, or one whose class became or ceased to be a container.
    fn take_part(&self, head: &mut Head, is_container: bool) -> Inner<()> {
        self.put_body(&mut head.synchronised_body, None)?;
        self.put_body(&mut head.staged_body, None)?;
        head.hash = None;
        head.item_print = None;
        head.staged = codes::STAGED_NONE;
        if is_container && head.id != 0 {
            self.replace_connector_keys(head.id, Vec::new())?;
            self.run("DELETE FROM dirty WHERE object = ?1", [head.id])?;
        }
        head.state = match (is_container, head.link) {
            (true, _) => codes::CONTAINER,
            (false, Some(_)) => codes::state(ConnectorState::Connected),
            (false, None) => codes::state(ConnectorState::Disconnected),
        };
        Ok(())
    }

    /// A staged body is kept only while it differs from the synchronised one.
    fn put_staged(&self, head: &mut Head, encoded: &[u8], replaced: bool) -> Inner<()> {
        let synchronised = head.synchronised_body.map(|body| self.body(body)).transpose()?;
        let differs = synchronised.as_deref() != Some(encoded);
        self.put_body(&mut head.staged_body, differs.then_some(encoded))?;
        head.staged = match (replaced, differs || self.has_unsynchronised_rows(head.id)?) {
            (true, _) => codes::STAGED_REPLACED,
            (false, true) => codes::STAGED_IMAGE,
            (false, false) => codes::STAGED_NONE,
        };
        Ok(())
    }

    /// Whether a row changed, and the members that were named one by one.
    fn stage_references(
        &self,
        head: &Head,
        references: &References,
        synchronised: bool,
    ) -> Inner<(bool, NamedMembers)> {
        let connector = head.connector;
        let targets = |values: &[Reference]| self.targets(connector, values);
        let (mut changed, mut members) = (false, NamedMembers::new());
        match references {
            References::Whole(all) => {
                let mut named = BTreeSet::new();
                for (name, values) in all {
                    let attribute = self.attribute_id(connector, name, ValueKind::Reference)?;
                    named.insert(attribute);
                    changed |= self.set_references(head.id, attribute, &targets(values)?, synchronised)?;
                }
                for attribute in self.reference_attributes(head.id)? {
                    if !named.contains(&attribute) {
                        changed |= self.set_references(head.id, attribute, &BTreeSet::new(), synchronised)?;
                    }
                }
            }
            References::Changes(changes) => {
                for (name, change) in changes {
                    let attribute = self.attribute_id(connector, name, ValueKind::Reference)?;
                    changed |= match change {
                        ReferenceChange::Replace(values) => {
                            self.set_references(head.id, attribute, &targets(values)?, synchronised)?
                        }
                        ReferenceChange::Update { add, remove } => {
                            let mut gone = BTreeSet::new();
                            for reference in remove {
                                gone.extend(self.resolve(connector, reference)?);
                            }
                            let add = targets(add)?;
                            members.extend(add.iter().chain(&gone).map(|member| (attribute, *member)));
                            self.change_references(head.id, attribute, &add, &gone)?
                        }
                    };
                }
            }
        }
        Ok((changed, members))
    }

    fn stage_deleted(
        &self,
        session: &mut ImportSession,
        anchor: &Anchor,
        cause: DeleteCause,
        page: &mut StagedPage,
    ) -> Inner<()> {
        let known = self.head_by_anchor(session.connector, anchor)?.filter(|head| !head.is_placeholder());
        if known.is_none() && cause == DeleteCause::DeletedInSource {
            self.deleted_after_leaving(session.connector, anchor)?;
        }
        match known {
            None => page.counters.filtered_deletions += 1,
            Some(head) if head.staged == codes::STAGED_DELETED => page.counters.no_change += 1,
            Some(head) => {
                self.stage_delete(head, cause)?;
                page.counters.delete += 1;
            }
        }
        Ok(())
    }

    /// The object is gone from what is imported; it keeps its row until synchronisation has drawn the consequences.
    pub(crate) fn stage_delete(&self, mut head: Head, cause: DeleteCause) -> Inner<()> {
        if head.is_container() {
            return self.container_left(&mut head);
        }
        head.staged = codes::STAGED_DELETED;
        head.cause = Some(codes::cause(cause));
        head.hash = None;
        head.item_print = None;
        head.flags &= !(TRANSIENT | MISSED);
        self.put_body(&mut head.staged_body, None)?;
        // Its name is free for another object; what it was called stays readable.
        head.rdn_key = None;
        self.touch_places(head.connector);
        self.save_head(&mut head)?;
        self.replace_connector_keys(head.id, Vec::new())?;
        self.mark_dirty(head.id, head.connector)
    }

    fn stage_subtree_left(&self, session: &mut ImportSession, container: &Anchor, page: &mut StagedPage) -> Inner<()> {
        let Some(top) = self.head_by_anchor(session.connector, container)? else {
            page.counters.filtered_deletions += 1;
            return Ok(());
        };
        let mut below = self.ids(&format!("{BELOW} SELECT id FROM below ORDER BY id"), (session.connector, top.id))?;
        below.push(top.id);
        for id in below {
            let head = self.head(id)?;
            if head.is_placeholder() || head.anchor.is_none() || head.staged == codes::STAGED_DELETED {
                continue;
            }
            self.stage_delete(head, DeleteCause::LeftContainerScope)?;
            page.counters.delete += 1;
        }
        Ok(())
    }

    pub(crate) fn has_unconfirmed(&self, head: &Head) -> bool {
        head.memory_body.is_some() || head.has(UNCONFIRMED_REFERENCES)
    }
}

/// What identifies an item as the same that came before: the connector's own print, or type, place and all values, references
/// by anchor included. None where the same words may mean another object: a container or a reference that is named by DN alone.
fn item_print(schema: &ConnectorSchema, object: &StagedObject) -> Option<[u8; 16]> {
    let StagedObject { anchor: _, object_type, place, attributes, print } = object;
    let place = match place {
        None => None,
        Some(place) => Some((place.parent.as_ref()?, place.dn.rdn()?)),
    };
    let names_a_dn = |values: &Values| values.iter().any(|value| matches!(value, Value::Reference(Reference::Dn(_))));
    if attributes.iter().any(|(_, values)| names_a_dn(values)) {
        return None;
    }
    if print.is_some() {
        return *print;
    }
    let is_container = schema.is_container(object_type.as_str());
    Some(fingerprint(&(is_container, object_type, place, attributes)).to_be_bytes())
}

/// Takes the reference values out of an image: they are rows, never part of a body. A secret is dropped: it never reaches
/// a body.
fn split_references(
    schema: &ConnectorSchema,
    mut attributes: Attributes,
) -> (Attributes, BTreeMap<AttributeName, Vec<Reference>>) {
    let is_secret = |name: &AttributeName| schema.kind_of(name.as_str()) == Some(ValueKind::Secret);
    let names_objects = |values: &Values| values.iter().any(|value| matches!(value, Value::Reference(_)));
    // Few: all others stay as they are.
    let not_of_a_body: Vec<AttributeName> = attributes
        .iter()
        .filter(|(name, values)| names_objects(values) || is_secret(name))
        .map(|(name, _)| name.clone())
        .collect();
    let mut references = BTreeMap::new();
    for name in not_of_a_body {
        let Some(values) = attributes.remove(name.as_str()).filter(|_| !is_secret(&name)) else { continue };
        let (links, plain) = split_values(values);
        references.insert(name.clone(), links);
        attributes.set(name, plain);
    }
    (attributes, references)
}

fn split_values(values: Values) -> (Vec<Reference>, Values) {
    let (mut links, mut plain) = (Vec::new(), Vec::new());
    for value in values {
        match value {
            Value::Reference(reference) => links.push(reference),
            other => plain.push(other),
        }
    }
    (links, plain.into_iter().collect())
}

fn split_reference_changes(
    schema: &ConnectorSchema,
    changes: AttributesDelta,
    has_rows: impl Fn(&AttributeName) -> bool,
) -> (AttributesDelta, BTreeMap<AttributeName, ReferenceChange>) {
    let mut rest = AttributesDelta::default();
    let mut references = BTreeMap::new();
    for (name, change) in changes.0 {
        let kind = schema.kind_of(name.as_str());
        if kind == Some(ValueKind::Secret) {
            continue;
        }
        let is_reference = kind == Some(ValueKind::Reference) || has_rows(&name) || names_objects(&change);
        if !is_reference {
            rest.0.insert(name, change);
            continue;
        }
        let change = match change {
            AttributeChange::Replace(values) => ReferenceChange::Replace(split_values(values).0),
            AttributeChange::Update { add, remove } => {
                ReferenceChange::Update { add: split_values(add).0, remove: split_values(remove).0 }
            }
        };
        references.insert(name, change);
    }
    (rest, references)
}

fn names_objects(change: &AttributeChange) -> bool {
    let any = |values: &Values| values.iter().any(|value| matches!(value, Value::Reference(_)));
    match change {
        AttributeChange::Replace(values) => any(values),
        AttributeChange::Update { add, remove } => any(add) || any(remove),
    }
}
