//! A call that its guards let pass allocates nothing, and arms no timer: there is no runtime here to arm one in.

use std::{
    future::{Future, Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use campanile::{
    BoxError,
    fallback::FallbackLayer,
    load_shed::LoadShedLayer,
    timeout::{TimeoutConfig, TimeoutLayer},
};
use tower::{Layer, Service};

/// A processor that answers at once.
#[derive(Clone)]
struct Echo;

impl Service<u64> for Echo {
    type Response = u64;
    type Error = BoxError;
    type Future = Ready<Result<u64, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        ready(Ok(request))
    }
}

/// What 1,000 calls allocate.
fn allocations<S>(mut service: S) -> u64
where
    S: Service<u64, Response = u64, Error = BoxError>,
{
    let mut run = || {
        for request in 0..1_000 {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(service.poll_ready(&mut cx).is_ready());
            let answer = pin!(service.call(request)).poll(&mut cx);
            assert!(matches!(answer, Poll::Ready(Ok(echo)) if echo == request));
        }
    };
    // The clock is made at its first reading.
    run();
    allocation_counter::measure(run).count_total
}

fn clocks() -> TimeoutLayer {
    let limit = Duration::from_secs(30);
    let config = TimeoutConfig::new()
        .with_head(limit)
        .with_first_data(limit)
        .with_between_data(limit)
        .with_total(limit);
    TimeoutLayer::new(config.build().unwrap()).unwrap()
}

#[test]
fn a_call_within_its_clocks_allocates_nothing() {
    assert_eq!(allocations(clocks().layer(Echo)), 0);
}

#[test]
fn a_call_that_is_not_shed_allocates_nothing() {
    assert_eq!(allocations(LoadShedLayer::default().layer(Echo)), 0);
}

#[test]
fn a_call_that_does_not_fail_allocates_nothing() {
    assert_eq!(allocations(FallbackLayer::to(Echo).layer(Echo)), 0);
    assert_eq!(allocations(FallbackLayer::value(7).layer(Echo)), 0);
}
