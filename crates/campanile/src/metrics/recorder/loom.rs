//! A lane, its writers and its readers under every order of events that loom can think of. Run with
//!
//! ```text
//! RUSTFLAGS="--cfg campanile_loom" cargo test -p campanile --release --lib --features metrics loom
//! ```

use ::loom::{model::Builder, thread};

use super::Recorder;
use crate::{
    completion::Observe,
    outcome::{FailureKind, Outcome},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_nanos(1 << 40);

/// Checks every order with at most two preemptions.
fn check(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(test);
}

/// A recorder whose only lane is there: loom does not see that a `OnceLock` hands it over whole.
fn recorder(latest: usize) -> Recorder {
    let recorder = Recorder::with_latest(latest);
    recorder.lane();
    recorder
}

fn call(recorder: &Recorder, outcome: Outcome) {
    recorder.begin(NOW).end(NOW, outcome);
}

/// Two threads share a lane of two places, so that they find it full as well.
#[test]
fn each_call_of_threads_that_share_a_lane_is_counted_once() {
    check(|| {
        let recorder = recorder(4);
        let other = {
            let recorder = recorder.clone();
            thread::spawn(move || {
                for _ in 0..2 {
                    call(&recorder, Outcome::Success);
                }
            })
        };
        for _ in 0..2 {
            call(&recorder, Outcome::Failure(FailureKind::Error));
        }
        other.join().unwrap();
        let reading = recorder.read_at(NOW);
        assert_eq!((reading.requests, reading.in_flight), (4, 0));
        assert_eq!(
            (reading.outcomes.success, reading.outcomes.failures()),
            (2, 2)
        );
        assert_eq!(reading.start.total.count(), 2);
        assert_eq!(reading.latest.outcomes.total(), 4);
    });
}

#[test]
fn who_reads_meanwhile_takes_nothing_away_and_sees_no_end_without_a_begin() {
    check(|| {
        let recorder = recorder(4);
        let other = {
            let recorder = recorder.clone();
            thread::spawn(move || {
                for _ in 0..3 {
                    call(&recorder, Outcome::Success);
                }
            })
        };
        let one = recorder.read_at(NOW);
        let two = recorder.read_at(NOW);
        for reading in [&one, &two] {
            // The difference of the two would be beyond all bounds, were there more ends than begins.
            assert!(reading.in_flight <= reading.requests && reading.requests <= 3);
            assert_eq!(reading.start.total.count(), reading.outcomes.success);
        }
        assert!(two.requests >= one.requests);
        assert!(two.outcomes.success >= one.outcomes.success);
        other.join().unwrap();
        let last = recorder.read_at(NOW);
        assert_eq!((last.outcomes.success, last.in_flight), (3, 0));
    });
}

/// One reads while two write, one of whom may be held up between the claim of a place and the writing.
#[test]
fn a_writer_that_is_held_up_holds_up_nobody() {
    check(|| {
        let recorder = recorder(2);
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let recorder = recorder.clone();
                thread::spawn(move || call(&recorder, Outcome::Success))
            })
            .collect();
        let reading = recorder.read_at(NOW);
        assert!(reading.requests <= 2 && reading.outcomes.success <= reading.requests);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(recorder.read_at(NOW).outcomes.success, 2);
    });
}
