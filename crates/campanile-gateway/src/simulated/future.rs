use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::Response;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::SimulatedBody;

pin_project! {
    /// The response future of a [`Simulated`](super::Simulated).
    #[must_use = "futures do nothing unless polled"]
    pub(crate) struct SimulatedFuture {
        #[pin]
        sleep: Option<Sleep>,
        response: Option<Response<SimulatedBody>>,
    }
}

// ===== impl SimulatedFuture =====

impl SimulatedFuture {
    /// An answer after so long.
    pub(super) fn after(wait: Duration, response: Response<SimulatedBody>) -> Self {
        Self {
            sleep: (!wait.is_zero()).then(|| sleep(wait)),
            response: Some(response),
        }
    }
}

impl Future for SimulatedFuture {
    type Output = Result<Response<SimulatedBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(sleep) = this.sleep.as_pin_mut() {
            ready!(sleep.poll(cx));
        }
        let response = this.response.take();
        Poll::Ready(Ok(response.expect("it is not polled after it is ready")))
    }
}

impl fmt::Debug for SimulatedFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedFuture").finish_non_exhaustive()
    }
}
