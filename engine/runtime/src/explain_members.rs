//! A group, member by member: how many the source has, how many each target has, and every one that is missing with its
//! reason (SF19). The numbers add up. Reads a page at a time; decides nothing.

use crate::explain::PageOf;
use crate::names::{ObjectName, name_by_id};
use crate::reading::Reading;
use crate::report::Counters;
use crate::step::{count, counter_name};
use serde::Serialize;
use sync_kernel::CsObject;
use sync_store::{FedState, StoreError};

/// Members of one page of the store.
const ROWS: usize = 1_000;

/// One reference attribute of a target, and what feeds it.
#[derive(Debug, Clone, Serialize)]
pub struct Membership {
    /// The group in the target.
    pub group: ObjectName,
    pub attribute: String,
    pub source: ObjectName,
    pub source_attribute: String,
    /// Values of the source: `exported` and the numbers of `missing_by_state`, added up.
    pub total: u64,
    /// Those that the target holds.
    pub exported: u64,
    /// The others by state: `pending`, `after-create`, `unconfirmed`, `refused`, `held`, `not-synchronised`.
    pub missing_by_state: Counters,
    /// The others by the code of the reason.
    pub missing_by_reason: Counters,
    /// One page of the others.
    pub missing: Vec<MissingMember>,
}

#[derive(Debug, Clone, Serialize)]
pub struct MissingMember {
    pub member: ObjectName,
    pub state: FedState,
    pub code: String,
    pub message: String,
}

impl Reading<'_> {
    /// What has become of the values of every reference attribute that feeds these target objects, or of those that are
    /// called or fed by `attribute`.
    pub(crate) fn memberships(
        &self,
        linked: &[CsObject],
        attribute: Option<&str>,
        page: PageOf,
    ) -> Result<Vec<Membership>, StoreError> {
        let mut memberships = Vec::new();
        for target in linked {
            for fed in self.store.fed_attributes(target.id)? {
                let asked = |asked: &str| fed.attribute == *asked || fed.source_attribute == *asked;
                if !attribute.is_none_or(asked) {
                    continue;
                }
                let mut membership = Membership {
                    group: crate::names::connector_object(target),
                    attribute: fed.attribute.to_string(),
                    source: name_by_id(self.store, fed.source)?,
                    source_attribute: fed.source_attribute.to_string(),
                    total: 0,
                    exported: 0,
                    missing_by_state: Counters::new(),
                    missing_by_reason: Counters::new(),
                    missing: Vec::new(),
                };
                let (mut after, mut passed) = (None, 0);
                loop {
                    let rows = self.store.fed_members(target.id, &fed, after, ROWS)?;
                    let Some(last) = rows.last().map(|row| row.member) else { break };
                    after = Some(last);
                    for row in rows {
                        membership.total += 1;
                        if row.state == FedState::Exported {
                            membership.exported += 1;
                            continue;
                        }
                        count(&mut membership.missing_by_state, &counter_name(&row.state), 1);
                        count(&mut membership.missing_by_reason, &row.code, 1);
                        passed += 1;
                        if passed > page.skip && membership.missing.len() < page.limit {
                            membership.missing.push(MissingMember {
                                member: name_by_id(self.store, row.member)?,
                                state: row.state,
                                code: row.code,
                                message: row.message,
                            });
                        }
                    }
                }
                if membership.total > 0 {
                    memberships.push(membership);
                }
            }
        }
        Ok(memberships)
    }
}
