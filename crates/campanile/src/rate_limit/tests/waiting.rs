//! Who waits, for how long, and who is refused.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use super::*;

#[tokio::test(start_paused = true)]
async fn calls_wait_for_their_exact_time_first_come_first_served() {
    let (_, service) = limited(ten_per_second(2));
    let began = Instant::now();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut calls = Vec::new();
    for number in 0..8 {
        let (answer, order) = (call(&service), Arc::clone(&order));
        calls.push(tokio::spawn(async move {
            answer.await.unwrap();
            order.lock().unwrap().push((number, began.elapsed_ms()));
        }));
        settle().await;
    }
    for call in calls {
        call.await.unwrap();
    }
    let expected: Vec<_> = [0, 0, 100, 200, 300, 400, 500, 600]
        .into_iter()
        .enumerate()
        .collect();
    assert_eq!(*order.lock().unwrap(), expected);
    assert_eq!(service.handle().snapshot().waiting, 0);
}

trait ElapsedMs {
    fn elapsed_ms(&self) -> u128;
}

impl ElapsedMs for Instant {
    fn elapsed_ms(&self) -> u128 {
        Instant::now().duration_since(*self).as_millis()
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_at_once_and_says_exactly_when() {
    let (script, service) = limited(refusing(ten_per_second(1)));
    call(&service).await.unwrap();
    let began = Instant::now();
    let rejection = refused(call(&service).await);
    assert_eq!(rejection.retry_after(), Some(100 * MS));
    assert_eq!(began.elapsed_ms(), 0);
    tokio::time::advance(99 * MS).await;
    assert_eq!(refused(call(&service).await).retry_after(), Some(MS));
    tokio::time::advance(MS).await;
    call(&service).await.unwrap();
    assert_eq!(script.counts().calls, 2);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_would_be_too_long_is_refused_at_once() {
    let (_, service) = limited(ten_per_second(1).with_max_wait(250 * MS));
    let mut calls = Vec::new();
    for _ in 0..3 {
        calls.push(tokio::spawn(call(&service)));
        settle().await;
    }
    let began = Instant::now();
    assert_eq!(refused(call(&service).await).retry_after(), Some(300 * MS));
    assert_eq!(began.elapsed_ms(), 0);
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_refused_at_once_when_its_own_deadline_comes_first() {
    let (_, service) = costed(ten_per_second(1));
    service.clone().oneshot(tokens(0)).await.unwrap();
    let began = Instant::now();
    let mut call = tokens(0);
    call.context.deadline = Some(began + 99 * MS);
    let rejection = refused(service.clone().oneshot(call).await);
    assert_eq!(rejection.retry_after(), Some(100 * MS));
    assert_eq!(began.elapsed_ms(), 0);
    let mut call = tokens(0);
    call.context.deadline = Some(began + 100 * MS);
    service.clone().oneshot(call).await.unwrap();
    assert_eq!(began.elapsed_ms(), 100);
    let mut call = tokens(0);
    call.context.deadline = Some(began);
    refused(service.clone().oneshot(call).await);
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_than_may() {
    let (_, service) = limited(ten_per_second(1).with_max_waiting(2));
    call(&service).await.unwrap();
    let waiting = [tokio::spawn(call(&service)), tokio::spawn(call(&service))];
    settle().await;
    assert_eq!(refused(call(&service).await).retry_after(), Some(300 * MS));
    for call in waiting {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_gives_up_brings_those_behind_it_forward() {
    let (_, service) = limited(ten_per_second(1));
    call(&service).await.unwrap();
    let began = Instant::now();
    let mut calls: Vec<_> = Vec::new();
    for _ in 0..4 {
        calls.push(tokio::spawn(call(&service)));
        settle().await;
    }
    calls[0].abort();
    calls[2].abort();
    calls.remove(1).await.unwrap().unwrap();
    assert_eq!(began.elapsed_ms(), 100);
    calls.remove(2).await.unwrap().unwrap();
    assert_eq!(began.elapsed_ms(), 200);
    assert_eq!(service.handle().snapshot().waiting, 0);
    assert_left(&service, Unit::Requests, 0.0);
}

/// Whoever wakes polls its future: those are counted.
#[tokio::test(start_paused = true)]
async fn each_call_that_waits_is_woken_twice_at_most() {
    let (_, service) = limited(ten_per_second(1).with_max_wait(100 * SEC));
    let polls = Arc::new(AtomicUsize::new(0));
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let mut answer = Box::pin(call(&service));
            let polls = Arc::clone(&polls);
            tokio::spawn(std::future::poll_fn(move |cx| {
                polls.fetch_add(1, Ordering::Relaxed);
                answer.as_mut().poll(cx).map(Result::unwrap)
            }))
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let polls = polls.load(Ordering::Relaxed);
    assert!(polls <= 3 * 200, "{polls} polls of 200 calls");
}

#[tokio::test(start_paused = true)]
async fn what_is_given_back_lets_the_first_go_at_once() {
    let config = built(
        RateLimitConfig::default()
            .with_tokens(Limit::per_minute(60.0).with_burst(100))
            .with_max_wait(1_000 * SEC),
    );
    let (script, service) = costed(config);
    script.push(Step::error("broken").after(500 * MS));
    let began = Instant::now();
    let first = tokio::spawn(service.clone().oneshot(tokens(100)));
    settle().await;
    let second = tokio::spawn(service.clone().oneshot(tokens(80)));
    settle().await;
    let third = tokio::spawn(service.clone().oneshot(tokens(20)));
    assert!(first.await.unwrap().is_err());
    second.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
    assert_eq!(began.elapsed_ms(), 500, "nobody waited for its timer");
}

#[tokio::test(start_paused = true)]
async fn a_large_call_is_not_passed_by_small_ones() {
    let config = built(
        RateLimitConfig::default()
            .with_tokens(Limit::per_second(10.0).with_burst(100))
            .with_max_wait(100 * SEC),
    );
    let (_, service) = costed(config);
    service.clone().oneshot(tokens(100)).await.unwrap();
    let began = Instant::now();
    let large = tokio::spawn(service.clone().oneshot(tokens(90)));
    settle().await;
    let small = tokio::spawn(service.clone().oneshot(tokens(1)));
    large.await.unwrap().unwrap();
    assert_eq!(began.elapsed_ms(), 9_000);
    small.await.unwrap().unwrap();
    assert_eq!(began.elapsed_ms(), 9_100);
}

#[tokio::test(start_paused = true)]
async fn more_than_a_burst_is_refused_for_ever_or_owed() {
    let config = built(RateLimitConfig::default().with_tokens(Limit::per_second(10.0)));
    let (_, service) = costed(config.clone());
    let rejection = refused(service.clone().oneshot(tokens(11)).await);
    assert_eq!(rejection.retry_after(), None, "it would never succeed");
    service.clone().oneshot(tokens(10)).await.unwrap();

    let config = built(config.with_oversize(Oversize::Debt).with_max_wait(10 * SEC));
    let (_, service) = costed(config);
    let began = Instant::now();
    service.clone().oneshot(tokens(25)).await.unwrap();
    assert_eq!(began.elapsed_ms(), 0);
    assert_left(&service, Unit::Tokens, -15.0);
    service.clone().oneshot(tokens(1)).await.unwrap();
    assert_eq!(began.elapsed_ms(), 1_600);
    // It waits until the bucket is full.
    service.clone().oneshot(tokens(30)).await.unwrap();
    assert_eq!(began.elapsed_ms(), 2_600);
}

#[tokio::test(start_paused = true)]
async fn two_units_are_waited_for_together() {
    let config = built(
        RateLimitConfig::requests(Limit::per_second(10.0).with_burst(5))
            .with_tokens(Limit::per_second(100.0))
            .with_max_wait(10 * SEC),
    );
    let (_, service) = costed(config);
    let began = Instant::now();
    service.clone().oneshot(tokens(100)).await.unwrap();
    service.clone().oneshot(tokens(0)).await.unwrap();
    assert_eq!(began.elapsed_ms(), 0, "no tokens, no wait");
    service.clone().oneshot(tokens(50)).await.unwrap();
    assert_eq!(began.elapsed_ms(), 500);
    assert_left(&service, Unit::Tokens, 0.0);
    for _ in 0..4 {
        service.clone().oneshot(tokens(0)).await.unwrap();
    }
    service.clone().oneshot(tokens(0)).await.unwrap();
    assert_eq!(began.elapsed_ms(), 600, "requests were waited for");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_what_there_was_too_little_of() {
    let limits = RateLimitConfig {
        requests: Some(Limit::per_second(100.0)),
        tokens: Some(Limit::per_minute(600.0)),
        ..RateLimitConfig::default()
    };
    for (config, wait) in [
        (refusing(limits.clone()), Duration::ZERO),
        (limits.with_max_wait(SEC), SEC),
    ] {
        let script = Script::answering("hello");
        let layer = RateLimitLayer::new(config).unwrap().calls();
        let service = layer.layer(script.service());
        let call = |tokens| {
            let context = crate::Context::new().with_cost(Cost::tokens(tokens));
            service.clone().oneshot(crate::Call {
                context,
                message: (),
            })
        };
        let large = refused(call(601).await);
        assert_eq!(
            (large.retry_after(), large.to_string().as_str()),
            (
                None,
                "rate_limit: tokens_per_minute is too small for the call: it may take 601, and the limit is 600"
            )
        );
        call(500).await.unwrap();
        let used = refused(call(200).await);
        let shortage = used.shortage().unwrap();
        assert_eq!(
            (shortage.what, shortage.needs, shortage.left, shortage.limit),
            ("tokens_per_minute", 200, 100, 600),
            "{wait:?}"
        );
        assert_eq!(used.retry_after(), Some(10 * SEC));
    }
}
