//! Groups that try calls again themselves, or hold streams until they have content.

use campanile::retry::{Backoff, RetryConfig, RetryLayer};
use futures_util::StreamExt;
use tower::ServiceBuilder;

use super::*;
use crate::{
    Chat,
    chat::{Answer, ChatEvent, ChatResponse, Meta, Part},
    commit::CommitLayer,
    stream::ChatStream,
};

type Chats = BoxCloneSyncService<Call<ChatRequest>, ChatResponse, Error>;

fn groups() -> RouterConfig {
    RouterConfig::default()
        .with_group("a", GroupConfig::models(["m"]).with_fallback_otherwise("b"))
        .with_group("b", GroupConfig::default())
}

/// Fails, counts, and is retried.
fn retried(count: &Arc<AtomicUsize>, attempts: Option<u32>) -> Chats {
    let mut config = RetryConfig::default()
        .with_max_retries(3)
        .with_backoff(Backoff::fixed(Duration::from_millis(1)))
        .with_budget(None);
    config.attempts = attempts;
    let count = Arc::clone(count);
    let failing = tower::service_fn(move |_: Call<ChatRequest>| {
        count.fetch_add(1, SeqCst);
        async { Err::<ChatResponse, _>(Error::new(Class::Server, "down")) }
    });
    let stack = ServiceBuilder::new()
        .map_response(ChatResponse::boxed)
        .layer(RetryLayer::new(config).unwrap().protocol(Chat))
        .service(failing);
    BoxCloneSyncService::new(stack)
}

/// Whether or not there is a layer further out that gives the call a trail.
#[tokio::test(start_paused = true)]
async fn groups_that_retry_share_the_attempts_of_a_call() {
    for (trail, attempts, expected) in [
        (Some(Trail::with_attempts(6)), None, 6),
        (None, Some(6), 6),
        (None, None, 8),
    ] {
        let count = Arc::default();
        let services = ["a", "b"].map(|name| (name, retried(&count, attempts)));
        let router = Router::new(groups(), services).unwrap();
        let mut call = ask("m");
        call.context.trail = trail;
        let error = router.oneshot(call).await.unwrap_err();
        assert_eq!(error.class(), Class::Server);
        assert_eq!(count.load(SeqCst), expected, "{attempts:?}");
    }
}

fn streaming(events: &[Result<Part, Class>]) -> Chats {
    let events = events.to_vec();
    let service = tower::service_fn(move |call: Call<ChatRequest>| {
        let model = call.message.model().to_owned();
        let events = events.clone().into_iter().map(move |event| {
            let frame = bytes::Bytes::from(model.clone());
            let length = frame.len();
            event
                .map(|part| ChatEvent::new(frame, 0..length, part))
                .map_err(|class| Error::new(class, "broke"))
        });
        let stream = ChatStream::new(futures_util::stream::iter(events));
        async move { Ok::<_, Error>(ChatResponse::stream(Meta::default(), stream)) }
    });
    let stack = ServiceBuilder::new()
        .map_response(ChatResponse::boxed)
        .layer(CommitLayer::default())
        .service(service);
    BoxCloneSyncService::new(stack)
}

/// Before the first content a stream goes to another group, unseen; after it, it ends in its error.
#[tokio::test(start_paused = true)]
async fn a_stream_falls_back_before_its_first_content_and_never_after() {
    use Part::{Content, End, Idle};
    let well = [Ok(Idle), Ok(Content), Ok(End)];
    for (first, expected) in [
        (vec![Ok(Idle), Err(Class::Server)], vec![Ok("n"); 3]),
        (vec![Ok(Idle)], vec![Ok("n"); 3]),
        (
            vec![Ok(Content), Err(Class::Server)],
            vec![Ok("m"), Err(Class::Server)],
        ),
        (vec![Ok(Content)], vec![Ok("m"), Err(Class::Interrupted)]),
    ] {
        let config = groups().with_group("b", GroupConfig::default().with_model("n"));
        let services = [("a", streaming(&first)), ("b", streaming(&well))];
        let router = Router::new(config, services).unwrap();
        let response = router.clone().oneshot(ask("m")).await.unwrap();
        let Answer::Stream(events) = response.answer else {
            panic!("it is streamed");
        };
        let seen: Vec<_> = events
            .map(|event| match event {
                Ok(event) => Ok(String::from_utf8(event.data().to_vec()).unwrap()),
                Err(error) => Err(error.class()),
            })
            .collect()
            .await;
        let expected: Vec<_> = expected.iter().map(|one| one.map(str::to_owned)).collect();
        assert_eq!(seen, expected);
        let fell_back = router.snapshot().groups[0].fell_back;
        assert_eq!(fell_back, u64::from(seen.len() == 3));
    }
}
