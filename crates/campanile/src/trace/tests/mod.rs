//! The contracts of the layer. Each is a test, by subject.

use std::time::Duration;

use tower::{ServiceBuilder, ServiceExt};
use tower_layer::Layer;
use tower_service::Service;
use tracing::{Level, level_filters::LevelFilter};

use super::*;
use crate::{
    BoxError, Call, Context, Endpoint, Rejection,
    rejection::RejectionKind,
    testing::{Script, Scripted, Step},
};

mod capture;
mod contract;
#[cfg(feature = "http")]
mod http;
mod ids;
mod lines;
mod off;
#[cfg(all(
    feature = "balance",
    feature = "retry",
    feature = "hedge",
    feature = "fallback"
))]
mod pool;
mod spans;
mod texts;

use capture::Capture;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

fn well() -> Script<&'static str> {
    Script::answering("well")
}

fn down() -> Script<&'static str> {
    Script::new(Step::error("down"))
}

/// A stage over a script, for calls in their envelope.
fn stage<T>(script: &Script<T>) -> Trace<Scripted<T>, crate::protocol::Enveloped, ContextIds> {
    TraceLayer::stage("chat").calls().layer(script.service())
}
