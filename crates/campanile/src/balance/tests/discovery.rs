use super::*;
use crate::Endpoint;
use crate::protocol::Unary;

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
