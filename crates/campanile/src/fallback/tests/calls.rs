//! Which calls are answered from elsewhere, and what is left behind.

use futures_util::FutureExt;
use tokio_test::{assert_pending, task};

use super::*;
use crate::{
    protocol::Unary,
    testing::{Scripted, seeded},
};

type Plain = Fallback<Scripted<&'static str>, ToService<Scripted<&'static str>>, Unary, ()>;

fn to(primary: &Script<&'static str>, spare: &Script<&'static str>) -> Plain {
    FallbackLayer::to(spare.service()).layer(primary.service())
}

#[tokio::test(start_paused = true)]
async fn a_good_answer_stands() {
    let (primary, spare) = (Script::answering("first"), Script::answering("second"));
    assert_eq!(to(&primary, &spare).oneshot(()).await.unwrap(), "first");
    assert_eq!(spare.counts().calls, 0);
    assert_eq!(spare.counts().readiness_polls, 0);
    assert_eq!(spare.counts().services, 0, "not even cloned, and dropped");
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_is_answered_from_elsewhere() {
    let spare = Script::new(Step::answer("second").after(MS));
    for primary in [
        failing(),
        Script::new(Step::error("late").after(SEC)),
        rejected(RejectionKind::Empty),
        rejected(RejectionKind::CircuitOpen),
        rejected(RejectionKind::TimedOut),
        rejected(RejectionKind::RateLimited),
    ] {
        assert_eq!(to(&primary, &spare).oneshot(()).await.unwrap(), "second");
    }
    assert_eq!(spare.counts().calls, 6);
}

#[tokio::test(start_paused = true)]
async fn what_another_would_do_no_better_is_not() {
    let spare = Script::answering("second");
    let error = to(&rejected(RejectionKind::DeadlineExceeded), &spare)
        .oneshot(())
        .await
        .unwrap_err();
    assert!(Rejection::find(&*error).is_some());
    assert_eq!(spare.counts().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn the_kinds_of_failure_can_be_chosen() {
    let spare = Script::answering("second");
    let layer = FallbackLayer::to(spare.service()).when(
        FallbackConfig::default()
            .with_failure(false)
            .build()
            .unwrap(),
    );
    let throttled = layer.layer(rejected(RejectionKind::RateLimited).service());
    assert_eq!(throttled.oneshot(()).await.unwrap(), "second");
    let failed = layer.layer(failing().service()).oneshot(()).await;
    assert_eq!(failed.unwrap_err().to_string(), "out of luck");

    let closure = FallbackLayer::to(spare.service()).when(
        |outcome: Outcome, result: Result<&&'static str, &BoxError>| {
            // A success can be answered from elsewhere only if its answer is told apart by the classifier.
            outcome == Outcome::Failure(FailureKind::Error)
                && result.is_err_and(|error| error.to_string().contains("luck"))
        },
    );
    let lucky = closure.layer(failing().service()).oneshot(()).await;
    assert_eq!(lucky.unwrap(), "second");
    let other = closure.layer(Script::<&'static str>::new(Step::error("other")).service());
    assert_eq!(other.oneshot(()).await.unwrap_err().to_string(), "other");
}

#[tokio::test(start_paused = true)]
async fn the_kinds_of_rejection_can_be_chosen() {
    let layer = FallbackLayer::to(Script::answering("second").service()).when(Rejected(vec![
        RejectionKind::Empty,
        RejectionKind::CircuitOpen,
    ]));
    for (primary, falls_back) in [
        (rejected(RejectionKind::Empty), true),
        (rejected(RejectionKind::CircuitOpen), true),
        (rejected(RejectionKind::Shed), false),
        (failing(), false),
    ] {
        let answer = layer.layer(primary.service()).oneshot(()).await;
        assert_eq!(answer.is_ok(), falls_back, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn fallbacks_can_be_chained() {
    let second = failing();
    let service = tower::ServiceBuilder::new()
        .layer(FallbackLayer::value("third"))
        .layer(FallbackLayer::to(second.service()))
        .service(failing().service());
    assert_eq!(service.oneshot(()).await.unwrap(), "third");
    assert_eq!(second.counts().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn the_error_of_the_other_service_is_told_when_it_fails_too() {
    let spare = Script::<&'static str>::new(Step::error("the spare failed"));
    let error = to(&failing(), &spare).oneshot(()).await.unwrap_err();
    assert_eq!(error.to_string(), "the spare failed");
    assert_eq!(spare.counts().calls, 1);
}

/// A call has so many attempts, whoever makes them.
#[tokio::test(start_paused = true)]
async fn one_attempt_budget_for_all() {
    let spare = Script::answering("second");
    let service = FallbackLayer::to(spare.service())
        .calls()
        .layer(failing().service());

    let call = with_attempts(2);
    let trail = call.context.trail.clone().unwrap();
    assert_eq!(service.clone().oneshot(call).await.unwrap(), "second");
    assert_eq!(trail.left(), Some(0), "a second attempt was made");

    let error = service.clone().oneshot(with_attempts(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "out of luck");
    assert_eq!(spare.counts().calls, 1);

    // One that could not be made is given back.
    spare.set_readiness(Readiness::error("dead"));
    let call = with_attempts(2);
    let trail = call.context.trail.clone().unwrap();
    assert!(service.clone().oneshot(call).await.is_err());
    assert_eq!(trail.left(), Some(1));

    // And what is no attempt needs none.
    let value = FallbackLayer::value("value")
        .calls()
        .layer(failing().service());
    assert_eq!(value.oneshot(with_attempts(1)).await.unwrap(), "value");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_called_after_the_deadline() {
    let spare = Script::answering("second");
    let primary = Script::new(Step::<&str>::error("late").after(20 * MS));
    let service = FallbackLayer::to(spare.service())
        .calls()
        .layer(primary.service());
    let mut call = Call::new(());
    call.context.deadline = Some(Instant::now() + 10 * MS);
    let error = service.clone().oneshot(call.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), "late");
    call.context.deadline = Some(Instant::now() + 30 * MS);
    assert_eq!(service.oneshot(call).await.unwrap(), "second");
}

#[tokio::test(start_paused = true)]
async fn the_first_call_gives_everything_back_before_the_second_begins() {
    // Both share one permit: the second could not begin if the first held it.
    let permits = Permits::new(1);
    let probe = |script: &Script<&'static str>| {
        ReadinessProbe::new(script.service()).permits(permits.clone())
    };
    let (primary, spare) = (failing(), Script::answering("second"));
    let service = FallbackLayer::to(probe(&spare)).layer(probe(&primary));
    assert_eq!(service.oneshot(()).await.unwrap(), "second");
    assert_eq!(permits.free(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_time_it_gives_everything_back() {
    let permits = Permits::new(2);
    let probe = |script: &Script<&'static str>| {
        ReadinessProbe::new(script.service()).permits(permits.clone())
    };
    let primary = Script::new(Step::error("late").after(10 * MS));
    let spare = Script::new(Step::answer("second").after(10 * MS));
    spare.set_readiness(Readiness::WarmsUp(10 * MS));
    let service = FallbackLayer::to(probe(&spare)).layer(probe(&primary));
    for (wait, calls) in [(5 * MS, 0), (15 * MS, 0), (25 * MS, 1)] {
        let mut call = task::spawn(service.clone().oneshot(()));
        let begin = Instant::now();
        while Instant::now() < begin + wait {
            assert_pending!(call.poll());
            tokio::time::sleep(MS).await;
        }
        assert_eq!(spare.counts().calls, calls, "after {wait:?}");
        drop(call);
        assert_eq!((permits.used(), permits.reserved()), (0, 0));
        assert_eq!(
            (primary.counts().in_flight, spare.counts().in_flight),
            (0, 0)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_random_endings_leave_nothing() {
    const CALLS: u32 = 10_000;
    fn script(salt: u64) -> Script<&'static str> {
        Script::rule(move |call| {
            let mut rng = seeded(call * 2 + salt);
            let step = match rng.u32(..6) {
                0 | 1 => Step::error("failed"),
                2 => Step::stall(),
                3 => Step::panic_in_poll(),
                4 => Step::panic_in_call(),
                _ => Step::answer("done"),
            };
            step.after(rng.u32(..20) * MS)
        })
    }
    let (primary, spare) = (script(0), script(1));
    let permits = Permits::new(8);
    let probe = |script: &Script<&'static str>| {
        ReadinessProbe::new(script.service()).permits(permits.clone())
    };
    let service = FallbackLayer::to(probe(&spare))
        .calls()
        .layer(probe(&primary));
    let mut rng = seeded(7);
    let mut ends = [0_u32; 4];
    for _ in 0..CALLS {
        spare.set_readiness(match rng.u32(..8) {
            0 => Readiness::error("dead"),
            1 => Readiness::WarmsUp(5 * MS),
            _ => Readiness::Ready,
        });
        let call = service.clone().oneshot(with_attempts(rng.u32(1..4)));
        let call = tokio::time::timeout(rng.u32(1..60) * MS, call);
        ends[match std::panic::AssertUnwindSafe(call).catch_unwind().await {
            Ok(Ok(Ok(_))) => 0,
            Ok(Ok(Err(_))) => 1,
            Ok(Err(_)) => 2,
            Err(_) => 3,
        }] += 1;
        assert_eq!((permits.used(), permits.reserved()), (0, 0));
    }
    assert!(ends.iter().all(|end| *end > 500), "{ends:?}");
    for script in [&primary, &spare] {
        let counts = script.counts();
        assert_eq!((counts.in_flight, counts.services), (0, 1));
        assert_eq!(
            counts.calls,
            counts.finished + counts.cancelled + counts.panicked
        );
    }
}

#[tokio::test(start_paused = true)]
async fn it_can_be_spawned_over_a_boxed_error() {
    async fn handle(number: u32) -> Result<u32, BoxError> {
        tokio::time::sleep(MS).await;
        if number == 0 {
            Err("zero".into())
        } else {
            Ok(number)
        }
    }
    let service = FallbackLayer::to(tower::service_fn(async |number: u32| {
        handle(number + 1).await
    }))
    .layer(tower::service_fn(async |number: u32| handle(number).await));
    let spawned = tokio::spawn(async move { service.oneshot(0).await });
    assert_eq!(spawned.await.unwrap().unwrap(), 1);

    let service = FallbackLayer::function(|failed: Failed<u32, BoxError>| async move {
        tokio::time::sleep(MS).await;
        failed.result.or(Ok(9))
    })
    .when(|_: Outcome, result: Result<&u32, &BoxError>| result.is_err())
    .layer(tower::service_fn(async |number: u32| handle(number).await));
    let spawned = tokio::spawn(async move { service.oneshot(0).await });
    assert_eq!(spawned.await.unwrap().unwrap(), 9);
}

#[test]
fn it_is_send_sync_and_clone() {
    fn check<T: Send + Sync + Clone + 'static>(_: &T) {}
    let layer = FallbackLayer::<_, ()>::to(Script::answering("second").service());
    check(&layer);
    check(&layer.layer(failing().service()));
    check(&FallbackLayer::<_, ()>::value("value").streaming());
    assert!(format!("{layer:?}").contains("ToService"));
    assert!(format!("{:?}", layer.layer(failing().service())).contains("Scripted"));
}

#[tokio::test(start_paused = true)]
async fn the_other_service_is_told_that_it_is_a_fallback() {
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let list = Arc::clone(&told);
    let second = tower::service_fn(move |call: Call<()>| {
        let context = &call.context;
        let since = context.queued_since;
        list.lock()
            .unwrap()
            .push((context.attempt, context.repeat, since));
        async { Ok::<_, BoxError>("second") }
    });
    let first = tower::service_fn(|call: Call<()>| async move {
        assert_eq!(call.context.repeat, None);
        tokio::time::sleep(SEC).await;
        if let Some(trail) = &call.context.trail {
            // As a pool with retries in front of it does.
            for _ in 0..3 {
                let _ = trail.begin(&crate::Endpoint::new("a"));
            }
        }
        Err::<&str, BoxError>("down".into())
    });
    let service = FallbackLayer::to(second).calls().layer(first);
    let began = crate::time::Timestamp::now();
    let mut call = Call::new(());
    call.context.queued_since = Some(began);
    assert_eq!(service.clone().oneshot(call).await.unwrap(), "second");
    let call = with_attempts(5);
    assert_eq!(service.oneshot(call).await.unwrap(), "second");
    use crate::context::Repeat::Fallback;
    assert_eq!(
        *told.lock().unwrap(),
        [
            (1, Some(Fallback), Some(began.after(SEC))),
            (3, Some(Fallback), None)
        ]
    );
}
