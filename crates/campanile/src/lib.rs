//! Tower middleware that fans requests out to a pool of processors, LLM providers first.
//!
//! Every concern is a [`tower_layer::Layer`]. Layers compose, with `tower::ServiceBuilder`, into one service whose
//! inner end is a `tower::discover::Discover` of processors. The modules below are the words that all layers share
//! ([`outcome`], [`completion`], [`rejection`], [`context`], [`cost`], [`endpoint`], [`time`]) and one module for each
//! concern, behind a cargo feature of the same name.
//!
//! | feature | what it brings |
//! |---|---|
//! | `balance` (default) | [`balance::BalanceLayer`]: the pool, and every strategy |
//! | `discover` | [`discover::Roster`], [`discover::PerEndpointLayer`] |
//! | `http` | classification of HTTP responses, bodies that carry a completion, context in `http::Request` extensions |
//! | `testing` | scripted endpoints, mock discovery, a readiness probe; time follows tokio's paused clock |
//! | `full` | all of them |
#![cfg_attr(
    not(all(feature = "balance", feature = "discover")),
    allow(rustdoc::broken_intra_doc_links)
)]
// Under loom the pool, which uses most of the endpoint, is not compiled.
#![cfg_attr(campanile_loom, allow(dead_code, unused_imports))]

pub mod completion;
pub mod context;
pub mod cost;
pub mod endpoint;
pub mod outcome;
pub mod rejection;
pub mod time;

// Not under loom: the pool's own parts are other crates', which loom cannot see into; see `endpoint::loom`.
#[cfg(all(feature = "balance", not(campanile_loom)))]
pub mod balance;
#[cfg(feature = "discover")]
pub mod discover;
#[cfg(feature = "testing")]
pub mod testing;

mod sync;

pub use completion::Completion;
pub use context::{Call, Context};
pub use cost::{Cost, Usage};
pub use endpoint::Endpoint;
pub use outcome::{Classify, Outcome};
pub use rejection::Rejection;

/// A boxed error of any kind, the same type as tower's.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Compiles and runs the program in the README.
#[cfg(all(doctest, feature = "balance"))]
#[doc = include_str!("../../../README.md")]
#[derive(Debug)]
pub struct Readme;
