use super::*;

fn scene(per_hour: u32) -> Scene {
    let probe = Scripted {
        paid: true,
        ..Scripted::default()
    };
    Scene::with(probe, exact().with_paid_per_hour(Some(per_hour)))
}

#[test]
fn a_probe_that_costs_money_is_refused_without_a_cap() {
    let probe = Scripted {
        paid: true,
        ..Scripted::default()
    };
    let error = HealthLayer::<_, u32>::new(probe.clone()).unwrap_err();
    assert_eq!((error.concern, error.field), ("health", "paid_per_hour"));
    assert_eq!(error.rule, "a probe that costs money needs a cap");
    let config = exact().with_paid_per_hour(Some(1));
    assert!(HealthLayer::<_, u32>::with_config(probe, config).is_ok());
}

#[tokio::test(start_paused = true)]
async fn no_hour_has_more_than_the_cap_and_everybody_has_a_turn() {
    let mut scene = scene(12);
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        scene.join(name);
    }
    pass(6 * 60 * 60 * SEC).await;
    let times: Vec<_> = scene
        .probe
        .begun
        .lock()
        .unwrap()
        .iter()
        .map(|begun| begun.at)
        .collect();
    for from in &times {
        let until = from.after(60 * 60 * SEC);
        let within = times.iter().filter(|at| (*from..until).contains(at));
        assert!(within.count() <= 12);
    }
    assert!(
        times.len() >= 6 * 12,
        "and what is allowed is used: {}",
        times.len()
    );
    for name in names {
        let checks = scene.probe.begun(name).len();
        assert!((14..=16).contains(&checks), "{name}: {checks}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_skipped_changes_no_state_and_shows() {
    let mut scene = scene(4);
    scene.probe.set_healthy("a", false);
    let endpoint = scene.join("a");
    pass(60 * SEC).await;
    let status = scene.status("a");
    assert_eq!((status.checks, status.skipped, status.failures), (1, 1, 1));
    assert_eq!(status.state, HealthState::Unknown);
    let next = status.next_check.unwrap();
    assert!(
        (839.0..841.0).contains(&next),
        "a quarter of the cap in a quarter of an hour: {next}"
    );
    pass(800 * SEC).await;
    assert_eq!(
        scene.status("a").skipped,
        1,
        "it waits, and is skipped once"
    );
    assert!(!is_out(&endpoint));
    pass(45 * SEC).await;
    assert_eq!(scene.status("a").checks, 2);
}

#[tokio::test(start_paused = true)]
async fn a_cap_means_nothing_to_a_probe_that_costs_nothing() {
    let mut scene = Scene::new(exact().with_paid_per_hour(Some(1)));
    scene.join("a");
    pass(600 * SEC).await;
    assert_eq!(scene.status("a").checks, 11);
}

#[tokio::test(start_paused = true)]
async fn no_money_is_spent_on_an_endpoint_that_is_switched_off_unless_asked() {
    let mut scene = scene(3600);
    let endpoint = scene.join("a");
    settle().await;
    endpoint.gate().close(Reason::Disabled);
    pass(300 * SEC).await;
    let status = scene.status("a");
    assert_eq!((status.checks, status.skipped), (1, 5));
    assert_eq!(
        status.state,
        HealthState::Healthy,
        "its health is another matter"
    );

    let status = scene.health.check_now("a").await.unwrap();
    assert_eq!(status.checks, 2, "an operator may ask");
    endpoint.gate().open(Reason::Disabled);
    pass(60 * SEC).await;
    assert_eq!(scene.status("a").checks, 3);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_is_told_at_once_that_nothing_is_left_of_the_cap() {
    let mut scene = scene(1);
    scene.join("a");
    pass(SEC).await;
    let asked = tokio::time::timeout(SEC, scene.health.check_now("a"));
    let status = asked.await.expect("it waits for the cap").unwrap();
    assert_eq!((status.checks, status.skipped), (1, 1));
    let asked = tokio::time::timeout(SEC, scene.health.check_now("a"));
    let status = asked.await.expect("it waits for the cap").unwrap();
    assert_eq!((status.checks, status.skipped), (1, 1), "it waits already");
    pass(60 * 60 * SEC).await;
    assert_eq!(scene.status("a").checks, 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_the_cap_may_leave() {
    let mut scene = scene(4);
    for name in ["a", "b", "c"] {
        scene.join(name);
    }
    settle().await;
    scene.remove("b");
    pass(900 * SEC).await;
    assert_eq!(scene.probe.begun("c").len(), 1, "c is next");
    assert_eq!(scene.probe.begun_in_all(), 2);
}

#[tokio::test(start_paused = true)]
async fn pools_of_one_layer_share_the_cap_and_later_ones_do_not_begin_anew() {
    let probe = Scripted {
        paid: true,
        ..Scripted::default()
    };
    let config = exact().with_paid_per_hour(Some(4));
    let layer = HealthLayer::with_config(probe.clone(), config).unwrap();
    for _ in 0..3 {
        let pools = [(); 2].map(|()| {
            let (members, discover) = discovery();
            members.insert("a", 0);
            (members, layer.layer(discover))
        });
        let mut kept = Vec::new();
        for (members, mut discover) in pools {
            let _ = discover.next().now_or_never();
            kept.push((members, discover));
        }
        pass(9 * 60 * SEC).await;
    }
    assert_eq!(probe.begun_in_all(), 2, "one in each quarter of an hour");
    settle().await;
    assert_eq!(layer.handle().summary().members(), 0);
}
