//! Nothing of an answer is passed on before its first content.
//!
//! A provider may answer with status 200, begin a stream, and fail then: with an error in the stream, with nothing, with an
//! end before the first word. [`CommitLayer`] holds the head of a streamed answer, and its first events, until one has
//! content ([`Part::Content`](crate::chat::Part)). Only then is the call answered, by a stream that begins with what was held.
//! Whatever goes wrong before is an error of the call, so that retries, fallbacks and hedges further out go elsewhere, and the
//! caller sees nothing of it. After that point every event is passed on at once, and an error ends the stream.
//!
//! An answer without any content is an error too, of class [`Empty`](crate::error::Class::Empty), streamed or whole, unless
//! its finish reason says why there is none (length, calls of tools) or the settings let it [pass](EmptyAnswer::Pass). Where
//! that reason is a content filter, or the model's refusal, it is one of class
//! [`ContentFilter`](crate::error::Class::ContentFilter), for which a [router](crate::route) may have a group of its own,
//! unless the settings let that [pass](FilteredAnswer::Pass). What is filtered after its first content stays an answer.
//!
//! # Order
//!
//! Within an endpoint's stack, just outside the [`TimeoutLayer`](campanile::timeout::TimeoutLayer), so that its clocks run
//! while a head is held: a first word that comes late is then an error of the call. Have them count only
//! [`ContentData`](crate::ContentData), or the role that a stream begins with is their first data. Circuit breakers and metrics outside of
//! it see what fails before the first word as a failed call, and the first word as the head. Retry, hedge, fallback and the
//! pool are outside of it.
//!
//! # State
//!
//! Each call has its own: the events held, at most [`max_held_events`](CommitConfig::max_held_events) of
//! [`max_held_bytes`](CommitConfig::max_held_bytes) together; more without content is
//! [`Malformed`](crate::error::Class::Malformed). They lie in one buffer, allocated when the first one is held. Comments are
//! not held but dropped: they kept a wait alive that is over when the caller would see them. Of pings in a row, and of other
//! events that are the same to the byte, one is held.
//!
//! # Readiness
//!
//! That of the inner service, which is called on the instance that was readied.
//!
//! # Cancellation
//!
//! Dropping the future drops the inner future, or the stream that is held, at once; dropping the stream drops the inner one.
//! The inner stream is dropped as soon as it has ended or failed, and not when the reader lets go of the outer one.
//!
//! # Streaming
//!
//! Events are pulled when they are asked for, one at a time; nothing is buffered after the commit point. Nothing follows an
//! end or an error, and a stream that ends without a proof ends in an [`Interrupted`](crate::error::Class::Interrupted)
//! error. The inner stream has to be `Unpin`: one that is not is [boxed](crate::chat::ChatResponse::boxed) before.
//!
//! # Sharing
//!
//! Clones share nothing.
//!
//! # Errors
//!
//! Those of the inner service, and the four above. Each error of an answer that had begun [tells](crate::Error::begun) where it
//! came from and what it had taken by then, so that who [accounts](crate::account) for it out there knows.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), campanile::BoxError> {
//! use campanile::{Call, retry::{RetryConfig, RetryLayer}};
//! use campanile_llm::{Chat, Error, chat::{Answer, ChatEvent, ChatRequest, ChatResponse, Meta, Part}, commit::CommitLayer};
//! use campanile_llm::{error::Class, stream::ChatStream};
//! use futures_util::{StreamExt, stream};
//! use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! // A provider whose first stream breaks off after the role, which is no content.
//! let calls = Arc::new(AtomicU32::new(0));
//! let provider = service_fn(move |_: Call<ChatRequest>| {
//!     let role = Ok(ChatEvent::new("data: {\"role\":1}\n\n".into(), 6..16, Part::Idle));
//!     let rest = match calls.fetch_add(1, Ordering::Relaxed) {
//!         0 => vec![Err(Error::new(Class::Overload, "overloaded"))],
//!         _ => vec![
//!             Ok(ChatEvent::new("data: {\"hi\":1}\n\n".into(), 6..14, Part::Content)),
//!             Ok(ChatEvent::new("data: [DONE]\n\n".into(), 0..0, Part::End)),
//!         ],
//!     };
//!     let events = stream::iter([role].into_iter().chain(rest));
//!     async { Ok::<_, Error>(ChatResponse::stream(Meta::default(), ChatStream::new(events))) }
//! });
//! let stack = ServiceBuilder::new()
//!     .layer(RetryLayer::new(RetryConfig::default())?.protocol(Chat))
//!     .layer(CommitLayer::default())
//!     .service(provider);
//!
//! let response = stack.oneshot(Call::new(ChatRequest::new("m").user("hi").streamed())).await?;
//! let Answer::Stream(events) = response.answer else { unreachable!("it was asked for a stream") };
//! assert_eq!(events.count().await, 3, "role, word and end of the second stream, and nothing of the first");
//! # Ok(())
//! # }
//! ```

mod config;
mod future;
mod layer;
mod service;
mod state;
mod stream;
#[cfg(test)]
mod tests;

pub use config::{CommitConfig, EmptyAnswer, FilteredAnswer};
pub use future::CommitFuture;
pub use layer::CommitLayer;
pub use service::Commit;
pub use stream::CommittedStream;
