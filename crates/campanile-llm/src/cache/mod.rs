//! Keeps answers, and lets equal requests that are made at the same time share one call.
//!
//! [`CacheLayer`] answers a chat from what was answered to an equal one before: whole, or event by event as it came. Equal is
//! what has the same fields, every one of them, known or not, in the same dialect and, unless [said](CacheConfig::scope)
//! otherwise, of the same tenant. Requests are told apart by a BLAKE3 hash of 256 bits over all of that.
//!
//! **State.** The answers, each with the time at which it is too old, in at most so many
//! [bytes](CacheConfig::max_bytes), the least useful dropped first. And the calls under way, each shared by everyone who asks
//! the same. Only an answer that was proven to be whole is kept.
//!
//! **Readiness.** Always ready: what is kept needs no provider. A call that goes through is made on a clone that is polled
//! ready for it, within the call's own task.
//!
//! **One call for all.** A call that goes through runs in a task of its own, which belongs to nobody: when the caller who
//! was first goes, the others lose nothing, and one who does not read holds up nobody else's answer. The task
//! reads ahead of the quickest reader by a few events only; when the answer is larger than is kept, of the slowest.
//! When the last reader is gone the task is dropped, and with it the provider's call.
//!
//! **Cancellation.** Dropping a future or a stream gives up its place among the readers.
//!
//! **Streaming.** A streamed request is answered event by event, also from the cache. What is kept takes nothing: the running
//! usage of its events is zero, whatever the usage in their JSON says, which is what it took at first.
//!
//! **Sharing.** Clones of a service, and all services of one [`CacheHandle`], share answers and calls.
//!
//! **Errors.** Those of the inner service, each reader its own copy; nothing of a failed call is kept. A panic of the
//! inner service is a [`RejectionKind::Aborted`](campanile::rejection::RejectionKind::Aborted) for all. The task has no
//! deadline: put a `TimeoutLayer` outside, so that a caller's deadline ends that caller's wait.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), campanile::BoxError> {
//! use campanile::Call;
//! use campanile_llm::cache::{CacheConfig, CacheLayer};
//! use campanile_llm::chat::{ChatRequest, ChatResponse, Meta};
//! use campanile_llm::{Error, stream::ChatStream};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! let provider = service_fn(async |_: Call<ChatRequest>| -> Result<ChatResponse, Error> {
//!     // What a provider does.
//! #   Err(Error::new(campanile_llm::error::Class::Server, "none"))
//! });
//! let layer = CacheLayer::new(CacheConfig::default())?;
//! let chat = layer.layer(provider);
//! let _ = chat.oneshot(Call::new(ChatRequest::new("m").user("hi"))).await;
//! assert_eq!(layer.handle().snapshot().misses, 1);
//! # Ok(()) }
//! ```

mod config;
mod flight;
mod future;
mod handle;
mod key;
mod layer;
mod service;
mod store;
mod stream;
mod task;
#[cfg(test)]
mod tests;

pub use config::{CacheConfig, Scope};
pub use future::CacheFuture;
pub use handle::{CacheHandle, CacheSnapshot};
pub use layer::CacheLayer;
pub use service::Cache;
pub use stream::CacheStream;
