//! What every strategy must do.

use std::time::Duration;

use super::{test_view::FakeView, *};

mod decorators;
// Calls through a pool follow the paused clock only with this feature.
#[cfg(feature = "testing")]
mod pool;
mod turns;

fn no_report(_: &Endpoint) -> std::future::Ready<Option<LoadReport>> {
    std::future::ready(None)
}

/// Runs `$check` with each strategy, made anew.
macro_rules! for_every {
    ($check:ident) => {{
        $check(RoundRobin::new);
        $check(|| Random);
        $check(Weighted::new);
        $check(LeastLoaded::two_choices);
        $check(LeastLoaded::full_scan);
        $check(|| Affinity::by(|_: &()| Some(7)));
        $check(|| Affinity::by(|_: &()| None));
        $check(|| {
            let config = AffinityConfig {
                scan: 0,
                ..AffinityConfig::default()
            };
            Affinity::by(|_: &()| Some(7)).config(config).unwrap()
        });
        $check(|| Wjsq::probing(no_report));
        $check(|| Wjsq::pooled(no_report));
        $check(Wjsq::piggybacked);
        $check(Prequal::new);
        $check(|| Prequal::probing(no_report));
        $check(|| AvoidTried::new(RoundRobin::new()));
        $check(|| Tiers::new(Weighted::new()));
        $check(|| SlowStart::new(Weighted::new()));
        $check(|| AvoidTried::new(Tiers::new(SlowStart::new(LeastLoaded::default()))));
    }};
}

#[test]
fn an_empty_pool_has_nobody_to_pick() {
    fn check<St: Pick<()>>(make: impl Fn() -> St) {
        let strategy = make();
        let view = FakeView::<St::State>::new(0);
        assert_eq!(strategy.pick(&view, &()), None, "{strategy:?}");
        assert!(strategy.prepare(&view, &()).is_none(), "{strategy:?}");
    }
    for_every!(check);
}

#[test]
fn a_single_member_gets_everything_until_it_closes() {
    fn check<St: Pick<()>>(make: impl Fn() -> St) {
        let strategy = make();
        let view = FakeView::new(1).joined_by(&strategy);
        for _ in 0..50 {
            assert_eq!(view.call(&strategy).unwrap().index, 0, "{strategy:?}");
        }
        view.close(0);
        assert_eq!(strategy.pick(&view, &()), None, "{strategy:?}");
        view.open(0);
        assert_eq!(strategy.pick(&view, &()), Some(0), "{strategy:?}");
    }
    for_every!(check);
}

#[test]
fn closed_members_are_never_picked_and_the_last_open_one_is_found() {
    fn check<St: Pick<()>>(make: impl Fn() -> St) {
        for len in [2, 5, 40, 200] {
            let strategy = make();
            let mut view = FakeView::new(len).joined_by(&strategy);
            let last = len / 2;
            for round in 0..len {
                let index = (round * 7 + 3) % len;
                if index != last {
                    view.close(index);
                }
                // `call` asserts that the member is open.
                let call = view.call(&strategy).unwrap();
                view.advance(Duration::from_millis(20));
                view.end(&strategy, &call, Outcome::Success);
            }
            for index in (0..len).filter(|index| *index != last) {
                view.close(index);
            }
            assert_eq!(strategy.pick(&view, &()), Some(last), "{strategy:?}");
            view.close(last);
            assert_eq!(strategy.pick(&view, &()), None, "{strategy:?}");
        }
    }
    for_every!(check);
}

#[test]
fn the_same_seed_picks_the_same() {
    fn check<St: Pick<()>>(make: impl Fn() -> St) {
        let run = || {
            let strategy = make();
            let mut view = FakeView::weighted(&[1.0, 2.0, 0.5, 1.0, 3.0, 1.0]).joined_by(&strategy);
            view.seed(99);
            let mut picked = Vec::new();
            for nth in 0..100 {
                let call = view.call(&strategy).unwrap();
                picked.push(call.index);
                view.advance(Duration::from_millis(3));
                if nth % 2 == 0 {
                    view.end(&strategy, &call, Outcome::Success);
                }
            }
            picked
        };
        assert_eq!(run(), run(), "{:?}", make());
    }
    for_every!(check);
}

#[test]
fn follows_a_pool_that_changes() {
    fn check<St: Pick<()>>(make: impl Fn() -> St) {
        let strategy = make();
        let mut view = FakeView::new(3).joined_by(&strategy);
        view.shares(&strategy, 20);
        let added = view.push(Endpoint::builder("late"));
        strategy.join(view.peer(added), view.now);
        for index in 0..3 {
            view.close(index);
        }
        assert_eq!(strategy.pick(&view, &()), Some(added), "{strategy:?}");
        view.members.remove(0);
        view.version += 1;
        assert_eq!(strategy.pick(&view, &()), Some(added - 1), "{strategy:?}");
    }
    for_every!(check);
}

/// Counts the open members that a pick looks at.
struct Counting<'a>(&'a std::cell::Cell<usize>);

impl<T: 'static> Adapter<T> for Counting<'_> {
    type Inner = T;

    fn state<'a>(&self, state: &'a T) -> &'a T {
        state
    }

    fn allows<V: View<T>>(&self, _: &V, _: usize) -> bool {
        self.0.set(self.0.get() + 1);
        true
    }
}

#[test]
fn a_pick_in_a_large_pool_looks_at_few_members() {
    fn check<St: Pick<()>>(make: impl Fn() -> St) {
        let strategy = make();
        let shown = format!("{strategy:?}");
        if shown == format!("{:?}", LeastLoaded::full_scan()) {
            return;
        }
        let view = FakeView::new(3_000).joined_by(&strategy);
        let looks = std::cell::Cell::new(0);
        let counting = Adapt::new(&view, Counting(&looks));
        for _ in 0..300 {
            let index = strategy.pick(&counting, &()).unwrap();
            view.begin(&strategy, index);
        }
        // A key whose members are all at their bound looks at 64 places before it goes anywhere.
        let most = if shown.starts_with("Affinity") {
            70
        } else {
            16
        };
        assert!(looks.get() < 300 * most, "{shown}: {} looks", looks.get());
    }
    for_every!(check);
}
