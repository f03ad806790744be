//! The recorders that are compared: each as a [`Case`] that records every call of a service that answers at once.
//!
//! All of ours record everything they can. The peers' count calls, calls in flight and how long they took, through handles
//! that were bound once, unless their row says otherwise; all read the same clock.

use std::{
    future::{Ready, ready},
    sync::OnceLock,
    task::{Context, Poll},
};

use campanile::{BoxError, context::Call, time::Timestamp};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tower::Service;

use crate::{
    Instant0,
    case::{BARE, Case, Message},
};

mod memory;
mod ours;
mod peers;
mod recording;
mod scrape;

mod stream;

pub use memory::memory;
pub use scrape::scrape;

use stream::{Drain, Pieces};

/// A call that is answered at once.
const UNARY: &str = "a call";
/// A call whose context says since when it has waited.
const WAITED: &str = "a call with context and wait";
/// A call that is answered by a stream.
const STREAM: &str = "a stream of 20 pieces";
/// What guards that record add.
const GUARDS: &str = "guards that record, a call";

/// Upper bounds of a histogram's buckets, in seconds: ours of a scrape, for the peers.
const BOUNDS: [f64; 17] = [
    0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
    300.0,
];

/// Every case: the bare ones, ours, the peers'.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::numbers(BARE, BARE, || Instant0),
        Case::new(BARE, "bare, with context", Message::Called, waited, || Open),
        Case::new(
            BARE,
            "bare, stream",
            Message::Stream,
            |n| n,
            || Drain(Pieces),
        ),
    ];
    cases.extend(ours::cases());
    cases.extend(peers::cases());
    cases
}

/// A call that has waited since just now, as far as its context says.
fn waited(number: u64) -> Call<u64> {
    let mut call = Call::new(number);
    call.context.queued_since = Some(Timestamp::from_nanos(number));
    call
}

/// The exporter of the `metrics` crate, installed for the whole process, since its macros know only one. No listener.
pub fn prometheus() -> &'static PrometheusHandle {
    static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&BOUNDS)
            .expect("there are buckets")
            .build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).expect("nothing else is installed");
        handle
    })
}

/// Answers calls in an envelope at once.
#[derive(Debug, Clone, Copy)]
struct Open;

impl Service<Call<u64>> for Open {
    type Response = u64;
    type Error = BoxError;
    type Future = Ready<Result<u64, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Call<u64>) -> Self::Future {
        ready(Ok(request.message))
    }
}
