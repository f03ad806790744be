//! Buckets by key, and how many there are.

use super::*;
use crate::{
    rate_limit::{buckets::Store, limiter::Limiter},
    time::Timestamp,
};

type Name = fn(&Call<&'static str>) -> &'static str;
type ByName = Limited<Scripted<&'static str>, Enveloped, Keyed<&'static str>, By<Name>>;

fn by_name(config: RateLimitConfig) -> ByName {
    let script = Script::answering("hello");
    RateLimitLayer::new(config)
        .unwrap()
        .calls()
        .keyed((|call| call.message) as Name)
        .layer(script.service())
}

#[tokio::test(start_paused = true)]
async fn keys_have_buckets_of_their_own() {
    let service = by_name(refusing(ten_per_second(2)));
    let call = |name| service.clone().oneshot(Call::new(name));
    for _ in 0..2 {
        call("a").await.unwrap();
        call("b").await.unwrap();
    }
    assert_eq!(refused(call("a").await).retry_after(), Some(100 * MS));
    refused(call("b").await);
    call("c").await.unwrap();
    assert_eq!(service.handle().snapshot().keys, Some(3));
    tokio::time::advance(100 * MS).await;
    call("a").await.unwrap();
    refused(call("a").await);
}

#[tokio::test(start_paused = true)]
async fn keys_wait_in_lines_of_their_own() {
    let service = by_name(ten_per_second(1));
    let call = |name| tokio::spawn(service.clone().oneshot(Call::new(name)));
    let began = Instant::now();
    let mut calls = Vec::new();
    for name in ["a", "b", "a", "a", "b"] {
        calls.push(call(name));
        settle().await;
    }
    assert_eq!(service.handle().snapshot().waiting, 3);
    calls.remove(4).await.unwrap().unwrap();
    assert_eq!(Instant::now() - began, 100 * MS);
    calls.remove(3).await.unwrap().unwrap();
    assert_eq!(Instant::now() - began, 200 * MS);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(service.handle().snapshot().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_line_is_served_earlier_when_the_rate_rises_or_its_key_is_unparked() {
    let service = by_name(built(
        RateLimitConfig::requests(Limit::per_second(1.0).with_burst(1).with_range(1.0, 10.0))
            .with_max_wait(100 * SEC),
    ));
    let call = |name| tokio::spawn(service.clone().oneshot(Call::new(name)));
    call("a").await.unwrap().unwrap();
    let began = Instant::now();
    let waiting = call("a");
    settle().await;
    crate::control::Dial::set(&service.handle().rate_dial(), 10.0);
    waiting.await.unwrap().unwrap();
    assert_eq!(Instant::now() - began, 100 * MS);
    service.handle().park_key(&"b", 50 * SEC);
    let parked = call("b");
    settle().await;
    service.handle().unpark_key(&"b");
    parked.await.unwrap().unwrap();
    assert_eq!(Instant::now() - began, 100 * MS);
}

#[tokio::test(start_paused = true)]
async fn tenants_are_told_apart_by_the_context() {
    let script = Script::answering("hello");
    let service = RateLimitLayer::new(refusing(ten_per_second(1)))
        .unwrap()
        .calls()
        .by_tenant()
        .layer(script.service());
    let call = |tenant: Option<&str>| {
        let mut call = Call::new(());
        call.context.tenant = tenant.map(Into::into);
        service.clone().oneshot(call)
    };
    call(Some("a")).await.unwrap();
    call(Some("b")).await.unwrap();
    call(None).await.unwrap();
    refused(call(Some("a")).await);
    refused(call(None).await);
}

#[tokio::test(start_paused = true)]
async fn services_can_share_keys() {
    let handle = RateLimitHandle::<Keyed<u32>>::keyed(refusing(ten_per_second(1))).unwrap();
    let script = Script::answering("hello");
    let layer = RateLimitLayer::new(ten_per_second(1))
        .unwrap()
        .keyed(|request: &u32| *request)
        .share(&handle);
    let (one, other) = (layer.layer(script.service()), layer.layer(script.service()));
    one.clone().oneshot(1).await.unwrap();
    refused(other.clone().oneshot(1).await);
    other.clone().oneshot(2).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn settlement_goes_to_the_key_even_after_it_was_forgotten() {
    let limiter = Limiter::<Keyed<u32>>::new(built(
        RateLimitConfig::default().with_tokens(Limit::per_second(10.0).with_burst(10)),
    ));
    let cost = |tokens| limiter.parts(&Cost::tokens(tokens));
    let now = Timestamp::now();
    let place = limiter.take(&1, &cost(10), now).unwrap();
    assert_eq!(limiter.buckets.keys(), Some(1));
    tokio::time::advance(10 * SEC).await;
    // Others come, and it is forgotten.
    for key in 1_000..2_000 {
        limiter.take(&key, &cost(10), Timestamp::now()).unwrap();
    }
    limiter.settle(&1, place, &cost(10), &[0; 3]);
    let now = Timestamp::now();
    limiter.settle(&1, place, &[0; 3], &cost(5));
    assert!(limiter.take(&1, &cost(6), now).is_none(), "it owes five");
    assert!(limiter.take(&1, &cost(5), now).is_some());
}

#[tokio::test(start_paused = true)]
async fn keys_that_have_rested_are_forgotten() {
    let limiter = Limiter::<Keyed<u32>>::new(ten_per_second(1));
    let cost = limiter.parts(&Cost::default());
    // 50,000 keys in all, each resting after its one call: 10 ms apart, so that 10 are busy at a time.
    let mut most = 0;
    for key in 0..50_000 {
        limiter.take(&key, &cost, Timestamp::now()).unwrap();
        tokio::time::advance(10 * MS).await;
        most = most.max(limiter.buckets.keys().unwrap());
    }
    assert!(most < 500, "{most} keys were kept");
}

#[tokio::test(start_paused = true)]
async fn made_up_keys_share_what_is_left_and_cost_no_memory() {
    let limiter = Limiter::<Keyed<u32>>::new(ten_per_second(1).with_max_keys(100));
    let cost = limiter.parts(&Cost::default());
    let now = Timestamp::now();
    let admitted = (0..100_000)
        .filter(|key| limiter.take(key, &cost, now).is_some())
        .count();
    // A hundred keys, and one bucket for the rest in each of 64 shards.
    assert!((100..=164).contains(&admitted), "{admitted}");
    assert_eq!(limiter.buckets.keys(), Some(100));
    // Those that are known keep their own.
    tokio::time::advance(100 * MS).await;
    let now = Timestamp::now();
    let again = (0..100_u32)
        .filter(|key| limiter.take(key, &cost, now).is_some())
        .count();
    assert!(again > 90, "{again}");
    let late = limiter.take(&4_000_000, &cost, now);
    assert!(
        late.is_some(),
        "a new key finds room once others have rested"
    );
}

#[test]
fn a_million_keys_take_at_most_64_bytes_each_beside_the_key() {
    // Tables grow by doubling, so a quarter fills them as a million does.
    const KEYS: u64 = if cfg!(debug_assertions) {
        250_000
    } else {
        1_000_000
    };
    let limiter = Limiter::<Keyed<u64>>::new(built(
        RateLimitConfig::requests(Limit::per_minute(1.0))
            .with_tokens(Limit::per_minute(1_000.0))
            .with_nano_dollars(Limit::per_minute(1e9)),
    ));
    let cost = limiter.parts(&Cost {
        requests: 1,
        tokens: 10,
        nano_dollars: 10,
    });
    let now = Timestamp::from_nanos(1);
    let mut most = 0.0_f64;
    for key in 1..=KEYS {
        assert!(limiter.take(&key, &cost, now).is_some());
        if key % 100_000 == 0 {
            let each = limiter.buckets.bytes() as f64 / key as f64 - size_of::<u64>() as f64;
            most = most.max(each);
        }
    }
    assert_eq!(limiter.buckets.keys(), Some(KEYS as usize));
    assert!(most <= 64.0, "{most} bytes a key");
    let each = limiter.buckets.bytes() as f64 / KEYS as f64 - size_of::<u64>() as f64;
    assert!(each <= 60.0, "{each} bytes a key");
}
