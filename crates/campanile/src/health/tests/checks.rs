use super::*;

#[tokio::test(start_paused = true)]
async fn the_first_check_comes_at_once_and_the_next_by_the_interval() {
    let mut scene = Scene::new(exact());
    let joined = Timestamp::now();
    scene.join("a");
    pass(150 * SEC).await;
    let begun: Vec<_> = scene
        .probe
        .begun("a")
        .iter()
        .map(|at| at.since(joined).as_secs_f64().round())
        .collect();
    assert_eq!(begun, [0.0, 60.0, 120.0]);
}

#[tokio::test(start_paused = true)]
async fn out_after_three_failures_checked_less_often_and_back_after_a_success() {
    let mut scene = Scene::new(exact());
    scene.probe.set("a", Act::Say(Report::unhealthy("503")));
    let endpoint = scene.join("a");
    pass(60 * SEC).await;
    assert_eq!(scene.status("a").failures, 2);
    assert!(!is_out(&endpoint), "two are not three");
    pass(60 * SEC).await;
    assert!(is_out(&endpoint));
    assert_eq!(scene.state("a"), HealthState::Unhealthy);
    assert_eq!(
        scene.status("a").next_check.map(f64::round),
        Some(300.0),
        "while it is out it is checked less often"
    );

    scene.probe.set_healthy("a", true);
    pass(299 * SEC).await;
    assert!(is_out(&endpoint));
    pass(SEC).await;
    assert!(!is_out(&endpoint));
    assert_eq!(scene.state("a"), HealthState::Healthy);
    assert_eq!(scene.status("a").next_check.map(f64::round), Some(60.0));
}

#[tokio::test(start_paused = true)]
async fn back_after_as_many_successes_as_asked_for() {
    let config = exact().with_unhealthy_after(1).with_healthy_after(3);
    let mut scene = Scene::new(config);
    scene.probe.set_healthy("a", false);
    let endpoint = scene.join("a");
    settle().await;
    scene.probe.set_healthy("a", true);
    for successes in 1..=2 {
        pass(300 * SEC).await;
        assert_eq!(scene.status("a").successes, successes);
        assert!(is_out(&endpoint), "after {successes}");
    }
    pass(300 * SEC).await;
    assert!(!is_out(&endpoint));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_flaps_stays_in_while_its_failures_are_no_row() {
    let mut scene = Scene::new(exact());
    let endpoint = scene.join("a");
    settle().await;
    for round in 0..50 {
        // Two bad checks, one good, and so on.
        scene.probe.set_healthy("a", round % 3 == 2);
        pass(60 * SEC).await;
        assert!(!is_out(&endpoint), "round {round}");
    }
    assert_eq!(scene.health.summary().transitions, 1, "only the first");
    let errors = scene.status("a").error_rate.unwrap();
    assert!((0.6..0.7).contains(&errors), "{errors}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_flaps_slowly_turns_once_for_each_change() {
    let mut scene = Scene::new(exact().with_unhealthy_interval(60 * SEC));
    let endpoint = scene.join("a");
    settle().await;
    for turn in 1..=10u64 {
        let healthy = turn % 2 == 0;
        scene.probe.set_healthy("a", healthy);
        pass(4 * 60 * SEC).await;
        assert_eq!(is_out(&endpoint), !healthy);
        assert_eq!(scene.health.summary().transitions, 1 + turn);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_never_returns_has_failed_when_its_time_is_up() {
    let mut scene = Scene::new(exact());
    scene.probe.set("a", Act::Never);
    let endpoint = scene.join("a");
    pass(9 * SEC).await;
    assert!(scene.status("a").checking);
    assert_eq!(scene.probe.running(), 1);
    pass(SEC).await;
    let status = scene.status("a");
    assert_eq!(status.result, Some(CheckResult::TimedOut));
    assert_eq!(status.message, "no answer within 10s");
    assert_eq!(status.response_time, None);
    assert_eq!(scene.probe.running(), 0, "nothing is left of it");
    pass(2 * 60 * SEC).await;
    assert!(is_out(&endpoint));
    assert_eq!(scene.probe.begun("a").len(), 3);
}

/// The second check may be due as soon as the time of the first is up, while its task is being dropped.
#[tokio::test(start_paused = true)]
async fn each_failure_is_a_check_that_has_begun() {
    let config = HealthConfig::default()
        .with_seed(Some(4))
        .with_max_concurrent(1000)
        .with_timeout(50 * SEC);
    let mut scene = Scene::new(config);
    let names: Vec<&'static str> = (0..100)
        .map(|name| &*Box::leak(name.to_string().into_boxed_str()))
        .collect();
    for name in &names {
        scene.probe.set(name, Act::Never);
        scene.join(name);
    }
    for _ in 0..4 {
        pass(50 * SEC).await;
        for name in &names {
            let status = scene.status(name);
            let begun = scene.probe.begun(name).len();
            let under_way = u64::from(status.checking);
            assert_eq!(begun as u64, status.checks + under_way, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_has_failed_and_harms_no_other() {
    let mut scene = Scene::new(exact());
    scene.probe.set("a", Act::Panic);
    let bad = scene.join("a");
    let good = scene.join("b");
    pass(2 * 60 * SEC).await;
    let status = scene.status("a");
    assert_eq!(status.result, Some(CheckResult::Panicked));
    assert_eq!(status.message, "the probe panicked: out of luck");
    assert!(is_out(&bad));
    assert!(!is_out(&good));
    assert_eq!(scene.probe.begun("b").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_before_it_waits_for_anything_has_failed_too() {
    let probe = |_: Check<u32>| -> std::future::Ready<bool> { panic!("{}", "at once") };
    let layer = HealthLayer::with_config(probe, exact().with_unhealthy_after(1)).unwrap();
    let (members, discover) = discovery();
    let mut discover = layer.layer(discover);
    members.insert("a", 0u32);
    let _ = discover.next().await;
    settle().await;
    let status = layer.handle().status("a").unwrap();
    assert_eq!(status.message, "the probe panicked: at once");
    assert_eq!(status.state, HealthState::Unhealthy);
}

#[derive(Debug)]
struct Explosive;

impl Clone for Explosive {
    fn clone(&self) -> Self {
        static CLONES: AtomicUsize = AtomicUsize::new(0);
        // The first is discovery's.
        assert!(CLONES.fetch_add(1, Ordering::SeqCst) == 0, "no more");
        Self
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_panics_when_it_is_cloned_is_a_failed_check() {
    let probe = |_: Check<Explosive>| async { true };
    let layer = HealthLayer::with_config(probe, exact()).unwrap();
    let (members, discover) = discovery();
    let mut discover = layer.layer(discover);
    members.insert("a", Explosive);
    let _ = discover.next().await;
    pass(60 * SEC).await;
    let status = layer.handle().status("a").unwrap();
    assert_eq!(status.result, Some(CheckResult::Panicked));
    assert_eq!(status.checks, 2, "and the monitor lives on");
}

#[tokio::test(start_paused = true)]
async fn a_check_that_cannot_tell_changes_nothing() {
    let mut scene = Scene::new(exact().with_unhealthy_after(2));
    scene.probe.set("a", Act::Say(Report::unknown("no data")));
    let endpoint = scene.join("a");
    pass(10 * 60 * SEC).await;
    let status = scene.status("a");
    assert_eq!(status.state, HealthState::Unknown);
    assert_eq!((status.checks, status.failures), (11, 0));
    assert_eq!(status.error_rate, None);
    assert_eq!(status.message, "no data");
    assert!(!is_out(&endpoint));
}

/// tr's health check waits for its slowest probe before it begins the next round.
#[tokio::test(start_paused = true)]
async fn one_slow_probe_delays_no_other() {
    let names: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "slow"];
    let mut scene = Scene::new(exact().with_interval(5 * SEC).with_max_concurrent(2));
    scene
        .probe
        .set("slow", Act::After(9 * SEC, Report::healthy()));
    let joined = Timestamp::now();
    // The slow one first, so that it is under way when the others are due.
    for name in names.into_iter().rev() {
        scene.join(name);
    }
    pass(60 * SEC).await;
    for name in &names[..7] {
        let begun = scene.probe.begun(name);
        assert_eq!(begun.len(), 13, "{name}");
        for (round, at) in (0u32..).zip(begun) {
            let late = at.since(joined.after(round * 5 * SEC));
            assert!(
                late < Duration::from_millis(100),
                "{name} {round}: {late:?}"
            );
        }
    }
    // Its next check is due while one is under way, and begins when that has ended: never two at once.
    assert_eq!(scene.probe.begun("slow").len(), 7);
    assert_eq!(scene.status("slow").state, HealthState::Healthy);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_starts_open_or_closed() {
    let mut open = Scene::new(exact());
    assert!(!is_out(&open.join("a")));

    let mut closed = Scene::new(exact().with_start(Start::Closed));
    closed
        .probe
        .set("a", Act::After(SEC, Report::unhealthy("")));
    let endpoint = closed.join("a");
    assert!(is_out(&endpoint), "before anything has run");
    pass(SEC).await;
    assert!(is_out(&endpoint), "and while no check has found it healthy");
    assert_eq!(closed.state("a"), HealthState::Unknown);
    closed.probe.set_healthy("a", true);
    pass(60 * SEC).await;
    assert!(!is_out(&endpoint));
}

/// Holds its thread up where an asynchronous probe would wait.
#[test]
fn a_probe_that_blocks_its_thread_keeps_its_place_and_harms_no_other() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_time()
        .build()
        .unwrap();
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Arc::new(Mutex::new(blocked));
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&begun);
    let probe = move |check: Check<u32>| {
        let (blocked, counted) = (Arc::clone(&blocked), Arc::clone(&counted));
        async move {
            if check.endpoint.key() == "stuck" {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = blocked.lock().unwrap().recv();
            }
        }
    };
    let fast = Duration::from_millis(5);
    let config = exact()
        .with_interval(fast)
        .with_unhealthy_interval(fast)
        .with_timeout(Duration::from_millis(200))
        .with_max_concurrent(2);
    runtime.block_on(async {
        let layer = HealthLayer::with_config(probe, config).unwrap();
        let (members, discover) = discovery();
        let mut discover = layer.layer(discover);
        for name in ["stuck", "b", "c"] {
            members.insert(name, 0u32);
            let _ = discover.next().await;
        }
        let health = layer.handle();
        // It waits for conditions, with a bound, as this cannot be seen on paused time.
        let until = async |what: &dyn Fn() -> bool| {
            let waited = tokio::time::timeout(30 * SEC, async {
                while !what() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
            waited.await.expect("it does not come about");
        };
        until(&|| health.statuses().len() == 3).await;
        let status = |name: &str| health.status(name).unwrap();
        until(&|| status("stuck").state == HealthState::Unhealthy).await;
        until(&|| status("b").checks > 20 && status("c").checks > 20).await;
        assert_eq!(begun.load(Ordering::SeqCst), 1, "no second one beside it");
        assert_eq!(
            status("stuck").message,
            "an earlier check does not let go of its thread"
        );
        until(&|| status("b").state == HealthState::Healthy).await;
        drop(release);
        until(&|| status("stuck").state == HealthState::Healthy).await;
    });
}
