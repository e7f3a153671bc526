//! Gives the licences of a plan, in batches, each user's outcome kept in the history when its batch is answered. Writes nothing
//! in staging mode, nor to a system that is not as it was. Broken off, the same command gives what is left.

use super::listing::{desk, unreadable};
use super::plan::{LicencePlan, LicencePlanLine, LicenceRequest, plan_licences};
use super::selection::LicenceSelection;
use crate::engine::{Engine, EngineError};
use crate::names::ObjectName;
use crate::status;
use connector_contract::{ExportOutcome, LicenceOrder};
use std::collections::BTreeMap;
use sync_kernel::{LicenceDecision, LicenceObstacle};
use sync_rules::ConnectorName;
use sync_store::{EventLevel, NewEvent};

/// A refusal that every other user would meet as well.
const NO_RIGHT: &str = "permission-issue";

/// What came of a plan.
#[derive(Debug, Clone)]
pub struct LicenceReport {
    pub results: Vec<LicenceResult>,
    /// Units that are free now, where the target said.
    pub free: Option<u64>,
    /// The operator stopped it.
    pub interrupted: bool,
}

#[derive(Debug, Clone)]
pub struct LicenceResult {
    pub object: ObjectName,
    pub sign_in_name: Option<String>,
    pub end: LicenceEnd,
}

#[derive(Debug, Clone)]
pub enum LicenceEnd {
    Given {
        location: Option<String>,
    },
    Has {
        message: String,
    },
    /// It was not tried.
    Cannot(LicenceObstacle),
    Refused {
        code: String,
        message: String,
        remedy: String,
    },
    /// It is not known whether it was given, or it was not sent: the same command settles it.
    NotSettled {
        message: String,
    },
}

impl Engine {
    /// Who would be given a licence; writes nothing but, where the credential is refused, that it was (SF23).
    pub async fn plan_licences(
        &mut self,
        name: &ConnectorName,
        selection: &LicenceSelection,
        request: &LicenceRequest,
    ) -> Result<LicencePlan, EngineError> {
        let (name, connector) = self.known_connector(name)?;
        let mark = connector.credential();
        let planned = plan_licences(&self.reading(), &name, connector.as_ref(), selection, request).await;
        if let (Some(mark), Err(EngineError::LinkRefused { code, message, remedy })) = (&mark, &planned)
            && *code == status::NO_START_CREDENTIALS
        {
            self.credential_refused(mark, message, remedy)?;
        }
        planned
    }

    /// How many users may be written to on a word that names no list: the limit that the guard has for each of its kinds (SF12).
    pub fn licence_limit(&self, name: &str) -> Result<u64, EngineError> {
        Ok(self.deployment.guards.limit(self.store.space_size(name)?))
    }

    /// Carries the plan out.
    ///
    /// # Errors
    /// When nothing may be written now at all: the plan's own refusal, staging mode, or the state of the connected system.
    pub async fn assign_licences(
        &mut self,
        plan: &LicencePlan,
        by: &str,
        note: &str,
    ) -> Result<LicenceReport, EngineError> {
        if let Some(refusal) = plan.refusal.clone() {
            let LicenceObstacle { code, message, remedy } = refusal;
            return Err(EngineError::LinkRefused { code, message, remedy });
        }
        if self.deployment.staging {
            return Err(EngineError::LinkRefused {
                code: status::NO_START_STAGING_MODE,
                message: "this deployment is in staging mode: it writes nothing".to_owned(),
                remedy: "set `staging = false` in metasync.toml".to_owned(),
            });
        }
        let (name, connector) = self.known_connector(&plan.connector)?;
        if plan.wanted() > 0 {
            if let Some(end) = self.look_at_system_of(&name, connector.as_ref()).await? {
                let message = format!("{name}: {}", end.message);
                return Err(EngineError::LinkRefused { code: "licence-system-closed", message, remedy: end.remedy });
            }
            self.begin(plan, by, note)?;
        }
        let desk = desk(&name, connector.as_ref())?;
        let (open, settled): (Vec<&LicencePlanLine>, Vec<&LicencePlanLine>) =
            plan.lines.iter().partition(|line| matches!(line.decision, LicenceDecision::Assign { .. }));
        let mut report = LicenceReport { results: Vec::new(), free: None, interrupted: false };
        let mut halted: Option<String> = None;
        for lines in open.chunks(desk.batch_size().max(1)) {
            if self.stop.is_stopped() && halted.is_none() {
                report.interrupted = true;
                halted = Some("not sent: stopped by the operator".to_owned());
            }
            if let Some(why) = &halted {
                report.results.extend(lines.iter().map(|line| result(line, not_settled(why))));
                continue;
            }
            let orders: Vec<LicenceOrder> = lines.iter().filter_map(|line| order(plan, line)).collect();
            let mut answers: BTreeMap<i64, ExportOutcome> = match desk.assign(&orders).await {
                Ok(answers) => answers.into_iter().collect(),
                Err(error) => {
                    halted = Some(format!("not sent: {error}"));
                    BTreeMap::new()
                }
            };
            let unanswered = halted.clone().unwrap_or_else(|| "the connector gave no outcome for it".to_owned());
            let results: Vec<LicenceResult> = lines
                .iter()
                .map(|line| result(line, end_of(line, answers.remove(&line.object.id), &unanswered)))
                .collect();
            if halted.is_none() && results.iter().all(|result| is_refused_as(&result.end, NO_RIGHT)) {
                halted = Some("not sent: the right is missing for everybody".to_owned());
            }
            self.keep(plan, &results)?;
            report.results.extend(results);
        }
        report.results.extend(settled.into_iter().map(|line| result(line, end_of_unsent(&line.decision))));
        if plan.wanted() > 0 {
            let products = desk.products().await.map_err(unreadable);
            let now = products.ok().and_then(|all| all.into_iter().find(|product| product.id == plan.product.id));
            report.free = now.map(|product| product.free());
        }
        Ok(report)
    }

    /// Kept before the first byte leaves.
    fn begin(&mut self, plan: &LicencePlan, by: &str, note: &str) -> Result<(), EngineError> {
        let users = plan.wanted();
        let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
        let message = format!(
            "{by} gives {} to {users} user{} of {}{note}",
            plan.product.name,
            if users == 1 { "" } else { "s" },
            plan.connector
        );
        let event = NewEvent { level: EventLevel::Information, code: "licences".to_owned(), message };
        Ok(self.store.add_events(&[event], self.clock.now())?)
    }

    fn keep(&mut self, plan: &LicencePlan, results: &[LicenceResult]) -> Result<(), EngineError> {
        let events: Vec<NewEvent> = results.iter().map(|result| event(plan, result)).collect();
        Ok(self.store.add_events(&events, self.clock.now())?)
    }
}

fn event(plan: &LicencePlan, result: &LicenceResult) -> NewEvent {
    let user = result.sign_in_name.as_deref().unwrap_or(&result.object.name);
    let product = &plan.product.name;
    let (level, code, message) = match &result.end {
        LicenceEnd::Given { location: None } => {
            (EventLevel::Information, "licence-given", format!("{user} was given {product}"))
        }
        LicenceEnd::Given { location: Some(location) } => (
            EventLevel::Information,
            "licence-given",
            format!("{user} was given {product}, and the usage location {location} before"),
        ),
        LicenceEnd::Refused { message, .. } => {
            (EventLevel::Error, "licence-refused", format!("{user} was not given {product}: {message}"))
        }
        LicenceEnd::NotSettled { message } => {
            (EventLevel::Warning, "licence-not-settled", format!("{user} may not have {product}: {message}"))
        }
        LicenceEnd::Has { message } | LicenceEnd::Cannot(LicenceObstacle { message, .. }) => {
            (EventLevel::Information, "licence-not-tried", format!("{user}: {message}"))
        }
    };
    NewEvent { level, code: code.to_owned(), message }
}

fn result(line: &LicencePlanLine, end: LicenceEnd) -> LicenceResult {
    LicenceResult { object: line.object.clone(), sign_in_name: line.sign_in_name.clone(), end }
}

fn order(plan: &LicencePlan, line: &LicencePlanLine) -> Option<LicenceOrder> {
    let LicenceDecision::Assign { location } = &line.decision else { return None };
    Some(LicenceOrder {
        id: line.object.id,
        user: line.anchor.clone()?,
        product: plan.product.id.clone(),
        without_plans: plan.plan_ids.clone(),
        usage_location: location.clone(),
    })
}

fn not_settled(message: &str) -> LicenceEnd {
    LicenceEnd::NotSettled { message: message.to_owned() }
}

fn end_of(line: &LicencePlanLine, answer: Option<ExportOutcome>, unanswered: &str) -> LicenceEnd {
    match answer {
        Some(ExportOutcome::Accepted { .. }) => match &line.decision {
            LicenceDecision::Assign { location } => LicenceEnd::Given { location: location.clone() },
            other => end_of_unsent(other),
        },
        Some(ExportOutcome::Refused(problem)) => {
            LicenceEnd::Refused { code: problem.code, message: problem.message, remedy: problem.remedy }
        }
        Some(ExportOutcome::NotSettled { message, .. }) => LicenceEnd::NotSettled { message },
        None => not_settled(unanswered),
    }
}

fn end_of_unsent(decision: &LicenceDecision) -> LicenceEnd {
    match decision {
        LicenceDecision::Has { message } => LicenceEnd::Has { message: message.clone() },
        LicenceDecision::Cannot(obstacle) => LicenceEnd::Cannot(obstacle.clone()),
        LicenceDecision::Assign { .. } => not_settled("not sent"),
    }
}

fn is_refused_as(end: &LicenceEnd, wanted: &str) -> bool {
    matches!(end, LicenceEnd::Refused { code, .. } if code == wanted)
}
