use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::Signal;
use crate::protocol::Protocol;

pin_project! {
    /// One copy of a call, until its first data.
    #[project = LegProj]
    pub(super) enum Leg<F, H> {
        Calling {
            #[pin]
            future: F,
        },
        Holding {
            held: Option<H>,
        },
        Over,
    }
}

/// How a copy ended, and whether it has won by that.
pub(super) struct Ended<T> {
    pub(super) answer: T,
    pub(super) good: bool,
}

// ===== impl Leg =====

impl<F, H> Leg<F, H> {
    pub(super) const fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }

    /// What the copy holds is given back before its end is told.
    #[inline]
    pub(super) fn poll<S, P, G, Req>(
        mut self: Pin<&mut Self>,
        protocol: &P,
        signal: &G,
        cx: &mut Context<'_>,
    ) -> Poll<Ended<Result<H, S::Error>>>
    where
        S: Service<Req, Future = F> + 'static,
        F: Future<Output = Result<S::Response, S::Error>>,
        P: Protocol<Req, S::Response, S::Error>,
        G: Signal<S::Response, Response = H>,
        Req: 'static,
    {
        loop {
            match self.as_mut().project() {
                LegProj::Calling { future } => {
                    let result = ready!(future.poll(cx));
                    let good = protocol.classify(result.as_ref()).is_success();
                    match result {
                        Ok(response) if good => {
                            let held = Some(signal.hold(response));
                            self.set(Self::Holding { held });
                        }
                        result => {
                            self.set(Self::Over);
                            return Poll::Ready(Ended {
                                answer: result.map(|response| signal.hold(response)),
                                good,
                            });
                        }
                    }
                }
                LegProj::Holding { held: Some(answer) } => {
                    let good = ready!(signal.poll_first(answer, cx));
                    let LegProj::Holding { held } = self.as_mut().project() else {
                        unreachable!("it was held just now");
                    };
                    let Some(answer) = held.take() else {
                        unreachable!("it was held just now");
                    };
                    self.set(Self::Over);
                    let answer = Ok(answer);
                    return Poll::Ready(Ended { answer, good });
                }
                LegProj::Holding { held: None } | LegProj::Over => {
                    unreachable!("polled after it was over")
                }
            }
        }
    }
}
