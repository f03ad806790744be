//! Connections, requests and answers.
//!
//! HTTP/1.1 by hyper, without a framework in between: callers' paths are matched by hand, operators' go to a router. A
//! connection is one task with one timer, whatever it is doing; a request that is refused is read no further than needed.
//!
//! **Limits.** Those of [`ServerConfig`](crate::config::ServerConfig): connections, heads (431, 408), bodies (413, 408), idle
//! connections, clients that do not read. **Cancellation.** When a client goes, its call and that of the provider are dropped.
//! **Panics** are answered with 500, and end nothing else. **Stop.** No new calls; answers under way have
//! their time, in which whoever connects is told of the stop; then streams end with an error that says so, and the others with
//! 503. **Operators** may have a listener of their own, with places that no caller takes.

use std::sync::Arc;

use axum::Router;
use http::Request;

use crate::{gateway::Gateway, operate};
use calls::Served;

mod answer;
mod body;
mod call;
mod calls;
mod chat;
mod clocks;
mod connection;
mod embed;
mod follow;
mod listen;
mod models;
mod path;
mod present;
mod read;
mod refuse;
mod runtime;
mod stage;
mod stop;
#[cfg(test)]
mod tests;
mod told;
mod transport;

pub(crate) use present::Present;
pub(crate) use read::short as read_short;

pub use listen::{Server, Stopped};
pub use runtime::runtime;

/// Everything that is served, for programs that have a server of their own: chats, embeddings and models, and what is for
/// operators. Limits of connections, heads and times are that server's; those of bodies and calls hold here too.
///
/// ```
/// use campanile_gateway::{Gateway, config};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let loaded = config::load("providers: { local: { base_url: \"http://127.0.0.1:8000/v1\" } }")?;
/// let gateway = Gateway::new(loaded.config)?;
/// let app: axum::Router = axum::Router::new()
///     .route("/", axum::routing::get(|| async { "hello" }))
///     .fallback_service(campanile_gateway::routes(gateway));
/// # drop(app);
/// # Ok(()) }
/// ```
pub fn routes(gateway: Gateway) -> Router {
    let served = Arc::new(Served::new(gateway, Audience::Everybody));
    Router::new().fallback(async move |request: Request<axum::body::Body>| {
        calls::one(&served, request)
            .await
            .map(axum::body::Body::new)
    })
}

/// Whom a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    Everybody,
    /// Whoever is no operator: there is a listener for those.
    Callers,
    Operators,
}

/// What is not for callers, and what is nowhere.
fn operate(gateway: Gateway, audience: Audience) -> Router {
    let routes = match audience {
        Audience::Callers => operate::health_routes(),
        Audience::Everybody => operate::routes(true),
        Audience::Operators => operate::routes(false),
    };
    routes.fallback(answer::nowhere).with_state(gateway)
}
