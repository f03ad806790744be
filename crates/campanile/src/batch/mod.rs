//! Lets compatible requests travel together.
