use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::*;
use crate::{
    context::Context,
    testing::{ScriptBody, ScriptStream},
};

type Answer = Response<ScriptBody>;

fn respond(status: StatusCode, body: ScriptBody) -> Script<Answer> {
    Script::new(Step::respond(status, body))
}

fn limited(limit: u32, script: &Script<Answer>) -> Limited<Answer, crate::protocol::Http> {
    ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::fixed(limit))
        .unwrap()
        .http()
        .layer(script.service())
}

#[tokio::test(start_paused = true)]
async fn a_permit_lasts_to_the_end_of_the_body() {
    let stream = ScriptStream::new()
        .piece("a".into())
        .pause(SEC)
        .piece("b".into());
    let script = respond(StatusCode::OK, ScriptBody::new(stream));
    let service = limited(1, &script);
    let handle = service.handle();
    let response = service.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(handle.in_use(), 1);
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "ab"
    );
    assert_at_rest(&handle);

    // Of a body that is over with its head, at once.
    let service = limited(1, &respond(StatusCode::NO_CONTENT, ScriptBody::empty()));
    let response = service.clone().oneshot(Request::new(())).await.unwrap();
    assert_at_rest(&service.handle());
    drop(response);
    assert_at_rest(&service.handle());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_request_bounds_its_wait() {
    let script = respond(StatusCode::OK, ScriptBody::new(ScriptStream::new().stall()));
    let service = limited(1, &script);
    let held = service.clone().oneshot(Request::new(())).await.unwrap();
    let start = Instant::now();
    let mut request = Request::new(());
    Context::of_mut(&mut request).deadline = Some(start + 20 * MS);
    let refused = service.clone().oneshot(request).await;
    assert_rejected(refused, RejectionKind::DeadlineExceeded);
    assert_eq!(Instant::now() - start, 20 * MS);
    drop(held);
    assert_at_rest(&service.handle());
}
