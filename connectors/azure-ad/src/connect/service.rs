//! What Connect mode needs of the provisioning service. The client speaks it over the wire; tests script it.

use crate::provisioning::{
    CompanyConfiguration, CredentialChange, CredentialOutcome, DirSyncFeatures, ProvisioningClient, ReadBackPage,
    ServiceCapabilities, SyncObject, SyncOutcome,
};
use async_trait::async_trait;
use connector_contract::ConnectorError;
use std::fmt::Debug;

#[async_trait]
pub(crate) trait Service: Debug + Send + Sync {
    /// Sends the objects, in no fixed order; one outcome for each. An error only when nothing of it was sent.
    async fn provision(&self, objects: &[SyncObject]) -> Result<Vec<SyncOutcome>, ConnectorError>;

    /// Sends password hashes; one outcome for each, in order. An error when nothing of it was settled.
    async fn provision_credentials(
        &self,
        changes: &[CredentialChange],
    ) -> Result<Vec<CredentialOutcome>, ConnectorError>;

    /// Sets all of the tenant's switches.
    async fn set_features(&self, features: DirSyncFeatures) -> Result<(), ConnectorError>;

    /// A page of the synchronised objects: from the beginning, or where a cookie says. `full`: all objects, not only
    /// those that changed.
    async fn read_back(&self, cookie: Option<&str>, full: bool) -> Result<ReadBackPage, ConnectorError>;

    /// Tells the service that an export is over.
    async fn finalize(&self, total: u64, successful: u64) -> Result<(), ConnectorError>;

    async fn company(&self) -> Result<CompanyConfiguration, ConnectorError>;

    /// Which client builds it takes.
    async fn capabilities(&self) -> Result<ServiceCapabilities, ConnectorError>;
}

#[async_trait]
impl Service for ProvisioningClient {
    async fn provision(&self, objects: &[SyncObject]) -> Result<Vec<SyncOutcome>, ConnectorError> {
        ProvisioningClient::provision(self, objects).await
    }

    async fn provision_credentials(
        &self,
        changes: &[CredentialChange],
    ) -> Result<Vec<CredentialOutcome>, ConnectorError> {
        ProvisioningClient::provision_credentials(self, changes).await
    }

    async fn set_features(&self, features: DirSyncFeatures) -> Result<(), ConnectorError> {
        ProvisioningClient::set_features(self, features).await
    }

    async fn read_back(&self, cookie: Option<&str>, full: bool) -> Result<ReadBackPage, ConnectorError> {
        ProvisioningClient::read_back(self, cookie, full).await
    }

    async fn finalize(&self, total: u64, successful: u64) -> Result<(), ConnectorError> {
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        self.finalize_export(count(total), count(successful)).await
    }

    async fn company(&self) -> Result<CompanyConfiguration, ConnectorError> {
        self.company_configuration().await
    }

    async fn capabilities(&self) -> Result<ServiceCapabilities, ConnectorError> {
        ProvisioningClient::capabilities(self).await
    }
}
