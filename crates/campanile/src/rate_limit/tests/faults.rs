//! Faults that limiters in this field have. Each test is named after one.

use super::*;
use crate::{context::Priority, rate_limit::buckets::Store, time::Timestamp};

/// Its cost is always 1.
#[tokio::test(start_paused = true)]
async fn a_call_costs_what_it_costs() {
    let config = built(RateLimitConfig::default().with_tokens(Limit::per_minute(1_000.0)));
    let (_, service) = costed(refusing(config));
    service.clone().oneshot(tokens(999)).await.unwrap();
    refused(service.clone().oneshot(tokens(2)).await);
    service.clone().oneshot(tokens(1)).await.unwrap();
}

/// A readied clone that is dropped loses a token.
#[tokio::test(start_paused = true)]
async fn readied_clones_that_are_dropped_lose_nothing() {
    let (_, service) = limited(refusing(ten_per_second(3)));
    for _ in 0..100 {
        ready(&mut service.clone()).await.unwrap();
    }
    for _ in 0..3 {
        call(&service).await.unwrap();
    }
    refused(call(&service).await);
}

/// Permits are hoarded over periods: 50 calls in 0.02 ms at 10 per 200 ms.
#[tokio::test(start_paused = true)]
async fn readiness_cannot_be_hoarded() {
    let limit = Limit::new(10.0, 200 * MS);
    let (script, service) = limited(refusing(built(RateLimitConfig::requests(limit))));
    let mut hoard = Vec::new();
    for _ in 0..5 {
        for _ in 0..10 {
            let mut clone = service.clone();
            ready(&mut clone).await.unwrap();
            hoard.push(clone);
        }
        tokio::time::advance(200 * MS).await;
    }
    for clone in &mut hoard {
        let _ = clone.call(()).await;
    }
    assert_eq!(script.counts().calls, 10);
}

/// It waits 2 s to refuse what it knew at once, and does not say when to come again.
#[tokio::test(start_paused = true)]
async fn what_is_known_at_once_is_refused_at_once() {
    let config = RateLimitConfig::requests(Limit::new(1.0, 60 * SEC)).with_max_wait(2 * SEC);
    let (_, service) = limited(built(config));
    call(&service).await.unwrap();
    let began = Instant::now();
    assert_eq!(refused(call(&service).await).retry_after(), Some(60 * SEC));
    assert_eq!(Instant::now(), began);
}

/// Every waiter wakes in every period. Here the wakers are counted, not the polls.
#[test]
fn one_goes_and_one_is_woken() {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        task::{Wake, Waker},
    };

    use crate::rate_limit::limiter::{Turn, Verdict};

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    let limiter = RateLimitHandle::new(ten_per_second(1).with_max_wait(100 * SEC))
        .unwrap()
        .limiter();
    let cost = limiter.parts(&Cost::default());
    let at = |millis| Timestamp::from_nanos(1 + millis * 1_000_000);
    assert!(limiter.take(&(), &cost, at(0)).is_some());
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    let waiting: Vec<_> = (0..500)
        .map(|_| {
            let Verdict::Waits(queued) =
                limiter.turn_away(&(), &cost, Priority::Normal, None, at(0))
            else {
                panic!("it does not wait");
            };
            let turn = limiter.advance(&(), &queued, at(0), &waker);
            assert!(matches!(turn, Turn::Waits(_)));
            queued
        })
        .collect();
    for (number, queued) in waiting.iter().enumerate() {
        let now = at(100 * (number as u64 + 1));
        let turn = limiter.advance(&(), queued, now, &waker);
        assert!(matches!(turn, Turn::Admitted), "{number}");
    }
    assert_eq!(count.0.load(Ordering::Relaxed), 499);
    assert_eq!(limiter.buckets.waiting(), 0);
}

/// 1,000 tokens a minute admitted 200,000 at 200 concurrent calls.
#[tokio::test(start_paused = true)]
async fn concurrent_calls_do_not_overspend_tokens() {
    let config = RateLimitConfig::default().with_tokens(Limit::per_minute(1_000.0));
    let script = Script::<_>::new(Step::answer("hello").after(SEC));
    let service = RateLimitLayer::new(refusing(built(config)))
        .unwrap()
        .calls()
        .layer(script.service());
    let calls: Vec<_> = (0..200)
        .map(|_| tokio::spawn(service.clone().oneshot(tokens(1_000))))
        .collect();
    let mut admitted = 0;
    for call in calls {
        admitted += u64::from(call.await.unwrap().is_ok());
    }
    assert_eq!((admitted, script.counts().calls), (1, 1));
}

/// Costs under half a micro-dollar count as 0.
#[tokio::test(start_paused = true)]
async fn a_hundred_nano_dollars_are_not_nothing() {
    let limit = Limit::new(10_000.0, 3_600 * SEC);
    let config = built(RateLimitConfig::default().with_nano_dollars(limit));
    let (_, service) = costed(refusing(config));
    let mut admitted = 0;
    for _ in 0..1_000 {
        let mut call = tokens(0);
        call.context.cost = Some(Cost {
            nano_dollars: 100,
            ..Cost::default()
        });
        admitted += u64::from(service.clone().oneshot(call).await.is_ok());
    }
    assert_eq!(admitted, 100);
}

/// A map keyed by what clients write grows without bound.
#[tokio::test(start_paused = true)]
async fn a_client_cannot_fill_the_memory_with_keys() {
    let script = Script::answering("hello");
    let service = RateLimitLayer::new(refusing(ten_per_second(1)).with_max_keys(64))
        .unwrap()
        .keyed(|name: &String| name.clone())
        .layer(script.service());
    for number in 0..5_000 {
        let _ = service.clone().oneshot(format!("key {number}")).await;
    }
    assert_eq!(service.handle().snapshot().keys, Some(64));
}

/// Refusals by the limiter count as failures of what is behind it.
#[tokio::test(start_paused = true)]
async fn a_refusal_is_no_failure() {
    use crate::outcome::{Classify, ClassifyResult, Outcome};

    let (_, service) = limited(refusing(ten_per_second(1)));
    call(&service).await.unwrap();
    let result = call(&service).await;
    let outcome = ClassifyResult.classify(result.as_ref());
    let retry_after = Some(100 * MS);
    assert_eq!(outcome, Outcome::Throttled { retry_after });
}
