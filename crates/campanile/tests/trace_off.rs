//! Spans and lines that nobody listens to allocate nothing, whatever was switched off: the subscriber, the level, or the
//! target. Lines alone allocate once for a call. In a process of its own, since the levels are those of a process.

use std::{
    future::{Future, Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use campanile::{BoxError, Call, Endpoint, trace::TraceLayer};
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Service, ServiceBuilder};
use tracing::{Event, Level, Metadata, Subscriber, level_filters::LevelFilter, span};

/// A processor that answers at once.
#[derive(Clone)]
struct Echo;

impl<T> Service<T> for Echo {
    type Response = ();
    type Error = BoxError;
    type Future = Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: T) -> Self::Future {
        ready(Ok(()))
    }
}

/// The same in HTTP.
#[derive(Clone)]
struct Web;

impl<B> Service<Request<B>> for Web {
    type Response = Response<Empty<&'static [u8]>>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        ready(Ok(Response::new(Empty::new())))
    }
}

/// Listens up to a level, but not to us unless it is told to.
struct Elsewhere {
    up_to: LevelFilter,
    to_us: bool,
}

impl Subscriber for Elsewhere {
    fn enabled(&self, meta: &Metadata<'_>) -> bool {
        *meta.level() <= self.up_to && (self.to_us || !meta.target().starts_with("campanile"))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.up_to)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// What so many calls allocate, each on the same service.
fn allocations<S, Req>(mut service: S, request: impl Fn() -> Req) -> u64
where
    S: Service<Req>,
{
    let mut run = || {
        for _ in 0..1_000 {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(service.poll_ready(&mut cx).is_ready());
            let answer = pin!(service.call(request())).poll(&mut cx);
            assert!(matches!(answer, Poll::Ready(Ok(_))));
        }
    };
    // The first call registers its spans.
    run();
    allocation_counter::measure(run).count_total
}

/// Calls and HTTP requests through all three places.
fn of_a_stack() -> [u64; 2] {
    let endpoint = Endpoint::new("a");
    let calls = ServiceBuilder::new()
        .layer(TraceLayer::stage("chat").calls())
        .layer(TraceLayer::attempt().calls())
        .layer(TraceLayer::endpoint(&endpoint).calls())
        .service(Echo);
    let web = ServiceBuilder::new()
        .layer(TraceLayer::stage("chat").http())
        .layer(TraceLayer::attempt().http())
        .layer(TraceLayer::endpoint(&endpoint).http())
        .service(Web);
    [
        allocations(calls, || Call::new(())),
        allocations(web, || Request::new(())),
    ]
}

#[test]
fn what_nobody_listens_to_allocates_nothing() {
    assert_eq!(of_a_stack(), [0, 0], "without a subscriber");
    for (up_to, to_us) in [(LevelFilter::ERROR, true), (LevelFilter::TRACE, false)] {
        let subscriber = Elsewhere { up_to, to_us };
        let found = tracing::subscriber::with_default(subscriber, of_a_stack);
        assert_eq!(found, [0, 0], "{up_to}, and to us: {to_us}");
    }
    // Lines, and no spans: what the end of a call needs, and the trail is lent again.
    let subscriber = Elsewhere {
        up_to: LevelFilter::WARN,
        to_us: true,
    };
    let [found, _] = tracing::subscriber::with_default(subscriber, of_a_stack);
    assert_eq!(found, 1_000, "lines alone");
    // So that this test could fail.
    let subscriber = Elsewhere {
        up_to: LevelFilter::from_level(Level::DEBUG),
        to_us: true,
    };
    let found = tracing::subscriber::with_default(subscriber, of_a_stack);
    assert!(found.iter().all(|count| *count >= 3_000), "{found:?}");
}
