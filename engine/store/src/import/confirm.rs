//! Settles what was exported against what an import returned (O44-O50). Only an entry that spoke about an attribute contradicts
//! it (SF15); a value that is there confirms in any case.

use super::stage::{NamedMembers, Spoken};
use crate::codes::{REFERENCE_IN_FLIGHT, REFERENCE_UNCONFIRMED};
use crate::db::Db;
use crate::error::Inner;
use crate::errors::{ErrorPhase, ErrorSubject, Problem};
use crate::head::{Head, UNCONFIRMED_REFERENCES};
use crate::history::PageMark;
use metaverse_schema::{AttributeName, Attributes};
use sync_kernel::{CsId, ExportMemory, confirm_import};

#[derive(Default)]
pub(crate) struct Confirmation {
    pub(crate) contradictions: u64,
    /// The memory in the row changed, or a reference change was settled; the caller saves the row.
    pub(crate) memory_changed: bool,
    /// The body of a memory of which nothing is left: the caller gives it another image, or removes it.
    pub(crate) free_body: Option<i64>,
}

impl Db {
    pub(crate) fn confirm_exports(
        &self,
        head: &mut Head,
        image: &Attributes,
        spoken: &Spoken,
        named: &NamedMembers,
        mark: &PageMark,
    ) -> Inner<Confirmation> {
        let mut confirmation = Confirmation::default();
        if !self.has_unconfirmed(head) {
            return Ok(confirmation);
        }
        let memory = self.memory(head)?;
        let (mut judged, mut untouched) = (ExportMemory::default(), ExportMemory::default());
        for (name, remembered) in &memory.attributes {
            let returned = image.get(name.as_str()).cloned().unwrap_or_default();
            let side =
                if spoken.of_value(name) || returned == remembered.wanted { &mut judged } else { &mut untouched };
            side.attributes.insert(name.clone(), remembered.clone());
        }
        let (mut after, news) = confirm_import(&judged, &self.load_owned(head.id, head.connector)?.contributed, image);
        after.attributes.extend(untouched.attributes);
        let mut told: Vec<String> = news
            .iter()
            .map(|news| format!("{}: exported {:?}, imported {:?}", news.attribute, news.wanted, news.returned))
            .collect();
        confirmation.memory_changed = after != memory;
        if head.has(UNCONFIRMED_REFERENCES) {
            let is_told = |name: &AttributeName, attribute: i64, member: i64| {
                spoken.of_reference(name) || named.contains(&(attribute, member))
            };
            for (name, member, adds) in self.confirm_references(head.id, is_told)? {
                let member = self.label(member)?;
                told.push(format!(
                    "{name}: the {} of {member} did not come back",
                    if adds { "addition" } else { "removal" }
                ));
            }
            confirmation.memory_changed = true;
            if !self.exists("SELECT 1 FROM pending_reference WHERE object = ?1 AND state IN (1, 2)", [head.id])? {
                head.flags &= !UNCONFIRMED_REFERENCES;
            }
        }
        confirmation.contradictions = told.len() as u64;
        let subject = ErrorSubject::Object(CsId(head.id));
        if !told.is_empty() {
            let problem = Problem::new("exported-change-not-reimported", told.join("; "));
            self.raise(subject, head.connector, ErrorPhase::Import, &problem, mark)?;
        } else if after.attributes.is_empty() {
            self.clear_errors(subject, ErrorPhase::Import)?;
        }
        // Last: until it was imported, an object is known by what was sent for it, and its errors are told by that name.
        if after.attributes.is_empty() {
            confirmation.free_body = head.memory_body.take();
        } else if after != memory {
            self.put_memory(head, &after)?;
        }
        Ok(confirmation)
    }

    /// Settles reference changes that were sent against what an import returned (O46, O47). `evidence`: whether the import
    /// spoke about an attribute (its name and number) and a member of it; a value that is there confirms its addition in any case. Returns what was contradicted.
    fn confirm_references(
        &self,
        object: i64,
        evidence: impl Fn(&AttributeName, i64, i64) -> bool,
    ) -> Inner<Vec<(AttributeName, i64, bool)>> {
        let sent: Vec<(i64, i64, bool, i64, bool)> = self.all(
            "SELECT attribute, member, adds, state, EXISTS (SELECT 1 FROM reference r WHERE r.source = p.object \
             AND r.attribute = p.attribute AND r.target = p.member AND r.state <> 2) \
             FROM pending_reference p WHERE object = ?1 AND state IN (?2, ?3)",
            (object, REFERENCE_UNCONFIRMED, REFERENCE_IN_FLIGHT),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
        )?;
        let mut contradicted = Vec::new();
        for (attribute, member, adds, state, present) in sent {
            if present == adds {
                self.run(
                    "DELETE FROM pending_reference WHERE object = ?1 AND attribute = ?2 AND member = ?3",
                    (object, attribute, member),
                )?;
                let owned = match adds {
                    true => "INSERT OR IGNORE INTO owned_reference (object, attribute, member) VALUES (?1, ?2, ?3)",
                    false => "DELETE FROM owned_reference WHERE object = ?1 AND attribute = ?2 AND member = ?3",
                };
                self.run(owned, (object, attribute, member))?;
                continue;
            }
            let name = self.attribute_name(attribute)?;
            // What was in flight when a run ended may not have arrived: it is sent again, and is no contradiction.
            if state == REFERENCE_IN_FLIGHT || !evidence(&name, attribute, member) {
                continue;
            }
            self.run(
                "UPDATE pending_reference SET state = 3, retry = 0, code = 'exported-change-not-reimported', \
                 message = 'the connected system accepted the change and did not return it', \
                 remedy = 'look for another writer in the connected system; it is sent again when either side changes or on request' \
                 WHERE object = ?1 AND attribute = ?2 AND member = ?3 AND state = 2",
                (object, attribute, member),
            )?;
            contradicted.push((name, member, adds));
        }
        Ok(contradicted)
    }
}
