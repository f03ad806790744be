use std::time::Duration;

use super::{
    super::{LeastLoaded, Weighted, test_view::FakeView},
    *,
};
use crate::outcome::{FailureKind, Outcome};

fn second(view: &FakeView<SlowStartState<()>>, strategy: &SlowStart<Weighted>) -> f64 {
    view.shares(strategy, 10_000)[1] as f64 / 10_000.0
}

/// Two members that have long been there.
fn pool() -> (SlowStart<Weighted>, FakeView<SlowStartState<()>>) {
    let strategy = SlowStart::new(Weighted::new());
    let mut view = FakeView::new(2).joined_by(&strategy);
    view.advance(Duration::from_secs(60));
    (strategy, view)
}

fn ramps(view: &mut FakeView<SlowStartState<()>>, strategy: &SlowStart<Weighted>) {
    let share = |weight: f64| weight / (1.0 + weight);
    for (weight, wait) in [(0.1, 10), (0.4, 10), (0.7, 10), (1.0, 0)] {
        let found = second(view, strategy);
        assert!(
            (found - share(weight)).abs() < 0.01,
            "{found} instead of {}",
            share(weight)
        );
        view.advance(Duration::from_secs(wait));
    }
}

#[test]
fn a_new_pool_is_even() {
    let strategy = SlowStart::new(Weighted::new());
    let view = FakeView::new(2).joined_by(&strategy);
    assert!((second(&view, &strategy) - 0.5).abs() < 0.001);
}

#[test]
fn a_member_that_joins_ramps_up() {
    let (strategy, mut view) = pool();
    view.members.pop();
    let late = view.push(Endpoint::builder("late"));
    strategy.join(view.peer(late), view.now);
    ramps(&mut view, &strategy);
}

#[test]
fn a_member_that_reopens_ramps_up() {
    let (strategy, mut view) = pool();
    view.close(1);
    assert_eq!(second(&view, &strategy), 0.0);
    view.advance(Duration::from_secs(5));
    view.open(1);
    // The first turn that falls to it starts the ramp; until then it counts whole.
    assert_eq!(view.shares(&strategy, 20).iter().sum::<usize>(), 20);
    ramps(&mut view, &strategy);
    // And again.
    view.close(1);
    view.shares(&strategy, 20);
    view.open(1);
    view.shares(&strategy, 20);
    ramps(&mut view, &strategy);
}

#[test]
fn a_quota_is_no_reason_to_start_again() {
    let (strategy, view) = pool();
    let gate = view.members[1].endpoint.gate();
    gate.close(Reason::Quota);
    gate.close(Reason::Concurrency);
    assert_eq!(second(&view, &strategy), 0.0);
    gate.open(Reason::Quota);
    gate.open(Reason::Concurrency);
    assert!((second(&view, &strategy) - 0.5).abs() < 0.001);
}

#[test]
fn a_closing_that_only_the_end_of_a_call_saw_counts() {
    let strategy = SlowStart::new(LeastLoaded::full_scan());
    let mut view = FakeView::new(2).joined_by(&strategy);
    view.advance(Duration::from_secs(60));
    let failing = view.begin(&strategy, 1);
    // Its breaker opens as the call fails, and no pick looks while it is open.
    view.close(1);
    view.end(&strategy, &failing, Outcome::Failure(FailureKind::Error));
    view.open(1);
    let calls: Vec<_> = (0..8)
        .map(|_| view.call(&strategy).unwrap().index)
        .collect();
    assert_eq!(
        calls.iter().filter(|index| **index == 1).count(),
        0,
        "{calls:?}"
    );
}

#[test]
fn other_windows() {
    let strategy = SlowStart::new(Weighted::new());
    let config = SlowStartConfig {
        window: Duration::from_secs(2),
        initial: 0.5,
    };
    let strategy = strategy.config(config).unwrap();
    let mut view = FakeView::new(1).joined_by(&strategy);
    view.advance(Duration::from_secs(10));
    let late = view.push(Endpoint::builder("late"));
    strategy.join(view.peer(late), view.now);
    assert!((second(&view, &strategy) - 1.0 / 3.0).abs() < 0.01);
    view.advance(Duration::from_secs(2));
    assert!((second(&view, &strategy) - 0.5).abs() < 0.01);

    let zero = SlowStartConfig {
        initial: 0.0,
        ..SlowStartConfig::default()
    };
    assert_eq!(zero.build().unwrap_err().field, "initial");
}
