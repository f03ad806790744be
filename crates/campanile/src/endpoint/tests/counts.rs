use super::*;

#[test]
fn a_closed_endpoint_takes_no_call() {
    let endpoint = Endpoint::new("a");
    assert!(endpoint.enter());
    endpoint.gate().close(Reason::Custom);
    assert!(!endpoint.enter());
    assert_eq!(endpoint.in_flight(), 1, "a refused call is not counted");
    endpoint.gate().open(Reason::Custom);
    assert!(endpoint.enter());
    assert_eq!(endpoint.in_flight(), 2);
}

#[test]
fn each_call_is_counted_by_its_outcome() {
    let endpoint = Endpoint::new("a");
    let mut expected = Outcomes::default();
    for (outcome, times) in [
        (Outcome::Success, 6),
        (Outcome::Failure(FailureKind::Timeout), 5),
        (Outcome::Throttled { retry_after: None }, 4),
        (Outcome::Overloaded { retry_after: None }, 3),
        (Outcome::Ignored, 2),
        (Outcome::Cancelled, 1),
    ] {
        for _ in 0..times {
            assert!(endpoint.enter());
            endpoint.leave(outcome);
        }
        match outcome {
            Outcome::Success => expected.success = times,
            Outcome::Failure(_) => expected.failure = times,
            Outcome::Throttled { .. } => expected.throttled = times,
            Outcome::Overloaded { .. } => expected.overloaded = times,
            Outcome::Ignored => expected.ignored = times,
            Outcome::Cancelled => expected.cancelled = times,
        }
    }
    assert_eq!(endpoint.outcomes(), expected);
    assert_eq!(endpoint.in_flight(), 0);
}

#[test]
fn no_success_is_lost_when_the_count_spills() {
    const SPILL: u64 = 1 << 23;
    for (before, more) in [
        (SPILL - 3, 6_u64),
        (SPILL - 1, 1),
        (SPILL, 2),
        (SPILL + 5, 3),
    ] {
        let endpoint = Endpoint::new("a");
        endpoint.gate().close(Reason::Custom);
        endpoint.gate().open(Reason::Custom);
        endpoint.cell().preset(1, before);
        for n in 1..=more {
            assert!(endpoint.enter());
            endpoint.leave(Outcome::Success);
            assert_eq!(endpoint.outcomes().success, before + n);
            assert_eq!(endpoint.in_flight(), 1, "the neighbours in the word stay");
        }
        assert_eq!(endpoint.cell().successes(), (before + more) % SPILL);
        assert!(endpoint.gate().is_open(NOW));
    }
}

#[test]
fn no_success_is_lost_when_many_spill_at_once() {
    const THREADS: u64 = 4;
    const EACH: u64 = 2_000;
    let endpoint = Endpoint::new("a");
    let before = (1 << 23) - THREADS * EACH / 2;
    endpoint.cell().preset(0, before);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    assert!(endpoint.enter());
                    endpoint.leave(Outcome::Success);
                }
            });
        }
    });
    assert_eq!(endpoint.outcomes().success, before + THREADS * EACH);
    assert_eq!(endpoint.in_flight(), 0);
    assert!(
        endpoint.cell().successes() < 1 << 23,
        "the top bit was moved elsewhere"
    );
}

#[test]
fn far_too_many_calls_are_refused_before_they_touch_the_reasons() {
    let endpoint = Endpoint::new("a");
    let most = (1 << 23) - 1;
    endpoint.cell().preset(most - 1, 0);
    assert!(endpoint.enter());
    assert!(!endpoint.enter());
    assert_eq!(u64::from(endpoint.in_flight()), most);
    assert!(endpoint.gate().is_open(NOW));
    endpoint.leave(Outcome::Success);
    assert!(endpoint.enter());
}

#[test]
fn latencies_are_averaged_over_the_work_that_was_done() {
    let endpoint = Endpoint::new("a");
    let measured = endpoint.measurements();
    assert_eq!(measured.latency(), LatencySnapshot::default());
    measured.sample(NOW, Some(at(10)), Some(at(20)), at(100));
    assert_eq!(measured.head().average(), Some(Duration::from_millis(10)));
    assert_eq!(
        measured.first_data().average(),
        Some(Duration::from_millis(20))
    );
    assert_eq!(measured.total().average(), Some(Duration::from_millis(100)));
    // The newest sample weighs a tenth.
    measured.sample(at(1_000), None, None, at(1_200));
    assert_eq!(measured.total().average(), Some(Duration::from_millis(110)));
    assert_eq!(
        measured.head().average(),
        Some(Duration::from_millis(10)),
        "no head, no sample"
    );
}

#[test]
fn a_sample_of_no_time_at_all_counts() {
    let endpoint = Endpoint::new("a");
    endpoint.measurements().sample(NOW, None, None, NOW);
    assert!(endpoint.measurements().total().average().is_some());
}

#[test]
fn outstanding_cost_comes_and_goes_with_its_calls() {
    let endpoint = Endpoint::new("a");
    let measured = endpoint.measurements();
    assert_eq!(measured.last_used(), None);
    let cost = Cost {
        requests: 1,
        tokens: 100,
        nano_dollars: 7,
    };
    measured.begin(NOW, &cost);
    measured.begin(NOW, &Cost::tokens(u64::MAX));
    measured.release(&Cost::tokens(u64::MAX));
    assert_eq!(
        (
            measured.outstanding().tokens,
            measured.outstanding().nano_dollars
        ),
        (100, 7)
    );
    assert_eq!(measured.last_used(), Some(NOW));
    measured.release(&cost);
    assert_eq!(measured.outstanding(), Cost::ZERO);

    measured.add_usage(&Usage {
        input_tokens: Some(5),
        output_tokens: Some(6),
        nano_dollars: Some(8),
        ..Usage::default()
    });
    measured.add_usage(&Usage::default());
    assert_eq!(
        (measured.used().tokens, measured.used().nano_dollars),
        (11, 8)
    );
}
