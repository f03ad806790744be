use std::time::Duration;

use proptest::prelude::{prop, prop_assert, proptest};

use super::*;
use crate::{
    balance::strategy::{pace::decay, test_view::FakeView},
    endpoint::Endpoint,
    outcome::{FailureKind, Outcome},
};

type Pool = FakeView<EbwState>;

const MEAN: Duration = Duration::from_millis(100);

/// A pool in which each member has done some calls of 100 ms.
fn pool(members: usize) -> (Ebw, Pool) {
    let ebw = Ebw::default();
    let mut view = Pool::new(members).joined_by(&ebw);
    for _ in 0..20 {
        for index in 0..members {
            view.run(&ebw, index, MEAN, Outcome::Success);
        }
    }
    (ebw, view)
}

fn sigma(ebw: &Ebw, view: &Pool, index: usize) -> f64 {
    view.inspect(ebw, index, "ebw.sigma")
}

#[test]
fn sums_follow_their_formulas() {
    let ebw = Ebw::default();
    let mut view = Pool::new(1).joined_by(&ebw);
    // Before a call has succeeded tau is 10 s.
    let mut calls: Vec<_> = (0..4).map(|_| view.begin(&ebw, 0)).collect();
    view.advance(Duration::from_secs(5));
    let last = calls.pop().unwrap();
    view.end(&ebw, &last, Outcome::Cancelled);
    let g = 4.0 / (1.0 + 4.0 / 8.0);
    let busy = g * 10.0 * (1.0 - (-0.5_f64).exp());
    assert!((view.inspect(&ebw, 0, "ebw.busy") / busy - 1.0).abs() < 0.01);
    assert_eq!(view.inspect(&ebw, 0, "ebw.work"), 0.0);
    view.end(&ebw, &calls.pop().unwrap(), Outcome::Success);
    assert_eq!(view.inspect(&ebw, 0, "ebw.work"), 1.0);
}

#[test]
fn units_are_work_and_the_call_adds_none() {
    let ebw = Ebw::default();
    let view = Pool::new(1).joined_by(&ebw);
    let mut call = view.begin(&ebw, 0);
    for _ in 0..5 {
        view.data(&ebw, &mut call, 3);
    }
    view.end(&ebw, &call, Outcome::Success);
    assert_eq!(view.inspect(&ebw, 0, "ebw.work"), 15.0);
}

#[test]
fn tau_is_two_mean_calls() {
    let (ebw, mut view) = pool(3);
    assert!((ebw.fleet.tau() - 0.2).abs() < 0.02, "{}", ebw.fleet.tau());
    for _ in 0..200 {
        view.run(&ebw, 0, Duration::from_secs(1), Outcome::Success);
    }
    assert!((ebw.fleet.tau() - 2.0).abs() < 0.2, "{}", ebw.fleet.tau());
    for _ in 0..1000 {
        view.run(&ebw, 0, Duration::from_micros(1), Outcome::Success);
    }
    for _ in 0..4000 {
        view.run(&ebw, 0, Duration::from_millis(1), Outcome::Success);
    }
    assert!(
        (ebw.fleet.tau() - 0.01).abs() < 0.001,
        "{}",
        ebw.fleet.tau()
    );
}

#[test]
fn a_slow_endpoint_is_as_slow_as_it_is() {
    let ebw = Ebw::default();
    let mut view = Pool::new(2).joined_by(&ebw);
    let slow = Duration::from_millis(400);
    // Both work all the time, on one call each.
    let mut calls = [view.begin(&ebw, 0), view.begin(&ebw, 1)];
    for step in 1..=400 {
        view.advance(MEAN);
        view.end(&ebw, &calls[0], Outcome::Success);
        calls[0] = view.begin(&ebw, 0);
        if step % 4 == 0 {
            assert_eq!(view.now.since(calls[1].started), slow);
            view.end(&ebw, &calls[1], Outcome::Success);
            calls[1] = view.begin(&ebw, 1);
        }
    }
    let ratio = sigma(&ebw, &view, 1) / sigma(&ebw, &view, 0);
    assert!((1.2..4.0).contains(&ratio), "{ratio}");
}

#[test]
fn given_up_or_failed_calls_make_no_endpoint_look_better() {
    for outcome in [Outcome::Cancelled, Outcome::Failure(FailureKind::Timeout)] {
        let (ebw, mut view) = pool(3);
        let mut before = sigma(&ebw, &view, 0);
        for _ in 0..10 {
            view.run(&ebw, 0, MEAN / 2, outcome);
            let now = sigma(&ebw, &view, 0);
            assert!(now >= 0.99 * before, "{now} after {before}");
            before = now;
        }
        view.run(&ebw, 1, MEAN, Outcome::Success);
        assert!(before > sigma(&ebw, &view, 1));
    }
}

#[test]
fn a_stuck_endpoint_gets_ever_less_and_its_share_back() {
    let (ebw, mut view) = pool(3);
    let stuck = [(); 3].map(|()| view.begin(&ebw, 0));
    let mut last = sigma(&ebw, &view, 0);
    for _ in 0..5 {
        view.advance(MEAN);
        let call = view.begin(&ebw, 1);
        view.advance(MEAN);
        view.end(&ebw, &call, Outcome::Success);
        // Nothing happens at the stuck one, but that picks look at it.
        for _ in 0..20 {
            view.advance(Duration::from_millis(20));
            view.shares(&ebw, 1);
        }
        let now = sigma(&ebw, &view, 0);
        // It can fill all of what is remembered, and no more.
        assert!(now > last * 0.99, "{now} after {last}");
        last = now;
    }
    assert!(last > 1.05 * sigma(&ebw, &view, 1));
    assert_eq!(view.shares(&ebw, 300)[0], 0);
    for call in &stuck {
        view.end(&ebw, call, Outcome::Cancelled);
    }
    assert_eq!(view.shares(&ebw, 300)[0], 0);
    // Idle, it is forgotten what it did.
    for _ in 0..200 {
        view.advance(Duration::from_millis(20));
        view.shares(&ebw, 1);
    }
    let ranks: Vec<_> = (0..3).map(|index| view.rank(index)).collect();
    assert!(
        ranks.iter().all(|rank| (rank / ranks[1] - 1.0).abs() < 0.1),
        "{ranks:?}"
    );
}

#[test]
fn an_idle_endpoint_becomes_an_average_one() {
    let (ebw, mut view) = pool(3);
    view.advance(Duration::from_secs(3600));
    for _ in 0..30 {
        view.shares(&ebw, 1);
        view.advance(Duration::from_millis(20));
    }
    let prior = ebw.fleet.prior().unwrap().slowness;
    assert!((0.05..0.11).contains(&prior), "{prior}");
    for index in 0..3 {
        assert!((sigma(&ebw, &view, index) / prior - 1.0).abs() < 0.01);
    }
    let newcomer = view.push(Endpoint::builder("new"));
    ebw.join(view.peer(newcomer), view.now);
    assert_eq!(view.rank(newcomer), 0.0);
    let mut calls = Vec::new();
    for _ in 0..40 {
        calls.push(view.call(&ebw).unwrap().index);
    }
    for index in 0..4 {
        let share = calls.iter().filter(|call| **call == index).count();
        assert!((8..=12).contains(&share), "{index} gets {share}");
    }
}

#[test]
fn hidden_load_evens_out() {
    let config = EbwConfig {
        hidden_load: 8.0,
        ..EbwConfig::default()
    };
    let share = |ebw: &Ebw| {
        let view = Pool::weighted(&[4.0, 1.0]).joined_by(ebw);
        (0..20)
            .filter(|_| view.call(ebw).unwrap().index == 0)
            .count()
    };
    assert_eq!(share(&Ebw::default()), 16);
    assert_eq!(share(&Ebw::new(config).unwrap()), 20);
}

#[test]
fn closed_members_are_not_picked() {
    for scan_limit in [0, 64] {
        let config = EbwConfig {
            scan_limit,
            ..EbwConfig::default()
        };
        let ebw = Ebw::new(config).unwrap();
        let view = Pool::new(40).joined_by(&ebw);
        (0..39).for_each(|index| view.close(index));
        assert_eq!(view.shares(&ebw, 50)[39], 50);
        view.close(39);
        assert_eq!(ebw.pick(&view, &()), None);
        assert_eq!(ebw.pick(&Pool::new(0), &()), None);
    }
}

#[test]
fn a_large_pool_is_sampled() {
    let ebw = Ebw::default();
    let view = Pool::new(1000).joined_by(&ebw);
    for _ in 0..1000 {
        view.call(&ebw).unwrap();
    }
    let most = (0..1000)
        .filter_map(|index| view.load(index))
        .max()
        .unwrap();
    assert!(most <= 2, "{most} calls at one member");
    let idle = (0..1000)
        .filter(|index| view.load(*index) == Some(0))
        .count();
    assert!(idle < 150, "{idle} members idle");
}

#[test]
fn settings_out_of_range_are_named() {
    let refused = |config: EbwConfig| Ebw::new(config).unwrap_err().field;
    let fine = EbwConfig::default();
    assert_eq!(
        refused(EbwConfig {
            kappa: f64::INFINITY,
            ..fine
        }),
        "kappa"
    );
    assert_eq!(
        refused(EbwConfig {
            hidden_load: -1.0,
            ..fine
        }),
        "hidden_load"
    );
    assert_eq!(
        refused(EbwConfig {
            initial_tau: Duration::ZERO,
            ..fine
        }),
        "initial_tau"
    );
    assert_eq!(
        refused(EbwConfig {
            candidates: 0,
            ..fine
        }),
        "candidates"
    );
}

proptest! {
    #[test]
    fn decay_is_that_of_the_exponential(x in 0.0_f64..50.0) {
        let (kept, gone) = decay(x);
        prop_assert!((kept - (-x).exp()).abs() < 2e-3);
        prop_assert!((kept + gone - 1.0).abs() < 1e-12);
        prop_assert!(gone >= 0.0 && kept >= 0.0);
    }

    #[test]
    fn sums_are_sound(steps in prop::collection::vec((0.0_f64..1e4, 0_u32..10_000, 0.0_f64..1e6), 1..200), tau in 1e-3_f64..1e3) {
        let mut sums = Sums::default();
        for (dt, in_flight, work) in steps {
            let g = busyness(in_flight, 8.0);
            prop_assert!((0.0..=8.0).contains(&g));
            let next = sums.after(dt, tau, g, work);
            let busier = sums.after(dt, tau, busyness(in_flight + 1, 8.0), work);
            prop_assert!(next.busy.is_finite() && next.busy >= 0.0);
            prop_assert!(next.work.is_finite() && next.work >= 0.0);
            prop_assert!(busier.busy >= next.busy);
            // Never more than what an endless time at the most would leave.
            prop_assert!(next.busy <= 8.0 * tau * (1.0 + 1e-9));
            let came = next.since(sums, dt, tau);
            prop_assert!(came.busy >= 0.0 && (came.work - work).abs() <= 1e-6 * (1.0 + next.work));
            sums = next;
        }
    }

    /// Longer busy without work: never a lower score.
    #[test]
    fn busy_time_makes_slower(millis in prop::collection::vec(1_u64..500, 1..30)) {
        let (ebw, mut view) = pool(2);
        let mut last = sigma(&ebw, &view, 0);
        let _stuck = [(); 8].map(|()| view.begin(&ebw, 0));
        for millis in millis {
            view.advance(Duration::from_millis(millis));
            ebw.touch(&view.members[0].endpoint, &view.members[0].state, view.now);
            let now = sigma(&ebw, &view, 0);
            prop_assert!(now.is_finite() && now >= last * 0.999, "{} after {}", now, last);
            last = now;
        }
    }
}
