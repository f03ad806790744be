use std::sync::Mutex;

use tokio::{task::JoinSet, time::Instant};

use super::*;
use crate::{
    Endpoint,
    discover::{PerEndpointLayer, Roster},
    endpoint::Reason,
    testing::seeded,
};

#[tokio::test(start_paused = true)]
async fn changes_are_followed_while_nothing_is_called() {
    let (a, b) = (Script::answering("a"), Script::answering("b"));
    let scene = scripted([("a", &a), ("b", &b)]).await;
    assert_eq!(scene.pool.len(), 2);
    scene.members.remove("a");
    settle().await;
    assert_eq!(scene.pool.len(), 1);
    assert_eq!((a.counts().services, b.counts().services), (0, 1));
    assert_eq!(scene.call().await.unwrap(), "b");
    scene.members.remove("b");
    scene.members.remove("nobody");
    settle().await;
    assert!(scene.pool.is_empty());
}

#[tokio::test(start_paused = true)]
async fn members_stay_when_discovery_ends() {
    let a = Script::answering("a");
    let scene = scripted([("a", &a)]).await;
    scene.members.end();
    settle().await;
    tokio::time::sleep(60 * SEC).await;
    assert_eq!(scene.call().await.unwrap(), "a");
    // The driver still buries and still ends with the pool.
    drop(scene.pool);
    scene.members.dropped().await;
}

#[tokio::test(start_paused = true)]
async fn members_stay_when_discovery_errs_and_it_is_read_again() {
    let (a, b) = (Script::answering("a"), Script::answering("b"));
    let scene = scripted([("a", &a)]).await;
    scene.members.fail("resolver is down");
    scene.members.insert("b", b.service());
    settle().await;
    assert_eq!(scene.call().await.unwrap(), "a");
    assert_eq!(scene.pool.len(), 1);
    tokio::time::sleep(2 * SEC).await;
    assert_eq!(scene.pool.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_inserted_twice_is_one_member_with_the_new_service() {
    let (old, new) = (slow("old", 50 * MS), slow("new", 50 * MS));
    let scene = scripted([("a", &old)]).await;
    scene.call().await.unwrap();
    let before = tokio::spawn(scene.call());
    settle().await;
    let version = scene.pool.snapshot().version;
    scene.members.insert("a", new.service());
    settle().await;
    assert_eq!(scene.pool.len(), 1);
    assert_eq!(scene.pool.snapshot().version, version);
    let after = tokio::spawn(scene.call());
    settle().await;
    assert_eq!(member(&scene.pool, "a").in_flight, 2);
    assert_eq!(before.await.unwrap().unwrap(), "old");
    assert_eq!(after.await.unwrap().unwrap(), "new");
    let outcomes = member(&scene.pool, "a").outcomes;
    assert_eq!(outcomes.success, 3, "the state was lost");
    assert_eq!(old.counts().services, 0);
    assert_at_rest(&scene.pool);
}

#[tokio::test(start_paused = true)]
async fn another_endpoint_of_the_same_key_takes_its_place() {
    let (old, new) = (slow("old", 50 * MS), slow("new", 50 * MS));
    let (members, discover) = crate::testing::discovery();
    let pool = BalanceLayer::bare(First).layer(discover);
    members.insert(Endpoint::new("a"), old.service());
    settle().await;
    let before = tokio::spawn(pool.clone().oneshot(()));
    settle().await;
    members.insert(Endpoint::new("a"), new.service());
    settle().await;
    assert_eq!(pool.len(), 1);
    assert_eq!(member(&pool, "a").in_flight, 0);
    assert_eq!(pool.clone().oneshot(()).await.unwrap(), "new");
    assert_eq!(before.await.unwrap().unwrap(), "old");
    settle().await;
    assert_eq!(member(&pool, "a").outcomes.success, 1);
    assert_eq!(old.counts().services, 0);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_removed_drains_and_then_its_service_is_dropped() {
    let (a, b) = (slow("a", 100 * MS), slow("b", 10 * MS));
    let scene = scripted([("a", &a), ("b", &b)]).await;
    // Readied and idle, with the members of now.
    let mut idle = scene.pool.clone();
    ready(&mut idle).await.unwrap();
    let calls: JoinSet<_> = (0..3).map(|_| scene.call()).collect();
    tokio::time::sleep(MS).await;
    assert_eq!(a.counts().in_flight, 3);
    scene.members.remove("a");
    settle().await;
    for _ in 0..5 {
        assert_eq!(scene.call().await.unwrap(), "b");
    }
    assert_eq!(a.counts().in_flight, 3);
    assert!(a.counts().services > 0);
    assert!(
        calls
            .join_all()
            .await
            .into_iter()
            .all(|answer| answer.unwrap() == "a")
    );
    settle().await;
    assert_eq!(a.counts().services, 0);
    assert_eq!(idle.call(()).await.unwrap(), "b");
    assert_eq!(a.counts().calls, 3);
    assert_at_rest(&scene.pool);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_comes_back_while_it_drains_keeps_its_state() {
    let a = slow("a", 100 * MS);
    let scene = scripted([("a", &a)]).await;
    scene.call().await.unwrap();
    let call = tokio::spawn(scene.call());
    settle().await;
    scene.members.remove("a");
    settle().await;
    scene.members.insert("a", a.service());
    settle().await;
    let snapshot = member(&scene.pool, "a");
    assert_eq!((snapshot.in_flight, snapshot.outcomes.success), (1, 1));
    assert_eq!(snapshot.closed, []);
    assert_eq!(scene.call().await.unwrap(), "a");
    call.await.unwrap().unwrap();
    settle().await;
    assert_eq!(member(&scene.pool, "a").outcomes.success, 3);
    assert_eq!(a.counts().services, 2);
}

/// Picks the member that the request names, and closes it first when told to: what a removal between pick and call does.
#[derive(Debug, Default)]
struct Named {
    removed: Mutex<Option<&'static str>>,
}

impl Strategy for Named {
    type State = ();
}

impl Pick<&'static str> for Named {
    fn pick<V: View<()>>(&self, view: &V, request: &&'static str) -> Option<usize> {
        let open = |key: &str| {
            (0..view.len())
                .find(|index| view.endpoint(*index).key() == key && view.load(*index).is_some())
        };
        let index = open(request).or_else(|| open("spare"))?;
        let removed = self.removed.lock().unwrap().take_if(|key| key == request);
        if removed.is_some() {
            view.endpoint(index).gate().close(Reason::Removed);
        }
        Some(index)
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_removed_between_pick_and_call_is_not_called() {
    let keys = ["a", "b", "c", "spare"];
    let scripts = keys.map(Script::answering);
    let (members, discover) = crate::testing::discovery();
    let strategy = Named::default();
    *strategy.removed.lock().unwrap() = Some("b");
    let pool = BalanceLayer::bare(strategy).layer(discover);
    for (key, script) in keys.into_iter().zip(&scripts) {
        members.insert(Endpoint::new(key), script.service());
    }
    settle().await;
    // Picked anew, and not a neighbour that slid into its place.
    assert_eq!(pool.clone().oneshot("b").await.unwrap(), "spare");
    assert_eq!(scripts.map(|script| script.counts().calls), [0, 0, 0, 1]);
    assert_at_rest(&pool);
}

/// tower's pool keeps an index from `poll_ready` to `call`; a removal moves another member there (tower issue 856).
#[tokio::test(start_paused = true)]
async fn a_removal_between_readiness_and_call_never_sends_a_call_astray() {
    let keys: Vec<String> = (0..20).map(|i| format!("m{i}")).collect();
    let keys: Vec<&'static str> = keys.into_iter().map(|key| &*key.leak()).collect();
    let (members, discover) = crate::testing::discovery();
    let pool = BalanceLayer::bare(Named::default()).layer(discover);
    let mut present = keys.clone();
    for key in &keys {
        members.insert(*key, Script::answering(*key).service());
    }
    members.insert("spare", Script::answering("spare").service());
    settle().await;
    let mut rng = seeded(856);
    for _ in 0..200 {
        let mut readied = pool.clone();
        readied.ready().await.unwrap();
        let gone = (!present.is_empty()).then(|| present.swap_remove(rng.usize(..present.len())));
        if let Some(gone) = gone {
            members.remove(gone);
        }
        if rng.bool() {
            let back = keys[rng.usize(..keys.len())];
            if !present.contains(&back) && Some(back) != gone {
                members.insert(back, Script::answering(back).service());
                present.push(back);
            }
        }
        settle().await;
        let asked = keys[rng.usize(..keys.len())];
        let expected = if present.contains(&asked) {
            asked
        } else {
            "spare"
        };
        assert_eq!(readied.call(asked).await.unwrap(), expected);
    }
    assert_at_rest(&pool);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_members_join_and_leave_at_once() {
    const MANY: usize = 100_000;
    let script = Script::answering("a");
    let (members, discover) = crate::testing::discovery();
    let pool = BalanceLayer::bare(LeastLoaded::default()).layer(discover);
    // Real time, to be shown and not to be judged.
    let start = std::time::SystemTime::now();
    for key in 0..MANY {
        members.insert(key, script.service());
    }
    // Served as soon as the first of them are there.
    assert_eq!(pool.clone().oneshot(()).await.unwrap(), "a");
    while pool.len() < MANY {
        tokio::task::yield_now().await;
    }
    println!("{MANY} members joined in {:?}", start.elapsed());
    for _ in 0..1_000 {
        pool.clone().oneshot(()).await.unwrap();
    }
    assert_eq!(script.counts().calls, 1_001);
    for key in 0..MANY {
        members.remove(key);
    }
    while !pool.is_empty() {
        tokio::task::yield_now().await;
    }
    settle().await;
    println!("and left, after 1,000 calls, in {:?}", start.elapsed());
    assert_eq!(script.counts().services, 0);
}

#[tokio::test(start_paused = true)]
async fn the_driver_ends_with_the_last_clone() {
    let script = slow("a", 50 * MS);
    let (members, discover) = crate::testing::discovery();
    let (pool, driver) = Balance::pair(discover, First, Unary::default(), BalanceConfig::default());
    let driver = tokio::spawn(driver);
    members.insert("a", script.service());
    settle().await;
    let clone = pool.clone();
    let call = tokio::spawn(pool.oneshot(()));
    settle().await;
    assert!(!driver.is_finished());
    drop(clone);
    driver.await.unwrap();
    assert!(members.is_dropped());
    // The call in flight goes on without the pool.
    assert_eq!(call.await.unwrap().unwrap(), "a");
    assert_eq!(script.counts().services, 0);
}

#[tokio::test(start_paused = true)]
async fn the_driver_goes_on_for_a_call_that_waits() {
    let (members, discover) = crate::testing::discovery();
    let (mut pool, driver) =
        Balance::pair(discover, First, Unary::default(), BalanceConfig::default());
    let driver = tokio::spawn(driver);
    let call = tokio::spawn(pool.call(()));
    drop(pool);
    settle().await;
    members.insert("a", Script::answering("a").service());
    assert_eq!(call.await.unwrap().unwrap(), "a");
    driver.await.unwrap();
}

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

/// The endpoint is shared, the membership is not.
#[tokio::test(start_paused = true)]
#[ignore = "a removal closes the shared gate, so the member is lost to the other pool too"]
async fn a_member_that_leaves_one_pool_stays_in_another() {
    let script = Script::answering("a");
    let endpoint = Endpoint::new("a");
    let (first, discover) = crate::testing::discovery();
    let leaves = BalanceLayer::bare(First).layer(discover);
    let (second, discover) = crate::testing::discovery();
    let stays = BalanceLayer::bare(First).layer(discover);
    first.insert(endpoint.clone(), script.service());
    second.insert(endpoint.clone(), script.service());
    settle().await;
    first.remove(endpoint.clone());
    settle().await;
    assert!(leaves.is_empty());
    assert_eq!(stays.clone().oneshot(()).await.unwrap(), "a");
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

/// The members that a strategy probes may move before it picks.
#[derive(Debug)]
struct Slow;

impl Strategy for Slow {
    type State = ();
}

impl<Req> Pick<Req> for Slow {
    fn pick<V: View<()>>(&self, view: &V, _request: &Req) -> Option<usize> {
        (0..view.len()).find(|index| view.load(*index).is_some())
    }

    fn prepare<V: View<()>>(&self, _view: &V, _request: &Req) -> Option<Prepare> {
        Some(Box::pin(async {
            tokio::time::sleep(10 * MS).await;
            Vec::new()
        }))
    }
}

#[tokio::test(start_paused = true)]
async fn members_that_leave_while_others_are_probed_are_not_called() {
    let (a, b) = (Script::answering("a"), Script::answering("b"));
    let (members, discover) = crate::testing::discovery();
    let pool = BalanceLayer::bare(Slow).layer(discover);
    members.insert("a", a.service());
    settle().await;
    let call = tokio::spawn(pool.clone().oneshot(()));
    tokio::time::sleep(5 * MS).await;
    members.insert("b", b.service());
    members.remove("a");
    assert_eq!(call.await.unwrap().unwrap(), "b");
    assert_eq!(a.counts().calls, 0);
    assert_at_rest(&pool);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go_under_calls_on_many_threads() {
    let script = Script::<_>::rule(|_| Step::answer("a"));
    let (members, discover) = crate::testing::discovery();
    let pool = BalanceLayer::bare(LeastLoaded::two_choices())
        .patience(600 * SEC)
        .layer(discover);
    members.insert(0, script.service());
    let calls: JoinSet<_> = (0..4)
        .map(|_| {
            let pool = tower::util::BoxCloneService::new(pool.clone());
            async move {
                for _ in 0..2_000 {
                    assert_eq!(pool.clone().oneshot(()).await.unwrap(), "a");
                }
            }
        })
        .collect();
    let changes = tokio::spawn({
        let (members, script) = (members.clone(), script.clone());
        async move {
            let mut rng = seeded(3);
            for _ in 0..2_000 {
                let key = rng.u32(1..8);
                match rng.u32(..3) {
                    0 => members.remove(key),
                    _ => members.insert(key, script.service()),
                }
                tokio::task::yield_now().await;
            }
            (0..8).for_each(|key| members.remove(key));
        }
    });
    changes.await.unwrap();
    members.insert(0, script.service());
    calls.join_all().await;
    assert_at_rest(&pool);
    assert_eq!(script.counts().calls, 8_000);
    members.remove(0);
    let gone = async {
        while !pool.is_empty() || script.counts().services > 0 {
            tokio::task::yield_now().await;
        }
    };
    let gone = tokio::time::timeout(60 * SEC, gone).await;
    assert!(gone.is_ok(), "{:?}", script.counts());
}
