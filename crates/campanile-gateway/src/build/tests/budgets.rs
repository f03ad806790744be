//! What budgets hold where a call takes more than one attempt.

use tokio::task::JoinSet;

use super::{
    limits::{WORDY, call, request},
    *,
};
use crate::testing::Folder;

const PRICES: &str = r#"{"models": {
    "small": {"input": 0, "output": 1},
    "large": {"input": 0, "output": 10}
}}"#;

/// What the tenant of the only key, or the only stage with budgets, has spent.
fn spent(gateway: &Gateway) -> u64 {
    let live = gateway.live();
    let stages = live
        .stages
        .values()
        .flat_map(|stage| stage.snapshot().budgets);
    let tenants = live.access.budgets().into_iter().flat_map(|(_, all)| all);
    stages.chain(tenants).next().unwrap().spent
}

/// Each call goes to another stage, whose model costs ten times as much: that is what is reserved.
#[tokio::test(start_paused = true)]
async fn a_dearer_stage_that_calls_fall_back_to_is_reserved_for() {
    for (name, small, asked) in [
        ("named", "models: [small]", "small"),
        ("pattern", "models: ['sm*']", "small"),
        ("default", "", "small"),
    ] {
        let folder = Folder::new(&format!("dearer-{name}"));
        let prices = folder.file("prices.json", PRICES);
        let default = if name == "default" {
            "default_stage: first\n"
        } else {
            ""
        };
        let models = if name == "named" {
            "models: [small], "
        } else {
            ""
        };
        let text = format!(
            "
prices: {}
{default}providers:
  one: {{ {models}simulated: {{ failures_per_thousand: 1000, first_word: 0s, slots: 1000, seed: 1 }} }}
  two: {{ models: [large], simulated: {WORDY} }}
pools: {{ first: {{ members: [one], breaker: null }}, second: {{ members: [two] }} }}
stages:
  first: {{ {small}{}fallbacks: {{ otherwise: second }} }}
  second: {{ model: large }}
keys: {{ k: {{ secret: key-of-k, budgets: [{{ unit: money, limit: \"0.10\", period: day }}] }} }}
",
            prices.display(),
            if small.is_empty() { "" } else { ", " },
        );
        let gateway = Gateway::new(read(&text)).unwrap();
        let mut calls = JoinSet::new();
        for _ in 0..12 {
            let request = request(asked).max_tokens(6_000);
            calls.spawn(call(gateway.clone(), "key-of-k", request));
        }
        let well = calls
            .join_all()
            .await
            .iter()
            .filter(|one| one.is_ok())
            .count();
        assert_eq!(well, 1, "{name}: each may take $0.06");
        let spent = spent(&gateway);
        assert!(
            (20_000_000..=60_000_000).contains(&spent),
            "{name}: {spent}"
        );
    }
}

/// One that never answers, and one that does: what the first has taken is estimated, and the second attempt needs room beside it.
#[tokio::test(start_paused = true)]
async fn a_retry_needs_room_beside_what_the_attempts_before_it_have_taken() {
    for holder in ["key", "stage"] {
        for (limit, answers) in [(7_300, false), (20_000, true)] {
            let budget = format!("budgets: [{{ unit: tokens, limit: {limit}, period: day }}]");
            let more = match holder {
                "key" => format!("keys: {{ k: {{ secret: key-of-k, {budget} }} }}"),
                _ => format!("stages: {{ default: {{ {budget} }} }}"),
            };
            let text = format!(
                "
providers:
  mute: {{ simulated: {{ first_word: 1h, spread: 0, seed: 1 }} }}
  well: {{ simulated: {WORDY} }}
pools: {{ default: {{ members: [mute, {{ provider: well, tier: 1 }}], timeouts: {{ first_data: 5s }} }} }}
{more}
"
            );
            let gateway = Gateway::new(read(&text)).unwrap();
            let request = request("default").max_tokens(6_000);
            let answer = call(gateway.clone(), "key-of-k", request).await;
            assert_eq!(answer.is_ok(), answers, "{holder} {limit}: {answer:?}");
            if let Err(error) = answer {
                assert_eq!(error.answer_status(), 504, "{error}");
            }
            let one = &answered(&gateway, "default")[1];
            assert_eq!((&*one.0, one.1), ("well", u64::from(answers)));
            let spent = spent(&gateway);
            assert!((100..=limit).contains(&spent), "{spent}");
        }
    }
}
