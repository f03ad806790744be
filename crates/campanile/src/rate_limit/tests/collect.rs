use super::*;
use crate::{collect::tests::Told, control::Dial};

#[tokio::test(start_paused = true)]
async fn it_tells_every_unit_by_a_label() {
    let config = RateLimitConfig::requests(Limit::per_minute(600.0).with_burst(5))
        .with_tokens(Limit::per_second(1_000.0).with_burst(2_000));
    let limit = RateLimitHandle::new(config).unwrap();
    let service = RateLimitLayer::shared(&limit)
        .calls()
        .cost(|_: &Call<()>| Cost::tokens(1_500))
        .layer(Script::answering("hello").service());
    service.oneshot(Call::new(())).await.unwrap();

    let told = Told::by(&limit);
    assert_eq!(told.get("rate_limit_per_second{unit=requests}"), 10.0);
    assert_eq!(told.get("rate_limit_burst{unit=requests}"), 5.0);
    assert_eq!(told.get("rate_limit_left{unit=requests}"), 4.0);
    assert_eq!(told.get("rate_limit_per_second{unit=tokens}"), 1_000.0);
    assert_eq!(told.get("rate_limit_left{unit=tokens}"), 500.0);
    assert_eq!(told.get("rate_limit_pace_ratio"), 1.0);
    assert_eq!(told.get("rate_limit_waiting"), 0.0);
    assert!(!told.has("rate_limit_per_second{unit=nano_dollars}"));

    limit.rate_dial().set(300.0);
    limit.park(7 * SEC);
    let told = Told::by(&limit);
    assert_eq!(told.get("rate_limit_per_second{unit=requests}"), 5.0);
    assert_eq!(told.get("rate_limit_parked_seconds"), 7.0);
}

/// A key is what a request brought: no key is ever told, however many there are.
#[tokio::test(start_paused = true)]
async fn it_tells_no_keys() {
    let config = RateLimitConfig::requests(Limit::per_second(10.0));
    let limit = RateLimitHandle::<Keyed<u32>>::keyed(config).unwrap();
    for key in 0..100 {
        limit.park_key(&key, SEC);
    }
    let told = Told::by(&limit);
    assert_eq!(told.get("rate_limit_keys"), 100.0);
    assert_eq!(told.get("rate_limit_per_second{unit=requests}"), 10.0);
    assert!(!told.has("rate_limit_left{unit=requests}"));
}
