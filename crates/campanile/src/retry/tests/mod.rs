//! The contracts of the layer. Each is a test, by subject.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tower::{Service, ServiceExt};
use tower_layer::Layer;

use super::*;
use crate::{
    BoxError, Call, Context, Rejection,
    budget::{Budget, BudgetConfig},
    context::Trail,
    outcome::Outcome,
    protocol::Unary,
    rejection::RejectionKind,
    testing::{Readiness, Script, Scripted, Step, seeded},
};

mod backoff;
mod contract;
mod decide;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "balance")]
mod pool;
mod retries;
mod scenario;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

/// Waits of 100 ms, and no budget.
fn plain() -> RetryConfig {
    RetryConfig::default()
        .with_backoff(Backoff::fixed(100 * MS))
        .with_budget(None)
        .with_seed(1)
}

fn over<T>(script: &Script<T>, config: RetryConfig) -> Retry<Scripted<T>, Unary, NoAdvice, Cloned> {
    RetryLayer::new(config.build().unwrap())
        .unwrap()
        .layer(script.service())
}

/// How long a call took, and what came of it.
async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let answer = call.await;
    (answer, Instant::now() - start)
}

fn throttled(after: Duration) -> BoxError {
    Rejection::new(RejectionKind::RateLimited, "upstream")
        .with_retry_after(after)
        .into()
}

fn overloaded(after: Duration) -> BoxError {
    Rejection::new(RejectionKind::Shed, "upstream")
        .with_retry_after(after)
        .into()
}

/// Lets every task that can go on go on, without time passing.
async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

/// A call that has begun.
async fn begin<S, Req>(service: &mut S, request: Req) -> S::Future
where
    S: Service<Req, Error = BoxError>,
{
    ready(service).await.unwrap().call(request)
}

/// Readiness for a request of this type.
async fn ready<S, Req>(service: &mut S) -> Result<&mut S, BoxError>
where
    S: Service<Req, Error = BoxError>,
{
    service.ready().await
}
