//! By what a request needs: only members that serve its model, with what it needs, are picked.
//!
//! [`Serving`] is a strategy around another, and hides the members that do not serve a request; [`ServingLayer`], in front of
//! the pool, refuses at once what none of them serves. Both go by one [`Catalogue`](super::Catalogue).
//!
//! **State.** The catalogue, which members enter as they join the pool and leave with it.
//!
//! **Readiness.** That of the pool. A request whose members are all closed waits as any other; one that nobody serves would
//! wait as well, until the pool's patience ends, were it not for the layer.
//!
//! **Cancellation.** Nothing is held.
//!
//! **Streaming.** Answers are passed on as they are.
//!
//! **Sharing.** Clones share the catalogue. A pick looks at an immutable table: no lock but after a change, once. Strategies that
//! draw members at random draw those that have the model, of one that some member names: where few of many have it, too.
//!
//! **Errors.** The layer refuses as [`Catalogue::check`](super::Catalogue::check) says.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), campanile::BoxError> {
//! use campanile::{Call, Endpoint, balance::{BalanceLayer, Ebw}, discover::{PerEndpointLayer, Roster}};
//! use campanile_llm::{Chat, Error, chat::{ChatRequest, ChatResponse}, error::Class};
//! use campanile_llm::route::{Catalogue, Serving, ServingLayer};
//! use tower::{ServiceBuilder, ServiceExt};
//! # async fn answer(_: Call<ChatRequest>) -> Result<ChatResponse, Error> { Err(Error::new(Class::Server, "down")) }
//!
//! let roster = Roster::new();
//! roster.insert(Endpoint::builder("gpu-0").label("models", "llama-3.1-8b").label("capabilities", "streaming"), ())?;
//! roster.insert(Endpoint::builder("cloud").label("models", "gpt-5, llama-3.1-8b"), ())?;
//!
//! let catalogue = Catalogue::default();
//! let pool = ServiceBuilder::new()
//!     .layer(ServingLayer::new(&catalogue))
//!     .layer(BalanceLayer::new(Serving::new(Ebw::default(), &catalogue)).protocol(Chat))
//!     .layer(PerEndpointLayer::new(|_: &Endpoint, ()| tower::service_fn(answer)))
//!     .service(roster.changes());
//! # tokio::task::yield_now().await;
//! # tokio::task::yield_now().await;
//!
//! let unknown = pool.clone().oneshot(Call::new(ChatRequest::new("gpt-6").user("hi"))).await.unwrap_err();
//! assert_eq!(unknown.class(), Class::ModelNotFound);
//! # Ok(()) }
//! ```

mod few;
mod layer;
mod strategy;
#[cfg(test)]
mod tests;

pub use layer::{ServingFuture, ServingLayer, ServingService};
pub use strategy::{Serving, ServingState};
