//! Calls that end in every way, at random: in the end every count is what it should be.

use futures_util::{FutureExt, StreamExt};
use std::panic::AssertUnwindSafe;

use super::{
    settling::{Piece, Pieces, streamed},
    *,
};
use crate::testing::seeded;

const CALLS: u64 = 50_000;

fn usage(rng: &mut fastrand::Rng) -> Usage {
    Usage {
        input_tokens: rng.bool().then(|| rng.u64(..3)),
        output_tokens: rng.bool().then(|| rng.u64(..3)),
        nano_dollars: rng.bool().then(|| rng.u64(..20)),
        ..Usage::default()
    }
}

/// A piece after which the last report was this.
fn report(pieces: Pieces, told: &mut Usage, rng: &mut fastrand::Rng) -> Pieces {
    let usage = usage(rng);
    told.input_tokens = usage.input_tokens.or(told.input_tokens);
    told.output_tokens = usage.output_tokens.or(told.output_tokens);
    told.nano_dollars = usage.nano_dollars.or(told.nano_dollars);
    pieces.piece(Piece::Usage(usage))
}

#[tokio::test(start_paused = true)]
async fn random_endings_take_exactly_what_they_should() {
    let mut rng = seeded(7);
    // What should have been taken since the last fresh service; hardly anything comes in meanwhile.
    let (mut script, mut service) = streamed();
    let (mut requests, mut tokens, mut money) = (0_u64, 0_u64, 0_u64);
    for number in 0..CALLS {
        let cost = Cost {
            requests: 1,
            tokens: rng.u64(..4),
            nano_dollars: rng.u64(..20),
        };
        let mut told = Usage::default();
        let ending = rng.u8(..9);
        let mut pieces = Pieces::new().piece(Piece::Text);
        let reported = ending < 6 && rng.bool();
        if reported {
            pieces = report(pieces, &mut told, &mut rng);
            pieces = report(pieces, &mut told, &mut rng);
        }
        // Whether the tokens come back when nothing was reported.
        let (step, undone) = match ending {
            0 | 1 => (Step::answer(pieces), false),
            2 => (Step::answer(pieces.cut("reset")), false),
            3 | 4 => (Step::answer(pieces.stall()), false),
            // The caller panics while it holds the answer.
            5 => (Step::answer(pieces), false),
            6 => (
                Step::error(
                    *rng.choice(&["throttled", "server", "faulty", "broken"])
                        .unwrap(),
                ),
                true,
            ),
            7 => (Step::error("timeout"), false),
            _ => (Step::stall(), false),
        };
        script.push(step);
        let call = Call {
            context: Context::new().with_cost(cost),
            message: (),
        };
        let run = AssertUnwindSafe(async {
            let Ok(mut answer) = service.clone().oneshot(call).await else {
                return;
            };
            if ending == 5 {
                for _ in 0..if reported { 3 } else { 1 } {
                    answer.next().await;
                }
                // Not `panic!`, which would print thousands of traces.
                std::panic::resume_unwind(Box::new("the caller"));
            }
            while answer.next().await.is_some() {}
        })
        .catch_unwind();
        // What stalls is dropped, at once or by a timer that runs out.
        if rng.u8(..8) == 0 {
            let _ = tokio::time::timeout(MS, run).await;
        } else {
            let _ = run.now_or_never();
        }
        requests += 1;
        let total = match (told.input_tokens, told.output_tokens) {
            (None, None) if undone => 0,
            (None, None) => cost.tokens,
            (input, output) => input.unwrap_or(0) + output.unwrap_or(0),
        };
        tokens += total;
        money += match told.nano_dollars {
            Some(used) => used,
            None if undone => 0,
            None => cost.nano_dollars,
        };
        let all = [
            (Unit::Requests, 1_000_000, requests),
            (Unit::Tokens, 1_000, tokens),
            (Unit::NanoDollars, 1_000_000, money),
        ];
        for (unit, burst, taken) in all {
            let left = left(&service, unit);
            let expected = burst as f64 - taken as f64;
            assert!(
                (left - expected).abs() < 0.01,
                "call {number}, ending {ending}: {left} {unit} are left, not {expected}"
            );
        }
        if tokens > 900 {
            (script, service) = streamed();
            (requests, tokens, money) = (0, 0, 0);
        }
    }
    assert_eq!(service.handle().snapshot().waiting, 0);
    assert_eq!(script.counts().in_flight, 0);
}

/// Callers that come, wait, lose patience and go, at random.
#[tokio::test(start_paused = true)]
async fn a_queue_of_the_impatient_ends_empty_and_never_lets_too_many_go() {
    let mut rng = seeded(11);
    let (script, service) = limited(ten_per_second(5).with_max_wait(2 * SEC));
    let began = Instant::now();
    let mut calls = Vec::new();
    for _ in 0..2_000 {
        let patience = Duration::from_millis(rng.u64(..3_000));
        calls.push(tokio::spawn(tokio::time::timeout(patience, call(&service))));
        if rng.u8(..4) == 0 {
            tokio::time::sleep(Duration::from_millis(rng.u64(..200))).await;
            let seconds = (Instant::now() - began).as_secs_f64();
            let admitted = script.counts().calls as f64;
            assert!(
                admitted <= 5.0 + 10.0 * seconds + 1e-6,
                "{admitted} in {seconds} s"
            );
        }
    }
    for call in calls {
        let _ = call.await.unwrap();
    }
    assert_eq!(service.handle().snapshot().waiting, 0);
    let seconds = (Instant::now() - began).as_secs_f64();
    let admitted = script.counts().calls as f64;
    assert!(
        admitted > 9.0 * (seconds - 2.0),
        "{admitted} in {seconds} s"
    );
}
