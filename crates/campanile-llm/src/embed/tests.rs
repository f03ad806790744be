use std::convert::Infallible;

use bytes::Bytes;
use campanile::Call;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::{ServiceExt, service_fn};

use super::*;
use crate::{
    dialect::Api,
    error::{Class, Error},
    provider::{Provider, ProviderConfig},
};

/// What is sent to a provider that answers this, and what the caller gets.
async fn ask(
    api: Api,
    request: EmbeddingRequest,
    answer: Value,
) -> (Option<(String, Value)>, Result<EmbeddingResponse, Error>) {
    let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
    let http = service_fn(move |request: Request<Full<Bytes>>| {
        let body = Full::new(Bytes::from(answer.to_string()));
        let send = send.clone();
        async move {
            let (head, sent) = request.into_parts();
            let sent = sent.collect().await?.to_bytes();
            let sent: Value = serde_json::from_slice(&sent).unwrap();
            send.send((head.uri.path().to_owned(), sent)).unwrap();
            Ok::<_, Infallible>(Response::new(body))
        }
    });
    let config = ProviderConfig::new("p", api, "http://h").with_model("m", "its");
    let provider = Provider::new(http, &config).unwrap();
    let result = provider.oneshot(Call::new(request)).await;
    (receive.try_recv().ok(), result)
}

#[tokio::test]
async fn openais_are_passed_on_as_they_are() {
    let body = r#"{"model":"its","input":[[1,2],[3]],"user":"x","new":1e1}"#;
    let request = EmbeddingRequest::parse(body).unwrap();
    let answer = json!({
        "object": "list", "model": "its", "more": 1,
        "data": [
            {"object": "embedding", "index": 1, "embedding": [0.5, 2.0]},
            {"object": "embedding", "index": 0, "embedding": "AACAPwAAAMA="},
        ],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    });
    let (sent, response) = ask(Api::OpenAi, request, answer.clone()).await;
    let (path, sent) = sent.unwrap();
    assert_eq!(path, "/embeddings");
    assert_eq!(sent, serde_json::from_str::<Value>(body).unwrap());
    let response = response.unwrap();
    assert_eq!(response.body(), &answer.to_string());
    assert_eq!(
        response.embeddings().unwrap(),
        [vec![1.0, -2.0], vec![0.5, 2.0]]
    );
    assert!(response.is_reported());
    assert_eq!(response.usage().total_tokens(), Some(3));
    assert_eq!(response.meta.model.as_deref(), Some("its"));
}

#[tokio::test]
async fn gemini_embeds_one_or_many() {
    let one = EmbeddingRequest::new("m", ["a"]).field("dimensions", &2);
    let (sent, response) = ask(
        Api::Gemini,
        one,
        json!({"embedding": {"values": [1.0, 2.0]}}),
    )
    .await;
    let (path, sent) = sent.unwrap();
    assert_eq!(path, "/v1beta/models/its:embedContent");
    assert_eq!(sent["content"]["parts"][0]["text"], "a");
    assert_eq!(sent["outputDimensionality"], 2);
    let response = response.unwrap();
    assert_eq!(response.embeddings().unwrap(), [[1.0, 2.0]]);
    assert!(!response.is_reported(), "Gemini does not say");

    let two = EmbeddingRequest::new("models/x/../y", ["a", "b"]).field("encoding_format", "base64");
    let answer = json!({"embeddings": [{"values": [1.0]}, {"values": [2.0]}]});
    let (sent, response) = ask(Api::Gemini, two, answer).await;
    let (path, sent) = sent.unwrap();
    assert_eq!(path, "/v1beta/models/x%2F..%2Fy:batchEmbedContents");
    assert_eq!(sent["requests"][1]["content"]["parts"][0]["text"], "b");
    let response = response.unwrap();
    let json: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(
        json["data"][0]["embedding"], "AACAPw==",
        "as it was asked for"
    );
    assert_eq!(response.embeddings().unwrap(), [[1.0], [2.0]]);
}

#[tokio::test]
async fn ollama_embeds() {
    let request = EmbeddingRequest::parse(r#"{"model":"m","input":"a"}"#).unwrap();
    let answer = json!({"embeddings": [[0.5]], "prompt_eval_count": 4});
    let (sent, response) = ask(Api::Ollama, request, answer).await;
    assert_eq!(
        sent.unwrap(),
        (
            "/api/embed".to_owned(),
            json!({"model": "its", "input": ["a"]})
        )
    );
    let response = response.unwrap();
    assert!(response.is_reported());
    assert_eq!(response.usage().input_tokens, Some(4));
    assert_eq!(response.embeddings().unwrap(), [[0.5]]);
}

#[tokio::test]
async fn what_cannot_be_is_an_error() {
    let texts = || EmbeddingRequest::new("m", ["a", "b"]);
    let (sent, response) = ask(Api::Anthropic, texts(), json!({})).await;
    let error = response.unwrap_err();
    assert!(sent.is_none() && error.message().contains("Anthropic has no embeddings"));
    let tokens = EmbeddingRequest::parse(r#"{"model":"m","input":[1,2]}"#).unwrap();
    let (sent, response) = ask(Api::Ollama, tokens, json!({})).await;
    assert!(sent.is_none());
    assert_eq!(response.unwrap_err().param(), Some("input"));
    for (api, answer, class) in [
        (Api::OpenAi, json!({"data": []}), Class::Empty),
        (
            Api::OpenAi,
            json!({"error": {"message": "x", "code": 503}}),
            Class::Overload,
        ),
        (Api::OpenAi, json!([1]), Class::Malformed),
        (
            Api::OpenAi,
            json!({"data": [{"index": 0, "embedding": [1.0]}]}),
            Class::Malformed,
        ),
        (
            Api::Gemini,
            json!({"embeddings": [{"values": [1.0]}]}),
            Class::Malformed,
        ),
        (Api::Gemini, json!({"embeddings": []}), Class::Empty),
        (Api::Ollama, json!({"embeddings": "no"}), Class::Malformed),
    ] {
        let (_, response) = ask(api, texts(), answer.clone()).await;
        assert_eq!(response.unwrap_err().class(), class, "{api:?} {answer}");
    }
    for (body, param) in [
        ("[]", None),
        (r#"{"input":"a"}"#, Some("model")),
        (r#"{"model":1,"input":"a"}"#, Some("model")),
        (r#"{"model":"m"}"#, Some("input")),
    ] {
        let error = EmbeddingRequest::parse(body).unwrap_err();
        assert_eq!(
            (error.class(), error.param()),
            (Class::Request, param),
            "{body}"
        );
    }
}

#[test]
fn texts_are_counted_in_every_form() {
    for (input, count) in [
        (r#""a""#, Some(1)),
        (r#"["a", "b"]"#, Some(2)),
        ("[1, 2, 3]", Some(1)),
        ("[ [1, 2], [3] ]", Some(2)),
        ("[]", None),
        ("{}", None),
        ("7", None),
    ] {
        let body = format!(r#"{{"model":"m","input":{input}}}"#);
        let request = EmbeddingRequest::parse(body).unwrap();
        assert_eq!(request.count(), count, "{input}");
    }
}

#[tokio::test]
async fn layers_read_these_calls() {
    use campanile::rate_limit::{Limit, RateLimitConfig, RateLimitLayer};
    // Eleven bytes of input are estimated as two tokens, and reported as three: a second call does not fit any more.
    let config = RateLimitConfig::default().with_tokens(Limit::per_minute(4.0));
    let layer = RateLimitLayer::new(config).unwrap().protocol(Embeddings);
    let service = tower::ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(async |_: Call<EmbeddingRequest>| {
            let usage = campanile::Usage {
                input_tokens: Some(3),
                ..Default::default()
            };
            Ok::<_, Error>(EmbeddingResponse::new("m", &[vec![1.0]], usage))
        }));
    let call = || Call::new(EmbeddingRequest::new("m", ["1234567"]));
    assert!(service.clone().oneshot(call()).await.is_ok());
    let error = service.oneshot(call()).await.unwrap_err();
    assert_eq!(
        error.class(),
        Class::Refused,
        "what counts is what was reported"
    );
}

#[tokio::test(start_paused = true)]
async fn every_layer_goes_around_a_provider() {
    use campanile::{
        Endpoint,
        balance::{BalanceLayer, LeastLoaded},
        circuit_breaker::{CircuitBreakerConfig, CircuitBreakerLayer},
        concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitLayer},
        discover::{PerEndpointLayer, Roster},
        hedge::{HedgeConfig, HedgeLayer},
        protocol::Costed,
        retry::{RetryConfig, RetryLayer},
        timeout::{TimeoutConfig, TimeoutLayer},
        trace::TraceLayer,
    };
    let roster = Roster::new();
    roster.insert("a", ()).unwrap();
    let failures = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(1));
    let left = std::sync::Arc::clone(&failures);
    let answer = move |_: Call<EmbeddingRequest>| {
        let fails = left.swap(0, std::sync::atomic::Ordering::Relaxed) > 0;
        async move {
            if fails {
                return Err(Error::new(Class::Server, "not now"));
            }
            Ok(EmbeddingResponse::new(
                "m",
                &[vec![1.0]],
                campanile::Usage::default(),
            ))
        }
    };
    let costed = Costed::new(Embeddings, |_: &Call<EmbeddingRequest>| {
        campanile::cost::Cost::tokens(7)
    });
    let stack = tower::ServiceBuilder::new()
        .layer(TraceLayer::stage("embed").protocol(Embeddings))
        .layer(
            RetryLayer::new(RetryConfig::default())
                .unwrap()
                .protocol(Embeddings),
        )
        .layer(
            HedgeLayer::new(HedgeConfig::default())
                .unwrap()
                .protocol(Embeddings),
        )
        .layer(BalanceLayer::new(LeastLoaded::default()).protocol(costed))
        .layer(PerEndpointLayer::new(move |endpoint: &Endpoint, ()| {
            let breaker = CircuitBreakerLayer::new(CircuitBreakerConfig::default()).unwrap();
            let limit = ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::fixed(4)).unwrap();
            let timeout = TimeoutLayer::new(TimeoutConfig::default()).unwrap();
            tower::ServiceBuilder::new()
                .layer(breaker.protocol(Embeddings).gate(endpoint))
                .layer(limit.protocol(Embeddings))
                .layer(timeout.protocol(Embeddings))
                .service(service_fn(answer.clone()))
        }))
        .service(roster.changes());
    let response = stack
        .oneshot(Call::new(EmbeddingRequest::new("m", ["a"])))
        .await
        .unwrap();
    assert_eq!(response.embeddings().unwrap(), [[1.0]]);
    assert_eq!(
        failures.load(std::sync::atomic::Ordering::Relaxed),
        0,
        "it was retried"
    );
}

#[test]
fn nothing_that_is_said_is_shown() {
    let request = EmbeddingRequest::new("m", ["my secret"]);
    assert!(!format!("{request:?}").contains("secret"));
}

proptest! {
    #[test]
    fn vectors_survive_base64(vector: Vec<f32>) {
        let again = base64::decode(&base64::encode(&vector)).unwrap();
        let bits = |vector: &[f32]| vector.iter().map(|part| part.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&again), bits(&vector));
    }

    #[test]
    fn any_text_is_base64_or_not(text: String) {
        let _ = base64::decode(&text);
    }
}
