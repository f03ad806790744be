//! What calls turn out to take.

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt, StreamExt};

use super::*;
use crate::{
    completion::{Meter, Reading},
    outcome::{Classify, FailureKind, Outcome},
};

/// Reads the usage off the pieces of a stream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reports;

/// Pieces of a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Piece {
    Text,
    Usage(Usage),
}

impl<E> Meter<Piece, E> for Reports {
    fn read(&mut self, piece: &Piece) -> Reading {
        Reading {
            units: 1,
            usage: match piece {
                Piece::Text => None,
                Piece::Usage(usage) => Some(*usage),
            },
            outcome: None,
            ..Reading::default()
        }
    }
}

pub(super) type Pieces = ScriptStream<Piece>;
pub(super) type Streamed = Limited<Scripted<Pieces>, Enveloped<Streaming<Judge, Reports>>>;

/// Judges errors by their text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judge;

impl Classify<Pieces, BoxError> for Judge {
    fn classify(&self, result: Result<&Pieces, &BoxError>) -> Outcome {
        match result {
            Ok(_) => Outcome::Success,
            Err(error) => match error.to_string().as_str() {
                "throttled" => Outcome::Throttled { retry_after: None },
                "overloaded" => Outcome::Overloaded { retry_after: None },
                "timeout" => Outcome::Failure(FailureKind::Timeout),
                "server" => Outcome::Failure(FailureKind::Server),
                "faulty" => Outcome::Ignored,
                _ => Outcome::Failure(FailureKind::Error),
            },
        }
    }
}

/// 1,000 tokens and a million nano-dollars at once, hardly any later.
pub(super) fn streamed() -> (Script<Pieces>, Streamed) {
    streamed_where(CachedTokens::Count)
}

fn streamed_where(cached: CachedTokens) -> (Script<Pieces>, Streamed) {
    let slow = |burst| Limit::new(1.0, 86_400 * SEC).with_burst(burst);
    let config = built(
        RateLimitConfig::requests(slow(1_000_000))
            .with_tokens(slow(1_000))
            .with_nano_dollars(slow(1_000_000))
            .with_cached_tokens(cached)
            .with_learn(None)
            .with_max_wait(Duration::ZERO),
    );
    let script = Script::<_>::new(Step::answer(ScriptStream::new()));
    let protocol = Enveloped::new(Streaming::new(Judge, Reports));
    let service = RateLimitLayer::new(config)
        .unwrap()
        .protocol(protocol)
        .layer(script.service());
    (script, service)
}

fn estimate() -> Call<()> {
    Call {
        context: Context::new().with_cost(Cost {
            requests: 1,
            tokens: 400,
            nano_dollars: 100_000,
        }),
        message: (),
    }
}

fn used(input: u64, output: u64, nano_dollars: u64) -> Usage {
    Usage {
        input_tokens: Some(input),
        output_tokens: Some(output),
        nano_dollars: Some(nano_dollars),
        ..Usage::default()
    }
}

#[track_caller]
fn assert_all_left(service: &Streamed, tokens: f64, nano_dollars: f64) {
    for (unit, expected) in [(Unit::Tokens, tokens), (Unit::NanoDollars, nano_dollars)] {
        let left = left(service, unit);
        assert!((left - expected).abs() < 0.01, "{left} {unit} are left");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_used_is_given_back_at_the_end_of_the_stream() {
    let (script, service) = streamed();
    script.push(Step::answer(
        Pieces::new()
            .piece(Piece::Text)
            .pause(SEC)
            .piece(Piece::Usage(used(30, 70, 25_000))),
    ));
    let mut answer = service.clone().oneshot(estimate()).await.unwrap();
    assert_all_left(&service, 600.0, 900_000.0);
    answer.next().await;
    answer.next().await;
    assert_all_left(&service, 600.0, 900_000.0);
    assert!(answer.next().await.is_none());
    assert_all_left(&service, 900.0, 975_000.0);
    drop(answer);
    assert_all_left(&service, 900.0, 975_000.0);
    assert!((left(&service, Unit::Requests) - 999_999.0).abs() < 0.01);
}

#[tokio::test(start_paused = true)]
async fn more_than_was_estimated_is_charged() {
    let (script, service) = streamed();
    script.push(Step::answer(
        Pieces::new().piece(Piece::Usage(used(500, 1_000, 2_000_000))),
    ));
    let answer = service.clone().oneshot(estimate()).await.unwrap();
    answer.collect::<Vec<_>>().await;
    assert_all_left(&service, -500.0, -1_000_000.0);
    refused(service.clone().oneshot(estimate()).await);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_is_settled_by_what_was_reported_until_then() {
    let (script, service) = streamed();
    let input = Usage {
        input_tokens: Some(50),
        ..Usage::default()
    };
    let output = Usage {
        output_tokens: Some(10),
        ..Usage::default()
    };
    script.push(Step::answer(
        Pieces::new()
            .piece(Piece::Usage(input))
            .piece(Piece::Usage(output))
            .piece(Piece::Usage(used(50, 300, 1))),
    ));
    let mut answer = service.clone().oneshot(estimate()).await.unwrap();
    answer.next().await;
    answer.next().await;
    drop(answer);
    // Of money nothing was reported.
    assert_all_left(&service, 940.0, 900_000.0);
}

#[tokio::test(start_paused = true)]
async fn what_came_from_the_upstreams_cache_counts_unless_it_is_free() {
    for (setting, cached, tokens) in [
        (CachedTokens::Count, Some(60), 900.0),
        (CachedTokens::Free, Some(60), 960.0),
        (CachedTokens::Free, None, 900.0),
        // Whoever says so.
        (CachedTokens::Free, Some(80), 970.0),
    ] {
        let (script, service) = streamed_where(setting);
        let usage = Usage {
            cached_tokens: cached,
            ..used(70, 30, 25_000)
        };
        script.push(Step::answer(Pieces::new().piece(Piece::Usage(usage))));
        let answer = service.clone().oneshot(estimate()).await.unwrap();
        answer.collect::<Vec<_>>().await;
        assert_all_left(&service, tokens, 975_000.0);
    }
}

#[tokio::test(start_paused = true)]
async fn each_way_of_ending_gives_back_what_the_table_says() {
    for (step, tokens) in [
        (Step::error("throttled"), 1_000.0),
        (Step::error("overloaded"), 1_000.0),
        (Step::error("server"), 1_000.0),
        (Step::error("faulty"), 1_000.0),
        (Step::error("refused connection"), 1_000.0),
        (Step::error("timeout"), 600.0),
        (Step::answer(Pieces::new()), 600.0),
        (
            Step::answer(Pieces::new().piece(Piece::Text).cut("reset")),
            600.0,
        ),
    ] {
        let (script, service) = streamed();
        let what = format!("{step:?}");
        script.push(step);
        if let Ok(answer) = service.clone().oneshot(estimate()).await {
            answer.collect::<Vec<_>>().await;
        }
        let found = left(&service, Unit::Tokens);
        assert!((found - tokens).abs() < 0.01, "{what}: {found}");
        let requests = left(&service, Unit::Requests);
        assert!((requests - 999_999.0).abs() < 0.01, "{what}: {requests}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_keeps_its_estimate() {
    let (script, service) = streamed();
    script.push(Step::stall());
    let mut call = Box::pin(service.clone().oneshot(estimate()));
    assert!(call.as_mut().now_or_never().is_none());
    assert_all_left(&service, 600.0, 900_000.0);
    drop(call);
    assert_all_left(&service, 600.0, 900_000.0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_is_given_back() {
    for step in [Step::panic_in_call(), Step::panic_in_poll()] {
        let (script, service) = streamed();
        script.push(step);
        let call = AssertUnwindSafe(service.clone().oneshot(estimate()));
        assert!(call.catch_unwind().await.is_err());
        assert_all_left(&service, 1_000.0, 1_000_000.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_further_in_gives_everything_back_and_teaches_nothing() {
    let script = Script::<&'static str>::new(Step::error_with(|| {
        Rejection::new(RejectionKind::RateLimited, "further in")
            .with_retry_after(SEC)
            .into()
    }));
    let service = RateLimitLayer::new(ten_per_second(5))
        .unwrap()
        .layer(script.service());
    for _ in 0..3 {
        call(&service).await.unwrap_err();
    }
    assert_left(&service, Unit::Requests, 5.0);
    let snapshot = service.handle().snapshot();
    assert_eq!((snapshot.parked_for, snapshot.pace), (None, 1.0));
}

/// Otherwise a provider that hangs would be sent as many calls as there are time-outs.
#[tokio::test(start_paused = true)]
async fn a_time_out_further_in_keeps_what_it_took() {
    let (script, service) = costed(refusing(
        RateLimitConfig::requests(Limit::per_minute(1.0).with_burst(10))
            .with_tokens(Limit::per_minute(1.0).with_burst(1_000)),
    ));
    script.set(Step::error_with(|| {
        Rejection::new(RejectionKind::TimedOut, "further in").into()
    }));
    service.clone().oneshot(tokens(100)).await.unwrap_err();
    assert_left(&service, Unit::Requests, 9.0);
    assert_left(&service, Unit::Tokens, 900.0);
}

#[tokio::test(start_paused = true)]
async fn cost_is_told_by_the_context_else_by_the_function() {
    let config = built(RateLimitConfig::default().with_tokens(Limit::per_second(100.0)));
    let script = Script::answering("hello");
    let service = RateLimitLayer::new(config)
        .unwrap()
        .calls()
        .cost(|call: &Call<&str>| Cost::tokens(call.message.len() as u64))
        .layer(script.service());
    service
        .clone()
        .oneshot(Call::new("0123456789"))
        .await
        .unwrap();
    assert_left(&service, Unit::Tokens, 90.0);
    let mut told = Call::new("0123456789");
    told.context.cost = Some(Cost::tokens(50));
    service.clone().oneshot(told).await.unwrap();
    assert_left(&service, Unit::Tokens, 40.0);
}
