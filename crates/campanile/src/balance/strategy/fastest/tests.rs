use super::*;
use crate::{balance::strategy::test_view::FakeView, outcome::FailureKind};

type Pool = FakeView<LatencyState>;

fn fastest(by: Timing) -> (Fastest, Pool) {
    let config = FastestConfig {
        by,
        ..FastestConfig::default()
    };
    let fastest = Fastest::new(config).unwrap();
    let view = Pool::new(2).joined_by(&fastest);
    (fastest, view)
}

/// A call whose head comes after 10 ms, first data after 50 and end after 200.
fn stream(fastest: &Fastest, view: &mut Pool, index: usize, outcome: Outcome) {
    let mut call = view.begin(fastest, index);
    view.advance(Duration::from_millis(10));
    view.head(&mut call);
    view.advance(Duration::from_millis(40));
    view.data(fastest, &mut call, 1);
    view.advance(Duration::from_millis(150));
    view.end(fastest, &call, outcome);
}

fn estimate(fastest: &Fastest, view: &Pool, index: usize) -> f64 {
    view.inspect(fastest, index, "fastest.seconds")
}

#[track_caller]
fn assert_near(found: f64, expected: f64) {
    assert!(
        (found / expected - 1.0).abs() < 0.02,
        "{found}, not {expected}"
    );
}

#[test]
fn measures_what_is_asked_for() {
    for (by, expected) in [
        (Timing::Head, 0.01),
        (Timing::FirstData, 0.05),
        (Timing::Total, 0.2),
    ] {
        let (fastest, mut view) = fastest(by);
        stream(&fastest, &mut view, 0, Outcome::Success);
        assert_near(estimate(&fastest, &view, 0), expected);
        // Without a body, the head is the first that comes.
        view.run(&fastest, 1, Duration::from_millis(100), Outcome::Success);
        assert_near(estimate(&fastest, &view, 1), 0.1);
    }
}

#[test]
fn averages() {
    let (fastest, mut view) = fastest(Timing::Total);
    view.run(&fastest, 0, Duration::from_millis(100), Outcome::Success);
    view.run(&fastest, 0, Duration::from_millis(200), Outcome::Success);
    assert_near(estimate(&fastest, &view, 0), 0.11);
    view.run(&fastest, 0, Duration::from_millis(10), Outcome::Success);
    assert_near(estimate(&fastest, &view, 0), 0.1);
}

#[test]
fn the_fastest_is_called_until_it_is_busy() {
    let (fastest, mut view) = fastest(Timing::Total);
    view.run(&fastest, 0, Duration::from_millis(100), Outcome::Success);
    view.run(&fastest, 1, Duration::from_millis(350), Outcome::Success);
    let calls: Vec<_> = (0..4).map(|_| view.call(&fastest).unwrap().index).collect();
    assert_eq!(calls, [0, 0, 0, 1]);
}

#[test]
fn given_up_before_what_is_measured_looks_slow() {
    let (fastest, mut view) = fastest(Timing::Total);
    view.run(&fastest, 1, Duration::from_millis(100), Outcome::Success);
    for _ in 0..4 {
        view.run(&fastest, 0, Duration::from_millis(50), Outcome::Cancelled);
        assert!(estimate(&fastest, &view, 0) >= estimate(&fastest, &view, 1));
    }
    assert!(estimate(&fastest, &view, 0) > 0.2);
}

#[test]
fn given_up_after_what_is_measured_says_little() {
    let (fastest, mut view) = fastest(Timing::FirstData);
    stream(&fastest, &mut view, 0, Outcome::Success);
    for _ in 0..20 {
        stream(&fastest, &mut view, 0, Outcome::Cancelled);
        assert_near(estimate(&fastest, &view, 0), 0.05);
    }
}

#[test]
fn failures_and_idle_time_make_nobody_fast() {
    let (fastest, mut view) = fastest(Timing::Total);
    for index in [0, 1] {
        view.run(
            &fastest,
            index,
            Duration::from_millis(100),
            Outcome::Success,
        );
    }
    for _ in 0..50 {
        view.run(
            &fastest,
            0,
            Duration::from_millis(1),
            Outcome::Failure(FailureKind::Error),
        );
    }
    assert_near(estimate(&fastest, &view, 0), 0.1);
    view.advance(Duration::from_secs(86_400));
    for _ in 0..100 {
        view.shares(&fastest, 1);
        view.advance(Duration::from_secs(10));
    }
    assert_near(estimate(&fastest, &view, 0), 0.095);
    let shares: Vec<_> = (0..20)
        .map(|_| view.call(&fastest).unwrap().index)
        .collect();
    assert_eq!(shares.iter().filter(|index| **index == 0).count(), 10);
}

#[test]
fn one_that_looked_slow_is_tried_again() {
    let (fastest, mut view) = fastest(Timing::Total);
    view.run(&fastest, 0, Duration::from_millis(100), Outcome::Success);
    view.run(&fastest, 1, Duration::from_secs(5), Outcome::Success);
    assert_eq!(view.shares(&fastest, 100)[1], 0);
    let mut calls = [0; 2];
    for _ in 0..1000 {
        let call = view.call(&fastest).unwrap();
        calls[call.index] += 1;
        view.advance(Duration::from_millis(100));
        view.end(&fastest, &call, Outcome::Success);
    }
    assert!(calls[1] > 0, "{calls:?}");
}

#[test]
fn settings_out_of_range_are_named() {
    let config = FastestConfig {
        fade: Duration::ZERO,
        ..FastestConfig::default()
    };
    assert_eq!(Fastest::new(config).unwrap_err().field, "fade");
}
