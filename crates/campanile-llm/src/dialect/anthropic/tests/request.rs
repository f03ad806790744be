use serde_json::{Value, json};

use super::*;
use crate::{
    chat::{ChatRequest, Message, ToolCall},
    dialect::Dialect,
    error::Class,
};

fn openai(body: &Value) -> ChatRequest {
    ChatRequest::parse(Dialect::OpenAi, body.to_string()).unwrap()
}

/// The body that goes out.
fn sent(request: &ChatRequest, model: &str) -> Value {
    serde_json::from_slice(&chat_request(request, model).unwrap().body).unwrap()
}

/// The body for a chat with these fields beside a message.
fn with(model: &str, fields: &Value) -> Value {
    sent(&asking(fields), model)
}

fn asking(fields: &Value) -> ChatRequest {
    let mut body = json!({"model": "x", "messages": [{"role": "user", "content": "hi"}]});
    let fields = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    openai(&body)
}

const OLD: &str = "claude-haiku-4-5";

#[test]
fn a_chat_is_written_as_the_interface_wants_it() {
    let request = openai(&json!({
        "model": "x",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AAAA", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,BBBB"}},
            ]},
            {"role": "user", "content": "And this?"},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"b\": 1, \"a\": 2}"}},
                {"id": "call:2", "type": "function", "function": {"name": "g", "arguments": ""}},
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": "one"},
            {"role": "tool", "tool_call_id": "call:2", "content": [{"type": "text", "text": "two"}]},
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": "Well?"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "d", "strict": true,
                "parameters": {"type": "object", "properties": {"b": {}, "a": {}}}}},
            {"type": "function", "function": {"name": "g"}},
        ],
        "parallel_tool_calls": false,
        "stop": "END",
        "max_completion_tokens": 50,
        "temperature": 1.5,
        "user": "u1",
        "stream": true,
        "seed": 7,
        "frequency_penalty": 1,
    }));
    let out = chat_request(&request, OLD).unwrap();
    assert_eq!(out.path, "/v1/messages");
    assert_eq!(out.headers["anthropic-version"], "2023-06-01");
    let body: Value = serde_json::from_slice(&out.body).unwrap();
    assert_eq!(
        body,
        json!({
            "model": OLD,
            "max_tokens": 50,
            "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}],
            "messages": [
                {"role": "user", "content": [
                    {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}},
                    {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
                    {"type": "document", "title": "a.pdf",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": "BBBB"}},
                    {"type": "text", "text": "And this?"},
                ]},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "call_1", "name": "f", "input": {"b": 1, "a": 2}},
                    {"type": "tool_use", "id": "call_2", "name": "g", "input": {}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "one"}]},
                    {"type": "tool_result", "tool_use_id": "call_2", "content": [{"type": "text", "text": "two"}]},
                    {"type": "text", "text": "Well?"},
                ]},
            ],
            "tools": [
                {"name": "f", "description": "d", "strict": true,
                    "input_schema": {"type": "object", "properties": {"b": {}, "a": {}}}},
                {"name": "g", "input_schema": {"type": "object", "properties": {}}},
            ],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
            "stop_sequences": ["END"],
            "temperature": 1.0,
            "metadata": {"user_id": "u1"},
            "stream": true,
        })
    );
}

#[test]
fn schemas_and_arguments_stay_as_they_were_written() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"a"},
        {"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":"{\"b\": 1.50, \"a\":2}"}}]}],
        "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object", "properties":{"b":{},"a":{}}}}}],
        "response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","z":1,"b":2}}}}"#;
    let request = ChatRequest::parse(Dialect::OpenAi, body).unwrap();
    let there = chat_request(&request, OLD).unwrap().body;
    let text = std::str::from_utf8(&there).unwrap();
    for kept in [
        r#""input":{"b": 1.50, "a":2}"#,
        r#""properties":{"b":{},"a":{}}"#,
        r#""schema":{"type":"object","z":1,"b":2}"#,
    ] {
        assert!(text.contains(kept), "{kept} in {text}");
    }
    let back = to_openai(
        &ChatRequest::parse(Dialect::Anthropic, there).unwrap(),
        PastReasoning::Sealed,
    )
    .unwrap()
    .body();
    let text = std::str::from_utf8(&back).unwrap();
    for kept in [
        r#""arguments":"{\"b\": 1.50, \"a\":2}""#,
        r#""properties":{"b":{},"a":{}}"#,
        r#""schema":{"type":"object","z":1,"b":2}"#,
    ] {
        assert!(text.contains(kept), "{kept} in {text}");
    }
}

#[test]
fn its_own_dialect_goes_as_it_came() {
    let body = r#"{"model":"a", "max_tokens":1e1,"messages":[],"new":{"y": 2}}"#;
    let body = body.replace("1e1", "10");
    let request = ChatRequest::parse(Dialect::Anthropic, body.clone()).unwrap();
    assert_eq!(chat_request(&request, "a").unwrap().body, body);
    let renamed = chat_request(&request, "b").unwrap().body;
    assert_eq!(renamed, body.replace(r#""a", "#, r#""b","#));
}

#[test]
fn the_least_request() {
    assert_eq!(
        with(OLD, &json!({})),
        json!({
            "model": OLD,
            "max_tokens": DEFAULT_MAX_TOKENS,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        })
    );
}

#[test]
fn tools_are_chosen() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    for (choice, single, expected) in [
        (json!("auto"), false, json!({"type": "auto"})),
        (json!("none"), true, json!({"type": "none"})),
        (
            json!("required"),
            true,
            json!({"type": "any", "disable_parallel_tool_use": true}),
        ),
        (
            json!({"type": "function", "function": {"name": "f"}}),
            false,
            json!({"type": "tool", "name": "f"}),
        ),
        (json!(null), false, json!(null)),
        (
            json!(null),
            true,
            json!({"type": "auto", "disable_parallel_tool_use": true}),
        ),
    ] {
        let fields = json!({"tools": tools, "tool_choice": choice, "parallel_tool_calls": !single});
        assert_eq!(with(OLD, &fields)["tool_choice"], expected, "{choice}");
        let none = json!({"tool_choice": choice, "parallel_tool_calls": !single});
        assert_eq!(
            with(OLD, &none)["tool_choice"],
            json!(null),
            "without tools"
        );
    }
}

#[test]
fn models_are_told_to_think_as_they_know_it() {
    let think = |model: &str, fields: Value| {
        let body = with(model, &fields);
        (
            body["thinking"].clone(),
            body["output_config"]["effort"].clone(),
            body["max_tokens"].as_u64().unwrap(),
        )
    };
    let budget = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    let adaptive = || json!({"type": "adaptive"});
    let none = || json!(null);
    for model in [
        "claude-haiku-4-5-20251001",
        "claude-3-7-sonnet-latest",
        "local",
        "us.anthropic.claude-opus-4-1-v1:0",
    ] {
        let effort = |effort: &str| think(model, json!({"reasoning_effort": effort}));
        assert_eq!(effort("none"), (none(), none(), 4096), "{model}");
        assert_eq!(
            effort("medium"),
            (budget(8192), none(), 4096 + 8192),
            "{model}"
        );
        let most = |most: u64| {
            think(
                model,
                json!({"reasoning_effort": "high", "max_tokens": most}),
            )
        };
        assert_eq!(most(3000), (budget(1500), none(), 3000));
        assert_eq!(most(2000), (none(), none(), 2000), "there is no room");
    }
    for model in ["anthropic/claude-opus-4.6", "claude-sonnet-4-6"] {
        let effort = |effort: &str| think(model, json!({"reasoning_effort": effort}));
        assert_eq!(effort("xhigh").1, "high", "{model} has no such level");
        assert_eq!(effort("low"), (adaptive(), json!("low"), 4096 + 2048));
        assert_eq!(think(model, json!({})), (none(), none(), 4096));
    }
    for model in [
        "claude-opus-4-7",
        "claude-opus-5-5",
        "claude-mythos-preview",
        "claude-sonnet-6",
    ] {
        let effort = |effort: &str| think(model, json!({"reasoning_effort": effort}));
        assert_eq!(effort("xhigh").1, "xhigh", "{model}");
        assert_eq!(effort("none"), (none(), json!("low"), 4096));
        assert_eq!(effort("medium"), (adaptive(), json!("medium"), 4096 + 8192));
        assert_eq!(think(model, json!({})).2, 4096 + 8192, "it thinks unasked");
        assert_eq!(think(model, json!({"max_tokens": 9})).2, 9);
    }
    let forced = json!({
        "reasoning_effort": "high",
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "tool_choice": "required",
    });
    for model in [OLD, "claude-opus-4-6", "claude-opus-4-8"] {
        assert_eq!(
            think(model, forced.clone()).0,
            none(),
            "{model}: a forced tool"
        );
    }
}

#[test]
fn thoughts_go_back_with_their_signature() {
    let request = |signature: Option<&str>| {
        let mut assistant = json!({"role": "assistant", "content": "", "reasoning_content": "hm",
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
        if let Some(signature) = signature {
            assistant["reasoning_signature"] = signature.into();
        }
        openai(
            &json!({"model": "x", "reasoning_effort": "low", "messages": [
                {"role": "user", "content": "a"}, assistant,
                {"role": "tool", "tool_call_id": "1", "content": ""},
            ]}),
        )
    };
    let body = sent(&request(Some("sig")), OLD);
    assert_eq!(
        body["messages"][1]["content"][0],
        json!({"type": "thinking", "thinking": "hm", "signature": "sig"})
    );
    assert_eq!(
        body["messages"][2]["content"],
        json!([{"type": "tool_result", "tool_use_id": "1"}])
    );
    assert_eq!(body["thinking"]["budget_tokens"], 2048);
    let body = sent(&request(None), OLD);
    assert_eq!(body["messages"][1]["content"][0]["type"], "tool_use");
    assert_eq!(
        body["thinking"],
        json!(null),
        "it would be refused amid these calls"
    );
}

#[test]
fn sampling_is_what_the_model_takes() {
    let all = json!({"temperature": 0.5, "top_p": 0.9, "top_k": 40});
    let taken = |model: &str, fields: &Value| {
        let body = with(model, fields);
        ["temperature", "top_p", "top_k"].map(|name| body[name].as_f64())
    };
    assert_eq!(taken("local", &all), [Some(0.5), Some(0.9), Some(40.0)]);
    assert_eq!(taken(OLD, &all), [Some(0.5), None, Some(40.0)]);
    assert_eq!(taken(OLD, &json!({"top_p": 0.9})), [None, Some(0.9), None]);
    assert_eq!(taken("claude-opus-5", &all), [None; 3]);
    let thinking = json!({"temperature": 0.5, "reasoning_effort": "low"});
    assert_eq!(taken(OLD, &thinking), [None; 3]);
}

#[test]
fn a_schema_of_the_answer_is_passed_on() {
    let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let format = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}});
    let body = with(OLD, &format);
    assert_eq!(
        body["output_config"],
        json!({"format": {"type": "json_schema", "schema": schema}})
    );
    let text = with(OLD, &json!({"response_format": {"type": "text"}}));
    assert_eq!(text["output_config"], json!(null));
}

#[test]
fn what_cannot_be_said_is_named() {
    let message = |message: Value| json!({"messages": [{"role": "user", "content": "a"}, message]});
    let image = |url: &str| {
        message(
            json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}),
        )
    };
    for (fields, param, says) in [
        (json!({"n": 2}), "n", "n is 1"),
        (json!({"functions": []}), "functions", "use tools"),
        (
            json!({"response_format": {"type": "json_object"}}),
            "response_format",
            "use json_schema",
        ),
        (
            json!({"response_format": {"type": "json_schema"}}),
            "response_format",
            "has no json_schema.schema",
        ),
        (
            json!({"reasoning_effort": "huge"}),
            "reasoning_effort",
            "one of none, minimal, low",
        ),
        (json!({"stop": 7}), "stop", "stop:"),
        (json!({"temperature": "hot"}), "temperature", "expected f64"),
        (json!({"messages": []}), "messages", "wants a message"),
        (
            json!({"messages": [{"role": "system", "content": "a"}]}),
            "messages",
            "wants a message",
        ),
        (
            message(json!({"role": "assistant", "tool_calls": [
                {"id": "1", "function": {"name": "f", "arguments": "{}"}},
                {"id": "2", "function": {"name": "f", "arguments": "{\"a\":"}},
            ]})),
            "messages[1].tool_calls[1].function.arguments",
            "is no JSON object: EOF",
        ),
        (
            message(
                json!({"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "[]"}}]}),
            ),
            "messages[1].tool_calls[0].function.arguments",
            "another value",
        ),
        (
            message(json!({"role": "tool", "content": "a"})),
            "messages[1].tool_call_id",
            "not there",
        ),
        (
            message(json!({"role": "function", "content": "a"})),
            "messages[1].role",
            "\"function\"",
        ),
        (
            message(json!({"role": "user", "content": 7})),
            "messages[1].content",
            "a text or a list",
        ),
        (
            message(json!({"role": "user", "content": [{"type": "input_audio"}]})),
            "messages[1].content[0]",
            "input_audio, which has no counterpart",
        ),
        (
            message(json!({"role": "user", "content": [{"type": "text"}]})),
            "messages[1].content[0].text",
            "no text",
        ),
        (
            image("ftp://a"),
            "messages[1].content[0].image_url.url",
            "data:, http: or https:",
        ),
        (
            image("data:image/png,AA"),
            "messages[1].content[0].image_url.url",
            "in base64",
        ),
        (
            message(
                json!({"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}),
            ),
            "messages[1].content[0].file.file_data",
            "not there",
        ),
        (
            message(
                json!({"role": "system", "content": [{"type": "image_url", "image_url": "https://a"}]}),
            ),
            "messages[1].content",
            "only text",
        ),
        (
            json!({"tools": [{"type": "custom", "custom": {}}]}),
            "tools[0]",
            "of type custom",
        ),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": [1]}}]}),
            "tools[0].function.parameters",
            "no JSON Schema",
        ),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "maybe"}),
            "tool_choice",
            "maybe has no counterpart",
        ),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": {"type": "allowed_tools"}}),
            "tool_choice",
            "allowed_tools has no counterpart",
        ),
    ] {
        let error = chat_request(&asking(&fields), OLD).unwrap_err();
        assert_eq!(error.class(), Class::Request, "{fields}");
        assert_eq!(error.param(), Some(param), "{fields}: {error}");
        assert!(error.message().contains(says), "{fields}: {error}");
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// A user's text, or a text and calls of tools with their answers.
    fn turn() -> impl Strategy<Value = Vec<Message>> {
        let calls =
            prop::collection::vec(("[a-zA-Z0-9_-]{1,9}", "[a-z_]{1,9}", "(?s).{0,9}"), 1..4);
        prop_oneof![
            ("(?s).{1,20}", "(?s).{1,20}")
                .prop_map(|(ask, answer)| vec![Message::user(ask), Message::assistant(answer)]),
            (
                "(?s).{1,20}",
                "(?s).{0,20}",
                calls,
                "(?s).{0,20}",
                any::<bool>()
            )
                .prop_map(|(ask, text, calls, result, follow)| {
                    let mut call = Message::assistant(text);
                    if call.text().is_empty() {
                        call.content = Value::Null;
                    }
                    let mut results = Vec::new();
                    for (id, name, value) in calls {
                        let arguments = json!({"z": value, "a": [1.50, null]}).to_string();
                        call.tool_calls
                            .push(ToolCall::new(id.clone(), name, arguments));
                        results.push(Message::tool(id, result.clone()));
                    }
                    let mut turn = vec![Message::user(ask), call];
                    turn.extend(results);
                    if follow {
                        turn.push(Message::user("and now?"));
                    }
                    turn.push(Message::assistant("so"));
                    turn
                }),
        ]
    }

    proptest! {
        #[test]
        fn a_chat_comes_back_as_it_went(system in prop::option::of("(?s).{1,20}"), turns in prop::collection::vec(turn(), 1..5), last in "(?s).{1,9}") {
            let mut messages: Vec<Message> = system.into_iter().map(Message::system).collect();
            messages.extend(turns.into_iter().flatten());
            messages.push(Message::user(last));
            let request = messages.iter().fold(ChatRequest::new("m"), |request, message| request.message(message));
            let there = chat_request(&request, "claude-opus-5-5").unwrap().body;
            let there = ChatRequest::parse(Dialect::Anthropic, there).unwrap();
            let back = to_openai(&there, PastReasoning::Sealed).unwrap();
            prop_assert_eq!(back.dialect(), Dialect::OpenAi);
            prop_assert_eq!(back.messages().unwrap(), messages);
        }

        #[test]
        fn whatever_is_asked_is_answered_or_refused(content in "[\\[\\]{}\":,a-z0-9]{0,40}", role in "(user|assistant|tool|x)") {
            let body = format!(r#"{{"model":"a","messages":[{{"role":"{role}","content":{content}}}]}}"#);
            for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
                if let Ok(request) = ChatRequest::parse(dialect, body.clone()) {
                    for result in [chat_request(&request, "b").map(|_| ()), to_openai(&request, PastReasoning::Sealed).map(|_| ())] {
                        if let Err(error) = result {
                            prop_assert_eq!(error.class(), Class::Request);
                        }
                    }
                }
            }
        }
    }
}
