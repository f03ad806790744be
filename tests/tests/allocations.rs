//! A call through the pool allocates nothing, whichever endpoint it goes to.

use std::{
    future::{Future, Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use campanile::{
    BoxError, Endpoint,
    balance::{BalanceLayer, Ebw, LeastLoaded, PeakEwma, Pick},
    discover::{PerEndpointLayer, Roster},
};
use tower::{Service, ServiceBuilder, ServiceExt};

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

async fn calls_allocate_nothing<St: Pick<u64>>(
    members: usize,
    strategy: St,
) -> Result<(), BoxError> {
    let roster = Roster::new();
    for member in 0..members {
        roster.insert(format!("member-{member}"), member)?;
    }
    let mut pool = ServiceBuilder::new()
        .layer(BalanceLayer::new(strategy))
        .layer(PerEndpointLayer::new(|_: &Endpoint, _: usize| Echo))
        .service(roster.changes());
    while pool.len() < members {
        tokio::task::yield_now().await;
    }

    // An endpoint's first call makes its idle clone: every one is called before it counts.
    let mut run = |calls: u64| {
        allocation_counter::measure(|| {
            for request in 0..calls {
                let call = pin!(async { pool.ready().await?.call(request).await });
                // Answered at once: no executor is needed, whose allocations would count.
                let answer = call.poll(&mut Context::from_waker(Waker::noop()));
                assert!(matches!(answer, Poll::Ready(Ok(echo)) if echo == request));
            }
        })
        .count_total
    };
    let idle = || {
        roster
            .endpoints()
            .iter()
            .any(|endpoint| endpoint.outcomes().success == 0)
    };
    for _ in 0..1_000 {
        if !idle() {
            break;
        }
        run(1_000);
    }
    assert!(!idle(), "some member of {members} is never called");
    let allocations = run(10_000);
    assert_eq!(allocations, 0, "{members} members");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_call_allocates_nothing() -> Result<(), BoxError> {
    for members in [3, 100, 1_000] {
        calls_allocate_nothing(members, Ebw::default()).await?;
        calls_allocate_nothing(members, PeakEwma::default()).await?;
        calls_allocate_nothing(members, LeastLoaded::default()).await?;
    }
    Ok(())
}
