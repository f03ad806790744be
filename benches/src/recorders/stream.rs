use std::{
    fmt,
    future::{Future, Ready, ready},
    hint::black_box,
    pin::Pin,
    task::{Context, Poll, ready},
};

use campanile::BoxError;
use futures_util::Stream;
use pin_project_lite::pin_project;
use tower::Service;

/// Pieces of a stream.
const PIECES: u64 = 20;

/// Answers at once, with a stream whose pieces are all there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pieces;

/// So many more pieces.
#[derive(Debug)]
pub(super) struct Left(u64);

/// Reads the streams of a service to their ends.
#[derive(Debug, Clone)]
pub(super) struct Drain<S>(pub(super) S);

pin_project! {
    #[project = DrainingProj]
    pub(super) enum Draining<F, T> {
        Calling { #[pin] call: F },
        Reading { #[pin] stream: T, pieces: u64 },
    }
}

// ===== impl Pieces =====

impl Service<u64> for Pieces {
    type Response = Left;
    type Error = BoxError;
    type Future = Ready<Result<Left, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u64) -> Self::Future {
        ready(Ok(Left(PIECES)))
    }
}

impl Stream for Left {
    type Item = Result<u64, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(left) = self.0.checked_sub(1) else {
            return Poll::Ready(None);
        };
        self.0 = left;
        Poll::Ready(Some(Ok(left)))
    }
}

// ===== impl Drain =====

impl<S, T, E> Service<u64> for Drain<S>
where
    S: Service<u64, Response = T, Error = E>,
    T: Stream<Item = Result<u64, BoxError>>,
    E: fmt::Debug,
{
    type Response = u64;
    type Error = E;
    type Future = Draining<S::Future, T>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: u64) -> Self::Future {
        Draining::Calling {
            call: self.0.call(request),
        }
    }
}

impl<F, T, E> Future for Draining<F, T>
where
    F: Future<Output = Result<T, E>>,
    T: Stream<Item = Result<u64, BoxError>>,
{
    type Output = Result<u64, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project() {
                DrainingProj::Calling { call } => {
                    let stream = ready!(call.poll(cx))?;
                    self.set(Self::Reading { stream, pieces: 0 });
                }
                DrainingProj::Reading { mut stream, pieces } => {
                    while let Some(piece) = ready!(stream.as_mut().poll_next(cx)) {
                        black_box(piece.expect("no piece is missing"));
                        *pieces += 1;
                    }
                    return Poll::Ready(Ok(*pieces));
                }
            }
        }
    }
}
