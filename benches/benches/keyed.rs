//! What a keyed rate limiter remembers of 1,000,000 keys: bytes of heap a key, the key itself not counted.
//!
//! `cargo bench -p campanile-benches --bench keyed -- --readme`
#![allow(missing_docs)] // a benchmark is a program

use std::{
    cell::RefCell,
    future::Future,
    num::NonZeroU32,
    pin::pin,
    process::ExitCode,
    task::{Context, Poll, Waker},
    time::Duration,
};

use campanile::rate_limit::{Limit, RateLimitConfig, RateLimitLayer};
use campanile_benches::{Instant0, Table, report};
use governor::{DefaultKeyedRateLimiter, Quota};
use tower::{Layer, Service};

/// Keys that call once each.
const KEYS: u64 = 1_000_000;

fn main() -> ExitCode {
    let mut table = Table::new([
        "whose",
        "bytes a key, besides the key",
        "bytes a key at the worst moment",
    ]);
    table.row(measure("**campanile**", || {
        let limit = Limit::new(1.0, Duration::from_secs(3_600));
        let config = RateLimitConfig::requests(limit).with_max_wait(Duration::ZERO);
        let layer = RateLimitLayer::new(config).expect("the limit is valid");
        let service = RefCell::new(layer.keyed(|key: &u64| *key).layer(Instant0));
        let call = |service: &RefCell<_>, key| call(&mut *service.borrow_mut(), key);
        (service, call)
    }));
    table.row(measure("governor", || {
        let limiter = DefaultKeyedRateLimiter::keyed(Quota::per_hour(NonZeroU32::MIN));
        let call = |limiter: &DefaultKeyedRateLimiter<u64>, key| limiter.check_key(&key).is_ok();
        (limiter, call)
    }));
    report(&table, "keyed")
}

/// Whether a call is admitted.
fn call<S: Service<u64>>(service: &mut S, key: u64) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let ready = service.poll_ready(&mut cx);
    assert!(matches!(ready, Poll::Ready(Ok(()))), "it is always ready");
    let answer = pin!(service.call(key)).poll(&mut cx);
    matches!(answer, Poll::Ready(Ok(_)))
}

/// Bytes that stay allocated and that were at most, a key.
fn measure<L>(who: &str, build: impl FnOnce() -> (L, fn(&L, u64) -> bool)) -> [String; 3] {
    let mut kept = None;
    let counted = allocation_counter::measure(|| {
        let (limiter, call) = build();
        for key in 0..KEYS {
            assert!(call(&limiter, key), "the first call of a key is admitted");
        }
        kept = Some(limiter);
    });
    let each = |bytes: f64| format!("{:.1}", bytes / KEYS as f64 - size_of::<u64>() as f64);
    [
        who.to_owned(),
        each(counted.bytes_current as f64),
        each(counted.bytes_max as f64),
    ]
}
