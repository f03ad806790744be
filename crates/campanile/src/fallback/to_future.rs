use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::Failed;
use crate::budget::Extra;

pin_project! {
    /// The answer of another service, which is made ready within this future.
    #[must_use = "futures do nothing unless polled"]
    pub struct ToFuture<B, Req, Err>
    where
        B: Service<Req>,
    {
        #[pin]
        state: State<B, Req, Err>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<B, Req, Err>
    where
        B: Service<Req>,
    {
        Readying {
            service: B,
            request: Option<Req>,
            // The first answer, for as long as it may still be the one. A response goes when the service is not ready at
            // once: what it holds may be what the service waits for.
            first: Option<Result<B::Response, Err>>,
            extra: Option<Extra>,
        },
        Calling {
            #[pin]
            future: B::Future,
        },
        Over {
            first: Option<Result<B::Response, Err>>,
        },
    }
}

// ===== impl ToFuture =====

impl<B: Service<Req>, Req, Err> ToFuture<B, Req, Err> {
    pub(super) fn new(service: B, request: Req, failed: Failed<B::Response, Err>) -> Self {
        let first = Some(failed.result);
        let state = match Extra::ask(failed.trail.as_ref(), None) {
            None => State::Over { first },
            extra => State::Readying {
                service,
                request: Some(request),
                first,
                extra,
            },
        };
        Self { state }
    }
}

impl<B, Req, Err> Future for ToFuture<B, Req, Err>
where
    B: Service<Req>,
    B::Error: Into<Err>,
{
    type Output = Result<B::Response, Err>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let state = match this.state.as_mut().project() {
                StateProj::Readying {
                    service,
                    request,
                    first,
                    extra,
                } => match service.poll_ready(cx) {
                    Poll::Ready(Ok(())) => {
                        let Some(request) = request.take() else {
                            unreachable!("a request is taken once");
                        };
                        *first = None;
                        if let Some(extra) = extra.take() {
                            extra.begin();
                        }
                        State::Calling {
                            future: service.call(request),
                        }
                    }
                    // Of the two the first tells more.
                    Poll::Ready(Err(error)) => State::Over {
                        first: first.take().or_else(|| Some(Err(error.into()))),
                    },
                    Poll::Pending => {
                        if matches!(first, Some(Ok(_))) {
                            *first = None;
                        }
                        return Poll::Pending;
                    }
                },
                StateProj::Calling { future } => {
                    let result = ready!(future.poll(cx)).map_err(Into::into);
                    this.state.set(State::Over { first: None });
                    return Poll::Ready(result);
                }
                StateProj::Over { first } => {
                    let Some(first) = first.take() else {
                        unreachable!("polled after it was ready");
                    };
                    return Poll::Ready(first);
                }
            };
            this.state.set(state);
        }
    }
}

impl<B: Service<Req>, Req, Err> fmt::Debug for ToFuture<B, Req, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToFuture").finish_non_exhaustive()
    }
}
