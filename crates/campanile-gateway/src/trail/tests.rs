//! What a caller is told of where its call went.

use std::time::Duration;

use campanile::{Cost, Endpoint, Outcome, context::Trail, outcome::FailureKind};
use serde_json::Value;

use super::{story::Story, *};
use crate::operate::tests::{chat, gateway, message, send, text};

const SETTINGS: &str = r#"
providers:
  one: { simulated: { first_word: 10ms, words_per_second: 1000 } }
  two: { simulated: { first_word: 10ms, words_per_second: 1000 } }
pools:
  main: { members: [one, two], patience: 1s }
stages:
  chat: { pool: main }
default_stage: chat
"#;

fn told(text: &str) -> Value {
    assert!(
        text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
        "{text}"
    );
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_caller_asks_by_a_header() {
    for (value, is_wanted) in [
        ("1", true),
        ("true", true),
        ("JSON", true),
        ("0", false),
        ("", false),
        ("no", false),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(TRAIL, HeaderValue::from_static(value));
        assert_eq!(wanted(headers.get(TRAIL)), is_wanted, "{value:?}");
    }
    assert!(!wanted(None));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_ask_is_told_nothing() {
    let gateway = gateway(SETTINGS);
    for stream in [false, true] {
        let response = send(&gateway, chat().body(message(stream)).unwrap()).await;
        assert!(!response.headers().contains_key(TRAIL));
        assert!(!text(response).await.contains("campanile-trail"));
    }
    let mut context = Context::new();
    let kept = Told::begin(None, &mut context);
    assert!(kept.0.is_none() && context.trail.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_answer_says_where_it_comes_from() {
    let gateway = gateway(SETTINGS);
    gateway.live().pools["main"].members()[0].disable();
    let request = chat().header(TRAIL, "1").body(message(false)).unwrap();
    let response = send(&gateway, request).await;
    assert_eq!(response.status(), 200);
    let told = told(response.headers()[TRAIL].to_str().unwrap());
    assert_eq!(
        (&told["stage"], &told["pool"]),
        (&"chat".into(), &"main".into())
    );
    let attempt = &told["attempts"][0];
    assert_eq!(
        (&attempt["to"], &attempt["outcome"]),
        (&"two".into(), &"success".into()),
        "{told}"
    );
    assert!(
        attempt["head_ms"].as_f64().is_some_and(|ms| ms > 0.0),
        "{told}"
    );
    let candidates = &attempt["candidates"];
    assert_eq!(
        (&candidates["members"], &candidates["open"]),
        (&2.into(), &1.into())
    );
    let closed = &candidates["closed"][0];
    assert_eq!(
        (&closed["member"], &closed["reasons"][0]["reason"]),
        (&"one".into(), &"disabled".into())
    );
    assert!(
        attempt["charged"]["tokens"]
            .as_u64()
            .is_some_and(|tokens| tokens > 0),
        "{told}"
    );
    assert!(attempt["estimated"]["tokens"].as_u64().is_some(), "{told}");
    assert_eq!(told["charged"], attempt["charged"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_the_rest_within_its_last_event() {
    let gateway = gateway(SETTINGS);
    let request = chat().header(TRAIL, "true").body(message(true)).unwrap();
    let response = send(&gateway, request).await;
    let head = told(response.headers()[TRAIL].to_str().unwrap());
    assert_eq!(
        (&head["so_far"], &head["attempts"][0]["outcome"]),
        (&true.into(), &"running".into())
    );
    let body = text(response).await;
    let (before, rest) = body.split_once(": campanile-trail ").unwrap();
    let (line, last) = rest.split_once('\n').unwrap();
    assert!(
        before.ends_with("\n\n"),
        "it is no part of the event before"
    );
    assert_eq!(last, "data: [DONE]\n\n", "it is a line of the last event");
    let whole = told(line);
    let attempt = &whole["attempts"][0];
    assert_eq!(
        (&whole["so_far"], &attempt["outcome"]),
        (&Value::Null, &"success".into())
    );
    assert!(
        attempt["charged"]["tokens"]
            .as_u64()
            .is_some_and(|tokens| tokens > 0),
        "{whole}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_says_who_was_closed() {
    let gateway = gateway(SETTINGS);
    for member in gateway.live().pools["main"].members() {
        member.disable();
    }
    let request = chat().header(TRAIL, "1").body(message(false)).unwrap();
    let response = send(&gateway, request).await;
    assert_eq!(response.status(), 503);
    let told = told(response.headers()[TRAIL].to_str().unwrap());
    assert_eq!(told["error"]["refused_by"], "balance", "{told}");
    assert_eq!(told["stage"], "chat");
    let refused = &told["refused"][0]["candidates"];
    assert_eq!(
        (&refused["members"], &refused["open"]),
        (&2.into(), &0.into())
    );
    assert_eq!(refused["closed"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_told_is_short_and_ascii() {
    let trail = Trail::explaining();
    trail.at("stage", &"Zürich \u{1f514}".into());
    let failed = Outcome::Failure(FailureKind::Server);
    for number in 0..200 {
        let name = format!("endpoint ñ {number} {}", "y".repeat(500));
        trail
            .begin(&Endpoint::new(name))
            .end(failed, Duration::from_millis(number));
    }
    trail.charge(Cost::tokens(5));
    let whole = told(&Story::of(&trail, None, false).text(1 << 20));
    assert_eq!(whole["attempts"].as_array().unwrap().len(), 200);
    assert_eq!(whole["stage"], "Zürich \u{1f514}", "it is escaped");
    for most in [11, 100, 1_000, 4_096, 16_384] {
        let text = Story::of(&trail, None, false).text(most);
        assert!(text.len() <= most.max(12), "{} of {most}", text.len());
        assert_eq!(told(&text)["cut"], true);
    }
    assert_eq!(
        told(&Story::of(&trail, None, false).text(4_096))["charged"]["tokens"],
        5
    );
}
