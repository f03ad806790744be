use std::time::Duration;

use super::{
    super::{LeastLoaded, Weighted, test_view::FakeView},
    *,
};
use crate::{
    endpoint::{Endpoint, Reason},
    outcome::{FailureKind, Outcome},
};

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
    view.advance(Duration::from_secs(1));
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
fn a_closing_that_nobody_saw_counts_however_long_ago() {
    for (closed, idle) in [(1, 0), (30, 5), (30, 3_600)] {
        let (strategy, mut view) = pool();
        view.close(1);
        view.advance(Duration::from_secs(closed));
        view.open(1);
        view.advance(Duration::from_secs(idle));
        view.shares(&strategy, 2);
        ramps(&mut view, &strategy);
        assert!(
            (second(&view, &strategy) - 0.5).abs() < 0.01,
            "once, not again"
        );
    }
}

#[test]
fn one_that_ended_by_itself_counts_too() {
    let (strategy, mut view) = pool();
    let until = view.now.after(Duration::from_secs(30));
    view.members[1]
        .endpoint
        .gate()
        .close_until(Reason::Outlier, until);
    // No pick, no call, and nobody who says that it is over.
    view.advance(Duration::from_secs(500));
    view.shares(&strategy, 2);
    ramps(&mut view, &strategy);
}

#[test]
fn a_pick_that_samples_sees_it_at_the_first_look() {
    let strategy = SlowStart::new(LeastLoaded::default());
    let mut view = FakeView::new(100).joined_by(&strategy);
    view.advance(Duration::from_secs(60));
    view.close(7);
    view.advance(Duration::from_secs(30));
    view.open(7);
    view.advance(Duration::from_secs(600));
    // One call at each: to a tenth of the weight that is a load of ten. It has none, and would be the favourite.
    let begun: Vec<_> = (0..100)
        .filter(|index| *index != 7)
        .map(|index| view.begin(&strategy, index))
        .collect();
    let shares = view.shares(&strategy, 2_000);
    let fair = 2_000 / 100;
    assert!(shares[7] < fair, "{} of {fair}", shares[7]);
    drop(begun);
    // After the ramp it is.
    view.advance(Duration::from_secs(30));
    assert!(view.shares(&strategy, 2_000)[7] > fair);
}

#[test]
fn many_that_reopen_at_once_share_evenly() {
    let strategy = SlowStart::new(Weighted::new());
    let mut view = FakeView::new(10).joined_by(&strategy);
    view.advance(Duration::from_secs(60));
    (0..10).for_each(|index| view.close(index));
    view.advance(Duration::from_secs(30));
    (0..10).for_each(|index| view.open(index));
    for second in 0..40 {
        let shares = view.shares(&strategy, 1_000);
        // In the first round each turn starts a ramp, so that turns are not all alike.
        if second > 0 {
            assert!(
                shares.iter().all(|share| (90..=110).contains(share)),
                "{shares:?}"
            );
        }
        view.advance(Duration::from_secs(1));
    }
}

#[test]
fn one_that_is_in_use_by_another_way_does_not_start_again() {
    let (strategy, mut view) = pool();
    view.close(1);
    view.advance(Duration::from_secs(5));
    view.open(1);
    view.advance(Duration::from_secs(60));
    view.members[1]
        .endpoint
        .measurements()
        .begin(view.now, &crate::cost::Cost::default());
    assert!((second(&view, &strategy) - 0.5).abs() < 0.001);
}

#[test]
fn a_calm_pool_reads_no_members_state() {
    let (strategy, mut view) = pool();
    view.close(1);
    view.open(1);
    view.shares(&strategy, 100);
    view.advance(Duration::from_secs(60));
    let until = |strategy: &SlowStart<Weighted>| strategy.looks_until.load(Ordering::Relaxed);
    let before = until(&strategy);
    assert!(before > 0 && before <= view.now.as_nanos());
    view.shares(&strategy, 100);
    assert_eq!(until(&strategy), before, "and no more looks");
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
