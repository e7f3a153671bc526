//! `metasync licenses assign`: shows who would be given a licence, who has it and who cannot have it; gives it with the digest that
//! was shown, or with --yes to as many as the guard lets through.

use super::list::{BY_A_GROUP, passed_over};
use super::selection;
use crate::cli::LicensesAssignArgs;
use crate::context::{Context, Opened, operator};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;
use crate::text::{Table, count, counted, paragraph};
use serde_json::{Value, json};
use sync_kernel::{LicenceDecision, LicenceObstacle};
use sync_rules::ConnectorName;
use sync_runtime::{
    LicenceEnd, LicencePlan, LicencePlanLine, LicenceReport, LicenceRequest, LicenceResult, LicenceSelection, Reading,
    plan_licences,
};

/// Shortest beginning of a digest that names it.
const SHORTEST: usize = 8;

pub(super) async fn run(
    context: &Context,
    opened: Opened,
    tenant: &ConnectorName,
    args: &LicensesAssignArgs,
) -> Result<Report, Failure> {
    let selection = selection(context, &opened, &args.selection)?;
    let request = LicenceRequest {
        product: args.sku.clone(),
        without_plans: args.disable_plan.clone(),
        usage_location: args.usage_location.clone(),
        disabled: args.disabled,
    };
    match args.apply.is_some() || args.yes {
        true => carry_out(context, opened, tenant, args, &selection, &request).await,
        false => show(context, &opened, tenant, args, &selection, &request).await,
    }
}

async fn show(
    context: &Context,
    opened: &Opened,
    tenant: &ConnectorName,
    args: &LicensesAssignArgs,
    selection: &LicenceSelection,
    request: &LicenceRequest,
) -> Result<Report, Failure> {
    let store = context.read_store(opened)?;
    let reading = Reading::new(&store, &opened.rules, context.now());
    let Some(connector) = opened.connectors.get(tenant) else {
        return Err(Failure::new("connector-unknown", format!("there is no connector `{tenant}`"), ""));
    };
    let plan = plan_licences(&reading, tenant, connector.as_ref(), selection, request).await?;
    let mut text = sheet(&plan, args.limit);
    if opened.deployment.staging {
        text.push_str("This deployment is in staging mode: it writes nothing.\n");
    }
    Ok(Report::new(exit_of_plan(&plan), text, plan_json(&plan)))
}

async fn carry_out(
    context: &Context,
    opened: Opened,
    tenant: &ConnectorName,
    args: &LicensesAssignArgs,
    selection: &LicenceSelection,
    request: &LicenceRequest,
) -> Result<Report, Failure> {
    let mut engine = context.engine(opened)?;
    let plan = engine.plan_licences(tenant, selection, request).await?;
    match &args.apply {
        Some(digest) => compare(digest, &plan)?,
        None => within_the_guard(engine.licence_limit(tenant)?, &plan)?,
    }
    if plan.refusal.is_some() {
        return Ok(Report::new(exit_of_plan(&plan), sheet(&plan, args.limit), plan_json(&plan)));
    }
    let done = engine.assign_licences(&plan, &operator(), &args.note).await?;
    engine.close()?;
    Ok(Report::new(exit_of(&done), outcome(&plan, &done, args.limit), report_json(&plan, &done)))
}

/// The operator's word is about exactly what was shown.
fn compare(typed: &str, plan: &LicencePlan) -> Result<(), Failure> {
    let typed = typed.trim().to_ascii_lowercase();
    let now = plan.digest.as_str();
    if typed == now || (typed.len() >= SHORTEST && now.starts_with(&typed)) {
        return Ok(());
    }
    Err(Failure::new(
        "licences-changed",
        format!("what would be given now is not what has the digest {typed}; nothing was written"),
        "look at it again without --apply: somebody has the licence by now, or others are selected",
    ))
}

/// SF12: a word about no list goes no further than any export does.
fn within_the_guard(limit: u64, plan: &LicencePlan) -> Result<(), Failure> {
    if plan.wanted() <= limit {
        return Ok(());
    }
    let failure = Failure::new(
        "licences-many",
        format!(
            "--yes gives a licence to {} at most (the limit of the guard), and it would be given to {}; nothing was written",
            counted(limit, "user", "users"),
            count(plan.wanted())
        ),
        format!("look at the list without --yes, then type the same command with --apply {}", shortened(plan)),
    );
    Err(failure.with_exit(Exit::Waiting))
}

fn shortened(plan: &LicencePlan) -> &str {
    plan.digest.as_str().get(..SHORTEST).unwrap_or(plan.digest.as_str())
}

fn exit_of_plan(plan: &LicencePlan) -> Exit {
    match plan.refusal {
        Some(_) => Exit::Waiting,
        None if plan.lines.iter().any(|line| matches!(line.decision, LicenceDecision::Cannot(_))) => Exit::ObjectErrors,
        None => Exit::Success,
    }
}

fn exit_of(report: &LicenceReport) -> Exit {
    let mut exit = Exit::Success;
    for result in &report.results {
        match &result.end {
            LicenceEnd::NotSettled { .. } if report.interrupted => return Exit::Interrupted,
            LicenceEnd::NotSettled { .. } => return Exit::Stopped,
            LicenceEnd::Refused { .. } | LicenceEnd::Cannot(_) => exit = Exit::ObjectErrors,
            LicenceEnd::Given { .. } | LicenceEnd::Has { .. } => {}
        }
    }
    exit
}

fn sheet(plan: &LicencePlan, limit: usize) -> String {
    let mut text = heading(plan);
    let location = |line: &LicencePlanLine| match &line.decision {
        LicenceDecision::Assign { location } => Some(location.clone().unwrap_or_default()),
        _ => None,
    };
    let wanted: Vec<(&LicencePlanLine, String)> =
        plan.lines.iter().filter_map(|line| Some((line, location(line)?))).collect();
    let for_whom = if plan.refusal.is_some() { "Wanted for" } else { "To be given to" };
    text.push_str(&format!("\n{for_whom} {}\n", counted(wanted.len() as u64, "user", "users")));
    let mut table = Table::new(&["user", "sign-in name", "usage location to be written"]);
    for (line, location) in wanted.iter().take(limit) {
        table.row([line.object.name.clone(), line.sign_in_name.clone().unwrap_or_default(), location.clone()]);
    }
    text.push_str(&table.render());
    text.push_str(&more(wanted.len(), limit));
    let others =
        plan.lines.iter().map(|line| (line.object.name.as_str(), line.sign_in_name.as_deref(), &line.decision));
    let (mut has, mut cannot) = (Vec::new(), Vec::new());
    for (name, sign_in_name, decision) in others {
        match decision {
            LicenceDecision::Assign { .. } => {}
            LicenceDecision::Has { message } => has.push((name, sign_in_name, message.as_str())),
            LicenceDecision::Cannot(obstacle) => cannot.push((name, sign_in_name, obstacle)),
        }
    }
    text.push_str(&passed(&has, limit));
    text.push_str(&left_out(&cannot, limit));
    text.push_str(&passed_over(plan.passed_over));
    if let Some(rule) = plan.location_rule.as_ref().filter(|_| wanted.iter().any(|(_, location)| !location.is_empty()))
    {
        text.push_str(&paragraph(
            &format!(
                "\nThe rule `{rule}` gives usage locations to new users only: what is written here stays, and the directory is not told. \
                 Set the country there too."
            ),
            0,
        ));
    }
    text.push('\n');
    text.push_str(&match &plan.refusal {
        Some(refusal) => {
            paragraph(&format!("Nothing can be given: {}", refusal.message), 0)
                + &paragraph(&format!("what to do: {}", refusal.remedy), 2)
        }
        None if wanted.is_empty() && !cannot.is_empty() => "Nobody is given it.\n".to_owned(),
        None if wanted.is_empty() => "Nothing is left to give.\n".to_owned(),
        None => paragraph(
            &format!(
                "Nothing was written. The same command with --apply {} gives it to exactly {}.",
                shortened(plan),
                if wanted.len() == 1 { "this user" } else { "these users" }
            ),
            0,
        ),
    });
    text
}

fn heading(plan: &LicencePlan) -> String {
    let product = &plan.product;
    let without = match plan.without_plans.is_empty() {
        true => String::new(),
        false => format!(", without {}", plan.without_plans.join(", ")),
    };
    let units = product.enabled + product.warning;
    format!("{} of {}{without}: {} free of {}\n", product.name, plan.connector, count(product.free), count(units))
}

fn more(all: usize, limit: usize) -> String {
    match all > limit {
        true => format!("  and {} more (--limit)\n", count((all - limit) as u64)),
        false => String::new(),
    }
}

fn passed(has: &[(&str, Option<&str>, &str)], limit: usize) -> String {
    if has.is_empty() {
        return String::new();
    }
    let mut text = format!("\nNothing is needed for {}\n", counted(has.len() as u64, "user", "users"));
    let mut table = Table::new(&["user", "sign-in name", ""]);
    for (name, sign_in_name, message) in has.iter().take(limit) {
        table.row([(*name).to_owned(), sign_in_name.unwrap_or_default().to_owned(), (*message).to_owned()]);
    }
    text.push_str(&table.render());
    text.push_str(&more(has.len(), limit));
    if has.iter().any(|(_, _, message)| message.contains("by the group")) {
        text.push_str(&paragraph(BY_A_GROUP, 2));
    }
    text
}

fn left_out(cannot: &[(&str, Option<&str>, &LicenceObstacle)], limit: usize) -> String {
    if cannot.is_empty() {
        return String::new();
    }
    let mut text = format!("\nCannot be given to {} now\n", counted(cannot.len() as u64, "user", "users"));
    let mut table = Table::new(&["user", "sign-in name", "because", "what to do"]);
    for (name, sign_in_name, obstacle) in cannot.iter().take(limit) {
        table.row([
            (*name).to_owned(),
            sign_in_name.unwrap_or_default().to_owned(),
            obstacle.message.clone(),
            obstacle.remedy.clone(),
        ]);
    }
    text.push_str(&table.render());
    text.push_str(&more(cannot.len(), limit));
    text
}

fn outcome(plan: &LicencePlan, report: &LicenceReport, limit: usize) -> String {
    let mut text = heading_done(plan, report);
    let (mut given, mut has, mut cannot) = (Vec::new(), Vec::new(), Vec::new());
    let mut failed: Vec<(&LicenceResult, &str, &str)> = Vec::new();
    for result in &report.results {
        match &result.end {
            LicenceEnd::Given { location } => given.push((result, location.clone().unwrap_or_default())),
            LicenceEnd::Has { message } => {
                has.push((result.object.name.as_str(), result.sign_in_name.as_deref(), message.as_str()));
            }
            LicenceEnd::Cannot(obstacle) => {
                cannot.push((result.object.name.as_str(), result.sign_in_name.as_deref(), obstacle));
            }
            LicenceEnd::Refused { message, remedy, .. } => failed.push((result, message, remedy)),
            LicenceEnd::NotSettled { message } => failed.push((result, message, "type the same command again")),
        }
    }
    text.push_str(&format!("\nGiven to {}\n", counted(given.len() as u64, "user", "users")));
    let mut table = Table::new(&["user", "sign-in name", "usage location written"]);
    for (result, location) in given.iter().take(limit) {
        table.row([result.object.name.clone(), result.sign_in_name.clone().unwrap_or_default(), location.clone()]);
    }
    text.push_str(&table.render());
    text.push_str(&more(given.len(), limit));
    if !failed.is_empty() {
        text.push_str(&format!("\nNot given to {}\n", counted(failed.len() as u64, "user", "users")));
        let mut table = Table::new(&["user", "sign-in name", "because", "what to do"]);
        for (result, message, remedy) in failed.iter().take(limit) {
            table.row([
                result.object.name.clone(),
                result.sign_in_name.clone().unwrap_or_default(),
                (*message).to_owned(),
                (*remedy).to_owned(),
            ]);
        }
        text.push_str(&table.render());
        text.push_str(&more(failed.len(), limit));
    }
    text.push_str(&passed(&has, limit));
    text.push_str(&left_out(&cannot, limit));
    text.push_str(&passed_over(plan.passed_over));
    text
}

fn heading_done(plan: &LicencePlan, report: &LicenceReport) -> String {
    match report.free {
        Some(free) => format!("{} of {}: {} free now\n", plan.product.name, plan.connector, count(free)),
        None => format!("{} of {}\n", plan.product.name, plan.connector),
    }
}

fn plan_json(plan: &LicencePlan) -> Value {
    let line = |line: &LicencePlanLine| {
        let (decision, location, obstacle) = match &line.decision {
            LicenceDecision::Assign { location } => ("assign", location.as_deref(), Value::Null),
            LicenceDecision::Has { message } => ("has", None, json!({ "message": message })),
            LicenceDecision::Cannot(obstacle) => ("cannot", None, json!(obstacle)),
        };
        json!({
            "object": line.object,
            "sign_in_name": line.sign_in_name,
            "decision": decision,
            "usage_location": location,
            "because": obstacle,
        })
    };
    json!({
        "connector": &*plan.connector,
        "product": plan.product,
        "without_plans": plan.without_plans,
        "digest": plan.digest.as_str(),
        "wanted": plan.wanted(),
        "refusal": plan.refusal,
        "passed_over": plan.passed_over,
        "written": false,
        "users": plan.lines.iter().map(line).collect::<Vec<_>>(),
    })
}

fn report_json(plan: &LicencePlan, report: &LicenceReport) -> Value {
    let line = |result: &LicenceResult| {
        let (end, because) = match &result.end {
            LicenceEnd::Given { location } => ("given", json!({ "usage_location": location })),
            LicenceEnd::Has { message } => ("has", json!({ "message": message })),
            LicenceEnd::Cannot(obstacle) => ("cannot", json!(obstacle)),
            LicenceEnd::Refused { code, message, remedy } => {
                ("refused", json!({ "code": code, "message": message, "remedy": remedy }))
            }
            LicenceEnd::NotSettled { message } => ("not-settled", json!({ "message": message })),
        };
        json!({ "object": result.object, "sign_in_name": result.sign_in_name, "end": end, "because": because })
    };
    json!({
        "connector": &*plan.connector,
        "product": plan.product,
        "without_plans": plan.without_plans,
        "digest": plan.digest.as_str(),
        "free": report.free,
        "interrupted": report.interrupted,
        "passed_over": plan.passed_over,
        "written": true,
        "users": report.results.iter().map(line).collect::<Vec<_>>(),
    })
}
