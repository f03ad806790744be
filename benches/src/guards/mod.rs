//! The guards that are compared: each as a [`Case`], ours and the peers', over the same service that answers at once.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use campanile::{BoxError, Call};
use tower::Service;

use crate::{
    Instant0,
    case::{BARE, Case, Message, OURS},
};

mod ours;
mod peers;

#[cfg(feature = "recorders")]
pub(crate) use ours::{Frame, Last};
#[cfg(feature = "recorders")]
pub(crate) use peers::six;

/// Every case: the bare ones, ours, the peers'.
#[must_use]
pub fn cases() -> Vec<Case> {
    let bare = [
        Case::numbers(BARE, BARE, || Instant0),
        Case::new(BARE, "bare, HTTP", Message::Http, peers::request, || {
            peers::HttpInstant0
        }),
        Case::later(BARE, "bare, answers when polled again", || Later),
        Case::new(
            BARE,
            "bare, of a tenant",
            Message::Called,
            ours::of_a_tenant,
            || Open,
        ),
    ];
    let mut cases: Vec<_> = bare.into();
    let mut guards = ours::cases();
    guards.extend(peers::cases());
    // By guard, in the order of ours; within it as they were listed.
    for guard in GUARDS {
        let (these, others) = guards.into_iter().partition(|case| case.what == guard);
        cases.extend::<Vec<_>>(these);
        guards = others;
    }
    assert!(guards.is_empty(), "a guard without a place in the table");
    cases
}

/// The order of the table.
const GUARDS: [&str; 16] = [
    FRAME,
    BREAKER,
    CONCURRENCY,
    ADAPTIVE,
    TIMEOUT,
    TIMEOUT_LATER,
    RETRY,
    RATE,
    RATES,
    KEYED,
    SPEND,
    SPENDS,
    TENANTS,
    HEDGE,
    SHED,
    ALL,
];

/// What every guard of ours does for a call: follow it to its end.
const FRAME: &str = "nothing, but following the call";
const BREAKER: &str = "circuit breaker";
const CONCURRENCY: &str = "concurrency limit";
const ADAPTIVE: &str = "adaptive limit";
const TIMEOUT: &str = "timeout";
const TIMEOUT_LATER: &str = "timeout, answer not at once";
const RETRY: &str = "retry with budget";
const RATE: &str = "rate limit";
const RATES: &str = "rate limit, two units";
const KEYED: &str = "rate limit, 512 keys";
const SPEND: &str = "spend limit";
const SPENDS: &str = "spend limit, two budgets";
const TENANTS: &str = "spend limit, 512 tenants, trail";
const HEDGE: &str = "hedge, not fired";
const SHED: &str = "load shed";
const ALL: &str = "all at once";

/// The keys of the keyed cases.
const KEYS: u64 = 512;

// ===== impl Open =====

/// Opens the envelope of a call that is answered at once.
#[derive(Debug, Clone, Copy)]
struct Open;

impl Service<Call<u64>> for Open {
    type Response = u64;
    type Error = BoxError;
    type Future = std::future::Ready<Result<u64, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Call<u64>) -> Self::Future {
        std::future::ready(Ok(request.message))
    }
}

// ===== impl Later =====

/// A processor whose call is pending once, as every real one's is.
#[derive(Debug, Clone, Copy)]
struct Later;

impl Service<u64> for Later {
    type Response = u64;
    type Error = BoxError;
    type Future = Again;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Again {
        Again {
            answer: request,
            polled: false,
        }
    }
}

#[derive(Debug)]
struct Again {
    answer: u64,
    polled: bool,
}

impl Future for Again {
    type Output = Result<u64, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polled {
            return Poll::Ready(Ok(self.answer));
        }
        self.polled = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
