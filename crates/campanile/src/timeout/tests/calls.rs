//! Calls whose answer is whole.

use tokio_test::{assert_pending, task};

use super::*;
use crate::outcome::{FailureKind, Outcome, classify_error};

#[tokio::test(start_paused = true)]
async fn a_call_that_is_quick_enough_is_left_alone() {
    let script = slow(99 * MS);
    let service = timed(&script, clocks().with_head(100 * MS).with_total(SEC));
    let (answer, took) = taking(service.oneshot(())).await;
    assert_eq!(answer.unwrap(), "done");
    assert_eq!(took, 99 * MS);
}

#[tokio::test(start_paused = true)]
async fn what_is_there_when_the_clock_runs_out_is_handed_on() {
    let script = slow(100 * MS);
    let answer = timed(&script, clocks().with_head(100 * MS)).oneshot(());
    assert_eq!(answer.await.unwrap(), "done");
}

#[tokio::test(start_paused = true)]
async fn each_clock_ends_a_call_that_takes_longer() {
    let script = Script::<&str>::new(Step::stall());
    for (config, clock) in [
        (clocks().with_head(50 * MS).with_total(SEC), Clock::Head),
        (
            clocks().with_first_data(50 * MS).with_head(SEC),
            Clock::FirstData,
        ),
        (clocks().with_total(50 * MS).with_head(SEC), Clock::Total),
    ] {
        let (answer, took) = taking(timed(&script, config).oneshot(())).await;
        assert_timed_out(&answer.unwrap_err(), clock);
        assert!((50 * MS..=51 * MS).contains(&took), "{clock}: {took:?}");
    }
    let counts = script.counts();
    assert_eq!((counts.cancelled, counts.in_flight), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn without_limits_a_call_may_take_for_ever() {
    let script = slow(1_000_000 * SEC);
    let (answer, took) = taking(timed(&script, clocks().with_between_data(MS)).oneshot(())).await;
    assert_eq!(answer.unwrap(), "done");
    assert_eq!(took, 1_000_000 * SEC);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_tightens_the_clocks() {
    let script = Script::<&str>::new(Step::stall());
    let layer = TimeoutLayer::new(clocks().with_head(SEC)).unwrap().calls();
    let (answer, took) = taking(layer.layer(script.service()).oneshot(call_within(20 * MS))).await;
    assert_timed_out(&answer.unwrap_err(), Clock::Deadline);
    assert!((20 * MS..=21 * MS).contains(&took), "{took:?}");

    // And does not loosen them.
    let (answer, took) = taking(layer.layer(script.service()).oneshot(call_within(60 * SEC))).await;
    assert_timed_out(&answer.unwrap_err(), Clock::Head);
    assert!((SEC..=SEC + MS).contains(&took), "{took:?}");

    // It is enough by itself.
    let layer = TimeoutLayer::new(clocks()).unwrap().calls();
    let (answer, _) = taking(layer.layer(script.service()).oneshot(call_within(20 * MS))).await;
    assert_timed_out(&answer.unwrap_err(), Clock::Deadline);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_has_passed_is_not_sent() {
    let script = Script::answering("done");
    let layer = TimeoutLayer::new(clocks()).unwrap().calls();
    let error = layer
        .layer(script.service())
        .oneshot(call_within(Duration::ZERO))
        .await
        .unwrap_err();
    assert_eq!(rejection(&error).kind(), RejectionKind::DeadlineExceeded);
    assert_eq!(rejection(&error).layer(), Clock::Deadline.layer());
    assert_eq!(script.counts().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn time_before_the_first_poll_counts() {
    let script = slow(100 * MS);
    let mut service = timed(&script, clocks().with_total(80 * MS));
    let call = ready(&mut service).await.unwrap().call(());
    tokio::time::sleep(70 * MS).await;
    let (answer, took) = taking(call).await;
    assert_timed_out(&answer.unwrap_err(), Clock::Total);
    assert!((10 * MS..=11 * MS).contains(&took), "{took:?}");
}

/// There is no runtime here, so a timer could not be made.
#[test]
fn a_call_that_is_answered_at_once_arms_no_timer() {
    let mut service = TimeoutLayer::new(clocks().with_head(SEC).with_total(SEC))
        .unwrap()
        .layer(tower::service_fn(|number: u32| async move {
            Ok::<_, BoxError>(number)
        }));
    let mut ready = task::spawn(std::future::poll_fn(|cx| service.poll_ready(cx)));
    assert!(ready.poll().is_ready());
    drop(ready);
    let mut call = task::spawn(service.call(7));
    assert!(matches!(call.poll(), std::task::Poll::Ready(Ok(7))));
}

#[tokio::test(start_paused = true)]
async fn the_inner_call_is_dropped_before_its_end_is_told() {
    let permits = Permits::new(1);
    let script = Script::<&str>::new(Step::stall());
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let mut service = TimeoutLayer::new(clocks().with_head(MS))
        .unwrap()
        .layer(probe);
    let mut call = task::spawn(ready(&mut service).await.unwrap().call(()));
    assert_pending!(call.poll());
    assert_eq!(permits.used(), 1);
    tokio::time::sleep(2 * MS).await;
    assert!(call.is_woken(), "by the clock");
    assert!(call.poll().is_ready());
    // The future is still there.
    assert_eq!((permits.used(), permits.free()), (0, 1));
    assert_eq!(script.counts().cancelled, 1);
}

/// Whatever eats up the task's cooperative budget cannot outlast its clock.
#[tokio::test(start_paused = true)]
async fn a_future_that_always_has_something_to_do_is_stopped() {
    let service = tower::service_fn(|_: ()| async {
        loop {
            tokio::task::consume_budget().await;
            // Some time passes.
            if tokio::task::coop::has_budget_remaining() {
                continue;
            }
            tokio::time::advance(MS).await;
        }
        #[allow(unreachable_code)] // names the type
        Ok::<(), BoxError>(())
    });
    let layer = TimeoutLayer::new(clocks().with_total(20 * MS)).unwrap();
    let (answer, took) = taking(layer.layer(service).oneshot(())).await;
    assert_timed_out(&answer.unwrap_err(), Clock::Total);
    assert!(took < SEC, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_service_pass_through() {
    let script = Script::<&str>::new(Step::error("out of luck").after(MS));
    let error = timed(&script, clocks().with_head(SEC))
        .oneshot(())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "out of luck");
    script.set_readiness(Readiness::error("dead"));
    let error = timed(&script, clocks().with_head(SEC))
        .oneshot(())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "dead");
}

#[test]
fn a_call_that_timed_out_is_a_failure_of_its_endpoint() {
    let error: BoxError = Clock::Head.rejection().into();
    assert_eq!(
        classify_error(&error),
        Outcome::Failure(FailureKind::Timeout)
    );
}

#[tokio::test(start_paused = true)]
async fn it_can_be_spawned_over_a_boxed_error() {
    async fn handle(number: u32) -> Result<u32, BoxError> {
        tokio::time::sleep(MS).await;
        Ok(number)
    }
    let service = TimeoutLayer::new(clocks().with_head(SEC))
        .unwrap()
        .layer(tower::service_fn(async |number: u32| handle(number).await));
    let spawned = tokio::spawn(async move { service.oneshot(7).await });
    assert_eq!(spawned.await.unwrap().unwrap(), 7);

    let service = TimeoutLayer::new(clocks().with_head(SEC))
        .unwrap()
        .calls()
        .layer(tower::service_fn(async |call: Call<u32>| {
            handle(call.message).await
        }));
    let spawned = tokio::spawn(service.oneshot(Call::new(7)));
    assert_eq!(spawned.await.unwrap().unwrap(), 7);
}

#[test]
fn it_is_send_sync_and_clone() {
    fn check<T: Send + Sync + Clone + 'static>(_: &T) {}
    let layer = TimeoutLayer::new(clocks()).unwrap();
    check(&layer);
    check(&layer.layer(Script::answering("done").service()));
    check(&layer.streaming().counting(SseData::new()));
}

/// An error of one's own needs no more than a `From<Rejection>`.
#[tokio::test(start_paused = true)]
async fn it_works_with_an_error_of_ones_own() {
    #[derive(Debug, PartialEq)]
    struct Own(Rejection);

    impl From<Rejection> for Own {
        fn from(rejection: Rejection) -> Self {
            Self(rejection)
        }
    }

    let service = TimeoutLayer::new(clocks().with_head(MS))
        .unwrap()
        .layer(tower::service_fn(|_: ()| async {
            std::future::pending::<Result<Infallible, Own>>().await
        }));
    let error = service.oneshot(()).await.unwrap_err();
    assert_eq!(error, Own(Clock::Head.rejection()));
}

#[test]
fn what_it_is_made_of_can_be_shown() {
    let layer = TimeoutLayer::new(clocks().with_head(SEC)).unwrap();
    assert!(format!("{layer:?}").contains("head: Some(1s)"));
    let service = layer.layer(Script::answering("done").service());
    assert!(format!("{service:?}").contains("waiting: false"));
}
