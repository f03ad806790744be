//! The peers, each configured so that it admits every call and does the least that it can for one.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use axum::{body::Body, response::Response};
use campanile::BoxError;
use http::Request;
use seatbelt::{RecoveryInfo, ResilienceContext};
use tower::Service;

use super::Case;

mod breaker;
mod limit;
mod rate;
mod repeat;
mod stack;
mod timeout;

#[cfg(feature = "recorders")]
pub(crate) use stack::six;

/// Every peer's case.
pub(super) fn cases() -> Vec<Case> {
    [
        breaker::cases(),
        limit::cases(),
        timeout::cases(),
        repeat::cases(),
        rate::cases(),
        stack::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// An HTTP request as the peers take it.
pub(super) fn request(number: u64) -> Request<u64> {
    Request::new(number)
}

/// An HTTP service that answers at once. The answers are axum's: `tower_governor` can make its refusals into no others.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HttpInstant0;

impl Service<Request<u64>> for HttpInstant0 {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<u64>) -> Self::Future {
        ready(Ok(Response::new(Body::empty())))
    }
}

/// A service that answers at once, with an error that can be cloned.
#[derive(Debug, Clone, Copy, Default)]
struct Sure;

impl Service<u64> for Sure {
    type Response = u64;
    type Error = Never;
    type Future = Ready<Result<u64, Never>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Never>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        ready(Ok(request))
    }
}

/// An error that does not happen, and that the compiler does not know of.
#[derive(Debug, Clone)]
struct Never;

type Answer = Result<u64, BoxError>;

/// What seatbelt's layers are built from.
fn seatbelt() -> ResilienceContext<u64, Answer> {
    ResilienceContext::new(tick::Clock::new_tokio())
}

/// seatbelt's judgement of an answer.
fn recovery(answer: &Answer) -> RecoveryInfo {
    match answer {
        Ok(_) => RecoveryInfo::never(),
        Err(_) => RecoveryInfo::retry(),
    }
}
