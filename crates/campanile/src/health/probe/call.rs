//! One call for a probe, and what its failure says of the endpoint.

use std::iter;

use super::{Report, text};
use crate::{BoxError, Rejection, rejection::RejectionKind};

/// Calls a service that is this call's own: the instance that was readied.
#[cfg(feature = "http")]
pub(super) async fn call<S, Req>(mut service: S, request: Req) -> Result<S::Response, BoxError>
where
    S: tower_service::Service<Req>,
    S::Error: Into<BoxError>,
{
    std::future::poll_fn(|cx| service.poll_ready(cx))
        .await
        .map_err(Into::into)?;
    service.call(request).await.map_err(Into::into)
}

/// What a call that ended in `error` says of the endpoint: that it is unhealthy. Unless a layer on the way refused the
/// call: then it never came there.
pub(super) fn failed<'a>(error: &BoxError, secrets: impl IntoIterator<Item = &'a str>) -> Report {
    let message = text::describe(&**error, secrets);
    match Rejection::find(&**error).map(Rejection::kind) {
        None | Some(RejectionKind::TimedOut | RejectionKind::Aborted) => Report::unhealthy(message),
        Some(_) => Report::unknown(message),
    }
}

/// The probe was not given what it needs.
pub(super) fn unprepared(error: &BoxError) -> Report {
    Report::unknown(text::describe(&**error, iter::empty()))
}
