//! Probes and outlier detection over one pool.

use super::*;
use crate::{collect::Collect, outcome::FailureKind, outcome::Outcome};

/// So many calls of an endpoint begin.
fn begin(endpoint: &Endpoint, calls: usize) {
    for _ in 0..calls {
        assert!(endpoint.enter());
    }
}

/// And fail.
fn end(endpoint: &Endpoint, calls: usize) {
    for _ in 0..calls {
        endpoint.leave(Outcome::Failure(FailureKind::Error));
    }
}

fn fail(endpoint: &Endpoint, calls: usize) {
    begin(endpoint, calls);
    end(endpoint, calls);
}

fn closed(endpoint: &Endpoint) -> Vec<Reason> {
    let now = Timestamp::now();
    endpoint
        .gate()
        .reasons(now)
        .map(|(reason, _)| reason)
        .collect()
}

/// Half of the members may be ejected, and the default threshold of panic holds.
fn scene() -> Scene {
    let outliers = OutlierConfig::default()
        .with_max_ejected(0.5)
        .with_jitter(0.0);
    let config = HealthConfig::default()
        .with_jitter(0.0)
        .with_unhealthy_after(1);
    let probe = Scripted::default();
    let layer = HealthLayer::with_config(probe.clone(), config).unwrap();
    let layer = layer.outliers(outliers).unwrap();
    let (members, discover) = discovery();
    Scene {
        probe,
        health: layer.handle(),
        members,
        discover: layer.layer(discover),
    }
}

#[tokio::test(start_paused = true)]
async fn each_has_its_own_reason_and_its_own_time() {
    let mut scene = scene();
    let [a, ..] = ["a", "b", "c", "d"].map(|key| scene.join(key));
    settle().await;
    fail(&a, 5);
    settle().await;
    assert_eq!(closed(&a), [Reason::Outlier]);
    scene.probe.set_healthy("a", false);
    pass(29 * SEC).await;
    assert_eq!(closed(&a), [Reason::Outlier], "its check is not due");
    pass(SEC).await;
    assert_eq!(closed(&a), [] as [Reason; 0]);
    // Out for both, as calls that were in flight fail: it takes both to come back.
    begin(&a, 5);
    pass(30 * SEC).await;
    assert_eq!(closed(&a), [Reason::Health]);
    end(&a, 5);
    settle().await;
    assert_eq!(closed(&a), [Reason::Health, Reason::Outlier]);
    pass(60 * SEC).await;
    assert_eq!(closed(&a), [Reason::Health]);
    scene.probe.set_healthy("a", true);
    pass(300 * SEC).await;
    assert_eq!(closed(&a), [] as [Reason; 0]);
}

#[tokio::test(start_paused = true)]
async fn both_count_for_a_panic() {
    let mut scene = scene();
    scene.probe.set_healthy("a", false);
    let endpoints = ["a", "b", "c", "d"].map(|key| scene.join(key));
    settle().await;
    assert_eq!(closed(&endpoints[0]), [Reason::Health]);
    fail(&endpoints[1], 5);
    settle().await;
    assert!(!scene.health.is_panicking());
    assert_eq!(closed(&endpoints[1]), [Reason::Outlier]);
    fail(&endpoints[2], 5);
    settle().await;
    assert!(scene.health.is_panicking());
    assert!(endpoints.iter().all(|member| closed(member).is_empty()));
    assert!(scene.health.outliers().unwrap().is_panicking());
    // The ejections end, and the panic with them: who is unhealthy is out again.
    pass(30 * SEC).await;
    assert!(!scene.health.is_panicking());
    assert_eq!(closed(&endpoints[0]), [Reason::Health]);
    assert_eq!(closed(&endpoints[1]), [] as [Reason; 0]);
}

#[tokio::test(start_paused = true)]
async fn both_are_shown_by_one_handle() {
    let mut scene = scene();
    let a = scene.join("a");
    scene.join("b");
    settle().await;
    fail(&a, 5);
    settle().await;
    let snapshot = scene.health.snapshot();
    let outliers = snapshot.outliers.clone().unwrap();
    assert_eq!((outliers.ejected, outliers.members.len()), (1, 2));
    let text = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(
        serde_json::from_str::<HealthSnapshot>(&text).unwrap(),
        snapshot
    );
    let mut names = Names::default();
    scene.health.collect(&mut names);
    assert!(names.0.contains(&"health_panicking") && names.0.contains(&"outlier_ejections"));

    scene.remove("a");
    settle().await;
    assert_eq!(closed(&a), [] as [Reason; 0]);
    let snapshot = scene.health.snapshot().outliers.unwrap();
    assert_eq!((snapshot.ejected, snapshot.members.len()), (0, 1));
    // Without a layer that ejects there are none.
    assert_eq!(Scene::new(exact()).health.snapshot().outliers, None);
}

#[derive(Default)]
struct Names(Vec<&'static str>);

impl crate::collect::Sink for Names {
    fn sample(
        &mut self,
        metric: &'static crate::collect::Metric,
        _: Option<(&'static str, &'static str)>,
        _: crate::collect::Value,
    ) {
        self.0.push(metric.name);
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_discovery_ends_both() {
    let mut scene = scene();
    let [a, b] = ["a", "b"].map(|key| scene.join(key));
    scene.join("c");
    scene.probe.set_healthy("b", false);
    settle().await;
    fail(&a, 5);
    pass(60 * SEC).await;
    fail(&a, 5);
    settle().await;
    assert_eq!(closed(&a), [] as [Reason; 0], "2 of 3 are out");
    assert!(scene.health.is_panicking());
    let Scene {
        health, discover, ..
    } = scene;
    drop(discover);
    settle().await;
    assert_eq!((closed(&a), closed(&b)), (vec![], vec![]));
    assert_eq!(health.outliers().unwrap().snapshot().members.len(), 0);
}
