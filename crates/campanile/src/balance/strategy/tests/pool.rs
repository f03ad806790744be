//! Strategies at work in a pool.

use std::time::Duration;

use tower::{Service, ServiceExt, service_fn};
use tower_layer::Layer;

use super::{super::*, no_report};
use crate::{
    BoxError,
    balance::BalanceLayer,
    discover::{PerEndpointLayer, Roster},
};

/// Three endpoints, one of which fails after 1 ms; the others take 20 ms. Its share of 600 calls, 8 at a time.
async fn share_of_fast_failure<St: Pick<u32>>(strategy: St) -> f64 {
    let roster = Roster::new();
    for key in ["fails", "works-1", "works-2"] {
        roster.insert(key, ()).unwrap();
    }
    let fails = roster.get("fails").unwrap();
    let stack = PerEndpointLayer::new(|endpoint: &Endpoint, (): ()| {
        let fails = endpoint.key() == "fails";
        service_fn(move |n: u32| async move {
            tokio::time::sleep(Duration::from_millis(if fails { 1 } else { 20 })).await;
            if fails {
                Err(BoxError::from("failed"))
            } else {
                Ok(n)
            }
        })
    });
    let pool = BalanceLayer::new(strategy)
        .seed(3)
        .layer(stack.layer(roster.changes()));
    tokio::task::yield_now().await;
    let workers = (0..8).map(|_| {
        let mut pool = pool.clone();
        tokio::spawn(async move {
            for n in 0..75 {
                let _ = pool.ready().await.unwrap().call(n).await;
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    let failed = fails.outcomes().failure;
    failed as f64 / 600.0
}

#[tokio::test(start_paused = true)]
async fn fast_failure_gets_no_more_than_its_third() {
    macro_rules! check {
        ($($strategy:expr),+ $(,)?) => {$(
            let share = share_of_fast_failure($strategy).await;
            assert!(share <= 1.0 / 3.0, "{}: {share}", stringify!($strategy));
        )+};
    }
    check!(
        RoundRobin::new(),
        Random,
        Weighted::new(),
        LeastLoaded::two_choices(),
        Affinity::by(|n: &u32| Some(u64::from(*n))),
        Wjsq::probing(no_report),
        Wjsq::pooled(no_report),
        Wjsq::piggybacked(),
        Prequal::new(),
        Prequal::probing(no_report),
        AvoidTried::new(LeastLoaded::default()),
        Tiers::new(LeastLoaded::default()),
        SlowStart::new(LeastLoaded::default()),
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_cancelled_while_it_waits_for_probes_leaves_nothing() {
    let probes = std::sync::Arc::new(());
    let held = std::sync::Arc::clone(&probes);
    let hangs = move |_: &Endpoint| {
        let held = std::sync::Arc::clone(&held);
        async move {
            let _held = held;
            std::future::pending().await
        }
    };
    let roster = Roster::new();
    for key in ["a", "b", "c"] {
        roster.insert(key, ()).unwrap();
    }
    let stack = PerEndpointLayer::new(|_: &Endpoint, (): ()| {
        service_fn(|n: u32| async move { Ok::<_, BoxError>(n) })
    });
    let mut pool = BalanceLayer::new(Wjsq::probing(hangs)).layer(stack.layer(roster.changes()));
    let call = pool.ready().await.unwrap().call(1);
    assert!(
        tokio::time::timeout(Duration::from_millis(10), call)
            .await
            .is_err(),
        "it waits for its probes"
    );
    // The test's and the source's.
    assert_eq!(std::sync::Arc::strong_count(&probes), 2);
    assert!(
        roster
            .endpoints()
            .iter()
            .all(|endpoint| endpoint.in_flight() == 0)
    );

    // One that stays picks by its own view when the time for probes is over.
    let began = tokio::time::Instant::now();
    assert_eq!(pool.ready().await.unwrap().call(2).await.unwrap(), 2);
    let waited = tokio::time::Instant::now() - began;
    assert!((50..60).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(std::sync::Arc::strong_count(&probes), 2);
}

/// Two endpoints of 10 ms a call and one of 40 ms, which say so. The slow one's share of 800 calls, 8 at a time.
async fn share_of_slow<St: Pick<u32>>(strategy: St) -> f64 {
    let roster = Roster::new();
    for (key, millis) in [("1", 10), ("2", 10), ("slow", 40)] {
        roster.insert(key, millis).unwrap();
    }
    let stack = PerEndpointLayer::new(|_: &Endpoint, millis: u64| {
        service_fn(move |_: u32| async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok::<_, BoxError>(millis)
        })
    });
    let pool = BalanceLayer::new(strategy)
        .seed(3)
        .reports(|millis: &u64| {
            Some(LoadReport {
                time_per_unit: Some(Duration::from_millis(*millis)),
                ..LoadReport::default()
            })
        })
        .layer(stack.layer(roster.changes()));
    tokio::task::yield_now().await;
    let workers = (0..8).map(|_| {
        let mut pool = pool.clone();
        tokio::spawn(async move {
            for n in 0..100 {
                pool.ready().await.unwrap().call(n).await.unwrap();
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    roster.get("slow").unwrap().outcomes().success as f64 / 800.0
}

#[tokio::test(start_paused = true)]
async fn a_slow_endpoint_that_says_so_gets_less() {
    let ask = |endpoint: &Endpoint| {
        let millis = if endpoint.key() == "slow" { 40 } else { 10 };
        let report = LoadReport {
            in_flight: Some(endpoint.in_flight()),
            time_per_unit: Some(Duration::from_millis(millis)),
            ..LoadReport::default()
        };
        async move {
            tokio::time::sleep(Duration::from_micros(200)).await;
            Some(report)
        }
    };
    // A quarter of the others' speed: a ninth of the calls is its share.
    for (strategy, share) in [
        ("probing", share_of_slow(Wjsq::probing(ask)).await),
        ("pooled", share_of_slow(Wjsq::pooled(ask)).await),
        ("piggybacked", share_of_slow(Wjsq::piggybacked()).await),
        ("prequal", share_of_slow(Prequal::new()).await),
        (
            "prequal, probing",
            share_of_slow(Prequal::probing(ask)).await,
        ),
    ] {
        assert!(share < 0.2, "{strategy}: {share}");
    }
}
