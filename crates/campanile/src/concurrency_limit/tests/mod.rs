//! The contracts of the concurrency limit. Each is a test, by subject.
#![cfg(feature = "testing")]

use std::time::Duration;

use futures_util::FutureExt;
use tower::{Service, ServiceExt};
use tower_layer::Layer;

use super::*;
use crate::{
    BoxError, Rejection,
    protocol::Unary,
    rejection::RejectionKind,
    testing::{Script, Scripted, Step},
};

mod adaptive;
#[cfg(feature = "http")]
mod bodies;
mod cancellation;
mod collect;
mod config;
mod contract;
mod endings;
mod gate;
mod handle;
mod loops;
mod priority;
mod state;
mod streaming;
mod waiting;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

type Limited<T = &'static str, P = Unary> = ConcurrencyLimit<Scripted<T>, P>;

/// A limit of `limit` calls over a scripted service.
fn limited(limit: u32, script: &Script<&'static str>) -> Limited {
    with(ConcurrencyLimitConfig::fixed(limit), script)
}

fn with(config: ConcurrencyLimitConfig, script: &Script<&'static str>) -> Limited {
    ConcurrencyLimitLayer::new(config)
        .unwrap()
        .layer(script.service())
}

fn slow(latency: Duration) -> Script<&'static str> {
    Script::new(Step::answer("done").after(latency))
}

fn stuck() -> Script<&'static str> {
    Script::new(Step::stall())
}

/// Makes a call on a clone, and does not poll it.
fn call<S: Service<()> + Clone>(service: &S) -> S::Future
where
    S::Error: std::fmt::Debug,
{
    let mut service = service.clone();
    let ready = ready(&mut service).now_or_never();
    ready.expect("not ready").unwrap().call(())
}

/// A readied service.
async fn ready<S: Service<()>>(service: &mut S) -> Result<&mut S, S::Error> {
    service.ready().await
}

/// Lets every task that can go on go on, without time passing.
#[cfg(feature = "balance")]
async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

/// Nothing is in use, and nobody waits.
#[track_caller]
fn assert_at_rest(handle: &ConcurrencyLimitHandle) {
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.in_use, snapshot.waiting), (0, 0), "{snapshot:?}");
    assert_eq!(handle.shared().waiting_for_room(), 0);
    let word = handle.shared().word();
    assert!(!word.queued(), "{handle:?}");
}

#[track_caller]
fn assert_rejected<T: std::fmt::Debug>(result: Result<T, BoxError>, kind: RejectionKind) {
    let error = result.expect_err("not refused");
    let rejection = Rejection::find(&*error).unwrap_or_else(|| panic!("no rejection: {error}"));
    assert_eq!(
        (rejection.kind(), rejection.layer()),
        (kind, "concurrency_limit")
    );
}
