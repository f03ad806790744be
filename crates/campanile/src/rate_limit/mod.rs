//! Keeps calls, tokens and money to so many a second, and learns the upstream's own limits.
//!
//! A [`RateLimitLayer`] counts in up to three units at once: requests, tokens, nano-dollars. A call is admitted when there
//! is enough of each; what it takes is estimated when it comes, by the [`Cost`](crate::Cost) in its
//! [context](crate::Context) or a [function](RateLimitLayer::cost), reserved in all units or in none, and settled when its
//! answer ends. What is admitted, less what is given back, never exceeds `rate × time + burst`, from any number of threads;
//! a bucket never holds more than its burst, however much comes back to it.
//!
//! **State.** A token bucket for each unit, as the generic cell rate algorithm (GCRA) in units instead of time: one meter
//! for each unit shows what has been due since the beginning, and a bucket is one number, the reading at which it is full
//! again. To take is one compare-and-swap; how long to wait follows from the same number, to the nanosecond. A change of
//! rate or burst sets the meter, so it holds for all keys at once, and neither forgives nor adds what calls owe. All
//! arithmetic is in integers; a nano-dollar is not lost.
//!
//! With [keys](RateLimitLayer::keyed) (a tenant, a model, an API key) each has buckets of its own, behind one of 64 locks:
//! under 60 bytes each beside the key at a million keys. A key whose buckets are full again is forgotten little by little
//! as new keys come. Beyond [`max_keys`](RateLimitConfig::max_keys) new keys share one bucket in each of the 64 parts, so
//! nobody escapes a limit, or fills the memory, by making up keys.
//!
//! **Waiting.** A call that finds too little waits in a queue, if it can be served within
//! [`max_wait`](RateLimitConfig::max_wait) and its own deadline. Otherwise it is refused at once, with the exact time to
//! come again. The queue is served by the [`Priority`](crate::context::Priority) of the call's context, critical before normal
//! before batch before sheddable; first come, first served within one, and calls without a context are normal. Only the
//! first has a time; when it goes it wakes the next, and when one gives up all behind it are served earlier. A call is woken
//! twice at most, and twice more for each that overtakes it while it is the first. Timers are as fine as a millisecond:
//! calls that are due within the same one go together.
//!
//! Priority is strict, and does not grow with the wait, as in request schedulers (vLLM's `--scheduling-policy priority`).
//! What keeps calls from starving is that none waits longer than `max_wait`: one that is overtaken until then is refused, with
//! the time to come again, so that under lasting overload those that matter least are refused and not those that matter (*Site
//! Reliability Engineering*, chapter 21, "Criticality"). Where a class must get its share whatever others ask for, give it a
//! limit of its own.
//!
//! **Settlement.** When its answer ends, what a call took is what the upstream reported
//! ([`Usage`](crate::Usage), each part by the last report): the rest is given back, and what it took beyond its estimate is
//! owed, so that later calls wait for it. See [`Settle`] for calls of which nothing is reported. Requests are not given
//! back, except where a layer further in refused the call. Tokens that came from the upstream's cache count, unless
//! [`CachedTokens`] says otherwise.
//!
//! **Learning.** See [`Learn`]. A 429 with a wait parks the limiter until then. [`Headers`] (feature `http`) are followed:
//! what remains upstream is what remains here, its limit is a ceiling of the rate, and once nothing remains the limiter
//! parks until the reset. A 429 without a hint empties the bucket and slows all rates down, once for all calls that were
//! under way together; calls that succeed bring them back step by step. A limiter with keys parks and empties by key, and
//! does not slow down: one key's upstream says nothing of the others'. Refusals by layers of this stack teach nothing. A
//! limiter in front of a whole pool had better not learn: set [`learn`](RateLimitConfig::learn) to `None`.
//!
//! **Readiness.** Alone, `poll_ready` asks the inner service; the limit is looked at in `call`, where the cost is known.
//! With a [gate](RateLimitLayer::gate), the endpoint is closed for [`Reason::Quota`](crate::endpoint::Reason::Quota) while
//! not even the least call would be admitted, and `poll_ready` is pending, so that a pool goes elsewhere. It reserves
//! nothing: clones that are readied and dropped take nothing, and cannot be hoarded.
//!
//! **Cancellation.** A call that is dropped while it waits gives its place up. One that is dropped in flight keeps what it
//! reserved, unless usage was reported: the upstream may well have worked.
//!
//! **Streaming.** What is reserved is settled when the body or stream ends or is dropped, by what was reported until then.
//!
//! **Sharing.** Clones of a service share its buckets. A layer makes new ones for each service, unless it is made of a
//! [`RateLimitHandle`], or [shares](RateLimitLayer::share) one: two endpoints of one API key are one limit. The handle also
//! shows what is left, and turns rates while calls run, by itself or as a [`Dial`](crate::control::Dial).
//!
//! **Errors.** [`RejectionKind::RateLimited`](crate::rejection::RejectionKind::RateLimited), status 429. With
//! `retry_after`, which is exact if nobody else comes that matters more, except where the call takes more than a full bucket holds: that would never succeed, unless
//! [`Oversize::Debt`] lets it go. Errors of the inner service are passed on.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use campanile::{BoxError, Call, Cost, rate_limit::{Limit, RateLimitConfig, RateLimitLayer, Unit}};
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! let config = RateLimitConfig::requests(Limit::per_minute(500.0).with_burst(20))
//!     .with_tokens(Limit::per_minute(200_000.0))
//!     .with_max_wait(Duration::from_secs(5))
//!     ;
//! let service = ServiceBuilder::new()
//!     .layer(RateLimitLayer::new(config).unwrap().calls().cost(|call: &Call<String>| {
//!         Cost::tokens(call.message.len() as u64 / 4 + 1_000)
//!     }))
//!     .service(service_fn(|call: Call<String>| async move { Ok::<_, BoxError>(call.message) }));
//!
//! let answer = service.clone().oneshot(Call::new("hello".to_owned())).await.unwrap();
//! assert_eq!(answer, "hello");
//! assert!(service.handle().left(Unit::Tokens).unwrap() < 199_100.0);
//! # }
//! ```

mod buckets;
mod collect;
mod config;
mod future;
mod gates;
mod handle;
mod held;
mod layer;
mod learn;
mod limiter;
#[cfg(all(test, campanile_loom))]
mod loom;
mod meters;
mod service;
mod settle;
mod state;
#[cfg(all(test, feature = "testing", not(campanile_loom)))]
mod tests;
mod unit;
mod wait;

pub use crate::key::{By, ByTenant, KeyOf, Together};
pub use buckets::{Keyed, Single};
pub use config::{CachedTokens, Learn, Limit, Oversize, RateLimitConfig, Reset};
pub use future::ResponseFuture;
pub use handle::{RateDial, RateLimitHandle, RateLimitSnapshot, UnitSnapshot};
pub use layer::RateLimitLayer;
#[cfg(feature = "http")]
pub use learn::Headers;
pub use learn::{Advice, Advise, Quota, Silent};
pub use service::RateLimit;
pub use settle::Settle;
pub use unit::Unit;
