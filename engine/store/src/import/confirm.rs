//! Settles what was exported against what an import returned (O44-O50). Only an entry that spoke about an attribute contradicts
//! it (SF15); a value that is there confirms in any case.

use super::stage::{NamedMembers, Spoken};
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
}
