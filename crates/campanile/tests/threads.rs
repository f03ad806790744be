//! The pool on several threads at once: calls, cancellations, gates and members all race. When the dust settles no call may
//! hang, and nothing may be counted that is over. Time is real here, since tokio pauses it for one thread only; nobody
//! sleeps.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use campanile::{
    BoxError, Endpoint,
    balance::{BalanceConfig, BalanceLayer, LeastLoaded},
    discover::{PerEndpointLayer, Roster},
    endpoint::Reason,
};
use futures_util::{FutureExt, future::select};
use tokio::task::{JoinSet, yield_now};
use tower::{ServiceBuilder, ServiceExt};

const MEMBERS: usize = 4;
const CALLERS: usize = 32;
const CALLS: usize = 1_000;

async fn idle(turns: u32) {
    for _ in 0..turns {
        yield_now().await;
    }
}

/// What a member does. A function: rustc cannot tell that an async closure that answers with a boxed error may be called
/// within a spawned task by `oneshot`.
async fn work(turns: u32) -> Result<(), BoxError> {
    idle(turns).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_hangs_and_nothing_is_left_when_everything_races() {
    let roster = Roster::new();
    let mut config = BalanceConfig::default();
    // Nobody may be refused: a call that is not woken hangs, and the test with it.
    config.patience = Duration::from_secs(3_600);
    let pool = ServiceBuilder::new()
        .layer(
            BalanceLayer::bare(LeastLoaded::default())
                .config(config)
                .unwrap(),
        )
        .layer(PerEndpointLayer::new(|_: &Endpoint, _: u32| {
            // Fewer places than callers, so that calls wait for each other too.
            ServiceBuilder::new()
                .concurrency_limit(2)
                .service(tower::service_fn(work))
        }))
        .service(roster.changes());
    let mut endpoints = Vec::new();
    for member in 0..MEMBERS {
        endpoints.push(roster.insert(member.to_string(), 0).unwrap());
    }

    let over = Arc::new(AtomicBool::new(false));
    let mut disturbers = JoinSet::new();
    // One writer for each reason, as is the rule.
    for reason in [Reason::Breaker, Reason::Quota] {
        let (over, endpoints) = (Arc::clone(&over), endpoints.clone());
        disturbers.spawn(async move {
            let mut rng = fastrand::Rng::with_seed(reason as u64);
            while !over.load(Ordering::Relaxed) {
                for endpoint in &endpoints {
                    let now = campanile::time::Timestamp::now();
                    match rng.u32(..4) {
                        0 => endpoint.gate().close(reason),
                        1 => endpoint
                            .gate()
                            .close_until(reason, now.after(Duration::from_micros(200))),
                        _ => endpoint.gate().open(reason),
                    }
                    idle(rng.u32(..4)).await;
                }
            }
            for endpoint in &endpoints {
                endpoint.gate().open(reason);
            }
        });
    }
    let (coming, changing) = (Arc::clone(&over), roster.clone());
    let passing = disturbers.spawn(async move {
        let mut gone = Vec::new();
        let mut target = 0;
        while !coming.load(Ordering::Relaxed) {
            target += 1;
            gone.push(changing.insert("passing", target).unwrap());
            idle(3).await;
            if target % 3 == 0 {
                changing.remove("passing").unwrap();
            }
            gone.retain(|endpoint: &Endpoint| endpoint.in_flight() > 0);
        }
        let _ = changing.remove("passing");
        while gone.iter().any(|endpoint| endpoint.in_flight() > 0) {
            yield_now().await;
        }
    });

    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let pool = pool.clone();
        callers.spawn(async move {
            let mut rng = fastrand::Rng::with_seed(caller as u64);
            for _ in 0..CALLS {
                let call = pool.clone().oneshot(rng.u32(..4));
                if rng.u32(..3) == 0 {
                    // Given up after a while, wherever it is then.
                    let patience = Box::pin(idle(rng.u32(..6)));
                    drop(select(Box::pin(call), patience).await);
                } else {
                    call.await.unwrap();
                }
            }
        });
    }
    let finish = async {
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
        over.store(true, Ordering::Relaxed);
        while let Some(disturber) = disturbers.join_next().await {
            disturber.unwrap();
        }
    };
    let finished = tokio::time::timeout(Duration::from_secs(60), finish).await;
    assert!(finished.is_ok(), "some call hangs: {:?}", roster.snapshot());
    assert!(passing.is_finished());
    let mut served = 0;
    for endpoint in &endpoints {
        let outcomes = endpoint.outcomes();
        served += outcomes.success;
        assert_eq!(endpoint.in_flight(), 0, "{endpoint}");
        assert_eq!(outcomes.failure + outcomes.overloaded, 0, "{outcomes:?}");
    }
    assert!(
        served > (CALLERS * CALLS / 4) as u64,
        "only {served} were served"
    );
    // The permits are all back as well.
    for _ in 0..MEMBERS * 2 {
        assert!(pool.clone().oneshot(0).now_or_never().is_some());
    }
}
