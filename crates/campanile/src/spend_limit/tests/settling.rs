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
    Boom,
}

impl<E> Meter<Piece, E> for Reports {
    fn read(&mut self, piece: &Piece) -> Reading {
        Reading {
            units: 1,
            usage: match piece {
                Piece::Text => None,
                Piece::Usage(usage) => Some(*usage),
                Piece::Boom => panic!("boom"),
            },
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

pub(super) fn streamed(config: SpendLimitConfig) -> (Script<Pieces>, Streamed) {
    let script = Script::<_>::new(Step::answer(ScriptStream::new()));
    let protocol = Enveloped::new(Streaming::new(Judge, Reports));
    let service = SpendLimitLayer::shared(&at_noon(config))
        .protocol(protocol)
        .layer(script.service());
    (script, service)
}

/// 1,000 tokens and a million nano-dollars a day.
fn both() -> (Script<Pieces>, Streamed) {
    streamed(config())
}

fn config() -> SpendLimitConfig {
    tokens_a_day(1_000).with_budget(SpendBudget::nano_dollars(1_000_000, Period::Day))
}

fn estimate() -> Call<()> {
    cost(Cost {
        requests: 1,
        tokens: 400,
        nano_dollars: 100_000,
    })
}

pub(super) fn used(tokens: u64, nano_dollars: u64) -> Usage {
    Usage {
        input_tokens: Some(tokens / 3),
        output_tokens: Some(tokens - tokens / 3),
        nano_dollars: Some(nano_dollars),
        ..Usage::default()
    }
}

/// A stream that reports so much with its last piece.
pub(super) fn reporting(tokens: u64, nano_dollars: u64) -> Pieces {
    Pieces::new()
        .piece(Piece::Text)
        .piece(Piece::Usage(used(tokens, nano_dollars)))
}

#[track_caller]
fn assert_seen(service: &Streamed, tokens: [u64; 3], money: [u64; 3]) {
    let handle = service.handle();
    assert_eq!([seen(&handle, 0), seen(&handle, 1)], [tokens, money]);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_used_is_given_back_at_the_end_of_the_stream() {
    let (script, service) = both();
    script.push(Step::answer(reporting(100, 25_000)));
    let mut answer = service.clone().oneshot(estimate()).await.unwrap();
    let reserved = ([0, 400, 600], [0, 100_000, 900_000]);
    assert_seen(&service, reserved.0, reserved.1);
    answer.next().await;
    answer.next().await;
    assert_seen(&service, reserved.0, reserved.1);
    assert!(answer.next().await.is_none());
    let settled = ([100, 0, 900], [25_000, 0, 975_000]);
    assert_seen(&service, settled.0, settled.1);
    drop(answer);
    assert_seen(&service, settled.0, settled.1);
}

#[tokio::test(start_paused = true)]
async fn more_than_was_reserved_is_charged_and_counts_against_the_limit() {
    let (script, service) = both();
    script.push(Step::answer(reporting(1_500, 999_999)));
    let answer = service.clone().oneshot(estimate()).await.unwrap();
    answer.collect::<Vec<_>>().await;
    assert_seen(&service, [1_500, 0, 0], [999_999, 0, 1]);
    refused(service.clone().oneshot(tokens(1)).await);
}

#[tokio::test(start_paused = true)]
async fn the_last_report_counts_and_a_stream_that_is_cut_or_dropped_is_settled_by_it() {
    let running = |step: Pieces| {
        step.piece(Piece::Usage(used(50, 10)))
            .piece(Piece::Usage(used(80, 20)))
    };
    for cut in [false, true] {
        let (script, service) = both();
        let pieces = running(Pieces::new());
        script.push(Step::answer(if cut {
            pieces.cut("reset")
        } else {
            pieces.stall()
        }));
        let mut answer = service.clone().oneshot(estimate()).await.unwrap();
        answer.next().await;
        answer.next().await;
        if cut {
            assert!(answer.next().await.unwrap().is_err());
        }
        drop(answer);
        assert_seen(&service, [80, 0, 920], [20, 0, 999_980]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_unit_of_which_nothing_was_reported_is_charged_as_reserved() {
    let (script, service) = both();
    let input = Usage {
        input_tokens: Some(50),
        ..Usage::default()
    };
    let output = Usage {
        output_tokens: Some(10),
        ..Usage::default()
    };
    let pieces = Pieces::new()
        .piece(Piece::Usage(input))
        .piece(Piece::Usage(output));
    script.push(Step::answer(pieces));
    let answer = service.clone().oneshot(estimate()).await.unwrap();
    answer.collect::<Vec<_>>().await;
    assert_seen(&service, [60, 0, 940], [100_000, 0, 900_000]);
}

#[tokio::test(start_paused = true)]
async fn each_way_of_ending_is_charged_as_the_table_says() {
    for unreported in [Unreported::Reserved, Unreported::Nothing] {
        for (step, worked) in [
            (Step::error("throttled"), false),
            (Step::error("overloaded"), false),
            (Step::error("server"), false),
            (Step::error("faulty"), false),
            (Step::error("refused connection"), false),
            (Step::error("timeout"), true),
            (Step::answer(Pieces::new()), true),
            (
                Step::answer(Pieces::new().piece(Piece::Text).cut("reset")),
                true,
            ),
        ] {
            let (script, service) = streamed(config().with_unreported(unreported));
            let what = format!("{step:?}");
            script.push(step);
            if let Ok(answer) = service.clone().oneshot(estimate()).await {
                answer.collect::<Vec<_>>().await;
            }
            let charged = if worked && unreported == Unreported::Reserved {
                400
            } else {
                0
            };
            assert_eq!(
                seen(&service.handle(), 0),
                [charged, 0, 1_000 - charged],
                "{what}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_moment_it_is_settled_exactly_once() {
    let (script, service) = both();
    let untouched = || assert_seen(&service, [0, 0, 1_000], [0, 0, 1_000_000]);
    // Before it is called.
    let mut clone = service.clone();
    ServiceExt::<Call<()>>::ready(&mut clone).await.unwrap();
    drop(clone);
    untouched();
    // Before it is polled, in flight, and within its stream, where two were reported.
    let charged = |calls: u64| {
        let (tokens, money) = (200 * calls, 100_000 * calls);
        assert_seen(
            &service,
            [tokens, 0, 1_000 - tokens],
            [money, 0, 1_000_000 - money],
        );
    };
    let smaller = || {
        cost(Cost {
            nano_dollars: 100_000,
            ..Cost::tokens(200)
        })
    };
    script.set(Step::stall());
    let mut clone = service.clone();
    let call = ServiceExt::<Call<()>>::ready(&mut clone)
        .await
        .unwrap()
        .call(smaller());
    drop(call);
    charged(1);
    let mut call = Box::pin(service.clone().oneshot(smaller()));
    assert!(call.as_mut().now_or_never().is_none());
    drop(call);
    charged(2);
    script.set(Step::answer(Pieces::new().piece(Piece::Text).stall()));
    let answer = service.clone().oneshot(smaller()).await.unwrap();
    drop(answer);
    charged(3);
    let mut answer = service.clone().oneshot(smaller()).await.unwrap();
    answer.next().await;
    drop(answer);
    charged(4);
    assert_eq!(script.counts().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_before_its_head_is_given_back() {
    for step in [Step::panic_in_call(), Step::panic_in_poll()] {
        let (script, service) = both();
        script.push(step);
        let call = AssertUnwindSafe(service.clone().oneshot(estimate()));
        assert!(call.catch_unwind().await.is_err());
        assert_seen(&service, [0, 0, 1_000], [0, 0, 1_000_000]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_panics_is_charged_what_was_reported_until_then() {
    let (script, service) = both();
    let pieces = Pieces::new()
        .piece(Piece::Usage(used(30, 7)))
        .piece(Piece::Boom);
    script.push(Step::answer(pieces));
    let answer = service.clone().oneshot(estimate()).await.unwrap();
    let all = AssertUnwindSafe(answer.collect::<Vec<_>>());
    assert!(all.catch_unwind().await.is_err());
    assert_seen(&service, [30, 0, 970], [7, 0, 999_993]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_further_in_gives_everything_back_and_a_time_out_does_not() {
    for (kind, charged) in [
        (RejectionKind::RateLimited, 0),
        (RejectionKind::TimedOut, 40),
    ] {
        let (script, service) = limited(tokens_a_day(100));
        script.set(Step::error_with(move || {
            Rejection::new(kind, "further in").into()
        }));
        service.clone().oneshot(tokens(40)).await.unwrap_err();
        assert_eq!(seen(&service.handle(), 0), [charged, 0, 100 - charged]);
    }
}

/// By key, by tenant and for all: a call that one refuses takes nothing from the others.
#[tokio::test(start_paused = true)]
async fn layers_stack_and_one_that_refuses_gives_back_in_the_others() {
    let handles = [300, 100, 200].map(|limit| at_noon(tokens_a_day(limit)));
    let [all, tenant, key] = &handles;
    let script = Script::answering("hello");
    let service = tower::ServiceBuilder::new()
        .layer(SpendLimitLayer::shared(all).calls())
        .layer(SpendLimitLayer::shared(tenant).calls())
        .layer(SpendLimitLayer::shared(key).calls())
        .service(script.service());
    service.clone().oneshot(tokens(60)).await.unwrap();
    refused(service.clone().oneshot(tokens(60)).await);
    assert_eq!(
        handles.each_ref().map(|handle| seen(handle, 0)),
        [[60, 0, 240], [60, 0, 40], [60, 0, 140]]
    );
    assert_eq!(script.counts().calls, 1);
}

/// All or none.
#[tokio::test(start_paused = true)]
async fn a_call_that_one_budget_refuses_takes_nothing_from_the_others() {
    let config = tokens_a_day(1_000)
        .with_budget(SpendBudget::nano_dollars(50, Period::Minute))
        .with_budget(SpendBudget::tokens(5_000, Period::Forever));
    let (_, service) = limited(config);
    let both = |tokens, nano_dollars| {
        cost(Cost {
            nano_dollars,
            ..Cost::tokens(tokens)
        })
    };
    service.clone().oneshot(both(10, 40)).await.unwrap();
    let rejection = refused(service.clone().oneshot(both(10, 40)).await);
    assert_eq!(
        rejection.retry_after(),
        Some(60 * SEC),
        "the one that is lacking"
    );
    let handle = service.handle();
    assert_eq!(
        [0, 1, 2].map(|budget| seen(&handle, budget)[2]),
        [990, 10, 4_990]
    );
    // The last of those that are lacking.
    let rejection = refused(service.clone().oneshot(both(995, 40)).await);
    assert_eq!(rejection.retry_after(), Some(12 * HOUR));
    // Never.
    let rejection = refused(service.clone().oneshot(both(4_995, 1)).await);
    assert_eq!(rejection.retry_after(), None);
}
