use super::*;
use crate::{balance::strategy::test_view::FakeView, endpoint::Endpoint, outcome::FailureKind};

type Pool = FakeView<LatencyState>;

const MEAN: Duration = Duration::from_millis(100);

fn pool(members: usize) -> (PeakEwma, Pool) {
    let ewma = PeakEwma::default();
    let mut view = Pool::new(members).joined_by(&ewma);
    for index in 0..members {
        view.run(&ewma, index, MEAN, Outcome::Success);
    }
    (ewma, view)
}

fn estimate(ewma: &PeakEwma, view: &Pool, index: usize) -> f64 {
    view.inspect(ewma, index, "peak_ewma.seconds")
}

#[track_caller]
fn assert_near(found: f64, expected: f64) {
    assert!(
        (found / expected - 1.0).abs() < 0.02,
        "{found}, not {expected}"
    );
}

#[test]
fn a_peak_counts_at_once_and_fades_with_time() {
    let (ewma, mut view) = pool(2);
    view.run(&ewma, 0, Duration::from_secs(1), Outcome::Success);
    assert_near(estimate(&ewma, &view, 0), 1.0);
    // A hundred calls a second, for ten seconds.
    for _ in 0..1000 {
        view.run(&ewma, 0, Duration::from_millis(10), Outcome::Success);
    }
    assert_near(estimate(&ewma, &view, 0), 0.01 + 0.99 * (-1.0_f64).exp());
}

#[test]
fn reading_changes_nothing() {
    let (ewma, view) = pool(2);
    let before = estimate(&ewma, &view, 0);
    view.shares(&ewma, 1000);
    assert_eq!(estimate(&ewma, &view, 0).to_bits(), before.to_bits());
}

#[test]
fn what_is_unknown_is_the_pools_mean() {
    let ewma = PeakEwma::default();
    let mut view = Pool::new(2).joined_by(&ewma);
    assert_eq!(estimate(&ewma, &view, 0), 1.0);
    view.run(&ewma, 0, MEAN, Outcome::Success);
    assert_near(estimate(&ewma, &view, 1), 0.1);
    let newcomer = view.push(Endpoint::builder("new"));
    ewma.join(view.peer(newcomer), view.now);
    assert_near(estimate(&ewma, &view, newcomer), 0.1);
    let shares = view.shares(&ewma, 3000);
    assert!(
        shares.iter().all(|share| (700..1300).contains(share)),
        "{shares:?}"
    );
}

#[test]
fn an_idle_estimate_fades_to_the_mean() {
    let (ewma, mut view) = pool(3);
    view.run(&ewma, 0, Duration::from_secs(5), Outcome::Success);
    let mean = ewma.estimator.mean();
    let mut last = estimate(&ewma, &view, 0);
    for _ in 0..600 {
        view.advance(Duration::from_millis(500));
        view.shares(&ewma, 1);
        let now = estimate(&ewma, &view, 0);
        assert!(now <= last && now >= 0.95 * mean);
        last = now;
    }
    assert_near(last, 0.95 * mean);
    view.advance(Duration::from_secs(86_400));
    view.shares(&ewma, 50);
    assert_near(estimate(&ewma, &view, 1), 0.95 * mean);
}

#[test]
fn cancelled_calls_never_look_fast() {
    let (ewma, mut view) = pool(2);
    for calls in 1..=10 {
        view.run(&ewma, 0, MEAN / 2, Outcome::Cancelled);
        view.run(&ewma, 1, MEAN, Outcome::Success);
        assert!(
            estimate(&ewma, &view, 0) >= estimate(&ewma, &view, 1),
            "after {calls}"
        );
    }
    // Nothing has completed in half a second of calls.
    assert!(estimate(&ewma, &view, 0) > 0.45);
    assert_eq!(view.shares(&ewma, 100)[0], 0);
}

#[test]
fn of_an_endpoint_that_only_ever_is_given_up_nothing_good_is_known() {
    let ewma = PeakEwma::default();
    let mut view = Pool::new(2).joined_by(&ewma);
    view.run(&ewma, 1, MEAN, Outcome::Success);
    view.run(&ewma, 0, MEAN / 2, Outcome::Cancelled);
    assert!(estimate(&ewma, &view, 0) >= 0.1);
}

#[test]
fn one_cancelled_call_among_good_ones_is_forgiven() {
    let (ewma, mut view) = pool(2);
    for _ in 0..100 {
        view.run(&ewma, 0, MEAN / 2, Outcome::Cancelled);
        view.run(&ewma, 0, MEAN, Outcome::Success);
    }
    assert_near(estimate(&ewma, &view, 0), 0.1);
}

#[test]
fn failed_calls_never_look_fast() {
    let (ewma, mut view) = pool(2);
    let before = estimate(&ewma, &view, 0);
    for _ in 0..100 {
        view.run(
            &ewma,
            0,
            Duration::from_millis(1),
            Outcome::Failure(FailureKind::Error),
        );
    }
    assert!(estimate(&ewma, &view, 0) >= before);
    view.run(
        &ewma,
        0,
        Duration::from_secs(3),
        Outcome::Failure(FailureKind::Timeout),
    );
    assert_near(estimate(&ewma, &view, 0), 3.0);
}

#[test]
fn a_stuck_endpoint_looks_ever_slower() {
    let (ewma, mut view) = pool(2);
    let stuck = view.begin(&ewma, 0);
    for _ in 0..200 {
        view.advance(MEAN);
        view.shares(&ewma, 10);
    }
    assert!(estimate(&ewma, &view, 0) > 18.0);
    view.end(&ewma, &stuck, Outcome::Success);
    assert_near(estimate(&ewma, &view, 0), 20.0);
}

#[test]
fn settings_out_of_range_are_named() {
    let config = PeakEwmaConfig {
        decay: Duration::ZERO,
        ..PeakEwmaConfig::default()
    };
    assert_eq!(
        PeakEwma::new(config).unwrap_err().to_string(),
        "peak_ewma.decay is 0ns: it must be above 0"
    );
}
