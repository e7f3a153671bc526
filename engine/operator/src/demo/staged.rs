//! The demo's sample directory and tenant with a deployment that has done nothing yet, for tests of other commands.

use super::folder::DemoFolder;
use super::start_tenant;
use crate::context::Context;
use crate::init::{self, CloudMode};
use crate::output::Output;
use azure_ad_emulator::RunningTenant;
use serde_json::Value;
use sync_runtime::StopSignal;

pub(crate) struct Staged {
    pub(crate) context: Context,
    pub(crate) tenant: RunningTenant,
    _below: tempfile::TempDir,
}

impl Staged {
    /// `change` is made to the tenant's seed before it starts.
    pub(crate) async fn start(graph: bool, change: impl FnOnce(&mut Value)) -> Staged {
        let below = tempfile::tempdir().unwrap();
        let mode = if graph { CloudMode::Graph } else { CloudMode::connect().unwrap() };
        let folder = DemoFolder::create(Some(&below.path().join("deployment")), mode).unwrap();
        let seed = folder.path.join(crate::commands::tenant::SEED);
        let mut told: Value = serde_json::from_str(&std::fs::read_to_string(&seed).unwrap()).unwrap();
        change(&mut told);
        std::fs::write(&seed, told.to_string()).unwrap();
        let output = Output { json: true, quiet: true };
        let context = Context { folder: folder.path.clone(), output, stop: StopSignal::new() };
        let tenant = start_tenant(&context, &folder).await.unwrap_or_else(|failure| panic!("{}", failure.text()));
        let authority = format!("{}/", tenant.base_url());
        let answers = folder.answers(&tenant.graph_url(), &authority, &tenant.tenant_id().to_string());
        let written = init::write_deployment(&context, &answers);
        written.map(drop).unwrap_or_else(|failure| panic!("{}", failure.text()));
        Staged { context, tenant, _below: below }
    }
}
