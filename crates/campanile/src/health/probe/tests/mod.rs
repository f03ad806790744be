use std::{
    future::{pending, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use super::*;
use crate::{BoxError, endpoint::Endpoint};

mod calls;
mod finding;
mod groups;
#[cfg(feature = "http")]
mod grpc;
#[cfg(feature = "http")]
mod http;
mod messages;
mod services;

const SEC: Duration = Duration::from_secs(1);

fn check<T>(target: T) -> Check<T> {
    Check::new(Endpoint::new("one"), target)
}

fn message(report: &Report) -> (Verdict, &str) {
    (report.verdict, &report.message)
}

fn metric(report: &Report, name: &str) -> Option<f64> {
    let mut found = report.metrics.iter().filter(|(is, _)| is == name);
    let value = found.next().map(|(_, value)| *value);
    assert_eq!(found.next(), None, "{name} is there twice");
    value
}

/// Polls once.
async fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}
