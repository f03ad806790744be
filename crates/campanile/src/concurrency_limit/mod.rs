//! Keeps the calls in flight to a limit, fixed or found while running.

pub mod algorithm;
