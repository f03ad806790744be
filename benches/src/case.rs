//! What is compared: each a [`Case`], over a service that answers at once, ours and the peers'.

use std::{cell::RefCell, fmt, hint::black_box};

use tokio::{runtime::Runtime, time::Instant};
use tower::{Service, ServiceExt};

use crate::drive_with;

/// Who is measured: the service without any layer.
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
    /// A number in an envelope, with a context.
    Called,
    /// A number, answered by a stream.
    Stream,
    /// A chat, answered by a stream of one event.
    Chat,
    /// The same chat in liter-llm's types, answered as a whole.
    LiterLlm,
}

/// A layer over the bare service, before it is built.
pub struct Case {
    /// What is compared, the same words for all that are.
    pub what: &'static str,
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

// ===== impl Case =====

impl Case {
    /// A layer that is called with numbers.
    pub fn numbers<S>(
        what: &'static str,
        who: &'static str,
        build: impl Fn() -> S + 'static,
    ) -> Self
    where
        S: Service<u64, Error: fmt::Debug, Future: Send> + Clone + Send + 'static,
    {
        Self::new(what, who, Message::Number, |number| number, build)
    }

    /// A layer over a service that answers when its call is polled again.
    pub fn later<S>(what: &'static str, who: &'static str, build: impl Fn() -> S + 'static) -> Self
    where
        S: Service<u64, Error: fmt::Debug, Future: Send> + Clone + Send + 'static,
    {
        Self::new(what, who, Message::Later, |number| number, build)
    }

    /// A layer that is called with what `request` makes of a number.
    pub fn new<S, R>(
        what: &'static str,
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
            what,
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

    /// A layer whose service cannot be cloned.
    pub fn alone<S>(what: &'static str, who: &'static str, build: impl Fn() -> S + 'static) -> Self
    where
        S: Service<u64, Error: fmt::Debug> + 'static,
    {
        Self {
            what,
            who,
            message: Message::Number,
            shared: false,
            build: Box::new(move || Box::new(Alone(RefCell::new(build())))),
        }
    }

    /// Whether this is the bare service.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.what == BARE
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
        write!(f, "{}, {}", self.what, self.who)
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
