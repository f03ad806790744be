use std::sync::atomic::AtomicBool;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_check_ends_when_its_endpoint_leaves() {
    let mut scene = Scene::new(exact());
    scene.probe.set("a", Act::Never);
    scene.join("a");
    settle().await;
    assert_eq!(scene.probe.running(), 1);
    scene.remove("a");
    settle().await;
    assert_eq!(scene.probe.running(), 0);
    assert_eq!(scene.health.status("a"), None);
    pass(600 * SEC).await;
    assert_eq!(scene.probe.begun("a").len(), 1, "nobody checks it any more");
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_is_no_longer_out_and_comes_back_as_new() {
    let mut scene = Scene::new(exact().with_unhealthy_after(1));
    scene.probe.set_healthy("a", false);
    let endpoint = scene.join("a");
    settle().await;
    assert!(is_out(&endpoint));
    scene.remove("a");
    assert!(!is_out(&endpoint), "as soon as the pool hears of it");

    scene.probe.set("a", Act::After(SEC, Report::healthy()));
    scene.join("a");
    settle().await;
    let status = scene.status("a");
    assert_eq!((status.state, status.checks), (HealthState::Unknown, 0));
    assert!(status.checking, "its first check comes at once");
}

#[tokio::test(start_paused = true)]
async fn it_leaves_and_comes_back_while_a_check_runs() {
    let mut scene = Scene::new(exact().with_unhealthy_after(1));
    scene
        .probe
        .set("a", Act::After(5 * SEC, Report::unhealthy("old")));
    scene.join("a");
    pass(SEC).await;
    scene.probe.set("a", Act::After(5 * SEC, Report::healthy()));
    scene.remove("a");
    let endpoint = scene.join("a");
    pass(4 * SEC).await;
    assert_eq!(
        scene.state("a"),
        HealthState::Unknown,
        "the old check, which would end now, says nothing about the new member"
    );
    pass(SEC).await;
    assert_eq!(scene.state("a"), HealthState::Healthy);
    assert!(!is_out(&endpoint));
    assert_eq!(scene.probe.peak.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn inserted_again_it_keeps_its_state_and_the_check_under_way_and_gets_the_new_target() {
    let mut scene = Scene::new(exact().with_unhealthy_after(1));
    scene.probe.set_healthy("a", false);
    let endpoint = scene.insert("a", 1);
    settle().await;
    scene.probe.set("a", Act::After(5 * SEC, false.into()));
    pass(300 * SEC).await;
    assert!(scene.status("a").checking);
    assert!(scene.insert("a", 2).is(&endpoint));
    settle().await;
    let status = scene.status("a");
    assert_eq!(status.state, HealthState::Unhealthy);
    assert!(status.checking);
    assert!(is_out(&endpoint));
    pass(5 * SEC).await;
    assert_eq!(scene.status("a").checks, 2, "it counted");
    pass(300 * SEC).await;
    let targets: Vec<_> = scene
        .probe
        .begun
        .lock()
        .unwrap()
        .iter()
        .map(|begun| begun.target)
        .collect();
    assert_eq!(targets, [1, 1, 2]);
}

/// Discoveries that poll tell the same members again and again.
#[tokio::test(start_paused = true)]
async fn a_discovery_that_repeats_itself_neither_starves_nor_multiplies_checks() {
    let mut scene = Scene::new(exact());
    scene.probe.set("a", Act::After(3 * SEC, Report::healthy()));
    for _ in 0..180 {
        scene.join("a");
        pass(SEC - Duration::from_millis(2)).await;
    }
    let status = scene.status("a");
    assert_eq!((status.checks, scene.probe.begun("a").len()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn members_come_and_go_without_waiting_for_checks() {
    let mut scene = Scene::new(exact().with_max_concurrent(1));
    for name in ["a", "b", "c"] {
        scene.probe.set(name, Act::Never);
        // `join` and `remove` fail if the pool would have to wait, and nobody lets the checks run here.
        scene.join(name);
    }
    scene.remove("b");
    scene.join("d");
    settle().await;
    let keys: Vec<_> = scene
        .health
        .statuses()
        .into_iter()
        .map(|status| status.endpoint)
        .collect();
    assert_eq!(keys, ["a", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_when_the_discovery_is_dropped() {
    let mut scene = Scene::new(exact().with_unhealthy_after(1));
    scene.probe.set_healthy("a", false);
    scene.probe.set("b", Act::Never);
    let endpoint = scene.join("a");
    scene.join("b");
    settle().await;
    assert!(is_out(&endpoint));
    assert_eq!(scene.probe.running(), 1);
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    assert_eq!(tasks(), 2, "the monitor and a check");

    let Scene {
        probe,
        health,
        discover,
        ..
    } = scene;
    drop(discover);
    assert!(!is_out(&endpoint), "at once");
    settle().await;
    assert_eq!(tasks(), 0);
    assert_eq!(probe.running(), 0);
    assert_eq!(health.statuses(), []);
    assert_eq!(health.summary().members(), 0);
    assert_eq!(health.check_now("a").await, None);
    assert_eq!(
        Arc::strong_count(&probe.begun),
        1,
        "the monitor let the probe go"
    );
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_when_the_discovery_has_ended() {
    let mut scene = Scene::new(exact());
    scene.join("a");
    scene.members.end();
    assert!(scene.discover.next().await.is_none());
    pass(125 * SEC).await;
    assert_eq!(scene.probe.begun("a").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn another_endpoint_of_the_same_key_is_another_member() {
    let probe = Scripted::default();
    let layer = HealthLayer::with_config(probe.clone(), exact().with_unhealthy_after(1)).unwrap();
    let (members, discover) = discovery();
    let mut discover = layer.layer(discover);
    let (first, second) = (Endpoint::new("a"), Endpoint::new("a"));
    probe.set_healthy("a", false);
    members.insert(first.clone(), 1);
    let _ = discover.next().await;
    settle().await;
    assert!(is_out(&first));

    probe.set_healthy("a", true);
    members.insert(second.clone(), 2);
    let _ = discover.next().await;
    assert!(!is_out(&first) && !is_out(&second));
    settle().await;
    let health = layer.handle();
    assert_eq!(health.status("a").unwrap().state, HealthState::Healthy);
    assert_eq!(health.summary().members(), 1);
}

#[test]
fn gates_open_when_the_runtime_is_shut_down() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (endpoint, scene) = runtime.block_on(async {
        let mut scene = Scene::new(exact().with_unhealthy_after(1));
        scene.probe.set_healthy("a", false);
        scene.probe.set("b", Act::Never);
        let endpoint = scene.join("a");
        scene.join("b");
        settle().await;
        assert!(is_out(&endpoint));
        (endpoint, scene)
    });
    drop(runtime);
    let gate = endpoint.gate();
    assert!(!gate.is_closed_for(Reason::Health, Timestamp::ZERO));
    assert_eq!(scene.probe.running(), 0);
    assert_eq!(scene.health.statuses(), []);
}

#[test]
fn so_do_those_of_whom_the_monitor_never_heard() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (endpoint, _scene) = runtime.block_on(async {
        let mut scene = Scene::new(exact().with_start(Start::Closed));
        let endpoint = scene.join("a");
        assert!(is_out(&endpoint));
        (endpoint, scene)
    });
    drop(runtime);
    let gate = endpoint.gate();
    assert!(!gate.is_closed_for(Reason::Health, Timestamp::ZERO));
}

/// A target that panics when it is dropped, once its flag is set.
#[derive(Clone)]
struct Bomb(Arc<AtomicBool>);

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.0.swap(false, Ordering::SeqCst), "out of luck");
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_monitor_panics_gates_open_and_nobody_is_closed_any_more() {
    let config = exact().with_start(Start::Closed).with_unhealthy_after(1);
    let layer = HealthLayer::with_config(|_: Check<Bomb>| async { false }, config).unwrap();
    let (members, discover) = discovery();
    let mut discover = layer.layer(discover);
    let mut join = |key, flag: &Arc<AtomicBool>| {
        members.insert(key, Bomb(Arc::clone(flag)));
        match discover.next().now_or_never().unwrap().unwrap().unwrap() {
            Change::Insert(endpoint, _) => endpoint,
            Change::Remove(endpoint) => panic!("{endpoint} was removed"),
        }
    };
    let (armed, calm) = (Arc::default(), Arc::default());
    let endpoint = join("a", &armed);
    settle().await;
    assert!(is_out(&endpoint));

    // Inserted again: the monitor drops the target that it had.
    armed.store(true, Ordering::SeqCst);
    join("a", &calm);
    settle().await;
    assert!(!armed.load(Ordering::SeqCst), "it went off");
    assert!(!is_out(&endpoint));
    assert_eq!(layer.handle().statuses(), []);
    assert!(!is_out(&join("b", &calm)), "nobody would open it");
}
