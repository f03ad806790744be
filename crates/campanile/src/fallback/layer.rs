use std::{fmt, marker::PhantomData};

use tower_layer::Layer;
use tower_service::Service;

use super::{
    Backup, Cloned, Failed, Fallback, FallbackConfig, Function, FunctionOf, Keep, ToService, Value,
    When,
};
use crate::protocol::{Enveloped, Streaming, Unary};

/// Answers failed calls from elsewhere. See the [module](super).
///
/// `Req` is the request, which is told by what the service is called with.
pub struct FallbackLayer<B, Req, W = FallbackConfig, P = Unary> {
    backup: B,
    when: W,
    protocol: P,
    request: PhantomData<fn(Req)>,
}

// ===== impl FallbackLayer =====

impl<B, Req> FallbackLayer<B, Req> {
    /// Lets a [`Backup`](super::Backup) answer: one of your own, or one of those below.
    #[must_use]
    pub fn new(backup: B) -> Self {
        Self {
            backup,
            when: FallbackConfig::default(),
            protocol: Unary::default(),
            request: PhantomData,
        }
    }
}

impl<B, Req> FallbackLayer<ToService<B>, Req> {
    /// Lets another service answer a clone of the request; [`keeping`](FallbackLayer::keeping) derives another one.
    #[must_use]
    pub fn to(service: B) -> Self {
        Self::new(ToService::new(service, Cloned))
    }
}

impl<T: Clone, Req> FallbackLayer<Value<T>, Req> {
    /// Answers with a clone of `value`.
    #[must_use]
    pub fn value(value: T) -> Self {
        Self::new(Value(value))
    }
}

impl<F, Req> FallbackLayer<Function<F>, Req> {
    /// Lets a function of the failed call answer.
    ///
    /// ```
    /// use campanile::{BoxError, fallback::{Failed, FallbackLayer}};
    ///
    /// let layer: FallbackLayer<_, ()> = FallbackLayer::function(async |failed: Failed<String, BoxError>| {
    ///     Ok::<_, BoxError>(format!("sorry: {:?}", failed.outcome))
    /// });
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn function<Res, Err, Fut>(function: F) -> Self
    where
        F: Fn(Failed<Res, Err>) -> Fut,
    {
        Self::new(Function(function))
    }
}

impl<K, F, Req> FallbackLayer<FunctionOf<K, F>, Req> {
    /// Lets a function answer, of the failed call and of what `keep` kept of its request.
    #[must_use]
    pub fn function_of<Res, Err, Fut>(keep: K, function: F) -> Self
    where
        K: Keep<Req>,
        F: Fn(K::Kept, Failed<Res, Err>) -> Fut,
    {
        Self::new(FunctionOf(keep, function))
    }
}

impl<B, K, Req, W, P> FallbackLayer<ToService<B, K>, Req, W, P> {
    /// Derives the request that goes elsewhere, before the call, by a [`Keep`](super::Keep): a closure
    /// `Fn(&Req) -> Option<T>`, which says `None` for calls that are not to be answered from elsewhere. It runs for every
    /// call, so it is to be cheap: share what is large.
    #[must_use]
    pub fn keeping<L: Keep<Req>>(self, keep: L) -> FallbackLayer<ToService<B, L>, Req, W, P> {
        FallbackLayer {
            backup: self.backup.keeping(keep),
            when: self.when,
            protocol: self.protocol,
            request: PhantomData,
        }
    }
}

impl<B, Req, W, P> FallbackLayer<B, Req, W, P> {
    /// Tells which calls are answered from elsewhere: a [`FallbackConfig`], or a closure (see [`When`](super::When)).
    #[must_use]
    pub fn when<V>(self, when: V) -> FallbackLayer<B, Req, V, P> {
        FallbackLayer {
            backup: self.backup,
            when,
            protocol: self.protocol,
            request: PhantomData,
        }
    }

    /// Reads requests and judges answers by `protocol`.
    #[must_use]
    pub fn protocol<Q>(self, protocol: Q) -> FallbackLayer<B, Req, W, Q> {
        FallbackLayer {
            backup: self.backup,
            when: self.when,
            protocol,
            request: PhantomData,
        }
    }

    /// HTTP: context is read from the request's extensions, and responses are judged by their status.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http(self) -> FallbackLayer<B, Req, W, crate::protocol::Http> {
        self.protocol(crate::protocol::Http::default())
    }

    /// Messages in the [`Call`](crate::Call) envelope, whose context is read.
    #[must_use]
    pub fn calls(self) -> FallbackLayer<B, Req, W, Enveloped> {
        self.protocol(Enveloped::default())
    }

    /// Answers that are streams of results. What fails after the head is not answered from elsewhere.
    #[must_use]
    pub fn streaming(self) -> FallbackLayer<B, Req, W, Streaming> {
        self.protocol(Streaming::default())
    }
}

impl<S, B, Req, W, P> Layer<S> for FallbackLayer<B, Req, W, P>
where
    S: Service<Req> + 'static,
    B: Backup<Req, S::Response, S::Error> + Clone + Send + Sync + 'static,
    B::Future: Send + 'static,
    Req: 'static,
    W: When<S::Response, S::Error> + Clone + Send + Sync + 'static,
    P: Clone,
{
    type Service = Fallback<S, B, P, Req>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback::new(
            inner,
            self.backup.clone(),
            self.when.clone(),
            self.protocol.clone(),
        )
    }
}

impl<B: Clone, Req, W: Clone, P: Clone> Clone for FallbackLayer<B, Req, W, P> {
    fn clone(&self) -> Self {
        Self {
            backup: self.backup.clone(),
            when: self.when.clone(),
            protocol: self.protocol.clone(),
            request: PhantomData,
        }
    }
}

impl<B: fmt::Debug, Req, W, P> fmt::Debug for FallbackLayer<B, Req, W, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackLayer")
            .field("backup", &self.backup)
            .finish_non_exhaustive()
    }
}
