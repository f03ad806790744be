use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_service::Service;

use crate::budget::Extra;

type Answer<S, Req> = Result<<S as Service<Req>>::Response, <S as Service<Req>>::Error>;

pin_project! {
    /// A retry that has yet to begin: first its back-off, then the readiness of a service.
    pub(super) struct Wait<S, Req>
    where
        S: Service<Req>,
    {
        answer: Option<Answer<S, Req>>,
        extra: Option<Extra>,
        service: Option<S>,
        #[pin]
        sleep: Sleep,
        // When a service must be ready.
        until: Instant,
    }
}

/// What a wait has come to.
pub(super) struct Waited<S, T> {
    /// The service that is ready for the retry, if one became so.
    pub(super) service: Option<S>,
    /// Leave for the retry.
    pub(super) extra: Extra,
    /// The answer that was kept.
    pub(super) answer: T,
}

// ===== impl Wait =====

impl<S: Service<Req>, Req> Wait<S, Req> {
    /// Waits until `at`, then for readiness until `until` at most.
    pub(super) fn new(answer: Answer<S, Req>, extra: Extra, at: Instant, until: Instant) -> Self {
        Self {
            answer: Some(answer),
            extra: Some(extra),
            service: None,
            sleep: sleep_until(at),
            until,
        }
    }

    pub(super) fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        instance: impl FnOnce() -> S,
    ) -> Poll<Waited<S, Answer<S, Req>>> {
        let mut this = self.project();
        let mut late = false;
        match this.service {
            None => {
                ready!(this.sleep.as_mut().poll(cx));
                // Not readied earlier: readiness may reserve something, which a back-off must not hold.
                *this.service = Some(instance());
                this.sleep.as_mut().reset(*this.until);
            }
            // Looked at before the service is: a retry that begins at the deadline is lost, and its answer with it.
            Some(_) => late = this.sleep.as_mut().poll(cx).is_ready(),
        }
        if !late && let Some(service) = this.service {
            match service.poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => *this.service = None,
                Poll::Pending if this.sleep.poll(cx).is_pending() => return Poll::Pending,
                Poll::Pending => *this.service = None,
            }
        } else {
            *this.service = None;
        }
        let (Some(extra), Some(answer)) = (this.extra.take(), this.answer.take()) else {
            unreachable!("polled after it was ready");
        };
        Poll::Ready(Waited {
            service: this.service.take(),
            extra,
            answer,
        })
    }
}
