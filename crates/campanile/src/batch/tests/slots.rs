//! What is easier seen of a batch without its service.

use super::super::{
    cause::FlushCause,
    slots::{Item, Look, Seen, Slots, State},
};
use super::*;

type Few = Slots<u32, u32, BoxError>;

fn item(request: u32) -> Item<u32> {
    Item {
        request,
        waker: Waker::noop().clone(),
        cost: 1,
        deadline: None,
        due: None,
    }
}

fn begun() -> (Few, Instant) {
    let now = Instant::now();
    (Slots::new(4, now + SEC), now)
}

#[test]
fn churn_takes_no_room() {
    let (mut slots, _) = begun();
    let (stays, _) = slots.join(item(0));
    for n in 1..10_000 {
        let (place, _) = slots.join(item(n));
        assert_eq!((place, slots.wanted(), slots.cost()), (1, 2, 2));
        let left = slots.leave(place);
        assert!(matches!(left.state, State::Waiting(request) if request == n));
        assert!(left.wake.is_none());
    }
    assert_eq!(slots.take(), (vec![stays], vec![0]));
}

#[test]
fn the_last_to_leave_wakes_the_task() {
    let (mut slots, now) = begun();
    let places = [1, 2].map(|n| slots.join(item(n)).0);
    assert_eq!(slots.look(None, Waker::noop()), Look::Due(now + SEC));
    assert!(slots.leave(places[0]).wake.is_none());
    assert!(slots.leave(places[1]).wake.is_some());
    assert_eq!(slots.look(None, Waker::noop()), Look::Empty);
}

#[test]
fn a_shorter_wait_wakes_the_task_and_a_longer_one_does_not() {
    let (mut slots, now) = begun();
    let due = |time| Item {
        due: Some(now + time),
        ..item(0)
    };
    slots.join(item(0));
    assert_eq!(slots.look(None, Waker::noop()), Look::Due(now + SEC));
    assert!(slots.join(due(2 * SEC)).1.is_none());
    assert!(slots.join(due(MS)).1.is_some());
    assert_eq!(slots.look(Some(now), Waker::noop()), Look::Due(now + MS));
    let flush = Look::Flush(FlushCause::Deadline);
    assert_eq!(slots.look(Some(now + MS), Waker::noop()), flush);
}

#[test]
fn the_first_cause_counts() {
    let (mut slots, _) = begun();
    slots.join(item(0));
    slots.flush(FlushCause::Idle);
    slots.close(FlushCause::Size);
    assert_eq!(
        slots.look(None, Waker::noop()),
        Look::Flush(FlushCause::Idle)
    );
}

#[test]
fn an_answer_for_who_has_left_comes_back_to_be_dropped() {
    let (mut slots, _) = begun();
    let (place, _) = slots.join(item(1));
    let _ = slots.take();
    let mut wakers = Vec::new();
    slots.leave(place);
    assert!(slots.answer(place, Ok(2), &mut wakers).is_some());
    assert!(wakers.is_empty());
    assert!(matches!(slots.poll(place, Waker::noop()), Seen::Pending(_)));
}

/// While the service is not ready items with deadlines come and go, for hours perhaps, and one without holds the batch.
#[test]
fn who_was_refused_takes_no_room() {
    let (mut slots, now) = begun();
    let (stays, _) = slots.join(item(0));
    for n in 1..10_000 {
        let (place, _) = slots.join(Item {
            deadline: Some(now),
            ..item(n)
        });
        assert_eq!(place, 1);
        let (mut wakers, mut requests) = (Vec::new(), Vec::new());
        assert_eq!(slots.expire(now, &mut wakers, &mut requests), 1);
        if n % 2 == 0 {
            let seen = slots.poll(place, Waker::noop());
            assert!(matches!(seen, Seen::Refused(_)));
        } else {
            let left = slots.leave(place);
            assert!(matches!(left.state, State::Refused(_)));
        }
        assert_eq!((slots.wanted(), slots.cost()), (1, 1));
    }
    assert_eq!(slots.take(), (vec![stays], vec![0]));
}
