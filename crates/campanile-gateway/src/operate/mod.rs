//! Health, metrics, status, operators' actions; ids of calls, and the access log.
//!
//! | path | what | who |
//! |---|---|---|
//! | `/` | what is here | everybody |
//! | `/healthz` | 200 while the process answers | everybody |
//! | `/readyz`, `/readyz?stage=chat` | 200 while some stage, or this one, can serve; 503 otherwise and while it stops | everybody |
//! | `/metrics` | [Prometheus and OpenMetrics text](metrics) | everybody where there is no token, or where `admin.open` says so; operators otherwise |
//! | `/status`, `/status?format=table` | [everything at one moment](status) | the same |
//! | `/admin/...` | [actions](admin) | operators |
//!
//! Where [`AdminConfig::listen`](crate::config::AdminConfig::listen) is set all of it is there, and callers' listener has nothing
//! of it but `/healthz` and `/readyz`.

use std::future::ready;

use axum::{Router, routing::get};
use bytes::Bytes;
use http::StatusCode;

use crate::gateway::Gateway;

mod about;
mod access_log;
mod admin;
mod answer;
mod calls;
mod health;
mod metrics;
mod refusals;
mod request_id;
mod standing;
mod status;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use about::About;
pub(crate) use access_log::{Ends, LoggedBody};
pub(crate) use calls::Called;
pub(crate) use refusals::{Refusal, Refusals};
pub(crate) use request_id::{REQUEST_ID_OF_ANTHROPIC, RequestId};
pub(crate) use standing::Standing;

/// What is here.
const TITLE: &str = "campanile-gateway, a gateway for language models\n\n";
const CALLERS: &str = "  POST /v1/chat/completions   OpenAI's interface
  POST /v1/messages           Anthropic's interface
  POST /v1/embeddings
  GET  /v1/models

";
const OPERATORS: &str = "  GET  /healthz               whether the process answers
  GET  /readyz                whether it can serve; ?stage=NAME
  GET  /status                everything at one moment; ?format=table
  GET  /metrics               for Prometheus
  GET  /admin                 operators' actions
";

/// What is served to operators; the first page tells what callers are served, where that is beside.
pub(crate) fn routes(beside_callers: bool) -> Router<Gateway> {
    let callers = if beside_callers { CALLERS } else { "" };
    let index = Bytes::from([TITLE, callers, OPERATORS].concat());
    let routes = Router::new()
        .route(
            "/",
            get(move || ready(answer::text("text/plain; charset=utf-8", index.clone()))),
        )
        .route("/metrics", get(metrics::scrape))
        .route("/status", get(status::status))
        .merge(admin::routes());
    with_health(routes)
}

/// What of that is served to callers, where operators have a listener of their own.
pub(crate) fn health_routes() -> Router<Gateway> {
    with_health(Router::new())
}

fn with_health(routes: Router<Gateway>) -> Router<Gateway> {
    routes
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .method_not_allowed_fallback(async || {
            let message = "it is asked for by another method, which `allow` names";
            answer::error(StatusCode::METHOD_NOT_ALLOWED, message)
        })
}
