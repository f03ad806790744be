//! The failures that other breakers are known for.

use tokio::task::JoinSet;

use super::*;
use crate::rejection::RejectionKind::{ConcurrencyLimited, RateLimited, Shed, TimedOut};

/// After 100,000 successes another breaker takes 100,000 failures to trip: its window of calls does not slide.
#[tokio::test(start_paused = true)]
async fn a_window_of_calls_slides() {
    let scene = Scene::new(
        config()
            .with_failure_threshold(None)
            .with_failure_rate(Some(0.5))
            .with_window(WindowKind::Calls(100)),
    );
    scene.calls(std::iter::repeat_n(Outcome::Success, 100_000));
    scene.calls([FAILED; 49]);
    assert_eq!(scene.state(), BreakerState::Closed);
    scene.call(FAILED);
    assert_eq!(scene.state(), BreakerState::Open);
}

/// Another's window of time looks at each of its records in each call: 29 µs at 60,000.
#[tokio::test(start_paused = true)]
async fn a_window_of_time_is_ten_buckets_whatever_the_traffic() {
    let scene = Scene::new(
        config()
            .with_failure_threshold(None)
            .with_failure_rate(Some(0.5)),
    );
    let size = std::mem::size_of::<super::super::window::Time>();
    assert!(size < 512, "{size}");
    for _ in 0..200 {
        scene.calls([Outcome::Success; 300]);
        tokio::time::advance(100 * MS).await;
    }
    scene.call(FAILED);
    assert_eq!(scene.handle.snapshot().calls, 60_001);
}

/// Another stays half-open for ever, since the records of its probes grow too old before they are enough; a gateway did
/// so for six days.
#[tokio::test(start_paused = true)]
async fn rare_probes_close_it_too() {
    let scene = Scene::new(config());
    scene.half_open().await;
    for _ in 0..3 {
        assert_ne!(scene.state(), BreakerState::Closed);
        tokio::time::advance(3_600 * SEC).await;
        scene.call(Outcome::Success);
    }
    assert_eq!(scene.state(), BreakerState::Closed);
}

/// In another a probe whose place leaks keeps it half-open for ever.
#[tokio::test(start_paused = true)]
async fn a_probe_that_is_lost_does_not_keep_it_half_open() {
    let scene = Scene::new(config());
    scene.half_open().await;
    for _ in 0..3 {
        std::mem::forget(scene.begin().unwrap());
    }
    assert!(scene.begin().is_err());
    tokio::time::advance(60 * SEC).await;
    scene.calls([Outcome::Success; 3]);
    assert_eq!(scene.state(), BreakerState::Closed);
}

/// In another a call that was let in before the trip decides the trial: closed although the probe fails, open although it
/// succeeds.
#[tokio::test(start_paused = true)]
async fn a_call_of_before_the_trip_decides_no_trial() {
    for (early, probe, state) in [
        (Outcome::Success, FAILED, BreakerState::Open),
        (FAILED, Outcome::Success, BreakerState::Closed),
    ] {
        let scene = Scene::new(config().with_half_open_max_calls(1));
        let old = [scene.begin().unwrap(), scene.begin().unwrap()];
        scene.half_open().await;
        let trial = scene.begin().unwrap();
        old.into_iter().for_each(|old| end(old, early));
        assert_eq!(scene.state(), BreakerState::HalfOpen);
        end(trial, probe);
        assert_eq!(scene.state(), state);
    }
}

/// In another 100 of 100 calls end by their callers' deadline, and it is closed.
#[tokio::test(start_paused = true)]
async fn callers_that_give_up_are_seen() {
    let patient = config().with_slow_call(Some(SEC));
    for (config, cause) in [
        (
            patient.with_cancelled(CancelledPolicy::Failure),
            Cause::FailuresInARow,
        ),
        (patient.with_slow_rate(Some(0.5)), Cause::SlowRate),
    ] {
        let service = breaker(&Script::new(Step::stall()), config);
        let calls: JoinSet<_> = (0..100)
            .map(|_| tokio::time::timeout(2 * SEC, service.clone().oneshot(())))
            .collect();
        assert!(calls.join_all().await.into_iter().all(|call| call.is_err()));
        let status = *service.handle().watch().borrow();
        assert_eq!((status.state, status.cause), (BreakerState::Open, cause));
    }
    // Those who give up at once say nothing: the losers of a hedge.
    let service = breaker(
        &Script::new(Step::stall()),
        patient.with_cancelled(CancelledPolicy::Failure),
    );
    for _ in 0..100 {
        let call = tokio::time::timeout(999 * MS, service.clone().oneshot(()));
        assert!(call.await.is_err());
    }
    assert_eq!(service.handle().state(), BreakerState::Closed);
}

/// Another never forgets a trip: five incidents far apart open it for 83, 160, 322, 642, 1281 ms.
#[tokio::test(start_paused = true)]
async fn incidents_far_apart_open_it_for_the_same_time() {
    let scene = Scene::new(config());
    for _ in 0..5 {
        scene.calls([FAILED; 5]);
        assert_eq!(scene.reopens_in(), 30 * SEC);
        tokio::time::advance(30 * SEC).await;
        scene.calls([Outcome::Success; 3]);
        tokio::time::advance(60 * SEC).await;
    }
    // Without a calm between them they grow.
    for open in [30, 60, 120] {
        scene.calls([FAILED; 5]);
        assert_eq!(scene.reopens_in(), open * SEC);
        tokio::time::advance(open * SEC).await;
        scene.calls([Outcome::Success; 3]);
        tokio::time::advance(59 * SEC).await;
    }
}

/// Another is tripped by the refusals of its own limiter.
#[tokio::test(start_paused = true)]
async fn refusals_from_further_in_trip_nothing() {
    let script = Script::answering("well");
    let service = breaker(&script, config());
    for kind in [
        Shed,
        ConcurrencyLimited,
        RateLimited,
        RejectionKind::CircuitOpen,
    ] {
        script.set(Step::error_with(move || {
            let refusal = Rejection::new(kind, "inner");
            refusal.with_retry_after(10 * SEC).into()
        }));
        for _ in 0..100 {
            let error = service.clone().oneshot(()).await.unwrap_err();
            assert_eq!(rejection(&error).layer(), "inner", "not refused by us");
        }
    }
    // A breaker in a breaker: what the inner one refuses says nothing to the outer one.
    let inner = breaker(&failing(), config());
    let outer = CircuitBreakerLayer::new(config().with_failure_threshold(Some(6)))
        .unwrap()
        .layer(inner);
    for _ in 0..100 {
        outer.clone().oneshot(()).await.unwrap_err();
    }
    assert_eq!(outer.handle().state(), BreakerState::Closed);
    // That time ran out does.
    script.set(Step::error_with(|| {
        Rejection::new(TimedOut, "timeout").into()
    }));
    for _ in 0..5 {
        service.clone().oneshot(()).await.unwrap_err();
    }
    assert_eq!(service.handle().state(), BreakerState::Open);
}

/// Another lets 1,000 of 1,000 callers through to a dead service when it is half-open.
#[tokio::test(start_paused = true)]
async fn half_open_lets_three_of_a_thousand_through() {
    let script = failing();
    let service = breaker(&script, config());
    trip(&service).await;
    tokio::time::advance(30 * SEC).await;
    script.set(Step::error("out of order").after(SEC));
    let before = script.counts().calls;
    let calls: JoinSet<_> = (0..1_000).map(|_| service.clone().oneshot(())).collect();
    let refused = calls.join_all().await;
    assert_eq!(script.counts().calls - before, 3);
    let refused = refused
        .into_iter()
        .filter(|result| Rejection::find(&**result.as_ref().unwrap_err()).is_some());
    assert_eq!(refused.count(), 997);
}
