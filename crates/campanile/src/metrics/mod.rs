//! Counts and times calls by stage and endpoint, and tells of them: as snapshots for serde, as a table on a terminal, as
//! Prometheus and OpenMetrics text.
//!
//! [`Metrics`] has a [`StageMetrics`] for each stage, and that an [`EndpointMetrics`] for each endpoint. Each has a
//! [`layer`](StageMetrics::layer) that is bound to it once, and guards' handles can be [attached](EndpointMetrics::collect) to
//! it, which tell their own counts and states when somebody asks. Within each is a [`Recorder`], which also serves alone: a
//! [`MetricsLayer`] brings calls to it, and it tells a [`Reading`]: how many calls there were, how they ended, what they
//! took, and how long, in three [windows](Window): since the start, in the last minute, and of the latest 1,000 calls.
//!
//! # What is measured
//!
//! In texts, after the [prefix](MetricsConfig::prefix): `campanile_stage_requests_total`, `campanile_endpoint_requests_total`.
//! Counters are since the start and never fall.
//!
//! | of stages (`stage_…`) and endpoints (`endpoint_…`) | kind | what |
//! |---|---|---|
//! | `requests_total`, `requests_in_flight` | counter, gauge | calls that have begun; those that have not ended, to the last byte |
//! | `outcomes_total` by `outcome`, `kind` | counter | calls that ended: successes, failures by kind, throttled, overloaded, ignored, cancelled |
//! | `refusals_total` by `layer`, `kind` | counter | calls that a layer further in refused; from the first one on |
//! | `retries_total`, `hedges_total`, `fallbacks_total` | counter | attempts beside the first, where the [context](crate::Context) says so; those of a stage also where only its endpoints see them |
//! | `input_tokens_total`, `cached_input_tokens_total`, `output_tokens_total` | counter | as upstreams reported |
//! | `cost_dollars_total` | counter | the same |
//! | `sent_bytes_total`, `received_bytes_total` | counter | of bodies |
//! | `last_used_timestamp_seconds` | gauge | when the latest call began |
//! | `duration_seconds`, `failed_duration_seconds` | histogram | from the begin to the end; of calls that failed, were throttled or overloaded apart |
//! | `head_seconds`, `first_data_seconds` | histogram | from the begin to the head and to the first data |
//! | `between_data_seconds` | histogram | between one piece of data and the next |
//! | `wait_seconds` | histogram | in queues, from the [stamp](MetricsLayer::stamp) further out to here |
//! | `stage_requests_queued` | gauge | calls in a stage that are at none of its endpoints |
//! | `endpoint_closed`, `endpoint_closings_total`, `endpoint_closed_seconds_total` by `reason` | gauge, counters | why the gate is closed, how often it was, and for how long |
//! | `endpoint_weight` | gauge | the share of traffic that is wished for |
//!
//! What is attached is named by what tells it, and bears the labels of the stage or endpoint that it is attached to:
//! `breaker_state`, `breaker_transitions_total`, `concurrency_limit`, `concurrency_limit_in_use`, `rate_limit_left`,
//! `hedge_delay_seconds`, `budget_balance`, `back_pressure_verdict`, `health_endpoints`, `batch_items_total`, and all others of
//! the handles that implement [`Collect`](crate::collect::Collect). One that panics when it is asked tells nothing that time.
//!
//! The share of traffic, which snapshots tell, is in a collector
//! `rate(campanile_endpoint_requests_total[5m]) / on (stage) group_left sum by (stage) (rate(campanile_endpoint_requests_total[5m]))`.
//!
//! Labels, of which none has a value from a request:
//!
//! | label | of | values |
//! |---|---|---|
//! | `stage` | all | names of stages, from the program |
//! | `endpoint` | endpoints, and what is attached to one | keys of endpoints, from the roster |
//! | [those of the settings](MetricsConfig::labels) | the same | labels of endpoints, from the roster |
//! | `outcome`, `kind` | `outcomes_total` | six outcomes, and for failures six kinds |
//! | `layer`, `kind` | `refusals_total` | layers' names, from the program, and kinds of rejections |
//! | `reason` | gates | all reasons of a gate |
//! | `le` | histograms | [bounds](MetricsConfig::buckets) in seconds |
//! | `state`, `to`, `unit`, `name` and the like | what is attached | known to the program |
//!
//! A state is a series for each of its values, of which one is 1, so none stays behind. The histogram of whole calls is there
//! from the first; those of other times from the first that was seen.
//!
//! **What is timed.** Head, first data and total are those of calls that succeeded, and are recorded when the call ends: a
//! failure that is fast must not make latency look good. What calls that failed, were throttled or overloaded took is told
//! apart, as `failed`. Calls that were cancelled or ignored are counted and not timed. Times between data are recorded as
//! they come, and waits in queues with the first data or the end, whatever becomes of the call. A refusal further in is counted by layer and kind, where
//! it [can be found](crate::Rejection::within) in the error, and the call besides as it ended.
//!
//! **How exact.** Counts are exact: nothing is lost or counted twice, whoever records and reads at the same time. In each
//! reading the calls that ended and those in flight make up those that have begun. Calls that begin and end within the
//! microseconds of a reading may be told as in flight. Times are known to within 0.8 %: see
//! [`Histogram`]. The last minute is told in turns of ten seconds, of which the oldest is dropped whole, so it is the last 50
//! to 60 seconds; [`span`](Distributions::span) says how long. When the latest calls are of several threads, which of them
//! are the latest is known to within the two dozen that a thread keeps to itself until somebody reads. The time of a record
//! is known to within 8 ms, so the span of the latest calls is too.
//!
//! # What it costs
//!
//! **A call**: two readings of the clock, four additions to lines of memory that no other thread writes, and once in two
//! dozen calls a lock, which is left alone if somebody else has it; no allocation, but for a page of 64 bytes when a time is
//! so long as none was in these ten seconds, and once in ten seconds when these become the past.
//!
//! **A reading** holds the lock of one recorder at a time, for a few microseconds, in which it copies; it works out what it
//! tells afterwards. A text of 1,000 endpoints with breakers and limits is 200,000 series in 18 MB;
//! `cargo bench -p campanile-benches --features recorders --bench metrics` says how long it takes.
//!
//! **Memory**: half a kilobyte for each of at most eight threads, 6 bytes for each of the latest calls, and 1 to 3 bytes for
//! each bucket of time that something fell into, 64 to a doubling; up to a minute after calls several times as many. With
//! calls of eight threads whose times are spread as those of a language model's answers that is less than 16 KiB at rest;
//! see [`Recorder::memory`]. What was recorded in the last minute is given free by a later reading, or by calls.
//!
//! # State
//!
//! In lanes, one for each of eight threads (further ones share): a number of calls that have begun, sums of what they
//! took, and a ring of records of eight bytes each: how a call ended, when, and its three times. Whoever finds the ring
//! nearly full takes the lock of the aggregate, if it is free, and moves the records there; a reader moves those of all
//! lanes. Only a thread that finds its ring full, because the one that holds the lock is held up, waits for that lock.
//!
//! A stage stays until it is [forgotten](Metrics::forget). An endpoint stays as long as a layer, a service or a handle of it is left, and its series go with
//! it; what is attached to it is let go then.
//!
//! # Readiness
//!
//! That of the inner service. Waiting for it is no part of a call, and not measured: a
//! [`stamp`](MetricsLayer::stamp) further out measures it as a wait.
//!
//! # Cancellation
//!
//! A call that is dropped, in flight or within its body, is in flight no longer, and counts as cancelled. A panic counts as
//! a failure of its kind.
//!
//! # Streaming
//!
//! A call is in flight until its body or stream ends, as the [protocol](MetricsLayer::protocol) follows it, and is told of
//! by its outcome, tokens and bytes only then.
//!
//! # Sharing
//!
//! A layer records all services that it is applied to together, in its recorder; so do clones. [`Metrics`] and its stages and
//! endpoints are handles: clones are the same, and so is a stage of the same name, and an endpoint of the same key within a
//! stage. An endpoint in two stages is measured in each apart; its gate is told in both.
//!
//! # Errors
//!
//! The layer refuses nothing, and passes the inner service's errors through. [`Metrics::new`] refuses settings that are out of
//! range.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), campanile::BoxError> {
//! use campanile::{BoxError, Endpoint, metrics::{Metrics, MetricsConfig}};
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! let metrics = Metrics::new(MetricsConfig::default())?;
//! let stage = metrics.stage("chat");
//! // In an endpoint's own stack, that of `PerEndpointLayer`, with the handles of its guards: `.collect(breaker)`.
//! let measured = stage.endpoint(&Endpoint::new("eu-1"));
//! let client = ServiceBuilder::new()
//!     .layer(measured.layer())
//!     .service_fn(|well: bool| async move {
//!         tokio::time::sleep(Duration::from_millis(20)).await;
//!         if well { Ok("answer") } else { Err(BoxError::from("broken")) }
//!     });
//! // Around the whole.
//! let chat = ServiceBuilder::new().layer(stage.layer()).service(client);
//! for call in 0..10 {
//!     let _ = chat.clone().oneshot(call != 3).await;
//! }
//!
//! let reading = measured.read();
//! assert_eq!((reading.requests, reading.in_flight), (10, 0));
//! assert_eq!((reading.outcomes.success, reading.outcomes.failures()), (9, 1));
//! # #[cfg(feature = "testing")]
//! assert!(reading.minute.total.quantile(0.99).unwrap().abs_diff(Duration::from_millis(20)) < Duration::from_millis(2));
//!
//! println!("{}", metrics.snapshot());
//! let text = metrics.prometheus();
//! assert!(text.contains(r#"campanile_endpoint_requests_total{stage="chat",endpoint="eu-1"} 10"#));
//! # Ok(()) }
//! ```
//!
//! What a collector scrapes, as a handler of axum, for `Router::new().route("/metrics", get(scrape)).with_state(metrics)`, with
//! axum's `State` around the first argument:
//!
//! ```
//! use campanile::metrics::{Format, Metrics};
//! # #[cfg(feature = "http")]
//! use http::{HeaderMap, Response, header::{ACCEPT, CONTENT_TYPE}};
//!
//! # #[cfg(feature = "http")]
//! async fn scrape(metrics: Metrics, headers: HeaderMap) -> Response<String> {
//!     let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
//!     let format = Format::accepted(accept.unwrap_or_default());
//!     let mut response = Response::new(metrics.text(format));
//!     let content_type = http::HeaderValue::from_static(format.content_type());
//!     response.headers_mut().insert(CONTENT_TYPE, content_type);
//!     response
//! }
//! # #[cfg(feature = "http")]
//! # tokio_test::block_on(async {
//! # let mut headers = HeaderMap::new();
//! # headers.insert(ACCEPT, "application/openmetrics-text".parse().unwrap());
//! # let response = scrape(Metrics::default(), headers).await;
//! # assert_eq!(response.body(), "# EOF\n");
//! # });
//! ```

mod config;
mod gathered;
mod histogram;
mod layer;
mod reading;
mod recorder;
mod registry;
mod service;
mod snapshot;
mod table;
mod text;

pub use config::MetricsConfig;
pub use histogram::Histogram;
pub use layer::MetricsLayer;
pub use reading::{Distributions, OutcomeCounts, Reading, Refusals, Window};
pub use recorder::{Recorder, Recording};
pub use registry::{EndpointMetrics, Metrics, StageMetrics};
pub use service::Measured;
pub use snapshot::{
    EndpointFigures, Figures, GateFigures, LatencyFigures, MetricsSnapshot, OutcomeFigures,
    RefusalFigures, SampleSnapshot, StageSnapshot, WindowFigures,
};
pub use table::Table;
pub use text::{Format, OPEN_METRICS, PROMETHEUS};
