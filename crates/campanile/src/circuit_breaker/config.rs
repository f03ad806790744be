use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{config::seconds, time::human};

mod check;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// When a breaker trips, for how long, and how it comes back.
///
/// The names that other systems use are accepted too: `failure_threshold`, `recovery_timeout` (or `reset_timeout`) and
/// `half_open_max_calls`, the time as a number of seconds or as text.
///
/// ```
/// use campanile::circuit_breaker::CircuitBreakerConfig;
/// use std::time::Duration;
///
/// let text = r#"{ "failure_threshold": 10, "recovery_timeout": 60, "half_open_max_calls": 1 }"#;
/// let config: CircuitBreakerConfig = serde_json::from_str(text).unwrap();
/// assert_eq!(config.open_for, Duration::from_secs(60));
/// assert!(config.build().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CircuitBreakerConfig {
    /// Trips after so many failures in a row; `None` for never. 5 by default. A success starts the count anew. An
    /// endpoint that fails every second call gets there within some 60 calls too; of one that fails less often, the
    /// failure rate tells sooner.
    #[serde(alias = "consecutive_failures")]
    pub failure_threshold: Option<u32>,
    /// Trips when at least this share of the calls in the window failed, from above 0 to 1; `None` for never, which is the
    /// default.
    #[serde(alias = "failure_rate_threshold")]
    pub failure_rate: Option<f64>,
    /// Trips when at least this share of the calls in the window was slow, from above 0 to 1; `None` for never, which is
    /// the default. It needs `slow_call`.
    #[serde(alias = "slow_call_rate_threshold")]
    pub slow_rate: Option<f64>,
    /// A call that takes at least so long is slow. None is by default.
    #[serde(alias = "slow_call_duration", with = "seconds::optional")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Duration>"))]
    pub slow_call: Option<Duration>,
    /// Up to where a call is timed to tell whether it is slow. Its end by default.
    pub slow_until: SlowUntil,
    /// Which calls the rates are of: those of the latest 30 s by default.
    pub window: WindowKind,
    /// The rates say nothing before so many calls are in the window. 8 by default.
    #[serde(alias = "minimum_calls", alias = "minimum_number_of_calls")]
    pub min_calls: u32,
    /// What part of a failure an overload counts as, from 0 to 1: half by default, so that it takes ten overloads in a
    /// row where it takes five failures.
    pub overload_weight: f64,
    /// What a cancelled call counts as, once it has lasted for `slow_call`. A slow call by default; without `slow_call`,
    /// nothing.
    pub cancelled: CancelledPolicy,
    /// How long it stays open. 30 s by default.
    #[serde(alias = "recovery_timeout", alias = "reset_timeout", with = "seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub open_for: Duration,
    /// By how much that grows with each trip that follows another without a [calm](Self::calm) between them. 2 by
    /// default.
    pub open_factor: f64,
    /// What it grows to, unless `open_for` is above it. 5 min by default.
    #[serde(with = "seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub open_max: Duration,
    /// Once it has been closed for so long, earlier trips are forgotten. 1 min by default.
    #[serde(with = "seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub calm: Duration,
    /// An upstream that asks to be left alone for longer is asked again after this. 5 min by default.
    #[serde(with = "seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub retry_after_max: Duration,
    /// How many calls half-open admits at once, and how many must succeed before it closes. 3 by default.
    pub half_open_max_calls: u32,
    /// How many of them must succeed, where that is another number.
    #[serde(alias = "success_threshold")]
    pub half_open_successes: Option<u32>,
    /// How long a call may keep its place in half-open before another is let in. 1 min by default. It is not cut short,
    /// and its result counts whenever it comes.
    #[serde(with = "seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub half_open_lease: Duration,
    /// Whether a call that was throttled parks the endpoint until the time that the upstream said. It does by default;
    /// switch it off where another layer of the same endpoint does that.
    pub park_throttled: bool,
}

/// Which calls a breaker's rates are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum WindowKind {
    /// The latest so many calls, at most 100,000. A byte of memory each.
    Calls(u32),
    /// The calls of the latest so long, in ten steps.
    Time(
        #[serde(with = "human")]
        #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
        Duration,
    ),
}

/// Up to where a call is timed to tell whether it is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SlowUntil {
    /// The response head.
    Head,
    /// The first piece of the body or stream. Of an answer without one, the end.
    FirstData,
    /// The end of the body or stream.
    #[default]
    End,
}

/// What a call counts as that was cancelled after it had lasted for `slow_call`. One that is cancelled earlier counts
/// as nothing: the loser of a hedge says nothing about the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum CancelledPolicy {
    /// Nothing.
    Ignore,
    /// A slow call.
    #[default]
    Slow,
    /// A failure: callers give up because the endpoint does not answer.
    Failure,
}

// ===== impl CircuitBreakerConfig =====

impl Default for CircuitBreakerConfig {
    fn default() -> Self {
        Self {
            failure_threshold: Some(5),
            failure_rate: None,
            slow_rate: None,
            slow_call: None,
            slow_until: SlowUntil::End,
            window: WindowKind::Time(Duration::from_secs(30)),
            min_calls: 8,
            overload_weight: 0.5,
            cancelled: CancelledPolicy::Slow,
            open_for: Duration::from_secs(30),
            open_factor: 2.0,
            open_max: Duration::from_secs(300),
            calm: Duration::from_secs(60),
            retry_after_max: Duration::from_secs(300),
            half_open_max_calls: 3,
            half_open_successes: None,
            half_open_lease: Duration::from_secs(60),
            park_throttled: true,
        }
    }
}

/// Setters, so that a configuration reads as a sentence.
macro_rules! with {
    ($($name:ident => $field:ident: $type:ty, $doc:literal;)*) => {$(
        #[doc = concat!($doc, " See [`", stringify!($field), "`](Self::", stringify!($field), ").")]
        #[must_use]
        pub const fn $name(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
    )*};
}

impl CircuitBreakerConfig {
    with! {
        with_failure_threshold => failure_threshold: Option<u32>, "Sets how many failures in a row trip it.";
        with_failure_rate => failure_rate: Option<f64>, "Sets the share of failures that trips it.";
        with_slow_rate => slow_rate: Option<f64>, "Sets the share of slow calls that trips it.";
        with_slow_call => slow_call: Option<Duration>, "Sets which calls are slow.";
        with_slow_until => slow_until: SlowUntil, "Sets up to where calls are timed.";
        with_window => window: WindowKind, "Sets which calls the rates are of.";
        with_min_calls => min_calls: u32, "Sets how many calls the rates need.";
        with_overload_weight => overload_weight: f64, "Sets what an overload counts as.";
        with_cancelled => cancelled: CancelledPolicy, "Sets what a cancelled call counts as.";
        with_open_for => open_for: Duration, "Sets how long it stays open.";
        with_open_factor => open_factor: f64, "Sets by how much that grows.";
        with_open_max => open_max: Duration, "Sets what that grows to.";
        with_calm => calm: Duration, "Sets when earlier trips are forgotten.";
        with_retry_after_max => retry_after_max: Duration, "Sets how long an upstream may ask to be left alone.";
        with_half_open_max_calls => half_open_max_calls: u32, "Sets how many calls half-open admits.";
        with_half_open_successes => half_open_successes: Option<u32>, "Sets how many successes close it.";
        with_half_open_lease => half_open_lease: Duration, "Sets how long a place in half-open is kept.";
        with_park_throttled => park_throttled: bool, "Sets whether a throttled call parks the endpoint.";
    }

    /// Whether a window is kept at all.
    pub(super) const fn has_rates(&self) -> bool {
        self.failure_rate.is_some() || self.slow_rate.is_some()
    }

    /// How many successes close a half-open breaker.
    pub(super) fn successes(&self) -> u32 {
        self.half_open_successes
            .unwrap_or(self.half_open_max_calls)
            .max(1)
    }

    /// How long a trip opens that follows `streak` others.
    pub(super) fn opens_for(&self, streak: u32) -> Duration {
        let factor = self
            .open_factor
            .powi(i32::try_from(streak).unwrap_or(i32::MAX));
        let grown = self.open_for.as_secs_f64() * factor;
        let cap = self.open_max.max(self.open_for);
        Duration::try_from_secs_f64(grown).map_or(cap, |grown| grown.min(cap))
    }
}
