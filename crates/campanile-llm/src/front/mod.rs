//! Answers as HTTP responses, in the dialect of the caller.
//!
//! [`answer`] makes a response of whatever a stack of layers says: a whole answer is JSON with its length, a streamed one
//! server-sent events, an error the status and the body that the caller's dialect has for it. [`Body`] is an
//! [`http_body::Body`], so it goes into hyper, axum or tonic as it is.
//!
//! # Streaming
//!
//! Frames are passed on as they are, without a copy and without an allocation. A stream that fails gets one last frame that
//! says so, in the caller's dialect, and then the response ends: without `[DONE]` or `message_stop`, which prove that an answer
//! is whole. Nothing follows the last event. A stream that ends without a proof is one that fails.
//!
//! The stream is asked for an event when the transport asks for a frame, and never before: a caller that stops reading holds one
//! event here, besides what the transport buffers (hyper: 16 frames, and the buffers of its socket), and the provider is read
//! no further. Where a proxy in front closes connections that are silent, [`Body::heartbeat`] sends comments.
//!
//! # Cancellation
//!
//! When the body is dropped, as servers do when the caller goes, the stream is dropped with it, and so is the provider's call.
//! With its last event, or its error, the stream is dropped at once.
//!
//! # Retries of callers
//!
//! The SDKs of providers try failed calls again by themselves, two times by default, and a header of the answer tells
//! them whether to: `x-should-retry`. Every error answer carries it, by [`Error::should_retry`](crate::Error::should_retry):
//!
//! | error | `x-should-retry` |
//! |---|---|
//! | the caller's own rate limit is used up, too many of its calls are under way or have its budget reserved, or load was shed, and it is known when to come back, in 60 s at most | `true` |
//! | the caller's own budget is used up: status 429, which OpenAI's dialect calls `insufficient_quota` | `false` |
//! | everything else | `false` |
//!
//! What else comes out here has gone through the retries, fallbacks and hedges of this stack; a caller that repeats it
//! would multiply them. What is refused by the first row was sent nowhere, if limits of callers, their budgets and the shedding
//! of load stand outside of retries, as they should. 60 s is as long as every SDK waits: told of more, OpenAI's for JavaScript
//! comes back after its own short wait instead. `Retry-After`, in whole seconds rounded up, and `retry-after-ms` tell when to come back, wherever that is known.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use campanile::{Rejection, rejection::RejectionKind};
//! use campanile_llm::{Error, chat::ChatResponse, dialect::Dialect, front};
//! use std::time::Duration;
//!
//! let refusal = Rejection::new(RejectionKind::RateLimited, "rate_limit").with_retry_after(Duration::from_millis(1_200));
//! let result: Result<ChatResponse, Error> = Err(refusal.into());
//!
//! let response = front::answer(result, Dialect::OpenAi);
//! assert_eq!(response.status(), 429);
//! assert_eq!(response.headers()["retry-after"], "2");
//! assert_eq!(response.headers()["retry-after-ms"], "1200");
//! assert_eq!(response.headers()["x-should-retry"], "true");
//! # }
//! ```

use http::Response;

use crate::{chat::ChatResponse, dialect::Dialect, error::Error};

mod answer;
mod body;
mod refusal;
#[cfg(test)]
mod tests;

pub use body::Body;

/// The response to a call that ended so, for a caller that speaks this dialect.
pub fn answer<S>(result: Result<ChatResponse<S>, Error>, dialect: Dialect) -> Response<Body<S>> {
    match result {
        Ok(answer) => answer.into_http(dialect),
        Err(error) => error.into_http(dialect),
    }
}
