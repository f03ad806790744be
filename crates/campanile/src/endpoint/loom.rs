//! The lock-free parts under every order of events that loom can think of. Run with
//!
//! ```text
//! RUSTFLAGS="--cfg campanile_loom" cargo test -p campanile --release --lib loom
//! ```
//!
//! The gate, the cell and the waiters are the real ones, on loom's atomics. The pool's snapshot pointer and its parking
//! place for idle instances come from other crates that loom cannot see into: [`Swap`] and [`Parking`] stand in for them,
//! a mutex each, which checks the protocols around them and not the crates themselves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize as Plain, Ordering::SeqCst},
    },
    task::{Wake, Waker},
};

use ::loom::{
    model::Builder,
    sync::{Mutex, Notify, atomic::AtomicU32},
    thread,
};

use super::{CellRef, Gate, Reason};
use crate::{
    sync::Ordering,
    time::Timestamp,
    waiters::{Ticket, Waiters},
};

const NOW: Timestamp = Timestamp::from_nanos(1_000);
const PAST: Timestamp = Timestamp::from_nanos(10);
const LATER: Timestamp = Timestamp::from_nanos(5_000);

/// Checks every order with at most three preemptions: those find the bugs of parts this small.
fn check(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

/// A gate with its cell.
struct Gated {
    gate: Gate,
    cell: CellRef,
}

impl Gated {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            gate: Gate::default(),
            cell: CellRef::single(),
        })
    }

    fn close(&self, reason: Reason, until: Timestamp) {
        self.close_at(reason, until, NOW);
    }

    fn close_at(&self, reason: Reason, until: Timestamp, now: Timestamp) {
        let _ = self.gate.close(self.cell.get(), reason, until, now);
    }

    fn open_at(&self, reason: Reason, now: Timestamp) {
        let _ = self.gate.open(self.cell.get(), reason, || now);
    }

    /// Whether it is closed, how often it was, and for how many nanoseconds.
    fn history(&self, reason: Reason, now: Timestamp) -> (bool, u64, u128) {
        let history = self.gate.history(self.cell.get(), reason, now);
        (history.closed, history.closings, history.time.as_nanos())
    }

    fn is_open(&self, now: Timestamp) -> bool {
        !self.cell.get().is_closed() || self.gate.expire(self.cell.get(), now)
    }
}

/// A task as loom can block it.
struct Task {
    woken: Notify,
    wakes: Plain,
}

impl Task {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            woken: Notify::new(),
            wakes: Plain::new(0),
        })
    }

    /// Registers, looks, sleeps, until `look` is content. Loom reports a deadlock if a wake-up is lost.
    fn run(self: &Arc<Self>, waiters: &Waiters, mut look: impl FnMut() -> bool) {
        let waker = Waker::from(Arc::clone(self));
        let mut ticket = Ticket::default();
        loop {
            waiters.register(&mut ticket, &waker);
            if look() {
                break;
            }
            self.woken.wait();
        }
        waiters.deregister(&mut ticket);
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, SeqCst);
        self.woken.notify();
    }
}

/// Stands in for `ArcSwap`.
struct Swap<T>(Mutex<Arc<T>>);

impl<T> Swap<T> {
    fn load(&self) -> Arc<T> {
        Arc::clone(&self.0.lock().unwrap())
    }

    fn swap(&self, value: Arc<T>) -> Arc<T> {
        std::mem::replace(&mut self.0.lock().unwrap(), value)
    }
}

/// Stands in for the cell that keeps a member's idle instance.
struct Parking<T>(Mutex<Option<T>>);

impl<T> Parking<T> {
    fn take(&self) -> Option<T> {
        self.0.lock().unwrap().take()
    }

    fn store(&self, value: T) {
        let old = self.0.lock().unwrap().replace(value);
        drop(old);
    }
}

// ===== the gate =====

#[test]
fn reasons_are_independent_of_each_other() {
    check(|| {
        let gated = Gated::new();
        gated.close(Reason::Health, Timestamp::MAX);
        let other = Arc::clone(&gated);
        let breaker = thread::spawn(move || other.close(Reason::Breaker, LATER));
        let opened = gated.gate.open(gated.cell.get(), Reason::Health, || NOW);
        breaker.join().unwrap();
        assert!(opened);
        assert!(!gated.is_open(NOW), "the breaker's reason was lost");
        assert_eq!(gated.gate.until(gated.cell.get(), Reason::Health), None);
        assert!(gated.is_open(LATER));
    });
}

#[test]
fn a_closing_that_races_an_expiry_is_not_lost() {
    check(|| {
        let gated = Gated::new();
        gated.close(Reason::Breaker, PAST);
        let other = Arc::clone(&gated);
        let closer = thread::spawn(move || other.close(Reason::Breaker, LATER));
        let _ = gated.is_open(NOW);
        closer.join().unwrap();
        assert!(!gated.is_open(NOW), "the second closing was lost");
        assert_eq!(gated.gate.reopens_at(gated.cell.get(), NOW), Some(LATER));
    });
}

#[test]
fn two_expiries_do_not_lose_a_closing() {
    check(|| {
        let gated = Gated::new();
        gated.close(Reason::Breaker, PAST);
        let (one, two) = (Arc::clone(&gated), Arc::clone(&gated));
        let closer = thread::spawn(move || one.close(Reason::Breaker, LATER));
        let looker = thread::spawn(move || {
            let _ = two.is_open(NOW);
        });
        let _ = gated.is_open(NOW);
        closer.join().unwrap();
        looker.join().unwrap();
        assert!(!gated.is_open(NOW), "the second closing was lost");
    });
}

#[test]
fn an_expiry_leaves_no_reason_behind_that_was_withdrawn_meanwhile() {
    check(|| {
        let gated = Gated::new();
        gated.close(Reason::Breaker, PAST);
        let other = Arc::clone(&gated);
        let writer = thread::spawn(move || {
            other.close(Reason::Breaker, LATER);
            assert!(
                other.gate.open(other.cell.get(), Reason::Breaker, || NOW),
                "a withdrawal that nobody is told of"
            );
        });
        let _ = gated.is_open(NOW);
        writer.join().unwrap();
        assert!(!gated.cell.get().is_closed(), "a bit without a writer");
    });
}

// ===== what the gate remembers =====

#[test]
fn a_stretch_counts_once_whoever_ends_it_and_whoever_begins_the_next() {
    check(|| {
        let gated = Gated::new();
        gated.close_at(Reason::Concurrency, Timestamp::MAX, PAST);
        let (one, two) = (Arc::clone(&gated), Arc::clone(&gated));
        let closer = thread::spawn(move || one.close_at(Reason::Concurrency, Timestamp::MAX, NOW));
        let opener = thread::spawn(move || two.open_at(Reason::Concurrency, NOW));
        gated.open_at(Reason::Concurrency, NOW);
        closer.join().unwrap();
        opener.join().unwrap();
        let after = Timestamp::from_nanos(1_500);
        match gated.history(Reason::Concurrency, after) {
            // The closing came after the first who opened, or before; and last, or not.
            (true, 2, 1_490) | (false, 2, 990) | (false, 1, 990) => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn two_who_close_what_ran_out_unnoticed_count_one_closing_and_no_gap() {
    check(|| {
        let gated = Gated::new();
        gated.close_at(Reason::Quota, Timestamp::from_nanos(100), PAST);
        let other = Arc::clone(&gated);
        let closer = thread::spawn(move || other.close_at(Reason::Quota, LATER, NOW));
        gated.close_at(Reason::Quota, LATER, NOW);
        closer.join().unwrap();
        assert_eq!(gated.history(Reason::Quota, NOW), (true, 2, 90));
        assert_eq!(
            gated.history(Reason::Quota, Timestamp::MAX),
            (false, 2, 4_090)
        );
    });
}

#[test]
fn a_closing_that_ran_out_is_ended_once_though_it_is_closed_and_opened_at_once() {
    check(|| {
        let gated = Gated::new();
        gated.close_at(Reason::Quota, Timestamp::from_nanos(100), PAST);
        let (one, two) = (Arc::clone(&gated), Arc::clone(&gated));
        let closer = thread::spawn(move || one.close_at(Reason::Quota, LATER, NOW));
        let opener = thread::spawn(move || two.open_at(Reason::Quota, NOW));
        let _ = gated.is_open(NOW);
        closer.join().unwrap();
        opener.join().unwrap();
        let (closed, closings, time) = gated.history(Reason::Quota, Timestamp::from_nanos(1_500));
        assert_eq!((closings, time), (2, if closed { 590 } else { 90 }));
        assert_eq!(gated.is_open(NOW), !closed);
    });
}

#[test]
fn a_look_never_sees_less_than_was_or_a_gap_that_was_open() {
    check(|| {
        let gated = Gated::new();
        gated.close_at(Reason::Quota, Timestamp::from_nanos(100), PAST);
        let other = Arc::clone(&gated);
        let writer = thread::spawn(move || {
            other.close_at(Reason::Quota, LATER, NOW);
            other.open_at(Reason::Quota, NOW);
        });
        assert_eq!(gated.history(Reason::Quota, NOW).2, 90);
        writer.join().unwrap();
        assert_eq!(gated.history(Reason::Quota, NOW), (false, 2, 90));
    });
}

// ===== the last call of a member that leaves =====

#[test]
fn whoever_waits_for_the_last_call_is_woken_by_it() {
    check(|| {
        let gated = Gated::new();
        let waiters = Arc::new(Waiters::default());
        assert!(gated.cell.get().enter().is_ok());
        let (call, bell) = (Arc::clone(&gated), Arc::clone(&waiters));
        let caller = thread::spawn(move || {
            if call.cell.get().leave(true) != 0 {
                bell.wake_all();
            }
        });
        gated.close(Reason::Draining, Timestamp::MAX);
        Task::new().run(&waiters, || gated.cell.get().in_flight() == 0);
        caller.join().unwrap();
        assert_eq!(gated.cell.get().successes(), 1);
    });
}

#[test]
fn a_call_enters_before_the_drain_or_not_at_all() {
    check(|| {
        let gated = Gated::new();
        let waiters = Arc::new(Waiters::default());
        let serving = Arc::new(AtomicU32::new(0));
        let (call, bell, at_work) = (
            Arc::clone(&gated),
            Arc::clone(&waiters),
            Arc::clone(&serving),
        );
        let caller = thread::spawn(move || {
            // As `Endpoint::enter` and `Endpoint::leave` do.
            let last = match call.cell.get().enter() {
                Ok(()) => {
                    at_work.fetch_add(1, Ordering::SeqCst);
                    at_work.fetch_sub(1, Ordering::SeqCst);
                    call.cell.get().leave(false)
                }
                Err(last) => last,
            };
            if last != 0 {
                bell.wake_all();
            }
        });
        gated.close(Reason::Draining, Timestamp::MAX);
        Task::new().run(&waiters, || gated.cell.get().in_flight() == 0);
        assert_eq!(
            serving.load(Ordering::SeqCst),
            0,
            "a call was served after the drain"
        );
        assert!(gated.cell.get().enter().is_err());
        caller.join().unwrap();
        assert_eq!(gated.cell.get().in_flight(), 0);
    });
}

// ===== the waiters =====

#[test]
fn a_change_between_registration_and_look_is_seen() {
    check(|| {
        let gated = Gated::new();
        let waiters = Arc::new(Waiters::default());
        gated.close(Reason::Health, Timestamp::MAX);
        let (opener, bell) = (Arc::clone(&gated), Arc::clone(&waiters));
        let health = thread::spawn(move || {
            if opener.gate.open(opener.cell.get(), Reason::Health, || NOW) {
                bell.wake_all();
            }
        });
        Task::new().run(&waiters, || gated.is_open(NOW));
        health.join().unwrap();
        assert_eq!(waiters.len(), 0);
    });
}

#[test]
fn every_waiter_is_woken_by_one_change() {
    check(|| {
        let gated = Gated::new();
        let waiters = Arc::new(Waiters::default());
        gated.close(Reason::Health, Timestamp::MAX);
        let tasks: Vec<_> = (0..2)
            .map(|_| {
                let (gated, waiters) = (Arc::clone(&gated), Arc::clone(&waiters));
                thread::spawn(move || Task::new().run(&waiters, || gated.is_open(NOW)))
            })
            .collect();
        if gated.gate.open(gated.cell.get(), Reason::Health, || NOW) {
            waiters.wake_all();
        }
        for task in tasks {
            task.join().unwrap();
        }
        assert_eq!(waiters.len(), 0);
    });
}

#[test]
fn a_waiter_that_leaves_takes_nobody_elses_wake_up() {
    check(|| {
        let gated = Gated::new();
        let waiters = Arc::new(Waiters::default());
        gated.close(Reason::Health, Timestamp::MAX);
        let leaver = {
            let waiters = Arc::clone(&waiters);
            thread::spawn(move || {
                let mut ticket = Ticket::default();
                waiters.register(&mut ticket, &Waker::from(Task::new()));
                waiters.deregister(&mut ticket);
            })
        };
        let opener = {
            let (gated, waiters) = (Arc::clone(&gated), Arc::clone(&waiters));
            thread::spawn(move || {
                if gated.gate.open(gated.cell.get(), Reason::Health, || NOW) {
                    waiters.wake_all();
                }
            })
        };
        Task::new().run(&waiters, || gated.is_open(NOW));
        leaver.join().unwrap();
        opener.join().unwrap();
        assert_eq!(waiters.len(), 0);
    });
}

// ===== the snapshot =====

#[test]
fn a_waiter_sees_the_snapshot_that_was_published_while_it_registered() {
    check(|| {
        let members = Arc::new(Swap(Mutex::new(Arc::new(0_u32))));
        let waiters = Arc::new(Waiters::default());
        let (publisher, bell) = (Arc::clone(&members), Arc::clone(&waiters));
        let driver = thread::spawn(move || {
            let old = publisher.swap(Arc::new(1));
            assert_eq!(*old, 0);
            bell.wake_all();
        });
        let mut seen = 0;
        Task::new().run(&waiters, || {
            let now = *members.load();
            assert!(now >= seen, "an older snapshot after a newer one");
            seen = now;
            now == 1
        });
        driver.join().unwrap();
    });
}

#[test]
fn a_member_that_was_removed_serves_no_call_after_it_was_buried() {
    // The driver: publish without the member, close its gate, wait for its last call, drop its service. A call: take the
    // member from a snapshot that may be old, count itself in, use the service, count itself out.
    check(|| {
        let gated = Gated::new();
        let waiters = Arc::new(Waiters::default());
        let members = Arc::new(Swap(Mutex::new(Arc::new(true))));
        let alive = Arc::new(AtomicU32::new(1));
        let caller = {
            let (gated, waiters, members, alive) = (
                Arc::clone(&gated),
                Arc::clone(&waiters),
                Arc::clone(&members),
                Arc::clone(&alive),
            );
            thread::spawn(move || {
                if !*members.load() {
                    return;
                }
                let last = match gated.cell.get().enter() {
                    Ok(()) => {
                        assert_eq!(
                            alive.load(Ordering::SeqCst),
                            1,
                            "a call used a service that was dropped"
                        );
                        gated.cell.get().leave(true)
                    }
                    Err(last) => last,
                };
                if last != 0 {
                    waiters.wake_all();
                }
            })
        };
        gated.close(Reason::Removed, Timestamp::MAX);
        let _ = members.swap(Arc::new(false));
        Task::new().run(&waiters, || gated.cell.get().in_flight() == 0);
        alive.store(0, Ordering::SeqCst);
        caller.join().unwrap();
    });
}

#[test]
fn no_instance_is_left_in_a_slot_that_retired() {
    // An instance is put back only while its call is counted in, and a slot retires only when none is.
    check(|| {
        let gated = Gated::new();
        let waiters = Arc::new(Waiters::default());
        let idle = Arc::new(Parking(Mutex::new(Some(0_u32))));
        let caller = {
            let (gated, waiters, idle) =
                (Arc::clone(&gated), Arc::clone(&waiters), Arc::clone(&idle));
            thread::spawn(move || {
                let Some(instance) = idle.take() else {
                    return;
                };
                let last = match gated.cell.get().enter() {
                    Ok(()) => {
                        idle.store(instance);
                        gated.cell.get().leave(true)
                    }
                    Err(last) => last,
                };
                if last != 0 {
                    waiters.wake_all();
                }
            })
        };
        gated.close(Reason::Removed, Timestamp::MAX);
        Task::new().run(&waiters, || gated.cell.get().in_flight() == 0);
        let _ = idle.take();
        caller.join().unwrap();
        assert_eq!(idle.take(), None, "a service outlived its member");
    });
}

// ===== the count of successes =====

#[test]
fn no_success_is_lost_when_the_count_spills() {
    check(|| {
        let gated = Gated::new();
        let elsewhere = Arc::new(AtomicU32::new(0));
        // Two below the bit that is moved elsewhere, with two calls in flight.
        gated.cell.get().preset(2, (1 << 23) - 1);
        let calls: Vec<_> = (0..2)
            .map(|_| {
                let (gated, elsewhere) = (Arc::clone(&gated), Arc::clone(&elsewhere));
                thread::spawn(move || {
                    gated.cell.get().leave(true);
                    if let Some(spilled) = gated.cell.get().spill() {
                        elsewhere.fetch_add(u32::try_from(spilled).unwrap(), Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for call in calls {
            call.join().unwrap();
        }
        let total = u64::from(elsewhere.load(Ordering::SeqCst)) + gated.cell.get().successes();
        assert_eq!(total, (1 << 23) + 1);
        assert_eq!(gated.cell.get().in_flight(), 0);
    });
}
