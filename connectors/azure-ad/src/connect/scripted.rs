//! A provisioning service for tests: answers as it was told to, and remembers what it was asked.

use super::service::Service;
use crate::provisioning::{
    CloudAnchor, CompanyConfiguration, CredentialChange, CredentialOutcome, DirSyncFeatures, ReadBackPage,
    ServiceCapabilities, SyncKind, SyncObject, SyncOutcome, SyncValue,
};
use async_trait::async_trait;
use connector_contract::ConnectorError;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(crate) struct Scripted(Mutex<Script>);

#[derive(Debug, Default)]
struct Script {
    pages: VecDeque<ReadBackPage>,
    outcomes: VecDeque<SyncOutcome>,
    asked: Vec<String>,
    features: DirSyncFeatures,
    capabilities: ServiceCapabilities,
}

impl Scripted {
    pub(crate) fn reading(pages: Vec<ReadBackPage>) -> Scripted {
        Scripted(Mutex::new(Script { pages: pages.into(), ..Script::default() }))
    }

    pub(crate) fn answering(outcomes: Vec<SyncOutcome>) -> Scripted {
        Scripted(Mutex::new(Script { outcomes: outcomes.into(), ..Script::default() }))
    }

    pub(crate) fn with_features(self, features: DirSyncFeatures) -> Scripted {
        self.locked().features = features;
        self
    }

    pub(crate) fn with_capabilities(self, capabilities: ServiceCapabilities) -> Scripted {
        self.locked().capabilities = capabilities;
        self
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.locked().asked.clone()
    }

    fn locked(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Service for Scripted {
    async fn provision(&self, objects: &[SyncObject]) -> Result<Vec<SyncOutcome>, ConnectorError> {
        let mut script = self.locked();
        let line = |object: &SyncObject| {
            let properties: Vec<String> =
                object.properties.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
            format!("{} {} {}", object.operation.name(), object.kind.name(), properties.join(" "))
        };
        script.asked.extend(objects.iter().map(line));
        let lost = SyncOutcome::NotSettled { may_have_arrived: true, message: "no answer".to_owned() };
        Ok(objects.iter().map(|_| script.outcomes.pop_front().unwrap_or_else(|| lost.clone())).collect())
    }

    async fn provision_credentials(
        &self,
        changes: &[CredentialChange],
    ) -> Result<Vec<CredentialOutcome>, ConnectorError> {
        Ok(changes.iter().map(|_| CredentialOutcome::Accepted).collect())
    }

    async fn set_features(&self, features: DirSyncFeatures) -> Result<(), ConnectorError> {
        self.locked().features = features;
        Ok(())
    }

    async fn read_back(&self, cookie: Option<&str>, full: bool) -> Result<ReadBackPage, ConnectorError> {
        let mut script = self.locked();
        let what = if full { "full" } else { "changes" };
        script.asked.push(match cookie {
            Some(cookie) => format!("{what} from {cookie}"),
            None => format!("{what} from the beginning"),
        });
        Ok(script.pages.pop_front().unwrap_or_default())
    }

    async fn finalize(&self, total: u64, successful: u64) -> Result<(), ConnectorError> {
        self.locked().asked.push(format!("finalize {successful} of {total}"));
        Ok(())
    }

    async fn capabilities(&self) -> Result<ServiceCapabilities, ConnectorError> {
        Ok(self.locked().capabilities.clone())
    }

    async fn company(&self) -> Result<CompanyConfiguration, ConnectorError> {
        let features = self.locked().features;
        Ok(CompanyConfiguration { features, is_dir_syncing: Some(true), ..CompanyConfiguration::default() })
    }
}

pub(crate) fn page(objects: Vec<SyncObject>, cookie: Option<&str>, more: bool) -> ReadBackPage {
    ReadBackPage { objects, cookie: cookie.map(str::to_owned), more }
}

fn object(kind: SyncKind, id: &str, anchor: &str) -> SyncObject {
    SyncObject::set(kind, anchor).with("CloudAnchor", SyncValue::Text(CloudAnchor::new(kind, id).to_string()))
}

pub(crate) fn user(id: &str, anchor: &str) -> SyncObject {
    object(SyncKind::User, id, anchor)
}

pub(crate) fn group(id: &str, anchor: &str) -> SyncObject {
    object(SyncKind::Group, id, anchor)
}

pub(crate) fn contact(id: &str, anchor: &str) -> SyncObject {
    object(SyncKind::Contact, id, anchor)
}
