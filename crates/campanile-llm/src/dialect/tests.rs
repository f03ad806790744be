//! What holds for every interface, and for every dialect.

use super::{drive::events, *};

mod errors;
mod requests;
mod streams;
mod usage;

const APIS: [Api; 4] = [Api::OpenAi, Api::Anthropic, Api::Gemini, Api::Ollama];
const DIALECTS: [Dialect; 2] = [Dialect::OpenAi, Dialect::Anthropic];

/// A stream of these texts, each as JSON, in each interface's form.
fn stream(api: Api, texts: &[&str]) -> String {
    let mut body = String::new();
    let mut frame = |event: &str, json: String| match api {
        Api::Anthropic => body += &format!("event: {event}\ndata: {json}\n\n"),
        Api::Ollama => body += &format!("{json}\n"),
        _ => body += &format!("data: {json}\n\n"),
    };
    if api == Api::Anthropic {
        frame("message_start", r#"{"type":"message_start","message":{"id":"m","type":"message","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":60,"cache_read_input_tokens":30,"cache_creation_input_tokens":10,"output_tokens":1}}}"#.into());
        frame(
            "content_block_start",
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#
                .into(),
        );
    }
    for text in texts {
        match api {
            Api::OpenAi => frame(
                "",
                format!(
                    r#"{{"id":"c","model":"m","choices":[{{"index":0,"delta":{{"content":{text}}},"finish_reason":null}}]}}"#
                ),
            ),
            Api::Anthropic => frame(
                "content_block_delta",
                format!(
                    r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":{text}}}}}"#
                ),
            ),
            Api::Gemini => frame(
                "",
                format!(
                    r#"{{"candidates":[{{"index":0,"content":{{"role":"model","parts":[{{"text":{text}}}]}}}}],"modelVersion":"m"}}"#
                ),
            ),
            Api::Ollama => frame(
                "",
                format!(
                    r#"{{"model":"m","message":{{"role":"assistant","content":{text}}},"done":false}}"#
                ),
            ),
        }
    }
    match api {
        Api::OpenAi => {
            frame("", r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#.into());
            frame("", r#"{"id":"c","model":"m","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":9,"total_tokens":109,"prompt_tokens_details":{"cached_tokens":30,"cache_write_tokens":10}}}"#.into());
            frame("", "[DONE]".into());
        }
        Api::Anthropic => {
            frame("content_block_stop", r#"{"type":"content_block_stop","index":0}"#.into());
            frame("message_delta", r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#.into());
            frame("message_stop", r#"{"type":"message_stop"}"#.into());
        }
        Api::Gemini => frame("", r#"{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":30,"candidatesTokenCount":9,"totalTokenCount":109}}"#.into()),
        Api::Ollama => frame("", r#"{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":100,"eval_count":9}"#.into()),
    }
    body
}
