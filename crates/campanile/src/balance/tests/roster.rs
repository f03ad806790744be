use tokio::{task::JoinSet, time::Instant};

use super::*;
use crate::{
    Endpoint,
    discover::{PerEndpointLayer, Roster},
};

fn over(
    roster: &Roster<&'static str>,
    script: &Script<&'static str>,
) -> Pool<Scripted<&'static str>> {
    let script = script.clone();
    BalanceLayer::bare(First).layer(
        PerEndpointLayer::new(move |_: &Endpoint, _: &'static str| script.service())
            .layer(roster.changes()),
    )
}

#[tokio::test(start_paused = true)]
async fn a_roster_drains_within_its_deadline() {
    let script = slow("a", 100 * MS);
    let roster = Roster::new();
    roster.insert("a", "http://a").unwrap();
    let pool = over(&roster, &script);
    settle().await;

    // Everyone finishes in time.
    let calls: JoinSet<_> = (0..3).map(|_| pool.clone().oneshot(())).collect();
    settle().await;
    let start = Instant::now();
    assert_eq!(roster.drain("a", SEC).unwrap().await, 0);
    assert_eq!(Instant::now() - start, 100 * MS);
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    settle().await;
    assert!(pool.is_empty() && roster.is_empty());
    assert_eq!(script.counts().services, 0);

    // No call comes in meanwhile.
    roster.insert("b", "http://b").unwrap();
    settle().await;
    let calls: JoinSet<_> = (0..3).map(|_| pool.clone().oneshot(())).collect();
    settle().await;
    let start = Instant::now();
    let drain = roster.drain("b", 60 * SEC).unwrap();
    // No new calls from the first moment on.
    assert_rejected(pool.clone().oneshot(()).await, RejectionKind::Unavailable);
    assert_eq!(Instant::now() - start, SEC);
    assert_eq!(drain.await, 0);
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    assert_eq!(script.counts().calls, 6);
}

#[tokio::test(start_paused = true)]
async fn a_drain_whose_deadline_comes_says_how_many_were_left() {
    let script = slow("a", 100 * MS);
    let roster = Roster::new();
    roster.insert("a", "http://a").unwrap();
    let pool = over(&roster, &script);
    settle().await;
    let calls: JoinSet<_> = (0..3).map(|_| pool.clone().oneshot(())).collect();
    settle().await;
    let start = Instant::now();
    assert_eq!(roster.drain("a", 30 * MS).unwrap().await, 3);
    assert_eq!(Instant::now() - start, 30 * MS);
    settle().await;
    assert!(pool.is_empty());
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    settle().await;
    assert_eq!(script.counts().services, 0);
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_not_called_off_by_a_pool_that_joins_late() {
    let script = slow("a", 100 * MS);
    let roster = Roster::new();
    roster.insert("a", "http://a").unwrap();
    // Its driver has not run yet.
    let first = over(&roster, &script);
    let drain = roster.drain("a", SEC).unwrap();
    let second = over(&roster, &script);
    settle().await;
    assert_eq!(drain.await, 0);
    settle().await;
    assert!(roster.is_empty() && first.is_empty() && second.is_empty());
}

#[tokio::test(start_paused = true)]
async fn inserting_again_calls_a_drain_off() {
    let script = slow("a", 100 * MS);
    let roster = Roster::new();
    let endpoint = roster.insert("a", "http://a").unwrap();
    let pool = over(&roster, &script);
    settle().await;
    let call = tokio::spawn(pool.clone().oneshot(()));
    settle().await;
    let drain = tokio::spawn(roster.drain("a", SEC).unwrap());
    settle().await;
    assert!(roster.insert("a", "http://a").unwrap().is(&endpoint));
    assert_eq!(drain.await.unwrap(), 1);
    assert_eq!(pool.clone().oneshot(()).await.unwrap(), "a");
    assert_eq!(call.await.unwrap().unwrap(), "a");
    assert_eq!(roster.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_operator_switches_a_member_off_and_on() {
    let script = Script::answering("a");
    let roster = Roster::new();
    roster.insert("a", "http://a").unwrap();
    let pool = over(&roster, &script);
    settle().await;
    roster.disable("a").unwrap();
    let call = tokio::spawn(pool.clone().oneshot(()));
    tokio::time::sleep(500 * MS).await;
    assert_eq!(script.counts().calls, 0);
    roster.enable("a").unwrap();
    assert_eq!(call.await.unwrap().unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn one_roster_feeds_two_pools() {
    let script = slow("a", 50 * MS);
    let roster = Roster::new();
    roster.insert("a", "http://a").unwrap();
    let (first, second) = (over(&roster, &script), over(&roster, &script));
    settle().await;
    let calls = [first.clone(), second.clone()].map(|pool| tokio::spawn(pool.oneshot(())));
    settle().await;
    assert_eq!(roster.get("a").unwrap().in_flight(), 2);
    roster.remove("a").unwrap();
    settle().await;
    assert!(first.is_empty() && second.is_empty());
    for call in calls {
        call.await.unwrap().unwrap();
    }
    settle().await;
    assert_eq!(script.counts().services, 0);
    // The same key again.
    roster.insert("a", "http://a").unwrap();
    settle().await;
    assert_eq!(second.clone().oneshot(()).await.unwrap(), "a");
    assert_eq!(roster.get("a").unwrap().outcomes().success, 1);
}

/// A panic in the function that builds endpoints leaves the members as they are.
#[tokio::test(start_paused = true)]
async fn a_panic_in_discovery_ends_nothing() {
    let script = Script::answering("a");
    let roster = Roster::new();
    roster.insert("a", "well").unwrap();
    let build = {
        let script = script.clone();
        move |_: &Endpoint, target: &'static str| {
            assert!(target != "broken", "the test says so");
            script.service()
        }
    };
    let pool =
        BalanceLayer::bare(First).layer(PerEndpointLayer::new(build).layer(roster.changes()));
    settle().await;
    roster.insert("b", "broken").unwrap();
    settle().await;
    assert_eq!(pool.clone().oneshot(()).await.unwrap(), "a");
    roster.insert("c", "well").unwrap();
    tokio::time::sleep(2 * SEC).await;
    assert_eq!(pool.len(), 2);
}
