//! Stops calling a service that fails, until it is well again.
