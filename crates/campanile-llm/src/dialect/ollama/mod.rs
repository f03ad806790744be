//! Ollama's own interface: `/api/chat`, lines of JSON. Callers speak another dialect always, so that everything is translated.
//!
//! # Requests
//!
//! | of the chat | becomes |
//! |---|---|
//! | messages, `developer` as `system` | `messages`; the texts of a message joined |
//! | images as `data:` addresses | `images` |
//! | `tool_calls`; messages of `tool` | the same with arguments as objects; with `tool_name`, by the call that they answer |
//! | the reasoning of earlier answers (`reasoning_content`, `reasoning`) | `thinking` |
//! | `tools` | the same, as they were written; none where `tool_choice` is `none`, that one where it names one |
//! | `response_format` | `format` |
//! | `max_completion_tokens`, `max_tokens`, `temperature`, `top_p`, `top_k`, `stop`, `seed`, `presence_penalty`, `frequency_penalty` | the like of `options` |
//! | `reasoning_effort` | `think`: not, or how much |
//! | `options`, `format`, `think`, `keep_alive`, `truncate`, `shift` | the same, as they were written; they win over what is translated |
//!
//! `truncate` is false unless the caller says otherwise: Ollama would shorten a prompt that is too long without a word, and
//! nobody would know that it needs a larger window. Older servers do not know it.
//!
//! Refused, with the field at fault: `n` above 1, images at addresses, sounds and files, parts of messages of unknown types,
//! arguments that are no JSON object. Left out: a `tool_choice` of `required`, which Ollama cannot promise, `logprobs`,
//! `logit_bias`, `parallel_tool_calls`, `user`, `metadata`, `store`, `service_tier`, `stream_options`, and what is not known
//! here.
//!
//! # Answers
//!
//! `thinking` becomes reasoning. Calls of tools come whole; they and answers get names, where they have none.
//!
//! A line with `done: true` is the proof that a stream is whole, and what comes after it is not read. `prompt_eval_count` is
//! missing where the whole prompt was in the cache; then the estimate stays.
//!
//! # Errors
//!
//! A line with an `error` is one, whatever came before. See [`error()`] for the classes.

use bytes::Bytes;
use http::HeaderMap;

use super::{codec::Parse, dispatch::Outgoing, neutral::Whole};
use crate::{chat::ChatRequest, error::Error};

mod failure;
mod line;
mod messages;
mod parser;
mod request;
#[cfg(test)]
mod tests;

pub(crate) use parser::Parser;

/// Writes a chat.
pub(crate) fn chat_request(request: &ChatRequest, model: &str) -> Result<Outgoing, Error> {
    request::write(request, model)
}

/// Reads a whole answer, which is made as the last line of a stream is.
pub(crate) fn whole(body: Bytes) -> Result<Whole, Error> {
    let mut parser = Parser::default();
    let mut deltas = Vec::new();
    parser.line(&body, &mut deltas)?;
    parser.end(&mut deltas)?;
    let mut whole = Whole::default();
    deltas.into_iter().for_each(|delta| whole.add(delta));
    Ok(whole)
}

/// What an answer that is no success means.
///
/// | status | class |
/// |---|---|
/// | any, of a prompt that is too long | `ContextWindow` |
/// | 401, 403 | `Auth` |
/// | 402; 429 of a limit of an hour or a week (Ollama's cloud) | `Quota` |
/// | 429 | `Rate` |
/// | 404, or another of a model that is not there | `ModelNotFound` |
/// | 503: the queue is full | `Overload` |
/// | 408, 504 | `Timeout` |
/// | 404, 405 of a body that is no error of Ollama's | `Malformed`: nobody there speaks this |
/// | other 4xx | `Request` |
/// | others | `Server` |
pub(crate) fn error(status: u16, headers: &HeaderMap, body: &[u8]) -> Error {
    failure::read(status, headers, body)
}

/// Reads a stream.
pub(crate) fn parser() -> impl Parse + Send + 'static {
    Parser::default()
}
