use std::{sync::Barrier, thread};

use super::*;
use crate::{
    balance::strategy::{LeastLoaded, test_view::FakeView},
    endpoint::Endpoint,
    outcome::FailureKind,
};

type Guarded = FastFail<LeastLoaded>;
type Pool = FakeView<FastFailState<()>>;

const FAILURE: Outcome = Outcome::Failure(FailureKind::Error);
const MEAN: Duration = Duration::from_millis(100);
const FAST: Duration = Duration::from_millis(1);

const fn throttled(seconds: u64) -> Outcome {
    Outcome::Throttled {
        retry_after: Some(Duration::from_secs(seconds)),
    }
}

/// A pool whose mean call is known to take 100 ms.
fn pool(members: usize) -> (Guarded, Pool) {
    fastrand::seed(3);
    let guarded = FastFail::new(LeastLoaded::full_scan());
    let mut view = Pool::new(members).joined_by(&guarded);
    guarded.pick(&view, &()).unwrap();
    for index in 0..members {
        view.run(&guarded, index, MEAN, Outcome::Success);
    }
    assert_eq!(guarded.mean_call(), MEAN);
    (guarded, view)
}

fn fail(guarded: &Guarded, view: &mut Pool, index: usize, times: usize) {
    for _ in 0..times {
        view.run(guarded, index, FAST, FAILURE);
    }
}

/// For how many milliseconds a member is out yet; `None` when it is in service.
fn out(view: &Pool, index: usize) -> Option<f64> {
    let until = view.members[index].endpoint.gate().reopens_at(view.now)?;
    Some(until.since(view.now).as_secs_f64() * 1e3)
}

/// Waits until an ejection is over.
fn sit_out(view: &mut Pool, index: usize) {
    let gate = view.members[index].endpoint.gate();
    view.now = gate.reopens_at(view.now).expect("it is not out");
    assert_eq!(out(view, index), None);
}

#[test]
fn two_fast_failures_eject_for_a_mean_call() {
    let (guarded, mut view) = pool(3);
    fail(&guarded, &mut view, 0, 1);
    assert_eq!(out(&view, 0), None);
    fail(&guarded, &mut view, 0, 1);
    assert!((75.0..=125.0).contains(&out(&view, 0).unwrap()));
    assert!(
        view.members[0]
            .endpoint
            .gate()
            .is_closed_for(Reason::FastFail, view.now)
    );
    assert_eq!(view.inspect(&guarded, 1, "fast_fail.ejected_members"), 1.0);
}

#[test]
fn five_failures_of_any_kind_eject_and_a_success_counts_anew() {
    let (guarded, mut view) = pool(3);
    for _ in 0..3 {
        // Fast ones among them, and never two in a row.
        view.run(&guarded, 0, FAST, FAILURE);
        view.run(&guarded, 0, MEAN, FAILURE);
        assert_eq!(out(&view, 0), None);
        view.run(&guarded, 0, MEAN, Outcome::Success);
        // Old enough not to count for the share of successes.
        view.advance(Duration::from_secs(31));
    }
    for failures in 1..=5 {
        assert_eq!(out(&view, 0), None, "after {} failures", failures - 1);
        view.run(&guarded, 0, MEAN, FAILURE);
    }
    assert!(out(&view, 0).is_some());
}

#[test]
fn ejections_double_six_times_and_a_success_starts_over() {
    let (guarded, mut view) = pool(3);
    fail(&guarded, &mut view, 0, 2);
    for doublings in 1..=9 {
        sit_out(&mut view, 0);
        fail(&guarded, &mut view, 0, 1);
        let mean = 100.0 * f64::from(1 << doublings.min(6));
        let range = 0.75 * mean..=1.25 * mean;
        assert!(
            range.contains(&out(&view, 0).unwrap()),
            "{doublings} doublings: {:?}",
            out(&view, 0)
        );
    }
    sit_out(&mut view, 0);
    view.run(&guarded, 0, MEAN, Outcome::Success);
    assert_eq!(view.inspect(&guarded, 0, "fast_fail.ejections"), 0.0);
    assert_eq!(view.inspect(&guarded, 0, "fast_fail.ejected_members"), 0.0);
    fail(&guarded, &mut view, 0, 2);
    assert!(out(&view, 0).unwrap() <= 125.0);
}

#[test]
fn who_opens_the_gate_pardons_an_ejection() {
    let (guarded, mut view) = pool(3);
    fail(&guarded, &mut view, 0, 2);
    view.members[0].endpoint.gate().open(Reason::FastFail);
    fail(&guarded, &mut view, 0, 1);
    assert_eq!(out(&view, 0), None, "one failure ejects nobody");
    assert_eq!(view.inspect(&guarded, 1, "fast_fail.ejected_members"), 0.0);
    fail(&guarded, &mut view, 0, 1);
    assert!(
        out(&view, 0).unwrap() <= 125.0,
        "the ejection is a first one"
    );
}

#[test]
fn who_opens_the_gate_pardons_a_refusal() {
    let (guarded, mut view) = pool(3);
    view.run(&guarded, 0, FAST, throttled(200));
    assert!(out(&view, 0).unwrap() >= 199e3);
    view.members[0].endpoint.gate().open(Reason::FastFail);
    view.run(&guarded, 0, FAST, throttled(2));
    assert!(
        out(&view, 0).unwrap() <= 2_200.0,
        "the old one is forgotten"
    );
}

#[test]
fn refusals_need_not_be_believed() {
    let (guarded, mut view) = pool(3);
    let guarded = guarded.with_max_retry_after(Duration::ZERO);
    view.run(&guarded, 0, FAST, throttled(200));
    assert_eq!(out(&view, 0), None);
}

#[test]
fn one_call_is_the_trial() {
    let (guarded, mut view) = pool(3);
    fail(&guarded, &mut view, 0, 2);
    sit_out(&mut view, 0);
    let trial = view.begin(&guarded, 0);
    assert_eq!(view.load(0), None, "a second call came in beside the trial");
    view.advance(Duration::from_secs(3600));
    assert_eq!(view.load(0), None, "the trial is not over");
    view.end(&guarded, &trial, Outcome::Success);
    assert_eq!(view.load(0), Some(0));
    let [_one, _two] = [(); 2].map(|()| view.begin(&guarded, 0));
    assert_eq!(view.load(0), Some(2));
}

#[test]
fn a_trial_that_says_nothing_is_given_back() {
    for outcome in [Outcome::Cancelled, Outcome::Ignored] {
        let (guarded, mut view) = pool(3);
        fail(&guarded, &mut view, 0, 2);
        sit_out(&mut view, 0);
        for _ in 0..10 {
            view.run(&guarded, 0, MEAN, outcome);
            assert_eq!(view.load(0), Some(0));
        }
        let trial = view.begin(&guarded, 0);
        assert_eq!(view.load(0), None);
        view.advance(FAST);
        view.end(&guarded, &trial, FAILURE);
        assert!(
            (150.0..=250.0).contains(&out(&view, 0).unwrap()),
            "cancelled trials doubled it"
        );
    }
}

#[test]
fn calls_from_before_the_ejection_decide_nothing() {
    let (guarded, mut view) = pool(3);
    let early = [(); 4].map(|()| view.begin(&guarded, 0));
    view.advance(FAST);
    view.end(&guarded, &early[0], FAILURE);
    view.end(&guarded, &early[1], FAILURE);
    let until = out(&view, 0).unwrap();
    view.end(&guarded, &early[2], Outcome::Success);
    assert_eq!(out(&view, 0), Some(until));
    sit_out(&mut view, 0);
    let trial = view.begin(&guarded, 0);
    view.advance(FAST);
    view.end(&guarded, &early[3], Outcome::Success);
    assert_eq!(
        view.load(0),
        None,
        "an early success passed for the trial's"
    );
    view.end(&guarded, &trial, FAILURE);
    assert!(out(&view, 0).unwrap() >= 150.0);
}

#[test]
fn half_of_the_members_stay() {
    for (members, most) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (10, 5)] {
        let (guarded, mut view) = pool(members);
        for index in 0..members {
            let calls = [(); 6].map(|()| view.begin(&guarded, index));
            for call in &calls {
                view.end(&guarded, call, FAILURE);
            }
        }
        let ejected = (0..members)
            .filter(|index| out(&view, *index).is_some())
            .count();
        assert_eq!(ejected, most, "of {members}");
        // Those that stayed are ejected as soon as others are back, trial or not.
        view.advance(Duration::from_secs(1));
        fail(&guarded, &mut view, members - 1, 1);
        assert_eq!(out(&view, members - 1).is_some(), most > 0, "of {members}");
    }
}

#[test]
fn a_trial_closes_no_gate_that_the_pool_needs() {
    let (guarded, mut view) = pool(2);
    fail(&guarded, &mut view, 0, 2);
    sit_out(&mut view, 0);
    fail(&guarded, &mut view, 1, 2);
    assert!(out(&view, 1).is_some());
    let trial = view.begin(&guarded, 0);
    assert_eq!(view.load(0), Some(1), "both members are out");
    view.advance(FAST);
    view.end(&guarded, &trial, FAILURE);
    assert_eq!(out(&view, 0), None);
}

#[test]
fn members_that_leave_free_their_places() {
    let (guarded, mut view) = pool(4);
    fail(&guarded, &mut view, 0, 2);
    fail(&guarded, &mut view, 1, 2);
    assert_eq!(guarded.fleet.ejected(), 2);
    // Its state is dropped: at once.
    drop(view.members.remove(0));
    assert_eq!(guarded.fleet.ejected(), 1);
    // It drains, and a call holds its state: at the next look.
    view.members[0].endpoint.gate().close(Reason::Draining);
    view.advance(Duration::from_millis(11));
    for index in [1, 2] {
        guarded.pick(&view, &());
        fail(&guarded, &mut view, index, 2);
    }
    // Of three that the pick sees one may be out.
    assert!(out(&view, 1).is_some());
    assert_eq!(guarded.fleet.ejected(), 1);
}

#[test]
fn the_share_of_successes_is_exact() {
    let (guarded, mut view) = pool(3);
    // Of ten calls seven succeed, for ever.
    for call in 0..1000 {
        let outcome = if call % 10 < 7 {
            Outcome::Success
        } else {
            FAILURE
        };
        view.run(&guarded, 0, MEAN, outcome);
        assert_eq!(out(&view, 0), None, "call {call}");
    }
    // Of two, one: the eighth call is the first to tell.
    for call in 0..8 {
        assert_eq!(out(&view, 1), None, "call {call}");
        let outcome = if call % 2 == 0 {
            Outcome::Success
        } else {
            FAILURE
        };
        view.run(&guarded, 1, MEAN, outcome);
    }
    assert!(out(&view, 1).is_some());
}

#[test]
fn old_failures_are_forgotten() {
    let (guarded, mut view) = pool(3);
    for _ in 0..3 {
        for _ in 0..4 {
            view.run(&guarded, 0, MEAN, FAILURE);
        }
        view.run(&guarded, 0, MEAN, Outcome::Success);
        view.advance(Duration::from_secs(31));
    }
    assert_eq!(out(&view, 0), None);
}

#[test]
fn retry_after_is_kept_to_and_is_no_failure() {
    for members in [1, 3] {
        let (guarded, mut view) = pool(members);
        for _ in 0..20 {
            view.run(&guarded, 0, FAST, throttled(7));
            assert!((7_000.0..=7_700.0).contains(&out(&view, 0).unwrap()));
            assert_eq!(guarded.fleet.ejected(), 0);
            sit_out(&mut view, 0);
        }
        // No trial follows.
        let [_one, _two] = [(); 2].map(|()| view.begin(&guarded, 0));
        assert_eq!(view.load(0), Some(2));
        view.run(&guarded, 0, FAST, throttled(100_000));
        assert!((300_000.0..=330_000.0).contains(&out(&view, 0).unwrap()));
    }
}

#[test]
fn retry_after_fails_a_trial_and_outlasts_the_ejection() {
    let (guarded, mut view) = pool(3);
    fail(&guarded, &mut view, 0, 2);
    sit_out(&mut view, 0);
    view.run(&guarded, 0, FAST, throttled(7));
    assert!((7_000.0..=7_700.0).contains(&out(&view, 0).unwrap()));
    assert_eq!(view.inspect(&guarded, 0, "fast_fail.ejections"), 2.0);
    sit_out(&mut view, 0);
    let _trial = view.begin(&guarded, 0);
    assert_eq!(view.load(0), None);
}

#[test]
fn throttling_without_a_time_counts_for_the_share_only() {
    let (guarded, mut view) = pool(3);
    let outcome = Outcome::Throttled { retry_after: None };
    for _ in 0..6 {
        view.run(&guarded, 0, FAST, outcome);
        assert_eq!(out(&view, 0), None);
    }
    view.run(&guarded, 0, FAST, outcome);
    assert!(out(&view, 0).is_some(), "seven of eight were throttled");
}

#[test]
fn ignored_and_cancelled_calls_count_neither_way() {
    let (guarded, mut view) = pool(3);
    fail(&guarded, &mut view, 0, 1);
    for outcome in [Outcome::Ignored, Outcome::Cancelled]
        .into_iter()
        .cycle()
        .take(100)
    {
        view.run(&guarded, 0, FAST, outcome);
    }
    assert_eq!(out(&view, 0), None);
    fail(&guarded, &mut view, 0, 1);
    assert!(
        out(&view, 0).is_some(),
        "they made the first failure forgotten"
    );
}

#[test]
fn successes_in_good_order_are_not_noted() {
    let (guarded, mut view) = pool(3);
    let noted = |view: &Pool| view.members[0].state.quiet_until.load(Ordering::Relaxed);
    view.run(&guarded, 0, MEAN, Outcome::Success);
    let until = noted(&view);
    assert!(until > view.now.as_nanos());
    view.run(&guarded, 0, MEAN, Outcome::Success);
    assert_eq!(noted(&view), until);
    view.advance(Duration::from_secs(3));
    view.run(&guarded, 0, MEAN, Outcome::Success);
    assert!(noted(&view) > until, "the window did not move on");
}

#[test]
fn no_race_ejects_more_than_half() {
    const MEMBERS: usize = 8;
    let guarded = FastFail::new(LeastLoaded::full_scan());
    let view = Pool::new(MEMBERS).joined_by(&guarded);
    guarded.pick(&view, &()).unwrap();
    let now = view.now;
    let members: Vec<(Endpoint, FastFailState<()>)> = view
        .members
        .into_iter()
        .map(|member| (member.endpoint, member.state))
        .collect();
    let barrier = Barrier::new(4);
    let run = |thread: u64| {
        let mut rng = fastrand::Rng::with_seed(thread);
        barrier.wait();
        for step in 0..5_000 {
            let (endpoint, state) = &members[rng.usize(..MEMBERS)];
            let now = now.after(Duration::from_millis(step));
            if !endpoint.gate().is_open(now) || !endpoint.enter() {
                continue;
            }
            let peer = Peer { endpoint, state };
            let cost = crate::Cost::default();
            guarded.begin(peer, &Begin { now, cost });
            let outcome = *rng
                .choice(&[FAILURE, FAILURE, Outcome::Success, Outcome::Cancelled])
                .unwrap();
            endpoint.leave(outcome);
            let end = End {
                started: now,
                head: None,
                first_data: None,
                now,
                outcome,
                units: 0,
                cost,
                usage: None,
            };
            guarded.end(peer, &end);
            assert!(guarded.fleet.ejected() <= MEMBERS / 2);
        }
    };
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || run(thread));
        }
    });
    drop(members);
    assert_eq!(guarded.fleet.ejected(), 0);
}

#[test]
fn settings_out_of_range_are_named() {
    let refused = |config: FastFailConfig| config.build().unwrap_err().field;
    let fine = FastFailConfig::default();
    assert_eq!(
        refused(FastFailConfig {
            consecutive: 0,
            ..fine
        }),
        "consecutive"
    );
    assert_eq!(
        refused(FastFailConfig {
            jitter: f64::NAN,
            ..fine
        }),
        "jitter"
    );
    assert_eq!(
        refused(FastFailConfig {
            max_ejection: Duration::ZERO,
            ..fine
        }),
        "max_ejection"
    );
    assert_eq!(
        refused(FastFailConfig {
            min_success_ratio: -0.1,
            ..fine
        }),
        "min_success_ratio"
    );
    assert!(serde_json::from_str::<FastFailConfig>(r#"{ "consecutiv": 3 }"#).is_err());
}
