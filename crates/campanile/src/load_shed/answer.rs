//! Refusals as HTTP responses, at the outer edge of a stack.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::Rejection;

/// Turns the refusals of a stack into HTTP responses, by [`Rejection::to_response`]: 429, 503 or 504, with `Retry-After`
/// where it is known. Belongs at the outer edge. The body of the stack's responses must be `From<String>`, as axum's is.
///
/// Other errors are passed on, or with [`infallible`](Self::infallible) answered too. Rejections are found as
/// [`Rejection::within`] finds them; an error of your own is made into a boxed one first.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use campanile::{BoxError, Rejection, load_shed::RejectionLayer, rejection::RejectionKind};
/// use http::{Request, Response};
/// use std::time::Duration;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// let service = RejectionLayer::new().layer(service_fn(async |_: Request<()>| {
///     let full = Rejection::new(RejectionKind::RateLimited, "rate_limit");
///     Err::<Response<String>, BoxError>(full.with_retry_after(Duration::from_millis(1_500)).into())
/// }));
/// let response = service.oneshot(Request::new(())).await.unwrap();
/// assert_eq!(response.status(), 429);
/// assert_eq!(response.headers()["retry-after"], "2");
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct RejectionLayer<O = PassOn> {
    otherwise: O,
}

/// A service whose refusals are HTTP responses; made by [`RejectionLayer`].
#[derive(Debug, Clone)]
pub struct AnswerRejections<S, O = PassOn> {
    inner: S,
    otherwise: O,
    /// What every call is answered with once `poll_ready` has failed.
    dead: Option<Answer>,
}

/// An answer to an error.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Rejection(Rejection),
    Status(StatusCode),
}

/// Passes errors on that are no rejections.
#[derive(Debug, Clone, Copy, Default)]
pub struct PassOn;

/// Answers errors that are no rejections with this status, and nothing of what they say.
#[derive(Debug, Clone, Copy)]
pub struct AnswerWith(StatusCode);

/// What becomes of errors that are no rejections.
pub trait Otherwise<Err>: Clone {
    /// The errors that are left.
    type Error;

    /// Passes an error on, or answers it with a status.
    ///
    /// # Errors
    ///
    /// What is passed on.
    fn otherwise(&self, error: Err) -> Result<StatusCode, Self::Error>;
}

pin_project! {
    // Owned types, said here and not where the future is polled: there it would be asked of every error type anew for
    // each lifetime, and an async block over a boxed error would not be `Send`.
    /// The response of [`AnswerRejections`].
    #[must_use = "futures do nothing unless polled"]
    pub struct AnswerFuture<S, O, Req>
    where
        S: Service<Req>,
        S: 'static,
        Req: 'static,
    {
        #[pin]
        state: State<S::Future>,
        otherwise: O,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Calling {
            #[pin]
            future: F,
        },
        Answered {
            answer: Answer,
        },
    }
}

// ===== impl RejectionLayer =====

impl RejectionLayer {
    /// Answers rejections, and passes other errors on.
    #[must_use]
    pub const fn new() -> Self {
        Self { otherwise: PassOn }
    }

    /// Answers rejections, and other errors with `status`, so that no error is left, as axum's `route_service` asks. What
    /// other errors say is not told: it is not for callers.
    #[must_use]
    pub const fn infallible(status: StatusCode) -> RejectionLayer<AnswerWith> {
        RejectionLayer {
            otherwise: AnswerWith(status),
        }
    }
}

impl<S, O: Clone> Layer<S> for RejectionLayer<O> {
    type Service = AnswerRejections<S, O>;

    fn layer(&self, inner: S) -> Self::Service {
        AnswerRejections {
            inner,
            otherwise: self.otherwise.clone(),
            dead: None,
        }
    }
}

// ===== impl Otherwise =====

impl<Err> Otherwise<Err> for PassOn {
    type Error = Err;

    fn otherwise(&self, error: Err) -> Result<StatusCode, Err> {
        Err(error)
    }
}

impl<Err> Otherwise<Err> for AnswerWith {
    type Error = Infallible;

    fn otherwise(&self, _error: Err) -> Result<StatusCode, Infallible> {
        Ok(self.0)
    }
}

// ===== impl Answer =====

impl Answer {
    fn to_error<Err: 'static, O: Otherwise<Err>>(
        error: Err,
        otherwise: &O,
    ) -> Result<Self, O::Error> {
        match Rejection::within(&error) {
            Some(rejection) => Ok(Self::Rejection(*rejection)),
            None => otherwise.otherwise(error).map(Self::Status),
        }
    }

    fn response<B: From<String>>(self) -> Response<B> {
        match self {
            Self::Rejection(rejection) => rejection.to_response(),
            Self::Status(status) => {
                let reason = status.canonical_reason().unwrap_or_default();
                let mut response = Response::new(B::from(reason.to_owned()));
                *response.status_mut() = status;
                response
            }
        }
    }
}

// ===== impl AnswerRejections =====

impl<S, O, Req, B> Service<Req> for AnswerRejections<S, O>
where
    S: Service<Req, Response = Response<B>> + 'static,
    Req: 'static,
    O: Otherwise<S::Error>,
    B: From<String>,
{
    type Response = Response<B>;
    type Error = O::Error;
    type Future = AnswerFuture<S, O, Req>;

    /// That of the inner service. An error that is answered is answered to every call from then on.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), O::Error>> {
        if self.dead.is_some() {
            return Poll::Ready(Ok(()));
        }
        if let Err(error) = ready!(self.inner.poll_ready(cx)) {
            self.dead = Some(Answer::to_error(error, &self.otherwise)?);
        }
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        AnswerFuture {
            state: match self.dead {
                None => State::Calling {
                    future: self.inner.call(request),
                },
                Some(answer) => State::Answered { answer },
            },
            otherwise: self.otherwise.clone(),
        }
    }
}

// ===== impl AnswerFuture =====

impl<S, O, Req, B> Future for AnswerFuture<S, O, Req>
where
    S: Service<Req, Response = Response<B>>,
    O: Otherwise<S::Error>,
    B: From<String>,
{
    type Output = Result<Response<B>, O::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = match this.state.project() {
            StateProj::Calling { future } => match ready!(future.poll(cx)) {
                Ok(response) => return Poll::Ready(Ok(response)),
                Err(error) => Answer::to_error(error, this.otherwise)?,
            },
            StateProj::Answered { answer } => *answer,
        };
        Poll::Ready(Ok(answer.response()))
    }
}

impl<S: Service<Req>, O, Req> fmt::Debug for AnswerFuture<S, O, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerFuture").finish_non_exhaustive()
    }
}
