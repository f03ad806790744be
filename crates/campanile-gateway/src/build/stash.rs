use std::{
    cell::Cell,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use crossbeam_utils::{CachePadded, atomic::AtomicCell};
use tower_service::Service;

/// How many threads keep a clone of their own; further ones share.
const LANES: usize = 8;

/// A service of one type, whatever is in it, that is called without being cloned.
///
/// Clones are counted handles of one service. A call takes an idle clone of what is within, drives it to ready, calls it, and
/// puts it back for the next call of its thread: a deep stack is cloned when calls wait, and not otherwise. It costs one
/// allocation a call, the box of the future.
///
/// **Readiness.** Always ready: a call waits within its future. An instance that waits, or whose call is dropped before it
/// was called, is dropped, and so gives back what it has reserved; only one that has been called is kept.
pub(crate) struct Stashed<Req, Res, E> {
    inner: Arc<dyn Serve<Req, Res, E>>,
}

type Answering<Res, E> = Pin<Box<dyn Future<Output = Result<Res, E>> + Send>>;

trait Serve<Req, Res, E>: Send + Sync {
    fn serve(self: Arc<Self>, request: Req) -> Answering<Res, E>;
}

/// A service, and clones of it that nobody uses at the moment.
struct Stash<S> {
    /// Boxed once, then handed back and forth.
    lanes: [CachePadded<AtomicCell<Option<Box<S>>>>; LANES],
    /// What clones are made of. A mutex, since a service need not be `Sync`.
    template: Mutex<S>,
}

// ===== impl Stashed =====

impl<Req, Res, E> Stashed<Req, Res, E> {
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
            inner: Arc::new(Stash {
                lanes: Default::default(),
                template: Mutex::new(service),
            }),
        }
    }

    /// The same as a call of it as a service, without one of one's own.
    pub(crate) fn send(&self, request: Req) -> Answering<Res, E> {
        Arc::clone(&self.inner).serve(request)
    }
}

impl<Req, Res, E> Service<Req> for Stashed<Req, Res, E> {
    type Response = Res;
    type Error = E;
    type Future = Answering<Res, E>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        self.send(request)
    }
}

impl<Req, Res, E> Clone for Stashed<Req, Res, E> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<Req, Res, E> fmt::Debug for Stashed<Req, Res, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stashed").finish_non_exhaustive()
    }
}

// ===== impl Stash =====

impl<S, Req, Res, E> Serve<Req, Res, E> for Stash<S>
where
    S: Service<Req, Response = Res, Error = E> + Clone + Send + 'static,
    S::Future: Send,
    Req: Send + 'static,
    Res: 'static,
    E: 'static,
{
    fn serve(self: Arc<Self>, request: Req) -> Answering<Res, E> {
        Box::pin(async move {
            let future = {
                let mut instance = self.take();
                poll_fn(|cx| instance.poll_ready(cx)).await?;
                let future = instance.call(request);
                self.put_back(instance);
                // The call may outlast the settings that made this service.
                drop(self);
                future
            };
            future.await
        })
    }
}

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
