//! Goes on elsewhere when an answer breaks off in the middle.
//!
//! [`ResumeLayer`] follows a streamed answer that has begun. When it breaks off (the connection, a clock between two events, an
//! error of the provider), the request is sent again through the same service, with the text so far as a message of the
//! model at its end, and the caller's stream goes on with what is written then. The caller sees one stream, whose text has
//! nothing twice. Without this layer, and by default, a stream that breaks off ends in its error.
//!
//! **It changes what the model is asked.** Some interfaces go on with a last message of the model as if it had not
//! ended: Anthropic's, llama.cpp, and vLLM with the [fields](ResumeConfig::fields) `continue_final_message` and
//! `add_generation_prompt`. Others take it for a turn that is over, and may begin anew, repeat, or comment. Use it
//! where you know which ones answer.
//!
//! # What is resumed
//!
//! Answers of text alone, one per request. Not those in which a call of a tool, a refusal or reasoning has begun, nor those
//! whose finish reason has come, or whose block of text the caller has seen closed; not where the request asks for several (`n`), for a `response_format`, or ends in a message
//! of the model itself; not beyond [`max_text`](ResumeConfig::max_text) bytes; not when the call's deadline or total time is
//! over. Each resumption spends one of the [attempts](campanile::context::Trail) that the call has in all, and a pool
//! avoids the endpoints where it has been. If that fails as well, the stream ends in its *first* error.
//!
//! # The seam
//!
//! Of the second stream everything before its first text is dropped: the caller has had a beginning. Its later frames are
//! passed on as they are: their ids and model are those of the second answer. Usage adds up over both, in what the
//! events [tell](crate::chat::ChatEvent::usage) and in the frames that report it: the first answer's is what was seen of it, estimated
//! unless it was reported, so a sum is never told as [reported](crate::chat::ChatEvent::is_reported). What a
//! [ledger](crate::account) further in has of the two is what the caller is shown. White space at the end of the text so far is not sent, as some
//! interfaces refuse it; where the second stream begins with it, it is taken off. A limit of tokens is lowered by what was
//! written.
//!
//! # State
//!
//! Each streamed call keeps its request and the text of its answer. Events are parsed for it, which no other layer does: it
//! costs a few microseconds and an allocation each.
//!
//! # Order
//!
//! Outside of the pool, of retries and of what holds answers until they have [content](crate::commit); inside of what
//! counts calls of callers.
//!
//! # Readiness
//!
//! That of the inner service, which is called on the instance that was readied. A resumption calls a clone, which it readies
//! first, within [`patience`](ResumeConfig::patience).
//!
//! # Cancellation
//!
//! The stream that broke off is dropped before the next begins. Dropping the outer stream drops what is under way, whichever
//! it is.
//!
//! # Streaming
//!
//! Events are pulled one by one as they are asked for. Nothing follows the last event or an error.
//!
//! # Sharing
//!
//! Clones share the service that resumptions are cloned from.
//!
//! # Errors
//!
//! Those of the inner service.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), campanile::BoxError> {
//! use campanile::Call;
//! use campanile_llm::{Error, chat::{Answer, ChatEvent, ChatRequest, ChatResponse, Meta, Part}, error::Class};
//! use campanile_llm::{resume::ResumeLayer, stream::ChatStream};
//! use futures_util::{StreamExt, stream};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! // A provider that breaks off after two words, unless it is to go on.
//! let provider = service_fn(async |call: Call<ChatRequest>| {
//!     let word = |text: &str| {
//!         let json = format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#);
//!         let end = 6 + json.len();
//!         Ok(ChatEvent::new(format!("data: {json}\n\n").into(), 6..end, Part::Content))
//!     };
//!     let end = Ok(ChatEvent::new("data: [DONE]\n\n".into(), 6..12, Part::End));
//!     let broken = Err(Error::new(Class::Interrupted, "connection reset"));
//!     let events = match call.message.messages()?.last().unwrap().text().as_str() {
//!         "one, two" => vec![word(", three"), end],
//!         _ => vec![word("one"), word(", two"), broken],
//!     };
//!     Ok::<_, Error>(ChatResponse::stream(Meta::default(), ChatStream::new(stream::iter(events))))
//! });
//!
//! let call = Call::new(ChatRequest::new("m").user("Count.").streamed());
//! let response = ResumeLayer::default().layer(provider).oneshot(call).await?;
//! let Answer::Stream(events) = response.answer else { unreachable!("it was asked for a stream") };
//! let events: Vec<_> = events.map(Result::unwrap).collect().await;
//! assert_eq!(events.len(), 4, "three words and the end");
//! # Ok(())
//! # }
//! ```

mod config;
mod future;
mod layer;
mod progress;
mod reach;
mod seam;
mod service;
mod shown;
mod stream;
#[cfg(test)]
mod tests;

pub use config::ResumeConfig;
pub use future::ResumeFuture;
pub use layer::ResumeLayer;
pub use service::Resume;
pub use stream::ResumedStream;
