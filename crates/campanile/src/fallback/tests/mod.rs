//! The contracts of answers from elsewhere. Each is a test, by subject.
#![cfg(feature = "testing")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::time::Instant;
use tower::{Service, ServiceExt};
use tower_layer::Layer;

use super::*;
use crate::{
    BoxError, Call, Context, Rejection,
    context::Trail,
    outcome::{FailureKind, Outcome},
    rejection::RejectionKind,
    testing::{Permits, Readiness, ReadinessProbe, Script, Step},
};

mod backups;
mod calls;
mod readiness;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

fn failing() -> Script<&'static str> {
    Script::new(Step::error("out of luck"))
}

fn rejected(kind: RejectionKind) -> Script<&'static str> {
    Script::new(Step::error_with(move || {
        Rejection::new(kind, "test").into()
    }))
}

/// A call whose trail allows so many attempts.
fn with_attempts(attempts: u32) -> Call<()> {
    Call {
        context: Context::new().with_trail(Trail::with_attempts(attempts)),
        message: (),
    }
}

/// A readied service.
async fn ready<S: Service<()>>(service: &mut S) -> Result<&mut S, S::Error> {
    service.ready().await
}
