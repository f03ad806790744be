//! However calls end, nothing is left behind.

use tokio::task::JoinSet;

use super::*;
use crate::{Completion, testing::seeded};

/// Never more on trial than the limit, however calls end; and afterwards every count is at its start.
#[tokio::test(start_paused = true)]
async fn random_endings_leave_every_count_at_its_start() {
    let script = Script::rule(|call| {
        let step = match call % 11 {
            0..=2 => Step::error("out of order"),
            3 => Step::stall(),
            4 => Step::panic_in_poll(),
            5 => Step::panic_in_call(),
            6 => Step::error_with(|| Rejection::new(RejectionKind::Shed, "test").into()),
            _ => Step::answer("well"),
        };
        step.after((call % 5) as u32 * 10 * MS)
    });
    let service = breaker(
        &script,
        config().with_open_for(100 * MS).with_open_max(100 * MS),
    );
    let mut watch = service.handle().watch();
    let mut rng = seeded(7);
    let (mut calls, mut half_open) = (JoinSet::new(), 0);
    for _ in 0..6_000 {
        let service = service.clone();
        let patience = rng.u32(1..80) * MS;
        calls.spawn(tokio::time::timeout(patience, service.oneshot(())));
        if rng.u32(..3) == 0 {
            tokio::time::sleep(rng.u32(..12) * MS).await;
        }
        if watch.has_changed().unwrap() {
            half_open += u32::from(watch.borrow_and_update().state == BreakerState::HalfOpen);
        }
        assert!(service_probes(&watch, &script) <= 3);
    }
    while calls.join_next().await.is_some() {}
    assert!(half_open > 10, "{half_open}");
    assert_eq!(script.counts().in_flight, 0);
    assert_at_rest(&service);
}

/// Calls in flight, while those can only be on trial: it was open, and longer than any call takes.
fn service_probes(
    watch: &tokio::sync::watch::Receiver<BreakerStatus>,
    script: &Script<&'static str>,
) -> usize {
    match watch.borrow().state {
        BreakerState::HalfOpen => script.counts().in_flight,
        _ => 0,
    }
}

/// 100,000 calls that end in every way, in every state, in any order.
#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_random_endings_leave_nothing_behind() {
    let scene = Scene::new(
        config()
            .with_failure_rate(Some(0.5))
            .with_slow_call(Some(20 * MS))
            .with_slow_rate(Some(0.6))
            .with_open_for(30 * MS)
            .with_open_max(100 * MS)
            .with_half_open_lease(50 * MS),
    );
    let endpoint = Endpoint::new("a");
    scene.handle.breaker.attach(&endpoint);
    let mut rng = seeded(11);
    let (mut calls, mut ended) = (Vec::new(), 0);
    while ended < 100_000 {
        if let Ok(admission) = scene.begin() {
            calls.push(Some(Completion::new(admission)));
        }
        if calls.len() < 20 && rng.u8(..3) == 0 {
            tokio::time::advance(rng.u32(..8) * MS).await;
            continue;
        }
        if calls.is_empty() {
            tokio::time::advance(MS).await;
            continue;
        }
        ended += 1;
        let at = rng.usize(..calls.len());
        let mut call = calls.swap_remove(at);
        let outcome = match rng.u8(..10) {
            0 => FAILED,
            1 => Outcome::Ignored,
            2 => Outcome::Overloaded { retry_after: None },
            3 => {
                let unwound = std::panic::AssertUnwindSafe(|| {
                    // Without the hook that prints it.
                    Completion::watch(&mut call, || std::panic::resume_unwind(Box::new(())));
                });
                assert!(std::panic::catch_unwind(unwound).is_err());
                continue;
            }
            4 => continue,
            _ => Outcome::Success,
        };
        if let Some(call) = call {
            let now = call.observer().clock();
            call.end(now, outcome);
        }
    }
    drop(calls);
    let snapshot = scene.handle.snapshot();
    assert_eq!(snapshot.probes, 0);
    assert!(snapshot.trips > 300, "{snapshot:?}");
    tokio::time::advance(SEC).await;
    scene.calls([Outcome::Success; 3]);
    assert_eq!(scene.state(), BreakerState::Closed);
    assert!(endpoint.gate().is_open(Timestamp::now()));
}

/// On real threads: no call is lost from the window, and no more are let in on trial than there are places.
#[test]
fn on_many_threads_all_are_counted_and_three_are_let_in() {
    let scene = Scene::new(
        config()
            .with_failure_rate(Some(1.0))
            .with_window(WindowKind::Calls(100_000))
            .with_open_for(Duration::from_nanos(1))
            .with_open_max(Duration::from_nanos(1)),
    );
    let scene = &scene;
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(move || scene.calls(std::iter::repeat_n(Outcome::Success, 2_000)));
        }
    });
    assert_eq!(scene.handle.snapshot().calls, 24_000);

    for _ in 0..20 {
        scene.calls([FAILED; 5]);
        let probes = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..50)
                            .filter_map(|_| scene.begin().ok())
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            let probes = threads.into_iter().map(|thread| thread.join().unwrap());
            probes.flatten().collect::<Vec<_>>()
        });
        assert_eq!(probes.len(), 3);
        std::thread::scope(|scope| {
            for probe in probes {
                scope.spawn(|| end(probe, Outcome::Success));
            }
        });
        assert_eq!(scene.state(), BreakerState::Closed);
    }
}
