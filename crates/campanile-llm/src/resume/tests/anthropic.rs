//! Answers in Anthropic's dialect.

use super::*;
use crate::dialect::Dialect;

/// An event of Anthropic's.
fn named(name: &str, data: &str, part: Part) -> ChatEvent {
    let frame = format!("event: {name}\ndata: {data}\n\n");
    let end = frame.len() - 2;
    ChatEvent::new(frame.into(), end - data.len()..end, part)
}

/// The begin of a message of Anthropic's, and of a block of text.
fn begun() -> Source {
    Source::new()
        .event(named("message_start", r#"{"type":"message_start","message":{"id":"1","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}"#, Part::Idle))
        .event(block(0, r#"{"type":"text","text":""}"#))
        .event(named("ping", r#"{"type":"ping"}"#, Part::Idle))
}

fn block(index: u32, block: &str) -> ChatEvent {
    let data =
        format!(r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#);
    named("content_block_start", &data, Part::Idle)
}

fn text(text: &str) -> ChatEvent {
    let data = format!(
        r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#
    );
    named("content_block_delta", &data, Part::Content)
}

fn block_stop() -> ChatEvent {
    let data = r#"{"type":"content_block_stop","index":0}"#;
    named("content_block_stop", data, Part::Idle)
}

fn ended(source: Source) -> Source {
    source
        .event(block_stop())
        .event(named("message_delta", r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}"#, Part::Idle).with_finish(Some(FinishReason::Stop)))
        .event(named("message_stop", r#"{"type":"message_stop"}"#, Part::End))
}

fn to_anthropic() -> ChatRequest {
    let body = r#"{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"Count."}]}"#;
    ChatRequest::parse(Dialect::Anthropic, body).unwrap()
}

#[tokio::test]
async fn anthropics_events_are_joined_too() {
    let first = begun().event(text("one ")).fail(Class::Overload);
    let second = ended(begun().event(text(" two")));
    let told = ask(default(), to_anthropic(), vec![first, second]).await;
    assert!(told.error.is_none(), "{:?}", told.error);
    assert_eq!(told.text, "one two");
    let count = |what| {
        told.frames
            .iter()
            .filter(|frame| frame.contains(what))
            .count()
    };
    assert_eq!(count("event: message_start"), 1);
    assert_eq!(count("event: content_block_start"), 1);
    assert_eq!(count("event: content_block_stop"), 1);
    assert_eq!(count("event: message_stop"), 1);
}

/// Nothing can follow the stop of a block but another block, and the second stream knows nothing of it.
#[tokio::test]
async fn a_block_that_the_caller_has_seen_closed_is_not_gone_on_with() {
    let tool = r#"{"type":"server_tool_use","id":"1","name":"web_search","input":{}}"#;
    for first in [
        begun().event(text("one")).event(block_stop()),
        begun()
            .event(text("one"))
            .event(block_stop())
            .event(block(1, tool)),
        begun().event(text("one")).event(block(1, tool)),
    ] {
        let streams = vec![
            first.fail(Class::Overload),
            ended(begun().event(text("two"))),
        ];
        let told = ask(default(), to_anthropic(), streams).await;
        assert_eq!(told.calls.len(), 1, "{:?}", told.frames);
        assert_eq!(told.error.unwrap().class(), Class::Overload);
        assert_eq!(told.text, "one");
    }
    // Nor by a second stream whose text is in another block: it is left at once.
    let seen = Seen::default();
    let start = named(
        "message_start",
        r#"{"type":"message_start","message":{"id":"2","model":"m","content":[]}}"#,
        Part::Idle,
    );
    let second = Source::new()
        .event(start)
        .event(block(0, tool))
        .event(block_stop());
    let second = second.word("more").seen_by(&seen);
    let first = begun().event(text("one")).fail(Class::Overload);
    let told = ask(default(), to_anthropic(), vec![first, second]).await;
    assert_eq!((told.calls.len(), told.text.as_str()), (2, "one"));
    assert_eq!(told.error.unwrap().class(), Class::Overload);
    assert_eq!(seen.pulled(), 2);
}

/// By how long it stays in the cache: the caller is shown the sum of what was written for an hour.
#[tokio::test]
async fn what_is_cached_for_an_hour_adds_up() {
    let written = |tokens, hour| Usage {
        cache_write_tokens: Some(tokens),
        cache_write_long_tokens: hour,
        ..taken(tokens, 1)
    };
    for (hour, shown) in [
        (
            Some(20),
            serde_json::json!({"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 25}),
        ),
        // The parts of the second alone would not add up to the sum.
        (None, serde_json::Value::Null),
    ] {
        let other = hour.map(|_| 5);
        let first = begun().event(text("one").with_usage(written(9, other), true));
        let ended = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1,"cache_creation_input_tokens":23,"cache_creation":{"ephemeral_5m_input_tokens":23,"ephemeral_1h_input_tokens":0}}}"#;
        let ended = named("message_delta", ended, Part::Idle).with_usage(written(23, hour), true);
        let second = begun().event(text("two")).event(ended);
        let second = second.event(
            named("message_stop", r#"{"type":"message_stop"}"#, Part::End)
                .with_usage(written(23, hour), true),
        );
        let told = ask(
            default(),
            to_anthropic(),
            vec![first.fail(Class::Overload), second],
        )
        .await;
        let last = &told.events[told.events.len() - 2];
        assert_eq!(
            last.usage().cache_write_long_tokens,
            hour.map(|hour| hour + 5)
        );
        let data: serde_json::Value = serde_json::from_slice(last.data()).unwrap();
        assert_eq!(data["usage"]["cache_creation_input_tokens"], 32);
        assert_eq!(data["usage"]["cache_creation"], shown);
    }
}
