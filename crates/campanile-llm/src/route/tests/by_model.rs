use serde_json::json;

use super::*;

fn two(seen: &Seen) -> Router<Group> {
    let config = config(json!({
        "groups": {
            "a": { "models": ["gpt-5", "gpt-*"], "rename": { "gpt-5": "openai/gpt-5" } },
            "b": { "models": ["gpt-5-mini", "gpt-5-*", "claude-*"], "model": "claude-best" },
        },
        "aliases": { "fast": "gpt-5-mini", "best": "gpt-5" },
        "default": "b",
    }));
    Router::new(config, [well("a", seen), well("b", seen)]).unwrap()
}

#[tokio::test(start_paused = true)]
async fn names_aliases_patterns_and_default_find_their_group() {
    let router = two(&Seen::default());
    for (model, expected) in [
        ("gpt-5", "a/openai/gpt-5"),
        ("best", "a/openai/gpt-5"),
        ("gpt-5-mini", "b/gpt-5-mini"),
        ("fast", "b/gpt-5-mini"),
        // The pattern that tells most.
        ("gpt-5-nano", "b/gpt-5-nano"),
        ("gpt-4", "a/gpt-4"),
        ("claude-x", "b/claude-x"),
        // By default, where another model is asked for.
        ("llama", "b/claude-best"),
    ] {
        assert_eq!(answer(&router, ask(model)).await.unwrap(), expected);
    }
    assert_eq!(router.models(), ["best", "fast", "gpt-5", "gpt-5-mini"]);
    let routes = router.handle().routes();
    assert_eq!(routes.group_of("fast"), Some("b"));
    for (model, owner) in [("fast", Some("b")), ("gpt-4", Some("a")), ("llama", None)] {
        assert_eq!(routes.owner(model), owner, "{model}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_model_is_refused_and_counted() {
    let config = RouterConfig::default()
        .with_group("a", GroupConfig::models(["gpt-5", "gpt-5-mini"]))
        .with_alias("fast", "gpt-5-mini");
    let seen = Seen::default();
    let router = Router::new(config, [well("a", &seen)]).unwrap();
    let error = answer(&router, ask("gpt5")).await.unwrap_err();
    assert_eq!(error.class(), Class::ModelNotFound);
    assert_eq!(error.param(), Some("model"));
    assert_eq!(error.answer_status(), 404);
    assert_eq!(
        error.message(),
        "there is no model \"gpt5\"; did you mean \"gpt-5\"?; there are: gpt-5, gpt-5-mini, fast"
    );
    assert!(seen.lock().unwrap().is_empty());
    assert_eq!(router.snapshot().unknown, 1);
}

#[test]
fn a_mistake_in_the_settings_is_named() {
    let group = |models: &[&str]| json!({ "models": models });
    for (settings, says) in [
        (json!({}), "router.groups is \"\": there must be one"),
        (
            json!({"groups": {"a": {}}, "default": "b"}),
            "router.default is \"b\": it must be a group",
        ),
        (
            json!({"groups": {"a": group(&["m"]), "b": group(&["m"])}}),
            "router.models is \"m\": one group has it, and once",
        ),
        (
            json!({"groups": {"a": group(&["m"])}, "aliases": {"m": "m"}}),
            "router.aliases is \"m\": it must be no model as well",
        ),
        (
            json!({"groups": {"a": group(&["m"])}, "aliases": {"x": "y"}}),
            "router.aliases is \"y\": a group must have it",
        ),
        (
            json!({"groups": {"a": group(&["m"])}, "aliases": {"x": "m", "y": "x"}}),
            "router.aliases is \"x\": it must not be an alias",
        ),
        (
            json!({"groups": {"a": {"fallbacks": {"rate": "z"}}}}),
            "router.fallbacks is \"z\": it must be a group",
        ),
        (
            json!({"groups": {"a": {"fallbacks": {"otherwise": "a"}}}}),
            "router.fallbacks is \"a\": it must be another group",
        ),
        (
            json!({"groups": {
                "a": {"fallbacks": {"context_window": "b"}},
                "b": {"fallbacks": {"context_window": "a"}},
            }}),
            "router.fallbacks is \"a\": they must not go in a circle",
        ),
        (
            json!({"groups": {"a": {"context_window": 0}}}),
            "router.context_window is \"a\": it must be above 0",
        ),
    ] {
        let error = config(settings).build().unwrap_err();
        assert_eq!(error.to_string(), says);
    }
    let unknown = serde_json::from_value::<RouterConfig>(
        json!({"groups": {"a": {"fallbacks": {"contxt": "a"}}}}),
    );
    assert!(unknown.unwrap_err().to_string().contains("contxt"));
    let seen = Seen::default();
    let one = || RouterConfig::default().with_group("a", GroupConfig::default());
    let error = Router::<Group>::new(one(), Vec::<(String, Group)>::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "router.groups is \"a\": it must have a service"
    );
    let error = Router::new(one(), [well("a", &seen), well("b", &seen)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "router.groups is \"b\": a service must be that of a group"
    );
}

#[test]
fn settings_are_written_as_they_are_read() {
    let settings = config(json!({
        "groups": {
            "a": { "models": ["m"], "fallbacks": { "context_window": "b", "otherwise": "b" } },
            "b": {},
        },
    }));
    let again = serde_json::to_value(&settings).unwrap();
    assert_eq!(
        again["groups"]["a"]["fallbacks"],
        json!({"context_window": "b", "otherwise": "b"})
    );
    assert_eq!(config(again), settings);
}

/// A request of another kind is routed by its model as well.
#[tokio::test(start_paused = true)]
async fn any_request_with_a_model_is_routed() {
    #[derive(Debug, Clone)]
    struct Embed(&'static str, String);

    impl Routed for Embed {
        fn model(&self) -> &str {
            &self.1
        }

        fn with_model(self, model: &str) -> Self {
            Self(self.0, model.to_owned())
        }
    }

    let config = RouterConfig::default().with_group(
        "a",
        GroupConfig::models(["small"]).with_rename("small", "e5-small"),
    );
    let service = tower::service_fn(async |call: Call<Embed>| {
        Ok::<_, Error>(format!("{} by {}", call.message.0, call.message.1))
    });
    let router = Router::new(config, [("a", service)]).unwrap();
    let embedded = router
        .oneshot(Call::new(Embed("text", "small".into())))
        .await;
    assert_eq!(embedded.unwrap(), "text by e5-small");
}
