use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use bytes::Bytes;
use http_body_util::Full;
use proptest::prelude::*;
use tower::service_fn;

use super::{
    super::grpc::{ServingStatus, request, response},
    *,
};
use crate::testing::{Script, ScriptBody, ScriptStream, Step};

const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| {
        let value = HeaderValue::from_static(value);
        (HeaderName::from_static(name), value)
    });
    pairs.collect()
}

fn answer(head: &[(&'static str, &'static str)], body: ScriptBody) -> Response<ScriptBody> {
    let mut response = Response::new(body);
    *response.headers_mut() = headers(head);
    response
}

/// What a server of good manners answers.
fn answers(message: &[u8], code: &'static str) -> Response<ScriptBody> {
    let body = ScriptBody::new(ScriptStream::new().piece(Bytes::copy_from_slice(message)));
    let body = body.trailers(headers(&[("grpc-status", code)]));
    answer(&[("content-type", "application/grpc")], body)
}

async fn ask(response: Response<ScriptBody>) -> Report {
    let script: Script<_> = Script::new(Step::answer_with(move || response.clone()));
    let probe =
        GrpcProbe::<_, _, Full<Bytes>>::new(script.service(), |_: &Check<()>| "http://host");
    probe.check(check(())).await
}

#[test]
fn messages_are_as_protocol_buffers_have_them() {
    // As `protoc --encode` and a length-prefixed frame make them.
    assert_eq!(&request("")[..], [0, 0, 0, 0, 0]);
    assert_eq!(&request("a.B")[..], b"\0\0\0\0\x05\x0a\x03a.B");
    let long = "s".repeat(300);
    let frame = request(&long);
    assert_eq!(frame[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 0x02]);
    assert_eq!(&frame[8..], long.as_bytes());

    for (message, status) in [
        (&[][..], ServingStatus::Unknown),
        (&[8, 1], ServingStatus::Serving),
        (&[8, 2], ServingStatus::NotServing),
        (&[8, 3], ServingStatus::ServiceUnknown),
        (&[8, 0xac, 2], ServingStatus::Other(300)),
        // Other fields of each kind, and a field twice: the last one counts.
        (
            &[
                0x10, 0xff, 1, 0x1a, 2, 8, 2, 0x25, 1, 2, 3, 4, 0x29, 1, 2, 3, 4, 5, 6, 7, 8, 8, 2,
                8, 1,
            ],
            ServingStatus::Serving,
        ),
    ] {
        let length = u8::try_from(message.len()).unwrap();
        let frame = [&[0, 0, 0, 0, length], message].concat();
        assert_eq!(response(&frame), Ok(status), "{message:?}");
    }
    for frame in [
        &[][..],
        &[0, 0, 0, 0],
        &[1, 0, 0, 0, 2, 8, 1],
        &[0, 0, 0, 0, 3, 8, 1],
        &[0, 0, 0, 0, 1, 8, 1],
        &[0, 0, 0, 0, 1, 8],
        &[0, 0, 0, 0, 2, 8, 0x80],
        &[0, 0, 0, 0, 3, 0x12, 9, 1],
        &[0, 0, 0, 0, 1, 0x0b],
    ] {
        response(frame).unwrap_err();
    }
}

proptest! {
    #[test]
    fn no_answer_can_do_harm(message in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = response(&message);
        let frame = [&[0, 0, 0, 0, message.len() as u8][..], &message].concat();
        let _ = response(&frame);
    }

    #[test]
    fn every_status_is_read(status in 4_u64..) {
        let mut message = vec![8];
        let mut left = status;
        while left >= 0x80 {
            message.push(left as u8 | 0x80);
            left >>= 7;
        }
        message.push(left as u8);
        let frame = [&[0, 0, 0, 0, message.len() as u8][..], &message].concat();
        prop_assert_eq!(response(&frame), Ok(ServingStatus::Other(status)));
    }
}

#[tokio::test(start_paused = true)]
async fn the_request_is_as_grpc_has_it() {
    let seen = Arc::new(Mutex::new(None));
    let note = Arc::clone(&seen);
    let client = service_fn(move |request: Request<Full<Bytes>>| {
        *note.lock().unwrap() = Some(request);
        async { Ok::<_, Infallible>(answers(SERVING, "0")) }
    });
    let endpoint = Endpoint::builder("one").label("address", "10.0.0.7:50");
    let check = Check::new(endpoint.build().unwrap(), ());
    let probe = GrpcProbe::new(client, Label::new("address"))
        .with_service("a.B")
        .with_header(
            HeaderName::from_static("x-key"),
            HeaderValue::from_static("hush"),
        );
    assert!(!format!("{probe:?}").contains("hush"));
    let report = probe.check(check).await;
    assert_eq!(message(&report), (Verdict::Healthy, ""));
    assert_eq!(metric(&report, "grpc_status"), Some(0.0));
    assert_eq!(metric(&report, "serving_status"), Some(1.0));

    let (head, body) = seen.lock().unwrap().take().unwrap().into_parts();
    assert_eq!(head.method, Method::POST);
    assert_eq!(head.version, Version::HTTP_2);
    assert_eq!(head.uri, "http://10.0.0.7:50/grpc.health.v1.Health/Check");
    assert_eq!(
        head.headers,
        headers(&[
            ("x-key", "hush"),
            ("content-type", "application/grpc"),
            ("te", "trailers")
        ])
    );
    let body = http_body_util::BodyExt::collect(body)
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(body, request("a.B"));
}

#[tokio::test(start_paused = true)]
async fn only_serving_is_healthy() {
    for (number, said) in [(0, "UNKNOWN"), (2, "NOT_SERVING"), (3, "SERVICE_UNKNOWN")] {
        let report = ask(answers(&[0, 0, 0, 0, 2, 8, number], "0")).await;
        assert_eq!(message(&report), (Verdict::Unhealthy, said));
        assert_eq!(metric(&report, "serving_status"), Some(f64::from(number)));
    }
    let report = ask(answers(&[0, 0, 0, 0, 2, 8, 9], "0")).await;
    assert_eq!(
        message(&report),
        (Verdict::Unhealthy, "a serving status that is not known: 9")
    );
}

#[tokio::test(start_paused = true)]
async fn how_the_call_ended_counts_whatever_its_message_says() {
    let kind = ("content-type", "application/grpc+proto");
    let unimplemented = "UNIMPLEMENTED: the server has no grpc.health.v1.Health service";
    let cases = [
        (answers(SERVING, "14"), Verdict::Unhealthy, "UNAVAILABLE"),
        (answers(SERVING, "99"), Verdict::Unhealthy, "status 99"),
        (answers(SERVING, "x"), Verdict::Unhealthy, "UNKNOWN"),
        (answers(&[], "12"), Verdict::Unknown, unimplemented),
        // With the status in the head.
        (
            answer(&[kind, ("grpc-status", "12")], ScriptBody::empty()),
            Verdict::Unknown,
            unimplemented,
        ),
        (
            answer(
                &[
                    kind,
                    ("grpc-status", "5"),
                    ("grpc-message", "unknown%20service 50%"),
                ],
                ScriptBody::empty(),
            ),
            Verdict::Unhealthy,
            "NOT_FOUND: unknown service 50%",
        ),
        // Cut: the message is there, its end is not.
        (
            answer(&[kind], ScriptBody::full(SERVING)),
            Verdict::Unhealthy,
            "the answer ended without a grpc-status",
        ),
        (
            answer(&[kind], ScriptBody::new(ScriptStream::new().cut("reset"))),
            Verdict::Unhealthy,
            "cut by the script: reset",
        ),
        (
            answers(&[], "0"),
            Verdict::Unhealthy,
            "the answer has no message",
        ),
        (
            answers(&[0; 5_000], "0"),
            Verdict::Unhealthy,
            "the answer is no HealthCheckResponse: it is too long",
        ),
        (
            answer(&[("content-type", "text/html")], ScriptBody::full("hi")),
            Verdict::Unhealthy,
            "no gRPC: its content type is not application/grpc",
        ),
    ];
    for (answer, verdict, said) in cases {
        assert_eq!(message(&ask(answer).await), (verdict, said));
    }
    let mut lost = answers(SERVING, "0");
    *lost.status_mut() = StatusCode::NOT_FOUND;
    assert_eq!(
        ask(lost).await.message,
        "no gRPC: HTTP status 404 Not Found"
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_server_repeats_of_a_secret_is_hidden() {
    let head = [
        ("content-type", "application/grpc"),
        ("grpc-status", "16"),
        ("grpc-message", "bad key sk%2D12345"),
    ];
    let script: Script<_> = Script::new(Step::answer_with(move || {
        answer(&head, ScriptBody::empty())
    }));
    let probe = GrpcProbe::<_, _, Full<Bytes>>::new(script.service(), |_: &Check<()>| "/")
        .with_header(
            HeaderName::from_static("x-key"),
            HeaderValue::from_static("sk-12345"),
        );
    let report = probe.check(check(())).await;
    assert_eq!(
        message(&report),
        (Verdict::Unhealthy, "UNAUTHENTICATED: bad key ***")
    );
    assert_eq!(metric(&report, "grpc_status"), Some(16.0));
}
