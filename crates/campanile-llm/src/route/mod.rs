//! Which provider a call goes to.
//!
//! - [`Router`]: by model. Named groups, each a service, most often a pool; aliases, patterns, a default; and for errors of some
//!   classes (a prompt too long, a filtered one) groups of their own.

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
pub use routed::Routed;
pub use router::{Router, RouterHandle};
pub use routes::{GroupSnapshot, RouterSnapshot, Routes};
#[cfg(feature = "pool")]
pub use serving::{Serving, ServingLayer};

pub(crate) use pattern::Pattern;
