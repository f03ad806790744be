//! For how long the gateway leaves a member alone that asks for it, and how an operator takes it back.

mod gateway;

use std::time::Duration;

use bytes::Bytes;
use campanile_llm::dialect::{Api, Dialect};
use campanile_tests::faults::{Answer, Hint, Upstream, recorded};
use gateway::{Site, settings};

/// Longer than any test.
const LONG: Hint = Hint::Seconds(600);

fn file(upstream: &Upstream, pool: &str) -> String {
    format!(
        "providers: {{one: {{preset: compatible, base_url: \"{}/v1\"}}}}
pools: {{default: {{members: [one], retry: null, patience: 50ms, {pool}}}}}
admin: {{token: token-of-operators}}
",
        upstream.url()
    )
}

/// A gateway whose only member has just asked to be left alone.
async fn refused(pool: &str) -> (Upstream, Site) {
    let upstream = Upstream::start().await.unwrap();
    upstream.always(Answer::stream(
        Api::OpenAi,
        recorded(Api::OpenAi, "aimock_text.sse"),
    ));
    upstream.next(Answer::rate_limited(Api::OpenAi, LONG));
    let site = Site::start(&file(&upstream, pool)).await;
    assert_eq!(ask(&site).await, 429);
    (upstream, site)
}

async fn ask(site: &Site) -> u16 {
    let answered = site.ask(Dialect::OpenAi, "m", true).await;
    answered.status.as_u16()
}

async fn reset(site: &Site) {
    let path = "/admin/pools/default/members/one/reset-breaker";
    let mut request = site.request("POST", path, Bytes::new());
    let token = "Bearer token-of-operators".parse().unwrap();
    request.headers_mut().insert("authorization", token);
    let answer = site.client().request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn no_longer_than_the_settings_say() {
    let (_upstream, site) = refused("breaker: {retry_after_max: 1s}").await;
    assert_ne!(ask(&site).await, 200, "it is left alone");
    // Guards add a tenth by chance.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(ask(&site).await, 200);
}

#[tokio::test]
async fn not_at_all_if_the_settings_say_so() {
    let (_upstream, site) = refused("breaker: {park_throttled: false}").await;
    assert_eq!(ask(&site).await, 200);
}

#[tokio::test]
async fn until_an_operator_takes_it_back() {
    for breaker in ["breaker: {}", "breaker: null"] {
        let (_upstream, site) = refused(breaker).await;
        assert_ne!(ask(&site).await, 200, "{breaker}: it is left alone");
        reset(&site).await;
        assert_eq!(ask(&site).await, 200, "{breaker}: it is back");
    }
}

#[tokio::test]
async fn by_new_settings_from_then_on() {
    let (upstream, site) = refused("breaker: {}").await;
    let new = file(&upstream, "breaker: {park_throttled: false}");
    let new = settings(&format!("listen: 127.0.0.1:0\n{new}"));
    site.gateway.reload(new).unwrap();
    reset(&site).await;
    upstream.next(Answer::rate_limited(Api::OpenAi, LONG));
    assert_eq!(ask(&site).await, 429);
    assert_eq!(ask(&site).await, 200, "it is believed no more");
}
