//! The state machine against the plainest model of it.

use std::cell::Cell;

use proptest::prelude::*;

use super::super::{
    account::{Account, Admitted},
    period::Schedule,
};
use super::*;

const TEN: u64 = 10;

/// Ten seconds, by the calendar or from the first use.
fn schedule(window: Window) -> Schedule {
    Schedule {
        period: Period::Every(TEN as u32 * SEC),
        window,
    }
}

fn nanos(seconds: u64) -> u64 {
    seconds * 1_000_000_000
}

#[derive(Debug, Clone)]
enum Act {
    /// A call comes.
    Reserve(u64),
    /// The call of this place, of those under way, turns out to have taken so much.
    Settle(usize, u64),
    /// Somebody charges.
    Charge(u64),
    /// Seconds pass.
    Pass(u64),
    Reset,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0_u64..60).prop_map(Act::Reserve),
        3 => (any::<prop::sample::Index>(), 0_u64..90).prop_map(|(at, took)| Act::Settle(at.index(64), took)),
        1 => (0_u64..30).prop_map(Act::Charge),
        2 => (0_u64..8).prop_map(Act::Pass),
        1 => Just(Act::Reset),
    ];
    prop::collection::vec(act, 1..300)
}

/// One period of the model.
#[derive(Debug, Default)]
struct Model {
    /// When the present period ends, in seconds.
    end: u64,
    /// How many there have been.
    period: usize,
    reserved: u64,
    spent: u64,
}

impl Model {
    fn open(&mut self, window: Window, now: u64) {
        if now >= self.end {
            self.end = match window {
                Window::Calendar => (now / TEN + 1) * TEN,
                Window::FirstUse => now + TEN,
            };
            (self.reserved, self.spent) = (0, 0);
            self.period += 1;
        }
    }
}

struct UnderWay {
    period: Admitted,
    of: usize,
    reserved: u64,
}

proptest! {
    #[test]
    fn it_does_what_its_model_does(calendar in any::<bool>(), limit in 0_u64..200, acts in acts()) {
        let window = if calendar { Window::Calendar } else { Window::FirstUse };
        let (schedule, account) = (schedule(window), Account::<Cell<u64>>::default());
        let (mut model, mut now, mut calls) = (Model::default(), 1_000, Vec::<UnderWay>::new());
        for act in acts {
            match act {
                Act::Reserve(cost) => {
                    let admitted = account.reserve(&schedule, nanos(now), cost, |taken| taken + cost <= limit);
                    model.open(window, now);
                    let room = model.reserved + model.spent + cost <= limit;
                    prop_assert_eq!(admitted.is_some(), room);
                    if let Some(period) = admitted {
                        model.reserved += cost;
                        prop_assert!(model.reserved + model.spent <= limit);
                        calls.push(UnderWay { period, of: model.period, reserved: cost });
                    }
                }
                Act::Settle(at, took) => {
                    if calls.is_empty() {
                        continue;
                    }
                    let call = calls.swap_remove(at % calls.len());
                    let stands = account.replace(call.period, call.reserved, took);
                    prop_assert_eq!(stands, call.of == model.period);
                    if stands {
                        account.spend(call.period, took);
                        model.reserved -= call.reserved;
                        model.spent += took;
                    }
                }
                Act::Charge(amount) => {
                    account.charge(&schedule, nanos(now), amount);
                    model.open(window, now);
                    model.spent += amount;
                }
                Act::Pass(seconds) => now += seconds,
                Act::Reset => {
                    account.reset();
                    model.spent = 0;
                }
            }
            let seen = account.look(nanos(now));
            if now < model.end {
                prop_assert_eq!((seen.taken, seen.spent), (model.reserved + model.spent, model.spent));
                prop_assert_eq!(seen.end, Some(nanos(model.end)));
            } else {
                prop_assert_eq!((seen.taken, seen.end), (0, None));
            }
            prop_assert_eq!(account.has_rested(nanos(now)), now >= model.end);
        }
    }

    /// However often periods come and go, also when their count comes round.
    #[test]
    fn no_period_is_taken_for_another(limit in 1_u64..50, gaps in prop::collection::vec(10_u64..40, 600)) {
        let (schedule, account) = (schedule(Window::Calendar), Account::<Cell<u64>>::default());
        let mut now = 1_000;
        let first = account.reserve(&schedule, nanos(now), limit, |_| true).unwrap();
        for gap in gaps {
            now += gap;
            let admits = |taken| taken + limit <= limit;
            prop_assert!(account.reserve(&schedule, nanos(now), limit, admits).is_some());
            prop_assert!(account.reserve(&schedule, nanos(now), 1, |taken| taken < limit).is_none());
            prop_assert!(!account.replace(first, limit, 0));
            prop_assert_eq!(account.look(nanos(now)).taken, limit);
        }
    }
}

/// A thread that was held up between reading the clock and using it.
#[test]
fn a_late_reader_opens_no_period_that_has_passed() {
    let (schedule, account) = (schedule(Window::Calendar), Account::<Cell<u64>>::default());
    let take = |now, cost| account.reserve(&schedule, nanos(now), cost, |taken| taken + cost <= 5);
    assert!(take(1_000, 5).is_some());
    assert!(take(1_010, 5).is_some());
    assert!(take(1_009, 1).is_none(), "the period of then has passed");
    assert!(take(1_011, 1).is_none(), "and was not opened again");
    assert_eq!(account.look(nanos(1_011)).taken, 5);
}

#[test]
fn amounts_beyond_all_measure_saturate() {
    let (schedule, account) = (schedule(Window::Calendar), Account::<Cell<u64>>::default());
    for _ in 0..10 {
        account.charge(&schedule, nanos(1_000), u64::MAX);
    }
    let seen = account.look(nanos(1_000));
    assert_eq!((seen.taken, seen.spent), ((1 << 56) - 1, (1 << 56) - 1));
    assert!(
        account
            .reserve(&schedule, nanos(1_010), 1, |taken| taken == 0)
            .is_some()
    );
}
