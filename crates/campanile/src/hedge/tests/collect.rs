use super::*;
use crate::collect::tests::Told;

#[tokio::test(start_paused = true)]
async fn it_tells_hedges_and_their_delay() {
    let script = Script::answering("well")
        .then(Step::stall())
        .then(Step::answer("well"));
    let hedges = HedgeHandle::with_budget(plain(), rich()).unwrap();
    let service = HedgeLayer::shared(&hedges).layer(script.service());
    let told = Told::by(&hedges);
    assert_eq!(told.get("hedge_sent"), 0.0);
    assert_eq!(told.get("hedge_delay_seconds"), 0.1);

    service.clone().oneshot(()).await.unwrap();
    let told = Told::by(&hedges);
    assert_eq!((told.get("hedge_sent"), told.get("hedge_won")), (1.0, 1.0));
}

#[tokio::test(start_paused = true)]
async fn it_tells_no_delay_that_it_has_not_learned() {
    let hedges = HedgeHandle::new(HedgeConfig::default()).unwrap();
    assert!(!Told::by(&hedges).has("hedge_delay_seconds"));
}

/// What is collected must not hold on to what it is collected of: it may outlive an endpoint that has left.
#[tokio::test(start_paused = true)]
async fn a_handle_keeps_no_service_alive() {
    let held = std::sync::Arc::new(());
    let inner = std::sync::Arc::clone(&held);
    let service = HedgeLayer::default().layer(tower::service_fn(move |(): ()| {
        let _ = &inner;
        async { Ok::<_, BoxError>(()) }
    }));
    let handle = service.handle();
    drop(service);
    assert_eq!(std::sync::Arc::strong_count(&held), 1);
    assert_eq!(handle.snapshot().hedged, 0);
}

#[tokio::test(start_paused = true)]
async fn services_that_share_a_handle_share_its_budget() {
    let config = plain().with_share(0.1);
    let hedges = HedgeHandle::new(config).unwrap();
    let layer = HedgeLayer::shared(&hedges).budget(rich());
    let (one, two) = (Script::answering("one"), Script::answering("two"));
    let (first, second) = (layer.layer(one.service()), layer.layer(two.service()));
    for _ in 0..5 {
        first.clone().oneshot(()).await.unwrap();
        second.clone().oneshot(()).await.unwrap();
    }
    assert_eq!(hedges.snapshot().budget.balance, 1.0, "ten calls earn one");
}
