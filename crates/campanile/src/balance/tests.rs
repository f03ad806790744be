//! Contracts of the pool.
