use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

pin_project! {
    /// The response of a [`LoadShed`](super::LoadShed).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, Err> {
        #[pin]
        state: State<F, Err>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, Err> {
        Calling {
            #[pin]
            future: F,
        },
        Refused {
            error: Option<Err>,
        },
    }
}

// ===== impl ResponseFuture =====

impl<F, Err> ResponseFuture<F, Err> {
    #[inline]
    pub(super) const fn calling(future: F) -> Self {
        Self {
            state: State::Calling { future },
        }
    }

    pub(super) const fn refused(error: Err) -> Self {
        Self {
            state: State::Refused { error: Some(error) },
        }
    }
}

impl<F, Res, Err> Future for ResponseFuture<F, Err>
where
    F: Future<Output = Result<Res, Err>>,
{
    type Output = Result<Res, Err>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Calling { future } => future.poll(cx),
            StateProj::Refused { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => unreachable!("polled after it was ready"),
            },
        }
    }
}

impl<F, Err> fmt::Debug for ResponseFuture<F, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("refused", &matches!(self.state, State::Refused { .. }))
            .finish_non_exhaustive()
    }
}
