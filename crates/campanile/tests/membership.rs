//! Members as discoveries of other people's making tell them.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use campanile::{
    BoxError, Endpoint, Rejection,
    balance::{Balance, BalanceConfig, BalanceLayer, LeastLoaded},
    discover::{Key, PerEndpointLayer, Roster},
    endpoint::Reason,
    protocol::Unary,
    rejection::RejectionKind,
    time::Timestamp,
};
use futures_util::{FutureExt, StreamExt};
use tokio::{sync::mpsc, task::yield_now, time::Instant};
use tower::{Service, ServiceBuilder, ServiceExt, discover::Change};

type Changes<K> = mpsc::UnboundedSender<Change<K, Named>>;
type Pool = Balance<Named, LeastLoaded, Unary>;

/// Answers with its name, while it is ready.
#[derive(Debug, Clone)]
struct Named {
    name: &'static str,
    ready: Arc<AtomicBool>,
    wakers: Arc<Mutex<Vec<Waker>>>,
}

impl Named {
    fn new(name: &'static str, ready: bool) -> Self {
        Self {
            name,
            ready: Arc::new(AtomicBool::new(ready)),
            wakers: Arc::default(),
        }
    }
}

impl Service<()> for Named {
    type Response = &'static str;
    type Error = BoxError;
    type Future = Ready<Result<&'static str, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.ready.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        self.wakers.lock().unwrap().push(cx.waker().clone());
        Poll::Pending
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(self.name))
    }
}

async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

fn pool<K: Key>(config: BalanceConfig) -> (Changes<K>, Pool) {
    let (changes, mut told) = mpsc::unbounded_channel();
    let discover =
        futures_util::stream::poll_fn(move |cx| told.poll_recv(cx)).map(Ok::<_, Infallible>);
    let layer = BalanceLayer::bare(LeastLoaded::full_scan())
        .config(config)
        .unwrap();
    (
        changes,
        ServiceBuilder::new().layer(layer).service(discover),
    )
}

fn patience(patience: Duration) -> BalanceConfig {
    let mut config = BalanceConfig::default();
    config.patience = patience;
    config
}

fn kind(error: &BoxError) -> Option<RejectionKind> {
    Rejection::find(&**error).map(Rejection::kind)
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_belong_to_no_roster_are_members_each() {
    let (changes, pool) = pool(BalanceConfig::default());
    let endpoints = ["a", "b", "c"].map(Endpoint::new);
    for endpoint in &endpoints {
        let insert = Change::Insert(endpoint.clone(), Named::new("x", true));
        changes.send(insert).unwrap();
    }
    settle().await;
    assert_eq!(pool.len(), 3);
    for _ in 0..60 {
        pool.clone().oneshot(()).await.unwrap();
    }
    for endpoint in &endpoints {
        assert!(endpoint.outcomes().success > 0, "{endpoint} got no call");
    }
    changes.send(Change::Remove(endpoints[1].clone())).unwrap();
    settle().await;
    assert_eq!(pool.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_goes_to_the_service_that_took_the_place_of_another() {
    let (changes, pool) = pool(BalanceConfig::default());
    changes
        .send(Change::Insert("a", Named::new("stuck", false)))
        .unwrap();
    let call = tokio::spawn(pool.clone().oneshot(()));
    settle().await;
    assert!(!call.is_finished());
    changes
        .send(Change::Insert("a", Named::new("fresh", true)))
        .unwrap();
    settle().await;
    assert!(call.is_finished(), "nobody told it");
    assert_eq!(call.await.unwrap().unwrap(), "fresh");
}

#[tokio::test(start_paused = true)]
async fn a_call_beyond_its_window_is_served_when_another_ends() {
    const MANY: u32 = 40;
    let mut config = patience(Duration::from_secs(5));
    config.window = 4;
    let (changes, pool) = pool(config);
    let stuck: Vec<_> = (0..MANY).map(|_| Named::new("stuck", false)).collect();
    for (key, service) in (0..).zip(&stuck) {
        changes.send(Change::Insert(key, service.clone())).unwrap();
    }
    // One more whose calls end: a call waits that has no place for it in its window.
    let busy = Named::new("busy", true);
    settle().await;
    let call = tokio::spawn(pool.clone().oneshot(()));
    settle().await;
    assert!(!call.is_finished());
    for service in &stuck {
        // Ready, and nobody is woken: those outside of the window have no waker of this call.
        service.ready.store(true, Ordering::SeqCst);
    }
    changes.send(Change::Insert(MANY, busy)).unwrap();
    settle().await;
    pool.clone().oneshot(()).await.unwrap();
    settle().await;
    assert!(call.is_finished(), "it waits for the window only");
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_a_gate_that_may_open_at_any_time() {
    let (changes, pool) = pool(patience(Duration::from_secs(2)));
    let [sick, limited] = ["sick", "limited"].map(Endpoint::new);
    for endpoint in [&sick, &limited] {
        let insert = Change::Insert(endpoint.clone(), Named::new("x", true));
        changes.send(insert).unwrap();
    }
    settle().await;
    sick.gate().close(Reason::Health);
    let later = Timestamp::now().after(Duration::from_secs(60));
    limited.gate().close_until(Reason::Quota, later);
    let call = tokio::spawn(pool.clone().oneshot(()));
    settle().await;
    assert!(!call.is_finished(), "the health of the other may return");
    sick.gate().open(Reason::Health);
    assert!(call.await.unwrap().is_ok());

    // If all are known to open later, it is of no use to wait.
    let later = Timestamp::now().after(Duration::from_secs(10));
    sick.gate().close_until(Reason::Breaker, later);
    let before = Instant::now();
    let error = pool.oneshot(()).await.unwrap_err();
    assert_eq!(Instant::now(), before);
    assert_eq!(kind(&error), Some(RejectionKind::Unavailable));
    let after = Rejection::find(&*error).unwrap().retry_after();
    assert_eq!(
        after,
        Some(Duration::from_secs(10)),
        "the earliest reopening"
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_holds_against_pools_that_read_of_the_member_later() {
    let roster = Roster::new();
    let build = || PerEndpointLayer::new(|_: &Endpoint, name: &'static str| Named::new(name, true));
    let balance = || BalanceLayer::bare(LeastLoaded::default());
    let first = ServiceBuilder::new()
        .layer(balance())
        .layer(build())
        .service(roster.changes());
    let endpoint = roster.insert("a", "a").unwrap();
    // Before the pool has read of it.
    let drain = roster.drain("a", Duration::from_secs(10)).unwrap();
    settle().await;
    let second = ServiceBuilder::new()
        .layer(balance())
        .layer(build())
        .service(roster.changes());
    settle().await;
    assert!(
        endpoint
            .gate()
            .is_closed_for(Reason::Draining, Timestamp::now())
    );
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_eq!(drain.await, 0);
    settle().await;
    assert_eq!((first.len(), second.len(), roster.len()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_many_waiting_calls_at_once_failed_once() {
    /// Is pending until it is broken.
    #[derive(Debug, Clone)]
    struct Breaks(Named);

    impl Service<()> for Breaks {
        type Response = &'static str;
        type Error = BoxError;
        type Future = Ready<Result<&'static str, BoxError>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            self.0.poll_ready(cx).map(|_| Err("broken".into()))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            unreachable!("never ready")
        }
    }

    let roster = Roster::new();
    let inner = Named::new("a", false);
    let template = inner.clone();
    let pool = ServiceBuilder::new()
        .layer(
            BalanceLayer::bare(LeastLoaded::default())
                .config(patience(Duration::from_secs(5)))
                .unwrap(),
        )
        .layer(PerEndpointLayer::new(move |_: &Endpoint, ()| {
            Breaks(template.clone())
        }))
        .service(roster.changes());
    let endpoint = roster.insert("a", ()).unwrap();
    let calls: Vec<_> = (0..50)
        .map(|_| tokio::spawn(pool.clone().oneshot(())))
        .collect();
    settle().await;
    inner.ready.store(true, Ordering::SeqCst);
    let wakers = std::mem::take(&mut *inner.wakers.lock().unwrap());
    wakers.into_iter().for_each(Waker::wake);
    settle().await;
    let now = Timestamp::now();
    let reopens = endpoint.gate().reopens_at(now).unwrap();
    assert_eq!(
        reopens.since(now),
        Duration::from_millis(100),
        "the first backoff"
    );
    drop(calls);
}

#[tokio::test(start_paused = true)]
async fn an_idle_readied_clone_blocks_nobody() {
    let roster = Roster::new();
    let pool = ServiceBuilder::new()
        .layer(BalanceLayer::bare(LeastLoaded::default()))
        .layer(PerEndpointLayer::new(|_: &Endpoint, name: &'static str| {
            ServiceBuilder::new()
                .concurrency_limit(1)
                .service(Named::new(name, true))
        }))
        .service(roster.changes());
    roster.insert("a", "a").unwrap();
    settle().await;
    let mut idle: Vec<_> = (0..8).map(|_| pool.clone()).collect();
    for clone in &mut idle {
        assert!(
            clone
                .ready()
                .now_or_never()
                .is_some_and(|ready| ready.is_ok())
        );
    }
    assert_eq!(pool.oneshot(()).await.unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn a_panic_that_is_caught_further_out_is_the_endpoints() {
    let roster = Roster::new();
    let pool = ServiceBuilder::new()
        .layer(BalanceLayer::bare(LeastLoaded::default()))
        .layer(PerEndpointLayer::new(|_: &Endpoint, ()| {
            tower::service_fn(|()| async {
                yield_now().await;
                panic!("expected");
                #[allow(unreachable_code)] // says what it would have answered
                Ok::<(), BoxError>(())
            })
        }))
        .service(roster.changes());
    let endpoint = roster.insert("a", ()).unwrap();
    settle().await;
    let call = std::panic::AssertUnwindSafe(pool.oneshot(())).catch_unwind();
    assert!(call.await.is_err());
    assert_eq!(endpoint.outcomes().failure, 1);
    assert_eq!(endpoint.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_call_held_is_free_when_its_end_is_told() {
    use tower::limit::ConcurrencyLimit;

    let roster = Roster::new();
    let mut pool = ServiceBuilder::new()
        .layer(BalanceLayer::bare(LeastLoaded::full_scan()))
        .layer(PerEndpointLayer::new(|_: &Endpoint, name: &'static str| {
            ConcurrencyLimit::new(Named::new(name, true), 1)
        }))
        .service(roster.changes());
    roster.insert("a", "a").unwrap();
    settle().await;
    // Answered, and not dropped: as one that a `join` holds on to.
    let mut first = Box::pin(pool.call(()));
    let first_answer = std::future::poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx))).await;
    assert!(first_answer.is_ready());
    assert!(
        pool.oneshot(()).now_or_never().is_some(),
        "its permit is still taken"
    );
}

#[tokio::test(start_paused = true)]
async fn members_that_were_not_tried_in_one_look_are_tried_in_the_next() {
    /// Says of its readiness what its number says.
    #[derive(Debug, Clone)]
    struct Numbered(u32);

    impl Service<()> for Numbered {
        type Response = ();
        type Error = BoxError;
        type Future = Ready<Result<(), BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            match self.0 {
                0 => Poll::Pending,
                1..100 => Poll::Ready(Err("broken".into())),
                _ => Poll::Ready(Ok(())),
            }
        }

        fn call(&mut self, (): ()) -> Self::Future {
            ready(Ok(()))
        }
    }

    /// Prefers the first that may be picked.
    #[derive(Debug)]
    struct First;

    impl campanile::balance::Strategy for First {
        type State = ();
    }

    impl<Req> campanile::balance::Pick<Req> for First {
        fn pick<V: campanile::balance::View<()>>(&self, view: &V, _: &Req) -> Option<usize> {
            (0..view.len()).find(|index| view.load(*index).is_some())
        }
    }

    let roster = Roster::new();
    let mut config = patience(Duration::from_secs(5));
    config.window = 4;
    let pool = ServiceBuilder::new()
        .layer(BalanceLayer::bare(First).config(config).unwrap())
        .layer(PerEndpointLayer::new(|_: &Endpoint, number: u32| {
            Numbered(number)
        }))
        .service(roster.changes());
    for number in 0..=100 {
        roster.insert(number.to_string(), number).unwrap();
    }
    settle().await;
    let before = Instant::now();
    pool.oneshot(()).await.unwrap();
    assert_eq!(Instant::now(), before, "no time had to pass for it");
}
