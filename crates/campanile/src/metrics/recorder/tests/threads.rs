use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

const THREADS: u32 = 4;
const CALLS: u32 = 30_000;

/// Several threads record, time goes on over many turns of the minute, and somebody reads all the while.
#[test]
fn nothing_is_lost_or_counted_twice_while_others_record_and_read() {
    let (recorder, start) = recorder();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let recorder = recorder.clone();
                scope.spawn(move || record(&recorder, start, thread))
            })
            .collect();
        scope.spawn(|| read(&recorder, start, &over));
        for thread in threads {
            thread.join().unwrap();
        }
        over.store(true, Ordering::Relaxed);
    });
    let reading = recorder.read_at(start.after(CALLS * 20 * MS));
    let calls = u64::from(THREADS * CALLS);
    assert_eq!((reading.requests, reading.in_flight), (calls, 0));
    let counts = reading.outcomes;
    let third = calls / 3;
    assert_eq!(
        (counts.success, counts.failures(), counts.cancelled),
        (third, third, third)
    );
    assert_eq!(reading.start.total.count(), third);
    assert_eq!(reading.start.failed.count(), third);
    assert_eq!(reading.start.between_data.count(), third);
    assert_eq!(reading.start.wait.count(), calls);
    assert_eq!(reading.received_bytes, calls);
    assert_eq!(reading.retries, calls);
    assert_eq!(reading.refusals.len(), 1);
    assert_eq!(reading.refusals[0].count, third);
}

fn record(recorder: &Recorder, start: Timestamp, thread: u32) {
    for number in 0..CALLS {
        let now = start.after(number * 20 * MS + thread * MS);
        let mut call = recorder.begin(now);
        call.repeat(Repeat::Retry);
        call.waited(start);
        call.bytes(1);
        match number % 3 {
            0 => {
                call.data(now, 1);
                call.data(now.after(MS), 1);
                call.end(now.after(MS), Outcome::Success);
            }
            1 => {
                call.refused(&Rejection::new(RejectionKind::Shed, "here"));
                call.end(now.after(MS), FAILED);
            }
            _ => drop(Completion::new(call)),
        }
    }
}

fn read(recorder: &Recorder, start: Timestamp, over: &AtomicBool) {
    let (mut before, mut readings) = (recorder.read_at(start), 0_u32);
    while !over.load(Ordering::Relaxed) {
        let reading = recorder.read_at(start.after(readings * 100 * MS));
        assert_eq!(
            reading.in_flight + reading.outcomes.total(),
            reading.requests
        );
        assert_eq!(reading.start.total.count(), reading.outcomes.success);
        assert_eq!(reading.start.failed.count(), reading.outcomes.failures());
        assert_eq!(
            reading.minute.total.count(),
            reading.minute.outcomes.success
        );
        assert!(reading.latest.outcomes.total() <= 1_000);
        assert!(reading.requests >= before.requests);
        assert!(reading.outcomes.success >= before.outcomes.success);
        assert!(reading.outcomes.cancelled >= before.outcomes.cancelled);
        assert!(reading.start.wait.count() >= before.start.wait.count());
        assert!(reading.start.between_data.count() >= before.start.between_data.count());
        assert!(reading.received_bytes >= before.received_bytes);
        (before, readings) = (reading, readings + 1);
    }
    assert!(readings > 0);
}

/// Calls that begin on one thread and end on another.
#[test]
fn a_call_may_end_on_another_thread_than_it_began() {
    let (recorder, now) = recorder();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let calls: Vec<_> = (0..1_000).map(|_| recorder.begin(now)).collect();
            scope.spawn(move || {
                for mut call in calls {
                    call.end(now.after(MS), Outcome::Success);
                }
            });
        }
    });
    let reading = recorder.read_at(now.after(MS));
    assert_eq!((reading.requests, reading.in_flight), (4_000, 0));
    assert_eq!(reading.start.total.count(), 4_000);
}
