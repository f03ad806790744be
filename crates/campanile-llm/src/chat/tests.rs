use super::*;
use crate::{dialect::Dialect, error::Class};

#[test]
fn a_request_stays_as_it_was_written() {
    let body = r#"{"model":"a", "messages":[{"role":"user","content":"hi","x":1e1}],"new":{"y": 2},"stream":true}"#;
    let request = ChatRequest::parse(Dialect::OpenAi, body).unwrap();
    assert_eq!(request.body(), body);
    assert!(request.is_streamed());
    let renamed = request.clone().with_model("b");
    assert_eq!(request.model(), "a", "clones do not change each other");
    assert_eq!(renamed.model(), "b");
    assert_eq!(renamed.body(), body.replace(r#""a", "#, r#""b","#));
}

#[test]
fn a_request_is_built_step_by_step() {
    let request = ChatRequest::new("a")
        .system("be brief")
        .user("hi")
        .max_tokens(7)
        .streamed()
        .tool(&Tool::new(
            "now",
            "the time",
            serde_json::json!({"type": "object"}),
        ));
    let again = ChatRequest::parse(Dialect::OpenAi, request.body()).unwrap();
    assert_eq!(
        again.messages().unwrap(),
        [Message::system("be brief"), Message::user("hi")]
    );
    assert_eq!(again.most_tokens(), Some(7));
    assert!(again.is_streamed());
    let tools: Vec<Tool> = again.object().read("tools").unwrap().unwrap();
    assert_eq!(tools[0].function.name, "now");
}

#[test]
fn what_is_wrong_with_a_request_is_named() {
    for (body, param, says) in [
        ("x", None, "not a JSON object"),
        (r#"{"messages":[]}"#, Some("model"), "names a model"),
        (
            r#"{"model":7,"messages":[]}"#,
            Some("model"),
            "expected a string",
        ),
        (r#"{"model":"a"}"#, Some("messages"), "has messages"),
        (
            r#"{"model":"a","messages":{}}"#,
            Some("messages"),
            "is a list",
        ),
        (
            r#"{"model":"a","messages":[],"stream":"yes"}"#,
            Some("stream"),
            "expected a boolean",
        ),
        (
            r#"{"model":"a","messages":[],"max_tokens":1.5}"#,
            Some("max_tokens"),
            "expected u64",
        ),
        (
            r#"{"model":"a","messages":[],"max_tokens":1,"n_predict":"9"}"#,
            Some("n_predict"),
            "expected u64",
        ),
        (
            r#"{"model":"a","messages":[],"options":{"num_predict":9.0}}"#,
            Some("options.num_predict"),
            "expected u64",
        ),
        // Several answers, however they are asked for: never taken for one.
        (
            r#"{"model":"a","messages":[],"n":8.0}"#,
            Some("n"),
            "expected u64",
        ),
        (
            r#"{"model":"a","messages":[],"n":"8"}"#,
            Some("n"),
            "expected u64",
        ),
        (
            r#"{"model":"a","messages":[],"n":-8}"#,
            Some("n"),
            "expected u64",
        ),
        (
            r#"{"model":"a","messages":[],"n":1,"n_cmpl":8.0}"#,
            Some("n_cmpl"),
            "expected u64",
        ),
    ] {
        let error = ChatRequest::parse(Dialect::OpenAi, body).unwrap_err();
        assert_eq!(error.class(), Class::Request, "{body}");
        assert_eq!(error.param(), param, "{body}");
        assert!(error.message().contains(says), "{body}: {error}");
    }
}

#[test]
fn nothing_that_is_said_is_shown() {
    let request = ChatRequest::new("a").user("my secret");
    assert!(!format!("{request:?}").contains("secret"));
}

#[test]
fn a_message_keeps_what_it_does_not_know() {
    let json = serde_json::json!({
        "role": "critic",
        "content": [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}],
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "z": 1}],
        "cache": true,
    });
    let message: Message = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(message.role, Role::Other("critic".to_owned()));
    assert_eq!(message.text(), "ab");
    assert_eq!(serde_json::to_value(&message).unwrap(), json);
}

#[tokio::test]
async fn answers_are_made_by_hand() {
    use futures_util::StreamExt;
    let Answer::Whole(whole) = ChatResponse::text("Rome").answer else {
        panic!("it is streamed");
    };
    assert_eq!((whole.text().as_str(), whole.is_empty()), ("Rome", false));
    assert_eq!(whole.usage().output_tokens, Some(1));
    assert!(whole.is_reported());
    let Answer::Stream(stream) = ChatResponse::text_stream(["Ro", "me"]).answer else {
        panic!("it is whole");
    };
    let events: Vec<ChatEvent> = stream.map(Result::unwrap).collect().await;
    let content = events.iter().filter(|event| event.part() == Part::Content);
    assert_eq!(content.count(), 2);
    let last = events.last().unwrap();
    assert_eq!(
        (last.part(), last.frame().as_ref()),
        (Part::End, &b"data: [DONE]\n\n"[..])
    );
    assert_eq!(last.usage(), whole.usage());
}

#[test]
fn fields_without_a_value_may_be_null() {
    let body = r#"{"model":"a","messages":[{"role":"assistant","content":"b","tool_calls":null,"tool_call_id":null}]}"#;
    let request = ChatRequest::parse(Dialect::OpenAi, body).unwrap();
    assert_eq!(request.messages().unwrap(), [Message::assistant("b")]);
}

/// Whatever a provider makes of two fields of one name: it is sent what was read.
#[test]
fn what_is_sent_is_what_was_read() {
    let twice = r#"{"model":"dear","messages":[],"model":"cheap","max_tokens":9}"#;
    let request = ChatRequest::parse(Dialect::OpenAi, twice).unwrap();
    assert_eq!(request.model(), "cheap");
    assert_eq!(
        request.body(),
        r#"{"model":"cheap","messages":[],"max_tokens":9}"#
    );
}

#[test]
fn the_limit_of_tokens_is_read_by_all_its_names() {
    for (fields, most) in [
        (r#""max_tokens":7"#, Some(7)),
        (r#""max_completion_tokens":7"#, Some(7)),
        (r#""max_tokens":7,"max_completion_tokens":9"#, Some(9)),
        (r#""max_tokens":9,"max_completion_tokens":7"#, Some(9)),
        (r#""max_tokens":1,"n_predict":100000"#, Some(100_000)),
        (r#""max_tokens":9,"n_predict":7"#, Some(9)),
        (r#""n_predict":7"#, Some(7)),
        (
            r#""options":{"num_predict":100000,"x":1},"max_tokens":1"#,
            Some(100_000),
        ),
        (r#""options":{"num_predict":7}"#, Some(7)),
        (r#""options":[100000],"max_tokens":1"#, Some(1)),
        (r#""max_tokens":-1"#, None),
        (r#""max_tokens":1,"n_predict":-1"#, None),
        (r#""max_tokens":-1,"n_predict":1"#, None),
        (r#""max_tokens":1,"options":{"num_predict":-2}"#, None),
        (
            r#""n_predict":null,"options":{"num_predict":null},"max_tokens":1"#,
            Some(1),
        ),
        (r#""max_tokens":null"#, None),
        (r#""max_tokens":18446744073709551615"#, Some(u64::MAX)),
    ] {
        let body = format!(r#"{{"model":"a","messages":[],{fields}}}"#);
        let request = ChatRequest::parse(Dialect::OpenAi, body).unwrap();
        assert_eq!(request.most_tokens(), most, "{fields}");
        let built = ChatRequest::new("a").field("max_completion_tokens", &9);
        assert_eq!(built.max_tokens(7).most_tokens(), Some(9));
    }
    let options = serde_json::json!({"num_predict": 8});
    let built = ChatRequest::new("a").max_tokens(7);
    assert_eq!(built.field("options", &options).most_tokens(), Some(8));
}

#[test]
fn answers_that_are_asked_for_by_hand_are_counted_however_it_is_written() {
    for (n, choices) in [
        (serde_json::json!(3), 3),
        (serde_json::json!(8.0), 8),
        (serde_json::json!("8"), 8),
        (serde_json::json!(1.5), 2),
        (serde_json::json!(0), 1),
        (serde_json::json!(null), 1),
        (serde_json::json!([]), 1),
    ] {
        let request = ChatRequest::new("a").field("n", &n);
        assert_eq!(request.choices(), choices, "{n}");
        let other = ChatRequest::new("a").field("n", &1).field("n_cmpl", &n);
        assert_eq!(other.choices(), choices, "{n}");
        assert_eq!(crate::dialect::openai::choices(&request), choices as u32);
    }
}

#[test]
fn answers_that_are_asked_for_are_counted_by_both_names() {
    for (fields, choices) in [
        ("", 1),
        (r#","n":3"#, 3),
        (r#","n":1,"n_cmpl":8"#, 8),
        (r#","n_cmpl":2,"n":3"#, 3),
        (r#","n":0,"n_cmpl":null"#, 1),
    ] {
        let body = format!(r#"{{"model":"a","messages":[]{fields}}}"#);
        let request = ChatRequest::parse(Dialect::OpenAi, body).unwrap();
        assert_eq!(request.choices(), choices, "{fields}");
    }
}

#[test]
fn what_is_written_already_is_taken_off_every_limit() {
    let request = ChatRequest::new("a").max_tokens(20).field("n_predict", &30);
    let request = request.field(
        "options",
        &serde_json::json!({"num_predict": 40, "seed": 1}),
    );
    let less = request.clone().with_less_tokens(12).unwrap();
    let number = |name| less.object().read::<u64>(name).unwrap();
    assert_eq!(
        (number("max_tokens"), number("n_predict")),
        (Some(8), Some(18))
    );
    let options: serde_json::Value = less.object().read("options").unwrap().unwrap();
    assert_eq!(options, serde_json::json!({"num_predict": 28, "seed": 1}));
    assert!(number("max_completion_tokens").is_none());
    assert!(request.clone().with_less_tokens(20).is_none());
    let endless = ChatRequest::new("a").field("n_predict", &-1);
    assert_eq!(endless.with_less_tokens(9).unwrap().most_tokens(), None);
}

/// Each message is written once: were the list copied for each, this would copy fifty gigabytes.
#[test]
fn a_chat_of_many_messages_is_built_without_copies_of_it() {
    let text = "a".repeat(100);
    let mut request = ChatRequest::new("a");
    for _ in 0..30_000 {
        request = request.user(&text);
    }
    assert_eq!(request.messages().unwrap().len(), 30_000);
    let shared = request.clone().user("once more");
    assert_eq!(request.messages().unwrap().len(), 30_000);
    assert_eq!(shared.messages().unwrap().len(), 30_001);
}

#[test]
fn calls_and_tools_are_read_as_sdks_write_them() {
    let message: Message = serde_json::from_value(serde_json::json!({
        "role": "assistant",
        "content": null,
        "tool_calls": [
            {"id": "1", "type": null, "function": {"name": "f", "arguments": null, "new": 1}},
            {"id": null, "function": {"name": "g", "arguments": {"x": 1}}},
            {"id": "3", "function": {"name": "h", "arguments": ""}},
        ],
    }))
    .unwrap();
    let calls = &message.tool_calls;
    assert_eq!(
        (calls[0].kind.as_str(), calls[0].function.arguments.as_str()),
        ("function", "")
    );
    assert_eq!(
        (calls[1].id.as_str(), calls[1].function.arguments.as_str()),
        ("", r#"{"x":1}"#)
    );
    let again = serde_json::to_value(&message).unwrap();
    assert_eq!(again["tool_calls"][0]["function"]["new"], 1);

    let tool = serde_json::json!({"type": "function", "function": {"name": "f", "description": null, "parameters": null, "strict": null}});
    let tool: Tool = serde_json::from_value(tool).unwrap();
    assert_eq!(tool.function.description, "");
}
