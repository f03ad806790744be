use std::time::Duration;

use campanile::{balance::Timing, config::Invalid, time::human};
use serde::{Deserialize, Serialize};

/// The goal of [`Cheapest`](super::Cheapest).
///
/// ```
/// use campanile_llm::route::CheapestConfig;
///
/// let config: CheapestConfig = serde_json::from_str(r#"{ "goal": "800ms", "quantile": 0.95 }"#).unwrap();
/// assert!(config.build().is_ok());
/// let error = CheapestConfig::default().with_quantile(Some(1.0)).build().unwrap_err();
/// assert_eq!(error.to_string(), "cheapest.quantile is 1.0: it must be from 0.5 to below 1");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CheapestConfig {
    /// How long it may take. 2 s by default.
    #[serde(with = "human")]
    pub goal: Duration,
    /// What may take so long. The time to the first data by default, known as soon as that is there; of an answer that is not
    /// streamed it is all of it: let those have a pool, and a goal, of their own. The times to the head and in total are
    /// known when a call ends.
    pub by: Timing,
    /// The share of calls that must meet the goal; `null`: their mean must. 0.9 by default.
    pub quantile: Option<f64>,
    /// How much better than the goal one must be that has missed it, as a share of the goal. 0.1 by default.
    pub margin: f64,
    /// The time in which what is known of a member that is not called loses all but 1/e of its weight. 10 s by default.
    #[serde(with = "human")]
    pub fade: Duration,
}

// ===== impl CheapestConfig =====

impl Default for CheapestConfig {
    fn default() -> Self {
        Self {
            goal: Duration::from_secs(2),
            by: Timing::FirstData,
            quantile: Some(0.9),
            margin: 0.1,
            fade: Duration::from_secs(10),
        }
    }
}

impl CheapestConfig {
    /// Sets how long it may take.
    #[must_use]
    pub const fn with_goal(mut self, goal: Duration) -> Self {
        self.goal = goal;
        self
    }

    /// Sets what may take so long.
    #[must_use]
    pub const fn with_timing(mut self, by: Timing) -> Self {
        self.by = by;
        self
    }

    /// Sets the share of calls that must meet the goal, or that their mean must.
    #[must_use]
    pub const fn with_quantile(mut self, quantile: Option<f64>) -> Self {
        self.quantile = quantile;
        self
    }

    /// Sets how much better than the goal one must be that has missed it.
    #[must_use]
    pub const fn with_margin(mut self, margin: f64) -> Self {
        self.margin = margin;
        self
    }

    /// Sets how long what is known lasts.
    #[must_use]
    pub const fn with_fade(mut self, fade: Duration) -> Self {
        self.fade = fade;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let rule = |kept, field, value: &dyn std::fmt::Debug, rule| {
            Invalid::unless(kept, "cheapest", field, value, rule)
        };
        rule(
            !self.goal.is_zero(),
            "goal",
            &self.goal,
            "it must be above 0",
        )?;
        rule(
            !self.fade.is_zero(),
            "fade",
            &self.fade,
            "it must be above 0",
        )?;
        if let Some(quantile) = self.quantile {
            let kept = (0.5..1.0).contains(&quantile);
            rule(
                kept,
                "quantile",
                &quantile,
                "it must be from 0.5 to below 1",
            )?;
        }
        let kept = (0.0..0.5).contains(&self.margin);
        rule(
            kept,
            "margin",
            &self.margin,
            "it must be from 0 to below 0.5",
        )?;
        Ok(self)
    }
}
