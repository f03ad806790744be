use crate::protocol::Enveloped;
use crate::protocol::Streaming;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use tower::limit::ConcurrencyLimit;

use super::*;
use crate::{
    Call, Context,
    testing::{Permits, Readiness, ReadinessProbe, seeded},
};

/// Before it is ready, in flight, within the body: whenever a call is dropped, everything is given back.
#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_cancelled_calls_leave_every_count_at_zero() {
    const CALLS: u64 = 100_000;
    const WIDTH: u64 = 250;
    let (scripts, permits, pool, members) = crowd();
    settle().await;
    let mut rng = seeded(100_000);
    let mut ended = [0_u64; 2];
    for round in 0..CALLS / WIDTH {
        // Members are not ready, or fail, or come and go.
        let script = &scripts[rng.usize(..scripts.len())];
        script.set_readiness(match rng.u32(..6) {
            0 => Readiness::Pending,
            1 => Readiness::PendingFor(rng.u32(1..10) * MS),
            2 => Readiness::error("no route"),
            _ => Readiness::Ready,
        });
        if round % 10 == 0 {
            let key = rng.usize(..scripts.len());
            members.remove(KEYS[key]);
            members.insert(KEYS[key], stack(&scripts[key], &permits[key]));
        }
        let mut calls = JoinSet::new();
        for _ in 0..WIDTH {
            let pool = pool.clone();
            let request = Call {
                context: Context::new().with_cost(Cost::tokens(rng.u64(1..1_000))),
                message: (),
            };
            // Half of them before the pool has them in flight.
            let patience = Duration::from_micros(if rng.bool() {
                rng.u64(..2_000)
            } else {
                rng.u64(..60_000)
            });
            let read = async move {
                use futures_util::StreamExt;
                let answer = timeout_at(Instant::now() + patience, async move {
                    let Ok(mut answer) = pool.oneshot(request).await else {
                        return;
                    };
                    while let Some(Ok(_)) = answer.next().await {}
                });
                answer.await.is_ok()
            };
            calls.spawn(read);
        }
        for whole in calls.join_all().await {
            ended[usize::from(whole)] += 1;
        }
    }
    assert_eq!(ended[0] + ended[1], CALLS);
    assert!(ended.iter().all(|count| *count > 1_000), "{ended:?}");
    for script in &scripts {
        script.set_readiness(Readiness::Ready);
    }
    tokio::time::sleep(60 * SEC).await;
    assert_at_rest(&pool);
    for (script, permits) in scripts.iter().zip(&permits) {
        let counts = script.counts();
        assert_eq!(counts.in_flight, 0);
        assert!(counts.cancelled > 100, "{counts:?}");
        // The original, and what is kept idle for each thread.
        assert!(counts.services <= 2, "{counts:?}");
        assert_eq!((permits.reserved(), permits.used()), (0, 0));
    }
    // Everything still works.
    assert!(pool.clone().oneshot(Call::new(())).await.is_ok());
    drop(pool);
    settle().await;
    for script in &scripts {
        assert_eq!(script.counts().services, 0);
    }
}

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

type Answer = crate::testing::ScriptStream<u8>;
type Stack = ConcurrencyLimit<ReadinessProbe<Scripted<Answer>>>;

fn stack(script: &Script<Answer>, permits: &Permits) -> Stack {
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    ConcurrencyLimit::new(probe, 20)
}

#[allow(clippy::type_complexity)] // four things of one test, once
fn crowd() -> (
    Vec<Script<Answer>>,
    Vec<Permits>,
    Balance<Stack, LeastLoaded, Enveloped<Streaming>>,
    Members<Stack>,
) {
    let answer = |call: u64| {
        let latency = (call % 13) as u32 * MS;
        let pieces = Answer::new()
            .piece(1)
            .pause((call % 7) as u32 * MS)
            .piece(2);
        match call % 20 {
            0 => Step::error("out of luck"),
            1 => Step::stall(),
            2 => Step::answer(pieces.cut("reset")),
            3 => Step::answer(pieces.stall()),
            _ => Step::answer(pieces),
        }
        .after(latency)
    };
    let (members, discover) = crate::testing::discovery();
    let scripts: Vec<_> = KEYS.map(|_| Script::rule(answer)).into();
    let permits: Vec<_> = KEYS.map(|_| Permits::new(15)).into();
    for (key, (script, permits)) in KEYS.into_iter().zip(scripts.iter().zip(&permits)) {
        members.insert(key, stack(script, permits));
    }
    let pool = BalanceLayer::bare(LeastLoaded::two_choices())
        .protocol(Enveloped::new(Streaming::default()))
        .seed(7)
        .layer(discover);
    (scripts, permits, pool, members)
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_is_neither_success_nor_failure_and_leaves_no_latency() {
    let script = Script::new(Step::stall());
    let scene = scripted([("a", &script)]).await;
    for _ in 0..10 {
        assert!(timeout(50 * MS, scene.call()).await.is_err());
    }
    let a = member(&scene.pool, "a");
    assert_eq!(
        (a.outcomes.cancelled, a.outcomes.success, a.outcomes.failure),
        (10, 0, 0)
    );
    assert_eq!(a.latency, crate::endpoint::LatencySnapshot::default());
    assert_eq!(script.counts().cancelled, 10);
    assert_at_rest(&scene.pool);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_before_it_is_polled_counts_as_cancelled() {
    let script = Script::answering("a");
    let scene = scripted([("a", &script)]).await;
    let mut pool = scene.pool.clone();
    drop(pool.call(()));
    assert_eq!(member(&pool, "a").outcomes.cancelled, 1);
    assert_at_rest(&pool);
}

/// The place in an endpoint's queue that a waiting call had goes to the next.
#[tokio::test(start_paused = true)]
async fn a_waiting_call_that_is_dropped_passes_its_place_on() {
    let script = slow("a", 10 * MS);
    let (members, pool) = pool();
    members.insert("a", ConcurrencyLimit::new(script.service(), 1));
    settle().await;
    let first = tokio::spawn(pool.clone().oneshot(()));
    settle().await;
    let second = tokio::spawn(pool.clone().oneshot(()));
    settle().await;
    let third = tokio::spawn(pool.clone().oneshot(()));
    settle().await;
    let start = Instant::now();
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    first.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
    assert_eq!(Instant::now() - start, 20 * MS);
    assert_eq!(script.counts().calls, 2);
    assert_at_rest(&pool);
}

/// A future that nobody polls holds no place in an endpoint's queue.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_polled_blocks_nobody() {
    let script = slow("a", 10 * MS);
    let (members, mut pool) = pool();
    members.insert("a", ConcurrencyLimit::new(script.service(), 1));
    settle().await;
    let first = tokio::spawn(pool.clone().oneshot(()));
    settle().await;
    let never_polled = pool.call(());
    let third = tokio::spawn(pool.clone().oneshot(()));
    first.await.unwrap().unwrap();
    assert_eq!(third.await.unwrap().unwrap(), "a");
    drop(never_polled);
    assert_at_rest(&pool);
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_cancelled_while_nothing_is_ready_leave_no_waiters() {
    let script = Script::answering("a");
    script.set_readiness(Readiness::Pending);
    let scene = scripted([("a", &script)]).await;
    let calls: JoinSet<_> = (0..500).map(|_| timeout(100 * MS, scene.call())).collect();
    assert!(calls.join_all().await.iter().all(Result::is_err));
    assert_at_rest(&scene.pool);
    assert!(script.counts().services <= 2, "{:?}", script.counts());
    assert_eq!(script.counts().calls, 0);
}

/// On real threads, so that calls end, are dropped and begin at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_aborted_on_many_threads_leave_every_count_at_zero() {
    let script = Script::<_>::rule(|call| match call % 4 {
        0 => Step::stall(),
        1 => Step::error("out of luck"),
        _ => Step::answer("a"),
    });
    let (members, discover) = crate::testing::discovery();
    let permits = Permits::new(4);
    for key in 0..3 {
        let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
        members.insert(key, ConcurrencyLimit::new(probe, 2));
    }
    let pool = BalanceLayer::bare(LeastLoaded::two_choices())
        .patience(600 * SEC)
        .layer(discover);
    let mut rng = seeded(11);
    for _ in 0..2_000 {
        let calls: Vec<_> = (0..10)
            .map(|_| tokio::spawn(pool.clone().oneshot(())))
            .collect();
        for _ in 0..rng.usize(..20) {
            tokio::task::yield_now().await;
        }
        for call in calls {
            call.abort();
            match call.await {
                Ok(_) => {}
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
        }
    }
    assert_at_rest(&pool);
    assert_eq!(
        (permits.free(), permits.reserved(), permits.used()),
        (4, 0, 0)
    );
    let counts = script.counts();
    assert_eq!((counts.in_flight, counts.panicked), (0, 0));
    assert!(counts.cancelled > 0 && counts.finished > 0, "{counts:?}");
    let outcomes = pool
        .snapshot()
        .members
        .into_iter()
        .map(|member| member.endpoint.outcomes);
    let ended: u64 = outcomes.map(|o| o.success + o.failure + o.cancelled).sum();
    assert_eq!(ended, counts.calls);
}
