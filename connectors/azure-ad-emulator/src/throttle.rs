//! Token buckets for one application in the tenant (A.8): resource units and writes. Says whether a request passes and
//! what the throttling headers of its reply are; does not look at what the request does.

use std::collections::HashMap;

use crate::clock::{Millis, SECOND_MS};
use crate::errors::GraphError;
use crate::guid::Guid;
use crate::knobs::{ProvisioningThrottle, ThrottleKnobs};

/// Cost of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) resource_units: u32,
    pub(crate) is_write: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Throttle {
    buckets: HashMap<Guid, Buckets>,
    /// Objects of the provisioning web service, over all clients.
    objects: Option<Bucket>,
}

#[derive(Debug)]
struct Buckets {
    resource_units: Bucket,
    writes: Bucket,
}

/// Fills evenly over its window, up to its capacity. May be overdrawn: repeated calls while throttled still count.
#[derive(Debug)]
struct Bucket {
    level: f64,
    filled_at: Millis,
}

/// Share of the limit from which replies warn, and the largest overdraft.
const WARN_ABOVE: f64 = 0.8;

impl Throttle {
    /// Forgets what was used, when the buckets' sizes were changed.
    pub(crate) fn reset(&mut self) {
        self.buckets.clear();
        self.objects = None;
    }

    /// Takes objects out of the web service's bucket. Where they do not pass: the seconds to wait.
    pub(crate) fn admit_objects(&mut self, knobs: &ProvisioningThrottle, objects: u32, now: Millis) -> Option<u64> {
        if !knobs.enabled {
            return None;
        }
        let limit = Limit { capacity: f64::from(knobs.objects), window_ms: knobs.window_ms as f64 };
        let bucket = self.objects.get_or_insert(Bucket { level: limit.capacity, filled_at: now });
        let wait_ms = bucket.take(&limit, f64::from(objects), now);
        (wait_ms > 0.0).then(|| (wait_ms / SECOND_MS as f64).ceil().max(1.0) as u64)
    }

    /// Takes the cost out of the caller's buckets. `Ok` carries the headers of a passing reply.
    pub(crate) fn admit(
        &mut self,
        knobs: &ThrottleKnobs,
        users: usize,
        application: Guid,
        tenant: Guid,
        cost: Cost,
        now: Millis,
    ) -> Result<Vec<(&'static str, String)>, GraphError> {
        let mut headers = vec![("x-ms-resource-unit", cost.resource_units.to_string())];
        if !knobs.enabled {
            return Ok(headers);
        }
        let units = Limit {
            capacity: f64::from(knobs.resource_units.unwrap_or_else(|| resource_units_for(users))),
            window_ms: knobs.resource_window_ms as f64,
        };
        let writes = Limit { capacity: f64::from(knobs.writes), window_ms: knobs.write_window_ms as f64 };
        let buckets = self.buckets.entry(application).or_insert_with(|| Buckets {
            resource_units: Bucket { level: units.capacity, filled_at: now },
            writes: Bucket { level: writes.capacity, filled_at: now },
        });
        let units_wait = buckets.resource_units.take(&units, f64::from(cost.resource_units), now);
        let writes_wait = if cost.is_write { buckets.writes.take(&writes, 1.0, now) } else { 0.0 };
        let used =
            buckets.resource_units.used(&units).max(if cost.is_write { buckets.writes.used(&writes) } else { 0.0 });
        if used >= WARN_ABOVE {
            headers.push(("x-ms-throttle-limit-percentage", format!("{:.1}", used.min(1.8))));
        }
        let wait_ms = units_wait.max(writes_wait);
        if wait_ms <= 0.0 {
            return Ok(headers);
        }
        let why = if writes_wait > 0.0 { "WriteLimitExceeded" } else { "ResourceUnitLimitExceeded" };
        headers.push(("x-ms-throttle-scope", format!("Tenant_Application/ReadWrite/{application}/{tenant}")));
        headers.push(("x-ms-throttle-information", why.to_owned()));
        if knobs.retry_after {
            let seconds = (wait_ms / SECOND_MS as f64).ceil().max(1.0);
            headers.push(("retry-after", format!("{seconds:.0}")));
        }
        let mut error = GraphError::new(429, "TooManyRequests", "Too many requests.");
        error.headers = headers;
        Err(error)
    }
}

/// Resource units per ten seconds by size of the tenant (A.8).
fn resource_units_for(users: usize) -> u32 {
    match users {
        0..50 => 3_500,
        50..=500 => 5_000,
        _ => 8_000,
    }
}

struct Limit {
    capacity: f64,
    window_ms: f64,
}

impl Bucket {
    /// Takes the cost; the result is how long the caller has to wait, 0 if the request passes.
    fn take(&mut self, limit: &Limit, cost: f64, now: Millis) -> f64 {
        let per_ms = limit.capacity / limit.window_ms.max(1.0);
        let passed = (now - self.filled_at).max(0) as f64;
        self.filled_at = now;
        self.level = (self.level + passed * per_ms).min(limit.capacity);
        let short = cost - self.level;
        // A request costs at most the whole bucket, so that a tiny bucket still lets one through at a time.
        if short <= 0.0 || self.level >= limit.capacity {
            self.level -= cost;
            return 0.0;
        }
        self.level = (self.level - cost).max(-limit.capacity / 4.0);
        (cost - self.level).min(limit.capacity * 1.25) / per_ms.max(f64::MIN_POSITIVE)
    }

    fn used(&self, limit: &Limit) -> f64 {
        1.0 - self.level / limit.capacity.max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(throttle: &mut Throttle, now: Millis) -> Result<(), Option<u64>> {
        let knobs = ThrottleKnobs { writes: 4, write_window_ms: 8_000, ..ThrottleKnobs::default() };
        let cost = Cost { resource_units: 1, is_write: true };
        match throttle.admit(&knobs, 10, Guid::default(), Guid::default(), cost, now) {
            Ok(_) => Ok(()),
            Err(error) => Err(error
                .headers
                .iter()
                .find(|(name, _)| *name == "retry-after")
                .and_then(|(_, value)| value.parse().ok())),
        }
    }

    #[test]
    fn a_full_bucket_lets_its_capacity_through_then_refills() {
        let mut throttle = Throttle::default();
        for _ in 0..4 {
            assert_eq!(write(&mut throttle, 0), Ok(()));
        }
        let wait = write(&mut throttle, 0).unwrap_err().unwrap();
        assert!(wait >= 2, "half a write per second: {wait}");
        assert!(write(&mut throttle, 100).is_err(), "an early retry is refused again");
        assert_eq!(write(&mut throttle, 60_000), Ok(()));
    }

    #[test]
    fn waiting_as_told_is_enough() {
        let mut throttle = Throttle::default();
        let mut now = 0;
        for _ in 0..50 {
            if let Err(wait) = write(&mut throttle, now) {
                now += i64::try_from(wait.unwrap()).unwrap() * 1_000;
                assert_eq!(write(&mut throttle, now), Ok(()));
            }
        }
    }
}
