//! Carries out the operator's rule tests: the real engine on systems in memory and a store in a temporary folder, by the
//! deployment's rules. Touches no connected system and no deployment; what is expected is compared, never decided here.

mod bench;
mod compare;
mod export;
mod system;

use crate::engine::EngineError;
use bench::Bench;
use metaverse_schema::ConnectorSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use sync_rules::{ConnectorName, Deployment, RuleSet, RuleTest, SourcePlace};

/// How one test came out.
#[derive(Debug, Clone)]
pub struct TestOutcome {
    pub name: String,
    pub place: SourcePlace,
    /// Empty: the test passed.
    pub mismatches: Vec<Mismatch>,
}

/// One expectation that did not come true.
#[derive(Debug, Clone)]
pub struct Mismatch {
    /// Name of the step; empty for the test itself.
    pub step: String,
    /// What the test calls the object; empty where it is about the whole test.
    pub object: String,
    /// Such as `metaverse title`, `export to cloud`, `joined`.
    pub what: String,
    pub place: SourcePlace,
    pub wanted: String,
    pub found: String,
    /// The flows that were weighed for the value, the winner first.
    pub because: Vec<Because>,
}

/// A flow that took part in a value that was not expected.
#[derive(Debug, Clone, Serialize)]
pub struct Because {
    pub rule: String,
    pub rule_name: String,
    #[serde(skip)]
    pub place: SourcePlace,
    /// Such as `won`, `lower precedence`, `no value`.
    pub verdict: String,
    /// The attribute, constant or expression of the flow.
    pub source: String,
    /// What it gave.
    pub values: String,
}

/// Carries one test out. `deployment` and `schemas` are those that the test was checked with; nothing of the deployment
/// but its settings is used.
pub async fn run_rule_test(
    deployment: &Deployment,
    rules: &RuleSet,
    schemas: &BTreeMap<ConnectorName, ConnectorSchema>,
    test: &RuleTest,
) -> Result<TestOutcome, EngineError> {
    let rules = match test.matching {
        Some(matching) => rules.clone().with_matching(matching),
        None => rules.clone(),
    };
    let mut bench = Bench::new(deployment, rules, schemas)?;
    let mut mismatches = Vec::new();
    for (number, step) in test.steps.iter().enumerate() {
        mismatches.extend(bench.carry_out(step).await?);
        let is_last = number + 1 == test.steps.len();
        if step.export && (!is_last || test.settles) {
            mismatches.extend(bench.export(step).await?);
        }
        // What follows a step that went wrong only repeats it.
        if !mismatches.is_empty() {
            break;
        }
        if is_last && test.settles {
            mismatches.extend(bench.second_plan(step).await?);
        }
    }
    Ok(TestOutcome { name: test.name.clone(), place: test.place.clone(), mismatches })
}
