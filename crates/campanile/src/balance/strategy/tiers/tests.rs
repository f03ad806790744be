use std::time::Duration;

use super::{
    super::{RoundRobin, Weighted, Wjsq, sample_least, test_view::FakeView},
    table::shares,
    *,
};
use crate::{
    balance::{LoadReport, Pick},
    endpoint::Endpoint,
};

fn near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 1e-9,
            "{found} instead of {expected}"
        );
    }
}

#[test]
fn shares_spill_by_degrees() {
    let up_to = |health: &[f64]| shares(health, 1.4).collect::<Vec<_>>();
    near(&up_to(&[1.0, 1.0]), &[1.0, 1.0]);
    near(&up_to(&[0.72, 1.0]), &[1.0, 1.0]);
    near(&up_to(&[0.5, 1.0]), &[0.7, 1.0]);
    near(&up_to(&[0.0, 1.0]), &[0.0, 1.0]);
    near(&up_to(&[0.5, 0.1, 1.0]), &[0.7, 0.84, 1.0]);
    // Too little everywhere: in proportion.
    near(&up_to(&[0.2, 0.2]), &[0.5, 1.0]);
    near(&up_to(&[0.0, 0.0]), &[0.0, 0.0]);
}

/// Ten members of tier 0 and ten of tier 1.
fn pool<St: Strategy>(strategy: &St) -> FakeView<St::State> {
    let mut view = FakeView::new(10);
    for index in 0..10 {
        view.push(Endpoint::builder(format!("backup-{index}")).label("tier", "1"));
    }
    view.joined_by(strategy)
}

fn first_tier(shares: &[usize]) -> usize {
    shares[..10].iter().sum()
}

#[test]
fn the_first_tier_gets_everything_while_enough_is_open() {
    let strategy = Tiers::new(RoundRobin::new());
    let view = pool(&strategy);
    view.close(0);
    view.close(1);
    let shares = view.shares(&strategy, 800);
    assert_eq!(shares, [[0; 2].as_slice(), &[100; 8], &[0; 10]].concat());
}

#[test]
fn traffic_spills_as_members_close_and_comes_back() {
    let strategy = Tiers::new(Weighted::new());
    let mut view = pool(&strategy);
    assert_eq!(first_tier(&view.shares(&strategy, 1_000)), 1_000);
    for index in 0..5 {
        view.close(index);
    }
    view.advance(Duration::from_millis(100));
    let first = first_tier(&view.shares(&strategy, 10_000));
    assert!((6_800..7_200).contains(&first), "{first}");
    for index in 5..10 {
        view.close(index);
    }
    // At once, before health is looked at again: nobody of the first tier is left.
    assert_eq!(first_tier(&view.shares(&strategy, 100)), 0);
    for index in 0..10 {
        view.open(index);
    }
    view.advance(Duration::from_millis(100));
    assert_eq!(first_tier(&view.shares(&strategy, 1_000)), 1_000);
}

#[test]
fn weights_count_within_a_tier() {
    let strategy = Tiers::new(Weighted::new());
    let mut view = FakeView::weighted(&[3.0, 1.0]);
    view.push(Endpoint::builder("backup").label("tier", "2").weight(100.0));
    let shares = view.shares(&strategy, 4_000);
    assert!(shares[0].abs_diff(3_000) <= 4, "{shares:?}");
    assert_eq!(shares[2], 0);
}

#[test]
fn labels_order_tiers_by_number_and_a_bad_one_is_zero() {
    let strategy = Tiers::new(RoundRobin::new());
    let mut view = FakeView::new(0);
    let ten = view.push(Endpoint::builder("ten").label("tier", "10"));
    let two = view.push(Endpoint::builder("two").label("tier", "2"));
    let bad = view.push(Endpoint::builder("bad").label("tier", "first"));
    let minus = view.push(Endpoint::builder("minus").label("tier", "-1"));
    for expected in [minus, bad, two, ten] {
        assert_eq!(strategy.pick(&view, &()), Some(expected));
        view.close(expected);
    }
    assert_eq!(strategy.pick(&view, &()), None);
}

/// Counts the members it looks at.
#[derive(Debug, Default)]
struct Looks(std::sync::atomic::AtomicUsize);

impl Strategy for Looks {
    type State = ();
}

impl Pick<()> for Looks {
    fn pick<V: View<()>>(&self, view: &V, (): &()) -> Option<usize> {
        sample_least(view, 2, |_, seen| {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            seen.load as f32
        })
    }
}

#[test]
fn a_small_tier_of_a_large_pool_costs_no_walk() {
    let strategy = Tiers::new(Looks::default());
    let mut view = FakeView::new(2);
    for index in 0..20_000 {
        view.push(Endpoint::builder(format!("backup-{index}")).label("tier", "1"));
    }
    let shares = view.shares(&strategy, 1_000);
    assert_eq!(shares[0] + shares[1], 1_000);
    assert_eq!(
        strategy
            .inner()
            .0
            .load(std::sync::atomic::Ordering::Relaxed),
        2_000
    );
}

#[tokio::test(start_paused = true)]
async fn probes_and_pick_are_of_one_tier() {
    let ask = |endpoint: &Endpoint| {
        let report = LoadReport {
            in_flight: Some(if endpoint.key() == "4" { 1 } else { 9 }),
            ..LoadReport::default()
        };
        async move { Some(report) }
    };
    let config = crate::balance::WjsqConfig {
        probes: 15,
        ..Default::default()
    };
    let strategy = Tiers::new(Wjsq::probing(ask).config(config).unwrap());
    let mut view = pool(&strategy);
    // Half of the first tier: traffic is drawn to either.
    for index in 5..10 {
        view.close(index);
    }
    let mut firsts = 0;
    for _ in 0..50 {
        view.probed = strategy.prepare(&view, &()).unwrap().await;
        let first = view.probed[0].endpoint.key().len() == 1;
        let picked = strategy.pick(&view, &()).unwrap();
        assert_eq!(picked < 10, first, "picked in the tier that was probed");
        firsts += usize::from(first);
        view.probed.clear();
    }
    assert!((20..50).contains(&firsts), "{firsts}");
}
