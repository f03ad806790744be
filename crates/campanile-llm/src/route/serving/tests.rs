use std::time::Duration;

use campanile::{
    Call, Endpoint,
    balance::{BalanceLayer, LeastLoaded},
    discover::{PerEndpointLayer, Roster},
};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use super::*;
use crate::{
    Chat,
    chat::{ChatRequest, ChatResponse, Meta},
    error::{Class, Error},
    route::{Capabilities, Catalogue, Offer},
    stream::ChatStream,
};

type Pool = BoxCloneSyncService<Call<ChatRequest>, String, Error>;

/// Whoever answers tells its name by the provider of the answer.
async fn pool(catalogue: &Catalogue, members: &[(&str, &str, &str)]) -> (Roster<()>, Pool) {
    let roster = Roster::new();
    for (key, models, capabilities) in members {
        let endpoint = Endpoint::builder((*key).to_owned())
            .label("models", *models)
            .label("capabilities", *capabilities);
        roster.insert(endpoint, ()).unwrap();
    }
    let strategy = Serving::new(LeastLoaded::default(), catalogue);
    let stack = ServiceBuilder::new()
        .layer(ServingLayer::new(catalogue))
        .layer(BalanceLayer::new(strategy).protocol(Chat))
        .layer(PerEndpointLayer::new(|endpoint: &Endpoint, ()| {
            let name = endpoint.key().to_owned();
            tower::service_fn(move |_: Call<ChatRequest>| {
                let meta = Meta {
                    provider: Some(name.as_str().into()),
                    ..Meta::default()
                };
                let stream = ChatStream::new(futures_util::stream::empty());
                async move { Ok::<_, Error>(ChatResponse::stream(meta, stream)) }
            })
        }))
        .service(roster.changes());
    tokio::time::sleep(Duration::from_millis(1)).await;
    let named = stack.map_response(|response| response.meta.provider.unwrap().to_string());
    (roster, BoxCloneSyncService::new(named))
}

async fn who(pool: &Pool, request: &ChatRequest) -> Vec<String> {
    let mut who = std::collections::BTreeSet::new();
    for _ in 0..40 {
        who.insert(
            pool.clone()
                .oneshot(Call::new(request.clone()))
                .await
                .unwrap(),
        );
    }
    who.into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn only_members_that_serve_a_request_are_picked() {
    let catalogue = Catalogue::default();
    let all = "tools, vision, json, json_schema, reasoning, streaming";
    let members = [
        ("a", "llama", "streaming"),
        ("b", "llama, gpt-5", all),
        ("c", "gpt-*", "tools, streaming"),
    ];
    let (roster, pool) = pool(&catalogue, &members).await;
    let ask = |model: &str| ChatRequest::new(model).user("hi");
    assert_eq!(who(&pool, &ask("llama")).await, ["a", "b"]);
    assert_eq!(who(&pool, &ask("gpt-5")).await, ["b", "c"]);
    assert_eq!(who(&pool, &ask("gpt-4")).await, ["c"]);
    assert_eq!(who(&pool, &ask("llama").field("tools", &[1])).await, ["b"]);
    let image = serde_json::json!([{"role": "user", "content": [{"type": "image_url"}]}]);
    assert_eq!(
        who(&pool, &ask("gpt-5").field("messages", &image)).await,
        ["b"]
    );
    catalogue.set_endpoint("a", Offer::models(["gpt-4"]));
    assert_eq!(who(&pool, &ask("gpt-4")).await, ["a", "c"]);
    assert_eq!(who(&pool, &ask("llama")).await, ["b"]);
    drop(roster);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_serves_is_refused_at_once() {
    let catalogue = Catalogue::default();
    let (_roster, pool) = pool(&catalogue, &[("a", "llama", "streaming")]).await;
    let start = tokio::time::Instant::now();
    let unknown = pool
        .clone()
        .oneshot(Call::new(ChatRequest::new("gpt-5")))
        .await;
    assert_eq!(unknown.unwrap_err().class(), Class::ModelNotFound);
    let tools = ChatRequest::new("llama").field("tools", &[1]);
    let error = pool.clone().oneshot(Call::new(tools)).await.unwrap_err();
    assert_eq!(
        (error.class(), error.param()),
        (Class::Request, Some("tools"))
    );
    assert_eq!(tokio::time::Instant::now(), start);
}

/// A member that leaves takes its models with it, as soon as nobody needs them any more.
#[tokio::test(start_paused = true)]
async fn a_member_that_leaves_serves_no_more() {
    let catalogue = Catalogue::default();
    let (roster, pool) = pool(
        &catalogue,
        &[("a", "llama", "streaming"), ("b", "qwen", "streaming")],
    )
    .await;
    assert_eq!(who(&pool, &ChatRequest::new("llama")).await, ["a"]);
    roster.remove("a").unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let gone = pool
        .clone()
        .oneshot(Call::new(ChatRequest::new("llama")))
        .await;
    assert_eq!(gone.unwrap_err().class(), Class::ModelNotFound);
    assert_eq!(catalogue.models(), ["qwen"]);
}

/// An estimate may be several times what a provider counts: of letters that a client wrote as `\\u0430`, or where a budget reserves
/// the most. It prefers members, and refuses nothing.
#[tokio::test(start_paused = true)]
async fn an_estimate_prefers_members_and_refuses_nothing() {
    let catalogue = Catalogue::default();
    let window = |tokens| {
        Offer::models(["llama"]).with_limits(Capabilities {
            context_window: Some(tokens),
            ..Capabilities::default()
        })
    };
    catalogue.set_endpoint("small", window(1_000));
    catalogue.set_endpoint("large", window(2_000));
    let members = [("small", "", ""), ("large", "", "")];
    let (roster, pool) = pool(&catalogue, &members).await;
    let ask = |bytes| ChatRequest::new("llama").user(&"x".repeat(bytes));
    assert_eq!(who(&pool, &ask(3_000)).await, ["large", "small"]);
    assert_eq!(who(&pool, &ask(6_000)).await, ["large"]);
    // Believed to be too long for both, and for neither for sure.
    assert_eq!(who(&pool, &ask(12_000)).await, ["large", "small"]);
    assert_eq!(who(&pool, &ask(48_000)).await, ["large"]);
    let mut reserved = Call::new(ask(3_000));
    reserved.context.cost = Some(campanile::Cost::tokens(100_000));
    assert!(pool.clone().oneshot(reserved).await.is_ok());
    // The bytes of an image are no text, and an answer need not be as long as it may be.
    let url = format!("data:image/png;base64,{}", "A".repeat(96_000));
    let image = serde_json::json!([{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": url}},
    ]}]);
    let image = ChatRequest::new("llama")
        .field("messages", &image)
        .max_tokens(3_000);
    assert!(pool.clone().oneshot(Call::new(image)).await.is_ok());
    let error = pool
        .clone()
        .oneshot(Call::new(ask(96_000)))
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::ContextWindow);
    drop(roster);
}
