use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{config::Invalid, time::human};

/// Settings of a [`BatchLayer`](super::BatchLayer).
///
/// ```
/// use campanile::batch::BatchConfig;
/// use std::time::Duration;
///
/// let config: BatchConfig = serde_json::from_str(r#"{ "max_size": 96, "batch_timeout": "20ms" }"#)?;
/// assert_eq!(config.build()?.batch_timeout, Duration::from_millis(20));
/// # Ok::<_, campanile::BoxError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BatchConfig {
    /// The most items in a batch. 32 by default; at most 1,000,000.
    pub max_size: usize,
    /// The most that the items of a batch are estimated to take together, in the tokens of their
    /// [`Cost`](crate::Cost). An item above it travels alone, and one of unknown cost, 0, counts as nothing: where contexts
    /// do not tell costs, let [`BatchLayer::cost`](super::BatchLayer::cost) estimate them. No limit by default.
    pub max_cost: Option<u64>,
    /// How long the first item of a batch waits for others. 200 ms by default; with 0 only those travel together that
    /// come at the same moment.
    #[serde(with = "human")]
    pub batch_timeout: Duration,
    /// Whether a batch goes at once while no other is in flight, of whatever key: under little load nobody waits, and
    /// under more of it batches collect while the one before them is under way; when that is back, the oldest goes.
    /// Batches that begin in the same moment may all find nothing in flight, and go. Off by default.
    pub when_idle: bool,
    /// How many batches are in flight at once; others go on filling meanwhile. No limit by default.
    pub max_in_flight: Option<usize>,
    /// The most items that wait to be sent, of all keys: what is beyond is refused. 10,000 by default; at least
    /// `max_size`.
    pub max_waiting: usize,
    /// How many more calls a batch that failed may be split into. Two for each time that it is halved: 10 find the one
    /// bad item among 32. 16 by default. Counts where the layer [splits](super::BatchLayer::split).
    pub extra_calls: u32,
    /// Finds the size of batches by their latency, `max_size` at most. Off by default.
    pub adaptive: Option<AdaptiveSize>,
}

/// A size of batches that follows a latency target, by additive increase and multiplicative decrease: one more after
/// each full batch that was answered in time, a tenth less after one that was late. The rule is that of Clipper
/// (Crankshaw et al., *Clipper: A Low-Latency Online Prediction Serving System*, NSDI 2017).
///
/// Only answers count, and calls that timed out, as late ones. A batch that was sent before the last decrease causes
/// none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AdaptiveSize {
    /// How long the call of a batch may take.
    #[serde(with = "human")]
    pub target: Duration,
    /// The least size. 1 by default.
    #[serde(default = "one")]
    pub min: usize,
    /// The size at first. `min` by default.
    #[serde(default)]
    pub initial: Option<usize>,
}

const fn one() -> usize {
    1
}

// ===== impl AdaptiveSize =====

impl AdaptiveSize {
    /// From 1 upwards, for calls of at most `target`.
    #[must_use]
    pub const fn new(target: Duration) -> Self {
        Self {
            target,
            min: 1,
            initial: None,
        }
    }

    /// Sets the least size.
    #[must_use]
    pub const fn with_min(mut self, min: usize) -> Self {
        self.min = min;
        self
    }

    /// Sets the size at first.
    #[must_use]
    pub const fn with_initial(mut self, initial: usize) -> Self {
        self.initial = Some(initial);
        self
    }
}

// ===== impl BatchConfig =====

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            max_size: 32,
            max_cost: None,
            batch_timeout: Duration::from_millis(200),
            when_idle: false,
            max_in_flight: None,
            max_waiting: 10_000,
            extra_calls: 16,
            adaptive: None,
        }
    }
}

impl BatchConfig {
    /// Sets the most items in a batch.
    #[must_use]
    pub const fn with_max_size(mut self, items: usize) -> Self {
        self.max_size = items;
        self
    }

    /// Sets the most that the items of a batch take together.
    #[must_use]
    pub const fn with_max_cost(mut self, tokens: u64) -> Self {
        self.max_cost = Some(tokens);
        self
    }

    /// Sets how long the first item of a batch waits for others.
    #[must_use]
    pub const fn with_batch_timeout(mut self, timeout: Duration) -> Self {
        self.batch_timeout = timeout;
        self
    }

    /// Sets whether a batch goes at once while no other is in flight.
    #[must_use]
    pub const fn with_when_idle(mut self, when_idle: bool) -> Self {
        self.when_idle = when_idle;
        self
    }

    /// Sets how many batches are in flight at once.
    #[must_use]
    pub const fn with_max_in_flight(mut self, batches: usize) -> Self {
        self.max_in_flight = Some(batches);
        self
    }

    /// Sets the most items that wait to be sent.
    #[must_use]
    pub const fn with_max_waiting(mut self, items: usize) -> Self {
        self.max_waiting = items;
        self
    }

    /// Sets how many more calls a batch that failed may be split into.
    #[must_use]
    pub const fn with_extra_calls(mut self, calls: u32) -> Self {
        self.extra_calls = calls;
        self
    }

    /// Finds the size of batches by their latency.
    #[must_use]
    pub const fn with_adaptive(mut self, adaptive: AdaptiveSize) -> Self {
        self.adaptive = Some(adaptive);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let check = |kept, field, value: &dyn std::fmt::Debug, rule| {
            Invalid::unless(kept, "batch", field, value, rule)
        };
        let size = self.max_size;
        let within = (1..=1_000_000).contains(&size);
        check(within, "max_size", &size, "it must be from 1 to 1,000,000")?;
        let some = self.max_cost.is_none_or(|cost| cost > 0);
        check(some, "max_cost", &self.max_cost, "it must be at least 1")?;
        let in_flight = &self.max_in_flight;
        let within = in_flight.is_none_or(|batches| (1..=1_000_000).contains(&batches));
        let rule = "it must be from 1 to 1,000,000";
        check(within, "max_in_flight", in_flight, rule)?;
        let room = self.max_waiting >= size;
        let rule = "it must be at least max_size";
        check(room, "max_waiting", &self.max_waiting, rule)?;
        if let Some(adaptive) = &self.adaptive {
            let some = !adaptive.target.is_zero();
            let rule = "it must be above 0";
            check(some, "adaptive.target", &adaptive.target, rule)?;
            let within = (1..=size).contains(&adaptive.min);
            let rule = "it must be from 1 to max_size";
            check(within, "adaptive.min", &adaptive.min, rule)?;
            let initial = adaptive.initial.unwrap_or(adaptive.min);
            let within = (adaptive.min..=size).contains(&initial);
            let rule = "it must be from min to max_size";
            check(within, "adaptive.initial", &initial, rule)?;
        }
        Ok(self)
    }
}
