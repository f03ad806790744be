//! The spans: their tree, their fields, and when they end.

use futures_util::StreamExt;

use super::*;
use crate::{
    context::{Priority, Repeat},
    protocol::Streaming,
    testing::ScriptStream,
};

#[tokio::test(start_paused = true)]
async fn spans_nest_and_each_has_the_id_of_the_call() {
    let (capture, _guard) = Capture::all();
    let endpoint = Endpoint::new("eu-1");
    let script = Script::<&str>::new(Step::answer("well").after(30 * MS));
    let service = ServiceBuilder::new()
        .layer(TraceLayer::stage("chat").calls())
        .layer(TraceLayer::attempt().calls())
        .layer(TraceLayer::endpoint(&endpoint).calls())
        .service(script.service());
    let context = Context::new()
        .with_id("abc")
        .with_tenant("acme")
        .with_conversation("c7")
        .with_priority(Priority::Batch);
    let call = Call {
        context,
        message: (),
    };
    assert_eq!(service.oneshot(call).await.unwrap(), "well");

    let [call, attempt, at] = ["call", "attempt", "endpoint"].map(|name| capture.span(name));
    assert_eq!(capture.parent(&call), None);
    assert_eq!(capture.parent(&attempt), Some("call"));
    assert_eq!(capture.parent(&at), Some("attempt"));
    assert_eq!(
        (call.level, attempt.level, at.level),
        (Level::INFO, Level::DEBUG, Level::DEBUG)
    );
    for span in [&call, &attempt, &at] {
        assert_eq!(span.target, format!("campanile::{}", span.name));
        assert_eq!((span.get("id"), span.get("outcome")), ("abc", "success"));
        assert_eq!(
            (span.get("elapsed_s"), span.get("head_s")),
            ("0.03", "0.03")
        );
        assert_eq!(span.get("failure"), "");
    }
    assert_eq!((call.get("stage"), call.get("tenant")), ("chat", "acme"));
    assert_eq!(
        (call.get("conversation"), call.get("priority")),
        ("c7", "batch")
    );
    assert_eq!((at.get("endpoint"), at.get("attempt")), ("eu-1", "0"));
    assert!(capture.is_over());
    assert!(capture.lines().is_empty(), "it went well");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_says_which_it_is_and_why() {
    let (capture, _guard) = Capture::all();
    let service = TraceLayer::attempt().calls().layer(well().service());
    for (attempt, repeat) in [
        (0, None),
        (2, Some(Repeat::Retry)),
        (1, Some(Repeat::Hedge)),
        (3, Some(Repeat::Fallback)),
    ] {
        let mut call = Call::new(());
        call.context.attempt = attempt;
        call.context.repeat = repeat;
        service.clone().oneshot(call).await.unwrap();
    }
    let spans = capture.spans("attempt");
    let told: Vec<_> = spans
        .iter()
        .map(|span| (span.get("attempt"), span.get("repeat")))
        .collect();
    assert_eq!(
        told,
        [("0", ""), ("2", "retry"), ("1", "hedge"), ("3", "fallback")]
    );
}

#[tokio::test(start_paused = true)]
async fn a_span_is_in_force_while_the_call_is_made_and_polled() {
    let (capture, _guard) = Capture::all();
    let service = TraceLayer::stage("chat")
        .calls()
        .layer(tower::service_fn(|_: Call<()>| {
            tracing::info!(target: "campanile::test", "made");
            async {
                tracing::info!(target: "campanile::test", "begins");
                tokio::time::sleep(SEC).await;
                tracing::info!(target: "campanile::test", "goes on");
                Ok::<_, BoxError>(())
            }
        }));
    service.oneshot(Call::new(())).await.unwrap();
    tracing::info!(target: "campanile::test", "outside");
    let events = capture.events("campanile::test");
    let parents: Vec<_> = events.iter().map(|event| capture.parent(event)).collect();
    assert_eq!(parents, [Some("call"), Some("call"), Some("call"), None]);
}

#[tokio::test(start_paused = true)]
async fn a_span_is_in_force_while_a_stream_is_polled() {
    let (capture, _guard) = Capture::all();
    let service = TraceLayer::stage("chat")
        .protocol(Streaming::default())
        .layer(tower::service_fn(|()| async {
            Ok::<_, BoxError>(futures_util::stream::once(async {
                tracing::info!(target: "campanile::test", "polled");
                Ok::<_, BoxError>(())
            }))
        }));
    let stream = service.oneshot(()).await.unwrap();
    let _: Vec<_> = stream.collect().await;
    let [event] = &capture.events("campanile::test")[..] else {
        panic!("not one event");
    };
    assert_eq!(capture.parent(event), Some("call"));
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_stream_lives_to_its_end() {
    let (capture, _guard) = Capture::all();
    let script = Script::<ScriptStream<&str>>::new(Step::answer_with(|| {
        let stream = ScriptStream::new();
        ["a", "b", "c"]
            .iter()
            .fold(stream, |stream, piece| stream.pause(10 * MS).piece(*piece))
    }));
    let service = TraceLayer::stage("chat")
        .protocol(Streaming::default())
        .layer(script.service());
    let mut stream = Box::pin(service.clone().oneshot(()).await.unwrap());
    assert!(stream.next().await.is_some());
    assert!(!capture.is_over());
    assert_eq!(capture.span("call").get("outcome"), "");
    while stream.next().await.is_some() {}
    let span = capture.span("call");
    assert_eq!((span.get("outcome"), span.get("units")), ("success", "3"));
    assert_eq!(
        (span.get("head_s"), span.get("first_data_s")),
        ("0.0", "0.01")
    );
    assert!(capture.is_over(), "though the stream is still there");

    // One that is dropped was given up.
    let mut stream = Box::pin(service.oneshot(()).await.unwrap());
    assert!(stream.next().await.is_some());
    drop(stream);
    let span = &capture.spans("call")[1];
    assert_eq!((span.get("outcome"), span.get("units")), ("cancelled", "1"));
    assert!(capture.is_over());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_off_is_a_failure() {
    let (capture, _guard) = Capture::all();
    let service = TraceLayer::stage("chat")
        .protocol(Streaming::default())
        .layer(tower::service_fn(|()| {
            let stream = ScriptStream::new().piece("a").cut("cut");
            async move { Ok::<_, BoxError>(stream) }
        }));
    let stream = service.oneshot(()).await.unwrap();
    let _: Vec<_> = stream.collect().await;
    let span = capture.span("call");
    assert_eq!(
        (span.get("outcome"), span.get("failure")),
        ("failure", "interrupted")
    );
    assert_eq!(capture.line().get("failure"), "interrupted");
}

#[tokio::test(start_paused = true)]
async fn the_tokens_that_were_reported_are_told() {
    use crate::{
        completion::{Meter, Reading},
        cost::Usage,
    };

    #[derive(Clone)]
    struct Reports;
    impl<E> Meter<u64, E> for Reports {
        fn read(&mut self, tokens: &u64) -> Reading {
            let usage = Usage {
                input_tokens: Some(7),
                output_tokens: Some(*tokens),
                ..Usage::default()
            };
            Reading {
                units: 2,
                usage: Some(usage),
                outcome: None,
                ..Reading::default()
            }
        }
    }
    let (capture, _guard) = Capture::all();
    let protocol = Streaming::new(crate::outcome::ClassifyResult, Reports);
    let service = TraceLayer::stage("chat")
        .protocol(protocol)
        .layer(tower::service_fn(|()| async {
            Ok::<_, BoxError>(futures_util::stream::iter([Ok::<_, BoxError>(3), Ok(5)]))
        }));
    let _: Vec<_> = service.oneshot(()).await.unwrap().collect().await;
    let span = capture.span("call");
    assert_eq!(
        (
            span.get("input_tokens"),
            span.get("output_tokens"),
            span.get("units")
        ),
        ("7", "5", "4")
    );
}
