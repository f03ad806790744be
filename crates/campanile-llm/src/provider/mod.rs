//! Providers as services: chats, embeddings and lists of models out, answers and streams in, over any HTTP client that is a
//! service.
//!
//! A [`Provider`] translates: what a caller asks in its [dialect](crate::dialect::Dialect) goes out as the provider's
//! [interface](crate::dialect::Api) wants it, and comes back in the dialect. It is a member of a pool as any other service is.
//!
//! **State.** None of its own but its settings: clones share them.
//!
//! **Readiness.** That of the HTTP client; a call uses the very client that was readied.
//!
//! **Cancellation.** A future or a stream that is dropped drops the HTTP call, which cancels it at the provider. [`HttpBody`]
//! says how soon.
//!
//! **Streaming.** [`ProviderStream`] pulls a chunk of the body only when it is polled and has no event left, so a caller that
//! does not read holds the provider back. It ends in [`Part::End`](crate::chat::Part::End), the proof that the answer is
//! whole, or in an error. An answer that came whole although a stream was asked for becomes a stream, and the other way
//! round.
//!
//! **Sharing.** One HTTP client serves any number of providers: it is cheap to clone.
//!
//! **Errors.** What the provider reports, by its [class](crate::error::Class). `Unreachable` before the head,
//! `Interrupted` after it. The deadline of a call is a matter of layers around it. No error, log line or `Debug` shows a key,
//! also where the provider repeats it.
//!
//! # Example
//!
//! ```
//! # #[cfg(feature = "client")]
//! # async fn ask() -> Result<(), campanile::BoxError> {
//! use campanile::Call;
//! use campanile_llm::{chat::{Answer, ChatRequest}, provider::{Provider, ProviderConfig, http_client}};
//! use tower::ServiceExt;
//!
//! let config = ProviderConfig::llama_cpp("http://127.0.0.1:8080");
//! let provider = Provider::new(http_client(), &config)?;
//! let response = provider.oneshot(Call::new(ChatRequest::new("any").user("hi"))).await?;
//! if let Answer::Whole(completion) = response.answer {
//!     println!("{}", completion.text());
//! }
//! # Ok(()) }
//! ```

#[cfg(feature = "client")]
mod client;
mod collect;
mod config;
mod future;
mod limit;
mod reasoning;
mod secret;
mod service;
mod settings;
mod stream;
#[cfg(test)]
mod tests;

#[cfg(feature = "client")]
pub use client::{
    DefaultConnector, HttpBody, HttpClient, HttpConfig, HttpError, HttpFuture, http_client,
};
pub use config::ProviderConfig;
pub use future::ProviderFuture;
pub(crate) use future::{Asking, Kind};
pub use limit::TokenLimit;
pub use reasoning::PastReasoning;
pub use secret::Secret;
pub use service::Provider;
pub(crate) use settings::Settings;
pub use stream::ProviderStream;
