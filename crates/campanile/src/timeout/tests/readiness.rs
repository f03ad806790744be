//! Time spent in `poll_ready`, and who calls whom.

use std::task::Poll;

use tokio_test::{assert_pending, assert_ready_ok, task};

use super::*;

/// "A 50 ms time limit does not cover readiness: the caller still waits after 1 s."
#[tokio::test(start_paused = true)]
async fn a_limit_of_50_ms_covers_readiness() {
    let script = Script::answering("done");
    script.set_readiness(Readiness::Pending);
    for config in [
        clocks().with_head(50 * MS),
        clocks().with_first_data(50 * MS),
        clocks().with_total(50 * MS),
    ] {
        let (answer, took) = taking(timed(&script, config).oneshot(())).await;
        assert_timed_out(&answer.unwrap_err(), Clock::Readiness);
        assert!((50 * MS..=51 * MS).contains(&took), "{took:?}");
    }
    assert_eq!(script.counts().calls, 0, "what is not ready is not called");
}

#[tokio::test(start_paused = true)]
async fn time_spent_until_ready_is_time_of_the_call() {
    let script = slow(30 * MS);
    script.set_readiness(Readiness::WarmsUp(30 * MS));
    let (answer, took) = taking(timed(&script, clocks().with_total(70 * MS)).oneshot(())).await;
    assert_eq!((answer.unwrap(), took), ("done", 60 * MS));

    let (answer, took) = taking(timed(&script, clocks().with_total(50 * MS)).oneshot(())).await;
    assert_timed_out(&answer.unwrap_err(), Clock::Total);
    assert!((50 * MS..=51 * MS).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn time_between_ready_and_call_is_not() {
    let script = slow(30 * MS);
    let mut service = timed(&script, clocks().with_total(50 * MS));
    script.set_readiness(Readiness::PendingFor(10 * MS));
    ready(&mut service).await.unwrap();
    tokio::time::sleep(SEC).await;
    assert_eq!(service.call(()).await.unwrap(), "done");
    // Each call has its own wait.
    let (answer, took) = taking(ready(&mut service).await.unwrap().call(())).await;
    assert_eq!((answer.unwrap(), took), ("done", 30 * MS));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_was_late_lives_on() {
    let script = Script::answering("done");
    script.set_readiness(Readiness::Pending);
    let mut service = timed(&script, clocks().with_head(50 * MS));
    for _ in 0..2 {
        let (answer, took) = taking(async { ready(&mut service).await?.call(()).await }).await;
        assert_timed_out(&answer.unwrap_err(), Clock::Readiness);
        assert!((50 * MS..=51 * MS).contains(&took), "{took:?}");
    }
    script.set_readiness(Readiness::Ready);
    assert_eq!(
        ready(&mut service).await.unwrap().call(()).await.unwrap(),
        "done"
    );
    // What becomes ready after it was late is called.
    script.set_readiness(Readiness::Pending);
    ready(&mut service).await.unwrap();
    script.set_readiness(Readiness::Ready);
    assert_eq!(
        ready(&mut service).await.unwrap().call(()).await.unwrap(),
        "done"
    );
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_was_left_waiting_begins_anew() {
    let script = slow(MS);
    script.set_readiness(Readiness::Pending);
    let mut service = timed(&script, clocks().with_total(50 * MS));
    {
        let mut ready = task::spawn(std::future::poll_fn(|cx| {
            Service::<()>::poll_ready(&mut service, cx)
        }));
        assert_pending!(ready.poll());
    }
    tokio::time::sleep(10 * SEC).await;
    let mut ready = task::spawn(std::future::poll_fn(|cx| {
        Service::<()>::poll_ready(&mut service, cx)
    }));
    assert_pending!(ready.poll());
    tokio::time::sleep(20 * MS).await;
    assert_pending!(ready.poll());
    script.set_readiness(Readiness::Ready);
    assert!(ready.is_woken());
    assert_ready_ok!(ready.poll());
    drop(ready);
    assert_eq!(service.call(()).await.unwrap(), "done");
}

#[tokio::test(start_paused = true)]
async fn readiness_can_be_left_alone() {
    let script = slow(30 * MS);
    script.set_readiness(Readiness::WarmsUp(10 * SEC));
    let config = clocks().with_total(50 * MS).with_readiness(false);
    let (answer, took) = taking(timed(&script, config).oneshot(())).await;
    assert_eq!((answer.unwrap(), took), ("done", 10 * SEC + 30 * MS));
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_on_the_begin_readiness_may_take_for_ever() {
    let script = slow(30 * MS);
    script.set_readiness(Readiness::WarmsUp(10_000 * SEC));
    let (answer, _) = taking(timed(&script, clocks().with_between_data(MS)).oneshot(())).await;
    assert_eq!(answer.unwrap(), "done");
}

#[tokio::test(start_paused = true)]
async fn only_what_was_readied_is_called_and_clones_hold_nothing() {
    let permits = Permits::new(1);
    let script = slow(MS);
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let mut service = TimeoutLayer::new(clocks().with_total(50 * MS))
        .unwrap()
        .layer(probe);
    for _ in 0..3 {
        ready(&mut service).await.unwrap();
        let clone = service.clone();
        assert_eq!((permits.reserved(), permits.used()), (1, 0));
        drop(clone);
        assert_eq!(service.call(()).await.unwrap(), "done");
        assert_eq!((permits.reserved(), permits.used()), (0, 0));
    }
    // Of two that want the one permit one is late, and takes nothing from the other.
    ready(&mut service).await.unwrap();
    let (answer, _) = taking(service.clone().oneshot(())).await;
    assert_timed_out(&answer.unwrap_err(), Clock::Readiness);
    assert_eq!(service.call(()).await.unwrap(), "done");
    assert_eq!(permits.free(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clone_of_one_that_waits_waits_for_itself() {
    let script = Script::answering("done");
    script.set_readiness(Readiness::Pending);
    let mut service = timed(&script, clocks().with_total(50 * MS));
    let mut ready = task::spawn(std::future::poll_fn(|cx| {
        Service::<()>::poll_ready(&mut service, cx)
    }));
    assert_pending!(ready.poll());
    tokio::time::sleep(40 * MS).await;
    drop(ready);
    let (answer, took) = taking(service.clone().oneshot(())).await;
    assert_timed_out(&answer.unwrap_err(), Clock::Readiness);
    assert!((50 * MS..=51 * MS).contains(&took), "{took:?}");
    // The original has waited for longer.
    let mut ready = task::spawn(std::future::poll_fn(|cx| {
        Service::<()>::poll_ready(&mut service, cx)
    }));
    assert!(matches!(ready.poll(), Poll::Ready(Ok(()))));
}
