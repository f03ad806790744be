use std::time::Duration;

use super::config::CircuitBreakerConfig;
use crate::time::Timestamp;

/// The calls that a half-open breaker lets in, each with a place of its own until a deadline.
#[derive(Debug, Clone, Default)]
pub(super) struct Probes {
    leases: Vec<Lease>,
    latest: u64,
    pub(super) succeeded: u32,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    number: u64,
    until: Timestamp,
}

// ===== impl Probes =====

impl Probes {
    /// Gives a place, and takes back those whose time is over.
    pub(super) fn lease(&mut self, now: Timestamp, time: Duration) -> u64 {
        self.leases.retain(|lease| lease.until > now);
        self.latest += 1;
        self.leases.push(Lease {
            number: self.latest,
            until: now.after(time),
        });
        self.latest
    }

    /// Gives a place back, unless it was taken back already.
    pub(super) fn give_back(&mut self, number: u64) {
        self.leases.retain(|lease| lease.number != number);
    }

    /// Until when there is no place at the latest; zero if there is one. No more are let in than must still succeed.
    pub(super) fn full_until(&self, config: &CircuitBreakerConfig, now: Timestamp) -> Timestamp {
        let needed = config.successes().saturating_sub(self.succeeded).max(1);
        let places = config.half_open_max_calls.min(needed).max(1) as usize;
        let live = self.leases.iter().filter(|lease| lease.until > now);
        if live.clone().count() < places {
            return Timestamp::ZERO;
        }
        live.map(|lease| lease.until)
            .min()
            .unwrap_or(Timestamp::ZERO)
    }

    pub(super) fn out(&self) -> usize {
        self.leases.len()
    }
}
