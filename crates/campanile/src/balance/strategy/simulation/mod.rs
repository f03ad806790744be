//! Strategies against a fleet in virtual time: how far each is from a dispatcher that knows everything.
//!
//! 50 replicas share their processor among the calls they work on. Two kinds of work: `Rpc` (a call proceeds at the rate
//! `min(1, 4 / b)` beside `b - 1` others; work is normal, 1 s on average) and `Llm` (a step takes 10 ms + 0.5 ms for each
//! of at most 32 calls in a batch, more wait in line; a call is 0.012 steps for each token of its prompt, then one for
//! each token of its answer; lognormal sizes, one answer in ten from a Pareto tail). Calls arrive at random, at 0.7 and
//! 0.9 of what the fleet can do. Three fleets: equal replicas; every other one four times as fast; equal ones of which a
//! random half is three times slower for a while, then another. The pool is one client, or 64 that do not see each other.
//!
//! A strategy's figure is its ratio to the **limit**: of each metric the best of three central dispatchers that know
//! every replica's speed and load, and two of them the size of every call. No single dispatcher reaches it everywhere.
//!
//! The strategies are the real ones, and hear of calls what the pool tells them. The whole grid, as a table:
//!
//! ```text
//! cargo test -p campanile --release --all-features --lib fleet_grid -- --ignored --nocapture
//! ```

mod central;
mod replica;
mod run;
mod tests;
mod tower;
mod workload;

use central::Central;
use run::{Clients, Figures, simulate};
use tower::TowerPeakEwma;
use workload::{Fleet, Kind, Scenario};
