use super::*;
use crate::collect::tests::Told;

/// tower-resilience never sets the series of a state that is over back to 0.
#[tokio::test(start_paused = true)]
async fn a_state_of_the_past_does_not_hold_any_more() {
    let scene = Scene::new(config());
    let states = || Told::by(&scene.handle).states("breaker_state").join(" ");
    assert_eq!(states(), "closed");
    scene.calls([FAILED; 5]);
    assert_eq!(states(), "open");
    tokio::time::advance(scene.reopens_in()).await;
    let probe = scene.begin().unwrap();
    assert_eq!(states(), "half_open");
    drop(probe);
    scene.handle.force_open();
    assert_eq!(states(), "forced_open");
    scene.handle.force_close();
    assert_eq!(states(), "forced_closed");
    scene.handle.reset();
    assert_eq!(states(), "closed");
}

#[tokio::test(start_paused = true)]
async fn it_tells_how_often_it_came_to_each_state() {
    let scene = Scene::new(config());
    let to =
        |state: &str| Told::by(&scene.handle).get(&format!("breaker_transitions{{to={state}}}"));
    for state in BreakerState::ALL {
        assert_eq!(to(state.as_str()), 0.0);
    }
    for _ in 0..2 {
        scene.calls([FAILED; 5]);
        tokio::time::advance(scene.reopens_in()).await;
        scene.call(FAILED);
        scene.handle.reset();
    }
    // A pause is no transition.
    scene.call(Outcome::Throttled {
        retry_after: Some(7 * SEC),
    });
    scene.handle.force_open();
    let states = BreakerState::ALL.map(|state| (state, to(state.as_str())));
    let expected = BreakerState::ALL.map(|state| match state {
        BreakerState::Closed | BreakerState::HalfOpen => (state, 2.0),
        BreakerState::Open => (state, 4.0),
        BreakerState::ForcedOpen => (state, 1.0),
        BreakerState::ForcedClosed => (state, 0.0),
    });
    assert_eq!(states, expected);
}

#[tokio::test(start_paused = true)]
async fn it_tells_trips_and_times() {
    let scene = Scene::new(config());
    let told = Told::by(&scene.handle);
    assert_eq!(told.get("breaker_trips"), 0.0);
    assert_eq!(told.get("breaker_in_state_seconds"), 0.0);
    assert_eq!(told.get("breaker_reopens_in_seconds"), 0.0);

    scene.calls([FAILED; 4]);
    assert_eq!(
        Told::by(&scene.handle).get("breaker_failures_in_a_row"),
        4.0
    );
    scene.calls([FAILED]);
    let open_for = scene.reopens_in().as_secs_f64();
    tokio::time::advance(10 * SEC).await;
    let told = Told::by(&scene.handle);
    assert_eq!(told.get("breaker_trips"), 1.0);
    assert_eq!(told.get("breaker_in_state_seconds"), 10.0);
    assert_eq!(told.get("breaker_reopens_in_seconds"), open_for - 10.0);
    assert_eq!(told.get("breaker_parked_seconds"), 0.0);

    scene.handle.reset();
    scene.call(Outcome::Throttled {
        retry_after: Some(7 * SEC),
    });
    let parked = Told::by(&scene.handle).get("breaker_parked_seconds");
    assert!((7.0..8.0).contains(&parked), "{parked}");
}
