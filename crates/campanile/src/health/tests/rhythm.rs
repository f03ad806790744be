use super::*;

/// As many names as asked for, which live as long as the tests.
fn names(count: usize) -> Vec<&'static str> {
    (0..count)
        .map(|number| &*Box::leak(format!("{number:05}").into_boxed_str()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_members_never_exceed_the_concurrency() {
    let mut scene = Scene::new(HealthConfig::default().with_seed(Some(1)));
    let names = names(10_000);
    for name in &names {
        scene.probe.set(
            name,
            Act::After(Duration::from_millis(20), Report::healthy()),
        );
        scene.join(name);
    }
    let ten_minutes = 10 * 60;
    for _ in 0..ten_minutes {
        pass(SEC).await;
        assert!(scene.probe.running() <= 16);
    }
    assert_eq!(scene.probe.peak.load(Ordering::SeqCst), 16);
    for name in &names {
        let checks = scene.status(name).checks;
        // The first at once, the second within a minute, then one about every minute.
        assert!((9..=12).contains(&checks), "{name}: {checks}");
    }
}

/// Checks begun in each second of the given minute.
fn by_second(scene: &Scene, joined: Timestamp, minute: u64) -> Vec<usize> {
    let mut seconds = vec![0; 60];
    for begun in scene.probe.begun.lock().unwrap().iter() {
        let second = begun.at.since(joined).as_secs();
        if second / 60 == minute {
            seconds[usize::try_from(second % 60).unwrap()] += 1;
        }
    }
    seconds
}

#[tokio::test(start_paused = true)]
async fn members_that_joined_together_part_with_their_second_check() {
    let config = HealthConfig::default()
        .with_seed(Some(2))
        .with_max_concurrent(1000);
    let mut scene = Scene::new(config);
    let joined = Timestamp::now();
    for name in names(1000) {
        scene.join(name);
    }
    pass(300 * SEC).await;
    assert!(
        by_second(&scene, joined, 0)[0] >= 1000,
        "the first ones at once"
    );
    for minute in 1..5 {
        // 1,000 in 60 s make 17 a second.
        let most = *by_second(&scene, joined, minute).iter().max().unwrap();
        assert!(most <= 40, "minute {minute}: {most} in a second");
    }
}

#[tokio::test(start_paused = true)]
async fn intervals_vary_by_the_jitter_and_no_more() {
    let mut scene = Scene::new(HealthConfig::default().with_seed(Some(3)));
    scene.join("a");
    pass(3 * 60 * 60 * SEC).await;
    let begun = scene.probe.begun("a");
    let gaps: Vec<_> = begun
        .windows(2)
        .skip(1)
        .map(|pair| pair[1].since(pair[0]).as_secs_f64())
        .collect();
    assert!(gaps.len() > 150);
    assert!(
        gaps.iter().all(|gap| (47.9..72.1).contains(gap)),
        "{gaps:?}"
    );
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    assert!((57.0..63.0).contains(&mean), "{mean}");
    let shortest = gaps.iter().copied().fold(f64::MAX, f64::min);
    let longest = gaps.iter().copied().fold(0.0, f64::max);
    assert!(longest - shortest > 15.0, "{shortest} to {longest}");
}

/// Whether a backlog is worked off in order: nobody waits twice before another was checked once.
#[tokio::test(start_paused = true)]
async fn when_there_is_too_much_to_do_everybody_has_a_turn() {
    let config = exact().with_interval(SEC).with_max_concurrent(2);
    let mut scene = Scene::new(config);
    let names = names(50);
    for name in &names {
        scene.probe.set(name, Act::After(SEC, Report::healthy()));
        scene.join(name);
    }
    pass(250 * SEC).await;
    // All but the two that are being checked have been due for long.
    let snapshot = scene.health.snapshot();
    assert_eq!((snapshot.checking, snapshot.overdue), (2, 48));
    let counts: Vec<_> = names
        .iter()
        .map(|name| scene.probe.begun(name).len())
        .collect();
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(*least >= 9 && most - least <= 1, "{counts:?}");
}
