use std::{
    future::{Ready, ready},
    hint::black_box,
    task::{Context, Poll},
};

use campanile::{
    BoxError, Outcome,
    completion::{Completion, Observe},
    protocol::{Guarded, Unary},
    time::Timestamp,
};
use tower::Service;

use super::{Case, FRAME, OURS};
use crate::Instant0;

pub(super) use spend::of_a_tenant;

mod breaker;
mod limit;
mod rate;
mod repeat;
mod spend;
mod stack;
mod timeout;

/// Our guards.
pub(super) fn cases() -> Vec<Case> {
    [
        frame(),
        breaker::cases(),
        limit::cases(),
        timeout::cases(),
        repeat::cases(),
        rate::cases(),
        spend::cases(),
        stack::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn frame() -> Vec<Case> {
    vec![
        Case::numbers(FRAME, "campanile, two readings of the clock", || Clock),
        Case::numbers(FRAME, OURS, || Frame),
    ]
}

/// What a guard does that only follows calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame;

impl Service<u64> for Frame {
    type Response = u64;
    type Error = BoxError;
    type Future = Guarded<Instant0, Unary, Last, u64>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        let completion = Completion::new(Last);
        Guarded::calling(Instant0.call(request), completion, Unary::default())
    }
}

/// Follows a call and keeps nothing of it.
pub(crate) struct Last;

impl Observe for Last {
    fn end(&mut self, now: Timestamp, outcome: Outcome) {
        black_box((now, outcome));
    }
}

/// Reads the clock at the begin and the end.
#[derive(Debug, Clone, Copy)]
struct Clock;

impl Service<u64> for Clock {
    type Response = u64;
    type Error = BoxError;
    type Future = Ready<Result<u64, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        black_box(Timestamp::now());
        black_box(Timestamp::now());
        ready(Ok(request))
    }
}
