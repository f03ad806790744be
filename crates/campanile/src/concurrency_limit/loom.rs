//! The permits under every order of events that loom can think of.
