use serde_json::json;

use super::*;
use crate::estimate::{EstimateConfig, EstimateLayer, Reserve};

fn routed(fallbacks: serde_json::Value) -> RouterConfig {
    config(json!({
        "groups": {
            "main": { "models": ["m"], "context_window": 100, "fallbacks": fallbacks },
            "long": { "model": "m-long" },
            "open": { "model": "m-open" },
        },
    }))
}

fn names(seen: &Seen) -> Vec<String> {
    seen.lock()
        .unwrap()
        .iter()
        .map(|(name, _)| name.clone())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_class_goes_to_its_own_group() {
    let fallbacks = json!({"context_window": "long", "content_filter": "open"});
    for (class, expected) in [
        (Class::ContextWindow, Ok("long/m-long")),
        (Class::ContentFilter, Ok("open/m-open")),
        (Class::Rate, Err(Class::Rate)),
        (Class::Request, Err(Class::Request)),
    ] {
        let seen = Seen::default();
        let services = [
            failing("main", &seen, class),
            well("long", &seen),
            well("open", &seen),
        ];
        let router = Router::new(routed(fallbacks.clone()), services).unwrap();
        let answered = answer(&router, ask("m")).await;
        match expected {
            Ok(text) => {
                assert_eq!(answered.unwrap(), text);
                let (_, call) = seen.lock().unwrap().pop().unwrap();
                assert_eq!(call.context.repeat, Some(Repeat::Fallback));
                assert_eq!(call.context.attempt, 1);
                let main = router
                    .snapshot()
                    .groups
                    .into_iter()
                    .find(|group| group.name == "main");
                assert_eq!(main.unwrap().fell_back, 1);
            }
            Err(class) => assert_eq!(answered.unwrap_err().class(), class),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn otherwise_is_for_every_class_but_those_of_the_request() {
    for class in Class::ALL {
        let seen = Seen::default();
        let services = [
            failing("main", &seen, class),
            well("long", &seen),
            well("open", &seen),
        ];
        let router = Router::new(routed(json!({"otherwise": "open"})), services).unwrap();
        assert_eq!(
            answer(&router, ask("m")).await.is_err(),
            class.is_request(),
            "{class:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn two_groups_that_stand_in_for_each_other_are_no_circle() {
    let settings = config(json!({
        "groups": {
            "a": { "models": ["m"], "fallbacks": { "otherwise": "b" } },
            "b": { "model": "n", "fallbacks": { "otherwise": "a" } },
        },
    }));
    let seen = Seen::default();
    let services = [
        failing("a", &seen, Class::Server),
        failing("b", &seen, Class::Overload),
    ];
    let router = Router::new(settings, services).unwrap();
    let error = answer(&router, ask("m")).await.unwrap_err();
    assert_eq!(names(&seen), ["a", "b"]);
    assert_eq!(
        error.class(),
        Class::Server,
        "the first, which was asked for"
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_class_a_call_goes_elsewhere_once() {
    let settings = config(json!({
        "groups": {
            "a": { "models": ["m"], "fallbacks": { "server": "b" } },
            "b": { "fallbacks": { "server": "c", "rate": "c" } },
            "c": {},
        },
    }));
    for (second, expected) in [
        (Class::Server, vec!["a", "b"]),
        (Class::Rate, vec!["a", "b", "c"]),
    ] {
        let seen = Seen::default();
        let services = [
            failing("a", &seen, Class::Server),
            failing("b", &seen, second),
            well("c", &seen),
        ];
        let router = Router::new(settings.clone(), services).unwrap();
        let _ = answer(&router, ask("m")).await;
        assert_eq!(names(&seen), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_group_that_was_right_for_a_request_tells_what_is_wrong() {
    let seen = Seen::default();
    let services = [
        failing("main", &seen, Class::ContextWindow),
        failing("long", &seen, Class::Rate),
        well("open", &seen),
    ];
    let router = Router::new(routed(json!({"context_window": "long"})), services).unwrap();
    assert_eq!(
        answer(&router, ask("m")).await.unwrap_err().class(),
        Class::Rate
    );
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_cannot_fit_goes_to_the_larger_window_at_once() {
    let seen = Seen::default();
    let services = || {
        [
            well("main", &seen),
            well("long", &seen),
            well("open", &seen),
        ]
    };
    let router = Router::new(routed(json!({"context_window": "long"})), services()).unwrap();
    let long = ChatRequest::new("m").user(&"word ".repeat(200));
    assert_eq!(
        answer(&router, Call::new(long.clone())).await.unwrap(),
        "long/m-long"
    );
    assert_eq!(
        seen.lock().unwrap()[0].1.context.repeat,
        None,
        "nothing has failed"
    );
    // With the answer it would be too long.
    let most = ChatRequest::new("m").user("hi").max_tokens(99);
    assert_eq!(
        answer(&router, Call::new(most)).await.unwrap(),
        "long/m-long"
    );
    // A better estimate.
    let mut known = Call::new(long.clone());
    known.context.cost = Some(Cost::tokens(100));
    assert_eq!(answer(&router, known).await.unwrap(), "main/m");
    // The same of a prompt that fits, whose answer would not.
    let mut known = Call::new(long.clone().max_tokens(90));
    known.context.cost = Some(Cost::tokens(11));
    assert_eq!(answer(&router, known).await.unwrap(), "long/m-long");
    // An image's bytes say nothing.
    let image = json!([{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "A".repeat(10_000)}},
    ]}]);
    let image = ChatRequest::new("m").field("messages", &image);
    let alone = answer(&router, Call::new(image.clone())).await.unwrap();
    assert_eq!(alone, "main/m");
    // Unless there is more text beside it than fits.
    let image = image.user(&"word ".repeat(200));
    let beside = answer(&router, Call::new(image)).await.unwrap();
    assert_eq!(beside, "long/m-long");
    // Nowhere else to go: an estimate refuses nothing.
    let router = Router::new(routed(json!({})), services()).unwrap();
    assert_eq!(answer(&router, Call::new(long)).await.unwrap(), "main/m");
}

#[tokio::test(start_paused = true)]
async fn what_is_reserved_for_a_call_does_not_tell_that_it_is_too_long() {
    let seen = Seen::default();
    let services = [
        well("main", &seen),
        well("long", &seen),
        well("open", &seen),
    ];
    let router = Router::new(routed(json!({"context_window": "long"})), services).unwrap();
    let most = EstimateConfig::default().with_reserve(Reserve::Most);
    let estimator = EstimateLayer::new(most).unwrap().handle().clone();
    let image = json!([{"role": "user", "content": [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "A".repeat(10_000)}},
    ]}]);
    for (request, group) in [
        // A request of 60 bytes reserves its bytes, overhead, and the longest of answers: 130,000 tokens.
        (ChatRequest::new("m").user("hi"), "main"),
        (ChatRequest::new("m").user("hi").max_tokens(80), "main"),
        (ChatRequest::new("m").user("hi").max_tokens(100), "long"),
        (ChatRequest::new("m").user(&"word ".repeat(200)), "long"),
        (ChatRequest::new("m").field("messages", &image), "main"),
    ] {
        let reserved = estimator.estimate(&request);
        assert!(reserved.tokens > 1_000, "{reserved:?}");
        let mut call = Call::new(request);
        call.context.cost = Some(reserved);
        let answered = answer(&router, call.clone()).await.unwrap();
        assert!(answered.starts_with(group), "{call:?}: {answered}");
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_and_deadline_are_kept() {
    let seen = Seen::default();
    let services = [
        failing("main", &seen, Class::Server),
        well("long", &seen),
        well("open", &seen),
    ];
    let router = Router::new(routed(json!({"otherwise": "open"})), services).unwrap();
    let mut call = ask("m");
    let trail = Trail::with_attempts(2);
    call.context = call.context.with_trail(trail.clone());
    assert!(answer(&router, call.clone()).await.is_ok());
    assert_eq!(trail.left(), Some(0));
    assert_eq!(
        answer(&router, call).await.unwrap_err().class(),
        Class::Server
    );
    let mut late = ask("m");
    late.context.deadline = Some(tokio::time::Instant::now());
    assert!(answer(&router, late).await.is_err());
    assert_eq!(names(&seen), ["main", "open", "main", "main"]);
}

/// What an attempt took that could not be made is given back.
#[tokio::test(start_paused = true)]
async fn a_fallback_that_is_dead_takes_no_attempt() {
    #[derive(Clone)]
    struct Dead;

    impl Service<Call<ChatRequest>> for Dead {
        type Response = String;
        type Error = Error;
        type Future = BoxFuture<'static, Result<String, Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Ready(Err(Error::new(Class::Server, "dead")))
        }

        fn call(&mut self, _: Call<ChatRequest>) -> Self::Future {
            unreachable!("it is never ready")
        }
    }

    let seen = Seen::default();
    let dead = ("open", BoxCloneSyncService::new(Dead));
    let services = [
        failing("main", &seen, Class::Rate),
        well("long", &seen),
        dead,
    ];
    let router = Router::new(routed(json!({"otherwise": "open"})), services).unwrap();
    let mut call = ask("m");
    let trail = Trail::with_attempts(2);
    call.context = call.context.with_trail(trail.clone());
    assert_eq!(
        answer(&router, call).await.unwrap_err().class(),
        Class::Rate
    );
    assert_eq!(trail.left(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_layer_falls_back_too() {
    let seen = Seen::default();
    let refused = group("main", &seen, || {
        Err(Rejection::new(RejectionKind::Unavailable, "balance").into())
    });
    let services = [refused, well("long", &seen), well("open", &seen)];
    let router = Router::new(routed(json!({"refused": "open"})), services).unwrap();
    assert_eq!(answer(&router, ask("m")).await.unwrap(), "open/m-open");
}
