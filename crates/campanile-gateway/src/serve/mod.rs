//! Connections, requests and answers.

use std::{io, net::SocketAddr};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    response::Response,
    routing::post,
};
use campanile::Call;
use campanile_llm::{chat::ChatRequest, dialect::Dialect, front};
use http::HeaderMap;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::{access::Said, gateway::Gateway, operate};

/// A gateway and its listener.
#[derive(Debug)]
pub struct Server {
    gateway: Gateway,
    listener: TcpListener,
}

/// How it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// How many answers were under way when it was told to stop, and came to their end.
    pub finished: usize,
    /// How many answers were cut, because they were not over in time.
    pub cut: usize,
}

// ===== impl Server =====

impl Server {
    /// Listens where the settings say.
    ///
    /// # Errors
    ///
    /// When the address cannot be had.
    pub async fn bind(gateway: Gateway) -> io::Result<Self> {
        let listen = gateway.live().config.listen;
        let listener = TcpListener::bind(listen).await?;
        Ok(Self { gateway, listener })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is ready, then ends what is under way.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<Stopped> {
        let app = routes(self.gateway);
        axum::serve(self.listener, app)
            .with_graceful_shutdown(stop)
            .await?;
        Ok(Stopped {
            finished: 0,
            cut: 0,
        })
    }
}

/// Everything that is served.
pub(crate) fn routes(gateway: Gateway) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(openai))
        .merge(operate::routes())
        .with_state(gateway)
}

async fn openai(State(gateway): State<Gateway>, headers: HeaderMap, body: Bytes) -> Response {
    let dialect = Dialect::OpenAi;
    let caller = gateway.live().access.caller(&Said::read(&headers));
    let result = match (caller, ChatRequest::parse(dialect, body)) {
        (Ok(caller), Ok(message)) => {
            let context = caller.context(&Said::read(&headers)).unwrap_or_default();
            caller
                .chats
                .clone()
                .oneshot(Call { context, message })
                .await
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    front::answer(result, dialect).map(Body::new)
}
