//! Password hashes on their way to the tenant (7, B.6): reads first whether it wants them, turns each into what it keeps, sends
//! them, and tells what came of each. Whose password goes is decided by the engine; nothing of a hash is kept, logged or told.
//!
//! Everything may be sent a second time: the tenant then holds the same password with another salt. So a request whose reply
//! was lost is repeated, and a batch without an answer counts as not sent.

use super::guard;
use super::service::Service;
use crate::client::GraphClient;
use crate::password_hash::Hasher;
use crate::provisioning::{
    CloudAnchor, CompanyConfiguration, CredentialChange, CredentialOutcome, DirSyncFeatures, SyncKind,
};
use crate::tenant;
use connector_contract::{ConnectorError, ErrorKind, PasswordOutcome, PasswordPush};
use jiff::Timestamp;
use metaverse_schema::Guid;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The tenant's switches are read again after this long.
const STANDS_FOR: Duration = Duration::from_secs(300);
const ATTEMPTED: &str = "sending password hashes";
/// The step status while the tenant does not take hashes.
const SWITCHED_OFF: &str = "no-start-password-sync-off";

#[derive(Debug)]
pub(super) struct PasswordDesk {
    graph: GraphClient,
    service: Arc<dyn Service>,
    hasher: Hasher,
    /// The switches as they were read, and until when that stands.
    features: Mutex<Option<(DirSyncFeatures, Instant)>>,
}

/// What is to be sent for one password.
struct Ready {
    id: i64,
    anchor: CloudAnchor,
    changed: Timestamp,
    must_change: bool,
}

impl PasswordDesk {
    pub(super) fn new(graph: GraphClient, service: Arc<dyn Service>) -> PasswordDesk {
        PasswordDesk { graph, service, hasher: Hasher::default(), features: Mutex::default() }
    }

    /// So many as one request of the service carries.
    pub(super) fn batch_size(&self) -> usize {
        self.graph.settings().provisioning.batch_objects
    }

    pub(super) async fn set_passwords(
        &self,
        batch: Vec<PasswordPush>,
    ) -> Result<Vec<(i64, PasswordOutcome)>, ConnectorError> {
        let features = self.switches().await?;
        let mut outcomes = Vec::with_capacity(batch.len());
        let (mut ready, mut hashes) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        for push in batch {
            match prepared(&push, features) {
                Ok(one) => {
                    ready.push(one);
                    hashes.push(push.hash);
                }
                Err(outcome) => outcomes.push((push.id, outcome)),
            }
        }
        if ready.is_empty() {
            return Ok(outcomes);
        }
        let credentials = self.hasher.credentials(hashes).await?;
        let change = |(one, credential_data): (&Ready, _)| CredentialChange {
            source_anchor: None,
            cloud_anchor: Some(one.anchor.clone()),
            changed_at: one.changed,
            credential_data,
            force_change_on_logon: one.must_change,
        };
        let changes: Vec<CredentialChange> = ready.iter().zip(credentials).map(change).collect();
        let told = self.service.provision_credentials(&changes).await?;
        if told.iter().any(says_switched_off) {
            *self.locked() = None;
        }
        let settled = ready.iter().zip(told).filter_map(|(one, told)| Some((one.id, outcome(told)?)));
        outcomes.extend(settled);
        Ok(outcomes)
    }

    /// Asks the tenant anew whether it takes password hashes.
    pub(super) async fn ping(&self) -> Result<(), ConnectorError> {
        *self.locked() = None;
        self.switches().await.map(|_| ())
    }

    /// Switches password hash synchronisation on and leaves the other switches as they are; whether it was off.
    pub(super) async fn switch_on(&self) -> Result<bool, ConnectorError> {
        let company = self.service.company().await?;
        if company.features.contains(DirSyncFeatures::PASSWORD_HASH_SYNC) {
            return Ok(false);
        }
        let wanted = DirSyncFeatures(company.features.0 | DirSyncFeatures::PASSWORD_HASH_SYNC.0);
        self.service.set_features(wanted).await?;
        *self.locked() = None;
        Ok(true)
    }

    /// The tenant's switches. An error when it takes nothing from this deployment at present (SF24, SF25).
    async fn switches(&self) -> Result<DirSyncFeatures, ConnectorError> {
        if let Some((features, until)) = *self.locked()
            && until > Instant::now()
        {
            return Ok(features);
        }
        let company = self.service.company().await?;
        let tenant = tenant::read(&self.graph).await?;
        tenant::clock(&self.graph)?;
        let settings = self.graph.settings();
        guard::judge(&company, &tenant, settings.provisioning.machine_id.as_deref(), settings.allow_other_writer)
            .map_err(|error| ConnectorError { attempted: ATTEMPTED.to_owned(), ..error })?;
        takes_hashes(&company)?;
        *self.locked() = Instant::now().checked_add(STANDS_FOR).map(|until| (company.features, until));
        Ok(company.features)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Option<(DirSyncFeatures, Instant)>> {
        self.features.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn takes_hashes(company: &CompanyConfiguration) -> Result<(), ConnectorError> {
    if company.features.contains(DirSyncFeatures::PASSWORD_HASH_SYNC) {
        return Ok(());
    }
    let kind = ErrorKind::CannotStart { status: SWITCHED_OFF };
    let message = "password hash synchronisation is switched off in this tenant";
    Err(ConnectorError::new(kind, ATTEMPTED, message, super::check::SWITCH_PASSWORDS_ON))
}

/// What can be said without asking the service.
fn prepared(push: &PasswordPush, features: DirSyncFeatures) -> Result<Ready, PasswordOutcome> {
    let object_id = push.anchor.to_string();
    if object_id.parse::<Guid>().is_err() {
        return Err(PasswordOutcome::Refused {
            code: "invalid-anchor".to_owned(),
            message: format!("`{object_id}` is not the object id of a user"),
            remedy: "run a full import of this connector".to_owned(),
            retry: false,
        });
    }
    if push.must_change && !features.contains(DirSyncFeatures::FORCE_PASSWORD_CHANGE_ON_LOGON) {
        let message = "the user must choose another password at the next sign-in, and the tenant does not take temporary \
                       passwords (EnableUserForcePasswordChangeOnLogon is off)";
        return Err(PasswordOutcome::Filtered { message: message.to_owned() });
    }
    let changed = push.changed.and_then(|seconds| Timestamp::from_second(seconds).ok());
    Ok(Ready {
        id: push.id,
        anchor: CloudAnchor::new(SyncKind::User, &object_id),
        changed: changed.unwrap_or_else(Timestamp::now),
        must_change: push.must_change,
    })
}

fn says(message: &str, signs: &[&str]) -> bool {
    let message = message.to_ascii_lowercase();
    signs.iter().any(|sign| message.contains(sign))
}

const OFF: &[&str] = &["is not enabled for"];
const CLOUD_ONLY: &[&str] = &["cloud only", "cloud-only"];
const UNKNOWN: &[&str] = &["not found", "does not exist", "not be replicated", "not exist"];

fn says_switched_off(outcome: &CredentialOutcome) -> bool {
    matches!(outcome, CredentialOutcome::Refused { message, .. } if says(message, OFF))
}

/// What the service's answer means (P43). Its numbers are not published, so its words decide, and what has no known words is
/// tried again: an error is common shortly after a user was made (B.6). None: not settled, and to be sent again.
fn outcome(told: CredentialOutcome) -> Option<PasswordOutcome> {
    let (result, message) = match told {
        CredentialOutcome::Accepted => return Some(PasswordOutcome::Accepted),
        CredentialOutcome::NotSettled { .. } => return None,
        CredentialOutcome::Refused { result, message } => (result, message),
    };
    if says(&message, CLOUD_ONLY) || says(&message, UNKNOWN) {
        return Some(PasswordOutcome::NotThere { message });
    }
    let (code, remedy) = match says(&message, OFF) {
        true => ("password-sync-off".to_owned(), super::check::SWITCH_PASSWORDS_ON),
        false => {
            (format!("result-{result}"), "it is sent again; the service's own words say what is wrong if it stays so")
        }
    };
    Some(PasswordOutcome::Refused { code, message, remedy: remedy.to_owned(), retry: true })
}
