//! Which provider a call goes to.
//!
//! | by | what |
//! |---|---|
//! | model | [`Router`]: named groups, aliases, patterns, and other groups for errors of some classes |
//! | capability | [`Serving`] and [`ServingLayer`], by a [`Catalogue`] (feature `pool`, as those below) |
//! | price | [`Cheapest`]: the cheapest member that meets a latency goal |
//! | conversation | [`ConversationLayer`], and the pool's `Affinity::by_conversation` or [`ByChat`] |
//! | prefix | [`PrefixAware`]: to the member that has read the beginning of a prompt already |
//!
//! What follows is of the router.
//!
//! # State
//!
//! The routes: groups with their services, models, aliases, patterns. Immutable; [`RouterHandle::replace`] sets others as a
//! whole, and calls under way end by the old ones.
//!
//! # Readiness
//!
//! Always ready: which group a call goes to is known with the call, and one that is not ready must keep no other from its
//! calls. A clone of the group's service is made ready within the future of the call, until its deadline. A group whose
//! `poll_ready` fails answers that call with its error; the next call takes a fresh clone.
//!
//! # Cancellation
//!
//! The future holds what the service within holds, and gives it back when it is dropped; before a call goes to another group,
//! too.
//!
//! # Streaming
//!
//! Answers are passed on as they are. A call goes to another group by an error, so before anything of an answer was passed on;
//! a layer further in that holds a stream back until its first content makes errors of those that fail before it.
//!
//! # Sharing
//!
//! Clones share the routes. The groups' services must be `Clone + Send + Sync`, as a pool is, and of one type:
//! `tower::util::BoxCloneSyncService` makes one type of several.
//!
//! # Fallbacks
//!
//! A call that ends in an error of a class for which its group names another goes there: once for each class, to each group
//! once, while its deadline has not passed, and for one of the attempts of its [trail](campanile::context::Trail). A call that may
//! go to another group gets a trail, if it has none: so the limit of attempts is one for all groups together, and a pool in
//! one group avoids the endpoints that were tried in another. It says that it is a
//! [`Repeat::Fallback`](campanile::context::Repeat::Fallback). Two groups may stand in for each other; only for classes by
//! which the request itself is at fault are circles refused, when the routes are made. A call whose prompt, with
//! the answer that it asks for, is [estimated](Routed::estimate) to be more tokens than its group's context window goes to the group
//! for [`Class::ContextWindow`](crate::error::Class::ContextWindow) at once, and spends nothing. What is reserved for it does not matter.
//!
//! # Errors
//!
//! [`Class::ModelNotFound`](crate::error::Class::ModelNotFound) for a model that nobody has, with ten of those that there are, the nearest first. Of several groups' errors the first stands, since that group was asked for; but where the request itself was at
//! fault there, so that another group was right for it, that of the next.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), campanile::BoxError> {
//! use campanile::Call;
//! use campanile_llm::{Error, chat::ChatRequest, error::Class, route::{GroupConfig, Router, RouterConfig}};
//! use tower::{ServiceExt, util::BoxCloneSyncService};
//!
//! let main = tower::service_fn(async |_: Call<ChatRequest>| {
//!     Err::<String, _>(Error::new(Class::ContextWindow, "the prompt is too long"))
//! });
//! let long = tower::service_fn(async |call: Call<ChatRequest>| Ok(call.message.model().to_owned()));
//!
//! let config = RouterConfig::default()
//!     .with_group("main", GroupConfig::models(["gpt-5", "gpt-5-*"]).with_fallback(Class::ContextWindow, "long"))
//!     .with_group("long", GroupConfig::default().with_model("gemini-2.5-pro"))
//!     .with_alias("best", "gpt-5");
//! let router = Router::new(config, [
//!     ("main", BoxCloneSyncService::new(main)),
//!     ("long", BoxCloneSyncService::new(long)),
//! ])?;
//!
//! let answer = router.clone().oneshot(Call::new(ChatRequest::new("best").user("hi"))).await?;
//! assert_eq!(answer, "gemini-2.5-pro");
//! assert_eq!(router.models(), ["best", "gpt-5"]);
//! # Ok(()) }
//! ```
#![cfg_attr(not(feature = "pool"), allow(rustdoc::broken_intra_doc_links))]

#[cfg(feature = "pool")]
mod catalogue;
#[cfg(feature = "pool")]
pub mod cheapest;
mod config;
pub mod conversation;
mod future;
mod needs;
#[cfg(feature = "pool")]
mod number;
mod pattern;
#[cfg(feature = "pool")]
pub mod prefix;
mod routed;
mod router;
mod routes;
#[cfg(feature = "pool")]
pub mod serving;
#[cfg(test)]
mod tests;
mod unknown;

#[cfg(feature = "pool")]
pub use catalogue::{Catalogue, CatalogueConfig, Offer};
#[cfg(feature = "pool")]
pub use cheapest::{Cheapest, CheapestConfig};
pub use config::{Fallbacks, GroupConfig, RouterConfig};
#[cfg(feature = "pool")]
pub use conversation::ByChat;
pub use conversation::{ConversationConfig, ConversationLayer, conversation_key};
pub use future::ResponseFuture;
pub use needs::{Capabilities, Needs};
pub use pattern::Pattern;
#[cfg(feature = "pool")]
pub use prefix::{PrefixAware, PrefixConfig};
pub use routed::Routed;
pub use router::{Router, RouterHandle};
pub use routes::{GroupSnapshot, RouterSnapshot, Routes};
#[cfg(feature = "pool")]
pub use serving::{Serving, ServingLayer};
pub use unknown::listed;
