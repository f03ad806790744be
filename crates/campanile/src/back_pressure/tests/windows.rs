//! When the rule decides, and what it moves.

use super::*;

#[tokio::test(start_paused = true)]
async fn errors_shrink_capacity_and_rate_together() {
    let scene = Scene::new();
    scene.calls(15, well()).await;
    scene.calls(5, broken()).await;
    assert_eq!(scene.latest(), None, "the window is not over");
    let decision = scene.close().await;
    assert_eq!(decision.verdict, Verdict::ShrinkForErrors);
    assert_eq!((decision.counts.calls, decision.counts.errors), (20, 5));
    assert_eq!(scene.dials(), (30.0, 40.0));
    let moved = |from, to| vec![Move { from, to }];
    assert_eq!(decision.capacities, moved(40.0, 30.0));
    assert_eq!(decision.rates, moved(80.0, 40.0));
}

#[tokio::test(start_paused = true)]
async fn latency_shrinks_them_too() {
    let scene = Scene::new();
    scene.calls(20, well().after(SEC * 31)).await;
    let decision = scene.judge().await;
    assert_eq!(
        (decision.verdict, decision.window),
        (Verdict::TooFew, 1),
        "no call had ended in time"
    );
    let decision = scene.close().await;
    assert_eq!(decision.verdict, Verdict::ShrinkForLatency);
    assert_eq!((decision.counts.slow, decision.counts.not_fast), (20, 20));
    assert_eq!(scene.dials(), (30.0, 40.0));
}

#[tokio::test(start_paused = true)]
async fn calls_that_go_well_grow_them() {
    let scene = Scene::new();
    scene.calls(20, well().after(SEC)).await;
    assert_eq!(scene.close().await.verdict, Verdict::Grow);
    assert_eq!(scene.dials(), (53.0, 100.0), "the owner's cap holds");
}

#[tokio::test(start_paused = true)]
async fn between_the_bounds_they_are_held() {
    let scene = Scene::new();
    scene.calls(18, well()).await;
    scene.calls(2, broken()).await;
    let decision = scene.close().await;
    assert_eq!(decision.verdict, Verdict::Hold, "10 % of errors");
    assert_eq!(decision.capacities, []);
    scene.calls(20, well().after(SEC * 6)).await;
    assert_eq!(scene.close().await.verdict, Verdict::Hold, "6 s");
    assert_eq!(scene.dials(), (40.0, 80.0));
}

#[tokio::test(start_paused = true)]
async fn too_few_calls_decide_nothing() {
    let scene = Scene::new();
    scene.calls(9, broken()).await;
    assert_eq!(scene.close().await.verdict, Verdict::TooFew);
    assert_eq!(scene.dials(), (40.0, 80.0));
    scene.calls(1, broken()).await;
    assert_eq!(
        scene.close().await.counts.calls,
        1,
        "those before are forgotten"
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_hour_is_one_window_that_holds() {
    let scene = Scene::new();
    scene.calls(20, broken()).await;
    assert_eq!(scene.close().await.window, 1);
    tokio::time::advance(SEC * 3600).await;
    let decision = scene.judge().await;
    assert_eq!((decision.window, decision.verdict), (2, Verdict::TooFew));
    assert_eq!(scene.dials(), (30.0, 40.0), "down until calls go well");
    scene.calls(20, well()).await;
    scene.close().await;
    assert_eq!(scene.dials(), (39.0, 50.0));
}

#[tokio::test(start_paused = true)]
async fn calls_longer_than_a_window_count_where_they_end() {
    let scene = Scene::with(config().with_minimum_calls(1));
    for _ in 0..4 {
        scene.calls(1, well().after(SEC * 40)).await;
    }
    assert_eq!(scene.close().await.verdict, Verdict::ShrinkForLatency);
    // Judged in pairs: the window of each call's end is judged when the next begins.
    assert!(scene.capacity.value() < 20.0, "{:?}", scene.dials());
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_does_not_count() {
    let scene = Scene::new();
    // Cancelled.
    scene.script.set(Step::stall());
    for _ in 0..20 {
        let call = scene.service.clone().oneshot(());
        assert!(tokio::time::timeout(MS, call).await.is_err());
    }
    // Refused by a layer within.
    scene
        .calls(
            20,
            Step::error_with(|| {
                crate::Rejection::new(crate::rejection::RejectionKind::ConcurrencyLimited, "test")
                    .into()
            }),
        )
        .await;
    // The request was at fault.
    let decision = scene.close().await;
    assert_eq!(decision.counts, Counts::default());
}

#[tokio::test(start_paused = true)]
async fn an_owner_of_whole_calls_is_never_stuck() {
    let scene = Scene::new();
    scene.capacity.set(1.0);
    for expected in [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0] {
        scene.calls(20, well()).await;
        scene.close().await;
        assert_eq!(scene.capacity.value(), expected);
    }
    scene.capacity.set(1.0);
    scene.calls(20, broken()).await;
    scene.close().await;
    assert_eq!(scene.capacity.value(), 1.0, "the owner's floor");
}

#[tokio::test(start_paused = true)]
async fn the_head_or_the_first_data_can_be_the_latency() {
    for signal in [Signal::Head, Signal::FirstData] {
        let scene = Scene::with(config().with_signal(signal));
        scene.calls(20, well().after(SEC * 31)).await;
        assert_eq!(
            scene.close().await.verdict,
            Verdict::ShrinkForLatency,
            "{signal:?}: a whole answer is its head"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_can_pause_it_and_change_it() {
    let scene = Scene::new();
    let handle = scene.service.handle();
    handle.pause();
    scene.calls(20, broken()).await;
    assert_eq!(scene.close().await.verdict, Verdict::Paused);
    assert!(handle.snapshot().paused);
    handle.resume();

    scene.calls(20, broken()).await;
    let wrong = handle.set_config(config().with_quantile(0.0)).unwrap_err();
    assert_eq!(wrong.field, "quantile");
    assert_eq!(handle.snapshot().counts.calls, 20, "nothing is changed");
    handle
        .set_config(config().with_window(SEC).with_cuts(0.5, 0.0))
        .unwrap();
    scene.calls(12, broken()).await;
    tokio::time::advance(SEC).await;
    let decision = scene.judge().await;
    assert_eq!(decision.counts.calls, 12, "the window begins anew");
    assert_eq!(scene.dials(), (20.0, 80.0));
}

#[tokio::test(start_paused = true)]
async fn a_dial_whose_owner_is_gone_is_let_go() {
    let scene = Scene::new();
    let handle = scene.service.handle();
    let other = Knob::whole(10.0);
    handle.add_capacity(other.clone());
    scene.capacity.gone.store(true, Ordering::Relaxed);
    scene.calls(20, broken()).await;
    let decision = scene.close().await;
    assert_eq!(decision.capacities.len(), 1);
    assert_eq!((scene.capacity.value(), other.value()), (40.0, 7.0));
    // The scene's, the test's: not the rule's.
    assert_eq!(Arc::strong_count(&scene.capacity), 1);
    assert_eq!(handle.snapshot().capacities, [7.0]);
}

/// Members of a pool come and go while nothing has to be decided.
#[test]
fn dials_whose_owners_are_gone_do_not_gather() {
    let handle = Scene::new().service.handle();
    for _ in 0..1_000 {
        let (capacity, rate) = (Knob::whole(10.0), Knob::real(10.0));
        handle.add_capacity(capacity.clone());
        handle.add_rate(rate.clone());
        for dial in [capacity, rate] {
            dial.gone.store(true, Ordering::Relaxed);
        }
    }
    let snapshot = handle.snapshot();
    assert_eq!(snapshot.capacities, [40.0, 10.0]);
    assert_eq!(snapshot.rates, [80.0, 10.0]);
}

#[tokio::test(start_paused = true)]
async fn every_decision_is_told() {
    let scene = Scene::new();
    let mut watch = scene.service.handle().watch();
    assert_eq!(*watch.borrow_and_update(), None);
    scene.calls(20, well()).await;
    scene.close().await;
    assert!(watch.has_changed().unwrap());
    let told = watch.borrow_and_update().clone().unwrap();
    assert_eq!((told.window, told.verdict), (1, Verdict::Grow));
    let text = serde_json::to_string(&scene.service.handle().snapshot()).unwrap();
    let read: BackPressureSnapshot = serde_json::from_str(&text).unwrap();
    assert_eq!(read.latest, Some(told));
    assert_eq!((read.capacities, read.rates), (vec![53.0], vec![100.0]));
}

#[tokio::test(start_paused = true)]
async fn one_handle_makes_one_rule_of_many_services() {
    let handle = BackPressureHandle::new(config()).unwrap();
    let knob = Knob::whole(40.0);
    let layer = BackPressureLayer::shared(&handle).capacity(knob.clone());
    let script = Script::answering("well");
    script.set(broken());
    for _ in 0..12 {
        let service = layer.layer(script.service());
        let _ = service.oneshot(()).await;
    }
    assert_eq!(handle.snapshot().counts.errors, 12);

    let apart = BackPressureLayer::new(config())
        .unwrap()
        .capacity(knob.clone());
    let (one, other) = (apart.layer(script.service()), apart.layer(script.service()));
    let _ = one.clone().oneshot(()).await;
    assert_eq!(one.handle().snapshot().counts.errors, 1);
    assert_eq!(other.handle().snapshot().counts.errors, 0);
}
