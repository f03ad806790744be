use std::time::Duration;

use campanile::{Rejection, rejection::RejectionKind};

use super::*;

#[tokio::test]
async fn a_whole_answer_is_passed_on() {
    let response = answered(200, JSON, WHOLE, ask()).await.unwrap();
    assert_eq!(response.meta.provider.as_deref(), Some("test"));
    assert_eq!(response.meta.model.as_deref(), Some("m"));
    assert_eq!(response.meta.request_id.as_deref(), Some("req_9"));
    let Answer::Whole(whole) = response.answer else {
        panic!("it is streamed");
    };
    assert_eq!(whole.body(), WHOLE);
    assert_eq!(whole.text(), "Rome");
}

#[tokio::test]
async fn limits_that_are_reported_are_told() {
    let once = Once::new(200, JSON, Pieces::of([WHOLE]));
    {
        let mut response = once.0.lock().unwrap();
        let headers = response.as_mut().unwrap().headers_mut();
        headers.insert("x-ratelimit-remaining-tokens", "7".parse().unwrap());
    }
    let response = answer(once, ask()).await.unwrap();
    let tokens = response.meta.limits.unwrap().tokens.unwrap();
    assert_eq!(tokens.remaining, Some(7));
}

#[tokio::test]
async fn a_failure_keeps_what_the_provider_said() {
    let body = r#"{"error":{"message":"slower","code":"rate_limit_exceeded"}}"#;
    let once = Once::new(429, JSON, Pieces::of([body]));
    {
        let mut response = once.0.lock().unwrap();
        let headers = response.as_mut().unwrap().headers_mut();
        headers.insert("x-ratelimit-remaining-requests", "0".parse().unwrap());
        headers.insert("x-ratelimit-reset-requests", "6m0s".parse().unwrap());
    }
    let error = answer(once, ask()).await.unwrap_err();
    assert_eq!(error.class(), Class::Rate);
    assert_eq!(error.provider(), Some("test"));
    assert_eq!(error.request_id(), Some("req_9"));
    assert_eq!(error.status(), Some(429));
    assert_eq!(
        error.retry_after(),
        Some(Duration::from_secs(360)),
        "that of what is exhausted"
    );
}

#[tokio::test]
async fn of_a_failure_a_bounded_part_is_read() {
    let pieces = (0..1_000).map(|_| Bytes::from(vec![b'x'; 16 << 10]));
    let body = Pieces::of(pieces);
    let taken = Arc::clone(&body.taken);
    let error = answer(Once::new(500, "text/plain", body), ask())
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Server);
    assert_eq!(taken.load(Ordering::Relaxed), 4, "64 KiB");
}

#[tokio::test]
async fn a_failure_whose_body_breaks_is_the_failure() {
    let body = Pieces::of(["{\"err"]).then_breaks();
    let error = answer(Once::new(503, JSON, body), ask()).await.unwrap_err();
    assert_eq!(error.class(), Class::Overload);
}

#[tokio::test]
async fn a_whole_answer_is_bounded() {
    let provider = Provider::new(
        Once::new(200, JSON, Pieces::of([WHOLE; 30])),
        &config().with_max_body(1_024),
    );
    let error = provider
        .unwrap()
        .oneshot(Call::new(ask()))
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Malformed);
    assert!(error.message().contains("1024"));
}

#[tokio::test]
async fn a_whole_answer_may_come_in_pieces() {
    let pieces = WHOLE.as_bytes().chunks(7).map(Bytes::copy_from_slice);
    let body = Pieces::of(pieces);
    let response = answer(Once::new(200, JSON, body), ask()).await.unwrap();
    assert!(matches!(response.answer, Answer::Whole(whole) if whole.body() == WHOLE));
}

#[tokio::test]
async fn a_whole_answer_that_breaks_off_is_interrupted() {
    let body = Pieces::of([&WHOLE[..30]]).then_breaks();
    let error = answer(Once::new(200, JSON, body), ask()).await.unwrap_err();
    assert_eq!(error.class(), Class::Interrupted);
    assert!(std::error::Error::source(&error).is_some());
    // A body that just ends there is no JSON.
    let error = answered(200, JSON, &WHOLE[..30], ask()).await.unwrap_err();
    assert_eq!(error.class(), Class::Malformed);
}

#[tokio::test]
async fn what_is_not_asked_for_is_understood() {
    // A web page, or nothing.
    for request in [ask(), ask().streamed()] {
        let error = answered(200, "text/html", "<html>", request.clone())
            .await
            .unwrap_err();
        assert_eq!(error.class(), Class::Malformed);
        let error = answered(200, JSON, " ", request.clone()).await.unwrap_err();
        assert_eq!(error.class(), Class::Empty);
        let body = r#"{"error":{"message":"busy","code":503}}"#;
        let error = answered(200, JSON, body, request).await.unwrap_err();
        assert_eq!(error.class(), Class::Overload);
        assert_eq!(error.provider(), Some("test"));
    }
}

#[tokio::test]
async fn a_whole_answer_to_a_request_for_a_stream_becomes_one() {
    let response = answered(200, JSON, WHOLE, ask().streamed()).await.unwrap();
    let events: Vec<_> = stream(response).map(Result::unwrap).collect().await;
    assert_eq!(events.last().unwrap().part(), Part::End);
    assert_eq!(events.last().unwrap().usage().total_tokens(), Some(10));
    let text: Vec<_> = events
        .iter()
        .flat_map(|event| event.frame().to_vec())
        .collect();
    assert!(String::from_utf8(text).unwrap().contains("Rome"));
}

#[tokio::test]
async fn a_stream_in_place_of_a_whole_answer_is_put_together() {
    let body = format!("{FIRST}{FIRST}{LAST}");
    let response = answered(200, SSE, &body, ask()).await.unwrap();
    let Answer::Whole(whole) = response.answer else {
        panic!("it is streamed");
    };
    assert_eq!(whole.text(), "aa");
    let error = answered(200, SSE, FIRST, ask()).await.unwrap_err();
    assert_eq!(error.class(), Class::Interrupted, "it was cut");
}

#[tokio::test]
async fn a_stream_of_no_declared_kind_is_one() {
    for kind in ["", "text/plain", "application/octet-stream"] {
        let body = format!("{FIRST}{LAST}");
        let response = answered(200, kind, &body, ask().streamed()).await.unwrap();
        let events: Vec<_> = stream(response).collect().await;
        assert_eq!(events.len(), 3, "{kind}");
    }
}

#[tokio::test]
async fn a_layer_around_the_client_that_refuses_is_told() {
    let http = service_fn(async |_: Request<Full<Bytes>>| {
        let refused = Rejection::new(RejectionKind::TimedOut, "timeout");
        Err::<Response<Full<Bytes>>, BoxError>(refused.into())
    });
    let provider = Provider::new(http, &config()).unwrap();
    let error = provider.oneshot(Call::new(ask())).await.unwrap_err();
    assert_eq!(error.class(), Class::Timeout);
    assert_eq!(error.rejection().unwrap().layer(), "timeout");
}

#[tokio::test]
async fn a_request_that_cannot_be_translated_is_refused_without_a_call() {
    let http = Once::new(200, JSON, Pieces::of([WHOLE]));
    let config = ProviderConfig::new("g", Api::Gemini, "http://h");
    let provider = Provider::new(http.clone(), &config).unwrap();
    let error = provider
        .oneshot(Call::new(ask().field("messages", &7)))
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Request);
    assert_eq!(error.provider(), Some("g"));
    assert!(http.0.lock().unwrap().is_some(), "nobody was called");
}
