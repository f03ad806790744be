//! The contracts of the layer. Each is a test, by subject.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};
use tower::{Service, ServiceExt};
use tower_layer::Layer;

use super::*;
use crate::{
    BoxError, Call, Context, Rejection,
    budget::{Budget, BudgetConfig},
    context::{KeepTrail, Trail},
    cost::Cost,
    outcome::Outcome,
    protocol::Unary,
    testing::{Readiness, Script, Scripted, Step, seeded},
};

mod collect;
mod config;
mod contract;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "balance")]
mod pool;
mod races;
mod scenario;
mod state;
mod streams;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

/// A hedge after 100 ms.
fn plain() -> HedgeConfig {
    HedgeConfig::default().with_delay(Delay::fixed(100 * MS))
}

/// A budget that is never the matter.
fn rich() -> Budget {
    Budget::new(
        BudgetConfig::default()
            .with_cap(1e9)
            .with_initial(1e9)
            .build()
            .unwrap(),
    )
}

fn over<T>(script: &Script<T>) -> Hedge<Scripted<T>, Unary, OnHead> {
    HedgeLayer::new(plain().build().unwrap())
        .unwrap()
        .budget(rich())
        .layer(script.service())
}

/// How long a call took, and what came of it.
async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let answer = call.await;
    (answer, Instant::now() - start)
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

/// Lets every task that can go on go on, without time passing.
async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}
