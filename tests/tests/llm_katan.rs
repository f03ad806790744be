//! llm-katan, a server of others that echoes by the interfaces of three providers, checks their keys, and takes so many calls at
//! a time. Run by
//!
//! ```sh
//! tests/components/llm_katan.sh cargo test -p campanile-tests --test llm_katan -- --ignored
//! ```

mod llm;

use std::time::Duration;

use campanile::{
    Call,
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitLayer},
};
use campanile_llm::{
    Chat,
    chat::Answer,
    dialect::{Api, Dialect},
    error::Class,
    provider::{HttpClient, HttpConfig, Provider, ProviderConfig},
};
use futures_util::future::join_all;
use llm::{DIALECTS, bounded, component, config, request, seen::Seen, stream, take};
use tower::{ServiceBuilder, ServiceExt};

/// How many calls it takes at a time, as the script says.
const AT_ONCE: u32 = 4;

fn provider(api: Api, key: &str) -> Provider<HttpClient> {
    let url = component("LLM_KATAN_URL");
    let http = HttpClient::new(HttpConfig::default()).unwrap();
    let config: ProviderConfig = match api {
        // It stands for Vertex AI, whose key is another header.
        Api::Gemini => config(api, &url).with_header("authorization", format!("Bearer {key}")),
        _ => config(api, &url).with_key(key),
    };
    Provider::new(http, &config).unwrap()
}

const ITS: [(Api, &str); 3] = [
    (Api::OpenAi, "key-of-openai"),
    (Api::Anthropic, "key-of-anthropic"),
    (Api::Gemini, "key-of-vertexai"),
];

// One test: it counts all calls together.
#[tokio::test]
#[ignore = "needs llm-katan"]
async fn it_echoes_and_checks_keys_and_takes_so_many_calls() {
    for (api, key) in ITS {
        for dialect in DIALECTS {
            let of = format!("{api:?} to {dialect:?}");
            let response =
                bounded(provider(api, key).oneshot(Call::new(request(dialect, true)))).await;
            let response = response.unwrap_or_else(|error| panic!("{of}: {error:?}"));
            let taken = bounded(take(stream(response))).await;
            let seen = Seen::read(dialect, &taken.bytes());
            assert!(taken.ended() && seen.is_clean(), "{of}: {seen:?}");
            assert!(
                seen.text.contains("What is the weather in Rome and Oslo?"),
                "{of}: {seen:?}"
            );

            let response =
                bounded(provider(api, key).oneshot(Call::new(request(dialect, false)))).await;
            let Answer::Whole(whole) = response.unwrap().answer else {
                panic!("{of}: it was not asked for a stream");
            };
            assert!(
                whole
                    .text()
                    .contains("What is the weather in Rome and Oslo?"),
                "{of}: {}",
                whole.text()
            );
            assert!(whole.is_reported(), "{of}");

            let error =
                bounded(provider(api, "a-wrong-key").oneshot(Call::new(request(dialect, true))))
                    .await;
            let error = error.map(|_| ()).unwrap_err();
            assert_eq!(error.class(), Class::Auth, "{of}: {error:?}");
            // It repeats the key that it was given.
            assert!(
                !format!("{error:?} {error}").contains("a-wrong-key"),
                "{of}: {error:?}"
            );
        }
    }

    let calls = |bounded_calls: bool| async move {
        let limit = match bounded_calls {
            true => ConcurrencyLimitConfig::fixed(AT_ONCE).waiting(100, Duration::from_secs(30)),
            false => ConcurrencyLimitConfig::fixed(100),
        };
        let stack = ServiceBuilder::new()
            .layer(ConcurrencyLimitLayer::new(limit).unwrap().protocol(Chat))
            .service(provider(Api::OpenAi, "key-of-openai"));
        let calls = (0..16).map(|_| {
            let stack = stack.clone();
            async move {
                let response = stack
                    .oneshot(Call::new(request(Dialect::OpenAi, true)))
                    .await?;
                assert!(take(stream(response)).await.ended());
                Ok::<_, campanile_llm::Error>(())
            }
        });
        bounded(join_all(calls)).await
    };
    let unbounded = calls(false).await;
    let refused: Vec<_> = unbounded.into_iter().filter_map(Result::err).collect();
    assert!(!refused.is_empty(), "sixteen at once are too many for it");
    assert!(
        refused.iter().all(|error| error.class() == Class::Overload),
        "{refused:?}"
    );
    for result in calls(true).await {
        result.unwrap();
    }
}
