//! Probes that judge an endpoint's own calls.

use super::*;
use crate::{
    endpoint::Reason,
    outcome::{FailureKind, Outcome},
    time::Timestamp,
};

const FAILED: Outcome = Outcome::Failure(FailureKind::Server);

fn calls(endpoint: &Endpoint, outcome: Outcome, calls: u32) {
    for _ in 0..calls {
        assert!(endpoint.enter());
        endpoint.leave(outcome);
    }
}

/// Calls that succeed and take so long, one a second.
async fn slow_calls(endpoint: &Endpoint, took: Duration, calls: u32) {
    for _ in 0..calls {
        assert!(endpoint.enter());
        let now = Timestamp::now();
        let done = now.after(took);
        endpoint.measurements().sample(
            now,
            Some(now.after(took / 4)),
            Some(now.after(took / 2)),
            done,
        );
        endpoint.leave(Outcome::Success);
        tokio::time::advance(took.max(SEC)).await;
    }
}

async fn look(probe: &impl Probe<()>, endpoint: &Endpoint) -> Report {
    probe.check(Check::new(endpoint.clone(), ())).await
}

#[tokio::test(start_paused = true)]
async fn the_error_rate_is_of_the_calls_since_the_last_check() {
    let probe = ErrorRate::new(0.25).unwrap().with_minimum(8);
    let endpoint = Endpoint::new("one");
    calls(&endpoint, FAILED, 100);
    let report = look(&probe, &endpoint).await;
    assert_eq!(
        message(&report),
        (Verdict::Unknown, "looked for the first time")
    );

    // What was before does not count.
    calls(&endpoint, Outcome::Success, 6);
    calls(&endpoint, FAILED, 2);
    let report = look(&probe, &endpoint).await;
    assert_eq!(message(&report), (Verdict::Healthy, ""), "at the bound");
    assert_eq!(metric(&report, "error_rate"), Some(0.25));
    assert_eq!(metric(&report, "calls"), Some(8.0));

    calls(&endpoint, Outcome::Success, 5);
    calls(&endpoint, FAILED, 2);
    calls(&endpoint, Outcome::Overloaded { retry_after: None }, 1);
    let report = look(&probe, &endpoint).await;
    assert_eq!(
        message(&report),
        (Verdict::Unhealthy, "3 of 8 calls failed, more than 25 %")
    );
}

#[tokio::test(start_paused = true)]
async fn too_few_calls_say_nothing_and_count_again() {
    let probe = ErrorRate::new(0.5).unwrap().with_minimum(10);
    let endpoint = Endpoint::new("one");
    look(&probe, &endpoint).await;
    calls(&endpoint, FAILED, 9);
    // None of these is the endpoint's failure, nor its success.
    calls(&endpoint, Outcome::Cancelled, 50);
    calls(&endpoint, Outcome::Ignored, 50);
    calls(&endpoint, Outcome::Throttled { retry_after: None }, 50);
    let report = look(&probe, &endpoint).await;
    assert_eq!(
        message(&report),
        (
            Verdict::Unknown,
            "9 calls since the last check, fewer than 10"
        )
    );
    calls(&endpoint, FAILED, 1);
    assert_eq!(look(&probe, &endpoint).await.verdict, Verdict::Unhealthy);
    // And those that were judged do not.
    calls(&endpoint, Outcome::Success, 9);
    assert_eq!(look(&probe, &endpoint).await.verdict, Verdict::Unknown);
}

#[tokio::test(start_paused = true)]
async fn what_is_out_can_come_back() {
    let probes = (
        ErrorRate::new(0.5).unwrap().with_minimum(1),
        AverageLatency::new(SEC).with_minimum(1),
    );
    let endpoint = Endpoint::new("one");
    look(&probes.0, &endpoint).await;
    look(&probes.1, &endpoint).await;
    slow_calls(&endpoint, 3 * SEC, 1).await;
    calls(&endpoint, FAILED, 9);
    assert_eq!(look(&probes.0, &endpoint).await.verdict, Verdict::Unhealthy);
    assert_eq!(look(&probes.1, &endpoint).await.verdict, Verdict::Unhealthy);

    // Calls that had begun before still end badly; no new ones come.
    let in_flight = endpoint.enter();
    endpoint.gate().close(Reason::Health);
    assert!(in_flight);
    endpoint.leave(FAILED);
    for _ in 0..3 {
        assert!(look(&probes.0, &endpoint).await.is_healthy());
        assert!(look(&probes.1, &endpoint).await.is_healthy());
    }

    // Back, it is judged by what comes then alone.
    endpoint.gate().open(Reason::Health);
    assert_eq!(look(&probes.0, &endpoint).await.verdict, Verdict::Unknown);
    calls(&endpoint, Outcome::Success, 1);
    assert!(look(&probes.0, &endpoint).await.is_healthy());

    // Closed for another reason it has no calls either, but health has not taken it out.
    endpoint.gate().close(Reason::Breaker);
    assert_eq!(look(&probes.0, &endpoint).await.verdict, Verdict::Unknown);

    // One that is out when it is first seen may come in.
    let new = Endpoint::new("new");
    new.gate().close(Reason::Health);
    assert!(look(&probes.0, &new).await.is_healthy());
}

#[tokio::test(start_paused = true)]
async fn latencies_are_compared_with_their_bound() {
    let endpoint = Endpoint::new("one");
    let total = AverageLatency::new(2 * SEC).with_minimum(3);
    let first_data = AverageLatency::new(2 * SEC).with_minimum(3).to_first_data();
    let head = AverageLatency::new(SEC / 2).with_minimum(3).to_head();
    for probe in [&total, &first_data, &head] {
        assert_eq!(look(probe, &endpoint).await.verdict, Verdict::Unknown);
    }
    slow_calls(&endpoint, 4 * SEC, 2).await;
    assert_eq!(
        message(&look(&total, &endpoint).await),
        (
            Verdict::Unknown,
            "2 calls since the last check, fewer than 3"
        )
    );
    slow_calls(&endpoint, 4 * SEC, 1).await;
    let report = look(&total, &endpoint).await;
    assert_eq!(
        message(&report),
        (
            Verdict::Unhealthy,
            "calls take 4.0s on average, longer than 2s"
        )
    );
    assert_eq!(metric(&report, "average_latency_seconds"), Some(4.0));
    let report = look(&first_data, &endpoint).await;
    assert_eq!(message(&report), (Verdict::Healthy, ""), "at the bound");
    assert_eq!(metric(&report, "average_latency_seconds"), Some(2.0));
    assert_eq!(look(&head, &endpoint).await.verdict, Verdict::Unhealthy);

    // No new calls, nothing new to say.
    assert_eq!(look(&total, &endpoint).await.verdict, Verdict::Unknown);
    // Fast ones bring it back within the bound.
    slow_calls(&endpoint, SEC / 10, 30).await;
    assert!(look(&total, &endpoint).await.is_healthy());
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_not_measured_are_not_judged() {
    let endpoint = Endpoint::new("one");
    let probe = AverageLatency::new(SEC).with_minimum(1);
    look(&probe, &endpoint).await;
    calls(&endpoint, Outcome::Success, 1);
    let report = look(&probe, &endpoint).await;
    assert_eq!(
        message(&report),
        (Verdict::Unknown, "nothing was measured yet")
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_bounded_by_the_endpoints_there_are() {
    let probe = ErrorRate::new(0.5).unwrap().with_minimum(1);
    let stays: Vec<_> = (0..100)
        .map(|i| Endpoint::new(format!("stays {i}")))
        .collect();
    for endpoint in &stays {
        look(&probe, endpoint).await;
    }
    for i in 0..10_000 {
        look(&probe, &Endpoint::new(format!("comes and goes {i}"))).await;
    }
    let shown = format!("{probe:?}");
    let (_, kept) = shown.split_once("endpoints: ").unwrap();
    let kept: usize = kept.trim_end_matches(" }").parse().unwrap();
    assert!((100..=2 * 100 + 2).contains(&kept), "{shown}");

    // Nobody was forgotten, and nobody taken for another.
    for endpoint in &stays {
        calls(endpoint, FAILED, 1);
        assert_eq!(look(&probe, endpoint).await.verdict, Verdict::Unhealthy);
    }
    let namesake = Endpoint::new("stays 0");
    calls(&namesake, FAILED, 5);
    assert_eq!(
        look(&probe, &namesake).await.message,
        "looked for the first time"
    );
}

#[test]
fn an_impossible_bound_is_refused() {
    for bound in [-0.1, 1.1, f64::NAN] {
        let error = ErrorRate::new(bound).unwrap_err();
        assert_eq!((error.concern, error.field), ("error_rate", "bound"));
    }
}
