use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use campanile::{
    BoxError, Call,
    retry::{RetryConfig, RetryLayer},
    testing::{Permits, Readiness, ReadinessProbe, Script, Step},
    timeout::{TimeoutConfig, TimeoutLayer},
};
use futures_util::{FutureExt, StreamExt};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use super::{state::Held, *};
use crate::{
    Chat, ContentData,
    chat::{Answer, ChatEvent, ChatRequest, ChatResponse, FinishReason, Part},
    error::{Class, Error},
    testing::{Seen, Source, event, whole},
};

const SECOND: Duration = Duration::from_secs(1);

type Response = ChatResponse<CommittedStream<Source>>;

/// The answer to a call that this stream answers.
async fn ask(config: CommitConfig, source: Source) -> Result<Response, Error> {
    let mut answer = Some(source.answer());
    let provider = service_fn(move |()| std::future::ready(Ok(answer.take().unwrap())));
    CommitLayer::new(config)
        .unwrap()
        .layer(provider)
        .oneshot(())
        .await
}

fn events(response: Response) -> CommittedStream<Source> {
    match response.answer {
        Answer::Stream(stream) => stream,
        Answer::Whole(_) => panic!("it is streamed"),
    }
}

fn text(event: &Result<ChatEvent, Error>) -> String {
    match event {
        Ok(event) => String::from_utf8(event.data().to_vec()).unwrap(),
        Err(error) => error.class().name().to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_begins_with_its_first_content() {
    let source = Source::new()
        .comment()
        .role()
        .pause(SECOND)
        .comment()
        .word("1")
        .comment()
        .word("2")
        .done();
    let start = tokio::time::Instant::now();
    let response = ask(CommitConfig::default(), source).await.unwrap();
    assert_eq!(tokio::time::Instant::now() - start, SECOND);
    let all: Vec<_> = events(response).map(|event| text(&event)).collect().await;
    assert_eq!(all, ["{\"role\":\"assistant\"}", "1", "", "2", "[DONE]"]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_before_content_is_an_error_of_the_call() {
    let begun = || Source::new().comment().role();
    let idle = |source: Source, number| source.event(event(&format!("{number}"), Part::Idle));
    for (source, class) in [
        (begun().fail(Class::Overload), Class::Overload),
        (begun().fail(Class::Malformed), Class::Malformed),
        (Source::new(), Class::Interrupted),
        (begun(), Class::Interrupted),
        (begun().done(), Class::Empty),
        ((0..3).fold(begun(), idle), Class::Malformed),
        (
            Source::new().event(event(&"x".repeat(90), Part::Idle)),
            Class::Malformed,
        ),
    ] {
        let seen = Seen::default();
        let config = CommitConfig::default()
            .with_max_held_events(3)
            .with_max_held_bytes(90);
        let error = ask(config, source.seen_by(&seen)).await.unwrap_err();
        assert_eq!(error.class(), class);
        assert_eq!(seen.dropped(), 1, "at once");
    }
}

#[tokio::test]
async fn a_finish_reason_may_say_why_there_is_no_content() {
    use FinishReason::{ContentFilter, Length, Other, Stop, ToolCalls};
    for (finish, expected) in [
        (None, Some(Class::Empty)),
        (Some(Stop), Some(Class::Empty)),
        (Some(Other), Some(Class::Empty)),
        (Some(ContentFilter), Some(Class::ContentFilter)),
        (Some(Length), None),
        (Some(ToolCalls), None),
    ] {
        let streamed = || {
            let finish = event("{}", Part::Idle).with_finish(finish);
            Source::new().event(finish).done()
        };
        let result = ask(CommitConfig::default(), streamed()).await;
        assert_eq!(result.err().map(|error| error.class()), expected);
        let pass = CommitConfig::default()
            .with_empty(EmptyAnswer::Pass)
            .with_filtered(FilteredAnswer::Pass);
        let passed = ask(pass.clone(), streamed()).await.unwrap();
        assert_eq!(events(passed).count().await, 2);

        for body in ["", "words"] {
            let layered = |config| {
                let provider = service_fn(move |()| async move { Ok(whole(body, finish)) });
                CommitLayer::new(config).unwrap().layer(provider)
            };
            let result = layered(CommitConfig::default()).oneshot(()).await;
            let expected = expected.filter(|_| body.is_empty());
            assert_eq!(result.err().map(|error| error.class()), expected);
            assert!(layered(pass.clone()).oneshot(()).await.is_ok());
        }
    }
}

#[tokio::test]
async fn what_is_filtered_after_content_stays_an_answer() {
    let filtered = event("{}", Part::Idle).with_finish(Some(FinishReason::ContentFilter));
    let source = Source::new().role().word("1").event(filtered).done();
    let passed = ask(CommitConfig::default(), source).await.unwrap();
    assert!(events(passed).all(async |event| event.is_ok()).await);
}

#[tokio::test]
async fn after_the_commit_point_events_are_pulled_one_by_one() {
    let seen = Seen::default();
    let source = Source::new().role().word("1").word("2").done();
    let response = ask(CommitConfig::default(), source.seen_by(&seen)).await;
    let mut events = events(response.unwrap());
    assert_eq!(seen.pulled(), 2);
    for (pulled, words) in [(2, "{\"role\":\"assistant\"}"), (2, "1"), (3, "2")] {
        assert_eq!(text(&events.next().await.unwrap()), words);
        assert_eq!((seen.pulled(), seen.dropped()), (pulled, 0));
    }
    assert_eq!(text(&events.next().await.unwrap()), "[DONE]");
    assert_eq!(seen.dropped(), 1, "with the last event");
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn after_the_commit_point_an_error_ends_the_stream() {
    let good = || Source::new().word("1");
    for (source, class) in [
        (good().fail(Class::Server).word("2"), "server"),
        (good(), "interrupted"),
    ] {
        let seen = Seen::default();
        let response = ask(CommitConfig::default(), source.seen_by(&seen)).await;
        let mut events = events(response.unwrap());
        assert_eq!(text(&events.next().await.unwrap()), "1");
        assert_eq!(text(&events.next().await.unwrap()), class);
        assert_eq!(seen.dropped(), 1);
        assert!(events.next().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_dropped_with_what_holds_it() {
    let seen = Seen::default();
    let source = Source::new().role().stall();
    let held = ask(CommitConfig::default(), source.seen_by(&seen));
    assert!(tokio::time::timeout(SECOND, held).await.is_err());
    assert_eq!((seen.pulled(), seen.dropped()), (1, 1));

    let source = Source::new().word("1").word("2").done();
    let response = ask(CommitConfig::default(), source.seen_by(&seen)).await;
    drop(response.unwrap());
    assert_eq!((seen.pulled(), seen.dropped()), (2, 2), "and not drained");

    let script = Script::<ChatResponse<Source>, Error>::new(Step::stall());
    let mut call = Box::pin(CommitLayer::default().layer(script.service()).oneshot(()));
    assert!(call.as_mut().now_or_never().is_none());
    assert_eq!(script.counts().in_flight, 1);
    drop(call);
    assert_eq!(script.counts().in_flight, 0);
}

/// A model that thinks for long, behind a server that says all the while that it is there.
#[tokio::test]
async fn pings_before_the_first_word_take_no_room() {
    let ping = |source: Source, _| source.event(event(r#"{"type":"ping"}"#, Part::Idle));
    let pinged = |source| (0..100).fold(source, ping);
    let source = pinged(pinged(Source::new()).role()).word("1").done();
    let config = CommitConfig::default().with_max_held_bytes(200);
    let response = ask(config, source).await.unwrap();
    let all: Vec<_> = events(response).map(|event| text(&event)).collect().await;
    let (ping, role) = (r#"{"type":"ping"}"#, r#"{"role":"assistant"}"#);
    assert_eq!(all, [ping, role, ping, "1", "[DONE]"]);
}

/// A provider whose first streams go wrong before their first word.
#[tokio::test(start_paused = true)]
async fn retries_go_elsewhere_unseen() {
    let seen = Seen::default();
    let watched = seen.clone();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let provider = service_fn(move |_: Call<ChatRequest>| {
        let source = match counted.fetch_add(1, Ordering::Relaxed) {
            0 => Source::new().role().fail(Class::Overload),
            1 => Source::new().role().stall(),
            2 => Source::new().role().done(),
            3 => Source::new().role(),
            _ => Source::new().role().word("1").done(),
        };
        std::future::ready(Ok::<_, Error>(source.seen_by(&watched).answer()))
    });
    let mut retry = RetryConfig::default().with_max_retries(9);
    retry.budget = None;
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::new(retry).unwrap().protocol(Chat))
        .layer(CommitLayer::default())
        .layer(
            TimeoutLayer::new(TimeoutConfig::default().with_first_data(SECOND))
                .unwrap()
                .protocol(Chat)
                .counting(ContentData),
        )
        .service(provider);
    let response = stack.oneshot(Call::new(ChatRequest::new("m").streamed()));
    let Answer::Stream(events) = response.await.unwrap().answer else {
        panic!("it is streamed");
    };
    let all: Vec<_> = events.map(|event| text(&event)).collect().await;
    assert_eq!(all, ["{\"role\":\"assistant\"}", "1", "[DONE]"]);
    assert_eq!(calls.load(Ordering::Relaxed), 5);
    assert_eq!(seen.dropped(), 5, "nothing is left running");
}

#[tokio::test]
async fn only_the_instance_that_was_readied_is_called() {
    let permits = Permits::new(2);
    let script = Script::<ChatResponse<Source>, Error>::new(Step::answer_with(|| {
        Source::new().word("1").done().answer()
    }));
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let mut service = CommitLayer::default().layer(probe);
    let ready = ServiceExt::<()>::ready(&mut service).await.unwrap();
    let clone = ready.clone();
    assert_eq!(permits.reserved(), 1, "a clone holds no permit");
    let call = ready.call(());
    drop(clone);
    assert!(call.await.is_ok());
    assert_eq!(permits.free(), 2);

    script.set_readiness(Readiness::Pending);
    assert!(
        ServiceExt::<()>::ready(&mut service)
            .now_or_never()
            .is_none()
    );
}

#[tokio::test]
async fn a_call_can_be_spawned() {
    fn shareable<T: Send + Sync + Clone>(_: &T) {}

    let provider = service_fn(|_: Call<ChatRequest>| async {
        Ok(Source::new().word("1").done().answer().boxed())
    });
    let service = CommitLayer::default().layer(provider);
    shareable(&service);
    let call = async move {
        let response = service.oneshot(Call::new(ChatRequest::new("m"))).await?;
        Ok::<_, BoxError>(response.boxed())
    };
    assert!(tokio::spawn(call).await.unwrap().is_ok());
}

#[test]
fn room_is_taken_once() {
    let config = CommitConfig::default();
    let mut held = Held::new(&config);
    let mut room = None;
    for number in 0..config.max_held_events {
        let event = event(&format!("{number}"), Part::Idle);
        assert!(held.take(event).unwrap().is_none());
        let now = held.room();
        assert_eq!(*room.get_or_insert(now), now);
    }
    assert!(held.take(event("{}", Part::Content)).unwrap().is_some());
}

#[test]
fn settings_are_checked() {
    for (config, field) in [
        (
            CommitConfig::default().with_max_held_bytes(0),
            "max_held_bytes",
        ),
        (
            CommitConfig::default().with_max_held_events(0),
            "max_held_events",
        ),
        (
            CommitConfig::default().with_max_held_events(4_097),
            "max_held_events",
        ),
    ] {
        assert_eq!(CommitLayer::new(config).unwrap_err().field, field);
    }
}
