use serde::{Deserialize, Serialize};

use super::super::window::Check;
use crate::config::Invalid;

/// What [`Elastic`](super::Elastic) takes for work done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Work {
    /// Streamed pieces where calls have eight of them or more on average, else finished calls.
    #[default]
    Auto,
    /// Streamed pieces, as they arrive: soon known, and equal whatever the size of the request.
    Streamed,
    /// Finished calls.
    Completions,
}

/// The settings of [`Elastic`](super::Elastic).
///
/// ```
/// use campanile::concurrency_limit::algorithm::ElasticConfig;
///
/// let config: ElasticConfig = serde_json::from_str(r#"{ "initial": 16.0, "work": "streamed" }"#).unwrap();
/// assert!(config.build().is_ok());
/// assert_eq!(
///     ElasticConfig { dither: 1.5, ..ElasticConfig::default() }.build().unwrap_err().to_string(),
///     "elastic.dither is 1.5: it must be above 0 and below 1",
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ElasticConfig {
    /// The limit at the start. 4 by default.
    pub initial: f64,
    /// The elasticity it settles at: one percent more calls must bring so many percent more work. 0.2 by default.
    pub target: f64,
    /// By what part the limit goes up and down to see what that does. 0.1 by default; a fifth of limits below ten, up to one call.
    pub dither: f64,
    /// How much of the distance from the target moves the limit. 0.5 by default.
    pub gain: f64,
    /// How much earlier pairs count with each new one. 0.7 by default.
    pub memory: f64,
    /// How much the target itself counts, as if seen. 0.15 by default.
    pub prior: f64,
    /// The most that one pair raises the limit, in powers of e. 0.25 by default.
    pub rise: f64,
    /// The most that one pair lowers it. 0.2 by default.
    pub fall: f64,
    /// What a step at the start multiplies the limit by. 1.6 by default.
    pub slow_start: f64,
    /// The elasticity below which the start is over. 0.5 by default.
    pub slow_start_until: f64,
    /// What drops multiply the limit by. 0.7 by default.
    pub decrease: f64,
    /// The part of calls that may be dropped without lowering the limit (and two standard deviations more), so that a
    /// time-out now and then does not hold a large limit down. 0.02 by default.
    pub drop_tolerance: f64,
    /// How much of the limit must be in use. 0.8 by default.
    pub utilisation: f64,
    /// The part of calls that found no room above which the limit counts as used, however little of it is in use on
    /// average. 0.02 by default.
    pub refused: f64,
    /// What work is.
    pub work: Work,
    /// What half a pair lasts, and settles before it, in round trips, when work is streamed. 0.3 by default.
    pub streamed_round_trips: f64,
    /// The same when work is finished calls. 1 by default.
    pub round_trips: f64,
    /// Pieces, or finished calls, that half a pair has at least. 100 by default.
    pub least: u64,
}

// ===== impl ElasticConfig =====

impl Default for ElasticConfig {
    fn default() -> Self {
        Self {
            initial: 4.0,
            target: 0.2,
            dither: 0.1,
            gain: 0.5,
            memory: 0.7,
            prior: 0.15,
            rise: 0.25,
            fall: 0.2,
            slow_start: 1.6,
            slow_start_until: 0.5,
            decrease: 0.7,
            drop_tolerance: 0.02,
            utilisation: 0.8,
            refused: 0.02,
            work: Work::Auto,
            streamed_round_trips: 0.3,
            round_trips: 1.0,
            least: 100,
        }
    }
}

impl ElasticConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let check = Check("elastic");
        check.at_least_1("initial", self.initial)?;
        check.between_0_and_1("target", self.target)?;
        check.between_0_and_1("dither", self.dither)?;
        check.above_0("gain", self.gain)?;
        check.between_0_and_1("memory", self.memory)?;
        check.above_0("prior", self.prior)?;
        check.above_0("rise", self.rise)?;
        check.above_0("fall", self.fall)?;
        let rule = "it must be finite and above 1";
        let kept = self.slow_start.is_finite() && self.slow_start > 1.0;
        Invalid::unless(kept, "elastic", "slow_start", &self.slow_start, rule)?;
        check.between_0_and_1("slow_start_until", self.slow_start_until)?;
        check.between_0_and_1("decrease", self.decrease)?;
        check.not_below_0("drop_tolerance", self.drop_tolerance)?;
        check.between_0_and_1("utilisation", self.utilisation)?;
        check.above_0("refused", self.refused)?;
        check.above_0("streamed_round_trips", self.streamed_round_trips)?;
        check.above_0("round_trips", self.round_trips)?;
        check.some("least", self.least).map(|()| self)
    }
}
