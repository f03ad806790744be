//! Gemini's interface: `v1beta/models/{model}:generateContent`, and `:streamGenerateContent?alt=sse`. Callers speak another
//! dialect always, so that everything is translated.
//!
//! # Requests
//!
//! | of the chat | becomes |
//! |---|---|
//! | messages of `system` and `developer`, wherever they stand | `systemInstruction` |
//! | `user`, `assistant` | contents of `user`, `model`; empty ones are left out |
//! | images, sounds, files: `data:` addresses, and others | `inlineData`, `fileData` |
//! | `tool_calls`; messages of `tool` | `functionCall`; `functionResponse`, by the name of the call that they answer |
//! | `extra_content.google.thought_signature` of a call | its `thoughtSignature` |
//! | `tools`, `tool_choice` | `functionDeclarations` with `parametersJsonSchema`, as it was written; `functionCallingConfig` |
//! | `response_format` | `responseMimeType`, `responseJsonSchema` |
//! | `max_completion_tokens`, `max_tokens`, `temperature`, `top_p`, `top_k`, `stop`, `seed`, `presence_penalty`, `frequency_penalty` | the like of `generationConfig` |
//! | `reasoning_effort` | `thinkingConfig`: a budget for 2.5, a level for later models; thoughts are told unless it is `none` |
//! | `safety_settings`, `cached_content` | the same, as they were written |
//!
//! Gemini 3 and later refuse a call of a tool in the past that is not signed. Where a caller has lost the signature, or
//! another model made the call, the mark goes out by which Google lets such calls pass.
//!
//! Refused, with the field at fault: `n` above 1, tools that are no functions, answers of tools to calls that nobody made,
//! parts of messages of unknown types, arguments that are no JSON object. Left out: `logprobs`, `logit_bias`,
//! `parallel_tool_calls`, `strict`, `user`, `metadata`, `store`, `service_tier`, `stream_options`, the reasoning of earlier
//! answers, and what is not known here.
//!
//! # Answers
//!
//! Thoughts become reasoning, the first candidate the answer. Calls of tools without a name of their own get one. Left out:
//! pictures, code that ran, citations, ratings, the signatures of texts (which Gemini does not insist on).
//!
//! Usage is cumulative. `promptTokenCount` has the cached tokens in it; thoughts are not in `candidatesTokenCount` and are
//! added, since they are paid for as output.
//!
//! A stream ends by ending: what proves that it is whole is a `finishReason` with no content after it. Older models write
//! one with every chunk; there only the transport can tell a stream that was cut between two of them.
//!
//! # Errors
//!
//! An answer that was filtered before its first word, a prompt that was blocked, and calls of tools that the model got wrong
//! are errors, not empty answers. See [`error()`] for the classes.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use super::{codec::Parse, dispatch::Outgoing, neutral::Whole};
use crate::{chat::ChatRequest, error::Error};

mod chunk;
mod contents;
mod failure;
mod pacific;
mod parser;
mod request;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use parser::Parser;

/// Writes a chat.
pub(crate) fn chat_request(request: &ChatRequest, model: &str) -> Result<Outgoing, Error> {
    request::write(request, model)
}

/// Reads a whole answer, which is made as the only chunk of a stream is.
pub(crate) fn whole(body: Bytes) -> Result<Whole, Error> {
    let mut parser = Parser::default();
    let mut deltas = Vec::new();
    parser.data(&body, &mut deltas)?;
    parser.end(&mut deltas)?;
    let mut whole = Whole::default();
    deltas.into_iter().for_each(|delta| whole.add(delta));
    Ok(whole)
}

/// What an answer that is no success means.
///
/// | status | class |
/// |---|---|
/// | `RESOURCE_EXHAUSTED`, of a limit per minute | `Rate`, for as long as `retryDelay` says |
/// | `RESOURCE_EXHAUSTED`, of a limit per day | `Quota`, until midnight in California, where Google's days begin: its `retryDelay` is that of a minute |
/// | `RESOURCE_EXHAUSTED`, of a limit of 0, or of credits or spending | `Quota` |
/// | `UNAVAILABLE` | `Overload` |
/// | `DEADLINE_EXCEEDED` | `Timeout` |
/// | `UNAUTHENTICATED`, `PERMISSION_DENIED`, `INVALID_ARGUMENT` of the key, `FAILED_PRECONDITION` of the place | `Auth` |
/// | `FAILED_PRECONDITION` of billing | `Quota` |
/// | `INVALID_ARGUMENT` of too many tokens | `ContextWindow` |
/// | `NOT_FOUND` | `ModelNotFound` |
/// | other `INVALID_ARGUMENT`, `FAILED_PRECONDITION`, `OUT_OF_RANGE` | `Request` |
/// | others | by the HTTP status; 404 and 405 of a body that is no error of Google's are `Malformed`: nobody there speaks this |
pub(crate) fn error(status: u16, headers: &HeaderMap, body: &[u8]) -> Error {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    failure::read(status, headers, json.as_ref(), body)
}

/// The same of a body that is JSON.
pub(crate) fn error_of(status: u16, headers: &HeaderMap, json: &Value, body: &[u8]) -> Error {
    failure::read(status, headers, Some(json), body)
}

/// Reads a stream.
pub(crate) fn parser() -> impl Parse + Send + 'static {
    Parser::default()
}
