//! By prefix: to the member that has read the beginning of a prompt already, if that is worth its queue. For servers of one's
//! own, whose caches this router fills.
//!
//! **State.** A bounded table of beginnings of prompts, by hashes of chunks, and the members that have read them; without a
//! lock. Beside each endpoint the state of [`Ebw`](campanile::balance::Ebw), on whose estimate of slowness the pick goes.
//!
//! **The pick.** Candidates are the member where load alone would send the call, the (up to eight) members that hold most of
//! the prompt, and with [peers](PrefixConfig::peers) those where all routers would put it. Of these the least of `slowness x
//! (calls in flight + 1) / weight x work`, where the work is `(1 - hit) x prompt tokens x prefill + output tokens`: what a cached
//! beginning saves is weighed against the queue. `hit` is the share of the prompt that a member holds times the
//! [confidence](PrefixConfig::confidence); of a prompt of which nothing is known here, and with `n` peers, 0.9, 0.6 or 0.3 times
//! `n / (n + 1)` at its first, second or third choice by rendezvous hashing, times the share that chunks tell of. The tokens of an
//! answer are the mean of those before.
//!
//! **Bounded load.** No member is picked for what it holds whose calls in flight, by weight, are more than
//! [`overload`](PrefixConfig::overload) times those of the member that load alone would pick, and
//! [`floor`](PrefixConfig::floor) more.
//!
//! **Cost.** Hashing at most 64 KiB, eight bytes at a time; a line of the cache for each chunk that is known; as many writes.
//! No allocation.
//!
//! **What it is blind to.** What servers forget before the time, and what other routers send them, but for their number.

mod chunks;
mod config;
mod holders;
mod index;
mod rank;
mod strategy;
#[cfg(test)]
mod tests;

pub use config::PrefixConfig;
pub use strategy::{PrefixAware, PrefixState};
