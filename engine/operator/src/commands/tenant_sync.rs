//! `metasync tenant-sync`: shows whether a tenant takes synchronised objects, and has an administrator switch that on or off.
//! The administrator signs in elsewhere by a code; no password passes here, and the token is gone when the command ends.

mod standing;

use crate::cli::{TenantSyncArgs, TenantSyncCommand};
use crate::connectors;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;
use connector_azure_ad::{Administrator, TenantReport};
use serde_json::json;
use standing::{Asked, Standing, standing};
use std::time::{Duration, Instant};

/// What switching off means; nobody does it without having read this.
const MEANING_OF_OFF: &str = "Switching off makes cloud objects of all synchronised ones. It takes up to 72 hours, cannot be taken back \
    meanwhile, and afterwards the cloud is the place to change them. Switching on again later means a full synchronisation.";

pub(crate) async fn run(context: &Context, args: &TenantSyncArgs) -> Result<Report, Failure> {
    let (connector, administrator) = administrator(context, args)?;
    let before = administrator.report().await?;
    let now_stands = |tenant: &TenantReport| {
        let asked = Asked::read(&context.folder).filter(|asked| asked.tenant == tenant.id);
        standing(tenant.synchronisation, asked.as_ref(), context.now())
    };
    let on = match &args.command {
        TenantSyncCommand::Status => return Ok(report(&connector, &before, &now_stands(&before))),
        TenantSyncCommand::On => true,
        TenantSyncCommand::Off => false,
    };
    let stands = now_stands(&before);
    if stands.is_there(on) || (on && matches!(stands, Standing::PendingOn { .. })) {
        return Ok(report(&connector, &before, &stands));
    }
    if on && stands == Standing::PendingOff {
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
    // Until it has arrived, the tenant itself does not show that it was asked for.
    Asked { tenant: before.id.clone(), on, at: context.now() }.write(&context.folder)?;
    let mut now = administrator.report().await?;
    let until = Instant::now() + Duration::from_secs(args.wait_minutes.saturating_mul(60));
    while !now_stands(&now).is_there(on) && Instant::now() < until {
        context.output.talk(&format!("{}: {}", connector, now_stands(&now).name()));
        tokio::time::sleep(Duration::from_secs(args.every_seconds.max(1))).await;
        now = administrator.report().await?;
    }
    let stands = now_stands(&now);
    if stands.is_there(on) {
        Asked::forget(&context.folder);
    }
    Ok(report(&connector, &now, &stands))
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

fn report(connector: &str, tenant: &TenantReport, stands: &Standing) -> Report {
    let text = format!(
        "tenant             {} ({})\nsynchronisation    {}\nmeanwhile          {}\nlast synchronised  {}\nverified domains   {}\n",
        tenant.name,
        tenant.id,
        stands.explained(),
        stands.meanwhile(connector),
        tenant.last_sync.as_deref().unwrap_or("never"),
        tenant.domains.join(", "),
    );
    let json = json!({
        "connector": connector,
        "tenant_id": tenant.id,
        "name": tenant.name,
        "synchronisation": stands.name(),
        "asked_at": stands.asked_at(),
        "meanwhile": stands.meanwhile(connector),
        "last_sync": tenant.last_sync,
        "verified_domains": tenant.domains,
    });
    Report::new(Exit::Success, text, json)
}
