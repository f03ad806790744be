//! Processors and their callers in simulated time: discrete events, one thread, no clock, every random number from a
//! seed. A run of minutes takes milliseconds, and the same run gives the same figures again (but for the last digits of
//! logarithms, which machines may round as they like: bounds need some room).
//!
//! # The parts
//!
//! - [`Queue`] holds what will happen, in order of time and then of insertion.
//! - [`Random`] is where every random number comes from.
//! - [`Server`] works on calls by processor sharing in virtual time, up to a batch; those above wait in turn.
//! - [`limits`] puts a concurrency limit's algorithm between random arrivals and a server.
//!
//! [`Queue`], [`Random`] and [`Server`] know nothing of limits, and are all that a scenario of another control loop needs:
//! look at what comes first, the server's next event or the queue's, and handle that.
//!
//! # Servers
//!
//! Those of the study that the defaults of this project come from:
//!
//! - **Short calls** ([`Law::Slots`]): each of `b` calls runs at the rate `min(1, slots / b)`, none waits outside. The size
//!   of a call is normal with mean and deviation 1, above 0.05, scaled to the mean.
//! - **Language model** ([`Law::Batch`]): each of `b` calls gets a token every 10 ms + 0.5 ms `b`, 32 at most, the others
//!   wait in turn. The work of a call is its output and 0.012 of its prompt, in tokens: prompt lognormal of median 600
//!   and sigma 1.2, 32,000 at most; output for nine in ten lognormal of median 150 and sigma 0.9, for one Pareto of shape
//!   1.5 from 400 on, 8,192 at most. The first token comes when the prompt's part is done.

mod events;
pub mod limits;
mod random;
mod server;
mod work;

#[cfg(test)]
mod tests;

pub use events::Queue;
pub use random::Random;
pub use server::{Law, Progress, Server};
pub use work::{Size, Work};
