//! The rules that every layer keeps.

use super::*;
use crate::testing::{Permits, Readiness, ReadinessProbe};

#[tokio::test(start_paused = true)]
async fn it_calls_only_the_instance_that_was_readied() {
    let script = Script::<_>::new(Step::answer("hello").after(MS));
    let permits = Permits::new(3);
    let inner = ReadinessProbe::new(script.service()).permits(permits.clone());
    let mut service = SpendLimitLayer::new(tokens_a_day(2_000))
        .unwrap()
        .layer(inner);
    for _ in 0..2 {
        ServiceExt::<()>::ready(&mut service)
            .await
            .unwrap()
            .call(())
            .await
            .unwrap();
    }
    refused(
        ServiceExt::<()>::ready(&mut service)
            .await
            .unwrap()
            .call(())
            .await,
    );
    drop(service);
    assert_eq!(
        (permits.free(), permits.reserved(), permits.used()),
        (3, 0, 0)
    );
    assert_eq!(script.counts().calls, 2);
}

/// Nothing waits, so nothing has to be woken.
#[tokio::test(start_paused = true)]
async fn readiness_is_that_of_the_service_within_and_reserves_nothing() {
    let (script, service) = limited(tokens_a_day(10));
    service.clone().oneshot(tokens(10)).await.unwrap();
    let mut clones: Vec<_> = (0..100).map(|_| service.clone()).collect();
    for clone in &mut clones {
        ServiceExt::<Call<()>>::ready(clone).await.unwrap();
    }
    assert_eq!(seen(&service.handle(), 0), [10, 0, 0]);
    script.set_readiness(Readiness::error("dead"));
    let error = ServiceExt::<Call<()>>::ready(&mut service.clone())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "dead");
}

#[test]
fn it_is_send_sync_and_clone() {
    fn is<T: Send + Sync + Clone>() {}
    fn is_send<T: Send>() {}

    is::<Limited<Scripted<&'static str>>>();
    is::<Limited<Scripted<&'static str>, Unary, Keyed<String>, By<fn(&()) -> String>>>();
    is::<SpendLimitLayer>();
    is::<SpendLimitHandle>();
    is::<SpendLimitHandle<Keyed<String>>>();
    is_send::<<Limited<Scripted<&'static str>> as Service<()>>::Future>();
    is_send::<super::settling::Streamed>();
}

#[tokio::test(start_paused = true)]
async fn it_can_be_spawned_over_a_boxed_error() {
    let (_, service) = limited(tokens_a_day(10));
    let call = tokio::spawn(async move { service.oneshot(tokens(1)).await });
    assert_eq!(call.await.unwrap().unwrap(), "hello");

    let closure = tower::service_fn(|request: Call<u32>| async move {
        tokio::task::yield_now().await;
        Ok::<_, BoxError>(request.message)
    });
    let layer = || SpendLimitLayer::new(tokens_a_day(1_000)).unwrap().calls();
    let service = tower::ServiceBuilder::new()
        .layer(layer())
        .layer(layer().by_tenant())
        .layer(layer().keyed(|call: &Call<u32>| call.message))
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
    let mut service = SpendLimitLayer::new(tokens_a_day(0)).unwrap().layer(inner);
    let Err(Own::Refused(rejection)) = ServiceExt::<()>::ready(&mut service)
        .await
        .unwrap()
        .call(())
        .await
    else {
        panic!("not refused");
    };
    assert_eq!((rejection.status(), rejection.retry_after()), (429, None));
}

#[tokio::test(start_paused = true)]
async fn cost_is_told_by_the_context_else_by_the_function_else_assumed() {
    let script = Script::answering("hello");
    let handle = at_noon(tokens_a_day(10_000).with_assumed_tokens(700));
    let service = SpendLimitLayer::shared(&handle)
        .calls()
        .cost(|call: &Call<&str>| Cost::tokens(call.message.len() as u64))
        .layer(script.service());
    let mut told = Call::new("0123456789");
    service.clone().oneshot(told.clone()).await.unwrap();
    assert_eq!(seen(&handle, 0)[0], 10);
    told.context.cost = Some(Cost::tokens(50));
    service.clone().oneshot(told).await.unwrap();
    assert_eq!(seen(&handle, 0)[0], 60);
    service.clone().oneshot(Call::new("")).await.unwrap();
    assert_eq!(seen(&handle, 0)[0], 760);
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn an_http_call_is_settled_with_its_body() {
    use http::{Request, StatusCode};
    use http_body_util::BodyExt;

    use crate::testing::ScriptBody;

    let throttled = Step::respond(StatusCode::TOO_MANY_REQUESTS, ScriptBody::empty());
    let script = Script::<_>::new(throttled);
    script.push(Step::respond(StatusCode::OK, ScriptBody::full("hello")));
    let handle = at_noon(tokens_a_day(100));
    let service = SpendLimitLayer::shared(&handle)
        .http()
        .layer(script.service());
    let call = || {
        let mut request = Request::new(());
        Context::of_mut(&mut request).cost = Some(Cost::tokens(40));
        service.clone().oneshot(request)
    };
    let response = call().await.unwrap();
    assert_eq!(seen(&handle, 0), [0, 40, 60]);
    response.into_body().collect().await.unwrap();
    assert_eq!(seen(&handle, 0), [40, 0, 60]);
    drop(call().await.unwrap());
    assert_eq!(seen(&handle, 0), [40, 0, 60], "throttled: nothing was done");
}
