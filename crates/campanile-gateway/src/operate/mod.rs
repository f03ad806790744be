//! Health, metrics, status, operators' actions, trails.

use axum::{Router, extract::State, routing::get};

use crate::gateway::Gateway;

/// What is served to operators.
pub(crate) fn routes() -> Router<Gateway> {
    Router::new().route("/healthz", get(async || "ok\n")).route(
        "/metrics",
        get(async |State(gateway): State<Gateway>| gateway.kept().metrics.prometheus()),
    )
}
