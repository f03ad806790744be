use super::*;

const OVERLOADED: Outcome = Outcome::Overloaded { retry_after: None };
const THROTTLED: Outcome = Outcome::Throttled { retry_after: None };

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_trip_it_and_a_success_starts_the_count_anew() {
    let scene = Scene::new(config());
    for _ in 0..100 {
        scene.calls([FAILED, FAILED, FAILED, FAILED, Outcome::Success]);
    }
    assert_eq!(scene.state(), BreakerState::Closed);
    scene.calls([FAILED; 4]);
    assert_eq!(scene.handle.snapshot().failures_in_a_row, 4.0);
    scene.call(FAILED);
    let status = *scene.handle.watch().borrow();
    assert_eq!(
        (status.state, status.cause),
        (BreakerState::Open, Cause::FailuresInARow)
    );
    let refused = scene.refused();
    assert_eq!(refused.kind(), RejectionKind::CircuitOpen);
    assert_eq!(refused.layer(), "circuit_breaker");
    assert_eq!(refused.retry_after(), Some(30 * SEC));
    tokio::time::advance(12_345 * MS).await;
    assert_eq!(scene.refused().retry_after(), Some(17_655 * MS));
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_of_the_service_counts_neither_way() {
    let scene = Scene::new(config());
    scene.calls([FAILED; 4]);
    for _ in 0..50 {
        scene.calls([Outcome::Ignored, Outcome::Cancelled, THROTTLED]);
    }
    assert_eq!(scene.handle.snapshot().failures_in_a_row, 4.0);
    scene.call(FAILED);
    assert_eq!(scene.state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn an_overload_counts_softly() {
    let scene = Scene::new(config());
    scene.calls([OVERLOADED; 9]);
    assert_eq!(scene.state(), BreakerState::Closed);
    scene.call(OVERLOADED);
    assert_eq!(scene.state(), BreakerState::Open);

    let scene = Scene::new(config().with_overload_weight(0.0));
    scene.calls([OVERLOADED; 100]);
    assert_eq!(scene.state(), BreakerState::Closed);

    let scene = Scene::new(config().with_overload_weight(1.0));
    scene.calls([OVERLOADED; 5]);
    assert_eq!(scene.state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn it_opens_for_as_long_as_the_upstream_asks_up_to_a_cap() {
    for (asked, open) in [(7, 7), (0, 30), (100_000, 300)] {
        let scene = Scene::new(config());
        scene.calls([FAILED; 4]);
        scene.calls(
            [Outcome::Overloaded {
                retry_after: Some(asked * SEC),
            }; 2],
        );
        assert_eq!(scene.refused().retry_after(), Some(open * SEC), "{asked}");
    }
}

/// Otherwise it would open for no time at all, and be asked again at once, again and again.
#[tokio::test(start_paused = true)]
async fn one_that_does_as_no_upstream_asks_opens_for_its_own_time() {
    let scene = Scene::new(config().with_retry_after_max(Duration::ZERO));
    scene.calls([FAILED; 4]);
    scene.calls(
        [Outcome::Overloaded {
            retry_after: Some(7 * SEC),
        }; 2],
    );
    assert_eq!(scene.refused().retry_after(), Some(30 * SEC));
}

#[tokio::test(start_paused = true)]
async fn a_share_of_failures_trips_it_once_there_are_enough_calls() {
    let scene = Scene::new(
        config()
            .with_failure_threshold(None)
            .with_failure_rate(Some(0.5)),
    );
    scene.calls([FAILED; 7]);
    assert_eq!(
        scene.state(),
        BreakerState::Closed,
        "7 calls say too little"
    );
    scene.call(FAILED);
    assert_eq!(scene.state(), BreakerState::Open);
    assert_eq!(scene.handle.watch().borrow().cause, Cause::FailureRate);
}

#[tokio::test(start_paused = true)]
async fn a_window_of_time_forgets() {
    let rate = config()
        .with_failure_threshold(None)
        .with_failure_rate(Some(0.5));
    let scene = Scene::new(rate);
    scene.calls([Outcome::Success; 100]);
    tokio::time::advance(27 * SEC).await;
    scene.calls([FAILED; 50]);
    assert_eq!(scene.handle.snapshot().calls, 150);
    assert_eq!(scene.state(), BreakerState::Closed);
    tokio::time::advance(3 * SEC).await;
    scene.call(Outcome::Success);
    let snapshot = scene.handle.snapshot();
    assert_eq!(snapshot.calls, 51, "the successes are over 30 s old");
    scene.call(FAILED);
    assert_eq!(scene.state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn successes_of_long_ago_do_not_hide_failures_of_now() {
    let scene = Scene::new(
        config()
            .with_failure_threshold(None)
            .with_failure_rate(Some(0.5)),
    );
    scene.calls(std::iter::repeat_n(Outcome::Success, 100_000));
    tokio::time::advance(40 * SEC).await;
    scene.calls([FAILED; 8]);
    assert_eq!(scene.state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn slow_calls_trip_it_by_their_share() {
    let slow = config()
        .with_slow_call(Some(SEC))
        .with_slow_rate(Some(0.5))
        .with_window(WindowKind::Calls(10));
    let scene = Scene::new(slow);
    for _ in 0..8 {
        scene.call_of(999 * MS, Outcome::Success).await;
    }
    assert_eq!(scene.handle.snapshot().slow_rate, 0.0);
    for _ in 0..4 {
        scene.call_of(SEC, Outcome::Success).await;
    }
    assert_eq!(scene.state(), BreakerState::Closed);
    assert_eq!(scene.handle.snapshot().slow_rate, 0.4);
    scene.call_of(SEC, Outcome::Success).await;
    assert_eq!(scene.state(), BreakerState::Open);
    assert_eq!(scene.handle.watch().borrow().cause, Cause::SlowRate);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_timed_up_to_where_the_settings_say() {
    for (until, slow) in [
        (SlowUntil::Head, [true, false, false]),
        (SlowUntil::FirstData, [true, true, false]),
        (SlowUntil::End, [true, true, true]),
    ] {
        for (at, slow) in slow.into_iter().enumerate() {
            let scene = Scene::new(
                config()
                    .with_slow_call(Some(SEC))
                    .with_slow_rate(Some(1.0))
                    .with_slow_until(until),
            );
            let mut call = scene.begin().unwrap();
            let mut pause = [Duration::ZERO; 3];
            pause[at] = SEC;
            tokio::time::advance(pause[0]).await;
            call.head(call.clock());
            tokio::time::advance(pause[1]).await;
            call.data(Timestamp::now(), 1);
            tokio::time::advance(pause[2]).await;
            call.end(Timestamp::now(), Outcome::Success);
            let snapshot = scene.handle.snapshot();
            assert_eq!(snapshot.calls, 1);
            assert_eq!(snapshot.slow_rate == 1.0, slow, "{until:?} {at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_parks_the_service_and_trips_nothing() {
    let scene = Scene::new(config());
    let hint = |seconds: u32| Outcome::Throttled {
        retry_after: Some(seconds * SEC),
    };
    let late = scene.begin().unwrap();
    scene.call(hint(20));
    assert_eq!(scene.state(), BreakerState::Closed);
    let refused = scene.refused();
    assert_eq!(refused.kind(), RejectionKind::RateLimited);
    assert_eq!(refused.retry_after(), Some(20 * SEC));
    // A shorter hint does not shorten it.
    end(late, hint(5));
    assert_eq!(scene.refused().retry_after(), Some(20 * SEC));
    let status = *scene.handle.watch().borrow();
    assert_eq!(status.parked_until, Some(Timestamp::now().after(20 * SEC)));
    tokio::time::advance(20 * SEC).await;
    scene.call(Outcome::Success);
    assert_eq!(scene.handle.watch().borrow().parked_until, None);

    // An upstream cannot ask for for ever, and an operator may not want it to ask at all.
    scene.call(hint(1_000_000));
    assert_eq!(scene.refused().retry_after(), Some(300 * SEC));
    let scene = Scene::new(config().with_park_throttled(false));
    scene.calls([hint(20); 20]);
    assert_eq!(scene.state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn settings_change_while_it_runs() {
    let scene = Scene::new(config());
    scene.calls([FAILED; 2]);
    scene
        .handle
        .set_config(config().with_failure_threshold(Some(3)))
        .unwrap();
    assert_eq!(scene.handle.config().failure_threshold, Some(3));
    scene.call(FAILED);
    assert_eq!(scene.state(), BreakerState::Open);

    let wrong = scene.handle.set_config(config().with_min_calls(0));
    assert_eq!(wrong.unwrap_err().field, "min_calls");
    assert_eq!(scene.handle.config().failure_threshold, Some(3));

    scene.handle.reset();
    let rate = config()
        .with_failure_rate(Some(0.5))
        .with_failure_threshold(None);
    scene.handle.set_config(rate).unwrap();
    scene.calls([Outcome::Success; 4]);
    scene.calls([FAILED; 4]);
    assert_eq!(scene.state(), BreakerState::Open);
}
