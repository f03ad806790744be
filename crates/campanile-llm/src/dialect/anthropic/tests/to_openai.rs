use serde_json::{Value, json};

use super::*;
use crate::{chat::ChatRequest, dialect::Dialect, error::Class};

fn anthropic(body: &Value) -> ChatRequest {
    ChatRequest::parse(Dialect::Anthropic, body.to_string()).unwrap()
}

fn translated(body: &Value) -> Value {
    let request = to_openai(&anthropic(body), PastReasoning::Sealed).unwrap();
    assert_eq!(request.dialect(), Dialect::OpenAi);
    serde_json::from_slice(&request.body()).unwrap()
}

fn with(fields: &Value) -> Value {
    let mut body =
        json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    let fields = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    body
}

#[test]
fn a_chat_is_written_in_the_other_dialect() {
    let body = translated(&json!({
        "model": "m",
        "max_tokens": 100,
        "system": [
            {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "Be kind."},
        ],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "Look"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
                {"type": "document", "title": "t", "source": {"type": "base64", "media_type": "application/pdf", "data": "BB"}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "redacted_thinking", "data": "xx"},
                {"type": "text", "text": "I "},
                {"type": "text", "text": "call."},
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"b":1}, "cache_control": null},
                {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [
                    {"type": "text", "text": "one"},
                    {"type": "image", "source": {"type": "url", "url": "https://example.org/b.png"}},
                ]},
                {"type": "tool_result", "tool_use_id": "t2", "is_error": true, "content": "no"},
                {"type": "text", "text": "Well?"},
            ]},
            {"role": "system", "content": "Now in French."},
            {"role": "assistant", "content": "Bon"},
        ],
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "stop_sequences": ["END"],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 4,
        "metadata": {"user_id": "u"},
        "stream": true,
        "service_tier": "auto",
    }));
    assert_eq!(
        body,
        json!({
            "model": "m",
            "max_tokens": 100,
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]},
                {"role": "user", "content": [
                    {"type": "text", "text": "Look"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
                    {"type": "file", "file": {"filename": "t", "file_data": "data:application/pdf;base64,BB"}},
                    {"type": "text", "text": "plain"},
                ]},
                {"role": "assistant", "content": "I call.", "reasoning_content": "hm", "reasoning_signature": "sig",
                    "tool_calls": [
                        {"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{\"b\":1}"}},
                        {"id": "t2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                    ]},
                {"role": "tool", "tool_call_id": "t1", "content": "one"},
                {"role": "tool", "tool_call_id": "t2", "content": "Error: no"},
                {"role": "user", "content": [
                    {"type": "image_url", "image_url": {"url": "https://example.org/b.png"}},
                    {"type": "text", "text": "Well?"},
                ]},
                {"role": "system", "content": "Now in French."},
                {"role": "assistant", "content": "Bon"},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}],
            "tool_choice": "required",
            "parallel_tool_calls": false,
            "stop": ["END"],
            "temperature": 0.5,
            "top_p": 0.9,
            "user": "u",
            "stream": true,
        })
    );
}

#[test]
fn tools_are_chosen() {
    let tools = json!([{"type": "custom", "name": "f", "input_schema": {"type": "object"}}]);
    for (choice, expected) in [
        (json!({"type": "auto"}), json!("auto")),
        (json!({"type": "none"}), json!("none")),
        (
            json!({"type": "tool", "name": "f"}),
            json!({"type": "function", "function": {"name": "f"}}),
        ),
        (json!(null), json!(null)),
    ] {
        let body = translated(&with(&json!({"tools": tools, "tool_choice": choice})));
        assert_eq!(body["tool_choice"], expected);
        assert_eq!(body["parallel_tool_calls"], json!(null));
    }
}

#[test]
fn thinking_is_an_effort() {
    for (fields, effort) in [
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}),
            json!("low"),
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 8000}}),
            json!("medium"),
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 31_999}}),
            json!("high"),
        ),
        (json!({"thinking": {"type": "adaptive"}}), json!(null)),
        (
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
            json!("low"),
        ),
        (json!({"output_config": {"effort": "max"}}), json!("high")),
        (json!({"thinking": {"type": "disabled"}}), json!(null)),
    ] {
        assert_eq!(
            translated(&with(&fields))["reasoning_effort"],
            effort,
            "{fields}"
        );
    }
}

#[test]
fn a_schema_of_the_answer_is_passed_on() {
    let format =
        json!({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}});
    assert_eq!(
        translated(&with(&format))["response_format"],
        json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": true}})
    );
}

#[test]
fn what_cannot_be_said_is_named() {
    let turn =
        |role: &str, content: Value| json!({"messages": [{"role": role, "content": content}]});
    for (fields, param, says) in [
        (
            json!({"mcp_servers": [{}]}),
            "mcp_servers",
            "no counterpart",
        ),
        (
            json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
            "tools[0]",
            "web_search_20250305, which only Anthropic has",
        ),
        (
            json!({"tools": [{"input_schema": {}}]}),
            "tools[0]",
            "missing field `name`",
        ),
        (
            json!({"tools": [{"name": "f"}], "tool_choice": {"type": "tool"}}),
            "tool_choice",
            "tool with a name",
        ),
        (
            json!({"output_config": {"format": {"type": "xml"}}}),
            "output_config.format",
            "xml",
        ),
        (
            json!({"stop_sequences": "x"}),
            "stop_sequences",
            "stop_sequences:",
        ),
        (turn("tool", json!("a")), "messages[0].role", "\"tool\""),
        (turn("user", json!(7)), "messages[0]", "invalid type"),
        (
            turn("user", json!([{"text": "a"}])),
            "messages[0]",
            "missing field `type`",
        ),
        (
            turn("user", json!([{"type": "tool_result"}])),
            "messages[0].content[0].tool_use_id",
            "no tool_use_id",
        ),
        (
            turn("user", json!([{"type": "search_result"}])),
            "messages[0].content[0]",
            "search_result",
        ),
        (
            turn(
                "user",
                json!([{"type": "image", "source": {"type": "file", "file_id": "a"}}]),
            ),
            "messages[0].content[0]",
            "no counterpart in OpenAI's",
        ),
        (
            turn("assistant", json!([{"type": "tool_use", "id": "a"}])),
            "messages[0].content[0]",
            "no name",
        ),
        (
            json!({"system": [{"type": "image"}]}),
            "system[0]",
            "only text",
        ),
    ] {
        let error = to_openai(&anthropic(&with(&fields)), PastReasoning::Sealed).unwrap_err();
        assert_eq!(error.class(), Class::Request, "{fields}");
        assert_eq!(error.param(), Some(param), "{fields}: {error}");
        assert!(error.message().contains(says), "{fields}: {error}");
    }
}
