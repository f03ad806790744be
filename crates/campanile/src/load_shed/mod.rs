//! Refuses at once what cannot be served now.
//!
//! [`LoadShedLayer`] never lets a caller wait for the service to be ready: a call that cannot be served at this moment is
//! refused with a [`Rejection`](crate::Rejection) of kind [`Shed`](crate::rejection::RejectionKind::Shed) that says when to
//! come back. With a [signal](LoadShedLayer::signal) of the utilisation it refuses calls that matter less
//! ([`Priority`](crate::context::Priority)) before the service is full. At the outer edge [`RejectionLayer`] (feature
//! `http`) turns the refusals of a whole stack into HTTP responses of status 503, 429 or 504 with `Retry-After`.
//!
//! # State
//!
//! Two counters of refusals, [`LoadShed::counts`], written only by a refusal.
//!
//! # Readiness
//!
//! Always. The inner service is asked in `call` whether it is ready, and called at once if it is, so an instance that
//! idles reserves nothing: a clone that was readied and left alone makes nobody else's call be shed. An instance that was
//! not ready, or whose `poll_ready` failed, is dropped with its place in whatever queue, and replaced by a clone. Services
//! that get ready only by being polled, one instance for itself, need
//! [`keep_instances`](LoadShedConfig::keep_instances).
//!
//! Whatever is not ready at once is shed: a pool whose gates are all closed for a moment, whose members have not joined
//! yet, or whose adaptive limits are new and low. Put it where that is what you want.
//!
//! Not for the stack of an endpoint within a pool, which goes elsewhere while an endpoint is not ready: this one always is.
//!
//! # Cancellation
//!
//! Nothing to give back: a call that is admitted is the inner service's.
//!
//! # Streaming
//!
//! Answers are passed on as they are.
//!
//! # Sharing
//!
//! Clones share the counters.
//!
//! # Errors
//!
//! The service's own error must be `From<Rejection>`. An error of the inner service's `poll_ready` is the error of that
//! call, and not the end of this service.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use campanile::{BoxError, Rejection, load_shed::LoadShedLayer};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! let mut service = ServiceBuilder::new()
//!     .layer(LoadShedLayer::default())
//!     .concurrency_limit(1)
//!     .service(service_fn(async |_: ()| Ok::<_, BoxError>("done")));
//!
//! let first = service.ready().await.unwrap().call(());
//! let error = service.ready().await.unwrap().call(()).await.unwrap_err();
//! assert_eq!(Rejection::find(&*error).unwrap().status(), 503);
//! assert_eq!(first.await.unwrap(), "done");
//! assert_eq!(service.oneshot(()).await.unwrap(), "done");
//! # }
//! ```

#[cfg(feature = "http")]
mod answer;
mod config;
mod future;
mod layer;
mod service;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

#[cfg(feature = "http")]
pub use answer::{AnswerFuture, AnswerRejections, AnswerWith, Otherwise, PassOn, RejectionLayer};
pub use config::{LoadShedConfig, Thresholds};
pub use future::ResponseFuture;
pub use layer::LoadShedLayer;
pub use service::{LoadShed, ShedCounts};
