//! The window under every order of events that loom can think of.

use std::{sync::Arc, time::Duration};

use ::loom::{model::Builder, thread};

use super::{Counts, window::Window};
use crate::time::Timestamp;

const LENGTH: Duration = Duration::from_secs(1);
const START: Timestamp = Timestamp::from_nanos(1);

fn check(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

/// A window that has begun.
fn begun() -> Arc<Window> {
    let window = Window::new();
    window.restart(LENGTH);
    assert_eq!(window.close(START), None, "the first is not judged");
    Arc::new(window)
}

/// A call that ends.
fn call(window: &Window, now: Timestamp) -> Option<Counts> {
    let closed = window.is_over(now).then(|| window.close(now)).flatten();
    window.tally().error();
    closed
}

#[test]
fn a_window_is_closed_once_and_each_call_counted_once() {
    check(|| {
        let window = begun();
        assert_eq!(call(&window, START), None);
        let now = START.after(LENGTH);
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let window = Arc::clone(&window);
                thread::spawn(move || call(&window, now))
            })
            .collect();
        let closed: Vec<_> = threads
            .into_iter()
            .filter_map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(closed.len(), 1, "one of the two judges it");
        assert!(closed[0].calls >= 1, "with the call that was there");
        assert_eq!(closed[0].calls + window.tally().read().calls, 3);
        assert_eq!(closed[0].errors, closed[0].calls, "never half a call");
    });
}

#[test]
fn who_comes_late_does_not_close_the_next_window() {
    check(|| {
        let window = begun();
        let other = Arc::clone(&window);
        let late = thread::spawn(move || other.close(START.after(LENGTH)));
        let closed = window.close(START.after(LENGTH + LENGTH / 2));
        let late = late.join().unwrap();
        assert!(late.is_some() || closed.is_some());
        assert!(late.is_none() || closed.is_none());
    });
}
