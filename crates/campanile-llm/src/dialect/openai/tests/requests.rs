use super::*;
use crate::dialect::Dialect;

fn sent(request: &str, usage: bool) -> String {
    let request = ChatRequest::parse(Dialect::OpenAi, request.to_owned()).unwrap();
    let outgoing = crate::dialect::openai::chat_request(&request, "its", usage).unwrap();
    assert_eq!(outgoing.path, "/chat/completions");
    String::from_utf8(outgoing.body.to_vec()).unwrap()
}

#[test]
fn usage_is_asked_for_where_the_caller_left_it_open() {
    let plain = r#"{"model":"a","messages":[],"stream":true,"x":{"y": 1e1}}"#;
    assert_eq!(
        sent(plain, true),
        r#"{"model":"its","messages":[],"stream":true,"x":{"y": 1e1},"stream_options":{"include_usage":true}}"#
    );
    assert!(!sent(plain, false).contains("stream_options"));
    let whole = r#"{"model":"a","messages":[]}"#;
    assert!(!sent(whole, true).contains("stream_options"));
}

#[test]
fn what_the_caller_said_of_usage_stays() {
    for said in ["false", "true"] {
        let body = format!(
            r#"{{"model":"its","messages":[],"stream":true,"stream_options":{{"include_usage":{said}}}}}"#
        );
        assert_eq!(sent(&body, true), body, "not a byte is changed");
    }
    let other = r#"{"model":"its","messages":[],"stream":true,"stream_options":{"include_obfuscation":false}}"#;
    assert!(sent(other, true).contains(r#"{"include_obfuscation":false,"include_usage":true}"#));
    let odd = r#"{"model":"its","messages":[],"stream":true,"stream_options":"no"}"#;
    assert_eq!(sent(odd, true), odd, "the provider's to refuse");
}

#[test]
fn what_is_asked_is_read() {
    let request = ChatRequest::new("a").field("n", &3).field(
        "stream_options",
        &serde_json::json!({"include_usage": true}),
    );
    let asked = Asked::by(&request);
    assert_eq!((asked.usage, asked.choices), (true, 3));
    let asked = Asked::by(&ChatRequest::new("a").field("n", "many"));
    assert_eq!((asked.usage, asked.choices), (false, 1));
}
