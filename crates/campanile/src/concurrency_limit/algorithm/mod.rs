//! How a limit adapts: one trait, and a pure state for each rule.
//!
//! An algorithm is told of calls and of time and says what the limit should be. It reads no clock, takes no lock and
//! starts nothing, so that the simulator of the tests runs the very code that production runs. Floor and cap are its
//! owner's: an algorithm learns from [`Sample::limit`] and [`Tick::limit`] what its limit was made of, and does not wind
//! up beyond.
//!
//! | algorithm | raises | lowers | when |
//! |---|---|---|---|
//! | [`Elastic`] (default) | while more calls bring more work done | where they do not | whatever calls do; blind to their size |
//! | [`Aimd`] | by one each round trip | on drops | the processor says when it has enough |
//! | [`Vegas`] | while fewer than a few calls queue | when more do | latency of equal calls, or per token |
//! | [`Gradient2`] | while latency keeps to its average | when it rises over it | short calls at high rates |
//! | [`EnvoyGradient`] | while latency keeps to its least | when it rises over it | short calls at high rates |
//! | [`Static`] | never | never | the right limit is known |
//!
//! All of them raise the limit only while it is used (one client that calls in sequence never raises it), and lower it
//! for drops at most once each round trip (many simultaneous time-outs are one event).

use std::{fmt, time::Duration};

use crate::time::Timestamp;

mod aimd;
mod config;
mod elastic;
mod envoy;
mod fixed;
mod gradient2;
mod vegas;
mod window;

#[cfg(all(test, not(campanile_loom)))]
mod tests;

pub use aimd::{Aimd, AimdConfig};
pub use config::AlgorithmConfig;
pub use elastic::{Elastic, ElasticConfig, Work};
pub use envoy::{EnvoyGradient, EnvoyGradientConfig};
pub use fixed::{Static, StaticConfig};
pub use gradient2::{Gradient2, Gradient2Config};
pub use vegas::{Vegas, VegasConfig};

/// How a limit adapts. Pure: told of calls and of time, it says what the limit should be.
///
/// The owner asks [`limit`](Self::limit) again after each [`sample`](Self::sample) and each [`tick`](Self::tick), rounds
/// it to the nearest whole number, and holds it between floor and cap.
pub trait Algorithm: Send + fmt::Debug + 'static {
    /// The limit now, before floor and cap. At least 1.
    fn limit(&self) -> f64;

    /// Whether [`sample`](Self::sample) wants every finished call; otherwise only [`tick`](Self::tick) is called, which is
    /// cheaper.
    fn samples(&self) -> bool;

    /// A call has finished.
    fn sample(&mut self, sample: &Sample) {
        _ = sample;
    }

    /// When [`tick`](Self::tick) is due next; it may come later. [`Timestamp::ZERO`] is at once, `None` is never.
    fn next_tick(&self) -> Option<Timestamp> {
        None
    }

    /// What all calls together have done until now.
    fn tick(&mut self, tick: &Tick) {
        _ = tick;
    }
}

/// One finished call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When the call began.
    pub started: Timestamp,
    /// When it ended.
    pub now: Timestamp,
    /// The chosen signal; `None` where the call says nothing of latency.
    pub latency: Option<Duration>,
    /// Units of work that it did: streamed pieces, or 1.
    pub units: u64,
    /// Calls in flight at its end, itself included.
    pub in_flight: u32,
    /// The limit in force, after floor and cap.
    pub limit: u32,
    /// What the call says of the limit.
    pub verdict: Verdict,
}

/// What a finished call says of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It was served.
    Done,
    /// It was told to slow down, or timed out.
    Dropped,
    /// Nothing: it was cancelled, or failed for a reason that is no sign of load.
    Ignored,
}

/// Cumulative counts. Each starts anywhere, and wraps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tick {
    /// The moment of the counts.
    pub now: Timestamp,
    /// Units of work finished: streamed pieces as they arrive; for a call that does not stream, 1 at its end.
    pub units: u64,
    /// Calls that were served.
    pub completed: u64,
    /// Calls that were told to slow down, or timed out.
    pub dropped: u64,
    /// Calls that found no room: refused, or made to wait. May stay 0 where nobody counts them: then a limit is believed
    /// to be used only when nearly all of it is.
    pub refused: u64,
    /// The integral of calls in flight over time, in call-nanoseconds.
    pub busy: u64,
    /// Calls in flight now.
    pub in_flight: u32,
    /// The limit in force, after floor and cap.
    pub limit: u32,
}
