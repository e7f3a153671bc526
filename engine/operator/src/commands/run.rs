//! `metasync run` and `metasync cycle`: hand over to the engine and show what came of it.

use crate::cli::{CycleArgs, CycleKindArg, RunArgs, RunOptionsArgs};
use crate::context::{Context, Opened};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, to_json};
use crate::render::runs;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use sync_rules::RuleSet;
use sync_runtime::{Counters, CycleKind, RunOptions, RunReport, Severity, is_limitation};

pub(crate) async fn run(context: &Context, args: &RunArgs) -> Result<Report, Failure> {
    let opened = with_workers(context.open()?, &args.options);
    let mut engine = context.engine(opened)?;
    retry_refused(&mut engine, &args.options)?;
    let report = engine.run_profile(&args.connector, &args.profile, &options(&args.options)).await?;
    engine.close()?;
    let exit = exit_of_run(&report);
    Ok(Report::new(exit, runs::run(&report, &context.option()), to_json(&report)))
}

/// What a run leaves waiting is told by the cycle and by `pending`; a single run answers for its own steps.
fn exit_of_run(report: &RunReport) -> Exit {
    let refused_by_staging = report.steps.iter().any(|step| step.status == "no-start-staging-mode");
    if refused_by_staging && report.severity == Severity::Stopped {
        Exit::Waiting
    } else {
        Exit::of_run(report.severity, false)
    }
}

pub(crate) async fn cycle(context: &Context, args: &CycleArgs) -> Result<Report, Failure> {
    let mut opened = with_workers(context.open()?, &args.options);
    opened.deployment.staging |= args.staging;
    let kind = match args.kind {
        CycleKindArg::Initial => CycleKind::Initial,
        CycleKindArg::Delta => CycleKind::Delta,
    };
    let rules = opened.rules.clone();
    let mut engine = context.engine(opened)?;
    retry_refused(&mut engine, &args.options)?;
    let report = engine.cycle(kind, &options(&args.options)).await?;
    engine.close()?;
    let exit = Exit::of_run(report.severity, !report.waiting.is_empty());
    let mut json = to_json(&report);
    if let Some(fields) = json.as_object_mut() {
        fields.insert("limitation_codes".to_owned(), limitation_codes(&rules, report.held.values()));
    }
    Ok(Report::new(exit, runs::cycle(&report, &rules, &context.option()), json))
}

/// Which of the held codes are limitations, for programs that only want what waits for somebody.
pub(crate) fn limitation_codes<'a>(rules: &RuleSet, held: impl Iterator<Item = &'a Counters>) -> Value {
    let codes: BTreeSet<&String> = held.flat_map(BTreeMap::keys).filter(|code| is_limitation(rules, code)).collect();
    to_json(&codes)
}

fn options(args: &RunOptionsArgs) -> RunOptions {
    RunOptions { force_export: args.force_export, accept_shrunken_read: args.accept_shrunken_read }
}

fn with_workers(mut opened: Opened, args: &RunOptionsArgs) -> Opened {
    if let Some(workers) = args.workers {
        opened.deployment.workers = usize::from(workers);
    }
    opened
}

/// The operator's word that refused exports may be sent again (invariant 3).
fn retry_refused(engine: &mut sync_runtime::Engine, args: &RunOptionsArgs) -> Result<(), Failure> {
    if args.retry_refused {
        let connectors: Vec<_> = engine.connectors().keys().cloned().collect();
        for connector in connectors {
            engine.store_mut().retry_refused(&connector, None)?;
        }
    }
    Ok(())
}
