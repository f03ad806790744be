//! LLM providers as tower services: a provider goes into a pool like any other service, and tells the truth about its streams,
//! its usage and its costs.
//!
//! A chat travels as a [`Call`](campanile::Call)`<`[`ChatRequest`](chat::ChatRequest)`>`, is answered by a
//! [`ChatResponse`](chat::ChatResponse), whole or as a stream of [events](chat::ChatEvent), or by one [`Error`] whose
//! [class](error::Class) says what it means for the request, the endpoint and the key. Any service of these types is a
//! provider. The [`Chat`] protocol lets every layer of `campanile` read such calls: put it into their `protocol` method.
#![forbid(unsafe_code)]

pub mod account;
#[cfg(feature = "cache")]
pub mod cache;
pub mod chat;
pub mod commit;
pub mod dialect;
pub mod embed;
pub mod error;
pub mod estimate;
pub mod front;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod json;
pub mod models;
pub mod price;
mod protocol;
pub mod provider;
pub mod resume;
pub mod route;
pub mod stream;
#[cfg(test)]
mod testing;
pub mod tokens;
pub mod usage;

pub use error::Error;
pub use protocol::{Chat, ContentData, EventMeter};

/// Compiles the programs in the README, and runs those that need no key.
#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../../../README.md")]
#[derive(Debug)]
pub struct Readme;
