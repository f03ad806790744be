use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use campanile::{Call, Rejection, rejection::RejectionKind};
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_service::Service;

use crate::{chat::ChatRequest, error::Error};

pin_project! {
    /// A service that is readied, and then called.
    pub(super) struct Reach<S>
    where
        S: Service<Call<ChatRequest>>,
    {
        service: S,
        call: Option<Call<ChatRequest>>,
        #[pin]
        future: Option<S::Future>,
        #[pin]
        patience: Sleep,
    }
}

// ===== impl Reach =====

impl<S: Service<Call<ChatRequest>>> Reach<S> {
    pub(super) fn new(service: S, call: Call<ChatRequest>, patience: Duration) -> Self {
        Self {
            service,
            call: Some(call),
            future: None,
            patience: tokio::time::sleep(patience),
        }
    }
}

impl<S: Service<Call<ChatRequest>, Error = Error>> Future for Reach<S> {
    type Output = Result<S::Response, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.call.is_some() {
            match this.service.poll_ready(cx)? {
                Poll::Ready(()) => {}
                Poll::Pending => {
                    ready!(this.patience.poll(cx));
                    let late = Rejection::new(RejectionKind::NotReady, "resume");
                    return Poll::Ready(Err(late.into()));
                }
            }
        }
        if let Some(call) = this.call.take() {
            let future = this.service.call(call);
            this.future.set(Some(future));
        }
        match this.future.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => unreachable!("it was just called"),
        }
    }
}
