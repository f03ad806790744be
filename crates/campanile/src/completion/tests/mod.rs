use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};

use super::*;

#[cfg(feature = "http")]
mod body;
mod stream;

/// What an observer was told.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    Head,
    Data(u64),
    Usage(Option<u64>),
    End(Outcome),
}

/// Writes down what it is told.
#[derive(Debug, Clone, Default)]
struct Log(Rc<RefCell<Vec<Told>>>);

impl Log {
    fn told(&self) -> Vec<Told> {
        self.0.borrow().clone()
    }

    fn ends(&self) -> Vec<Outcome> {
        let end = |told: &Told| match told {
            Told::End(outcome) => Some(*outcome),
            _ => None,
        };
        self.0.borrow().iter().filter_map(end).collect()
    }

    fn completion(&self) -> Completion<Self> {
        Completion::new(self.clone())
    }
}

impl Observe for Log {
    fn head(&mut self, _: Timestamp) {
        self.0.borrow_mut().push(Told::Head);
    }

    fn data(&mut self, _: Timestamp, units: u64) {
        self.0.borrow_mut().push(Told::Data(units));
    }

    fn usage(&mut self, usage: &Usage) {
        self.0.borrow_mut().push(Told::Usage(usage.total_tokens()));
    }

    fn end(&mut self, _: Timestamp, outcome: Outcome) {
        self.0.borrow_mut().push(Told::End(outcome));
    }
}

/// Writes down, as a head, when it is given back: what an answer holds.
struct GivenBack(Log);

impl Drop for GivenBack {
    fn drop(&mut self) {
        self.0.head(NOW);
    }
}

const NOW: Timestamp = Timestamp::from_nanos(1);
const PANIC: Outcome = Outcome::Failure(FailureKind::Panic);
const INTERRUPTED: Outcome = Outcome::Failure(FailureKind::Interrupted);
const SERVER: Outcome = Outcome::Failure(FailureKind::Server);

/// A meter that reads tokens off numbers: 0 is a report of usage, 500 says that the call failed, 200 that
/// it is over.
#[derive(Debug, Default)]
struct Tokens;

impl Tokens {
    fn read(number: u64) -> Reading {
        Reading {
            units: number,
            usage: (number == 0).then(|| Usage {
                output_tokens: Some(42),
                ..Usage::default()
            }),
            outcome: (number == 500).then_some(SERVER),
            ended: number == 200,
        }
    }
}

/// A meter that knows what errors mean by what they say.
#[derive(Debug)]
struct Judge;

const THROTTLED: Outcome = Outcome::Throttled {
    retry_after: Some(Duration::from_secs(7)),
};

/// What errors say, and what the calls mean that they break off.
const JUDGED: [(&str, Outcome); 3] = [
    ("throttled", THROTTLED),
    ("your fault", Outcome::Ignored),
    // An error is none, whatever is thought of it.
    ("fine", INTERRUPTED),
];

impl<D> Meter<D, &'static str> for Judge {
    fn read(&mut self, _: &D) -> Reading {
        Reading::default()
    }

    fn error(&mut self, error: &&'static str) -> Outcome {
        match *error {
            "throttled" => THROTTLED,
            "your fault" => Outcome::Ignored,
            _ => Outcome::Success,
        }
    }
}

fn quietly<T>(run: impl FnOnce() -> T) -> std::thread::Result<T> {
    catch_unwind(AssertUnwindSafe(run))
}

#[test]
fn an_observer_is_told_in_order_and_of_one_end() {
    let log = Log::default();
    let mut completion = log.completion();
    completion.head(NOW);
    completion.data(NOW, 3);
    completion.usage(&Usage::default());
    completion.end(NOW, Outcome::Ignored);
    assert_eq!(
        log.told(),
        [
            Told::Head,
            Told::Data(3),
            Told::Usage(None),
            Told::End(Outcome::Ignored)
        ]
    );
}

#[test]
fn a_completion_that_is_dropped_was_cancelled() {
    let log = Log::default();
    drop(log.completion());
    assert_eq!(log.told(), [Told::End(Outcome::Cancelled)]);
}

#[test]
fn a_completion_that_unwinds_panicked() {
    let log = Log::default();
    let result = quietly(|| {
        let _completion = log.completion();
        panic!("expected");
    });
    assert!(result.is_err());
    assert_eq!(log.told(), [Told::End(PANIC)]);
}

#[test]
fn a_completion_that_was_ended_is_not_ended_again_by_a_panic() {
    let log = Log::default();
    let result = quietly(|| {
        log.completion().end(NOW, Outcome::Success);
        panic!("expected");
    });
    assert!(result.is_err());
    assert_eq!(log.told(), [Told::End(Outcome::Success)]);
}

#[test]
fn an_observer_that_panics_at_the_end_is_not_told_again() {
    struct Fragile(Rc<RefCell<u32>>);

    impl Observe for Fragile {
        fn end(&mut self, _: Timestamp, _: Outcome) {
            *self.0.borrow_mut() += 1;
            panic!("expected");
        }
    }

    let ends = Rc::new(RefCell::new(0));
    let completion = Completion::new(Fragile(Rc::clone(&ends)));
    assert!(quietly(|| completion.end(NOW, Outcome::Success)).is_err());
    assert_eq!(*ends.borrow(), 1);
}

#[test]
fn a_watched_call_that_panics_ends_at_once() {
    let log = Log::default();
    let mut call = Some(log.completion());
    assert_eq!(Completion::watch(&mut call, || 7), 7);
    assert!(
        call.is_some() && log.told().is_empty(),
        "a poll that returns ends nothing"
    );

    let result = quietly(|| Completion::watch(&mut call, || panic!("expected")));
    assert!(result.is_err());
    assert_eq!(log.told(), [Told::End(PANIC)]);
    drop(call);
    assert_eq!(log.ends().len(), 1);
}

#[test]
fn it_shows_what_hangs_on_it() {
    let log = Log::default();
    let completion = log.completion();
    assert!(format!("{completion:?}").contains("Log"));
    assert!(completion.observer().told().is_empty());
}

#[test]
fn an_observer_is_around_all_that_a_call_does() {
    struct Around(Rc<RefCell<Vec<&'static str>>>);

    impl Observe for Around {
        fn around<T>(&self, work: impl FnOnce() -> T) -> T {
            self.0.borrow_mut().push("in");
            let done = work();
            self.0.borrow_mut().push("out");
            done
        }

        fn end(&mut self, _: Timestamp, _: Outcome) {}
    }

    let log = Rc::default();
    let mut call = Some(Completion::new(Around(Rc::clone(&log))));
    let polled = Completion::watch(&mut call, || {
        log.borrow_mut().push("work");
        7
    });
    assert_eq!(polled, 7);
    assert!(call.is_some(), "the call goes on");
    assert_eq!(*log.borrow(), ["in", "work", "out"]);
    // A call that is over has nobody around it.
    call = None;
    Completion::watch(&mut call, || log.borrow_mut().push("after"));
    assert_eq!(log.borrow().len(), 4);
}
