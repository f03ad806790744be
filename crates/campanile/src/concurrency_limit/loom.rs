//! The permits under every order of events that loom can think of. Run with
//!
//! ```text
//! RUSTFLAGS="--cfg campanile_loom" cargo test -p campanile --release --lib --features concurrency_limit loom
//! ```
//!
//! Permits, queue, word and gates are the real ones, on loom's primitives.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool as Plain, Ordering::SeqCst},
    },
    task::{Poll, Wake, Waker},
};

use ::loom::{
    model::Builder,
    sync::{Notify, atomic::AtomicU32},
    thread,
};

use super::{
    gates::Gates,
    permits::{Displaced, Entered, Permits, Place},
};
use crate::{
    context::Priority, endpoint::Endpoint, sync::Ordering, time::Timestamp, waiters::Ticket,
};

const NOW: Timestamp = Timestamp::from_nanos(1_000);

/// Checks every order with at most three preemptions: those find the bugs of parts this small.
fn check(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

/// A task as loom can block it.
struct Task {
    notify: Notify,
    woken: Plain,
}

impl Task {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            notify: Notify::new(),
            woken: Plain::new(false),
        })
    }

    fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, SeqCst);
        self.notify.notify();
    }
}

/// Takes a permit, waiting for it if need be. Loom reports a deadlock if a wake-up is lost.
fn acquire(permits: &Permits) {
    acquire_units(permits, 1, Priority::Normal);
}

fn acquire_units(permits: &Permits, units: u32, priority: Priority) {
    if permits.try_acquire(units).is_some() {
        return;
    }
    let task = Task::new();
    match permits.enter(units, priority, usize::MAX, &task.waker()) {
        Entered::Admitted => {}
        Entered::Queued(place) => assert_eq!(wait(permits, place, &task), Ok(())),
        Entered::Crowded => unreachable!("any number may wait"),
    }
}

fn wait(permits: &Permits, place: Place, task: &Arc<Task>) -> Result<(), Displaced> {
    loop {
        match permits.poll(place, &task.waker()) {
            Poll::Ready(granted) => return granted,
            Poll::Pending => task.notify.wait(),
        }
    }
}

/// Queues behind a permit that is held.
fn queue(permits: &Permits, task: &Arc<Task>) -> Place {
    match permits.enter(1, Priority::Normal, usize::MAX, &task.waker()) {
        Entered::Queued(place) => place,
        entered => panic!("{entered:?}"),
    }
}

#[track_caller]
fn assert_at_rest(permits: &Permits) {
    assert_eq!(permits.word().in_use(), 0);
    assert!(!permits.word().queued());
    assert_eq!(permits.waiting(), 0);
}

#[test]
fn everyone_gets_a_permit_and_there_are_never_two_at_once() {
    check(|| {
        let permits = Arc::new(Permits::new(1));
        let inside = Arc::new(AtomicU32::new(0));
        let run = |permits: &Permits, inside: &AtomicU32| {
            acquire(permits);
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
            inside.fetch_sub(1, Ordering::SeqCst);
            permits.release(1);
        };
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (permits, inside) = (Arc::clone(&permits), Arc::clone(&inside));
                thread::spawn(move || run(&permits, &inside))
            })
            .collect();
        run(&permits, &inside);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_at_rest(&permits);
    });
}

#[test]
fn who_gives_up_passes_on_what_was_handed_over() {
    check(|| {
        let permits = Arc::new(Permits::new(1));
        assert!(permits.try_acquire(1).is_some());
        let (first, second) = (Task::new(), Task::new());
        let leaves = queue(&permits, &first);
        let stays = queue(&permits, &second);
        let other = Arc::clone(&permits);
        let releaser = thread::spawn(move || {
            other.release(1);
        });
        // Granted or not, it is given back.
        if permits.withdraw(leaves) {
            permits.release(1);
        }
        assert_eq!(wait(&permits, stays, &second), Ok(()));
        releaser.join().unwrap();
        assert_eq!(permits.word().in_use(), 1);
        permits.release(1);
        assert_at_rest(&permits);
    });
}

#[test]
fn a_limit_that_grows_is_not_missed_by_who_queues() {
    check(|| {
        let permits = Arc::new(Permits::new(1));
        assert!(permits.try_acquire(1).is_some());
        let other = Arc::clone(&permits);
        let operator = thread::spawn(move || {
            other.set_limit(2);
            other.hand_over();
        });
        acquire(&permits);
        operator.join().unwrap();
        assert_eq!((permits.word().in_use(), permits.word().limit()), (2, 2));
        permits.release(2);
        assert_at_rest(&permits);
    });
}

#[test]
fn a_limit_that_shrinks_lets_nobody_in_beyond() {
    check(|| {
        let permits = Arc::new(Permits::new(2));
        assert!(permits.try_acquire(1).is_some());
        let other = Arc::clone(&permits);
        let operator = thread::spawn(move || {
            other.set_limit(1);
            other.hand_over();
            other.word().in_use()
        });
        let taken = u32::from(permits.try_acquire(1).is_some());
        let seen = operator.join().unwrap();
        // Whoever came before the change stays; nobody comes after it.
        assert_eq!(permits.word().in_use(), 1 + taken);
        assert!(seen == permits.word().in_use());
        permits.release(1 + taken);
        assert_at_rest(&permits);
    });
}

#[test]
fn who_comes_late_does_not_overtake() {
    check(|| {
        let permits = Arc::new(Permits::new(1));
        assert!(permits.try_acquire(1).is_some());
        let task = Task::new();
        let place = queue(&permits, &task);
        let other = Arc::clone(&permits);
        let late = thread::spawn(move || other.try_acquire(1).is_some());
        permits.release(1);
        assert_eq!(permits.poll(place, &task.waker()), Poll::Ready(Ok(())));
        assert!(task.woken.load(SeqCst));
        assert!(!late.join().unwrap(), "overtaken");
        permits.release(1);
        assert_at_rest(&permits);
    });
}

/// A light call that matters more goes before a heavy one that waits for more room: whichever comes to it, the room or the
/// call, lets it in.
#[test]
fn who_becomes_the_first_sees_what_room_there_is() {
    check(|| {
        let permits = Arc::new(Permits::new(2));
        assert!(permits.try_acquire(2).is_some());
        let task = Task::new();
        let heavy = match permits.enter(2, Priority::Batch, usize::MAX, &task.waker()) {
            Entered::Queued(place) => place,
            entered => panic!("{entered:?}"),
        };
        let other = Arc::clone(&permits);
        let releaser = thread::spawn(move || {
            other.release(1);
        });
        // One permit is all that comes back for now.
        acquire_units(&permits, 1, Priority::Critical);
        releaser.join().unwrap();
        assert!(permits.poll(heavy, &task.waker()).is_pending());
        assert_eq!(permits.word().in_use(), 2);
        permits.release(2);
        assert_eq!(wait(&permits, heavy, &task), Ok(()));
        permits.release(2);
        assert_at_rest(&permits);
    });
}

/// A permit comes back while a call comes that matters more than the one for which there is a place to wait: either gets the
/// permit, and who is displaced is told so.
#[test]
fn who_is_displaced_is_told_and_has_no_permit() {
    check(|| {
        let permits = Arc::new(Permits::new(1));
        assert!(permits.try_acquire(1).is_some());
        let task = Task::new();
        let least = match permits.enter(1, Priority::Sheddable, 1, &task.waker()) {
            Entered::Queued(place) => place,
            entered => panic!("{entered:?}"),
        };
        let other = Arc::clone(&permits);
        let releaser = thread::spawn(move || {
            other.release(1);
        });
        let most = Task::new();
        let entered = permits.enter(1, Priority::Critical, 1, &most.waker());
        match entered {
            Entered::Crowded => unreachable!("it matters more"),
            // It came between the return of the permit and its handing over.
            Entered::Admitted => {
                permits.release(1);
                assert_eq!(wait(&permits, least, &task), Ok(()));
            }
            Entered::Queued(first) => {
                match wait(&permits, least, &task) {
                    // Granted before the other came.
                    Ok(()) => {
                        permits.release(1);
                    }
                    Err(Displaced) => assert!(task.woken.load(SeqCst)),
                }
                assert_eq!(wait(&permits, first, &most), Ok(()));
            }
        }
        releaser.join().unwrap();
        assert_eq!(permits.word().in_use(), 1);
        permits.release(1);
        assert_at_rest(&permits);
    });
}

#[test]
fn the_gate_says_at_last_what_is() {
    check(|| {
        let permits = Arc::new(Permits::new(1));
        let gates = Arc::new(Gates::default());
        let endpoint = Endpoint::new("a");
        gates.add(&endpoint);
        assert!(permits.try_acquire(1).is_some());
        gates.settle(&permits);
        let (other, same) = (Arc::clone(&permits), Arc::clone(&gates));
        let releaser = thread::spawn(move || {
            other.release(1);
            same.settle(&other);
        });
        let taken = permits.try_acquire(1).is_some();
        if taken {
            gates.settle(&permits);
        }
        releaser.join().unwrap();
        assert_eq!(permits.word().is_full(), taken);
        assert_eq!(endpoint.gate().is_open(NOW), !taken);
    });
}

#[test]
fn who_waits_for_room_is_woken() {
    check(|| {
        let permits = Arc::new(Permits::new(1));
        let gates = Arc::new(Gates::default());
        gates.add(&Endpoint::new("a"));
        assert!(permits.try_acquire(1).is_some());
        gates.settle(&permits);
        let (other, same) = (Arc::clone(&permits), Arc::clone(&gates));
        let releaser = thread::spawn(move || {
            other.release(1);
            same.settle(&other);
        });
        let task = Task::new();
        let mut ticket = Ticket::default();
        while gates
            .poll_room(&permits, &mut ticket, &task.waker())
            .is_pending()
        {
            task.notify.wait();
        }
        releaser.join().unwrap();
        assert_at_rest(&permits);
    });
}
