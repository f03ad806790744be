//! Processors that make up what they answer: servers of OpenAI's interface, in memory.
//!
//! A [`Simulated`] takes the place of an HTTP client behind a real provider, so that whatever goes around a model (pools,
//! retries, breakers, limits, accounts) can be tried without a model and without a key. Everything it says begins with
//! `[simulated by NAME]`.
//!
//! | asked | answer |
//! |---|---|
//! | `/chat/completions` | text, a call of a tool that the prompt speaks of, or JSON by the schema that was sent; whole or as events |
//! | `/embeddings` | vectors of length 1, nearer to each other the more words two texts share |
//! | `/models` | its own name |
//!
//! It is as slow, and fails as often, as its [settings](crate::config::SimulatedConfig) say. It takes every model's name, and
//! one choice a call. A token is four bytes of text.
//!
//! **State.** How many calls are under way, and how many there were.
//!
//! **Readiness.** Always: calls beyond its slots are answered with 429, as a server would.
//!
//! **Cancellation.** A future or a body that is dropped gives its slot back; nothing goes on behind it.
//!
//! **Streaming.** A word is made when it is due and asked for: what nobody reads is not held.
//!
//! **Sharing.** Clones are one server.
//!
//! **Errors.** None of its own: failures are answers, and a body that is cut ends in a reset connection.

mod answer;
mod ask;
mod body;
mod chunks;
mod embed;
mod future;
mod hints;
mod refusal;
mod schema;
mod service;
#[cfg(test)]
mod tests;
mod text;
mod tool;

pub(crate) use body::SimulatedBody;
pub(crate) use future::SimulatedFuture;
pub(crate) use service::Simulated;
