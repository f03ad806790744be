use super::*;
use crate::chat::FinishReason;

fn completion(body: &str) -> Result<crate::chat::ChatCompletion, Error> {
    crate::dialect::openai::completion(Bytes::copy_from_slice(body.as_bytes()), Tally::new(20, 4.0))
}

fn choice(message: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"message":{message},"finish_reason":"stop"}}]}}"#)
}

#[test]
fn an_answer_stays_as_it_was_written() {
    let body = r#"{"id":"c","new":1e1,"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"length"}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}"#;
    let completion = completion(body).unwrap();
    assert_eq!(completion.body(), body);
    assert_eq!(completion.text(), "hi");
    assert_eq!(completion.finish(), Some(FinishReason::Length));
    assert_eq!(completion.usage().total_tokens(), Some(6));
    assert!(completion.is_reported() && !completion.is_empty());
}

#[test]
fn without_usage_there_is_an_estimate() {
    let completion = completion(&choice(r#"{"content":"12345678"}"#)).unwrap();
    assert!(!completion.is_reported());
    assert_eq!(completion.usage().input_tokens, Some(20));
    assert_eq!(completion.usage().output_tokens, Some(2));
}

#[test]
fn what_is_empty_is_told_from_what_is_not() {
    for (message, empty) in [
        (r#"{"content":null}"#, true),
        (r#"{"content":"","tool_calls":[],"refusal":null}"#, true),
        (r#"{}"#, true),
        ("null", true),
        (r#"{"content":"a"}"#, false),
        (r#"{"content":null,"refusal":"no"}"#, false),
        (r#"{"content":null,"reasoning_content":"hm"}"#, false),
        (r#"{"content":"","reasoning":"hm"}"#, false),
        (
            r#"{"content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]}"#,
            false,
        ),
        (
            r#"{"content":null,"function_call":{"name":"f","arguments":""}}"#,
            false,
        ),
        (r#"{"content":null,"audio":{"id":"a"}}"#, false),
    ] {
        assert_eq!(
            completion(&choice(message)).unwrap().is_empty(),
            empty,
            "{message}"
        );
    }
    let second = r#"{"choices":[{"index":0,"message":{"content":""}},{"index":1,"message":{"content":"b"}}]}"#;
    assert!(!completion(second).unwrap().is_empty(), "any choice counts");
    assert!(completion(r#"{"choices":[]}"#).unwrap().is_empty());
}

#[test]
fn calls_are_read_as_servers_write_them() {
    let body = choice(
        r#"{"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"},"x":1},{"function":{"name":"g","arguments":{"a":1}}}]}"#,
    );
    let calls = completion(&body).unwrap().tool_calls();
    assert_eq!(calls[0].extra["x"], 1);
    assert_eq!(calls[1].function.arguments, r#"{"a":1}"#);
    // Named alike each time, and not as the calls of another answer.
    assert!(calls[1].id.starts_with("call_"), "{}", calls[1].id);
    assert_eq!(completion(&body).unwrap().tool_calls(), calls);
    let other = completion(&body.replace("\"a\":1", "\"a\":2"))
        .unwrap()
        .tool_calls();
    assert_ne!(other[1].id, calls[1].id);
}

#[test]
fn an_error_in_an_answer_of_success_is_one() {
    for (body, class) in [
        (
            r#"{"error":{"message":"busy","code":503}}"#,
            Class::Overload,
        ),
        (r#"{"error":"out of memory"}"#, Class::Server),
        (
            r#"{"object":"error","message":"no","code":429}"#,
            Class::Rate,
        ),
        (
            r#"{"choices":[{"error":{"code":502,"message":"x"},"finish_reason":"error","message":{"content":""}}]}"#,
            Class::Server,
        ),
        (
            r#"{"choices":[{"finish_reason":"error","message":{"content":"x"}}]}"#,
            Class::Server,
        ),
        (
            r#"{"choices":[{"finish_reason":"stop","message":{"content":"x"}},{"finish_reason":"abort","message":{"content":"y"}}]}"#,
            Class::Interrupted,
        ),
        ("<html>", Class::Malformed),
        ("{\"choices\":[{", Class::Malformed),
        (r#"{"choices":{}}"#, Class::Malformed),
    ] {
        assert_eq!(completion(body).unwrap_err().class(), class, "{body}");
    }
}
