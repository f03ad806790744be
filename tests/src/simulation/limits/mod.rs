//! A concurrency limit's algorithm between callers and one server.
//!
//! # What is measured
//!
//! - **Goodput**: the work of calls that are served within the processor's time-out, a second. The time-out is the only
//!   bound on latency, as in the study: 20 times the mean size of short calls, 120 s for a language model. A call that is
//!   over it is cancelled at the server and tells the limit that it was dropped. Calls count by their size, in seconds or
//!   tokens: counted by their number, the best limit for a language model is one of 500, under which calls wait for two
//!   minutes and only short answers are served at all.
//! - A call that finds no room is **refused**, and does not come again. Only where a scenario has `callers`, each of whom
//!   calls again and again, it waits in turn.
//! - **Best static limit**: of limits about 20 % apart, the one whose goodput is highest with the same arrivals and sizes.
//!   Its latencies are those of the least limit that has 99.5 % of that goodput.
//! - **Recovery**: from a change on, how long until the work done a second (less that of calls cancelled) is for two bins
//!   in a row at least 85 % of what the best static limit does in the new state. Averaged over the seeds.
//!
//! The best static limits are in `scenarios/limits/best.json`, and a test finds some of them again. To find them all
//! again, after a change of a scenario's processor, loads, changes, length or seeds:
//!
//! ```sh
//! cargo test -p campanile-tests --release --test limits -- --ignored find_the_best_static_limits
//! ```

mod best;
mod check;
mod limiter;
mod report;
mod run;
mod scenario;

pub use best::{Best, sweep};
pub use check::{check, find};
pub use limiter::Limiter;
pub use report::{Phase, Report};
pub use run::run;
pub use scenario::{Bounds, Case, Change, Fault, Processor, Scenario, Signal, State};
