//! `metasync tenant-sync`: shows whether a tenant takes synchronised objects, and has an administrator switch that on or off.
//! The administrator signs in elsewhere by a code; no password passes here, and the token is gone when the command ends.

use crate::cli::{TenantSyncArgs, TenantSyncCommand};
use crate::connectors;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;
use connector_azure_ad::{Administrator, Synchronisation, TenantReport};
use serde_json::json;
use std::time::{Duration, Instant};

/// What switching off means; nobody does it without having read this.
const MEANING_OF_OFF: &str = "Switching off makes cloud objects of all synchronised ones. It takes up to 72 hours, cannot be taken back \
    meanwhile, and afterwards the cloud is the place to change them. Switching on again later means a full synchronisation.";

pub(crate) async fn run(context: &Context, args: &TenantSyncArgs) -> Result<Report, Failure> {
    let (connector, administrator) = administrator(context, args)?;
    let before = administrator.report().await?;
    let on = match &args.command {
        TenantSyncCommand::Status => return Ok(report(&connector, &before)),
        TenantSyncCommand::On => true,
        TenantSyncCommand::Off => false,
    };
    if is_there(&before, on) {
        return Ok(report(&connector, &before));
    }
    if on && before.synchronisation == Synchronisation::PendingOff {
        let message = "synchronisation is being switched off, and that cannot be taken back";
        return Err(Failure::new("pending-off", message, "wait until `metasync tenant-sync status` says `off`"));
    }
    let confirmed = || match context.output.is_interactive() {
        true => context.confirm(MEANING_OF_OFF, "Switch synchronisation off?"),
        false => Ok(false),
    };
    if !on && !args.yes && !confirmed()? {
        return Err(Failure::new("not-confirmed", MEANING_OF_OFF, "give --yes if that is meant"));
    }
    let code = administrator.device_code().await?;
    // Nothing can go on without it: said even when quiet.
    context.output.complain(&code.message);
    let person = administrator.signed_in(&code).await?;
    administrator.switch(&person, on).await?;
    drop(person);
    let mut now = administrator.report().await?;
    let until = Instant::now() + Duration::from_secs(args.wait_minutes.saturating_mul(60));
    while !is_there(&now, on) && Instant::now() < until {
        context.output.talk(&format!("{}: {}", connector, state(&now)));
        tokio::time::sleep(Duration::from_secs(args.every_seconds.max(1))).await;
        now = administrator.report().await?;
    }
    Ok(report(&connector, &now))
}

/// Whether the switch has arrived where it was put.
fn is_there(tenant: &TenantReport, on: bool) -> bool {
    match tenant.synchronisation {
        Synchronisation::On => on,
        Synchronisation::Off | Synchronisation::Never => !on,
        Synchronisation::PendingOff => false,
    }
}

fn administrator(context: &Context, args: &TenantSyncArgs) -> Result<(String, Administrator), Failure> {
    let opened = context.open()?;
    let mut tenants = opened.deployment.connectors.iter().filter(|config| {
        config.kind == "azure-ad" && args.connector.as_ref().is_none_or(|wanted| *wanted == *config.name)
    });
    let (Some(config), None) = (tenants.next(), tenants.next()) else {
        let message = "this deployment has not exactly one Azure AD connector of that name";
        return Err(Failure::new("connector-unknown", message, "name it with --connector"));
    };
    let settings = connectors::azure_ad(&config.settings, &opened.deployment.folder).map_err(|problems| {
        let message = problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; ");
        Failure::new("setting-invalid", message, "run `metasync check`")
    })?;
    Ok((config.name.to_string(), Administrator::new(settings, &args.sign_in_client)?))
}

fn state(tenant: &TenantReport) -> &'static str {
    match tenant.synchronisation {
        Synchronisation::Never => "never",
        Synchronisation::On => "on",
        Synchronisation::PendingOff => "pending-off",
        Synchronisation::Off => "off",
    }
}

fn report(connector: &str, tenant: &TenantReport) -> Report {
    let explained = match tenant.synchronisation {
        Synchronisation::Never => "never: the tenant has not taken synchronised objects yet",
        Synchronisation::On => "on: the tenant takes synchronised objects",
        Synchronisation::PendingOff => {
            "pending-off: being switched off; this takes up to 72 hours and cannot be taken back"
        }
        Synchronisation::Off => "off: what was synchronised is managed in the cloud",
    };
    let text = format!(
        "tenant             {} ({})\nsynchronisation    {explained}\nlast synchronised  {}\nverified domains   {}\n",
        tenant.name,
        tenant.id,
        tenant.last_sync.as_deref().unwrap_or("never"),
        tenant.domains.join(", "),
    );
    let json = json!({
        "connector": connector,
        "tenant_id": tenant.id,
        "name": tenant.name,
        "synchronisation": state(tenant),
        "last_sync": tenant.last_sync,
        "verified_domains": tenant.domains,
    });
    Report::new(Exit::Success, text, json)
}
