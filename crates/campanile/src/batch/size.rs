//! How many items a batch may have, by a latency target.

use std::time::Duration;

use super::config::BatchConfig;

/// Additive increase, multiplicative decrease. See [`AdaptiveSize`](super::AdaptiveSize).
#[derive(Debug)]
pub(super) struct Aimd {
    size: f64,
    min: f64,
    max: f64,
    target: Duration,
    /// Batches up to this one were sent before the last decrease, and are no evidence against the present size.
    judged: u64,
}

/// How much is left after a miss.
const DECREASE: f64 = 0.9;

// ===== impl Aimd =====

impl Aimd {
    pub(super) fn new(config: &BatchConfig) -> Option<Self> {
        let adaptive = config.adaptive?;
        Some(Self {
            size: adaptive.initial.unwrap_or(adaptive.min) as f64,
            min: adaptive.min as f64,
            max: config.max_size as f64,
            target: adaptive.target,
            judged: 0,
        })
    }

    /// The present size.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 1 to 1,000,000
    pub(super) fn size(&self) -> usize {
        self.size as usize
    }

    /// The call of batch `number` took so long; `last` is the number of the last batch that was sent.
    pub(super) fn ended(&mut self, number: u64, full: bool, took: Duration, last: u64) {
        if took > self.target {
            if number > self.judged {
                self.judged = last;
                self.size = (self.size * DECREASE).max(self.min);
            }
        } else if full {
            self.size = (self.size + 1.0).min(self.max);
        }
    }
}
