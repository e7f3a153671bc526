//! Azure AD (Microsoft Entra ID) as a connected system. In Graph mode objects stay cloud-managed, the engine matches them
//! and stamps the immutable id, over the public Microsoft Graph v1.0 API alone; in Connect mode they become synchronised
//! objects through the provisioning service, and Graph is read. Holds no engine decision. What a mode cannot write is
//! refused by name, never dropped and never turned into another kind.

mod credential;
mod settings;
// The wire: one exchange, its retries, batches of them.
mod batch;
mod certificate;
mod client;
mod errors;
mod http;
mod managed_identity;
mod throttle;
mod token;
mod urls;
// What is read.
mod deleted_items;
mod delta;
mod import;
mod limits;
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
mod hand_back;
mod licences;
mod members;
mod password;
mod password_hash;
mod pbkdf2_lanes;
mod remove;
mod source_of_authority;
mod update;
// Connect mode.
mod connect;
// What any bytes of a service may do.
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
// What only an administrator does.
mod administrator;
// The provisioning web service, for Connect mode.
pub mod provisioning;

pub use administrator::{Administrator, DeviceCode, PUBLIC_CLIENT, SignedIn, Synchronisation, TenantReport};
pub use check::LIMITATIONS;
pub use connect::CONNECT_LIMITATIONS;
pub use credential::{Credential, ManagedIdentity};
pub use settings::{Mode, Settings};

use async_trait::async_trait;
use client::GraphClient;
use connect::ConnectMode;
use connector_contract::{
    Authority, Check, Connector, ConnectorError, CreateRequest, CredentialMark, DeltaImport, ExportItem, ExportOutcome,
    ExportProblem, Exporter, Fact, FullImport, HandBack, HandBackReach, HandBackRequest, ImportEnd, ImportItem,
    ImportSink, LicenceOrder, LicenceProduct, Licences, LicensedUser, MatchFacts, ObjectReader, PasswordTarget,
    StateOfSystem, SystemState, Watermark,
};
use export::ExportDesk;
use metaverse_schema::{Anchor, ConnectorSchema, ObjectType};
use provisioning::ProvisioningClient;
use std::sync::Arc;

/// One tenant.
#[derive(Debug)]
pub struct AzureAd {
    graph: GraphClient,
    way: Way,
}

/// How it is written, and read beyond Graph.
#[derive(Debug)]
enum Way {
    Graph(ExportDesk),
    Connect(ConnectMode),
}

impl AzureAd {
    /// Prepares the connection: begins to read the certificate authorities and connects to nothing. The secret is resolved when
    /// the first token is needed.
    pub fn new(settings: Settings) -> Result<AzureAd, ConnectorError> {
        let graph = GraphClient::new(settings)?;
        let way = match graph.settings().mode {
            Mode::Graph => Way::Graph(ExportDesk::new(graph.clone())),
            Mode::Connect => {
                let service = ProvisioningClient::beside(&graph);
                Way::Connect(ConnectMode::new(&graph, Arc::new(service)))
            }
        };
        Ok(AzureAd { graph, way })
    }
}

#[async_trait]
impl Connector for AzureAd {
    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        Ok(limits::limited_schema(self.graph.settings().mode))
    }

    async fn check(&self) -> Check {
        let mut check = check::check(&self.graph).await;
        match &self.way {
            Way::Graph(_) => {}
            // Whether the service can be reached is told beside what Graph says.
            Way::Connect(connect) => connect.check(&mut check).await,
        }
        check
    }

    async fn import_full(&self, request: FullImport, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        match &self.way {
            Way::Graph(_) => import::import_full(&self.graph, request, sink).await,
            Way::Connect(connect) => connect.import_full(request, sink).await,
        }
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

    fn hand_back(&self) -> Option<&dyn HandBack> {
        Some(self)
    }

    fn system_state(&self) -> Option<&dyn SystemState> {
        Some(self)
    }

    fn match_facts(&self) -> Option<&dyn MatchFacts> {
        Some(self)
    }

    fn licences(&self) -> Option<&dyn Licences> {
        Some(self)
    }

    fn credential(&self) -> Option<CredentialMark> {
        Some(self.graph.settings().credential_mark())
    }

    async fn forget_refusals(&self) {
        self.graph.tokens().forgive().await;
    }

    /// Only Connect mode: Graph takes no hashes (section 0).
    fn password_target(&self) -> Option<&dyn PasswordTarget> {
        match &self.way {
            Way::Graph(_) => None,
            Way::Connect(connect) => Some(connect),
        }
    }
}

#[async_trait]
impl DeltaImport for AzureAd {
    async fn import_delta(&self, since: &Watermark, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        match &self.way {
            Way::Graph(_) => delta::import_delta(&self.graph, since, sink).await,
            Way::Connect(connect) => connect.import_delta(since, sink).await,
        }
    }
}

#[async_trait]
impl ObjectReader for AzureAd {
    async fn read_objects(&self, anchors: &[Anchor]) -> Result<Vec<ImportItem>, ConnectorError> {
        match &self.way {
            Way::Graph(_) => {
                let ids: Vec<String> = anchors.iter().map(Anchor::to_string).collect();
                objects::read_objects(&self.graph, &ids).await
            }
            Way::Connect(connect) => connect.read_objects(anchors).await,
        }
    }
}

#[async_trait]
impl SystemState for AzureAd {
    async fn system_state(&self) -> Result<StateOfSystem, ConnectorError> {
        match &self.way {
            Way::Graph(desk) => desk.system_state().await,
            Way::Connect(connect) => connect.system_state().await,
        }
    }
}

#[async_trait]
impl HandBack for AzureAd {
    fn reach(&self, object_type: &ObjectType) -> Option<HandBackReach> {
        hand_back::reach(self.graph.settings().mode, object_type)
    }

    async fn authority(&self, objects: &[(ObjectType, Anchor)]) -> Vec<(Anchor, Result<Authority, ExportProblem>)> {
        match &self.way {
            // Nothing that Graph mode writes was ever anybody else's; what was is refused when it is written.
            Way::Graph(_) => objects.iter().map(|(_, anchor)| (anchor.clone(), Ok(Authority::System))).collect(),
            Way::Connect(connect) => connect.authority(objects).await,
        }
    }

    async fn hand_back(&self, requests: &[HandBackRequest]) -> Result<Vec<(i64, ExportOutcome)>, ConnectorError> {
        match &self.way {
            Way::Graph(desk) => hand_back::over_graph_mode(desk, requests).await,
            Way::Connect(connect) => connect.hand_back(requests).await,
        }
    }
}

#[async_trait]
impl MatchFacts for AzureAd {
    async fn privileges(&self, anchors: &[Anchor]) -> Vec<Fact> {
        roles::privileges(&self.graph, anchors).await
    }
}

/// Over Graph in both modes: the provisioning service knows no licences.
#[async_trait]
impl Licences for AzureAd {
    async fn products(&self) -> Result<Vec<LicenceProduct>, ConnectorError> {
        licences::products(&self.graph).await
    }

    async fn standing(&self, users: &[Anchor]) -> Result<Vec<LicensedUser>, ConnectorError> {
        licences::standing(&self.graph, users).await
    }

    fn batch_size(&self) -> usize {
        licences::batch_size(&self.graph)
    }

    async fn assign(&self, orders: &[LicenceOrder]) -> Result<Vec<(i64, ExportOutcome)>, ConnectorError> {
        licences::assign(&self.graph, orders).await
    }
}

#[async_trait]
impl Exporter for AzureAd {
    fn batch_size(&self) -> usize {
        match &self.way {
            Way::Graph(_) => batch::BATCH,
            Way::Connect(_) => connect::BATCH,
        }
    }

    fn named_by(&self) -> &'static [&'static str] {
        match &self.way {
            Way::Graph(_) => &[],
            Way::Connect(_) => connect::NAMED_BY,
        }
    }

    /// A.2: what Graph created is not seen by the next requests for a while. The provisioning service takes an object and its
    /// references in one.
    fn references_follow_creates(&self) -> bool {
        matches!(self.way, Way::Graph(_))
    }

    fn not_yet_seen(&self, anchors: &[Anchor]) {
        if let Way::Graph(desk) = &self.way {
            anchors.iter().map(ToString::to_string).filter(|id| !desk.is_fresh(id)).for_each(|id| desk.made(&id));
        }
    }

    async fn export(&self, items: &[ExportItem]) -> Result<Vec<(i64, ExportOutcome)>, ConnectorError> {
        match &self.way {
            Way::Graph(desk) => desk.export(items).await,
            Way::Connect(connect) => connect.export(items).await,
        }
    }

    async fn export_ended(&self, sent: u64, accepted: u64) -> Result<(), ConnectorError> {
        match &self.way {
            Way::Graph(_) => Ok(()),
            Way::Connect(connect) => connect.export_ended(sent, accepted).await,
        }
    }

    async fn find_created(
        &self,
        object_type: &ObjectType,
        create: &CreateRequest,
    ) -> Result<Option<Anchor>, ConnectorError> {
        match &self.way {
            Way::Graph(desk) => desk.find_created(object_type, create).await,
            Way::Connect(connect) => connect.find_created(object_type, create).await,
        }
    }
}
