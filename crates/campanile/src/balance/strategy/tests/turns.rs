//! Round robin, random and weighted.

use super::super::{test_view::FakeView, *};

// ===== round robin =====

#[test]
fn turns_are_exact() {
    let strategy = RoundRobin::new();
    let view = FakeView::new(7);
    assert_eq!(view.shares(&strategy, 700), [100; 7]);
}

#[test]
fn the_neighbour_of_a_closed_member_gets_no_double_turn() {
    let strategy = RoundRobin::new();
    let view = FakeView::new(5);
    view.close(1);
    view.close(2);
    assert_eq!(view.shares(&strategy, 300), [100, 0, 0, 100, 100]);
}

#[test]
fn turns_are_exact_on_many_threads() {
    let strategy = RoundRobin::new();
    let counts = std::thread::scope(|scope| {
        let threads = (0..4).map(|_| {
            scope.spawn(|| {
                let view = FakeView::new(8);
                view.close(3);
                view.shares(&strategy, 7_000)
            })
        });
        threads
            .collect::<Vec<_>>()
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    for index in 0..8 {
        let total: usize = counts.iter().map(|shares| shares[index]).sum();
        assert_eq!(total, if index == 3 { 0 } else { 4_000 });
    }
}

// ===== random =====

#[test]
fn random_picks_everybody_about_as_often() {
    let view = FakeView::new(10);
    for share in view.shares(&Random, 10_000) {
        assert!((850..=1_150).contains(&share), "{share}");
    }
}

// ===== weighted =====

fn within(shares: &[usize], weights: &[f64], calls: f64) {
    let total: f64 = weights.iter().sum();
    for (share, weight) in shares.iter().zip(weights) {
        let fair = calls * weight / total;
        assert!(
            (*share as f64 - fair).abs() <= 4.0,
            "{share} instead of {fair}"
        );
    }
}

#[test]
fn shares_follow_weights() {
    for weights in [
        &[99.0, 0.5, 0.5][..],
        &[0.5, 99.0, 0.5],
        &[1.0, 1.0, 1.0],
        &[5.0, 3.0, 2.0, 1.0, 1.0, 0.1],
        &[1e6, 1e-3],
    ] {
        for seed in 0..20 {
            let mut view = FakeView::weighted(weights);
            view.seed(seed);
            let shares = view.shares(&Weighted::new(), 10_000);
            within(&shares, weights, 10_000.0);
        }
    }
}

#[test]
fn weights_change_while_running() {
    let strategy = Weighted::new();
    let mut view = FakeView::weighted(&[1.0, 1.0]);
    within(&view.shares(&strategy, 1_000), &[1.0, 1.0], 1_000.0);
    view.members[0]
        .endpoint
        .set_weight(crate::endpoint::Weight::new(4.0).unwrap());
    view.version += 1;
    within(&view.shares(&strategy, 1_000), &[4.0, 1.0], 1_000.0);
}

#[test]
fn a_closed_members_share_goes_to_the_others_in_proportion() {
    let view = FakeView::weighted(&[6.0, 3.0, 1.0, 2.0]);
    view.close(0);
    let shares = view.shares(&Weighted::new(), 6_000);
    assert_eq!(shares[0], 0);
    for (share, fair) in shares[1..].iter().zip([3_000.0, 1_000.0, 2_000.0]) {
        assert!(
            (*share as f64 / fair - 1.0).abs() < 0.02,
            "{share} instead of {fair}"
        );
    }
}

#[test]
fn with_nearly_all_weight_closed_the_rest_still_shares_by_weight() {
    let view = FakeView::weighted(&[1e6, 1.0, 3.0]);
    view.close(0);
    let shares = view.shares(&Weighted::new(), 8_000);
    assert!((1_800..2_200).contains(&shares[1]), "{shares:?}");
    assert_eq!(shares[1] + shares[2], 8_000);
}
