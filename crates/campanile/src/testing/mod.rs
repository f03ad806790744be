//! What tests of a stack need: endpoints that do as they are told, discovery in the hand, a probe for broken rules of
//! readiness, and random numbers that can be repeated.
//!
//! | what | for |
//! |---|---|
//! | [`Script`], [`Step`], [`Readiness`] | an endpoint that answers late, fails, stalls, panics, is not ready; it counts its calls |
//! | [`ScriptStream`], [`ScriptBody`] | an answer in pieces, with pauses, cut in the middle |
//! | [`discovery`] | a `Discover` whose members a test inserts and removes, whose errors and end it decides |
//! | [`ReadinessProbe`], [`Permits`] | shows who calls what was not readied, and who reserves what they do not use |
//! | [`seeded`] | random numbers that are the same in every run |
//!
//! With this feature, [`Timestamp`](crate::time::Timestamp) follows tokio's clock, so a test on paused time
//! (`#[tokio::test(start_paused = true)]`) runs hours of a pool's life in no time. Enable the feature in
//! `[dev-dependencies]` only.
//!
//! # Example
//!
//! One member fails every third call and answers the others in 10 ms; the other is not ready. The pool leaves it alone.
//!
//! ```
//! # #[cfg(not(feature = "balance"))] fn main() {}
//! # #[cfg(feature = "balance")] #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
//! use campanile::{balance::{BalanceLayer, LeastLoaded}, testing::{Readiness, Script, Step, discovery}};
//! use std::time::Duration;
//! use tower::{Layer, ServiceExt};
//!
//! let flaky = Script::rule(|call| match call % 3 {
//!     2 => Step::error("out of luck"),
//!     _ => Step::answer("hello").after(Duration::from_millis(10)),
//! });
//! let stuck = Script::answering("never");
//! stuck.set_readiness(Readiness::Pending);
//!
//! let (members, discover) = discovery();
//! members.insert("flaky", flaky.service());
//! members.insert("stuck", stuck.service());
//! let pool = BalanceLayer::bare(LeastLoaded::default()).layer(discover);
//!
//! let mut answers = Vec::new();
//! for _ in 0..3 {
//!     answers.push(pool.clone().oneshot("hi").await.is_ok());
//! }
//! assert_eq!(answers, [true, true, false]);
//! assert_eq!(flaky.counts().calls, 3);
//! assert_eq!(stuck.counts().calls, 0);
//! # }
//! ```

#[cfg(feature = "http")]
mod body;
mod counts;
mod discovery;
mod permits;
mod probe;
mod script;
mod service;
mod step;
mod stream;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

#[cfg(feature = "http")]
pub use body::ScriptBody;
pub use counts::Counts;
pub use discovery::{DiscoverHandle, MockDiscover, discovery};
pub use permits::{Permit, Permits};
pub use probe::{ProbeFuture, ReadinessProbe, Violation, Violations};
pub use script::Script;
pub use service::{ScriptFuture, Scripted};
pub use step::{Readiness, Step};
pub use stream::{Cut, ScriptStream};

/// Random numbers that are the same in every run of a test. [`BalanceLayer::seed`](crate::balance::BalanceLayer::seed)
/// does the same for a pool's picks.
///
/// ```
/// use campanile::testing::seeded;
///
/// assert_eq!(seeded(7).u64(..), seeded(7).u64(..));
/// assert_ne!(seeded(7).u64(..), seeded(8).u64(..));
/// ```
#[must_use]
pub fn seeded(seed: u64) -> fastrand::Rng {
    fastrand::Rng::with_seed(seed)
}
