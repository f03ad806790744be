use futures_util::FutureExt;
use http::HeaderValue;
use proptest::prelude::*;
use serde_json::json;
use tower::ServiceExt;

use super::*;
use crate::dialect::Dialect;

fn of(request: &ChatRequest) -> Option<String> {
    let found = ConversationConfig::default().of_request(request);
    found.map(|name| name.to_string())
}

#[test]
fn what_a_client_names_comes_first() {
    let plain = ChatRequest::new("m").user("hi");
    let user = plain.clone().field("user", "ada");
    assert_eq!(of(&user).unwrap(), "ada");
    let metadata = user.field("metadata", &json!({"user_id": "u-1", "other": 2}));
    assert_eq!(of(&metadata).unwrap(), "u-1");
    let cached = metadata.field("prompt_cache_key", "session-7");
    assert_eq!(of(&cached).unwrap(), "session-7");
    // What is no text, or nothing, is no name.
    let odd = plain
        .clone()
        .field("user", &7)
        .field("metadata", &json!([]));
    assert_eq!(of(&odd), of(&plain));
    assert_eq!(of(&plain.clone().field("user", "")), of(&plain));
    assert!(of(&plain).unwrap().starts_with("chat-"));
    let unnamed = ConversationConfig::default().with_beginning(false);
    assert_eq!(unnamed.of_request(&plain), None);
}

#[test]
fn a_long_name_is_kept_short() {
    let long = "x".repeat(100_000);
    let named = of(&ChatRequest::new("m").field("user", &long)).unwrap();
    assert!(named.len() < 30 && named.starts_with("name-"));
    let other = of(&ChatRequest::new("m").field("user", &format!("{long}y"))).unwrap();
    assert_ne!(named, other);
}

#[test]
fn headers_name_one_too() {
    let config = ConversationConfig::default();
    let mut headers = HeaderMap::new();
    assert_eq!(config.of_headers(&headers), None);
    headers.insert("x-session-id", HeaderValue::from_static("s"));
    assert_eq!(config.of_headers(&headers).as_deref(), Some("s"));
    headers.insert("x-conversation-id", HeaderValue::from_static("c"));
    assert_eq!(config.of_headers(&headers).as_deref(), Some("c"));
    headers.insert(
        "x-conversation-id",
        HeaderValue::from_bytes(b"\xff").unwrap(),
    );
    assert_eq!(config.of_headers(&headers).as_deref(), Some("s"));
}

#[test]
fn a_mistake_in_the_settings_is_named() {
    let error = ConversationConfig::default()
        .with_headers(["x y"])
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "conversation.headers is \"x y\": it must be the name of a header"
    );
    let error = ConversationConfig::default()
        .with_fields(["a..b"])
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "conversation.fields is \"a..b\": no part of a name may be empty"
    );
}

#[test]
fn what_the_context_says_stays() {
    let echo =
        tower::service_fn(async |call: Call<ChatRequest>| Ok::<_, ()>(call.context.conversation));
    let service = ConversationLayer::new(ConversationConfig::default())
        .unwrap()
        .layer(echo);
    let mut call = Call::new(ChatRequest::new("m").field("user", "ada"));
    call.context.conversation = Some("mine".into());
    let kept = service.oneshot(call).now_or_never().unwrap().unwrap();
    assert_eq!(kept.as_deref(), Some("mine"));
}

#[test]
fn anthropics_system_counts() {
    let chat = |system: &str| {
        let body = json!({"model": "m", "system": system, "messages": [{"role": "user", "content": "hi"}]});
        conversation_key(&ChatRequest::parse(Dialect::Anthropic, body.to_string()).unwrap())
    };
    assert_eq!(chat("a"), chat("a"));
    assert_ne!(chat("a"), chat("b"));
    assert_eq!(conversation_key(&ChatRequest::new("m")), None);
}

#[test]
fn a_chat_is_known_by_its_model_too() {
    let key = |model| conversation_key(&ChatRequest::new(model).user("hi"));
    assert_ne!(key("a"), key("b"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_chat_that_goes_on_stays_the_same(
        system in ".{0,40}",
        first in ".{0,3000}",
        turns in prop::collection::vec((".{0,40}", ".{0,40}"), 0..4),
    ) {
        let begun = ChatRequest::new("m").system(&system).user(&first);
        let key = conversation_key(&begun);
        prop_assert!(key.is_some());
        let gone_on = turns.iter().fold(begun, |chat, (said, asked)| chat.assistant(said).user(asked));
        prop_assert_eq!(conversation_key(&gone_on), key);
    }

    #[test]
    fn any_list_is_read(text in "[\\[\\]{}\",:\\\\a-z]{0,60}") {
        let object = format!("{{\"model\":\"m\",\"messages\":[{text}]}}");
        if let Ok(request) = ChatRequest::parse(Dialect::OpenAi, object) {
            let _ = conversation_key(&request);
        }
    }
}
