use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{config::Invalid, time::human};

/// How long a retry waits for its turn, so that the upstream can recover and callers do not come back in step.
///
/// ```
/// use campanile::retry::Backoff;
///
/// let backoff: Backoff = serde_json::from_str(r#"{ "kind": "exponential", "base": "1s", "cap": "30s" }"#).unwrap();
/// assert_eq!(backoff, Backoff::exponential(secs(1), secs(30)));
/// # fn secs(n: u64) -> std::time::Duration { std::time::Duration::from_secs(n) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Backoff {
    /// Between `base` and three times the wait before, at random, `cap` at most: long waits follow long ones, and no
    /// two callers keep step. The default. (Marc Brooker, *Exponential Backoff and Jitter*, 2015.)
    #[non_exhaustive]
    Decorrelated {
        /// The shortest wait. 200 ms by default.
        #[serde(with = "human", default = "base")]
        #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
        base: Duration,
        /// The longest wait. 5 s by default.
        #[serde(with = "human", default = "cap")]
        #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
        cap: Duration,
    },
    /// Between nothing and `base`, doubled for each retry before, at random, `cap` at most. (The same source.)
    #[non_exhaustive]
    Full {
        /// The longest first wait. 200 ms by default.
        #[serde(with = "human", default = "base")]
        #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
        base: Duration,
        /// The longest wait. 5 s by default.
        #[serde(with = "human", default = "cap")]
        #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
        cap: Duration,
    },
    /// `base`, doubled for each retry before, `cap` at most; a share of it at random.
    #[non_exhaustive]
    Exponential {
        /// The first wait. 200 ms by default.
        #[serde(with = "human", default = "base")]
        #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
        base: Duration,
        /// The longest wait. 5 s by default.
        #[serde(with = "human", default = "cap")]
        #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
        cap: Duration,
        /// How much of each wait is random, from 0 to 1. 0.5 by default: between a half and the whole.
        #[serde(default = "half")]
        jitter: f64,
    },
    /// Always `wait`; a share of it at random.
    #[non_exhaustive]
    Fixed {
        /// The wait. 200 ms by default.
        #[serde(with = "human", default = "base")]
        #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
        wait: Duration,
        /// How much of each wait is random, from 0 to 1. 0 by default.
        #[serde(default)]
        jitter: f64,
    },
}

const fn base() -> Duration {
    Duration::from_millis(200)
}

const fn cap() -> Duration {
    Duration::from_secs(5)
}

const fn half() -> f64 {
    0.5
}

// ===== impl Backoff =====

impl Default for Backoff {
    fn default() -> Self {
        Self::decorrelated(base(), cap())
    }
}

impl Backoff {
    /// Between `base` and three times the wait before.
    #[must_use]
    pub const fn decorrelated(base: Duration, cap: Duration) -> Self {
        Self::Decorrelated { base, cap }
    }

    /// Between nothing and a limit that doubles.
    #[must_use]
    pub const fn full(base: Duration, cap: Duration) -> Self {
        Self::Full { base, cap }
    }

    /// Doubling, half of it at random.
    #[must_use]
    pub const fn exponential(base: Duration, cap: Duration) -> Self {
        let jitter = half();
        Self::Exponential { base, cap, jitter }
    }

    /// Always the same.
    #[must_use]
    pub const fn fixed(wait: Duration) -> Self {
        Self::Fixed { wait, jitter: 0.0 }
    }

    /// Sets how much of a wait is random, from 0 to 1. Of exponential and fixed ones: the others are random as they
    /// are.
    #[must_use]
    pub const fn with_jitter(mut self, share: f64) -> Self {
        if let Self::Exponential { jitter, .. } | Self::Fixed { jitter, .. } = &mut self {
            *jitter = share;
        }
        self
    }

    /// The wait before the retry of this number, from 0. `previous` is the wait before that, and `random` is from 0
    /// to 1.
    pub(super) fn wait(&self, retry: u32, previous: Duration, random: f64) -> Duration {
        let random = random.clamp(0.0, 1.0);
        let doubled = |base: Duration, cap: Duration| {
            let factor = 2_u32.saturating_pow(retry);
            base.saturating_mul(factor).min(cap)
        };
        match *self {
            Self::Decorrelated { base, cap } => {
                let highest = previous.max(base).saturating_mul(3).min(cap);
                let span = highest.saturating_sub(base);
                (base + span.mul_f64(random)).min(cap)
            }
            Self::Full { base, cap } => doubled(base, cap).mul_f64(random),
            Self::Exponential { base, cap, jitter } => {
                doubled(base, cap).mul_f64(1.0 - jitter.clamp(0.0, 1.0) * random)
            }
            Self::Fixed { wait, jitter } => wait.mul_f64(1.0 - jitter.clamp(0.0, 1.0) * random),
        }
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        let (base, cap, jitter) = match *self {
            Self::Decorrelated { base, cap } | Self::Full { base, cap } => (base, cap, 0.0),
            Self::Exponential { base, cap, jitter } => (base, cap, jitter),
            Self::Fixed { wait, jitter } => (wait, wait, jitter),
        };
        let fixed = matches!(self, Self::Fixed { .. });
        let rule = "it must be above 0";
        Invalid::unless(
            fixed || !base.is_zero(),
            "retry",
            "backoff.base",
            &base,
            rule,
        )?;
        let rule = "it must not be below base";
        Invalid::unless(cap >= base, "retry", "backoff.cap", &cap, rule)?;
        // Beyond it the arithmetic would not be sure to hold, and nobody waits so long.
        let rule = "it must be at most a day";
        let day = Duration::from_secs(86_400);
        let field = if fixed { "backoff.wait" } else { "backoff.cap" };
        Invalid::unless(cap <= day, "retry", field, &cap, rule)?;
        let rule = "it must be from 0 to 1";
        let share = (0.0..=1.0).contains(&jitter);
        Invalid::unless(share, "retry", "backoff.jitter", &jitter, rule)
    }
}
