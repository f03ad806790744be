use std::{
    collections::BTreeSet,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use campanile_llm::Error;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// Whose limit or budget refuses a call, for the caller to be told.
///
/// Each stands around one limit, and [`Endpoints`](Self::Endpoints) around the pool: of nested ones the innermost around what
/// refused the call says whose it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holder {
    /// All calls together.
    All,
    /// The calls of a key.
    Key(Name),
    /// The calls of a tenant.
    Tenant(Name),
    /// The calls of a stage.
    Stage(Name),
    /// The pool, or a member of it: no matter of the caller's.
    Endpoints,
}

/// A name from the settings, kept for good: calls carry it along without counting. There are as many as are written there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name(&'static str);

/// A limit that says whose it is when it refuses a call.
#[derive(Debug, Clone)]
pub(crate) struct Held<S> {
    inner: S,
    holder: Holder,
}

pin_project! {
    /// A call of [`Held`].
    #[must_use = "futures do nothing unless polled"]
    pub(crate) struct HeldFuture<F> {
        #[pin]
        future: F,
        holder: Holder,
    }
}

// ===== impl Name =====

impl Name {
    pub(crate) fn of(text: &str) -> Self {
        static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(text) {
            return Self(known);
        }
        let kept: &'static str = Box::leak(text.into());
        names.insert(kept);
        Self(kept)
    }
}

// ===== impl Holder =====

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all calls together"),
            Self::Key(Name(name)) => write!(f, "key {name:?}"),
            Self::Tenant(Name(name)) => write!(f, "tenant {name:?}"),
            Self::Stage(Name(name)) => write!(f, "stage {name:?}"),
            Self::Endpoints => f.write_str("the pool"),
        }
    }
}

impl<S> Layer<S> for Holder {
    type Service = Held<S>;

    fn layer(&self, inner: S) -> Held<S> {
        Held {
            inner,
            holder: *self,
        }
    }
}

// ===== impl Held =====

impl<S, Req> Service<Req> for Held<S>
where
    S: Service<Req, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = HeldFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        HeldFuture {
            future: self.inner.call(request),
            holder: self.holder,
        }
    }
}

// ===== impl HeldFuture =====

impl<F, T> Future for HeldFuture<F>
where
    F: Future<Output = Result<T, Error>>,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(match ready!(this.future.poll(cx)) {
            Ok(answer) => Ok(answer),
            Err(error) => Err(match this.holder {
                Holder::Endpoints => error.limit_of_endpoints(),
                holder => error.limit_of(*holder),
            }),
        })
    }
}
