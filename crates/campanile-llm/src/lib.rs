//! LLM providers as tower services: a provider goes into a pool like any other service, and tells the truth about its streams,
//! its usage and its costs.
//!
//! A chat travels as a [`Call`](campanile::Call)`<`[`ChatRequest`](chat::ChatRequest)`>`, is answered by a
//! [`ChatResponse`](chat::ChatResponse), whole or as a stream of [events](chat::ChatEvent), or by one [`Error`] whose
//! [class](error::Class) says what it means for the request, the endpoint and the key. Any service of these types is a
//! provider. The [`Chat`] protocol lets every layer of `campanile` read such calls: put it into their `protocol` method.
//!
//! | | what |
//! |---|---|
//! | [`provider`] | clients of OpenAI's interface and all that are compatible, of Anthropic's, Gemini's and Ollama's, over any HTTP client that is a service |
//! | [`dialect`] | callers ask in OpenAI's or Anthropic's dialect, and are answered in it, whoever answers |
//! | [`commit`] | nothing is passed on before the first content, so what fails before can be tried elsewhere |
//! | [`resume`] | an answer that breaks off goes on elsewhere, where that is wanted |
//! | [`front`] | answers as HTTP: a stream that was cut ends in an error, and never as if it were whole |
//! | [`tokens`], [`price`], [`estimate`] | what a call will take, before it is sent |
//! | [`account`] | what it took, in tokens and money, also of streams that were cut or given up; by provider, model, tenant |
//! | [`route`] | by model, capability, price, conversation, prefix; other groups for errors of some classes |
//! | [`embed`], [`models`] | embeddings, and lists of models |
//! | `cache` | answers that are kept, and shared by equal requests (feature `cache`) |
//!
//! # A stack
//!
//! From the outside in, as a request goes. Every layer can be left out; the order stays.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), campanile::BoxError> {
//! use std::time::Duration;
//! use bytes::Bytes;
//! use campanile::{
//!     Call, Context, Endpoint,
//!     balance::{AvoidTried, BalanceLayer, Ebw},
//!     circuit_breaker::{CircuitBreakerConfig, CircuitBreakerLayer},
//!     concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitLayer},
//!     discover::{PerEndpointLayer, Roster},
//!     rate_limit::{Limit, RateLimitConfig, RateLimitLayer},
//!     retry::{RetryAfter, RetryConfig, RetryLayer},
//!     spend_limit::{Period, SpendBudget, SpendLimitConfig, SpendLimitLayer},
//!     timeout::{TimeoutConfig, TimeoutLayer},
//! };
//! use campanile_llm::{
//!     Chat, ContentData, Error,
//!     account::{AccountLayer, Ledger, LedgerConfig},
//!     chat::{Answer, ChatRequest, Part},
//!     commit::CommitLayer,
//!     estimate::{EstimateConfig, EstimateLayer},
//!     price::Prices,
//!     provider::{Provider, ProviderConfig},
//!     resume::{ResumeConfig, ResumeLayer},
//! };
//! use futures_util::StreamExt;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! // In place of `provider::http_client()`: one server is overloaded, the other one answers.
//! let http = service_fn(async |request: Request<Full<Bytes>>| {
//!     let answer = Response::builder();
//!     if request.uri().host() == Some("one") {
//!         return Ok::<_, Error>(answer.status(503).body(Full::default()).unwrap());
//!     }
//!     let events = concat!(
//!         "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Rome\"}}]}\n\n",
//!         "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
//!         "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":1,\"total_tokens\":21}}\n\n",
//!         "data: [DONE]\n\n",
//!     );
//!     let events = Full::new(Bytes::from_static(events.as_bytes()));
//!     Ok(answer.header("content-type", "text/event-stream").body(events).unwrap())
//! });
//! let roster = Roster::new();
//! for name in ["one", "two"] {
//!     let config = ProviderConfig::llama_cpp(&format!("http://{name}:8080"));
//!     roster.insert(name, Provider::new(http, &config)?)?;
//! }
//!
//! let prices = Prices::from_json(r#"{"models": {"small": {"input": 0.1, "output": 0.4}}}"#)?;
//! let ledger = Ledger::new(LedgerConfig::default())?;
//! let budget = SpendLimitConfig::new(SpendBudget::dollars(5.0, Period::Month));
//! let retries = RetryConfig::default().with_retry_after(RetryAfter::Elsewhere);
//! let breaker = CircuitBreakerLayer::new(CircuitBreakerConfig::default())?.protocol(Chat);
//! let rate = RateLimitLayer::new(RateLimitConfig::requests(Limit::per_minute(600.0)))?.protocol(Chat);
//! let at_once = ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::default())?.protocol(Chat);
//! let account = AccountLayer::new(&ledger, &prices);
//! let clocks = TimeoutConfig::new()
//!     .with_first_data(Duration::from_secs(20))
//!     .with_between_data(Duration::from_secs(30));
//! let clocks = TimeoutLayer::new(clocks)?.protocol(Chat).counting(ContentData);
//!
//! let chat = ServiceBuilder::new()
//!     // What a call will take: read by limits, budgets and the pool.
//!     .layer(EstimateLayer::new(EstimateConfig::default())?.prices(&prices))
//!     // Reserved here, settled when the answer ends, with all attempts. A `CacheLayer` goes outside of it: what is kept costs nothing.
//!     .layer(SpendLimitLayer::new(budget)?.protocol(Chat).by_tenant())
//!     // Only where it is wanted.
//!     .layer(ResumeLayer::new(ResumeConfig::default())?)
//!     .layer(RetryLayer::new(retries)?.protocol(Chat))
//!     .layer(BalanceLayer::new(AvoidTried::new(Ebw::default())).protocol(Chat))
//!     .layer(PerEndpointLayer::new(move |endpoint: &Endpoint, provider| {
//!         ServiceBuilder::new()
//!             .layer(breaker.clone().gate(endpoint))
//!             .layer(rate.clone().gate(endpoint))
//!             .layer(at_once.clone().gate(endpoint))
//!             // Once for each attempt, whatever becomes of it.
//!             .layer(account.clone().endpoint(endpoint))
//!             // Holds an answer until its first content; its clocks run meanwhile.
//!             .layer(CommitLayer::default())
//!             .layer(clocks.clone())
//!             .service(provider)
//!     }))
//!     .service(roster.changes());
//!
//! // Clones share everything: one goes into each handler.
//! let context = Context::new().with_tenant("acme");
//! let message = ChatRequest::new("small").user("The capital of Italy?").streamed();
//! let answer = chat.clone().oneshot(Call { context, message }).await?.boxed().answer;
//! let Answer::Stream(mut events) = answer else { panic!("it is streamed") };
//! let mut last = Part::Idle;
//! while let Some(event) = events.next().await {
//!     last = event?.part();
//! }
//! assert_eq!(last, Part::End, "nobody saw the server that is overloaded");
//! let acme = &ledger.report().by_tenant["acme"];
//! assert_eq!(acme.reported.nano_dollars, 20 * 100 + 400);
//! # Ok(()) }
//! ```
//!
//! # Features
//!
//! | feature | what | by default |
//! |---|---|---|
//! | `client` | the HTTP client | yes |
//! | `tls` | TLS for it: rustls, with Mozilla's root certificates and [those of one's own](provider::HttpConfig::root_certificates) | no |
//! | `pool` | the strategies of [`route`] that pick a member of a pool | no |
//! | `cache` | the cache of answers | no |
//! | `full` | all of these | no |
#![forbid(unsafe_code)]

pub mod account;
#[cfg(feature = "cache")]
pub mod cache;
pub mod chat;
pub mod commit;
pub mod dialect;
pub mod embed;
pub mod error;
pub mod estimate;
pub mod front;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod json;
pub mod models;
pub mod price;
mod protocol;
pub mod provider;
pub mod resume;
pub mod route;
pub mod stream;
#[cfg(test)]
mod testing;
pub mod tokens;
pub mod usage;

pub use error::Error;
pub use protocol::{Chat, ContentData, EventMeter};

/// Compiles the programs in the README, and runs those that need no key.
#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../../../README.md")]
#[derive(Debug)]
pub struct Readme;
