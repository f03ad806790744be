use campanile::Usage;
use serde_json::{Value, json};

use super::*;
use crate::{
    chat::{FinishReason, ToolCall},
    dialect::{Dialect, neutral::Whole},
    error::Class,
};

const ANSWER: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-6","content":[
    {"type":"thinking","thinking":"hm","signature":"sig"},
    {"type":"redacted_thinking","data":"xx"},
    {"type":"text","text":"Hello","citations":null},
    {"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"q"}},
    {"type":"text","text":" there"},
    {"type":"tool_use","id":"toolu_1","name":"f","input":{"b": 1, "a": 2}}],
    "stop_reason":"tool_use","stop_sequence":null,"new":true,
    "usage":{"input_tokens":5,"cache_read_input_tokens":3,"cache_creation_input_tokens":null,"output_tokens":9}}"#;

#[test]
fn a_whole_answer_is_read() {
    let read = whole(Bytes::from_static(ANSWER.as_bytes())).unwrap();
    assert_eq!(
        read,
        Whole {
            id: "msg_1".to_owned(),
            model: "claude-sonnet-4-6".to_owned(),
            text: "Hello there".to_owned(),
            reasoning: "hm".to_owned(),
            signature: "sig".to_owned(),
            refusal: String::new(),
            tool_calls: vec![ToolCall::new("toolu_1", "f", r#"{"b": 1, "a": 2}"#)],
            finish: Some(FinishReason::ToolCalls),
            usage: Some(Usage {
                input_tokens: Some(8),
                output_tokens: Some(9),
                cached_tokens: Some(3),
                ..Usage::default()
            }),
            beside: true,
        }
    );
    let body = Bytes::from_static(ANSWER.as_bytes());
    assert_eq!(Dialect::Anthropic.text(&body), "Hello there");
    assert_eq!(Dialect::Anthropic.tool_calls(&body), read.tool_calls);
}

#[test]
fn a_whole_answer_that_is_written_is_read_again() {
    let mut read = whole(Bytes::from_static(ANSWER.as_bytes())).unwrap();
    // What is beside it is not written.
    read.beside = false;
    let mut again = whole(render_whole(&read)).unwrap();
    let usage = again.usage.as_mut().unwrap();
    assert_eq!(usage.cache_write_tokens.take(), Some(0));
    assert_eq!(again, read);
}

#[test]
fn a_whole_answer_is_written() {
    let answer = Whole {
        model: "m".to_owned(),
        refusal: "No.".to_owned(),
        tool_calls: vec![
            ToolCall::new("1", "f", ""),
            ToolCall::new("2", "g", "{\"x\":"),
            ToolCall::new("3", "h", "[1]"),
        ],
        ..Whole::default()
    };
    let written: Value = serde_json::from_slice(&render_whole(&answer)).unwrap();
    let id = written["id"].as_str().unwrap();
    assert!(id.len() > 8 && id.starts_with("msg_"), "{id}");
    assert_eq!(
        written,
        json!({
            "id": id,
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [
                {"type": "text", "text": "No."},
                {"type": "tool_use", "id": "1", "name": "f", "input": {}},
                {"type": "tool_use", "id": "2", "name": "g", "input": {"arguments": "{\"x\":"}},
                {"type": "tool_use", "id": "3", "name": "h", "input": {"arguments": "[1]"}},
            ],
            "stop_reason": "tool_use",
            "stop_sequence": null,
            "usage": {
                "input_tokens": 0,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": 0,
            },
        })
    );
}

#[test]
fn what_is_no_answer_is_named() {
    for (body, class, says) in [
        ("", Class::Malformed, "no message of Anthropic's"),
        ("[]", Class::Malformed, "it has no content"),
        ("{}", Class::Malformed, "it has no content"),
        (
            r#"{"content":[{"text":"a"}]}"#,
            Class::Malformed,
            "missing field `type`",
        ),
        (
            r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#,
            Class::Overload,
            "busy",
        ),
    ] {
        let error = whole(Bytes::from_static(body.as_bytes())).unwrap_err();
        assert_eq!(error.class(), class, "{body}");
        assert!(error.message().contains(says), "{body}: {error}");
    }
}

#[test]
fn an_answer_of_tools_that_the_provider_runs_is_not_empty() {
    let body = r#"{"id":"m","type":"message","model":"m","content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{}}],"stop_reason":"pause_turn","usage":{"input_tokens":1,"output_tokens":1}}"#;
    let answer = |dialect| {
        let tally = crate::usage::Tally::new(1, 4.0);
        crate::dialect::Api::Anthropic
            .completion(dialect, body.into(), tally)
            .unwrap()
    };
    assert!(!answer(crate::dialect::Dialect::Anthropic).is_empty());
    // For a caller who gets nothing of it, it is.
    assert!(answer(crate::dialect::Dialect::OpenAi).is_empty());
}
