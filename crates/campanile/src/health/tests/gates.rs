//! Health, breaker, quota and operator each own their bit.

use super::*;
use crate::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerHandle, CircuitBreakerLayer};

const REASONS: [Reason; 4] = [
    Reason::Health,
    Reason::Breaker,
    Reason::Quota,
    Reason::Disabled,
];

/// All orders of four.
fn orders() -> Vec<[Reason; 4]> {
    let mut orders = Vec::new();
    for code in 0..4 * 3 * 2 {
        let mut left = REASONS.to_vec();
        let first = left.remove(code % 4);
        let second = left.remove(code / 4 % 3);
        let third = left.remove(code / 12);
        orders.push([first, second, third, left[0]]);
    }
    orders
}

fn closed_for(endpoint: &Endpoint) -> Vec<Reason> {
    let mut reasons: Vec<_> = endpoint
        .gate()
        .reasons(Timestamp::now())
        .map(|(reason, _)| reason)
        .collect();
    reasons.sort();
    reasons
}

#[tokio::test(start_paused = true)]
async fn all_four_are_set_and_cleared_in_every_order() {
    let orders = orders();
    let distinct: std::collections::BTreeSet<_> = orders.iter().collect();
    assert_eq!(distinct.len(), 24);
    let mut scene = Scene::new(exact().with_unhealthy_after(1));
    let endpoint = scene.join("a");
    settle().await;
    let breaker = CircuitBreakerHandle::new(CircuitBreakerConfig::default()).unwrap();
    let _service = CircuitBreakerLayer::shared(&breaker)
        .gate(&endpoint)
        .layer(tower::service_fn(|(): ()| async {
            Ok::<_, crate::Rejection>(())
        }));
    for (setting, clearing) in orders.iter().zip(orders.iter().rev()) {
        let mut held = Vec::new();
        for reason in setting {
            turn(&scene, &endpoint, &breaker, *reason, true).await;
            held.push(*reason);
            held.sort();
            assert_eq!(closed_for(&endpoint), held, "setting {setting:?}");
        }
        for reason in clearing {
            assert!(!endpoint.gate().is_open(Timestamp::now()));
            turn(&scene, &endpoint, &breaker, *reason, false).await;
            held.retain(|held| held != reason);
            assert_eq!(closed_for(&endpoint), held, "clearing {clearing:?}");
        }
        assert!(endpoint.gate().is_open(Timestamp::now()));
    }
}

/// Has the owner of a reason set or clear it.
async fn turn(
    scene: &Scene,
    endpoint: &Endpoint,
    breaker: &CircuitBreakerHandle,
    reason: Reason,
    set: bool,
) {
    match reason {
        Reason::Health => {
            scene.probe.set_healthy("a", !set);
            scene.health.check_now("a").await.unwrap();
        }
        Reason::Breaker if set => breaker.force_open(),
        Reason::Breaker => breaker.reset(),
        // Of the quota's layer nothing is needed here but that it writes its bit.
        _ if set => endpoint.gate().close(reason),
        _ => endpoint.gate().open(reason),
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_switched_off_is_checked_and_not_unhealthy() {
    let mut scene = Scene::new(exact());
    let endpoint = scene.join("a");
    endpoint.gate().close(Reason::Disabled);
    pass(120 * SEC).await;
    let status = scene.status("a");
    assert_eq!((status.state, status.checks), (HealthState::Healthy, 3));
    assert_eq!(closed_for(&endpoint), [Reason::Disabled]);

    scene.probe.set_healthy("a", false);
    pass(180 * SEC).await;
    assert_eq!(scene.state("a"), HealthState::Unhealthy);
    endpoint.gate().open(Reason::Disabled);
    assert_eq!(closed_for(&endpoint), [Reason::Health]);
}
