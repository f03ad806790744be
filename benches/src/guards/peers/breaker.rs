use std::task::{Context, Poll};

use campanile::BoxError;
use failsafe::{
    StateMachine,
    backoff::EqualJittered,
    failure_policy::{ConsecutiveFailures, OrElse, SuccessRateOverTimeWindow},
    futures::{CircuitBreaker as _, ResponseFuture},
};
use recloser::{AnyError, AsyncRecloser, Recloser, RecloserFuture};
use seatbelt::breaker::Breaker;
use tower::{Layer, Service};
use tower_resilience::circuitbreaker::CircuitBreakerLayer;

use super::{Answer, Case, recovery, seatbelt};
use crate::{Instant0, guards::BREAKER};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::numbers(BREAKER, "recloser", || Closing {
            breaker: AsyncRecloser::from(Recloser::custom().build()),
            inner: Instant0,
        }),
        Case::numbers(BREAKER, "tower-resilience", || {
            CircuitBreakerLayer::builder()
                .build()
                .expect("the defaults are valid")
                .layer(Instant0)
        }),
        Case::numbers(BREAKER, "seatbelt", || {
            Breaker::layer("breaker", &seatbelt())
                .recovery_with(|answer: &Answer, _| recovery(answer))
                .rejected_input_error(|_, _| BoxError::from("open"))
                .layer(Instant0)
        }),
        Case::numbers(BREAKER, "failsafe", || Failsafe {
            breaker: failsafe::Config::new().build(),
            inner: Instant0,
        }),
    ]
}

/// recloser guards a future, not a service.
#[derive(Clone)]
struct Closing<S> {
    breaker: AsyncRecloser,
    inner: S,
}

impl<S: Service<u64, Error = BoxError>> Service<u64> for Closing<S> {
    type Response = S::Response;
    type Error = recloser::Error<BoxError>;
    type Future = RecloserFuture<S::Future, AnyError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(recloser::Error::Inner)
    }

    fn call(&mut self, request: u64) -> Self::Future {
        self.breaker.call(self.inner.call(request))
    }
}

type Policy = OrElse<SuccessRateOverTimeWindow<EqualJittered>, ConsecutiveFailures<EqualJittered>>;

/// failsafe likewise.
#[derive(Clone)]
struct Failsafe<S> {
    breaker: StateMachine<Policy, ()>,
    inner: S,
}

impl<S: Service<u64, Error = BoxError>> Service<u64> for Failsafe<S> {
    type Response = S::Response;
    type Error = failsafe::Error<BoxError>;
    type Future = ResponseFuture<S::Future, Policy, (), failsafe::Any>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(failsafe::Error::Inner)
    }

    fn call(&mut self, request: u64) -> Self::Future {
        self.breaker.call(self.inner.call(request))
    }
}
