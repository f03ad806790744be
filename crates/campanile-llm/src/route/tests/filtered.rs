//! What is filtered goes to its own group, although the provider answers it as a success.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::Full;
use serde_json::json;
use tower::{ServiceBuilder, service_fn};

use super::*;
use crate::{
    chat::{Answer, ChatResponse},
    commit::{CommitConfig, CommitLayer, FilteredAnswer},
    dialect::{Api, Dialect},
    provider::{Provider, ProviderConfig},
};

type Chats = BoxCloneSyncService<Call<ChatRequest>, ChatResponse, Error>;

/// A provider that answers this, with nothing passed on before there is content.
fn provider(api: Api, body: &'static str, filtered: FilteredAnswer) -> Chats {
    let http = service_fn(move |_: http::Request<Full<Bytes>>| async move {
        let kind = match body.as_bytes() {
            [b'{', ..] => "application/json",
            _ => "text/event-stream",
        };
        let answer = http::Response::builder().header("content-type", kind);
        Ok::<_, Infallible>(answer.body(Full::<Bytes>::from(body)).unwrap())
    });
    let config = ProviderConfig::new("test", api, "http://127.0.0.1:1");
    let commit = CommitConfig::default().with_filtered(filtered);
    let stack = ServiceBuilder::new()
        .map_response(ChatResponse::boxed)
        .layer(CommitLayer::new(commit).unwrap())
        .service(Provider::new(http, &config).unwrap());
    BoxCloneSyncService::new(stack)
}

/// What is said: all of a whole answer, or of a stream that ends well.
async fn said(response: ChatResponse) -> String {
    match response.answer {
        Answer::Whole(whole) => whole.text(),
        Answer::Stream(events) => {
            let frames = events.map(|event| event.unwrap().frame().clone());
            let frames: Vec<Bytes> = frames.collect().await;
            String::from_utf8(frames.concat()).unwrap()
        }
    }
}

const OPENAI: [&str; 2] = [
    r#"{"choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"content_filter"}]}"#,
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n\
     data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"content_filter\"}]}\n\n\
     data: [DONE]\n\n",
];
const ANTHROPIC: [&str; 2] = [
    r#"{"type":"message","role":"assistant","content":[],"stop_reason":"refusal","usage":{"input_tokens":9,"output_tokens":0}}"#,
    "event: message_start\n\
     data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"role\":\"assistant\",\"content\":[],\"usage\":{\"input_tokens\":9,\"output_tokens\":0}}}\n\n\
     event: message_delta\n\
     data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"refusal\"},\"usage\":{\"output_tokens\":1}}\n\n\
     event: message_stop\n\
     data: {\"type\":\"message_stop\"}\n\n",
];
const OPEN: [&str; 2] = [
    r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"well"},"finish_reason":"stop"}]}"#,
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"well\"}}]}\n\n\
     data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
     data: [DONE]\n\n",
];

#[tokio::test]
async fn what_a_provider_filters_or_refuses_goes_to_its_own_group() {
    let settings = config(json!({
        "groups": {
            "main": { "models": ["m"], "fallbacks": { "content_filter": "open" } },
            "open": {},
        },
    }));
    for (api, bodies) in [(Api::OpenAi, OPENAI), (Api::Anthropic, ANTHROPIC)] {
        for (streamed, (body, open)) in bodies.into_iter().zip(OPEN).enumerate() {
            for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
                let request = json!({
                    "model": "m", "max_tokens": 9, "stream": streamed == 1,
                    "messages": [{ "role": "user", "content": "hi" }],
                });
                let request = ChatRequest::parse(dialect, request.to_string()).unwrap();
                let ask = async |filtered| {
                    let groups = [
                        ("main", provider(api, body, filtered)),
                        ("open", provider(Api::OpenAi, open, filtered)),
                    ];
                    let mut router = Router::new(settings.clone(), groups).unwrap();
                    let call = Call::new(request.clone());
                    let response = router.ready().await.unwrap().call(call).await.unwrap();
                    said(response).await
                };
                let found = ask(FilteredAnswer::Fail).await;
                assert!(found.contains("well"), "{api:?}: {dialect:?}: {found}");
                let found = ask(FilteredAnswer::Pass).await;
                assert!(!found.contains("well"), "{api:?}: {dialect:?}: {found}");
            }
        }
    }
}
