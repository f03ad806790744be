//! Health, metrics, status, operators' actions; ids of calls, and the access log.

use axum::{Router, extract::State, routing::get};

use crate::gateway::Gateway;

mod about;
mod calls;
mod request_id;

pub(crate) use about::About;
pub(crate) use calls::CallsLayer;
pub(crate) use request_id::RequestId;

/// What is served to operators.
pub(crate) fn routes() -> Router<Gateway> {
    Router::new().route("/healthz", get(async || "ok\n")).route(
        "/metrics",
        get(async |State(gateway): State<Gateway>| gateway.kept().metrics.prometheus()),
    )
}
