use std::{
    future::{Future, ready},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
};

use campanile::{BoxError, Call, Context, Cost};
use futures_util::{FutureExt, StreamExt};
use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::*;
use crate::{
    Error,
    chat::{Answer, ChatRequest, ChatResponse, Meta},
    embed::{EmbeddingRequest, EmbeddingResponse},
    error::Class,
    price::Prices,
    stream::ChatStream,
    tokens::{Calibrated, CountTokens, OutputLengths},
    usage::script::{End, Script, meta, usage},
};

fn prices() -> Prices {
    Prices::from_json(
        r#"{"models": {
            "small": {"input": 1, "output": 2, "cache_write": 3, "most_output": 500},
            "far/small": {"input": 1, "output": 4},
            "large": {"input": 10, "output": 20}
        }}"#,
    )
    .unwrap()
}

fn request() -> ChatRequest {
    ChatRequest::new("small").user(&"word ".repeat(80))
}

fn estimator(config: EstimateConfig) -> Estimator {
    Estimator::new(config).unwrap().prices(&prices())
}

/// Answers as scripted, and notes the costs that calls carry.
fn provider(
    script: Script,
    costs: &Arc<Mutex<Vec<Option<Cost>>>>,
) -> impl Service<
    Call<ChatRequest>,
    Response = ChatResponse,
    Error = Error,
    Future = impl Future<Output = Result<ChatResponse, Error>> + Send,
> + Clone {
    let costs = Arc::clone(costs);
    service_fn(move |call: Call<ChatRequest>| {
        costs.lock().unwrap().push(call.context.cost);
        let meta = meta("far", "small-2026-01-31");
        ready(Ok(if call.message.is_streamed() {
            script.streamed(meta).boxed()
        } else {
            ChatResponse::whole(meta, script.whole())
        }))
    })
}

async fn run(estimator: &Estimator, script: &Script, call: Call<ChatRequest>) -> Option<Cost> {
    let costs = Arc::default();
    let service = EstimateLayer::shared(estimator).layer(provider(script.clone(), &costs));
    let response = service.oneshot(call).await.unwrap();
    if let Answer::Stream(mut events) = response.answer {
        let read = async { while let Some(Ok(_)) = events.next().await {} };
        // A stalled stream is dropped where it stalls, one that panics where it does.
        let _ = AssertUnwindSafe(read).catch_unwind().now_or_never();
    }
    let costs = costs.lock().unwrap();
    costs[0]
}

#[tokio::test]
async fn a_call_knows_what_it_is_estimated_to_take() {
    let estimator = estimator(EstimateConfig::default().with_output(100));
    let prompt = estimator.ratios().prompt_tokens(&request());
    let cost = run(&estimator, &Script::default(), Call::new(request()))
        .await
        .unwrap();
    assert!((100..130).contains(&prompt), "{prompt}");
    // The dearer of the two providers that have it.
    let nanos = prompt * 1_000 + 100 * 4_000;
    assert_eq!(
        cost,
        Cost {
            requests: 1,
            tokens: prompt + 100,
            nano_dollars: nanos
        }
    );
}

#[tokio::test]
async fn what_the_caller_says_stands() {
    let estimator = estimator(EstimateConfig::default());
    let said = Cost::tokens(7);
    let call = Call {
        context: Context::new().with_cost(said),
        message: request(),
    };
    assert_eq!(run(&estimator, &Script::default(), call).await, Some(said));
}

#[tokio::test]
async fn whole_answers_teach_lengths_and_ratios() {
    for streamed in [true, false] {
        let estimator = estimator(EstimateConfig::default());
        let request = if streamed {
            request().streamed()
        } else {
            request()
        };
        for _ in 0..30 {
            run(&estimator, &Script::default(), Call::new(request.clone())).await;
        }
        let lengths = estimator.learned_lengths().of("small", None).unwrap();
        assert_eq!(lengths.answers, 30);
        assert!((50..60).contains(&lengths.p90), "{lengths:?}");
        // 500 bytes or so are reported as 100 tokens; 200 bytes of the answer as 50.
        let prompt = estimator.ratios().prompt_tokens(&request);
        assert!((98..=105).contains(&prompt), "{prompt}");
        let of_provider = estimator
            .ratios()
            .tally(&request, "small-2026-01-31")
            .usage();
        assert_eq!(
            of_provider.input_tokens,
            Some(prompt),
            "by the provider's name too"
        );
        assert_eq!(estimator.estimate(&request).tokens, prompt + lengths.p90);
    }
}

#[tokio::test]
async fn cut_cancelled_failed_and_unreported_answers_teach_nothing() {
    let unreported = Script {
        usage: None,
        ..Script::default()
    };
    let scripts = [End::Cut, End::Stalled, End::Panic].map(|end| Script {
        end,
        ..Script::default()
    });
    for script in scripts.iter().chain([&unreported]) {
        let estimator = estimator(EstimateConfig::default());
        let before = estimator.estimate(&request());
        for _ in 0..30 {
            run(&estimator, script, Call::new(request().streamed())).await;
        }
        assert_eq!(
            estimator.learned_lengths().of("small", None),
            None,
            "{script:?}"
        );
        assert_eq!(estimator.estimate(&request()), before);
    }
}

/// What is kept took nothing, and says so.
#[cfg(feature = "cache")]
#[tokio::test]
async fn answers_from_a_cache_teach_nothing() {
    use crate::cache::{CacheConfig, CacheLayer};
    for request in [request(), request().streamed()] {
        let estimator = estimator(EstimateConfig::default());
        let (lengths, ratios) = (estimator.learned_lengths(), estimator.ratios());
        for _ in 0..30 {
            lengths.learn("small", None, 50);
        }
        let cache = CacheLayer::new(CacheConfig::default()).unwrap();
        let service = cache.layer(service_fn(|call: Call<ChatRequest>| {
            let (meta, script) = (meta("far", "small-2026-01-31"), Script::default());
            ready(Ok::<_, Error>(match call.message.is_streamed() {
                true => script.streamed(meta).boxed(),
                false => ChatResponse::whole(meta, script.whole()),
            }))
        }));
        let service = EstimateLayer::shared(&estimator).layer(service);
        let mut after_the_miss = None;
        for call in 0..31 {
            let answer = service.clone().oneshot(Call::new(request.clone()));
            let response = answer.await.unwrap();
            assert_eq!(response.meta.cached, call > 0);
            if let Answer::Stream(events) = response.answer {
                assert!(events.all(async |event| event.is_ok()).await);
            }
            let learned = (
                lengths.of("small", None).unwrap(),
                ratios.prompt_tokens(&request),
            );
            assert_eq!(*after_the_miss.get_or_insert(learned), learned, "{call}");
        }
        assert_eq!(after_the_miss.unwrap().0.answers, 31);
    }
}

#[tokio::test]
async fn a_call_that_fails_passes_its_error_on() {
    let estimator = estimator(EstimateConfig::default());
    let service = EstimateLayer::shared(&estimator).layer(service_fn(|_: Call<ChatRequest>| {
        ready(Err::<ChatResponse, _>(Error::new(Class::Overload, "busy")))
    }));
    let error = service.oneshot(Call::new(request())).await.unwrap_err();
    assert_eq!(error.class(), Class::Overload);
}

#[test]
fn an_answer_is_not_taken_for_longer_than_it_may_be() {
    let estimator = estimator(EstimateConfig::default().with_output(1_000));
    let prompt = |request: &ChatRequest| estimator.ratios().prompt_tokens(request);
    let short = request().max_tokens(10);
    assert_eq!(estimator.estimate(&short).tokens, prompt(&short) + 10);
    let plain = request();
    // One of its two prices says 500, the other nothing.
    assert_eq!(estimator.estimate(&plain).tokens, prompt(&plain) + 1_000);
    let three = request().max_tokens(10).field("n", &3);
    assert_eq!(estimator.estimate(&three).tokens, prompt(&three) + 30);
}

/// By any name that a server may go by, or none at all.
#[test]
fn no_other_name_of_the_limit_makes_the_most_too_little() {
    let estimator = estimator(EstimateConfig::default().with_most_output(7_000));
    let most = |fields: &str| {
        let body = format!(r#"{{"model":"unpriced","messages":[],"max_tokens":1{fields}}}"#);
        let request = ChatRequest::parse(crate::dialect::Dialect::OpenAi, body).unwrap();
        estimator.most(&request).tokens
    };
    assert!(most("") < 7_000);
    for fields in [
        r#","n_predict":100000"#,
        r#","options":{"num_predict":100000}"#,
    ] {
        assert!(most(fields) >= 100_000, "{fields}");
    }
    for fields in [r#","n_predict":-1"#, r#","options":{"num_predict":-2}"#] {
        assert!(most(fields) >= 7_000, "{fields}");
    }
}

/// A small picture may be billed as a large one.
#[test]
fn the_most_counts_media_wherever_they_are() {
    let plain = EstimateConfig::default();
    assert!(plain.media >= 2_833 + 8 * 5_667);
    let with = |url: &str| {
        let content = serde_json::json!([{"type": "image_url", "image_url": {"url": url}}]);
        let messages = serde_json::json!([{"role": "user", "content": content}]);
        ChatRequest::new("small")
            .field("messages", &messages)
            .max_tokens(1)
    };
    let inline = with(&format!("data:image/png;base64,{}", "A".repeat(2_000)));
    let pointed = with("https://example.com/a.png");
    for request in [inline, pointed] {
        let most = |media| {
            let config = EstimateConfig::default().with_media(media);
            estimator(config).most(&request).tokens
        };
        assert_eq!(most(40_000), most(0) + 40_000);
        // What is likely does not go by it.
        let likely = |media| {
            let config = EstimateConfig::default().with_media(media);
            estimator(config).estimate(&request).tokens
        };
        assert_eq!(likely(40_000), likely(0));
    }
}

#[test]
fn the_dearest_of_those_that_may_serve_it_is_reserved_for() {
    let config = EstimateConfig::default()
        .with_output(100)
        .with_serves("fast", ["small", "far/small", "near/large"]);
    let estimator = estimator(config);
    let cost = estimator.estimate(&ChatRequest::new("fast").user("hi"));
    let prompt = cost.tokens - 100;
    assert_eq!(cost.nano_dollars, prompt * 10_000 + 100 * 20_000);
}

#[test]
fn what_has_no_name_is_served_by_the_pattern_that_tells_most_of_it() {
    let config = EstimateConfig::default()
        .with_output(100)
        .with_serves("sm*", ["*", "large"])
        .with_serves("*", ["far/*"])
        .with_serves("large", ["large"]);
    let estimator = estimator(config);
    for (asked, input, output) in [
        // The price of "large", which may come after it.
        ("small-2026-01-31", 10_000, 20_000),
        ("large", 10_000, 20_000),
        // Nobody has a price for it.
        ("else", 0, 0),
    ] {
        let cost = estimator.estimate(&ChatRequest::new(asked).user("hi"));
        let prompt = cost.tokens - 100;
        assert_eq!(cost.nano_dollars, prompt * input + 100 * output, "{asked}");
    }
}

#[tokio::test]
async fn a_model_without_a_price_is_counted_in_tokens_or_refused() {
    let unknown = || ChatRequest::new("unheard-of").user("hi").max_tokens(5);
    let passing = estimator(EstimateConfig::default());
    let cost = run(&passing, &Script::default(), Call::new(unknown()))
        .await
        .unwrap();
    assert!(cost.tokens > 5);
    assert_eq!(cost.nano_dollars, 0);

    let config = EstimateConfig::default()
        .with_unpriced(Unpriced::Refuse)
        .with_serves("half", ["small", "unheard-of"]);
    let strict = estimator(config);
    for model in ["unheard-of", "half"] {
        let costs = Arc::default();
        let service = EstimateLayer::shared(&strict).layer(provider(Script::default(), &costs));
        let call = Call {
            context: Context::new().with_cost(Cost::tokens(1)),
            message: ChatRequest::new(model).user("hi"),
        };
        let error = service.oneshot(call).await.unwrap_err();
        assert_eq!(
            (error.class(), error.param()),
            (Class::Request, Some("model"))
        );
        assert_eq!(error.answer_status(), 400);
        assert!(costs.lock().unwrap().is_empty(), "nothing was called");
    }
    run(&strict, &Script::default(), Call::new(request()))
        .await
        .unwrap();
}

#[test]
fn prompts_are_counted_where_somebody_can() {
    struct Words;
    impl CountTokens for Words {
        fn prompt(&self, request: &ChatRequest) -> Option<u64> {
            (request.model() == "small").then_some(77)
        }
        fn text(&self, _: &str, _: &str) -> Option<u64> {
            None
        }
    }
    let estimator = estimator(EstimateConfig::default().with_output(1)).counter(Words);
    assert_eq!(estimator.estimate(&request()).tokens, 78);
    let other = request().with_model("large");
    let by_bytes = Calibrated::default().prompt_tokens(&other);
    assert_eq!(estimator.estimate(&other).tokens, by_bytes + 1);
}

#[test]
fn what_is_learned_is_shared_where_it_is_asked_for() {
    let (ratios, lengths) = (Calibrated::default(), OutputLengths::default());
    let estimator = estimator(EstimateConfig::default())
        .calibrated(&ratios)
        .lengths(&lengths);
    for _ in 0..20 {
        lengths.learn("small", None, 3);
        ratios.learn_prompt("small", 2_000, 1_000);
    }
    assert_eq!(estimator.learned_lengths().likely("small", None), Some(3));
    assert_eq!(
        estimator.estimate(&request()).tokens,
        ratios.prompt_tokens(&request()) + 3
    );
}

#[test]
fn settings_that_cannot_be_are_refused_by_name() {
    for (config, says) in [
        (
            EstimateConfig::default().with_output(0),
            "estimate.output is 0",
        ),
        (
            EstimateConfig::default().with_most_output(0),
            "estimate.most_output is 0",
        ),
        (
            EstimateConfig::default().with_serves("a", [""]),
            "estimate.serves is (\"a\", [\"\"])",
        ),
        (
            EstimateConfig::default().with_serves::<String>("a", []),
            "estimate.serves",
        ),
    ] {
        let error = EstimateLayer::new(config).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let config: EstimateConfig =
        serde_json::from_str(r#"{"reserve": "most", "unpriced": "refuse"}"#).unwrap();
    assert_eq!(config.reserve, Reserve::Most);
    assert!(serde_json::from_str::<EstimateConfig>(r#"{"reserves": "most"}"#).is_err());
}

#[tokio::test]
async fn embeddings_are_estimated_and_learned_from_too() {
    let estimator = estimator(EstimateConfig::default());
    let texts = || EmbeddingRequest::new("small", ["word ".repeat(80)]);
    let bytes = texts().input_bytes();
    let cost = estimator.estimate_embeddings(&texts());
    let tokens = bytes.div_ceil(4);
    assert_eq!(
        cost,
        Cost {
            requests: 1,
            tokens,
            nano_dollars: tokens * 1_000
        }
    );
    let service =
        EstimateLayer::shared(&estimator).layer(service_fn(|call: Call<EmbeddingRequest>| {
            let tokens = call.message.input_bytes() / 2;
            assert!(call.context.cost.is_some_and(|cost| cost.tokens > 0));
            ready(Ok::<_, Error>(EmbeddingResponse::new(
                "small",
                &[vec![1.0]],
                usage(tokens, 0),
            )))
        }));
    for _ in 0..200 {
        service.clone().oneshot(Call::new(texts())).await.unwrap();
    }
    let learned = estimator.estimate_embeddings(&texts()).tokens;
    assert!(learned.abs_diff(bytes / 2) < bytes / 50, "{learned}");
    let most = self::estimator(EstimateConfig::default().with_reserve(Reserve::Most));
    assert_eq!(most.estimate_embeddings(&texts()).tokens, bytes);
}

#[tokio::test]
async fn a_call_allocates_nothing_of_its_own_and_an_event_nothing_at_all() {
    let whole = |_: Call<ChatRequest>| {
        let mut whole = Script::default().whole();
        whole.reported = true;
        ready(Ok::<_, Error>(ChatResponse::<ChatStream>::whole(
            Meta::default(),
            whole,
        )))
    };
    let estimator = estimator(EstimateConfig::default().with_serves("fast", ["small", "large"]));
    let mut bare = service_fn(whole);
    let mut layered = EstimateLayer::shared(&estimator).layer(service_fn(whole));
    let call = || Call::new(ChatRequest::new("fast").user("hi").field("n", &2));
    // The first call of a model makes room for what is learned of it.
    layered.call(call()).await.unwrap();
    let (first, second) = (call(), call());
    let without = allocation_counter::measure(|| drop(bare.call(first).now_or_never()));
    let with = allocation_counter::measure(|| drop(layered.call(second).now_or_never()));
    assert_eq!(with.count_total, without.count_total);
}

#[tokio::test]
async fn a_call_is_told_the_most_beside_the_likely_without_an_allocation() {
    let told = Arc::new(Mutex::new(None));
    let service = service_fn({
        let told = Arc::clone(&told);
        move |call: Call<ChatRequest>| {
            *told.lock().unwrap() = Some((call.context.cost, call.context.most));
            ready(Ok::<_, Error>(ChatResponse::<ChatStream>::whole(
                Meta::default(),
                Script::default().whole(),
            )))
        }
    });
    let estimator = estimator(EstimateConfig::default().with_tell_most(true));
    let layer = EstimateLayer::shared(&estimator);
    for request in [request(), request().max_tokens(70)] {
        let (likely, most) = (estimator.estimate(&request), estimator.most(&request));
        assert!(likely.tokens < most.tokens && likely.nano_dollars < most.nano_dollars);
        let call = Call::new(request);
        layer.layer(service.clone()).oneshot(call).await.unwrap();
        assert_eq!(
            told.lock().unwrap().take(),
            Some((Some(likely), Some(most)))
        );
    }
    let mut call = Call::new(request());
    let begun = allocation_counter::measure(|| drop(estimator.begin(&mut call)));
    assert_eq!(begun.count_total, 0);
    assert!(call.context.most.is_some());
}

fn is_service<S: Service<Call<ChatRequest>> + Clone + Send + Sync>(_: &S) {}

#[tokio::test]
async fn it_is_cloned_sent_shared_and_spawned() {
    let service = EstimateLayer::new(EstimateConfig::default())
        .unwrap()
        .layer(service_fn(|_: Call<ChatRequest>| async {
            Ok::<_, Error>(ChatResponse::<ChatStream>::whole(
                Meta::default(),
                Script::default().whole(),
            ))
        }));
    is_service(&service);
    let task = tokio::spawn(async move {
        service.oneshot(Call::new(request())).await?;
        Ok::<_, BoxError>(())
    });
    task.await.unwrap().unwrap();
}

proptest! {
    // Of what a tokenizer makes of a text: never more tokens than bytes.
    #[test]
    fn the_most_is_never_too_little(
        text in ".{0,400}", most in 1..5_000_u64, cached in 0..5_000_u64, written in 0..5_000_u64,
        share in 0.0..=1.0_f64, out in 0.0..=1.0_f64, far in any::<bool>(),
    ) {
        let request = ChatRequest::new("small").user(&text).max_tokens(most);
        let reserved = estimator(EstimateConfig::default().with_reserve(Reserve::Most)).estimate(&request);
        let taken = campanile::Usage {
            cached_tokens: Some(cached),
            cache_write_tokens: Some(written),
            ..usage((request.prompt_bytes() as f64 * share) as u64, (most as f64 * out) as u64)
        };
        prop_assert!(reserved.tokens >= taken.total_tokens().unwrap());
        let cost = prices().cost(far.then_some("far"), "small", &taken).unwrap();
        prop_assert!(reserved.nano_dollars >= cost);
    }
}
