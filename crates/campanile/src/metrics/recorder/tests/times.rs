use super::*;

#[test]
fn head_first_data_gaps_and_total_are_timed() {
    let (recorder, now) = recorder();
    let mut call = recorder.begin(now);
    call.head(now.after(10 * MS));
    for data in [20, 30, 130, 230, 330, 1_330] {
        call.data(now.after(data * MS), 1);
    }
    call.end(now.after(2_000 * MS), Outcome::Success);
    let reading = recorder.read_at(now.after(3_000 * MS));
    for window in [&reading.start, &reading.minute, &reading.latest] {
        for (histogram, exact) in [
            (&window.head, 10),
            (&window.first_data, 20),
            (&window.total, 2_000),
        ] {
            assert_eq!(histogram.count(), 1);
            assert!(near(histogram.max(), exact * MS));
        }
    }
    for window in [&reading.start, &reading.minute] {
        let gaps = &window.between_data;
        assert_eq!(gaps.count(), 5);
        assert!(near(gaps.min(), 10 * MS));
        assert!(near(gaps.quantile(0.5), 100 * MS));
        assert!(near(gaps.max(), 1_000 * MS));
    }
    assert!(reading.latest.between_data.is_empty(), "as it says");
}

#[test]
fn no_gap_is_lost_however_many_there_are() {
    for pieces in 0..200 {
        let (recorder, now) = recorder();
        let mut call = recorder.begin(now);
        for piece in 0..=pieces {
            call.data(now.after(piece * MS), 1);
        }
        call.end(now.after(pieces * MS), Outcome::Success);
        let reading = recorder.read_at(now.after(MS));
        assert_eq!(reading.start.between_data.count(), u64::from(pieces));
        assert_eq!(reading.outcomes.total(), 1);
    }
}

#[test]
fn only_calls_that_succeed_make_latency_and_failed_ones_are_apart() {
    let (recorder, now) = recorder();
    call(&recorder, now, 100 * MS, Outcome::Success);
    call(&recorder, now, 2 * MS, FAILED);
    call(
        &recorder,
        now,
        3 * MS,
        Outcome::Overloaded { retry_after: None },
    );
    call(
        &recorder,
        now,
        4 * MS,
        Outcome::Throttled { retry_after: None },
    );
    call(&recorder, now, 5 * MS, Outcome::Ignored);
    call(&recorder, now, 6 * MS, Outcome::Cancelled);
    let mut broken = recorder.begin(now);
    broken.head(now.after(MS));
    broken.data(now.after(MS), 1);
    broken.end(
        now.after(7 * MS),
        Outcome::Failure(FailureKind::Interrupted),
    );
    let reading = recorder.read_at(now.after(MS));
    for window in [&reading.start, &reading.minute, &reading.latest] {
        assert_eq!(window.total.count(), 1);
        assert!(near(window.total.min(), 100 * MS));
        assert!(window.head.is_empty() && window.first_data.is_empty());
        assert_eq!(window.failed.count(), 4);
        assert!(near(window.failed.min(), 2 * MS));
        assert!(near(window.failed.max(), 7 * MS));
    }
}

#[test]
fn a_wait_in_queues_is_timed_to_the_begin_of_the_call() {
    let (recorder, now) = recorder();
    let mut context = Context::new();
    context.queued_since = Some(now);
    for (number, outcome) in [Outcome::Success, FAILED, Outcome::Cancelled]
        .into_iter()
        .enumerate()
    {
        let mut call = recorder.begin(now.after(40 * MS));
        call.context(&context);
        call.head(now.after(45 * MS));
        call.end(now.after(50 * MS), outcome);
        let reading = recorder.read_at(now.after(50 * MS));
        assert_eq!(reading.start.wait.count(), number as u64 + 1, "{outcome:?}");
        assert!(near(reading.minute.wait.max(), 40 * MS));
        assert!(reading.start.first_data.is_empty() && reading.latest.first_data.is_empty());
    }
}

#[test]
fn a_wait_is_told_with_the_first_data_of_a_call_that_goes_on() {
    let (recorder, now) = recorder();
    let mut call = recorder.begin(now.after(40 * MS));
    call.waited(now);
    call.data(now.after(45 * MS), 1);
    let reading = recorder.read_at(now.after(50 * MS));
    assert!(near(reading.minute.wait.max(), 40 * MS));
    call.end(now.after(50 * MS), Outcome::Success);
    let reading = recorder.read_at(now.after(50 * MS));
    assert_eq!((reading.requests, reading.start.wait.count()), (1, 1));
    assert!(near(reading.start.first_data.max(), 5 * MS));
}

proptest! {
    #[test]
    fn quantiles_of_what_was_recorded_are_near_the_exact_ones(
        mut micros in prop::collection::vec(2_u64..1_000_000, 1..300),
    ) {
        let (recorder, now) = recorder();
        for micros in &micros {
            call(&recorder, now, Duration::from_micros(*micros), Outcome::Success);
        }
        let reading = recorder.read_at(now.after(1_000 * MS));
        micros.sort_unstable();
        for window in [&reading.start, &reading.minute, &reading.latest] {
            for quantile in [0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0] {
                #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let rank = ((quantile * micros.len() as f64).ceil() as usize).max(1);
                let exact = Duration::from_micros(micros[rank - 1]);
                prop_assert!(near(window.total.quantile(quantile), exact));
            }
            prop_assert_eq!(window.total.count(), micros.len() as u64);
        }
    }
}
