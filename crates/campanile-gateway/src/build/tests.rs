//! Pools, stages and changes of both.
