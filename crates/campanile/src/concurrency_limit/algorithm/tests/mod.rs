//! Each algorithm against a processor of which only rates are known. Scenarios with single calls, random arrivals and
//! faults are in the package `tests`.

use std::time::Duration;

use super::*;

mod aimd;
mod config;
mod every;
mod gradients;
mod vegas;

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// How one call went, for [`Calls`].
#[derive(Debug, Clone, Copy)]
struct Went {
    latency: Duration,
    verdict: Verdict,
}

/// Calls that end one after the other at even distances, as many in flight as they want or the limit allows.
#[derive(Debug)]
struct Calls {
    now: Timestamp,
    /// Calls that want to be in flight.
    wanted: u32,
}

impl Calls {
    fn new(wanted: u32) -> Self {
        Self {
            now: Timestamp::from_nanos(100_000_000_000),
            wanted,
        }
    }

    /// Has `count` calls end, each as `went` says of the calls in flight.
    fn end(
        &mut self,
        algorithm: &mut dyn Algorithm,
        count: u32,
        mut went: impl FnMut(u32) -> Went,
    ) {
        for _ in 0..count {
            let limit = limit(algorithm);
            let in_flight = limit.min(self.wanted);
            let Went { latency, verdict } = went(in_flight);
            self.now = self.now.after(latency / in_flight);
            algorithm.sample(&Sample {
                started: Timestamp::from_nanos(
                    self.now.as_nanos() - u64::try_from(latency.as_nanos()).unwrap(),
                ),
                now: self.now,
                latency: Some(latency),
                units: 1,
                in_flight,
                limit,
                verdict,
            });
        }
    }
}

/// The limit as its owner rounds it.
pub(super) fn limit(algorithm: &dyn Algorithm) -> u32 {
    let limit = algorithm.limit();
    assert!(limit.is_finite() && limit >= 1.0, "a limit of {limit}");
    limit.round() as u32
}

fn done(latency: Duration) -> Went {
    Went {
        latency,
        verdict: Verdict::Done,
    }
}

/// `slots` calls at a time, each of `latency`; those above wait for their turn.
fn slots(slots: u32, latency: Duration) -> impl FnMut(u32) -> Went {
    move |in_flight| done(latency * in_flight.max(slots) / slots)
}

/// Pseudo-random numbers from 0 to 1, by splitmix64.
fn random(mut seed: u64) -> impl FnMut() -> f64 {
    move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
