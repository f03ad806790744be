//! What is learnt from an HTTP upstream.

use http::{Request, Response, StatusCode};

use super::*;
use crate::{protocol::Http, testing::ScriptBody};

type Upstream = Script<Response<ScriptBody>>;
type Service = RateLimit<Scripted<Response<ScriptBody>>, Http, Single, Together, Headers>;

fn response(status: u16, headers: &[(&'static str, &str)]) -> Step<Response<ScriptBody>> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Step::answer(response.body(ScriptBody::empty()).unwrap())
}

fn upstream(config: RateLimitConfig) -> (Upstream, Service) {
    let upstream = Script::<_>::new(response(200, &[]));
    let service = RateLimitLayer::new(built(config))
        .unwrap()
        .http()
        .layer(upstream.service());
    (upstream, service)
}

async fn get(service: &Service) -> Result<StatusCode, BoxError> {
    let response = service.clone().oneshot(Request::new(())).await?;
    Ok(response.status())
}

/// 100 requests a second, and 6,000 tokens.
fn config() -> RateLimitConfig {
    RateLimitConfig::requests(Limit::per_second(100.0))
        .with_tokens(Limit::per_minute(6_000.0))
        .with_max_wait(Duration::ZERO)
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_parks_until_then() {
    let (upstream, service) = upstream(config());
    upstream.push(response(429, &[("retry-after", "7")]));
    assert_eq!(get(&service).await.unwrap(), 429);
    assert_eq!(refused(get(&service).await).retry_after(), Some(7 * SEC));
    // Told how long, it need not guess a rate.
    assert_eq!(service.handle().snapshot().pace, 1.0);
    tokio::time::advance(7 * SEC).await;
    assert_eq!(get(&service).await.unwrap(), 200);
    assert_eq!(upstream.counts().calls, 2);
}

#[tokio::test(start_paused = true)]
async fn a_park_is_capped() {
    let learn = Learn {
        max_park: 5 * SEC,
        ..Learn::default()
    };
    let (upstream, service) = upstream(config().with_learn(Some(learn)));
    upstream.push(response(429, &[("retry-after", "86400")]));
    get(&service).await.unwrap();
    assert_eq!(refused(get(&service).await).retry_after(), Some(5 * SEC));
}

#[tokio::test(start_paused = true)]
async fn an_operator_caps_parks_and_allows_none() {
    let (upstream, service) = upstream(config());
    service.handle().set_max_park(2 * SEC);
    upstream.push(response(429, &[("retry-after", "86400")]));
    get(&service).await.unwrap();
    assert_eq!(refused(get(&service).await).retry_after(), Some(2 * SEC));
    tokio::time::advance(2 * SEC).await;
    service.handle().set_max_park(Duration::ZERO);
    upstream.push(response(429, &[("retry-after", "86400")]));
    assert_eq!(get(&service).await.unwrap(), 429);
    assert_eq!(get(&service).await.unwrap(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_limiter_without_a_limit_of_its_own_learns() {
    let (upstream, service) = upstream(RateLimitConfig::default().with_max_wait(Duration::ZERO));
    for _ in 0..1_000 {
        get(&service).await.unwrap();
    }
    upstream.push(response(429, &[("retry-after-ms", "1500")]));
    get(&service).await.unwrap();
    assert_eq!(refused(get(&service).await).retry_after(), Some(1_500 * MS));
}

#[tokio::test(start_paused = true)]
async fn what_remains_upstream_is_what_remains_here() {
    let (upstream, service) = upstream(config());
    upstream.push(response(
        200,
        &[
            ("x-ratelimit-remaining-requests", "2"),
            ("x-ratelimit-remaining-tokens", "150"),
        ],
    ));
    get(&service).await.unwrap();
    assert_left(&service, Unit::Requests, 2.0);
    assert_left(&service, Unit::Tokens, 150.0);
    // More than there is here changes nothing.
    upstream.push(response(200, &[("x-ratelimit-remaining-requests", "5000")]));
    get(&service).await.unwrap();
    assert_left(&service, Unit::Requests, 1.0);
}

#[tokio::test(start_paused = true)]
async fn once_nothing_remains_it_parks_until_the_reset() {
    for (headers, seconds) in [
        (
            [
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "6m0s"),
            ],
            360.0,
        ),
        (
            [
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "120ms"),
            ],
            0.12,
        ),
    ] {
        let (upstream, service) = upstream(config());
        upstream.push(response(200, &headers));
        get(&service).await.unwrap();
        let wait = refused(get(&service).await).retry_after().unwrap();
        assert_eq!(wait.as_secs_f64(), seconds);
        tokio::time::advance(wait).await;
        get(&service).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_that_is_a_refill_parks_nobody() {
    let learn = Learn {
        reset: Reset::Refill,
        ..Learn::default()
    };
    let (upstream, service) = upstream(config().with_learn(Some(learn)));
    upstream.push(response(
        200,
        &[
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "60s"),
        ],
    ));
    get(&service).await.unwrap();
    assert_eq!(refused(get(&service).await).retry_after(), Some(10 * MS));
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_the_upstream_is_a_ceiling() {
    let (upstream, service) = upstream(config());
    let handle = service.handle();
    let rate = || handle.rate(Unit::Requests).unwrap();
    upstream.push(response(200, &[("x-ratelimit-limit-requests", "3000")]));
    get(&service).await.unwrap();
    assert_eq!(rate(), 50.0, "3,000 a minute");
    upstream.push(response(200, &[("x-ratelimit-limit-requests", "1000000")]));
    get(&service).await.unwrap();
    assert_eq!(rate(), 100.0, "never above the own limit");
    upstream.push(response(200, &[("x-ratelimit-limit-requests", "1")]));
    get(&service).await.unwrap();
    assert_eq!(rate(), 5.0, "nor below its min");
    upstream.push(response(200, &[("x-ratelimit-limit-requests", "0")]));
    get(&service).await.unwrap();
    assert_eq!(rate(), 5.0, "garbled");
}

#[tokio::test(start_paused = true)]
async fn anthropic_headers_count_too() {
    let (upstream, service) = upstream(config());
    let soon = std::time::SystemTime::now() + 30 * SEC;
    let soon = soon
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    let day = soon.as_secs() % 86_400;
    // Today, from a date that is known, in the form of the header.
    let date = httpdate::fmt_http_date(std::time::SystemTime::UNIX_EPOCH + soon);
    let month = "JanFebMarAprMayJunJulAugSepOctNovDec"
        .find(&date[8..11])
        .unwrap()
        / 3
        + 1;
    let reset = format!(
        "{}-{month:02}-{}T{:02}:{:02}:{:02}Z",
        &date[12..16],
        &date[5..7],
        day / 3_600,
        day / 60 % 60,
        day % 60
    );
    upstream.push(response(
        200,
        &[
            ("anthropic-ratelimit-requests-limit", "4000"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", &reset),
        ],
    ));
    get(&service).await.unwrap();
    let wait = refused(get(&service).await).retry_after().unwrap();
    assert!(wait > 25 * SEC && wait <= 30 * SEC, "{reset}: {wait:?}");
}

#[tokio::test(start_paused = true)]
async fn a_429_without_a_hint_slows_down_and_success_recovers() {
    let (upstream, service) = upstream(RateLimitConfig::requests(
        Limit::per_second(100.0).with_range(10.0, 100.0),
    ));
    let handle = service.handle();
    upstream.push(response(429, &[]));
    get(&service).await.unwrap();
    assert_eq!(handle.rate(Unit::Requests), Some(50.0));
    assert_eq!(
        handle.left(Unit::Requests),
        Some(0.0),
        "evidently nothing is left"
    );
    let mut rates = Vec::new();
    for _ in 0..12 {
        tokio::time::advance(SEC).await;
        get(&service).await.unwrap();
        get(&service).await.unwrap();
        rates.push(handle.rate(Unit::Requests).unwrap().round());
    }
    assert_eq!(
        rates,
        [
            55., 60., 65., 70., 75., 80., 85., 90., 95., 100., 100., 100.
        ]
    );
    for _ in 0..20 {
        tokio::time::advance(SEC).await;
        upstream.push(response(429, &[]));
        get(&service).await.unwrap();
    }
    assert_eq!(handle.rate(Unit::Requests), Some(10.0), "not below its min");
    tokio::time::advance(SEC).await;
    get(&service).await.unwrap();
    assert!(
        handle.rate(Unit::Requests).unwrap() > 10.0,
        "and up from there"
    );
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_throttled_together_slow_down_once() {
    let (upstream, service) = upstream(config());
    upstream.set(
        Step::answer_with(|| {
            let mut response = Response::new(ScriptBody::empty());
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            response
        })
        .after(10 * MS),
    );
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move { get(&service).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), 429);
    }
    assert_eq!(service.handle().snapshot().pace, 0.5);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_learnt_when_learning_is_off() {
    let (upstream, service) = upstream(config().with_learn(None));
    upstream.push(response(
        429,
        &[
            ("retry-after", "7"),
            ("x-ratelimit-remaining-requests", "0"),
        ],
    ));
    get(&service).await.unwrap();
    assert_eq!(get(&service).await.unwrap(), 200);
    assert_eq!(service.handle().snapshot().pace, 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_503_parks_nobody() {
    let (upstream, service) = upstream(config());
    upstream.push(response(503, &[("retry-after", "7")]));
    get(&service).await.unwrap();
    assert_eq!(get(&service).await.unwrap(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_closure_learns_from_any_response() {
    let script = Script::<_>::new(Step::answer(0_u64));
    let service = RateLimitLayer::new(refusing(ten_per_second(5)))
        .unwrap()
        .advise(|left: &u64| {
            Some(Advice {
                requests: Some(Quota {
                    remaining: Some(*left),
                    reset: Some(3 * SEC),
                    ..Quota::default()
                }),
                ..Advice::default()
            })
        })
        .layer(script.service());
    service.clone().oneshot(()).await.unwrap();
    let rejection = refused(service.clone().oneshot(()).await);
    assert_eq!(rejection.retry_after(), Some(3 * SEC));
}

#[tokio::test(start_paused = true)]
async fn each_key_learns_for_itself() {
    let upstream: Upstream = Script::<_>::new(response(200, &[]));
    let service = RateLimitLayer::new(refusing(ten_per_second(5)))
        .unwrap()
        .http()
        .keyed(|request: &Request<()>| request.uri().path().to_owned())
        .layer(upstream.service());
    let get = |path: &str| {
        let request = Request::builder().uri(path).body(()).unwrap();
        service.clone().oneshot(request)
    };
    upstream.push(response(429, &[("retry-after", "7")]));
    assert_eq!(get("/a").await.unwrap().status(), 429);
    assert_eq!(refused(get("/a").await).retry_after(), Some(7 * SEC));
    assert_eq!(get("/b").await.unwrap().status(), 200);
    // Without a hint its bucket is emptied, and nobody else is slower.
    upstream.push(response(429, &[]));
    assert_eq!(get("/c").await.unwrap().status(), 429);
    assert_eq!(refused(get("/c").await).retry_after(), Some(100 * MS));
    assert_eq!(get("/b").await.unwrap().status(), 200);
    assert_eq!(service.handle().snapshot().pace, 1.0);
}
