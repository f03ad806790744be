use crate::protocol::Http;
use ::http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::*;
use crate::{
    Context,
    testing::{Cut, ScriptBody, ScriptStream},
};

type Web = Balance<Scripted<Response<ScriptBody>>, First, Http>;

async fn web(step: Step<Response<ScriptBody>>) -> Web {
    let (members, discover) = crate::testing::discovery();
    members.insert("a", Script::new(step).service());
    members.end();
    let pool = BalanceLayer::bare(First)
        .protocol(Http::default())
        .layer(discover);
    settle().await;
    pool
}

fn chunks() -> ScriptStream<bytes::Bytes> {
    ScriptStream::new()
        .piece("one".into())
        .pause(30 * MS)
        .piece("two".into())
}

async fn get(pool: &Web) -> Response<impl Body<Data = bytes::Bytes, Error = Cut> + Unpin + use<>> {
    pool.clone().oneshot(Request::new(())).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_body_counts_until_its_last_byte() {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", 0.into());
    let body = ScriptBody::new(chunks())
        .length(6)
        .trailers(trailers.clone());
    let pool = web(Step::respond(StatusCode::OK, body)).await;
    let mut response = get(&pool).await;
    assert_eq!(response.body().size_hint().exact(), Some(6));
    response.body_mut().frame().await.unwrap().unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(member(&pool, "a").in_flight, 1);
    let last = response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(last.into_trailers().unwrap(), trailers);
    assert_eq!(member(&pool, "a").outcomes.success, 1);
    assert_at_rest(&pool);
}

/// A server stops polling at `is_end_stream`; otherwise only the poll after the last frame tells.
#[tokio::test(start_paused = true)]
async fn a_body_ends_when_it_says_so_or_when_it_is_asked() {
    for silent in [false, true] {
        let mut body = ScriptBody::new(chunks());
        if silent {
            body = body.silent_end();
        }
        let pool = web(Step::respond(StatusCode::OK, body)).await;
        let mut response = get(&pool).await;
        response.body_mut().frame().await.unwrap().unwrap();
        response.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(response.body().is_end_stream(), !silent);
        assert_eq!(member(&pool, "a").in_flight, u32::from(silent));
        assert!(response.body_mut().frame().await.is_none());
        drop(response);
        assert_eq!(member(&pool, "a").outcomes.success, 1);
        assert_at_rest(&pool);
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_ends_with_its_head() {
    let pool = web(Step::respond(StatusCode::NO_CONTENT, ScriptBody::empty())).await;
    let response = get(&pool).await;
    assert_eq!(member(&pool, "a").outcomes.success, 1);
    assert_at_rest(&pool);
    drop(response);
    assert_eq!(member(&pool, "a").outcomes.cancelled, 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_dropped_was_cancelled_and_one_that_breaks_off_failed() {
    let pool = web(Step::respond(
        StatusCode::OK,
        ScriptBody::new(chunks().cut("reset")),
    ))
    .await;
    let mut response = get(&pool).await;
    response.body_mut().frame().await.unwrap().unwrap();
    drop(response);
    assert_eq!(member(&pool, "a").outcomes.cancelled, 1);
    assert!(get(&pool).await.into_body().collect().await.is_err());
    let a = member(&pool, "a");
    assert_eq!(
        (a.outcomes.failure, a.outcomes.cancelled, a.outcomes.success),
        (1, 1, 0)
    );
    assert_at_rest(&pool);
}

/// A client that retries does not read the body of a 503: the head had said enough.
#[tokio::test(start_paused = true)]
async fn a_failed_response_counts_as_failed_though_its_body_is_not_read() {
    for (status, count) in [(500, [1, 0, 0]), (503, [0, 1, 0]), (404, [0, 0, 1])] {
        let status = StatusCode::from_u16(status).unwrap();
        let pool = web(Step::respond(status, ScriptBody::full("sorry"))).await;
        drop(get(&pool).await);
        let outcomes = member(&pool, "a").outcomes;
        assert_eq!(
            [outcomes.failure, outcomes.overloaded, outcomes.ignored],
            count,
            "{status}: {outcomes:?}"
        );
        assert_eq!(outcomes.cancelled, 0);
        assert_at_rest(&pool);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_within_a_body_reaches_only_its_task() {
    let pool = web(Step::respond(
        StatusCode::OK,
        ScriptBody::new(chunks().panic()),
    ))
    .await;
    let response = get(&pool).await;
    let task = tokio::spawn(async move { response.into_body().collect().await.is_ok() });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(member(&pool, "a").outcomes.failure, 1);
    assert!(get(&pool).await.status().is_success());
    assert_at_rest(&pool);
}

#[tokio::test(start_paused = true)]
async fn context_in_the_extensions_of_a_request_is_read() {
    let pool = web(Step::respond(StatusCode::OK, ScriptBody::full("hello"))).await;
    let mut request = Request::new(());
    *Context::of_mut(&mut request) = Context::new()
        .with_cost(Cost::tokens(9))
        .with_deadline(Instant::now() + SEC);
    let response = pool.clone().oneshot(request.clone()).await.unwrap();
    assert_eq!(member(&pool, "a").outstanding.tokens, 9);
    drop(response);
    tokio::time::sleep(SEC).await;
    let refused = pool.clone().oneshot(request).await.map(|_| ());
    assert_rejected(refused, RejectionKind::DeadlineExceeded);
    assert_at_rest(&pool);
}

#[tokio::test(start_paused = true)]
async fn bodies_that_are_dropped_at_random_moments_leave_every_count_at_zero() {
    let mut rng = crate::testing::seeded(5);
    let body = chunks().pause(10 * MS).piece("three".into());
    let step = Step::respond(StatusCode::OK, ScriptBody::new(body).silent_end()).after(10 * MS);
    let pool = web(step).await;
    let mut ended = 0;
    for _ in 0..50 {
        let calls: tokio::task::JoinSet<_> = (0..200)
            .map(|_| {
                let call = pool.clone().oneshot(Request::new(()));
                let whole = async move { call.await.unwrap().into_body().collect().await };
                // From before the head to after the end.
                tokio::time::timeout(rng.u32(0..70) * MS, whole)
            })
            .collect();
        ended += calls
            .join_all()
            .await
            .iter()
            .filter(|call| call.is_ok())
            .count() as u64;
    }
    assert_at_rest(&pool);
    let outcomes = member(&pool, "a").outcomes;
    assert_eq!(
        (outcomes.success, outcomes.success + outcomes.cancelled),
        (ended, 10_000)
    );
    assert!(ended > 1_000 && outcomes.cancelled > 1_000, "{outcomes:?}");
}
