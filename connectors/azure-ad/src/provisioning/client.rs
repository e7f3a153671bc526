//! The operations of the provisioning web service as Connect mode uses them. Packs, paces, sends and settles; what to send
//! and what an outcome means for the engine is decided above.

use super::batches::{self, Limits, Piece, Round};
use super::binary::Element;
use super::capabilities::ServiceCapabilities;
use super::channel::{Answered, Channel, FAULT};
use super::company::{CompanyConfiguration, DirSyncFeatures};
use super::credentials::{CredentialChange, CredentialOutcome};
use super::object::{SyncObject, SyncValue};
use super::outcome::{ReadBackPage, SyncOutcome};
use super::settings::{ApiVersion, ProvisioningSettings};
use super::{replies, requests, settle};
use crate::client::{Broken, GraphClient};
use crate::errors::problem;
use crate::pace::{Pace, Told};
use crate::settings::Settings;
use connector_contract::{ConnectorError, ErrorKind, ExportProblem};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The provisioning web service of one tenant. Cheap to clone; all clones share token, pace and connections.
#[derive(Debug, Clone)]
pub struct ProvisioningClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    channel: Channel,
    pace: Pace,
    /// Password hashes have a bucket and turns of their own: they do not wait for an export's objects.
    password_pace: Pace,
    password_turns: Semaphore,
    /// One that only waits for a connection has not been taken out of the bucket of writes.
    turns: Semaphore,
    /// Most links in one request: the settings' until the tenant says its own.
    links: AtomicUsize,
}

impl ProvisioningClient {
    /// Prepares the connection; connects to nothing. `settings` are the connector's own: tenant, application, timeouts.
    pub fn new(settings: Settings) -> Result<ProvisioningClient, ConnectorError> {
        Ok(ProvisioningClient::beside(&GraphClient::new(settings)?))
    }

    /// Over the connections and tokens of a Graph client: a rejected credential is rejected for both (SF23).
    pub(crate) fn beside(graph: &GraphClient) -> ProvisioningClient {
        let service = &graph.settings().provisioning;
        let longest = graph.settings().max_wait;
        ProvisioningClient(Arc::new(Inner {
            pace: Pace::from_the_start(service.write_limit, service.write_window, longest),
            turns: Semaphore::new(service.concurrency.max(1)),
            password_pace: Pace::from_the_start(service.hash_limit, service.write_window, longest),
            password_turns: Semaphore::new(service.concurrency.max(1)),
            links: AtomicUsize::new(service.batch_links),
            channel: Channel::new(graph.clone()),
        }))
    }

    pub fn settings(&self) -> &ProvisioningSettings {
        self.0.channel.settings()
    }

    /// What the tenant says of directory synchronisation.
    pub async fn company_configuration(&self) -> Result<CompanyConfiguration, ConnectorError> {
        let result = self.call("GetCompanyConfiguration", &requests::company_configuration()).await?;
        let configuration = replies::company_configuration(&result);
        if let Some(id) = &configuration.tenant_id {
            self.0.channel.learn_tenant(id);
        }
        if let Some(links) = configuration.max_links_per_batch.filter(|links| *links > 0) {
            // The operator's bound holds where it is the lower one.
            let links = self.settings().batch_links.min(links as usize);
            self.0.links.store(links, Ordering::Relaxed);
        }
        Ok(configuration)
    }

    /// Which client builds the service takes.
    pub async fn capabilities(&self) -> Result<ServiceCapabilities, ConnectorError> {
        let result = self.call("Capabilities", &requests::capabilities()).await?;
        replies::capabilities(&result).map_err(|problem| {
            ConnectorError::new(ErrorKind::Protocol, "reading the capabilities of the service", problem, "")
        })
    }

    /// Sets all of the tenant's switches: those not in `features` are switched off.
    pub async fn set_features(&self, features: DirSyncFeatures) -> Result<(), ConnectorError> {
        self.call("SetCompanyDirsyncFeatures", &requests::set_features(features)).await.map(|_| ())
    }

    /// One page of what the tenant holds of synchronised objects. Without a cookie from the beginning; with the cookie of
    /// an earlier page the one after it, or, after the last page, what changed since. A cookie that the service does not take
    /// any longer asks for a full import.
    pub async fn read_back(&self, cookie: Option<&str>, full: bool) -> Result<ReadBackPage, ConnectorError> {
        let name = match self.settings().api_version {
            ApiVersion::One => "ReadBackAzureADSyncObjects",
            ApiVersion::Two => "ReadBackAzureADSyncObjects2",
        };
        let answered = self.0.channel.call(name, &requests::read_back(name, cookie, full)).await;
        let result = answered.map_err(|broken| cookie_refused(broken, cookie, full))?.result;
        let (page, unknown) = replies::read_back(&result);
        if unknown > 0 {
            tracing::warn!(unknown, "objects of unknown kinds were read back and passed over");
        }
        if page.more && (page.cookie.is_none() || page.cookie.as_deref() == cookie) {
            // Asking again would give the same page for ever, and what was read so far is not all (SF15).
            let message = "the service announces more objects and no place to go on from";
            let attempted = "reading synchronised objects back";
            return Err(ConnectorError::new(ErrorKind::Protocol, attempted, message, "try again later"));
        }
        Ok(page)
    }

    /// Sends objects, as many requests at a time as the settings allow: what must come before something else belongs into
    /// an earlier call. One outcome for each object, in order. An error only when nothing of this call was settled or may
    /// have arrived.
    pub async fn provision(&self, objects: &[SyncObject]) -> Result<Vec<SyncOutcome>, ConnectorError> {
        if !self.0.channel.knows_tenant() {
            self.company_configuration().await?;
        }
        let mut outcomes: Vec<Option<SyncOutcome>> =
            objects.iter().map(|object| self.unsendable(object).map(SyncOutcome::Refused)).collect();
        let limits = Limits {
            objects: self.settings().batch_objects,
            bytes: self.settings().batch_bytes,
            links: self.0.links.load(Ordering::Relaxed),
        };
        let mut first_error = None;
        for (number, round) in batches::rounds(objects, limits).into_iter().enumerate() {
            let goes_on = |piece: &Piece<'_>| match &outcomes[piece.index] {
                None => number == 0,
                Some(SyncOutcome::Accepted { .. }) => number > 0,
                Some(_) => false,
            };
            let round: Round<'_> = round.into_iter().map(|batch| batch.into_iter().filter(goes_on).collect()).collect();
            for (index, outcome) in self.send_round(&round, &mut first_error).await {
                // A later piece has no anchor to add; what the first one was told stays.
                match (&outcomes[index], &outcome) {
                    (Some(SyncOutcome::Accepted { .. }), SyncOutcome::Accepted { .. }) => {}
                    _ => outcomes[index] = Some(in_pieces(number, outcome)),
                }
            }
        }
        let lost =
            || SyncOutcome::NotSettled { may_have_arrived: true, message: "the request was not settled".to_owned() };
        let outcomes: Vec<SyncOutcome> = outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(lost)).collect();
        let nothing =
            |outcome: &SyncOutcome| matches!(outcome, SyncOutcome::NotSettled { may_have_arrived: false, .. });
        match first_error {
            Some(error) if outcomes.iter().all(nothing) => Err(error),
            _ => Ok(outcomes),
        }
    }

    /// Sends each request of a round once; outcomes by the numbers of their objects.
    async fn send_round(
        &self,
        round: &Round<'_>,
        first_error: &mut Option<ConnectorError>,
    ) -> Vec<(usize, SyncOutcome)> {
        let name = match self.settings().api_version {
            ApiVersion::One => "ProvisionAzureADSyncObjects",
            ApiVersion::Two => "ProvisionAzureADSyncObjects2",
        };
        let mut requests = JoinSet::new();
        for (number, batch) in round.iter().enumerate().filter(|(_, batch)| !batch.is_empty()) {
            let body = requests::provision(name, batch.iter().map(|piece| &*piece.object));
            let (client, writes) = (self.clone(), batch.len());
            requests.spawn(async move {
                let Inner { turns, pace, .. } = &*client.0;
                (number, client.write(name, &body, writes, turns, pace).await)
            });
        }
        let mut settled = Vec::new();
        while let Some(joined) = requests.join_next().await {
            // A request whose task died leaves its objects without an outcome: they count as lost.
            let Ok((number, answered)) = joined else { continue };
            let batch = &round[number];
            match answered {
                Ok(answered) => {
                    let results = replies::object_results(&answered.result);
                    let outcomes = settle::settle_objects(batch, results, answered.doubtful);
                    settled.extend(batch.iter().map(|piece| piece.index).zip(outcomes));
                }
                Err(broken) => {
                    let outcome = SyncOutcome::NotSettled {
                        may_have_arrived: broken.may_have_arrived,
                        message: broken.error.to_string(),
                    };
                    first_error.get_or_insert(broken.error);
                    settled.extend(batch.iter().map(|piece| (piece.index, outcome.clone())));
                }
            }
        }
        settled
    }

    /// Tells the tenant that an export is over: how many objects were sent, and how many of them went through.
    pub async fn finalize_export(&self, total: u32, successful: u32) -> Result<(), ConnectorError> {
        self.call("FinalizeExport", &requests::finalize_export(total, successful)).await.map(|_| ())
    }

    /// Sends password hashes, one outcome for each, in order. An error only when nothing of this call was settled; what of it
    /// may have arrived makes no difference, as sending a hash again sets the same password.
    pub async fn provision_credentials(
        &self,
        changes: &[CredentialChange],
    ) -> Result<Vec<CredentialOutcome>, ConnectorError> {
        let mut outcomes = Vec::with_capacity(changes.len());
        for batch in changes.chunks(self.settings().batch_objects) {
            let body = requests::provision_credentials(batch);
            let Inner { password_turns, password_pace, .. } = &*self.0;
            match self.write("ProvisionCredentials", &body, batch.len(), password_turns, password_pace).await {
                Ok(answered) => {
                    outcomes.extend(settle::settle_credentials(batch, replies::credential_results(&answered.result)));
                }
                Err(broken) if outcomes.is_empty() => return Err(broken.error),
                Err(broken) => {
                    let message = broken.error.to_string();
                    let may_have_arrived = broken.may_have_arrived;
                    let not_settled =
                        |may_have_arrived| CredentialOutcome::NotSettled { may_have_arrived, message: message.clone() };
                    outcomes.extend(batch.iter().map(|_| not_settled(may_have_arrived)));
                    outcomes.extend(changes.iter().skip(outcomes.len()).map(|_| not_settled(false)));
                    break;
                }
            }
        }
        Ok(outcomes)
    }

    /// One request with so many writes, at the pace at which the service takes them.
    async fn write(
        &self,
        operation: &str,
        body: &Element,
        writes: usize,
        turns: &Semaphore,
        pace: &Pace,
    ) -> Result<Answered, Broken> {
        // Nobody closes it; should that change, requests would only be paced less well.
        let _turn = turns.acquire().await;
        tokio::time::sleep(pace.take(writes, Instant::now())).await;
        let sent = pace.sent(Instant::now());
        let answered = self.0.channel.call(operation, body).await;
        let refused_for = match &answered {
            Err(Broken { error: ConnectorError { kind: ErrorKind::BackOff { wait }, .. }, .. }) => Some(*wait),
            _ => None,
        };
        pace.answered(writes, sent, Told { refused_for, ..Told::default() }, Instant::now());
        answered
    }

    async fn call(&self, operation: &str, body: &Element) -> Result<Element, ConnectorError> {
        let answered = self.0.channel.call(operation, body).await;
        answered.map(|answered| answered.result).map_err(|broken| broken.error)
    }

    /// What cannot be sent at all, and would make the service refuse the other objects of its request.
    fn unsendable(&self, object: &SyncObject) -> Option<ExportProblem> {
        let by_difference = |value: &SyncValue| matches!(value, SyncValue::References(_));
        object.properties.iter().find_map(|(key, value)| {
            if let Some(character) = texts(value).chain([key.as_str()]).find_map(not_in_xml) {
                let code = u32::from(character);
                let message = format!("the value has the character U+{code:04X}, which the service's XML cannot carry");
                let remedy = "remove the character from the value in the directory";
                return Some(problem("IdentityDataValidationFailed", Some(key), message, remedy, false));
            }
            if by_difference(value) && self.settings().api_version == ApiVersion::One {
                let message = "version 1 of the service takes a group's members only as a whole list";
                let remedy = "set api_version = 2 for the provisioning service";
                return Some(problem("dn-attributes-failure", Some(key), message, remedy, false));
            }
            None
        })
    }
}

/// What a refused reading means: how long a cookie lives, and how the service says that it is over, is not published.
fn cookie_refused(broken: Broken, cookie: Option<&str>, full: bool) -> ConnectorError {
    let error = broken.error;
    match (cookie, &error.kind) {
        (Some(_), ErrorKind::Protocol) if broken.cause == FAULT && full => {
            let remedy = "run the import again: the place in the pages grew too old";
            ConnectorError { kind: ErrorKind::Connection, remedy: remedy.to_owned(), ..error }
        }
        (Some(_), ErrorKind::Protocol) if broken.cause == FAULT => {
            ConnectorError { kind: ErrorKind::FullImportRequired, remedy: "run a full import".to_owned(), ..error }
        }
        _ => error,
    }
}

/// A later piece of an object was not taken: what went before it is written.
fn in_pieces(number: usize, outcome: SyncOutcome) -> SyncOutcome {
    match outcome {
        SyncOutcome::Refused(mut problem) if number > 0 => {
            problem.message +=
                &format!(" (its properties and the first {number} parts of its changed members are written)");
            SyncOutcome::Refused(problem)
        }
        // What went before it has arrived in any case.
        SyncOutcome::NotSettled { message, .. } if number > 0 => {
            SyncOutcome::NotSettled { may_have_arrived: true, message }
        }
        other => other,
    }
}

/// All texts of a value.
fn texts(value: &SyncValue) -> Box<dyn Iterator<Item = &str> + '_> {
    match value {
        SyncValue::Text(text) => Box::new(std::iter::once(text.as_str())),
        SyncValue::Texts(texts) => Box::new(texts.iter().map(String::as_str)),
        _ => Box::new(std::iter::empty()),
    }
}

/// The first character that XML 1.0 (2.2) does not allow.
fn not_in_xml(text: &str) -> Option<char> {
    text.chars().find(|character| {
        matches!(character, '\u{0}'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_xml_cannot_carry() {
        assert_eq!(not_in_xml("a\tb\r\nc é 🔑 \u{7f}\u{fffd}"), None);
        assert_eq!(["\u{0}", "x\u{b}", "\u{1f}", "\u{ffff}"].map(|text| not_in_xml(text).is_some()), [true; 4]);
    }
}
