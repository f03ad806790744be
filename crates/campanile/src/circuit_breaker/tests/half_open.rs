use super::*;

#[tokio::test(start_paused = true)]
async fn as_many_successes_as_calls_close_it() {
    let scene = Scene::new(config());
    scene.half_open().await;
    assert_eq!(scene.state(), BreakerState::Open, "until a call comes");
    let probes: Vec<_> = (0..3).map(|_| scene.begin().unwrap()).collect();
    assert_eq!(scene.state(), BreakerState::HalfOpen);
    let refused = scene.refused();
    assert_eq!(refused.kind(), RejectionKind::CircuitOpen);
    assert_eq!(refused.retry_after(), None, "nobody knows when they end");
    for (i, probe) in probes.into_iter().enumerate() {
        assert_eq!(scene.handle.snapshot().probes_succeeded, i as u32);
        // No more are let in than must still succeed.
        assert!(scene.begin().is_err());
        end(probe, Outcome::Success);
    }
    let status = *scene.handle.watch().borrow();
    assert_eq!(
        (status.state, status.cause),
        (BreakerState::Closed, Cause::ProbesSucceeded)
    );
}

#[tokio::test(start_paused = true)]
async fn one_failure_opens_it_for_twice_as_long() {
    let scene = Scene::new(config());
    scene.half_open().await;
    for open in [60, 120, 240, 300, 300] {
        let probes = [scene.begin().unwrap(), scene.begin().unwrap()];
        let [first, second] = probes;
        end(first, FAILED);
        assert_eq!(scene.handle.watch().borrow().cause, Cause::ProbeFailed);
        assert_eq!(scene.refused().retry_after(), Some(open * SEC));
        // The other one is of the past now.
        end(second, Outcome::Success);
        assert_eq!(scene.state(), BreakerState::Open);
        tokio::time::advance(open * SEC).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_probe_gives_its_place_back_and_counts_neither_way() {
    let scene = Scene::new(config());
    scene.half_open().await;
    for outcome in [
        Outcome::Cancelled,
        Outcome::Ignored,
        Outcome::Throttled { retry_after: None },
    ] {
        for _ in 0..100 {
            let probes: Vec<_> = (0..3).map(|_| scene.begin().unwrap()).collect();
            assert!(scene.begin().is_err());
            probes.into_iter().for_each(|probe| end(probe, outcome));
            let snapshot = scene.handle.snapshot();
            assert_eq!(snapshot.state, BreakerState::HalfOpen);
            assert_eq!((snapshot.probes, snapshot.probes_succeeded), (0, 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_place_is_taken_back_and_its_late_result_still_counts() {
    let scene = Scene::new(config());
    scene.half_open().await;
    let lost: Vec<_> = (0..3).map(|_| scene.begin().unwrap()).collect();
    tokio::time::advance(59 * SEC).await;
    assert!(scene.begin().is_err());
    tokio::time::advance(SEC).await;
    let probes: Vec<_> = (0..3).map(|_| scene.begin().unwrap()).collect();
    assert!(scene.begin().is_err());
    // Calls that take longer than a lease close it too.
    for (i, late) in lost.into_iter().enumerate() {
        assert_eq!(scene.state(), BreakerState::HalfOpen, "{i}");
        end(late, Outcome::Success);
    }
    assert_eq!(scene.state(), BreakerState::Closed);
    probes.into_iter().for_each(|probe| end(probe, FAILED));
    assert_eq!(
        scene.state(),
        BreakerState::Closed,
        "they were of half-open"
    );
    assert_eq!(scene.handle.snapshot().failures_in_a_row, 0.0);
}

#[tokio::test(start_paused = true)]
async fn fewer_successes_may_do_and_more_may_be_asked_for() {
    let scene = Scene::new(config().with_half_open_successes(Some(1)));
    scene.half_open().await;
    let first = scene.begin().unwrap();
    assert!(scene.begin().is_err(), "one success is asked for");
    end(first, Outcome::Success);
    assert_eq!(scene.state(), BreakerState::Closed);

    let scene = Scene::new(
        config()
            .with_half_open_max_calls(1)
            .with_half_open_successes(Some(4)),
    );
    scene.half_open().await;
    for _ in 0..4 {
        assert_ne!(scene.state(), BreakerState::Closed);
        let only = scene.begin().unwrap();
        assert!(scene.begin().is_err());
        end(only, Outcome::Success);
    }
    assert_eq!(scene.state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_slow_probe_fails_where_slowness_trips() {
    let scene = Scene::new(config().with_slow_call(Some(SEC)).with_slow_rate(Some(0.5)));
    scene.half_open().await;
    scene.call_of(SEC, Outcome::Success).await;
    assert_eq!(scene.handle.watch().borrow().cause, Cause::ProbeFailed);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_probe_parks_and_the_trial_goes_on_after() {
    let scene = Scene::new(config());
    scene.half_open().await;
    scene.call(Outcome::Throttled {
        retry_after: Some(9 * SEC),
    });
    assert_eq!(scene.state(), BreakerState::HalfOpen);
    let refused = scene.refused();
    assert_eq!(refused.kind(), RejectionKind::RateLimited);
    assert_eq!(refused.retry_after(), Some(9 * SEC));
    tokio::time::advance(9 * SEC).await;
    scene.calls([Outcome::Success; 3]);
    assert_eq!(scene.state(), BreakerState::Closed);
}
