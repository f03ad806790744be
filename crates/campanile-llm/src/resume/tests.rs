use std::{sync::Mutex, time::Duration};

use campanile::{
    BoxError, Call, Rejection, Usage,
    context::{Context, Repeat, Trail},
    rejection::RejectionKind,
    testing::{Permits, ReadinessProbe, Script, Step},
    timeout::{Clock, TimeoutConfig, TimeoutLayer},
};
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::*;
use crate::{
    Chat, ContentData,
    chat::{Answer, ChatEvent, ChatRequest, ChatResponse, FinishReason, Part},
    commit::CommitLayer,
    error::{Class, Error},
    testing::{Seen, Source, event},
};

mod anthropic;

const SECOND: Duration = Duration::from_secs(1);

fn word(text: &str) -> ChatEvent {
    delta(&serde_json::json!({ "content": text }).to_string())
}

fn delta(delta: &str) -> ChatEvent {
    let json = format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#);
    event(&json, Part::Content)
}

fn role() -> ChatEvent {
    let json = r#"{"id":"1","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#;
    event(json, Part::Idle)
}

fn finish() -> ChatEvent {
    let json = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    event(json, Part::Idle).with_finish(Some(FinishReason::Stop))
}

/// A stream that says these words.
fn says(words: &[&str]) -> Source {
    words
        .iter()
        .fold(Source::new().event(role()), |source, text| {
            source.event(word(text))
        })
}

fn whole(words: &[&str]) -> Source {
    says(words).event(finish()).done()
}

fn broken(words: &[&str]) -> Source {
    says(words).fail(Class::Interrupted)
}

fn request() -> ChatRequest {
    ChatRequest::new("m").user("Count.").streamed()
}

/// What a caller saw, and what the provider was asked.
struct Told {
    /// Frames, and the class of the error at the end.
    frames: Vec<String>,
    text: String,
    events: Vec<ChatEvent>,
    error: Option<Error>,
    calls: Vec<Call<ChatRequest>>,
}

/// Asks a provider that answers its calls by these streams, one each.
async fn ask(
    config: ResumeConfig,
    call: impl Into<Call<ChatRequest>>,
    streams: Vec<Source>,
) -> Told {
    let calls = std::sync::Arc::new(Mutex::new(Vec::new()));
    let seen = calls.clone();
    let provider = service_fn(move |call: Call<ChatRequest>| {
        let mut calls = seen.lock().unwrap();
        let stream = streams.get(calls.len()).cloned();
        calls.push(call);
        let refused = || Error::new(Class::Unreachable, "nobody is there");
        std::future::ready(stream.map(Source::answer).ok_or_else(refused))
    });
    let service = ResumeLayer::new(config).unwrap().layer(provider);
    let response = service.oneshot(call.into()).await.unwrap();
    let mut told = Told {
        frames: Vec::new(),
        text: String::new(),
        events: Vec::new(),
        error: None,
        calls: Vec::new(),
    };
    let Answer::Stream(mut events) = response.answer else {
        panic!("it is streamed");
    };
    while let Some(item) = events.next().await {
        assert!(told.error.is_none(), "nothing follows an error");
        match item {
            Ok(event) => {
                told.frames
                    .push(String::from_utf8(event.frame().to_vec()).unwrap());
                let data: serde_json::Value =
                    serde_json::from_slice(event.data()).unwrap_or_default();
                for place in ["/choices/0/delta/content", "/delta/text"] {
                    let text = data.pointer(place).and_then(|text| text.as_str());
                    told.text.push_str(text.unwrap_or_default());
                }
                told.events.push(event);
            }
            Err(error) => told.error = Some(error),
        }
    }
    drop(events);
    told.calls = std::mem::take(&mut calls.lock().unwrap());
    told
}

fn default() -> ResumeConfig {
    ResumeConfig::default()
}

#[tokio::test]
async fn the_caller_sees_one_stream() {
    let streams = vec![broken(&["one", ", two"]), whole(&[", three", "."])];
    let told = ask(default(), request(), streams).await;
    assert!(told.error.is_none());
    assert_eq!(told.text, "one, two, three.");
    assert_eq!(told.frames.len(), 1 + 4 + 2, "one role, one end");
    assert_eq!(told.frames.last().unwrap(), "data: [DONE]\n\n");

    let [first, second] = &told.calls[..] else {
        panic!("two calls");
    };
    assert_eq!(first.message.messages().unwrap().len(), 1);
    let messages = second.message.messages().unwrap();
    assert_eq!(messages[1].text(), "one, two");
    assert_eq!(messages[1].role, crate::chat::Role::Assistant);
    assert_eq!(second.context.repeat, Some(Repeat::Retry));
    assert_eq!(second.context.attempt, 1);
    assert!(first.context.trail.is_some(), "so that it goes elsewhere");
}

#[tokio::test]
async fn a_stream_that_is_whole_stays_as_it_is() {
    let told = ask(default(), request(), vec![whole(&["one"])]).await;
    assert_eq!((told.text.as_str(), told.calls.len()), ("one", 1));
}

#[tokio::test]
async fn only_some_breaks_can_be_mended() {
    let refusal = |layer| Error::from(Rejection::new(RejectionKind::TimedOut, layer));
    for (error, resumed) in [
        (Error::new(Class::Interrupted, ""), true),
        (Error::new(Class::Timeout, ""), true),
        (Error::new(Class::Server, ""), true),
        (Error::new(Class::Malformed, ""), true),
        (refusal(Clock::BetweenData.layer()), true),
        (refusal(Clock::Total.layer()), false),
        (refusal(Clock::Deadline.layer()), false),
        (Error::new(Class::ContentFilter, ""), false),
        (Error::new(Class::Auth, ""), false),
    ] {
        let mut call = Call::new(request());
        let config = std::sync::Arc::new(default());
        let mut progress = progress::Progress::of(&mut call, &config).unwrap();
        progress.pass(word("one")).unwrap();
        let next = progress.next(&error, Instant::now());
        assert_eq!(next.is_some(), resumed, "{error:?}");
    }
}

#[tokio::test]
async fn only_text_alone_is_resumed() {
    let cut = |source: Source| source.event(word("one")).fail(Class::Interrupted);
    let first = |json: &str| cut(Source::new().event(delta(json)));
    let good = || broken(&["one"]);
    for (request, stream) in [
        (request(), first(r#"{"reasoning_content":"hm"}"#)),
        (request(), first(r#"{"refusal":"no"}"#)),
        (
            request(),
            first(
                r#"{"tool_calls":[{"index":0,"id":"1","function":{"name":"f","arguments":""}}]}"#,
            ),
        ),
        (
            request(),
            says(&["one"]).event(finish()).fail(Class::Interrupted),
        ),
        (request(), says(&[]).fail(Class::Interrupted)),
        (request(), says(&[" \n"]).fail(Class::Interrupted)),
        (
            request(),
            says(&["no JSON"]).word("{").fail(Class::Interrupted),
        ),
        (request().field("n", &2), good()),
        (
            request().field(
                "response_format",
                &serde_json::json!({"type": "json_object"}),
            ),
            good(),
        ),
        (request().assistant("I say"), good()),
        (
            request().max_tokens(3),
            says(&[])
                .event(word("one").with_usage(taken(1, 3), true))
                .fail(Class::Interrupted),
        ),
    ] {
        let told = ask(default(), request, vec![stream, whole(&["two"])]).await;
        assert_eq!(told.calls.len(), 1, "{:?}", told.frames);
        assert_eq!(told.error.unwrap().class(), Class::Interrupted);
    }
    let long = ask(
        default().with_max_text(5),
        request(),
        vec![broken(&["three", "x"])],
    )
    .await;
    assert_eq!(long.calls.len(), 1);
}

#[tokio::test]
async fn the_first_error_is_the_last_word() {
    for second in [
        None,
        Some(says(&["two"]).fail(Class::Server)),
        Some(whole(&[])),
        Some(Source::new().event(role()).done()),
        Some(Source::new().event(delta(r#"{"reasoning":"hm"}"#)).done()),
        Some(Source::new().fail(Class::Overload)),
    ] {
        let streams = [Some(broken(&["one"])), second].into_iter().flatten();
        let told = ask(default(), request(), streams.collect()).await;
        assert_eq!(told.error.unwrap().class(), Class::Interrupted);
        assert_eq!(told.calls.len(), 2, "once per call");
        assert!(!told.frames.concat().contains("[DONE]"), "no false end");
        assert!(told.text == "one" || told.text == "onetwo");
    }
}

#[tokio::test]
async fn it_may_be_done_more_than_once() {
    let streams = vec![
        broken(&["a"]),
        broken(&["b"]),
        broken(&["c"]),
        whole(&["d"]),
    ];
    let told = ask(default().with_max_resumes(3), request(), streams).await;
    assert_eq!(told.text, "abcd");
    assert_eq!(told.calls[3].message.messages().unwrap()[1].text(), "abc");
    assert_eq!(told.calls[3].context.attempt, 3);
}

#[tokio::test]
async fn attempts_of_the_call_are_spent() {
    for (attempts, calls) in [(1, 1), (2, 2)] {
        let trail = Trail::with_attempts(attempts);
        let call = Call {
            context: Context::new().with_trail(trail.clone()),
            message: request(),
        };
        let told = ask(default(), call, vec![broken(&["one"]), whole(&["two"])]).await;
        assert_eq!(told.calls.len(), calls);
        assert_eq!(trail.left(), Some(0));
    }
}

#[tokio::test]
async fn white_space_at_the_seam_is_there_once() {
    for (first, second) in [
        ("one ", &["two"][..]),
        ("one ", &[" two"]),
        ("one \n", &[" ", "\n", "two"]),
        ("one \n", &[" \ntwo"]),
        ("one\n", &["\n\ntwo"]),
    ] {
        let streams = vec![broken(&[first]), whole(second)];
        let told = ask(default(), request(), streams).await;
        let joined = told.text.replacen(first, "", 1);
        assert!(told.error.is_none());
        assert_eq!(told.calls[1].message.messages().unwrap()[1].text(), "one");
        assert_eq!(joined.trim_start(), "two", "{:?}", told.text);
        assert!(joined.len() <= 4, "{joined:?}: only what is new");
    }
}

fn taken(input: u64, output: u64) -> Usage {
    Usage {
        input_tokens: Some(input),
        output_tokens: Some(output),
        ..Usage::default()
    }
}

#[tokio::test]
async fn usage_adds_up() {
    let first = Source::new()
        .event(role())
        .event(word("one").with_usage(taken(10, 2), false))
        .fail(Class::Interrupted);
    let second = Source::new()
        .event(word("two").with_usage(taken(12, 1), false))
        .event(event("[DONE]", Part::End).with_usage(taken(13, 4), true));
    let request = request().field("max_completion_tokens", &20);
    let told = ask(default(), request, vec![first, second]).await;
    let usage: Vec<_> = told.events.iter().map(|event| *event.usage()).collect();
    assert_eq!(usage[1..], [taken(10, 2), taken(22, 3), taken(23, 6)]);
    assert!(!told.events[3].is_reported(), "half of it is an estimate");
    let second = &told.calls[1].message;
    assert_eq!(second.most_tokens(), Some(18), "two are written");
    assert!(second.object().get("max_tokens").is_none());
}

#[tokio::test]
async fn fields_are_set_on_what_goes_on() {
    let config = default().with_field("continue_final_message", true);
    let told = ask(config, request(), vec![broken(&["one"]), whole(&["two"])]).await;
    assert!(
        told.calls[0]
            .message
            .object()
            .get("continue_final_message")
            .is_none()
    );
    let field = told.calls[1].message.object().get("continue_final_message");
    assert_eq!(field.unwrap(), "true");
}

/// In a stack as it is meant: clocks, the commit point, and this outside of them.
#[tokio::test(start_paused = true)]
async fn a_stall_between_words_is_resumed() {
    let seen = Seen::default();
    let script = {
        let seen = seen.clone();
        Script::<ChatResponse<Source>, Error>::rule(move |call| {
            let seen = seen.clone();
            Step::answer_with(move || {
                let stream = match call {
                    0 => says(&["one"]).stall(),
                    _ => whole(&[", two"]),
                };
                stream.seen_by(&seen).answer()
            })
        })
    };
    let clocks = TimeoutConfig::default().with_between_data(SECOND);
    let clocks = TimeoutLayer::new(clocks)
        .unwrap()
        .protocol(Chat)
        .counting(ContentData);
    let stack = CommitLayer::default().layer(clocks.layer(script.service()));
    let stack = ResumeLayer::default().layer(stack);
    let response = stack.oneshot(Call::new(request())).await.unwrap();
    let Answer::Stream(events) = response.answer else {
        panic!("it is streamed");
    };
    let last = events.map(Result::unwrap).collect::<Vec<_>>().await;
    assert_eq!(last.last().unwrap().part(), Part::End);
    assert_eq!(script.counts().calls, 2);
    assert_eq!(seen.dropped(), 2);
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_readiness_only_so_long_and_holds_nothing() {
    let permits = Permits::new(1);
    let script =
        Script::<ChatResponse<Source>, Error>::new(Step::answer_with(|| broken(&["one"]).answer()));
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let mut service = ResumeLayer::default().layer(probe);
    let call = service.ready().await.unwrap().call(Call::new(request()));
    let Answer::Stream(mut events) = call.await.unwrap().answer else {
        panic!("it is streamed");
    };
    assert_eq!(permits.free(), 1);
    // Somebody takes the only permit, and keeps it.
    let mut other = service.clone();
    other.ready().await.unwrap();
    assert!(events.next().await.unwrap().is_ok());
    assert!(events.next().await.unwrap().is_ok());
    let start = Instant::now();
    assert_eq!(
        events.next().await.unwrap().unwrap_err().class(),
        Class::Interrupted
    );
    assert_eq!(Instant::now() - start, ResumeConfig::default().patience);
    assert!(events.next().await.is_none());
    drop(other);
    assert_eq!(permits.free(), 1);
}

#[tokio::test(start_paused = true)]
async fn whatever_is_under_way_is_dropped_with_the_stream() {
    let script = Script::<ChatResponse<Source>, Error>::new(Step::stall());
    script.push(Step::answer_with(|| broken(&["one"]).answer()));
    let service = ResumeLayer::default().layer(script.service());
    let response = service.oneshot(Call::new(request())).await.unwrap();
    let Answer::Stream(mut events) = response.answer else {
        panic!("it is streamed");
    };
    for _ in 0..2 {
        assert!(events.next().await.unwrap().is_ok());
    }
    assert!(events.next().now_or_never().is_none());
    assert_eq!(script.counts().in_flight, 1, "the second is asked");
    drop(events);
    assert_eq!(script.counts().in_flight, 0);
}

#[tokio::test]
async fn a_call_past_its_deadline_is_not_resumed() {
    let call = Call {
        context: Context::new().with_deadline(Instant::now()),
        message: request(),
    };
    let told = ask(default(), call, vec![broken(&["one"]), whole(&["two"])]).await;
    assert_eq!(told.calls.len(), 1);
}

#[tokio::test]
async fn a_call_can_be_spawned() {
    fn shareable<T: Send + Sync + Clone>(_: &T) {}

    let provider =
        service_fn(|_: Call<ChatRequest>| async { Ok(whole(&["one"]).answer().boxed()) });
    let service = ResumeLayer::default().layer(provider);
    shareable(&service);
    let call = async move {
        let response = service.oneshot(Call::new(request())).await?;
        Ok::<_, BoxError>(response.boxed())
    };
    assert!(tokio::spawn(call).await.unwrap().is_ok());
}

#[test]
fn settings_are_checked() {
    for (config, field) in [
        (default().with_max_resumes(0), "max_resumes"),
        (default().with_max_text(0), "max_text"),
        (default().with_max_text(usize::MAX), "max_text"),
    ] {
        assert_eq!(ResumeLayer::new(config).unwrap_err().field, field);
    }
}
