//! Groups that are pools, with the strategies of this module within.

use campanile::{
    BoxError, Endpoint,
    balance::{Affinity, AvoidTried, BalanceLayer},
    discover::{PerEndpointLayer, Roster},
};
use futures_util::StreamExt;
use tower::ServiceBuilder;

use super::*;
use crate::{
    Chat,
    chat::{Answer, ChatEvent, ChatResponse, Meta, Part},
    stream::ChatStream,
};

/// Answers with its name, and the model that it was asked for.
fn provider(
    name: String,
) -> impl Service<Call<ChatRequest>, Response = ChatResponse, Error = Error, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    tower::service_fn(move |call: Call<ChatRequest>| {
        let text = format!("{name}/{}", call.message.model());
        let length = text.len();
        let events = [
            Ok(ChatEvent::new(text.into(), 0..length, Part::Content)),
            Ok(ChatEvent::new("end".into(), 0..0, Part::End)),
        ];
        let stream = ChatStream::new(futures_util::stream::iter(events));
        async move { Ok(ChatResponse::stream(Meta::default(), stream)) }
    })
}

fn roster(members: &[(&str, &str, &str)]) -> Roster<()> {
    let roster = Roster::new();
    for (key, models, window) in members {
        let endpoint = Endpoint::builder((*key).to_owned())
            .label("models", *models)
            .label("context_window", *window)
            .label("price", "1");
        roster.insert(endpoint, ()).unwrap();
    }
    roster
}

async fn said<S>(router: Router<S>, call: Call<ChatRequest>) -> Result<String, BoxError>
where
    S: Service<Call<ChatRequest>, Response = ChatResponse, Error = Error> + Clone + 'static,
{
    let Answer::Stream(mut events) = router.oneshot(call).await?.answer else {
        return Err("it is streamed".into());
    };
    let first = events.next().await.ok_or("an event")??;
    Ok(String::from_utf8(first.data().to_vec())?)
}

macro_rules! pool {
    ($strategy:expr, $catalogue:expr, $roster:expr) => {
        ServiceBuilder::new()
            .map_response(ChatResponse::boxed)
            .layer(ConversationLayer::new(ConversationConfig::default()).unwrap())
            .layer(ServingLayer::new($catalogue))
            .layer(
                BalanceLayer::new(AvoidTried::new(Serving::new($strategy, $catalogue)))
                    .protocol(Chat),
            )
            .layer(PerEndpointLayer::new(|endpoint: &Endpoint, ()| {
                provider(endpoint.key().to_owned())
            }))
            .service($roster.changes())
    };
}

#[tokio::test(start_paused = true)]
async fn pools_of_any_strategy_are_groups() {
    let small = roster(&[("a", "m", "1000"), ("b", "m, other", "1000")]);
    let large = roster(&[("c", "m-long", "100000")]);
    let gpus = roster(&[("d", "llama-*", "8000"), ("e", "llama-*", "8000")]);
    let catalogues = [
        Catalogue::default(),
        Catalogue::default(),
        Catalogue::default(),
    ];
    let cheapest = Cheapest::new(CheapestConfig::default()).unwrap();
    let prefix = PrefixAware::new(PrefixConfig::default()).unwrap();
    let chats = Affinity::by_conversation();
    let config = RouterConfig::default()
        .with_group(
            "small",
            GroupConfig::models(["m", "other"]).with_fallback(Class::ContextWindow, "large"),
        )
        .with_group("large", GroupConfig::default().with_model("m-long"))
        .with_group("gpus", GroupConfig::models(["llama-*"]));
    let router = Router::new(
        config,
        [
            (
                "small",
                BoxCloneSyncService::new(pool!(cheapest, &catalogues[0], small)),
            ),
            (
                "large",
                BoxCloneSyncService::new(pool!(chats, &catalogues[1], large)),
            ),
            (
                "gpus",
                BoxCloneSyncService::new(pool!(prefix, &catalogues[2], gpus)),
            ),
        ],
    )
    .unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;

    let answered = |call| tokio::spawn(said(router.clone(), call));
    assert_eq!(answered(ask("other")).await.unwrap().unwrap(), "b/other");
    let llama = answered(ask("llama-3")).await.unwrap().unwrap();
    assert!(llama == "d/llama-3" || llama == "e/llama-3", "{llama}");
    // Too long for everybody there: the layer in front of the pool says so, and another group takes it.
    let long = Call::new(ChatRequest::new("m").user(&"word ".repeat(7_000)));
    assert_eq!(answered(long).await.unwrap().unwrap(), "c/m-long");
    // And what even that one cannot do is told.
    let longer = Call::new(ChatRequest::new("m").user(&"word ".repeat(700_000)));
    let error = answered(longer).await.unwrap().unwrap_err();
    let error: &Error = error.downcast_ref().unwrap();
    assert_eq!(error.class(), Class::ContextWindow);
    assert!(error.message().contains("m-long"), "{error}");
}
