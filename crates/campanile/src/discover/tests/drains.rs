use tokio::time::Instant;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// Waits without moving paused time.
async fn settle() {
    for _ in 0..8 {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_member_leaves_at_once() {
    let roster = Roster::new();
    let mut changes = roster.changes();
    roster.insert("a", 1).unwrap();
    assert_eq!(roster.drain("a", PATIENCE).unwrap().await, 0);
    assert!(roster.is_empty());
    assert_eq!(read(&mut changes), ["+a=1", "-a"]);
}

#[tokio::test(start_paused = true)]
async fn the_last_call_lets_a_member_go() {
    let roster = Roster::new();
    let endpoint = roster.insert("a", 1).unwrap();
    assert!(endpoint.enter() && endpoint.enter());
    let drain = roster.drain("a", PATIENCE).unwrap();
    assert!(drain.endpoint().is(&endpoint));
    assert!(!endpoint.enter(), "no new calls from now on");
    let drain = tokio::spawn(drain);
    endpoint.leave(Outcome::Success);
    settle().await;
    assert!(!drain.is_finished() && roster.len() == 1);
    let before = Instant::now();
    endpoint.leave(Outcome::Cancelled);
    assert_eq!(drain.await.unwrap(), 0);
    assert_eq!(Instant::now(), before, "no timer was waited for");
    assert!(roster.is_empty());
}

#[tokio::test(start_paused = true)]
async fn patience_ends_with_calls_in_flight() {
    let roster = Roster::new();
    let endpoint = roster.insert("a", 1).unwrap();
    assert!(endpoint.enter() && endpoint.enter());
    let before = Instant::now();
    assert_eq!(roster.drain("a", PATIENCE).unwrap().await, 2);
    let waited = Instant::now().duration_since(before);
    assert!(
        waited >= PATIENCE && waited < PATIENCE + Duration::from_millis(5),
        "{waited:?}"
    );
    assert!(roster.is_empty());
    endpoint.leave(Outcome::Success);
    assert_eq!(endpoint.in_flight(), 1, "they go on");
}

#[tokio::test(start_paused = true)]
async fn an_insertion_calls_the_drain_off() {
    for disabled in [false, true] {
        let roster = Roster::new();
        let endpoint = roster.insert("a", 1).unwrap();
        assert!(endpoint.enter());
        let drain = tokio::spawn(roster.drain("a", PATIENCE).unwrap());
        settle().await;
        if disabled {
            roster.disable("a").unwrap();
        }
        assert!(roster.insert("a", 1).unwrap().is(&endpoint));
        settle().await;
        assert!(
            drain.is_finished(),
            "it does not wait on; disabled: {disabled}"
        );
        assert_eq!(drain.await.unwrap(), 1);
        assert_eq!(roster.len(), 1);
        assert_eq!(is_open(&endpoint), !disabled);
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_is_dropped_removes_its_member_at_once() {
    let roster = Roster::new();
    let mut changes = roster.changes();
    let endpoint = roster.insert("a", 1).unwrap();
    assert!(endpoint.enter());
    drop(roster.drain("a", PATIENCE).unwrap());
    assert!(roster.is_empty());
    assert_eq!(read(&mut changes), ["+a=1", "-a"]);
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_was_called_off_removes_nothing_later() {
    let roster = Roster::new();
    let endpoint = roster.insert("a", 1).unwrap();
    assert!(endpoint.enter());
    let first = roster.drain("a", PATIENCE).unwrap();
    roster.insert("a", 1).unwrap();
    let second = roster.drain("a", PATIENCE).unwrap();
    drop(first);
    assert_eq!(roster.len(), 1, "the later drain has its patience");
    roster.insert("a", 1).unwrap();
    drop(second);
    assert_eq!(roster.len(), 1);
    assert!(is_open(&endpoint));
}

#[tokio::test(start_paused = true)]
async fn a_later_drain_takes_over() {
    let roster = Roster::new();
    let endpoint = roster.insert("a", 1).unwrap();
    assert!(endpoint.enter());
    let short = roster.drain("a", Duration::from_secs(1)).unwrap();
    let long = roster.drain("a", PATIENCE).unwrap();
    assert_eq!(short.await, 1);
    assert_eq!(roster.len(), 1, "the later one counts");
    assert!(!is_open(&endpoint));
    assert_eq!(long.await, 1);
    assert!(roster.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_drain_leaves_a_successor_of_its_key_alone() {
    let roster = Roster::new();
    let old = roster.insert("a", 1).unwrap();
    assert!(old.enter());
    let drain = roster.drain("a", PATIENCE).unwrap();
    let new = roster.insert("a", 2).unwrap();
    assert!(!new.is(&old));
    assert_eq!(drain.await, 1);
    assert!(roster.get("a").unwrap().is(&new) && is_open(&new));
}

#[test]
fn insertions_and_drains_that_race_lose_no_member() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let roster = Roster::new();
    for _ in 0..2_000 {
        roster.insert("a", 1).unwrap();
        let drain = {
            let _guard = runtime.enter();
            roster.drain("a", PATIENCE).unwrap()
        };
        let inserted = std::thread::scope(|scope| {
            let inserted = scope.spawn(|| roster.insert("a", 1).unwrap());
            drop(drain);
            inserted.join().unwrap()
        });
        // Whichever came first: whoever inserts last has a member, and it is open.
        let present = roster.get("a").expect("an inserted member is there");
        assert!(present.is(&inserted));
        assert!(is_open(&present));
    }
}
