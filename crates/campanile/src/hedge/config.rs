use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{budget::BudgetConfig, config::Invalid, context::KeepTrail, time::human};

/// Settings of a [`HedgeLayer`](super::HedgeLayer).
///
/// ```
/// use campanile::hedge::{Delay, HedgeConfig};
/// use std::time::Duration;
///
/// let config: HedgeConfig =
///     serde_json::from_str(r#"{ "delay": { "kind": "fixed", "after": "300ms" }, "share": 0.05 }"#)?;
/// assert_eq!(config.build()?.delay, Delay::fixed(Duration::from_millis(300)));
/// # Ok::<_, campanile::BoxError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HedgeConfig {
    /// When a call is hedged. Learned by default.
    pub delay: Delay,
    /// The most that hedges may be of all calls, or of their tokens: from 0.001 to 1. 0.1 by default.
    pub share: f64,
    /// What the share is of. Calls by default.
    pub unit: Unit,
    /// The most that is saved up, in that unit. 3 calls or 100,000 tokens by default. A call that is estimated at more
    /// tokens is never hedged.
    pub burst: Option<u64>,
    /// How often a call may be sent in all, the first time included, by all layers that share its attempts (retry, hedge,
    /// fallback); counts where the call carries a context, unless a layer further out has set it. Set it on the outermost
    /// of them: a limit that is set further in binds those further out too. No limit by default.
    pub attempts: Option<u32>,
    /// Which calls note where they have been, so that a hedge goes elsewhere. All that can, by default.
    pub trail: KeepTrail,
}

/// How long the first data may take before a call is hedged, counted from when the call first has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Delay {
    /// Always so long.
    #[non_exhaustive]
    Fixed {
        /// How long.
        #[serde(with = "human")]
        #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
        after: Duration,
    },
    /// As long as this share of the calls takes, as lately seen. Nothing is hedged before enough is known.
    #[non_exhaustive]
    Learned {
        /// The share of calls that are not hedged, from 0.5 to 0.9999. 0.95 by default.
        #[serde(default = "percentile")]
        percentile: f64,
        /// How many calls must have been seen. 200 by default.
        #[serde(default = "min_samples")]
        min_samples: u32,
        /// How far back it looks: once and twice so long. 60 s by default; longer where calls are too few.
        #[serde(with = "human", default = "window")]
        #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
        window: Duration,
        /// The shortest delay. 1 ms by default.
        #[serde(with = "human", default = "floor")]
        #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
        floor: Duration,
    },
}

/// What the share of hedges is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Unit {
    /// Calls.
    #[default]
    Calls,
    /// Tokens, as calls are estimated to take ([`Cost`](crate::Cost)). Calls of unknown cost are not hedged.
    Tokens,
}

const fn percentile() -> f64 {
    0.95
}

const fn min_samples() -> u32 {
    200
}

const fn window() -> Duration {
    Duration::from_secs(60)
}

const fn floor() -> Duration {
    Duration::from_millis(1)
}

// ===== impl Delay =====

impl Default for Delay {
    fn default() -> Self {
        Self::Learned {
            percentile: percentile(),
            min_samples: min_samples(),
            window: window(),
            floor: floor(),
        }
    }
}

impl Delay {
    /// Always so long.
    #[must_use]
    pub const fn fixed(after: Duration) -> Self {
        Self::Fixed { after }
    }

    /// As long as this share of the calls takes; the rest is as by default.
    #[must_use]
    pub const fn learned(percentile: f64) -> Self {
        Self::Learned {
            percentile,
            min_samples: min_samples(),
            window: window(),
            floor: floor(),
        }
    }

    /// Sets how many calls must have been seen, if the delay is learned.
    #[must_use]
    pub const fn with_min_samples(mut self, samples: u32) -> Self {
        if let Self::Learned { min_samples, .. } = &mut self {
            *min_samples = samples;
        }
        self
    }

    /// Sets how far back it looks, if the delay is learned.
    #[must_use]
    pub const fn with_window(mut self, back: Duration) -> Self {
        if let Self::Learned { window, .. } = &mut self {
            *window = back;
        }
        self
    }

    /// Sets the shortest delay, if the delay is learned.
    #[must_use]
    pub const fn with_floor(mut self, shortest: Duration) -> Self {
        if let Self::Learned { floor, .. } = &mut self {
            *floor = shortest;
        }
        self
    }

    fn check(&self) -> Result<(), Invalid> {
        let Self::Learned {
            percentile,
            min_samples,
            window,
            ..
        } = self
        else {
            return Ok(());
        };
        let rule = "it must be from 0.5 to 0.9999";
        let within = (0.5..=0.9999).contains(percentile);
        Invalid::unless(within, "hedge", "delay.percentile", percentile, rule)?;
        let rule = "it must be at least 1";
        let some = *min_samples > 0;
        Invalid::unless(some, "hedge", "delay.min_samples", min_samples, rule)?;
        let rule = "it must be above 0";
        Invalid::unless(!window.is_zero(), "hedge", "delay.window", window, rule)
    }
}

// ===== impl HedgeConfig =====

impl Default for HedgeConfig {
    fn default() -> Self {
        Self {
            delay: Delay::default(),
            share: 0.1,
            unit: Unit::default(),
            burst: None,
            attempts: None,
            trail: KeepTrail::default(),
        }
    }
}

impl HedgeConfig {
    /// Sets when a call is hedged.
    #[must_use]
    pub const fn with_delay(mut self, delay: Delay) -> Self {
        self.delay = delay;
        self
    }

    /// Sets the most that hedges may be of all calls, or of their tokens.
    #[must_use]
    pub const fn with_share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Sets what the share is of.
    #[must_use]
    pub const fn with_unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// Sets the most that is saved up.
    #[must_use]
    pub const fn with_burst(mut self, burst: u64) -> Self {
        self.burst = Some(burst);
        self
    }

    /// Sets how often a call may be sent in all.
    #[must_use]
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Sets which calls note where they have been.
    #[must_use]
    pub const fn with_trail(mut self, trail: KeepTrail) -> Self {
        self.trail = trail;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        self.delay.check()?;
        let rule = "it must be from 0.001 to 1";
        let within = (0.001..=1.0).contains(&self.share);
        Invalid::unless(within, "hedge", "share", &self.share, rule)?;
        let rule = "it must be from 1 to 1e12";
        let within = (1..=1_000_000_000_000).contains(&self.saved());
        Invalid::unless(within, "hedge", "burst", &self.saved(), rule)?;
        let some = self.attempts != Some(0);
        let rule = "it must be at least 1";
        Invalid::unless(some, "hedge", "attempts", &self.attempts, rule)?;
        Ok(self)
    }

    /// The budget of these settings. It starts with nothing, so that hedges are never more than their share.
    pub(super) fn budget(&self) -> BudgetConfig {
        BudgetConfig::default()
            .with_deposit(self.share)
            .with_cap(self.saved() as f64)
            .with_initial(0.0)
    }

    fn saved(&self) -> u64 {
        self.burst.unwrap_or(match self.unit {
            Unit::Calls => 3,
            Unit::Tokens => 100_000,
        })
    }
}
