//! Reads the roles of match candidates before they are decided about (SF6). What cannot be read counts as privileged;
//! never guesses, never caches beyond one step.

use connector_contract::{Connector, PrivilegeFact};
use metaverse_schema::Anchor;
use std::collections::BTreeMap;
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

/// Asks the candidates' connectors, in requests of at most `limit` anchors. A connector that is not there, cannot tell,
/// or does not answer about a candidate leaves it unreadable.
pub(crate) async fn read_facts(
    connectors: &BTreeMap<ConnectorName, Arc<dyn Connector>>,
    candidates: Candidates,
    limit: usize,
) -> BTreeMap<CsId, Privilege> {
    let mut facts = BTreeMap::new();
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
        facts.extend(unreadable("the connected system did not answer about it".into()));
        let anchors: Vec<Anchor> = candidates.keys().cloned().collect();
        for asked in anchors.chunks(limit.max(1)) {
            for fact in reader.privileges(asked).await {
                if let Some(id) = candidates.get(&fact.anchor) {
                    facts.insert(*id, privilege(fact.privilege));
                }
            }
        }
    }
    facts
}

fn privilege(fact: PrivilegeFact) -> Privilege {
    match fact {
        PrivilegeFact::None => Privilege::None,
        PrivilegeFact::Privileged { roles } => Privilege::Roles(roles),
        PrivilegeFact::Unreadable { reason } => Privilege::Unreadable(reason),
    }
}
