//! The contracts of a rate limit. Each is a test, by subject.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tower::{Service, ServiceExt};
use tower_layer::Layer;

use super::*;
use crate::{
    BoxError, Call, Rejection,
    context::Context,
    cost::{Cost, Usage},
    protocol::{Enveloped, Streaming, Unary},
    rejection::RejectionKind,
    testing::{Script, ScriptStream, Scripted, Step},
};

mod collect;
mod contract;
mod endings;
mod faults;
mod gate;
mod keyed;
#[cfg(feature = "http")]
mod learning;
mod live;
mod priority;
mod settling;
mod threads;
mod waiting;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

type Limited<S, P = Unary, B = Single, F = Together> = RateLimit<S, P, B, F, Silent>;

fn built(config: RateLimitConfig) -> RateLimitConfig {
    config.build().unwrap()
}

/// Ten requests a second, `burst` at once, and calls wait up to 10 s.
fn ten_per_second(burst: u64) -> RateLimitConfig {
    built(
        RateLimitConfig::requests(Limit::per_second(10.0).with_burst(burst))
            .with_max_wait(10 * SEC),
    )
}

fn refusing(config: RateLimitConfig) -> RateLimitConfig {
    config.with_max_wait(Duration::ZERO)
}

/// A limited service that answers at once.
fn limited(config: RateLimitConfig) -> (Script<&'static str>, Limited<Scripted<&'static str>>) {
    let script = Script::answering("hello");
    let service = RateLimitLayer::new(config).unwrap().layer(script.service());
    (script, service)
}

/// The same for messages in an envelope, which can tell their cost.
fn costed(
    config: RateLimitConfig,
) -> (
    Script<&'static str>,
    Limited<Scripted<&'static str>, Enveloped>,
) {
    let script = Script::answering("hello");
    let service = RateLimitLayer::new(config)
        .unwrap()
        .calls()
        .layer(script.service());
    (script, service)
}

fn tokens(tokens: u64) -> Call<()> {
    Call {
        context: Context::new().with_cost(Cost::tokens(tokens)),
        message: (),
    }
}

/// One call by a clone of its own.
fn call<S>(service: &S) -> impl Future<Output = Result<S::Response, BoxError>> + Send + 'static
where
    S: Service<(), Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send,
{
    service.clone().oneshot(())
}

/// A readied service of messages.
fn ready<S: Service<()>>(service: &mut S) -> tower::util::Ready<'_, S, ()> {
    service.ready()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, BoxError>) -> Rejection {
    let error = result.expect_err("not refused");
    let rejection = *Rejection::find(&*error).unwrap_or_else(|| panic!("no rejection: {error}"));
    assert_eq!(
        (rejection.kind(), rejection.layer()),
        (RejectionKind::RateLimited, "rate_limit")
    );
    rejection
}

/// Lets every task that can go on go on, without time passing.
async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

/// How many of a unit are left.
fn left<S, P, F, A>(service: &RateLimit<S, P, Single, F, A>, unit: Unit) -> f64 {
    service.handle().left(unit).unwrap()
}

#[track_caller]
fn assert_left<S, P, F, A>(service: &RateLimit<S, P, Single, F, A>, unit: Unit, expected: f64) {
    let left = left(service, unit);
    assert!((left - expected).abs() < 1e-6, "{left} {unit} are left");
}
