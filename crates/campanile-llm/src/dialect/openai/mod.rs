//! OpenAI's chat completions: the interface of OpenAI, and of xAI, OpenRouter, vLLM, llama.cpp, Ollama's `/v1` and many
//! more; and the dialect of most callers.

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;

use super::dispatch::Outgoing;
use crate::{chat::ChatRequest, error::Error};

mod chunk;
mod cost;
mod error;
mod parse;
mod render;
mod text;
mod verbatim;
mod whole;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use error::{error, error_body, error_frame, error_in};
pub(crate) use parse::parser;
pub(crate) use render::{render_whole, renderer};
#[cfg(test)]
pub(crate) use text::text_len;
pub(crate) use verbatim::{Verbatim, verbatim};
pub(crate) use whole::{completion, text, tool_calls, whole};
pub(crate) use wire::{told, usage};

/// Writes a chat for this interface. Where it is streamed and the caller left it open, usage is asked for, if `usage`.
pub(crate) fn chat_request(
    request: &ChatRequest,
    model: &str,
    usage: bool,
) -> Result<Outgoing, Error> {
    let mut request = request.clone().with_model(model);
    if usage && request.is_streamed() {
        request = with_usage(request)?;
    }
    Ok(Outgoing {
        path: "/chat/completions".to_owned(),
        body: request.body(),
        headers: HeaderMap::new(),
    })
}

/// Whether the caller asked for usage in the stream; `None` where it said nothing.
pub(crate) fn asks_usage(request: &ChatRequest) -> Option<bool> {
    #[derive(Deserialize)]
    struct Options {
        include_usage: Option<bool>,
    }
    let options: Option<Options> = request.object().read("stream_options").ok().flatten();
    options?.include_usage
}

/// How many choices the caller asked for.
pub(crate) fn choices(request: &ChatRequest) -> u32 {
    u32::try_from(request.choices()).unwrap_or(u32::MAX)
}

fn with_usage(request: ChatRequest) -> Result<ChatRequest, Error> {
    if asks_usage(&request).is_some() {
        return Ok(request);
    }
    let options = request
        .object()
        .read::<crate::json::Object>("stream_options");
    // What is no object there is the provider's to refuse.
    let Ok(options) = options else {
        return Ok(request);
    };
    let mut options = options.unwrap_or_default();
    options.set_raw("include_usage", Bytes::from_static(b"true"));
    Ok(request.field("stream_options", &options))
}
