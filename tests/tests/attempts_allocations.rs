//! A call that is neither tried again nor hedged allocates nothing, where it waits too.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use campanile::{
    BoxError, Call,
    context::KeepTrail,
    hedge::{Delay, HedgeConfig, HedgeLayer},
    retry::{RetryConfig, RetryLayer},
};
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer, Service};

type Body = Empty<&'static [u8]>;

/// A processor that answers after so many polls.
#[derive(Clone)]
struct Upstream {
    polls: u32,
}

struct Answer {
    polls: u32,
}

impl<Req> Service<Req> for Upstream {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Req) -> Answer {
        Answer { polls: self.polls }
    }
}

impl Future for Answer {
    type Output = Result<Response<Body>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.polls {
            0 => Poll::Ready(Ok(Response::new(Body::new()))),
            _ => {
                self.polls -= 1;
                Poll::Pending
            }
        }
    }
}

/// What 1,000 calls allocate.
fn allocations<S, Req>(mut service: S, request: impl Fn() -> Req) -> u64
where
    S: Service<Req, Error = BoxError>,
{
    let mut run = || {
        for _ in 0..1_000 {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(service.poll_ready(&mut cx).is_ready());
            let mut call = pin!(service.call(request()));
            let answer = (0..10).find_map(|_| match call.as_mut().poll(&mut cx) {
                Poll::Ready(answer) => Some(answer),
                Poll::Pending => None,
            });
            assert!(matches!(answer, Some(Ok(_))));
        }
    };
    // The clock is made at its first reading, and the trail by the first call.
    run();
    allocation_counter::measure(run).count_total
}

fn upstreams() -> [Upstream; 2] {
    [0, 3].map(|polls| Upstream { polls })
}

fn request() -> Request<Body> {
    Request::new(Body::new())
}

#[test]
fn a_call_that_is_not_tried_again_allocates_nothing() {
    let layer = || RetryLayer::new(RetryConfig::default()).unwrap();
    for upstream in upstreams() {
        assert_eq!(allocations(layer().layer(upstream.clone()), || 7_u64), 0);
        let calls = layer().calls().layer(upstream.clone());
        assert_eq!(allocations(calls, || Call::new(7_u64)), 0);
        let config = RetryConfig::default().with_trail(KeepTrail::WithContext);
        let http = RetryLayer::new(config).unwrap().http();
        assert_eq!(allocations(http.layer(upstream.clone()), request), 0);
        let replay = RetryLayer::new(RetryConfig::default().with_trail(KeepTrail::WithContext))
            .unwrap()
            .http()
            .replay_bodies(1_000);
        assert_eq!(allocations(replay.layer(upstream), request), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_hedged_allocates_nothing() {
    let fixed = HedgeConfig::default().with_delay(Delay::fixed(Duration::from_secs(1)));
    for config in [HedgeConfig::default(), fixed] {
        let config = config.with_trail(KeepTrail::WithContext);
        for upstream in upstreams() {
            let layer = || HedgeLayer::new(config.clone()).unwrap();
            assert_eq!(allocations(layer().layer(upstream.clone()), || 7_u64), 0);
            let calls = layer().calls().layer(upstream.clone());
            assert_eq!(allocations(calls, || Call::new(7_u64)), 0);
            assert_eq!(allocations(layer().http().layer(upstream), request), 0);
        }
    }
}
