//! Which provider a call goes to.
//!
//! - [`Router`]: by model. Named groups, each a service, most often a pool; aliases, patterns, a default; and for errors of some
//!   classes (a prompt too long, a filtered one) groups of their own.

mod config;
mod future;
mod needs;
mod pattern;
mod routed;
mod router;
mod routes;
#[cfg(test)]
mod tests;
mod unknown;

pub use config::{Fallbacks, GroupConfig, RouterConfig};
pub use future::ResponseFuture;
pub use needs::{Capabilities, Needs};
pub use routed::Routed;
pub use router::{Router, RouterHandle};
pub use routes::{GroupSnapshot, RouterSnapshot, Routes};

pub(crate) use pattern::Pattern;
