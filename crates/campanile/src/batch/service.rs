use std::{
    fmt,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};

use tower_service::Service;

use super::{
    BatchFuture, BatchHandle, BatchSnapshot,
    cause::FlushCause,
    cell::Seat,
    control::{Batches, Control},
    groups::Groups,
    kind::Kind,
};
use crate::rejection::Rejection;

/// A service whose requests travel together; made by [`BatchLayer`](super::BatchLayer). See the [module](super).
///
/// The service within is erased: it is called by the tasks of batches, which are boxed anyhow, and its type would
/// otherwise be part of this one.
pub struct Batch<Req, Res, Err> {
    door: Arc<dyn Join<Req, Res, Err>>,
}

/// Where items join.
pub(super) trait Join<Req, Res, Err>: Send + Sync {
    fn join(&self, request: Req, waker: &Waker) -> Result<Seat<Req, Res, Err>, Rejection>;
    fn control(&self) -> &Arc<Control>;
}

/// Held by all who may yet join a batch. When it is gone nobody joins any more, and those who wait for others wait no
/// longer.
struct Door<K: Kind> {
    groups: Arc<Groups<K>>,
}

// ===== impl Batch =====

impl<Req, Res, Err> Batch<Req, Res, Err> {
    pub(super) fn new<K>(kind: K, control: Arc<Control>) -> Self
    where
        K: Kind<Request = Req, Answer = Res, Error = Err>,
    {
        let groups = Arc::new(Groups::new(kind, control));
        let weak = Arc::downgrade(&groups);
        let weak: Weak<dyn Batches> = weak;
        groups.control.add(weak);
        Self {
            door: Arc::new(Door { groups }),
        }
    }

    /// Looks at its batches, and sends them.
    #[must_use]
    pub fn handle(&self) -> BatchHandle {
        BatchHandle {
            control: Arc::clone(self.door.control()),
        }
    }

    /// Everything that is known of its batches.
    #[must_use]
    pub fn snapshot(&self) -> BatchSnapshot {
        self.door.control().snapshot()
    }
}

impl<Req, Res, Err> Service<Req> for Batch<Req, Res, Err>
where
    Err: From<Rejection>,
{
    type Response = Res;
    type Error = Err;
    type Future = BatchFuture<Req, Res, Err>;

    /// Always ready, and nothing is reserved: the inner service is driven to ready for each batch.
    #[inline]
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Err>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        BatchFuture::new(Arc::clone(&self.door), request)
    }
}

impl<Req, Res, Err> Clone for Batch<Req, Res, Err> {
    fn clone(&self) -> Self {
        Self {
            door: Arc::clone(&self.door),
        }
    }
}

impl<Req, Res, Err> fmt::Debug for Batch<Req, Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("config", &self.door.control().config)
            .field("snapshot", &self.snapshot())
            .finish_non_exhaustive()
    }
}

// ===== impl Door =====

impl<K: Kind> Join<K::Request, K::Answer, K::Error> for Door<K> {
    #[inline]
    fn join(
        &self,
        request: K::Request,
        waker: &Waker,
    ) -> Result<Seat<K::Request, K::Answer, K::Error>, Rejection> {
        self.groups.join(request, waker)
    }

    fn control(&self) -> &Arc<Control> {
        &self.groups.control
    }
}

impl<K: Kind> Drop for Door<K> {
    fn drop(&mut self) {
        self.groups.flush_all(FlushCause::Closed);
    }
}
