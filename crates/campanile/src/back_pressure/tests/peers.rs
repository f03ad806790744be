//! Failures of other limiters, which this one does not have.

use super::*;
use crate::{Rejection, rejection::RejectionKind};

#[tokio::test(start_paused = true)]
async fn eight_simultaneous_time_outs_are_one_step_down() {
    let scene = Scene::with(config().with_minimum_calls(1));
    scene.capacity.set(100.0);
    scene.calls(8, broken().after(SEC)).await;
    scene.close().await;
    assert_eq!(scene.capacity.value(), 75.0);
}

#[tokio::test(start_paused = true)]
async fn refusals_of_its_own_limiter_do_not_shrink_it() {
    for kind in [
        RejectionKind::RateLimited,
        RejectionKind::ConcurrencyLimited,
        RejectionKind::CircuitOpen,
        RejectionKind::Shed,
    ] {
        let scene = Scene::new();
        scene.calls(20, well()).await;
        let refusal = Step::error_with(move || Rejection::new(kind, "limit").into());
        scene.calls(1000, refusal).await;
        let decision = scene.close().await;
        assert_eq!(decision.verdict, Verdict::Grow, "{kind:?}");
        assert_eq!(decision.counts.calls, 20);
    }
    // In an error that is the rejection itself, as in one that is boxed.
    let capacity = Knob::whole(40.0);
    let service = BackPressureLayer::new(config())
        .unwrap()
        .capacity(capacity)
        .layer(tower::service_fn(|()| async {
            Err::<(), _>(Rejection::new(RejectionKind::Shed, "shed"))
        }));
    service.clone().oneshot(()).await.unwrap_err();
    assert_eq!(service.handle().snapshot().counts.calls, 0);
}

#[tokio::test(start_paused = true)]
async fn time_outs_of_a_layer_within_are_failures() {
    let scene = Scene::new();
    let late = Step::error_with(|| Rejection::new(RejectionKind::TimedOut, "timeout").into());
    scene.calls(20, late).await;
    assert_eq!(scene.close().await.verdict, Verdict::ShrinkForErrors);
}

#[tokio::test(start_paused = true)]
async fn fast_failures_do_not_look_fast() {
    let scene = Scene::with(config().with_error_rates(0.0, 0.6).with_window(SEC * 60));
    scene.calls(11, broken()).await;
    scene.calls(9, well().after(SEC * 31)).await;
    tokio::time::advance(SEC * 60).await;
    assert_eq!(
        scene.judge().await.verdict,
        Verdict::ShrinkForLatency,
        "the successes were slow"
    );
}

#[tokio::test(start_paused = true)]
async fn a_few_calls_that_hang_are_not_a_slow_service() {
    let scene = Scene::with(config().with_window(SEC * 1000));
    scene.calls(40, well().after(SEC)).await;
    scene.calls(10, well().after(SEC * 600)).await;
    tokio::time::advance(SEC * 1000).await;
    assert_eq!(
        scene.judge().await.verdict,
        Verdict::Grow,
        "a mean of 121 s"
    );
}
