use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use ::http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header::AUTHORIZATION,
};
use tokio::sync::oneshot;
use tower::service_fn;

use super::*;
use crate::{
    Rejection,
    rejection::RejectionKind,
    testing::{Permits, ReadinessProbe, Script, ScriptBody, ScriptStream, Step},
};

/// The body of requests.
type Nothing = ();

fn root() -> impl Find<(), Found = &'static str> {
    |_: &Check<()>| "http://host/health"
}

fn answering(status: u16, body: ScriptBody) -> Script<Response<ScriptBody>> {
    Script::new(Step::respond(StatusCode::from_u16(status).unwrap(), body))
}

async fn ask(script: &Script<Response<ScriptBody>>) -> Report {
    let probe = HttpProbe::<_, _, Nothing>::new(script.service(), root());
    probe.check(check(())).await
}

fn pieces(sizes: &[usize]) -> ScriptStream<bytes::Bytes> {
    sizes.iter().fold(ScriptStream::new(), |stream, size| {
        stream.piece("x".repeat(*size).into())
    })
}

#[tokio::test(start_paused = true)]
async fn statuses_from_200_to_299_are_healthy() {
    for (status, verdict, said) in [
        (200, Verdict::Healthy, ""),
        (299, Verdict::Healthy, ""),
        (199, Verdict::Unhealthy, "status 199 <unknown status code>"),
        (302, Verdict::Unhealthy, "status 302 Found"),
        (503, Verdict::Unhealthy, "status 503 Service Unavailable"),
    ] {
        let report = ask(&answering(status, ScriptBody::empty())).await;
        assert_eq!(message(&report), (verdict, said));
        assert_eq!(metric(&report, "status"), Some(f64::from(status)));
    }
    let probe =
        HttpProbe::<_, _, Nothing>::new(answering(404, ScriptBody::empty()).service(), root())
            .with_statuses(400..=404);
    assert!(probe.check(check(())).await.is_healthy());
}

#[tokio::test(start_paused = true)]
async fn the_request_is_as_it_was_asked_for() {
    let seen = Arc::new(Mutex::new(None));
    let note = Arc::clone(&seen);
    let client = service_fn(move |request: Request<Nothing>| {
        *note.lock().unwrap() = Some(request.into_parts().0);
        async { Ok::<_, Infallible>(Response::new(ScriptBody::empty())) }
    });
    let probe = HttpProbe::new(client, |check: &Check<u16>| {
        format!("http://host:{}/up", check.target)
    });
    assert!(probe.clone().check(check(81)).await.is_healthy());
    let head = seen.lock().unwrap().take().unwrap();
    assert_eq!(
        (head.method, head.uri),
        (Method::GET, Uri::from_static("http://host:81/up"))
    );
    assert!(head.headers.is_empty());

    let header = HeaderName::from_static("x-probe");
    let probe = probe
        .with_method(Method::HEAD)
        .with_header(header.clone(), HeaderValue::from_static("yes"));
    assert!(probe.check(check(82)).await.is_healthy());
    let head = seen.lock().unwrap().take().unwrap();
    assert_eq!((head.method, head.uri.port_u16()), (Method::HEAD, Some(82)));
    assert_eq!(head.headers.get(header).unwrap(), "yes");
}

#[tokio::test(start_paused = true)]
async fn the_target_or_a_part_of_it_may_be_the_client() {
    let healthy = answering(200, ScriptBody::empty());
    let sick = answering(500, ScriptBody::empty());
    let probe = HttpProbe::<_, _, Nothing>::target(|_: &Check<_>| "/");
    assert!(probe.check(check(healthy.service())).await.is_healthy());
    assert!(!probe.check(check(sick.service())).await.is_healthy());

    let second = |check: &Check<(u8, crate::testing::Scripted<_, _>)>| check.target.1.clone();
    let probe = HttpProbe::<_, _, Nothing>::through(second, |_: &Check<_>| "/");
    assert!(
        probe
            .check(check((0, healthy.service())))
            .await
            .is_healthy()
    );
}

#[tokio::test(start_paused = true)]
async fn only_the_instance_that_was_readied_is_called_and_a_dropped_check_keeps_nothing() {
    let permits = Permits::new(1);
    let stalls = ScriptBody::new(ScriptStream::new().piece("x".into()).stall());
    let script = answering(200, stalls);
    let client = ReadinessProbe::new(script.service()).permits(permits.clone());
    let probe = HttpProbe::<_, _, Nothing>::new(client, root());

    // Before it is ready, and in the body.
    let mut first = Box::pin(probe.check(check(())));
    drop(probe.check(check(())));
    assert!(is_pending(&mut first).await);
    drop(first);
    assert_eq!((permits.free(), script.counts().calls), (1, 1));

    // While another has the permit.
    let held = answering(200, ScriptBody::empty());
    held.set(Step::stall());
    let client = ReadinessProbe::new(held.service()).permits(permits.clone());
    let probe = HttpProbe::<_, _, Nothing>::new(client, root());
    let mut first = Box::pin(probe.check(check(())));
    let mut second = Box::pin(probe.check(check(())));
    assert!(is_pending(&mut first).await);
    assert!(is_pending(&mut second).await);
    drop(second);
    drop(first);
    assert_eq!((permits.free(), held.counts().calls), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_unhealthy() {
    let cut = ScriptBody::new(
        ScriptStream::new()
            .piece("x".into())
            .cut("connection reset"),
    );
    let report = ask(&answering(200, cut.clone())).await;
    assert_eq!(
        message(&report),
        (Verdict::Unhealthy, "cut by the script: connection reset")
    );
    assert_eq!(metric(&report, "status"), Some(200.0));

    // Where the head alone decides it is not read.
    let probe = HttpProbe::<_, _, Nothing>::new(answering(200, cut).service(), root());
    assert!(probe.with_body_limit(0).check(check(())).await.is_healthy());
}

#[tokio::test(start_paused = true)]
async fn no_more_of_a_body_is_read_than_its_limit() {
    // An endless one: whoever reads on never ends.
    let endless = ScriptBody::new(pieces(&[40 << 10, 40 << 10]).stall());
    assert!(ask(&answering(200, endless)).await.is_healthy());

    // The limit, what comes, and what is read of it.
    let cases: [(usize, &[usize], usize, bool); 6] = [
        (10, &[4, 4], 8, false),
        (10, &[4, 6], 10, false),
        (10, &[4, 7], 10, true),
        (10, &[11], 10, true),
        (10, &[], 0, false),
        (0, &[1], 0, true),
    ];
    for (limit, sizes, length, truncated) in cases {
        let (tell, told) = oneshot::channel();
        let tell = Mutex::new(Some(tell));
        let body = ScriptBody::new(pieces(sizes)).silent_end();
        let probe = HttpProbe::<_, _, Nothing>::new(answering(200, body).service(), root())
            .with_body_limit(limit)
            .with_judge(move |answer: &HttpAnswer| {
                let read = (answer.body.len(), answer.truncated);
                tell.lock().unwrap().take().unwrap().send(read).unwrap();
                true
            });
        assert!(probe.check(check(())).await.is_healthy());
        assert_eq!(
            told.await.unwrap(),
            (length, truncated),
            "{limit} {sizes:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_judge_decides_about_answers_of_a_healthy_status() {
    let judge = |answer: &HttpAnswer| {
        let depth: f64 = str::from_utf8(&answer.body)?.trim().parse()?;
        let report = if depth < 10.0 {
            Report::healthy()
        } else {
            Report::unhealthy("full")
        };
        Ok::<_, BoxError>(report.with_metric("depth", depth))
    };
    for (status, body, verdict, said) in [
        (200, "3\n", Verdict::Healthy, ""),
        (200, "30", Verdict::Unhealthy, "full"),
        (200, "three", Verdict::Unhealthy, "invalid float literal"),
        (
            500,
            "3",
            Verdict::Unhealthy,
            "status 500 Internal Server Error",
        ),
    ] {
        let script = answering(status, ScriptBody::full(body));
        let probe = HttpProbe::<_, _, Nothing>::new(script.service(), root()).with_judge(judge);
        let report = probe.check(check(())).await;
        assert_eq!(message(&report), (verdict, said));
        assert_eq!(metric(&report, "status"), Some(f64::from(status)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_never_came_there_says_nothing_of_the_endpoint() {
    for (kind, verdict) in [
        (RejectionKind::CircuitOpen, Verdict::Unknown),
        (RejectionKind::ConcurrencyLimited, Verdict::Unknown),
        (RejectionKind::TimedOut, Verdict::Unhealthy),
    ] {
        let script = Script::<Response<ScriptBody>>::new(Step::error_with(move || {
            Rejection::new(kind, "layer").into()
        }));
        assert_eq!(ask(&script).await.verdict, verdict, "{kind:?}");
    }
    let probe = HttpProbe::<_, _, Nothing>::new(
        answering(200, ScriptBody::empty()).service(),
        |_: &Check<()>| "no uri at all",
    );
    let report = probe.check(check(())).await;
    assert_eq!(
        message(&report),
        (Verdict::Unknown, "invalid uri character")
    );
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_client_show_no_secrets() {
    // As a client may that repeats what it was to send.
    let client = service_fn(|request: Request<Nothing>| async move {
        let (uri, headers) = (request.uri(), request.headers());
        let error = format!(
            "cannot send {uri} ({}, {}, {}) with {:?} and token {}",
            uri.authority().unwrap(),
            uri.path_and_query().unwrap(),
            "swordfish opensesame",
            headers[AUTHORIZATION],
            "sk-12345",
        );
        Err::<Response<ScriptBody>, _>(BoxError::from(error))
    });
    let probe = HttpProbe::new(
        client,
        |_: &Check<()>| "http://user:swordfish@host/health?key=opensesame&x=1",
    )
    .with_header(AUTHORIZATION, HeaderValue::from_static("Bearer sk-12345"));
    assert!(!format!("{probe:?}").contains("sk-"));
    let report = probe.check(check(())).await;
    assert_eq!(
        message(&report),
        (
            Verdict::Unhealthy,
            "cannot send http://***@host/health?*** (***@host, /health?***, *** ***) with \"***\" and token ***"
        )
    );
}

#[tokio::test]
async fn checks_can_be_spawned_over_boxed_errors() {
    let client = service_fn(|_: Request<Nothing>| async {
        Err::<Response<ScriptBody>, _>(BoxError::from("no"))
    });
    let probe = HttpProbe::new(client, root());
    assert_eq!(
        tokio::spawn(probe.check(check(()))).await.unwrap().message,
        "no"
    );
}
