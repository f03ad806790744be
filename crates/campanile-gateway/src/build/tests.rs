//! Pools, stages and changes of both, over simulated providers, on paused time.

use std::time::Duration;

use campanile::{Call, Context};
use campanile_llm::{
    Error,
    chat::{Answer, ChatRequest, Part},
    embed::EmbeddingRequest,
    error::Class,
};
use futures_util::StreamExt;
use tower::ServiceExt;

use super::{Member, Reloaded};
use crate::{Gateway, config};

mod budgets;
mod cost;
mod limits;
mod reload;

/// Three providers that answer at once, and what else is said.
fn settings(more: &str) -> config::Config {
    let quick =
        "{ first_word: 0s, spread: 0, words: 2, words_per_second: 1000000, slots: 1000, seed: 1 }";
    let providers: String = ["one", "two", "three"]
        .map(|name| format!("  {name}: {{ simulated: {quick} }}\n"))
        .concat();
    read(&format!("providers:\n{providers}{more}"))
}

fn read(text: &str) -> config::Config {
    config::load(text)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .config
}

fn gateway(more: &str) -> Gateway {
    Gateway::new(settings(more)).unwrap()
}

fn member(gateway: &Gateway, pool: &str, name: &str) -> Member {
    let members = gateway.live().pools[pool].members();
    let member = members.into_iter().find(|one| one.endpoint.key() == name);
    member.unwrap()
}

async fn ask(gateway: &Gateway, request: ChatRequest) -> Result<usize, Error> {
    let chats = gateway.live().chats.clone();
    let context = Context::new().with_tenant("acme");
    let call = Call {
        context,
        message: request,
    };
    match chats.oneshot(call).await?.answer {
        Answer::Whole(_) => Ok(1),
        Answer::Stream(mut events) => {
            let (mut pieces, mut last) = (0, Part::Idle);
            while let Some(event) = events.next().await {
                last = event?.part();
                pieces += 1;
            }
            assert_eq!(last, Part::End, "a stream that ends is whole");
            Ok(pieces)
        }
    }
}

async fn chat(gateway: &Gateway, model: &str) -> Result<usize, Error> {
    ask(gateway, ChatRequest::new(model).user("hello")).await
}

/// How many calls each member has answered.
fn answered(gateway: &Gateway, pool: &str) -> Vec<(String, u64)> {
    let members = gateway.live().pools[pool].members();
    members
        .iter()
        .map(|one| (one.name().to_owned(), one.endpoint.outcomes().success))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn every_strategy_serves_chats_and_embeddings() {
    for strategy in [
        "ebw",
        "peak_ewma",
        "least_loaded",
        "round_robin",
        "weighted",
        "cheapest",
        "conversation",
        "prefix",
    ] {
        let gateway = gateway(&format!(
            "pools: {{ main: {{ strategy: {strategy}, members: [one, two, three] }} }}"
        ));
        for _ in 0..6 {
            chat(&gateway, "main").await.unwrap();
            let request = ChatRequest::new("main").user("hello").streamed();
            assert!(ask(&gateway, request).await.unwrap() > 1, "{strategy}");
        }
        let request = EmbeddingRequest::new("main", ["some text"]);
        let embeds = gateway.live().embeds.clone();
        let vectors = embeds.oneshot(Call::new(request)).await.unwrap();
        assert_eq!(vectors.embeddings().unwrap().len(), 1, "{strategy}");
        let all: u64 = answered(&gateway, "main").iter().map(|(_, n)| n).sum();
        assert_eq!(
            all, 13,
            "{strategy}: chats and embeddings count at the same members"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_has_the_models_of_its_members_and_others_are_refused() {
    let text = "
providers:
  one: { models: { small: null, big: bigger }, simulated: { first_word: 0s } }
  two: { models: { small: null }, simulated: { first_word: 0s } }
aliases: { best: big }
";
    let mut config = read(text);
    config.default_stage = None;
    let gateway = Gateway::new(config).unwrap();
    for _ in 0..4 {
        chat(&gateway, "big").await.unwrap();
        chat(&gateway, "best").await.unwrap();
    }
    let two = member(&gateway, "default", "two");
    assert_eq!(two.endpoint.outcomes().success, 0, "it has no big one");
    chat(&gateway, "small").await.unwrap();
    chat(&gateway, "default").await.unwrap();
    let error = chat(&gateway, "huge").await.unwrap_err();
    assert_eq!(error.class(), Class::ModelNotFound);
    assert!(error.to_string().contains("small"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn limits_of_a_member_send_calls_elsewhere() {
    let gateway = gateway(
        "pools: { main: { members: [{ provider: one, limits: { requests_per_minute: 2 } }, two] } }",
    );
    for _ in 0..20 {
        chat(&gateway, "main").await.unwrap();
    }
    let answered = answered(&gateway, "main");
    assert_eq!(answered[0], ("one".to_owned(), 2));
    assert_eq!(answered[1], ("two".to_owned(), 18));
    let snapshot = member(&gateway, "main", "one").snapshot();
    assert!(!snapshot.open);
    assert!(serde_json::to_string(&snapshot).unwrap().contains("quota"));
}

#[tokio::test(start_paused = true)]
async fn tiers_come_one_after_the_other() {
    let gateway = gateway(
        "pools: { main: { members: [one, { provider: two, tier: 1 }], strategy: least_loaded } }",
    );
    for _ in 0..10 {
        chat(&gateway, "main").await.unwrap();
    }
    assert_eq!(answered(&gateway, "main")[1].1, 0);
    member(&gateway, "main", "one").disable();
    tokio::time::sleep(Duration::from_secs(1)).await;
    chat(&gateway, "main").await.unwrap();
    assert_eq!(answered(&gateway, "main")[1].1, 1);
}

#[tokio::test(start_paused = true)]
async fn failures_go_elsewhere_and_open_the_breaker_until_it_is_reset() {
    let text = "
providers:
  bad: { simulated: { first_word: 0s, failures_per_thousand: 1000 } }
  good: { simulated: { first_word: 0s, slots: 1000 } }
pools: { main: { members: [bad, good], strategy: round_robin } }
";
    let gateway = Gateway::new(read(text)).unwrap();
    for _ in 0..40 {
        chat(&gateway, "main").await.unwrap();
    }
    let bad = member(&gateway, "main", "bad");
    assert!(bad.snapshot().breaker.unwrap().trips >= 1);
    // Once its time is over it lets a trial through, which trips it again.
    while bad.snapshot().open {
        chat(&gateway, "main").await.unwrap();
    }
    bad.reset();
    assert_eq!(
        bad.snapshot().breaker.unwrap().state,
        campanile::circuit_breaker::BreakerState::Closed
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_the_calls_under_way() {
    let text = "
providers:
  slow: { simulated: { first_word: 2s, spread: 0, words: 1 } }
  other: { simulated: { first_word: 2s, spread: 0, words: 1 } }
pools: { main: { members: [slow] } }
";
    let gateway = Gateway::new(read(text)).unwrap();
    let call = tokio::spawn({
        let gateway = gateway.clone();
        async move { chat(&gateway, "main").await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let slow = member(&gateway, "main", "slow");
    assert_eq!(slow.drain(Duration::from_millis(100)).await, 1, "too short");
    assert_eq!(slow.drain(Duration::from_secs(10)).await, 0);
    assert!(call.await.unwrap().is_ok());
    assert!(slow.is_disabled());
    slow.enable();
    chat(&gateway, "main").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stage_keeps_to_its_limits_deadline_and_budget() {
    let gateway = gateway(
        "
stages:
  few: { pool: default, limits: { requests_per_minute: 2 } }
  poor: { pool: default, budgets: [{ unit: tokens, limit: 600, period: day }] }
pools: { default: { members: [one, two, three] } }
",
    );
    for _ in 0..2 {
        chat(&gateway, "few").await.unwrap();
    }
    let error = chat(&gateway, "few").await.unwrap_err();
    assert!(error.rejection().is_some(), "{error}");
    chat(&gateway, "poor").await.unwrap();
    let spent = gateway.live().stages["poor"].snapshot().budgets;
    assert!(spent[0].spent > 0, "{spent:?}");
}
