use serde_json::json;

use super::*;
use crate::dialect::Dialect;

fn of(dialect: Dialect, fields: serde_json::Value) -> Needs {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    Needs::of(&ChatRequest::parse(dialect, body.to_string()).unwrap())
}

#[test]
fn are_read_off_both_dialects() {
    use Dialect::{Anthropic, OpenAi};
    assert_eq!(of(OpenAi, json!({})), Needs::default());
    assert!(of(OpenAi, json!({"tools": [{"type": "function"}]})).tools);
    assert!(of(OpenAi, json!({"functions": [{"name": "f"}]})).tools);
    assert!(!of(OpenAi, json!({"tools": []})).tools);
    assert!(!of(OpenAi, json!({"tools": null})).tools);
    assert!(of(OpenAi, json!({"response_format": {"type": "json_object"}})).json);
    assert!(
        of(
            OpenAi,
            json!({"response_format": {"type": "json_schema", "json_schema": {}}})
        )
        .json_schema
    );
    assert!(
        of(
            Anthropic,
            json!({"output_config": {"format": {"type": "json_schema"}}})
        )
        .json_schema
    );
    assert_eq!(
        of(OpenAi, json!({"response_format": {"type": "text"}})),
        Needs::default()
    );
    assert!(of(OpenAi, json!({"reasoning_effort": "low"})).reasoning);
    assert!(!of(OpenAi, json!({"reasoning_effort": "none"})).reasoning);
    assert!(of(OpenAi, json!({"reasoning": {"effort": "low"}})).reasoning);
    assert!(of(OpenAi, json!({"reasoning": {"max_tokens": 9}})).reasoning);
    assert!(!of(OpenAi, json!({"reasoning": {"effort": "none"}})).reasoning);
    assert!(!of(OpenAi, json!({"reasoning": {"enabled": false}})).reasoning);
    assert!(
        of(
            Anthropic,
            json!({"thinking": {"type": "enabled", "budget_tokens": 9}})
        )
        .reasoning
    );
    assert!(!of(Anthropic, json!({"thinking": {"type": "disabled"}})).reasoning);
    assert!(of(OpenAi, json!({"stream": true})).streaming);
    assert_eq!(
        of(OpenAi, json!({"max_completion_tokens": 5})).max_output,
        Some(5)
    );
}

#[test]
fn an_image_is_one_only_as_a_part() {
    let image = json!([{"role": "user", "content": [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]}]);
    let needs = of(Dialect::OpenAi, json!({"messages": image}));
    assert!(needs.vision && needs.media);
    let nested = json!([{"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "image", "source": {}}]},
    ]}]);
    assert!(of(Dialect::Anthropic, json!({"messages": nested})).vision);
    let sound = json!([{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]);
    let needs = of(Dialect::OpenAi, json!({"messages": sound}));
    assert!(needs.media && !needs.vision);
    let talk = json!([{"role": "user", "content": r#"what is {"type": "image"}?"#}]);
    assert_eq!(
        of(Dialect::OpenAi, json!({"messages": talk})),
        Needs::default()
    );
    let odd = json!([{"role": "user", "content": {"type": "image"}}, 7, {"content": 3}]);
    assert_eq!(
        of(Dialect::OpenAi, json!({"messages": odd})),
        Needs::default()
    );
}

#[test]
fn what_is_lacking_is_named() {
    let needs = Needs {
        vision: true,
        max_output: Some(10),
        ..Needs::default()
    };
    assert_eq!(Capabilities::default().lacks(&needs), None);
    let blind = Capabilities {
        vision: false,
        ..Capabilities::default()
    };
    assert_eq!(blind.lacks(&needs), Some("vision"));
    let short = Capabilities {
        max_output: Some(9),
        ..Capabilities::default()
    };
    assert_eq!(short.lacks(&needs), Some("max_output"));
    assert_eq!(
        short.lacks(&Needs {
            max_output: Some(9),
            ..needs
        }),
        None
    );
    assert_eq!(short.lacks(&Needs::default()), None);
    let small = Capabilities {
        context_window: Some(9),
        ..Capabilities::default()
    };
    assert!(small.overflows(Some(10)) && !small.overflows(Some(9)) && !small.overflows(None));
}
