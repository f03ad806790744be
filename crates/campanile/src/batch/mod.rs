//! Lets compatible requests travel together: one call of a `Service<Vec<Req>>` for many of a `Service<Req>`.
//!
//! For embeddings (`input: [...]`), classification, rerankers, bulk writes: whatever costs less together than apart.
//! The first request of a [key](BatchLayer::key) opens a batch, and others join it until
//!
//! - it has [`max_size`](BatchConfig::max_size) items, or another would cost more than
//!   [`max_cost`](BatchConfig::max_cost): it goes at once, never above either;
//! - its first item has waited for [`batch_timeout`](BatchConfig::batch_timeout);
//! - an item's deadline is near: an item waits for others a quarter of the time that is left to it at most;
//! - nothing else is in flight, where [`when_idle`](BatchConfig::when_idle) is set;
//! - somebody [says so](BatchHandle::flush), or the last handle of the service is dropped, so that nobody can join any
//!   more. A future that has not been polled yet may join, and so counts as a handle.
//!
//! Then a clone of the inner service is driven to ready, and called once. While that is not ready, or as many batches
//! are in flight [as may be](BatchConfig::max_in_flight), a batch that is not full goes on filling.
//!
//! Items in the [`Call`] envelope tell their deadlines and costs where the layer is made with
//! [`calls`](BatchLayer::calls); the inner service gets a `Vec<Call<T>>` then, each with its own context. For one that
//! reads the context of the whole batch, such as a pool of `Call<Vec<T>>`, put `map_request(Call::together)` of
//! [tower's](https://docs.rs/tower/latest/tower/struct.ServiceBuilder.html) between the two:
//! [`Call::together`](crate::Call::together) says what is made of their contexts.
//!
//! The answer to a batch is a list with a `Result` for each item, in their order. [`plain`](BatchLayer::plain) takes
//! lists of answers, and [`answers`](BatchLayer::answers) takes anything apart.
//!
//! **State.** The open batches by key, behind a lock: a key is known only while a batch of it is open. Each batch has a
//! lock of its own, and a task, which is spawned by its first item and ends with it. There is nothing else that runs,
//! so whatever happens to one batch is nothing to the next. With [`adaptive`](BatchConfig::adaptive) the size of
//! batches follows a latency target.
//!
//! **Readiness.** Always ready, and nothing is reserved. The inner service is driven to ready for each batch, by its
//! task, once it is to be sent: only the instance that was readied is called. Until it is, items wait: to their deadlines,
//! or as long as their callers do. How many is bounded by [`max_waiting`](BatchConfig::max_waiting), and what is beyond
//! is refused.
//!
//! **Cancellation.** A request joins a batch when its future is first polled. One whose future is dropped before the
//! batch is sent leaves it, and its room and cost are another's; when all have left nothing is called. After that its
//! answer is dropped; when nobody waits for the call any more, that is dropped too.
//!
//! **Streaming.** The answer to a batch is taken apart when it has arrived. Answers may be streams themselves; the
//! batch counts as in flight until they are handed out.
//!
//! **Sharing.** All clones share the batches. [Layers of one handle](BatchLayer::shared) share bounds and counts. The
//! task of a batch runs on the tokio runtime, with time enabled, on which its first item was polled.
//!
//! **Errors.** An item's own error goes to its caller. The error of a whole call goes to all its callers: [`BoxError`]s
//! behind a [`SharedError`], others [cloned](BatchLayer::cloned_errors) or [made](BatchLayer::share_errors). If
//! `poll_ready` fails that fails one batch, not the service. A batch that failed can be [split](BatchLayer::split) and
//! its halves sent again, so that one bad item fails alone; one that was throttled or met an overloaded endpoint is
//! not. Its own are [`Rejection`]s:
//!
//! | kind | |
//! |---|---|
//! | [`Shed`](RejectionKind::Shed) | too many items wait |
//! | [`DeadlineExceeded`](RejectionKind::DeadlineExceeded) | the item's deadline passed before it was sent |
//! | [`Aborted`](RejectionKind::Aborted) | the inner service panicked, or the runtime is shut down |
//! | [`Mismatched`](RejectionKind::Mismatched) | there were fewer or more answers than items; nobody gets any of them then, since nobody can tell whose they are |
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), campanile::BoxError> {
//! use campanile::{BoxError, batch::{BatchConfig, BatchLayer}};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! #[derive(Clone)]
//! struct Embed { model: &'static str, input: String }
//!
//! // An upstream that takes `input: [...]`.
//! let upstream = service_fn(async |batch: Vec<Embed>| {
//!     let input: Vec<&str> = batch.iter().map(|request| &*request.input).collect();
//!     println!("{{ \"model\": {:?}, \"input\": {input:?} }}", batch[0].model);
//!     Ok::<_, BoxError>(input.iter().map(|text| vec![text.len() as f32]).collect::<Vec<_>>())
//! });
//! let layer = BatchLayer::new(BatchConfig::default())?
//!     .key(|request: &Embed| request.model)
//!     .plain();
//! let service = ServiceBuilder::new().layer(layer).service(upstream);
//!
//! let embed = |input: &str| service.clone().oneshot(Embed { model: "small", input: input.to_owned() });
//! let (one, other) = tokio::join!(embed("one"), embed("other"));
//! assert_eq!((one?, other?), (vec![3.0], vec![5.0]));
//! assert_eq!(service.snapshot().batches, 1);
//! # Ok(()) }
//! ```
//!
//! [`BoxError`]: crate::BoxError
//! [`Call`]: crate::Call
//! [`Rejection`]: crate::Rejection
//! [`RejectionKind`]: crate::rejection::RejectionKind

#[cfg(doc)]
use crate::rejection::RejectionKind;

mod answers;
mod cause;
mod cell;
mod config;
mod control;
mod driver;
mod errors;
mod future;
mod groups;
mod handle;
mod key;
mod kind;
mod layer;
mod sending;
mod service;
mod size;
mod slots;
mod split;
#[cfg(all(test, feature = "testing", not(campanile_loom)))]
mod tests;

pub use crate::replay::{Cloned, Replay};
pub use answers::{Answers, Apart, Plain, Results};
pub use cause::FlushCause;
pub use config::{AdaptiveSize, BatchConfig};
pub use errors::{Boxed, Cloning, Made, ShareError, SharedError};
pub use future::BatchFuture;
pub use handle::{BatchHandle, BatchSnapshot, Flushes};
pub use key::{By, KeyOf, Together};
pub use layer::BatchLayer;
pub use service::Batch;
pub use split::NoSplit;

/// As which its rejections name it.
const LAYER: &str = "batch";
