//! An export against a tenant whose budget of writes is scaled down: how long it took by the tenant's own count of writes,
//! beside the time that the budget gives it. The budget is slow beside the work, so that no machine's speed decides.

use crate::crash::Mode;
use crate::crash::world::{deployment, tenant};
use crate::operator::Deployment;
use crate::people;
use crate::tenant::Tenant;
use std::time::{Duration, Instant};

/// What the bucket holds at first, and the seconds in which it fills: what Graph documents for one application in one tenant
/// (A.8), which is less than the provisioning service takes.
const BUCKET: u32 = 3_000;
const WINDOW_S: u64 = 150;
/// People of the world in which the deployment is made; another directory takes its place.
const FEW: usize = 3;

/// One export, as the tenant saw it.
#[derive(Debug)]
pub struct Export {
    /// From the first write that was carried out to the last one.
    pub took: Duration,
    /// (writes - bucket) / refill rate.
    pub budgeted: Duration,
    pub writes: u64,
    /// Writes that the tenant refused because the bucket was empty.
    pub refused: usize,
    /// Of the people, those who are there; nobody else is.
    pub users: usize,
}

/// Exports so many new people in one step.
pub fn export(mode: Mode, people: usize) -> Export {
    let tenant = tenant(mode, FEW, 0);
    let before = tenant.users().len();
    let deployment = deployment(&tenant, mode, &people::ldif(1..=people));
    // Not by way of the judge, whose work would count.
    deployment.replace("metasync.toml", &tenant.graph_url(), &tenant.running.graph_url());
    scale_down(&tenant, &deployment, mode);
    for (connector, profile) in [("ad", "full-import"), ("cloud", "full-import"), ("ad", "full-synchronization")] {
        deployment.run(&["run", connector, profile]).expect(&[0, 3]);
    }
    tenant.forget_requests();
    let (first, last) = std::thread::scope(|scope| {
        let running = scope.spawn(|| deployment.run(&["run", "cloud", "export"]).expect(&[0]));
        let (mut first, mut last, mut seen) = (None, Instant::now(), 0);
        loop {
            // The state of the process before the count: what it wrote before it ended is counted.
            let ended = running.is_finished();
            let (writes, now) = (tenant.writes(), Instant::now());
            if writes > seen {
                first.get_or_insert(now);
                (last, seen) = (now, writes);
            }
            if ended {
                break (first, last);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let writes = tenant.writes();
    let refused = tenant.running.request_log().iter().filter(|request| request.status == 429).count();
    let users = tenant.users().len() - before;
    tenant.stop();
    let per_second = f64::from(BUCKET) / WINDOW_S as f64;
    Export {
        took: first.map_or(Duration::ZERO, |first| last - first),
        budgeted: Duration::from_secs_f64((writes as f64 - f64::from(BUCKET)) / per_second),
        writes,
        refused,
        users,
    }
}

/// The tenant's bucket, and the deployment's word for it.
fn scale_down(tenant: &Tenant, deployment: &Deployment, mode: Mode) {
    let changed = tenant.running.update_knobs(|knobs| {
        knobs.request_log_limit = 100_000;
        match mode {
            Mode::Graph => {
                knobs.throttle.enabled = true;
                knobs.throttle.resource_units = Some(1_000_000);
                (knobs.throttle.writes, knobs.throttle.write_window_ms) = (BUCKET, WINDOW_S * 1_000);
            }
            Mode::Connect => {
                let throttle = &mut knobs.provisioning_throttle;
                throttle.enabled = true;
                (throttle.objects, throttle.window_ms) = (BUCKET, WINDOW_S * 1_000);
            }
        }
    });
    changed.expect("knobs");
    let budget = format!("write_limit = {BUCKET}\nwrite_window_seconds = {WINDOW_S}\n");
    match mode {
        Mode::Graph => deployment.replace("metasync.toml", "mode = \"graph\"", &format!("mode = \"graph\"\n{budget}")),
        Mode::Connect => {
            let table = "[connector.cloud.settings.provisioning]";
            deployment.replace("metasync.toml", table, &format!("{table}\n{budget}"));
        }
    }
}
