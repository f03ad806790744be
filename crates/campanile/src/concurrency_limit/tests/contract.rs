use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::task::JoinSet;
use tower::{service_fn, util::BoxCloneSyncService};

use super::*;
use crate::testing::{Permits, Readiness, ReadinessProbe, seeded};

#[tokio::test(start_paused = true)]
async fn only_the_instance_that_was_readied_is_called() {
    let script = Script::rule(|call| Step::<_>::answer("done").after((call % 7) as u32 * MS));
    let (probe, violations) = ReadinessProbe::recording(script.service());
    let config = ConcurrencyLimitConfig::fixed(3).waiting(1_000, 60 * SEC);
    let service = ConcurrencyLimitLayer::new(config)
        .unwrap()
        .layer(probe.permits(Permits::new(1_000)));
    let handle = service.handle();
    let mut rng = seeded(1);
    let mut calls = JoinSet::new();
    for _ in 0..500 {
        let mut service = BoxCloneSyncService::new(service.clone());
        let repeats = rng.u32(1..4);
        let latest = rng.u32(1..200) * MS;
        calls.spawn(tokio::time::timeout(latest, async move {
            for _ in 0..repeats {
                let _ = ready(&mut service).await?.call(()).await;
            }
            Ok::<_, BoxError>(())
        }));
        let readiness = match rng.u32(..8) {
            0 => Readiness::Pending,
            1 => Readiness::PendingFor(3 * MS),
            _ => Readiness::Ready,
        };
        script.set_readiness(readiness);
        tokio::time::sleep(MS / 2).await;
        assert!(script.counts().in_flight <= 3);
    }
    calls.join_all().await;
    assert!(script.counts().calls > 200);
    assert_eq!(script.counts().most_in_flight, 3);
    assert_eq!(violations.list(), []);
    assert_at_rest(&handle);
}

/// An idle clone of tower's `LoadShed` over a limit sheds with nothing in flight; an idle readied pool holds shared
/// permits.
#[tokio::test(start_paused = true)]
async fn an_idle_readied_clone_holds_no_permit() {
    let script = slow(10 * MS);
    let service = with(ConcurrencyLimitConfig::fixed(1).refusing(), &script);
    let handle = service.handle();
    let mut idle = vec![service.clone(); 100];
    for clone in &mut idle {
        ready(clone).await.unwrap();
    }
    let copies = idle.clone();
    assert_eq!(handle.in_use(), 0);
    for _ in 0..3 {
        assert_eq!(call(&service).await.unwrap(), "done");
    }
    assert_eq!(idle[7].call(()).await.unwrap(), "done");
    drop((idle, copies));
    assert_at_rest(&handle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn there_are_never_more_calls_than_the_limit() {
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, peak) = (Arc::clone(&inside), Arc::clone(&most));
    let inner = service_fn(move |()| {
        let (inside, most) = (Arc::clone(&counted), Arc::clone(&peak));
        async move {
            most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
            tokio::task::yield_now().await;
            inside.fetch_sub(1, SeqCst);
            Ok::<_, BoxError>(())
        }
    });
    let config = ConcurrencyLimitConfig::fixed(5).waiting(1_000, 60 * SEC);
    let service = ConcurrencyLimitLayer::new(config).unwrap().layer(inner);
    let handle = service.handle();
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let mut service = service.clone();
        tasks.spawn(async move {
            for _ in 0..100 {
                ready(&mut service).await.unwrap().call(()).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(most.load(SeqCst), 5);
    assert_at_rest(&handle);
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_service_pass_through() {
    let script = Script::new(Step::<&'static str>::error("broken"));
    let service = limited(1, &script);
    assert_eq!(call(&service).await.unwrap_err().to_string(), "broken");
    script.set_readiness(Readiness::error("no route"));
    let mut dead = service.clone();
    let error = ready(&mut dead).await.unwrap_err();
    assert_eq!(error.to_string(), "no route");
    assert_at_rest(&service.handle());
}

#[tokio::test(start_paused = true)]
async fn spawn_over_boxed_errors_compiles() {
    let config = ConcurrencyLimitConfig::fixed(1);
    let service = ConcurrencyLimitLayer::new(config)
        .unwrap()
        .layer(service_fn(|n: u32| async move { Ok::<_, BoxError>(n + 1) }));
    let handle = service.handle();
    let task = tokio::spawn(async move { service.oneshot(1).await });
    assert_eq!(task.await.unwrap().unwrap(), 2);
    assert_at_rest(&handle);
}

#[tokio::test(start_paused = true)]
async fn services_layers_and_handles_are_send_sync_and_clone() {
    fn check<T: Send + Sync + Clone + std::fmt::Debug>(value: T) -> T {
        value
    }
    let layer = check(ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::fixed(1)).unwrap());
    let script = slow(MS);
    let service = layer.layer(script.service());
    check(service.handle());
    check(service.handle().limit_dial());
    check(service.handle().ceiling_dial());
    let future = call(&service);
    fn send<T: Send>(_: &T) {}
    send(&future);
    // A service that can be cloned and shared as any other.
    let _: BoxCloneSyncService<(), &'static str, BoxError> = BoxCloneSyncService::new(service);
}

#[tokio::test(start_paused = true)]
async fn clones_share_a_limit_and_services_of_a_layer_do_not() {
    let script = stuck();
    let config = ConcurrencyLimitConfig::fixed(1).refusing();
    let layer = ConcurrencyLimitLayer::new(config).unwrap();
    let (one, other) = (layer.layer(script.service()), layer.layer(script.service()));
    let held = call(&one.clone());
    assert_eq!((one.handle().in_use(), other.handle().in_use()), (1, 0));
    drop(held);

    let handle = ConcurrencyLimitHandle::new(config).unwrap();
    let layer = ConcurrencyLimitLayer::shared(&handle);
    let (one, other) = (layer.layer(script.service()), layer.layer(script.service()));
    let held = call(&one);
    assert_rejected(call(&other).await, RejectionKind::ConcurrencyLimited);
    drop(held);
    assert_at_rest(&handle);
}
