use super::*;

#[test]
fn gradient2_rises_while_latency_keeps_to_its_average() {
    let mut algorithm = Gradient2::new(Gradient2Config::default());
    // 20 windows of a second, each of which adds a fifth of the queue.
    let mut calls = Calls::new(1000);
    while calls.now < Timestamp::from_nanos(120_500_000_000) {
        calls.end(&mut algorithm, 1, |_| done(ms(10)));
    }
    assert!((35.0..37.0).contains(&algorithm.limit()), "{algorithm:?}");
}

#[test]
fn gradient2_falls_when_latency_rises_over_it() {
    let mut algorithm = Gradient2::new(Gradient2Config {
        initial: 100.0,
        ..Gradient2Config::default()
    });
    let mut calls = Calls::new(1000);
    calls.end(&mut algorithm, 100_000, |_| done(ms(10)));
    let before = algorithm.limit();
    calls.end(&mut algorithm, 20_000, |_| done(ms(50)));
    assert!(algorithm.limit() < before * 0.7, "{algorithm:?}");
}

/// Netflix's throws away a window with fewer than ten calls: nine calls a second, and it never moves.
#[test]
fn gradient2_learns_from_few_calls_too() {
    let mut algorithm = Gradient2::new(Gradient2Config {
        initial: 4.0,
        ..Gradient2Config::default()
    });
    Calls::new(1000).end(&mut algorithm, 200, |_| done(ms(1000)));
    assert!(algorithm.limit() > 8.0, "{algorithm:?}");
}

#[test]
fn envoy_settles_where_latency_is_a_quarter_above_the_least() {
    let mut algorithm = EnvoyGradient::new(EnvoyGradientConfig::default());
    assert_eq!(algorithm.limit(), 3.0, "it begins by a look at the least");
    let mut calls = Calls::new(1000);
    calls.end(&mut algorithm, 20_000, slots(40, ms(10)));
    // 40 slots are a quarter too slow at 50; the square root is what it keeps queueing.
    assert!((48.0..75.0).contains(&algorithm.limit()), "{algorithm:?}");
}

#[test]
fn envoy_follows_capacity_down() {
    let mut algorithm = EnvoyGradient::new(EnvoyGradientConfig::default());
    let mut calls = Calls::new(1000);
    calls.end(&mut algorithm, 20_000, slots(40, ms(10)));
    calls.end(&mut algorithm, 4_000, slots(10, ms(10)));
    assert!(algorithm.limit() < 25.0, "{algorithm:?}");
}

/// Envoy's looks at the least latency with three calls at a time: 80 s of each minute where calls take 5 s.
#[test]
fn envoy_does_not_starve_calls_that_take_long() {
    let mut algorithm = EnvoyGradient::new(EnvoyGradientConfig::default());
    let mut calls = Calls::new(1000);
    calls.end(&mut algorithm, 2_000, slots(40, ms(5_000)));
    let (mut looking, mut total) = (0.0, 0.0);
    for _ in 0..40_000 {
        let (before, starved) = (calls.now, algorithm.limit() <= 3.0);
        calls.end(&mut algorithm, 1, slots(40, ms(5_000)));
        let seconds = calls.now.since(before).as_secs_f64();
        total += seconds;
        looking += if starved { seconds } else { 0.0 };
    }
    assert!(looking > 0.0, "it still looks");
    assert!(looking < 0.07 * total, "{looking} of {total} s");
}
