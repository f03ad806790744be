use crate::protocol::Enveloped;
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};

use super::*;
use crate::{Call, Context, Endpoint, endpoint::Reason, testing::Readiness, time::Timestamp};

/// A pool of members whose gates a test holds.
async fn gated<const N: usize>(
    keys: [&'static str; N],
) -> (Gated, [Endpoint; N], Script<&'static str>) {
    let script = Script::answering("well");
    let (members, discover) = crate::testing::discovery();
    let pool = BalanceLayer::bare(First).layer(discover);
    let endpoints = keys.map(Endpoint::new);
    for endpoint in &endpoints {
        members.insert(endpoint.clone(), script.service());
    }
    settle().await;
    (pool, endpoints, script)
}

type Gated = Pool<Scripted<&'static str>>;

fn close_for(endpoint: &Endpoint, reason: Reason, time: Duration) {
    endpoint
        .gate()
        .close_until(reason, Timestamp::now().after(time));
}

#[tokio::test(start_paused = true)]
async fn an_empty_pool_refuses_once_patience_is_over() {
    let (_members, pool) = pool::<Scripted<&str>>();
    let start = Instant::now();
    assert_rejected(pool.clone().oneshot(()).await, RejectionKind::Empty);
    // Not once in `poll_ready` and once more in `call`.
    assert_eq!(Instant::now() - start, SEC);
    assert_at_rest(&pool);
}

#[tokio::test(start_paused = true)]
async fn no_patience_refuses_at_once() {
    let (_members, discover) = crate::testing::discovery::<&str, Scripted<&str>>();
    let pool = BalanceLayer::bare(First)
        .patience(Duration::ZERO)
        .layer(discover);
    let start = Instant::now();
    assert_rejected(pool.clone().oneshot(()).await, RejectionKind::Empty);
    assert_eq!(Instant::now(), start);
    assert_at_rest(&pool);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_arrives_wakes_calls_and_readiness() {
    let (members, pool) = pool();
    let mut by_call = pool.clone();
    let mut by_ready = pool.clone();
    let mut ready = task::spawn(ready(&mut by_ready));
    let mut call = task::spawn(by_call.call(()));
    assert_pending!(ready.poll());
    assert_pending!(call.poll());
    settle().await;
    assert!(!ready.is_woken() && !call.is_woken());
    members.insert("a", Script::answering("well").service());
    settle().await;
    assert!(ready.is_woken() && call.is_woken());
    assert!(assert_ready!(ready.poll()).is_ok());
    assert_eq!(assert_ready!(call.poll()).unwrap(), "well");
    drop(ready);
    assert_at_rest(&pool);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_opens_too_late_refuses_at_once_and_says_when() {
    let (pool, [a, b], script) = gated(["a", "b"]).await;
    // The later of one member's reasons, the earlier of two members.
    close_for(&a, Reason::Breaker, 30 * SEC);
    close_for(&a, Reason::Quota, 20 * SEC);
    close_for(&b, Reason::Quota, 60 * SEC);
    let start = Instant::now();
    let refused = assert_rejected(pool.clone().oneshot(()).await, RejectionKind::Unavailable);
    assert_eq!(refused.retry_after(), Some(30 * SEC));
    assert_eq!(Instant::now(), start);
    assert_eq!(script.counts().calls, 0);
    assert_at_rest(&pool);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_nobody_knows_to_open_is_waited_for() {
    let (pool, [a], _) = gated(["a"]).await;
    a.gate().close(Reason::Disabled);
    let start = Instant::now();
    let refused = assert_rejected(pool.clone().oneshot(()).await, RejectionKind::Unavailable);
    assert_eq!(refused.retry_after(), None);
    assert_eq!(Instant::now() - start, SEC);
    assert_at_rest(&pool);
}

/// Somebody may open it at any time, so the call waits; what is known is said in the end.
#[tokio::test(start_paused = true)]
async fn a_pool_that_may_open_at_any_time_is_waited_for() {
    let (pool, [a, b], _) = gated(["a", "b"]).await;
    a.gate().close(Reason::Disabled);
    close_for(&b, Reason::Quota, 60 * SEC);
    let start = Instant::now();
    let refused = assert_rejected(pool.clone().oneshot(()).await, RejectionKind::Unavailable);
    assert_eq!(Instant::now() - start, SEC);
    assert_eq!(refused.retry_after(), Some(59 * SEC));
    let call = tokio::spawn(pool.clone().oneshot(()));
    tokio::time::sleep(500 * MS).await;
    a.gate().open(Reason::Disabled);
    assert_eq!(call.await.unwrap().unwrap(), "well");
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_opens_wakes_calls_and_readiness() {
    let (pool, [a, b], _) = gated(["a", "b"]).await;
    a.gate().close(Reason::Health);
    a.gate().close(Reason::Breaker);
    b.gate().close(Reason::Health);
    let mut by_call = pool.clone();
    let mut by_ready = pool.clone();
    let mut ready = task::spawn(ready(&mut by_ready));
    let mut call = task::spawn(by_call.call(()));
    assert_pending!(ready.poll());
    assert_pending!(call.poll());
    // One reason of two frees nobody.
    a.gate().open(Reason::Health);
    assert_pending!(ready.poll());
    assert_pending!(call.poll());
    a.gate().open(Reason::Breaker);
    assert!(ready.is_woken() && call.is_woken());
    assert!(assert_ready!(ready.poll()).is_ok());
    assert_eq!(assert_ready!(call.poll()).unwrap(), "well");
}

#[tokio::test(start_paused = true)]
async fn a_timed_gate_opens_by_itself() {
    let (pool, [a, b], _) = gated(["a", "b"]).await;
    close_for(&a, Reason::Quota, 700 * MS);
    close_for(&b, Reason::Quota, 300 * MS);
    let start = Instant::now();
    let mut waits_in_call = pool.clone();
    let (first, second) = tokio::join!(pool.clone().oneshot(()), waits_in_call.call(()));
    assert_eq!((first.unwrap(), second.unwrap()), ("well", "well"));
    assert_eq!(Instant::now() - start, 300 * MS);
    assert_eq!(member(&pool, "b").outcomes.success, 2);
    assert_at_rest(&pool);
}

#[tokio::test(start_paused = true)]
async fn a_gate_whose_time_moves_nearer_is_followed() {
    let (pool, [a], _) = gated(["a"]).await;
    close_for(&a, Reason::Quota, 900 * MS);
    let start = Instant::now();
    let call = tokio::spawn(pool.clone().oneshot(()));
    settle().await;
    close_for(&a, Reason::Quota, 200 * MS);
    assert_eq!(call.await.unwrap().unwrap(), "well");
    assert_eq!(Instant::now() - start, 200 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_gate_whose_time_moves_away_ends_the_wait() {
    let (pool, [a], _) = gated(["a"]).await;
    close_for(&a, Reason::Quota, 500 * MS);
    let start = Instant::now();
    let call = tokio::spawn(pool.clone().oneshot(()));
    settle().await;
    close_for(&a, Reason::Quota, 5 * SEC);
    let refused = assert_rejected(call.await.unwrap(), RejectionKind::Unavailable);
    // Seen at the latest when the earlier time came.
    assert!(Instant::now() - start <= 500 * MS);
    let waited = Instant::now() - start;
    assert_eq!(refused.retry_after(), Some(5 * SEC - waited));
}

#[tokio::test(start_paused = true)]
async fn members_that_do_not_become_ready_are_not_unavailable() {
    let script = Script::answering("never");
    script.set_readiness(Readiness::Pending);
    let scene = scripted([("a", &script)]).await;
    let start = Instant::now();
    assert_rejected(scene.call().await, RejectionKind::NotReady);
    assert_eq!(Instant::now() - start, SEC);
    // The one that is cloned, at most one that is idle, and none of the call that was refused.
    assert!(script.counts().services <= 2, "{:?}", script.counts());
    assert_at_rest(&scene.pool);
}

fn due(at: Instant) -> Call<()> {
    Call {
        context: Context::new().with_deadline(at),
        message: (),
    }
}

async fn enveloped(
    script: &Script<&'static str>,
) -> Balance<Scripted<&'static str>, First, Enveloped> {
    let (members, discover) = crate::testing::discovery();
    members.insert("a", script.service());
    members.end();
    let pool = BalanceLayer::bare(First)
        .protocol(Enveloped::default())
        .layer(discover);
    settle().await;
    pool
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_before_patience_does() {
    let script = Script::answering("late");
    script.set_readiness(Readiness::Pending);
    let pool = enveloped(&script).await;
    let start = Instant::now();
    let refused = pool.clone().oneshot(due(start + 200 * MS)).await;
    assert_rejected(refused, RejectionKind::DeadlineExceeded);
    assert_eq!(Instant::now() - start, 200 * MS);
    assert_rejected(
        pool.clone().oneshot(due(start + 60 * SEC)).await,
        RejectionKind::NotReady,
    );
    assert_eq!(Instant::now() - start, 200 * MS + SEC);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_is_over_is_sent_nowhere() {
    let script = Script::answering("late");
    let pool = enveloped(&script).await;
    tokio::time::sleep(SEC).await;
    let start = Instant::now();
    for deadline in [start, start - 100 * MS] {
        assert_rejected(
            pool.clone().oneshot(due(deadline)).await,
            RejectionKind::DeadlineExceeded,
        );
    }
    assert_eq!(Instant::now(), start);
    assert_eq!(script.counts().calls, 0);
    assert_eq!(pool.clone().oneshot(due(start + MS)).await.unwrap(), "late");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_opens_after_the_deadline_is_not_waited_for() {
    let script = Script::answering("late");
    let (members, discover) = crate::testing::discovery();
    let endpoint = Endpoint::new("a");
    members.insert(endpoint.clone(), script.service());
    let mut pool = BalanceLayer::bare(First)
        .protocol(Enveloped::default())
        .layer(discover);
    settle().await;
    close_for(&endpoint, Reason::Quota, 500 * MS);
    let start = Instant::now();
    let refused = assert_rejected(
        pool.call(due(start + 100 * MS)).await,
        RejectionKind::Unavailable,
    );
    assert_eq!(refused.retry_after(), Some(500 * MS));
    assert_eq!(Instant::now(), start);
}

#[tokio::test(start_paused = true)]
async fn a_clone_readied_long_ago_still_has_patience() {
    let (pool, [a], script) = gated(["a"]).await;
    close_for(&a, Reason::Quota, 5 * SEC);
    let mut readied = pool.clone();
    // Nobody can open in time: ready, so that the call can be refused.
    ready(&mut readied).await.unwrap();
    tokio::time::sleep(10 * SEC).await;
    script.set_readiness(Readiness::PendingFor(100 * MS));
    assert_eq!(readied.call(()).await.unwrap(), "well");
}

#[tokio::test(start_paused = true)]
async fn waits_that_are_dropped_leave_nothing() {
    let (pool, [a], _) = gated(["a"]).await;
    a.gate().close(Reason::Disabled);
    let mut clones = vec![pool.clone(); 100];
    let mut waits: Vec<_> = clones
        .iter_mut()
        .map(|clone| task::spawn(ready(clone)))
        .collect();
    assert!(waits.iter_mut().all(|wait| wait.poll().is_pending()));
    assert_eq!(pool.waiting(), (100, 0));
    drop(waits);
    drop(clones);
    assert_at_rest(&pool);
}

/// No wake-up is lost between a call that begins to wait and a gate that opens on another thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gates_that_open_on_another_thread_wake_every_call() {
    let (members, discover) = crate::testing::discovery();
    let script = Script::answering("well");
    let endpoints = ["a", "b"].map(Endpoint::new);
    for endpoint in &endpoints {
        members.insert(endpoint.clone(), script.service());
    }
    let pool = BalanceLayer::bare(First)
        .patience(600 * SEC)
        .layer(discover);
    let toggling = tokio::spawn({
        let endpoints = endpoints.clone();
        async move {
            for round in 0..20_000 {
                let gate = endpoints[round % 2].gate();
                gate.close(Reason::Health);
                if round % 3 == 0 {
                    tokio::task::yield_now().await;
                }
                gate.open(Reason::Health);
            }
        }
    });
    let callers: tokio::task::JoinSet<_> = (0..4)
        .map(|_| {
            let pool = pool.clone();
            async move {
                for _ in 0..5_000 {
                    assert_eq!(pool.clone().oneshot(()).await.unwrap(), "well");
                }
            }
        })
        .collect();
    tokio::time::timeout(60 * SEC, callers.join_all())
        .await
        .expect("a wake-up was lost");
    toggling.await.unwrap();
    assert_at_rest(&pool);
}
