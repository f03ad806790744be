//! End-to-end tests, and scenarios of control loops: see `tests/`. Tests over real sockets are the only ones that run on
//! real time; each waits for what it tests, with a bound, and never for a fixed time. Control loops run in
//! [simulated time](simulation). Providers of LLMs that [fail on purpose](faults) are here too.

pub mod faults;
pub mod simulation;
