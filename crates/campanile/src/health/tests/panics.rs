//! Pools of which too few are healthy.

use super::*;

const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

fn config() -> HealthConfig {
    HealthConfig::default()
        .with_jitter(0.0)
        .with_unhealthy_after(1)
        .with_unhealthy_interval(60 * SEC)
}

fn out(endpoints: &[Endpoint]) -> usize {
    endpoints.iter().filter(|endpoint| is_out(endpoint)).count()
}

#[tokio::test(start_paused = true)]
async fn below_half_all_are_used_and_their_states_stay() {
    let mut scene = Scene::new(config());
    let endpoints = NAMES.map(|name| scene.join(name));
    settle().await;
    for (sick, expected) in [(4, 4), (5, 5), (6, 0), (10, 0), (5, 5), (1, 1), (0, 0)] {
        for (index, name) in NAMES.iter().enumerate() {
            scene.probe.set_healthy(name, index >= sick);
        }
        pass(60 * SEC).await;
        assert_eq!(out(&endpoints), expected, "{sick} are sick");
        assert_eq!(scene.health.is_panicking(), sick > 5);
        assert_eq!(scene.health.summary().unhealthy, sick);
    }
}

#[tokio::test(start_paused = true)]
async fn the_only_member_is_used_even_if_it_is_unhealthy() {
    let mut scene = Scene::new(config());
    scene.probe.set_healthy("a", false);
    let endpoint = scene.join("a");
    settle().await;
    assert_eq!(scene.state("a"), HealthState::Unhealthy);
    assert!(!is_out(&endpoint));
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_starts_closed_does_not_panic_for_that() {
    let mut scene = Scene::new(config().with_start(Start::Closed));
    for name in NAMES {
        scene.probe.set(name, Act::After(SEC, Report::healthy()));
    }
    let endpoints = NAMES.map(|name| scene.join(name));
    settle().await;
    assert_eq!(out(&endpoints), 10, "nobody has been checked");
    assert!(!scene.health.is_panicking());
    pass(SEC).await;
    assert_eq!(out(&endpoints), 0);
}

#[tokio::test(start_paused = true)]
async fn those_that_are_switched_off_count_neither_way() {
    let mut scene = Scene::new(config());
    let endpoints = NAMES.map(|name| scene.join(name));
    for name in &NAMES[..3] {
        scene.probe.set_healthy(name, false);
    }
    settle().await;
    assert_eq!(out(&endpoints), 3, "three of ten are sick");
    for endpoint in &endpoints[5..] {
        endpoint.gate().close(Reason::Disabled);
    }
    // Nobody tells of a switch; it is looked for every second.
    pass(2 * SEC).await;
    assert_eq!(out(&endpoints), 0, "three of five are");
    for endpoint in &endpoints[5..] {
        endpoint.gate().open(Reason::Disabled);
    }
    pass(2 * SEC).await;
    assert_eq!(out(&endpoints), 3);
}
