use proptest::prelude::*;

use crate::{
    concurrency_limit::state::{Bounds, Busy, Integral, MAX_LIMIT, Word},
    time::Timestamp,
};

const fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

#[test]
fn a_word_keeps_its_parts_apart() {
    let word = Word::new(MAX_LIMIT);
    assert_eq!(
        (word.limit(), word.in_use(), word.queued()),
        (MAX_LIMIT, 0, false)
    );
    let mut full = word;
    for _ in 0..10 {
        full = full.take(MAX_LIMIT / 10).unwrap();
    }
    assert_eq!((full.limit(), full.in_use()), (MAX_LIMIT, MAX_LIMIT));
    assert!(full.is_full() && full.take(1).is_none());
    let shrunk = full.with_limit(1);
    assert_eq!((shrunk.limit(), shrunk.in_use()), (1, MAX_LIMIT));
    let queued = Word(Word::new(5).0 | Word::QUEUED);
    assert!(queued.queued() && queued.is_full());
    assert_eq!((queued.limit(), queued.in_use()), (5, 0));
}

#[test]
fn what_is_heavier_than_the_limit_goes_alone() {
    let word = Word::new(4);
    let heavy = word.take(9).unwrap();
    assert_eq!(heavy.in_use(), 9);
    assert!(heavy.take(1).is_none());
    assert!(word.take(1).unwrap().take(4).is_none());
    assert!(word.take(1).unwrap().take(3).is_some());
}

#[test]
fn bounds_hold_the_limit() {
    let bounds = Bounds {
        floor: 2,
        cap: 100,
        ceiling: 50,
        held: None,
        wanted: 0.0,
    };
    let of = |wanted| Bounds { wanted, ..bounds }.limit();
    assert_eq!([of(-3.0), of(f64::NAN), of(3.4), of(3.5)], [2, 2, 3, 4]);
    assert_eq!([of(1e9), of(f64::INFINITY)], [50, 50]);
    let held = |held| {
        Bounds {
            held: Some(held),
            ..bounds
        }
        .limit()
    };
    assert_eq!([held(1), held(7), held(99)], [2, 7, 50]);
}

#[test]
fn an_integral_never_falls_and_unwraps() {
    let mut integral = Integral::default();
    let mut busy = Busy::default();
    // A thousand calls for 100 days, read once a minute: the sum wraps many times.
    busy.0 = busy.0.wrapping_add(Busy::begin(at(7_000_000), 1_000));
    let minute = 60_000_000_000;
    let (mut last, minutes) = (0, 100 * 24 * 60);
    for i in 1..=minutes {
        last = integral.read(busy, at(7_000_000 + i * minute));
    }
    let exact = minutes * minute * 1_000;
    assert!(last.abs_diff(exact) < 1_000 * 1_024, "{last} {exact}");
    // The clock of another thread is a little behind.
    assert_eq!(integral.read(busy, at(minutes * minute)), last);
}

proptest! {
    /// Against the sum of what each call took, with calls that begin and end in any order.
    #[test]
    fn the_integral_is_the_time_in_flight(
        calls in prop::collection::vec((0_u64..5_000_000, 0_u64..5_000_000, 1_u32..4), 0..50),
        origin in 0..u64::MAX / 4,
        reading in 0_u64..12_000_000,
    ) {
        let mut busy = Busy::default();
        let mut exact = 0_i128;
        let reading = origin + reading;
        for (start, length, permits) in &calls {
            let (start, end) = (origin + start, origin + start + length);
            if start <= reading {
                busy.0 = busy.0.wrapping_add(Busy::begin(at(start), *permits));
                exact += i128::from(end.min(reading) - start) * i128::from(*permits);
            }
            if end <= reading {
                busy.0 = busy.0.wrapping_add(Busy::end(at(end), *permits));
            }
        }
        let read = i128::from(Integral::default().read(busy, at(reading)));
        // Each end is rounded down to 1,024 ns. A first reading of less than nothing is read as nothing.
        let error = 1_024 * 3 * 2 * (calls.len() as i128 + 1);
        prop_assert!((read - exact).abs() <= error, "{read} {exact}");
    }

    #[test]
    fn a_word_takes_and_gives_back(limit in 1..1_000_u32, takes in prop::collection::vec(1_u32..20, 0..100)) {
        let mut word = Word::new(limit);
        let mut taken = Vec::new();
        for units in takes {
            match word.take(units) {
                Some(after) => {
                    prop_assert!(word.in_use() == 0 || after.in_use() <= limit);
                    word = after;
                    taken.push(units);
                }
                None => {
                    prop_assert!(word.in_use() + units > limit && word.in_use() > 0);
                    if let Some(units) = taken.pop() {
                        word = Word(word.0 - u64::from(units));
                    }
                }
            }
        }
        prop_assert_eq!(word.in_use(), taken.iter().sum::<u32>());
        prop_assert_eq!(word.limit(), limit);
    }
}
