use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::CONCERN;
use crate::{config::Invalid, time::human};

/// What a limiter learns from its upstream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Learn {
    /// What the rates are multiplied by when the upstream throttles and does not say for how long; 1 leaves them as they
    /// are. Once for all calls that were under way together. 0.5 by default.
    pub slow_down: f64,
    /// How much of the full rate comes back at each step. 0.05 by default.
    pub recover: f64,
    /// The time between two such steps, each taken by a call that succeeds. 1 s by default.
    #[serde(with = "human")]
    pub recover_every: Duration,
    /// The longest that a limiter is parked because its upstream says so; 0 for not at all. 1 h by default.
    #[serde(with = "human")]
    pub max_park: Duration,
    /// In which time the limits that an upstream reports are counted: providers of language models count by the minute.
    /// 1 min by default.
    #[serde(with = "human")]
    pub window: Duration,
    /// What the reset that an upstream reports means. The end of its window by default.
    pub reset: Reset,
}

/// What an upstream means by the time of its reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reset {
    /// Nothing comes in before it: once nothing remains, the limiter parks until then. Never wrong, and too careful where
    /// it is a refill.
    #[default]
    Window,
    /// It is when the upstream's bucket would be full again, and it fills all the while: once nothing remains, the
    /// limiter goes on at the rate that it knows.
    Refill,
}

// ===== impl Learn =====

impl Default for Learn {
    fn default() -> Self {
        Self {
            slow_down: 0.5,
            recover: 0.05,
            recover_every: Duration::from_secs(1),
            max_park: Duration::from_secs(3_600),
            window: Duration::from_secs(60),
            reset: Reset::default(),
        }
    }
}

impl Learn {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let share = |value: f64| value > 0.0 && value <= 1.0;
        let rule = "it must be above 0 and at most 1";
        Invalid::unless(
            share(self.slow_down),
            CONCERN,
            "learn.slow_down",
            &self.slow_down,
            rule,
        )?;
        Invalid::unless(
            share(self.recover),
            CONCERN,
            "learn.recover",
            &self.recover,
            rule,
        )?;
        for (field, time) in [
            ("learn.recover_every", self.recover_every),
            ("learn.window", self.window),
        ] {
            Invalid::unless(!time.is_zero(), CONCERN, field, &time, "it must be above 0")?;
        }
        Ok(())
    }
}
