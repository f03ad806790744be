//! The rules that every layer keeps.

use futures_util::{FutureExt, StreamExt};

use super::*;
use crate::testing::{Permits, ReadinessProbe};

#[tokio::test(start_paused = true)]
async fn it_calls_only_the_instance_that_was_readied() {
    let script = Script::<_>::new(Step::answer("hello").after(MS));
    let permits = Permits::new(3);
    let inner = ReadinessProbe::new(script.service()).permits(permits.clone());
    let mut service = RateLimitLayer::new(ten_per_second(1)).unwrap().layer(inner);
    // The first goes at once, the others wait, each with the instance that was readied for it.
    let first = ready(&mut service).await.unwrap().call(());
    let second = ready(&mut service).await.unwrap().call(());
    let third = ready(&mut service).await.unwrap().call(());
    for call in [first, second, third] {
        call.await.unwrap();
    }
    assert_eq!(
        (permits.free(), permits.reserved(), permits.used()),
        (3, 0, 0)
    );
    assert_eq!(script.counts().calls, 3);
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_moment_it_gives_everything_back() {
    let script = Script::<_>::new(Step::answer("hello").after(10 * MS));
    let permits = Permits::new(1);
    let inner = ReadinessProbe::new(script.service()).permits(permits.clone());
    let service = RateLimitLayer::new(ten_per_second(1)).unwrap().layer(inner);
    let at_rest = || {
        assert_eq!(
            (permits.free(), permits.reserved(), permits.used()),
            (1, 0, 0)
        );
        assert_eq!(service.handle().snapshot().waiting, 0);
    };
    // Before it is ready, and after.
    let mut clone = service.clone();
    let taken = permits.clone();
    let mut other = ReadinessProbe::new(script.service()).permits(taken);
    ready(&mut other).await.unwrap();
    assert!(ready(&mut clone).now_or_never().is_none());
    drop(clone);
    drop(other);
    at_rest();
    let mut clone = service.clone();
    ready(&mut clone).await.unwrap();
    drop(clone);
    at_rest();
    assert_left(&service, Unit::Requests, 1.0);
    // In flight: what it took stays taken, since the upstream may have it.
    let mut clone = service.clone();
    let mut call = Box::pin(ready(&mut clone).await.unwrap().call(()));
    assert!(call.as_mut().now_or_never().is_none());
    drop((call, clone));
    at_rest();
    assert_left(&service, Unit::Requests, 0.0);
    // While it waits.
    let mut clone = service.clone();
    let mut call = Box::pin(ready(&mut clone).await.unwrap().call(()));
    assert!(call.as_mut().now_or_never().is_none());
    assert_eq!(service.handle().snapshot().waiting, 1);
    drop((call, clone));
    at_rest();
    assert_left(&service, Unit::Requests, 0.0);
    assert_eq!(script.counts().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_and_is_never_polled_keeps_nobody_waiting() {
    let (_, mut service) = limited(ten_per_second(1));
    call(&service).await.unwrap();
    let began = Instant::now();
    let never = ready(&mut service).await.unwrap().call(());
    let second = tokio::spawn(call(&service));
    settle().await;
    drop(never);
    second.await.unwrap().unwrap();
    assert_eq!(Instant::now() - began, 100 * MS);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_poll_ready_is_passed_on() {
    let (script, mut service) = limited(ten_per_second(1));
    script.set_readiness(crate::testing::Readiness::error("dead"));
    assert_eq!(ready(&mut service).await.unwrap_err().to_string(), "dead");
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_lasts_to_the_end_of_the_stream() {
    let (script, service) = super::settling::streamed();
    script.push(Step::answer(ScriptStream::new().stall()));
    let call = Call {
        context: Context::new().with_cost(Cost::tokens(1_000)),
        message: (),
    };
    let mut answer = service.clone().oneshot(call.clone()).await.unwrap();
    assert!(answer.next().now_or_never().is_none());
    tokio::time::advance(10 * SEC).await;
    refused(service.clone().oneshot(call).await);
}

#[test]
fn it_is_send_sync_and_clone() {
    fn is<T: Send + Sync + Clone>() {}
    fn is_send<T: Send>() {}

    is::<Limited<Scripted<&'static str>>>();
    is::<Limited<Scripted<&'static str>, Unary, Keyed<String>, By<fn(&()) -> String>>>();
    is::<RateLimitLayer>();
    is::<RateLimitHandle>();
    is::<RateLimitHandle<Keyed<String>>>();
    is::<RateDial>();
    is_send::<<Limited<Scripted<&'static str>> as Service<()>>::Future>();
    is_send::<super::settling::Streamed>();
}

#[tokio::test(start_paused = true)]
async fn it_can_be_spawned_over_a_boxed_error() {
    let (_, service) = costed(ten_per_second(1));
    let call = tokio::spawn(async move { service.oneshot(tokens(1)).await });
    assert_eq!(call.await.unwrap().unwrap(), "hello");

    let closure = tower::service_fn(|request: Call<u32>| async move {
        tokio::task::yield_now().await;
        Ok::<_, BoxError>(request.message)
    });
    let service = tower::ServiceBuilder::new()
        .layer(RateLimitLayer::new(ten_per_second(1)).unwrap().calls())
        .layer(
            RateLimitLayer::new(ten_per_second(1))
                .unwrap()
                .calls()
                .by_tenant(),
        )
        .service(closure);
    let call = tokio::spawn(async move { service.oneshot(Call::new(7)).await });
    assert_eq!(call.await.unwrap().unwrap(), 7);
}

#[derive(Debug)]
enum Own {
    Refused(Rejection),
}

impl From<Rejection> for Own {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(rejection)
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_type_of_the_users_own_needs_one_from() {
    let inner = tower::service_fn(|(): ()| async { Ok::<_, Own>(()) });
    let mut service = RateLimitLayer::new(refusing(ten_per_second(1)))
        .unwrap()
        .layer(inner);
    ready(&mut service).await.unwrap().call(()).await.unwrap();
    let Err(Own::Refused(rejection)) = ready(&mut service).await.unwrap().call(()).await else {
        panic!("not refused");
    };
    assert_eq!(rejection.status(), 429);
}

#[tokio::test(start_paused = true)]
async fn towers_own_layers_work_on_both_sides_of_it() {
    let script = Script::answering("hello");
    let service = tower::ServiceBuilder::new()
        .load_shed()
        .timeout(SEC)
        .layer(RateLimitLayer::new(ten_per_second(1)).unwrap())
        .concurrency_limit(1)
        .map_err(BoxError::from)
        .service(script.service());
    let began = Instant::now();
    for _ in 0..3 {
        service.clone().oneshot(()).await.unwrap();
    }
    assert_eq!(Instant::now() - began, 200 * MS);
}
