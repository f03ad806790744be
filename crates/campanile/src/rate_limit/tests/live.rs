//! Settings that change while calls run.

use futures_util::FutureExt;

use super::*;
use crate::control::Dial;

#[tokio::test(start_paused = true)]
async fn a_higher_rate_lets_those_who_wait_go_earlier() {
    let (_, service) = limited(built(
        RateLimitConfig::requests(Limit::per_second(1.0).with_burst(1).with_range(0.5, 100.0))
            .with_max_wait(100 * SEC),
    ));
    call(&service).await.unwrap();
    let began = Instant::now();
    let waiting = tokio::spawn(call(&service));
    settle().await;
    tokio::time::advance(500 * MS).await;
    assert_eq!(service.handle().rate_dial().set(10.0), 10.0);
    waiting.await.unwrap().unwrap();
    // Half of one had come in; the other half takes 50 ms.
    assert_eq!(Instant::now() - began, 550 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_lower_rate_holds_for_those_who_wait() {
    let (_, service) = limited(built(
        RateLimitConfig::requests(Limit::per_second(10.0).with_burst(1)).with_max_wait(300 * MS),
    ));
    call(&service).await.unwrap();
    let began = Instant::now();
    let waiting = tokio::spawn(call(&service));
    let second = tokio::spawn(call(&service));
    settle().await;
    let dial = service.handle().rate_dial();
    assert_eq!(dial.set(5.0), 5.0);
    waiting.await.unwrap().unwrap();
    assert_eq!(Instant::now() - began, 200 * MS);
    // It would have to wait 400 ms: that is known as soon as it is first.
    let rejection = refused(second.await.unwrap());
    assert_eq!(rejection.retry_after(), Some(200 * MS));
    assert_eq!(Instant::now() - began, 200 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_dial_stays_within_its_bounds() {
    let (_, service) = limited(built(RateLimitConfig::requests(
        Limit::per_second(10.0).with_range(2.0, 20.0),
    )));
    let handle = service.handle();
    let dial = handle.rate_dial();
    assert_eq!(dial.value(), 10.0);
    assert_eq!(dial.set(100.0), 20.0);
    assert_eq!(dial.set(0.0), 2.0);
    assert_eq!(dial.set(f64::NAN), 2.0);
    assert_eq!(dial.set(f64::INFINITY), 20.0);
    assert_eq!(handle.rate(Unit::Requests), Some(20.0));
    assert_eq!(
        (handle.rate(Unit::Tokens), handle.left(Unit::Tokens)),
        (None, None)
    );
    assert_eq!(handle.unit_dial(Unit::Tokens).set(5.0), 0.0);
}

#[tokio::test(start_paused = true)]
async fn one_dial_turns_all_units_in_proportion_another_one_alone() {
    let (_, service) = limited(built(
        RateLimitConfig::requests(Limit::per_second(10.0))
            .with_tokens(Limit::per_minute(6_000.0).with_range(2_000.0, 6_000.0)),
    ));
    let handle = service.handle();
    let rates = || (handle.rate(Unit::Requests), handle.rate(Unit::Tokens));
    handle.rate_dial().set(5.0);
    assert_eq!(rates(), (Some(5.0), Some(3_000.0)));
    handle.rate_dial().set(1.0);
    assert_eq!(rates(), (Some(1.0), Some(2_000.0)));
    handle.rate_dial().set(10.0);
    assert_eq!(rates(), (Some(10.0), Some(6_000.0)));
    handle.unit_dial(Unit::Tokens).set(4_000.0);
    assert_eq!(rates(), (Some(10.0), Some(4_000.0)));
}

#[tokio::test(start_paused = true)]
async fn another_limit_holds_from_now_on_for_all_clones() {
    let (_, service) = limited(refusing(ten_per_second(10)));
    for _ in 0..10 {
        call(&service).await.unwrap();
    }
    let handle = service.handle();
    handle
        .set_limit(Unit::Requests, Limit::per_minute(60.0).with_burst(20))
        .unwrap();
    // Ten more fit into the burst.
    for _ in 0..10 {
        call(&service).await.unwrap();
    }
    assert_eq!(refused(call(&service).await).retry_after(), Some(SEC));
    assert_eq!(handle.limit(Unit::Requests).unwrap().burst(), 20);
    for wrong in [
        handle.set_limit(Unit::Tokens, Limit::per_second(1.0)),
        handle.set_limit(Unit::Requests, Limit::per_second(0.0)),
        handle.set_limit(Unit::Requests, Limit::per_second(1e9)),
    ] {
        let error = wrong.unwrap_err();
        assert_eq!(error.concern, "rate_limit", "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn services_made_of_a_handle_share_it_and_those_of_a_layer_do_not() {
    let handle = RateLimitHandle::new(refusing(ten_per_second(1))).unwrap();
    let script = Script::answering("hello");
    let one = RateLimitLayer::shared(&handle).layer(script.service());
    let other = RateLimitLayer::shared(&handle).layer(script.service());
    call(&one).await.unwrap();
    refused(call(&other).await);
    assert_eq!(handle.left(Unit::Requests), Some(0.0));

    let layer = RateLimitLayer::new(refusing(ten_per_second(1))).unwrap();
    let (one, other) = (layer.layer(script.service()), layer.layer(script.service()));
    call(&one).await.unwrap();
    call(&other).await.unwrap();
    refused(call(&one.clone()).await);
}

#[tokio::test(start_paused = true)]
async fn an_operator_parks_and_unparks() {
    let (_, service) = limited(ten_per_second(5));
    let handle = service.handle();
    handle.park(5 * SEC);
    handle.park(SEC);
    assert_eq!(handle.snapshot().parked_for, Some(5 * SEC));
    let mut waiting = Box::pin(call(&service));
    assert!(waiting.as_mut().now_or_never().is_none());
    tokio::time::advance(SEC).await;
    handle.unpark();
    let began = Instant::now();
    waiting.await.unwrap();
    assert_eq!(Instant::now(), began);
    assert_eq!(handle.snapshot().parked_for, None);
}

#[tokio::test(start_paused = true)]
async fn a_park_beyond_their_patience_refuses_those_who_wait_at_once() {
    let (_, service) = limited(ten_per_second(1).with_max_wait(2 * SEC));
    call(&service).await.unwrap();
    let waiting = [0; 5].map(|_| tokio::spawn(call(&service)));
    settle().await;
    let began = Instant::now();
    service.handle().park(60 * SEC);
    for call in waiting {
        assert_eq!(refused(call.await.unwrap()).retry_after(), Some(60 * SEC));
    }
    assert_eq!(Instant::now(), began);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_shows_it_all_and_can_be_serialised() {
    let (_, service) = limited(ten_per_second(4));
    call(&service).await.unwrap();
    let text = serde_json::to_string(&service.handle().snapshot()).unwrap();
    for part in [
        r#""unit":"requests""#,
        r#""rate":10.0"#,
        r#""burst":4"#,
        r#""left":3.0"#,
    ] {
        assert!(text.contains(part), "{text}");
    }
    for text in [
        format!("{service:?}"),
        format!("{:?}", service.handle()),
        format!("{:?}", service.handle().rate_dial()),
        format!("{:?}", RateLimitLayer::new(ten_per_second(1)).unwrap()),
    ] {
        assert!(text.starts_with("Rate"), "{text}");
    }
}
