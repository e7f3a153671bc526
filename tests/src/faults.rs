//! Whole deployments on a tenant that breaks by a seed: connections cut before and after a request was carried out, refusals,
//! replies that stop half-way, and all that it makes visible only after a while. An operator's cycles go on regardless, and
//! what they come to is compared with what a twin came to that nobody disturbed.

use crate::crash::Mode;
use crate::crash::picture::{differences, of_tenant};
use crate::crash::world::{DIRECTORY, deploy, directory, tenant};
use crate::operator::{Deployment, Ran, binary};
use crate::tenant::{CLIENT_SECRET, Tenant};
use azure_ad_emulator::FaultRates;
use std::collections::BTreeMap;

/// Rounds of change after the first load.
const GENERATIONS: usize = 2;
/// Cycles that a generation may take: a run that a fault ended is followed by the next one, as a schedule would.
const CYCLES: usize = 8;
/// Exit codes of a cycle: all well, something waits for an operator, single objects in error, ended by a fault.
const WELL: [i32; 2] = [0, 3];
const ENDED: [i32; 4] = [0, 3, 4, 5];
/// How long what the tenant makes cannot be seen.
const REPLICATION_MS: u64 = 200;
/// Of the differences that are told.
const SHOWN: usize = 6;

/// What the tenant of one deployment came to.
#[derive(Debug)]
pub struct Outcome {
    pub objects: Vec<String>,
    /// Faults that were played, by kind.
    pub faults: BTreeMap<String, usize>,
    /// Objects that the tenant made: by then, each of them once.
    pub created: usize,
    pub cycles: usize,
    /// Writes of a cycle when nothing was left to do.
    pub writes_at_the_end: u64,
    /// What was still to be exported then.
    pub pending_at_the_end: String,
}

/// A deployment from its first load over two rounds of change. `seed`: of the faults; none: no faults.
pub fn play(mode: Mode, people: usize, seed: Option<u64>) -> Outcome {
    let tenant = tenant(mode, people, REPLICATION_MS);
    let mut deployment = Deployment::new();
    deployment.variable("METASYNC_CLIENT_SECRET", CLIENT_SECRET);
    deploy(&deployment.folder, &tenant, mode, people, &binary());
    rates(&tenant, seed);
    let (mut cycles, mut created, mut faults) = (0, 0, BTreeMap::new());
    let mut count = |tenant: &Tenant| {
        let log = tenant.running.request_log();
        created += log
            .iter()
            .filter(|request| request.applied && request.method == "POST" && request.path.ends_with("/users"))
            .count();
        for request in log {
            if let Some(fault) = request.fault {
                *faults.entry(fault).or_default() += 1;
            }
        }
        tenant.forget_requests();
    };
    for generation in 0..=GENERATIONS {
        std::fs::write(deployment.file(DIRECTORY), directory(mode, people, generation)).expect("written");
        let kind = if generation == 0 { "initial" } else { "delta" };
        let mut told = Vec::new();
        loop {
            let ran = deployment.run(&["cycle", kind]);
            assert!(ENDED.contains(&ran.code), "seed {seed:?}, generation {generation}: {}", shown(&ran));
            cycles += 1;
            count(&tenant);
            if WELL.contains(&ran.code) {
                break;
            }
            told.push(shown(&ran));
            assert!(told.len() < CYCLES, "seed {seed:?}, generation {generation} does not end:\n{}", told.join("\n"));
        }
    }
    rates(&tenant, None);
    // What the last cycles could not confirm is confirmed by this one, and nothing is left for another.
    deployment.run(&["cycle", "delta"]).expect(&WELL);
    cycles += 1;
    count(&tenant);
    let last = deployment.run(&["cycle", "delta"]).expect(&WELL);
    let pending = deployment.run(&["pending", "cloud"]).expect(&WELL);
    let outcome = Outcome {
        objects: of_tenant(&tenant).0,
        faults,
        created,
        cycles,
        writes_at_the_end: tenant.writes(),
        pending_at_the_end: format!("{}{}", last.out, pending.out),
    };
    tenant.stop();
    outcome
}

/// 1 % cut before, 1 % cut after it was carried out, 1 % 503, 1 % truncated.
fn rates(tenant: &Tenant, seed: Option<u64>) {
    let rates = seed.map_or_else(FaultRates::default, |seed| FaultRates {
        seed,
        cut_before: 0.01,
        cut_after: 0.01,
        status: 0.01,
        truncated_body: 0.01,
        ..FaultRates::default()
    });
    tenant.running.update_knobs(|knobs| knobs.fault_rates = rates).expect("knobs");
}

fn shown(ran: &Ran) -> String {
    format!("exit {}\n{}{}", ran.code, ran.out, ran.err)
}

/// Plays all seeds, some at a time, and compares each with a twin without faults; all faults that were played, by kind.
#[track_caller]
pub fn compare(
    mode: Mode,
    people: usize,
    seeds: std::ops::RangeInclusive<u64>,
    at_a_time: usize,
) -> BTreeMap<String, usize> {
    let twin = play(mode, people, None);
    assert_eq!(twin.writes_at_the_end, 0, "{}", twin.pending_at_the_end);
    let seeds: Vec<u64> = seeds.collect();
    let (mut all, mut problems) = (BTreeMap::new(), Vec::new());
    for some in seeds.chunks(at_a_time) {
        let outcomes: Vec<(u64, Outcome)> = std::thread::scope(|scope| {
            let playing: Vec<_> =
                some.iter().map(|seed| (*seed, scope.spawn(|| play(mode, people, Some(*seed))))).collect();
            playing.into_iter().map(|(seed, played)| (seed, played.join().expect("it is played to its end"))).collect()
        });
        for (seed, outcome) in outcomes {
            problems.extend(problem(&twin, &outcome).map(|problem| format!("{mode:?}, seed {seed}: {problem}")));
            for (fault, count) in outcome.faults {
                *all.entry(fault).or_default() += count;
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
    all
}

/// What is otherwise than in the twin, or not done.
fn problem(twin: &Outcome, outcome: &Outcome) -> Option<String> {
    let found = differences(&twin.objects, &outcome.objects);
    let made = (outcome.created != twin.created)
        .then(|| format!("{} users were made over Graph, not {}", outcome.created, twin.created));
    let written = (outcome.writes_at_the_end > 0)
        .then(|| format!("the second plan is not empty: {} writes", outcome.writes_at_the_end));
    let all: Vec<String> = made.into_iter().chain(written).chain(found.into_iter().take(SHOWN)).collect();
    (!all.is_empty()).then(|| format!("{}\n{}", all.join("\n"), outcome.pending_at_the_end))
}
