//! In a pool: the gate of an endpoint that has nothing left.

use futures_util::FutureExt;
use tokio_test::{assert_pending, assert_ready, task};

use super::*;
use crate::{
    endpoint::{Endpoint, Reason},
    time::Timestamp,
};

type Gated = Limited<Scripted<&'static str>, Enveloped>;

fn gated(config: RateLimitConfig) -> (Script<&'static str>, Endpoint, Gated) {
    let script = Script::answering("hello");
    let endpoint = Endpoint::new("a");
    let service = RateLimitLayer::new(built(config))
        .unwrap()
        .calls()
        .gate(&endpoint)
        .layer(script.service());
    (script, endpoint, service)
}

fn ready<S: Service<Call<()>>>(service: &mut S) -> tower::util::Ready<'_, S, Call<()>> {
    service.ready()
}

/// For how long the gate is closed.
fn closed(endpoint: &Endpoint) -> Option<Duration> {
    let now = Timestamp::now();
    let (reason, until) = endpoint.gate().reasons(now).next()?;
    assert_eq!(reason, Reason::Quota);
    Some(until.since(now))
}

#[tokio::test(start_paused = true)]
async fn the_gate_closes_with_the_last_and_opens_with_the_next() {
    let (_, endpoint, mut service) = gated(ten_per_second(2));
    ready(&mut service)
        .await
        .unwrap()
        .call(tokens(0))
        .await
        .unwrap();
    assert_eq!(closed(&endpoint), None);
    ready(&mut service)
        .await
        .unwrap()
        .call(tokens(0))
        .await
        .unwrap();
    assert_eq!(closed(&endpoint), Some(100 * MS));
    assert!(ready(&mut service).now_or_never().is_none());
    tokio::time::advance(100 * MS).await;
    assert_eq!(closed(&endpoint), None);
    assert!(ready(&mut service).now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn poll_ready_waits_for_the_exact_time_and_reserves_nothing() {
    let (_, _, service) = gated(ten_per_second(1));
    service.clone().oneshot(tokens(0)).await.unwrap();
    let began = Instant::now();
    let mut waiting: Vec<_> = (0..10)
        .map(|_| {
            let mut clone = service.clone();
            tokio::spawn(async move { ready(&mut clone).await.map(drop) })
        })
        .collect();
    waiting.pop().unwrap().abort();
    for clone in waiting {
        clone.await.unwrap().unwrap();
    }
    assert_eq!(Instant::now() - began, 100 * MS);
    assert_left(&service, Unit::Requests, 1.0);
}

#[tokio::test(start_paused = true)]
async fn what_is_given_back_opens_the_gate_and_wakes_poll_ready() {
    let config = RateLimitConfig::default()
        .with_tokens(Limit::per_minute(60.0).with_burst(100))
        .with_learn(None);
    let (script, endpoint, service) = gated(config);
    script.push(Step::error("broken").after(50 * MS));
    let call = tokio::spawn(service.clone().oneshot(tokens(100)));
    settle().await;
    assert_eq!(closed(&endpoint), Some(SEC));
    let mut clone = service.clone();
    let mut ready = task::spawn(ready(&mut clone));
    assert_pending!(ready.poll());
    call.await.unwrap().unwrap_err();
    assert!(ready.is_woken());
    assert_ready!(ready.poll()).unwrap();
    assert_eq!(closed(&endpoint), None);
}

#[tokio::test(start_paused = true)]
async fn a_park_closes_the_gate_until_its_end_and_an_operator_opens_it() {
    let (_, endpoint, service) = gated(ten_per_second(5));
    let handle = service.handle();
    handle.park(60 * SEC);
    assert_eq!(closed(&endpoint), Some(60 * SEC));
    let mut clone = service.clone();
    let mut ready = task::spawn(ready(&mut clone));
    assert_pending!(ready.poll());
    handle.unpark();
    assert_eq!(closed(&endpoint), None);
    assert!(ready.is_woken());
    assert_ready!(ready.poll()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_higher_rate_opens_the_gate_earlier() {
    let (_, endpoint, service) = gated(RateLimitConfig::requests(
        Limit::per_second(1.0).with_burst(1).with_range(1.0, 10.0),
    ));
    service.clone().oneshot(tokens(0)).await.unwrap();
    assert_eq!(closed(&endpoint), Some(SEC));
    crate::control::Dial::set(&service.handle().rate_dial(), 10.0);
    assert_eq!(closed(&endpoint), Some(100 * MS));
}

#[tokio::test(start_paused = true)]
async fn a_debt_keeps_the_gate_closed_until_it_is_paid() {
    let config = RateLimitConfig::default()
        .with_tokens(Limit::per_second(10.0))
        .with_oversize(Oversize::Debt);
    let (_, endpoint, service) = gated(config);
    service.clone().oneshot(tokens(30)).await.unwrap();
    assert_eq!(closed(&endpoint), Some(2_100 * MS));
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_share_a_limit_close_and_open_together_and_are_left_open() {
    let handle = RateLimitHandle::new(ten_per_second(1)).unwrap();
    let (a, b) = (Endpoint::new("a"), Endpoint::new("b"));
    let script = Script::answering("hello");
    let one = RateLimitLayer::shared(&handle)
        .gate(&a)
        .layer(script.service());
    let other = RateLimitLayer::shared(&handle)
        .gate(&b)
        .layer(script.service());
    call(&one).await.unwrap();
    assert_eq!((closed(&a), closed(&b)), (Some(100 * MS), Some(100 * MS)));
    drop(other);
    assert_eq!((closed(&a), closed(&b)), (Some(100 * MS), None));
    let late = Endpoint::new("late");
    let third = RateLimitLayer::shared(&handle)
        .gate(&late)
        .layer(script.service());
    assert_eq!(closed(&late), Some(100 * MS));
    drop((one, third));
    assert_eq!((closed(&a), closed(&late)), (None, None));
}

/// Whatever threads do, in the end the gate says what the bucket says.
#[test]
fn the_gate_agrees_with_the_bucket_after_any_race() {
    let config = built(
        RateLimitConfig::requests(Limit::new(1.0, 86_400 * SEC).with_burst(4))
            .with_tokens(Limit::new(1.0, 86_400 * SEC).with_burst(100))
            .with_learn(None),
    );
    for _ in 0..200 {
        let handle = RateLimitHandle::new(config.clone()).unwrap();
        let endpoint = Endpoint::new("a");
        let gated = RateLimitLayer::shared(&handle).gate(&endpoint).layer(());
        let limiter = handle.limiter();
        let cost = limiter.parts(&Cost::tokens(30));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (limiter, cost, handle) = (&limiter, &cost, &handle);
                scope.spawn(move || {
                    for turn in 0..40 {
                        let now = Timestamp::now();
                        if let Some(place) = limiter.take(&(), cost, now) {
                            limiter.settle(&(), place, cost, &[0; 3]);
                        }
                        if (thread + turn) % 13 == 0 {
                            handle.park(SEC);
                            handle.unpark();
                        }
                    }
                });
            }
        });
        // All was given back: there is room.
        assert_eq!(closed(&endpoint), None);
        assert!(!limiter.gates.is_closed());
        // And without room it is closed.
        let now = Timestamp::now();
        while limiter.take(&(), &cost, now).is_some() {}
        let least = limiter.parts(&Cost::tokens(1));
        while limiter.take(&(), &least, now).is_some() {}
        assert!(closed(&endpoint).is_some());
        drop(gated);
        assert_eq!(closed(&endpoint), None);
    }
}

#[cfg(feature = "balance")]
#[tokio::test(start_paused = true)]
async fn a_pool_goes_elsewhere_while_one_member_has_nothing_left() {
    use crate::{
        balance::{BalanceLayer, RoundRobin},
        discover::{PerEndpointLayer, Roster},
    };

    let (a, b) = (Script::answering("a"), Script::answering("b"));
    let roster = Roster::new();
    for (key, rate) in [("a", 1), ("b", 100)] {
        roster.insert(Endpoint::builder(key), rate).unwrap();
    }
    let clients = [a.clone(), b.clone()];
    let pool = tower::ServiceBuilder::new()
        .layer(BalanceLayer::bare(RoundRobin::default()))
        .layer(PerEndpointLayer::new(
            move |endpoint: &Endpoint, rate: u32| {
                let limit = Limit::per_second(rate.into()).with_burst(2);
                RateLimitLayer::new(built(RateLimitConfig::requests(limit)))
                    .unwrap()
                    .gate(endpoint)
                    .layer(clients[usize::from(rate > 1)].service())
            },
        ))
        .service(roster.changes());
    settle().await;
    let began = Instant::now();
    for _ in 0..40 {
        call(&pool).await.unwrap();
        tokio::time::sleep(10 * MS).await;
    }
    assert!(Instant::now() - began < 500 * MS, "nobody waited for a");
    assert_eq!((a.counts().calls, b.counts().calls), (2, 38));
}
