//! Takes one world through all stages. At each it keeps what was before, lets an undisturbed run show what comes after and
//! which fail points it passes, and then kills it again and again, each time from what was before.

use super::child::{Death, Ended, Passage, binary, fail_points, passages, run};
use super::picture::{Names, differences, names, of_snapshot, of_store, of_tenant};
use super::power::{Cut, Log};
use super::report::{POWER, RANDOM, Tally};
use super::stages::{STAGES, Stage};
use super::world::{DIRECTORY, Mode, deploy, directory, tenant};
use crate::tenant::Tenant;
use azure_ad_emulator::KeptTenant;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use sync_kernel::{PendingOperation, SentState};
use sync_store::Store;

/// How large the world is and how often it is killed.
#[derive(Debug, Clone)]
pub struct Settings {
    pub mode: Mode,
    pub people: usize,
    pub kills: usize,
    /// The same seed, the same kills.
    pub seed: u64,
    /// How long what the tenant makes cannot be seen.
    pub replication_ms: u64,
    /// Told as it goes on.
    pub tell: fn(&str),
}

/// Exit codes of a run that did what it could: all well, and something is held.
const GOOD: [Option<i32>; 2] = [Some(0), Some(3)];
const STORE: &str = "metasync.db";
/// A fail point that only one stage passes is hit with one kill of so many.
const ONE_OF: usize = 50;
/// Of those differences that are printed.
const SHOWN: usize = 4;

pub struct Harness {
    settings: Settings,
    tenant: Tenant,
    keep: tempfile::TempDir,
    random: u64,
    tally: Tally,
    points: Vec<String>,
    /// The comparison of the kill before, which goes on beside the next one.
    comparing: Option<JoinHandle<Differences>>,
}

/// What a resumed run came to that an undisturbed one did not.
#[derive(Debug)]
struct Differences {
    what: String,
    in_tenant: Vec<String>,
    in_store: Vec<String>,
}

/// One way to end a run.
#[derive(Debug, Clone)]
struct Kill {
    death: Death,
    power: Option<PowerLoss>,
}

#[derive(Debug, Clone, Copy)]
enum PowerLoss {
    Behind,
    Within,
}

/// A stage as it was before, and as it is after an undisturbed run.
struct Twin {
    stage: usize,
    tenant_before: KeptTenant,
    names_before: Names,
    passages: Vec<Passage>,
    took: Duration,
    tenant_lines: Vec<String>,
    store_lines: Vec<String>,
}

impl Harness {
    pub fn new(settings: Settings) -> Self {
        let keep = tempfile::Builder::new().prefix("metasync-crash-").tempdir().expect("a temporary folder");
        let tenant = tenant(settings.mode, settings.people, settings.replication_ms);
        deploy(&keep.path().join("before"), &tenant, settings.mode, settings.people, &binary());
        let random = settings.seed;
        let points = fail_points().into_iter().filter(|point| settings.mode.passes(point)).collect();
        Harness { settings, tenant, keep, random, tally: Tally::default(), points, comparing: None }
    }

    /// All stages; what came of the kills.
    pub fn run(mut self) -> Tally {
        let shares: usize = STAGES.iter().map(|stage| stage.share).sum();
        let mut planned = 0;
        let mut spent = 0;
        for (number, stage) in STAGES.iter().enumerate() {
            planned += stage.share;
            let due = self.settings.kills * planned / shares - spent;
            spent += due;
            let twin = Arc::new(self.undisturbed(number, stage));
            let kept = self.tenant.running.keep();
            for kill in self.choose(&twin, due) {
                self.kill(&twin, stage, &kill);
            }
            self.take_comparison();
            (self.settings.tell)(&format!("  {} kills, {} problems", self.tally.kills, self.tally.problems.len()));
            self.tenant.running.go_back(&kept);
            replace(&self.folder("after"), &self.folder("before"));
        }
        self.nothing_is_left_to_do();
        self.tenant.stop();
        self.tally
    }

    /// Invariant 3, at the end of all stages: one more cycle confirms, and after it nothing is written.
    fn nothing_is_left_to_do(&mut self) {
        for last in [false, true] {
            self.tenant.forget_requests();
            let ended = run(&self.folder("before"), &["cycle", "delta"], None, None);
            assert!(
                of_tenant(&self.tenant).0.len() > self.settings.people,
                "the exports of this world wrote something"
            );
            let writes = self.tenant.writes();
            if !GOOD.contains(&ended.code) || last && writes > 0 {
                self.tally.problems.push(format!("the last cycle wrote {writes} times: {ended}"));
            }
        }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.keep.path().join(name)
    }

    fn undisturbed(&mut self, number: usize, stage: &Stage) -> Twin {
        let before = self.folder("before");
        std::fs::write(before.join(DIRECTORY), directory(self.settings.mode, self.settings.people, stage.generation))
            .expect("written");
        let tenant_before = self.tenant.running.keep();
        let names_before = names(&self.tenant.running.snapshot());
        let after = self.folder("after");
        replace(&before, &after);
        let trace = self.folder("trace");
        // Of the stage before, or none.
        let _old = std::fs::remove_file(&trace);
        let ended = run(&after, stage.command, None, Some(&trace));
        assert!(GOOD.contains(&ended.code), "{}: {ended}", stage.name);
        if let Some(ended) = stage.settled_by.map(|command| run(&after, command, None, None)) {
            assert!(GOOD.contains(&ended.code), "what follows {}: {ended}", stage.name);
        }
        let (tenant_lines, names) = of_tenant(&self.tenant);
        let store_lines = of_store(&after.join(STORE), &names).expect("the store is whole");
        let passages = passages(&trace);
        (self.settings.tell)(&format!(
            "{}: {:.1} s, {} passages, {} objects in the tenant",
            stage.name,
            ended.took.as_secs_f64(),
            passages.len(),
            tenant_lines.len()
        ));
        Twin { stage: number, tenant_before, names_before, passages, took: ended.took, tenant_lines, store_lines }
    }

    /// Kills for a stage: the fail points that were hit least so far, spread over all passages; every eighth as a loss of
    /// power, of the others every sixth at a random time.
    fn choose(&mut self, twin: &Twin, kills: usize) -> Vec<Kill> {
        let mut most: BTreeMap<&str, u64> = BTreeMap::new();
        for passage in &twin.passages {
            let count = most.entry(passage.point.as_str()).or_default();
            *count = (*count).max(passage.count);
        }
        let mut planned: HashMap<String, usize> = HashMap::new();
        let mut chosen = Vec::new();
        for number in self.tally.kills..self.tally.kills + kills {
            let power = match number % 16 {
                5 => Some(PowerLoss::Within),
                13 => Some(PowerLoss::Behind),
                _ => None,
            };
            if number % 6 == 2 && power.is_none() {
                let share = self.draw(1_000);
                chosen.push(Kill { death: Death::After(twin.took.mul_f64(share as f64 / 1_000.0)), power: None });
                continue;
            }
            let wanted = match power {
                Some(PowerLoss::Within) => Some("store-committed"),
                Some(PowerLoss::Behind) => ["provisioning-answered", "graph-send", "graph-answered", "store-commit"]
                    .into_iter()
                    .find(|point| most.contains_key(point)),
                None => None,
            };
            let point = wanted.map(str::to_owned).or_else(|| {
                let hits = |point: &str| self.tally.hits_of(point) + planned.get(point).copied().unwrap_or(0);
                let own = STAGES[twin.stage].own_point.filter(|own| hits(own) * ONE_OF < self.settings.kills);
                own.or_else(|| most.keys().min_by_key(|point| hits(point)).copied()).map(str::to_owned)
            });
            let Some(point) = point else { continue };
            let passages = most.get(point.as_str()).copied().unwrap_or(1);
            let count = 1 + self.draw(passages);
            if power.is_none() {
                *planned.entry(point.clone()).or_default() += 1;
            }
            chosen.push(Kill { death: Death::At { point, count }, power });
        }
        chosen
    }

    /// A number below `bound` (splitmix64).
    fn draw(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    fn kill(&mut self, twin: &Arc<Twin>, stage: &Stage, kill: &Kill) {
        let folder = self.folder("killed");
        let mut kill = kill.clone();
        let mut ended = self.begin_and_end(twin, stage, &folder, &kill);
        // Too late: it had ended by itself. Or, of a fail point, fewer passages than the first time: requests go in any order.
        for _ in 0..20 {
            if ended.signal.is_some() {
                break;
            }
            match &mut kill.death {
                Death::After(wait) => *wait = wait.mul_f64(0.7),
                Death::At { count, .. } => *count = (*count).div_ceil(2),
            }
            ended = self.begin_and_end(twin, stage, &folder, &kill);
        }
        let what = format!(
            "{}, {:?}{}",
            stage.name,
            kill.death,
            kill.power.map_or(String::new(), |power| format!(", power lost {power:?}"))
        );
        if ended.signal.is_none() {
            self.tally.problems.push(format!("{what}: it was not killed: {ended}"));
            return;
        }
        let point = match (&kill.power, &kill.death) {
            (Some(_), _) => POWER.to_owned(),
            (None, Death::At { point, .. }) => point.clone(),
            (None, Death::After(_)) => RANDOM.to_owned(),
        };
        self.tally.hit(&point, twin.stage);
        if let Some(power) = kill.power {
            self.lose_power(&folder, power, &what);
        }
        self.look_at_the_store(twin, &folder, &what);
        let mut resumed = run(&folder, stage.command, None, None);
        if let Some(command) = stage.settled_by.filter(|_| GOOD.contains(&resumed.code)) {
            resumed = run(&folder, command, None, None);
        }
        if !GOOD.contains(&resumed.code) {
            self.tally.not_resumed += 1;
            self.tally.problems.push(format!("{what}: the next run: {resumed}"));
            return;
        }
        self.compare(twin, &folder, what);
    }

    fn begin_and_end(&mut self, twin: &Twin, stage: &Stage, folder: &Path, kill: &Kill) -> Ended {
        replace(&self.folder("before"), folder);
        self.tenant.running.go_back(&twin.tenant_before);
        run(folder, stage.command, Some(&kill.death), None)
    }

    /// Cuts the log. Within the last transaction it is cut at every frame, on copies; the last of them stays.
    fn lose_power(&mut self, folder: &Path, power: PowerLoss, what: &str) {
        let log_file = folder.join("metasync.db-wal");
        let Some(log) = Log::read(&log_file) else { return };
        let cuts: Vec<Cut> = match power {
            PowerLoss::Behind => vec![Cut::BehindLastCommit],
            PowerLoss::Within => {
                let frames = log.last_transaction();
                let step = (frames / 6).max(1);
                (0..frames).step_by(step).map(|frames| Cut::WithinLast { frames }).collect()
            }
        };
        let content_of = |store: &Path| {
            Store::open(store).and_then(|opened| {
                let findings = opened.check_integrity()?;
                opened.close()?;
                Ok((findings, of_store(store, &Names::new())?))
            })
        };
        // What was synced is all there afterwards; a cut within a transaction leaves what was committed before it.
        let mut content: Option<Vec<String>> = match power {
            PowerLoss::Behind => content_of(&self.copy_of_store(folder)).ok().map(|(_, lines)| lines),
            PowerLoss::Within => None,
        };
        for cut in cuts {
            std::fs::write(&log_file, log.cut(cut)).expect("the log is writable");
            let looked = self.copy_of_store(folder);
            match content_of(&looked) {
                // Every cut within one transaction leaves what was committed before it: all of it, and nothing else.
                Ok((findings, lines))
                    if findings.is_empty() && content.as_ref().is_none_or(|content| *content == lines) =>
                {
                    content = Some(lines);
                }
                Ok((findings, _)) => {
                    self.tally.corrupted += 1;
                    self.tally
                        .problems
                        .push(format!("{what}, {cut:?}: {findings:?}, or other content than cut elsewhere"));
                }
                // Cut before its layout was complete, the store is empty; it is laid out by the next run.
                Err(error) => {
                    self.tally.corrupted += 1;
                    self.tally.problems.push(format!("{what}, {cut:?}: {error}"));
                }
            }
        }
    }

    fn copy_of_store(&self, folder: &Path) -> PathBuf {
        let looked = self.folder("looked");
        let _old = std::fs::remove_dir_all(&looked);
        std::fs::create_dir_all(&looked).expect("a folder");
        for name in [STORE, "metasync.db-wal", "metasync.db-journal"] {
            if folder.join(name).exists() {
                std::fs::copy(folder.join(name), looked.join(name)).expect("a copy");
            }
        }
        looked.join(STORE)
    }

    /// The store as it was left, on a copy: whole, and it knows of everything that had reached the tenant.
    fn look_at_the_store(&mut self, twin: &Twin, folder: &Path, what: &str) {
        if !folder.join(STORE).exists() {
            return;
        }
        let looked = self.copy_of_store(folder);
        let outcome = Store::open(&looked).and_then(|store| Ok((store.check_integrity()?, known_to(&store)?)));
        let (findings, known) = match outcome {
            Ok(found) => found,
            Err(error) => {
                self.tally.corrupted += 1;
                self.tally.problems.push(format!("{what}: the store does not open: {error}"));
                return;
            }
        };
        if !findings.is_empty() {
            self.tally.corrupted += 1;
            self.tally.problems.push(format!("{what}: {findings:?}"));
        }
        for (id, key) in names(&self.tenant.running.snapshot()) {
            let is_new = !twin.names_before.contains_key(&id);
            if is_new && !known.contains(&id) && !known.contains(key.trim_matches(['<', '>'])) {
                self.tally.unknown_to_store += 1;
                self.tally.problems.push(format!("{what}: the tenant has {key}, which the store never marked as sent"));
            }
        }
    }

    /// Compares what came of it beside the next kill: both are serial, and there is more than one core.
    fn compare(&mut self, twin: &Arc<Twin>, folder: &Path, what: String) {
        self.take_comparison();
        let compared = self.folder("compared");
        let _old = std::fs::remove_dir_all(&compared);
        std::fs::rename(folder, &compared).expect("a folder of its own");
        let snapshot = self.tenant.running.snapshot();
        let twin = Arc::clone(twin);
        self.comparing = Some(std::thread::spawn(move || {
            let (tenant_lines, names) = of_snapshot(&snapshot);
            let in_store = match of_store(&compared.join(STORE), &names) {
                Ok(lines) => differences(&twin.store_lines, &lines),
                Err(error) => vec![error.to_string()],
            };
            Differences { what, in_tenant: differences(&twin.tenant_lines, &tenant_lines), in_store }
        }));
    }

    fn take_comparison(&mut self) {
        let Some(comparing) = self.comparing.take() else { return };
        let Differences { what, in_tenant, in_store } = comparing.join().expect("a comparison ends");
        let lost = in_tenant.iter().filter(|line| line.starts_with('-')).count();
        self.tally.lost += lost;
        self.tally.doubled += in_tenant.len() - lost;
        self.tally.differing += usize::from(!in_store.is_empty());
        for line in in_tenant.iter().chain(&in_store).take(SHOWN) {
            self.tally.problems.push(format!("{what}: {line}"));
        }
    }

    /// Fail points of the executable that were hit less often than that.
    pub fn points(&self) -> &[String] {
        &self.points
    }
}

/// Anchors the store knows, and keys of what it has marked as sent.
fn known_to(store: &Store) -> Result<std::collections::HashSet<String>, sync_store::StoreError> {
    let mut known = std::collections::HashSet::new();
    let mut after = None;
    loop {
        let page = store.list_objects("cloud", after, 1_000)?;
        let Some(last) = page.last() else { return Ok(known) };
        after = Some(last.id);
        for summary in page {
            let Some(object) = store.object(summary.id)? else { continue };
            known.extend(object.anchor.as_ref().map(ToString::to_string));
            if let Some(pending) = object.pending
                && pending.state == SentState::InFlight
                && let PendingOperation::Add { attributes } = pending.operation
            {
                let keys = ["onPremisesImmutableId", "uniqueName", "sourceAnchor"];
                known.extend(keys.into_iter().filter_map(|name| attributes.text(name)).map(str::to_owned));
            }
        }
    }
}

/// Makes `to` a copy of the deployment `from`.
fn replace(from: &Path, to: &Path) {
    let _old = std::fs::remove_dir_all(to);
    copy_folder(from, to);
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}
