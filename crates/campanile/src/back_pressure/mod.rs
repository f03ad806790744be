//! Turns limits and rates down when errors or latency rise, and up again when they fall.
