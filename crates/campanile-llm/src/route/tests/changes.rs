use super::*;

/// A group whose answers wait until they are let through.
fn slow(gate: &Arc<tokio::sync::Semaphore>) -> Group {
    let gate = Arc::clone(gate);
    BoxCloneSyncService::new(tower::service_fn(move |_: Call<ChatRequest>| {
        let gate = Arc::clone(&gate);
        async move {
            let _permit = gate.acquire().await.unwrap();
            Ok("old".to_owned())
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn routes_change_while_calls_are_under_way() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let one = || RouterConfig::default().with_group("a", GroupConfig::models(["m"]));
    let router = Router::new(one(), [("a", slow(&gate))]).unwrap();
    let under_way = tokio::spawn(router.clone().oneshot(ask("m")));
    tokio::task::yield_now().await;
    let seen = Seen::default();
    let two = one().with_group("b", GroupConfig::models(["n"]));
    router
        .handle()
        .replace(Routes::new(two, [well("a", &seen), well("b", &seen)]).unwrap());
    assert_eq!(answer(&router, ask("m")).await.unwrap(), "a/m");
    assert_eq!(answer(&router, ask("n")).await.unwrap(), "b/n");
    assert_eq!(router.models(), ["m", "n"]);
    gate.add_permits(1);
    assert_eq!(under_way.await.unwrap().unwrap(), "old");
}

#[tokio::test(start_paused = true)]
async fn a_call_is_dropped_at_any_moment_and_gives_everything_back() {
    let limited = tower::ServiceBuilder::new()
        .layer(tower::limit::ConcurrencyLimitLayer::new(1))
        .service(tower::service_fn(async |_: Call<ChatRequest>| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, Error>("done".to_owned())
        }));
    let config = RouterConfig::default().with_group("a", GroupConfig::models(["m"]));
    let router = Router::new(config, [("a", limited)]).unwrap();
    for polls in 0..3 {
        let mut dropped = Box::pin(router.clone().oneshot(ask("m")));
        let mut waits = Box::pin(router.clone().oneshot(ask("m")));
        for _ in 0..polls {
            assert!(dropped.as_mut().now_or_never().is_none());
            assert!(waits.as_mut().now_or_never().is_none());
        }
        drop(dropped);
        drop(waits);
        let answered =
            tokio::time::timeout(Duration::from_secs(2), router.clone().oneshot(ask("m")));
        assert_eq!(answered.await.unwrap().unwrap(), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_can_be_spawned() {
    let seen = Seen::default();
    let config = RouterConfig::default().with_group("a", GroupConfig::models(["m"]));
    let router = Router::new(config, [well("a", &seen)]).unwrap();
    let spawned = tokio::spawn(async move {
        let answer = router.oneshot(ask("m")).await?;
        Ok::<_, campanile::BoxError>(answer)
    });
    assert_eq!(spawned.await.unwrap().unwrap(), "a/m");
}
