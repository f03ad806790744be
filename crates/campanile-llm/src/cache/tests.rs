use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use campanile::{
    Call, Usage,
    collect::Collect,
    rate_limit::{Limit, RateLimitConfig, RateLimitLayer},
    rejection::RejectionKind,
};
use futures_util::{FutureExt, StreamExt, future::join_all, stream};
use proptest::prelude::*;
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer, service_fn};

use super::{flight::nothing, handle::Place, key::Key, *};
use crate::{
    Chat,
    chat::{Answer, ChatCompletion, ChatEvent, ChatRequest, ChatResponse, Meta, Part},
    dialect::Dialect,
    error::{Class, Error},
    stream::ChatStream,
};

/// A provider of streams of so many events, each of so many bytes, that counts what it is asked for.
#[derive(Clone)]
struct Provider {
    events: usize,
    bytes: usize,
    calls: Arc<AtomicU64>,
    pulled: Arc<AtomicU64>,
    dropped: Arc<AtomicU64>,
    /// Each event takes one.
    leave: Arc<Semaphore>,
    /// The stream ends so.
    end: Option<Class>,
}

struct Dropped(Arc<AtomicU64>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Provider {
    fn new(events: usize) -> Self {
        Self {
            events,
            bytes: 10,
            calls: Arc::default(),
            pulled: Arc::default(),
            dropped: Arc::default(),
            leave: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            end: None,
        }
    }

    fn event(&self, number: usize) -> ChatEvent {
        let part = if number + 1 == self.events {
            Part::End
        } else {
            Part::Content
        };
        let usage = Usage {
            output_tokens: Some(number as u64),
            ..Usage::default()
        };
        ChatEvent::new(vec![b'x'; self.bytes].into(), 0..0, part).with_usage(usage, true)
    }

    fn service(
        &self,
    ) -> impl Service<Call<ChatRequest>, Response = ChatResponse, Error = Error, Future: Send>
    + Clone
    + Send
    + 'static {
        let provider = self.clone();
        service_fn(move |_: Call<ChatRequest>| {
            let provider = provider.clone();
            async move { Ok(provider.answer()) }
        })
    }

    fn answer(self) -> ChatResponse {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let dropped = Dropped(Arc::clone(&self.dropped));
        let events = stream::iter(0..self.events).then(move |number| {
            let _held = &dropped;
            let provider = self.clone();
            async move {
                provider.leave.acquire().await.unwrap().forget();
                provider.pulled.fetch_add(1, Ordering::Relaxed);
                match provider.end {
                    Some(class) if number + 1 == provider.events => Err(Error::new(class, "cut")),
                    _ => Ok(provider.event(number)),
                }
            }
        });
        ChatResponse::stream(Meta::default(), ChatStream::new(events))
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

fn ask() -> Call<ChatRequest> {
    Call::new(ChatRequest::new("m").user("hi").streamed())
}

fn layer() -> CacheLayer {
    CacheLayer::new(CacheConfig::default()).unwrap()
}

fn events<S>(response: ChatResponse<S>) -> S {
    match response.answer {
        Answer::Stream(stream) => stream,
        Answer::Whole(_) => panic!("it is streamed"),
    }
}

fn completion(text: &str) -> ChatCompletion {
    ChatCompletion {
        dialect: Dialect::OpenAi,
        body: Bytes::copy_from_slice(text.as_bytes()),
        finish: None,
        usage: Usage {
            input_tokens: Some(5),
            ..Usage::default()
        },
        reported: true,
        empty: false,
    }
}

/// Lets every task that can go on do so.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_given_again_event_by_event_and_takes_nothing() {
    let provider = Provider::new(5);
    let layer = layer();
    let chat = layer.layer(provider.service());
    let first: Vec<_> = events(chat.clone().oneshot(ask()).await.unwrap())
        .collect()
        .await;
    let response = chat.oneshot(ask()).await.unwrap();
    assert!(response.meta.cached);
    let again: Vec<_> = events(response).collect().await;
    assert_eq!(provider.calls(), 1);
    assert_eq!((first.len(), again.len()), (5, 5));
    for (first, again) in first.into_iter().zip(again) {
        let (first, again) = (first.unwrap(), again.unwrap());
        assert_eq!(first.frame(), again.frame());
        assert_eq!(first.part(), again.part());
        assert_eq!(*again.usage(), nothing());
    }
    let snapshot = layer.handle().snapshot();
    assert_eq!((snapshot.hits, snapshot.misses, snapshot.joined), (1, 1, 0));
    assert_eq!((snapshot.answers, snapshot.under_way), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_is_given_again() {
    let provider = service_fn(async |_: Call<ChatRequest>| {
        Ok::<ChatResponse, Error>(ChatResponse::whole(Meta::default(), completion("{}")))
    });
    let chat = layer().layer(provider);
    for cached in [false, true] {
        let response = chat.clone().oneshot(ask()).await.unwrap();
        assert_eq!(response.meta.cached, cached);
        let Answer::Whole(whole) = response.answer else {
            panic!("it is whole");
        };
        assert_eq!(whole.body(), "{}");
        assert_eq!(whole.usage().input_tokens, Some(if cached { 0 } else { 5 }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hit_uses_up_no_limit_and_needs_no_provider_that_is_ready() {
    let provider = Provider::new(2);
    let one = RateLimitConfig::requests(Limit::per_minute(1.0));
    let chat = ServiceBuilder::new()
        .layer(layer())
        .layer(RateLimitLayer::new(one).unwrap().protocol(Chat))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(provider.service());
    let first = events(chat.clone().oneshot(ask()).await.unwrap());
    assert_eq!(first.count().await, 2);
    for _ in 0..10 {
        let again = chat.clone().oneshot(ask()).now_or_never().unwrap().unwrap();
        assert_eq!(events(again).count().await, 2);
    }
    let other = Call::new(ChatRequest::new("m").user("another"));
    let refused = chat.oneshot(other).await.unwrap_err();
    assert_eq!(
        refused.rejection().unwrap().kind(),
        RejectionKind::RateLimited
    );
    assert_eq!(provider.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_equal_calls_at_once_are_one() {
    let provider = Provider::new(40);
    let layer = layer();
    let chat = layer.layer(provider.service());
    let calls = (0..100).map(|_| {
        let chat = chat.clone();
        async move {
            events(chat.oneshot(ask()).await.unwrap())
                .map(Result::unwrap)
                .count()
                .await
        }
    });
    assert_eq!(join_all(calls).await, [40; 100]);
    assert_eq!(provider.calls(), 1);
    assert_eq!(layer.handle().snapshot().joined, 99);
}

/// One who looked for the answer just before it was kept, and for the call just after it was over.
#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_while_it_is_looked_for_is_found() {
    let provider = Provider::new(2);
    let layer = layer();
    let shared = &layer.handle().shared;
    let (key, now) = (Key::of(&ask(), Scope::Tenant), tokio::time::Instant::now());
    assert!(shared.store.get(&key, now).is_none());
    let chat = layer.layer(provider.service());
    let answer = events(chat.oneshot(ask()).await.unwrap());
    assert_eq!(answer.count().await, 2);
    settle().await;
    assert!(matches!(shared.board(key, now), Place::Kept(_)));
    let snapshot = layer.handle().snapshot();
    assert_eq!((snapshot.hits, snapshot.misses), (1, 1));
    assert_eq!(snapshot.under_way, 0);
}

#[tokio::test(start_paused = true)]
async fn the_others_lose_nothing_when_the_first_leaves() {
    let mut provider = Provider::new(6);
    provider.leave = Arc::new(Semaphore::new(2));
    let chat = layer().layer(provider.service());
    let mut first = events(chat.clone().oneshot(ask()).await.unwrap());
    assert!(first.next().await.unwrap().is_ok());
    let followers: Vec<_> = join_all((0..20).map(|_| chat.clone().oneshot(ask()))).await;
    drop(first);
    provider.leave.add_permits(100);
    for follower in followers {
        assert_eq!(
            events(follower.unwrap()).map(Result::unwrap).count().await,
            6
        );
    }
    assert_eq!(provider.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_may_leave_before_there_is_an_answer() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let provider = Provider::new(3);
    let answer = provider.clone();
    let chat = layer().layer(service_fn(move |_: Call<ChatRequest>| {
        let (gate, answer) = (Arc::clone(&held), answer.clone());
        async move {
            gate.acquire().await.unwrap().forget();
            Ok::<_, Error>(answer.answer())
        }
    }));
    let mut first = chat.clone().oneshot(ask());
    assert!((&mut first).now_or_never().is_none());
    let second = tokio::spawn(chat.oneshot(ask()));
    settle().await;
    drop(first);
    gate.add_permits(1);
    assert_eq!(events(second.await.unwrap().unwrap()).count().await, 3);
}

#[tokio::test(start_paused = true)]
async fn the_provider_s_call_goes_with_the_last_reader() {
    let mut provider = Provider::new(6);
    provider.leave = Arc::new(Semaphore::new(2));
    let layer = layer();
    let chat = layer.layer(provider.service());
    let mut first = events(chat.clone().oneshot(ask()).await.unwrap());
    assert!(first.next().await.unwrap().is_ok());
    let second = events(chat.clone().oneshot(ask()).await.unwrap());
    drop(first);
    settle().await;
    assert_eq!(
        provider.dropped.load(Ordering::Relaxed),
        0,
        "somebody reads"
    );
    drop(second);
    settle().await;
    assert_eq!(provider.dropped.load(Ordering::Relaxed), 1);
    let snapshot = layer.handle().snapshot();
    assert_eq!((snapshot.under_way, snapshot.answers), (0, 0));
    provider.leave.add_permits(100);
    let again = events(chat.oneshot(ask()).await.unwrap());
    assert_eq!(
        again.map(Result::unwrap).count().await,
        6,
        "a new call, from the beginning"
    );
    assert_eq!(provider.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_holds_up_nobody_else_and_is_read_ahead_of_by_little() {
    let provider = Provider::new(1000);
    let chat = layer().layer(provider.service());
    let mut idle = events(chat.clone().oneshot(ask()).await.unwrap());
    settle().await;
    let pulled = provider.pulled.load(Ordering::Relaxed);
    assert!((1..=16).contains(&pulled), "{pulled} events for nobody");
    let eager = events(chat.oneshot(ask()).await.unwrap());
    assert_eq!(eager.map(Result::unwrap).count().await, 1000);
    assert!(
        idle.next().await.unwrap().is_ok(),
        "it has them all as well"
    );
    assert_eq!(idle.map(Result::unwrap).count().await, 999);
    assert_eq!(provider.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_passed_on_at_the_pace_of_the_slowest_and_not_kept() {
    let mut provider = Provider::new(1000);
    provider.bytes = 1000;
    let config = CacheConfig::default().with_max_answer(20_000);
    let layer = CacheLayer::new(config).unwrap();
    let chat = layer.layer(provider.service());
    let (slow, mut quick) = (chat.clone().oneshot(ask()), chat.clone().oneshot(ask()));
    let (slow, mut quick) = (
        events(slow.await.unwrap()),
        events((&mut quick).await.unwrap()),
    );
    let mut read = 0;
    while let Some(Some(event)) = {
        settle().await;
        quick.next().now_or_never()
    } {
        event.unwrap();
        read += 1;
    }
    let pulled = provider.pulled.load(Ordering::Relaxed);
    assert!(
        pulled <= 20 + 2 * 16,
        "{pulled} events are held for the slow one"
    );
    let third = events(chat.clone().oneshot(ask()).await.unwrap());
    assert_eq!(provider.calls(), 2, "the beginning may be gone");
    let (slow, quick, third) =
        futures_util::future::join3(slow.count(), quick.count(), third.count()).await;
    assert_eq!((slow, quick + read, third), (1000, 1000, 1000));
    assert_eq!(layer.handle().snapshot().answers, 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_cut_is_told_to_all_and_not_kept() {
    let mut provider = Provider::new(4);
    provider.end = Some(Class::Interrupted);
    let layer = layer();
    let chat = layer.layer(provider.service());
    let both = [chat.clone().oneshot(ask()), chat.clone().oneshot(ask())];
    for response in join_all(both).await {
        let got: Vec<_> = events(response.unwrap()).collect().await;
        assert_eq!(got.len(), 4);
        assert_eq!(got[3].as_ref().unwrap_err().class(), Class::Interrupted);
    }
    assert_eq!(layer.handle().snapshot().answers, 0);
    let _ = chat.oneshot(ask()).await;
    assert_eq!(provider.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_fails_all_and_is_made_again() {
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let chat = layer().layer(service_fn(move |_: Call<ChatRequest>| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Err::<ChatResponse, _>(Error::new(Class::Overload, "busy").with_status(503)) }
    }));
    let all = join_all((0..3).map(|_| chat.clone().oneshot(ask()))).await;
    for result in all {
        let error = result.unwrap_err();
        assert_eq!(
            (error.class(), error.status()),
            (Class::Overload, Some(503))
        );
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert!(chat.oneshot(ask()).await.is_err());
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_leaves_nobody_waiting() {
    let layer = layer();
    let chat = layer.layer(service_fn(async |call: Call<ChatRequest>| {
        assert!(call.message.model() != "m", "expected");
        Err::<ChatResponse, _>(Error::new(Class::Server, "never"))
    }));
    for result in join_all((0..3).map(|_| chat.clone().oneshot(ask()))).await {
        let error = result.unwrap_err();
        assert_eq!(error.rejection().unwrap().kind(), RejectionKind::Aborted);
    }
    assert_eq!(layer.handle().snapshot().under_way, 0);
}

#[tokio::test(start_paused = true)]
async fn answers_grow_old_and_can_be_forgotten() {
    let provider = Provider::new(2);
    let config = CacheConfig::default().with_ttl(Duration::from_secs(10));
    let layer = CacheLayer::new(config).unwrap();
    let chat = layer.layer(provider.service());
    let call = async || {
        events(chat.clone().oneshot(ask()).await.unwrap())
            .count()
            .await
    };
    call().await;
    tokio::time::advance(Duration::from_millis(9_999)).await;
    call().await;
    assert_eq!(provider.calls(), 1);
    tokio::time::advance(Duration::from_millis(1)).await;
    call().await;
    assert_eq!(provider.calls(), 2);
    layer.handle().clear();
    call().await;
    assert_eq!(provider.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn tenants_share_nothing_unless_told_to() {
    for (scope, calls) in [(Scope::Tenant, 3), (Scope::Everyone, 1)] {
        let provider = Provider::new(2);
        let layer = CacheLayer::new(CacheConfig::default().with_scope(scope)).unwrap();
        let chat = layer.layer(provider.service());
        for tenant in [None, Some("a"), Some(""), Some("a")] {
            let mut call = ask();
            call.context.tenant = tenant.map(Into::into);
            let answer = events(chat.clone().oneshot(call).await.unwrap());
            assert_eq!(answer.count().await, 2);
        }
        assert_eq!(provider.calls(), calls, "{scope:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_answers_together_keep_to_their_bound() {
    let mut provider = Provider::new(2);
    provider.bytes = 4000;
    let config = CacheConfig::default()
        .with_max_answer(20_000)
        .with_max_bytes(200_000);
    let layer = CacheLayer::new(config).unwrap();
    let chat = layer.layer(provider.service());
    for number in 0..200 {
        let call = Call::new(ChatRequest::new("m").user(&number.to_string()).streamed());
        assert_eq!(
            events(chat.clone().oneshot(call).await.unwrap())
                .count()
                .await,
            2
        );
    }
    let snapshot = layer.handle().snapshot();
    assert!(
        snapshot.bytes <= 200_000 && snapshot.answers > 5,
        "{snapshot:?}"
    );
}

/// An answer is a small part of the buffer that it came in.
#[tokio::test(start_paused = true)]
async fn what_is_kept_holds_no_buffer_of_a_connection() {
    #[derive(Clone)]
    struct Buffer(Arc<Vec<u8>>);

    impl AsRef<[u8]> for Buffer {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    for streamed in [false, true] {
        let buffer = Buffer(Arc::new(vec![b'x'; 16 << 10]));
        let came = Bytes::from_owner(buffer.clone());
        let provider = service_fn(move |_: Call<ChatRequest>| {
            let mut whole = completion("");
            whole.body = came.slice(..300);
            let events = [(0..100, Part::Content), (100..200, Part::End)];
            let events =
                events.map(|(place, part)| Ok(ChatEvent::new(came.slice(place), 0..0, part)));
            let response = match streamed {
                false => ChatResponse::whole(Meta::default(), whole),
                true => {
                    let events = ChatStream::new(stream::iter(events));
                    ChatResponse::stream(Meta::default(), events)
                }
            };
            async { Ok::<_, Error>(response) }
        });
        let layer = layer();
        let chat = layer.layer(provider);
        let response = chat.clone().oneshot(ask()).await.unwrap();
        match response.answer {
            Answer::Stream(events) => assert_eq!(events.count().await, 2),
            Answer::Whole(whole) => drop(whole),
        }
        drop(chat);
        settle().await;
        assert_eq!(layer.handle().snapshot().answers, 1);
        assert_eq!(Arc::strong_count(&buffer.0), 1, "streamed: {streamed}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_be_good_for_ever() {
    let provider = Provider::new(2);
    let config = CacheConfig::default().with_ttl(Duration::MAX);
    let chat = CacheLayer::new(config).unwrap().layer(provider.service());
    for _ in 0..2 {
        let answer = events(chat.clone().oneshot(ask()).await.unwrap());
        assert_eq!(answer.count().await, 2);
        tokio::time::advance(Duration::from_secs(86_400)).await;
    }
    assert_eq!(provider.calls(), 1);
}

#[test]
fn what_it_has_done_is_collected() {
    #[derive(Default)]
    struct Names(Vec<&'static str>);
    impl campanile::collect::Sink for Names {
        fn sample(
            &mut self,
            metric: &'static campanile::collect::Metric,
            _: Option<(&'static str, &'static str)>,
            _: campanile::collect::Value,
        ) {
            self.0.push(metric.name);
        }
    }
    let mut names = Names::default();
    layer().handle().collect(&mut names);
    let all = [
        "cache_hits",
        "cache_misses",
        "cache_joined",
        "cache_answers",
        "cache_bytes",
    ];
    assert_eq!(names.0, all);
}

#[test]
fn settings_are_checked() {
    for (config, says) in [
        (
            CacheConfig::default().with_ttl(Duration::ZERO),
            "cache.ttl is 0ns: it must be above 0",
        ),
        (
            CacheConfig::default().with_max_answer(0),
            "cache.max_answer is 0: it must be above 0",
        ),
        (
            CacheConfig::default().with_max_bytes(7),
            "cache.max_bytes is 7: it must be at least max_answer",
        ),
    ] {
        assert_eq!(CacheLayer::new(config).unwrap_err().to_string(), says);
    }
}

proptest! {
    #[test]
    fn requests_that_differ_in_anything_are_told_apart(
        a in prop::collection::vec(("[a-c]{0,3}", "[a-c]{0,3}"), 0..4),
        b in prop::collection::vec(("[a-c]{0,3}", "[a-c]{0,3}"), 0..4),
    ) {
        let request = |fields: &[(String, String)]| {
            fields.iter().fold(ChatRequest::new("m"), |request, (name, value)| request.field(name, value))
        };
        let (a, b) = (request(&a), request(&b));
        let key = |request: &ChatRequest| Key::of(&Call::new(request.clone()), Scope::Tenant);
        prop_assert_eq!(key(&a) == key(&b), a.body() == b.body());
    }
}
