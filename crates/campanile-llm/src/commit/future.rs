use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::{CommittedStream, state::Held};
use crate::{
    chat::{Answer, ChatEvent, ChatResponse, Meta},
    error::{Begun, Error},
    stream::cut_off,
};

pin_project! {
    /// The response of a [`Commit`](super::Commit): ready with the first content.
    #[must_use = "futures do nothing unless polled"]
    pub struct CommitFuture<F, T> {
        #[pin]
        state: State<F, T>,
        held: Held,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, T> {
        Calling {
            #[pin]
            future: F,
        },
        Holding {
            // `None` once the call is answered.
            head: Option<(Meta, T)>,
        },
    }
}

// ===== impl CommitFuture =====

impl<F, T> CommitFuture<F, T> {
    pub(super) const fn new(future: F, held: Held) -> Self {
        Self {
            state: State::Calling { future },
            held,
        }
    }
}

impl<F, T> Future for CommitFuture<F, T>
where
    F: Future<Output = Result<ChatResponse<T>, Error>>,
    T: Stream<Item = Result<ChatEvent, Error>> + Unpin,
{
    type Output = Result<ChatResponse<CommittedStream<T>>, Error>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Calling { future } => {
                    let response = ready!(future.poll(cx));
                    // What the inner future holds is given back before anything else is done.
                    this.state.set(State::Holding { head: None });
                    let ChatResponse { meta, answer } = response?;
                    match answer {
                        Answer::Whole(answer) => {
                            return Poll::Ready(match this.held.whole(&answer) {
                                Ok(()) => Ok(ChatResponse::whole(meta, answer)),
                                Err(error) => {
                                    let begun = Begun::new(meta)
                                        .with_usage(*answer.usage(), answer.is_reported());
                                    Err(error.with_begun(begun))
                                }
                            });
                        }
                        Answer::Stream(stream) => this.state.set(State::Holding {
                            head: Some((meta, stream)),
                        }),
                    }
                }
                StateProj::Holding { head } => {
                    let Some((_, stream)) = head else {
                        unreachable!("polled after it was ready");
                    };
                    let item = ready!(Pin::new(stream).poll_next(cx));
                    let taken = item
                        .unwrap_or_else(|| Err(cut_off()))
                        .and_then(|event| this.held.take(event));
                    let result = match taken {
                        Ok(None) => continue,
                        Ok(Some(event)) => Ok(event),
                        Err(error) => Err(error),
                    };
                    // The stream, if it is not passed on, is dropped before the caller learns of it.
                    let Some((meta, stream)) = head.take() else {
                        unreachable!("it was just there");
                    };
                    return Poll::Ready(match result {
                        Ok(event) => {
                            let stream = CommittedStream::new(this.held.events(), event, stream);
                            Ok(ChatResponse::stream(meta, stream))
                        }
                        Err(error) => Err(error.with_begun(this.held.begun(meta))),
                    });
                }
            }
        }
    }
}

impl<F, T> fmt::Debug for CommitFuture<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitFuture").finish_non_exhaustive()
    }
}
