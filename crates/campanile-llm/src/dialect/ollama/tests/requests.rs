use serde_json::{Value, json};

use super::super::chat_request;
use crate::{
    chat::ChatRequest,
    dialect::Dialect,
    error::{Class, Error},
};

fn outgoing(body: &Value) -> Result<String, Error> {
    let mut body = body.clone();
    body["model"] = json!("asked");
    let request = ChatRequest::parse(Dialect::OpenAi, body.to_string())?;
    let outgoing = chat_request(&request, "qwen3:4b")?;
    assert_eq!(outgoing.path, "/api/chat");
    assert!(outgoing.headers.is_empty());
    Ok(String::from_utf8(outgoing.body.to_vec()).unwrap())
}

fn written(body: Value) -> Value {
    serde_json::from_str(&outgoing(&body).unwrap()).unwrap()
}

fn user() -> Value {
    json!([{"role": "user", "content": "a"}])
}

/// A chat with a field more.
fn with(name: &str, value: Value) -> Value {
    let mut body = json!({"messages": user()});
    body[name] = value;
    body
}

#[test]
fn a_chat_is_written() {
    let sent = written(json!({
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Look"}, {"type": "text", "text": " here"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
            {"role": "assistant", "content": "Hello.", "reasoning_content": "Hm."},
        ],
        "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "stop": "END", "seed": 7,
        "presence_penalty": 0.1, "frequency_penalty": 0.2, "keep_alive": "5m", "user": "Ada",
    }));
    assert_eq!(
        sent,
        json!({
            "model": "qwen3:4b",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Look here", "images": ["AAAA"]},
                {"role": "assistant", "content": "Hello.", "thinking": "Hm."},
            ],
            "stream": false,
            "truncate": false,
            "keep_alive": "5m",
            "options": {"num_predict": 7, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "stop": ["END"], "seed": 7,
                "presence_penalty": 0.1, "frequency_penalty": 0.2},
        })
    );
}

#[test]
fn a_stream_is_asked_for_by_its_name() {
    assert_eq!(written(with("stream", json!(true)))["stream"], true);
    assert_eq!(written(with("stream", json!(false)))["stream"], false);
}

#[test]
fn what_is_ollamas_own_wins() {
    let sent = written(json!({
        "messages": user(), "max_tokens": 7, "temperature": 1,
        "options": {"num_ctx": 8192, "temperature": 0}, "format": {"type": "object"},
        "response_format": {"type": "json_object"}, "think": false, "reasoning_effort": "high",
        "keep_alive": -1, "truncate": true, "shift": false,
    }));
    assert_eq!(
        sent["options"],
        json!({"num_ctx": 8192, "temperature": 0, "num_predict": 7})
    );
    assert_eq!(sent["format"], json!({"type": "object"}));
    assert_eq!(sent["think"], false);
    assert_eq!(sent["keep_alive"], -1);
    assert_eq!(sent["truncate"], true);
    assert_eq!(sent["shift"], false);
}

#[test]
fn calls_of_tools_and_their_answers_are_written() {
    let sent = outgoing(&json!({"messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"z\": 1, \"a\": [2]}"}},
            {"id": "2", "type": "function", "function": {"name": "g", "arguments": ""}}]},
        {"role": "tool", "tool_call_id": "2", "content": "yes"},
        {"role": "tool", "tool_call_id": "9", "content": "no"},
    ]}))
    .unwrap();
    assert!(
        sent.contains(r#""arguments":{"z": 1, "a": [2]}"#),
        "in their order: {sent}"
    );
    let sent: Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(
        sent["messages"].as_array().unwrap()[1..],
        [
            json!({"role": "assistant", "content": "", "tool_calls": [
                {"id": "1", "function": {"name": "f", "arguments": {"z": 1, "a": [2]}}},
                {"id": "2", "function": {"name": "g", "arguments": {}}}]}),
            json!({"role": "tool", "content": "yes", "tool_name": "g", "tool_call_id": "2"}),
            json!({"role": "tool", "content": "no", "tool_call_id": "9"}),
        ]
    );
}

#[test]
fn tools_are_offered_as_they_are_written() {
    let body = |choice: Value| {
        json!({"messages": user(), "tool_choice": choice, "tools": [
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"b": {}, "a": {}}}}},
            {"type": "function", "function": {"name": "g"}},
        ]})
    };
    let names = |choice: Value| {
        let sent = written(body(choice));
        let tools = sent["tools"].as_array()?.clone();
        Some(
            tools
                .iter()
                .map(|tool| tool["function"]["name"].clone())
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(names(Value::Null).unwrap(), ["f", "g"]);
    assert_eq!(names(json!("auto")).unwrap(), ["f", "g"]);
    assert_eq!(names(json!("required")).unwrap(), ["f", "g"]);
    assert_eq!(names(json!("none")), None);
    let one = |name: &str| json!({"type": "function", "function": {"name": name}});
    assert_eq!(names(one("g")).unwrap(), ["g"]);
    let error = outgoing(&body(one("h"))).unwrap_err();
    assert_eq!(error.param(), Some("tool_choice"));
}

#[test]
fn the_form_of_an_answer_is_asked_for() {
    let form = |form: Value| {
        written(with("response_format", form))
            .get("format")
            .cloned()
    };
    assert_eq!(form(json!({"type": "text"})), None);
    assert_eq!(form(json!({"type": "json_object"})), Some(json!("json")));
    let schema = json!({"type": "object", "properties": {"b": {}, "a": {}}});
    let given = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    assert_eq!(form(given), Some(schema));
}

#[test]
fn thinking_is_asked_for() {
    let think = |effort: &str| written(with("reasoning_effort", json!(effort)))["think"].clone();
    assert_eq!(think("none"), false);
    assert_eq!(think("minimal"), "low");
    assert_eq!(think("medium"), "medium");
    assert_eq!(think("high"), "high");
    assert_eq!(written(json!({"messages": user()})).get("think"), None);
}

#[test]
fn what_cannot_be_translated_is_refused_by_its_place() {
    let said = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    for (body, place) in [
        (with("n", json!(3)), "n"),
        (with("reasoning_effort", json!("some")), "reasoning_effort"),
        (
            with("response_format", json!({"type": "json_schema"})),
            "response_format",
        ),
        (with("options", json!([])), "options"),
        (with("tools", json!({})), "tools"),
        (with("top_k", json!("many")), "top_k"),
        (
            said(json!([{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}])),
            "messages[0].content[0]",
        ),
        (
            said(json!([{"type": "input_audio", "input_audio": {"data": "AAAA"}}])),
            "messages[0].content[0]",
        ),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [
            {"id": "1", "function": {"name": "f", "arguments": "x"}}]}]}),
            "messages[0].tool_calls[0].function.arguments",
        ),
    ] {
        let error = outgoing(&body).unwrap_err();
        assert_eq!(error.class(), Class::Request, "{body}");
        assert_eq!(error.param(), Some(place), "{body}");
    }
}
