use std::{
    cell::Cell,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use crossbeam_utils::{CachePadded, atomic::AtomicCell};
use pin_project_lite::pin_project;
use tower_service::Service;

/// How many threads keep a clone of their own; further ones share.
const LANES: usize = 8;

/// A service that is called without being cloned.
///
/// Clones are counted handles of one service. A call takes an idle clone of what is within, drives it to ready, calls it, and
/// puts it back for the next call of its thread: a deep stack is cloned when calls wait, and not otherwise. It allocates
/// nothing.
///
/// **Readiness.** Always ready: a call waits within its future. An instance that waits, or whose call is dropped before it
/// was called, is dropped, and so gives back what it has reserved; only one that has been called is kept.
pub(crate) struct Stashed<S> {
    stash: Arc<Stash<S>>,
}

/// A service, and clones of it that nobody uses at the moment.
struct Stash<S> {
    /// Boxed once, then handed back and forth.
    lanes: [CachePadded<AtomicCell<Option<Box<S>>>>; LANES],
    /// What clones are made of. A mutex, since a service need not be `Sync`.
    template: Mutex<S>,
}

pin_project! {
    /// A call of a [`Stashed`] service.
    #[must_use = "futures do nothing unless polled"]
    pub(crate) struct StashedFuture<S, Req>
    where
        S: Service<Req>,
    {
        #[pin]
        state: State<S, Req>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Req>
    where
        S: Service<Req>,
    {
        Readying {
            stash: Option<Arc<Stash<S>>>,
            instance: Option<Box<S>>,
            request: Option<Req>,
        },
        Calling {
            #[pin]
            future: S::Future,
        },
    }
}

/// A service of one type, whatever is in it: a [`Stashed`] one whose calls are boxed. A call allocates its box, and that is
/// all.
pub(crate) struct Erased<Req, Res, E> {
    inner: Arc<dyn Serve<Req, Res, E>>,
}

/// A call of an [`Erased`] service.
pub(crate) type Answering<Res, E> = Pin<Box<dyn Future<Output = Result<Res, E>> + Send>>;

trait Serve<Req, Res, E>: Send + Sync {
    fn serve(self: Arc<Self>, request: Req) -> Answering<Res, E>;
}

// ===== impl Stashed =====

impl<S> Stashed<S> {
    /// Takes in a service.
    pub(crate) fn new(service: S) -> Self {
        Self {
            stash: Arc::new(Stash {
                lanes: Default::default(),
                template: Mutex::new(service),
            }),
        }
    }
}

impl<S, Req> Service<Req> for Stashed<S>
where
    S: Service<Req> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = StashedFuture<S, Req>;

    #[inline]
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        StashedFuture::new(Arc::clone(&self.stash), request)
    }
}

impl<S> Clone for Stashed<S> {
    fn clone(&self) -> Self {
        Self {
            stash: Arc::clone(&self.stash),
        }
    }
}

impl<S> fmt::Debug for Stashed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stashed").finish_non_exhaustive()
    }
}

// ===== impl Stash =====

impl<S: Clone> Stash<S> {
    fn take(&self) -> Box<S> {
        self.lanes[lane()].take().unwrap_or_else(|| self.make())
    }

    #[cold]
    fn make(&self) -> Box<S> {
        let template = self.template.lock();
        Box::new(template.unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Takes an instance back after its call: only then does it hold no reservation.
    fn put_back(&self, instance: Box<S>) {
        self.lanes[lane()].store(Some(instance));
    }
}

/// The lane of this thread.
#[inline]
fn lane() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static LANE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    LANE.with(|lane| {
        if lane.get() == usize::MAX {
            lane.set(NEXT.fetch_add(1, Ordering::Relaxed) % LANES);
        }
        lane.get()
    })
}

// ===== impl StashedFuture =====

impl<S: Service<Req>, Req> StashedFuture<S, Req> {
    const fn new(stash: Arc<Stash<S>>, request: Req) -> Self {
        Self {
            state: State::Readying {
                stash: Some(stash),
                instance: None,
                request: Some(request),
            },
        }
    }
}

impl<S, Req> Future for StashedFuture<S, Req>
where
    S: Service<Req> + Clone,
{
    type Output = Result<S::Response, S::Error>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let future = match state.as_mut().project() {
                StateProj::Calling { future } => return future.poll(cx),
                StateProj::Readying {
                    stash,
                    instance,
                    request,
                } => {
                    let Some(shared) = &*stash else {
                        unreachable!("polled after it was ready");
                    };
                    let service = instance.get_or_insert_with(|| shared.take());
                    if let Err(error) = ready!(service.poll_ready(cx)) {
                        // An instance that failed is not kept. The call may outlast the settings that made the service.
                        (*stash, *instance, *request) = (None, None, None);
                        return Poll::Ready(Err(error));
                    }
                    let (Some(shared), Some(mut service), Some(request)) =
                        (stash.take(), instance.take(), request.take())
                    else {
                        unreachable!("a call is made once");
                    };
                    let future = service.call(request);
                    shared.put_back(service);
                    future
                }
            };
            state.set(State::Calling { future });
        }
    }
}

impl<S: Service<Req>, Req> fmt::Debug for StashedFuture<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StashedFuture").finish_non_exhaustive()
    }
}

// ===== impl Erased =====

impl<Req, Res, E> Erased<Req, Res, E> {
    /// Takes in a service.
    pub(crate) fn new<S>(service: S) -> Self
    where
        S: Service<Req, Response = Res, Error = E> + Clone + Send + 'static,
        S::Future: Send,
        Req: Send + 'static,
        Res: 'static,
        E: 'static,
    {
        Self {
            inner: Stashed::new(service).stash,
        }
    }

    /// Whether it is the very same service.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// The same as a call of it as a service, without a handle of one's own.
    pub(crate) fn send(&self, request: Req) -> Answering<Res, E> {
        Arc::clone(&self.inner).serve(request)
    }
}

impl<Req, Res, E> Service<Req> for Erased<Req, Res, E> {
    type Response = Res;
    type Error = E;
    type Future = Answering<Res, E>;

    #[inline]
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        self.send(request)
    }
}

impl<Req, Res, E> Clone for Erased<Req, Res, E> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<Req, Res, E> fmt::Debug for Erased<Req, Res, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Erased").finish_non_exhaustive()
    }
}

impl<S, Req, Res, E> Serve<Req, Res, E> for Stash<S>
where
    S: Service<Req, Response = Res, Error = E> + Clone + Send + 'static,
    S::Future: Send,
    Req: Send + 'static,
    Res: 'static,
    E: 'static,
{
    fn serve(self: Arc<Self>, request: Req) -> Answering<Res, E> {
        Box::pin(StashedFuture::new(self, request))
    }
}
