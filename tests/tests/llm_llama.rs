//! The real server of llama.cpp, by both of its interfaces, for callers of both dialects. Run by
//!
//! ```sh
//! tests/components/llama.sh cargo test -p campanile-tests --test llm_llama -- --ignored
//! ```

mod llm;

use std::time::Duration;

use bytes::Bytes;
use campanile::Call;
use campanile_llm::{
    chat::{Answer, ChatRequest},
    dialect::{Api, Dialect},
    error::Class,
    models::ListModels,
    provider::{HttpClient, HttpConfig, Provider},
};
use campanile_tests::faults::{Between, Breach, Cut};
use futures_util::StreamExt;
use http::Request;
use http_body_util::{BodyExt, Full};
use llm::{
    DIALECTS, bounded, component, config,
    seen::Seen,
    site::{clocks, patient, stack},
    stream, take,
};
use serde_json::{Value, json};
use tower::{Service, ServiceExt};

/// The interfaces that the server has.
const ITS: [Api; 2] = [Api::OpenAi, Api::Anthropic];

fn url() -> String {
    component("LLAMA_URL")
}

fn ask(dialect: Dialect, text: &str, most: u64, streamed: bool) -> ChatRequest {
    let body = json!({
        "model": "smollm2",
        "messages": [{"role": "user", "content": text}],
        "max_tokens": most,
        "temperature": 0,
        "stream": streamed,
    });
    ChatRequest::parse(dialect, body.to_string()).unwrap()
}

async fn get(path: &str) -> Value {
    let mut http = HttpClient::new(HttpConfig::default()).unwrap();
    let request = Request::get(format!("{}{path}", url()))
        .body(Full::<Bytes>::default())
        .unwrap();
    let response = http.call(request).await.unwrap();
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

/// Waits until the server works on nothing, and tells the most tokens that any of its slots has written.
async fn idle() -> u64 {
    bounded(async {
        loop {
            let slots = get("/slots").await;
            let slots = slots.as_array().unwrap();
            if slots.iter().all(|slot| slot["is_processing"] == false) {
                let written = |slot: &Value| slot["next_token"][0]["n_decoded"].as_u64();
                return slots.iter().filter_map(written).max().unwrap_or(0);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

#[tokio::test]
#[ignore = "needs llama.cpp"]
async fn it_tells_its_models() {
    let http = HttpClient::new(HttpConfig::default()).unwrap();
    let provider = Provider::new(http, &config(Api::OpenAi, &url())).unwrap();
    let list = bounded(provider.oneshot(Call::new(ListModels::new())))
        .await
        .unwrap();
    let names: Vec<_> = list
        .models()
        .iter()
        .map(campanile_llm::models::Model::id)
        .collect();
    assert_eq!(names, ["smollm2"]);
}

#[tokio::test]
#[ignore = "needs llama.cpp"]
async fn it_answers_whole_and_streamed_and_tells_what_that_took() {
    for api in ITS {
        for dialect in DIALECTS {
            let of = format!("{api:?} to {dialect:?}");
            let (stack, guards) = stack(api, &url(), patient());
            let question = "What is the capital of France?";
            let call = Call::new(ask(dialect, question, 40, false));
            let response = bounded(stack.clone().oneshot(call)).await.unwrap();
            let Answer::Whole(whole) = response.answer else {
                panic!("{of}: it was not asked for a stream");
            };
            assert!(whole.text().contains("Paris"), "{of}: {}", whole.text());
            assert!(whole.is_reported(), "{of}");
            let usage = *whole.usage();

            let call = Call::new(ask(dialect, question, 40, true));
            let response = bounded(stack.clone().oneshot(call)).await.unwrap();
            let taken = bounded(take(stream(response))).await;
            let seen = Seen::read(dialect, &taken.bytes());
            assert!(
                taken.ended() && seen.is_clean(),
                "{of}: {:?} {seen:?}",
                taken.error
            );
            assert_eq!(
                seen.text,
                whole.text(),
                "{of}: without sampling it says the same"
            );
            assert!(seen.finish.is_some(), "{of}");
            let last = taken.events.last().unwrap();
            assert!(
                last.is_reported(),
                "{of}: the stream is asked for its usage"
            );
            assert_eq!(last.usage().input_tokens, usage.input_tokens, "{of}");
            assert_eq!(last.usage().output_tokens, usage.output_tokens, "{of}");
            let (input, output) = (usage.input_tokens.unwrap(), usage.output_tokens.unwrap());
            assert!(
                (10..=40).contains(&input) && (6..=12).contains(&output),
                "{of}: {usage:?}"
            );
            assert_eq!(
                guards.ledger.total().taken().input_tokens,
                2 * input,
                "{of}"
            );
            assert_eq!(guards.spent(), 2 * (input + output), "{of}");
            assert!(
                guards.failures() < 1e-6 && guards.limit.in_use() == 0,
                "{of}"
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs llama.cpp"]
async fn it_calls_tools_and_thinks() {
    let (stack, _) = stack(Api::OpenAi, &url(), patient());
    let city = json!({"type": "object", "properties": {"city": {"type": "string", "enum": ["Rome", "Oslo"]}}, "required": ["city"]});
    for streamed in [false, true] {
        // The tokens that begin a call of a tool, and that end the answer: see tests/recorded.
        let request = ask(
            Dialect::OpenAi,
            "What is the weather in Rome?",
            60,
            streamed,
        )
        .tool(&campanile_llm::chat::Tool::new(
            "get_weather",
            "The weather in a city",
            city.clone(),
        ))
        .field("tool_choice", "required")
        .field("logit_bias", &json!([[13, 50], [2, 100]]));
        let response = bounded(stack.clone().oneshot(Call::new(request)))
            .await
            .unwrap();
        let (name, arguments) = match response.answer {
            Answer::Whole(whole) => {
                let call = whole.tool_calls().remove(0);
                (call.function.name, call.function.arguments)
            }
            Answer::Stream(events) => {
                let taken = bounded(take(events)).await;
                let mut seen = Seen::read(Dialect::OpenAi, &taken.bytes());
                assert!(seen.is_clean(), "{seen:?}");
                assert_eq!(seen.finish.as_deref(), Some("tool_calls"));
                seen.calls.remove(0)
            }
        };
        let arguments: Value = serde_json::from_str(&arguments).unwrap();
        assert_eq!(
            (name.as_str(), &arguments),
            ("get_weather", &json!({"city": "Rome"}))
        );
    }
    let request = ask(Dialect::OpenAi, "Say hello.", 24, true)
        .field("chat_template_kwargs", &json!({"enable_thinking": true}))
        .field("thinking_budget_tokens", &10);
    let response = bounded(stack.oneshot(Call::new(request))).await.unwrap();
    let seen = Seen::read(
        Dialect::OpenAi,
        &bounded(take(stream(response))).await.bytes(),
    );
    assert!(!seen.reasoning.is_empty() && seen.is_clean(), "{seen:?}");
}

#[tokio::test]
#[ignore = "needs llama.cpp"]
async fn a_caller_that_leaves_frees_its_slot() {
    /// More than it writes within the test.
    const MOST: u64 = 1_500;
    for api in ITS {
        for dialect in DIALECTS {
            let (stack, guards) = stack(api, &url(), patient());
            let request =
                ask(dialect, "Tell me a very long story.", MOST, true).field("ignore_eos", &true);
            // Only the own dialect passes fields on that nobody knows; the story is long anyhow.
            let response = bounded(stack.oneshot(Call::new(request))).await.unwrap();
            let mut events = stream(response);
            for _ in 0..5 {
                bounded(events.next()).await.unwrap().unwrap();
            }
            drop(events);
            let written = idle().await;
            assert!(
                written < MOST / 2,
                "{api:?} to {dialect:?}: it went on to {written} tokens"
            );
            let total = guards.ledger.total();
            assert_eq!((total.calls, total.outcomes.cancelled), (1, 1));
            assert!(total.taken().output_tokens > 0, "what was written counts");
            assert_eq!(guards.limit.in_use(), 0);
        }
    }
}

#[tokio::test]
#[ignore = "needs llama.cpp"]
async fn what_breaks_between_it_and_us_is_told() {
    let between = Between::start(&url()).await.unwrap();
    for api in ITS {
        for dialect in DIALECTS {
            for (breach, classes) in [
                (
                    Breach::Cut(1_800, Cut::Fin),
                    [Class::Interrupted, Class::Malformed],
                ),
                (
                    Breach::Cut(1_800, Cut::Reset),
                    [Class::Interrupted, Class::Malformed],
                ),
                (Breach::Stall(1_800), [Class::Timeout, Class::Timeout]),
                // Within the size of a chunk or its bytes.
                (
                    Breach::Garble(1_800, b"\xff{{}\x00"),
                    [Class::Interrupted, Class::Malformed],
                ),
            ] {
                let of = format!("{api:?} to {dialect:?}: {breach:?}");
                let (stack, guards) = stack(api, &between.url(), clocks(Duration::from_secs(4)));
                between.next(breach);
                let request = ask(dialect, "Tell me a long story.", 60, true);
                let response = bounded(stack.oneshot(Call::new(request))).await;
                let taken = bounded(take(stream(
                    response.unwrap_or_else(|error| panic!("{of}: {error:?}")),
                )))
                .await;
                let seen = Seen::read(dialect, &taken.bytes());
                let error = taken
                    .error
                    .as_ref()
                    .unwrap_or_else(|| panic!("{of}: a false end: {seen:?}"));
                assert!(classes.contains(&error.class()), "{of}: {error:?}");
                assert!(
                    !seen.ended && !seen.text.is_empty() && seen.garbage == 0,
                    "{of}: {seen:?}"
                );
                assert_eq!(guards.limit.in_use(), 0, "{of}");
                assert!(guards.failures() > 0.0, "{of}");
                idle().await;
            }
        }
    }
}
