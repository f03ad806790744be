//! The guards that are compared: each as a [`Case`], ours and the peers', over the same service that answers at once.

use std::{
    cell::RefCell,
    fmt,
    future::Future,
    hint::black_box,
    pin::Pin,
    task::{Context, Poll},
};

use campanile::BoxError;

use tokio::{runtime::Runtime, time::Instant};
use tower::{Service, ServiceExt};

use crate::{Instant0, drive_with};

mod ours;
mod peers;

/// Who is measured: the service without any guard.
pub const BARE: &str = "bare";

/// Who is measured: our own layer.
pub const OURS: &str = "campanile";

/// What a service is called with. Every kind has a bare service of its own, which the figures are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// A number.
    Number,
    /// An HTTP request with a number as its body.
    Http,
    /// A number, answered only when the call is polled again.
    Later,
}

/// A guard over the bare service, before it is built.
pub struct Case {
    /// What it guards against, the same words for all that are compared.
    pub guard: &'static str,
    /// Whose it is.
    pub who: &'static str,
    /// What it is called with.
    pub message: Message,
    /// Whether clones of it can be called from several tasks.
    pub shared: bool,
    build: Box<dyn Fn() -> Box<dyn Subject>>,
}

/// A service that can be measured, whatever its type.
pub trait Subject {
    /// Nanoseconds a call.
    fn drive(&self, runtime: &Runtime, calls: usize) -> f64;

    /// Heap allocations a call. The runtime must have one thread: the counter counts this thread's only.
    fn allocations(&self, runtime: &Runtime, calls: u64) -> f64;
}

/// Every case: the bare ones, ours, the peers'.
#[must_use]
pub fn cases() -> Vec<Case> {
    let bare = [
        Case::numbers(BARE, BARE, || Instant0),
        Case::new(BARE, "bare, HTTP", Message::Http, peers::request, || {
            peers::HttpInstant0
        }),
        Case::later(BARE, "bare, answers when polled again", || Later),
    ];
    let mut cases: Vec<_> = bare.into();
    let mut guards = ours::cases();
    guards.extend(peers::cases());
    // By guard, in the order of ours; within it as they were listed.
    for guard in GUARDS {
        let (these, others) = guards.into_iter().partition(|case| case.guard == guard);
        cases.extend::<Vec<_>>(these);
        guards = others;
    }
    assert!(guards.is_empty(), "a guard without a place in the table");
    cases
}

/// The order of the table.
const GUARDS: [&str; 13] = [
    FRAME,
    BREAKER,
    CONCURRENCY,
    ADAPTIVE,
    TIMEOUT,
    TIMEOUT_LATER,
    RETRY,
    RATE,
    RATES,
    KEYED,
    HEDGE,
    SHED,
    ALL,
];

/// What every guard of ours does for a call: follow it to its end.
const FRAME: &str = "nothing, but following the call";
const BREAKER: &str = "circuit breaker";
const CONCURRENCY: &str = "concurrency limit";
const ADAPTIVE: &str = "adaptive limit";
const TIMEOUT: &str = "timeout";
const TIMEOUT_LATER: &str = "timeout, answer not at once";
const RETRY: &str = "retry with budget";
const RATE: &str = "rate limit";
const RATES: &str = "rate limit, two units";
const KEYED: &str = "rate limit, 512 keys";
const HEDGE: &str = "hedge, not fired";
const SHED: &str = "load shed";
const ALL: &str = "all at once";

/// The keys of the keyed cases.
const KEYS: u64 = 512;

// ===== impl Case =====

impl Case {
    /// A guard that is called with numbers.
    fn numbers<S>(guard: &'static str, who: &'static str, build: impl Fn() -> S + 'static) -> Self
    where
        S: Service<u64, Error: fmt::Debug, Future: Send> + Clone + Send + 'static,
    {
        Self::new(guard, who, Message::Number, |number| number, build)
    }

    /// A guard over a service that answers when its call is polled again.
    fn later<S>(guard: &'static str, who: &'static str, build: impl Fn() -> S + 'static) -> Self
    where
        S: Service<u64, Error: fmt::Debug, Future: Send> + Clone + Send + 'static,
    {
        Self::new(guard, who, Message::Later, |number| number, build)
    }

    fn new<S, R>(
        guard: &'static str,
        who: &'static str,
        message: Message,
        request: fn(u64) -> R,
        build: impl Fn() -> S + 'static,
    ) -> Self
    where
        S: Service<R, Error: fmt::Debug, Future: Send> + Clone + Send + 'static,
        R: Send + 'static,
    {
        Self {
            guard,
            who,
            message,
            shared: true,
            build: Box::new(move || {
                Box::new(Shared {
                    service: build(),
                    request,
                })
            }),
        }
    }

    /// A guard whose service cannot be cloned.
    fn alone<S>(guard: &'static str, who: &'static str, build: impl Fn() -> S + 'static) -> Self
    where
        S: Service<u64, Error: fmt::Debug> + 'static,
    {
        Self {
            guard,
            who,
            message: Message::Number,
            shared: false,
            build: Box::new(move || Box::new(Alone(RefCell::new(build())))),
        }
    }

    /// Whether this is the bare service.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.guard == BARE
    }

    /// Whether this is our own.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.who.starts_with(OURS)
    }

    /// Builds the service, within the runtime: some start tasks of their own.
    #[must_use]
    pub fn build(&self, runtime: &Runtime) -> Box<dyn Subject> {
        let _within = runtime.enter();
        (self.build)()
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.guard, self.who)
    }
}

// ===== impl Later =====

/// A processor whose call is pending once, as every real one's is.
#[derive(Debug, Clone, Copy)]
struct Later;

impl Service<u64> for Later {
    type Response = u64;
    type Error = BoxError;
    type Future = Again;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Again {
        Again {
            answer: request,
            polled: false,
        }
    }
}

#[derive(Debug)]
struct Again {
    answer: u64,
    polled: bool,
}

impl Future for Again {
    type Output = Result<u64, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polled {
            return Poll::Ready(Ok(self.answer));
        }
        self.polled = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

// ===== impl Subject =====

/// Called from many tasks, each through a clone.
struct Shared<S, R> {
    service: S,
    request: fn(u64) -> R,
}

impl<S, R> Subject for Shared<S, R>
where
    S: Service<R, Error: fmt::Debug, Future: Send> + Clone + Send + 'static,
    R: Send + 'static,
{
    fn drive(&self, runtime: &Runtime, calls: usize) -> f64 {
        runtime.block_on(drive_with(&self.service, calls, self.request))
    }

    fn allocations(&self, runtime: &Runtime, calls: u64) -> f64 {
        allocations(runtime, &mut self.service.clone(), calls, self.request)
    }
}

/// Called from one task.
struct Alone<S>(RefCell<S>);

impl<S: Service<u64, Error: fmt::Debug>> Subject for Alone<S> {
    fn drive(&self, runtime: &Runtime, calls: usize) -> f64 {
        let start = Instant::now();
        runtime.block_on(call(&mut *self.0.borrow_mut(), calls as u64, |number| {
            number
        }));
        (Instant::now() - start).as_nanos() as f64 / calls as f64
    }

    fn allocations(&self, runtime: &Runtime, calls: u64) -> f64 {
        allocations(runtime, &mut *self.0.borrow_mut(), calls, |number| number)
    }
}

async fn call<S, R>(service: &mut S, calls: u64, request: fn(u64) -> R)
where
    S: Service<R, Error: fmt::Debug>,
{
    for number in 0..calls {
        let ready = service.ready().await.expect("the service is ready");
        let answer = ready.call(request(black_box(number))).await;
        black_box(answer.expect("the call succeeds"));
    }
}

fn allocations<S, R>(runtime: &Runtime, service: &mut S, calls: u64, request: fn(u64) -> R) -> f64
where
    S: Service<R, Error: fmt::Debug>,
{
    // The first calls build what is built once.
    runtime.block_on(call(service, calls, request));
    let counted = allocation_counter::measure(|| runtime.block_on(call(service, calls, request)));
    counted.count_total as f64 / calls as f64
}
