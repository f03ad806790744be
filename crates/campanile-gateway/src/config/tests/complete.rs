use std::time::Duration;

use campanile::retry::RetryAfter;

use super::{load, schemas::EVERYTHING, told};
use crate::config::{Config, PoolConfig, Preset, ProviderSection};

fn config(text: &str) -> Config {
    load(text).unwrap_or_else(|error| panic!("{error}")).config
}

#[test]
fn one_provider_is_enough() {
    let config = config("providers: { openai: {} }");
    assert_eq!(config.pools.len(), 1);
    let members = &config.pools["default"].members;
    assert_eq!(members.len(), 1);
    assert_eq!(members[0].provider, "openai");
    assert_eq!(config.default_stage.as_deref(), Some("default"));
    assert!(config.listen.ip().is_loopback());
    let openai = config.providers["openai"].resolve("openai").unwrap();
    assert_eq!(
        &*openai.key.unwrap().reveal().unwrap(),
        "sk-openai-0123456789"
    );
    assert_eq!(
        openai.models["default"], "gpt-5-mini",
        "who asks for the stage"
    );
}

#[test]
fn members_that_say_their_models_are_asked_for_no_others() {
    let config = config(
        "
providers:
  a: { base_url: 'http://127.0.0.1:1/v1', models: [one, two] }
  b: { base_url: 'http://127.0.0.1:2/v1', models: { two: zwei, three: } }
",
    );
    assert_eq!(config.stages["default"].models, ["one", "three", "two"]);
    assert_eq!(config.default_stage, None);
    let b = config.providers["b"].resolve("b").unwrap();
    assert_eq!(b.models.get("two").map(String::as_str), Some("zwei"));
    assert_eq!(b.models.get("three"), None);
}

#[test]
fn a_model_of_two_stages_is_asked_for_by_the_stage() {
    let loaded = load(
        "
providers:
  a: { base_url: 'http://127.0.0.1:1/v1', models: [one, two] }
  b: { base_url: 'http://127.0.0.1:2/v1', models: [two] }
pools: { first: { members: [a] }, second: { members: [b] } }
",
    )
    .unwrap();
    assert_eq!(loaded.config.stages["first"].models, ["one"]);
    assert!(loaded.config.stages["second"].models.is_empty());
    assert_eq!(
        loaded.warnings[0].message,
        "first and second could take `two`: ask for a stage by its name, or write the model into the `models` of one"
    );
}

#[test]
fn what_a_part_of_a_pool_leaves_out_is_the_gateways_default() {
    let config = config(
        "
providers: { openai: {} }
pools:
  a: { retry: { max_retries: 7 }, timeouts: { total: 5m } }
  b: { timeouts: { first_data: null, between_data: 3 }, retry: { retry_after: wait } }
  c: { retry: null, breaker: null }
  d:
    breaker:
    retry:
",
    );
    let a = &config.pools["a"];
    let retry = a.retry.clone().unwrap();
    assert_eq!(
        (retry.max_retries, retry.retry_after),
        (7, RetryAfter::Elsewhere)
    );
    assert_eq!(a.timeouts.first_data, Some(Duration::from_secs(60)));
    assert_eq!(a.timeouts.total, Some(Duration::from_secs(300)));
    let b = &config.pools["b"];
    assert_eq!(b.retry.clone().unwrap().retry_after, RetryAfter::Wait);
    assert_eq!(b.timeouts.first_data, None);
    assert_eq!(b.timeouts.between_data, Some(Duration::from_secs(3)));
    assert!(config.pools["c"].retry.is_none() && config.pools["c"].breaker.is_none());
    let d = &config.pools["d"];
    assert_eq!(
        d.breaker,
        PoolConfig::default().breaker,
        "all of it is commented out"
    );
    assert_eq!(d.retry, PoolConfig::default().retry);
}

/// A part of which nothing is said but that it is there, or something as it is by default, is as by default.
#[test]
fn what_is_left_out_of_a_part_is_as_by_default() {
    for pool in [
        "retry: {}",
        "retry:",
        "retry: { max_retries: 2 }",
        "retry: { max_retries: 2, budget: {} }",
        "retry: { budget: }",
        "retry: { budget: { deposit: 0.2 } }",
        "retry: { budget: { cap: 200 } }",
        "retry: { budget: { initial: 100 } }",
        "retry: { backoff: { kind: decorrelated } }",
        "timeouts: {}",
        "timeouts: { first_data: }",
        "timeouts: { between_data: 60s }",
        "breaker: {}",
        "{}",
    ] {
        let pool = pool
            .strip_prefix("{}")
            .map_or(format!("{{ {pool} }}"), |_| "{}".to_owned());
        let read = config(&format!(
            "providers: {{ openai: {{}} }}\npools: {{ a: {pool} }}\n"
        ));
        let expected = PoolConfig {
            members: vec!["openai".into()],
            ..PoolConfig::default()
        };
        assert_eq!(read.pools["a"], expected, "{pool}");
    }
    let read = config(
        "providers: { openai: {} }\npools: { a: { retry: { budget: { cap: 7 } } }, b: { retry: { budget: null } } }",
    );
    let budget = |pool: &str| read.pools[pool].retry.clone().unwrap().budget;
    let small = budget("a").unwrap();
    assert_eq!((small.cap, small.initial), (7.0, 7.0), "it begins full");
    assert_eq!(budget("b"), None);
}

#[test]
fn everything_at_once_loads() {
    let config = config(EVERYTHING);
    assert_eq!(config.listen, "127.0.0.1:8081".parse().unwrap());
    assert_eq!(config.limits.concurrent, Some(100));
    let chat = &config.stages["chat"];
    assert_eq!(chat.deadline, Some(Duration::from_secs(120)));
    assert_eq!(
        config.stages["rest"].deadline,
        Some(Duration::from_secs(300)),
        "that of all"
    );
    assert_eq!(chat.budgets[0].limit, 25_500_000_000);
    let breaker = config.pools["main"].breaker.unwrap();
    assert_eq!(breaker.failure_threshold, Some(3), "of an anchor");
    assert_eq!(breaker.open_for, Duration::from_secs(10));
    let ann = &config.keys["ann"];
    assert_eq!(&*ann.secret.reveal().unwrap(), "very-secret-indeed-of-ann");
    assert!(
        !format!("{config:?}").contains("very-secret"),
        "Debug shows no secret"
    );
    let json = serde_json::to_string(&config).unwrap();
    assert!(
        !json.contains("very-secret") && !json.contains("sk-openai"),
        "nor does JSON"
    );
}

/// Each setting alone, as it is by default, is as if it were not written.
#[test]
fn what_is_by_default_may_be_written() {
    let default = serde_json::to_value(config("providers: { openai: {} }")).unwrap();
    let written = default.as_object().unwrap();
    for (name, value) in written {
        // Secrets are not written again; `workflow` and `providers` are what the file is about.
        if matches!(name.as_str(), "providers" | "workflow") {
            continue;
        }
        let text = format!("providers: {{ openai: {{}} }}\n{name}: {value}\n");
        let read = serde_json::to_value(config(&text)).unwrap();
        assert_eq!(read, default, "{name}");
    }
}

#[test]
fn presets_know_where_and_how() {
    for (name, url, paid) in [
        ("openai", "https://api.openai.com/v1", true),
        ("anthropic", "https://api.anthropic.com", true),
        ("gemini", "https://generativelanguage.googleapis.com", true),
        ("xai", "https://api.x.ai/v1", true),
        ("grok", "https://api.x.ai/v1", true),
        ("openrouter", "https://openrouter.ai/api/v1", true),
        ("ollama", "http://127.0.0.1:11434/v1", false),
        ("ollama_native", "http://127.0.0.1:11434", false),
        ("vllm", "http://127.0.0.1:8000/v1", false),
        ("llama_cpp", "http://127.0.0.1:8080/v1", false),
    ] {
        let key = |_: &str| Some("key-of-tests".to_owned());
        let section = ProviderSection::default();
        let resolved = section.resolve_in(name, &key).unwrap();
        assert_eq!(resolved.base_url, url, "{name}");
        assert_eq!(resolved.name, name);
        assert_eq!(resolved.key.is_some(), paid, "{name}");
        assert_eq!(section.resolve_in(name, &|_| None).is_err(), paid, "{name}");
    }
    for (preset, name) in Preset::ALL {
        assert_eq!(serde_json::to_value(preset).unwrap(), name);
        assert_eq!(Preset::named(name), Some(preset));
    }
}

#[test]
fn a_key_of_the_environment_goes_nowhere_else() {
    let text = "providers: { openai: { base_url: 'http://127.0.0.1:9/v1' } }";
    let config = config(text);
    let openai = config.providers["openai"].resolve("openai").unwrap();
    assert_eq!(openai.key, None, "an address of one's own names its key");
}

#[test]
fn a_preset_without_its_key_says_which_variable_is_missing() {
    assert_eq!(
        told("providers:\n  claude: { preset: anthropic }\n"),
        "line 2, column 3: providers.claude: it has no `key`: set the environment variable ANTHROPIC_API_KEY, or write `key`
  2 |   claude: { preset: anthropic }
    |   ^^^^^^"
    );
    assert_eq!(
        told("providers:\n  mine: { models: [a] }\n"),
        "line 2, column 3: providers.mine: it has no `base_url`: a provider whose name is no preset's says `preset` or `base_url`
  2 |   mine: { models: [a] }
    |   ^^^^"
    );
}
