use std::{
    num::NonZeroU32,
    sync::Arc,
    task::{Context, Poll},
};

use campanile::BoxError;
use futures_util::future::Either;
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use tower::{Layer, Service};
use tower_governor::{
    GovernorLayer, governor::GovernorConfigBuilder, key_extractor::GlobalKeyExtractor,
};
use tower_resilience::ratelimiter::RateLimiterLayer;

use super::{Case, HttpInstant0, request};
use crate::{
    Instant0,
    guards::{KEYED, KEYS, Message, RATE},
};

/// A call a nanosecond: more than anyone can make.
const RATE_A_SECOND: u32 = 1_000_000_000;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new(RATE, "tower_governor", Message::Http, request, || {
            let config = GovernorConfigBuilder::default()
                .key_extractor(GlobalKeyExtractor)
                .per_nanosecond(1)
                .burst_size(RATE_A_SECOND)
                .finish()
                .expect("the quota is valid");
            GovernorLayer::new(config).layer(HttpInstant0)
        }),
        Case::numbers(RATE, "governor", || Direct {
            limiter: Arc::new(RateLimiter::direct(quota())),
            inner: Instant0,
        }),
        Case::numbers(RATE, "tower-resilience, token bucket", || {
            RateLimiterLayer::burst(RATE_A_SECOND as usize, RATE_A_SECOND as usize)
                .build()
                .expect("the rate is valid")
                .layer(Instant0)
        }),
        Case::numbers(RATE, "tower-resilience, fixed window", || {
            RateLimiterLayer::per_second(RATE_A_SECOND as usize)
                .build()
                .expect("the rate is valid")
                .layer(Instant0)
        }),
        Case::numbers(KEYED, "governor", || Keyed {
            limiter: Arc::new(RateLimiter::keyed(quota())),
            inner: Instant0,
        }),
    ]
}

fn quota() -> Quota {
    let rate = NonZeroU32::new(RATE_A_SECOND).expect("it is not zero");
    Quota::per_second(rate)
}

type Checked<F> = Either<F, std::future::Ready<Result<u64, BoxError>>>;

fn refused<F>() -> Checked<F> {
    Either::Right(std::future::ready(Err(BoxError::from("too many"))))
}

/// governor's check in front of a service: the least that a layer of it would do.
#[derive(Clone)]
struct Direct<S> {
    limiter: Arc<DefaultDirectRateLimiter>,
    inner: S,
}

impl<S: Service<u64, Response = u64, Error = BoxError>> Service<u64> for Direct<S> {
    type Response = u64;
    type Error = BoxError;
    type Future = Checked<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: u64) -> Self::Future {
        match self.limiter.check() {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(_) => refused(),
        }
    }
}

/// Likewise, by key.
#[derive(Clone)]
struct Keyed<S> {
    limiter: Arc<DefaultKeyedRateLimiter<u64>>,
    inner: S,
}

impl<S: Service<u64, Response = u64, Error = BoxError>> Service<u64> for Keyed<S> {
    type Response = u64;
    type Error = BoxError;
    type Future = Checked<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: u64) -> Self::Future {
        match self.limiter.check_key(&(request % KEYS)) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(_) => refused(),
        }
    }
}
