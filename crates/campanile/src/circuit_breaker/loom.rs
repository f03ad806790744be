//! The word, the lock, the gates and those who wait, under every order of events that loom can think of. Run with
//!
//! ```text
//! RUSTFLAGS="--cfg campanile_loom" cargo test -p campanile --release --lib --features circuit_breaker loom
//! ```

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    task::{Wake, Waker},
};

use ::loom::{model::Builder, sync::Notify, thread};

use super::{
    breaker::Breaker,
    config::{CircuitBreakerConfig, WindowKind},
    lane::Lanes,
    state::Pass,
    status::BreakerState,
};
use crate::{
    Endpoint,
    outcome::{FailureKind, Outcome},
    time::Timestamp,
    waiters::Ticket,
};

const FAILED: Outcome = Outcome::Failure(FailureKind::Error);

/// Checks every order with at most two preemptions.
fn check(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(test);
}

fn config() -> CircuitBreakerConfig {
    CircuitBreakerConfig::default()
        .with_failure_threshold(Some(1))
        .with_half_open_max_calls(1)
}

fn enter(breaker: &Breaker, now: Timestamp) -> Option<Pass> {
    let word = breaker.word();
    if word.asks() {
        return breaker.admit(word, now).ok();
    }
    Some(Pass {
        generation: word.generation(),
        lease: 0,
    })
}

/// A breaker that is open, and a moment at which it lets a call in on trial.
fn due(now: Timestamp) -> (Arc<Breaker>, Timestamp) {
    let breaker = Arc::new(Breaker::new(config()));
    let pass = enter(&breaker, now).unwrap();
    breaker.end(pass, FAILED, false, now);
    (breaker, now.after(CircuitBreakerConfig::default().open_for))
}

/// A task as loom can block it.
struct Task(Notify);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

#[test]
fn no_more_than_the_places_are_let_in() {
    check(|| {
        let (breaker, now) = due(Timestamp::now());
        let admitted = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let enter = move |breaker: &Breaker| {
            let let_in = enter(breaker, now).is_some();
            admitted.fetch_add(usize::from(let_in), SeqCst);
            admitted.load(SeqCst)
        };
        let other = {
            let (breaker, enter) = (Arc::clone(&breaker), enter.clone());
            thread::spawn(move || enter(&breaker))
        };
        enter(&breaker);
        other.join().unwrap();
        assert_eq!(breaker.snapshot(now).probes, 1);
        assert_eq!(enter(&breaker), 1);
    });
}

/// Loom reports a deadlock if the wake-up is lost.
#[test]
fn whoever_waits_for_a_place_is_woken_when_it_is_given_back() {
    check(|| {
        let (breaker, now) = due(Timestamp::now());
        let pass = enter(&breaker, now).unwrap();
        let waiter = {
            let breaker = Arc::clone(&breaker);
            thread::spawn(move || {
                let task = Arc::new(Task(Notify::new()));
                let waker = Waker::from(Arc::clone(&task));
                let mut ticket = Ticket::default();
                loop {
                    breaker.waiters.register(&mut ticket, &waker);
                    if breaker.refusal(now).is_none() {
                        break;
                    }
                    task.0.wait();
                }
                breaker.waiters.deregister(&mut ticket);
            })
        };
        breaker.end(pass, Outcome::Cancelled, false, now);
        waiter.join().unwrap();
    });
}

/// The gate ends as the breaker does, whoever sets it last.
#[test]
fn a_gate_is_not_left_closed_by_an_open_breaker_that_was_set_back() {
    check(|| {
        let now = Timestamp::now();
        let breaker = Arc::new(Breaker::new(config()));
        let endpoint = Endpoint::new("a");
        breaker.attach(&endpoint);
        let pass = enter(&breaker, now).unwrap();
        let other = {
            let breaker = Arc::clone(&breaker);
            thread::spawn(move || breaker.end(pass, FAILED, false, now))
        };
        breaker.change(now, |machine| machine.reset(now));
        other.join().unwrap();
        let closed = breaker.snapshot(now).state == BreakerState::Closed;
        assert_eq!(endpoint.gate().is_open(now), closed);
    });
}

#[test]
fn a_gate_that_is_left_is_left_open() {
    check(|| {
        let now = Timestamp::now();
        let breaker = Arc::new(Breaker::new(config()));
        let endpoint = Endpoint::new("a");
        breaker.attach(&endpoint);
        let other = {
            let breaker = Arc::clone(&breaker);
            thread::spawn(move || breaker.change(now, |machine| machine.force_open(now)))
        };
        breaker.detach(&endpoint);
        other.join().unwrap();
        assert!(endpoint.gate().is_open(now));
    });
}

/// A call that ended well before the failure in the eyes of its thread is in the window that the failure is judged by; in
/// the end all are.
#[test]
fn every_call_that_goes_well_is_counted_once() {
    check(|| {
        let now = Timestamp::now();
        let config = config()
            .with_failure_threshold(None)
            .with_failure_rate(Some(1.0))
            .with_min_calls(2)
            .with_window(WindowKind::Calls(8));
        let breaker = Arc::new(Breaker::new(config));
        let lanes = Lanes::new(Arc::clone(&breaker), None);
        let lane = Arc::clone(lanes.lane());
        let pass = enter(&breaker, now).unwrap();
        let other = thread::spawn(move || {
            lane.fine.count();
            lane.fine.count();
        });
        breaker.end(pass, FAILED, false, now);
        assert!(breaker.snapshot(now).calls >= 1);
        other.join().unwrap();
        let snapshot = breaker.snapshot(now);
        assert_eq!((snapshot.calls, snapshot.trips), (3, 0));
    });
}
