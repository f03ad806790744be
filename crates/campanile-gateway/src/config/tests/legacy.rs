use std::time::Duration;

use super::{LEGACY, env, load, told};
use crate::config::{Loaded, load::load_in};

fn loaded() -> Loaded {
    let env = |name: &str| match name {
        "XAI_API_KEY" => Some("xai-key-of-tests".to_owned()),
        name => env(name),
    };
    load_in(LEGACY, std::path::Path::new(""), &env, false).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn its_stages_mean_the_same() {
    let config = loaded().config;
    assert_eq!(config.limits.concurrent, Some(4));
    assert_eq!(config.limits.requests_per_second, Some(10.0));
    let names: Vec<_> = config.stages.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "developer_agent",
            "feature_decomposer_agent",
            "qa_lead_agent",
            "user_story_decomposer_agent"
        ]
    );
    for (name, workers, rate, failures, providers) in [
        (
            "feature_decomposer_agent",
            2,
            8.0,
            3,
            &["openai", "grok", "ollama"][..],
        ),
        (
            "user_story_decomposer_agent",
            3,
            12.0,
            5,
            &["openai", "grok"],
        ),
        ("developer_agent", 4, 15.0, 3, &["openai", "ollama"]),
        ("qa_lead_agent", 2, 6.0, 2, &["openai"]),
    ] {
        let stage = &config.stages[name];
        assert_eq!(stage.limits.concurrent, Some(workers), "{name}");
        assert_eq!(stage.limits.requests_per_second, Some(rate), "{name}");
        assert!(
            stage.models.is_empty(),
            "only its name is asked for: {name}"
        );
        let pool = &config.pools[name];
        let breaker = pool.breaker.unwrap();
        assert_eq!(breaker.failure_threshold, Some(failures), "{name}");
        let members: Vec<_> = pool
            .members
            .iter()
            .map(|member| member.provider.as_str())
            .collect();
        assert_eq!(members, providers, "{name}");
    }
    let grok = config.providers["grok"].resolve("grok").unwrap();
    assert_eq!(grok.base_url, "https://api.x.ai/v1");
    let model = &grok.models["feature_decomposer_agent"];
    assert_eq!(
        model, "grok-4",
        "who asks for the stage gets a model that is there"
    );
    assert_eq!(config.default_stage, None);
}

#[test]
fn it_warns_of_what_does_nothing_yet() {
    let warnings: Vec<_> = loaded().warnings.iter().map(ToString::to_string).collect();
    let stages = "workflow.parallel_processing.stages";
    for warning in [
        format!(
            "line 11: {stages}.feature_decomposer_agent.min_workers: it does nothing yet: the number of workers is not scaled, up to `max_workers` calls run at once"
        ),
        format!(
            "line 23: {stages}.user_story_decomposer_agent.batch_size: it does nothing yet: chats are not batched, every call goes by itself"
        ),
    ] {
        assert!(warnings.contains(&warning), "{warnings:#?}");
    }
    assert_eq!(
        warnings.len(),
        6,
        "four times min_workers, twice batch_size: {warnings:#?}"
    );
}

#[test]
fn how_long_a_batch_waits_is_accepted_and_warned_of() {
    let stage = |more: &str| {
        format!(
            "workflow: {{ parallel_processing: {{ stages: {{ qa: {{ providers: [ollama]{more} }} }} }} }}"
        )
    };
    let with = load(&stage(", batch_timeout_ms: 250")).unwrap();
    let warnings: Vec<_> = with.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "line 1: workflow.parallel_processing.stages.qa.batch_timeout_ms: it does nothing yet: chats are not batched, no call waits for others"
        ]
    );
    let without = load(&stage("")).unwrap();
    assert!(without.warnings.is_empty());
    assert_eq!(with.config.stages, without.config.stages);
    assert_eq!(with.config.pools, without.config.pools);
    let text = told(&stage(", batch_timeout_ms: soon"));
    assert!(text.contains("batch_timeout_ms"), "{text}");
}

#[test]
fn a_provider_without_a_key_is_left_out() {
    let loaded = load(LEGACY).unwrap();
    let members = &loaded.config.pools["user_story_decomposer_agent"].members;
    assert_eq!(members.len(), 1);
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    let warning = "line 22: workflow.parallel_processing.stages.user_story_decomposer_agent.providers[1]: it is left out, for it has no key: set the environment variable XAI_API_KEY, or write `key`";
    assert!(warnings.iter().any(|told| told == warning), "{warnings:#?}");
}

#[test]
fn a_stage_of_which_no_provider_has_a_key_is_wrong() {
    let text = "workflow: { parallel_processing: { stages: { qa: {\n  providers: [grok, anthropic] } } } }";
    assert_eq!(
        told(text),
        "line 2, column 15: workflow.parallel_processing.stages.qa.providers[0]: it has no key: set the environment variable XAI_API_KEY, or write `key`
  2 |   providers: [grok, anthropic] } } } }
    |               ^^^^
line 2, column 21: workflow.parallel_processing.stages.qa.providers[1]: it has no key: set the environment variable ANTHROPIC_API_KEY, or write `key`
  2 |   providers: [grok, anthropic] } } } }
    |                     ^^^^^^^^^
2 problems"
    );
}

#[test]
fn what_is_not_enabled_goes_one_at_a_time() {
    let text = "
workflow:
  parallel_processing:
    enabled: false
    max_workers: 4
    stages:
      a: { enabled: false, max_workers: 7, providers: [ollama], timeout_seconds: 30 }
";
    let config = load(text).unwrap().config;
    assert_eq!(config.limits.concurrent, Some(1));
    assert_eq!(config.stages["a"].limits.concurrent, Some(1));
    let turns = 2 * Duration::from_secs(600);
    let deadline = config.stages["a"].deadline;
    assert_eq!(deadline, Some(Duration::from_secs(30) + turns));
}

/// `timeout_seconds` times the work: a call may wait for its turn for longer.
#[test]
fn a_timeout_is_that_of_each_attempt_and_waits_come_on_top() {
    let text = "
workflow:
  parallel_processing:
    stages:
      slow: { max_workers: 1, providers: [ollama], timeout_seconds: 300 }
      quick: { max_workers: 1, providers: [ollama], timeout_seconds: 5 }
      free: { providers: [ollama], timeout_seconds: 5 }
";
    let config = load(text).unwrap().config;
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (name, total, first, deadline) in [
        ("slow", 300, 300, 900),
        ("quick", 5, 60, 605),
        ("free", 5, 60, 5),
    ] {
        let timeouts = &config.pools[name].timeouts;
        assert_eq!(timeouts.total, seconds(total), "{name}");
        assert_eq!(timeouts.first_data, seconds(first), "{name}");
        assert_eq!(config.stages[name].deadline, seconds(deadline), "{name}");
    }
}

/// Who comes by the limit of all waits, wherever that limit is from.
#[test]
fn calls_wait_for_a_limit_of_the_environment() {
    let env = |name: &str| match name {
        "MAX_CONCURRENT_BRANCHES" => Some("2".to_owned()),
        _ => None,
    };
    let stages = "workflow: { parallel_processing: { stages: { a: { providers: [ollama] } } } }";
    for (limits, wait) in [
        ("", 600),
        ("limits: { max_wait: 0 }\n", 0),
        ("limits: { max_wait: 5 }\n", 5),
    ] {
        let text = format!("{limits}{stages}");
        let loaded = load_in(&text, std::path::Path::new(""), &env, true).unwrap();
        let limits = &loaded.config.limits;
        assert_eq!(limits.concurrent, Some(2));
        assert_eq!(limits.max_wait, Duration::from_secs(wait), "{text}");
    }
    let wrong = |name: &str| match name {
        "MAX_CONCURRENT_BRANCHES" => Some("2000000".to_owned()),
        _ => None,
    };
    let told = load_in(stages, std::path::Path::new(""), &wrong, true)
        .unwrap_err()
        .to_string();
    assert_eq!(
        told,
        "limits.concurrent: it is 2000000: it must be at most 1,000,000"
    );
}

#[test]
fn what_is_said_in_our_own_words_comes_first() {
    let text = "
limits: { concurrent: 9 }
providers:
  openai: { key: another-key-of-tests, default_model: gpt-5 }
workflow: { parallel_processing: { max_workers: 4, stages: { a: { providers: [openai] } } } }
";
    let config = load(text).unwrap().config;
    assert_eq!(config.limits.concurrent, Some(9));
    let openai = config.providers["openai"].resolve("openai").unwrap();
    assert_eq!(
        &*openai.key.unwrap().reveal().unwrap(),
        "another-key-of-tests"
    );
    assert_eq!(openai.models["a"], "gpt-5");
}

#[test]
fn a_name_is_there_once() {
    let text = "
providers: { ollama: {} }
pools: { a: {} }
workflow: { parallel_processing: { stages: { a: { providers: [olama] } } } }
";
    let told = told(text);
    assert!(
        told.contains("workflow.parallel_processing.stages.a: `pools` has one of this name too"),
        "{told}"
    );
    assert!(
        told.contains("there is no provider `olama`; did you mean `ollama`?"),
        "{told}"
    );
}
