//! A whole stack: retries and hedges in front of a pool, a fallback around it.

use super::*;
use crate::{
    balance::{AvoidTried, Balance, BalanceLayer, FastFail, LeastLoaded},
    fallback::FallbackLayer,
    hedge::{Delay, HedgeConfig, HedgeLayer},
    protocol::Enveloped,
    retry::{Backoff, RetryConfig, RetryLayer},
    testing::discovery,
};

/// The members of a pool by their scripts, each with a span of its own.
macro_rules! pool {
    ($($key:literal: $script:expr),+) => {
        pool(&[$(($key, $script)),+]).await
    };
}

type Pool = Balance<Member, FastFail<AvoidTried<LeastLoaded>>, Enveloped>;
type Member = Trace<Scripted<&'static str>, Enveloped, ContextIds>;

async fn pool(scripts: &[(&'static str, Script<&'static str>)]) -> Pool {
    let (members, discover) = discovery();
    for (key, script) in scripts {
        let endpoint = Endpoint::new(*key);
        let layer = TraceLayer::endpoint(&endpoint).calls();
        members.insert(endpoint, layer.layer(script.service()));
    }
    members.end();
    let pool = BalanceLayer::calls(AvoidTried::new(LeastLoaded::default()))
        .seed(3)
        .layer(discover);
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
    pool
}

fn retries(count: u32) -> RetryLayer<Enveloped> {
    let config = RetryConfig::default()
        .with_max_retries(count)
        .with_backoff(Backoff::fixed(100 * MS))
        .with_budget(None)
        .with_seed(1);
    RetryLayer::new(config).unwrap().calls()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_tried_again_is_one_tree_with_one_id_and_one_line() {
    let (capture, _guard) = Capture::all();
    let slow = || Script::<&'static str>::new(Step::error("down").after(20 * MS));
    let service = ServiceBuilder::new()
        .layer(TraceLayer::stage("chat").calls())
        .layer(retries(2))
        .layer(TraceLayer::attempt().calls())
        .service(pool!("a": slow(), "b": slow(), "c": slow()));
    assert!(service.oneshot(Call::new(())).await.is_err());

    let line = capture.line();
    assert_eq!((line.get("attempts"), line.get("error")), ("3", "down"));
    assert_eq!(line.get("elapsed_s"), "0.26");
    let mut tried: Vec<_> = line.get("tried").split(", ").collect();
    tried.sort_unstable();
    assert_eq!(
        tried,
        [
            "a failure/error 20ms",
            "b failure/error 20ms",
            "c failure/error 20ms"
        ]
    );

    let call = capture.span("call");
    let id = call.get("id");
    assert!(is_id(id) && line.get("id") == id);
    assert_eq!(call.get("attempts"), "3");
    let attempts = capture.spans("attempt");
    let stays = capture.spans("endpoint");
    assert_eq!((attempts.len(), stays.len()), (3, 3));
    for (number, (attempt, stay)) in attempts.iter().zip(&stays).enumerate() {
        assert_eq!(
            (capture.parent(attempt), capture.parent(stay)),
            (Some("call"), Some("attempt"))
        );
        let repeat = if number == 0 { "" } else { "retry" };
        for span in [attempt, stay] {
            assert_eq!((span.get("id"), span.get("outcome")), (id, "failure"));
            assert_eq!(
                (span.get("attempt"), span.get("repeat")),
                (number.to_string().as_str(), repeat)
            );
        }
    }
    assert!(capture.is_over());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_goes_well_in_the_end_has_no_line() {
    let (capture, _guard) = Capture::all();
    let service = ServiceBuilder::new()
        .layer(TraceLayer::stage("chat").calls())
        .layer(retries(2))
        .service(pool!("a": well().then(Step::error("down"))));
    assert_eq!(service.oneshot(Call::new(())).await.unwrap(), "well");
    assert!(capture.lines().is_empty());
    let outcomes: Vec<_> = capture
        .spans("endpoint")
        .iter()
        .map(|span| span.get("outcome").to_owned())
        .collect();
    assert_eq!(outcomes, ["failure", "success"]);
    assert_eq!(capture.span("call").get("outcome"), "success");
}

#[tokio::test(start_paused = true)]
async fn the_copies_of_a_hedged_call_have_the_same_id() {
    let (capture, _guard) = Capture::all();
    let slow = || Script::new(Step::answer("well").after(SEC));
    let config = HedgeConfig::default().with_delay(Delay::fixed(100 * MS));
    let budget = crate::budget::Budget::new(
        crate::budget::BudgetConfig::default()
            .with_cap(10.0)
            .with_initial(10.0)
            .build()
            .unwrap(),
    );
    let service = ServiceBuilder::new()
        .layer(TraceLayer::stage("chat").calls())
        .layer(HedgeLayer::new(config).unwrap().calls().budget(budget))
        .layer(TraceLayer::attempt().calls())
        .service(pool!("a": slow(), "b": slow()));
    assert_eq!(service.oneshot(Call::new(())).await.unwrap(), "well");
    let call = capture.span("call");
    let attempts = capture.spans("attempt");
    let told: Vec<_> = attempts
        .iter()
        .map(|span| (span.get("repeat"), span.get("outcome")))
        .collect();
    assert_eq!(told, [("", "success"), ("hedge", "cancelled")]);
    for span in attempts.iter().chain(&capture.spans("endpoint")) {
        assert_eq!(span.get("id"), call.get("id"));
    }
    assert!(capture.lines().is_empty() && capture.is_over());
}

#[tokio::test(start_paused = true)]
async fn a_fallback_is_a_part_of_the_same_call() {
    let (capture, _guard) = Capture::all();
    let spare = TraceLayer::endpoint(&Endpoint::new("spare"))
        .calls()
        .layer(down().service());
    let service = ServiceBuilder::new()
        .layer(TraceLayer::stage("chat").calls())
        .layer(FallbackLayer::to(spare).calls())
        .layer(retries(1))
        .service(pool!("a": down()));
    assert!(service.oneshot(Call::new(())).await.is_err());
    let stays = capture.spans("endpoint");
    let told: Vec<_> = stays
        .iter()
        .map(|span| ["endpoint", "attempt", "repeat"].map(|field| span.get(field)))
        .collect();
    assert_eq!(
        told,
        [
            ["a", "0", ""],
            ["a", "1", "retry"],
            ["spare", "2", "fallback"]
        ]
    );
    let line = capture.line();
    assert!(stays.iter().all(|span| span.get("id") == line.get("id")));
    assert!(
        stays
            .iter()
            .all(|span| capture.parent(span) == Some("call"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_refuses_says_so_in_the_line() {
    let (capture, _guard) = Capture::all();
    let (members, discover) = discovery();
    let endpoint = Endpoint::new("a");
    members.insert(endpoint.clone(), well().service());
    let pool = BalanceLayer::calls(LeastLoaded::default()).layer(discover);
    let until = crate::time::Timestamp::now().after(600 * SEC);
    endpoint
        .gate()
        .close_until(crate::endpoint::Reason::Quota, until);
    let service = TraceLayer::stage("chat").calls().layer(pool);
    assert!(service.oneshot(Call::new(())).await.is_err());
    let line = capture.line();
    assert_eq!(
        (line.get("refused_by"), line.get("refusal")),
        ("balance", "unavailable")
    );
    assert_eq!(
        (line.get("attempts"), line.get("outcome")),
        ("0", "overloaded")
    );
    assert!(line.get("retry_after_s").parse::<f64>().unwrap() > 0.0);
}
