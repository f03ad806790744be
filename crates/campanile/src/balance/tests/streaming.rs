use crate::protocol::Enveloped;
use crate::protocol::Streaming;
use std::pin::pin;

use futures_util::StreamExt;
use tokio::time::Instant;

use super::*;
use crate::{
    Call, Context, Outcome,
    completion::{GuardedStream, Meter, Reading},
    context::Trail,
    outcome::{ClassifyResult, FailureKind},
    testing::{Cut, ScriptStream},
};

type Words = ScriptStream<&'static str>;
type Stream<P = Streaming> = Balance<Scripted<Words>, First, P>;

fn words() -> Words {
    ScriptStream::new()
        .pause(20 * MS)
        .piece("one")
        .pause(30 * MS)
        .piece("two")
}

async fn streaming<P>(stream: Words, protocol: P) -> Stream<P>
where
    P: Clone,
{
    let (members, discover) = crate::testing::discovery();
    let script = Script::<_>::new(Step::answer(stream).after(10 * MS));
    members.insert("a", script.service());
    members.end();
    let pool = BalanceLayer::bare(First).protocol(protocol).layer(discover);
    settle().await;
    pool
}

#[tokio::test(start_paused = true)]
async fn a_stream_counts_until_its_end() {
    let pool = streaming(words(), Streaming::default()).await;
    let mut answer = pool.clone().oneshot(()).await.unwrap();
    assert_eq!(member(&pool, "a").in_flight, 1);
    assert_eq!(answer.next().await, Some(Ok("one")));
    assert_eq!(answer.next().await, Some(Ok("two")));
    assert_eq!(member(&pool, "a").in_flight, 1);
    assert_eq!(answer.next().await, None);
    let a = member(&pool, "a");
    assert_eq!((a.in_flight, a.outcomes.success), (0, 1));
    let latency = [a.latency.head, a.latency.first_data, a.latency.total];
    assert_eq!(latency, [Some(0.01), Some(0.03), Some(0.06)]);
    drop(answer);
    assert_eq!(member(&pool, "a").outcomes.success, 1);
    assert_at_rest(&pool);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_was_cancelled() {
    let pool = streaming(words(), Streaming::default()).await;
    let mut answer = pool.clone().oneshot(()).await.unwrap();
    answer.next().await;
    drop(answer);
    let a = member(&pool, "a");
    assert_eq!(
        (a.outcomes.cancelled, a.outcomes.success, a.outcomes.failure),
        (1, 0, 0)
    );
    // A cancelled call looks neither fast nor slow.
    assert_eq!(a.latency, crate::endpoint::LatencySnapshot::default());
    assert_at_rest(&pool);
}

/// Whether the consumer reads on after the error or leaves.
#[tokio::test(start_paused = true)]
async fn a_stream_that_was_cut_failed() {
    for reads_on in [true, false] {
        let pool = streaming(words().cut("reset"), Streaming::default()).await;
        let mut answer = pool.clone().oneshot(()).await.unwrap();
        assert_eq!(answer.by_ref().take(2).count().await, 2);
        assert_eq!(answer.next().await, Some(Err(Cut("reset".into()))));
        if reads_on {
            assert_eq!(answer.next().await, None);
        }
        drop(answer);
        let a = member(&pool, "a");
        assert_eq!(
            (a.outcomes.failure, a.outcomes.cancelled),
            (1, 0),
            "reads on: {reads_on}"
        );
        assert_at_rest(&pool);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_within_a_stream_reaches_only_its_task() {
    let pool = streaming(words().panic(), Streaming::default()).await;
    let task = tokio::spawn({
        let call = pool.clone().oneshot(());
        async move { call.await.unwrap().count().await }
    });
    assert!(task.await.unwrap_err().is_panic());
    let a = member(&pool, "a");
    assert_eq!((a.in_flight, a.outcomes.failure), (0, 1));
    assert!(pool.clone().oneshot(()).await.is_ok());
    assert_at_rest(&pool);
}

/// Knows an error event when it sees one.
#[derive(Debug, Clone, Copy)]
struct ErrorEvents;

impl<E> Meter<&'static str, E> for ErrorEvents {
    fn read(&mut self, data: &&'static str) -> Reading {
        Reading {
            units: 1,
            outcome: (*data == "error").then_some(Outcome::Failure(FailureKind::Server)),
            ..Reading::default()
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_event_within_a_stream_is_a_failure_though_the_consumer_leaves() {
    let protocol = Streaming::new(ClassifyResult, ErrorEvents);
    let pool = streaming(words().piece("error").stall(), protocol).await;
    let mut answer = pool.clone().oneshot(()).await.unwrap();
    assert_eq!(answer.by_ref().take(3).count().await, 3);
    assert_eq!(member(&pool, "a").in_flight, 1);
    drop(answer);
    let a = member(&pool, "a");
    assert_eq!((a.outcomes.failure, a.outcomes.cancelled), (1, 0));
    assert_at_rest(&pool);
}

#[tokio::test(start_paused = true)]
async fn an_envelope_brings_cost_and_keeps_the_trail() {
    let pool = streaming(words(), Enveloped::new(Streaming::default())).await;
    let trail = Trail::new();
    let call = |trail: &Trail| Call {
        context: Context::new()
            .with_trail(trail.clone())
            .with_cost(Cost::tokens(700)),
        message: (),
    };
    let mut answer = pool.clone().oneshot(call(&trail)).await.unwrap();
    assert_eq!(member(&pool, "a").outstanding.tokens, 700);
    let attempts = trail.attempts();
    assert_eq!((attempts.len(), attempts[0].outcome), (1, None));
    assert_eq!(attempts[0].endpoint.key(), "a");
    assert_eq!(answer.by_ref().count().await, 2);
    let attempts = trail.attempts();
    assert_eq!(attempts[0].outcome, Some(Outcome::Success));
    assert_eq!(attempts[0].elapsed, Some(60 * MS));

    let second = pool.clone().oneshot(call(&trail)).await.unwrap();
    drop(second);
    let attempts = trail.attempts();
    assert_eq!(
        (attempts.len(), attempts[1].outcome),
        (2, Some(Outcome::Cancelled))
    );
    assert!(trail.tried(&attempts[0].endpoint));
    assert_at_rest(&pool);
}

#[tokio::test(start_paused = true)]
async fn a_layers_estimate_counts_where_no_context_says_otherwise() {
    let (members, discover) = crate::testing::discovery();
    let script = slow("a", 10 * MS);
    members.insert("a", script.service());
    let layer = BalanceLayer::bare(First).cost(|request: &&str| Cost::tokens(request.len() as u64));
    let mut pool = layer.layer(discover);
    settle().await;
    let call = pool.call("seven!!");
    assert_eq!(member(&pool, "a").outstanding.tokens, 7);
    drop(call);
    assert_at_rest(&pool);
}

#[tokio::test(start_paused = true)]
async fn a_guarded_stream_is_a_stream_like_any_other() {
    let pool = streaming(words(), Streaming::default()).await;
    let answer: GuardedStream<Words, _> = pool.clone().oneshot(()).await.unwrap();
    let start = Instant::now();
    let mut answer = pin!(answer);
    assert_eq!(answer.as_mut().count().await, 2);
    assert_eq!(Instant::now() - start, 50 * MS);
}
