//! Attempts that were given up are paid too, and each is paid once.
#![cfg(all(feature = "retry", feature = "hedge"))]

use std::{
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
};

use futures_util::StreamExt;

use super::{settling, *};
use crate::{
    context::{KeepTrail, Trail},
    hedge::{Delay, HedgeConfig, HedgeLayer},
    retry::{RetryConfig, RetryLayer},
};

/// What one attempt does after it was charged so many tokens.
#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    Answer,
    Fail,
    Stall,
    AnswerIn(Duration),
    FailIn(Duration),
}

/// A service that charges each attempt to its trail, as who accounts for attempts does.
#[derive(Debug, Clone)]
pub(super) struct Accounting {
    script: &'static [(u64, Then)],
    pub(super) attempt: Arc<AtomicUsize>,
}

pub(super) fn accounting(script: &'static [(u64, Then)]) -> Accounting {
    Accounting {
        script,
        attempt: Arc::default(),
    }
}

impl Service<Call<()>> for Accounting {
    type Response = &'static str;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<&'static str, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut std::task::Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<()>) -> Self::Future {
        let (tokens, then) = self.script[self.attempt.fetch_add(1, Ordering::SeqCst)];
        Box::pin(async move {
            let trail = call.context.trail.expect("each attempt has a trail");
            trail.charge(Cost::tokens(tokens.saturating_sub(1)));
            tokio::task::yield_now().await;
            trail.charge(Cost::tokens(tokens.min(1)));
            match then {
                Then::Answer => Ok("hello"),
                Then::Fail => Err("broken".into()),
                Then::Stall => std::future::pending().await,
                Then::AnswerIn(time) => {
                    tokio::time::sleep(time).await;
                    Ok("hello")
                }
                Then::FailIn(time) => {
                    tokio::time::sleep(time).await;
                    Err("broken".into())
                }
            }
        })
    }
}

pub(super) fn retry() -> RetryLayer<Enveloped> {
    RetryLayer::new(RetryConfig::default().with_budget(None))
        .unwrap()
        .calls()
}

fn hedge() -> HedgeLayer<Enveloped> {
    hedge_after(50 * MS)
}

pub(super) fn hedge_after(delay: Duration) -> HedgeLayer<Enveloped> {
    let config = HedgeConfig::default()
        .with_delay(Delay::fixed(delay))
        .with_burst(10);
    HedgeLayer::new(config.build().unwrap())
        .unwrap()
        .calls()
        .budget(crate::budget::Budget::default())
}

#[tokio::test(start_paused = true)]
async fn a_retry_further_in_pays_for_the_attempts_that_failed() {
    let handle = at_noon(tokens_a_day(1_000));
    let service = tower::ServiceBuilder::new()
        .layer(SpendLimitLayer::shared(&handle).calls())
        .layer(retry())
        .service(accounting(&[(30, Then::Fail), (50, Then::Answer)]));
    service.oneshot(tokens(400)).await.unwrap();
    assert_eq!(seen(&handle, 0), [80, 0, 920]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_in_the_end_is_charged_for_all_attempts() {
    let handle = at_noon(tokens_a_day(1_000));
    let service = tower::ServiceBuilder::new()
        .layer(SpendLimitLayer::shared(&handle).calls())
        .layer(retry())
        .service(accounting(&[
            (30, Then::Fail),
            (50, Then::Fail),
            (7, Then::Fail),
        ]));
    service.oneshot(tokens(400)).await.unwrap_err();
    assert_eq!(seen(&handle, 0), [87, 0, 913]);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_further_in_pays_for_the_attempt_that_lost() {
    let handle = at_noon(tokens_a_day(1_000));
    let service = tower::ServiceBuilder::new()
        .layer(SpendLimitLayer::shared(&handle).calls())
        .layer(hedge())
        .service(accounting(&[(10, Then::Stall), (40, Then::Answer)]));
    service.oneshot(tokens(400)).await.unwrap();
    assert_eq!(seen(&handle, 0), [50, 0, 950]);
}

#[tokio::test(start_paused = true)]
async fn attempts_of_a_retry_or_hedge_further_out_are_each_paid_once() {
    let handle = at_noon(tokens_a_day(1_000));
    let layer = SpendLimitLayer::shared(&handle).calls();
    let service = tower::ServiceBuilder::new()
        .layer(retry())
        .layer(layer.clone())
        .service(accounting(&[(30, Then::Fail), (50, Then::Answer)]));
    service.oneshot(tokens(400)).await.unwrap();
    assert_eq!(seen(&handle, 0), [80, 0, 920]);

    handle.reset();
    let service = tower::ServiceBuilder::new()
        .layer(hedge())
        .layer(layer)
        .service(accounting(&[(10, Then::Stall), (40, Then::Answer)]));
    service.oneshot(tokens(400)).await.unwrap();
    assert_eq!(seen(&handle, 0), [50, 0, 950]);
}

/// On both sides of a retry: what is for each attempt, and what is for all.
#[tokio::test(start_paused = true)]
async fn budgets_on_both_sides_of_a_retry_agree() {
    let (outer, inner) = (at_noon(tokens_a_day(1_000)), at_noon(tokens_a_day(1_000)));
    let trail = Trail::new();
    let service = tower::ServiceBuilder::new()
        .layer(SpendLimitLayer::shared(&outer).calls())
        .layer(retry())
        .layer(SpendLimitLayer::shared(&inner).calls())
        .service(accounting(&[(30, Then::Fail), (50, Then::Answer)]));
    let mut call = tokens(400);
    call.context.trail = Some(trail.clone());
    service.oneshot(call).await.unwrap();
    assert_eq!(seen(&outer, 0), [80, 0, 920]);
    assert_eq!(seen(&inner, 0), [80, 0, 920]);
    assert_eq!(trail.charged().tokens, 80);
}

/// What is reported and what is charged is the same work.
#[tokio::test(start_paused = true)]
async fn what_is_both_reported_and_charged_is_paid_once() {
    for (charged, expected) in [(20, 60), (60, 60), (90, 90)] {
        let (script, service) = settling::streamed(tokens_a_day(1_000));
        script.push(Step::answer(settling::reporting(60, 0)));
        let inner = service.get_ref().clone();
        let service = SpendLimitLayer::shared(&service.handle())
            .protocol(Enveloped::new(Streaming::new(
                settling::Judge,
                settling::Reports,
            )))
            .layer(tower::util::MapRequest::new(inner, move |call: Call<()>| {
                let trail = call.context.trail.as_ref().unwrap();
                trail.charge(Cost::tokens(charged));
                call
            }));
        let answer = service.clone().oneshot(tokens(400)).await.unwrap();
        answer.collect::<Vec<_>>().await;
        assert_eq!(seen(&service.handle(), 0), [expected, 0, 1_000 - expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_without_a_context_or_where_none_is_wanted_have_no_trail() {
    let script = Script::answering("hello");
    for (keep, has) in [
        (KeepTrail::Always, true),
        (KeepTrail::WithContext, true),
        (KeepTrail::Never, false),
    ] {
        let service = SpendLimitLayer::new(tokens_a_day(10).with_trail(keep))
            .unwrap()
            .calls()
            .layer(tower::util::MapRequest::new(
                script.service(),
                move |call: Call<()>| {
                    assert_eq!(call.context.trail.is_some(), has);
                    call
                },
            ));
        service.oneshot(tokens(1)).await.unwrap();
    }
    // Nor has one a place for it here.
    let service = SpendLimitLayer::new(tokens_a_day(10))
        .unwrap()
        .layer(script.service());
    service.oneshot(()).await.unwrap();
    assert_eq!(script.counts().calls, 4);
}
