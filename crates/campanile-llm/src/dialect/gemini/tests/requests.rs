use serde_json::{Value, json};

use super::super::chat_request;
use crate::{
    chat::ChatRequest,
    dialect::Dialect,
    error::{Class, Error},
};

fn outgoing(body: &Value) -> Result<(String, Value), Error> {
    let mut body = body.clone();
    body["model"] = json!("asked");
    let request = ChatRequest::parse(Dialect::OpenAi, body.to_string())?;
    let model = body["to"].as_str().unwrap_or("gemini-2.5-flash").to_owned();
    let outgoing = chat_request(&request, &model)?;
    assert!(outgoing.headers.is_empty());
    Ok((
        outgoing.path,
        serde_json::from_slice(&outgoing.body).unwrap(),
    ))
}

fn written(body: Value) -> Value {
    outgoing(&body).unwrap().1
}

fn refused(body: Value) -> (String, String) {
    let error = outgoing(&body).unwrap_err();
    assert_eq!(error.class(), Class::Request, "{error}");
    assert_eq!(error.answer_status(), 400);
    (
        error.param().unwrap_or_default().to_owned(),
        error.message().to_owned(),
    )
}

#[test]
fn a_chat_is_written() {
    let body = json!({
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": [{"type": "text", "text": "How"}, {"type": "text", "text": "are you?"}]},
        ],
        "max_completion_tokens": 100, "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "top_k": 40,
        "stop": "END", "seed": 7, "presence_penalty": 0.1, "frequency_penalty": 0.2, "n": 1,
        "user": "Ada", "logit_bias": {"1": 2}, "stream_options": {"include_usage": true},
        "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "cached_content": "cachedContents/1",
    });
    let (path, sent) = outgoing(&body).unwrap();
    assert_eq!(path, "/v1beta/models/gemini-2.5-flash:generateContent");
    assert_eq!(
        sent,
        json!({
            "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "Hi"}]},
                {"role": "model", "parts": [{"text": "Hello."}]},
                {"role": "user", "parts": [{"text": "How"}, {"text": "are you?"}]},
            ],
            "generationConfig": {
                "maxOutputTokens": 100, "temperature": 0.5, "topP": 0.9, "topK": 40, "stopSequences": ["END"],
                "seed": 7, "presencePenalty": 0.1, "frequencyPenalty": 0.2,
            },
            "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
            "cachedContent": "cachedContents/1",
        })
    );
}

#[test]
fn a_stream_is_asked_for_as_events() {
    let body = json!({"messages": [{"role": "user", "content": "Hi"}], "stream": true, "stop": ["a", "b"]});
    let (path, sent) = outgoing(&body).unwrap();
    assert_eq!(
        path,
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    );
    assert_eq!(
        sent["generationConfig"],
        json!({"stopSequences": ["a", "b"]})
    );
}

#[test]
fn pictures_sounds_and_files_are_written() {
    let sent = written(json!({"messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/PNG;base64,AAAA", "detail": "high"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.JPG?x=.png"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a"}},
        {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,CCCC"}},
    ]}]}));
    assert_eq!(
        sent["contents"][0]["parts"],
        json!([
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.org/a.JPG?x=.png"}},
            {"fileData": {"fileUri": "https://example.org/a"}},
            {"inlineData": {"mimeType": "audio/mp3", "data": "BBBB"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "CCCC"}},
        ])
    );
}

fn tools_were_called(to: &str) -> Value {
    json!({
        "to": to,
        "messages": [
            {"role": "user", "content": "The weather in Rome and Oslo?"},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{\"z\": 1, \"city\": \"Rome\"}"},
                 "extra_content": {"google": {"thought_signature": "c2ln"}}},
                {"id": "2", "type": "function", "function": {"name": "weather", "arguments": " "}},
            ]},
            {"role": "tool", "tool_call_id": "1", "content": "{\"sun\": true}"},
            {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "snow"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
            {"role": "user", "content": "And here?"},
        ],
    })
}

#[test]
fn calls_of_tools_and_their_answers_are_written() {
    let sent = written(tools_were_called("gemini-2.5-flash"));
    assert_eq!(
        sent["contents"].as_array().unwrap()[1..],
        [
            json!({"role": "model", "parts": [
                {"functionCall": {"id": "1", "name": "weather", "args": {"z": 1, "city": "Rome"}}, "thoughtSignature": "c2ln"},
                {"functionCall": {"id": "2", "name": "weather", "args": {}}},
            ]}),
            json!({"role": "user", "parts": [
                {"functionResponse": {"id": "1", "name": "weather", "response": {"sun": true}}},
                {"functionResponse": {"id": "2", "name": "weather", "response": {"output": "snow"}}},
                {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            ]}),
            json!({"role": "user", "parts": [{"text": "And here?"}]}),
        ]
    );
}

#[test]
fn what_a_model_wrote_keeps_its_order() {
    let request = ChatRequest::parse(
        Dialect::OpenAi,
        json!({
            "model": "a",
            "messages": tools_were_called("")["messages"],
        })
        .to_string(),
    )
    .unwrap();
    let sent = chat_request(&request, "gemini-2.5-flash").unwrap().body;
    let sent = std::str::from_utf8(&sent).unwrap();
    assert!(
        sent.contains(r#""args":{"z": 1, "city": "Rome"}"#),
        "{sent}"
    );
}

#[test]
fn a_call_without_a_signature_passes_where_signatures_are_wanted() {
    let mut body = tools_were_called("gemini-3-pro-preview");
    let signed = written(body.clone());
    let of = |sent: &Value, at: usize| sent["contents"][1]["parts"][at]["thoughtSignature"].clone();
    assert_eq!(of(&signed, 0), "c2ln");
    assert_eq!(of(&signed, 1), Value::Null, "only the first is signed");
    body["messages"][1]["tool_calls"][0]["extra_content"] = Value::Null;
    assert_eq!(
        of(&written(body.clone()), 0),
        "skip_thought_signature_validator"
    );
    body["to"] = json!("gemini-2.5-pro");
    assert_eq!(of(&written(body), 0), Value::Null);
}

#[test]
fn an_answer_of_a_tool_has_a_name_from_somewhere() {
    let messages =
        |message: Value| json!({"messages": [{"role": "user", "content": "a"}, message]});
    let (param, message) = refused(messages(
        json!({"role": "tool", "tool_call_id": "9", "content": "x"}),
    ));
    assert_eq!(param, "messages[1].tool_call_id");
    assert!(message.contains("no earlier message made"), "{message}");
    for message in [
        json!({"role": "tool", "tool_call_id": "9", "name": "f", "content": "x"}),
        json!({"role": "function", "name": "f", "content": "x"}),
    ] {
        let sent = written(messages(message));
        assert_eq!(
            sent["contents"][1]["parts"][0]["functionResponse"]["name"],
            "f"
        );
    }
}

#[test]
fn tools_are_offered_as_they_are_written() {
    let schema = json!({"type": "object", "$schema": "x", "additionalProperties": false,
        "properties": {"city": {"type": ["string", "null"], "pattern": "^a"}}});
    let sent = written(json!({
        "messages": [{"role": "user", "content": "a"}],
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "does", "parameters": schema, "strict": true}},
            {"type": "function", "function": {"name": "g", "parameters": null}},
        ],
        "tool_choice": "auto",
    }));
    assert_eq!(
        sent["tools"],
        json!([{"functionDeclarations": [
            {"name": "f", "description": "does", "parametersJsonSchema": schema},
            {"name": "g"},
        ]}])
    );
    assert_eq!(
        sent["toolConfig"],
        json!({"functionCallingConfig": {"mode": "AUTO"}})
    );
}

#[test]
fn a_choice_of_tools_is_translated() {
    let choice = |choice: Value| {
        json!({
            "messages": [{"role": "user", "content": "a"}],
            "tools": [{"type": "function", "function": {"name": "f"}}],
            "tool_choice": choice,
        })
    };
    let tool = json!({"type": "function", "function": {"name": "f"}});
    for (given, mode, names) in [
        (json!("none"), "NONE", None),
        (json!("required"), "ANY", None),
        (tool.clone(), "ANY", Some(json!(["f"]))),
        (
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [tool]}}),
            "VALIDATED",
            Some(json!(["f"])),
        ),
    ] {
        let sent = written(choice(given));
        let config = &sent["toolConfig"]["functionCallingConfig"];
        assert_eq!(config["mode"], mode);
        assert_eq!(config.get("allowedFunctionNames"), names.as_ref());
    }
    assert_eq!(refused(choice(json!("always"))).0, "tool_choice");
    let mut without = choice(json!("required"));
    without["tools"] = json!([]);
    assert_eq!(
        written(without).get("toolConfig"),
        None,
        "there is nothing to choose from"
    );
}

#[test]
fn the_form_of_an_answer_is_asked_for() {
    let form = |form: Value| json!({"messages": [{"role": "user", "content": "a"}], "response_format": form});
    let config = |given: Value| written(form(given))["generationConfig"].clone();
    assert_eq!(config(json!({"type": "text"})), json!({}));
    assert_eq!(
        config(json!({"type": "json_object"})),
        json!({"responseMimeType": "application/json"})
    );
    let schema = json!({"type": "object", "properties": {"b": {}, "a": {}}});
    assert_eq!(
        config(
            json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": schema}})
        ),
        json!({"responseMimeType": "application/json", "responseJsonSchema": schema})
    );
    for wrong in [
        json!({"type": "json_schema"}),
        json!({"type": "grammar"}),
        json!("json"),
    ] {
        assert_eq!(refused(form(wrong)).0, "response_format");
    }
}

#[test]
fn thinking_is_told_in_the_words_of_the_model() {
    let config = |to: &str, effort: &str| {
        let body = json!({"to": to, "messages": [{"role": "user", "content": "a"}], "reasoning_effort": effort});
        written(body)["generationConfig"]
            .get("thinkingConfig")
            .cloned()
    };
    let budget =
        |tokens: u32, told: bool| Some(json!({"thinkingBudget": tokens, "includeThoughts": told}));
    let level =
        |word: &str, told: bool| Some(json!({"thinkingLevel": word, "includeThoughts": told}));
    assert_eq!(config("gemini-2.5-flash", "none"), budget(0, false));
    assert_eq!(config("gemini-2.5-flash", "low"), budget(1_024, true));
    assert_eq!(config("gemini-2.5-flash", "high"), budget(24_576, true));
    assert_eq!(
        config("gemini-3-flash-preview", "none"),
        level("minimal", false)
    );
    assert_eq!(
        config("gemini-3-flash-preview", "medium"),
        level("medium", true)
    );
    assert_eq!(
        config("gemini-3-flash-preview", "xhigh"),
        level("high", true)
    );
    // Those cannot be kept from thinking.
    assert_eq!(config("gemini-2.5-pro", "none"), budget(128, false));
    assert_eq!(
        config("gemini-3.1-pro-preview", "minimal"),
        level("low", true)
    );
    assert_eq!(config("gemini-2.0-flash", "high"), None);
    let wrong = json!({"messages": [{"role": "user", "content": "a"}], "reasoning_effort": "some"});
    assert_eq!(refused(wrong).0, "reasoning_effort");
}

#[test]
fn what_cannot_be_translated_is_refused_by_its_place() {
    let user = json!({"role": "user", "content": "a"});
    for (body, place) in [
        (json!({"messages": [user], "n": 2}), "n"),
        (json!({"messages": []}), "messages"),
        (
            json!({"messages": [{"role": "system", "content": "a"}]}),
            "messages",
        ),
        (
            json!({"messages": [{"role": "critic", "content": "a"}]}),
            "messages[0].role",
        ),
        (
            json!({"messages": [{"role": "user", "content": 7}]}),
            "messages[0].content",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"text": "a"}]}]}),
            "messages[0].content[0]",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "video"}]}]}),
            "messages[0].content[0]",
        ),
        (
            json!({"messages": [user, {"role": "user", "content": [{"type": "text", "text": "a"},
            {"type": "image_url", "image_url": {"url": "data:image/png,raw"}}]}]}),
            "messages[1].content[1]",
        ),
        (
            json!({"messages": [user, {"role": "assistant", "tool_calls": [
            {"id": "1", "function": {"name": "f", "arguments": "[1]"}}]}]}),
            "messages[1].tool_calls[0].function.arguments",
        ),
        (
            json!({"messages": [user], "tools": [{"type": "web_search"}]}),
            "tools[0]",
        ),
        (json!({"messages": [user], "tools": {}}), "tools"),
        (
            json!({"messages": [user], "temperature": "warm"}),
            "temperature",
        ),
        (json!({"messages": [user], "stop": [7]}), "stop"),
    ] {
        assert_eq!(refused(body.clone()).0, place, "{body}");
    }
}
