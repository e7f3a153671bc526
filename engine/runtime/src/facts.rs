//! Reads the roles of match candidates before they are decided about (SF6). What a system does not tell counts as
//! privileged; when it cannot be reached nothing is learned, and what was read last stands. Never guesses.

use connector_contract::{Connector, PrivilegeFact};
use metaverse_schema::Anchor;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use sync_kernel::{CsId, Privilege};
use sync_rules::ConnectorName;
use sync_store::{Store, StoreError};

/// Match candidates by connector and anchor.
pub(crate) type Candidates = BTreeMap<ConnectorName, BTreeMap<Anchor, CsId>>;

/// Where the roles of these candidates are read. One without an anchor does not exist yet and has no roles to read.
pub(crate) fn candidates(store: &Store, wanted: impl IntoIterator<Item = CsId>) -> Result<Candidates, StoreError> {
    let mut found = Candidates::new();
    for id in wanted {
        if let Some(object) = store.object(id)?
            && let Some(anchor) = object.anchor
        {
            found.entry(object.connector).or_default().insert(anchor, id);
        }
    }
    Ok(found)
}

/// What one round of questions brought.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    pub(crate) facts: BTreeMap<CsId, Privilege>,
    /// Connectors whose system could not be reached: there is no point in asking them again soon.
    pub(crate) out_of_reach: BTreeMap<ConnectorName, OutOfReach>,
}

/// Why a system told nothing.
#[derive(Debug)]
pub(crate) struct OutOfReach {
    pub(crate) reason: String,
    /// It refused the credential that it was asked with; what an operator can do (SF23).
    pub(crate) refused: Option<String>,
}

/// Asks the candidates' connectors, in requests of at most `limit` anchors. A connector that is not there, cannot tell,
/// or does not answer about a candidate leaves it unreadable; one whose system is out of reach is not asked on.
pub(crate) async fn read_facts(
    connectors: &BTreeMap<ConnectorName, Arc<dyn Connector>>,
    candidates: Candidates,
    limit: usize,
) -> Learned {
    let Learned { mut facts, mut out_of_reach } = Learned::default();
    for (connector, candidates) in candidates {
        let unreadable = |reason: String| {
            let reason = Privilege::Unreadable(reason);
            candidates.values().map(|id| (*id, reason.clone())).collect::<Vec<_>>()
        };
        let Some(found) = connectors.get(&connector) else {
            facts.extend(unreadable(format!("the connector `{connector}` is not configured")));
            continue;
        };
        let Some(reader) = found.match_facts() else {
            facts.extend(unreadable("this connector cannot read roles".into()));
            continue;
        };
        let anchors: Vec<Anchor> = candidates.keys().cloned().collect();
        for asked in anchors.chunks(limit.max(1)) {
            let mut unanswered: BTreeSet<&Anchor> = asked.iter().collect();
            for fact in reader.privileges(asked).await {
                let Some(id) = candidates.get(&fact.anchor) else { continue };
                unanswered.remove(&fact.anchor);
                let privilege = match fact.privilege {
                    PrivilegeFact::None => Privilege::None,
                    PrivilegeFact::Privileged { roles } => Privilege::Roles(roles),
                    PrivilegeFact::Unreadable { reason } => Privilege::Unreadable(reason),
                    PrivilegeFact::OutOfReach { reason } => {
                        out_of_reach.insert(connector.clone(), OutOfReach { reason, refused: None });
                        continue;
                    }
                    PrivilegeFact::Refused { reason, remedy } => {
                        out_of_reach.insert(connector.clone(), OutOfReach { reason, refused: Some(remedy) });
                        continue;
                    }
                };
                facts.insert(*id, privilege);
            }
            let silence = || Privilege::Unreadable("the connected system did not answer about it".into());
            facts.extend(unanswered.iter().filter_map(|anchor| Some((*candidates.get(*anchor)?, silence()))));
            if out_of_reach.contains_key(&connector) {
                break;
            }
        }
    }
    Learned { facts, out_of_reach }
}
