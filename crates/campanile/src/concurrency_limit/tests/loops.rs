//! The limit in a closed loop with a service, by each algorithm as it is by default. How well they follow a service that
//! changes is for the scenarios of the simulation.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;

use super::*;
use crate::concurrency_limit::algorithm::AlgorithmConfig;

/// A service of so many slots: a call takes `work` once it has one.
fn slots(
    slots: usize,
    work: Duration,
) -> impl Service<(), Response = (), Error = BoxError, Future: Send> + Clone {
    let permits = Arc::new(tokio::sync::Semaphore::new(slots));
    tower::service_fn(move |()| {
        let permits = Arc::clone(&permits);
        async move {
            let _permit = permits.acquire().await?;
            tokio::time::sleep(work).await;
            Ok::<_, BoxError>(())
        }
    })
}

/// The mean limit of the second half of a run in which `callers` call without pause.
async fn closed_loop<S>(name: &str, inner: S, callers: usize, seconds: u32) -> (f64, f64)
where
    S: Service<(), Response = (), Error = BoxError, Future: Send> + Clone + Send + Sync + 'static,
{
    let config = ConcurrencyLimitConfig {
        algorithm: AlgorithmConfig::named(name).unwrap(),
        ..ConcurrencyLimitConfig::default().waiting(callers, 60 * SEC)
    };
    let service = ConcurrencyLimitLayer::new(config).unwrap().layer(inner);
    let handle = service.handle();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let mut service = service.clone();
        tasks.spawn(async move {
            loop {
                let _ = ServiceExt::<()>::ready(&mut service)
                    .await
                    .unwrap()
                    .call(())
                    .await;
            }
        });
    }
    tokio::time::sleep(seconds * SEC / 2).await;
    let before = handle.snapshot().completed.unwrap();
    let mut limits = 0.0;
    let looks = seconds * 5;
    for _ in 0..looks {
        tokio::time::sleep(100 * MS).await;
        limits += f64::from(handle.limit());
    }
    let done = handle.snapshot().completed.unwrap() - before;
    tasks.shutdown().await;
    assert_at_rest(&handle);
    (
        limits / f64::from(looks),
        done as f64 / (f64::from(seconds) / 2.0),
    )
}

/// Against 20 slots of 10 ms (2,000 calls a second at best) with 200 callers, tower-resilience's AIMD makes 1,580.
#[tokio::test(start_paused = true)]
async fn the_default_finds_the_slots_that_there_are() {
    let (limit, rate) = closed_loop("elastic", slots(20, 10 * MS), 200, 6).await;
    assert!(
        rate > 1_800.0,
        "{rate} calls a second at a limit of {limit}"
    );
    assert!(limit < 50.0, "{limit}");
}

/// tower-resilience's AIMD grows to its maximum then.
#[tokio::test(start_paused = true)]
async fn one_caller_does_not_raise_the_limit() {
    for name in ["elastic", "aimd", "vegas", "gradient2", "envoy_gradient"] {
        let (limit, _) = closed_loop(name, slots(1_000, 10 * MS), 1, 4).await;
        // Each starts at 20 at most.
        assert!(limit <= 20.0, "{name}: {limit}");
    }
}

/// Latency from 5 to 100 ms without any limit of slots: 50 callers make 942 calls a second without a limiter,
/// tower-resilience's AIMD lets 40 through, and its Vegas 18.
#[tokio::test(start_paused = true)]
async fn latency_that_varies_with_the_answer_does_not_end_the_traffic() {
    let rng = Arc::new(Mutex::new(crate::testing::seeded(5)));
    let inner = tower::service_fn(move |()| {
        let latency = rng.lock().unwrap().u32(5..=100) * MS;
        async move {
            tokio::time::sleep(latency).await;
            Ok::<_, BoxError>(())
        }
    });
    let (limit, rate) = closed_loop("elastic", inner, 50, 40).await;
    assert!(rate > 800.0, "{rate} calls a second at a limit of {limit}");
}

/// tower-resilience's AIMD falls from 100 to 1.
#[tokio::test(start_paused = true)]
async fn many_time_outs_at_once_are_one_event() {
    for name in ["elastic", "aimd", "vegas", "gradient2"] {
        let config = ConcurrencyLimitConfig {
            algorithm: AlgorithmConfig::named(name).unwrap(),
            ..ConcurrencyLimitConfig::default()
        };
        let step = |call| -> Step<&'static str> {
            match call {
                0..20 => Step::answer("done"),
                _ => Step::error_with(|| Rejection::new(RejectionKind::TimedOut, "timeout").into()),
            }
        };
        let service = with(config, &Script::rule(move |call| step(call).after(SEC)));
        for _ in 0..20 {
            call(&service).await.unwrap();
        }
        let before = service.handle().limit();
        // All are under way before the first of them ends.
        let calls: Vec<_> = (0..before).map(|_| call(&service)).collect();
        assert!(join_all(calls).await.iter().all(Result::is_err));
        let after = service.handle().limit();
        assert!(after * 2 >= before, "{name}: {before} to {after}");
    }
}
