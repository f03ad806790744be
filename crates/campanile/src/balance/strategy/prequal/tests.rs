use std::time::Duration;

use super::{super::test_view::FakeView, *};
use crate::outcome::Outcome;

fn signals(of: &[(f64, f64)]) -> Vec<Signal> {
    let numbered = of.iter().enumerate();
    numbered
        .map(|(name, (in_flight, latency))| Signal {
            name,
            in_flight: *in_flight,
            latency: Some(*latency),
        })
        .collect()
}

#[test]
fn the_fastest_of_the_cold_or_the_least_loaded_of_the_hot() {
    // 2 is fastest and hot.
    let some_cold = signals(&[(3.0, 0.5), (4.0, 0.3), (9.0, 0.1), (2.0, 0.4)]);
    assert_eq!(hot_cold(&some_cold, 5.0), Some((1, 2)));
    // All hot: the fewest calls, though slow.
    assert_eq!(hot_cold(&some_cold, 1.0), Some((3, 2)));
    // All cold: latency alone, the slowest is worst.
    assert_eq!(hot_cold(&some_cold, 99.0), Some((2, 0)));
    assert_eq!(hot_cold(&[], 1.0), None);
}

#[test]
fn unknown_latency_is_as_the_mean() {
    let mut some = signals(&[(1.0, 0.1), (1.0, 0.5), (1.0, 9.9)]);
    some[2].latency = None;
    assert_eq!(hot_cold(&some, 5.0), Some((0, 1)));
}

#[test]
fn quantiles() {
    let sorted: Vec<_> = (1..=10).map(f64::from).collect();
    assert_eq!(quantile(&sorted, 0.0), 1.0);
    assert_eq!(quantile(&sorted, 0.84), 9.0);
    assert_eq!(quantile(&sorted, 1.0), 10.0);
    assert_eq!(quantile(&[], 0.5), f64::INFINITY);
}

#[test]
fn parameters_that_would_empty_the_pool_are_clamped_or_refused() {
    let config = PrequalConfig::default();
    // (1 - 16/100) 3 - 1 = 1.52: (1 + 1) / 1.52.
    let (size, uses) = config.plan(100);
    assert_eq!(size, 16);
    assert!((uses - 2.0 / 1.52).abs() < 1e-9);
    // (1 - 16/24) 3 = 1 is not above 1: half of the members.
    assert_eq!(config.plan(24), (12, 4.0));
    assert_eq!(config.plan(10), (5, 4.0));
    // Too few for any surplus: a choice of two, used often.
    assert_eq!(config.plan(2).0, 2);
    for members in 0..200 {
        let (size, uses) = config.plan(members);
        assert!(
            (2..=16).contains(&size) && (1.0..=16.0).contains(&uses),
            "{members}: {size}, {uses}"
        );
    }
    let wrong = |change: fn(&mut PrequalConfig)| {
        let mut config = PrequalConfig::default();
        change(&mut config);
        config.build().unwrap_err().field
    };
    assert_eq!(wrong(|config| config.probes = 2), "probes");
    assert_eq!(wrong(|config| config.hot_quantile = 1.1), "hot_quantile");
    assert_eq!(wrong(|config| config.growth = -0.1), "growth");
    assert_eq!(wrong(|config| config.max_age = Duration::ZERO), "max_age");
}

#[test]
fn latency_is_per_unit_of_work() {
    let strategy = Prequal::new();
    let mut view = FakeView::new(2);
    // 10 s for 1,000 units is faster than 1 s for 10.
    for (index, seconds, units) in [(0, 10, 1_000), (1, 1, 10)] {
        let mut call = view.begin(&strategy, index);
        view.advance(Duration::from_secs(seconds));
        view.data(&strategy, &mut call, units);
        view.end(&strategy, &call, Outcome::Success);
    }
    assert_eq!(view.inspect(&strategy, 0, "seconds_per_unit"), 0.01);
    assert_eq!(view.inspect(&strategy, 1, "seconds_per_unit"), 0.1);
    assert_eq!(view.shares(&strategy, 20), [20, 0]);
    // By tokens, where no units were seen.
    let mut call = view.begin(&strategy, 1);
    call.usage = Some(crate::cost::Usage {
        output_tokens: Some(1_000_000),
        ..Default::default()
    });
    view.advance(Duration::from_secs(1));
    view.end(&strategy, &call, Outcome::Success);
    assert!(view.inspect(&strategy, 1, "seconds_per_unit") < 0.1);
}

#[test]
fn a_cancelled_or_failed_call_does_not_look_fast() {
    let strategy = Prequal::new();
    let mut view = FakeView::new(2);
    let failure = Outcome::Failure(crate::outcome::FailureKind::Error);
    for index in 0..2 {
        view.run(&strategy, index, Duration::from_secs(1), Outcome::Success);
    }
    for outcome in [Outcome::Cancelled, failure] {
        view.run(&strategy, 0, Duration::from_millis(1), outcome);
    }
    assert_eq!(view.inspect(&strategy, 0, "seconds_per_unit"), 1.0);
}

#[test]
fn calls_and_time_count_by_weight() {
    let strategy = Prequal::new();
    let mut view = FakeView::weighted(&[1.0, 2.0]);
    for index in 0..2 {
        view.run(&strategy, index, Duration::from_secs(1), Outcome::Success);
    }
    assert_eq!(view.shares(&strategy, 20), [0, 20]);
    // Three calls at weight 2 are more than one at weight 1: hot.
    let _calls = [0, 1, 1, 1].map(|index| view.begin(&strategy, index));
    let config = PrequalConfig {
        hot_quantile: 0.5,
        ..PrequalConfig::default()
    };
    let strategy = strategy.config(config).unwrap();
    assert_eq!(view.shares(&strategy, 20), [20, 0]);
}

#[test]
fn what_the_endpoint_says_counts_before_what_we_see() {
    let strategy = Prequal::new();
    let mut view = FakeView::new(1);
    view.run(&strategy, 0, Duration::from_secs(1), Outcome::Success);
    let report = LoadReport {
        time_per_unit: Some(Duration::from_millis(20)),
        ..LoadReport::default()
    };
    strategy.report(view.peer(0), view.now, &report);
    view.run(&strategy, 0, Duration::from_secs(1), Outcome::Success);
    assert_eq!(view.inspect(&strategy, 0, "seconds_per_unit"), 0.02);
}

#[test]
fn a_hot_member_is_left_though_it_is_fast() {
    let strategy = Prequal::new();
    let mut view = FakeView::new(10);
    for index in 0..10 {
        let takes = Duration::from_millis(if index == 0 { 10 } else { 100 });
        view.run(&strategy, index, takes, Outcome::Success);
    }
    assert_eq!(view.shares(&strategy, 20)[0], 20);
    let _calls: Vec<_> = (0..5).map(|_| view.begin(&strategy, 0)).collect();
    assert_eq!(view.shares(&strategy, 20)[0], 0);
}

#[test]
fn large_pools_sample() {
    let strategy = Prequal::new();
    let mut view = FakeView::new(1_000);
    for index in 0..1_000 {
        let takes = Duration::from_millis(if index < 500 { 10 } else { 100 });
        view.run(&strategy, index, takes, Outcome::Success);
    }
    let fast: usize = view.shares(&strategy, 2_000)[..500].iter().sum();
    // One of five is fast in 97 %.
    assert!(fast > 1_850, "{fast}");
}

// The time of a report is read from the clock, which is paused only with this feature.
#[cfg(feature = "testing")]
#[tokio::test(start_paused = true)]
async fn probes_in_the_background_are_compared() {
    let ask = |endpoint: &crate::Endpoint| {
        let report = LoadReport {
            in_flight: Some(3),
            time_per_unit: Some(Duration::from_millis(if endpoint.key() == "1" {
                10
            } else {
                30
            })),
            ..LoadReport::default()
        };
        async move { Some(report) }
    };
    let strategy = Prequal::probing(ask);
    let view = FakeView::new(3);
    for _ in 0..10 {
        assert!(strategy.prepare(&view, &()).is_none());
        tokio::time::sleep(Duration::from_millis(1)).await;
        // The pool of three members holds two reports: the fast one's is not always among them.
        assert!(strategy.pick(&view, &()).is_some());
    }
    let view = FakeView::new(8);
    for _ in 0..8 {
        strategy.prepare(&view, &());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let picked = strategy.pick(&view, &()).unwrap();
    let pooled = strategy.probes.as_ref().unwrap().1.len();
    assert!(picked < 8 && (1..=4).contains(&pooled), "{pooled}");
}
