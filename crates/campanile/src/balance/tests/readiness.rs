use std::sync::Arc;

use tokio::{task::JoinSet, time::Instant};
use tower::{ServiceBuilder, limit::ConcurrencyLimit, util::BoxCloneService};

use super::*;
use crate::{
    endpoint::Reason,
    testing::{Permits, Readiness, ReadinessProbe, seeded},
};

#[tokio::test(start_paused = true)]
async fn only_the_instance_that_was_readied_is_called() {
    let scripts: Vec<_> = (0..5)
        .map(|i| Script::rule(move |call| Step::<_>::answer(i).after((call % 7) as u32 * MS)))
        .collect();
    let (members, discover) = crate::testing::discovery();
    let mut violations = Vec::new();
    for (i, script) in scripts.iter().enumerate() {
        let (probe, seen) = ReadinessProbe::recording(script.service());
        violations.push(seen);
        members.insert(i, probe.permits(Permits::new(3)));
    }
    let pool = BalanceLayer::bare(LeastLoaded::two_choices())
        .seed(1)
        .patience(60 * SEC)
        .layer(discover);
    settle().await;

    let mut rng = seeded(1);
    let mut calls = JoinSet::new();
    for _ in 0..2_000 {
        let mut pool = BoxCloneService::new(pool.clone());
        let (latest, repeats) = (rng.u32(1..60) * MS, rng.u32(1..4));
        calls.spawn(tokio::time::timeout(latest, async move {
            for _ in 0..repeats {
                let _ = ready(&mut pool).await?.call(()).await;
            }
            Ok::<_, BoxError>(())
        }));
        // Readiness comes and goes meanwhile, and errs.
        let readiness = match rng.u32(..8) {
            0 => Readiness::Pending,
            1 => Readiness::PendingFor(3 * MS),
            2 => Readiness::error("no route"),
            _ => Readiness::Ready,
        };
        scripts[rng.usize(..5)].set_readiness(readiness);
        tokio::time::sleep(MS / 4).await;
    }
    calls.join_all().await;
    assert!(
        scripts
            .iter()
            .map(|script| script.counts().calls)
            .sum::<u64>()
            > 500
    );
    for seen in violations {
        assert_eq!(seen.list(), []);
    }
    assert_at_rest(&pool);
}

#[tokio::test(start_paused = true)]
async fn idle_readied_clones_block_nobody() {
    let script = slow("a", 10 * MS);
    let permits = Permits::new(1);
    let (members, pool) = pool();
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    members.insert("a", probe);
    settle().await;

    let mut idle = vec![pool.clone(); 1_000];
    for clone in &mut idle {
        ready(clone).await.unwrap();
    }
    let copies = idle.clone();
    assert_eq!((permits.free(), permits.reserved()), (1, 0));
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(pool.clone().oneshot(()).await.unwrap(), "a");
    }
    assert_eq!(Instant::now() - start, 30 * MS);
    assert_eq!((permits.free(), permits.reserved()), (1, 0));
    drop((idle, copies));
    assert_at_rest(&pool);
}

#[tokio::test(start_paused = true)]
async fn idle_readied_clones_hold_no_permit_of_a_concurrency_limit() {
    let script = slow("a", 10 * MS);
    let (members, pool) = pool();
    members.insert("a", ConcurrencyLimit::new(script.service(), 1));
    settle().await;
    let mut idle = pool.clone();
    ready(&mut idle).await.unwrap();
    for _ in 0..3 {
        assert_eq!(pool.clone().oneshot(()).await.unwrap(), "a");
    }
    assert_eq!(idle.call(()).await.unwrap(), "a");
    assert_eq!(script.counts().calls, 4);
}

/// A router of weights lets one backend that is not ready block all.
#[tokio::test(start_paused = true)]
async fn a_member_that_is_not_ready_blocks_nobody() {
    let (stuck, well) = (Script::answering("stuck"), Script::answering("well"));
    stuck.set_readiness(Readiness::Pending);
    let scene = scripted([("a", &stuck), ("b", &well)]).await;
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(scene.call().await.unwrap(), "well");
    }
    assert_eq!(Instant::now(), start);
    assert_eq!(stuck.counts().calls, 0);
    stuck.set_readiness(Readiness::Ready);
    assert_eq!(scene.call().await.unwrap(), "stuck");
    assert_at_rest(&scene.pool);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_on_all_members_and_takes_the_first_that_is_ready() {
    let (late, soon) = (Script::answering("late"), Script::answering("soon"));
    late.set_readiness(Readiness::PendingFor(50 * MS));
    soon.set_readiness(Readiness::PendingFor(20 * MS));
    let scene = scripted([("a", &late), ("b", &soon)]).await;
    let start = Instant::now();
    assert_eq!(scene.call().await.unwrap(), "soon");
    assert_eq!(Instant::now() - start, 20 * MS);
    // The instance that it waited on is gone, one idle and the original are left.
    assert!(late.counts().services <= 2, "{:?}", late.counts());
    assert_at_rest(&scene.pool);
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_never_exceeded_and_everyone_is_served() {
    let scripts = ["a", "b"].map(|key| slow(key, 10 * MS));
    let (members, pool) = pool();
    for (key, script) in ["a", "b"].into_iter().zip(&scripts) {
        members.insert(key, ConcurrencyLimit::new(script.service(), 5));
    }
    settle().await;
    let start = Instant::now();
    let calls: JoinSet<_> = (0..100).map(|_| pool.clone().oneshot(())).collect();
    let answers = calls.join_all().await;
    assert!(answers.iter().all(Result::is_ok));
    // No permit lies idle while a call waits.
    assert_eq!(Instant::now() - start, 100 * MS);
    for script in &scripts {
        assert_eq!(script.counts().most_in_flight, 5);
        assert_eq!(script.counts().calls, 50);
    }
    assert_at_rest(&pool);
}

/// In a pool larger than its window a call polls some members only, and hears of the others when any call ends.
#[tokio::test(start_paused = true)]
async fn calls_of_a_pool_larger_than_the_window_are_all_served() {
    let script = slow("a", 10 * MS);
    let (members, discover) = crate::testing::discovery();
    let config = BalanceConfig {
        window: 2,
        patience: 60 * SEC,
        ..BalanceConfig::default()
    };
    let pool = BalanceLayer::bare(First)
        .config(config)
        .unwrap()
        .layer(discover);
    for key in 0..6 {
        members.insert(key, ConcurrencyLimit::new(script.service(), 1));
    }
    settle().await;
    let start = Instant::now();
    let calls: JoinSet<_> = (0..60).map(|_| pool.clone().oneshot(())).collect();
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    assert_eq!(script.counts().most_in_flight, 6);
    assert!(
        Instant::now() - start <= 200 * MS,
        "{:?}",
        Instant::now() - start
    );
    assert_at_rest(&pool);
}

/// The instance that was made ready is kept for the calls that follow.
#[tokio::test(start_paused = true)]
async fn a_member_that_connects_when_it_is_first_used_connects_once() {
    let script = Script::answering("a");
    script.set_readiness(Readiness::WarmsUp(30 * MS));
    let scene = scripted([("a", &script)]).await;
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(scene.call().await.unwrap(), "a");
        assert_eq!(Instant::now() - start, 30 * MS);
    }
    assert_at_rest(&scene.pool);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_on_a_service_which_is_replaced_goes_to_the_new_one() {
    let (hung, well) = (Script::answering("hung"), Script::answering("well"));
    hung.set_readiness(Readiness::Pending);
    let scene = scripted([("a", &hung)]).await;
    let call = tokio::spawn(scene.call());
    settle().await;
    let start = Instant::now();
    scene.members.insert("a", well.service());
    assert_eq!(call.await.unwrap().unwrap(), "well");
    assert_eq!(Instant::now(), start);
    settle().await;
    assert_eq!(hung.counts().services, 0);
    assert_at_rest(&scene.pool);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_closes_while_a_call_waits_on_it_is_not_called() {
    let script = Script::answering("a");
    script.set_readiness(Readiness::PendingFor(20 * MS));
    let endpoint = crate::Endpoint::new("a");
    let (members, discover) = crate::testing::discovery();
    let pool = BalanceLayer::bare(First).layer(discover);
    members.insert(endpoint.clone(), script.service());
    settle().await;
    let call = tokio::spawn(pool.clone().oneshot(()));
    tokio::time::sleep(10 * MS).await;
    endpoint.gate().close(Reason::Health);
    tokio::time::sleep(20 * MS).await;
    assert_eq!(script.counts().calls, 0);
    endpoint.gate().open(Reason::Health);
    assert_eq!(call.await.unwrap().unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn towers_layers_work_inside_the_endpoints_stack_and_outside() {
    let script = slow("a", 10 * MS);
    let (members, pool) = pool();
    let stack = ServiceBuilder::new()
        .load_shed()
        .buffer(8)
        .concurrency_limit(1)
        .timeout(SEC)
        .service(script.service());
    members.insert("a", stack);
    settle().await;
    let stack = ServiceBuilder::new()
        .load_shed()
        .buffer(8)
        .timeout(15 * MS)
        .concurrency_limit(4)
        .service(pool.clone());
    assert_eq!(stack.clone().oneshot(()).await.unwrap(), "a");
    // The second of two has to wait its turn, longer than the outer timeout.
    let (first, second) = tokio::join!(stack.clone().oneshot(()), stack.clone().oneshot(()));
    assert_eq!(first.unwrap(), "a");
    assert!(second.unwrap_err().is::<tower::timeout::error::Elapsed>());
    tokio::time::sleep(SEC).await;
    assert_at_rest(&pool);
    let outcomes = member(&pool, "a").outcomes;
    assert_eq!((outcomes.success, outcomes.cancelled), (2, 1));
}

/// A member that sheds load refuses in `call`, not in `poll_ready`.
#[tokio::test(start_paused = true)]
async fn an_idle_pool_over_a_load_shedder_sheds_nothing() {
    let script = slow("a", 10 * MS);
    let (members, pool) = pool();
    members.insert(
        "a",
        ServiceBuilder::new()
            .load_shed()
            .concurrency_limit(1)
            .service(script.service()),
    );
    settle().await;
    let mut idle = pool.clone();
    ready(&mut idle).await.unwrap();
    for _ in 0..5 {
        pool.clone().oneshot(()).await.unwrap();
    }
    let first = idle.call(());
    let (first, second) = tokio::join!(first, pool.clone().oneshot(()));
    assert!(first.is_ok());
    assert!(
        second
            .unwrap_err()
            .is::<tower::load_shed::error::Overloaded>()
    );
}

#[tokio::test(start_paused = true)]
async fn a_clone_of_a_waiting_clone_waits_for_itself() {
    let script = Script::answering("a");
    let (members, pool) = pool();
    let mut waits = pool.clone();
    let mut waiting = tokio_test::task::spawn(ready(&mut waits));
    assert!(waiting.poll().is_pending());
    tokio::time::sleep(500 * MS).await;
    let start = Instant::now();
    let later = tokio::spawn(pool.clone().oneshot(()));
    assert!(waiting.await.is_ok());
    members.insert("a", script.service());
    assert_eq!(later.await.unwrap().unwrap(), "a");
    assert_eq!(Instant::now() - start, 500 * MS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_on_many_threads_never_exceed_a_limit() {
    let script = Script::<_>::rule(|_| Step::answer("a"));
    let permits = Permits::new(2);
    let (members, discover) = crate::testing::discovery();
    let pool = BalanceLayer::bare(LeastLoaded::full_scan())
        .patience(600 * SEC)
        .layer(discover);
    for key in 0..3 {
        members.insert(
            key,
            ReadinessProbe::new(script.service()).permits(permits.clone()),
        );
    }
    let served = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let tasks: JoinSet<_> = (0..8)
        .map(|_| {
            let (pool, served) = (BoxCloneService::new(pool.clone()), Arc::clone(&served));
            async move {
                for _ in 0..500 {
                    assert_eq!(pool.clone().oneshot(()).await.unwrap(), "a");
                    tokio::task::yield_now().await;
                    served.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            }
        })
        .collect();
    tasks.join_all().await;
    assert_eq!(served.load(std::sync::atomic::Ordering::Relaxed), 4_000);
    assert!(script.counts().most_in_flight <= 2);
    assert_eq!(
        (permits.free(), permits.reserved(), permits.used()),
        (2, 0, 0)
    );
    assert_at_rest(&pool);
}
