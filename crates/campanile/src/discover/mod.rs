//! Where the members of a pool come from.
//!
//! Any [`tower::discover::Discover`] is a source of members. [`Roster`] is the one to hold in the hand: members are
//! added, removed, drained, re-weighted and switched off and on while the pool runs. Discovery layers stand between a
//! source and the pool: [`PerEndpointLayer`] builds each endpoint's own stack.
//!
//! The key of a member says which [`Endpoint`] it is. A key that is an [`Endpoint`] already, as a roster's keys are,
//! brings its weight, labels, gate and measurements along; any other key, a socket address or a number, becomes an
//! endpoint named by its `Display`.

use std::{any::Any, fmt::Display, hash::Hash};

use crate::endpoint::Endpoint;

mod drain;
mod known;
mod per_endpoint;
mod roster;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

pub(crate) use known::Known;

pub use drain::Drain;
pub use per_endpoint::{PerEndpoint, PerEndpointLayer};
pub use roster::{Roster, RosterChanges, UnknownMember};

/// What can identify a member. Implemented for every type that can: there is nothing to implement.
pub trait Key: Clone + Eq + Hash + Display + Send + Unpin + 'static {
    /// The endpoint that this key is, if it is one.
    fn endpoint(&self) -> Option<&Endpoint> {
        (self as &dyn Any).downcast_ref()
    }
}

impl<K: Clone + Eq + Hash + Display + Send + Unpin + 'static> Key for K {}
