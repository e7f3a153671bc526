//! Azure AD (Microsoft Entra ID) as a connected system, in Graph mode: objects stay cloud-managed, the engine matches
//! them and stamps the immutable id. Speaks the public Microsoft Graph v1.0 API and nothing else; holds no engine
//! decision. What Graph mode cannot write is refused by name, never dropped and never turned into another kind.

mod credential;
mod settings;
// The wire: one exchange, its retries, batches of them.
mod batch;
mod certificate;
mod client;
mod errors;
mod managed_identity;
mod throttle;
mod token;
mod urls;
// What is read.
mod deleted_items;
mod delta;
mod import;
mod model;
mod objects;
mod pace;
mod pages;
mod roles;
mod schema;
mod tenant;
mod watermark;
// What is written.
mod body;
mod check;
mod create;
mod export;
mod members;
mod password;
mod remove;
mod update;
// The provisioning web service, for Connect mode.
pub mod provisioning;

pub use check::LIMITATIONS;
pub use credential::{Credential, ManagedIdentity};
pub use settings::Settings;

use async_trait::async_trait;
use client::GraphClient;
use connector_contract::{
    Check, Connector, ConnectorError, CreateRequest, DeltaImport, ExportItem, ExportOutcome, Exporter, Fact,
    FullImport, ImportEnd, ImportItem, ImportSink, MatchFacts, ObjectReader, Watermark,
};
use export::ExportDesk;
use metaverse_schema::{Anchor, ConnectorSchema, ObjectType};

/// One tenant in Graph mode.
#[derive(Debug)]
pub struct AzureAd {
    graph: GraphClient,
    desk: ExportDesk,
}

impl AzureAd {
    /// Prepares the connection: reads the certificate authorities and connects to nothing. The secret is resolved when
    /// the first token is needed.
    pub fn new(settings: Settings) -> Result<AzureAd, ConnectorError> {
        let graph = GraphClient::new(settings)?;
        Ok(AzureAd { desk: ExportDesk::new(graph.clone()), graph })
    }
}

#[async_trait]
impl Connector for AzureAd {
    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        Ok(schema::connector_schema())
    }

    async fn check(&self) -> Check {
        check::check(&self.graph).await
    }

    async fn import_full(&self, request: FullImport, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        import::import_full(&self.graph, request, sink).await
    }

    fn delta_import(&self) -> Option<&dyn DeltaImport> {
        Some(self)
    }

    fn object_reader(&self) -> Option<&dyn ObjectReader> {
        Some(self)
    }

    fn exporter(&self) -> Option<&dyn Exporter> {
        Some(self)
    }

    fn match_facts(&self) -> Option<&dyn MatchFacts> {
        Some(self)
    }
}

#[async_trait]
impl DeltaImport for AzureAd {
    async fn import_delta(&self, since: &Watermark, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        delta::import_delta(&self.graph, since, sink).await
    }
}

#[async_trait]
impl ObjectReader for AzureAd {
    async fn read_objects(&self, anchors: &[Anchor]) -> Result<Vec<ImportItem>, ConnectorError> {
        let ids: Vec<String> = anchors.iter().map(Anchor::to_string).collect();
        objects::read_objects(&self.graph, &ids).await
    }
}

#[async_trait]
impl MatchFacts for AzureAd {
    async fn privileges(&self, anchors: &[Anchor]) -> Vec<Fact> {
        roles::privileges(&self.graph, anchors).await
    }
}

#[async_trait]
impl Exporter for AzureAd {
    fn batch_size(&self) -> usize {
        batch::BATCH
    }

    async fn export(&self, items: &[ExportItem]) -> Result<Vec<(i64, ExportOutcome)>, ConnectorError> {
        self.desk.export(items).await
    }

    async fn find_created(
        &self,
        object_type: &ObjectType,
        create: &CreateRequest,
    ) -> Result<Option<Anchor>, ConnectorError> {
        self.desk.find_created(object_type, create).await
    }
}
