use super::{super::test_view::FakeView, *};
use crate::{endpoint::Endpoint, outcome::Outcome};

/// By the number in the request.
type Numbered = Affinity<fn(&u64) -> Option<u64>>;

fn numbered(scan: usize) -> Numbered {
    let key: fn(&u64) -> Option<u64> = |number| Some(mix(*number));
    let config = AffinityConfig {
        scan,
        ..AffinityConfig::default()
    };
    Affinity::by(key).config(config).unwrap()
}

/// Both ways to look.
fn both() -> [Numbered; 2] {
    [numbered(usize::MAX), numbered(0)]
}

fn owners(strategy: &Numbered, view: &FakeView<()>, keys: u64) -> Vec<String> {
    (0..keys)
        .map(|key| {
            let index = strategy.pick(view, &key).unwrap();
            view.members[index].endpoint.key().to_owned()
        })
        .collect()
}

#[test]
fn a_key_stays_where_it_is() {
    for strategy in both() {
        let view = FakeView::new(20);
        let first = owners(&strategy, &view, 500);
        assert_eq!(owners(&strategy, &view, 500), first);
        // Another router, which found the members in another order.
        let mut other = FakeView::new(20);
        other.members.reverse();
        assert_eq!(owners(&numbered(strategy.config.scan), &other, 500), first);
    }
}

#[test]
fn a_member_that_leaves_or_joins_moves_only_its_own_keys() {
    for strategy in both() {
        for len in [2, 10, 100] {
            let mut view = FakeView::new(len);
            let before = owners(&strategy, &view, 4_000);
            let gone = view.members.remove(1);
            view.version += 1;
            let after = owners(&strategy, &view, 4_000);
            let moved = before
                .iter()
                .zip(&after)
                .filter(|(before, after)| before != after)
                .collect::<Vec<_>>();
            assert!(
                moved
                    .iter()
                    .all(|(before, _)| *before == gone.endpoint.key())
            );
            let fraction = moved.len() as f64 / 4_000.0 * len as f64;
            assert!(
                (0.4..1.7).contains(&fraction),
                "{fraction} of a fair share moved"
            );
            // It comes back: so do its keys.
            view.members.push(gone);
            view.version += 1;
            assert_eq!(owners(&strategy, &view, 4_000), before);
        }
    }
}

#[test]
fn a_closed_members_keys_move_and_no_others() {
    for strategy in both() {
        let view = FakeView::new(30);
        let before = owners(&strategy, &view, 2_000);
        view.close(7);
        for (before, after) in before.iter().zip(owners(&strategy, &view, 2_000)) {
            assert_ne!(after, "7");
            assert!(*before == after || before == "7");
        }
    }
}

#[test]
fn keys_are_shared_by_weight() {
    let mut weights = vec![1.0; 40];
    weights[3] = 4.0;
    weights[9] = 0.25;
    for (strategy, tolerance) in both().into_iter().zip([0.12, 0.5]) {
        let view = FakeView::weighted(&weights);
        let owners = owners(&strategy, &view, 40_000);
        let total: f64 = weights.iter().sum();
        for (index, weight) in weights.iter().enumerate() {
            let key = index.to_string();
            let found = owners.iter().filter(|owner| **owner == key).count() as f64;
            let fair = 40_000.0 * weight / total;
            // A member of little weight has one point on the ring, in whatever gap.
            let low = if *weight < 1.0 && tolerance > 0.2 {
                1.0
            } else {
                tolerance
            };
            assert!(
                ((1.0 - low) * fair..(1.0 + tolerance) * fair).contains(&found),
                "{found} instead of {fair} at weight {weight}"
            );
        }
    }
}

/// Begins calls and ends old ones, and holds every member to its bound.
fn stays_bounded(strategy: &Numbered, weights: &[f64], keys: impl Fn(usize) -> u64, calls: usize) {
    let view = FakeView::weighted(weights);
    let all: f64 = weights.iter().sum();
    let mut under_way = std::collections::VecDeque::new();
    for nth in 0..calls {
        if under_way.len() == calls / 2 {
            let call = under_way.pop_front().unwrap();
            view.end(strategy, &call, Outcome::Success);
        }
        let index = strategy.pick(&view, &keys(nth)).unwrap();
        under_way.push_back(view.begin(strategy, index));
        let share = 1.25 * under_way.len() as f64 * weights[index] / all;
        let load = f64::from(view.members[index].endpoint.in_flight());
        assert!(
            load <= share.ceil(),
            "{load} of {} at weight {}",
            under_way.len(),
            weights[index]
        );
    }
}

#[test]
fn load_is_never_above_its_bound() {
    for strategy in both() {
        stays_bounded(&strategy, &[1.0; 10], |_| 5, 500);
    }
    for strategy in both() {
        stays_bounded(&strategy, &[1.0; 10], |nth| nth as u64 % 13, 500);
    }
    for strategy in both() {
        let weights: Vec<_> = (0..30).map(|index| 0.5 + f64::from(index % 4)).collect();
        stays_bounded(&strategy, &weights, |nth| nth as u64 % 3, 2_000);
    }
    stays_bounded(&numbered(0), &[1.0; 500], |_| 5, 5_000);
}

#[test]
fn a_floor_keeps_a_few_calls_together_in_an_idle_pool() {
    for mut strategy in both() {
        strategy.config.floor = 3;
        let view = FakeView::new(100);
        let home = strategy.pick(&view, &1).unwrap();
        for _ in 0..3 {
            assert_eq!(strategy.pick(&view, &1), Some(home));
            let _ = view.begin(&strategy, home);
        }
        assert_ne!(strategy.pick(&view, &1), Some(home));
    }
}

#[test]
fn a_bound_counts_the_open_members_only() {
    let strategy = numbered(64);
    let view = FakeView::new(10);
    for index in 0..5 {
        view.close(index);
    }
    for nth in 1..=100 {
        let index = strategy.pick(&view, &1).unwrap();
        let _ = view.begin(&strategy, index);
        let load = view.members[index].endpoint.in_flight();
        assert!(f64::from(load) <= (1.25 * f64::from(nth) / 5.0).ceil());
    }
}

#[test]
fn half_of_a_large_pool_closed_still_keeps_keys_together() {
    let strategy = numbered(64);
    let view = FakeView::new(400);
    for index in 0..200 {
        view.close(index * 2);
    }
    let homes = owners(&strategy, &view, 200);
    for key in 0..200 {
        let index = strategy.pick(&view, &key).unwrap();
        let _ = view.begin(&strategy, index);
    }
    let stayed = homes
        .iter()
        .zip(owners(&strategy, &view, 200))
        .filter(|(home, owner)| *home == owner)
        .count();
    assert!(stayed > 60, "{stayed} of 200 stayed");
}

#[test]
fn a_call_without_a_key_goes_to_the_less_loaded() {
    let strategy = Affinity::by(|_: &()| None);
    let view = FakeView::new(2);
    let busy = view.begin(&strategy, 0);
    assert_eq!(view.shares(&strategy, 20), [0, 20]);
    view.end(&strategy, &busy, Outcome::Cancelled);
    assert_eq!(strategy.total(), 0.0);
}

#[test]
fn a_conversation_stays_together() {
    let strategy = Affinity::by_conversation();
    let mut view = FakeView::new(12);
    let mut homes = std::collections::HashSet::new();
    for conversation in ["a", "b", "c", "d"] {
        view.context = Some(Context::new().with_conversation(conversation));
        let shares = view.shares(&strategy, 10);
        let home = shares.iter().position(|share| *share == 10);
        homes.insert(home.expect("all ten went to one member"));
    }
    assert!(homes.len() > 1);
    view.context = None;
    assert!(view.shares(&strategy, 100).iter().all(|share| *share < 50));
}

#[test]
fn large_pools_are_even() {
    let strategy = numbered(64);
    let mut view = FakeView::<()>::new(0);
    for index in 0..5_000 {
        view.push(Endpoint::builder(format!(
            "10.0.{}.{}:80",
            index / 256,
            index % 256
        )));
    }
    let mut counts = vec![0_u32; view.members.len()];
    for key in 0..500_000_u64 {
        counts[strategy.pick(&view, &key).unwrap()] += 1;
    }
    let variance: f64 = counts
        .iter()
        .map(|count| (f64::from(*count) / 100.0 - 1.0).powi(2))
        .sum::<f64>()
        / counts.len() as f64;
    // Of which chance alone makes 0.1.
    assert!(variance.sqrt() < 0.2, "{}", variance.sqrt());
}
