//! Connect mode: objects become synchronised ones through the provisioning service; everything is read over Graph, and
//! completed with what only that service tells. Holds no engine decision; the wire is `provisioning`'s.

mod check;
mod guard;
mod service;
// What is read.
mod import;
mod overlay;
// What is written.
mod export;
mod hand_back;
mod passwords;
mod references;
mod returning;
mod takeover;
mod unseen;
mod words;

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

pub use check::CONNECT_LIMITATIONS;
pub(crate) use export::{BATCH, NAMED_BY};

use crate::client::GraphClient;
use crate::export::{ExportDesk, Outcomes};
use async_trait::async_trait;
use connector_contract::{
    Authority, Check, ConnectorError, CreateRequest, CredentialMark, ExportItem, ExportProblem, FullImport,
    HandBackRequest, ImportEnd, ImportItem, ImportSink, PasswordOutcome, PasswordPush, PasswordTarget, StateOfSystem,
    Watermark,
};
use export::ConnectDesk;
use import::Known;
use metaverse_schema::{Anchor, ObjectType};
use passwords::PasswordDesk;
use service::Service;
use std::sync::Arc;

/// One tenant in Connect mode.
#[derive(Debug)]
pub(crate) struct ConnectMode {
    graph: GraphClient,
    service: Arc<dyn Service>,
    known: Arc<Known>,
    desk: ConnectDesk,
    passwords: PasswordDesk,
}

impl ConnectMode {
    pub(crate) fn new(graph: &GraphClient, service: Arc<dyn Service>) -> ConnectMode {
        let known = Arc::new(Known::default());
        let desk = ConnectDesk::new(ExportDesk::new(graph.clone()), Arc::clone(&service), Arc::clone(&known));
        let passwords = PasswordDesk::new(graph.clone(), Arc::clone(&service));
        ConnectMode { graph: graph.clone(), service, known, desk, passwords }
    }

    pub(crate) async fn check(&self, check: &mut Check) {
        check::check(&self.graph, &*self.service, check).await;
    }

    pub(crate) async fn system_state(&self) -> Result<StateOfSystem, ConnectorError> {
        guard::state(&self.graph, &*self.service).await
    }

    pub(crate) async fn import_full(&self, request: FullImport, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        import::import_full(&self.graph, &*self.service, &self.known, request, sink).await
    }

    pub(crate) async fn import_delta(&self, since: &Watermark, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        import::import_delta(&self.graph, &*self.service, &self.known, since, sink).await
    }

    pub(crate) async fn read_objects(&self, anchors: &[Anchor]) -> Result<Vec<ImportItem>, ConnectorError> {
        import::read_objects(&self.graph, &*self.service, &self.known, anchors).await
    }

    pub(crate) async fn export(&self, items: &[ExportItem]) -> Result<Outcomes, ConnectorError> {
        self.desk.export(items).await
    }

    pub(crate) async fn authority(
        &self,
        objects: &[(ObjectType, Anchor)],
    ) -> Vec<(Anchor, Result<Authority, ExportProblem>)> {
        self.desk.authority(objects).await
    }

    pub(crate) async fn hand_back(&self, requests: &[HandBackRequest]) -> Result<Outcomes, ConnectorError> {
        self.desk.hand_back(requests).await
    }

    pub(crate) async fn export_ended(&self, sent: u64, accepted: u64) -> Result<(), ConnectorError> {
        self.service.finalize(sent, accepted).await
    }

    pub(crate) async fn find_created(
        &self,
        object_type: &ObjectType,
        create: &CreateRequest,
    ) -> Result<Option<Anchor>, ConnectorError> {
        self.desk.find_created(object_type, create).await
    }
}

#[async_trait]
impl PasswordTarget for ConnectMode {
    fn batch_size(&self) -> usize {
        self.passwords.batch_size()
    }

    async fn set_passwords(&self, batch: Vec<PasswordPush>) -> Result<Vec<(i64, PasswordOutcome)>, ConnectorError> {
        self.passwords.set_passwords(batch).await
    }

    async fn ping(&self) -> Result<(), ConnectorError> {
        self.passwords.ping().await
    }

    async fn switch_on(&self) -> Result<bool, ConnectorError> {
        self.passwords.switch_on().await
    }

    fn credential(&self) -> Option<CredentialMark> {
        Some(self.graph.settings().credential_mark())
    }
}
