//! Requests of one dialect at every interface.

use serde_json::{Value, json};

use super::super::*;
use crate::{
    chat::ChatRequest,
    provider::{PastReasoning, TokenLimit},
};

#[test]
fn a_chat_with_tools_goes_from_one_dialect_to_every_interface() {
    let body = json!({
        "model": "m", "max_tokens": 64, "stream": true,
        "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "be kind"}],
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {"x": {"type": "integer"}}}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "go", "cache_control": {"type": "ephemeral"}}]},
            {"role": "assistant", "content": [{"type": "text", "text": "I call"}, {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}}, {"type": "tool_use", "id": "t2", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "one"}]}, {"type": "tool_result", "tool_use_id": "t2", "is_error": true, "content": "bad"}, {"type": "text", "text": "and?"}]},
        ],
    });
    let request = ChatRequest::parse(Dialect::Anthropic, body.to_string()).unwrap();
    let sent = |api: Api| -> Value {
        let out = api
            .chat_request(
                &request,
                "m",
                true,
                TokenLimit::default(),
                PastReasoning::default(),
            )
            .unwrap();
        serde_json::from_slice(&out.body).unwrap()
    };
    assert_eq!(sent(Api::Anthropic), body, "as it was written");
    let openai = sent(Api::OpenAi);
    let roles = |messages: &Value| -> Vec<String> {
        let list = messages.as_array().unwrap().iter();
        list.map(|message| message["role"].as_str().unwrap_or("").to_owned())
            .collect()
    };
    let order = ["system", "user", "assistant", "tool", "tool", "user"];
    assert_eq!(roles(&openai["messages"]), order);
    assert_eq!(
        openai["messages"][3],
        json!({"role": "tool", "tool_call_id": "t1", "content": "one"})
    );
    assert_eq!(openai["messages"][4]["content"], "Error: bad");
    assert_eq!(openai["stream_options"]["include_usage"], true);
    let ollama = sent(Api::Ollama);
    assert_eq!(roles(&ollama["messages"]), order);
    assert_eq!(ollama["messages"][3]["tool_name"], "f");
    assert_eq!(
        ollama["messages"][2]["tool_calls"][0]["function"]["arguments"],
        json!({"x": 1})
    );
    assert_eq!(ollama["options"]["num_predict"], 64);
    let gemini = sent(Api::Gemini);
    assert_eq!(gemini["systemInstruction"]["parts"][1]["text"], "be kind");
    assert_eq!(
        roles(&gemini["contents"]),
        ["user", "model", "user", "user"]
    );
    assert_eq!(
        gemini["contents"][2]["parts"][1]["functionResponse"],
        json!({"id": "t2", "name": "f", "response": {"output": "Error: bad"}})
    );
    assert_eq!(gemini["generationConfig"]["maxOutputTokens"], 64);
}
