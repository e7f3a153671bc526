//! `metasync licenses`: the tenant's subscriptions, who of the synchronised users has which licence, and giving one to a selection
//! of them, shown first. What is decided about a user stands elsewhere.

mod assign;
mod condition;
mod list;

use crate::cli::{LicensesAction, LicensesArgs, LicensesSelection};
use crate::connectors::Connectors;
use crate::context::{Context, Opened};
use crate::failure::Failure;
use crate::output::Report;
use sync_rules::ConnectorName;
use sync_runtime::LicenceSelection;

pub(crate) async fn run(context: &Context, args: &LicensesArgs) -> Result<Report, Failure> {
    let opened = context.open()?;
    let tenant = tenant(&opened.connectors, args.connector.as_deref())?;
    match &args.action {
        LicensesAction::List(args) => list::run(context, &opened, &tenant, args).await,
        LicensesAction::Assign(args) => assign::run(context, opened, &tenant, args).await,
    }
}

/// The one connector of that name whose users have licences.
fn tenant(connectors: &Connectors, wanted: Option<&str>) -> Result<ConnectorName, Failure> {
    let mut fitting = connectors
        .iter()
        .filter(|(name, connector)| connector.licences().is_some() && wanted.is_none_or(|wanted| wanted == &***name));
    match (fitting.next(), fitting.next()) {
        (Some((name, _)), None) => Ok(name.clone()),
        _ => Err(Failure::new(
            "connector-unknown",
            "this deployment has not exactly one connector of that name whose users have licences",
            "name the Azure AD connector with --connector",
        )),
    }
}

/// What was typed as a selection; an expression that is none is drawn.
fn selection(context: &Context, opened: &Opened, typed: &LicensesSelection) -> Result<LicenceSelection, Failure> {
    let read = |text: &String| condition::read(text, &opened.rules, context.colour());
    Ok(LicenceSelection {
        names: typed.names.clone(),
        groups: typed.group.clone(),
        nested: typed.nested,
        containers: typed.ou.clone(),
        condition: typed.condition.as_ref().map(read).transpose()?,
        unlicensed: typed.unlicensed,
    })
}
