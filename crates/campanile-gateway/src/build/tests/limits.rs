//! Limits and budgets of keys, stages and the whole, as callers meet them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use campanile::rate_limit::CachedTokens;
use campanile_llm::dialect::Dialect;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::*;
use crate::access::Said;

/// One that takes two seconds, and tells what it took: some 3,000 tokens.
pub(super) const WORDY: &str =
    "{ first_word: 2s, spread: 0, words: 3000, words_per_second: 1000000, slots: 1000, seed: 1 }";

/// One that takes two seconds.
const SLOW: &str =
    "{ first_word: 2s, spread: 0, words: 2, words_per_second: 1000000, slots: 1000, seed: 1 }";

fn with(provider: &str, more: &str) -> Gateway {
    let text = format!("providers:\n  sim: {{ simulated: {provider} }}\n{more}");
    Gateway::new(read(&text)).unwrap()
}

/// Calls as the holder of a key, of this secret.
pub(super) async fn call(gateway: Gateway, key: &str, request: ChatRequest) -> Result<(), Error> {
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", HeaderValue::from_str(key).unwrap());
    let caller = gateway.live().access.caller(&Said::read(&headers))?;
    match caller.chats.send(Call::new(request)).await?.answer {
        Answer::Whole(_) => Ok(()),
        Answer::Stream(_) => panic!("it was not asked for a stream"),
    }
}

async fn embed(gateway: Gateway, key: &str) -> Result<(), Error> {
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", HeaderValue::from_str(key).unwrap());
    let caller = gateway.live().access.caller(&Said::read(&headers))?;
    let request = EmbeddingRequest::new("default", ["some text"]);
    caller.embeds.send(Call::new(request)).await.map(drop)
}

pub(super) fn request(model: &str) -> ChatRequest {
    ChatRequest::new(model).user("hello")
}

/// What a caller is told: status, `code` or `type`, `x-should-retry`, `retry-after`, and the message.
fn told(error: Error, dialect: Dialect) -> (u16, String, String, Option<String>, String) {
    let body: Value = serde_json::from_slice(&dialect.error_body(&error)).unwrap();
    let name = match dialect {
        Dialect::Anthropic => &body["error"]["type"],
        _ => &body["error"]["code"],
    };
    let (name, message) = (name.as_str().unwrap(), body["error"]["message"].as_str());
    let (name, message) = (name.to_owned(), message.unwrap().to_owned());
    let answer = error.into_http::<campanile_llm::stream::ChatStream>(dialect);
    let header = |name| {
        let value: Option<&HeaderValue> = answer.headers().get(name);
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    let again = header("x-should-retry").unwrap();
    (
        answer.status().as_u16(),
        name,
        again,
        header("retry-after"),
        message,
    )
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_refuses_is_never_overspent_by_many_calls_at_once() {
    let budget = "budgets: [{ unit: tokens, limit: 10500, period: day }]";
    for more in [
        format!("keys: {{ k: {{ secret: key-of-k, {budget} }} }}"),
        format!("stages: {{ default: {{ {budget} }} }}"),
    ] {
        let gateway = with(WORDY, &more);
        let mut calls = JoinSet::new();
        for _ in 0..12 {
            let request = request("default").max_tokens(6_000);
            calls.spawn(call(gateway.clone(), "key-of-k", request));
        }
        let results = calls.join_all().await;
        let (well, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!((well.len(), refused.len()), (1, 11), "{more}");
        for error in refused {
            let (status, code, again, after, message) = told(error.unwrap_err(), Dialect::OpenAi);
            assert_eq!((status, &*code), (429, "rate_limit_exceeded"), "{message}");
            assert_eq!(
                (&*again, after.as_deref()),
                ("true", Some("1")),
                "{message}"
            );
            assert!(
                message.contains("tokens_per_day is reserved by calls under way"),
                "{message}"
            );
        }
        let spent = {
            let live = gateway.live();
            let stage = live.stages["default"].snapshot().budgets;
            let tenant = live.access.budgets().into_iter().flat_map(|(_, all)| all);
            stage.into_iter().chain(tenant).next().unwrap().spent
        };
        assert!((2_000..=6_000).contains(&spent), "{spent}: {more}");
    }
}

/// Its own limits leave it out.
#[tokio::test(start_paused = true)]
async fn what_anthropic_reads_from_its_cache_is_free_in_its_members_limits() {
    for (api, expected) in [
        ("anthropic", CachedTokens::Free),
        ("openai", CachedTokens::Count),
        ("gemini", CachedTokens::Count),
    ] {
        let text = format!(
            "providers:
  far: {{ api: {api}, base_url: \"http://127.0.0.1:1\" }}
pools: {{ main: {{ members: [{{ provider: far, limits: {{ tokens_per_minute: 50000 }} }}] }} }}"
        );
        let gateway = Gateway::new(read(&text)).unwrap();
        let far = member(&gateway, "main", "far");
        assert_eq!(far.guards.terms().rate.cached_tokens, expected, "{api}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_say_how_long_its_answer_may_be_is_told_what_it_needs() {
    let key = "keys: { shop: { secret: key-of-k, budgets: [{ unit: tokens, limit: 9000, period: day }] } }";
    let gateway = with(WORDY, key);
    let error = call(gateway.clone(), "key-of-k", request("default")).await;
    let (status, code, again, after, message) = told(error.unwrap_err(), Dialect::OpenAi);
    assert_eq!((status, &*code), (429, "insufficient_quota"), "{message}");
    assert_eq!((&*again, after), ("false", None), "{message}");
    assert!(
        message.starts_with(
            "tenant \"shop\": tokens_per_day is too small for the call: it may take 13"
        ),
        "{message}"
    );
    assert!(
        message.contains("the limit is 9000; with a lower max_tokens"),
        "{message}"
    );
    call(
        gateway.clone(),
        "key-of-k",
        request("default").max_tokens(7_000),
    )
    .await
    .unwrap();
    // Its first call has taken some 3,000.
    let request_of_much = request("default").max_tokens(7_000);
    let error = call(gateway, "key-of-k", request_of_much)
        .await
        .unwrap_err();
    let (status, name, again, after, message) = told(error, Dialect::Anthropic);
    assert_eq!(
        (status, &*name, &*again),
        (429, "rate_limit_error", "false"),
        "{message}"
    );
    assert!(
        after.is_some() && message.contains("tokens_per_day is used up"),
        "{message}"
    );
    // The file may say how long answers are.
    let gateway = with(WORDY, &format!("most_output: 4000\n{key}"));
    call(gateway, "key-of-k", request("default")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn limits_of_tokens_go_on_with_what_is_likely() {
    let gateway = with(
        WORDY,
        "
keys:
  rated: { secret: key-rated, limits: { tokens_per_minute: 4000 }, budgets: [{ unit: tokens, limit: 1000000, period: day }] }
  small: { secret: key-small, limits: { tokens_per_minute: 500 } }
",
    );
    call(gateway.clone(), "key-rated", request("default"))
        .await
        .unwrap();
    let error = call(gateway, "key-small", request("default")).await;
    let (status, code, again, after, message) = told(error.unwrap_err(), Dialect::OpenAi);
    assert_eq!(
        (status, &*code, &*again, after),
        (429, "rate_limit_exceeded", "false", None)
    );
    assert!(
        message.starts_with("key \"small\": tokens_per_minute is too small for the call"),
        "{message}"
    );
    assert!(message.contains("the limit is 500"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_full_limit_of_a_key_a_stage_or_the_whole_is_the_callers_matter() {
    for (more, holder) in [
        (
            "keys: { k: { secret: key-of-k, limits: { concurrent: 1 } } }",
            "key \"k\"",
        ),
        (
            "stages: { default: { limits: { concurrent: 1 } } }",
            "stage \"default\"",
        ),
        ("limits: { concurrent: 1 }", "all calls together"),
        (
            "limits: { concurrent: 1, max_wait: 500ms }",
            "all calls together",
        ),
    ] {
        for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
            let gateway = with(SLOW, more);
            let first = tokio::spawn(call(gateway.clone(), "key-of-k", request("default")));
            tokio::time::sleep(Duration::from_millis(100)).await;
            let error = call(gateway.clone(), "key-of-k", request("default")).await;
            let (status, name, again, after, message) = told(error.unwrap_err(), dialect);
            let expected = match dialect {
                Dialect::Anthropic => "rate_limit_error",
                _ => "rate_limit_exceeded",
            };
            assert_eq!((status, &*name), (429, expected), "{message}");
            assert_eq!(
                (&*again, after.as_deref()),
                ("true", Some("1")),
                "{message}"
            );
            assert_eq!(
                message,
                format!("{holder}: the concurrency limit is reached; try again in 1s")
            );
            let error = embed(gateway.clone(), "key-of-k").await.unwrap_err();
            assert_eq!(told(error, dialect).4, message);
            first.await.unwrap().unwrap();
            call(gateway, "key-of-k", request("default")).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_limit_of_a_member_is_not() {
    let gateway = with(
        SLOW,
        "pools: { default: { patience: 0s, retry: null, members: [{ provider: sim, limits: { concurrent: 1 } }] } }",
    );
    let first = tokio::spawn(call(gateway.clone(), "", request("default")));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let error = call(gateway, "", request("default")).await.unwrap_err();
    let (status, code, again, _, message) = told(error, Dialect::OpenAi);
    assert_eq!(
        (status, &*code, &*again),
        (503, "refused", "false"),
        "{message}"
    );
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_is_used_up_names_its_holder_and_the_unit() {
    for (more, holder) in [
        (
            "keys: { k: { secret: key-of-k, limits: { requests_per_minute: 1 } } }",
            "key \"k\"",
        ),
        (
            "stages: { default: { limits: { requests_per_minute: 1 } } }",
            "stage \"default\"",
        ),
        ("limits: { requests_per_minute: 1 }", "all calls together"),
    ] {
        let gateway = with("{ first_word: 0s }", more);
        embed(gateway.clone(), "key-of-k").await.unwrap();
        for error in [
            call(gateway.clone(), "key-of-k", request("default")).await,
            embed(gateway.clone(), "key-of-k").await,
        ] {
            let (status, _, again, _, message) = told(error.unwrap_err(), Dialect::OpenAi);
            assert_eq!((status, &*again), (429, "true"));
            let expected = format!(
                "{holder}: requests_per_minute is used up: the call may take 1, and 0 of 1 is left; try again in "
            );
            assert!(message.starts_with(&expected), "{message}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_their_stage_keep_nobody_from_another() {
    let gateway = with(
        SLOW,
        "
limits: { concurrent: 4, max_wait: 1m }
stages:
  qa: { pool: default, limits: { concurrent: 2, max_wait: 1m } }
  dev: { pool: default, limits: { concurrent: 3, max_wait: 1m } }
pools: { default: {} }
",
    );
    let mut waiting = JoinSet::new();
    for _ in 0..6 {
        waiting.spawn(call(gateway.clone(), "", request("qa")));
        waiting.spawn({
            let gateway = gateway.clone();
            async move {
                let request = EmbeddingRequest::new("qa", ["text"]);
                let embeds = gateway.live().embeds.clone();
                embeds.oneshot(Call::new(request)).await.map(drop)
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = tokio::time::Instant::now();
    call(gateway.clone(), "", request("dev")).await.unwrap();
    let took = tokio::time::Instant::now() - began;
    assert!(took < Duration::from_millis(2_500), "{took:?}");
    for result in waiting.join_all().await {
        result.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_of_the_whole_is_not_spent_on_a_call_that_its_stage_refuses() {
    let gateway = with(
        "{ first_word: 0s }",
        "
limits: { requests_per_minute: 3 }
stages:
  qa: { pool: default, limits: { requests_per_minute: 1 } }
  dev: { pool: default, limits: { requests_per_minute: 10 } }
pools: { default: {} }
",
    );
    for _ in 0..4 {
        let _ = call(gateway.clone(), "", request("qa")).await;
    }
    for _ in 0..2 {
        call(gateway.clone(), "", request("dev")).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_in_money_without_prices_is_never_used_up() {
    let budget = "budgets: [{ unit: money, limit: \"0.000001\", period: day }]";
    for more in [
        format!("keys: {{ k: {{ secret: key-of-k, {budget} }} }}"),
        format!("stages: {{ default: {{ {budget} }} }}"),
    ] {
        let gateway = with("{ first_word: 0s }", &more);
        for _ in 0..5 {
            call(gateway.clone(), "key-of-k", request("default"))
                .await
                .unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_deadline_that_may_be_is_kept() {
    let gateway = with("{ first_word: 0s }", "deadline: 3153600000\n");
    call(gateway, "", request("default")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_beyond_the_deadline_of_its_stage_is_late() {
    let gateway = with(SLOW, "stages: { default: { deadline: 1s } }");
    let error = call(gateway, "", request("default")).await.unwrap_err();
    assert_eq!(error.answer_status(), 504, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_is_named_is_asked_of_each_member_by_its_own_model() {
    let text = "
providers:
  any: { default_model: its-own, simulated: { first_word: 0s } }
  only: { models: { qwen: null }, simulated: { first_word: 0s } }
  several: { models: { b: large, a: small }, default_model: b, simulated: { first_word: 0s } }
pools: { chat: { members: [any, only, several], strategy: round_robin } }
";
    let gateway = Gateway::new(read(text)).unwrap();
    let mut models = std::collections::BTreeSet::new();
    for _ in 0..6 {
        let chats = gateway.live().chats.clone();
        let answer = chats.oneshot(Call::new(request("chat"))).await.unwrap();
        models.insert(answer.meta.model.as_deref().unwrap_or("").to_owned());
    }
    let models: Vec<_> = models.iter().map(String::as_str).collect();
    assert_eq!(models, ["its-own", "large", "qwen"]);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_several_stages_could_take_is_no_stages() {
    let text = "
providers:
  one: { models: { small: null, own: null }, simulated: { first_word: 0s } }
  two: { models: { small: null }, simulated: { first_word: 0s } }
pools: { a: { members: [one] }, b: { members: [two] } }
";
    let gateway = Gateway::new(read(text)).unwrap();
    for (model, class) in [
        ("own", None),
        ("a", None),
        ("b", None),
        ("small", Some(Class::ModelNotFound)),
    ] {
        let answered = call(gateway.clone(), "", request(model)).await;
        assert_eq!(answered.err().map(|error| error.class()), class, "{model}");
    }
}

#[tokio::test(start_paused = true)]
async fn settings_that_have_lost_their_keys_say_so() {
    let gateway = with("{ first_word: 0s }", "keys: { k: { secret: key-of-k } }");
    let open = read("providers:\n  sim: { simulated: { first_word: 0s } }\n");
    let told = gateway.reload(open.clone()).unwrap();
    assert!(
        told.anew.iter().any(|what| what.starts_with("keys: ")),
        "{told:?}"
    );
    let told = gateway.reload(open).unwrap();
    assert!(told.is_nothing(), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_out_of_the_settings_is_gone_from_the_metrics() {
    let limited = "
stages:
  s: { pool: default, limits: { concurrent: 5, requests_per_minute: 7 }, budgets: [{ unit: tokens, limit: 1000, period: day }] }
  gone: { pool: default }
pools: { default: { hedge: {}, probe: {} } }
";
    let gateway = with("{ first_word: 0s }", limited);
    let text = |gateway: &Gateway| gateway.kept().metrics.prometheus().to_string();
    let families = [
        "campanile_concurrency_limit{stage=\"s\"",
        "campanile_rate_limit_per_second{stage=\"s\"",
        "campanile_spend_limit_left",
        "stage=\"gone\"",
        "campanile_hedge",
        "campanile_health",
    ];
    let before = text(&gateway);
    for family in families {
        assert!(before.contains(family), "{family}\n{before}");
    }
    let sim = "providers:\n  sim: { simulated: { first_word: 0s } }\n";
    // One that cannot be changes nothing: two keys have one secret.
    let mut wrong = read(&format!("{sim}{limited}"));
    wrong.stages.get_mut("s").unwrap().limits.max_wait = Duration::from_secs(1);
    for name in ["a", "b"] {
        let key = config::KeyConfig::default();
        wrong.keys.insert(name.to_owned(), key);
    }
    gateway.reload(wrong).unwrap_err();
    for family in families {
        assert!(text(&gateway).contains(family), "{family}");
    }
    let same = read(&format!("{sim}{limited}"));
    gateway.reload(same).unwrap();
    assert!(text(&gateway).contains(families[0]));
    gateway
        .reload(read(&format!(
            "{sim}stages: {{ s: {{ pool: default }} }}\npools: {{ default: {{}} }}\n"
        )))
        .unwrap();
    let after = text(&gateway);
    for family in families {
        assert!(!after.contains(family), "{family}\n{after}");
    }
    assert!(after.contains("stage=\"s\""));
}

#[tokio::test(start_paused = true)]
async fn what_is_logged_of_answers_changes_at_once_and_the_filter_does_not() {
    let gateway = with("{ first_word: 0s }", "");
    let with_log = |log: &str| {
        read(&format!(
            "providers:\n  sim: {{ simulated: {{ first_word: 0s }} }}\nlog: {{ {log} }}\n"
        ))
    };
    let told = gateway.reload(with_log("access: all")).unwrap();
    assert_eq!(told.ignored, Vec::<String>::new());
    let told = gateway
        .reload(with_log("access: all, filter: debug"))
        .unwrap();
    assert_eq!(told.ignored.len(), 1, "{told:?}");
}

/// Prompts are large, and streams are long.
#[tokio::test(start_paused = true)]
async fn a_stream_that_has_begun_keeps_nothing_of_its_request() {
    struct Prompt(Vec<u8>, Arc<AtomicBool>);

    impl AsRef<[u8]> for Prompt {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for Prompt {
        fn drop(&mut self) {
            self.1.store(true, Ordering::SeqCst);
        }
    }

    let gateway = with(
        "{ first_word: 0s, words_per_second: 1 }",
        "limits: { concurrent: 4 }\nstages: { default: { limits: { requests_per_minute: 60 }, budgets: [{ unit: tokens, limit: 1000000, period: day }] } }",
    );
    let gone = Arc::new(AtomicBool::new(false));
    let text = json!({ "model": "default", "stream": true, "messages": [{ "role": "user", "content": "hello" }] });
    let prompt = Prompt(text.to_string().into_bytes(), Arc::clone(&gone));
    let request = ChatRequest::parse(Dialect::OpenAi, Bytes::from_owner(prompt)).unwrap();
    let caller = gateway
        .live()
        .access
        .caller(&Said::read(&HeaderMap::new()))
        .unwrap();
    let answer = caller.chats.send(Call::new(request)).await.unwrap().answer;
    assert!(matches!(answer, Answer::Stream(_)));
    assert!(gone.load(Ordering::SeqCst));
}
