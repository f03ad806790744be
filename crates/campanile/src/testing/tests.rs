use std::{
    panic::AssertUnwindSafe,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;
use tower::{Service, ServiceExt};

use super::*;
use crate::BoxError;

const MS: Duration = Duration::from_millis(1);

fn poll_ready<S: Service<()>>(service: &mut S) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn steps_come_in_order_and_take_their_time() {
    let script = Script::rule(|call| Step::<_>::answer(call).after(5 * MS))
        .then(Step::error("first").after(20 * MS));
    let start = Instant::now();
    assert_eq!(
        script.service().oneshot(()).await.unwrap_err().to_string(),
        "first"
    );
    assert_eq!(Instant::now() - start, 20 * MS);
    assert_eq!(script.service().oneshot(()).await.unwrap(), 1);
    assert_eq!(Instant::now() - start, 25 * MS);
    let counts = script.counts();
    assert_eq!((counts.calls, counts.finished, counts.services), (2, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn counts_in_flight_cancelled_panicked_and_clones() {
    let script = Script::<()>::new(Step::stall());
    let mut service = script.service();
    let other = service.clone();
    assert_eq!(script.counts().services, 2);
    let calls: Vec<_> = (0..3).map(|_| service.call(())).collect();
    assert_eq!(script.counts().in_flight, 3);
    drop((calls, other));
    script.set(Step::panic_in_poll());
    assert!(
        AssertUnwindSafe(service.call(()))
            .catch_unwind()
            .await
            .is_err()
    );
    script.set(Step::panic_in_call());
    let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| drop(service.call(())))).is_err();
    assert!(panicked);
    let counts = script.counts();
    assert_eq!(
        (counts.in_flight, counts.most_in_flight, counts.services),
        (0, 3, 1)
    );
    assert_eq!(counts.calls, 5);
    // A future that is dropped after the panic was caught cannot know of it.
    assert_eq!((counts.cancelled, counts.panicked), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn readiness_is_pending_for_a_while_and_wakes() {
    let script = Script::answering("hello");
    script.set_readiness(Readiness::PendingFor(30 * MS));
    let start = Instant::now();
    script.service().oneshot(()).await.unwrap();
    assert_eq!(Instant::now() - start, 30 * MS);

    script.set_readiness(Readiness::Pending);
    let waiting = tokio::spawn(script.service().oneshot(()));
    tokio::time::sleep(MS).await;
    assert!(!waiting.is_finished());
    script.set_readiness(Readiness::Ready);
    assert_eq!(waiting.await.unwrap().unwrap(), "hello");
}

#[tokio::test(start_paused = true)]
async fn each_instance_warms_up_for_itself() {
    let script = Script::answering("hello");
    script.set_readiness(Readiness::WarmsUp(30 * MS));
    let mut service = script.service();
    let start = Instant::now();
    for _ in 0..2 {
        ServiceExt::<()>::ready(&mut service).await.unwrap();
        assert_eq!(Instant::now() - start, 30 * MS);
    }
    assert!(poll_ready(&mut service.clone()).is_pending());
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_failed_is_dead_and_its_clone_is_not() {
    let script = Script::answering("hello");
    let mut service = script.service();
    script.set_readiness(Readiness::error("no route"));
    assert!(matches!(poll_ready(&mut service), Poll::Ready(Err(_))));
    script.set_readiness(Readiness::Ready);
    assert!(matches!(
        poll_ready(&mut service.clone()),
        Poll::Ready(Ok(()))
    ));
    assert!(std::panic::catch_unwind(AssertUnwindSafe(|| poll_ready(&mut service))).is_err());
}

#[tokio::test(start_paused = true)]
async fn the_probe_names_each_broken_rule() {
    let script = Script::answering("hello");
    let (mut probe, violations) = ReadinessProbe::recording(script.service());
    let _ = poll_ready(&mut probe);
    drop(probe.call(()));
    assert_eq!(violations.list(), []);
    drop(probe.call(()));
    let _ = poll_ready(&mut probe);
    drop(probe.clone().call(()));
    script.set_readiness(Readiness::error("no route"));
    let _ = poll_ready(&mut probe);
    drop(probe.call(()));
    assert_eq!(
        violations.list(),
        [
            Violation::CalledTwice,
            Violation::NotReadied,
            Violation::UsedAfterError
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn permits_pass_from_hand_to_hand() {
    let permits = Permits::new(1);
    let script = Script::<_>::new(Step::answer("hello").after(10 * MS));
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let mut first = probe.clone();
    assert!(poll_ready(&mut first).is_ready());
    assert!(poll_ready(&mut probe.clone()).is_pending());
    let second = tokio::spawn(probe.oneshot(()));
    let call = first.call(());
    assert_eq!(
        (permits.free(), permits.reserved(), permits.used()),
        (0, 0, 1)
    );
    call.await.unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(
        (permits.free(), permits.reserved(), permits.used()),
        (1, 0, 0)
    );
    assert_eq!(script.counts().most_in_flight, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_pauses_stalls_and_panics() {
    let start = Instant::now();
    let mut stream = ScriptStream::new().piece(1).pause(20 * MS).piece(2).stall();
    assert_eq!(stream.next().await, Some(Ok(1)));
    assert_eq!(stream.clone().next().await, Some(Ok(2)));
    assert_eq!(Instant::now() - start, 20 * MS);
    stream.next().await;
    assert!(stream.next().now_or_never().is_none());
    assert!(!stream.is_over());
    let mut stream = ScriptStream::<u8>::new().panic();
    assert!(
        AssertUnwindSafe(stream.next())
            .catch_unwind()
            .await
            .is_err()
    );
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn a_body_has_length_trailers_and_an_end() {
    use http_body::Body;
    use http_body_util::BodyExt;

    assert!(ScriptBody::empty().is_end_stream());
    assert!(!ScriptBody::empty().silent_end().is_end_stream());
    assert_eq!(ScriptBody::full("hello").size_hint().exact(), Some(5));
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", 0.into());
    let whole = ScriptBody::full("hello")
        .trailers(trailers.clone())
        .collect()
        .await
        .unwrap();
    assert_eq!(whole.trailers(), Some(&trailers));
    assert_eq!(whole.to_bytes(), "hello");
    let cut = ScriptBody::new(ScriptStream::new().piece("he".into()).cut("reset"));
    assert_eq!(cut.collect().await.unwrap_err(), Cut("reset".into()));
}

#[tokio::test(start_paused = true)]
async fn discovery_tells_when_it_is_dropped() {
    let (members, discover) = discovery::<&str, ()>();
    assert!(!members.is_dropped());
    drop(discover);
    members.dropped().await;
    assert!(members.is_dropped());
}

#[tokio::test]
async fn errors_may_be_of_any_type() {
    #[derive(Debug, PartialEq)]
    struct Mine(u32);
    let script = Script::<(), Mine>::new(Step::error_with(|| Mine(7)));
    assert_eq!(script.service().oneshot("a").await, Err(Mine(7)));
    let _: BoxError = Script::<()>::new(Step::error("b"))
        .service()
        .oneshot(())
        .await
        .unwrap_err();
}
