use std::{
    future::Future,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tower::{Layer, Service, ServiceExt};

use super::{lane::Lanes, *};
use crate::{
    BoxError, Endpoint, Rejection,
    completion::Observe,
    outcome::{FailureKind, Outcome},
    protocol::Unary,
    rejection::RejectionKind,
    testing::{Script, Scripted, Step},
    time::Timestamp,
};

mod closed;
mod collect;
mod contract;
mod endings;
mod faults;
mod gated;
mod half_open;
mod hand;
mod model;
#[cfg(feature = "http")]
mod streaming;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

const FAILED: Outcome = Outcome::Failure(FailureKind::Error);

type Guarding = CircuitBreaker<Scripted<&'static str>, Unary>;

fn config() -> CircuitBreakerConfig {
    CircuitBreakerConfig::default()
}

/// A breaker without a service: calls are let in and end as the test says.
struct Scene {
    lanes: Lanes,
    handle: CircuitBreakerHandle,
}

impl Scene {
    fn new(config: CircuitBreakerConfig) -> Self {
        let handle = CircuitBreakerHandle::new(config.build().unwrap()).unwrap();
        let lanes = Lanes::new(Arc::clone(&handle.breaker), None);
        Self { lanes, handle }
    }

    fn begin(&self) -> Result<Admission, Rejection> {
        Admission::new(&self.lanes)
    }

    fn call(&self, outcome: Outcome) {
        end(self.begin().unwrap(), outcome);
    }

    fn calls(&self, outcomes: impl IntoIterator<Item = Outcome>) {
        outcomes.into_iter().for_each(|outcome| self.call(outcome));
    }

    /// A call that ends after a while.
    async fn call_of(&self, time: Duration, outcome: Outcome) {
        let admission = self.begin().unwrap();
        tokio::time::advance(time).await;
        end(admission, outcome);
    }

    /// Trips it, and passes the time for which it is open.
    async fn half_open(&self) {
        self.calls([FAILED; 5]);
        tokio::time::advance(self.reopens_in()).await;
    }

    fn reopens_in(&self) -> Duration {
        Duration::from_secs_f64(self.handle.snapshot().reopens_in.unwrap())
    }

    fn state(&self) -> BreakerState {
        self.handle.state()
    }

    fn refused(&self) -> Rejection {
        self.begin().unwrap_err()
    }
}

/// Ends a call as its completion would.
fn end(mut admission: Admission, outcome: Outcome) {
    let now = admission.clock();
    if outcome.is_success() {
        admission.head(now);
    }
    admission.end(now, outcome);
}

fn breaker(script: &Script<&'static str>, config: CircuitBreakerConfig) -> Guarding {
    CircuitBreakerLayer::new(config.build().unwrap())
        .unwrap()
        .layer(script.service())
}

/// A service that fails from the first call.
fn failing() -> Script<&'static str> {
    Script::new(Step::error("out of order"))
}

async fn trip(service: &Guarding) {
    for _ in 0..5 {
        service.clone().oneshot(()).await.unwrap_err();
    }
    assert_eq!(service.handle().state(), BreakerState::Open);
}

fn rejection(error: &BoxError) -> Rejection {
    *Rejection::find(&**error).expect("a rejection")
}

/// One poll of something that wakes nobody.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn assert_at_rest(service: &Guarding) {
    assert_eq!(service.handle().snapshot().probes, 0);
    assert_eq!(service.handle().breaker.waiters.len(), 0);
}
