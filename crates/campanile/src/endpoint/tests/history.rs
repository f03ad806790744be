use tokio::time::advance;

use super::*;
use crate::endpoint::GateHistory;

const SECOND: Duration = Duration::from_secs(1);

fn of(endpoint: &Endpoint, reason: Reason) -> GateHistory {
    let mut history = endpoint.gate().history(Timestamp::now());
    history.find(|history| history.reason == reason).unwrap()
}

/// Whether it is closed for the breaker, how often it was, and for how many seconds.
fn breaker(endpoint: &Endpoint) -> (bool, u64, f64) {
    let history = of(endpoint, Reason::Breaker);
    (history.closed, history.closings, history.time.as_secs_f64())
}

fn soon(seconds: u64) -> Timestamp {
    Timestamp::now().after(Duration::from_secs(seconds))
}

#[tokio::test(start_paused = true)]
async fn every_reason_has_its_own_history() {
    let endpoint = Endpoint::new("a");
    for reason in Reason::ALL {
        endpoint.gate().close(reason);
    }
    for (index, reason) in Reason::ALL.into_iter().enumerate() {
        advance(SECOND).await;
        endpoint.gate().open(reason);
        advance(SECOND).await;
        let history = of(&endpoint, reason);
        assert_eq!((history.closed, history.closings), (false, 1), "{reason:?}");
        assert_eq!(history.time, (2 * index as u32 + 1) * SECOND, "{reason:?}");
    }
    assert_eq!(
        endpoint.gate().history(Timestamp::now()).count(),
        Reason::ALL.len()
    );
}

#[tokio::test(start_paused = true)]
async fn the_time_of_all_closings_adds_up_the_present_one_included() {
    let endpoint = Endpoint::new("a");
    assert_eq!(breaker(&endpoint), (false, 0, 0.0));
    for n in 1..=1_000 {
        endpoint.gate().close(Reason::Breaker);
        endpoint.gate().close(Reason::Breaker);
        advance(SECOND).await;
        assert_eq!(breaker(&endpoint), (true, n, n as f64));
        endpoint.gate().open(Reason::Breaker);
        endpoint.gate().open(Reason::Breaker);
        advance(SECOND).await;
        assert_eq!(breaker(&endpoint), (false, n, n as f64));
    }
}

#[tokio::test(start_paused = true)]
async fn a_closing_that_nobody_ends_counts_to_the_end_of_its_time() {
    for noticed in [false, true] {
        let endpoint = Endpoint::new("a");
        endpoint.gate().close_until(Reason::Breaker, soon(3));
        advance(10 * SECOND).await;
        if noticed {
            assert!(endpoint.gate().is_open(Timestamp::now()));
        }
        assert_eq!(breaker(&endpoint), (false, 1, 3.0));

        endpoint.gate().close_until(Reason::Breaker, soon(5));
        assert_eq!(breaker(&endpoint), (true, 2, 3.0), "the gap does not count");
        advance(SECOND).await;
        assert_eq!(breaker(&endpoint), (true, 2, 4.0));
        advance(10 * SECOND).await;
        endpoint.gate().open(Reason::Breaker);
        assert_eq!(
            breaker(&endpoint),
            (false, 2, 8.0),
            "opened when it was over"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn to_move_the_time_of_a_closing_is_no_other_closing() {
    let endpoint = Endpoint::new("a");
    endpoint.gate().close_until(Reason::Breaker, soon(2));
    advance(SECOND).await;
    endpoint.gate().close_until(Reason::Breaker, soon(10));
    advance(SECOND).await;
    endpoint
        .gate()
        .close_at_most_until(Reason::Breaker, soon(1));
    assert_eq!(breaker(&endpoint), (true, 1, 2.0));
    advance(10 * SECOND).await;
    assert_eq!(breaker(&endpoint), (false, 1, 3.0));
}

#[tokio::test(start_paused = true)]
async fn a_time_that_is_over_ends_a_closing_and_begins_none() {
    let endpoint = Endpoint::new("a");
    let past = Timestamp::now();
    advance(SECOND).await;
    endpoint.gate().close_until(Reason::Breaker, past);
    assert_eq!(breaker(&endpoint), (false, 0, 0.0));
    endpoint.gate().close(Reason::Breaker);
    advance(SECOND).await;
    endpoint.gate().close_until(Reason::Breaker, past);
    advance(SECOND).await;
    assert_eq!(breaker(&endpoint), (false, 1, 1.0));
    endpoint.gate().open(Reason::Breaker);
    assert_eq!(breaker(&endpoint), (false, 1, 1.0));
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_tells_of_the_reasons_that_have_been() {
    let endpoint = Endpoint::new("a");
    assert!(endpoint.snapshot(Timestamp::now()).gate.is_empty());
    endpoint.gate().close_until(Reason::Quota, soon(1));
    advance(2 * SECOND).await;
    let snapshot = endpoint.snapshot(Timestamp::now());
    assert_eq!(snapshot.gate, [of(&endpoint, Reason::Quota)]);
    let text = serde_json::to_string(&snapshot).unwrap();
    assert!(
        text.contains(r#"{"reason":"quota","closed":false,"closings":1,"time":1.0}"#),
        "{text}"
    );
    assert_eq!(
        serde_json::from_str::<EndpointSnapshot>(&text).unwrap(),
        snapshot
    );
}

/// Real threads and the real clock of the test's thread each: no stretch may be lost or counted twice.
#[test]
fn threads_that_close_and_open_leave_a_whole_history() {
    let endpoint = Endpoint::new("a");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    endpoint.gate().close(Reason::Concurrency);
                    endpoint.gate().open(Reason::Concurrency);
                }
            });
        }
    });
    let now = Timestamp::now();
    let history = of(&endpoint, Reason::Concurrency);
    assert!(!history.closed && (1..=80_000).contains(&history.closings));
    // A stretch without an end would grow.
    let later = endpoint
        .gate()
        .history(now.after(Duration::from_secs(1_000)));
    let later = later.filter(|history| history.reason == Reason::Concurrency);
    assert_eq!(later.last().unwrap().time, history.time);
}

proptest::proptest! {
    /// Against the plainest model: a list of moments.
    #[test]
    fn it_is_what_a_list_of_moments_says(steps in proptest::collection::vec((0_u64..50, 0_u8..4, 1_u64..60), 1..60)) {
        use super::super::history::Ledger;
        use crate::sync::AtomicU64;

        let (ledger, until) = (Ledger::default(), AtomicU64::new(0));
        let (mut now, mut ends, mut time, mut closings) = (1_000_u64, 0_u64, 0_u64, 0_u64);
        for (wait, what, length) in steps {
            for _ in 0..wait {
                time += u64::from(now < ends);
                now += 1;
            }
            let until_then = match what {
                0 => 0,
                1 => u64::MAX,
                2 => now.saturating_sub(length),
                _ => now + length,
            };
            closings += u64::from(ends <= now && until_then > now);
            ends = until_then;
            let at = Timestamp::from_nanos;
            ledger.replace(&until, at(until_then), at(now));
            proptest::prop_assert_eq!(ledger.time(&until, at(now)).as_nanos(), u128::from(time));
            proptest::prop_assert_eq!(ledger.closings(), closings);
        }
    }
}
