use super::*;

#[test]
fn of_nothing_there_is_nothing() {
    let (recorder, now) = recorder();
    let reading = recorder.read_at(now);
    assert_eq!((reading.requests, reading.in_flight), (0, 0));
    assert_eq!(reading.outcomes.total(), 0);
    assert_eq!(reading.last_used, None);
    assert!(reading.since <= now && reading.start.span == now.since(reading.since));
    assert!(reading.start.total.is_empty());
}

#[test]
fn each_outcome_is_counted_in_its_own_place() {
    let (recorder, now) = recorder();
    let mut outcomes = vec![
        Outcome::Success,
        Outcome::Throttled { retry_after: None },
        Outcome::Overloaded {
            retry_after: Some(MS),
        },
        Outcome::Ignored,
        Outcome::Cancelled,
    ];
    outcomes.extend(FailureKind::ALL.map(Outcome::Failure));
    for (times, outcome) in outcomes.iter().enumerate() {
        for _ in 0..=times {
            call(&recorder, now, MS, *outcome);
        }
    }
    let reading = recorder.read_at(now.after(MS));
    let counts = reading.outcomes;
    assert_eq!(counts.success, 1);
    assert_eq!((counts.throttled, counts.overloaded), (2, 3));
    assert_eq!((counts.ignored, counts.cancelled), (4, 5));
    assert_eq!(counts.failure, [6, 7, 8, 9, 10, 11]);
    assert_eq!(reading.requests, 66);
    assert_eq!(reading.in_flight, 0);
    for window in [&reading.start, &reading.minute, &reading.latest] {
        assert_eq!(window.outcomes, counts);
    }
}

#[test]
fn calls_are_in_flight_until_their_end() {
    let (recorder, now) = recorder();
    let calls: Vec<_> = (0..3)
        .map(|_| Completion::new(recorder.begin(now)))
        .collect();
    let reading = recorder.read_at(now);
    assert_eq!((reading.requests, reading.in_flight), (3, 3));
    assert_eq!(reading.last_used, Some(now));
    drop(calls);
    let reading = recorder.read_at(now);
    assert_eq!((reading.requests, reading.in_flight), (3, 0));
    assert_eq!(reading.outcomes.cancelled, 3);
}

#[test]
fn the_latest_use_is_the_begin_of_a_call() {
    let (recorder, now) = recorder();
    call(&recorder, now, MS, Outcome::Success);
    call(&recorder, now.after(3 * MS), MS, FAILED);
    let reading = recorder.read_at(now.after(9 * MS));
    assert_eq!(reading.last_used, Some(now.after(3 * MS)));
}

#[test]
fn what_calls_took_is_added_up_and_the_last_report_counts() {
    let (recorder, now) = recorder();
    for _ in 0..2 {
        let mut call = recorder.begin(now);
        call.sent(100);
        call.bytes(7);
        call.bytes(8);
        for tokens in [1, 20] {
            call.usage(&Usage {
                input_tokens: Some(tokens),
                output_tokens: Some(2 * tokens),
                cached_tokens: None,
                nano_dollars: Some(5),
                ..Usage::default()
            });
        }
        call.end(now, Outcome::Success);
    }
    let reading = recorder.read_at(now);
    assert_eq!((reading.sent_bytes, reading.received_bytes), (200, 30));
    assert_eq!((reading.input_tokens, reading.output_tokens), (40, 80));
    assert_eq!((reading.cached_tokens, reading.nano_dollars), (0, 10));
}

/// An upstream may report any number.
#[test]
fn sums_stay_at_the_most() {
    let (recorder, now) = recorder();
    for tokens in [u64::MAX, 20] {
        let mut call = recorder.begin(now);
        call.usage(&Usage {
            input_tokens: Some(tokens),
            ..Usage::default()
        });
        call.end(now, Outcome::Success);
    }
    // Of another thread.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut call = recorder.begin(now);
            call.usage(&Usage {
                input_tokens: Some(7),
                ..Usage::default()
            });
            call.end(now, Outcome::Success);
        });
    });
    assert!(recorder.read_at(now).input_tokens > u64::MAX - 8);
}

#[test]
fn other_attempts_are_counted_by_their_reason() {
    let (recorder, now) = recorder();
    let mut context = Context::new();
    for repeat in [
        Repeat::Retry,
        Repeat::Hedge,
        Repeat::Hedge,
        Repeat::Fallback,
    ] {
        context.repeat = Some(repeat);
        let mut call = recorder.begin(now);
        call.context(&context);
        call.end(now, Outcome::Success);
    }
    let reading = recorder.read_at(now);
    let repeats = (reading.retries, reading.hedges, reading.fallbacks);
    assert_eq!(repeats, (1, 2, 1));
    assert!(reading.start.wait.is_empty());
}

#[test]
fn refusals_are_counted_by_layer_and_kind_however_many_there_are() {
    const LAYERS: [&str; 40] = [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
        "17", "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31",
        "32", "33", "34", "35", "36", "37", "38", "39",
    ];
    let (recorder, now) = recorder();
    for times in 0..3 {
        for layer in LAYERS {
            let kind = match times {
                0 => RejectionKind::Shed,
                _ => RejectionKind::RateLimited,
            };
            let mut call = recorder.begin(now);
            call.refused(&Rejection::new(kind, layer));
            call.end(now, FAILED);
        }
    }
    let refusals = recorder.read_at(now).refusals;
    assert_eq!(refusals.len(), 80);
    for refused in refusals {
        let shed = refused.kind == RejectionKind::Shed;
        assert_eq!(refused.count, if shed { 1 } else { 2 }, "{refused:?}");
    }
}

#[test]
fn a_recorder_may_go_before_its_calls() {
    let (recorder, now) = recorder();
    let calls: Vec<_> = (0..100).map(|_| recorder.begin(now)).collect();
    drop(recorder);
    for mut call in calls {
        call.end(now, Outcome::Success);
    }
}
