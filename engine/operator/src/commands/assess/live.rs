//! The readiness report from the systems themselves: every connector is read in full and everything is decided on a private
//! store, a copy of the deployment's where there is one, which is thrown away. The judgement is the one that judges files; beside
//! each class stands what the deployment's engine decides, and where the two differ it is said. Writes nothing anywhere.

use super::people::{Gathered, gather};
use super::verdict::compare;
use crate::assess::{Assessment, Options, System, SystemFinding, Weight, judge};
use crate::cli::AssessArgs;
use crate::context::{Context, Opened};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::progress::Progress;
use connector_contract::{CheckFinding, Connector, Severity};
use std::collections::BTreeSet;
use std::sync::Arc;
use sync_rules::{AddressesChoice, ConnectorName, Criterion, Direction, Rule, RuleSet};
use sync_runtime::{Trial, TrialRequest};

/// How the tenant's state names its domains.
const VERIFIED_DOMAIN: &str = "verified domain ";
/// What a check says of a system that is in order, and that is no news in this report.
const NO_NEWS: [&str; 7] =
    ["readable", "attributes", "attribute-not-imported", "writes-not-tried", "own-account", "connected", "licences"];

pub(super) async fn run(context: &Context, args: &AssessArgs) -> Result<Assessment, Failure> {
    let opened = context.open()?;
    let tenant = tenant(&opened, args.connector.as_deref())?;
    context.output.talk(
        "reading every system in full into a private copy, which is thrown away; nothing is exported and the deployment stays as it is",
    );
    let request = TrialRequest {
        deployment: &opened.deployment,
        rules: &opened.rules,
        connectors: opened.connectors.clone(),
        now: context.now(),
        events: Arc::new(Progress::new(context.output)),
        stop: context.stop.clone(),
    };
    let trial = Trial::make(&request).await?;
    if let Some(failure) = not_read(&trial) {
        return Err(failure);
    }
    let gathered = gather(&trial, &opened.rules, &tenant)?;
    let (systems, domains) = systems(&opened, &trial, &tenant).await?;
    let options = Options {
        verified_domains: if args.verified_domain.is_empty() { domains } else { args.verified_domain.clone() },
        suffix: args.suffix.clone(),
        match_by_sign_in_name: matches_by_sign_in_name(&opened.rules, &tenant),
        keeps_addresses: keeps_addresses(&opened.rules, &trial, &tenant)?,
    };
    let Gathered { inventories, subjects, cloud, others } = gathered;
    let mut assessment = judge(&inventories, &options);
    for (line, subject) in assessment.lines.iter_mut().zip(&subjects) {
        compare(line, subject, &cloud);
    }
    assessment.systems = systems;
    assessment.others = others;
    Ok(assessment)
}

fn tenant(opened: &Opened, wanted: Option<&str>) -> Result<ConnectorName, Failure> {
    let mut tenants = opened
        .deployment
        .connectors
        .iter()
        .filter(|config| config.kind == "azure-ad" && wanted.is_none_or(|wanted| wanted == &*config.name));
    match (tenants.next(), tenants.next()) {
        (Some(config), None) => Ok(config.name.clone()),
        _ => Err(Failure::new(
            "connector-unknown",
            "this deployment has not exactly one Azure AD connector of that name",
            "name it with --connector, or give two inventories with --ad and --cloud",
        )),
    }
}

/// Half a picture would call people new who exist: all systems that broke off are named, and nothing is judged.
fn not_read(trial: &Trial) -> Option<Failure> {
    let broken = trial.not_read();
    if broken.is_empty() {
        return None;
    }
    let message: Vec<String> = broken
        .iter()
        .map(|system| match system.message.is_empty() {
            true => format!("`{}` was not read whole: {}", system.connector, system.status),
            false => format!("`{}` was not read whole: {} ({})", system.connector, system.message, system.status),
        })
        .collect();
    let mut remedies: Vec<&str> = Vec::new();
    for remedy in broken.iter().map(|system| system.remedy.as_str()).filter(|remedy| !remedy.is_empty()) {
        if !remedies.contains(&remedy) {
            remedies.push(remedy);
        }
    }
    remedies.push("`metasync check` tells what each system lacks");
    let failure = Failure::new("not-read", message.join("; "), remedies.join("; "));
    Some(failure.with_exit(Exit::Stopped))
}

fn rules_to<'r>(rules: &'r RuleSet, tenant: &'r str) -> impl Iterator<Item = &'r Rule> {
    rules.rules.iter().filter(move |rule| rule.direction == Direction::Outbound && &*rule.connector == tenant)
}

/// A join group that the settings switch off is not in the rules at all.
fn matches_by_sign_in_name(rules: &RuleSet, tenant: &str) -> bool {
    rules_to(rules, tenant).flat_map(|rule| &rule.join).any(|group| group.criterion == Criterion::SignInName)
}

fn keeps_addresses(rules: &RuleSet, trial: &Trial, tenant: &str) -> Result<bool, Failure> {
    let schema = trial.store().schema(tenant)?.unwrap_or_default();
    let is_written = |name: &str| schema.attributes.get(name).is_some_and(|definition| definition.writable);
    let would_hold = rules_to(rules, tenant).filter_map(|rule| rule.takeover.as_ref()).any(|takeover| {
        let written = takeover.addresses.as_ref().is_some_and(|addresses| is_written(addresses.as_str()));
        written && takeover.addresses_choice != AddressesChoice::KeepCloud
    });
    Ok(!would_hold)
}

/// What every system says of itself, and the verified domains of the tenant where it tells them.
async fn systems(opened: &Opened, trial: &Trial, tenant: &str) -> Result<(Vec<System>, Vec<String>), Failure> {
    let (mut systems, mut domains) = (Vec::new(), Vec::new());
    for config in &opened.deployment.connectors {
        let Some(connector) = opened.connectors.get(&config.name) else { continue };
        let mut findings: Vec<SystemFinding> =
            connector.check().await.findings.into_iter().filter_map(of_check).collect();
        if *config.name == *tenant {
            let state = state(connector.as_ref(), &mut findings).await;
            domains = state;
        }
        of_import(trial, &config.name, &mut findings);
        let mut told = BTreeSet::new();
        findings.retain(|finding| told.insert((finding.code.clone(), finding.message.clone())));
        let objects = trial.store().counts(&config.name)?.objects;
        systems.push(System { name: config.name.to_string(), kind: config.kind.clone(), objects, findings });
    }
    Ok((systems, domains))
}

fn of_check(finding: CheckFinding) -> Option<SystemFinding> {
    let weight = match finding.severity {
        Severity::Error => Weight::Mend,
        Severity::Warning => Weight::Look,
        Severity::Ok => Weight::Fine,
    };
    let is_news = !NO_NEWS.contains(&finding.code.as_str()) && !finding.code.starts_with("limitation");
    let CheckFinding { code, message, remedy, .. } = finding;
    (is_news || weight > Weight::Fine).then_some(SystemFinding { weight, code, message, remedy })
}

/// SF24, SF25: facts of the tenant, and why it may not be written to.
async fn state(connector: &dyn Connector, findings: &mut Vec<SystemFinding>) -> Vec<String> {
    let mut domains = Vec::new();
    let Some(system) = connector.system_state() else { return domains };
    match system.system_state().await {
        Ok(state) => {
            for (name, value) in &state.facts {
                if let Some(domain) = name.strip_prefix(VERIFIED_DOMAIN) {
                    domains.push(domain.to_owned());
                    // Passwords of a federated domain are checked elsewhere.
                    if !value.eq_ignore_ascii_case("managed") {
                        findings.push(SystemFinding {
                            weight: Weight::Look,
                            code: "domain-federated".to_owned(),
                            message: format!("{domain} is not managed by the tenant but {value}"),
                            remedy: "its people sign in elsewhere: synchronised passwords serve as a fallback only"
                                .to_owned(),
                        });
                    }
                }
            }
            findings.extend(state.closed.map(|closed| SystemFinding {
                weight: Weight::Mend,
                code: closed.status.to_owned(),
                message: closed.message,
                remedy: closed.remedy,
            }));
        }
        Err(error) => findings.push(SystemFinding {
            weight: Weight::Mend,
            code: "state-unreadable".to_owned(),
            message: format!("{}: {}", error.attempted, error.message),
            remedy: error.remedy,
        }),
    }
    domains
}

/// What its import noted, and objects that could not be read.
fn of_import(trial: &Trial, connector: &str, findings: &mut Vec<SystemFinding>) {
    let runs = trial.report.runs.iter().filter(|run| run.connector == connector);
    for step in runs.flat_map(|run| &run.steps).filter(|step| step.step_type.ends_with("import")) {
        findings.extend(step.notes.iter().map(|note| SystemFinding {
            weight: Weight::Look,
            code: note.code.clone(),
            message: note.message.clone(),
            remedy: String::new(),
        }));
        findings.extend(step.first_errors.iter().map(|error| SystemFinding {
            weight: Weight::Mend,
            code: error.code.clone(),
            message: format!("{}: {}", error.object, error.message),
            remedy: "correct that object in its system".to_owned(),
        }));
    }
}
