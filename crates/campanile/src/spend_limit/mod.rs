//! Budgets of tokens and money: by key, tenant or pool, by the minute to the month; reserved before a call, settled after it.
//!
//! A [`SpendLimitLayer`] has from one to four [budgets](SpendBudget): so many tokens, or so much money, in each period. A
//! call is admitted when there is room for it in all of them. What it takes is estimated when it comes, by the
//! [`Cost`](crate::Cost) in its [context](crate::Context) or a [function](SpendLimitLayer::cost), reserved in all budgets or
//! in none, and replaced by what it turned out to take when its answer ends. What is reserved and spent together never
//! exceeds the limit of a period, from any number of threads, except by what calls took beyond their estimate; that counts
//! too, so that the next call is refused. Where the context says the [most](crate::Context::most) that a call can take, that is
//! reserved in its stead, but for [soft](Enforce::Warn) budgets: then no number of calls at once spends more than there is. Nobody
//! waits: who finds no room is refused at once.
//!
//! The most is that of one attempt. Layers further in that send a call more than once ask its [trail](crate::context::Trail) for
//! leave; then what the attempts before were charged, and the most for each that may be under way, is made to be reserved. Where
//! there is no room for that, there is no further attempt, and the call ends as the one before it did. What is not charged to the
//! trail is not known, and not counted.
//!
//! A call is refused that is estimated to take more than is left, even if something is left. A call of which nobody knows
//! what it will take (0) is taken to take what [the settings assume](SpendLimitConfig::assumed_tokens), since otherwise any
//! number of them would be admitted at once. Money is counted in whole nano-dollars: nothing is rounded away.
//!
//! Layers stack: one by key, one by tenant, one for all, each with budgets of its own. Then a call that an inner one refuses
//! is given back in those further out.
//!
//! **State.** For each budget, and for each key where there are [keys](SpendLimitLayer::keyed): when its period ends, what is
//! taken (reserved and spent), and what is spent: 24 bytes. To reserve is one compare-and-swap, without a lock or an allocation for
//! all calls together, and behind one of 64 locks with keys. All arithmetic is in integers. Of several budgets one after the
//! other is taken, after a look at all; two calls that come at the same moment, and find room for one, may both be refused
//! then, and are never both admitted.
//!
//! With keys, one whose periods are all over is forgotten little by little as new ones come. Beyond
//! [`max_keys`](SpendLimitConfig::max_keys) new keys have one set of budgets together, or are [refused](Beyond), so nobody
//! escapes a budget, or fills the memory, by making up keys.
//!
//! **Periods** begin with the minute, hour, day, week (on Monday) or month of the calendar in UTC, or with the
//! [first call](Window::FirstUse) after the last period. The wall clock is read once, when the budgets are made; from then on they
//! follow the clock of calls, so that a wall clock which is set does not open a budget that is spent. A call that is over
//! after the period in which it was admitted is charged to that one as much as was reserved for it, and then, in order, to those in
//! which more was reserved for further attempts; what it took beyond all that is charged to the present one. What a period was
//! overdrawn is not carried on to the next.
//!
//! **Settlement.** See [`Settle`] for what is charged. Where the protocol has a [context](crate::Context), the layer gives
//! each call a [trail](crate::context::Trail), to which those who account for its attempts
//! [charge](crate::context::Trail::charge) them: so attempts that were given up, by a hedge or a retry further in, are paid
//! too. A call that has one already, since a retry is further out, gets a [branch](crate::context::Trail::branch) of it, so that
//! none is paid twice.
//!
//! **Warnings.** When a [part](SpendBudget::warn_at) of a budget is spent, an event of `tracing` says so, once in each period,
//! and a [function](SpendLimitHandle::on_crossing) is called. A [soft](Enforce::Warn) budget does nothing else.
//!
//! **Readiness.** `poll_ready` asks the inner service, and reserves nothing: clones that are readied and dropped take nothing.
//!
//! **Cancellation.** A call that is dropped is settled at that moment, exactly once, by what was reported until then. If nothing was, it
//! is charged what it was estimated to take, unless [`Unreported`] says otherwise: the upstream may well have worked. Attempts that
//! are made afterwards, since others wait for the same answer, reserve nothing, and are not charged to it.
//!
//! **Streaming.** What is reserved is settled when the body or stream ends or is dropped. A report replaces the one before it.
//!
//! **Sharing.** Clones of a service share its budgets. A layer makes new ones for each service, unless it is made of a
//! [`SpendLimitHandle`], or [shares](SpendLimitLayer::share) one. The handle also shows what is left, changes limits while calls run,
//! charges what was used elsewhere, and [exports](SpendLimitHandle::export) what was spent, so that a restart does not forget it.
//!
//! **Errors.** [`RejectionKind::BudgetExhausted`](crate::rejection::RejectionKind::BudgetExhausted), status 429, with
//! `retry_after` until the last of the periods ends that have no room, or 1 s where calls under way have reserved what is missing;
//! without it where that would never help: the budget is
//! [forever](Period::Forever), the call takes more than the whole limit (unless [`Oversize::Alone`] lets it go), or there is no room for its
//! key. Errors of the inner service are passed on.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use campanile::{BoxError, Call, Cost, Rejection, spend_limit::{Period, SpendBudget, SpendLimitConfig, SpendLimitLayer}};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! let config = SpendLimitConfig::new(SpendBudget::tokens(200_000, Period::Minute))
//!     .with_budget(SpendBudget::dollars(0.01, Period::Month));
//! let service = ServiceBuilder::new()
//!     .layer(SpendLimitLayer::new(config).unwrap().calls().by_tenant().cost(|call: &Call<String>| Cost {
//!         nano_dollars: 6_000_000,
//!         ..Cost::tokens(call.message.len() as u64 / 4 + 1_000)
//!     }))
//!     .service(service_fn(|call: Call<String>| async move { Ok::<_, BoxError>(call.message) }));
//!
//! let call = || Call::new("hello".to_owned());
//! assert_eq!(service.clone().oneshot(call()).await.unwrap(), "hello");
//! // Nothing was reported, so it counts as estimated, and there is no room for a second one this month.
//! let refused = service.clone().oneshot(call()).await.unwrap_err();
//! assert_eq!(Rejection::find(&*refused).unwrap().layer(), "spend_limit");
//! assert_eq!(service.handle().snapshot_of(&None)[1].left, 4_000_000);
//! # }
//! ```

mod account;
mod accounts;
mod clock;
mod collect;
mod config;
mod crossing;
mod handle;
mod layer;
#[cfg(all(test, campanile_loom))]
mod loom;
mod money;
mod period;
mod purse;
mod service;
mod settle;
mod snapshot;
mod spending;
mod state;
mod terms;
#[cfg(all(test, feature = "testing", not(campanile_loom)))]
mod tests;
mod unit;

pub use crate::key::{By, ByTenant, KeyOf, Together};
pub use accounts::{Keyed, Single};
pub use config::{Beyond, Enforce, Oversize, SpendBudget, SpendLimitConfig, Unreported};
pub use crossing::Crossing;
pub use handle::SpendLimitHandle;
pub use layer::SpendLimitLayer;
pub use period::{Period, Window};
pub use service::SpendLimit;
pub use settle::Settle;
pub use snapshot::{SpendOutline, SpendSnapshot};
pub use state::{BudgetState, KeyState, SpendState};
pub use unit::SpendUnit;
