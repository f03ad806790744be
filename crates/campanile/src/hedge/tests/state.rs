use proptest::prelude::*;

use super::{super::state::Learned, *};
use crate::time::Timestamp;

fn learned(min_samples: u32) -> Learned {
    Learned::new(0.95, min_samples, 60 * SEC, MS)
}

fn at(time: Duration) -> Timestamp {
    Timestamp::from_nanos(1).after(time)
}

/// Between the delay and a sixteenth more.
#[track_caller]
fn assert_about(delay: Option<Duration>, expected: Duration) {
    let delay = delay.unwrap();
    assert!(
        delay >= expected && delay <= expected + expected / 15,
        "{delay:?} is not {expected:?}"
    );
}

#[test]
fn nothing_is_known_before_enough_samples() {
    let learned = learned(200);
    for n in 0..199 {
        learned.record(10 * MS, at(n * SEC));
    }
    assert_eq!(learned.delay(), None);
    learned.record(10 * MS, at(200 * SEC));
    assert_about(learned.delay(), 10 * MS);
}

#[test]
fn it_is_the_percentile_of_the_recent_past() {
    let learned = learned(200);
    let mut now = SEC;
    for n in 0..10_000_u32 {
        now += 2 * MS;
        learned.record((n % 100) * MS, at(now));
    }
    assert_about(learned.delay(), 94 * MS);
    // Slower from now on: after two windows nothing else is remembered.
    for _ in 0..13_000 {
        now += 10 * MS;
        learned.record(400 * MS, at(now));
    }
    assert_about(learned.delay(), 400 * MS);
    // And fast again.
    for _ in 0..13_000 {
        now += 10 * MS;
        learned.record(20 * MS, at(now));
    }
    assert_about(learned.delay(), 20 * MS);
}

#[test]
fn calls_that_did_not_wait_count_too_and_the_floor_holds() {
    let learned = learned(200);
    for _ in 0..10_000 {
        learned.record_at_once();
    }
    learned.record(5 * SEC, at(SEC));
    assert_eq!(learned.delay(), Some(MS));
}

/// What is lost by few calls is not known a window later: it is kept until there are enough.
#[test]
fn few_calls_are_remembered_longer() {
    let learned = learned(200);
    for n in 0..250 {
        learned.record(30 * MS, at(n * 10 * SEC));
    }
    assert_about(learned.delay(), 30 * MS);
}

proptest! {
    #[test]
    fn a_bucket_holds_its_times_and_is_narrow(nanos in 0_u64..2_000_000_000_000_000) {
        let time = Duration::from_nanos(nanos);
        let (start, end) = Learned::bounds(time);
        prop_assert!(start <= time && time < end, "{:?} {:?} {:?}", start, time, end);
        prop_assert!(end - start <= (time / 16).max(Duration::from_nanos(1_024)));
    }
}

#[test]
fn the_longest_times_fall_into_the_last_bucket() {
    let learned = learned(1);
    learned.record(Duration::MAX, at(SEC));
    assert!(learned.delay().unwrap() > 86_400 * SEC);
}
