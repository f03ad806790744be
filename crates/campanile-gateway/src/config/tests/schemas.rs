use serde_json::{Value, json};

use super::{LEGACY, validator::errors};
use crate::config::schema;

/// A text as JSON has it.
fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// Something of everything.
pub(super) const EVERYTHING: &str = r#"
x-breaker: &breaker { failure_threshold: 3, open_for: 10s }
listen: 8081
deadline: 5m
server: { max_head: 8192, heartbeat: 10 }
admin: { token: { env: SECRET }, open: true }
log: { filter: "warn,campanile_gateway=debug", format: json }
http: { connect_timeout: 5s, max_idle: 64 }
providers:
  openai:
    api_key: { env: OPENAI_API_KEY }
    models: [gpt-5, gpt-5-mini]
    default_model: gpt-5-mini
  local:
    url: http://127.0.0.1:8000/v1
    models: { small: llama-3.3-8b, large: null }
    headers: { x-team: blue }
    include_usage: false
    token_limit: max_tokens
  made-up:
    simulated: { first_word: 50ms, words_per_second: 100, slots: 4 }
pools:
  main:
    members:
      - openai
      - { provider: local, weight: 2, tier: 1, labels: { zone: a }, limits: { concurrent: 4, tokens_per_minute: 100000 } }
    strategy: peak_ewma
    retry: { max_retries: 3, backoff: { kind: fixed, wait: 50ms }, budget: { cap: 10 } }
    hedge: { delay: { kind: fixed, after: 1s } }
    resume: { max_resumes: 1 }
    breaker: *breaker
    concurrency: { algorithm: { static: { limit: 8 } }, when_full: refuse }
    timeouts: { total: 10m }
    probe: { interval: 30s }
    patience: 2
  rest:
    members: [made-up]
    retry: null
    breaker: null
    concurrency: { algorithm: vegas }
stages:
  chat:
    pool: main
    models: [gpt-5, "gpt-5-*", small]
    model: gpt-5
    context_window: 128000
    fallbacks: { rate: rest, otherwise: rest }
    limits: { requests_per_minute: 600, max_wait: 5s }
    budgets: [{ unit: money, limit: "25.50", period: month, warn_at: [0.5] }]
    timeout_seconds: 120
  rest: {}
aliases: { best: gpt-5 }
default_stage: chat
keys:
  ann:
    secret: ${SECRET}-of-ann
    tenant: blue
    priority: critical
    may_raise_priority: true
    models: ["gpt-*", best]
    limits: { requests_per_second: 5, max_waiting: 10 }
    budgets: [{ unit: tokens, limit: 200000, period: day, window: first_use, enforce: warn }]
limits: { max_workers: 100 }
"#;

#[test]
fn what_loads_keeps_the_schema() {
    let schema = schema();
    for text in [
        EVERYTHING,
        LEGACY,
        "providers: { openai: {} }",
        "providers: { openai: { models: gpt-5 } }\nlimits: { concurrent: '${COUNT}' }",
        "providers: { openai: {} }\npools: { a: { strategy: '${STRATEGY}' } }\nlog: { format: '${FORMAT:-json}' }",
        "providers: { openai: }\nlimits:\naliases:\nlog: { filter: }\npools: { a: { members:, strategy:, retry: } }",
        "providers: { openai: {} }\nkeys: { a: { secret: 1234567890123456, priority:, limits: } }",
        "providers: { openai: {} }\ndeadline: '5'\nstages: { a: { pool: default, fallbacks: { rate: b, otherwise: } }, b: { pool: default } }",
    ] {
        super::load(text).unwrap_or_else(|error| panic!("{error}"));
        let none: Vec<String> = Vec::new();
        assert_eq!(errors(&schema, &yaml(text)), none);
    }
}

#[test]
fn the_schema_refuses_what_is_unknown_at_every_level() {
    let schema = schema();
    for text in [
        "prviders: {}",
        "providers: { openai: { modles: [] } }",
        "pools: { main: { strtegy: ebw } }",
        "pools: { main: { breaker: { open_four: 1s } } }",
        "pools: { main: { members: [{ provider: a, wieght: 2 }] } }",
        "pools: { main: { retry: { budget: { cop: 1 } } } }",
        "stages: { chat: { limits: { concurent: 1 } } }",
        "keys: { ann: { secret: { enf: A } } }",
        "keys: { ann: { budgets: [{ unit: money, limit: 1, period: day, x: 1 }] } }",
        "workflow: { parallel_processing: { stages: { a: { workers: 1 } } } }",
        "pools: { main: { strategy: wibble } }",
        "server: { max_head: many }",
        "listen: 70000",
        "stages: { a: { fallbacks: { othrwise: b } } }",
        "stages: { a: { fallbacks: { foo: b } } }",
    ] {
        assert!(!errors(&schema, &yaml(text)).is_empty(), "{text}");
        assert!(super::load(text).is_err(), "{text}");
    }
}

#[test]
fn the_schema_tells_of_every_setting_in_words() {
    let schema = schema();
    let defined = schema["$defs"].as_object().unwrap().values();
    for object in defined.chain([&schema]) {
        for (name, setting) in object["properties"].as_object().into_iter().flatten() {
            let told = |schema: &Value| schema["description"].is_string();
            let known =
                told(setting) || setting["$ref"].is_string() || setting["const"].is_string();
            assert!(known, "{name}: {setting}");
            let text = setting["description"].to_string();
            assert!(
                !text.contains("](") && !text.contains("[`"),
                "{name}: {text}"
            );
        }
    }
    assert_eq!(schema["additionalProperties"], json!(false));
}

#[test]
fn the_schema_tells_the_defaults_of_the_gateway_and_no_code() {
    let schema = schema();
    let definitions = &schema["$defs"];
    let default =
        |of: &str, setting: &str| definitions[of]["properties"][setting]["default"].clone();
    assert_eq!(default("RetryConfig", "retry_after"), "elsewhere");
    assert_eq!(default("TimeoutConfig", "first_data"), "1m");
    assert_eq!(default("TimeoutConfig", "between_data"), "1m");
    assert_eq!(default("BudgetConfig", "cap"), 200.0);
    assert_eq!(default("BudgetConfig", "initial"), 100.0);
    assert_eq!(default("RetryConfig", "budget")["cap"], 200.0);
    assert_eq!(default("PoolConfig", "retry")["budget"]["initial"], 100.0);
    let text = schema.to_string();
    assert!(!text.contains("```") && !text.contains("use campanile"));
}
