use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use campanile::{BoxError, time::Timestamp};
use pin_project_lite::pin_project;
use tower::Service;

use crate::Instant0;

/// What a peer records of a call.
pub(super) trait Record: Clone + Send + 'static {
    /// It begins.
    fn begin(&self);
    /// It has ended.
    fn end(&self, took: Duration);
}

/// A service whose calls a peer records.
#[derive(Clone)]
pub(super) struct Recording<R> {
    pub(super) record: R,
    pub(super) inner: Instant0,
}

pin_project! {
    pub(super) struct RecordingFuture<R> {
        record: R,
        begun: Timestamp,
        #[pin]
        inner: <Instant0 as Service<u64>>::Future,
    }
}

// ===== impl Recording =====

impl<R: Record> Recording<R> {
    pub(super) const fn new(record: R) -> Self {
        Self {
            record,
            inner: Instant0,
        }
    }
}

impl<R: Record> Service<u64> for Recording<R> {
    type Response = u64;
    type Error = BoxError;
    type Future = RecordingFuture<R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: u64) -> Self::Future {
        self.record.begin();
        RecordingFuture {
            record: self.record.clone(),
            begun: Timestamp::now(),
            inner: self.inner.call(request),
        }
    }
}

impl<R: Record> Future for RecordingFuture<R> {
    type Output = Result<u64, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.inner.poll(cx));
        this.record.end(Timestamp::now().since(*this.begun));
        Poll::Ready(answer)
    }
}
