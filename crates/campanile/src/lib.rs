//! Tower middleware that fans requests out to a pool of processors, LLM providers first.
//!
//! Every concern is a [`tower_layer::Layer`]. Layers compose, with `tower::ServiceBuilder`, into one service whose
//! inner end is a `tower::discover::Discover` of processors. The modules below are the words that all layers share
//! ([`outcome`], [`budget`], [`collect`], [`completion`], [`protocol`], [`rejection`], [`context`], [`cost`], [`endpoint`], [`config`],
//! [`control`], [`key`], [`time`], and [`replay`] with those that use it) and one module for each concern, behind a cargo feature of the same name.
//!
//! | feature | what it brings |
//! |---|---|
//! | `balance` (default) | [`balance::BalanceLayer`]: the pool, and every strategy |
//! | `discover` | [`discover::Roster`], [`discover::PerEndpointLayer`] |
//! | `http` | classification of HTTP responses, bodies that carry a completion, context in `http::Request` extensions |
//! | `circuit_breaker` | stops calling a service that fails, until it is well again |
//! | `rate_limit` | keeps calls, tokens and money to so many a second, and learns the upstream's own limits |
//! | `concurrency_limit` | keeps the calls in flight to a limit, fixed or found while running |
//! | `back_pressure` | turns limits and rates down when errors or latency rise, and up again when they fall |
//! | `timeout` | four clocks: to the head, to the first data, between data, in total |
//! | `retry` | tries a failed call again, elsewhere first, within a budget |
//! | `hedge` | sends a second copy of a call that takes long, within a budget |
//! | `fallback` | answers a failed call from elsewhere |
//! | `load_shed` | refuses at once what cannot be served now |
//! | `spend_limit` | keeps tokens and money to budgets by key and period: reserved before a call, settled after it |
//! | `health` | probes endpoints, ejects outliers, and closes their gates |
//! | `batch` | lets compatible requests travel together |
//! | `metrics` | counts and times calls by stage and endpoint: snapshots, tables, Prometheus and OpenMetrics text |
//! | `trace` | spans for call, attempt and endpoint, and one line in the log for each call that failed |
//! | `testing` | scripted endpoints, mock discovery, a readiness probe; time follows tokio's paused clock |
//! | `full` | all of them |
#![cfg_attr(
    not(all(feature = "balance", feature = "discover", feature = "http")),
    allow(rustdoc::broken_intra_doc_links)
)]
// Under loom the pool, which uses most of the endpoint, is not compiled.
#![cfg_attr(campanile_loom, allow(dead_code, unused_imports))]

pub mod budget;
pub mod collect;
pub mod completion;
pub mod config;
pub mod context;
pub mod control;
pub mod cost;
pub mod endpoint;
pub mod key;
pub mod outcome;
pub mod protocol;
pub mod rejection;
#[cfg(any(feature = "retry", feature = "hedge", feature = "batch"))]
pub mod replay;
pub mod time;

#[cfg(feature = "back_pressure")]
pub mod back_pressure;
// Not under loom: the pool's own parts are other crates', which loom cannot see into; see `endpoint::loom`.
#[cfg(all(feature = "balance", not(campanile_loom)))]
pub mod balance;
#[cfg(feature = "batch")]
pub mod batch;
#[cfg(feature = "circuit_breaker")]
pub mod circuit_breaker;
#[cfg(feature = "concurrency_limit")]
pub mod concurrency_limit;
#[cfg(feature = "discover")]
pub mod discover;
#[cfg(feature = "fallback")]
pub mod fallback;
#[cfg(all(feature = "health", not(campanile_loom)))]
pub mod health;
#[cfg(feature = "hedge")]
pub mod hedge;
#[cfg(feature = "load_shed")]
pub mod load_shed;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "rate_limit")]
pub mod rate_limit;
#[cfg(feature = "retry")]
pub mod retry;
#[cfg(feature = "spend_limit")]
pub mod spend_limit;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "timeout")]
pub mod timeout;
#[cfg(feature = "trace")]
pub mod trace;

// Each feature that counts calls by thread uses a part of it; the others lie idle.
#[cfg(any(feature = "rate_limit", feature = "spend_limit"))]
mod keyed;
// For the layers of this project's other crates.
#[doc(hidden)]
#[cfg_attr(not(feature = "full"), allow(dead_code))]
pub mod lane;
#[cfg(feature = "schema")]
mod schema;
mod sync;
mod waiters;

pub use completion::Completion;
pub use context::{Call, Context};
pub use cost::{Cost, Usage};
pub use endpoint::Endpoint;
pub use outcome::{Classify, Outcome};
pub use rejection::Rejection;

/// A boxed error of any kind, the same type as tower's.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
