//! Answers a failed call from elsewhere.
//!
//! [`FallbackLayer`] passes a call on, and when it fails answers it from another service ([`to`](FallbackLayer::to)), with
//! a value ([`value`](FallbackLayer::value)), or by a function ([`function`](FallbackLayer::function)). Which calls fail is
//! for the protocol's classifier to say, so a response of status 503 may as well as an error; which failures count is set
//! by a [`FallbackConfig`], by kinds of rejection ([`Rejected`]) or by a closure ([`when`](FallbackLayer::when)). Layers one
//! around the other make a chain of fallbacks.
//!
//! # State
//!
//! None but that of each call: what is kept of its request (a clone, or what [`keeping`](FallbackLayer::keeping) derives)
//! until the first answer is there. Nothing is allocated for a call that does not fail.
//!
//! # Readiness
//!
//! That of the first service alone: a fallback that is sick disables nobody. The other service is cloned and made ready
//! within the future of a call that has failed, and not before. If it fails in that, the first answer stands. When the
//! first service is not ready, its callers wait; a `LoadShedLayer` under this one turns that into a refusal, and so into an
//! answer from elsewhere.
//!
//! # Cancellation
//!
//! The first call's future is dropped before anything else begins, and the response of a failed call before the other
//! service is called or waited for: what it holds may be what the other waits for. Dropping the future drops whichever is
//! under way.
//!
//! # Streaming
//!
//! A call is judged by its head; nothing has been passed on by then. A body or stream that breaks off later does so.
//!
//! # Sharing
//!
//! Clones share the other service as a template to clone, and nothing that changes. A call that goes to another service
//! takes one of the attempts in its context's [`Trail`](crate::context::Trail), which it shares with retries and hedges:
//! when none is left, or its deadline has passed, the first answer stands. The context of a request that goes elsewhere
//! whole says that it is a [`Fallback`](crate::context::Repeat::Fallback); one that was derived keeps what it was given.
//!
//! # Errors
//!
//! Those of the first service, and those of the other made into them (`B::Error: Into<S::Error>`). This layer refuses
//! nothing. An error of the first service's `poll_ready` means that it is dead, and is passed on.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use campanile::{BoxError, fallback::FallbackLayer};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! let primary = service_fn(async |_: String| Err::<String, BoxError>("connection refused".into()));
//! let spare = service_fn(async |name: String| Ok::<_, BoxError>(format!("hello {name}, from the spare")));
//!
//! let service = FallbackLayer::to(spare).layer(primary);
//! assert_eq!(service.oneshot("Ada".to_owned()).await.unwrap(), "hello Ada, from the spare");
//! # }
//! ```

mod answer;
mod backup;
mod config;
mod future;
mod layer;
mod service;
#[cfg(all(test, not(campanile_loom)))]
mod tests;
mod to_future;
mod when;

pub use backup::{Backup, Cloned, Failed, Function, FunctionOf, Keep, ToService, Value};
pub use config::FallbackConfig;
pub use future::ResponseFuture;
pub use layer::FallbackLayer;
pub use service::Fallback;
pub use to_future::ToFuture;
pub use when::{Rejected, When};
