//! Embeddings are routed by their model as chats are.

use super::*;
use crate::embed::EmbeddingRequest;

#[tokio::test(start_paused = true)]
async fn embeddings_are_routed_by_their_model() {
    let config = RouterConfig::default()
        .with_group(
            "own",
            GroupConfig::models(["small"]).with_rename("small", "e5-small"),
        )
        .with_group("bought", GroupConfig::models(["text-embedding-*"]));
    let group = |name: &'static str| {
        let service = tower::service_fn(move |call: Call<EmbeddingRequest>| async move {
            Ok::<_, Error>(format!("{name}/{}", call.message.model()))
        });
        (name, BoxCloneSyncService::new(service))
    };
    let router = Router::new(config, [group("own"), group("bought")]).unwrap();
    for (model, expected) in [
        ("small", "own/e5-small"),
        ("text-embedding-3", "bought/text-embedding-3"),
    ] {
        let call = Call::new(EmbeddingRequest::new(model, ["text"]));
        assert_eq!(router.clone().oneshot(call).await.unwrap(), expected);
    }
}
