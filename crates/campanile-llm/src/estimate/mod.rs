//! Tells every call what it is estimated to take, before it is sent anywhere: so that rate limits and budgets further in can
//! reserve it, and pools can weigh it.
//!
//! The estimate goes into the call's context, unless the caller has put one there: one request, tokens of the prompt and of the
//! answer, and money by the [prices](crate::price) of the model. The layer is the outermost of those that read it.
//!
//! | | [`Reserve::Likely`] | [`Reserve::Most`] |
//! |---|---|---|
//! | prompt | counted by a tokenizer, or estimated from bytes by what was learned | a token for each byte of the request, and [what media may be](EstimateConfig::media) |
//! | answer | the ninth decile of those before it, of its model and class; at most `max_tokens` | `max_tokens`, or the model's most |
//! | money | at the price of the prompt and the answer, nothing cached | at the dearest price that an input token can have |
//!
//! With [`tell_most`](EstimateConfig::tell_most) a call is told both: rate limits reserve the likely, and budgets that refuse the
//! [most](campanile::Context::most).
//!
//! Each is for the dearest of the models that may serve the call: of a model that several providers have, the dearest of their
//! prices, and of an alias or a group, of those that the settings [name](EstimateConfig::serves).
//!
//! A call whose price is not known is estimated in tokens, and its money is 0: it costs something, and nobody knows what. With
//! [`Unpriced::Refuse`] it is refused instead.
//!
//! **State.** An [`Estimator`]: what is learned are atomics. A call allocates nothing, takes no lock and reads no clock. It is
//! learned from whole answers whose usage the provider reported, and from nothing else: a stream that was cut or given up is
//! shorter than its answer would have been, and an answer from a [cache](crate::chat::Meta::cached) further in took nothing.
//!
//! **Readiness.** That of the service within. Nothing is reserved here.
//!
//! **Cancellation.** Nothing to give back; nothing is learned.
//!
//! **Streaming.** Events are passed on as they are; the last one is read.
//!
//! **Sharing.** All services of a layer learn together, as do all who share an [`Estimator`], a
//! [`Calibrated`](crate::tokens::Calibrated) or an [`OutputLengths`](crate::tokens::OutputLengths).
//!
//! **Errors.** Those of the service within, and that of a model without a price, if it is asked for.
//!
//! # Example
//!
//! ```
//! use campanile_llm::{
//!     chat::ChatRequest,
//!     estimate::{EstimateConfig, EstimateLayer, Reserve},
//!     price::Prices,
//! };
//!
//! let prices = Prices::from_json(r#"{"models": {"small": {"input": 0.1, "output": 0.4}}}"#)?;
//! let config = EstimateConfig::default().with_reserve(Reserve::Most);
//! let layer = EstimateLayer::new(config)?.prices(&prices);
//!
//! let request = ChatRequest::new("small").user("hi").max_tokens(1_000);
//! let cost = layer.handle().estimate(&request);
//! assert!(cost.tokens > 1_000 && cost.nano_dollars > 400_000);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod config;
mod estimator;
mod future;
mod layer;
mod lesson;
mod service;
mod stream;
#[cfg(test)]
mod tests;

pub use config::{EstimateConfig, Reserve, Unpriced};
pub use estimator::Estimator;
pub use future::EstimateFuture;
pub use layer::EstimateLayer;
pub use service::Estimate;
pub use stream::EstimateStream;

const CONCERN: &str = "estimate";
