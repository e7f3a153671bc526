//! Export: applies creates, updates and deletes to the records of a file and replaces the file once for each call.
//! Never writes a part of an item, never rewrites a file of which it could not read every record.

use crate::connector::TextFileConnector;
use crate::contents::{Contents, is_reference, reference_key};
use crate::record::RawRecord;
use crate::{Format, ObjectTypes, ReferenceBy};
use async_trait::async_trait;
use connector_contract::{
    ConnectorError, CreateRequest, ExportItem, ExportOperation, ExportOutcome, ExportProblem, Exporter,
    ReferenceChange, UpdateRequest,
};
use metaverse_schema::{
    Anchor, AttributeChange, AttributeDefinition, AttributeName, AttributesDelta, Dn, Guid, ObjectType, Plurality,
    Reference, Value, ValueKind, Values,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

/// Items of one call: the file is rewritten once for all of them.
const BATCH: usize = 500;

#[async_trait]
impl Exporter for TextFileConnector {
    fn batch_size(&self) -> usize {
        BATCH
    }

    async fn export(&self, items: &[ExportItem]) -> Result<Vec<(i64, ExportOutcome)>, ConnectorError> {
        let (items, rewriting) = (items.to_vec(), Arc::clone(&self.rewriting));
        self.blocking("writing a text file", move |vocabulary| {
            let _one_at_a_time = rewriting.lock().unwrap_or_else(PoisonError::into_inner);
            let mut contents = Contents::load(vocabulary)?;
            let mut outcomes: Vec<(i64, ExportOutcome)> =
                items.iter().map(|item| (item.id, contents.apply(item))).collect();
            if contents.changed && !contents.write()? {
                // The new file stands, but may not survive a power cut.
                let unsettled = || ExportOutcome::NotSettled {
                    may_have_arrived: true,
                    message: "the file was replaced, but its folder could not be flushed to disk".to_owned(),
                };
                let accepted = |outcome: &ExportOutcome| matches!(outcome, ExportOutcome::Accepted { .. });
                let settled = outcomes.iter_mut().filter(|(_, outcome)| accepted(outcome));
                settled.for_each(|(_, outcome)| *outcome = unsettled());
            }
            Ok(outcomes)
        })
        .await
    }

    async fn find_created(
        &self,
        object_type: &ObjectType,
        create: &CreateRequest,
    ) -> Result<Option<Anchor>, ConnectorError> {
        let (object_type, create) = (object_type.clone(), create.clone());
        self.blocking("looking for an object in a text file", move |vocabulary| {
            Ok(Contents::load(vocabulary)?.find_created(&object_type, &create))
        })
        .await
    }
}

/// References that were refused while the rest of an item went through.
type FailedReferences = Vec<(ReferenceChange, ExportProblem)>;

fn refused(code: &str, message: impl Into<String>, remedy: &str) -> ExportProblem {
    ExportProblem {
        code: code.to_owned(),
        attribute: None,
        message: message.into(),
        remedy: remedy.to_owned(),
        retry: false,
    }
}

fn attribute_refused(code: &str, attribute: &str, message: &str, remedy: &str) -> ExportProblem {
    ExportProblem {
        attribute: Some(AttributeName::new(attribute)),
        ..refused(code, format!("`{attribute}` {message}"), remedy)
    }
}

impl<'a> Contents<'a> {
    fn apply(&mut self, item: &ExportItem) -> ExportOutcome {
        let done = match &item.operation {
            ExportOperation::Create(create) => {
                let created = self.create(&item.object_type, create);
                created.map(|(anchor, failed)| (Some(anchor), failed))
            }
            ExportOperation::Update(update) => self.update(update).map(|failed| (None, failed)),
            ExportOperation::Delete { anchor } => self.delete(anchor).map(|()| (None, Vec::new())),
            ExportOperation::Restore(_) => {
                let remedy = "create the object again";
                Err(refused("unsupported-operation", "a file has no recycle bin to restore from", remedy))
            }
            ExportOperation::Detach { .. } => {
                let message = "a file keeps no sign of being managed that could be taken off";
                Err(refused("unsupported-operation", message, "choose delete or leave for this connector's objects"))
            }
        };
        match done {
            Ok((anchor, failed_references)) => ExportOutcome::Accepted { anchor, failed_references },
            Err(found) => ExportOutcome::Refused(found),
        }
    }

    fn create(
        &mut self,
        object_type: &ObjectType,
        create: &CreateRequest,
    ) -> Result<(Anchor, FailedReferences), ExportProblem> {
        let settings = &self.vocabulary.settings;
        if !settings.schema.classes.get(object_type.as_str()).is_some_and(|class| class.creatable) {
            let message = format!("this file holds no objects of type `{object_type}`");
            return Err(refused("no-export-to-this-object-type", message, "correct object_types or the rule"));
        }
        let mut record = RawRecord::default();
        match &create.dn {
            Some(dn) if self.by_dn.contains_key(&dn.normalised()) => {
                let message = format!("the file has an object with the DN {dn}");
                return Err(refused("cd-existing-object", message, "import, so that it can be joined"));
            }
            Some(dn) => self.set_dn(&mut record, dn),
            None if settings.format == Format::Ldif => {
                return Err(refused("invalid-dn", "an LDIF object needs a DN", "let the rule give one"));
            }
            None => {}
        }
        for (name, values) in create.attributes.iter() {
            let definition = self.definition(name)?;
            let raw = self.raw_values(definition, values)?;
            self.set_values(&mut record, definition, raw);
        }
        self.name_by_rdn(&mut record, create.dn.as_ref(), &AttributesDelta::default());
        if let ObjectTypes::ByAttribute { attribute, .. } = &settings.object_types
            && !record.values.iter().any(|(name, _)| name.eq_ignore_ascii_case(attribute))
        {
            record.values.push((attribute.clone(), object_type.as_str().into()));
        }
        let anchor = self.anchor_of_new(&mut record)?;
        if self.by_anchor.contains_key(&anchor) {
            let message = format!("the file has an object with the anchor {anchor}");
            return Err(refused("cd-existing-object", message, "import, so that it can be joined"));
        }
        let failed = self.change_references(&mut record, &create.references);
        self.insert(record);
        self.changed = true;
        Ok((anchor, failed))
    }

    /// The anchor that came with the object; a GUID is drawn when none came.
    fn anchor_of_new(&self, record: &mut RawRecord) -> Result<Anchor, ExportProblem> {
        let name = &self.vocabulary.settings.anchor;
        let found = match self.vocabulary.anchor(record) {
            Ok(anchor) => return Ok(anchor),
            Err(found) => found,
        };
        if found.code != "missing-anchor-component" || self.vocabulary.anchor_kind() != ValueKind::Binary {
            return Err(attribute_refused(found.code, name, &found.message, "let a rule flow it when it creates"));
        }
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| {
            let message = format!("the system gave no random numbers for a GUID: {error}");
            refused("unexpected-error", message, "run again")
        })?;
        // Version 4, variant 1 (RFC 9562); the version stands in byte 7 of the directory's order.
        bytes[7] = bytes[7] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let definition = self.definition(&AttributeName::new(name))?;
        let raw = self.raw_values(definition, &Values::single(Value::Binary(bytes.to_vec())))?;
        self.set_values(record, definition, raw);
        Ok(Anchor::Guid(Guid::from_directory_bytes(bytes)))
    }

    fn update(&mut self, update: &UpdateRequest) -> Result<FailedReferences, ExportProblem> {
        let found = self.position(&update.anchor)?;
        let Some((position, before)) = found.and_then(|at| Some((at, self.record(at)?.clone()))) else {
            let message = format!("the file has no object with the anchor {}", update.anchor);
            return Err(refused("cd-missing-object", message, "import, so that the engine knows"));
        };
        let mut record = before.clone();
        self.change_attributes(&mut record, &update.changes)?;
        let old_dn = self.vocabulary.dn(&record).ok().flatten();
        let new_dn = update.dn.as_ref().filter(|new| old_dn.as_ref() != Some(*new));
        if let Some(new) = new_dn {
            if self.by_dn.get(&new.normalised()).is_some_and(|other| *other != position) {
                let message = format!("the file has another object with the DN {new}");
                return Err(refused("cd-existing-object", message, "rename or remove that object first"));
            }
            self.set_dn(&mut record, new);
            self.name_by_rdn(&mut record, Some(new), &update.changes);
        }
        let failed = self.change_references(&mut record, &update.references);
        if failed.is_empty() {
            self.change_attributes(&mut record, &update.afterwards)?;
        }
        if record == before {
            return Ok(failed);
        }
        if let Some(slot) = self.records.get_mut(position) {
            *slot = Some(record);
        }
        if let Some(new) = new_dn {
            if let Some(old) = &old_dn {
                self.by_dn.remove(&old.normalised());
                self.follow_rename(old, new);
            }
            self.by_dn.insert(new.normalised(), position);
        }
        self.changed = true;
        Ok(failed)
    }

    /// What is gone already counts as deleted.
    fn delete(&mut self, anchor: &Anchor) -> Result<(), ExportProblem> {
        let Some(record) = self.position(anchor)?.and_then(|at| self.records.get_mut(at)?.take()) else {
            return Ok(());
        };
        self.by_anchor.remove(anchor);
        let dn = self.vocabulary.dn(&record).ok().flatten();
        if let Some(dn) = &dn {
            self.by_dn.remove(&dn.normalised());
        }
        // As a directory does it: nothing refers to what is not there.
        let gone = match self.vocabulary.settings.reference_by {
            ReferenceBy::Dn => dn.map(|dn| dn.normalised()),
            ReferenceBy::Anchor => Some(anchor.to_string()),
        };
        let vocabulary = self.vocabulary;
        let keeps = |value: &[u8]| gone.as_ref() != Some(&reference_key(vocabulary, value));
        for record in self.records.iter_mut().flatten() {
            record.values.retain(|(name, value)| !is_reference(vocabulary, name) || keeps(value));
        }
        self.changed = true;
        Ok(())
    }

    fn position(&self, anchor: &Anchor) -> Result<Option<usize>, ExportProblem> {
        if self.ambiguous.contains(anchor) {
            let message = format!("several records of the file have the anchor {anchor}");
            return Err(refused("ambiguous-update", message, "remove the records that are too many"));
        }
        Ok(self.by_anchor.get(anchor).copied())
    }

    fn definition(&self, name: &AttributeName) -> Result<&'a AttributeDefinition, ExportProblem> {
        self.vocabulary.find(name.as_str()).ok_or_else(|| {
            let message = "is not in this connector's schema, or is a secret, which a file never carries";
            attribute_refused("schema-violation", name.as_str(), message, "add it to `attributes` or end the flow")
        })
    }

    fn raw_values(&self, definition: &AttributeDefinition, values: &Values) -> Result<Vec<Vec<u8>>, ExportProblem> {
        let settings = &self.vocabulary.settings;
        let name = definition.name.as_str();
        if definition.plurality == Plurality::Single && values.len() > 1 {
            let message = "is single-valued and was given several values";
            return Err(attribute_refused("constraint-violation", name, message, "correct the flow"));
        }
        let mut all = Vec::with_capacity(values.len());
        for value in values {
            let raw = match (definition.kind, value) {
                (ValueKind::Reference, Value::Reference(reference)) => {
                    self.reference_text(reference).ok_or_else(|| {
                        let message = format!("refers to {reference}, which is not in the file and has no known DN");
                        let remedy = "it is sent again once the target is there";
                        let found = attribute_refused("dn-attributes-failure", name, &message, remedy);
                        ExportProblem { retry: true, ..found }
                    })?
                }
                _ => self.vocabulary.raw(definition, value).ok_or_else(|| {
                    let message = format!("holds {}, and was given {}", definition.kind, value.kind());
                    attribute_refused("syntax-violation", name, &message, "convert the value in the flow")
                })?,
            };
            let separator = settings.multi_value_separator.as_bytes();
            let split =
                definition.plurality == Plurality::Multi && raw.windows(separator.len()).any(|w| w == separator);
            if settings.format == Format::Csv && (raw.is_empty() || split) {
                let message = "was given an empty value, or one that contains the separator of values";
                let remedy = "choose another multi_value_separator, or LDIF";
                return Err(attribute_refused("invalid-provisioning-attribute-value", name, message, remedy));
            }
            all.push(raw);
        }
        Ok(all)
    }

    /// As a directory does it, the naming attribute (`CN=` and `cn`) follows the RDN, unless the request sets it.
    fn name_by_rdn(&self, record: &mut RawRecord, dn: Option<&Dn>, changes: &AttributesDelta) {
        let pairs = dn.and_then(Dn::rdn).into_iter().flat_map(|rdn| rdn.assertions());
        for pair in pairs {
            let Some(definition) = self.vocabulary.find(&pair.attribute) else {
                continue;
            };
            let raw = pair.value.clone().into_bytes();
            let wanted = definition.kind == ValueKind::Text && definition.plurality == Plurality::Single;
            if wanted && !changes.0.contains_key(definition.name.as_str()) && definition.name != self.anchor_name() {
                self.set_values(record, definition, vec![raw]);
            }
        }
    }

    fn change_attributes(&self, record: &mut RawRecord, changes: &AttributesDelta) -> Result<(), ExportProblem> {
        for (name, change) in &changes.0 {
            let definition = self.definition(name)?;
            let current: Vec<&[u8]> = record
                .values
                .iter()
                .filter(|(name, _)| self.vocabulary.find(name).is_some_and(|found| found.name == definition.name))
                .map(|(_, value)| value.as_slice())
                .collect();
            let raw = match change {
                AttributeChange::Replace(values) => self.raw_values(definition, values)?,
                AttributeChange::Update { add, remove } => {
                    let mut kept: BTreeMap<Vec<u8>, Vec<u8>> =
                        current.iter().map(|raw| (self.key(definition, raw), raw.to_vec())).collect();
                    for raw in self.each_raw(definition, remove)? {
                        kept.remove(&self.key(definition, &raw));
                    }
                    for raw in self.each_raw(definition, add)? {
                        kept.insert(self.key(definition, &raw), raw);
                    }
                    if definition.plurality == Plurality::Single && kept.len() > 1 {
                        let message = "is single-valued and would have several values";
                        let code = "constraint-violation";
                        return Err(attribute_refused(code, name.as_str(), message, "correct the flow"));
                    }
                    kept.into_values().collect()
                }
            };
            let keys = |all: &[&[u8]]| all.iter().map(|raw| self.key(definition, raw)).collect::<BTreeSet<_>>();
            let (before, after) = (keys(&current), keys(&raw.iter().map(Vec::as_slice).collect::<Vec<_>>()));
            // Equal but for the order: "already so", and the file stays as it is.
            if before == after {
                continue;
            }
            if definition.name == self.anchor_name() {
                let message = "is the anchor, which never changes";
                return Err(attribute_refused("constraint-violation", name.as_str(), message, "end the flow"));
            }
            self.set_values(record, definition, raw);
        }
        Ok(())
    }

    /// Each value by itself: an update adds to, or takes from, what may be a single value.
    fn each_raw(&self, definition: &AttributeDefinition, values: &Values) -> Result<Vec<Vec<u8>>, ExportProblem> {
        let each = values.iter().map(|value| self.raw_values(definition, &Values::single(value.clone())));
        each.collect::<Result<Vec<_>, _>>().map(|all| all.concat())
    }

    fn change_references(&self, record: &mut RawRecord, changes: &[ReferenceChange]) -> FailedReferences {
        let mut by_attribute: BTreeMap<&AttributeName, Vec<&ReferenceChange>> = BTreeMap::new();
        for change in changes {
            by_attribute.entry(&change.attribute).or_default().push(change);
        }
        let mut failed = Vec::new();
        for (name, changes) in by_attribute {
            let (mut add, mut remove) = (Values::default(), Values::default());
            let mut named = Vec::new();
            for change in changes {
                let by_anchor = Reference::Anchor(change.target.clone());
                let by_dn = change.target_dn.clone().map(Reference::Dn);
                let candidates = [Some(by_anchor.clone()), by_dn].into_iter().flatten();
                let reference = candidates.clone().find(|reference| self.reference_text(reference).is_some());
                let value = Value::Reference(reference.unwrap_or(by_anchor));
                // Each by itself first: one target that cannot be named does not hold up the others.
                match self.definition(name).and_then(|found| self.raw_values(found, &Values::single(value.clone()))) {
                    Err(found) => failed.push((change.clone(), found)),
                    Ok(_) => {
                        let side = if change.add { &mut add } else { &mut remove };
                        side.insert(value);
                        named.push(change.clone());
                    }
                }
            }
            let mut delta = AttributesDelta::default();
            delta.0.insert(name.clone(), AttributeChange::Update { add, remove });
            if let Err(found) = self.change_attributes(record, &delta) {
                failed.extend(named.into_iter().map(|change| (change, found.clone())));
            }
        }
        failed
    }

    fn find_created(&self, object_type: &ObjectType, create: &CreateRequest) -> Option<Anchor> {
        let mut asked = RawRecord::default();
        if let (Ok(definition), Some(values)) =
            (self.definition(&AttributeName::new(self.anchor_name())), create.attributes.get(self.anchor_name()))
        {
            self.set_values(&mut asked, definition, self.raw_values(definition, values).ok()?);
        }
        let position = match self.vocabulary.anchor(&asked) {
            Ok(anchor) => self.by_anchor.get(&anchor),
            Err(_) => self.by_dn.get(&create.dn.as_ref()?.normalised()),
        };
        let record = self.record(*position?)?;
        let found_type = self.vocabulary.object_type(record).ok().flatten();
        if found_type.as_ref() == Some(object_type) { self.vocabulary.anchor(record).ok() } else { None }
    }
}
