//! Who must be ready, and when.

use tokio_test::{assert_pending, task};

use super::*;

/// "A fallback whose backup must be ready too: a sick fallback disables a healthy primary."
#[tokio::test(start_paused = true)]
async fn a_sick_fallback_disables_nobody() {
    let (primary, spare) = (Script::answering("first"), Script::answering("second"));
    for readiness in [
        Readiness::Pending,
        Readiness::error("dead"),
        Readiness::Panic,
    ] {
        spare.set_readiness(readiness);
        let service = FallbackLayer::to(spare.service()).layer(primary.service());
        assert_eq!(service.oneshot(()).await.unwrap(), "first");
    }
    assert_eq!(spare.counts().readiness_polls, 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_error_stands_when_the_other_service_cannot_be_made_ready() {
    let spare = Script::answering("second");
    let service = FallbackLayer::to(spare.service()).layer(failing().service());
    spare.set_readiness(Readiness::error("dead"));
    let error = service.clone().oneshot(()).await.unwrap_err();
    assert_eq!(error.to_string(), "out of luck");
    assert_eq!(spare.counts().calls, 0);

    // After a wait too.
    spare.set_readiness(Readiness::Pending);
    let mut call = task::spawn(service.oneshot(()));
    assert_pending!(call.poll());
    spare.set_readiness(Readiness::error("dead"));
    assert!(call.is_woken());
    let error = call.await.unwrap_err();
    assert_eq!(error.to_string(), "out of luck");
}

#[tokio::test(start_paused = true)]
async fn the_other_service_is_waited_for_within_the_call() {
    let spare = Script::answering("second");
    spare.set_readiness(Readiness::WarmsUp(50 * MS));
    let service =
        FallbackLayer::to(ReadinessProbe::new(spare.service())).layer(failing().service());
    let begin = Instant::now();
    assert_eq!(service.oneshot(()).await.unwrap(), "second");
    assert_eq!(Instant::now() - begin, 50 * MS);
}

#[tokio::test(start_paused = true)]
async fn readiness_is_that_of_the_first_service() {
    let primary = failing();
    let mut service = FallbackLayer::value("value").layer(primary.service());
    primary.set_readiness(Readiness::Pending);
    {
        let mut ready = task::spawn(ready(&mut service));
        assert_pending!(ready.poll());
        primary.set_readiness(Readiness::Ready);
        assert!(ready.is_woken());
    }
    primary.set_readiness(Readiness::error("dead"));
    let error = ready(&mut service).await.unwrap_err();
    assert_eq!(error.to_string(), "dead", "a dead service says so");
}

#[tokio::test(start_paused = true)]
async fn only_what_was_readied_is_called_and_clones_hold_nothing() {
    let permits = Permits::new(1);
    let probe = ReadinessProbe::new(failing().service()).permits(permits.clone());
    let mut service =
        FallbackLayer::to(ReadinessProbe::new(Script::answering("second").service())).layer(probe);
    for _ in 0..3 {
        ready(&mut service).await.unwrap();
        drop(service.clone());
        assert_eq!((permits.reserved(), permits.used()), (1, 0));
        assert_eq!(service.call(()).await.unwrap(), "second");
        assert_eq!((permits.reserved(), permits.used()), (0, 0));
    }
}
