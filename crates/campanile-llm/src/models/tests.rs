use std::convert::Infallible;

use bytes::Bytes;
use campanile::Call;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::{ServiceExt, service_fn};

use super::*;
use crate::{
    dialect::Api,
    error::{Class, Error},
    provider::{Provider, ProviderConfig},
};

async fn ask(api: Api, request: ListModels, answer: Value) -> (String, Result<ModelList, Error>) {
    let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
    let http = service_fn(move |request: Request<Full<Bytes>>| {
        assert_eq!(request.method(), "GET");
        assert!(!request.headers().contains_key("content-type"));
        send.send(request.uri().to_string()).unwrap();
        let body = Full::new(Bytes::from(answer.to_string()));
        async { Ok::<_, Infallible>(Response::new(body)) }
    });
    let config = ProviderConfig::new("p", api, "http://h");
    let result = Provider::new(http, &config)
        .unwrap()
        .oneshot(Call::new(request))
        .await;
    (receive.try_recv().unwrap(), result)
}

fn ids(list: &ModelList) -> Vec<&str> {
    list.models().iter().map(Model::id).collect()
}

#[tokio::test]
async fn openais_list_stays_as_it_was_written() {
    let answer =
        json!({"object": "list", "data": [{"id": "a", "x": 1}, {"id": "b", "context_length": 9}]});
    let (uri, list) = ask(Api::OpenAi, ListModels::new(), answer.clone()).await;
    assert_eq!(uri, "http://h/models");
    let list = list.unwrap();
    assert_eq!(list.body(), &answer.to_string());
    assert_eq!(ids(&list), ["a", "b"]);
    assert_eq!(list.models()[1].context_window(), Some(9));
    assert_eq!(list.models()[0].object().read("x").unwrap(), Some(1));
    assert_eq!(list.next(), None);
}

#[tokio::test]
async fn other_lists_are_written_in_openais_form() {
    let answer =
        json!({"data": [{"type": "model", "id": "claude"}], "has_more": true, "last_id": "claude"});
    let (uri, list) = ask(Api::Anthropic, ListModels::new(), answer).await;
    assert_eq!(uri, "http://h/v1/models?limit=1000");
    let list = list.unwrap();
    assert_eq!((ids(&list), list.next()), (vec!["claude"], Some("claude")));

    let answer = json!({"models": [{"name": "models/gemini", "inputTokenLimit": 1_000}], "nextPageToken": "p/2"});
    let (uri, list) = ask(Api::Gemini, ListModels::after("p 1"), answer).await;
    assert_eq!(uri, "http://h/v1beta/models?pageSize=1000&pageToken=p%201");
    let list = list.unwrap();
    assert_eq!((ids(&list), list.next()), (vec!["gemini"], Some("p/2")));
    assert_eq!(list.models()[0].context_window(), Some(1_000));

    let answer = json!({"models": [{"name": "qwen:1b", "model": "qwen:1b", "size": 7}]});
    let (uri, list) = ask(Api::Ollama, ListModels::new(), answer).await;
    assert_eq!(uri, "http://h/api/tags");
    let list = list.unwrap();
    let body: Value = serde_json::from_slice(list.body()).unwrap();
    assert_eq!(
        body["data"][0],
        json!({"name": "qwen:1b", "model": "qwen:1b", "size": 7, "id": "qwen:1b", "object": "model"})
    );
}

#[tokio::test]
async fn llama_cpps_window_is_found() {
    let answer = json!({"data": [{"id": "a", "meta": {"n_ctx_train": 2_048}}], "models": [{"name": "other"}]});
    let (_, list) = ask(Api::OpenAi, ListModels::new(), answer).await;
    let list = list.unwrap();
    assert_eq!(ids(&list), ["a"]);
    assert_eq!(list.models()[0].context_window(), Some(2_048));
}

#[tokio::test]
async fn what_is_no_list_is_an_error() {
    for (answer, class) in [
        (json!({}), Class::Malformed),
        (json!({"data": [{"name": 7}]}), Class::Malformed),
        (json!({"data": {}}), Class::Malformed),
        (json!([]), Class::Malformed),
        (json!({"error": "out of memory"}), Class::Server),
    ] {
        let (_, list) = ask(Api::OpenAi, ListModels::new(), answer.clone()).await;
        assert_eq!(list.unwrap_err().class(), class, "{answer}");
    }
}
