//! By samples of what goes over the wire.

mod answers;
mod failures;
mod requests;
