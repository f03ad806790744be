//! Anthropic's Messages: as the interface of a provider, and as the dialect of a caller.
//!
//! **Requests.** One in this dialect goes to this interface as it is, but for the model's name. Between this dialect and
//! OpenAI's these have a counterpart:
//!
//! | OpenAI's | Anthropic's | |
//! |---|---|---|
//! | messages of `system`, `developer` | `system` | from wherever they stand |
//! | text, `image_url` (`data:`, `http:`), `file` of a PDF | `text`, `image`, `document` | with `cache_control`, if a part has it |
//! | `tool_calls` | `tool_use` | arguments are a JSON object |
//! | messages of `tool` | `tool_result` | those that follow each other in one turn; its images go into the user's message after it, and `is_error` is told as `Error: ` |
//! | `reasoning_content` and `reasoning_signature` | `thinking` | never one without a signature; of several in a turn the texts are joined and the last signature stays; a server of OpenAI's interface is sent what its [settings](crate::provider::ProviderConfig::past_reasoning) say |
//! | `tools`, `tool_choice`, `parallel_tool_calls` | `tools`, `tool_choice`, its `disable_parallel_tool_use` | |
//! | `max_completion_tokens`, `max_tokens` | `max_tokens` | 4,096 where there is none, and more for models that think |
//! | `stop`, `user` or `safety_identifier`, `stream` | `stop_sequences`, `metadata.user_id`, `stream` | |
//! | `temperature`, `top_p`, `top_k` | the same | a temperature above 1 is 1; only what the model takes |
//! | `reasoning_effort` | `thinking`, `output_config.effort` | by the generation of the model |
//! | `response_format` of a `json_schema` | `output_config.format` | |
//!
//! Consecutive messages of one side become one turn; texts without anything in them are left out.
//!
//! Refused, since leaving them out would change what is asked: `n` above 1, `functions` and `function_call`, a
//! `response_format` of `json_object`, tools that are no functions, audio, files by their id, other roles; and on the way back
//! tools that Anthropic runs itself, `mcp_servers`, and what else is neither text, image nor PDF.
//!
//! Dropped, OpenAI's: `frequency_penalty`, `presence_penalty`, `logit_bias`, `logprobs`, `top_logprobs`, `seed`, `store`,
//! `metadata`, `service_tier`, `prediction`, `modalities`, `audio`, `verbosity`, `web_search_options`, `prompt_cache_key`,
//! `stream_options`, `name` of a message, `detail` of an image. Anthropic's: `cache_control`, `top_k`, `service_tier`,
//! `container`, `context_management`, `inference_geo`, `speed`, `diagnostics`, redacted thinking, citations, and blocks of tools
//! that Anthropic ran itself.
//!
//! **Models that refuse what others take.** Anthropic's newest models refuse forced tools (`tool_choice` of `required` or of a
//! name), and a last message of the assistant's. That is passed on, and the provider's answer says so.
//!
//! **Answers.** `message_stop` proves a stream whole. Counts are cumulative and replace; input counts without cached tokens
//! here, and with them everywhere else.
//!
//! Sources: Anthropic's API reference and its Python SDK 2.12 (types of requests, events and errors).
use super::{
    codec::{Decode, Parse, Render},
    dispatch::Asked,
};
use crate::{stream::Frame, usage::Tally};

mod error;
mod json_state;
mod parse;
mod read;
mod render;
mod request;
mod scan;
#[cfg(test)]
mod tests;
mod to_openai;
mod verbatim;
mod whole;
mod wire;
mod write;

pub(crate) use error::{error, error_body, error_frame};
#[cfg(test)]
use request::DEFAULT_MAX_TOKENS;
pub(crate) use request::{BETA, chat_request};
pub(crate) use to_openai::to_openai;
pub(crate) use whole::{render_whole, whole};
pub(crate) use wire::told;

use wire::Event;

/// Reads a provider's stream.
pub(crate) fn parser() -> impl Parse + Send + 'static {
    parse::Parser::default()
}

/// Whether after this frame a message may go on with the text of its first block: not where a block ends, since nothing can
/// be added to it any more, nor where one of another kind begins.
pub(crate) fn goes_on(frame: &Frame) -> bool {
    match Event::of(frame) {
        Ok(Event::BlockStart) => serde_json::from_slice(frame.data())
            .is_ok_and(|start: read::BlockStart<'_>| start.content_block.kind == "text"),
        Ok(event) => event != Event::BlockStop,
        Err(_) => false,
    }
}

/// Writes a caller's stream.
pub(crate) fn renderer(asked: Asked) -> impl Render + Send + 'static {
    render::Renderer::new(asked)
}

/// Passes a provider's stream on to a caller of the same dialect.
pub(crate) fn verbatim(tally: Tally) -> impl Decode + Send + 'static {
    verbatim::Verbatim::new(tally)
}
