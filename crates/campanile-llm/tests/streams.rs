//! What other routers were seen to do wrong with streams: calls settled at their heads, dropped streams that are drained on
//! in the background, breakers that see successes where every stream dies.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use campanile::{
    Call,
    circuit_breaker::{
        BreakerState, CircuitBreakerConfig, CircuitBreakerHandle, CircuitBreakerLayer,
    },
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitHandle, ConcurrencyLimitLayer},
};
use campanile_llm::{
    Chat, Error,
    chat::{Answer, ChatEvent, ChatRequest, ChatResponse, Meta, Part},
    commit::CommitLayer,
    dialect::Dialect,
    error::Class,
    front,
    stream::ChatStream,
};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt, service_fn, util::BoxCloneService};

fn event(text: &'static str, part: Part) -> Result<ChatEvent, Error> {
    Ok(ChatEvent::new(
        Bytes::from_static(text.as_bytes()),
        6..8,
        part,
    ))
}

fn role() -> Result<ChatEvent, Error> {
    event("data: {}\n\n", Part::Idle)
}

fn word() -> Result<ChatEvent, Error> {
    event("data: {}\n\n", Part::Content)
}

fn done() -> Result<ChatEvent, Error> {
    event("data: [DONE]\n\n", Part::End)
}

fn reset() -> Result<ChatEvent, Error> {
    Err(Error::new(Class::Interrupted, "connection reset"))
}

type Provider = BoxCloneService<Call<ChatRequest>, ChatResponse, Error>;

/// A provider behind a breaker, a limit of calls in flight, and the commit point; its guards; and what was pulled from its
/// streams, each of which is what the function makes.
struct Stack {
    service: Provider,
    breaker: CircuitBreakerHandle,
    limit: ConcurrencyLimitHandle,
    pulled: Arc<AtomicUsize>,
}

impl Stack {
    fn new<I>(events: impl Fn() -> I + Clone + Send + 'static) -> Self
    where
        I: Iterator<Item = Result<ChatEvent, Error>> + Send + 'static,
    {
        let breaker = CircuitBreakerHandle::new(CircuitBreakerConfig::default()).unwrap();
        let limit = ConcurrencyLimitHandle::new(ConcurrencyLimitConfig::fixed(2)).unwrap();
        let pulled = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&pulled);
        let provider = service_fn(move |_: Call<ChatRequest>| {
            let counted = Arc::clone(&counted);
            let events = stream::iter(events()).inspect(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
            });
            let response = ChatResponse::stream(Meta::default(), ChatStream::new(events));
            std::future::ready(Ok::<_, Error>(response))
        });
        let service = ServiceBuilder::new()
            .layer(CircuitBreakerLayer::shared(&breaker).protocol(Chat))
            .layer(ConcurrencyLimitLayer::shared(&limit).protocol(Chat))
            .layer(CommitLayer::default())
            .service(provider);
        let service = service.map_response(ChatResponse::boxed);
        Self {
            service: BoxCloneService::new(service),
            breaker,
            limit,
            pulled,
        }
    }

    async fn call(&self) -> Result<ChatStream, Error> {
        let call = Call::new(ChatRequest::new("m").user("hi").streamed());
        match self.service.clone().oneshot(call).await?.answer {
            Answer::Stream(events) => Ok(events),
            Answer::Whole(_) => panic!("it is streamed"),
        }
    }

    fn pulled(&self) -> usize {
        self.pulled.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_is_not_drained_and_holds_no_permit() {
    let stack = Stack::new(|| std::iter::once(role()).chain(std::iter::repeat_with(word)));
    let mut events = stack.call().await.unwrap();
    for _ in 0..5 {
        events.next().await.unwrap().unwrap();
    }
    assert_eq!((stack.pulled(), stack.limit.in_use()), (5, 1));
    drop(events);
    assert_eq!(stack.limit.in_use(), 0, "at once");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(stack.pulled(), 5, "and nobody reads on");
    assert_eq!(stack.breaker.snapshot().state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_held_to_the_end_of_the_stream() {
    let stack = Stack::new(|| [role(), word(), word(), done()].into_iter());
    let mut first = stack.call().await.unwrap();
    let second = stack.call().await.unwrap();
    assert_eq!(stack.limit.in_use(), 2);
    // A third call waits in vain while both streams are open, although both have answered.
    let third = stack.call().await;
    assert_eq!(third.unwrap_err().class(), Class::Refused);
    while first.next().await.is_some() {}
    assert_eq!(stack.limit.in_use(), 1);
    drop(second);
    assert_eq!(stack.limit.in_use(), 0);
}

#[tokio::test(start_paused = true)]
async fn streams_that_die_are_failures() {
    for events in [
        // After their first word, and before it.
        || vec![role(), word(), reset()],
        || vec![role(), reset()],
        || vec![role(), word()],
        || vec![role(), done()],
    ] {
        let stack = Stack::new(move || events().into_iter());
        for _ in 0..20 {
            if let Ok(events) = stack.call().await {
                let last = events.collect::<Vec<_>>().await.pop();
                assert!(last.unwrap().is_err(), "no clean end");
            }
        }
        assert_eq!(stack.breaker.snapshot().state, BreakerState::Open);
        assert_eq!(stack.limit.in_use(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_nobody_reads_pulls_nothing() {
    let stack = Stack::new(|| std::iter::once(role()).chain(std::iter::repeat_with(word)));
    let events = stack.call().await.unwrap();
    let answer = ChatResponse::stream(Meta::default(), events);
    let mut body = front::answer(Ok(answer), Dialect::OpenAi).into_body();
    // The role, and the first word, for which it was answered.
    assert_eq!(stack.pulled(), 2);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(stack.pulled(), 2);
    for _ in 0..10 {
        body.frame().await.unwrap().unwrap();
    }
    assert_eq!((stack.pulled(), stack.limit.in_use()), (10, 1));
    drop(body);
    assert_eq!(stack.limit.in_use(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cut_stream_is_no_clean_end_for_the_caller() {
    for events in [|| vec![role(), word(), reset()], || vec![role(), word()]] {
        let stack = Stack::new(move || events().into_iter());
        let answer = ChatResponse::stream(Meta::default(), stack.call().await.unwrap());
        let body = front::answer(Ok(answer), Dialect::OpenAi).into_body();
        let text = body.collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&text).unwrap();
        assert!(text.starts_with("data: {}\n\ndata: {}\n\n"), "{text}");
        assert!(text.contains("\"error\""), "{text}");
        assert!(!text.contains("[DONE]"), "{text}");
    }
}
