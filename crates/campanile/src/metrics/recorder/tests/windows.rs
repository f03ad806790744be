use super::*;

const S: Duration = Duration::from_secs(1);

#[test]
fn the_last_minute_forgets_and_the_start_does_not() {
    let (recorder, start) = recorder();
    for second in 0..300 {
        let now = start.after(second * S);
        call(&recorder, now, second * MS, Outcome::Success);
        let reading = recorder.read_at(now.after(second * MS));
        assert_eq!(reading.start.outcomes.success, u64::from(second) + 1);
        assert_eq!(reading.start.total.count(), u64::from(second) + 1);
        assert!(near(reading.start.total.min(), Duration::ZERO));
        let minute = &reading.minute;
        let calls = minute.outcomes.success;
        assert_eq!(minute.total.count(), calls);
        assert!(calls <= 61, "{calls}");
        assert!(second < 60 || calls >= 50, "{calls}");
        // As many calls as its span has seconds.
        assert!(
            calls.abs_diff(minute.span.as_secs()) <= 1,
            "{calls} in {:?}",
            minute.span
        );
        assert!(minute.span <= 60 * S);
    }
    let reading = recorder.read_at(start.after(1_000 * S));
    assert_eq!(reading.minute.outcomes.total(), 0);
    assert!(reading.minute.total.is_empty());
    assert_eq!(reading.start.total.count(), 300);
    assert!(near(reading.start.total.quantile(0.5), 149 * MS));
}

#[test]
fn a_minute_passes_without_a_reader_just_as_well() {
    let (recorder, start) = recorder();
    for second in 0..300 {
        let now = start.after(second * S);
        call(&recorder, now, 5 * MS, Outcome::Success);
    }
    let reading = recorder.read_at(start.after(300 * S));
    assert_eq!(reading.start.total.count(), 300);
    let calls = reading.minute.total.count();
    assert!((49..=60).contains(&calls), "{calls}");
    assert!(calls.abs_diff(reading.minute.span.as_secs()) <= 1);
}

#[test]
fn what_was_recorded_long_ago_and_read_only_now_is_of_no_last_minute() {
    let (recorder, start) = recorder();
    let late = recorder.begin(start);
    // Few enough to stay with their thread.
    for _ in 0..3 {
        call(&recorder, start, MS, Outcome::Success);
    }
    let reading = recorder.read_at(start.after(3_600 * S));
    assert_eq!(reading.start.total.count(), 3);
    assert_eq!(reading.minute.outcomes.total(), 0);
    drop(late);
}

#[test]
fn records_of_another_thread_that_come_late_are_counted_once() {
    let (recorder, start) = recorder();
    let other = recorder.clone();
    std::thread::spawn(move || {
        for _ in 0..5 {
            call(&other, start, MS, Outcome::Success);
        }
    })
    .join()
    .unwrap();
    // This thread's own go to the aggregate by themselves, in every turn of the minute.
    for second in 0..120 {
        for _ in 0..60 {
            let now = start.after(second * S);
            call(&recorder, now, 2 * MS, Outcome::Success);
        }
    }
    let reading = recorder.read_at(start.after(120 * S));
    assert_eq!(reading.start.total.count(), 120 * 60 + 5);
    assert_eq!(reading.outcomes.success, 120 * 60 + 5);
    assert!(near(reading.start.total.min(), MS));
    assert!(near(reading.minute.total.min(), 2 * MS), "theirs are older");
    assert!(near(reading.latest.total.min(), 2 * MS), "theirs are older");
}

#[test]
fn the_latest_calls_are_the_latest() {
    for limit in [1, 7, 8, 100, 1_000] {
        let recorder = Recorder::with_latest(limit);
        let start = Timestamp::now();
        for number in 1..=2_500_u32 {
            let now = start.after(number * S);
            call(&recorder, now, number * MS, Outcome::Success);
            if number % 97 != 0 {
                continue;
            }
            let now = now.after(number * MS);
            let latest = recorder.read_at(now).latest;
            let kept = limit.min(number as usize);
            assert_eq!(latest.total.count(), kept as u64);
            assert_eq!(latest.outcomes.success, kept as u64);
            assert!(near(latest.total.max(), number * MS));
            let oldest = number - u32::try_from(kept).unwrap() + 1;
            assert!(near(latest.total.min(), oldest * MS), "{limit} {number}");
            // The end of the oldest, give or take seven.
            if kept == limit {
                let exact = now.since(start.after(oldest * (S + MS)));
                assert!(
                    latest.span <= exact + S / 50,
                    "{:?}, {exact:?}",
                    latest.span
                );
                assert!(latest.span + 8 * S >= exact, "{:?}, {exact:?}", latest.span);
            } else {
                assert!(latest.span >= now.since(start), "since the start");
            }
        }
    }
}

#[test]
fn the_latest_may_be_none() {
    let recorder = Recorder::with_latest(0);
    let now = Timestamp::now();
    for _ in 0..100 {
        call(&recorder, now, MS, Outcome::Success);
    }
    let reading = recorder.read_at(now);
    assert_eq!(reading.latest.outcomes.total(), 0);
    assert_eq!(reading.start.outcomes.total(), 100);
}
