//! The contracts of the clocks. Each is a test, by subject.
#![cfg(feature = "testing")]

use std::{convert::Infallible, time::Duration};

use tokio::time::Instant;
use tower::{Service, ServiceExt};
use tower_layer::Layer;

use super::*;
use crate::{
    BoxError, Call, Context, Rejection,
    protocol::Protocol,
    rejection::RejectionKind,
    testing::{Permits, Readiness, ReadinessProbe, Script, ScriptStream, Scripted, Step},
};

#[cfg(feature = "http")]
mod bodies;
mod calls;
mod count;
mod endings;
#[cfg(feature = "balance")]
mod pool;
mod readiness;
mod streams;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

/// The clocks that a test sets.
fn clocks() -> TimeoutConfig {
    TimeoutConfig::new()
}

/// The service of a script under these clocks.
fn timed<T>(script: &Script<T>, config: TimeoutConfig) -> Timeout<Scripted<T>> {
    TimeoutLayer::new(config.build().unwrap())
        .unwrap()
        .layer(script.service())
}

/// A readied service.
async fn ready<S: Service<()>>(service: &mut S) -> Result<&mut S, S::Error> {
    service.ready().await
}

/// What it said, and how long it took.
async fn taking<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let begin = Instant::now();
    let output = future.await;
    (output, Instant::now() - begin)
}

#[track_caller]
fn rejection(error: &BoxError) -> Rejection {
    *Rejection::find(&**error).unwrap_or_else(|| panic!("no rejection: {error}"))
}

#[track_caller]
fn assert_timed_out(error: &BoxError, clock: Clock) {
    let rejection = rejection(error);
    assert_eq!(
        (rejection.kind(), rejection.layer()),
        (RejectionKind::TimedOut, clock.layer())
    );
}

fn slow(latency: Duration) -> Script<&'static str> {
    Script::new(Step::answer("done").after(latency))
}

/// A call with a deadline from now.
fn call_within(time: Duration) -> Call<()> {
    Call {
        context: Context::new().with_deadline(Instant::now() + time),
        message: (),
    }
}
