//! The contracts of shedding. Each is a test, by subject.
#![cfg(feature = "testing")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use tower::{Service, ServiceExt, limit::ConcurrencyLimit};
use tower_layer::Layer;

use super::*;
use crate::{
    BoxError, Call, Context, Rejection,
    context::Priority,
    rejection::RejectionKind,
    testing::{Permits, Readiness, ReadinessProbe, Script, Step, seeded},
};

#[cfg(feature = "http")]
mod answers;
mod priorities;
mod readiness;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

fn layer() -> LoadShedLayer {
    LoadShedLayer::new(LoadShedConfig::default().build().unwrap()).unwrap()
}

#[track_caller]
fn assert_shed<T: std::fmt::Debug>(result: Result<T, BoxError>, after: Duration) {
    let error = result.expect_err("not shed");
    let rejection = Rejection::find(&*error).unwrap_or_else(|| panic!("no rejection: {error}"));
    assert_eq!(
        (rejection.kind(), rejection.layer(), rejection.retry_after()),
        (RejectionKind::Shed, "load_shed", Some(after))
    );
}

/// A readied service.
async fn ready<S: Service<()>>(service: &mut S) -> Result<&mut S, S::Error> {
    service.ready().await
}
