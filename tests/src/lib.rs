//! End-to-end tests over real sockets: see `tests/`. They are the only ones that run on real time; each waits for what it
//! tests, with a bound, and never for a fixed time.
