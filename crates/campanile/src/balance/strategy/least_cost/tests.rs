use std::{thread, time::Duration};

use super::*;
use crate::{balance::strategy::test_view::FakeView, outcome::Outcome};

type Pool = FakeView<LeastCostState>;

const TOKENS: &str = "least_cost.outstanding_tokens";

#[test]
fn the_cheapest_is_picked() {
    let strategy = LeastCost::full_scan();
    let mut view = Pool::new(3).joined_by(&strategy);
    view.cost = Cost::tokens(1000);
    let long = view.call(&strategy).unwrap();
    view.cost = Cost::tokens(10);
    // Far more calls, and yet fewer tokens.
    let short: Vec<_> = (0..20).map(|_| view.call(&strategy).unwrap()).collect();
    assert!(short.iter().all(|call| call.index != long.index));
    assert_eq!(view.inspect(&strategy, long.index, TOKENS), 1000.0);
    for call in short.iter().chain([&long]) {
        view.end(&strategy, call, Outcome::Success);
    }
    for index in 0..3 {
        assert_eq!(view.inspect(&strategy, index, TOKENS), 0.0);
        assert_eq!(view.rank(index), 0.0);
    }
}

#[test]
fn unknown_costs_count_as_the_mean() {
    let strategy = LeastCost::full_scan();
    let mut view = Pool::new(2).joined_by(&strategy);
    let unknown = view.begin(&strategy, 0);
    assert_eq!(view.inspect(&strategy, 0, TOKENS), 1.0);
    view.cost = Cost::tokens(100);
    let known = view.begin(&strategy, 1);
    assert_eq!(view.inspect(&strategy, 0, TOKENS), 100.0);
    view.advance(Duration::from_secs(1));
    view.cost = Cost::tokens(600);
    let larger = view.begin(&strategy, 1);
    assert_eq!(view.inspect(&strategy, 0, "least_cost.mean_tokens"), 150.0);
    for call in [unknown, known, larger] {
        view.end(&strategy, &call, Outcome::Cancelled);
    }
    assert_eq!(
        [0, 1].map(|index| view.inspect(&strategy, index, TOKENS)),
        [0.0, 0.0]
    );
}

#[test]
fn without_costs_it_is_the_least_loaded() {
    let strategy = LeastCost::full_scan();
    let view = Pool::new(4).joined_by(&strategy);
    for _ in 0..40 {
        view.call(&strategy).unwrap();
    }
    assert!((0..4).all(|index| view.load(index) == Some(10)));
}

#[test]
fn weight_is_honoured() {
    let strategy = LeastCost::full_scan();
    let mut view = Pool::weighted(&[3.0, 1.0]).joined_by(&strategy);
    view.cost = Cost::tokens(50);
    for _ in 0..400 {
        view.call(&strategy).unwrap();
    }
    assert_eq!([0, 1].map(|index| view.load(index)), [Some(300), Some(100)]);
}

#[test]
fn two_choices_spread_as_well() {
    let strategy = LeastCost::two_choices();
    let mut view = Pool::new(10).joined_by(&strategy);
    view.cost = Cost::tokens(7);
    for _ in 0..200 {
        view.call(&strategy).unwrap();
    }
    assert!((0..10).all(|index| (16..=24).contains(&view.load(index).unwrap())));
}

#[test]
fn counts_of_unknown_calls_are_exact() {
    let strategy = LeastCost::full_scan();
    let view = Pool::new(1).joined_by(&strategy);
    let member = &view.members[0];
    let peer = || Peer {
        endpoint: &member.endpoint,
        state: &member.state,
    };
    let (now, cost) = (view.now, Cost::default());
    let run = || {
        for _ in 0..1000 {
            strategy.begin(peer(), &Begin { now, cost });
            let end = End {
                started: now,
                head: None,
                first_data: None,
                now,
                outcome: Outcome::Success,
                units: 0,
                cost,
                usage: None,
            };
            strategy.end(peer(), &end);
        }
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(run);
        }
    });
    assert_eq!(strategy.outstanding(peer()), 0.0);
}
