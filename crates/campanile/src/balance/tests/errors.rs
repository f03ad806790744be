use crate::protocol::Enveloped;
use crate::protocol::Unary;
use tokio::{task::JoinSet, time::Instant};
use tower::util::BoxCloneService;

use super::*;
use crate::{endpoint::Reason, testing::Readiness, time::Timestamp};

/// tower's pool drops such an endpoint for good, other routers hang.
#[tokio::test(start_paused = true)]
async fn a_member_whose_readiness_fails_comes_back_when_it_can() {
    let (sick, well) = (Script::answering("sick"), Script::answering("well"));
    let scene = scripted([("a", &sick), ("b", &well)]).await;
    assert_eq!(scene.call().await.unwrap(), "sick");
    sick.set_readiness(Readiness::error("no route"));
    for _ in 0..100 {
        assert_eq!(scene.call().await.unwrap(), "well");
    }
    // Left alone, not asked by every call.
    assert!(sick.counts().readiness_polls < 5, "{:?}", sick.counts());
    let closed = &member(&scene.pool, "a").closed;
    assert_eq!(closed[0].reason, Reason::Readiness);
    assert_eq!(closed[0].reopens_in, Some(0.1));

    sick.set_readiness(Readiness::Ready);
    tokio::time::sleep(99 * MS).await;
    assert_eq!(scene.call().await.unwrap(), "well");
    tokio::time::sleep(MS).await;
    assert_eq!(scene.call().await.unwrap(), "sick");
    assert_eq!(member(&scene.pool, "a").closed, []);
    assert_at_rest(&scene.pool);
}

#[tokio::test(start_paused = true)]
async fn the_pause_after_failed_readiness_doubles_to_its_cap_and_is_reset() {
    let (sick, well) = (Script::answering("sick"), Script::answering("well"));
    let scene = scripted([("a", &sick), ("b", &well)]).await;
    sick.set_readiness(Readiness::error("no route"));
    let mut pauses = Vec::new();
    for _ in 0..10 {
        assert_eq!(scene.call().await.unwrap(), "well");
        let pause = member(&scene.pool, "a").closed[0].reopens_in.unwrap();
        pauses.push((pause * 10.0).round() as u64);
        tokio::time::sleep(Duration::from_secs_f64(pause)).await;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
    sick.set_readiness(Readiness::Ready);
    assert_eq!(scene.call().await.unwrap(), "sick");
    sick.set_readiness(Readiness::error("no route"));
    assert_eq!(scene.call().await.unwrap(), "well");
    assert_eq!(member(&scene.pool, "a").closed[0].reopens_in, Some(0.1));
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_the_only_member_to_come_back() {
    let sick = Script::answering("sick");
    let scene = scripted([("a", &sick)]).await;
    sick.set_readiness(Readiness::error("no route"));
    let start = Instant::now();
    let calls: JoinSet<_> = (0..20).map(|_| scene.call()).collect();
    tokio::time::sleep(50 * MS).await;
    sick.set_readiness(Readiness::Ready);
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    assert_eq!(Instant::now() - start, 100 * MS);
    assert_at_rest(&scene.pool);
}

/// Failures seen by many calls at one moment are one failure.
#[tokio::test(start_paused = true)]
async fn many_calls_that_see_one_failure_do_not_lengthen_the_pause() {
    let sick = Script::answering("sick");
    sick.set_readiness(Readiness::Pending);
    let scene = scripted([("a", &sick)]).await;
    let calls: JoinSet<_> = (0..20).map(|_| scene.call()).collect();
    settle().await;
    sick.set_readiness(Readiness::error("no route"));
    settle().await;
    assert_eq!(member(&scene.pool, "a").closed[0].reopens_in, Some(0.1));
    sick.set_readiness(Readiness::Ready);
    assert!(calls.join_all().await.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn an_endpoints_error_is_passed_on_and_ends_nothing() {
    let script = Script::answering("well").then(Step::error("out of luck"));
    let scene = scripted([("a", &script)]).await;
    assert_eq!(scene.call().await.unwrap_err().to_string(), "out of luck");
    assert_eq!(scene.call().await.unwrap(), "well");
    let a = member(&scene.pool, "a");
    assert_eq!((a.outcomes.success, a.outcomes.failure), (1, 1));
    assert_at_rest(&scene.pool);
}

/// A panic reaches the task that made the call. Others, at the same endpoint and elsewhere, go on; no count is lost, and
/// the endpoint works again.
async fn survives(
    breaks: impl FnOnce(&Script<&'static str>),
    mends: impl FnOnce(&Script<&'static str>),
) {
    let (a, b) = (slow("a", 50 * MS), slow("b", 50 * MS));
    let scene = scripted([("a", &a), ("b", &b)]).await;
    let before: JoinSet<_> = (0..3).map(|_| scene.call()).collect();
    settle().await;
    breaks(&a);
    let panicked = tokio::spawn(scene.call()).await;
    assert!(panicked.unwrap_err().is_panic());
    mends(&a);
    assert_eq!(
        before
            .join_all()
            .await
            .into_iter()
            .filter(Result::is_ok)
            .count(),
        3
    );
    assert_at_rest(&scene.pool);
    // One that panicked in `poll_ready` is left alone for a while.
    tokio::time::advance(100 * MS).await;
    for _ in 0..3 {
        assert_eq!(scene.call().await.unwrap(), "a");
    }
    scene.members.remove("a");
    settle().await;
    assert_eq!(a.counts().services, 0);
    assert_eq!(a.counts().in_flight, 0);
    assert_eq!(scene.call().await.unwrap(), "b");
    assert_at_rest(&scene.pool);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_call_reaches_only_its_task() {
    survives(|script| script.push(Step::panic_in_call()), |_| ()).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_poll_reaches_only_its_task() {
    survives(
        |script| script.push(Step::panic_in_poll().after(10 * MS)),
        |_| (),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_poll_ready_reaches_only_its_task() {
    survives(
        |script| script.set_readiness(Readiness::Panic),
        |script| script.set_readiness(Readiness::Ready),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_poll_ready_of_a_call_that_waits_reaches_only_its_task() {
    let script = Script::answering("a");
    script.set_readiness(Readiness::Pending);
    let scene = scripted([("a", &script)]).await;
    let call = tokio::spawn(scene.call());
    settle().await;
    script.set_readiness(Readiness::Panic);
    assert!(call.await.unwrap_err().is_panic());
    script.set_readiness(Readiness::Ready);
    assert_eq!(scene.call().await.unwrap(), "a");
    assert_at_rest(&scene.pool);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_clone_reaches_only_its_task() {
    let script = slow("a", 10 * MS);
    let scene = scripted([("a", &script)]).await;
    script.set_panics_in_clone(true);
    // No idle instance yet: the first call makes one.
    assert!(tokio::spawn(scene.call()).await.unwrap_err().is_panic());
    script.set_panics_in_clone(false);
    assert_eq!(scene.call().await.unwrap(), "a");
    assert_at_rest(&scene.pool);
    scene.members.remove("a");
    settle().await;
    assert_eq!(script.counts().services, 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_counts_as_a_failure() {
    let script = Script::answering("a")
        .then(Step::panic_in_poll())
        .then(Step::panic_in_call());
    let scene = scripted([("a", &script)]).await;
    for _ in 0..2 {
        assert!(tokio::spawn(scene.call()).await.unwrap_err().is_panic());
    }
    assert_eq!(member(&scene.pool, "a").outcomes.failure, 2);
}

#[derive(Debug)]
enum Mine {
    Refused(Rejection),
    Broken,
}

impl From<Rejection> for Mine {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(rejection)
    }
}

#[tokio::test(start_paused = true)]
async fn a_users_error_type_needs_one_conversion() {
    let script = Script::<(), Mine>::new(Step::error_with(|| Mine::Broken));
    let (members, pool) = pool();
    members.insert("a", script.service());
    settle().await;
    assert!(matches!(pool.clone().oneshot(()).await, Err(Mine::Broken)));
    members.remove("a");
    settle().await;
    let Err(Mine::Refused(rejection)) = pool.oneshot(()).await else {
        panic!("not refused");
    };
    assert_eq!(rejection.kind(), RejectionKind::Empty);
}

#[tokio::test(start_paused = true)]
async fn a_spawned_call_over_an_async_closure_with_a_boxed_error_compiles() {
    let (members, pool) = pool();
    members.insert(
        "a",
        tower::service_fn(async |n: u32| Ok::<_, BoxError>(n + 1)),
    );
    settle().await;
    assert_eq!(
        tokio::spawn(pool.clone().oneshot(41))
            .await
            .unwrap()
            .unwrap(),
        42
    );
    // As in a handler of a web server: the pool is awaited within an async block that must be `Send`.
    let call = {
        let pool = pool.clone();
        async move { pool.oneshot(41).await }
    };
    assert_eq!(tokio::spawn(call).await.unwrap().unwrap(), 42);
    let calls = async move {
        let mut pool = pool;
        let first: u32 = pool.ready().await?.call(1).await?;
        pool.ready().await?.call(first).await
    };
    assert_eq!(tokio::spawn(calls).await.unwrap().unwrap(), 3);
}

#[test]
fn a_pool_is_clone_send_and_sync_over_services_that_are_not_sync() {
    fn check<T: Clone + Send + Sync + 'static>() {}
    fn check_send<T: Send + 'static>() {}
    type Boxed = BoxCloneService<u32, u32, BoxError>;
    check::<Balance<Boxed, First, Unary>>();
    check::<Balance<Boxed, FastFail<LeastLoaded>, Enveloped>>();
    check_send::<ResponseFuture<Boxed, First, Unary, u32>>();
    check_send::<Driver<MockDiscover<&'static str, Boxed>, &'static str, Boxed, First>>();
}

#[tokio::test(start_paused = true)]
async fn services_that_are_not_sync_are_called() {
    let (members, pool) = pool();
    let service = tower::service_fn(|n: u32| async move { Ok::<_, BoxError>(n + 1) });
    members.insert("a", BoxCloneService::new(service));
    settle().await;
    assert_eq!(tokio::spawn(pool.oneshot(1)).await.unwrap().unwrap(), 2);
}

/// A gate has one writer for each reason: coming back from failed readiness opens no other.
#[tokio::test(start_paused = true)]
async fn failed_readiness_touches_no_other_reason() {
    let script = Script::answering("a");
    let endpoint = crate::Endpoint::new("a");
    let (members, discover) = crate::testing::discovery();
    let mut pool = BalanceLayer::bare(First).layer(discover);
    members.insert(endpoint.clone(), script.service());
    settle().await;
    script.set_readiness(Readiness::error("no route"));
    let call = tokio::spawn(pool.call(()));
    settle().await;
    endpoint.gate().close(Reason::Health);
    tokio::time::sleep(200 * MS).await;
    assert!(
        endpoint
            .gate()
            .is_closed_for(Reason::Health, Timestamp::now())
    );
    script.set_readiness(Readiness::Ready);
    endpoint.gate().open(Reason::Health);
    assert_eq!(call.await.unwrap().unwrap(), "a");
}

/// An endpoint whose `poll_ready` panics is idle, and would draw the next call too.
#[tokio::test(start_paused = true)]
async fn an_endpoint_that_panics_in_poll_ready_is_left_alone_for_a_while() {
    let (a, b) = (Script::answering("a"), Script::answering("b"));
    a.set_readiness(Readiness::Panic);
    let scene = scripted([("a", &a), ("b", &b)]).await;
    assert!(tokio::spawn(scene.call()).await.unwrap_err().is_panic());
    assert_eq!(member(&scene.pool, "a").closed[0].reason, Reason::Readiness);
    assert_eq!(scene.call().await.unwrap(), "b");
    a.set_readiness(Readiness::Ready);
    tokio::time::advance(100 * MS).await;
    assert_eq!(scene.call().await.unwrap(), "a");
    assert_at_rest(&scene.pool);
}
