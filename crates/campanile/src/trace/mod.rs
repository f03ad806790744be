//! Spans of calls, attempts and stays at endpoints, and one line in the log for each call that failed.
//!
//! [`TraceLayer`] stands at up to three places of a stack, and makes a `tracing` span at each:
//!
//! | place | span, level | is |
//! |---|---|---|
//! | [`stage`](TraceLayer::stage), outermost | `call`, `info` | the call as its caller sees it, however often it is sent |
//! | [`attempt`](TraceLayer::attempt), between retry and hedge and the pool | `attempt`, `debug` | one sending of it: the wait for an endpoint, and the stay there |
//! | [`endpoint`](TraceLayer::endpoint), in the endpoint's own stack | `endpoint`, `debug` | its stay at an endpoint |
//!
//! Each is the child of the span that is in force when the call arrives, so they nest as the layers do, also in whatever
//! span the program has around them; behind a layer that works in a task of its own (a buffer, a batch) a new tree
//! begins. The targets are `campanile::call`, `campanile::attempt` and `campanile::endpoint`, and so a filter such as
//! `campanile::call=info,campanile::endpoint=debug` chooses.
//!
//! | field | of |
//! |---|---|
//! | `id` | all: the correlation id |
//! | `stage`, `tenant`, `conversation`, `priority` | `call` |
//! | `attempt`, `repeat` (`retry`, `hedge`, `fallback`) | `attempt`, `endpoint` |
//! | `endpoint` | `endpoint` |
//! | `outcome`, `failure` (its kind), `status` (of HTTP), `error` | all, at the end |
//! | `refused_by`, `refusal`, `retry_after_s` | all, if a layer further in refused |
//! | `head_s`, `first_data_s`, `elapsed_s` | all, at the end, in seconds since its beginning |
//! | `units`, `input_tokens`, `output_tokens` | all, at the end, as far as the [meter](crate::completion::Meter) read them |
//! | `attempts` | `call`, where a trail is kept |
//!
//! **Correlation.** The id is that of the context; else, for HTTP, that of a header ([`HttpIds`]: `x-request-id`, or the
//! trace id of `traceparent`); else it is made, 128 random bits, and only if a span is on or the line is written. Where
//! a span is on it is put into the context, so retries, hedges and fallbacks have the same;
//! [`propagate`](HttpIds::propagate) sends it to the upstream too. Requests that cannot carry a context have an id in
//! their span `call` and their line alone.
//!
//! **The line** is written by the stage alone, once for each call that did not go well, when it ends: target
//! `campanile::call`, level `warn` unless [`TraceConfig`] says otherwise. It has the fields of the span `call`, and
//! `tried`, which tells where each attempt went, how it ended and how long it took, and `deadline_left_s`. Calls that went
//! well have none, and those that their callers gave up have one at `debug`. A stage within a stage writes its own.
//!
//! **Secrets.** Neither headers (but the id) nor bodies are ever read for a span or a line. The text of an error is that
//! of its `Display` and of its sources, on one line and at most 512 bytes, without the queries, fragments and passwords of
//! URLs in it. What else an error type says of its request it is to be trusted with. A tenant and a conversation are shown
//! as they are.
//!
//! # State
//!
//! None. Where nobody listens to the spans nor to the line, a call costs a comparison of levels: no allocation, and no
//! reading of the clock. Otherwise it allocates what its end needs, and a [trail](TraceConfig::trail) if the line is on.
//!
//! # Readiness
//!
//! That of the inner service.
//!
//! # Cancellation
//!
//! A call that is dropped ends its span with the outcome `cancelled`.
//!
//! # Streaming
//!
//! A span lives to the end of the body or stream, and is in force whenever that is polled, as it is while the call is made
//! and its future polled. Why a body broke off is not told, only that it did.
//!
//! # Sharing
//!
//! Clones share nothing that changes.
//!
//! # Errors
//!
//! The layer refuses nothing, and passes the inner service's errors through. They are to be
//! [`Display`](std::fmt::Display), as errors are.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), campanile::BoxError> {
//! use campanile::{BoxError, Call, Context, Endpoint};
//! use campanile::trace::{LogLevel, TraceConfig, TraceLayer};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! let config = TraceConfig::default().with_throttled(LogLevel::Info);
//! let endpoint = Endpoint::new("eu-1");
//! let service = ServiceBuilder::new()
//!     .layer(TraceLayer::stage("chat").config(config)?.calls())
//!     // Here: retry, hedge, .layer(TraceLayer::attempt().calls()), the pool; and then in each endpoint's stack:
//!     .layer(TraceLayer::endpoint(&endpoint).calls())
//!     .service_fn(|call: Call<&'static str>| async move {
//!         tracing::info!("in the spans of the call and the endpoint");
//!         Ok::<_, BoxError>(call.message.len())
//!     });
//!
//! let context = Context::new().with_id("5f2c").with_tenant("acme");
//! assert_eq!(service.oneshot(Call { context, message: "hello" }).await?, 5);
//! # Ok(()) }
//! ```

mod config;
mod future;
#[cfg(feature = "http")]
mod http;
mod id;
mod layer;
mod line;
mod place;
mod record;
mod service;
#[cfg(all(test, feature = "testing", not(campanile_loom)))]
mod tests;
mod text;

#[cfg(feature = "http")]
pub use self::http::HttpIds;
pub use config::{LogLevel, TraceConfig};
pub use future::TraceFuture;
pub use id::{ContextIds, Correlate, is_id, new_id, trace_id};
pub use layer::TraceLayer;
pub use record::Traced;
pub use service::Trace;
