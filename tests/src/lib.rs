//! End-to-end tests: see `tests/`. Those over real sockets are the only ones that run on real time; each waits for what it
//! tests, with a bound, and never for a fixed time.
