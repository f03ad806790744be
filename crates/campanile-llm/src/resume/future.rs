use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use campanile::Call;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{ResumedStream, progress::Progress, service::Master};
use crate::{
    chat::{ChatRequest, ChatResponse},
    error::Error,
};

pin_project! {
    /// The response of a [`Resume`](super::Resume).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResumeFuture<S>
    where
        S: Service<Call<ChatRequest>>,
        S: 'static,
    {
        #[pin]
        future: S::Future,
        progress: Option<Box<Progress>>,
        master: Arc<Master<S>>,
    }
}

// ===== impl ResumeFuture =====

impl<S: Service<Call<ChatRequest>>> ResumeFuture<S> {
    pub(super) const fn new(
        future: S::Future,
        progress: Option<Box<Progress>>,
        master: Arc<Master<S>>,
    ) -> Self {
        Self {
            future,
            progress,
            master,
        }
    }
}

impl<S, T> Future for ResumeFuture<S>
where
    S: Service<Call<ChatRequest>, Response = ChatResponse<T>, Error = Error>,
{
    type Output = Result<ChatResponse<ResumedStream<S, T>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        let progress = this.progress.take();
        let master = Arc::clone(this.master);
        Poll::Ready(Ok(
            response.map_stream(|stream| ResumedStream::new(stream, progress, master))
        ))
    }
}

impl<S: Service<Call<ChatRequest>>> fmt::Debug for ResumeFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumeFuture").finish_non_exhaustive()
    }
}
