use super::*;
use crate::waiters::Ticket;

#[test]
fn it_is_open_when_no_reason_is_left() {
    let endpoint = Endpoint::new("a");
    let gate = endpoint.gate();
    assert!(gate.is_open(NOW));
    assert_eq!(gate.reopens_at(NOW), None);

    for reason in Reason::ALL {
        gate.close(reason);
    }
    for (done, reason) in Reason::ALL.into_iter().enumerate() {
        assert!(!gate.is_open(NOW), "{done} reasons are gone");
        assert!(gate.is_closed_for(reason, NOW));
        gate.open(reason);
        assert!(!gate.is_closed_for(reason, NOW));
    }
    assert!(gate.is_open(NOW));
}

#[test]
fn it_reopens_when_the_last_of_its_reasons_ends() {
    let endpoint = Endpoint::new("a");
    let gate = endpoint.gate();
    gate.close_until(Reason::Breaker, at(30));
    gate.close_until(Reason::Quota, at(10));
    assert_eq!(gate.reopens_at(NOW), Some(at(30)));
    gate.close(Reason::Health);
    assert_eq!(gate.reopens_at(NOW), Some(Timestamp::MAX));
    gate.open(Reason::Health);
    gate.open(Reason::Breaker);
    assert_eq!(gate.reopens_at(NOW), Some(at(10)));
    assert_eq!(gate.reopens_at(at(10)), None, "its time is over");
}

#[test]
fn a_reason_whose_time_is_over_is_forgotten() {
    let endpoint = Endpoint::new("a");
    let gate = endpoint.gate();
    gate.close_until(Reason::Breaker, at(10));
    assert!(!gate.is_open(at(9)));
    assert!(endpoint.cell().is_closed());
    assert!(gate.is_open(at(10)));
    assert!(
        !endpoint.cell().is_closed(),
        "forgotten when somebody looked"
    );
    assert!(endpoint.enter());
}

#[test]
fn closing_again_moves_the_time_both_ways() {
    let endpoint = Endpoint::new("a");
    let gate = endpoint.gate();
    gate.close_until(Reason::Breaker, at(10));
    gate.close_until(Reason::Breaker, at(20));
    assert_eq!(gate.reopens_at(NOW), Some(at(20)));
    gate.close_until(Reason::Breaker, at(5));
    assert_eq!(gate.reopens_at(NOW), Some(at(5)));
    assert!(gate.is_open(at(5)));
    gate.close_until(Reason::Breaker, at(7));
    assert!(!gate.is_open(at(6)), "closed again after it had expired");
}

#[test]
fn a_closing_that_is_over_already_closes_nothing() {
    let endpoint = Endpoint::new("a");
    endpoint.gate().close_until(Reason::Breaker, NOW);
    assert!(endpoint.gate().is_open(NOW));
}

#[test]
fn its_reasons_are_told_with_their_times() {
    let endpoint = Endpoint::new("a");
    endpoint.gate().close_until(Reason::Quota, at(10));
    endpoint.gate().close(Reason::Disabled);
    endpoint.gate().close_until(Reason::Breaker, NOW);
    let reasons: Vec<_> = endpoint.gate().reasons(NOW).collect();
    assert_eq!(
        reasons,
        [(Reason::Quota, at(10)), (Reason::Disabled, Timestamp::MAX)]
    );
}

#[test]
fn opening_wakes_those_who_wait() {
    let endpoint = Endpoint::new("a");
    endpoint.gate().close(Reason::Health);
    let mut watcher = Watcher::of(&endpoint);
    endpoint.gate().open(Reason::Health);
    assert_eq!(watcher.rings(), 1);
    endpoint.gate().open(Reason::Health);
    assert_eq!(watcher.rings(), 0, "nothing has changed");
}

#[test]
fn opening_wakes_although_another_reason_is_set_that_is_over_already() {
    let endpoint = Endpoint::new("a");
    endpoint.gate().close_until(Reason::Breaker, at(5));
    endpoint.gate().close(Reason::Health);
    let mut watcher = Watcher::of(&endpoint);
    // Time passes, and nobody looks at the gate.
    endpoint.gate().open(Reason::Health);
    assert_eq!(watcher.rings(), 1);
    assert!(endpoint.gate().is_open(at(6)));
}

#[test]
fn opening_wakes_although_another_reason_holds_on_for_the_gate_opens_earlier_now() {
    let endpoint = Endpoint::new("a");
    endpoint.gate().close_until(Reason::Breaker, at(5));
    endpoint.gate().close_until(Reason::Quota, at(500));
    let mut watcher = Watcher::of(&endpoint);
    assert_eq!(endpoint.gate().reopens_at(NOW), Some(at(500)));
    endpoint.gate().open(Reason::Quota);
    assert_eq!(watcher.rings(), 1, "a timer was armed by the later time");
    assert_eq!(endpoint.gate().reopens_at(NOW), Some(at(5)));
}

#[test]
fn an_earlier_reopening_wakes_and_a_later_one_does_not() {
    let endpoint = Endpoint::new("a");
    endpoint.gate().close_until(Reason::Quota, at(500));
    let mut watcher = Watcher::of(&endpoint);
    endpoint.gate().close_until(Reason::Quota, at(800));
    assert_eq!(watcher.rings(), 0);
    endpoint.gate().close_until(Reason::Quota, at(100));
    assert_eq!(watcher.rings(), 1);
}

#[test]
fn the_last_call_to_leave_wakes_if_somebody_waits_for_it() {
    for reason in [
        Reason::Draining,
        Reason::Removed,
        Reason::Concurrency,
        Reason::Breaker,
    ] {
        let endpoint = Endpoint::new("a");
        let mut watcher = Watcher::of(&endpoint);
        assert!(endpoint.enter());
        endpoint.gate().close(reason);
        endpoint.leave(Outcome::Success);
        let leaves = matches!(reason, Reason::Draining | Reason::Removed);
        assert_eq!(watcher.rings(), usize::from(leaves), "{reason:?}");
        // One that was refused may have hidden that nobody was in.
        assert!(!endpoint.enter());
        assert_eq!(watcher.rings(), usize::from(leaves), "{reason:?}");
    }
}

#[test]
fn the_last_call_to_leave_a_closed_endpoint_wakes() {
    let endpoint = Endpoint::new("a");
    let mut watcher = Watcher::of(&endpoint);
    assert!(endpoint.enter() && endpoint.enter());
    endpoint.leave(Outcome::Success);
    endpoint.gate().close(Reason::Draining);
    assert_eq!(watcher.rings(), 0);
    endpoint.leave(Outcome::Cancelled);
    assert_eq!(watcher.rings(), 1);
    assert_eq!(endpoint.in_flight(), 0);

    endpoint.unlisten(&watcher.listener.waiters);
    endpoint.gate().open(Reason::Draining);
    assert_eq!(watcher.rings(), 0, "it listens no more");
}

// ===== Waiters =====

#[test]
fn a_waiter_keeps_its_place_and_is_woken_once() {
    let waiters = Waiters::default();
    let (one, two) = (Arc::<Bell>::default(), Arc::<Bell>::default());
    let (mut first, mut second) = (Ticket::default(), Ticket::default());
    waiters.register(&mut first, &Waker::from(Arc::clone(&one)));
    waiters.register(&mut first, &Waker::from(Arc::clone(&one)));
    waiters.register(&mut second, &Waker::from(Arc::clone(&two)));
    assert_eq!(waiters.len(), 2, "the same ticket keeps its place");

    waiters.deregister(&mut second);
    waiters.wake_all();
    waiters.wake_all();
    assert_eq!((one.0.load(SeqCst), two.0.load(SeqCst)), (1, 0));
    assert_eq!(waiters.len(), 0);

    // A place that was given up by a wake-up, and one that never was.
    waiters.deregister(&mut first);
    waiters.deregister(&mut Ticket::default());
    waiters.register(&mut first, &Waker::from(Arc::clone(&one)));
    waiters.wake_all();
    assert_eq!(one.0.load(SeqCst), 2);
}

#[test]
fn a_waiter_that_moves_to_another_task_is_woken_there() {
    let waiters = Waiters::default();
    let (one, two) = (Arc::<Bell>::default(), Arc::<Bell>::default());
    let mut ticket = Ticket::default();
    waiters.register(&mut ticket, &Waker::from(Arc::clone(&one)));
    waiters.register(&mut ticket, &Waker::from(Arc::clone(&two)));
    waiters.wake_all();
    assert_eq!((one.0.load(SeqCst), two.0.load(SeqCst)), (0, 1));
}

// ===== reopening =====

/// When it reopened, and what its listener was told.
fn reopened(endpoint: &Endpoint, listener: &Listener) -> (Timestamp, u64) {
    (
        endpoint.reopened_at(),
        listener.reopened.load(Ordering::Relaxed),
    )
}

#[test]
fn a_reopening_is_noted_when_somebody_opens_it_or_finds_it_open() {
    let endpoint = Endpoint::new("a");
    let listener = Listener::default();
    endpoint.listen(listener.clone());
    let gate = endpoint.gate();
    gate.close(Reason::Health);
    assert_eq!(reopened(&endpoint, &listener), (Timestamp::ZERO, 0));
    assert!(gate.open_as_of(Reason::Health, || at(10)));
    assert_eq!(reopened(&endpoint, &listener), (at(10), at(10).as_nanos()));

    gate.close_until(Reason::Outlier, at(30));
    assert!(!gate.is_open(at(29)));
    assert_eq!(endpoint.reopened_at(), at(10));
    // Its time is over, and the first look says so.
    assert!(gate.is_open(at(50)));
    assert_eq!(reopened(&endpoint, &listener), (at(50), at(50).as_nanos()));
    assert!(gate.is_open(at(60)));
    assert_eq!(endpoint.reopened_at(), at(50), "no later one");
    // Nor is there anything left to open.
    gate.open_as_of(Reason::Outlier, || at(70));
    assert_eq!(endpoint.reopened_at(), at(50));
}

#[test]
fn whoever_merely_had_enough_to_do_does_not_start_again() {
    let endpoint = Endpoint::new("a");
    let gate = endpoint.gate();
    for reason in [Reason::Quota, Reason::Concurrency] {
        gate.close(reason);
        gate.open(reason);
        gate.close_until(reason, at(10));
        assert!(gate.is_open(at(10)));
    }
    assert_eq!(endpoint.reopened_at(), Timestamp::ZERO);
    // One that starts again is noted though another reason is left.
    gate.close(Reason::Quota);
    gate.close_until(Reason::Breaker, at(20));
    assert!(!gate.is_open(at(20)));
    assert_eq!(endpoint.reopened_at(), at(20));
}
