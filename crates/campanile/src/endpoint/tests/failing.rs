//! Failures in a row, and who is told of them.

use super::*;

const FAILURE: Outcome = Outcome::Failure(FailureKind::Server);

fn calls(endpoint: &Endpoint, outcomes: &[Outcome]) {
    for outcome in outcomes {
        assert!(endpoint.enter());
        endpoint.leave(*outcome);
    }
}

/// A task that is told of so many failures in a row.
fn listening(endpoint: &Endpoint, row: u64) -> Watcher {
    let failing = Arc::<Waiters>::default();
    let listener = Listener {
        failing: Some((row, Arc::clone(&failing))),
        ..Listener::default()
    };
    endpoint.listen(listener.clone());
    let mut watcher = Watcher {
        bell: Arc::default(),
        // The watcher registers with the waiters of gates: here those of failures.
        listener: Listener {
            waiters: failing,
            ..listener.clone()
        },
        ticket: Ticket::default(),
    };
    watcher.register();
    watcher
}

#[test]
fn failures_are_counted_until_a_call_goes_well() {
    let endpoint = Endpoint::new("a");
    assert_eq!(endpoint.failures_in_row(), 0);
    calls(&endpoint, &[FAILURE, FAILURE]);
    assert_eq!(endpoint.failures_in_row(), 2);
    calls(&endpoint, &[Outcome::Overloaded { retry_after: None }]);
    assert_eq!(endpoint.failures_in_row(), 3, "overloaded is one");
    calls(
        &endpoint,
        &[
            Outcome::Throttled { retry_after: None },
            Outcome::Ignored,
            Outcome::Cancelled,
        ],
    );
    assert_eq!(
        endpoint.failures_in_row(),
        3,
        "neither one nor the end of a row"
    );
    calls(&endpoint, &[Outcome::Success]);
    assert_eq!(endpoint.failures_in_row(), 0);
    calls(&endpoint, &[FAILURE]);
    assert_eq!(endpoint.failures_in_row(), 1);
    calls(&endpoint, &[Outcome::Success, Outcome::Success]);
    assert_eq!(endpoint.failures_in_row(), 0);
}

#[test]
fn a_row_ends_though_the_count_of_successes_spills() {
    const SPILL: u64 = 1 << 23;
    let endpoint = Endpoint::new("a");
    endpoint.cell().preset(0, SPILL - 1);
    calls(&endpoint, &[FAILURE, FAILURE, Outcome::Success]);
    assert_eq!(endpoint.failures_in_row(), 0);
    calls(&endpoint, &[FAILURE, Outcome::Success, FAILURE]);
    assert_eq!(endpoint.failures_in_row(), 1);
}

#[test]
fn who_listens_is_told_at_the_length_it_asked_for_and_beyond() {
    let endpoint = Endpoint::new("a");
    let mut three = listening(&endpoint, 3);
    let mut five = listening(&endpoint, 5);
    let mut told = Vec::new();
    for _ in 0..6 {
        calls(&endpoint, &[FAILURE]);
        told.push((three.rings(), five.rings()));
    }
    assert_eq!(told, [(0, 0), (0, 0), (1, 0), (1, 0), (1, 1), (1, 1)]);
    calls(&endpoint, &[Outcome::Success, FAILURE]);
    assert_eq!((three.rings(), five.rings()), (0, 0));
}

#[test]
fn whoever_does_not_listen_any_more_is_not_told() {
    let endpoint = Endpoint::new("a");
    let mut gates = Watcher::of(&endpoint);
    let failing = Arc::<Waiters>::default();
    let listener = Listener {
        failing: Some((1, Arc::clone(&failing))),
        ..Listener::default()
    };
    endpoint.listen(listener.clone());
    let bell = Arc::<Bell>::default();
    let waker = Waker::from(Arc::clone(&bell));
    failing.register(&mut Ticket::default(), &waker);
    endpoint.unlisten(&listener.waiters);
    calls(&endpoint, &[FAILURE, FAILURE]);
    assert_eq!(bell.0.load(SeqCst), 0);
    assert_eq!(gates.rings(), 0, "nor those who wait for its gate");
    // The shortest row that is left counts.
    let mut four = listening(&endpoint, 4);
    calls(&endpoint, &[FAILURE]);
    assert_eq!(four.rings(), 0);
    calls(&endpoint, &[FAILURE]);
    assert_eq!(four.rings(), 1);
}

#[test]
fn failures_at_once_from_many_threads_all_count() {
    const THREADS: u64 = 4;
    const EACH: u64 = 2_000;
    let endpoint = Endpoint::new("a");
    calls(&endpoint, &[Outcome::Success, FAILURE]);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    calls(&endpoint, &[FAILURE]);
                }
            });
        }
    });
    assert_eq!(endpoint.failures_in_row(), 1 + THREADS * EACH);
    assert_eq!(endpoint.outcomes().failure, 1 + THREADS * EACH);
}
