//! Calls of many threads: each is counted once, and each window judged once.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use super::*;
use crate::{
    back_pressure::shared::{Shared, Times},
    outcome::{FailureKind, Outcome},
    time::Timestamp,
};

/// Counts how often it is moved.
#[derive(Default)]
struct Counter(AtomicU64);

impl Dial for Counter {
    fn value(&self) -> f64 {
        self.0.load(Relaxed) as f64
    }

    fn set(&self, _value: f64) -> f64 {
        self.0.fetch_add(1, Relaxed) as f64
    }
}

#[test]
fn a_window_is_judged_once() {
    const THREADS: u64 = 12;
    const CALLS: u64 = 4_000;
    /// One window for each hundred calls of a thread.
    const PER_WINDOW: u64 = 100;

    let config = config().with_window(SEC).with_minimum_calls(1);
    let shared = Arc::new(Shared::new(config.build().unwrap()));
    let moved = Arc::new(Counter::default());
    shared.rule(|rule| rule.rates.push(moved.clone()));
    let mut watch = shared.latest().subscribe();
    let barrier = Arc::new(Barrier::new(THREADS as usize));
    let start = Timestamp::from_nanos(1);
    // Begins the first window.
    shared.look(start);

    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (shared, barrier) = (Arc::clone(&shared), Arc::clone(&barrier));
            thread::spawn(move || {
                for call in 0..CALLS {
                    if call % PER_WINDOW == 0 {
                        // All threads find the window over at the same moment.
                        barrier.wait();
                    }
                    let seconds = u32::try_from(call / PER_WINDOW).unwrap();
                    let now = start.after(SEC * seconds);
                    let hold = shared.hold();
                    let times = Times {
                        started: now,
                        head: None,
                        first_data: None,
                    };
                    let outcome = if call % 2 == 0 {
                        Outcome::Success
                    } else {
                        Outcome::Failure(FailureKind::Error)
                    };
                    hold.count(&times, now, outcome);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }

    let last = watch.borrow_and_update().clone().unwrap();
    assert_eq!(last.window, CALLS / PER_WINDOW - 1, "once a window");
    assert_eq!(moved.0.load(Relaxed), last.window, "all were half errors");
    assert_eq!(shared.held(), 0);
}

#[test]
fn each_call_is_in_one_count() {
    const THREADS: usize = 12;
    const CALLS: u64 = 20_000;

    let tally = Arc::new(tally::Tally::default());
    let done = Arc::new(AtomicBool::new(false));
    let taker = {
        let (tally, done) = (Arc::clone(&tally), Arc::clone(&done));
        thread::spawn(move || {
            let mut sum = Counts::default();
            loop {
                let last = done.load(Ordering::Acquire);
                let counts = tally.take();
                sum.calls += counts.calls;
                sum.errors += counts.errors;
                sum.slow += counts.slow;
                sum.not_fast += counts.not_fast;
                if last {
                    return sum;
                }
            }
        })
    };
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let tally = Arc::clone(&tally);
            thread::spawn(move || {
                for call in 0..CALLS {
                    match call % 4 {
                        0 => tally.error(),
                        1 => tally.success(true, true),
                        2 => tally.success(false, true),
                        _ => tally.success(false, false),
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    done.store(true, Ordering::Release);
    let sum = taker.join().unwrap();
    let all = THREADS as u64 * CALLS;
    assert_eq!((sum.calls, sum.errors), (all, all / 4));
    assert_eq!((sum.slow, sum.not_fast), (all / 4, all / 2));
}
